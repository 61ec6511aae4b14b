//! What comes in: one commit for a message and all it brings about, parts, and what is known beforehand.

use backchat::message::{MessageId, Purpose};
use backchat::store::{
    Acceptance, AnswerRow, ConsentKind, Earlier, InboundCommit, InvitationState, PartRow, PartsKey,
    ReplyFilter, StoreError,
};

use crate::fixtures::*;

crate::contract! {
    one_commit_holds_a_message_and_everything_it_brings_about,
    a_commit_with_one_bad_effect_holds_nothing,
    a_commit_that_is_repeated_has_no_second_effect,
    stop_and_start_in_one_commit_end_as_they_came,
    a_later_answer_replaces_the_earlier_and_both_are_kept,
    a_handset_is_known_by_what_is_open_closed_said_and_opted_out,
    two_open_questions_on_one_code_are_both_told,
    parts_come_in_any_order_and_the_last_completes_them,
    parts_are_dealt_with_once,
    a_reference_used_again_later_is_another_message,
    parts_that_wait_too_long_are_listed_together,
}

fn answer(commit: &InboundCommit, value: &str) -> AnswerRow {
    AnswerRow {
        inbound: commit.inbound.id,
        campaign: campaign(),
        number: commit.inbound.number,
        survey: "exit".to_owned(),
        question: "reason".to_owned(),
        value: value.to_owned(),
        comment: Some("too expensive".to_owned()),
        at_ms: commit.inbound.received_ms,
        rule: "digit".to_owned(),
        pack: "en@1".to_owned(),
        candidates: serde_json::json!([{ "value": value, "span": [0, 1] }]),
        late: 0,
        replaced_ms: None,
        earlier: Earlier::Perhaps,
    }
}

/// A STOP with all its effects: the opt-out, the closed question, the confirmation.
fn stop(id: i64, from: i64) -> InboundCommit {
    let mut commit = inbound(id, from, "STOP");
    commit.inbound.verdict = "opt_out".to_owned();
    commit.consent = vec![consent(id, from, ConsentKind::OptOut)];
    commit.invitations = vec![change(from, InvitationState::OptedOut)];
    let mut confirmation = message(1_000 + id);
    (confirmation.to, confirmation.purpose) = (number(from), Purpose::Confirmation);
    let mut work = chunk(1_000 + id, [1_000 + id]);
    work.class = Purpose::Confirmation.class();
    commit.accept = Acceptance { messages: vec![confirmation], chunks: vec![work], ..Acceptance::default() };
    commit
}

async fn invited(place: &Place, n: i64) -> backchat::store::Store {
    let store = place.open().await;
    let invitations = (1..=n).map(invitation).collect();
    store.accept(Acceptance { invitations, ..acceptance(n) }).await.unwrap();
    store
}

async fn one_commit_holds_a_message_and_everything_it_brings_about(place: Place) {
    let store = invited(&place, 2).await;
    store.commit_inbound(vec![stop(1, 1)]).await.unwrap();
    assert_eq!(
        store.optouts(&[number(1), number(2)]).await,
        Ok(vec![(number(1), "sender:88001".to_owned())])
    );
    let results = store.results(&campaign()).await.unwrap();
    assert_eq!((results.opted_out, results.invitations.get("open")), (1, Some(&1)));
    let lines = store.lines(LANE).await.unwrap();
    let next = store.lease_chunk(LANE, &lines[0].line, NOW, LEASE).await.unwrap().unwrap();
    assert_eq!(ids(&next.members), [1_001], "the confirmation goes before the survey");
    let replies = store.replies(&ReplyFilter::default()).await.unwrap();
    assert_eq!((replies.len(), replies[0].text.as_str()), (1, "STOP"));
}

async fn a_commit_with_one_bad_effect_holds_nothing(place: Place) {
    let store = invited(&place, 1).await;
    let mut commit = stop(1, 1);
    commit.accept.chunks.push(chunk(77, []));
    let refused = store.commit_inbound(vec![commit]).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(store.optouts(&[number(1)]).await, Ok(vec![]));
    assert_eq!(store.replies(&ReplyFilter::default()).await, Ok(vec![]));
    assert_eq!(store.results(&campaign()).await.unwrap().opted_out, 0);
    assert_eq!(store.why(MessageId(1_001)).await, Ok(None));
}

