//! What analysts ask: replies narrowed down, answers and invitations counted along one dimension.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::contexts;
use super::error::StoreError;
use super::locator;
use super::sql::Sql;
use crate::message::{CampaignId, Msisdn};
use crate::store::Store;

/// Values counted at most, the most frequent first: free text has as many as there are people.
const VALUES_COUNTED: i64 = 10_000;
/// Replies looked at in one go for those of one language.
const REPLIES_LOOKED_AT: i64 = 1_000;

static REPLIES: Sql = Sql::new(
    "select {list id, received_ms, number, code, campaign, survey, question, text, verdict, value, comment, rule, pack, replaced_ms, note, tags} from ( \
         select y.id, y.received_ms, y.number, y.code, y.campaign, y.survey, y.question, y.text, y.verdict, y.value, y.comment, y.rule, y.pack, y.replaced_ms, y.note, \
             coalesce((select {list tag} from (select t.tag from reply_tag t where t.inbound = y.id order by t.tag) x), \
                 '[]') as tags \
         from (select n.id, n.received_ms, n.number, n.code, n.campaign, a.survey, \
                 coalesce(a.question, n.question) as question, n.text, n.verdict, a.value, a.comment, n.rule, n.pack, a.replaced_ms, n.note \
             from inbound n left join answer a on a.inbound = n.id \
             where ({text campaign} is null or n.campaign = {text campaign}) \
                 and ({int number} is null or n.number = {int number} \
                     and n.id in (select cast(l.value as bigint) from {each {text from}} l)) \
                 and ({text code} is null or n.code = {text code}) \
                 and ({text verdict} is null or n.verdict = {text verdict} or n.verdict like {text verdict} || ':%') \
                 and ({text survey} is null or a.survey = {text survey}) \
                 and ({text question} is null or coalesce(a.question, n.question) = {text question}) \
                 and ({int since_ms} is null or n.received_ms >= {int since_ms}) \
                 and ({int until_ms} is null or n.received_ms < {int until_ms}) \
                 and ({text tag} is null or exists ( \
                     select 1 from reply_tag t where t.inbound = n.id and t.tag = {text tag})) \
                 and ({int before} is null or n.id < {int before})) y \
         order by y.id desc limit {int limit}) x",
);
/// The languages of these invitations.
static LANGUAGES: Sql = Sql::new(
    "select {list number, campaign, language} from ( \
         select i.number, i.campaign, i.language from {ids} join invitation i on i.message = r.id \
         where i.language is not null) x",
);
static ANSWERS: Sql = Sql::new(
    "select {list question, value, dimension, count} from ( \
         select y.question, y.value, y.dimension, count(*) as count from ( \
             select v.question, v.value, case {text by} when 'language' then v.language when 'campaign' then v.campaign \
                 when 'code' then v.code when 'survey' then v.survey when 'outcome' then v.outcome end as dimension \
             from v_answers v \
             where v.counts = 1 \
                 and ({text campaign} is null or v.campaign = {text campaign}) \
                 and ({text survey} is null or v.survey = {text survey}) \
                 and ({text question} is null or v.question = {text question}) \
                 and ({text code} is null or v.code = {text code}) \
                 and ({text language} is null or v.language = {text language}) \
                 and ({text outcome} is null or v.outcome = {text outcome}) \
                 and ({int since_ms} is null or v.at_ms >= {int since_ms}) \
                 and ({int until_ms} is null or v.at_ms < {int until_ms})) y \
         group by y.question, y.value, y.dimension order by count(*) desc, y.question, y.value limit {int limit}) x",
);
static INVITATIONS: Sql = Sql::new(
    "select {list outcome, dimension, count} from ( \
         select y.outcome, y.dimension, count(*) as count from ( \
             select v.outcome, case {text by} when 'language' then v.language when 'campaign' then v.campaign \
                 when 'code' then v.code when 'survey' then v.survey when 'outcome' then v.outcome end as dimension \
             from v_invitations v \
             where ({text campaign} is null or v.campaign = {text campaign}) \
                 and ({text survey} is null or v.survey = {text survey}) \
                 and ({text code} is null or v.code = {text code}) \
                 and ({text language} is null or v.language = {text language}) \
                 and ({text outcome} is null or v.outcome = {text outcome}) \
                 and ({int since_ms} is null or v.opened_ms >= {int since_ms}) \
                 and ({int until_ms} is null or v.opened_ms < {int until_ms})) y \
         group by y.outcome, y.dimension order by y.dimension, y.outcome limit {int limit}) x",
);

/// Which replies, answers or invitations are wanted; what is `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Narrow {
    /// Of this campaign.
    pub campaign: Option<CampaignId>,
    /// Of this survey.
    pub survey: Option<String>,
    /// To this question.
    pub question: Option<String>,
    /// To this code.
    pub code: Option<String>,
    /// From people of this language.
    pub language: Option<String>,
    /// Of invitations that ended so.
    pub outcome: Option<String>,
    /// Read as this: `answer:3`, or `answer` for every value.
    pub verdict: Option<String>,
    /// With this word on it.
    pub tag: Option<String>,
    /// At or after this, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Before this, milliseconds since the epoch.
    pub until_ms: Option<i64>,
}

/// Along what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The person's language.
    Language,
    /// The campaign.
    Campaign,
    /// The code.
    Code,
    /// The survey.
    Survey,
    /// How the invitation stands or ended.
    Outcome,
}

