//! `backchat inbox`: what people wrote that is neither an answer nor a command, and what is said back.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::look::{clock_time, print_json};
use crate::cli::paint::Surface;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::flow::Flow;
use crate::flow::inbox::InboxError;
use crate::message::{MessageId, Msisdn};
use crate::metrics::Metrics;
use crate::store::{
    Access, Conversation, ConversationFilter, ConversationState, ConversationWork, ThreadItem,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Conversations that are not closed, the latest first
    #[command(after_help = "Example:\n  backchat inbox list --assignee maria")]
    List(List),
    /// What was said, oldest first; it counts as read then
    #[command(after_help = "Example:\n  backchat inbox show +447700900123")]
    Show(Show),
    /// Answer: refused, with the reason, when the person has opted out
    #[command(after_help = "Example:\n  backchat inbox reply +447700900123 \"We call you at nine.\"")]
    Reply(Reply),
    /// Give it to somebody
    #[command(after_help = "Example:\n  backchat inbox assign +447700900123 maria")]
    Assign(Assign),
    /// Put a word on it, or take it off
    #[command(
        after_help = "Example:\n  backchat inbox tag +447700900123 billing\n  backchat inbox tag +447700900123 billing --remove"
    )]
    Tag(Tag),
    /// It is done; what the person writes next opens it again
    #[command(after_help = "Example:\n  backchat inbox close +447700900123")]
    Close(Which),
    /// It is not done after all
    #[command(after_help = "Example:\n  backchat inbox reopen +447700900123")]
    Reopen(Which),
    /// Calls that people booked and nobody has made yet, the next one first
    #[command(after_help = "Example:\n  backchat inbox callbacks --json")]
    Callbacks(Callbacks),
    /// The person was called: their booked calls are due no more
    #[command(after_help = "Example:\n  backchat inbox called +447700900123")]
    Called(Which),
}

