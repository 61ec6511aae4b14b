//! A server without a carrier: what it would send is taken from its queue and counted as sent. Every step opens the
//! memory anew, so that nothing can be remembered elsewhere.

use std::path::Path;
use std::sync::Arc;

use backchat::app::open_store;
use backchat::clock::Clock;
use backchat::config::{self, Config};
use backchat::flow::Flow;
use backchat::flow::campaign::{AskOne, BrokenRows, Start};
use backchat::flow::inbound::Incoming;
use backchat::message::{CampaignId, MessageId, Msisdn, OutcomeKind, Sender};
use backchat::metrics::Metrics;
use backchat::rules::consent::{Stop, blocking_scopes};
use backchat::store::{
    Access, CampaignState, Check, LeasedChunk, OpenError, OutcomeRow, ReceiptRow, Record, SliceMark, Store,
};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::transcript::{DAY_1_MS, Line};

const PERSON: Msisdn = Msisdn(447_700_900_001);
const LANE: &str = "town";
const LEASE_MS: i64 = 60_000;

/// Codes with other defaults.
const OTHERS: &str = r#"
[[code]]
number = "88003"
carrier = "town"
brand = "Acme"
programmes = ["promo"]
default = "help"
[code.keywords]
AGENT = "inbox"
JOIN = { opens = "double-opt-in:promo", words = { id = ["HADIAH"] } }
[[code]]
number = "88004"
carrier = "town"
brand = "Acme"
default = "survey:coffee"
[code.keywords]
AGENT = "inbox"
[[code]]
number = "88005"
carrier = "town"
brand = "Acme"
default = "none"
"#;

/// What a handset shows: when, from whom, and the text.
type Shown = (i64, String, String);

pub struct Town {
    config: Config,
    store: String,
    clock: Clock,
    folder: tempfile::TempDir,
    invited: usize,
    last_campaign_message: Option<MessageId>,
}

