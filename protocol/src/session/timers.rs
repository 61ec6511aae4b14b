//! The timers of a session (SMPP 3.4 section 7.2) but the response timer, which the window keeps for each request.

use std::time::{Duration, Instant};

use crate::session::settings::Settings;

/// A timer served so late, or a stall so long, means that the peer's octets waited for us. They are read first: for so
/// long nobody is given up.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The longest stall that nobody is given up for: a peer hardly waits longer for an answer, and has gone by then.
const STALL_MOST: Duration = Duration::from_secs(60);

/// What is to be done when a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Not bound in time.
    Init,
    /// Silence: send enquire_link.
    Probe,
    /// No sign of life since the enquire_link.
    Dead,
    /// Nothing but enquire_link for too long.
    Inactive,
    /// The end has been waited for long enough.
    Ending,
}

/// Every moment that matters, as plain state: what is due is computed, nothing is armed or cancelled.
pub(super) struct Timers {
    init: Option<Instant>,
    bound: Option<Bound>,
    ending: Option<Instant>,
    // Since when we do not read, for want of our own answers.
    stalled: Option<Instant>,
    // Until when nobody is given up.
    respite: Option<Instant>,
}

/// What is kept while bound.
struct Bound {
    received: Instant,
    sent: Instant,
    /// The last PDU either way but enquire_link.
    active: Instant,
    /// When the enquire_link that is out was sent.
    probed: Option<Instant>,
}

impl Timers {
    pub(super) fn new(now: Instant, settings: &Settings) -> Self {
        Timers {
            init: now.checked_add(settings.init_timeout),
            bound: None,
            ending: None,
            stalled: None,
            respite: None,
        }
    }

    /// The time for the bind begins again.
    pub(super) fn binding(&mut self, now: Instant, settings: &Settings) {
        self.init = now.checked_add(settings.init_timeout);
    }

    pub(super) fn bound(&mut self, now: Instant) {
        self.init = None;
        self.bound = Some(Bound { received: now, sent: now, active: now, probed: None });
    }

    /// The end has begun: only its own time counts now.
    pub(super) fn ending(&mut self, now: Instant, within: Duration) {
        self.init = None;
        self.bound = None;
        self.ending = now.checked_add(within);
    }

    pub(super) fn stop(&mut self) {
        *self = Timers { init: None, bound: None, ending: None, stalled: None, respite: None };
    }

    /// A PDU came, whatever it is: the peer lives.
    pub(super) fn received(&mut self, now: Instant) {
        if let Some(bound) = &mut self.bound {
            bound.received = now;
            bound.probed = None;
        }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        if let Some(bound) = &mut self.bound {
            bound.sent = now;
        }
    }

    /// A PDU other than enquire_link went either way.
    pub(super) fn active(&mut self, now: Instant) {
        if let Some(bound) = &mut self.bound {
            bound.active = now;
        }
    }

    /// An enquire_link was sent.
    pub(super) fn probed(&mut self, now: Instant) {
        if let Some(bound) = &mut self.bound {
            bound.probed = Some(now);
        }
    }

    /// We stop reading.
    pub(super) fn stalled(&mut self, now: Instant) {
        self.stalled = self.stalled.or(Some(now));
    }

    /// We read again.
    pub(super) fn resumed(&mut self, now: Instant) {
        if let Some(since) = self.stalled.take()
            && now.saturating_duration_since(since) >= STANDSTILL
        {
            self.respite = now.checked_add(STANDSTILL);
        }
    }

    /// What was due is served only now. Late enough, it means that we stood still: once for each thing due.
    pub(super) fn served(&mut self, now: Instant, due: Instant) {
        if now.saturating_duration_since(due) >= STANDSTILL
            && self.respite.is_none_or(|respite| respite < due)
        {
            self.respite = now.checked_add(STANDSTILL);
        }
    }

    /// When an answer that is due is given up: not while it may be there unread.
    pub(super) fn give_up(&self, due: Instant) -> Instant {
        let stall = self.stalled.and_then(|since| since.checked_add(STALL_MOST));
        self.respite.max(stall).map_or(due, |until| until.max(due))
    }

