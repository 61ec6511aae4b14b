//! After a crash: what was certainly not written goes back into the queue, what may have been is in doubt and listed.

use crate::config::InDoubtPolicy;
use crate::flow::Flow;
use crate::flow::outbound::{lease_ms, part_count};
use crate::flow::settle::outcome;
use crate::message::{MessageId, OutcomeKind};
use crate::rules::delivery::may_go_twice;
use crate::store::{ChunkId, Interrupted, NewChunk, OutcomeRow, Record, StoreError};

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
    /// Settles what earlier runs left behind, before anything is sent.
    ///
    /// # Errors
    /// What the memory says.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let config = self.config();
        let mut recovered = Recovered::default();
        loop {
            // some dozens at once, however many there are
            let found = self.store.interrupted(self.clock.now_ms(), lease_ms()).await?;
            if found.is_empty() {
                break;
            }
            for interrupted in found {
                let policy = config
                    .carrier(&interrupted.chunk.lane)
                    .map_or(InDoubtPolicy::Hold, |carrier| carrier.in_doubt);
                let Settlement { record, counts } = self.settlement(interrupted, policy);
                self.record(record).await?;
                recovered.chunks += counts.chunks;
                recovered.unsent += counts.unsent;
                recovered.in_doubt += counts.in_doubt;
                recovered.resent += counts.resent;
            }
        }
        self.metrics.in_doubt.add(recovered.in_doubt);
        Ok(recovered)
    }

    /// One commit: the doubt written down, the rest queued, the old chunk closed.
    fn settlement(&self, interrupted: Interrupted, policy: InDoubtPolicy) -> Settlement {
        let now_ms = self.clock.now_ms();
        let Interrupted { chunk, in_doubt, answered, unsent } = interrupted;
        let mut outcomes = Vec::new();
        let (mut doubtful, mut resent) = (0, Vec::new());
        let unanswered = in_doubt.into_iter().map(|message| (message, Vec::new()));
        for (message, known) in unanswered.chain(answered) {
            let parts = part_count(&message);
            let missing: Vec<i64> = (0_i64..).take(parts).filter(|part| !known.contains(part)).collect();
            // Everything of it has an outcome: what follows from that was written with the last of them.
            if missing.is_empty() {
                continue;
            }
            let row = |part: i64, kind: OutcomeKind, cause: &str| OutcomeRow {
                at_ms: now_ms,
                carrier: Some(chunk.lane.clone()),
                cause: Some(cause.to_owned()),
                ..outcome(message.id, chunk.attempt, part, kind)
            };
            let cause = "the process ended while it was being sent";
            outcomes.extend(missing.iter().map(|part| row(*part, OutcomeKind::InDoubt, cause)));
            doubtful += 1;
            if policy == InDoubtPolicy::Resend && may_go_twice(message.purpose) {
                outcomes.push(row(0, OutcomeKind::Retry, "in doubt, sent again by policy"));
                resent.push(message.id);
            }
        }
        let unsent: Vec<MessageId> = unsent.into_iter().map(|message| message.id).collect();
        let again = |members: &[MessageId]| {
            (!members.is_empty()).then(|| NewChunk {
                id: ChunkId(self.ids.next(now_ms).0),
                lane: chunk.lane.clone(),
                class: chunk.class,
                campaign: chunk.campaign.clone(),
                not_before_ms: now_ms,
                attempt: chunk.attempt + 1,
                members: members.to_vec(),
                carries_on: Some(chunk.id),
            })
        };
        let counts = Recovered {
            chunks: 1,
            unsent: unsent.len() as u64,
            in_doubt: doubtful,
            resent: resent.len() as u64,
        };
        let retry = [again(&resent), again(&unsent)].into_iter().flatten().collect();
        Settlement { record: Record { outcomes, retry, done: vec![chunk.id] }, counts }
    }
}

/// What settles one chunk, and what it amounts to.
struct Settlement {
    record: Record,
    counts: Recovered,
}
