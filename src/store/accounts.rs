//! What accounts handed in and are owed: keys that make a request once, messages a day, receipts to be told.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::contexts::each;
use super::engine::{Readers, Tx};
use super::error::StoreError;
use super::rows::{Acceptance, OutcomeRow};
use super::sql::Sql;
use crate::message::{MessageId, Msisdn, OutcomeKind, Sender};

/// A day, in which messages are counted.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a key is remembered: who asks again later is new.
const KEY_LIFE_MS: i64 = DAY_MS;
/// How long a receipt waits for its account, and a told one is remembered: longer than any weekend.
const RECEIPT_LIFE_MS: i64 = 3 * DAY_MS;
/// How long days are counted back.
const DAYS_KEPT: i64 = 7;
/// Rows of each kind deleted in one go: a few milliseconds of the writer.
const SWEEP_ROWS: i64 = 500;

static NEW_KEYS: Sql = Sql::new(
    "insert into idempotency (account, key, body, answer, at_ms) select account, key, body, answer, at_ms \
     from {rows account text, key text, body text, answer text, at_ms bigint} where true on conflict do nothing",
);
static KEYS: Sql = Sql::new(
    "select {list account, key, body, answer, at_ms} from ( \
         select i.account, i.key, i.body, i.answer, i.at_ms from {rows account text, key text} \
         join idempotency i on i.account = r.account and i.key = r.key) x",
);
static COUNT: Sql = Sql::new(
    "insert into account_day (account, day, messages) select account, day, messages \
     from {rows account text, day bigint, messages bigint} where true \
     on conflict (account, day) do update set messages = account_day.messages + excluded.messages",
);
static COUNTED: Sql = Sql::new(
    "select {list account, messages} from ( \
         select account, messages from account_day where day = {int day}) x",
);
/// A receipt is told when it was asked for: 1 always, 2 of a failure, 3 of a success; a success only when every part
/// has arrived.
static OWED_BY_RECEIPT: Sql = Sql::new(
    "insert into outbox (account, message, state, err, at_ms) \
     select m.account, m.id, c.state, c.err, c.received_ms \
     from {rows id bigint, message bigint} {probe receipt c on c.message = r.message} \
     {probe message m on m.id = c.message} \
     where c.id = r.id and c.is_final = 1 and m.account is not null and ( \
             m.registered_delivery = 1 or (m.registered_delivery = 2 and c.state <> 'delivered') \
             or (m.registered_delivery = 3 and c.state = 'delivered')) \
         and (c.state <> 'delivered' or not exists ( \
             select 1 from outcome o where o.message = m.id {span o.message} and o.kind = 'sent' and not exists ( \
                 select 1 from receipt d where d.message = o.message {span d.message} and d.part = o.part \
                     and d.state = 'delivered'))) \
     order by c.id on conflict do nothing",
);
static OWED_BY_OUTCOME: Sql = Sql::new(
    "insert into outbox (account, message, state, at_ms) select m.account, m.id, r.kind, r.at_ms \
     from {rows message bigint, kind text, at_ms bigint} {probe message m on m.id = r.message} \
     where m.account is not null and m.registered_delivery in (1, 2) order by m.id on conflict do nothing",
);
static OWED: Sql = Sql::new(
    "select {list id, message, state, err, at_ms} from ( \
         select o.id, o.message, o.state, o.err, o.at_ms from outbox o \
         where o.account = {text account} and o.told_ms is null and o.id > {int after} \
         order by o.id limit {int limit}) x",
);
static ABOUT: Sql = Sql::new(
    "select {list id, sender, recipient, body, accepted_ms} from ( \
         select m.id, m.sender, m.recipient, m.body, m.accepted_ms from {ids} {probe message m on m.id = r.id}) x",
);
static TOLD: Sql = Sql::new(
    "update outbox set told_ms = r.at_ms from {rows id bigint, at_ms bigint} where outbox.id = r.id",
);
static OLD_KEYS: Sql = Sql::new(
    "delete from idempotency where (account, key) in ( \
         select account, key from idempotency where at_ms < {int before_ms} order by at_ms limit {int limit})",
);
static OLD_RECEIPTS: Sql = Sql::new(
    "delete from outbox where id in ( \
         select id from outbox where at_ms < {int before_ms} order by at_ms limit {int limit})",
);
static OLD_DAYS: Sql = Sql::new("delete from account_day where day < {int day}");

