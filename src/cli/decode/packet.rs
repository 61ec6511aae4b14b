//! A TCP segment out of a packet: link, IP and TCP headers taken off. What is no TCP, or not whole, is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// LINKTYPE values of pcap.
pub(crate) mod link {
    /// BSD loopback, the family in the byte order of the machine.
    pub(crate) const NULL: u16 = 0;
    /// Ethernet.
    pub(crate) const ETHERNET: u16 = 1;
    /// IP without a link header; also 12 and 14 on some systems.
    pub(crate) const RAW: u16 = 101;
    /// OpenBSD loopback, the family in network byte order.
    pub(crate) const LOOP: u16 = 108;
    /// Linux "any" device, cooked.
    pub(crate) const SLL: u16 = 113;
    /// IPv4 without a link header.
    pub(crate) const IPV4: u16 = 228;
    /// IPv6 without a link header.
    pub(crate) const IPV6: u16 = 229;
    /// Linux "any" device, cooked, version 2.
    pub(crate) const SLL2: u16 = 276;
}

const TCP: u8 = 6;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86DD;

/// Extension headers of IPv6 that are walked; more of them are nobody's doing but an attacker's.
const MOST_EXTENSIONS: usize = 8;

/// A TCP segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// To whom.
    pub(crate) to: SocketAddr,
    /// Its sequence number.
    pub(crate) sequence: u32,
    /// What it acknowledges.
    pub(crate) acknowledged: Option<u32>,
    /// SYN.
    pub(crate) begins: bool,
    /// FIN.
    pub(crate) ends: bool,
    /// RST.
    pub(crate) breaks: bool,
    /// What it carries, as far as it was captured.
    pub(crate) payload: &'a [u8],
    /// Octets it carried beyond those captured.
    pub(crate) missing: usize,
}

/// The segment in a packet of that link type.
pub(crate) fn segment(link: u16, octets: &[u8]) -> Option<Segment<'_>> {
    match link {
        link::NULL => {
            let (family, rest) = octets.split_first_chunk::<4>()?;
            // Whichever byte order makes a family number of it; those of IPv6 differ from system to system.
            let family = u32::from_le_bytes(*family).min(u32::from_be_bytes(*family));
            matches!(family, 2 | 10 | 24 | 28 | 30).then(|| ip(rest))?
        }
        link::LOOP => ip(octets.get(4..)?),
        link::ETHERNET => ethernet(octets.get(12..)?),
        link::SLL => ethernet(octets.get(14..)?),
        link::SLL2 => {
            let (kind, _) = octets.split_first_chunk::<2>()?;
            by_type(u16::from_be_bytes(*kind), octets.get(20..)?)
        }
        link::RAW | 12 | 14 | link::IPV4 | link::IPV6 => ip(octets),
        _ => None,
    }
}

/// Whether packets of that link type can be read at all.
pub(crate) fn knows_link(link: u16) -> bool {
    use link::{ETHERNET, IPV4, IPV6, LOOP, NULL, RAW, SLL, SLL2};
    matches!(link, NULL | ETHERNET | RAW | 12 | 14 | LOOP | SLL | IPV4 | IPV6 | SLL2)
}

/// From the type field on, over VLAN tags.
fn ethernet(octets: &[u8]) -> Option<Segment<'_>> {
    let (kind, rest) = octets.split_first_chunk::<2>()?;
    match u16::from_be_bytes(*kind) {
        // Each recursion takes octets off.
        0x8100 | 0x88A8 | 0x9100 => ethernet(rest.get(2..)?),
        kind => by_type(kind, rest),
    }
}

fn by_type(kind: u16, octets: &[u8]) -> Option<Segment<'_>> {
    matches!(kind, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then(|| ip(octets))?
}

fn ip(octets: &[u8]) -> Option<Segment<'_>> {
    match octets.first()? >> 4 {
        4 => ipv4(octets),
        6 => ipv6(octets),
        _ => None,
    }
}

fn word(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

/// A part that claims so many octets: what is there of it, and how many are not. A claim of 0 is what a card that cuts
/// segments itself leaves: then all that follows is it.
fn claimed(octets: &[u8], claim: usize, header: usize) -> Option<(&[u8], usize)> {
    let claim = if claim == 0 { octets.len() } else { claim };
    let body = octets.get(header..octets.len().min(claim))?;
    Some((body, claim.saturating_sub(octets.len())))
}

fn ipv4(octets: &[u8]) -> Option<Segment<'_>> {
    let header = usize::from(octets.first()? & 0x0F) * 4;
    // More fragments, or a fragment's place: nobody's TCP comes in fragments, and half a segment is none.
    if header < 20 || word(octets, 6)? & 0x3FFF != 0 || *octets.get(9)? != TCP {
        return None;
    }
    let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*octets.get(at..)?.first_chunk::<4>()?)));
    let (from, to) = (address(12)?, address(16)?);
    let (body, missing) = claimed(octets, usize::from(word(octets, 2)?), header)?;
    tcp(from, to, body, missing)
}

