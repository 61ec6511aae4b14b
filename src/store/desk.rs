//! Conversations and tags: what people do with what was written to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::arrivals::ConversationChange;
use super::contexts;
use super::engine::Tx;
use super::error::StoreError;
use super::locator;
use super::sql::Sql;
use super::views::{Conversation, ConversationFilter, ConversationState, ThreadItem};
use super::write::{Answer, Write};
use crate::message::Msisdn;
use crate::store::{Store, mixed_up};

static ARRIVED: Sql = Sql::new(
    "insert into conversation (number, code, state, tags, unread, opened_ms, last_in_ms) \
     select number, code, 'open', '[]', unread, at_ms, at_ms \
     from {rows number bigint, code text, unread bigint, at_ms bigint} \
     where true on conflict (number, code) do update set unread = conversation.unread + excluded.unread, \
         last_in_ms = case when excluded.last_in_ms > conversation.last_in_ms then excluded.last_in_ms \
             else conversation.last_in_ms end, \
         assignee = case when conversation.state = 'closed' then null else conversation.assignee end, \
         state = case when conversation.state = 'closed' then 'open' else conversation.state end, \
         closed_ms = null",
);
/// Takes the row's lock and reads it, in one.
static HOLD: Sql = Sql::new(
    "update conversation set unread = unread where number = {int number} and code = {text code} \
     returning {pack number, code, state, assignee, tags, unread, opened_ms, last_in_ms, last_out_ms, closed_ms}",
);
static SAVE: Sql = Sql::new(
    "update conversation set state = r.state, assignee = r.assignee, tags = r.tags, unread = r.unread, \
         last_out_ms = r.last_out_ms, closed_ms = r.closed_ms \
     from {rows number bigint, code text, state text, assignee text, tags text, unread bigint, last_out_ms bigint, \
         closed_ms bigint} \
     where conversation.number = r.number and conversation.code = r.code",
);
static CONVERSATIONS: Sql = Sql::new(
    "select {list number, code, state, assignee, tags, unread, opened_ms, last_in_ms, last_out_ms, closed_ms} from ( \
         select number, code, state, assignee, tags, unread, opened_ms, last_in_ms, last_out_ms, closed_ms \
         from conversation \
         where ({text state} is null and state in ('open', 'assigned') or state = {text state}) \
             and ({text code} is null or code = {text code}) \
             and ({text assignee} is null or assignee = {text assignee}) \
         order by last_in_ms desc, number limit {int limit}) x",
);
static OF_NUMBER: Sql = Sql::new(
    "select {list number, code, state, assignee, tags, unread, opened_ms, last_in_ms, last_out_ms, closed_ms} from ( \
         select number, code, state, assignee, tags, unread, opened_ms, last_in_ms, last_out_ms, closed_ms \
         from conversation where number = {int number} order by last_in_ms desc, code) x",
);
static GOING_ON: Sql = Sql::new(
    "select {list code, number} from ( \
         select c.code, c.number from {ids} join conversation c on c.number = r.id where c.state <> 'closed') x",
);
static THREAD: Sql = Sql::new(
    "select {list id, at_ms, direction, text, state, source} from ( \
         select n.id, n.received_ms as at_ms, 'in' as direction, n.text as text, n.verdict as state, \
             'handset' as source \
         from {each {text from}} l cross join inbound n \
         where n.id = cast(l.value as bigint) and n.number = {int number} and n.code = {text code} \
         union \
         select m.id, m.accepted_ms, 'out', m.body, s.state, m.source \
         from {each {text to}} l cross join message m join v_message_state s on s.message = m.id \
         where m.id = cast(l.value as bigint) and m.recipient = {int number} and m.sender = {text code} \
         order by 2 desc, 1 desc limit {int limit}) x",
);
static TAG: Sql = Sql::new(
    "insert into reply_tag (inbound, tag, at_ms, actor) select r.inbound, r.tag, r.at_ms, r.actor \
     from {rows inbound bigint, tag text, at_ms bigint, actor text} \
     where exists (select 1 from inbound n where n.id = r.inbound) on conflict do nothing",
);
static UNTAG: Sql = Sql::new("delete from reply_tag where inbound = {int inbound} and tag = {text tag}");
static KNOWN: Sql =
    Sql::new("select {row id} from (select n.id from inbound n where n.id = {int inbound}) x");

