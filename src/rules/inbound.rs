//! What one message from a person does: the reading, and every effect it has, decided together and saved together.

mod judge;

use crate::message::{Purpose, Scope, Sender};
use crate::rules::consent::{Stop, blocking_scopes, scope_of_stop, scopes_of_start};
use crate::rules::loops::is_loop;
use crate::rules::reading::{Flag, Keyword, Opens, Reader, Reading, Verdict};
use crate::rules::survey::{Answer, Asking, Effect, Plan, Progress};
use judge::Judge;

/// A carrier sends again what it believes unanswered, within minutes. The same words as the person's last message are
/// a redelivery inside this time. Should they really be said twice, nothing is lost: the words are kept already, and
/// the question stays open. Taken for new, a redelivery would use up the one time we may ask again.
pub const REDELIVERY_MS: i64 = 120_000;
/// A question takes so long to reach a person, be read and be answered: 5, and 5 again to the next one.
const SOONEST_ANSWER_MS: i64 = 10_000;

/// A survey this handset has to do with on this code.
#[derive(Debug, Clone)]
pub struct Invited<'a> {
    /// Its key.
    pub survey: &'a str,
    /// Its questions.
    pub plan: &'a Plan,
    /// How far the person is.
    pub progress: Progress,
    /// The contact's language.
    pub language: Option<String>,
}

/// What is known about a person on a code when they write.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// The surveys with an open question, newest first. More than one only where their answers can't be confused.
    pub open: Vec<Invited<'a>>,
    /// Surveys that wait, oldest first.
    pub waiting: Vec<Invited<'a>>,
    /// The survey that was closed last.
    pub closed: Option<Invited<'a>>,
    /// Scopes the person has opted out of.
    pub opted_out: Vec<Scope>,
    /// The contact's language, where no question tells it.
    pub language: Option<String>,
    /// The last text we sent them on this code.
    pub our_last_text: Option<String>,
    /// Digest and time of the last message from them on this code.
    pub their_last: Option<(String, i64)>,
    /// What an opt-in we asked them to confirm is for, and until when a yes confirms it.
    pub pending: Option<(Scope, i64)>,
    /// When the messages before this one that were no answers came from them on this code.
    pub their_times_ms: Vec<i64>,
    /// Whether people talk with them on this code.
    pub conversation: Conversation,
}

/// Whether people talk with a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conversation {
    /// No.
    #[default]
    None,
    /// One has begun and is not closed.
    GoesOn,
}

/// What a code offers, as far as reading needs it.
#[derive(Debug, Clone, Copy)]
pub struct CodeFacts<'a> {
    /// The code.
    pub code: &'a Sender,
    /// The language it speaks to everybody of whom no other is known.
    pub language: Option<&'a str>,
    /// Its keywords, as the reader wants them.
    pub keywords: &'a [Keyword],
    /// What each of them starts.
    pub starts: &'a [Start<'a>],
    /// What takes a message that is neither a command nor an answer nor one of them.
    pub default: &'a Handler<'a>,
    /// Its programmes, for STOP with a word.
    pub programmes: &'a [String],
}

/// A word that starts something.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// The keyword, as configured.
    pub word: &'a str,
    /// Its language, where it is of one.
    pub language: Option<&'a str>,
    /// What it starts.
    pub handler: Handler<'a>,
}

impl Start<'_> {
    /// The word as the reader wants it.
    pub fn keyword(&self) -> Keyword {
        let opens = match self.handler {
            Handler::OptIn { .. } => Opens::OptIn,
            _ => Opens::Survey,
        };
        Keyword { word: self.word.to_owned(), opens }
    }
}

/// What takes a message.
#[derive(Debug, Clone)]
pub enum Handler<'a> {
    /// A survey begins.
    Survey {
        /// Its key.
        key: &'a str,
        /// Its questions.
        plan: &'a Plan,
    },
    /// It is consent.
    OptIn {
        /// What it opts into.
        scope: Scope,
        /// Whether the person is asked to confirm it.
        confirmed: Confirmed,
    },
    /// People read it.
    Inbox,
    /// It is answered with the HELP text.
    Help,
    /// It is kept, and nobody is told.
    Nobody,
}

/// Whether an opt-in by keyword has to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The word is enough.
    ByTheWord,
    /// We ask, and a yes in time confirms it.
    ByAYes,
}

/// One of the surveys of [`Known`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// By its place in [`Known::open`].
    Open(usize),
    /// By its place in [`Known::waiting`].
    Waiting(usize),
    /// [`Known::closed`].
    Closed,
}

