//! The open question's grammar: which of the numbers in a reply, if any, is the answer.
//!
//! One clear number in range without a rival is taken. Two, or a doubt, is asked about. The order of the rules is the
//! order of the functions in [`evaluate`].

use super::{
    against::{against, nearby, negated},
    items::{Form, Item, Number, What},
    labels::Named,
    lexica::Lexica,
    lexicon::{Strength, is},
    scales::{copied_range, fractions, stars},
    tokens::Gap,
};

/// What the question takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// One of numbered options, lowest and highest.
    Choice(i64, i64),
    /// A score.
    Range(i64, i64),
}

impl Scale {
    /// Is it a score?
    pub(super) fn is_range(self) -> bool {
        matches!(self, Self::Range(..))
    }

    /// The lowest value.
    pub(super) fn min(self) -> i64 {
        match self {
            Self::Choice(min, _) | Self::Range(min, _) => min,
        }
    }

    /// The highest value.
    pub(super) fn max(self) -> i64 {
        match self {
            Self::Choice(_, max) | Self::Range(_, max) => max,
        }
    }
}

/// What the numbers of a reply say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This value.
    Value { value: i64, rule: &'static str, corrected: bool },
    /// Something that could be taken wrongly.
    Ask(&'static str),
    /// No number.
    Nothing,
}

/// A number of the reply in the course of the rules.
pub(super) struct Candidate {
    pub(super) at: usize,
    pub(super) number: Number,
    /// Taken back or corrected by what follows, or named as what it is not.
    pub(super) dropped: bool,
    /// The maximum in `9 out of 10`.
    pub(super) maximum: bool,
}

impl Candidate {
    pub(super) fn live(&self) -> bool {
        !self.dropped && !self.maximum && self.number.reject.is_none()
    }
}

/// Finds the answer among the numbers.
pub(super) fn evaluate(items: &[Item], scale: Scale, named: &Named, lexica: &Lexica<'_>) -> Found {
    let alone = items.iter().all(|item| item.number().is_some() || harmless(item));
    let bare = items.iter().all(|item| {
        item.number().is_some()
            || item.has(BUILT_IN)
            || (harmless(item) && !item.has(is::PRAISE | is::BLAME | is::TOPIC))
    });
    let mut candidates: Vec<Candidate> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| Some((at, item.number()?)))
        .filter(|(at, number)| counts(items, *at, *number, bare, scale))
        .map(|(at, number)| Candidate { at, number, dropped: false, maximum: false })
        .collect();
    if let Some(found) = stars(items, &candidates, scale) {
        return found;
    }
    fractions(items, &mut candidates, scale);
    copied_range(items, &mut candidates, scale);
    for index in 0..candidates.len() {
        neighbours(items, &mut candidates, index, scale, named, lexica);
    }
    let corrected = corrections(items, &mut candidates);
    settle(items, &candidates, scale, named, alone, corrected)
}

/// Words that belong to the build of an answer: out of, and a half, not, about.
const BUILT_IN: u32 = is::HALF
    | is::APPROX
    | is::UNIT
    | is::UNIT_BEFORE
    | is::NEGATE
    | is::NEGATE_AFTER
    | is::OUT_OF
    | is::OF_MAX
    | is::RANGE
    | is::MAX_WORD
    | is::WITHDRAW;

/// Everyday words count as numbers only with nothing else said; articles and words to ask about not even then.
fn counts(items: &[Item], at: usize, number: Number, bare: bool, scale: Scale) -> bool {
    let scored = items.get(at + 1).is_some_and(|next| next.has(is::SCALE)) && scale.is_range();
    // One because there is no signal.
    let explained =
        items[at + 1..].iter().find(|next| !next.is_mark(',')).is_some_and(|next| next.has(is::BECAUSE))
            && items[..at].iter().all(|item| harmless(item) && item.number().is_none());
    let pronoun = at.checked_sub(1).and_then(|i| items[i].number()).is_some_and(|before| before.ordinal);
    match number.strength {
        Strength::Strong => true,
        // The third one.
        Strength::Weak => (bare || scored || explained) && !pronoun,
        Strength::Ask | Strength::Article | Strength::Near => false,
    }
}

/// Says nothing against a number in the same message.
pub(super) fn harmless(item: &Item) -> bool {
    match item.what {
        What::Mark(_) | What::Symbol(_) => true,
        What::Stars(filled, hollow) => filled + hollow == 1,
        What::Number(number) => number.strength < Strength::Weak,
        What::Word => item.has(
            is::CUE
                | is::NEUTRAL
                | is::SCALE
                | is::PRAISE
                | is::BLAME
                | is::TOPIC
                | is::POLITE
                | is::CORRECT
                | is::INTENSIFIER
                | is::YES
                | is::NO,
        ),
    }
}

