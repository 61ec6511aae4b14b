//! The user data header in front of the text: 3GPP TS 23.040, 9.2.3.24. Walked element by element; a broken one is
//! reported and the octets stay text.

use bytes::Bytes;

use super::shift::{Language, Shifts};
use super::{Flaw, Flaws};

/// Element identifiers that this crate reads or writes (23.040, 9.2.3.24).
pub mod element {
    /// Concatenated short messages, 8-bit reference.
    pub const CONCAT_8: u8 = 0x00;
    /// Application port addressing, 8-bit.
    pub const PORTS_8: u8 = 0x04;
    /// Application port addressing, 16-bit.
    pub const PORTS_16: u8 = 0x05;
    /// Concatenated short messages, 16-bit reference.
    pub const CONCAT_16: u8 = 0x08;
    /// National language single shift.
    pub const SINGLE_SHIFT: u8 = 0x24;
    /// National language locking shift.
    pub const LOCKING_SHIFT: u8 = 0x25;
}

/// One information element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its identifier.
    pub id: u8,
    /// Its data, without identifier and length.
    pub data: Bytes,
}

/// A user data header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Udh {
    /// Its elements as they stand.
    pub elements: Vec<Element>,
}

/// Why octets are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UdhError {
    /// There is not even a length octet.
    Missing,
    /// The length octet says more than there is.
    Overrun,
    /// An element reaches past the header.
    ElementOverrun,
}

impl UdhError {
    /// A short stable name.
    pub fn name(self) -> &'static str {
        self.flaw().name()
    }

    pub(super) fn flaw(self) -> Flaw {
        match self {
            Self::Missing => Flaw::UdhMissing,
            Self::Overrun => Flaw::UdhOverrun,
            Self::ElementOverrun => Flaw::UdhElementOverrun,
        }
    }
}

/// How wide the reference number of a concatenated message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// 8 bits, element 0x00.
    Eight,
    /// 16 bits, element 0x08 or the SAR parameters of SMPP.
    Sixteen,
}

impl Width {
    /// 8 or 16.
    pub fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }
}

/// Which part of a longer message this is. `1 <= number <= total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concat {
    /// The same for all parts of one message.
    pub reference: u16,
    /// Number of parts.
    pub total: u8,
    /// This part, from 1.
    pub number: u8,
    /// Width of the reference.
    pub width: Width,
}

impl Concat {
    /// `None` where number or total is 0 or the number is above the total: such an element is to be ignored and the
    /// message taken as single (23.040, 9.2.3.24.1).
    pub fn new(reference: u16, total: u8, number: u8, width: Width) -> Option<Self> {
        (number > 0 && number <= total).then_some(Self { reference, total, number, width })
    }
}

impl Udh {
    /// Reads the header at the start of `octets` (its length octet first) and gives what follows it.
    ///
    /// # Errors
    /// [`UdhError`] where the lengths do not fit; the octets are then to be kept as they are.
    pub fn split(octets: &Bytes) -> Result<(Self, Bytes), UdhError> {
        let (length, rest) = octets.split_first().ok_or(UdhError::Missing)?;
        let length = usize::from(*length);
        if length > rest.len() {
            return Err(UdhError::Overrun);
        }
        let body = octets.slice(1 + length..);
        let mut elements = Vec::new();
        let mut at = 1;
        while at < 1 + length {
            let (Some(&id), Some(&size)) = (octets.get(at), octets.get(at + 1).filter(|_| at < length))
            else {
                return Err(UdhError::ElementOverrun);
            };
            let (start, end) = (at + 2, at + 2 + usize::from(size));
            if end > 1 + length {
                return Err(UdhError::ElementOverrun);
            }
            elements.push(Element { id, data: octets.slice(start..end) });
            at = end;
        }
        Ok((Self { elements }, body))
    }

    /// Octets it takes, the length octet counted.
    pub fn octets(&self) -> usize {
        1 + self.elements.iter().map(|element| 2 + element.data.len()).sum::<usize>()
    }

