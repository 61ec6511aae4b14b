//! How fast a carrier account may be sent to: parts a second over all its binds, and rest when it says it is busy.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, MonotonicClock};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// Share of a second's rate that may leave in one burst: enough to fill a window, too little to upset a carrier that
/// counts by the second.
const BURSTS_A_SECOND: u32 = 10;
/// First rest after "throttled", doubled up to the longest while the carrier goes on saying it.
const REST: Duration = Duration::from_millis(500);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// "Throttled" again within this time after a rest is the same trouble going on.
const SAME_TROUBLE: Duration = Duration::from_secs(5);

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock>;

/// The pace of one carrier account, shared by its binds.
#[derive(Debug)]
pub struct Pace {
    limiter: RwLock<Limiter>,
    clock: MonotonicClock,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
    length: Duration,
}

impl Pace {
    /// So many parts a second.
    pub fn new(parts_per_second: NonZeroU32) -> Self {
        Self {
            limiter: RwLock::new(limiter(parts_per_second)),
            clock: MonotonicClock,
            rest: Mutex::default(),
        }
    }

    /// From now on so many parts a second.
    pub fn change(&self, parts_per_second: NonZeroU32) {
        *self.limiter.write().unwrap_or_else(PoisonError::into_inner) = limiter(parts_per_second);
    }

    /// May one part go now? Else, when to ask again.
    ///
    /// # Errors
    /// The instant from which a part may go.
    pub fn take(&self, now: Instant) -> Result<(), Instant> {
        let resting =
            self.rest.lock().unwrap_or_else(PoisonError::into_inner).until.filter(|until| *until > now);
        if let Some(until) = resting {
            return Err(until);
        }
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        limiter.check().map_err(|not_yet| now + not_yet.wait_time_from(self.clock.now()))
    }

    /// The carrier said it is busy: rest, longer each time it says so again.
    pub fn throttled(&self, now: Instant) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match rest.until {
            // A window full of "throttled" answers is one trouble, not ten.
            Some(until) if until > now => return,
            Some(until) if now < until + SAME_TROUBLE => rest.length = (rest.length * 2).min(LONGEST_REST),
            _ => rest.length = REST,
        }
        rest.until = Some(now + rest.length);
    }
}

fn limiter(parts_per_second: NonZeroU32) -> Limiter {
    let burst = NonZeroU32::new(parts_per_second.get() / BURSTS_A_SECOND).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct_with_clock(Quota::per_second(parts_per_second).allow_burst(burst), MonotonicClock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_carrier_is_left_alone_longer_each_time_it_says_so() {
        let pace = Pace::new(NonZeroU32::new(1_000).unwrap());
        let start = Instant::now();
        assert!(pace.take(start).is_ok());
        pace.throttled(start);
        pace.throttled(start);
        assert_eq!(pace.take(start), Err(start + REST));
        let again = start + REST + Duration::from_millis(1);
        assert!(pace.take(again).is_ok());
        pace.throttled(again);
        assert_eq!(pace.take(again), Err(again + REST * 2));
        let calm = again + REST * 2 + SAME_TROUBLE;
        pace.throttled(calm);
        assert_eq!(pace.take(calm), Err(calm + REST));
    }
}
