//! Values as an operator says them: `"50/s"`, `"30s"`, `"94%"`, `"env:NAME"`.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::de::DeValue;

use super::problem::{listed, nearest};
use super::raw::{At, Wrong};

/// How many message parts may leave in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(NonZeroU32);

impl Rate {
    /// Nobody publishes more than some thousands a second; above this a typing error is likelier than a need.
    const MOST: u32 = 100_000;

    /// So many parts a second.
    pub const fn per_second(parts: NonZeroU32) -> Self {
        Self(parts)
    }

    /// Parts a second.
    pub const fn parts_per_second(self) -> NonZeroU32 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A password or an address with a password in it. `Debug` doesn't show it, and nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret made by the program itself: the demo's password.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Any text that isn't empty.
pub(super) fn text<'d>(value: &'d DeValue<'d>) -> Result<&'d str, Wrong> {
    let text = value.as_str().ok_or_else(|| Wrong::kind(value, "write it in quotes: \"…\""))?;
    if text.trim().is_empty() {
        return Err(Wrong::new("is empty", "write something, or leave the setting out"));
    }
    Ok(text)
}

/// A text that may be empty.
pub(super) fn text_or_none<'d>(value: &'d DeValue<'d>) -> Result<&'d str, Wrong> {
    value.as_str().ok_or_else(|| Wrong::kind(value, "write it in quotes: \"…\""))
}

/// A list of texts.
pub(super) fn texts<'d>(value: &'d DeValue<'d>) -> Result<Vec<At<&'d str>>, Wrong> {
    let hint = "write a list of texts: [\"a\", \"b\"]";
    let list = value.as_array().ok_or_else(|| Wrong::kind(value, hint))?;
    list.iter()
        .map(|item| {
            let value = item
                .get_ref()
                .as_str()
                .ok_or_else(|| Wrong::new("holds something other than texts", hint))?;
            Ok(At { value, span: item.span() })
        })
        .collect()
}

/// A whole number in a range.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&DeValue<'_>) -> Result<T, Wrong>
where
    T: TryFrom<i64> + PartialOrd + fmt::Display + Copy,
{
    move |value| {
        let hint = format!("write a whole number from {} to {}", range.start(), range.end());
        let written = value.as_integer().ok_or_else(|| Wrong::kind(value, hint.clone()))?;
        i64::from_str_radix(written.as_str(), written.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| Wrong::new(format!("is {written}"), hint))
    }
}

/// One word of a list.
pub(super) fn one_of<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl Fn(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| {
        let all = || listed(words.iter().map(|(word, _)| *word));
        let written = value.as_str().ok_or_else(|| Wrong::kind(value, format!("write one of {}", all())))?;
        words.iter().find(|(word, _)| *word == written).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let near = nearest(written, words.iter().map(|(word, _)| *word));
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            Wrong::new(format!("is `{written}`"), format!("{near}known are {}", all()))
        })
    }
}

/// A span of time in milliseconds: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"3d"`.
pub(super) fn duration(range: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<u64, Wrong> {
    move |value| {
        let hint = format!(
            "write a time from {} to {}, like \"30s\"; units are ms, s, m, h, d",
            duration_words(*range.start()),
            duration_words(*range.end())
        );
        let written = value.as_str().ok_or_else(|| Wrong::kind(value, hint.clone()))?;
        let ms = milliseconds(written).ok_or_else(|| Wrong::new(format!("is `{written}`"), hint.clone()))?;
        if range.contains(&ms) { Ok(ms) } else { Err(Wrong::new(format!("is `{written}`"), hint)) }
    }
}

/// A rate: `"50/s"`, or `"600/min"` where that is a whole number a second.
pub(super) fn rate(value: &DeValue<'_>) -> Result<Rate, Wrong> {
    let most = Rate::MOST;
    let hint = format!("write message parts a second, like \"50/s\"; at least \"1/s\", at most \"{most}/s\"");
    let written = value.as_str().ok_or_else(|| Wrong::kind(value, hint.clone()))?;
    let wrong = || Wrong::new(format!("is `{}`", cut(written)), hint.clone());
    let (parts, unit) = written.split_once('/').ok_or_else(wrong)?;
    let parts: u32 = parts.trim().parse().map_err(|_| wrong())?;
    let per_second = match unit.trim() {
        "s" | "sec" | "second" => parts,
        "m" | "min" | "minute" if parts.is_multiple_of(60) => parts / 60,
        _ => return Err(wrong()),
    };
    NonZeroU32::new(per_second).filter(|parts| parts.get() <= most).map(Rate).ok_or_else(wrong)
}

/// A share: `"94%"` or `0.94`.
pub(super) fn share(value: &DeValue<'_>) -> Result<f64, Wrong> {
    let hint = "write a share from \"0%\" to \"100%\"";
    let number = match value {
        DeValue::String(text) => {
            let digits = text.trim().strip_suffix('%').map(str::trim);
            digits.and_then(|digits| digits.parse::<f64>().ok()).map(|percent| percent / 100.0)
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) => integer.as_str().parse().ok(),
        _ => return Err(Wrong::kind(value, hint)),
    };
    number.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
        let written = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Float(float) => float.to_string(),
            other => other.as_integer().map(ToString::to_string).unwrap_or_default(),
        };
        Wrong::new(format!("is `{written}`"), hint)
    })
}

/// Names that end up in tables, files and commands: short, lower case.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    /// Long enough for `aggregator-marketing-2`, short enough for a column.
    const LETTERS: usize = 32;
    let written = text(value)?;
    let good = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-' || sign == '_';
    if written.len() > LETTERS || !written.chars().all(good) {
        let hint =
            format!("a name is up to {LETTERS} lower-case letters, digits, - and _, like \"main-carrier\"");
        return Err(Wrong::new(format!("is `{}`", cut(written)), hint));
    }
    Ok(written.to_owned())
}

