//! `backchat optout` and the lists of `backchat consent`: who may not, or may, be written to, one by one and by the file.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::look::clock_time;
use crate::cli::paint::{Surface, thousands};
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config::{self, instant_of, open_list};
use crate::message::{IdSource, Msisdn, Scope, hex};
use crate::store::{Access, Channel, ConsentChange, ConsentKind, Evidence, ListProgress, ListRow, Store};

/// Rows of a list in one commit.
const BATCH: usize = 2_000;
/// How often progress is told, in rows.
const TELL_EVERY: u64 = 20_000;
/// Octets read at once to tell whether a list is known.
const DIGEST_OCTETS: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Opt a number out; a running server is silent to it at once
    #[command(
        after_help = "Example:\n  backchat optout add +447700900123 --reason \"asked by mail, ticket 4711\""
    )]
    Add(One),
    /// Take an opt-out back. That is no consent: where an opt-in is needed it is still needed
    #[command(
        after_help = "Example:\n  backchat optout remove +447700900123 --scope sender:88001 --reason \"opted out by our mistake\""
    )]
    Remove(One),
    /// The opt-outs in force, in order of numbers
    #[command(after_help = "Examples:\n  backchat optout list --limit 20\n  backchat optout list --json")]
    List(ListArgs),
    /// Read in a suppression list: CSV with a column number, and if you have them scope, date and source
    #[command(
        after_help = "Example:\n  backchat optout import stops.csv --source \"old provider, export of 1 March\"\n\nThe same list again goes on where it stopped; rows that say what is in force already change nothing."
    )]
    Import(ImportArgs),
    /// Write the opt-outs in force to a CSV file
    #[command(after_help = "Example:\n  backchat optout export stops.csv")]
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The number, like +447700900123
    #[arg(value_name = "NUMBER")]
    number: String,
    /// How far it reaches: all, sender:88001, programme:promo; for one purpose all/promotional
    #[arg(long, default_value = "all")]
    scope: Scope,
    /// Why, in your words: it is kept as evidence
    #[arg(long)]
    reason: String,
    /// Who decides it
    #[arg(long, default_value_t = who())]
    by: String,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// One JSON document: the list, empty when there are none
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The list
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the list comes from: it is kept as evidence with each row
    #[arg(long)]
    source: String,
    /// How far a row reaches that doesn't say so
    #[arg(long, default_value = "all")]
    scope: Scope,
    /// When a row was said that doesn't say so, like 2026-03-01; left out: now
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    /// Leave rows out that cannot be read, instead of importing nothing
    #[arg(long)]
    skip_broken: bool,
    /// Who reads it in
    #[arg(long, default_value_t = who())]
    by: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The file to write; - for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Command::Add(one) => change(one, ConsentKind::OptOut).await,
        Command::Remove(one) => change(one, ConsentKind::Lifted).await,
        Command::List(args) => list(args).await,
        Command::Import(args) => import(args, ConsentKind::OptOut).await,
        Command::Export(args) => export(args, ConsentKind::OptOut).await,
    }
}

/// Who runs this program, as far as the operating system says.
pub(crate) fn who() -> String {
    std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "operator".to_owned())
}

