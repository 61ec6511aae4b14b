//! What comes in: one transaction for a message and all it brings about, and the parts that wait for each other.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::arrivals::{AnswerRow, Earlier, InboundCommit, InboundRow, PartRow, PartsKey};
use super::consent;
use super::engine::Tx;
use super::error::StoreError;
use super::insert::{Column, Insert, Update, Value};
use super::locator;
use super::rows::{Acceptance, CallbackRow, InvitationChange, TurnCommit};
use super::sql::Sql;
use super::{accept, desk};
use crate::message::{MessageId, Msisdn};

static INBOUND: Insert<17> = Insert::new(
    "inbound",
    [
        Column::Int("id"),
        Column::Text("lane"),
        Column::Int("number"),
        Column::Text("code"),
        Column::Text("text"),
        Column::Text("octets"),
        Column::Int("data_coding"),
        Column::Int("received_ms"),
        Column::Text("digest"),
        Column::Text("verdict"),
        Column::Text("rule"),
        Column::Text("pack"),
        Column::Text("candidates"),
        Column::Text("campaign"),
        Column::Text("question"),
        Column::Int("parts"),
        Column::Text("note"),
    ],
);
static INVITATIONS: Update<12> = Update::new(
    "invitation",
    [
        Column::Int("message"),
        Column::Text("state"),
        Column::Text("question"),
        Column::Int("asked"),
        Column::Int("reminded"),
        Column::Text("trail"),
        Column::Text("offered"),
        Column::Int("opened_ms"),
        Column::Int("asked_ms"),
        Column::Int("closed_ms"),
        Column::Int("due_ms"),
        Column::Int("version"),
    ],
);
static CALLBACKS: Sql = Sql::new(
    "insert into callback (invitation, question, campaign, survey, number, code, start_ms, end_ms, words, state, \
         inbound, booked_ms) \
     select invitation, question, campaign, survey, number, code, start_ms, end_ms, words, state, inbound, booked_ms \
     from {rows invitation bigint, question text, campaign text, survey text, number bigint, code text, \
         start_ms bigint, end_ms bigint, words text, state text, inbound bigint, booked_ms bigint} \
     where true on conflict (invitation, question) do update set start_ms = excluded.start_ms, \
         end_ms = excluded.end_ms, words = excluded.words, state = excluded.state, inbound = excluded.inbound, \
         booked_ms = excluded.booked_ms",
);
static ANSWERS: Insert<12> = Insert::new(
    "answer",
    [
        Column::Int("inbound"),
        Column::Text("campaign"),
        Column::Int("number"),
        Column::Text("survey"),
        Column::Text("question"),
        Column::Text("value"),
        Column::Text("comment"),
        Column::Int("at_ms"),
        Column::Text("rule"),
        Column::Text("pack"),
        Column::Text("candidates"),
        Column::Int("late"),
    ],
);
/// Of the answers of one handset to one question only the newest counts; one that came late replaces none that came in
/// time.
static REPLACED: Sql = Sql::new(
    "update answer set replaced_ms = ( \
         select min(n.at_ms) from answer n where n.campaign = answer.campaign and n.number = answer.number \
             and n.question = answer.question and n.late = answer.late \
             and (n.at_ms, n.inbound) > (answer.at_ms, answer.inbound)) \
     where replaced_ms is null \
         and (campaign, number, question) in (select r.campaign, r.number, r.question \
             from {rows campaign text, number bigint, question text}) \
         and exists (select 1 from answer n where n.campaign = answer.campaign and n.number = answer.number \
             and n.question = answer.question and n.late = answer.late \
             and (n.at_ms, n.inbound) > (answer.at_ms, answer.inbound))",
);
// A handset counts its long messages in 8 or 16 bits: a part known already that says something else, or was dealt with ten
// minutes ago, belongs to another message. A part that comes when its message has been dealt with has been dealt with too.
static PART: Sql = Sql::new(
    "insert into inbound_part (lane, number, code, reference, total, part, octets, data_coding, received_ms, done_ms) \
     select lane, number, code, reference, total, part, octets, data_coding, received_ms, ( \
         select max(o.done_ms) from inbound_part o \
         where o.lane = r.lane and o.number = r.number and o.code = r.code and o.reference = r.reference \
             and o.total = r.total and o.done_ms >= r.received_ms - 600000) \
     from {rows lane text, number bigint, code text, reference bigint, total bigint, part bigint, octets text, \
         data_coding bigint, received_ms bigint} \
     where true on conflict (lane, number, code, reference, total, part) do update \
     set octets = excluded.octets, data_coding = excluded.data_coding, received_ms = excluded.received_ms, \
         done_ms = null \
     where inbound_part.done_ms < excluded.received_ms - 600000 \
         or (inbound_part.done_ms is not null and inbound_part.octets <> excluded.octets)",
);
pub(super) static PARTS: Sql = Sql::new(
    "select {list lane, number, code, reference, total, part, octets, data_coding, received_ms} from ( \
         select lane, number, code, reference, total, part, octets, data_coding, received_ms from inbound_part \
         where lane = {text lane} and number = {int number} and code = {text code} \
             and reference = {int reference} and total = {int total} and done_ms is null order by part) x",
);
static PARTS_DONE: Sql = Sql::new(
    "update inbound_part set done_ms = {int at_ms} \
     where lane = {text lane} and number = {int number} and code = {text code} and reference = {int reference} \
         and total = {int total} and done_ms is null",
);
/// Parts of messages that have waited too long, a message's parts together.
pub(super) static OVERDUE: Sql = Sql::new(
    "select {list lane, number, code, reference, total, part, octets, data_coding, received_ms} from ( \
         select p.lane, p.number, p.code, p.reference, p.total, p.part, p.octets, p.data_coding, p.received_ms \
         from inbound_part p where p.done_ms is null and exists ( \
             select 1 from inbound_part o where o.done_ms is null and o.received_ms < {int before_ms} \
                 and o.lane = p.lane and o.number = p.number and o.code = p.code \
                 and o.reference = p.reference and o.total = p.total) \
         order by p.lane, p.number, p.code, p.reference, p.total, p.part limit {int limit}) x",
);

