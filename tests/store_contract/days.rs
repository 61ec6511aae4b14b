//! A table for each day, on Postgres: who looks finds the same, and a day that is old enough goes with its tables.

use std::collections::{BTreeMap, BTreeSet};

use backchat::message::{Class, InvitationState, Kept, MessageId, Outbound, OutcomeKind, Purpose};
use backchat::store::{Acceptance, ChunkId, NewChunk, OutcomeRow, ReceiptFate, Record, Store, StoreError};

use crate::fixtures::*;

const DAY_MS: i64 = 86_400_000;
const TABLES: [&str; 3] = ["message", "outcome", "receipt"];

mod on_postgres_to_be_divided {
    crate::on_postgres! { postgres:
        what_was_there_before_is_found_afterwards,
        two_servers_that_start_at_once_divide_once,
        views_of_others_read_what_is_divided,
        what_is_years_ahead_of_the_clock_is_not_divided,
        divided_tables_have_the_columns_and_the_indexes_of_whole_ones,
    }
}

mod on_postgres_by_day {
    crate::on_postgres! { postgres_by_day:
        a_receipt_that_came_first_moves_to_the_day_of_its_message,
        a_day_that_is_old_enough_goes_with_its_tables,
        a_day_of_which_something_is_to_stay_goes_row_by_row,
        what_has_no_day_is_kept_in_the_rest,
        whoever_reads_for_long_is_not_waited_for,
    }
}

/// The `n`th message made on a day, counted from today.
fn id(day: i64, n: i64) -> i64 {
    MessageId::first_at(NOW + day * DAY_MS).0 + n
}

/// Messages of a day that went out and arrived.
async fn delivered(store: &Store, day: i64, n: i64) {
    let ids = || (1..=n).map(|n| id(day, n));
    let messages = (1..=n).map(|n| Outbound { id: MessageId(id(day, n)), ..message(n) }).collect();
    let chunks = vec![NewChunk { id: ChunkId(id(day, n)), ..chunk(1, ids()) }];
    store.accept(Acceptance { messages, chunks, ..Acceptance::default() }).await.unwrap();
    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    let carrier_id = |one: i64| format!("c{one}");
    let outcomes = ids().map(|one| sent(one, &carrier_id(one))).collect();
    store.record(Record { outcomes, done: vec![leased.id], ..Record::default() }).await.unwrap();
    let receipts: Vec<_> = ids().map(|one| receipt(one, &carrier_id(one), "delivered")).collect();
    store.receipts(receipts).await.unwrap();
}

async fn state(store: &Store, id: i64) -> Option<String> {
    store.why(MessageId(id)).await.unwrap().map(|life| life.state)
}

/// Rows of each of the three tables in a part of them.
async fn rows(place: &Place, part: &str) -> [i64; 3] {
    let mut rows = [0; 3];
    for (count, table) in rows.iter_mut().zip(TABLES) {
        *count = place.count(&format!("select count(*) from {table}_{part}")).await;
    }
    rows
}

/// How many tables there are for a day.
async fn tables(place: &Place, part: &str) -> i64 {
    place
        .count(&format!("select count(*) from pg_class where relkind = 'r' and relname like '%\\_{part}'"))
        .await
}

/// The name of the tables of a day, counted from today.
fn named(day: i64) -> String {
    let noon = jiff::Timestamp::from_millisecond(NOW + day * DAY_MS).unwrap();
    noon.strftime("%Y%m%d").to_string()
}

/// What is older than so many days is old enough, of the kinds that are named.
fn older_than(days: i64, now_ms: i64, of: &[Class]) -> BTreeMap<Kept, i64> {
    of.iter().map(|class| (Kept::Messages(*class), now_ms - days * DAY_MS)).collect()
}

/// Forgets days and then rows, as a server does.
async fn forget(store: &Store, before_ms: &BTreeMap<Kept, i64>) -> u64 {
    let (mut after, mut gone) = (0, 0);
    loop {
        let day = store.forget_day(before_ms, after).await.unwrap();
        (after, gone) = (day.upto, gone + day.rows);
        if !day.more {
            break;
        }
    }
    for (kept, before_ms) in before_ms {
        let mut after = 0;
        loop {
            let rows = store.forget(*kept, after, *before_ms).await.unwrap();
            (after, gone) = (rows.upto, gone + rows.rows);
            if !rows.more {
                break;
            }
        }
    }
    gone
}

