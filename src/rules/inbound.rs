//! What one message from a person does: the reading, and every effect it has, decided together and saved together.

use crate::message::{CampaignId, Purpose, Scope, Sender};
use crate::rules::consent::{Stop, scope_of_stop, scopes_of_start};
use crate::rules::reading::{Context, Flag, Keyword, PendingOptIn, Question, Reader, Reading, Verdict};

/// A carrier sends again what it believes unanswered, within minutes. The same words as the person's last message are
/// a redelivery inside this time. Should they really be said twice, nothing is lost: the words are kept already, and
/// the question stays open. Taken for new, a redelivery would use up the one time we may ask again.
pub const REDELIVERY_MS: i64 = 120_000;

/// The question that is open for this handset on this code.
#[derive(Debug, Clone)]
pub struct Open<'a> {
    /// Its campaign.
    pub campaign: CampaignId,
    /// What is asked.
    pub question: &'a Question,
    /// How often it was asked again already.
    pub asked_again: u32,
    /// How often it may be.
    pub asked_again_limit: u32,
    /// The contact's language.
    pub language: Option<String>,
}

/// What is known about a person on a code when they write.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// The open question, if any.
    pub open: Option<Open<'a>>,
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
}

/// What a code offers, as far as reading needs it.
#[derive(Debug, Clone, Copy)]
pub struct CodeFacts<'a> {
    /// The code.
    pub code: &'a Sender,
    /// Its keywords.
    pub keywords: &'a [Keyword],
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

/// The new state of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invitation {
    /// Answered.
    Answered,
    /// Asked once more.
    AskedAgain,
    /// Not readable as often as we may ask: closed, the words kept.
    Unreadable,
    /// Closed by an opt-out.
    OptedOut,
}

/// Which of the code's texts to send back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// The one confirmation of an opt-out.
    Stopped,
    /// The confirmation of an opt-in.
    Started,
    /// The question whether an opt-in is meant.
    Confirm,
    /// The answer to HELP.
    Help,
    /// Thanks for an answer.
    Thanks,
    /// The question again, naming what was read.
    AskAgain {
        /// What was read, in the person's own words; empty when nothing was.
        read: String,
    },
}

impl Say {
    /// Why it is sent.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Stopped | Self::Started | Self::Confirm => Purpose::Confirmation,
            Self::Help => Purpose::Help,
            Self::Thanks | Self::AskAgain { .. } => Purpose::Reply,
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
    /// An answer to register.
    pub answer: Option<i64>,
    /// What becomes of the open question.
    pub invitation: Option<Invitation>,
    /// What to say back, and in which language.
    pub say: Option<(Say, Option<String>)>,
}

impl Decision {
    /// Whether people should read it: neither an answer nor a command, and nothing we ask about once more.
    pub fn is_for_people(&self) -> bool {
        let command = self.opt_out.is_some() || !self.opt_in.is_empty() || self.ask_opt_in.is_some();
        let handled =
            matches!(self.say, Some((Say::Help | Say::Stopped | Say::Started | Say::AskAgain { .. }, _)));
        !self.redelivery && !command && !handled && self.answer.is_none()
    }
}

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
    let language =
        known.open.as_ref().and_then(|open| open.language.clone()).or_else(|| known.language.clone());
    let reading = reader.read(
        text,
        &Context {
            language: language.as_deref(),
            question: known.open.as_ref().map(|open| open.question),
            keywords: facts.keywords,
            our_last_text: known.our_last_text.as_deref(),
            pending_opt_in: match &known.pending {
                Some((_, until_ms)) if received_ms <= *until_ms => PendingOptIn::Asked,
                _ => PendingOptIn::None,
            },
            programmes: facts.programmes,
        },
    );
    let mut decision = Decision {
        redelivery: is_redelivery(digest, received_ms, known),
        opt_out: None,
        opt_in: Vec::new(),
        ask_opt_in: None,
        declined: None,
        answer: None,
        invitation: None,
        say: None,
        reading,
    };
    if decision.redelivery {
        return decision;
    }
    // A person is answered in the language of the word they used, else in their own.
    let answer_in = decision.reading.language_hint.clone().or(language);
    match &decision.reading.verdict {
        Verdict::OptOut { .. } if decision.reading.flags.contains(&Flag::Declined) => {
            decision.declined = known.pending.as_ref().map(|(scope, _)| scope.clone());
        }
        Verdict::OptOut { scope_word } => {
            let scope = scope_of_stop(text, scope_word.as_deref(), facts.code, facts.programmes);
            let already = known.opted_out.contains(&scope);
            decision.answer = decision.reading.kept_answer.filter(|_| known.open.is_some());
            decision.invitation = known.open.is_some().then_some(Invitation::OptedOut);
            decision.opt_out = Some(scope);
            decision.say = (!already).then_some((Say::Stopped, answer_in));
        }
        Verdict::OptIn => {
            let join = facts.joins.iter().find(|join| is_the_word(text, &join.word));
            let pending = known.pending.as_ref().filter(|(_, until_ms)| received_ms <= *until_ms);
            match (join, pending) {
                (Some(Join { confirmed: Confirmed::ByAYes, scope, .. }), _) => {
                    decision.ask_opt_in = Some(scope.clone());
                    decision.say = Some((Say::Confirm, answer_in));
                }
                (Some(join), _) => {
                    decision.opt_in = vec![join.scope.clone()];
                    decision.say = Some((Say::Started, answer_in));
                }
                (None, Some((scope, _))) => {
                    decision.opt_in = vec![scope.clone()];
                    decision.say = Some((Say::Started, answer_in));
                }
                (None, None) => {
                    decision.opt_in = scopes_of_start(text, facts.code, facts.programmes, &known.opted_out);
                    decision.say = Some((Say::Started, answer_in));
                }
            }
        }
        Verdict::Help => decision.say = Some((Say::Help, answer_in)),
        Verdict::Answer(value) => {
            if known.open.is_some() {
                decision.answer = Some(*value);
                decision.invitation = Some(Invitation::Answered);
                decision.say = Some((Say::Thanks, answer_in));
            }
        }
        Verdict::Ambiguous | Verdict::FreeText => ask_again_or_close(&mut decision, text, known, answer_in),
    }
    if blocked(&decision, known, facts.code) {
        decision.say = None;
    }
    decision
}

