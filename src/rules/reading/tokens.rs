//! Folded characters cut into words, digits, stars and signs, each with its place in the original.

use unicode_normalization::char::is_combining_mark;

use super::fold::{Char, skeleton};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// ASCII digits (every script's digits have become these).
    Digits,
    /// Letters with their marks and inner apostrophes.
    Word,
    /// A filled star.
    Star,
    /// An empty star.
    HollowStar,
    /// Any other symbol: emoji, arrows, box drawing.
    Symbol(char),
    /// Punctuation.
    Mark(char),
}

/// What stands between a token and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing.
    Glued,
    /// White space.
    Space,
    /// A line break.
    Line,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Its folded text, accents kept.
    pub(super) text: String,
    /// Its skeleton, see [`skeleton`].
    pub(super) skeleton: String,
    /// Written in capitals throughout?
    pub(super) capitals: bool,
    /// What stands before it.
    pub(super) gap: Gap,
    /// First byte in the original.
    pub(super) start: usize,
    /// Byte after the last in the original.
    pub(super) end: usize,
}

impl Token {
    /// Is it this punctuation mark?
    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Cuts a folded text into tokens.
pub(super) fn tokens(chars: &[Char]) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut gap = Gap::Line;
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at].c;
        if c == '\n' || c.is_whitespace() {
            gap = if out.is_empty() || c == '\n' { Gap::Line } else { gap.max(Gap::Space) };
            at += 1;
            continue;
        }
        let kind = kind_of(c);
        let length = match kind {
            Kind::Digits => digits_length(&chars[at..]),
            Kind::Word => word_length(&chars[at..]),
            _ => 1,
        };
        let piece = &chars[at..at + length];
        let text: String = piece.iter().map(|c| c.c).collect();
        out.push(Token {
            kind,
            skeleton: if kind == Kind::Word { skeleton(&text) } else { text.clone() },
            capitals: kind == Kind::Word && piece.iter().all(|c| c.upper || !c.c.is_lowercase()),
            text,
            gap,
            start: piece[0].start,
            end: piece[length - 1].end,
        });
        gap = Gap::Glued;
        at += length;
    }
    out
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c)
}

/// A run of digits. What one sign stands for (`🔟`) is a number of its own.
fn digits_length(chars: &[Char]) -> usize {
    let of_sign = |at: usize| {
        let same = |other: Option<&Char>| other.is_some_and(|other| other.start == chars[at].start);
        same(chars.get(at + 1)) || at.checked_sub(1).is_some_and(|before| same(chars.get(before)))
    };
    let run = chars.iter().take_while(|c| c.c.is_ascii_digit()).count();
    if of_sign(0) {
        return chars[..run].iter().take_while(|c| c.start == chars[0].start).count();
    }
    (1..run).find(|at| of_sign(*at)).unwrap_or(run)
}

/// Letters, and apostrophes or middle dots between two letters.
fn word_length(chars: &[Char]) -> usize {
    let mut length = 1;
    while length < chars.len() {
        let c = chars[length].c;
        let inner = matches!(c, '\'' | '·') && chars.get(length + 1).is_some_and(|next| is_letter(next.c));
        if is_letter(c) || inner {
            length += 1;
        } else {
            break;
        }
    }
    length
}

fn kind_of(c: char) -> Kind {
    match c {
        '0'..='9' => Kind::Digits,
        '★' | '⭐' | '🌟' | '⭑' | '✭' | '✮' | '✯' | '✪' | '✦' | '🟊' => Kind::Star,
        '☆' | '⭒' | '✩' | '✰' | '✧' => Kind::HollowStar,
        _ if is_letter(c) => Kind::Word,
        _ if c.is_ascii()
            || matches!(
                c,
                '“' | '”'
                    | '„'
                    | '«'
                    | '»'
                    | '‹'
                    | '›'
                    | '「'
                    | '」'
                    | '『'
                    | '』'
                    | '‚'
                    | '°'
                    | '¿'
                    | '¡'
                    | '½'
                    | '¼'
                    | '¾'
                    | '£'
                    | '¥'
                    | '·'
                    | '፡'
                    | '።'
                    | '၊'
                    | '။'
            ) =>
        {
            Kind::Mark(c)
        }
        _ => Kind::Symbol(c),
    }
}

