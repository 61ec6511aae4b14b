//! Reading a reply: what did the person mean, by which rule, and is there doubt?
mod answer;
mod candidates;
mod comply;
pub mod fold;
mod labels;
mod packs;
mod strip;

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Is a double opt-in request waiting for a yes?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingOptIn {
    /// No.
    None,
    /// Yes.
    Pending,
}

/// A keyword registered on the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// The word.
    pub word: String,
    /// It opts the person in (otherwise it opens a survey).
    pub opt_in: bool,
}

/// What is known when a reply arrives.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The contact's language.
    pub language: Option<&'a str>,
    /// The open question.
    pub question: Option<&'a Question>,
    /// Keywords of the sender.
    pub keywords: &'a [Keyword],
    /// Our last text to the person.
    pub our_last_text: Option<&'a str>,
    /// Double opt-in.
    pub pending_opt_in: PendingOptIn,
    /// Programmes that can be stopped one by one.
    pub programmes: &'a [String],
}

/// Kind of question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of several options.
    Choice {
        /// Labels by language and value.
        labels: BTreeMap<String, BTreeMap<i64, String>>,
        /// Allowed values.
        values: BTreeSet<i64>,
    },
    /// A whole number.
    Range {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
}

/// An open question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Key.
    pub key: String,
    /// Kind.
    pub kind: Kind,
    /// Keyword of the survey.
    pub keyword: Option<String>,
}

/// A value that could have been meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Value.
    pub value: i64,
    /// The words it was read from.
    pub text: String,
    /// How it was read.
    pub how: &'static str,
    /// Why it is not taken, if so.
    pub doubt: Option<&'static str>,
}

/// Marks on a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Flag {
    /// A reaction to our text.
    Tapback,
    /// A machine's answer.
    AutoReply,
    /// Text of a network.
    NetworkText,
    /// A signature was cut off.
    Signature,
    /// Quoted text was cut off.
    Quote,
    /// Words and score disagree.
    Contradiction,
    /// Abuse: for review.
    Hostile,
    /// Wrong number: unlink.
    WrongNumber,
    /// The answer is a correction.
    Correction,
}

/// What the reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An answer.
    Answer(i64),
    /// Stop.
    OptOut {
        /// Programme, if one was named.
        scope_word: Option<String>,
    },
    /// Start.
    OptIn,
    /// Help.
    Help,
    /// In doubt: ask once.
    Ambiguous,
    /// Words only.
    FreeText,
}

/// A reading with its reasons.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Verdict.
    pub verdict: Verdict,
    /// An answer kept beside an opt-out.
    pub kept_answer: Option<i64>,
    /// Words beside the answer.
    pub comment: Option<String>,
    /// The rule that decided.
    pub rule: &'static str,
    /// Values looked at.
    pub candidates: Vec<Candidate>,
    /// Language of the words, if they show it.
    pub language_hint: Option<String>,
    /// Marks.
    pub flags: Vec<Flag>,
}

impl Reading {
    /// The form the corpus uses.
    pub fn expected_form(&self) -> String {
        match &self.verdict {
            Verdict::Answer(n) => format!("answer:{n}"),
            Verdict::OptOut { .. } => "optout".into(),
            Verdict::OptIn => "optin".into(),
            Verdict::Help => "help".into(),
            Verdict::Ambiguous => "ambiguous".into(),
            Verdict::FreeText => "freetext".into(),
        }
    }
}

impl Question {
    /// Is the value one the question allows?
    pub fn allows(&self, n: i64) -> bool {
        match &self.kind {
            Kind::Choice { values, .. } => values.contains(&n),
            Kind::Range { min, max } => (*min..=*max).contains(&n),
        }
    }
}

/// The reader, with its word packs.
#[derive(Debug)]
pub struct Reader {
    packs: packs::Packs,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// Load the packs of the binary.
    pub fn new() -> Self {
        Reader { packs: packs::Packs::load() }
    }

    /// Version of rules and packs.
    pub fn version(&self) -> &str {
        "reply 1, packs of 2026-11"
    }

