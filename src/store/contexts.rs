//! What is known about a handset on a code at the moment something comes from it.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Store;
use super::arrivals::{LastText, RecentInbound, ReplyContext};
use super::consent;
use super::engine::Readers;
use super::error::StoreError;
use super::locator;
use super::rows::{DueInvitation, Invitation, InvitationStanding};
use super::sql::Sql;
use crate::message::{CampaignId, InvitationState, MessageId, Msisdn, Scope, Sender};
use crate::rules::consent::blocked_by;

/// The last messages of a handset that are looked at: a redelivery is told by the newest, a loop by that there are so many.
const RECENT: usize = 12;
/// Of a number written to, or writing, without end only the newest messages are looked at.
const LOOKED_AT: usize = 200;

/// Messages with the survey each invites to, if it does; and invitations whose message is yet to be.
static MESSAGES: Sql = Sql::new(
    "select {list message, written, \"to\", sender, campaign, survey, question, state, asked, reminded, trail, offered, \
         language, name, zone, started_by, opened_ms, asked_ms, closed_ms, due_ms, version} \
     from (select r.id as message, m.id as written, coalesce(m.recipient, i.number) as \"to\", \
         coalesce(m.sender, i.sender) as sender, i.campaign, i.survey, i.question, i.state, i.asked, i.reminded, \
         i.trail, i.offered, i.language, i.name, i.zone, i.started_by, i.opened_ms, i.asked_ms, i.closed_ms, i.due_ms, i.version \
         from {ids} {probe left message m on m.id = r.id} left join invitation i on i.message = r.id \
         where m.id is not null or i.message is not null) x",
);
/// What is due first.
static DUE: Sql = Sql::new(
    "select {list message, number, sender, campaign, survey, question, state, asked, reminded, trail, offered, language, \
         name, zone, started_by, opened_ms, asked_ms, closed_ms, due_ms, version} \
     from (select i.message, i.number, i.sender, i.campaign, i.survey, i.question, i.state, i.asked, i.reminded, \
         i.trail, i.offered, i.language, i.name, i.zone, i.started_by, i.opened_ms, i.asked_ms, i.closed_ms, i.due_ms, i.version \
         from invitation i where i.due_ms <= {int now_ms} order by i.due_ms, i.message limit {int limit}) x",
);
/// What is known of the way of these messages.
static WAYS: Sql = Sql::new(
    "select {list message, sent_ms, failed, suppressed} from (select r.id as message, \
         (select min(o.at_ms) from outcome o where o.message = r.id {span o.message} and o.kind = 'sent') as sent_ms, \
         case when exists (select 1 from outcome o where o.message = r.id {span o.message} \
                 and o.kind in ('rejected', 'expired', 'gave_up')) \
             or exists (select 1 from receipt c where c.message = r.id {span c.message} and c.is_final = 1 \
                 and c.state <> 'delivered') then 1 else 0 end as failed, \
         case when exists (select 1 from outcome o where o.message = r.id {span o.message} \
             and o.kind = 'suppressed') then 1 else 0 end as suppressed from {ids}) x",
);
static TEXTS: Sql = Sql::new(
    "select {list message, body, language, accepted_ms} from ( \
         select m.id as message, m.body, m.language, m.accepted_ms from {ids} {probe message m on m.id = r.id}) x",
);
static INBOUND: Sql = Sql::new(
    "select {list id, number, code, digest, received_ms, verdict} from ( \
         select n.id, n.number, n.code, n.digest, n.received_ms, n.verdict from {ids} join inbound n on n.id = r.id) x",
);
static LANES: Sql = Sql::new(
    "select {list id, number, code, lane} from ( \
         select n.id, n.number, n.code, n.lane from {ids} join inbound n on n.id = r.id) x",
);

/// A message, an invitation, or both. Flat: nested, each row would be read twice.
#[derive(Deserialize)]
struct MessageColumns {
    message: MessageId,
    /// Its id again, where it is more than an invitation.
    written: Option<MessageId>,
    to: Msisdn,
    sender: String,
    campaign: Option<CampaignId>,
    survey: Option<String>,
    language: Option<String>,
    name: Option<String>,
    zone: Option<String>,
    started_by: Option<String>,
    state: Option<InvitationState>,
    question: Option<String>,
    asked: Option<i64>,
    reminded: Option<i64>,
    trail: Option<String>,
    offered: Option<String>,
    opened_ms: Option<i64>,
    asked_ms: Option<i64>,
    closed_ms: Option<i64>,
    due_ms: Option<i64>,
    version: Option<i64>,
}

#[derive(Deserialize)]
struct InboundColumns {
    number: Msisdn,
    code: String,
    #[serde(flatten)]
    inbound: RecentInbound,
}

