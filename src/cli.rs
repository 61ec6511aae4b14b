//! The command line: what an operator or an analyst types, and what it prints.

#[macro_use]
mod say;

mod ask;
mod bench;
mod campaign;
mod check;
mod consent;
mod decode;
mod demo;
mod erase;
mod events;
mod hours;
mod inbox;
mod live;
mod look;
mod optout;
mod paint;
mod questions;
mod read;
mod reload;
mod replies;
mod replay;
mod report;
mod results;
mod serve;
mod sheet;
mod simulate;
mod status;
mod survey;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// An SMPP gateway and two-way SMS server: campaigns out, replies understood, silence after STOP.
#[derive(Debug, Parser)]
#[command(name = "backchat", version, about, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Begin with:\n  backchat demo\n\nExit codes: 0 done, 1 nothing found, 2 wrong use or a wrong file, 4 could not reach or open something."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole thing on one machine, nothing to set up: an exit survey to 1,000 simulated handsets
    #[command(after_help = "Example:\n  backchat demo --contacts 200 --seed 7")]
    Demo(demo::Args),
    /// Run the server: bind to the carriers of a configuration, send, take in replies
    #[command(
        after_help = "Example:\n  backchat serve --config config/minimal.toml\n\nCtrl-C or SIGTERM drains: answers to what is in the window are waited for, then it unbinds.\nSIGHUP or `backchat reload` reads the file again."
    )]
    Serve(serve::Args),
    /// A running server reads its configuration again; a wrong file changes nothing
    #[command(
        after_help = "Example:\n  backchat reload --config config/minimal.toml\n\nSIGHUP to the server does the same. What the change does not concern goes on: no bind is dropped for a keyword,\na text, a survey or a rate. A carrier that is gone drains first."
    )]
    Reload(reload::ReloadArgs),
    /// What a reload would change, in words: which binds would restart, and why
    #[command(
        after_help = "Examples:\n  backchat plan config/minimal.toml\n  backchat plan new.toml --against config/minimal.toml"
    )]
    Plan(reload::PlanArgs),
    /// What happened: answers, opt-outs and more, in order, from wherever a reader left off
    #[command(
        after_help = "Examples:\n  backchat events --kind opt_out --since 2h\n  backchat events --follow --json --after 1042\n\nEach event has a number. A reader that keeps the last number it has dealt with, and gives it back with --after, is\ntold each event at least once."
    )]
    Events(events::Args),
    /// Check a configuration and every file it names; say what is wrong, where, and what would be right
    #[command(after_help = "Example:\n  backchat check config/minimal.toml")]
    Check(check::Args),
    /// A carrier to bind to, with handsets that answer
    #[command(after_help = "Example:\n  backchat simulate --config config/simulator.toml")]
    Simulate(simulate::Args),
    /// Campaigns over a contact file: start a survey at once, or create, plan, start, pause, resume, cancel, progress
    #[command(
        after_help = "Example:\n  backchat campaign exit-november --survey exit --contacts people.csv --config config/minimal.toml\n\nThe contact file is CSV with a column `number`, and if you have them name, language, country, zone.\n`create`, `plan`, `start`, `pause`, `resume`, `cancel`, `progress` and `list` are there too: `backchat campaign create --help`.\nA server that runs on the same database sends it; started twice under one name, an import goes on where it stopped."
    )]
    Campaign(campaign::Args),
    /// What people answered, newest first
    #[command(
        after_help = "Examples:\n  backchat replies --config config/minimal.toml\n  backchat replies --campaign exit-november --verdict ambiguous --json\n  backchat replies --survey exit --language ro --csv > replies.csv\n  backchat replies tag 123456789 price"
    )]
    Replies(replies::Args),
    /// What surveys came to: counts, rates, distributions, by language and more
    Survey(survey::Args),
    /// The life of one message, or everything with one number: each judgement and its reason
    #[command(
        after_help = "Examples:\n  backchat why 05W2K8Q3M4N7A --config config/minimal.toml\n  backchat why +447700900123"
    )]
    Why(look::WhyArgs),
    /// Read replies as the server would: CSV in, the same CSV with a column `read` out, or a score
    #[command(
        after_help = "Examples:\n  echo 'text,language,context\n3 - too expensive,en,exit_1_8' | backchat read\n  backchat read replies.csv --surveys surveys.toml --score\n  backchat read replies.csv --packs my-packs --json\n\nThe CSV has a column `text`, and may have `language` (of the contact; `und`: not known) and `context` (the open\nquestion; `none`: nothing is open). `read` says answer:N, optout, optin, help, ambiguous (ask once) or freetext.\nWith a column `expected`, --score says how much of it was read right, and what was not."
    )]
    Read(read::Args),
    /// When a person may be written to: country, time zones, windows, and the rule with its source
    #[command(
        after_help = "Examples:\n  backchat hours +6281234567890\n  backchat hours +12125550100 --purpose survey --at 2026-12-24T18:30:00Z --json\n\nExit code 0 while it is open, 1 while it is not."
    )]
    Hours(hours::Args),
    /// Who may not be written to: one by one, and suppression lists
    Optout(optout::Args),
    /// Who may be written to, and the proof of it: evidence packs, the chain of changes, lists of opt-ins
    Consent(consent::Args),
    /// Erase one number's data everywhere; its opt-outs stay in force under a keyed hash
    #[command(
        after_help = "Example:\n  backchat erase +447700900123 --reason \"asked by letter of 1 March, case 4711\"\n\nIt needs `erasure_key` in [store]. Lists that were read in are files of yours: take the number out of them too."
    )]
    Erase(erase::Args),
    /// What people wrote that is neither an answer nor a command, and what is said back
    #[command(
        after_help = "Examples:\n  backchat inbox list\n  backchat inbox show +447700900123\n  backchat inbox reply +447700900123 \"We call you at nine.\""
    )]
    Inbox(inbox::Args),
    /// How the servers, their binds and the queue are
    #[command(after_help = "Example:\n  backchat status --config config/minimal.toml")]
    Status(status::StatusArgs),
    /// Messages that may or may not have left when a link or a process broke, and what is done about them
    #[command(
        after_help = "Example:\n  backchat indoubt --config config/minimal.toml\n\nThe policy is the carrier's `in_doubt`: sent again, held for a late answer, or never sent twice."
    )]
    Indoubt(status::InDoubtArgs),
    /// Read the replies to a survey again under other packs and show what would change; changes nothing
    #[command(
        after_help = "Example:\n  backchat replay --survey exit --packs new-packs --config config/minimal.toml\n\nEach reply is read with the question that was open. What we had written before it is not known again."
    )]
    Replay(replay::Args),
    /// What octets of SMPP mean: JSON lines, hex, or a capture with the carrier's profile drawn from it
    #[command(
        after_help = "Examples:\n  backchat decode carrier.pcap\n  backchat decode --json fixtures/pdu/pdus.jsonl\n  echo 00000010 00000015 00000000 00000001 | backchat decode\n\nA row of JSON has `hex`, and may have `name` and `profile`. With an `expect` of its own it is answered with just the\nfacts that this names. Phone numbers are masked unless asked for, in JSON never; passwords in a capture always."
    )]
    Decode(decode::Args),
    /// Measure: durable load against a simulated carrier, with the machine named
    #[command(
        after_help = "Examples:\n  backchat bench campaign replies --store sqlite --store postgres\n  backchat bench campaign --pin 0 --messages 100000 --json\n\nTake the release build, and a machine that does nothing else."
    )]
    Bench(bench::Args),
    #[command(hide = true)]
    BenchCarrier(bench::CarrierArgs),
    #[command(hide = true)]
    BenchLoad(bench::LoadArgs),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "backchat.toml")]
    config: PathBuf,
}

