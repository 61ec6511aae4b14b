//! Framing, decoding, encoding.

use bytes::{Bytes, BytesMut};
use protocol::error::{DecodeError, Deviation};
use protocol::frame::{self, Frame, Framer, Grade, Limits};
use protocol::pdu::{Body, HEADER_OCTETS, Pdu, Sm};
use protocol::text::{self, Alphabet};
use protocol::{receipt, status::Status};

use super::script::Script;

/// A limit that seeds reach.
const SMALL_PDU_OCTETS: u32 = 64;

/// A stream in pieces: the framer finds what a plain reading of the lengths finds, whatever the pieces, and keeps nothing
/// but the start of the next PDU.
pub fn frame(octets: &[u8]) {
    let mut script = Script::new(octets);
    let grade = script.choose(&[Grade::Lenient, Grade::Strict]);
    let max_pdu_octets = script.choose(&[Limits::default().max_pdu_octets, SMALL_PDU_OCTETS]);
    let pieces = [script.octet(), script.octet()].map(|octets| usize::from(octets) + 1);
    let stream = script.rest();

    let mut framer = Framer::new(Limits { max_pdu_octets }, grade);
    let (mut found, mut lost) = (Vec::new(), false);
    let mut rest = stream;
    for piece in pieces.iter().cycle() {
        let (piece, behind) = rest.split_at((*piece).min(rest.len()));
        framer.push(piece);
        while let Some(next) = framer.next() {
            assert!(!lost, "{next:?} after a lost length");
            match next {
                Ok(frame) => found.push(frame),
                Err(error) => {
                    lost = true;
                    assert!(
                        error.reply.is_none_or(|reply| *reply == Pdu::generic_nack(0, Status::INVCMDLEN))
                    );
                }
            }
        }
        assert!(framer.buffered() < max_pdu_octets as usize);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }

    let (mut at, mut unread) = (0, Some(stream.len()));
    for frame in found {
        let length = length_at(stream, at).expect("the length of a PDU that was found");
        let raw = Bytes::copy_from_slice(&stream[at..at + length]);
        assert_eq!(frame, frame::decode(raw, grade));
        at += length;
    }
    if let Some(length) = length_at(stream, at) {
        unread = (HEADER_OCTETS..=max_pdu_octets as usize).contains(&length).then_some(stream.len() - at);
        assert!(unread.is_none_or(|unread| unread < length), "a PDU was not found");
    } else {
        unread = unread.map(|all| all - at);
    }
    assert_eq!((lost, framer.buffered()), (unread.is_none(), unread.unwrap_or(0)));
}

fn length_at(stream: &[u8], at: usize) -> Option<usize> {
    stream.get(at..)?.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)
}

/// One PDU, its length as it comes and set right: both grades agree on what it is, the refusal of a bad one can be read,
/// and whatever looks at a good one does so without harm.
pub fn decode(octets: &[u8]) {
    examine(Bytes::copy_from_slice(octets));
    if let Some(raw) = with_length(octets) {
        examine(raw);
    }
}

fn with_length(octets: &[u8]) -> Option<Bytes> {
    let mut raw = BytesMut::from(octets);
    let length = u32::try_from(octets.len()).ok()?;
    *raw.first_chunk_mut()? = length.to_be_bytes();
    (raw.len() >= HEADER_OCTETS).then(|| raw.freeze())
}

fn examine(raw: Bytes) {
    let lenient = frame::decode(raw.clone(), Grade::Lenient);
    let strict = frame::decode(raw.clone(), Grade::Strict);
    match (&lenient, &strict) {
        (Frame::Malformed { .. }, Frame::Malformed { .. }) | (Frame::Clean(_), Frame::Clean(_)) => {
            if !matches!(strict, Frame::Malformed { error: DecodeError::Strict(_), .. }) {
                assert_eq!(lenient, strict);
            }
        }
        (Frame::Tolerated(..), Frame::Tolerated(..)) => assert_eq!(lenient, strict),
        (_, Frame::Malformed { error: DecodeError::Strict(_), .. }) => {}
        other => panic!("{other:?}"),
    }
    for frame in [lenient, strict] {
        let shown = format!("{frame:?}");
        assert!(!shown.is_empty());
        if let Some(reply) = frame.reply() {
            let header = raw.get(12..HEADER_OCTETS).map(<[u8]>::to_vec);
            assert!(reply.command_id().is_response());
            assert_eq!(Some(reply.sequence.to_be_bytes().to_vec()), header);
            assert!(frame::decode(encoded(&reply), Grade::Lenient).pdu().is_some());
        }
        match &frame {
            Frame::Clean(pdu) => look_at(pdu),
            Frame::Tolerated(pdu, deviations) => {
                assert_eq!(deviations.raw(), raw);
                assert!(!deviations.is_empty());
                look_at(pdu);
            }
            Frame::Malformed { header, raw: kept, .. } => {
                assert_eq!(*kept, raw);
                assert!(raw.len() < HEADER_OCTETS || header.sequence.to_be_bytes() == raw[12..HEADER_OCTETS]);
            }
        }
    }
}

fn look_at(pdu: &Pdu) {
    let _ = (pdu.body.fields(), pdu.objection(), pdu.check());
    for tlv in pdu.body.tlvs().into_iter().flatten() {
        let _ = (tlv.tag.label(), tlv.text(), tlv.uint());
    }
    match &pdu.body {
        Body::SubmitSm(sm) | Body::DeliverSm(sm) => look_at_message(sm),
        Body::DataSm(data) => look_at_message(&Sm::from(data.clone())),
        _ => {}
    }
}

fn look_at_message(sm: &Sm) {
    let read = text::read(sm, Alphabet::Gsm7);
    assert_eq!(text::concat_of(sm), read.concat);
    let _ = (receipt::parse(sm), receipt::looks_like(sm), sm.source.normalised(), sm.dest.normalised());
}

/// What was read is written: octet for octet where nothing had to be mended, and what is written reads as the same again.
pub fn roundtrip(octets: &[u8]) {
    let Some(raw) = with_length(octets) else { return };
    let frame = frame::decode(raw.clone(), Grade::Lenient);
    let Some(pdu) = frame.pdu() else { return };
    let written = encoded(pdu);
    assert_eq!(written.len(), pdu.encoded_len());
    let mended = !frame.deviations().iter().all(is_kept);
    assert!(mended || written == raw);
    let again = frame::decode(written.clone(), Grade::Lenient);
    assert!(again.deviations().iter().all(is_kept), "{again:?}");
    if again.pdu() != Some(pdu) {
        // With its broken end left out, a response whose id is a control octet can be TLVs to the last one.
        assert!(
            mended && again.deviations().contains(&Deviation::BodyIsTlvsOnly),
            "{frame:?}, then {again:?}"
        );
        return;
    }

    // what check lets through, a strict peer takes
    let taken = frame::decode(written, Grade::Strict).pdu().is_some();
    assert!(taken || pdu.check().is_err());
}

/// What can be off in a PDU and is still written back as it came.
fn is_kept(deviation: &Deviation) -> bool {
    !matches!(
        deviation,
        Deviation::TrailingBytes
            | Deviation::TrailingNul
            | Deviation::TlvTruncated
            | Deviation::TlvOverrun
            | Deviation::PartialBody
            | Deviation::UnterminatedCstring(_)
    )
}

fn encoded(pdu: &Pdu) -> Bytes {
    let mut out = BytesMut::new();
    pdu.encode(&mut out);
    out.freeze()
}
