//! Short octet strings of SMPP (system ids, addresses, message ids, times, values of parameters) without an allocation.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// Octets that are kept inline: a full address (20), a time (16) and an id of ten digits fit with their NUL.
pub const INLINE_OCTETS: usize = 22;

/// The content of a C-octet string, without its closing NUL (SMPP 3.4 section 3.1).
///
/// What fits with its NUL into [`INLINE_OCTETS`] lives inside the value, longer ones on the heap. It never holds a NUL: the
/// conversions stop at the first one, so that no value can shift the fields after it when a PDU is written.
#[derive(Clone)]
pub struct COctets(Repr);

#[derive(Clone)]
enum Repr {
    /// NULs behind the content, at least one.
    Inline {
        len: u8,
        octets: [u8; INLINE_OCTETS],
    },
    Long(Box<[u8]>),
}

impl COctets {
    /// The empty string.
    pub const EMPTY: COctets = COctets(Repr::Inline { len: 0, octets: [0; INLINE_OCTETS] });

    /// The octets as text, each octet read as Latin-1 (SMPP itself names ASCII; peers do not keep to it).
    pub fn to_text(&self) -> Cow<'_, str> {
        match std::str::from_utf8(self) {
            Ok(text) if text.is_ascii() => Cow::Borrowed(text),
            _ => Cow::Owned(self.iter().map(|&octet| char::from(octet)).collect()),
        }
    }

    /// The octets with NULs behind them, at least one, and how many they are without; where they are kept inline.
    #[inline]
    pub(crate) fn padded(&self) -> Option<(&[u8; INLINE_OCTETS], usize)> {
        match &self.0 {
            Repr::Inline { len, octets } => Some((octets, usize::from(*len))),
            Repr::Long(_) => None,
        }
    }

    /// Keeps octets of which the caller knows that they hold no NUL.
    #[inline]
    pub(crate) fn without_nul(octets: &[u8]) -> COctets {
        let mut inline = [0; INLINE_OCTETS];
        match inline.get_mut(..octets.len()) {
            Some(room) if octets.len() < INLINE_OCTETS => {
                room.copy_from_slice(octets);
                COctets(Repr::Inline { len: octets.len() as u8, octets: inline })
            }
            _ => COctets(Repr::Long(octets.into())),
        }
    }

    /// Takes the string at the start of `input` and gives what follows its NUL, when that is near and the input goes
    /// on long enough to be read in words; else `None`, nothing is taken, and the slower way has to be gone.
    ///
    /// It writes in place: a value of this kind is slower to move than to read.
    #[inline]
    pub(crate) fn take_near<'a>(&mut self, input: &'a [u8]) -> Option<&'a [u8]> {
        const WORD: usize = size_of::<u64>();
        let Repr::Inline { len, octets } = &mut self.0 else { return None };
        let words: &[u8; 2 * WORD] = input.first_chunk()?;
        for (at, word) in (0..).step_by(WORD).zip(words.as_chunks::<WORD>().0) {
            let word = u64::from_le_bytes(*word);
            // the lowest marked octet is the first NUL; a borrow can only mark octets above it
            let nuls = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
            let room = octets.get_mut(at..)?.first_chunk_mut()?;
            if nuls == 0 {
                *room = word.to_le_bytes();
            } else {
                let before = nuls.trailing_zeros() & !7;
                *room = (word & ((1 << before) - 1)).to_le_bytes();
                let found = at + before as usize / 8;
                *len = found as u8;
                return input.get(found + 1..);
            }
        }
        None
    }
}

/// Octets of any value: a parameter's.
///
/// Up to [`INLINE_OCTETS`] live inside the value; more are [`Bytes`], which reading takes as a share of the octets that
/// came together. Almost every parameter is an integer or an id, and a share costs more than those octets.
#[derive(Clone)]
pub struct Octets(Kept);

#[derive(Clone)]
enum Kept {
    Inline { len: u8, octets: [u8; INLINE_OCTETS] },
    Shared(Bytes),
}

impl Octets {
    /// The octets if they are few enough to be kept inline.
    #[inline]
    pub(crate) fn inline(from: &[u8]) -> Option<Octets> {
        let mut octets = [0; INLINE_OCTETS];
        match *from {
            // integers, which most are, are not worth a call to copy them
            [value] => octets[0] = value,
            [high, low] => [octets[0], octets[1]] = [high, low],
            _ => octets.get_mut(..from.len())?.copy_from_slice(from),
        }
        Some(Octets(Kept::Inline { len: from.len() as u8, octets }))
    }

    /// The octets with NULs behind them, and how many they are, where they are kept inline.
    #[inline]
    pub(crate) fn padded(&self) -> Option<(&[u8; INLINE_OCTETS], usize)> {
        match &self.0 {
            Kept::Inline { len, octets } => Some((octets, usize::from(*len))),
            Kept::Shared(_) => None,
        }
    }

    /// The same as `Bytes`: a share where they are kept so, a copy of the few that are kept inline.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Kept::Inline { .. } => Bytes::copy_from_slice(self),
            Kept::Shared(octets) => octets.clone(),
        }
    }
}

impl Deref for Octets {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::Inline { len, octets } => octets.get(..usize::from(*len)).unwrap_or(octets),
            Kept::Shared(octets) => octets,
        }
    }
}

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Octets {
    fn default() -> Self {
        Octets(Kept::Inline { len: 0, octets: [0; INLINE_OCTETS] })
    }
}

