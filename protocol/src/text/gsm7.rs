//! GSM 7-bit text with one septet an octet, as `short_message` carries it: 3GPP TS 23.038, 6.2.1 and annex A.

use super::shift::{BASIC, ESCAPE, Shifts, Table};
use super::{Flaw, Flaws};

/// Where a character stands: in the basic table (one septet) or behind an escape (two).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// One septet.
    Basic(u8),
    /// An escape and this septet.
    Escaped(u8),
}

impl Code {
    /// Septets it takes.
    #[inline]
    pub fn septets(self) -> usize {
        match self {
            Self::Basic(_) => 1,
            Self::Escaped(_) => 2,
        }
    }
}

/// Where `c` stands in these tables; `None` where they do not hold it.
#[inline]
pub fn code(c: char, shifts: Shifts) -> Option<Code> {
    if shifts == Shifts::NONE { default_code(c) } else { shifted_code(c, shifts) }
}

fn shifted_code(c: char, shifts: Shifts) -> Option<Code> {
    let unit = u16::try_from(u32::from(c)).ok().filter(|unit| *unit != 0)?;
    if let Some(at) = find(shifts.basic(), unit) {
        return Some(Code::Basic(at));
    }
    find(shifts.extension(), unit).map(Code::Escaped)
}

/// Writes `text`, one septet an octet.
///
/// # Errors
/// The first character that the tables do not hold.
pub fn encode(text: &str, shifts: Shifts) -> Result<Vec<u8>, char> {
    let mut out = Vec::with_capacity(text.len());
    match text.chars().find(|c| !put(*c, shifts, &mut out)) {
        Some(c) => Err(c),
        None => Ok(out),
    }
}

/// Reads septets, one an octet. Never fails: what no table holds becomes U+FFFD and is counted.
///
/// An escape as the last septet reads as a space, an escape before a septet that the extension table leaves void
/// reads as the basic character, two escapes as a space (23.038, 6.2.1 note 1 and 6.2.1.1 note 1).
pub fn decode(septets: &[u8], shifts: Shifts) -> (String, Flaws) {
    let (basic, extension) = (shifts.basic(), shifts.extension());
    let mut text = String::with_capacity(septets.len() + septets.len() / 8);
    let mut flaws = Flaws::default();
    let mut octets = septets.iter().copied();
    while let Some(octet) = octets.next() {
        if octet != ESCAPE {
            text.push(read(basic, octet, &mut flaws));
            continue;
        }
        match octets.next() {
            None => {
                flaws.add(Flaw::LoneEscape);
                text.push(' ');
            }
            Some(ESCAPE) => {
                flaws.add(Flaw::UnknownEscape);
                text.push(' ');
            }
            Some(next) => match unit_of(extension, next) {
                Some(c) => text.push(c),
                None => {
                    flaws.add(Flaw::UnknownEscape);
                    text.push(read(basic, next, &mut flaws));
                }
            },
        }
    }
    (text, flaws)
}

/// Septets that `text` takes.
pub(super) fn measure(text: &str, shifts: Shifts) -> Result<usize, char> {
    text.chars().try_fold(0, |sum, c| code(c, shifts).map(|code| sum + code.septets()).ok_or(c))
}

/// Writes a character, if the tables hold it.
#[inline]
pub(super) fn put(c: char, shifts: Shifts, out: &mut Vec<u8>) -> bool {
    match code(c, shifts) {
        Some(Code::Basic(septet)) => out.push(septet),
        Some(Code::Escaped(septet)) => out.extend_from_slice(&[ESCAPE, septet]),
        None => return false,
    }
    true
}

fn read(table: &Table, octet: u8, flaws: &mut Flaws) -> char {
    unit_of(table, octet).unwrap_or_else(|| {
        flaws.add(Flaw::InvalidOctet);
        char::REPLACEMENT_CHARACTER
    })
}

fn unit_of(table: &Table, octet: u8) -> Option<char> {
    let unit = *table.get(usize::from(octet))?;
    char::from_u32(u32::from(unit)).filter(|c| *c != '\0')
}

fn find(table: &Table, unit: u16) -> Option<u8> {
    table.iter().position(|entry| *entry == unit).and_then(|at| u8::try_from(at).ok())
}

