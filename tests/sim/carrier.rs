//! A carrier with switches: throttles, says nothing, answers late or never, sends receipts early, twice and in any order,
//! uses ids again, refuses a bind while it takes the old connection for alive. And people who say STOP.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use protocol::address::Address;
use protocol::pdu::{Bind, BindResp, Body, MessageResp, Sm};
use protocol::session::{BindMode, Event as SessionEvent, Session, Settings};
use protocol::status::Status;

use crate::gateway::{CODE, first_number};
use crate::history::What;
use crate::memory::Word;
use crate::net::Way;
use crate::world::{Event, World};

/// Ids in use at a time where they are used again.
const IDS_AGAIN: u64 = 7;

/// What the carrier sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Receipt { id: String, state: &'static str, number: u64 },
    Said { mo: u64, number: u64, word: Word },
}

/// What the carrier means to do.
#[derive(Debug, Clone)]
enum Job {
    Answer { connection: u64, sequence: u32, status: Status, id: Option<String> },
    Send(Delivery),
}

struct Line {
    session: Session<Delivery>,
    alarm_us: u64,
}

#[derive(Default)]
pub struct Carrier {
    lines: BTreeMap<u64, Line>,
    jobs: BTreeMap<u64, Job>,
    job_count: u64,
    ids: u64,
    mos: u64,
    waiting: VecDeque<Delivery>,
    on_its_way: u64,
    /// What a handset says waits until what it said before is taken.
    people: BTreeMap<u64, VecDeque<Delivery>>,
    accepted_us: VecDeque<u64>,
}

impl Carrier {
    /// What it has not got rid of, in words.
    pub fn left(&self) -> String {
        let people: usize = self.people.values().map(VecDeque::len).sum();
        let left = self.waiting.len() + self.jobs.len() + people;
        if left + self.on_its_way as usize > 0 {
            format!("{left} deliveries with the carrier, {} on their way; ", self.on_its_way)
        } else {
            String::new()
        }
    }

    fn id(&mut self, again: bool) -> String {
        self.ids += 1;
        if again { format!("{:04}", self.ids % IDS_AGAIN) } else { format!("c{}", self.ids) }
    }
}

impl World {
    /// A connection comes to the carrier.
    pub fn carrier_accepts(&mut self, connection: u64) {
        let settings = Settings { window: 20, peer_window: 1_000, ..Settings::smsc() };
        let session = Session::new(self.carrier_now(), settings);
        self.carrier.lines.insert(connection, Line { session, alarm_us: u64::MAX });
        self.carrier_goes_on(connection);
    }

    pub fn carrier_reads(&mut self, connection: u64) {
        let pieces = self.net.arrived(self.now_us, connection, Way::ToCarrier);
        let now = self.carrier_now();
        if let Some(line) = self.carrier.lines.get_mut(&connection) {
            pieces.iter().for_each(|piece| line.session.handle_bytes(now, piece));
            self.carrier_goes_on(connection);
        }
        self.gateway_may_write(connection);
    }

    pub fn carrier_loses(&mut self, connection: u64) {
        let now = self.carrier_now();
        if let Some(line) = self.carrier.lines.get_mut(&connection) {
            line.session.handle_closed(now);
            self.carrier_goes_on(connection);
        }
    }

    pub fn carrier_timer(&mut self, connection: u64) {
        let (now, now_us) = (self.carrier_now(), self.now_us);
        let Some(line) = self.carrier.lines.get_mut(&connection) else { return };
        if line.alarm_us > now_us {
            return;
        }
        line.alarm_us = u64::MAX;
        if line.session.poll_timeout().is_some_and(|at| at <= now) {
            line.session.handle_timeout(now);
        }
        self.carrier_goes_on(connection);
    }

