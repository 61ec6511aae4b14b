//! Forgetting what is old enough: messages by their class, what people said, what was told; a little at a time, in the
//! order of their ids, which is that of time. Nothing that is not through is forgotten, and no opt-out and no proof of
//! consent ever.
//!
//! Rows go one small step after the other. Where each day has tables of its own, a day of which nothing is to stay goes as a
//! whole: its keys step by step, and then its tables.

mod day;

use serde::Deserialize;

use super::Store;
use super::contexts::each;
use super::days;
use super::engine::{Readers, Tx};
use super::error::StoreError;
use super::locator;
use super::outcomes::RECEIPT_REACH_MS;
use super::sql::Sql;
use super::write::{Answer, Write};
use crate::message::{Class, Kept, MessageId, Msisdn, Purpose};

pub(super) use day::{DayStep, step as day_step};

/// Rows looked at in one step: some milliseconds.
const ROWS_A_STEP: usize = 500;
/// What dealt-with parts of long messages are kept for: a carrier sends again what it believes unanswered, for hours.
const PARTS_KEPT_MS: i64 = 2 * 86_400_000;

/// How far forgetting has come with one kind: everything up to this id was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// The place to go on from.
    pub upto: i64,
    /// Rows of the kind that went.
    pub rows: u64,
    /// Whether there may be more that is old enough.
    pub more: bool,
}

static OLD_MESSAGES: Sql = Sql::new(
    "select {list id, number, state, open} from ( \
         select m.id, m.recipient as number, \
             case when m.purpose in ({text one}, {text two}, {text three}, {text four}) \
                 then (select s.state from {states s} where s.message = m.id) end as state, \
             case when i.state in ('open', 'waiting') or exists (select 1 from outbox b \
                 where b.message = m.id and b.told_ms is null) then 1 else 0 end as open \
         from (select id, recipient, purpose from message where id > {int after} and id < {int before} \
             order by id limit {int limit}) m \
         left join invitation i on i.message = m.id order by m.id) x",
);
/// Invitations that came to an end and never to a message, among ids.
static UNASKED: Sql = Sql::new(
    "select {list id, number} from (select i.message as id, i.number from invitation i \
         where i.message > {int after} and i.message < {int before} and i.state not in ('open', 'waiting') \
             and not exists (select 1 from message m where m.id = i.message {span m.id}) \
         order by i.message limit {int limit}) x",
);
static TAKEN: Sql = Sql::new(
    "select {list message, carrier, carrier_key} from ( \
         select o.message, o.carrier, o.carrier_key from {ids} {probe outcome o on o.message = r.id} \
         where o.carrier_key is not null) x",
);
static OLD_REPLIES: Sql = Sql::new(
    "select {list id, number} from (select id, number from inbound where id > {int after} and id < {int before} \
         order by id limit {int limit}) x",
);
static OLD_EVENTS: Sql = Sql::new(
    "select {list id} from (select id from event where id > {int after} and id < {int before} \
         order by id limit {int limit}) x",
);

static NO_RECEIPTS: Sql =
    Sql::new("delete from receipt where message in (select r.id from {ids}) {span message}");
static NO_OUTCOMES: Sql =
    Sql::new("delete from outcome where message in (select r.id from {ids}) {span message}");
static NO_CALLBACKS: Sql = Sql::new("delete from callback where invitation in (select r.id from {ids})");
static NO_INVITATIONS: Sql = Sql::new("delete from invitation where message in (select r.id from {ids})");
static NO_MESSAGES: Sql = Sql::new("delete from message where id in (select r.id from {ids}) {span id}");
static NO_CHUNKS: Sql = Sql::new(
    "delete from chunk where state = 'done' and class = {int class} and id > {int after} and id <= {int upto}",
);
static NO_ANSWERS: Sql = Sql::new("delete from answer where inbound in (select r.id from {ids})");
static NO_TAGS: Sql = Sql::new("delete from reply_tag where inbound in (select r.id from {ids})");
static NO_REPLIES: Sql = Sql::new("delete from inbound where id in (select r.id from {ids})");
static NO_CONVERSATIONS: Sql = Sql::new(
    "delete from conversation where state = 'closed' and last_in_ms < {int before_ms} \
         and coalesce(last_out_ms, 0) < {int before_ms}",
);
static NO_PARTS: Sql =
    Sql::new("delete from inbound_part where done_ms < {int before_ms} and received_ms < {int before_ms}");
