//! The deterministic simulation: the machines of the program in a world that fails in every way, from a seed. One seed is
//! one run, the same every time; a checker reads what everybody saw.
//!
//! `SIM_SEEDS=1000000 SIM_FROM=0 cargo test --test sim -- --nocapture seeds` runs a million; a seed that fails prints its
//! trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "sim/carrier.rs"]
mod carrier;
#[path = "support/checker.rs"]
mod checker;
#[path = "sim/client.rs"]
mod client;
#[path = "sim/dice.rs"]
mod dice;
#[path = "sim/gateway.rs"]
mod gateway;
#[path = "support/history.rs"]
mod history;
#[path = "sim/memory.rs"]
mod memory;
#[path = "support/model.rs"]
mod model;
#[path = "sim/net.rs"]
mod net;
#[path = "sim/plan.rs"]
mod plan;
#[path = "sim/world.rs"]
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use backchat::rules::machines::faults::Fault;

use checker::{Strictness, check};
use dice::Dice;
use plan::{Broken, Plan, WorldFault};
use world::{Outcome, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 1_000;
/// Each so many seeds one runs twice, and both traces have to be the same.
const TWICE_EACH: u64 = 50;
/// A planted fault has to be caught within so many seeds.
const CAUGHT_WITHIN: u64 = 400;
/// What the gateway's clock is wrong by at most.
const STRICT: Strictness = Strictness { clock_ppm: 1_000 };

fn run(seed: u64, broken: Broken, tracing: bool) -> Outcome {
    let mut dice = Dice::new(seed);
    let plan = Plan::draw(&mut dice, broken);
    World::run(dice, plan, tracing)
}

/// What a seed breaks.
fn broken_by(seed: u64, broken: Broken) -> Vec<String> {
    check(&run(seed, broken, false).history, STRICT)
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The whole of a failing seed, for a person to read.
fn report(seed: u64) -> String {
    let outcome = run(seed, Broken::Nothing, true);
    let broken = check(&outcome.history, STRICT);
    let plan = Plan::draw(&mut Dice::new(seed), Broken::Nothing);
    format!("{}\nseed {seed} breaks:\n{}\n{plan:?}", outcome.trace.join("\n"), broken.join("\n"))
}

/// Runs seeds on every core; gives the first that fails.
fn first_failure(from: u64, seeds: u64, steps: &AtomicU64) -> Option<u64> {
    let next = AtomicU64::new(from);
    let failed = AtomicU64::new(u64::MAX);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || failed.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    let outcome = run(seed, Broken::Nothing, false);
                    steps.fetch_add(outcome.steps, Ordering::Relaxed);
                    let again =
                        seed.is_multiple_of(TWICE_EACH).then(|| run(seed, Broken::Nothing, false).hash);
                    let differs = again.is_some_and(|hash| hash != outcome.hash);
                    if differs {
                        println!("seed {seed} does not run the same way twice");
                    }
                    if differs || !check(&outcome.history, STRICT).is_empty() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(failed.into_inner()).filter(|seed| *seed < u64::MAX)
}

#[test]
fn seeds_break_no_promise_and_run_the_same_way_twice() {
    let (from, seeds) = (from_environment("SIM_FROM", 0), from_environment("SIM_SEEDS", SEEDS));
    let (begun, steps) = (Instant::now(), AtomicU64::new(0));
    if let Some(seed) = first_failure(from, seeds, &steps) {
        panic!("{}", report(seed));
    }
    println!("{seeds} seeds from {from}: {} steps in {:.1?}", steps.into_inner(), begun.elapsed());
}

#[test]
fn a_busy_answer_at_the_very_end_of_a_rest_is_followed_by_another_rest() {
    assert_eq!(broken_by(24_048, Broken::Nothing), Vec::<String>::new());
}

#[test]
fn a_part_taken_before_a_retry_is_in_no_doubt_when_the_retry_is_interrupted() {
    assert_eq!(broken_by(57_133, Broken::Nothing), Vec::<String>::new());
}

#[test]
fn what_an_earlier_attempt_had_wholly_taken_is_told_as_sent_when_its_retry_is_interrupted() {
    assert_eq!(broken_by(78_699, Broken::Nothing), Vec::<String>::new());
}

/// The seed that catches a fault, and what it says.
fn caught(broken: Broken) -> Option<(u64, String)> {
    (0..CAUGHT_WITHIN).find_map(|seed| Some((seed, broken_by(seed, broken).into_iter().next()?)))
}

#[test]
fn every_planted_fault_is_caught() {
    let faults: Vec<Broken> = Fault::ALL
        .into_iter()
        .map(Broken::Machine)
        .chain(WorldFault::ALL.into_iter().map(Broken::World))
        .collect();
    let next = AtomicU64::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    match caught(*fault) {
                        Some((seed, what)) => println!("{fault:?}: caught after {} seeds: {what}", seed + 1),
                        None => missed.lock().unwrap().push(*fault),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not caught within {CAUGHT_WITHIN} seeds: {missed:?}");
}
