//! Acceptance: messages, their chunks and questions, campaigns.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::audience;
use super::engine::{Repeats, Tx};
use super::error::StoreError;
use super::insert::{Column, Insert, Value};
use super::rows::{Acceptance, Campaign, CampaignProgress, CampaignState, Invitation, NewChunk};
use super::sql::Sql;
use super::write::Answer;
use super::{locator, queue};
use crate::message::{CampaignId, Class, InvitationState, MessageId, Outbound};
use crate::rules::machines::dispatcher::Line;

/// Most messages of one chunk: big enough that claiming costs nothing a message, small enough that a crash leaves
/// little to look through and classes take turns.
pub const CHUNK_MESSAGES: usize = 250;
/// Chunks that are due within so many milliseconds are due together.
const DUE_TOGETHER_MS: u64 = 50;

static MESSAGES: Insert<17> = Insert::new(
    "message",
    [
        Column::Int("id"),
        Column::Text("lane"),
        Column::Text("purpose"),
        Column::Text("campaign"),
        Column::Text("sender"),
        Column::Int("recipient"),
        Column::Text("body"),
        Column::Text("language"),
        Column::Text("source"),
        Column::Int("accepted_ms"),
        Column::Int("expires_ms"),
        Column::Text("zone"),
        Column::Text("account"),
        Column::Text("reference"),
        Column::Int("registered_delivery"),
        Column::Text("relay"),
        Column::Text("programme"),
    ],
);
/// Chunks of no campaign that carry on no other.
static PLAIN_CHUNKS: Insert<10> = Insert::new(
    "chunk",
    [
        Column::Int("id"),
        Column::Text("lane"),
        Column::Int("class"),
        Column::Text("line"),
        Column::Int("not_before_ms"),
        Column::Text("state"),
        Column::Int("attempt"),
        Column::Int("sent_upto"),
        Column::Int("size"),
        Column::Text("members"),
    ],
);
static CHUNKS: Sql = Sql::new(
    "insert into chunk (id, lane, class, campaign, line, not_before_ms, state, attempt, sent_upto, size, members) \
     select id, lane, class, campaign, line, not_before_ms + case when exists ( \
             select 1 from campaign held where held.id = r.campaign and held.state in ('paused', 'cancelled')) \
         then held_ms else 0 end, 'waiting', attempt, 0, size, members \
     from {rows id bigint, lane text, class bigint, campaign text, line text, not_before_ms bigint, attempt bigint, \
         size bigint, members text, carries_on bigint, epoch bigint, held_ms bigint} \
     where carries_on is null or exists ( \
         select 1 from chunk before \
         where before.id = r.carries_on and before.state = 'leased' and before.epoch = r.epoch) \
     on conflict do nothing",
);
static INVITATIONS: Insert<20> = Insert::new(
    "invitation",
    [
        Column::Text("campaign"),
        Column::Int("number"),
        Column::Text("sender"),
        Column::Int("message"),
        Column::Text("survey"),
        Column::Text("question"),
        Column::Text("state"),
        Column::Int("asked"),
        Column::Int("reminded"),
        Column::Text("trail"),
        Column::Text("offered"),
        Column::Text("language"),
        Column::Text("name"),
        Column::Text("zone"),
        Column::Text("started_by"),
        Column::Int("opened_ms"),
        Column::Int("asked_ms"),
        Column::Int("closed_ms"),
        Column::Int("due_ms"),
        Column::Int("version"),
    ],
);
/// Of these messages, those there are.
static KNOWN: Sql =
    Sql::new("select {list id} from (select m.id from {ids} {probe message m on m.id = r.id}) x");
