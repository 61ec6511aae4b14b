//! The gateway of a run: the same machines as the program's, and in the place of its tasks the few lines that carry events
//! to them and their effects to the store and the network.

#[path = "bind.rs"]
mod bind;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use backchat::flow::consent::Judgement;
use backchat::flow::lane::{Hearing, LaneMachine, LaneSettings, Now, Room, Step, Taken};
use backchat::flow::recovery::settlement;
use backchat::message::{IdSource, Outbound, Scope};
use backchat::rules::consent::{Stop, blocking_scopes};
use backchat::rules::machines::dispatcher::Line;
use backchat::rules::machines::faults::Fault;
use backchat::smpp::door::Door;
use backchat::smpp::outbox::{Asked, Link, Outbox, Socket};
use backchat::smpp::pace::Pace;
use backchat::smpp::submission::{PartFate, Settled, Submission};
use backchat::store::{Interrupted, Marked, Record, StoreError};
use bytes::Bytes;
use protocol::pdu::{Bind, Body, MessageResp, Pdu};
use protocol::session::{BindMode, Event as SessionEvent, Session, Settings};
use protocol::status::Status;

use bind::BindSide;

use crate::history::What;
use crate::memory::{Command, Told, Word};
use crate::net::Way;
use crate::plan::{Plan, WorldFault};
use crate::world::{Event, World};

pub const LANE: &str = "north";
pub const CODE: &str = "88001";
/// The scope of a STOP to the code.
pub const SCOPE: &str = "sender:88001";
pub const LEASE_MS: i64 = 60_000;
/// How long the gateway leaves the store alone after it failed.
const STORE_PAUSE_US: u64 = 500_000;
/// A stop that takes longer than this is a kill.
const DRAIN_US: u64 = 8_000_000;
/// The most parts of a message here: a slice that is full takes one whole message all the same.
const MOST_PARTS: usize = 3;

/// The lowest number of a handset.
pub fn first_number() -> u64 {
    447_700_900_000
}

/// What the door out asks about a message.
fn judgement(message: &Outbound) -> Judgement {
    let scopes = blocking_scopes(message.purpose, &message.sender, None, Stop::EndsAll);
    Judgement { scopes, consent_since_ms: None }
}

/// Parts a text goes in.
pub fn parts(body: &str) -> i64 {
    protocol::text::split(body, protocol::text::Reference::Eight(0)).map_or(1, |text| text.parts.len() as i64)
}

/// Where the way out stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// The start is settling what the last run left.
    Starting,
    /// The store is asked.
    Asking,
    /// It may go on.
    Free,
    /// Asked to stop, and has.
    Stopped,
}

pub struct Gateway {
    pub run: u64,
    pub epoch: i64,
    door: Arc<Door>,
    pace: Pace,
    lane: LaneMachine,
    pub ids: IdSource,
    binds: Vec<BindSide>,
    out: Out,
    stopping: bool,
    settled: Vec<Settled>,
    writing: Option<(Record, BTreeMap<usize, usize>)>,
    recovering: VecDeque<Interrupted>,
    slice: usize,
    feed_us: u64,
}

impl Gateway {
    pub fn is_quiet(&self) -> bool {
        self.lane.is_idle() && self.settled.is_empty() && self.writing.is_none() && self.out != Out::Starting
    }

    pub fn connections(&self) -> impl Iterator<Item = u64> + '_ {
        self.binds.iter().filter_map(|bind| bind.link.as_ref().map(|(connection, _)| *connection))
    }

    /// Messages that a crash may leave in doubt: what the binds hold, and one slice about to be handed over.
    pub fn in_doubt_bound(&self, plan: &Plan) -> u64 {
        let bind = plan.window + plan.queue_slices * self.slice + MOST_PARTS;
        (bind * plan.binds + self.slice + MOST_PARTS) as u64
    }

    fn roomiest(&self) -> Option<usize> {
        let rooms = self.binds.iter().enumerate().map(|(index, bind)| (bind.room(), index));
        rooms.filter(|(room, _)| *room > 0).max().map(|(_, index)| index)
    }
}

