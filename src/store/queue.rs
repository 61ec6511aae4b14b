//! The queue: leasing a chunk, marking a slice of it before it is written, and what a dead owner left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::consent;
use super::engine::{Readers, Tx};
use super::error::StoreError;
use super::outcomes;
use super::rows::{
    Answered, Check, ChunkId, Interrupted, LeasedChunk, LineDue, Marked, OutcomeRow, SliceMark, Word,
};
use super::sql::Sql;
use crate::message::{CampaignId, Class, MessageId, Msisdn, Outbound, OutcomeKind};
use crate::rules::consent::{NoConsent, blocked_by, consented};
use crate::rules::machines::dispatcher::Line;

/// So many interrupted chunks at once: some 5 MB; who asks again gets the rest.
const INTERRUPTED_AT_ONCE: i64 = 64;

// One range of an index: the chunks due longest, as long as those before hold fewer messages than asked for.
static LEASE: Sql = Sql::new(
    "update chunk set state = 'leased', epoch = {int epoch}, lease_ms = {int lease_ms}, \
         lease_until_ms = {int now_ms} + {int lease_ms} \
     where state = 'waiting' and id in ( \
         select id from ( \
             select id, sum(size - sent_upto) over (order by not_before_ms, id rows unbounded preceding) \
                 - (size - sent_upto) as before \
             from (select c.id, c.size, c.sent_upto, c.not_before_ms from chunk c where c.state = 'waiting' \
                 and c.lane = {text lane} and c.line = {text line} and c.not_before_ms <= {int now_ms} \
                 order by c.not_before_ms, c.id limit {int messages} {skip_locked}) longest) counted \
         where before < {int messages}) \
     returning {pack id, lane, class, campaign, attempt, sent_upto, lease_until_ms, members, not_before_ms}",
);
/// The lines that wait, two index probes for each: from one line to the next, whatever the number of chunks.
static LINES: Sql = Sql::new(
    "with recursive waiting(line) as ( \
         select min(c.line) from chunk c where c.state = 'waiting' and c.lane = {text lane} \
         union all \
         select (select min(c.line) from chunk c \
             where c.state = 'waiting' and c.lane = {text lane} and c.line > waiting.line) \
         from waiting where waiting.line is not null) \
     select {list line, due} from (select waiting.line as line, (select min(c.not_before_ms) from chunk c \
         where c.state = 'waiting' and c.lane = {text lane} and c.line = waiting.line) as due \
         from waiting where waiting.line is not null) x",
);
/// What is not through yet.
pub(super) static DEPTH: Sql = Sql::new(
    "select {row class, chunks, messages, next_ms} from ( \
         select class, count(*) as chunks, sum(size - sent_upto) as messages, min(not_before_ms) as next_ms \
         from (select class, size, sent_upto, not_before_ms from chunk \
                 where state = 'waiting' and lane = {text lane} \
             union all select k.class, k.size, k.sent_upto, k.not_before_ms from run cross join chunk k \
                 where k.epoch = run.epoch and k.state = 'leased' and k.lane = {text lane}) unfinished \
         group by class order by class) x",
);
pub(super) static MEMBERS: Sql = Sql::new(
    "select {list id, lane, purpose, campaign, sender, \"to\", body, language, source, accepted_ms, expires_ms, zone, \
         account, reference, registered_delivery, relay, programme} \
     from (select m.id, m.lane, m.purpose, m.campaign, m.sender, m.recipient as \"to\", m.body, m.language, \
         m.source, m.accepted_ms, m.expires_ms, m.zone, m.account, m.reference, m.registered_delivery, m.relay, m.programme \
         from {ids} {probe message m on m.id = r.id}) x",
);
static MARK: Sql = Sql::new(
    "update chunk set lease_until_ms = r.at_ms + chunk.lease_ms, \
         sent_upto = case when chunk.sent_upto > r.upto then chunk.sent_upto else r.upto end \
     from {rows id bigint, upto bigint, at_ms bigint, epoch bigint} \
     where chunk.id = r.id and chunk.state = 'leased' and chunk.epoch = r.epoch \
     returning {pack chunk.id}",
);
// Ours is what an earlier run of this node held (on SQLite: any run, since there is one server a file), and what
// another node has let lapse.
static TAKE_OVER: Sql = Sql::new(
    "update chunk set epoch = {int epoch}, lease_ms = {int lease_ms}, \
         lease_until_ms = {int now_ms} + {int lease_ms} \
     where state = 'leased' and epoch <> {int epoch} and ( \
         {int alone} = 1 or lease_until_ms < {int now_ms} \
         or epoch in (select o.epoch from run o join run me on me.node = o.node \
             where me.epoch = {int epoch} and o.epoch < me.epoch))",
);
static OWNERLESS: Sql = Sql::new(
    "select {row id, lane, class, campaign, attempt, sent_upto, lease_until_ms, members} from ( \
         select id, lane, class, campaign, attempt, sent_upto, lease_until_ms, members from chunk \
         where state = 'leased' and epoch = {int epoch} \
             and id not in (select cast(h.value as bigint) from {each {text held}} h) \
         order by id limit {int limit}) x",
);
/// What this attempt knows of parts, and those it did not send because an earlier one had them taken. `word` as
/// [`Word`] has it, in its order. What ended a message as a whole had no bind.
static ANSWERED: Sql = Sql::new(
    "select {list message, part, word} from (select o.message, o.part, max(case \
             when o.attempt < r.attempt then 0 \
             when o.kind not in ('suppressed', 'rejected', 'expired', 'gave_up') then 1 \
             when o.bind is not null then 2 else 3 end) as word \
         from {rows message bigint, attempt bigint} {probe outcome o on o.message = r.message} \
         where o.attempt = r.attempt or (o.attempt < r.attempt and o.kind = 'sent') \
         group by o.message, o.part order by o.message, o.part) x",
);
static ENDED: Sql = Sql::new("update run set ended_ms = {int at_ms} where epoch = {int epoch}");