impl Town {
    pub fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let shipped =
            ["support", "onboarding", "exit"].map(|key| root.join(format!("config/surveys/{key}.toml")));
        let ours = ["visit", "care", "coffee", "pulse", "ads", "shop"]
            .map(|key| root.join(format!("fixtures/survey/{key}.toml")));
        let surveys: Vec<_> = shipped.iter().chain(&ours).collect();
        let text = format!(
            "surveys = {surveys:?}\n[hours]\nenforce = \"never\"\n[store]\n{store}\n[[carrier]]\nname = \"{LANE}\"\nhost = \"127.0.0.1\"\nport = 2775\n\
             system_id = \"town\"\npassword = \"plain:town\"\n\
             [[code]]\nnumber = \"88001\"\ncarrier = \"{LANE}\"\nbrand = \"Acme\"\n\
             [code.keywords]\nVISIT = \"survey:visit\"\n\
             COFFEE = {{ opens = \"survey:coffee\", words = {{ en = [\"Coffee\"], id = [\"KOPI\"] }} }}\n\
             [[code]]\nnumber = \"88002\"\ncarrier = \"{LANE}\"\nbrand = \"Acme\"\n{OTHERS}"
        );
        let config =
            config::parse("town.toml", &text, folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
        let clock = Clock::manual(DAY_1_MS);
        Self { config, store: store.to_owned(), clock, folder, invited: 0, last_campaign_message: None }
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Lets time pass, and does what falls due at its moment; gives what was said because of it.
    pub async fn until(&mut self, at_ms: i64) -> Vec<Shown> {
        let mut shown = Vec::new();
        loop {
            let flow = self.start().await;
            let next = flow
                .store
                .due_invitations(at_ms, 1)
                .await
                .unwrap()
                .first()
                .map(|due| due.invitation.standing.due_ms);
            if let Some(due_ms) = next.flatten() {
                self.clock.advance((due_ms - self.clock.now_ms()).max(0));
                flow.take_due().await.unwrap();
                shown.extend(self.end(flow).await);
                continue;
            }
            self.clock.advance(at_ms - self.clock.now_ms());
            shown.extend(self.end(flow).await);
            return shown;
        }
    }

    /// Does what a line says; gives what was said in answer.
    pub async fn act(&mut self, line: &Line) -> Vec<Shown> {
        let flow = self.start().await;
        match line {
            Line::Invite { survey, language, name } => self.invite(&flow, survey, language, name).await,
            Line::Start { survey, language, name } => {
                let (survey, language) = (survey.clone(), Some(language.clone()));
                let name = Some(name.clone()).filter(|name| !name.is_empty());
                flow.ask_one(&AskOne { survey, to: PERSON, code: None, language, name }).await.unwrap();
            }
            Line::Undelivered => self.fail_last(&flow.store).await,
            Line::Write { to, text } => {
                let incoming = self.incoming(to, text);
                flow.reply_to(vec![(incoming, None)]).await.unwrap();
                while flow.take_due().await.unwrap() > 0 {}
            }
            Line::Heard { .. } => {}
        }
        self.end(flow).await
    }

    /// What is kept, line by line: invitations, answers, what others hear of, calls, opt-outs, conversations.
    pub async fn kept(&self) -> Vec<String> {
        const INVITATIONS: &str =
            "select survey || ': ' || state from invitation order by opened_ms, message";
        const ANSWERS: &str = "select survey || ' ' || question || case when value = '' then '' else ' = ' || value end || \
            coalesce(' \"' || comment || '\"', '') || case when late = 1 then ' (late)' else '' end || \
            case when replaced_ms is not null then ' (changed)' else '' end from answer order by at_ms, inbound";
        const EVENTS: &str =
            "select kind || ' ' || detail from event where kind in ('notify', 'handover') order by id";
        const CALLS: &str = "select 'call ' || state || ' ' || words from callback order by booked_ms";
        const STOPS: &str = "select 'stopped ' || scope from optout order by scope";
        // Where people read all that comes, a conversation tells nothing.
        const CONVERSATIONS: &str = "select 'conversation ' || code || ' ' || state from conversation where code >= '88003' order by code";
        let mut kept = Vec::new();
        for query in [INVITATIONS, ANSWERS, EVENTS, CALLS, STOPS, CONVERSATIONS] {
            kept.extend(
                self.query(query).await.into_iter().map(|line| plain_event(&line).trim_end().to_owned()),
            );
        }
        kept
    }

    async fn query(&self, text: &'static str) -> Vec<String> {
        match self.store.strip_prefix("postgres = ") {
            Some(url) => {
                let mut connection = PgConnection::connect(url.trim_matches('"')).await.unwrap();
                sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap()
            }
            None => {
                let file = format!("sqlite://{}", self.folder.path().join("town.db").display());
                let mut connection = SqliteConnection::connect(&file).await.unwrap();
                sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap()
            }
        }
    }

    async fn start(&self) -> Flow {
        // A program that another test is just starting holds our lock too, until it has become that program.
        let store = loop {
            match open_store(&self.config, &self.clock, Access::Serve).await {
                Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        };
        Flow::new(store, self.config.clone(), self.clock.clone(), Arc::new(Metrics::default()))
    }

    async fn invite(&mut self, flow: &Flow, survey: &str, language: &str, name: &str) {
        self.invited += 1;
        let contacts = self.folder.path().join("contacts.csv");
        std::fs::write(&contacts, format!("number,language,name\n+{},{language},{name}\n", PERSON.0))
            .unwrap();
        let start = Start {
            id: CampaignId(format!("{survey}-{}", self.invited)),
            survey,
            contacts,
            limit: None,
            broken: BrokenRows::Refuse,
        };
        flow.start_campaign(&start, |_| {}).await.unwrap();
        let campaigns = flow.store.campaigns().await.unwrap();
        for campaign in campaigns.iter().filter(|one| one.state == CampaignState::Running) {
            flow.top_up(campaign).await.unwrap();
        }
    }

    fn incoming(&self, to: &str, text: &str) -> Incoming {
        Incoming {
            lane: LANE.to_owned(),
            number: PERSON,
            code: Sender(to.to_owned()),
            text: text.to_owned(),
            octets: text.as_bytes().to_vec(),
            data_coding: 0,
            received_ms: self.clock.now_ms(),
            parts: 1,
            key: None,
            note: None,
        }
    }

    async fn fail_last(&self, store: &Store) {
        let message = self.last_campaign_message.unwrap();
        let receipt = ReceiptRow {
            id: message.0 + 1,
            carrier: LANE.to_owned(),
            carrier_id: message.to_string(),
            carrier_key: message.to_string(),
            candidates: vec![message.to_string()],
            number: None,
            state: "undeliverable".to_owned(),
            is_final: true,
            err: None,
            quote: None,
            received_ms: self.clock.now_ms(),
            done_ms: None,
        };
        store.receipts(vec![receipt]).await.unwrap();
    }

    /// Sends all that is queued, as the door out would, and closes the memory.
    async fn end(&mut self, flow: Flow) -> Vec<Shown> {
        let now_ms = self.clock.now_ms();
        let store = flow.store.clone();
        let mut shown = Vec::new();
        while let Some(chunk) = next_chunk(&store, now_ms).await {
            let checks = chunk.members.iter().map(|message| Check {
                message: message.id,
                attempt: 0,
                number: message.to,
                scopes: blocking_scopes(message.purpose, &message.sender, None, Stop::EndsAll).into(),
                consent_since_ms: None,
            });
            let mark = SliceMark {
                chunk: chunk.id,
                upto: chunk.members.len(),
                checks: checks.collect(),
                at_ms: now_ms,
            };
            let held = store.mark_slice(vec![mark]).await.unwrap().stopped;
            let sent: Vec<_> = chunk.members.iter().filter(|message| !held.contains(&message.id)).collect();
            if let Some(message) = sent.iter().find(|message| message.campaign.is_some()) {
                self.last_campaign_message = Some(message.id);
            }
            let outcomes = sent.iter().map(|message| sent_outcome(message.id, now_ms)).collect();
            store.record(Record { outcomes, done: vec![chunk.id], ..Record::default() }).await.unwrap();
            shown.extend(
                sent.into_iter().map(|message| (now_ms, message.sender.0.clone(), message.body.clone())),
            );
        }
        drop(flow);
        store.close(now_ms).await;
        shown
    }
}

/// The most urgent chunk that is due.
async fn next_chunk(store: &Store, now_ms: i64) -> Option<LeasedChunk> {
    let lines = store.lines(LANE).await.unwrap();
    let due = lines
        .into_iter()
        .filter(|line| line.due_ms <= now_ms)
        .min_by_key(|due| (due.line.class, due.due_ms))?;
    store.lease_chunks(LANE, &due.line, 1, now_ms, LEASE_MS).await.unwrap().pop()
}

fn sent_outcome(message: MessageId, at_ms: i64) -> OutcomeRow {
    OutcomeRow {
        message,
        attempt: 0,
        part: 0,
        kind: OutcomeKind::Sent,
        bind: None,
        carrier: Some(LANE.to_owned()),
        status: Some(0),
        carrier_id: Some(message.to_string()),
        carrier_key: Some(message.to_string()),
        cause: None,
        at_ms,
        took_ms: None,
    }
}

/// `notify {"survey": …}` as `notify support score 1`.
fn plain_event(line: &str) -> String {
    let Some((kind, detail)) = line.split_once(" {") else { return line.to_owned() };
    let detail: serde_json::Value = serde_json::from_str(&format!("{{{detail}")).unwrap();
    let word = |key: &str| match &detail[key] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    let last = if kind == "notify" { word("value") } else { word("why") };
    format!("{kind} {} {} {last}", word("survey"), word("question"))
}
