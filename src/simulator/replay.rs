//! A carrier started again: everything in its journal happens once more, and what was never acknowledged is to come.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use protocol::address::Address;
use protocol::octets::COctets;
use protocol::pdu::Sm;
use protocol::pdu::message::UDHI;
use protocol::status::Status;
use protocol::text::{Concat, Width, sar_tlvs};

use crate::message::Msisdn;
use crate::simulator::accounts::AccountId;
use crate::simulator::carrier::{Bound, Carrier, Due, READING, Taken, number_of};
use crate::simulator::journal::{self, Journal, JournalError, Line, WrittenAddress, from_hex};
use crate::simulator::outgoing::{Copy, UtteranceKey, What};

/// What is to come, by what it is about.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Receipt(u64),
    Arrival(u64),
    Part(UtteranceKey, u8),
}

/// Things that have not happened yet at this line of the journal.
type Pending = HashMap<Key, (i64, Due)>;

impl Carrier {
    /// Reads a journal and goes on writing it.
    pub(super) fn resume(&mut self, path: &Path) -> Result<(), JournalError> {
        let mut pending = Pending::new();
        let whole = journal::replay(path, |line| {
            self.happen(line, &mut pending);
            // What a line leads to waits for the lines that say it happened.
            let planned: Vec<_> = self.timers.drain().collect();
            for (due_ms, due) in planned {
                if let Some(key) = key_of(&due) {
                    pending.insert(key, (due_ms, due));
                } else {
                    self.ledger.census.pending_receipts -= 1;
                }
            }
        })?;
        let mut pending: Vec<_> = pending.into_values().collect();
        pending.sort_by_key(|(due_ms, due)| (*due_ms, order_of(due)));
        for (due_ms, due) in pending {
            self.plan_for(due_ms, READING, due);
        }
        self.journal = Some(Journal::open(path, whole)?);
        Ok(())
    }

    fn happen(&mut self, line: Line, pending: &mut Pending) {
        match line {
            Line::Submit {
                at_ms,
                link,
                serial,
                account,
                from,
                to,
                registered_delivery,
                data_coding,
                udhi,
                sar,
                octets,
                validity_period: _,
            } => {
                self.link = self.link.max(link + 1);
                let Some(account) = self.accounts.named(&account) else { return };
                let concat = sar.and_then(|(reference, total, number)| {
                    Concat::new(reference, total, number, Width::Sixteen)
                });
                let sm = Sm {
                    source: from.address(),
                    dest: to.address(),
                    esm_class: if udhi { UDHI } else { 0 },
                    registered_delivery,
                    data_coding,
                    short_message: Bytes::from(from_hex(&octets)),
                    tlvs: concat.into_iter().flat_map(sar_tlvs).collect(),
                    ..Sm::default()
                };
                let Some(number) = number_of(&sm) else { return };
                let due_ms = at_ms + self.delay_ms(serial);
                let from = Bound { link, account };
                self.take(Taken { serial, at_ms, from, number, sm: &sm }, due_ms, READING);
            }
            Line::Heard { at_ms, serial } => {
                if let Some((_, Due::Arrive(arrival))) = pending.remove(&Key::Arrival(serial)) {
                    self.hear(*arrival, at_ms, READING);
                }
            }
            Line::Prompted { at_ms, account, number, code, text } => {
                let account: Option<AccountId> = self.accounts.named(&account);
                self.prompt(account, number, &code.address(), &text, at_ms, READING);
            }
            Line::Said { at_ms, number, code, turn, .. } => self.written(&key(number, &code, turn), at_ms),
            Line::ReceiptAnswered { at_ms, serial, status } => {
                if let Some((_, Due::Deliver(delivery))) = pending.remove(&Key::Receipt(serial)) {
                    self.ledger.census.receipts_sent += 1;
                    self.settle(0, &delivery.what, Status(status), at_ms);
                }
            }
            Line::ReplyAnswered { at_ms, link, number, code, turn, part, status } => {
                self.link = self.link.max(link + 1);
                let part = Key::Part(key(number, &code, turn), part);
                if let Some((_, Due::Deliver(delivery))) = pending.remove(&part) {
                    self.settle(link, &delivery.what, Status(status), at_ms);
                }
            }
        }
    }
}

