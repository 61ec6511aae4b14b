//! Where new keys go, and how full generations become part of the first one: in sweeps, each over all that are full when it
//! begins, from the lowest key to the highest, some thousand keys a step; then what was copied is removed. The more
//! generations share a sweep, the more of their keys share a page of the first one.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;

use super::sieve::{Learning, Sieve};
use crate::store::Access;
use crate::store::engine::{Connection, Tx};
use crate::store::error::{StoreError, judge};
use crate::store::sql::Sql;

/// A generation is full with so many keys: about a megabyte, so that one commit's keys share its pages.
pub(super) const KEYS_A_GENERATION: usize = 32_768;
/// A command that notes no more than this notes it in the first generation itself: a generation of its own would be one more
/// to probe until the server's next start.
const KEYS_OF_A_COMMAND: usize = 2_000;
/// With so many full generations merging does not wait for an idle moment. Three quarters as many come while a sweep runs,
/// and the sieve has room for all of them.
const GENERATIONS: usize = 24;
/// When merging does not wait, so many keys are merged for each that is noted.
const PACE: usize = 2;
/// Keys one step copies or removes at most, of all generations together: some milliseconds of work. Only the ids under one
/// key are never parted.
const KEYS_A_STEP: usize = 2_000;
/// Steps at most between two commits.
const STEPS: usize = 8;

static NEW_GENERATION: Sql = Sql::new(
    "insert into generation (epoch) select epoch from {rows epoch bigint} where true returning {pack id}",
);
/// What servers left that have ended, on SQLite all others, else those of this node; and what commands left that have ended.
static TAKE_OVER: Sql = Sql::new(
    "update generation set epoch = {int epoch} where id > 0 and epoch in ( \
         select o.epoch from run o join run me on me.epoch = {int epoch} \
         where o.epoch < me.epoch and (o.serves = 1 or o.ended_ms is not null) \
             and ({int alone} = 1 or o.node = me.node))",
);
static FULL: Sql = Sql::new(
    "select {row id} from (select id from generation where epoch = {int epoch} and id <> {int current} order by id) x",
);
/// The next keys of a generation.
static NEXT: Sql = Sql::new(
    "select {list key} from (select key from locator where generation = {int generation} and key > {text after} \
         order by key limit {int keys}) x",
);
static HIGH: Sql = Sql::new(
    "select {row high, keys} from (select max(k.key) as high, count(*) as keys from ( \
         select key from locator where generation = {int generation} and key > {text after} \
         order by key limit {int keys}) k) x",
);
static AMONG: Sql = Sql::new(
    "select {row keys} from (select count(*) as keys from ( \
         select 1 from {each {text generations}} g cross join locator l \
         where l.generation = cast(g.value as bigint) and l.key > {text after} and l.key <= {text high} \
         limit {int enough}) k) x",
);
static COPY: Sql = Sql::new(
    "insert into locator (generation, key, id) select 0, l.key, l.id \
     from {each {text generations}} g cross join locator l \
     where l.generation = cast(g.value as bigint) and l.key > {text after} and l.key <= {text high} \
     order by l.key, l.id on conflict do nothing",
);
static REMOVE: Sql =
    Sql::new("delete from locator where generation = {int generation} and key > '' and key <= {text high}");
static FORGET: Sql = Sql::new("delete from generation where id = {int generation} and epoch = {int epoch}");

/// Where new keys go, and what becomes of the generations that are full.
#[derive(Debug)]
pub(in crate::store) struct Generations {
    access: Access,
    sieve: Arc<Sieve>,
    current: i64,
    keys: usize,
    /// Oldest first.
    full: Vec<i64>,
    /// Those of earlier runs, which the sieve does not know yet.
    unread: VecDeque<i64>,
    reading: Option<(Learning, String)>,
    sweep: Option<Sweep>,
    /// Keys noted and not made up for by merging.
    debt: usize,
}

