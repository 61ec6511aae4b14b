//! Why a message is sent, how urgent that makes it, and how far an opt-out reaches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a message is sent. Decides consent, hours and class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A one-time code somebody is waiting for.
    OneTimeCode,
    /// A notice about something the person did or owes.
    Transactional,
    /// Our answer to what the person just wrote: asking again, a thank-you.
    Reply,
    /// The one confirmation after an opt-out or opt-in. Allowed to a blocked number.
    Confirmation,
    /// The answer to HELP. Allowed to a blocked number.
    Help,
    /// A survey's question.
    Survey,
    /// Advertising.
    Promotional,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 7] = [
        Self::OneTimeCode,
        Self::Transactional,
        Self::Reply,
        Self::Confirmation,
        Self::Help,
        Self::Survey,
        Self::Promotional,
    ];

    /// The purpose of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// How urgent it is.
    pub fn class(self) -> Class {
        match self {
            Self::OneTimeCode => Class::OneTimeCode,
            Self::Transactional | Self::Reply | Self::Confirmation | Self::Help => Class::Transactional,
            Self::Survey => Class::Survey,
            Self::Promotional => Class::Promotional,
        }
    }

    /// Its name in files, commands and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneTimeCode => "one_time_code",
            Self::Transactional => "transactional",
            Self::Reply => "reply",
            Self::Confirmation => "confirmation",
            Self::Help => "help",
            Self::Survey => "survey",
            Self::Promotional => "promotional",
        }
    }
}

/// How urgent a message is; the lower goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Somebody waits at a login page.
    OneTimeCode,
    /// Notices and replies.
    Transactional,
    /// Survey questions.
    Survey,
    /// Advertising.
    Promotional,
}

impl Class {
    /// Every class, most urgent first.
    pub const ALL: [Self; 4] = [Self::OneTimeCode, Self::Transactional, Self::Survey, Self::Promotional];

    /// Its rank in the database; 0 is the most urgent.
    pub fn rank(self) -> i64 {
        match self {
            Self::OneTimeCode => 0,
            Self::Transactional => 1,
            Self::Survey => 2,
            Self::Promotional => 3,
        }
    }
}

/// How far an opt-out or an opt-in reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything of ours.
    Everything,
    /// One sender: what a STOP to a short code means.
    Sender(String),
    /// One programme, by its name.
    Programme(String),
    /// What is sent there for one purpose.
    Only(Box<Scope>, Purpose),
}

impl Scope {
    /// The same place, for one purpose.
    pub fn only(self, purpose: Purpose) -> Self {
        match self {
            Self::Only(place, _) => Self::Only(place, purpose),
            place => Self::Only(Box::new(place), purpose),
        }
    }
}

impl fmt::Display for Scope {
    /// The form kept in the database: `all`, `sender:88001`, `programme:promo`, `all/promotional`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("all"),
            Self::Sender(sender) => write!(f, "sender:{sender}"),
            Self::Programme(name) => write!(f, "programme:{name}"),
            Self::Only(place, purpose) => write!(f, "{place}/{}", purpose.name()),
        }
    }
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; write all, sender:88001 or programme:promo, and for one purpose all/promotional")]
pub struct NotAScope(String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let wrong = || NotAScope(text.to_owned());
        let (place, purpose) = match text.rsplit_once('/') {
            Some((place, purpose)) => (place, Some(Purpose::named(purpose).ok_or_else(wrong)?)),
            None => (text, None),
        };
        let place = match place.split_once(':') {
            None if place == "all" => Self::Everything,
            Some(("sender", sender)) if !sender.is_empty() => Self::Sender(sender.to_owned()),
            Some(("programme", name)) if !name.is_empty() => Self::Programme(name.to_owned()),
            _ => return Err(wrong()),
        };
        Ok(match purpose {
            Some(purpose) => place.only(purpose),
            None => place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_as_written() {
        for place in [Scope::Everything, Scope::Sender("88001".into()), Scope::Programme("promo".into())] {
            assert_eq!(place.to_string().parse(), Ok(place.clone()));
            for purpose in Purpose::ALL {
                let only = place.clone().only(purpose);
                assert_eq!(only.to_string().parse(), Ok(only));
            }
        }
        for wrong in ["everyone", "all/anything", "sender:", "programme:/promotional", "all/survey/survey"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_to_a_person_goes_before_a_survey_and_a_code_before_both() {
        assert!(Purpose::OneTimeCode.class() < Purpose::Reply.class());
        assert!(Purpose::Reply.class() < Purpose::Survey.class());
        assert!(Purpose::Survey.class() < Purpose::Promotional.class());
    }
}