static PROGRESS: Sql = Sql::new(
    "update campaign set imported_upto = r.imported_upto, accepted = r.accepted, refused = r.refused \
     from {rows id text, imported_upto bigint, accepted bigint, refused bigint} \
     where campaign.id = r.id and campaign.imported_upto <= r.imported_upto",
);
static NEW_CAMPAIGN: Sql = Sql::new(
    "insert into campaign (id, lane, sender, purpose, survey, text, contacts, settings, state, created_ms, \
         imported_upto, accepted, refused) \
     select id, lane, sender, purpose, survey, text, contacts, coalesce(settings, 'null'), state, created_ms, \
         imported_upto, accepted, refused \
     from {rows id text, lane text, sender text, purpose text, survey text, text text, contacts text, \
         settings text, state text, created_ms bigint, imported_upto bigint, accepted bigint, refused bigint} \
     where true on conflict do nothing",
);
/// One campaign by its name, or all.
pub(super) static CAMPAIGNS: Sql = Sql::new(
    "select {row id, lane, sender, purpose, survey, text, contacts, settings, state, created_ms, imported_upto, \
         accepted, refused} \
     from (select id, lane, sender, purpose, survey, text, contacts, settings, state, created_ms, imported_upto, \
         accepted, refused from campaign \
         where {text id} is null or id = {text id} order by created_ms, id) x",
);
static CAMPAIGN_STATE: Sql = Sql::new("update campaign set state = {text state} where id = {text id}");

#[derive(Serialize)]
struct ChunkParam<'a> {
    id: i64,
    lane: &'a str,
    class: i64,
    campaign: Option<&'a CampaignId>,
    line: String,
    not_before_ms: i64,
    attempt: i64,
    size: usize,
    members: &'a [MessageId],
    carries_on: Option<i64>,
    epoch: i64,
    /// Added to its time where its campaign is held.
    held_ms: i64,
}

#[derive(Deserialize)]
struct Known {
    id: MessageId,
}

/// Puts acceptances down, all together. The messages of one are known only where all of it is: then it is left out.
pub(super) async fn accept(tx: &mut Tx<'_>, all: &[&Acceptance]) -> Result<(), StoreError> {
    let messages: Vec<&Outbound> = all.iter().flat_map(|one| &one.messages).collect();
    let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
    let known: HashSet<MessageId> = match tx.repeats {
        Repeats::Never => HashSet::new(),
        Repeats::Perhaps if ids.is_empty() => HashSet::new(),
        Repeats::Perhaps => tx.list::<Known>(&KNOWN, &ids).await?.into_iter().map(|row| row.id).collect(),
    };
    let new = tx.insert(&MESSAGES, messages.iter().map(|message| message_row(message))).await?;
    if new < (messages.len() - known.len()) as u64 {
        // One of them came before after all: once more from the start, looking.
        tx.repeats = Repeats::Perhaps;
        return Err(StoreError::Busy);
    }
    locator::note(tx, messages.iter().map(|message| (locator::to(message.to), message.id.0)));
    let new = |chunk: &&NewChunk| !chunk.members.iter().any(|message| known.contains(message));
    let new = gathered(all.iter().map(|one| one.chunks.iter().filter(new).collect()));
    chunks(tx, &new.iter().map(AsRef::as_ref).collect::<Vec<_>>()).await?;
    let invitations: Vec<&Invitation> = all.iter().flat_map(|one| &one.invitations).collect();
    tx.insert(&INVITATIONS, invitations.iter().map(|invitation| invitation_row(invitation))).await?;
    // What waits has no message yet by which its number would be found.
    let waiting = invitations.iter().filter(|one| one.standing.state == InvitationState::Waiting);
    locator::note(tx, waiting.map(|one| (locator::to(one.number), one.message.0)));
    tx.events.extend(all.iter().flat_map(|one| &one.events).cloned());
    let mut furthest: BTreeMap<&CampaignId, &CampaignProgress> = BTreeMap::new();
    for progress in all.iter().filter_map(|one| one.progress.as_ref()) {
        let known = furthest.entry(&progress.id).or_insert(progress);
        if progress.imported_upto >= known.imported_upto {
            *known = progress;
        }
    }
    tx.change_all(&PROGRESS, &furthest.into_values().collect::<Vec<_>>()).await?;
    Ok(())
}

