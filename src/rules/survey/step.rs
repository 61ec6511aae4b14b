//! One step of a survey: how it stands, what happened, and what that does.

use super::{
    Answer, Asking, Delivery, Effect, Event, Given, Item, Mark, Need, Plan, Progress, QUEUED_LOOK_MS, Target,
    Turn, WAITING_LOOK_MS, Word, offer, said_word,
};
use crate::message::InvitationState;
use crate::rules::reading::{Flag, Kind, Reading, Verdict};

/// Longest quotation of a person's own words in our question, so that it stays one part.
const QUOTED_CHARS: usize = 24;
/// The number that declines every offered time.
const NO_CALL: i64 = 0;

/// What a person said, read as often as it must be.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The words.
    pub text: &'a str,
    /// Read against the question of [`Progress::question`].
    pub reading: &'a Reading,
    /// Read against the question answered last, where there is one: an answer to it may be changed.
    pub earlier: Option<&'a Reading>,
}

/// What an event does.
pub fn step(plan: &Plan, before: &Progress, event: &Event<'_>, now_ms: i64) -> (Progress, Vec<Effect>) {
    let mut walk = Walk { plan, now_ms, progress: before.clone(), effects: Vec::new() };
    match event {
        Event::Said(said) => walk.said(said),
        Event::Stopped(kept) => walk.stopped(*kept),
        Event::Due(delivery) => walk.due(*delivery),
        Event::Turn(turn) => walk.turn(*turn),
        Event::Started => walk.started(),
    }
    (walk.progress, walk.effects)
}

/// A reply, as far as the open question is concerned.
enum Heard {
    Answer {
        value: i64,
        comment: Option<String>,
    },
    Skip,
    Decline,
    Unclear {
        read: String,
    },
    /// Not said to us, or not about the question.
    Nothing,
}

struct Walk<'a> {
    plan: &'a Plan,
    now_ms: i64,
    progress: Progress,
    effects: Vec<Effect>,
}

