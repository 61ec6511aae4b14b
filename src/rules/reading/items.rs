//! The message as a row of items: numbers with what speaks against each, words with what they are, signs.

use super::{
    digits,
    lexica::Lexica,
    lexicon::{Entry, LONGEST_PHRASE, Lexicon, NumberWord, Strength, is},
    numerals::push_digits,
    tokens::{Gap, Kind, Token, is_glued_script},
};

/// How a number was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Digits.
    Digits,
    /// A word.
    Word,
    /// A Roman numeral.
    Roman,
}

/// A number found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: i64,
    pub(super) form: Form,
    pub(super) strength: Strength,
    pub(super) ordinal: bool,
    /// Why it is no answer, if so.
    pub(super) reject: Option<&'static str>,
    /// The word behind it is glued on: `2much`.
    pub(super) glued_on: bool,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A number.
    Number(Number),
    /// A word or phrase; its bits are in the item, none if it is not known.
    Word,
    /// Filled and hollow stars.
    Stars(i64, i64),
    /// Punctuation.
    Mark(char),
    /// A symbol.
    Symbol(char),
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) what: What,
    /// Bits of [`is`].
    pub(super) is: u32,
    pub(super) text: String,
    pub(super) skeleton: String,
    pub(super) gap: Gap,
    /// Tokens it comes from: first, and one past the last.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Item {
    /// Has it one of these bits?
    pub(super) fn has(&self, bits: u32) -> bool {
        self.is & bits != 0
    }

    /// The number, if it is one.
    pub(super) fn number(&self) -> Option<Number> {
        match self.what {
            What::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Is it this punctuation mark?
    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.what == What::Mark(mark)
    }
}

/// Turns tokens into items.
pub(super) fn items(tokens: &[Token], lexica: &Lexica<'_>) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        at = match tokens[at].kind {
            Kind::Digits => push_digits(&mut out, tokens, at, lexica),
            Kind::Word => push_word(&mut out, tokens, at, lexica),
            Kind::Star | Kind::HollowStar => push_stars(&mut out, tokens, at),
            Kind::Symbol(c) => push_one(&mut out, tokens, at, What::Symbol(c)),
            Kind::Mark(c) => push_one(&mut out, tokens, at, What::Mark(c)),
        };
    }
    out
}

fn push_one(out: &mut Vec<Item>, tokens: &[Token], at: usize, what: What) -> usize {
    let token = &tokens[at];
    out.push(Item {
        what,
        is: 0,
        text: token.text.clone(),
        skeleton: token.skeleton.clone(),
        gap: token.gap,
        from: at,
        to: at + 1,
    });
    at + 1
}

fn push_stars(out: &mut Vec<Item>, tokens: &[Token], at: usize) -> usize {
    let run =
        tokens[at..].iter().take_while(|token| matches!(token.kind, Kind::Star | Kind::HollowStar)).count();
    let filled = tokens[at..at + run].iter().filter(|token| token.kind == Kind::Star).count();
    push_one(out, tokens, at, What::Stars(filled as i64, (run - filled) as i64));
    if let Some(last) = out.last_mut() {
        last.to = at + run;
    }
    at + run
}

fn push_word(out: &mut Vec<Item>, tokens: &[Token], at: usize, lexica: &Lexica<'_>) -> usize {
    let token = &tokens[at];
    if token.text.chars().any(is_glued_script) {
        return push_glued(out, tokens, at, lexica);
    }
    // Letters first, then digits: a name or chat (gr8, S21), unless the letters announce an answer (exit3, Ans4).
    if let Some(to) = embedded(tokens, at, lexica) {
        // m8, gr8: the packs may know it.
        let spelled =
            |part: fn(&Token) -> &str| tokens[at..to].iter().map(part).collect::<Vec<_>>().join(" ");
        let known = lexica.get(&spelled(|token| &token.text), &spelled(|token| &token.skeleton));
        push_one(out, tokens, at, What::Word);
        if let Some(last) = out.last_mut() {
            last.to = to;
            last.is = known.map_or(0, |entry| entry.is);
        }
        return to;
    }
    let (entry, to) = longest_phrase(tokens, at, lexica);
    let (text, skeleton) = joined(tokens, at, to);
    let number = entry.and_then(|entry| entry.number).map(|word| number_of(word, Form::Word));
    let number =
        number.or_else(|| (to == at + 1 && entry.is_none()).then(|| lone(token, tokens, lexica)).flatten());
    out.push(Item {
        what: number.map_or(What::Word, What::Number),
        is: entry.map_or(0, |entry| entry.is) | if lexica.is_keyword(&skeleton) { is::CUE } else { 0 },
        text,
        skeleton,
        gap: token.gap,
        from: at,
        to,
    });
    to
}