/// What a message does to one survey.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Which.
    pub which: Which,
    /// How it stands now.
    pub progress: Progress,
    /// What is to be done.
    pub effects: Vec<Effect>,
}

/// A survey begun by the person.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its key.
    pub survey: String,
    /// How it stands.
    pub progress: Progress,
    /// What is to be done.
    pub effects: Vec<Effect>,
}

/// Which of the code's texts to send back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// The one confirmation of an opt-out.
    Stopped,
    /// The confirmation of an opt-in.
    Started,
    /// The question whether an opt-in is meant.
    Confirm,
    /// The answer to HELP.
    Help,
    /// The same, to words that did not ask for it.
    HelpByDefault,
}

impl Say {
    /// Why it is sent.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Stopped | Self::Started | Self::Confirm => Purpose::Confirmation,
            Self::Help => Purpose::Help,
            // Nobody asked: a STOP that comes meanwhile holds it back.
            Self::HelpByDefault => Purpose::Reply,
        }
    }
}

/// Whether people read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Whatever is said back.
    Always,
    /// Where nothing is said back and it does nothing by itself.
    IfUnanswered,
    /// Only where a survey hands it over.
    None,
}

/// Everything one message from a person does.
#[derive(Debug, Clone)]
pub struct Decision {
    /// How it was read.
    pub reading: Reading,
    /// A redelivery of a message already taken: nothing to do but answer the carrier.
    pub redelivery: bool,
    /// An opt-out to write.
    pub opt_out: Option<Scope>,
    /// Scopes opted into.
    pub opt_in: Vec<Scope>,
    /// An opt-in to ask a confirmation of; no consent yet.
    pub ask_opt_in: Option<Scope>,
    /// An opt-in that was asked about and is not meant; no consent.
    pub declined: Option<Scope>,
    /// The survey it was read against.
    pub about: Option<Which>,
    /// What it does to surveys.
    pub moved: Vec<Moved>,
    /// A survey it begins.
    pub begun: Option<Begun>,
    /// What to say back, beside what surveys say.
    pub say: Option<Say>,
    /// The language to answer in: that of the word the person used, else their own.
    pub answer_in: Option<String>,
    /// Whether people read it.
    pub readers: Readers,
    /// What a person who looks at the message should know.
    pub note: Option<&'static str>,
}

impl Decision {
    /// The answer it gives.
    pub fn answer(&self) -> Option<&Answer> {
        self.effects().find_map(|effect| match effect {
            Effect::Record(answer) => Some(answer),
            _ => None,
        })
    }

    /// Whether a question is put again because the answer could not be read.
    pub fn asks_again(&self) -> bool {
        self.effects().any(|effect| matches!(effect, Effect::Ask { how: Asking::Again { .. }, .. }))
    }

    fn effects(&self) -> impl Iterator<Item = &Effect> {
        let begun = self.begun.iter().flat_map(|begun| &begun.effects);
        self.moved.iter().flat_map(|moved| &moved.effects).chain(begun)
    }
}

impl Decision {
    /// Whether people should read it: handed over to them, or theirs by where it was sent and what it says.
    pub fn is_for_people(&self) -> bool {
        let command = self.opt_out.is_some() || !self.opt_in.is_empty() || self.ask_opt_in.is_some();
        let speaks = |effect: &Effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_));
        let handled = self.say.is_some() || self.begun.is_some() || self.effects().any(speaks);
        let handed_over = self.effects().any(|effect| matches!(effect, Effect::HandOver { .. }));
        let theirs = match self.readers {
            Readers::Always => true,
            Readers::IfUnanswered => !(command || handled || self.answer().is_some()),
            Readers::None => false,
        };
        !self.redelivery && (handed_over || theirs)
    }
}

/// What is noted of a message that gets no answer because its sender may be a robot.
pub const LOOP_NOTE: &str = "not answered: too many messages in a short time";

