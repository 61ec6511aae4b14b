//! Packets out of a capture file: pcap and pcapng, either byte order, read as a stream and never trusted with a size.

use std::io::{self, ErrorKind, Read};

/// Most octets of one packet. A segment put together by the network card has up to 64 KiB; some stacks do a quarter MiB.
const MOST_PACKET_OCTETS: u32 = 1 << 20;
/// Most octets of a pcapng block that holds no packet; it is skipped, or looked into for the description of an interface.
const MOST_BLOCK_OCTETS: u32 = 64 << 20;
/// Interfaces of one pcapng section; real captures have a handful.
const MOST_INTERFACES: usize = 1024;

/// The first four octets of a pcapng file: a section header block.
const SECTION: u32 = 0x0A0D_0D0A;

/// A packet as it was captured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Nanoseconds since 1970; 0 where the file does not say.
    pub(crate) at_ns: i64,
    /// The type of its link, a LINKTYPE of pcap.
    pub(crate) link: u16,
    /// What was kept of it.
    pub(crate) octets: Vec<u8>,
}

/// Why a file can't be read on.
#[derive(Debug)]
pub(crate) enum CaptureError {
    /// Reading failed.
    Io(io::Error),
    /// The file ends within a packet, as when the capture was stopped or is still going on.
    Cut,
    /// Its sizes can't be true.
    Broken(String),
}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

/// Whether a file that starts so is a capture.
pub(crate) fn is_capture(head: &[u8]) -> bool {
    let Some(first) = head.first_chunk() else { return false };
    let word = u32::from_le_bytes(*first);
    word == SECTION || Classic::of(word).is_some() || Classic::of(word.swap_bytes()).is_some()
}

/// The packets of a capture, in the order of the file.
pub(crate) struct Capture<R> {
    input: R,
    format: Format,
}

enum Format {
    Classic(Classic, Order, u16),
    Blocks(Order, Vec<Interface>),
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        }
    }

    fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        }
    }
}

/// The variants of pcap: what its second time field counts.
#[derive(Clone, Copy)]
enum Classic {
    Micro,
    Nano,
}

impl Classic {
    fn of(magic: u32) -> Option<Self> {
        match magic {
            0xA1B2_C3D4 => Some(Self::Micro),
            0xA1B2_3C4D => Some(Self::Nano),
            _ => None,
        }
    }
}

/// An interface of a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    snap: u32,
    resolution: Resolution,
    offset_s: i64,
}

/// What a pcapng time counts: parts of a second, as a power of ten or of two.
#[derive(Clone, Copy)]
enum Resolution {
    Ten(u32),
    Two(u32),
}

impl Resolution {
    /// Ticks as nanoseconds; 0 for what can't be told.
    fn ns(self, ticks: u64) -> i64 {
        const NANO: u128 = 1_000_000_000;
        let ticks = u128::from(ticks);
        let parts = match self {
            Self::Ten(power) => 10u128.checked_pow(power),
            Self::Two(power) => 1u128.checked_shl(power),
        };
        parts
            .and_then(|parts| (ticks * NANO).checked_div(parts))
            .and_then(|ns| i64::try_from(ns).ok())
            .unwrap_or(0)
    }
}

impl<R: Read> Capture<R> {
    /// Begins with the header of the file.
    pub(crate) fn open(mut input: R) -> Result<Self, CaptureError> {
        let word = u32::from_le_bytes(array(&mut input)?);
        if word == SECTION {
            let order = section(&mut input)?;
            return Ok(Self { input, format: Format::Blocks(order, Vec::new()) });
        }
        let (classic, order) = match (Classic::of(word), Classic::of(word.swap_bytes())) {
            (Some(classic), _) => (classic, Order::Little),
            (_, Some(classic)) => (classic, Order::Big),
            _ => return Err(CaptureError::Broken("it starts as no capture does".to_owned())),
        };
        let header: [u8; 20] = array(&mut input)?;
        let [.., a, b, c, d] = header;
        // The upper bits say how long a frame check sequence is.
        let link = (order.u32([a, b, c, d]) & 0xFFFF) as u16;
        Ok(Self { input, format: Format::Classic(classic, order, link) })
    }

