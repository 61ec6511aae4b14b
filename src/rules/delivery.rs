//! What to do with a carrier's answer to one part: taken, refused for good, again later, slower.

use std::time::Duration;

use protocol::status::{Status, StatusClass};

use crate::backoff::Backoff;
use crate::message::Purpose;

/// An unknown status may be anything: tried so often before it counts as final.
const UNKNOWN_TRIES: u32 = 3;

/// How often and how patiently a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in all.
    pub attempts: u32,
    /// Waits between them.
    pub backoff: Backoff,
}

impl Default for Patience {
    /// A temporary error lasts minutes to hours: five attempts reach over one.
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Backoff { min: Duration::from_secs(30), max: Duration::from_secs(3_600) },
        }
    }
}

/// What a carrier's answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Taken.
    Sent,
    /// Refused for good.
    Rejected,
    /// Not now: again after this wait.
    Again(Duration),
    /// Not now, and not again: tried as often as allowed.
    GaveUp,
    /// The carrier is too busy: the same message first, after a pause. No attempt is counted.
    Slower,
}

/// May a message that has perhaps left go out once more, where the policy is to send again? The confirmation of an
/// opt-out is allowed once: a second one would be a message after STOP.
pub fn may_go_twice(purpose: Purpose) -> bool {
    purpose != Purpose::Confirmation
}

/// Judges the answer to attempt number `attempt` (0 = the first).
pub fn fate(status: Status, attempt: i64, patience: Patience, dice: u64) -> Fate {
    let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
    let limit = match status.class() {
        StatusClass::Ok => return Fate::Sent,
        StatusClass::Final => return Fate::Rejected,
        StatusClass::SlowDown => return Fate::Slower,
        StatusClass::Retry | StatusClass::Link => patience.attempts,
    };
    let limit = if status.name().is_none() { limit.min(UNKNOWN_TRIES) } else { limit };
    if attempt.saturating_add(1) >= limit {
        Fate::GaveUp
    } else {
        Fate::Again(patience.backoff.wait(attempt, dice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        attempts: 5,
        backoff: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) },
    };

    #[test]
    fn a_carriers_answer_is_sorted_by_what_must_be_done() {
        assert_eq!(fate(Status(0), 0, PATIENCE, 0), Fate::Sent);
        assert_eq!(fate(Status(0x0B), 0, PATIENCE, 0), Fate::Rejected, "invalid destination");
        assert_eq!(fate(Status(0x58), 9, PATIENCE, 0), Fate::Slower, "throttled");
        assert_eq!(fate(Status(0x14), 9, PATIENCE, 0), Fate::Slower, "queue full");
        assert!(matches!(fate(Status(0x08), 0, PATIENCE, 0), Fate::Again(_)), "system error");
    }

    #[test]
    fn the_one_confirmation_of_an_opt_out_never_goes_twice() {
        assert!(!may_go_twice(Purpose::Confirmation));
        assert!(may_go_twice(Purpose::Survey) && may_go_twice(Purpose::OneTimeCode));
    }

    #[test]
    fn a_message_is_given_up_after_its_attempts_and_sooner_when_the_status_is_unknown() {
        assert!(matches!(fate(Status(0x08), 3, PATIENCE, 0), Fate::Again(_)));
        assert_eq!(fate(Status(0x08), 4, PATIENCE, 0), Fate::GaveUp);
        let unknown = Status(0x0000_04FE);
        if unknown.class() == StatusClass::Retry {
            assert_eq!(fate(unknown, 2, PATIENCE, 0), Fate::GaveUp);
        }
    }
}
