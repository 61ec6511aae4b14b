//! The store as plain maps: what `backchat::store` promises, and nothing of how. One test holds it to the real stores; the
//! simulation runs on it.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use backchat::message::{MessageId, Outbound, OutcomeKind, Scope};
use backchat::rules::machines::dispatcher::Line;
use backchat::store::{
    Acceptance, Answered, ChunkId, Interrupted, LeasedChunk, LineDue, Marked, NewChunk, OutcomeRow,
    ReceiptFate, ReceiptRow, Record, SliceMark, Word,
};

/// So many interrupted chunks are told at once.
const INTERRUPTED_AT_ONCE: usize = 64;

/// What the model does wrong on purpose, for the simulation to catch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Chunks that carry on a lease are put down even when the lease is not ours any more.
    pub ignore_epoch: bool,
    /// A receipt whose message is not known yet is forgotten.
    pub forget_parked: bool,
    /// The receipt that came last decides, not the one that is final.
    pub revert_final: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Lease {
    Waiting,
    Leased { epoch: i64 },
    Done,
}

#[derive(Debug, Clone)]
struct Chunk {
    new: NewChunk,
    lease: Lease,
    lease_ms: i64,
    lease_until_ms: i64,
    sent_upto: usize,
}

/// The memory.
#[derive(Debug, Clone, Default)]
pub struct Model {
    epoch: i64,
    messages: BTreeMap<MessageId, Outbound>,
    chunks: BTreeMap<ChunkId, Chunk>,
    outcomes: BTreeMap<(MessageId, i64, i64, &'static str), OutcomeRow>,
    /// By the carrier's id: the parts it has taken under it.
    taken: BTreeMap<(String, String), BTreeSet<(MessageId, i64)>>,
    receipts: BTreeMap<i64, (ReceiptRow, Option<(MessageId, i64)>)>,
    /// Receipts by the id they name.
    named: BTreeMap<(String, String), Vec<i64>>,
    /// Receipts by their message.
    of: BTreeMap<MessageId, BTreeSet<i64>>,
    optouts: BTreeSet<(u64, String)>,
    inbound: BTreeMap<u64, u64>,
    held: BTreeSet<ChunkId>,
    /// What it does wrong on purpose.
    pub flaws: Flaws,
}

impl Model {
    /// A process opens it: a new epoch, and nobody holds anything.
    pub fn open(&mut self) -> i64 {
        self.epoch += 1;
        self.held.clear();
        self.epoch
    }

    /// The epoch of the process that opened it last.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Puts messages and their chunks down.
    pub fn accept(&mut self, epoch: i64, acceptance: &Acceptance) {
        for message in &acceptance.messages {
            self.messages.entry(message.id).or_insert_with(|| message.clone());
        }
        acceptance.chunks.iter().for_each(|chunk| self.put_chunk(epoch, chunk));
    }

    fn put_chunk(&mut self, epoch: i64, new: &NewChunk) {
        let ours = match new.carries_on.and_then(|before| self.chunks.get(&before)) {
            Some(before) => before.lease == Lease::Leased { epoch } || self.flaws.ignore_epoch,
            None => new.carries_on.is_none(),
        };
        if ours {
            self.chunks.entry(new.id).or_insert_with(|| Chunk {
                new: new.clone(),
                lease: Lease::Waiting,
                lease_ms: 0,
                lease_until_ms: 0,
                sent_upto: 0,
            });
        }
    }

    /// The lines of a lane that wait, most urgent first.
    pub fn lines(&self, lane: &str) -> Vec<LineDue> {
        let mut due: BTreeMap<Line, i64> = BTreeMap::new();
        for chunk in
            self.chunks.values().filter(|chunk| chunk.lease == Lease::Waiting && chunk.new.lane == lane)
        {
            let first = due.entry(line_of(&chunk.new)).or_insert(i64::MAX);
            *first = (*first).min(chunk.new.not_before_ms);
        }
        due.into_iter().map(|(line, due_ms)| LineDue { line, due_ms }).collect()
    }

