//! What was written lately and is asked for next: messages whose chunk is leased soon, parts whose receipt comes soon. A
//! hint, never the truth: what is not here is read.

use std::collections::BTreeMap;

use super::locator;
use super::rows::{Acceptance, ChunkId, NewChunk, Record};
use crate::message::{MessageId, Outbound};
use crate::rules::machines::correlator::Correlator;

/// Messages kept: of some 350 octets each, some 7 MB. What is planned ahead of a campaign is no more.
const MESSAGES: usize = 20_000;
/// A chunk waits here no longer: after that it is read, so that what another process erases is gone from here too.
const KEPT_MS: i64 = 60_000;
/// Parts kept for their receipts, some 10 MB: a minute of a thousand a second.
const PARTS: usize = 65_536;

/// What is fresh.
#[derive(Debug)]
pub(super) struct Fresh {
    /// By chunk, which is by age.
    chunks: BTreeMap<ChunkId, Vec<Outbound>>,
    messages: usize,
    pub(super) taken: Correlator,
}

impl Default for Fresh {
    fn default() -> Self {
        Self { chunks: BTreeMap::new(), messages: 0, taken: Correlator::new(PARTS) }
    }
}

impl Fresh {
    /// An acceptance is on disk.
    pub(super) fn accepted(&mut self, acceptance: Acceptance) {
        let mut messages: BTreeMap<MessageId, Outbound> =
            acceptance.messages.into_iter().map(|message| (message.id, message)).collect();
        for NewChunk { id, members, .. } in acceptance.chunks {
            let whole: Option<Vec<Outbound>> = members.iter().map(|id| messages.remove(id)).collect();
            let Some(whole) = whole else { continue };
            self.messages += whole.len();
            if let Some(before) = self.chunks.insert(id, whole) {
                self.messages -= before.len();
            }
        }
        while self.messages > MESSAGES
            && let Some((_, oldest)) = self.chunks.pop_first()
        {
            self.messages -= oldest.len();
        }
    }

    /// The messages of a chunk, where they are here as the chunk has them.
    pub(super) fn take(
        &mut self,
        chunk: ChunkId,
        members: &[MessageId],
        now_ms: i64,
    ) -> Option<Vec<Outbound>> {
        let messages = self.chunks.remove(&chunk)?;
        self.messages -= messages.len();
        let same = messages.iter().map(|message| message.id).eq(members.iter().copied());
        (same && now_ms - MessageId(chunk.0).made_ms() < KEPT_MS).then_some(messages)
    }

    /// What came of messages is on disk.
    pub(super) fn recorded(&mut self, record: &Record) {
        for one in &record.taken {
            self.taken.taken(locator::taken(&one.carrier, &one.carrier_key), one.part);
        }
    }

    /// Something was erased: nothing here may outlive it.
    pub(super) fn forget_messages(&mut self) {
        self.chunks.clear();
        self.messages = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CampaignId, Class, Msisdn, Purpose, Sender, Source};

    const NOW: i64 = 1_790_000_000_000;

    fn acceptance(ids: &crate::message::IdSource, messages: usize) -> Acceptance {
        let message = |_| Outbound {
            id: ids.next(NOW),
            lane: "north".to_owned(),
            purpose: Purpose::Survey,
            campaign: Some(CampaignId("c".to_owned())),
            programme: None,
            sender: Sender("88001".to_owned()),
            to: Msisdn(447_700_900_001),
            body: "How was it?".to_owned(),
            language: None,
            source: Source::Campaign,
            accepted_ms: NOW,
            expires_ms: None,
            zone: None,
            account: None,
            reference: None,
            registered_delivery: None,
            relay: None,
        };
        let messages: Vec<Outbound> = (0..messages).map(message).collect();
        let chunk = NewChunk {
            id: ChunkId(ids.next(NOW).0),
            lane: "north".to_owned(),
            class: Class::Survey,
            campaign: None,
            not_before_ms: NOW,
            attempt: 0,
            members: messages.iter().map(|message| message.id).collect(),
            carries_on: None,
        };
        Acceptance { messages, chunks: vec![chunk], ..Acceptance::default() }
    }

    #[test]
    fn a_chunk_is_given_once_whole_and_only_while_it_is_fresh() {
        let ids = crate::message::IdSource::new(1);
        let mut fresh = Fresh::default();
        let (first, second) = (acceptance(&ids, 3), acceptance(&ids, 2));
        for one in [&first, &second] {
            fresh.accepted(one.clone());
        }
        let (chunk, members) = (first.chunks[0].id, first.chunks[0].members.clone());
        assert_eq!(fresh.take(chunk, &members, NOW), Some(first.messages));
        assert_eq!(fresh.take(chunk, &members, NOW), None, "once");
        let (chunk, members) = (second.chunks[0].id, second.chunks[0].members.clone());
        assert_eq!(fresh.take(chunk, &members, NOW + KEPT_MS), None, "too old");
        assert_eq!(fresh.messages, 0);
    }

    #[test]
    fn it_stays_within_its_bound_and_forgets_the_oldest() {
        let ids = crate::message::IdSource::new(1);
        let mut fresh = Fresh::default();
        let all: Vec<Acceptance> = (0..100).map(|_| acceptance(&ids, 250)).collect();
        for one in &all {
            fresh.accepted(one.clone());
            assert!(fresh.messages <= MESSAGES);
        }
        let known = |fresh: &mut Fresh, one: &Acceptance| {
            fresh.take(one.chunks[0].id, &one.chunks[0].members, NOW).is_some()
        };
        assert!(!known(&mut fresh, &all[0]));
        assert!(known(&mut fresh, &all[99]));
        fresh.forget_messages();
        assert!(!known(&mut fresh, &all[98]));
    }
}
