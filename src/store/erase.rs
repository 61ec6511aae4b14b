//! Erasing one number: its words and itself, in every table, while its opt-outs stay in force under a keyed hash.
//!
//! Rows that count stay, under a made-up number that leads nowhere and is another one at each erasure. Only the opt-outs
//! and the chain of consent get the hash, by which the number is known again when somebody would write to it.

use serde::{Deserialize, Serialize};

use super::Store;
use super::consent::{self, ConsentChange, SubjectKey};
use super::engine::Tx;
use super::error::StoreError;
use super::locator;
use super::sql::Sql;
use super::write::{Answer, Write};
use crate::message::Msisdn;

/// Rows of one table erased in one commit: a step of some milliseconds.
const ROWS_A_STEP: usize = 500;
/// What is written while we look is found by looking again; somebody who writes faster than this is not being erased.
const ROUNDS: i64 = 5;

static RECEIPTS_OF: Sql =
    Sql::new("select {list id} from (select id from receipt where number = {int number}) x");
static EVENTS_OF: Sql =
    Sql::new("select {list id} from (select id from event where number = {int number}) x");
static AUDIENCE_OF: Sql =
    Sql::new("select {list grp, seq} from (select grp, seq from audience where number = {int number}) x");
static AUDIENCE: Sql = Sql::new(
    "update audience set number = r.nobody, name = null, fields = null \
     from {rows grp bigint, seq bigint, number bigint, nobody bigint} \
     where audience.grp = r.grp and audience.seq = r.seq and audience.number = r.number",
);
static MESSAGES: Sql = Sql::new(
    "update message set recipient = r.nobody, body = '', reference = null, relay = null from {rows id bigint, number bigint, nobody bigint} \
     where message.id = r.id and message.recipient = r.number",
);
static INVITATIONS: Sql = Sql::new(
    "update invitation set number = r.nobody, name = null, due_ms = null, version = invitation.version + 1, \
         state = case when invitation.state in ('open', 'waiting') then 'cancelled' else invitation.state end \
     from {rows id bigint, number bigint, nobody bigint} \
     where invitation.message = r.id and invitation.number = r.number",
);
/// Nobody is called who is to be forgotten.
static CALLBACKS: Sql = Sql::new(
    "delete from callback where invitation in (select r.id from {rows id bigint, number bigint, nobody bigint})",
);
static INBOUND: Sql = Sql::new(
    "update inbound set number = r.nobody, text = '', octets = '', digest = '', candidates = '[]', note = null \
     from {rows id bigint, number bigint, nobody bigint} where inbound.id = r.id and inbound.number = r.number",
);
/// A value that is a figure or a day stays, to be counted; longer ones are words.
static ANSWERS: Sql = Sql::new(
    "update answer set number = r.nobody, comment = null, candidates = '[]', \
         value = case when length(answer.value) <= 10 then answer.value else '' end \
     from {rows id bigint, number bigint, nobody bigint} where answer.inbound = r.id and answer.number = r.number",
);
static RECEIPTS: Sql = Sql::new(
    "update receipt set number = null, quote = null from {rows id bigint, number bigint, nobody bigint} where receipt.id = r.id",
);
static EVENTS: Sql = Sql::new(
    "update event set number = null, detail = null from {rows id bigint, number bigint, nobody bigint} \
     where event.id = r.id",
);
static EVIDENCE: Sql = Sql::new(
    "update consent_evidence set number = r.subject, salt = null, message = null, asked = null, inbound = null, \
         received = null, octets = null, document = null, note = null \
     from {rows id bigint, number bigint, subject bigint} \
     where consent_evidence.seq = r.id and consent_evidence.number = r.number",
);
static OPT_OUTS: Sql = Sql::new(
    "insert into optout (number, scope, since_ms, seq) select {int subject}, scope, since_ms, seq from optout \
     where number = {int number} on conflict do nothing",
);
static NO_OPT_OUTS: Sql = Sql::new("delete from optout where number = {int number}");
static NO_OPT_INS: Sql = Sql::new("delete from consent where number = {int number}");
static NOT_PENDING: Sql = Sql::new("delete from consent_pending where number = {int number}");
static NO_CONVERSATIONS: Sql = Sql::new("delete from conversation where number = {int number}");
static PARTS: Sql = Sql::new(
    "delete from inbound_part where lane in (select distinct p.lane from inbound_part p) and number = {int number}",
);

