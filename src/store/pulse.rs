//! What a server and the commands beside it tell each other, through the memory they share.

use serde::{Deserialize, Serialize};

use super::engine::Tx;
use super::error::StoreError;
use super::sql::Sql;
use super::write::Write;
use crate::store::Store;

/// Pulses of servers that ended long ago are forgotten after a day.
const KEPT_MS: i64 = 86_400_000;

static BEAT: Sql = Sql::new(
    "insert into pulse (epoch, node, at_ms, detail) select epoch, node, at_ms, detail \
     from {rows epoch bigint, node bigint, at_ms bigint, detail text} \
     where true on conflict (epoch) do update set at_ms = excluded.at_ms, detail = excluded.detail",
);
static FORGET: Sql = Sql::new("delete from pulse where at_ms < {int before_ms}");
static PULSES: Sql = Sql::new(
    "select {list epoch, node, at_ms, detail} from (select p.epoch, p.node, p.at_ms, p.detail \
         from pulse p left join run r on r.epoch = p.epoch \
         where p.at_ms >= {int since_ms} and r.ended_ms is null order by p.node, p.epoch) x",
);
static ASK: Sql = Sql::new(
    "insert into ask (id, kind, file, asked_ms) select id, kind, file, asked_ms \
     from {rows id bigint, kind text, file text, asked_ms bigint} where true on conflict do nothing",
);
static LAST_ASK: Sql = Sql::new(
    "select {row id, kind, file, asked_ms} from ( \
         select a.id, a.kind, a.file, a.asked_ms from ask a where a.id > {int after} order by a.id desc limit 1) x",
);

/// How a server is, as it said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseRow {
    /// Which run.
    pub epoch: i64,
    /// Which node.
    pub node: u16,
    /// When it said so, milliseconds since the epoch.
    pub at_ms: i64,
    /// What it said: a JSON document of the server's.
    pub detail: String,
}

impl Store {
    /// Says how this server is.
    pub async fn beat(&self, node: u16, at_ms: i64, detail: String) -> Result<(), StoreError> {
        self.done(Write::Pulse(PulseRow { epoch: self.epoch(), node, at_ms, detail })).await
    }

    /// What servers that have not ended said since this time.
    pub async fn pulses(&self, since_ms: i64) -> Result<Vec<PulseRow>, StoreError> {
        self.inner.readers.list(&PULSES, &serde_json::json!({ "since_ms": since_ms })).await
    }

    /// Asks every server for something. A run asks once: its epoch is the request's id.
    pub async fn ask(&self, kind: AskKind, file: &str, at_ms: i64) -> Result<AskRow, StoreError> {
        let ask = AskRow { id: self.epoch(), kind, file: file.to_owned(), asked_ms: at_ms };
        self.done(Write::Ask(ask.clone())).await?;
        Ok(ask)
    }

    /// The newest request.
    pub async fn last_ask(&self) -> Result<Option<AskRow>, StoreError> {
        let rows: Vec<AskRow> =
            self.inner.readers.rows(&LAST_ASK, &serde_json::json!({ "after": 0 })).await?;
        Ok(rows.into_iter().next())
    }
}

/// What servers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    /// To read their configuration again.
    Reload,
    /// To say what a file would change.
    Plan,
}

/// What a command asks of the servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskRow {
    /// Its id: the epoch of the run that asks, so that a later one is higher.
    pub id: i64,
    /// For what.
    pub kind: AskKind,
    /// About which file.
    pub file: String,
    /// When, milliseconds since the epoch.
    pub asked_ms: i64,
}

/// A server says how it is.
pub(super) async fn beat(tx: &mut Tx<'_>, pulse: &PulseRow) -> Result<(), StoreError> {
    tx.change(&BEAT, &[pulse]).await?;
    tx.change(&FORGET, &serde_json::json!({ "before_ms": pulse.at_ms - KEPT_MS })).await.map(drop)
}

/// A command asks for something.
pub(super) async fn ask(tx: &mut Tx<'_>, ask: &AskRow) -> Result<(), StoreError> {
    tx.change(&ASK, &[ask]).await.map(drop)
}
