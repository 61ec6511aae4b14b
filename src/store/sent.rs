//! Which parts of a message the carrier has taken, and which it never answered: what a retry does not send again, and what a
//! receipt may be about.

use std::collections::HashMap;

use serde::Deserialize;

use super::Store;
use super::error::StoreError;
use super::rows::ReceiptRow;
use super::sql::Sql;
use super::{locator, queue};
use crate::message::{MessageId, Msisdn, Outbound};

static SENT: Sql = Sql::new(
    "select {list message, part} from (select distinct o.message, o.part \
         from {ids} join outcome o on o.message = r.id and o.kind = 'sent') x",
);

/// Parts in doubt of these messages of which no answer is known.
static IN_DOUBT: Sql = Sql::new(
    "select {list message, attempt, part} from (select o.message, o.attempt, o.part \
         from {rows message bigint, carrier text, since_ms bigint} \
         join outcome o on o.message = r.message and o.kind = 'in_doubt' and o.carrier = r.carrier \
             and o.at_ms >= r.since_ms \
         where not exists (select 1 from outcome s \
             where s.message = o.message and s.part = o.part and s.kind = 'sent') \
         order by o.message, o.part, o.attempt) x",
);

/// Receipts of nobody's that name the handset of one of these messages, the oldest first.
static STRAY: Sql = Sql::new(
    "select {list id, carrier, carrier_id, carrier_key, number, state, is_final, err, quote, received_ms, done_ms} from ( \
         select distinct c.id, c.carrier, c.carrier_id, c.carrier_key, c.number, c.state, c.is_final, c.err, c.quote, \
             c.received_ms, c.done_ms \
         from {ids} join message m on m.id = r.id \
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
}

/// Of a number written to without end only the newest messages are looked at.
const LOOKED_AT: usize = 50;

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

    /// The parts to a number that a carrier was handed since then and never answered, with their messages.
    pub async fn unanswered_to(
        &self,
        number: Msisdn,
        carrier: &str,
        since_ms: i64,
    ) -> Result<Vec<(UnansweredPart, Outbound)>, StoreError> {
        let readers = &self.inner.readers;
        let ids = locator::ids(readers, std::iter::once(locator::to(number))).await?;
        let mut ids: Vec<i64> = ids.into_values().flatten().collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.truncate(LOOKED_AT);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = ids
            .iter()
            .map(|id| serde_json::json!({ "message": id, "carrier": carrier, "since_ms": since_ms }))
            .collect();
        let parts: Vec<UnansweredPart> = readers.list(&IN_DOUBT, &asked).await?;
        let wanted: Vec<MessageId> = parts.iter().map(|part| part.id).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let messages: Vec<Outbound> = readers.list(&queue::MEMBERS, &wanted).await?;
        let messages: HashMap<MessageId, Outbound> =
            messages.into_iter().map(|message| (message.id, message)).collect();
        let both = parts.into_iter().filter_map(|part| {
            let message = messages.get(&part.id)?.clone();
            Some((part, message))
        });
        Ok(both.collect())
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