/// What is to be erased of one number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Found {
    messages: Vec<i64>,
    inbound: Vec<i64>,
    receipts: Vec<i64>,
    events: Vec<i64>,
    changes: Vec<i64>,
    /// Places in campaigns' audiences: one a campaign.
    places: Vec<(i64, i64)>,
}

/// What was erased of one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Messages to it.
    pub messages: u64,
    /// Messages from it.
    pub inbound: u64,
    /// Receipts about it.
    pub receipts: u64,
    /// Events about it.
    pub events: u64,
    /// Consent changes whose evidence it was.
    pub changes: u64,
    /// Opt-outs that stay in force.
    pub kept_opt_outs: u64,
}

/// One step of erasing.
#[derive(Debug, Clone)]
pub(super) struct Step {
    number: Msisdn,
    nobody: Msisdn,
    key: SubjectKey,
    found: Found,
    /// In the first step: what is added to the chain.
    change: Option<ConsentChange>,
    /// In the last one.
    keys: Keys,
}

/// What becomes of the keys by which the number's rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Kept,
    Forgotten,
}

#[derive(Deserialize)]
struct Id {
    id: i64,
}

impl Store {
    /// Erases a number: its opt-outs and the evidence of its consent first, in one commit with what tells so in the chain;
    /// then everything else, step by step. Repeating it is harmless, and finishes what was cut short. `change` is of
    /// kind `erased`.
    ///
    /// # Errors
    /// There is no key to hash it under, or what the memory says.
    pub async fn erase(&self, number: Msisdn, change: ConsentChange) -> Result<Erased, StoreError> {
        let key = self.inner.subjects.ok_or_else(|| {
            StoreError::Refused("there is no key to keep the opt-outs under; set `erasure_key`".to_owned())
        })?;
        let mut nobody = [0; 8];
        getrandom::fill(&mut nobody).map_err(|error| {
            StoreError::Refused(format!("the operating system gives no random octets: {error}"))
        })?;
        let nobody = Msisdn::erased(u64::from_be_bytes(nobody));
        let step = Step { number, nobody, key, found: Found::default(), change: None, keys: Keys::Kept };
        let mut total = Erased::default();
        for round in 0..ROUNDS {
            let found = self.everything_of(number).await?;
            if round > 0 && found.is_empty() {
                break;
            }
            let changes = found.changes.clone();
            // what came in while we looked is told of in the chain by an entry of its own
            let change = (round == 0 || !changes.is_empty())
                .then(|| ConsentChange { id: change.id + round, ..change.clone() });
            let places = found.places.clone();
            let first = Step { found: Found { changes, places, ..Found::default() }, change, ..step.clone() };
            total.add(self.step(first).await?);
            for some in found.in_steps() {
                total.add(self.step(Step { found: some, ..step.clone() }).await?);
            }
            self.step(Step { found, keys: Keys::Forgotten, ..step.clone() }).await?;
        }
        Ok(total)
    }

    async fn step(&self, step: Step) -> Result<Erased, StoreError> {
        match self.write(Write::Erase(Box::new(step))).await? {
            Answer::Erased(erased) => Ok(erased),
            _ => Err(super::mixed_up()),
        }
    }

    async fn everything_of(&self, number: Msisdn) -> Result<Found, StoreError> {
        let readers = &self.inner.readers;
        let [to, from, consent] = [locator::to(number), locator::from(number), locator::consent(number)];
        let keys = [to.clone(), from.clone(), consent.clone()];
        let mut ids = locator::ids(readers, keys.into_iter()).await?;
        let mut of = |key: &String| ids.remove(key).unwrap_or_default();
        let argument = serde_json::json!({ "number": number });
        let receipts: Vec<Id> = readers.list(&RECEIPTS_OF, &argument).await?;
        let events: Vec<Id> = readers.list(&EVENTS_OF, &argument).await?;
        #[derive(Deserialize)]
        struct Place {
            grp: i64,
            seq: i64,
        }
        let places: Vec<Place> = readers.list(&AUDIENCE_OF, &argument).await?;
        Ok(Found {
            places: places.into_iter().map(|place| (place.grp, place.seq)).collect(),
            messages: of(&to),
            inbound: of(&from),
            changes: of(&consent),
            receipts: receipts.into_iter().map(|row| row.id).collect(),
            events: events.into_iter().map(|row| row.id).collect(),
        })
    }
}

