//! The life of a message, and of a number: what `why` shows.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Store;
use super::consent::Proof;
use super::engine::Readers;
use super::error::StoreError;
use super::locator;
use super::results;
use super::sql::Sql;
use super::views::{Life, LifeEntry, NumberLife, ReplyFilter};
use crate::message::{MessageId, Msisdn, Outbound};

static MESSAGE: Sql = Sql::new(
    "select {row id, lane, purpose, campaign, sender, \"to\", body, language, source, accepted_ms, expires_ms, zone, \
         account, reference, registered_delivery, relay, programme, state, cause} \
     from (select m.id, m.lane, m.purpose, m.campaign, m.sender, m.recipient as \"to\", m.body, m.language, m.source, \
         m.accepted_ms, m.expires_ms, m.zone, m.account, m.reference, m.registered_delivery, m.relay, m.programme, s.state, \
         s.cause \
         from message m join {states s} on s.message = m.id where m.id = {int message}) x",
);
static ENTRIES: Sql = Sql::new(
    "select {list at_ms, kind, detail} from ( \
     select o.at_ms, o.kind, \
         {pack o.attempt, o.part, o.bind, o.carrier, o.status, o.carrier_id, o.cause, o.took_ms} as detail \
         from outcome o where o.message = {int message} \
     union all \
     select c.received_ms, 'receipt', {pack c.part, c.state, c.err, c.carrier, c.carrier_id, c.done_ms} \
         from receipt c where c.message = {int message} \
     union all \
     select e.at_ms, e.kind, {pack e.detail} from event e where e.message = {int message} \
     union all \
     select i.opened_ms, 'asked', {pack i.survey, i.question, i.state, i.asked, i.closed_ms} \
         from invitation i where i.message = {int message} \
     union all \
     select n.received_ms, 'reply', {pack n.id, n.text, n.verdict, n.rule, n.campaign} \
         from message m cross join {each {text from}} l join inbound n on n.id = cast(l.value as bigint) \
             and n.number = m.recipient and n.code = m.sender and n.received_ms >= m.accepted_ms \
         where m.id = {int message} and (m.campaign is null or n.campaign = m.campaign) \
     union all \
     select a.at_ms, 'answer', {pack a.inbound, a.question, a.value, a.comment, a.rule, a.replaced_ms} \
         from invitation i join answer a on a.campaign = i.campaign and a.number = i.number \
         where i.message = {int message} \
     union all \
     select k.not_before_ms, 'queued', {pack k.id, k.state, k.attempt, k.not_before_ms} \
         from message m join chunk k on k.lane = m.lane and k.state = 'waiting' \
         where m.id = {int message} and exists ( \
             select 1 from {each k.members} e where cast(e.value as bigint) = m.id) \
     union all \
     select k.not_before_ms, 'queued', {pack k.id, k.state, k.attempt, k.not_before_ms} \
         from run cross join chunk k where k.epoch = run.epoch and k.state = 'leased' and exists ( \
             select 1 from {each k.members} e where cast(e.value as bigint) = {int message})) x",
);

#[derive(Deserialize)]
struct MessageColumns {
    #[serde(flatten)]
    message: Outbound,
    state: String,
    cause: Option<String>,
}

#[derive(Deserialize)]
struct EntryColumns {
    at_ms: i64,
    kind: String,
    detail: Detail,
}

/// An object inside a row, as such or as a text: SQLite may have forgotten which.
#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Text(String),
    Object(BTreeMap<String, serde_json::Value>),
}

impl From<EntryColumns> for LifeEntry {
    fn from(columns: EntryColumns) -> Self {
        let mut detail = match columns.detail {
            Detail::Object(object) => object,
            Detail::Text(text) => serde_json::from_str(&text).unwrap_or_default(),
        };
        detail.retain(|_, value| !value.is_null());
        Self { at_ms: columns.at_ms, kind: columns.kind, detail }
    }
}

/// What comes first where the clock does not tell: a receipt can be of the same millisecond as its send.
fn order(kind: &str) -> u8 {
    match kind {
        "accepted" => 0,
        "asked" => 1,
        "queued" => 2,
        "receipt" => 4,
        "reply" => 5,
        "answer" => 6,
        _ => 3,
    }
}

/// The life of one message.
pub(super) async fn life(readers: &Readers, message: MessageId) -> Result<Option<Life>, StoreError> {
    life_with(readers, message, None).await
}

/// The same, where it is known what has come from whom it went to.
async fn life_with(
    readers: &Readers,
    message: MessageId,
    from: Option<&[i64]>,
) -> Result<Option<Life>, StoreError> {
    let argument = serde_json::json!({ "message": message });
    let Some(columns) = readers.rows::<MessageColumns>(&MESSAGE, &argument).await?.pop() else {
        return Ok(None);
    };
    let from = match from {
        Some(from) => from.to_vec(),
        None => locator::under(readers, locator::from(columns.message.to)).await?,
    };
    let argument = serde_json::json!({ "message": message, "from": from });
    let rows: Vec<EntryColumns> = readers.list(&ENTRIES, &argument).await?;
    let mut entries: Vec<LifeEntry> = rows.into_iter().map(LifeEntry::from).collect();
    let MessageColumns { message, state, cause } = columns;
    let mut detail = BTreeMap::from([
        ("source".to_owned(), serde_json::json!(message.source)),
        ("purpose".to_owned(), serde_json::json!(message.purpose)),
        ("lane".to_owned(), serde_json::json!(message.lane)),
    ]);
    if let Some(campaign) = &message.campaign {
        detail.insert("campaign".to_owned(), serde_json::json!(campaign));
    }
    entries.push(LifeEntry { at_ms: message.accepted_ms, kind: "accepted".to_owned(), detail });
    entries.sort_by_key(|entry| (entry.at_ms, order(&entry.kind)));
    Ok(Some(Life { message, state, cause, entries }))
}

/// What is known about a number.
pub(super) async fn number(store: &Store, number: Msisdn) -> Result<NumberLife, StoreError> {
    let readers = &store.inner.readers;
    let to = locator::under(readers, locator::to(number)).await?;
    let from = locator::under(readers, locator::from(number)).await?;
    let mut messages = Vec::new();
    for id in to.into_iter().rev().take(NumberLife::MESSAGES) {
        // It may have been erased, which is known here a little later.
        let life = life_with(readers, MessageId(id), Some(&from)).await?;
        messages.extend(life.filter(|life| life.message.to == number));
    }
    let limit = i64::try_from(NumberLife::REPLIES).unwrap_or_default();
    let filter = ReplyFilter { number: Some(number), limit, ..ReplyFilter::default() };
    let pack = store.consent_pack(number).await?;
    Ok(NumberLife {
        number,
        opted_out: pack.opted_out.into_iter().map(|standing| (standing.scope, standing.since_ms)).collect(),
        messages,
        replies: results::replies(readers, &filter).await?,
        consent: pack.changes.into_iter().map(consent_entry).collect(),
    })
}

fn consent_entry(change: Proof) -> LifeEntry {
    let evidence = change.evidence.unwrap_or_default();
    let mut detail = BTreeMap::from([
        ("scope".to_owned(), serde_json::json!(change.scope)),
        ("actor".to_owned(), serde_json::json!(change.actor)),
        ("inbound".to_owned(), serde_json::json!(evidence.inbound)),
        ("detail".to_owned(), serde_json::json!(evidence.received.or(evidence.note))),
    ]);
    detail.retain(|_, value| !value.is_null());
    LifeEntry { at_ms: change.at_ms, kind: change.kind, detail }
}
