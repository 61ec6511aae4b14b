//! Where answers lead, and which of them somebody must hear of: values and spans of values, as written.

use std::ops::Range;

use super::question::Asked;
use crate::config::problem::{listed, nearest};
use crate::config::raw::{At, Document, Table, Wrong};
use crate::config::unit::{cut, text, texts};
use crate::rules::reading::Kind;
use crate::rules::survey::{Span, Target};

/// Where a branch goes when there is nothing more to ask.
pub(super) const END: &str = "end";
/// Where a branch goes when the person declines.
pub(super) const REFUSED: &str = "refused";
/// Everything no other branch names.
const ELSE: &str = "else";
/// Every answer.
const ANY: &str = "any";

/// The branches of a question, as written.
#[derive(Default)]
pub(super) struct Written {
    next: Vec<(At<String>, At<String>)>,
    notify: Vec<At<String>>,
    hand_over: Vec<At<String>>,
}

/// The branches of a question.
pub(super) struct Branches {
    pub(super) next: Vec<(Span, Target)>,
    pub(super) otherwise: Target,
    pub(super) notify: Vec<Span>,
    pub(super) hand_over: Vec<Span>,
}

/// Takes them from a question's table; what they mean is known once all questions are.
pub(super) fn written(table: &Table<'_>) -> Written {
    let mut branches = Written::default();
    if let Some(next) = table.table("next") {
        for (answers, value) in next.entries() {
            if let Some(target) = next.read(answers.value, value, |value| text(value).map(str::to_owned)) {
                branches.next.push((At { value: answers.value.to_owned(), span: answers.span }, target));
            }
        }
    }
    let list = |key: &'static str| {
        let list = table.get(key, texts).map(|at| at.value).unwrap_or_default();
        list.into_iter().map(|at| At { value: at.value.to_owned(), span: at.span }).collect()
    };
    branches.notify = list("notify");
    branches.hand_over = list("hand_over");
    branches
}

/// What they mean; what they can't mean is noted.
pub(super) fn read(document: &Document, asked: &Asked, place: usize, all: &[Asked]) -> Option<Branches> {
    let after = if place + 1 < all.len() { Target::Question(place + 1) } else { Target::End };
    let mut branches =
        Branches { next: Vec::new(), otherwise: after, notify: Vec::new(), hand_over: Vec::new() };
    let mut good = true;
    let mut seen: Vec<(Span, Range<usize>)> = Vec::new();
    for (answers, target) in &asked.branches.next {
        let Some(to) = target_of(document, target, place, all) else {
            good = false;
            continue;
        };
        if answers.value == ELSE {
            branches.otherwise = to;
            continue;
        }
        let Some(spans) = spans_at(document, answers, &asked.kind) else {
            good = false;
            continue;
        };
        for span in spans {
            if seen.iter().any(|(have, _)| have.from <= span.to && span.from <= have.to) {
                let what = format!("`{}` leads to two questions", cut(&answers.value));
                document.note(answers.span.clone(), what, "an answer leads to one place; take one out");
                good = false;
            }
            seen.push((span, answers.span.clone()));
            branches.next.push((span, to));
        }
    }
    for (list, into) in
        [(&asked.branches.notify, &mut branches.notify), (&asked.branches.hand_over, &mut branches.hand_over)]
    {
        for at in list {
            match spans_at(document, at, &asked.kind) {
                Some(spans) => into.extend(spans),
                None => good = false,
            }
        }
    }
    good.then_some(branches)
}

fn target_of(document: &Document, target: &At<String>, place: usize, all: &[Asked]) -> Option<Target> {
    match target.value.as_str() {
        END => return Some(Target::End),
        REFUSED => return Some(Target::Refused),
        _ => {}
    }
    let keys = || all.iter().filter_map(|one| one.key.as_ref().map(|key| key.value.as_str()));
    let found = keys().position(|key| key == target.value);
    let (what, hint) = match found {
        Some(found) if found > place => return Some(Target::Question(found)),
        Some(_) => (
            format!("a branch back to `{}`", target.value),
            "branches lead forward only: nobody is asked in circles. Put the question further down"
                .to_owned(),
        ),
        None => {
            let hint = match nearest(&target.value, keys()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "write a question below this one, `{END}` or `{REFUSED}`; there are {}",
                    listed(keys())
                ),
            };
            (format!("a branch to `{}`, which is not there", cut(&target.value)), hint)
        }
    };
    document.note(target.span.clone(), what, hint);
    None
}

