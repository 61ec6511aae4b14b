//! The carrier itself: takes messages, decides what becomes of them, keeps what is to be delivered until it is.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::octets::COctets;
use protocol::pdu::{Bind, Sm};
use protocol::receipt::MessageState;
use protocol::status::{Status, StatusClass};
use tokio::sync::Notify;

use crate::message::{Msisdn, hex};
use crate::simulator::accounts::{AccountId, Accounts};
use crate::simulator::dice::Dice;
use crate::simulator::ids;
use crate::simulator::inbox::Inbox;
use crate::simulator::journal::{Journal, Line, WrittenAddress};
use crate::simulator::ledger::{Census, Ledger, ReceivedMessage};
use crate::simulator::outgoing::{Copy, Delivery, Quote, Receipt, What};
use crate::simulator::people::{Arrival, People, Words};
use crate::simulator::plan::{self, Fate};
use crate::simulator::settings::Settings;
use crate::simulator::stops::{Begun, Stops};
use crate::simulator::timers::Timers;

/// The answer to a submit leaves so long after a receipt that is to come first: time for that to be written.
const RECEIPT_LEAD_MS: i64 = 20;
/// A second copy of a receipt comes so long after the first.
const COPY_AFTER_MS: i64 = 250;
/// Ids made in one millisecond: a carrier started again without its journal makes none it has made before.
const SERIALS_A_MS: u64 = 1_000;

/// The time of day while a journal is read: nothing is ready yet, what is planned may turn out to have happened.
pub(super) const READING: i64 = i64::MIN;

/// Something to come.
pub(super) enum Due {
    /// A deliver_sm is ready to be sent.
    Deliver(Delivery),
    /// A handset has a message.
    Arrive(Box<Arrival>),
}

/// A connection that is bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) link: u64,
    pub(super) account: AccountId,
}

/// What a submit is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This, now.
    Now(Status, Option<COctets>),
    /// This, then.
    At(i64, Status, Option<COctets>),
    /// Nothing, ever.
    Never,
}

/// A submit_sm that was taken.
pub(super) struct Taken<'a> {
    pub(super) serial: u64,
    pub(super) at_ms: i64,
    pub(super) from: Bound,
    pub(super) number: Msisdn,
    pub(super) sm: &'a Sm,
}

/// What a carrier keeps in memory. One for all connections, behind one lock, held for a batch at a time.
pub(super) struct Carrier {
    pub(super) settings: Arc<Settings>,
    pub(super) accounts: Accounts,
    pub(super) timers: Timers<Due>,
    pub(super) people: People,
    pub(super) ledger: Ledger,
    pub(super) stops: Stops,
    pub(super) journal: Option<Journal>,
    /// The next submit's number.
    pub(super) serial: u64,
    /// The next connection's number.
    pub(super) link: u64,
    /// Messages on their way to handsets that may answer.
    pub(super) arriving: u64,
    inbox: Inbox,
    /// Senders and the account that uses them, for what handsets are made to say.
    pub(super) codes: HashMap<COctets, AccountId>,
    requests: u64,
    owed_answers: u64,
    alarm: Arc<Notify>,
    armed_ms: i64,
    idle: Arc<Notify>,
    was_idle: bool,
}

/// Senders remembered: more is not one ESME's traffic but a mistake.
const MOST_CODES: usize = 10_000;

impl Carrier {
    /// An empty one. `alarm` wakes whoever calls [`Carrier::fire`], `idle` whoever waits for the end.
    pub(super) fn new(settings: Arc<Settings>, now_ms: i64, alarm: Arc<Notify>, idle: Arc<Notify>) -> Self {
        Self {
            accounts: Accounts::new(&settings.accounts),
            people: People::new(&settings.handsets),
            settings,
            timers: Timers::default(),
            ledger: Ledger::default(),
            stops: Stops::default(),
            journal: None,
            serial: u64::try_from(now_ms).unwrap_or_default().saturating_mul(SERIALS_A_MS),
            link: 0,
            arriving: 0,
            inbox: Inbox::default(),
            codes: HashMap::new(),
            requests: 0,
            owed_answers: 0,
            alarm,
            armed_ms: i64::MAX,
            idle,
            was_idle: true,
        }
    }

    /// The account that binds so, or the status that refuses it.
    pub(super) fn admit(&mut self, bind: &Bind) -> Result<AccountId, Status> {
        self.accounts.admit(bind)
    }

    /// Takes that a connection is bound; `wake` for one that receives.
    pub(super) fn bound(&mut self, bound: Bound, wake: Option<Arc<Notify>>) {
        self.ledger.census.binds += 1;
        self.ledger.census.bound += 1;
        if let (Some(standing), Some(wake)) = (self.accounts.get(bound.account), wake) {
            standing.receives(bound.link, wake);
        }
    }

