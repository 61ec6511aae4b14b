//! Folding: one spelling for the many ways a person types the same word or digit.
use unicode_normalization::UnicodeNormalization;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tk {
    /// A word.
    Word,
    /// Digits.
    Num,
    /// Punctuation.
    Punct,
    /// Emoji and symbols.
    Sym,
}

/// One token of a folded text.
#[derive(Clone, Debug)]
pub struct Tok {
    /// Folded text.
    pub t: String,
    /// Kind.
    pub k: Tk,
    /// No white space before it.
    pub glued: bool,
    /// A character of a script written without spaces.
    pub cj: bool,
}

const ZEROS: &[u32] = &[
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x11066, 0x110F0, 0x11136,
    0x111D0,
];

fn digit(c: char) -> Option<u32> {
    let u = c as u32;
    ZEROS.iter().find(|z| (**z..**z + 10).contains(&u)).map(|z| u - z)
}

/// Fold a text: width, marks, case, digits, accents.
pub fn fold(text: &str) -> String {
    let mut pre = String::with_capacity(text.len());
    for c in text.chars() {
        let u = c as u32;
        match u {
            0x200B..=0x200F
            | 0x202A..=0x202E
            | 0x2060..=0x2069
            | 0xFEFF
            | 0xFE00..=0xFE0F
            | 0x20E3
            | 0xAD
            | 0x61C
            | 0x640
            | 0x34F => {}
            0x1F51F => pre.push_str(" 10 "),
            0x2776..=0x277F => pre.push_str(&format!(" {} ", u - 0x2775)),
            0x2780..=0x2789 => pre.push_str(&format!(" {} ", u - 0x277F)),
            0x278A..=0x2793 => pre.push_str(&format!(" {} ", u - 0x2789)),
            0x24F5..=0x24FE => pre.push_str(&format!(" {} ", u - 0x24F4)),
            0x24FF => pre.push_str(" 0 "),
            0x1F170..=0x1F189 => pre.push(char::from(b'a' + (u - 0x1F170) as u8)),
            0xBC..=0xBE | 0x2150..=0x215E => pre.push_str(".5"),
            0x2018 | 0x2019 | 0x2BC | 0x60 | 0xB4 => pre.push('\''),
            0x2010..=0x2015 | 0x2212 => pre.push('-'),
            _ => pre.push(c),
        }
    }
    let mut out = String::with_capacity(pre.len());
    for c in pre.nfkd() {
        let u = c as u32;
        if matches!(u, 0x300..=0x36F | 0x591..=0x5BD | 0x5BF..=0x5C7 | 0x64B..=0x65F | 0x670 | 0x93C | 0x9BC | 0x200B..=0x200F)
        {
            continue;
        }
        if let Some(d) = digit(c) {
            out.push(char::from(b'0' + d as u8));
            continue;
        }
        match c {
            'ı' | 'İ' => out.push('i'),
            'ł' | 'Ł' => out.push('l'),
            'đ' | 'Đ' => out.push('d'),
            'ø' | 'Ø' => out.push('o'),
            'ß' => out.push_str("ss"),
            'æ' | 'Æ' => out.push_str("ae"),
            'œ' | 'Œ' => out.push_str("oe"),
            'ة' => out.push('ه'),
            'ى' | 'ی' | 'ې' => out.push('ي'),
            'ک' => out.push('ك'),
            'ٱ' => out.push('ا'),
            'ँ' => out.push('ं'),
            '⁄' => out.push('/'),
            '₀'..='₉' => out.push(char::from(b'0' + (u - 0x2080) as u8)),
            '،' | '、' => out.push(','),
            '٫' => out.push('.'),
            '。' => out.push('.'),
            _ => out.extend(c.to_lowercase()),
        }
    }
    out.nfc().filter(|c| *c != '\u{307}').collect()
}

fn spaceless(c: char) -> bool {
    matches!(c as u32, 0xE00..=0xEFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7A3 | 0x20000..=0x2FFFF)
}

fn letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c as u32, 0x900..=0xDFF) && !c.is_ascii() && c != '।'
}

const LOOK: &[(char, char)] = &[
    ('а', 'a'),
    ('в', 'b'),
    ('с', 'c'),
    ('е', 'e'),
    ('н', 'h'),
    ('к', 'k'),
    ('м', 'm'),
    ('о', 'o'),
    ('р', 'p'),
    ('т', 't'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
    ('ѕ', 's'),
    ('ј', 'j'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ε', 'e'),
    ('ρ', 'p'),
    ('τ', 't'),
    ('υ', 'u'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('χ', 'x'),
    ('п', 'n'),
];

/// A word that mixes Latin with look-alike letters, written in Latin only.
pub fn latinise(w: &str) -> String {
    let has = w.chars().any(|c| c.is_ascii_lowercase());
    if !has || w.is_ascii() {
        return w.to_string();
    }
    w.chars().map(|c| LOOK.iter().find(|(a, _)| *a == c).map_or(c, |(_, b)| *b)).collect()
}

/// Cut a folded text into tokens.
pub fn tokens(folded: &str) -> Vec<Tok> {
    let cs: Vec<char> = folded.chars().collect();
    let (mut out, mut i, mut glued) = (Vec::<Tok>::new(), 0, false);
    while i < cs.len() {
        let c = cs[i];
        if c.is_whitespace() {
            glued = false;
            i += 1;
            continue;
        }
        let s = i;
        let (k, cj, t) = if c.is_ascii_digit() {
            while i < cs.len() && cs[i].is_ascii_digit() {
                i += 1;
            }
            (Tk::Num, false, cs[s..i].iter().collect())
        } else if spaceless(c) {
            i += 1;
            (Tk::Word, true, c.to_string())
        } else if letter(c) {
            let mut w = String::new();
            while i < cs.len() {
                let apos = cs[i] == '\'' && i + 1 < cs.len() && letter(cs[i + 1]);
                if letter(cs[i]) && !spaceless(cs[i]) {
                    w.push(cs[i]);
                } else if !apos {
                    break;
                }
                i += 1;
            }
            (Tk::Word, false, latinise(&w))
        } else {
            i += 1;
            let p = c.is_ascii()
                || matches!(c as u32, 0xA1..=0xBF | 0x2010..=0x205E | 0x3001..=0x303F | 0x60C..=0x61F | 0x6D4 | 0x964 | 0x20A0..=0x20CF);
            (if p { Tk::Punct } else { Tk::Sym }, false, c.to_string())
        };
        out.push(Tok { t, k, glued, cj });
        glued = true;
    }
    out
}

/// The words and numbers of a text, joined by single spaces.
pub fn key(text: &str) -> String {
    join(&tokens(&fold(text)))
}

/// The words and numbers among tokens, joined by single spaces.
pub fn join(toks: &[Tok]) -> String {
    let v: Vec<&str> =
        toks.iter().filter(|t| matches!(t.k, Tk::Word | Tk::Num)).map(|t| t.t.as_str()).collect();
    v.join(" ")
}
