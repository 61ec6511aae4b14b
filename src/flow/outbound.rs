//! The door out: a lane leases chunks, judges slices at the last moment, marks them, and hands them to its binds.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocol::address::Address;
use protocol::octets::COctets;
use protocol::pdu::Sm;
use protocol::text::{Parts, Reference, Unsendable, split};
use protocol::time::Time;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::{Carrier, Config};
use crate::flow::Flow;
use crate::flow::consent::judgement;
use crate::flow::settle::{Direct, Open};
use crate::message::{MessageId, Outbound, OutcomeKind, Purpose, Scope, Sender, SenderKind};
use crate::smpp::client::BindHandle;
use crate::smpp::submission::{PartTag, Submission};
use crate::store::{Check, LeasedChunk, SliceMark};

/// How long a chunk is ours without a word. Long past any slice; only a node that died lets it run out.
const LEASE: Duration = Duration::from_secs(60);
/// A lane looks for work this often even when nobody wakes it: what is relied on. Waking only makes it sooner.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A slice is a fifth of a second of the lane's rate: what may be in doubt after a crash stays small, and a commit a
/// slice stays cheap.
const SLICES_A_SECOND: u32 = 5;
/// How long to leave the memory alone after it failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// One carrier account on its way out.
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Its binds.
    pub binds: Vec<Arc<BindHandle>>,
    slice_parts: AtomicUsize,
    changes: Arc<watch::Sender<u64>>,
    open: Mutex<Open>,
    direct: mpsc::UnboundedSender<Vec<Direct>>,
}

/// A message cut into PDUs, with what blocks it.
struct Prepared {
    message: Outbound,
    parts: Result<Vec<Sm>, Unsendable>,
    scopes: Arc<[Scope]>,
    consent_since_ms: Option<i64>,
}

impl Prepared {
    fn part_count(&self) -> usize {
        self.parts.as_ref().map_or(0, Vec::len)
    }
}

impl Lane {
    /// A lane over these binds, which tell `changes` when they have room. What never reaches a bind is told to `direct`.
    pub fn new(
        carrier: &Carrier,
        binds: Vec<Arc<BindHandle>>,
        changes: Arc<watch::Sender<u64>>,
        direct: mpsc::UnboundedSender<Vec<Direct>>,
    ) -> Self {
        Self {
            name: carrier.name.clone(),
            binds,
            slice_parts: AtomicUsize::new(slice_parts(carrier)),
            changes,
            open: Mutex::default(),
            direct,
        }
    }

    /// From now on its slices are cut for this rate; what else can change while it runs is read from the configuration.
    pub fn adopt(&self, carrier: &Carrier) {
        self.slice_parts.store(slice_parts(carrier), Ordering::Relaxed);
    }

    /// The bind with most room, if any has some.
    pub(super) fn roomiest(&self) -> Option<(&Arc<BindHandle>, usize)> {
        self.binds
            .iter()
            .map(|bind| (bind, bind.room()))
            .filter(|(_, room)| *room > 0)
            .max_by_key(|(_, room)| *room)
    }

    pub(super) fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        // Its methods do not panic halfway: what a poisoned lock holds is whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts of one slice at a carrier's rate.
pub fn slice_parts(carrier: &Carrier) -> usize {
    (carrier.rate.parts_per_second().get() / SLICES_A_SECOND).max(1) as usize
}

/// Feeds a lane until asked to stop.
pub async fn feed(flow: Arc<Flow>, lane: Arc<Lane>, stop: CancellationToken) {
    let wake = flow.wakes(&lane.name);
    while !stop.is_cancelled() {
        if !room(&lane, &stop).await {
            return;
        }
        match flow.store.lease_chunk(&lane.name, flow.clock.now_ms(), lease_ms()).await {
            Ok(Some(chunk)) => {
                if let Some(chunk) = within_hours(&flow, &lane, chunk, &stop).await {
                    send_chunk(&flow, &lane, chunk, &stop).await;
                }
            }
            Ok(None) => {
                tokio::select! {
                    () = wake.notified() => {}
                    () = sleep(LOOK_EVERY) => {}
                    () = stop.cancelled() => return,
                }
            }
            Err(error) => {
                warn!(lane = %lane.name, "no work can be read: {error}");
                pause(&stop).await;
            }
        }
    }
}

/// [`LEASE`] in milliseconds.
pub(super) fn lease_ms() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

/// Waits for room in a bind. False: asked to stop.
async fn room(lane: &Lane, stop: &CancellationToken) -> bool {
    let mut changes = lane.changes.subscribe();
    loop {
        if lane.roomiest().is_some() {
            return !stop.is_cancelled();
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = stop.cancelled() => return false,
        }
    }
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = sleep(STORE_PAUSE) => {}
        () = stop.cancelled() => {}
    }
}

