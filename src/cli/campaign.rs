//! `backchat campaign`: a contact file becomes queued messages.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::paint::thousands;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::flow::Flow;
use crate::flow::campaign::{BrokenRows, CampaignError, Start};
use crate::message::CampaignId;
use crate::metrics::Metrics;
use crate::store::Access;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The campaign's name, yours to choose
    #[arg(value_name = "NAME")]
    name: String,
    /// The survey to send, by its key
    #[arg(long)]
    survey: String,
    /// The contact file
    #[arg(long, value_name = "FILE")]
    contacts: PathBuf,
    /// Leave rows out that cannot be read, instead of importing nothing
    #[arg(long)]
    skip_broken: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: Args) -> Done {
    let config = config::load(&args.config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let clock = Clock::System;
    let store = open_store(&config, &clock, Access::Beside).await.map_err(Failure::unreachable)?;
    let flow = Flow::new(store, config, clock, Arc::new(Metrics::default()));
    let start = Start {
        id: CampaignId(args.name),
        survey: &args.survey,
        contacts: args.contacts,
        limit: None,
        broken: if args.skip_broken { BrokenRows::Skip } else { BrokenRows::Refuse },
    };
    let imported = flow.start_campaign(&start, |_| {}).await.map_err(|error| match error {
        CampaignError::Store(error) => Failure::unreachable(error),
        error => Failure::wrong(error),
    })?;
    flow.store.clone().close(flow.clock.now_ms()).await;
    if args.json {
        println!("{}", serde_json::to_string(&imported).map_err(Failure::wrong)?);
    } else {
        println!(
            "campaign {}: {} accepted, {} left out{}",
            start.id,
            thousands(imported.accepted),
            thousands(imported.refused),
            if imported.earlier > 0 {
                format!(" ({} by an earlier import)", thousands(imported.earlier))
            } else {
                String::new()
            },
        );
    }
    Ok(ExitCode::SUCCESS)
}
