//! The checker: reads a history and says which promise it breaks. The simulation and the crash harness use this one.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::history::{Copies, Entry, What};

/// A second, in which the rate is counted.
const SECOND_US: u64 = 1_000_000;
/// A busy carrier is left alone for so long.
const REST_US: u64 = 500_000;

/// How strictly time is measured.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// Clocks may differ in rate by so much, in millionths.
    pub clock_ppm: u64,
}

/// What is known of one message.
#[derive(Default)]
struct Message {
    accepted: u64,
    number: u64,
    parts: i64,
    at_most_once: bool,
    blockable: bool,
    expires_ms: Option<i64>,
    taken: BTreeMap<i64, u64>,
    refused: bool,
    finals: Vec<(String, bool)>,
    ids: Vec<(i64, String)>,
}

/// Every promise this history breaks, in words; none where it keeps them all.
pub fn check(history: &[Entry], strictness: Strictness) -> Vec<String> {
    let mut broken = Vec::new();
    rate(history, strictness, &mut broken);
    rest(history, strictness, &mut broken);
    silence(history, &mut broken);
    validity(history, &mut broken);
    inbound(history, &mut broken);
    messages(history, &mut broken);
    for entry in history {
        if let What::Drained { finished: false, left } = &entry.what {
            broken.push(format!("liveness: not everything finished: {left}"));
        }
    }
    broken
}

/// No second sees more parts than the rate and its burst. A process that begins anew has a new burst.
fn rate(history: &[Entry], strictness: Strictness, broken: &mut Vec<String>) {
    let mut window: VecDeque<u64> = VecDeque::new();
    let mut began: Vec<u64> = Vec::new();
    let (mut rate, mut burst) = (u64::MAX, 0);
    for entry in history {
        match &entry.what {
            What::Began { rate: allowed, burst: ahead } => {
                (rate, burst) = (*allowed, *ahead);
                began.push(entry.at_us);
            }
            What::Written { .. } => {
                window.push_back(entry.at_us);
                while window.front().is_some_and(|first| first + SECOND_US <= entry.at_us) {
                    window.pop_front();
                }
                let first = window.front().copied().unwrap_or(entry.at_us);
                let anew = began.iter().rev().take_while(|at| **at > first).count() as u64;
                let slack = rate.saturating_mul(strictness.clock_ppm) / 1_000_000 + 1;
                let most = rate.saturating_add(burst * (1 + anew)).saturating_add(slack + anew);
                if window.len() as u64 > most {
                    let seen = window.len();
                    broken.push(format!(
                        "rate: {seen} parts in the second up to {} us, {most} allowed",
                        entry.at_us
                    ));
                    return;
                }
            }
            _ => {}
        }
    }
}

/// A busy carrier is left alone: for the rest it is promised after each such answer nothing leaves.
fn rest(history: &[Entry], strictness: Strictness, broken: &mut Vec<String>) {
    let rest_us = REST_US - REST_US * strictness.clock_ppm / 1_000_000 - 1;
    let mut until = 0;
    for entry in history {
        match &entry.what {
            What::Began { .. } => until = 0,
            What::Busy => until = entry.at_us + rest_us,
            What::Written { .. } if entry.at_us < until => {
                let since = until - rest_us;
                broken.push(format!("rest: a part written at {} us, busy since {since} us", entry.at_us));
                return;
            }
            _ => {}
        }
    }
}

/// Nothing that a STOP blocks is begun after it is effective.
fn silence(history: &[Entry], broken: &mut Vec<String>) {
    let blockable: BTreeMap<i64, bool> = history
        .iter()
        .filter_map(|entry| match entry.what {
            What::Accepted { message, blockable, .. } => Some((message, blockable)),
            _ => None,
        })
        .collect();
    let mut stopped: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in history {
        match &entry.what {
            What::Stopped { number } => {
                stopped.entry(*number).or_insert(entry.at_us);
            }
            What::Started { number } => {
                stopped.remove(number);
            }
            What::Written { message, number, .. } => {
                let blocks = blockable.get(message).copied().unwrap_or(true);
                if let Some(since) = stopped.get(number).filter(|_| blocks) {
                    let at = entry.at_us;
                    broken.push(format!(
                        "silence: message {message} written at {at} us, stopped since {since} us"
                    ));
                }
            }
            _ => {}
        }
    }
}

