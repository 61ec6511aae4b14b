//! When people can be called, as an operator writes it.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use toml::de::DeValue;

use crate::config::raw::{At, Table, Wrong};
use crate::config::unit::{cut, duration, integer, text, texts};
use crate::rules::survey::CallHours;

/// Two hours: somebody must still read that a call is due.
const USUAL_NOTICE_MS: u64 = 2 * 3_600_000;
/// More times than this fit no message.
const MOST_OFFERS: usize = 9;

/// Reads the hours of a question of kind `callback`.
pub(super) fn read(table: &Table<'_>) -> Option<CallHours> {
    let zone = table.need("zone", zone, "whose clock the hours are on: zone = \"Europe/London\"");
    let hours = table.need("hours", hours, "when you call: hours = [\"09:00-12:00\", \"14:00-17:00\"]");
    let usual =
        vec![Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    let weekdays = table.or("weekdays", weekdays, usual);
    let notice = table.or("notice", duration(0..=14 * 86_400_000), USUAL_NOTICE_MS);
    let offers = table.or("offers", integer(1..=9_u32), 3);
    Some(CallHours {
        zone: zone?.value,
        weekdays,
        hours: hours?.value,
        notice_ms: i64::try_from(notice).unwrap_or(i64::MAX),
        offers: usize::try_from(offers).unwrap_or(1).min(MOST_OFFERS),
    })
}

fn zone(value: &DeValue<'_>) -> Result<TimeZone, Wrong> {
    let written = text(value)?;
    TimeZone::get(written).map_err(|_| {
        Wrong::new(
            format!("is `{}`", cut(written)),
            "write its IANA name, like \"Europe/London\" or \"Asia/Jakarta\"",
        )
    })
}

fn hours(value: &DeValue<'_>) -> Result<Vec<(Time, Time)>, Wrong> {
    let hint = "write spans of the day in order, like [\"09:00-12:00\", \"14:00-17:00\"]";
    let written = texts(value)?;
    let mut hours: Vec<(Time, Time)> = Vec::new();
    for At { value, .. } in written {
        let ends = value.split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?)));
        let (from, to) = ends
            .filter(|(from, to)| from < to)
            .ok_or_else(|| Wrong::new(format!("has `{}`", cut(value)), hint))?;
        if hours.last().is_some_and(|(_, before)| *before > from) {
            return Err(Wrong::new("are not in order", hint));
        }
        hours.push((from, to));
    }
    if hours.is_empty() { Err(Wrong::new("is empty", hint)) } else { Ok(hours) }
}

fn time(written: &str) -> Option<Time> {
    let (hour, minute) = written.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn weekdays(value: &DeValue<'_>) -> Result<Vec<Weekday>, Wrong> {
    const NAMES: [(&str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];
    let hint = "write days like [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]";
    let days: Option<Vec<Weekday>> = texts(value)?
        .iter()
        .map(|at| NAMES.iter().find(|(name, _)| *name == at.value).map(|(_, day)| *day))
        .collect();
    days.filter(|days| !days.is_empty()).ok_or_else(|| Wrong::new("holds something that is no day", hint))
}
