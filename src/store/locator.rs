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
/// Keys one step merges at most, of all generations together: some milliseconds of work. Only the ids under one key are
/// never parted.
const KEYS_A_STEP: usize = 2_000;
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
static AMONG: Sql = Sql::new(
    "select {row keys} from (select count(*) as keys from ( \
         select 1 from generation g cross join locator l where l.generation = g.id and g.epoch = {int epoch} \
             and g.id <> {int current} and l.key >= {text low} and l.key <= {text high} limit {int enough}) k) x",
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
#[derive(Debug, Default)]
pub(super) struct Generations {
    current: i64,
    keys: usize,
    full: usize,
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

#[derive(Deserialize)]
struct Among {
    keys: usize,
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
    async fn step(&self, tx: &mut Tx<'_>) -> Result<usize, StoreError> {
        let (epoch, current) = (tx.epoch, self.current);
        let full: Vec<Id> =
            tx.rows(&FULL, &serde_json::json!({ "epoch": epoch, "current": current })).await?;
        let Some(oldest) = full.first().map(|row| row.id) else { return Ok(0) };
        if let Some((low, high)) = self.span(tx, oldest).await? {
            let span = serde_json::json!({ "epoch": epoch, "current": current, "low": low, "high": high });
            tx.change(&COPY, &span).await?;
            tx.change(&REMOVE, &span).await?;
            Ok(full.len())
        } else {
            tx.change(&FORGET, &serde_json::json!({ "epoch": epoch, "oldest": oldest })).await?;
            Ok(full.len() - 1)
        }
    }

    /// The first keys of the oldest generation, as many as make a step with those of the others among them; none where it is
    /// empty. Of numbers in no order every generation has some between any two; where they came in order none has, and the
    /// oldest one's are all there is to move.
    async fn span(&self, tx: &mut Tx<'_>, oldest: i64) -> Result<Option<(String, String)>, StoreError> {
        let mut keys = KEYS_A_STEP;
        loop {
            let first: Option<Span> =
                tx.rows(&SPAN, &serde_json::json!({ "oldest": oldest, "keys": keys })).await?.pop();
            let Some(Span { low: Some(low), high: Some(high) }) = first else { return Ok(None) };
            let among = serde_json::json!({
                "epoch": tx.epoch, "current": self.current, "low": low, "high": high, "enough": KEYS_A_STEP + 1
            });
            let among: Option<Among> = tx.rows(&AMONG, &among).await?.pop();
            if keys == 1 || among.is_none_or(|among| among.keys <= KEYS_A_STEP) {
                return Ok(Some((low, high)));
            }
            keys /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::Engine;
    use crate::store::{Access, Location, Options, Store};

    const GENERATIONS_MADE: i64 = 20;
    const KEYS_EACH: i64 = 2_500;

    /// Steps until all is merged, where the keys of generation `g` are these numbers.
    async fn steps(key: fn(i64, i64) -> i64) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("locator.db");
        let options = Options { now_ms: 0, node: 0, access: Access::Serve, subjects: None };
        let store = Store::open(&Location::Sqlite(file.clone()), options).await.unwrap();
        let epoch = store.epoch();
        store.close(0).await;
        let mut connection = Engine::sqlite(&file).writer().await.unwrap();
        let mut generations = Generations::default();
        for generation in 0..GENERATIONS_MADE {
            generations.begin(&mut connection, epoch).await.unwrap();
            connection.begin().await.unwrap();
            let mut tx = Tx::new(&mut connection, epoch);
            tx.generation = generations.current();
            let keys =
                (0..KEYS_EACH).map(|one| (format!("m{}", 447_700_000_000 + key(generation, one)), one));
            note(&mut tx, keys).await.unwrap();
            connection.plain("commit").await.unwrap();
            generations.grown(KEYS_A_GENERATION);
        }
        generations.begin(&mut connection, epoch).await.unwrap();
        let mut steps = 0;
        while generations.unmerged() {
            generations.merge(&mut connection, epoch).await.unwrap();
            steps += 1;
        }
        let mut tx = Tx::new(&mut connection, epoch);
        let merged =
            serde_json::json!({ "epoch": 0, "current": -1, "low": "m", "high": "n", "enough": 1_000_000 });
        let merged: Vec<Among> = tx.rows(&AMONG, &merged).await.unwrap();
        assert_eq!(merged[0].keys, usize::try_from(GENERATIONS_MADE * KEYS_EACH).unwrap(), "none is lost");
        steps
    }

    /// A step moves half of what it may at least, but for the last one of a generation, and one forgets it.
    const STEPS_WANTED: usize = (GENERATIONS_MADE * (KEYS_EACH / 1_000 + 3)) as usize;

    #[tokio::test]
    async fn keys_that_came_in_order_are_merged_in_as_few_steps_as_others() {
        let steps = steps(|generation, one| generation * KEYS_EACH + one).await;
        assert!(steps <= STEPS_WANTED, "{steps}");
    }

    #[tokio::test]
    async fn keys_that_came_in_no_order_are_merged_a_step_at_a_time() {
        let steps = steps(|generation, one| one * GENERATIONS_MADE + generation).await;
        let least = usize::try_from(GENERATIONS_MADE * KEYS_EACH).unwrap() / KEYS_A_STEP;
        assert!((least..=STEPS_WANTED).contains(&steps), "{steps}");
    }
}
