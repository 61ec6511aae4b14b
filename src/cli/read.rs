//! `backchat read`: replies in a CSV read as the server would read them, and how many of them rightly.

mod score;
mod surveys;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::cli::{Done, Failure};
use crate::config::{Packs, load_packs};
use crate::rules::reading::{Candidate, Context, Keyword, Opens, Question, Reader, Reading, Verdict};
use score::Score;

/// The surveys asked about where none are named: exit, onboarding and support.
const BUILT_IN: &str = include_str!("../../fixtures/replies/surveys.toml");

/// Nothing is open.
const NOTHING_OPEN: &str = "none";

/// Most octets read: a hundred thousand long replies. A bigger file is cut up by who has it.
const MOST_OCTETS: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The CSV; standard input where it is left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The questions behind the column `context`, as TOML; exit_1_8, onboarding_1_10 and support_0_5 where it is left out
    #[arg(long, value_name = "FILE")]
    surveys: Option<PathBuf>,
    /// A folder with packs to read by in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    packs: Option<PathBuf>,
    /// Score against the column `expected` instead of printing the rows
    #[arg(long)]
    score: bool,
    /// JSON: a line for each row with rule, candidates and their places; with --score one document
    #[arg(long)]
    json: bool,
}

/// One row with its reading.
#[derive(Serialize)]
struct RowJson<'a> {
    text: &'a str,
    language: &'a str,
    context: &'a str,
    read: String,
    rule: &'static str,
    packs: &'a str,
    candidates: &'a [Candidate],
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_answer: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word_language: Option<&'a str>,
    flags: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Done {
    let surveys = match &args.surveys {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::unreachable(format!("{}: {error}", path.display())))?;
            surveys::read(&text).map_err(|what| Failure::wrong(format!("{}: {what}", path.display())))?
        }
        None => surveys::read(BUILT_IN).map_err(Failure::wrong)?,
    };
    let packs = args.packs.as_deref().map_or(Ok(Packs::BuiltIn), load_packs).map_err(Failure::wrong)?;
    let (name, input) = open(args)?;
    let table = Table::read(&name, &input)?;
    let bench = Bench { reader: packs.reader(), surveys, keywords: keywords() };
    if args.score {
        return bench.score(&table, args.json);
    }
    let written = if args.json { bench.json(&table) } else { bench.csv(&table) };
    match written {
        // Whoever reads us has seen enough.
        Err(Failed::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Failed::Output(error)) => Err(Failure::unreachable(error)),
        Err(Failed::Row(what)) => Err(Failure::wrong(format!("{name}: {what}"))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn open(args: &Args) -> Result<(String, Vec<u8>), Failure> {
    let (name, source): (String, Box<dyn Read>) = match &args.file {
        Some(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path);
            let file = file.map_err(|error| Failure::unreachable(format!("{name}: {error}")))?;
            (name, Box::new(file))
        }
        None => ("standard input".to_owned(), Box::new(io::stdin())),
    };
    let mut input = Vec::new();
    let read = source.take(MOST_OCTETS + 1).read_to_end(&mut input);
    read.map_err(|error| Failure::unreachable(format!("{name}: {error}")))?;
    if input.len() as u64 > MOST_OCTETS {
        return Err(Failure::wrong(format!("{name} is bigger than {} MiB; cut it up", MOST_OCTETS >> 20)));
    }
    Ok((name, input))
}

/// The keywords of the code that the rows were sent to.
fn keywords() -> [Keyword; 2] {
    [("JOIN", Opens::OptIn), ("COFFEE", Opens::Survey)]
        .map(|(word, opens)| Keyword { word: word.to_owned(), opens })
}

/// The rows as they came.
struct Table {
    name: String,
    head: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
    text: usize,
    language: Option<usize>,
    context: Option<usize>,
    expected: Option<usize>,
}

impl Table {
    fn read(name: &str, input: &[u8]) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::wrong(format!("{name}: {what}"));
        let mut csv = csv::ReaderBuilder::new().from_reader(input);
        let head = csv.headers().map_err(|error| wrong(error.to_string()))?.clone();
        let column =
            |name: &str| head.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
        let text = column("text")
            .ok_or_else(|| wrong("no column `text`; the first line is text,language,context".to_owned()))?;
        let (language, context, expected) = (column("language"), column("context"), column("expected"));
        let rows: Result<Vec<_>, _> = csv.into_records().collect();
        let rows = rows.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { name: name.to_owned(), head, rows, text, language, context, expected })
    }

    fn cell<'a>(row: &'a csv::StringRecord, column: Option<usize>, usual: &'a str) -> &'a str {
        column.and_then(|column| row.get(column)).filter(|cell| !cell.is_empty()).unwrap_or(usual)
    }
}

