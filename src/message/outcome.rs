//! What became of a message: the rows that are only ever added, and the one final state they amount to.

use serde::{Deserialize, Serialize};

/// What one attempt with one part of a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The carrier took it (`submit_sm_resp` with ESME_ROK).
    Sent,
    /// The carrier refused it for good.
    Rejected,
    /// Refused for now; a later chunk tries again.
    Retry,
    /// Written to a socket without a recorded answer: it may have left.
    InDoubt,
    /// Stopped at the door out: consent, hours, caps.
    Suppressed,
    /// Its time ran out before it was sent.
    Expired,
    /// Tried as often as allowed.
    GaveUp,
}

impl OutcomeKind {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Rejected => "rejected",
            Self::Retry => "retry",
            Self::InDoubt => "in_doubt",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::GaveUp => "gave_up",
        }
    }
}

/// The one state a message ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Final {
    /// The handset has it.
    Delivered,
    /// The carrier could not deliver it.
    Undeliverable,
    /// The carrier's or our time ran out.
    Expired,
    /// The carrier refused it.
    Rejected,
    /// Never sent: consent, hours, caps.
    Suppressed,
    /// May have left; policy says not again.
    InDoubt,
    /// Tried as often as allowed.
    GaveUp,
}
