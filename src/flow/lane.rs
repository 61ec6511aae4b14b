//! A lane's work between memory and wire, without either: which line is leased next, which slice is cut, what is handed to
//! a bind, what becomes of it. The journeys drive it with the store's answers, the simulation with a model's; it is the
//! same code.
//!
//! Two hands drive it, each with at most one question to the memory: [`LaneMachine::step`] and its answers on the way
//! out, [`LaneMachine::settle`] and [`LaneMachine::take`] on the way back.

mod parts;
mod settlement;
mod slices;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flow::consent::Judgement;
use crate::message::{IdSource, MessageId, Msisdn, Outbound, OutcomeKind, Purpose};
use crate::rules::delivery::Patience;
use crate::rules::machines::correlator::Awaited;
use crate::rules::machines::dispatcher::{Dispatcher, Line};
use crate::rules::machines::doubt::{Doubts, LISTEN};
use crate::rules::machines::faults::{Fault, Planted};
use crate::rules::machines::outstanding::Outstanding;
use crate::smpp::door::{Door, Pass};
use crate::smpp::submission::{PartTag, Settled, Submission};
use crate::store::{ChunkId, LeasedChunk, LineDue, Marked, OutcomeRow, SliceMark, StoreError};

use parts::{Prepared, instant_of, prepare, take_slice};
pub(super) use parts::{addresses, part_count, part_texts};
pub use settlement::Taken;
use settlement::{Tally, outcome_of};
pub(super) use settlement::{in_doubt_row, outcome, retry_row, taken_before};
use slices::{Cut, Hand, History, Piece};

/// A lane looks for work this often even when nobody wakes it: what is relied on. Waking only makes it sooner.
const LOOK_EVERY_MS: i64 = 250;
/// A lane that is woken over and over looks no more often than this while it has something to send.
const LOOK_AT_MOST_EVERY_MS: i64 = 20;
/// How long to leave the memory alone after it failed.
const STORE_PAUSE_MS: i64 = 1_000;
/// What nobody holds is looked for this often: a lease of an earlier run may be carried out by a slow database after the
/// start has settled all it found. Such a chunk is late by this at most.
const RECOVER_EVERY_MS: i64 = 60_000;
/// With so many messages in hand no further line begins: of some 300 octets each, some 5 MB.
const MESSAGES_IN_HAND: usize = 16_000;
/// Messages of a line leased in one commit, where its slices are that large: what comes one by one, a chunk each, shares
/// commits all the same.
const MESSAGES_A_LEASE: usize = 2_000;

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
    /// Lease the next chunks of this line, one at least and more while there are fewer messages than this:
    /// [`LaneMachine::leased`].
    Lease(Line, usize),
    /// Ask which parts of these messages a carrier has taken: [`LaneMachine::history`].
    History(Vec<MessageId>),
    /// Mark this slice, chunk by chunk: [`LaneMachine::marked`].
    Mark(Vec<SliceMark>),
    /// A lease's answer was lost, or it is time again: settle what nobody holds, then [`LaneMachine::recovered`].
    Recover,
    /// Come again when a bind has room.
    Room,
    /// Come again at this time, or when woken: [`LaneMachine::wake`].
    Wait(i64),
    /// Asked to stop, and everything not handed out is on its way back into the queue.
    Stopped,
}

/// What goes with a message that is out.
#[derive(Debug)]
struct Handed {
    purpose: Purpose,
    to: Msisdn,
    awaited: Awaited,
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
    /// How long that waits.
    wait: Duration,
}

