//! Words that a person uses to stop, start or ask for help: no keyword and no answer may be one of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::language::primary;

/// The words that replies are read by.
const PACK: &str = include_str!("../../config/packs/words.toml");
/// Its lists of words that are a whole message.
const WHOLE: [&str; 6] = ["stop", "start", "help", "added_stop", "added_start", "added_help"];
/// Its list of phrases that a message begins with.
const BEGINNING: &str = "phrase_stop";

/// The reserved words of each language, folded; under `*` those that count in every one.
static WORDS: LazyLock<BTreeMap<String, Words>> = LazyLock::new(read_pack);

#[derive(Default)]
struct Words {
    whole: Vec<String>,
    beginning: Vec<String>,
}

/// The reserved word or phrase that this text is, or begins with, in one of these languages.
pub(super) fn reserved_in(text: &str, languages: &[String]) -> Option<&'static str> {
    let folded = fold(text);
    let begins = |phrase: &str| {
        folded.strip_prefix(phrase).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let known = ["*"].into_iter().chain(languages.iter().map(|language| primary(language)));
    let mut words = known.filter_map(|language| WORDS.get(language));
    words.find_map(|words| {
        let whole = words.whole.iter().find(|word| **word == folded);
        whole.or_else(|| words.beginning.iter().find(|phrase| begins(phrase))).map(String::as_str)
    })
}

/// Whether a text names a way out: STOP counts everywhere.
pub(super) fn names_a_way_out(text: &str) -> bool {
    text.split(|sign: char| !sign.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("stop"))
}

/// A text as it is compared: compatibility forms and accents off, lower case, single spaces.
pub(super) fn fold(text: &str) -> String {
    // Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic. In other scripts such marks are vowels.
    let accent =
        |sign: &char| matches!(sign, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}');
    let plain: String = text.nfkd().filter(|sign| !accent(sign)).nfc().collect();
    let plain = plain.to_lowercase().replace('ı', "i");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_pack() -> BTreeMap<String, Words> {
    let pack: toml::Table = PACK.parse().unwrap_or_default();
    let list = |value: Option<&toml::Value>| -> Vec<String> {
        let list = value.and_then(toml::Value::as_array).into_iter().flatten();
        list.filter_map(toml::Value::as_str).map(fold).filter(|word| !word.is_empty()).collect()
    };
    let languages = pack.iter().filter_map(|(language, entry)| Some((language, entry.as_table()?)));
    let mut words: BTreeMap<String, Words> = languages
        .map(|(language, entry)| {
            let whole = WHOLE.iter().flat_map(|key| list(entry.get(*key))).collect();
            (language.clone(), Words { whole, beginning: list(entry.get(BEGINNING)) })
        })
        .collect();
    // English words are those of law and of the carriers' own gates: they count whatever a survey or code declares.
    let mut everywhere = list(pack.get("every_language_stop"));
    everywhere.extend(words.get("en").into_iter().flat_map(|english| english.whole.clone()));
    words.insert("*".to_owned(), Words { whole: everywhere, beginning: vec!["stop".to_owned()] });
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_word_is_found_in_any_dress() {
        let spanish = ["es-MX".to_owned()];
        assert_eq!(reserved_in("STOP", &[]), Some("stop"));
        assert_eq!(reserved_in(" Stop the contract", &[]), Some("stop"));
        assert_eq!(reserved_in("Baja", &spanish), Some("baja"));
        assert_eq!(reserved_in("ＳＴＯＰ", &[]), Some("stop"));
        assert_eq!(reserved_in("Arrêt", &["fr".to_owned()]), Some("arret"));
        assert_eq!(reserved_in("baja", &[]), None, "not in English");
        assert_eq!(reserved_in("non-stop trouble", &spanish), None);
    }

    #[test]
    fn every_language_that_we_ask_in_has_its_words() {
        for language in crate::config::code::built_in().keys() {
            assert!(WORDS.get(language).is_some_and(|words| words.whole.len() >= 3), "{language}");
        }
    }

    #[test]
    fn vowels_that_are_marks_stay() {
        assert_eq!(fold("Ștefan  ÇIKIŞ"), "stefan cikis");
        assert_ne!(fold("बंद"), fold("बद"));
    }

    #[test]
    fn a_way_out_is_a_word_of_its_own() {
        assert!(names_a_way_out("Reply STOP to opt out"));
        assert!(names_a_way_out("回复STOP退订"));
        assert!(!names_a_way_out("stopping by"));
    }
}
