//! One way to write a text: the alphabet it is counted in, where it is cut, the octets of its parts.

use std::ops::Range;

use bytes::Bytes;
use unicode_segmentation::GraphemeCursor;

use super::gsm7::{self, Code};
use super::shift::Shifts;
use super::split::{Method, Offer, Part, Plan, Unsendable};
use super::udh::{self, Concat, Width};
use super::{Alphabet, ByteOrder, PART_OCTETS, Packing, data_coding, packed};

/// Octets a message_payload can hold at most: its length field has 16 bits (SMPP 3.4, 5.3.2.32).
const PAYLOAD_OCTETS: usize = 0xFFFF;

/// One way to write a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub alphabet: Alphabet,
    pub shifts: Shifts,
    /// The alphabet of the octets, where the peer's default alphabet is not GSM 7-bit.
    wire: Alphabet,
    data_coding: u8,
}

/// Where a text is cut.
#[derive(Debug)]
pub(super) struct Cut {
    pub pieces: Vec<(Range<usize>, usize)>,
    pub limit: usize,
}

/// All ways that the offer has, plain ones in its order, then the national tables.
pub(super) fn forms(offer: &Offer<'_>) -> impl Iterator<Item = Form> {
    let default = offer.habits.default_alphabet;
    let class = offer.class;
    let plain = offer.alphabets.iter().filter_map(move |alphabet| {
        let wire = if *alphabet == Alphabet::Gsm7 { default } else { *alphabet };
        let writable = match wire {
            Alphabet::Gsm7 | Alphabet::Ascii | Alphabet::Latin1 | Alphabet::Utf8 => true,
            Alphabet::Ucs2 => *alphabet == Alphabet::Ucs2,
            _ => false,
        };
        let data_coding = data_coding(*alphabet, class).filter(|_| writable)?;
        Some(Form { alphabet: *alphabet, shifts: Shifts::NONE, wire, data_coding })
    });
    let national = offer.languages.iter().flat_map(|language| {
        let (locking, single) = (Some(*language).filter(|it| it.has_locking_table()), Some(*language));
        [
            Shifts { locking: None, single },
            Shifts { locking, single: None },
            Shifts { locking, single: locking.and(single) },
        ]
    });
    let national = national.filter_map(move |shifts| {
        let usable = shifts != Shifts::NONE && default == Alphabet::Gsm7;
        let data_coding = data_coding(Alphabet::Gsm7, class).filter(|_| usable)?;
        Some(Form { alphabet: Alphabet::Gsm7, shifts, wire: Alphabet::Gsm7, data_coding })
    });
    plain.chain(national)
}

impl Form {
    /// Units a character takes; `None` where this form does not hold it.
    pub(super) fn units(self, c: char) -> Option<usize> {
        match self.alphabet {
            Alphabet::Gsm7 => {
                let held = match self.wire {
                    Alphabet::Ascii => c.is_ascii(),
                    Alphabet::Latin1 => u32::from(c) < 0x100,
                    _ => true,
                };
                gsm7::code(c, self.shifts).filter(|_| held).map(Code::septets)
            }
            Alphabet::Ucs2 => Some(c.len_utf16()),
            Alphabet::Ascii => c.is_ascii().then_some(1),
            Alphabet::Latin1 => (u32::from(c) < 0x100).then_some(1),
            _ => None,
        }
    }

    /// Units that a text takes; the first character that this form does not hold.
    fn measure(self, text: &str) -> Result<usize, char> {
        if self.alphabet == Alphabet::Gsm7 && self.wire == Alphabet::Gsm7 {
            return gsm7::measure(text, self.shifts);
        }
        text.chars().try_fold(0, |sum, c| self.units(c).map(|units| sum + units).ok_or(c))
    }

    /// Units of text that fit behind a header.
    fn limit(self, header_octets: usize) -> usize {
        let octets = PART_OCTETS - header_octets;
        match self.alphabet {
            Alphabet::Gsm7 => octets * 8 / 7,
            Alphabet::Ucs2 => octets / 2,
            _ => octets,
        }
    }

    /// Where the text is cut in this form.
    pub(super) fn cut(self, text: &str, offer: &Offer<'_>) -> Result<Cut, Unsendable> {
        let units = self.measure(text).map_err(|character| Unsendable::NoAlphabet { character })?;
        let shift_octets = self.shifts.elements() * 3;
        let alone = match (offer.method, self.shifts.elements()) {
            (Method::Payload, _) => self.payload_limit(),
            (_, 0) => self.limit(0),
            _ => self.limit(1 + shift_octets),
        };
        if units <= alone {
            return Ok(Cut { pieces: vec![(0..text.len(), units)], limit: alone });
        }
        let concat_octets = match offer.reference.width() {
            Width::Eight => 5,
            Width::Sixteen => 6,
        };
        let limit = self.limit(1 + concat_octets + shift_octets);
        let max = if offer.method == Method::Payload { 1 } else { offer.max_parts };
        // Cuts at grapheme borders waste a little, so this bound is safe and spares cutting what is far too long.
        if units.div_ceil(limit) > usize::from(max) {
            return Err(Unsendable::TooLong { parts: units.div_ceil(limit), max });
        }
        let pieces = self.pieces(text, limit);
        match u8::try_from(pieces.len()) {
            Ok(parts) if parts <= max => Ok(Cut { pieces, limit }),
            _ => Err(Unsendable::TooLong { parts: pieces.len(), max }),
        }
    }

