//! The words around an answer, by language: what a word says about a number, and the number words themselves.

use std::collections::{BTreeMap, HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::{
    digits,
    fold::{fold, skeleton},
    packs::{GrammarOf, NumbersOf},
    slips::{doubles_a_letter, is_slip, squeeze, swaps_inside},
    tokens::{Kind, Token, is_glued_script, tokens},
};

/// What a word is, as bits: a word can be several things.
pub(super) mod is {
    pub(in super::super) const CUE: u32 = 1;
    pub(in super::super) const NEUTRAL: u32 = 1 << 1;
    pub(in super::super) const SCALE: u32 = 1 << 2;
    pub(in super::super) const UNIT: u32 = 1 << 3;
    pub(in super::super) const UNIT_BEFORE: u32 = 1 << 4;
    pub(in super::super) const APPROX: u32 = 1 << 5;
    pub(in super::super) const HALF: u32 = 1 << 6;
    pub(in super::super) const NEGATE: u32 = 1 << 7;
    pub(in super::super) const NEGATE_AFTER: u32 = 1 << 8;
    pub(in super::super) const CORRECT: u32 = 1 << 9;
    pub(in super::super) const WITHDRAW: u32 = 1 << 10;
    pub(in super::super) const OUT_OF: u32 = 1 << 11;
    pub(in super::super) const OF_MAX: u32 = 1 << 12;
    pub(in super::super) const RANGE: u32 = 1 << 13;
    pub(in super::super) const MAX_WORD: u32 = 1 << 14;
    pub(in super::super) const NOTHING: u32 = 1 << 15;
    pub(in super::super) const PRAISE: u32 = 1 << 16;
    pub(in super::super) const BLAME: u32 = 1 << 17;
    pub(in super::super) const TOPIC: u32 = 1 << 18;
    pub(in super::super) const INTENSIFIER: u32 = 1 << 19;
    pub(in super::super) const VAGUE: u32 = 1 << 20;
    pub(in super::super) const YES: u32 = 1 << 21;
    pub(in super::super) const NO: u32 = 1 << 22;
    pub(in super::super) const POLITE: u32 = 1 << 23;
    pub(in super::super) const QUESTION: u32 = 1 << 25;
    pub(in super::super) const SUBJECT: u32 = 1 << 26;
    pub(in super::super) const BECAUSE: u32 = 1 << 27;
    pub(in super::super) const LEAD: u32 = 1 << 28;
    pub(in super::super) const PART: u32 = 1 << 29;
    /// Known, and nothing of the above.
    pub(in super::super) const OTHER: u32 = 1 << 24;

    /// The pack's key for each bit; `None` for a key that is no word list of this kind.
    pub(in super::super) fn of(key: &str) -> Option<u32> {
        Some(match key {
            "cue" => CUE,
            "neutral" => NEUTRAL,
            "scale" => SCALE,
            "unit" => UNIT,
            "unit_before" => UNIT_BEFORE,
            "approx" => APPROX,
            "half" => HALF,
            "negate" => NEGATE,
            "negate_after" => NEGATE_AFTER,
            "correct" => CORRECT,
            "withdraw" => WITHDRAW,
            "out_of" => OUT_OF,
            "of_max" => OF_MAX,
            "range" => RANGE,
            "max_word" => MAX_WORD,
            "nothing" => NOTHING,
            "praise" => PRAISE,
            "blame" => BLAME,
            "topic" => TOPIC,
            "intensifier" => INTENSIFIER,
            "vague" => VAGUE,
            "yes" => YES,
            "no" => NO,
            "question" => QUESTION,
            "subject" => SUBJECT,
            "because" => BECAUSE,
            "lead" => LEAD,
            "part" => PART,
            "other" => OTHER,
            _ => return None,
        })
    }
}

/// How far a number word can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Never a number; close enough to one to ask.
    Near,
    /// An article; alone it is asked about.
    Article,
    /// Alone it is asked about, beside other words it is nothing.
    Ask,
    /// An everyday word too: a number only as the whole message.
    Weak,
    /// A number.
    Strong,
}

/// A number word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberWord {
    pub(super) value: i64,
    pub(super) strength: Strength,
    pub(super) ordinal: bool,
}

/// What the lexicon knows of a word or phrase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Bits of [`is`].
    pub(super) is: u32,
    /// The number it is.
    pub(super) number: Option<NumberWord>,
}