    /// Leases the chunks of a line that have been due longest: one, and more while those before hold too few messages.
    pub fn lease(
        &mut self,
        epoch: i64,
        lane: &str,
        line: &Line,
        messages: usize,
        now_ms: i64,
        lease_ms: i64,
    ) -> Vec<LeasedChunk> {
        let due = |chunk: &Chunk| {
            chunk.lease == Lease::Waiting
                && chunk.new.lane == lane
                && line_of(&chunk.new) == *line
                && chunk.new.not_before_ms <= now_ms
        };
        let due = self.chunks.iter().filter(|(_, chunk)| due(chunk));
        let due: BTreeSet<(i64, ChunkId)> = due.map(|(id, chunk)| (chunk.new.not_before_ms, *id)).collect();
        let (mut ids, mut before) = (Vec::new(), 0);
        for (_, id) in due {
            let Some(chunk) = self.chunks.get_mut(&id).filter(|_| before < messages) else { break };
            before += chunk.new.members.len() - chunk.sent_upto;
            chunk.lease = Lease::Leased { epoch };
            chunk.lease_ms = lease_ms;
            chunk.lease_until_ms = now_ms + lease_ms;
            ids.push(id);
        }
        ids.into_iter().map(|id| self.leased(id)).collect()
    }

    /// The chunk has arrived at who asked for it.
    pub fn hand_over(&mut self, chunk: ChunkId) {
        self.held.insert(chunk);
    }

    fn leased(&self, id: ChunkId) -> LeasedChunk {
        let chunk = &self.chunks[&id];
        LeasedChunk {
            id,
            lane: chunk.new.lane.clone(),
            class: chunk.new.class,
            campaign: chunk.new.campaign.clone(),
            attempt: chunk.new.attempt,
            sent_upto: chunk.sent_upto,
            lease_until_ms: chunk.lease_until_ms,
            closes_ms: None,
            members: chunk.new.members.iter().map(|id| self.messages[id].clone()).collect(),
        }
    }

    /// Moves the watermarks of a slice's chunks.
    pub fn mark(&mut self, epoch: i64, marks: &[SliceMark]) -> Marked {
        let mut marked = Marked::default();
        marks.iter().for_each(|mark| self.mark_chunk(epoch, mark, &mut marked));
        marked
    }

    fn mark_chunk(&mut self, epoch: i64, mark: &SliceMark, marked: &mut Marked) {
        let ours = |chunk: &&mut Chunk| chunk.lease == Lease::Leased { epoch };
        let Some(chunk) = self.chunks.get_mut(&mark.chunk).filter(ours) else {
            return marked.refused.push(mark.chunk);
        };
        chunk.sent_upto = chunk.sent_upto.max(mark.upto);
        chunk.lease_until_ms = mark.at_ms + chunk.lease_ms;
        for check in &mark.checks {
            let blocks = |scope: &&Scope| self.optouts.contains(&(check.number.0, scope.to_string()));
            if let Some(scope) = check.scopes.iter().find(blocks) {
                marked.stopped.insert(check.message);
                let row = OutcomeRow {
                    message: check.message,
                    attempt: check.attempt,
                    part: 0,
                    kind: OutcomeKind::Suppressed,
                    bind: None,
                    carrier: None,
                    status: None,
                    carrier_id: None,
                    carrier_key: None,
                    cause: Some(scope.to_string()),
                    at_ms: mark.at_ms,
                    took_ms: None,
                };
                self.put_outcome(row);
            }
        }
    }

    fn put_outcome(&mut self, row: OutcomeRow) {
        if let (OutcomeKind::Sent, Some(carrier), Some(key)) = (row.kind, &row.carrier, &row.carrier_key) {
            let under = self.taken.entry((carrier.clone(), key.clone())).or_default();
            under.insert((row.message, row.part));
        }
        let key = (row.message, row.attempt, row.part, row.kind.name());
        self.outcomes.entry(key).or_insert(row);
    }

    /// Records what came of messages.
    pub fn record(&mut self, epoch: i64, record: &Record) {
        record.retry.iter().for_each(|chunk| self.put_chunk(epoch, chunk));
        let refused = |message| {
            record
                .retry
                .iter()
                .any(|new| new.members.contains(&message) && !self.chunks.contains_key(&new.id))
        };
        let counts = |row: &&OutcomeRow| row.kind != OutcomeKind::Retry || !refused(row.message);
        let rows: Vec<OutcomeRow> = record.outcomes.iter().filter(counts).cloned().collect();
        rows.into_iter().for_each(|row| self.put_outcome(row));
        for row in record.outcomes.iter().filter(|row| row.kind == OutcomeKind::Sent) {
            let Some(key) = row.carrier.clone().zip(row.carrier_key.clone()) else { continue };
            for id in self.named.get(&key).into_iter().flatten() {
                if let Some((_, found)) = self.receipts.get_mut(id)
                    && found.is_none()
                {
                    *found = Some((row.message, row.part));
                    self.of.entry(row.message).or_default().insert(*id);
                }
            }
        }
        for id in &record.done {
            self.held.remove(id);
            if let Some(chunk) = self.chunks.get_mut(id)
                && chunk.lease == (Lease::Leased { epoch })
            {
                chunk.lease = Lease::Done;
            }
        }
    }