/// Nothing leaves after its time has run out, by the clock of who writes it.
fn validity(history: &[Entry], broken: &mut Vec<String>) {
    let expires: BTreeMap<i64, i64> = history
        .iter()
        .filter_map(|entry| match entry.what {
            What::Accepted { message, expires_ms: Some(until), .. } => Some((message, until)),
            _ => None,
        })
        .collect();
    for entry in history {
        if let What::Written { message, clock_ms, .. } = &entry.what
            && let Some(until) = expires.get(message)
            && clock_ms > until
        {
            broken.push(format!("validity: message {message} written {} ms too late", clock_ms - until));
        }
    }
}

/// What a handset sent and the gateway took is registered exactly once; what it did not take, at most once.
fn inbound(history: &[Entry], broken: &mut Vec<String>) {
    let mut taken = BTreeSet::new();
    let mut registered = BTreeMap::new();
    for entry in history {
        match entry.what {
            What::SaidTaken { mo } => {
                taken.insert(mo);
            }
            What::Registered { mo, times } => {
                registered.insert(mo, times);
            }
            _ => {}
        }
    }
    for mo in &taken {
        if !registered.contains_key(mo) {
            broken.push(format!("inbound: {mo} was taken and is lost"));
        }
    }
    for (mo, times) in registered.iter().filter(|(_, times)| **times != 1) {
        broken.push(format!("inbound: {mo} is registered {times} times"));
    }
}

fn gather(history: &[Entry]) -> (BTreeMap<i64, Message>, BTreeSet<String>, u64) {
    let mut all: BTreeMap<i64, Message> = BTreeMap::new();
    let mut delivered = BTreeSet::new();
    let mut bound = 0;
    for entry in history {
        match &entry.what {
            What::Accepted { message, number, parts, copies, blockable, expires_ms } => {
                let known = all.entry(*message).or_default();
                known.accepted += 1;
                known.number = *number;
                known.parts = *parts;
                known.at_most_once = *copies == Copies::AtMostOnce;
                known.blockable = *blockable;
                known.expires_ms = *expires_ms;
            }
            What::Taken { message, part, .. } => {
                *all.entry(*message).or_default().taken.entry(*part).or_default() += 1;
            }
            What::Refused { message } => all.entry(*message).or_default().refused = true,
            What::Final { message, state, listed, ids } => {
                let known = all.entry(*message).or_default();
                known.finals.push((state.clone(), *listed));
                known.ids = ids.clone();
            }
            What::ReceiptTaken { id, state } if state == "delivered" => {
                delivered.insert(id.clone());
            }
            What::Incident { bound: more } => bound += more,
            _ => {}
        }
    }
    (all, delivered, bound)
}