pub(super) async fn each<T: DeserializeOwned>(
    readers: &Readers,
    sql: &'static Sql,
    ids: &[impl Serialize],
) -> Result<Vec<T>, StoreError> {
    if ids.is_empty() { Ok(Vec::new()) } else { readers.list(sql, ids).await }
}

#[derive(Deserialize)]
struct LaneColumns {
    id: i64,
    number: Msisdn,
    code: String,
    lane: String,
}

/// By which carrier account each of these handsets wrote last to each code it wrote to.
pub(super) async fn lanes(
    readers: &Readers,
    numbers: &[Msisdn],
) -> Result<HashMap<(String, Msisdn), String>, StoreError> {
    let from = newest(readers, numbers, locator::from).await?;
    let mut rows: Vec<LaneColumns> = each(readers, &LANES, &from).await?;
    rows.sort_by_key(|row| row.id);
    Ok(rows.into_iter().map(|row| ((row.code, row.number), row.lane)).collect())
}

/// What is known about each (code, handset), in their order.
pub(super) async fn contexts(
    store: &Store,
    asked: &[(String, Msisdn)],
) -> Result<Vec<ReplyContext>, StoreError> {
    let readers = &store.inner.readers;
    let numbers: Vec<Msisdn> = asked.iter().map(|(_, number)| *number).collect();
    let keys = numbers.iter().flat_map(|number| [locator::to(*number), locator::from(*number)]);
    let mut noted = newest_under(readers, keys).await?;
    let mut ids = |key: fn(Msisdn) -> String| -> Vec<i64> {
        numbers.iter().filter_map(|number| noted.remove(&key(*number))).flatten().collect()
    };
    let (to, from) = (ids(locator::to), ids(locator::from));
    let mut messages: Vec<MessageColumns> = each(readers, &MESSAGES, &to).await?;
    messages.sort_by_key(|row| Reverse(row.message));
    let mut inbound: Vec<InboundColumns> = each(readers, &INBOUND, &from).await?;
    inbound.sort_by_key(|row| Reverse((row.inbound.received_ms, row.inbound.id)));
    let [out, into] = consent::looked_up(readers, &store.subjects_of(&numbers)).await?;
    let pending = consent::pending_of(readers, &numbers).await?;

    let mut places: HashMap<Msisdn, Vec<usize>> = HashMap::new();
    for ((_, number), place) in asked.iter().zip(0..) {
        places.entry(*number).or_default().push(place);
    }
    // Where a row of this number and code belongs.
    let of = |number: Msisdn, code: &str| {
        let places = places.get(&number).map(Vec::as_slice).unwrap_or_default();
        places.iter().copied().filter(|place| asked[*place].0 == code).collect::<Vec<_>>()
    };
    let mut last: Vec<Option<MessageId>> = vec![None; asked.len()];
    for row in messages.iter().filter(|row| row.written.is_some()) {
        of(row.to, &row.sender).into_iter().for_each(|place| _ = last[place].get_or_insert(row.message));
    }
    let ids: Vec<MessageId> = last.iter().flatten().copied().collect();
    let texts: Vec<LastText> = each(readers, &TEXTS, &ids).await?;
    let texts: HashMap<MessageId, LastText> = texts.into_iter().map(|text| (text.message, text)).collect();

    let mut found: Vec<ReplyContext> = asked
        .iter()
        .zip(last)
        .map(|((code, number), last)| ReplyContext {
            code: code.clone(),
            number: *number,
            open: Vec::new(),
            waiting: Vec::new(),
            closed: None,
            opted_out: holding(code, out.get(number), into.get(number)),
            pending: None,
            last_text: last.and_then(|message| texts.get(&message).cloned()),
            recent: Vec::new(),
        })
        .collect();
    for (number, pending) in pending {
        of(number, &pending.code).into_iter().for_each(|place| found[place].pending = Some(pending.clone()));
    }
    for row in inbound {
        for place in of(row.number, &row.code) {
            if found[place].recent.len() < RECENT {
                found[place].recent.push(row.inbound.clone());
            }
        }
    }
    for row in messages {
        let places = of(row.to, &row.sender);
        let Some(invitation) = row.invitation() else { continue };
        let closed_ms = invitation.standing.closed_ms;
        for place in places {
            let context = &mut found[place];
            match invitation.standing.state {
                InvitationState::Open => context.open.push(invitation.clone()),
                InvitationState::Waiting => context.waiting.push(invitation.clone()),
                _ if context.closed.as_ref().is_none_or(|known| known.standing.closed_ms < closed_ms) => {
                    context.closed = Some(invitation.clone());
                }
                _ => {}
            }
        }
    }
    for context in &mut found {
        context.open.sort_by_key(|one| Reverse((one.standing.opened_ms, one.message)));
        context.waiting.sort_by_key(|one| (one.standing.opened_ms, one.message));
    }
    Ok(found)
}

