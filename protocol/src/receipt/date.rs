//! Dates in receipts: decided by length and range, the raw digits kept, never a reason to fail a receipt.

use std::fmt;

use crate::octets::COctets;
use crate::time::Time;

/// Seconds that ten digits stand for, where they cannot be or are not likely to be a date: 2001 to 2099.
const EPOCH_SECONDS: std::ops::RangeInclusive<i64> = 1_000_000_000..=4_102_444_799;

/// Ten digits that start so could be a date of 2018 or 2019 too; receipts are of today, seconds of 2027 to 2033 are not far.
const RATHER_SECONDS: std::ops::RangeInclusive<i64> = 1_800_000_000..=1_999_999_999;

/// A date as it was written and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Date {
    /// As written.
    pub raw: COctets,
    /// What it means; `None` for zeros and for what has no meaning.
    pub moment: Option<Moment>,
}

/// A date and time of day. Its `Display` is ISO 8601, with the zone where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    time: Time,
    zone: Zone,
}

/// The zone a moment is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Nobody says; the carrier's own, mostly.
    Unsaid,
    /// UTC.
    Utc,
    /// Quarters of an hour east of UTC.
    Offset(i8),
}

impl Date {
    /// Reads a date: 10 digits `YYMMDDhhmm` or seconds since 1970, 12 digits `YYMMDDhhmmss` or `YYYYMMDDhhmm`, 13 digits
    /// milliseconds since 1970, 14 digits `YYYYMMDDhhmmss`, 16 characters the absolute time of SMPP 3.4, 7.1.1; with signs
    /// between, ISO 8601.
    pub fn read(raw: COctets) -> Self {
        Self { moment: Moment::read(&raw), raw }
    }
}

impl Moment {
    /// The zone it is in.
    pub fn zone(self) -> Zone {
        self.zone
    }

    /// Seconds since 1970-01-01T00:00:00Z; a moment without a zone counts as `local_offset_s` east of UTC.
    pub fn to_unix_s(self, local_offset_s: i32) -> i64 {
        let seconds = self.time.to_unix_s(0);
        match self.zone {
            Zone::Unsaid => seconds - i64::from(local_offset_s),
            Zone::Utc | Zone::Offset(_) => seconds,
        }
    }

    fn read(raw: &[u8]) -> Option<Self> {
        let raw = raw.trim_ascii();
        if raw.iter().all(|octet| *octet == b'0') {
            return None;
        }
        if !raw.iter().all(u8::is_ascii_digit) {
            return Self::absolute(raw).or_else(|| Self::iso(raw));
        }
        match raw.len() {
            10 => {
                let seconds = number(raw).filter(|seconds| EPOCH_SECONDS.contains(seconds));
                match seconds {
                    Some(seconds) if RATHER_SECONDS.contains(&seconds) => Some(Self::epoch(seconds)),
                    _ => Self::digits(raw, 2).or_else(|| seconds.map(Self::epoch)),
                }
            }
            12 => Self::digits(raw, 2).or_else(|| Self::digits(raw, 4)),
            13 => number(raw).map(|ms| ms / 1000).filter(|s| EPOCH_SECONDS.contains(s)).map(Self::epoch),
            14 => Self::digits(raw, 4),
            _ => None,
        }
    }

    fn epoch(seconds: i64) -> Self {
        Self { time: Time::at_unix_s(seconds), zone: Zone::Utc }
    }

    fn absolute(raw: &[u8]) -> Option<Self> {
        match Time::parse(raw).ok()? {
            time @ Time::Absolute { offset_quarters, .. } => {
                Some(Self { time, zone: Zone::Offset(offset_quarters) })
            }
            Time::Relative { .. } => None,
        }
    }

    /// Year of so many digits, month, day, hour, minute and, where there are more, second.
    fn digits(raw: &[u8], year_digits: usize) -> Option<Self> {
        let raw = match year_digits {
            4 => raw.strip_prefix(b"20")?,
            _ => raw,
        };
        let mut written = [b'0'; crate::time::TIME_OCTETS];
        written.get_mut(..raw.len().min(12))?.copy_from_slice(raw.get(..raw.len().min(12))?);
        *written.last_mut()? = b'+';
        let time = Time::parse(&written).ok()?;
        Some(Self { time, zone: Zone::Unsaid })
    }

