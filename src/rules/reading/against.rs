//! What the words around a number say against it: units, about, not, a maximum without a score.

use super::{
    grammar::Scale,
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
    let label = |index: usize| named.items.get(index).is_some_and(|options| !options.is_empty());
    if let Some(next) = items.get(at + 1) {
        let adjacent = next.gap != Gap::Line;
        let is_label = label(at + 1);
        let first = next.skeleton.split(' ').next().unwrap_or_default();
        let agrees = named.items.get(at + 1).is_some_and(|options| options.contains(&number.value));
        if adjacent && lexica.is_chat(number.value, first) && !agrees {
            return Some("chat");
        }
        if adjacent && next.has(is::UNIT) && !next.has(is::SCALE) && !is_label {
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
            && items.get(at + 2).is_some_and(|unit| {
                unit.has(is::UNIT) && !unit.has(is::SCALE) && unit.gap == Gap::Space && !label(at + 2)
            })
        {
            return Some("unit");
        }
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

/// About, maybe, more than, half: a word or two before or behind.
pub(super) fn nearby(items: &[Item], at: usize, scaled: bool) -> Option<&'static str> {
    // 9 over 10: over is about only where no maximum was found.
    let approximates =
        |item: &Item| item.has(is::APPROX) && !(scaled && item.has(is::OUT_OF | is::OF_MAX | is::RANGE));
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
