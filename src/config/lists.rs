//! A list of opt-outs or opt-ins: CSV with a number a row, read row by row; a broken row is told and passed over.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Take};
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::contacts::{RowFault, RowProblem, masked};
use super::problem::{Problem, Problems};
use super::unit::cut;
use crate::message::{Msisdn, Scope};

/// A longer line is no row.
const LINE_OCTETS: u64 = 16 * 1024;
/// Separators that spreadsheets use, by country.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// Names of the columns we read, spaces and dashes off; the first is ours.
const NUMBER: [&str; 8] =
    ["number", "phone", "phonenumber", "msisdn", "mobile", "mobilenumber", "cell", "recipient"];
const SCOPE: [&str; 2] = ["scope", "reach"];
const DATE: [&str; 8] = ["date", "since", "at", "time", "timestamp", "optoutdate", "optindate", "createdat"];
const SOURCE: [&str; 4] = ["source", "reason", "note", "comment"];

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedNumber {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The handset.
    pub number: Msisdn,
    /// How far it reaches, where the row says so.
    pub scope: Option<Scope>,
    /// When it was said, milliseconds since the epoch, where the row says so.
    pub at_ms: Option<i64>,
    /// Where it comes from, where the row says so.
    pub source: Option<String>,
}

/// The rows of a list.
pub struct List<R> {
    file: String,
    reader: Take<BufReader<R>>,
    line: u64,
    text: Vec<u8>,
    separator: u8,
    width: usize,
    number: usize,
    scope: Option<usize>,
    date: Option<usize>,
    source: Option<usize>,
    ignored: Vec<String>,
    row: csv::StringRecord,
    ended: bool,
}

/// Opens a list.
///
/// # Errors
/// The file can't be read, or its header doesn't tell which column is the number.
pub fn open_list(path: &Path) -> Result<List<File>, Problems> {
    let file = path.display().to_string();
    let opened = File::open(path).and_then(|open| match open.metadata()?.is_dir() {
        true => Err(std::io::ErrorKind::IsADirectory.into()),
        false => Ok(open),
    });
    match opened {
        Ok(open) => read_list(open, &file),
        Err(error) => {
            let (what, hint) = super::raw::not_opened(path, &error);
            Err(Problem::of_file(&file, what, hint).into())
        }
    }
}

