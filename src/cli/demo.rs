//! `backchat demo`: the whole thing on one machine, with nothing to set up, on its own files in a folder it names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::app::Server;
use crate::cli::check::rendered;
use crate::cli::live::Live;
use crate::cli::paint::{Surface, thousands};
use crate::cli::report::{Facts, Report};
use crate::cli::{Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::flow::Flow;
use crate::flow::campaign::{BrokenRows, Start};
use crate::message::CampaignId;
use crate::simulator::{Account, Cue, Handsets, Settings, Simulator};
use crate::store::ReplyFilter;

/// The files a demo runs on, as they are in the repository.
const SURVEY: &str = include_str!("../../config/surveys/exit.toml");
const CONTACTS: &str = include_str!("../../fixtures/contacts/contacts.csv");

/// The rate of the demo's carrier, parts a second: quick enough to watch, slow enough to see.
const RATE: &str = "250/s";
/// A demo that is not over after this is stuck: it says so instead of running for ever.
const LONGEST: Duration = Duration::from_secs(300);
/// The replies file's name for the exit survey's question.
const CONTEXT: &str = "exit_1_8";
/// Everything must be quiet for so many looks in a row.
const QUIET_LOOKS: u32 = 4;
/// Replies read back for judging; far more than a demo has.
const REPLIES: i64 = 1_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many contacts of the 1,000 to write to
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    contacts: u64,
    /// What the simulated people do is drawn from this
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Where to remember: `sqlite`, or the address of a Postgres database
    #[arg(long, default_value = "sqlite", value_name = "sqlite|postgres://…")]
    store: String,
    /// The folder for everything; a demo that was cut short goes on where it stopped
    #[arg(long, default_value = "backchat-demo", value_name = "FOLDER")]
    folder: PathBuf,
    /// One JSON document at the end, nothing else
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Done {
    let began = Instant::now();
    let folder = folder_for(&args.folder)?;
    let journal = folder.join("carrier.jsonl");
    let settings = Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        accounts: vec![Account { system_id: "demo".to_owned(), password: "demo".to_owned() }],
        seed: args.seed,
        journal: Some(journal),
        handsets: handsets()?,
        ..Settings::default()
    };
    let simulator = Simulator::start(settings).await.map_err(Failure::unreachable)?;
    let file = write_files(&folder, &args.store, simulator.address().port())?;
    let config = config::load(&file).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let server = Server::start(config, Clock::System).await.map_err(Failure::unreachable)?;
    let flow = Arc::clone(server.flow());
    // The packs are made ready beside the start: nobody is asked before anybody can be understood.
    drop(flow.reader());
    let recovered = server.recovered();
    if !args.json {
        introduce(&folder, &args, recovered.in_doubt + recovered.unsent > 0);
    }
    let campaign = campaign_name(&folder, &flow).await?;
    let start = Start {
        id: campaign.clone(),
        survey: "exit",
        contacts: folder.join("contacts.csv"),
        limit: Some(args.contacts),
        broken: BrokenRows::Refuse,
    };
    flow.start_campaign(&start, |_| {}).await.map_err(Failure::wrong)?;
    let quiet = watch(&flow, &simulator, args.json).await;
    let labels = flow.config().surveys.get("exit").map(|survey| survey.text(Some("en")).labels.clone());
    let results = flow.store.results(&campaign).await.map_err(Failure::unreachable)?;
    let filter = ReplyFilter { limit: REPLIES, ..ReplyFilter::default() };
    let report = Report::of(Facts {
        campaign: campaign.to_string(),
        results,
        census: flow.store.census().await.map_err(Failure::unreachable)?,
        carrier: simulator.census(),
        said: simulator.replies(),
        rows: flow.store.replies(&filter).await.map_err(Failure::unreachable)?,
        labels: labels.unwrap_or_default(),
        metrics: &flow.metrics,
        recovered,
        took: began.elapsed(),
        folder: folder.display().to_string(),
        store: args.store.split(':').next().unwrap_or("sqlite").to_owned(),
    });
    server.stop().await;
    simulator.stop().await;
    let json = serde_json::to_string_pretty(&report).map_err(Failure::wrong)?;
    fs::write(folder.join("report.json"), &json).map_err(|error| cannot_write(&folder, &error))?;
    if args.json {
        say!("{json}");
    } else {
        report.print(Surface::of_stdout());
        try_next(&file, &report);
    }
    let mut broken = report.broken_promises();
    if !quiet {
        broken.push(format!("it was not over after {} s", LONGEST.as_secs()));
    }
    if broken.is_empty() {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::broken_promise(format!("a promise is broken:\n  {}", broken.join("\n  "))))
    }
}

/// People who know the exit survey's question in every language it is asked in.
fn handsets() -> Result<Handsets, Failure> {
    let survey = config::parse_survey("surveys/exit.toml", SURVEY).map_err(Failure::wrong)?;
    let contacts = config::read_contacts(CONTACTS.as_bytes(), "contacts.csv").map_err(Failure::wrong)?;
    let languages =
        contacts.flatten().filter_map(|contact| Some((contact.number, contact.language?))).collect();
    Ok(Handsets { cues: Cue::of_survey(&survey, CONTEXT), languages, ..Handsets::default() })
}

