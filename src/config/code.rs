//! A code that people answer to: its number, its carrier, its languages, and what it says by itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::DeValue;

use super::consent::{self, CodeConsent};
use super::fields::fill;
use super::language::{ByLanguage, primary};
use super::problem::listed;
use super::raw::{At, Document, Table, Wrong};
use super::reserved::{names_a_way_out, reserved_in};
use super::unit::{cut, name, text, text_or_none, texts};
use super::wording::{KEYWORD_HINT, canonical, declared, is_keyword, message};
use crate::message::{Sender, SenderKind};

/// The texts that the program has by itself, in many languages.
const PACK: &str = include_str!("../../config/packs/texts.toml");
/// How problems name them.
const PACK_FILE: &str = "config/packs/texts.toml";
/// What else the pack says about itself.
const NOT_LANGUAGES: [&str; 3] = ["format", "checked", "reviewed"];
/// 3GPP TS 23.040, 9.1.2.5: an alphanumeric address of at most 11 septets.
const ALPHANUMERIC_SIGNS: usize = 11;

/// A code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// What the handset shows and answers to.
    pub number: Sender,
    /// The carrier account it is sent through.
    pub carrier: String,
    /// Who people know us as.
    pub brand: String,
    /// Languages it speaks, the first for everybody else.
    pub languages: Vec<String>,
    /// Words that start something here.
    pub keywords: Vec<CodeKeyword>,
    /// Programmes that a person can stop one by one: `STOP PROMO`.
    pub programmes: Vec<String>,
    /// What it asks before it writes.
    pub consent: CodeConsent,
    texts: ByLanguage<CodeTexts>,
}

impl Code {
    /// The texts for a person of this language.
    pub fn text(&self, language: Option<&str>) -> &CodeTexts {
        self.texts.get(language)
    }

    /// The language of [`Code::text`].
    pub fn language(&self, language: Option<&str>) -> &str {
        self.texts.language(language)
    }
}

/// What a code says by itself in one language. `{brand}`, `{number}` and `{contact}` are filled in already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTexts {
    /// The one confirmation of an opt-out.
    pub stopped: String,
    /// The confirmation of an opt-in.
    pub started: String,
    /// The question whether an opt-in is meant.
    pub confirm: String,
    /// The answer to HELP.
    pub help: String,
    /// The question again; merge fields `{read|…}` and `{range}`.
    pub ask_again: String,
    /// Thanks for an answer; merge field `{name|…}`.
    pub thanks: String,
    /// The words are kept, and the question is closed.
    pub unreadable: String,
}

/// A word that starts something when it is sent to the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeKeyword {
    /// The word.
    pub word: String,
    /// What it starts.
    pub opens: Opens,
}

/// What a keyword starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opens {
    /// A survey, by its key.
    Survey(String),
    /// Consent to be written to.
    OptIn(OptIn),
    /// A conversation with people.
    Inbox,
}

/// A keyword's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptIn {
    /// The programme it is for; none: everything from the code.
    pub programme: Option<String>,
    /// Whether the person is asked to confirm it.
    pub double: DoubleOptIn,
}

/// Whether a person is asked to confirm an opt-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleOptIn {
    /// The keyword is enough.
    No,
    /// A yes in time makes it consent.
    Yes,
}

/// A code and where it says what only the configuration around it can judge.
pub(super) struct Read {
    pub(super) code: Code,
    pub(super) number_at: Range<usize>,
    pub(super) carrier_at: Range<usize>,
    pub(super) keywords_at: Vec<Range<usize>>,
}

/// The built-in texts by language; what is wrong with them is a mistake of ours, and a test's to find.
pub(super) fn built_in() -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let document = Document::new(PACK_FILE, PACK.to_owned(), Path::new(""));
    let root = document.parse();
    let table = Table::root(&document, &root);
    let languages = table.tables_by_name_beside(&NOT_LANGUAGES);
    languages.into_iter().map(|(language, table)| (language.value.to_owned(), own_texts(&table))).collect()
}

