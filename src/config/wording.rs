//! What codes and surveys have in common: texts for handsets, words people type, languages.

use toml::de::DeValue;
use unicode_normalization::char::is_combining_mark;

use super::fields;
use super::language::language_tag;
use super::raw::{At, Document, Wrong};
use super::unit::{cut, text};

/// Ten parts of 153 septets, what most carriers put together.
const TEXT_SIGNS: usize = 1_530;
/// Longer keywords are mistyped.
const KEYWORD_SIGNS: usize = 20;
/// What a keyword is.
pub(super) const KEYWORD_HINT: &str =
    "a keyword is one word of 2 to 20 letters and digits that begins with a letter";

/// A text that goes to a handset, its merge fields checked.
pub(super) fn message(known: &[&str]) -> impl Fn(&DeValue<'_>) -> Result<String, Wrong> {
    move |value| {
        let written = text(value)?.trim();
        let signs = written.chars().count();
        if signs > TEXT_SIGNS {
            let hint = format!("at most {TEXT_SIGNS}: what ten parts hold");
            return Err(Wrong::new(format!("has {signs} characters"), hint));
        }
        if let Some(sign) = written.chars().find(|sign| sign.is_control() && *sign != '\n') {
            let hint = "take it out; a line break is the only one allowed";
            return Err(Wrong::new(format!("holds the control character U+{:04X}", u32::from(sign)), hint));
        }
        fields::check(written, known)?;
        Ok(written.to_owned())
    }
}

/// A word that people type: letters and digits, a letter first.
pub(super) fn keyword(value: &DeValue<'_>) -> Result<String, Wrong> {
    let written = text(value)?;
    if is_keyword(written) {
        return Ok(written.to_owned());
    }
    Err(Wrong::new(format!("is `{}`", cut(written)), KEYWORD_HINT))
}

/// Whether people can type it.
pub(super) fn is_keyword(word: &str) -> bool {
    (2..=KEYWORD_SIGNS).contains(&word.chars().count())
        && word.chars().all(|sign| sign.is_alphanumeric() || is_combining_mark(sign))
        && word.chars().next().is_some_and(char::is_alphabetic)
}

/// The languages a file declares: at least one, none twice.
pub(super) fn declared(document: &Document, written: At<Vec<At<&str>>>) -> Option<Vec<At<String>>> {
    if written.value.is_empty() {
        document.note(written.span, "`languages` is empty", "list at least one: languages = [\"en\"]");
        return None;
    }
    let mut languages: Vec<At<String>> = Vec::new();
    for at in &written.value {
        let Some(value) = canonical(document, at) else { continue };
        if languages.iter().any(|have| have.value == value) {
            document.note(at.span.clone(), format!("`{value}` stands here twice"), "take one out");
        } else {
            languages.push(At { value, span: at.span.clone() });
        }
    }
    Some(languages)
}

/// A language's tag in our spelling; a wrong one is noted.
pub(super) fn canonical(document: &Document, written: &At<&str>) -> Option<String> {
    let tag = language_tag(written.value).ok();
    if tag.is_none() {
        let what = format!("`{}` is no language", cut(written.value));
        document.note(written.span.clone(), what, "write its two-letter code, like en, id or pt-BR");
    }
    tag
}