static NO_WAITING: Sql = Sql::new(
    "delete from receipt_waiting where receipt in (select w.receipt from receipt_waiting w \
         where w.receipt < {int before} order by w.receipt limit {int limit})",
);
static OLD_NOBODYS: Sql = Sql::new(
    "select {list id} from (select c.id from receipt c where c.message is null and c.received_ms < {int before_ms} \
         order by c.received_ms limit {int limit}) x",
);
/// What has found its message meanwhile stays.
static NO_NOBODYS: Sql =
    Sql::new("delete from receipt where message is null and id in (select r.id from {ids})");
static NO_EVENTS: Sql = Sql::new("delete from event where id in (select r.id from {ids})");

/// One step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    kept: Kept,
    /// Everything from `after` up to `upto` was looked at; of it these go.
    ids: Vec<i64>,
    keys: Vec<(String, i64)>,
    after: i64,
    upto: i64,
    before_ms: i64,
}

impl Store {
    /// Forgets a little of what is older than this time, from behind a place on.
    ///
    /// # Errors
    /// What the memory says; what went before stays gone.
    pub async fn forget(&self, kept: Kept, after: i64, before_ms: i64) -> Result<Forgotten, StoreError> {
        let readers = &self.inner.readers;
        let before = MessageId::first_at(before_ms).0;
        let looked = match kept {
            Kept::Messages(class) => {
                let before = days::behind(readers, before).await?;
                old_messages(readers, class, after, before).await?
            }
            Kept::Replies => old_replies(readers, after, before).await?,
            Kept::Events => old_events(readers, after, before).await?,
        };
        let Looked { ids, keys, last, more } = looked;
        let upto = last.unwrap_or(after);
        if ids.is_empty() {
            return Ok(Forgotten { upto, rows: 0, more });
        }
        let rows = ids.len() as u64;
        let step = Step { kept, ids, keys, after, upto, before_ms };
        match self.write(Write::Forget(Box::new(step))).await? {
            Answer::Done => Ok(Forgotten { upto, rows, more }),
            _ => Err(super::mixed_up()),
        }
    }
}

impl Store {
    /// Forgets a little of the receipts that are of no message of ours and older than this time; tells how many, and whether
    /// there may be more.
    ///
    /// # Errors
    /// What the memory says; what went before stays gone.
    pub async fn forget_nobodys(&self, before_ms: i64) -> Result<(u64, bool), StoreError> {
        #[derive(Deserialize)]
        struct Old {
            id: i64,
        }
        let asked = serde_json::json!({ "before_ms": before_ms, "limit": ROWS_A_STEP });
        let old: Vec<Old> = self.inner.readers.list(&OLD_NOBODYS, &asked).await?;
        if old.is_empty() {
            return Ok((0, false));
        }
        let more = old.len() == ROWS_A_STEP;
        match self.write(Write::ForgetNobodys(old.into_iter().map(|one| one.id).collect())).await? {
            Answer::Count(rows) => Ok((rows, more)),
            _ => Err(super::mixed_up()),
        }
    }
}

/// A row that somebody's number leads to.
#[derive(Deserialize)]
struct Numbered {
    id: i64,
    number: Msisdn,
}

/// What one look finds.
struct Looked {
    ids: Vec<i64>,
    keys: Vec<(String, i64)>,
    last: Option<i64>,
    more: bool,
}

async fn old_messages(
    readers: &Readers,
    class: Class,
    after: i64,
    before: i64,
) -> Result<Looked, StoreError> {
    #[derive(Deserialize)]
    struct Old {
        id: i64,
        number: Msisdn,
        /// None: of another class.
        state: Option<String>,
        open: i64,
    }
    let mut of_class = Purpose::ALL.into_iter().filter(|one| one.class() == class).map(Purpose::name);
    let mut argument = span(after, before);
    for place in ["one", "two", "three", "four"] {
        argument[place] = of_class.next().into();
    }
    let old: Vec<Old> = readers.list(&OLD_MESSAGES, &argument).await?;
    let goes = |one: &&Old| one.open == 0 && one.state.as_deref().is_some_and(|state| state != "queued");
    let mut gone: Vec<(Msisdn, i64)> = old.iter().filter(goes).map(|one| (one.number, one.id)).collect();
    let mut more = old.len() == ROWS_A_STEP;
    let mut upto = old.last().filter(|_| more).map_or(before - 1, |one| one.id).max(after);
    if class == Class::Survey
        && let Some(last) = with_unasked(readers, &mut gone, after, upto).await?
    {
        (upto, more) = (last, true);
    }
    let (ids, keys) = leading_to(readers, gone).await?;
    Ok(Looked { ids, keys, last: Some(upto), more })
}

