//! Phrase patterns: rows of words with alternatives, gaps and optional words, matched against a message's words, or
//! against its bare text in languages without spaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    fold::fold,
    packs::PackError,
    tokens::{Kind, Token, is_glued_script, tokens},
};

/// How a language writes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Writing {
    /// No spaces between words, or endings glued on.
    pub(super) glued: bool,
    /// An apostrophe ends a word (j'ai, l'iscrizione).
    pub(super) elides: bool,
    /// ae, oe and ue stand for the umlauts.
    pub(super) umlauts: bool,
}

impl Writing {
    /// The writing of a language.
    pub(super) fn of(language: &str, glued: &[String]) -> Self {
        Self {
            glued: glued.iter().any(|code| code == language),
            elides: matches!(language, "fr" | "it" | "ca"),
            umlauts: matches!(language, "de" | "fi" | "sv"),
        }
    }
}

/// A message prepared for matching in one writing.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Words (one per character in a glued writing) and the token each comes from.
    words: Vec<(String, usize)>,
    /// A sign or line break stands before the word.
    breaks: Vec<bool>,
    glued: bool,
}

impl Text {
    /// Prepares `tokens`, leaving out those for which `skip` is true.
    pub(super) fn new(tokens: &[Token], writing: Writing, skip: impl Fn(usize) -> bool) -> Self {
        let mut text = Self { glued: writing.glued, ..Self::default() };
        let mut pending = true;
        for (at, token) in tokens.iter().enumerate() {
            if skip(at) {
                pending = true;
                continue;
            }
            match token.kind {
                Kind::Word | Kind::Digits => {
                    for (first, word) in words_of(token, writing).into_iter().enumerate() {
                        text.breaks.push(first == 0 && pending);
                        text.words.push((word, at));
                    }
                    pending = false;
                }
                Kind::Mark('-' | '\'' | '/' | '_' | '*') if token.gap == super::tokens::Gap::Glued => {}
                _ => pending = true,
            }
        }
        text
    }

    /// How many words.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// The word at an index.
    pub(super) fn word(&self, at: usize) -> &str {
        &self.words[at].0
    }

    /// The token a word comes from.
    pub(super) fn token(&self, at: usize) -> usize {
        self.words[at].1
    }

    /// Does a sign or line break stand before the word?
    pub(super) fn breaks_before(&self, at: usize) -> bool {
        self.breaks.get(at).copied().unwrap_or(true)
    }

    /// The text without the words for which `leave` is true.
    pub(super) fn part(&self, leave: &[bool]) -> Self {
        let kept = || (0..self.words.len()).filter(|at| !leave[*at]);
        Self {
            words: kept().map(|at| self.words[at].clone()).collect(),
            breaks: kept().map(|at| self.breaks[at]).collect(),
            glued: self.glued,
        }
    }

    /// The words from `from` to `to` joined as lists hold them.
    pub(super) fn joined(&self, from: usize, to: usize) -> String {
        let words: Vec<&str> = self.words[from..to].iter().map(|(word, _)| word.as_str()).collect();
        words.join(if self.glued { "" } else { " " })
    }
}

/// The words one token holds in a writing.
fn words_of(token: &Token, writing: Writing) -> Vec<String> {
    if writing.glued {
        return token.skeleton.chars().filter(|c| *c != '·').map(String::from).collect();
    }
    let bare = if writing.umlauts { umlauts(&token.skeleton) } else { token.skeleton.clone() };
    if writing.elides && token.text.contains('\'') {
        return token.text.split('\'').filter(|part| !part.is_empty()).map(super::fold::skeleton).collect();
    }
    vec![bare.replace('·', "")]
}

/// `ae` and `ä` are one: both lose their second dot or letter.
fn umlauts(word: &str) -> String {
    word.replace("ae", "a").replace("oe", "o").replace("ue", "u")
}

/// Words of an entry in a writing.
pub(super) fn entry_words(entry: &str, writing: Writing) -> Vec<String> {
    tokens(&fold(entry))
        .iter()
        .filter(|token| matches!(token.kind, Kind::Word | Kind::Digits))
        .flat_map(|token| words_of(token, writing))
        .collect()
}

/// One word of an alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Is(String),
    Begins(String),
    Ends(String),
}

