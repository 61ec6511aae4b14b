//! A TOML file as written: every value with its place, every wrong or unknown one noted, none stops the reading.

mod file;
mod table;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use file::{read_text, without_secrets};

pub(super) use file::not_opened;
pub(super) use table::Table;

/// One file and what was found wrong with it.
pub(super) struct Document {
    file: String,
    folder: PathBuf,
    text: String,
    shown: Arc<str>,
    found: RefCell<Vec<(usize, Problem)>>,
    /// It couldn't be parsed: what else seems wrong is only the consequence.
    unparsed: Cell<bool>,
    /// Settings the file leaves out: lets a test hold `full.toml` to its name.
    absent: RefCell<BTreeSet<String>>,
}

impl Document {
    /// Reads a file. Relative paths in it will be relative to its folder.
    pub(super) fn open(path: &Path) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text = read_text(path).map_err(|(what, hint)| Problem::of_file(&file, what, hint))?;
        Ok(Self::new(&file, text, path.parent().unwrap_or(Path::new(""))))
    }

    /// A document from memory.
    pub(super) fn new(file: &str, text: String, folder: &Path) -> Self {
        let shown = Arc::from(without_secrets(&text));
        Self {
            file: file.to_owned(),
            folder: folder.to_owned(),
            text,
            shown,
            found: RefCell::default(),
            unparsed: Cell::new(false),
            absent: RefCell::default(),
        }
    }

    /// Parses it. What can't be parsed is noted; what could be is there.
    pub(super) fn parse(&self) -> Spanned<DeTable<'_>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in telling(&self.text, &errors) {
            let (what, hint) = in_plain_words(error.message());
            self.note(error.span().unwrap_or(0..0), what, hint);
        }
        self.unparsed.set(!self.found.borrow().is_empty());
        table
    }

    /// Notes a problem at a place.
    pub(super) fn note(&self, span: Range<usize>, what: impl Into<String>, hint: impl Into<String>) {
        if self.unparsed.get() {
            return;
        }
        let at = span.start;
        let problem = Problem::at(&self.file, &self.shown, span, what, hint);
        self.found.borrow_mut().push((at, problem));
    }

    /// A path written in this file, seen from where we stand.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// The value read from it, unless something was noted.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        self.finish_with(Vec::new(), value)
    }

    /// The value read from it and from files it names, unless something was noted there or here.
    pub(super) fn finish_with<T>(self, rest: Vec<Problem>, value: Option<T>) -> Result<T, Problems> {
        let file = self.file.clone();
        let mut found = self.found();
        found.extend(rest);
        Problems::from_found(found)?;
        value.ok_or_else(|| Problem::of_file(&file, "says nothing that can be used", "").into())
    }

    /// Everything noted, in the order of the file.
    pub(super) fn found(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, problem)| problem).collect()
    }

    /// Keeps in mind that a setting was asked for and isn't there.
    fn leaves_out(&self, setting: String) {
        self.absent.borrow_mut().insert(setting);
    }

    /// The settings that the file left to their defaults.
    #[cfg(test)]
    pub(super) fn absent(&self) -> Vec<String> {
        self.absent.borrow().iter().cloned().collect()
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Why a value won't do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Wrong {
    /// `what` follows the setting's name in a sentence.
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }

    /// The value is of another kind than wanted.
    pub(super) fn kind(value: &DeValue<'_>, hint: impl Into<String>) -> Self {
        Self::new(format!("is {}", kind_of(value)), hint)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.hint)
    }
}

/// What a person would call the kind of this value.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The errors that tell something: one a line, and none that only follows from a list that isn't closed.
fn telling<'e>(text: &str, errors: &'e [toml::de::Error]) -> Vec<&'e toml::de::Error> {
    let start = |error: &&toml::de::Error| error.span().map_or(0, |span| span.start);
    let mut errors: Vec<&toml::de::Error> = errors.iter().collect();
    errors.sort_by_key(start);
    let mut told: Vec<&toml::de::Error> = Vec::new();
    for error in errors {
        let in_list = error.message().contains("array") && !error.message().contains("array table");
        if in_list && !told.is_empty() {
            break;
        }
        let line = |error: &&toml::de::Error| {
            text.get(..start(error)).map_or(0, |before| before.matches('\n').count())
        };
        if told.last().is_none_or(|last| line(last) != line(&error)) {
            told.push(error);
        }
        if in_list {
            break;
        }
    }
    told
}

/// The parser's words as an operator would put them, and the way out.
fn in_plain_words(message: &str) -> (String, &'static str) {
    let known: [(&str, &str, &str); 6] = [
        ("duplicate key", "this stands here already", "keep one of the two"),
        ("must be quoted", "a value without quotes", "a text stands in quotes: name = \"text\""),
        ("invalid basic string", "a text that isn't closed", "put a quote at its end"),
        ("unclosed table", "a block whose name isn't closed", "a block begins with [name]"),
        (
            "unclosed array table",
            "a block whose name isn't closed",
            "one block of several begins with [[name]]",
        ),
        ("array", "a list that isn't closed, or lacks a comma", "a list is written [\"a\", \"b\"]"),
    ];
    let found = known.iter().find(|(theirs, ..)| message.contains(theirs));
    let usual = "a setting is written name = \"text\", name = 10 or name = [\"a\", \"b\"]; a block begins with [name]";
    found.map_or_else(
        || (format!("this can't be read: {message}"), usual),
        |(_, what, hint)| ((*what).to_owned(), hint),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_names_the_one_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("backchat.toml"), "").unwrap();
        let Err(problems) = Document::open(&folder.path().join("backchat.tml")) else { panic!("not there") };
        assert_eq!(problems.items()[0].what, "there is no such file");
        assert!(problems.items()[0].hint.as_deref().unwrap().ends_with("`backchat.toml`?"));
    }
}