/// Calls to be made.
pub(super) static CALLBACKS_DUE: Sql = Sql::new(
    "select {list invitation, question, campaign, survey, number, code, start_ms, end_ms, words, state, inbound, \
         booked_ms} \
     from (select invitation, question, campaign, survey, number, code, start_ms, end_ms, words, state, inbound, \
         booked_ms from callback where state = 'due' order by start_ms, invitation limit {int limit}) x",
);

/// The calls booked by a handset on a code have been made.
static CALLED: Sql = Sql::new(
    "update callback set state = 'done' where state = 'due' and number = {int number} \
         and ({text code} is null or code = {text code})",
);

/// Notes that a handset was called; gives how many calls that were due are not any more.
pub(super) async fn called(tx: &mut Tx<'_>, number: Msisdn, code: Option<&str>) -> Result<u64, StoreError> {
    tx.change(&CALLED, &serde_json::json!({ "number": number, "code": code })).await
}

/// Commits messages with all they bring about. One that is known already is left out whole: this is what makes
/// repeating it harmless.
pub(super) async fn commit(tx: &mut Tx<'_>, commits: &[&InboundCommit]) -> Result<(), StoreError> {
    let mut fresh: Vec<&InboundCommit> = Vec::with_capacity(commits.len());
    for commit in commits {
        // another node, or an earlier try, may have put the same parts together
        let ours = match &commit.parts {
            Some(key) => parts_done(tx, key, commit.inbound.received_ms).await?,
            None => true,
        };
        if ours {
            fresh.push(commit);
        }
    }
    if fresh.is_empty() {
        return Ok(());
    }
    let new = tx.insert_new(&INBOUND, fresh.iter().map(|commit| inbound_row(&commit.inbound))).await?;
    let mut new: HashSet<i64> = new.into_iter().collect();
    fresh.retain(|commit| new.remove(&commit.inbound.id));
    let from = |commit: &&InboundCommit| (locator::from(commit.inbound.number), commit.inbound.id);
    locator::note(tx, fresh.iter().map(from));

    consent::record(tx, &fresh.iter().flat_map(|commit| &commit.consent).collect::<Vec<_>>()).await?;
    let wanted: Vec<&InvitationChange> = fresh.iter().flat_map(|commit| &commit.invitations).collect();
    let changed = changes(tx, wanted.iter().copied()).await?;
    let mut answers: Vec<&AnswerRow> = fresh.iter().filter_map(|commit| commit.answer.as_ref()).collect();
    tx.insert(&ANSWERS, answers.iter().map(|answer| answer_row(answer))).await?;
    // Where an invitation has changed meanwhile, somebody else has taken an answer to it too.
    if changed.len() == wanted.len() {
        answers.retain(|answer| answer.earlier == Earlier::Perhaps);
    }
    tx.change_all(&REPLACED, &answers).await?;
    let callbacks: Vec<&CallbackRow> = fresh.iter().flat_map(|commit| &commit.callbacks).collect();
    tx.change_all(&CALLBACKS, &callbacks).await?;
    desk::arrived(tx, fresh.iter().filter_map(|commit| commit.conversation.as_ref())).await?;
    accept::accept(tx, &fresh.iter().map(|commit| &commit.accept).collect::<Vec<&Acceptance>>()).await
}