/// A receipt, and the message it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct OfMessage {
    pub(super) id: i64,
    pub(super) message: MessageId,
}

/// A request that is to be carried out once. Key: (account, key).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestKey {
    /// Who asked.
    pub account: String,
    /// The key it gave.
    pub key: String,
    /// SHA-256 of the request's body, as hexadecimal.
    pub body: String,
    /// What was answered, for the asker to read again.
    pub answer: String,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
}

/// A receipt an account is owed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedReceipt {
    /// Rising in the order receipts came.
    pub id: i64,
    /// The message it is about.
    pub message: MessageId,
    /// The sender of that message.
    pub from: Sender,
    /// Its handset.
    pub to: Msisdn,
    /// Its text.
    pub body: String,
    /// A receipt's final state, or the outcome that ended it here.
    pub state: String,
    /// The carrier's error code.
    pub err: Option<String>,
    /// When the message was accepted, milliseconds since the epoch.
    pub submitted_ms: i64,
    /// When it came to its state.
    pub done_ms: i64,
}

impl std::fmt::Debug for OwedReceipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwedReceipt")
            .field("id", &self.id)
            .field("message", &self.message)
            .field("to", &self.to)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Which of these acceptances may go on: those without a key, and those whose key is theirs. A key that another request
/// took meanwhile refuses the whole acceptance.
pub(super) async fn claim_keys(tx: &mut Tx<'_>, all: &[&Acceptance]) -> Result<Vec<bool>, StoreError> {
    let keys: Vec<&RequestKey> = all.iter().filter_map(|one| one.key.as_ref()).collect();
    if keys.is_empty() {
        return Ok(vec![true; all.len()]);
    }
    let stored: HashMap<(String, String), RequestKey> =
        if tx.change(&NEW_KEYS, &keys).await? == keys.len() as u64 {
            HashMap::new()
        } else {
            let stored: Vec<RequestKey> = tx.list(&KEYS, &keys).await?;
            stored.into_iter().map(|key| ((key.account.clone(), key.key.clone()), key)).collect()
        };
    let is_ours = |key: &RequestKey| {
        stored.get(&(key.account.clone(), key.key.clone())).is_none_or(|stored| stored == key)
    };
    Ok(all.iter().map(|one| one.key.as_ref().is_none_or(is_ours)).collect())
}

/// Counts the messages of accounts on their days.
pub(super) async fn count(tx: &mut Tx<'_>, all: &[&Acceptance]) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Day<'a> {
        account: &'a str,
        day: i64,
        messages: u64,
    }
    let mut days: BTreeMap<(&str, i64), u64> = BTreeMap::new();
    for message in all.iter().flat_map(|one| &one.messages) {
        if let Some(account) = &message.account {
            *days.entry((account, message.accepted_ms.div_euclid(DAY_MS))).or_default() += 1;
        }
    }
    let days: Vec<Day<'_>> =
        days.into_iter().map(|((account, day), messages)| Day { account, day, messages }).collect();
    tx.change_all(&COUNT, &days).await.map(drop)
}

/// Puts the final ones of these receipts into the outboxes of their messages' accounts.
pub(super) async fn owe(tx: &mut Tx<'_>, receipts: &[OfMessage]) -> Result<(), StoreError> {
    tx.change_all(&OWED_BY_RECEIPT, receipts).await.map(drop)
}

