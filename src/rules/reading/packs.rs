//! The language packs: TOML documents with a version and a date, compiled in and replaceable at run time.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is wrong with a pack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The text is no TOML, or not of the pack's shape. The message has the line.
    #[error("{pack}.toml, {problem}")]
    Shape {
        /// `words`, `numbers`, `phrases`, `grammar` or `noise`.
        pack: &'static str,
        /// What the parser says.
        problem: String,
    },
    /// An entry cannot be used.
    #[error("{pack}.toml, language {language}, entry `{entry}`: {problem}")]
    Entry {
        /// Which pack.
        pack: &'static str,
        /// ISO 639-1 code.
        language: String,
        /// The entry as written.
        entry: String,
        /// Why not.
        problem: &'static str,
    },
}

/// The five packs, each the text of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackTexts<'a> {
    /// `words.toml`: stop, start and help.
    pub words: &'a str,
    /// `numbers.toml`: number words and ordinals.
    pub numbers: &'a str,
    /// `phrases.toml`: how stop, start and help are said in a sentence, and what only looks like it.
    pub phrases: &'a str,
    /// `grammar.toml`: the words around a number.
    pub grammar: &'a str,
    /// `noise.toml`: reactions, signatures, auto-replies, notices.
    pub noise: &'a str,
}

impl PackTexts<'static> {
    /// The packs compiled in.
    pub const BUILT_IN: Self = Self {
        words: include_str!("../../../config/packs/words.toml"),
        numbers: include_str!("../../../config/packs/numbers.toml"),
        phrases: include_str!("../../../config/packs/phrases.toml"),
        grammar: include_str!("../../../config/packs/grammar.toml"),
        noise: include_str!("../../../config/packs/noise.toml"),
    };
}

impl PackTexts<'_> {
    /// Date the words were checked and a digest of all five texts (FNV-1a, 64 bits): a changed pack is another version.
    pub(super) fn version(&self, checked: &str) -> String {
        let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in [self.words, self.numbers, self.phrases, self.grammar, self.noise]
            .iter()
            .flat_map(|text| text.bytes().chain([0]))
        {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{checked}.{digest:016x}")
    }
}

/// Parses one pack.
pub(super) fn parse<'a, T: Deserialize<'a>>(pack: &'static str, text: &'a str) -> Result<T, PackError> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        PackError::Shape { pack, problem: format!("line {line}: {}", error.message()) }
    })
}

/// `words.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct WordsPack {
    pub(super) checked: String,
    #[serde(default)]
    pub(super) every_language_stop: Vec<String>,
    #[serde(default)]
    pub(super) every_language_help: Vec<String>,
    #[serde(default, rename = "left_out")]
    _left_out: Vec<Listed>,
    #[serde(default)]
    pub(super) offered_only: Vec<Listed>,
    #[serde(default)]
    pub(super) ask_on_rating: Vec<Listed>,
    #[serde(default)]
    pub(super) ask_alone: Vec<Listed>,
    #[serde(default)]
    pub(super) real_words: Vec<Listed>,
    #[serde(default)]
    pub(super) whole_only: Vec<Listed>,
    #[serde(default, rename = "ask_if_option")]
    _ask_if_option: Vec<Listed>,
    #[serde(default, rename = "policy")]
    _policy: Vec<Listed>,
    #[serde(default, rename = "register")]
    _register: toml::Table,
    #[serde(rename = "format")]
    _format: i64,
    #[serde(default, rename = "reviewed")]
    _reviewed: bool,
    #[serde(flatten)]
    pub(super) languages: BTreeMap<String, WordsOf>,
}

/// Words with a reason, for every language.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) words: Vec<String>,
}

/// The reserved words of one language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WordsOf {
    pub(super) stop: Vec<String>,
    pub(super) start: Vec<String>,
    pub(super) help: Vec<String>,
    pub(super) polite_filler: Vec<String>,
    pub(super) phrase_stop: Vec<String>,
    pub(super) guard: Vec<String>,
    pub(super) added_stop: Vec<String>,
    pub(super) added_start: Vec<String>,
    pub(super) added_help: Vec<String>,
    pub(super) added_polite: Vec<String>,
    pub(super) joining: Vec<String>,
}

/// `numbers.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct NumbersPack {
    #[serde(rename = "format")]
    _format: i64,
    #[serde(rename = "checked")]
    _checked: String,
    #[serde(flatten)]
    pub(super) languages: BTreeMap<String, NumbersOf>,
}

/// The number words of one language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NumbersOf {
    pub(super) ambiguous: Vec<String>,
    pub(super) ask: Vec<String>,
    pub(super) article: Vec<String>,
    pub(super) near: Vec<String>,
    pub(super) real_words: Vec<String>,
    pub(super) cardinal: BTreeMap<String, Vec<String>>,
    pub(super) added: BTreeMap<String, Vec<String>>,
    pub(super) ordinal: BTreeMap<String, Vec<String>>,
    pub(super) month: BTreeMap<String, Vec<String>>,
}

/// `phrases.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct PhrasesPack {
    #[serde(rename = "format")]
    _format: i64,
    #[serde(rename = "checked")]
    _checked: String,
    #[serde(default, rename = "reviewed")]
    _reviewed: bool,
    #[serde(default)]
    pub(super) glued: Vec<String>,
    #[serde(flatten)]
    pub(super) languages: BTreeMap<String, PhrasesOf>,
}

/// The phrases of one language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PhrasesOf {
    pub(super) slots: BTreeMap<String, Vec<String>>,
    pub(super) stop: Vec<String>,
    pub(super) stop_start: Vec<String>,
    pub(super) wrong: Vec<String>,
    pub(super) hostile: Vec<String>,
    pub(super) guard: Vec<String>,
    pub(super) ask: Vec<String>,
    pub(super) start: Vec<String>,
    pub(super) help: Vec<String>,
    pub(super) identity: Vec<String>,
    pub(super) around: Vec<String>,
    pub(super) scope: Vec<String>,
}

/// `grammar.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct GrammarPack {
    #[serde(rename = "format")]
    _format: i64,
    #[serde(rename = "checked")]
    _checked: String,
    #[serde(default, rename = "reviewed")]
    _reviewed: bool,
    #[serde(flatten)]
    pub(super) languages: BTreeMap<String, GrammarOf>,
}

/// The grammar words of one language, by what they are: see the head of the pack.
pub(super) type GrammarOf = BTreeMap<String, Vec<String>>;

/// `noise.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct NoisePack {
    #[serde(rename = "format")]
    _format: i64,
    #[serde(rename = "checked")]
    _checked: String,
    #[serde(default, rename = "reviewed")]
    _reviewed: bool,
    pub(super) reaction_before: Vec<String>,
    pub(super) reaction_after: Vec<String>,
    pub(super) signature: Vec<String>,
    pub(super) signature_line: Vec<String>,
    pub(super) quote_line: Vec<String>,
    pub(super) auto_reply: Vec<String>,
    pub(super) notice: Vec<String>,
}