impl From<Bytes> for Octets {
    #[inline]
    fn from(octets: Bytes) -> Self {
        Octets::inline(&octets).unwrap_or(Octets(Kept::Shared(octets)))
    }
}

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Octets::from(Bytes::from(octets))
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Octets::inline(octets).unwrap_or_else(|| Octets(Kept::Shared(Bytes::copy_from_slice(octets))))
    }
}

impl<const N: usize> From<&[u8; N]> for Octets {
    fn from(octets: &[u8; N]) -> Self {
        Octets::from(octets.as_slice())
    }
}

impl PartialEq for Octets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Octets {}

impl Hash for Octets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Octets {
    /// How many: they may hold a message or a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.len())
    }
}

fn before_nul(octets: &[u8]) -> usize {
    octets.iter().position(|&octet| octet == 0).unwrap_or(octets.len())
}

impl Deref for COctets {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, octets } => octets.get(..usize::from(*len)).unwrap_or(octets),
            Repr::Long(octets) => octets,
        }
    }
}

impl AsRef<[u8]> for COctets {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for COctets {
    #[inline]
    fn default() -> Self {
        COctets::EMPTY
    }
}

impl From<&[u8]> for COctets {
    fn from(octets: &[u8]) -> Self {
        COctets::without_nul(octets.get(..before_nul(octets)).unwrap_or(octets))
    }
}

impl<const N: usize> From<&[u8; N]> for COctets {
    fn from(octets: &[u8; N]) -> Self {
        COctets::from(octets.as_slice())
    }
}

impl From<&str> for COctets {
    /// Takes the UTF-8 octets as they stand.
    fn from(text: &str) -> Self {
        COctets::from(text.as_bytes())
    }
}

impl From<&String> for COctets {
    fn from(text: &String) -> Self {
        COctets::from(text.as_bytes())
    }
}

impl From<String> for COctets {
    fn from(text: String) -> Self {
        COctets::from(text.as_bytes())
    }
}

impl From<Bytes> for COctets {
    fn from(octets: Bytes) -> Self {
        COctets::from(octets.as_ref())
    }
}

impl PartialEq for COctets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for COctets {}

impl PartialEq<[u8]> for COctets {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for COctets {
    fn eq(&self, other: &&str) -> bool {
        **self == *other.as_bytes()
    }
}

impl PartialEq<str> for COctets {
    fn eq(&self, other: &str) -> bool {
        **self == *other.as_bytes()
    }
}

impl PartialOrd for COctets {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for COctets {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for COctets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for COctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.to_text().as_ref(), f)
    }
}

impl fmt::Display for COctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_strings_compare_by_content() {
        let long = "7d093bfa-4d65-4757-b0bb-177fc9d0a038";
        assert_eq!(COctets::from(long), COctets::from(Bytes::from_static(long.as_bytes())));
        assert_eq!(COctets::from("abc").to_text(), "abc");
        assert_eq!(COctets::from(long).len(), 36);
        assert_ne!(COctets::from("abc"), COctets::from("abd"));
        assert_eq!(COctets::default(), "");
    }

    #[test]
    fn every_length_around_the_inline_limit_survives() {
        for len in 0..64 {
            let octets: Vec<u8> = (1..=len).collect();
            assert_eq!(&*COctets::from(octets.as_slice()), octets.as_slice());
            assert_eq!(&*COctets::from(Bytes::from(octets.clone())), octets.as_slice());
        }
    }

    #[test]
    fn a_nul_ends_the_string_so_that_no_value_can_shift_the_fields_behind_it() {
        assert_eq!(COctets::from("abc\0def"), "abc");
        assert_eq!(COctets::from(Bytes::from_static(b"0123456789012345678901234567890\0x")).len(), 31);
    }

    #[test]
    fn octets_above_ascii_are_read_as_latin_1() {
        assert_eq!(COctets::from(&[0x66, 0xfc, 0x72]).to_text(), "f\u{fc}r");
        assert_eq!(format!("{:?}", COctets::from("h\u{fc}")), "\"h\u{c3}\u{bc}\"");
    }

    #[test]
    fn a_value_takes_24_octets() {
        assert_eq!(size_of::<COctets>(), 24);
    }

    #[test]
    fn octets_compare_by_content_wherever_they_are_kept() {
        for len in 0..64 {
            let octets: Vec<u8> = (0..len).collect();
            let [copied, shared] = [Octets::from(&octets[..]), Octets::from(Bytes::from(octets.clone()))];
            assert_eq!((&copied, &*shared), (&shared, &octets[..]));
            assert_eq!(copied.to_bytes(), octets);
            assert_ne!(copied, Octets::from([&octets[..], &[0]].concat()));
        }
        assert_eq!(Octets::default(), Octets::from(b""));
        assert_eq!(size_of::<Octets>(), size_of::<Bytes>());
    }

    #[test]
    fn reading_in_words_gives_what_reading_octet_by_octet_gives() {
        for len in 0..30 {
            for fill in [1, 0x7F, 0x80, 0xFF] {
                for behind in [0, 1, 0x80, 0xFF] {
                    let mut input = vec![fill; len];
                    input.push(0);
                    input.extend([behind; 30]);
                    let mut octets = COctets::EMPTY;
                    let rest = octets.take_near(&input);
                    assert_eq!(rest.is_some(), len < 16);
                    if let Some(rest) = rest {
                        assert_eq!(&*octets, vec![fill; len].as_slice());
                        assert_eq!(rest, [behind; 30]);
                    }
                    assert_eq!(COctets::default().take_near(&input[..15]), None);
                }
            }
        }
        assert_eq!(COctets::default().take_near(&[7; 40]), None);
    }
}
