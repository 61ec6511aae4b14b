//! From octets to PDUs: where each one ends, and how well it could be read.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::error::{DecodeError, Deviation, Deviations};
use crate::pdu::{Body, CommandId, HEADER_OCTETS, Header, Pdu, SEQUENCE_MAX, reply_to};
use crate::status::Status;
use crate::strict;
use crate::wire::{self, Reader};

/// Most octets a PDU may have unless set otherwise: a full message_payload (64 KiB) and its fields.
pub const MAX_PDU_OCTETS: u32 = 72 * 1024;

/// What a [`Framer`] lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A PDU that claims more octets ends the session: the stream is taken as lost.
    pub max_pdu_octets: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_pdu_octets: MAX_PDU_OCTETS }
    }
}

/// How much is tolerated in a PDU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grade {
    /// Whatever can be read is read, and what was off is named.
    #[default]
    Lenient,
    /// What the specification does not allow is malformed.
    Strict,
}

/// One PDU and how well it could be read.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// Nothing to remark.
    Clean(Pdu),
    /// Read, with things to remark.
    Tolerated(Pdu, Deviations),
    /// Not readable. The session goes on; `reply` is what to answer.
    Malformed {
        /// Its header, which always can be read.
        header: Header,
        /// The whole PDU as it came.
        raw: Bytes,
        /// What is wrong.
        error: DecodeError,
        /// The response that refuses it; `None` for responses and for requests that are not answered.
        reply: Option<Box<Pdu>>,
    },
}

/// The end of a PDU can't be found any more: send the reply, if there is one, and close.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct LostLength {
    /// Why.
    pub error: LengthError,
    /// generic_nack with sequence 0; nothing to peers that do not speak SMPP.
    pub reply: Option<Box<Pdu>>,
}

/// Why a stream is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LengthError {
    /// Less than a header.
    #[error("command_length {0} is less than a header of 16 octets")]
    TooSmall(u32),
    /// More than [`Limits::max_pdu_octets`].
    #[error("command_length {0} is more than a PDU may have")]
    TooLarge(u32),
    /// The first octets of another protocol.
    #[error("the peer does not speak SMPP but {0:?}")]
    NotSmpp(Protocol),
}

/// Another protocol met on an SMPP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// A request or answer of HTTP.
    Http,
    /// A TLS record.
    Tls,
    /// AMQP's greeting.
    Amqp,
    /// The header of a proxy in front, version 1 or 2, on a listener that does not expect it.
    Proxy,
}

/// Cuts a stream of octets into PDUs. One for the whole life of a connection.
pub struct Framer {
    limits: Limits,
    grade: Grade,
    /// Octets that came with at least one whole PDU in front.
    ready: Bytes,
    /// How many of them are read.
    read: usize,
    /// Octets behind `ready`.
    coming: BytesMut,
    lost: bool,
}

impl Framer {
    /// An empty one.
    pub fn new(limits: Limits, grade: Grade) -> Self {
        Framer { limits, grade, ready: Bytes::new(), read: 0, coming: BytesMut::new(), lost: false }
    }

    /// Takes octets read from the connection. Nothing is reserved for what a PDU merely claims.
    pub fn push(&mut self, octets: &[u8]) {
        if !self.lost {
            self.coming.extend_from_slice(octets);
        }
    }

    /// The next PDU; `None` until more octets come. After a lost length nothing more comes.
    #[allow(clippy::should_implement_trait)] // not an iterator: it goes on after None
    pub fn next(&mut self) -> Option<Result<Frame, LostLength>> {
        let mut length = self.limits.length_of(self.unread());
        if !matches!(length, Ok(Some(length)) if length <= self.unread().len()) {
            self.refill();
            length = self.limits.length_of(self.unread());
        }
        match length {
            Ok(Some(length)) if length <= self.unread().len() => {
                let start = self.read;
                self.read += length;
                Some(Ok(decode_part(&self.ready, start..self.read, self.grade)))
            }
            Ok(_) => None,
            Err(error) => {
                *self = Framer { lost: true, ..Framer::new(self.limits, self.grade) };
                Some(Err(LostLength::new(error)))
            }
        }
    }

    fn unread(&self) -> &[u8] {
        self.ready.get(self.read..).unwrap_or_default()
    }

