//! A lane's work between memory and wire, without either: which line is leased next, which slice is cut, what is handed to
//! a bind, what becomes of it. The journeys drive it with the store's answers, the simulation with a model's; it is the
//! same code.
//!
//! Two hands drive it, each with at most one question to the memory: [`LaneMachine::step`] and its answers on the way
//! out, [`LaneMachine::settle`] and [`LaneMachine::take`] on the way back.

mod parts;
mod settlement;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::pdu::Sm;

use crate::flow::consent::Judgement;
use crate::message::{IdSource, MessageId, Outbound, OutcomeKind, Purpose};
use crate::rules::delivery::Patience;
use crate::rules::machines::dispatcher::{Dispatcher, Line};
use crate::rules::machines::doubt::Doubts;
use crate::rules::machines::faults::{Fault, Planted};
use crate::rules::machines::outstanding::Outstanding;
use crate::smpp::door::{Door, Pass};
use crate::smpp::submission::{PartTag, Settled, Submission};
use crate::store::{Check, ChunkId, LeasedChunk, LineDue, OutcomeRow, SliceMark, StoreError};

pub(super) use parts::part_count;
use parts::{Prepared, prepare, take_slice, validity};
pub use settlement::Taken;
use settlement::{Tally, outcome_of};
pub(super) use settlement::{in_doubt_row, outcome, retry_row};

/// A lane looks for work this often even when nobody wakes it: what is relied on. Waking only makes it sooner.
const LOOK_EVERY_MS: i64 = 250;
/// A lane that is woken over and over looks no more often than this while it has something to send.
const LOOK_AT_MOST_EVERY_MS: i64 = 20;
/// How long to leave the memory alone after it failed.
const STORE_PAUSE_MS: i64 = 1_000;
/// What nobody holds is looked for this often: a lease of an earlier run may be carried out by a slow database after the
/// start has settled all it found. Such a chunk is late by this at most.
const RECOVER_EVERY_MS: i64 = 60_000;
/// Chunks in hand: one of each line that takes its turn. With 250 messages of some 300 octets each, some 5 MB.
const CHUNKS_IN_HAND: usize = 64;

/// What a lane is told at its start.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// Its name: the carrier account's.
    pub name: String,
    /// Parts of one slice.
    pub slice_parts: usize,
    /// How often and how patiently a message is tried.
    pub patience: Patience,
    /// What becomes of messages in doubt.
    pub doubts: Doubts,
    /// TON and NPI of a short code as the sender.
    pub short_code: (u8, u8),
    /// Steps left out; none but in a simulation.
    pub planted: Planted,
}

/// Now, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The monotonic clock, for what is about to be written.
    pub instant: Instant,
    /// The time of day, milliseconds since the epoch.
    pub ms: i64,
}

/// What is to be done next on the way out.
#[derive(Debug)]
pub enum Step {
    /// Ask the memory which lines wait: [`LaneMachine::looked`].
    Look,
    /// Lease the next chunk of this line: [`LaneMachine::leased`].
    Lease(Line),
    /// Ask which parts of these messages a carrier has taken: [`LaneMachine::history`].
    History(Vec<MessageId>),
    /// Mark this slice: [`LaneMachine::marked`].
    Mark(SliceMark),
    /// A lease's answer was lost, or it is time again: settle what nobody holds, then [`LaneMachine::recovered`].
    Recover,
    /// Come again when a bind has room.
    Room,
    /// Come again at this time, or when woken: [`LaneMachine::wake`].
    Wait(i64),
    /// Asked to stop, and everything not handed out is on its way back into the queue.
    Stopped,
}

/// A chunk being sent.
#[derive(Debug)]
struct Hand {
    chunk: ChunkId,
    attempt: i64,
    upto: usize,
    left: VecDeque<Prepared>,
    history: History,
    closes_ms: Option<i64>,
}

/// What is known of earlier attempts at a chunk's messages.
#[derive(Debug)]
enum History {
    Unknown,
    Taken(HashMap<MessageId, Vec<i64>>),
}

/// A slice whose mark is being written.
#[derive(Debug)]
struct Cut {
    line: Line,
    mark: SliceMark,
    pass: Arc<Pass>,
    slice: Vec<Prepared>,
}

/// What goes with a message that is out.
#[derive(Debug)]
struct Handed {
    purpose: Purpose,
    attempt: i64,
    /// Rows that count only if the message is tried again.
    again: Vec<OutcomeRow>,
}

/// What a chunk in hand is, and what of it never goes out with it. `line`: its class and campaign, of which chunks that
/// carry it on are too.
#[derive(Debug)]
struct Holding {
    line: Line,
    attempt: i64,
    rest: Vec<MessageId>,
}