async fn what_was_there_before_is_found_afterwards(place: Place) {
    let store = place.open().await;
    delivered(&store, -1, 3).await;
    store.accept(acceptance(2)).await.unwrap();
    let early = vec![receipt(7, "early", "delivered"), receipt(8, "nobodys", "delivered")];
    assert_eq!(store.receipts(early).await.unwrap(), [ReceiptFate::Waiting, ReceiptFate::Waiting]);
    store.close(NOW).await;

    let place = place.by_day();
    let store = place.open().await;
    assert_eq!(state(&store, id(-1, 2)).await.as_deref(), Some("delivered"));
    assert_eq!(rows(&place, "before").await, [5, 3, 3]);
    assert_eq!(rows(&place, "rest").await, [0, 0, 2], "receipts of nobody's");
    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!(ids(&leased.members), [1, 2]);
    store.record(Record { outcomes: vec![sent(1, "early")], ..Record::default() }).await.unwrap();
    assert_eq!(state(&store, 1).await.as_deref(), Some("delivered"), "a view reads the new tables");
    let again = store.receipts(vec![receipt(9, "nobodys", "delivered")]).await.unwrap();
    assert_eq!(again, [ReceiptFate::Duplicate]);
    delivered(&store, 1, 2).await;
    assert_eq!(rows(&place, &named(1)).await, [2, 2, 2]);
    assert_eq!(place.count("select count(*) from v_message_state").await, 7);
    store.close(NOW).await;

    let store = place.whole().open().await;
    assert_eq!(
        state(&store, id(1, 2)).await.as_deref(),
        Some("delivered"),
        "days stay, whatever is asked for"
    );
}

async fn two_servers_that_start_at_once_divide_once(place: Place) {
    place.open().await.close(NOW).await;
    let place = place.by_day();
    let (one, other) = tokio::join!(place.open_at(NOW, 0), place.open_at(NOW, 1));
    let (one, other) = (one.unwrap(), other.unwrap());
    delivered(&one, 1, 1).await;
    assert_eq!(state(&other, id(1, 1)).await.as_deref(), Some("delivered"));
    assert_eq!(tables(&place, &named(1)).await, 3);
}

async fn views_of_others_read_what_is_divided(place: Place) {
    place.open().await.close(NOW).await;
    let views = "create schema report; create view report.names with (security_barrier=true) as select sender, count(*) as messages from message group by 1; \
         create view report.more as select * from report.names; \
         create materialized view report.kept as select count(*) from outcome";
    place.meddle(views).await;
    let place = place.by_day();
    let error = place.open_at(NOW, 0).await.unwrap_err().to_string();
    assert!(error.contains("materialized view report.kept"), "{error}");
    assert_eq!(tables(&place, "before").await, 0, "nothing is divided");
    place.meddle("drop materialized view report.kept").await;
    let store = place.open().await;
    delivered(&store, 1, 2).await;
    assert_eq!(place.count("select messages from report.more").await, 2);
    let barriers =
        "select count(*) from pg_class where relname = 'names' and reloptions = '{security_barrier=true}'";
    assert_eq!(place.count(barriers).await, 1);
}

async fn what_is_years_ahead_of_the_clock_is_not_divided(place: Place) {
    let store = place.open().await;
    delivered(&store, 900, 1).await;
    store.close(NOW).await;
    let place = place.by_day();
    let error = place.open_at(NOW, 0).await.unwrap_err().to_string();
    assert!(error.contains(&named(900)) && error.contains("clock"), "{error}");
    assert_eq!(tables(&place, "before").await, 0);
}

