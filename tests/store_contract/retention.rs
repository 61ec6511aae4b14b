//! What is old enough is forgotten, and nothing else.

use backchat::message::{Class, InvitationState, Kept, MessageId, Outbound, OutcomeKind, Purpose};
use backchat::store::{
    Acceptance, AnswerRow, ConsentKind, Earlier, Forgotten, InboundCommit, Invitation, PartRow, PartsKey,
    Record, ReplyFilter, Store,
};

use crate::fixtures::*;

crate::contract! {
    messages_of_a_class_go_with_all_that_came_of_them,
    what_is_not_through_stays_however_old,
    what_is_young_stays,
    replies_go_with_their_answers_and_the_opt_out_stays,
    more_than_a_step_goes_step_by_step,
    events_go_by_their_own_age,
    parts_put_together_long_ago_are_swept_up,
    a_receipt_waits_no_longer_than_its_message_can_come,
    receipts_of_nobodys_go_by_their_age,
    an_invitation_that_never_came_to_a_message_goes_too,
    invitations_that_never_came_to_a_message_go_step_by_step_however_many,
    a_message_whose_receipt_an_account_waits_for_stays,
}

const DAY_MS: i64 = 86_400_000;
const SURVEYS: Kept = Kept::Messages(Class::Survey);

/// Everything that the fixtures write has an id of long ago.
async fn forget(store: &Store, kept: Kept) -> u64 {
    let (mut after, mut rows) = (0, 0);
    loop {
        let Forgotten { upto, rows: went, more } = store.forget(kept, after, NOW).await.unwrap();
        (after, rows) = (upto, rows + went);
        if !more {
            return rows;
        }
    }
}

async fn messages_of_a_class_go_with_all_that_came_of_them(place: Place) {
    let store = place.open().await;
    let mut notice = message(3);
    (notice.purpose, notice.campaign) = (Purpose::Transactional, None);
    let mut accepted = Acceptance { chunks: vec![chunk(2, 1..=2)], ..acceptance(2) };
    accepted.messages.push(notice);
    accepted.invitations = vec![invitation(1)];
    store.accept(accepted).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    let outcomes = vec![sent(1, "a1"), sent(2, "a2"), sent(3, "a3")];
    let done = vec![backchat::store::ChunkId(2)];
    store.record(Record { outcomes, done, ..Record::default() }).await.unwrap();
    store.receipts(vec![receipt(1, "a1", "delivered"), receipt(2, "a3", "delivered")]).await.unwrap();
    store.commit_inbound(vec![closing(1)]).await.unwrap();

    assert_eq!(forget(&store, SURVEYS).await, 2);
    assert_eq!(store.why(MessageId(1)).await, Ok(None));
    assert_eq!(
        store.why(MessageId(3)).await.unwrap().unwrap().state,
        "delivered",
        "a notice is of another class"
    );
    for (rows, left) in [("message", 1), ("outcome", 1), ("receipt", 1), ("invitation", 0), ("chunk", 0)] {
        assert_eq!(place.count(&format!("select count(*) from {rows}")).await, left, "{rows}");
    }
    for key in ["cnorth/a1", "cnorth/a2", "m447700900001"] {
        let noted = format!(
            "select count(*) from (select keys from key_block union all select keys from key_log) k \
             where k.keys like '%{key}%'"
        );
        assert_eq!(place.count(&noted).await, 0, "nothing leads there any more");
    }
    assert_eq!(forget(&store, SURVEYS).await, 0);
}

/// An answer that closes the question.
fn closing(from: i64) -> InboundCommit {
    InboundCommit { invitations: vec![change(from, InvitationState::Complete)], ..inbound(1, from, "3") }
}

async fn what_is_not_through_stays_however_old(place: Place) {
    let store = place.open().await;
    store.accept(Acceptance { invitations: vec![invitation(2)], ..acceptance(3) }).await.unwrap();
    let outcomes = vec![outcome(1, OutcomeKind::Retry), sent(2, "a2")];
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    assert_eq!(
        forget(&store, SURVEYS).await,
        0,
        "one to be tried again, one with an open question, one queued"
    );
    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!(ids(&leased.members), [1, 2, 3]);
}