/// A carrier account's work.
#[derive(Debug)]
pub struct LaneMachine {
    settings: LaneSettings,
    dispatcher: Dispatcher,
    hands: BTreeMap<Line, Hand>,
    cut: Option<Cut>,
    look_at: i64,
    looked_at: i64,
    pause_until: i64,
    lease_lost: bool,
    recover_at: Option<i64>,
    stopping: bool,
    outstanding: Outstanding<ChunkId, MessageId, Handed>,
    holdings: BTreeMap<ChunkId, Holding>,
    tally: Tally,
}

impl LaneMachine {
    /// A lane with nothing in hand.
    pub fn new(settings: LaneSettings) -> Self {
        Self {
            dispatcher: Dispatcher::new(settings.slice_parts),
            hands: BTreeMap::new(),
            cut: None,
            look_at: i64::MIN,
            looked_at: i64::MIN,
            pause_until: i64::MIN,
            lease_lost: false,
            recover_at: None,
            stopping: false,
            outstanding: Outstanding::default(),
            holdings: BTreeMap::new(),
            tally: Tally::default(),
            settings,
        }
    }

    /// What is to be done next. `room`: parts the roomiest bind takes now.
    pub fn step(&mut self, now: Now, room: usize, door: &Arc<Door>) -> Step {
        if self.stopping {
            self.give_back();
            return Step::Stopped;
        }
        if now.ms < self.pause_until {
            return Step::Wait(self.pause_until);
        }
        if let Some(cut) = &self.cut {
            return Step::Mark(cut.mark.clone());
        }
        // The start has just done it.
        let recover_at = *self.recover_at.get_or_insert(now.ms + RECOVER_EVERY_MS);
        if self.lease_lost || now.ms >= recover_at {
            return Step::Recover;
        }
        if let Some(hand) = self.hands.values().find(|hand| matches!(hand.history, History::Unknown)) {
            return Step::History(hand.left.iter().map(|one| one.message.id).collect());
        }
        if room == 0 {
            return Step::Room;
        }
        if now.ms >= self.look_at {
            return Step::Look;
        }
        match self.dispatcher.next(now.ms) {
            None => Step::Wait(self.look_at),
            Some(line) if self.hands.contains_key(&line) => self.cut(&line, room, door, now),
            Some(line) => Step::Lease(line),
        }
    }

    /// From now on it works by these settings. What it has cut already stays as it was cut.
    pub fn adopt(&mut self, settings: LaneSettings) {
        self.dispatcher.adopt(settings.slice_parts);
        self.settings = settings;
    }

    /// There may be new work.
    pub fn wake(&mut self) {
        let soonest =
            if self.dispatcher.is_empty() { i64::MIN } else { self.looked_at + LOOK_AT_MOST_EVERY_MS };
        self.look_at = self.look_at.min(soonest);
    }

    /// Asked to stop: nothing more is handed out.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The lines that wait, each with the time its first chunk is due.
    pub fn looked(&mut self, now: Now, answer: Result<Vec<LineDue>, StoreError>) {
        let Ok(lines) = answer else { return self.rest(now) };
        self.looked_at = now.ms;
        self.look_at = now.ms + LOOK_EVERY_MS;
        for LineDue { line, due_ms } in lines {
            if due_ms > now.ms {
                self.look_at = self.look_at.min(due_ms);
            } else if self.hands.len() < CHUNKS_IN_HAND || self.hands.contains_key(&line) {
                self.dispatcher.has_work(line, now.ms);
            }
        }
    }

    /// A chunk of the line asked for, or none where none was due any more. `judge`: what the door out asks about a message.
    pub fn leased(
        &mut self,
        now: Now,
        line: &Line,
        answer: Result<Option<LeasedChunk>, StoreError>,
        judge: impl Fn(&Outbound) -> Judgement,
    ) {
        match answer {
            Ok(Some(chunk)) => self.take_in_hand(line.clone(), chunk, judge),
            Ok(None) => self.dispatcher.is_done(line),
            Err(_) => {
                self.lease_lost = true;
                self.rest(now);
            }
        }
    }

    /// The parts of the messages asked for that a carrier has taken already.
    pub fn history(&mut self, now: Now, answer: Result<HashMap<MessageId, Vec<i64>>, StoreError>) {
        let Ok(taken) = answer else { return self.rest(now) };
        if let Some(hand) = self.hands.values_mut().find(|hand| matches!(hand.history, History::Unknown)) {
            hand.history = History::Taken(taken);
        }
    }

    /// What nobody held is settled.
    pub fn recovered(&mut self, now: Now, answer: Result<(), StoreError>) {
        match answer {
            Ok(()) => {
                self.lease_lost = false;
                self.recover_at = Some(now.ms + RECOVER_EVERY_MS);
            }
            Err(_) => self.rest(now),
        }
    }

