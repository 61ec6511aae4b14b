//! The pacer: how fast parts may leave, over an account and over each of its binds; slower at once when the carrier says
//! it is busy, and back by itself (additive increase, multiplicative decrease).

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Share of a second's rate that may leave in one burst: enough to fill a window, too little to upset a carrier that
/// counts by the second.
const BURSTS_A_SECOND: u32 = 10;
/// Nothing at all leaves for so long after the carrier said it is busy: what is in its queue drains.
const REST: Duration = Duration::from_millis(500);
/// The rate never falls below this share of what is allowed: some parts have to go to find out that it is well again.
const LEAST_SHARE: f64 = 1.0 / 64.0;
/// So much of the allowed rate comes back each second without trouble: all of it in ten.
const REGAINED_A_SECOND: f64 = 0.1;

/// The pace of one carrier account.
#[derive(Debug)]
pub struct Pacer {
    account: Bucket,
    bind_rate: Option<NonZeroU32>,
    binds: BTreeMap<Arc<str>, Bucket>,
    /// Share of the allowed rate, 0..=1, at `since`.
    share: f64,
    since: Option<Instant>,
    rest_until: Option<Instant>,
}

impl Pacer {
    /// So many parts a second over all binds, and over each where the carrier limits them too.
    pub fn new(account_rate: NonZeroU32, bind_rate: Option<NonZeroU32>) -> Self {
        Self {
            account: Bucket::new(account_rate),
            bind_rate,
            binds: BTreeMap::new(),
            share: 1.0,
            since: None,
            rest_until: None,
        }
    }

    /// From now on so many. What went already counts, and trouble goes on where it was.
    pub fn change(&mut self, account_rate: NonZeroU32, bind_rate: Option<NonZeroU32>) {
        self.account.change(account_rate);
        self.bind_rate = bind_rate;
        match bind_rate {
            Some(rate) => self.binds.values_mut().for_each(|bucket| bucket.change(rate)),
            None => self.binds.clear(),
        }
    }

    /// May one part go now on this bind? Else, when to ask again.
    ///
    /// # Errors
    /// The instant from which a part may go.
    pub fn take(&mut self, now: Instant, bind: &Arc<str>) -> Result<(), Instant> {
        if let Some(until) = self.rest_until.filter(|until| *until > now) {
            return Err(until);
        }
        let share = self.share(now);
        self.account.may(now, share)?;
        if let Some(rate) = self.bind_rate {
            let bucket = self.binds.entry(Arc::clone(bind)).or_insert_with(|| Bucket::new(rate));
            bucket.may(now, share)?;
            bucket.take(now, share);
        }
        self.account.take(now, share);
        Ok(())
    }

    /// The carrier said it is busy: a rest from now in which nothing leaves, then half the rate. A window full of such
    /// answers is one trouble, not ten: each is followed by a whole rest, but only the first halves.
    pub fn throttled(&mut self, now: Instant) {
        if self.rest_until.is_none_or(|until| until <= now) {
            self.share = (self.share(now) / 2.0).max(LEAST_SHARE);
        }
        self.rest_until = Some(now + REST);
        self.since = Some(now + REST);
    }

    /// The carrier says how full it is (congestion_state, SMPP 5.0 section 4.8.4.18): from 80 on it is as good as busy.
    pub fn congested(&mut self, now: Instant, percent: u8) {
        /// SMPP 5.0 calls 80 to 89 "congestion"; the rate should fall before that becomes "maximum congestion".
        const CONGESTED: u8 = 80;
        if percent >= CONGESTED {
            self.throttled(now);
        }
    }

    /// The share of the allowed rate that is used now, 0..=1.
    pub fn share(&self, now: Instant) -> f64 {
        let regained = self.since.map_or(0.0, |since| now.saturating_duration_since(since).as_secs_f64());
        (self.share + regained * REGAINED_A_SECOND).min(1.0)
    }
}

/// A rate, as the instant from which the next part may go if none had gone in a burst (generic cell rate).
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    burst: u32,
    due: Option<Instant>,
}

impl Bucket {
    fn new(rate: NonZeroU32) -> Self {
        let burst = (rate.get() / BURSTS_A_SECOND).max(1);
        Self { interval: Duration::from_secs(1) / rate.get(), burst, due: None }
    }

    fn change(&mut self, rate: NonZeroU32) {
        *self = Self { due: self.due, ..Self::new(rate) };
    }

    /// A slower rate has a longer interval, and a burst of one.
    fn shape(&self, share: f64) -> (Duration, Duration) {
        if share >= 1.0 {
            (self.interval, self.interval * (self.burst - 1))
        } else {
            (self.interval.div_f64(share), Duration::ZERO)
        }
    }

    fn may(&self, now: Instant, share: f64) -> Result<(), Instant> {
        let (_, ahead) = self.shape(share);
        match self.due {
            Some(due) if due > now + ahead => Err(due.checked_sub(ahead).unwrap_or(due)),
            _ => Ok(()),
        }
    }