/// Whether a message is this one word.
fn is_the_word(text: &str, word: &str) -> bool {
    let said = text.trim_matches(|sign: char| !sign.is_alphanumeric());
    said.to_lowercase() == word.to_lowercase()
}

/// Asks once more, naming what was read; after that the words are kept and the question closes in silence.
fn ask_again_or_close(decision: &mut Decision, text: &str, known: &Known<'_>, answer_in: Option<String>) {
    let Some(open) = &known.open else { return };
    if decision.reading.wants_no_reply() {
        return;
    }
    if open.asked_again < open.asked_again_limit {
        let read = if decision.reading.verdict == Verdict::Ambiguous { quoted(text) } else { String::new() };
        decision.invitation = Some(Invitation::AskedAgain);
        decision.say = Some((Say::AskAgain { read }, answer_in));
    } else {
        decision.invitation = Some(Invitation::Unreadable);
    }
}

/// Longest quotation of a person's own words in our question, so that it stays one part.
const QUOTED_CHARS: usize = 24;

fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUOTED_CHARS {
        return line;
    }
    line.chars().take(QUOTED_CHARS - 3).collect::<String>().trim_end().to_owned() + "..."
}

fn is_redelivery(digest: &str, received_ms: i64, known: &Known<'_>) -> bool {
    known
        .their_last
        .as_ref()
        .is_some_and(|(last, at)| last == digest && (0..REDELIVERY_MS).contains(&(received_ms - at)))
}

