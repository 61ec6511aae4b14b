//! `backchat reload` and `backchat plan`: a running server goes over to its changed file, or says what it would change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::app::{Asked, STANDING_FRESH_MS, Standing, open_store};
use crate::cli::check::rendered;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config::{self, Config, Plan};
use crate::store::{Access, AskKind, Store};

/// A server looks for requests every second, and a bind that restarts may drain for ten.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often an answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(crate) struct ReloadArgs {
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The changed configuration
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Compare with this file, instead of what a running server has
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// What the servers said.
#[derive(Debug, Serialize)]
struct Answers {
    done: bool,
    servers: Vec<ServerAnswer>,
}

#[derive(Debug, Serialize)]
struct ServerAnswer {
    node: u16,
    pid: u32,
    done: bool,
    text: String,
}

pub(crate) async fn reload(args: ReloadArgs) -> Done {
    let file = &args.config.config;
    let config = read(file)?;
    ask(&config, file, AskKind::Reload, args.json).await
}

pub(crate) async fn plan(args: PlanArgs) -> Done {
    let new = read(&args.file)?;
    let Some(old) = &args.against else {
        return ask(&new, &args.file, AskKind::Plan, args.json).await;
    };
    let plan = Plan::between(&read(old)?, &new);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&plan).map_err(Failure::wrong)?);
    } else {
        say!("{plan}");
    }
    Ok(ExitCode::from(if plan.needs_a_start.is_empty() { 0 } else { 2 }))
}

fn read(file: &Path) -> Result<Config, Failure> {
    config::load(file).map_err(|problems| Failure::wrong(rendered(&problems)))
}

/// Asks every server of the database, and waits for what each says.
async fn ask(config: &Config, file: &Path, kind: AskKind, json: bool) -> Done {
    let clock = Clock::System;
    let place = std::fs::canonicalize(file).map_err(Failure::wrong)?.display().to_string();
    let store = open_store(config, &clock, Access::Beside).await.map_err(Failure::unreachable)?;
    let servers = standings(&store, &clock).await?;
    if servers.is_empty() {
        store.close(clock.now_ms()).await;
        return Err(Failure::unreachable(
            "no server runs on the database of this file.\n\
             `backchat serve` starts one; `backchat plan NEW --against OLD` compares two files without one.",
        ));
    }
    if let Some((_, other)) = servers.iter().find(|(_, standing)| standing.file != place)
        && kind == AskKind::Reload
    {
        store.close(clock.now_ms()).await;
        return Err(Failure::wrong(format!(
            "the server reads {}, not {place}; a reload reads the server's own file again",
            other.file
        )));
    }
    let ask = store.ask(kind, &place, clock.now_ms()).await.map_err(Failure::unreachable)?;
    let mut waiting: BTreeSet<i64> = servers.iter().map(|(server, _)| server.epoch).collect();
    let mut answers = Vec::new();
    let until = Instant::now() + PATIENCE;
    while !waiting.is_empty() && Instant::now() < until {
        sleep(LOOK_EVERY).await;
        for (server, standing) in standings(&store, &clock).await? {
            let Some(Asked { done, text, .. }) = standing.asked.filter(|asked| asked.ask == ask.id) else {
                continue;
            };
            if waiting.remove(&server.epoch) {
                answers.push(ServerAnswer { node: server.node, pid: standing.pid, done, text });
            }
        }
    }
    store.close(clock.now_ms()).await;
    if !waiting.is_empty() {
        return Err(Failure::unreachable(format!(
            "the server has not answered within {} s; its log says why",
            PATIENCE.as_secs()
        )));
    }
    let done = answers.iter().all(|answer| answer.done);
    if json {
        let answers = Answers { done, servers: answers };
        say!("{}", serde_json::to_string_pretty(&answers).map_err(Failure::wrong)?);
    } else if done {
        answers.iter().for_each(|answer| say!("{}", answer.text));
    } else {
        let refused: Vec<String> =
            answers.into_iter().filter(|answer| !answer.done).map(|answer| answer.text).collect();
        return Err(Failure::wrong(format!("{}\nNothing has changed.", refused.join("\n"))));
    }
    Ok(ExitCode::from(if done { 0 } else { 2 }))
}

/// The servers that have said lately how they are.
pub(crate) async fn standings(
    store: &Store,
    clock: &Clock,
) -> Result<Vec<(crate::store::PulseRow, Standing)>, Failure> {
    let pulses = store.pulses(clock.now_ms() - STANDING_FRESH_MS).await.map_err(Failure::unreachable)?;
    Ok(pulses
        .into_iter()
        .filter_map(|pulse| {
            let standing = serde_json::from_str(&pulse.detail).ok()?;
            Some((pulse, standing))
        })
        .collect())
}
