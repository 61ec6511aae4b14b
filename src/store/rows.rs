//! The rows callers hand to the store and get back from it, as plain values.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounts::RequestKey;
use crate::message::{
    CampaignId, Class, InvitationState, MessageId, Msisdn, Outbound, OutcomeKind, Purpose, Scope, Sender,
};
use crate::rules::machines::correlator::TakenPart;
use crate::rules::machines::dispatcher::Line;

/// A chunk's id, from the same source as message ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkId(pub i64);

/// Everything one acceptance puts down at once: all of it or nothing. Keys: the ids; repeating it changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// New messages.
    pub messages: Vec<Outbound>,
    /// The work lists they are sent from.
    pub chunks: Vec<NewChunk>,
    /// The questions some of them ask.
    pub invitations: Vec<Invitation>,
    /// How far the campaign's contact file has been read with this.
    pub progress: Option<CampaignProgress>,
    /// What else is to be remembered.
    pub events: Vec<EventRow>,
    /// The key that makes it happen once: where another request has it, all of this is refused.
    pub key: Option<RequestKey>,
}

/// A work list: up to some hundred messages of one lane, class and campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChunk {
    /// Made by the caller, so that repeating the write changes nothing.
    pub id: ChunkId,
    /// Carrier account.
    pub lane: String,
    /// How urgent.
    pub class: Class,
    /// Campaign, if any.
    pub campaign: Option<CampaignId>,
    /// Not to be leased before this, milliseconds since the epoch.
    pub not_before_ms: i64,
    /// 0 for the first try; a retry has one more than what it repeats.
    pub attempt: i64,
    /// The messages, in sending order.
    pub members: Vec<MessageId>,
    /// The leased chunk this one carries on. Such a chunk is put down only while that lease is still ours, so that
    /// an owner that was replaced cannot queue what its successor queues too.
    pub carries_on: Option<ChunkId>,
}

/// A line of a lane's queue that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineDue {
    /// The line.
    pub line: Line,
    /// When its first chunk may be leased, milliseconds since the epoch.
    pub due_ms: i64,
}

/// A chunk in the hands of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedChunk {
    /// Its id.
    pub id: ChunkId,
    /// Carrier account.
    pub lane: String,
    /// How urgent.
    pub class: Class,
    /// Campaign, if any.
    pub campaign: Option<CampaignId>,
    /// Which try this is, from 0.
    pub attempt: i64,
    /// How many of the members may have been written to a socket.
    pub sent_upto: usize,
    /// When another owner may take it, milliseconds since the epoch; each slice marked moves it on.
    pub lease_until_ms: i64,
    /// When the hours of its people end: nothing of it is begun after. None where no hours bind, and as the memory gives
    /// it, which knows nothing of hours.
    pub closes_ms: Option<i64>,
    /// All its messages, in sending order.
    pub members: Vec<Outbound>,
}

/// What a chunk's dead owner left behind. The chunk is ours from now on; `record` with its id in `done` ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// The chunk, with all members.
    pub chunk: LeasedChunk,
    /// At or under the watermark, and nothing is known of it: may have left.
    pub in_doubt: Vec<Outbound>,
    /// Under the watermark, and something is known of it.
    pub answered: Vec<Answered>,
    /// Over the watermark: certainly never written.
    pub unsent: Vec<Outbound>,
}

/// What is known of a message that was under its chunk's watermark when the chunk's owner died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The message.
    pub message: Outbound,
    /// Its parts that have an outcome of this attempt, or that an earlier one had taken. It may have more than these.
    pub parts: Vec<i64>,
    /// What this attempt says of it.
    pub word: Word,
}

/// What an attempt says of a message. Of what it says of several parts, the greater holds for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Nothing: its parts are known from earlier attempts only.
    Nothing,
    /// What became of some parts. Those without an outcome may have left.
    Parts,
    /// A part was refused for good, so that none is sent again. Those without an outcome may have left.
    Refused,
    /// It ended as a whole before any part of it was handed to a bind.
    Ended,
}

/// The question whether one message may still go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The message.
    pub message: MessageId,
    /// Which try, from 0.
    pub attempt: i64,
    /// The handset.
    pub number: Msisdn,
    /// The scopes whose opt-out stops it.
    pub scopes: Arc<[Scope]>,
    /// Where it needs an opt-in in one of these scopes: since when one counts, milliseconds since the epoch.
    pub consent_since_ms: Option<i64>,
}

/// A slice about to be written to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceMark {
    /// The chunk it belongs to.
    pub chunk: ChunkId,
    /// How many members may have been written once this is committed: the watermark.
    pub upto: usize,
    /// One for each message of the slice that a consent may stop.
    pub checks: Vec<Check>,
    /// Now, milliseconds since the epoch.
    pub at_ms: i64,
}

