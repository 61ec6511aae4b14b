//! What one message from a person does: the reading, and every effect it has, decided together and saved together.

mod judge;

use crate::message::{Purpose, Scope, Sender};
use crate::rules::consent::{Stop, blocking_scopes, scope_of_stop, scopes_of_start};
use crate::rules::loops::is_loop;
use crate::rules::reading::{Flag, Keyword, Reader, Reading, Verdict};
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
}

/// What a code offers, as far as reading needs it.
#[derive(Debug, Clone, Copy)]
pub struct CodeFacts<'a> {
    /// The code.
    pub code: &'a Sender,
    /// Its keywords.
    pub keywords: &'a [Keyword],
    /// Surveys that some of them start.
    pub starts: &'a [Start<'a>],
    /// Its programmes, for STOP with a word.
    pub programmes: &'a [String],
    /// The keywords that are an opt-in.
    pub joins: &'a [Join],
}

/// A keyword that is an opt-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The word.
    pub word: String,
    /// What it opts into.
    pub scope: Scope,
    /// Whether the person is asked to confirm it.
    pub confirmed: Confirmed,
}

/// Whether an opt-in by keyword has to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The word is enough.
    ByTheWord,
    /// We ask, and a yes in time confirms it.
    ByAYes,
}

/// A survey that a keyword starts.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The keyword, as configured.
    pub word: &'a str,
    /// The survey's key.
    pub survey: &'a str,
    /// Its questions.
    pub plan: &'a Plan,
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
}

