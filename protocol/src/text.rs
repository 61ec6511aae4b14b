//! Text on the wire: alphabets and data_coding, the user data header, splitting into parts and joining them again.
//!
//! To send: [`split`] makes the parts of a text in the cheapest of GSM 7-bit and UCS-2; [`Offer`] has more to
//! choose from (national tables, other alphabets, SAR parameters, `message_payload`) and [`cost`] explains the bill.
//! To receive: [`decode`] reads one body, [`Joiner`] puts the parts of a longer one together.
//!
//! ```
//! use protocol::text::{self, Alphabet, Reference};
//!
//! let sent = text::split("See you at 8 €", Reference::Eight(42))?;
//! assert_eq!((sent.data_coding, sent.udhi, sent.parts.len()), (0, false, 1));
//! let read = text::decode(sent.data_coding, sent.udhi, &sent.parts[0], Alphabet::Gsm7);
//! assert_eq!(read.text.as_deref(), Some("See you at 8 €"));
//! # Ok::<(), text::Unsendable>(())
//! ```

mod assemble;
mod cost;
mod dcs;
mod flaw;
mod form;
pub mod gsm7;
mod join;
pub mod packed;
pub mod shift;
mod split;
mod typography;
pub mod ucs2;
pub mod udh;

use bytes::Bytes;

use crate::pdu::Sm;
use crate::tlv::{Tag, Tlv, Tlvs};

pub use assemble::assemble;
pub use cost::{Bill, Blocked, Choice, Cost, Saving, cost};
pub use dcs::{Alphabet, Coding, Waiting, WaitingKind, data_coding};
pub use flaw::{Flaw, Flaws};
pub use join::{GivenUp, Incomplete, JoinLimits, Joined, Joiner};
pub use shift::{Language, Shifts};
pub use split::{Method, Offer, Part, Parts, Plan, Reference, Unsendable, plan, split};
pub use udh::{Concat, Udh, UdhError, Width};

/// Octets of user data in one short message on the air (3GPP TS 23.040, 9.2.3.24): 160 septets, 70 UCS-2 units.
pub const PART_OCTETS: usize = 140;

/// Which octet of a two-octet unit comes first where no mark says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Big-endian, as 23.038 has it.
    #[default]
    Big,
    /// Little-endian, as some peers have it.
    Little,
}

/// How a peer puts GSM 7-bit text into octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Packing {
    /// One septet an octet: what nearly all peers do.
    #[default]
    Unpacked,
    /// Eight septets in seven octets, fill bits behind a header.
    Packed,
    /// The same without fill bits behind a header.
    PackedWithoutFill,
}

/// How a peer reads and writes text, as far as the standard leaves it open or the peer does not care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// What it means by its default alphabet (data_coding 0 and the GSM 7-bit groups).
    pub default_alphabet: Alphabet,
    /// What it means by data_coding 1: ASCII by the standard, GSM 7-bit or Latin-1 at quite a few.
    pub ia5_alphabet: Alphabet,
    /// How it puts GSM 7-bit text into octets.
    pub packing: Packing,
    /// Byte order of UCS-2 without a mark.
    pub byte_order: ByteOrder,
    /// Whether it forgets the UDHI flag, so that octets are looked at for a concatenation header.
    pub forgets_udhi: bool,
    /// Whether it writes UCS-2 under data_coding 0, so that octets are looked at for it.
    pub hides_ucs2: bool,
}

impl Default for Habits {
    /// As the standard has it.
    fn default() -> Self {
        Self {
            default_alphabet: Alphabet::Gsm7,
            ia5_alphabet: Alphabet::Ascii,
            packing: Packing::Unpacked,
            byte_order: ByteOrder::Big,
            forgets_udhi: false,
            hides_ucs2: false,
        }
    }
}

impl From<Alphabet> for Habits {
    fn from(default_alphabet: Alphabet) -> Self {
        Self { default_alphabet, ..Self::default() }
    }
}

