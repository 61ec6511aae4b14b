//! `backchat replies`: what people said, narrowed down, with words put on it, as a table, JSON or CSV.

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::events::moment;
use crate::cli::look::{clock_time, print_json};
use crate::cli::paint::Surface;
use crate::cli::say;
use crate::cli::sheet::{Cell, Sheet};
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::message::{CampaignId, Msisdn};
use crate::store::{Access, Narrow, Reply, Store, StoreError, TagWork};

/// Replies read in one step.
const PAGE: i64 = 1_000;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put a word on a reply, or take it off
    #[command(
        after_help = "Example:\n  backchat replies tag 123456789 price\n  backchat replies tag 123456789 price --remove"
    )]
    Tag(Tag),
}

#[derive(Debug, clap::Args)]
struct Tag {
    /// The reply's id, as `backchat replies` shows it
    #[arg(value_name = "ID")]
    id: i64,
    /// The word
    #[arg(value_name = "TAG")]
    tag: String,
    /// Take it off
    #[arg(long)]
    remove: bool,
    /// Who does it
    #[arg(long, value_name = "WHO", default_value = "operator")]
    by: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// What narrows replies and answers alike.
#[derive(Debug, clap::Args)]
pub(crate) struct NarrowArgs {
    /// Only of this campaign
    #[arg(long)]
    campaign: Option<String>,
    /// Only of this survey
    #[arg(long)]
    survey: Option<String>,
    /// Only to this question
    #[arg(long)]
    question: Option<String>,
    /// Only to this code
    #[arg(long)]
    code: Option<String>,
    /// Only from people of this language
    #[arg(long)]
    language: Option<String>,
    /// Only since then: 2026-11-28T08:00:00Z, 2026-11-28, or a span like 2h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl NarrowArgs {
    pub(crate) fn read(self) -> Result<Narrow, Failure> {
        let now_ms = Clock::System.now_ms();
        let time = |text: Option<String>| text.map(|text| moment(&text, now_ms)).transpose();
        Ok(Narrow {
            campaign: self.campaign.map(CampaignId),
            survey: self.survey,
            question: self.question,
            code: self.code,
            language: self.language,
            since_ms: time(self.since)?,
            until_ms: time(self.until)?,
            ..Narrow::default()
        })
    }
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    narrow: NarrowArgs,
    /// Only from this number
    #[arg(long)]
    number: Option<String>,
    /// Only those read so: answer, answer:3, optout, optin, help, ambiguous, freetext
    #[arg(long)]
    verdict: Option<String>,
    /// Only with this word on them
    #[arg(long)]
    tag: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: i64,
    /// One JSON document: the list, empty when there are none
    #[arg(long)]
    json: bool,
    /// CSV, safe to open in a spreadsheet: a cell that would be a formula begins with '
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Some(Command::Tag(tag)) => put_tag(tag).await,
        None => list(args.list).await,
    }
}

async fn store(config: &ConfigArg, access: Access) -> Result<Store, Failure> {
    let config = config::load(&config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    open_store(&config, &Clock::System, access).await.map_err(Failure::unreachable)
}

async fn put_tag(args: Tag) -> Done {
    let tag = args.tag.trim();
    if tag.is_empty() {
        return Err(Failure::wrong("a tag is a word, like price"));
    }
    let store = store(&args.config, Access::Beside).await?;
    let work = if args.remove { TagWork::TakeOff } else { TagWork::Put };
    let now_ms = Clock::System.now_ms();
    let done = store.tag_reply(args.id, tag, work, &args.by, now_ms).await;
    store.close(now_ms).await;
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(StoreError::Refused(reason)) => Err(Failure::wrong(reason)),
        Err(error) => Err(Failure::unreachable(error)),
    }
}

async fn list(args: List) -> Done {
    let number = args.number.as_deref().map(Msisdn::parse).transpose();
    let number = number.map_err(|error| Failure::wrong(format!("--number: it {error}")))?;
    let narrow = Narrow { verdict: args.verdict, tag: args.tag, ..args.narrow.read()? };
    let store = store(&args.config, Access::Look).await?;
    let (mut rows, mut before): (Vec<Reply>, _) = (Vec::new(), None);
    loop {
        let wanted = (args.limit - i64::try_from(rows.len()).unwrap_or(i64::MAX)).min(PAGE);
        if wanted <= 0 {
            break;
        }
        let page = store.replies_for(&narrow, number, before, wanted).await.map_err(Failure::unreachable)?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        rows.extend(page);
    }
    if args.json {
        return print_json(&rows, rows.is_empty());
    }
    if args.csv {
        say::text(&sheet(&rows).csv());
        return Ok(ExitCode::from(u8::from(rows.is_empty())));
    }
    if rows.is_empty() {
        eprintln!("no replies");
        return Ok(ExitCode::from(1));
    }
    let surface = Surface::of_stdout();
    rows.iter().for_each(|row| say!("{}", line(row, surface)));
    Ok(ExitCode::SUCCESS)
}

/// Columns on a terminal, tabs when piped.
fn line(row: &Reply, surface: Surface) -> String {
    let text = row.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let at = clock_time(row.received_ms);
    let tags: String = row.tags.iter().map(|tag| format!(" #{tag}")).collect();
    match surface {
        Surface::Plain => {
            format!(
                "{at}\t{}\t{}\t{}\t{}\t{text}{tags}\t{}",
                row.number, row.code, row.verdict, row.rule, row.id
            )
        }
        Surface::Colour => format!(
            "{}  {:<16}  {}  {text}{}",
            surface.dim(&at),
            row.number.to_string(),
            surface.accent(&format!("{:<10}", row.verdict)),
            surface.dim(&format!("{tags}  {}", row.id)),
        ),
    }
}

fn sheet(rows: &[Reply]) -> Sheet {
    let mut sheet = Sheet::new(&[
        "id", "received", "number", "code", "campaign", "survey", "question", "language", "verdict", "value",
        "comment", "text", "rule", "pack", "replaced", "tags", "note",
    ]);
    for row in rows {
        let text = |text: &Option<String>| Cell::text(text.as_deref().unwrap_or_default());
        sheet.row(vec![
            Cell::figure(row.id),
            Cell::time(row.received_ms),
            Cell::number(row.number),
            Cell::text(&row.code),
            Cell::text(row.campaign.as_ref().map_or("", |campaign| &campaign.0)),
            text(&row.survey),
            text(&row.question),
            text(&row.language),
            Cell::text(&row.verdict),
            text(&row.value),
            text(&row.comment),
            Cell::text(&row.text),
            Cell::text(&row.rule),
            Cell::text(&row.pack),
            row.replaced_ms.map_or_else(|| Cell::text(""), Cell::time),
            Cell::text(&row.tags.join(" ")),
            text(&row.note),
        ]);
    }
    sheet
}