    /// Takes a session's events, sends what it says, sets its alarm.
    fn carrier_goes_on(&mut self, connection: u64) {
        while let Some(event) =
            self.carrier.lines.get_mut(&connection).and_then(|line| line.session.poll_event())
        {
            self.carrier_takes(connection, event);
        }
        let mut said = Vec::new();
        if let Some(line) = self.carrier.lines.get_mut(&connection) {
            while let Some(octets) = line.session.poll_transmit() {
                said.push(octets);
            }
        }
        for octets in said {
            self.send(connection, Way::ToGateway, octets);
        }
        let Some(line) = self.carrier.lines.get(&connection) else { return };
        if line.session.is_closed() {
            self.carrier.lines.remove(&connection);
            // what it said last still arrives
            return self.after(1_000, Event::Gone(connection, Way::ToGateway));
        }
        let (alarm_us, at) = (line.alarm_us, line.session.poll_timeout().map(|at| self.carrier_at(at) + 1));
        if let Some(at) = at.filter(|at| *at < alarm_us)
            && let Some(line) = self.carrier.lines.get_mut(&connection)
        {
            line.alarm_us = at;
            self.at(at, Event::CarrierTimer(connection));
        }
    }

    fn carrier_takes(&mut self, connection: u64, event: SessionEvent<Delivery>) {
        match event {
            SessionEvent::BindRequested { sequence, mode, bind } => {
                self.carrier_binds(connection, sequence, mode, bind);
            }
            SessionEvent::Bound { .. } => self.carrier_delivers(),
            SessionEvent::Requested { pdu, .. } => match pdu.body {
                Body::SubmitSm(sm) => self.carrier_submit(connection, pdu.sequence, &sm),
                _ => self.carrier_answers(connection, pdu.sequence, Status::SYSERR, None),
            },
            SessionEvent::Answered { tag, response, .. } => {
                self.carrier.on_its_way -= 1;
                self.carrier_heard(tag, response.status.is_ok());
            }
            SessionEvent::Expired { tag, .. } => {
                self.carrier.on_its_way -= 1;
                self.carrier_heard(tag, false);
            }
            SessionEvent::Lost { tags } => {
                self.carrier.on_its_way -= tags.len() as u64;
                tags.into_iter().for_each(|tag| self.carrier_heard(tag, false));
            }
            _ => {}
        }
    }

    fn carrier_binds(&mut self, connection: u64, sequence: u32, mode: BindMode, _: Bind) {
        let alive = self.carrier.lines.values().filter(|line| line.session.state().mode().is_some()).count();
        let full = self.plan.refuse_second_bind && alive >= self.plan.binds && !self.calm;
        let status = if full { Status::ALYBND } else { Status::OK };
        let answer = BindResp { system_id: Some("sim".into()), ..BindResp::default() };
        let body = match mode {
            BindMode::Transmitter => Body::BindTransmitterResp(answer),
            BindMode::Receiver => Body::BindReceiverResp(answer),
            BindMode::Transceiver => Body::BindTransceiverResp(answer),
        };
        let now = self.carrier_now();
        if let Some(line) = self.carrier.lines.get_mut(&connection) {
            let _ = line.session.respond(now, sequence, status, body);
        }
    }