/// A piece of a word in a script without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// `None`: not known.
    pub(super) entry: Option<Entry>,
}

/// The lexicon of one language.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    /// By skeleton, words joined by one space.
    words: HashMap<String, u32>,
    /// By folded form with accents, where accents make another word.
    accented: HashMap<String, u32>,
    /// By folded form with accents.
    numbers: HashMap<String, NumberWord>,
    /// By skeleton; the weaker of two that share one.
    bare_numbers: HashMap<String, NumberWord>,
    /// By concatenated skeleton: entries of scripts without spaces.
    glued: HashMap<String, Entry>,
    longest_glued: usize,
    /// `2 much`: value and next word.
    chat: HashSet<(i64, String)>,
    /// `2moro`: value and the rest of the word.
    letters: HashSet<(i64, String)>,
    /// Names of months, by skeleton.
    months: HashMap<String, i64>,
    /// Words a misspelt number could also be.
    real_words: HashSet<String>,
    /// Are accents the difference between words, so that a wrong accent is another word?
    accents_count: bool,
    /// Number words with their tones left out and their dots kept (`mẹta`), where accents count.
    toneless: HashMap<String, NumberWord>,
}

/// Longest phrase looked up, in words.
pub(super) const LONGEST_PHRASE: usize = 6;

impl Lexicon {
    /// Builds the lexicon of `language`.
    pub(super) fn new(
        language: &str,
        grammar: Option<&GrammarOf>,
        numbers: Option<&NumbersOf>,
        polite: &[String],
    ) -> Self {
        let mut lexicon = Self { accents_count: matches!(language, "vi" | "yo" | "ig"), ..Self::default() };
        for (key, entries) in grammar.into_iter().flatten() {
            if key == "chat" {
                lexicon.chat.extend(entries.iter().filter_map(|entry| chat(entry)));
            } else if key == "letters" {
                lexicon.letters.extend(entries.iter().filter_map(|entry| chat(entry)));
            } else if let Some(bit) = is::of(key) {
                entries.iter().for_each(|entry| lexicon.add_word(entry, bit));
            }
        }
        polite.iter().for_each(|entry| lexicon.add_word(entry, is::POLITE));
        if let Some(numbers) = numbers {
            lexicon.add_numbers(numbers);
        }
        lexicon
    }

    fn add_word(&mut self, entry: &str, bit: u32) {
        let key = key_of(entry, |token| &token.skeleton);
        if key.is_empty() {
            return;
        }
        if key.chars().any(is_glued_script) {
            let glued: String = key.split(' ').collect();
            self.longest_glued = self.longest_glued.max(glued.chars().count());
            self.glued.entry(glued).or_default().is |= bit;
        }
        *self.words.entry(key).or_default() |= bit;
        if self.accents_count {
            *self.accented.entry(key_of(entry, |token| &token.text)).or_default() |= bit;
        }
    }

    fn add_numbers(&mut self, pack: &NumbersOf) {
        let keys = |list: &[String]| -> HashSet<String> {
            list.iter().map(|word| key_of(word, |token| &token.text)).collect()
        };
        let (weak, ask, article) = (keys(&pack.ambiguous), keys(&pack.ask), keys(&pack.article));
        self.real_words = keys(&pack.real_words);
        let strength = |key: &String| match () {
            () if article.contains(key) => Strength::Article,
            () if ask.contains(key) => Strength::Ask,
            () if weak.contains(key) => Strength::Weak,
            () => Strength::Strong,
        };
        let lists: [(&BTreeMap<String, Vec<String>>, bool); 3] =
            [(&pack.cardinal, false), (&pack.added, false), (&pack.ordinal, true)];
        for (list, ordinal) in lists {
            for (value, words) in list {
                let Ok(value) = value.parse::<i64>() else { continue };
                for word in words.iter().filter(|word| !word.contains(|c: char| c.is_ascii_digit())) {
                    let key = key_of(word, |token| &token.text);
                    self.add_number(key.clone(), NumberWord { value, strength: strength(&key), ordinal });
                }
            }
        }
        for (month, names) in &pack.month {
            let Ok(month) = month.parse::<i64>() else { continue };
            self.months.extend(names.iter().map(|name| (key_of(name, |token| &token.skeleton), month)));
        }
        for word in &pack.near {
            self.add_number(
                key_of(word, |token| &token.text),
                NumberWord { value: 0, strength: Strength::Near, ordinal: false },
            );
        }
        for key in ask.iter().chain(&article) {
            // A word that is only in the lists of caution is still worth asking about.
            self.numbers.entry(key.clone()).or_insert(NumberWord {
                value: 0,
                strength: Strength::Ask,
                ordinal: false,
            });
        }
    }

