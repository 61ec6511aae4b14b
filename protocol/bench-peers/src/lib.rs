//! One PDU read and written by three libraries, each through what its users call.

#[allow(missing_docs)]
#[path = "../../benches/codec/rows.rs"]
pub mod rows;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use protocol::frame::{Frame, Framer, Grade, Limits};
use protocol::pdu::{CommandId, Pdu};
use tokio_util::codec::{Decoder, Encoder};

use rows::Row;

/// PDUs in one read: about what a busy link brings.
pub const PDUS_A_READ: usize = 100;

/// Room for any of the PDUs.
const WRITE_OCTETS: usize = 1024;

/// A library, ready for one kind of PDU.
pub trait Library {
    /// Its name and version.
    const NAME: &'static str;
    /// What it reads from.
    type Octets;
    /// What it writes, where writing takes it: a copy for each time.
    type Message;

    /// Ready for that PDU.
    fn new(row: Row) -> Self;
    /// The octets of the PDU, to be read once.
    fn octets(&self) -> Self::Octets;
    /// Reads the PDU.
    fn decode(&mut self, octets: Self::Octets);
    /// Reads a hundred of them that came at once.
    fn decode_read(&mut self, read: &[u8]);
    /// The PDU, to be written once.
    fn message(&self) -> Self::Message;
    /// Writes the PDU.
    fn encode(&mut self, message: Self::Message);
}

/// This crate.
pub struct Backchat {
    octets: Bytes,
    pdu: Pdu,
    framer: Framer,
    out: BytesMut,
}

impl Library for Backchat {
    const NAME: &'static str = "backchat-protocol";
    type Octets = Bytes;
    type Message = ();

    fn new(row: Row) -> Self {
        let (octets, pdu) = (row.octets(), row.pdu());
        assert_eq!(protocol::frame::decode(octets.clone(), Grade::Lenient), Frame::Clean(pdu.clone()));
        let framer = Framer::new(Limits::default(), Grade::Lenient);
        Backchat { octets, pdu, framer, out: BytesMut::with_capacity(WRITE_OCTETS) }
    }

    fn octets(&self) -> Bytes {
        self.octets.clone()
    }

    fn decode(&mut self, octets: Bytes) {
        black_box(&protocol::frame::decode(octets, Grade::Lenient));
    }

    fn decode_read(&mut self, read: &[u8]) {
        self.framer.push(read);
        while let Some(frame) = self.framer.next() {
            black_box(&frame);
        }
    }

    fn message(&self) {}

    fn encode(&mut self, (): ()) {
        self.out.clear();
        black_box(&self.pdu).encode(&mut self.out);
        black_box(&self.out);
    }
}

/// rusmpp, with its codec for tokio.
pub struct Rusmpp {
    octets: Bytes,
    codec: rusmpp::tokio_codec::CommandCodec,
    command: rusmpp::Command,
    out: BytesMut,
}

impl Library for Rusmpp {
    const NAME: &'static str = "rusmpp 0.4";
    type Octets = BytesMut;
    type Message = ();

    fn new(row: Row) -> Self {
        let octets = row.octets();
        let mut codec = rusmpp::tokio_codec::CommandCodec::new();
        let command = codec.decode(&mut BytesMut::from(&octets[..])).expect("readable").expect("whole");
        let mut out = BytesMut::with_capacity(WRITE_OCTETS);
        codec.encode(&command, &mut out).expect("writable");
        assert_eq!(out, octets);
        Rusmpp { octets, codec, command, out }
    }

    fn octets(&self) -> BytesMut {
        BytesMut::from(&self.octets[..])
    }

    fn decode(&mut self, mut octets: BytesMut) {
        black_box(&self.codec.decode(&mut octets)).as_ref().expect("readable");
    }

    fn decode_read(&mut self, read: &[u8]) {
        let mut octets = BytesMut::from(read);
        while let Some(command) = self.codec.decode(&mut octets).expect("readable") {
            black_box(&command);
        }
    }

    fn message(&self) {}

    fn encode(&mut self, (): ()) {
        self.out.clear();
        self.codec.encode(black_box(&self.command), &mut self.out).expect("writable");
        black_box(&self.out);
    }
}

/// smpp34. It cuts a stream inside its client and server, so that reading a hundred is reading each from its slice.
pub struct Smpp34 {
    octets: Bytes,
    message: Smpp34Message,
}

/// A PDU of smpp34, which has a type for each command and gives it away to write it.
#[derive(Clone)]
pub enum Smpp34Message {
    /// submit_sm
    Submit(smpp34::submit_sm),
    /// deliver_sm
    Deliver(smpp34::deliver_sm),
}

impl Smpp34 {
    fn read(octets: &[u8]) -> Smpp34Message {
        let header = smpp34::CommandHeader::decode(octets).expect("a header");
        match CommandId(header.command_id) {
            CommandId::SUBMIT_SM => {
                Smpp34Message::Submit(smpp34::submit_sm::decode(header, octets).expect("readable"))
            }
            _ => Smpp34Message::Deliver(smpp34::deliver_sm::decode(header, octets).expect("readable")),
        }
    }
}

impl Library for Smpp34 {
    const NAME: &'static str = "smpp34 1.5";
    type Octets = ();
    type Message = Smpp34Message;

    fn new(row: Row) -> Self {
        let octets = row.octets();
        let message = Smpp34::read(&octets);
        let written = match message.clone() {
            Smpp34Message::Submit(pdu) => pdu.encode(),
            Smpp34Message::Deliver(pdu) => pdu.encode(),
        };
        assert_eq!(written, octets);
        Smpp34 { octets, message }
    }

    fn octets(&self) {}

    fn decode(&mut self, (): ()) {
        black_box(&Smpp34::read(black_box(&self.octets)));
    }

    fn decode_read(&mut self, read: &[u8]) {
        let mut rest = read;
        while let Some((length, _)) = rest.split_first_chunk() {
            let (pdu, behind) = rest.split_at(u32::from_be_bytes(*length) as usize);
            black_box(&Smpp34::read(pdu));
            rest = behind;
        }
    }

    fn message(&self) -> Smpp34Message {
        self.message.clone()
    }

    fn encode(&mut self, message: Smpp34Message) {
        black_box(&match message {
            Smpp34Message::Submit(pdu) => pdu.encode(),
            Smpp34Message::Deliver(pdu) => pdu.encode(),
        });
    }
}
