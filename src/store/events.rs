//! Events: numbered in the order of their commits, read from a number on.

use serde::Deserialize;

use super::engine::Tx;
use super::error::StoreError;
use super::insert::{Column, Insert, Value};
use super::rows::EventRow;
use super::sql::Sql;
use super::views::NumberedEvent;
use crate::store::Store;

static COUNT: Sql =
    Sql::new("update event_head set seq = seq + {int count} where id = 1 returning {pack seq}");
static EVENTS: Insert<8> = Insert::new(
    "event",
    [
        Column::Int("id"),
        Column::Int("seq"),
        Column::Int("at_ms"),
        Column::Text("kind"),
        Column::Int("number"),
        Column::Int("message"),
        Column::Text("campaign"),
        Column::Text("detail"),
    ],
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

/// Writes what the transaction has to tell. The last thing it does: from here to the commit nobody else numbers.
pub(super) async fn write(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let events = std::mem::take(&mut tx.events);
    if events.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let head: Option<Head> = tx.rows(&COUNT, &serde_json::json!({ "count": count })).await?.pop();
    let last = head.ok_or_else(|| StoreError::Corrupt("events are not counted".to_owned()))?.seq;
    let rows = (last - count + 1..).zip(&events).map(|(seq, event)| event_row(seq, event));
    tx.insert(&EVENTS, rows).await.map(drop)
}

fn event_row(seq: i64, event: &EventRow) -> [Value<'_>; 8] {
    [
        event.id.into(),
        seq.into(),
        event.at_ms.into(),
        (&event.kind).into(),
        event.number.into(),
        event.message.map(|message| message.0).into(),
        event.campaign.as_ref().map(|campaign| &campaign.0).into(),
        event.detail.as_deref().into(),
    ]
}
