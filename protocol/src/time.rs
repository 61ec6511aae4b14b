//! Times of SMPP: absolute with an offset from UTC, or relative to the peer's clock (SMPP 3.4 section 7.1.1).

use std::fmt;

use thiserror::Error;

/// Octets of a time in either form, without the NUL.
pub const TIME_OCTETS: usize = 16;

/// The widest offset from UTC a time can have, in quarters of an hour.
const OFFSET_MAX_QUARTERS: i8 = 48;

const SECONDS_A_DAY: i64 = 86_400;
/// A relative year and month have no fixed length; these are the lengths carriers reckon with.
const DAYS_A_YEAR: i64 = 365;
const DAYS_A_MONTH: i64 = 30;

/// A schedule_delivery_time, validity_period or final_date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Time {
    /// `YYMMDDhhmmsstnnp`: a moment.
    Absolute {
        /// 2000 to 2099.
        year: u16,
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
        /// 0 to 59.
        second: u8,
        /// Tenths of a second, 0 to 9.
        tenths: u8,
        /// Local time minus UTC in quarters of an hour, -48 to 48.
        offset_quarters: i8,
    },
    /// `YYMMDDhhmmss000R`: from now, each part 0 to 99 in its unit.
    Relative {
        /// Years.
        years: u8,
        /// Months.
        months: u8,
        /// Days.
        days: u8,
        /// Hours.
        hours: u8,
        /// Minutes.
        minutes: u8,
        /// Seconds.
        seconds: u8,
    },
}

/// Neither an absolute nor a relative time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a time of SMPP: 16 characters YYMMDDhhmmsstnn and +, - or R")]
pub struct BadTime;

impl Time {
    /// Reads the 16 characters without their NUL. The empty string, which means "now" or "the default", is no time.
    pub fn parse(octets: &[u8]) -> Result<Time, BadTime> {
        let &[ref digits @ .., sign]: &[u8; TIME_OCTETS] = octets.try_into().map_err(|_| BadTime)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(BadTime);
        }
        let [y1, y2, mo1, mo2, d1, d2, h1, h2, mi1, mi2, s1, s2, tenths, n1, n2] =
            digits.map(|digit| digit - b'0');
        let [year, month, day] = [y1 * 10 + y2, mo1 * 10 + mo2, d1 * 10 + d2];
        let [hour, minute, second] = [h1 * 10 + h2, mi1 * 10 + mi2, s1 * 10 + s2];
        let quarters = (n1 * 10 + n2) as i8;
        let offset_quarters = match sign {
            b'R' => {
                return Ok(Time::Relative {
                    years: year,
                    months: month,
                    days: day,
                    hours: hour,
                    minutes: minute,
                    seconds: second,
                });
            }
            b'+' => quarters,
            b'-' => -quarters,
            _ => return Err(BadTime),
        };
        let year = 2000 + u16::from(year);
        let fine = (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && quarters <= OFFSET_MAX_QUARTERS;
        if !fine {
            return Err(BadTime);
        }
        Ok(Time::Absolute { year, month, day, hour, minute, second, tenths, offset_quarters })
    }

    /// The moment in whole seconds since 1970-01-01T00:00:00Z; a relative time counts from `now_s`, years as 365 days
    /// and months as 30.
    pub fn to_unix_s(self, now_s: i64) -> i64 {
        match self {
            Time::Absolute { year, month, day, hour, minute, second, offset_quarters, .. } => {
                days_since_1970(year, month, day) * SECONDS_A_DAY
                    + i64::from(hour) * 3600
                    + i64::from(minute) * 60
                    + i64::from(second)
                    - i64::from(offset_quarters) * 900
            }
            Time::Relative { years, months, days, hours, minutes, seconds } => {
                let days =
                    i64::from(years) * DAYS_A_YEAR + i64::from(months) * DAYS_A_MONTH + i64::from(days);
                let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
                now_s.saturating_add(days * SECONDS_A_DAY + seconds)
            }
        }
    }

