//! What is measured, mode by mode. A message is through when the carrier has the acknowledgement of its receipt or reply, and
//! that is given only after the commit.

use std::time::Instant;

use super::carrier::Order;
use super::load::Way;
use super::measures::Figures;
use super::stand::{Answering, Stand, StoreChoice};
use super::{Args, Mode};
use crate::cli::Failure;
use crate::cli::paint::thousands;
use crate::clock::Clock;

/// Messages at most where latency is measured: ten seconds of them.
const PACED: u64 = 20_000;
/// STOPs said one after the other, so many a second: latency without a queue.
const STOPS_A_SECOND: u64 = 200;
/// STOPs at most: five seconds of them.
const STOPS: u64 = 1_000;
/// Messages of a history sent at a time: what the carrier and a contact file of a run hold in memory.
const HISTORY_ROUND: u64 = 500_000;
/// What people answer to a question from 1 to 8, in turn.
const ANSWERS: [&str; 8] =
    ["3", "7", "3 - too expensive", "two", "I say 5", "4.", "6", "Number 1, no coverage here"];

pub(super) fn run(mode: Mode, store: &StoreChoice, args: &Args) -> Result<Figures, Failure> {
    let answering = if mode == Mode::Conversation { Answering::AtOnce } else { Answering::Silent };
    let mut stand = Stand::new(args, store, answering)?;
    match mode {
        Mode::Import => import(&mut stand, args.messages),
        Mode::Campaign => campaign(&mut stand, "bench", args.messages),
        Mode::HttpSingle => handed_in(&mut stand, Way::Single, args.messages),
        Mode::HttpBatch => handed_in(&mut stand, Way::Batch, args.messages),
        Mode::HttpPaced => handed_in(&mut stand, Way::Paced, args.messages.min(PACED)),
        Mode::Smpp => handed_in(&mut stand, Way::Smpp, args.messages),
        Mode::Replies => replies(&mut stand, args.messages),
        Mode::Conversation => conversation(&mut stand, args.messages),
        Mode::Stop => stop(&mut stand, args.messages.min(STOPS)),
        Mode::Restart => restart(&mut stand, args.messages),
        Mode::History => history(&mut stand, args),
    }
}

fn import(stand: &mut Stand<'_>, messages: u64) -> Result<Figures, Failure> {
    let (seconds, used) = stand.import("bench", messages)?;
    Ok(Figures::of(messages, seconds).with_use(used))
}

/// A gateway that is bound, a campaign put beside it, until the last receipt is recorded.
fn campaign(stand: &mut Stand<'_>, name: &str, messages: u64) -> Result<Figures, Failure> {
    let (gateway, bound) = stand.serve()?;
    let before = bound.census.receipts_acknowledged;
    let (began, idle) = (Instant::now(), gateway.used());
    let (_, mut used) = stand.import(name, messages)?;
    stand.carrier().until(|told| told.census.receipts_acknowledged >= before + messages)?;
    let seconds = began.elapsed().as_secs_f64();
    let gateway_used = gateway.used().since(idle);
    used.cpu_seconds += gateway_used.cpu_seconds;
    used.peak_rss_kb = gateway_used.peak_rss_kb;
    drop(gateway);
    Ok(Figures::of(messages, seconds).with_use(used))
}

/// Messages handed in by others, until the last receipt is recorded and, by SMPP, back with who sent them. The times are
/// those of being accepted.
fn handed_in(stand: &mut Stand<'_>, way: Way, messages: u64) -> Result<Figures, Failure> {
    let (gateway, _) = stand.serve()?;
    let (began, idle) = (Instant::now(), gateway.used());
    let load = stand.load(way, messages)?;
    stand.carrier().until(|told| told.census.receipts_acknowledged >= messages)?;
    let loaded = load.finish()?;
    let seconds = began.elapsed().as_secs_f64();
    let used = gateway.used().since(idle);
    drop(gateway);
    let accepted_a_second = Some(Figures::of(messages, loaded.seconds).a_second);
    let figures = Figures { accepted_a_second, ..Figures::of(messages, seconds) };
    Ok(figures.with_use(used).with_times(&loaded.answered_after_ms))
}