    /// The next packet; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, CaptureError> {
        match &mut self.format {
            Format::Classic(classic, order, link) => classic_packet(&mut self.input, *classic, *order, *link),
            Format::Blocks(order, interfaces) => loop {
                match block(&mut self.input, order, interfaces)? {
                    Block::Packet(packet) => return Ok(Some(packet)),
                    Block::Other => {}
                    Block::End => return Ok(None),
                }
            },
        }
    }
}

fn classic_packet(
    input: &mut impl Read,
    classic: Classic,
    order: Order,
    link: u16,
) -> Result<Option<Packet>, CaptureError> {
    let Some(header) = array_or_end::<16>(input)? else { return Ok(None) };
    let (words, _) = header.as_chunks::<4>();
    let mut words = words.iter().map(|word| order.u32(*word));
    let mut next = || words.next().unwrap_or_default();
    let (seconds, parts, kept) = (next(), next(), next());
    let scale = match classic {
        Classic::Micro => 1_000,
        Classic::Nano => 1,
    };
    let at_ns = i64::from(seconds) * 1_000_000_000 + i64::from(parts) * scale;
    Ok(Some(Packet { at_ns, link, octets: octets(input, kept, MOST_PACKET_OCTETS)? }))
}

enum Block {
    Packet(Packet),
    Other,
    End,
}

/// The byte order of a section, read from its header behind the block type.
fn section(input: &mut impl Read) -> Result<Order, CaptureError> {
    let length: [u8; 4] = array(input)?;
    let order = match u32::from_le_bytes(array(input)?) {
        0x1A2B_3C4D => Order::Little,
        0x4D3C_2B1A => Order::Big,
        _ => return Err(CaptureError::Broken("a section without its byte order".to_owned())),
    };
    let length = order.u32(length);
    // Type, length and byte order are read.
    skip(input, length.checked_sub(12).ok_or_else(|| broken(length))?)?;
    Ok(order)
}

fn block(
    input: &mut impl Read,
    order: &mut Order,
    interfaces: &mut Vec<Interface>,
) -> Result<Block, CaptureError> {
    let Some(kind) = array_or_end::<4>(input)? else { return Ok(Block::End) };
    let kind = order.u32(kind);
    if kind == SECTION {
        *order = section(input)?;
        interfaces.clear();
        return Ok(Block::Other);
    }
    let length = order.u32(array(input)?);
    // Type and length before it, the length again behind it.
    let inner = length.checked_sub(12).ok_or_else(|| broken(length))?;
    let body = match kind {
        1..=3 | 6 => octets(input, inner, MOST_PACKET_OCTETS + 1024)?,
        _ => {
            skip(input, inner)?;
            Vec::new()
        }
    };
    skip(input, 4)?;
    let body = Fields { octets: &body, order: *order };
    Ok(match kind {
        1 => {
            if interfaces.len() < MOST_INTERFACES {
                interfaces.extend(interface(&body));
            }
            Block::Other
        }
        2 | 6 => packet(&body, kind, interfaces).map_or(Block::Other, Block::Packet),
        3 => simple_packet(&body, interfaces).map_or(Block::Other, Block::Packet),
        _ => Block::Other,
    })
}

/// The body of a block, read field by field.
struct Fields<'a> {
    octets: &'a [u8],
    order: Order,
}

impl Fields<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        Some(self.order.u16(*self.octets.get(at..)?.first_chunk()?))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(self.order.u32(*self.octets.get(at..)?.first_chunk()?))
    }

    fn part(&self, from: usize, length: u32) -> Vec<u8> {
        let rest = self.octets.get(from..).unwrap_or_default();
        rest.get(..length as usize).unwrap_or(rest).to_vec()
    }
}