/// What the words around a number say against it.
fn neighbours(
    items: &[Item],
    candidates: &mut [Candidate],
    index: usize,
    scale: Scale,
    named: &Named,
    lexica: &Lexica<'_>,
) {
    let at = candidates[index].at;
    let number = candidates[index].number;
    if candidates[index].maximum {
        return;
    }
    if negated(items, at) {
        candidates[index].dropped = true;
        return;
    }
    if number.reject.is_none() {
        let scaled = candidates.iter().any(|candidate| candidate.maximum);
        candidates[index].number.reject =
            against(items, at, number, scale, named, lexica).or_else(|| nearby(items, at, scaled));
    }
}

/// `3 sorry I meant 4`: what comes after replaces what came before. Returns whether anything was replaced.
fn corrections(items: &[Item], candidates: &mut [Candidate]) -> bool {
    taken_back(items, candidates);
    let Some(last) = items.iter().rposition(|item| item.has(is::CORRECT)) else {
        return candidates.iter().any(|c| c.dropped);
    };
    let after: Vec<i64> =
        candidates.iter().filter(|c| c.at > last && c.live()).map(|c| c.number.value).collect();
    if after.is_empty() {
        return candidates.iter().any(|c| c.dropped);
    }
    for candidate in candidates.iter_mut().filter(|c| c.at < last && !c.maximum) {
        candidate.dropped = true;
    }
    true
}

/// `3 no 4`, `1... no, 2`: a no between two numbers takes the first one back, if no yes or no follows the second.
fn taken_back(items: &[Item], candidates: &mut [Candidate]) {
    for left in 0..candidates.len().saturating_sub(1) {
        let (from, to) = (candidates[left].at, candidates[left + 1].at);
        let between = &items[from + 1..to];
        let refused = between.iter().any(|item| item.has(is::NO))
            && between.iter().all(|item| {
                matches!(item.what, What::Mark(_)) || item.has(is::NO | is::CORRECT | is::WITHDRAW | is::CUE)
            });
        let listed = items[to + 1..].iter().any(|item| item.has(is::YES | is::NO));
        if refused && !listed && candidates[left].live() && candidates[left + 1].live() {
            candidates[left].dropped = true;
        }
    }
}

/// What is left: one value in range, in a place where an answer stands, or a question back.
fn settle(
    items: &[Item],
    candidates: &[Candidate],
    scale: Scale,
    named: &Named,
    alone: bool,
    corrected: bool,
) -> Found {
    let live: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.live()).collect();
    let rejected = candidates
        .iter()
        .find_map(|candidate| candidate.number.reject.filter(|_| !candidate.dropped && !candidate.maximum));
    let Some(first) = live.first() else {
        let hearts = candidates.iter().all(|candidate| candidate.number.reject == Some("heart"));
        return match rejected {
            Some(_) if hearts => Found::Nothing,
            Some(reason) => Found::Ask(reason),
            None if candidates.iter().any(|candidate| candidate.dropped) => Found::Ask("negated"),
            None if candidates.iter().any(|candidate| candidate.maximum) => Found::Ask("several"),
            None => Found::Nothing,
        };
    };
    let value = first.number.value;
    if live.iter().any(|candidate| candidate.number.value != value) {
        return Found::Ask("several");
    }
    if rejected.is_some_and(|reason| reason != "heart") {
        return Found::Ask("rival");
    }
    if value < scale.min() || value > scale.max() {
        return Found::Ask("out_of_range");
    }
    if !named.mentioned.is_empty() && !named.mentioned.contains(&value) {
        return Found::Ask("label_conflict");
    }
    if withdrawn(items, live[live.len() - 1].at) {
        return Found::Ask("withdrawn");
    }
    if asks_back(items, first.at) {
        return Found::Ask("question");
    }
    if value == 1 && is_rank(items, first.at) && (scale.is_range() || !alone) {
        return Found::Ask("rank");
    }
    let scaled = candidates.iter().any(|candidate| candidate.maximum);
    let dropped = candidates.iter().any(|candidate| candidate.dropped);
    if dropped && items.iter().any(|item| item.is_mark('?')) {
        return Found::Ask("question");
    }
    if dropped && instead(items) {
        return Found::Value { value, rule: "number.instead", corrected: true };
    }
    match place(items, &live, named, alone, scaled) {
        Some(rule) => Found::Value { value, rule, corrected },
        None => Found::Ask("place"),
    }
}