    /// What is due next, and when.
    pub(super) fn next(&self, settings: &Settings) -> Option<(Instant, Alarm)> {
        let mut next = self.init.map(|at| (at, Alarm::Init));
        let mut consider = |at: Option<Instant>, alarm| {
            if let Some(at) = at
                && next.is_none_or(|(soonest, _)| at < soonest)
            {
                next = Some((at, alarm));
            }
        };
        consider(self.ending, Alarm::Ending);
        if let Some(bound) = &self.bound {
            match bound.probed {
                Some(probed) => {
                    let due = probed.checked_add(settings.response_timeout);
                    consider(due.map(|due| self.give_up(due)), Alarm::Dead);
                }
                // Silence on either side: a peer may watch for ours.
                None if !settings.enquire_link_interval.is_zero() => {
                    let quiet = bound.received.min(bound.sent);
                    consider(quiet.checked_add(settings.enquire_link_interval), Alarm::Probe);
                }
                None => {}
            }
            if let Some(timeout) = settings.inactivity_timeout {
                consider(bound.active.checked_add(timeout), Alarm::Inactive);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_is_next_and_silence_on_either_side_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let settings = Settings {
            init_timeout: Duration::from_secs(5),
            enquire_link_interval: Duration::from_secs(20),
            response_timeout: Duration::from_secs(10),
            inactivity_timeout: Some(Duration::from_secs(60)),
            ..Settings::esme()
        };
        let mut timers = Timers::new(start, &settings);
        assert_eq!(timers.next(&settings), Some((at(5), Alarm::Init)));
        timers.bound(at(1));
        assert_eq!(timers.next(&settings), Some((at(21), Alarm::Probe)));
        timers.sent(at(9));
        assert_eq!(timers.next(&settings), Some((at(21), Alarm::Probe)));
        timers.received(at(15));
        assert_eq!(timers.next(&settings), Some((at(29), Alarm::Probe)));
        timers.probed(at(29));
        timers.received(at(38));
        timers.sent(at(58));
        assert_eq!(timers.next(&settings), Some((at(58), Alarm::Probe)));
        timers.sent(at(60));
        timers.received(at(60));
        assert_eq!(timers.next(&settings), Some((at(61), Alarm::Inactive)));
        timers.active(at(61));
        assert_eq!(timers.next(&settings), Some((at(80), Alarm::Probe)));
        timers.ending(at(70), Duration::from_secs(3));
        assert_eq!(timers.next(&settings), Some((at(73), Alarm::Ending)));
        timers.stop();
        assert_eq!(timers.next(&settings), None);
    }

    #[test]
    fn nobody_is_given_up_while_answers_may_wait_unread() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new(start, &Settings::esme());
        timers.stalled(at(10));
        timers.stalled(at(11));
        assert_eq!((timers.give_up(at(20)), timers.give_up(at(99))), (at(70), at(99)));
        timers.resumed(at(30));
        assert_eq!((timers.give_up(at(20)), timers.give_up(at(32))), (at(31), at(32)));
        timers.stalled(at(40));
        timers.resumed(at(40));
        assert_eq!(timers.give_up(at(40)), at(40), "a stall of a moment is none");
        timers.served(at(50), at(50));
        assert_eq!(timers.give_up(at(50)), at(50));
        timers.served(at(60), at(50));
        assert_eq!(timers.give_up(at(50)), at(61));
        timers.served(at(70), at(61));
        assert_eq!(timers.give_up(at(50)), at(61), "once for each thing due");
    }

    #[test]
    fn what_is_switched_off_never_fires() {
        let settings = Settings {
            init_timeout: Duration::MAX,
            enquire_link_interval: Duration::ZERO,
            inactivity_timeout: None,
            ..Settings::smsc()
        };
        let now = Instant::now();
        let mut timers = Timers::new(now, &settings);
        assert_eq!(timers.next(&settings), None);
        timers.bound(now);
        assert_eq!(timers.next(&settings), None);
    }
}