    /// Makes what came ready to read, once the PDU it starts with is whole or its length is lost. Octets are moved
    /// only where a PDU came in several reads, and each at most twice.
    fn refill(&mut self) {
        if !self.unread().is_empty() {
            let mut joined = BytesMut::with_capacity(self.buffered());
            joined.extend_from_slice(self.unread());
            joined.extend_from_slice(&self.coming);
            self.coming = joined;
        }
        self.ready = Bytes::new();
        self.read = 0;
        match self.limits.length_of(&self.coming) {
            Ok(Some(length)) if length <= self.coming.len() => self.ready = self.coming.split().freeze(),
            Err(_) => self.ready = self.coming.split().freeze(),
            Ok(_) => {}
        }
    }

    /// Octets that wait for the rest of their PDU.
    pub fn buffered(&self) -> usize {
        self.unread().len() + self.coming.len()
    }
}

impl Limits {
    /// The length of the PDU these octets start with; `None` while that is not there yet.
    #[inline]
    fn length_of(self, octets: &[u8]) -> Result<Option<usize>, LengthError> {
        let Some(&first) = octets.first_chunk() else { return Ok(None) };
        let claimed = u32::from_be_bytes(first);
        if claimed > self.max_pdu_octets {
            return Err(match Protocol::of(first) {
                Some(protocol) => LengthError::NotSmpp(protocol),
                None => LengthError::TooLarge(claimed),
            });
        }
        let length = claimed as usize;
        if length < HEADER_OCTETS { Err(LengthError::TooSmall(claimed)) } else { Ok(Some(length)) }
    }
}

impl LostLength {
    fn new(error: LengthError) -> Self {
        let reply = match error {
            LengthError::NotSmpp(_) => None,
            LengthError::TooSmall(_) | LengthError::TooLarge(_) => {
                Some(Box::new(Pdu::generic_nack(0, Status::INVCMDLEN)))
            }
        };
        LostLength { error, reply }
    }
}

impl LengthError {
    /// The short name, `command_length_too_small`.
    pub fn name(self) -> &'static str {
        match self {
            LengthError::TooSmall(_) => "command_length_too_small",
            LengthError::TooLarge(_) => "command_length_too_large",
            LengthError::NotSmpp(Protocol::Http) => "not_smpp_http",
            LengthError::NotSmpp(Protocol::Tls) => "not_smpp_tls",
            LengthError::NotSmpp(Protocol::Amqp) => "not_smpp_amqp",
            LengthError::NotSmpp(Protocol::Proxy) => "not_smpp_proxy_protocol",
        }
    }
}

impl Protocol {
    /// The protocol whose connections start with these octets; all of them are far too large for a length.
    fn of(first: [u8; 4]) -> Option<Protocol> {
        match &first {
            b"GET " | b"POST" | b"HEAD" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"CONN" | b"TRAC"
            | b"PRI " | b"HTTP" => Some(Protocol::Http),
            // handshake or alert records of SSL 3.0 to TLS 1.3
            [0x15 | 0x16, 3, 0..=4, _] => Some(Protocol::Tls),
            b"AMQP" => Some(Protocol::Amqp),
            b"PROX" | b"\r\n\r\n" => Some(Protocol::Proxy),
            _ => None,
        }
    }
}

/// Reads the octets of one whole PDU.
#[inline]
pub fn decode(raw: Bytes, grade: Grade) -> Frame {
    match wire::header(&raw) {
        Some(header) if header.length as usize == raw.len() => decode_part(&raw, 0..raw.len(), grade),
        header => mismatched(header, raw),
    }
}

/// Stands for the header where there is none.
const NO_HEADER: Header =
    Header { length: 0, command: CommandId::GENERIC_NACK, status: Status::OK, sequence: 0 };

/// Reads the PDU in that part of `whole`, of which the caller knows that it is there and holds a header.
fn decode_part(whole: &Bytes, part: Range<usize>, grade: Grade) -> Frame {
    let raw = whole.get(part).unwrap_or_default();
    let header = wire::header(raw).unwrap_or(NO_HEADER);
    let mut reader = Reader::new(whole, raw.get(HEADER_OCTETS..).unwrap_or_default());
    remark(&header, &mut reader);
    // filled where it will stay: a PDU of this size is slower to move than to read
    let mut frame = Frame::Clean(Pdu {
        status: header.status,
        sequence: header.sequence,
        body: Body::blank(header.command),
    });
    if let Frame::Clean(pdu) = &mut frame {
        pdu.body.read(&mut reader, header.status);
    }
    if grade == Grade::Strict || !reader.is_content() {
        regrade(&mut frame, reader.verdict(), header, whole.slice_ref(raw), grade);
    }
    frame
}

