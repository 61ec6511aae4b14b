//! The carrier of a benchmark, in a process of its own: it tells its counts as JSON lines whenever they have changed, and
//! lets handsets speak when it is told to.

use std::io::BufRead as _;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::{Done, Failure};
use crate::clock::Clock;
use crate::message::Msisdn;
use crate::simulator::{Account, Census, Handsets, Settings, Shares, Simulator, Span};

/// The login of the gateway under test.
pub(super) const LOGIN: &str = "bench";
/// The code that everything is sent from.
pub(super) const CODE: &str = "88001";
/// The first handset; the others follow.
pub(super) const FIRST_HANDSET: u64 = 447_700_000_000;
/// How often it looks whether its counts have changed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What handsets are made to say at a time: the carrier's lock is free in between.
const SAID_AT_ONCE: u64 = 500;

/// A carrier for `backchat bench`; not for use by hand.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// From a submit to its answer, milliseconds
    #[arg(long, default_value_t = 0)]
    response_delay_ms: u64,
    /// Handsets answer every question at once
    #[arg(long)]
    answering: bool,
}

/// What it tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    /// Where it listens.
    pub(super) port: u16,
    /// When, milliseconds since the epoch.
    pub(super) at_ms: i64,
    /// Its counts.
    pub(super) census: Census,
    /// From the first word of each reply sent to its acknowledgement, milliseconds, sorted; only when asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) acknowledged_after_ms: Vec<i64>,
}

/// What it can be told to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// So many handsets, from the first, say something to the code.
    Say {
        /// Handsets.
        count: u64,
        /// Their words, one after the other.
        texts: Vec<String>,
        /// How many a second; none: at once.
        a_second: Option<u64>,
    },
    /// Tell how long acknowledgements took.
    Times,
}

pub(crate) async fn run(args: Args) -> Done {
    let shares = Shares { answer: if args.answering { 1.0 } else { 0.0 }, ..Shares::default() };
    let delay = Span::of_ms(args.response_delay_ms, args.response_delay_ms);
    let settings = Settings {
        accounts: vec![Account { system_id: LOGIN.to_owned(), password: LOGIN.to_owned() }],
        response_delay: delay,
        handsets: Handsets {
            first: shares,
            again: shares,
            think: Span::NONE,
            late: 0.0,
            two_parts: 0.0,
            ..Handsets::default()
        },
        window: 500,
        ..Settings::plain()
    };
    let simulator = Simulator::start(settings).await.map_err(Failure::unreachable)?;
    let mut orders = orders();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => obey(&simulator, order).await,
                None => break,
            },
            _ = look.tick() => {
                let census = simulator.census();
                if last != Some(census) {
                    last = Some(census);
                    tell(&simulator, Vec::new());
                }
            }
        }
    }
    simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Orders as they come on standard input; its end is the end.
fn orders() -> mpsc::Receiver<Order> {
    let (give, orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        let mut orders = lines.filter_map(|line| serde_json::from_str(&line).ok());
        orders.try_for_each(|order| give.blocking_send(order))
    });
    orders
}

async fn obey(simulator: &Simulator, order: Order) {
    match order {
        Order::Say { count, texts, a_second } => {
            let mut words = texts.iter().cycle();
            let mut pace = a_second.map(|rate| interval(Duration::from_secs(1) / rate.max(1) as u32));
            for handset in 0..count {
                let Some(text) = words.next() else { break };
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                } else if handset % SAID_AT_ONCE == 0 {
                    tokio::task::yield_now().await;
                }
                simulator.say(Msisdn(FIRST_HANDSET + handset), CODE, text).await;
            }
        }
        Order::Times => {
            let replies = simulator.replies();
            let mut times: Vec<i64> = replies
                .iter()
                .filter_map(|reply| Some(reply.acknowledged_at_ms? - reply.sent_at_ms))
                .collect();
            times.sort_unstable();
            tell(simulator, times);
        }
    }
}

fn tell(simulator: &Simulator, acknowledged_after_ms: Vec<i64>) {
    let told = Told {
        port: simulator.address().port(),
        at_ms: Clock::System.now_ms(),
        census: simulator.census(),
        acknowledged_after_ms,
    };
    if let Ok(line) = serde_json::to_string(&told) {
        say!("{line}");
    }
}