impl Walk<'_> {
    fn said(&mut self, said: &Said<'_>) {
        if said.reading.wants_no_reply() {
            return;
        }
        match self.progress.state {
            InvitationState::Waiting | InvitationState::OptedOut | InvitationState::Cancelled => {}
            InvitationState::Open => self.said_in_time(said),
            _ => self.said_after(said),
        }
    }

    fn said_in_time(&mut self, said: &Said<'_>) {
        if self.changes(said) {
            return;
        }
        let Some(place) = self.plan.place(&self.progress.question) else { return };
        let item = &self.plan.items[place];
        match self.heard(item, said) {
            Heard::Answer { value, comment } => {
                self.record(place, value, comment, Mark::InTime);
                self.progress.trail.push(Given {
                    question: item.question.key.clone(),
                    value,
                    at_ms: self.now_ms,
                });
                self.follow_up(place, value, Mark::InTime);
                self.go(place, item.target(value));
            }
            Heard::Skip => self.go(place, item.otherwise),
            Heard::Decline => {
                self.close(self.unfinished(InvitationState::Refused));
                self.effects.push(Effect::Say(Word::Thanks { item: place }));
            }
            Heard::Unclear { .. } if self.progress.asked > item.reask_limit => {
                let question = item.question.key.clone();
                self.effects.push(Effect::HandOver { question, why: "unreadable" });
                self.close(self.unfinished(InvitationState::Unreadable));
            }
            Heard::Unclear { read } => {
                self.progress.asked += 1;
                self.progress.asked_ms = self.now_ms;
                self.progress.due_ms = Some(self.progress.next_due(self.plan));
                self.effects.push(Effect::Ask { item: place, how: Asking::Again { read } });
            }
            Heard::Nothing => {}
        }
    }

    /// After the end: the last answer may still be changed, and one that was never given is kept apart.
    fn said_after(&mut self, said: &Said<'_>) {
        if self.changes(said) {
            return;
        }
        let closed_ms = self.progress.closed_ms.unwrap_or(self.now_ms);
        let refused = matches!(self.progress.state, InvitationState::Complete | InvitationState::Refused);
        if refused || self.now_ms - closed_ms > self.plan.late_within_ms {
            return;
        }
        let Some(place) = self.plan.place(&self.progress.question) else { return };
        let item = &self.plan.items[place];
        // Words after the end may be about anything, and a time that was offered may be over.
        if item.question.kind == Kind::FreeText || item.calls.is_some() {
            return;
        }
        if let Heard::Answer { value, comment } = self.heard(item, said) {
            self.record(place, value, comment, Mark::Late);
            self.notify(place, value);
            self.effects.push(Effect::Say(Word::Late));
        }
    }

    /// Takes a reply as another answer to the question answered last, where it is plainly that and soon enough.
    fn changes(&mut self, said: &Said<'_>) -> bool {
        let Some(given) = self.progress.trail.last().cloned() else { return false };
        let Some(place) = self.plan.place(&given.question) else { return false };
        let Some(earlier) = said.earlier else { return false };
        let item = &self.plan.items[place];
        let soon = self.now_ms - given.at_ms <= self.plan.change_within_ms;
        let open = self.progress.state == InvitationState::Open;
        let fits_the_open_one = open && matches!(said.reading.verdict, Verdict::Answer(_));
        if !soon || fits_the_open_one || !is_plainly_a_value(said.text, earlier) {
            return false;
        }
        let Heard::Answer { value, .. } = self.heard(item, &Said { reading: earlier, ..*said }) else {
            return false;
        };
        if value == given.value {
            return true;
        }
        self.record(place, value, None, Mark::Changed);
        if let Some(last) = self.progress.trail.last_mut() {
            last.value = value;
        }
        self.follow_up(place, value, Mark::Changed);
        match item.target(value) {
            Target::Question(next) if open && self.plan.place(&self.progress.question) == Some(next) => {}
            Target::End if !open => self.effects.push(Effect::Say(Word::Changed { item: place })),
            target => self.go(place, target),
        }
        true
    }

    fn heard(&self, item: &Item, said: &Said<'_>) -> Heard {
        let reading = said.reading;
        let word = said_word(said.text);
        if item.need == Need::Optional && self.plan.skip.contains(&word) {
            return Heard::Skip;
        }
        let answered = matches!(reading.verdict, Verdict::Answer(_));
        if !answered && self.plan.decline.contains(&word) {
            return Heard::Decline;
        }
        match reading.verdict {
            Verdict::Answer(value) if item.calls.is_some() => {
                let offered = usize::try_from(value).is_ok_and(|value| value <= self.progress.offered.len());
                match offered {
                    true => Heard::Answer { value, comment: reading.comment.clone() },
                    false => Heard::Unclear { read: quoted(said.text) },
                }
            }
            Verdict::Answer(value) if item.within.holds(value) => {
                Heard::Answer { value, comment: reading.comment.clone() }
            }
            Verdict::Answer(_) => Heard::Unclear { read: quoted(said.text) },
            Verdict::Ambiguous | Verdict::FreeText if item.question.kind == Kind::FreeText => {
                let words = said.text.trim();
                let signs = i64::try_from(words.chars().count()).unwrap_or(i64::MAX);
                match item.within.holds(signs) {
                    true => Heard::Answer { value: 0, comment: Some(words.to_owned()) },
                    false => Heard::Unclear { read: quoted(words) },
                }
            }
            Verdict::Ambiguous => Heard::Unclear { read: quoted(said.text) },
            Verdict::FreeText => Heard::Unclear { read: String::new() },
            _ => Heard::Nothing,
        }
    }

    fn record(&mut self, place: usize, value: i64, comment: Option<String>, mark: Mark) {
        let item = &self.plan.items[place];
        let slot = item.calls.as_ref().and_then(|_| self.slot(value));
        let kept = slot.map_or_else(|| item.kept(value), |slot| slot.words);
        self.effects.push(Effect::Record(Answer { item: place, value, kept, comment, mark }));
    }

    /// What an answer does beside leading on.
    fn follow_up(&mut self, place: usize, value: i64, mark: Mark) {
        let item = &self.plan.items[place];
        let question = item.question.key.clone();
        self.notify(place, value);
        if item.hand_over.iter().any(|span| span.holds(value)) {
            self.effects.push(Effect::HandOver { question: question.clone(), why: "answer" });
        }
        if item.calls.is_some() {
            match self.slot(value) {
                Some(slot) => self.effects.push(Effect::Book { question, slot }),
                None if mark == Mark::Changed => self.effects.push(Effect::Unbook { question }),
                None => {}
            }
        }
    }

    fn notify(&mut self, place: usize, value: i64) {
        let item = &self.plan.items[place];
        if item.notify.iter().any(|span| span.holds(value)) {
            self.effects.push(Effect::Notify { question: item.question.key.clone(), value });
        }
    }

    fn slot(&self, value: i64) -> Option<super::Slot> {
        if value == NO_CALL {
            return None;
        }
        let index = usize::try_from(value).ok()?.checked_sub(1)?;
        self.progress.offered.get(index).cloned()
    }

    fn go(&mut self, from: usize, target: Target) {
        match target {
            Target::Question(place) => self.ask(place, Asking::First),
            Target::End => {
                self.close(InvitationState::Complete);
                self.effects.push(Effect::Say(Word::Thanks { item: from }));
            }
            Target::Refused => {
                self.close(InvitationState::Refused);
                self.effects.push(Effect::Say(Word::Thanks { item: from }));
            }
        }
    }

    fn ask(&mut self, place: usize, how: Asking) {
        let Some(item) = self.plan.items.get(place) else { return self.close(InvitationState::Complete) };
        let offered = item.calls.as_ref().map(|hours| offer(hours, self.now_ms)).unwrap_or_default();
        if item.calls.is_some() && offered.is_empty() {
            return self.go(place, item.otherwise);
        }
        self.progress.state = InvitationState::Open;
        self.progress.question.clone_from(&item.question.key);
        self.progress.asked = 1;
        self.progress.offered = offered;
        self.progress.asked_ms = self.now_ms;
        self.progress.closed_ms = None;
        self.progress.due_ms = Some(self.progress.next_due(self.plan));
        self.effects.push(Effect::Ask { item: place, how });
    }

    /// The keyword: of a survey that is open already, its question is put once more.
    fn started(&mut self) {
        let place = self.plan.place(&self.progress.question);
        match place.filter(|_| self.progress.state == InvitationState::Open) {
            Some(item) => self.effects.push(Effect::Ask { item, how: Asking::First }),
            None => self.ask(0, Asking::First),
        }
    }

    fn stopped(&mut self, kept: Option<i64>) {
        if self.progress.state.is_closed() {
            return;
        }
        let place = self.plan.place(&self.progress.question);
        if let (InvitationState::Open, Some(place), Some(value)) = (self.progress.state, place, kept)
            && self.plan.items[place].within.holds(value)
            && self.plan.items[place].calls.is_none()
        {
            self.record(place, value, None, Mark::InTime);
            let question = self.progress.question.clone();
            self.progress.trail.push(Given { question, value, at_ms: self.now_ms });
            self.notify(place, value);
        }
        self.close(InvitationState::OptedOut);
    }

    fn due(&mut self, delivery: Delivery) {
        if self.progress.state != InvitationState::Open {
            self.progress.due_ms = None;
            return;
        }
        let Some(place) = self.plan.place(&self.progress.question) else {
            return self.close(InvitationState::Cancelled);
        };
        // Until the person has answered, time runs from the moment the carrier took the question.
        if self.progress.trail.is_empty() && self.progress.asked == 1 {
            match delivery {
                Delivery::Queued => {
                    self.progress.due_ms = Some(self.now_ms + QUEUED_LOOK_MS);
                    return;
                }
                Delivery::Failed => return self.close(InvitationState::NotDelivered),
                Delivery::Suppressed => return self.close(InvitationState::OptedOut),
                Delivery::Sent { at_ms } => self.progress.asked_ms = self.progress.asked_ms.max(at_ms),
            }
        }
        if self.now_ms >= self.progress.asked_ms + self.plan.expires_after_ms {
            let nothing_came =
                if self.progress.asked > 1 { InvitationState::Unreadable } else { InvitationState::NoAnswer };
            return self.close(self.unfinished(nothing_came));
        }
        if self.progress.reminder_due(self.plan).is_some_and(|due_ms| due_ms <= self.now_ms) {
            self.progress.reminded += 1;
            self.effects.push(Effect::Ask { item: place, how: Asking::Reminder });
        }
        self.progress.due_ms = Some(self.progress.next_due(self.plan).max(self.now_ms + 1));
    }

    fn turn(&mut self, turn: Turn) {
        if self.progress.state != InvitationState::Waiting {
            return;
        }
        // What it wanted to know is stale by now.
        if self.now_ms - self.progress.asked_ms > self.plan.expires_after_ms {
            return self.close(InvitationState::NotDelivered);
        }
        match turn {
            Turn::Free => self.ask(0, Asking::First),
            Turn::Taken => self.progress.due_ms = Some(self.now_ms + WAITING_LOOK_MS),
        }
    }

    /// How an invitation ends before its end: by what was answered, else as told.
    fn unfinished(&self, unanswered: InvitationState) -> InvitationState {
        match u32::try_from(self.progress.trail.len()).unwrap_or(u32::MAX) {
            0 => unanswered,
            given if given >= self.plan.enough => InvitationState::Partial,
            _ => InvitationState::BreakOff,
        }
    }

    fn close(&mut self, state: InvitationState) {
        self.progress.state = state;
        self.progress.closed_ms = Some(self.now_ms);
        self.progress.due_ms = None;
    }
}

/// Whether a reply is nothing but a value: a number alone, or one that says itself that it corrects another.
fn is_plainly_a_value(text: &str, reading: &Reading) -> bool {
    matches!(reading.verdict, Verdict::Answer(_))
        && (reading.flags.contains(&Flag::Corrected)
            || (reading.comment.is_none() && !text.chars().any(char::is_alphabetic)))
}

fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUOTED_CHARS {
        return line;
    }
    line.chars().take(QUOTED_CHARS - 3).collect::<String>().trim_end().to_owned() + "..."
}
