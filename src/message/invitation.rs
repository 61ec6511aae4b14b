//! How an invitation to a survey stands, and how it ended.

use serde::{Deserialize, Serialize};

/// How an invitation to a survey stands. Every one ends in exactly one of the states behind `Open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// Another question is open on this handset and code; this one has not been asked.
    Waiting,
    /// A reply is an answer to it.
    Open,
    /// Answered to the end.
    Complete,
    /// Not to the end, but as much as the survey calls enough.
    Partial,
    /// Some answers, less than enough.
    BreakOff,
    /// Declined, without STOP.
    Refused,
    /// The person said STOP; answers given before it stay.
    OptedOut,
    /// Something came back, nothing that can be read, as often as we may ask.
    Unreadable,
    /// Nothing came back in time.
    NoAnswer,
    /// The question never reached the handset.
    NotDelivered,
    /// The operator ended it.
    Cancelled,
}

impl InvitationState {
    /// The word for it in tables, exports and the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::BreakOff => "break_off",
            Self::Refused => "refused",
            Self::OptedOut => "opted_out",
            Self::Unreadable => "unreadable",
            Self::NoAnswer => "no_answer",
            Self::NotDelivered => "not_delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more is asked: an answer that comes now is late, or changes one that was given.
    pub fn is_closed(self) -> bool {
        !matches!(self, Self::Waiting | Self::Open)
    }
}