    /// Stores receipts; tells what became of each.
    pub fn receipts(&mut self, receipts: &[ReceiptRow]) -> Vec<ReceiptFate> {
        receipts.iter().map(|receipt| self.receipt(receipt)).collect()
    }

    fn receipt(&mut self, receipt: &ReceiptRow) -> ReceiptFate {
        let fate = |found: Option<(MessageId, i64)>| match found {
            Some((message, part)) => ReceiptFate::Matched { message, part },
            None => ReceiptFate::Waiting,
        };
        if let Some((_, found)) = self.receipts.get(&receipt.id) {
            return fate(*found);
        }
        let key = (receipt.carrier.clone(), receipt.carrier_key.clone());
        let found = self.taken.get(&key).and_then(|taken| taken.last().copied());
        let known = self.named.get(&key).into_iter().flatten().filter_map(|id| self.receipts.get(id));
        let same = known.into_iter().any(|(known, other)| known.state == receipt.state && *other == found);
        if same {
            return ReceiptFate::Duplicate;
        }
        if found.is_some() || !self.flaws.forget_parked {
            self.receipts.insert(receipt.id, (receipt.clone(), found));
            self.named.entry(key).or_default().push(receipt.id);
            if let Some((message, _)) = found {
                self.of.entry(message).or_default().insert(receipt.id);
            }
        }
        fate(found)
    }

    /// Takes over what nobody alive holds: chunks of earlier epochs, and of ours that are in nobody's hands.
    pub fn interrupted(&mut self, epoch: i64, now_ms: i64, lease_ms: i64) -> Vec<Interrupted> {
        for chunk in self.chunks.values_mut() {
            if matches!(chunk.lease, Lease::Leased { epoch: other } if other < epoch) {
                chunk.lease = Lease::Leased { epoch };
                chunk.lease_ms = lease_ms;
                chunk.lease_until_ms = now_ms + lease_ms;
            }
        }
        let ids: Vec<ChunkId> = self
            .chunks
            .iter()
            .filter(|(id, chunk)| chunk.lease == (Lease::Leased { epoch }) && !self.held.contains(id))
            .map(|(id, _)| *id)
            .take(INTERRUPTED_AT_ONCE)
            .collect();
        ids.into_iter().map(|id| self.judge(id)).collect()
    }

    fn judge(&self, id: ChunkId) -> Interrupted {
        let chunk = self.leased(id);
        let (mut in_doubt, mut answered, mut unsent) = (Vec::new(), Vec::new(), Vec::new());
        for (place, message) in chunk.members.iter().enumerate() {
            if place >= chunk.sent_upto {
                unsent.push(message.clone());
                continue;
            }
            let (message, mut parts) = (message.clone(), BTreeSet::new());
            let mut word = Word::Nothing;
            for row in self.rows(message.id) {
                let of_this = row.attempt == chunk.attempt;
                if of_this || (row.attempt < chunk.attempt && row.kind == OutcomeKind::Sent) {
                    parts.insert(row.part);
                }
                if of_this {
                    word = word.max(match row.kind {
                        OutcomeKind::Sent | OutcomeKind::Retry | OutcomeKind::InDoubt => Word::Parts,
                        _ if row.bind.is_some() => Word::Refused,
                        _ => Word::Ended,
                    });
                }
            }
            if parts.is_empty() {
                in_doubt.push(message);
            } else {
                answered.push(Answered { message, parts: parts.into_iter().collect(), word });
            }
        }
        Interrupted { chunk, in_doubt, answered, unsent }
    }

    /// The parts of messages that a carrier has taken.
    pub fn sent_parts(&self, messages: &[MessageId]) -> HashMap<MessageId, Vec<i64>> {
        let mut sent: HashMap<MessageId, Vec<i64>> = HashMap::new();
        for message in messages {
            for row in self.rows(*message).filter(|row| row.kind == OutcomeKind::Sent) {
                let parts = sent.entry(*message).or_default();
                if !parts.contains(&row.part) {
                    parts.push(row.part);
                }
            }
        }
        sent
    }