async fn a_commit_that_is_repeated_has_no_second_effect(place: Place) {
    let store = invited(&place, 1).await;
    store.commit_inbound(vec![stop(1, 1)]).await.unwrap();
    let mut start = inbound(2, 1, "START");
    start.consent = vec![consent(2, 1, ConsentKind::OptIn)];
    store.commit_inbound(vec![start.clone()]).await.unwrap();
    store.commit_inbound(vec![stop(1, 1)]).await.unwrap();
    assert_eq!(store.optouts(&[number(1)]).await, Ok(vec![]), "the STOP of before does not undo the START");
    store.commit_inbound(vec![stop(3, 1)]).await.unwrap();
    store.commit_inbound(vec![start]).await.unwrap();
    assert_eq!(store.optouts(&[number(1)]).await.unwrap().len(), 1);
    assert_eq!(store.why_number(number(1)).await.unwrap().consent.len(), 3);
}

async fn stop_and_start_in_one_commit_end_as_they_came(place: Place) {
    let store = invited(&place, 2).await;
    let start = |id: i64, from: i64| InboundCommit {
        consent: vec![consent(id, from, ConsentKind::OptIn)],
        ..inbound(id, from, "START")
    };
    store.commit_inbound(vec![stop(1, 1), start(2, 1), start(3, 2), stop(4, 2)]).await.unwrap();
    let optouts = store.optouts(&[number(1), number(2)]).await.unwrap();
    assert_eq!(optouts, [(number(2), "sender:88001".to_owned())]);
}

async fn a_later_answer_replaces_the_earlier_and_both_are_kept(place: Place) {
    let store = invited(&place, 2).await;
    let answered = |id: i64, from: i64, value: &str| {
        let mut commit = inbound(id, from, value);
        commit.inbound.verdict = "answer".to_owned();
        commit.answer = Some(answer(&commit, value));
        commit
    };
    store.commit_inbound(vec![answered(1, 1, "3")]).await.unwrap();
    store.commit_inbound(vec![answered(2, 1, "5"), answered(3, 2, "3"), answered(4, 1, "8")]).await.unwrap();
    let results = store.results(&campaign()).await.unwrap();
    let counts: Vec<(&str, i64)> =
        results.answers.iter().map(|answer| (answer.value.as_str(), answer.count)).collect();
    assert_eq!(counts, [("3", 1), ("8", 1)]);
    let filter = ReplyFilter { number: Some(number(1)), ..ReplyFilter::default() };
    let replies = store.replies(&filter).await.unwrap();
    let told: Vec<_> = replies.iter().map(|one| (one.value.as_deref(), one.replaced_ms.is_some())).collect();
    assert_eq!(told, [(Some("8"), false), (Some("5"), true), (Some("3"), true)]);
}

async fn a_handset_is_known_by_what_is_open_closed_said_and_opted_out(place: Place) {
    let store = invited(&place, 2).await;
    let mut answered = inbound(1, 1, "hm");
    answered.inbound.verdict = "answer:3".to_owned();
    store.commit_inbound(vec![answered, inbound(2, 1, "well"), stop(3, 2)]).await.unwrap();
    let asked = [(CODE.to_owned(), number(1)), ("99009".to_owned(), number(1)), (CODE.to_owned(), number(2))];
    let contexts = store.reply_contexts(&asked).await.unwrap();
    let [first, other_code, stopped] = contexts.as_slice() else { panic!("{contexts:?}") };
    assert_eq!((first.code.as_str(), first.number), (CODE, number(1)));
    assert_eq!(first.open.len(), 1);
    assert_eq!((first.open[0].message, first.open[0].standing.question.as_str()), (MessageId(1), "reason"));
    assert_eq!(first.open[0].name.as_deref(), Some("Maria"));
    assert_eq!(first.last_text.as_ref().unwrap().body, message(1).body);
    assert_eq!(
        first.recent.iter().map(|one| (one.digest.as_str(), one.is_answer())).collect::<Vec<_>>(),
        [("digest-2", false), ("digest-1", true)]
    );
    assert!(first.opted_out.is_empty() && first.closed.is_none());
    assert!(other_code.open.is_empty() && other_code.last_text.is_none() && other_code.recent.is_empty());
    assert_eq!(stopped.opted_out, ["sender:88001"]);
    assert!(stopped.open.is_empty());
    assert_eq!(stopped.closed.as_ref().unwrap().standing.state, InvitationState::OptedOut);
    assert_eq!(stopped.last_text.as_ref().unwrap().message, MessageId(1_003), "the confirmation");
    assert_eq!(store.reply_contexts(&[]).await, Ok(vec![]));
}

