//! What the store promises, held against both engines: every test runs on SQLite, on Postgres, and on Postgres with tables for
//! each day.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "store_contract/audience.rs"]
mod audience;
#[path = "store_contract/consent.rs"]
mod consent;
#[path = "store_contract/days.rs"]
mod days;
#[path = "store_contract/desk.rs"]
mod desk;
#[path = "store_contract/fixtures.rs"]
mod fixtures;
#[path = "store_contract/inbound.rs"]
mod inbound;
#[path = "store_contract/locator.rs"]
mod locator;
#[path = "store_contract/opening.rs"]
mod opening;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "store_contract/queue.rs"]
mod queue;
#[path = "store_contract/receipts.rs"]
mod receipts;
#[path = "store_contract/reports.rs"]
mod reports;
#[path = "store_contract/retention.rs"]
mod retention;
#[path = "store_contract/surveys.rs"]
mod surveys;
#[path = "store_contract/writer.rs"]
mod writer;

/// Makes a test of each on a kind of Postgres, unless the tests were told to leave that out.
macro_rules! on_postgres {
    ($place:ident: $($name:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(place) = $crate::fixtures::Place::$place().await {
                super::$name(place).await;
            }
        })*
    };
}
pub(crate) use on_postgres;

/// Makes three tests of each: one a way to keep things.
macro_rules! contract {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::fixtures::Place::sqlite()).await;
            })*
        }
        mod on_postgres {
            $crate::on_postgres! { postgres: $($name,)* }
        }
        mod on_postgres_by_day {
            $crate::on_postgres! { postgres_by_day: $($name,)* }
        }
    };
}
pub(crate) use contract;
