//! How a running server is: what it says of itself every few seconds, for commands beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::debug;

use crate::app::Server;
use crate::smpp::client::BindState;

/// A server that has said nothing for so long is gone, or cannot reach its memory.
pub const STANDING_FRESH_MS: i64 = 15_000;
/// Saying how it is must not keep a server from its work while its memory is away.
const BEAT_TIMEOUT: Duration = Duration::from_secs(2);

/// How a running server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The configuration file it reads.
    pub file: String,
    /// Its process.
    pub pid: u32,
    /// Its start, milliseconds since the epoch.
    pub started_ms: i64,
    /// When its configuration was read last.
    pub loaded_ms: i64,
    /// Its binds.
    pub binds: Vec<BindStanding>,
    /// What it has counted since its start, and what is in its windows now.
    pub counts: BTreeMap<String, u64>,
    /// What it did for the last command that asked.
    pub asked: Option<Asked>,
}

/// How a bind is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindStanding {
    /// Its name: `carrier/1`.
    pub name: String,
    /// Its carrier account.
    pub carrier: String,
    /// `up`, `down` or `draining`.
    pub state: String,
}

/// What came of a command's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The request.
    pub ask: i64,
    /// Whether it was done; else nothing has changed.
    pub done: bool,
    /// What changed, or what is wrong.
    pub text: String,
}

impl Server {
    /// How it is.
    pub fn standing(&self, file: &Path) -> Standing {
        let binds = self.lanes.values().flat_map(|running| &running.lane.binds);
        let metrics = &self.flow.metrics;
        let counts = [
            ("accepted", &metrics.accepted),
            ("sent", &metrics.sent),
            ("rejected", &metrics.rejected),
            ("retried", &metrics.retried),
            ("throttled", &metrics.throttled),
            ("suppressed", &metrics.suppressed),
            ("in_doubt", &metrics.in_doubt),
            ("in_window", &metrics.in_window),
            ("inbound", &metrics.inbound),
            ("answered", &metrics.answered),
            ("opted_out", &metrics.opted_out),
        ];
        Standing {
            file: file.display().to_string(),
            pid: std::process::id(),
            started_ms: self.started_ms,
            loaded_ms: self.loaded_ms,
            binds: binds
                .map(|bind| BindStanding {
                    name: bind.name.to_string(),
                    carrier: bind.lane.to_string(),
                    state: match bind.state() {
                        BindState::Up => "up",
                        BindState::Down => "down",
                        BindState::Draining => "draining",
                    }
                    .to_owned(),
                })
                .collect(),
            counts: counts.into_iter().map(|(name, count)| (name.to_owned(), count.get())).collect(),
            asked: self.asked.clone(),
        }
    }

    /// Says so.
    pub(super) async fn beat(&self, file: &Path) {
        let detail = serde_json::to_string(&self.standing(file)).unwrap_or_default();
        let node = self.flow.config().node;
        let said = timeout(BEAT_TIMEOUT, self.flow.store.beat(node, self.flow.clock.now_ms(), detail)).await;
        if !matches!(said, Ok(Ok(()))) {
            debug!("how the server is cannot be written down now");
        }
    }
}