    fn carrier_submit(&mut self, connection: u64, sequence: u32, sm: &Sm) {
        let Some((message, part)) = named(sm) else {
            return self.carrier_answers(connection, sequence, Status::INVMSGLEN, None);
        };
        let number = sm.dest.addr.to_text().parse().unwrap_or_default();
        let odds = self.odds;
        while self.carrier.accepted_us.front().is_some_and(|at| at + 1_000_000 <= self.now_us) {
            self.carrier.accepted_us.pop_front();
        }
        let over = self.carrier.accepted_us.len() as u64 >= self.plan.carrier_rate;
        if over || self.dice.chance(odds.throttle) {
            let status = self.dice.pick(&[Status::THROTTLED, Status::MSGQFUL]);
            return self.carrier_plans_answer(connection, sequence, status, None);
        }
        if self.dice.chance(odds.temporary) {
            return self.carrier_plans_answer(connection, sequence, Status::SYSERR, None);
        }
        if self.dice.chance(odds.refuse) {
            self.tell(What::Refused { message });
            return self.carrier_plans_answer(connection, sequence, Status::INVDSTADR, None);
        }
        if self.dice.chance(odds.silent) {
            return self.tell(What::Incident { bound: self.plan.window as u64 });
        }
        self.carrier.accepted_us.push_back(self.now_us);
        let id = self.carrier.id(self.plan.reuse_ids);
        self.tell(What::Taken { message, part, number, id: id.clone() });
        self.carrier_plans_receipts(&id, number);
        if self.dice.chance(odds.lose_answer) {
            return self.tell(What::Incident { bound: self.plan.window as u64 });
        }
        if self.dice.chance(odds.late) {
            self.tell(What::Incident { bound: self.plan.window as u64 });
            let wait = self.dice.between(1_800_000, 2_600_000);
            let answer = Job::Answer { connection, sequence, status: Status::OK, id: Some(id) };
            return self.carrier_plans(wait, answer);
        }
        self.carrier_plans_answer(connection, sequence, Status::OK, Some(id));
    }

    fn carrier_plans_receipts(&mut self, id: &str, number: u64) {
        let odds = self.odds;
        let first = self.dice.chance(odds.receipt_first);
        let wait = if first { 0 } else { self.dice.between(40_000, 1_500_000) };
        let state = if self.dice.chance(odds.undeliverable) { "undeliverable" } else { "delivered" };
        let receipt = |state: &'static str| Delivery::Receipt { id: id.to_owned(), state, number };
        self.carrier_plans(wait, Job::Send(receipt(state)));
        if self.dice.chance(odds.receipt_twice) {
            let wait = wait + self.dice.between(0, 900_000);
            self.carrier_plans(wait, Job::Send(receipt(state)));
        }
        if self.dice.chance(odds.receipt_reordered) {
            let wait = wait + self.dice.between(1_000, 900_000);
            self.carrier_plans(wait, Job::Send(receipt("enroute")));
        }
    }

    fn carrier_plans_answer(&mut self, connection: u64, sequence: u32, status: Status, id: Option<String>) {
        let wait = if self.dice.chance(self.odds.receipt_first) {
            self.dice.between(2_000, 90_000)
        } else {
            self.dice.between(0, 9_000)
        };
        self.carrier_plans(wait, Job::Answer { connection, sequence, status, id });
    }

    fn carrier_plans(&mut self, wait_us: u64, job: Job) {
        self.carrier.job_count += 1;
        let id = self.carrier.job_count;
        self.carrier.jobs.insert(id, job);
        self.after(wait_us, Event::CarrierJob(id));
    }

    pub fn carrier_job(&mut self, id: u64) {
        match self.carrier.jobs.remove(&id) {
            Some(Job::Answer { connection, sequence, status, id }) => {
                self.carrier_answers(connection, sequence, status, id);
                self.carrier_goes_on(connection);
            }
            Some(Job::Send(delivery)) => {
                self.carrier.waiting.push_back(delivery);
                self.carrier_delivers();
            }
            None => {}
        }
    }

    fn carrier_answers(&mut self, connection: u64, sequence: u32, status: Status, id: Option<String>) {
        let now = self.carrier_now();
        let body = Body::SubmitSmResp(match id {
            Some(id) => MessageResp::with_id(id.as_str()),
            None => MessageResp::default(),
        });
        if let Some(line) = self.carrier.lines.get_mut(&connection) {
            let _ = line.session.respond(now, sequence, status, body);
        }
    }

    /// A handset says something: half of what is said is STOP.
    pub fn say(&mut self) {
        self.carrier.mos += 1;
        let mo = self.carrier.mos;
        let number = first_number() + self.dice.below(self.plan.numbers);
        let word = self.dice.pick(&[Word::Stop, Word::Stop, Word::Start, Word::Hello]);
        self.tell(What::Said { mo });
        let queue = self.carrier.people.entry(number).or_default();
        queue.push_back(Delivery::Said { mo, number, word });
        if queue.len() == 1
            && let Some(first) = queue.front().cloned()
        {
            self.carrier.waiting.push_back(first);
            self.carrier_delivers();
        }
    }