    fn add_number(&mut self, key: String, number: NumberWord) {
        if key.is_empty() {
            return;
        }
        let bare = skeleton(&key);
        if bare.chars().any(is_glued_script) {
            let glued: String = bare.split(' ').collect();
            self.longest_glued = self.longest_glued.max(glued.chars().count());
            self.glued.entry(glued).or_default().number.get_or_insert(number);
        }
        self.bare_numbers
            .entry(bare)
            .and_modify(|known| {
                known.strength = known.strength.min(number.strength);
                if known.value != number.value {
                    known.strength = known.strength.min(Strength::Ask);
                }
            })
            .or_insert(number);
        if self.accents_count {
            self.toneless.entry(toneless(&key)).or_insert(number);
        }
        self.numbers.entry(key).or_insert(number);
    }

    /// Looks up a word or a phrase: `text` with accents, `skeleton` without, both joined by one space.
    pub(super) fn get(&self, text: &str, skeleton: &str) -> Option<Entry> {
        let bits = if self.accents_count && text != skeleton {
            self.accented.get(text)
        } else {
            self.words.get(skeleton)
        }
        .copied();
        let number = self.number(text, skeleton);
        (bits.is_some() || number.is_some()).then(|| Entry { is: bits.unwrap_or(0), number })
    }

