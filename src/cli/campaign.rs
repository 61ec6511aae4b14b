//! `backchat campaign`: create, import, start, pause, resume, cancel; the plan before, the progress meanwhile.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::paint::{Surface, thousands};
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::flow::Flow;
use crate::flow::campaign::{
    BrokenRows, CampaignError, Imported, NewCampaign, Plan, Progress, Says, Settings, Start,
};
use crate::message::{CampaignId, Purpose, Sender};
use crate::metrics::Metrics;
use crate::store::{Access, Campaign};

/// Places of a plan shown on a terminal; all of them in JSON.
const PLACES_SHOWN: usize = 25;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    start: Option<StartArgs>,
    #[command(flatten)]
    config: ConfigArg,
}

/// A survey, at once.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
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
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a campaign and import its people; it sends nothing until it is started
    #[command(
        after_help = "Example:\n  backchat campaign create winter-sale --text \"{name|Hello}, 20 % off until Sunday. Reply STOP to opt out.\" --contacts people.csv --rate 50"
    )]
    Create(Box<CreateArgs>),
    /// What a campaign is going to do: how many, where, when, what it costs, and who waits for the hours
    Plan(NameArgs),
    /// Start a campaign
    Start(NameArgs),
    /// Hold a campaign: nothing more is planned or sent, but what is in a lane's hands
    Pause(NameArgs),
    /// Let a paused campaign go on
    Resume(NameArgs),
    /// End a campaign for good: what is queued ends with the cause `cancelled`
    Cancel(NameArgs),
    /// How far a campaign is, and when it is expected to be over
    Progress(NameArgs),
    /// All campaigns
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// The campaign's name
    #[arg(value_name = "NAME")]
    name: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// The campaign's name, yours to choose
    #[arg(value_name = "NAME")]
    name: String,
    /// The survey to send, by its key
    #[arg(long, conflicts_with = "text", required_unless_present = "text")]
    survey: Option<String>,
    /// The text to send, with merge fields: {name|there}, {brand}
    #[arg(long)]
    text: Option<String>,
    /// Why a text is sent: promotional or transactional
    #[arg(long, default_value = "promotional")]
    purpose: String,
    /// The contact file
    #[arg(long, value_name = "FILE")]
    contacts: PathBuf,
    /// The code it is sent from; without it the survey's own, else the first of the configuration
    #[arg(long, value_name = "CODE")]
    sender: Option<String>,
    /// Not before this, like 2026-12-01T09:00:00+01:00
    #[arg(long, value_name = "TIME")]
    starts: Option<String>,
    /// Not after this
    #[arg(long, value_name = "TIME")]
    ends: Option<String>,
    /// Message parts a second; without it as fast as the carrier goes
    #[arg(long)]
    rate: Option<u32>,
    /// The programme it belongs to: STOP with its name stops it
    #[arg(long)]
    programme: Option<String>,
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
    match (args.action, args.start) {
        (Some(Action::Create(args)), _) => create(*args).await,
        (Some(Action::List(args)), _) => list(args).await,
        (Some(Action::Plan(args)), _) => {
            let flow = flow(&args.config, Access::Look).await?;
            let plan = flow.campaign_plan(&CampaignId(args.name)).await.map_err(failure)?;
            shown(flow, args.json, &plan, || print_plan(&plan, Surface::of_stdout())).await
        }
        (Some(Action::Progress(args)), _) => {
            let flow = flow(&args.config, Access::Look).await?;
            let progress = flow.campaign_progress(&CampaignId(args.name)).await.map_err(failure)?;
            shown(flow, args.json, &progress, || print_progress(&progress)).await
        }
        (Some(Action::Start(args) | Action::Resume(args)), _) => turn(args, Turn::Run).await,
        (Some(Action::Pause(args)), _) => turn(args, Turn::Pause).await,
        (Some(Action::Cancel(args)), _) => turn(args, Turn::Cancel).await,
        (None, Some(start_args)) => start(start_args, &args.config).await,
        (None, None) => Err(Failure::wrong("say what: `backchat campaign --help` lists the ways")),
    }
}

enum Turn {
    Run,
    Pause,
    Cancel,
}

async fn turn(args: NameArgs, turn: Turn) -> Done {
    let flow = flow(&args.config, Access::Beside).await?;
    let id = CampaignId(args.name);
    match turn {
        Turn::Run => flow.run_campaign(&id).await,
        Turn::Pause => flow.pause_campaign(&id).await,
        Turn::Cancel => flow.cancel_campaign(&id).await,
    }
    .map_err(failure)?;
    let progress = flow.campaign_progress(&id).await.map_err(failure)?;
    shown(flow, args.json, &progress, || print_progress(&progress)).await
}

