//! The door out: a lane's machine says what to ask the memory and what to hand to the binds; this does it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Carrier;
use crate::crash::{self, Point};
use crate::flow::Flow;
use crate::flow::consent::judgement;
use crate::flow::lane::{Hearing, LaneMachine, LaneSettings, Now, Room, Step};
use crate::rules::machines::faults::Planted;
use crate::smpp::client::{BindHandle, BindState};
use crate::smpp::submission::{Submission, Withdrawal};
use crate::store::{LeasedChunk, StoreError};

/// How long a chunk is ours without a word. Long past any slice; only a node that died lets it run out.
const LEASE: Duration = Duration::from_secs(60);
/// A slice is a fifth of a second of the lane's rate: what may be in doubt after a crash stays small, and a commit a
/// slice stays cheap.
const SLICES_A_SECOND: u32 = 5;
/// How long to leave the memory alone after what has to wait could not be put off.
const HOURS_PAUSE: Duration = Duration::from_secs(1);

/// One carrier account on its way out.
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Its binds.
    pub binds: Vec<Arc<BindHandle>>,
    changes: Arc<watch::Sender<u64>>,
    machine: Mutex<LaneMachine>,
    told: Notify,
}

impl Lane {
    /// A lane over these binds, which tell `changes` when they have room.
    pub fn new(carrier: &Carrier, binds: Vec<Arc<BindHandle>>, changes: Arc<watch::Sender<u64>>) -> Self {
        let machine = Mutex::new(LaneMachine::new(settings(carrier)));
        Self { name: carrier.name.clone(), binds, changes, machine, told: Notify::new() }
    }

    /// From now on it works as this account says.
    pub fn adopt(&self, carrier: &Carrier) {
        self.machine().adopt(settings(carrier));
    }

    pub(super) fn machine(&self) -> std::sync::MutexGuard<'_, LaneMachine> {
        // Its methods do not panic halfway: what a poisoned lock holds is whole.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a bind has room.
    pub(super) fn room(&self) -> Room {
        if self.roomiest().is_some() { Room::Some } else { Room::None }
    }

    /// Hands parts to the bind with most room.
    pub(super) fn submit(&self, parts: Vec<Submission>) {
        if parts.is_empty() {
            return;
        }
        let bind = self.roomiest().map(|(bind, _)| bind).or_else(|| self.binds.first());
        // A bind's task is gone only at the end of the process. The slice is in doubt by the book then, and the next
        // start finds it so.
        let _ = bind.map(|bind| bind.submit(parts));
    }

    /// Has the carrier asked to drop parts, by a bind that is up; where none is, nobody is asked.
    pub(super) fn withdraw(&self, parts: Vec<Withdrawal>) {
        match self.binds.iter().find(|bind| bind.may_submit()) {
            Some(bind) => bind.withdraw(parts),
            None => parts.into_iter().for_each(|part| part.end(None)),
        }
    }

    /// Waits until something was settled without a bind.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Whether receipts can come; an account that only sends has none to wait for.
    fn hearing(&self) -> Hearing {
        let mut ears = self.binds.iter().filter(|bind| bind.receives()).peekable();
        if ears.peek().is_none() || ears.any(|bind| bind.state() == BindState::Up) {
            Hearing::Yes
        } else {
            Hearing::No
        }
    }

    fn roomiest(&self) -> Option<(&Arc<BindHandle>, usize)> {
        self.binds
            .iter()
            .map(|bind| (bind, bind.room()))
            .filter(|(_, room)| *room > 0)
            .max_by_key(|(_, room)| *room)
    }
}

fn settings(carrier: &Carrier) -> LaneSettings {
    LaneSettings {
        name: carrier.name.clone(),
        slice_parts: slice_parts(carrier),
        patience: carrier.patience(),
        doubts: carrier.doubts(),
        short_code: carrier.short_code_type(),
        planted: Planted::NONE,
    }
}

/// Parts of one slice at a carrier's rate.
pub fn slice_parts(carrier: &Carrier) -> usize {
    (carrier.rate.parts_per_second().get() / SLICES_A_SECOND).max(1) as usize
}

/// [`LEASE`] in milliseconds.
pub(super) fn lease_ms() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