/// Reads a list: the header at once, the rows one by one. `file` names it in problems.
///
/// # Errors
/// The header doesn't tell which column is the number.
pub fn read_list<R: Read>(reader: R, file: &str) -> Result<List<R>, Problems> {
    let mut list = List {
        file: file.to_owned(),
        reader: BufReader::new(reader).take(LINE_OCTETS),
        line: 0,
        text: Vec::new(),
        separator: b',',
        width: 0,
        number: 0,
        scope: None,
        date: None,
        source: None,
        ignored: Vec::new(),
        row: csv::StringRecord::new(),
        ended: false,
    };
    let wrong = |line: u64, what: &str, hint: String| {
        Problems::from(Problem::on_line(
            file,
            usize::try_from(line).unwrap_or_default(),
            what.to_owned(),
            hint,
        ))
    };
    let wanted = "name the columns in the first line: number,scope,date,source; only number is needed";
    loop {
        match list.next_line() {
            Ok(true) if list.text.trim_ascii().is_empty() => {}
            Ok(true) => break,
            Ok(false) => return Err(wrong(1, "the list is empty", wanted.to_owned())),
            Err(what) => return Err(wrong(list.line, &what, wanted.to_owned())),
        }
    }
    let header = String::from_utf8_lossy(&list.text).trim_start_matches('\u{feff}').trim().to_owned();
    let most = |sign: &char| header.matches(*sign).count();
    let separator = SEPARATORS.into_iter().rev().max_by_key(most).unwrap_or(',');
    list.separator = u8::try_from(separator).unwrap_or(b',');
    let names: Vec<String> =
        header.split(separator).map(|name| name.trim().trim_matches('"').to_owned()).collect();
    list.width = names.len();
    let plain = |name: &str| -> String {
        name.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let find = |known: &[&str]| names.iter().position(|name| known.contains(&plain(name).as_str()));
    let Some(number) = find(&NUMBER) else {
        let what = format!("no column is the number: {}", cut(&names.join(", ")));
        return Err(wrong(list.line, &what, wanted.to_owned()));
    };
    (list.number, list.scope, list.date, list.source) = (number, find(&SCOPE), find(&DATE), find(&SOURCE));
    let ours = [Some(number), list.scope, list.date, list.source];
    list.ignored = names
        .iter()
        .enumerate()
        .filter(|(at, name)| !ours.contains(&Some(*at)) && !name.is_empty())
        .map(|(_, name)| name.clone())
        .collect();
    Ok(list)
}

impl<R> List<R> {
    /// Columns that say nothing to us and are passed over.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

impl<R: Read> List<R> {
    /// Reads the next line. False: there is none. An error: it is no line.
    fn next_line(&mut self) -> Result<bool, String> {
        self.text.clear();
        self.reader.set_limit(LINE_OCTETS);
        let read = self
            .reader
            .read_until(b'\n', &mut self.text)
            .map_err(|error| format!("cannot be read: {error}"))?;
        self.line += 1;
        if read as u64 == LINE_OCTETS && !self.text.ends_with(b"\n") {
            return Err(format!("the row is longer than {LINE_OCTETS} octets"));
        }
        Ok(read > 0)
    }

    /// Takes the line apart; tells whether there was one, and nothing where it is not UTF-8. Most lines quote nothing, and
    /// a CSV reader takes as long to be made as a hundred of them to be read.
    fn cells(&mut self) -> Option<bool> {
        if self.text.contains(&b'"') {
            let mut cells = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(self.separator)
                .buffer_capacity(256)
                .from_reader(self.text.as_slice());
            return cells.read_record(&mut self.row).ok();
        }
        let line = std::str::from_utf8(&self.text).ok()?;
        self.row.clear();
        line.trim_end_matches(['\r', '\n'])
            .split(char::from(self.separator))
            .for_each(|cell| self.row.push_field(cell));
        Some(true)
    }

    fn row(&mut self) -> Result<ListedNumber, (usize, String, String)> {
        let whole = |what: &str, hint: &str| (0, what.to_owned(), hint.to_owned());
        match self.cells() {
            Some(true) => {}
            Some(false) => return Err(whole("the row is empty", "take it out")),
            None => return Err(whole("the row is not UTF-8", "save the file as \"CSV UTF-8\"")),
        }
        if self.row.len() != self.width {
            let what = format!("the row has {} cells, the header {}", self.row.len(), self.width);
            return Err((0, what, "a cell that holds the separator stands in quotes".to_owned()));
        }
        let cell = |at: Option<usize>| {
            at.and_then(|at| Some((at + 1, self.row.get(at)?.trim()))).filter(|(_, text)| !text.is_empty())
        };
        let Some((column, written)) = cell(Some(self.number)) else {
            return Err((
                self.number + 1,
                "the number is empty".to_owned(),
                "a row is nothing without it".to_owned(),
            ));
        };
        // a spreadsheet marks text with an apostrophe
        let written = written.trim_start_matches('\'');
        let number = Msisdn::parse(written).map_err(|error| {
            let why = error.to_string();
            let (what, hint) = why.split_once("; ").unwrap_or((&why, ""));
            (column, format!("`number` {} {what}", masked(written)), hint.to_owned())
        })?;
        let scope = cell(self.scope)
            .map(|(column, text)| {
                text.parse::<Scope>().map_err(|_| {
                    let hint = "write all, sender:88001 or programme:promo; for one purpose all/promotional";
                    (column, format!("`{}` is no scope", cut(text)), hint.to_owned())
                })
            })
            .transpose()?;
        let at_ms = cell(self.date)
            .map(|(column, text)| {
                instant_of(text).ok_or_else(|| {
                    let hint = "write 2026-03-01, 2026-03-01 14:30 (UTC) or 2026-03-01T14:30:00+02:00";
                    (column, format!("`{}` is no date", cut(text)), hint.to_owned())
                })
            })
            .transpose()?;
        let source = cell(self.source).map(|(_, text)| text.to_owned());
        Ok(ListedNumber { line: self.line, number, scope, at_ms, source })
    }
}

impl<R: Read> Iterator for List<R> {
    type Item = Result<ListedNumber, RowProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.next_line() {
                Ok(true) if self.text.trim_ascii().is_empty() => {}
                Ok(true) => {
                    let row = self.row();
                    let (file, line) = (&self.file, self.line);
                    return Some(row.map_err(|(column, what, hint)| RowProblem {
                        fault: RowFault::Broken,
                        file: file.clone(),
                        line,
                        column,
                        what,
                        hint,
                    }));
                }
                Ok(false) => return None,
                Err(what) => {
                    self.ended = true;
                    let hint = "rows up to here are read".to_owned();
                    return Some(Err(RowProblem {
                        file: self.file.clone(),
                        line: self.line,
                        column: 0,
                        what,
                        hint,
                        fault: RowFault::Broken,
                    }));
                }
            }
        }
        None
    }
}

