//! What passes between the journeys and a bind: parts to send, what became of them, what arrived.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::pdu::{CancelSm, Pdu, Sm};
use protocol::status::Status;
use tokio::sync::mpsc;

use crate::message::{MessageId, Msisdn, Scope};
use crate::smpp::door::Pass;

/// Which part of which attempt at which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartTag {
    /// The message.
    pub message: MessageId,
    /// The attempt, 0 = the first.
    pub attempt: i64,
    /// The part, 0 = the first.
    pub part: i64,
}

/// One part on its way to a socket.
pub struct Submission {
    /// Whose part.
    pub tag: PartTag,
    /// The handset, for the last look.
    pub number: Msisdn,
    /// Scopes that block it, for the last look; shared by the parts of a slice's messages.
    pub scopes: Arc<[Scope]>,
    /// The slice's pass.
    pub pass: Arc<Pass>,
    /// Not to be written from this instant on: the message's time has run out.
    pub not_after: Option<Instant>,
    /// So long the carrier may try: its validity_period is counted from the instant of writing.
    pub valid_until: Option<Instant>,
    /// The PDU's body.
    pub sm: Sm,
}

/// What became of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartFate {
    /// The carrier answered: its status, and its id where it gave one.
    Answered {
        /// command_status of the submit_sm_resp or generic_nack.
        status: Status,
        /// message_id, Latin-1.
        carrier_id: Option<String>,
    },
    /// Written, and no answer came in time or before the link broke: it may have left.
    Unanswered,
    /// The answer came after it had been given up: the carrier took it. Comes beside [`PartFate::Unanswered`].
    AnsweredLate {
        /// message_id, Latin-1.
        carrier_id: Option<String>,
    },
    /// Certainly not written: a STOP came in between.
    Shut,
    /// Certainly not written: its time ran out.
    Expired,
    /// Certainly not written: the bind closed, or gives its queue back.
    NotWritten,
}

/// A part and what became of it.
#[derive(Debug)]
pub struct Settled {
    /// Whose part.
    pub tag: PartTag,
    /// The bind that had it.
    pub bind: Arc<str>,
    /// What became of it.
    pub fate: PartFate,
    /// From being handed to the session to the answer; none where none came in time.
    pub took: Option<Duration>,
    /// The submission itself, where it was not written and can be sent elsewhere.
    pub unsent: Option<Box<Submission>>,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("tag", &self.tag)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// A part the carrier may still hold, which it is asked to drop (cancel_sm, SMPP 3.4 section 4.9).
#[derive(Debug)]
pub struct Withdrawal {
    /// The message.
    pub message: MessageId,
    /// Which part, 0 = the first.
    pub part: i64,
    /// The PDU's body.
    pub sm: CancelSm,
    /// Who is told what came of it.
    pub told: mpsc::UnboundedSender<Withdrawn>,
}

/// What a carrier said to a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawn {
    /// The message.
    pub message: MessageId,
    /// Which part.
    pub part: i64,
    /// The status of cancel_sm_resp; none where none came.
    pub status: Option<Status>,
}

impl Withdrawal {
    /// It is answered, or will not be.
    pub fn end(self, status: Option<Status>) {
        // Who asked may be gone: then nobody wants to know.
        let _ = self.told.send(Withdrawn { message: self.message, part: self.part, status });
    }
}

/// A deliver_sm (or data_sm) that waits for its answer.
#[derive(Debug)]
pub struct Arrival {
    /// The bind it came on, to answer there.
    pub bind: Arc<crate::smpp::client::BindHandle>,
    /// The connection it came on: an answer for an earlier one is dropped.
    pub connection: u64,
    /// The request.
    pub pdu: Pdu,
    /// When its last octet was read.
    pub read_at: Instant,
}

/// An answer to an arrival.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The connection the request came on.
    pub connection: u64,
    /// Its sequence number.
    pub sequence: u32,
    /// Its command, to answer with the twin.
    pub command: protocol::pdu::CommandId,
    /// The answer.
    pub status: Status,
}
