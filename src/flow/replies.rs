//! Reading what people say: what is known about them is looked up, rules decide, one commit holds every effect.

use std::time::Instant;

use crate::config::{Code, CodeKeyword, Config, DoubleOptIn, Opens, Survey};
use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::inbound::{Incoming, hex};
use crate::message::{Scope, Source};
use crate::rules::inbound::{
    CodeFacts, Confirmed, Decision, Invitation, Join, Known, Open, Say, decide, digest,
};
use crate::rules::merge::merge;
use crate::rules::reading::{self, Keyword};
use crate::store::{
    Acceptance, AnswerRow, Asks, Channel, ConsentChange, ConsentKind, ConversationChange, EventRow, Evidence,
    InboundCommit, InboundRow, InvitationChange, InvitationState, ReplyContext, StoreError,
};

impl Flow {
    /// Reads a group of messages, no person twice in it, and commits all they do. Gives the instants at which its STOPs
    /// were read off the socket.
    ///
    /// # Errors
    /// What the memory says; nothing has happened then, but that the door stays shut to who said STOP.
    pub async fn reply_to(
        &self,
        group: Vec<(Incoming, Option<Instant>)>,
    ) -> Result<Vec<Instant>, StoreError> {
        if group.is_empty() {
            return Ok(Vec::new());
        }
        let config = self.config();
        let keys: Vec<_> =
            group.iter().map(|(incoming, _)| (incoming.code.0.clone(), incoming.number)).collect();
        let contexts = self.store.reply_contexts(&keys).await?;
        let mut commits = Vec::with_capacity(group.len());
        let mut decisions = Vec::with_capacity(group.len());
        let mut stops = Vec::new();
        for ((incoming, read_at), context) in group.into_iter().zip(contexts) {
            let decision = self.decide(&config, &incoming, &context);
            if let Some(scope) = decision.opt_out.clone().filter(|_| !decision.redelivery) {
                // Before the commit: from here on nothing more begins, whatever a slice was told.
                self.door.close(incoming.number, scope);
                if let Some(read_at) = read_at {
                    self.metrics.stop_to_gate.keep(read_at.elapsed());
                    stops.push(read_at);
                }
            }
            if !decision.redelivery {
                commits.push(self.commit_of(&config, &incoming, &context, &decision));
                decisions.push((incoming, decision));
            }
        }
        let replies: Vec<(usize, Vec<String>)> = commits
            .iter()
            .map(|commit| {
                let lanes = commit.accept.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
                (commit.accept.messages.len(), lanes)
            })
            .collect();
        self.store.commit_inbound(commits).await?;
        for (messages, lanes) in replies.iter().filter(|(messages, _)| *messages > 0) {
            self.accepted(*messages, lanes);
        }
        for (incoming, decision) in &decisions {
            self.count(incoming, decision);
        }
        Ok(stops)
    }

    fn decide(&self, config: &Config, incoming: &Incoming, context: &ReplyContext) -> Decision {
        let open = context.open.first().and_then(|invitation| {
            let survey = config.surveys.get(&invitation.survey)?;
            Some(Open {
                campaign: invitation.campaign.clone(),
                question: &survey.question,
                asked_again: u32::try_from(invitation.asked - 1).unwrap_or_default(),
                asked_again_limit: survey.reask_limit,
                language: invitation.language.clone(),
            })
        });
        let known = Known {
            open,
            opted_out: context.opted_out.iter().filter_map(|scope| scope.parse().ok()).collect(),
            language: language_of(context),
            our_last_text: context.last_text.as_ref().map(|last| last.body.clone()),
            their_last: context.recent.first().map(|last| (last.digest.clone(), last.received_ms)),
            pending: context
                .pending
                .as_ref()
                .and_then(|pending| Some((pending.scope.parse().ok()?, pending.until_ms))),
        };
        let code = config.code(&incoming.code);
        let keywords = code.map(keywords_of).unwrap_or_default();
        let joins = code.map(joins_of).unwrap_or_default();
        let facts = CodeFacts {
            code: &incoming.code,
            keywords: &keywords,
            programmes: code.map(|code| code.programmes.as_slice()).unwrap_or_default(),
            joins: &joins,
        };
        decide(&self.reader(), &incoming.text, &digest(&incoming.octets), incoming.received_ms, &known, facts)
    }