    /// The header as it goes in front of the text; `None` where it is longer than its length octet can say.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let length = u8::try_from(self.octets() - 1).ok()?;
        let mut out = Vec::with_capacity(self.octets());
        out.push(length);
        for element in &self.elements {
            out.push(element.id);
            out.push(u8::try_from(element.data.len()).ok()?);
            out.extend_from_slice(&element.data);
        }
        Some(out)
    }

    /// The concatenation it announces. Of several elements the last good one counts (23.040, 9.2.3.24); one of the
    /// wrong size is ignored, one with impossible numbers too and `flaws` says so.
    pub fn concat(&self, flaws: &mut Flaws) -> Option<Concat> {
        let mut found = None;
        for element in &self.elements {
            let candidate = match (element.id, &element.data[..]) {
                (element::CONCAT_8, [reference, total, number]) => {
                    Concat::new(u16::from(*reference), *total, *number, Width::Eight)
                }
                (element::CONCAT_16, [high, low, total, number]) => {
                    Concat::new(u16::from_be_bytes([*high, *low]), *total, *number, Width::Sixteen)
                }
                (element::CONCAT_8 | element::CONCAT_16, _) => {
                    flaws.add(Flaw::ConcatSize);
                    continue;
                }
                _ => continue,
            };
            match candidate {
                Some(_) => found = candidate,
                None => flaws.add(Flaw::ConcatOutOfRange),
            }
        }
        found
    }

    /// The national tables it announces; an identifier that is not assigned means the default table (23.038,
    /// 6.2.1.2.4) and `flaws` says so.
    pub fn shifts(&self, flaws: &mut Flaws) -> Shifts {
        let mut shifts = Shifts::NONE;
        for element in &self.elements {
            let place = match element.id {
                element::SINGLE_SHIFT => &mut shifts.single,
                element::LOCKING_SHIFT => &mut shifts.locking,
                _ => continue,
            };
            *place = match element.data[..] {
                [id] => Language::from_id(id),
                _ => None,
            };
            if place.is_none() {
                flaws.add(Flaw::UnknownLanguage);
            }
        }
        shifts
    }
}

/// The header of a part: concatenation first, then the national tables. Empty where there is nothing to say.
pub fn header(concat: Option<Concat>, shifts: Shifts) -> Vec<u8> {
    let mut out = vec![0];
    if let Some(concat) = concat {
        match concat.width {
            Width::Eight => out.extend_from_slice(&[element::CONCAT_8, 3, concat.reference as u8]),
            Width::Sixteen => {
                let [high, low] = concat.reference.to_be_bytes();
                out.extend_from_slice(&[element::CONCAT_16, 4, high, low]);
            }
        }
        out.extend_from_slice(&[concat.total, concat.number]);
    }
    for (id, language) in [(element::SINGLE_SHIFT, shifts.single), (element::LOCKING_SHIFT, shifts.locking)] {
        if let Some(language) = language {
            out.extend_from_slice(&[id, 1, language.id()]);
        }
    }
    match out.len() - 1 {
        0 => out.clear(),
        // At most 6 + 3 + 3 octets.
        length => out[0] = length as u8,
    }
    out
}

