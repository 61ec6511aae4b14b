//! What comes in from clients, and the rows the gateway makes of what comes from the carrier.

use backchat::message::{CampaignId, IdSource, MessageId, Msisdn, Outbound, Purpose, Sender, Source};
use backchat::store::{Acceptance, ChunkId, NewChunk, ReceiptRow};
use protocol::pdu::Sm;
use protocol::receipt::{Receipt, id_forms};

use crate::gateway::{CODE, LANE, first_number};
use crate::memory::{Command, Word, accepted};
use crate::plan::WorldFault;
use crate::world::{Event, World};

/// A client that was not told that its batch is accepted hands it in again after this.
const AGAIN_US: u64 = 400_000;

impl World {
    /// A client hands a batch in, or hands it in again.
    pub fn client(&mut self, batch: u64) {
        if self.handed_in.contains(&batch) {
            return;
        }
        if self.gateway.is_none() {
            return self.after(AGAIN_US, Event::Client(batch));
        }
        let acceptance = match self.unaccepted.get(&batch) {
            Some(acceptance) => acceptance.clone(),
            None => self.batch(),
        };
        if self.broken(WorldFault::AcceptBeforeCommit) {
            self.handed_in.insert(batch);
            accepted(&acceptance, &self.plan).into_iter().for_each(|what| self.tell(what));
        } else {
            self.unaccepted.insert(batch, acceptance.clone());
            self.after(3_000_000, Event::Client(batch));
        }
        self.ask(Command::Accept(batch, acceptance));
    }

    /// The store has accepted it, or says that it does not know.
    pub fn accepted(&mut self, batch: u64, fine: bool) {
        if !fine {
            return;
        }
        self.handed_in.insert(batch);
        if let Some(acceptance) = self.unaccepted.remove(&batch) {
            accepted(&acceptance, &self.plan).into_iter().for_each(|what| self.tell(what));
        }
        self.wake();
    }

    fn batch(&mut self) -> Acceptance {
        let now_ms = self.day_ms();
        let messages = self.dice.between(1, self.plan.batch_messages);
        let purpose = self.dice.pick(&[
            Purpose::OneTimeCode,
            Purpose::Transactional,
            Purpose::Survey,
            Purpose::Promotional,
        ]);
        let campaign = self.dice.below(self.plan.campaigns);
        let campaign = (campaign > 0).then(|| CampaignId(format!("campaign-{campaign}")));
        let not_before_ms = if self.dice.chance(self.plan.scheduled) {
            now_ms + self.dice.between(100, 4_000) as i64
        } else {
            now_ms
        };
        let mut acceptance = Acceptance::default();
        for _ in 0..messages {
            let Some(id) = self.next_id(now_ms) else { break };
            // such numbers that every part holds a whole token
            let tokens = if self.dice.chance(self.plan.long) { self.dice.pick(&[9, 12, 15, 18]) } else { 1 };
            let expires_ms =
                self.dice.chance(self.plan.expiring).then(|| now_ms + self.dice.between(50, 6_000) as i64);
            acceptance.messages.push(Outbound {
                to: Msisdn(first_number() + self.dice.below(self.plan.numbers)),
                body: format!("m{};", id.0).repeat(tokens as usize),
                expires_ms,
                ..message(id, purpose, campaign.clone(), now_ms)
            });
        }
        let members: Vec<MessageId> = acceptance.messages.iter().map(|message| message.id).collect();
        if let Some(id) = self.next_id(now_ms).filter(|_| !members.is_empty()) {
            acceptance.chunks.push(NewChunk {
                id: ChunkId(id.0),
                lane: LANE.to_owned(),
                class: purpose.class(),
                campaign,
                not_before_ms,
                attempt: 0,
                members,
                carries_on: None,
            });
        }
        acceptance
    }

    fn next_id(&self, now_ms: i64) -> Option<MessageId> {
        self.gateway.as_ref().map(|gateway| gateway.ids.next(now_ms))
    }
}

fn message(id: MessageId, purpose: Purpose, campaign: Option<CampaignId>, now_ms: i64) -> Outbound {
    Outbound {
        id,
        lane: LANE.to_owned(),
        purpose,
        campaign,
        sender: Sender(CODE.to_owned()),
        to: Msisdn(first_number()),
        body: format!("m{};", id.0),
        language: None,
        source: Source::Campaign,
        accepted_ms: now_ms,
        expires_ms: None,
        zone: None,
        account: None,
        reference: None,
        registered_delivery: None,
        relay: None,
        programme: None,
    }
}

/// The one confirmation of a STOP or START.
pub fn confirmation(ids: &IdSource, number: u64, word: Word, now_ms: i64) -> Acceptance {
    let mut acceptance = Acceptance::default();
    if word == Word::Hello {
        return acceptance;
    }
    let id = ids.next(now_ms);
    acceptance
        .messages
        .push(Outbound { to: Msisdn(number), ..message(id, Purpose::Confirmation, None, now_ms) });
    acceptance.chunks.push(NewChunk {
        id: ChunkId(ids.next(now_ms).0),
        lane: LANE.to_owned(),
        class: Purpose::Confirmation.class(),
        campaign: None,
        not_before_ms: now_ms,
        attempt: 0,
        members: vec![id],
        carries_on: None,
    });
    acceptance
}

/// A receipt as it is kept.
pub fn receipt_row(receipt: &Receipt, sm: &Sm, ids: &IdSource, now_ms: i64) -> ReceiptRow {
    let id = receipt.id.as_ref().map(|id| id.to_text().into_owned()).unwrap_or_default();
    let forms = id_forms(id.as_bytes());
    ReceiptRow {
        id: ids.next(now_ms).0,
        carrier: LANE.to_owned(),
        carrier_key: forms.key().to_owned(),
        candidates: forms.candidates().into_iter().map(|(_, form)| form).collect(),
        carrier_id: id,
        number: Msisdn::parse(&sm.source.addr.to_text()).ok(),
        state: receipt.state.name().to_lowercase(),
        is_final: receipt.state.is_final(),
        err: None,
        quote: None,
        received_ms: now_ms,
        done_ms: None,
    }
}