impl Say {
    /// Why it is sent.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Stopped | Self::Started | Self::Confirm => Purpose::Confirmation,
            Self::Help => Purpose::Help,
        }
    }
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
    /// Whether people should read it: handed over to them, or neither an answer nor a command nor anything we answer.
    pub fn is_for_people(&self) -> bool {
        let command = self.opt_out.is_some() || !self.opt_in.is_empty() || self.ask_opt_in.is_some();
        let speaks = |effect: &Effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_));
        let handled = self.say.is_some() || self.begun.is_some() || self.effects().any(speaks);
        let handed_over = self.effects().any(|effect| matches!(effect, Effect::HandOver { .. }));
        !self.redelivery && (handed_over || !(command || handled || self.answer().is_some()))
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
    let mut decision = Decision {
        redelivery: is_redelivery(digest, received_ms, known),
        opt_out: None,
        opt_in: Vec::new(),
        ask_opt_in: None,
        declined: None,
        about,
        moved: Vec::new(),
        begun: None,
        say: None,
        answer_in: reading.language_hint.clone().or(language),
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
            let join = facts.joins.iter().find(|join| is_the_word(text, &join.word));
            let pending = known.pending.as_ref().filter(|(_, until_ms)| received_ms <= *until_ms);
            match (join, pending) {
                (Some(Join { confirmed: Confirmed::ByAYes, scope, .. }), _) => {
                    decision.ask_opt_in = Some(scope.clone());
                    decision.say = Some(Say::Confirm);
                }
                (Some(join), _) => {
                    decision.opt_in = vec![join.scope.clone()];
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
        decision.note = Some(LOOP_NOTE);
    }
    decision
}

/// Whether a message is this one word.
fn is_the_word(text: &str, word: &str) -> bool {
    let said = text.trim_matches(|sign: char| !sign.is_alphanumeric());
    said.to_lowercase() == word.to_lowercase()
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

fn is_redelivery(digest: &str, received_ms: i64, known: &Known<'_>) -> bool {
    known.their_last.as_ref().is_some_and(|(last, at)| {
        last == digest
            && (0..REDELIVERY_MS).contains(&(received_ms - at))
            && !known.open.iter().any(|one| answers_the_next(&one.progress, *at, received_ms))
    })
}

/// Whether the same words again can be the answer to another question: the last message brought that one about, and there
/// was time to read it.
fn answers_the_next(progress: &Progress, last_ms: i64, received_ms: i64) -> bool {
    progress.asked == 1
        && progress.trail.last().is_some_and(|given| given.at_ms == last_ms)
        && received_ms - progress.asked_ms >= SOONEST_ANSWER_MS
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::message::InvitationState;
    use crate::rules::reading::{Kind, Question};
    use crate::rules::survey::{Given, Item, Need, Span, Target, Word};

    static PLAN: LazyLock<Plan> = LazyLock::new(plan);

    /// The exit survey, as far as these tests go.
    fn plan() -> Plan {
        let labels = [(3, "too expensive"), (8, "other")].map(|(value, label)| (value, label.to_owned()));
        let question = Question {
            key: "exit".into(),
            kind: Kind::Choice {
                labels: [("en".to_owned(), labels.into_iter().collect())].into_iter().collect(),
                values: (1..=8).collect(),
            },
            keyword: None,
            asked: Vec::new(),
        };
        let item = Item {
            question,
            need: Need::Required,
            reask_limit: 1,
            within: Span::ALL,
            next: Vec::new(),
            otherwise: Target::End,
            notify: Vec::new(),
            hand_over: Vec::new(),
            calls: None,
        };
        Plan {
            items: vec![item],
            expires_after_ms: 86_400_000,
            reminders: 0,
            remind_after_ms: 3_600_000,
            late_within_ms: 86_400_000,
            change_within_ms: 900_000,
            enough: 1,
            skip: Default::default(),
            decline: Default::default(),
        }
    }

    fn decide_on(text: &str, known: &Known<'_>) -> Decision {
        let code = Sender("88001".into());
        let facts = CodeFacts { code: &code, keywords: &[], starts: &[], programmes: &[], joins: &[] };
        decide(&Reader::built_in(), text, "seven", 1_000_000, known, facts)
    }

    fn decide_with_joins(text: &str, known: &Known<'_>) -> Decision {
        let code = Sender("88001".into());
        let keyword = |word: &str| Keyword { word: word.into(), opens: crate::rules::reading::Opens::OptIn };
        let join = |word: &str, name: &str, confirmed| Join {
            word: word.into(),
            scope: Scope::Programme(name.into()),
            confirmed,
        };
        let joins = [join("JOIN", "promo", Confirmed::ByAYes), join("NEWS", "news", Confirmed::ByTheWord)];
        let keywords = [keyword("JOIN"), keyword("NEWS")];
        let facts =
            CodeFacts { code: &code, keywords: &keywords, starts: &[], programmes: &[], joins: &joins };
        decide(&Reader::built_in(), text, "seven", 1_000_000, known, facts)
    }

    #[test]
    fn a_keyword_with_double_opt_in_asks_and_only_a_yes_in_time_is_consent() {
        let promo = Scope::Programme("promo".into());
        let asked = decide_with_joins("join", &Known::default());
        assert_eq!(asked.ask_opt_in, Some(promo.clone()));
        assert!(asked.opt_in.is_empty(), "no consent yet");
        assert_eq!(asked.say, Some(Say::Confirm));

        let pending = |until_ms| Known { pending: Some((promo.clone(), until_ms)), ..Known::default() };
        let confirmed = decide_with_joins("YES", &pending(1_000_000));
        assert_eq!(confirmed.opt_in, std::slice::from_ref(&promo));
        assert_eq!(confirmed.say, Some(Say::Started));
        for language in [
            "id", "ro", "es", "fr", "de", "it", "pt", "nl", "pl", "tr", "ru", "ar", "hi", "zh", "vi", "sw",
            "tl",
        ] {
            let known = Known { language: Some(language.into()), ..pending(1_000_000) };
            assert_eq!(decide_with_joins("YES", &known).opt_in, std::slice::from_ref(&promo), "{language}");
        }
        let late = decide_with_joins("YES", &pending(999_999));
        assert!(late.opt_in.is_empty(), "too late");
        let declined = decide_with_joins("NO", &pending(1_000_000));
        assert_eq!((declined.declined, declined.opt_out), (Some(promo), None));
        assert!(declined.opt_in.is_empty());
        assert_eq!(declined.say, None);
    }

    #[test]
    fn stop_while_an_opt_in_waits_is_a_stop() {
        let known =
            Known { pending: Some((Scope::Programme("promo".into()), 2_000_000)), ..Known::default() };
        let decision = decide_with_joins("STOP", &known);
        assert_eq!(decision.opt_out, Some(Scope::Sender("88001".into())));
    }

    #[test]
    fn a_keyword_without_double_opt_in_is_consent_to_its_programme() {
        let decision = decide_with_joins("News", &Known::default());
        assert_eq!(decision.opt_in, [Scope::Programme("news".into())]);
    }

    fn open(asked: u32) -> Known<'static> {
        let progress = Progress { asked, ..Progress::opened(&PLAN, 900_000) };
        let invited = Invited { survey: "exit", plan: &PLAN, progress, language: Some("en".into()) };
        Known { open: vec![invited], ..Known::default() }
    }

    fn stopped_us() -> Known<'static> {
        Known { opted_out: vec![Scope::Sender("88001".into())], ..open(1) }
    }

    fn state(decision: &Decision) -> Option<InvitationState> {
        decision.moved.first().map(|moved| moved.progress.state)
    }

    fn answered(decision: &Decision) -> Option<i64> {
        decision.answer().map(|answer| answer.value)
    }

    #[test]
    fn an_answer_closes_the_question_and_is_thanked() {
        let decision = decide_on("3 - too expensive", &open(1));
        assert_eq!(answered(&decision), Some(3));
        assert_eq!(state(&decision), Some(InvitationState::Complete));
        assert_eq!(decision.moved[0].effects.last(), Some(&Effect::Say(Word::Thanks { item: 0 })));
    }

    #[test]
    fn a_doubtful_reply_is_asked_about_once_naming_it_and_then_left_to_people() {
        let first = decide_on("5 - too expensive", &open(1));
        assert_eq!((answered(&first), state(&first)), (None, Some(InvitationState::Open)));
        let again = Effect::Ask { item: 0, how: Asking::Again { read: "5 - too expensive".into() } };
        assert_eq!(first.moved[0].effects, [again]);
        let second = decide_on("3 and 7", &open(2));
        assert_eq!((answered(&second), state(&second)), (None, Some(InvitationState::Unreadable)));
        assert_eq!(
            second.moved[0].effects,
            [Effect::HandOver { question: "exit".into(), why: "unreadable" }],
            "nothing more is said"
        );
    }

    #[test]
    fn stop_with_a_number_opts_out_and_keeps_the_answer() {
        let decision = decide_on("3 STOP", &open(1));
        assert_eq!(decision.opt_out, Some(Scope::Sender("88001".into())));
        assert_eq!((answered(&decision), state(&decision)), (Some(3), Some(InvitationState::OptedOut)));
        assert_eq!(decision.say, Some(Say::Stopped));
    }

    #[test]
    fn a_second_stop_is_not_confirmed_again() {
        let decision = decide_on("STOP", &stopped_us());
        assert!(decision.opt_out.is_some());
        assert_eq!(decision.say, None);
    }

    #[test]
    fn help_is_answered_even_to_somebody_who_has_stopped_us_and_a_question_stays_open() {
        let decision = decide_on("HELP", &stopped_us());
        assert_eq!(decision.say, Some(Say::Help));
        assert!(decision.moved.is_empty());
    }

    #[test]
    fn somebody_who_has_stopped_us_is_not_asked_again_or_thanked() {
        for text in ["3", "3 and 7"] {
            let decision = decide_on(text, &stopped_us());
            let speaks = |effect: &&Effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_));
            assert_eq!(decision.moved[0].effects.iter().find(speaks), None, "{text}");
        }
    }

    #[test]
    fn only_its_own_words_opt_somebody_back_in() {
        let known = Known { opted_out: vec![Scope::Sender("88001".into())], ..Known::default() };
        assert!(decide_on("hello, are you there", &known).opt_in.is_empty());
        assert!(decide_on("3", &known).opt_in.is_empty());
        assert_eq!(decide_on("START", &known).opt_in, [Scope::Sender("88001".into())]);
    }

    #[test]
    fn the_same_words_within_minutes_are_a_redelivery_and_later_a_new_message() {
        let known = Known { their_last: Some(("seven".into(), 1_000_000 - 30_000)), ..open(2) };
        let decision = decide_on("3 and 7", &known);
        assert!(decision.redelivery && decision.moved.is_empty());
        let known = Known { their_last: Some(("seven".into(), 1_000_000 - REDELIVERY_MS)), ..open(2) };
        assert!(!decide_on("3 and 7", &known).redelivery);
    }

    #[test]
    fn the_same_answer_to_the_next_question_is_an_answer_once_there_was_time_to_read_it() {
        let asked_ms = 1_000_000 - SOONEST_ANSWER_MS;
        let mut known = Known { their_last: Some(("seven".into(), asked_ms)), ..open(1) };
        let given = |at_ms| Given { question: "before".into(), value: 7, at_ms };
        known.open[0].progress.asked_ms = asked_ms;
        known.open[0].progress.trail = vec![given(asked_ms)];
        let decision = decide_on("7", &known);
        assert!(!decision.redelivery && decision.answer().is_some());
        known.open[0].progress.asked_ms += 1;
        assert!(decide_on("7", &known).redelivery, "nobody answers that fast");
        known.open[0].progress.asked_ms = asked_ms;
        known.open[0].progress.trail = vec![given(asked_ms - 60_000)];
        assert!(decide_on("7", &known).redelivery, "it was not what brought the question about");
    }

    #[test]
    fn two_robots_fall_silent_and_stop_is_heard_all_the_same() {
        let known =
            Known { their_times_ms: (1..=10).map(|n| 1_000_000 - n * 30_000).collect(), ..Known::default() };
        let robot = decide_on("HELP", &known);
        assert_eq!((robot.say, robot.note), (None, Some(LOOP_NOTE)));
        let stop = decide_on("STOP", &known);
        assert!(stop.opt_out.is_some() && stop.say == Some(Say::Stopped));
    }

    #[test]
    fn a_reaction_or_an_auto_reply_is_not_answered() {
        for text in ["Liked “Why are you leaving? Reply 1-8.”", "I'm driving right now and will reply at 5"]
        {
            let decision = decide_on(text, &open(1));
            assert!(decision.moved.is_empty() && decision.say.is_none(), "{text}");
        }
    }
}