/// A leased chunk as far as its people may be written to now; what has to wait is in chunks of its own then.
async fn within_hours(
    flow: &Flow,
    lane: &Lane,
    chunk: LeasedChunk,
    stop: &CancellationToken,
) -> Option<LeasedChunk> {
    while !stop.is_cancelled() {
        match flow.within_hours(chunk.clone()).await {
            Ok(chunk) => return chunk,
            Err(error) => {
                warn!(lane = %lane.name, "what waits for its hours cannot be put off, nothing is sent: {error}");
                pause(stop).await;
            }
        }
    }
    None
}

/// Sends a chunk, slice by slice. Asked to stop, it puts the rest into a new chunk for the next start.
async fn send_chunk(flow: &Flow, lane: &Arc<Lane>, chunk: LeasedChunk, stop: &CancellationToken) {
    let mut upto = chunk.sent_upto;
    let config = flow.config();
    let carrier = config.carrier(&lane.name);
    let sent_parts = match sent_parts(flow, &chunk).await {
        Some(sent) => sent,
        None => return,
    };
    let rest = chunk.members.into_iter().skip(chunk.sent_upto);
    let mut prepared: VecDeque<Prepared> =
        rest.map(|message| prepare(message, carrier, &config, flow.clock.now_ms())).collect();
    lane.open().begin(chunk.id, prepared.len());
    while !prepared.is_empty() {
        let room_came = room(lane, stop).await;
        // Night has come over a slow chunk: its rest is judged again when it is leased again.
        let night = chunk.closes_ms.is_some_and(|closes_ms| closes_ms <= flow.clock.now_ms());
        if !room_came || night {
            let unsent = prepared.iter().map(|one| Direct::unsent(chunk.id, &one.message, chunk.attempt));
            let _ = lane.direct.send(unsent.collect());
            return;
        }
        let Some((bind, room)) = lane.roomiest() else { continue };
        let slice = take_slice(&mut prepared, room.min(lane.slice_parts.load(Ordering::Relaxed)));
        // The pass comes before the database is asked: a STOP in between is seen by the gate.
        let pass = flow.door.enter();
        let checks: Vec<Check> = slice
            .iter()
            .map(|one| Check {
                message: one.message.id,
                attempt: chunk.attempt,
                number: one.message.to,
                scopes: one.scopes.to_vec(),
                consent_since_ms: one.consent_since_ms,
            })
            .collect();
        upto += slice.len();
        let now_ms = flow.clock.now_ms();
        let mark = SliceMark { chunk: chunk.id, upto, checks, at_ms: now_ms };
        let suppressed = loop {
            match flow.store.mark_slice(mark.clone()).await {
                Ok(suppressed) => break suppressed,
                Err(error) => {
                    warn!(lane = %lane.name, "a slice cannot be marked, nothing is sent: {error}");
                    pause(stop).await;
                    if stop.is_cancelled() {
                        return;
                    }
                }
            }
        };
        let mut submissions = Vec::new();
        let mut direct = Vec::new();
        for one in slice {
            let id = one.message.id;
            if suppressed.contains(&id) {
                direct.push(Direct::already_recorded(chunk.id, id));
                continue;
            }
            if one.message.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
                direct.push(Direct::new(
                    chunk.id,
                    id,
                    chunk.attempt,
                    OutcomeKind::Expired,
                    "its time ran out before it was sent",
                ));
                continue;
            }
            let validity = validity(now_ms, one.message.expires_ms, chunk.closes_ms);
            let parts = match one.parts {
                Ok(parts) => parts,
                Err(error) => {
                    let cause = error.to_string();
                    direct.push(Direct::new(chunk.id, id, chunk.attempt, OutcomeKind::Rejected, &cause));
                    continue;
                }
            };
            let done = sent_parts.get(&id).map(Vec::as_slice).unwrap_or_default();
            let missing = parts.into_iter().zip(0_i64..).filter(|(_, part)| !done.contains(part));
            let before = submissions.len();
            submissions.extend(missing.map(|(sm, part)| Submission {
                sm: Sm { validity_period: validity.clone(), ..sm },
                tag: PartTag { message: id, attempt: chunk.attempt, part },
                number: one.message.to,
                scopes: Arc::clone(&one.scopes),
                pass: Arc::clone(&pass),
            }));
            let parts = submissions.len() - before;
            if parts == 0 {
                direct.push(Direct::already_recorded(chunk.id, id));
            } else {
                lane.open().expect(chunk.id, &one.message, chunk.attempt, parts);
            }
        }
        if !direct.is_empty() {
            let _ = lane.direct.send(direct);
        }
        if !submissions.is_empty() && bind.submit(submissions).is_err() {
            // The bind's task is gone: only at the end of the process. The slice is in doubt by the book, and the
            // next start finds it so.
            return;
        }
    }
}

