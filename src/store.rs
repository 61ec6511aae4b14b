//! The memory: SQLite (embedded, the default) or Postgres. It keeps and finds, and decides nothing.
//!
//! One task writes, with natural group commit; readers have connections of their own. Every write is idempotent by its
//! key, so that a commit whose end is unknown is simply repeated. Nothing is answered before it is on disk.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

mod accept;
mod accounts;
mod analysis;
mod apply;
mod arrivals;
mod audience;
mod consent;
mod contexts;
mod days;
mod desk;
mod disk;
mod engine;
mod erase;
mod error;
mod events;
mod fresh;
mod history;
mod inbound;
mod insert;
mod locator;
mod open;
mod outcomes;
#[cfg(test)]
mod plans;
mod pulse;
mod queue;
mod results;
mod retention;
mod rows;
mod sent;
mod sql;
mod sqlite;
mod views;
mod write;
mod writer;

pub use accept::CHUNK_MESSAGES;
pub use accounts::{DAY_MS, OwedReceipt, RequestKey};
pub use analysis::{Dimension, Narrow, OutcomeCount, Reply, ValueCount};
pub use arrivals::{
    AnswerRow, ConversationChange, Earlier, InboundCommit, InboundRow, LastText, PartRow, PartsKey,
    RecentInbound, ReplyContext,
};
pub use audience::{Audience, AudienceGroup, AudienceRow, PlanState, PlanStep};
pub use consent::{
    Asks, Channel, ConsentChange, ConsentKind, ConsentPack, Evidence, Fault, Head, ListProgress, ListRow,
    OptedOut, Pending, Proof, Standing, SubjectKey, Verified,
};
pub use desk::{ConversationWork, TagWork};
pub use erase::Erased;
pub use error::{OpenError, StoreError};
pub use pulse::{AskKind, AskRow, PulseRow};
pub use retention::Forgotten;
pub use rows::{
    Acceptance, Answered, CallbackRow, Campaign, CampaignProgress, CampaignState, Check, ChunkId, Claimed,
    DueInvitation, EventRow, Interrupted, Invitation, InvitationChange, InvitationStanding, LeasedChunk,
    LineDue, Marked, NamedPart, NewChunk, OutcomeRow, ReceiptFate, ReceiptRow, Record, SliceMark, TurnCommit,
    Word,
};
pub use sent::{HeldPart, UnansweredPart};
pub use views::{
    AnswerCount, Census, Conversation, ConversationFilter, ConversationState, InDoubt, Life, LifeEntry,
    NumberLife, NumberedEvent, QueueDepth, ReplyFilter, ReplyRow, Results, StateCount, ThreadItem,
};

pub use crate::message::InvitationState;

use crate::message::{CampaignId, MessageId, Msisdn, Partitions};
use crate::rules::machines::dispatcher::Line;
use engine::Readers;
use locator::Generations;
use write::{Answer, Write};
use writer::Queue;

/// Overdue parts looked at in one go.
const OVERDUE_PARTS: i64 = 1_000;

/// Where the memory is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file, with two more beside it while it is in use.
    Sqlite(PathBuf),
    /// An address, as libpq writes them: `postgres://user:password@host/database`.
    Postgres(String),
}

impl fmt::Display for Location {
    /// The file, or the address without who and how.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "{}", file.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
                write!(f, "the Postgres database {}", rest.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// What the store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// To serve: creates and migrates where needed, and takes a new epoch. One at a time on a SQLite file.
    #[default]
    Serve,
    /// To put work in, beside a server or without one: as to serve, but it leases nothing and keeps nobody out.
    Beside,
    /// To look, beside a server or without one: changes nothing, not even the schema.
    Look,
}

/// How to open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Now, milliseconds since the epoch.
    pub now_ms: i64,
    /// Which node this is, 0..=1023, as in message ids. What an earlier run of the same node left is taken over at
    /// once, what another node left when its lease has run out.
    pub node: u16,
    /// What for.
    pub access: Access,
    /// The key under which the opt-outs of erased numbers are known.
    pub subjects: Option<SubjectKey>,
    /// Whether a server gives each day tables of its own. A database that has them keeps them; SQLite has none.
    pub partitions: Partitions,
}

