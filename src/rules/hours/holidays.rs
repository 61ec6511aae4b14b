//! Public holidays, from a yearly table: `FR 2026 0101 0406 …`, `FR.57+6AE 2026 0403 1226`.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

/// Days by year, month and day.
type Days = HashSet<(i16, i8, i8)>;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Holidays {
    version: &'static str,
    until: Option<i16>,
    national: HashMap<&'static str, Days>,
    regional: HashMap<&'static str, HashMap<&'static str, Days>>,
}

impl Holidays {
    /// Reads the table.
    pub(super) fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(version) = line.strip_prefix("version = ") {
                table.version = version;
                continue;
            }
            let mut words = line.split(' ');
            let (Some(place), Some(Ok(year))) = (words.next(), words.next().map(str::parse::<i16>)) else {
                continue;
            };
            table.until = table.until.max(Some(year));
            let day = |word: &str| Some((year, word.get(..2)?.parse().ok()?, word.get(2..)?.parse().ok()?));
            let days: Vec<_> = words.filter_map(day).collect();
            match place.split_once('.') {
                None => table.national.entry(place).or_default().extend(days),
                Some((country, regions)) => {
                    for region in regions.split('+') {
                        let known = table.regional.entry(country).or_default().entry(region).or_default();
                        known.extend(days.iter().copied());
                    }
                }
            }
        }
        table
    }

    /// Whether the whole country has a holiday.
    pub(super) fn national(&self, country: &str, date: Date) -> bool {
        self.national.get(country).is_some_and(|days| days.contains(&key(date)))
    }

    /// Whether a region has a holiday of its own; without a region, whether any has.
    pub(super) fn regional(&self, country: &str, region: Option<&str>, date: Date) -> bool {
        let Some(regions) = self.regional.get(country) else { return false };
        match region {
            Some(region) => regions.get(region).is_some_and(|days| days.contains(&key(date))),
            None => regions.values().any(|days| days.contains(&key(date))),
        }
    }

    /// The last year of the table.
    pub(super) fn until(&self) -> Option<i16> {
        self.until
    }

    /// Its version.
    pub(super) fn version(&self) -> &str {
        self.version
    }
}

fn key(date: Date) -> (i16, i8, i8) {
    (date.year(), date.month(), date.day())
}
