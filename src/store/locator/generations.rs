//! Where new keys go: into a log, which becomes a generation when it is long enough; and what earlier runs have left.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::block::{self, Block, Blocks};
use super::known::{Filter, Known, Logs};
use super::merge::{Merge, Merged, Step};
use super::{Notes, Sql};
use crate::store::Access;
use crate::store::engine::{Connection, Tx};
use crate::store::error::{StoreError, judge};
use crate::store::insert::{Column, Insert, Value};
use crate::store::sql::argument;

/// A log is long enough with so many keys: some 600 KB in the database and twice that in memory, and a generation is made
/// of it in some milliseconds.
const KEYS_A_GENERATION: usize = 16_384;
/// Generations of a size that become one: each key is copied once for each fourfold of all keys, and there are three of a
/// size at most, but for what comes while they are merged.
const ALIKE: usize = 4;
/// In an idle moment two are enough, as long as they are of the three smallest sizes: to copy a million keys takes half a second,
/// and somebody may come.
const ALIKE_WHEN_IDLE: usize = 2;
const SIZES_WHEN_IDLE: usize = 3;
/// So many are merged at once at most.
const AT_ONCE: usize = 8;
/// When merging does not wait, so many keys are copied for each that is noted: more than [`ALIKE`] says a key is copied, up to
/// some hundred million keys.
const PACE: usize = 8;
/// Keys a step copies: some milliseconds of work.
pub(super) const KEYS_A_STEP: usize = 8_192;
/// Blocks a step reads or removes.
pub(super) const BLOCKS_A_STEP: usize = 256;
/// Pieces of a filter a step puts down: as much as the blocks of one.
pub(super) const PIECES_A_STEP: usize = 32;
/// Pieces read at once: some 700 KB.
const PIECES_AT_ONCE: usize = 64;
/// Steps at most between two commits.
const STEPS: usize = 8;

static NEW_GENERATION: Sql = Sql::new(
    "insert into generation (epoch, state, keys) select epoch, state, keys \
     from {rows epoch bigint, state text, keys bigint} where true returning {pack id}",
);
static BLOCKS: Insert<3> =
    Insert::new("key_block", [Column::Int("generation"), Column::Text("first"), Column::Text("keys")]);
static PIECES: Insert<2> = Insert::new("key_filter", [Column::Int("generation"), Column::Text("bits")]);

/// What servers left that have ended, on SQLite all others, else those of this node; and what commands have made, which merge
/// it themselves until somebody else does. Generations of no run were made by a migration.
static TAKE_OVER: Sql = Sql::new(
    "update generation set epoch = {int epoch} where epoch = 0 or epoch in ( \
         select o.epoch from run o join run me on me.epoch = {int epoch} \
         where o.serves = 1 and o.epoch < me.epoch and ({int alone} = 1 or o.node = me.node) or o.serves = 0)",
);
static LOGS_LEFT: Sql = Sql::new(
    "select {list epoch} from (select distinct l.epoch from key_log l where l.epoch in ( \
         select o.epoch from run o join run me on me.epoch = {int epoch} \
         where o.serves = 1 and o.epoch < me.epoch and ({int alone} = 1 or o.node = me.node))) x",
);
static GIVE_UP: Sql =
    Sql::new("update generation set state = 'gone' where epoch = {int epoch} and state = 'building'");
static MINE: Sql = Sql::new(
    "select {list id, keys, state} from (select id, keys, state from generation where epoch = {int epoch} order by id) x",
);
static LOGGED: Sql = Sql::new("select keys from key_log where epoch = {int epoch} order by id");
static TAKE_LOG: Sql = Sql::new("delete from key_log where epoch = {int epoch} returning keys");
static NEXT: Sql = Sql::new(
    "select b.id || '\t' || b.first || b.keys from key_block b \
     where b.generation = {int generation} and (b.first, b.id) > ({text first}, {int id}) \
     order by b.first, b.id limit {int blocks}",
);
static CLEAR: Sql = Sql::new(
    "delete from key_block where id in ( \
         select id from key_block where generation = {int generation} order by first limit {int blocks})",
);
static FILTER: Sql = Sql::new(
    "select id || '\n' || bits from key_filter where generation = {int generation} and id > {int behind} \
     order by id limit {int pieces}",
);
static CLEAR_FILTER: Sql = Sql::new(
    "delete from key_filter where id in ( \
         select id from key_filter where generation = {int generation} order by id limit {int pieces})",
);
static FORGET: Sql = Sql::new("delete from generation where id = {int generation}");

