//! A table for each day, on Postgres and where that is asked for: messages by their ids, which are in the order of time, with
//! their outcomes and receipts. A day that is old enough goes with its tables instead of row by row.
//!
//! What was there before days were told apart is the first table; what is of no day, receipts of nobody's among it, is in the
//! rest. So nothing is ever refused for want of a table. Once made, days stay, whatever the configuration says.

use serde::Deserialize;

use super::accounts::DAY_MS;
use super::engine::{Connection, Readers, Tx};
use super::error::{StoreError, judge};
use super::sql::{Dialect, Sql};
use crate::message::{MessageId, Partitions};

/// Tables are made for so many days to come: a server that is down so long, or a clock so fast, is noticed.
const DAYS_AHEAD: i64 = 3;
/// To make or drop one, a table of all days is locked. Whoever reads it for longer than this is not waited for, since all others
/// wait behind us: it is tried again later.
const PATIENCE: &str = "set local lock_timeout = '100ms'";
const PATIENT_AGAIN: &str = "set local lock_timeout = '5s'";
/// Others may be dividing, which takes as long as it takes.
const NO_HURRY: &str = "set local statement_timeout = 0; set local lock_timeout = 0";
/// Who still works with the tables gets so long to be done. Before anything is read through, so that nobody waits for that in the
/// middle of his own work.
const HOLD_ALL: &str =
    "set local lock_timeout = '30s'; lock table message, outcome, receipt in access exclusive mode";
/// Two reports at once over so many days lock more tables than Postgres has room for unless it is told otherwise.
const MANY_DAYS: usize = 400;
/// Two who divide, or make days, do so one after the other.
const LOCK: i64 = 0x4243_4854_0001;

static LOCKED: Sql =
    Sql::new("select {row locked} from (select 1 as locked from pg_advisory_xact_lock({int lock})) x");
static FOUND: Sql = Sql::new(
    "select {row kind} from (select cast(c.relkind as text) as kind from pg_class c \
     where c.relname = {text table} and c.relnamespace = to_regnamespace(quote_ident(current_schema()))) x",
);
static NEWEST: Sql = Sql::new(
    "select {row id} from (select greatest((select max(id) from message), (select max(message) from outcome), \
         (select max(message) from receipt), {int least}) as id) x",
);
/// Each part's name behind the table's, and from which message to which it goes: the catalogue has that as text alone.
static DAYS: Sql = Sql::new(
    "select {list name, \"from\", \"to\"} from (select d.name, \
         cast(substring(d.bounds from 'FROM \\(''(\\d+)''\\)') as bigint) as \"from\", \
         cast(substring(d.bounds from 'TO \\(''(\\d+)''\\)') as bigint) as \"to\" \
     from (select substring(c.relname from length({text table}) + 2) as name, pg_get_expr(c.relpartbound, c.oid) as bounds \
         from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass({text table})) d \
     where d.bounds <> 'DEFAULT' order by 3) x",
);
static RESTS: Sql = Sql::new(
    "select {row some} from (select case when \
             exists (select 1 from message_rest where id >= {int from} and id < {int to}) \
             or exists (select 1 from outcome_rest where message >= {int from} and message < {int to}) \
             or exists (select 1 from receipt_rest where message >= {int from} and message < {int to}) \
         then 1 else 0 end as some) x",
);