async fn start(args: StartArgs, config: &ConfigArg) -> Done {
    let flow = flow(config, Access::Beside).await?;
    let start = Start {
        id: CampaignId(args.name),
        survey: &args.survey,
        contacts: args.contacts,
        limit: None,
        broken: if args.skip_broken { BrokenRows::Skip } else { BrokenRows::Refuse },
    };
    let imported = flow.start_campaign(&start, |_| {}).await.map_err(failure)?;
    shown(flow, args.json, &imported, || print_imported(&start.id, &imported)).await
}

/// What was created, as JSON.
#[derive(Serialize)]
struct Created<'a> {
    campaign: &'a CampaignId,
    #[serde(flatten)]
    imported: &'a Imported,
    plan: &'a Plan,
}

async fn create(args: CreateArgs) -> Done {
    let flow = flow(&args.config, Access::Beside).await?;
    let purpose = match args.purpose.as_str() {
        "promotional" => Purpose::Promotional,
        "transactional" => Purpose::Transactional,
        other => {
            return Err(Failure::wrong(format!(
                "--purpose `{other}` is neither promotional nor transactional"
            )));
        }
    };
    let says = match (args.survey, args.text) {
        (Some(survey), _) => Says::Survey(survey),
        (None, text) => Says::Text { text: text.unwrap_or_default(), purpose },
    };
    let new = NewCampaign {
        id: CampaignId(args.name),
        says,
        sender: args.sender.map(Sender),
        contacts: args.contacts.display().to_string(),
        settings: Settings {
            starts_ms: args.starts.as_deref().map(|at| moment("--starts", at)).transpose()?,
            ends_ms: args.ends.as_deref().map(|at| moment("--ends", at)).transpose()?,
            rate: args.rate,
            programme: args.programme,
        },
    };
    let broken = if args.skip_broken { BrokenRows::Skip } else { BrokenRows::Refuse };
    config::open_contacts(&args.contacts).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    flow.create_campaign(&new).await.map_err(failure)?;
    let imported = flow.import_contacts(&new.id, &args.contacts, broken, |_| {}).await.map_err(failure)?;
    let plan = flow.campaign_plan(&new.id).await.map_err(failure)?;
    let created = Created { campaign: &new.id, imported: &imported, plan: &plan };
    shown(flow, args.json, &created, || {
        print_imported(&new.id, &imported);
        print_plan(&plan, Surface::of_stdout());
        say!("start it with: backchat campaign start {}", new.id);
    })
    .await
}

/// A campaign in a list, as JSON.
#[derive(Serialize)]
struct Listed<'a> {
    campaign: &'a CampaignId,
    state: crate::store::CampaignState,
    survey: Option<&'a str>,
    text: Option<&'a str>,
    sender: &'a Sender,
    purpose: &'static str,
    created: String,
    audience: i64,
}