/// A generation that is whole, and its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) id: i64,
    pub(super) keys: usize,
}

/// Where new keys go, and what becomes of the generations of this run.
#[derive(Debug)]
pub(in crate::store) struct Generations {
    access: Access,
    epoch: i64,
    others: Logs,
    known: Arc<Known>,
    /// Whether what follows is as it is in the database.
    sure: bool,
    /// Keys in the log.
    logged: usize,
    whole: Vec<Whole>,
    gone: Vec<i64>,
    /// Those that were made without a filter.
    bare: Vec<i64>,
    /// Each of smaller generations than the one before it, which waits.
    merges: Vec<Merge>,
    /// Keys noted and not made up for by merging.
    debt: usize,
}

/// Whether others wait while generations are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Pace {
    /// They do.
    Busy,
    /// Nobody does.
    Idle,
}

impl Pace {
    /// How many generations of a size are enough.
    fn alike(self, size: usize) -> usize {
        match self {
            Self::Idle if size < SIZES_WHEN_IDLE => ALIKE_WHEN_IDLE,
            Self::Busy | Self::Idle => ALIKE,
        }
    }
}

/// A place in a generation: behind this block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Behind {
    pub(super) first: String,
    pub(super) id: i64,
}

#[derive(Deserialize)]
struct Id {
    id: i64,
}

impl Generations {
    /// `alone`: whether there is no other server.
    pub(in crate::store) fn new(access: Access, epoch: i64, alone: bool, known: Arc<Known>) -> Self {
        Self {
            access,
            epoch,
            others: if alone { Logs::Nobody } else { Logs::AllBut(epoch) },
            known,
            sure: false,
            logged: 0,
            whole: Vec::new(),
            gone: Vec::new(),
            bare: Vec::new(),
            merges: Vec::new(),
            debt: 0,
        }
    }

