//! How generations of a size become one: some thousand keys a step, from the lowest to the highest. Until the last step
//! nobody looks into the new one, and from then on nobody looks into the others.

use std::cmp::Ordering;
use std::collections::VecDeque;

use serde::Deserialize;

use super::Sql;
use super::block::{self, Blocks, Entry};
use super::generations::{self, BLOCKS_A_STEP, Behind, KEYS_A_STEP, PIECES_A_STEP, Whole, next};
use super::known::{Filter, Known};
use crate::store::engine::Tx;
use crate::store::error::StoreError;

/// Takes the row's lock, which who strikes keys off takes too, and tells how often that was.
static HOLD: Sql =
    Sql::new("update key_strikes set count = count where id = {int id} returning {pack count}");
static OURS: Sql = Sql::new(
    "update generation set epoch = epoch where epoch = {int epoch} \
         and id in (select cast(g.value as bigint) from {each {text generations}} g)",
);
/// Where the entries under a key begin.
static PLACE: Sql = Sql::new(
    "select {row first, id} from (select first, id from key_block \
         where generation = {int generation} and first < {text key} order by first desc, id desc limit 1) x",
);
static FINISH: Sql = Sql::new(
    "update generation set state = case when id = {int into} then 'whole' else 'gone' end, \
         keys = case when id = {int into} then {int keys} else keys end \
     where id = {int into} or id in (select cast(g.value as bigint) from {each {text generations}} g)",
);

/// What is merged together.
#[derive(Debug)]
pub(super) struct Merge {
    into: i64,
    from: Vec<Source>,
    filter: Option<Filter>,
    /// Pieces of it that are put down.
    kept: usize,
    /// How often keys had been struck off when the sources were read.
    strikes: i64,
    /// The last entry that was copied, and how many were.
    upto: Option<Entry>,
    keys: usize,
}

/// One of them.
#[derive(Debug)]
struct Source {
    whole: Whole,
    behind: Behind,
    /// Read, and not copied yet.
    entries: VecDeque<Entry>,
    ended: bool,
}

/// What a step comes to.
pub(super) enum Step {
    /// There is more.
    Copied,
    /// That was all.
    Merged(Merged),
    /// Somebody else has taken them over. Nothing of the step counts.
    NotOurs,
}

/// What came of it.
pub(super) struct Merged {
    pub(super) into: Whole,
    pub(super) from: Vec<i64>,
    pub(super) filter: Option<Filter>,
}

impl Merge {
    /// Begins, in the transaction of the first step.
    pub(super) async fn begin(tx: &mut Tx<'_>, from: Vec<Whole>, known: &Known) -> Result<Self, StoreError> {
        let instead: Vec<i64> = from.iter().map(|whole| whole.id).collect();
        let keys = from.iter().map(|whole| whole.keys).sum();
        let filter = known.has_room(keys, &instead).then(|| Filter::new(keys));
        let into = generations::new(tx, "building", 0).await?.id;
        let from = from.into_iter().map(|whole| Source {
            whole,
            behind: Behind::default(),
            entries: VecDeque::new(),
            ended: false,
        });
        Ok(Self { into, from: from.collect(), filter, kept: 0, strikes: 0, upto: None, keys: 0 })
    }

    /// Whether this generation is one of them.
    pub(super) fn takes(&self, generation: i64) -> bool {
        self.from.iter().any(|source| source.whole.id == generation)
    }

    /// Keys of the largest of them.
    pub(super) fn largest(&self) -> usize {
        self.from.iter().map(|source| source.whole.keys).max().unwrap_or_default()
    }

