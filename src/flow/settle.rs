//! What becomes of what was handed to the binds: outcomes written in groups, retries put into new chunks, chunks closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::receipt::id_forms;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::backoff::scatter;
use crate::config::InDoubtPolicy;
use crate::flow::Flow;
use crate::flow::outbound::Lane;
use crate::message::{CampaignId, Class, MessageId, Outbound, OutcomeKind, Purpose};
use crate::rules::delivery::{Fate, Patience, fate, may_go_twice};
use crate::smpp::submission::{PartFate, PartTag, Settled, Submission};
use crate::store::{ChunkId, NewChunk, OutcomeRow, Record};

/// How long to leave the memory alone after it failed. What waits meanwhile is bounded by the windows and queues of
/// the binds, which take no more until it is settled.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// Settlements taken into one commit.
const BATCH: usize = 4_096;

/// A message that is settled without a bind.
pub struct Direct {
    chunk: ChunkId,
    message: MessageId,
    what: What,
}

enum What {
    Recorded,
    Outcome(OutcomeRow),
    Unsent(Handed),
}

impl Direct {
    /// Its outcome is in the database already.
    pub fn already_recorded(chunk: ChunkId, message: MessageId) -> Self {
        Self { chunk, message, what: What::Recorded }
    }

    /// We stop, and it was never handed to a bind: into a new chunk.
    pub fn unsent(chunk: ChunkId, message: &Outbound, attempt: i64) -> Self {
        let mut handed = Handed::new(chunk, message, attempt, 0);
        handed.end = End::NotWritten;
        Self { chunk, message: message.id, what: What::Unsent(handed) }
    }

    /// An outcome to record.
    pub fn new(chunk: ChunkId, message: MessageId, attempt: i64, kind: OutcomeKind, cause: &str) -> Self {
        let outcome = OutcomeRow { cause: Some(cause.to_owned()), ..outcome(message, attempt, 0, kind) };
        Self { chunk, message, what: What::Outcome(outcome) }
    }
}

/// An outcome row with nothing but its key.
pub(super) fn outcome(message: MessageId, attempt: i64, part: i64, kind: OutcomeKind) -> OutcomeRow {
    OutcomeRow {
        message,
        attempt,
        part,
        kind,
        bind: None,
        carrier: None,
        status: None,
        carrier_id: None,
        carrier_key: None,
        cause: None,
        at_ms: 0,
    }
}

/// What a lane has handed out and not settled yet. Bounded by the chunks leased and the room of the binds.
#[derive(Default)]
pub struct Open {
    chunks: HashMap<ChunkId, usize>,
    messages: HashMap<MessageId, Handed>,
}

struct Handed {
    chunk: ChunkId,
    purpose: Purpose,
    class: Class,
    campaign: Option<CampaignId>,
    attempt: i64,
    parts_left: usize,
    end: End,
}

impl Handed {
    fn new(chunk: ChunkId, message: &Outbound, attempt: i64, parts_left: usize) -> Self {
        let (purpose, campaign) = (message.purpose, message.campaign.clone());
        Self { chunk, purpose, class: purpose.class(), campaign, attempt, parts_left, end: End::Sent }
    }
}

/// The end a message comes to, the worst of its parts last: a refused part decides over one that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Sent,
    NotWritten,
    Again(Duration),
    Unanswered,
    Shut,
    GaveUp,
    Rejected,
}

impl Open {
    /// A chunk was leased; so many of its messages are to be settled.
    pub fn begin(&mut self, chunk: ChunkId, messages: usize) {
        self.chunks.insert(chunk, messages);
    }

    /// A message's parts go to a bind.
    pub fn expect(&mut self, chunk: ChunkId, message: &Outbound, attempt: i64, parts: usize) {
        self.messages.insert(message.id, Handed::new(chunk, message, attempt, parts));
    }

    fn part(&mut self, message: MessageId, end: End) -> Option<Handed> {
        let handed = self.messages.get_mut(&message)?;
        handed.end = handed.end.max(end);
        handed.parts_left = handed.parts_left.saturating_sub(1);
        if handed.parts_left == 0 { self.messages.remove(&message) } else { None }
    }

    fn settled(&mut self, chunk: ChunkId) -> Option<ChunkId> {
        let left = self.chunks.get_mut(&chunk)?;
        *left = left.saturating_sub(1);
        if *left > 0 {
            return None;
        }
        self.chunks.remove(&chunk);
        Some(chunk)
    }
}