/// Feeds a lane until asked to stop.
pub async fn feed(flow: Arc<Flow>, lane: Arc<Lane>, stop: CancellationToken) {
    let wake = flow.wakes(&lane.name);
    let mut changes = lane.changes.subscribe();
    loop {
        if stop.is_cancelled() {
            lane.machine().stop();
        }
        changes.mark_unchanged();
        tokio::select! {
            biased;
            () = wake.notified() => lane.machine().wake(),
            () = std::future::ready(()) => {}
        }
        let room = lane.roomiest().map_or(0, |(_, room)| room);
        let (step, owes) = {
            let mut machine = lane.machine();
            (machine.step(flow.now(), room, lane.hearing(), &flow.door), machine.owes())
        };
        if owes {
            lane.told.notify_one();
        }
        match step {
            Step::Look => {
                let answer = told(&lane, "the queue cannot be looked at", flow.store.lines(&lane.name).await);
                lane.machine().looked(flow.now(), answer);
            }
            Step::Lease(line, messages) => {
                let now_ms = flow.clock.now_ms();
                let answer = flow.store.lease_chunks(&lane.name, &line, messages, now_ms, lease_ms()).await;
                crash::point(Point::Leased);
                let mut answer = told(&lane, "no work can be read", answer);
                if let Ok(chunks) = &mut answer {
                    for chunk in std::mem::take(chunks) {
                        chunks.extend(within_hours(&flow, &lane, chunk, &stop).await);
                    }
                }
                let (config, now) = (flow.config(), flow.now());
                lane.machine().leased(now, &line, answer, |message| judgement(&config, message, now.ms));
            }
            Step::History(messages) => {
                let answer = flow.store.sent_parts(&messages).await;
                let answer = told(&lane, "the history of a retried chunk cannot be read", answer);
                lane.machine().history(flow.now(), answer);
            }
            Step::Mark(marks) => {
                let answer = flow.store.mark_slice(marks).await;
                let answer = told(&lane, "a slice cannot be marked, nothing is sent", answer);
                crash::point(Point::SliceMarked);
                let submissions = lane.machine().marked(flow.now(), answer);
                lane.submit(submissions);
            }
            Step::Recover => {
                let answer = flow.recover().await.map(drop);
                let answer = told(&lane, "what was interrupted cannot be settled", answer);
                lane.machine().recovered(flow.now(), answer);
            }
            Step::Room => {
                tokio::select! {
                    _ = changes.changed() => {}
                    () = stop.cancelled() => {}
                }
            }
            Step::Wait(until_ms) => {
                let wait = u64::try_from(until_ms - flow.clock.now_ms()).unwrap_or_default();
                tokio::select! {
                    () = wake.notified() => lane.machine().wake(),
                    () = sleep(Duration::from_millis(wait.max(1))) => {}
                    () = stop.cancelled() => {}
                }
            }
            Step::Stopped => return,
        }
    }
}

/// A leased chunk as far as its people may be written to now; what has to wait is in chunks of its own then. Where we are
/// asked to stop meanwhile, it is given as it is, to be put back whole.
async fn within_hours(
    flow: &Flow,
    lane: &Lane,
    chunk: LeasedChunk,
    stop: &CancellationToken,
) -> Option<LeasedChunk> {
    while !stop.is_cancelled() {
        match told(lane, "what waits for its hours cannot be put off", flow.within_hours(chunk.clone()).await)
        {
            Ok(Some(chunk)) => return Some(chunk),
            // Split: what may go now is a chunk that waits.
            Ok(None) => {
                flow.wake(&lane.name);
                return None;
            }
            Err(_) => sleep(HOURS_PAUSE).await,
        }
    }
    Some(chunk)
}

impl Flow {
    /// Now, on both clocks.
    pub(super) fn now(&self) -> Now {
        Now { instant: Instant::now(), ms: self.clock.now_ms() }
    }
}

fn told<T>(lane: &Lane, what: &str, answer: Result<T, StoreError>) -> Result<T, StoreError> {
    if let Err(error) = &answer {
        warn!(lane = %lane.name, "{what}: {error}");
    }
    answer
}