async fn list(args: ListArgs) -> Done {
    let flow = flow(&args.config, Access::Look).await?;
    let campaigns = flow.store.campaigns().await.map_err(Failure::unreachable)?;
    let listed: Vec<Listed<'_>> = campaigns.iter().map(Listed::of).collect();
    let none = listed.is_empty();
    if none && !args.json {
        eprintln!("no campaigns");
    }
    shown(flow, args.json, &listed, || {
        for one in &listed {
            let says = one.survey.map_or_else(|| "a text".to_owned(), |survey| format!("survey {survey}"));
            let (state, people) = (word(&one.state), thousands(one.audience.cast_unsigned()));
            say!("{}  {:<24} {state:<9} {people:>9} people  {says}", one.created, one.campaign.to_string());
        }
    })
    .await?;
    Ok(if none { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

impl<'a> Listed<'a> {
    fn of(campaign: &'a Campaign) -> Self {
        Self {
            campaign: &campaign.id,
            state: campaign.state,
            survey: campaign.survey.as_deref(),
            text: campaign.text.as_deref(),
            sender: &campaign.sender,
            purpose: campaign.purpose.name(),
            created: local(campaign.created_ms),
            audience: campaign.accepted,
        }
    }
}

pub(super) async fn flow(config: &ConfigArg, access: Access) -> Result<Flow, Failure> {
    let config = config::load(&config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let clock = Clock::System;
    let store = open_store(&config, &clock, access).await.map_err(Failure::unreachable)?;
    Ok(Flow::new(store, config, clock, Arc::new(Metrics::default())))
}

pub(super) fn failure(error: CampaignError) -> Failure {
    match error {
        CampaignError::Store(error) => Failure::unreachable(error),
        error => Failure::wrong(error),
    }
}

/// Prints as JSON or in words, and lets go of the database.
pub(super) async fn shown(flow: Flow, json: bool, document: &impl Serialize, print: impl FnOnce()) -> Done {
    flow.store.clone().close(flow.clock.now_ms()).await;
    if json {
        say!("{}", serde_json::to_string(document).map_err(Failure::wrong)?);
    } else {
        print();
    }
    Ok(ExitCode::SUCCESS)
}

fn moment(option: &str, written: &str) -> Result<i64, Failure> {
    let at =
        written.parse::<Timestamp>().or_else(|_| written.parse::<Zoned>().map(|zoned| zoned.timestamp()));
    at.map(Timestamp::as_millisecond).map_err(|_| {
        Failure::wrong(format!(
            "{option} `{written}` is no time with its offset; write 2026-12-01T09:00:00+01:00"
        ))
    })
}

fn print_imported(id: &CampaignId, imported: &Imported) {
    let earlier = match imported.earlier {
        0 => String::new(),
        earlier => format!(" ({} by an earlier import)", thousands(earlier)),
    };
    let doubled = match imported.doubled {
        0 => String::new(),
        doubled => format!(", {} numbers more than once", thousands(doubled)),
    };
    let (accepted, refused) = (thousands(imported.accepted), thousands(imported.refused));
    say!("campaign {id}: {accepted} accepted, {refused} left out{doubled}{earlier}");
    if !imported.elsewhere.is_empty() {
        let counted: Vec<String> = imported
            .elsewhere
            .iter()
            .map(|(country, count)| format!("{country} {}", thousands(*count)))
            .collect();
        say!("  of these, numbers of countries that its code does not serve: {}", counted.join(", "));
    }
}

fn print_plan(plan: &Plan, surface: Surface) {
    say!(
        "  {} people, at most {} {} of {} each, {} parts a second",
        thousands(plan.people),
        plan.parts,
        if plan.parts == 1 { "part" } else { "parts" },
        plan.alphabet,
        thousands(u64::from(plan.rate)),
    );
    let ends = plan
        .ends_ms
        .map_or("it does not get through in two weeks".to_owned(), |ms| format!("over by {}", local(ms)));
    say!("  begins {}, {ends}; {} wait for their hours", local(plan.begins_ms), thousands(plan.delayed));
    for place in plan.places.iter().take(PLACES_SHOWN) {
        let zones = match place.zones.as_slice() {
            [] => "no zone known".to_owned(),
            [zone] => zone.clone(),
            [zone, others @ ..] => format!("{zone} and {} more", others.len()),
        };
        let span = match (place.first_ms, place.last_ms) {
            (Some(first), Some(last)) => format!("{} to {}", local(first), local(last)),
            _ => surface.bad("no permitted hour"),
        };
        say!(
            "  {:<6} {:>9}  {:<32} {span}{}",
            place.place,
            thousands(place.people),
            zones,
            if place.delayed > 0 { format!(", {} wait", thousands(place.delayed)) } else { String::new() },
        );
        if let Some(help) = place.help {
            say!("         {}", surface.dim(help));
        }
        if place.unsent > 0 {
            say!("         {} are not reached", surface.bad(&thousands(place.unsent)));
        }
    }
    if plan.places.len() > PLACES_SHOWN {
        say!("  … and {} places more; --json has them all", plan.places.len() - PLACES_SHOWN);
    }
}

fn print_progress(progress: &Progress) {
    say!("campaign {}: {}", progress.campaign, word(&progress.state));
    let rows = [
        ("audience", progress.audience),
        ("planned", progress.planned),
        ("queued", progress.queued),
        ("sent", progress.sent),
        ("delivered", progress.delivered),
        ("suppressed", progress.suppressed),
        ("failed", progress.failed),
        ("replied", progress.replied),
    ];
    for (name, count) in rows {
        say!("  {name:<11} {:>11}", thousands(count.cast_unsigned()));
    }
    if let Some(ends_ms) = progress.expected_end_ms {
        say!("  expected to be over by {}", local(ends_ms));
    }
}

/// A state as it is written everywhere.
fn word(state: &crate::store::CampaignState) -> String {
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn local(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).map(|at| at.to_zoned(TimeZone::system()));
    at.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}
