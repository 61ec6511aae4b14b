//! `backchat bench`: durable load against a simulated carrier, each of them a process of its own; figures, and the machine
//! they were taken on.

mod carrier;
mod load;
mod machine;
mod measures;
mod modes;
mod postgres;
mod process;
mod stand;

use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::paint::{Surface, span, thousands};
use crate::cli::{Done, Failure};
use machine::Machine;
use measures::Figures;
use stand::StoreChoice;

pub(crate) use carrier::{Args as CarrierArgs, run as run_carrier};
pub(crate) use load::{Args as LoadArgs, run as run_load};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; all of it where nothing is named
    #[arg(value_enum, value_name = "MODE")]
    modes: Vec<Mode>,
    /// Where to remember: `sqlite`, `postgres` (a server of its own from the installed programs), or an address; may be
    /// given more than once
    #[arg(long, value_name = "sqlite|postgres|postgres://…", default_value = "sqlite")]
    store: Vec<String>,
    /// Messages of each run
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    messages: u64,
    /// Put gateway, carrier, load and database on this processor
    #[arg(long, value_name = "CPU")]
    pin: Option<u32>,
    /// How long the carrier takes to answer a submit, milliseconds
    #[arg(long, default_value_t = 0, value_name = "MS")]
    response_delay_ms: u64,
    /// Messages sent before, for `history`
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    history: u64,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// A contact file into the queue
    Import,
    /// End to end: a campaign submitted, answered, its receipts recorded
    Campaign,
    /// One HTTP request a message, 64 connections, until the last receipt is recorded
    HttpSingle,
    /// A thousand messages an HTTP request, until the last receipt is recorded
    HttpBatch,
    /// One HTTP request a message, 2,000 a second: how long accepting takes
    HttpPaced,
    /// An ESME with a window of 100, until the last receipt is back with it
    Smpp,
    /// Answers to questions asked before: read, registered, thanked for
    Replies,
    /// All of it: question, receipt, answer, thanks, receipt
    Conversation,
    /// STOP until the gate is shut, and until it is answered
    Stop,
    /// A start with a backlog: the first send, and the memory taken
    Restart,
    /// End to end, before and after a long history was sent to other people
    History,
}

/// One run's row.
#[derive(Debug, Serialize)]
struct Row {
    mode: Mode,
    store: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    messages: u64,
    pinned_to: Option<u32>,
    response_delay_ms: u64,
    rows: Vec<Row>,
}

pub(crate) fn run(args: &Args) -> Done {
    let modes = if args.modes.is_empty() { Mode::value_variants().to_vec() } else { args.modes.clone() };
    let mut report = Report {
        machine: Machine::look(&std::env::temp_dir()).map_err(Failure::unreachable)?,
        messages: args.messages,
        pinned_to: args.pin,
        response_delay_ms: args.response_delay_ms,
        rows: Vec::new(),
    };
    let surface = Surface::of_stdout();
    if !args.json {
        say!("{}", report.machine.in_words());
        say!("{}", settings_in_words(args));
        say!("{}", surface.bold(&head()));
    }
    for store in &args.store {
        let choice = StoreChoice::parse(store).map_err(Failure::wrong)?;
        for mode in &modes {
            let figures = modes::run(*mode, &choice, args)?;
            let row = Row { mode: *mode, store: choice.name().to_owned(), figures };
            if !args.json {
                say!("{}", line(&row));
            }
            report.rows.push(row);
        }
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&report).map_err(Failure::wrong)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn settings_in_words(args: &Args) -> String {
    let pinned = args.pin.map_or("all processors".to_owned(), |cpu| format!("everything on processor {cpu}"));
    format!(
        "{} messages a run, {pinned}, carrier answers after {} ms, SQLite WAL, each commit on disk before it is answered, Postgres with synchronous_commit=on",
        thousands(args.messages),
        args.response_delay_ms
    )
}

fn head() -> String {
    format!(
        "{:<12} {:<9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>11} {:>9}",
        "what", "store", "a second", "accepted/s", "p50", "p99", "first", "CPU s/1,000", "peak RSS"
    )
}

fn line(row: &Row) -> String {
    let figures = &row.figures;
    let time = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), span);
    let mode = row.mode.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let before = figures.before_history_a_second;
    let before =
        before.map_or_else(String::new, |rate| format!("  before the history {} a second", thousands(rate)));
    format!(
        "{mode:<12} {:<9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>11.4} {:>9}{before}",
        row.store,
        thousands(figures.a_second),
        figures.accepted_a_second.map_or_else(|| "-".to_owned(), thousands),
        time(figures.p50_ms),
        time(figures.p99_ms),
        time(figures.first_ms),
        figures.cpu_seconds_a_thousand,
        format!("{} MB", figures.peak_rss_mb),
    )
}
