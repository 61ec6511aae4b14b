//! Reading a reply: what a person texted back, read against the question that is open.
//!
//! The order is fixed: what is not the reply is stripped, the rest folded; stop, help and start come first, with guards;
//! then the open question's own grammar lists every candidate; one clear candidate is taken, anything else is asked about.
//! All of it is pure: same text, same context and same packs give the same [`Reading`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Range,
    sync::{Arc, LazyLock},
};

use serde::Serialize;

pub use self::packs::{PackError, PackTexts};
use self::{compliance::Compliance, lexicon::Lexicon, strip::Strip};

mod against;
mod compliance;
mod date;
mod decide;
mod digits;
mod doubt;
mod fold;
mod foreign;
mod grammar;
mod items;
mod labels;
mod lexica;
mod lexicon;
mod numerals;
mod packs;
mod phrases;
mod scales;
mod slips;
mod speech;
mod spelling;
mod strip;
mod tokens;
mod turned;
mod view;

#[cfg(test)]
mod scored;

/// Longest reply read, in characters: ten parts of UCS-2. What is behind it is kept as words and not looked at.
pub const LONGEST_READ: usize = 670;

/// Reads replies. Built once from the packs, shared by all.
pub struct Reader {
    version: String,
    compliance: Compliance,
    lexica: BTreeMap<String, Lexicon>,
    /// Number words that are one number in every language that has them.
    anywhere: HashMap<String, i64>,
    strip: Strip,
}

/// What is known about the person and the conversation when the reply comes in.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// The contact's language, ISO 639-1; a region behind it is ignored. `None` or `und`: not known.
    pub language: Option<&'a str>,
    /// The question that is open for this handset on this sender.
    pub question: Option<&'a Question>,
    /// Words of this sender that open something.
    pub keywords: &'a [Keyword],
    /// Our last text to this person: reactions and copies of it are not replies.
    pub our_last_text: Option<&'a str>,
    /// Have we asked this person to confirm an opt-in?
    pub pending_opt_in: PendingOptIn,
    /// Programmes that can be named behind STOP.
    pub programmes: &'a [String],
}

/// Whether a double opt-in waits for its confirmation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PendingOptIn {
    /// Nothing was asked: yes and no are answers to something else.
    #[default]
    None,
    /// Yes confirms, no declines.
    Asked,
}

/// A word of a sender that opens something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// The word, in any case.
    pub word: String,
    /// What it opens.
    pub opens: Opens,
}

/// What a keyword opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// A subscription: the word alone is an opt-in.
    OptIn,
    /// A survey, an inbox or another account: the words are kept and handed on.
    Survey,
}

/// An open question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its name in the survey.
    pub key: String,
    /// What it takes.
    pub kind: Kind,
    /// The survey's keyword, which may stand before the answer (`EXIT 3`).
    pub keyword: Option<String>,
    /// The texts it was asked in: a reply that repeats one is no answer.
    pub asked: Vec<String>,
}

/// What a question takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of numbered options.
    Choice {
        /// The options' words by language (ISO 639-1), then by value.
        labels: BTreeMap<String, BTreeMap<i64, String>>,
        /// The options.
        values: BTreeSet<i64>,
    },
    /// A score.
    Range {
        /// Lowest.
        min: i64,
        /// Highest.
        max: i64,
    },
    /// Yes (1) or no (0).
    YesNo,
    /// Any words: they are the answer.
    FreeText,
    /// Any whole number.
    Number,
    /// A calendar day, as the number YYYYMMDD.
    Date,
}

/// What a reply was read as, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it means.
    pub verdict: Verdict,
    /// The answer in a reply that also opts out (`3 STOP`).
    pub kept_answer: Option<i64>,
    /// The words beside an answer, as written.
    pub comment: Option<String>,
    /// The rule that decided.
    pub rule: &'static str,
    /// Everything that could have been the answer, in the order of the text.
    pub candidates: Vec<Candidate>,
    /// Language of the word that decided (`BERHENTI`: `id`): confirm in it.
    pub language_hint: Option<String>,
    /// What else is to be known.
    pub flags: Vec<Flag>,
}

/// What a reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer to the open question.
    Answer(i64),
    /// No more messages.
    OptOut {
        /// The programme, keyword or record named with it, folded; `None`: all of this sender.
        scope_word: Option<String>,
    },
    /// Messages wanted.
    OptIn,
    /// Help, or who is this.
    Help,
    /// It holds a value or a word that could be taken wrongly: record nothing, ask once.
    Ambiguous,
    /// Words: keep them. See [`Reading::wants_no_reply`].
    FreeText,
}

/// A possible answer in a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its value.
    pub value: i64,
    /// Where it stands: bytes of the text as received.
    pub span: Range<usize>,
    /// How it was read, or why it was not taken.
    pub rule: &'static str,
}

