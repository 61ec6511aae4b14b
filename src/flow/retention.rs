//! What is old enough is forgotten, a little at a time, as the configuration says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::flow::Flow;
use crate::message::Kept;
use crate::store::StoreError;

/// How often is looked whether something has become old enough.
const LOOK: Duration = Duration::from_secs(60);
/// While there is more, the next step follows after a pause that leaves the writer to others.
const PAUSE: Duration = Duration::from_millis(50);
/// What was not through when we came past, a paused campaign's messages or an open question, is looked at again after so
/// long.
const ROUND_MS: i64 = 86_400_000;

/// How far it has come.
#[derive(Debug, Default)]
pub struct Forgetting {
    places: BTreeMap<Kept, i64>,
    round_began_ms: i64,
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
    loop {
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
        if now_ms - forgetting.round_began_ms >= ROUND_MS {
            *forgetting = Forgetting { places: BTreeMap::new(), round_began_ms: now_ms };
        }
        let mut rest = Rest::None;
        for (kept, age_ms) in &self.config().retention {
            let place = forgetting.places.entry(*kept).or_default();
            let forgotten = self.store.forget(*kept, *place, now_ms - age_ms).await?;
            *place = forgotten.upto;
            self.metrics.forgotten.add(forgotten.rows);
            if forgotten.more {
                rest = Rest::Some;
            }
        }
        Ok(rest)
    }
}