/// Parts of a retried chunk's messages that the carrier has taken already. `None`: asked to stop meanwhile.
async fn sent_parts(flow: &Flow, chunk: &LeasedChunk) -> Option<HashMap<MessageId, Vec<i64>>> {
    if chunk.attempt == 0 {
        return Some(HashMap::new());
    }
    let ids: Vec<_> = chunk.members.iter().map(|message| message.id).collect();
    loop {
        match flow.store.sent_parts(&ids).await {
            Ok(sent) => return Some(sent),
            Err(error) => {
                warn!("the history of a retried chunk cannot be read: {error}");
                sleep(STORE_PAUSE).await;
            }
        }
    }
}

/// The next messages whose parts fit; at least one, however long it is.
fn take_slice(prepared: &mut VecDeque<Prepared>, parts: usize) -> Vec<Prepared> {
    let mut slice = Vec::new();
    let mut taken = 0;
    while let Some(next) = prepared.front() {
        if !slice.is_empty() && taken + next.part_count() > parts {
            break;
        }
        taken += next.part_count();
        slice.extend(prepared.pop_front());
    }
    slice
}

/// How long the carrier may try: until the message's time or its people's hours end, whichever comes first.
fn validity(now_ms: i64, expires_ms: Option<i64>, closes_ms: Option<i64>) -> COctets {
    let Some(until_ms) = [expires_ms, closes_ms].into_iter().flatten().min() else {
        return COctets::default();
    };
    let seconds = u32::try_from((until_ms - now_ms) / 1_000).unwrap_or_default();
    Time::after_s(seconds.max(1)).to_string().as_str().into()
}

/// Cuts a message into PDUs; what an ESME gave as octets is passed on as it is.
fn prepare(message: Outbound, carrier: Option<&Carrier>, config: &Config, now_ms: i64) -> Prepared {
    let judgement = judgement(config, &message, now_ms);
    let envelope = Sm {
        source: source(&message.sender, carrier),
        dest: Address { ton: 1, npi: 1, addr: message.to.digits().as_str().into() },
        registered_delivery: registered_delivery(message.purpose),
        ..Sm::default()
    };
    let parts = match &message.relay {
        Some(relay) => Ok(vec![Sm {
            esm_class: relay.esm_class,
            protocol_id: relay.protocol_id,
            data_coding: relay.data_coding,
            short_message: Bytes::copy_from_slice(&relay.octets),
            ..envelope
        }]),
        None => parts_of(&message).map(|text| {
            let pdu = |octets: &Bytes| Sm {
                esm_class: if text.udhi { 0x40 } else { 0 },
                data_coding: text.data_coding,
                short_message: octets.clone(),
                ..envelope.clone()
            };
            text.parts.iter().map(pdu).collect()
        }),
    };
    let scopes = judgement.scopes.into();
    Prepared { message, parts, scopes, consent_since_ms: judgement.consent_since_ms }
}

/// How many PDUs a message takes; one where its text cannot be sent, since that is told of it as a whole.
pub(super) fn part_count(message: &Outbound) -> usize {
    match message.relay {
        Some(_) => 1,
        None => parts_of(message).map_or(1, |text| text.parts.len()),
    }
}

/// A message's text in parts. The reference comes from the message's id, so that a part sent again belongs to the same
/// message on the handset.
fn parts_of(message: &Outbound) -> Result<Parts, Unsendable> {
    let octets = message.id.0.to_le_bytes();
    split(&message.body, Reference::Eight(octets[0] ^ octets[2]))
}

/// A receipt is asked for every message: its final state is what the operator is promised (SMPP 3.4 section 5.2.17).
fn registered_delivery(_: Purpose) -> u8 {
    1
}

/// The sender as a carrier wants it: short codes as TON 3 or as the profile says, names as TON 5.
fn source(sender: &Sender, carrier: Option<&Carrier>) -> Address {
    let digits = sender.0.trim_start_matches('+');
    let (ton, npi) = match sender.kind() {
        SenderKind::ShortCode => carrier.map_or((3, 0), Carrier::short_code_type),
        SenderKind::LongCode => (1, 1),
        SenderKind::Alphanumeric => (5, 0),
    };
    Address { ton, npi, addr: digits.into() }
}
