//! Who may connect: limits in number and by address, and patience with those who cannot bind.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Binds an address may fail in a while before its connections are closed at once.
const FAILURES: u32 = 10;
/// How long a while is; and how long an address stays out after its last failure.
const WHILE: Duration = Duration::from_secs(60);
/// The answer to a failed bind is kept back so long: guessing takes long, a mistake hardly longer.
const DELAY: Duration = Duration::from_secs(1);
/// Failures under one system_id make the answer slower, up to this; they never shut it out, or anybody could do that to
/// another.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Addresses and names remembered; when there are more, the oldest are forgotten.
const REMEMBERED: usize = 10_000;

pub(super) struct Guard {
    connections: usize,
    per_address: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: usize,
    from: BTreeMap<IpAddr, usize>,
    failed_from: BTreeMap<IpAddr, Failures>,
    failed_as: BTreeMap<Vec<u8>, Failures>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// A connection's place; given back when dropped.
pub(super) struct Place {
    address: IpAddr,
    state: Arc<Mutex<State>>,
}

impl Guard {
    pub(super) fn new(connections: u16, per_address: u16) -> Self {
        Self {
            connections: usize::from(connections),
            per_address: usize::from(per_address),
            state: Arc::default(),
        }
    }

    /// A place for a connection, unless there are too many or too many binds have failed from there.
    pub(super) fn enter(&self, address: IpAddr, now: Instant) -> Option<Place> {
        let mut state = lock(&self.state);
        let shut_out = state
            .failed_from
            .get(&address)
            .is_some_and(|failures| failures.count >= FAILURES && now.duration_since(failures.last) < WHILE);
        let here = state.from.get(&address).copied().unwrap_or_default();
        if shut_out || state.open >= self.connections || here >= self.per_address {
            return None;
        }
        state.open += 1;
        *state.from.entry(address).or_default() += 1;
        Some(Place { address, state: Arc::clone(&self.state) })
    }

    /// Counts a failed bind; how long its answer is kept back.
    pub(super) fn failed(&self, address: IpAddr, system_id: &[u8], now: Instant) -> Duration {
        let mut state = lock(&self.state);
        count(&mut state.failed_from, address, now);
        let times = count(&mut state.failed_as, system_id.to_vec(), now);
        DELAY.saturating_mul(times).min(LONGEST_DELAY)
    }

    /// Somebody has bound from there: it is no guesser.
    pub(super) fn bound(&self, address: IpAddr, system_id: &[u8]) {
        let mut state = lock(&self.state);
        state.failed_from.remove(&address);
        state.failed_as.remove(system_id);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing panics halfway through a change.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count<K: Ord + Clone>(failures: &mut BTreeMap<K, Failures>, who: K, now: Instant) -> u32 {
    if failures.len() >= REMEMBERED {
        failures.retain(|_, failures| now.duration_since(failures.last) < WHILE);
        if failures.len() >= REMEMBERED {
            failures.pop_first();
        }
    }
    let known = failures.entry(who).or_insert(Failures { count: 0, last: now });
    if now.duration_since(known.last) >= WHILE {
        known.count = 0;
    }
    known.count = known.count.saturating_add(1);
    known.last = now;
    known.count
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.open = state.open.saturating_sub(1);
        if let Some(here) = state.from.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                state.from.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn connections_are_limited_in_all_and_from_one_address() {
        let (guard, now) = (Guard::new(3, 2), Instant::now());
        let first = guard.enter(HERE, now);
        let _second = guard.enter(HERE, now);
        assert!(first.is_some() && guard.enter(HERE, now).is_none(), "two from here");
        let _third = guard.enter(THERE, now);
        assert!(guard.enter(THERE, now).is_none(), "three in all");
        drop(first);
        assert!(guard.enter(HERE, now).is_some(), "a place is free again");
    }

    #[test]
    fn who_fails_often_is_kept_out_for_a_while_and_others_are_not() {
        let (guard, now) = (Guard::new(100, 100), Instant::now());
        for _ in 0..FAILURES {
            assert!(guard.enter(HERE, now).is_some());
            guard.failed(HERE, b"shop", now);
        }
        assert!(guard.enter(HERE, now).is_none());
        assert!(guard.enter(THERE, now).is_some(), "the name itself is not shut out");
        assert!(guard.enter(HERE, now + WHILE).is_some());
    }

    #[test]
    fn each_failure_under_a_name_makes_the_answer_slower() {
        let (guard, now) = (Guard::new(1, 1), Instant::now());
        assert_eq!(guard.failed(HERE, b"shop", now), DELAY);
        assert_eq!(guard.failed(THERE, b"shop", now), 2 * DELAY);
        for _ in 0..20 {
            guard.failed(HERE, b"shop", now);
        }
        assert_eq!(guard.failed(HERE, b"shop", now), LONGEST_DELAY);
        guard.bound(HERE, b"shop");
        assert_eq!(guard.failed(HERE, b"shop", now), DELAY);
    }
}
