//! Events: numbered in the order of their commits, read from a number on.

use serde::{Deserialize, Serialize};

use super::engine::Tx;
use super::error::StoreError;
use super::rows::EventRow;
use super::sql::Sql;
use super::views::NumberedEvent;
use crate::store::Store;

static COUNT: Sql =
    Sql::new("update event_head set seq = seq + {int count} where id = 1 returning {pack seq}");
static EVENTS: Sql = Sql::new(
    "insert into event (id, seq, at_ms, kind, number, message, campaign, detail) \
     select id, seq, at_ms, kind, number, message, campaign, detail \
     from {rows id bigint, seq bigint, at_ms bigint, kind text, number bigint, message bigint, campaign text, \
         detail text} \
     where true on conflict do nothing",
);
static AFTER: Sql = Sql::new(
    "select {list seq, id, at_ms, kind, number, message, campaign, detail} from ( \
         select e.seq, e.id, e.at_ms, e.kind, e.number, e.message, e.campaign, e.detail \
         from event e where e.seq > {int after} order by e.seq limit {int limit}) x",
);

impl Store {
    /// The events after this number, in order, at most so many. One that is committed later has a higher number: who
    /// goes on from the last number seen misses none.
    pub async fn events_after(&self, after: i64, limit: i64) -> Result<Vec<NumberedEvent>, StoreError> {
        let argument = serde_json::json!({ "after": after, "limit": limit });
        self.inner.readers.list(&AFTER, &argument).await
    }
}

#[derive(Deserialize)]
struct Head {
    seq: i64,
}

#[derive(Serialize)]
struct EventParam<'a> {
    seq: i64,
    #[serde(flatten)]
    event: &'a EventRow,
}

/// Writes what the transaction has to tell. The last thing it does: from here to the commit nobody else numbers.
pub(super) async fn write(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let events = std::mem::take(&mut tx.events);
    if events.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let head: Option<Head> = tx.rows(&COUNT, &serde_json::json!({ "count": count })).await?.pop();
    let last = head.ok_or_else(|| StoreError::Corrupt("events are not counted".to_owned()))?.seq;
    let params: Vec<EventParam<'_>> =
        (last - count + 1..).zip(&events).map(|(seq, event)| EventParam { seq, event }).collect();
    tx.change_all(&EVENTS, &params).await.map(drop)
}