    fn take(&mut self, now: Instant, share: f64) {
        let (interval, _) = self.shape(share);
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bind() -> Arc<str> {
        "north/1".into()
    }

    fn rate(parts: u32) -> NonZeroU32 {
        NonZeroU32::new(parts).unwrap()
    }

    /// Parts that leave in this time when as many as may do.
    fn leave(pacer: &mut Pacer, from: Instant, during: Duration, bind: &Arc<str>) -> Vec<Instant> {
        let (mut now, mut left) = (from, Vec::new());
        while now < from + during {
            match pacer.take(now, bind) {
                Ok(()) => left.push(now),
                Err(again) => now = again.max(now + Duration::from_nanos(1)),
            }
        }
        left
    }

    #[test]
    fn a_busy_carrier_is_left_alone_then_sent_half_and_all_again_after_ten_quiet_seconds() {
        let mut pacer = Pacer::new(rate(100), None);
        let start = Instant::now();
        pacer.throttled(start);
        pacer.throttled(start);
        assert_eq!(pacer.take(start, &bind()), Err(start + REST));
        let begun = start + REST;
        assert!((pacer.share(begun) - 0.5).abs() < 1e-9);
        let first = leave(&mut pacer, begun, Duration::from_secs(1), &bind()).len();
        assert!((50..=57).contains(&first), "{first}");
        let later = begun + Duration::from_secs(10);
        assert!((pacer.share(later) - 1.0).abs() < 1e-9);
        let all = leave(&mut pacer, later, Duration::from_secs(1), &bind()).len();
        assert!((100..=110).contains(&all), "{all}");
    }

    #[test]
    fn an_answer_late_in_the_rest_is_followed_by_a_whole_rest_and_halves_nothing_more() {
        let mut pacer = Pacer::new(rate(100), None);
        let start = Instant::now();
        pacer.throttled(start);
        let late = start + REST - Duration::from_millis(1);
        pacer.throttled(late);
        assert_eq!(pacer.take(start + REST, &bind()), Err(late + REST));
        assert!((pacer.share(late + REST) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_carrier_that_goes_on_being_busy_is_asked_ever_more_seldom_but_asked() {
        let mut pacer = Pacer::new(rate(100), None);
        let mut now = Instant::now();
        let mut tries = 0;
        let end = now + Duration::from_secs(60);
        while now < end {
            match pacer.take(now, &bind()) {
                Ok(()) => {
                    tries += 1;
                    pacer.throttled(now);
                }
                Err(again) => now = again,
            }
        }
        assert!((60..=120).contains(&tries), "{tries} of 6,000 that were allowed");
    }

    #[test]
    fn a_bind_has_a_rate_of_its_own_inside_the_accounts() {
        let mut pacer = Pacer::new(rate(100), Some(rate(20)));
        let start = Instant::now();
        let one = leave(&mut pacer, start, Duration::from_secs(1), &bind()).len();
        assert!((20..=22).contains(&one), "{one}");
    }

    #[test]
    fn another_rate_holds_from_now_on_and_gives_no_burst_of_its_own() {
        let mut pacer = Pacer::new(rate(10), None);
        let start = Instant::now();
        assert!((10..=11).contains(&leave(&mut pacer, start, Duration::from_secs(1), &bind()).len()));
        pacer.change(rate(100), Some(rate(50)));
        let then = start + Duration::from_secs(1);
        let faster = leave(&mut pacer, then, Duration::from_secs(1), &bind()).len();
        assert!((50..=55).contains(&faster), "{faster}");
        pacer.change(rate(10), None);
        let then = start + Duration::from_secs(2);
        let slower = leave(&mut pacer, then, Duration::from_secs(1), &bind()).len();
        assert!((9..=11).contains(&slower), "{slower}");
    }

    proptest! {
        /// No second sees more than the rate and its burst, wherever it begins and whenever the carrier is busy.
        #[test]
        fn no_second_sees_more_than_the_rate_and_its_burst(
            parts in 1..400_u32, busy in proptest::collection::vec(0..4_000_u64, 0..6),
        ) {
            let mut pacer = Pacer::new(rate(parts), None);
            let start = Instant::now();
            let mut times: Vec<Instant> = busy.iter().map(|at| start + Duration::from_millis(*at)).collect();
            times.sort();
            let (mut now, mut left) = (start, Vec::new());
            while now < start + Duration::from_secs(4) {
                if times.first().is_some_and(|at| *at <= now) {
                    times.remove(0);
                    pacer.throttled(now);
                }
                match pacer.take(now, &bind()) {
                    Ok(()) => left.push(now),
                    Err(again) => now = again.max(now + Duration::from_nanos(1)),
                }
            }
            let most = (parts + (parts / BURSTS_A_SECOND).max(1)) as usize;
            for (place, from) in left.iter().enumerate() {
                let seen = left[place..].iter().take_while(|at| **at < *from + Duration::from_secs(1)).count();
                prop_assert!(seen <= most, "{seen} in a second at {parts}/s");
            }
        }
    }
}