/// Reads one `[[code]]`.
pub(super) fn read(
    table: &Table<'_>,
    pack: &BTreeMap<String, BTreeMap<&'static str, String>>,
) -> Option<Read> {
    let document = table.document();
    let number = table.need("number", sender, "the number people answer to: number = \"88001\"");
    let carrier = table.need("carrier", name, "the name of the [[carrier]] that it is sent through");
    let brand = table.need("brand", brand, "who people know you as: brand = \"Acme\"");
    let contact = table.or("contact", text_or_none, "");
    let languages = table.get("languages", texts);
    let programmes =
        table.get("programmes", texts).map_or_else(Vec::new, |at| programmes(document, at.value));
    let consent = consent::read(table, &programmes);
    let (keywords, keywords_at) = keywords(table);
    for (keyword, at) in keywords.iter().zip(&keywords_at) {
        let Opens::OptIn(OptIn { programme: Some(name), .. }) = &keyword.opens else { continue };
        if !programmes.contains(name) {
            let hint = "write it into the code's `programmes` first";
            document.note(at.clone(), format!("`{name}` is no programme of this code"), hint);
        }
    }
    let own = own_texts_by_language(table);

    let languages = match languages {
        None => every_language(pack, &own),
        Some(written) => declared(document, written)?,
    };
    for (at, language) in own.iter().map(|(language, (at, _))| (at, language)) {
        if !languages.iter().any(|declared| declared.value == *language) {
            let what = format!("texts for `{language}`, which is not declared");
            document.note(at.clone(), what, "add it to `languages`, or take them out");
        }
    }
    for (keyword, at) in keywords.iter().zip(&keywords_at) {
        let tags: Vec<String> = languages.iter().map(|language| language.value.clone()).collect();
        if let Some(word) = reserved_in(&keyword.word, &tags) {
            let what = format!("the keyword `{}` is read as the command `{word}`", keyword.word);
            document.note(
                at.clone(),
                what,
                "people stop, start and ask for help with such words; take another",
            );
        }
    }
    let (number, carrier, brand) = (number?, carrier?, brand?);
    if number.value.kind() == SenderKind::Alphanumeric {
        let hint =
            "a name can only be sent from: take the keywords out, or give them to a short code or a number";
        for at in &keywords_at {
            document.note(at.clone(), format!("nobody can write to `{}`", number.value), hint);
        }
    }
    let filled = [("brand", brand.value.as_str()), ("number", number.value.0.as_str()), ("contact", contact)];
    let texts = languages.iter().filter_map(|language| {
        let built_in = pack.get(&language.value).or_else(|| pack.get(primary(&language.value)));
        let own = own.get(&language.value).map(|(_, own)| own);
        let mut missing = Vec::new();
        let mut text = |key: &'static str| {
            let written = own.and_then(|own| own.get(key)).or_else(|| built_in?.get(key));
            match written {
                Some(written) => {
                    filled.iter().fold(written.clone(), |text, (field, value)| fill(&text, field, value))
                }
                None => {
                    missing.push(key);
                    String::new()
                }
            }
        };
        let texts = CodeTexts {
            stopped: text("stopped"),
            started: text("started"),
            confirm: text("confirm"),
            help: text("help"),
            ask_again: text("ask_again"),
            thanks: text("thanks"),
            unreadable: text("unreadable"),
        };
        if missing.is_empty() {
            return Some((language.value.clone(), texts));
        }
        let what = format!("`{}` is declared, and not built in; {} missing", language.value, are(&missing));
        document.note(language.span.clone(), what, format!("write it under [code.texts.{}]", language.value));
        None
    });
    let texts = ByLanguage::new(texts.collect::<Vec<_>>())?;
    let code = Code {
        number: number.value,
        carrier: carrier.value,
        brand: brand.value,
        languages: languages.into_iter().map(|language| language.value).collect(),
        keywords,
        programmes,
        consent,
        texts,
    };
    Some(Read { code, number_at: number.span, carrier_at: carrier.span, keywords_at })
}