impl Piece {
    fn matches(&self, word: &str) -> bool {
        match self {
            Self::Is(text) => word == text,
            Self::Begins(text) => word.starts_with(text.as_str()),
            Self::Ends(text) => word.ends_with(text.as_str()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    /// Any one word.
    Any(Presence),
    /// Up to so many words.
    Gap,
    /// The end of the text or of a sentence.
    End,
    /// One of these rows of words; it may be missing if the flag says so.
    Of(Vec<Vec<Piece>>, Presence),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Needed,
    Optional,
}

/// Most words (or characters in a glued writing) a `..` passes over.
const GAP_WORDS: usize = 3;
const GAP_CHARACTERS: usize = 6;

/// Patterns of one kind in one language.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    all: Vec<Vec<Element>>,
    /// Patterns by the first word a match can begin with.
    by_word: HashMap<String, Vec<usize>>,
    /// Patterns that can begin with the beginning of a word, by its first character.
    by_beginning: HashMap<char, Vec<usize>>,
    /// Patterns that can begin with any word.
    open: Vec<usize>,
    glued: bool,
}

impl Patterns {
    /// Compiles the entries of one kind.
    pub(super) fn new(
        language: &str,
        entries: &[String],
        slots: &BTreeMap<String, Vec<String>>,
        writing: Writing,
    ) -> Result<Self, PackError> {
        let mut patterns = Self { glued: writing.glued, ..Self::default() };
        for entry in entries {
            let wrong = |problem| PackError::Entry {
                pack: "phrases",
                language: language.to_owned(),
                entry: entry.clone(),
                problem,
            };
            let row: Vec<Element> = entry
                .split_whitespace()
                .map(|element| element_of(element, slots, writing))
                .collect::<Result<_, _>>()
                .map_err(wrong)?;
            if !row.iter().any(|element| matches!(element, Element::Of(_, Presence::Needed))) {
                return Err(wrong("every element may be missing"));
            }
            patterns.index(row);
        }
        Ok(patterns)
    }

    fn index(&mut self, row: Vec<Element>) {
        let number = self.all.len();
        let mut open = false;
        let (mut words, mut beginnings) = (BTreeSet::new(), BTreeSet::new());
        for element in &row {
            let Element::Of(rows, presence) = element else {
                open |= *element != Element::End;
                break;
            };
            for row in rows {
                match row.first() {
                    Some(Piece::Is(text)) => drop(words.insert(text.clone())),
                    Some(Piece::Begins(text)) => beginnings.extend(text.chars().next()),
                    _ => open = true,
                }
            }
            if *presence == Presence::Needed {
                break;
            }
        }
        if open {
            self.open.push(number);
        } else {
            words.into_iter().for_each(|word| self.by_word.entry(word).or_default().push(number));
            beginnings.into_iter().for_each(|first| self.by_beginning.entry(first).or_default().push(number));
        }
        self.all.push(row);
    }

    /// The longest match that begins at word `from`: where it ends.
    pub(super) fn at(&self, text: &Text, from: usize) -> Option<usize> {
        self.beginning_with(&text.words.get(from)?.0).filter_map(|row| self.ends(text, from, row)).max()
    }

    /// The patterns a match of which can begin with this word.
    fn beginning_with<'a>(&'a self, word: &str) -> impl Iterator<Item = &'a [Element]> + 'a {
        let first = word.chars().next().unwrap_or_default();
        let (words, beginnings) = (self.by_word.get(word), self.by_beginning.get(&first));
        words
            .into_iter()
            .chain(beginnings)
            .flatten()
            .chain(&self.open)
            .map(|number| self.all[*number].as_slice())
    }

    /// Every place where a pattern begins, with the end of its longest match.
    pub(super) fn all_in<'a>(&'a self, text: &'a Text) -> impl Iterator<Item = (usize, usize)> + 'a {
        (0..text.words.len()).filter_map(|from| Some((from, self.at(text, from)?)))
    }

    /// Is there a pattern that matches all of the text?
    pub(super) fn whole(&self, text: &Text) -> bool {
        let Some((first, _)) = text.words.first() else { return false };
        self.beginning_with(first).any(|row| self.reaches(text, 0, row, text.words.len()))
    }

    fn ends(&self, text: &Text, at: usize, row: &[Element]) -> Option<usize> {
        let Some((element, rest)) = row.split_first() else { return Some(at) };
        self.steps(text, at, element).into_iter().filter_map(|next| self.ends(text, next, rest)).max()
    }

    fn reaches(&self, text: &Text, at: usize, row: &[Element], end: usize) -> bool {
        let Some((element, rest)) = row.split_first() else { return at == end };
        self.steps(text, at, element).into_iter().any(|next| self.reaches(text, next, rest, end))
    }

    /// Where the text can stand after one element.
    fn steps(&self, text: &Text, at: usize, element: &Element) -> Vec<usize> {
        match element {
            Element::Any(presence) => {
                let from = if *presence == Presence::Optional { at } else { at + 1 };
                (from..=at + 1).filter(|next| *next <= text.words.len()).collect()
            }
            Element::Gap => {
                let most = if self.glued { GAP_CHARACTERS } else { GAP_WORDS };
                (at..=(at + most).min(text.words.len())).collect()
            }
            Element::End => {
                if at == text.words.len() || text.breaks_before(at) {
                    vec![at]
                } else {
                    Vec::new()
                }
            }
            Element::Of(rows, presence) => {
                let mut ends: Vec<usize> = rows
                    .iter()
                    .filter(|row| row.len() <= text.words.len() - at)
                    .filter(|row| {
                        row.iter()
                            .enumerate()
                            .all(|(offset, piece)| piece.matches(&text.words[at + offset].0))
                    })
                    .map(|row| at + row.len())
                    .collect();
                if *presence == Presence::Optional {
                    ends.push(at);
                }
                ends.sort_unstable();
                ends.dedup();
                ends
            }
        }
    }
}

fn element_of(
    element: &str,
    slots: &BTreeMap<String, Vec<String>>,
    writing: Writing,
) -> Result<Element, &'static str> {
    if let "_" | "_?" = element {
        return Ok(Element::Any(if element == "_" { Presence::Needed } else { Presence::Optional }));
    }
    if element == ".." {
        return Ok(Element::Gap);
    }
    if element == "$" {
        return Ok(Element::End);
    }
    let (alternatives, presence) = match element.strip_suffix('?') {
        Some(rest) => (rest, Presence::Optional),
        None => (element, Presence::Needed),
    };
    let mut rows = Vec::new();
    for alternative in alternatives.split('|') {
        match slot_in(alternative) {
            Some((before, name, after)) => {
                for word in slots.get(name).ok_or("no such slot")? {
                    rows.push(row_of(&format!("{before}{word}{after}"), writing));
                }
            }
            None => rows.push(row_of(alternative, writing)),
        }
    }
    rows.retain(|row| !row.is_empty());
    if rows.is_empty() {
        return Err("an element without words");
    }
    Ok(Element::Of(rows, presence))
}