/// Everybody who was asked answers at once: read, registered, and the thanks taken by the carrier.
fn replies(stand: &mut Stand<'_>, messages: u64) -> Result<Figures, Failure> {
    let (gateway, _) = stand.serve()?;
    stand.import("bench", messages)?;
    stand.carrier().until(|told| told.census.receipts_acknowledged >= messages)?;
    let (began, idle) = (Instant::now(), gateway.used());
    let texts = ANSWERS.map(str::to_owned).to_vec();
    stand.carrier().order(&Order::Say { count: messages, texts, a_second: None })?;
    stand
        .carrier()
        .until(|told| told.census.replies_acknowledged >= messages && told.census.submits >= 2 * messages)?;
    let seconds = began.elapsed().as_secs_f64();
    let used = gateway.used().since(idle);
    drop(gateway);
    Ok(Figures::of(messages, seconds).with_use(used))
}

/// Every question is answered at once: question, receipt, answer, thanks, receipt.
fn conversation(stand: &mut Stand<'_>, messages: u64) -> Result<Figures, Failure> {
    let (gateway, _) = stand.serve()?;
    let (began, idle) = (Instant::now(), gateway.used());
    stand.import("bench", messages)?;
    let told = stand.carrier().until(|told| {
        told.census.replies_acknowledged >= messages && told.census.receipts_acknowledged >= 2 * messages
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let used = gateway.used().since(idle);
    drop(gateway);
    Ok(Figures::of(told.census.replies_acknowledged, seconds).with_use(used))
}

/// STOP after STOP: the carrier's side of it, from the deliver_sm handed over to its answer.
fn stop(stand: &mut Stand<'_>, stops: u64) -> Result<Figures, Failure> {
    let (gateway, _) = stand.serve()?;
    // The packs are made ready beside the start, and the first who writes waits for them.
    stand.carrier().order(&Order::Say { count: 1, texts: vec!["hello".to_owned()], a_second: None })?;
    stand.carrier().until(|told| told.census.replies_acknowledged >= 1)?;
    let (began, idle) = (Instant::now(), gateway.used());
    let order = Order::Say { count: stops, texts: vec!["STOP".to_owned()], a_second: Some(STOPS_A_SECOND) };
    stand.carrier().order(&order)?;
    stand.carrier().until(|told| told.census.replies_acknowledged > stops)?;
    let seconds = began.elapsed().as_secs_f64();
    let used = gateway.used().since(idle);
    stand.carrier().order(&Order::Times)?;
    let times = stand.carrier().until(|told| !told.acknowledged_after_ms.is_empty())?;
    drop(gateway);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let times: Vec<f64> = times.acknowledged_after_ms.iter().map(|ms| *ms as f64).collect();
    Ok(Figures::of(stops, seconds).with_use(used).with_times(&times))
}

/// A queue that is full before the gateway starts.
fn restart(stand: &mut Stand<'_>, messages: u64) -> Result<Figures, Failure> {
    stand.import("bench", messages)?;
    let (began, began_ms) = (Instant::now(), Clock::System.now_ms());
    let (gateway, _) = stand.serve()?;
    let first = stand.carrier().until(|told| told.census.submits > 0)?;
    stand.carrier().until(|told| told.census.receipts_acknowledged >= messages)?;
    let seconds = began.elapsed().as_secs_f64();
    let used = gateway.used();
    drop(gateway);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let first_ms = Some((first.at_ms - began_ms) as f64);
    Ok(Figures { first_ms, ..Figures::of(messages, seconds).with_use(used) })
}

/// A campaign on an empty database; a long history, made the way any is: by sending it, to other people each time; the
/// same campaign again.
fn history(stand: &mut Stand<'_>, args: &Args) -> Result<Figures, Failure> {
    let before = campaign(stand, "before", args.messages)?;
    let (began, mut sent) = (Instant::now(), args.messages);
    let all = sent + args.history;
    while sent < all {
        let round = (all - sent).min(HISTORY_ROUND);
        campaign(stand, &format!("history-{sent}"), round)?;
        sent += round;
        eprintln!(
            "history: {} of {} messages, {} s",
            thousands(sent),
            thousands(all),
            began.elapsed().as_secs()
        );
    }
    let after = campaign(stand, "after", args.messages)?;
    Ok(Figures { before_history_a_second: Some(before.a_second), ..after })
}