/// A carrier account's work.
#[derive(Debug)]
pub struct LaneMachine {
    settings: LaneSettings,
    dispatcher: Dispatcher,
    /// By line, in the order they go.
    hands: BTreeMap<Line, VecDeque<Hand>>,
    cut: Option<Cut>,
    look_at: i64,
    looked_at: i64,
    pause_until: i64,
    lease_lost: bool,
    recover_at: Option<i64>,
    stopping: bool,
    /// Since when a receipt could come.
    heard_since: Option<Instant>,
    /// What is asked about was answered just now: it is good however long that took.
    answered: bool,
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
            heard_since: None,
            answered: false,
            outstanding: Outstanding::default(),
            holdings: BTreeMap::new(),
            tally: Tally::default(),
            settings,
        }
    }

    /// What is to be done next. `room`: parts the roomiest bind takes now.
    pub fn step(&mut self, now: Now, room: usize, hearing: Hearing, door: &Arc<Door>) -> Step {
        self.heard_since = match hearing {
            Hearing::Yes => Some(self.heard_since.unwrap_or(now.instant)),
            Hearing::No => None,
        };
        let answered = std::mem::take(&mut self.answered);
        if self.stopping {
            self.give_back();
            return Step::Stopped;
        }
        self.stay_within_reach(now.ms);
        if now.ms < self.pause_until {
            return Step::Wait(self.pause_until);
        }
        if let Some(cut) = &self.cut {
            if self
                .hands
                .get(&cut.line)
                .is_none_or(|hands| hands.iter().all(|hand| hand.is_good(now.instant)))
            {
                return cut.step();
            }
            // The memory was away, and who knows what it was told since.
            self.uncut();
        }
        // The start has just done it.
        let recover_at = *self.recover_at.get_or_insert(now.ms + RECOVER_EVERY_MS);
        if self.lease_lost || now.ms >= recover_at {
            return Step::Recover;
        }
        if room == 0 {
            return Step::Room;
        }
        let heard_for = self.heard_since.map(|since| now.instant.saturating_duration_since(since));
        if self.settings.doubts.listens(heard_for) {
            self.put_off(now.instant);
        }
        let unknown = self.unknown(now.instant);
        if !unknown.is_empty() {
            return Step::History(unknown);
        }
        if now.ms >= self.look_at && !answered {
            return Step::Look;
        }
        match self.dispatcher.next(now.ms) {
            None => Step::Wait(self.look_at),
            Some(line) if self.hands.contains_key(&line) => self.cut(&line, room, door, now),
            Some(line) => Step::Lease(line, self.settings.slice_parts.min(MESSAGES_A_LEASE)),
        }
    }

    /// Whether something is to be written down: [`LaneMachine::take`].
    pub fn owes(&self) -> bool {
        !self.tally.is_empty()
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
        let in_hand: usize = self.hands.values().flatten().map(|hand| hand.left.len()).sum();
        for LineDue { line, due_ms } in lines {
            if due_ms > now.ms {
                self.look_at = self.look_at.min(due_ms);
            } else if in_hand < MESSAGES_IN_HAND || self.hands.contains_key(&line) {
                self.dispatcher.has_work(line, now.ms);
            }
        }
    }

    /// Chunks of the line asked for, in the order they go, or none where none was due any more. `judge`: what the door out
    /// asks about a message.
    pub fn leased(
        &mut self,
        now: Now,
        line: &Line,
        answer: Result<Vec<LeasedChunk>, StoreError>,
        judge: impl Fn(&Outbound) -> Judgement,
    ) {
        match answer {
            Ok(chunks) if chunks.is_empty() => self.dispatcher.is_done(line),
            Ok(chunks) => {
                let hands: VecDeque<Hand> =
                    chunks.into_iter().map(|chunk| self.take_in_hand(chunk, &judge)).collect();
                self.hands.entry(line.clone()).or_default().extend(hands);
            }
            Err(_) => {
                self.lease_lost = true;
                self.rest(now);
            }
        }
    }

    /// The parts of the messages asked for that a carrier has taken already.
    pub fn history(&mut self, now: Now, answer: Result<HashMap<MessageId, Vec<i64>>, StoreError>) {
        let Ok(mut taken) = answer else { return self.rest(now) };
        self.answered = true;
        for hand in self.hands.values_mut().flatten().filter(|hand| !matches!(hand.history, History::First)) {
            let of_hand = hand.left.iter().map(|one| one.message.id);
            hand.history =
                History::Taken(of_hand.filter_map(|id| taken.remove_entry(&id)).collect(), now.instant);
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

    /// The slice is marked: gives what is to be handed to the roomiest bind, in this order.
    pub fn marked(&mut self, now: Now, answer: Result<Marked, StoreError>) -> Vec<Submission> {
        let marked = match answer {
            Ok(marked) => marked,
            Err(_) if self.settings.planted.has(Fault::WriteBeforeMark) => Marked::default(),
            Err(_) => {
                self.rest(now);
                return Vec::new();
            }
        };
        let Some(Cut { line, pass, pieces }) = self.cut.take() else { return Vec::new() };
        let mut hands = self.hands.remove(&line).unwrap_or_default();
        let parts: usize = pieces.iter().flat_map(|piece| &piece.slice).map(Prepared::part_count).sum();
        self.dispatcher.served(&line, parts.max(1), now.ms);
        let mut submissions = Vec::with_capacity(parts);
        for Piece { mark, slice } in pieces {
            // Not ours any more: whoever has it now knows from the watermark what we have sent of it.
            if marked.refused.contains(&mark.chunk) {
                hands.retain(|hand| hand.chunk != mark.chunk);
                self.abandon(mark.chunk);
                continue;
            }
            let Some(hand) = hands.iter().find(|hand| hand.chunk == mark.chunk) else { continue };
            for one in slice {
                self.hand_out(now, hand, &pass, &marked.stopped, one, &mut submissions);
            }
        }
        hands.retain(|hand| !hand.left.is_empty());
        if !hands.is_empty() {
            self.hands.insert(line, hands);
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

    /// A time of day that was set back puts everything that was to come far ahead: nothing is waited for longer than it
    /// ever is.
    fn stay_within_reach(&mut self, now_ms: i64) {
        self.pause_until = self.pause_until.min(now_ms + STORE_PAUSE_MS);
        self.look_at = self.look_at.min(now_ms + LOOK_EVERY_MS);
        self.looked_at = self.looked_at.min(now_ms);
        self.recover_at = self.recover_at.map(|at_ms| at_ms.min(now_ms + RECOVER_EVERY_MS));
    }

    /// What is to be asked about goes back into the queue for a while; what follows it goes on.
    fn put_off(&mut self, now: Instant) {
        for (line, hands) in std::mem::take(&mut self.hands) {
            let (on, off): (VecDeque<Hand>, VecDeque<Hand>) =
                hands.into_iter().partition(|hand| hand.is_good(now));
            off.into_iter().for_each(|hand| self.put_back(&line, hand, LISTEN));
            if !on.is_empty() {
                self.hands.insert(line, on);
            }
        }
    }

    /// The messages in hand of which is to be asked whether a carrier has them: where anything is, all that are tried again.
    fn unknown(&self, now: Instant) -> Vec<MessageId> {
        let again = || self.hands.values().flatten().filter(|hand| !matches!(hand.history, History::First));
        if again().all(|hand| hand.is_good(now)) {
            return Vec::new();
        }
        again().flat_map(|hand| hand.left.iter().map(|one| one.message.id)).collect()
    }

    fn rest(&mut self, now: Now) {
        self.pause_until = now.ms + STORE_PAUSE_MS;
    }

    fn take_in_hand(&mut self, chunk: LeasedChunk, judge: &impl Fn(&Outbound) -> Judgement) -> Hand {
        let rest = chunk.members.into_iter().skip(chunk.sent_upto);
        let short_code = self.settings.short_code;
        let cut = |message: Outbound| {
            let judgement = judge(&message);
            prepare(message, judgement, short_code)
        };
        let left: VecDeque<Prepared> = rest.map(cut).collect();
        let history = if chunk.attempt == 0 { History::First } else { History::Unknown };
        self.outstanding.begin(chunk.id, left.len());
        let of = Line { class: chunk.class, campaign: chunk.campaign.clone() };
        let holding = Holding { line: of, attempt: chunk.attempt, rest: Vec::new(), wait: Duration::ZERO };
        self.holdings.insert(chunk.id, holding);
        Hand {
            chunk: chunk.id,
            attempt: chunk.attempt,
            upto: chunk.sent_upto,
            left,
            history,
            closes_ms: chunk.closes_ms,
        }
    }

    /// Cuts the next slice of the line's chunks. The pass comes before the memory is asked: a STOP in between is seen by
    /// the gate.
    fn cut(&mut self, line: &Line, room: usize, door: &Arc<Door>, now: Now) -> Step {
        let mut hands = self.hands.remove(line).unwrap_or_default();
        // Night has come over a slow chunk: its rest is judged again when it is leased again.
        let night = |hand: &Hand| hand.closes_ms.is_some_and(|closes_ms| closes_ms <= now.ms);
        if hands.iter().any(night) {
            let (over, awake): (VecDeque<Hand>, VecDeque<Hand>) = hands.into_iter().partition(night);
            over.into_iter().for_each(|hand| self.put_back(line, hand, Duration::ZERO));
            hands = awake;
        }
        let pass = door.enter();
        let mut room = room.min(self.settings.slice_parts);
        let mut pieces = Vec::new();
        for hand in &mut hands {
            let fits = |one: &Prepared| one.part_count() <= room;
            if room == 0 || (!pieces.is_empty() && !hand.left.front().is_some_and(fits)) {
                break;
            }
            let slice = take_slice(&mut hand.left, room);
            room = room.saturating_sub(slice.iter().map(Prepared::part_count).sum());
            pieces.push(hand.piece(slice, now));
        }
        if !hands.is_empty() {
            self.hands.insert(line.clone(), hands);
        }
        if pieces.is_empty() {
            return Step::Wait(now.ms);
        }
        self.cut.insert(Cut { line: line.clone(), pass, pieces }).step()
    }

    /// Hands out what of a marked message may go, or settles it.
    fn hand_out(
        &mut self,
        now: Now,
        hand: &Hand,
        pass: &Arc<Pass>,
        stopped: &BTreeSet<MessageId>,
        one: Prepared,
        submissions: &mut Vec<Submission>,
    ) {
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
            History::Taken(taken, _) => taken.get(&id).map(Vec::as_slice).unwrap_or_default(),
            History::First | History::Unknown => &[],
        };
        let not_after = one.message.expires_ms.map(|until_ms| instant_of(now, until_ms));
        // The carrier may try until the message's time or its people's hours end, whichever comes first.
        let valid_until =
            not_after.into_iter().chain(hand.closes_ms.map(|at_ms| instant_of(now, at_ms))).min();
        let before = submissions.len();
        let missing = parts.into_iter().zip(0_i64..).filter(|(_, part)| !taken.contains(part));
        submissions.extend(missing.map(|(sm, part)| Submission {
            tag: PartTag { message: id, attempt, part },
            number: one.message.to,
            scopes: Arc::clone(&one.scopes),
            pass: Arc::clone(pass),
            not_after,
            valid_until,
            sm,
        }));
        let parts = submissions.len() - before;
        if parts == 0 {
            // Word of it came while it waited to be sent again.
            return self.end(chunk, taken_before(id, attempt, now.ms));
        }
        let awaited = if one.message.registered_delivery.is_some() { Awaited::Yes } else { Awaited::No };
        let (purpose, to) = (one.message.purpose, one.message.to);
        let handed = Handed { purpose, to, awaited, attempt, again: Vec::new() };
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
                self.tally.queue_again(chunk, &holding.line, holding.attempt, holding.wait, holding.rest);
            }
        }
    }

    fn abandon(&mut self, chunk: ChunkId) {
        self.outstanding.abandon(chunk);
        self.holdings.remove(&chunk);
    }

    /// What was never marked goes back into the queue, in the commit that closes its chunk: queued earlier, a crash in
    /// between would queue it twice.
    fn give_back(&mut self) {
        self.uncut();
        for (line, hands) in std::mem::take(&mut self.hands) {
            hands.into_iter().for_each(|hand| self.put_back(&line, hand, Duration::ZERO));
        }
    }

    /// Nothing of the slice was handed out; whether its marks are written is not known, and a mark never goes back.
    fn uncut(&mut self) {
        let Some(cut) = self.cut.take() else { return };
        let hands = self.hands.entry(cut.line).or_default();
        for Piece { mark, slice } in cut.pieces {
            if let Some(hand) = hands.iter_mut().find(|hand| hand.chunk == mark.chunk) {
                hand.upto -= slice.len();
                slice.into_iter().rev().for_each(|one| hand.left.push_front(one));
            }
        }
    }

    /// What is left of a chunk goes back into the queue, and waits for so long.
    fn put_back(&mut self, line: &Line, hand: Hand, wait: Duration) {
        let rest: Vec<MessageId> = hand.left.iter().map(|one| one.message.id).collect();
        let messages = rest.len();
        if self.settings.planted.has(Fault::RequeueWhileOpen) {
            self.tally.queue_again(hand.chunk, line, hand.attempt, wait, rest);
        } else if let Some(holding) = self.holdings.get_mut(&hand.chunk) {
            (holding.rest, holding.wait) = (rest, wait);
        }
        self.through(hand.chunk, messages);
    }
}

/// Whether a bind is up by which receipts come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// One is, or the account has none ever.
    Yes,
    /// None is: what the carrier has to tell waits.
    No,
}

/// Whether some bind of the lane has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// What was not written goes there.
    Some,
    /// What was not written goes back into the queue.
    None,
}

#[cfg(test)]
mod tests;
