//! One text of several parts.

use bytes::{Bytes, BytesMut};

use super::{Alphabet, Decoded, Flaws, characters};

/// One message of the parts that are there, in their order. Octets of neighbours in the same alphabet are joined before
/// they are read, so that an escape or a surrogate pair that the sender cut comes out whole.
pub fn assemble(parts: Vec<Decoded>) -> Decoded {
    let mut flaws = Flaws::default();
    let mut text = Some(String::new());
    let mut octets = BytesMut::new();
    for run in parts.chunk_by(|a, b| {
        (a.alphabet, a.shifts, a.order, a.coding.compressed)
            == (b.alphabet, b.shifts, b.order, b.coding.compressed)
    }) {
        let Some(first) = run.first() else { continue };
        let joined = join_octets(run, first.alphabet);
        let (piece, found) = characters(&joined, first.alphabet, first.shifts, first.order);
        let piece = piece.filter(|_| !first.coding.compressed);
        flaws.merge(found);
        octets.extend_from_slice(&joined);
        text = match (text, piece) {
            (Some(mut text), Some(piece)) => {
                text.push_str(&piece);
                Some(text)
            }
            _ => None,
        };
    }
    for flaw in parts.iter().flat_map(|part| part.flaws.iter()).filter(|flaw| !flaw.is_charset_warning()) {
        flaws.add(flaw);
    }
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return super::decode(0, false, &Bytes::new(), Alphabet::Gsm7);
    };
    Decoded { text, octets: octets.freeze(), flaws, concat: None, ..first }
}

fn join_octets(run: &[Decoded], alphabet: Alphabet) -> Bytes {
    if let [single] = run {
        return single.octets.clone();
    }
    let mut out = BytesMut::new();
    // Where the sum is even a unit was cut in two; where it is odd somebody added an octet.
    let odd_in_all = run.iter().map(|part| part.octets.len()).sum::<usize>() % 2 == 1;
    for (index, part) in run.iter().enumerate() {
        let mut octets = &part.octets[..];
        if alphabet == Alphabet::Ucs2 {
            if index > 0
                && let [0xFE, 0xFF, rest @ ..] | [0xFF, 0xFE, rest @ ..] = octets
            {
                octets = rest;
            }
            if odd_in_all {
                octets = &octets[..octets.len() / 2 * 2];
            }
        }
        out.extend_from_slice(octets);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::{Flaw, decode};
    use super::*;

    #[test]
    fn what_a_sender_cut_in_the_middle_is_healed() {
        let cut = |data_coding, octets: &'static [u8]| {
            decode(data_coding, false, &Bytes::from_static(octets), Alphabet::Gsm7)
        };
        let euro = assemble(vec![cut(0, b"5 \x1b"), cut(0, b"\x65!")]);
        assert_eq!(euro.text.as_deref(), Some("5 €!"));
        assert!(euro.flaws.is_empty());
        let smile = assemble(vec![cut(8, b"\0a\xd8\x3d"), cut(8, b"\xde\x42\0b")]);
        assert_eq!(smile.text.as_deref(), Some("a🙂b"));
        let unit = assemble(vec![cut(8, b"\0a\x04"), cut(8, b"\x1f\0b\0")]);
        assert!(unit.text.is_some());
        let unit = assemble(vec![cut(8, b"\0a\x04"), cut(8, b"\x1f")]);
        assert_eq!(unit.text.as_deref(), Some("aП"));
        let marked = assemble(vec![cut(8, b"\xff\xfea\0"), cut(8, b"\xff\xfeb\0")]);
        assert_eq!(marked.text.as_deref(), Some("ab"));
    }

    #[test]
    fn parts_in_different_alphabets_are_read_each_in_its_own() {
        let part = |data_coding, octets: &'static [u8]| {
            decode(data_coding, false, &Bytes::from_static(octets), Alphabet::Gsm7)
        };
        let mixed = assemble(vec![part(0, b"5 \x1b\x65 "), part(8, b"\x04\x1f")]);
        assert_eq!(mixed.text.as_deref(), Some("5 € П"));
        let binary = assemble(vec![part(0, b"a"), part(4, b"\xff")]);
        assert_eq!((binary.text, &binary.octets[..]), (None, &b"a\xff"[..]));
        let header =
            assemble(vec![decode(0, true, &Bytes::from_static(b"\x05\0\x03\x01\x02"), Alphabet::Gsm7)]);
        assert!(header.flaws.has(Flaw::UdhOverrun));
    }
}
