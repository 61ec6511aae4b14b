//! Folding: the many ways to write one thing made one, with the way back to where it stood.
//!
//! [`fold`] keeps what may matter (accents, the script); [`skeleton`] gives up accents and look-alike letters of one
//! script, and is what words and phrases are compared by.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::digits;

/// A folded character and the bytes of the original it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Char {
    /// The folded character.
    pub(super) c: char,
    /// Was it an upper-case letter?
    pub(super) upper: bool,
    /// First byte in the original.
    pub(super) start: usize,
    /// Byte after the last in the original.
    pub(super) end: usize,
}

/// Folds a text: compatibility forms (NFKC), case, digits of every script, keycaps and circles to ASCII digits, marks
/// nobody sees removed, punctuation of one meaning made one character. Folding twice gives what folding once gives.
pub(super) fn fold(text: &str) -> Vec<Char> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first.is_ascii() && chars.peek().is_none_or(|(_, next)| next.is_ascii()) {
            out.extend(ascii(first, start));
            continue;
        }
        let mut cluster = String::from(first);
        let mut end = start + first.len_utf8();
        while let Some((at, next)) = chars.next_if(|(_, next)| joins(*next)) {
            cluster.push(next);
            end = at + next.len_utf8();
        }
        let upper = first.is_uppercase() || digits::letter_of(first).is_some();
        push_cluster(&mut out, &cluster, upper, start, end);
    }
    spell_flags(&mut out);
    out
}

/// What folding makes of a character that most texts are made of, and that nothing joins.
fn ascii(c: char, start: usize) -> Option<Char> {
    let folded = Char {
        c: one_punctuation(c.to_ascii_lowercase()),
        upper: c.is_ascii_uppercase(),
        start,
        end: start + 1,
    };
    (!is_invisible(c)).then_some(folded)
}

/// The folded text alone.
pub(super) fn fold_to_string(text: &str) -> String {
    fold(text).into_iter().map(|folded| folded.c).collect()
}

/// Characters that belong to the one before them: combining marks, Hangul vowels and finals, half-width voicing.
fn joins(c: char) -> bool {
    is_combining_mark(c) || matches!(c, '\u{1160}'..='\u{11FF}' | '\u{FF9E}' | '\u{FF9F}') || is_invisible(c)
}

/// Marks that change nothing a reader sees: zero width, direction, variation selectors, skin tones, soft hyphens.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{20E0}'..='\u{20E4}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0000}'..='\u{E0FFF}')
        || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
}

fn push_cluster(out: &mut Vec<Char>, cluster: &str, upper: bool, start: usize, end: usize) {
    let mut push = |c: char| out.push(Char { c, upper, start, end });
    let visible: String = cluster.chars().filter(|c| !is_invisible(*c)).collect();
    let mut first = visible.chars();
    if let (Some(c), None) = (first.next(), first.next()) {
        if let Some(digits) = digits::digits_of(c) {
            digits.chars().for_each(push);
            return;
        }
        if let Some(letter) = digits::letter_of(c) {
            push(letter);
            return;
        }
    }
    // Taken apart it would be two numbers, whatever joins it.
    let fraction = visible.chars().next().filter(|c| digits::is_fraction(*c));
    fraction.into_iter().for_each(&mut push);
    let rest = &visible[fraction.map_or(0, char::len_utf8)..];
    let lower: String = rest.nfkc().flat_map(char::to_lowercase).collect();
    for c in lower.nfkc() {
        match c {
            // The dot that lower-casing leaves of a Turkish capital.
            '\u{0307}' => {}
            _ if is_invisible(c) => {}
            _ => match digits::digits_of(c) {
                Some(digits) => digits.chars().for_each(&mut push),
                None => push(digits::letter_of(c).unwrap_or_else(|| one_punctuation(c))),
            },
        }
    }
}

/// Punctuation of one meaning becomes one character.
fn one_punctuation(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '﹘' | '﹣' | '➖' | '⁃' => '-',
        '’' | '‘' | 'ʼ' | 'ʻ' | '´' | '`' | '′' | 'ʹ' | '‛' | '׳' => '\'',
        '⁄' | '∕' | '÷' => '/',
        '٪' => '%',
        '٫' => '.',
        '٬' | '،' | '、' | '﹑' => ',',
        '؛' => ';',
        '؟' | '⸮' => '?',
        '。' | '।' | '۔' | '॥' | '｡' => '.',
        '〜' | '∼' | '～' => '~',
        '×' | '✕' | '✖' => 'x',
        '➕' => '+',
        '\t' | '\u{00A0}' | '\u{3000}' | '\u{2028}' => ' ',
        '\r' => '\n',
        other => other,
    }
}

