//! What came of messages: outcomes, and the receipts that find them, early or late.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::accept;
use super::accounts;
use super::engine::Tx;
use super::error::StoreError;
use super::insert::{Column, Insert, Value};
use super::locator;
use super::rows::{Claimed, NewChunk, OutcomeRow, ReceiptFate, ReceiptRow, Record};
use super::sql::Sql;
use crate::message::{MessageId, OutcomeKind};
use crate::rules::machines::correlator::Awaited;

/// A receipt can belong to a message the carrier took at most so long ago: carriers use their ids again, and none
/// keeps trying longer than a week.
pub(super) const RECEIPT_REACH_MS: i64 = 8 * 24 * 60 * 60 * 1_000;

static OUTCOMES: Insert<12> = Insert::new(
    "outcome",
    [
        Column::Int("message"),
        Column::Int("attempt"),
        Column::Int("part"),
        Column::Text("kind"),
        Column::Text("bind"),
        Column::Text("carrier"),
        Column::Int("status"),
        Column::Text("carrier_id"),
        Column::Text("carrier_key"),
        Column::Text("cause"),
        Column::Int("at_ms"),
        Column::Int("took_ms"),
    ],
);
static DONE: Sql = Sql::new(
    "update chunk set state = 'done' from {rows id bigint, epoch bigint} \
     where chunk.id = r.id and chunk.epoch = r.epoch and chunk.state = 'leased'",
);
/// Of these chunks, those there are.
static PUT: Sql = Sql::new("select {list id} from (select c.id from {ids} join chunk c on c.id = r.id) x");
/// Outcomes just recorded, against the receipts that wait.
static CLAIMS: Sql = Sql::new(
    "select {list receipt, rank, message, part, number, recipient, registered_delivery, state, is_final} from ( \
         select w.receipt, w.rank, r.message, r.part, c.number, m.recipient, m.registered_delivery, c.state, \
             c.is_final \
         from {rows message bigint, part bigint, carrier text, carrier_key text} \
         join receipt_waiting w on w.carrier = r.carrier and w.candidate = r.carrier_key \
         join receipt c on c.id = w.receipt and c.message is null {probe message m on m.id = r.message}) x",
);
/// Whether any receipt waits: hardly ever, since what a bind has told of its parts is recorded before its receipts.
static SOME_WAIT: Sql =
    Sql::new("select {row receipt} from (select receipt from receipt_waiting limit {int limit}) x");
/// Receipts just come, against the newest message under an id they may mean.
static MATCHES: Sql = Sql::new(
    "select {list receipt, rank, message, part, number, recipient, registered_delivery} from ( \
         select r.receipt, r.rank, o.message, o.part, r.number, m.recipient, m.registered_delivery \
         from {rows receipt bigint, rank bigint, message bigint, carrier text, candidate text, number bigint, \
             since_ms bigint} \
         {probe outcome o on o.message = r.message} {probe message m on m.id = o.message} \
         where o.carrier = r.carrier and o.carrier_key = r.candidate and o.kind = 'sent' \
             and o.at_ms >= r.since_ms) x",
);
static CLAIM: Sql = Sql::new(
    "update receipt set message = r.message, part = r.part from {rows id bigint, message bigint, part bigint} \
     where receipt.id = r.id and receipt.message is null and not exists ( \
         select 1 from receipt k where k.message = r.message {span k.message} and k.part = r.part \
             and k.carrier_key = receipt.carrier_key and k.state = receipt.state)",
);
static NO_LONGER_WAITING: Sql =
    Sql::new("delete from receipt_waiting where receipt in (select r.id from {rows id bigint})");
