//! One survey for one handset, begun by an operator: asked as a campaign would ask it, and refused at once where the door
//! out would hold it back for good.

use super::{CampaignError, Says};
use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::consent::judgement;
use crate::flow::reach::Elsewhere;
use crate::flow::replies::language_of;
use crate::flow::surveys::{OPERATOR, Taken, standing_at};
use crate::message::{CampaignId, InvitationState, MessageId, Msisdn, Purpose, Scope, Sender, Source};
use crate::rules::hours::Verdict;
use crate::rules::survey::{Progress, Turn};
use crate::store::{AudienceRow, Invitation, StoreError};

/// A survey to be put to one handset.
#[derive(Debug, Clone)]
pub struct AskOne {
    /// The survey's key.
    pub survey: String,
    /// The handset.
    pub to: Msisdn,
    /// The code to ask from; without one a code of the survey, else the first of the configuration.
    pub code: Option<Sender>,
    /// The person's language; without one that we wrote to them in last.
    pub language: Option<String>,
    /// The person's name.
    pub name: Option<String>,
}

/// A survey that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedOne {
    /// The message that asks, or will.
    pub message: MessageId,
    /// The campaign it counts for.
    pub campaign: CampaignId,
    /// The code it is asked from.
    pub code: Sender,
    /// The language it is asked in.
    pub language: Option<String>,
    /// The question.
    pub text: String,
    /// When it goes.
    pub goes: Goes,
}

/// When a question goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// As soon as a server sends it.
    Now,
    /// When the person's hours open, milliseconds since the epoch.
    At(i64),
    /// When another survey, which is open with the handset, is over.
    AfterAnother,
}

/// Why a survey was not begun.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no such survey, or no code to ask it from.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// The code is not in the configuration, or nobody can answer it.
    #[error("{0} is no code that people can answer to; the configuration has {1}")]
    NoCode(Sender, String),
    /// The code serves other countries.
    #[error("{0} {1}")]
    Elsewhere(Msisdn, Elsewhere),
    /// The person does not want to be written to.
    #[error("{0} has opted out ({1}): nothing is sent until they write START")]
    OptedOut(Msisdn, Scope),
    /// It is open with the handset, or waits for its turn.
    #[error("the survey `{0}` is {1} with {2} already")]
    Already(String, &'static str, Msisdn),
    /// There is no hour at which the person may be written to.
    #[error("{0} may not be asked at any hour: {1}")]
    Never(Msisdn, String),
    /// What the memory says.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Flow {
    /// Puts a survey to one handset. Consent and hours are judged here, so that the operator is told at once, and again at
    /// the door out.
    ///
    /// # Errors
    /// Why it is not begun.
    pub async fn ask_one(&self, ask: &AskOne) -> Result<AskedOne, AskError> {
        let config = self.config();
        if let Some(code) =
            ask.code.as_ref().filter(|code| config.code(code).is_none_or(|one| !one.is_answered()))
        {
            let known =
                config.codes.iter().filter(|code| code.is_answered()).map(|code| code.number.0.as_str());
            return Err(AskError::NoCode(code.clone(), known.collect::<Vec<_>>().join(", ")));
        }
        let voice = self.voice_of(&Says::Survey(ask.survey.clone()), ask.code.as_ref())?;
        let no_code = || CampaignError::NoCode(ask.survey.clone());
        let survey = voice.survey().ok_or_else(no_code)?;
        let mut codes = voice.codes();
        if ask.code.is_some() {
            codes.truncate(1);
        }
        let codes = voice.codes_to(&codes, ask.to).map_err(|why| AskError::Elsewhere(ask.to, why))?;

        let _turn = self.surveys.lock().await;
        let now_ms = self.clock.now_ms();
        let open = self.store.open_questions(&[ask.to]).await?;
        if let Some(same) = open.iter().find(|one| one.survey == survey.key) {
            let stands = if same.standing.state == InvitationState::Open { "open" } else { "waiting" };
            return Err(AskError::Already(survey.key.clone(), stands, ask.to));
        }
        let campaign = CampaignId(format!("{}-{OPERATOR}", survey.key));
        let place = Taken::new(open).place(&config, &campaign, survey, &codes, ask.to);
        let (code, turn) = place.ok_or_else(no_code)?;
        let known = self.store.reply_contexts(&[(code.number.0.clone(), ask.to)]).await?;
        let row = AudienceRow {
            grp: 0,
            seq: 0,
            number: ask.to,
            language: ask.language.clone().or_else(|| known.first().and_then(language_of)),
            name: ask.name.clone(),
            fields: None,
        };
        let (text, language) = voice.words(&row);
        let draft = Draft {
            lane: self
                .ways(&config, [(&code.number, ask.to)].into_iter())
                .await?
                .lane(code, ask.to)
                .to_owned(),
            purpose: Purpose::Survey,
            campaign: Some(campaign.clone()),
            programme: None,
            sender: code.number.clone(),
            to: ask.to,
            body: text.clone(),
            language: language.clone(),
            source: Source::Operator,
            expires_ms: None,
            zone: None,
            origin: Origin::default(),
        };
        let mut acceptance = self.acceptance(vec![draft]);
        let Some(message) = acceptance.messages.first() else { return Err(no_code().into()) };
        let scopes = judgement(&config, message, now_ms).scopes;
        let opted_out =
            known.iter().flat_map(|known| &known.opted_out).filter_map(|scope| scope.parse().ok());
        if let Some(scope) = opted_out.into_iter().find(|scope| scopes.contains(scope)) {
            return Err(AskError::OptedOut(ask.to, scope));
        }
        let goes = match (turn, self.hours_of(message, now_ms)) {
            (_, Verdict::Never { rule }) => return Err(AskError::Never(ask.to, rule)),
            (Turn::Taken, _) => Goes::AfterAnother,
            (Turn::Free, Verdict::Shut { opens_ms, .. }) => Goes::At(opens_ms),
            (Turn::Free, Verdict::Open { .. }) => Goes::Now,
        };
        let message = message.id;
        let progress = match turn {
            Turn::Free => Progress::opened(&survey.plan, now_ms),
            Turn::Taken => {
                // The question becomes a message when its turn has come.
                acceptance = self.acceptance(Vec::new());
                Progress::waiting(&survey.plan, now_ms)
            }
        };
        acceptance.invitations.push(Invitation {
            campaign: campaign.clone(),
            number: ask.to,
            sender: code.number.clone(),
            message,
            survey: survey.key.clone(),
            language: language.clone(),
            name: ask.name.clone(),
            zone: None,
            started_by: OPERATOR.to_owned(),
            standing: standing_at(&progress, now_ms),
        });
        let lanes: Vec<String> = acceptance.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
        let messages = acceptance.messages.len();
        self.store.accept(acceptance).await?;
        self.accepted(messages, &lanes);
        Ok(AskedOne { message, campaign, code: code.number.clone(), language, text, goes })
    }
}
