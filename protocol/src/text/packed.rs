//! GSM 7-bit text packed eight septets to seven octets, with fill bits behind a header: 3GPP TS 23.038, 6.1.2.1 and
//! 3GPP TS 23.040, 9.2.3.24.

const CR: u8 = 0x0D;

/// Fill bits between a user data header of `header_octets` (its length octet counted) and the first septet, so that the
/// text starts on a septet boundary (23.040, 9.2.3.24): 0 without a header, 1 behind six octets, 0 behind seven.
pub fn fill_bits(header_octets: usize) -> u32 {
    match header_octets % 7 {
        0 => 0,
        // 8 * n mod 7 is n mod 7.
        over => 7 - over as u32,
    }
}

/// Packs septets (one an octet, the top bit ignored), after `fill` zero bits (0 to 6).
///
/// Where seven bits would stay spare they are filled with a carriage return, since zeros would read as `@`; and a text
/// that ends with a carriage return on an octet boundary gets a second one, since the reader takes one away (23.038,
/// 6.1.2.3.1, written for USSD and met in SMPP too).
pub fn pack(septets: &[u8], fill: u32) -> Vec<u8> {
    if septets.is_empty() {
        return Vec::new();
    }
    let fill = fill.min(6);
    let bits = fill as usize + septets.len() * 7;
    let padding = match bits % 8 {
        1 => Some(CR),
        0 if septets.last() == Some(&CR) => Some(CR),
        _ => None,
    };
    let mut out = Vec::with_capacity(bits.div_ceil(8) + 1);
    let (mut pending, mut held) = (0u16, fill);
    for septet in septets.iter().copied().chain(padding) {
        pending |= u16::from(septet & 0x7F) << held;
        held += 7;
        if held >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.push(pending as u8);
    }
    out
}

/// Unpacks septets behind `fill` bits (0 to 6), one an octet, and takes away the carriage return that fills the last
/// seven bits.
pub fn unpack(octets: &[u8], fill: u32) -> Vec<u8> {
    let fill = fill.min(6);
    let bits = octets.len() * 8;
    let count = bits.saturating_sub(fill as usize) / 7;
    let mut out = Vec::with_capacity(count);
    let (mut pending, mut held) = (0u16, 0u32);
    let mut skip = fill;
    for octet in octets.iter().copied() {
        pending |= u16::from(octet) << held;
        held += 8;
        if skip > 0 {
            pending >>= skip;
            held -= skip;
            skip = 0;
        }
        while held >= 7 && out.len() < count {
            out.push((pending & 0x7F) as u8);
            pending >>= 7;
            held -= 7;
        }
    }
    if (fill as usize + count * 7) == bits && out.last() == Some(&CR) {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fill_bits_bring_the_text_to_a_septet_boundary() {
        for header in 0..=140 {
            let fill = fill_bits(header);
            assert!(fill < 7);
            assert_eq!((header * 8 + fill as usize) % 7, 0, "header of {header}");
        }
        assert_eq!(fill_bits(6), 1);
        assert_eq!(fill_bits(7), 0);
    }

    #[test]
    fn seven_spare_bits_are_a_carriage_return_and_not_an_at_sign() {
        let packed = pack(b"1234567", 0);
        assert_eq!(packed, [0x31, 0xD9, 0x8C, 0x56, 0xB3, 0xDD, 0x1A]);
        assert_eq!(unpack(&packed, 0), b"1234567");
    }

    #[test]
    fn a_return_on_the_octet_boundary_is_doubled() {
        let packed = pack(b"1234567\r", 0);
        assert_eq!(packed.len(), 8);
        assert_eq!(unpack(&packed, 0), b"1234567\r\r", "the standard lets the second return show");
    }

    #[test]
    fn a_known_text_packs_as_everywhere() {
        assert_eq!(pack(b"hellohello", 0), [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]);
    }

    proptest! {
        #[test]
        fn unpacking_gives_back_what_was_packed(septets in prop::collection::vec(0u8..128, 0..200), fill in 0u32..7) {
            let back = unpack(&pack(&septets, fill), fill);
            let mut doubled = septets.clone();
            doubled.push(CR);
            let on_boundary = septets.last() == Some(&CR) && (fill as usize + septets.len() * 7).is_multiple_of(8);
            prop_assert_eq!(back, if on_boundary { doubled } else { septets });
        }

        #[test]
        fn any_octets_unpack_without_a_panic(octets: Vec<u8>, fill: u32) {
            prop_assert!(unpack(&octets, fill).iter().all(|septet| *septet < 128));
        }
    }
}