fn inbound_row(inbound: &InboundRow) -> [Value<'_>; 17] {
    [
        inbound.id.into(),
        (&inbound.lane).into(),
        inbound.number.into(),
        (&inbound.code).into(),
        (&inbound.text).into(),
        (&inbound.octets).into(),
        inbound.data_coding.into(),
        inbound.received_ms.into(),
        (&inbound.digest).into(),
        (&inbound.verdict).into(),
        (&inbound.rule).into(),
        (&inbound.pack).into(),
        list(&inbound.candidates).into(),
        inbound.campaign.as_ref().map(|campaign| &campaign.0).into(),
        inbound.question.as_deref().into(),
        inbound.parts.into(),
        inbound.note.as_deref().into(),
    ]
}

fn answer_row(answer: &AnswerRow) -> [Value<'_>; 12] {
    [
        answer.inbound.into(),
        (&answer.campaign.0).into(),
        answer.number.into(),
        (&answer.survey).into(),
        (&answer.question).into(),
        (&answer.value).into(),
        answer.comment.as_deref().into(),
        answer.at_ms.into(),
        (&answer.rule).into(),
        (&answer.pack).into(),
        list(&answer.candidates).into(),
        answer.late.into(),
    ]
}

/// A JSON list as it is kept; none is an empty one.
fn list(candidates: &serde_json::Value) -> String {
    if candidates.is_null() { "[]".to_owned() } else { candidates.to_string() }
}

/// Changes invitations; gives those that were as they had been read.
async fn changes<'a>(
    tx: &mut Tx<'_>,
    changes: impl Iterator<Item = &'a InvitationChange>,
) -> Result<HashSet<i64>, StoreError> {
    let last: BTreeMap<_, &InvitationChange> = changes.map(|change| (change.message, change)).collect();
    let rows = last.into_values().map(change_row);
    Ok(tx.update(&INVITATIONS, rows).await?.into_iter().collect())
}

fn change_row(change: &InvitationChange) -> [Value<'_>; 12] {
    let standing = &change.standing;
    [
        change.message.0.into(),
        standing.state.word().into(),
        (&standing.question).into(),
        standing.asked.into(),
        standing.reminded.into(),
        standing.trail.as_deref().into(),
        standing.offered.as_deref().into(),
        standing.opened_ms.into(),
        standing.asked_ms.into(),
        standing.closed_ms.into(),
        standing.due_ms.into(),
        standing.version.into(),
    ]
}

/// Commits what time did to invitations; one that has changed meanwhile is left as it is, and nothing is said for it.
/// Gives those that were changed.
pub(super) async fn turns(tx: &mut Tx<'_>, turns: &[TurnCommit]) -> Result<Vec<MessageId>, StoreError> {
    let changed = changes(tx, turns.iter().map(|turn| &turn.change)).await?;
    let taken: Vec<&TurnCommit> =
        turns.iter().filter(|turn| changed.contains(&turn.change.message.0)).collect();
    accept::accept(tx, &taken.iter().map(|turn| &turn.accept).collect::<Vec<&Acceptance>>()).await?;
    Ok(taken.iter().map(|turn| turn.change.message).collect())
}

/// Keeps one part; gives the whole set, in order, when none is missing.
pub(super) async fn put_part(tx: &mut Tx<'_>, part: &PartRow) -> Result<Option<Vec<PartRow>>, StoreError> {
    tx.change(&PART, &[part]).await?;
    let parts: Vec<PartRow> = tx.list(&PARTS, &part.key).await?;
    Ok((parts.len() == usize::try_from(part.key.total).unwrap_or_default()).then_some(parts))
}

async fn parts_done(tx: &mut Tx<'_>, key: &PartsKey, at_ms: i64) -> Result<bool, StoreError> {
    #[derive(Serialize)]
    struct Param<'a> {
        #[serde(flatten)]
        key: &'a PartsKey,
        at_ms: i64,
    }
    Ok(tx.change(&PARTS_DONE, &Param { key, at_ms }).await? > 0)
}
