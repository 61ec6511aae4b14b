//! The store as a run meets it: commands that fail, that commit and lose their answer, that are slow, that are carried out
//! although who asked is dead.

use std::collections::{BTreeMap, HashMap, VecDeque};

use backchat::message::MessageId;
use backchat::rules::machines::dispatcher::Line;
use backchat::store::{
    Acceptance, Interrupted, LeasedChunk, LineDue, Marked, ReceiptRow, Record, SliceMark, StoreError,
};

use crate::dice::Dice;
use crate::gateway::{LANE, LEASE_MS, SCOPE};
use crate::history::What;
use crate::model::Model;
use crate::plan::{Broken, WorldFault};
use crate::world::{Event, World};

/// Commits a power cut takes back where the disk was not asked to sync.
const UNSYNCED: usize = 12;

/// What the gateway asks of its store.
#[derive(Debug, Clone)]
pub enum Command {
    Lines,
    Lease(Line, usize),
    History(Vec<MessageId>),
    Mark(Vec<SliceMark>),
    Record(Record),
    Interrupted,
    Settled(Record),
    Accept(u64, Acceptance),
    Receipts { rows: Vec<ReceiptRow>, connection: u64, sequence: u32 },
    Said { mo: u64, number: u64, word: Word, confirmation: Acceptance, connection: u64, sequence: u32 },
}

/// What a handset says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Stop,
    Start,
    Hello,
}

/// What the store answers.
#[derive(Debug)]
pub enum Told {
    Lines(Vec<LineDue>),
    Leased(Vec<LeasedChunk>),
    History(HashMap<MessageId, Vec<i64>>),
    Marked(Marked),
    Interrupted(Vec<Interrupted>),
    Done,
    /// It is registered already: a redelivery. Whether the handset is opted out now.
    Known {
        out: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Fails,
    LosesAnswer,
    LosesCommit,
}

struct Pending {
    run: u64,
    epoch: i64,
    command: Command,
    fate: Fate,
    told: Option<Result<Told, StoreError>>,
    orphaned: bool,
}

pub struct Memory {
    pub model: Model,
    pub down: bool,
    pending: BTreeMap<u64, Pending>,
    commands: u64,
    broken: Broken,
    past: VecDeque<Model>,
}

impl Memory {
    pub fn new(broken: Broken) -> Self {
        let mut model = Model::default();
        model.flaws = broken.flaws();
        Self { model, down: false, pending: BTreeMap::new(), commands: 0, broken, past: VecDeque::new() }
    }

    pub fn is_quiet(&self) -> bool {
        self.pending.values().all(|pending| matches!(pending.command, Command::Lines))
    }

    /// Who asked is dead. What was on its way may be carried out all the same.
    pub fn crash(&mut self, dice: &mut Dice) {
        self.pending.retain(|_, pending| pending.told.is_none() && dice.chance(500));
        self.pending.values_mut().for_each(|pending| pending.orphaned = true);
        if self.broken.is(WorldFault::SynchronousOff)
            && let Some(past) = self.past.front().cloned()
        {
            let epoch = self.model.epoch();
            self.model = past;
            while self.model.epoch() < epoch {
                self.model.open();
            }
            self.past.clear();
        }
    }
}

impl World {
    /// Asks the store.
    pub fn ask(&mut self, command: Command) {
        let Some(gateway) = &self.gateway else { return };
        let (run, epoch) = (gateway.run, gateway.epoch);
        let read = matches!(command, Command::Lines | Command::History(_));
        let fate = if self.dice.chance(self.odds.store_fails) {
            Fate::Fails
        } else if !read && self.dice.chance(self.odds.store_unknown) {
            self.dice.pick(&[Fate::LosesAnswer, Fate::LosesCommit])
        } else {
            Fate::Fine
        };
        let mut wait = self.dice.between(80, 700);
        if self.dice.chance(self.odds.store_slow) {
            wait += self.dice.between(5_000, 700_000);
        }
        self.memory.commands += 1;
        let id = self.memory.commands;
        let pending = Pending { run, epoch, command, fate, told: None, orphaned: false };
        self.memory.pending.insert(id, pending);
        self.after(wait, Event::Apply(id));
    }

