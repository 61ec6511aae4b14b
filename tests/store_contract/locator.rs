//! Keys that come in no order are found at once, and no less once they are merged.

use std::time::{Duration, Instant};

use backchat::message::MessageId;
use backchat::store::{Acceptance, ReceiptFate, Record, ReplyFilter, Store};

use crate::fixtures::*;

crate::contract! {
    what_runs_before_have_left_is_merged_when_there_is_time,
    what_is_noted_twice_is_told_once,
    many_keys_are_all_found_while_they_are_merged,
    the_keys_of_an_older_database_are_found,
}

/// Generations but one: there are never so many keys here that two would be left.
const UNMERGED: &str = "select count(*) - 1 from generation";
/// Keys in generations, and with those in logs: an entry is a line.
const MERGED: &str = "select sum(length(keys) - length(replace(keys, '\n', ''))) from key_block";
const ALL_KEYS: &str = "select sum(length(k.keys) - length(replace(k.keys, '\n', ''))) \
     from (select keys from key_block union all select keys from key_log) k";

/// Asks until all is merged; the store does that by itself once nothing else is written.
async fn merged(place: &Place) {
    let begin = Instant::now();
    while place.count(UNMERGED).await > 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "{} unmerged", place.count(UNMERGED).await);
    }
}

/// Everything that is looked up by a key: a number's messages and replies, a receipt's message.
async fn check(store: &Store, runs: i64) {
    let life = store.why_number(number(1)).await.unwrap();
    let messages: Vec<i64> = life.messages.iter().map(|one| one.message.id.0).collect();
    assert_eq!(messages, (1..=runs).rev().collect::<Vec<_>>());
    assert_eq!(life.replies.len(), usize::try_from(runs).unwrap());
    let context = store.reply_contexts(&[(CODE.to_owned(), number(1))]).await.unwrap().remove(0);
    assert_eq!((context.open.len(), context.recent.len()), (messages.len(), messages.len()));
    assert_eq!(context.last_text.unwrap().message, MessageId(runs));
    for message in 1..=runs {
        let asked = receipt(100 * runs + message, &format!("id{message}"), &format!("asked {runs}"));
        let found = ReceiptFate::Matched { message: MessageId(message), part: 0 };
        assert_eq!(store.receipts(vec![asked]).await, Ok(vec![found]));
    }
}

/// One more message to the same number, taken by the carrier, with a question and a reply.
async fn run(store: &Store, n: i64) {
    let mut one = message(n);
    one.to = number(1);
    let mut asks = invitation(n);
    asks.number = number(1);
    let acceptance = Acceptance { messages: vec![one], invitations: vec![asks], ..Acceptance::default() };
    store.accept(acceptance).await.unwrap();
    let outcomes = vec![sent(n, &format!("id{n}"))];
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    store.commit_inbound(vec![inbound(n, 1, "hello")]).await.unwrap();
}

async fn what_runs_before_have_left_is_merged_when_there_is_time(place: Place) {
    for n in 1..=3 {
        let store = place.open().await;
        run(&store, n).await;
        check(&store, n).await;
        store.close(NOW).await;
    }
    let store = place.open().await;
    run(&store, 4).await;
    check(&store, 4).await;
    merged(&place).await;
    check(&store, 4).await;
    assert_eq!(place.count(MERGED).await, 9);
}

async fn what_is_noted_twice_is_told_once(place: Place) {
    for _ in 1..=2 {
        let store = place.open().await;
        run(&store, 1).await;
        store.close(NOW).await;
    }
    let store = place.open().await;
    run(&store, 1).await;
    check(&store, 1).await;
    assert_eq!(store.replies(&ReplyFilter::default()).await.unwrap().len(), 1);
    merged(&place).await;
    check(&store, 1).await;
}

async fn many_keys_are_all_found_while_they_are_merged(place: Place) {
    const EACH: i64 = 5_000;
    const ALL: i64 = 80_000;
    let store = place.open().await;
    // numbers in an order of their own, so that each generation spans them all
    let to = |n: i64| number((n * 48_271) % 99_991);
    for from in (0..ALL).step_by(usize::try_from(EACH).unwrap()) {
        let messages = (from..from + EACH).map(|n| backchat::message::Outbound { to: to(n), ..message(n) });
        store.accept(Acceptance { messages: messages.collect(), ..Acceptance::default() }).await.unwrap();
    }
    assert!(place.count(UNMERGED).await >= 1);
    let begin = Instant::now();
    loop {
        let left = place.count(UNMERGED).await;
        for n in (0..ALL).step_by(9_973) {
            let context = store.reply_contexts(&[(CODE.to_owned(), to(n))]).await.unwrap().remove(0);
            assert_eq!(context.last_text.map(|text| text.message), Some(MessageId(n)), "{left} unmerged");
        }
        if left == 0 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{left} unmerged");
    }
    assert_eq!(place.count(ALL_KEYS).await, ALL);
}

async fn the_keys_of_an_older_database_are_found(place: Place) {
    let store = place.open().await;
    run(&store, 1).await;
    store.close(NOW).await;
    // As the version before left it: a row a key, most of them merged and some not.
    place
        .meddle(
            "drop table key_log; drop table key_block; drop table key_filter; drop table key_strikes; \
             alter table generation drop column state; alter table generation drop column keys; \
             delete from generation; insert into generation (id, epoch) values (0, 0), (7, 1); \
             create table locator (generation bigint not null, key text not null, id bigint not null); \
             insert into locator values (0, 'm447700900001', 1), (7, 'm447700900001', 1), (7, 'i447700900001', 1), \
                 (7, 'cnorth/id1', 1), (0, 'cnorth/of\ntwo lines', 9); \
             delete from _sqlx_migrations where version = 11",
        )
        .await;
    let store = place.open().await;
    check(&store, 1).await;
    assert_eq!(place.count(MERGED).await, 4, "each once");
}
