//! A calendar day in a reply, where day, month and year cannot be mistaken for each other.

use super::tokens::{Kind, Token};

/// What the digits of a reply say about a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// This one, as YYYYMMDD.
    Is(i64),
    /// Digits that are no clear day.
    Unclear,
    /// No digits.
    Missing,
}

/// Reads `2026-05-31`, `31.05.2026`, `31/5/2026`. Where day and month could change places (`3/4/2026`) it is unclear.
pub(super) fn day(tokens: &[Token]) -> Day {
    let digits: Vec<&str> =
        tokens.iter().filter(|token| token.kind == Kind::Digits).map(|token| token.text.as_str()).collect();
    let number = |text: &str| text.parse::<i64>().unwrap_or(-1);
    let (year, month, day) = match digits.as_slice() {
        [] => return Day::Missing,
        [year, month, day] if year.len() == 4 => (number(year), number(month), number(day)),
        [first, second, year] if year.len() == 4 => {
            let (first, second) = (number(first), number(second));
            let dotted = tokens.iter().any(|token| token.is_mark('.'));
            match (first, second) {
                (day, month) if dotted || day == month || day > 12 => (number(year), month, day),
                (month, day) if day > 12 => (number(year), month, day),
                _ => return Day::Unclear,
            }
        }
        _ => return Day::Unclear,
    };
    let longest = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    if (1..=longest).contains(&day) && (1900..=2999).contains(&year) {
        Day::Is(year * 10_000 + month * 100 + day)
    } else {
        Day::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reading::{fold::fold, tokens::tokens};

    #[test]
    fn a_day_is_taken_only_where_its_parts_cannot_change_places() {
        for (text, expected) in [
            ("2026-05-31", Day::Is(20_260_531)),
            ("31.05.2026", Day::Is(20_260_531)),
            ("5/31/2026", Day::Is(20_260_531)),
            ("3/4/2026", Day::Unclear),
            ("31.2.2026", Day::Unclear),
            ("29.2.2028", Day::Is(20_280_229)),
            ("tomorrow", Day::Missing),
            ("5", Day::Unclear),
        ] {
            assert_eq!(day(&tokens(&fold(text))), expected, "{text}");
        }
    }
}
