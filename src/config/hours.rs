//! `[hours]`: what the account decides about permitted hours; the rest is the hours pack.

use toml::de::DeValue;

use super::raw::{Table, Wrong};
use super::unit::{one_of, text};
use crate::rules::hours::{Account, AreaCodes, Enforce};

/// Reads `[hours]`; left out, hours are kept from nine to eight.
pub(super) fn read(root: &Table<'_>) -> Account {
    let usual = Account::default();
    let Some(table) = root.table("hours") else { return usual };
    let (from_minute, to_minute) = table.or("window", window, (usual.from_minute, usual.to_minute));
    Account {
        enforce: table.or("enforce", one_of(ENFORCE), usual.enforce),
        from_minute,
        to_minute,
        area_codes: table.or("area_codes", one_of(AREA_CODES), usual.area_codes),
    }
}

const ENFORCE: &[(&str, Enforce)] = &[("always", Enforce::Always), ("never", Enforce::Never)];
const AREA_CODES: &[(&str, AreaCodes)] = &[("hint", AreaCodes::Hint), ("trust", AreaCodes::Trust)];

/// `09:00-20:00`.
fn window(value: &DeValue<'_>) -> Result<(u16, u16), Wrong> {
    let written = text(value)?;
    let minute = |time: &str| {
        let (hour, minute) = time.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        Some(hour * 60 + minute).filter(|all| hour <= 24 && minute < 60 && *all <= 24 * 60)
    };
    let ends = written.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    ends.filter(|(from, to)| from < to).ok_or_else(|| {
        let hint = "write from and to in one day, where the person lives: window = \"09:00-20:00\"";
        Wrong::new(format!("is `{}`", super::unit::cut(written)), hint)
    })
}
