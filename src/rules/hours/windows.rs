//! Open windows as spans of time: civil minutes of each rule intersected day by day, then zone by zone.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span as Days, Timestamp};

use super::holidays::Holidays;
use super::pack::{HolidayRule, Row};
use super::place::Place;
use super::{DAYS_AHEAD, Verdict};

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// A time that is open: from, until but not including; milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Opens.
    pub from_ms: i64,
    /// Closes.
    pub to_ms: i64,
}

/// When a place is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    spans: Option<Vec<Span>>,
    /// Each rule in each zone by itself, to say which one binds.
    alone: Vec<(String, Vec<Span>)>,
    until_ms: i64,
}

impl Windows {
    /// No hours bind.
    pub(super) fn always() -> Self {
        Self { spans: None, alone: Vec::new(), until_ms: i64::MAX }
    }

    /// The open spans, in order; none at all where no hours bind.
    pub fn spans(&self) -> Option<&[Span]> {
        self.spans.as_deref()
    }

    /// How far they are worked out.
    pub fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// May something go at this moment?
    pub fn verdict(&self, now_ms: i64) -> Verdict {
        let Some(spans) = &self.spans else {
            return Verdict::Open { closes_ms: None, rule: "no hours bind this purpose".to_owned() };
        };
        match spans.iter().find(|span| span.to_ms > now_ms) {
            Some(span) if span.from_ms <= now_ms => {
                Verdict::Open { closes_ms: Some(span.to_ms), rule: self.shut_by(span.to_ms) }
            }
            Some(span) => Verdict::Shut { opens_ms: span.from_ms, rule: self.shut_by(now_ms) },
            None if self.alone.is_empty() => Verdict::Never { rule: "no time zone is known".to_owned() },
            None => Verdict::Never {
                rule: format!("no hour is open in every zone; now {}", self.shut_by(now_ms)),
            },
        }
    }

    /// The longest span of those that begin within a week.
    pub fn widest_ms(&self) -> Option<i64> {
        let spans = self.spans.as_ref()?;
        let first = spans.first().map_or(0, |span| span.from_ms);
        let week = spans.iter().take_while(|span| span.from_ms < first + 7 * DAY_MS);
        Some(week.map(|span| span.to_ms - span.from_ms).max().unwrap_or_default())
    }

    /// The first rule that is shut at a moment, with its zone.
    fn shut_by(&self, at_ms: i64) -> String {
        let shut = |spans: &[Span]| !spans.iter().any(|span| span.from_ms <= at_ms && at_ms < span.to_ms);
        let rule = self.alone.iter().find(|(_, spans)| shut(spans));
        rule.map_or_else(String::new, |(name, _)| name.clone())
    }
}

/// When a place is open: country, region and the account's window, in every candidate zone.
pub(super) fn windows(
    from_ms: i64,
    place: &Place,
    rows: &[(String, &Row)],
    account: Option<(u16, u16)>,
    holidays: &Holidays,
) -> Windows {
    let until_ms = from_ms + DAYS_AHEAD * DAY_MS;
    let mut alone = Vec::new();
    let mut all: Option<Vec<Span>> = None;
    for zone in place.zones() {
        let Ok(tz) = TimeZone::get(zone) else { continue };
        let Some(days) = dates(from_ms, &tz) else { continue };
        for (name, row) in rows {
            let minutes = |date: Date| {
                if open_day(place, row, holidays, date) { row.minutes(weekday(date)) } else { Vec::new() }
            };
            let spans = spans(&days, &tz, minutes);
            all = Some(meet(all, &spans));
            alone.push((format!("{name} in {zone}"), spans));
        }
        if let Some(window) = account {
            let spans = spans(&days, &tz, |_| vec![window]);
            all = Some(meet(all, &spans));
            alone.push((format!("the account's window in {zone}"), spans));
        }
    }
    Windows { spans: Some(all.unwrap_or_default()), alone, until_ms }
}

/// From the day before, whose window may reach past midnight elsewhere, to the last day looked at.
fn dates(from_ms: i64, tz: &TimeZone) -> Option<Vec<Date>> {
    let today = Timestamp::from_millisecond(from_ms).ok()?.to_zoned(tz.clone()).date();
    let day = |ahead: i64| today.checked_add(Days::new().days(ahead)).ok();
    (-1..=DAYS_AHEAD + 1).map(day).collect()
}

fn open_day(place: &Place, row: &Row, holidays: &Holidays, date: Date) -> bool {
    let Some(country) = place.country.as_deref() else { return true };
    match row.holiday {
        HolidayRule::Same | HolidayRule::Unknown => true,
        HolidayRule::Avoid => !holidays.national(country, date),
        HolidayRule::Closed => {
            !holidays.national(country, date) && !holidays.regional(country, place.region.as_deref(), date)
        }
    }
}

fn weekday(date: Date) -> i8 {
    date.weekday().to_monday_zero_offset()
}

/// Civil minutes of each day as spans; those that touch are one.
fn spans(days: &[Date], tz: &TimeZone, minutes: impl Fn(Date) -> Vec<(u16, u16)>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for date in days {
        for (from, to) in minutes(*date) {
            let (Some(from_ms), Some(to_ms)) = (moment(*date, from, tz), moment(*date, to, tz)) else {
                continue;
            };
            match spans.last_mut().filter(|last| last.to_ms >= from_ms) {
                Some(last) => last.to_ms = last.to_ms.max(to_ms),
                None if from_ms < to_ms => spans.push(Span { from_ms, to_ms }),
                None => {}
            }
        }
    }
    spans
}

/// A minute of a day in a zone. One that a clock change leaves out is the moment after the gap.
fn moment(date: Date, minute: u16, tz: &TimeZone) -> Option<i64> {
    let (hour, rest) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let civil: DateTime = match hour {
        24.. => date.tomorrow().ok()?.at(0, 0, 0, 0),
        _ => date.at(hour, rest, 0, 0),
    };
    Some(civil.to_zoned(tz.clone()).ok()?.timestamp().as_millisecond())
}

/// What two lists of spans have in common.
fn meet(one: Option<Vec<Span>>, other: &[Span]) -> Vec<Span> {
    let Some(one) = one else { return other.to_vec() };
    let (mut a, mut b, mut both) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (one.get(a), other.get(b)) {
        let (from_ms, to_ms) = (x.from_ms.max(y.from_ms), x.to_ms.min(y.to_ms));
        if from_ms < to_ms {
            both.push(Span { from_ms, to_ms });
        }
        if x.to_ms < y.to_ms { a += 1 } else { b += 1 }
    }
    both
}