async fn two_open_questions_on_one_code_are_both_told(place: Place) {
    let store = invited(&place, 1).await;
    let mut second = invitation(1);
    (second.campaign.0, second.message) = ("other".to_owned(), MessageId(9));
    second.standing.opened_ms = NOW + 1;
    let mut asking = message(9);
    asking.to = number(1);
    let (messages, invitations) = (vec![asking], vec![second]);
    store.accept(Acceptance { messages, invitations, ..Acceptance::default() }).await.unwrap();
    let contexts = store.reply_contexts(&[(CODE.to_owned(), number(1))]).await.unwrap();
    let open: Vec<i64> = contexts[0].open.iter().map(|one| one.message.0).collect();
    assert_eq!(open, [9, 1]);
    let mut told: Vec<i64> = store
        .open_questions(&[number(1), number(2)])
        .await
        .unwrap()
        .iter()
        .map(|one| one.message.0)
        .collect();
    told.sort_unstable();
    assert_eq!(told, [1, 9]);
}

fn part(part: i64, received_ms: i64) -> PartRow {
    PartRow { key: key(), part, octets: format!("{part:02x}"), data_coding: 8, received_ms }
}

fn key() -> PartsKey {
    PartsKey { lane: LANE.to_owned(), number: number(1), code: CODE.to_owned(), reference: 200, total: 3 }
}

fn joined(id: i64) -> InboundCommit {
    InboundCommit { parts: Some(key()), ..inbound(id, 1, "a long answer") }
}

async fn parts_come_in_any_order_and_the_last_completes_them(place: Place) {
    let store = place.open().await;
    assert_eq!(store.put_part(part(3, NOW)).await, Ok(None));
    assert_eq!(store.put_part(part(1, NOW)).await, Ok(None));
    assert_eq!(store.put_part(part(1, NOW + 5)).await, Ok(None), "a part that comes twice counts once");
    let mut other = part(2, NOW);
    other.key.reference = 201;
    assert_eq!(store.put_part(other).await, Ok(None));
    let whole = store.put_part(part(2, NOW)).await.unwrap().unwrap();
    assert_eq!(whole, [part(1, NOW), part(2, NOW), part(3, NOW)]);
}

async fn parts_are_dealt_with_once(place: Place) {
    let store = place.open().await;
    for n in 1..=3 {
        store.put_part(part(n, NOW)).await.unwrap();
    }
    store.commit_inbound(vec![joined(1)]).await.unwrap();
    store.commit_inbound(vec![joined(2)]).await.unwrap();
    assert_eq!(
        store.replies(&ReplyFilter::default()).await.unwrap().len(),
        1,
        "another node put it together too"
    );
    assert_eq!(store.put_part(part(2, NOW + 9_000)).await, Ok(None), "a redelivery of what is dealt with");
    assert_eq!(store.parts_overdue(NOW + 1_000_000).await, Ok(vec![]));
}

async fn a_reference_used_again_later_is_another_message(place: Place) {
    const LATER: i64 = NOW + 3_600_000;
    let store = place.open().await;
    for n in 1..=3 {
        store.put_part(part(n, NOW)).await.unwrap();
    }
    store.commit_inbound(vec![joined(1)]).await.unwrap();
    assert_eq!(store.put_part(part(1, LATER)).await, Ok(None));
    assert_eq!(store.put_part(part(3, LATER)).await, Ok(None));
    assert_eq!(store.put_part(part(2, LATER)).await.unwrap().unwrap().len(), 3);
}

async fn parts_that_wait_too_long_are_listed_together(place: Place) {
    let store = place.open().await;
    let mut other = part(1, NOW + 100);
    other.key.reference = 7;
    for row in [part(1, NOW), part(3, NOW + 60_000), other.clone()] {
        store.put_part(row).await.unwrap();
    }
    assert_eq!(store.parts_overdue(NOW).await, Ok(vec![]));
    assert_eq!(store.parts_overdue(NOW + 50).await, Ok(vec![vec![part(1, NOW), part(3, NOW + 60_000)]]));
    store.commit_inbound(vec![joined(1)]).await.unwrap();
    assert_eq!(store.parts_overdue(NOW + 1_000).await, Ok(vec![vec![other]]));
}
