//! What a bind does with the parts it is given: queue, validity, last look, pace, window. Every part is settled exactly
//! once. No socket and no clock in it: the bind's task drives it, and the simulation drives the very same.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use protocol::octets::COctets;
use protocol::pdu::{Body, MessageResp, Pdu};
use protocol::session::{Refusal, Session};
use protocol::status::{Status, StatusClass};
use protocol::time::Time;
use protocol::tlv::Tag;

use crate::message::Msisdn;
use crate::rules::machines::faults::{Fault, Planted};
use crate::rules::machines::gate::Verdict;
use crate::smpp::pace::Pace;
use crate::smpp::submission::{PartFate, PartTag, Settled, Submission, Withdrawal};

/// Parts whose answer did not come in time are remembered for an answer that comes late: as many as two of the widest
/// windows in use.
const EXPIRED_KEPT: usize = 256;

/// A part in the window, with its place in the queue it came from.
#[derive(Debug)]
pub struct InFlight {
    place: u64,
    /// When it was handed to the session last.
    written: Option<Instant>,
    submission: Submission,
}

/// What was asked of the carrier, until its answer.
#[derive(Debug)]
pub enum Asked {
    /// To take a part.
    Part(InFlight),
    /// To drop one.
    Withdrawal(Withdrawal),
}

/// Whether everything said so far is with the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// It is: what is said next leaves at once.
    Clear,
    /// It is not: nothing is said until it is, since the last look must be the last.
    Clogged,
}

/// Whether a part that comes back may wait here for its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Bound.
    Up,
    /// Not bound, or on its way out: what is not written is given back.
    Down,
}

/// The parts of one bind.
#[derive(Debug)]
pub struct Outbox {
    bind: Arc<str>,
    queue: VecDeque<InFlight>,
    places: u64,
    settled: Vec<Settled>,
    expired: BTreeMap<u32, PartTag>,
    throttled: u64,
    planted: Planted,
}

impl Outbox {
    /// An empty one, of the bind of this name.
    pub fn new(bind: Arc<str>, planted: Planted) -> Self {
        Self {
            bind,
            queue: VecDeque::new(),
            places: 0,
            settled: Vec::new(),
            expired: BTreeMap::new(),
            throttled: 0,
            planted,
        }
    }

    /// Takes parts, to be sent in this order.
    pub fn push(&mut self, parts: impl IntoIterator<Item = Submission>) {
        for submission in parts {
            self.places += 1;
            self.queue.push_back(InFlight { place: self.places, written: None, submission });
        }
    }

    /// Hands the session what validity, gate, pace and window let through; calls `written` for each. Says when to come
    /// again, if it is the pace that holds.
    pub fn pump(
        &mut self,
        now: Instant,
        session: &mut Session<Asked>,
        socket: Socket,
        pace: &Pace,
        mut written: impl FnMut(PartTag, Msisdn),
    ) -> Option<Instant> {
        while socket == Socket::Clear && session.window_room() > 0 {
            let front = &self.queue.front()?.submission;
            let late = front.not_after.is_some_and(|until| until <= now);
            if late && !self.planted.has(Fault::IgnoreValidity) {
                let part = self.queue.pop_front()?;
                self.settle(part.submission, PartFate::Expired);
                continue;
            }
            let shut = front.pass.judge(front.number, &front.scopes) == Verdict::Shut;
            if shut && !self.planted.has(Fault::SkipGate) {
                let part = self.queue.pop_front()?;
                self.settle(part.submission, PartFate::Shut);
                continue;
            }
            let free = self.planted.has(Fault::CountMessages) && front.tag.part > 0;
            if !free && let Err(again) = pace.take(now, &self.bind) {
                return Some(again);
            }
            let part = InFlight { written: Some(now), ..self.queue.pop_front()? };
            let (tag, number) = (part.submission.tag, part.submission.number);
            let mut sm = part.submission.sm.clone();
            if let Some(until) = part.submission.valid_until {
                sm.validity_period = validity(now, until);
            }
            let body = Body::SubmitSm(sm);
            match session.request(now, body, Asked::Part(part)) {
                Ok(_) => written(tag, number),
                // The carrier's version can't say it, and never will: as good as its refusal.
                Err((Refusal::NotInVersion(misfit), Asked::Part(part))) => {
                    let fate = PartFate::Answered { status: misfit.status(), carrier_id: None };
                    self.settle(part.submission, fate);
                }
                Err((_, Asked::Part(part))) => {
                    self.queue.push_front(part);
                    return None;
                }
                // What is given back is what was given.
                Err((_, Asked::Withdrawal(_))) => return None,
            }
        }
        None
    }