/// Why a command failed: what to print, and the exit code.
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// Wrong use, or a wrong file.
    pub(crate) fn wrong(text: impl std::fmt::Display) -> Self {
        Self { code: 2, text: text.to_string() }
    }

    /// Something could not be reached or opened.
    pub(crate) fn unreachable(text: impl std::fmt::Display) -> Self {
        Self { code: 4, text: text.to_string() }
    }

    /// A figure that must be right is not.
    pub(crate) fn broken_promise(text: impl std::fmt::Display) -> Self {
        Self { code: 3, text: text.to_string() }
    }
}

type Done = Result<ExitCode, Failure>;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter =
        EnvFilter::try_from_env("BACKCHAT_LOG").unwrap_or_else(|_| EnvFilter::new(default_log(&cli.command)));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the operating system gives no threads: {error}");
            return ExitCode::from(4);
        }
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Reload(args) => reload::reload(args).await,
            Command::Plan(args) => reload::plan(args).await,
            Command::Events(args) => events::run(args).await,
            Command::Inbox(args) => inbox::run(args).await,
            Command::Status(args) => status::status(args).await,
            Command::Indoubt(args) => status::indoubt(args).await,
            Command::Check(args) => check::run(&args),
            Command::Simulate(args) => simulate::run(args).await,
            Command::Campaign(args) => campaign::run(args).await,
            Command::Replies(args) => replies::run(args).await,
            Command::Survey(args) => survey::run(args).await,
            Command::Why(args) => look::why(args).await,
            Command::Read(args) => read::run(&args),
            Command::Hours(args) => hours::run(args).await,
            Command::Optout(args) => optout::run(args).await,
            Command::Consent(args) => consent::run(args).await,
            Command::Erase(args) => erase::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Decode(args) => decode::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::BenchCarrier(args) => bench::run_carrier(args).await,
            Command::BenchLoad(args) => bench::run_load(args).await,
        }
    });
    match done {
        Ok(code) => code,
        Err(failure) => {
            let text = failure.text.trim_end();
            if text.starts_with("error") {
                eprintln!("{text}")
            } else {
                eprintln!("error: {text}")
            }
            ExitCode::from(failure.code)
        }
    }
}

/// A server says what happens to its binds; a demo speaks through its view.
fn default_log(command: &Command) -> &'static str {
    match command {
        Command::Serve(_) | Command::Simulate(_) => "info",
        _ => "error",
    }
}