/// Each message that was accepted ends in one final state, and that state is true.
fn messages(history: &[Entry], broken: &mut Vec<String>) {
    let (all, delivered, bound) = gather(history);
    let stopped: BTreeSet<u64> = history
        .iter()
        .filter_map(|entry| match entry.what {
            What::Stopped { number } => Some(number),
            _ => None,
        })
        .collect();
    let mut extra = 0;
    for (id, message) in &all {
        let [(state, listed)] = message.finals.as_slice() else {
            if message.accepted > 0 || !message.taken.is_empty() {
                broken.push(format!("lost: message {id} has {} final states", message.finals.len()));
            }
            continue;
        };
        if message.accepted == 0 {
            continue;
        }
        let arrived = (0..message.parts).all(|part| message.taken.contains_key(&part));
        let is_true = match state.as_str() {
            "sent" | "delivered" => arrived,
            "suppressed" => message.blockable && stopped.contains(&message.number),
            "expired" => message.expires_ms.is_some(),
            "rejected" => message.refused,
            "in_doubt" => *listed,
            "gave_up" | "undeliverable" => true,
            _ => false,
        };
        if !is_true {
            broken.push(format!("state: message {id} is {state}, and that is not so"));
        }
        let is_delivered = message.parts > 0
            && (0..message.parts).all(|part| {
                message.ids.iter().any(|(other, carrier)| *other == part && delivered.contains(carrier))
            });
        if is_delivered && state != "delivered" {
            broken.push(format!("receipts: message {id} is {state}, and every part of it was delivered"));
        }
        let most = message.taken.values().max().copied().unwrap_or_default();
        if most > 1 {
            extra += most - 1;
            if !listed {
                broken.push(format!("copies: message {id} arrived {most} times and was never in doubt"));
            } else if message.at_most_once {
                broken.push(format!("copies: message {id} arrived {most} times, at most once was promised"));
            }
        }
    }
    if extra > bound {
        broken.push(format!("copies: {extra} too many in all, {bound} could have been in doubt"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Strictness = Strictness { clock_ppm: 0 };

    fn at(at_us: u64, what: What) -> Entry {
        Entry { at_us, what }
    }

    fn accepted(message: i64, copies: Copies) -> What {
        What::Accepted { message, number: 7, parts: 1, copies, blockable: true, expires_ms: Some(1_000) }
    }

    fn ended(message: i64, state: &str, listed: bool) -> What {
        What::Final { message, state: state.into(), listed, ids: vec![(0, format!("id-{message}"))] }
    }

    fn taken(message: i64) -> What {
        What::Taken { message, part: 0, number: 7, id: format!("id-{message}") }
    }

    fn written(message: i64, clock_ms: i64) -> What {
        What::Written { message, part: 0, number: 7, clock_ms }
    }

    #[test]
    fn a_history_that_keeps_every_promise_is_not_faulted() {
        let history = [
            at(0, What::Began { rate: 10, burst: 1 }),
            at(1, accepted(1, Copies::AtMostOnce)),
            at(2, written(1, 5)),
            at(3, taken(1)),
            at(4, What::Stopped { number: 7 }),
            at(9, ended(1, "sent", false)),
            at(9, What::Drained { finished: true, left: String::new() }),
        ];
        assert_eq!(check(&history, STRICT), Vec::<String>::new());
    }

    #[test]
    fn each_broken_promise_is_named() {
        let faulted = |history: &[Entry], word: &str| {
            let broken = check(history, STRICT);
            assert!(broken.iter().any(|line| line.starts_with(word)), "{word}: {broken:?}");
        };
        faulted(&[at(1, accepted(1, Copies::AtMostOnce))], "lost");
        faulted(&[at(1, accepted(1, Copies::AtMostOnce)), at(2, ended(1, "queued", false))], "state");
        faulted(&[at(1, accepted(1, Copies::AtMostOnce)), at(2, ended(1, "sent", false))], "state");
        let twice = |copies: Copies, listed: bool| {
            [
                at(0, What::Incident { bound: 1 }),
                at(1, accepted(1, copies)),
                at(2, taken(1)),
                at(3, taken(1)),
                at(4, ended(1, "sent", listed)),
            ]
        };
        faulted(&twice(Copies::AtLeastOnce, false), "copies");
        faulted(&twice(Copies::AtMostOnce, true), "copies");
        assert_eq!(check(&twice(Copies::AtLeastOnce, true), STRICT), Vec::<String>::new());
        faulted(&twice(Copies::AtLeastOnce, true)[1..], "copies");
        faulted(&[at(1, What::Stopped { number: 7 }), at(2, written(1, 5))], "silence");
        faulted(&[at(1, What::Busy), at(400_000, written(1, 5))], "rest");
        faulted(&[at(1, What::Busy), at(400_000, What::Busy), at(600_000, written(1, 5))], "rest");
        faulted(&[at(1, accepted(1, Copies::AtMostOnce)), at(2, written(1, 1_001))], "validity");
        faulted(&[at(1, What::SaidTaken { mo: 3 })], "inbound");
        faulted(&[at(1, What::Registered { mo: 3, times: 2 })], "inbound");
        let receipt = What::ReceiptTaken { id: "id-1".into(), state: "delivered".into() };
        let sent = [
            at(1, accepted(1, Copies::AtMostOnce)),
            at(2, taken(1)),
            at(3, receipt),
            at(4, ended(1, "sent", false)),
        ];
        faulted(&sent, "receipts");
        let mut fast = vec![at(0, What::Began { rate: 2, burst: 1 })];
        fast.extend((1..=5).map(|message| at(10, written(message, 0))));
        faulted(&fast, "rate");
        faulted(&[at(1, What::Drained { finished: false, left: "1".into() })], "liveness");
    }
}
