//! Digits in every dress: other scripts, circles, keycaps, Roman letters, Chinese numerals.

/// First code point (zero) of each run of ten decimal digits in Unicode outside ASCII.
const ZEROS: [u32; 62] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30,
    0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0,
    0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E4F0,
    0x1E950, 0x1FBF0,
];

/// Runs of numbered symbols that compatibility folding leaves alone: first code point, first number, how many.
const SYMBOLS: [(u32, u32, u32); 14] = [
    (0x2776, 1, 10),  // negative circled
    (0x2780, 1, 10),  // circled, sans serif
    (0x278A, 1, 10),  // negative circled, sans serif
    (0x24F5, 1, 10),  // double circled
    (0x24EB, 11, 10), // negative circled 11 to 20
    (0x24FF, 0, 1),   // negative circled zero
    (0x1F10B, 0, 1),  // dingbat circled zero
    (0x1F10C, 0, 1),  // dingbat negative circled zero
    (0x2160, 1, 12),  // Roman numeral characters: they cannot be letters
    (0x2170, 1, 12),  // the same, small
    (0x3021, 1, 9),   // Hangzhou
    (0x1369, 1, 9),   // Ethiopic
    (0x1372, 10, 1),  // Ethiopic ten
    (0x0BF0, 10, 1),  // Tamil ten
];

/// The ASCII digits `c` stands for, or none: `٣` gives `3`, `❿` and `🔟` give `10`.
pub(super) fn digits_of(c: char) -> Option<String> {
    let code = u32::from(c);
    if code < 0x80 {
        return None;
    }
    if let Some(zero) = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)) {
        return Some((code - zero).to_string());
    }
    if c == '🔟' || c == '〸' {
        return Some("10".to_owned());
    }
    SYMBOLS
        .iter()
        .find(|(first, _, many)| (*first..*first + *many).contains(&code))
        .map(|(first, number, _)| (code - first + number).to_string())
}

/// A letter drawn as a symbol that compatibility folding leaves alone: squares, negative circles, flags' letters, small capitals.
pub(super) fn letter_of(c: char) -> Option<char> {
    const SMALL_CAPITALS: [(char, char); 24] = [
        ('ᴀ', 'a'),
        ('ʙ', 'b'),
        ('ᴄ', 'c'),
        ('ᴅ', 'd'),
        ('ᴇ', 'e'),
        ('ꜰ', 'f'),
        ('ɢ', 'g'),
        ('ʜ', 'h'),
        ('ɪ', 'i'),
        ('ᴊ', 'j'),
        ('ᴋ', 'k'),
        ('ʟ', 'l'),
        ('ᴍ', 'm'),
        ('ɴ', 'n'),
        ('ᴏ', 'o'),
        ('ᴘ', 'p'),
        ('ʀ', 'r'),
        ('ꜱ', 's'),
        ('ᴛ', 't'),
        ('ᴜ', 'u'),
        ('ᴠ', 'v'),
        ('ᴡ', 'w'),
        ('ʏ', 'y'),
        ('ᴢ', 'z'),
    ];
    let code = u32::from(c);
    let from = |first: u32| char::from_u32(u32::from('a') + code - first);
    match code {
        0x1F150..=0x1F169 => from(0x1F150),
        0x1F170..=0x1F189 => from(0x1F170),
        _ => SMALL_CAPITALS.iter().find(|(small, _)| *small == c).map(|(_, letter)| *letter),
    }
}

/// What a regional indicator stands for: `🇸` is `s`. Four and more of them in a row spell a word, two are a flag.
pub(super) fn regional_letter(c: char) -> Option<char> {
    let code = u32::from(c);
    (0x1F1E6..=0x1F1FF).contains(&code).then(|| char::from_u32(u32::from('a') + code - 0x1F1E6)).flatten()
}

/// Fractions written as one character. Compatibility folding would turn `4½` into `41/2`.
pub(super) fn is_fraction(c: char) -> bool {
    matches!(c, '¼'..='¾' | '⅐'..='⅞' | '↉')
}

