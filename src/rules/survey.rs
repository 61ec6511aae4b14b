//! Surveys: questions with branches, and what every event in a person's life with one does. Pure: [`step`] takes how an
//! invitation stands and what happened, and gives how it stands then and what is to be done.

mod slots;
mod step;
#[cfg(test)]
mod tests;

pub use slots::{CallHours, Slot, offer};
pub use step::{Said, step};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::message::InvitationState;
use crate::rules::reading::{Kind, Question, folded};

/// After the last question of one survey this long passes before one that waited is asked: nobody is questioned twice
/// in one breath.
pub const PAUSE_MS: i64 = 10 * 60_000;
/// A survey that waits looks this often whether the other is through, should nothing have told it.
pub const WAITING_LOOK_MS: i64 = 6 * 3_600_000;
/// While its question stands in the queue of a carrier account, an invitation is looked at again after this.
pub const QUEUED_LOOK_MS: i64 = 30 * 60_000;

/// A survey without its words: the questions, where each answer leads, and how long anything is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The questions. A branch leads forward only, so that no person is asked in circles.
    pub items: Vec<Item>,
    /// How long an answer to the open question is waited for, milliseconds.
    pub expires_after_ms: i64,
    /// How often somebody who has not answered at all is reminded.
    pub reminders: u32,
    /// How long after the question, and after each reminder, milliseconds.
    pub remind_after_ms: i64,
    /// How long after the end an answer is still taken, and marked late, milliseconds.
    pub late_within_ms: i64,
    /// How long after it was given an answer can be changed, milliseconds.
    pub change_within_ms: i64,
    /// How many answers make an unfinished survey worth counting.
    pub enough: u32,
    /// Words that pass over an optional question, folded.
    pub skip: BTreeSet<String>,
    /// Words that decline the survey, folded.
    pub decline: BTreeSet<String>,
}

/// One question of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is asked, for the reader.
    pub question: Question,
    /// Whether it can be passed over.
    pub need: Need,
    /// How often we ask again when an answer can't be read.
    pub reask_limit: u32,
    /// What a number, a day (YYYYMMDD) or the length of words (characters) must be within.
    pub within: Span,
    /// Where answers lead, first match; anything else leads to `otherwise`.
    pub next: Vec<(Span, Target)>,
    /// Where everything else leads, and a question passed over.
    pub otherwise: Target,
    /// Answers somebody must hear of.
    pub notify: Vec<Span>,
    /// Answers that go to people.
    pub hand_over: Vec<Span>,
    /// When we can call, where the question offers a call.
    pub calls: Option<CallHours>,
}

/// Whether a question can be passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It waits for an answer.
    Required,
    /// A word of the survey passes over it.
    Optional,
}

/// Values from one to another, both included. Words count as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Lowest.
    pub from: i64,
    /// Highest.
    pub to: i64,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// Whether a value is in it.
    pub fn holds(self, value: i64) -> bool {
        (self.from..=self.to).contains(&value)
    }
}

/// Where an answer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the question at this place in the plan.
    Question(usize),
    /// To the end.
    End,
    /// To the end, counted as a refusal.
    Refused,
}

/// How far a person is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How the invitation stands.
    pub state: InvitationState,
    /// The question that is, or was last, open.
    pub question: String,
    /// How often it was put for want of a readable answer: 1 once asked, 2 when asked again.
    pub asked: u32,
    /// Reminders sent.
    pub reminded: u32,
    /// The answers given, in order, as far as they are on the way to the open question.
    pub trail: Vec<Given>,
    /// The times for a call that were offered with the open question.
    pub offered: Vec<Slot>,
    /// When the open question was put, milliseconds since the epoch; of one that waits, since when.
    pub asked_ms: i64,
    /// When it ended.
    pub closed_ms: Option<i64>,
    /// When it is to be looked at again.
    pub due_ms: Option<i64>,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The question.
    pub question: String,
    /// The value; 0 for words.
    pub value: i64,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
}

/// What can happen to an invitation.
#[derive(Debug)]
pub enum Event<'a> {
    /// The person wrote something that is neither STOP, START nor HELP.
    Said(Said<'a>),
    /// STOP, perhaps with an answer beside it (`3 STOP`).
    Stopped(Option<i64>),
    /// It is due; what became of its first question.
    Due(Delivery),
    /// It waited and is due; whether the handset is free now.
    Turn(Turn),
    /// The person asked for it with its keyword.
    Started,
}

/// What is known of a question's way to the handset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Still with us.
    Queued,
    /// The carrier has it since.
    Sent {
        /// Milliseconds since the epoch.
        at_ms: i64,
    },
    /// It will not arrive.
    Failed,
    /// Held back by an opt-out.
    Suppressed,
}

/// Whether a survey that waited can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// No other question is open.
    Free,
    /// One is.
    Taken,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put a question.
    Ask {
        /// Its place in the plan.
        item: usize,
        /// On what occasion.
        how: Asking,
    },
    /// Keep an answer.
    Record(Answer),
    /// Say a word to the person.
    Say(Word),
    /// Somebody must hear of it.
    Notify {
        /// The question.
        question: String,
        /// The value.
        value: i64,
    },
    /// People must take over.
    HandOver {
        /// The question.
        question: String,
        /// Why.
        why: &'static str,
    },
    /// A call was booked, in place of any booked before at this question.
    Book {
        /// The question.
        question: String,
        /// When.
        slot: Slot,
    },
    /// A call booked at this question is not wanted any more.
    Unbook {
        /// The question.
        question: String,
    },
}