    fn commit_of(
        &self,
        config: &Config,
        incoming: &Incoming,
        context: &ReplyContext,
        decision: &Decision,
    ) -> InboundCommit {
        let id = self.ids.next(incoming.received_ms).0;
        let open = context.open.first();
        let at_ms = incoming.received_ms;
        let pack = self.reader().version().to_owned();
        let reading = &decision.reading;
        let candidates = serde_json::to_value(&reading.candidates).unwrap_or_default();
        let answer = decision.answer.zip(open).map(|(value, open)| AnswerRow {
            inbound: id,
            campaign: open.campaign.clone(),
            number: incoming.number,
            survey: open.survey.clone(),
            question: open.question.clone(),
            value: value.to_string(),
            comment: reading.comment.clone(),
            at_ms,
            rule: reading.rule.to_owned(),
            pack: pack.clone(),
            candidates: candidates.clone(),
            replaced_ms: None,
        });
        InboundCommit {
            inbound: InboundRow {
                id,
                lane: incoming.lane.clone(),
                number: incoming.number,
                code: incoming.code.0.clone(),
                text: incoming.text.clone(),
                octets: hex(&incoming.octets),
                data_coding: i64::from(incoming.data_coding),
                received_ms: at_ms,
                digest: digest(&incoming.octets),
                verdict: reading.expected_form(),
                rule: reading.rule.to_owned(),
                pack,
                candidates,
                campaign: open.map(|open| open.campaign.clone()),
                parts: incoming.parts,
                note: incoming.note.clone(),
            },
            parts: incoming.key.clone(),
            consent: self.consent_of(config, id, incoming, context, decision),
            invitations: decision
                .invitation
                .zip(open)
                .map(|(change, open)| InvitationChange {
                    campaign: open.campaign.clone(),
                    number: incoming.number,
                    state: state_of(change),
                    asked: (change == Invitation::AskedAgain).then_some(open.asked + 1),
                    question: None,
                    closed_ms: (change != Invitation::AskedAgain).then_some(at_ms),
                })
                .into_iter()
                .collect(),
            answer,
            conversation: decision.is_for_people().then(|| ConversationChange {
                number: incoming.number,
                code: incoming.code.0.clone(),
                at_ms,
            }),
            accept: self.reply(config, id, incoming, context, decision),
        }
    }

    /// Every change of consent is written with who, when, and what the person had before them and said.
    fn consent_of(
        &self,
        config: &Config,
        inbound: i64,
        incoming: &Incoming,
        context: &ReplyContext,
        decision: &Decision,
    ) -> Vec<ConsentChange> {
        let within_ms = config.code(&incoming.code).map_or(0, |code| code.consent.confirm_within_ms);
        let is_keyword = decision.reading.rule.starts_with("start.keyword") || decision.ask_opt_in.is_some();
        let evidence = Evidence {
            message: context.last_text.as_ref().map(|last| last.message),
            asked: context.last_text.as_ref().map(|last| last.body.clone()),
            inbound: Some(inbound),
            received: Some(incoming.text.clone()),
            octets: Some(hex(&incoming.octets)),
            document: None,
            note: None,
        };
        let kinds = [
            (ConsentKind::OptOut, decision.opt_out.as_slice()),
            (ConsentKind::Declined, decision.declined.as_slice()),
            (ConsentKind::Asked, decision.ask_opt_in.as_slice()),
            (ConsentKind::OptIn, decision.opt_in.as_slice()),
        ];
        let changes =
            kinds.into_iter().flat_map(|(kind, scopes)| scopes.iter().map(move |scope| (kind, scope)));
        changes
            .map(|(kind, scope)| ConsentChange {
                id: self.ids.next(incoming.received_ms).0,
                number: incoming.number,
                scope: scope.to_string(),
                kind,
                at_ms: incoming.received_ms,
                channel: if is_keyword { Channel::Keyword } else { Channel::Sms },
                actor: "handset".to_owned(),
                evidence: evidence.clone(),
                asks: (kind == ConsentKind::Asked).then(|| Asks {
                    code: incoming.code.0.clone(),
                    until_ms: incoming.received_ms + within_ms,
                }),
            })
            .collect()
    }

    /// What is said back, as messages to be accepted in the same commit, and what there is to remember.
    fn reply(
        &self,
        config: &Config,
        inbound: i64,
        incoming: &Incoming,
        context: &ReplyContext,
        decision: &Decision,
    ) -> Acceptance {
        let said = decision.say.as_ref().and_then(|(say, language)| {
            let code = config.code(&incoming.code)?;
            let survey = context.open.first().and_then(|open| config.surveys.get(&open.survey));
            let text = text_of(say, code, survey, language.as_deref())?;
            let name = context.open.first().and_then(|open| open.name.as_deref());
            let range = survey.map(Survey::range);
            let body = merge(text, |field| match field {
                "name" => name,
                "brand" => Some(code.brand.as_str()),
                "range" => range.as_deref(),
                "read" => Some(read_of(say)),
                _ => None,
            });
            Some(Draft {
                lane: code.carrier.clone(),
                purpose: say.purpose(),
                campaign: context.open.first().map(|open| open.campaign.clone()),
                programme: None,
                sender: incoming.code.clone(),
                to: incoming.number,
                body,
                language: Some(code.language(language.as_deref()).to_owned()),
                source: Source::Reply,
                expires_ms: None,
                zone: None,
                origin: Origin::default(),
            })
        });
        let mut acceptance = self.acceptance(said.into_iter().collect());
        acceptance.events.extend(self.event_of(inbound, incoming, decision));
        acceptance
    }

