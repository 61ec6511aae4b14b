//! What surveys do in the flow: rows become the rules' view of a person's progress, and what the rules want becomes
//! rows and texts of the same commit.

mod words;

use std::collections::HashMap;

use crate::config::{Code, Config, Survey};
use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::inbound::Incoming;
use crate::message::{CampaignId, InvitationState, Msisdn, Purpose, Source};
use crate::rules::inbound::{Decision, Invited, Moved, Say, Which};
use crate::rules::merge::merge;
use crate::rules::survey::{Answer, Effect, Given, Mark, PAUSE_MS, Progress, Slot, Turn};
use crate::store::{
    Acceptance, AnswerRow, CallbackRow, Earlier, EventRow, Invitation, InvitationChange, InvitationStanding,
    ReplyContext,
};

pub(in crate::flow) use words::body_of;

/// Who began an invitation: a contact file, the person, or an operator.
pub(super) const CAMPAIGN: &str = "campaign";
pub(super) const KEYWORD: &str = "keyword";
pub(super) const OPERATOR: &str = "operator";

/// All a message does to surveys, and what is said back.
#[derive(Default)]
pub(super) struct Told {
    pub(super) campaign: Option<CampaignId>,
    /// The one that was open, or was last.
    pub(super) question: Option<String>,
    pub(super) invitations: Vec<InvitationChange>,
    /// Without how it was read.
    pub(super) answer: Option<AnswerRow>,
    pub(super) callbacks: Vec<CallbackRow>,
    pub(super) accept: Acceptance,
}

impl Flow {
    /// What a decision means for surveys, and the texts it sends: at most one.
    pub(super) fn told(
        &self,
        config: &Config,
        inbound: i64,
        incoming: &Incoming,
        context: &ReplyContext,
        decision: &Decision,
    ) -> Told {
        let about = decision.about.and_then(|which| of(context, which));
        let mut told = Told {
            campaign: about.map(|one| one.campaign.clone()),
            question: about.map(|one| one.standing.question.clone()),
            ..Told::default()
        };
        let mut drafts = Vec::new();
        let language = decision.answer_in.as_deref();
        for Moved { which, progress, effects } in &decision.moved {
            let Some(invitation) = of(context, *which) else { continue };
            let standing = standing_of(progress, &invitation.standing);
            told.invitations.push(InvitationChange { message: invitation.message, standing });
            self.put_down(config, &mut told, inbound, incoming, invitation, effects);
            drafts.extend(reply_of(config, incoming, invitation, progress, effects, language));
        }
        told.invitations.extend(next_in_line(context, &told.invitations, incoming.received_ms));
        let mut begun = decision
            .begun
            .as_ref()
            .map(|one| (one, self.begun(config, incoming, &one.survey, &one.progress, language)));
        if let Some((one, invitation)) = &begun {
            drafts.extend(reply_of(config, incoming, invitation, &one.progress, &one.effects, language));
        }
        drafts.extend(decision.say.and_then(|say| code_reply(config, say, incoming, about, language)));
        let events = std::mem::take(&mut told.accept.events);
        told.accept = self.acceptance(drafts);
        told.accept.events = events;
        if let Some((one, invitation)) = &mut begun {
            // Its key is the message that asks, where one does.
            if let Some(asks) = told.accept.messages.first().filter(|_| decision.moved.is_empty()) {
                invitation.message = asks.id;
            }
            told.campaign.get_or_insert_with(|| invitation.campaign.clone());
            self.put_down(config, &mut told, inbound, incoming, invitation, &one.effects);
            told.accept.invitations.push(invitation.clone());
        }
        told
    }

    /// An invitation that the person began with a keyword.
    fn begun(
        &self,
        config: &Config,
        incoming: &Incoming,
        survey: &str,
        progress: &Progress,
        language: Option<&str>,
    ) -> Invitation {
        let own = config.surveys.get(survey);
        Invitation {
            campaign: CampaignId(format!("{survey}-keyword")),
            number: incoming.number,
            sender: incoming.code.clone(),
            message: self.ids.next(incoming.received_ms),
            survey: survey.to_owned(),
            language: own.map(|own| own.language(language).to_owned()),
            name: None,
            zone: None,
            started_by: KEYWORD.to_owned(),
            standing: standing_at(progress, incoming.received_ms),
        }
    }

