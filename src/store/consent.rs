//! Who may be written to, and the proof of it: a chain of changes, the evidence for each, and what is in force.

mod chain;
mod lists;
mod pack;
mod state;
mod subject;
mod verify;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(super) use chain::{Entry, append};
pub(super) use lists::take as take_list;
pub use lists::{ListProgress, ListRow};
pub(super) use pack::pending_of;
pub use pack::{ConsentPack, Pending, Proof, Standing};
pub use state::OptedOut;
pub(super) use state::{consents, looked_up, record, stands};
pub use subject::SubjectKey;
pub(super) use subject::{check as check_key, keep as keep_key};
pub use verify::{Fault, Head, Verified};

use crate::message::{MessageId, Msisdn};

/// Somebody opted out or in, or was asked to. Key: id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChange {
    /// Made by the caller.
    pub id: i64,
    /// The handset.
    pub number: Msisdn,
    /// How far it reaches, as [`crate::message::Scope`] prints it.
    pub scope: String,
    /// What happened.
    pub kind: ConsentKind,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// By which way we heard of it.
    pub channel: Channel,
    /// Who: `handset`, or the operator's name.
    pub actor: String,
    /// What shows it.
    pub evidence: Evidence,
    /// Where it asks for a confirmation: the code, and until when, milliseconds since the epoch.
    pub asks: Option<Asks>,
}

/// Where and how long an opt-in waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// The code the question was sent from.
    pub code: String,
    /// Later than this, milliseconds since the epoch, a yes confirms nothing.
    pub until_ms: i64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentKind {
    /// Nothing more in this scope.
    OptOut,
    /// Messages in this scope are welcome.
    OptIn,
    /// An operator took an opt-out back. That is no consent.
    Lifted,
    /// We asked to have an opt-in confirmed. No consent yet.
    Asked,
    /// The person did not confirm. No consent.
    Declined,
    /// Everything about the person was erased; an opt-out stays in force under a keyed hash.
    Erased,
}

impl ConsentKind {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::OptOut => "opt_out",
            Self::OptIn => "opt_in",
            Self::Lifted => "lifted",
            Self::Asked => "asked",
            Self::Declined => "declined",
            Self::Erased => "erased",
        }
    }
}

/// By which way we heard of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A message from the handset.
    Sms,
    /// A keyword the handset sent.
    Keyword,
    /// A list read in.
    Import,
    /// The HTTP API.
    Api,
    /// An operator's command.
    Operator,
}

impl Channel {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Keyword => "keyword",
            Self::Import => "import",
            Self::Api => "api",
            Self::Operator => "operator",
        }
    }
}

/// What shows a change: the exact texts, and where they came from. What does not apply is none.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The message of ours that the person had before them.
    pub message: Option<MessageId>,
    /// Its text.
    pub asked: Option<String>,
    /// The inbound message.
    pub inbound: Option<i64>,
    /// Its text as decoded.
    pub received: Option<String>,
    /// Its octets as received, in hexadecimal, header and all.
    pub octets: Option<String>,
    /// The list it was read from, with its line.
    pub document: Option<String>,
    /// What the list or the operator says about it.
    pub note: Option<String>,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("message", &self.message)
            .field("inbound", &self.inbound)
            .field("document", &self.document)
            .finish_non_exhaustive()
    }
}