fn message_row(message: &Outbound) -> [Value<'_>; 17] {
    [
        message.id.0.into(),
        (&message.lane).into(),
        message.purpose.name().into(),
        message.campaign.as_ref().map(|campaign| &campaign.0).into(),
        (&message.sender.0).into(),
        message.to.into(),
        (&message.body).into(),
        message.language.as_deref().into(),
        message.source.name().into(),
        message.accepted_ms.into(),
        message.expires_ms.into(),
        message.zone.as_deref().into(),
        message.account.as_deref().into(),
        message.reference.as_deref().into(),
        message.registered_delivery.map(i64::from).into(),
        message.relay.as_ref().map(ToString::to_string).into(),
        message.programme.as_deref().into(),
    ]
}

fn invitation_row(invitation: &Invitation) -> [Value<'_>; 20] {
    let standing = &invitation.standing;
    [
        (&invitation.campaign.0).into(),
        invitation.number.into(),
        (&invitation.sender.0).into(),
        invitation.message.0.into(),
        (&invitation.survey).into(),
        (&standing.question).into(),
        standing.state.word().into(),
        standing.asked.into(),
        standing.reminded.into(),
        standing.trail.as_deref().into(),
        standing.offered.as_deref().into(),
        invitation.language.as_deref().into(),
        invitation.name.as_deref().into(),
        invitation.zone.as_deref().into(),
        (&invitation.started_by).into(),
        standing.opened_ms.into(),
        standing.asked_ms.into(),
        standing.closed_ms.into(),
        standing.due_ms.into(),
        standing.version.into(),
    ]
}

/// The chunks of these requests. Where a request has but one, it becomes one with others that are due together: what is
/// handed in one by one, or answered, then costs the queue no more than what comes by the hundred. Messages keep their order.
fn gathered<'a>(requests: impl Iterator<Item = Vec<&'a NewChunk>>) -> Vec<Cow<'a, NewChunk>> {
    let mut all: Vec<Cow<'a, NewChunk>> = Vec::new();
    let mut open: HashMap<(&str, Class, Option<&CampaignId>), usize> = HashMap::new();
    for chunks in requests {
        let [chunk] = chunks[..] else {
            all.extend(chunks.into_iter().map(Cow::Borrowed));
            continue;
        };
        if chunk.carries_on.is_some() || chunk.attempt > 0 || chunk.members.is_empty() {
            all.push(Cow::Borrowed(chunk));
            continue;
        }
        let of = (chunk.lane.as_str(), chunk.class, chunk.campaign.as_ref());
        let place = open.entry(of).or_insert(all.len());
        let fits = |other: &&mut Cow<'a, NewChunk>| {
            other.members.len() + chunk.members.len() <= CHUNK_MESSAGES
                && other.not_before_ms.abs_diff(chunk.not_before_ms) <= DUE_TOGETHER_MS
        };
        match all.get_mut(*place).filter(fits) {
            Some(other) => {
                let other = other.to_mut();
                other.members.extend_from_slice(&chunk.members);
                other.not_before_ms = other.not_before_ms.max(chunk.not_before_ms);
            }
            None => {
                *place = all.len();
                all.push(Cow::Borrowed(chunk));
            }
        }
    }
    all
}

fn chunk_row(chunk: &NewChunk, line: String) -> [Value<'_>; 10] {
    let members: Vec<String> = chunk.members.iter().map(|message| message.0.to_string()).collect();
    [
        chunk.id.0.into(),
        (&chunk.lane).into(),
        chunk.class.rank().into(),
        line.into(),
        chunk.not_before_ms.into(),
        "waiting".into(),
        chunk.attempt.into(),
        0.into(),
        i64::try_from(chunk.members.len()).unwrap_or(i64::MAX).into(),
        format!("[{}]", members.join(",")).into(),
    ]
}

