//! What was written lately and is asked for next: messages whose chunk is leased soon, parts whose receipt comes soon. A
//! hint, never the truth: what is not here is read.

use std::collections::HashMap;

use super::locator;
use super::rows::{Acceptance, Record};
use crate::message::{MessageId, Outbound};
use crate::rules::machines::correlator::Correlator;

/// Messages kept: of some 350 octets each, some 7 MB. What is planned ahead of a campaign is no more.
const MESSAGES: usize = 20_000;
/// A message is kept no longer: after that it is read, so that what another process erases is gone from here too.
const KEPT_MS: i64 = 60_000;
/// Parts kept for their receipts, some 10 MB: a minute of a thousand a second.
const PARTS: usize = 65_536;

/// What is fresh. Of the messages the younger half is filled, then the older one is forgotten.
#[derive(Debug)]
pub(super) struct Fresh {
    young: HashMap<MessageId, Outbound>,
    old: HashMap<MessageId, Outbound>,
    pub(super) taken: Correlator,
}

impl Default for Fresh {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), taken: Correlator::new(PARTS) }
    }
}

impl Fresh {
    /// An acceptance is committed.
    pub(super) fn accepted(&mut self, acceptance: Acceptance) {
        // What no database keeps as it is, is sent as it was kept.
        for message in acceptance.messages.into_iter().filter(|message| !message.body.contains('\0')) {
            if self.young.len() >= MESSAGES / 2 {
                self.old = std::mem::replace(&mut self.young, HashMap::with_capacity(MESSAGES / 2));
            }
            self.young.insert(message.id, message);
        }
    }

    /// A message that is about to be sent, where it is here: it is asked for once.
    pub(super) fn take(&mut self, id: MessageId, now_ms: i64) -> Option<Outbound> {
        let message = self.young.remove(&id).or_else(|| self.old.remove(&id))?;
        (now_ms - message.accepted_ms < KEPT_MS).then_some(message)
    }

    /// What came of messages is on record, as long as the transaction is not undone.
    pub(super) fn recorded(&mut self, record: &Record) {
        for one in &record.taken {
            self.taken.taken(locator::taken(&one.carrier, &one.carrier_key), one.part);
        }
    }

    /// A transaction was undone, which may have told of parts.
    pub(super) fn forget_parts(&mut self) {
        self.taken = Correlator::new(PARTS);
    }

    /// Something was erased: no message here may outlive it.
    pub(super) fn forget_messages(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn message(id: i64) -> Outbound {
        Outbound::example(id, NOW)
    }

    fn accepted(fresh: &mut Fresh, ids: std::ops::Range<i64>) {
        fresh.accepted(Acceptance { messages: ids.map(message).collect(), ..Acceptance::default() });
    }

    #[test]
    fn a_message_is_given_once_and_only_while_it_is_fresh() {
        let mut fresh = Fresh::default();
        accepted(&mut fresh, 1..4);
        assert_eq!(fresh.take(MessageId(1), NOW), Some(message(1)));
        assert_eq!(fresh.take(MessageId(1), NOW), None, "once");
        assert_eq!(fresh.take(MessageId(2), NOW + KEPT_MS), None, "too old");
        fresh.forget_messages();
        assert_eq!(fresh.take(MessageId(3), NOW), None, "forgotten");
    }

    #[test]
    fn it_stays_within_its_bound_and_forgets_the_oldest() {
        let mut fresh = Fresh::default();
        for turn in 0..10 {
            accepted(&mut fresh, turn * 5_000..(turn + 1) * 5_000);
            assert!(fresh.young.len() + fresh.old.len() <= MESSAGES);
        }
        assert_eq!(fresh.take(MessageId(0), NOW), None);
        assert_eq!(fresh.take(MessageId(49_999), NOW), Some(message(49_999)));
    }
}
