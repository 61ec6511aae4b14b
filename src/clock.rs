//! The time of day, settable in tests: nothing else in the program asks the system what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where the time of day comes from. Timers inside a session run on the monotonic clock instead.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that stands until it is moved; milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at this moment.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Now, in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => Timestamp::now().as_millisecond(),
            Self::Manual(at) => at.load(Ordering::Acquire),
        }
    }

    /// Moves a manual clock forward; a system clock goes by itself.
    pub fn advance(&self, by_ms: i64) {
        if let Self::Manual(at) = self {
            at.fetch_add(by_ms, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let clock = Clock::manual(5_000);
        let copy = clock.clone();
        assert_eq!(clock.now_ms(), 5_000);
        copy.advance(250);
        assert_eq!(clock.now_ms(), 5_250);
    }
}
