//! The one task that writes: natural group commit. It takes all that queued up while the last commit ran, merges it by
//! kind into a few statements, commits once, and has all answered when that is on disk.

use std::collections::HashSet;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::apply::apply;
use super::consent::SubjectKey;
use super::disk::{Disk, Meanwhile, Told};
use super::engine::{Connection, Engine, Repeats, Tx};
use super::error::{StoreError, commit_is_unknown, judge};
use super::fresh::Fresh;
use super::locator::{Generations, Notes, Pace};
use super::open::Opened;
use super::rows::{ChunkId, LeasedChunk};
use super::write::{Answer, Room, Write};
use crate::crash::{self, Point};

/// Rows that may wait to be accepted: some 6 MB. More would only wait longer; the caller is told to come again.
const INTAKE_ROWS: u32 = 20_000;
/// Rows of results that may wait, apart from the intake: refusing a result makes a duplicate, so they have their own
/// room, and who finds it full waits.
const RESULT_ROWS: u32 = 40_000;
/// A commit takes no more rows than this unless one write alone is larger: past it only latency grows.
const ROWS_A_COMMIT: u32 = 4_000;
/// While so many rows are put on disk the next commit is made. Of fewer, more come together if it waits: each commit has a
/// price of its own.
const ROWS_WORTH_GOING_ON: u32 = 300;
/// And no more writes than this.
const WRITES_A_COMMIT: usize = 1_024;
/// A transaction that has not ended by then never will; longer than Postgres' own statement timeout.
const DEADLINE: Duration = Duration::from_secs(60);
/// A new connection is tried at most this often.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// Connecting takes no longer than this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Conflicts between nodes (deadlock, serialization) are tried so often before the caller is told.
const CONFLICT_TRIES: usize = 3;
/// Idle for so long, the writer carries the WAL over, so that a busy commit need not.
const IDLE: Duration = Duration::from_millis(500);
/// Between two steps of what can wait: as long as a step takes, so that half of the core is left to others.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// Chunks handed out by `lease_chunks` and not yet through: what is leased to us beyond these has no owner.
#[derive(Debug, Clone, Default)]
struct Held(Arc<Mutex<HashSet<ChunkId>>>);

