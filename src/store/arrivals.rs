//! The rows of what people send us: inbound messages, their parts, their effects, and what is known when they come.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::consent::{ConsentChange, Pending};
use super::rows::{Acceptance, CallbackRow, Invitation, InvitationChange};
use crate::message::{CampaignId, MessageId, Msisdn};

/// A message from a handset, put together and read. Key: id.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundRow {
    /// Made by the caller.
    pub id: i64,
    /// The carrier account it came over.
    pub lane: String,
    /// The handset.
    pub number: Msisdn,
    /// The code it was sent to.
    pub code: String,
    /// The text as decoded.
    pub text: String,
    /// The octets as received, in hexadecimal.
    pub octets: String,
    /// data_coding as received.
    pub data_coding: i64,
    /// When, milliseconds since the epoch.
    pub received_ms: i64,
    /// What makes a redelivery recognisable.
    pub digest: String,
    /// What it was read as.
    pub verdict: String,
    /// The rule that read it so.
    pub rule: String,
    /// The rule pack and its version.
    pub pack: String,
    /// Every reading that was possible, as a JSON list.
    pub candidates: serde_json::Value,
    /// The campaign it answers, if any.
    pub campaign: Option<CampaignId>,
    /// The question it was read against, if any.
    pub question: Option<String>,
    /// How many parts it came in.
    pub parts: i64,
    /// Anything a person should know, like missing parts.
    pub note: Option<String>,
}

impl fmt::Debug for InboundRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundRow")
            .field("id", &self.id)
            .field("lane", &self.lane)
            .field("number", &self.number)
            .field("code", &self.code)
            .field("text_chars", &self.text.chars().count())
            .field("verdict", &self.verdict)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

/// A message from a handset and everything it brings about: one transaction, once, however often it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundCommit {
    /// The message.
    pub inbound: InboundRow,
    /// The parts it was put together from, which are dealt with by this.
    pub parts: Option<PartsKey>,
    /// Opt-outs and opt-ins it means.
    pub consent: Vec<ConsentChange>,
    /// What it does to the questions that were open.
    pub invitations: Vec<InvitationChange>,
    /// The answer it gives.
    pub answer: Option<AnswerRow>,
    /// What it is to people at the inbox.
    pub conversation: Option<ConversationChange>,
    /// Calls it books, or cancels.
    pub callbacks: Vec<CallbackRow>,
    /// Our replies to it, and events.
    pub accept: Acceptance,
}

/// A message that people are to read: it opens the conversation of its handset and code, or goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationChange {
    /// The handset.
    pub number: Msisdn,
    /// The code it wrote to.
    pub code: String,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
}

/// An answer to a question. Key: the inbound message. A later answer of the same handset to the same question
/// replaces it, and both are kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRow {
    /// The inbound message.
    pub inbound: i64,
    /// The campaign.
    pub campaign: CampaignId,
    /// The handset.
    pub number: Msisdn,
    /// The survey.
    pub survey: String,
    /// The question.
    pub question: String,
    /// The value registered.
    pub value: String,
    /// What was written beside the value.
    pub comment: Option<String>,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// The rule that read it.
    pub rule: String,
    /// The rule pack and its version.
    pub pack: String,
    /// Every reading that was possible, as a JSON list.
    pub candidates: serde_json::Value,
    /// 1 where it came after the end: kept apart.
    pub late: i64,
    /// When a later answer replaced it; written by the store.
    pub replaced_ms: Option<i64>,
    /// Whether it may replace another; only asked when it is written.
    #[serde(skip)]
    pub earlier: Earlier,
}

/// Whether a handset may have answered a question before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Earlier {
    /// It is looked for.
    #[default]
    Perhaps,
    /// The question was open and waited for this.
    None,
}

impl fmt::Debug for AnswerRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerRow")
            .field("inbound", &self.inbound)
            .field("campaign", &self.campaign)
            .field("number", &self.number)
            .field("question", &self.question)
            .field("value", &self.value)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

/// What the parts of one long message have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartsKey {
    /// The carrier account.
    pub lane: String,
    /// The handset.
    pub number: Msisdn,
    /// The code it was sent to.
    pub code: String,
    /// The handset's reference, 8 or 16 bits.
    pub reference: i64,
    /// How many parts there are.
    pub total: i64,
}

/// One part of a long message from a handset. Key: the [`PartsKey`] and the part's number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRow {
    /// What it belongs to.
    #[serde(flatten)]
    pub key: PartsKey,
    /// Which part, from 1.
    pub part: i64,
    /// Its user data as received, header and all, in hexadecimal.
    pub octets: String,
    /// data_coding as received.
    pub data_coding: i64,
    /// When, milliseconds since the epoch.
    pub received_ms: i64,
}

impl fmt::Debug for PartRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartRow").field("key", &self.key).field("part", &self.part).finish_non_exhaustive()
    }
}

/// What is known about a handset on a code when something comes from it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyContext {
    /// The code.
    pub code: String,
    /// The handset.
    pub number: Msisdn,
    /// The questions open on this handset and code, newest first. More than one is a doubt.
    pub open: Vec<Invitation>,
    /// Surveys that wait for them, oldest first.
    pub waiting: Vec<Invitation>,
    /// The one that was closed last.
    pub closed: Option<Invitation>,
    /// The opt-outs of the handset that still hold on this code.
    pub opted_out: Vec<String>,
    /// An opt-in we asked it to confirm on this code.
    pub pending: Option<Pending>,
    /// The newest message we accepted for it from this code.
    pub last_text: Option<LastText>,
    /// What it sent to this code before, newest first: redeliveries are told by these.
    pub recent: Vec<RecentInbound>,
}

impl fmt::Debug for ReplyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyContext")
            .field("code", &self.code)
            .field("number", &self.number)
            .field("open", &self.open)
            .field("closed", &self.closed)
            .field("opted_out", &self.opted_out)
            .finish_non_exhaustive()
    }
}

/// A text we sent, or are about to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastText {
    /// The message.
    pub message: MessageId,
    /// Its text.
    pub body: String,
    /// Its language.
    pub language: Option<String>,
    /// When it was accepted, milliseconds since the epoch.
    pub accepted_ms: i64,
}

/// An inbound message, as far as a redelivery or a loop is told by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentInbound {
    /// Its id.
    pub id: i64,
    /// Its digest.
    pub digest: String,
    /// When it came, milliseconds since the epoch.
    pub received_ms: i64,
    /// How it was read.
    pub verdict: String,
}

impl RecentInbound {
    /// Whether it was read as the answer to a question.
    pub fn is_answer(&self) -> bool {
        self.verdict.starts_with("answer:")
    }
}