/// `its text `help` is`, `its texts `help` and `thanks` are`.
fn are(missing: &[&str]) -> String {
    let (text, are) = if missing.len() == 1 { ("text", "is") } else { ("texts", "are") };
    format!("its {text} {} {are}", listed(missing.iter().copied()))
}

/// English first, for everybody whose language isn't known; then all there is.
fn every_language<T, U>(pack: &BTreeMap<String, T>, own: &BTreeMap<String, U>) -> Vec<At<String>> {
    let others = pack.keys().chain(own.keys().filter(|language| !pack.contains_key(*language)));
    let all = std::iter::once("en").chain(others.map(String::as_str).filter(|language| *language != "en"));
    all.map(|language| At { value: language.to_owned(), span: 0..0 }).collect()
}

type OwnTexts = BTreeMap<&'static str, String>;

fn own_texts_by_language(code: &Table<'_>) -> BTreeMap<String, (Range<usize>, OwnTexts)> {
    let Some(table) = code.table("texts") else { return BTreeMap::new() };
    let document = table.document();
    let mut own = BTreeMap::new();
    for (language, table) in table.tables_by_name() {
        let texts = own_texts(&table);
        if let Some(tag) = canonical(document, &language) {
            own.insert(tag, (language.span, texts));
        }
    }
    own
}

