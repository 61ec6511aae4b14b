//! The world of one run: one clock, one source of chance, one queue of events; a gateway, its store, a network, a carrier.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use crate::carrier::Carrier;
use crate::dice::Dice;
use crate::gateway::Gateway;
use crate::history::{Entry, What};
use crate::memory::Memory;
use crate::net::{Net, Way};
use crate::plan::{Odds, Plan, WorldFault};

/// The time of day at which every run begins, milliseconds since the epoch.
pub const DAY_MS: i64 = 1_790_000_000_000;
/// A run that is not through so long after everything is well again never will be.
const PATIENCE_US: u64 = 600_000_000;
/// A run of more steps than this goes round in circles: usual ones take some thousands.
const MOST_STEPS: u64 = 400_000;
/// How often it is looked whether all is through.
const LOOK_US: u64 = 250_000;

/// Something that is to happen.
#[derive(Debug, Clone, Hash)]
pub enum Event {
    /// Octets have come to one end of a connection.
    Arrive(u64, Way),
    /// One end learns that a connection is gone.
    Gone(u64, Way),
    /// The carrier looks at a connection's timers.
    CarrierTimer(u64),
    /// The carrier does what it planned.
    CarrierJob(u64),
    /// A bind looks at its timers and its pace.
    BindTimer {
        run: u64,
        bind: usize,
    },
    /// A bind connects.
    Connect {
        run: u64,
        bind: usize,
    },
    /// The gateway's way out goes on.
    Feed {
        run: u64,
    },
    /// The gateway writes again what could not be written.
    WriteAgain {
        run: u64,
    },
    /// A start goes on settling what the last run left.
    Recover {
        run: u64,
    },
    /// The store carries a command out, and answers it.
    Apply(u64),
    Reply(u64),
    /// A client hands messages in.
    Client(u64),
    /// A handset says something.
    Say,
    /// What goes wrong.
    Crash,
    Stop,
    Kill {
        run: u64,
    },
    Boot,
    Reset,
    Outage(bool),
    /// Everything is well again.
    Calm,
    /// Is it through?
    Look,
}

pub struct World {
    pub plan: Plan,
    pub odds: Odds,
    pub dice: Dice,
    pub now_us: u64,
    pub net: Net,
    pub memory: Memory,
    pub carrier: Carrier,
    pub gateway: Option<Gateway>,
    pub runs: u64,
    pub history: Vec<Entry>,
    pub calm: bool,
    pub finished: bool,
    /// Batches a client has not been told the acceptance of.
    pub unaccepted: BTreeMap<u64, backchat::store::Acceptance>,
    /// Batches a client has been told the acceptance of: it is through with them.
    pub handed_in: BTreeSet<u64>,
    base: Instant,
    day_step_ms: i64,
    queue: BTreeMap<(u64, u64), Event>,
    ties: u64,
    hash: u64,
    steps: u64,
    trace: Option<Vec<String>>,
}

/// FNV-1a, 64 bits: the same on every machine, unlike the hasher of the standard library.
struct Fnv(u64);

const FNV_BASIS: u64 = 0xCBF2_9CE4_8422_2325;

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

/// What a run came to.
pub struct Outcome {
    pub history: Vec<Entry>,
    pub hash: u64,
    pub steps: u64,
    pub trace: Vec<String>,
}

impl World {
    /// Runs a plan to its end.
    pub fn run(mut dice: Dice, plan: Plan, tracing: bool) -> Outcome {
        let memory = Memory::new(plan.broken);
        let mut world = Self {
            odds: plan.odds,
            carrier: Carrier::default(),
            net: Net::default(),
            memory,
            gateway: None,
            runs: 0,
            history: Vec::new(),
            calm: false,
            finished: false,
            unaccepted: BTreeMap::new(),
            handed_in: BTreeSet::new(),
            base: Instant::now(),
            day_step_ms: 0,
            now_us: 0,
            queue: BTreeMap::new(),
            ties: 0,
            hash: FNV_BASIS,
            steps: 0,
            trace: tracing.then(Vec::new),
            dice: Dice::new(dice.roll()),
            plan,
        };
        world.schedule();
        world.live();
        world.close();
        let Self { history, hash, steps, trace, .. } = world;
        Outcome { history, hash, steps, trace: trace.unwrap_or_default() }
    }

