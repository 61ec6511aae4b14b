//! What a simulated carrier has seen: counts, what arrived and how often, what handsets said.

use std::collections::HashMap;

use protocol::text::Alphabet;
use serde::{Deserialize, Serialize};

use crate::message::Msisdn;
use crate::simulator::rows::Expected;

/// Messages kept with their text: some 30 MB; a demo and a test have far fewer, a benchmark needs none.
const RECEIVED_KEPT: usize = 100_000;
/// Messages known again when they come twice: some 40 MB.
const DIGESTS_KEPT: usize = 2_000_000;
/// Replies kept with their text.
const REPLIES_KEPT: usize = 100_000;

/// Counts, since the start of the journal or else of the carrier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Binds accepted.
    pub binds: u64,
    /// Connections bound now.
    pub bound: u64,
    /// submit_sm taken: message parts.
    pub submits: u64,
    /// submit_sm answered ESME_RTHROTTLED.
    pub throttled: u64,
    /// Messages dropped before they reached their handset, as cancel_sm asked.
    #[serde(default)]
    pub cancelled: u64,
    /// Whole messages taken.
    pub messages: u64,
    /// Messages that had been taken before: same number, same words.
    pub duplicates: u64,
    /// Receipts sent, each counted once however often it was sent; second copies are not counted.
    pub receipts_sent: u64,
    /// Receipts acknowledged.
    pub receipts_acknowledged: u64,
    /// Replies sent, each counted once: a reply in two parts is one.
    pub replies_sent: u64,
    /// Replies of which every part was acknowledged.
    pub replies_acknowledged: u64,
    /// Opt-outs among them.
    pub stops: u64,
    /// Messages that came within five minutes after a STOP was acknowledged, the first one each, or answer a call for help after it.
    pub confirmations_after_stop: u64,
    /// Messages whose first part was read after the STOP of that number to that code was acknowledged.
    pub sends_after_stop: u64,
    /// deliver_sm sent again: not acknowledged in time, refused for now, or on a link that broke.
    pub redelivered: u64,
    /// deliver_sm refused for good by the ESME.
    pub refused: u64,
    /// Receipts not acknowledged yet, second copies among them.
    pub pending_receipts: u64,
    /// Replies not acknowledged yet, those still being typed among them.
    pub pending_replies: u64,
}

/// What a handset said, and what a reader should make of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SentReply {
    /// The handset.
    pub number: Msisdn,
    /// The code it wrote to.
    pub code: String,
    /// What it wrote.
    pub text: String,
    /// The context of the row: the question it was said to, or `none`; empty for what a test made it say.
    pub context: String,
    /// What the row expects; `None` where no row has these words.
    pub expected: Option<Expected>,
    /// How often this handset had decided what to say to this code before.
    pub turn: u32,
    /// Message parts.
    pub parts: u8,
    /// When its first part was first sent, milliseconds since the epoch.
    pub sent_at_ms: i64,
    /// When its last part was acknowledged.
    pub acknowledged_at_ms: Option<i64>,
}

impl std::fmt::Debug for SentReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentReply")
            .field("number", &self.number)
            .field("expected", &self.expected)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

/// A message as a handset would show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The handset.
    pub number: Msisdn,
    /// Who it is from.
    pub sender: String,
    /// Its words.
    pub text: String,
    /// How it was written.
    pub alphabet: Alphabet,
    /// Message parts.
    pub parts: u8,
    /// How often it came.
    pub times: u32,
    /// When it first was whole, milliseconds since the epoch.
    pub received_at_ms: i64,
}

impl std::fmt::Debug for ReceivedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivedMessage")
            .field("number", &self.number)
            .field("alphabet", &self.alphabet)
            .field("parts", &self.parts)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) census: Census,
    replies: Vec<SentReply>,
    received: Vec<ReceivedMessage>,
    /// Digest of number and words to the place in `received`, or past its end where the text is not kept.
    known: HashMap<u64, usize>,
}

impl Ledger {
    /// Whether the next message is kept with its text.
    pub(super) fn keeps_text(&self) -> bool {
        self.received.len() < RECEIVED_KEPT
    }

    /// Counts a message. `message` gives it where it is to be kept.
    pub(super) fn message(&mut self, digest: u64, message: impl FnOnce() -> ReceivedMessage) {
        self.census.messages += 1;
        if let Some(place) = self.known.get(&digest) {
            self.census.duplicates += 1;
            if let Some(kept) = self.received.get_mut(*place) {
                kept.times += 1;
            }
            return;
        }
        if self.known.len() >= DIGESTS_KEPT {
            return;
        }
        if self.keeps_text() {
            self.known.insert(digest, self.received.len());
            self.received.push(message());
        } else {
            self.known.insert(digest, usize::MAX);
        }
    }

    /// Counts a reply that was sent. Gives its place, where it is kept.
    pub(super) fn reply(&mut self, reply: SentReply) -> Option<usize> {
        self.census.replies_sent += 1;
        (self.replies.len() < REPLIES_KEPT).then(|| {
            self.replies.push(reply);
            self.replies.len() - 1
        })
    }

    /// Counts a reply of which every part was acknowledged.
    pub(super) fn reply_acknowledged(&mut self, place: Option<usize>, at_ms: i64) {
        self.census.replies_acknowledged += 1;
        if let Some(reply) = place.and_then(|place| self.replies.get_mut(place)) {
            reply.acknowledged_at_ms = Some(at_ms);
        }
    }

    pub(super) fn replies(&self) -> Vec<SentReply> {
        self.replies.clone()
    }

    pub(super) fn received(&self) -> Vec<ReceivedMessage> {
        self.received.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_to_the_same_number_are_a_duplicate_and_counted_at_the_first() {
        let mut ledger = Ledger::default();
        let message = || ReceivedMessage {
            number: Msisdn(447_700_900_123),
            sender: "88001".into(),
            text: "Why?".into(),
            alphabet: Alphabet::Gsm7,
            parts: 1,
            times: 1,
            received_at_ms: 5,
        };
        ledger.message(1, message);
        ledger.message(1, message);
        ledger.message(2, message);
        assert_eq!((ledger.census.messages, ledger.census.duplicates), (3, 1));
        assert_eq!(ledger.received().iter().map(|message| message.times).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn debug_output_shows_neither_words_nor_a_whole_number() {
        let reply = SentReply {
            number: Msisdn(447_700_900_123),
            code: "88001".into(),
            text: "secret".into(),
            context: String::new(),
            expected: None,
            turn: 0,
            parts: 1,
            sent_at_ms: 0,
            acknowledged_at_ms: None,
        };
        let shown = format!("{reply:?}");
        assert!(!shown.contains("secret") && !shown.contains("900123"), "{shown}");
    }
}
