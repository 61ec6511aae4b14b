//! What one message does to surveys: which one it is about, whether its keyword begins one, and what STOP ends.

use super::{Begun, CodeFacts, Decision, Invited, Known, Moved, Start, Which};
use crate::message::Purpose;
use crate::rules::consent::{Stop, blocking_scopes};
use crate::rules::reading::{Context, Flag, PendingOptIn, Question, Reader, Reading, Verdict};
use crate::rules::survey::{Effect, Event, Mark, Progress, Said, said_word, step};

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
        if let Some(start) = self.started(&decision.reading)
            && self.begin(decision, &start)
        {
            return;
        }
        let which = decision.about.unwrap_or(Which::Closed);
        let Some(invited) = self.invited(which) else { return };
        let late = (which == Which::Closed).then(|| self.read_for(invited));
        let reading = late.as_ref().unwrap_or(&decision.reading);
        let last = invited.progress.trail.last();
        let earlier = last
            .and_then(|given| invited.plan.question(&given.question))
            .map(|question| self.read_against(Some(question), invited.language.as_deref()));
        let said = Said { text: self.text, reading, earlier: earlier.as_ref() };
        let (progress, effects) = step(invited.plan, &invited.progress, &Event::Said(said), self.received_ms);
        if effects.is_empty() && progress == invited.progress {
            return;
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
    }

    /// The survey whose keyword a message begins with; of an open survey, whose keyword may stand before an answer, only
    /// where the keyword is all there is.
    fn started(&self, reading: &Reading) -> Option<Start<'_>> {
        let (all, first) = (said_word(self.text), said_word(self.text.split_whitespace().next()?));
        let begins = reading.flags.iter().any(|flag| matches!(flag, Flag::Keyword(_)));
        let starts = |start: &&Start<'_>| {
            let word = said_word(start.word);
            word == all || (begins && word == first)
        };
        self.facts.starts.iter().find(starts).copied()
    }

    /// Begins a survey that the person asked for; false where the message is to be read as an answer after all.
    fn begin(&self, decision: &mut Decision, start: &Start<'_>) -> bool {
        if self.is_blocked(Purpose::Survey) {
            return true;
        }
        let same = self.known.open.iter().position(|invited| invited.survey == start.survey);
        if let Some(place) = same {
            if matches!(decision.reading.verdict, Verdict::Answer(_))
                && decision.about == Some(Which::Open(place))
            {
                return false;
            }
            self.put_again(decision, place);
            return true;
        }
        if let Some(place) = self.known.open.iter().position(|invited| invited.plan.collides(start.plan)) {
            // Who asks for a second survey answers the first one before.
            let waits = self.known.waiting.iter().any(|invited| invited.survey == start.survey);
            if !waits {
                let progress = Progress::waiting(start.plan, self.received_ms);
                decision.begun =
                    Some(Begun { survey: start.survey.to_owned(), progress, effects: Vec::new() });
            }
            self.put_again(decision, place);
            return true;
        }
        let opened = Progress::opened(start.plan, self.received_ms);
        let language = decision.answer_in.as_deref();
        let question = start
            .plan
            .first()
            .map(|question| Question { keyword: Some(start.word.to_owned()), ..question.clone() });
        let reading = self.read_against(question.as_ref(), language);
        let with_answer = matches!(reading.verdict, Verdict::Answer(_));
        let event = if with_answer {
            Event::Said(Said { text: self.text, reading: &reading, earlier: None })
        } else {
            Event::Started
        };
        let (progress, effects) = step(start.plan, &opened, &event, self.received_ms);
        decision.begun = Some(Begun { survey: start.survey.to_owned(), progress, effects });
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