/// Why rows ended before their end.
enum Failed {
    Row(String),
    Output(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<csv::Error> for Failed {
    fn from(error: csv::Error) -> Self {
        Self::Output(error.into())
    }
}

/// What rows are read with.
struct Bench {
    reader: Arc<Reader>,
    surveys: BTreeMap<String, Question>,
    keywords: [Keyword; 2],
}

impl Bench {
    fn reading(&self, table: &Table, row: &csv::StringRecord) -> Result<Reading, Failed> {
        let context = Table::cell(row, table.context, NOTHING_OPEN);
        let question = self.surveys.get(context);
        if question.is_none() && context != NOTHING_OPEN {
            let known = self.surveys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let line = row.position().map_or(0, csv::Position::line);
            let what = format!("line {line}: no survey `{context}`; there is {NOTHING_OPEN}, {known}");
            return Err(Failed::Row(what));
        }
        let context = Context {
            language: Some(Table::cell(row, table.language, "und")),
            question,
            keywords: &self.keywords,
            ..Context::default()
        };
        Ok(self.reader.read(row.get(table.text).unwrap_or_default(), &context))
    }

    fn csv(&self, table: &Table) -> Result<(), Failed> {
        let mut out = csv::Writer::from_writer(io::stdout().lock());
        out.write_record(table.head.iter().chain(["read"]))?;
        for row in &table.rows {
            let read = self.reading(table, row)?.expected_form();
            out.write_record(row.iter().chain([read.as_str()]))?;
        }
        out.flush()?;
        Ok(())
    }

    fn json(&self, table: &Table) -> Result<(), Failed> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        for row in &table.rows {
            let reading = self.reading(table, row)?;
            let scope = match &reading.verdict {
                Verdict::OptOut { scope_word } => scope_word.as_deref(),
                _ => None,
            };
            let line = RowJson {
                text: row.get(table.text).unwrap_or_default(),
                language: Table::cell(row, table.language, "und"),
                context: Table::cell(row, table.context, NOTHING_OPEN),
                read: reading.expected_form(),
                rule: reading.rule,
                packs: self.reader.version(),
                candidates: &reading.candidates,
                kept_answer: reading.kept_answer,
                comment: reading.comment.as_deref(),
                scope,
                word_language: reading.language_hint.as_deref(),
                flags: reading.flags.iter().map(|flag| format!("{flag:?}")).collect(),
            };
            serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
            io::Write::write_all(&mut out, b"\n")?;
        }
        io::Write::flush(&mut out)?;
        Ok(())
    }

    fn score(&self, table: &Table, json: bool) -> Done {
        let expected = table.expected.ok_or_else(|| {
            Failure::wrong(format!("{}: no column `expected` to score against", table.name))
        })?;
        let mut score = Score::new(self.reader.version());
        let started = Instant::now();
        for row in &table.rows {
            let reading = self.reading(table, row).map_err(|failed| match failed {
                Failed::Row(what) => Failure::wrong(format!("{}: {what}", table.name)),
                Failed::Output(error) => Failure::unreachable(error),
            })?;
            score.add(score::Row {
                text: row.get(table.text).unwrap_or_default().to_owned(),
                language: Table::cell(row, table.language, "und").to_owned(),
                context: Table::cell(row, table.context, NOTHING_OPEN).to_owned(),
                expected: row.get(expected).unwrap_or_default().to_owned(),
                read: reading.expected_form(),
                rule: reading.rule,
            });
        }
        score.took(started.elapsed());
        if json {
            say!("{}", serde_json::to_string_pretty(&score).map_err(Failure::wrong)?);
        } else {
            score.print();
        }
        Ok(ExitCode::SUCCESS)
    }
}
