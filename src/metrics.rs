//! Counts of what happens, handed to whoever counts: an explicit set, never a global one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// One count.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So many fewer; for gauges.
    pub fn less(&self, fewer: u64) {
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Times kept, bounded: the latest so many, for percentiles a person can trust.
#[derive(Debug, Default)]
pub struct Times(Mutex<Vec<u64>>);

/// Enough for the 99.9th percentile, 64 kB.
const TIMES_KEPT: usize = 8_192;

impl Times {
    /// Keeps one.
    pub fn keep(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == TIMES_KEPT {
            // Overwrites in turn: the place is as good as random for the order times come in.
            let place = usize::try_from(micros).unwrap_or_default() % TIMES_KEPT;
            kept[place] = micros;
        } else {
            kept.push(micros);
        }
    }

    /// The time under which this share (0.0 to 1.0) of the kept ones lie.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.sort_unstable();
        let last = kept.len().checked_sub(1)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let place = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
        kept.get(place).map(|micros| Duration::from_micros(*micros))
    }
}

/// What the server counts while it runs. The database holds the truth; these are for watching.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages accepted.
    pub accepted: Count,
    /// Messages in the window: written to a carrier, not yet answered. A gauge.
    pub in_window: Count,
    /// Messages the carrier took.
    pub sent: Count,
    /// Parts the carrier took.
    pub sent_parts: Count,
    /// Messages refused for good.
    pub rejected: Count,
    /// Messages to be tried again.
    pub retried: Count,
    /// Messages in doubt.
    pub in_doubt: Count,
    /// Messages stopped at the door out.
    pub suppressed: Count,
    /// Messages that wait for their people's hours, each time they are put off.
    pub held_by_hours: Count,
    /// Answers that a carrier is too busy.
    pub throttled: Count,
    /// Receipts: delivered.
    pub delivered: Count,
    /// Receipts: any other end.
    pub undelivered: Count,
    /// Receipts that wait for their message.
    pub receipts_waiting: Count,
    /// Parts in doubt of which a receipt told that the carrier has them.
    pub doubts_resolved: Count,
    /// Messages from people.
    pub inbound: Count,
    /// Answers taken.
    pub answered: Count,
    /// Questions asked again.
    pub asked_again: Count,
    /// Opt-outs.
    pub opted_out: Count,
    /// Messages, replies and events that were old enough to be forgotten.
    pub forgotten: Count,
    /// Binds up. A gauge.
    pub binds_up: Count,
    /// Binds that should be up. A gauge.
    pub binds_wanted: Count,
    /// ESMEs bound to us. A gauge.
    pub esme_binds: Count,
    /// Binds refused to ESMEs.
    pub esme_bind_refused: Count,
    /// Messages accepted from ESMEs.
    pub esme_submitted: Count,
    /// Messages refused to ESMEs.
    pub esme_refused: Count,
    /// Receipts that ESMEs have answered.
    pub esme_receipts: Count,
    /// From the STOP read off the socket to the gate shut.
    pub stop_to_gate: Times,
    /// From the STOP read off the socket to its deliver_sm_resp handed to the session.
    pub stop_to_answer: Times,
}

/// A moment's counts, for a live view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the same counts as in Metrics")]
pub struct Snapshot {
    pub accepted: u64,
    pub in_window: u64,
    pub sent: u64,
    pub rejected: u64,
    pub suppressed: u64,
    pub in_doubt: u64,
    pub throttled: u64,
    pub delivered: u64,
    pub undelivered: u64,
    pub inbound: u64,
    pub answered: u64,
    pub asked_again: u64,
    pub opted_out: u64,
    pub binds_up: u64,
}

impl Metrics {
    /// The counts of this moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self.accepted.get(),
            in_window: self.in_window.get(),
            sent: self.sent.get(),
            rejected: self.rejected.get(),
            suppressed: self.suppressed.get(),
            in_doubt: self.in_doubt.get(),
            throttled: self.throttled.get(),
            delivered: self.delivered.get(),
            undelivered: self.undelivered.get(),
            inbound: self.inbound.get(),
            answered: self.answered.get(),
            asked_again: self.asked_again.get(),
            opted_out: self.opted_out.get(),
            binds_up: self.binds_up.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_times_kept() {
        let times = Times::default();
        assert_eq!(times.percentile(0.5), None);
        (1..=100).for_each(|ms| times.keep(Duration::from_millis(ms)));
        assert_eq!(times.percentile(0.0), Some(Duration::from_millis(1)));
        assert_eq!(times.percentile(1.0), Some(Duration::from_millis(100)));
        assert_eq!(times.percentile(0.5), Some(Duration::from_millis(51)));
    }
}
