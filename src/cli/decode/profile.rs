//! What may be true of a peer that the standard leaves open: the ways its texts may be read, and which are worth a look.

use clap::ValueEnum;
use protocol::pdu::Sm;
use protocol::receipt::{self, Shape};
use protocol::text::{self, Alphabet, ByteOrder, Decoded, Flaw, Habits, Packing};

use super::alphabet::FEWEST_PACKED;

/// A habit of a peer, under the name the corpus of PDUs gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Profile {
    /// As the standard has it
    Default,
    /// data_coding 0 is Latin-1
    DefaultLatin1,
    /// data_coding 0 is ASCII
    DefaultAscii,
    /// data_coding 0 is UTF-8
    DefaultUtf8,
    /// data_coding 0 is UCS-2
    DefaultUcs2,
    /// UCS-2 may hide under data_coding 0
    DetectUcs2,
    /// UCS-2 is little-endian
    Ucs2Le,
    /// A user data header may come without its flag
    DetectUdh,
    /// GSM 7-bit text is packed, eight characters in seven octets
    Gsm7Packed,
    /// The same, without fill bits behind a header
    Gsm7PackedNoFill,
    /// A receipt may come as an ordinary message, told by its text alone
    #[value(alias = "detect_dlr", alias = "receipt_by_text")]
    DetectReceipt,
}

impl Profile {
    /// By the name of the corpus, with or without `profile_` in front.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::from_str(name.strip_prefix("profile_").unwrap_or(name), false).ok()
    }

    /// The name in the corpus, without `profile_`.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it says about texts.
    pub(crate) fn habits(self) -> Habits {
        let plain = Habits::default();
        match self {
            Self::Default | Self::DetectReceipt => plain,
            Self::DefaultLatin1 => Alphabet::Latin1.into(),
            Self::DefaultAscii => Alphabet::Ascii.into(),
            Self::DefaultUtf8 => Alphabet::Utf8.into(),
            Self::DefaultUcs2 => Alphabet::Ucs2.into(),
            Self::DetectUcs2 => Habits { hides_ucs2: true, ..plain },
            Self::Ucs2Le => Habits { byte_order: ByteOrder::Little, ..plain },
            Self::DetectUdh => Habits { forgets_udhi: true, ..plain },
            Self::Gsm7Packed => Habits { packing: Packing::Packed, ..plain },
            Self::Gsm7PackedNoFill => Habits { packing: Packing::PackedWithoutFill, ..plain },
        }
    }

    /// What it says about receipts.
    pub(crate) fn receipt_habits(self) -> receipt::Habits {
        let shape = if self == Self::DetectReceipt { Shape::Trusted } else { Shape::Ignored };
        receipt::Habits { shape, ..receipt::Habits::default() }
    }

    /// Whether a reading of this message under this profile is worth showing beside `usual`, the standard's.
    fn is_likely(self, sm: &Sm, usual: &Decoded, read: &Decoded) -> bool {
        let clean = || read.text.as_deref().is_some_and(is_clean);
        match self {
            Self::Default | Self::DetectReceipt => false,
            Self::DefaultLatin1 | Self::DefaultAscii | Self::DefaultUtf8 => clean(),
            // Nearly any octets are some UCS-2: only where they look like it.
            Self::DefaultUcs2 | Self::DetectUcs2 => {
                text::decode(sm.data_coding, sm.has_udh(), &sm.content(), Self::DetectUcs2.habits())
                    .flaws
                    .has(Flaw::Ucs2Detected)
            }
            Self::Ucs2Le => clean() && looks_swapped(&usual.octets),
            Self::DetectUdh => read.flaws.has(Flaw::UdhDetected),
            // Any octets are some packed text: only where they are no unpacked one, and the result reads well.
            Self::Gsm7Packed | Self::Gsm7PackedNoFill => {
                usual.octets.len() >= FEWEST_PACKED
                    && usual.flaws.has(Flaw::InvalidOctet)
                    && read.text.as_deref().is_some_and(is_plain)
            }
        }
    }
}