/// A body that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text; `None` where the octets are not text (8-bit data, compressed, alphabets without a table here).
    pub text: Option<String>,
    /// The alphabet it was read in.
    pub alphabet: Alphabet,
    /// What data_coding said.
    pub coding: Coding,
    /// The user data header, where there is a whole one.
    pub udh: Option<Udh>,
    /// Which part of a longer message it is, by its header.
    pub concat: Option<Concat>,
    /// The national tables its header names.
    pub shifts: Shifts,
    /// What follows the header, as sent; unpacked where the peer packs.
    pub octets: Bytes,
    /// What was out of order and read all the same.
    pub flaws: Flaws,
    order: ByteOrder,
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded")
            .field("alphabet", &self.alphabet)
            .field("octets", &self.octets.len())
            .field("concat", &self.concat)
            .field("shifts", &self.shifts)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

/// Reads a body: `udhi` is bit 6 of esm_class (SMPP 3.4, 5.2.12), `octets` the short_message or message_payload.
///
/// Never fails. A broken header is kept as text and named in the flaws; octets outside the alphabet become U+FFFD.
pub fn decode(data_coding: u8, udhi: bool, octets: &Bytes, habits: impl Into<Habits>) -> Decoded {
    let habits = habits.into();
    let coding = Coding::of(data_coding);
    let mut flaws = Flaws::default();
    let mut concat = None;
    let mut shifts = Shifts::NONE;

    let detected = !udhi && habits.forgets_udhi && udh::looks_like(octets);
    if detected {
        flaws.add(Flaw::UdhDetected);
    }
    let mut udh = None;
    let mut body = octets.clone();
    if udhi || detected {
        match Udh::split(octets) {
            Ok((header, rest)) => {
                concat = header.concat(&mut flaws);
                shifts = header.shifts(&mut flaws);
                udh = Some(header);
                body = rest;
            }
            Err(error) => flaws.add(error.flaw()),
        }
    }

    let mut alphabet = match coding.alphabet {
        Alphabet::Gsm7 => habits.default_alphabet,
        Alphabet::Ascii => habits.ia5_alphabet,
        other => other,
    };
    if data_coding == 0 && habits.hides_ucs2 && alphabet != Alphabet::Ucs2 && ucs2::looks_like(&body) {
        flaws.add(Flaw::Ucs2Detected);
        alphabet = Alphabet::Ucs2;
    }
    if alphabet == Alphabet::Unknown {
        flaws.add(Flaw::ReservedCoding);
    }
    if alphabet == Alphabet::Gsm7 && habits.packing != Packing::Unpacked {
        let header_octets = udh.as_ref().map_or(0, Udh::octets);
        let fill = match habits.packing {
            Packing::Packed => packed::fill_bits(header_octets),
            Packing::Unpacked | Packing::PackedWithoutFill => 0,
        };
        body = Bytes::from(packed::unpack(&body, fill));
    }

    let text = if coding.compressed {
        None
    } else {
        let (text, found) = characters(&body, alphabet, shifts, habits.byte_order);
        flaws.merge(found);
        text
    };
    Decoded { text, alphabet, coding, udh, concat, shifts, octets: body, flaws, order: habits.byte_order }
}

/// Reads the body of a message: short_message, or message_payload where that is empty. The SAR parameters tell the
/// part where the header does not (SMPP 3.4, 5.3.2.22 to 24).
pub fn read(sm: &Sm, habits: impl Into<Habits>) -> Decoded {
    let mut decoded = decode(sm.data_coding, sm.has_udh(), &sm.content(), habits);
    if decoded.concat.is_none() {
        decoded.concat = sar(&sm.tlvs, &mut decoded.flaws);
    }
    decoded
}

/// Which part of a longer message this is, by its header or its SAR parameters.
pub fn concat_of(sm: &Sm) -> Option<Concat> {
    let mut flaws = Flaws::default();
    let by_header = || Udh::split(&sm.content()).ok()?.0.concat(&mut Flaws::default());
    sm.has_udh().then(by_header).flatten().or_else(|| sar(&sm.tlvs, &mut flaws))
}