/// A folder whose demo is over is left as it is; the next one gets a folder of its own.
fn folder_for(wanted: &Path) -> Result<PathBuf, Failure> {
    let name = wanted.display().to_string();
    let folder = (1..)
        .map(|turn| if turn == 1 { wanted.to_owned() } else { PathBuf::from(format!("{name}-{turn}")) })
        .find(|folder| !folder.join("report.json").exists())
        .unwrap_or_else(|| wanted.to_owned());
    fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    Ok(folder)
}

fn cannot_write(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::unreachable(format!("{}: {error}", folder.display()))
}

/// Puts the demo's files into its folder: the same that a real setup has.
fn write_files(folder: &Path, store: &str, port: u16) -> Result<PathBuf, Failure> {
    let place = if store == "sqlite" {
        "sqlite = \"backchat.db\"".to_owned()
    } else if store.starts_with("postgres://") || store.starts_with("postgresql://") {
        // An address may hold a password: it stands in a file only its owner reads.
        write_private(&folder.join("store.url"), store).map_err(|error| cannot_write(folder, &error))?;
        "postgres = \"file:store.url\"".to_owned()
    } else {
        return Err(Failure::wrong(format!(
            "--store {store}: write sqlite, or postgres://user@host/database"
        )));
    };
    let config = format!(
        r#"# Made by `backchat demo`. The carrier it names is gone when the demo is over; everything else can be looked at.
surveys = ["surveys/exit.toml"]

[store]
{place}

# Its handsets never sleep.
[hours]
enforce = "never"

[[carrier]]
name = "demo"
host = "127.0.0.1"
port = {port}
system_id = "demo"
password = "plain:demo"
rate = "{RATE}"
window = 10
response_timeout = "5s"
reconnect = {{ min = "200ms", max = "2s" }}

[[code]]
number = "88001"
carrier = "demo"
brand = "Example Mobile"
languages = ["en", "id", "ro", "es", "fr", "de", "it", "pt", "nl", "pl", "tr", "ru", "ar", "hi", "zh", "vi", "sw", "tl"]
"#
    );
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    };
    [("surveys/exit.toml", SURVEY), ("contacts.csv", CONTACTS), ("backchat.toml", &config)]
        .into_iter()
        .try_for_each(|(name, text)| write(name, text))
        .map_err(|error| cannot_write(folder, &error))?;
    Ok(folder.join("backchat.toml"))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The campaign of this folder: chosen at its first start, kept for the next.
async fn campaign_name(folder: &Path, flow: &Flow) -> Result<CampaignId, Failure> {
    let kept = folder.join("campaign");
    if let Ok(name) = fs::read_to_string(&kept) {
        return Ok(CampaignId(name.trim().to_owned()));
    }
    let mut turn = 1;
    let id = loop {
        let id = CampaignId(if turn == 1 { "exit".to_owned() } else { format!("exit-{turn}") });
        if flow.store.campaign(&id).await.map_err(Failure::unreachable)?.is_none() {
            break id;
        }
        turn += 1;
    };
    fs::write(&kept, &id.0).map_err(|error| cannot_write(folder, &error))?;
    Ok(id)
}

/// Shows what happens until nothing does any more. False: it went on for too long.
async fn watch(flow: &Flow, simulator: &Simulator, hidden: bool) -> bool {
    let mut live = Live::new(0, hidden);
    let until = Instant::now() + LONGEST;
    let mut quiet = 0;
    while quiet < QUIET_LOOKS && Instant::now() < until {
        let counts = flow.metrics.snapshot();
        live.show(&counts);
        let still =
            simulator.is_idle() && counts.in_window == 0 && counts.binds_up > 0 && is_empty(flow).await;
        quiet = if still { quiet + 1 } else { 0 };
        sleep(live.frame()).await;
    }
    live.end();
    quiet >= QUIET_LOOKS
}

/// Whether nothing waits to be sent.
async fn is_empty(flow: &Flow) -> bool {
    let depth = flow.store.queue_depth("demo").await;
    let planned = flow.campaigns_are_planned().await.unwrap_or(false);
    planned && depth.is_ok_and(|classes| classes.iter().all(|class| class.chunks == 0))
}

fn introduce(folder: &Path, args: &Args, resumed: bool) {
    let surface = Surface::of_stdout();
    say!(
        "{}: the exit survey to {} people, over SMPP, on a simulated carrier.",
        surface.bold("backchat demo"),
        thousands(args.contacts),
    );
    say!(
        "Everything is in {}{}",
        folder.display(),
        if resumed { "; going on where it was cut short." } else { "." }
    );
}

fn try_next(file: &Path, report: &Report) {
    let file = file.display();
    say!("\nDone in {:.0} s. Look further:", report.seconds);
    say!("  backchat replies --config {file} --verdict ambiguous");
    say!("  backchat why +447700900000 --config {file}     (any number of {}/contacts.csv)", report.folder);
    say!("  backchat serve --help        your own carrier");
}