fn own_texts(table: &Table<'_>) -> OwnTexts {
    let ours = ["brand", "number", "contact"];
    let person = ["brand", "number", "contact", "name"];
    let question = ["brand", "number", "contact", "name", "read", "range"];
    let keys: [(&'static str, &[&str]); 7] = [
        ("stopped", &ours),
        ("started", &ours),
        ("confirm", &ours),
        ("help", &ours),
        ("ask_again", &question),
        ("thanks", &person),
        ("unreadable", &person),
    ];
    let mut texts = BTreeMap::new();
    for (key, known) in keys {
        let Some(at) = table.get(key, message(known)) else { continue };
        if key == "help" && !names_a_way_out(&at.value) {
            let hint = "end it with the language's \"Reply STOP to opt out.\"";
            table.document().note(at.span.clone(), "the answer to HELP has no way out", hint);
        }
        texts.insert(key, at.value);
    }
    texts
}

fn keywords(code: &Table<'_>) -> (Vec<CodeKeyword>, Vec<Range<usize>>) {
    let Some(table) = code.table("keywords") else { return Default::default() };
    let mut keywords: Vec<CodeKeyword> = Vec::new();
    let mut places = Vec::new();
    for (word, value) in table.entries() {
        let Some(read) = table.read(word.value, value, start) else { continue };
        let (opens, aliases) = read.value;
        let own = std::iter::once((word.value, word.span));
        for (word, at) in own.chain(aliases.iter().map(|alias| (alias.as_str(), read.span.clone()))) {
            let twice = keywords.iter().any(|have| have.word.to_lowercase() == word.to_lowercase());
            let wrong = match (is_keyword(word), twice) {
                (false, _) => Some((format!("`{}` is no keyword", cut(word)), KEYWORD_HINT)),
                (true, true) => {
                    let what = format!("the keyword `{}` stands here twice", cut(word));
                    Some((what, "capitals don't matter; take one out"))
                }
                (true, false) => None,
            };
            if let Some((what, hint)) = wrong {
                table.document().note(at, what, hint);
                continue;
            }
            keywords.push(CodeKeyword { word: word.to_owned(), opens: opens.clone() });
            places.push(read.span.clone());
        }
    }
    (keywords, places)
}

/// What a keyword starts, and the other words that start the same: a text, or a table with `opens` and `aliases`.
fn start(value: &DeValue<'_>) -> Result<(Opens, Vec<String>), Wrong> {
    let DeValue::Table(table) = value else { return opens(value).map(|opens| (opens, Vec::new())) };
    let usual = "write { opens = \"survey:exit\", aliases = [\"EXITS\"] }";
    if let Some((other, _)) =
        table.iter().find(|(key, _)| !["opens", "aliases"].contains(&key.get_ref().as_ref()))
    {
        return Err(Wrong::new(format!("has `{}`, which is not known here", cut(other.get_ref())), usual));
    }
    let opened = table.get("opens").ok_or_else(|| Wrong::new("does not say what it opens", usual))?;
    let opened = opens(opened.get_ref())?;
    let mut aliases = Vec::new();
    if let Some(written) = table.get("aliases") {
        let DeValue::Array(words) = written.get_ref() else {
            return Err(Wrong::new("has `aliases` that are no list", usual));
        };
        for word in words.iter() {
            aliases.push(text(word.get_ref())?.to_owned());
        }
    }
    Ok((opened, aliases))
}

fn opens(value: &DeValue<'_>) -> Result<Opens, Wrong> {
    let hint = "write what it starts: \"survey:exit\", \"opt-in\", \"double-opt-in:promo\" or \"inbox\"";
    let written = text(value)?;
    let (what, of) = match written.split_once(':') {
        Some((what, of)) => (what, Some(of)),
        None => (written, None),
    };
    let opt_in = |double| Ok(Opens::OptIn(OptIn { programme: of.map(str::to_owned), double }));
    match (what, of) {
        (_, Some("")) => Err(Wrong::new(format!("is `{}`", cut(written)), hint)),
        ("opt-in", _) => opt_in(DoubleOptIn::No),
        ("double-opt-in", _) => opt_in(DoubleOptIn::Yes),
        ("inbox", None) => Ok(Opens::Inbox),
        ("survey", Some(key)) => Ok(Opens::Survey(key.to_owned())),
        _ => Err(Wrong::new(format!("is `{}`", cut(written)), hint)),
    }
}

fn programmes(document: &Document, written: Vec<At<&str>>) -> Vec<String> {
    let good = |name: &str| {
        !name.is_empty() && name.len() <= 32 && name.chars().all(|sign| sign.is_alphanumeric() || sign == '-')
    };
    let mut programmes = Vec::new();
    for at in written {
        if good(at.value) {
            programmes.push(at.value.to_owned());
        } else {
            let hint = "a programme is one word, since people write it after STOP: \"promo\"";
            document.note(at.span, format!("`{}` is no programme", cut(at.value)), hint);
        }
    }
    programmes
}

fn sender(value: &DeValue<'_>) -> Result<Sender, Wrong> {
    let hint = "a short code (\"88001\"), a number with its country code (\"+447700900000\"), or a name of at most 11 \
                letters and digits that nobody can answer";
    let written = text(value)?;
    let sender = Sender(written.to_owned());
    let digits = written.strip_prefix('+').unwrap_or(written);
    let good = match sender.kind() {
        SenderKind::ShortCode => digits.len() >= 3,
        SenderKind::LongCode => {
            written.starts_with('+') && (7..=15).contains(&digits.len()) && !digits.starts_with('0')
        }
        SenderKind::Alphanumeric => {
            let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, ' ' | '-' | '.' | '&');
            written.len() <= ALPHANUMERIC_SIGNS && written.chars().all(plain)
        }
    };
    if good { Ok(sender) } else { Err(Wrong::new(format!("is `{}`", cut(written)), hint)) }
}

