//! Receipts: late, early, twice, and under another form of the id.

use backchat::message::MessageId;
use backchat::store::{Claimed, OutcomeRow, ReceiptFate, ReceiptRow, Record, Store};

use crate::fixtures::*;

crate::contract! {
    a_receipt_finds_its_message_by_the_carriers_id,
    a_receipt_that_comes_early_waits_for_its_message,
    early_receipts_for_a_whole_batch_are_all_claimed,
    a_receipt_that_says_the_same_again_is_a_duplicate,
    repeating_the_write_of_a_receipt_tells_the_same_fate,
    a_receipt_in_hexadecimal_finds_the_message_taken_in_decimal,
    between_two_readings_of_an_id_the_number_decides,
    an_id_used_again_means_the_newer_message,
    an_id_of_another_carrier_is_another_id,
    a_receipt_of_long_ago_is_not_matched_to_a_message_under_a_reused_id,
    each_part_has_its_receipt_and_all_make_the_message_delivered,
    receipts_in_one_commit_with_their_outcomes_are_matched,
}

async fn with_messages(place: &Place, n: i64) -> Store {
    let store = place.open().await;
    store.accept(acceptance(n)).await.unwrap();
    store
}

async fn record(store: &Store, outcomes: Vec<OutcomeRow>) {
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
}

async fn state(store: &Store, message: i64) -> String {
    store.why(MessageId(message)).await.unwrap().unwrap().state
}

fn matched(message: i64) -> ReceiptFate {
    ReceiptFate::Matched { message: MessageId(message), part: 0 }
}

/// A receipt whose id may stand for others.
fn ambiguous(id: i64, key: &str, others: &[&str], of: Option<i64>) -> ReceiptRow {
    ReceiptRow {
        candidates: std::iter::once(key).chain(others.iter().copied()).map(str::to_owned).collect(),
        number: of.map(number),
        ..receipt(id, key, "delivered")
    }
}

async fn a_receipt_finds_its_message_by_the_carriers_id(place: Place) {
    let store = with_messages(&place, 2).await;
    record(&store, vec![sent(1, "a1"), sent(2, "a2")]).await;
    let rows =
        vec![receipt(1, "a2", "enroute"), receipt(2, "a1", "delivered"), receipt(3, "zz", "delivered")];
    let fates = store.receipts(rows).await.unwrap();
    assert_eq!(fates, [matched(2), matched(1), ReceiptFate::Waiting]);
    assert_eq!((state(&store, 1).await.as_str(), state(&store, 2).await.as_str()), ("delivered", "sent"));
    assert_eq!(store.receipts(vec![]).await, Ok(vec![]));
}

async fn a_receipt_that_comes_early_waits_for_its_message(place: Place) {
    let store = with_messages(&place, 1).await;
    assert_eq!(store.receipts(vec![receipt(1, "a1", "delivered")]).await, Ok(vec![ReceiptFate::Waiting]));
    assert_eq!(store.receipts(vec![receipt(2, "a1", "delivered")]).await, Ok(vec![ReceiptFate::Duplicate]));
    assert_eq!(store.census().await.unwrap().waiting_receipts, 1);
    assert_eq!(state(&store, 1).await, "queued");
    let claimed = Claimed { part: 0, state: "delivered".to_owned(), is_final: true };
    let taken = Record { outcomes: vec![sent(1, "a1")], ..Record::default() };
    assert_eq!(store.record(taken.clone()).await, Ok(vec![claimed]));
    assert_eq!(state(&store, 1).await, "delivered");
    assert_eq!(store.census().await.unwrap().waiting_receipts, 0);
    assert_eq!(store.record(taken).await, Ok(vec![]), "told once");
    assert_eq!(store.receipts(vec![receipt(3, "a1", "delivered")]).await, Ok(vec![ReceiptFate::Duplicate]));
}

async fn early_receipts_for_a_whole_batch_are_all_claimed(place: Place) {
    let store = with_messages(&place, 300).await;
    let early: Vec<_> = (1..=300).map(|n| receipt(n, &format!("id{n}"), "delivered")).collect();
    let fates = store.receipts(early).await.unwrap();
    assert!(fates.iter().all(|fate| *fate == ReceiptFate::Waiting));
    record(&store, (1..=300).map(|n| sent(n, &format!("id{n}"))).collect()).await;
    let census = store.census().await.unwrap();
    assert_eq!((census.states.get("delivered"), census.waiting_receipts), (Some(&300), 0));
}

async fn a_receipt_that_says_the_same_again_is_a_duplicate(place: Place) {
    let store = with_messages(&place, 1).await;
    record(&store, vec![sent(1, "a1")]).await;
    let twice = vec![receipt(1, "a1", "delivered"), receipt(2, "a1", "delivered")];
    let fates = store.receipts(twice).await.unwrap();
    assert_eq!(fates, [matched(1), ReceiptFate::Duplicate]);
    let life = store.why(MessageId(1)).await.unwrap().unwrap();
    assert_eq!(life.entries.iter().filter(|entry| entry.kind == "receipt").count(), 1);
}

