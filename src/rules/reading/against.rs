//! What the words around a number say against it: units, about, not, a maximum without a score.

use super::{
    grammar::{Scale, harmless},
    items::{Form, Item, Number, What},
    labels::Named,
    lexica::Lexica,
    lexicon::{Strength, is},
    tokens::Gap,
};

/// English words that end like a plural and count nothing.
const NOT_COUNTED: &str = "is was thanks cheers always yes less plus this does as us has services others sucks perhaps \
    afterwards towards unless besides regards congrats his its sometimes nevertheless ours yours \
    lets seems means works needs";

/// What stands against a number right beside it.
pub(super) fn against(
    items: &[Item],
    at: usize,
    number: Number,
    scale: Scale,
    named: &Named,
    lexica: &Lexica<'_>,
) -> Option<&'static str> {
    if number.ordinal && scale.is_range() {
        return Some("ordinal");
    }
    // The first: of the options, or the one said first?
    let option = |index: Option<usize>| {
        index.and_then(|i| items.get(i)).is_some_and(|item| item.has(is::CUE) && !item.has(is::NEUTRAL))
    };
    if number.ordinal
        && number.value == 1
        && number.form == Form::Word
        && !option(at.checked_sub(1))
        && !option(Some(at + 1))
    {
        return Some("first");
    }
    if let Some(reason) = behind(items, at, number, scale, named, lexica) {
        return Some(reason);
    }
    if let Some(previous) = at.checked_sub(1).map(|i| &items[i])
        && previous.has(is::UNIT_BEFORE)
        && !previous.has(is::CUE | is::OUT_OF)
        && items[at].gap != Gap::Line
    {
        return Some("unit");
    }
    // A maximum without a score before it: เต็มสิบ, on 10.
    let previous = |back: usize| at.checked_sub(back).map(|i| &items[i]);
    let announced = previous(2).is_some_and(|item| item.has(is::CUE | is::SCALE));
    let dangling = previous(1)
        .is_some_and(|item| item.has(is::OUT_OF | is::OF_MAX | is::MAX_WORD) && !item.has(is::CUE))
        && !announced;
    (dangling && !items[..at].iter().any(|item| item.number().is_some())).then_some("denominator")
}

/// What the word right behind a number says against it.
fn behind(
    items: &[Item],
    at: usize,
    number: Number,
    scale: Scale,
    named: &Named,
    lexica: &Lexica<'_>,
) -> Option<&'static str> {
    let label = |index: usize| named.items.get(index).is_some_and(|options| !options.is_empty());
    let next = items.get(at + 1)?;
    let adjacent = next.gap != Gap::Line;
    let is_label = label(at + 1);
    let first = next.skeleton.split(' ').next().unwrap_or_default();
    let agrees = named.items.get(at + 1).is_some_and(|options| options.contains(&number.value));
    // 4 the bill was wrong, 4 help page was useless: a sentence of its own behind the answer.
    let comment =
        next.gap == Gap::Space && (begins_sentence(&items[at + 1..], lexica) || is_noun(next, lexica));
    if adjacent && lexica.is_chat(number.value, first) && !agrees && !comment {
        return Some("chat");
    }
    // 1 of your vans
    if adjacent && is_part(next, items.get(at + 2)) {
        return Some("part");
    }
    // 8-летний: the ending of a count written in digits.
    let ending = next.is_mark('-') && next.gap == Gap::Glued;
    if ending && items.get(at + 2).is_some_and(|unit| unit.gap == Gap::Glued && unit.has(is::UNIT)) {
        return Some("unit");
    }
    // 4 min räkning är fel: my, not minutes.
    let minutes = !(next.has(is::SUBJECT) && begins_sentence(&items[at + 1..], lexica));
    if adjacent && minutes && next.has(is::UNIT) && !next.has(is::SCALE) && !is_label {
        return Some("unit");
    }
    // 5 stars is a score, not an option.
    if next.has(is::SCALE) && !scale.is_range() && !next.has(is::CUE | is::NEUTRAL) {
        return Some("scale");
    }
    // 3 no: is the three taken back?
    if next.has(is::NO) && items[at + 2..].iter().all(|item| matches!(item.what, What::Mark(_))) {
        return Some("doubt");
    }
    if number.glued_on && next.is == 0 && !is_label {
        return Some("glued");
    }
    if adjacent
        && number.value >= 2
        && next.is == 0
        && !is_label
        && next.gap == Gap::Space
        && is_plural(&next.skeleton)
    {
        return Some("counted");
    }
    // 5 more days, 2 whole years
    if adjacent
        && next.has(is::INTENSIFIER | is::NEUTRAL | is::APPROX)
        && !next.has(is::BECAUSE)
        && !(next.has(is::SUBJECT) && items.len() > at + 3)
        && items.get(at + 2).is_some_and(|unit| {
            unit.has(is::UNIT) && !unit.has(is::SCALE) && unit.gap == Gap::Space && !label(at + 2)
        })
    {
        return Some("unit");
    }
    None
}