/// Settles a lane's messages until its binds have ended. The lane's feeder has to have stopped before them.
pub async fn settle(
    flow: Arc<Flow>,
    lane: Arc<Lane>,
    mut settled: mpsc::UnboundedReceiver<Vec<Settled>>,
    mut direct: mpsc::UnboundedReceiver<Vec<Direct>>,
) {
    loop {
        let (parts, messages) = tokio::select! {
            parts = settled.recv() => (parts, None),
            Some(messages) = direct.recv() => (Some(Vec::new()), Some(messages)),
        };
        let last = parts.is_none();
        // After the wait: outcomes bear the time they came, not the time we began to wait for them.
        let mut batch = Batch::new(&flow, &lane);
        parts.into_iter().flatten().for_each(|part| batch.part(part));
        messages.into_iter().flatten().for_each(|message| batch.direct(message));
        // Everything that came while the last commit ran goes into this one.
        while batch.size < BATCH {
            if let Ok(parts) = settled.try_recv() {
                parts.into_iter().for_each(|part| batch.part(part));
            } else if let Ok(messages) = direct.try_recv() {
                messages.into_iter().for_each(|message| batch.direct(message));
            } else {
                break;
            }
        }
        let (record, resend) = batch.finish();
        for submission in resend {
            let bind = lane.roomiest().map(|(bind, _)| Arc::clone(bind));
            if let Some(bind) = bind.or_else(|| lane.binds.first().map(Arc::clone)) {
                let _ = bind.submit(vec![submission]);
            }
        }
        let wakes = !record.retry.is_empty();
        while !record.is_empty()
            && let Err(error) = flow.record(record.clone()).await
        {
            warn!(lane = %lane.name, "outcomes wait to be written: {error}");
            sleep(STORE_PAUSE).await;
        }
        if !record.outcomes.is_empty() {
            debug!(lane = %lane.name, outcomes = record.outcomes.len(), "outcomes are on disk");
        }
        if wakes {
            flow.wake(&lane.name);
        }
        if last {
            return;
        }
    }
}

/// One commit's worth of settlements.
struct Batch<'a> {
    flow: &'a Flow,
    lane: &'a Lane,
    now_ms: i64,
    patience: Patience,
    in_doubt: InDoubtPolicy,
    record: Record,
    again: Vec<(Handed, MessageId, Duration)>,
    resend: Vec<Submission>,
    size: usize,
}

impl<'a> Batch<'a> {
    fn new(flow: &'a Flow, lane: &'a Lane) -> Self {
        let config = flow.config();
        let carrier = config.carrier(&lane.name);
        Self {
            now_ms: flow.clock.now_ms(),
            patience: carrier.map(crate::config::Carrier::patience).unwrap_or_default(),
            in_doubt: carrier.map_or(InDoubtPolicy::Resend, |carrier| carrier.in_doubt),
            flow,
            lane,
            record: Record::default(),
            again: Vec::new(),
            resend: Vec::new(),
            size: 0,
        }
    }

    fn direct(&mut self, direct: Direct) {
        self.size += 1;
        match direct.what {
            What::Recorded => self.flow.metrics.suppressed.one(),
            What::Outcome(mut outcome) => {
                outcome.at_ms = self.now_ms;
                self.record.outcomes.push(outcome);
            }
            What::Unsent(handed) => self.again.push((handed, direct.message, Duration::ZERO)),
        }
        self.record.done.extend(self.lane.open().settled(direct.chunk));
    }

    fn part(&mut self, settled: Settled) {
        self.size += 1;
        let tag = settled.tag;
        let end = self.judge(tag, &settled.bind, settled.fate);
        if let (End::NotWritten, Some(submission)) = (end, settled.unsent)
            && self.lane.roomiest().is_some()
        {
            // Another bind of the lane takes it: its pass still holds, so the gate has the last word.
            self.resend.push(*submission);
            return;
        }
        let handed = self.lane.open().part(tag.message, end);
        if let Some(handed) = handed {
            self.message(tag.message, handed);
        }
    }

