//! SMPP found in a stream that may be something else, or that the capture came to in the middle.

use bytes::Bytes;
use protocol::frame::{Frame, Framer, Grade, Limits, LostLength, MAX_PDU_OCTETS, decode};
use protocol::pdu::{CommandId, HEADER_OCTETS};

/// Octets looked through for a header before a stream counts as no SMPP: the two largest PDUs and more.
const MOST_SEARCHED_OCTETS: usize = 256 << 10;

/// Where a stream can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Its first octet was seen: a header, or it is no SMPP.
    Beginning,
    /// Somewhere: in the middle of a PDU, most likely.
    Middle,
    /// Its first octet was seen and somebody says that it is SMPP.
    Trusted,
}

/// What comes out of a stream.
#[derive(Debug)]
pub(crate) enum Found {
    /// A PDU.
    Frame(Box<Frame>),
    /// The length is lost; a new start is sought behind it.
    Lost(LostLength),
    /// So many octets before the first header that could be found, or behind a lost length.
    Skipped(usize),
}

/// One direction of a connection.
pub(crate) struct Seeker {
    grade: Grade,
    state: State,
}

enum State {
    Seeking(Search),
    Reading(Framer),
    Foreign,
}

struct Search {
    start: Start,
    octets: Vec<u8>,
    /// No header starts before here.
    from: usize,
}

impl Search {
    fn new(start: Start) -> Self {
        Search { start, octets: Vec::new(), from: 0 }
    }
}

/// What a place in a stream is.
enum Place {
    /// A header, as far as can be told.
    Header,
    /// None.
    No,
    /// More octets will tell.
    Unsure,
}

impl Seeker {
    /// A stream that begins so.
    pub(crate) fn new(start: Start, grade: Grade) -> Self {
        Seeker { grade, state: State::Seeking(Search::new(start)) }
    }

    /// Whether it is SMPP; `None` while that can't be told.
    pub(crate) fn is_smpp(&self) -> Option<bool> {
        match self.state {
            State::Seeking(_) => None,
            State::Reading(_) => Some(true),
            State::Foreign => Some(false),
        }
    }

    /// Takes that octets are missing here: the next header has to be sought.
    pub(crate) fn miss(&mut self) {
        if !matches!(self.state, State::Foreign) {
            self.state = State::Seeking(Search::new(Start::Middle));
        }
    }

    /// Octets of a PDU whose rest has not come.
    pub(crate) fn unfinished(&self) -> usize {
        match &self.state {
            State::Reading(framer) => framer.buffered(),
            State::Seeking(_) | State::Foreign => 0,
        }
    }

    /// Takes octets and gives what they complete.
    pub(crate) fn push(&mut self, octets: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        match &mut self.state {
            State::Foreign => return found,
            State::Reading(framer) => framer.push(octets),
            State::Seeking(search) => {
                search.octets.extend_from_slice(octets);
                match search.run() {
                    Some(Ok(header)) => {
                        if header > 0 {
                            found.push(Found::Skipped(header));
                        }
                        let mut framer = Framer::new(Limits::default(), self.grade);
                        framer.push(search.octets.get(header..).unwrap_or_default());
                        self.state = State::Reading(framer);
                    }
                    Some(Err(NoHeader)) => self.state = State::Foreign,
                    None => {}
                }
            }
        }
        while let State::Reading(framer) = &mut self.state
            && let Some(next) = framer.next()
        {
            match next {
                Ok(frame) => found.push(Found::Frame(Box::new(frame))),
                Err(lost) => {
                    found.push(Found::Lost(lost));
                    self.state = State::Seeking(Search::new(Start::Middle));
                }
            }
        }
        found
    }
}

struct NoHeader;

impl Search {
    /// The place of the first header; `None` while more octets are needed.
    fn run(&mut self) -> Option<Result<usize, NoHeader>> {
        if self.start == Start::Trusted {
            return Some(Ok(0));
        }
        loop {
            match place(self.octets.get(self.from..).unwrap_or_default(), self.start) {
                Place::Header => return Some(Ok(self.from)),
                Place::Unsure => return None,
                // A proxy in front says whom it speaks for, then SMPP begins.
                Place::No if self.start == Start::Beginning && is_proxied(&self.octets) => {
                    self.start = Start::Middle;
                }
                Place::No if self.start == Start::Beginning => return Some(Err(NoHeader)),
                Place::No if self.from >= MOST_SEARCHED_OCTETS => return Some(Err(NoHeader)),
                Place::No => self.from += 1,
            }
        }
    }
}

fn is_proxied(octets: &[u8]) -> bool {
    octets.starts_with(b"PROXY ") || octets.starts_with(b"\r\n\r\n\0\r\nQUIT\n")
}