#[derive(Deserialize)]
struct ChunkColumns {
    id: ChunkId,
    lane: String,
    class: i64,
    campaign: Option<CampaignId>,
    attempt: i64,
    sent_upto: usize,
    lease_until_ms: i64,
    members: String,
    /// Only of those that were leased: their order.
    #[serde(default)]
    not_before_ms: i64,
}

/// The class of a rank in the database.
pub(super) fn class(rank: i64) -> Result<Class, StoreError> {
    let unknown = || StoreError::Corrupt(format!("there is no class {rank}"));
    Class::ALL.into_iter().find(|class| class.rank() == rank).ok_or_else(unknown)
}

/// A line as the database names it: its class's rank, then its campaign. Its order is that of urgency.
pub(super) fn line_key(line: &Line) -> String {
    match &line.campaign {
        Some(campaign) => format!("{}/{campaign}", line.class.rank()),
        None => line.class.rank().to_string(),
    }
}

/// The lines of a lane that wait.
pub(super) async fn lines(readers: &Readers, lane: &str) -> Result<Vec<LineDue>, StoreError> {
    #[derive(Deserialize)]
    struct Columns {
        line: String,
        due: i64,
    }
    let rows: Vec<Columns> = readers.list(&LINES, &serde_json::json!({ "lane": lane })).await?;
    let damaged = |line: &str| StoreError::Corrupt(format!("there is no line `{line}`"));
    rows.into_iter()
        .map(|row| {
            let (rank, campaign) = match row.line.split_once('/') {
                Some((rank, campaign)) => (rank, Some(CampaignId(campaign.to_owned()))),
                None => (row.line.as_str(), None),
            };
            let class = class(rank.parse().map_err(|_| damaged(&row.line))?)?;
            Ok(LineDue { line: Line { class, campaign }, due_ms: row.due })
        })
        .collect()
}

/// What is asked for with a lease.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Lease {
    pub(super) lane: String,
    /// As [`line_key`] has it.
    pub(super) line: String,
    /// One chunk, and more while those before it hold fewer messages than this.
    pub(super) messages: usize,
    pub(super) now_ms: i64,
    pub(super) lease_ms: i64,
}

/// Leases the chunks of a line that have been due longest, in the order in which they go.
pub(super) async fn lease(tx: &mut Tx<'_>, lease: &Lease) -> Result<Vec<LeasedChunk>, StoreError> {
    #[derive(Serialize)]
    struct Argument<'a> {
        #[serde(flatten)]
        lease: &'a Lease,
        epoch: i64,
    }
    let argument = Argument { lease, epoch: tx.epoch };
    let mut chunks: Vec<ChunkColumns> = tx.rows(&LEASE, &argument).await?;
    chunks.sort_unstable_by_key(|chunk| (chunk.not_before_ms, chunk.id));
    with_members(tx, chunks, lease.now_ms).await
}

