//! A code that people answer to: its number, its carriers, its languages, and what it says by itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::DeValue;

use super::consent::{self, CodeConsent};
use super::country::{calling_code, meant};
use super::fields::fill;
use super::keyword::{self, CodeKeyword, Opens};
use super::language::{ByLanguage, primary};
use super::problem::listed;
use super::raw::{At, Document, Table, Wrong};
use super::reserved::names_a_way_out;
use super::unit::{cut, name, text, text_or_none, texts};
use super::wording::{canonical, declared, message};
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
    /// The carrier accounts that serve it, the first to send through; at least one.
    pub carriers: Vec<String>,
    /// Countries whose people it may be sent to; none: every one's.
    pub countries: Vec<String>,
    /// Who people know us as.
    pub brand: String,
    /// Languages it speaks, the first for everybody else.
    pub languages: Vec<String>,
    /// Words that start something here.
    pub keywords: Vec<CodeKeyword>,
    /// What takes a message that is neither a command nor an answer nor one of them.
    pub default: Opens,
    /// Programmes that a person can stop one by one: `STOP PROMO`.
    pub programmes: Vec<String>,
    /// What it asks before it writes.
    pub consent: CodeConsent,
    texts: ByLanguage<CodeTexts>,
}

impl Code {
    /// The carrier account it is sent through.
    pub fn carrier(&self) -> &str {
        // There is at least one: the reader refuses a code without.
        self.carriers.first().map_or("", String::as_str)
    }

    /// The same for a person who wrote by this carrier: it reaches them, others may not.
    pub fn carrier_for(&self, wrote_by: Option<&str>) -> &str {
        let theirs = self.carriers.iter().find(|carrier| Some(carrier.as_str()) == wrote_by);
        theirs.map_or(self.carrier(), String::as_str)
    }

    /// Whether it may be sent to people of this country, ISO 3166-1 alpha-2.
    pub fn serves(&self, country: Option<&str>) -> bool {
        self.countries.is_empty()
            || country.is_some_and(|country| self.countries.iter().any(|one| one == country))
    }