/// U+0000..U+00FF in the default alphabet: the septet, with the top bit where it stands behind an escape.
static LATIN: [u8; 256] = latin();
const NOWHERE: u8 = 0xFF;

#[inline]
fn default_code(c: char) -> Option<Code> {
    match LATIN.get(c as usize) {
        Some(&NOWHERE) => None,
        Some(at) if at & 0x80 != 0 => Some(Code::Escaped(at & 0x7F)),
        Some(at) => Some(Code::Basic(*at)),
        // Greek capitals.
        None if c != '€' => find(&BASIC, u16::try_from(u32::from(c)).ok()?).map(Code::Basic),
        None => Some(Code::Escaped(0x65)),
    }
}

const fn latin() -> [u8; 256] {
    let mut out = [NOWHERE; 256];
    let mut septet = 0;
    while septet < 128 {
        let (basic, extension) = (super::shift::default_unit(septet), super::shift::extension_unit(septet));
        if extension != 0 && extension < 256 {
            out[extension as usize] = septet as u8 | 0x80;
        }
        if basic != 0 && basic < 256 {
            out[basic as usize] = septet as u8;
        }
        septet += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::shift::{EXTENSION, Language};
    use super::*;
    use proptest::prelude::*;

    fn every_pair() -> Vec<Shifts> {
        let languages: Vec<Option<Language>> =
            std::iter::once(None).chain(Language::ALL.into_iter().map(Some)).collect();
        let mut out = Vec::new();
        for locking in &languages {
            for single in &languages {
                out.push(Shifts { locking: *locking, single: *single });
            }
        }
        out
    }

    #[test]
    fn every_code_point_of_every_pair_of_tables_reads_back_as_written() {
        for shifts in every_pair() {
            for septet in 0..128u8 {
                for octets in [vec![septet], vec![ESCAPE, septet]] {
                    let (text, flaws) = decode(&octets, shifts);
                    if flaws.is_empty() && !text.is_empty() {
                        let again = encode(&text, shifts).expect("what was read can be written");
                        assert_eq!(decode(&again, shifts).0, text, "{shifts:?} {octets:02x?}");
                        assert!(again.len() <= octets.len());
                    }
                }
            }
        }
    }

    #[test]
    fn the_quick_way_finds_the_same_as_the_tables() {
        for c in (0..=0xFFFFu32).filter_map(char::from_u32) {
            let slow = find(&BASIC, c as u16)
                .map(Code::Basic)
                .or_else(|| find(&EXTENSION, c as u16).map(Code::Escaped))
                .filter(|_| c != '\0');
            assert_eq!(default_code(c), slow, "{c:?}");
        }
    }

    #[test]
    fn escapes_without_a_meaning_read_as_the_standard_says() {
        assert_eq!(decode(b"ab\x1b", Shifts::NONE).0, "ab ");
        assert_eq!(decode(b"a\x1bAb", Shifts::NONE).0, "aAb");
        assert_eq!(decode(b"a\x1b\x1bb", Shifts::NONE).0, "a b");
        assert_eq!(decode(b"\x1b\x65", Shifts::NONE).0, "€");
        assert_eq!(decode(b"A\xc1B", Shifts::NONE).0, "A\u{FFFD}B");
    }

    #[test]
    fn turkish_and_portuguese_read_through_their_locking_tables() {
        let turkish = Shifts { locking: Some(Language::Turkish), single: None };
        assert_eq!(decode(b"I\x1d\x07k a\x0c\x07 \x04", turkish).0, "Işık ağı €");
        let portuguese = Shifts { locking: Some(Language::Portuguese), single: None };
        assert_eq!(encode("informação já", portuguese).unwrap(), b"informa\x09{o j\x0f");
    }

    proptest! {
        #[test]
        fn any_octets_decode_without_a_panic(octets: Vec<u8>, pair in 0usize..196) {
            let _ = decode(&octets, every_pair()[pair]);
        }

        #[test]
        fn what_can_be_written_reads_back(text in "[ -~\n\rÀ-ÿΔΦΓΛΩΠΨΣΘΞ€]{0,200}") {
            if let Ok(octets) = encode(&text, Shifts::NONE) {
                let (back, flaws) = decode(&octets, Shifts::NONE);
                prop_assert_eq!(back, text);
                prop_assert!(flaws.is_empty());
            }
        }
    }
}
