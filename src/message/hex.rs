//! Octets as small hexadecimal digits: the form in which the database, digests and journals hold them.

/// These octets, two digits each.
pub fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_has_two_digits() {
        assert_eq!(hex(&[0, 9, 10, 0xf0, 255]), "00090af0ff");
        assert_eq!(hex(&[]), "");
    }
}
