//! Counting: a campaign's results, its replies, the whole, what is in doubt.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::engine::Readers;
use super::error::StoreError;
use super::locator;
use super::sql::Sql;
use super::views::{AnswerCount, Census, InDoubt, ReplyFilter, ReplyRow, Results, StateCount};
use crate::message::CampaignId;

/// The list of in-doubt messages goes back so far at most: newest first.
const IN_DOUBT_LISTED: i64 = 10_000;

static STATES: Sql = Sql::new(
    "select {list state, cause, count} from (select s.state, s.cause, count(*) as count from v_message_state s \
         where s.campaign = {text campaign} and s.source = 'campaign' group by s.state, s.cause \
         order by s.state, s.cause) x",
);
static SENDS: Sql = Sql::new(
    "select {row count} from (select count(*) as count from message m \
         where m.campaign = {text campaign} and m.source = 'campaign' \
             and exists (select 1 from outcome o where o.message = m.id and o.kind = 'sent')) x",
);
static INVITATIONS: Sql = Sql::new(
    "select {list state, count, again} from (select state, count(*) as count, \
         sum(case when asked > 1 then 1 else 0 end) as again \
         from invitation where campaign = {text campaign} group by state order by state) x",
);
static ANSWERS: Sql = Sql::new(
    "select {list question, value, count} from (select question, value, count(*) as count from answer \
         where campaign = {text campaign} and replaced_ms is null and late = 0 group by question, value \
         order by question, value) x",
);
static VERDICTS: Sql = Sql::new(
    "select {list state, count} from (select verdict as state, count(*) as count from inbound \
         where campaign = {text campaign} group by verdict order by verdict) x",
);
/// From the first time the carrier took the question to the answer that came first. Invitations come first: the other way
/// round each answer would be looked for among all of them.
static MEDIAN: Sql = Sql::new(
    "select {row took} from (select t.took from ( \
         select min(a.at_ms) - coalesce( \
             (select min(o.at_ms) from outcome o where o.message = i.message and o.kind = 'sent'), i.opened_ms) as took \
         from invitation i cross join answer a \
         where i.campaign = {text campaign} and a.campaign = i.campaign and a.number = i.number and a.late = 0 group by i.number, i.message, i.opened_ms) t \
     order by t.took limit 1 offset (select count(distinct a.number) / 2 from invitation i cross join answer a \
         where i.campaign = {text campaign} and a.campaign = i.campaign and a.number = i.number and a.late = 0)) x",
);
static REPLIES: Sql = Sql::new(
    "select {list id, received_ms, number, code, text, verdict, rule, campaign, question, value, comment, replaced_ms, \
         note} \
     from (select n.id, n.received_ms, n.number, n.code, n.text, n.verdict, n.rule, n.campaign, a.question, a.value, \
             a.comment, a.replaced_ms, n.note \
         from inbound n left join answer a on a.inbound = n.id \
         where ({text campaign} is null or n.campaign = {text campaign}) \
             and ({int number} is null or n.number = {int number} \
                 and n.id in (select cast(l.value as bigint) from {each {text from}} l)) \
             and ({text verdict} is null or n.verdict = {text verdict}) \
             and ({int since_ms} is null or n.received_ms >= {int since_ms}) \
             and ({int before} is null or n.id < {int before}) \
         order by n.id desc limit {int limit}) x",
);
static CENSUS_STATES: Sql = Sql::new(
    "select {list state, count} from (select state, count(*) as count from v_message_state \
         where {int all} = 1 group by state order by state) x",
);
static CENSUS: Sql = Sql::new(
    "select {row in_doubt, waiting_receipts, opted_out, chunks} from (select \
         (select count(distinct o.message) from outcome o where o.kind = 'in_doubt') as in_doubt, \
         (select count(distinct w.receipt) from receipt_waiting w) as waiting_receipts, \
         (select count(distinct number) from optout) as opted_out, \
         (select count(*) from chunk where state = 'waiting') + (select count(*) from chunk where state = 'leased') \
             as chunks \
         where {int all} = 1) x",
);
static IN_DOUBT: Sql = Sql::new(
    "select {list message, attempt, number, campaign, bind, cause, at_ms, state} from ( \
         select o.message, o.attempt, m.recipient as number, m.campaign, min(o.bind) as bind, min(o.cause) as cause, \
             min(o.at_ms) as at_ms, s.state \
         from outcome o join message m on m.id = o.message join v_message_state s on s.message = o.message \
         where o.kind = 'in_doubt' \
         group by o.message, o.attempt, m.recipient, m.campaign, s.state \
         order by min(o.at_ms) desc, o.message desc limit {int limit}) x",
);