/// Grades a PDU in which something was off, or that has to be judged strictly.
#[cold]
fn regrade(
    frame: &mut Frame,
    verdict: Result<Vec<Deviation>, DecodeError>,
    header: Header,
    raw: Bytes,
    grade: Grade,
) {
    let Frame::Clean(pdu) = frame else { return };
    let judged = verdict.and_then(|found| match grade {
        Grade::Lenient => Ok(found),
        Grade::Strict => strict::judge(pdu, &found).map(|()| found).map_err(DecodeError::Strict),
    });
    match judged {
        Ok(found) if found.is_empty() => {}
        Ok(found) => {
            let pdu = std::mem::replace(pdu, Pdu::generic_nack(0, Status::OK));
            *frame = Frame::Tolerated(pdu, Deviations::new(found, raw));
        }
        Err(error) => *frame = malformed(header, raw, error),
    }
}

#[cold]
fn malformed(header: Header, raw: Bytes, error: DecodeError) -> Frame {
    let reply = reply_to(header.command, header.sequence, error.refusal()).map(Box::new);
    Frame::Malformed { header, raw, error, reply }
}

#[cold]
fn mismatched(header: Option<Header>, raw: Bytes) -> Frame {
    let got = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    let header = header.unwrap_or(NO_HEADER);
    malformed(header, raw, DecodeError::LengthMismatch { claimed: header.length, got })
}

/// What is off in a header: the sequence (generic_nack may have 0 where it answers nothing readable, SMPP 3.4
/// section 4.3.1) and a status where nothing is answered.
#[inline]
fn remark(header: &Header, reader: &mut Reader<'_>) {
    match header.sequence {
        0 if header.command != CommandId::GENERIC_NACK => reader.deviate(Deviation::SequenceZero),
        0..=SEQUENCE_MAX => {}
        _ => reader.deviate(Deviation::SequenceAbove7fffffff),
    }
    if !header.status.is_ok() && !header.command.is_response() && header.command.name().is_some() {
        reader.deviate(Deviation::NonzeroStatusInRequest);
    }
}

impl fmt::Debug for Frame {
    /// Without the octets of malformed PDUs: they may hold a message or a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Clean(pdu) => f.debug_tuple("Clean").field(pdu).finish(),
            Frame::Tolerated(pdu, deviations) => {
                f.debug_tuple("Tolerated").field(pdu).field(deviations).finish()
            }
            Frame::Malformed { header, error, reply, .. } => f
                .debug_struct("Malformed")
                .field("header", header)
                .field("error", error)
                .field("reply", reply)
                .finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").field("buffered", &self.buffered()).finish_non_exhaustive()
    }
}

impl Frame {
    /// The PDU, when it could be read.
    pub fn pdu(&self) -> Option<&Pdu> {
        match self {
            Frame::Clean(pdu) | Frame::Tolerated(pdu, _) => Some(pdu),
            Frame::Malformed { .. } => None,
        }
    }

    /// What was tolerated, if anything.
    pub fn deviations(&self) -> &[Deviation] {
        match self {
            Frame::Tolerated(_, deviations) => deviations.as_slice(),
            Frame::Clean(_) | Frame::Malformed { .. } => &[],
        }
    }

