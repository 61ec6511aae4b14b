//! What a carrier delivers to an ESME: receipts, and what handsets write.

use bytes::Bytes;
use protocol::address::Address;
use protocol::octets::COctets;
use protocol::pdu::Sm;
use protocol::pdu::message::UDHI;
use protocol::receipt::{self, MessageState, Writing};
use protocol::text::{self, Reference, Shifts, gsm7, ucs2, udh};

use crate::simulator::accounts::AccountId;
use crate::simulator::ids;
use crate::simulator::plan::Shape;
use crate::simulator::settings::Ids;
use crate::simulator::stops::Pair;

/// esm_class of an SMSC delivery receipt (SMPP 3.4 section 5.2.12).
const RECEIPT: u8 = 0x04;
/// data_coding of the GSM 7-bit default alphabet.
const GSM7: u8 = 0;
/// data_coding of UCS-2.
const UCS2: u8 = 8;
/// Octets of the message that a receipt quotes.
const QUOTED_OCTETS: usize = 20;

/// One deliver_sm, from when it is planned until it is acknowledged.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Whose bind it goes to.
    pub(super) account: AccountId,
    /// How often it has been sent.
    pub(super) tries: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Receipt(Box<Receipt>),
    Part(Box<Part>),
}

/// Whether a receipt is the one, or a second one to the same effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    First,
    Second,
}

/// A receipt.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) serial: u64,
    pub(super) copy: Copy,
    pub(super) handset: Address,
    pub(super) sender: Address,
    pub(super) state: MessageState,
    pub(super) err: COctets,
    pub(super) taken_ms: i64,
    pub(super) done_ms: i64,
    pub(super) quote: Quote,
}

/// The first octets of a message, for its receipt; none of what is not in the default alphabet.
#[derive(Clone, Default)]
pub(super) struct Quote {
    octets: [u8; QUOTED_OCTETS],
    len: usize,
}

impl Quote {
    pub(super) fn of(sm: &Sm) -> Self {
        let mut quote = Self::default();
        if sm.data_coding == GSM7 && !sm.has_udh() {
            let content = sm.content();
            quote.len = content.len().min(QUOTED_OCTETS);
            quote.octets[..quote.len].copy_from_slice(&content[..quote.len]);
        }
        quote
    }
}

impl std::fmt::Debug for Quote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.len)
    }
}

/// What a handset said, by handset, code and turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct UtteranceKey {
    pub(super) pair: Pair,
    pub(super) turn: u32,
}

/// One part of what a handset said.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) utterance: UtteranceKey,
    /// Which part, 0 = the first.
    pub(super) index: u8,
    pub(super) sm: Sm,
}

impl Delivery {
    /// Its fields.
    pub(super) fn sm(&self, ids: Ids) -> Sm {
        match &self.what {
            What::Receipt(receipt) => receipt.sm(ids),
            What::Part(part) => part.sm.clone(),
        }
    }
}

impl Receipt {
    fn sm(&self, ids: Ids) -> Sm {
        let id = ids::in_receipt(ids, self.serial);
        let writing = Writing {
            id: &id,
            dlvrd: u16::from(self.state == MessageState::Delivered),
            submitted_s: self.taken_ms.div_euclid(1_000),
            done_s: self.done_ms.div_euclid(1_000),
            state: self.state,
            err: &self.err,
            text: &self.quote.octets[..self.quote.len],
            ..Writing::default()
        };
        Sm {
            source: self.handset.clone(),
            dest: self.sender.clone(),
            esm_class: RECEIPT,
            short_message: receipt::format(&writing),
            tlvs: receipt::tlvs(&id, self.state, None),
            ..Sm::default()
        }
    }
}

/// The parts of a text in the order they are sent, with their places in the text; GSM 7-bit where that carries it, else
/// UCS-2. Empty where it is too long for a handset.
pub(super) fn parts_of(
    words: &str,
    shape: Shape,
    reference: u8,
    handset: &Address,
    code: &Address,
) -> Vec<(u8, Sm)> {
    let (data_coding, udhi, octets) = match text::split(words, Reference::Eight(reference)) {
        Err(_) => return Vec::new(),
        Ok(split) if shape == Shape::Plain || split.parts.len() > 1 => {
            (split.data_coding, split.udhi, split.parts)
        }
        Ok(_) => in_two(words, reference),
    };
    let sm = |octets| Sm {
        source: handset.clone(),
        dest: code.clone(),
        esm_class: if udhi { UDHI } else { 0 },
        data_coding,
        short_message: octets,
        ..Sm::default()
    };
    let mut parts: Vec<_> = (0..).zip(octets.into_iter().map(sm)).collect();
    if shape == Shape::TwoPartsSwapped {
        parts.reverse();
    }
    parts
}

