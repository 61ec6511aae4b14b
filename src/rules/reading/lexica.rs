//! The word lists a message is read with: the contact's language, English, those of the scripts it is written in.

use std::collections::{BTreeMap, HashMap};

use super::{
    lexicon::{Entry, Lexicon, NumberWord, Strength, is},
    tokens::{script_language, writes},
};

/// The lexica a message is read with.
#[derive(Clone, Copy)]
pub(super) struct Lexica<'a> {
    language: Option<&'a str>,
    own: Option<&'a Lexicon>,
    /// English, understood beside every language.
    base: Option<&'a Lexicon>,
    all: &'a BTreeMap<String, Lexicon>,
    /// Number words that mean one number in whatever language, for contacts whose language is not known.
    anywhere: &'a HashMap<String, i64>,
    /// Words that introduce an answer here: the survey's keyword, folded.
    keywords: &'a [String],
}

impl<'a> Lexica<'a> {
    /// The lexica for a contact of this language.
    pub(super) fn new(
        all: &'a BTreeMap<String, Lexicon>,
        language: Option<&'a str>,
        anywhere: &'a HashMap<String, i64>,
        keywords: &'a [String],
    ) -> Self {
        Self {
            language,
            own: language.and_then(|code| all.get(code)),
            base: all.get("en"),
            all,
            anywhere,
            keywords,
        }
    }

    /// The lexicon for a word's script: the contact's own where it writes that script.
    pub(super) fn of_script(&self, word: &str) -> Option<&'a Lexicon> {
        match script_language(word) {
            None => self.own,
            Some(script) => match (self.language, self.own) {
                (Some(language), Some(own)) if writes(language, script) => Some(own),
                _ => self.all.get(script),
            },
        }
    }

    /// What is known about a word or phrase.
    pub(super) fn get(&self, text: &str, skeleton: &str) -> Option<Entry> {
        let own = self.of_script(skeleton).and_then(|lexicon| lexicon.get(text, skeleton));
        own.or_else(|| self.base_entry(text, skeleton)).or_else(|| {
            let value = self.anywhere.get(skeleton).copied().filter(|_| self.own.is_none())?;
            Some(Entry {
                is: 0,
                number: Some(NumberWord { value, strength: Strength::Strong, ordinal: false }),
            })
        })
    }

    fn is_english(&self) -> bool {
        match (self.own, self.base) {
            (Some(own), Some(base)) => std::ptr::eq(own, base),
            _ => true,
        }
    }

    /// English beside another language: its words, and of its number words those that are no words of many languages.
    fn base_entry(&self, text: &str, skeleton: &str) -> Option<Entry> {
        let entry = self.base?.get(text, skeleton)?;
        if self.is_english() || entry.number.is_none() {
            return Some(entry);
        }
        let safe = skeleton.chars().count() >= 4 || matches!(skeleton, "two" | "six");
        let ten = skeleton == "ten" && !matches!(self.language, Some("pl" | "nl" | "cs" | "sk"));
        if safe || ten { Some(entry) } else { (entry.is != 0).then_some(Entry { number: None, ..entry }) }
    }

    /// The month of this name, in the contact's language or in English.
    pub(super) fn month(&self, skeleton: &str) -> Option<i64> {
        self.of_script(skeleton)
            .and_then(|lexicon| lexicon.month(skeleton))
            .or_else(|| self.base?.month(skeleton))
    }

    /// The number a misspelt word was meant to be.
    pub(super) fn misspelt(&self, skeleton: &str) -> Option<i64> {
        if self.base.is_some_and(|base| base.is_real(skeleton)) {
            return None;
        }
        match self.of_script(skeleton) {
            Some(own) if !self.is_english() => own.misspelt(skeleton, 5),
            _ => self.base?.misspelt(skeleton, 4),
        }
    }

    /// Does this word introduce an answer here?
    pub(super) fn is_keyword(&self, skeleton: &str) -> bool {
        self.keywords.iter().any(|keyword| keyword == skeleton)
    }

    /// Does chat write `value` for a sound before this word? English chat does not, where the contact's language has the
    /// word as one that says nothing (`4 ya`).
    pub(super) fn is_chat(&self, value: i64, next: &str) -> bool {
        let meant = |lexicon: Option<&Lexicon>| lexicon.is_some_and(|lexicon| lexicon.is_chat(value, next));
        let own_word = !self.is_english()
            && self
                .own
                .and_then(|own| own.get(next, next))
                .is_some_and(|entry| entry.is & (is::NEUTRAL | is::POLITE) != 0);
        meant(self.own) || meant(self.base) && !own_word
    }

    /// Does chat write `value` for the beginning of a word that goes on like this (`2moro`)?
    pub(super) fn is_letters(&self, value: i64, rest: &str) -> bool {
        [self.base, self.own].into_iter().flatten().any(|lexicon| lexicon.is_letters(value, rest))
    }

    /// Does this word begin a sentence (the, my, you, it)?
    pub(super) fn is_subject(&self, word: &str) -> bool {
        self.get(word, word).is_some_and(|entry| entry.is & is::SUBJECT != 0)
    }
}