/// The memory. Cheap to clone; all clones share one writer.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    readers: Readers,
    writer: Option<(Queue, tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>)>,
    epoch: i64,
    subjects: Option<SubjectKey>,
}

impl Store {
    /// Opens the memory. Foreign, newer, unreachable and locked databases are told apart, and left untouched.
    pub async fn open(location: &Location, options: Options) -> Result<Self, OpenError> {
        let inner = match options.access {
            Access::Serve | Access::Beside => {
                let (engine, opened) = open::serve(location, &options).await?;
                let (readers, epoch) = (engine.readers(), opened.epoch);
                let alone = matches!(location, Location::Sqlite(_));
                let generations = Generations::new(options.access, epoch, alone, Arc::clone(&readers.known));
                let (queue, task) = Queue::start(engine, opened, generations, options.subjects);
                let writer = Some((queue, tokio::sync::Mutex::new(Some(task))));
                Inner { readers, writer, epoch, subjects: options.subjects }
            }
            Access::Look => Inner {
                readers: open::look(location).await?.readers(),
                writer: None,
                epoch: 0,
                subjects: options.subjects,
            },
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Which run this is; 0 when it only looks.
    pub fn epoch(&self) -> i64 {
        self.inner.epoch
    }

    /// Writes what is queued, and lets go of the database. Clones are refused from then on.
    pub async fn close(self, now_ms: i64) {
        if let Some((queue, task)) = &self.inner.writer {
            let _ = queue.write(Write::Ended { at_ms: now_ms }).await;
            if let Some(task) = task.lock().await.take() {
                let _ = task.await;
            }
        }
        self.inner.readers.close().await;
    }

    async fn write(&self, write: Write) -> Result<Answer, StoreError> {
        match &self.inner.writer {
            Some((queue, _)) => queue.write(write).await,
            None => Err(only_looking()),
        }
    }

    async fn done(&self, write: Write) -> Result<(), StoreError> {
        self.write(write).await.map(drop)
    }

    /// Puts messages and all that goes with them down: all or nothing. [`StoreError::Busy`] when too much waits already.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<(), StoreError> {
        self.done(Write::Accept(acceptance)).await
    }

    /// Creates a campaign. The same again changes nothing; another one under the same name is refused.
    pub async fn create_campaign(&self, campaign: Campaign) -> Result<(), StoreError> {
        self.done(Write::Campaign(campaign)).await
    }

    /// Sets how a campaign stands; an unknown one is refused. A paused one's queue is held, a running one's goes on, a
    /// cancelled one's ends with the cause `cancelled`; what is in a lane's hands goes out.
    pub async fn set_campaign_state(
        &self,
        id: &CampaignId,
        state: CampaignState,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        self.done(Write::CampaignState { id: id.clone(), state, at_ms }).await
    }

    /// Puts a piece of a campaign's contact file down: all or nothing. [`StoreError::Busy`] when too much waits already.
    pub async fn put_audience(&self, audience: Audience) -> Result<(), StoreError> {
        self.done(Write::Audience(audience)).await
    }

    /// Makes people of an audience messages, and moves the plan on. Refused where the campaign does not run, or where
    /// this step was made already.
    pub async fn plan_step(&self, step: PlanStep) -> Result<(), StoreError> {
        self.done(Write::PlanStep(Box::new(step))).await
    }

    /// The groups of a campaign's audience.
    pub async fn audience_groups(&self, campaign: &CampaignId) -> Result<Vec<AudienceGroup>, StoreError> {
        audience::groups(&self.inner.readers, campaign).await
    }

    /// The next people of a group, from this place on.
    pub async fn audience_rows(
        &self,
        group: i64,
        from: i64,
        limit: usize,
    ) -> Result<Vec<AudienceRow>, StoreError> {
        audience::rows(&self.inner.readers, group, from, limit).await
    }

    /// How far a campaign's plan is.
    pub async fn plan_state(&self, campaign: &CampaignId) -> Result<PlanState, StoreError> {
        audience::plan(&self.inner.readers, campaign).await
    }

    /// Messages of a campaign that are queued or in a lane's hands.
    pub async fn campaign_queued(&self, campaign: &CampaignId) -> Result<i64, StoreError> {
        audience::queued(&self.inner.readers, campaign).await
    }

    /// Notes opt-outs and opt-ins that did not come with a message.
    pub async fn consent(&self, changes: Vec<ConsentChange>) -> Result<(), StoreError> {
        self.done(Write::Consent(changes)).await
    }

    /// The lines of a lane that wait, due or not yet, each with the time its first chunk is due.
    pub async fn lines(&self, lane: &str) -> Result<Vec<LineDue>, StoreError> {
        queue::lines(&self.inner.readers, lane).await
    }

    /// Leases the chunks of a line that have been due longest, in that order: one, and more while those before hold fewer
    /// messages than asked for. None when nothing of it is due. A lease whose answer was lost turns up in
    /// [`Self::interrupted`].
    pub async fn lease_chunks(
        &self,
        lane: &str,
        line: &Line,
        messages: usize,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Vec<LeasedChunk>, StoreError> {
        let (lane, line) = (lane.to_owned(), queue::line_key(line));
        match self.write(Write::Lease(queue::Lease { lane, line, messages, now_ms, lease_ms })).await? {
            Answer::Handed(handed) => Ok(handed.take()),
            _ => Err(mixed_up()),
        }
    }

    /// Moves the watermarks of a slice's chunks, all in one commit, BEFORE anything of it is written to a socket; tells what
    /// must not be sent of it.
    pub async fn mark_slice(&self, marks: Vec<SliceMark>) -> Result<Marked, StoreError> {
        match self.write(Write::Slice(marks)).await? {
            Answer::Marked(marked) => Ok(marked),
            _ => Err(mixed_up()),
        }
    }

    /// Records what came of messages; outcomes of an epoch long over are recorded too, since a response is a fact.
    /// Waits when much is queued, and is never refused for it. Gives the receipts that had come earlier than what they
    /// tell of; those of several records in one commit are told to one of them.
    pub async fn record(&self, record: impl Into<Arc<Record>>) -> Result<Vec<Claimed>, StoreError> {
        self.record_then(record.into(), || {}).await
    }

    /// As [`Self::record`]; calls `queued` as soon as no receipt stored from then on can come before it.
    ///
    /// # Errors
    /// As there.
    pub async fn record_then(
        &self,
        record: Arc<Record>,
        queued: impl FnOnce(),
    ) -> Result<Vec<Claimed>, StoreError> {
        match &self.inner.writer {
            Some((queue, _)) => claimed(queue.write_then(Write::Record(record), queued).await?),
            None => Err(only_looking()),
        }
    }

    /// Stores receipts; tells what became of each, in their order. Repeating it tells the same.
    pub async fn receipts(
        &self,
        receipts: impl Into<Arc<[ReceiptRow]>>,
    ) -> Result<Vec<ReceiptFate>, StoreError> {
        match self.write(Write::Receipts(receipts.into())).await? {
            Answer::Fates(fates) => Ok(fates),
            _ => Err(mixed_up()),
        }
    }

    /// Takes over the chunks nobody alive holds, and tells of each what is in doubt. At most some dozens at once: settle
    /// them with [`Self::record`] and ask again until there are none. What is not settled is told again.
    pub async fn interrupted(&self, now_ms: i64, lease_ms: i64) -> Result<Vec<Interrupted>, StoreError> {
        match self.write(Write::Interrupted { now_ms, lease_ms }).await? {
            Answer::Interrupted(chunks) => Ok(chunks),
            _ => Err(mixed_up()),
        }
    }

    /// Commits messages from handsets with everything they bring about, in one transaction; each exactly once, however
    /// often it is repeated.
    pub async fn commit_inbound(&self, commits: Vec<InboundCommit>) -> Result<(), StoreError> {
        self.done(Write::Inbound(commits)).await
    }

    /// Keeps a part of a long message; gives all parts in order once none is missing.
    pub async fn put_part(&self, part: PartRow) -> Result<Option<Vec<PartRow>>, StoreError> {
        match self.write(Write::Part(part)).await? {
            Answer::Parts(parts) => Ok(parts),
            _ => Err(mixed_up()),
        }
    }

    /// The parts there are of one long message that is not dealt with yet, in order.
    pub async fn parts_of(&self, key: &PartsKey) -> Result<Vec<PartRow>, StoreError> {
        self.inner.readers.list(&inbound::PARTS, key).await
    }

    /// The parts of messages whose first part came before this time and which are not complete, message by message.
    pub async fn parts_overdue(&self, before_ms: i64) -> Result<Vec<Vec<PartRow>>, StoreError> {
        let argument = serde_json::json!({ "before_ms": before_ms, "limit": OVERDUE_PARTS });
        let parts: Vec<PartRow> = self.inner.readers.list(&inbound::OVERDUE, &argument).await?;
        Ok(parts.chunk_by(|one, next| one.key == next.key).map(<[PartRow]>::to_vec).collect())
    }

    /// What is known about each (code, handset), in their order.
    pub async fn reply_contexts(&self, asked: &[(String, Msisdn)]) -> Result<Vec<ReplyContext>, StoreError> {
        contexts::contexts(self, asked).await
    }

    /// By which carrier account each of these handsets wrote last, by code and handset.
    pub async fn lanes_written_by(
        &self,
        numbers: &[Msisdn],
    ) -> Result<HashMap<(String, Msisdn), String>, StoreError> {
        contexts::lanes(&self.inner.readers, numbers).await
    }

    /// The questions open to these handsets, and the surveys that wait, on any code: another one must wait, or use
    /// another code.
    pub async fn open_questions(&self, numbers: &[Msisdn]) -> Result<Vec<Invitation>, StoreError> {
        contexts::open(&self.inner.readers, numbers).await
    }

    /// Invitations that are due, the longest overdue first, at most so many.
    pub async fn due_invitations(&self, now_ms: i64, limit: i64) -> Result<Vec<DueInvitation>, StoreError> {
        contexts::due(&self.inner.readers, now_ms, limit).await
    }

    /// Commits what time did to invitations, each only if it is still as it was read; gives those that were.
    pub async fn commit_turns(&self, turns: Vec<TurnCommit>) -> Result<Vec<MessageId>, StoreError> {
        match self.write(Write::Turns(turns)).await? {
            Answer::Turned(changed) => Ok(changed),
            _ => Err(mixed_up()),
        }
    }

    /// Calls that were booked and not made yet, the next one first, at most so many.
    pub async fn callbacks_due(&self, limit: i64) -> Result<Vec<CallbackRow>, StoreError> {
        let argument = serde_json::json!({ "limit": limit });
        self.inner.readers.list(&inbound::CALLBACKS_DUE, &argument).await
    }

    /// Notes that a handset was called; gives how many calls that were due are not any more.
    pub async fn called(&self, number: Msisdn, code: Option<&str>) -> Result<u64, StoreError> {
        match self.write(Write::Called { number, code: code.map(ToOwned::to_owned) }).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(mixed_up()),
        }
    }

    /// The opt-outs in force of these handsets: number and scope.
    pub async fn optouts(&self, numbers: &[Msisdn]) -> Result<Vec<(Msisdn, String)>, StoreError> {
        contexts::optouts(self, numbers).await
    }

    /// When the next chunk of a lane may be leased; none when nothing waits.
    pub async fn next_due(&self, lane: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.lines(lane).await?.into_iter().map(|line| line.due_ms).min())
    }