fn number_of(word: NumberWord, form: Form) -> Number {
    Number {
        value: word.value,
        form,
        strength: word.strength,
        ordinal: word.ordinal,
        reject: None,
        glued_on: false,
    }
}

/// A word no lexicon has: a misspelt number, or a Roman numeral that is the whole message.
fn lone(token: &Token, tokens: &[Token], lexica: &Lexica<'_>) -> Option<Number> {
    if let Some(value) = lexica.misspelt(&token.skeleton) {
        return Some(number_of(NumberWord { value, strength: Strength::Strong, ordinal: false }, Form::Word));
    }
    let words = tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Digits)).count();
    let plain =
        token.capitals || token.skeleton.len() > 2 || matches!(token.skeleton.as_str(), "ii" | "iv" | "ix");
    let value = digits::roman(&token.skeleton).filter(|_| plain && words <= 2)?;
    let strength = if words == 1 { Strength::Strong } else { Strength::Weak };
    Some(number_of(NumberWord { value, strength, ordinal: false }, Form::Roman))
}

/// The longest phrase the lexica know from here: what it is, and the token after it. Hyphens inside are skipped.
fn longest_phrase(tokens: &[Token], at: usize, lexica: &Lexica<'_>) -> (Option<Entry>, usize) {
    let mut best = (None, at + 1);
    let (mut text, mut skeleton) = (String::new(), String::new());
    let (mut to, mut words) = (at, 0);
    while to < tokens.len() && words < LONGEST_PHRASE {
        let token = &tokens[to];
        let hyphen = token.is_mark('-')
            && words > 0
            && token.gap == Gap::Glued
            && tokens.get(to + 1).is_some_and(|next| next.gap == Gap::Glued && next.kind == Kind::Word);
        if hyphen {
            to += 1;
            continue;
        }
        // A phrase may hold digits inside (opt 2 out), but ends at any other sign, and never takes the answer's digits.
        if token.kind != Kind::Word || (words > 0 && token.gap == Gap::Line) {
            break;
        }
        if words > 0 {
            text.push(' ');
            skeleton.push(' ');
        }
        text.push_str(&token.text);
        skeleton.push_str(&token.skeleton);
        to += 1;
        words += 1;
        if let Some(entry) = lexica.get(&text, &skeleton) {
            best = (Some(entry), to);
        }
    }
    best
}

fn joined(tokens: &[Token], from: usize, to: usize) -> (String, String) {
    let words = || tokens[from..to].iter().filter(|token| token.kind == Kind::Word);
    let text: Vec<&str> = words().map(|token| token.text.as_str()).collect();
    let skeleton: Vec<&str> = words().map(|token| token.skeleton.as_str()).collect();
    (text.join(" "), skeleton.join(" "))
}