/// Chunks with their messages.
async fn with_members(
    tx: &mut Tx<'_>,
    chunks: Vec<ChunkColumns>,
    now_ms: i64,
) -> Result<Vec<LeasedChunk>, StoreError> {
    let damaged = |id: ChunkId, what: &str| StoreError::Corrupt(format!("chunk {}: {what}", id.0));
    let members = |chunk: &ChunkColumns| -> Result<Vec<MessageId>, StoreError> {
        serde_json::from_str(&chunk.members).map_err(|_| damaged(chunk.id, "its members cannot be read"))
    };
    let ids: Vec<Vec<MessageId>> = chunks.iter().map(members).collect::<Result<_, _>>()?;
    let mut once = HashSet::new();
    let mut missing: Vec<MessageId> = Vec::new();
    let mut fresh: Vec<Vec<Option<Outbound>>> = Vec::with_capacity(ids.len());
    for (chunk, ids) in chunks.iter().zip(&ids) {
        if !ids.iter().all(|id| once.insert(*id)) {
            return Err(damaged(chunk.id, "a member is named twice"));
        }
        let taken = |id: &MessageId| tx.fresh.as_mut().and_then(|fresh| fresh.take(*id, now_ms));
        let taken: Vec<Option<Outbound>> = ids.iter().map(taken).collect();
        missing.extend(ids.iter().zip(&taken).filter(|(_, taken)| taken.is_none()).map(|(id, _)| *id));
        fresh.push(taken);
    }
    let read: Vec<Outbound> =
        if missing.is_empty() { Vec::new() } else { tx.list(&MEMBERS, &missing).await? };
    let mut read: HashMap<MessageId, Outbound> =
        read.into_iter().map(|message| (message.id, message)).collect();
    let whole = chunks.into_iter().zip(ids.into_iter().zip(fresh)).map(|(columns, (ids, fresh))| {
        let members = ids.iter().zip(fresh).map(|(id, fresh)| fresh.or_else(|| read.remove(id)));
        let members = members.collect::<Option<Vec<Outbound>>>();
        Ok(LeasedChunk {
            members: members.ok_or_else(|| damaged(columns.id, "a member is missing"))?,
            id: columns.id,
            lane: columns.lane,
            class: class(columns.class)?,
            campaign: columns.campaign,
            attempt: columns.attempt,
            sent_upto: columns.sent_upto,
            lease_until_ms: columns.lease_until_ms,
            closes_ms: None,
        })
    });
    whole.collect()
}

#[derive(Serialize)]
struct MarkParam {
    id: ChunkId,
    upto: usize,
    at_ms: i64,
    epoch: i64,
}

#[derive(Deserialize)]
struct Id {
    id: ChunkId,
}

/// Moves watermarks, and tells which messages an opt-out stops; these are recorded as suppressed. A chunk that is no longer
/// ours is refused.
pub(super) async fn mark(tx: &mut Tx<'_>, marks: &[&SliceMark]) -> Result<Marked, StoreError> {
    if marks.is_empty() {
        return Ok(Marked::default());
    }
    let mut furthest: BTreeMap<ChunkId, MarkParam> = BTreeMap::new();
    for mark in marks {
        let param = MarkParam { id: mark.chunk, upto: mark.upto, at_ms: mark.at_ms, epoch: tx.epoch };
        let known = furthest.entry(mark.chunk).or_insert(MarkParam { ..param });
        if param.upto > known.upto {
            *known = param;
        }
    }
    let moved: Vec<Id> = tx.rows(&MARK, &furthest.into_values().collect::<Vec<_>>()).await?;
    let ours: HashSet<ChunkId> = moved.into_iter().map(|moved| moved.id).collect();
    let checks: Vec<(i64, &Check)> = marks
        .iter()
        .filter(|mark| ours.contains(&mark.chunk))
        .flat_map(|mark| mark.checks.iter().map(|check| (mark.at_ms, check)))
        .collect();
    let suppressed: BTreeMap<MessageId, OutcomeRow> = stopped(tx, &checks)
        .await?
        .into_iter()
        .map(|(at_ms, check, cause)| {
            let outcome = OutcomeRow {
                message: check.message,
                attempt: check.attempt,
                part: 0,
                kind: OutcomeKind::Suppressed,
                bind: None,
                carrier: None,
                status: None,
                carrier_id: None,
                carrier_key: None,
                cause: Some(cause),
                at_ms,
                took_ms: None,
            };
            (check.message, outcome)
        })
        .collect();
    outcomes::insert(tx, &suppressed.values().collect::<Vec<_>>()).await?;
    let refused = marks.iter().map(|mark| mark.chunk).filter(|chunk| !ours.contains(chunk));
    Ok(Marked { stopped: suppressed.into_keys().collect(), refused: refused.collect() })
}