    /// The store carries a command out.
    pub fn apply(&mut self, id: u64) {
        let Some(mut pending) = self.memory.pending.remove(&id) else { return };
        if self.memory.down && pending.fate != Fate::LosesCommit {
            pending.fate = Fate::Fails;
        }
        let unreachable = || StoreError::Unreachable("down".to_owned());
        let unknown = || StoreError::Unknown("reset".to_owned());
        let told = match pending.fate {
            Fate::Fails => Err(unreachable()),
            Fate::LosesCommit => Err(unknown()),
            Fate::Fine | Fate::LosesAnswer => {
                let told = self.carry_out(pending.epoch, &pending.command);
                if let Ok(Told::Leased(chunks)) = &told
                    && pending.fate == Fate::Fine
                    && !pending.orphaned
                {
                    chunks.iter().for_each(|chunk| self.memory.model.hand_over(chunk.id));
                }
                if pending.fate == Fate::Fine { told } else { Err(unknown()) }
            }
        };
        if pending.orphaned {
            return;
        }
        pending.told = Some(told);
        self.memory.pending.insert(id, pending);
        let wait = self.dice.between(40, 300);
        self.after(wait, Event::Reply(id));
    }

    /// The answer has come.
    pub fn reply(&mut self, id: u64) {
        let Some(pending) = self.memory.pending.remove(&id) else { return };
        let Some(told) = pending.told else { return };
        if self.gateway.as_ref().is_some_and(|gateway| gateway.run == pending.run) {
            self.answered(pending.command, told);
        }
    }

    fn carry_out(&mut self, epoch: i64, command: &Command) -> Result<Told, StoreError> {
        if self.broken(WorldFault::SynchronousOff) {
            self.memory.past.push_back(self.memory.model.clone());
            if self.memory.past.len() > UNSYNCED {
                self.memory.past.pop_front();
            }
        }
        let now_ms = self.day_ms();
        let forgetful = self.broken(WorldFault::ForgetRedelivery);
        let model = &mut self.memory.model;
        Ok(match command {
            Command::Lines => Told::Lines(model.lines(LANE)),
            Command::Lease(line, messages) => {
                Told::Leased(model.lease(epoch, LANE, line, *messages, now_ms, LEASE_MS))
            }
            Command::History(messages) => Told::History(model.sent_parts(messages)),
            Command::Mark(marks) => Told::Marked(model.mark(epoch, marks)),
            Command::Interrupted => Told::Interrupted(model.interrupted(epoch, now_ms, LEASE_MS)),
            Command::Record(record) | Command::Settled(record) => {
                model.record(epoch, record);
                Told::Done
            }
            Command::Accept(_, acceptance) => {
                model.accept(epoch, acceptance);
                Told::Done
            }
            Command::Receipts { rows, .. } => {
                model.receipts(rows);
                Told::Done
            }
            Command::Said { mo, number, word, confirmation, .. } => {
                if model.knows_inbound(*mo) && !forgetful {
                    return Ok(Told::Known { out: model.is_out(*number, SCOPE) });
                }
                model.take_inbound(*mo);
                if *word != Word::Hello {
                    model.consent(*number, SCOPE, *word == Word::Stop);
                }
                model.accept(epoch, confirmation);
                if *word == Word::Start {
                    self.tell(What::Started { number: *number });
                }
                let accepted = accepted(confirmation, &self.plan);
                accepted.into_iter().for_each(|what| self.tell(what));
                Told::Done
            }
        })
    }
}

/// What a client is told about an acceptance.
pub fn accepted(acceptance: &Acceptance, plan: &crate::plan::Plan) -> Vec<What> {
    use crate::history::Copies;
    use backchat::message::Purpose;
    use backchat::rules::machines::doubt::Resolution;
    acceptance
        .messages
        .iter()
        .map(|message| {
            let again = matches!(plan.doubts.resolve(message.purpose), Resolution::Again(_));
            What::Accepted {
                message: message.id.0,
                number: message.to.0,
                parts: crate::gateway::parts(&message.body),
                copies: if again { Copies::AtLeastOnce } else { Copies::AtMostOnce },
                blockable: message.purpose != Purpose::Confirmation,
                expires_ms: message.expires_ms,
            }
        })
        .collect()
}