    /// For a transaction.
    pub(in crate::store) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }

    /// Who notes.
    pub(in crate::store) fn access(&self) -> Access {
        self.access
    }

    /// Before a transaction: a log that is long enough becomes a generation.
    pub(in crate::store) async fn begin(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        if self.access != Access::Serve {
            return Ok(());
        }
        if !self.sure {
            self.look(connection).await?;
        }
        if self.logged < KEYS_A_GENERATION {
            return Ok(());
        }
        self.close_log(connection).await
    }

    /// At the end: what is logged becomes a generation, which whoever looks reads faster.
    pub(in crate::store) async fn end(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        if !self.sure || self.logged == 0 {
            return Ok(());
        }
        self.close_log(connection).await
    }

    async fn close_log(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        self.sure = false;
        let mut tx = Tx::new(connection, self.epoch);
        begin(&mut tx).await?;
        let made = from_log(&mut tx, self.epoch).await?;
        commit(&mut tx).await?;
        if let Some((whole, filter)) = made {
            self.known.knows(whole.id, filter, &[]);
            self.whole.push(whole);
        }
        self.known.young_are([]);
        self.logged = 0;
        self.sure = true;
        Ok(())
    }

    /// After a commit.
    pub(in crate::store) fn committed(&mut self, notes: Notes<'_>) {
        self.known.forget_young(&notes.struck);
        self.whole.extend(notes.made);
        self.debt = match self.is_due(Pace::Busy) {
            true => (self.debt + PACE * notes.noted.len()).min(STEPS * KEYS_A_STEP),
            false => 0,
        };
        if self.access == Access::Serve {
            self.logged += notes.noted.len();
            self.known.noted(&notes.noted);
        }
    }

    /// After a transaction of which nobody knows how it ended.
    pub(in crate::store) fn unsure(&mut self) {
        self.sure = false;
        self.merges.clear();
        if self.access != Access::Serve {
            // A server takes them over.
            self.whole.clear();
            self.gone.clear();
        }
    }

    /// Whether there is something to do in an idle moment.
    pub(in crate::store) fn unmerged(&self) -> bool {
        (self.sure || self.access != Access::Serve) && self.is_due(Pace::Idle)
    }

    fn is_due(&self, pace: Pace) -> bool {
        !self.gone.is_empty() || !self.merges.is_empty() || self.due(pace).is_some()
    }

    /// Steps that should not wait.
    pub(in crate::store) fn overdue(&self) -> usize {
        if self.is_due(Pace::Busy) { self.debt / KEYS_A_STEP } else { 0 }
    }

    /// Takes over what commands have left; tells whether there is something to do.
    pub(in crate::store) async fn adopt(&mut self, connection: &mut Connection) -> Result<bool, StoreError> {
        if self.access != Access::Serve || !self.sure {
            return Ok(false);
        }
        let mut tx = Tx::new(connection, self.epoch);
        let argument = serde_json::json!({ "epoch": self.epoch, "alone": tx.alone() });
        if tx.change(&TAKE_OVER, &argument).await? > 0 {
            self.look(connection).await?;
        }
        Ok(self.unmerged())
    }

    /// Does a step, in a transaction of its own.
    pub(in crate::store) async fn step(
        &mut self,
        connection: &mut Connection,
        pace: Pace,
    ) -> Result<(), StoreError> {
        let mut tx = Tx::new(connection, self.epoch);
        self.debt = self.debt.saturating_sub(KEYS_A_STEP);
        begin(&mut tx).await?;
        let done = match self.gone.last().copied() {
            Some(generation) => self.clear(&mut tx, generation).await,
            None => self.merge(&mut tx, pace).await,
        };
        if done.is_err() {
            self.unsure();
        }
        done
    }

    /// How it is in the database: what earlier runs left, what is whole, what is logged.
    async fn look(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Epoch {
            epoch: i64,
        }
        #[derive(Deserialize)]
        struct Mine {
            id: i64,
            keys: usize,
            state: String,
        }
        let mut tx = Tx::new(connection, self.epoch);
        let me = serde_json::json!({ "epoch": self.epoch, "alone": tx.alone() });
        self.sure = false;
        begin(&mut tx).await?;
        tx.change(&TAKE_OVER, &me).await?;
        if self.merges.is_empty() {
            tx.change(&GIVE_UP, &me).await?;
        }
        let logs: Vec<Epoch> = tx.list(&LOGS_LEFT, &me).await?;
        for log in logs {
            from_log(&mut tx, log.epoch).await?;
        }
        let mine: Vec<Mine> = tx.list(&MINE, &me).await?;
        let logged = tx.texts(&LOGGED, argument(&me)?).await?;
        commit(&mut tx).await?;

        let of = |state: &'static str| mine.iter().filter(move |row| row.state == state);
        self.whole = of("whole").map(|row| Whole { id: row.id, keys: row.keys }).collect();
        self.gone = of("gone").map(|row| row.id).collect();
        let whole = &self.whole;
        self.known.only(|generation| whole.iter().any(|one| one.id == generation));
        self.bare.clear();
        let mut unknown: Vec<Whole> = whole.iter().filter(|one| !self.known.has(one.id)).copied().collect();
        // Where there is no room for all: as many as possible, since each without is probed.
        unknown.sort_unstable_by_key(|one| one.keys);
        for whole in unknown {
            self.recall(&mut tx, whole).await?;
        }
        let young = || logged.iter().flat_map(|keys| block::entries(keys));
        self.logged = young().count();
        self.known.young_are(young());
        self.known.has_log(self.others);
        self.sure = true;
        Ok(())
    }

    /// Reads a filter that was kept.
    async fn recall(&mut self, tx: &mut Tx<'_>, whole: Whole) -> Result<(), StoreError> {
        if !self.known.has_room(whole.keys, &[]) {
            return Ok(());
        }
        let mut pieces = Vec::new();
        let mut behind = 0;
        loop {
            let next = serde_json::json!({
                "generation": whole.id, "behind": behind, "pieces": PIECES_AT_ONCE,
            });
            let texts = tx.texts(&FILTER, argument(&next)?).await?;
            for (id, bits) in texts.iter().filter_map(|text| text.split_once('\n')) {
                behind = id.parse().unwrap_or(behind);
                pieces.push(bits.to_owned());
            }
            if texts.len() < PIECES_AT_ONCE {
                break;
            }
        }
        match Filter::of(&pieces, whole.keys) {
            Some(filter) => self.known.knows(whole.id, filter, &[]),
            None => self.bare.push(whole.id),
        }
        Ok(())
    }

    /// Removes some of what is merged.
    async fn clear(&mut self, tx: &mut Tx<'_>, generation: i64) -> Result<(), StoreError> {
        let some = serde_json::json!({
            "generation": generation, "blocks": BLOCKS_A_STEP, "pieces": PIECES_A_STEP,
        });
        let blocks = tx.change(&CLEAR, &some).await?;
        let pieces = tx.change(&CLEAR_FILTER, &some).await?;
        let clear = blocks < BLOCKS_A_STEP as u64 && pieces < PIECES_A_STEP as u64;
        if clear {
            tx.change(&FORGET, &some).await?;
        }
        commit(tx).await?;
        if clear {
            self.gone.retain(|gone| *gone != generation);
        }
        Ok(())
    }

    async fn merge(&mut self, tx: &mut Tx<'_>, pace: Pace) -> Result<(), StoreError> {
        // Small ones do not wait for large ones.
        let next = match self.merges.last() {
            None => self.due(pace),
            Some(merge) => self.due(Pace::Busy).filter(|due| size(due[0].keys) < size(merge.largest())),
        };
        if let Some(next) = next {
            self.merges.push(Merge::begin(tx, next, &self.known).await?);
        }
        let step = match self.merges.last_mut() {
            Some(merge) => merge.step(tx).await?,
            None => Step::Copied,
        };
        if let Step::NotOurs = step {
            self.unsure();
            return tx.connection.plain("rollback").await.map_err(|error| judge(&error));
        }
        commit(tx).await?;
        if let Step::Merged(Merged { into, from, filter }) = step {
            self.merges.pop();
            // In this order: who looks meanwhile finds the keys here or there.
            filter.into_iter().for_each(|filter| self.known.knows(into.id, filter, &from));
            self.known.only(|generation| !from.contains(&generation));
            self.whole.retain(|one| !from.contains(&one.id));
            self.bare.retain(|one| !from.contains(one));
            self.whole.push(into);
            self.gone.extend(from);
        }
        Ok(())
    }

    /// Generations of the smallest size of which there are so many, but for those that are being merged; else one that has no
    /// filter and is copied for it.
    fn due(&self, pace: Pace) -> Option<Vec<Whole>> {
        let mut sizes: Vec<Vec<Whole>> = Vec::new();
        let merging = |whole: &&Whole| self.merges.iter().any(|merge| merge.takes(whole.id));
        for whole in self.whole.iter().filter(|whole| !merging(whole)) {
            let size = size(whole.keys);
            sizes.resize(sizes.len().max(size + 1), Vec::new());
            sizes[size].push(*whole);
        }
        let enough = |(size, of): &(usize, Vec<Whole>)| of.len() >= pace.alike(*size);
        if let Some((_, mut due)) = sizes.into_iter().enumerate().find(enough) {
            due.truncate(AT_ONCE);
            return Some(due);
        }
        let bare = |whole: &&Whole| self.bare.contains(&whole.id) && self.known.has_room(whole.keys, &[]);
        self.whole.iter().filter(|whole| !merging(whole)).find(bare).map(|whole| vec![*whole])
    }
}