    /// Hands out what waits, as far as the windows go.
    fn carrier_delivers(&mut self) {
        let now = self.carrier_now();
        let mut used = Vec::new();
        while let Some(delivery) = self.carrier.waiting.pop_front() {
            let open: Vec<u64> = self
                .carrier
                .lines
                .iter()
                .filter(|(_, line)| line.session.window_room() > 0)
                .map(|(connection, _)| *connection)
                .collect();
            if open.is_empty() {
                self.carrier.waiting.push_front(delivery);
                break;
            }
            let connection = self.dice.pick(&open);
            let Some(line) = self.carrier.lines.get_mut(&connection) else { break };
            match line.session.request(now, body_of(&delivery), delivery) {
                Ok(_) => self.carrier.on_its_way += 1,
                Err((_, delivery)) => {
                    self.carrier.waiting.push_front(delivery);
                    break;
                }
            }
            used.push(connection);
        }
        used.sort_unstable();
        used.dedup();
        used.into_iter().for_each(|connection| self.carrier_goes_on(connection));
    }

    /// The gateway took a delivery, or did not; then it is sent again.
    fn carrier_heard(&mut self, delivery: Delivery, taken: bool) {
        let again = !taken || self.dice.chance(self.odds.redeliver);
        if taken {
            match &delivery {
                Delivery::Receipt { id, state, .. } if !self.plan.reuse_ids => {
                    self.tell(What::ReceiptTaken { id: id.clone(), state: (*state).to_owned() });
                }
                Delivery::Receipt { .. } => {}
                Delivery::Said { mo, .. } => self.tell(What::SaidTaken { mo: *mo }),
            }
        }
        if again {
            let wait = self.dice.between(10_000, 900_000);
            return self.carrier_plans(wait, Job::Send(delivery));
        }
        if let Delivery::Said { number, .. } = delivery {
            let queue = self.carrier.people.entry(number).or_default();
            queue.pop_front();
            self.carrier.waiting.extend(queue.front().cloned());
        }
        self.carrier_delivers();
    }
}

/// The deliver_sm of a delivery.
fn body_of(delivery: &Delivery) -> Body {
    let from = |number: u64| Address { ton: 1, npi: 1, addr: number.to_string().as_str().into() };
    let dest = Address { ton: 3, npi: 0, addr: CODE.into() };
    Body::DeliverSm(match delivery {
        Delivery::Receipt { id, state, number } => {
            let state = match *state {
                "delivered" => "DELIVRD",
                "enroute" => "ENROUTE",
                _ => "UNDELIV",
            };
            let text = format!(
                "id:{id} sub:001 dlvrd:001 submit date:2611281200 done date:2611281201 stat:{state} err:000 text:"
            );
            Sm {
                source: from(*number),
                dest,
                esm_class: 0x04,
                short_message: Bytes::from(text),
                ..Sm::default()
            }
        }
        Delivery::Said { mo, number, word } => Sm {
            source: from(*number),
            dest,
            short_message: Bytes::from(format!("{word:?} {mo}")),
            ..Sm::default()
        },
    })
}

/// The message and part a submit_sm names in its text: the token is short enough to be whole in every part.
fn named(sm: &Sm) -> Option<(i64, i64)> {
    let octets = sm.content();
    let (part, text) = if sm.esm_class & 0x40 != 0 {
        let header = usize::from(*octets.first()?) + 1;
        (i64::from(*octets.get(5)?) - 1, octets.get(header..)?)
    } else {
        (0, &octets[..])
    };
    let text = String::from_utf8_lossy(text);
    let token = text.split('m').skip(1).find_map(|rest| rest.split_once(';'))?.0;
    Some((token.parse().ok()?, part))
}