/// Whether a header starts here; found in the middle, a whole PDU has to follow and, if anything, another header.
fn place(octets: &[u8], start: Start) -> Place {
    let Some(header) = octets.first_chunk::<HEADER_OCTETS>() else { return Place::Unsure };
    let Some(length) = plausible(header) else { return Place::No };
    if start == Start::Beginning {
        return Place::Header;
    }
    let Some((pdu, rest)) = octets.split_at_checked(length) else { return Place::Unsure };
    if let Frame::Malformed { .. } = decode(Bytes::copy_from_slice(pdu), Grade::Lenient) {
        return Place::No;
    }
    match rest.first_chunk() {
        Some(next) if plausible(next).is_none() => Place::No,
        _ => Place::Header,
    }
}

/// The length that a header names, if it is one somebody would send.
fn plausible(header: &[u8; HEADER_OCTETS]) -> Option<usize> {
    let (words, _) = header.as_chunks::<4>();
    let [length, command, status, _] = words else { return None };
    let (length, status) = (u32::from_be_bytes(*length), u32::from_be_bytes(*status));
    let command = CommandId(u32::from_be_bytes(*command));
    // Statuses of carriers' own go to 0x4FF and a little beyond; requests have none.
    let most_status = if command.is_response() { 0xFFFF } else { 0 };
    let fits = (HEADER_OCTETS as u32..=MAX_PDU_OCTETS).contains(&length) && status <= most_status;
    (fits && command.name().is_some()).then_some(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;
    use protocol::pdu::{Body, Pdu, Sm};

    fn stream() -> Vec<u8> {
        let mut out = BytesMut::new();
        for sequence in 1..4 {
            let sm = Sm { short_message: "hello".into(), ..Sm::default() };
            Pdu::new(sequence, Body::SubmitSm(sm)).encode(&mut out);
            Pdu::new(sequence, Body::EnquireLink).encode(&mut out);
        }
        out.to_vec()
    }

    fn sequences(found: &[Found]) -> Vec<u32> {
        let sequence = |found: &Found| match found {
            Found::Frame(frame) => frame.pdu().map(|pdu| pdu.sequence),
            Found::Lost(_) | Found::Skipped(_) => None,
        };
        found.iter().filter_map(sequence).collect()
    }

    #[test]
    fn a_stream_is_read_from_its_beginning_or_from_the_next_header() {
        let stream = stream();
        let mut seeker = Seeker::new(Start::Beginning, Grade::Lenient);
        assert_eq!(sequences(&seeker.push(&stream)), [1, 1, 2, 2, 3, 3]);
        for cut in 1..stream.len() / 3 {
            let mut seeker = Seeker::new(Start::Middle, Grade::Lenient);
            let found = seeker.push(&stream[cut..]);
            assert!(matches!(found[0], Found::Skipped(_)) || cut == stream.len() / 3 - 16, "{cut}");
            assert!(sequences(&found).ends_with(&[2, 2, 3, 3]), "{cut}");
        }
    }

    #[test]
    fn a_proxy_in_front_is_passed_over() {
        let octets = [b"PROXY TCP4 10.0.0.9 10.0.0.2 4711 2775\r\n", &stream()[..]].concat();
        let mut seeker = Seeker::new(Start::Beginning, Grade::Lenient);
        let found = seeker.push(&octets);
        assert!(matches!(found[0], Found::Skipped(40)), "{:?}", found[0]);
        assert_eq!(sequences(&found), [1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn after_a_hole_the_next_header_is_sought() {
        let stream = stream();
        let mut seeker = Seeker::new(Start::Beginning, Grade::Lenient);
        assert!(sequences(&seeker.push(&stream[..30])).is_empty());
        seeker.miss();
        assert!(sequences(&seeker.push(&stream[40..])).ends_with(&[2, 2, 3, 3]));
    }

    #[test]
    fn other_protocols_are_foreign_unless_somebody_says_otherwise() {
        let mut seeker = Seeker::new(Start::Beginning, Grade::Lenient);
        assert!(seeker.push(b"GET / HTTP/1.1\r\n").is_empty());
        assert_eq!(seeker.is_smpp(), Some(false));
        let mut seeker = Seeker::new(Start::Trusted, Grade::Lenient);
        assert!(matches!(seeker.push(b"GET / HTTP/1.1\r\n")[..], [Found::Lost(_)]));
        let mut seeker = Seeker::new(Start::Middle, Grade::Lenient);
        assert!(seeker.push(&vec![0x41; MOST_SEARCHED_OCTETS + 32]).is_empty());
        assert_eq!(seeker.is_smpp(), Some(false));
    }

    proptest! {
        #[test]
        fn any_octets_are_searched(pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..60), 0..20), middle: bool) {
            let start = if middle { Start::Middle } else { Start::Trusted };
            let mut seeker = Seeker::new(start, Grade::Strict);
            for (index, piece) in pieces.iter().enumerate() {
                seeker.push(piece);
                if index % 7 == 6 {
                    seeker.miss();
                }
            }
        }
    }
}