/// Generations whose keys are less than fourfold apart, beginning with those of one log, are of a size.
fn size(keys: usize) -> usize {
    (keys / KEYS_A_GENERATION).max(1).ilog(ALIKE) as usize
}

/// Makes a generation of what a run has logged, if it has.
async fn from_log(tx: &mut Tx<'_>, epoch: i64) -> Result<Option<(Whole, Filter)>, StoreError> {
    let texts = tx.texts(&TAKE_LOG, argument(&serde_json::json!({ "epoch": epoch }))?).await?;
    let entries: Vec<(&str, i64)> = texts.iter().flat_map(|keys| block::entries(keys)).collect();
    if entries.is_empty() { Ok(None) } else { make(tx, entries).await.map(Some) }
}

/// Makes a generation of entries, each once.
pub(super) async fn make(
    tx: &mut Tx<'_>,
    mut entries: Vec<(&str, i64)>,
) -> Result<(Whole, Filter), StoreError> {
    entries.sort_unstable();
    entries.dedup();
    let mut filter = Filter::new(entries.len());
    let mut blocks = Blocks::default();
    for (key, id) in &entries {
        filter.note(key);
        blocks.push(key, *id);
    }
    let whole = new(tx, "whole", entries.len()).await?;
    insert(tx, whole.id, &blocks.take()).await?;
    keep(tx, whole.id, &filter, 0..filter.pieces()).await?;
    Ok((whole, filter))
}