/// To messages between two ids those invitations whose question was never put: they too are a number and a name. Where these
/// are as many as a step takes, it goes no further than to the last of them, which is told.
async fn with_unasked(
    readers: &Readers,
    gone: &mut Vec<(Msisdn, i64)>,
    after: i64,
    upto: i64,
) -> Result<Option<i64>, StoreError> {
    let unasked: Vec<Numbered> = readers.list(&UNASKED, &span(after, upto.saturating_add(1))).await?;
    let last = unasked.last().map(|one| one.id).filter(|_| unasked.len() == ROWS_A_STEP);
    if let Some(last) = last {
        gone.retain(|(_, id)| *id <= last);
    }
    gone.extend(unasked.into_iter().map(|one| (one.number, one.id)));
    Ok(last)
}

/// The ids of messages, and what leads to them: their numbers, and the ids under which carriers took them.
async fn leading_to(
    readers: &Readers,
    messages: Vec<(Msisdn, i64)>,
) -> Result<(Vec<i64>, Vec<(String, i64)>), StoreError> {
    #[derive(Deserialize)]
    struct Taken {
        message: i64,
        carrier: String,
        carrier_key: String,
    }
    let ids: Vec<i64> = messages.iter().map(|(_, id)| *id).collect();
    let taken: Vec<Taken> = each(readers, &TAKEN, &ids).await?;
    let to = messages.into_iter().map(|(number, id)| (locator::to(number), id));
    let by_carrier =
        taken.into_iter().map(|one| (locator::taken(&one.carrier, &one.carrier_key), one.message));
    Ok((ids, to.chain(by_carrier).collect()))
}

async fn old_replies(readers: &Readers, after: i64, before: i64) -> Result<Looked, StoreError> {
    let old: Vec<Numbered> = readers.list(&OLD_REPLIES, &span(after, before)).await?;
    Ok(Looked {
        ids: old.iter().map(|one| one.id).collect(),
        keys: old.iter().map(|one| (locator::from(one.number), one.id)).collect(),
        last: old.last().map(|one| one.id),
        more: old.len() == ROWS_A_STEP,
    })
}

async fn old_events(readers: &Readers, after: i64, before: i64) -> Result<Looked, StoreError> {
    #[derive(Deserialize)]
    struct Old {
        id: i64,
    }
    let old: Vec<Old> = readers.list(&OLD_EVENTS, &span(after, before)).await?;
    let ids: Vec<i64> = old.into_iter().map(|one| one.id).collect();
    Ok(Looked { last: ids.last().copied(), more: ids.len() == ROWS_A_STEP, keys: Vec::new(), ids })
}

fn span(after: i64, before: i64) -> serde_json::Value {
    serde_json::json!({ "after": after, "before": before, "limit": ROWS_A_STEP })
}

/// Takes one step.
pub(super) async fn step(tx: &mut Tx<'_>, step: &Step) -> Result<(), StoreError> {
    let older = serde_json::json!({ "before_ms": step.before_ms });
    match step.kept {
        Kept::Messages(class) => {
            for statement in [&NO_RECEIPTS, &NO_OUTCOMES, &NO_CALLBACKS, &NO_INVITATIONS, &NO_MESSAGES] {
                tx.change_all(statement, &step.ids).await?;
            }
            let chunks = serde_json::json!({ "class": class.rank(), "after": step.after, "upto": step.upto });
            tx.change(&NO_CHUNKS, &chunks).await?;
        }
        Kept::Replies => {
            for statement in [&NO_ANSWERS, &NO_TAGS, &NO_REPLIES] {
                tx.change_all(statement, &step.ids).await?;
            }
            tx.change(&NO_CONVERSATIONS, &older).await?;
        }
        Kept::Events => _ = tx.change_all(&NO_EVENTS, &step.ids).await?,
    }
    locator::remove(tx, &step.keys).await
}

/// Forgets receipts of nobody's; tells how many.
pub(super) async fn nobodys(tx: &mut Tx<'_>, ids: &[i64]) -> Result<u64, StoreError> {
    tx.change_all(&NO_NOBODYS, ids).await
}

/// Forgets what is of use to nobody any more: parts of long messages that were put together long ago, and the ids under
/// which receipts wait for a message that will not come. Tells how many rows.
pub(super) async fn leftovers(tx: &mut Tx<'_>, now_ms: i64) -> Result<u64, StoreError> {
    let parts = tx.change(&NO_PARTS, &serde_json::json!({ "before_ms": now_ms - PARTS_KEPT_MS })).await?;
    let before = MessageId::first_at(now_ms - RECEIPT_REACH_MS).0;
    let span = serde_json::json!({ "before": before, "limit": ROWS_A_STEP });
    Ok(parts + tx.change(&NO_WAITING, &span).await?)
}
