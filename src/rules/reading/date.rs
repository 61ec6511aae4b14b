//! A calendar day in a reply, where day, month and year cannot be mistaken for each other.

use super::{
    lexica::Lexica,
    lexicon::Strength,
    tokens::{Kind, Token},
};

/// What the digits and words of a reply say about a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// This one, as YYYYMMDD.
    Is(i64),
    /// Numbers that are no clear day.
    Unclear,
    /// Neither digits nor a day of a month in words.
    Missing,
}

/// Reads `2026-05-31`, `31.05.2026`, `31/5/2026`, `3 May 2026`, `the third of May 2026`. Unclear where day and month could
/// change places (`3/4/2026`), and where the year is not said.
pub(super) fn day(tokens: &[Token], lexica: &Lexica<'_>) -> Day {
    let (month, others) = month(tokens, lexica);
    let digits: Vec<&str> =
        others.iter().filter(|token| token.kind == Kind::Digits).map(|token| token.text.as_str()).collect();
    match month {
        Month::None => in_digits(&digits, tokens),
        Month::One(month) => beside_month(month, &digits, &others, lexica),
        Month::Several => Day::Unclear,
    }
}

/// The month a reply names.
enum Month {
    None,
    One(i64),
    Several,
}

/// The month named, and the tokens that do not name it.
fn month<'a>(tokens: &'a [Token], lexica: &Lexica<'_>) -> (Month, Vec<&'a Token>) {
    let (mut found, mut others) = (Month::None, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let pair = tokens.get(at + 1).map(|next| format!("{} {}", tokens[at].skeleton, next.skeleton));
        let named = match pair.and_then(|pair| lexica.month(&pair)) {
            Some(month) => Some((month, 2)),
            None => lexica.month(&tokens[at].skeleton).map(|month| (month, 1)),
        };
        let Some((month, length)) = named.filter(|_| tokens[at].kind == Kind::Word) else {
            others.push(&tokens[at]);
            at += 1;
            continue;
        };
        found = match found {
            Month::None => Month::One(month),
            _ => Month::Several,
        };
        at += length;
    }
    (found, others)
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or(-1)
}

/// A day in digits alone.
fn in_digits(digits: &[&str], tokens: &[Token]) -> Day {
    match digits {
        [] => Day::Missing,
        [year, month, day] if year.len() == 4 => valid(number(year), number(month), number(day)),
        [first, second, year] if year.len() == 4 => {
            let (first, second) = (number(first), number(second));
            let dotted = tokens.iter().any(|token| token.is_mark('.'));
            match (first, second) {
                (day, month) if dotted || day == month || day > 12 => valid(number(year), month, day),
                (month, day) if day > 12 => valid(number(year), month, day),
                _ => Day::Unclear,
            }
        }
        _ => Day::Unclear,
    }
}

/// A day whose month is a word: the number of four digits is the year, the other one the day.
fn beside_month(month: i64, digits: &[&str], others: &[&Token], lexica: &Lexica<'_>) -> Day {
    let mut words = others.iter().filter(|token| token.kind == Kind::Word).filter_map(|token| {
        let number = lexica.get(&token.text, &token.skeleton)?.number?;
        (number.strength >= Strength::Weak).then_some(number.value)
    });
    match digits {
        [] => words.next().map_or(Day::Missing, |_| Day::Unclear),
        [year] if year.len() == 4 => match (words.next(), words.next()) {
            (Some(day), None) => valid(number(year), month, day),
            _ => Day::Unclear,
        },
        [day, year] | [year, day] if year.len() == 4 && day.len() <= 2 => {
            valid(number(year), month, number(day))
        }
        _ => Day::Unclear,
    }
}

/// A day there is.
fn valid(year: i64, month: i64, day: i64) -> Day {
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
    use crate::rules::reading::{Reader, fold::fold, tokens::tokens};

    fn read(text: &str, language: &str) -> Day {
        let reader = Reader::built_in();
        let lexica = Lexica::new(&reader.lexica, Some(language), &reader.anywhere, &[]);
        day(&tokens(&fold(text)), &lexica)
    }

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
            assert_eq!(read(text, "en"), expected, "{text}");
        }
    }

    #[test]
    fn a_month_in_words_is_read_in_every_language_texts_are_sent_in() {
        for (text, language) in [
            ("3 May 2026", "en"),
            ("May 3rd, 2026", "en"),
            ("the third of May 2026", "en"),
            ("3 de mayo de 2026", "es"),
            ("tres de mayo de 2026", "es"),
            ("3 de maio de 2026", "pt"),
            ("3 mai 2026", "fr"),
            ("3. Mai 2026", "de"),
            ("3 maggio 2026", "it"),
            ("3 mei 2026", "nl"),
            ("3 mai 2026", "ro"),
            ("3 maja 2026", "pl"),
            ("3 Mayıs 2026", "tr"),
            ("3 мая 2026", "ru"),
            ("٣ مايو ٢٠٢٦", "ar"),
            ("३ मई २०२६", "hi"),
            ("2026年5月3日", "zh"),
            ("ngày 3 tháng 5 năm 2026", "vi"),
            ("3 Mei 2026", "sw"),
            ("3 Mei 2026", "id"),
            ("Mayo 3, 2026", "tl"),
        ] {
            assert_eq!(read(text, language), Day::Is(20_260_503), "{text}");
        }
    }

    #[test]
    fn a_month_without_its_day_or_year_is_unclear_and_a_month_alone_is_no_day() {
        for text in
            ["3 May", "May 2026", "3 May 26", "3 or 4 May 2026", "3 May or 4 June 2026", "31 June 2026"]
        {
            assert_eq!(read(text, "en"), Day::Unclear, "{text}");
        }
        assert_eq!(read("I may come", "en"), Day::Missing);
    }
}