    /// Copies some keys; with the last ones it is done. If a step fails the whole is given up.
    pub(super) async fn step(&mut self, tx: &mut Tx<'_>) -> Result<Step, StoreError> {
        self.hold(tx).await?;
        let all: Vec<i64> = self.from.iter().map(|source| source.whole.id).chain([self.into]).collect();
        let ours = serde_json::json!({ "epoch": tx.epoch, "generations": all });
        if tx.change(&OURS, &ours).await? < all.len() as u64 {
            return Ok(Step::NotOurs);
        }
        let blocks = (BLOCKS_A_STEP / self.from.len()).max(1);
        let mut copied = Blocks::default();
        let mut keys = 0;
        while keys < KEYS_A_STEP {
            for source in self.from.iter_mut().filter(|source| source.entries.is_empty() && !source.ended) {
                source.read(tx, blocks, self.upto.as_ref()).await?;
            }
            let Some(entry) = self.pop() else { break };
            // The same one may be in several.
            if self.upto.as_ref() != Some(&entry) {
                copied.push(&entry.0, entry.1);
                self.filter.iter_mut().for_each(|filter| filter.note(&entry.0));
                keys += 1;
                self.upto = Some(entry);
            }
        }
        generations::insert(tx, self.into, &copied.take()).await?;
        self.keys += keys;
        if self.from.iter().any(|source| !source.ended || !source.entries.is_empty()) {
            return Ok(Step::Copied);
        }
        if let Some(filter) = &self.filter {
            let upto = filter.pieces().min(self.kept + PIECES_A_STEP);
            generations::keep(tx, self.into, filter, self.kept..upto).await?;
            self.kept = upto;
            if upto < filter.pieces() {
                return Ok(Step::Copied);
            }
        }
        let from: Vec<i64> = self.from.iter().map(|source| source.whole.id).collect();
        let finish = serde_json::json!({ "into": self.into, "keys": self.keys, "generations": from });
        tx.change(&FINISH, &finish).await?;
        let into = Whole { id: self.into, keys: self.keys };
        Ok(Step::Merged(Merged { into, from, filter: self.filter.take() }))
    }

