//! `backchat serve`: the server, until it is asked to stop.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::app::Server;
use crate::cli::check::rendered;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: Args) -> Done {
    let config = config::load(&args.config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    // Wherever the process stands later, a reload reads the same file.
    let file = std::fs::canonicalize(&args.config.config).map_err(Failure::wrong)?;
    let carriers = config.carriers.len();
    let mut hangups = signal(SignalKind::hangup()).map_err(Failure::unreachable)?;
    let mut server = Server::start(config, Clock::System).await.map_err(Failure::unreachable)?;
    info!("serving {carriers} carrier(s); Ctrl-C drains and stops");
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let waits = tokio::spawn(async move {
        let asked_to = asked_to_stop().await;
        asked.cancel();
        asked_to
    });
    server.watch(&file, &mut hangups, stop).await;
    waits.await.map_err(Failure::unreachable)??;
    info!("draining");
    server.stop().await;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Resolves on Ctrl-C and SIGTERM.
pub(crate) async fn asked_to_stop() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::unreachable)?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
