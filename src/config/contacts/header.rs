//! The header of a contact file: which separator, which column is what.

use std::io::Read;
use std::sync::Arc;

use crate::config::problem::{Problem, Problems, listed};

/// A header longer than this is no header.
const HEADER_OCTETS: usize = 64 * 1024;
/// Separators that spreadsheets use, by country.
const SEPARATORS: [u8; 4] = *b",;\t|";
/// Likeness from which an unknown column is a slip of the finger and not a column of another purpose.
const SLIP: f64 = 0.75;

/// The columns we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Number,
    Name,
    Language,
    Country,
    Zone,
}

/// Every name under which a column comes, spaces and dashes off; the first is ours.
const NAMES: [(Column, &[&str]); 5] = [
    (
        Column::Number,
        &[
            "number",
            "phone",
            "phonenumber",
            "phoneno",
            "msisdn",
            "mobile",
            "mobilenumber",
            "mobilephone",
            "cell",
            "cellphone",
            "telephone",
            "tel",
            "handset",
            "recipient",
        ],
    ),
    (Column::Name, &["name", "firstname", "givenname", "contactname", "fullname"]),
    (Column::Language, &["language", "lang", "locale"]),
    (Column::Country, &["country", "countrycode", "iso", "countryiso"]),
    (Column::Zone, &["zone", "timezone", "tz"]),
];

impl Column {
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(column, _)| *column == self).map_or("", |(_, names)| names[0])
    }
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// With a line feed, with or without a carriage return before it.
    LineFeed,
    /// With a carriage return alone, as on old Macs.
    CarriageReturn,
}

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) separator: u8,
    /// Cells in every row.
    pub(super) width: usize,
    /// Columns passed over.
    pub(super) ignored: Vec<String>,
    /// The line it stands on, from 1.
    pub(super) line: u64,
    pub(super) ends: LineEnds,
    columns: Vec<Option<Column>>,
}

impl Header {
    /// Where a column stands.
    pub(super) fn find(&self, column: Column) -> Option<usize> {
        self.columns.iter().position(|have| *have == Some(column))
    }

    /// Where a column stands that is there.
    pub(super) fn place(&self, column: Column) -> usize {
        self.find(column).unwrap_or_default()
    }
}

/// A header, and what was read beyond it.
pub(super) struct Opened {
    pub(super) header: Header,
    pub(super) rest: Vec<u8>,
}

/// Reads the header off the front.
pub(super) fn read(reader: &mut impl Read, file: &str) -> Result<Opened, Problems> {
    let whole = |what: &str, hint: &str| Problems::from(Problem::of_file(file, what, hint));
    let mut front = Vec::new();
    let mut piece = [0; 4_096];
    let lines = loop {
        let count =
            reader.read(&mut piece).map_err(|error| whole(&format!("cannot be read: {error}"), ""))?;
        front.extend_from_slice(&piece[..count]);
        if let Some(problem) = not_csv(&front) {
            return Err(whole(problem, "save it as \"CSV UTF-8\" and name that file"));
        }
        let lines = Lines::of(&front);
        if lines.whole || count == 0 {
            break lines;
        }
        if front.len() > HEADER_OCTETS {
            return Err(whole(
                "has no line end in its first 64 kB",
                "a contact file is CSV with a header line",
            ));
        }
    };
    let line = front.get(lines.header.clone()).unwrap_or_default();
    let text = std::str::from_utf8(line)
        .map_err(|_| whole("its header is not UTF-8", "save it as \"CSV UTF-8\""))?;
    if text.trim().is_empty() {
        return Err(whole("is empty", "the first line names the columns: name,number,language,country,zone"));
    }
    let separator = lines.separator.unwrap_or_else(|| likeliest_separator(text));
    let ends = match front[lines.header.end..] {
        [b'\r', b'\n', ..] | [b'\r'] | [b'\n', ..] | [] => LineEnds::LineFeed,
        _ => LineEnds::CarriageReturn,
    };
    let header = Header { ends, ..judge(file, text, separator, lines.before)? };
    Ok(Opened { header, rest: front.split_off(lines.header.end) })
}

/// Where the header stands in what was read so far.
#[derive(Default)]
struct Lines {
    header: std::ops::Range<usize>,
    /// Its end has been read.
    whole: bool,
    /// Lines before it.
    before: u64,
    separator: Option<u8>,
}