/// Letters and digits glued together that are no number: where they end. `None` if the letters announce an answer or
/// there are no digits glued on.
fn embedded(tokens: &[Token], at: usize, lexica: &Lexica<'_>) -> Option<usize> {
    let word = &tokens[at];
    let mut next = at + 1;
    // covid-19 is a name, A-3 and Ans-8 are answers.
    if tokens
        .get(next)
        .is_some_and(|t| (t.is_mark('-') || t.is_mark('.') || t.is_mark('_')) && t.gap == Gap::Glued)
    {
        next += 1;
    }
    let digits = tokens.get(next).filter(|t| t.kind == Kind::Digits && t.gap == Gap::Glued)?;
    let hyphenated = next == at + 2 && !tokens[at + 1].is_mark('.');
    if announces(word, lexica) && !(hyphenated && is_place(word, lexica)) {
        return None;
    }
    if next == at + 2 && tokens[at + 1].is_mark('.') && digits.text.len() < 3 {
        return None;
    }
    let mut to = next + 1;
    while tokens.get(to).is_some_and(|t| t.gap == Gap::Glued && matches!(t.kind, Kind::Word | Kind::Digits)) {
        to += 1;
    }
    Some(to)
}

/// Words that stand before numbers that are no answers, and announce none: covid-19, windows-10.
fn is_place(word: &Token, lexica: &Lexica<'_>) -> bool {
    lexica
        .get(&word.text, &word.skeleton)
        .is_some_and(|entry| entry.is & is::UNIT_BEFORE != 0 && entry.is & (is::CUE | is::NEUTRAL) == 0)
}

/// Does this word introduce an answer even when glued to it?
fn announces(word: &Token, lexica: &Lexica<'_>) -> bool {
    lexica.is_keyword(&word.skeleton)
        || matches!(word.skeleton.as_str(), "no" | "nr" | "nro" | "n" | "ans" | "opt" | "q")
            && word.skeleton != "q"
        || matches!(word.skeleton.as_str(), "a" | "r") // A-3, R-3: answer
        || lexica.get(&word.text, &word.skeleton).is_some_and(|entry| {
            entry.is & (is::CUE | is::SCALE | is::OUT_OF | is::OF_MAX | is::UNIT_BEFORE | is::APPROX | is::RANGE) != 0
                || entry.number.is_some()
                // Articles that are written together with what follows: ال3, ה-3.
                || (entry.is & is::NEUTRAL != 0 && !word.text.is_ascii())
        })
}

/// Two words that the lexicon has as one: 세 번째.
fn across_space(token: &Token, next: &Token, lexicon: &Lexicon) -> Option<Entry> {
    if next.kind != Kind::Word || next.gap != Gap::Space {
        return None;
    }
    lexicon.glued(&format!("{}{}", token.skeleton, next.skeleton)).filter(|entry| entry.number.is_some())
}

/// A word of a script without spaces: its pieces.
fn push_glued(out: &mut Vec<Item>, tokens: &[Token], at: usize, lexica: &Lexica<'_>) -> usize {
    let token = &tokens[at];
    let Some(lexicon) = lexica.of_script(&token.skeleton) else {
        return push_one(out, tokens, at, What::Word);
    };
    if let Some(entry) = tokens.get(at + 1).and_then(|next| across_space(token, next, lexicon)) {
        let next = &tokens[at + 1];
        out.push(Item {
            what: entry.number.map_or(What::Word, |word| What::Number(number_of(word, Form::Word))),
            is: entry.is,
            text: format!("{}{}", token.text, next.text),
            skeleton: format!("{}{}", token.skeleton, next.skeleton),
            gap: token.gap,
            from: at,
            to: at + 2,
        });
        return at + 2;
    }
    let pieces = lexicon.pieces(&token.skeleton);
    let unknown =
        |index: Option<usize>| index.and_then(|i| pieces.get(i)).is_some_and(|piece| piece.entry.is_none());
    for (index, piece) in pieces.iter().enumerate() {
        let mut entry = piece.entry.unwrap_or_default();
        // A numeral inside a word nobody knows is part of that word (一般, 万一), unless a unit of score follows it.
        let inside = unknown(index.checked_sub(1)) || unknown(Some(index + 1));
        if inside {
            entry.number = None;
        }
        out.push(Item {
            what: entry.number.map_or(What::Word, |word| What::Number(number_of(word, Form::Word))),
            is: entry.is,
            text: piece.text.clone(),
            skeleton: piece.text.clone(),
            gap: if index == 0 { token.gap } else { Gap::Glued },
            from: at,
            to: at + 1,
        });
    }
    at + 1
}