/// The value of a Roman numeral of two letters or more, up to 39, well formed. A single letter is a letter.
pub(super) fn roman(word: &str) -> Option<i64> {
    const FORMS: [(&str, i64); 38] = [
        ("ii", 2),
        ("iii", 3),
        ("iv", 4),
        ("vi", 6),
        ("vii", 7),
        ("viii", 8),
        ("ix", 9),
        ("xi", 11),
        ("xii", 12),
        ("xiii", 13),
        ("xiv", 14),
        ("xv", 15),
        ("xvi", 16),
        ("xvii", 17),
        ("xviii", 18),
        ("xix", 19),
        ("xxi", 21),
        ("xxii", 22),
        ("xxiii", 23),
        ("xxiv", 24),
        ("xxv", 25),
        ("xxvi", 26),
        ("xxvii", 27),
        ("xxviii", 28),
        ("xxix", 29),
        ("xxxi", 31),
        ("xxxii", 32),
        ("xxxiii", 33),
        ("xxxiv", 34),
        ("xxxv", 35),
        ("xxxvi", 36),
        ("xxxvii", 37),
        ("xxxviii", 38),
        ("xxxix", 39),
        ("xl", 40),
        ("xli", 41),
        ("xlii", 42),
        ("xliii", 43),
    ];
    FORMS.iter().find(|(form, _)| *form == word).map(|(_, value)| *value)
}

/// One Chinese numeral: its value, and whether it multiplies what stands before it (ten, hundred, thousand).
fn chinese_digit(c: char) -> Option<(i64, bool)> {
    Some(match c {
        '零' | '〇' => (0, false),
        '一' | '壹' | '壱' | '弌' => (1, false),
        '二' | '贰' | '貳' | '弐' | '两' | '兩' | '貮' => (2, false),
        '三' | '叁' | '參' | '参' | '叄' => (3, false),
        '四' | '肆' => (4, false),
        '五' | '伍' => (5, false),
        '六' | '陆' | '陸' => (6, false),
        '七' | '柒' | '漆' => (7, false),
        '八' | '捌' => (8, false),
        '九' | '玖' => (9, false),
        '十' | '拾' => (10, true),
        '百' | '佰' => (100, true),
        '千' | '仟' => (1000, true),
        _ => return None,
    })
}

/// Is `c` a Chinese numeral?
pub(super) fn is_chinese_digit(c: char) -> bool {
    chinese_digit(c).is_some()
}

/// The value of a run of Chinese numerals: `十二` 12, `二十` 20, `一〇` 10. Two digits side by side without a zero
/// (`七八`, seven or eight) are no number.
pub(super) fn chinese(run: &str) -> Option<i64> {
    let digits: Vec<(i64, bool)> = run.chars().map(chinese_digit).collect::<Option<_>>()?;
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    if digits.iter().all(|(_, multiplies)| !multiplies) {
        return match digits.as_slice() {
            [(value, _)] => Some(*value),
            [(ten, _), (0, _)] => Some(ten * 10),
            _ => None,
        };
    }
    let (mut total, mut pending) = (0_i64, None);
    for (value, multiplies) in digits {
        if multiplies {
            total += pending.take().unwrap_or(1) * value;
        } else if pending.replace(value).is_some() {
            return None;
        }
    }
    Some(total + pending.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_scripts_and_symbols_become_ascii() {
        for (c, digits) in [
            ('٣', "3"),
            ('۷', "7"),
            ('९', "9"),
            ('၄', "4"),
            ('３', "3"),
            ('❸', "3"),
            ('🔟', "10"),
            ('Ⅴ', "5"),
        ] {
            assert_eq!(digits_of(c).as_deref(), Some(digits), "{c}");
        }
        assert_eq!(digits_of('3'), None);
        assert_eq!(digits_of('x'), None);
    }

    #[test]
    fn chinese_numerals_are_read_and_neighbours_are_not_joined() {
        for (run, value) in [("捌", 8), ("十", 10), ("十二", 12), ("二十", 20), ("一百", 100), ("一〇", 10)]
        {
            assert_eq!(chinese(run), Some(value), "{run}");
        }
        assert_eq!(chinese("七八"), None);
    }

    #[test]
    fn single_roman_letters_are_letters() {
        assert_eq!(roman("viii"), Some(8));
        assert_eq!(roman("i"), None);
        assert_eq!(roman("mix"), None);
    }
}