    /// The rows of effects that are not said to the person.
    fn put_down(
        &self,
        config: &Config,
        told: &mut Told,
        inbound: i64,
        incoming: &Incoming,
        invitation: &Invitation,
        effects: &[Effect],
    ) {
        let at_ms = incoming.received_ms;
        let survey = config.surveys.get(&invitation.survey);
        let mut event = |kind: &str, detail: serde_json::Value| {
            told.accept.events.push(EventRow {
                id: self.ids.next(at_ms).0,
                at_ms,
                kind: kind.to_owned(),
                number: Some(incoming.number),
                message: Some(invitation.message),
                campaign: Some(invitation.campaign.clone()),
                detail: Some(detail.to_string()),
            });
        };
        let call = |question: &str, slot: &Slot, state: &str| CallbackRow {
            invitation: invitation.message,
            question: question.to_owned(),
            campaign: invitation.campaign.clone(),
            survey: invitation.survey.clone(),
            number: incoming.number,
            code: incoming.code.0.clone(),
            start_ms: slot.start_ms,
            end_ms: slot.end_ms,
            words: slot.words.clone(),
            state: state.to_owned(),
            inbound,
            booked_ms: at_ms,
        };
        for effect in effects {
            match effect {
                Effect::Record(answer) => {
                    told.answer = survey.map(|survey| answer_row(inbound, at_ms, invitation, survey, answer));
                }
                Effect::Notify { question, value } => event(
                    "notify",
                    serde_json::json!({
                        "inbound": inbound, "code": incoming.code, "survey": invitation.survey,
                        "question": question, "value": value,
                    }),
                ),
                Effect::HandOver { question, why } => event(
                    "handover",
                    serde_json::json!({
                        "inbound": inbound, "code": incoming.code, "survey": invitation.survey,
                        "question": question, "why": why,
                    }),
                ),
                Effect::Book { question, slot } => {
                    told.callbacks.push(call(question, slot, "due"));
                    event(
                        "callback",
                        serde_json::json!({
                            "inbound": inbound, "code": incoming.code, "survey": invitation.survey,
                            "question": question, "start_ms": slot.start_ms, "end_ms": slot.end_ms,
                            "words": slot.words,
                        }),
                    );
                }
                Effect::Unbook { question } => {
                    let none = Slot { start_ms: 0, end_ms: 0, words: String::new() };
                    told.callbacks.push(call(question, &none, "cancelled"));
                }
                Effect::Ask { .. } | Effect::Say(_) => {}
            }
        }
    }
}

/// What a survey says back.
fn reply_of(
    config: &Config,
    incoming: &Incoming,
    invitation: &Invitation,
    progress: &Progress,
    effects: &[Effect],
    language: Option<&str>,
) -> Option<Draft> {
    let code = config.code(&incoming.code)?;
    let survey = config.surveys.get(&invitation.survey)?;
    let language = language.or(invitation.language.as_deref());
    let body = body_of(code, survey, invitation.name.as_deref(), progress, effects, language)?;
    let campaign = Some(invitation.campaign.clone());
    let language = survey.language(language).to_owned();
    Some(reply_draft(incoming, code, Purpose::Reply, campaign, body, language))
}

/// What the code says back by itself.
fn code_reply(
    config: &Config,
    say: Say,
    incoming: &Incoming,
    about: Option<&Invitation>,
    language: Option<&str>,
) -> Option<Draft> {
    let code = config.code(&incoming.code)?;
    let texts = code.text(language);
    let text = match say {
        Say::Stopped => &texts.stopped,
        Say::Started => &texts.started,
        Say::Confirm => &texts.confirm,
        Say::Help | Say::HelpByDefault => &texts.help,
    };
    let name = about.and_then(|about| about.name.as_deref());
    let body = merge(text, |field| match field {
        "name" => name,
        "brand" => Some(code.brand.as_str()),
        _ => None,
    });
    let campaign = about.map(|about| about.campaign.clone());
    let language = code.language(language).to_owned();
    Some(reply_draft(incoming, code, say.purpose(), campaign, body, language))
}

fn reply_draft(
    incoming: &Incoming,
    code: &Code,
    purpose: Purpose,
    campaign: Option<CampaignId>,
    body: String,
    language: String,
) -> Draft {
    Draft {
        lane: code.carrier_for(Some(&incoming.lane)).to_owned(),
        purpose,
        campaign,
        programme: None,
        sender: incoming.code.clone(),
        to: incoming.number,
        body,
        language: Some(language),
        source: Source::Reply,
        expires_ms: None,
        zone: None,
        origin: Origin::default(),
    }
}

/// An invitation as the rules see it; none where its survey is not configured any more.
pub(super) fn invited<'a>(config: &'a Config, invitation: &Invitation) -> Option<Invited<'a>> {
    let survey = config.surveys.get(&invitation.survey)?;
    Some(Invited {
        survey: &survey.key,
        plan: &survey.plan,
        progress: progress_of(&invitation.standing),
        language: invitation.language.clone(),
    })
}

fn answer_row(
    inbound: i64,
    at_ms: i64,
    invitation: &Invitation,
    survey: &Survey,
    answer: &Answer,
) -> AnswerRow {
    let question = survey.plan.items.get(answer.item).map(|item| item.question.key.clone());
    AnswerRow {
        inbound,
        campaign: invitation.campaign.clone(),
        number: invitation.number,
        survey: invitation.survey.clone(),
        question: question.unwrap_or_default(),
        value: answer.kept.clone(),
        comment: answer.comment.clone(),
        at_ms,
        rule: String::new(),
        pack: String::new(),
        candidates: serde_json::Value::Null,
        late: i64::from(answer.mark == Mark::Late),
        replaced_ms: None,
        earlier: if answer.mark == Mark::InTime { Earlier::None } else { Earlier::Perhaps },
    }
}

