//! What one message does to surveys: which one it is about, whether its keyword begins one, and what STOP ends; and what
//! takes a message that does nothing there.

use super::{
    Begun, CodeFacts, Conversation, Decision, Handler, Invited, Known, Moved, Readers, Say, Start, Which,
};
use crate::message::Purpose;
use crate::rules::consent::{Stop, blocking_scopes};
use crate::rules::reading::{Context, Flag, PendingOptIn, Question, Reader, Reading, Verdict, folded_word};
use crate::rules::survey::{Effect, Event, Mark, Plan, Progress, Said, said_word, step};

/// A message, and all it is judged by.
pub(super) struct Judge<'a> {
    pub(super) reader: &'a Reader,
    pub(super) text: &'a str,
    pub(super) received_ms: i64,
    pub(super) known: &'a Known<'a>,
    pub(super) facts: CodeFacts<'a>,
}

impl Judge<'_> {
    pub(super) fn invited(&self, which: Which) -> Option<&Invited<'_>> {
        match which {
            Which::Open(place) => self.known.open.get(place),
            Which::Waiting(place) => self.known.waiting.get(place),
            Which::Closed => self.known.closed.as_ref(),
        }
    }

    fn read_against(&self, question: Option<&Question>, language: Option<&str>) -> Reading {
        self.reader.read(
            self.text,
            &Context {
                language: language.or(self.known.language.as_deref()),
                question,
                keywords: self.facts.keywords,
                our_last_text: self.known.our_last_text.as_deref(),
                pending_opt_in: match &self.known.pending {
                    Some((_, until_ms)) if self.received_ms <= *until_ms => PendingOptIn::Asked,
                    _ => PendingOptIn::None,
                },
                programmes: self.facts.programmes,
            },
        )
    }

    fn read_for(&self, invited: &Invited<'_>) -> Reading {
        let question = invited.plan.question(&invited.progress.question);
        self.read_against(question, invited.language.as_deref())
    }

    /// The survey a message is about, and its reading: of several open ones the one it answers, else the newest.
    pub(super) fn read(&self) -> (Option<Which>, Reading) {
        let mut readings = self.known.open.iter().map(|invited| self.read_for(invited)).enumerate();
        let Some((_, newest)) = readings.next() else {
            return (None, self.read_against(None, None));
        };
        if matches!(newest.verdict, Verdict::Answer(_)) {
            return (Some(Which::Open(0)), newest);
        }
        let answered = readings.find(|(_, reading)| matches!(reading.verdict, Verdict::Answer(_)));
        let (place, reading) = answered.unwrap_or((0, newest));
        (Some(Which::Open(place)), reading)
    }

    pub(super) fn said(&self, decision: &mut Decision) {
        if decision.reading.wants_no_reply() {
            return;
        }
        let start = self.started(&decision.reading);
        match start.map(|start| (start.word, &start.handler)) {
            Some((word, Handler::Survey { key, plan })) if self.begin(decision, key, plan, Some(word)) => {}
            Some((_, Handler::Inbox)) => decision.readers = Readers::Always,
            Some((_, Handler::Help)) => decision.say = Some(Say::Help),
            Some((_, Handler::Nobody)) => decision.readers = Readers::None,
            // An opt-in with more words beside it is none.
            None | Some((_, Handler::Survey { .. } | Handler::OptIn { .. })) => {
                if !self.is_for_a_survey(decision) {
                    self.take_by_default(decision);
                }
            }
        }
    }

    /// Reads a message as said to the survey it is about, or to the last one; false where it does nothing there.
    fn is_for_a_survey(&self, decision: &mut Decision) -> bool {
        let which = decision.about.unwrap_or(Which::Closed);
        let Some(invited) = self.invited(which) else { return false };
        let late = (which == Which::Closed).then(|| self.read_for(invited));
        let reading = late.as_ref().unwrap_or(&decision.reading);
        let last = invited.progress.trail.last();
        let earlier = last
            .and_then(|given| invited.plan.question(&given.question))
            .map(|question| self.read_against(Some(question), invited.language.as_deref()));
        let said = Said { text: self.text, reading, earlier: earlier.as_ref() };
        let (progress, effects) = step(invited.plan, &invited.progress, &Event::Said(said), self.received_ms);
        if effects.is_empty() && progress == invited.progress {
            return false;
        }
        let changed =
            |effect: &Effect| matches!(effect, Effect::Record(answer) if answer.mark == Mark::Changed);
        if let Some(earlier) = earlier.filter(|_| effects.iter().any(changed)) {
            decision.reading = earlier;
        } else if let Some(late) = late {
            decision.reading = late;
        }
        decision.about = Some(which);
        decision.moved.push(Moved { which, progress, effects });
        true
    }

    /// What the code does with a message that is neither a command nor an answer nor a keyword.
    fn take_by_default(&self, decision: &mut Decision) {
        let shown = decision.reading.flags.iter().any(is_for_eyes);
        if self.known.conversation == Conversation::GoesOn {
            decision.readers = Readers::Always;
            return;
        }
        match self.facts.default {
            Handler::Inbox | Handler::OptIn { .. } => {}
            Handler::Help => {
                decision.say = (!self.is_blocked(Purpose::Reply)).then_some(Say::HelpByDefault);
                decision.readers = if shown { Readers::Always } else { Readers::None };
            }
            Handler::Nobody => decision.readers = if shown { Readers::Always } else { Readers::None },
            Handler::Survey { key, .. } if shown || self.has_to_do_with(key) => {
                decision.readers = Readers::Always;
            }
            Handler::Survey { key, plan } => _ = self.begin(decision, key, plan, None),
        }
    }

    /// Whether a question is open, or this survey waits or has ended so lately that words still belong to it.
    fn has_to_do_with(&self, survey: &str) -> bool {
        let waits = self.known.waiting.iter().any(|invited| invited.survey == survey);
        let lately = self.known.closed.as_ref().is_some_and(|closed| {
            let closed_ms = closed.progress.closed_ms.unwrap_or_default();
            closed.survey == survey && self.received_ms - closed_ms <= closed.plan.late_within_ms
        });
        !self.known.open.is_empty() || waits || lately
    }

    /// The language to answer in: the person's own; where that is not known, or is only the one that everybody is written
    /// to in, that of the keyword they used.
    pub(super) fn language(&self, reading: &Reading, own: Option<String>) -> Option<String> {
        let told = own.as_deref().is_some_and(|own| Some(own) != self.facts.language);
        let word = self.started(reading).and_then(|start| start.language).filter(|_| !told);
        word.map(str::to_owned).or(own)
    }

    /// The keyword a message begins with; of an open survey, whose keyword may stand before an answer, only where the
    /// keyword is all there is.
    pub(super) fn started(&self, reading: &Reading) -> Option<&Start<'_>> {
        let begins = reading.flags.iter().find_map(|flag| match flag {
            Flag::Keyword(word) => Some(word.as_str()),
            _ => None,
        });
        let all = said_word(self.text);
        self.facts.starts.iter().find(|start| {
            said_word(start.word) == all || begins.is_some_and(|word| word == folded_word(start.word))
        })
    }

    /// Begins a survey that the person asked for with a word, or that their words start by default; false where the message
    /// is to be read as an answer after all.
    fn begin(&self, decision: &mut Decision, survey: &str, plan: &Plan, word: Option<&str>) -> bool {
        if self.is_blocked(Purpose::Survey) {
            return true;
        }
        let same = self.known.open.iter().position(|invited| invited.survey == survey);
        if let Some(place) = same {
            if matches!(decision.reading.verdict, Verdict::Answer(_))
                && decision.about == Some(Which::Open(place))
            {
                return false;
            }
            self.put_again(decision, place);
            return true;
        }
        if let Some(place) = self.known.open.iter().position(|invited| invited.plan.collides(plan)) {
            // Who asks for a second survey answers the first one before.
            let waits = self.known.waiting.iter().any(|invited| invited.survey == survey);
            if !waits {
                let progress = Progress::waiting(plan, self.received_ms);
                decision.begun = Some(Begun { survey: survey.to_owned(), progress, effects: Vec::new() });
            }
            self.put_again(decision, place);
            return true;
        }
        let opened = Progress::opened(plan, self.received_ms);
        let language = decision.answer_in.as_deref();
        // Without its keyword nothing says that a number is meant for a question that was never put.
        let question = plan
            .first()
            .zip(word)
            .map(|(first, word)| Question { keyword: Some(word.to_owned()), ..first.clone() });
        let reading = self.read_against(question.as_ref(), language);
        let with_answer = matches!(reading.verdict, Verdict::Answer(_));
        let event = if with_answer {
            Event::Said(Said { text: self.text, reading: &reading, earlier: None })
        } else {
            Event::Started
        };
        let (progress, effects) = step(plan, &opened, &event, self.received_ms);
        decision.begun = Some(Begun { survey: survey.to_owned(), progress, effects });
        decision.about = None;
        if with_answer {
            decision.reading = reading;
        }
        true
    }

    /// Puts the open question once more, at no cost to the person.
    fn put_again(&self, decision: &mut Decision, place: usize) {
        let Some(invited) = self.known.open.get(place) else { return };
        let (progress, effects) = step(invited.plan, &invited.progress, &Event::Started, self.received_ms);
        decision.about = Some(Which::Open(place));
        decision.moved.push(Moved { which: Which::Open(place), progress, effects });
    }

    /// STOP ends every survey on the code, those that wait among them; an answer beside it counts for the one it was
    /// read against.
    pub(super) fn stopped(&self, about: Option<Which>, kept: Option<i64>) -> Vec<Moved> {
        let open = self.known.open.iter().enumerate().map(|(place, one)| (Which::Open(place), one));
        let waiting = self.known.waiting.iter().enumerate().map(|(place, one)| (Which::Waiting(place), one));
        open.chain(waiting)
            .map(|(which, invited)| {
                let kept = kept.filter(|_| about == Some(which));
                let event = Event::Stopped(kept);
                let (progress, effects) = step(invited.plan, &invited.progress, &event, self.received_ms);
                Moved { which, progress, effects }
            })
            .collect()
    }

    /// Whether the person has stopped what is sent for this purpose.
    pub(super) fn is_blocked(&self, purpose: Purpose) -> bool {
        let scopes = blocking_scopes(purpose, self.facts.code, None, Stop::EndsAll);
        self.known.opted_out.iter().any(|scope| scopes.contains(scope))
    }
}

/// Whether a message with this flag is to be seen by people, even where they do not read all that comes.
fn is_for_eyes(flag: &Flag) -> bool {
    matches!(
        flag,
        Flag::StopMentioned | Flag::ServiceCancel | Flag::WrongNumber | Flag::Erasure | Flag::Hostile
    )
}
