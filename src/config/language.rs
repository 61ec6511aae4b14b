//! Names of languages, and which of the languages at hand a person is best served in.

use std::collections::BTreeMap;

/// Other names in use for a language: old codes, and the names some systems give.
const SAME: &[(&str, &str)] =
    &[("fil", "tl"), ("in", "id"), ("iw", "he"), ("nb", "no"), ("nn", "no"), ("cmn", "zh"), ("mo", "ro")];
/// `zh-Hant-TW` has 10; longer ones are no tags that a person writes.
const SIGNS: usize = 15;

/// A text that names no language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no language; write its two-letter code, like en, id or pt-BR")]
pub struct NotALanguage;

/// The form used everywhere in this program: `EN_gb` as `en-gb`, `fil` as `tl`.
pub fn language_tag(written: &str) -> Result<String, NotALanguage> {
    let tag = written.trim().replace('_', "-").to_ascii_lowercase();
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let letters = |part: &str| part.bytes().all(|octet| octet.is_ascii_lowercase());
    let good = (2..=3).contains(&first.len())
        && letters(first)
        && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
        })
        && tag.len() <= SIGNS;
    if !good {
        return Err(NotALanguage);
    }
    let ours = SAME.iter().find(|(other, _)| *other == first).map(|(_, ours)| *ours);
    Ok(ours.map_or_else(|| tag.clone(), |ours| format!("{ours}{}", &tag[first.len()..])))
}

/// Something that exists in one or more languages. The first is for those whose own isn't among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByLanguage<T> {
    first: (String, T),
    others: BTreeMap<String, T>,
}

impl<T> ByLanguage<T> {
    /// In these languages, the first one first. `None` when there is none.
    pub(crate) fn new(all: impl IntoIterator<Item = (String, T)>) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        Some(Self { first, others: all.collect() })
    }

    /// For a person of this language: the same, else the same without its region, else the first.
    pub fn get(&self, language: Option<&str>) -> &T {
        self.entry(language).1
    }

    /// The language in which [`ByLanguage::get`] answers.
    pub fn language(&self, language: Option<&str>) -> &str {
        self.entry(language).0
    }

    /// Each language with what is there in it, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let others = self.others.iter().map(|(language, value)| (language.as_str(), value));
        std::iter::once((self.first.0.as_str(), &self.first.1)).chain(others)
    }

    fn entry(&self, language: Option<&str>) -> (&str, &T) {
        let tag = language.and_then(|language| language_tag(language).ok());
        let of = |tag: &str| self.iter().find(|(have, _)| *have == tag);
        let found = tag.as_deref().and_then(|tag| of(tag).or_else(|| of(primary(tag))));
        found.unwrap_or((&self.first.0, &self.first.1))
    }
}

/// `pt` of `pt-br`.
pub(super) fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_in_every_spelling() {
        for (written, tag) in [("EN", "en"), (" pt_BR", "pt-br"), ("fil", "tl"), ("zh-Hant-TW", "zh-hant-tw")]
        {
            assert_eq!(language_tag(written).as_deref(), Ok(tag));
        }
        for wrong in ["", "e", "english", "en-", "e1", "en US", "日本"] {
            assert_eq!(language_tag(wrong), Err(NotALanguage), "{wrong}");
        }
    }

    #[test]
    fn a_person_gets_the_nearest_language_there_is() {
        let have = ["en", "pt", "zh", "zh-tw"].map(|language| (language.to_owned(), language));
        let have = ByLanguage::new(have).unwrap();
        for (wanted, got) in [
            (Some("pt-BR"), "pt"),
            (Some("zh_TW"), "zh-tw"),
            (Some("sv"), "en"),
            (Some("?"), "en"),
            (None, "en"),
        ] {
            assert_eq!((have.language(wanted), *have.get(wanted)), (got, got));
        }
        assert_eq!(have.iter().next(), Some(("en", &"en")));
    }
}