/// What else is to be known about a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flag {
    /// A phone or an office answered by itself.
    AutoReply,
    /// A reaction to a message of ours, arrived as text.
    Reaction,
    /// Our own text came back.
    Echo,
    /// A network or a robot wrote.
    Notice,
    /// The wrong person was reached: unlink the number from the record.
    WrongNumber,
    /// The number or data is to be deleted: open a case.
    Erasure,
    /// Hostile.
    Hostile,
    /// Holds a stop word that was not taken for an opt-out: a person should look, and the answer repeats how to stop.
    StopMentioned,
    /// Wants to leave the service: hand over.
    ServiceCancel,
    /// The words contradict the score.
    Contradictory,
    /// An earlier value in the same reply was corrected.
    Corrected,
    /// No question is open: perhaps a late answer.
    LateAnswer,
    /// A pending opt-in was declined.
    Declined,
    /// Begins with this keyword, folded: hand the reply to what it opens.
    Keyword(String),
    /// Longer than [`LONGEST_READ`]: only the beginning was read.
    Truncated,
}

impl Reader {
    /// A reader with the packs compiled in.
    ///
    /// # Panics
    /// If a compiled-in pack is malformed, which a test keeps from happening.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the packs are part of the program")]
    pub fn new() -> Self {
        Self::from_texts(&PackTexts::BUILT_IN).expect("the compiled-in packs are well formed")
    }

    /// The one with the packs compiled in that this process shares: making one takes a good part of a second.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Reader>> = LazyLock::new(|| Arc::new(Reader::new()));
        Arc::clone(&BUILT_IN)
    }

    /// A reader with these packs.
    ///
    /// # Errors
    /// The first pack that is malformed, with the place.
    pub fn from_texts(texts: &PackTexts<'_>) -> Result<Self, PackError> {
        let words: packs::WordsPack = packs::parse("words", texts.words)?;
        let numbers: packs::NumbersPack = packs::parse("numbers", texts.numbers)?;
        let phrases: packs::PhrasesPack = packs::parse("phrases", texts.phrases)?;
        let grammar: packs::GrammarPack = packs::parse("grammar", texts.grammar)?;
        let noise: packs::NoisePack = packs::parse("noise", texts.noise)?;
        let languages: BTreeSet<&String> =
            words.languages.keys().chain(numbers.languages.keys()).chain(grammar.languages.keys()).collect();
        let lexica: BTreeMap<String, Lexicon> = languages
            .into_iter()
            .map(|language| {
                let of = words.languages.get(language);
                let polite: Vec<String> =
                    of.map(|of| [of.polite_filler.as_slice(), &of.added_polite].concat()).unwrap_or_default();
                (
                    language.clone(),
                    Lexicon::new(
                        language,
                        grammar.languages.get(language),
                        numbers.languages.get(language),
                        &polite,
                    ),
                )
            })
            .collect();
        let speeches = speech::all(&words.languages, &phrases.languages, &grammar.languages, &phrases.glued)?;
        Ok(Self {
            version: texts.version(&words.checked),
            compliance: Compliance::new(speeches, &words),
            anywhere: one_number_everywhere(&lexica),
            lexica,
            strip: Strip::new(&noise),
        })
    }

    /// Date and digest of the packs, to be stored with each reading.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads a reply.
    #[must_use]
    pub fn read(&self, text: &str, context: &Context<'_>) -> Reading {
        decide::read(self, text, context)
    }

    /// Is this label a stop, help or start word of any language? Such a label makes a survey ambiguous.
    #[must_use]
    pub fn is_reserved(&self, label: &str) -> bool {
        self.compliance.is_reserved(label)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reading {
    /// The verdict in the words of the test rows: `answer:3`, `optout`, `optin`, `help`, `ambiguous`, `freetext`.
    #[must_use]
    pub fn expected_form(&self) -> String {
        match &self.verdict {
            Verdict::Answer(value) => format!("answer:{value}"),
            Verdict::OptOut { .. } => "optout".to_owned(),
            Verdict::OptIn => "optin".to_owned(),
            Verdict::Help => "help".to_owned(),
            Verdict::Ambiguous => "ambiguous".to_owned(),
            Verdict::FreeText => "freetext".to_owned(),
        }
    }

    /// Nobody wrote this (a robot, a reaction, our own text): to answer would start a loop.
    #[must_use]
    pub fn wants_no_reply(&self) -> bool {
        self.flags
            .iter()
            .any(|flag| matches!(flag, Flag::AutoReply | Flag::Reaction | Flag::Echo | Flag::Notice))
    }
}

/// A keyword as [`Flag::Keyword`] has it.
#[must_use]
pub fn folded_word(word: &str) -> String {
    strip::folded_word(word)
}

/// The folded text: what all comparison is made on. Folding twice gives what folding once gives.
#[must_use]
pub fn folded(text: &str) -> String {
    fold::fold_to_string(text)
}

/// Number words of four letters and more that mean one and the same number in every language that has them.
fn one_number_everywhere(lexica: &BTreeMap<String, Lexicon>) -> HashMap<String, i64> {
    let mut values: HashMap<&str, BTreeSet<Option<i64>>> = HashMap::new();
    for lexicon in lexica.values() {
        for (word, number) in lexicon.number_words() {
            let value =
                (number.strength == lexicon::Strength::Strong && !number.ordinal).then_some(number.value);
            values.entry(word).or_default().insert(value);
        }
    }
    values
        .into_iter()
        .filter(|(word, values)| word.chars().count() >= 4 && values.len() == 1)
        .filter_map(|(word, values)| Some((word.to_owned(), values.into_iter().next()??)))
        .collect()
}