/// A generation of this run, with no block yet.
pub(super) async fn new(tx: &mut Tx<'_>, state: &str, keys: usize) -> Result<Whole, StoreError> {
    let row = serde_json::json!([{ "epoch": tx.epoch, "state": state, "keys": keys }]);
    let made: Option<Id> = tx.rows(&NEW_GENERATION, &row).await?.pop();
    let made = made.ok_or_else(|| StoreError::Corrupt("no generation of keys could be made".to_owned()))?;
    Ok(Whole { id: made.id, keys })
}

/// More blocks of a generation, behind all it has.
pub(super) async fn insert(tx: &mut Tx<'_>, generation: i64, blocks: &[Block]) -> Result<(), StoreError> {
    let rows = blocks
        .iter()
        .map(|block| [Value::Int(generation), block.first.as_str().into(), block.keys.as_str().into()]);
    tx.insert(&BLOCKS, rows).await.map(drop)
}

/// These pieces of its filter.
pub(super) async fn keep(
    tx: &mut Tx<'_>,
    generation: i64,
    filter: &Filter,
    pieces: Range<usize>,
) -> Result<(), StoreError> {
    let rows = filter.texts(pieces).map(|bits| [Value::Int(generation), Value::Text(bits.into())]);
    tx.insert(&PIECES, rows).await.map(drop)
}

/// The next blocks of a generation, each with its place.
pub(super) async fn next(
    tx: &mut Tx<'_>,
    generation: i64,
    behind: &Behind,
    blocks: usize,
) -> Result<Vec<(Behind, String)>, StoreError> {
    let next = serde_json::json!({
        "generation": generation, "first": behind.first, "id": behind.id, "blocks": blocks,
    });
    let texts = tx.texts(&NEXT, argument(&next)?).await?;
    let read = texts.iter().map(|text| {
        let (head, keys) = block::headed(text);
        let (id, first) = head.split_once('\t')?;
        Some((Behind { first: first.to_owned(), id: id.parse().ok()? }, keys.to_owned()))
    });
    let read: Option<Vec<_>> = read.collect();
    // To pass one over would lose what it holds.
    read.ok_or_else(|| StoreError::Corrupt("a block of keys has no place".to_owned()))
}

async fn begin(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.connection.begin().await.map_err(|error| judge(&error))
}

async fn commit(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.connection.plain("commit").await.map_err(|error| judge(&error))
}