/// What somebody does to a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConversationWork {
    /// Somebody takes it.
    Assign(String),
    /// A word is put on it.
    Tag(String),
    /// A word is taken off it.
    Untag(String),
    /// It is done.
    Close,
    /// It is not done after all.
    Reopen,
    /// It was read.
    Read,
    /// It was answered.
    Replied,
}

/// What is done to which conversation, when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConversationUpdate {
    pub(super) number: Msisdn,
    pub(super) code: String,
    pub(super) work: ConversationWork,
    pub(super) at_ms: i64,
}

/// Whether a word is put on a reply or taken off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagWork {
    /// On.
    Put,
    /// Off.
    TakeOff,
}

/// A word on a reply, or off it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TagChange {
    pub(super) inbound: i64,
    pub(super) tag: String,
    pub(super) at_ms: i64,
    pub(super) actor: String,
    #[serde(skip)]
    pub(super) work: TagWork,
}

impl Store {
    /// Conversations, the latest first.
    pub async fn conversations(&self, filter: &ConversationFilter) -> Result<Vec<Conversation>, StoreError> {
        let limit = if filter.limit > 0 {
            filter.limit.min(ConversationFilter::PAGE)
        } else {
            ConversationFilter::PAGE
        };
        let argument = serde_json::json!({
            "state": filter.state, "code": filter.code, "assignee": filter.assignee, "limit": limit,
        });
        let rows: Vec<Columns> = self.inner.readers.list(&CONVERSATIONS, &argument).await?;
        Ok(rows.into_iter().map(Conversation::from).collect())
    }

    /// The conversations of one handset, the latest first.
    pub async fn conversations_of(&self, number: Msisdn) -> Result<Vec<Conversation>, StoreError> {
        let argument = serde_json::json!({ "number": number });
        let rows: Vec<Columns> = self.inner.readers.list(&OF_NUMBER, &argument).await?;
        Ok(rows.into_iter().map(Conversation::from).collect())
    }

    /// The conversations of these handsets that are not closed: code and handset of each.
    pub async fn conversations_that_go_on(
        &self,
        numbers: &[Msisdn],
    ) -> Result<Vec<(String, Msisdn)>, StoreError> {
        #[derive(Deserialize)]
        struct Row {
            code: String,
            number: Msisdn,
        }
        let rows: Vec<Row> = contexts::each(&self.inner.readers, &GOING_ON, numbers).await?;
        Ok(rows.into_iter().map(|row| (row.code, row.number)).collect())
    }

    /// What was said between a handset and a code, oldest first: the newest so many.
    pub async fn thread(
        &self,
        number: Msisdn,
        code: &str,
        limit: i64,
    ) -> Result<Vec<ThreadItem>, StoreError> {
        let readers = &self.inner.readers;
        let from = locator::under(readers, locator::from(number)).await?;
        let to = locator::under(readers, locator::to(number)).await?;
        let argument = serde_json::json!({
            "number": number, "from": from, "to": to, "code": code, "limit": limit,
        });
        let mut items: Vec<ThreadItem> = readers.list(&THREAD, &argument).await?;
        items.reverse();
        Ok(items)
    }

    /// Somebody's work on a conversation; gives it as it is then. One that does not exist is refused.
    pub async fn work_on(
        &self,
        number: Msisdn,
        code: &str,
        work: ConversationWork,
        at_ms: i64,
    ) -> Result<Conversation, StoreError> {
        let update = ConversationUpdate { number, code: code.to_owned(), work, at_ms };
        match self.write(Write::Conversation(update)).await? {
            Answer::Conversation(conversation) => Ok(conversation),
            _ => Err(mixed_up()),
        }
    }

    /// Puts a word on a reply or takes it off. A reply that does not exist is refused.
    pub async fn tag_reply(
        &self,
        inbound: i64,
        tag: &str,
        work: TagWork,
        actor: &str,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        let change = TagChange { inbound, tag: tag.to_owned(), at_ms, actor: actor.to_owned(), work };
        self.done(Write::Tag(change)).await
    }
}

