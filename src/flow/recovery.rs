//! After a crash: what was certainly not written goes back into the queue, what may have been is in doubt and listed.

use std::time::Duration;

use crate::crash::{self, Point};
use crate::flow::Flow;
use crate::flow::lane::{in_doubt_row, part_count, retry_row, taken_before};
use crate::flow::outbound::lease_ms;
use crate::message::{IdSource, MessageId};
use crate::rules::machines::doubt::{AfterHold, Doubts, InDoubtPolicy, Resolution};
use crate::rules::machines::faults::{Fault, Planted};
use crate::store::{Answered, ChunkId, Interrupted, NewChunk, Record, StoreError, Word};

/// What becomes of a message in doubt whose carrier is not in the configuration any more: nobody can send it again.
const NO_CARRIER: Doubts =
    Doubts { policy: InDoubtPolicy::Never, hold: Duration::ZERO, after: AfterHold::Leave };

/// What a start found left over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recovered {
    /// Chunks that were being sent.
    pub chunks: u64,
    /// Messages certainly not written: queued again.
    pub unsent: u64,
    /// Messages that may have left.
    pub in_doubt: u64,
    /// Of these, sent again by policy.
    pub resent: u64,
}

impl Flow {
    /// Settles what earlier runs left behind, and what nobody here holds.
    ///
    /// # Errors
    /// What the memory says.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let config = self.config();
        let mut recovered = Recovered::default();
        // The memory tells some dozens at once; what is settled is not told again.
        loop {
            let interrupted = self.store.interrupted(self.clock.now_ms(), lease_ms()).await?;
            if interrupted.is_empty() {
                break;
            }
            let mut all = Record::default();
            for one in interrupted {
                let doubts = config.carrier(&one.chunk.lane).map_or(NO_CARRIER, |carrier| carrier.doubts());
                let Settlement { record, counts } =
                    settlement(one, doubts, self.clock.now_ms(), &self.ids, Planted::NONE);
                all.outcomes.extend(record.outcomes);
                all.retry.extend(record.retry);
                all.done.extend(record.done);
                recovered.chunks += counts.chunks;
                recovered.unsent += counts.unsent;
                recovered.in_doubt += counts.in_doubt;
                recovered.resent += counts.resent;
            }
            crash::point(Point::Recovering);
            self.record(all).await?;
        }
        self.metrics.in_doubt.add(recovered.in_doubt);
        Ok(recovered)
    }
}

/// What settles one interrupted chunk, and what it amounts to.
#[derive(Debug)]
pub struct Settlement {
    /// One commit: the doubt written down, the rest queued, the old chunk closed.
    pub record: Record,
    /// For those who count.
    pub counts: Recovered,
}