/// An interface description block with the two options that concern times.
fn interface(body: &Fields<'_>) -> Option<Interface> {
    let mut interface =
        Interface { link: body.u16(0)?, snap: body.u32(4)?, resolution: Resolution::Ten(6), offset_s: 0 };
    let mut at = 8;
    while let (Some(code), Some(length)) = (body.u16(at), body.u16(at + 2)) {
        match (code, body.octets.get(at + 4..)) {
            (0, _) | (_, None) => break,
            (9, Some([resolution, ..])) => {
                let power = u32::from(resolution & 0x7F);
                interface.resolution =
                    if resolution & 0x80 == 0 { Resolution::Ten(power) } else { Resolution::Two(power) };
            }
            (14, Some(_)) => {
                let (first, second) = (body.u32(at + 4)?, body.u32(at + 8)?);
                let (high, low) = match body.order {
                    Order::Little => (second, first),
                    Order::Big => (first, second),
                };
                interface.offset_s = (u64::from(high) << 32 | u64::from(low)).cast_signed();
            }
            _ => {}
        }
        at += 4 + usize::from(length).next_multiple_of(4);
    }
    Some(interface)
}

/// An enhanced packet block, or the packet block before it.
fn packet(body: &Fields<'_>, kind: u32, interfaces: &[Interface]) -> Option<Packet> {
    let number = if kind == 2 { u32::from(body.u16(0)?) } else { body.u32(0)? };
    let interface = interfaces.get(number as usize)?;
    let ticks = u64::from(body.u32(4)?) << 32 | u64::from(body.u32(8)?);
    let offset_ns = interface.offset_s.saturating_mul(1_000_000_000);
    Some(Packet {
        at_ns: interface.resolution.ns(ticks).saturating_add(offset_ns),
        link: interface.link,
        octets: body.part(20, body.u32(12)?),
    })
}

/// A packet without a time.
fn simple_packet(body: &Fields<'_>, interfaces: &[Interface]) -> Option<Packet> {
    let interface = interfaces.first()?;
    let whole = body.u32(0)?;
    let kept = if interface.snap == 0 { whole } else { whole.min(interface.snap) };
    Some(Packet { at_ns: 0, link: interface.link, octets: body.part(4, kept) })
}

fn broken(length: u32) -> CaptureError {
    CaptureError::Broken(format!("a packet or block of {length} octets"))
}

fn array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], CaptureError> {
    let mut octets = [0; N];
    input.read_exact(&mut octets)?;
    Ok(octets)
}

/// The same, and `None` where the file ends before it.
fn array_or_end<const N: usize>(input: &mut impl Read) -> Result<Option<[u8; N]>, CaptureError> {
    let mut head = Vec::with_capacity(N);
    input.take(N as u64).read_to_end(&mut head)?;
    match head.try_into() {
        Ok(octets) => Ok(Some(octets)),
        Err(head) if head.is_empty() => Ok(None),
        Err(_) => Err(CaptureError::Cut),
    }
}

/// So many octets, if they are that few; room is taken as they come.
fn octets(input: &mut impl Read, length: u32, most: u32) -> Result<Vec<u8>, CaptureError> {
    if length > most {
        return Err(broken(length));
    }
    let mut octets = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut octets)?;
    if octets.len() == length as usize { Ok(octets) } else { Err(CaptureError::Cut) }
}