static RECEIPTS: Insert<14> = Insert::new(
    "receipt",
    [
        Column::Int("id"),
        Column::Text("carrier"),
        Column::Text("carrier_id"),
        Column::Text("carrier_key"),
        Column::Text("candidates"),
        Column::Int("number"),
        Column::Text("state"),
        Column::Int("is_final"),
        Column::Text("err"),
        Column::Text("quote"),
        Column::Int("received_ms"),
        Column::Int("done_ms"),
        Column::Int("message"),
        Column::Int("part"),
    ],
);
static STORED: Sql = Sql::new(
    "select {list id, message, part} from ( \
         select c.id, c.message, c.part from {ids} join receipt c on c.id = r.id) x",
);
static WAIT: Sql = Sql::new(
    "insert into receipt_waiting (carrier, candidate, receipt, rank) select carrier, candidate, receipt, rank \
     from {rows carrier text, candidate text, receipt bigint, rank bigint} where true on conflict do nothing",
);

fn outcome_row(outcome: &OutcomeRow) -> [Value<'_>; 12] {
    [
        outcome.message.0.into(),
        outcome.attempt.into(),
        outcome.part.into(),
        outcome.kind.name().into(),
        outcome.bind.as_deref().into(),
        outcome.carrier.as_deref().into(),
        outcome.status.map(i64::from).into(),
        outcome.carrier_id.as_deref().into(),
        outcome.carrier_key.as_deref().into(),
        outcome.cause.as_deref().into(),
        outcome.at_ms.into(),
        outcome.took_ms.into(),
    ]
}

fn receipt_row<'a>(receipt: &'a ReceiptRow, found: Option<&Match>) -> [Value<'a>; 14] {
    [
        receipt.id.into(),
        (&receipt.carrier).into(),
        (&receipt.carrier_id).into(),
        (&receipt.carrier_key).into(),
        match found {
            // Of use only while nobody knows what it is about.
            Some(_) => "[]".into(),
            None => serde_json::to_string(&receipt.candidates).unwrap_or_default().into(),
        },
        receipt.number.into(),
        (&receipt.state).into(),
        i64::from(receipt.is_final).into(),
        receipt.err.as_deref().into(),
        receipt.quote.as_deref().filter(|_| found.is_none()).into(),
        receipt.received_ms.into(),
        receipt.done_ms.into(),
        found.map(|found| found.message.0).into(),
        found.map(|found| found.part).into(),
    ]
}

/// Inserts outcomes; those known are left as they are.
pub(super) async fn insert(tx: &mut Tx<'_>, outcomes: &[&OutcomeRow]) -> Result<(), StoreError> {
    // In the order of their key: neighbours share a page.
    let mut ordered = outcomes.to_vec();
    ordered.sort_unstable_by_key(|outcome| (outcome.message, outcome.attempt, outcome.part));
    tx.insert(&OUTCOMES, ordered.into_iter().map(outcome_row)).await?;
    accounts::owe_ends(tx, outcomes).await?;
    let keys = outcomes.iter().filter_map(|outcome| {
        let (carrier, key) = outcome.carrier.as_ref().zip(outcome.carrier_key.as_ref())?;
        Some((locator::taken(carrier, key), outcome.message.0))
    });
    locator::note(tx, keys);
    Ok(())
}

/// Records what came of messages: outcomes, the receipts that waited for them, chunks to follow, chunks that are through.
/// Gives the receipts that waited.
pub(super) async fn record(tx: &mut Tx<'_>, all: &[&Record]) -> Result<Vec<Claimed>, StoreError> {
    #[derive(Serialize)]
    struct Done {
        id: i64,
        epoch: i64,
    }
    // a chunk carries on only what is still leased, so these come before the leases end
    let retries: Vec<&NewChunk> = all.iter().flat_map(|one| &one.retry).collect();
    accept::chunks(tx, &retries).await?;
    let refused = refused(tx, &retries).await?;
    // what is not queued again is not retried: its new owner knows it as unanswered
    let counts = |row: &&OutcomeRow| row.kind != OutcomeKind::Retry || !refused.contains(&row.message);
    let outcomes: Vec<&OutcomeRow> = all.iter().flat_map(|one| &one.outcomes).filter(counts).collect();
    insert(tx, &outcomes).await?;
    let taken: Vec<Taken<'_>> = outcomes.iter().filter_map(|outcome| Taken::of(outcome)).collect();
    let claimed = if !taken.is_empty() && some_wait(tx).await? {
        let found = tx.list(&CLAIMS, &taken).await?;
        claim(tx, found).await?
    } else {
        Vec::new()
    };
    let epoch = tx.epoch;
    let done: Vec<Done> =
        all.iter().flat_map(|one| &one.done).map(|chunk| Done { id: chunk.0, epoch }).collect();
    tx.change_all(&DONE, &done).await?;
    Ok(claimed)
}

