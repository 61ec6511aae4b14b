//! `backchat replay`: the replies to a survey read again under other packs, and what would change. It changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::paint::{Surface, thousands};
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config::{self, Config, load_packs};
use crate::flow::replies::starts_of;
use crate::message::Sender;
use crate::rules::inbound::Start;
use crate::rules::reading::{Context, Keyword, Reader};
use crate::store::{Access, ReplyContext, ReplyFilter, ReplyRow, Store};

/// Changed rows that are printed; with --json all are.
const MOST_PRINTED: usize = 200;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The survey, by its key
    #[arg(long, value_name = "KEY")]
    survey: String,
    /// A folder with the packs to read by; those of the configuration where it is left out
    #[arg(long, value_name = "DIR")]
    packs: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// A reply that would be read otherwise.
#[derive(Serialize)]
struct Change {
    id: i64,
    number: String,
    text: String,
    stored: String,
    stored_rule: String,
    read: String,
    rule: &'static str,
}

/// What reading again comes to.
#[derive(Default, Serialize)]
struct Replay {
    survey: String,
    packs: String,
    replies: u64,
    same: u64,
    changed: Vec<Change>,
    /// Replies whose question is not known any more.
    left_out: u64,
}

pub(crate) async fn run(args: Args) -> Done {
    let config = config::load(&args.config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    if !config.surveys.contains_key(&args.survey) {
        let known = config.surveys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Failure::wrong(format!("--survey: no survey `{}`; there is {known}", args.survey)));
    }
    let reader = match &args.packs {
        Some(folder) => {
            load_packs(folder).map_err(|what| Failure::wrong(format!("--packs: {what}")))?.reader()
        }
        None => config.reader(),
    };
    let store = open_store(&config, &Clock::System, Access::Look).await.map_err(Failure::unreachable)?;
    let replay = replay(&store, &config, &reader, &args.survey).await?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&replay).map_err(Failure::wrong)?);
    } else {
        print(&replay);
    }
    Ok(ExitCode::from(u8::from(replay.replies == 0)))
}

async fn replay(store: &Store, config: &Config, reader: &Reader, survey: &str) -> Result<Replay, Failure> {
    let mut replay =
        Replay { survey: survey.to_owned(), packs: reader.version().to_owned(), ..Replay::default() };
    let mut before = None;
    loop {
        let filter = ReplyFilter { before, ..ReplyFilter::default() };
        let page = store.replies(&filter).await.map_err(Failure::unreachable)?;
        let Some(last) = page.last() else { return Ok(replay) };
        before = Some(last.id);
        let asked: Vec<ReplyRow> = page.into_iter().filter(|row| row.campaign.is_some()).collect();
        let keys: Vec<_> = asked.iter().map(|row| (row.code.clone(), row.number)).collect();
        let contexts = store.reply_contexts(&keys).await.map_err(Failure::unreachable)?;
        for (row, context) in asked.into_iter().zip(contexts) {
            replay.add(config, reader, row, &context);
        }
    }
}

impl Replay {
    fn add(&mut self, config: &Config, reader: &Reader, row: ReplyRow, context: &ReplyContext) {
        let mut invitations = context.open.iter().chain(&context.closed);
        let Some(invitation) = invitations.find(|one| Some(&one.campaign) == row.campaign.as_ref()) else {
            self.left_out += 1;
            return;
        };
        if invitation.survey != self.survey {
            return;
        }
        let survey = config.surveys.get(&self.survey);
        let Some(question) =
            row.question.as_deref().zip(survey).and_then(|(key, one)| one.plan.question(key))
        else {
            self.left_out += 1;
            return;
        };
        let code = config.code(&Sender(row.code.clone()));
        let starts = code.map(|code| starts_of(config, code)).unwrap_or_default();
        let keywords: Vec<Keyword> = starts.iter().map(Start::keyword).collect();
        let reading = reader.read(
            &row.text,
            &Context {
                language: invitation.language.as_deref(),
                question: Some(question),
                keywords: &keywords,
                programmes: code.map(|code| code.programmes.as_slice()).unwrap_or_default(),
                ..Context::default()
            },
        );
        self.replies += 1;
        let read = reading.expected_form();
        if read == row.verdict {
            self.same += 1;
            return;
        }
        self.changed.push(Change {
            id: row.id,
            number: row.number.to_string(),
            text: row.text,
            stored: row.verdict,
            stored_rule: row.rule,
            read,
            rule: reading.rule,
        });
    }
}

fn print(replay: &Replay) {
    let surface = Surface::of_stdout();
    let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for change in &replay.changed {
        *kinds.entry((&change.stored, &change.read)).or_default() += 1;
    }
    say!("{}", surface.bold(&format!("{:<14}{:<14}{:>9}", "stored", "read now", "replies")));
    say!("{:<28}{:>9}", "the same", thousands(replay.same));
    for ((stored, read), count) in &kinds {
        say!("{stored:<14}{read:<14}{:>9}", thousands(*count));
    }
    say!("{:<28}{:>9}", "all", thousands(replay.replies));
    if replay.left_out > 0 {
        let what = "left out: their question is not known any more";
        say!("{} {what}", thousands(replay.left_out));
    }
    say!("packs {}", replay.packs);
    for change in replay.changed.iter().take(MOST_PRINTED) {
        let text = change.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (stored, read) = (surface.dim(&change.stored), surface.accent(&change.read));
        say!("{}  {stored} -> {read}  {text}", change.number);
    }
    if replay.changed.len() > MOST_PRINTED {
        say!("… and {} more; --json has all", thousands((replay.changed.len() - MOST_PRINTED) as u64));
    }
}