/// The messages that may not go, with the time of their slice and the cause: one look at the opt-outs, and one at the
/// opt-ins where these can make a difference.
async fn stopped<'a>(
    tx: &mut Tx<'_>,
    checks: &[(i64, &'a Check)],
) -> Result<Vec<(i64, &'a Check, String)>, StoreError> {
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: BTreeSet<Msisdn> = checks.iter().map(|(_, check)| check.number).collect();
    let out = consent::stands(tx, &numbers.into_iter().collect::<Vec<_>>()).await?;
    let wanted: BTreeSet<Msisdn> = checks
        .iter()
        .filter(|(_, check)| check.consent_since_ms.is_some() || out.contains_key(&check.number))
        .map(|(_, check)| check.number)
        .collect();
    let into = match wanted.is_empty() {
        true => HashMap::new(),
        false => consent::consents(tx, &wanted.into_iter().collect::<Vec<_>>()).await?,
    };
    let cause = |check: &Check| {
        let of = |stands: &HashMap<Msisdn, Vec<_>>| stands.get(&check.number).cloned().unwrap_or_default();
        if check.number.is_erased() {
            return Some("the number was erased".to_owned());
        }
        let (out, into) = (of(&out), of(&into));
        if let Some(scope) = blocked_by(&check.scopes, &out, &into) {
            return Some(scope.to_string());
        }
        match consented(&check.scopes, &into, check.consent_since_ms?) {
            Ok(()) => None,
            Err(NoConsent::Never) => Some("no opt-in".to_owned()),
            Err(NoConsent::TooOld) => Some("the opt-in is too old".to_owned()),
        }
    };
    Ok(checks.iter().filter_map(|(at_ms, check)| Some((*at_ms, *check, cause(check)?))).collect())
}

#[derive(Deserialize)]
struct PartKnown {
    message: MessageId,
    part: i64,
    word: i64,
}

/// Takes over what nobody alive holds, and tells what is in doubt. What `held` names is in somebody's hands here.
pub(super) async fn interrupted(
    tx: &mut Tx<'_>,
    held: &HashSet<ChunkId>,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Vec<Interrupted>, StoreError> {
    let alone = tx.alone();
    let argument = serde_json::json!({
        "epoch": tx.epoch, "now_ms": now_ms, "lease_ms": lease_ms, "alone": alone,
        "held": held.iter().map(|chunk| chunk.0).collect::<Vec<_>>(), "limit": INTERRUPTED_AT_ONCE,
    });
    tx.change(&TAKE_OVER, &argument).await?;
    let chunks: Vec<ChunkColumns> = tx.rows(&OWNERLESS, &argument).await?;
    // Each by itself: a message of a chunk in progress may be in the chunk that tries it again, too.
    let mut judged = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        for chunk in with_members(tx, vec![chunk], now_ms).await? {
            judged.push(judge(tx, chunk).await?);
        }
    }
    Ok(judged)
}

/// What may have left of a chunk, and what of it is known.
async fn judge(tx: &mut Tx<'_>, chunk: LeasedChunk) -> Result<Interrupted, StoreError> {
    let (marked, unsent) = chunk.members.split_at(chunk.sent_upto.min(chunk.members.len()));
    let asked: Vec<_> = marked
        .iter()
        .map(|message| serde_json::json!({ "message": message.id, "attempt": chunk.attempt }))
        .collect();
    let rows: Vec<PartKnown> = if asked.is_empty() { Vec::new() } else { tx.list(&ANSWERED, &asked).await? };
    let mut known: HashMap<MessageId, (Vec<i64>, Word)> = HashMap::new();
    for row in rows {
        let (parts, word) = known.entry(row.message).or_insert((Vec::new(), Word::Nothing));
        parts.push(row.part);
        *word = (*word).max(match row.word {
            0 => Word::Nothing,
            1 => Word::Parts,
            2 => Word::Refused,
            _ => Word::Ended,
        });
    }
    let (mut in_doubt, mut answered) = (Vec::new(), Vec::new());
    for message in marked.iter().cloned() {
        match known.remove(&message.id) {
            Some((parts, word)) => answered.push(Answered { message, parts, word }),
            None => in_doubt.push(message),
        }
    }
    let unsent = unsent.to_vec();
    Ok(Interrupted { chunk, in_doubt, answered, unsent })
}

/// Notes that this run has ended by itself.
pub(super) async fn ended(tx: &mut Tx<'_>, at_ms: i64) -> Result<(), StoreError> {
    tx.change(&ENDED, &serde_json::json!({ "at_ms": at_ms, "epoch": tx.epoch })).await.map(drop)
}
