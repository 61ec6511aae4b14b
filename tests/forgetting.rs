//! A server that forgets, by a settable clock: on SQLite, on Postgres, and on Postgres with a table for each day.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "store_contract/fixtures.rs"]
#[allow(dead_code, reason = "the store's tests need more of it")]
mod fixtures;
#[path = "support/postgres.rs"]
mod postgres;

use std::path::Path;
use std::sync::Arc;

use backchat::clock::Clock;
use backchat::flow::Flow;
use backchat::flow::retention::{Forgetting, Rest};
use backchat::message::{MessageId, Outbound, Purpose};
use backchat::metrics::Metrics;
use backchat::store::{Acceptance, Record};
use fixtures::{LANE, NOW, Place, message, receipt, sent};

const DAY_MS: i64 = 86_400_000;
const CONFIG: &str = "[retention]\none_time_code = \"7d\"\ntransactional = \"7d\"\nsurvey = \"10d\"\npromotional = \"7d\"\n\
    replies = \"7d\"\n\
    [[carrier]]\nname = \"north\"\nhost = \"localhost\"\nport = 2775\nsystem_id = \"a\"\npassword = \"plain:b\"\n\
    [[code]]\nnumber = \"88001\"\ncarrier = \"north\"\nbrand = \"Acme\"\n";

/// A server's memory, with a survey's message and a notice of tomorrow and the day after.
struct Desk {
    place: Place,
    flow: Flow,
    clock: Clock,
    forgetting: Forgetting,
}

impl Desk {
    async fn new(place: Place) -> Self {
        let store = place.open().await;
        for day in [1, 2] {
            let id = |n: i64| MessageId(MessageId::first_at(NOW + day * DAY_MS).0 + n);
            let of = |n, purpose| Outbound { id: id(n), purpose, campaign: None, ..message(n) };
            let messages = vec![of(1, Purpose::Survey), of(2, Purpose::Transactional)];
            store.accept(Acceptance { messages, ..Acceptance::default() }).await.unwrap();
            let outcomes = (1..=2).map(|n| sent(id(n).0, &format!("{day}-{n}"))).collect();
            store.record(Record { outcomes, ..Record::default() }).await.unwrap();
            store.receipts(vec![receipt(id(1).0, &format!("{day}-1"), "delivered")]).await.unwrap();
        }
        store.receipts(vec![receipt(1, "nobodys", "delivered")]).await.unwrap();
        let config = backchat::config::parse("a.toml", CONFIG, Path::new(".")).unwrap();
        let clock = Clock::manual(NOW);
        let flow = Flow::new(store, config, clock.clone(), Arc::new(Metrics::default()));
        Self { place, flow, clock, forgetting: Forgetting::default() }
    }

    /// So many days later, when everything that is old enough is forgotten.
    async fn after(&mut self, days: i64) -> [i64; 3] {
        self.clock.advance(days * DAY_MS);
        while self.flow.forget_old(&mut self.forgetting).await.unwrap() == Rest::Some {}
        let mut rows = [0; 3];
        for (count, table) in rows.iter_mut().zip(["message", "outcome", "receipt"]) {
            *count = self.place.count(&format!("select count(*) from {table}")).await;
        }
        rows
    }

    async fn tables(&self) -> i64 {
        self.place
            .count("select count(*) from pg_class where relkind = 'r' and relname like 'message\\_%'")
            .await
    }
}

/// Each class by its own age; the receipt of nobody's as long as any.
async fn each_in_its_time(place: Place) {
    let mut desk = Desk::new(place).await;
    assert_eq!(desk.after(7).await, [4, 4, 3]);
    assert_eq!(desk.after(2).await, [3, 3, 3], "a notice of the first day");
    assert_eq!(desk.after(1).await, [2, 2, 3], "and one of the second");
    assert_eq!(desk.after(2).await, [1, 1, 1], "its survey, and what was nobody's");
    assert_eq!(desk.after(1).await, [0, 0, 0]);
}

#[tokio::test]
async fn each_class_is_forgotten_in_its_time_on_sqlite() {
    each_in_its_time(Place::sqlite()).await;
}

#[tokio::test]
async fn each_class_is_forgotten_in_its_time_on_postgres() {
    if let Some(place) = Place::postgres().await {
        each_in_its_time(place).await;
    }
}

#[tokio::test]
async fn with_a_table_for_each_day_each_class_is_forgotten_in_its_time_and_the_tables_with_the_last_one() {
    let Some(place) = Place::postgres_by_day().await else { return };
    let mut desk = Desk::new(place).await;
    assert_eq!(desk.after(9).await, [3, 3, 3], "a day is over before it goes");
    let tables = desk.tables().await;
    desk.after(3).await;
    assert_eq!(desk.after(1).await, [0, 0, 0]);
    assert!(desk.tables().await < tables);
}

#[tokio::test]
async fn a_day_whose_tables_somebody_needs_goes_row_by_row_and_later_its_tables() {
    let Some(place) = Place::postgres_by_day().await else { return };
    let mut desk = Desk::new(place).await;
    let [date, next] = [1, 2].map(|day| {
        jiff::Timestamp::from_millisecond(NOW + day * DAY_MS).unwrap().strftime("%Y%m%d").to_string()
    });
    desk.place.meddle(&format!("create view report as select count(*) from message_{date}")).await;
    desk.flow.store.commit_inbound(vec![fixtures::inbound(1, 1, "hello")]).await.unwrap();
    assert_eq!(desk.after(14).await, [0, 0, 0], "nothing is held up by it");
    assert_eq!(desk.place.count("select count(*) from inbound").await, 0);
    let table = format!("select count(*) from pg_class where relname = 'message_{date}'");
    assert_eq!(desk.place.count(&table).await, 1);
    assert_eq!(desk.place.count(&table.replace(&date, &next)).await, 0, "the next day went as a whole");
    desk.place.meddle("drop view report").await;
    desk.after(1).await;
    assert_eq!(desk.place.count(&table).await, 0);
    assert_eq!(desk.flow.store.queue_depth(LANE).await.unwrap(), []);
}