    /// The answer of a server that has nothing of its own to say: accepted, or refused for what is off in it.
    pub fn reply(&self) -> Option<Pdu> {
        match self {
            Frame::Clean(pdu) => pdu.reply(Status::OK),
            Frame::Tolerated(pdu, deviations) => pdu.reply(deviations.refusal().unwrap_or(Status::OK)),
            Frame::Malformed { reply, .. } => reply.as_deref().cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Breach;

    fn framer() -> Framer {
        Framer::new(Limits::default(), Grade::Lenient)
    }

    fn header(length: u32, command: CommandId) -> Vec<u8> {
        [length, command.0, 0, 7].iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn other_protocols_are_named_and_get_no_answer() {
        let greetings: [(&[u8], &str); 9] = [
            (b"GET / HTTP/1.1\r\n", "not_smpp_http"),
            (b"POST /x HTTP/1.1\r\n", "not_smpp_http"),
            (b"PRI * HTTP/2.0\r\n", "not_smpp_http"),
            (b"HTTP/1.1 400 Bad Request\r\n", "not_smpp_http"),
            (b"\x16\x03\x01\x02\x00\x01", "not_smpp_tls"),
            (b"\x15\x03\x03\x00\x02", "not_smpp_tls"),
            (b"AMQP\x00\x00\x09\x01", "not_smpp_amqp"),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "not_smpp_proxy_protocol"),
            (b"\r\n\r\n\x00\r\nQUIT\n", "not_smpp_proxy_protocol"),
        ];
        for (greeting, name) in greetings {
            let mut framer = framer();
            framer.push(greeting);
            let lost = framer.next().unwrap().unwrap_err();
            assert_eq!((lost.error.name(), lost.reply), (name, None));
        }
    }

    #[test]
    fn after_a_lost_length_nothing_more_comes_and_nothing_is_kept() {
        let mut framer = framer();
        framer.push(&header(16, CommandId::ENQUIRE_LINK));
        framer.push(&header(15, CommandId::ENQUIRE_LINK));
        framer.push(&header(16, CommandId::ENQUIRE_LINK));
        assert_eq!(framer.next(), Some(Ok(Frame::Clean(Pdu::new(7, Body::EnquireLink)))));
        let lost = framer.next().unwrap().unwrap_err();
        assert_eq!(lost.error, LengthError::TooSmall(15));
        assert_eq!(lost.reply.as_deref(), Some(&Pdu::generic_nack(0, Status::INVCMDLEN)));
        framer.push(&header(16, CommandId::ENQUIRE_LINK));
        assert_eq!(framer.next(), None);
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn the_limit_itself_is_let_in_and_one_octet_more_is_not() {
        let limits = Limits { max_pdu_octets: 32 };
        let mut fits = Framer::new(limits, Grade::Lenient);
        fits.push(&header(32, CommandId::SUBMIT_SM));
        assert_eq!(fits.next(), None);
        assert_eq!(fits.buffered(), 16);
        let mut over = Framer::new(limits, Grade::Lenient);
        over.push(&header(33, CommandId::SUBMIT_SM)[..4]);
        assert_eq!(over.next().unwrap().unwrap_err().error, LengthError::TooLarge(33));
    }

    #[test]
    fn a_full_payload_that_comes_octet_by_octet_is_whole_at_its_last_octet() {
        const FIELDS: usize = 10;
        let length = HEADER_OCTETS + FIELDS + 4 + 65_535;
        let mut raw = header(length as u32, CommandId::DATA_SM);
        raw.extend([0; FIELDS]);
        raw.extend([0x04, 0x24, 0xFF, 0xFF]);
        raw.resize(length, b'x');
        let mut framer = framer();
        let (last, start) = raw.split_last().unwrap();
        for octet in start {
            framer.push(&[*octet]);
            assert_eq!(framer.next(), None);
        }
        framer.push(&[*last]);
        let Some(Ok(Frame::Clean(Pdu { body: Body::DataSm(data), .. }))) = framer.next() else {
            panic!("a clean data_sm")
        };
        assert_eq!(data.tlvs.iter().map(|tlv| tlv.value.len()).collect::<Vec<_>>(), [65_535]);
    }

    #[test]
    fn octets_that_are_not_one_pdu_are_malformed() {
        for octets in [&b""[..], b"\0\0\0\x10", &header(17, CommandId::UNBIND)] {
            let frame = decode(Bytes::copy_from_slice(octets), Grade::Lenient);
            assert!(matches!(frame, Frame::Malformed { error: DecodeError::LengthMismatch { .. }, .. }));
        }
    }

    #[test]
    fn strict_mode_answers_with_the_status_that_fits() {
        let mut raw = header(18, CommandId::ENQUIRE_LINK);
        raw.extend([0, 0]);
        let frame = decode(Bytes::from(raw), Grade::Strict);
        let Frame::Malformed { error, reply, .. } = frame else { panic!("malformed") };
        assert_eq!(error, DecodeError::Strict(Breach::TrailingBytes));
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.sequence), (Status::INVCMDLEN, 7));
        assert_eq!(reply.body, Body::EnquireLinkResp);
    }

    #[test]
    fn debug_output_holds_no_octets() {
        let mut raw = header(25, CommandId::OUTBIND);
        raw.extend(b"me\0secret");
        raw.splice(3..4, [25]);
        let text = format!("{:?}", decode(Bytes::from(raw.clone()), Grade::Lenient));
        let malformed = format!("{:?}", decode(Bytes::from(raw), Grade::Strict));
        assert!(!text.contains("secret") && !malformed.contains("secret"), "{text} {malformed}");
    }
}