    /// `2026-03-04 12:29:00`, with `T`, slashes or dots too, with or without seconds, `Z` or an offset.
    fn iso(raw: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(raw).ok()?;
        let (text, zone) = match text.strip_suffix(['Z', 'z']) {
            Some(text) => (text, Zone::Utc),
            None => match text.get(10..)?.rfind(['+', '-']).and_then(|at| text.split_at_checked(10 + at)) {
                Some((text, offset)) => (text, Zone::Offset(quarters(offset)?)),
                None => (text, Zone::Unsaid),
            },
        };
        // A fraction of a second says nothing to us.
        let text = text.get(..19).unwrap_or(text);
        let mut digits = String::with_capacity(14);
        for (index, group) in text.split(['-', '/', '.', ':', 'T', ' ']).enumerate() {
            let wanted = if index == 0 { 4 } else { 2 };
            if group.len() != wanted || !group.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            digits.push_str(group);
        }
        let mut moment =
            matches!(digits.len(), 12 | 14).then(|| Self::digits(digits.as_bytes(), 4)).flatten()?;
        moment.zone = zone;
        if let (Zone::Offset(quarters), Time::Absolute { offset_quarters, .. }) = (zone, &mut moment.time) {
            *offset_quarters = quarters;
        }
        Some(moment)
    }
}

/// `+03:00` or `+0300` in quarters of an hour.
fn quarters(offset: &str) -> Option<i8> {
    let digits: String = offset.chars().skip(1).filter(|c| *c != ':').collect();
    let [h1, h2, m1, m2] = digits.as_bytes() else { return None };
    let value = |high: &u8, low: &u8| number(&[*high, *low]);
    let quarters = i8::try_from(value(h1, h2)? * 4 + value(m1, m2)? / 15).ok().filter(|it| *it <= 56)?;
    Some(if offset.starts_with('-') { -quarters } else { quarters })
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Time::Absolute { year, month, day, hour, minute, second, .. } = self.time {
            write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        }
        match self.zone {
            Zone::Unsaid => Ok(()),
            Zone::Utc => f.write_str("Z"),
            Zone::Offset(quarters) => {
                let sign = if quarters < 0 { '-' } else { '+' };
                let quarters = quarters.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", quarters / 4, quarters % 4 * 15)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(raw: &str) -> Option<String> {
        Date::read(COctets::from(raw)).moment.map(|moment| moment.to_string())
    }

    #[test]
    fn length_and_range_decide_what_digits_mean() {
        for (raw, meant) in [
            ("2603041229", "2026-03-04T12:29:00"),
            ("260304122930", "2026-03-04T12:29:30"),
            ("202603041229", "2026-03-04T12:29:00"),
            ("20260304122930", "2026-03-04T12:29:30"),
            ("1772627340", "2026-03-04T12:29:00Z"),
            ("1801010000", "2027-01-27T00:33:20Z"),
            ("1772627340123", "2026-03-04T12:29:00Z"),
            ("260304122903912+", "2026-03-04T12:29:03+03:00"),
            ("260304122903006-", "2026-03-04T12:29:03-01:30"),
            ("2026-03-04 12:29:30", "2026-03-04T12:29:30"),
            ("2026/03/04 12:29", "2026-03-04T12:29:00"),
            ("2026-03-04T12:29:30.123Z", "2026-03-04T12:29:30Z"),
            ("2026-03-04T12:29:30+05:30", "2026-03-04T12:29:30+05:30"),
        ] {
            assert_eq!(read(raw).as_deref(), Some(meant), "{raw}");
        }
    }

    #[test]
    fn zeros_and_nonsense_mean_nothing() {
        for raw in [
            "",
            "0000000000",
            "000000000000",
            "9999999999",
            "26030412",
            "yesterday",
            "2026-03-04",
            "000002000000000R",
        ] {
            assert_eq!(read(raw), None, "{raw}");
        }
        assert_eq!(&*Date::read(COctets::from("yesterday")).raw, b"yesterday");
    }

    #[test]
    fn a_zone_moves_the_moment() {
        let at = |raw: &str, local| Date::read(COctets::from(raw)).moment.unwrap().to_unix_s(local);
        assert_eq!(at("1772627340", 7200), 1_772_627_340);
        assert_eq!(at("2603041229", 0), 1_772_627_340);
        assert_eq!(at("2603041429", 7200), 1_772_627_340);
        assert_eq!(at("260304152900012+", 0), 1_772_627_340);
        assert_eq!(at("2026-03-04T15:29:00+03:00", 0), 1_772_627_340);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets: Vec<u8>) {
            let _ = Date::read(COctets::from(&octets[..])).moment.map(|moment| moment.to_string());
        }

        #[test]
        fn anything_like_a_date_is_read_without_a_panic(raw in "[0-9TZ:+\\-/ .]{8,26}") {
            let _ = read(&raw);
        }
    }
}