/// A part the carrier has taken, as the receipts that wait ask for it.
#[derive(Serialize)]
struct Taken<'a> {
    message: MessageId,
    part: i64,
    carrier: &'a str,
    carrier_key: &'a str,
}

impl<'a> Taken<'a> {
    fn of(outcome: &'a OutcomeRow) -> Option<Self> {
        let (carrier, carrier_key) = (outcome.carrier.as_deref()?, outcome.carrier_key.as_deref()?);
        let sent = outcome.kind == OutcomeKind::Sent;
        sent.then_some(Self { message: outcome.message, part: outcome.part, carrier, carrier_key })
    }
}

async fn some_wait(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    #[derive(Deserialize)]
    struct Waits {
        #[expect(dead_code, reason = "that there is one is all")]
        receipt: i64,
    }
    let waits: Vec<Waits> = tx.rows(&SOME_WAIT, &serde_json::json!({ "limit": 1 })).await?;
    Ok(!waits.is_empty())
}

/// The messages of chunks that were not put down, since another owner has what they carry on.
async fn refused(tx: &mut Tx<'_>, chunks: &[&NewChunk]) -> Result<HashSet<MessageId>, StoreError> {
    #[derive(Deserialize)]
    struct Put {
        id: i64,
    }
    if chunks.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<i64> = chunks.iter().map(|chunk| chunk.id.0).collect();
    let put: Vec<Put> = tx.list(&PUT, &ids).await?;
    let put: HashSet<i64> = put.into_iter().map(|row| row.id).collect();
    let missing = chunks.iter().filter(|chunk| !put.contains(&chunk.id.0));
    Ok(missing.flat_map(|chunk| chunk.members.iter().copied()).collect())
}

/// A receipt and a message it may be about.
#[derive(Debug, Deserialize)]
struct Match {
    receipt: i64,
    /// 0: the id as written; else a form it may stand for.
    rank: i64,
    message: MessageId,
    part: i64,
    number: Option<u64>,
    recipient: u64,
    /// Whether an account waits for it.
    registered_delivery: Option<i64>,
    /// Of a receipt that waited: what it says.
    #[serde(default)]
    state: String,
    #[serde(default)]
    is_final: i64,
}

impl Match {
    /// Whether no other reading of the id could be surer.
    fn is_clear(&self) -> bool {
        matches!(self.doubt(), Some((0 | 1, 0)))
    }

    /// How sure it is, the lower the surer; none where it is no match.
    fn doubt(&self) -> Option<(u8, i64)> {
        match (self.number.map(|number| number == self.recipient), self.rank) {
            (Some(true), rank) => Some((0, rank)),
            (None, 0) => Some((1, 0)),
            // carriers do rewrite numbers; the id as written still counts, if nothing better is there
            (Some(false), 0) => Some((2, 0)),
            (None, rank) => Some((3, rank)),
            (Some(false), _) => None,
        }
    }
}

/// The surest match of each receipt. An id in another form, without a number to confirm it, counts only when it means
/// one message alone.
fn surest(found: Vec<Match>) -> BTreeMap<i64, Match> {
    let mut by_receipt: BTreeMap<i64, Vec<Match>> = BTreeMap::new();
    for one in found {
        by_receipt.entry(one.receipt).or_default().push(one);
    }
    let mut chosen = BTreeMap::new();
    for (receipt, mut matches) in by_receipt {
        matches.retain(|one| one.doubt().is_some());
        matches.sort_by_key(|one| (one.doubt(), std::cmp::Reverse(one.message)));
        let guess = matches.first().is_some_and(|best| best.doubt().is_some_and(|(doubt, _)| doubt == 3));
        if guess && matches.iter().any(|one| one.message != matches[0].message) {
            continue;
        }
        if !matches.is_empty() {
            chosen.insert(receipt, matches.swap_remove(0));
        }
    }
    chosen
}