/// A reply of ours does not go to somebody who has stopped us, the confirmation and HELP apart.
fn blocked(decision: &Decision, known: &Known<'_>, code: &Sender) -> bool {
    decision.say.as_ref().is_some_and(|(say, _)| {
        let scopes = crate::rules::consent::blocking_scopes(say.purpose(), code, None, Stop::EndsAll);
        known.opted_out.iter().any(|scope| scopes.contains(scope))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reading::Kind;

    fn question() -> Question {
        let labels = [(3, "too expensive"), (8, "other")].map(|(value, label)| (value, label.to_owned()));
        Question {
            key: "exit".into(),
            kind: Kind::Choice {
                labels: [("en".to_owned(), labels.into_iter().collect())].into_iter().collect(),
                values: (1..=8).collect(),
            },
            keyword: None,
            asked: vec![],
        }
    }

    fn decide_on(text: &str, known: &Known<'_>) -> Decision {
        let code = Sender("88001".into());
        let facts = CodeFacts { code: &code, keywords: &[], programmes: &[], joins: &[] };
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
        let facts = CodeFacts { code: &code, keywords: &keywords, programmes: &[], joins: &joins };
        decide(&Reader::built_in(), text, "seven", 1_000_000, known, facts)
    }

    #[test]
    fn a_keyword_with_double_opt_in_asks_and_only_a_yes_in_time_is_consent() {
        let promo = Scope::Programme("promo".into());
        let asked = decide_with_joins("join", &Known::default());
        assert_eq!(asked.ask_opt_in, Some(promo.clone()));
        assert!(asked.opt_in.is_empty(), "no consent yet");
        assert!(matches!(asked.say, Some((Say::Confirm, _))));

        let pending = |until_ms| Known { pending: Some((promo.clone(), until_ms)), ..Known::default() };
        let confirmed = decide_with_joins("YES", &pending(1_000_000));
        assert_eq!(confirmed.opt_in, [promo.clone()]);
        assert!(matches!(confirmed.say, Some((Say::Started, _))));
        for language in [
            "id", "ro", "es", "fr", "de", "it", "pt", "nl", "pl", "tr", "ru", "ar", "hi", "zh", "vi", "sw",
            "tl",
        ] {
            let known = Known { language: Some(language.into()), ..pending(1_000_000) };
            assert_eq!(decide_with_joins("YES", &known).opt_in, [promo.clone()], "{language}");
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

    fn open(question: &Question, asked_again: u32) -> Known<'_> {
        Known {
            open: Some(Open {
                campaign: CampaignId("exit".into()),
                question,
                asked_again,
                asked_again_limit: 1,
                language: Some("en".into()),
            }),
            ..Known::default()
        }
    }

    #[test]
    fn an_answer_closes_the_question_and_is_thanked() {
        let question = question();
        let decision = decide_on("3 - too expensive", &open(&question, 0));
        assert_eq!(decision.answer, Some(3));
        assert_eq!(decision.invitation, Some(Invitation::Answered));
        assert!(matches!(decision.say, Some((Say::Thanks, _))));
    }

    #[test]
    fn a_doubtful_reply_is_asked_about_once_naming_it_and_then_left_alone() {
        let question = question();
        let first = decide_on("5 - too expensive", &open(&question, 0));
        assert_eq!(first.answer, None);
        assert_eq!(first.invitation, Some(Invitation::AskedAgain));
        assert_eq!(first.say.map(|(say, _)| say), Some(Say::AskAgain { read: "5 - too expensive".into() }));
        let second = decide_on("3 and 7", &open(&question, 1));
        assert_eq!((second.answer, second.invitation), (None, Some(Invitation::Unreadable)));
        assert_eq!(second.say, None);
    }

    #[test]
    fn stop_with_a_number_opts_out_and_keeps_the_answer() {
        let question = question();
        let decision = decide_on("3 STOP", &open(&question, 0));
        assert_eq!(decision.opt_out, Some(Scope::Sender("88001".into())));
        assert_eq!(decision.answer, Some(3));
        assert_eq!(decision.invitation, Some(Invitation::OptedOut));
        assert!(matches!(decision.say, Some((Say::Stopped, _))));
    }

    #[test]
    fn a_second_stop_is_not_confirmed_again() {
        let known = Known { opted_out: vec![Scope::Sender("88001".into())], ..Known::default() };
        let decision = decide_on("STOP", &known);
        assert!(decision.opt_out.is_some());
        assert_eq!(decision.say, None);
    }

    #[test]
    fn help_is_answered_even_to_somebody_who_has_stopped_us_and_a_question_stays_open() {
        let question = question();
        let known = Known { opted_out: vec![Scope::Sender("88001".into())], ..open(&question, 0) };
        let decision = decide_on("HELP", &known);
        assert!(matches!(decision.say, Some((Say::Help, _))));
        assert_eq!(decision.invitation, None);
    }

    #[test]
    fn somebody_who_has_stopped_us_is_not_asked_again_or_thanked() {
        let question = question();
        let known = Known { opted_out: vec![Scope::Sender("88001".into())], ..open(&question, 0) };
        assert_eq!(decide_on("3", &known).say, None);
        assert_eq!(decide_on("3 and 7", &known).say, None);
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
        let question = question();
        let known = Known { their_last: Some(("seven".into(), 1_000_000 - 30_000)), ..open(&question, 1) };
        let decision = decide_on("3 and 7", &known);
        assert!(decision.redelivery);
        assert_eq!((decision.invitation, decision.say), (None, None));
        let known =
            Known { their_last: Some(("seven".into(), 1_000_000 - REDELIVERY_MS)), ..open(&question, 1) };
        assert!(!decide_on("3 and 7", &known).redelivery);
    }

    #[test]
    fn a_reaction_or_an_auto_reply_is_not_answered() {
        let question = question();
        for text in ["Liked “Why are you leaving? Reply 1-8.”", "I'm driving right now and will reply at 5"]
        {
            let decision = decide_on(text, &open(&question, 0));
            assert_eq!((decision.answer, decision.say), (None, None), "{text}");
        }
    }
}
