//! The cells of a row: what each may hold, and what is said when it doesn't.

use std::fmt;

use jiff::tz::TimeZone;

use super::RowFault;
use super::header::Column;
use crate::config::country::{calling_code, meant};
use crate::config::language::language_tag;
use crate::config::problem::nearest;
use crate::config::unit::cut;

/// Longer names are addresses or remarks in the wrong column.
const NAME_SIGNS: usize = 60;

/// What is wrong with a row, before it has its place.
pub(super) struct Fault {
    pub(super) fault: RowFault,
    pub(super) column: Option<Column>,
    pub(super) what: String,
    pub(super) hint: String,
}

impl Fault {
    pub(super) fn of_row(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fault: RowFault::Broken, column: None, what: what.into(), hint: hint.into() }
    }

    pub(super) fn of_cell(column: Column, what: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self {
            fault: RowFault::Broken,
            column: Some(column),
            what: format!("`{}` {what}", column.name()),
            hint: hint.into(),
        }
    }
}

pub(super) fn name(text: &str) -> Result<String, Fault> {
    let steers = |sign: char| matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words = text.split(|sign: char| sign.is_whitespace() || sign.is_control() || steers(sign));
    let name = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if name.chars().count() > NAME_SIGNS {
        let hint = format!("at most {NAME_SIGNS}: how you would address the person");
        return Err(Fault::of_cell(Column::Name, format!("has {} characters", name.chars().count()), hint));
    }
    Ok(name)
}

pub(super) fn language(text: &str) -> Result<String, Fault> {
    language_tag(text).map_err(|wrong| {
        let _ = wrong;
        let hint = "write its two-letter code, like en, id or pt-BR";
        Fault::of_cell(Column::Language, format!("is `{}`", cut(text)), hint)
    })
}

pub(super) fn country(text: &str) -> Result<String, Fault> {
    let upper = text.to_uppercase();
    if calling_code(&upper).is_some() {
        return Ok(upper);
    }
    let hint = match meant(text) {
        Some(meant) => format!("write {meant}"),
        None => "write its two-letter code, like GB, ID or US".to_owned(),
    };
    Err(Fault::of_cell(Column::Country, format!("is `{}`", cut(text)), hint))
}

pub(super) fn zone(text: &str) -> Result<String, Fault> {
    let zones = jiff::tz::db();
    // Without a database of zones on this machine nothing can be said against a name.
    if zones.is_definitively_empty() {
        return Ok(text.to_owned());
    }
    match TimeZone::get(text) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        Err(_) => {
            let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
            let hint = nearest(text, names.iter().map(String::as_str)).map_or_else(
                || "write it like Europe/London".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            Err(Fault::of_cell(Column::Zone, format!("is `{}`", cut(text)), hint))
        }
    }
}

/// A number as it may be shown: two signs of its beginning, three of its end.
pub(in crate::config) fn masked(text: &str) -> String {
    let signs: Vec<char> = text.chars().filter(|sign| !sign.is_control()).collect();
    let (head, tail) = if signs.len() > 8 { (3, 3) } else { (1, 0) };
    let head: String = signs.iter().take(head).collect();
    let tail: String = signs.iter().skip(signs.len() - tail.min(signs.len())).collect();
    format!("{head}******{tail}")
}
