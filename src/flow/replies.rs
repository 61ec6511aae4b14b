//! Reading what people say: what is known about them is looked up, rules decide, one commit holds every effect.

use std::collections::HashSet;
use std::time::Instant;

use crate::config::{Code, CodeKeyword, Config, DoubleOptIn, Opens};
use crate::crash::{self, Point};
use crate::flow::Flow;
use crate::flow::inbound::Incoming;
use crate::flow::surveys::invited;
use crate::message::{Msisdn, Scope, Sender, hex};
use crate::rules::inbound::{
    CodeFacts, Confirmed, Conversation, Decision, Handler, Known, Start, decide, digest,
};
use crate::rules::reading::Keyword;
use crate::store::{
    AnswerRow, Asks, Channel, ConsentChange, ConsentKind, ConversationChange, EventRow, Evidence,
    InboundCommit, InboundRow, Invitation, ReplyContext, StoreError,
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
        let _turn = self.surveys.lock().await;
        let contexts = self.store.reply_contexts(&keys).await?;
        let talking = self.talking(&config, &keys).await?;
        let mut commits = Vec::with_capacity(group.len());
        let mut decisions = Vec::with_capacity(group.len());
        let mut stops = Vec::new();
        for ((incoming, read_at), context) in group.into_iter().zip(contexts) {
            let conversation = match talking.contains(&(incoming.code.0.clone(), incoming.number)) {
                true => Conversation::GoesOn,
                false => Conversation::None,
            };
            let decision = self.decide(&config, &incoming, &context, conversation);
            if let Some(scope) = decision.opt_out.clone().filter(|_| !decision.redelivery) {
                // Before the commit: from here on nothing more begins, whatever a slice was told.
                self.door.close(incoming.number, scope);
                crash::point(Point::StopShut);
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

    /// Of these, those people talk with. Where people read all that comes, it makes no difference.
    async fn talking(
        &self,
        config: &Config,
        asked: &[(String, Msisdn)],
    ) -> Result<HashSet<(String, Msisdn)>, StoreError> {
        let default = |code: &String| config.code(&Sender(code.clone())).map(|code| &code.default);
        let matters = |code: &String| default(code).is_some_and(|default| *default != Opens::Inbox);
        let numbers: Vec<Msisdn> =
            asked.iter().filter(|(code, _)| matters(code)).map(|(_, number)| *number).collect();
        let talks = self.store.conversations_that_go_on(&numbers).await?;
        Ok(talks.into_iter().collect())
    }

    fn decide(
        &self,
        config: &Config,
        incoming: &Incoming,
        context: &ReplyContext,
        conversation: Conversation,
    ) -> Decision {
        let invited = |invitation: &Invitation| invited(config, invitation);
        let known = Known {
            open: context.open.iter().filter_map(invited).collect(),
            waiting: context.waiting.iter().filter_map(invited).collect(),
            closed: context.closed.as_ref().and_then(invited),
            opted_out: context.opted_out.iter().filter_map(|scope| scope.parse().ok()).collect(),
            language: language_of(context),
            our_last_text: context.last_text.as_ref().map(|last| last.body.clone()),
            their_times_ms: context
                .recent
                .iter()
                .filter(|one| !one.is_answer())
                .map(|one| one.received_ms)
                .collect(),
            their_last: context.recent.first().map(|last| (last.digest.clone(), last.received_ms)),
            pending: context
                .pending
                .as_ref()
                .and_then(|pending| Some((pending.scope.parse().ok()?, pending.until_ms))),
            conversation,
        };
        let code = config.code(&incoming.code);
        let starts = code.map(|code| starts_of(config, code)).unwrap_or_default();
        let keywords: Vec<Keyword> = starts.iter().map(Start::keyword).collect();
        let default = code.and_then(|code| handler_of(config, code, &code.default));
        let facts = CodeFacts {
            code: &incoming.code,
            language: code.map(|code| code.language(None)),
            keywords: &keywords,
            starts: &starts,
            default: default.as_ref().unwrap_or(&Handler::Inbox),
            programmes: code.map(|code| code.programmes.as_slice()).unwrap_or_default(),
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
        let at_ms = incoming.received_ms;
        let pack = self.reader().version().to_owned();
        let reading = &decision.reading;
        let candidates = serde_json::to_value(&reading.candidates).unwrap_or_default();
        let told = self.told(config, id, incoming, context, decision);
        let answer = told.answer.map(|answer| AnswerRow {
            rule: reading.rule.to_owned(),
            pack: pack.clone(),
            candidates: candidates.clone(),
            ..answer
        });
        let mut accept = told.accept;
        accept.events.extend(self.event_of(id, incoming, decision));
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
                campaign: told.campaign,
                question: told.question,
                parts: incoming.parts,
                note: incoming.note.clone().or(decision.note.map(str::to_owned)),
            },
            parts: incoming.key.clone(),
            consent: self.consent_of(config, id, incoming, context, decision),
            invitations: told.invitations,
            answer,
            conversation: decision.is_for_people().then(|| ConversationChange {
                number: incoming.number,
                code: incoming.code.0.clone(),
                at_ms,
            }),
            callbacks: told.callbacks,
            accept,
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

    fn event_of(&self, inbound: i64, incoming: &Incoming, decision: &Decision) -> Option<EventRow> {
        let answer = decision.answer();
        let kind = match (&decision.opt_out, answer) {
            (Some(_), _) => "opt_out",
            (None, Some(_)) => "answer",
            (None, None) if !decision.opt_in.is_empty() => "opt_in",
            _ => return None,
        };
        let detail = serde_json::json!({
            "inbound": inbound, "code": incoming.code, "value": answer.map(|answer| answer.kept.as_str()),
        });
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
        if decision.answer().is_some() {
            metrics.answered.one();
        }
        if decision.asks_again() {
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

/// The words that start something on a code, and what.
pub(crate) fn starts_of<'a>(config: &'a Config, code: &'a Code) -> Vec<Start<'a>> {
    let start = |keyword: &'a CodeKeyword| {
        let handler = handler_of(config, code, &keyword.opens)?;
        Some(Start { word: &keyword.word, language: keyword.language(), handler })
    };
    code.keywords.iter().filter_map(start).collect()
}

/// What a code's configuration names, as the rules want it; none where its survey is not there.
fn handler_of<'a>(config: &'a Config, code: &Code, opens: &'a Opens) -> Option<Handler<'a>> {
    Some(match opens {
        Opens::Survey(key) => {
            let survey = config.surveys.get(key)?;
            Handler::Survey { key: &survey.key, plan: &survey.plan }
        }
        Opens::OptIn(opt_in) => Handler::OptIn {
            scope: match &opt_in.programme {
                Some(name) => Scope::Programme(name.clone()),
                None => Scope::Sender(code.number.0.clone()),
            },
            confirmed: match opt_in.double {
                DoubleOptIn::Yes => Confirmed::ByAYes,
                DoubleOptIn::No => Confirmed::ByTheWord,
            },
        },
        Opens::Inbox => Handler::Inbox,
        Opens::Help => Handler::Help,
        Opens::Nothing => Handler::Nobody,
    })
}

/// The language we know a person by where no question tells it.
pub(super) fn language_of(context: &ReplyContext) -> Option<String> {
    let last = context.last_text.as_ref().and_then(|last| last.language.clone());
    last.or_else(|| context.closed.as_ref().and_then(|closed| closed.language.clone()))
}