/// `not 2 but 3`, `2 değil 3`: hardly a word beside the two numbers and what sets one against the other.
fn instead(items: &[Item]) -> bool {
    let others = items.iter().filter(|item| {
        item.number().is_none() && !harmless(item) && !item.has(is::NEGATE | is::NEGATE_AFTER | is::CORRECT)
    });
    others.count() <= 1 && !items.iter().any(|item| item.is_mark('?'))
}

/// `3 no wait`: taken back, and nothing put in its place. Behind a word that is no courtesy it is said of that word
/// (`4 bill mistake`).
fn withdrawn(items: &[Item], at: usize) -> bool {
    let mut words =
        items[at + 1..].iter().filter(|item| !matches!(item.what, What::Mark(_) | What::Symbol(_)));
    let takes_back = |item: &Item| item.has(is::WITHDRAW);
    words
        .next()
        .is_some_and(|first| takes_back(first) || harmless(first) && words.next().is_some_and(takes_back))
}

/// `is 10 good or bad`, `would 8 be for anything else?`: a question about the number. A sign between ends the sentence.
fn asks_back(items: &[Item], at: usize) -> bool {
    if at == 0 {
        return false;
    }
    let behind = items[at + 1..].iter().take_while(|item| !item.is_mark(',') && item.gap != Gap::Line);
    let ends =
        |item: &&Item| item.is_mark('.') || item.is_mark('!') || item.is_mark('-') || item.is_mark(';');
    let sentence: Vec<&Item> = behind.take_while(|item| !ends(item)).collect();
    let asked = sentence.last().is_some_and(|item| item.is_mark('?'));
    let opened = at == 1 && items[0].has(is::QUESTION);
    (asked && sentence.len() > 1) || (opened && (asked || sentence.iter().any(|item| !harmless(item))))
}

/// `#1`, `number one`: on a score praise, before other words a rank (#1 reason is price).
fn is_rank(items: &[Item], at: usize) -> bool {
    let before = items[..at].iter().rev().position(|item| !item.is_mark('.')).map(|back| at - back - 1);
    before.is_some_and(|i| {
        let announced = i.checked_sub(1).is_some_and(|i| items[i].has(is::CUE) && !items[i].has(is::NEUTRAL));
        (items[i].is_mark('#') && !announced)
            || matches!(items[i].skeleton.as_str(), "number" | "no" | "nr" | "nummer" | "numero" | "numéro")
    })
}

/// Where the answer stands: at the head with a comment behind, at the end behind a sign or praise, or after a word that
/// announces it.
fn place(
    items: &[Item],
    live: &[&Candidate],
    named: &Named,
    alone: bool,
    scaled: bool,
) -> Option<&'static str> {
    let (first, last) = (live[0], live[live.len() - 1]);
    if alone {
        return Some("number");
    }
    let label = |index: usize| named.items.get(index).is_some_and(|options| !options.is_empty());
    let maximum = if scaled { is::OUT_OF | is::OF_MAX | is::MAX_WORD | is::RANGE } else { 0 };
    let passes = |index: usize| {
        harmless(&items[index])
            || items[index].number().is_some()
            || label(index)
            || items[index].has(maximum)
    };
    let digits = first.number.form == Form::Digits
        || items.get(first.at + 1).is_some_and(|item| item.has(is::OUT_OF | is::SCALE) || item.is_mark('/'));
    let doubtful = items.iter().any(|item| item.is_mark('?'));
    if (0..first.at).all(passes) {
        let next = items.get(first.at + 1);
        let word_ok = next.is_none_or(|item| harmless(item) || item.has(is::BECAUSE) || label(first.at + 1));
        return (digits || word_ok).then_some("number.head");
    }
    if (last.at + 1..items.len()).all(passes) && !doubtful {
        let previous = &items[first.at - 1];
        let apart =
            matches!(previous.what, What::Mark(_) | What::Symbol(_)) || items[first.at].gap == Gap::Line;
        let announced = previous.has(is::CUE | is::PRAISE | is::TOPIC | is::CORRECT | is::BLAME)
            || (digits && previous.has(is::NEUTRAL | is::POLITE | is::LEAD));
        let settled = apart && !previous.is_mark('\'') && !previous.is_mark('&') && !previous.is_mark('/');
        return (settled || announced || label(first.at - 1)).then_some("number.tail");
    }
    let announced =
        first.at.checked_sub(1).is_some_and(|i| items[i].has(is::CUE) && !items[i].has(is::NEUTRAL));
    (announced && digits && !doubtful && live.len() == 1).then_some("number.announced")
}