impl MessageColumns {
    /// The survey it invites to.
    fn invitation(self) -> Option<Invitation> {
        Some(Invitation {
            campaign: self.campaign?,
            number: self.to,
            sender: Sender(self.sender),
            message: self.message,
            survey: self.survey?,
            language: self.language,
            name: self.name,
            zone: self.zone,
            started_by: self.started_by?,
            standing: InvitationStanding {
                state: self.state?,
                question: self.question?,
                asked: self.asked?,
                reminded: self.reminded?,
                trail: self.trail,
                offered: self.offered,
                opened_ms: self.opened_ms?,
                asked_ms: self.asked_ms?,
                closed_ms: self.closed_ms,
                due_ms: self.due_ms,
                version: self.version?,
            },
        })
    }
}

/// What is due at this time, the longest overdue first.
pub(super) async fn due(
    readers: &Readers,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<DueInvitation>, StoreError> {
    #[derive(Deserialize)]
    struct Way {
        message: MessageId,
        sent_ms: Option<i64>,
        failed: i64,
        suppressed: i64,
    }
    let asked = serde_json::json!({ "now_ms": now_ms, "limit": limit });
    let due: Vec<Invitation> = readers.list(&DUE, &asked).await?;
    let ids: Vec<MessageId> = due.iter().map(|one| one.message).collect();
    let ways: Vec<Way> = each(readers, &WAYS, &ids).await?;
    let mut ways: HashMap<MessageId, Way> = ways.into_iter().map(|way| (way.message, way)).collect();
    // There is a row for each that was asked for.
    let known = due.into_iter().filter_map(|invitation| {
        let Way { sent_ms, failed, suppressed, .. } = ways.remove(&invitation.message)?;
        Some(DueInvitation { invitation, sent_ms, failed, suppressed })
    });
    Ok(known.collect())
}

/// The newest ids noted for each of these numbers.
pub(super) async fn newest(
    readers: &Readers,
    numbers: &[Msisdn],
    key: impl Fn(Msisdn) -> String,
) -> Result<Vec<i64>, StoreError> {
    let ids = newest_under(readers, numbers.iter().map(|number| key(*number))).await?;
    Ok(ids.into_values().flatten().collect())
}

/// The newest ids noted under each of these keys.
async fn newest_under(
    readers: &Readers,
    keys: impl Iterator<Item = String>,
) -> Result<HashMap<String, Vec<i64>>, StoreError> {
    let mut ids = locator::ids(readers, keys).await?;
    for found in ids.values_mut() {
        found.reverse();
        found.truncate(LOOKED_AT);
    }
    Ok(ids)
}

/// The questions open to these handsets, and what waits behind them, on any code.
pub(super) async fn open(readers: &Readers, numbers: &[Msisdn]) -> Result<Vec<Invitation>, StoreError> {
    let ids = newest(readers, numbers, locator::to).await?;
    let messages: Vec<MessageColumns> = each(readers, &MESSAGES, &ids).await?;
    let invitations = messages.into_iter().filter_map(MessageColumns::invitation);
    Ok(invitations.filter(|one| !one.standing.state.is_closed()).collect())
}

/// The opt-outs that still hold for what this code sends: a later opt-in to it is the newer word.
fn holding(code: &str, out: Option<&Vec<(Scope, i64)>>, into: Option<&Vec<(Scope, i64)>>) -> Vec<String> {
    let (Some(out), empty) = (out, Vec::new()) else { return Vec::new() };
    let into = into.unwrap_or(&empty);
    let here = Scope::Sender(code.to_owned());
    let holds = |(scope, since_ms): &&(Scope, i64)| {
        let scopes = [scope.clone(), here.clone()];
        blocked_by(&scopes, &[(scope.clone(), *since_ms)], into).is_some()
    };
    out.iter().filter(holds).map(|(scope, _)| scope.to_string()).collect()
}

/// The opt-outs in force of these handsets: number and scope.
pub(super) async fn optouts(store: &Store, numbers: &[Msisdn]) -> Result<Vec<(Msisdn, String)>, StoreError> {
    let [out, _] = consent::looked_up(&store.inner.readers, &store.subjects_of(numbers)).await?;
    let mut rows: Vec<(Msisdn, String)> = out
        .into_iter()
        .flat_map(|(number, stands)| stands.into_iter().map(move |(scope, _)| (number, scope.to_string())))
        .collect();
    rows.sort();
    Ok(rows)
}
