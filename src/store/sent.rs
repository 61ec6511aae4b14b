//! Which parts of a message the carrier has taken, and which it never answered: what a retry does not send again, and what a
//! receipt may be about.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::Store;
use super::contexts::{each, newest};
use super::error::StoreError;
use super::rows::ReceiptRow;
use super::sql::Sql;
use super::{locator, queue};
use crate::message::{MessageId, Msisdn, Outbound, Sender};

static SENT: Sql = Sql::new(
    "select {list message, part} from (select distinct o.message, o.part \
         from {ids} {probe outcome o on o.message = r.id} where o.kind = 'sent') x",
);

/// Parts of these messages that a carrier took, and of which no final receipt has come.
static HELD: Sql = Sql::new(
    "select {list message, part, carrier, carrier_id, \"to\", sender, purpose, programme} from ( \
         select o.message, o.part, o.carrier, o.carrier_id, m.recipient as \"to\", m.sender, m.purpose, m.programme \
         from {ids} {probe message m on m.id = r.id} {probe outcome o on o.message = m.id} \
         where o.kind = 'sent' and o.carrier is not null and o.carrier_id is not null and not exists (select 1 from receipt c \
             where c.message = o.message {span c.message} and c.part = o.part and c.is_final = 1) \
         order by o.message, o.part) x",
);

/// Parts in doubt of these messages of which no answer is known.
static IN_DOUBT: Sql = Sql::new(
    "select {list message, attempt, part, carrier, at_ms} from (select o.message, o.attempt, o.part, o.carrier, o.at_ms \
         from {ids} {probe outcome o on o.message = r.id} \
         where o.kind = 'in_doubt' and not exists (select 1 from outcome s \
             where s.message = o.message {span s.message} and s.part = o.part and s.kind = 'sent') \
         order by o.message, o.part, o.attempt) x",
);

/// Receipts of nobody's that name the handset of one of these messages, the oldest first.
static STRAY: Sql = Sql::new(
    "select {list id, carrier, carrier_id, carrier_key, number, state, is_final, err, quote, received_ms, done_ms} from ( \
         select distinct c.id, c.carrier, c.carrier_id, c.carrier_key, c.number, c.state, c.is_final, c.err, c.quote, \
             c.received_ms, c.done_ms \
         from {ids} {probe message m on m.id = r.id} \
         join receipt c on c.number = m.recipient and c.message is null and c.received_ms >= m.accepted_ms \
         order by c.id) x",
);

/// A part that may have left.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UnansweredPart {
    /// The message.
    #[serde(rename = "message")]
    pub id: MessageId,
    /// Which attempt, from 0.
    pub attempt: i64,
    /// Which part, from 0.
    pub part: i64,
    /// The carrier that was handed it.
    pub carrier: Option<String>,
    /// Since when it has been in doubt, milliseconds since the epoch.
    pub at_ms: i64,
}

/// A part that a carrier may still hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeldPart {
    /// The message.
    pub message: MessageId,
    /// Which part, from 0.
    pub part: i64,
    /// The carrier.
    pub carrier: String,
    /// message_id as it wrote it.
    pub carrier_id: String,
    /// The handset.
    pub to: Msisdn,
    /// Who it is from.
    pub sender: Sender,
    /// Why it was sent.
    pub purpose: String,
    /// The programme it belongs to.
    pub programme: Option<String>,
}

#[derive(Deserialize)]
struct Part {
    message: MessageId,
    part: i64,
}

impl Store {
    /// Receipts that found no message and name the handset of one of these; without the other forms of their ids.
    pub async fn stray_receipts(&self, messages: &[MessageId]) -> Result<Vec<ReceiptRow>, StoreError> {
        self.inner.readers.list(&STRAY, messages).await
    }

    /// The parts to these numbers that no carrier ever answered; and, where there are any, the newest messages to these numbers.
    pub async fn unanswered_to(
        &self,
        numbers: &[Msisdn],
    ) -> Result<(Vec<UnansweredPart>, Vec<Outbound>), StoreError> {
        let readers = &self.inner.readers;
        let ids = newest(readers, numbers, locator::to).await?;
        let parts: Vec<UnansweredPart> = each(readers, &IN_DOUBT, &ids).await?;
        let doubtful: Vec<MessageId> = parts.iter().map(|part| part.id).collect();
        let doubtful: Vec<Outbound> = each(readers, &queue::MEMBERS, &doubtful).await?;
        let numbers: BTreeSet<Msisdn> = doubtful.iter().map(|message| message.to).collect();
        let ids = newest(readers, &numbers.into_iter().collect::<Vec<_>>(), locator::to).await?;
        Ok((parts, each(readers, &queue::MEMBERS, &ids).await?))
    }

    /// The parts to these numbers, accepted since this time, that a carrier took and told no end of.
    pub async fn held_by_carriers(
        &self,
        numbers: &[Msisdn],
        since_ms: i64,
    ) -> Result<Vec<HeldPart>, StoreError> {
        let readers = &self.inner.readers;
        let mut ids = newest(readers, numbers, locator::to).await?;
        let first = MessageId::first_at(since_ms).0;
        ids.retain(|id| *id >= first);
        each(readers, &HELD, &ids).await
    }

    /// The parts of these messages that a carrier has taken, from 0, in any attempt.
    pub async fn sent_parts(
        &self,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<i64>>, StoreError> {
        let mut sent: HashMap<MessageId, Vec<i64>> = HashMap::new();
        let parts: Vec<Part> = self.inner.readers.list(&SENT, messages).await?;
        for Part { message, part } in parts {
            sent.entry(message).or_default().push(part);
        }
        Ok(sent)
    }
}