    /// Takes that a connection is bound no more, and will not send these answers.
    pub(super) fn left(&mut self, bound: Bound, unsent_answers: u64) {
        self.ledger.census.bound -= 1;
        self.owed_answers -= unsent_answers;
        self.accounts.leave(bound.link);
    }

    /// Takes a submit_sm.
    pub(super) fn submit(&mut self, from: Bound, sm: &Sm, now_ms: i64) -> Answer {
        self.requests += 1;
        let habits = self.settings.personality;
        let mut dice = Dice::of_request(self.settings.seed, self.requests);
        let throttle = dice.happens(habits.throttle);
        let silent = dice.happens(habits.silence);
        let late = dice.happens(habits.late);
        let receipt_first = dice.happens(habits.receipt_first);
        let too_many = habits.throttle_above.is_some_and(|limit| {
            self.accounts.get(from.account).is_some_and(|standing| standing.exceeds(limit, now_ms))
        });
        if throttle || too_many {
            self.ledger.census.throttled += 1;
            return Answer::Now(Status::THROTTLED, None);
        }
        let Some(number) = number_of(sm) else { return Answer::Now(Status::INVDSTADR, None) };
        let serial = self.serial;
        let mut answer_ms = now_ms + millis(dice.within(self.settings.response_delay));
        if late {
            answer_ms += millis(habits.late_by);
        }
        let mut due_ms = if silent { now_ms } else { answer_ms };
        due_ms += self.delay_ms(serial);
        if receipt_first {
            (due_ms, answer_ms) = (now_ms, answer_ms.max(now_ms + RECEIPT_LEAD_MS));
        }
        self.write_submit(from, sm, now_ms);
        self.take(Taken { serial, at_ms: now_ms, from, number, sm }, due_ms, now_ms);
        let id = Some(ids::in_answer(self.settings.ids, serial));
        if silent {
            Answer::Never
        } else if answer_ms <= now_ms {
            Answer::Now(Status::OK, id)
        } else {
            self.owed_answers += 1;
            Answer::At(answer_ms, Status::OK, id)
        }
    }

    /// Takes that answers which were to wait are sent.
    pub(super) fn answers_sent(&mut self, count: u64) {
        self.owed_answers -= count;
    }

    /// From the answer to the receipt.
    pub(super) fn delay_ms(&self, serial: u64) -> i64 {
        millis(Dice::of_request(!self.settings.seed, serial).within(self.settings.receipt.delay))
    }

    fn write_submit(&mut self, from: Bound, sm: &Sm, at_ms: i64) {
        let Some(journal) = &mut self.journal else { return };
        let concat = protocol::text::concat_of(sm).filter(|_| !sm.has_udh());
        journal.put(&Line::Submit {
            at_ms,
            link: from.link,
            serial: self.serial,
            account: self
                .accounts
                .get(from.account)
                .map(|standing| standing.system_id.clone())
                .unwrap_or_default(),
            from: WrittenAddress::of(&sm.source),
            to: WrittenAddress::of(&sm.dest),
            registered_delivery: sm.registered_delivery,
            data_coding: sm.data_coding,
            udhi: sm.has_udh(),
            sar: concat.map(|concat| (concat.reference, concat.total, concat.number)),
            octets: hex(&sm.content()),
            validity_period: sm.validity_period.to_text().into_owned(),
        });
    }

    /// Does what a submit leads to, now or read from the journal.
    pub(super) fn take(&mut self, taken: Taken<'_>, due_ms: i64, now_ms: i64) {
        let Taken { serial, at_ms, from, number, sm } = taken;
        self.serial = serial + 1;
        self.ledger.census.submits += 1;
        let settings = Arc::clone(&self.settings);
        let fate = plan::fate(&settings.receipt, settings.seed, number);
        if wants_receipt(sm.registered_delivery, fate) {
            self.plan_receipts(&taken, fate, due_ms, now_ms);
        }
        let pushed = self.inbox.push(number, sm, due_ms, at_ms);
        if pushed.began {
            match self.stops.judge(&(number, sm.source.addr.clone()), from.link, at_ms) {
                Begun::Free => {}
                Begun::Confirmation => self.ledger.census.confirmations_after_stop += 1,
                Begun::AfterStop => self.ledger.census.sends_after_stop += 1,
            }
        }
        let Some(whole) = pushed.whole else { return };
        self.remember_code(&sm.source.addr, from.account);
        let digest = whole.digest(number);
        let hears = fate == Fate::Delivered && self.people.may_answer(&sm.source);
        let words = (hears || self.ledger.keeps_text()).then(|| whole.words());
        self.ledger.message(digest, || {
            let (text, alphabet) = words.clone().unwrap_or_default();
            ReceivedMessage {
                number,
                sender: sm.source.addr.to_text().into_owned(),
                text,
                alphabet,
                parts: whole.parts(),
                times: 1,
                received_at_ms: at_ms,
            }
        });
        if let Some((text, _)) = words.filter(|_| hears) {
            self.arriving += 1;
            let arrival = Arrival {
                account: from.account,
                serial,
                number,
                handset: sm.dest.clone(),
                code: sm.source.clone(),
                text: Words(text),
                digest,
            };
            self.plan_for(whole.due_ms, now_ms, Due::Arrive(Box::new(arrival)));
        }
    }

