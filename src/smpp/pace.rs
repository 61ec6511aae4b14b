//! The pacer of one carrier account, shared by its binds.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::rules::machines::pacer::Pacer;

/// The pace of one carrier account.
#[derive(Debug)]
pub struct Pace(Mutex<Pacer>);

impl Pace {
    /// So many parts a second over all binds, and over each where the carrier limits them too.
    pub fn new(account_rate: NonZeroU32, bind_rate: Option<NonZeroU32>) -> Self {
        Self(Mutex::new(Pacer::new(account_rate, bind_rate)))
    }

    /// From now on so many. What went already counts.
    pub fn change(&self, account_rate: NonZeroU32, bind_rate: Option<NonZeroU32>) {
        self.pacer().change(account_rate, bind_rate);
    }

    /// May one part go now on this bind? Else, when to ask again.
    ///
    /// # Errors
    /// The instant from which a part may go.
    pub fn take(&self, now: Instant, bind: &Arc<str>) -> Result<(), Instant> {
        self.pacer().take(now, bind)
    }

    /// The carrier said it is busy.
    pub fn throttled(&self, now: Instant) {
        self.pacer().throttled(now);
    }

    /// The carrier says how full it is.
    pub fn congested(&self, now: Instant, percent: u8) {
        self.pacer().congested(now, percent);
    }

    fn pacer(&self) -> std::sync::MutexGuard<'_, Pacer> {
        // The pacer's methods do not panic halfway: what a poisoned lock holds is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