    /// Puts down what will happen by itself.
    fn schedule(&mut self) {
        let busy = u64::try_from(self.plan.busy.as_micros()).unwrap_or(u64::MAX);
        self.at(0, Event::Boot);
        for batch in 0..self.plan.batches {
            let at = self.dice.below(busy);
            self.at(at, Event::Client(batch));
        }
        for _ in 0..self.plan.words {
            let at = self.dice.below(busy);
            self.at(at, Event::Say);
        }
        let troubles = [
            (self.plan.crashes, Event::Crash),
            (self.plan.drains, Event::Stop),
            (self.plan.resets, Event::Reset),
            (self.plan.outages, Event::Outage(true)),
        ];
        for (times, event) in troubles {
            for _ in 0..times {
                let at = self.dice.between(20_000, busy + busy / 2);
                self.at(at, event.clone());
            }
        }
        self.at(2 * busy, Event::Calm);
    }

    fn live(&mut self) {
        let end = 2 * u64::try_from(self.plan.busy.as_micros()).unwrap_or(u64::MAX) + PATIENCE_US;
        while !self.finished
            && let Some(((at, _), event)) = self.queue.pop_first()
        {
            if at > end || self.steps > MOST_STEPS {
                break;
            }
            self.now_us = self.now_us.max(at);
            self.steps += 1;
            self.note(&event);
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(connection, Way::ToCarrier) => self.carrier_reads(connection),
            Event::Arrive(connection, Way::ToGateway) => self.gateway_reads(connection),
            Event::Gone(connection, Way::ToCarrier) => self.carrier_loses(connection),
            Event::Gone(connection, Way::ToGateway) => self.gateway_loses(connection),
            Event::CarrierTimer(connection) => self.carrier_timer(connection),
            Event::CarrierJob(job) => self.carrier_job(job),
            Event::BindTimer { run, bind } if self.is_run(run) => self.bind_timer(bind),
            Event::Connect { run, bind } if self.is_run(run) => self.connect(bind),
            Event::Feed { run } if self.is_run(run) => self.feed(),
            Event::WriteAgain { run } if self.is_run(run) => self.write_again(),
            Event::Recover { run } if self.is_run(run) => self.recover(),
            Event::Kill { run } if self.is_run(run) => self.crash(),
            Event::Apply(command) => self.apply(command),
            Event::Reply(command) => self.reply(command),
            Event::Client(batch) => self.client(batch),
            Event::Say => self.say(),
            Event::Crash if !self.calm => self.crash(),
            Event::Stop if !self.calm => self.stop(),
            Event::Boot => self.boot(),
            Event::Reset if !self.calm => self.reset_one(),
            Event::Outage(down) if !self.calm => {
                self.memory.down = down;
                if down {
                    let long = self.dice.between(100_000, 2_500_000);
                    self.after(long, Event::Outage(false));
                }
            }
            Event::Calm => {
                self.calm = true;
                self.odds = Odds::default();
                self.memory.down = false;
                self.after(LOOK_US, Event::Look);
            }
            Event::Look => {
                self.finished = self.left().is_empty();
                self.after(LOOK_US, Event::Look);
            }
            _ => {}
        }
    }

    /// What is not through yet, in words.
    fn left(&self) -> String {
        let mut left = String::new();
        let unfinished = self.memory.model.unfinished();
        if unfinished > 0 {
            left += &format!("{unfinished} chunks; ");
        }
        if !self.unaccepted.is_empty() {
            left += &format!("{} batches not accepted; ", self.unaccepted.len());
        }
        left += &self.carrier.left();
        match &self.gateway {
            Some(gateway) if gateway.is_quiet() && self.memory.is_quiet() => {}
            Some(_) => left += "the gateway is busy; ",
            None => left += "the gateway is down; ",
        }
        left
    }

    /// Writes down how everything stands in the end.
    fn close(&mut self) {
        let left = self.left();
        let finished = self.finished;
        self.tell(What::Drained { finished, left });
        let model = &self.memory.model;
        let finals: Vec<What> = model
            .messages()
            .map(|message| What::Final {
                message: message.id.0,
                state: model.state(message.id).to_owned(),
                listed: model.listed(message.id),
                ids: model.ids(message.id),
            })
            .collect();
        let registered: Vec<What> =
            model.registered().map(|(mo, times)| What::Registered { mo, times }).collect();
        finals.into_iter().chain(registered).for_each(|what| self.tell(what));
    }

    fn is_run(&self, run: u64) -> bool {
        self.gateway.as_ref().is_some_and(|gateway| gateway.run == run)
    }

    /// Something happens at this time.
    pub fn at(&mut self, at_us: u64, event: Event) {
        self.ties += 1;
        self.queue.insert((at_us.max(self.now_us), self.ties), event);
    }

    /// Something happens so much later.
    pub fn after(&mut self, wait_us: u64, event: Event) {
        self.at(self.now_us + wait_us, event);
    }