/// The columns and the indexes of the three tables and of what is of no day, without the names of either.
async fn shape(place: &Place, like: &str) -> BTreeSet<String> {
    let columns = "select concat_ws(' ', t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attnum) \
         from pg_class t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 \
         where t.relname in ('message', 'outcome', 'receipt')";
    let indexes = format!(
        "select distinct concat_ws(' ', split_part(t.relname, '_', 1), \
             case when i.indisunique then 'unique' end, substring(pg_get_indexdef(i.indexrelid) from ' USING .*')) \
         from pg_class t join pg_index i on i.indrelid = t.oid where t.relname similar to '{like}'"
    );
    let mut connection = place.postgres_connection().await;
    let mut shape = BTreeSet::new();
    for sql in [columns.to_owned(), indexes] {
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        shape.extend(rows);
    }
    shape
}

async fn divided_tables_have_the_columns_and_the_indexes_of_whole_ones(place: Place) {
    place.open().await.close(NOW).await;
    let mut whole = shape(&place, "(message|outcome|receipt)").await;
    let place = place.by_day();
    place.open().await.close(NOW).await;
    let divided = shape(&place, "(message|outcome|receipt)(_rest)?").await;
    let (by_id, only_by_id) = ("receipt  USING btree (id)", "receipt unique  USING btree (id)");
    assert!(whole.len() > 45, "{whole:#?}");
    assert!(whole.remove(only_by_id) && whole.insert(by_id.to_owned()), "{whole:#?}");
    assert_eq!(divided, whole, "of a receipt the id alone is no key of all days");
}

async fn a_receipt_that_came_first_moves_to_the_day_of_its_message(place: Place) {
    let store = place.open().await;
    let of_tomorrow = Outbound { id: MessageId(id(1, 1)), ..message(1) };
    store.accept(Acceptance { messages: vec![of_tomorrow], ..Acceptance::default() }).await.unwrap();
    store.receipts(vec![receipt(1, "a1", "delivered")]).await.unwrap();
    assert_eq!(rows(&place, "rest").await, [0, 0, 1]);
    store.record(Record { outcomes: vec![sent(id(1, 1), "a1")], ..Record::default() }).await.unwrap();
    assert_eq!(rows(&place, "rest").await, [0, 0, 0]);
    assert_eq!(rows(&place, &named(1)).await, [1, 1, 1]);
    let again = store.receipts(vec![receipt(2, "a1", "delivered")]).await.unwrap();
    assert_eq!(again, [ReceiptFate::Duplicate]);
}

async fn a_day_that_is_old_enough_goes_with_its_tables(place: Place) {
    let store = place.open().await;
    for day in 1..=3 {
        delivered(&store, day, 700).await;
    }
    let surveys = [Class::Survey];
    let almost = older_than(0, NOW + DAY_MS, &surveys);
    assert_eq!(forget(&store, &almost).await, 0, "the first of those days is not over");
    assert_eq!(forget(&store, &older_than(0, NOW + 3 * DAY_MS, &surveys)).await, 1_400);
    assert_eq!((tables(&place, &named(1)).await, tables(&place, &named(2)).await), (0, 0));
    assert_eq!(tables(&place, "before").await, 0, "it was old, and empty");
    assert_eq!(rows(&place, &named(3)).await, [700; 3]);
    for (day, left) in [(1, None), (2, None), (3, Some("delivered"))] {
        assert_eq!(state(&store, id(day, 700)).await.as_deref(), left);
    }
    let keys = "select count(*) from (select keys from key_block union all select keys from key_log) k where k.keys like";
    assert_eq!(place.count(&format!("{keys} '%cnorth/c{}%'", id(2, 3))).await, 0, "nothing leads there");
    assert_eq!(place.count(&format!("{keys} '%cnorth/c{}%'", id(3, 3))).await, 1);
    assert_eq!(place.count("select count(*) from chunk").await, 1);
    let of_late = store.receipts(vec![receipt(1, &format!("c{}", id(1, 1)), "delivered")]).await.unwrap();
    assert_eq!(of_late, [ReceiptFate::Waiting], "it is nobody's now");
}