/// The SAR parameters of a part.
pub fn sar_tlvs(concat: Concat) -> [Tlv; 3] {
    [
        Tlv::u16(Tag::SAR_MSG_REF_NUM, concat.reference),
        Tlv::u8(Tag::SAR_TOTAL_SEGMENTS, concat.total),
        Tlv::u8(Tag::SAR_SEGMENT_SEQNUM, concat.number),
    ]
}

fn sar(tlvs: &Tlvs, flaws: &mut Flaws) -> Option<Concat> {
    // Read by the width that came: stacks disagree.
    let reference = tlvs.get_uint(Tag::SAR_MSG_REF_NUM)?;
    let total = tlvs.get_uint(Tag::SAR_TOTAL_SEGMENTS)?;
    let number = tlvs.get_uint(Tag::SAR_SEGMENT_SEQNUM)?;
    let concat = u8::try_from(total)
        .ok()
        .zip(u8::try_from(number).ok())
        .and_then(|(total, number)| Concat::new((reference & 0xFFFF) as u16, total, number, Width::Sixteen));
    if concat.is_none() {
        flaws.add(Flaw::ConcatOutOfRange);
    }
    concat
}

/// Reads octets behind any header in one alphabet; `None` where it is none of text.
fn characters(
    octets: &[u8],
    alphabet: Alphabet,
    shifts: Shifts,
    order: ByteOrder,
) -> (Option<String>, Flaws) {
    let mut flaws = Flaws::default();
    let text = match alphabet {
        Alphabet::Gsm7 | Alphabet::Unknown => {
            let (text, found) = gsm7::decode(octets, shifts);
            flaws = found;
            text
        }
        Alphabet::Ucs2 => {
            let (text, found) = ucs2::decode(octets, order);
            flaws = found;
            text
        }
        Alphabet::Utf8 => {
            let text = String::from_utf8_lossy(octets);
            let before = octets.windows(3).filter(|seen| *seen == [0xEF, 0xBF, 0xBD]).count();
            for _ in before..text.matches(char::REPLACEMENT_CHARACTER).count() {
                flaws.add(Flaw::InvalidOctet);
            }
            text.into_owned()
        }
        Alphabet::Ascii | Alphabet::Latin1 | Alphabet::Cyrillic | Alphabet::Hebrew => octets
            .iter()
            .map(|octet| {
                one_octet(alphabet, *octet).unwrap_or_else(|| {
                    flaws.add(Flaw::InvalidOctet);
                    char::REPLACEMENT_CHARACTER
                })
            })
            .collect(),
        Alphabet::Octets
        | Alphabet::Jis
        | Alphabet::Pictogram
        | Alphabet::MusicCodes
        | Alphabet::ExtendedKanji
        | Alphabet::Korean => return (None, flaws),
    };
    (Some(text), flaws)
}

