//! A text cut into parts: the cheapest alphabet that carries it, never a cut inside an escape, a surrogate pair or (where
//! it fits a part at all) a grapheme.

use std::ops::Range;

use bytes::Bytes;

use super::form::{Cut, Form, forms};
use super::shift::{Language, Shifts};
use super::udh::{Concat, Width};
use super::{Alphabet, Habits};

/// The number that all parts of one message share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// 8 bits: every handset reads it, 153 septets or 67 UCS-2 units a part.
    Eight(u8),
    /// 16 bits: fewer mix-ups, 152 septets or 66 UCS-2 units a part.
    Sixteen(u16),
}

impl Reference {
    pub(super) fn width(self) -> Width {
        match self {
            Self::Eight(_) => Width::Eight,
            Self::Sixteen(_) => Width::Sixteen,
        }
    }

    pub(super) fn value(self) -> u16 {
        match self {
            Self::Eight(value) => u16::from(value),
            Self::Sixteen(value) => value,
        }
    }
}

/// How the parts of a message are tied together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// By a user data header in each part: understood everywhere.
    #[default]
    Udh,
    /// By sar_msg_ref_num, sar_total_segments and sar_segment_seqnum (SMPP 3.4, 5.3.2.22 to 24); the carrier makes the header,
    /// for which room is left.
    Sar,
    /// Not cut at all: one message_payload, the carrier cuts.
    Payload,
}

/// What may be used to carry a text.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// How the peer reads text. Where its default alphabet is another than GSM 7-bit, text is counted in septets (that is
    /// what the carrier pays for) and written in the peer's alphabet.
    pub habits: Habits,
    /// The number of the message.
    pub reference: Reference,
    /// How parts are tied together.
    pub method: Method,
    /// The alphabets to choose from; of those with equally many parts the first.
    pub alphabets: &'a [Alphabet],
    /// The national languages whose tables handsets there can read; used only where they save parts.
    pub languages: &'a [Language],
    /// Message class, 0 to show at once.
    pub class: Option<u8>,
    /// More parts than this are refused.
    pub max_parts: u8,
}

impl Default for Offer<'_> {
    fn default() -> Self {
        Self {
            habits: Habits::default(),
            reference: Reference::Eight(0),
            method: Method::Udh,
            alphabets: &[Alphabet::Gsm7, Alphabet::Ucs2],
            languages: &[],
            class: None,
            max_parts: u8::MAX,
        }
    }
}

/// One part as it goes out.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// short_message (or message_payload): the header, where there is one, and the text.
    pub octets: Bytes,
    /// Which part it is; in the header already, or for the SAR parameters. `None` for a single message.
    pub concat: Option<Concat>,
    /// The bytes of the text it carries.
    pub text: Range<usize>,
    /// Septets, octets or two-octet units of text.
    pub units: usize,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("octets", &self.octets.len())
            .field("concat", &self.concat)
            .field("text", &self.text)
            .field("units", &self.units)
            .finish()
    }
}

/// A text ready to go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The alphabet it is counted in.
    pub alphabet: Alphabet,
    /// Its national tables.
    pub shifts: Shifts,
    /// data_coding of every part.
    pub data_coding: u8,
    /// Whether esm_class needs the UDHI flag (0x40).
    pub udhi: bool,
    /// How the parts are tied together.
    pub method: Method,
    /// The parts in order, at least one.
    pub parts: Vec<Part>,
    /// Units of text a part holds at most.
    pub limit: usize,
}

/// The parts of a text, as a sender needs them.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// data_coding of every part.
    pub data_coding: u8,
    /// Whether esm_class needs the UDHI flag (0x40).
    pub udhi: bool,
    /// short_message of each part, the header in front; at least one.
    pub parts: Vec<Bytes>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("data_coding", &self.data_coding)
            .field("udhi", &self.udhi)
            .field("octets", &self.parts.iter().map(Bytes::len).collect::<Vec<_>>())
            .finish()
    }
}

/// Why a text can't go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It takes more parts than are allowed (255 at the very most).
    #[error("the text takes {parts} parts, at most {max} are allowed")]
    TooLong {
        /// How many it would take, about.
        parts: usize,
        /// How many there may be.
        max: u8,
    },
    /// None of the alphabets offered carries it.
    #[error("no alphabet offered carries {character:?}")]
    NoAlphabet {
        /// The first character that the first alphabet does not hold.
        character: char,
    },
}