    /// Whether people can write to it: a name can only be sent from.
    pub fn is_answered(&self) -> bool {
        self.number.kind() != SenderKind::Alphanumeric
    }

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

/// A code and where it says what only the configuration around it can judge.
pub(super) struct Read {
    pub(super) code: Code,
    pub(super) number_at: Range<usize>,
    pub(super) carriers_at: Vec<Range<usize>>,
    pub(super) keywords_at: Vec<Range<usize>>,
    pub(super) default_at: Range<usize>,
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
    let carriers = carriers(table);
    let countries = table.or("countries", countries, Vec::new());
    let brand = table.need("brand", brand, "who people know you as: brand = \"Acme\"");
    let contact = table.or("contact", text_or_none, "");
    let languages = table.get("languages", texts);
    let programmes =
        table.get("programmes", texts).map_or_else(Vec::new, |at| programmes(document, at.value));
    let consent = consent::read(table, &programmes);
    let (keywords, keywords_at) = keyword::read(table);
    let default = table.get("default", keyword::default);
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
    let tags: Vec<String> = languages.iter().map(|language| language.value.clone()).collect();
    keyword::check(table, (&keywords, &keywords_at), &programmes, &tags);
    let (number, carriers, brand) = (number?, carriers?, brand?);
    if number.value.kind() == SenderKind::Alphanumeric {
        let hint = "a name can only be sent from: take this out, or give it to a short code or a number";
        for at in keywords_at.iter().chain(default.iter().map(|default| &default.span)) {
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
        carriers: carriers.iter().map(|at| at.value.clone()).collect(),
        countries,
        brand: brand.value,
        languages: tags,
        keywords,
        default: default.as_ref().map_or(Opens::Inbox, |at| at.value.clone()),
        programmes,
        consent,
        texts,
    };
    let carriers_at = carriers.into_iter().map(|at| at.span).collect();
    let default_at = default.map_or(0..0, |at| at.span);
    Some(Read { code, number_at: number.span, carriers_at, keywords_at, default_at })
}

/// `carrier = "a"`, or `carriers = ["a", "b"]`: the accounts that serve it.
fn carriers(table: &Table<'_>) -> Option<Vec<At<String>>> {
    let document = table.document();
    let one = table.get("carrier", name);
    let several = table.get("carriers", texts);
    match (one, several) {
        (Some(_), Some(several)) => {
            let hint = "take `carrier` out: `carriers` names them all, the first to send through";
            document.note(several.span, "both `carrier` and `carriers`", hint);
            None
        }
        (Some(one), None) => Some(vec![one]),
        (None, Some(several)) if several.value.is_empty() => {
            document.note(several.span, "`carriers` is empty", "name at least one [[carrier]]");
            None
        }
        (None, Some(several)) => {
            for (index, at) in several.value.iter().enumerate() {
                if several.value[..index].iter().any(|before| before.value == at.value) {
                    let what = format!("the carrier `{}` stands here twice", cut(at.value));
                    document.note(at.span.clone(), what, "take one out; several sessions are `binds = 2`");
                }
            }
            let owned = |at: At<&str>| At { value: at.value.to_owned(), span: at.span };
            Some(several.value.into_iter().map(owned).collect())
        }
        (None, None) => {
            if !table.says("carrier") && !table.says("carriers") {
                table.missing("carrier", "the name of the [[carrier]] that it is sent through");
            }
            None
        }
    }
}

/// Countries by their two letters, none twice.
fn countries(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    let mut countries: Vec<String> = Vec::new();
    for At { value: written, .. } in texts(value)? {
        if calling_code(written).is_none() {
            let upper = written.to_uppercase();
            let hint = match meant(written).or(calling_code(&upper).map(|_| upper.as_str())) {
                Some(meant) => format!("write \"{meant}\""),
                None => "write its two-letter code, like \"GB\", \"ID\" or \"US\"".to_owned(),
            };
            return Err(Wrong::new(format!("holds `{}`", cut(written)), hint));
        }
        if countries.iter().any(|have| have == written) {
            return Err(Wrong::new(format!("holds `{written}` twice"), "take one out"));
        }
        countries.push(written.to_owned());
    }
    if countries.is_empty() {
        return Err(Wrong::new(
            "is empty",
            "name those it may be sent to, or leave it out for every country",
        ));
    }
    Ok(countries)
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
        password = \"plain:a\"\n[[code]]\nnumber = \"88001\"\nbrand = \"Town\"\n";

    fn code(written: &str) -> Result<Code, Vec<String>> {
        let read = crate::config::parse("t", &format!("{LEAST}{written}\n"), Path::new(""));
        let whats = |problems: &crate::config::Problems| {
            problems.items().iter().map(|problem| problem.what.clone()).collect()
        };
        read.map(|config| config.codes[0].clone()).map_err(|problems| whats(&problems))
    }

    #[test]
    fn a_code_is_served_by_one_carrier_or_by_several_the_first_one_to_send() {
        let one = code("carrier = \"main\"").unwrap();
        assert_eq!((one.carrier(), one.carriers.len()), ("main", 1));
        let again = "[[carrier]]\nname = \"second\"\nhost = \"127.0.0.1\"\nport = 2776\nsystem_id = \"a\"\npassword = \"plain:a\"";
        let two = code(&format!("carriers = [\"second\", \"main\"]\n{again}")).unwrap();
        assert_eq!(two.carrier(), "second");
        assert_eq!(two.carrier_for(Some("main")), "main", "the one the person wrote by");
        assert_eq!(two.carrier_for(Some("gone")), "second");
        assert_eq!(two.carrier_for(None), "second");
    }

    #[test]
    fn carriers_that_make_no_sense_are_told() {
        let told = |written: &str| code(written).unwrap_err();
        assert_eq!(told(""), ["[[code]] has no `carrier`"]);
        assert_eq!(told("carriers = []"), ["`carriers` is empty"]);
        assert_eq!(told("carrier = \"main\"\ncarriers = [\"main\"]"), ["both `carrier` and `carriers`"]);
        assert_eq!(told("carriers = [\"main\", \"main\"]"), ["the carrier `main` stands here twice"]);
        assert_eq!(
            told("carriers = [\"main\", \"other\"]"),
            ["the code 88001 names the carrier `other`, which is not there"]
        );
    }

    #[test]
    fn a_code_serves_the_countries_it_names_and_every_one_where_it_names_none() {
        let all = code("carrier = \"main\"").unwrap();
        assert!(all.serves(Some("ID")) && all.serves(None));
        let some = code("carrier = \"main\"\ncountries = [\"GB\", \"IE\"]").unwrap();
        assert!(some.serves(Some("IE")) && !some.serves(Some("ID")));
        assert!(!some.serves(None), "a number of no known country");
    }

    #[test]
    fn countries_that_make_no_sense_are_told() {
        let told =
            |countries: &str| code(&format!("carrier = \"main\"\ncountries = {countries}")).unwrap_err();
        assert_eq!(told("[]"), ["`countries` is empty"]);
        assert_eq!(told("[\"UK\"]"), ["`countries` holds `UK`"]);
        assert_eq!(told("[\"gb\"]"), ["`countries` holds `gb`"]);
        assert_eq!(told("[\"GB\", \"GB\"]"), ["`countries` holds `GB` twice"]);
        assert_eq!(told("\"GB\""), ["`countries` is a text"]);
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