async fn what_is_young_stays(place: Place) {
    let store = place.open().await;
    let young = MessageId::first_at(NOW).0;
    let messages = vec![message(1), Outbound { id: MessageId(young), ..message(2) }];
    store.accept(Acceptance { messages, ..Acceptance::default() }).await.unwrap();
    let outcomes =
        vec![sent(1, "a1"), backchat::store::OutcomeRow { message: MessageId(young), ..sent(2, "a2") }];
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    assert_eq!(forget(&store, SURVEYS).await, 1);
    assert_eq!(store.why(MessageId(young)).await.unwrap().unwrap().state, "sent");
}

async fn replies_go_with_their_answers_and_the_opt_out_stays(place: Place) {
    let store = place.open().await;
    let mut stop = inbound(1, 1, "3 and STOP");
    stop.consent = vec![consent(1, 1, ConsentKind::OptOut)];
    stop.answer = Some(AnswerRow {
        inbound: 1,
        campaign: campaign(),
        number: number(1),
        survey: "exit".to_owned(),
        question: "reason".to_owned(),
        value: "3".to_owned(),
        comment: None,
        at_ms: NOW,
        rule: "digit".to_owned(),
        pack: "en@1".to_owned(),
        candidates: serde_json::json!([]),
        late: 0,
        replaced_ms: None,
        earlier: Earlier::Perhaps,
    });
    store.commit_inbound(vec![stop]).await.unwrap();
    assert_eq!(forget(&store, Kept::Replies).await, 1);
    assert_eq!(store.replies(&ReplyFilter::default()).await, Ok(vec![]));
    assert_eq!(place.count("select count(*) from answer").await, 0);
    assert_eq!(store.optouts(&[number(1)]).await.unwrap().len(), 1, "silence is kept for ever");
    assert_eq!(store.why_number(number(1)).await.unwrap().consent.len(), 1, "and so is its proof");
}

async fn more_than_a_step_goes_step_by_step(place: Place) {
    let store = place.open().await;
    let messages = (1..=1_200).map(message).collect();
    store.accept(Acceptance { messages, ..Acceptance::default() }).await.unwrap();
    let outcomes = (1..=1_200).map(|n| sent(n, &format!("a{n}"))).collect();
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    let first = store.forget(SURVEYS, 0, NOW).await.unwrap();
    assert!(first.more && first.rows < 1_200, "{first:?}");
    assert_eq!(first.rows + forget(&store, SURVEYS).await, 1_200);
}

async fn events_go_by_their_own_age(place: Place) {
    let store = place.open().await;
    let event = |id: i64| backchat::store::EventRow {
        id,
        at_ms: NOW,
        kind: "answer".to_owned(),
        number: Some(number(1)),
        message: None,
        campaign: None,
        detail: None,
    };
    let young = MessageId::first_at(NOW).0;
    let events = vec![event(1), event(2), event(young)];
    store.accept(Acceptance { events, ..Acceptance::default() }).await.unwrap();
    assert_eq!(forget(&store, Kept::Events).await, 2);
    assert_eq!(store.events_after(0, 10).await.unwrap().len(), 1);
}

async fn parts_put_together_long_ago_are_swept_up(place: Place) {
    let store = place.open().await;
    let key =
        PartsKey { lane: LANE.to_owned(), number: number(1), code: CODE.to_owned(), reference: 7, total: 1 };
    let octets = "33".to_owned();
    store
        .put_part(PartRow { key: key.clone(), part: 1, octets, data_coding: 0, received_ms: NOW })
        .await
        .unwrap();
    store.commit_inbound(vec![InboundCommit { parts: Some(key), ..inbound(1, 1, "3") }]).await.unwrap();
    let left = "select count(*) from inbound_part";
    store.sweep_accounts(NOW + DAY_MS).await.unwrap();
    assert_eq!(place.count(left).await, 1, "a carrier may send it again");
    store.sweep_accounts(NOW + 3 * DAY_MS).await.unwrap();
    assert_eq!(place.count(left).await, 0);
}