/// What came of marking a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// Messages that an opt-out stops: recorded as suppressed, and not to be sent.
    pub stopped: BTreeSet<MessageId>,
    /// Chunks that are not ours any more: nothing of them is to be sent.
    pub refused: Vec<ChunkId>,
}

impl Marked {
    /// What of it concerns these slices.
    pub(super) fn of(&self, marks: &[SliceMark]) -> Self {
        let checked = marks.iter().flat_map(|mark| &mark.checks).map(|check| check.message);
        let chunks = marks.iter().map(|mark| mark.chunk);
        Self {
            stopped: checked.filter(|message| self.stopped.contains(message)).collect(),
            refused: chunks.filter(|chunk| self.refused.contains(chunk)).collect(),
        }
    }
}

/// One thing that happened to one part of one attempt. Key: (message, attempt, part, kind).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// The message.
    pub message: MessageId,
    /// Which try, from 0.
    pub attempt: i64,
    /// Which part, from 0; what concerns the whole message is written at part 0.
    pub part: i64,
    /// What happened.
    pub kind: OutcomeKind,
    /// The bind it went over.
    pub bind: Option<String>,
    /// The carrier group whose message ids are one space.
    pub carrier: Option<String>,
    /// command_status of the response.
    pub status: Option<u32>,
    /// message_id as the carrier wrote it.
    pub carrier_id: Option<String>,
    /// Its canonical form, by which receipts find it.
    pub carrier_key: Option<String>,
    /// Why, in a word.
    pub cause: Option<String>,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// How long its answer took, from the writing of the PDU, milliseconds.
    #[serde(default)]
    pub took_ms: Option<i64>,
}

/// What came of some messages. A message that is to be tried again has a `retry` outcome (beside `in_doubt` where it
/// was in doubt) and is a member of a chunk in `retry`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub outcomes: Vec<OutcomeRow>,
    /// Chunks for what is to be tried again, or was never sent.
    pub retry: Vec<NewChunk>,
    /// Chunks that are through.
    pub done: Vec<ChunkId>,
    /// Of the outcomes, parts the carrier has taken, with what their receipts will ask: kept in mind, not on disk.
    pub taken: Vec<NamedPart>,
}

/// A part the carrier has taken, and under which id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPart {
    /// The carrier group whose message ids are one space.
    pub carrier: String,
    /// The canonical form of its id.
    pub carrier_key: String,
    /// The part.
    pub part: TakenPart,
}

impl Record {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.retry.is_empty() && self.done.is_empty()
    }
}

/// A delivery receipt. Key: id; a second one that says the same is a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRow {
    /// Made by the caller.
    pub id: i64,
    /// The carrier group it came from.
    pub carrier: String,
    /// The id it names, as written.
    pub carrier_id: String,
    /// The canonical form of that id.
    pub carrier_key: String,
    /// Other canonical forms it may stand for (read as hexadecimal, read as decimal), likeliest first.
    #[serde(default)]
    pub candidates: Vec<String>,
    /// The handset it is about, where the receipt names one in a form we can read: decides between ambiguous ids.
    pub number: Option<Msisdn>,
    /// `delivered`, `expired`, `undeliverable`, `rejected`, `deleted`, `unknown`, `enroute`, `accepted`...
    pub state: String,
    /// Whether nothing can come after it.
    #[serde(with = "as_integer")]
    pub is_final: bool,
    /// The carrier's error code.
    pub err: Option<String>,
    /// The beginning of the message, where it quotes it: tells what it is about where its id does not.
    #[serde(default)]
    pub quote: Option<String>,
    /// When we got it, milliseconds since the epoch.
    pub received_ms: i64,
    /// When the carrier says it happened.
    pub done_ms: Option<i64>,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptFate {
    /// It found its message.
    Matched {
        /// The message.
        message: MessageId,
        /// The part of it, from 0.
        part: i64,
    },
    /// Its message is not known yet; recording the `sent` outcome claims it.
    Waiting,
    /// Known already.
    Duplicate,
}

/// A receipt that waited and found its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The part of the message, from 0.
    pub part: i64,
    /// As in [`ReceiptRow::state`].
    pub state: String,
    /// Whether nothing follows it.
    pub is_final: bool,
}

