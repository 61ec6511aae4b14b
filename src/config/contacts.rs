//! A contact file: CSV as it comes out of spreadsheets and shops, read row by row, a broken row told and passed over.

mod cell;
mod header;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::country::calling_code;
use super::problem::{Problem, Problems};
use crate::message::Msisdn;
pub(super) use cell::masked;
use cell::{Fault, country, language, name, zone};
use header::{Column, Header, LineEnds};

/// A longer row is a quote that was opened and never closed.
const ROW_OCTETS: usize = 64 * 1024;
/// Numbers remembered for telling doubles: at 16 octets each this bounds memory to some 64 MB. A double beyond it is
/// still written to once only: an invitation's key is campaign and number.
const NUMBERS_REMEMBERED: usize = 2_000_000;

/// One row.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its line in the file, from 1.
    pub line: u64,
    /// How to address the person.
    pub name: Option<String>,
    /// The handset.
    pub number: Msisdn,
    /// Language tag, as `language_tag` gives it.
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// IANA name of the time zone.
    pub zone: Option<String>,
    /// Cells of the other columns that were asked for, by the column's name: a JSON object.
    pub fields: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, name: _, number, language, country, zone, fields: _ } = self;
        write!(f, "Contact({line}: {number:?} {language:?} {country:?} {zone:?})")
    }
}

/// Why a row can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    /// Something in it is wrong.
    Broken,
    /// Its number stands in an earlier row.
    Doubled,
}

/// A row that can't be used. Numbers are masked in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The file as it was named to us.
    pub file: String,
    /// Whether it is the row that is wrong, or the person that is in the file already.
    pub fault: RowFault,
    /// Line, from 1.
    pub line: u64,
    /// Which cell of the row, from 1; 0 for the row as a whole.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub hint: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.what, self.hint)
    }
}

impl std::error::Error for RowProblem {}

impl From<RowProblem> for Problem {
    fn from(row: RowProblem) -> Self {
        Self::on_line(&row.file, usize::try_from(row.line).unwrap_or(usize::MAX), row.what, row.hint)
    }
}

/// The rows of a contact file.
pub struct Contacts<R> {
    file: String,
    header: Header,
    rows: csv::Reader<Bounded<Chain<Cursor<Vec<u8>>, R>>>,
    handed_out: Arc<AtomicUsize>,
    row: csv::ByteRecord,
    /// Line of the row read last.
    line: u64,
    seen: HashMap<Msisdn, u64>,
    ended: bool,
}

/// Opens a contact file.
///
/// # Errors
/// The file can't be read, or its header doesn't tell which column is the number.
pub fn open_contacts(path: &Path) -> Result<Contacts<File>, Problems> {
    let file = path.display().to_string();
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(file),
    });
    match opened {
        Ok(opened) => read_contacts(opened, &file),
        Err(error) => {
            let (what, hint) = super::raw::not_opened(path, &error);
            Err(Problem::of_file(&file, what, hint).into())
        }
    }
}

/// Reads a contact file: the header at once, the rows one by one. `file` names it in problems.
///
/// # Errors
/// The header doesn't tell which column is the number, or has a column that looks like a slip of the finger.
pub fn read_contacts<R: Read>(mut reader: R, file: &str) -> Result<Contacts<R>, Problems> {
    let header::Opened { header, rest } = header::read(&mut reader, file)?;
    let handed_out = Arc::new(AtomicUsize::new(0));
    let bounded = Bounded {
        inner: Cursor::new(rest).chain(reader),
        handed_out: Arc::clone(&handed_out),
        ends: header.ends,
        ended: false,
    };
    let rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(header.separator)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(bounded);
    let (row, seen) = (csv::ByteRecord::new(), HashMap::new());
    let line = header.line;
    Ok(Contacts { file: file.to_owned(), header, rows, handed_out, row, line, seen, ended: false })
}

impl<R> Contacts<R> {
    /// Columns that say nothing to us and are passed over.
    pub fn ignored(&self) -> &[String] {
        &self.header.ignored
    }
}

