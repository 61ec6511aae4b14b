//! What parts and messages come to: outcome rows, chunks for what is tried again, chunks that are through.

use std::time::Duration;

use protocol::receipt::id_forms;

use super::{LaneMachine, Room};
use crate::backoff::scatter;
use crate::flow::accept::CHUNK_MESSAGES;
use crate::message::{IdSource, MessageId, OutcomeKind};
use crate::rules::delivery::{Fate, fate};
use crate::rules::machines::correlator::TakenPart;
use crate::rules::machines::dispatcher::Line;
use crate::rules::machines::doubt::Resolution;
use crate::rules::machines::faults::{Fault, Planted};
use crate::rules::machines::outstanding::{End, Ended};
use crate::smpp::submission::{PartFate, PartTag, Settled, Submission};
use crate::store::{ChunkId, NamedPart, NewChunk, OutcomeRow, Record};

/// What settlements amount to since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub record: Record,
    pub counts: Counts,
    again: Vec<Again>,
    resend: Vec<Submission>,
}

#[derive(Debug)]
struct Again {
    chunk: ChunkId,
    line: Line,
    attempt: i64,
    wait: Duration,
    members: Vec<MessageId>,
}

/// What is to be written down in one commit, and what goes to another bind.
#[derive(Debug, Default)]
pub struct Taken {
    /// What happened.
    pub record: Record,
    /// Not written, and another bind has room: its pass still holds, so the gate has the last word.
    pub resend: Vec<Submission>,
    /// For those who count.
    pub counts: Counts,
}

/// How many came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages the carrier took.
    pub sent: u64,
    /// Parts the carrier took.
    pub sent_parts: u64,
    /// Messages refused for good, given up, or expired.
    pub rejected: u64,
    /// Messages to be tried again.
    pub retried: u64,
    /// Messages in doubt.
    pub in_doubt: u64,
    /// Messages stopped at the door out.
    pub suppressed: u64,
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        self.record.is_empty() && self.again.is_empty() && self.resend.is_empty()
    }

    /// Messages go into a new chunk that carries on this one, for this attempt.
    pub fn queue_again(
        &mut self,
        chunk: ChunkId,
        line: &Line,
        attempt: i64,
        wait: Duration,
        members: Vec<MessageId>,
    ) {
        if members.is_empty() {
            return;
        }
        let same = |other: &&mut Again| {
            (other.chunk, other.attempt, other.wait) == (chunk, attempt, wait)
                && other.members.len() + members.len() <= CHUNK_MESSAGES
        };
        match self.again.iter_mut().find(same) {
            Some(other) => other.members.extend(members),
            None => self.again.push(Again { chunk, line: line.clone(), attempt, wait, members }),
        }
    }

    pub fn take(&mut self, lane: &str, now_ms: i64, ids: &IdSource, planted: Planted) -> Taken {
        let mut tally = std::mem::take(self);
        if planted.has(Fault::ForgetRetry) {
            tally.again.clear();
        }
        let retry = tally.again.into_iter().map(|again| NewChunk {
            id: ChunkId(ids.next(now_ms).0),
            lane: lane.to_owned(),
            class: again.line.class,
            campaign: again.line.campaign,
            not_before_ms: now_ms + i64::try_from(again.wait.as_millis()).unwrap_or_default(),
            attempt: again.attempt,
            members: again.members,
            carries_on: Some(again.chunk),
        });
        tally.record.retry.extend(retry);
        Taken { record: tally.record, resend: tally.resend, counts: tally.counts }
    }
}

impl LaneMachine {
    pub(super) fn part(&mut self, now_ms: i64, settled: Settled, room: Room) {
        let tag = settled.tag;
        let (end, row) = self.judge(now_ms, tag, &settled.bind, settled.fate);
        let took_ms = settled.took.map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
        let row = row.map(|row| OutcomeRow { took_ms, ..row });
        if let (Some(End::NotWritten), Some(submission), Room::Some) = (end, settled.unsent, room) {
            self.tally.resend.push(*submission);
            return;
        }
        match (row, end) {
            // Counts only if the message is tried again: until then it is neither sent nor to be sent.
            (Some(row), Some(End::Again(_) | End::NotWritten)) => {
                if let Some(handed) = self.outstanding.tag(tag.message) {
                    handed.again.push(row);
                }
            }
            (row, _) => self.tally.record.outcomes.extend(row),
        }
        if let Some(ended) = end.and_then(|end| self.outstanding.part(tag.message, end)) {
            self.message(now_ms, tag.message, ended);
        }
    }

