//! A campaign's people: put down once, read a chunk at a time, and the plan of how far they have become messages.

use serde::{Deserialize, Serialize};

use super::accept;
use super::engine::{Readers, Tx};
use super::error::StoreError;
use super::insert::{Column, Insert, Value};
use super::rows::{Acceptance, CampaignProgress};
use super::sql::Sql;
use super::write::Answer;
use crate::message::{CampaignId, Msisdn};

/// A chunk of a campaign that is held is due so many milliseconds later: it keeps its place and its own time, and no query
/// has to ask whose campaign is paused. Some 140,000 years, so that it never comes by itself.
pub(super) const HELD_MS: i64 = 1 << 52;

/// People of one place in a campaign. Key: the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceGroup {
    /// Made by the caller.
    pub id: i64,
    /// The campaign.
    pub campaign: CampaignId,
    /// Where they are, in the form of those who made it.
    pub place: String,
    /// How many there are.
    pub total: i64,
    /// How many of them, from the first on, are messages.
    pub planned: i64,
}

/// One person. Key: group and place in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceRow {
    /// The group.
    pub grp: i64,
    /// Its place in the group, from 0.
    pub seq: i64,
    /// The handset.
    pub number: Msisdn,
    /// The person's language.
    pub language: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// Other columns of the contact file that the text names: a JSON object.
    pub fields: Option<String>,
}

impl std::fmt::Debug for AudienceRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AudienceRow({}/{}: {:?})", self.grp, self.seq, self.number)
    }
}

/// A piece of a contact file: all of it or nothing. Repeating it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Groups with their totals as they are with these rows.
    pub groups: Vec<AudienceGroup>,
    /// The people.
    pub rows: Vec<AudienceRow>,
    /// How far the file has been read with them.
    pub progress: CampaignProgress,
    /// Numbers met before, so far.
    pub doubled: i64,
}

/// A step of a campaign's plan: people become messages, and the plan moves on, in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    /// The campaign; it has to be running.
    pub campaign: CampaignId,
    /// The group they are from.
    pub group: i64,
    /// How many of the group were messages before.
    pub from: i64,
    /// How many are with this.
    pub upto: i64,
    /// When the next chunk may begin.
    pub next_ms: i64,
    /// The messages and their chunk.
    pub acceptance: Acceptance,
}

/// How far a campaign's plan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct PlanState {
    /// When the next chunk may begin, milliseconds since the epoch.
    pub next_ms: i64,
    /// Numbers that stood more than once in the file.
    pub doubled: i64,
}

static GROUPS_PUT: Sql = Sql::new(
    "insert into audience_group (id, campaign, place, total, planned) \
     select id, campaign, place, total, 0 from {rows id bigint, campaign text, place text, total bigint} \
     where true on conflict (id) do update set total = excluded.total where audience_group.total < excluded.total",
);
static ROWS_PUT: Insert<6> = Insert::new(
    "audience",
    [
        Column::Int("grp"),
        Column::Int("seq"),
        Column::Int("number"),
        Column::Text("language"),
        Column::Text("name"),
        Column::Text("fields"),
    ],
);
static PLAN_PUT: Sql = Sql::new(
    "insert into campaign_plan (campaign, next_ms, doubled) \
     select campaign, 0, doubled from {rows campaign text, doubled bigint} \
     where true on conflict (campaign) do update set doubled = excluded.doubled",
);
static GROUP_PLANNED: Sql = Sql::new(
    "update audience_group set planned = {int upto} \
     where id = {int group} and planned = {int from} and exists ( \
         select 1 from campaign where campaign.id = {text campaign} and campaign.state = 'running')",
);
static PLAN_NEXT: Sql = Sql::new(
    "update campaign_plan set next_ms = {int next_ms} where campaign = {text campaign} and next_ms < {int next_ms}",
);
static HOLD: Sql = Sql::new(
    "update chunk set not_before_ms = not_before_ms + {int held_ms} \
     where campaign = {text id} and state <> 'done' and state = 'waiting' and not_before_ms < {int held_ms}",
);
static RELEASE: Sql = Sql::new(
    "update chunk set not_before_ms = not_before_ms - {int held_ms} \
     where campaign = {text id} and state <> 'done' and state = 'waiting' and not_before_ms >= {int held_ms}",
);
static CANCEL_MESSAGES: Sql = Sql::new(
    "insert into outcome (message, attempt, part, kind, cause, at_ms) \
     select cast(m.value as bigint), c.attempt, 0, 'suppressed', 'cancelled', {int at_ms} \
     from chunk c cross join {each c.members} m \
     where c.campaign = {text id} and c.state <> 'done' and c.state = 'waiting' on conflict do nothing",
);
static CANCEL_CHUNKS: Sql = Sql::new(
    "update chunk set state = 'done' where campaign = {text id} and state <> 'done' and state = 'waiting'",
);
/// The groups of a campaign.
pub(super) static GROUPS: Sql = Sql::new(
    "select {row id, campaign, place, total, planned} from (select id, campaign, place, total, planned \
         from audience_group where campaign = {text campaign} order by id) x",
);
/// The next people of a group.
pub(super) static NEXT_ROWS: Sql = Sql::new(
    "select {list grp, seq, number, language, name, fields} from (select grp, seq, number, language, name, fields \
         from audience where grp = {int group} and seq >= {int from} order by seq limit {int limit}) x",
);
static PLAN_STATE: Sql = Sql::new(
    "select {row next_ms, doubled} from (select next_ms, doubled from campaign_plan \
         where campaign = {text campaign}) x",
);
static QUEUED: Sql = Sql::new(
    "select {row queued} from (select coalesce(sum(size - sent_upto), 0) as queued from chunk \
         where campaign = {text campaign} and state <> 'done') x",
);

