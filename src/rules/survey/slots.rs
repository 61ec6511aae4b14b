//! Times for a call: which ones are offered at a moment, numbered as the person sees them.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// Days looked through for free times: beyond three weeks a call helps nobody.
const DAYS_AHEAD: i32 = 21;

/// When we can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallHours {
    /// The zone the times are meant in.
    pub zone: TimeZone,
    /// On these days.
    pub weekdays: Vec<Weekday>,
    /// At these times of a day, in order.
    pub hours: Vec<(Time, Time)>,
    /// Not sooner than this after the question, milliseconds.
    pub notice_ms: i64,
    /// How many times are offered.
    pub offers: usize,
}

/// A time for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// From, milliseconds since the epoch.
    pub start_ms: i64,
    /// To.
    pub end_ms: i64,
    /// As the person is told it, in the zone of the hours: `2026-11-30 09:00-12:00`, the same in every language.
    pub words: String,
}

/// The times offered to somebody who is asked now: the first ones that are far enough away.
pub fn offer(hours: &CallHours, now_ms: i64) -> Vec<Slot> {
    let Ok(now) = Timestamp::from_millisecond(now_ms) else { return Vec::new() };
    let today = now.to_zoned(hours.zone.clone()).date();
    let days = (0..DAYS_AHEAD).filter_map(|ahead| today.checked_add(ahead.days()).ok());
    let days = days.filter(|day| hours.weekdays.contains(&day.weekday()));
    let slots = days.flat_map(|day| {
        hours.hours.iter().filter_map(move |(from, to)| {
            let at = |time: &Time| {
                let zoned = day.to_datetime(*time).to_zoned(hours.zone.clone()).ok()?;
                Some(zoned.timestamp().as_millisecond())
            };
            let words = format!("{day} {}-{}", from.strftime("%H:%M"), to.strftime("%H:%M"));
            Some(Slot { start_ms: at(from)?, end_ms: at(to)?, words })
        })
    });
    slots.filter(|slot| slot.start_ms >= now_ms + hours.notice_ms).take(hours.offers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str) -> CallHours {
        let at = |hour| Time::constant(hour, 0, 0, 0);
        CallHours {
            zone: TimeZone::get(zone).unwrap(),
            weekdays: vec![Weekday::Monday, Weekday::Tuesday, Weekday::Friday],
            hours: vec![(at(9), at(12)), (at(14), at(17))],
            notice_ms: 3_600_000,
            offers: 3,
        }
    }

    fn offered(zone: &str, at: &str) -> Vec<String> {
        let at: Timestamp = at.parse().unwrap();
        offer(&hours(zone), at.as_millisecond()).into_iter().map(|slot| slot.words).collect()
    }

    #[test]
    fn the_next_times_of_working_days_are_offered_with_notice() {
        // Saturday: Monday is next.
        assert_eq!(
            offered("Europe/London", "2026-11-28T10:00:00Z"),
            ["2026-11-30 09:00-12:00", "2026-11-30 14:00-17:00", "2026-12-01 09:00-12:00"]
        );
        // Monday at 13:30: half an hour is too little notice for 14:00.
        assert_eq!(offered("Europe/London", "2026-11-30T13:30:00Z")[0], "2026-12-01 09:00-12:00");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let at: Timestamp = "2026-11-29T20:00:00Z".parse().unwrap();
        // It is Monday morning in Jakarta already.
        let slots = offer(&hours("Asia/Jakarta"), at.as_millisecond());
        assert_eq!(slots[0].words, "2026-11-30 09:00-12:00");
        assert_eq!(slots[0].start_ms, "2026-11-30T02:00:00Z".parse::<Timestamp>().unwrap().as_millisecond());
    }
}
