//! Conversations written down as captures: TCP packets in pcap and pcapng, under several kinds of link.

#![allow(dead_code, reason = "each test file takes what it needs")]

use bytes::BytesMut;
use protocol::address::Address;
use protocol::pdu::{Bind, BindResp, Body, MessageResp, Pdu, Sm};
use protocol::status::Status;

/// One packet of a conversation to be captured.
#[derive(Clone)]
pub struct Packet {
    pub at_ms: u64,
    pub client_sends: bool,
    pub sequence: u32,
    pub acknowledged: u32,
    pub flags: u8,
    pub payload: Vec<u8>,
}

pub const SYN: u8 = 0x02;
pub const FIN: u8 = 0x11;
pub const ACK: u8 = 0x10;

/// 2026-03-04T12:29:00Z.
const BEGIN_S: u64 = 1_772_627_340;
const CLIENT_PORT: u16 = 50_000;
pub const CARRIER_PORT: u16 = 2775;

/// A conversation written down as TCP packets.
pub struct Conversation {
    pub packets: Vec<Packet>,
    pub next: [u32; 2],
    pub at_ms: u64,
}

impl Conversation {
    /// One whose sequence numbers go round soon.
    pub fn new() -> Self {
        let mut talk = Conversation { packets: Vec::new(), next: [u32::MAX - 50, 7], at_ms: 0 };
        talk.packet(true, SYN, Vec::new());
        talk.packet(false, SYN | ACK, Vec::new());
        talk
    }

    pub fn packet(&mut self, client_sends: bool, flags: u8, payload: Vec<u8>) {
        let acknowledged = self.next[usize::from(!client_sends)];
        let next = &mut self.next[usize::from(client_sends)];
        let sequence = *next;
        let counted = payload.len() as u32 + u32::from(flags & 0x03 != 0);
        *next = next.wrapping_add(counted);
        self.packets.push(Packet { at_ms: self.at_ms, client_sends, sequence, acknowledged, flags, payload });
        self.at_ms += 5;
    }

    pub fn say(&mut self, client_sends: bool, pdus: &[Pdu]) {
        let mut out = BytesMut::new();
        for pdu in pdus {
            pdu.encode(&mut out);
        }
        self.packet(client_sends, ACK, out.to_vec());
    }

    pub fn ask(&mut self, pdu: Pdu) {
        self.say(true, &[pdu]);
    }

    pub fn answer(&mut self, pdu: Pdu) {
        self.say(false, &[pdu]);
    }

    /// A submit and its answer.
    pub fn submit(&mut self, sequence: u32, id: &str) {
        let sm = Sm {
            source: Address::new(3, 0, "88001"),
            dest: Address::international("447700900123"),
            registered_delivery: 1,
            short_message: "Hello".into(),
            ..Sm::default()
        };
        self.ask(Pdu::new(sequence, Body::SubmitSm(sm)));
        self.answer(Pdu::new(sequence, Body::SubmitSmResp(MessageResp::with_id(id))));
    }

    /// A message of the carrier and our answer.
    pub fn deliver(&mut self, sequence: u32, esm_class: u8, text: &[u8]) {
        let sm = Sm {
            source: Address::international("447700900123"),
            dest: Address::new(3, 0, "88001"),
            esm_class,
            short_message: text.to_vec().into(),
            ..Sm::default()
        };
        self.answer(Pdu::new(sequence, Body::DeliverSm(sm)));
        self.ask(Pdu::new(sequence, Body::DeliverSmResp(MessageResp::with_id(""))));
    }

