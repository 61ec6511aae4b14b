//! Permitted hours: may this person be written to now, and if not, when. Allowed is what the country, the region and the
//! account's own window allow, in every time zone the person may be in. Civil time throughout: a clock change moves a
//! window with it.

mod holidays;
mod pack;
mod place;
mod windows;

use std::sync::OnceLock;

pub use pack::{Cap, HolidayRule, Row};
pub use place::{Evidence, Place};
pub use windows::{Span, Windows};

use crate::message::{Msisdn, Purpose};
use holidays::Holidays;
use pack::Pack;
use place::Zones;

/// A day that is open for less than this in all candidate zones together is narrow: a campaign may not get through, and
/// the operator is told what would help (field practice; Russia from Kaliningrad to Kamchatka has one hour of eleven).
pub const NARROW_MS: i64 = 3 * 3_600_000;
/// Days looked ahead for the next opening: longer than the longest run of holidays and week-ends anywhere.
pub const DAYS_AHEAD: i64 = 15;

/// What the account decides for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whether hours are kept at all.
    pub enforce: Enforce,
    /// First minute of the day for promotional and survey messages, from midnight where the person lives.
    pub from_minute: u16,
    /// The minute it ends; 1440 is midnight.
    pub to_minute: u16,
    /// What an area code is worth in countries where it says where a mobile was bought.
    pub area_codes: AreaCodes,
}

/// Whether hours are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforce {
    /// For people.
    Always,
    /// For a simulator and its handsets.
    Never,
}

/// What an area code says about a number that may be a mobile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaCodes {
    /// A hint: the number may be anywhere in its country.
    Hint,
    /// The account trusts it: the number is where its area code is.
    Trust,
}

impl Default for Account {
    /// Nine to eight, kept, and area codes taken for what they are.
    fn default() -> Self {
        Self {
            enforce: Enforce::Always,
            from_minute: 9 * 60,
            to_minute: 20 * 60,
            area_codes: AreaCodes::Hint,
        }
    }
}

/// May a message go now?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Open {
        /// Until then, milliseconds since the epoch; none where no hours bind this purpose.
        closes_ms: Option<i64>,
        /// The rule that will close it.
        rule: String,
    },
    /// No, but later.
    Shut {
        /// From then, milliseconds since the epoch.
        opens_ms: i64,
        /// The rule that keeps it shut.
        rule: String,
    },
    /// Never within the days looked at: the hours of its zones do not meet, or no zone is known.
    Never {
        /// Why.
        rule: String,
    },
}

/// The packs: hours, holidays, numbers and zones.
#[derive(Debug)]
pub struct Hours {
    pack: Pack,
    holidays: Holidays,
    zones: Zones,
}

impl Hours {
    /// The packs that are part of the program.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Hours> = OnceLock::new();
        SHIPPED.get_or_init(|| Self {
            pack: Pack::read(include_str!("../../config/packs/hours.toml")),
            holidays: Holidays::read(include_str!("../../config/packs/holidays.txt")),
            zones: Zones::read(include_str!("../../config/packs/zones.txt")),
        })
    }

    /// Where a number's person may be. A zone that the contact gave wins over what the number says.
    pub fn place(&self, number: Msisdn, zone: Option<&str>, area_codes: AreaCodes) -> Place {
        self.zones.place(number, zone, area_codes)
    }

    /// Whether messages of this purpose are held to the hours anywhere: what a person waits for or asked for goes at once.
    pub fn may_hold(purpose: Purpose) -> bool {
        matches!(purpose, Purpose::Promotional | Purpose::Survey | Purpose::Transactional)
    }

    /// Whether messages of this purpose are held to the hours at a place.
    pub fn holds(&self, place: &Place, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Promotional | Purpose::Survey => true,
            Purpose::Transactional => {
                let holds = |row: &Row| row.holds.iter().any(|name| name == purpose.name());
                self.rows(place).iter().any(|(_, row)| holds(row))
            }
            Purpose::OneTimeCode | Purpose::Reply | Purpose::Confirmation | Purpose::Help => false,
        }
    }

    /// The rows that bind a place, by name: `FR`, `US` and `US.FL`, or `default`.
    pub fn rows(&self, place: &Place) -> Vec<(String, &Row)> {
        self.pack.rows(place.country.as_deref(), place.region.as_deref())
    }

    /// When a place is open for a purpose, from this moment for [`DAYS_AHEAD`] days.
    pub fn windows(&self, from_ms: i64, place: &Place, purpose: Purpose, account: &Account) -> Windows {
        if account.enforce == Enforce::Never || !self.holds(place, purpose) {
            return Windows::always();
        }
        let window = matches!(purpose, Purpose::Promotional | Purpose::Survey)
            .then_some((account.from_minute, account.to_minute));
        windows::windows(from_ms, place, &self.rows(place), window, &self.holidays)
    }

    /// The last years holidays are known for; `None` where the pack has none at all.
    pub fn holidays_until(&self) -> Option<i16> {
        self.holidays.until()
    }

    /// Which tables these are: their versions, for whoever asks why.
    pub fn versions(&self) -> String {
        format!("zones {}, holidays {}", self.zones.version(), self.holidays.version())
    }
}

/// May a message of this purpose go to this number now?
pub fn allowed(
    now_ms: i64,
    number: Msisdn,
    zone: Option<&str>,
    purpose: Purpose,
    account: &Account,
) -> Verdict {
    let hours = Hours::shipped();
    let place = hours.place(number, zone, account.area_codes);
    hours.windows(now_ms, &place, purpose, account).verdict(now_ms)
}

#[cfg(test)]
mod tests;
