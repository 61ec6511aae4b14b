//! The door in: drafts become messages and chunks in one commit, and only then are they accepted.

use crate::flow::Flow;
use crate::message::{CampaignId, Class, MessageId, Msisdn, Outbound, Purpose, Relay, Sender, Source};
use crate::store::{Acceptance, ChunkId, NewChunk, StoreError};

pub use crate::store::CHUNK_MESSAGES;

/// A message to be accepted.
#[derive(Clone)]
pub struct Draft {
    /// The carrier account it goes to.
    pub lane: String,
    /// Why it is sent.
    pub purpose: Purpose,
    /// The campaign it belongs to.
    pub campaign: Option<CampaignId>,
    /// The programme it belongs to, one of its code's: what a person can stop by itself.
    pub programme: Option<String>,
    /// What the handset shows.
    pub sender: Sender,
    /// The handset.
    pub to: Msisdn,
    /// The text, merged and final.
    pub body: String,
    /// Its language.
    pub language: Option<String>,
    /// How it came in.
    pub source: Source,
    /// Not to be submitted after this.
    pub expires_ms: Option<i64>,
    /// IANA name of the time zone the person is known to live in.
    pub zone: Option<String>,
    /// Who handed it in; the default for what the program sends by itself.
    pub origin: Origin,
}

/// Who handed a message in, and how.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The account.
    pub account: Option<String>,
    /// What the account calls the message.
    pub reference: Option<String>,
    /// Not to be sent before this, milliseconds since the epoch.
    pub not_before_ms: Option<i64>,
    /// Which receipts its ESME asked for.
    pub registered_delivery: Option<u8>,
    /// Octets to be passed on as they are.
    pub relay: Option<Relay>,
}

impl Flow {
    /// Accepts messages: when this returns, they are on disk.
    ///
    /// # Errors
    /// What the memory says; nothing is accepted then, unless it says that it does not know.
    pub async fn accept(&self, drafts: Vec<Draft>) -> Result<Vec<MessageId>, StoreError> {
        let acceptance = self.acceptance(drafts);
        let ids: Vec<MessageId> = acceptance.messages.iter().map(|message| message.id).collect();
        let lanes: Vec<String> = acceptance.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
        self.store.accept(acceptance).await?;
        self.accepted(ids.len(), &lanes);
        Ok(ids)
    }

    /// Messages and chunks for drafts, to be committed with whatever belongs to them.
    pub fn acceptance(&self, drafts: Vec<Draft>) -> Acceptance {
        let now_ms = self.clock.now_ms();
        let mut acceptance = Acceptance::default();
        for draft in drafts {
            let message = Outbound {
                id: self.ids.next(now_ms),
                lane: draft.lane,
                purpose: draft.purpose,
                campaign: draft.campaign,
                programme: draft.programme,
                sender: draft.sender,
                to: draft.to,
                body: draft.body,
                language: draft.language,
                source: draft.source,
                accepted_ms: now_ms,
                expires_ms: draft.expires_ms,
                zone: draft.zone,
                account: draft.origin.account,
                reference: draft.origin.reference,
                registered_delivery: draft.origin.registered_delivery,
                relay: draft.origin.relay,
            };
            let (class, id) = (message.purpose.class(), message.id);
            let due_ms = draft.origin.not_before_ms.map_or(now_ms, |at_ms| at_ms.max(now_ms));
            let open = acceptance.chunks.iter_mut().rev().find(|chunk: &&mut NewChunk| {
                chunk.lane == message.lane
                    && chunk.class == class
                    && chunk.campaign == message.campaign
                    && chunk.not_before_ms == due_ms
            });
            match open.filter(|chunk| chunk.members.len() < CHUNK_MESSAGES) {
                Some(chunk) => chunk.members.push(id),
                None => acceptance.chunks.push(self.chunk(
                    &message.lane,
                    class,
                    message.campaign.clone(),
                    due_ms,
                    vec![id],
                )),
            }
            acceptance.messages.push(message);
        }
        acceptance
    }

    /// A first chunk of these messages.
    fn chunk(
        &self,
        lane: &str,
        class: Class,
        campaign: Option<CampaignId>,
        not_before_ms: i64,
        members: Vec<MessageId>,
    ) -> NewChunk {
        NewChunk {
            id: ChunkId(self.ids.next(self.clock.now_ms()).0),
            lane: lane.to_owned(),
            class,
            campaign,
            not_before_ms,
            attempt: 0,
            members,
            carries_on: None,
        }
    }

    /// Counts what was committed and wakes its lanes.
    pub fn accepted(&self, messages: usize, lanes: &[String]) {
        self.metrics.accepted.add(messages as u64);
        lanes.iter().for_each(|lane| self.wake(lane));
    }
}
