//! How many replies were read right, and the wrongs that weigh: values guessed, opt-outs invented or missed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::cli::paint::{Surface, thousands};

/// A row with what it should have been read as, and what it was.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) text: String,
    pub(super) language: String,
    pub(super) context: String,
    pub(super) expected: String,
    pub(super) read: String,
    pub(super) rule: &'static str,
}

/// Rows of one kind.
#[derive(Debug, Default, Serialize)]
struct Kind {
    rows: u64,
    right: u64,
}

/// The score of a file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Score {
    packs: String,
    rows: u64,
    right: u64,
    kinds: BTreeMap<String, Kind>,
    /// A value taken where it must ask, or where there is none.
    guessed_values: u64,
    /// Another value taken than was meant.
    wrong_values: u64,
    false_opt_outs: u64,
    missed_opt_outs: u64,
    rows_a_second: u64,
    wrong: Vec<Row>,
}

impl Score {
    pub(super) fn new(packs: &str) -> Self {
        Self { packs: packs.to_owned(), ..Self::default() }
    }

    pub(super) fn add(&mut self, row: Row) {
        let kind = row.expected.split(':').next().unwrap_or_default().to_owned();
        let right = row.read == row.expected;
        let (read_answer, is_answer) = (row.read.starts_with("answer:"), kind == "answer");
        self.rows += 1;
        self.right += u64::from(right);
        self.guessed_values += u64::from(read_answer && !is_answer);
        self.wrong_values += u64::from(read_answer && is_answer && !right);
        self.false_opt_outs += u64::from(row.read == "optout" && kind != "optout");
        self.missed_opt_outs += u64::from(row.read != "optout" && kind == "optout");
        let cell = self.kinds.entry(kind).or_default();
        cell.rows += 1;
        cell.right += u64::from(right);
        if !right {
            self.wrong.push(row);
        }
    }

    pub(super) fn took(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.rows_a_second = self.rows.saturating_mul(1_000_000) / micros;
    }

    pub(super) fn print(&self) {
        let surface = Surface::of_stdout();
        say!("{}", surface.bold(&format!("{:<22}{:>8}{:>8}{:>9}", "expected", "rows", "right", "")));
        for (name, kind) in &self.kinds {
            say!("{name:<22}{:>8}{:>8}{:>9}", thousands(kind.rows), thousands(kind.right), share(kind));
        }
        let all = Kind { rows: self.rows, right: self.right };
        let line =
            format!("{:<22}{:>8}{:>8}{:>9}", "all", thousands(all.rows), thousands(all.right), share(&all));
        say!("{}", surface.bold(&line));
        for (what, count) in [
            ("values guessed", self.guessed_values),
            ("other values taken", self.wrong_values),
            ("false opt-outs", self.false_opt_outs),
            ("opt-outs missed", self.missed_opt_outs),
        ] {
            let figure = format!("{:>8}", thousands(count));
            say!("{what:<22}{}", if count == 0 { surface.good(&figure) } else { surface.bad(&figure) });
        }
        say!("{:<22}{:>8}", "replies a second", thousands(self.rows_a_second));
        say!("{:<22}{}", "packs", self.packs);
        for row in &self.wrong {
            say!(
                "\n{:?} ({}, {})\n  expected {}, read {} by {}",
                row.text,
                row.language,
                row.context,
                row.expected,
                row.read,
                row.rule
            );
        }
    }
}

/// Of a hundred, to a tenth, rounded down: 99.97 % is not all.
fn share(kind: &Kind) -> String {
    let tenths = (kind.right * 1_000).checked_div(kind.rows).unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(expected: &str, read: &str) -> Row {
        Row {
            text: "3?".to_owned(),
            language: "en".to_owned(),
            context: "none".to_owned(),
            expected: expected.to_owned(),
            read: read.to_owned(),
            rule: "digits",
        }
    }

    #[test]
    fn each_kind_of_wrong_is_counted_apart() {
        let mut score = Score::new("v");
        for (expected, read) in [
            ("answer:3", "answer:3"),
            ("answer:3", "answer:4"),
            ("ambiguous", "answer:3"),
            ("freetext", "optout"),
            ("optout", "freetext"),
            ("answer:3", "ambiguous"),
        ] {
            score.add(row(expected, read));
        }
        assert_eq!((score.rows, score.right, score.wrong.len()), (6, 1, 5));
        assert_eq!((score.guessed_values, score.wrong_values), (1, 1));
        assert_eq!((score.false_opt_outs, score.missed_opt_outs), (1, 1));
        assert_eq!(share(&Kind { rows: 3_000, right: 2_999 }), "99.9 %");
    }
}