/// Whether octets without the UDHI flag start with a whole concatenation header all the same (`05 00 03` or
/// `06 08 04` and possible numbers).
pub fn looks_like(octets: &[u8]) -> bool {
    match octets {
        [5, element::CONCAT_8, 3, _, total, number, ..]
        | [6, element::CONCAT_16, 4, _, _, total, number, ..] => number > &0 && number <= total,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(octets: &[u8]) -> Result<(Udh, Bytes), UdhError> {
        Udh::split(&Bytes::copy_from_slice(octets))
    }

    #[test]
    fn concatenation_is_read_from_both_elements() {
        let (udh, body) = split(b"\x05\x00\x03\x2a\x02\x01first").unwrap();
        let concat = udh.concat(&mut Flaws::default()).unwrap();
        assert_eq!((concat.reference, concat.total, concat.number, concat.width.bits()), (42, 2, 1, 8));
        assert_eq!(&body[..], b"first");
        let (udh, _) = split(b"\x06\x08\x04\xbe\xef\x03\x01part").unwrap();
        let concat = udh.concat(&mut Flaws::default()).unwrap();
        assert_eq!((concat.reference, concat.total, concat.number, concat.width.bits()), (0xBEEF, 3, 1, 16));
    }

    #[test]
    fn elements_before_and_after_are_walked_and_the_last_concatenation_counts() {
        let (udh, body) =
            split(b"\x10\x24\x01\x01\x00\x03\x01\x02\x01\x25\x01\x03\x00\x03\x07\x02\x02x").unwrap();
        let mut flaws = Flaws::default();
        assert_eq!(udh.concat(&mut flaws).unwrap().reference, 7);
        assert_eq!(
            udh.shifts(&mut flaws),
            Shifts { locking: Some(Language::Portuguese), single: Some(Language::Turkish) }
        );
        assert_eq!(&body[..], b"x");
        assert!(flaws.is_empty());
        assert_eq!(udh.octets(), 17);
    }

    #[test]
    fn impossible_numbers_make_a_single_message() {
        for octets in [b"\x05\x00\x03\x2a\x02\x00", b"\x05\x00\x03\x2a\x02\x03", b"\x05\x00\x03\x2a\x00\x00"]
        {
            let mut flaws = Flaws::default();
            assert_eq!(split(octets).unwrap().0.concat(&mut flaws), None);
            assert!(flaws.has(Flaw::ConcatOutOfRange));
        }
    }

    #[test]
    fn a_broken_header_is_named() {
        assert_eq!(split(b""), Err(UdhError::Missing));
        assert_eq!(split(b"\x20\x00\x03"), Err(UdhError::Overrun));
        assert_eq!(split(b"\x03\x00\x09\x00x"), Err(UdhError::ElementOverrun));
        assert_eq!(split(b"\x01\x00x"), Err(UdhError::ElementOverrun));
        assert_eq!(split(b"\x00hi").unwrap().1, Bytes::from_static(b"hi"));
    }

    #[test]
    fn an_element_of_the_wrong_size_is_no_concatenation() {
        let mut flaws = Flaws::default();
        let (udh, body) = split(b"\x04\x00\x02\x2a\x02abc").unwrap();
        assert_eq!(udh.concat(&mut flaws), None);
        assert!(flaws.has(Flaw::ConcatSize));
        assert_eq!(&body[..], b"abc");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(reference: u16, total in 1u8.., number: u8, wide: bool, ids in (0u8..14, 0u8..14)) {
            let number = number % total + 1;
            let width = if wide { Width::Sixteen } else { Width::Eight };
            let reference = if wide { reference } else { reference & 0xFF };
            let concat = Concat::new(reference, total, number, width);
            let shifts = Shifts { locking: Language::from_id(ids.0), single: Language::from_id(ids.1) };
            let octets = Bytes::from(header(concat, shifts));
            let (udh, rest) = Udh::split(&octets).unwrap();
            let mut flaws = Flaws::default();
            prop_assert_eq!(udh.concat(&mut flaws), concat);
            prop_assert_eq!(udh.shifts(&mut flaws), shifts);
            prop_assert!(rest.is_empty() && flaws.is_empty());
            prop_assert_eq!(udh.encode().unwrap(), octets);
        }

        #[test]
        fn any_octets_are_walked_without_a_panic(octets: Vec<u8>) {
            if let Ok((udh, rest)) = Udh::split(&Bytes::from(octets.clone())) {
                prop_assert_eq!(udh.octets() + rest.len(), octets.len());
                let mut flaws = Flaws::default();
                let _ = (udh.concat(&mut flaws), udh.shifts(&mut flaws));
                let again = udh.encode().unwrap();
                prop_assert_eq!(&again[..], &octets[..udh.octets()]);
            }
            let _ = looks_like(&octets);
        }
    }
}