#[derive(Serialize)]
struct ClaimParam {
    id: i64,
    message: MessageId,
    part: i64,
}

async fn claim(tx: &mut Tx<'_>, found: Vec<Match>) -> Result<Vec<Claimed>, StoreError> {
    // a receipt that waits and an id in another form, with no number: what is recorded next may fit better
    let sure = found.into_iter().filter(|one| one.doubt().is_some_and(|(doubt, _)| doubt < 3)).collect();
    settle(tx, surest(sure)).await
}

async fn settle(tx: &mut Tx<'_>, chosen: BTreeMap<i64, Match>) -> Result<Vec<Claimed>, StoreError> {
    let waited_for = waited_for(&chosen);
    let params: Vec<ClaimParam> = chosen
        .values()
        .map(|one| ClaimParam { id: one.receipt, message: one.message, part: one.part })
        .collect();
    tx.change_all(&NO_LONGER_WAITING, &params).await?;
    tx.change_all(&CLAIM, &params).await?;
    accounts::owe(tx, &waited_for).await?;
    let claimed = chosen.into_values().map(|one| Claimed {
        part: one.part,
        state: one.state,
        is_final: one.is_final != 0,
    });
    Ok(claimed.collect())
}

/// The receipts an account waits for.
fn waited_for(chosen: &BTreeMap<i64, Match>) -> Vec<accounts::OfMessage> {
    let waits = chosen.values().filter(|one| one.registered_delivery.is_some());
    waits.map(|one| accounts::OfMessage { id: one.receipt, message: one.message }).collect()
}

#[derive(Serialize)]
struct CandidateParam<'a> {
    /// The newest message under it, once it is looked up.
    message: Option<i64>,
    carrier: &'a str,
    candidate: &'a str,
    receipt: i64,
    rank: usize,
    number: Option<u64>,
    since_ms: i64,
}

fn candidates(receipt: &ReceiptRow) -> impl Iterator<Item = CandidateParam<'_>> {
    let others = receipt.candidates.iter().map(String::as_str).filter(|form| *form != receipt.carrier_key);
    std::iter::once(receipt.carrier_key.as_str()).chain(others).enumerate().map(|(rank, candidate)| {
        CandidateParam {
            message: None,
            carrier: &receipt.carrier,
            candidate,
            receipt: receipt.id,
            rank,
            number: receipt.number.map(|number| number.0),
            since_ms: receipt.received_ms - RECEIPT_REACH_MS,
        }
    })
}

/// The messages these ids may mean.
async fn matches(tx: &mut Tx<'_>, mut candidates: Vec<CandidateParam<'_>>) -> Result<Vec<Match>, StoreError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let key = |one: &CandidateParam<'_>| locator::taken(one.carrier, one.candidate);
    let keys: Vec<String> = candidates.iter().map(key).collect();
    let last = locator::last(tx, &keys).await?;
    candidates.iter_mut().zip(&keys).for_each(|(one, key)| one.message = last.get(key).copied());
    candidates.retain(|one| one.message.is_some());
    if candidates.is_empty() { Ok(Vec::new()) } else { tx.list(&MATCHES, &candidates).await }
}

#[derive(Deserialize)]
struct Stored {
    id: i64,
    message: Option<MessageId>,
    part: Option<i64>,
}

/// The message of a receipt, where what it is about is fresh in mind: its id as written, and no other number.
fn fresh_match(tx: &Tx<'_>, receipt: &ReceiptRow) -> Option<Match> {
    let key = locator::taken(&receipt.carrier, &receipt.carrier_key);
    let taken = tx.fresh.as_ref()?.taken.about(&key, receipt.number)?;
    Some(Match {
        receipt: receipt.id,
        rank: 0,
        message: taken.message,
        part: taken.part,
        number: receipt.number.map(|number| number.0),
        recipient: taken.to.0,
        registered_delivery: (taken.awaited == Awaited::Yes).then_some(1),
        state: String::new(),
        is_final: 0,
    })
}