/// A reply as analysts look at it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The inbound message.
    pub id: i64,
    /// When it came, milliseconds since the epoch.
    pub received_ms: i64,
    /// From whom.
    pub number: Msisdn,
    /// To which code.
    pub code: String,
    /// The campaign it answers.
    pub campaign: Option<CampaignId>,
    /// The survey.
    pub survey: Option<String>,
    /// The question it answers, or was read against.
    pub question: Option<String>,
    /// The person's language, where an invitation tells it.
    pub language: Option<String>,
    /// The words.
    pub text: String,
    /// What it was read as.
    pub verdict: String,
    /// The value registered.
    pub value: Option<String>,
    /// What was written beside the value.
    pub comment: Option<String>,
    /// By which rule it was read.
    pub rule: String,
    /// Of which pack.
    pub pack: String,
    /// When a later answer replaced it.
    pub replaced_ms: Option<i64>,
    /// Anything a person should know.
    pub note: Option<String>,
    /// Words people put on it.
    pub tags: Vec<String>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("id", &self.id)
            .field("number", &self.number)
            .field("verdict", &self.verdict)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// How many answers have one value, in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCount {
    /// The question.
    pub question: String,
    /// The value.
    pub value: String,
    /// The group, where something is counted along.
    pub dimension: Option<String>,
    /// How many.
    pub count: i64,
}

/// How many invitations stand or ended so, in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCount {
    /// How.
    pub outcome: String,
    /// The group, where something is counted along.
    pub dimension: Option<String>,
    /// How many.
    pub count: i64,
}

#[derive(Serialize)]
struct Asked<'a> {
    #[serde(flatten)]
    narrow: &'a Narrow,
    by: Option<Dimension>,
    number: Option<Msisdn>,
    /// What has come from it.
    from: &'a [i64],
    before: Option<i64>,
    limit: i64,
}

#[derive(Deserialize)]
struct ReplyColumns {
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Tag {
    tag: String,
}

impl TryFrom<ReplyColumns> for Reply {
    type Error = StoreError;

    fn try_from(columns: ReplyColumns) -> Result<Self, StoreError> {
        let mut row = columns.rest;
        // a list inside a row is a text on one engine, and may be a list on the other
        let tags: Vec<Tag> = match row.remove("tags") {
            Some(serde_json::Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
            Some(list) => serde_json::from_value(list).unwrap_or_default(),
            None => Vec::new(),
        };
        let tags: Vec<String> = tags.into_iter().map(|tag| tag.tag).collect();
        row.insert("tags".to_owned(), serde_json::json!(tags));
        serde_json::from_value(row.into())
            .map_err(|_| StoreError::Corrupt("a reply cannot be read".to_owned()))
    }
}

impl Store {
    /// Replies, newest first: one page, of ids under `before`.
    pub async fn replies_for(
        &self,
        narrow: &Narrow,
        number: Option<Msisdn>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Reply>, StoreError> {
        let from = match number {
            Some(number) => locator::under(&self.inner.readers, locator::from(number)).await?,
            None => Vec::new(),
        };
        // Whose language it is, is known afterwards: then more are looked at than are wanted.
        let page = if narrow.language.is_some() { limit.max(REPLIES_LOOKED_AT) } else { limit };
        let (wanted, mut before) = (usize::try_from(limit).unwrap_or_default(), before);
        let mut replies = Vec::new();
        loop {
            let asked = Asked { narrow, by: None, number, from: &from, before, limit: page };
            let rows: Vec<ReplyColumns> = self.inner.readers.list(&REPLIES, &asked).await?;
            let last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < page.max(1);
            let mut next = rows.into_iter().map(Reply::try_from).collect::<Result<Vec<_>, _>>()?;
            before = next.last().map(|reply| reply.id);
            self.tell_languages(&mut next).await?;
            let fits = |reply: &Reply| narrow.language.is_none() || reply.language == narrow.language;
            replies.extend(next.into_iter().filter(fits));
            if last || replies.len() >= wanted {
                replies.truncate(wanted);
                return Ok(replies);
            }
        }
    }

    /// Each person's language, as an invitation to that campaign tells it.
    async fn tell_languages(&self, replies: &mut [Reply]) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Told {
            number: Msisdn,
            campaign: CampaignId,
            language: String,
        }
        let numbers = replies.iter().filter(|reply| reply.campaign.is_some()).map(|reply| reply.number);
        let invitations = locator::ids(&self.inner.readers, numbers.map(locator::to)).await?;
        let ids: Vec<i64> = invitations.into_values().flatten().collect();
        let mut told: Vec<Told> = contexts::each(&self.inner.readers, &LANGUAGES, &ids).await?;
        // Of several the last one, by the alphabet.
        told.sort_by(|a, b| a.language.cmp(&b.language));
        let told: HashMap<(Msisdn, CampaignId), String> =
            told.into_iter().map(|one| ((one.number, one.campaign), one.language)).collect();
        for reply in replies {
            let campaign = reply.campaign.clone();
            reply.language = campaign.and_then(|campaign| told.get(&(reply.number, campaign)).cloned());
        }
        Ok(())
    }

    /// Answers that count, by question, value and group; at most some ten thousand values, the most frequent first.
    pub async fn answer_counts(
        &self,
        narrow: &Narrow,
        by: Option<Dimension>,
    ) -> Result<Vec<ValueCount>, StoreError> {
        let asked = Asked { narrow, by, number: None, from: &[], before: None, limit: VALUES_COUNTED };
        self.inner.readers.list(&ANSWERS, &asked).await
    }

    /// Invitations by how they stand or ended, and group.
    pub async fn outcome_counts(
        &self,
        narrow: &Narrow,
        by: Option<Dimension>,
    ) -> Result<Vec<OutcomeCount>, StoreError> {
        let asked = Asked { narrow, by, number: None, from: &[], before: None, limit: VALUES_COUNTED };
        self.inner.readers.list(&INVITATIONS, &asked).await
    }
}