    /// A relative time of so many seconds, in days, hours, minutes and seconds; more than 99 days are 99.
    pub fn after_s(seconds: u32) -> Time {
        let most = 99 * 86_400 + 86_399;
        let seconds = seconds.min(most);
        Time::Relative {
            years: 0,
            months: 0,
            days: (seconds / 86_400) as u8,
            hours: (seconds / 3600 % 24) as u8,
            minutes: (seconds / 60 % 60) as u8,
            seconds: (seconds % 60) as u8,
        }
    }

    /// A moment in UTC, in seconds since 1970; what lies outside 2000 to 2099 is moved to the nearer end.
    pub fn at_unix_s(unix_s: i64) -> Time {
        let first = days_since_1970(2000, 1, 1) * SECONDS_A_DAY;
        let last = days_since_1970(2100, 1, 1) * SECONDS_A_DAY - 1;
        let unix_s = unix_s.clamp(first, last);
        let (year, month, day) = date_of(unix_s.div_euclid(SECONDS_A_DAY));
        let rest = unix_s.rem_euclid(SECONDS_A_DAY);
        Time::Absolute {
            year,
            month,
            day,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
            tenths: 0,
            offset_quarters: 0,
        }
    }
}

impl fmt::Display for Time {
    /// The 16 characters as they stand on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Time::Absolute { year, month, day, hour, minute, second, tenths, offset_quarters } => write!(
                f,
                "{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}{tenths}{:02}{}",
                year % 100,
                offset_quarters.unsigned_abs(),
                if *offset_quarters < 0 { '-' } else { '+' },
            ),
            Time::Relative { years, months, days, hours, minutes, seconds } => {
                write!(f, "{years:02}{months:02}{days:02}{hours:02}{minutes:02}{seconds:02}000R")
            }
        }
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, with years that start in March so that a leap day ends one.
fn days_since_1970(year: u16, month: u8, day: u8) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// The date so many days after 1970-01-01; asked for 2000 to 2099 only.
fn date_of(days: i64) -> (u16, u8, u8) {
    let mut left = days - days_since_1970(2000, 1, 1);
    let mut year = 2000;
    while left >= if is_leap(year) { 366 } else { 365 } {
        left -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while left >= i64::from(days_of(year, month)) {
        left -= i64::from(days_of(year, month));
        month += 1;
    }
    (year, month, left as u8 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_absolute_time_is_a_moment() {
        let time = Time::parse(b"260304123000000+").unwrap();
        assert_eq!(time.to_unix_s(0), 1_772_627_400);
        assert_eq!(Time::parse(b"260304133000004+").unwrap().to_unix_s(0), 1_772_627_400);
        assert_eq!(Time::parse(b"260304073000020-").unwrap().to_unix_s(0), 1_772_627_400);
    }

    #[test]
    fn a_relative_time_counts_from_now_and_may_have_zero_months() {
        assert_eq!(Time::parse(b"000002000000000R").unwrap().to_unix_s(100), 100 + 2 * 86_400);
        assert_eq!(Time::after_s(3_661).to_string(), "000000010101000R");
        assert_eq!(Time::after_s(u32::MAX).to_string(), "000099235959000R");
    }

    #[test]
    fn anything_else_is_no_time() {
        for bad in [
            "",
            "2607040915000",
            "260304123000000",
            "260304123000000Z",
            "261304123000000+",
            "260230123000000+",
            "260304243000000+",
            "260304126000000+",
            "260304123060000+",
            "260304123000049+",
            "2603041230000 0+",
        ] {
            assert_eq!(Time::parse(bad.as_bytes()), Err(BadTime), "{bad}");
        }
        assert!(Time::parse(b"240229000000000+").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(unix_s in 946_684_800i64..4_102_444_800) {
            let time = Time::at_unix_s(unix_s);
            prop_assert_eq!(time.to_unix_s(0), unix_s);
            prop_assert_eq!(Time::parse(time.to_string().as_bytes()), Ok(time));
        }

        #[test]
        fn no_input_panics(octets in proptest::collection::vec(any::<u8>(), 0..20), now_s in any::<i64>()) {
            if let Ok(time) = Time::parse(&octets) {
                time.to_unix_s(now_s);
            }
        }
    }
}