/// On what occasion a question is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// Its turn.
    First,
    /// The answer could not be read.
    Again {
        /// What was read, in the person's own words; empty when nothing was.
        read: String,
    },
    /// Nothing came.
    Reminder,
}

/// An answer to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question's place in the plan.
    pub item: usize,
    /// The value; 0 for words.
    pub value: i64,
    /// The value as it is kept: `3`, `yes`, `2026-11-30`; empty for words.
    pub kept: String,
    /// What was written beside the value, or the words that are the answer.
    pub comment: Option<String>,
    /// When it came, seen from the survey.
    pub mark: Mark,
}

/// When an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// While it was waited for.
    InTime,
    /// In place of another, in time.
    Changed,
    /// After the end: kept apart.
    Late,
}

/// A word said when there is nothing more to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Thanks, after this question.
    Thanks {
        /// Its place in the plan.
        item: usize,
    },
    /// An answer to this question was changed.
    Changed {
        /// Its place in the plan.
        item: usize,
    },
    /// An answer came late.
    Late,
}

impl Plan {
    /// The place of a question.
    pub fn place(&self, question: &str) -> Option<usize> {
        self.items.iter().position(|item| item.question.key == question)
    }

    /// The first question.
    pub fn first(&self) -> Option<&Question> {
        self.items.first().map(|item| &item.question)
    }

    /// A question by its name.
    pub fn question(&self, question: &str) -> Option<&Question> {
        self.items.iter().map(|item| &item.question).find(|one| one.key == question)
    }

    /// Whether an answer to one could be taken for an answer to the other: only choices and scores without a common
    /// value or word are safe on one code at the same time.
    pub fn collides(&self, other: &Self) -> bool {
        let plain = |plan: &Self| {
            plan.items
                .iter()
                .all(|item| matches!(item.question.kind, Kind::Choice { .. } | Kind::Range { .. }))
        };
        if !plain(self) || !plain(other) {
            return true;
        }
        let (values, others) = (self.values(), other.values());
        values.intersection(&others).next().is_some() || !self.labels().is_disjoint(&other.labels())
    }

    fn values(&self) -> BTreeSet<i64> {
        let of = |item: &Item| match &item.question.kind {
            Kind::Choice { values, .. } => values.clone(),
            Kind::Range { min, max } => (*min..=*max).collect(),
            _ => BTreeSet::new(),
        };
        self.items.iter().flat_map(of).collect()
    }

    fn labels(&self) -> BTreeSet<String> {
        let of = |item: &Item| match &item.question.kind {
            Kind::Choice { labels, .. } => {
                labels.values().flat_map(|labels| labels.values().map(|label| folded(label))).collect()
            }
            _ => Vec::new(),
        };
        self.items.iter().flat_map(of).collect()
    }
}

impl Item {
    /// Where a value leads.
    pub fn target(&self, value: i64) -> Target {
        let found = self.next.iter().find(|(span, _)| span.holds(value));
        found.map_or(self.otherwise, |(_, target)| *target)
    }

    /// A value as it is kept and exported.
    pub fn kept(&self, value: i64) -> String {
        match self.question.kind {
            Kind::YesNo => if value == 1 { "yes" } else { "no" }.to_owned(),
            Kind::FreeText => String::new(),
            Kind::Date => format!("{:04}-{:02}-{:02}", value / 10_000, value / 100 % 100, value % 100),
            _ => value.to_string(),
        }
    }
}

impl Progress {
    /// At the first question, put now.
    pub fn opened(plan: &Plan, now_ms: i64) -> Self {
        let mut progress = Self {
            state: InvitationState::Open,
            question: plan.first().map(|question| question.key.clone()).unwrap_or_default(),
            asked: 1,
            reminded: 0,
            trail: Vec::new(),
            offered: Vec::new(),
            asked_ms: now_ms,
            closed_ms: None,
            due_ms: None,
        };
        progress.due_ms = Some(progress.next_due(plan));
        progress
    }

    /// Behind another survey, from now on.
    pub fn waiting(plan: &Plan, now_ms: i64) -> Self {
        Self {
            state: InvitationState::Waiting,
            asked: 0,
            due_ms: Some(now_ms + WAITING_LOOK_MS),
            ..Self::opened(plan, now_ms)
        }
    }

    /// When an open invitation must be looked at: the next reminder, or the end of the wait.
    fn next_due(&self, plan: &Plan) -> i64 {
        let expiry = self.asked_ms + plan.expires_after_ms;
        self.reminder_due(plan).map_or(expiry, |reminder| reminder.min(expiry))
    }

    /// When somebody is to be reminded: only who has said nothing at all.
    fn reminder_due(&self, plan: &Plan) -> Option<i64> {
        let silent = self.trail.is_empty() && self.asked == 1;
        (silent && self.reminded < plan.reminders)
            .then(|| self.asked_ms + plan.remind_after_ms * (i64::from(self.reminded) + 1))
    }
}

/// A text as the words of [`Plan::skip`] and [`Plan::decline`] are compared: folded, without signs at its ends.
pub fn said_word(text: &str) -> String {
    let folded = folded(text);
    let word = folded.trim_matches(|sign: char| !sign.is_alphanumeric() && !is_mark(sign));
    word.split(|sign: char| sign.is_whitespace() || sign == ',')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Vowel signs of Indic scripts and the like, which belong to their word.
fn is_mark(sign: char) -> bool {
    ('\u{900}'..='\u{d7f}').contains(&sign)
}