impl Unsendable {
    /// Of two reasons the one that says more: fewest parts, before a character that one alphabet does not hold.
    fn nearer(self, other: Self) -> Self {
        match (self, other) {
            (Self::TooLong { parts, .. }, Self::TooLong { parts: fewer, .. }) if fewer < parts => other,
            (Self::NoAlphabet { .. }, Self::TooLong { .. }) => other,
            _ => self,
        }
    }
}

/// The parts of `text` in GSM 7-bit or, where it needs that, UCS-2, each with its header.
///
/// # Errors
/// [`Unsendable::TooLong`] above 255 parts.
pub fn split(text: &str, reference: Reference) -> Result<Parts, Unsendable> {
    let plan = plan(text, &Offer { reference, ..Offer::default() })?;
    Ok(Parts {
        data_coding: plan.data_coding,
        udhi: plan.udhi,
        parts: plan.parts.into_iter().map(|part| part.octets).collect(),
    })
}

/// The cheapest way to carry `text` that the offer has: fewest parts, then the order of the offer, national tables
/// last.
///
/// # Errors
/// [`Unsendable`] where no way is left.
pub fn plan(text: &str, offer: &Offer<'_>) -> Result<Plan, Unsendable> {
    let mut best: Option<(Form, Cut)> = None;
    let mut refused: Option<Unsendable> = None;
    for form in forms(offer) {
        if best.as_ref().is_some_and(|(_, cut)| cut.pieces.len() == 1) {
            break;
        }
        // Only fewer parts than the best so far are worth looking for.
        let fewer = best.as_ref().and_then(|(_, cut)| u8::try_from(cut.pieces.len() - 1).ok());
        let max_parts = fewer.map_or(offer.max_parts, |fewer| fewer.min(offer.max_parts));
        match form.cut(text, &Offer { max_parts, ..*offer }) {
            Ok(cut) => best = Some((form, cut)),
            Err(why) => refused = Some(refused.map_or(why, |known| known.nearer(why))),
        }
    }
    match best {
        Some((form, cut)) => Ok(form.write(text, cut, offer)),
        None => {
            Err(refused.unwrap_or(Unsendable::NoAlphabet { character: text.chars().next().unwrap_or(' ') }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ByteOrder, Flaws, PART_OCTETS, Packing, decode};
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Parts {
        split(text, Reference::Eight(7)).expect("sendable")
    }

    fn joined(plan: &Plan, habits: Habits) -> String {
        plan.parts
            .iter()
            .map(|part| decode(plan.data_coding, plan.udhi, &part.octets, habits).text.expect("text"))
            .collect()
    }

    #[test]
    fn a_single_part_has_no_header() {
        for (text, data_coding, octets) in [("", 0, 0), ("a", 0, 1), ("€", 0, 2), ("ы", 8, 2), ("🙂", 8, 4)]
        {
            let parts = parts(text);
            assert_eq!((parts.data_coding, parts.udhi, parts.parts.len()), (data_coding, false, 1));
            assert_eq!(parts.parts[0].len(), octets);
        }
        assert_eq!(parts(&"a".repeat(160)).parts.len(), 1);
        assert_eq!(parts(&"a".repeat(161)).parts.len(), 2);
        assert_eq!(parts(&"ы".repeat(70)).parts.len(), 1);
        assert_eq!(parts(&"ы".repeat(71)).parts.len(), 2);
    }

    #[test]
    fn an_escape_is_never_cut_from_its_character() {
        let text = format!("{}€{}", "a".repeat(152), "b".repeat(50));
        let parts = parts(&text);
        assert_eq!(parts.parts.len(), 2);
        assert_eq!(parts.parts[0].len(), 6 + 152);
        assert_eq!(&parts.parts[1][..8], b"\x05\x00\x03\x07\x02\x02\x1b\x65");
    }

    #[test]
    fn a_surrogate_pair_and_a_family_stay_whole() {
        let text = format!("{}🙂{}", "ы".repeat(66), "ж".repeat(10));
        let plan = plan(&text, &Offer::default()).unwrap();
        assert_eq!(plan.parts[0].units, 66);
        let family = "👨‍👩‍👧‍👦";
        let text = format!("{}{family}{}", "ы".repeat(60), "ж".repeat(10));
        let plan = super::plan(&text, &Offer::default()).unwrap();
        assert_eq!(plan.parts[0].units, 60);
        assert!(text[plan.parts[1].text.clone()].starts_with(family));
    }

    #[test]
    fn a_grapheme_longer_than_a_part_is_cut_between_characters() {
        let text = format!("z{}", "\u{301}".repeat(300));
        let plan = plan(&text, &Offer::default()).unwrap();
        assert_eq!(plan.parts.len(), 5);
        assert_eq!(joined(&plan, Habits::default()), text);
        let text = format!("abcde z{}", "\u{301}".repeat(66));
        let plan = super::plan(&text, &Offer::default()).unwrap();
        assert_eq!(
            plan.parts.iter().map(|part| part.units).collect::<Vec<_>>(),
            [6, 67],
            "one that just fits"
        );
    }

    #[test]
    fn more_than_255_parts_are_refused() {
        assert!(split(&"a".repeat(153 * 255), Reference::Eight(0)).is_ok());
        assert_eq!(
            split(&"a".repeat(153 * 255 + 1), Reference::Eight(0)),
            Err(Unsendable::TooLong { parts: 256, max: 255 })
        );
        let two = Offer { max_parts: 2, ..Offer::default() };
        assert!(matches!(plan(&"a".repeat(307), &two), Err(Unsendable::TooLong { parts: 3, max: 2 })));
    }

    #[test]
    fn national_tables_are_used_only_where_they_save_parts() {
        let offer = Offer { languages: &[Language::Turkish], ..Offer::default() };
        let short = plan("Işık ağı", &offer).unwrap();
        assert_eq!((short.alphabet, short.parts.len()), (Alphabet::Ucs2, 1));
        let long = plan(&"Işık ağı ".repeat(12), &offer).unwrap();
        assert_eq!((long.alphabet, long.parts.len(), long.udhi), (Alphabet::Gsm7, 1, true));
        assert_eq!(long.shifts.locking, Some(Language::Turkish));
        assert_eq!(joined(&long, Habits::default()), "Işık ağı ".repeat(12));
        let hindi = Offer { languages: &Language::ALL, ..Offer::default() };
        let text = "नमस्ते, आपकी बस 7 बजे है। ".repeat(5);
        let plan = plan(&text, &hindi).unwrap();
        assert_eq!(plan.shifts, Shifts { locking: Some(Language::Hindi), single: Some(Language::Hindi) });
        assert_eq!(plan.parts.len(), 1);
        assert_eq!(super::plan(&text, &Offer::default()).unwrap().parts.len(), 2);
        assert_eq!(joined(&plan, Habits::default()), text);
    }

    #[test]
    fn spanish_has_no_locking_table() {
        let offer = Offer { languages: &[Language::Spanish], ..Offer::default() };
        let plan = plan(&"camión rápido ".repeat(8), &offer).unwrap();
        assert_eq!(plan.shifts, Shifts { locking: None, single: Some(Language::Spanish) });
    }

    #[test]
    fn a_peer_with_another_default_alphabet_gets_it() {
        let offer = Offer { habits: Alphabet::Latin1.into(), ..Offer::default() };
        let umlauts = plan("für @ [1]", &offer).unwrap();
        assert_eq!((umlauts.data_coding, &umlauts.parts[0].octets[..]), (0, &b"f\xfcr @ [1]"[..]));
        assert_eq!(umlauts.parts[0].units, 11, "counted in septets");
        assert_eq!(plan("5 €", &offer).unwrap().data_coding, 8, "Latin-1 has no euro");
        let utf8 = Offer { habits: Alphabet::Utf8.into(), ..Offer::default() };
        assert_eq!(&plan("5 €", &utf8).unwrap().parts[0].octets[..], "5 €".as_bytes());
    }

    #[test]
    fn sar_leaves_room_for_the_carriers_header_and_writes_none() {
        let offer = Offer { method: Method::Sar, reference: Reference::Sixteen(9), ..Offer::default() };
        let plan = plan(&"a".repeat(200), &offer).unwrap();
        assert!(!plan.udhi);
        assert_eq!(plan.parts[0].octets.len(), 152);
        assert_eq!(plan.parts[1].concat, Concat::new(9, 2, 2, Width::Sixteen));
    }

    #[test]
    fn message_payload_takes_the_text_whole() {
        let offer = Offer { method: Method::Payload, ..Offer::default() };
        let whole = plan(&"a".repeat(60_000), &offer).unwrap();
        assert_eq!((whole.parts.len(), whole.udhi, whole.parts[0].concat), (1, false, None));
        assert!(matches!(plan(&"a".repeat(70_000), &offer), Err(Unsendable::TooLong { .. })));
    }

    #[test]
    fn a_packed_part_is_never_longer_than_the_air_allows() {
        let packed = Habits { packing: Packing::Packed, ..Habits::default() };
        let offer = Offer { habits: packed, ..Offer::default() };
        let text = format!("{}\r", "a".repeat(159));
        let plan = plan(&text, &offer).unwrap();
        assert_eq!((plan.parts.len(), plan.parts[0].octets.len()), (1, 140));
        assert_eq!(joined(&plan, packed), text.trim_end());
    }

    #[test]
    fn a_message_class_is_said_in_data_coding() {
        let flash = Offer { class: Some(0), ..Offer::default() };
        assert_eq!(plan("now", &flash).unwrap().data_coding, 0x10);
        assert_eq!(plan("сейчас", &flash).unwrap().data_coding, 0x18);
    }

    #[test]
    fn without_an_alphabet_for_it_a_text_is_refused() {
        let gsm = Offer { alphabets: &[Alphabet::Gsm7], ..Offer::default() };
        assert_eq!(plan("aы", &gsm), Err(Unsendable::NoAlphabet { character: 'ы' }));
        let none = Offer { alphabets: &[], ..Offer::default() };
        assert!(plan("a", &none).is_err() && plan("", &none).is_err());
    }

    fn any_offer() -> impl Strategy<Value = Offer<'static>> {
        let order = prop::sample::select(vec![ByteOrder::Big, ByteOrder::Little]);
        let packing =
            prop::sample::select(vec![Packing::Unpacked, Packing::Packed, Packing::PackedWithoutFill]);
        let default =
            prop::sample::select(vec![Alphabet::Gsm7, Alphabet::Latin1, Alphabet::Ascii, Alphabet::Utf8]);
        let languages: Vec<&'static [Language]> =
            vec![&[], &[Language::Turkish, Language::Spanish], &Language::ALL];
        (order, packing, default, any::<u16>(), any::<bool>(), prop::sample::select(languages), any::<bool>())
            .prop_map(|(byte_order, packing, default_alphabet, number, wide, languages, latin)| Offer {
                habits: Habits { default_alphabet, packing, byte_order, ..Habits::default() },
                reference: if wide { Reference::Sixteen(number) } else { Reference::Eight(number as u8) },
                alphabets: if latin {
                    &[Alphabet::Gsm7, Alphabet::Latin1, Alphabet::Ucs2]
                } else {
                    &[Alphabet::Gsm7, Alphabet::Ucs2]
                },
                languages,
                ..Offer::default()
            })
    }

    proptest! {
        #[test]
        fn joining_the_parts_gives_the_text(text in "\\PC{0,600}|[ -~]{0,700}|[ -~€şığİĞअ-ह🙂]{0,500}", offer in any_offer()) {
            // A leading mark decides the byte order and is not text; that is what marks are.
            prop_assume!(!text.contains(['\u{FEFF}', '\u{FFFE}']));
            // A return on the octet boundary of packed text is doubled by the standard.
            prop_assume!(offer.habits.packing == Packing::Unpacked || !text.contains('\r'));
            let plan = plan(&text, &offer).unwrap();
            prop_assert_eq!(joined(&plan, offer.habits), &text[..]);
            let total = plan.parts.len();
            let mut end = 0;
            for (index, part) in plan.parts.iter().enumerate() {
                prop_assert_eq!(part.text.start, end);
                end = part.text.end;
                prop_assert!(part.units <= plan.limit);
                let read = decode(plan.data_coding, plan.udhi, &part.octets, offer.habits);
                prop_assert!(read.flaws == Flaws::default());
                prop_assert_eq!(read.concat, part.concat);
                if let Some(concat) = part.concat {
                    prop_assert_eq!((usize::from(concat.total), usize::from(concat.number)), (total, index + 1));
                }
                if plan.alphabet == Alphabet::Ucs2 || offer.habits.packing != Packing::Unpacked && offer.habits.default_alphabet == Alphabet::Gsm7 && plan.alphabet == Alphabet::Gsm7 {
                    prop_assert!(part.octets.len() <= PART_OCTETS);
                }
            }
            prop_assert_eq!(end, text.len());
        }

        #[test]
        fn the_simple_face_agrees(text in "\\PC{0,300}", number: u8) {
            let parts = split(&text, Reference::Eight(number)).unwrap();
            let plan = plan(&text, &Offer { reference: Reference::Eight(number), ..Offer::default() }).unwrap();
            prop_assert_eq!(parts.parts, plan.parts.into_iter().map(|part| part.octets).collect::<Vec<_>>());
        }
    }
}