/// The readings of a message that differ from the standard's and are likely enough to be shown.
pub(crate) fn likely(sm: &Sm, usual: &Decoded) -> Vec<(Profile, Decoded)> {
    let differs = |read: &Decoded| read.text != usual.text || read.udh != usual.udh;
    Profile::value_variants()
        .iter()
        .map(|profile| (*profile, text::read(sm, profile.habits())))
        .filter(|(profile, read)| differs(read) && profile.is_likely(sm, usual, read))
        .collect()
}

/// Whether a text holds nothing that nobody writes.
fn is_clean(text: &str) -> bool {
    text.chars().all(|sign| {
        sign != char::REPLACEMENT_CHARACTER && (!sign.is_control() || "\n\r\t\u{c}".contains(sign))
    })
}

/// Whether a text is mostly ASCII letters, digits and blanks, as wrongly unpacked text is not.
pub(crate) fn is_plain(text: &str) -> bool {
    let usual =
        text.chars().filter(|sign| sign.is_ascii_alphanumeric() || " .,!?-'\r\n".contains(*sign)).count();
    is_clean(text) && usual * 10 >= text.chars().count() * 9
}

/// Whether two-octet units vary in their first octet and hardly in their second, as little-endian text of one script
/// does.
pub(crate) fn looks_swapped(octets: &[u8]) -> bool {
    let (pairs, _) = octets.as_chunks::<2>();
    if let [[0xFE, 0xFF] | [0xFF, 0xFE], ..] = pairs {
        return false;
    }
    let distinct = |place: fn(&[u8; 2]) -> u8| {
        let mut seen = [false; 256];
        for pair in pairs {
            if let Some(seen) = seen.get_mut(usize::from(place(pair))) {
                *seen = true;
            }
        }
        seen.into_iter().filter(|seen| *seen).count()
    };
    distinct(|[_, second]| *second) < distinct(|[first, _]| *first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(data_coding: u8, octets: &'static [u8]) -> Vec<String> {
        let sm = Sm { data_coding, short_message: octets.into(), ..Sm::default() };
        let usual = text::read(&sm, Habits::default());
        likely(&sm, &usual).into_iter().map(|(profile, _)| profile.name()).collect()
    }

    #[test]
    fn every_profile_is_found_by_its_name() {
        for profile in Profile::value_variants() {
            assert_eq!(Profile::named(&profile.name()), Some(*profile));
            assert_eq!(Profile::named(&format!("profile_{}", profile.name())), Some(*profile));
        }
        assert_eq!(Profile::named("gsm7_packed_no_fill"), Some(Profile::Gsm7PackedNoFill));
        assert_eq!(Profile::named("nonsense"), None);
    }

    #[test]
    fn another_reading_is_shown_only_where_it_is_likely() {
        assert_eq!(names(0, b"a plain text"), [""; 0]);
        assert_eq!(names(0, b"f\xfcr"), ["default_latin1"]);
        assert_eq!(names(0, b"f\xc3\xbcr"), ["default_latin1", "default_utf8"]);
        assert_eq!(names(0, b"mail a@b.example"), ["default_latin1", "default_ascii", "default_utf8"]);
        assert!(names(0, b"\x00\xe7\x00o\x00k").contains(&"detect_ucs2".to_owned()));
        assert_eq!(names(8, b"H\0e\0l\0l\0o\0"), ["ucs2_le"]);
        assert_eq!(names(8, b"\x04\x1f\x04\x40\x04\x38"), [""; 0]);
        assert!(names(0, b"1\xd9\x8cV\xb3\xdd\x1a").contains(&"gsm7_packed".to_owned()));
        assert!(names(0, b"\x05\x00\x03\x2a\x02\x01abc").contains(&"detect_udh".to_owned()));
    }
}
