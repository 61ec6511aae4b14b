//! Digits: what is written around them and makes them no whole number (4.5, 5:30, $3), and ordinals (3rd).

use super::{
    items::{Form, Item, Number, What},
    lexica::Lexica,
    lexicon::{Strength, is},
    tokens::{Gap, Kind, Token, is_glued_script},
};

/// Signs of money beside those that are punctuation here.
const CURRENCY: &str = "€₹₽₦₱₫₩₪₺₴₡₵₸৳฿";

/// Endings of ordinals written with digits, folded.
const ENDINGS: &str = "st nd rd th e er re ere eme ieme o a ro ra do da to ta mo vo no de ste te ter й я и го ая ый ий \
    ой ое му ти inci nci uncu ncu ci cu ος η ο лик lik gan лич म वा वां वीं রা ম ে";

/// Digits with what is glued to them: a decimal, a clock, an amount, an ordinal.
pub(super) fn push_digits(out: &mut Vec<Item>, tokens: &[Token], at: usize, lexica: &Lexica<'_>) -> usize {
    let token = &tokens[at];
    let (value, mut reject) = whole_number(&token.text);
    // 2moro is a word.
    let rest = tokens.get(at + 1).filter(|next| next.kind == Kind::Word && next.gap == Gap::Glued);
    if let Some(rest) = rest.filter(|rest| lexica.is_letters(value, &rest.skeleton)) {
        out.push(Item {
            what: What::Word,
            is: 0,
            text: format!("{}{}", token.text, rest.text),
            skeleton: format!("{}{}", token.skeleton, rest.skeleton),
            gap: token.gap,
            from: at,
            to: at + 2,
        });
        return at + 2;
    }
    reject = reject.or_else(|| before(out, tokens, at, lexica));
    let (mut to, after) = continued(tokens, at);
    reject = reject.or(after);
    let mut ordinal = false;
    if to == at + 1 && reject.is_none() {
        if let Some(end) = ordinal_ending(tokens, to) {
            ordinal = true;
            to = end;
        }
        reject = behind(tokens, to);
    }
    let glued_on = tokens.get(to).is_some_and(|next| {
        next.kind == Kind::Word && next.gap == Gap::Glued && !next.text.chars().any(is_glued_script)
    });
    out.push(Item {
        what: What::Number(Number {
            value,
            form: Form::Digits,
            strength: Strength::Strong,
            ordinal,
            reject,
            glued_on,
        }),
        is: 0,
        text: tokens[at..to].iter().map(|token| token.text.as_str()).collect(),
        skeleton: token.text.clone(),
        gap: token.gap,
        from: at,
        to,
    });
    to
}

/// A value, and what is wrong with how it is written: `05` is five, `010`, `00` and `1000` are not asked for.
fn whole_number(text: &str) -> (i64, Option<&'static str>) {
    let value = text.parse().unwrap_or(i64::MAX);
    let padded = text.len() == 2 && text.starts_with('0') && text != "00";
    match text.len() {
        1 => (value, None),
        _ if padded => (value, None),
        _ if text.starts_with('0') => (value, Some("zeros")),
        2 | 3 => (value, None),
        _ => (value, Some("large")),
    }
}