    /// Opts out, or back in.
    pub fn consent(&mut self, number: u64, scope: &str, out: bool) {
        if out {
            self.optouts.insert((number, scope.to_owned()));
        } else {
            self.optouts.remove(&(number, scope.to_owned()));
        }
    }

    /// Whether a number is opted out of a scope.
    pub fn is_out(&self, number: u64, scope: &str) -> bool {
        self.optouts.contains(&(number, scope.to_owned()))
    }

    /// Registers what a handset sent. False: it is known already.
    pub fn take_inbound(&mut self, mo: u64) -> bool {
        *self.inbound.entry(mo).or_default() += 1;
        self.inbound[&mo] == 1
    }

    /// Whether it is registered.
    pub fn knows_inbound(&self, mo: u64) -> bool {
        self.inbound.contains_key(&mo)
    }

    /// What is registered, and how often.
    pub fn registered(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.inbound.iter().map(|(mo, times)| (*mo, *times))
    }

    /// All messages.
    pub fn messages(&self) -> impl Iterator<Item = &Outbound> {
        self.messages.values()
    }

    /// Whether a message was ever listed as in doubt.
    pub fn listed(&self, message: MessageId) -> bool {
        self.rows(message).any(|row| row.kind == OutcomeKind::InDoubt)
    }

    /// The carrier's ids on record, by part.
    pub fn ids(&self, message: MessageId) -> Vec<(i64, String)> {
        self.rows(message).filter_map(|row| Some((row.part, row.carrier_id.clone()?))).collect()
    }

    /// Chunks that are not through.
    pub fn unfinished(&self) -> usize {
        self.chunks.values().filter(|chunk| chunk.lease != Lease::Done).count()
    }

    fn rows(&self, message: MessageId) -> impl Iterator<Item = &OutcomeRow> {
        let range = (message, i64::MIN, i64::MIN, "")..=(message, i64::MAX, i64::MAX, "~");
        self.outcomes.range(range).map(|(_, row)| row)
    }

    /// The one state a message is in.
    pub fn state(&self, message: MessageId) -> &'static str {
        let receipts: Vec<(&ReceiptRow, i64)> = self
            .of
            .get(&message)
            .into_iter()
            .flatten()
            .filter_map(|id| self.receipts.get(id))
            .filter_map(|(receipt, found)| found.map(|(_, part)| (receipt, part)))
            .collect();
        if self.flaws.revert_final
            && let Some((last, _)) = receipts.iter().max_by_key(|(receipt, _)| receipt.received_ms)
        {
            return if last.state == "delivered" { "delivered" } else { "sent" };
        }
        let arrived = |part: i64| receipts.iter().any(|(one, of)| *of == part && one.state == "delivered");
        let failure = receipts
            .iter()
            .filter(|(one, part)| one.is_final && one.state != "delivered" && !arrived(*part))
            .min_by_key(|(one, _)| (one.received_ms, one.id));
        if let Some((failure, _)) = failure {
            return match failure.state.as_str() {
                "expired" => "expired",
                "rejected" => "rejected",
                _ => "undeliverable",
            };
        }
        let some = receipts.iter().any(|(one, _)| one.state == "delivered");
        let all = self.rows(message).all(|row| arrived(row.part));
        if some && all {
            return "delivered";
        }
        let weight = |row: &OutcomeRow| match row.kind {
            OutcomeKind::Suppressed => (9, "suppressed"),
            OutcomeKind::Rejected => (8, "rejected"),
            OutcomeKind::Expired => (7, "expired"),
            OutcomeKind::GaveUp => (6, "gave_up"),
            OutcomeKind::Retry => (5, "queued"),
            OutcomeKind::InDoubt => {
                let key = (row.message, row.attempt, row.part, OutcomeKind::Sent.name());
                if self.outcomes.contains_key(&key) { (2, "sent") } else { (4, "in_doubt") }
            }
            OutcomeKind::Sent => (3, "sent"),
        };
        self.rows(message)
            .map(|row| (row.attempt * 10 + weight(row).0, weight(row).1))
            .max()
            .map_or("queued", |(_, state)| state)
    }
}

fn line_of(chunk: &NewChunk) -> Line {
    Line::of(chunk.class, chunk.campaign.as_ref())
}
