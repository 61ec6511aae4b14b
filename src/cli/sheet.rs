//! Tables as CSV that a spreadsheet opens without running anything.

use jiff::Timestamp;

use crate::message::Msisdn;

/// What a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV injection).
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// One cell, safe as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell(String);

impl Cell {
    /// Words of anybody: where they would be a formula, they begin with a quote.
    pub(crate) fn text(text: &str) -> Self {
        let formula = text.trim_start_matches([' ', '\n']).starts_with(FORMULA);
        Self(if formula { format!("'{text}") } else { text.to_owned() })
    }

    /// A handset's number: a plus and digits, and nothing else.
    pub(crate) fn number(number: Msisdn) -> Self {
        Self(number.to_string())
    }

    /// A figure.
    pub(crate) fn figure(figure: impl std::fmt::Display) -> Self {
        Self(figure.to_string())
    }

    /// A time, milliseconds since the epoch, as an ISO 8601 date and time in UTC.
    pub(crate) fn time(at_ms: i64) -> Self {
        Self(Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string())
    }
}

/// A table with a head.
#[derive(Debug)]
pub(crate) struct Sheet {
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|name| Cell::text(name)).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// As RFC 4180 has it.
    pub(crate) fn csv(&self) -> String {
        let quoted = |Cell(text): &Cell| {
            if text.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        };
        let line = |cells: &Vec<Cell>| cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_formula_is_words() {
        let mut sheet = Sheet::new(&["number", "text"]);
        for text in ["=1+1", "@SUM(A1)", "-2", "+44", "\t=1", " =1", "a, \"b\"\nc", "3"] {
            sheet.row(vec![Cell::number(Msisdn(447_700_900_123)), Cell::text(text)]);
        }
        let number = "+447700900123";
        let lines = [
            "number,text".to_owned(),
            format!("{number},'=1+1"),
            format!("{number},'@SUM(A1)"),
            format!("{number},'-2"),
            format!("{number},'+44"),
            format!("{number},'\t=1"),
            format!("{number},' =1"),
            format!("{number},\"a, \"\"b\"\"\nc\""),
            format!("{number},3"),
        ];
        assert_eq!(sheet.csv(), lines.join("\r\n") + "\r\n");
    }
}