    /// The number word, exact by accents, else by skeleton.
    pub(super) fn number(&self, text: &str, skeleton: &str) -> Option<NumberWord> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        if self.accents_count && text != skeleton {
            return self.toneless.get(text).copied().filter(|_| toneless(text) == text);
        }
        self.bare_numbers.get(skeleton).copied()
    }

    /// Does chat write `value` for a sound before this word (`2 much`)?
    pub(super) fn is_chat(&self, value: i64, next: &str) -> bool {
        self.chat.contains(&(value, next.to_owned()))
    }

    /// Does chat write `value` for the beginning of a word that goes on like this (`2moro`)?
    pub(super) fn is_letters(&self, value: i64, rest: &str) -> bool {
        self.letters.contains(&(value, rest.to_owned()))
    }

    /// A misspelt number word: one letter missing, doubled or two swapped, and only one number word that near. Short words
    /// and real words are left alone, and so is a letter in place of another (`eight`, `fight`).
    pub(super) fn misspelt(&self, skeleton: &str, shortest: usize) -> Option<i64> {
        let length = skeleton.chars().count();
        if length < shortest.min(SHORTEST_DOUBLED + 1)
            || self.real_words.contains(skeleton)
            || self.words.contains_key(skeleton)
        {
            return None;
        }
        let squeezed = squeeze(skeleton);
        let mut values: Vec<i64> = self
            .bare_numbers
            .iter()
            .filter(|(word, number)| {
                number.strength == Strength::Strong
                    && (!number.ordinal || swaps_inside(skeleton, word))
                    && number.value <= MOST_MISSPELT
                    && !word.contains(' ')
                    && (squeezed.as_deref() == Some(word)
                        || length >= shortest && word.chars().count() >= shortest && is_slip(skeleton, word)
                        || word.chars().count() >= SHORTEST_DOUBLED && doubles_a_letter(skeleton, word))
            })
            .map(|(_, number)| number.value)
            .collect();
        values.sort_unstable();
        values.dedup();
        match values.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// The month of this name.
    pub(super) fn month(&self, skeleton: &str) -> Option<i64> {
        self.months.get(skeleton).copied()
    }

    /// Is this a real word one slip away from a number word?
    pub(super) fn is_real(&self, skeleton: &str) -> bool {
        self.real_words.contains(skeleton)
    }

    /// Every number word by skeleton.
    pub(super) fn number_words(&self) -> impl Iterator<Item = (&str, NumberWord)> {
        self.bare_numbers.iter().map(|(word, number)| (word.as_str(), *number))
    }

    /// Cuts a word of a script without spaces into known pieces, as few and as long as can be, with the fewest characters
    /// left over.
    pub(super) fn pieces(&self, word: &str) -> Vec<Piece> {
        let chars: Vec<char> = word.chars().take(LONGEST_RUN).collect();
        // best[i]: cost of the first i characters, and where its last piece began and what it is.
        let mut best: Vec<(usize, usize, Option<Entry>)> = vec![(usize::MAX, 0, None); chars.len() + 1];
        best[0].0 = 0;
        for from in 0..chars.len() {
            let cost = best[from].0;
            let mut try_piece = |to: usize, extra: usize, entry: Option<Entry>| {
                if cost + extra < best[to].0 {
                    best[to] = (cost + extra, from, entry);
                }
            };
            try_piece(from + 1, LEFT_OVER, None);
            let numeral = chars[from..].iter().take_while(|c| digits::is_chinese_digit(**c)).count();
            if numeral > 0
                && let Some(value) = digits::chinese(&chars[from..from + numeral].iter().collect::<String>())
            {
                let strength =
                    self.glued_number(&chars[from..from + numeral]).map_or(Strength::Strong, |n| n.strength);
                try_piece(
                    from + numeral,
                    1,
                    Some(Entry { is: 0, number: Some(NumberWord { value, strength, ordinal: false }) }),
                );
            }
            let mut text = String::new();
            for (at, c) in chars[from..].iter().take(self.longest_glued).enumerate() {
                text.push(*c);
                if let Some(entry) = self.glued.get(&text) {
                    try_piece(from + at + 1, 1, Some(*entry));
                }
            }
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = chars.len();
        while at > 0 {
            let (_, from, entry) = best[at];
            let text: String = chars[from..at].iter().collect();
            match pieces.last_mut() {
                Some(next) if next.entry.is_none() && entry.is_none() => next.text.insert_str(0, &text),
                _ => pieces.push(Piece { text, entry }),
            }
            at = from;
        }
        pieces.reverse();
        pieces
    }

    /// What is known of a word in a script without spaces, whole.
    pub(super) fn glued(&self, skeleton: &str) -> Option<Entry> {
        self.glued.get(skeleton).copied()
    }

    fn glued_number(&self, chars: &[char]) -> Option<NumberWord> {
        self.glued.get(&chars.iter().collect::<String>()).and_then(|entry| entry.number)
    }
}

/// Longest word without spaces that is cut up: what is longer is a text, not an answer.
const LONGEST_RUN: usize = 200;

/// Highest number whose word is recognised misspelt: beyond ten the slips of number words are other words.
const MOST_MISSPELT: i64 = 10;

/// Shortest number word in which one letter may be doubled: sixx.
const SHORTEST_DOUBLED: usize = 3;

/// Cost of a character that belongs to no known piece, far above that of a piece.
const LEFT_OVER: usize = 100;

fn chat(entry: &str) -> Option<(i64, String)> {
    let (value, word) = entry.split_once(' ')?;
    Some((value.parse().ok()?, skeleton(word)))
}

/// The words of an entry, joined by one space.
pub(super) fn key_of(entry: &str, part: impl Fn(&Token) -> &String) -> String {
    let words: Vec<String> = tokens(&fold(entry))
        .iter()
        .filter(|token| matches!(token.kind, Kind::Word | Kind::Digits))
        .map(|token| part(token).clone())
        .collect();
    words.join(" ")
}

/// A word without the marks of its tones: grave, acute and macron, the dots below kept.
fn toneless(word: &str) -> String {
    word.nfd().filter(|c| !matches!(c, '\u{0300}' | '\u{0301}' | '\u{0304}')).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_into_the_fewest_known_pieces() {
        let grammar: GrammarOf =
            [("scale", vec!["分", "星"]), ("praise", vec!["满意"]), ("approx", vec!["十分满意"])]
                .into_iter()
                .map(|(key, words)| (key.to_owned(), words.into_iter().map(str::to_owned).collect()))
                .collect();
        let lexicon = Lexicon::new("zh", Some(&grammar), None, &[]);
        let shape = |word: &str| lexicon.pieces(word).into_iter().map(|piece| piece.text).collect::<Vec<_>>();
        assert_eq!(shape("五星"), ["五", "星"]);
        assert_eq!(shape("十二分"), ["十二", "分"]);
        assert_eq!(shape("十分满意"), ["十分满意"]);
    }
}