    /// Units that a message_payload holds: as many octets as units, or twice as many.
    fn payload_limit(self) -> usize {
        let octets = PAYLOAD_OCTETS - 1 - self.shifts.elements() * 3;
        match self.wire {
            Alphabet::Ucs2 => octets / 2,
            // A character of one septet can take three octets.
            Alphabet::Utf8 => octets / 3,
            _ => octets,
        }
    }

    fn pieces(self, text: &str, limit: usize) -> Vec<(Range<usize>, usize)> {
        let width = |piece: &str| piece.chars().map(|c| self.units(c).unwrap_or(0)).sum::<usize>();
        let mut pieces = Vec::new();
        let (mut start, mut used) = (0, 0);
        for (at, c) in text.char_indices() {
            let units = self.units(c).unwrap_or(0);
            while used + units > limit {
                let end = start + last_border(text.get(start..).unwrap_or_default(), at - start);
                let carried = width(text.get(end..at).unwrap_or_default());
                pieces.push((start..end, used - carried));
                (start, used) = (end, carried);
            }
            used += units;
        }
        pieces.push((start..text.len(), used));
        pieces
    }

    pub(super) fn write(self, text: &str, cut: Cut, offer: &Offer<'_>) -> Plan {
        let total = u8::try_from(cut.pieces.len()).unwrap_or(u8::MAX);
        let mut parts = Vec::with_capacity(cut.pieces.len());
        let mut udhi = false;
        for ((range, units), number) in cut.pieces.into_iter().zip(1..=u8::MAX) {
            let concat = Concat::new(offer.reference.value(), total, number, offer.reference.width())
                .filter(|_| total > 1);
            let header = udh::header(concat.filter(|_| offer.method == Method::Udh), self.shifts);
            udhi |= !header.is_empty();
            let octets = self.octets(text.get(range.clone()).unwrap_or(""), header, offer);
            parts.push(Part { octets, concat, text: range, units });
        }
        Plan {
            alphabet: self.alphabet,
            shifts: self.shifts,
            data_coding: self.data_coding,
            udhi,
            method: offer.method,
            parts,
            limit: cut.limit,
        }
    }

    fn octets(self, text: &str, header: Vec<u8>, offer: &Offer<'_>) -> Bytes {
        let habits = offer.habits;
        let packing = if self.wire == Alphabet::Gsm7 { habits.packing } else { Packing::Unpacked };
        let header_octets = header.len();
        let mut out = header;
        if packing != Packing::Unpacked {
            let mut septets = Vec::with_capacity(text.len());
            self.put(text, habits.byte_order, &mut septets);
            let fill = if packing == Packing::Packed { packed::fill_bits(header_octets) } else { 0 };
            out.extend_from_slice(&packed::pack(&septets, fill));
            if offer.method != Method::Payload {
                // A full part that ends with a return has no room for a second one; the reader takes the first.
                out.truncate(PART_OCTETS);
            }
        } else {
            out.reserve_exact(if self.wire == Alphabet::Ucs2 { text.len() * 2 } else { text.len() + 8 });
            self.put(text, habits.byte_order, &mut out);
        }
        Bytes::from(out)
    }

    fn put(self, text: &str, order: ByteOrder, out: &mut Vec<u8>) {
        match self.wire {
            Alphabet::Ucs2 => {
                for unit in text.encode_utf16() {
                    out.extend_from_slice(&match order {
                        ByteOrder::Big => unit.to_be_bytes(),
                        ByteOrder::Little => unit.to_le_bytes(),
                    });
                }
            }
            Alphabet::Utf8 => out.extend_from_slice(text.as_bytes()),
            Alphabet::Gsm7 => {
                text.chars().for_each(|c| {
                    gsm7::put(c, self.shifts, out);
                });
            }
            _ => out.extend(text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok())),
        }
    }
}

/// Where `text` is cut so that at most `at` bytes stay: at the last border of graphemes, or right there where it begins
/// with a heap of combining marks that no part could hold.
fn last_border(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0) == Ok(true) {
        return at;
    }
    match cursor.prev_boundary(text, 0) {
        Ok(Some(border)) if border > 0 => border,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shift::Language;
    use super::super::split::Reference;
    use super::*;

    #[test]
    fn limits_are_those_of_the_standard() {
        let concat8 = Offer::default();
        let concat16 = Offer { reference: Reference::Sixteen(1), ..concat8 };
        let turkish = |locking: bool, single: bool| Form {
            alphabet: Alphabet::Gsm7,
            shifts: Shifts {
                locking: locking.then_some(Language::Turkish),
                single: single.then_some(Language::Turkish),
            },
            wire: Alphabet::Gsm7,
            data_coding: 0,
        };
        let ucs2 =
            Form { alphabet: Alphabet::Ucs2, wire: Alphabet::Ucs2, data_coding: 8, ..turkish(false, false) };
        let latin = Form { alphabet: Alphabet::Latin1, wire: Alphabet::Latin1, ..ucs2 };
        let limit =
            |form: Form, offer: &Offer<'_>, length| form.cut(&"a".repeat(length), offer).unwrap().limit;
        for (form, alone, with8, with16) in [
            (turkish(false, false), 160, 153, 152),
            (turkish(false, true), 155, 149, 148),
            (turkish(true, true), 152, 146, 145),
            (ucs2, 70, 67, 66),
            (latin, 140, 134, 133),
        ] {
            assert_eq!(limit(form, &concat8, 1), alone);
            assert_eq!(limit(form, &concat8, 500), with8);
            assert_eq!(limit(form, &concat16, 500), with16);
        }
    }
}
