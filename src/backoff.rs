//! How long to wait before trying again: doubling, bounded, with jitter, and no clock or dice of its own.

use std::time::Duration;

/// Doubling past this many tries is always at the maximum: 2^20 times any minimum is days.
const MOST_DOUBLINGS: u32 = 20;

/// Waits between a minimum and a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// First wait.
    pub min: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait before try number `tries` (0 = the first retry). `dice` is any random number: half of the wait is
    /// fixed, half is drawn, so that a thousand binds cut at once do not come back at once.
    pub fn wait(self, tries: u32, dice: u64) -> Duration {
        let whole = self.min.saturating_mul(1 << tries.min(MOST_DOUBLINGS)).min(self.max);
        let half = whole / 2;
        let span = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_millis(dice % span)
    }
}

/// Spreads a number's bits (splitmix64), for jitter and for choices drawn from a seed.
pub fn scatter(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_and_jitter_stays_inside_them() {
        let backoff = Backoff { min: Duration::from_millis(500), max: Duration::from_secs(30) };
        for tries in 0..100 {
            for seed in 0..50 {
                let wait = backoff.wait(tries, scatter(seed));
                let whole = Duration::from_millis(500 << tries.min(10)).min(Duration::from_secs(30));
                assert!(wait >= whole / 2 && wait <= whole, "{tries} {wait:?}");
            }
        }
    }
}
