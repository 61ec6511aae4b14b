//! Finding by keys that come in no order: a handset's number, a carrier's message id.
//!
//! An index over such keys costs a page written for each row inserted, once it has outgrown a few pages: it made
//! accepting twenty times slower at half a million rows. So new keys go into a small generation of their own, which
//! stays in a few pages; what looks something up probes each generation; and generations that are full are merged into
//! the first one, in order of keys, while there is nothing else to do.

use std::collections::HashMap;

use serde::Deserialize;

use super::engine::{Connection, Readers, Tx};
use super::error::{StoreError, judge};
use super::insert::{Column, Insert, Value};
use super::sql::Sql;
use crate::message::Msisdn;

/// A generation is full with so many keys: about a megabyte, so that one commit's keys share its pages.
const KEYS_A_GENERATION: usize = 32_768;
/// With so many generations merging does not wait for an idle moment: a lookup costs a probe for each.
const GENERATIONS: usize = 16;
/// Keys one step merges, of all generations together, as near as it can be told: some milliseconds of work.
const KEYS_A_STEP: u64 = 2_000;
/// Steps at most between two commits, however many generations there are.
const STEPS: usize = 8;

// Each is a cross join: SQLite keeps their order, and probes the keys of each generation. Left to itself, it looks at all
// keys and finds each one's generation.

/// Every id noted under a key.
static IDS: Sql = Sql::new(
    "select {list key, id} from (select distinct l.key, l.id from {each $1} r \
         cross join generation g cross join locator l where l.generation = g.id and l.key = r.value) x",
);
static KEYS: Insert<3> =
    Insert::new("locator", [Column::Int("generation"), Column::Text("key"), Column::Int("id")]);
static NEW_GENERATION: Sql = Sql::new(
    "insert into generation (epoch) select epoch from {rows epoch bigint} where true returning {pack id}",
);
/// What runs left that have ended: on SQLite all others, else those of this node.
static TAKE_OVER: Sql = Sql::new(
    "update generation set epoch = {int epoch} where id > 0 and epoch <> {int epoch} and ({int alone} = 1 \
         or epoch in (select o.epoch from run o join run me on me.node = o.node \
             where me.epoch = {int epoch} and o.epoch < me.epoch))",
);
static FULL: Sql = Sql::new(
    "select {row id} from (select id from generation where epoch = {int epoch} and id <> {int current} order by id) x",
);
static SPAN: Sql = Sql::new(
    "select {row low, high} from (select min(k.key) as low, max(k.key) as high from ( \
         select key from locator where generation = {int oldest} order by key limit {int keys}) k) x",
);
static COPY: Sql = Sql::new(
    "insert into locator (generation, key, id) select distinct 0, l.key, l.id \
     from generation g cross join locator l where l.generation = g.id and g.epoch = {int epoch} \
         and g.id <> {int current} and l.key >= {text low} and l.key <= {text high} \
     order by l.key, l.id on conflict do nothing",
);
static REMOVE: Sql = Sql::new(
    "delete from locator where generation in ( \
             select id from generation where epoch = {int epoch} and id <> {int current}) \
         and key >= {text low} and key <= {text high}",
);
static FORGET: Sql = Sql::new("delete from generation where id = {int oldest} and epoch = {int epoch}");

/// The key of messages to a number.
pub(super) fn to(number: Msisdn) -> String {
    format!("m{}", number.0)
}

/// The key of messages from a number.
pub(super) fn from(number: Msisdn) -> String {
    format!("i{}", number.0)
}

/// The key of changes of a number's consent, or of an erased one's.
pub(super) fn consent(number: Msisdn) -> String {
    format!("e{}", number.0)
}

/// The key of a message the carrier has taken under this id.
pub(super) fn taken(carrier: &str, carrier_key: &str) -> String {
    format!("c{carrier}/{carrier_key}")
}

/// The ids noted under each of these keys.
pub(super) async fn ids(
    readers: &Readers,
    keys: impl Iterator<Item = String>,
) -> Result<HashMap<String, Vec<i64>>, StoreError> {
    #[derive(Deserialize)]
    struct Found {
        key: String,
        id: i64,
    }
    let keys: Vec<String> = keys.collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<Found> = readers.list(&IDS, &keys).await?;
    let mut ids: HashMap<String, Vec<i64>> = HashMap::new();
    for Found { key, id } in found {
        ids.entry(key).or_default().push(id);
    }
    Ok(ids)
}

/// Where new keys go.
#[derive(Debug)]
pub(super) struct Generations {
    current: i64,
    keys: usize,
    full: usize,
    /// Keys of the oldest one that the next step takes, with those of the others among them.
    stride: u64,
}

impl Default for Generations {
    fn default() -> Self {
        Self { current: 0, keys: 0, full: 0, stride: KEYS_A_STEP / GENERATIONS as u64 }
    }
}