    fn plan_receipts(&mut self, taken: &Taken<'_>, fate: Fate<'_>, due_ms: i64, now_ms: i64) {
        let (state, err) = match fate {
            Fate::Delivered => (MessageState::Delivered, COctets::from("000")),
            Fate::Undeliverable { err } => (MessageState::Undeliverable, COctets::from(err)),
            Fate::Expired => (MessageState::Expired, COctets::from("000")),
        };
        let receipt = |copy| {
            let receipt = Receipt {
                serial: taken.serial,
                copy,
                handset: taken.sm.dest.clone(),
                sender: taken.sm.source.clone(),
                state,
                err: err.clone(),
                taken_ms: taken.at_ms,
                done_ms: due_ms,
                quote: Quote::of(taken.sm),
            };
            Due::Deliver(Delivery {
                account: taken.from.account,
                tries: 0,
                what: What::Receipt(Box::new(receipt)),
            })
        };
        let twice =
            Dice::of_request(self.settings.seed ^ 1, taken.serial).happens(self.settings.receipt.duplicates);
        self.ledger.census.pending_receipts += 1;
        let first = receipt(Copy::First);
        let second = twice.then(|| receipt(Copy::Second));
        self.plan_for(due_ms, now_ms, first);
        if let Some(second) = second {
            self.ledger.census.pending_receipts += 1;
            self.plan_for(due_ms + COPY_AFTER_MS, now_ms, second);
        }
    }

    /// Drops a message that still waits for its handset; its receipt tells so now. (In memory only: a carrier that starts
    /// again with its journal delivers it.)
    pub(super) fn cancel(&mut self, message_id: &COctets, now_ms: i64) -> Status {
        let ids = self.settings.ids;
        let meant = |serial: u64| ids::in_answer(ids, serial) == *message_id;
        let waiting = self.timers.take(|due| match due {
            Due::Deliver(Delivery { what: What::Receipt(receipt), .. }) => meant(receipt.serial),
            Due::Deliver(_) => false,
            Due::Arrive(arrival) => meant(arrival.serial),
        });
        if waiting.is_empty() {
            return Status::CANCELFAIL;
        }
        for due in waiting {
            match due {
                Due::Deliver(mut delivery) => {
                    if let What::Receipt(receipt) = &mut delivery.what {
                        (receipt.state, receipt.done_ms) = (MessageState::Deleted, now_ms);
                    }
                    self.ready(delivery);
                }
                Due::Arrive(_) => self.arriving -= 1,
            }
        }
        self.ledger.census.cancelled += 1;
        self.accounts.rouse_all();
        Status::OK
    }

    fn remember_code(&mut self, code: &COctets, account: AccountId) {
        if self.codes.len() < MOST_CODES && self.codes.get(code) != Some(&account) {
            self.codes.insert(code.clone(), account);
        }
    }

    /// Plans something. What is to be delivered by now goes straight to the account.
    pub(super) fn plan_for(&mut self, due_ms: i64, now_ms: i64, what: Due) {
        match what {
            Due::Deliver(delivery) if due_ms <= now_ms => self.ready(delivery),
            what => {
                self.timers.push(due_ms, what);
                if due_ms < self.armed_ms {
                    self.armed_ms = due_ms;
                    self.alarm.notify_one();
                }
            }
        }
    }

    fn ready(&mut self, delivery: Delivery) {
        if let Some(standing) = self.accounts.get(delivery.account) {
            standing.ready.push_back(delivery);
        }
    }