    /// The slice is marked: gives what is to be handed to the roomiest bind, in this order. The memory names the messages
    /// that an opt-out stops.
    pub fn marked(&mut self, now: Now, answer: Result<Vec<MessageId>, StoreError>) -> Vec<Submission> {
        let stopped = match answer {
            Ok(stopped) => stopped,
            // Not ours any more: whoever has it now knows from the watermark what we have sent of it.
            Err(StoreError::Refused(_)) => {
                if let Some(cut) = self.cut.take() {
                    self.abandon(&cut.line, cut.mark.chunk);
                }
                return Vec::new();
            }
            Err(_) if self.settings.planted.has(Fault::WriteBeforeMark) => Vec::new(),
            Err(_) => {
                self.rest(now);
                return Vec::new();
            }
        };
        let Some(cut) = self.cut.take() else { return Vec::new() };
        let parts: usize = cut.slice.iter().map(Prepared::part_count).sum();
        self.dispatcher.served(&cut.line, parts.max(1), now.ms);
        let mut submissions = Vec::with_capacity(parts);
        for one in cut.slice {
            self.hand_out(now, &cut.line, &cut.pass, &stopped, one, &mut submissions);
        }
        if self.hands.get(&cut.line).is_some_and(|hand| hand.left.is_empty()) {
            self.hands.remove(&cut.line);
        }
        submissions
    }

    /// What became of parts that were handed to a bind.
    pub fn settle(&mut self, now_ms: i64, parts: impl IntoIterator<Item = Settled>, room: Room) {
        for settled in parts {
            self.part(now_ms, settled, room);
        }
    }

    /// What is to be written down now, in one commit, and what goes to another bind.
    pub fn take(&mut self, now_ms: i64, ids: &IdSource) -> Taken {
        self.tally.take(&self.settings.name, now_ms, ids, self.settings.planted)
    }

    /// Whether nothing is in hand, out, or to be written down.
    pub fn is_idle(&self) -> bool {
        self.hands.is_empty() && self.cut.is_none() && self.outstanding.is_empty() && self.tally.is_empty()
    }

    fn rest(&mut self, now: Now) {
        self.pause_until = now.ms + STORE_PAUSE_MS;
    }

    fn take_in_hand(&mut self, line: Line, chunk: LeasedChunk, judge: impl Fn(&Outbound) -> Judgement) {
        let rest = chunk.members.into_iter().skip(chunk.sent_upto);
        let short_code = self.settings.short_code;
        let cut = |message: Outbound| {
            let judgement = judge(&message);
            prepare(message, judgement, short_code)
        };
        let left: VecDeque<Prepared> = rest.map(cut).collect();
        let history = if chunk.attempt == 0 { History::Taken(HashMap::new()) } else { History::Unknown };
        self.outstanding.begin(chunk.id, left.len());
        let of = Line { class: chunk.class, campaign: chunk.campaign.clone() };
        let holding = Holding { line: of, attempt: chunk.attempt, rest: Vec::new() };
        self.holdings.insert(chunk.id, holding);
        let hand = Hand {
            chunk: chunk.id,
            attempt: chunk.attempt,
            upto: chunk.sent_upto,
            left,
            history,
            closes_ms: chunk.closes_ms,
        };
        self.hands.insert(line, hand);
    }

    /// Cuts the next slice of the line's chunk. The pass comes before the memory is asked: a STOP in between is seen by
    /// the gate.
    fn cut(&mut self, line: &Line, room: usize, door: &Arc<Door>, now: Now) -> Step {
        // Night has come over a slow chunk: its rest is judged again when it is leased again.
        let night = |hand: &Hand| hand.closes_ms.is_some_and(|closes_ms| closes_ms <= now.ms);
        if self.hands.get(line).is_some_and(night) {
            self.put_back(line);
            return Step::Wait(now.ms);
        }
        let Some(hand) = self.hands.get_mut(line) else { return Step::Wait(now.ms) };
        let pass = door.enter();
        let slice = take_slice(&mut hand.left, room.min(self.settings.slice_parts));
        hand.upto += slice.len();
        let check = |one: &Prepared| Check {
            message: one.message.id,
            attempt: hand.attempt,
            number: one.message.to,
            scopes: one.scopes.to_vec(),
            consent_since_ms: one.consent_since_ms,
        };
        let checks = slice.iter().map(check).collect();
        let mark = SliceMark { chunk: hand.chunk, upto: hand.upto, checks, at_ms: now.ms };
        self.cut = Some(Cut { line: line.clone(), mark: mark.clone(), pass, slice });
        Step::Mark(mark)
    }

