//! What became of a message, and the rule that a final state stays.

use std::fmt;

/// A message_state (SMPP 3.4, 5.2.28; 5.0, 4.7.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageState {
    /// 0, of 5.0: not yet tried.
    Scheduled,
    /// 1: under way.
    Enroute,
    /// 2: the handset has it.
    Delivered,
    /// 3: its validity ended.
    Expired,
    /// 4: deleted.
    Deleted,
    /// 5: it cannot be delivered.
    Undeliverable,
    /// 6: taken on. Carriers send it first of several, whatever the standard says.
    Accepted,
    /// 7: nobody knows; and every value or word without a known meaning.
    Unknown,
    /// 8: refused.
    Rejected,
    /// 9, of 5.0: left out.
    Skipped,
}

impl MessageState {
    /// All of them, by value.
    pub const ALL: [Self; 10] = [
        Self::Scheduled,
        Self::Enroute,
        Self::Delivered,
        Self::Expired,
        Self::Deleted,
        Self::Undeliverable,
        Self::Accepted,
        Self::Unknown,
        Self::Rejected,
        Self::Skipped,
    ];

    /// By the value of message_state; `Unknown` above 9.
    pub fn from_value(value: u64) -> Self {
        usize::try_from(value).ok().and_then(|at| Self::ALL.get(at)).copied().unwrap_or(Self::Unknown)
    }

    /// The value of message_state.
    pub fn value(self) -> u8 {
        self as u8
    }

    /// By a word after `stat:`, in any letter case: those of appendix B and those carriers use in their place. `None` for
    /// words with no known meaning; numbers are among these, since carriers number differently.
    pub fn from_word(word: &[u8]) -> Option<Self> {
        let (_, state) = WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()))?;
        Some(*state)
    }

    /// The seven letters of appendix B (5.0 has no words for its two; these are in their style).
    pub fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDLD",
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The name in the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVERED",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIVERABLE",
            Self::Accepted => "ACCEPTED",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTED",
            Self::Skipped => "SKIPPED",
        }
    }

    /// Whether nothing comes after it. Not `Accepted`, which carriers send first, and not `Unknown`, which says nothing:
    /// a message that stays there is ended by its time.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Enroute | Self::Accepted | Self::Unknown)
    }

    /// The state after a further receipt says `later`: a final one stays whatever comes, and `Unknown` takes nothing
    /// back.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        if self.is_final() || later == Self::Unknown { self } else { later }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const WORDS: [(&str, MessageState); 31] = [
    ("DELIVRD", MessageState::Delivered),
    ("DELIVERED", MessageState::Delivered),
    ("DELIVERD", MessageState::Delivered),
    ("DELIVRED", MessageState::Delivered),
    ("DLVRD", MessageState::Delivered),
    ("EXPIRED", MessageState::Expired),
    ("EXPIRD", MessageState::Expired),
    ("DELETED", MessageState::Deleted),
    ("UNDELIV", MessageState::Undeliverable),
    ("UNDELIVERABLE", MessageState::Undeliverable),
    ("UNDELIVERED", MessageState::Undeliverable),
    ("UNDELIVRD", MessageState::Undeliverable),
    ("UNDELVD", MessageState::Undeliverable),
    ("FAILED", MessageState::Undeliverable),
    ("FAIL", MessageState::Undeliverable),
    ("FAILURE", MessageState::Undeliverable),
    ("ACCEPTD", MessageState::Accepted),
    ("ACCEPTED", MessageState::Accepted),
    // Kannel reads these four as "taken on, more to come".
    ("ACKED", MessageState::Accepted),
    ("BUFFRED", MessageState::Enroute),
    ("BUFFERD", MessageState::Enroute),
    ("BUFFERED", MessageState::Enroute),
    ("ENROUTE", MessageState::Enroute),
    ("EN_ROUTE", MessageState::Enroute),
    ("UNKNOWN", MessageState::Unknown),
    ("REJECTD", MessageState::Rejected),
    ("REJECTED", MessageState::Rejected),
    ("REJCTED", MessageState::Rejected),
    ("SCHEDLD", MessageState::Scheduled),
    ("SCHEDULED", MessageState::Scheduled),
    ("SKIPPED", MessageState::Skipped),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_words_read_back() {
        for state in MessageState::ALL {
            assert_eq!(MessageState::from_value(u64::from(state.value())), state);
            assert_eq!(MessageState::from_word(state.word().as_bytes()), Some(state));
            assert_eq!(MessageState::from_word(state.name().to_lowercase().as_bytes()), Some(state));
            assert_eq!(state.word().len(), 7);
        }
        assert_eq!(MessageState::from_value(10), MessageState::Unknown);
        assert_eq!(MessageState::from_value(u64::MAX), MessageState::Unknown);
        assert_eq!(MessageState::from_word(b"0"), None);
        assert_eq!(MessageState::from_word(b"failed"), Some(MessageState::Undeliverable));
    }

    #[test]
    fn a_final_state_never_reverts() {
        for first in MessageState::ALL {
            for later in MessageState::ALL {
                let after = first.then(later);
                if first.is_final() {
                    assert_eq!(after, first);
                } else if later.is_final() {
                    assert_eq!(after, later);
                }
                assert_eq!(first.then(first), first);
            }
        }
        assert_eq!(MessageState::Enroute.then(MessageState::Unknown), MessageState::Enroute);
        assert_eq!(MessageState::Unknown.then(MessageState::Accepted), MessageState::Accepted);
    }
}
