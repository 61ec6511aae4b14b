//! What is told apart when it is decided how long something is kept.

use crate::message::Class;

/// Whether a database has a table for each day of messages, so that what is old enough goes with its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitions {
    /// One table for all days.
    #[default]
    None,
    /// Messages, their outcomes and their receipts by the day, in UTC, on which the message was made. On Postgres only.
    Daily,
}

/// A kind of row that is kept for a time of its own. Opt-outs and the proof of consent are kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Messages of a class to people, with what came of them and the invitations they were.
    Messages(Class),
    /// What people said, with what was read in it, and conversations that are closed.
    Replies,
    /// What is told to who follows `backchat events`.
    Events,
}

impl Kept {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Messages(Class::OneTimeCode),
        Self::Messages(Class::Transactional),
        Self::Messages(Class::Survey),
        Self::Messages(Class::Promotional),
        Self::Replies,
        Self::Events,
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages(Class::OneTimeCode) => "one_time_code",
            Self::Messages(Class::Transactional) => "transactional",
            Self::Messages(Class::Survey) => "survey",
            Self::Messages(Class::Promotional) => "promotional",
            Self::Replies => "replies",
            Self::Events => "events",
        }
    }
}
