//! Who has said STOP, and what was sent to them all the same: the proof that there is silence.

use std::collections::HashMap;

use protocol::octets::COctets;

use crate::message::Msisdn;

/// The one confirmation of a STOP comes within this time, or it is no confirmation: five minutes, as the rule of the USA
/// has it (47 CFR 64.1200(a)(12)). A gateway that was killed in between needs some of it.
const CONFIRMED_WITHIN_MS: i64 = 300_000;

/// What was written on another link before the STOP was acknowledged may be read after it: the order holds for one link
/// only. Within this time messages on other links count as written before.
const OTHER_LINKS_MS: i64 = 100;

/// One handset and one code.
pub(super) type Pair = (Msisdn, COctets);

/// What a message that has begun is to a handset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// Welcome.
    Free,
    /// The one answer allowed after a STOP, or the help called for since.
    Confirmation,
    /// Sent in spite of the STOP.
    AfterStop,
}

/// Every STOP that was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Stops {
    stopped: HashMap<Pair, Stop>,
}

#[derive(Debug)]
struct Stop {
    since_ms: i64,
    /// The link it was acknowledged on.
    link: u64,
    /// Until when one message more is allowed.
    excused_until_ms: Option<i64>,
}

impl Stops {
    /// Takes that the deliver_sm_resp of a STOP was read on this link.
    pub(super) fn stop(&mut self, pair: Pair, link: u64, now_ms: i64) {
        let excused_until_ms = Some(now_ms + CONFIRMED_WITHIN_MS);
        self.stopped.entry(pair).or_insert(Stop { since_ms: now_ms, link, excused_until_ms });
    }

    /// Takes that somebody who has stopped calls for help: one answer is allowed.
    pub(super) fn help(&mut self, pair: &Pair, now_ms: i64) {
        if let Some(stop) = self.stopped.get_mut(pair) {
            stop.excused_until_ms = Some(now_ms + CONFIRMED_WITHIN_MS);
        }
    }

    /// Takes that somebody says START: everything is allowed again.
    pub(super) fn start(&mut self, pair: &Pair) {
        self.stopped.remove(pair);
    }

    /// Judges a message whose first part was just read on this link.
    pub(super) fn judge(&mut self, pair: &Pair, link: u64, now_ms: i64) -> Begun {
        if self.stopped.is_empty() {
            return Begun::Free;
        }
        let Some(stop) = self.stopped.get_mut(pair) else { return Begun::Free };
        if link != stop.link && now_ms < stop.since_ms + OTHER_LINKS_MS {
            return Begun::Free;
        }
        match stop.excused_until_ms.take() {
            Some(until_ms) if now_ms <= until_ms => Begun::Confirmation,
            _ => Begun::AfterStop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        (Msisdn(447_700_900_123), COctets::from("88001"))
    }

    #[test]
    fn one_message_after_a_stop_is_its_confirmation_and_the_next_one_is_a_breach() {
        let mut stops = Stops::default();
        assert_eq!(stops.judge(&pair(), 1, 0), Begun::Free);
        stops.stop(pair(), 1, 1_000);
        assert_eq!(stops.judge(&(Msisdn(7), pair().1), 1, 1_000), Begun::Free);
        assert_eq!(stops.judge(&(pair().0, COctets::from("88002")), 1, 1_000), Begun::Free);
        assert_eq!(stops.judge(&pair(), 1, 1_000), Begun::Confirmation);
        assert_eq!(stops.judge(&pair(), 1, 1_001), Begun::AfterStop);
        assert_eq!(stops.judge(&pair(), 1, 99_999), Begun::AfterStop);
    }

    #[test]
    fn a_confirmation_that_takes_too_long_is_none() {
        let mut stops = Stops::default();
        stops.stop(pair(), 1, 1_000);
        assert_eq!(stops.judge(&pair(), 1, 1_001 + CONFIRMED_WITHIN_MS), Begun::AfterStop);
    }

    #[test]
    fn a_second_stop_excuses_no_second_confirmation() {
        let mut stops = Stops::default();
        stops.stop(pair(), 1, 1_000);
        assert_eq!(stops.judge(&pair(), 1, 1_010), Begun::Confirmation);
        stops.stop(pair(), 1, 2_000);
        assert_eq!(stops.judge(&pair(), 1, 2_010), Begun::AfterStop);
    }

    #[test]
    fn help_may_be_answered_and_start_ends_the_silence() {
        let mut stops = Stops::default();
        stops.stop(pair(), 1, 1_000);
        assert_eq!(stops.judge(&pair(), 1, 1_010), Begun::Confirmation);
        stops.help(&pair(), 60_000);
        assert_eq!(stops.judge(&pair(), 1, 60_010), Begun::Confirmation);
        assert_eq!(stops.judge(&pair(), 1, 60_020), Begun::AfterStop);
        stops.start(&pair());
        assert_eq!(stops.judge(&pair(), 1, 60_030), Begun::Free);
    }

    #[test]
    fn what_was_written_on_another_link_before_may_be_read_a_moment_after() {
        let mut stops = Stops::default();
        stops.stop(pair(), 1, 1_000);
        assert_eq!(stops.judge(&pair(), 2, 1_000 + OTHER_LINKS_MS - 1), Begun::Free);
        assert_eq!(stops.judge(&pair(), 2, 1_000 + OTHER_LINKS_MS), Begun::Confirmation);
    }
}