    /// What is not through on a lane, class by class.
    pub async fn queue_depth(&self, lane: &str) -> Result<Vec<QueueDepth>, StoreError> {
        #[derive(serde::Deserialize)]
        struct Columns {
            class: i64,
            chunks: i64,
            messages: i64,
            next_ms: i64,
        }
        let argument = serde_json::json!({ "lane": lane });
        let rows: Vec<Columns> = self.inner.readers.rows(&queue::DEPTH, &argument).await?;
        rows.into_iter()
            .map(|row| {
                let class = queue::class(row.class)?;
                Ok(QueueDepth { class, chunks: row.chunks, messages: row.messages, next_ms: row.next_ms })
            })
            .collect()
    }

    /// What was answered to a request of this account under this key, if it is remembered.
    pub async fn request(&self, account: &str, key: &str) -> Result<Option<RequestKey>, StoreError> {
        accounts::request(&self.inner.readers, account, key).await
    }

    /// Messages accepted from each account on the day (UTC) of this time.
    pub async fn messages_on_day(&self, now_ms: i64) -> Result<Vec<(String, u64)>, StoreError> {
        accounts::counted(&self.inner.readers, now_ms).await
    }

    /// The oldest receipts an account has not been told, after this one.
    pub async fn owed(
        &self,
        account: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OwedReceipt>, StoreError> {
        accounts::owed(&self.inner.readers, account, after, limit).await
    }

    /// Notes that an account was told these receipts.
    pub async fn told(&self, receipts: Vec<i64>, at_ms: i64) -> Result<(), StoreError> {
        self.done(Write::Told { receipts, at_ms }).await
    }

    /// Forgets a little of what accounts need no more: keys after a day, receipts after three. Gives how many rows went.
    pub async fn sweep_accounts(&self, now_ms: i64) -> Result<u64, StoreError> {
        match self.write(Write::SweepAccounts { now_ms }).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(mixed_up()),
        }
    }