    /// Turns a part's fate into its outcome row and its say in the message's end.
    fn judge(&mut self, tag: PartTag, bind: &str, part: PartFate) -> End {
        let metrics = &self.flow.metrics;
        match part {
            PartFate::NotWritten => End::NotWritten,
            PartFate::Shut => {
                self.outcome(tag, bind, OutcomeKind::Suppressed, None, Some("stopped while in the queue"));
                End::Shut
            }
            PartFate::Unanswered => {
                self.outcome(tag, bind, OutcomeKind::InDoubt, None, Some("no answer to submit_sm"));
                metrics.in_doubt.one();
                End::Unanswered
            }
            PartFate::Answered { status, carrier_id } => {
                let dice = scatter(tag.message.0.cast_unsigned() ^ tag.attempt.cast_unsigned());
                match fate(status, tag.attempt, self.patience, dice) {
                    Fate::Sent => {
                        metrics.sent_parts.one();
                        self.sent(tag, bind, carrier_id);
                        End::Sent
                    }
                    Fate::Rejected => {
                        self.outcome(tag, bind, OutcomeKind::Rejected, Some(status.0), None);
                        End::Rejected
                    }
                    Fate::GaveUp => {
                        self.outcome(tag, bind, OutcomeKind::GaveUp, Some(status.0), None);
                        End::GaveUp
                    }
                    Fate::Again(wait) => {
                        self.outcome(tag, bind, OutcomeKind::Retry, Some(status.0), None);
                        End::Again(wait)
                    }
                    Fate::Slower => End::NotWritten,
                }
            }
        }
    }

    fn sent(&mut self, tag: PartTag, bind: &str, carrier_id: Option<String>) {
        let mut row = outcome(tag.message, tag.attempt, tag.part, OutcomeKind::Sent);
        row.carrier = Some(self.lane.name.clone());
        row.bind = Some(bind.to_owned());
        row.at_ms = self.now_ms;
        row.status = Some(0);
        row.carrier_key = carrier_id.as_ref().map(|id| id_forms(id.as_bytes()).key().to_owned());
        row.carrier_id = carrier_id;
        self.record.outcomes.push(row);
    }

    fn outcome(
        &mut self,
        tag: PartTag,
        bind: &str,
        kind: OutcomeKind,
        status: Option<u32>,
        cause: Option<&str>,
    ) {
        let mut row = outcome(tag.message, tag.attempt, tag.part, kind);
        row.carrier = Some(self.lane.name.clone());
        row.bind = Some(bind.to_owned());
        row.at_ms = self.now_ms;
        row.status = status;
        row.cause = cause.map(str::to_owned);
        self.record.outcomes.push(row);
    }

    /// A message's last part is settled.
    fn message(&mut self, message: MessageId, handed: Handed) {
        let metrics = &self.flow.metrics;
        let chunk = handed.chunk;
        match handed.end {
            End::Sent => metrics.sent.one(),
            End::Rejected | End::GaveUp => metrics.rejected.one(),
            End::Shut => metrics.suppressed.one(),
            End::Again(wait) => {
                metrics.retried.one();
                self.again.push((handed, message, wait));
            }
            End::NotWritten => self.again.push((handed, message, Duration::ZERO)),
            End::Unanswered => {
                if self.in_doubt == InDoubtPolicy::Resend && may_go_twice(handed.purpose) {
                    let mut row = outcome(message, handed.attempt, 0, OutcomeKind::Retry);
                    row.at_ms = self.now_ms;
                    row.cause = Some("in doubt, sent again by policy".to_owned());
                    self.record.outcomes.push(row);
                    self.again.push((handed, message, Duration::ZERO));
                }
            }
        }
        self.record.done.extend(self.lane.open().settled(chunk));
    }

    fn finish(mut self) -> (Record, Vec<Submission>) {
        for (handed, message, wait) in std::mem::take(&mut self.again) {
            let not_before_ms = self.now_ms + i64::try_from(wait.as_millis()).unwrap_or_default();
            let attempt = handed.attempt + 1;
            let open = self.record.retry.iter_mut().find(|chunk: &&mut NewChunk| {
                chunk.class == handed.class
                    && chunk.campaign == handed.campaign
                    && chunk.attempt == attempt
                    && chunk.not_before_ms == not_before_ms
                    && chunk.carries_on == Some(handed.chunk)
                    && chunk.members.len() < crate::flow::accept::CHUNK_MESSAGES
            });
            match open {
                Some(chunk) => chunk.members.push(message),
                None => self.record.retry.push(NewChunk {
                    id: ChunkId(self.flow.ids.next(self.now_ms).0),
                    lane: self.lane.name.clone(),
                    class: handed.class,
                    campaign: handed.campaign,
                    not_before_ms,
                    attempt,
                    members: vec![message],
                    carries_on: Some(handed.chunk),
                }),
            }
        }
        (self.record, self.resend)
    }
}