fn brand(value: &DeValue<'_>) -> Result<String, Wrong> {
    /// It stands in front of every text and is paid for in each.
    const SIGNS: usize = 30;
    let written = text(value)?.trim();
    if written.chars().count() > SIGNS || written.chars().any(char::is_control) {
        return Err(Wrong::new(
            format!("is `{}`", cut(written)),
            format!("at most {SIGNS} characters on one line"),
        ));
    }
    Ok(written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_texts_are_whole_and_right_in_every_language() {
        let document = Document::new(PACK_FILE, PACK.to_owned(), Path::new(""));
        {
            let root = document.parse();
            let table = Table::root(&document, &root);
            for (_, texts) in table.tables_by_name_beside(&NOT_LANGUAGES) {
                own_texts(&texts);
            }
        }
        assert_eq!(document.found(), []);
        let pack = built_in();
        assert_eq!(pack.len(), 18);
        for (language, texts) in &pack {
            assert_eq!(texts.len(), 7, "{language}");
            assert!(texts["stopped"].contains("START"), "{language}: the way back");
            assert!(texts["confirm"].contains("YES"), "{language}: how to confirm");
            assert!(texts["started"].contains("STOP") && texts["started"].contains("HELP"), "{language}");
            assert!(
                texts["ask_again"].contains("{range}") && texts["ask_again"].contains("{read|"),
                "{language}"
            );
            assert!(texts.values().all(|text| text.starts_with("{brand}")), "{language}: who it is");
        }
    }

    const LEAST: &str = "[[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = 2775\nsystem_id = \"a\"\n\
        password = \"plain:a\"\n[[code]]\nnumber = \"88001\"\ncarrier = \"main\"\nbrand = \"Town\"\n[code.keywords]\n";

    fn problems(text: &str) -> Vec<String> {
        let problems = crate::config::parse("t", text, Path::new("")).err();
        problems.map_or_else(Vec::new, |problems| {
            problems.items().iter().map(|problem| problem.what.clone()).collect()
        })
    }

    #[test]
    fn a_keyword_may_have_other_words_that_start_the_same() {
        let text = format!(
            "{LEAST}JOIN = {{ opens = \"opt-in\", aliases = [\"SIGNUP\", \"REGO\"] }}\nAGENT = \"inbox\"\n"
        );
        let config = crate::config::parse("t", &text, Path::new("")).unwrap();
        let words: Vec<(&str, &Opens)> =
            config.codes[0].keywords.iter().map(|one| (one.word.as_str(), &one.opens)).collect();
        assert_eq!(words.len(), 4);
        for word in ["JOIN", "SIGNUP", "REGO"] {
            assert!(
                words.iter().any(|(known, opens)| *known == word && matches!(opens, Opens::OptIn(_))),
                "{word}"
            );
        }
    }

    #[test]
    fn aliases_are_held_to_what_keywords_are() {
        let with = |keyword: &str| problems(&format!("{LEAST}{keyword}\n"));
        let reserved = with("JOIN = { opens = \"opt-in\", aliases = [\"STOP\"] }");
        assert!(reserved.len() == 1 && reserved[0].contains("is read as the command"), "{reserved:?}");
        assert_eq!(
            with("JOIN = { opens = \"opt-in\", aliases = [\"join\"] }"),
            ["the keyword `join` stands here twice"]
        );
        assert_eq!(
            with("JOIN = { opens = \"opt-in\", alias = [\"A\"] }"),
            ["`JOIN` has `alias`, which is not known here"]
        );
        assert_eq!(with("JOIN = { aliases = [\"REGO\"] }"), ["`JOIN` does not say what it opens"]);
    }

    #[test]
    fn a_name_that_nobody_can_write_to_has_no_keywords() {
        let text = format!("{LEAST}JOIN = \"opt-in\"\n").replace("88001", "Town");
        assert_eq!(problems(&text), ["nobody can write to `Town`"]);
    }

    #[test]
    fn a_sender_is_a_number_or_a_name() {
        let sender_of = |written: &'static str| sender(&DeValue::String(written.into())).is_ok();
        for good in ["88001", "+447700900000", "Acme", "A&B Shop"] {
            assert!(sender_of(good), "{good}");
        }
        for wrong in ["12", "447700900000", "+0447700900000", "Acme Telecom Ltd", "Ácme", "+44 7700"] {
            assert!(!sender_of(wrong), "{wrong}");
        }
    }
}
