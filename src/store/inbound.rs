//! What comes in: one transaction for a message and all it brings about, and the parts that wait for each other.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::arrivals::{AnswerRow, InboundCommit, InboundRow, PartRow, PartsKey};
use super::consent;
use super::engine::Tx;
use super::error::StoreError;
use super::locator;
use super::rows::{Acceptance, InvitationChange};
use super::sql::Sql;
use super::{accept, desk};

static INBOUND: Sql = Sql::new(
    "insert into inbound (id, lane, number, code, text, octets, data_coding, received_ms, digest, verdict, rule, \
         pack, candidates, campaign, parts, note) \
     select id, lane, number, code, text, octets, data_coding, received_ms, digest, verdict, rule, pack, \
         coalesce(candidates, '[]'), campaign, parts, note \
     from {rows id bigint, lane text, number bigint, code text, text text, octets text, data_coding bigint, \
         received_ms bigint, digest text, verdict text, rule text, pack text, candidates text, campaign text, \
         parts bigint, note text} \
     where true on conflict do nothing returning {pack id}",
);
static INVITATIONS: Sql = Sql::new(
    "update invitation set state = r.state, asked = coalesce(r.asked, invitation.asked), \
         question = coalesce(r.question, invitation.question), \
         closed_ms = coalesce(r.closed_ms, invitation.closed_ms) \
     from {rows key text, campaign text, number bigint, state text, asked bigint, question text, closed_ms bigint} \
     cross join generation g cross join locator l \
     where l.generation = g.id and l.key = r.key and invitation.message = l.id \
         and invitation.campaign = r.campaign and invitation.number = r.number",
);
static ANSWERS: Sql = Sql::new(
    "insert into answer (inbound, campaign, number, survey, question, value, comment, at_ms, rule, pack, candidates) \
     select inbound, campaign, number, survey, question, value, comment, at_ms, rule, pack, \
         coalesce(candidates, '[]') \
     from {rows inbound bigint, campaign text, number bigint, survey text, question text, value text, comment text, \
         at_ms bigint, rule text, pack text, candidates text} \
     where true on conflict do nothing",
);
/// Of the answers of one handset to one question only the newest counts.
static REPLACED: Sql = Sql::new(
    "update answer set replaced_ms = ( \
         select min(n.at_ms) from answer n where n.campaign = answer.campaign and n.number = answer.number \
             and n.question = answer.question and (n.at_ms, n.inbound) > (answer.at_ms, answer.inbound)) \
     where replaced_ms is null \
         and (campaign, number, question) in (select r.campaign, r.number, r.question \
             from {rows campaign text, number bigint, question text}) \
         and exists (select 1 from answer n where n.campaign = answer.campaign and n.number = answer.number \
             and n.question = answer.question and (n.at_ms, n.inbound) > (answer.at_ms, answer.inbound))",
);
// A handset counts its long messages in 8 or 16 bits: a part known already that was dealt with ten minutes ago belongs
// to another message.
static PART: Sql = Sql::new(
    "insert into inbound_part (lane, number, code, reference, total, part, octets, data_coding, received_ms) \
     select lane, number, code, reference, total, part, octets, data_coding, received_ms \
     from {rows lane text, number bigint, code text, reference bigint, total bigint, part bigint, octets text, \
         data_coding bigint, received_ms bigint} \
     where true on conflict (lane, number, code, reference, total, part) do update \
     set octets = excluded.octets, data_coding = excluded.data_coding, received_ms = excluded.received_ms, \
         done_ms = null \
     where inbound_part.done_ms < excluded.received_ms - 600000",
);
static PARTS: Sql = Sql::new(
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

#[derive(Serialize)]
struct ChangeParam<'a> {
    key: String,
    #[serde(flatten)]
    change: &'a InvitationChange,
}

#[derive(Deserialize)]
struct Id {
    id: i64,
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
    let rows: Vec<&InboundRow> = fresh.iter().map(|commit| &commit.inbound).collect();
    let new: Vec<Id> = tx.rows(&INBOUND, &rows).await?;
    let mut new: HashSet<i64> = new.into_iter().map(|row| row.id).collect();
    fresh.retain(|commit| new.remove(&commit.inbound.id));
    let from = |commit: &&InboundCommit| (locator::from(commit.inbound.number), commit.inbound.id);
    locator::note(tx, fresh.iter().map(from)).await?;

    consent::record(tx, &fresh.iter().flat_map(|commit| &commit.consent).collect::<Vec<_>>()).await?;
    let mut changes: BTreeMap<_, &InvitationChange> = BTreeMap::new();
    for change in fresh.iter().flat_map(|commit| &commit.invitations) {
        changes.insert((&change.campaign, change.number), change);
    }
    let changes: Vec<ChangeParam<'_>> =
        changes.into_values().map(|change| ChangeParam { key: locator::to(change.number), change }).collect();
    tx.change_all(&INVITATIONS, &changes).await?;
    let answers: Vec<&AnswerRow> = fresh.iter().filter_map(|commit| commit.answer.as_ref()).collect();
    if !answers.is_empty() {
        tx.change(&ANSWERS, &answers).await?;
        tx.change(&REPLACED, &answers).await?;
    }
    desk::arrived(tx, fresh.iter().filter_map(|commit| commit.conversation.as_ref())).await?;
    accept::accept(tx, &fresh.iter().map(|commit| &commit.accept).collect::<Vec<&Acceptance>>()).await
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