#[derive(Deserialize)]
struct Count {
    count: i64,
}

#[derive(Deserialize)]
struct Named {
    state: String,
    count: i64,
}

#[derive(Deserialize)]
struct InvitationCount {
    state: String,
    count: i64,
    again: i64,
}

#[derive(Deserialize)]
struct Took {
    took: i64,
}

async fn one<T: DeserializeOwned>(
    readers: &Readers,
    sql: &'static Sql,
    argument: &serde_json::Value,
) -> Result<Option<T>, StoreError> {
    Ok(readers.rows(sql, argument).await?.pop())
}

/// What a campaign came to.
pub(super) async fn results(readers: &Readers, campaign: &CampaignId) -> Result<Results, StoreError> {
    let argument = serde_json::json!({ "campaign": campaign });
    let states: Vec<StateCount> = readers.list(&STATES, &argument).await?;
    let invitations: Vec<InvitationCount> = readers.list(&INVITATIONS, &argument).await?;
    let answers: Vec<AnswerCount> = readers.list(&ANSWERS, &argument).await?;
    let verdicts: Vec<Named> = readers.list(&VERDICTS, &argument).await?;
    let sends: Option<Count> = one(readers, &SENDS, &argument).await?;
    let median: Option<Took> = one(readers, &MEDIAN, &argument).await?;
    let replies: BTreeMap<String, i64> = verdicts.into_iter().map(|row| (row.state, row.count)).collect();
    let count_of = |state: &str| {
        invitations.iter().find(|row| row.state == state).map(|row| row.count).unwrap_or_default()
    };
    Ok(Results {
        accepted: states.iter().map(|row| row.count).sum(),
        suppressed: states.iter().filter(|row| row.state == "suppressed").map(|row| row.count).sum(),
        sends: sends.map(|row| row.count).unwrap_or_default(),
        asked_again: invitations.iter().map(|row| row.again).sum(),
        unreadable: count_of("unreadable"),
        opted_out: count_of("opted_out"),
        invitations: invitations.into_iter().map(|row| (row.state, row.count)).collect(),
        free_text: replies.get("freetext").copied().unwrap_or_default(),
        median_answer_ms: median.map(|row| row.took),
        states,
        answers,
        replies,
    })
}

/// Replies, newest first.
pub(super) async fn replies(readers: &Readers, filter: &ReplyFilter) -> Result<Vec<ReplyRow>, StoreError> {
    let limit = if filter.limit > 0 { filter.limit.min(ReplyFilter::PAGE) } else { ReplyFilter::PAGE };
    let from = match filter.number {
        Some(number) => locator::under(readers, locator::from(number)).await?,
        None => Vec::new(),
    };
    let argument = serde_json::json!({
        "campaign": filter.campaign, "number": filter.number, "from": from, "verdict": filter.verdict, "since_ms": filter.since_ms, "before": filter.before, "limit": limit,
    });
    readers.list(&REPLIES, &argument).await
}

/// The whole, counted.
pub(super) async fn census(readers: &Readers) -> Result<Census, StoreError> {
    let argument = serde_json::json!({ "all": 1 });
    let states: Vec<Named> = readers.list(&CENSUS_STATES, &argument).await?;
    #[derive(Deserialize)]
    struct Columns {
        in_doubt: i64,
        waiting_receipts: i64,
        opted_out: i64,
        chunks: i64,
    }
    let columns: Option<Columns> = one(readers, &CENSUS, &argument).await?;
    let columns = columns.ok_or_else(|| StoreError::Corrupt("the census is empty".to_owned()))?;
    Ok(Census {
        states: states.into_iter().map(|row| (row.state, row.count)).collect(),
        in_doubt: columns.in_doubt,
        waiting_receipts: columns.waiting_receipts,
        opted_out: columns.opted_out,
        chunks: columns.chunks,
    })
}

/// The messages that were in doubt, newest first.
pub(super) async fn in_doubt(readers: &Readers) -> Result<Vec<InDoubt>, StoreError> {
    readers.list(&IN_DOUBT, &serde_json::json!({ "limit": IN_DOUBT_LISTED })).await
}