fn key(number: Msisdn, code: &str, turn: u32) -> UtteranceKey {
    UtteranceKey { pair: (number, COctets::from(code)), turn }
}

/// `None` for second copies of receipts, which a restart forgets.
fn key_of(due: &Due) -> Option<Key> {
    match due {
        Due::Arrive(arrival) => Some(Key::Arrival(arrival.serial)),
        Due::Deliver(delivery) => match &delivery.what {
            What::Receipt(receipt) => (receipt.copy == Copy::First).then_some(Key::Receipt(receipt.serial)),
            What::Part(part) => Some(Key::Part(part.utterance.clone(), part.index)),
        },
    }
}

/// Among what is due in the same moment.
fn order_of(due: &Due) -> u64 {
    match due {
        Due::Arrive(arrival) => arrival.serial,
        Due::Deliver(delivery) => match &delivery.what {
            What::Receipt(receipt) => receipt.serial,
            What::Part(part) => u64::from(part.index),
        },
    }
}

impl WrittenAddress {
    pub(super) fn of(address: &Address) -> Self {
        Self(address.ton, address.npi, address.addr.to_text().into_owned())
    }

    pub(super) fn address(&self) -> Address {
        Address::new(self.0, self.1, self.2.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::simulator::carrier::Answer;
    use crate::simulator::outgoing::Delivery;
    use crate::simulator::settings::{Handsets, ReceiptSettings, Settings, Shares, Span};

    const ME: Bound = Bound { link: 0, account: 0 };

    fn settings(path: &Path) -> Settings {
        let first = Shares { answer: 0.4, ambiguous: 0.2, free_text: 0.1, help: 0.1, stop: 0.1 };
        Settings {
            journal: Some(path.to_owned()),
            receipt: ReceiptSettings {
                undeliverable: vec![("001".into(), 0.1)],
                ..Settings::default().receipt
            },
            handsets: Handsets { first, think: Span::of_ms(10, 500), two_parts: 0.5, ..Handsets::default() },
            ..Settings::plain()
        }
    }

    fn carrier(path: &Path, now_ms: i64) -> Carrier {
        let mut carrier = Carrier::new(Arc::new(settings(path)), now_ms, Arc::default(), Arc::default());
        carrier.resume(path).unwrap();
        if carrier.accounts.somebody().is_none() {
            carrier.accounts.named("main");
        }
        carrier
    }

    fn question(number: u64) -> Sm {
        Sm {
            source: Address::new(3, 0, "88001"),
            dest: Address::international(number.to_string()),
            registered_delivery: 1,
            short_message: Bytes::from_static(b"Why did you leave? Reply 1-8, STOP to end"),
            ..Sm::default()
        }
    }

    /// Runs a carrier; of what it delivers every `lost`-th is never answered.
    fn run(carrier: &mut Carrier, from_ms: i64, to_ms: i64, lost: usize) -> Vec<Delivery> {
        let mut unanswered = Vec::new();
        for now_ms in (from_ms..to_ms).step_by(5) {
            carrier.fire(now_ms);
            for (count, delivery) in carrier.pull(0, usize::MAX, now_ms).into_iter().enumerate() {
                if (count + 1) % lost == 0 {
                    unanswered.push(delivery);
                } else {
                    carrier.answered(0, delivery, Status::OK, now_ms);
                }
            }
            carrier.commit();
        }
        unanswered
    }

    #[test]
    fn a_carrier_started_again_remembers_everything_and_sends_what_was_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("carrier.jsonl");
        let mut before = carrier(&path, 1_000_000);
        for number in 447_700_900_000..447_700_900_300 {
            assert!(matches!(
                before.submit(ME, &question(number), 1_000_000),
                Answer::Now(Status::OK, Some(_))
            ));
        }
        before.commit();
        let unanswered = run(&mut before, 1_000_000, 1_001_000, 3).len() as u64;
        let (told, said) = (before.census(), before.ledger.replies());
        assert!(unanswered > 20 && told.pending_replies > 0 && told.replies_acknowledged > 10, "{told:?}");
        drop(before);

        let mut after = carrier(&path, 2_000_000);
        let again = after.census();
        assert_eq!(
            (again.submits, again.messages, again.stops, again.receipts_acknowledged, again.replies_sent),
            (told.submits, told.messages, told.stops, told.receipts_acknowledged, told.replies_sent)
        );
        assert_eq!(again.replies_acknowledged, told.replies_acknowledged);
        assert_eq!(again.pending_replies, told.pending_replies);
        assert_eq!(after.ledger.replies(), said);
        run(&mut after, 2_000_000, 2_030_000, usize::MAX);
        assert!(after.is_idle(), "{:?}", after.census());
        assert_eq!(after.census().receipts_acknowledged, 300);
        assert_eq!(words(&after), words(&without_a_restart(&folder.path().join("other.jsonl"), 300)));
    }

    fn without_a_restart(path: &Path, handsets: u64) -> Carrier {
        let mut carrier = carrier(path, 1_000_000);
        for number in 0..handsets {
            carrier.submit(ME, &question(447_700_900_000 + number), 1_000_000);
        }
        run(&mut carrier, 1_000_000, 1_030_000, usize::MAX);
        carrier
    }

    fn words(carrier: &Carrier) -> Vec<(Msisdn, u32, String)> {
        let replies = carrier.ledger.replies().into_iter();
        let mut words: Vec<_> = replies.map(|reply| (reply.number, reply.turn, reply.text)).collect();
        words.sort();
        words
    }

    #[test]
    fn a_journal_cut_anywhere_leads_to_the_same_end() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole.jsonl");
        let alone = words(&without_a_restart(&whole, 40));
        assert!(alone.len() > 10);
        let written = std::fs::read(&whole).unwrap();
        let step = written.len() / 60;
        for end in (0..=60).map(|cut| cut * step) {
            let path = folder.path().join(format!("{end}.jsonl"));
            std::fs::write(&path, &written[..end]).unwrap();
            let mut after = carrier(&path, 2_000_000);
            let taken: Vec<_> = after.ledger.received().into_iter().map(|message| message.number).collect();
            run(&mut after, 2_000_000, 2_030_000, usize::MAX);
            assert!(after.is_idle(), "{:?}", after.census());
            assert_eq!(after.census().receipts_acknowledged, taken.len() as u64);
            let expected: Vec<_> =
                alone.iter().filter(|(number, ..)| taken.contains(number)).cloned().collect();
            assert_eq!(words(&after), expected, "cut at {end} of {}", written.len());
        }
    }

    #[test]
    fn sends_after_a_stop_are_counted_over_a_restart_and_ids_are_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("carrier.jsonl");
        let number = Msisdn(447_700_900_123);
        let mut before = carrier(&path, 1_000_000);
        let Answer::Now(_, Some(first)) = before.submit(ME, &question(number.0), 1_000_000) else {
            panic!("taken")
        };
        before.prompt(Some(0), number, &Address::new(3, 0, "88001"), "stop", 1_000_001, 1_000_001);
        run(&mut before, 1_000_001, 1_000_010, usize::MAX);
        assert_eq!(before.census().stops, 1);
        before.submit(ME, &question(number.0), 1_000_020);
        before.commit();
        assert_eq!(before.census().confirmations_after_stop, 1);

        let mut after = carrier(&path, 1_000_000);
        let census = after.census();
        assert_eq!((census.stops, census.confirmations_after_stop, census.sends_after_stop), (1, 1, 0));
        assert_eq!(census.duplicates, 1);
        let Answer::Now(_, Some(last)) = after.submit(ME, &question(number.0), 1_000_030) else {
            panic!("taken")
        };
        assert_eq!(after.census().sends_after_stop, 1);
        assert_ne!(first, last);
        assert!(after.link > 0);
    }
}
