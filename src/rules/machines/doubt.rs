//! The in-doubt resolver: what becomes of a message that may or may not have left.

use std::time::Duration;

use crate::message::Purpose;
use crate::rules::delivery::may_go_twice;

/// What to do with a message that may or may not have left when a link or a process broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InDoubtPolicy {
    /// Send it again: at least once.
    Resend,
    /// Wait for a late answer, then decide.
    Hold,
    /// Leave it: at most once.
    Never,
}

/// What is decided when a held message has heard nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterHold {
    /// Send it again.
    Resend,
    /// Leave it in doubt.
    Leave,
}

/// How a route treats its messages in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubts {
    /// What to do first.
    pub policy: InDoubtPolicy,
    /// How long a held message waits for word of itself.
    pub hold: Duration,
    /// What then.
    pub after: AfterHold,
}

/// What becomes of one message in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Into the queue again, due after this wait. What has turned up of it by then is not sent again.
    Again(Duration),
    /// It ends in doubt, unless word of it comes.
    Leave,
}

impl Doubts {
    /// Decides about a message of this purpose. The one confirmation of an opt-out never goes twice.
    pub fn resolve(self, purpose: Purpose) -> Resolution {
        match (self.policy, self.after) {
            _ if !may_go_twice(purpose) => Resolution::Leave,
            (InDoubtPolicy::Resend, _) => Resolution::Again(Duration::ZERO),
            (InDoubtPolicy::Hold, AfterHold::Resend) => Resolution::Again(self.hold),
            (InDoubtPolicy::Hold, AfterHold::Leave) | (InDoubtPolicy::Never, _) => Resolution::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(900);

    fn doubts(policy: InDoubtPolicy, after: AfterHold) -> Doubts {
        Doubts { policy, hold: HOLD, after }
    }

    #[test]
    fn a_message_in_doubt_goes_again_at_once_after_a_wait_or_never_as_the_route_says() {
        use AfterHold::{Leave, Resend};
        let survey = Purpose::Survey;
        let at_once = Resolution::Again(Duration::ZERO);
        assert_eq!(doubts(InDoubtPolicy::Resend, Leave).resolve(survey), at_once);
        assert_eq!(doubts(InDoubtPolicy::Hold, Resend).resolve(survey), Resolution::Again(HOLD));
        assert_eq!(doubts(InDoubtPolicy::Hold, Leave).resolve(survey), Resolution::Leave);
        assert_eq!(doubts(InDoubtPolicy::Never, Resend).resolve(survey), Resolution::Leave);
    }

    #[test]
    fn the_one_confirmation_of_an_opt_out_never_goes_twice_whatever_the_policy() {
        for policy in [InDoubtPolicy::Resend, InDoubtPolicy::Hold, InDoubtPolicy::Never] {
            let resolved = doubts(policy, AfterHold::Resend).resolve(Purpose::Confirmation);
            assert_eq!(resolved, Resolution::Leave);
        }
    }
}