/// What is merged together. If it is cut short, the next one begins anew: what is copied already is left as it is.
#[derive(Debug)]
struct Sweep {
    generations: Vec<i64>,
    /// Copied up to this key.
    upto: String,
    /// Which of them gives the next keys; those before it have none left. After the last one they are removed.
    guide: usize,
    /// Keys of the guide in the last step.
    width: usize,
}

#[derive(Deserialize)]
struct Id {
    id: i64,
}

#[derive(Deserialize)]
struct High {
    high: Option<String>,
    keys: usize,
}

#[derive(Deserialize)]
struct Among {
    keys: usize,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

impl Generations {
    pub(in crate::store) fn new(access: Access, sieve: Arc<Sieve>) -> Self {
        Self {
            access,
            sieve,
            current: 0,
            keys: 0,
            full: Vec::new(),
            unread: VecDeque::new(),
            reading: None,
            sweep: None,
            debt: 0,
        }
    }

    /// The one to write to.
    pub(in crate::store) fn current(&self) -> i64 {
        self.current
    }

    /// What is told of keys that are noted.
    pub(in crate::store) fn sieve(&self) -> Arc<Sieve> {
        Arc::clone(&self.sieve)
    }

    /// Counts what was committed.
    pub(in crate::store) fn grown(&mut self, keys: usize) {
        self.keys += keys;
        if self.full.len() >= GENERATIONS {
            self.debt = (self.debt + PACE * keys).min(STEPS * KEYS_A_STEP);
        }
    }

    /// Begins a new generation where there is none or it is full, outside of any transaction: an empty one too many
    /// does no harm.
    pub(in crate::store) async fn begin(
        &mut self,
        connection: &mut Connection,
        epoch: i64,
    ) -> Result<(), StoreError> {
        let room = match (self.current, self.access) {
            (0, Access::Beside | Access::Look) => KEYS_OF_A_COMMAND,
            (0, Access::Serve) => 0,
            _ => KEYS_A_GENERATION,
        };
        if self.keys < room {
            return Ok(());
        }
        let mut tx = Tx::new(connection, epoch);
        if self.current == 0 && self.access == Access::Serve {
            let alone = tx.alone();
            tx.change(&TAKE_OVER, &serde_json::json!({ "epoch": epoch, "alone": alone })).await?;
            let left: Vec<Id> = tx.rows(&FULL, &serde_json::json!({ "epoch": epoch, "current": 0 })).await?;
            self.full = left.into_iter().map(|row| row.id).collect();
            // Only where nobody can still be writing to them: an earlier run of a node may not know yet that it is over.
            if alone == 1 {
                self.unread = self.full.iter().copied().collect();
            }
        }
        let made: Option<Id> =
            tx.rows(&NEW_GENERATION, &serde_json::json!([{ "epoch": epoch }])).await?.pop();
        self.full.extend(Some(self.current).filter(|generation| *generation > 0));
        self.current = made.map(|row| row.id).unwrap_or_default();
        self.keys = 0;
        self.sieve.begin(self.current);
        Ok(())
    }

    /// Whether there is something to do in an idle moment.
    pub(in crate::store) fn unmerged(&self) -> bool {
        !self.full.is_empty()
    }

    /// Steps that should not wait.
    pub(in crate::store) fn overdue(&self) -> usize {
        if self.unread.is_empty() { self.debt / KEYS_A_STEP } else { 1 }
    }

    /// Does a step, in a transaction of its own.
    pub(in crate::store) async fn step(
        &mut self,
        connection: &mut Connection,
        epoch: i64,
    ) -> Result<(), StoreError> {
        let mut tx = Tx::new(connection, epoch);
        if let Some(generation) = self.unread.front().copied() {
            return self.read(&mut tx, generation).await;
        }
        self.debt = self.debt.saturating_sub(KEYS_A_STEP);
        match self.merged(&mut tx).await {
            Ok(Some(gone)) => {
                self.full.retain(|generation| *generation != gone);
                self.sieve.forget(gone);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                // What it was thought to have copied may not be there.
                self.sweep = None;
                Err(error)
            }
        }
    }

    async fn merged(&mut self, tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
        tx.connection.begin().await.map_err(|error| judge(&error))?;
        let gone = self.merge(tx).await?;
        tx.connection.plain("commit").await.map_err(|error| judge(&error))?;
        Ok(gone)
    }