    fn event_of(&self, inbound: i64, incoming: &Incoming, decision: &Decision) -> Option<EventRow> {
        let kind = match (&decision.opt_out, decision.answer) {
            (Some(_), _) => "opt_out",
            (None, Some(_)) => "answer",
            (None, None) if !decision.opt_in.is_empty() => "opt_in",
            _ => return None,
        };
        let detail =
            serde_json::json!({ "inbound": inbound, "code": incoming.code, "value": decision.answer });
        Some(EventRow {
            id: self.ids.next(incoming.received_ms).0,
            at_ms: incoming.received_ms,
            kind: kind.to_owned(),
            number: Some(incoming.number),
            message: None,
            campaign: None,
            detail: Some(detail.to_string()),
        })
    }

    fn count(&self, incoming: &Incoming, decision: &Decision) {
        let metrics = &self.metrics;
        metrics.inbound.one();
        if decision.answer.is_some() {
            metrics.answered.one();
        }
        if decision.invitation == Some(Invitation::AskedAgain) {
            metrics.asked_again.one();
        }
        if decision.opt_out.is_some() {
            metrics.opted_out.one();
        }
        // Once more after the commit: a slice that took its pass between the first time and the commit was judged without
        // this STOP, and to it the first time is no news.
        if let Some(scope) = &decision.opt_out {
            self.door.close(incoming.number, scope.clone());
        }
        for scope in &decision.opt_in {
            self.door.open(incoming.number, scope);
        }
    }
}

/// The words for what is to be said: the survey's where it has its own, else the code's.
fn text_of<'a>(
    say: &Say,
    code: &'a Code,
    survey: Option<&'a Survey>,
    language: Option<&str>,
) -> Option<&'a str> {
    let own = survey.map(|survey| survey.text(language));
    let usual = code.text(language);
    match say {
        Say::Stopped => Some(&usual.stopped),
        Say::Started => Some(&usual.started),
        Say::Confirm => Some(&usual.confirm),
        Say::Help => Some(&usual.help),
        Say::Thanks => own?.thanks.as_deref().or(Some(&usual.thanks)),
        Say::AskAgain { .. } => own?.ask_again.as_deref().or(Some(&usual.ask_again)),
    }
}

/// The words that start something on a code, as the reader wants them.
fn keywords_of(code: &Code) -> Vec<Keyword> {
    let opens = |opens| match opens {
        Opens::OptIn(_) => reading::Opens::OptIn,
        _ => reading::Opens::Survey,
    };
    let keyword = |one: &CodeKeyword| Keyword { word: one.word.clone(), opens: opens(one.opens.clone()) };
    code.keywords.iter().map(keyword).collect()
}

/// The keywords of a code that are an opt-in.
fn joins_of(code: &Code) -> Vec<Join> {
    let join = |keyword: &CodeKeyword| match &keyword.opens {
        Opens::OptIn(opt_in) => Some(Join {
            word: keyword.word.clone(),
            scope: match &opt_in.programme {
                Some(name) => Scope::Programme(name.clone()),
                None => Scope::Sender(code.number.0.clone()),
            },
            confirmed: match opt_in.double {
                DoubleOptIn::Yes => Confirmed::ByAYes,
                DoubleOptIn::No => Confirmed::ByTheWord,
            },
        }),
        _ => None,
    };
    code.keywords.iter().filter_map(join).collect()
}

fn read_of(say: &Say) -> &str {
    match say {
        Say::AskAgain { read } => read,
        _ => "",
    }
}

/// An invitation's state as it is kept.
fn state_of(change: Invitation) -> InvitationState {
    match change {
        Invitation::Answered => InvitationState::Answered,
        Invitation::AskedAgain => InvitationState::Open,
        Invitation::Unreadable => InvitationState::Unreadable,
        Invitation::OptedOut => InvitationState::OptedOut,
    }
}

/// The language we know a person by where no question tells it.
fn language_of(context: &ReplyContext) -> Option<String> {
    let last = context.last_text.as_ref().and_then(|last| last.language.clone());
    last.or_else(|| context.closed.as_ref().and_then(|closed| closed.language.clone()))
}