impl<R: Read> Iterator for Contacts<R> {
    type Item = Result<Contact, RowProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.rows.read_byte_record(&mut self.row) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(self.unreadable(self.line + 1, &error)));
                }
            }
            self.handed_out.store(0, Ordering::Relaxed);
            if self.row.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            self.line = self.line_of_row();
            let line = self.line;
            return Some(self.contact(line).map_err(|Fault { fault, column, what, hint }| {
                let column = column.map_or(0, |column| self.header.place(column) + 1);
                RowProblem { file: self.file.clone(), fault, line, column, what, hint }
            }));
        }
        None
    }
}

impl<R: Read> Contacts<R> {
    /// The reader stands behind the row and its line end now; inside an open quote the end of the file is the end.
    fn line_of_row(&self) -> u64 {
        let inside = self.row.iter().flatten().filter(|octet| **octet == b'\n').count() as u64;
        let open = self.row.iter().next_back().is_some_and(|cell| cell.ends_with(b"\n"));
        let behind = self.header.line - 1 + self.rows.position().line();
        behind.saturating_sub(inside + u64::from(!open))
    }

    fn contact(&mut self, line: u64) -> Result<Contact, Fault> {
        let (cells, wanted) = (self.row.len(), self.header.width);
        if self.row.iter().any(|cell| cell.contains(&b'\n')) {
            let what = "a cell runs over several lines";
            return Err(Fault::of_row(
                what,
                "a quote was opened and not closed; the rows after it are lost in it",
            ));
        }
        if cells != wanted {
            let sign = match self.header.separator {
                b';' => "semicolon",
                b'\t' => "tab",
                b'|' => "bar",
                _ => "comma",
            };
            let hint = format!("a cell that holds a {sign} stands in quotes; an empty one keeps its {sign}");
            return Err(Fault::of_row(format!("the row has {cells} cells, the header {wanted}"), hint));
        }
        let country = self.cell(Column::Country)?.map(|text| country(&text)).transpose()?;
        let number = self.number(country.as_deref())?;
        let contact = Contact {
            line,
            name: self
                .cell(Column::Name)?
                .map(|text| name(&text))
                .transpose()?
                .filter(|name| !name.is_empty()),
            language: self.cell(Column::Language)?.map(|text| language(&text)).transpose()?,
            zone: self.cell(Column::Zone)?.map(|text| zone(&text)).transpose()?,
            country,
            number,
            fields: None,
        };
        if let Some(first) = self.seen.get(&number) {
            let what = format!("has {number:?}, which line {first} has too");
            let fault = Fault::of_cell(Column::Number, what, "one row a number; the first counts");
            return Err(Fault { fault: RowFault::Doubled, ..fault });
        }
        if self.seen.len() < NUMBERS_REMEMBERED {
            self.seen.insert(number, line);
        }
        Ok(contact)
    }

    /// A cell as text, `None` where the column isn't there or the cell is empty.
    fn cell(&self, column: Column) -> Result<Option<String>, Fault> {
        let Some(octets) = self.header.find(column).and_then(|at| self.row.get(at)) else { return Ok(None) };
        let text = std::str::from_utf8(octets)
            .map_err(|_| Fault::of_cell(column, "is not UTF-8", "save the file as \"CSV UTF-8\""))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(ToOwned::to_owned))
    }

    fn number(&self, country: Option<&str>) -> Result<Msisdn, Fault> {
        let wrong = |what: String, hint: String| Fault::of_cell(Column::Number, what, hint);
        let Some(text) = self.cell(Column::Number)? else {
            return Err(wrong("is empty".to_owned(), "a row is nothing without its number".to_owned()));
        };
        // A spreadsheet marks text with an apostrophe.
        let text = text.trim_start_matches('\'');
        let shown = masked(text);
        Msisdn::parse(text).map_err(|error| {
            if text.to_lowercase().contains("e+") {
                let hint = "a spreadsheet has rounded it: set the column to text and export again";
                return wrong(format!("{shown} has lost its last digits"), hint.to_owned());
            }
            if let Some(code) = country.and_then(calling_code).filter(|_| text.starts_with('0')) {
                let hint = format!("write it with its country code: +{code}, then the number without the 0");
                return wrong(format!("{shown} begins with 0"), hint);
            }
            let why = error.to_string();
            let (what, hint) = why.split_once("; ").unwrap_or((&why, ""));
            wrong(format!("{shown} {what}"), hint.to_owned())
        })
    }

    fn unreadable(&self, line: u64, error: &csv::Error) -> RowProblem {
        let too_long =
            matches!(error.kind(), csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData);
        let (what, hint) = if too_long {
            (
                format!("the row is longer than {ROW_OCTETS} octets"),
                "a quote was opened here and never closed".to_owned(),
            )
        } else {
            (format!("cannot be read further: {error}"), "rows up to here are read".to_owned())
        };
        RowProblem { file: self.file.clone(), fault: RowFault::Broken, line, column: 0, what, hint }
    }
}