    /// Reads on in a generation, for the sieve.
    async fn read(&mut self, tx: &mut Tx<'_>, generation: i64) -> Result<(), StoreError> {
        let Some((learning, after)) =
            self.reading.take().or_else(|| self.sieve.learn().map(|learning| (learning, String::new())))
        else {
            // No room: what is not known is probed.
            self.unread.clear();
            return Ok(());
        };
        let next = serde_json::json!({ "generation": generation, "after": after, "keys": KEYS_A_STEP });
        let next: Vec<Key> = match tx.list(&NEXT, &next).await {
            Ok(next) => next,
            Err(error) => {
                self.reading = Some((learning, after));
                return Err(error);
            }
        };
        self.sieve.learnt(&learning, next.iter().map(|row| row.key.as_str()));
        // From behind the last key on: of one with more ids than a step reads, the rest is passed over, and known all the same.
        match next.last() {
            Some(last) if next.len() == KEYS_A_STEP => self.reading = Some((learning, last.key.clone())),
            _ => {
                self.sieve.knows(learning, generation);
                self.unread.pop_front();
            }
        }
        Ok(())
    }

    /// One step of a sweep. Gives the generation that is gone with it, if one is.
    async fn merge(&mut self, tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
        if self.full.is_empty() {
            return Ok(None);
        }
        let sweep = self.sweep.get_or_insert_with(|| Sweep {
            generations: self.full.clone(),
            upto: String::new(),
            guide: 0,
            width: (KEYS_A_STEP / self.full.len()).max(1),
        });
        if let Some(high) = sweep.span(tx).await? {
            let span = serde_json::json!({
                "generations": sweep.generations, "after": sweep.upto, "high": high,
            });
            tx.change(&COPY, &span).await?;
            sweep.upto = high;
            return Ok(None);
        }
        let gone = sweep.remove(tx).await?;
        if sweep.generations.is_empty() {
            self.sweep = None;
        }
        Ok(gone)
    }
}

impl Sweep {
    /// How far the next step goes; none where all is copied. As many of the guide's keys as make a step with those of the
    /// others among them: of numbers in no order every generation has some between any two; where they came in order none
    /// has.
    async fn span(&mut self, tx: &mut Tx<'_>) -> Result<Option<String>, StoreError> {
        let mut narrowed = false;
        while let Some(generation) = self.generations.get(self.guide) {
            let next = serde_json::json!({
                "generation": generation, "after": self.upto, "keys": self.width,
            });
            let next: Option<High> = tx.rows(&HIGH, &next).await?.pop();
            let Some(High { high: Some(high), keys }) = next else {
                self.guide += 1;
                continue;
            };
            let among = serde_json::json!({
                "generations": self.generations, "after": self.upto, "high": high, "enough": KEYS_A_STEP + 1,
            });
            let among: Option<Among> = tx.rows(&AMONG, &among).await?.pop();
            let among = among.map_or(0, |among| among.keys);
            if among > KEYS_A_STEP && self.width > 1 {
                self.width /= 2;
                narrowed = true;
            } else if among < KEYS_A_STEP / 2 && keys == self.width && !narrowed {
                self.width *= 2;
            } else {
                return Ok(Some(high));
            }
        }
        Ok(None)
    }

