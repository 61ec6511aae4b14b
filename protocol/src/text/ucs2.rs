//! UCS-2 as it is met: UTF-16 with surrogates, either byte order, with or without a mark, of odd length (3GPP TS
//! 23.038, 6.2.3 means big-endian UCS-2 without a mark).

use super::{ByteOrder, Flaw, Flaws};

/// Reads UTF-16. A byte order mark decides and is dropped; without one `order` does. The last octet of an odd number
/// is ignored, half a surrogate pair becomes U+FFFD.
pub fn decode(octets: &[u8], order: ByteOrder) -> (String, Flaws) {
    let mut flaws = Flaws::default();
    let (order, octets) = match octets {
        [0xFE, 0xFF, rest @ ..] => (ByteOrder::Big, rest),
        [0xFF, 0xFE, rest @ ..] => (ByteOrder::Little, rest),
        _ => (order, octets),
    };
    let (pairs, odd) = octets.as_chunks::<2>();
    if !odd.is_empty() {
        flaws.add(Flaw::OddLength);
    }
    let units = pairs.iter().map(|pair| match order {
        ByteOrder::Big => u16::from_be_bytes(*pair),
        ByteOrder::Little => u16::from_le_bytes(*pair),
    });
    let mut text = String::with_capacity(octets.len());
    for unit in char::decode_utf16(units) {
        text.push(unit.unwrap_or_else(|_| {
            flaws.add(Flaw::LoneSurrogate);
            char::REPLACEMENT_CHARACTER
        }));
    }
    (text, flaws)
}

/// Writes `text` as big-endian UTF-16 without a mark.
pub fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    for unit in text.encode_utf16() {
        out.extend_from_slice(&unit.to_be_bytes());
    }
    out
}

/// Whether octets that claim another alphabet are UTF-16 all the same: a mark, or an even number of them whose
/// high octets are nearly all one low value (the script's) while the low octets are hardly ever control codes. Text in
/// a one-octet alphabet has no such run of control codes at every other place.
pub fn looks_like(octets: &[u8]) -> bool {
    if let [0xFE, 0xFF, _, _, ..] | [0xFF, 0xFE, _, _, ..] = octets {
        return true;
    }
    let (pairs, odd) = octets.as_chunks::<2>();
    if !odd.is_empty() || pairs.is_empty() {
        return false;
    }
    let mut high = [0usize; 0x20];
    let mut controls = 0;
    for [first, second] in pairs {
        if let Some(count) = high.get_mut(usize::from(*first)) {
            *count += 1;
        }
        let printable = *second >= 0x20 || *second == b'\n' || *second == b'\r' || *first != 0;
        controls += usize::from(!printable);
    }
    // A space in Cyrillic text has the high octet 0, so blanks count with the script.
    let blanks = pairs.iter().filter(|[first, second]| *first == 0 && *second < 0x80).count();
    let script = high.iter().enumerate().skip(1).map(|(_, count)| *count).max().unwrap_or(0);
    let usual = (script + blanks).max(high[0]);
    usual * 4 >= pairs.len() * 3 && controls * 4 <= pairs.len() && (high[0] > 0 || pairs.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_byte_order_mark_decides_and_is_not_text() {
        let big = [&[0xFE, 0xFF][..], &encode("Привет")].concat();
        assert_eq!(decode(&big, ByteOrder::Little).0, "Привет");
        assert_eq!(decode(b"\xff\xfeH\0i\0", ByteOrder::Big).0, "Hi");
    }

    #[test]
    fn without_a_mark_only_the_peers_habit_swaps() {
        assert_eq!(decode(b"H\0e\0l\0l\0o\0", ByteOrder::Big).0, "䠀攀氀氀漀");
        assert_eq!(decode(b"H\0e\0l\0l\0o\0", ByteOrder::Little).0, "Hello");
    }

    #[test]
    fn an_odd_octet_is_ignored_and_said() {
        let (text, flaws) = decode(b"\0A\0B\0", ByteOrder::Big);
        assert_eq!(text, "AB");
        assert!(flaws.has(Flaw::OddLength));
    }

    #[test]
    fn half_a_pair_becomes_the_replacement_character() {
        let (text, flaws) = decode(b"\0A\xd8\x3c\0B", ByteOrder::Big);
        assert_eq!(text, "A\u{FFFD}B");
        assert!(flaws.has(Flaw::LoneSurrogate));
    }

    #[test]
    fn utf16_is_told_from_one_octet_text() {
        for text in ["çok", "Hi", "Привет, мир", "Αντίο", "مرحبا يا", "STOP"] {
            assert!(looks_like(&encode(text)), "{text}");
        }
        for text in ["STOP", "@@@@", "hello there", "", "ab", "Δ_ΦΓ"] {
            let octets = super::super::gsm7::encode(text, super::super::Shifts::NONE).unwrap();
            assert!(!looks_like(&octets), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text: String) {
            // A leading mark is not text.
            prop_assume!(!text.starts_with(['\u{FEFF}', '\u{FFFE}']));
            prop_assert_eq!(decode(&encode(&text), ByteOrder::Big).0, text);
        }

        #[test]
        fn any_octets_decode_without_a_panic(octets: Vec<u8>) {
            let _ = decode(&octets, ByteOrder::Little);
            let _ = looks_like(&octets);
        }
    }
}
