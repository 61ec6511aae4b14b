//! Phone numbers and senders. Debug masks them, so that no log holds a number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// E.164: at most 15 digits, and no public number is shorter than 7 with its country code.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A handset's number in E.164, digits only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Msisdn(pub u64);

/// A text that is no number in international form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Letters or other signs.
    #[error("holds `{0}`; a number is digits, with a + in front if you like, like +447700900123")]
    Sign(char),
    /// Fewer than 7 or more than 15 digits.
    #[error("has {0} digits; an international number has 7 to 15, like +447700900123")]
    Length(usize),
    /// A national form.
    #[error("begins with 0; write it with its country code, like +447700900123")]
    National,
}

impl Msisdn {
    /// Reads `+44 7700 900-123`, `0044…`, `447700900123`.
    pub fn parse(text: &str) -> Result<Self, NotANumber> {
        let text = text.trim();
        let text = text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(text);
        let mut digits = String::with_capacity(DIGITS.end() + 1);
        for sign in text.chars() {
            match sign {
                '0'..='9' => digits.push(sign),
                ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
                other => return Err(NotANumber::Sign(other)),
            }
        }
        if digits.starts_with('0') {
            return Err(NotANumber::National);
        }
        if !DIGITS.contains(&digits.len()) {
            return Err(NotANumber::Length(digits.len()));
        }
        digits.parse().map(Msisdn).map_err(|_| NotANumber::Length(digits.len()))
    }

    /// What stands where a number was erased: beyond every number, with 62 bits to tell one from another.
    pub fn erased(bits: u64) -> Self {
        Self(Self::BEYOND | (bits & (Self::BEYOND - 1)))
    }

    /// Whether the number was erased. Nothing can be sent there.
    pub fn is_erased(self) -> bool {
        self.0 >= Self::BEYOND
    }

    /// The first that is no number: 15 digits are far less, and 63 bits are what a database keeps.
    const BEYOND: u64 = 1 << 62;

    /// The digits, without the plus.
    pub fn digits(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for Msisdn {
    /// The whole number, for the person it is meant for and for the wire: never for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_erased() {
            return f.write_str("(erased)");
        }
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let (head, tail) = (&digits[..2.min(digits.len())], &digits[digits.len().saturating_sub(3)..]);
        write!(f, "+{head}******{tail}")
    }
}

/// What the handset shows as the sender, and what it answers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sender(pub String);

/// The kinds of sender: they differ in TON and NPI, and in whether a reply can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderKind {
    /// Three to eight digits.
    ShortCode,
    /// A long number.
    LongCode,
    /// Letters: nobody can answer.
    Alphanumeric,
}

impl Sender {
    /// Longest numeric short code in use anywhere.
    const SHORT_CODE_DIGITS: usize = 8;

    /// Its kind, by its form.
    pub fn kind(&self) -> SenderKind {
        let digits = self.0.strip_prefix('+').unwrap_or(&self.0);
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            SenderKind::Alphanumeric
        } else if digits.len() <= Self::SHORT_CODE_DIGITS && !self.0.starts_with('+') {
            SenderKind::ShortCode
        } else {
            SenderKind::LongCode
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_every_international_form() {
        for text in ["+44 7700 900123", "0044 7700-900-123", "447700900123", " +44 (7700) 900123 "] {
            assert_eq!(Msisdn::parse(text), Ok(Msisdn(447_700_900_123)), "{text}");
        }
        assert_eq!(Msisdn::parse("07700 900123"), Err(NotANumber::National));
        assert_eq!(Msisdn::parse("+44 77OO"), Err(NotANumber::Sign('O')));
        assert_eq!(Msisdn::parse("+4477"), Err(NotANumber::Length(4)));
    }

    #[test]
    fn debug_output_shows_no_whole_number() {
        assert_eq!(format!("{:?}", Msisdn(447_700_900_123)), "+44******123");
    }

    #[test]
    fn an_erased_number_is_beyond_every_number_and_shows_nothing() {
        let erased = Msisdn::erased(u64::MAX);
        assert!(erased.is_erased() && i64::try_from(erased.0).is_ok());
        assert!(Msisdn::erased(0).is_erased());
        assert!(!Msisdn(999_999_999_999_999).is_erased());
        assert_eq!(erased.to_string(), "(erased)");
    }

    #[test]
    fn a_sender_is_told_by_its_form() {
        assert_eq!(Sender("88001".into()).kind(), SenderKind::ShortCode);
        assert_eq!(Sender("+447700900000".into()).kind(), SenderKind::LongCode);
        assert_eq!(Sender("Backchat".into()).kind(), SenderKind::Alphanumeric);
    }
}