/// The same for outcomes after which no receipt comes.
pub(super) async fn owe_ends(tx: &mut Tx<'_>, outcomes: &[&OutcomeRow]) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct End {
        message: MessageId,
        kind: OutcomeKind,
        at_ms: i64,
    }
    let ends = |outcome: &&&OutcomeRow| {
        matches!(
            outcome.kind,
            OutcomeKind::Rejected | OutcomeKind::Suppressed | OutcomeKind::Expired | OutcomeKind::GaveUp
        )
    };
    let ends: Vec<End> = outcomes
        .iter()
        .filter(ends)
        .map(|outcome| End { message: outcome.message, kind: outcome.kind, at_ms: outcome.at_ms })
        .collect();
    tx.change_all(&OWED_BY_OUTCOME, &ends).await.map(drop)
}

/// Notes that these receipts were told.
pub(super) async fn told(tx: &mut Tx<'_>, ids: &[i64], at_ms: i64) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Told {
        id: i64,
        at_ms: i64,
    }
    let told: Vec<Told> = ids.iter().map(|id| Told { id: *id, at_ms }).collect();
    tx.change_all(&TOLD, &told).await.map(drop)
}

/// Deletes a little of what is too old; how many rows.
pub(super) async fn sweep(tx: &mut Tx<'_>, now_ms: i64) -> Result<u64, StoreError> {
    let older = |life_ms: i64| serde_json::json!({ "before_ms": now_ms - life_ms, "limit": SWEEP_ROWS });
    let keys = tx.change(&OLD_KEYS, &older(KEY_LIFE_MS)).await?;
    let receipts = tx.change(&OLD_RECEIPTS, &older(RECEIPT_LIFE_MS)).await?;
    let days =
        tx.change(&OLD_DAYS, &serde_json::json!({ "day": now_ms.div_euclid(DAY_MS) - DAYS_KEPT })).await?;
    Ok(keys + receipts + days)
}

/// What was answered under a key, if it is known.
pub(super) async fn request(
    readers: &Readers,
    account: &str,
    key: &str,
) -> Result<Option<RequestKey>, StoreError> {
    let asked = serde_json::json!([{ "account": account, "key": key }]);
    Ok(readers.list::<RequestKey>(&KEYS, &asked).await?.pop())
}

/// Messages accepted from each account on the day of this time.
pub(super) async fn counted(readers: &Readers, now_ms: i64) -> Result<Vec<(String, u64)>, StoreError> {
    #[derive(Deserialize)]
    struct Row {
        account: String,
        messages: u64,
    }
    let rows: Vec<Row> =
        readers.list(&COUNTED, &serde_json::json!({ "day": now_ms.div_euclid(DAY_MS) })).await?;
    Ok(rows.into_iter().map(|row| (row.account, row.messages)).collect())
}

/// The oldest receipts after this one that an account has not been told.
pub(super) async fn owed(
    readers: &Readers,
    account: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<OwedReceipt>, StoreError> {
    #[derive(Deserialize)]
    struct Owed {
        id: i64,
        message: MessageId,
        state: String,
        err: Option<String>,
        at_ms: i64,
    }
    #[derive(Deserialize)]
    struct About {
        id: MessageId,
        sender: Sender,
        recipient: Msisdn,
        body: String,
        accepted_ms: i64,
    }
    let asked = serde_json::json!({ "account": account, "after": after, "limit": limit });
    let owed: Vec<Owed> = readers.list(&OWED, &asked).await?;
    let ids: Vec<MessageId> = owed.iter().map(|owed| owed.message).collect();
    let about: Vec<About> = each(readers, &ABOUT, &ids).await?;
    let about: HashMap<MessageId, About> = about.into_iter().map(|about| (about.id, about)).collect();
    let receipt = |owed: Owed| {
        let about = about.get(&owed.message)?;
        Some(OwedReceipt {
            id: owed.id,
            message: owed.message,
            from: about.sender.clone(),
            to: about.recipient,
            body: about.body.clone(),
            state: owed.state,
            err: owed.err,
            submitted_ms: about.accepted_ms,
            done_ms: owed.at_ms,
        })
    };
    Ok(owed.into_iter().filter_map(receipt).collect())
}