/// The stride after one that moved so many keys. Of numbers in no order every generation has some between any two;
/// where they came in order none has, and the oldest one's are all that a step moves.
fn next_stride(stride: u64, moved: u64) -> u64 {
    match moved {
        0..1_000 => (stride * 2).min(KEYS_A_STEP),
        1_000..=KEYS_A_STEP => stride,
        _ => (stride / 2).max(1),
    }
}

#[derive(Deserialize)]
struct Id {
    id: i64,
}

#[derive(Deserialize)]
struct Span {
    low: Option<String>,
    high: Option<String>,
}

/// Notes under which keys rows are to be found.
pub(super) async fn note(
    tx: &mut Tx<'_>,
    keys: impl Iterator<Item = (String, i64)>,
) -> Result<(), StoreError> {
    let generation = Value::Int(tx.generation);
    let mut keys: Vec<(String, i64)> = keys.collect();
    keys.sort_unstable();
    tx.located += keys.len();
    let rows = keys.into_iter().map(|(key, id)| [generation.clone(), key.into(), id.into()]);
    tx.insert(&KEYS, rows).await.map(drop)
}

impl Generations {
    /// The one to write to.
    pub(super) fn current(&self) -> i64 {
        self.current
    }

    /// Counts what was committed.
    pub(super) fn grown(&mut self, keys: usize) {
        self.keys += keys;
    }

    /// Begins a new generation where there is none or it is full, outside of any transaction: an empty one too many
    /// does no harm.
    pub(super) async fn begin(&mut self, connection: &mut Connection, epoch: i64) -> Result<(), StoreError> {
        if self.current != 0 && self.keys < KEYS_A_GENERATION {
            return Ok(());
        }
        let mut tx = Tx::new(connection, epoch);
        if self.current == 0 {
            let alone = tx.alone();
            tx.change(&TAKE_OVER, &serde_json::json!({ "epoch": epoch, "alone": alone })).await?;
            let argument = serde_json::json!({ "epoch": epoch, "current": 0 });
            self.full = tx.rows::<Id>(&FULL, &argument).await?.len();
        } else {
            self.full += 1;
        }
        let made: Option<Id> =
            tx.rows(&NEW_GENERATION, &serde_json::json!([{ "epoch": epoch }])).await?.pop();
        self.current = made.map(|row| row.id).unwrap_or_default();
        self.keys = 0;
        Ok(())
    }

    /// Whether there is anything to merge.
    pub(super) fn unmerged(&self) -> bool {
        self.full > 0
    }

    /// Steps of merging that should not wait: the more, the more generations there are.
    pub(super) fn overdue(&self) -> usize {
        (self.full / GENERATIONS).min(STEPS)
    }

    /// Merges a step, in a transaction of its own.
    pub(super) async fn merge(&mut self, connection: &mut Connection, epoch: i64) -> Result<(), StoreError> {
        connection.begin().await.map_err(|error| judge(&error))?;
        let mut tx = Tx::new(connection, epoch);
        let full = self.step(&mut tx).await?;
        connection.plain("commit").await.map_err(|error| judge(&error))?;
        self.full = full;
        Ok(())
    }

    /// Gives how many generations are left.
    async fn step(&mut self, tx: &mut Tx<'_>) -> Result<usize, StoreError> {
        let (epoch, current) = (tx.epoch, self.current);
        let full: Vec<Id> =
            tx.rows(&FULL, &serde_json::json!({ "epoch": epoch, "current": current })).await?;
        let Some(oldest) = full.first().map(|row| row.id) else { return Ok(0) };
        let span = serde_json::json!({ "oldest": oldest, "keys": self.stride });
        let span: Option<Span> = tx.rows(&SPAN, &span).await?.pop();
        if let Some(Span { low: Some(low), high: Some(high) }) = span {
            let span = serde_json::json!({ "epoch": epoch, "current": current, "low": low, "high": high });
            tx.change(&COPY, &span).await?;
            let moved = tx.change(&REMOVE, &span).await?;
            self.stride = next_stride(self.stride, moved);
            Ok(full.len())
        } else {
            tx.change(&FORGET, &serde_json::json!({ "epoch": epoch, "oldest": oldest })).await?;
            Ok(full.len() - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys a step moves once the stride has settled: `shared` generations have as many keys between any two as the oldest.
    fn settled(shared: u64) -> u64 {
        let mut stride = Generations::default().stride;
        for _ in 0..20 {
            stride = next_stride(stride, stride * shared);
        }
        stride * shared
    }

    #[test]
    fn a_step_moves_about_as_many_keys_whether_they_came_in_order_or_not() {
        for shared in [1, 2, 5, 16, 40, 211] {
            let moved = settled(shared);
            assert!((900..=2_200).contains(&moved), "{moved} keys with {shared} generations");
        }
    }
}