fn spans_at(document: &Document, written: &At<String>, kind: &Kind) -> Option<Vec<Span>> {
    match spans(&written.value, kind) {
        Ok(spans) => Some(spans),
        Err(Wrong { what, hint }) => {
            document.note(written.span.clone(), format!("`{}` {what}", cut(&written.value)), hint);
            None
        }
    }
}

/// `3`, `1,4,7`, `0..2`, `18..`, `..17`, `yes`, `2026-01-01..2026-06-30`, `any`.
fn spans(written: &str, kind: &Kind) -> Result<Vec<Span>, Wrong> {
    if written.trim() == ANY {
        return Ok(vec![Span::ALL]);
    }
    written.split(',').map(|part| span(part.trim(), kind)).collect()
}

fn span(written: &str, kind: &Kind) -> Result<Span, Wrong> {
    let hint = match kind {
        Kind::YesNo => "write \"yes\" or \"no\"",
        Kind::FreeText => "words have no values to tell apart: write \"any\"",
        Kind::Date => "write a day, \"2026-01-31\", or days: \"2026-01-01..2026-06-30\", \"2026-07-01..\"",
        _ => "write an answer, \"3\", several, \"1,4\", or a span: \"0..2\", \"18..\"",
    };
    let wrong = |what: &str| Wrong::new(what.to_owned(), hint);
    let end = |text: &str, open: i64| match text {
        "" => Ok(open),
        text => value_of(text, kind).ok_or_else(|| wrong("is no answer to this question")),
    };
    let span = match written.split_once("..") {
        Some(("", "")) | None if written.is_empty() || written == ".." => {
            return Err(wrong("names no answer"));
        }
        Some((from, to)) => Span { from: end(from.trim(), i64::MIN)?, to: end(to.trim(), i64::MAX)? },
        None => {
            let value = end(written, 0)?;
            Span { from: value, to: value }
        }
    };
    if span.from > span.to {
        return Err(wrong("is upside down"));
    }
    let answers = match kind {
        Kind::Choice { values, .. } => values.iter().any(|value| span.holds(*value)),
        Kind::Range { min, max } => span.from <= *max && span.to >= *min,
        _ => true,
    };
    if answers { Ok(span) } else { Err(wrong("is no answer to this question")) }
}

/// A value as it is written in branches.
fn value_of(written: &str, kind: &Kind) -> Option<i64> {
    match kind {
        Kind::YesNo => match written {
            "yes" => Some(1),
            "no" => Some(0),
            _ => None,
        },
        Kind::FreeText => None,
        Kind::Date => day(written),
        _ => written.parse().ok(),
    }
}

/// `2026-01-31` as 20260131.
pub(super) fn day(written: &str) -> Option<i64> {
    let date: jiff::civil::Date = written.parse().ok()?;
    Some(i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(written: &str, kind: &Kind) -> Option<Vec<(i64, i64)>> {
        let spans = spans(written, kind).ok()?;
        Some(spans.into_iter().map(|span| (span.from, span.to)).collect())
    }

    #[test]
    fn answers_are_named_one_by_one_as_spans_and_by_their_words() {
        let score = Kind::Range { min: 0, max: 5 };
        assert_eq!(of("0..2", &score), Some(vec![(0, 2)]));
        assert_eq!(of("1, 4", &score), Some(vec![(1, 1), (4, 4)]));
        assert_eq!(of("..2", &score), Some(vec![(i64::MIN, 2)]));
        assert_eq!(of("yes", &Kind::YesNo), Some(vec![(1, 1)]));
        assert_eq!(of("2026-01-01..", &Kind::Date), Some(vec![(20_260_101, i64::MAX)]));
        assert_eq!(of("any", &Kind::FreeText), Some(vec![(i64::MIN, i64::MAX)]));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let score = Kind::Range { min: 0, max: 5 };
        for wrong in ["6", "6..9", "3..1", "bad", "", "..", "yes"] {
            assert_eq!(of(wrong, &score), None, "{wrong}");
        }
        assert_eq!(of("2026-02-30", &Kind::Date), None);
        assert_eq!(of("maybe", &Kind::YesNo), None);
        assert_eq!(of("1", &Kind::FreeText), None);
    }
}
