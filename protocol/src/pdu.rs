//! The PDU: header fields and one body for each command of SMPP 3.3, 3.4 and 5.0.

pub mod bind;
mod body;
pub mod broadcast;
mod command;
pub mod inquiry;
pub mod link;
pub mod manage;
pub mod message;
pub mod multi;
mod view;

use bytes::BytesMut;

use crate::error::{Breach, Objection};
use crate::status::Status;

pub use bind::{Bind, BindResp, Outbind};
pub use body::Body;
pub use broadcast::{BroadcastSm, CancelBroadcastSm, QueryBroadcastSm};
pub use command::CommandId;
pub use inquiry::{
    ParamRetrieve, ParamRetrieveResp, QueryLastMsgs, QueryLastMsgsResp, QueryMsgDetails, QueryMsgDetailsResp,
};
pub use link::AlertNotification;
pub use manage::{CancelSm, QuerySm, QuerySmResp, ReplaceSm};
pub use message::{DataSm, MessageResp, Sm};
pub use multi::{Destination, SubmitMulti, SubmitMultiResp, Unsuccess};
pub use view::Value;

/// Octets of the header: length, command, status, sequence (SMPP 3.4 section 3.2).
pub const HEADER_OCTETS: usize = 16;

/// The highest legal sequence number (SMPP 3.4 section 5.1.4).
pub const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;

/// The four header fields as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// command_length, the header included.
    pub length: u32,
    /// command_id.
    pub command: CommandId,
    /// command_status.
    pub status: Status,
    /// sequence_number.
    pub sequence: u32,
}

/// One protocol data unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// command_status; 0 in requests.
    pub status: Status,
    /// sequence_number; a response repeats its request's.
    pub sequence: u32,
    /// The command and its fields.
    pub body: Body,
}

impl Pdu {
    /// A PDU with status ESME_ROK.
    pub fn new(sequence: u32, body: Body) -> Pdu {
        Pdu { status: Status::OK, sequence, body }
    }

    /// A PDU with the given status: a response.
    pub fn with_status(sequence: u32, status: Status, body: Body) -> Pdu {
        Pdu { status, sequence, body }
    }

    /// A generic_nack.
    pub fn generic_nack(sequence: u32, status: Status) -> Pdu {
        Pdu { status, sequence, body: Body::GenericNack }
    }

    /// The command_id of its body.
    pub fn command_id(&self) -> CommandId {
        self.body.command_id()
    }

    /// The response to this request with that status and as little body as the command allows: none with an error,
    /// an empty message_id with ESME_ROK. generic_nack for a request nobody knows; `None` for what is not answered.
    pub fn reply(&self, status: Status) -> Option<Pdu> {
        reply_to(self.command_id(), self.sequence, status)
    }

    /// Octets [`encode`](Pdu::encode) will write.
    pub fn encoded_len(&self) -> usize {
        HEADER_OCTETS + crate::wire::encoded_len(&self.body)
    }

    /// Appends the PDU to `out`.
    ///
    /// A short_message over 255 octets is written as message_payload; of a list its count can't hold, and of a TLV
    /// over 65535 octets, the rest is left out. [`check`](Pdu::check) tells before.
    pub fn encode(&self, out: &mut BytesMut) {
        crate::wire::encode(self, out);
    }

    /// A value in this request that could be read and should be refused; the first one.
    pub fn objection(&self) -> Option<Objection> {
        crate::strict::objection(&self.body)
    }

    /// What a strict peer would refuse in this PDU: our own are checked before they are sent.
    pub fn check(&self) -> Result<(), Breach> {
        crate::strict::check(self)
    }
}

