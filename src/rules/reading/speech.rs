//! The reserved words and phrases of one language, compiled.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    packs::{GrammarOf, PackError, PhrasesOf, WordsOf},
    phrases::{Patterns, Text, Writing, entry_words},
};

/// How one language says stop, start, help and who is this, and what only looks like it.
#[derive(Debug)]
pub(super) struct Speech {
    /// ISO 639-1 code.
    pub(super) language: String,
    pub(super) writing: Writing,
    /// Whole messages that mean stop; `first_class` are those of the pack's own list, which also count with a scope
    /// behind them, as a sentence of their own, and misspelt.
    pub(super) stop: HashSet<String>,
    pub(super) first_class: HashSet<String>,
    pub(super) start: HashSet<String>,
    pub(super) help: HashSet<String>,
    /// Rows of words by their first word, and by their last (for runs without spaces).
    fillers: HashMap<String, Vec<Vec<String>>>,
    endings: HashMap<String, Vec<Vec<String>>>,
    pub(super) phrases: Patterns,
    pub(super) openings: Patterns,
    /// Openings that end the message but for a word or two.
    pub(super) short_openings: Patterns,
    pub(super) wrong: Patterns,
    pub(super) hostile: Patterns,
    pub(super) guards: Patterns,
    pub(super) asks: Patterns,
    pub(super) start_phrases: Patterns,
    pub(super) help_phrases: Patterns,
    pub(super) identity: Patterns,
    /// Words that may stand around STOP without changing it.
    pub(super) around: HashSet<String>,
    /// What can follow STOP as its scope.
    pub(super) scopes: HashSet<String>,
    pub(super) negations: HashSet<String>,
    /// Words with which a message turns round: no, wait, sorry.
    pub(super) turns: HashSet<String>,
}

impl Speech {
    /// Compiles the packs of one language.
    pub(super) fn new(
        language: &str,
        words: Option<&WordsOf>,
        phrases: Option<&PhrasesOf>,
        grammar: Option<&GrammarOf>,
        glued: &[String],
    ) -> Result<Self, PackError> {
        let writing = Writing::of(language, glued);
        let nothing = (WordsOf::default(), PhrasesOf::default());
        let (words, phrases) = (words.unwrap_or(&nothing.0), phrases.unwrap_or(&nothing.1));
        let join = if writing.glued { "" } else { " " };
        let set = |lists: [&[String]; 2]| -> HashSet<String> {
            lists
                .into_iter()
                .flatten()
                .map(|entry| entry_words(entry, writing).join(join))
                .filter(|entry| !entry.is_empty())
                .collect()
        };
        let patterns = |lists: [&[String]; 2]| {
            let entries: Vec<String> = lists.concat();
            Patterns::new(language, &entries, &phrases.slots, writing)
        };
        let (mut fillers, mut endings): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = Default::default();
        for row in [&words.polite_filler, &words.added_polite, &words.joining]
            .into_iter()
            .flatten()
            .map(|entry| entry_words(entry, writing))
        {
            if let (Some(first), Some(last)) = (row.first().cloned(), row.last().cloned()) {
                fillers.entry(first).or_default().push(row.clone());
                endings.entry(last).or_default().push(row);
            }
        }
        let single = |keys: &[&str]| -> HashSet<String> {
            let lists = keys.iter().filter_map(|key| grammar?.get(*key));
            lists
                .flatten()
                .map(|entry| entry_words(entry, writing))
                .filter(|row| row.len() == 1)
                .flatten()
                .collect()
        };
        Ok(Self {
            language: language.to_owned(),
            writing,
            stop: set([&words.stop, &words.added_stop]),
            first_class: set([&words.stop, &[]]),
            start: set([&words.start, &words.added_start]),
            help: set([&words.help, &words.added_help]),
            fillers,
            endings,
            phrases: patterns([&phrases.stop, &[]])?,
            openings: patterns([&phrases.stop_start, &[]])?,
            short_openings: patterns([&words.phrase_stop, &[]])?,
            wrong: patterns([&phrases.wrong, &[]])?,
            hostile: patterns([&phrases.hostile, &[]])?,
            guards: patterns([&phrases.guard, &words.guard])?,
            asks: patterns([&phrases.ask, &[]])?,
            start_phrases: patterns([&phrases.start, &[]])?,
            help_phrases: patterns([&phrases.help, &[]])?,
            identity: patterns([&phrases.identity, &[]])?,
            around: set([&phrases.around, &[]]),
            scopes: set([&phrases.scope, &[]]),
            negations: single(&["negate"]),
            turns: single(&["yes", "no", "correct", "withdraw"]),
        })
    }

    /// Which words of the text are polite filler of this language or of `other`.
    pub(super) fn filler(&self, text: &Text, other: Option<&Self>) -> Vec<bool> {
        let mut out = vec![false; text.len()];
        let both = || [Some(self), other.filter(|other| other.writing == self.writing)].into_iter().flatten();
        let begins = |row: &[String], at: usize| {
            at + row.len() <= text.len()
                && row.iter().enumerate().all(|(offset, word)| text.word(at + offset) == word)
        };
        let longest_from = |at: usize| {
            let rows = both().filter_map(|speech| speech.fillers.get(text.word(at))).flatten();
            rows.filter(|row| begins(row, at)).map(Vec::len).max().unwrap_or(0)
        };
        if self.writing.glued {
            // Only at the ends: inside a run the same characters are parts of other words.
            let (mut from, mut to) = (0, text.len());
            while from < to {
                match longest_from(from) {
                    length if length > 0 && from + length <= to => from += length,
                    _ => break,
                }
            }
            while from < to {
                let rows = self.endings.get(text.word(to - 1)).into_iter().flatten();
                match rows
                    .filter(|row| row.len() <= to - from && begins(row, to - row.len()))
                    .map(Vec::len)
                    .max()
                {
                    Some(length) => to -= length,
                    None => break,
                }
            }
            out[..from].fill(true);
            out[to..].fill(true);
            return out;
        }
        let mut at = 0;
        while at < text.len() {
            let longest = longest_from(at);
            out[at..at + longest].fill(true);
            at += longest.max(1);
        }
        out
    }
}

/// Compiles every language any pack knows.
pub(super) fn all(
    words: &BTreeMap<String, WordsOf>,
    phrases: &BTreeMap<String, PhrasesOf>,
    grammar: &BTreeMap<String, GrammarOf>,
    glued: &[String],
) -> Result<BTreeMap<String, Speech>, PackError> {
    let languages: std::collections::BTreeSet<&String> = words.keys().chain(phrases.keys()).collect();
    languages
        .into_iter()
        .map(|language| {
            let speech = Speech::new(
                language,
                words.get(language),
                phrases.get(language),
                grammar.get(language),
                glued,
            )?;
            Ok((language.clone(), speech))
        })
        .collect()
}