fn ipv6(octets: &[u8]) -> Option<Segment<'_>> {
    let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*octets.get(at..)?.first_chunk::<16>()?)));
    let (from, to) = (address(8)?, address(24)?);
    let claim = usize::from(word(octets, 4)?);
    let (mut body, missing) = claimed(octets, if claim == 0 { 0 } else { claim + 40 }, 40)?;
    let mut next = *octets.get(6)?;
    for _ in 0..MOST_EXTENSIONS {
        let size = match next {
            TCP => return tcp(from, to, body, missing),
            // hop-by-hop, routing, destination options
            0 | 43 | 60 => (usize::from(*body.get(1)?) + 1) * 8,
            // authentication
            51 => (usize::from(*body.get(1)?) + 2) * 4,
            // a fragment header that says it is whole
            44 if word(body, 2)? & 0xFFF9 == 0 => 8,
            _ => return None,
        };
        next = *body.first()?;
        body = body.get(size..)?;
    }
    None
}

fn tcp(from: IpAddr, to: IpAddr, octets: &[u8], missing: usize) -> Option<Segment<'_>> {
    let number = |at: usize| Some(u32::from_be_bytes(*octets.get(at..)?.first_chunk()?));
    let header = usize::from(*octets.get(12)? >> 4) * 4;
    let flags = *octets.get(13)?;
    let payload = octets.get(header..).filter(|_| header >= 20)?;
    Some(Segment {
        from: SocketAddr::new(from, word(octets, 0)?),
        to: SocketAddr::new(to, word(octets, 2)?),
        sequence: number(4)?,
        acknowledged: (flags & 0x10 != 0).then(|| number(8)).flatten(),
        begins: flags & 0x02 != 0,
        ends: flags & 0x01 != 0,
        breaks: flags & 0x04 != 0,
        payload,
        missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp_octets(payload: &[u8]) -> Vec<u8> {
        let mut octets =
            vec![0xC3, 0x50, 0x0A, 0xD7, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0];
        octets.extend_from_slice(payload);
        octets
    }

    fn v4(payload: &[u8]) -> Vec<u8> {
        let tcp = tcp_octets(payload);
        let mut octets = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        octets[2..4].copy_from_slice(&(20 + tcp.len() as u16).to_be_bytes());
        octets.extend(tcp);
        octets
    }

    fn v6(payload: &[u8]) -> Vec<u8> {
        let tcp = tcp_octets(payload);
        let mut octets = vec![0x60, 0, 0, 0];
        octets.extend((8 + tcp.len() as u16).to_be_bytes());
        octets.extend([60, 64]);
        octets.extend(Ipv6Addr::LOCALHOST.octets());
        octets.extend(Ipv6Addr::LOCALHOST.octets());
        octets.extend([TCP, 0, 1, 4, 0, 0, 0, 0]);
        octets.extend(tcp);
        octets
    }

    #[test]
    fn a_segment_is_found_under_every_link() {
        let ethernet = |kind: [u8; 2]| [&[0xAA; 12][..], &kind].concat();
        let heads: [(u16, Vec<u8>); 9] = [
            (link::ETHERNET, ethernet([0x08, 0x00])),
            (link::ETHERNET, [ethernet([0x81, 0x00]), vec![0, 5, 0x08, 0x00]].concat()),
            (link::SLL, [vec![0; 14], vec![0x08, 0x00]].concat()),
            (link::SLL2, [vec![0x08, 0x00], vec![0; 18]].concat()),
            (link::RAW, vec![]),
            (link::IPV4, vec![]),
            (link::NULL, vec![2, 0, 0, 0]),
            (link::NULL, vec![0, 0, 0, 2]),
            (link::LOOP, vec![0, 0, 0, 2]),
        ];
        for (link, mut packet) in heads {
            packet.extend(v4(b"hello"));
            // Short frames are padded; IP says where its packet ends.
            packet.extend([0; 6]);
            let found = segment(link, &packet).unwrap_or_else(|| panic!("nothing under {link}"));
            assert_eq!(found.payload, b"hello");
            assert_eq!(
                (found.from.to_string(), found.to.to_string()),
                ("10.0.0.1:50000".into(), "10.0.0.2:2775".into())
            );
            assert_eq!((found.sequence, found.acknowledged, found.missing), (7, Some(9), 0));
            assert!(!found.begins && !found.ends && knows_link(link));
        }
    }

    #[test]
    fn ipv6_is_read_behind_extension_headers() {
        let packet = v6(b"hello");
        let found = segment(link::RAW, &packet).unwrap();
        assert_eq!(found.payload, b"hello");
        assert_eq!(found.to.to_string(), "[::1]:2775");
    }

    #[test]
    fn octets_that_were_not_captured_are_counted() {
        let packet = v4(b"hello");
        let found = segment(link::RAW, &packet[..packet.len() - 3]).unwrap();
        assert_eq!((found.payload, found.missing), (&b"he"[..], 3));
    }

    #[test]
    fn fragments_and_other_protocols_are_none() {
        let mut packet = v4(b"hello");
        packet[6] = 0x20;
        assert_eq!(segment(link::RAW, &packet), None);
        packet[6] = 0x40;
        packet[9] = 17;
        assert_eq!(segment(link::RAW, &packet), None);
        assert_eq!(segment(147, &packet), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_a_segment_or_none(link in 0..300u16, octets in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = segment(link, &octets);
        }

        #[test]
        fn a_packet_cut_or_changed_anywhere_is_a_segment_or_none(cut in 0..80usize, at in 0..80usize, octet: u8) {
            for mut packet in [v4(b"hello"), v6(b"hello")] {
                if let Some(place) = packet.get_mut(at) {
                    *place = octet;
                }
                let _ = segment(link::RAW, &packet[..cut.min(packet.len())]);
            }
        }
    }
}
