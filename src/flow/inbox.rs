//! An agent's answer in a conversation: by the same door as everything else, and not to who has opted out.

use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::consent::judgement;
use crate::message::{MessageId, Msisdn, Purpose, Sender, SenderKind, Source};
use crate::store::{Conversation, ConversationState, ConversationWork, StoreError};

/// Longer after the person wrote last, what we write is no answer any more: the hours of the day count, as for any
/// other notice.
const ANSWER_MS: i64 = 86_400_000;

/// Why an agent's answer is not sent.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The person has never written to this code, or to any.
    #[error("there is no conversation with {0}; `backchat inbox list` shows those there are")]
    NoConversation(Msisdn),
    /// The person writes to several codes.
    #[error("{0} writes to several codes ({1}); say which with --code")]
    WhichCode(Msisdn, String),
    /// The configuration does not have the code any more.
    #[error("code {0} is not in the configuration, so nothing can be sent from it")]
    NoCode(String),
    /// Nobody can answer the sender.
    #[error("{0} is a name, not a number: people cannot answer it, and it holds no conversations")]
    NoAnswers(String),
    /// The person does not want to be written to.
    #[error("{number} has opted out ({scope}): nothing is sent until they write START")]
    OptedOut {
        /// The handset.
        number: Msisdn,
        /// How far the opt-out reaches.
        scope: String,
    },
    /// Nothing to say.
    #[error("there is no text to send")]
    Empty,
    /// What the memory says.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Flow {
    /// The conversation of a handset: the one on this code, else the only one.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub async fn conversation(&self, number: Msisdn, code: Option<&str>) -> Result<Conversation, InboxError> {
        let mut known = self.store.conversations_of(number).await?;
        if let Some(code) = code {
            known.retain(|one| one.code == code);
        }
        let mut open = known.iter().filter(|one| one.state != ConversationState::Closed);
        match (known.as_slice(), open.next(), open.next()) {
            ([], ..) => Err(InboxError::NoConversation(number)),
            ([only], ..) => Ok(only.clone()),
            (_, Some(only), None) => Ok(only.clone()),
            (several, ..) => {
                let codes: Vec<&str> = several.iter().map(|one| one.code.as_str()).collect();
                Err(InboxError::WhichCode(number, codes.join(", ")))
            }
        }
    }

    /// Sends an agent's answer. Judged here, so that the agent is told at once; the door out judges it again.
    ///
    /// # Errors
    /// Why it is not sent.
    pub async fn answer_by_hand(
        &self,
        conversation: &Conversation,
        text: &str,
    ) -> Result<MessageId, InboxError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InboxError::Empty);
        }
        let config = self.config();
        let sender = Sender(conversation.code.clone());
        if sender.kind() == SenderKind::Alphanumeric {
            return Err(InboxError::NoAnswers(sender.0));
        }
        let code = config.code(&sender).ok_or_else(|| InboxError::NoCode(sender.0.clone()))?;
        let (number, now_ms) = (conversation.number, self.clock.now_ms());
        let fresh = now_ms - conversation.last_in_ms <= ANSWER_MS;
        let purpose = if fresh { Purpose::Reply } else { Purpose::Transactional };
        let draft = Draft {
            lane: self.ways(&config, [(&sender, number)].into_iter()).await?.lane(code, number).to_owned(),
            purpose,
            campaign: None,
            programme: None,
            sender,
            to: number,
            body: text.to_owned(),
            language: None,
            source: Source::Operator,
            expires_ms: None,
            zone: None,
            origin: Origin::default(),
        };
        let acceptance = self.acceptance(vec![draft]);
        let Some(message) = acceptance.messages.first() else { return Err(InboxError::Empty) };
        let (id, scopes) = (message.id, judgement(&config, message, now_ms).scopes);
        let blocking: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let opted_out = self.store.optouts(&[number]).await?;
        if let Some((_, scope)) = opted_out.into_iter().find(|(_, scope)| blocking.contains(scope)) {
            return Err(InboxError::OptedOut { number, scope });
        }
        let lanes: Vec<String> = acceptance.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
        self.store.accept(acceptance).await?;
        self.accepted(1, &lanes);
        self.store.work_on(number, &conversation.code, ConversationWork::Replied, now_ms).await?;
        Ok(id)
    }
}