/// Puts chunks down; one that carries on a lease which is no longer ours is left out.
pub(super) async fn chunks(tx: &mut Tx<'_>, chunks: &[&NewChunk]) -> Result<(), StoreError> {
    let epoch = tx.epoch;
    let line = |chunk: &NewChunk| queue::line_key(&Line::of(chunk.class, chunk.campaign.as_ref()));
    let (plain, bound): (Vec<&NewChunk>, Vec<&NewChunk>) =
        chunks.iter().partition(|chunk| chunk.campaign.is_none() && chunk.carries_on.is_none());
    tx.insert(&PLAIN_CHUNKS, plain.iter().map(|chunk| chunk_row(chunk, line(chunk)))).await?;
    let chunks: Vec<ChunkParam<'_>> = bound
        .iter()
        .map(|chunk| ChunkParam {
            id: chunk.id.0,
            lane: &chunk.lane,
            class: chunk.class.rank(),
            campaign: chunk.campaign.as_ref(),
            line: line(chunk),
            not_before_ms: chunk.not_before_ms,
            attempt: chunk.attempt,
            size: chunk.members.len(),
            members: &chunk.members,
            carries_on: chunk.carries_on.map(|chunk| chunk.0),
            epoch,
            held_ms: audience::HELD_MS,
        })
        .collect();
    tx.change_all(&CHUNKS, &chunks).await?;
    Ok(())
}

/// A campaign as its row has it: the settings are JSON in a text.
#[derive(Deserialize)]
pub(super) struct CampaignColumns {
    settings: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl TryFrom<CampaignColumns> for Campaign {
    type Error = StoreError;

    fn try_from(columns: CampaignColumns) -> Result<Self, StoreError> {
        let mut object = columns.rest;
        let settings = serde_json::from_str(&columns.settings).unwrap_or_default();
        object.insert("settings".to_owned(), settings);
        serde_json::from_value(object.into())
            .map_err(|error| StoreError::Corrupt(format!("a campaign cannot be read: {error}")))
    }
}

/// Creates a campaign; the same again is no change, another under the same name is refused.
pub(super) async fn campaign(
    tx: &mut Tx<'_>,
    campaign: &Campaign,
) -> Result<Result<Answer, StoreError>, StoreError> {
    if tx.change(&NEW_CAMPAIGN, &[campaign]).await? == 1 {
        return Ok(Ok(Answer::Done));
    }
    let id = serde_json::json!({ "id": campaign.id });
    let known: Option<CampaignColumns> = tx.rows(&CAMPAIGNS, &id).await?.pop();
    let known = known.map(Campaign::try_from).transpose()?;
    let same = known.is_some_and(|known| {
        Campaign {
            state: campaign.state,
            created_ms: campaign.created_ms,
            imported_upto: campaign.imported_upto,
            accepted: campaign.accepted,
            refused: campaign.refused,
            ..known
        } == *campaign
    });
    Ok(if same {
        Ok(Answer::Done)
    } else {
        let reason = format!("there is another campaign named {}; choose another name", campaign.id);
        Err(StoreError::Refused(reason))
    })
}

/// Sets a campaign's state.
pub(super) async fn campaign_state(
    tx: &mut Tx<'_>,
    id: &CampaignId,
    state: CampaignState,
    at_ms: i64,
) -> Result<Result<Answer, StoreError>, StoreError> {
    let changed = tx.change(&CAMPAIGN_STATE, &serde_json::json!({ "id": id, "state": state })).await?;
    match state {
        CampaignState::Paused => audience::hold(tx, id).await?,
        CampaignState::Running => audience::release(tx, id).await?,
        CampaignState::Cancelled => audience::cancel(tx, id, at_ms).await?,
        CampaignState::Planned | CampaignState::Done => {}
    }
    Ok(if changed == 1 {
        Ok(Answer::Done)
    } else {
        Err(StoreError::Refused(format!("there is no campaign named {id}")))
    })
}