/// Hands out no more than a row may have before the next row is begun. Every line of what it hands out ends with a
/// line feed, the last one too.
struct Bounded<R> {
    inner: R,
    handed_out: Arc<AtomicUsize>,
    ends: LineEnds,
    ended: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.handed_out.load(Ordering::Relaxed) > ROW_OCTETS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "row too long"));
        }
        let mut count = self.inner.read(out)?;
        if self.ends == LineEnds::CarriageReturn {
            out[..count].iter_mut().filter(|octet| **octet == b'\r').for_each(|octet| *octet = b'\n');
        }
        if let (0, false, Some(first)) = (count, self.ended, out.first_mut()) {
            *first = b'\n';
            (count, self.ended) = (1, true);
        }
        self.handed_out.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = Result<Contact, RowProblem>;

    fn rows(text: &str) -> Vec<Row> {
        read_contacts(text.as_bytes(), "people.csv").unwrap().collect()
    }

    fn head(octets: &[u8]) -> String {
        match read_contacts(octets, "people.csv") {
            Ok(_) => "good".to_owned(),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn the_shipped_contacts_are_a_thousand_without_a_fault() {
        let contacts = open_contacts(Path::new("fixtures/contacts/contacts.csv")).unwrap();
        assert!(contacts.ignored().is_empty());
        let contacts: Vec<Contact> = contacts.collect::<Result<_, _>>().unwrap();
        assert_eq!(contacts.len(), 1_000);
        let distinct = |of: fn(&Contact) -> Option<&String>| {
            let values: std::collections::BTreeSet<_> = contacts.iter().filter_map(of).collect();
            values.len()
        };
        assert!(distinct(|contact| contact.country.as_ref()) >= 30);
        assert!(distinct(|contact| contact.language.as_ref()) >= 18);
        assert!(distinct(|contact| contact.zone.as_ref()) >= 40);
    }

    #[test]
    fn every_kind_of_broken_row_is_told_and_the_good_ones_are_read() {
        let contacts = open_contacts(Path::new("fixtures/contacts/broken.csv")).unwrap();
        let (good, broken): (Vec<Row>, Vec<Row>) = contacts.partition(Result::is_ok);
        let told: String = broken.into_iter().filter_map(Result::err).map(|row| format!("{row}\n")).collect();
        crate::config::tests::same_as_golden(Path::new("fixtures/contacts/broken.txt"), &told);
        let lines: Vec<u64> = good.into_iter().filter_map(Result::ok).map(|contact| contact.line).collect();
        assert_eq!(lines, [2, 20]);
    }

    #[test]
    fn what_spreadsheets_make_of_a_file_is_read() {
        for text in [
            "name,number,country\nAna,+447700900001,GB\n",
            "\u{feff}name;number;country\r\nAna;+447700900001;GB\r\n",
            "sep=;\r\nname;number;country\r\nAna;+447700900001;GB",
            "Country\tFirst Name\tMobile-Number\ngb\t\"Ana\"\t'+44 7700 900001\n",
            "\n\nNAME|Phone No.|Country Code\n\nAna|00447700900001|gb\n||\n",
            "name,number,country\rAna,+447700900001,GB\r",
            "name,number,country,plan,\nAna,+447700900001,GB,\"gold, yearly\",\n",
        ] {
            let rows = rows(text);
            let [Ok(contact)] = rows.as_slice() else { panic!("{text:?}: {rows:?}") };
            assert_eq!(contact.name.as_deref(), Some("Ana"), "{text:?}");
            assert_eq!(contact.number, Msisdn(447_700_900_001));
            assert_eq!(contact.country.as_deref(), Some("GB"));
        }
    }

    #[test]
    fn a_line_is_told_as_an_editor_counts_it() {
        let rows = rows("sep=,\nnumber,name\n\n+447700900001,\"A\"\n\n\nx,B\n");
        assert_eq!(rows[0].as_ref().map(|contact| contact.line), Ok(4));
        assert_eq!(rows[1].as_ref().map_err(|problem| problem.line).unwrap_err(), 7);
    }

    #[test]
    fn a_header_that_cannot_be_meant_is_refused_with_the_name_that_was() {
        for (header, wanted) in [
            ("name,numbr\n", "did you mean `number`?"),
            ("number,contry\n", "did you mean `country`?"),
            ("name,email\n", "no column is the phone number"),
            ("phone,mobile\n", "`mobile` and `phone` are both the number"),
            ("+447700900001,Ana\n", "a row, not a header"),
            ("", "is empty"),
            ("\n\n", "is empty"),
        ] {
            let shown = head(header.as_bytes());
            assert!(shown.contains(wanted), "{header:?}: {shown}");
        }
        assert!(head(b"PK\x03\x04xxxx").contains("a spreadsheet"));
        assert!(head(b"\xff\xfen\0u\0").contains("UTF-16"));
        assert!(head(&[b'x'; 100_000]).contains("no line end"));
        assert!(head(b"sep=;\nnumber;contry\n").contains("people.csv:2:8"), "the place is that of the file");
    }

    #[test]
    fn columns_of_other_purposes_are_passed_over_and_named() {
        let contacts = read_contacts("id,number,E-Mail,last name\n".as_bytes(), "people.csv").unwrap();
        assert_eq!(contacts.ignored(), ["id", "E-Mail", "last name"]);
    }

    #[test]
    fn an_octet_that_is_no_utf_8_breaks_its_row_only() {
        let text = b"number,name\n+447700900001,Jos\xe9\n+447700900002,Ana\n";
        let rows: Vec<Row> = read_contacts(&text[..], "people.csv").unwrap().collect();
        assert!(rows[0].as_ref().is_err_and(|row| row.what == "`name` is not UTF-8"), "{rows:?}");
        assert!(rows[1].is_ok());
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_the_reading_before_memory_does() {
        let endless = io::repeat(b'x');
        let text = Cursor::new(b"number,name\n+447700900001,\"".to_vec()).chain(endless);
        let rows: Vec<Row> = read_contacts(text, "people.csv").unwrap().collect();
        let [Err(row)] = rows.as_slice() else { panic!("{} rows", rows.len()) };
        assert_eq!((row.line, row.what.as_str()), (2, "the row is longer than 65536 octets"));
    }

    #[test]
    fn no_problem_of_a_row_holds_a_whole_number() {
        let text = "number,country\n07700900123,GB\n+4477009001234567,GB\n7700O900123,GB\n4.477009E+11,GB\n+447700900123,XX\n";
        for row in rows(text) {
            let told = row.unwrap_err().to_string();
            let told = told.replace("like +447700900123", "");
            assert!(!told.contains("900123") && !told.contains("7700"), "{told}");
        }
    }

    #[test]
    fn a_national_number_is_told_the_code_of_its_country() {
        let rows = rows("number,country\n07700900123,GB\n");
        let told = rows[0].as_ref().unwrap_err().to_string();
        assert_eq!(
            told,
            "people.csv:2: `number` 077******123 begins with 0; write it with its country code: +44, then the number \
             without the 0"
        );
    }

    #[test]
    fn a_name_cannot_bring_signs_that_steer_a_display() {
        let rows = rows("number,name\n+447700900001,A\u{202e}na\tB\n");
        assert_eq!(rows[0].as_ref().unwrap().name.as_deref(), Some("A na B"));
    }

    proptest! {
        #[test]
        fn no_file_upsets_it(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(contacts) = read_contacts(&octets[..], "people.csv") {
                let _ = contacts.count();
            }
        }

        #[test]
        fn no_rows_upset_it(text in "[a-z0-9+,;\"\n\r\t ]{0,300}") {
            let file = format!("name,number,zone\n{text}");
            let _ = rows(&file);
        }
    }
}