/// Regional indicators: four and more in a row spell a word, fewer are flags and stay.
fn spell_flags(chars: &mut [Char]) {
    let mut from = 0;
    while from < chars.len() {
        let run = chars[from..].iter().take_while(|c| digits::regional_letter(c.c).is_some()).count();
        if run >= 4 {
            for flag in &mut chars[from..from + run] {
                flag.c = digits::regional_letter(flag.c).unwrap_or(flag.c);
            }
        }
        from += run.max(1);
    }
}

/// What words are compared by: no accents, no vowel points, hamza, nukta or tatweel; one form of letters that are often
/// taken for each other within a script; simple Chinese for traditional. Apostrophes go.
pub(super) fn skeleton(text: &str) -> String {
    if text.is_ascii() {
        return text.replace('\'', "");
    }
    let mut out = String::with_capacity(text.len());
    for c in text.nfd() {
        match c {
            '\u{0300}'..='\u{036F}'
            | '\u{064B}'..='\u{065F}'
            | '\u{0670}'
            | '\u{0610}'..='\u{061A}'
            | '\u{06D6}'..='\u{06ED}'
            | '\u{0591}'..='\u{05C7}'
            | '\u{093C}'
            | '\u{09BC}'
            | '\u{0A3C}'
            | '\u{0ABC}'
            | '\u{0981}'
            | '\u{0640}'
            | 'ء'
            | '\''
            | 'ʿ'
            | 'ʾ' => {}
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            _ => out.push(alike(c)),
        }
    }
    out.nfc().collect()
}

/// Letters of one script that stand for each other in practice.
fn alike(c: char) -> char {
    const CHINESE: [(char, char); 112] = [
        ('發', '发'),
        ('訂', '订'),
        ('幫', '帮'),
        ('選', '选'),
        ('擇', '择'),
        ('項', '项'),
        ('滿', '满'),
        ('這', '这'),
        ('們', '们'),
        ('個', '个'),
        ('點', '点'),
        ('號', '号'),
        ('給', '给'),
        ('對', '对'),
        ('錯', '错'),
        ('請', '请'),
        ('謝', '谢'),
        ('擾', '扰'),
        ('煩', '烦'),
        ('閱', '阅'),
        ('開', '开'),
        ('復', '复'),
        ('報', '报'),
        ('註', '注'),
        ('說', '说'),
        ('貴', '贵'),
        ('裡', '里'),
        ('裏', '里'),
        ('還', '还'),
        ('沒', '没'),
        ('無', '无'),
        ('萬', '万'),
        ('為', '为'),
        ('來', '来'),
        ('時', '时'),
        ('後', '后'),
        ('過', '过'),
        ('誰', '谁'),
        ('電', '电'),
        ('話', '话'),
        ('簡', '简'),
        ('單', '单'),
        ('難', '难'),
        ('壞', '坏'),
        ('網', '网'),
        ('費', '费'),
        ('價', '价'),
        ('換', '换'),
        ('際', '际'),
        ('實', '实'),
        ('認', '认'),
        ('員', '员'),
        ('務', '务'),
        ('態', '态'),
        ('體', '体'),
        ('驗', '验'),
        ('軟', '软'),
        ('訊', '讯'),
        ('傳', '传'),
        ('廣', '广'),
        ('銷', '销'),
        ('騷', '骚'),
        ('刪', '删'),
        ('碼', '码'),
        ('貳', '贰'),
        ('兩', '两'),
        ('陸', '陆'),
        ('參', '参'),
        ('評', '评'),
        ('優', '优'),
        ('讚', '赞'),
        ('歡', '欢'),
        ('當', '当'),
        ('應', '应'),
        ('該', '该'),
        ('關', '关'),
        ('閉', '闭'),
        ('絕', '绝'),
        ('繼', '继'),
        ('續', '续'),
        ('從', '从'),
        ('單', '单'),
        ('戶', '户'),
        ('賬', '账'),
        ('帳', '账'),
        ('約', '约'),
        ('處', '处'),
        ('據', '据'),
        ('內', '内'),
        ('數', '数'),
        ('總', '总'),
        ('變', '变'),
        ('級', '级'),
        ('與', '与'),
        ('問', '问'),
        ('題', '题'),
        ('顆', '颗'),
        ('塊', '块'),
        ('錢', '钱'),
        ('週', '周'),
        ('間', '间'),
        ('鐘', '钟'),
        ('樓', '楼'),
        ('線', '线'),
        ('覺', '觉'),
        ('會', '会'),
        ('學', '学'),
        ('現', '现'),
        ('買', '买'),
        ('賣', '卖'),
        ('動', '动'),
        ('麼', '么'),
    ];
    match c {
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' | 'ɗ' => 'd',
        'ı' => 'i',
        'ħ' => 'h',
        'ŋ' => 'n',
        'ɓ' => 'b',
        'ƙ' => 'k',
        'ƴ' => 'y',
        'ə' => 'e',
        'ς' => 'σ',
        'ґ' | 'ғ' => 'г',
        'қ' => 'к',
        'ң' => 'н',
        'ү' | 'ұ' => 'у',
        'һ' => 'х',
        'ө' => 'о',
        'ә' => 'а',
        'ة' | 'ھ' | 'ہ' | 'ۂ' | 'ۃ' | 'ە' => 'ه',
        'ى' | 'ی' | 'ې' | 'ے' => 'ي',
        'ک' => 'ك',
        'ٱ' => 'ا',
        'ँ' => 'ं',
        '\u{3400}'..='\u{9FFF}' => CHINESE.iter().find(|(old, _)| *old == c).map_or(c, |(_, new)| *new),
        other => other,
    }
}