    /// Hands out what of a marked message may go, or settles it.
    fn hand_out(
        &mut self,
        now: Now,
        line: &Line,
        pass: &Arc<Pass>,
        stopped: &[MessageId],
        one: Prepared,
        submissions: &mut Vec<Submission>,
    ) {
        let Some(hand) = self.hands.get(line) else { return };
        let (chunk, attempt, id) = (hand.chunk, hand.attempt, one.message.id);
        let planted = self.settings.planted;
        if stopped.contains(&id) && !planted.has(Fault::SkipSliceConsent) {
            self.tally.counts.suppressed += 1;
            return self.through(chunk, 1);
        }
        let late = one.message.expires_ms.is_some_and(|until| until <= now.ms);
        if late && !planted.has(Fault::IgnoreValidity) {
            let cause = "its time ran out before it was sent";
            return self.end(chunk, outcome_of(id, attempt, OutcomeKind::Expired, cause, now.ms));
        }
        let parts = match one.parts {
            Ok(parts) => parts,
            Err(error) => {
                let cause = error.to_string();
                return self.end(chunk, outcome_of(id, attempt, OutcomeKind::Rejected, &cause, now.ms));
            }
        };
        let taken = match &hand.history {
            History::Taken(taken) => taken.get(&id).map(Vec::as_slice).unwrap_or_default(),
            History::Unknown => &[],
        };
        let not_after = one.message.expires_ms.map(|until| {
            now.instant + Duration::from_millis(u64::try_from(until - now.ms).unwrap_or_default())
        });
        let validity = validity(now.ms, one.message.expires_ms, hand.closes_ms);
        let before = submissions.len();
        let missing = parts.into_iter().zip(0_i64..).filter(|(_, part)| !taken.contains(part));
        submissions.extend(missing.map(|(sm, part)| Submission {
            tag: PartTag { message: id, attempt, part },
            number: one.message.to,
            scopes: Arc::clone(&one.scopes),
            pass: Arc::clone(pass),
            not_after,
            sm: Sm { validity_period: validity.clone(), ..sm },
        }));
        let parts = submissions.len() - before;
        if parts == 0 {
            // Word of it came while it waited to be sent again.
            let cause = "the carrier has it from an earlier attempt";
            return self.end(chunk, outcome_of(id, attempt, OutcomeKind::Sent, cause, now.ms));
        }
        let handed = Handed { purpose: one.message.purpose, attempt, again: Vec::new() };
        self.outstanding.expect(chunk, id, parts, handed);
    }

    /// A message ends without a bind.
    fn end(&mut self, chunk: ChunkId, row: OutcomeRow) {
        self.tally.record.outcomes.push(row);
        self.through(chunk, 1);
    }

    /// So many messages of a chunk are settled; with the last one it is closed, in the commit of that one's outcome.
    fn through(&mut self, chunk: ChunkId, messages: usize) {
        let early = self.settings.planted.has(Fault::CloseEarly) && self.outstanding.holds(chunk);
        if self.outstanding.settled(chunk, messages) || early {
            self.tally.record.done.push(chunk);
            if let Some(holding) = self.holdings.remove(&chunk) {
                self.tally.queue_again(chunk, &holding.line, holding.attempt, Duration::ZERO, holding.rest);
            }
        }
    }

    fn abandon(&mut self, line: &Line, chunk: ChunkId) {
        self.hands.remove(line);
        self.outstanding.abandon(chunk);
        self.holdings.remove(&chunk);
    }

    /// What was never marked goes back into the queue, in the commit that closes its chunk: queued earlier, a crash in
    /// between would queue it twice.
    fn give_back(&mut self) {
        if let Some(cut) = self.cut.take()
            && let Some(hand) = self.hands.get_mut(&cut.line)
        {
            // Whether its mark is written is not known, and nothing of it was handed out.
            cut.slice.into_iter().rev().for_each(|one| hand.left.push_front(one));
        }
        let lines: Vec<Line> = self.hands.keys().cloned().collect();
        lines.iter().for_each(|line| self.put_back(line));
    }

    fn put_back(&mut self, line: &Line) {
        let Some(hand) = self.hands.remove(line) else { return };
        let rest: Vec<MessageId> = hand.left.iter().map(|one| one.message.id).collect();
        let messages = rest.len();
        if self.settings.planted.has(Fault::RequeueWhileOpen) {
            self.tally.queue_again(hand.chunk, line, hand.attempt, Duration::ZERO, rest);
        } else if let Some(holding) = self.holdings.get_mut(&hand.chunk) {
            holding.rest = rest;
        }
        self.through(hand.chunk, messages);
    }
}

/// Whether some bind of the lane has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// What was not written goes there.
    Some,
    /// What was not written goes back into the queue.
    None,
}