/// Puts people down.
pub(super) async fn put(tx: &mut Tx<'_>, audience: &Audience) -> Result<(), StoreError> {
    tx.change_all(&GROUPS_PUT, &audience.groups).await?;
    tx.insert(&ROWS_PUT, audience.rows.iter().map(person)).await?;
    let plan = serde_json::json!({ "campaign": audience.progress.id, "doubled": audience.doubled });
    tx.change_all(&PLAN_PUT, &[plan]).await?;
    let progress = Acceptance { progress: Some(audience.progress.clone()), ..Acceptance::default() };
    accept::accept(tx, &[&progress]).await
}

fn person(row: &AudienceRow) -> [Value<'_>; 6] {
    [
        row.grp.into(),
        row.seq.into(),
        row.number.into(),
        row.language.as_deref().into(),
        row.name.as_deref().into(),
        row.fields.as_deref().into(),
    ]
}

/// Makes a step of a plan; one that was made already, or whose campaign does not run, is refused and changes nothing.
pub(super) async fn step(tx: &mut Tx<'_>, step: &PlanStep) -> Result<Result<Answer, StoreError>, StoreError> {
    let argument = serde_json::json!({
        "campaign": step.campaign, "group": step.group, "from": step.from, "upto": step.upto, "next_ms": step.next_ms,
    });
    if tx.change(&GROUP_PLANNED, &argument).await? == 0 {
        let reason = format!("campaign {} does not run, or this step was made already", step.campaign);
        return Ok(Err(StoreError::Refused(reason)));
    }
    tx.change(&PLAN_NEXT, &argument).await?;
    accept::accept(tx, &[&step.acceptance]).await?;
    Ok(Ok(Answer::Done))
}

/// Holds what is queued of a campaign: it keeps its place.
pub(super) async fn hold(tx: &mut Tx<'_>, id: &CampaignId) -> Result<(), StoreError> {
    tx.change(&HOLD, &serde_json::json!({ "id": id, "held_ms": HELD_MS })).await.map(drop)
}

/// Lets go what was held.
pub(super) async fn release(tx: &mut Tx<'_>, id: &CampaignId) -> Result<(), StoreError> {
    tx.change(&RELEASE, &serde_json::json!({ "id": id, "held_ms": HELD_MS })).await.map(drop)
}

/// Ends what is queued of a campaign, with its cause.
pub(super) async fn cancel(tx: &mut Tx<'_>, id: &CampaignId, at_ms: i64) -> Result<(), StoreError> {
    let argument = serde_json::json!({ "id": id, "at_ms": at_ms });
    tx.change(&CANCEL_MESSAGES, &argument).await?;
    tx.change(&CANCEL_CHUNKS, &argument).await.map(drop)
}

/// The groups of a campaign.
pub(super) async fn groups(
    readers: &Readers,
    campaign: &CampaignId,
) -> Result<Vec<AudienceGroup>, StoreError> {
    readers.rows(&GROUPS, &serde_json::json!({ "campaign": campaign })).await
}

/// The next people of a group.
pub(super) async fn rows(
    readers: &Readers,
    group: i64,
    from: i64,
    limit: usize,
) -> Result<Vec<AudienceRow>, StoreError> {
    readers.list(&NEXT_ROWS, &serde_json::json!({ "group": group, "from": from, "limit": limit })).await
}

/// How far a campaign's plan is.
pub(super) async fn plan(readers: &Readers, campaign: &CampaignId) -> Result<PlanState, StoreError> {
    let rows: Vec<PlanState> =
        readers.rows(&PLAN_STATE, &serde_json::json!({ "campaign": campaign })).await?;
    Ok(rows.into_iter().next().unwrap_or_default())
}

/// Messages of a campaign that are queued or in hand.
pub(super) async fn queued(readers: &Readers, campaign: &CampaignId) -> Result<i64, StoreError> {
    #[derive(Deserialize)]
    struct Queued {
        queued: i64,
    }
    let rows: Vec<Queued> = readers.rows(&QUEUED, &serde_json::json!({ "campaign": campaign })).await?;
    Ok(rows.first().map_or(0, |row| row.queued))
}