async fn open(config: &ConfigArg, access: Access) -> Result<(Store, IdSource), Failure> {
    let config = config::load(&config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let store = open_store(&config, &Clock::System, access).await.map_err(Failure::unreachable)?;
    let ids = IdSource::new(u16::try_from(store.epoch() & 1_023).unwrap_or_default());
    Ok((store, ids))
}

async fn change(one: One, kind: ConsentKind) -> Done {
    let number = Msisdn::parse(&one.number).map_err(|error| Failure::wrong(format!("the number {error}")))?;
    let (store, ids) = open(&one.config, Access::Beside).await?;
    let now_ms = Clock::System.now_ms();
    let scope = one.scope.to_string();
    let pack = store.consent_pack(number).await.map_err(Failure::unreachable)?;
    let is_out = pack.opted_out.iter().any(|standing| standing.scope == scope);
    if kind == ConsentKind::Lifted && !is_out {
        let others: Vec<&str> = pack.opted_out.iter().map(|standing| standing.scope.as_str()).collect();
        let others = if others.is_empty() { "none is in force".to_owned() } else { others.join(", ") };
        eprintln!("{number} has no opt-out of {scope} ({others})");
        return Ok(ExitCode::from(1));
    }
    let change = ConsentChange {
        id: ids.next(now_ms).0,
        number,
        scope: scope.clone(),
        kind,
        at_ms: now_ms,
        channel: Channel::Operator,
        actor: one.by,
        evidence: Evidence { note: Some(one.reason), ..Evidence::default() },
        asks: None,
    };
    store.consent(vec![change]).await.map_err(Failure::unreachable)?;
    let head = store.consent_head().await.map_err(Failure::unreachable)?;
    store.close(now_ms).await;
    let what = match (kind, is_out) {
        (ConsentKind::Lifted, _) => "is not opted out any more of",
        (_, true) => "was and is opted out of",
        (_, false) => "is opted out of",
    };
    say!("{number} {what} {scope} (change {} of the chain)", head.seq);
    Ok(ExitCode::SUCCESS)
}

async fn list(args: ListArgs) -> Done {
    let (store, _) = open(&args.config, Access::Look).await?;
    let mut rows: Vec<ListRow> = Vec::new();
    let mut more = Some((Msisdn(0), String::new()));
    while let Some(behind) = more.take().filter(|_| rows.len() < args.limit) {
        let next =
            store.listed(ConsentKind::OptOut, (behind.0, &behind.1)).await.map_err(Failure::unreachable)?;
        more = next.last().map(|row| (row.number, row.scope.clone()));
        rows.extend(next);
    }
    rows.truncate(args.limit);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&rows).map_err(Failure::wrong)?);
    } else if rows.is_empty() {
        eprintln!("nobody is opted out");
        return Ok(ExitCode::from(1));
    }
    let surface = Surface::of_stdout();
    for row in rows.iter().filter(|_| !args.json) {
        let source = row.note.as_deref().or(row.channel.as_deref()).unwrap_or_default();
        say!(
            "{}",
            match surface {
                Surface::Plain =>
                    format!("{}\t{}\t{}\t{source}", row.number, row.scope, clock_time(row.since_ms)),
                Surface::Colour => format!(
                    "{:<16}  {:<24}  {}  {source}",
                    row.number.to_string(),
                    row.scope,
                    surface.dim(&clock_time(row.since_ms))
                ),
            }
        );
    }
    Ok(if rows.is_empty() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What became of a list.
#[derive(Debug, Serialize)]
struct Imported {
    rows: u64,
    changed: i64,
    known: i64,
    broken: i64,
    /// Rows an earlier, interrupted import had dealt with.
    earlier: u64,
}

/// Reads a list in: once over to find every broken row and to tell the list, then batch by batch.
pub(crate) async fn import(args: ImportArgs, kind: ConsentKind) -> Done {
    let date_ms = match args.date.as_deref() {
        None => Clock::System.now_ms(),
        Some(date) => instant_of(date)
            .ok_or_else(|| Failure::wrong(format!("--date: `{date}` is no date; write 2026-03-01")))?,
    };
    let (rows, broken) = check(&args)?;
    if broken > 0 && !args.skip_broken {
        return Err(Failure::wrong(format!(
            "{} of {} rows cannot be read; nothing was imported\nMend the rows, or leave them out with --skip-broken.",
            thousands(broken),
            thousands(rows)
        )));
    }
    let name = format!("{}:{}:{}", kind.name(), args.scope, digest(&args.file)?);
    let (store, ids) = open(&args.config, Access::Beside).await?;
    let known = store.list_progress(&name).await.map_err(Failure::unreachable)?;
    let mut progress = known.unwrap_or(ListProgress { list: name, ..ListProgress::default() });
    let (mut done, mut earlier) = (0_u64, 0_u64);
    let mut batch = Vec::with_capacity(BATCH);
    let list = open_list(&args.file).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    for row in list {
        done += 1;
        let line = match &row {
            Ok(row) => row.line,
            Err(problem) => problem.line,
        };
        if line.cast_signed() <= progress.upto {
            earlier += 1;
            continue;
        }
        match row {
            Ok(row) => batch.push(ConsentChange {
                id: ids.next(Clock::System.now_ms()).0,
                number: row.number,
                scope: row.scope.unwrap_or_else(|| args.scope.clone()).to_string(),
                kind,
                at_ms: row.at_ms.unwrap_or(date_ms),
                channel: Channel::Import,
                actor: args.by.clone(),
                evidence: Evidence {
                    document: Some(format!("{}:{line}", file_name(&args.file))),
                    note: Some(
                        row.source
                            .map_or_else(|| args.source.clone(), |own| format!("{}; {own}", args.source)),
                    ),
                    ..Evidence::default()
                },
                asks: None,
            }),
            Err(_) => progress.broken += 1,
        }
        if batch.len() == BATCH {
            progress.upto = line.cast_signed();
            progress = take(&store, &mut batch, progress).await?;
        }
        if done.is_multiple_of(TELL_EVERY) {
            tell(done, rows);
        }
    }
    progress.upto = i64::MAX;
    progress = take(&store, &mut batch, progress).await?;
    tell_end();
    store.close(Clock::System.now_ms()).await;
    let imported =
        Imported { rows, changed: progress.changed, known: progress.known, broken: progress.broken, earlier };
    if args.json {
        say!("{}", serde_json::to_string(&imported).map_err(Failure::wrong)?);
    } else {
        say!(
            "{} rows: {} changed something, {} known already, {} left out{}",
            thousands(rows),
            thousands(imported.changed.unsigned_abs()),
            thousands(imported.known.unsigned_abs()),
            thousands(imported.broken.unsigned_abs()),
            if earlier > 0 {
                format!(" ({} by an earlier import)", thousands(earlier))
            } else {
                String::new()
            }
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn take(
    store: &Store,
    batch: &mut Vec<ConsentChange>,
    progress: ListProgress,
) -> Result<ListProgress, Failure> {
    store.take_list(std::mem::take(batch), progress).await.map_err(Failure::unreachable)
}

/// Looks at every row; each broken one is told on standard error. Gives how many rows there are and how many are broken.
fn check(args: &ImportArgs) -> Result<(u64, u64), Failure> {
    let list = open_list(&args.file).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    if !list.ignored().is_empty() {
        eprintln!("columns passed over: {}", list.ignored().join(", "));
    }
    let (mut rows, mut broken) = (0, 0);
    for row in list {
        rows += 1;
        if let Err(problem) = row {
            broken += 1;
            eprintln!("{problem}");
        }
    }
    Ok((rows, broken))
}

/// What makes a list the same list.
fn digest(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreachable(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut hash, mut octets) = (Sha256::new(), vec![0; DIGEST_OCTETS]);
    loop {
        match file.read(&mut octets).map_err(unreadable)? {
            0 => break,
            count => hash.update(&octets[..count]),
        }
    }
    Ok(hex(&hash.finalize()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Progress on a terminal is one line that changes.
pub(crate) fn tell(done: u64, of: u64) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{} of {}", thousands(done), thousands(of));
    }
}

/// Clears that line.
pub(crate) fn tell_end() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

/// Writes out what is in force.
pub(crate) async fn export(args: ExportArgs, kind: ConsentKind) -> Done {
    let (store, _) = open(&args.config, Access::Look).await?;
    let unwritable =
        |error: std::io::Error| Failure::unreachable(format!("{}: {error}", args.file.display()));
    let to_stdout = args.file.as_os_str() == "-";
    let out: Box<dyn Write> = if to_stdout {
        Box::new(std::io::stdout().lock())
    } else {
        Box::new(File::create(&args.file).map_err(unwritable)?)
    };
    let mut csv = csv::Writer::from_writer(std::io::BufWriter::new(out));
    let broken = |error: csv::Error| Failure::unreachable(format!("{}: {error}", args.file.display()));
    csv.write_record(["number", "scope", "date", "source", "channel", "document"]).map_err(broken)?;
    let (mut written, mut behind) = (0_u64, (Msisdn(0), String::new()));
    loop {
        let rows = store.listed(kind, (behind.0, &behind.1)).await.map_err(Failure::unreachable)?;
        let Some(last) = rows.last() else { break };
        behind = (last.number, last.scope.clone());
        for row in &rows {
            let date =
                jiff::Timestamp::from_millisecond(row.since_ms).map(|at| at.to_string()).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let cells = [
                row.number.to_string(),
                row.scope.clone(),
                date,
                text(&row.note),
                text(&row.channel),
                text(&row.document),
            ];
            csv.write_record(cells).map_err(broken)?;
        }
        written += rows.len() as u64;
        if !to_stdout {
            tell(written, written);
        }
    }
    csv.flush().map_err(unwritable)?;
    if !to_stdout {
        tell_end();
        say!("{} rows in {}", thousands(written), args.file.display());
    }
    Ok(ExitCode::SUCCESS)
}