/// Stores receipts and tells what became of each, in their order.
pub(super) async fn receipts(
    tx: &mut Tx<'_>,
    receipts: &[&ReceiptRow],
) -> Result<Vec<ReceiptFate>, StoreError> {
    if receipts.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: Vec<Match> = receipts.iter().filter_map(|receipt| fresh_match(tx, receipt)).collect();
    let fresh: HashSet<i64> = found.iter().map(|one| one.receipt).collect();
    let as_written: Vec<CandidateParam<'_>> = receipts
        .iter()
        .filter(|receipt| !fresh.contains(&receipt.id))
        .filter_map(|receipt| candidates(receipt).next())
        .collect();
    found.extend(matches(tx, as_written).await?);
    let clear: HashSet<i64> = found.iter().filter(|one| one.is_clear()).map(|one| one.receipt).collect();
    let others: Vec<CandidateParam<'_>> = receipts
        .iter()
        .filter(|receipt| !clear.contains(&receipt.id))
        .flat_map(|receipt| candidates(receipt).skip(1))
        .collect();
    found.extend(matches(tx, others).await?);
    let chosen = surest(found);
    let rows = receipts.iter().map(|receipt| receipt_row(receipt, chosen.get(&receipt.id)));
    let new = tx.insert(&RECEIPTS, rows).await?;
    let stored: Vec<Stored> = if new == receipts.len() as u64 {
        let as_put = receipts.iter().map(|receipt| (receipt.id, chosen.get(&receipt.id)));
        let stored = as_put.map(|(id, found)| Stored {
            id,
            message: found.map(|found| found.message),
            part: found.map(|found| found.part),
        });
        stored.collect()
    } else {
        let ids: Vec<i64> = receipts.iter().map(|receipt| receipt.id).collect();
        tx.list(&STORED, &ids).await?
    };
    let stored: HashMap<i64, Stored> = stored.into_iter().map(|row| (row.id, row)).collect();
    let waiting: Vec<CandidateParam<'_>> = receipts
        .iter()
        .filter(|receipt| stored.get(&receipt.id).is_some_and(|row| row.message.is_none()))
        .flat_map(|receipt| candidates(receipt))
        .collect();
    tx.change_all(&WAIT, &waiting).await?;
    accounts::owe(tx, &waited_for(&chosen)).await?;
    Ok(receipts
        .iter()
        .map(|receipt| match stored.get(&receipt.id) {
            None => ReceiptFate::Duplicate,
            Some(Stored { message: Some(message), part: Some(part), .. }) => {
                ReceiptFate::Matched { message: *message, part: *part }
            }
            Some(_) => ReceiptFate::Waiting,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(message: i64, rank: i64, number: Option<u64>, recipient: u64) -> Match {
        Match {
            receipt: 1,
            rank,
            message: MessageId(message),
            part: 0,
            number,
            recipient,
            registered_delivery: None,
            state: String::new(),
            is_final: 0,
        }
    }

    fn choice(found: Vec<Match>) -> Option<i64> {
        surest(found).remove(&1).map(|one| one.message.0)
    }

    #[test]
    fn the_number_decides_between_two_readings_of_an_id() {
        assert_eq!(choice(vec![found(10, 0, Some(7), 8), found(20, 1, Some(7), 7)]), Some(20));
        assert_eq!(choice(vec![found(10, 0, Some(7), 7), found(20, 1, Some(7), 7)]), Some(10));
    }

    #[test]
    fn without_a_number_the_id_as_written_counts_and_a_converted_one_only_alone() {
        assert_eq!(choice(vec![found(10, 0, None, 8), found(20, 1, None, 7)]), Some(10));
        assert_eq!(choice(vec![found(20, 1, None, 7)]), Some(20));
        assert_eq!(choice(vec![found(20, 1, None, 7), found(30, 2, None, 9)]), None);
    }

    #[test]
    fn a_converted_id_for_another_number_is_no_match() {
        assert_eq!(choice(vec![found(20, 1, Some(8), 7)]), None);
        assert_eq!(choice(vec![found(20, 0, Some(8), 7)]), Some(20));
    }
}
