//! One history of what clients, the carrier and the gateway saw, in one form for the simulation and for real processes:
//! JSON lines, in order of time.

#![allow(dead_code, reason = "each test file takes what it needs")]

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, microseconds since the run began.
    pub at_us: u64,
    /// What was seen.
    #[serde(flatten)]
    pub what: What,
}

/// What somebody saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A gateway process began. Parts may leave at this rate, and so many in a burst.
    Began { rate: u64, burst: u64 },
    /// A crash, a broken link or a response timeout left so many messages in doubt at most.
    Incident { bound: u64 },
    /// A client was told that this message is accepted.
    Accepted {
        message: i64,
        number: u64,
        parts: i64,
        copies: Copies,
        blockable: bool,
        expires_ms: Option<i64>,
    },
    /// The gateway wrote a part to a socket. `clock_ms` is the time of day as it knew it.
    Written { message: i64, part: i64, number: u64, clock_ms: i64 },
    /// The carrier has taken a part under this id: it will be delivered.
    Taken { message: i64, part: i64, number: u64, id: String },
    /// The carrier refused a message for good.
    Refused { message: i64 },
    /// The gateway took a receipt: the carrier read that its deliver_sm is taken.
    ReceiptTaken { id: String, state: String },
    /// A handset sent a message.
    Said { mo: u64 },
    /// The gateway took it: the carrier read its deliver_sm_resp with ESME_ROK.
    SaidTaken { mo: u64 },
    /// The gateway read that the carrier is busy.
    Busy,
    /// A STOP is effective: its deliver_sm_resp is being written.
    Stopped { number: u64 },
    /// A START is being carried out: from here on messages may go again.
    Started { number: u64 },
    /// In the end, how often the gateway has registered what a handset sent.
    Registered { mo: u64, times: u64 },
    /// In the end, how a message stands: its state, whether it was ever listed as in doubt, and the carrier's ids on
    /// record, by part.
    Final { message: i64, state: String, listed: bool, ids: Vec<(i64, String)> },
    /// In the end, whether everything that was begun has finished.
    Drained { finished: bool, left: String },
}

/// How often a message may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copies {
    /// Once more for each time it was in doubt.
    AtLeastOnce,
    /// Once.
    AtMostOnce,
}

/// The history as it is written.
pub fn lines(history: &[Entry]) -> String {
    history.iter().map(|entry| serde_json::to_string(entry).expect("an entry") + "\n").collect()
}