/// What the tables of one day hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    /// What stands behind the name of each table.
    name: String,
    /// Messages from this id on, and before that one.
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Day {
    /// That of a time, in UTC.
    fn of(ms: i64) -> Self {
        let begins_ms = ms.div_euclid(DAY_MS) * DAY_MS;
        let date =
            jiff::Timestamp::from_millisecond(begins_ms).unwrap_or_default().strftime("%Y%m%d").to_string();
        let (from, to) = (MessageId::first_at(begins_ms).0, MessageId::first_at(begins_ms + DAY_MS).0);
        Self { name: date, from, to }
    }

    /// Its date, as the names of its tables have it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// Whether this database has a table for each day.
pub(super) async fn found(connection: &mut Connection) -> Result<Partitions, StoreError> {
    #[derive(Deserialize)]
    struct Found {
        kind: String,
    }
    if connection.dialect() == Dialect::Sqlite {
        return Ok(Partitions::None);
    }
    let mut tx = Tx::new(connection, 0);
    let found: Vec<Found> = tx.rows(&FOUND, &of_messages()).await?;
    Ok(if found.iter().any(|found| found.kind == "p") { Partitions::Daily } else { Partitions::None })
}

/// Divides what there is: everything up to now is the first day.
pub(super) async fn divide(connection: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Newest {
        id: i64,
    }
    begin(connection).await?;
    connection.plain(NO_HURRY).await.map_err(|error| judge(&error))?;
    let mut tx = Tx::new(connection, 0);
    lock(&mut tx).await?;
    if found(tx.connection).await? == Partitions::None {
        tx.connection.plain(HOLD_ALL).await.map_err(|error| judge(&error))?;
        let least = serde_json::json!({ "least": MessageId::first_at(now_ms).0 });
        let newest: Option<Newest> = tx.rows(&NEWEST, &least).await?.pop();
        let newest = newest.map_or(now_ms, |newest| MessageId(newest.id).made_ms());
        if newest > now_ms + DAYS_AHEAD * DAY_MS {
            // Up to then there would be one table for all.
            let day = Day::of(newest).name;
            return Err(StoreError::Refused(format!(
                "what is in it goes on to {day}, days after this clock: set the clock right, or leave `partitions` out"
            )));
        }
        let bound = Day::of(newest).to.to_string();
        tracing::info!("giving each day tables of its own: what there is becomes the first one");
        let sql = include_str!("days.sql").replace(":bound", &bound);
        tx.connection.define(sql).await.map_err(|error| judge(&error))?;
    }
    connection.plain("commit").await.map_err(|error| judge(&error))
}

/// At a start: today's tables and the next ones, in a transaction of its own.
pub(super) async fn begin_with(connection: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    begin(connection).await?;
    let end = match make(&mut Tx::new(connection, 0), now_ms).await {
        Ok(()) => "commit",
        Err(StoreError::Busy) => {
            tracing::warn!("others hold the tables: those of the next days are made later");
            "rollback"
        }
        Err(error) => return Err(error),
    };
    connection.plain(end).await.map_err(|error| judge(&error))
}

/// Makes the tables of today and the next days, where they are missing.
pub(super) async fn make(tx: &mut Tx<'_>, now_ms: i64) -> Result<(), StoreError> {
    lock(tx).await?;
    let there = in_order(tx.list(&DAYS, &of_messages()).await?);
    if there.len() > MANY_DAYS {
        tracing::warn!(
            days = there.len(),
            "reports lock nine tables for each day: raise max_locks_per_transaction, or keep nothing for so long"
        );
    }
    for day in (0..=DAYS_AHEAD).map(|ahead| Day::of(now_ms + ahead * DAY_MS)) {
        if day.from >= day.to || there.iter().any(|other| other.overlaps(&day)) {
            continue;
        }
        let Day { name, from, to } = &day;
        if rests(tx, &day).await? {
            tracing::warn!(day = name, "the rest has rows of this day already, and takes all of it");
            continue;
        }
        let parts = ["message", "outcome", "receipt"].map(|table| {
            format!("create table {table}_{name} partition of {table} for values from ({from}) to ({to});")
        });
        locking(tx, parts.concat()).await?;
    }
    Ok(())
}

/// Removes a day, with all that is in it.
pub(super) async fn remove(tx: &mut Tx<'_>, day: &Day) -> Result<(), StoreError> {
    let name = &day.name;
    locking(tx, format!("drop table if exists message_{name}, outcome_{name}, receipt_{name}")).await
}

/// The days there are, the oldest first; none where days are not told apart.
pub(super) async fn days(readers: &Readers) -> Result<Vec<Day>, StoreError> {
    match readers.partitions() {
        Partitions::None => Ok(Vec::new()),
        Partitions::Daily => Ok(in_order(readers.list(&DAYS, &of_messages()).await?)),
    }
}

/// Where rows may go one by one: before this id, but of days that have tables only such as lie before it as a whole, since a
/// day goes with its tables if it can. What was there before there were days is old bit by bit.
pub(super) async fn behind(readers: &Readers, before: i64) -> Result<i64, StoreError> {
    match readers.partitions() {
        Partitions::None => Ok(before),
        Partitions::Daily => Ok(whole_days(&days(readers).await?, before)),
    }
}

fn whole_days(days: &[Day], before: i64) -> i64 {
    match days.iter().find(|day| day.from < before && before < day.to) {
        Some(day) if day.from > 0 => day.from,
        _ => before,
    }
}

/// All three tables have the same days.
fn of_messages() -> serde_json::Value {
    serde_json::json!({ "table": "message" })
}

#[derive(Deserialize)]
struct Bounds {
    name: String,
    from: Option<i64>,
    to: Option<i64>,
}

fn in_order(rows: Vec<Bounds>) -> Vec<Day> {
    let day = |Bounds { name, from, to }| Some(Day { name, from: from.unwrap_or_default(), to: to? });
    rows.into_iter().filter_map(day).collect()
}

async fn rests(tx: &mut Tx<'_>, day: &Day) -> Result<bool, StoreError> {
    #[derive(Deserialize)]
    struct Rests {
        some: i64,
    }
    let rows: Vec<Rests> = tx.rows(&RESTS, &serde_json::json!({ "from": day.from, "to": day.to })).await?;
    Ok(rows.iter().any(|row| row.some != 0))
}

async fn lock(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.texts(&LOCKED, serde_json::json!({ "lock": LOCK }).to_string()).await.map(drop)
}

/// Makes or drops tables, or gives up at once where somebody works with them for long.
async fn locking(tx: &mut Tx<'_>, sql: String) -> Result<(), StoreError> {
    for sql in [PATIENCE.to_owned(), sql, PATIENT_AGAIN.to_owned()] {
        tx.connection.define(sql).await.map_err(|error| judge(&error))?;
    }
    Ok(())
}

async fn begin(connection: &mut Connection) -> Result<(), StoreError> {
    connection.begin().await.map_err(|error| judge(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_holds_the_ids_made_on_it_and_bears_its_date() {
        let noon_ms = 1_796_040_000_000;
        let day = Day::of(noon_ms);
        assert_eq!(day.name, "20261130");
        assert!((day.from..day.to).contains(&MessageId::first_at(noon_ms).0));
        assert_eq!(
            (MessageId(day.from).made_ms(), MessageId(day.to).made_ms()),
            (noon_ms - DAY_MS / 2, noon_ms + DAY_MS / 2)
        );
        assert!(!day.overlaps(&Day::of(noon_ms + DAY_MS)) && day.overlaps(&Day { from: 0, ..day.clone() }));
    }

    #[test]
    fn rows_of_a_day_go_one_by_one_only_when_the_whole_day_is_old() {
        let day = |from, to| Day { name: String::new(), from, to };
        let days = [day(0, 100), day(100, 200), day(250, 300)];
        let behind = |before| whole_days(&days, before);
        assert_eq!((behind(70), behind(99)), (70, 99), "what was there before days were told apart");
        assert_eq!((behind(100), behind(199), behind(200), behind(260)), (100, 100, 200, 250));
        assert_eq!((behind(220), behind(400)), (220, 400), "of no day");
    }
}