    /// From here to the commit nothing is struck off. If anything was since the last step, all is read again.
    async fn hold(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Held {
            count: i64,
        }
        let held: Option<Held> = tx.rows(&HOLD, &serde_json::json!({ "id": 1 })).await?.pop();
        let strikes = held.map(|held| held.count).unwrap_or_default();
        if self.strikes != strikes {
            self.strikes = strikes;
            for source in &mut self.from {
                source.again(tx, self.upto.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// The lowest entry of all.
    fn pop(&mut self) -> Option<Entry> {
        let lowest = |a: &&mut Source, b: &&mut Source| match (a.entries.front(), b.entries.front()) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        self.from.iter_mut().min_by(lowest)?.entries.pop_front()
    }
}

impl Source {
    /// Reads on, behind the last entry that was copied.
    async fn read(&mut self, tx: &mut Tx<'_>, blocks: usize, upto: Option<&Entry>) -> Result<(), StoreError> {
        while self.entries.is_empty() && !self.ended {
            let read = next(tx, self.whole.id, &self.behind, blocks).await?;
            self.ended = read.len() < blocks;
            for (behind, keys) in read {
                let entries = block::entries(&keys).map(|(key, id)| (key.to_owned(), id));
                self.entries.extend(entries.filter(|entry| upto.is_none_or(|upto| entry > upto)));
                self.behind = behind;
            }
        }
        Ok(())
    }

    /// Goes back to where the entries behind this one begin.
    async fn again(&mut self, tx: &mut Tx<'_>, upto: Option<&Entry>) -> Result<(), StoreError> {
        self.entries.clear();
        self.ended = false;
        self.behind = Behind::default();
        if let Some((key, _)) = upto {
            let place = serde_json::json!({ "generation": self.whole.id, "key": key });
            if let Some(place) = tx.rows::<Behind>(&PLACE, &place).await?.pop() {
                self.behind = Behind { id: place.id - 1, ..place };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::engine::{Connection, Engine};
    use crate::store::locator::generations::{Generations, Pace};
    use crate::store::locator::{Notes, last, note, put, remove};
    use crate::store::{Access, Location, Options, Store};

    /// More than a log holds.
    const MANY: i64 = 20_000;

    /// A database, and what writes to it as one run after the other.
    struct Desk {
        _folder: tempfile::TempDir,
        file: std::path::PathBuf,
        connection: Connection,
    }

    /// A run.
    struct Run {
        generations: Generations,
        epoch: i64,
    }

    #[derive(Clone, Copy)]
    enum Ends {
        Now,
        Never,
    }

    fn key(number: i64) -> String {
        format!("m{}", 447_700_000_000 + number)
    }

    impl Desk {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("keys.db");
            let options = Options { now_ms: 0, access: Access::Serve, ..Options::default() };
            Store::open(&Location::Sqlite(file.clone()), options).await.unwrap().close(0).await;
            let connection = Engine::sqlite(&file).writer().await.unwrap();
            Self { _folder: folder, file, connection }
        }

        /// A new run, which has ended when this returns or goes on for ever.
        async fn run(&self, access: Access, ends: Ends) -> Run {
            let options = Options { now_ms: 0, access, ..Options::default() };
            let store = Store::open(&Location::Sqlite(self.file.clone()), options).await.unwrap();
            let epoch = store.epoch();
            match ends {
                Ends::Now => store.close(0).await,
                Ends::Never => drop(store),
            }
            Run { generations: Generations::new(access, epoch, true, Arc::default()), epoch }
        }

        /// Notes each of these numbers as its own id, in one commit.
        async fn note(&mut self, run: &mut Run, numbers: impl Iterator<Item = i64>) {
            self.begin(run).await;
            self.connection.begin().await.unwrap();
            let known = run.generations.known();
            let mut tx = Tx::new(&mut self.connection, run.epoch);
            tx.notes = Notes::new(run.generations.access(), &known);
            note(&mut tx, numbers.map(|number| (key(number), number)));
            put(&mut tx).await.unwrap();
            tx.connection.plain("commit").await.unwrap();
            run.generations.committed(std::mem::take(&mut tx.notes));
        }

        /// Before its next commit.
        async fn begin(&mut self, run: &mut Run) {
            run.generations.begin(&mut self.connection).await.unwrap();
        }

        async fn step(&mut self, run: &mut Run) {
            run.generations.step(&mut self.connection, Pace::Idle).await.unwrap();
        }

        /// Two generations of numbers that lie among each other, and ten more in the log.
        async fn two_and_a_log(&mut self, run: &mut Run) {
            for generation in 0..2 {
                self.note(run, (0..MANY).map(|one| one * 2 + generation)).await;
            }
            self.begin(run).await;
            self.note(run, 2 * MANY..2 * MANY + 10).await;
        }

        /// Of these numbers, those that are found.
        async fn found(&mut self, run: &Run, numbers: std::ops::Range<i64>) -> usize {
            let known = run.generations.known();
            let mut tx = Tx::new(&mut self.connection, run.epoch);
            tx.notes = Notes::new(run.generations.access(), &known);
            let keys: Vec<String> = numbers.clone().map(key).collect();
            let found = last(&mut tx, &keys).await.unwrap();
            assert!(numbers.into_iter().all(|one| found.get(&key(one)).is_none_or(|id| *id == one)));
            found.len()
        }

        /// Nothing is to be found under these numbers any more; another process strikes them off.
        async fn strike(&mut self, numbers: impl Iterator<Item = i64>) {
            self.connection.begin().await.unwrap();
            let noted: Vec<Entry> = numbers.map(|number| (key(number), number)).collect();
            remove(&mut Tx::new(&mut self.connection, 0), &noted).await.unwrap();
            self.connection.plain("commit").await.unwrap();
        }

        /// The generations that this run has a filter for.
        fn known(&self, run: &Run) -> usize {
            run.generations.known().ask(&[]).known.len()
        }

        async fn count(&mut self, sql: &'static Sql) -> i64 {
            let all = r#"{ "all": 1 }"#.to_owned();
            self.connection.texts(sql, all).await.unwrap()[0].as_ref().unwrap().parse().unwrap()
        }

        async fn generations(&mut self) -> i64 {
            static COUNT: Sql = Sql::new("select cast(count(*) as text) from generation where {int all} = 1");
            self.count(&COUNT).await
        }

        /// Entries in all blocks.
        async fn entries(&mut self) -> i64 {
            static COUNT: Sql = Sql::new(
                "select cast(coalesce(sum(length(keys) - length(replace(keys, char(10), ''))), 0) as text) \
                 from key_block where {int all} = 1",
            );
            self.count(&COUNT).await
        }
    }

    /// Steps until four generations have become one, of which `of` tells the numbers.
    async fn steps(of: fn(i64, i64) -> i64) -> i64 {
        let mut desk = Desk::new().await;
        let mut run = desk.run(Access::Serve, Ends::Now).await;
        for generation in 0..4 {
            desk.note(&mut run, (0..MANY).map(|one| of(generation, one))).await;
        }
        desk.begin(&mut run).await;
        assert_eq!(desk.generations().await, 4);
        let (all, mut steps) = (4 * MANY, 0);
        while run.generations.unmerged() {
            desk.step(&mut run).await;
            steps += 1;
            if steps % 5 == 0 {
                let some = all / 7 * (steps % 7)..all / 7 * (steps % 7) + 500;
                assert_eq!(desk.found(&run, some).await, 500, "found also meanwhile");
            }
        }
        assert_eq!((desk.generations().await, desk.entries().await), (1, all), "none is lost");
        assert_eq!(desk.found(&run, 0..all).await, all as usize);
        steps
    }

    /// As many as copying takes, one more, and those that remove what is copied.
    const STEPS_WANTED: i64 =
        4 * MANY / KEYS_A_STEP as i64 + 1 + 4 * (MANY / (40 * BLOCKS_A_STEP as i64) + 1);

    #[tokio::test]
    async fn keys_that_came_in_order_are_merged_in_as_few_steps_as_others() {
        let steps = steps(|generation, one| generation * MANY + one).await;
        assert!(steps <= STEPS_WANTED, "{steps}");
    }

    #[tokio::test]
    async fn keys_that_came_in_no_order_are_merged_a_step_at_a_time() {
        let steps = steps(|generation, one| one * 4 + generation).await;
        assert!((4 * MANY / KEYS_A_STEP as i64..=STEPS_WANTED).contains(&steps), "{steps}");
    }

    #[tokio::test]
    async fn what_is_noted_twice_is_one_entry_when_it_is_merged() {
        let mut desk = Desk::new().await;
        let mut run = desk.run(Access::Beside, Ends::Never).await;
        for _ in 0..3 {
            desk.note(&mut run, 0..100).await;
        }
        assert_eq!(desk.entries().await, 300);
        while run.generations.unmerged() {
            desk.step(&mut run).await;
        }
        assert_eq!((desk.generations().await, desk.entries().await), (1, 100));
    }

    #[tokio::test]
    async fn a_run_finds_what_an_earlier_one_left_and_begins_its_merging_anew() {
        let mut desk = Desk::new().await;
        let mut first = desk.run(Access::Serve, Ends::Never).await;
        desk.two_and_a_log(&mut first).await;
        desk.step(&mut first).await;
        assert_eq!(desk.generations().await, 3, "cut short");

        let mut second = desk.run(Access::Serve, Ends::Now).await;
        desk.begin(&mut second).await;
        assert_eq!(desk.found(&second, 0..2 * MANY + 10).await, 40_010, "before they are merged");
        while second.generations.unmerged() {
            desk.step(&mut second).await;
        }
        assert_eq!(desk.found(&second, 0..2 * MANY + 10).await, 40_010);
        assert_eq!((desk.generations().await, desk.entries().await), (1, 40_010));
    }

    #[tokio::test]
    async fn a_run_has_the_filters_that_earlier_ones_and_commands_made() {
        let mut desk = Desk::new().await;
        let mut first = desk.run(Access::Serve, Ends::Now).await;
        for generation in 0..4 {
            desk.note(&mut first, (0..MANY).map(|one| one * 4 + generation)).await;
        }
        desk.begin(&mut first).await;
        while first.generations.unmerged() {
            desk.step(&mut first).await;
        }
        desk.note(&mut first, 4 * MANY..5 * MANY).await;
        desk.begin(&mut first).await;
        let mut command = desk.run(Access::Beside, Ends::Now).await;
        desk.note(&mut command, 5 * MANY..5 * MANY + 10).await;
        let mut second = desk.run(Access::Serve, Ends::Now).await;
        desk.begin(&mut second).await;
        assert_eq!((desk.generations().await, desk.known(&second)), (3, 3));
        assert_eq!(desk.found(&second, 0..5 * MANY + 10).await as i64, 5 * MANY + 10);
    }

    #[tokio::test]
    async fn a_generation_that_has_no_filter_is_copied_for_one() {
        static LOSE: Sql = Sql::new("delete from key_filter where {int all} = 1 returning cast(id as text)");
        let mut desk = Desk::new().await;
        let mut first = desk.run(Access::Serve, Ends::Now).await;
        desk.note(&mut first, 0..MANY).await;
        desk.begin(&mut first).await;
        desk.connection.texts(&LOSE, r#"{ "all": 1 }"#.to_owned()).await.unwrap();
        let mut second = desk.run(Access::Serve, Ends::Now).await;
        desk.begin(&mut second).await;
        assert_eq!((desk.known(&second), desk.found(&second, 0..MANY).await), (0, MANY as usize));
        while second.generations.unmerged() {
            desk.step(&mut second).await;
        }
        assert_eq!((desk.generations().await, desk.known(&second)), (1, 1));
        assert_eq!((desk.entries().await, desk.found(&second, 0..MANY).await), (MANY, MANY as usize));
    }

    #[tokio::test]
    async fn a_server_and_a_command_beside_it_find_what_the_other_notes() {
        let mut desk = Desk::new().await;
        let mut server = desk.run(Access::Serve, Ends::Never).await;
        desk.note(&mut server, 0..10).await;
        let mut command = desk.run(Access::Beside, Ends::Never).await;
        desk.note(&mut command, 10..20).await;
        desk.note(&mut server, 20..30).await;
        assert_eq!(desk.found(&server, 0..30).await, 30);
        assert_eq!(desk.found(&command, 0..30).await, 30);
    }

    #[tokio::test]
    async fn a_server_takes_over_what_servers_left_and_what_commands_make() {
        let mut desk = Desk::new().await;
        let mut before = desk.run(Access::Serve, Ends::Never).await;
        let mut command = desk.run(Access::Beside, Ends::Never).await;
        desk.note(&mut before, 0..10).await;
        for one in 0..5 {
            desk.note(&mut command, 10 + one * 2..12 + one * 2).await;
        }
        desk.step(&mut command).await;
        let mut server = desk.run(Access::Serve, Ends::Now).await;
        desk.begin(&mut server).await;
        desk.note(&mut command, 20..30).await;
        while server.generations.unmerged() {
            desk.step(&mut server).await;
        }
        assert!(server.generations.adopt(&mut desk.connection).await.unwrap());
        while server.generations.unmerged() {
            desk.step(&mut server).await;
        }
        while command.generations.unmerged() {
            desk.step(&mut command).await;
        }
        assert_eq!((desk.generations().await, desk.entries().await), (1, 30), "the command gives way");
        assert_eq!(desk.found(&server, 0..30).await, 30);
    }

    #[tokio::test]
    async fn what_is_struck_off_while_it_is_merged_stays_away() {
        let mut desk = Desk::new().await;
        let mut run = desk.run(Access::Serve, Ends::Never).await;
        desk.two_and_a_log(&mut run).await;
        let mut struck = 0;
        while run.generations.unmerged() {
            desk.step(&mut run).await;
            // Some that are copied already, some that are read, some that are to come, and one of the log.
            let some = (struck..2 * MANY).step_by(1_999).chain([2 * MANY + struck]);
            desk.strike(some).await;
            struck += 1;
        }
        desk.strike((0..0).chain([2 * MANY + 9])).await;
        let gone: usize = (0..struck).map(|first| (first..2 * MANY).step_by(1_999).count()).sum();
        assert_eq!(desk.entries().await, 2 * MANY - gone as i64);
        run.generations.unsure();
        desk.begin(&mut run).await;
        assert_eq!(desk.found(&run, 0..2 * MANY + 10).await, 40_010 - gone - struck as usize - 1);
    }

    #[tokio::test]
    async fn of_a_key_with_an_old_and_a_young_id_the_old_one_is_forgotten_alone() {
        let mut desk = Desk::new().await;
        let mut run = desk.run(Access::Serve, Ends::Never).await;
        desk.note(&mut run, 0..MANY).await;
        desk.begin(&mut run).await;
        let known = run.generations.known();
        let wanted = [key(7)];
        for noted in [Some(MANY), None] {
            desk.connection.begin().await.unwrap();
            let mut tx = Tx::new(&mut desk.connection, run.epoch);
            tx.notes = Notes::new(Access::Serve, &known);
            match noted {
                Some(id) => note(&mut tx, std::iter::once((key(7), id))),
                None => remove(&mut tx, &[(key(7), 7)]).await.unwrap(),
            }
            put(&mut tx).await.unwrap();
            tx.connection.plain("commit").await.unwrap();
            run.generations.committed(std::mem::take(&mut tx.notes));
            let mut tx = Tx::new(&mut desk.connection, run.epoch);
            tx.notes = Notes::new(Access::Serve, &known);
            assert_eq!(last(&mut tx, &wanted).await.unwrap()[&key(7)], MANY);
        }
        assert_eq!(desk.entries().await, MANY - 1);
    }

    #[tokio::test]
    async fn what_may_have_been_committed_is_found() {
        let mut desk = Desk::new().await;
        let mut run = desk.run(Access::Serve, Ends::Never).await;
        let mut twin = Run {
            generations: Generations::new(Access::Serve, run.epoch, true, Arc::default()),
            epoch: run.epoch,
        };
        desk.note(&mut run, 0..10).await;
        // A commit whose answer is lost.
        desk.note(&mut twin, 10..20).await;
        run.generations.unsure();
        desk.begin(&mut run).await;
        assert_eq!(desk.found(&run, 0..20).await, 20);
    }
}
