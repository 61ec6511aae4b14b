//! `backchat erase`: one number's data goes, its opt-outs stay.

use std::process::ExitCode;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::optout::who;
use crate::cli::paint::thousands;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::message::{IdSource, Msisdn};
use crate::store::{Access, Channel, ConsentChange, ConsentKind, Evidence, StoreError};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number, like +447700900123
    #[arg(value_name = "NUMBER")]
    number: String,
    /// Why, in your words, without the number: it is kept
    #[arg(long)]
    reason: String,
    /// Who decides it
    #[arg(long, default_value_t = who())]
    by: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: Args) -> Done {
    let number =
        Msisdn::parse(&args.number).map_err(|error| Failure::wrong(format!("the number {error}")))?;
    if args.reason.contains(&number.digits()) {
        return Err(Failure::wrong("--reason holds the number itself, and would keep it; say it without"));
    }
    let config = config::load(&args.config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let store = open_store(&config, &Clock::System, Access::Beside).await.map_err(Failure::unreachable)?;
    let ids = IdSource::new(u16::try_from(store.epoch() & 1_023).unwrap_or_default());
    let now_ms = Clock::System.now_ms();
    let change = ConsentChange {
        id: ids.next(now_ms).0,
        number,
        scope: "all".to_owned(),
        kind: ConsentKind::Erased,
        at_ms: now_ms,
        channel: Channel::Operator,
        actor: args.by,
        evidence: Evidence { note: Some(args.reason), ..Evidence::default() },
        asks: None,
    };
    let erased = store.erase(number, change).await.map_err(|error| match error {
        StoreError::Refused(_) => Failure::wrong(error),
        error => Failure::unreachable(error),
    })?;
    store.close(now_ms).await;
    if args.json {
        say!("{}", serde_json::to_string(&erased).map_err(Failure::wrong)?);
    } else {
        say!(
            "erased: {} messages to it, {} from it, {} receipts, {} events, the evidence of {} consent changes; {} opt-outs stay in force",
            thousands(erased.messages),
            thousands(erased.inbound),
            thousands(erased.receipts),
            thousands(erased.events),
            thousands(erased.changes),
            thousands(erased.kept_opt_outs),
        );
    }
    Ok(ExitCode::SUCCESS)
}