pub(crate) fn reply_to(command: CommandId, sequence: u32, status: Status) -> Option<Pdu> {
    if command.is_response() {
        return None;
    }
    match command.response() {
        Some(response) => Some(Pdu { status, sequence, body: Body::bare_response(response, status)? }),
        None if command.name().is_some() => None,
        None => Some(Pdu::generic_nack(sequence, Status::INVCMDID)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::address::Address;
    use crate::error::Field;
    use crate::frame::{Frame, Grade, decode};
    use crate::tlv::{Tag, Tlv};

    fn submit(short_message: Bytes) -> Pdu {
        let dest = Address::international("447700900123");
        Pdu::new(1, Body::SubmitSm(Sm { dest, short_message, ..Sm::default() }))
    }

    fn reread(pdu: &Pdu) -> Pdu {
        let mut out = BytesMut::from(&b"before"[..]);
        pdu.encode(&mut out);
        assert_eq!(out.len(), 6 + pdu.encoded_len());
        match decode(out.freeze().slice(6..), Grade::Lenient) {
            Frame::Clean(pdu) | Frame::Tolerated(pdu, _) => pdu,
            malformed => panic!("{malformed:?}"),
        }
    }

    #[test]
    fn a_text_too_long_for_sm_length_goes_as_payload_and_not_cut() {
        let long = Bytes::from(vec![b'x'; 256]);
        let pdu = submit(long.clone());
        assert_eq!(pdu.check(), Err(Breach::CountOverflow(Field::ShortMessage)));
        let Body::SubmitSm(sm) = reread(&pdu).body else { panic!("a submit_sm") };
        assert!(sm.short_message.is_empty());
        assert_eq!(sm.content(), long);
        assert_eq!(sm.tlvs.len(), 1);
    }

    #[test]
    fn a_pdu_of_any_length_is_written_whole_behind_what_was_there() {
        for text in 0..=255 {
            for value in [0, 1, 2, 21, 22, 23, 300] {
                let mut pdu = submit(Bytes::from(vec![b'x'; text]));
                let Body::SubmitSm(sm) = &mut pdu.body else { panic!("a submit_sm") };
                sm.source = Address::new(0, 1, "1".repeat(text % 30));
                sm.tlvs.push(Tlv::new(Tag(0x1500), vec![b'y'; value]));
                assert_eq!(reread(&pdu), pdu);
            }
        }
    }

    #[test]
    fn what_a_count_cannot_say_is_left_out_and_told_before() {
        let dests = vec![Destination::List("all".into()); 300];
        let multi = Pdu::new(1, Body::SubmitMulti(Box::new(SubmitMulti { dests, ..SubmitMulti::default() })));
        assert_eq!(multi.check(), Err(Breach::CountOverflow(Field::NumberOfDests)));
        let Body::SubmitMulti(read) = reread(&multi).body else { panic!("a submit_multi") };
        assert_eq!(read.dests.len(), 255);

        let mut pdu = submit(Bytes::new());
        let Body::SubmitSm(sm) = &mut pdu.body else { panic!("a submit_sm") };
        sm.tlvs.push(Tlv::new(Tag(0x1500), vec![1; 70_000]));
        assert_eq!(pdu.check(), Err(Breach::TlvBadLength(Tag(0x1500))));
        let Body::SubmitSm(sm) = reread(&pdu).body else { panic!("a submit_sm") };
        assert_eq!(sm.tlvs.get(Tag(0x1500)).map(|tlv| tlv.value.len()), Some(65_535));
    }

    #[test]
    fn content_is_short_message_unless_that_is_empty() {
        let mut sm = Sm::default();
        assert!(sm.content().is_empty());
        sm.tlvs.push(Tlv::new(Tag::MESSAGE_PAYLOAD, &b"payload"[..]));
        assert_eq!(sm.content(), "payload");
        sm.short_message = "short".into();
        assert_eq!(sm.content(), "short");
    }

    #[test]
    fn replies_carry_an_empty_id_when_fine_and_no_body_when_not() {
        let pdu = submit(Bytes::new());
        let fine = pdu.reply(Status::OK).unwrap();
        assert_eq!((fine.encoded_len(), fine.sequence), (17, 1));
        let refused = pdu.reply(Status::THROTTLED).unwrap();
        assert_eq!((refused.encoded_len(), refused.status), (16, Status::THROTTLED));
        assert_eq!(refused.reply(Status::OK), None);
        assert_eq!(Pdu::new(1, Body::Outbind(Outbind::default())).reply(Status::OK), None);
        let unknown = Pdu::new(9, Body::Unknown { command_id: 0x0001_0200, body: Bytes::new() });
        assert_eq!(unknown.reply(Status::OK), Some(Pdu::generic_nack(9, Status::INVCMDID)));
    }

    #[test]
    fn our_own_are_checked_as_a_strict_peer_would() {
        assert_eq!(submit("hi".into()).check(), Ok(()));
        assert_eq!(Pdu { sequence: 0, ..submit("hi".into()) }.check(), Err(Breach::SequenceOutOfRange));
        assert_eq!(Pdu::generic_nack(0, Status::INVCMDLEN).check(), Ok(()));
        let failed = Pdu { status: Status::SYSERR, ..submit("hi".into()) };
        assert_eq!(failed.check(), Err(Breach::NonzeroStatusInRequest));
        assert_eq!(Pdu::new(1, Body::SubmitSm(Sm::default())).check(), Err(Breach::MissingDestination));
    }

    #[test]
    fn debug_output_holds_no_text_no_password_and_no_number() {
        let sm = format!("{:?}", submit("do not show".into()));
        assert!(!sm.contains("do not show") && !sm.contains("447700900123"), "{sm}");
        let bind = Bind { password: "s3cret".into(), ..Bind::default() };
        assert!(!format!("{:?}", Pdu::new(1, Body::BindTransceiver(bind))).contains("s3cret"));
        let body = Body::Unknown { command_id: 1, body: "do not show".into() };
        assert_eq!(format!("{body:?}"), "Unknown(0x00000001, 11 octets)");
    }
}