/// A conversation as its row has it: the tags are JSON in a text.
#[derive(Serialize, Deserialize)]
struct Columns {
    number: Msisdn,
    code: String,
    state: ConversationState,
    assignee: Option<String>,
    tags: String,
    unread: i64,
    opened_ms: i64,
    last_in_ms: i64,
    last_out_ms: Option<i64>,
    closed_ms: Option<i64>,
}

impl Columns {
    fn tags(&self) -> Vec<String> {
        serde_json::from_str(&self.tags).unwrap_or_default()
    }

    fn change_tags(&mut self, change: impl FnOnce(&mut Vec<String>)) {
        let mut tags = self.tags();
        change(&mut tags);
        tags.sort_unstable();
        tags.dedup();
        self.tags = serde_json::json!(tags).to_string();
    }

    fn undergo(&mut self, work: &ConversationWork, at_ms: i64) {
        match work {
            ConversationWork::Assign(assignee) => {
                self.assignee = Some(assignee.clone());
                self.state = ConversationState::Assigned;
                self.closed_ms = None;
            }
            ConversationWork::Tag(tag) => self.change_tags(|tags| tags.push(tag.clone())),
            ConversationWork::Untag(tag) => self.change_tags(|tags| tags.retain(|known| known != tag)),
            ConversationWork::Close => {
                self.state = ConversationState::Closed;
                self.unread = 0;
                self.closed_ms = Some(at_ms);
            }
            ConversationWork::Reopen => {
                let taken = self.assignee.is_some();
                self.state = if taken { ConversationState::Assigned } else { ConversationState::Open };
                self.closed_ms = None;
            }
            ConversationWork::Read => self.unread = 0,
            ConversationWork::Replied => {
                self.unread = 0;
                self.last_out_ms = Some(at_ms);
            }
        }
    }
}

impl From<Columns> for Conversation {
    fn from(columns: Columns) -> Self {
        Self {
            tags: columns.tags(),
            number: columns.number,
            code: columns.code,
            state: columns.state,
            assignee: columns.assignee,
            unread: columns.unread,
            opened_ms: columns.opened_ms,
            last_in_ms: columns.last_in_ms,
            last_out_ms: columns.last_out_ms,
            closed_ms: columns.closed_ms,
        }
    }
}

/// What came in for people, in one statement a commit.
pub(super) async fn arrived<'a>(
    tx: &mut Tx<'_>,
    changes: impl Iterator<Item = &'a ConversationChange>,
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Param<'a> {
        number: Msisdn,
        code: &'a str,
        unread: i64,
        at_ms: i64,
    }
    let mut params: BTreeMap<(Msisdn, &str), Param<'_>> = BTreeMap::new();
    for change in changes {
        let param = params.entry((change.number, &change.code)).or_insert(Param {
            number: change.number,
            code: &change.code,
            unread: 0,
            at_ms: change.at_ms,
        });
        param.unread += 1;
        param.at_ms = param.at_ms.max(change.at_ms);
    }
    tx.change_all(&ARRIVED, &params.into_values().collect::<Vec<_>>()).await.map(drop)
}

/// Somebody's work on a conversation; gives it as it is then.
pub(super) async fn work(
    tx: &mut Tx<'_>,
    update: &ConversationUpdate,
) -> Result<Result<Answer, StoreError>, StoreError> {
    let key = serde_json::json!({ "number": update.number, "code": update.code });
    let Some(mut columns) = tx.rows::<Columns>(&HOLD, &key).await?.pop() else {
        let (number, code) = (update.number, &update.code);
        let reason = format!("there is no conversation of {number} on {code}");
        return Ok(Err(StoreError::Refused(reason)));
    };
    columns.undergo(&update.work, update.at_ms);
    tx.change(&SAVE, &[&columns]).await?;
    Ok(Ok(Answer::Conversation(columns.into())))
}

/// A word on a reply, or off it.
pub(super) async fn tag(
    tx: &mut Tx<'_>,
    change: &TagChange,
) -> Result<Result<Answer, StoreError>, StoreError> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "id")]
        _id: i64,
    }
    if tx.rows::<Id>(&KNOWN, change).await?.is_empty() {
        return Ok(Err(StoreError::Refused(format!("there is no reply {}", change.inbound))));
    }
    match change.work {
        TagWork::Put => tx.change(&TAG, &[change]).await?,
        TagWork::TakeOff => tx.change(&UNTAG, change).await?,
    };
    Ok(Ok(Answer::Done))
}
