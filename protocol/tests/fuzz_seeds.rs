//! The fuzz targets over their seeds, and over mutations of them: what libFuzzer does for hours (`fuzz/README.md`), for
//! some seconds and without it; or for as many as `BACKCHAT_FUZZ_S` says, as `tests/run` does.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::panic::catch_unwind;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fuzz::TARGETS;
use fuzz::seeds::{Seed, seeds};

/// For each target: some two seconds in all, unoptimised.
const MUTATIONS: usize = 6_000;

/// The throws of every run that is told no time: the same, so that a failure can be had again.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Octets that lengths, counts and texts turn on.
const TELLING: [u8; 10] = [0, 1, 2, 4, 8, 0x1B, 0x40, 0x7F, 0x80, 0xFF];

/// Runs a target; when it panics, tells the octets with which to do so again.
fn run(target: fn(&[u8]), name: &str, octets: &[u8]) {
    if catch_unwind(|| target(octets)).is_err() {
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        panic!("the target {name} breaks on {hex}");
    }
}

fn seeds_of(target: &str) -> Vec<Seed> {
    let seeds: Vec<_> = seeds().into_iter().filter(|seed| seed.target == target).collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

#[test]
fn every_seed_passes_its_target() {
    for (name, target) in TARGETS {
        run(target, name, &[]);
        for seed in seeds_of(name) {
            run(target, &format!("{name} ({})", seed.name), &seed.octets);
        }
    }
}

#[test]
fn mutated_seeds_pass_too() {
    let seconds =
        std::env::var("BACKCHAT_FUZZ_S").ok().map(|text| text.parse().expect("BACKCHAT_FUZZ_S: seconds"));
    let share = seconds.map(|seconds| Duration::from_secs(seconds) / TARGETS.len() as u32);
    for (name, target) in TARGETS {
        let seeds = seeds_of(name);
        let mut dice = Dice(if share.is_some() { new_seed() } else { SEED });
        let began = Instant::now();
        let mut runs = 0;
        while share.map_or(runs < MUTATIONS, |share| began.elapsed() < share) {
            let mut octets = seeds[dice.below(seeds.len())].octets.clone();
            for _ in 0..=dice.below(4) {
                let other = &seeds[dice.below(seeds.len())].octets;
                dice.mutate(&mut octets, other);
            }
            run(target, name, &octets);
            runs += 1;
        }
        println!(
            "{name}: {runs} mutations of {} seeds in {:.1} s",
            seeds.len(),
            began.elapsed().as_secs_f64()
        );
    }
}

/// Other throws each time; a failure tells its octets.
fn new_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(SEED, |since| since.as_nanos() as u64 | 1)
}

/// Throws that its seed decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit.max(1)
    }

    fn mutate(&mut self, octets: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(octets.len() + 1);
        let upto = at + self.below(octets.len() + 1 - at);
        match self.below(7) {
            0 if at < octets.len() => octets[at] ^= 1 << self.below(8),
            1 if at < octets.len() => octets[at] = TELLING[self.below(TELLING.len())],
            2 if at < octets.len() => octets[at] = self.below(256) as u8,
            3 => octets.truncate(at),
            4 => drop(octets.drain(at..upto)),
            5 => {
                let piece = octets[at..upto].to_vec();
                octets.splice(at..at, piece);
            }
            _ => {
                let from = self.below(other.len() + 1);
                octets.truncate(at);
                octets.extend(&other[from..]);
            }
        }
    }
}