    /// The carrier answered a part.
    pub fn answered(&mut self, now: Instant, part: InFlight, response: &Pdu, link: Link, pace: &Pace) {
        if let Some(percent) = congestion(response)
            && !self.planted.has(Fault::IgnoreThrottled)
        {
            pace.congested(now, percent);
        }
        if response.status.class() == StatusClass::SlowDown {
            self.throttled += 1;
            if !self.planted.has(Fault::IgnoreThrottled) {
                pace.throttled(now);
            }
            if self.planted.has(Fault::DropThrottled) {
                return;
            }
            return match link {
                Link::Up => self.put_back(part),
                Link::Down => self.settle(part.submission, PartFate::NotWritten),
            };
        }
        let carrier_id = carrier_id(response);
        let fate = PartFate::Answered { status: response.status, carrier_id };
        let took = part.written.map(|written| now.saturating_duration_since(written));
        self.settled.push(Settled { took, ..self.settlement(part.submission.tag, fate) });
    }

    /// No answer came in time.
    pub fn expired(&mut self, sequence: u32, part: InFlight) {
        if self.expired.len() >= EXPIRED_KEPT {
            self.expired.pop_first();
        }
        self.expired.insert(sequence, part.submission.tag);
        self.settle(part.submission, PartFate::Unanswered);
    }

    /// The answer came after all.
    pub fn answered_late(&mut self, sequence: u32, response: &Pdu) {
        if let Some(tag) = self.expired.remove(&sequence)
            && response.status == Status::OK
        {
            let fate = PartFate::AnsweredLate { carrier_id: carrier_id(response) };
            self.settled.push(self.settlement(tag, fate));
        }
    }

    /// The link broke with these parts unanswered.
    pub fn lost(&mut self, parts: Vec<InFlight>) {
        parts.into_iter().for_each(|part| self.settle(part.submission, PartFate::Unanswered));
    }

    /// Everything not written goes back: there is nobody to send it to.
    pub fn give_back(&mut self) {
        self.expired.clear();
        while let Some(part) = self.queue.pop_front() {
            self.settle(part.submission, PartFate::NotWritten);
        }
    }

    /// What was settled since the last time.
    pub fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// How often the carrier said that it is busy, since the last time.
    pub fn take_throttled(&mut self) -> u64 {
        std::mem::take(&mut self.throttled)
    }

    /// Parts that wait to be written.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Back to its place in front, so that the parts of a message keep together and in order.
    fn put_back(&mut self, part: InFlight) {
        let place = self.queue.iter().position(|other| other.place > part.place);
        self.queue.insert(place.unwrap_or(self.queue.len()), part);
    }

    fn settle(&mut self, submission: Submission, fate: PartFate) {
        let settled = self.settlement(submission.tag, fate);
        let unsent = (settled.fate == PartFate::NotWritten).then(|| Box::new(submission));
        self.settled.push(Settled { unsent, ..settled });
    }

    fn settlement(&self, tag: PartTag, fate: PartFate) -> Settled {
        Settled { tag, bind: Arc::clone(&self.bind), fate, took: None, unsent: None }
    }
}

/// From now until then, in whole seconds: one at least, since none is no limit.
fn validity(now: Instant, until: Instant) -> COctets {
    let seconds = u32::try_from(until.saturating_duration_since(now).as_secs()).unwrap_or(u32::MAX);
    Time::after_s(seconds.max(1)).to_string().as_str().into()
}

fn carrier_id(response: &Pdu) -> Option<String> {
    match &response.body {
        Body::SubmitSmResp(MessageResp { message_id: Some(id), .. }) if !id.is_empty() => {
            Some(id.to_text().into_owned())
        }
        _ => None,
    }
}

/// congestion_state of a response: 0 idle to 100 overloaded.
fn congestion(response: &Pdu) -> Option<u8> {
    match &response.body {
        Body::SubmitSmResp(answer) => answer.tlvs.get(Tag::CONGESTION_STATE)?.value.first().copied(),
        _ => None,
    }
}