/// Fewest words behind the first one of a sentence: with fewer, `4 the win` is chat.
const SENTENCE: usize = 3;

/// Do these items begin like a sentence (the, my, you) and go on for some words?
fn begins_sentence(items: &[Item], lexica: &Lexica<'_>) -> bool {
    let first = items.first().and_then(|item| item.skeleton.split(' ').next());
    let words: usize = items
        .iter()
        .filter(|item| matches!(item.what, What::Word))
        .map(|item| item.skeleton.split(' ').count())
        .sum();
    first.is_some_and(|first| lexica.is_subject(first)) && words > SENTENCE
}

/// `of your`, and a plain `dari` with the thing counted behind it.
fn is_part(of: &Item, behind: Option<&Item>) -> bool {
    let counted = || behind.is_some_and(|item| item.number().is_none() && !harmless(item));
    of.has(is::PART) && (!of.has(is::OUT_OF) || counted())
}

/// A thing of several words whose first one chat would take for a verb: help page.
fn is_noun(item: &Item, lexica: &Lexica<'_>) -> bool {
    let first = item.skeleton.split_once(' ').map(|(first, _)| first);
    item.has(is::TOPIC) && first.is_some_and(|first| !lexica.is_subject(first))
}

/// About, maybe, more than, half: a word or two before or behind.
pub(super) fn nearby(items: &[Item], at: usize, scaled: bool) -> Option<&'static str> {
    // 9 over 10: over is about only where no maximum was found.
    // It would be 8 is an answer; it would be 8 if it worked is none.
    let settled = items[at + 1..].iter().all(harmless);
    let approximates = |item: &Item| {
        item.has(is::APPROX)
            && !(scaled && item.has(is::OUT_OF | is::OF_MAX | is::RANGE))
            && !(settled && item.has(is::CUE))
    };
    let mut steps = 0;
    for item in items[..at].iter().rev() {
        if approximates(item) {
            return Some("about");
        }
        if item.has(is::HALF) && steps == 0 {
            return Some("half");
        }
        let abbreviated = item.is_mark('.') && item.gap == Gap::Glued && steps == 0;
        let passable = item.has(is::NEUTRAL | is::CUE | is::SCALE)
            || item.is_mark(',')
            || abbreviated
            || item.number().is_some_and(|n| n.strength < Strength::Weak);
        steps += 1;
        if !passable || steps > 3 {
            break;
        }
    }
    let mut steps = 0;
    for (offset, item) in items[at + 1..].iter().enumerate() {
        if item.has(is::HALF) {
            return Some("half");
        }
        if approximates(item) {
            return Some("about");
        }
        if item.is_mark('?') && steps == offset {
            return Some("doubt");
        }
        let last = at + offset + 3 >= items.len();
        let hyphen = item.is_mark('-') && item.gap == Gap::Glued && offset == 0;
        let passable = item.has(is::SCALE)
            || hyphen
            || (last && (item.is_mark(',') || item.is_mark('.') || item.has(is::NEUTRAL)));
        steps += 1;
        if !passable || steps > 3 {
            break;
        }
    }
    None
}

/// `not 3`, `3 değil`: no sign between, an article or a cue at most.
pub(super) fn negated(items: &[Item], at: usize) -> bool {
    let mut steps = 0;
    for item in items[..at].iter().rev() {
        if item.has(is::NEGATE) && !(item.has(is::CUE) && steps == 0) {
            return true;
        }
        let passable = item.has(is::NEUTRAL | is::CUE | is::INTENSIFIER)
            || item.number().is_some_and(|n| n.strength < Strength::Weak);
        steps += 1;
        if !passable || steps > 4 {
            break;
        }
    }
    let mut behind = items[at + 1..]
        .iter()
        .skip_while(|item| item.has(is::SCALE | is::NEUTRAL) && !item.has(is::NEGATE_AFTER))
        .take(1);
    behind.next().is_some_and(|item| item.has(is::NEGATE_AFTER) && item.gap != Gap::Line)
}

/// An English plural behind a number counts something: `2 parcels`.
fn is_plural(word: &str) -> bool {
    word.is_ascii()
        && word.len() >= 4
        && word.ends_with('s')
        && !word.ends_with("ss")
        && !word.ends_with("us")
        && !NOT_COUNTED.split(' ').any(|known| known == word)
}
