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
        "reader-b 1 / words 2 / numbers 2"
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
            (r.verdict, r.rule) = (f.verdict, f.rule);
            return r;
        }
        answer::Grammar { packs: &self.packs, lang }.read(&toks, &s.text, ctx, &mut r);
        r
    }
}