/// A secret by reference: `env:NAME`, `file:PATH`; `plain:…` for what is none.
pub(super) fn secret(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<Secret, Wrong> {
    move |value| {
        let hint =
            "write \"env:NAME\" or \"file:PATH\"; \"plain:…\" only where it is no secret, as on a simulator";
        let written = value.as_str().ok_or_else(|| Wrong::kind(value, hint))?;
        match written.split_once(':') {
            Some(("env", name)) => from_environment(name),
            Some(("file", path)) => from_file(&folder.join(path)),
            Some(("plain", plain)) => Ok(Secret(plain.to_owned())),
            _ => {
                Err(Wrong::new("stands in the file itself, where everybody who reads the file has it", hint))
            }
        }
    }
}

fn from_environment(name: &str) -> Result<Secret, Wrong> {
    if name.is_empty() || name.contains(['=', '\0', ' ']) {
        return Err(Wrong::new(
            format!("names no variable: `env:{name}`"),
            "write it like \"env:CARRIER_PASSWORD\"",
        ));
    }
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(Secret(value)),
        Ok(_) => Err(Wrong::new(format!("wants the variable {name}, which is empty"), format!("set {name}"))),
        Err(std::env::VarError::NotPresent) => Err(Wrong::new(
            format!("wants the variable {name}, which is not set"),
            format!("set {name} before starting, or use \"file:PATH\""),
        )),
        Err(std::env::VarError::NotUnicode(_)) => Err(Wrong::new(
            format!("wants the variable {name}, which is not UTF-8"),
            format!("set {name} anew"),
        )),
    }
}

fn from_file(path: &Path) -> Result<Secret, Wrong> {
    /// Longer than any password or database address; a key file named by mistake is refused.
    const OCTETS: u64 = 4_096;
    let shown = path.display();
    let octets = match std::fs::metadata(path) {
        Ok(file) if file.len() > OCTETS => {
            let hint = format!("the file holds the secret alone, at most {OCTETS} octets");
            return Err(Wrong::new(format!("wants the file {shown}, which is too long"), hint));
        }
        Ok(_) => std::fs::read(path),
        Err(error) => Err(error),
    };
    let octets = octets.map_err(|error| {
        let hint = "the path is relative to this file; the user who runs this must be able to read it";
        Wrong::new(format!("wants the file {shown}: {error}"), hint)
    })?;
    let text = String::from_utf8(octets)
        .map_err(|_| Wrong::new(format!("wants the file {shown}, which is not UTF-8"), "save it as UTF-8"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Wrong::new(format!("wants the file {shown}, which is empty"), "put the secret in it"));
    }
    Ok(Secret(text.to_owned()))
}

/// Milliseconds of `"30s"`; no fractions, no sums: one way to write a time.
pub fn milliseconds(written: &str) -> Option<u64> {
    let written = written.trim();
    let digits = written.find(|sign: char| !sign.is_ascii_digit())?;
    let (number, unit) = written.split_at(digits);
    let unit_ms: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// `30000` as `30s`.
pub(super) fn duration_words(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(unit_ms, _)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
    unit.map_or_else(|| format!("{ms}ms"), |(unit_ms, unit)| format!("{}{unit}", ms / unit_ms))
}

/// A text short enough for a message.
pub(super) fn cut(text: &str) -> String {
    /// Enough to know it again.
    const SIGNS: usize = 40;
    let mut signs = text.chars();
    let head: String = signs.by_ref().take(SIGNS).collect();
    if signs.next().is_some() { format!("{head}…") } else { head }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> DeValue<'_> {
        DeValue::parse(text).unwrap().into_inner()
    }

    fn rate_of(text: &str) -> Option<u32> {
        rate(&value(text)).ok().map(|rate| rate.parts_per_second().get())
    }

    #[test]
    fn a_rate_is_read_as_said_and_nonsense_is_refused() {
        assert_eq!(rate_of("\"50/s\""), Some(50));
        assert_eq!(rate_of("\"600 / min\""), Some(10));
        for wrong in [
            "\"0/s\"",
            "\"50\"",
            "50",
            "\"-1/s\"",
            "\"1e9/s\"",
            "\"200000/s\"",
            "\"5/day\"",
            "\"61/min\"",
            "\"/s\"",
        ] {
            assert_eq!(rate_of(wrong), None, "{wrong}");
        }
        assert_eq!(rate(&value("\"50/s\"")).ok().map(|rate| rate.to_string()).as_deref(), Some("50/s"));
    }

    #[test]
    fn a_time_is_read_in_one_way_and_no_other() {
        for (written, ms) in
            [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("3d", 259_200_000)]
        {
            assert_eq!(milliseconds(written), Some(ms));
            assert_eq!(duration_words(ms), written);
        }
        for wrong in ["30", "s", "1.5s", "-3s", "3 weeks", "99999999999999999d", "1h30m"] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_is_percent_or_a_fraction() {
        assert_eq!(share(&value("\"94%\"")).ok(), Some(0.94));
        assert_eq!(share(&value("0.5")).ok(), Some(0.5));
        for wrong in ["\"101%\"", "1.5", "\"half\"", "-1", "nan"] {
            assert!(share(&value(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_comes_from_a_file_without_its_line_end_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "hunter2\n").unwrap();
        let got = secret(folder.path())(&value("\"file:pw\"")).ok().unwrap();
        assert_eq!(got.reveal(), "hunter2");
        assert!(!format!("{got:?}").contains("hunter2"));
        assert!(secret(folder.path())(&value("\"hunter2\"")).is_err(), "not in the file itself");
    }
}
