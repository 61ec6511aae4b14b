//! What is known about a handset on a code at the moment something comes from it.

use serde::Deserialize;

use super::arrivals::{LastText, OpenInvitation, RecentInbound, ReplyContext};
use super::engine::Readers;
use super::error::StoreError;
use super::sql::Sql;
use crate::message::{MessageId, Msisdn, Sender};

// What a redelivery is looked for among: five messages are more than a handset sends while a response is on its way.
static CONTEXTS: Sql = Sql::new(
    "select {row code, number, open, closed, opted_out, last_text, recent} from ( \
     select r.code, r.number, \
         (select {list campaign, message, survey, question, state, asked, language, name, opened_ms, closed_ms} \
             from (select campaign, message, survey, question, state, asked, language, name, opened_ms, closed_ms \
                 from invitation i where i.number = r.number and i.sender = r.code and i.state = 'open' \
                 order by i.opened_ms desc, i.message desc) x) as open, \
         (select {list campaign, message, survey, question, state, asked, language, name, opened_ms, closed_ms} \
             from (select campaign, message, survey, question, state, asked, language, name, opened_ms, closed_ms \
                 from invitation i where i.number = r.number and i.sender = r.code \
                     and i.state not in ('open', 'waiting') \
                 order by i.closed_ms desc, i.message desc limit 1) x) as closed, \
         (select {list scope} from (select scope from optout o where o.number = r.number order by scope) x) \
             as opted_out, \
         (select {list message, body, language, accepted_ms} \
             from (select m.id as message, m.body, m.language, m.accepted_ms from message m \
                 where m.recipient = r.number and m.sender = r.code order by m.id desc limit 1) x) as last_text, \
         (select {list id, digest, received_ms} \
             from (select n.id, n.digest, n.received_ms from inbound n \
                 where n.number = r.number and n.code = r.code order by n.received_ms desc, n.id desc limit 5) x) \
             as recent \
     from {rows code text, number bigint}) x",
);
static OPEN: Sql = Sql::new(
    "select {list number} from (select r.number from {rows number bigint, sender text} where exists ( \
         select 1 from invitation i where i.number = r.number and i.sender = r.sender and i.state = 'open')) x",
);
static OPTOUTS: Sql = Sql::new(
    "select {list number, scope} from (select o.number, o.scope from {ids} join optout o on o.number = r.id \
         order by o.number, o.scope) x",
);

#[derive(Deserialize)]
struct Columns {
    code: String,
    number: Msisdn,
    open: Option<String>,
    closed: Option<String>,
    opted_out: Option<String>,
    last_text: Option<String>,
    recent: Option<String>,
}

#[derive(Deserialize)]
struct ScopeOf {
    scope: String,
}

/// A list inside a row comes as a text; none where nothing was found.
fn nested<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Vec<T>, StoreError> {
    text.map_or(Ok(Vec::new()), serde_json::from_str).map_err(|error| {
        StoreError::Corrupt(format!("a list in a row cannot be read ({:?})", error.classify()))
    })
}

impl TryFrom<Columns> for ReplyContext {
    type Error = StoreError;

    fn try_from(columns: Columns) -> Result<Self, StoreError> {
        let scopes: Vec<ScopeOf> = nested(columns.opted_out.as_deref())?;
        Ok(Self {
            code: columns.code,
            number: columns.number,
            open: nested::<OpenInvitation>(columns.open.as_deref())?,
            closed: nested(columns.closed.as_deref())?.pop(),
            opted_out: scopes.into_iter().map(|row| row.scope).collect(),
            last_text: nested::<LastText>(columns.last_text.as_deref())?.pop(),
            recent: nested::<RecentInbound>(columns.recent.as_deref())?,
        })
    }
}

/// What is known about each (code, handset), in their order.
pub(super) async fn contexts(
    readers: &Readers,
    asked: &[(String, Msisdn)],
) -> Result<Vec<ReplyContext>, StoreError> {
    let params: Vec<_> =
        asked.iter().map(|(code, number)| serde_json::json!({ "code": code, "number": number })).collect();
    let rows: Vec<Columns> =
        if params.is_empty() { Vec::new() } else { readers.rows(&CONTEXTS, &params).await? };
    let found = rows.into_iter().map(ReplyContext::try_from).collect::<Result<Vec<_>, _>>()?;
    asked
        .iter()
        .map(|(code, number)| {
            let one = found.iter().find(|one| one.code == *code && one.number == *number);
            one.cloned().ok_or_else(|| StoreError::Corrupt("a reply context is missing".to_owned()))
        })
        .collect()
}

/// Which of these handsets have a question open on this code.
pub(super) async fn open(
    readers: &Readers,
    sender: &Sender,
    numbers: &[Msisdn],
) -> Result<Vec<Msisdn>, StoreError> {
    #[derive(Deserialize)]
    struct Number {
        number: Msisdn,
    }
    let params: Vec<_> =
        numbers.iter().map(|number| serde_json::json!({ "number": number, "sender": sender })).collect();
    let rows: Vec<Number> = readers.list(&OPEN, &params).await?;
    Ok(rows.into_iter().map(|row| row.number).collect())
}

/// The opt-outs in force of these handsets: number and scope.
pub(super) async fn optouts(
    readers: &Readers,
    numbers: &[Msisdn],
) -> Result<Vec<(Msisdn, String)>, StoreError> {
    #[derive(Deserialize)]
    struct Optout {
        number: Msisdn,
        scope: String,
    }
    let rows: Vec<Optout> = readers.list(&OPTOUTS, numbers).await?;
    Ok(rows.into_iter().map(|row| (row.number, row.scope)).collect())
}

/// The message ids a list of rows names; used where only they are wanted.
#[derive(Deserialize)]
pub(super) struct MessageOf {
    pub(super) message: MessageId,
}
