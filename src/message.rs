//! The nouns of a message: who, to whom, why, how urgent, and what became of it. Knows nothing else.

mod hex;
mod id;
mod invitation;
mod kept;
mod number;
mod outcome;
mod purpose;
mod relay;

pub use hex::hex;
pub use id::{CampaignId, IdSource, MessageId};
pub use invitation::InvitationState;
pub use kept::{Kept, Partitions};
pub use number::{Msisdn, NotANumber, Sender, SenderKind};
pub use outcome::{Final, OutcomeKind};
pub use purpose::{Class, Purpose, Scope};
pub use relay::Relay;

use serde::{Deserialize, Serialize};

/// Where a message came in: every message has exactly one way in, and `why` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A campaign over a contact file.
    Campaign,
    /// An answer of ours to what a person wrote.
    Reply,
    /// The HTTP API.
    Api,
    /// An ESME over SMPP.
    Esme,
    /// Typed by an operator.
    Operator,
}

impl Source {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Reply => "reply",
            Self::Api => "api",
            Self::Esme => "esme",
            Self::Operator => "operator",
        }
    }
}

/// A message on its way out, as it was accepted. Never changed afterwards: what happens to it is outcomes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// Ours, time-ordered.
    pub id: MessageId,
    /// Where it goes: the name of the carrier account in the configuration.
    pub lane: String,
    /// Why it is sent; decides consent and hours.
    pub purpose: Purpose,
    /// The campaign it belongs to, if any.
    pub campaign: Option<CampaignId>,
    /// The programme it belongs to, if any: what a person can stop by itself.
    pub programme: Option<String>,
    /// The sender the handset shows.
    pub sender: Sender,
    /// The handset.
    pub to: Msisdn,
    /// The text, merged and final.
    pub body: String,
    /// Language of the text, ISO 639-1.
    pub language: Option<String>,
    /// How it came in.
    pub source: Source,
    /// Acceptance, milliseconds since the epoch.
    pub accepted_ms: i64,
    /// Not to be submitted after this, milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    /// IANA name of the time zone the person is known to live in; without it the number has to tell.
    pub zone: Option<String>,
    /// The account that handed it in; none for what the program sends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the account calls it: told with its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Which receipts its ESME asked for, as in SMPP 3.4 section 5.2.17; none where nobody waits for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_delivery: Option<u8>,
    /// The octets an ESME gave, to be passed on as they are; none where the body is to be encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
}

#[cfg(test)]
impl Outbound {
    /// A survey's question to somebody, for tests.
    pub(crate) fn example(id: i64, accepted_ms: i64) -> Self {
        Self {
            id: MessageId(id),
            lane: "north".to_owned(),
            purpose: Purpose::Survey,
            campaign: None,
            programme: None,
            sender: Sender("88001".to_owned()),
            to: Msisdn(447_700_900_001),
            body: "How was it?".to_owned(),
            language: None,
            source: Source::Campaign,
            accepted_ms,
            expires_ms: None,
            zone: None,
            account: None,
            reference: None,
            registered_delivery: None,
            relay: None,
        }
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("id", &self.id)
            .field("lane", &self.lane)
            .field("purpose", &self.purpose)
            .field("campaign", &self.campaign)
            .field("programme", &self.programme)
            .field("sender", &self.sender)
            .field("to", &self.to)
            .field("body_chars", &self.body.chars().count())
            .finish_non_exhaustive()
    }
}
