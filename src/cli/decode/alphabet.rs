//! Which alphabet a peer means by data_coding 0, from the octets it sends under it.

use protocol::text::{gsm7, packed, ucs2};

use super::profile::is_plain;

/// What a text says about the alphabet it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Vote {
    /// Octets that only GSM 7-bit text has: its control positions, its escapes, its letters within words.
    Gsm7,
    /// Octets above 0x7F, as Latin-1 has them.
    Latin1,
    /// Signs where GSM 7-bit has others that make no sense there: `@` between letters, `$` before a figure.
    Ascii,
    /// Well-formed UTF-8 beyond ASCII.
    Utf8,
    /// Two octets a character.
    Ucs2,
    /// Septets packed into octets.
    Packed,
    /// The same in all of them.
    Nothing,
}

impl Vote {
    /// The name of the alphabet.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Latin1 => "latin1",
            Self::Ascii => "ascii",
            Self::Utf8 => "utf8",
            Self::Ucs2 => "ucs2",
            Self::Packed => "packed gsm7",
            Self::Nothing => "undecided",
        }
    }
}

/// Octets of the shortest packed text that can be told from another: eight characters.
pub(crate) const FEWEST_PACKED: usize = 7;

/// Reads a text of data_coding 0 (behind any header) for signs of its alphabet.
pub(crate) fn vote(octets: &[u8]) -> Vote {
    if octets.len() > 3 && ucs2::looks_like(octets) {
        return Vote::Ucs2;
    }
    if !octets.is_ascii() {
        if std::str::from_utf8(octets).is_ok() {
            return Vote::Utf8;
        }
        let (unpacked, _) = gsm7::decode(&packed::unpack(octets, 0), Default::default());
        let high = octets.iter().filter(|octet| **octet > 0x7F).count();
        // In packed text every other octet is high, in Latin-1 a letter here and there. Of a few octets one can't tell.
        let packed = octets.len() >= FEWEST_PACKED && high * 4 > octets.len() && is_plain(&unpacked);
        return if packed { Vote::Packed } else { Vote::Latin1 };
    }
    if octets.iter().enumerate().any(|(at, octet)| is_gsm7_only(octets, at, *octet)) {
        return Vote::Gsm7;
    }
    if octets.iter().enumerate().any(|(at, octet)| is_ascii_only(octets, at, *octet)) {
        return Vote::Ascii;
    }
    Vote::Nothing
}

fn around(octets: &[u8], at: usize) -> (Option<u8>, Option<u8>) {
    (at.checked_sub(1).and_then(|before| octets.get(before)).copied(), octets.get(at + 1).copied())
}

fn is_letter(octet: Option<u8>) -> bool {
    octet.is_some_and(|octet| octet.is_ascii_alphabetic())
}

fn is_gsm7_only(octets: &[u8], at: usize, octet: u8) -> bool {
    let (before, after) = around(octets, at);
    match octet {
        b'\n' | b'\r' | b'\t' => false,
        0x00..0x20 => true,
        // ä ö ñ ü à, Ä Ö Ñ Ü within a word; as ASCII they are braces, a bar and brackets.
        0x7B..=0x7F | 0x5B..=0x5E => is_letter(before) && is_letter(after),
        _ => false,
    }
}

fn is_ascii_only(octets: &[u8], at: usize, octet: u8) -> bool {
    let (before, after) = around(octets, at);
    let word = |octet: Option<u8>| octet.is_some_and(|octet| octet.is_ascii_alphanumeric());
    match octet {
        // In GSM 7-bit these are an inverted exclamation mark and a section sign.
        b'@' | b'_' => word(before) && word(after),
        // There, a currency sign that nobody writes.
        b'$' => after.is_some_and(|octet| octet.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn octets_vote_for_the_alphabet_only_they_make_sense_in() {
        for (octets, wanted) in [
            (&b"a plain text, 100 %"[..], Vote::Nothing),
            (b"line one\r\nline two", Vote::Nothing),
            (b"mail me\x00home", Vote::Gsm7),
            (b"price 5 \x1be", Vote::Gsm7),
            (b"f~r dich", Vote::Gsm7),
            (b"f\xfcr dich", Vote::Latin1),
            (b"\xe9", Vote::Latin1),
            ("für dich".as_bytes(), Vote::Utf8),
            (b"ann@mail.example", Vote::Ascii),
            (b"it is $5", Vote::Ascii),
            (b"[yes]", Vote::Nothing),
            (b"\x00\xe7\x00o\x00k", Vote::Ucs2),
            (b"", Vote::Nothing),
        ] {
            assert_eq!(vote(octets), wanted, "{octets:02x?}");
        }
        assert_eq!(vote(&packed::pack(b"See you at the station at eight", 0)), Vote::Packed);
    }

    proptest! {
        #[test]
        fn any_octets_have_a_vote(octets: Vec<u8>) {
            let _ = vote(&octets);
        }
    }
}