/// Settles one interrupted chunk. `planted`: steps left out, none but in a simulation.
pub fn settlement(
    interrupted: Interrupted,
    doubts: Doubts,
    now_ms: i64,
    ids: &IdSource,
    planted: Planted,
) -> Settlement {
    let Interrupted { chunk, in_doubt, answered, unsent } = interrupted;
    let mut outcomes = Vec::new();
    let (mut doubtful, mut resent) = (0, Vec::new());
    let mut wait = Duration::ZERO;
    let unanswered =
        in_doubt.into_iter().map(|message| Answered { message, parts: Vec::new(), word: Word::Nothing });
    for Answered { message, parts: known, word } in unanswered.chain(answered) {
        let parts = part_count(&message);
        let mut missing: Vec<i64> = (0_i64..).take(parts).filter(|part| !known.contains(part)).collect();
        match (word, missing.is_empty()) {
            // What follows from the last outcome was written with it.
            (Word::Ended, _) | (Word::Parts | Word::Refused, true) => continue,
            (Word::Nothing, true) => {
                outcomes.push(taken_before(message.id, chunk.attempt, now_ms));
                continue;
            }
            (_, false) => {}
        }
        if planted.has(Fault::ResendUnlisted) {
            missing.clear();
        }
        let doubt = |part: &i64| in_doubt_row(&chunk.lane, message.id, chunk.attempt, *part, now_ms);
        outcomes.extend(missing.iter().map(doubt));
        doubtful += 1;
        if word == Word::Refused {
            continue;
        }
        match doubts.resolve(message.purpose) {
            Resolution::Again(hold) => {
                outcomes.push(retry_row(message.id, chunk.attempt, hold, now_ms));
                wait = hold;
                resent.push(message.id);
            }
            Resolution::Leave if planted.has(Fault::ResendUnderNever) => resent.push(message.id),
            Resolution::Leave => {}
        }
    }
    let unsent: Vec<MessageId> = unsent.into_iter().map(|message| message.id).collect();
    let again = |members: &[MessageId], attempt: i64, wait: Duration| {
        (!members.is_empty()).then(|| NewChunk {
            id: ChunkId(ids.next(now_ms).0),
            lane: chunk.lane.clone(),
            class: chunk.class,
            campaign: chunk.campaign.clone(),
            not_before_ms: now_ms + i64::try_from(wait.as_millis()).unwrap_or_default(),
            attempt,
            members: members.to_vec(),
            carries_on: Some(chunk.id),
        })
    };
    let counts =
        Recovered { chunks: 1, unsent: unsent.len() as u64, in_doubt: doubtful, resent: resent.len() as u64 };
    let unsent = if planted.has(Fault::ForgetUnsent) { Vec::new() } else { unsent };
    let retry = [again(&resent, chunk.attempt + 1, wait), again(&unsent, chunk.attempt, Duration::ZERO)];
    let retry = retry.into_iter().flatten().collect();
    let record = Record { outcomes, retry, done: vec![chunk.id], ..Record::default() };
    Settlement { record, counts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Class, Outbound, OutcomeKind};
    use crate::store::LeasedChunk;

    const NOW: i64 = 1_790_000_000_000;
    const RESEND: Doubts =
        Doubts { policy: InDoubtPolicy::Resend, hold: Duration::ZERO, after: AfterHold::Resend };

    /// A chunk that was tried before, with one message in two parts; what its second attempt's end comes to.
    fn settled(parts: &[i64], word: Word) -> Vec<(i64, OutcomeKind)> {
        let message = Outbound { body: "word ".repeat(50), ..Outbound::example(7, NOW) };
        let chunk = LeasedChunk {
            id: ChunkId(100),
            lane: "north".to_owned(),
            class: Class::Survey,
            campaign: None,
            attempt: 1,
            sent_upto: 1,
            lease_until_ms: NOW,
            closes_ms: None,
            members: vec![message.clone()],
        };
        let answered = vec![Answered { message, parts: parts.to_vec(), word }];
        let interrupted = Interrupted { chunk, in_doubt: Vec::new(), answered, unsent: Vec::new() };
        let Settlement { record, counts } =
            settlement(interrupted, RESEND, NOW, &IdSource::new(1), Planted::NONE);
        assert_eq!(record.done, [ChunkId(100)]);
        let retried = record.outcomes.iter().any(|row| row.kind == OutcomeKind::Retry);
        assert_eq!(record.retry.len(), usize::from(retried), "what is to be tried again is queued");
        assert_eq!(counts.resent, u64::from(retried));
        record.outcomes.iter().map(|row| (row.part, row.kind)).collect()
    }

    #[test]
    fn what_no_part_is_missing_of_is_in_no_doubt() {
        assert_eq!(settled(&[0, 1], Word::Parts), []);
        assert_eq!(settled(&[0, 1], Word::Refused), []);
        assert_eq!(settled(&[0, 1], Word::Nothing), [(0, OutcomeKind::Sent)], "all by earlier attempts");
    }

    #[test]
    fn the_parts_nobody_spoke_of_are_listed_and_sent_again() {
        let wanted = [(1, OutcomeKind::InDoubt), (0, OutcomeKind::Retry)];
        assert_eq!(settled(&[0], Word::Parts), wanted);
        assert_eq!(settled(&[0], Word::Nothing), wanted);
    }

    #[test]
    fn what_was_refused_is_not_sent_again_though_another_part_may_have_left() {
        assert_eq!(settled(&[0], Word::Refused), [(1, OutcomeKind::InDoubt)]);
    }

    #[test]
    fn what_ended_as_a_whole_is_in_no_doubt() {
        assert_eq!(settled(&[0], Word::Ended), []);
    }
}
