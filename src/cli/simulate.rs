//! `backchat simulate`: a carrier to bind to, until it is asked to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use crate::cli::check::rendered;
use crate::cli::serve::asked_to_stop;
use crate::cli::{Done, Failure};
use crate::config::load_simulator;
use crate::simulator::{Settings, Simulator};

/// A line about what it did, this often, when something happened.
const LINE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The simulator's configuration
    #[arg(long, short, value_name = "FILE", default_value = "simulator.toml")]
    config: PathBuf,
}

pub(crate) async fn run(args: Args) -> Done {
    let config = load_simulator(&args.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let settings = Settings::from_config(&config).map_err(Failure::wrong)?;
    let simulator = Simulator::start(settings).await.map_err(Failure::unreachable)?;
    info!("a carrier listens on {}; Ctrl-C stops it", simulator.address());
    let mut last = None;
    let mut stop = std::pin::pin!(asked_to_stop());
    loop {
        tokio::select! {
            stopped = &mut stop => {
                stopped?;
                break;
            }
            () = sleep(LINE) => {
                let census = simulator.census();
                if last != Some((census.messages, census.replies_sent)) {
                    last = Some((census.messages, census.replies_sent));
                    info!(
                        "{} binds, {} messages, {} receipts, {} replies, {} of them STOP, {} messages after a STOP",
                        census.binds, census.messages, census.receipts_acknowledged, census.replies_sent,
                        census.stops, census.sends_after_stop,
                    );
                }
            }
        }
    }
    simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}
