//! Scores written with their scale: stars, 9 out of 10, the scale repeated before the answer.

use super::{
    grammar::{Candidate, Found, Scale},
    items::{Item, What},
    lexicon::is,
};

/// A row of stars: the filled ones are counted, on a scale of five.
pub(super) fn stars(items: &[Item], candidates: &[Candidate], scale: Scale) -> Option<Found> {
    let rows: Vec<(i64, i64)> = items
        .iter()
        .filter_map(|item| match item.what {
            What::Stars(filled, hollow) => Some((filled, hollow)),
            _ => None,
        })
        .collect();
    let (filled, hollow) = match rows.as_slice() {
        [] => return None,
        [row] => *row,
        _ => return Some(Found::Ask("stars.several")),
    };
    match candidates {
        [] => {}
        // 4⭐, 3 / 5 ⭐, and 4⭐⭐⭐⭐ says it twice.
        _ if filled + hollow == 1 => return None,
        [only] if only.number.value == filled => return None,
        _ => return Some(Found::Ask("stars.rival")),
    }
    let Scale::Range(min, max) = scale else {
        return (filled + hollow > 1).then_some(Found::Ask("stars.choice"));
    };
    let whole = hollow == 0 || filled + hollow == max;
    let words = items.iter().any(|item| {
        item.has(is::HALF | is::APPROX | is::NEGATE) || matches!(item.what, What::Mark('½' | '¼' | '¾' | '?'))
    });
    if max == 5 && filled >= min.max(1) && filled <= max && whole && !words {
        return Some(Found::Value { value: filled, rule: "stars", corrected: false });
    }
    Some(Found::Ask("stars.doubt"))
}

/// `9/10`, `9 out of 10`, and the languages that say the maximum first. A maximum that is not the scale's is asked about.
pub(super) fn fractions(items: &[Item], candidates: &mut [Candidate], scale: Scale) {
    const NEITHER: &str = "denominator";
    for left in 0..candidates.len().saturating_sub(1) {
        let right = left + 1;
        if candidates[left].maximum && right + 1 < candidates.len() {
            continue;
        }
        let between = &items[candidates[left].at + 1..candidates[right].at];
        let small = between.len() <= 5;
        let plain = |item: &Item| {
            item.has(is::OUT_OF | is::OF_MAX | is::SCALE | is::NEUTRAL | is::CUE | is::MAX_WORD | is::POLITE)
                || matches!(item.what, What::Mark(_))
        };
        if !small || !between.iter().all(|item| plain(item) || item.number().is_some()) {
            continue;
        }
        let slash = between.iter().filter(|item| !item.has(is::SCALE)).count() == 1
            && between.iter().any(|item| item.is_mark('/'));
        let out_of = slash || between.iter().any(|item| item.has(is::OUT_OF));
        let of_max = between.iter().any(|item| item.has(is::OF_MAX | is::MAX_WORD))
            || candidates[left].at.checked_sub(1).is_some_and(|before| items[before].has(is::MAX_WORD));
        if !out_of && !of_max {
            continue;
        }
        let (first, second) = (candidates[left].number, candidates[right].number);
        // 2 of 10 steps failed
        let counted = !slash
            && items.get(candidates[right].at + 1).is_some_and(|unit| {
                unit.has(is::UNIT) && !unit.has(is::SCALE) && unit.skeleton.chars().count() > 2
            });
        let clean = first.reject.is_none() && second.reject.is_none() && !counted;
        let max = scale.max();
        if scale.is_range() && clean && out_of && second.value == max {
            candidates[right].maximum = true;
        } else if scale.is_range() && clean && of_max && first.value == max {
            candidates[left].maximum = true;
        } else if slash || between.iter().all(|item| !item.has(is::CUE)) {
            candidates[left].number.reject.get_or_insert(NEITHER);
            candidates[right].number.reject.get_or_insert(NEITHER);
        }
    }
    // 10分满分: the maximum named without a second number behind it is still no answer beside another.
    echo_of_the_scale(items, candidates, scale);
}

/// `1 to 10: 8`: the scale itself repeated before the answer is not an answer.
fn echo_of_the_scale(items: &[Item], candidates: &mut [Candidate], scale: Scale) {
    if !scale.is_range() || candidates.iter().filter(|c| c.live()).count() != 3 {
        return;
    }
    for left in 0..candidates.len().saturating_sub(1) {
        let right = left + 1;
        let between = &items[candidates[left].at + 1..candidates[right].at];
        let ranged = between.len() == 1 && (between[0].has(is::RANGE) || between[0].is_mark('-'));
        if ranged
            && candidates[left].number.value == scale.min()
            && candidates[right].number.value == scale.max()
        {
            candidates[left].maximum = true;
            candidates[right].maximum = true;
            return;
        }
    }
}

/// `1-10: 8`: the same written as one.
pub(super) fn copied_range(items: &[Item], candidates: &mut [Candidate], scale: Scale) {
    let copied = format!("{}-{}", scale.min(), scale.max());
    if scale.is_range() && candidates.iter().filter(|candidate| candidate.live()).count() == 1 {
        for candidate in candidates.iter_mut().filter(|candidate| items[candidate.at].text == copied) {
            candidate.maximum = true;
        }
    }
}
