//! What is old enough is forgotten, a little at a time, as the configuration says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Retention;
use crate::flow::Flow;
use crate::message::Kept;
use crate::rules::retention::{Before, nobodys_before_ms};
use crate::store::StoreError;

/// How often is looked whether something has become old enough.
const LOOK: Duration = Duration::from_secs(60);
/// And whether tomorrow has tables, where each day has its own: they are made days ahead.
const DAYS_LOOK: Duration = Duration::from_secs(3_600);
/// While there is more, the next step follows after a pause that leaves the writer to others.
const PAUSE: Duration = Duration::from_millis(50);
/// What was not through when we came past, a paused campaign's messages or an open question, is looked at again after so
/// long.
const ROUND_MS: i64 = 86_400_000;

/// A day whose tables somebody held is tried again after so long.
const DAY_AGAIN_MS: i64 = 60_000;

/// How far it has come.
#[derive(Debug, Default)]
pub struct Forgetting {
    places: BTreeMap<Kept, i64>,
    round_began_ms: i64,
    day: DayWalk,
}

/// How far it has come with days as a whole.
#[derive(Debug, Default)]
struct DayWalk {
    place: i64,
    /// Those of the day that is being forgotten: under others it may have to stay.
    ages: Option<Retention>,
    /// Not before this time, since somebody held its tables.
    not_before_ms: i64,
}

/// Whether a day goes as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WholeDay {
    /// A step was made.
    Goes,
    /// It will be tried again.
    Waits,
    /// No other one can.
    None,
}

/// Whether there is more to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There may be.
    Some,
    /// Everything left is too young.
    None,
}

/// Forgets until told to stop.
pub async fn keep_retention(flow: Arc<Flow>, stop: CancellationToken) {
    let mut forgetting = Forgetting::default();
    let mut days_due = Instant::now();
    loop {
        if days_due <= Instant::now() {
            let made = flow.store.make_days(flow.clock.now_ms()).await;
            days_due = Instant::now() + if made.is_ok() { DAYS_LOOK } else { LOOK };
            if let Err(error) = made {
                warn!("the next days' tables are made later: {error}");
            }
        }
        let pause = match flow.forget_old(&mut forgetting).await {
            Ok(Rest::Some) => PAUSE,
            Ok(Rest::None) => LOOK,
            Err(error) => {
                warn!("what is old stays for now: {error}");
                LOOK
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Flow {
    /// Forgets a step of each kind.
    ///
    /// # Errors
    /// What the memory says; nothing is lost by trying again.
    pub async fn forget_old(&self, forgetting: &mut Forgetting) -> Result<Rest, StoreError> {
        let now_ms = self.clock.now_ms();
        let ages = self.config().retention.clone();
        if forgetting.day.ages.as_ref().is_some_and(|begun| *begun != ages) {
            forgetting.day = DayWalk::default();
        }
        // Either way: a clock that was ahead is set back.
        if (now_ms - forgetting.round_began_ms).abs() >= ROUND_MS {
            forgetting.places.clear();
            forgetting.round_began_ms = now_ms;
            if forgetting.day.ages.is_none() {
                forgetting.day = DayWalk::default();
            }
        }
        let before_ms: Before = ages.iter().map(|(kept, age_ms)| (*kept, now_ms - age_ms)).collect();
        let whole = self.forget_day(&mut forgetting.day, ages, &before_ms).await;
        let mut rest = if whole == WholeDay::Goes { Rest::Some } else { Rest::None };
        for (kept, before_ms) in &before_ms {
            // A day that goes as a whole is not to go row by row meanwhile.
            if whole != WholeDay::None && matches!(kept, Kept::Messages(_)) {
                continue;
            }
            let place = forgetting.places.entry(*kept).or_default();
            let forgotten = self.store.forget(*kept, *place, *before_ms).await?;
            *place = forgotten.upto;
            self.metrics.forgotten.add(forgotten.rows);
            if forgotten.more {
                rest = Rest::Some;
            }
        }
        if let Some(before_ms) = nobodys_before_ms(&before_ms) {
            let (rows, more) = self.store.forget_nobodys(before_ms).await?;
            self.metrics.forgotten.add(rows);
            if more {
                rest = Rest::Some;
            }
        }
        Ok(rest)
    }

    /// Forgets a step of a day as a whole.
    async fn forget_day(&self, walk: &mut DayWalk, ages: Retention, before_ms: &Before) -> WholeDay {
        let now_ms = self.clock.now_ms();
        if (1..=DAY_AGAIN_MS).contains(&(walk.not_before_ms - now_ms)) {
            return WholeDay::Waits;
        }
        match self.store.forget_day(before_ms, walk.place).await {
            Ok(day) => {
                self.metrics.forgotten.add(day.rows);
                walk.place = day.upto;
                walk.ages = day.more.then_some(ages);
                if day.more { WholeDay::Goes } else { WholeDay::None }
            }
            Err(error) => {
                warn!("a day that is old enough stays for now: {error}");
                walk.not_before_ms = now_ms + DAY_AGAIN_MS;
                WholeDay::Waits
            }
        }
    }
}
