//! What the store tells those who ask: a message's life, a campaign's results, the queue, the whole.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::message::{CampaignId, Class, MessageId, Msisdn, Outbound};

/// The life of one message, in order of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The message as accepted.
    pub message: Outbound,
    /// Its state now: a final one, `sent` (no receipt yet) or `queued`.
    pub state: String,
    /// Why, in a word.
    pub cause: Option<String>,
    /// What happened, oldest first.
    pub entries: Vec<LifeEntry>,
}

/// One thing that happened to a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeEntry {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// What: `accepted`, `queued`, an outcome's kind, `receipt`, `asked`, `reply`, `answer` or an event's kind.
    pub kind: String,
    /// The particulars, by name: `attempt`, `part`, `bind`, `carrier_id`, `status`, `took_ms` (from the PDU to its answer),
    /// `cause`, `state`, `err`, `text`...
    pub detail: BTreeMap<String, serde_json::Value>,
}

impl fmt::Debug for LifeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifeEntry")
            .field("at_ms", &self.at_ms)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What is known about one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberLife {
    /// The number.
    pub number: Msisdn,
    /// The scopes it has opted out of now, with the time since when.
    pub opted_out: Vec<(String, i64)>,
    /// Its newest messages, newest first, at most [`NumberLife::MESSAGES`].
    pub messages: Vec<Life>,
    /// What it wrote, newest first, at most [`NumberLife::REPLIES`].
    pub replies: Vec<ReplyRow>,
    /// Its opt-outs and opt-ins, oldest first.
    pub consent: Vec<LifeEntry>,
}

impl NumberLife {
    /// A page of a terminal; who wants more asks by message.
    pub const MESSAGES: usize = 20;
    /// Likewise.
    pub const REPLIES: usize = 50;
}

/// What a campaign came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// Messages accepted for the campaign itself; replies to people are not among them.
    pub accepted: i64,
    /// Of these, stopped at the door out.
    pub suppressed: i64,
    /// Of these, taken by the carrier at least once.
    pub sends: i64,
    /// Their states and the causes (the carrier's error code, or ours).
    pub states: Vec<StateCount>,
    /// Invitations by how they stand.
    pub invitations: BTreeMap<String, i64>,
    /// Answers that count, by question and value.
    pub answers: Vec<AnswerCount>,
    /// Invitations whose question was put more than once.
    pub asked_again: i64,
    /// Invitations given up as unreadable.
    pub unreadable: i64,
    /// Invitations ended by an opt-out.
    pub opted_out: i64,
    /// What came in for the campaign, by how it was read.
    pub replies: BTreeMap<String, i64>,
    /// Replies kept as free text.
    pub free_text: i64,
    /// Half of those who answered took no longer than this, from the send, in milliseconds.
    pub median_answer_ms: Option<i64>,
}

/// How many messages are in one state for one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCount {
    /// A final state, `sent` or `queued`.
    pub state: String,
    /// The cause, where there is one.
    pub cause: Option<String>,
    /// How many.
    pub count: i64,
}

/// How many answers have one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerCount {
    /// The question.
    pub question: String,
    /// The value.
    pub value: String,
    /// How many.
    pub count: i64,
}

/// Which replies are wanted; what is `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyFilter {
    /// Of this campaign.
    pub campaign: Option<CampaignId>,
    /// From this number.
    pub number: Option<Msisdn>,
    /// Read as this.
    pub verdict: Option<String>,
    /// Received at or after this, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Only ids under this: the last one seen, to go on from there.
    pub before: Option<i64>,
    /// At most so many; 0 means [`ReplyFilter::PAGE`].
    pub limit: i64,
}

impl ReplyFilter {
    /// One page.
    pub const PAGE: i64 = 1_000;
}

/// A reply as people look at it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyRow {
    /// The inbound message.
    pub id: i64,
    /// When it came, milliseconds since the epoch.
    pub received_ms: i64,
    /// From whom.
    pub number: Msisdn,
    /// To which code.
    pub code: String,
    /// The words.
    pub text: String,
    /// What it was read as.
    pub verdict: String,
    /// By which rule.
    pub rule: String,
    /// The campaign it answers.
    pub campaign: Option<CampaignId>,
    /// The question it answers.
    pub question: Option<String>,
    /// The value registered.
    pub value: Option<String>,
    /// What was written beside the value.
    pub comment: Option<String>,
    /// When a later answer replaced it.
    pub replaced_ms: Option<i64>,
    /// Anything a person should know.
    pub note: Option<String>,
}