    /// A campaign by its name.
    pub async fn campaign(&self, id: &CampaignId) -> Result<Option<Campaign>, StoreError> {
        let argument = serde_json::json!({ "id": id });
        let rows: Vec<accept::CampaignColumns> =
            self.inner.readers.rows(&accept::CAMPAIGNS, &argument).await?;
        rows.into_iter().next().map(Campaign::try_from).transpose()
    }

    /// All campaigns, oldest first.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let argument = serde_json::json!({});
        let rows: Vec<accept::CampaignColumns> =
            self.inner.readers.rows(&accept::CAMPAIGNS, &argument).await?;
        rows.into_iter().map(Campaign::try_from).collect()
    }

    /// The life of a message, or none where there is no such message.
    pub async fn why(&self, message: MessageId) -> Result<Option<Life>, StoreError> {
        history::life(&self.inner.readers, message).await
    }

    /// What is known about a number.
    pub async fn why_number(&self, number: Msisdn) -> Result<NumberLife, StoreError> {
        history::number(self, number).await
    }

    /// What a campaign came to.
    pub async fn results(&self, campaign: &CampaignId) -> Result<Results, StoreError> {
        results::results(&self.inner.readers, campaign).await
    }

    /// Replies, newest first.
    pub async fn replies(&self, filter: &ReplyFilter) -> Result<Vec<ReplyRow>, StoreError> {
        results::replies(&self.inner.readers, filter).await
    }

    /// The whole, counted: a full pass over all messages.
    pub async fn census(&self) -> Result<Census, StoreError> {
        results::census(&self.inner.readers).await
    }

    /// The messages that were ever in doubt, newest first.
    pub async fn in_doubt(&self) -> Result<Vec<InDoubt>, StoreError> {
        results::in_doubt(&self.inner.readers).await
    }
}

fn claimed(answer: Answer) -> Result<Vec<Claimed>, StoreError> {
    match answer {
        Answer::Claimed(claimed) => Ok(claimed),
        _ => Err(mixed_up()),
    }
}

fn only_looking() -> StoreError {
    StoreError::Refused("it was opened for looking only".to_owned())
}

fn mixed_up() -> StoreError {
    StoreError::Corrupt("the writer answered another question".to_owned())
}
