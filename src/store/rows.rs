//! The rows callers hand to the store and get back from it, as plain values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::message::{CampaignId, Class, MessageId, Msisdn, Outbound, OutcomeKind, Purpose, Scope, Sender};

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
    /// At or under the watermark without an outcome for this attempt: may have left.
    pub in_doubt: Vec<Outbound>,
    /// Under the watermark with at least one outcome for this attempt, and the parts that have one. A message of
    /// more parts than are listed is in doubt for the rest.
    pub answered: Vec<(Outbound, Vec<i64>)>,
    /// Over the watermark: certainly never written.
    pub unsent: Vec<Outbound>,
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
    pub scopes: Vec<Scope>,
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

/// What a message asks, and of whom. Key: the message.
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
    /// The question that is open.
    pub question: String,
    /// `open` or `waiting` at first; how it ended later.
    pub state: InvitationState,
    /// How often the open question has been put: 1 once it was asked, 2 when asked again.
    pub asked: i64,
    /// The language it is asked in.
    pub language: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// When it was opened, milliseconds since the epoch.
    pub opened_ms: i64,
    /// When it was closed.
    pub closed_ms: Option<i64>,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("campaign", &self.campaign)
            .field("number", &self.number)
            .field("message", &self.message)
            .field("question", &self.question)
            .field("state", &self.state)
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// How an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// A reply is an answer to it.
    Open,
    /// Another question is open on this handset and code.
    Waiting,
    /// Answered to the end.
    Answered,
    /// Asked again in vain.
    Unreadable,
    /// The person said STOP.
    OptedOut,
    /// Its time ran out.
    Expired,
    /// The operator ended it.
    Cancelled,
}

/// A change to the invitations of a handset in a campaign; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationChange {
    /// The campaign.
    pub campaign: CampaignId,
    /// The handset.
    pub number: Msisdn,
    /// The new state.
    pub state: InvitationState,
    /// How often the open question has been put.
    pub asked: Option<i64>,
    /// The question now open.
    pub question: Option<String>,
    /// When it was closed.
    pub closed_ms: Option<i64>,
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