#[derive(Debug, clap::Args)]
struct Callbacks {
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: i64,
    /// One JSON document: the list, empty when there are none
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Which conversation.
#[derive(Debug, clap::Args)]
struct Which {
    /// The person's number
    #[arg(value_name = "NUMBER")]
    number: String,
    /// The code they write to, where there are several
    #[arg(long)]
    code: Option<String>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateArg {
    Open,
    Assigned,
    Closed,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only in this state
    #[arg(long)]
    state: Option<StateArg>,
    /// Only on this code
    #[arg(long)]
    code: Option<String>,
    /// Only those that somebody has taken
    #[arg(long, value_name = "WHO")]
    assignee: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: i64,
    /// One JSON document: the list, empty when there are none
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// At most so many messages, the newest
    #[arg(long, default_value_t = 50)]
    limit: i64,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Reply {
    #[command(flatten)]
    which: Which,
    /// What to say
    #[arg(value_name = "TEXT")]
    text: String,
}

#[derive(Debug, clap::Args)]
struct Assign {
    #[command(flatten)]
    which: Which,
    /// To whom
    #[arg(value_name = "WHO")]
    assignee: String,
}

#[derive(Debug, clap::Args)]
struct Tag {
    #[command(flatten)]
    which: Which,
    /// The word
    #[arg(value_name = "TAG")]
    tag: String,
    /// Take it off
    #[arg(long)]
    remove: bool,
}

/// A conversation with what was said.
#[derive(Serialize)]
struct Thread {
    #[serde(flatten)]
    conversation: Conversation,
    items: Vec<ThreadItem>,
}

/// An answer that is accepted.
#[derive(Serialize)]
struct Sent {
    message: MessageId,
    number: Msisdn,
    code: String,
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Command::List(list) => run_list(list).await,
        Command::Show(show) => run_show(show).await,
        Command::Reply(reply) => run_reply(reply).await,
        Command::Assign(assign) => work(assign.which, ConversationWork::Assign(assign.assignee)).await,
        Command::Tag(Tag { which, tag, remove: false }) => work(which, ConversationWork::Tag(tag)).await,
        Command::Tag(Tag { which, tag, remove: true }) => work(which, ConversationWork::Untag(tag)).await,
        Command::Close(which) => work(which, ConversationWork::Close).await,
        Command::Reopen(which) => work(which, ConversationWork::Reopen).await,
        Command::Callbacks(callbacks) => run_callbacks(callbacks).await,
        Command::Called(which) => run_called(which).await,
    }
}

async fn flow(file: &ConfigArg, access: Access) -> Result<Flow, Failure> {
    let config = config::load(&file.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let clock = Clock::System;
    let store = open_store(&config, &clock, access).await.map_err(Failure::unreachable)?;
    Ok(Flow::new(store, config, clock, Arc::new(Metrics::default())))
}

impl Which {
    fn number(&self) -> Result<Msisdn, Failure> {
        Msisdn::parse(&self.number).map_err(|error| {
            Failure::wrong(format!("`{}` {error}; write it like +447700900123", self.number))
        })
    }
}

/// The journeys over the memory, and the conversation somebody means.
async fn find(which: &Which) -> Result<(Flow, Conversation), Failure> {
    let number = which.number()?;
    let flow = flow(&which.config, Access::Beside).await?;
    let conversation = flow.conversation(number, which.code.as_deref()).await.map_err(failure)?;
    Ok((flow, conversation))
}

fn failure(error: InboxError) -> Failure {
    match error {
        InboxError::Store(error) => Failure::unreachable(error),
        error => Failure::wrong(error),
    }
}

async fn run_list(args: List) -> Done {
    let flow = flow(&args.config, Access::Look).await?;
    let filter = ConversationFilter {
        state: args.state.map(|state| match state {
            StateArg::Open => ConversationState::Open,
            StateArg::Assigned => ConversationState::Assigned,
            StateArg::Closed => ConversationState::Closed,
        }),
        code: args.code,
        assignee: args.assignee,
        limit: args.limit,
    };
    let conversations = flow.store.conversations(&filter).await.map_err(Failure::unreachable)?;
    if args.json {
        return print_json(&conversations, conversations.is_empty());
    }
    if conversations.is_empty() {
        eprintln!("no conversations");
        return Ok(ExitCode::from(1));
    }
    let surface = Surface::of_stdout();
    conversations.iter().for_each(|one| say!("{}", line(one, surface)));
    Ok(ExitCode::SUCCESS)
}

fn line(one: &Conversation, surface: Surface) -> String {
    let state = match one.state {
        ConversationState::Open => "open",
        ConversationState::Assigned => "assigned",
        ConversationState::Closed => "closed",
    };
    let at = clock_time(one.last_in_ms);
    let (number, tags) = (one.number.to_string(), one.tags.join(","));
    let assignee = one.assignee.as_deref().unwrap_or("-");
    match surface {
        Surface::Plain => {
            format!("{at}\t{number}\t{}\t{state}\t{assignee}\t{} unread\t{tags}", one.code, one.unread)
        }
        Surface::Colour => format!(
            "{}  {number:<16}  {:<8}  {}  {assignee:<12}  {:>3} unread  {}",
            surface.dim(&at),
            one.code,
            surface.accent(&format!("{state:<8}")),
            one.unread,
            surface.dim(&tags),
        ),
    }
}

async fn run_show(args: Show) -> Done {
    let (flow, conversation) = find(&args.which).await?;
    let (number, code) = (conversation.number, conversation.code.clone());
    let items = flow.store.thread(number, &code, args.limit).await.map_err(Failure::unreachable)?;
    let now_ms = flow.clock.now_ms();
    let read = flow.store.work_on(number, &code, ConversationWork::Read, now_ms).await;
    read.map_err(Failure::unreachable)?;
    flow.store.clone().close(now_ms).await;
    if args.which.json {
        return print_json(&Thread { conversation, items }, false);
    }
    let surface = Surface::of_stdout();
    say!("{}", line(&conversation, surface));
    for item in &items {
        let at = surface.dim(&clock_time(item.at_ms));
        let text = item.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let who = if item.direction == "in" { "them" } else { item.source.as_str() };
        say!("  {at}  {who:<9} {text}  {}", surface.dim(&item.state));
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_reply(args: Reply) -> Done {
    let (flow, conversation) = find(&args.which).await?;
    let sent = flow.answer_by_hand(&conversation, &args.text).await;
    flow.store.clone().close(flow.clock.now_ms()).await;
    let message = sent.map_err(failure)?;
    let sent = Sent { message, number: conversation.number, code: conversation.code };
    if args.which.json {
        return print_json(&sent, false);
    }
    say!("{message} is accepted, from {} to {}", sent.code, sent.number);
    Ok(ExitCode::SUCCESS)
}

async fn run_callbacks(args: Callbacks) -> Done {
    let flow = flow(&args.config, Access::Look).await?;
    let calls = flow.store.callbacks_due(args.limit).await.map_err(Failure::unreachable)?;
    if args.json {
        return print_json(&calls, calls.is_empty());
    }
    if calls.is_empty() {
        eprintln!("no calls are due");
        return Ok(ExitCode::from(1));
    }
    let (surface, now_ms) = (Surface::of_stdout(), flow.clock.now_ms());
    for call in calls {
        let at = clock_time(call.start_ms);
        let late = if call.end_ms < now_ms { "over" } else { "due" };
        let (number, about) = (call.number.to_string(), format!("{} / {}", call.survey, call.campaign));
        match surface {
            Surface::Plain => say!("{at}\t{number}\t{}\t{late}\t{}\t{about}", call.code, call.words),
            Surface::Colour => say!(
                "{}  {number:<16}  {:<8}  {}  {}  {}",
                surface.dim(&at),
                call.code,
                surface.accent(&format!("{late:<4}")),
                call.words,
                surface.dim(&about),
            ),
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_called(which: Which) -> Done {
    let number = which.number()?;
    let flow = flow(&which.config, Access::Beside).await?;
    let called = flow.store.called(number, which.code.as_deref()).await;
    flow.store.clone().close(flow.clock.now_ms()).await;
    let calls = called.map_err(Failure::unreachable)?;
    if which.json {
        return print_json(&serde_json::json!({ "number": number, "calls": calls }), calls == 0);
    }
    if calls == 0 {
        eprintln!("no call to {number} is due; `backchat inbox callbacks` names those that are");
        return Ok(ExitCode::from(1));
    }
    say!("{calls} {} to {number} made", if calls == 1 { "call" } else { "calls" });
    Ok(ExitCode::SUCCESS)
}

async fn work(which: Which, work: ConversationWork) -> Done {
    let (flow, conversation) = find(&which).await?;
    let now_ms = flow.clock.now_ms();
    let done = flow.store.work_on(conversation.number, &conversation.code, work, now_ms).await;
    flow.store.clone().close(now_ms).await;
    let conversation = done.map_err(Failure::unreachable)?;
    if which.json {
        return print_json(&conversation, false);
    }
    say!("{}", line(&conversation, Surface::of_stdout()));
    Ok(ExitCode::SUCCESS)
}
