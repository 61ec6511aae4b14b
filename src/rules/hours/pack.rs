//! The hours pack: what each country and region allows, from where that is known, and how far to trust it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tables of a row that are no regions.
const NOT_REGIONS: [&str; 2] = ["cap", "call_rule"];

/// What one country or region allows.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Windows by day.
    pub open: Vec<OpenDays>,
    /// Public holidays.
    #[serde(default)]
    pub holiday: HolidayRule,
    /// `law`, `regulator`, `operator`, `code` or `practice`.
    pub basis: String,
    /// Whether a rule addressed to SMS exists.
    #[serde(default)]
    pub binding: bool,
    /// Purposes beside promotional and survey that are held to the hours.
    #[serde(default)]
    pub holds: Vec<String>,
    /// The most that one person may get.
    pub cap: Option<Cap>,
    /// What else there is to know.
    #[serde(default)]
    pub note: String,
    /// Where it is from.
    #[serde(default)]
    pub source: Vec<String>,
    /// When it was looked at last.
    #[serde(default)]
    pub checked: String,
    /// `law-text`, `law-summary`, `operator-guide`, `secondary`, `unsure` or `default`.
    #[serde(default)]
    pub confidence: String,
}

/// Days and the hours they are open.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct OpenDays {
    /// `mon-fri`, `sat`, `sat-thu`.
    pub days: String,
    /// `09:00`.
    pub from: String,
    /// `20:00`, not included; `24:00` is midnight.
    pub to: String,
}

/// Whether holidays are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HolidayRule {
    /// Shut by rule: also on a holiday of any region, where the region is not known.
    Closed,
    /// Guides advise against it: kept shut on national holidays.
    Avoid,
    /// As the weekday.
    Same,
    /// Nothing is known: as the weekday.
    #[default]
    Unknown,
}

/// A limit on messages to one person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Cap {
    /// So many.
    pub max: u32,
    /// In so many hours.
    pub hours: u32,
    /// Counted over what.
    pub per: String,
}

impl Row {
    /// The open minutes of a weekday, 0 = Monday.
    pub fn minutes(&self, weekday: i8) -> Vec<(u16, u16)> {
        let open = self.open.iter().filter(|open| on(&open.days, weekday));
        open.filter_map(|open| Some((minute(&open.from)?, minute(&open.to)?))).collect()
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn on(days: &str, weekday: i8) -> bool {
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let place = |name: &str| DAYS.iter().position(|day| *day == name);
    let (Some(first), Some(last), Ok(day)) = (place(first), place(last), usize::try_from(weekday)) else {
        return false;
    };
    if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
}

/// Minutes since midnight of `09:30`.
pub(super) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    Some(hour * 60 + minute).filter(|all| minute < 60 && *all <= 24 * 60)
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Pack {
    rows: BTreeMap<String, Row>,
}

impl Pack {
    /// Reads the pack; a row that cannot be read is left out, and a test sees to it that there is none.
    pub(super) fn read(text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap_or_default();
        let mut rows = BTreeMap::new();
        for (country, value) in table {
            let regions = value.as_table().cloned().unwrap_or_default();
            let regions = regions
                .into_iter()
                .filter(|(name, value)| value.is_table() && !NOT_REGIONS.contains(&name.as_str()));
            for (region, value) in regions {
                rows.extend(value.try_into().ok().map(|row: Row| (format!("{country}.{region}"), row)));
            }
            rows.extend(value.try_into().ok().map(|row: Row| (country, row)));
        }
        Self { rows }
    }

    /// The rows that bind a place; a country without one has the default.
    pub(super) fn rows(&self, country: Option<&str>, region: Option<&str>) -> Vec<(String, &Row)> {
        let named = |name: String| self.rows.get(&name).map(|row| (name, row));
        let own = country.and_then(|country| named(country.to_owned()));
        let mut rows: Vec<_> = own.or_else(|| named("default".to_owned())).into_iter().collect();
        if let (Some(country), Some(region)) = (country, region) {
            rows.extend(named(format!("{country}.{region}")));
        }
        rows
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}