async fn a_receipt_waits_no_longer_than_its_message_can_come(place: Place) {
    let store = place.open().await;
    let young = MessageId::first_at(NOW - DAY_MS).0;
    store.receipts(vec![receipt(1, "zz", "delivered"), receipt(young, "yy", "delivered")]).await.unwrap();
    store.sweep_accounts(NOW).await.unwrap();
    assert_eq!(place.count("select count(*) from receipt_waiting").await, 1, "the one of yesterday waits");
    assert_eq!(place.count("select count(*) from receipt").await, 2, "what it said is kept");
}

async fn receipts_of_nobodys_go_by_their_age(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(1)).await.unwrap();
    store.record(Record { outcomes: vec![sent(1, "a1")], ..Record::default() }).await.unwrap();
    let young =
        backchat::store::ReceiptRow { received_ms: NOW + DAY_MS, ..receipt(702, "young", "delivered") };
    let mut receipts: Vec<_> = (1..=700).map(|n| receipt(n, &format!("z{n}"), "delivered")).collect();
    receipts.extend([receipt(701, "a1", "delivered"), young]);
    store.receipts(receipts).await.unwrap();
    let (first, more) = store.forget_nobodys(NOW + DAY_MS).await.unwrap();
    assert!(more && first < 700, "{first}");
    assert_eq!(store.forget_nobodys(NOW + DAY_MS).await, Ok((700 - first, false)));
    assert_eq!(place.count("select count(*) from receipt").await, 2, "one has its message, one is young");
}

async fn an_invitation_that_never_came_to_a_message_goes_too(place: Place) {
    let store = place.open().await;
    let waiting = |n| Invitation { standing: standing(InvitationState::Waiting), ..invitation(n) };
    let invitations = vec![waiting(1), waiting(2)];
    store.accept(Acceptance { invitations, ..Acceptance::default() }).await.unwrap();
    assert_eq!(forget(&store, SURVEYS).await, 0, "they may still be asked");
    let ended = vec![change(1, InvitationState::NotDelivered)];
    store.commit_inbound(vec![InboundCommit { invitations: ended, ..inbound(1, 9, "hello") }]).await.unwrap();
    assert_eq!(forget(&store, SURVEYS).await, 1);
    let left = "select count(*) from invitation where message = 2";
    assert_eq!((place.count("select count(*) from invitation").await, place.count(left).await), (1, 1));
    let noted = "select count(*) from (select keys from key_block union all select keys from key_log) k \
         where k.keys like '%m447700900001%'";
    assert_eq!(place.count(noted).await, 0, "nothing leads there any more");
}

async fn invitations_that_never_came_to_a_message_go_step_by_step_however_many(place: Place) {
    let store = place.open().await;
    let ended = |n| Invitation { standing: standing(InvitationState::NotDelivered), ..invitation(n) };
    let messages = vec![message(1), message(1_301)];
    let invitations = (2..=1_300).map(ended).collect();
    store.accept(Acceptance { messages, invitations, ..Acceptance::default() }).await.unwrap();
    let outcomes = vec![sent(1, "a1"), sent(1_301, "a2")];
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    let first = store.forget(SURVEYS, 0, NOW).await.unwrap();
    assert!(first.more && (400..700).contains(&first.rows), "{first:?}");
    let (mut after, mut rows) = (first.upto, first.rows);
    loop {
        let step = store.forget(SURVEYS, after, NOW).await.unwrap();
        (after, rows) = (step.upto, rows + step.rows);
        if !step.more {
            break;
        }
    }
    assert_eq!(rows, 1_301, "each once");
}

async fn a_message_whose_receipt_an_account_waits_for_stays(place: Place) {
    let store = place.open().await;
    let handed_in = Outbound { account: Some("shop".to_owned()), registered_delivery: Some(1), ..message(1) };
    store.accept(Acceptance { messages: vec![handed_in], ..Acceptance::default() }).await.unwrap();
    store.record(Record { outcomes: vec![sent(1, "a1")], ..Record::default() }).await.unwrap();
    store.receipts(vec![receipt(1, "a1", "delivered")]).await.unwrap();
    assert_eq!(forget(&store, SURVEYS).await, 0);
    let owed = store.owed("shop", 0, 10).await.unwrap();
    store.told(owed.iter().map(|owed| owed.id).collect(), NOW).await.unwrap();
    assert_eq!(forget(&store, SURVEYS).await, 1);
}