fn slot_in(alternative: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = alternative.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn row_of(alternative: &str, writing: Writing) -> Vec<Piece> {
    let begins = alternative.len() > 1 && alternative.ends_with('*');
    let ends = alternative.len() > 1 && alternative.starts_with('*');
    let words = entry_words(alternative, writing);
    let last = words.len().saturating_sub(1);
    words
        .into_iter()
        .enumerate()
        .map(|(at, word)| match () {
            // In a glued writing the rest of the word is the rest of the text: a beginning is the thing itself.
            () if writing.glued || word.chars().any(is_glued_script) => Piece::Is(word),
            () if begins && at == last => Piece::Begins(word),
            () if ends && at == 0 => Piece::Ends(word),
            () => Piece::Is(word),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACED: Writing = Writing { glued: false, elides: false, umlauts: false };
    const GLUED: Writing = Writing { glued: true, elides: false, umlauts: false };

    fn patterns(entries: &[&str], writing: Writing) -> Patterns {
        let slots = BTreeMap::from([(
            "msg".to_owned(),
            vec!["text*".to_owned(), "sms".to_owned(), "text message".to_owned()],
        )]);
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Patterns::new("en", &entries, &slots, writing).unwrap()
    }

    fn hits(patterns: &Patterns, text: &str, writing: Writing) -> bool {
        patterns.all_in(&Text::new(&tokens(&fold(text)), writing, |_| false)).next().is_some()
    }

    #[test]
    fn gaps_options_and_slots_match() {
        let patterns = patterns(&["no more _? {msg}", "remove .. list"], SPACED);
        assert!(hits(&patterns, "please no more annoying texts", SPACED));
        assert!(hits(&patterns, "no more SMS", SPACED));
        assert!(hits(&patterns, "remove me from your list", SPACED));
        assert!(!hits(&patterns, "remove me from that long old list", SPACED));
        assert!(!hits(&patterns, "no more very annoying texts", SPACED));
    }

    #[test]
    fn glued_writing_is_matched_as_bare_text() {
        let patterns = patterns(&["不要|别 再? 发"], GLUED);
        assert!(hits(&patterns, "求你别再发了", GLUED));
        assert!(!hits(&patterns, "别人发的", GLUED));
    }

    #[test]
    fn a_pattern_of_nothing_is_refused() {
        let entries = ["..".to_owned()];
        assert!(Patterns::new("en", &entries, &BTreeMap::new(), SPACED).is_err());
    }
}