/// What stands right before the digits and speaks against them.
fn before(out: &[Item], tokens: &[Token], at: usize, lexica: &Lexica<'_>) -> Option<&'static str> {
    let token = &tokens[at];
    let previous = at.checked_sub(1).map(|i| &tokens[i])?;
    let glued = token.gap == Gap::Glued;
    let Kind::Mark(mark) = previous.kind else {
        return match previous.kind {
            Kind::Symbol(c) if CURRENCY.contains(c) => Some("money"),
            Kind::Symbol('≈' | '≤' | '≥' | '±' | '∓') => Some("about"),
            _ => None,
        };
    };
    let earlier = at.checked_sub(2).map(|i| &tokens[i]);
    let open = previous.gap != Gap::Glued || earlier.is_none();
    match mark {
        '$' | '£' | '¥' => Some("money"),
        '%' if glued => Some("percent"),
        '~' if glued => Some("about"),
        '<' if glued && token.text == "3" => Some("heart"),
        '>' if glued && earlier.is_some_and(|t| t.is_mark('-') || t.is_mark('=')) => None,
        '<' if glued && tokens.get(at + 1).is_some_and(|token| token.is_mark('>')) => None,
        '<' | '>' | '^' | '@' | '\\' | '&' if glued => (mark != '&').then_some("sign"),
        ':' | ';' if glued && open => Some("emoticon"),
        '.' | ',' | '·' if glued && open => Some("decimal"),
        '/' if glued && open && !earlier.is_some_and(|token| token.kind == Kind::Digits) => Some("sign"),
        '=' if earlier.is_some_and(|token| token.is_mark('<') || token.is_mark('>')) => Some("sign"),
        '+' if glued && open && token.text.len() > 2 => Some("phone"),
        '-' if glued && open => {
            let announced = out
                .iter()
                .rev()
                .nth(1)
                .is_some_and(|item| item.has(is::CUE) || lexica.is_keyword(&item.skeleton));
            (!announced).then_some("minus")
        }
        '-' if out.len() == 1 => Some("minus"),
        _ => None,
    }
}

/// Digits that go on: `4.5`, `5:30`, `2-3`, `1,3,5`. Where they end and what they are.
fn continued(tokens: &[Token], at: usize) -> (usize, Option<&'static str>) {
    let mut to = at + 1;
    let mut reject = None;
    while let (Some(mark), Some(next)) = (tokens.get(to), tokens.get(to + 1)) {
        let glued = mark.gap == Gap::Glued && next.gap == Gap::Glued && next.kind == Kind::Digits;
        let Kind::Mark(sign) = mark.kind else { break };
        if !glued {
            break;
        }
        reject = Some(match sign {
            '.' | ',' | '·' | '\'' => "decimal",
            ':' => "clock",
            '-' | '~' => "range",
            '_' | '|' | '\\' => "several",
            _ => break,
        });
        to += 2;
    }
    (to, reject)
}

/// `2nd`, `3ème`, `3-й`, `3º`, `3'üncü`: where the ending ends.
fn ordinal_ending(tokens: &[Token], to: usize) -> Option<usize> {
    let mut word = to;
    if tokens.get(word).is_some_and(|t| {
        (t.is_mark('-') || t.is_mark('\'') || t.is_mark('.') || t.is_mark(':')) && t.gap == Gap::Glued
    }) {
        word += 1;
    }
    let ending = tokens.get(word).filter(|t| t.kind == Kind::Word && t.gap == Gap::Glued)?;
    // 3'üncü is third, 10'da is out of ten.
    if tokens[word - 1].is_mark('\'') && ending.skeleton.chars().count() < 3 {
        return None;
    }
    ENDINGS.split(' ').any(|known| known == ending.skeleton).then_some(word + 1)
}

/// What stands right behind the digits and speaks against them.
fn behind(tokens: &[Token], to: usize) -> Option<&'static str> {
    let next = tokens.get(to)?;
    let glued = next.gap == Gap::Glued;
    let last = tokens.get(to + 1).is_none();
    match next.kind {
        Kind::Mark('%') => Some("percent"),
        Kind::Mark('°') => Some("degrees"),
        Kind::Mark('½' | '¼' | '¾') => Some("half"),
        Kind::Mark('$' | '£' | '¥') => Some("money"),
        Kind::Symbol(c) if CURRENCY.contains(c) => Some("money"),
        Kind::Symbol('‰') => Some("percent"),
        Kind::Mark('+') if glued && (last || tokens.get(to + 1).is_some_and(|t| t.kind != Kind::Digits)) => {
            Some("about")
        }
        Kind::Mark('-') if glued && last => Some("about"),
        Kind::Mark('?') => Some("doubt"),
        Kind::Mark('~') if glued => Some("about"),
        Kind::Mark(')') if glued && tokens.get(to.wrapping_sub(1)).is_some_and(|t| t.text == "8") => {
            let opened = to
                .checked_sub(2)
                .and_then(|i| tokens.get(i))
                .is_some_and(|t| t.is_mark('(') || t.is_mark('['));
            (!opened).then_some("emoticon")
        }
        _ => None,
    }
}
