//! JSON lines in, JSON lines out: rows with `hex`, as in the corpus of PDUs.

use std::io::{self, BufRead, Read, Write};

use protocol::error::DecodeError;
use protocol::frame::{Frame, Grade};
use serde_json::{Map, Value, json};

use super::facts::{self, Item, Question};
use super::hex;
use super::profile::Profile;

/// Most octets of a line. A PDU of 72 KiB takes 144 KiB in hex, and twice more where the row holds what to expect.
const MOST_LINE_OCTETS: u64 = 4 << 20;

/// A line that is no row.
#[derive(Debug)]
pub(crate) struct BadRow {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) what: String,
}

/// Why rows ended before their end.
#[derive(Debug)]
pub(crate) enum RowsError {
    /// A line is no row.
    Row(BadRow),
    /// Reading or writing failed.
    Io(io::Error),
}

impl From<io::Error> for RowsError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Answers every row as it comes; gives how many there were.
pub(crate) fn answer(
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    grade: Grade,
    profile: Option<Profile>,
) -> Result<usize, RowsError> {
    let mut rows = 0;
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if Read::take(&mut *input, MOST_LINE_OCTETS).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let bad = |what: String| RowsError::Row(BadRow { line, what });
        if !text.ends_with(b"\n") && text.len() as u64 >= MOST_LINE_OCTETS {
            return Err(bad(format!("longer than {} MiB", MOST_LINE_OCTETS >> 20)));
        }
        let row: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| bad(format!("not a JSON object: {error}")))?;
        let answer = row_answer(&row, grade, profile).map_err(bad)?;
        writeln!(out, "{}", Value::Object(answer))?;
        // Whoever writes row by row may wait for each answer.
        out.flush()?;
        rows += 1;
    }
    Ok(rows)
}

/// The answer to one row: its `name`, what is found as `expect`, and `strict_error` where strict mode would refuse it.
///
/// Where the row has an `expect` of its own, its keys say which facts are wanted beside the codec's; without one,
/// everything there is to say is said.
pub(crate) fn row_answer(
    row: &Map<String, Value>,
    grade: Grade,
    profile: Option<Profile>,
) -> Result<Map<String, Value>, String> {
    let written = row.get("hex").and_then(Value::as_str).ok_or("no `hex`")?;
    let dumps = hex::parse(written.as_bytes()).map_err(|error| format!("`hex`: {}", error.what))?;
    let octets = dumps.concat();
    let wanted = row.get("expect").and_then(Value::as_object);
    let said = wanted
        .and_then(|wanted| wanted.get("profile"))
        .or_else(|| row.get("profile"))
        .and_then(Value::as_str);
    let profile = match said {
        Some(name) => {
            Some(Profile::named(name).ok_or_else(|| format!("`profile`: no profile is called `{name}`"))?)
        }
        None => profile,
    };
    let mut answer = Map::new();
    if let Some(name) = row.get("name") {
        answer.insert("name".into(), name.clone());
    }
    answer.insert("expect".into(), facts::expect(&octets, &Question { grade, profile, wanted }).into());
    if let Some(error) = strict_error(&octets).filter(|_| grade == Grade::Lenient) {
        answer.insert("strict_error".into(), json!(error));
    }
    Ok(answer)
}

/// What strict mode says to a single PDU that can be read.
pub(crate) fn strict_error(octets: &[u8]) -> Option<&'static str> {
    match &facts::items(octets, Grade::Strict)[..] {
        [Item::Frame(frame)] => match &**frame {
            Frame::Malformed { error: error @ DecodeError::Strict(_), .. } => Some(error.name()),
            _ => None,
        },
        _ => None,
    }
}