/// A moment as lists write it; without a zone it is UTC.
pub fn instant_of(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let civil = match text.parse::<DateTime>() {
        Ok(civil) => civil,
        Err(_) => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
    };
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str) -> Vec<Result<ListedNumber, RowProblem>> {
        read_list(text.as_bytes(), "stops.csv").unwrap().collect()
    }

    #[test]
    fn a_list_is_read_with_what_each_row_says() {
        let rows = rows(
            "Phone;Scope;Date;Reason;Name\n+447700900001;all;2026-03-01;\"asked; by mail\";Ana\n\n\
             447700900002;sender:88001/promotional;2026-03-01T14:30:00+02:00;;\n'+447700900003;;;;\n",
        );
        let rows: Vec<ListedNumber> = rows.into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(rows[0].scope, Some(Scope::Everything));
        assert_eq!(rows[0].at_ms, Some(1_772_323_200_000));
        assert_eq!(rows[0].source.as_deref(), Some("asked; by mail"));
        assert_eq!(rows[1].at_ms, Some(1_772_368_200_000));
        assert_eq!((&rows[2].scope, rows[2].at_ms), (&None, None));
    }

    #[test]
    fn every_broken_row_is_told_with_its_line_and_the_others_are_read() {
        let rows = rows(
            "number,scope,date\n07700900001,,\n+447700900002,everyone,\n+447700900003,all,soon\nx\n+447700900004,,\n",
        );
        let told: Vec<String> =
            rows.iter().filter_map(|row| row.as_ref().err().map(ToString::to_string)).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with("stops.csv:2:") && told[0].contains("country code"), "{}", told[0]);
        assert!(!told[0].contains("7700900001"), "no whole number: {}", told[0]);
        assert!(told[1].contains("`everyone` is no scope") && told[2].contains("`soon` is no date"));
        assert!(told[3].contains("1 cells, the header 3"));
        assert!(rows[4].is_ok());
    }

    #[test]
    fn a_header_without_a_number_and_an_endless_line_are_refused() {
        assert!(
            read_list("a,b\n".as_bytes(), "f").err().unwrap().to_string().contains("no column is the number")
        );
        assert!(read_list("".as_bytes(), "f").err().unwrap().to_string().contains("empty"));
        let endless = std::io::Cursor::new(b"number\n".to_vec()).chain(std::io::repeat(b'1'));
        let rows: Vec<_> = read_list(endless, "f").unwrap().collect();
        assert!(rows.len() == 1 && rows[0].is_err());
    }

    proptest! {
        #[test]
        fn no_file_upsets_it(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(list) = read_list([b"number,date\n".as_slice(), &octets].concat().as_slice(), "f") {
                let _ = list.count();
            }
        }
    }
}