/// Does this word belong to a script that puts no spaces between words, or glues endings on: Chinese, Japanese, Thai,
/// Burmese, Khmer, Lao, Korean?
pub(super) fn is_glued_script(c: char) -> bool {
    matches!(c, '\u{3005}'..='\u{3007}' | '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{1100}'..='\u{11FF}' | '\u{3131}'..='\u{318E}')
}

/// The language a script is read in when the contact's language does not use it.
pub(super) fn script_language(word: &str) -> Option<&'static str> {
    let kana = word.chars().any(|c| matches!(c, '\u{3040}'..='\u{30FF}'));
    word.chars().find_map(|c| match c {
        '\u{0370}'..='\u{03FF}' | '\u{1F00}'..='\u{1FFF}' => Some("el"),
        '\u{0400}'..='\u{052F}' => Some("ru"),
        '\u{0590}'..='\u{05FF}' => Some("he"),
        '\u{0600}'..='\u{06FF}' | '\u{0750}'..='\u{077F}' => Some("ar"),
        '\u{0900}'..='\u{097F}' => Some("hi"),
        '\u{0980}'..='\u{09FF}' => Some("bn"),
        '\u{0A00}'..='\u{0A7F}' => Some("pa"),
        '\u{0A80}'..='\u{0AFF}' => Some("gu"),
        '\u{0B80}'..='\u{0BFF}' => Some("ta"),
        '\u{0C00}'..='\u{0C7F}' => Some("te"),
        '\u{0E00}'..='\u{0E7F}' => Some("th"),
        '\u{1000}'..='\u{109F}' => Some("my"),
        '\u{1200}'..='\u{137F}' => Some("am"),
        '\u{1780}'..='\u{17FF}' => Some("km"),
        '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7AF}' | '\u{3131}'..='\u{318E}' => Some("ko"),
        '\u{3040}'..='\u{30FF}' => Some("ja"),
        '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{9FFF}' => Some(if kana { "ja" } else { "zh" }),
        _ => None,
    })
}

/// Languages that share a script, so that a word in it is read in the contact's own.
pub(super) fn writes(language: &str, script: &str) -> bool {
    let family: &[&str] = match script {
        "ru" => &["ru", "uk", "be", "bg", "sr", "kk", "ky", "mk", "mn"],
        "ar" => &["ar", "fa", "ur", "ps", "ckb"],
        "hi" => &["hi", "mr", "ne"],
        "bn" => &["bn", "as"],
        "zh" => &["zh", "ja"],
        "am" => &["am", "ti"],
        _ => &[],
    };
    language == script || family.contains(&language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reading::fold::fold;

    fn cut(text: &str) -> Vec<String> {
        tokens(&fold(text)).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn digits_words_and_signs_are_tokens_of_their_own() {
        assert_eq!(cut("Ans:-8!"), ["ans", ":", "-", "8", "!"]);
        assert_eq!(cut("gr8 don't 选3"), ["gr", "8", "don't", "选", "3"]);
        assert_eq!(cut("5/5 👍"), ["5", "/", "5", "👍"]);
    }

    #[test]
    fn a_number_drawn_as_one_sign_is_a_token_of_its_own() {
        assert_eq!(cut("🔟🔟 🔟/🔟"), ["10", "10", "10", "/", "10"]);
        assert_eq!(cut("1️⃣0️⃣"), ["10"]);
    }

    #[test]
    fn a_token_knows_what_stood_before_it() {
        let cut = tokens(&fold("7\n-- Sent"));
        assert_eq!(
            cut.iter().map(|t| t.gap).collect::<Vec<_>>(),
            [Gap::Line, Gap::Line, Gap::Glued, Gap::Space]
        );
    }
}
