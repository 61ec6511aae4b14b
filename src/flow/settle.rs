//! What becomes of what was handed to the binds: the lane's machine turns it into rows, this writes them in groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::flow::Flow;
use crate::flow::lane::Taken;
use crate::flow::outbound::Lane;
use crate::smpp::client::BindHandle;
use crate::smpp::submission::{PartFate, Settled};

/// How long to leave the memory alone after it failed. What waits meanwhile is bounded by the windows and queues of
/// the binds: nothing new is marked while the memory fails.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// Settlements taken into one commit.
const BATCH: usize = 4_096;

/// Parts settled since the last commit, by bind.
type Held = BTreeMap<Arc<str>, usize>;

/// Settles a lane's messages until its binds have ended. The lane's feeder has to have stopped before them.
pub async fn settle(flow: Arc<Flow>, lane: Arc<Lane>, mut settled: mpsc::UnboundedReceiver<Vec<Settled>>) {
    let mut last = false;
    while !last {
        let mut held = Held::new();
        tokio::select! {
            parts = settled.recv() => match parts {
                Some(parts) => take_in(&flow, &lane, parts, &mut held),
                None => last = true,
            },
            () = lane.told() => {}
        }
        // Everything that came while the last commit ran goes into this one.
        let mut size = 0;
        while size < BATCH
            && let Ok(parts) = settled.try_recv()
        {
            size += parts.len();
            take_in(&flow, &lane, parts, &mut held);
        }
        let Taken { record, resend, counts } = lane.machine().take(flow.clock.now_ms(), &flow.ids);
        lane.submit(resend);
        flow.metrics.sent.add(counts.sent);
        flow.metrics.sent_parts.add(counts.sent_parts);
        flow.metrics.rejected.add(counts.rejected);
        flow.metrics.retried.add(counts.retried);
        flow.metrics.in_doubt.add(counts.in_doubt);
        flow.metrics.suppressed.add(counts.suppressed);
        let record = Arc::new(record);
        let wakes = !record.retry.is_empty();
        // Once, however often it is tried.
        let mut untold = Some(());
        let mut queued = || {
            if untold.take().is_some() {
                tell(&lane, &held, BindHandle::recording);
            }
        };
        while !record.is_empty()
            && let Err(error) = flow.record_then(Arc::clone(&record), &mut queued).await
        {
            warn!(lane = %lane.name, "outcomes wait to be written: {error}");
            sleep(STORE_PAUSE).await;
        }
        queued();
        tell(&lane, &held, BindHandle::settled);
        if !record.outcomes.is_empty() {
            debug!(lane = %lane.name, outcomes = record.outcomes.len(), "outcomes are on disk");
        }
        if wakes {
            flow.wake(&lane.name);
        }
    }
}

/// Tells each bind of its parts.
fn tell(lane: &Lane, held: &Held, what: fn(&BindHandle, usize)) {
    for bind in &lane.binds {
        if let Some(parts) = held.get(&bind.name) {
            what(bind, *parts);
        }
    }
}

fn take_in(flow: &Flow, lane: &Lane, parts: Vec<Settled>, held: &mut Held) {
    // A late answer comes beside the settlement of its part: only that one makes room.
    for settled in parts.iter().filter(|one| !matches!(one.fate, PartFate::AnsweredLate { .. })) {
        match held.get_mut(&settled.bind) {
            Some(parts) => *parts += 1,
            None => _ = held.insert(Arc::clone(&settled.bind), 1),
        }
    }
    let room = lane.room();
    lane.machine().settle(flow.clock.now_ms(), parts, room);
}