async fn a_day_of_which_something_is_to_stay_goes_row_by_row(place: Place) {
    let store = place.open().await;
    // One of a class that is kept, one with an open question, one queued: each on a day of its own.
    for day in 1..=3 {
        delivered(&store, day, 2).await;
    }
    let code =
        Outbound { id: MessageId(id(1, 9)), purpose: Purpose::OneTimeCode, campaign: None, ..message(9) };
    let queued = Outbound { id: MessageId(id(3, 9)), ..message(9) };
    let open = backchat::store::Invitation { message: MessageId(id(2, 1)), ..invitation(1) };
    let chunks = vec![NewChunk { id: ChunkId(id(3, 9)), ..chunk(1, [id(3, 9)]) }];
    let accepted =
        Acceptance { messages: vec![code, queued], chunks, invitations: vec![open], ..Acceptance::default() };
    store.accept(accepted).await.unwrap();
    store.record(Record { outcomes: vec![sent(id(1, 9), "code")], ..Record::default() }).await.unwrap();

    let surveys = older_than(0, NOW + 5 * DAY_MS, &[Class::Survey]);
    assert_eq!(forget(&store, &surveys).await, 5);
    assert_eq!(rows(&place, &named(1)).await, [1, 1, 0]);
    assert_eq!(rows(&place, &named(2)).await, [1, 1, 1]);
    assert_eq!(rows(&place, &named(3)).await, [1, 0, 0]);

    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!(ids(&leased.members), [id(3, 9)]);
    let outcomes = vec![OutcomeRow { attempt: 0, ..outcome(id(3, 9), OutcomeKind::GaveUp) }];
    store.record(Record { outcomes, done: vec![leased.id], ..Record::default() }).await.unwrap();
    let closed = backchat::store::InvitationChange {
        message: MessageId(id(2, 1)),
        standing: standing(InvitationState::Complete),
    };
    let mut reply = inbound(1, 1, "3");
    reply.invitations = vec![closed];
    store.commit_inbound(vec![reply]).await.unwrap();
    let everything = older_than(0, NOW + 5 * DAY_MS, &[Class::Survey, Class::OneTimeCode]);
    assert_eq!(forget(&store, &everything).await, 3);
    for day in 1..=3 {
        assert_eq!(tables(&place, &named(day)).await, 0, "nothing held it any more");
    }
    assert_eq!(place.count("select count(*) from invitation").await, 0);
}

async fn what_has_no_day_is_kept_in_the_rest(place: Place) {
    let store = place.open().await;
    delivered(&store, 40, 2).await;
    assert_eq!(rows(&place, "rest").await, [2, 2, 2], "a clock that was ahead");
    assert_eq!(state(&store, id(40, 1)).await.as_deref(), Some("delivered"));
    store.make_days(NOW + 39 * DAY_MS).await.unwrap();
    assert_eq!(tables(&place, &named(39)).await, 3);
    assert_eq!(tables(&place, &named(40)).await, 0, "its rows are in the rest, and stay there");
    assert_eq!(tables(&place, &named(41)).await, 3);
    assert_eq!(forget(&store, &older_than(0, NOW + 42 * DAY_MS, &[Class::Survey])).await, 2);
    assert_eq!(rows(&place, "rest").await, [0; 3]);
}

async fn whoever_reads_for_long_is_not_waited_for(place: Place) {
    use sqlx::Executor as _;
    let store = place.open().await;
    delivered(&store, 1, 1).await;
    let mut report = place.postgres_connection().await;
    report.execute("begin; select count(*) from message").await.unwrap();
    let old = older_than(0, NOW + 3 * DAY_MS, &[Class::Survey]);
    assert_eq!(store.make_days(NOW + 9 * DAY_MS).await, Err(StoreError::Busy));
    assert_eq!(store.forget_day(&old, 0).await, Err(StoreError::Busy));
    delivered(&store, 2, 1).await;
    assert_eq!(state(&store, id(1, 1)).await.as_deref(), Some("delivered"));
    report.execute("commit").await.unwrap();
    store.make_days(NOW + 9 * DAY_MS).await.unwrap();
    assert_eq!(tables(&place, &named(9)).await, 3);
    assert_eq!(forget(&store, &old).await, 2);
    assert_eq!(tables(&place, &named(1)).await, 0);
}