fn skip(input: &mut impl Read, length: u32) -> Result<(), CaptureError> {
    if length > MOST_BLOCK_OCTETS {
        return Err(broken(length));
    }
    let skipped = io::copy(&mut input.take(u64::from(length)), &mut io::sink())?;
    if skipped == u64::from(length) { Ok(()) } else { Err(CaptureError::Cut) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(file: &[u8]) -> (Vec<Packet>, Option<CaptureError>) {
        let mut packets = Vec::new();
        let mut capture = match Capture::open(file) {
            Ok(capture) => capture,
            Err(error) => return (packets, Some(error)),
        };
        loop {
            match capture.next() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => return (packets, None),
                Err(error) => return (packets, Some(error)),
            }
        }
    }

    fn classic(magic: u32, write: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [magic, 0x0002_0004, 0, 0, 65_535, 101, 1_772_627_340, 250, 3, 60] {
            file.extend_from_slice(&write(word));
        }
        file.extend_from_slice(b"abc");
        file
    }

    fn little_block(kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = (12 + padded as u32).to_le_bytes();
        let padding = vec![0; padded - body.len()];
        [&kind.to_le_bytes()[..], &length, body, &padding, &length].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn blocks() -> Vec<u8> {
        let section = words(&[0x1A2B_3C4D, 1, u32::MAX, u32::MAX]);
        // Ethernet; times in nanoseconds.
        let mut interface = words(&[1, 65_535]);
        interface.extend_from_slice(&[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        let ticks = 1_772_627_340_000_000_250u64;
        let mut packet = words(&[0, (ticks >> 32) as u32, ticks as u32, 3, 60]);
        packet.extend_from_slice(b"abc");
        let mut simple = words(&[2]);
        simple.extend_from_slice(b"de");
        [
            little_block(SECTION, &section),
            little_block(1, &interface),
            little_block(5, b"statistics"),
            little_block(6, &packet),
            little_block(3, &simple),
        ]
        .concat()
    }

    #[test]
    fn both_byte_orders_and_both_clocks_of_pcap_are_read() {
        for (magic, scale) in [(0xA1B2_C3D4, 1_000), (0xA1B2_3C4D, 1)] {
            for write in [u32::to_le_bytes, u32::to_be_bytes] {
                let file = classic(magic, write);
                assert!(is_capture(&file));
                let at_ns = 1_772_627_340_000_000_000 + 250 * scale;
                let (packets, error) = all(&file);
                assert!(error.is_none());
                assert_eq!(packets, [Packet { at_ns, link: 101, octets: b"abc".to_vec() }]);
            }
        }
    }

    #[test]
    fn pcapng_is_read_with_its_own_clock() {
        let file = blocks();
        assert!(is_capture(&file));
        let (packets, error) = all(&file);
        assert!(error.is_none());
        let first = Packet { at_ns: 1_772_627_340_000_000_250, link: 1, octets: b"abc".to_vec() };
        assert_eq!(packets, [first, Packet { at_ns: 0, link: 1, octets: b"de".to_vec() }]);
    }

    #[test]
    fn a_file_that_ends_early_gives_what_is_there() {
        for file in [classic(0xA1B2_C3D4, u32::to_le_bytes), blocks()] {
            let (whole, _) = all(&file);
            for length in 0..file.len() {
                let (packets, error) = all(&file[..length]);
                assert!(packets.len() < whole.len() || error.is_some());
                assert!(!matches!(error, Some(CaptureError::Broken(_))), "{length}");
            }
        }
    }

    #[test]
    fn a_claimed_size_takes_no_room() {
        let mut file = classic(0xA1B2_C3D4, u32::to_le_bytes);
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(all(&file), (packets, Some(CaptureError::Broken(_))) if packets.is_empty()));
        assert!(!is_capture(b"\x00\x00\x00\x10"));
        assert!(!is_capture(b"{}"));
    }

    proptest! {
        #[test]
        fn any_octets_behind_a_magic_are_read_or_refused(rest in prop::collection::vec(any::<u8>(), 0..300), which in 0..4usize) {
            let magic = [0xA1B2_C3D4u32, 0xA1B2_3C4D, 0xD4C3_B2A1, SECTION][which];
            let mut file = magic.to_le_bytes().to_vec();
            file.extend(rest);
            let _ = all(&file);
        }

        #[test]
        fn any_octet_changed_in_pcapng_is_read_or_refused(at in 0..200usize, octet: u8) {
            let mut file = blocks();
            if let Some(place) = file.get_mut(at) {
                *place = octet;
            }
            let _ = all(&file);
        }
    }
}