impl Held {
    fn with<T>(&self, look: impl FnOnce(&mut HashSet<ChunkId>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Leased chunks on their way to who asked. Should that one have gone, they have no owner again.
#[derive(Debug)]
pub(super) struct Handed {
    chunks: Vec<LeasedChunk>,
    held: Held,
}

impl Handed {
    /// They have arrived.
    pub(super) fn take(mut self) -> Vec<LeasedChunk> {
        std::mem::take(&mut self.chunks)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if !self.chunks.is_empty() {
            self.held.with(|held| self.chunks.iter().for_each(|chunk| _ = held.remove(&chunk.id)));
        }
    }
}

struct Command {
    write: Write,
    rows: u32,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
    room: OwnedSemaphorePermit,
}

/// An answer, and who waits for it. Until then the write keeps its room.
#[derive(Debug)]
struct Answered {
    answer: Result<Answer, StoreError>,
    to: oneshot::Sender<Result<Answer, StoreError>>,
    _room: OwnedSemaphorePermit,
}

impl Told for Answered {
    fn tell(self) {
        // whoever asked may have gone; what is written is written
        let _ = self.to.send(self.answer);
    }

    fn fail(self, error: StoreError) {
        let _ = self.to.send(self.answer.and(Err(error)));
    }
}

/// The way to the writer.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    commands: mpsc::UnboundedSender<Command>,
    intake: Arc<Semaphore>,
    results: Arc<Semaphore>,
}

impl Queue {
    /// Starts the writer.
    pub(super) fn start(
        engine: Engine,
        opened: Opened,
        generations: Generations,
        subjects: Option<SubjectKey>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (commands, queue) = mpsc::unbounded_channel();
        let Opened { writer: connection, lock, epoch } = opened;
        let writer = Writer {
            engine,
            disk: None,
            connection: Some(connection),
            epoch,
            subjects,
            held: Held::default(),
            generations,
            fresh: Fresh::default(),
            repeats: Repeats::default(),
            untidy: false,
            _lock: lock,
        };
        let task = match writer.connection {
            // It waits for the disk, and for nobody else: on a thread and a clock of its own, which outlive everybody who
            // still has something to write.
            Some(Connection::Sqlite(_)) => tokio::task::spawn_blocking(move || {
                match tokio::runtime::Builder::new_current_thread().enable_time().build() {
                    Ok(own) => own.block_on(writer.run(queue)),
                    Err(_) => tokio::runtime::Handle::current().block_on(writer.run(queue)),
                }
            }),
            _ => tokio::spawn(writer.run(queue)),
        };
        let intake = Arc::new(Semaphore::new(INTAKE_ROWS as usize));
        (Self { commands, intake, results: Arc::new(Semaphore::new(RESULT_ROWS as usize)) }, task)
    }

    /// Has something written, and waits for its commit.
    pub(super) async fn write(&self, write: Write) -> Result<Answer, StoreError> {
        self.write_then(write, || {}).await
    }

    /// The same; calls `queued` as soon as nothing that is queued from then on can come before it.
    pub(super) async fn write_then(&self, write: Write, queued: impl FnOnce()) -> Result<Answer, StoreError> {
        let rows = u32::try_from(write.rows().max(1)).unwrap_or(u32::MAX);
        let gone = || StoreError::Unreachable("the store is closed".to_owned());
        let room = match write.room() {
            // one write larger than the whole room waits for all of it
            Room::Intake => Arc::clone(&self.intake)
                .try_acquire_many_owned(rows.min(INTAKE_ROWS))
                .map_err(|_| StoreError::Busy)?,
            Room::Results => Arc::clone(&self.results)
                .acquire_many_owned(rows.min(RESULT_ROWS))
                .await
                .map_err(|_| gone())?,
        };
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command { write, rows, answer, room }).map_err(|_| gone())?;
        queued();
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// How one transaction ended.
enum End {
    Committed(Vec<Result<Answer, StoreError>>),
    /// Nothing is written, and the writes are the reason.
    Failed(StoreError),
    /// The connection is gone. Nothing is written, or (`Unknown`) all or nothing.
    Lost(StoreError),
}

struct Writer {
    engine: Engine,
    /// Where a commit does not wait for it itself.
    disk: Option<Disk<Answered>>,
    connection: Option<Connection>,
    epoch: i64,
    subjects: Option<SubjectKey>,
    held: Held,
    generations: Generations,
    fresh: Fresh,
    repeats: Repeats,
    /// Whether something was written since all was tidy.
    untidy: bool,
    _lock: Option<File>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Command>) {
        self.disk = match self.engine.file().map(Disk::of).transpose() {
            Ok(disk) => disk,
            Err(error) => {
                // Who waits is told that the store is closed.
                tracing::error!(%error, "there is no thread that puts commits on disk");
                return;
            }
        };
        let mut over: Option<Command> = None;
        loop {
            let first = match over.take() {
                Some(command) => Some(command),
                None => self.next(&mut queue).await,
            };
            let Some(first) = first else { break };
            let mut rows = first.rows;
            let mut batch = vec![first];
            while batch.len() < WRITES_A_COMMIT && !batch[0].write.is_alone() {
                match queue.try_recv() {
                    Ok(next) if rows.saturating_add(next.rows) <= ROWS_A_COMMIT && !next.write.is_alone() => {
                        rows += next.rows;
                        batch.push(next);
                    }
                    Ok(next) => {
                        over = Some(next);
                        break;
                    }
                    Err(_) => break,
                }
            }
            // what came after the end is told that the store is closed, when the queue is dropped
            let ended = batch.iter().any(|command| matches!(command.write, Write::Ended { .. }));
            self.commit(batch, rows).await;
            self.untidy = true;
            if ended {
                break;
            }
            for _ in 0..self.generations.overdue() {
                let done = match &mut self.connection {
                    Some(connection) => {
                        self.generations.step(connection, Pace::Busy).await.map(|()| Tidy::Untidy)
                    }
                    None => break,
                };
                self.tidied(done);
            }
        }
        self.disk.take().into_iter().for_each(Disk::end);
        if let Some(mut connection) = self.connection.take() {
            // What is not done here the next run does.
            let _ = self.generations.end(&mut connection).await;
            let _ = connection.close().await;
        }
    }

    /// The next command; until it comes, what can wait is done.
    async fn next(&mut self, queue: &mut mpsc::UnboundedReceiver<Command>) -> Option<Command> {
        let mut pause = IDLE;
        while self.untidy {
            match tokio::time::timeout(pause, queue.recv()).await {
                Ok(command) => return command,
                Err(_) => self.tidy().await,
            }
            pause = STEP_PAUSE;
        }
        queue.recv().await
    }

    /// Commits a batch and answers everyone in it.
    async fn commit(&mut self, batch: Vec<Command>, rows: u32) {
        let writes: Vec<&Write> = batch.iter().map(|command| &command.write).collect();
        let answers = match self.transaction(&writes).await {
            End::Committed(answers) => answers,
            End::Lost(error) => writes.iter().map(|_| Err(error.clone())).collect(),
            End::Failed(error) if writes.len() == 1 => vec![Err(error)],
            // one of them is bad: each alone, so that the others are not refused for it
            End::Failed(_) => {
                let mut answers = Vec::with_capacity(writes.len());
                for write in &writes {
                    answers.push(match self.transaction(&[write]).await {
                        End::Committed(mut alone) => alone.pop().unwrap_or(Ok(Answer::Done)),
                        End::Failed(error) | End::Lost(error) => Err(error),
                    });
                }
                answers
            }
        };
        let answered = batch.into_iter().zip(answers).map(|(command, answer)| self.answered(command, answer));
        let answered: Vec<Answered> = answered.collect();
        let meanwhile = if rows < ROWS_WORTH_GOING_ON { Meanwhile::Wait } else { Meanwhile::GoOn };
        match &self.disk {
            Some(disk) if answered.iter().any(|one| one.answer.is_ok()) => disk.tell(answered, meanwhile),
            _ => answered.into_iter().for_each(Told::tell),
        }
    }

    /// One's answer; keeps account of the chunks that are in somebody's hands.
    fn answered(&mut self, command: Command, answer: Result<Answer, StoreError>) -> Answered {
        let answer = match (command.write, answer) {
            (Write::Record(record), Ok(answer)) => {
                self.held.with(|held| record.done.iter().for_each(|chunk| _ = held.remove(chunk)));
                Ok(answer)
            }
            (Write::Accept(acceptance), Ok(answer)) => {
                self.fresh.accepted(acceptance);
                Ok(answer)
            }
            (Write::PlanStep(step), Ok(answer)) => {
                self.fresh.accepted(step.acceptance);
                Ok(answer)
            }
            (Write::Inbound(commits), Ok(answer)) => {
                commits.into_iter().for_each(|commit| self.fresh.accepted(commit.accept));
                Ok(answer)
            }
            (Write::Erase(_), answer) => {
                self.fresh.forget_messages();
                answer
            }
            (_, Ok(Answer::Leased(chunks))) => {
                self.held.with(|held| held.extend(chunks.iter().map(|chunk| chunk.id)));
                Ok(Answer::Handed(Handed { chunks, held: self.held.clone() }))
            }
            (_, answer) => answer,
        };
        Answered { answer, to: command.answer, _room: command.room }
    }

    /// One transaction, tried again where another node was in its way.
    async fn transaction(&mut self, writes: &[&Write]) -> End {
        let tries = if writes.iter().any(|write| write.is_alone()) { 1 } else { CONFLICT_TRIES };
        for _ in 1..tries {
            match self.once(writes).await {
                End::Failed(StoreError::Busy) => tokio::task::yield_now().await,
                end => return end,
            }
        }
        self.once(writes).await
    }

    async fn once(&mut self, writes: &[&Write]) -> End {
        let mut connection = match self.connected().await {
            Ok(connection) => connection,
            Err(error) => return End::Lost(error),
        };
        match self.generations.begin(&mut connection).await {
            Ok(()) => {}
            Err(StoreError::Busy) if connection.plain("rollback").await.is_ok() => {
                self.connection = Some(connection);
                return End::Failed(StoreError::Busy);
            }
            Err(error) => return End::Lost(error),
        }
        let mut committing = false;
        let held = self.held.with(|held| held.clone());
        let known = self.generations.known();
        let mut tx = Tx::new(&mut connection, self.epoch);
        tx.notes = Notes::new(self.generations.access(), &known);
        tx.subjects = self.subjects;
        tx.fresh = Some(&mut self.fresh);
        tx.repeats = self.repeats;
        let run = attempt(&mut tx, &held, writes, &mut committing);
        let end = match tokio::time::timeout(DEADLINE, run).await {
            Ok(end) => end,
            Err(_) if committing => End::Lost(StoreError::Unknown("no answer".to_owned())),
            Err(_) => End::Lost(StoreError::Unreachable("no answer".to_owned())),
        };
        self.repeats = match end {
            End::Lost(_) => Repeats::Perhaps,
            _ => tx.repeats,
        };
        match end {
            End::Committed(_) => self.generations.committed(std::mem::take(&mut tx.notes)),
            End::Lost(_) => self.generations.unsure(),
            End::Failed(_) => {}
        }
        if !matches!(end, End::Committed(_)) {
            self.fresh.forget_parts();
        }
        // a lost connection is dropped: what it still does ends with it
        if !matches!(end, End::Lost(_)) {
            self.connection = Some(connection);
        }
        end
    }

    async fn connected(&mut self) -> Result<Connection, StoreError> {
        let broken = self.disk.as_ref().filter(|disk| disk.is_broken());
        if let Some(connection) = self.connection.take().filter(|_| broken.is_none()) {
            return Ok(connection);
        }
        match tokio::time::timeout(CONNECT_TIMEOUT, self.engine.writer()).await {
            Ok(Ok(connection)) => match broken {
                None => Ok(connection),
                Some(disk) if connection.carry_all_over().is_ok_and(|carried| carried) => {
                    disk.mended();
                    // What was in doubt is now as the database has it.
                    self.generations.unsure();
                    self.fresh = Fresh::default();
                    self.repeats = Repeats::Perhaps;
                    Ok(connection)
                }
                Some(_) => {
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                    Err(StoreError::Unreachable("the disk does not take what is written".to_owned()))
                }
            },
            Ok(Err(error)) => {
                // those who wait are told now; the pause keeps a refusing server from being hammered
                tokio::time::sleep(RECONNECT_PAUSE).await;
                Err(match judge(&error) {
                    StoreError::Refused(reason) => StoreError::Unreachable(reason),
                    error => error,
                })
            }
            Err(_) => Err(StoreError::Unreachable("it does not answer".to_owned())),
        }
    }

    /// One step of what can wait: merging keys, and last carrying the write-ahead log over.
    async fn tidy(&mut self) {
        let Some(connection) = &mut self.connection else {
            self.untidy = false;
            return;
        };
        let done = if self.generations.unmerged() {
            self.generations.step(connection, Pace::Idle).await.map(|()| Tidy::Untidy)
        } else {
            match self.generations.adopt(connection).await {
                Ok(true) => Ok(Tidy::Untidy),
                Ok(false) => {
                    let done = connection.carry_over().await.map_err(|error| judge(&error));
                    done.map(|()| Tidy::Done)
                }
                Err(error) => Err(error),
            }
        };
        self.tidied(done);
    }

    fn tidied(&mut self, done: Result<Tidy, StoreError>) {
        match done {
            Ok(tidy) => self.untidy = tidy == Tidy::Untidy,
            Err(error) => {
                // nothing is lost but time; a connection in an unknown state is not used again
                tracing::warn!(%error, "tidying the database failed");
                self.untidy = false;
                self.connection = None;
            }
        }
    }
}

/// Whether there is more to tidy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tidy {
    Untidy,
    Done,
}

async fn attempt(tx: &mut Tx<'_>, held: &HashSet<ChunkId>, writes: &[&Write], committing: &mut bool) -> End {
    if let Err(error) = tx.connection.begin().await {
        return end(judge(&error));
    }
    match apply(tx, held, writes).await {
        Ok(answers) => {
            *committing = true;
            crash::point(Point::CommitBegins);
            match tx.connection.plain("commit").await {
                Ok(()) => {
                    crash::point(Point::CommitDone);
                    End::Committed(answers)
                }
                Err(error) if commit_is_unknown(&error) => End::Lost(StoreError::Unknown(error.to_string())),
                Err(error) => undo(tx.connection, judge(&error)).await,
            }
        }
        Err(error) => undo(tx.connection, error).await,
    }
}

async fn undo(connection: &mut Connection, error: StoreError) -> End {
    match connection.plain("rollback").await {
        Ok(()) => end(error),
        // SQLite rolls back by itself on a full disk and says so here; a fresh connection is right in any case
        Err(_) => End::Lost(error),
    }
}

fn end(error: StoreError) -> End {
    match error {
        StoreError::Unreachable(_) | StoreError::Unknown(_) => End::Lost(error),
        StoreError::Busy | StoreError::Refused(_) | StoreError::Corrupt(_) => End::Failed(error),
    }
}
