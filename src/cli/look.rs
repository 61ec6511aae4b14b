//! `backchat why`: the life of a message, and everything with one number.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::paint::Surface;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::message::{MessageId, Msisdn};
use crate::store::{Access, Life, LifeEntry, NumberLife, ReplyRow, Store};

#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// A message id, or a number like +447700900123
    #[arg(value_name = "ID|NUMBER")]
    what: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

async fn store(config: &ConfigArg) -> Result<Store, Failure> {
    let config = config::load(&config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    open_store(&config, &Clock::System, Access::Look).await.map_err(Failure::unreachable)
}

/// Columns on a terminal, tabs when piped.
fn reply_line(row: &ReplyRow, surface: Surface) -> String {
    let text = row.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let at = clock_time(row.received_ms);
    match surface {
        Surface::Plain => {
            format!("{at}\t{}\t{}\t{}\t{}\t{text}", row.number, row.code, row.verdict, row.rule)
        }
        Surface::Colour => format!(
            "{}  {:<16}  {}  {text}",
            surface.dim(&at),
            row.number.to_string(),
            surface.accent(&format!("{:<10}", row.verdict)),
        ),
    }
}

pub(crate) async fn why(args: WhyArgs) -> Done {
    let store = store(&args.config).await?;
    let surface = Surface::of_stdout();
    if let Ok(id) = args.what.parse::<MessageId>() {
        let Some(life) = store.why(id).await.map_err(Failure::unreachable)? else {
            eprintln!("no message {id}");
            return Ok(ExitCode::from(1));
        };
        if args.json {
            return print_json(&life, false);
        }
        print_life(&life, surface);
        return Ok(ExitCode::SUCCESS);
    }
    let number = Msisdn::parse(&args.what).map_err(|_| {
        Failure::wrong(format!(
            "`{}` is neither a message id (13 letters and digits) nor a number",
            args.what
        ))
    })?;
    let life = store.why_number(number).await.map_err(Failure::unreachable)?;
    if args.json {
        return print_json(&NumberJson::of(&life), false);
    }
    if life.messages.is_empty() && life.replies.is_empty() {
        eprintln!("nothing is known about {number}");
        return Ok(ExitCode::from(1));
    }
    print_number(&life, surface);
    Ok(ExitCode::SUCCESS)
}

/// Everything with one number, as JSON.
#[derive(Serialize)]
struct NumberJson<'a> {
    number: Msisdn,
    opted_out: &'a [(String, i64)],
    messages: &'a [Life],
    replies: &'a [ReplyRow],
    consent: &'a [LifeEntry],
}

impl<'a> NumberJson<'a> {
    fn of(life: &'a NumberLife) -> Self {
        Self {
            number: life.number,
            opted_out: &life.opted_out,
            messages: &life.messages,
            replies: &life.replies,
            consent: &life.consent,
        }
    }
}

fn print_number(life: &NumberLife, surface: Surface) {
    say!("{}", surface.bold(&life.number.to_string()));
    for (scope, since_ms) in &life.opted_out {
        say!("  {} {scope} since {}", surface.bad("opted out of"), clock_time(*since_ms));
    }
    for entry in &life.consent {
        say!("{}", entry_line(entry, None, surface));
    }
    for message in life.messages.iter().rev() {
        say!();
        print_life(message, surface);
    }
    if !life.replies.is_empty() {
        say!("\n{}", surface.bold("wrote"));
        for row in life.replies.iter().rev() {
            say!("  {}", reply_line(row, surface));
        }
    }
}

fn print_life(life: &Life, surface: Surface) {
    let message = &life.message;
    let cause = life.cause.as_deref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    say!(
        "{}  from {} to {}  {}  {}{cause}",
        surface.bold(&message.id.to_string()),
        message.sender,
        message.to,
        message.purpose.name(),
        surface.accent(&life.state),
    );
    say!("  {}", surface.dim(&cut(&message.body, 74)));
    let began_ms = message.accepted_ms;
    for entry in &life.entries {
        say!("{}", entry_line(entry, Some(began_ms), surface));
    }
}

fn entry_line(entry: &LifeEntry, began_ms: Option<i64>, surface: Surface) -> String {
    let since = began_ms
        .map(|began_ms| format!("{:+.3} s", (entry.at_ms - began_ms) as f64 / 1_000.0))
        .unwrap_or_default();
    let detail = entry
        .detail
        .iter()
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {}", cut(text, 60)),
            None => format!("{name} {value}"),
        })
        .collect::<Vec<_>>()
        .join(", ");
    format!(" {} {:>11}  {:<11} {detail}", surface.dim(&clock_time(entry.at_ms)), since, entry.kind)
}

fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most { line } else { line.chars().take(most - 1).collect::<String>() + "…" }
}

/// A time as the operator's clock shows it.
pub(crate) fn clock_time(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let at: Zoned = at.to_zoned(TimeZone::system());
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

pub(crate) fn print_json<T: Serialize>(value: &T, nothing: bool) -> Done {
    say!("{}", serde_json::to_string_pretty(value).map_err(Failure::wrong)?);
    Ok(ExitCode::from(u8::from(nothing)))
}