impl World {
    pub fn boot(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        self.runs += 1;
        let plan = &self.plan;
        let epoch = self.memory.model.open();
        let slice = (plan.rate.get() / 5).max(1) as usize;
        let planted = plan.broken.planted();
        let lane = LaneMachine::new(LaneSettings {
            name: LANE.to_owned(),
            slice_parts: slice,
            patience: plan.patience,
            doubts: plan.doubts,
            short_code: (3, 0),
            planted,
        });
        let binds = (0..plan.binds)
            .map(|index| BindSide {
                outbox: Outbox::new(format!("{LANE}/{index}").into(), planted),
                held: 0,
                queue_parts: plan.window + plan.queue_slices * slice,
                link: None,
                up: false,
                tries: 0,
                unsent: VecDeque::new(),
                alarm_us: u64::MAX,
            })
            .collect();
        let rate = plan.rate;
        self.gateway = Some(Gateway {
            run: self.runs,
            epoch,
            door: Arc::default(),
            pace: Pace::new(rate, None),
            lane,
            ids: IdSource::new(u16::try_from(epoch & 1023).unwrap_or_default()),
            binds,
            out: Out::Starting,
            stopping: false,
            settled: Vec::new(),
            writing: None,
            recovering: VecDeque::new(),
            slice,
            feed_us: u64::MAX,
        });
        let rate = u64::from(rate.get());
        self.tell(What::Began { rate, burst: (rate / 10).max(1) });
        if self.broken(WorldFault::SkipRecovery) { self.started() } else { self.ask(Command::Interrupted) }
    }

    /// Goes on settling what the last run left.
    pub fn recover(&mut self) {
        let now_ms = self.day_ms();
        let (doubts, planted) = (self.plan.doubts, self.plan.broken.planted());
        let Some(gateway) = &mut self.gateway else { return };
        match gateway.recovering.pop_front() {
            Some(one) => {
                let record = settlement(one, doubts, now_ms, &gateway.ids, planted).record;
                self.ask(Command::Settled(record));
            }
            None => self.ask(Command::Interrupted),
        }
    }

    fn recovered(&mut self, told: Result<Told, StoreError>) {
        let now = self.now();
        let Some(gateway) = &mut self.gateway else { return };
        let starting = gateway.out == Out::Starting;
        match told {
            Ok(Told::Interrupted(found)) if found.is_empty() && starting => self.started(),
            Ok(Told::Interrupted(found)) if found.is_empty() => {
                gateway.lane.recovered(now, Ok(()));
                gateway.out = Out::Free;
                self.feed();
            }
            Ok(Told::Interrupted(found)) => {
                gateway.recovering = found.into();
                self.recover();
            }
            Ok(_) => self.recover(),
            Err(_) if starting => {
                gateway.recovering.clear();
                let run = gateway.run;
                self.after(STORE_PAUSE_US, Event::Recover { run });
            }
            Err(error) => {
                gateway.recovering.clear();
                gateway.lane.recovered(now, Err(error));
                gateway.out = Out::Free;
                self.feed();
            }
        }
    }

    fn started(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        gateway.out = Out::Free;
        let run = gateway.run;
        for bind in 0..gateway.binds.len() {
            self.after(100 * bind as u64, Event::Connect { run, bind });
        }
        self.feed();
    }

    fn now(&self) -> Now {
        Now { instant: self.gateway_now(), ms: self.day_ms() }
    }

    /// The way out goes on until it has to wait.
    pub fn feed(&mut self) {
        loop {
            let now = self.now();
            let Some(gateway) = &mut self.gateway else { return };
            if gateway.out != Out::Free {
                return;
            }
            if gateway.stopping {
                gateway.lane.stop();
            }
            let room = gateway.roomiest().map_or(0, |index| gateway.binds[index].room());
            let hearing = if gateway.binds.iter().any(|bind| bind.up) { Hearing::Yes } else { Hearing::No };
            let step = gateway.lane.step(now, room, hearing, &gateway.door);
            if gateway.lane.owes() {
                self.settle();
            }
            let Some(gateway) = &mut self.gateway else { return };
            let command = match step {
                Step::Look => Command::Lines,
                Step::Lease(line, messages) => Command::Lease(line, messages),
                Step::History(messages) => Command::History(messages),
                Step::Mark(marks) => Command::Mark(marks),
                Step::Recover if self.plan.broken.is(WorldFault::SkipRecovery) => {
                    gateway.lane.recovered(now, Ok(()));
                    continue;
                }
                Step::Recover => Command::Interrupted,
                Step::Room => return,
                Step::Wait(until_ms) => {
                    let at = self.day_at(until_ms).max(self.now_us + 1_000);
                    return self.feed_alarm(at);
                }
                Step::Stopped => {
                    gateway.out = Out::Stopped;
                    self.settle();
                    return self.unbind_all();
                }
            };
            gateway.out = Out::Asking;
            self.ask(command);
        }
    }

    /// The way out goes on by then.
    fn feed_alarm(&mut self, at_us: u64) {
        let now_us = self.now_us;
        let Some(gateway) = &mut self.gateway else { return };
        if at_us < gateway.feed_us || gateway.feed_us <= now_us {
            gateway.feed_us = at_us;
            let run = gateway.run;
            self.at(at_us, Event::Feed { run });
        }
    }