impl Found {
    fn is_empty(&self) -> bool {
        let lists = [&self.messages, &self.inbound, &self.receipts, &self.events, &self.changes];
        self.places.is_empty() && lists.iter().all(|ids| ids.is_empty())
    }

    /// All but the changes, in pieces of a commit each.
    fn in_steps(&self) -> Vec<Self> {
        let lists = [&self.messages, &self.inbound, &self.receipts, &self.events];
        let steps = lists.iter().map(|ids| ids.len().div_ceil(ROWS_A_STEP)).max().unwrap_or_default();
        let piece = |ids: &[i64], step: usize| ids.chunks(ROWS_A_STEP).nth(step).unwrap_or_default().to_vec();
        (0..steps)
            .map(|step| Self {
                messages: piece(&self.messages, step),
                inbound: piece(&self.inbound, step),
                receipts: piece(&self.receipts, step),
                events: piece(&self.events, step),
                changes: Vec::new(),
                places: Vec::new(),
            })
            .collect()
    }
}

impl Erased {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.inbound += other.inbound;
        self.receipts += other.receipts;
        self.events += other.events;
        self.changes += other.changes;
        self.kept_opt_outs = self.kept_opt_outs.max(other.kept_opt_outs);
    }
}

/// Takes one step.
pub(super) async fn step(tx: &mut Tx<'_>, step: &Step) -> Result<Erased, StoreError> {
    #[derive(Clone, Serialize)]
    struct Row {
        id: i64,
        number: Msisdn,
        nobody: Msisdn,
        subject: Msisdn,
    }
    let subject = step.key.subject(step.number);
    let rows = |ids: &[i64]| -> Vec<Row> {
        ids.iter().map(|id| Row { id: *id, number: step.number, nobody: step.nobody, subject }).collect()
    };
    let mut erased = Erased::default();
    if step.keys == Keys::Forgotten {
        // Of what was found, and of nothing else: what came meanwhile is found by looking again.
        let under = |key: String, ids: &[i64]| -> Vec<(String, i64)> {
            ids.iter().map(|id| (key.clone(), *id)).collect()
        };
        let to = under(locator::to(step.number), &step.found.messages);
        let from = under(locator::from(step.number), &step.found.inbound);
        let consent = under(locator::consent(step.number), &step.found.changes);
        locator::remove(tx, &[to, from, consent].concat()).await?;
        return Ok(erased);
    }
    let argument = serde_json::json!({ "number": step.number, "subject": subject });
    if let Some(change) = &step.change {
        consent::keep_key(tx, &step.key).await?;
        erased.kept_opt_outs = tx.change(&OPT_OUTS, &argument).await?;
        tx.change(&NO_OPT_OUTS, &argument).await?;
        tx.change(&NO_OPT_INS, &argument).await?;
        tx.change(&NOT_PENDING, &argument).await?;
        tx.change(&NO_CONVERSATIONS, &argument).await?;
        tx.change(&PARTS, &argument).await?;
        erased.changes = tx.change_all(&EVIDENCE, &rows(&step.found.changes)).await?;
        let erases = serde_json::to_string(&step.found.changes).unwrap_or_default();
        let entry = consent::Entry { change, subject, erases: Some(erases) };
        consent::append(tx, &[entry]).await?;
        let changes = step.found.changes.iter().map(|seq| (locator::consent(subject), *seq));
        locator::note(tx, changes);
    }
    let places: Vec<_> = step
        .found
        .places
        .iter()
        .map(|(grp, seq)| {
            serde_json::json!({ "grp": grp, "seq": seq, "number": step.number, "nobody": step.nobody })
        })
        .collect();
    tx.change_all(&AUDIENCE, &places).await?;
    erased.messages = tx.change_all(&MESSAGES, &rows(&step.found.messages)).await?;
    tx.change_all(&INVITATIONS, &rows(&step.found.messages)).await?;
    tx.change_all(&CALLBACKS, &rows(&step.found.messages)).await?;
    erased.inbound = tx.change_all(&INBOUND, &rows(&step.found.inbound)).await?;
    tx.change_all(&ANSWERS, &rows(&step.found.inbound)).await?;
    erased.receipts = tx.change_all(&RECEIPTS, &rows(&step.found.receipts)).await?;
    erased.events = tx.change_all(&EVENTS, &rows(&step.found.events)).await?;
    Ok(erased)
}