async fn repeating_the_write_of_a_receipt_tells_the_same_fate(place: Place) {
    let store = with_messages(&place, 1).await;
    record(&store, vec![sent(1, "a1")]).await;
    for _ in 0..2 {
        let rows = vec![receipt(1, "a1", "delivered"), receipt(2, "b2", "delivered")];
        assert_eq!(store.receipts(rows).await, Ok(vec![matched(1), ReceiptFate::Waiting]));
    }
}

async fn a_receipt_in_hexadecimal_finds_the_message_taken_in_decimal(place: Place) {
    let store = with_messages(&place, 2).await;
    record(&store, vec![sent(1, "3735928559")]).await;
    let hexadecimal = ambiguous(1, "deadbeef", &["3735928559"], Some(1));
    assert_eq!(store.receipts(vec![hexadecimal]).await, Ok(vec![matched(1)]));
    let early = ambiguous(2, "cafe", &["51966"], Some(2));
    assert_eq!(store.receipts(vec![early]).await, Ok(vec![ReceiptFate::Waiting]));
    record(&store, vec![sent(2, "51966")]).await;
    assert_eq!(state(&store, 2).await, "delivered");
}

async fn between_two_readings_of_an_id_the_number_decides(place: Place) {
    let store = with_messages(&place, 3).await;
    record(&store, vec![sent(1, "10"), sent(2, "16")]).await;
    let fates = store.receipts(vec![ambiguous(1, "10", &["16"], Some(2))]).await.unwrap();
    assert_eq!(fates, [matched(2)], "the id as written is another handset's");
    let fates = store.receipts(vec![ambiguous(2, "10", &["16"], None)]).await.unwrap();
    assert_eq!(fates, [matched(1)], "without a number, the id as written");
    let early = ambiguous(3, "20", &["32", "14"], Some(3));
    assert_eq!(store.receipts(vec![early]).await, Ok(vec![ReceiptFate::Waiting]));
    record(&store, vec![sent(1, "14")]).await;
    assert_eq!(
        store.census().await.unwrap().waiting_receipts,
        1,
        "another handset's message does not claim it"
    );
    record(&store, vec![sent(3, "32")]).await;
    assert_eq!(state(&store, 3).await, "delivered");
}

async fn an_id_used_again_means_the_newer_message(place: Place) {
    let store = with_messages(&place, 2).await;
    record(&store, vec![sent(1, "7"), sent(2, "7")]).await;
    assert_eq!(store.receipts(vec![receipt(1, "7", "delivered")]).await, Ok(vec![matched(2)]));
}

async fn an_id_of_another_carrier_is_another_id(place: Place) {
    let store = with_messages(&place, 1).await;
    record(&store, vec![sent(1, "7")]).await;
    let foreign = ReceiptRow { carrier: "south".to_owned(), ..receipt(1, "7", "delivered") };
    assert_eq!(store.receipts(vec![foreign]).await, Ok(vec![ReceiptFate::Waiting]));
}

async fn a_receipt_of_long_ago_is_not_matched_to_a_message_under_a_reused_id(place: Place) {
    const DAY: i64 = 86_400_000;
    let store = with_messages(&place, 1).await;
    record(&store, vec![sent(1, "7")]).await;
    let late = ReceiptRow { received_ms: NOW + 9 * DAY, ..receipt(1, "7", "delivered") };
    assert_eq!(store.receipts(vec![late]).await, Ok(vec![ReceiptFate::Waiting]));
}

async fn each_part_has_its_receipt_and_all_make_the_message_delivered(place: Place) {
    let store = with_messages(&place, 1).await;
    let part = |part: i64, id: &str| OutcomeRow { part, ..sent(1, id) };
    record(&store, vec![part(0, "p0"), part(1, "p1"), part(2, "p2")]).await;
    store.receipts(vec![receipt(1, "p2", "delivered"), receipt(2, "p0", "delivered")]).await.unwrap();
    assert_eq!(state(&store, 1).await, "sent");
    let fate = store.receipts(vec![receipt(3, "p1", "delivered")]).await.unwrap();
    assert_eq!(fate, [ReceiptFate::Matched { message: MessageId(1), part: 1 }]);
    assert_eq!(state(&store, 1).await, "delivered");
}

async fn receipts_in_one_commit_with_their_outcomes_are_matched(place: Place) {
    let store = with_messages(&place, 50).await;
    let recorded = (1..=50).map(|n| record_one(&store, n)).collect::<Vec<_>>();
    let received = (1..=50).map(|n| store.receipts(vec![receipt(n, &format!("id{n}"), "delivered")]));
    let (recorded, received) = tokio::join!(join(recorded), join(received.collect()));
    assert!(recorded.iter().all(Result::is_ok) && received.iter().all(Result::is_ok));
    assert_eq!(store.census().await.unwrap().states.get("delivered"), Some(&50));
}

async fn record_one(store: &Store, n: i64) -> Result<Vec<Claimed>, backchat::store::StoreError> {
    store.record(Record { outcomes: vec![sent(n, &format!("id{n}"))], ..Record::default() }).await
}

/// All at once, so that they fall into few commits.
async fn join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut futures {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if futures.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, done)| done).collect()
}