    /// A day of a carrier with ids in hex, receipts in decimal of ten digits, and Latin-1.
    pub fn of_a_carrier() -> Self {
        let mut talk = Conversation::new();
        let bind = Bind {
            system_id: "shop".into(),
            password: "s3cret".into(),
            system_type: "VMA".into(),
            interface_version: 0x34,
            ..Bind::default()
        };
        talk.ask(Pdu::new(1, Body::BindTransceiver(bind)));
        let bound = BindResp { system_id: Some("MC".into()), ..BindResp::default() };
        talk.answer(Pdu::new(1, Body::BindTransceiverResp(bound)));
        for (sequence, id, stat) in
            [(2, 0x39F9_9DD5u32, "DELIVRD"), (3, 0x0ABC_DEF0, "DELIVRD"), (4, 0x3FFF_0001, "FAILED")]
        {
            talk.submit(sequence, &format!("{id:X}"));
            let text = format!(
                "id:{id:010} sub:001 dlvrd:001 submit date:2603041329 done date:2603041329 stat:{stat} err:000 text:Hello"
            );
            talk.deliver(100 + sequence, 4, text.as_bytes());
        }
        talk.deliver(200, 0, b"f\xfcr mich");
        talk.deliver(201, 0, b"STOP");
        talk.ask(Pdu::new(5, Body::SubmitSm(Sm { short_message: "late".into(), ..Sm::default() })));
        talk.answer(Pdu::with_status(5, Status::THROTTLED, Body::SubmitSmResp(MessageResp::default())));
        talk.at_ms += 20_000;
        talk.ask(Pdu::new(6, Body::EnquireLink));
        talk.answer(Pdu::new(6, Body::EnquireLinkResp));
        talk.at_ms += 20_000;
        talk.ask(Pdu::new(7, Body::EnquireLink));
        talk.answer(Pdu::new(7, Body::EnquireLinkResp));
        talk.ask(Pdu::new(8, Body::Unbind));
        talk.answer(Pdu::new(8, Body::UnbindResp));
        talk.packet(true, FIN, Vec::new());
        talk.packet(false, FIN, Vec::new());
        talk
    }
}

/// How packets are wrapped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrap {
    Ethernet,
    EthernetV6,
    Cooked,
    Raw,
    Loopback,
}

impl Wrap {
    fn link(self) -> u16 {
        match self {
            Wrap::Ethernet | Wrap::EthernetV6 => 1,
            Wrap::Cooked => 113,
            Wrap::Raw => 101,
            Wrap::Loopback => 0,
        }
    }
}

fn octets(packet: &Packet, wrap: Wrap) -> Vec<u8> {
    let ports = if packet.client_sends { [CLIENT_PORT, CARRIER_PORT] } else { [CARRIER_PORT, CLIENT_PORT] };
    let mut tcp: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    tcp.extend(packet.sequence.to_be_bytes());
    tcp.extend(packet.acknowledged.to_be_bytes());
    tcp.extend([0x50, packet.flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    tcp.extend(&packet.payload);
    let hosts: [u8; 2] = if packet.client_sends { [1, 2] } else { [2, 1] };
    let mut ip = Vec::new();
    if wrap == Wrap::EthernetV6 {
        ip.extend([0x60, 0, 0, 0]);
        ip.extend((tcp.len() as u16).to_be_bytes());
        ip.extend([6, 64]);
        for host in hosts {
            ip.extend([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
        }
    } else {
        ip.extend([0x45, 0]);
        ip.extend((20 + tcp.len() as u16).to_be_bytes());
        ip.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
        for host in hosts {
            ip.extend([10, 0, 0, host]);
        }
    }
    let kind = if wrap == Wrap::EthernetV6 { [0x86, 0xDD] } else { [0x08, 0x00] };
    let mut out = match wrap {
        Wrap::Ethernet | Wrap::EthernetV6 => [&[0x02; 12][..], &kind].concat(),
        Wrap::Cooked => [&[0; 14][..], &kind].concat(),
        Wrap::Raw => Vec::new(),
        Wrap::Loopback => vec![2, 0, 0, 0],
    };
    out.extend(ip);
    out.extend(tcp);
    out
}

pub fn pcap(packets: &[Packet], wrap: Wrap) -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut file = words(&[0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, u32::from(wrap.link())]);
    for packet in packets {
        let octets = octets(packet, wrap);
        let (seconds, micros) = (BEGIN_S + packet.at_ms / 1000, packet.at_ms % 1000 * 1000);
        file.extend(words(&[seconds as u32, micros as u32, octets.len() as u32, octets.len() as u32]));
        file.extend(octets);
    }
    file
}

pub fn pcapng(packets: &[Packet], wrap: Wrap) -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let block = |kind: u32, mut body: Vec<u8>| {
        body.resize(body.len().next_multiple_of(4), 0);
        let length = 12 + body.len() as u32;
        [words(&[kind, length]), body, words(&[length])].concat()
    };
    let mut file = block(0x0A0D_0D0A, words(&[0x1A2B_3C4D, 1, u32::MAX, u32::MAX]));
    file.extend(block(1, words(&[u32::from(wrap.link()), 65_535])));
    for packet in packets {
        let octets = octets(packet, wrap);
        let micros = BEGIN_S * 1_000_000 + packet.at_ms * 1000;
        let mut body =
            words(&[0, (micros >> 32) as u32, micros as u32, octets.len() as u32, octets.len() as u32]);
        body.extend(octets);
        file.extend(block(6, body));
    }
    file
}