impl Lines {
    fn of(front: &[u8]) -> Self {
        let mut lines = Self::default();
        let mut start = if front.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        loop {
            let end =
                front[start..].iter().position(|octet| matches!(octet, b'\n' | b'\r')).map(|at| start + at);
            let line = &front[start..end.unwrap_or(front.len())];
            lines.header = start..start + line.len();
            lines.whole = end.is_some_and(|end| end + 1 < front.len());
            let Some(end) = end else { return lines };
            // Spreadsheets announce their separator in a line of its own; empty lines may stand above too.
            match line {
                [b's', b'e', b'p', b'=', separator] => lines.separator = Some(*separator),
                _ if line.iter().all(u8::is_ascii_whitespace) => {}
                _ => return lines,
            }
            start = end + if front[end..].starts_with(b"\r\n") { 2 } else { 1 };
            lines.before += 1;
        }
    }
}

/// What kind of file it is, when it is no text.
fn not_csv(front: &[u8]) -> Option<&'static str> {
    match front {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("is UTF-16"),
        [b'P', b'K', 3, 4, ..] => Some("is a spreadsheet or an archive, not CSV"),
        [b'%', b'P', b'D', b'F', ..] => Some("is a PDF, not CSV"),
        _ if front.contains(&0) => Some("is not a text file"),
        _ => None,
    }
}

fn likeliest_separator(line: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [0_usize; SEPARATORS.len()];
    for octet in line.bytes() {
        match octet {
            b'"' => quoted = !quoted,
            _ if !quoted => {
                if let Some(which) = SEPARATORS.iter().position(|separator| *separator == octet) {
                    counts[which] += 1;
                }
            }
            _ => {}
        }
    }
    // The first of equals, so that a line without any is read with commas.
    let best = (0..SEPARATORS.len()).rev().max_by_key(|which| counts[*which]);
    best.map_or(b',', |which| SEPARATORS[which])
}

fn judge(file: &str, text: &str, separator: u8, before: u64) -> Result<Header, Problems> {
    let shown: Arc<str> = Arc::from(text);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(separator).from_reader(text.as_bytes());
    let cells: Vec<String> = reader
        .records()
        .next()
        .and_then(Result::ok)
        .map(|record| record.iter().map(|cell| cell.trim().to_owned()).collect())
        .unwrap_or_default();
    let mut found = Vec::new();
    let mut note = |cell: &str, what: String, hint: String| {
        let at = text.find(cell).unwrap_or_default();
        found.push(Problem::at(file, &shown, at..at + cell.len(), what, hint).moved_down(before));
    };
    let mut columns: Vec<Option<Column>> = Vec::with_capacity(cells.len());
    let mut ignored = Vec::new();
    let looks_like_a_row = cells.iter().any(|cell| cell.chars().filter(char::is_ascii_digit).count() >= 7);
    if looks_like_a_row {
        let what = "the first line is a row, not a header".to_owned();
        let row = Problem::on_line(
            file,
            usize::try_from(before).unwrap_or_default() + 1,
            what,
            "put a line above it that names the columns: name,number,language,country,zone",
        );
        return Err(row.into());
    }
    for cell in &cells {
        let column = of_name(cell);
        if let Some(column) = column.filter(|column| columns.contains(&Some(*column))) {
            let first = columns.iter().position(|have| *have == Some(column)).and_then(|at| cells.get(at));
            let what =
                format!("`{cell}` and `{}` are both the {}", first.map_or("", String::as_str), column.name());
            note(cell, what, "rename the one that is not meant, or take it out".to_owned());
        }
        if column.is_none() {
            match slip(cell) {
                Some(meant) => {
                    let hint = format!("did you mean `{meant}`? rename it, or take the column out");
                    note(cell, format!("unknown column `{cell}`"), hint);
                }
                None => ignored.push(cell.clone()),
            }
        }
        columns.push(column);
    }
    if !columns.contains(&Some(Column::Number)) {
        let hint =
            format!("name it `number`; the columns here are {}", listed(cells.iter().map(String::as_str)));
        note(text, "no column is the phone number".to_owned(), hint);
    }
    Problems::from_found(found)?;
    let (width, line, ends) = (cells.len(), before + 1, LineEnds::LineFeed);
    Ok(Header { separator, width, ignored, line, ends, columns })
}

fn of_name(written: &str) -> Option<Column> {
    let folded = fold(written);
    NAMES.iter().find(|(_, names)| names.contains(&folded.as_str())).map(|(column, _)| *column)
}

/// The column that a name was probably meant to be.
fn slip(written: &str) -> Option<&'static str> {
    let folded = fold(written);
    let names = NAMES.iter().flat_map(|(_, names)| names.iter().copied());
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&folded, name);
    let (best, name) = names.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best >= SLIP).then_some(name)
}

fn fold(written: &str) -> String {
    written.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
