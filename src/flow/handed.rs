//! What an account hands in, by HTTP or SMPP: judged against what it may, and committed once.

use std::time::{Duration, Instant};

use crate::config::{Account, Code, Config};
use crate::flow::Flow;
use crate::flow::accept::Draft;
use crate::flow::accounts::Limit;
use crate::message::{MessageId, Purpose, Sender};
use crate::store::{RequestKey, StoreError};

/// How often a commit of unknown end is repeated before the asker is told that it is not known.
const UNKNOWN_TRIES: usize = 3;

/// Why nothing was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The account hands in more than it may.
    Limit(Limit),
    /// The same key is being carried out just now.
    KeyUnderWay,
    /// The key was used for another request.
    KeyTaken,
    /// What the memory says.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A key under which a request is carried out once, and the digest of the request.
#[derive(Debug, Clone)]
pub struct OnceKey {
    /// The key.
    pub key: String,
    /// SHA-256 of its body, as hexadecimal.
    pub body: String,
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedIn {
    /// The messages, in the order they were handed in.
    pub ids: Vec<MessageId>,
    /// Whether now or under the same key before.
    pub when: Carried,
}

/// When a request was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// By this call.
    Now,
    /// By an earlier one with the same key.
    Before,
}

impl Flow {
    /// Accepts what an account hands in: when this returns, it is on disk, once.
    ///
    /// # Errors
    /// Why nothing was accepted.
    pub async fn hand_in(
        &self,
        account: &Account,
        drafts: Vec<Draft>,
        once: Option<OnceKey>,
    ) -> Result<HandedIn, Refusal> {
        let Some(once) = once else {
            return self.spend_and_commit(account, drafts, None).await;
        };
        let under_way = self.accounts.begin(&account.name, &once.key).ok_or(Refusal::KeyUnderWay)?;
        if let Some(known) = self.store.request(&account.name, &once.key).await? {
            return answered(&known, &once);
        }
        let handed_in = self.spend_and_commit(account, drafts, Some(once)).await;
        drop(under_way);
        handed_in
    }

    async fn spend_and_commit(
        &self,
        account: &Account,
        drafts: Vec<Draft>,
        once: Option<OnceKey>,
    ) -> Result<HandedIn, Refusal> {
        let messages = drafts.len() as u64;
        let now_ms = self.clock.now_ms();
        self.accounts.spend(account, messages, Instant::now(), now_ms).map_err(Refusal::Limit)?;
        let mut acceptance = self.acceptance(drafts);
        let ids: Vec<MessageId> = acceptance.messages.iter().map(|message| message.id).collect();
        acceptance.key = once.as_ref().map(|once| RequestKey {
            account: account.name.clone(),
            key: once.key.clone(),
            body: once.body.clone(),
            answer: ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(" "),
            at_ms: now_ms,
        });
        let lanes: Vec<String> = acceptance.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
        let mut committed = self.store.accept(acceptance.clone()).await;
        for _ in 1..UNKNOWN_TRIES {
            if !matches!(committed, Err(StoreError::Unknown(_))) {
                break;
            }
            committed = self.store.accept(acceptance.clone()).await;
        }
        match committed {
            Ok(()) => {
                self.accepted(ids.len(), &lanes);
                Ok(HandedIn { ids, when: Carried::Now })
            }
            Err(StoreError::Refused(_)) if once.is_some() => {
                self.accounts.give_back(account, messages);
                Err(Refusal::KeyTaken)
            }
            Err(error) => {
                if !matches!(error, StoreError::Unknown(_)) {
                    self.accounts.give_back(account, messages);
                }
                Err(Refusal::Store(error))
            }
        }
    }
}

fn answered(known: &RequestKey, once: &OnceKey) -> Result<HandedIn, Refusal> {
    if known.body != once.body {
        return Err(Refusal::KeyTaken);
    }
    let ids = known.answer.split(' ').map(|id| id.parse().map(MessageId)).collect::<Result<_, _>>();
    let ids =
        ids.map_err(|_| StoreError::Corrupt("what was answered under a key cannot be read".to_owned()))?;
    Ok(HandedIn { ids, when: Carried::Before })
}

/// The lane a message goes by: that of the code it is sent from. None where the account may not send from it.
pub fn lane_of<'a>(config: &'a Config, account: &Account, sender: &Sender) -> Option<&'a str> {
    if !account.senders.contains(sender) {
        return None;
    }
    config.codes.iter().find(|code| code.number == *sender).map(Code::carrier)
}

/// What a message is for: as it says, where the account may; else the account's first.
pub fn purpose_of(account: &Account, said: Option<Purpose>) -> Option<Purpose> {
    match said {
        Some(said) => account.purposes.contains(&said).then_some(said),
        None => account.purposes.first().copied(),
    }
}

impl Refusal {
    /// How long to leave it before asking again, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        /// What is queued is through in a moment.
        const BUSY: Duration = Duration::from_secs(1);
        /// A database that has gone takes a few seconds to come back.
        const AWAY: Duration = Duration::from_secs(5);
        match self {
            Self::Limit(Limit::Rate(wait) | Limit::Day(wait)) => Some(*wait),
            Self::KeyUnderWay | Self::Store(StoreError::Busy) => Some(BUSY),
            Self::Store(StoreError::Unreachable(_) | StoreError::Unknown(_)) => Some(AWAY),
            Self::KeyTaken | Self::Store(_) => None,
        }
    }
}