    /// Turns a part's fate into its say in the message's end and into its outcome row.
    fn judge(
        &mut self,
        now_ms: i64,
        tag: PartTag,
        bind: &str,
        part: PartFate,
    ) -> (Option<End>, Option<OutcomeRow>) {
        let row = |kind: OutcomeKind, status: Option<u32>, cause: Option<&str>| {
            let mut row = outcome(tag.message, tag.attempt, tag.part, kind);
            row.carrier = Some(self.settings.name.clone());
            row.bind = Some(bind.to_owned());
            row.at_ms = now_ms;
            row.status = status;
            row.cause = cause.map(str::to_owned);
            row
        };
        let taken = |carrier_id: Option<String>| {
            let mut row = row(OutcomeKind::Sent, Some(0), None);
            row.carrier_key = carrier_id.as_ref().map(|id| id_forms(id.as_bytes()).key().to_owned());
            row.carrier_id = carrier_id;
            row
        };
        let (end, row) = match part {
            PartFate::NotWritten => {
                let row = row(OutcomeKind::Retry, None, Some("not written: the bind went down"));
                (Some(End::NotWritten), row)
            }
            PartFate::Shut => {
                (Some(End::Shut), row(OutcomeKind::Suppressed, None, Some("stopped while in the queue")))
            }
            PartFate::Expired => {
                let cause = "its time ran out while in the queue";
                (Some(End::Expired), row(OutcomeKind::Expired, None, Some(cause)))
            }
            PartFate::Unanswered => {
                (Some(End::Unanswered), row(OutcomeKind::InDoubt, None, Some("no answer to submit_sm")))
            }
            PartFate::AnsweredLate { carrier_id } => (None, taken(carrier_id)),
            PartFate::Answered { status, carrier_id } => {
                let dice = scatter(tag.message.0.cast_unsigned() ^ tag.attempt.cast_unsigned());
                let status_of = |kind: OutcomeKind| row(kind, Some(status.0), None);
                match fate(status, tag.attempt, self.settings.patience, dice) {
                    Fate::Sent => (Some(End::Sent), taken(carrier_id)),
                    Fate::Rejected => (Some(End::Rejected), status_of(OutcomeKind::Rejected)),
                    Fate::GaveUp => (Some(End::GaveUp), status_of(OutcomeKind::GaveUp)),
                    Fate::Again(wait) => (Some(End::Again(wait)), status_of(OutcomeKind::Retry)),
                    Fate::Slower => (Some(End::NotWritten), status_of(OutcomeKind::Retry)),
                }
            }
        };
        if row.kind == OutcomeKind::Sent {
            self.tally.counts.sent_parts += 1;
            let key = row.carrier.clone().zip(row.carrier_key.clone());
            let about = self.outstanding.tag(tag.message).map(|handed| TakenPart {
                message: tag.message,
                part: tag.part,
                to: handed.to,
                awaited: handed.awaited,
            });
            let taken =
                key.zip(about).map(|((carrier, carrier_key), part)| NamedPart { carrier, carrier_key, part });
            self.tally.record.taken.extend(taken);
        }
        let listed = end != Some(End::Unanswered) || !self.settings.planted.has(Fault::ResendUnlisted);
        (end, listed.then_some(row))
    }

    /// A message's last part is settled.
    fn message(&mut self, now_ms: i64, message: MessageId, ended: Ended<ChunkId, super::Handed>) {
        let counts = &mut self.tally.counts;
        let Ended { chunk, end, tag: mut handed } = ended;
        let again = match end {
            End::Sent => {
                counts.sent += 1;
                None
            }
            End::Rejected | End::GaveUp | End::Expired => {
                counts.rejected += 1;
                None
            }
            End::Shut => {
                counts.suppressed += 1;
                None
            }
            End::Again(wait) => {
                counts.retried += 1;
                Some(wait)
            }
            End::NotWritten => Some(Duration::ZERO),
            End::Unanswered => {
                counts.in_doubt += 1;
                let always = self.settings.planted.has(Fault::ResendUnderNever);
                match self.settings.doubts.resolve(handed.purpose) {
                    Resolution::Again(wait) => {
                        self.tally.record.outcomes.push(retry_row(message, handed.attempt, wait, now_ms));
                        Some(wait)
                    }
                    Resolution::Leave if always => Some(Duration::ZERO),
                    Resolution::Leave => {
                        // What of it did not leave never will: without this its other parts would speak for it.
                        let ended = handed.again.drain(..).map(|row| OutcomeRow {
                            kind: OutcomeKind::GaveUp,
                            cause: Some(
                                "another part is in doubt, and its carrier's policy is not to send again"
                                    .to_owned(),
                            ),
                            ..row
                        });
                        self.tally.record.outcomes.extend(ended);
                        None
                    }
                }
            }
        };
        if let Some(wait) = again {
            self.tally.record.outcomes.extend(handed.again);
            if let Some(line) = self.holdings.get(&chunk).map(|holding| holding.line.clone()) {
                self.tally.queue_again(chunk, &line, handed.attempt + 1, wait, vec![message]);
            }
        }
        self.through(chunk, 1);
    }
}

/// An outcome row with nothing but its key.
pub(in crate::flow) fn outcome(message: MessageId, attempt: i64, part: i64, kind: OutcomeKind) -> OutcomeRow {
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
        took_ms: None,
    }
}

/// What a whole message came to without a bind.
pub(super) fn outcome_of(
    message: MessageId,
    attempt: i64,
    kind: OutcomeKind,
    cause: &str,
    at_ms: i64,
) -> OutcomeRow {
    OutcomeRow { cause: Some(cause.to_owned()), at_ms, ..outcome(message, attempt, 0, kind) }
}

/// A message of which nothing is left to send.
pub(in crate::flow) fn taken_before(message: MessageId, attempt: i64, at_ms: i64) -> OutcomeRow {
    let cause = "the carrier has it from an earlier attempt";
    outcome_of(message, attempt, OutcomeKind::Sent, cause, at_ms)
}

/// A part that may have left.
pub(in crate::flow) fn in_doubt_row(
    lane: &str,
    message: MessageId,
    attempt: i64,
    part: i64,
    at_ms: i64,
) -> OutcomeRow {
    OutcomeRow {
        carrier: Some(lane.to_owned()),
        cause: Some("the process ended while it was being sent".to_owned()),
        at_ms,
        ..outcome(message, attempt, part, OutcomeKind::InDoubt)
    }
}

/// A message in doubt goes again.
pub(in crate::flow) fn retry_row(message: MessageId, attempt: i64, wait: Duration, at_ms: i64) -> OutcomeRow {
    let cause = if wait.is_zero() {
        "in doubt, sent again by policy"
    } else {
        "in doubt, held for word of it, then sent again by policy"
    };
    outcome_of(message, attempt, OutcomeKind::Retry, cause, at_ms)
}