    /// Writes into the history.
    pub fn tell(&mut self, what: What) {
        self.note(&what);
        self.history.push(Entry { at_us: self.now_us, what });
    }

    /// Writes into the trace, which two runs of one seed must have alike.
    fn note(&mut self, happened: &(impl Debug + Hash)) {
        let mut hasher = Fnv(self.hash);
        (self.now_us, happened).hash(&mut hasher);
        self.hash = hasher.0;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10} {happened:?}", self.now_us));
        }
    }

    /// The carrier's clock.
    pub fn carrier_now(&self) -> Instant {
        self.base + Duration::from_micros(self.now_us)
    }

    /// When the carrier's clock shows this.
    pub fn carrier_at(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.base).as_micros()).unwrap_or(u64::MAX)
    }

    /// The gateway's clock, which goes fast.
    pub fn gateway_now(&self) -> Instant {
        self.base + Duration::from_micros(self.gateway_us())
    }

    /// When the gateway's clock shows this.
    pub fn gateway_at(&self, instant: Instant) -> u64 {
        let shown = self.carrier_at(instant);
        // rounded up, so that the clock does show it then
        (u128::from(shown) * 1_000_000).div_ceil(u128::from(1_000_000 + self.plan.clock_ppm)) as u64 + 1
    }

    fn gateway_us(&self) -> u64 {
        (u128::from(self.now_us) * u128::from(1_000_000 + self.plan.clock_ppm) / 1_000_000) as u64
    }

    /// The time of day as the gateway knows it.
    pub fn day_ms(&self) -> i64 {
        DAY_MS + self.day_step_ms + (self.gateway_us() / 1_000) as i64
    }

    /// When the gateway's time of day is this.
    pub fn day_at(&self, day_ms: i64) -> u64 {
        let shown = u64::try_from(day_ms - DAY_MS - self.day_step_ms).unwrap_or_default() * 1_000;
        (u128::from(shown) * 1_000_000).div_ceil(u128::from(1_000_000 + self.plan.clock_ppm)) as u64 + 1
    }

    /// Whether this step is left out.
    pub fn broken(&self, fault: WorldFault) -> bool {
        self.plan.broken.is(fault)
    }

    /// The gateway dies; the store may still carry out what it was told.
    fn crash(&mut self) {
        let Some(gateway) = self.gateway.take() else { return };
        let bound = gateway.in_doubt_bound(&self.plan);
        self.tell(What::Incident { bound });
        for connection in gateway.connections() {
            self.cut(connection);
        }
        self.memory.crash(&mut self.dice);
        if self.plan.clock_steps && self.dice.chance(500) {
            self.day_step_ms += self.dice.between(0, 4_000) as i64 - 2_000;
        }
        let longest = if self.dice.chance(400) { 30_000 } else { 1_500_000 };
        let wait = self.dice.between(1_000, longest);
        self.after(wait, Event::Boot);
    }

    /// The gateway has ended by itself.
    pub fn ended(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            for connection in gateway.connections() {
                self.cut(connection);
            }
            let wait = self.dice.between(5_000, 500_000);
            self.after(wait, Event::Boot);
        }
    }

    /// A connection breaks: each end learns of it in its own time.
    pub fn cut(&mut self, connection: u64) {
        if !self.net.stands(connection) {
            return;
        }
        self.net.reset(connection);
        let (one, other) = (self.dice.between(50, 20_000), self.dice.between(50, 2_000_000));
        let (to_gateway, to_carrier) = if self.dice.chance(500) { (one, other) } else { (other, one) };
        let calm = self.calm;
        let wait = |us: u64| if calm { us.min(20_000) } else { us };
        self.after(wait(to_gateway), Event::Gone(connection, Way::ToGateway));
        self.after(wait(to_carrier), Event::Gone(connection, Way::ToCarrier));
    }

    fn reset_one(&mut self) {
        let connections: Vec<u64> =
            self.gateway.as_ref().map(|gateway| gateway.connections().collect()).unwrap_or_default();
        if !connections.is_empty() {
            let connection = self.dice.pick(&connections);
            self.tell(What::Incident { bound: self.plan.window as u64 });
            self.cut(connection);
        }
    }

    /// Puts octets on a connection.
    pub fn send(&mut self, connection: u64, way: Way, octets: bytes::Bytes) {
        let clogs = self.net.clogs;
        let times = self.net.send(self.now_us, connection, way, octets, &mut self.dice, &self.odds);
        for _ in clogs..self.net.clogs {
            self.tell(What::Incident { bound: self.plan.window as u64 });
        }
        for at in times {
            self.at(at, Event::Arrive(connection, way));
        }
    }
}