    /// Read one reply.
    pub fn read(&self, text: &str, ctx: &Context<'_>) -> Reading {
        let s = strip::strip(text, ctx.our_last_text);
        let mut r = Reading {
            verdict: Verdict::FreeText,
            kept_answer: None,
            comment: None,
            rule: "none",
            candidates: Vec::new(),
            language_hint: None,
            flags: s.flags,
        };
        if r.flags.iter().any(|f| matches!(f, Flag::Tapback | Flag::AutoReply | Flag::NetworkText)) {
            r.rule = "not_the_person";
            return r;
        }
        let lang = ctx.language.filter(|l| *l != "und").unwrap_or("");
        let lang = lang.split(['-', '_']).next().unwrap_or("");
        let toks = fold::tokens(&fold::fold(&s.text));
        let w = comply::Words { packs: &self.packs, lang };
        if let Some(f) = w.read(&toks, &s.text, ctx) {
            if matches!(f.verdict, Verdict::OptOut { .. }) {
                r.kept_answer = f.number.filter(|n| ctx.question.is_some_and(|q| q.allows(*n)));
                let k = fold::join(&toks);
                if k.contains("wrong number") || k.contains("wrong person") {
                    r.flags.push(Flag::WrongNumber);
                }
                if f.rule == "hostile" {
                    r.flags.push(Flag::Hostile);
                }
            }
            r.language_hint = comply::language_of(&self.packs, &toks, lang, &f.verdict);
            (r.verdict, r.rule) = (f.verdict, f.rule);
            return r;
        }
        answer::Grammar { packs: &self.packs, lang }.read(&toks, &s.text, ctx, &mut r);
        r
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The replies people really send, and what each must be read as.
    const ROWS: &str = include_str!("../../fixtures/replies/replies.csv");
    /// The questions behind them.
    const SURVEYS: &str = include_str!("../../fixtures/replies/surveys.toml");

    fn questions() -> BTreeMap<String, Question> {
        let surveys: toml::Table = SURVEYS.parse().unwrap();
        let question = |key: &str, survey: &toml::Value| {
            let number = |name: &str| survey.get(name).and_then(toml::Value::as_integer);
            let labels: BTreeMap<String, BTreeMap<i64, String>> = survey
                .get("labels")
                .and_then(toml::Value::as_table)
                .map(|languages| {
                    let one = |labels: &toml::Value| {
                        let labels = labels.as_table().unwrap().iter();
                        labels
                            .map(|(value, label)| {
                                (value.parse().unwrap(), label.as_str().unwrap().to_owned())
                            })
                            .collect()
                    };
                    languages.iter().map(|(language, labels)| (language.clone(), one(labels))).collect()
                })
                .unwrap_or_default();
            let kind = match (number("min"), number("max")) {
                (Some(min), Some(max)) => Kind::Range { min, max },
                _ => Kind::Choice { values: (1..=8).collect(), labels },
            };
            Question { key: key.to_owned(), kind, keyword: survey["keyword"].as_str().map(str::to_owned) }
        };
        surveys.iter().map(|(key, survey)| (key.clone(), question(key, survey))).collect()
    }

    fn context<'a>(
        language: &'a str,
        question: Option<&'a Question>,
        keywords: &'a [Keyword],
    ) -> Context<'a> {
        Context {
            language: Some(language),
            question,
            keywords,
            our_last_text: None,
            pending_opt_in: PendingOptIn::None,
            programmes: &[],
        }
    }

    #[test]
    fn the_shared_replies_are_read_right_and_nothing_is_guessed() {
        let (reader, questions) = (Reader::new(), questions());
        let keywords = [("JOIN", true), ("COFFEE", false)]
            .map(|(word, opt_in)| Keyword { word: word.to_owned(), opt_in });
        let (mut right, mut rows, mut missed) = (0, 0, Vec::new());
        for row in csv::Reader::from_reader(ROWS.as_bytes()).records().map(Result::unwrap) {
            let (text, language, open, expected) = (&row[0], &row[1], &row[2], &row[3]);
            let read = reader.read(text, &context(language, questions.get(open), &keywords)).expected_form();
            rows += 1;
            right += usize::from(read == expected);
            if read != expected {
                missed.push(format!("{text:?} ({language}, {open}): {read}, expected {expected}"));
            }
            let doubtful = ["ambiguous", "freetext"].contains(&expected);
            assert!(!(doubtful && read.starts_with("answer:")), "a value is guessed: {missed:?}");
            assert!(read != "optout" || expected == "optout", "a false opt-out: {missed:?}");
        }
        println!("{right} of {rows} right\n{}", missed.join("\n"));
        assert!(rows > 400 && right * 100 >= rows * 98, "{right} of {rows} right: {missed:#?}");
    }

    #[test]
    fn the_answer_follows_the_language_of_the_word() {
        let reader = Reader::new();
        let hint = |text, language| reader.read(text, &context(language, None, &[])).language_hint;
        assert_eq!(hint("BERHENTI", "en").as_deref(), Some("id"));
        assert_eq!(hint("BERHENTI", "id"), None);
        assert_eq!(hint("STOP", "id"), None, "STOP is known everywhere; the person's own language answers");
    }

    proptest::proptest! {
        #[test]
        fn no_text_upsets_the_reader(text in ".{0,60}") {
            static READER: std::sync::OnceLock<(Reader, BTreeMap<String, Question>)> = std::sync::OnceLock::new();
            let (reader, questions) = READER.get_or_init(|| (Reader::new(), questions()));
            let _ = reader.read(&text, &context("en", questions.get("support_0_5"), &[]));
        }
    }
}