/// A digest of a message's octets (FNV-1a, 64 bits, in hexadecimal): the same today and tomorrow, on every node.
pub fn digest(octets: &[u8]) -> String {
    const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let hash = octets.iter().fold(BASIS, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

/// Reads a message and decides. `digest` is that of its text and octets.
pub fn decide(
    reader: &Reader,
    text: &str,
    digest: &str,
    received_ms: i64,
    known: &Known<'_>,
    facts: CodeFacts<'_>,
) -> Decision {
    let judge = Judge { reader, text, received_ms, known, facts };
    let (about, reading) = judge.read();
    let language = about.and_then(|which| judge.invited(which)?.language.clone()).or(known.language.clone());
    let language = judge.language(&reading, language);
    let mut decision = Decision {
        redelivery: is_redelivery(&reading, digest, received_ms, known),
        opt_out: None,
        opt_in: Vec::new(),
        ask_opt_in: None,
        declined: None,
        about,
        moved: Vec::new(),
        begun: None,
        say: None,
        answer_in: reading.language_hint.clone().or(language),
        readers: if matches!(facts.default, Handler::Inbox) { Readers::IfUnanswered } else { Readers::None },
        note: None,
        reading,
    };
    if decision.redelivery {
        return decision;
    }
    match &decision.reading.verdict {
        Verdict::OptOut { .. } if decision.reading.flags.contains(&Flag::Declined) => {
            decision.declined = known.pending.as_ref().map(|(scope, _)| scope.clone());
        }
        Verdict::OptOut { scope_word } => {
            let scope = scope_of_stop(text, scope_word.as_deref(), facts.code, facts.programmes);
            let already = known.opted_out.contains(&scope);
            if blocking_scopes(Purpose::Survey, facts.code, None, Stop::EndsAll).contains(&scope) {
                decision.moved = judge.stopped(about, decision.reading.kept_answer);
            }
            decision.opt_out = Some(scope);
            decision.say = (!already).then_some(Say::Stopped);
        }
        Verdict::OptIn => {
            let join = judge.started(&decision.reading).and_then(|start| match &start.handler {
                Handler::OptIn { scope, confirmed } => Some((scope.clone(), *confirmed)),
                _ => None,
            });
            let pending = known.pending.as_ref().filter(|(_, until_ms)| received_ms <= *until_ms);
            match (join, pending) {
                (Some((scope, Confirmed::ByAYes)), _) => {
                    decision.ask_opt_in = Some(scope);
                    decision.say = Some(Say::Confirm);
                }
                (Some((scope, Confirmed::ByTheWord)), _) => {
                    decision.opt_in = vec![scope];
                    decision.say = Some(Say::Started);
                }
                (None, Some((scope, _))) => {
                    decision.opt_in = vec![scope.clone()];
                    decision.say = Some(Say::Started);
                }
                (None, None) => {
                    decision.opt_in = scopes_of_start(text, facts.code, facts.programmes, &known.opted_out);
                    decision.say = Some(Say::Started);
                }
            }
        }
        Verdict::Help => decision.say = Some(Say::Help),
        Verdict::Answer(_) | Verdict::Ambiguous | Verdict::FreeText => judge.said(&mut decision),
    }
    if judge.is_blocked(Purpose::Reply) {
        mute(&mut decision);
    }
    let gets_on = decision.opt_out.is_some() || decision.answer().is_some();
    if !gets_on && is_loop(received_ms, known.their_times_ms.iter().copied()) {
        mute(&mut decision);
        decision.say = None;
        // A question that is not put is not open.
        decision.begun = None;
        decision.note = Some(LOOP_NOTE);
    }
    decision
}

/// Nothing is said to somebody who has stopped us, but the confirmation and HELP.
fn mute(decision: &mut Decision) {
    let speaks = |effect: &Effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_));
    for moved in &mut decision.moved {
        moved.effects.retain(|effect| !speaks(effect));
    }
    if let Some(begun) = &mut decision.begun {
        begun.effects.retain(|effect| !speaks(effect));
    }
}

fn is_redelivery(reading: &Reading, digest: &str, received_ms: i64, known: &Known<'_>) -> bool {
    known.their_last.as_ref().is_some_and(|(last, at)| {
        last == digest
            && (0..REDELIVERY_MS).contains(&(received_ms - at))
            && !known.open.iter().any(|one| answers_the_next(reading, &one.progress, *at, received_ms))
    })
}

/// Whether the same words again can be the answer to another question: the last message brought that one about, and there
/// was time to read it.
fn answers_the_next(reading: &Reading, progress: &Progress, last_ms: i64, received_ms: i64) -> bool {
    let begun_by_it = || progress.asked_ms == last_ms && matches!(reading.verdict, Verdict::Answer(_));
    progress.asked == 1
        && progress.trail.last().map_or_else(begun_by_it, |given| given.at_ms == last_ms)
        && received_ms - progress.asked_ms >= SOONEST_ANSWER_MS
}

#[cfg(test)]
mod tests;
