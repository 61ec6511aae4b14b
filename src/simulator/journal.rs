//! What a carrier keeps over a restart: an append-only file of JSON lines with everything taken and acknowledged.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::error;

use crate::message::Msisdn;

/// An address as it is written down: TON, NPI, digits or letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenAddress(pub u8, pub u8, pub String);

/// One line. `link` counts connections, `serial` submits, `turn` what one handset said to one code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Line {
    /// A submit_sm was taken.
    Submit {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The connection.
        link: u64,
        /// Its number.
        serial: u64,
        /// system_id.
        account: String,
        /// Sender.
        from: WrittenAddress,
        /// Receiver.
        to: WrittenAddress,
        /// registered_delivery.
        registered_delivery: u8,
        /// data_coding.
        data_coding: u8,
        /// Whether a user data header stands in front of the octets.
        udhi: bool,
        /// Reference, total and number from the SAR parameters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sar: Option<(u16, u8, u8)>,
        /// short_message or message_payload, hexadecimal.
        octets: String,
        /// How long it may be tried, where the sender says so.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        validity_period: String,
    },
    /// A handset has the message whose last part is this submit.
    Heard {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The submit.
        serial: u64,
    },
    /// Somebody made a handset speak.
    Prompted {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// Whose bind it goes to.
        account: String,
        /// The handset.
        number: Msisdn,
        /// Where it writes to.
        code: WrittenAddress,
        /// What it writes.
        text: String,
    },
    /// A reply left its handset for the first time.
    Said {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The handset.
        number: Msisdn,
        /// Where it wrote to.
        code: String,
        /// Which of its replies.
        turn: u32,
        /// What it wrote.
        text: String,
    },
    /// The receipt of a submit was answered for good.
    ReceiptAnswered {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The submit.
        serial: u64,
        /// command_status of the deliver_sm_resp.
        status: u32,
    },
    /// One part of a reply was answered for good.
    ReplyAnswered {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The connection.
        link: u64,
        /// The handset.
        number: Msisdn,
        /// Where it wrote to.
        code: String,
        /// Which of its replies.
        turn: u32,
        /// Which part, 0 = the first.
        part: u8,
        /// command_status of the deliver_sm_resp.
        status: u32,
    },
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, at_ms) = match self {
            Self::Submit { at_ms, .. } => ("Submit", at_ms),
            Self::Heard { at_ms, .. } => ("Heard", at_ms),
            Self::Prompted { at_ms, .. } => ("Prompted", at_ms),
            Self::Said { at_ms, .. } => ("Said", at_ms),
            Self::ReceiptAnswered { at_ms, .. } => ("ReceiptAnswered", at_ms),
            Self::ReplyAnswered { at_ms, .. } => ("ReplyAnswered", at_ms),
        };
        f.debug_struct(name).field("at_ms", at_ms).finish_non_exhaustive()
    }
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("cannot use the journal {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something in it is no line of a journal.
    #[error(
        "{path}:{line}: is no line of a carrier's journal ({why}); name another file, or move this one away"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What the reader says.
        why: String,
    },
}

/// Reads a journal from the beginning. A last line without its end was being written when the carrier was killed, and was
/// never acted on: it is left out.
///
/// # Errors
/// Where the file cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Vec<Line>, JournalError> {
    let mut lines = Vec::new();
    replay(path, |line| lines.push(line))?;
    Ok(lines)
}

/// Hands over every line; gives the octets up to the end of the last whole one.
pub(super) fn replay(path: &Path, mut take: impl FnMut(Line)) -> Result<u64, JournalError> {
    let failed = |source| JournalError::File { path: path.to_owned(), source };
    let mut reader = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let (mut whole, mut number, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        if line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        number += 1;
        take(serde_json::from_slice(&line).map_err(|error| JournalError::Line {
            path: path.to_owned(),
            line: number,
            why: error.to_string(),
        })?);
        whole += u64::try_from(line.len()).unwrap_or_default();
    }
}

/// A journal that is written.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    unwritten: Vec<u8>,
    broken: bool,
}

impl Journal {
    /// Goes on writing behind so many octets; what comes after them is cut off.
    pub(super) fn open(path: &Path, whole: u64) -> Result<Self, JournalError> {
        let failed = |source| JournalError::File { path: path.to_owned(), source };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        Ok(Self { file, path: path.to_owned(), unwritten: Vec::new(), broken: false })
    }

    /// Takes a line. It is in the file after the next [`Journal::commit`].
    pub(super) fn put(&mut self, line: &Line) {
        if serde_json::to_writer(&mut self.unwritten, line).is_ok() {
            self.unwritten.push(b'\n');
        }
    }

    /// Hands everything to the operating system: it outlives the process, not the machine.
    pub(super) fn commit(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        if !self.broken
            && let Err(error) = self.file.write_all(&self.unwritten)
        {
            // Half a line may stand there now: nothing can be put behind it.
            error!("the journal {} ends here: {error}", self.path.display());
            self.broken = true;
        }
        self.unwritten.clear();
    }
}

/// Hexadecimal as octets; what is none ends it.
pub(super) fn from_hex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::hex;

    fn line(serial: u64) -> Line {
        Line::Heard { at_ms: 5, serial }
    }

    #[test]
    fn what_is_committed_reads_back_and_a_torn_last_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("carrier.jsonl");
        let mut journal = Journal::open(&path, 0).unwrap();
        journal.put(&line(1));
        journal.put(&line(2));
        journal.commit();
        assert_eq!(read(&path).unwrap(), [line(1), line(2)]);
        journal.file.write_all(b"{\"what\":\"hea").unwrap();
        drop(journal);
        let whole = replay(&path, drop).unwrap();
        let mut journal = Journal::open(&path, whole).unwrap();
        journal.put(&line(3));
        journal.commit();
        assert_eq!(read(&path).unwrap(), [line(1), line(2), line(3)]);
    }

    #[test]
    fn a_file_that_is_something_else_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts.csv");
        std::fs::write(&path, "{\"what\":\"heard\",\"at_ms\":1,\"serial\":2}\nnumber,name\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, JournalError::Line { line: 2, .. }), "{error}");
    }

    #[test]
    fn there_is_nothing_in_a_journal_that_is_not_there() {
        assert_eq!(read(Path::new("no/such/journal")).unwrap(), []);
    }

    #[test]
    fn octets_survive_hexadecimal() {
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&hex(&octets)), octets);
        assert_eq!(from_hex("0aXX01"), [10]);
    }
}