impl fmt::Debug for ReplyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyRow")
            .field("id", &self.id)
            .field("number", &self.number)
            .field("verdict", &self.verdict)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// What waits on a lane, for one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// How urgent.
    pub class: Class,
    /// Chunks waiting or leased.
    pub chunks: i64,
    /// Their messages over the watermark.
    pub messages: i64,
    /// The earliest time one of them may be leased.
    pub next_ms: i64,
}

/// The whole, counted. A full pass over all messages: for a status page, not for a loop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Messages by state.
    pub states: BTreeMap<String, i64>,
    /// Messages that were ever in doubt.
    pub in_doubt: i64,
    /// Receipts whose message is not known.
    pub waiting_receipts: i64,
    /// Numbers with an opt-out.
    pub opted_out: i64,
    /// Chunks not through.
    pub chunks: i64,
}

/// A message that was in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InDoubt {
    /// The message.
    pub message: MessageId,
    /// The attempt that is in doubt.
    pub attempt: i64,
    /// The handset.
    pub number: Msisdn,
    /// The campaign.
    pub campaign: Option<CampaignId>,
    /// The bind it was written to.
    pub bind: Option<String>,
    /// What was decided, as the one who recorded it put it.
    pub cause: Option<String>,
    /// When it was found, milliseconds since the epoch.
    pub at_ms: i64,
    /// The message's state now.
    pub state: String,
}

/// An event with its number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedEvent {
    /// Its place: given back as a cursor, all that follow are told.
    pub seq: i64,
    /// Its id, the same however often it is told.
    pub id: i64,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// What happened: `answer`, `opt_out`, `opt_in`...
    pub kind: String,
    /// To whom.
    pub number: Option<Msisdn>,
    /// To which message.
    pub message: Option<MessageId>,
    /// In which campaign.
    pub campaign: Option<CampaignId>,
    /// The particulars, a JSON document.
    pub detail: Option<String>,
}

impl fmt::Debug for NumberedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberedEvent")
            .field("seq", &self.seq)
            .field("kind", &self.kind)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// How a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationState {
    /// Nobody has taken it.
    Open,
    /// Somebody has.
    Assigned,
    /// It is done; what comes in opens it again.
    Closed,
}

/// What one handset and one code have to say to each other, beside answers and commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The handset.
    pub number: Msisdn,
    /// The code.
    pub code: String,
    /// How it stands.
    pub state: ConversationState,
    /// Who has taken it.
    pub assignee: Option<String>,
    /// Words put on it, in order.
    pub tags: Vec<String>,
    /// Messages nobody has read.
    pub unread: i64,
    /// When it began, milliseconds since the epoch.
    pub opened_ms: i64,
    /// When the person wrote last.
    pub last_in_ms: i64,
    /// When somebody answered last.
    pub last_out_ms: Option<i64>,
    /// When it was closed.
    pub closed_ms: Option<i64>,
}

/// Which conversations are wanted; what is `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// In this state; else all that are not closed.
    pub state: Option<ConversationState>,
    /// On this code.
    pub code: Option<String>,
    /// Taken by this person.
    pub assignee: Option<String>,
    /// At most so many; 0 means [`ConversationFilter::PAGE`].
    pub limit: i64,
}

impl ConversationFilter {
    /// One page.
    pub const PAGE: i64 = 1_000;
}

/// One message of a conversation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadItem {
    /// The inbound message's or the message's id.
    pub id: i64,
    /// When it came or was accepted, milliseconds since the epoch.
    pub at_ms: i64,
    /// `in` or `out`.
    pub direction: String,
    /// The words.
    pub text: String,
    /// How it was read, or its state.
    pub state: String,
    /// Whose words: `handset`, `operator`, `campaign`...
    pub source: String,
}

impl fmt::Debug for ThreadItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadItem")
            .field("at_ms", &self.at_ms)
            .field("direction", &self.direction)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
