//! `backchat consent`: the evidence pack of a number, the whole chain held to itself, and lists of opt-ins.

use std::process::ExitCode;
use std::time::Instant;

use clap::Subcommand;
use serde::Serialize;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::look::clock_time;
use crate::cli::optout::{ExportArgs, ImportArgs, export, import, tell, tell_end};
use crate::cli::paint::{Surface, thousands};
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::message::Msisdn;
use crate::store::{Access, ConsentKind, ConsentPack, Evidence, Head, Proof, Store};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that shows who may write to a number: what is in force, and every change with its evidence
    #[command(
        after_help = "Examples:\n  backchat consent show +447700900123\n  backchat consent show +447700900123 --json > evidence.json"
    )]
    Show(ShowArgs),
    /// Go through the whole chain of changes; say which was changed, removed, put in or moved
    #[command(
        after_help = "Examples:\n  backchat consent verify\n  backchat consent verify --noted 5120:9f86d081884c7d65...\n\nIt prints the end of the chain. Kept where nobody with access to the database can change it, it shows later that\nnothing before it was changed. Exit codes: 0 all as it was written, 3 it is not."
    )]
    Verify(VerifyArgs),
    /// Read in a list of opt-ins: CSV with a column number, and if you have them scope, date and source
    #[command(
        after_help = "Example:\n  backchat consent import joined.csv --scope programme:promo --source \"web form of the shop\""
    )]
    Import(ImportArgs),
    /// Write the opt-ins in force to a CSV file
    #[command(after_help = "Example:\n  backchat consent export joined.csv")]
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The number, like +447700900123
    #[arg(value_name = "NUMBER")]
    number: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// An end of the chain noted earlier, which must still be in it
    #[arg(long, value_name = "PLACE:HASH", value_parser = head)]
    noted: Option<Head>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

fn head(text: &str) -> Result<Head, String> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)));
    match parts {
        Some((seq, hash)) if hash.len() == 64 && hash.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
            Ok(Head { seq, hash: hash.to_lowercase() })
        }
        _ => {
            Err("write it as `consent verify` printed it: a place, a colon and 64 hexadecimal digits"
                .to_owned())
        }
    }
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Command::Show(args) => show(args).await,
        Command::Verify(args) => verify(args).await,
        Command::Import(args) => import(args, ConsentKind::OptIn).await,
        Command::Export(args) => export(args, ConsentKind::OptIn).await,
    }
}

async fn open(config: &ConfigArg) -> Result<Store, Failure> {
    let config = config::load(&config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    open_store(&config, &Clock::System, Access::Look).await.map_err(Failure::unreachable)
}

async fn show(args: ShowArgs) -> Done {
    #[derive(Serialize)]
    struct Document<'a> {
        number: Msisdn,
        shown_ms: i64,
        #[serde(flatten)]
        pack: &'a ConsentPack,
    }
    let number =
        Msisdn::parse(&args.number).map_err(|error| Failure::wrong(format!("the number {error}")))?;
    let store = open(&args.config).await?;
    let pack = store.consent_pack(number).await.map_err(Failure::unreachable)?;
    let now_ms = Clock::System.now_ms();
    let nothing = pack.changes.is_empty();
    if args.json {
        let document = Document { number, shown_ms: now_ms, pack: &pack };
        say!("{}", serde_json::to_string_pretty(&document).map_err(Failure::wrong)?);
    } else if nothing {
        eprintln!("nothing is known about the consent of {number}");
    } else {
        print(number, &pack, now_ms, Surface::of_stdout());
    }
    Ok(ExitCode::from(u8::from(nothing)))
}

fn print(number: Msisdn, pack: &ConsentPack, now_ms: i64, surface: Surface) {
    say!("{}", surface.bold(&number.to_string()));
    for standing in &pack.opted_out {
        say!("  {} {}", surface.bad("opted out of"), since(&standing.scope, standing.since_ms, now_ms));
    }
    for standing in &pack.opted_in {
        say!("  {} {}", surface.good("opted in to"), since(&standing.scope, standing.since_ms, now_ms));
    }
    for pending in &pack.pending {
        let (state, until) =
            (if pending.until_ms < now_ms { "silent about" } else { "asked about" }, pending.until_ms);
        say!("  {state} {} on {}, a yes counts until {}", pending.scope, pending.code, clock_time(until));
    }
    if pack.opted_out.is_empty() && pack.opted_in.is_empty() {
        say!("  neither opted out nor in");
    }
    for change in &pack.changes {
        say!();
        print_change(change, surface);
    }
}

fn since(scope: &str, since_ms: i64, now_ms: i64) -> String {
    let days = (now_ms - since_ms).max(0) / DAY_MS;
    format!("{scope} since {} ({days} {})", clock_time(since_ms), if days == 1 { "day" } else { "days" })
}

fn print_change(change: &Proof, surface: Surface) {
    say!(
        "{} {}  {} {}  by {} over {}",
        surface.bold(&format!("#{}", change.seq)),
        surface.dim(&clock_time(change.at_ms)),
        surface.accent(&change.kind.replace('_', " ")),
        change.scope,
        change.actor,
        change.channel,
    );
    match &change.evidence {
        Some(evidence) => print_evidence(evidence),
        None => say!("  evidence   erased"),
    }
    say!("  hash       {}", surface.dim(&change.hash));
    say!("  behind     {}", surface.dim(&change.before));
    if !change.intact {
        say!("  {}", surface.bad("this is not what was written: see `backchat consent verify`"));
    }
}

fn print_evidence(evidence: &Evidence) {
    if let Some(asked) = &evidence.asked {
        let id = evidence.message.map(|id| format!("  (message {id})")).unwrap_or_default();
        say!("  shown      {asked:?}{id}");
    }
    if let Some(received) = &evidence.received {
        let id = evidence.inbound.map(|id| format!("  (inbound {id})")).unwrap_or_default();
        say!("  received   {received:?}{id}");
    }
    let lines = [("octets", &evidence.octets), ("document", &evidence.document), ("reason", &evidence.note)];
    for (name, text) in lines {
        if let Some(text) = text {
            say!("  {name:<10} {text}");
        }
    }
}

async fn verify(args: VerifyArgs) -> Done {
    let store = open(&args.config).await?;
    let began = Instant::now();
    let verified = store.verify_consent(args.noted.as_ref(), tell).await.map_err(Failure::unreachable)?;
    tell_end();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&verified).map_err(Failure::wrong)?);
    } else {
        for fault in &verified.faults {
            say!("{fault}");
        }
        let more = verified.fault_count.saturating_sub(verified.faults.len() as u64);
        if more > 0 {
            say!("... and {} more", thousands(more));
        }
        say!(
            "{} changes, {} of them erased, in {:.1} s: {}",
            thousands(verified.changes),
            thousands(verified.erased),
            began.elapsed().as_secs_f64(),
            if verified.fault_count == 0 { "all as they were written" } else { "NOT as they were written" },
        );
        say!("end of the chain  {}:{}", verified.head.seq, verified.head.hash);
    }
    Ok(ExitCode::from(if verified.fault_count == 0 { 0 } else { 3 }))
}
