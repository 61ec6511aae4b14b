//! `backchat survey start`: one survey for one handset.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::campaign::{failure, flow, local, shown};
use crate::cli::{ConfigArg, Done, Failure};
use crate::config::language_tag;
use crate::flow::campaign::{AskError, AskOne, AskedOne, Goes};
use crate::message::{Msisdn, Sender};
use crate::store::Access;

/// What to ask, and whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The survey, by its key
    #[arg(value_name = "SURVEY")]
    survey: String,
    /// The handset
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The code to ask from; without it the survey's own, else the first of the configuration
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// The person's language, like en or pt-BR; without it the one we wrote to them in last
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// The person's name, where the question has {name}
    #[arg(long)]
    name: Option<String>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// What was begun, as JSON.
#[derive(Serialize)]
struct Begun<'a> {
    message: String,
    survey: &'a str,
    campaign: &'a str,
    to: String,
    from: &'a str,
    language: Option<&'a str>,
    text: &'a str,
    /// `queued`, or `waiting` behind another survey.
    state: &'static str,
    /// When the person's hours open, where they are shut.
    not_before: Option<String>,
}

pub(crate) async fn run(args: Args) -> Done {
    let to = Msisdn::parse(&args.to).map_err(|why| Failure::wrong(format!("--to `{}` {why}", args.to)))?;
    let language = args.language.as_deref().map(language_tag).transpose();
    let language = language.map_err(|why| {
        Failure::wrong(format!("--language `{}` {why}", args.language.as_deref().unwrap_or_default()))
    })?;
    let flow = flow(&args.config, Access::Beside).await?;
    let ask = AskOne { survey: args.survey, to, code: args.code.map(Sender), language, name: args.name };
    let asked = flow.ask_one(&ask).await.map_err(|error| match error {
        AskError::Campaign(error) => failure(error),
        AskError::Store(error) => Failure::unreachable(error),
        error => Failure::wrong(error),
    })?;
    let begun = Begun::of(&ask, &asked);
    shown(flow, args.json, &begun, || print(&begun, asked.goes)).await
}

impl<'a> Begun<'a> {
    fn of(ask: &'a AskOne, asked: &'a AskedOne) -> Self {
        let not_before = match asked.goes {
            Goes::At(at_ms) => Timestamp::from_millisecond(at_ms).ok().map(|at| at.to_string()),
            Goes::Now | Goes::AfterAnother => None,
        };
        Self {
            message: asked.message.to_string(),
            survey: &ask.survey,
            campaign: &asked.campaign.0,
            to: ask.to.to_string(),
            from: &asked.code.0,
            language: asked.language.as_deref(),
            text: &asked.text,
            state: if asked.goes == Goes::AfterAnother { "waiting" } else { "queued" },
            not_before,
        }
    }
}

fn print(begun: &Begun<'_>, goes: Goes) {
    let when = match goes {
        Goes::Now => "queued".to_owned(),
        Goes::At(at_ms) => format!("queued, not before {}: their hours", local(at_ms)),
        Goes::AfterAnother => "waiting for the survey that is open with them".to_owned(),
    };
    say!("{}  {} to {} from {}: {when}", begun.message, begun.survey, begun.to, begun.from);
    say!("  {}", begun.text.replace('\n', "\n  "));
}