/// A character of the one-octet alphabets; `None` where the octet stands for none.
fn one_octet(alphabet: Alphabet, octet: u8) -> Option<char> {
    let at = u32::from(octet);
    match (alphabet, octet) {
        (_, 0..=0x7F) => Some(char::from(octet)),
        (Alphabet::Ascii, _) => None,
        // ISO 8859-5: Cyrillic in code order from U+0401, but for four signs.
        (Alphabet::Cyrillic, 0xA1..=0xFF) => match octet {
            0xAD => Some('\u{AD}'),
            0xF0 => Some('№'),
            0xFD => Some('§'),
            _ => char::from_u32(at - 0xA0 + 0x400),
        },
        // ISO 8859-8: letters from 0xE0, Latin-1 signs below 0xBF with two exchanged, two direction marks.
        (Alphabet::Hebrew, 0xA1..=0xFF) => match octet {
            0xAA => Some('×'),
            0xBA => Some('÷'),
            0xA2..=0xBE => Some(char::from(octet)),
            0xDF => Some('‗'),
            0xE0..=0xFA => char::from_u32(at - 0xE0 + 0x5D0),
            0xFD => Some('\u{200E}'),
            0xFE => Some('\u{200F}'),
            _ => None,
        },
        _ => Some(char::from(octet)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_as(data_coding: u8, udhi: bool, octets: &[u8], habits: impl Into<Habits>) -> Decoded {
        decode(data_coding, udhi, &Bytes::copy_from_slice(octets), habits)
    }

    fn text(decoded: &Decoded) -> &str {
        decoded.text.as_deref().expect("text")
    }

    #[test]
    fn data_coding_0_is_what_the_peer_says_it_is() {
        assert_eq!(text(&read_as(0, false, b"f\xfcr", Alphabet::Gsm7)), "f\u{FFFD}r");
        assert_eq!(text(&read_as(0, false, b"f\xfcr", Alphabet::Latin1)), "für");
        assert_eq!(text(&read_as(0, false, "für".as_bytes(), Alphabet::Utf8)), "für");
        assert_eq!(text(&read_as(0, false, b"\0f\0\xfc\0r", Alphabet::Ucs2)), "für");
        let hides = Habits { hides_ucs2: true, ..Habits::default() };
        let found = read_as(0, false, b"\x00\xe7\x00o\x00k", hides);
        assert_eq!(text(&found), "çok");
        assert!(found.flaws.has(Flaw::Ucs2Detected));
        assert_eq!(text(&read_as(0, false, b"plain", hides)), "plain");
        let gsm = Habits { ia5_alphabet: Alphabet::Gsm7, ..Habits::default() };
        assert_eq!(text(&read_as(1, false, b"\x00", gsm)), "@");
        let latin = Habits { ia5_alphabet: Alphabet::Latin1, ..Habits::default() };
        assert_eq!(text(&read_as(1, false, b"f\xfcr", latin)), "für");
    }

    #[test]
    fn invalid_octets_are_counted() {
        assert_eq!(read_as(0, false, b"\xfc\xfcr", Alphabet::Gsm7).flaws.invalid_octets(), 2);
        assert_eq!(read_as(0, false, b"\xfcr", Alphabet::Utf8).flaws.invalid_octets(), 1);
        assert_eq!(read_as(1, false, b"\xfcr\xff", Alphabet::Gsm7).flaws.invalid_octets(), 2);
    }

    #[test]
    fn a_broken_header_is_kept_as_text_and_named() {
        let body = read_as(0, true, b" \x00\x03*\x02\x01abc", Alphabet::Gsm7);
        assert!(body.flaws.has(Flaw::UdhOverrun) && body.udh.is_none());
        assert_eq!(body.octets.len(), 9);
        let body = read_as(0, true, b"", Alphabet::Gsm7);
        assert!(body.flaws.has(Flaw::UdhMissing));
        assert_eq!(text(&body), "");
        assert_eq!(text(&read_as(0, true, b"\x00hi", Alphabet::Gsm7)), "hi");
    }

    #[test]
    fn a_header_without_its_flag_is_found_only_where_the_peer_forgets_it() {
        let octets = b"\x05\x00\x03\x2a\x02\x01abc";
        assert!(read_as(0, false, octets, Alphabet::Gsm7).udh.is_none());
        let body = read_as(0, false, octets, Habits { forgets_udhi: true, ..Habits::default() });
        assert_eq!(text(&body), "abc");
        assert_eq!(body.concat.unwrap().reference, 42);
    }

    #[test]
    fn packed_text_is_read_with_and_without_fill_bits() {
        let header = b"\x05\x00\x03\x2a\x02\x01";
        for (packing, fill) in [(Packing::Packed, 1), (Packing::PackedWithoutFill, 0)] {
            let octets = [&header[..], &packed::pack(b"hello there", fill)].concat();
            let habits = Habits { packing, ..Habits::default() };
            assert_eq!(text(&read_as(0, true, &octets, habits)), "hello there");
        }
        let packed = Habits { packing: Packing::Packed, ..Habits::default() };
        assert_eq!(text(&read_as(0, false, b"1\xd9\x8cV\xb3\xdd\x1a", packed)), "1234567");
        assert_eq!(text(&read_as(8, false, b"\0a", packed)), "a", "only GSM 7-bit text is packed");
    }

    #[test]
    fn data_that_is_not_text_stays_octets() {
        for data_coding in [0x02, 0x04, 0xF5, 0x15, 0x05, 0x0D, 0x20] {
            assert_eq!(
                read_as(data_coding, false, b"\xde\xad", Alphabet::Gsm7).text,
                None,
                "{data_coding:#x}"
            );
        }
        let reserved = read_as(0x0B, false, b"ab", Alphabet::Gsm7);
        assert_eq!(reserved.alphabet, Alphabet::Unknown);
        assert!(reserved.flaws.has(Flaw::ReservedCoding));
    }

    #[test]
    fn cyrillic_and_hebrew_read_by_their_iso_parts() {
        assert_eq!(
            text(&read_as(6, false, b"\xbf\xe0\xd8\xd2\xd5\xe2 \xf0\xa1\xfd", Alphabet::Gsm7)),
            "Привет №Ё§"
        );
        assert_eq!(text(&read_as(7, false, b"\xf9\xec\xe5\xed \xaa", Alphabet::Gsm7)), "שלום ×");
        assert!(read_as(7, false, b"\xbf", Alphabet::Gsm7).flaws.has(Flaw::InvalidOctet));
    }

    #[test]
    fn sar_parameters_tell_the_part_where_no_header_does() {
        let concat = Concat::new(0xBEEF, 3, 2, Width::Sixteen).unwrap();
        let sar =
            Sm { tlvs: sar_tlvs(concat).into_iter().collect(), short_message: "x".into(), ..Sm::default() };
        assert_eq!(read(&sar, Alphabet::Gsm7).concat, Some(concat));
        assert_eq!(concat_of(&sar), Some(concat));
        let both = Sm {
            esm_class: 0x40,
            short_message: Bytes::from_static(b"\x05\x00\x03\x2a\x02\x01abc"),
            ..sar.clone()
        };
        assert_eq!(concat_of(&both).unwrap().reference, 42);
        let beyond = Concat { reference: 1, total: 2, number: 3, width: Width::Sixteen };
        let beyond = Sm { tlvs: sar_tlvs(beyond).into_iter().collect(), ..Sm::default() };
        assert_eq!(concat_of(&beyond), None);
        assert!(read(&beyond, Alphabet::Gsm7).flaws.has(Flaw::ConcatOutOfRange));
        let payload = Sm {
            esm_class: 0x40,
            tlvs: [Tlv::new(Tag::MESSAGE_PAYLOAD, &b"\x05\x00\x03\x2a\x02\x01abc"[..])].into_iter().collect(),
            ..Sm::default()
        };
        assert_eq!(read(&payload, Alphabet::Gsm7).text.as_deref(), Some("abc"));
        assert_eq!(concat_of(&payload).unwrap().number, 1);
    }

    #[test]
    fn debug_output_holds_no_text() {
        let shown = format!("{:?}", read_as(0, false, b"secret", Alphabet::Gsm7));
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_a_panic(
            data_coding: u8, udhi: bool, octets: Vec<u8>, packing in 0..3, little: bool, forgets_udhi: bool,
            hides_ucs2: bool,
        ) {
            let habits = Habits {
                packing: [Packing::Unpacked, Packing::Packed, Packing::PackedWithoutFill][packing as usize],
                byte_order: if little { ByteOrder::Little } else { ByteOrder::Big },
                forgets_udhi,
                hides_ucs2,
                ..Habits::default()
            };
            let _ = read_as(data_coding, udhi, &octets, habits);
        }
    }
}
