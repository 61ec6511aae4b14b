//! From a number to where its person may be: country, state, candidate time zones, and what tells so.

use std::borrow::Cow;

use super::AreaCodes;
use crate::message::Msisdn;

/// Countries where the area code of a mobile says where it was bought (campaigns in the field trust it there, if at all).
const AREA_CODES_MEAN_SOMETHING: [&str; 4] = ["US", "CA", "BR", "MX"];
/// No prefix of the table is longer.
const LONGEST_PREFIX: usize = 9;

/// Where a number's person may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, by the number.
    pub country: Option<Cow<'static, str>>,
    /// The part of an ISO 3166-2 code after the dash, where an area code gives it.
    pub region: Option<Cow<'static, str>>,
    /// IANA names of the candidate zones, joined by `&`; empty where nothing is known.
    pub zones: Cow<'static, str>,
    /// What tells.
    pub evidence: Evidence,
}

/// What tells where somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The contact's own zone.
    Contact,
    /// The number's country has one zone.
    Country,
    /// A fixed line's prefix.
    FixedLine,
    /// An area code the account trusts.
    AreaCode,
    /// Nothing but the country, which has several zones: all of them.
    AllOfCountry,
    /// Nothing.
    Nothing,
}

impl Evidence {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Contact => "the contact's own zone",
            Self::Country => "the number's country has one zone",
            Self::FixedLine => "a fixed line's prefix",
            Self::AreaCode => "the area code, trusted by the account",
            Self::AllOfCountry => "a number that may be anywhere in its country",
            Self::Nothing => "nothing: no country is known for this number",
        }
    }
}

impl Place {
    /// The candidate zones.
    pub fn zones(&self) -> impl Iterator<Item = &str> {
        self.zones.split('&').filter(|zone| !zone.is_empty())
    }

    /// As one word: `US.FL`, `FR`, `?`.
    pub fn name(&self) -> String {
        match (&self.country, &self.region) {
            (Some(country), Some(region)) => format!("{country}.{region}"),
            (Some(country), None) => country.to_string(),
            (None, _) => "?".to_owned(),
        }
    }
}

/// The tables of prefixes, each sorted.
#[derive(Debug, Default)]
pub(super) struct Zones {
    version: &'static str,
    of_country: Vec<(&'static str, &'static str)>,
    country: Vec<(&'static str, &'static str)>,
    state: Vec<(&'static str, &'static str)>,
    by_prefix: Vec<(&'static str, &'static str)>,
}

impl Zones {
    /// Reads the tables.
    pub(super) fn read(text: &'static str) -> Self {
        let mut tables = Self::default();
        let mut section = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(version) = line.strip_prefix("version = ") {
                tables.version = version;
            } else if line.starts_with('[') {
                section = line;
            } else if let Some(row) = line.split_once(' ') {
                match section {
                    "[zones of countries]" => tables.of_country.push(row),
                    "[country by prefix]" => tables.country.push(row),
                    "[US state by area code]" => tables.state.push(row),
                    _ => tables.by_prefix.push(row),
                }
            }
        }
        for table in [&mut tables.of_country, &mut tables.country, &mut tables.state, &mut tables.by_prefix] {
            table.sort_unstable();
        }
        tables
    }

    /// Where a number's person may be.
    pub(super) fn place(&self, number: Msisdn, zone: Option<&str>, area_codes: AreaCodes) -> Place {
        let digits = number.digits();
        let country = longest(&self.country, &digits);
        let region = if country == Some("US") { longest(&self.state, &digits) } else { None };
        let (zones, evidence) = match zone {
            Some(zone) => (Cow::Owned(zone.to_owned()), Evidence::Contact),
            None => {
                let (zones, evidence) = self.by_number(&digits, country, area_codes);
                (Cow::Borrowed(zones), evidence)
            }
        };
        Place { country: country.map(Cow::Borrowed), region: region.map(Cow::Borrowed), zones, evidence }
    }

    fn by_number(
        &self,
        digits: &str,
        country: Option<&'static str>,
        area_codes: AreaCodes,
    ) -> (&'static str, Evidence) {
        let all = country.and_then(|country| exact(&self.of_country, country)).unwrap_or_default();
        if all.is_empty() {
            return ("", Evidence::Nothing);
        }
        if !all.contains('&') {
            return (all, Evidence::Country);
        }
        let row = longest(&self.by_prefix, digits).and_then(|row| row.split_once(' '));
        let means = country.is_some_and(|country| AREA_CODES_MEAN_SOMETHING.contains(&country));
        match row {
            Some(("f", zones)) => (zones, Evidence::FixedLine),
            Some((_, zones)) if means && area_codes == AreaCodes::Trust => (zones, Evidence::AreaCode),
            _ => (all, Evidence::AllOfCountry),
        }
    }

    /// Their version.
    pub(super) fn version(&self) -> &str {
        self.version
    }

    #[cfg(test)]
    pub(super) fn every_zone(&self) -> impl Iterator<Item = &'static str> {
        let by_prefix =
            self.by_prefix.iter().filter_map(|(_, row)| row.split_once(' ')).map(|(_, zones)| zones);
        self.of_country.iter().map(|(_, zones)| *zones).chain(by_prefix).flat_map(|zones| zones.split('&'))
    }
}

fn exact(table: &[(&'static str, &'static str)], key: &str) -> Option<&'static str> {
    table.binary_search_by(|(prefix, _)| (*prefix).cmp(key)).ok().map(|at| table[at].1)
}

fn longest(table: &[(&'static str, &'static str)], digits: &str) -> Option<&'static str> {
    let most = LONGEST_PREFIX.min(digits.len());
    (1..=most).rev().find_map(|length| exact(table, &digits[..length]))
}
