//! The writer: group commit that wrongs nobody, and a database that goes away.

use backchat::message::MessageId;
use backchat::store::{Acceptance, ChunkId, Record, Store, StoreError};
use tokio::task::JoinSet;

use crate::fixtures::*;

crate::contract! {
    a_batch_with_one_bad_write_fails_only_that_one,
    what_many_write_at_once_is_all_there,
    too_much_at_once_is_told_to_come_again_and_results_are_not,
    a_write_is_all_or_nothing,
    a_store_that_is_closed_says_so,
    a_commit_that_ends_unknown_may_be_repeated,
    a_lost_connection_is_replaced,
}

fn one(id: i64) -> Acceptance {
    Acceptance { messages: vec![message(id)], chunks: vec![chunk(id, [id])], ..Acceptance::default() }
}

/// No chunk is empty: the database itself refuses it.
fn bad(id: i64) -> Acceptance {
    Acceptance { messages: vec![message(id)], chunks: vec![chunk(id, [])], ..Acceptance::default() }
}

async fn accepted(store: &Store, id: i64) -> bool {
    store.why(MessageId(id)).await.unwrap().is_some()
}

async fn a_batch_with_one_bad_write_fails_only_that_one(place: Place) {
    let store = place.open().await;
    let mut writes = JoinSet::new();
    for id in 1..=200 {
        let store = store.clone();
        let acceptance = if id == 100 { bad(id) } else { one(id) };
        writes.spawn(async move { (id, store.accept(acceptance).await) });
    }
    while let Some(ended) = writes.join_next().await {
        match ended.unwrap() {
            (100, Err(StoreError::Refused(_))) => {}
            (id, answer) => assert_eq!((id, answer), (id, Ok(()))),
        }
    }
    assert!(!accepted(&store, 100).await);
    assert_eq!(store.results(&campaign()).await.unwrap().accepted, 199);
}

async fn what_many_write_at_once_is_all_there(place: Place) {
    const WRITERS: i64 = 8;
    const EACH: i64 = 50;
    let store = place.open().await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0..EACH {
                store.accept(one(1 + writer * EACH + n)).await.unwrap();
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    store.close(NOW).await;
    let store = place.open().await;
    assert_eq!(store.results(&campaign()).await.unwrap().accepted, WRITERS * EACH);
    assert_eq!(store.queue_depth(LANE).await.unwrap()[0].messages, WRITERS * EACH);
}

async fn too_much_at_once_is_told_to_come_again_and_results_are_not(place: Place) {
    let store = place.open().await;
    let large = |from: i64| Acceptance {
        messages: (from..from + 15_000).map(message).collect(),
        ..Acceptance::default()
    };
    let record = Record { done: vec![ChunkId(1)], ..Record::default() };
    let (first, second, result) =
        tokio::join!(store.accept(large(1)), store.accept(large(20_000)), store.record(record));
    assert_eq!((first, second, result), (Ok(()), Err(StoreError::Busy), Ok(vec![])));
    assert_eq!(store.accept(large(20_000)).await, Ok(()), "there is room again");
}

async fn a_write_is_all_or_nothing(place: Place) {
    let store = place.open().await;
    let acceptance = Acceptance { events: Vec::new(), ..bad(1) };
    assert!(matches!(store.accept(acceptance).await, Err(StoreError::Refused(_))));
    assert!(!accepted(&store, 1).await);
}

async fn a_store_that_is_closed_says_so(place: Place) {
    let store = place.open().await;
    let clone = store.clone();
    store.close(NOW).await;
    assert!(matches!(clone.accept(one(1)).await, Err(StoreError::Unreachable(_))));
}

async fn a_commit_that_ends_unknown_may_be_repeated(place: Place) {
    if place.is_sqlite() {
        return;
    }
    let store = place.open().await;
    // the server ends the connection while it commits
    place
        .meddle(
            "create function gone() returns trigger language plpgsql as \
             $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end $$; \
             create constraint trigger gone after insert on message deferrable initially deferred \
             for each row execute function gone()",
        )
        .await;
    let unknown = store.accept(one(1)).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    place.meddle("drop trigger gone on message").await;
    assert_eq!(store.accept(one(1)).await, Ok(()));
    assert_eq!(store.accept(one(1)).await, Ok(()));
    assert_eq!(store.results(&campaign()).await.unwrap().accepted, 1);
}

async fn a_lost_connection_is_replaced(place: Place) {
    if place.is_sqlite() {
        return;
    }
    let store = place.open().await;
    store.accept(one(1)).await.unwrap();
    place
        .meddle(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    let lost = store.accept(one(2)).await;
    assert!(matches!(lost, Err(StoreError::Unreachable(_))), "{lost:?}");
    assert_eq!(store.accept(one(2)).await, Ok(()));
    assert!(accepted(&store, 2).await);
}