/// Letters of other alphabets, digits and signs that look like Latin letters: for the reserved words only.
pub(super) fn latin_look(c: char) -> char {
    match c {
        'а' | 'α' | '@' | '4' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'е' | 'ε' | '3' | '€' => 'e',
        'һ' | 'н' => 'h',
        'і' | 'ι' | '1' | '!' | '|' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' => 'l',
        'м' | 'μ' => 'm',
        'п' | 'η' => 'n',
        'о' | 'ο' | 'σ' | '0' | 'օ' | '°' => 'o',
        'р' | 'ρ' => 'p',
        'ѕ' | '5' | '$' => 's',
        'т' | 'τ' | '7' | '+' => 't',
        'υ' | 'ц' => 'u',
        'ѵ' | 'ν' => 'v',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_alike_folds_alike() {
        for (raw, folded) in [
            ("ＳＴＯＰ", "stop"),
            ("ⓈⓉⓄⓅ", "stop"),
            ("🅂🅃🄾🄿", "stop"),
            ("🆂🆃🅾🅿", "stop"),
            ("🇸🇹🇴🇵", "stop"),
            ("sᴛᴏᴘ", "stop"),
            ("İPTAL", "iptal"),
            ("8\u{200B}", "8"),
            ("1️⃣0️⃣", "10"),
            ("\u{200F}٤\u{200F}", "4"),
            ("５／５", "5/5"),
            ("⑩", "10"),
            ("Ⅲ", "3"),
            ("4½", "4½"),
        ] {
            assert_eq!(fold_to_string(raw), folded, "{raw}");
        }
    }

    #[test]
    fn a_skeleton_has_no_accents() {
        for (raw, bare) in [
            ("dezabonați", "dezabonati"),
            ("إيقاف", "ايقاف"),
            ("الغاء", "الغا"),
            ("hủy", "huy"),
            ("don't", "dont"),
            ("退訂", "退订"),
            ("पाँच", "पांच"),
        ] {
            assert_eq!(skeleton(&fold_to_string(raw)), skeleton(bare), "{raw}");
        }
    }

    #[test]
    fn every_folded_character_knows_where_it_stood() {
        let text = "a 🔟 ⓢ";
        let folded = fold(text);
        assert_eq!(&text[folded[2].start..folded[2].end], "🔟");
        assert_eq!(folded[3].start, folded[2].start);
    }

    #[test]
    fn a_fraction_stays_one_whatever_joins_it() {
        // A half-width vowel folds to one that joins.
        for text in ["¼ￊ", "¼ᅧ", "½\u{0308}", "¾\u{FF9E}"] {
            let once = fold_to_string(text);
            assert!(once.starts_with(text.chars().next().unwrap()), "{once}");
            assert_eq!(fold_to_string(&once), once);
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in any::<String>()) {
            let once = fold_to_string(&text);
            prop_assert_eq!(fold_to_string(&once), once);
        }

        #[test]
        fn spans_lie_on_characters_of_the_original(text in any::<String>()) {
            for c in fold(&text) {
                prop_assert!(text.get(c.start..c.end).is_some());
            }
        }
    }
}