/// A list as it is kept; an empty one is nothing.
fn json<T: serde::Serialize>(list: &[T]) -> Option<String> {
    (!list.is_empty()).then(|| serde_json::to_string(list).ok()).flatten()
}

/// The questions open to some handsets, and those about to be.
pub(super) struct Taken(HashMap<Msisdn, Vec<Invitation>>);

impl Taken {
    pub(super) fn new(open: Vec<Invitation>) -> Self {
        let mut taken = Self(HashMap::new());
        open.into_iter().for_each(|one| taken.take(one));
        taken
    }

    /// One more.
    pub(super) fn take(&mut self, invitation: Invitation) {
        self.0.entry(invitation.number).or_default().push(invitation);
    }

    /// From which code a handset can be asked, and whether now: from the first on which no other question of this kind
    /// is open or waits. None where this campaign has invited it already.
    pub(super) fn place<'c>(
        &self,
        config: &Config,
        campaign: &CampaignId,
        survey: &Survey,
        codes: &[&'c Code],
        number: Msisdn,
    ) -> Option<(&'c Code, Turn)> {
        let theirs = self.0.get(&number).map(Vec::as_slice).unwrap_or_default();
        if theirs.iter().any(|one| one.campaign == *campaign) {
            return None;
        }
        let is_free = |code: &&&Code| {
            theirs.iter().all(|one| one.sender != code.number || !collide(config, survey, &one.survey))
        };
        let free = codes.iter().find(is_free).map(|code| (*code, Turn::Free));
        free.or_else(|| codes.first().map(|code| (*code, Turn::Taken)))
    }
}

/// Whether answers to a survey could be taken for answers to another, which may not be configured any more.
pub(super) fn collide(config: &Config, survey: &Survey, other: &str) -> bool {
    config.surveys.get(other).is_none_or(|other| survey.plan.collides(&other.plan))
}

/// When a survey has ended, the one that waits behind it is due after a pause; one the person asked for, at once.
fn next_in_line(
    context: &ReplyContext,
    changes: &[InvitationChange],
    now_ms: i64,
) -> Option<InvitationChange> {
    let ended = changes.iter().any(|change| change.standing.state.is_closed());
    let next = context
        .waiting
        .first()
        .filter(|next| ended && changes.iter().all(|one| one.message != next.message))?;
    Some(called_up(next, now_ms))
}

/// A survey that waited, due now that its turn has come.
pub(super) fn called_up(waiting: &Invitation, now_ms: i64) -> InvitationChange {
    let pause_ms = if waiting.started_by == KEYWORD { 0 } else { PAUSE_MS };
    let standing = InvitationStanding { due_ms: Some(now_ms + pause_ms), ..waiting.standing.clone() };
    InvitationChange { message: waiting.message, standing }
}

fn of(context: &ReplyContext, which: Which) -> Option<&Invitation> {
    match which {
        Which::Open(place) => context.open.get(place),
        Which::Waiting(place) => context.waiting.get(place),
        Which::Closed => context.closed.as_ref(),
    }
}

/// A row as the rules see it.
pub(super) fn progress_of(standing: &InvitationStanding) -> Progress {
    let trail: Vec<Given> =
        standing.trail.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let offered: Vec<Slot> =
        standing.offered.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    Progress {
        state: standing.state,
        question: standing.question.clone(),
        asked: u32::try_from(standing.asked).unwrap_or_default(),
        reminded: u32::try_from(standing.reminded).unwrap_or_default(),
        trail,
        offered,
        asked_ms: standing.asked_ms,
        closed_ms: standing.closed_ms,
        due_ms: standing.due_ms,
    }
}

/// What the rules made of a row.
pub(super) fn standing_of(progress: &Progress, before: &InvitationStanding) -> InvitationStanding {
    let opens = before.state == InvitationState::Waiting && !progress.state.is_closed();
    InvitationStanding {
        opened_ms: if opens { progress.asked_ms } else { before.opened_ms },
        version: before.version,
        ..standing_at(progress, before.opened_ms)
    }
}

/// A new row.
pub(super) fn standing_at(progress: &Progress, opened_ms: i64) -> InvitationStanding {
    InvitationStanding {
        state: progress.state,
        question: progress.question.clone(),
        asked: i64::from(progress.asked),
        reminded: i64::from(progress.reminded),
        trail: json(&progress.trail),
        offered: json(&progress.offered),
        opened_ms,
        asked_ms: progress.asked_ms,
        closed_ms: progress.closed_ms,
        due_ms: progress.due_ms,
        version: 0,
    }
}