/// A short text cut in the middle.
fn in_two(words: &str, reference: u8) -> (u8, bool, Vec<Bytes>) {
    let middle = words.chars().count().div_ceil(2);
    let cut = words.char_indices().nth(middle).map_or(words.len(), |(place, _)| place);
    let data_coding = if gsm7::encode(words, Shifts::NONE).is_ok() { GSM7 } else { UCS2 };
    let part = |number: u8, piece: &str| {
        let concat = udh::Concat::new(u16::from(reference), 2, number, udh::Width::Eight);
        let mut octets = udh::header(concat, Shifts::NONE);
        octets.extend(match data_coding {
            GSM7 => gsm7::encode(piece, Shifts::NONE).unwrap_or_default(),
            _ => ucs2::encode(piece),
        });
        Bytes::from(octets)
    };
    (data_coding, true, vec![part(1, &words[..cut]), part(2, &words[cut..])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::text::{Alphabet, Decoded};

    fn written(words: &str, shape: Shape) -> Vec<(u8, Sm)> {
        parts_of(words, shape, 9, &Address::international("447700900123"), &Address::new(3, 0, "88001"))
    }

    fn read(mut parts: Vec<(u8, Sm)>) -> Decoded {
        parts.sort_by_key(|(index, _)| *index);
        text::assemble(parts.iter().map(|(_, sm)| text::read(sm, Alphabet::Gsm7)).collect())
    }

    #[test]
    fn a_reply_goes_in_gsm_7_bit_where_that_carries_it_and_else_in_ucs_2() {
        for (words, data_coding) in [("3 - too expensive {€}", 0), ("غالي جدا", 8), ("8️⃣", 8), ("", 0)]
        {
            for shape in [Shape::Plain, Shape::TwoParts, Shape::TwoPartsSwapped] {
                let parts = written(words, shape);
                assert!(parts.iter().all(|(_, sm)| sm.data_coding == data_coding));
                assert_eq!(read(parts).text.as_deref(), Some(words));
            }
        }
    }

    #[test]
    fn two_parts_come_with_their_header_and_swapped_ones_the_last_first() {
        assert_eq!(written("no more", Shape::Plain).len(), 1);
        let parts = written("no more", Shape::TwoParts);
        assert_eq!(parts.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1]);
        assert!(parts.iter().all(|(_, sm)| sm.has_udh()));
        assert_eq!(&parts[0].1.short_message[..], b"\x05\x00\x03\x09\x02\x01no m");
        let swapped = written("no more", Shape::TwoPartsSwapped);
        assert_eq!(swapped.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 0]);
        let long = written(&"word ".repeat(80), Shape::TwoParts);
        assert_eq!(long.len(), 3);
    }

    #[test]
    fn a_receipt_says_what_became_of_the_message_in_text_and_parameters() {
        let message = Sm { short_message: Bytes::from_static(b"Why did you leave us?"), ..Sm::default() };
        let receipt = Receipt {
            serial: 255,
            copy: Copy::First,
            handset: Address::international("447700900123"),
            sender: Address::new(3, 0, "88001"),
            state: MessageState::Undeliverable,
            err: "027".into(),
            taken_ms: 1_772_627_340_000,
            done_ms: 1_772_627_400_000,
            quote: Quote::of(&message),
        };
        let sm = receipt.sm(Ids::DecimalThenHex);
        let read = receipt::parse(&sm).unwrap();
        assert_eq!(read.state, MessageState::Undeliverable);
        assert_eq!(read.id.unwrap(), "ff");
        assert_eq!(read.err.unwrap(), "027");
        assert_eq!(read.text.as_deref(), Some("Why did you leave us"));
        assert!(!format!("{receipt:?}").contains("Why"));
    }
}