    /// There may be new work.
    pub fn wake(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.lane.wake();
        }
        self.feed();
    }

    /// What the store answered.
    pub fn answered(&mut self, command: Command, told: Result<Told, StoreError>) {
        let now = self.now();
        let mixed_up = || StoreError::Corrupt("another question was answered".to_owned());
        match command {
            Command::Lines => {
                let told = told.and_then(|told| match told {
                    Told::Lines(lines) => Ok(lines),
                    _ => Err(mixed_up()),
                });
                self.on_the_way_out(|lane| lane.looked(now, told));
            }
            Command::Lease(line, _) => self.leased(now, &line, told),
            Command::History(_) => {
                let told = told.and_then(|told| match told {
                    Told::History(taken) => Ok(taken),
                    _ => Err(mixed_up()),
                });
                self.on_the_way_out(|lane| lane.history(now, told));
            }
            Command::Mark(_) => {
                let told = told.and_then(|told| match told {
                    Told::Marked(stopped) => Ok(stopped),
                    _ => Err(mixed_up()),
                });
                self.marked(now, told);
            }
            Command::Interrupted | Command::Settled(_) => self.recovered(told),
            Command::Record(_) => self.recorded(told.is_ok()),
            Command::Accept(batch, _) => self.accepted(batch, told.is_ok()),
            Command::Receipts { connection, sequence, .. } => {
                self.deliver_answer(connection, sequence, told.is_ok());
            }
            Command::Said { number, word, connection, sequence, .. } => {
                // Of a redelivery only a STOP that is in force is news: its first commit may have lost its answer.
                let word = match told {
                    Ok(Told::Known { out }) if !out || word != Word::Stop => Word::Hello,
                    _ => word,
                };
                self.said(number, word, connection, sequence, told.is_ok());
            }
        }
    }

    fn on_the_way_out(&mut self, tell: impl FnOnce(&mut LaneMachine)) {
        if let Some(gateway) = &mut self.gateway {
            gateway.out = Out::Free;
            tell(&mut gateway.lane);
        }
        self.feed();
    }

    fn leased(&mut self, now: Now, line: &Line, told: Result<Told, StoreError>) {
        let told = told.map(|told| match told {
            Told::Leased(chunks) => chunks,
            _ => Vec::new(),
        });
        self.on_the_way_out(|lane| lane.leased(now, line, told, judgement));
    }

    fn marked(&mut self, now: Now, told: Result<Marked, StoreError>) {
        if let Some(gateway) = &mut self.gateway {
            gateway.out = Out::Free;
            let parts = gateway.lane.marked(now, told);
            self.submit(parts);
        }
        self.settle();
        self.feed();
    }

    fn submit(&mut self, parts: Vec<Submission>) {
        let Some(gateway) = &mut self.gateway else { return };
        if parts.is_empty() {
            return;
        }
        let index = gateway.roomiest().unwrap_or_default();
        gateway.binds[index].held += parts.len();
        gateway.binds[index].outbox.push(parts);
        self.bind_alarm(index, self.now_us + 1);
    }

    /// Writes down what has been settled since the last time.
    pub fn settle(&mut self) {
        let now_ms = self.day_ms();
        let Some(gateway) = &mut self.gateway else { return };
        if gateway.writing.is_some() {
            return;
        }
        let settled = std::mem::take(&mut gateway.settled);
        let room = if gateway.roomiest().is_some() { Room::Some } else { Room::None };
        let mut held: BTreeMap<usize, usize> = BTreeMap::new();
        for one in settled.iter().filter(|one| !matches!(one.fate, PartFate::AnsweredLate { .. })) {
            let index = one.bind.rsplit('/').next().and_then(|index| index.parse().ok());
            *held.entry(index.unwrap_or_default()).or_default() += 1;
        }
        gateway.lane.settle(now_ms, settled, room);
        let Taken { record, resend, .. } = gateway.lane.take(now_ms, &gateway.ids);
        self.submit(resend);
        if record.is_empty() {
            return self.release(&held);
        }
        if let Some(gateway) = &mut self.gateway {
            gateway.writing = Some((record.clone(), held));
        }
        self.ask(Command::Record(record));
    }

    fn recorded(&mut self, fine: bool) {
        let forget = self.plan.broken.planted().has(Fault::ForgetOutcome);
        let Some(gateway) = &mut self.gateway else { return };
        let Some((record, held)) = gateway.writing.take() else { return };
        if !fine && !forget {
            let run = gateway.run;
            gateway.writing = Some((record, held));
            return self.after(STORE_PAUSE_US, Event::WriteAgain { run });
        }
        if !record.retry.is_empty() {
            gateway.lane.wake();
        }
        self.release(&held);
        self.settle();
        self.may_have_ended();
    }

    /// The pause after a failure is over.
    pub fn write_again(&mut self) {
        if let Some((record, _)) = self.gateway.as_ref().and_then(|gateway| gateway.writing.as_ref()) {
            let record = record.clone();
            self.ask(Command::Record(record));
        }
    }

    /// What was settled is on disk: the binds have room again.
    fn release(&mut self, held: &BTreeMap<usize, usize>) {
        if let Some(gateway) = &mut self.gateway {
            for (index, parts) in held {
                let bind = &mut gateway.binds[*index];
                bind.held = bind.held.saturating_sub(*parts);
            }
        }
        self.feed();
    }

    /// A deliver_sm has come.
    fn arrived(&mut self, index: usize, pdu: &Pdu) {
        let now_ms = self.day_ms();
        let Body::DeliverSm(sm) = &pdu.body else { return };
        let Some(gateway) = &mut self.gateway else { return };
        let Some(connection) = gateway.binds[index].link.as_ref().map(|(connection, _)| *connection) else {
            return;
        };
        let sequence = pdu.sequence;
        if let Some(receipt) = protocol::receipt::parse(sm) {
            let row = crate::client::receipt_row(&receipt, sm, &gateway.ids, now_ms);
            return self.ask(Command::Receipts { rows: vec![row], connection, sequence });
        }
        let number: u64 = sm.source.addr.to_text().parse().unwrap_or_default();
        let text = String::from_utf8_lossy(&sm.content()).into_owned();
        let Some((word, mo)) = text.split_once(' ') else { return };
        let word = match word {
            "Stop" => Word::Stop,
            "Start" => Word::Start,
            _ => Word::Hello,
        };
        let mo = mo.parse().unwrap_or_default();
        if word == Word::Stop && !self.plan.broken.is(WorldFault::ShutLate) {
            // Before the commit: from here on nothing more begins, whatever a slice was told.
            gateway.door.close(backchat::message::Msisdn(number), Scope::Sender(CODE.to_owned()));
        }
        let confirmation = crate::client::confirmation(&gateway.ids, number, word, now_ms);
        self.ask(Command::Said { mo, number, word, confirmation, connection, sequence });
        if self.broken(WorldFault::AnswerBeforeCommit) {
            self.deliver_answer(connection, sequence, true);
        }
    }

    fn said(&mut self, number: u64, word: Word, connection: u64, sequence: u32, fine: bool) {
        let Some(gateway) = &mut self.gateway else { return };
        let handset = backchat::message::Msisdn(number);
        match word {
            Word::Start if fine => gateway.door.open(handset, &Scope::Sender(CODE.to_owned())),
            Word::Stop if fine => {
                if !self.plan.broken.is(WorldFault::ShutLate) && !self.plan.broken.is(WorldFault::ShutOnce) {
                    // Once more: a slice that took its pass since the first time may have been judged without this STOP.
                    gateway.door.close(handset, Scope::Sender(CODE.to_owned()));
                }
                self.tell(What::Stopped { number });
            }
            _ => {}
        }
        self.deliver_answer(connection, sequence, fine);
        if fine {
            self.wake();
        }
    }

    /// Answers a deliver_sm: taken, or to be sent again.
    fn deliver_answer(&mut self, connection: u64, sequence: u32, fine: bool) {
        let now = self.gateway_now();
        let Some(index) = self.bind_of(connection) else { return };
        let status = if fine { Status::OK } else { Status::X_T_APPN };
        if let Some((_, session)) = self.gateway.as_mut().and_then(|it| it.binds[index].link.as_mut()) {
            let body = Body::DeliverSmResp(MessageResp {
                message_id: Some(protocol::octets::COctets::default()),
                ..MessageResp::default()
            });
            let _ = session.respond(now, sequence, status, body);
            self.bind_goes_on(index);
        }
    }

    /// Asked to stop in good order.
    pub fn stop(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        if gateway.stopping || gateway.out == Out::Starting {
            return;
        }
        gateway.stopping = true;
        let run = gateway.run;
        self.after(DRAIN_US, Event::Kill { run });
        if self.dice.chance(self.plan.impatient) {
            let longest = self.dice.pick(&[5_000, 50_000, 1_500_000]);
            let soon = self.dice.between(500, longest);
            self.after(soon, Event::Crash);
        }
        self.feed();
    }

    fn may_have_ended(&mut self) {
        let over = self.gateway.as_ref().is_some_and(|gateway| {
            gateway.out == Out::Stopped
                && gateway.binds.iter().all(|bind| bind.link.is_none())
                && gateway.settled.is_empty()
                && gateway.writing.is_none()
        });
        if over {
            self.ended();
        }
    }
}