    /// Does what is due by now. Gives when to come again.
    pub(super) fn fire(&mut self, now_ms: i64) -> Option<i64> {
        while let Some(due) = self.timers.pop_due(now_ms) {
            match due {
                Due::Deliver(delivery) => self.ready(delivery),
                Due::Arrive(arrival) => self.hear(*arrival, now_ms, now_ms),
            }
        }
        self.accounts.rouse_all();
        let next = self.timers.next_ms();
        self.armed_ms = next.unwrap_or(i64::MAX);
        next
    }

    /// Takes so many deliver_sm to send now.
    pub(super) fn pull(&mut self, account: AccountId, room: usize, now_ms: i64) -> Vec<Delivery> {
        let Some(standing) = self.accounts.get(account) else { return Vec::new() };
        let count = standing.ready.len().min(room);
        let mut pulled: Vec<_> = standing.ready.drain(..count).collect();
        for delivery in &mut pulled {
            delivery.tries += 1;
            if delivery.tries > 1 {
                self.ledger.census.redelivered += 1;
                continue;
            }
            match &delivery.what {
                What::Receipt(receipt) => {
                    self.ledger.census.receipts_sent += u64::from(receipt.copy == Copy::First);
                }
                What::Part(part) => self.written(&part.utterance, now_ms),
            }
        }
        pulled
    }

    /// Takes back what was pulled and could not be sent after all.
    pub(super) fn give_back(&mut self, mut delivery: Delivery) {
        delivery.tries -= 1;
        match &delivery.what {
            _ if delivery.tries > 0 => self.ledger.census.redelivered -= 1,
            What::Receipt(receipt) if receipt.copy == Copy::First => self.ledger.census.receipts_sent -= 1,
            // What was said counts once, whenever it leaves.
            What::Receipt(_) | What::Part(_) => {}
        }
        if let Some(standing) = self.accounts.get(delivery.account) {
            standing.ready.push_front(delivery);
        }
    }

    /// Takes the answer to a deliver_sm, read on this connection.
    pub(super) fn answered(&mut self, link: u64, delivery: Delivery, status: Status, now_ms: i64) {
        match status.class() {
            StatusClass::Ok | StatusClass::Final => self.settle(link, &delivery.what, status, now_ms),
            StatusClass::Retry | StatusClass::SlowDown | StatusClass::Link => {
                self.unanswered(delivery, now_ms)
            }
        }
    }

    /// Takes that a deliver_sm may not have been taken: it is sent again after a while.
    pub(super) fn unanswered(&mut self, delivery: Delivery, now_ms: i64) {
        let dice = Dice::of_request(self.settings.seed, now_ms.cast_unsigned()).roll();
        let wait = self.settings.redelivery.wait(delivery.tries.saturating_sub(1), dice);
        self.plan_for(now_ms + millis(wait), now_ms, Due::Deliver(delivery));
    }

    /// Does what a last word on a deliver_sm leads to, now or read from the journal.
    pub(super) fn settle(&mut self, link: u64, what: &What, status: Status, at_ms: i64) {
        if !status.is_ok() {
            self.ledger.census.refused += 1;
        }
        match what {
            What::Receipt(receipt) => {
                self.ledger.census.pending_receipts -= 1;
                if receipt.copy == Copy::Second {
                    return;
                }
                self.ledger.census.receipts_acknowledged += u64::from(status.is_ok());
                if let Some(journal) = &mut self.journal {
                    journal.put(&Line::ReceiptAnswered { at_ms, serial: receipt.serial, status: status.0 });
                }
            }
            What::Part(part) => self.part_answered(link, part, status, at_ms),
        }
    }

    /// Ends a batch: what it led to is written down before anybody is answered.
    pub(super) fn commit(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.commit();
        }
        let is_idle = self.is_idle();
        if is_idle && !self.was_idle {
            self.idle.notify_waiters();
        }
        self.was_idle = is_idle;
    }

    /// Whether nothing is to come.
    pub(super) fn is_idle(&self) -> bool {
        self.ledger.census.pending_receipts == 0
            && self.arriving == 0
            && self.owed_answers == 0
            && self.people.pending() == 0
    }

    pub(super) fn census(&self) -> Census {
        Census { pending_replies: self.people.pending(), ..self.ledger.census }
    }
}

/// The handset a submit is for.
pub(super) fn number_of(sm: &Sm) -> Option<Msisdn> {
    Msisdn::parse(&sm.dest.addr.to_text()).ok()
}

/// Which receipts registered_delivery asks for (SMPP 3.4 section 5.2.17).
fn wants_receipt(registered_delivery: u8, fate: Fate<'_>) -> bool {
    match registered_delivery & 0b11 {
        0 => false,
        1 => true,
        2 => fate != Fate::Delivered,
        _ => fate == Fate::Delivered,
    }
}

pub(super) fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}