    /// Removes some keys of what is copied; gives the generation whose last ones they were.
    async fn remove(&mut self, tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
        let Some(generation) = self.generations.last().copied() else { return Ok(None) };
        // Next to each other, and not looked at: a key goes twice as fast as it is copied.
        let next = serde_json::json!({ "generation": generation, "after": "", "keys": 2 * KEYS_A_STEP });
        let next: Option<High> = tx.rows(&HIGH, &next).await?.pop();
        if let Some(High { high: Some(high), .. }) = next {
            tx.change(&REMOVE, &serde_json::json!({ "generation": generation, "high": high })).await?;
            return Ok(None);
        }
        let argument = serde_json::json!({ "generation": generation, "epoch": tx.epoch });
        tx.change(&FORGET, &argument).await?;
        self.generations.pop();
        Ok(Some(generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::Engine;
    use crate::store::locator::{last, note};
    use crate::store::{Location, Options, Store};

    const GENERATIONS_MADE: i64 = 20;
    const KEYS_EACH: i64 = 2_500;

    /// A database, and what writes to it as one run after the other.
    struct Desk {
        _folder: tempfile::TempDir,
        file: std::path::PathBuf,
        connection: Connection,
    }

    impl Desk {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("locator.db");
            let options = Options { now_ms: 0, node: 0, access: Access::Serve, subjects: None };
            Store::open(&Location::Sqlite(file.clone()), options).await.unwrap().close(0).await;
            let connection = Engine::sqlite(&file).writer().await.unwrap();
            Self { _folder: folder, file, connection }
        }

        /// A new run, which has ended when this returns or goes on for ever.
        async fn run(&self, access: Access, ends: Ends) -> (Generations, i64) {
            let options = Options { now_ms: 0, node: 0, access, subjects: None };
            let store = Store::open(&Location::Sqlite(self.file.clone()), options).await.unwrap();
            let epoch = store.epoch();
            match ends {
                Ends::Now => store.close(0).await,
                Ends::Never => drop(store),
            }
            (Generations::new(access, Arc::default()), epoch)
        }

        async fn note(&mut self, run: &mut (Generations, i64), keys: impl Iterator<Item = i64>) {
            let (generations, epoch) = run;
            generations.begin(&mut self.connection, *epoch).await.unwrap();
            self.connection.begin().await.unwrap();
            let sieve = generations.sieve();
            let mut tx = Tx::new(&mut self.connection, *epoch);
            tx.generation = generations.current();
            tx.sieve = Some(&sieve);
            let keys = keys.map(|key| (format!("m{}", 447_700_000_000 + key), key));
            note(&mut tx, keys).await.unwrap();
            self.connection.plain("commit").await.unwrap();
        }

        /// Of these keys, those that are found.
        async fn found(&mut self, run: &(Generations, i64), keys: std::ops::Range<i64>) -> usize {
            let sieve = run.0.sieve();
            let mut tx = Tx::new(&mut self.connection, run.1);
            tx.sieve = Some(&sieve);
            let texts: Vec<String> = keys.map(|key| format!("m{}", 447_700_000_000 + key)).collect();
            last(&mut tx, &texts).await.unwrap().len()
        }

        /// Keys in the first generation.
        async fn merged(&mut self) -> usize {
            let all = serde_json::json!({
                "generations": [0], "after": "", "high": "n", "enough": 1_000_000,
            });
            let mut tx = Tx::new(&mut self.connection, 0);
            tx.rows::<Among>(&AMONG, &all).await.unwrap()[0].keys
        }

        /// Whether this run's current generation is still its own.
        async fn keeps(&mut self, run: &(Generations, i64)) -> bool {
            let argument = serde_json::json!({ "epoch": run.1, "current": 0 });
            let owned: Vec<Id> = Tx::new(&mut self.connection, 0).rows(&FULL, &argument).await.unwrap();
            owned.iter().any(|row| row.id == run.0.current())
        }
    }

    #[derive(Clone, Copy)]
    enum Ends {
        Now,
        Never,
    }

    /// Steps until all is merged, where the keys of generation `g` are these numbers.
    async fn steps(key: fn(i64, i64) -> i64) -> usize {
        let mut desk = Desk::new().await;
        let mut run = desk.run(Access::Serve, Ends::Now).await;
        for generation in 0..GENERATIONS_MADE {
            desk.note(&mut run, (0..KEYS_EACH).map(|one| key(generation, one))).await;
            run.0.grown(KEYS_A_GENERATION);
        }
        run.0.begin(&mut desk.connection, run.1).await.unwrap();
        let all = GENERATIONS_MADE * KEYS_EACH;
        let mut steps = 0;
        while run.0.unmerged() {
            run.0.step(&mut desk.connection, run.1).await.unwrap();
            steps += 1;
            if steps % 10 == 0 {
                assert_eq!(desk.found(&run, 0..all).await, all as usize, "found also meanwhile");
            }
        }
        assert_eq!(desk.merged().await, all as usize, "none is lost");
        steps
    }

    /// A copying step moves half of what it may at least, but for the last one of a generation; two remove it.
    const STEPS_WANTED: usize = (GENERATIONS_MADE * (KEYS_EACH / 1_000 + 3)) as usize;

    #[tokio::test]
    async fn keys_that_came_in_order_are_merged_in_as_few_steps_as_others() {
        let steps = steps(|generation, one| generation * KEYS_EACH + one).await;
        assert!(steps <= STEPS_WANTED, "{steps}");
    }

    #[tokio::test]
    async fn keys_that_came_in_no_order_are_merged_a_step_at_a_time() {
        let steps = steps(|generation, one| one * GENERATIONS_MADE + generation).await;
        let least = (GENERATIONS_MADE * KEYS_EACH) as usize / KEYS_A_STEP;
        assert!((least..=STEPS_WANTED).contains(&steps), "{steps}");
    }

    #[tokio::test]
    async fn a_run_finds_what_an_earlier_one_left_and_ends_its_merging() {
        let mut desk = Desk::new().await;
        let mut first = desk.run(Access::Serve, Ends::Never).await;
        for generation in 0..5 {
            desk.note(&mut first, (0..1_000).map(|one| one * 5 + generation)).await;
            first.0.grown(KEYS_A_GENERATION);
        }
        first.0.begin(&mut desk.connection, first.1).await.unwrap();
        let mut copied = 0;
        while copied == 0 {
            first.0.step(&mut desk.connection, first.1).await.unwrap();
            copied = desk.merged().await;
        }
        assert!(copied < 5_000, "cut short: {copied}");

        let mut second = desk.run(Access::Serve, Ends::Now).await;
        desk.note(&mut second, 5_000..5_010).await;
        assert_eq!(desk.found(&second, 0..5_010).await, 5_010, "before the sieve knows");
        while second.0.unmerged() {
            second.0.step(&mut desk.connection, second.1).await.unwrap();
            assert_eq!(desk.found(&second, 0..5_010).await, 5_010);
        }
        assert_eq!(desk.merged().await, 5_000);
    }

    #[tokio::test]
    async fn a_command_beside_a_server_takes_nothing_over_and_loses_it_nothing() {
        let mut desk = Desk::new().await;
        let mut server = desk.run(Access::Serve, Ends::Never).await;
        desk.note(&mut server, 0..10).await;
        let mut command = desk.run(Access::Beside, Ends::Never).await;
        desk.note(&mut command, 10..20).await;
        command.0.grown(KEYS_OF_A_COMMAND);
        assert_eq!(desk.merged().await, 10, "a few keys of a command need no generation");
        desk.note(&mut command, 20..30).await;
        while command.0.unmerged() {
            command.0.step(&mut desk.connection, command.1).await.unwrap();
        }
        assert!(desk.keeps(&server).await && desk.keeps(&command).await);
        desk.note(&mut server, 30..40).await;
        assert_eq!(desk.found(&server, 0..40).await, 40);
    }

    #[tokio::test]
    async fn a_server_takes_over_what_servers_and_ended_commands_left_and_no_more() {
        let mut desk = Desk::new().await;
        let (mut before, mut ended, mut goes_on) = (
            desk.run(Access::Serve, Ends::Never).await,
            desk.run(Access::Beside, Ends::Now).await,
            desk.run(Access::Beside, Ends::Never).await,
        );
        for run in [&mut before, &mut ended, &mut goes_on] {
            run.0.grown(KEYS_OF_A_COMMAND);
            desk.note(run, 0..10).await;
        }
        let mut server = desk.run(Access::Serve, Ends::Now).await;
        desk.note(&mut server, 10..20).await;
        let kept = [desk.keeps(&before).await, desk.keeps(&ended).await, desk.keeps(&goes_on).await];
        assert_eq!(kept, [false, false, true]);
    }
}
