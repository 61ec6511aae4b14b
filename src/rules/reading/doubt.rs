//! Messages without a number: yes, no, and what could still be taken for an answer.

use super::{
    Verdict,
    decide::Reply,
    digits,
    items::{Item, What},
    lexicon::{Strength, is},
    tokens::{Kind, Token},
};

/// Signs that can mean a number or a score.
const SIGNS: &str = "💯✋🖐🤚✌☝🥇🥈🥉🎱½¼¾";

impl Reply<'_> {
    /// Yes (1) or no (0) and nothing else of weight.
    pub(super) fn yes_or_no(&self, items: &[Item]) -> Option<i64> {
        let beside = |item: &&Item| {
            !item.has(is::YES | is::NO)
                && !matches!(item.what, What::Mark(_) | What::Symbol(_))
                && !item.has(is::POLITE | is::NEUTRAL)
        };
        if items.iter().any(|item| beside(&item)) {
            return None;
        }
        let (yes, no) =
            (items.iter().any(|item| item.has(is::YES)), items.iter().any(|item| item.has(is::NO)));
        match (yes, no) {
            (true, false) => Some(1),
            (false, true) => Some(0),
            _ => None,
        }
    }

    /// The answer to a double opt-in.
    pub(super) fn confirmation(&self, items: &[Item]) -> Option<(Verdict, &'static str)> {
        match self.yes_or_no(items)? {
            1 => Some((Verdict::OptIn, "confirm.yes")),
            _ => Some((Verdict::OptOut { scope_word: None }, "confirm.no")),
        }
    }

    /// A message without a number that could still be taken for an answer.
    pub(super) fn asks(&self, items: &[Item]) -> Option<&'static str> {
        let words: Vec<&Token> =
            self.tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Digits)).collect();
        if let [only] = words.as_slice() {
            let letter = only.kind == Kind::Word
                && only.skeleton.len() == 1
                && only.skeleton != "k"
                && only.skeleton.is_ascii();
            if letter {
                return Some("letter");
            }
        }
        // option D
        let lettered = |token: &Token| token.skeleton.len() == 1 && token.skeleton.is_ascii();
        if let [cue, .., last] = items
            && words.len() == 2
            && cue.has(is::CUE)
            && matches!(last.what, What::Word)
            && words.last().is_some_and(|last| last.kind == Kind::Word && lettered(last))
        {
            return Some("letter");
        }
        let sign = |c: char| SIGNS.contains(c) || digits::is_fraction(c);
        let starry = items.len() > 1 && items.iter().all(|item| item.is_mark('*'));
        if starry || items.iter().any(|item| matches!(item.what, What::Symbol(c) | What::Mark(c) if sign(c)))
        {
            return Some("sign");
        }
        let said = words.iter().map(|token| token.skeleton.as_str()).collect::<Vec<_>>().join(" ");
        if self.reader.compliance.is_asked_alone(&said) {
            return Some("word");
        }
        let asked = |item: &Item| {
            item.has(is::NOTHING | is::VAGUE | is::MAX_WORD | is::HALF | is::YES | is::NO)
                || item.number().is_some_and(|number| number.strength < Strength::Weak)
        };
        let beside = |item: &Item| {
            matches!(item.what, What::Mark(_) | What::Symbol(_))
                || item.has(is::POLITE | is::NEUTRAL | is::INTENSIFIER | is::CUE | is::SCALE | is::RANGE)
        };
        let approximate = items.iter().any(|item| item.has(is::APPROX) && item.skeleton.starts_with("十分"));
        if approximate {
            return Some("adverb");
        }
        (items.iter().any(asked) && items.iter().all(|item| asked(item) || beside(item))).then_some("word")
    }
}
