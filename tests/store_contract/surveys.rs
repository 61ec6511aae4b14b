//! Surveys in the memory: what waits and what is due, changes only to what was read, calls that were booked.

use backchat::message::{InvitationState, MessageId, OutcomeKind};
use backchat::store::{
    Acceptance, AnswerRow, CallbackRow, Earlier, InboundCommit, Invitation, Record, Store, TurnCommit,
};

use crate::fixtures::*;

crate::contract! {
    a_survey_that_waits_is_known_before_it_has_a_message,
    what_is_due_is_told_in_order_with_the_way_of_its_question,
    a_change_is_made_only_to_what_was_read,
    a_late_answer_replaces_none_that_came_in_time,
    a_call_booked_again_takes_the_place_of_the_first,
}

fn due_at(message: i64, due_ms: Option<i64>) -> Invitation {
    let mut one = invitation(message);
    one.standing.due_ms = due_ms;
    one
}

async fn with(place: &Place, invitations: Vec<Invitation>) -> Store {
    let store = place.open().await;
    store.accept(Acceptance { invitations, ..acceptance(3) }).await.unwrap();
    store
}

async fn a_survey_that_waits_is_known_before_it_has_a_message(place: Place) {
    let mut waiting = invitation(900);
    waiting.number = number(1);
    waiting.standing = standing(InvitationState::Waiting);
    let store = with(&place, vec![invitation(1), waiting]).await;
    let contexts = store.reply_contexts(&[(CODE.to_owned(), number(1))]).await.unwrap();
    let ids = |list: &[Invitation]| list.iter().map(|one| one.message.0).collect::<Vec<_>>();
    assert_eq!((ids(&contexts[0].open), ids(&contexts[0].waiting)), (vec![1], vec![900]));
    assert_eq!(contexts[0].last_text.as_ref().unwrap().message, MessageId(1), "what waits was not sent");
    // Its turn comes: the message is written under the id it had from the first.
    let mut asking = message(900);
    asking.to = number(1);
    let accept = Acceptance { messages: vec![asking], ..Acceptance::default() };
    let turn = TurnCommit { change: change(900, InvitationState::Open), accept };
    assert_eq!(store.commit_turns(vec![turn]).await, Ok(vec![MessageId(900)]));
    let contexts = store.reply_contexts(&[(CODE.to_owned(), number(1))]).await.unwrap();
    assert_eq!(ids(&contexts[0].open).len(), 2);
    assert_eq!(contexts[0].last_text.as_ref().unwrap().message, MessageId(900));
}

async fn what_is_due_is_told_in_order_with_the_way_of_its_question(place: Place) {
    let invitations = vec![due_at(1, Some(NOW + 50)), due_at(2, Some(NOW + 20)), due_at(3, None)];
    let store = with(&place, invitations).await;
    assert_eq!(store.due_invitations(NOW, 10).await.unwrap().len(), 0);
    let outcomes = vec![sent(1, "a1"), outcome(2, OutcomeKind::Suppressed)];
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    let due = store.due_invitations(NOW + 50, 10).await.unwrap();
    let told: Vec<_> =
        due.iter().map(|one| (one.invitation.message.0, one.sent_ms, one.failed, one.suppressed)).collect();
    assert_eq!(told, [(2, None, 0, 1), (1, Some(NOW + 1_000), 0, 0)]);
    store.receipts(vec![receipt(7, "a1", "undeliverable")]).await.unwrap();
    let due = store.due_invitations(NOW + 50, 1).await.unwrap();
    assert_eq!((due.len(), due[0].invitation.message), (1, MessageId(2)), "no more than asked for");
    let due = store.due_invitations(NOW + 50, 10).await.unwrap();
    assert_eq!(due[1].failed, 1);
}

async fn a_change_is_made_only_to_what_was_read(place: Place) {
    let store = with(&place, vec![due_at(1, Some(NOW))]).await;
    let mut answered = inbound(1, 1, "3");
    answered.invitations = vec![change(1, InvitationState::Complete)];
    store.commit_inbound(vec![answered]).await.unwrap();
    // Time had read it before the answer came: the reminder is not sent.
    let accept = Acceptance { messages: vec![message(50)], ..Acceptance::default() };
    let turn = TurnCommit { change: change(1, InvitationState::Open), accept };
    assert_eq!(store.commit_turns(vec![turn]).await, Ok(vec![]));
    assert_eq!(store.why(MessageId(50)).await, Ok(None));
    let contexts = store.reply_contexts(&[(CODE.to_owned(), number(1))]).await.unwrap();
    assert_eq!(contexts[0].closed.as_ref().unwrap().standing.version, 1);
    assert!(store.due_invitations(NOW + 1, 10).await.unwrap().is_empty());
}

async fn a_late_answer_replaces_none_that_came_in_time(place: Place) {
    let store = with(&place, vec![invitation(1)]).await;
    let answered = |id: i64, value: &str, late: i64| {
        let commit = inbound(id, 1, value);
        let answer = AnswerRow {
            inbound: id,
            campaign: campaign(),
            number: number(1),
            survey: "exit".to_owned(),
            question: "reason".to_owned(),
            value: value.to_owned(),
            comment: None,
            at_ms: NOW + id,
            rule: "digit".to_owned(),
            pack: "en@1".to_owned(),
            candidates: serde_json::json!([]),
            late,
            replaced_ms: None,
            earlier: Earlier::Perhaps,
        };
        InboundCommit { answer: Some(answer), ..commit }
    };
    store.commit_inbound(vec![answered(1, "3", 0)]).await.unwrap();
    store.commit_inbound(vec![answered(2, "5", 1)]).await.unwrap();
    let results = store.results(&campaign()).await.unwrap();
    let counts: Vec<_> = results.answers.iter().map(|one| (one.value.as_str(), one.count)).collect();
    assert_eq!(counts, [("3", 1)], "late answers are kept apart");
}

async fn a_call_booked_again_takes_the_place_of_the_first(place: Place) {
    let store = with(&place, vec![invitation(1)]).await;
    let booked = |id: i64, start_ms: i64, state: &str| {
        let call = CallbackRow {
            invitation: MessageId(1),
            question: "call".to_owned(),
            campaign: campaign(),
            survey: "exit".to_owned(),
            number: number(1),
            code: CODE.to_owned(),
            start_ms,
            end_ms: start_ms + 1,
            words: "Monday".to_owned(),
            state: state.to_owned(),
            inbound: id,
            booked_ms: NOW,
        };
        InboundCommit { callbacks: vec![call], ..inbound(id, 1, "1") }
    };
    for (id, start_ms, due) in [(1, 70, vec![70]), (2, 90, vec![90])] {
        store.commit_inbound(vec![booked(id, start_ms, "due")]).await.unwrap();
        let calls = store.callbacks_due(10).await.unwrap();
        assert_eq!(calls.iter().map(|call| call.start_ms).collect::<Vec<_>>(), due);
    }
    store.commit_inbound(vec![booked(3, 0, "cancelled")]).await.unwrap();
    assert!(store.callbacks_due(10).await.unwrap().is_empty());
    store.commit_inbound(vec![booked(4, 95, "due")]).await.unwrap();
    assert_eq!(store.called(number(1), Some("99009")).await, Ok(0), "on another code");
    assert_eq!(store.called(number(1), None).await, Ok(1));
    assert_eq!(store.called(number(1), None).await, Ok(0), "once");
    assert!(store.callbacks_due(10).await.unwrap().is_empty());
}
