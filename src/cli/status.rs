//! `backchat status` and `backchat indoubt`: how the servers and the queue are, and what may have gone twice or not at all.

use std::process::ExitCode;

use serde::Serialize;

use crate::app::{Standing, open_store};
use crate::cli::check::rendered;
use crate::cli::look::{clock_time, print_json};
use crate::cli::paint::{Surface, span, thousands};
use crate::cli::reload::standings;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config::{self, Config, InDoubtPolicy};
use crate::message::Class;
use crate::store::{Access, ConversationFilter, InDoubt, Store};

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InDoubtArgs {
    /// Those that have been settled since, too
    #[arg(long)]
    all: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// How everything is.
#[derive(Debug, Serialize)]
struct Status {
    servers: Vec<ServerStatus>,
    queue: Vec<QueueStatus>,
    in_doubt: usize,
    unread_conversations: usize,
}

#[derive(Debug, Serialize)]
struct ServerStatus {
    node: u16,
    said_ms_ago: i64,
    #[serde(flatten)]
    standing: Standing,
}

/// What waits for a carrier, in one class.
#[derive(Debug, Serialize)]
struct QueueStatus {
    carrier: String,
    class: Class,
    messages: i64,
    chunks: i64,
    /// How long the first of it has been due; negative: it is due only then.
    due_for_ms: i64,
}

/// A message in doubt, with what is done about it.
#[derive(Debug, Serialize)]
struct Doubt {
    #[serde(flatten)]
    row: InDoubt,
    open: bool,
    policy: &'static str,
}

async fn opened(file: &ConfigArg) -> Result<(Config, Store), Failure> {
    let config = config::load(&file.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let store = open_store(&config, &Clock::System, Access::Look).await.map_err(Failure::unreachable)?;
    Ok((config, store))
}

pub(crate) async fn status(args: StatusArgs) -> Done {
    let (config, store) = opened(&args.config).await?;
    let clock = Clock::System;
    let now_ms = clock.now_ms();
    let servers = standings(&store, &clock).await?;
    let mut queue = Vec::new();
    for carrier in &config.carriers {
        let depth = store.queue_depth(&carrier.name).await.map_err(Failure::unreachable)?;
        queue.extend(depth.into_iter().map(|depth| QueueStatus {
            carrier: carrier.name.clone(),
            class: depth.class,
            messages: depth.messages,
            chunks: depth.chunks,
            due_for_ms: now_ms - depth.next_ms,
        }));
    }
    let doubts = store.in_doubt().await.map_err(Failure::unreachable)?;
    let conversations =
        store.conversations(&ConversationFilter::default()).await.map_err(Failure::unreachable)?;
    let status = Status {
        servers: servers
            .into_iter()
            .map(|(pulse, standing)| ServerStatus {
                node: pulse.node,
                said_ms_ago: now_ms - pulse.at_ms,
                standing,
            })
            .collect(),
        queue,
        in_doubt: doubts.iter().filter(|row| row.state == IN_DOUBT).count(),
        unread_conversations: conversations.iter().filter(|one| one.unread > 0).count(),
    };
    if args.json {
        return print_json(&status, false);
    }
    print_status(&status, now_ms, Surface::of_stdout());
    Ok(ExitCode::SUCCESS)
}

/// The state of a message about which nothing is known yet.
const IN_DOUBT: &str = "in_doubt";

fn print_status(status: &Status, now_ms: i64, surface: Surface) {
    if status.servers.is_empty() {
        say!("{}", surface.bad("no server runs on this database"));
    }
    for server in &status.servers {
        let standing = &server.standing;
        say!(
            "{} node {}, process {}, up {}, configuration read {} ago from {}",
            surface.bold("server"),
            server.node,
            standing.pid,
            age(now_ms - standing.started_ms),
            age(now_ms - standing.loaded_ms),
            standing.file,
        );
        for bind in &standing.binds {
            let state = match bind.state.as_str() {
                "up" => surface.good("up"),
                other => surface.bad(other),
            };
            say!("  {:<20} {state}", bind.name);
        }
        let counts = standing.counts.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<String> =
            counts.map(|(name, count)| format!("{} {}", name.replace('_', " "), thousands(*count))).collect();
        if !counts.is_empty() {
            say!("  since its start: {}", counts.join(", "));
        }
    }
    say!("{}", surface.bold("queue"));
    if status.queue.is_empty() {
        say!("  empty");
    }
    for waiting in &status.queue {
        let due = if waiting.due_for_ms >= 0 {
            format!("the first due {} ago", age(waiting.due_for_ms))
        } else {
            format!("the first due in {}", age(-waiting.due_for_ms))
        };
        let class = format!("{:?}", waiting.class).to_lowercase();
        let messages = thousands(waiting.messages.unsigned_abs());
        say!("  {:<20} {class:<14} {messages:>9} messages, {due}", waiting.carrier);
    }
    say!("{} {} (`backchat indoubt` lists them)", surface.bold("in doubt"), status.in_doubt);
    say!("{} {} (`backchat inbox list`)", surface.bold("unread conversations"), status.unread_conversations);
}

pub(crate) async fn indoubt(args: InDoubtArgs) -> Done {
    let (config, store) = opened(&args.config).await?;
    let rows = store.in_doubt().await.map_err(Failure::unreachable)?;
    let doubts: Vec<Doubt> = rows
        .into_iter()
        .map(|row| Doubt { open: row.state == IN_DOUBT, policy: policy(&config, &row), row })
        .filter(|doubt| args.all || doubt.open)
        .collect();
    if args.json {
        return print_json(&doubts, doubts.is_empty());
    }
    if doubts.is_empty() {
        eprintln!("nothing is in doubt");
        return Ok(ExitCode::from(1));
    }
    let surface = Surface::of_stdout();
    for Doubt { row, policy, .. } in &doubts {
        let (since, number) = (clock_time(row.at_ms), row.number.to_string());
        let bind = row.bind.as_deref().unwrap_or("-");
        let cause = row.cause.as_deref().unwrap_or("-");
        let state = if row.state == IN_DOUBT { surface.bad("open") } else { row.state.clone() };
        match surface {
            Surface::Plain => say!(
                "{since}\t{}\t{number}\t{bind}\tattempt {}\t{policy}\t{state}\t{cause}",
                row.message,
                row.attempt
            ),
            Surface::Colour => say!(
                "{}  {}  {number:<16}  {bind:<12} attempt {}  policy {policy:<7} {state:<10} {cause}",
                surface.dim(&since),
                row.message,
                row.attempt
            ),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the configuration says is done about it: by the carrier of its bind.
fn policy(config: &Config, row: &InDoubt) -> &'static str {
    let carrier = row.bind.as_deref().and_then(|bind| bind.rsplit_once('/')).map(|(carrier, _)| carrier);
    match carrier.and_then(|carrier| config.carrier(carrier)).map(|carrier| carrier.in_doubt.policy) {
        Some(InDoubtPolicy::Resend) => "resend",
        Some(InDoubtPolicy::Hold) => "hold",
        Some(InDoubtPolicy::Never) => "never",
        None => "-",
    }
}

/// How long, as a person says it.
fn age(ms: i64) -> String {
    const HOUR_MS: i64 = 3_600_000;
    if ms < 2 * HOUR_MS {
        return span(ms.max(0) as f64);
    }
    let hours = ms / HOUR_MS;
    if hours < 48 { format!("{hours} h") } else { format!("{} days", hours / 24) }
}