/// An invitation to a survey. Key: the message that asks its first question; while it waits, the id that message will
/// have.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The campaign.
    pub campaign: CampaignId,
    /// The handset.
    pub number: Msisdn,
    /// The code it answers to.
    pub sender: Sender,
    /// The message that asks.
    pub message: MessageId,
    /// The survey.
    pub survey: String,
    /// The language it is asked in.
    pub language: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The zone the person lives in, where the contact says so.
    pub zone: Option<String>,
    /// Who began it: `campaign`, `keyword` (the person, with a word seen in print), `operator`.
    pub started_by: String,
    /// How far it is.
    #[serde(flatten)]
    pub standing: InvitationStanding,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("campaign", &self.campaign)
            .field("number", &self.number)
            .field("message", &self.message)
            .field("survey", &self.survey)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// How far a person is with a survey.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationStanding {
    /// Open, waiting, or how it ended.
    pub state: InvitationState,
    /// The question that is, or was last, open.
    pub question: String,
    /// How often it has been put: 1 once it was asked, 2 when asked again.
    pub asked: i64,
    /// Reminders sent.
    pub reminded: i64,
    /// The answers on the way to the open question, as JSON.
    pub trail: Option<String>,
    /// The times for a call that were offered, as JSON.
    pub offered: Option<String>,
    /// When it was opened, milliseconds since the epoch; of one that waits, when it was made.
    pub opened_ms: i64,
    /// When the open question was put.
    pub asked_ms: i64,
    /// When it was closed.
    pub closed_ms: Option<i64>,
    /// When it is to be looked at again.
    pub due_ms: Option<i64>,
    /// How often it has changed: a change is made only to what was read.
    pub version: i64,
}

impl fmt::Debug for InvitationStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationStanding")
            .field("state", &self.state)
            .field("question", &self.question)
            .field("asked", &self.asked)
            .field("due_ms", &self.due_ms)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// How an invitation stands from now on. Its version is the one that was read: has it changed since, nothing happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationChange {
    /// The invitation.
    pub message: MessageId,
    /// All of it.
    #[serde(flatten)]
    pub standing: InvitationStanding,
}

/// What time did to an invitation, and what is said for it: both, or neither when it has changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnCommit {
    /// How it stands.
    pub change: InvitationChange,
    /// The question, or the reminder.
    pub accept: Acceptance,
}

/// An invitation that is due, and what is known of its first question's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueInvitation {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// When the carrier took the question.
    pub sent_ms: Option<i64>,
    /// 1 where it will not arrive.
    pub failed: i64,
    /// 1 where an opt-out held it back.
    pub suppressed: i64,
}

/// A call that was booked. Key: invitation and question; a later booking takes its place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackRow {
    /// The invitation.
    pub invitation: MessageId,
    /// The question that offered it.
    pub question: String,
    /// The campaign.
    pub campaign: CampaignId,
    /// The survey.
    pub survey: String,
    /// Whom to call.
    pub number: Msisdn,
    /// The code it was booked on.
    pub code: String,
    /// From, milliseconds since the epoch.
    pub start_ms: i64,
    /// To.
    pub end_ms: i64,
    /// As the person was told it.
    pub words: String,
    /// `due`, `done` or `cancelled`.
    pub state: String,
    /// The message that booked it.
    pub inbound: i64,
    /// When, milliseconds since the epoch.
    pub booked_ms: i64,
}

impl fmt::Debug for CallbackRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRow")
            .field("invitation", &self.invitation)
            .field("number", &self.number)
            .field("words", &self.words)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A campaign as it was made, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its name.
    pub id: CampaignId,
    /// Carrier account.
    pub lane: String,
    /// The sender.
    pub sender: Sender,
    /// Why it is sent.
    pub purpose: Purpose,
    /// The survey it asks, if any.
    pub survey: Option<String>,
    /// The text before merging; none where the survey has it.
    pub text: Option<String>,
    /// Where its contacts come from, as the operator named it.
    pub contacts: String,
    /// Whatever else defines it, for those who made it.
    pub settings: serde_json::Value,
    /// How it stands.
    pub state: CampaignState,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: i64,
    /// How many rows of the contact file have been dealt with.
    pub imported_upto: i64,
    /// How many of them became messages.
    pub accepted: i64,
    /// How many were refused.
    pub refused: i64,
}

/// How a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Made, not started.
    Planned,
    /// Being read or sent.
    Running,
    /// Stopped by the operator, to go on later.
    Paused,
    /// Everything is accepted.
    Done,
    /// Stopped for good.
    Cancelled,
}

/// How far a campaign's contact file has been read: whole figures, not steps, so that repeating changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignProgress {
    /// The campaign.
    pub id: CampaignId,
    /// Rows dealt with; never moves back.
    pub imported_upto: i64,
    /// Rows that became messages.
    pub accepted: i64,
    /// Rows refused.
    pub refused: i64,
}

/// Something worth remembering that no other table holds. Key: id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Made by the caller.
    pub id: i64,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// What, in a word.
    pub kind: String,
    /// The handset, if any.
    pub number: Option<Msisdn>,
    /// The message, if any.
    pub message: Option<MessageId>,
    /// The campaign, if any.
    pub campaign: Option<CampaignId>,
    /// The rest, in words.
    pub detail: Option<String>,
}

/// Booleans are integers in both databases.
mod as_integer {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
    pub(super) fn serialize<S: Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(i64::from(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        i64::deserialize(deserializer).map(|value| value != 0)
    }
}
