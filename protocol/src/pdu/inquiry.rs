//! param_retrieve, query_last_msgs and query_msg_details, which only SMPP 3.3 has: what an ESME may ask of its message
//! centre. 3.4 (section 5.1.2.1) kept their numbers and dropped them.

use std::fmt;

use bytes::Bytes;

use crate::address::Address;
use crate::error::{Deviation, Field};
use crate::octets::COctets;
use crate::pdu::Destination;
use crate::status::Status;
use crate::tlv::Tlvs;
use crate::wire::{Fields, Reader, SOURCE, Sink, limit};

/// Asks for the value of a parameter of the message centre.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ParamRetrieve {
    /// Which; up to 31 octets.
    pub param_name: COctets,
}

impl Fields for ParamRetrieve {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        self.param_name = r.last_cstring(Field::ParamName, limit::PARAM_NAME);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ParamName, limit::PARAM_NAME, &self.param_name);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// The value of a parameter.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ParamRetrieveResp {
    /// Up to 100 octets; `None` when the body is missing.
    pub param_value: Option<COctets>,
}

impl Fields for ParamRetrieveResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        self.param_value = r.response_cstring(Field::ParamValue, limit::PARAM_VALUE, status);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.optional(Field::ParamValue, limit::PARAM_VALUE, &self.param_value);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// Asks for the ids of the last messages from a source.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct QueryLastMsgs {
    /// The source.
    pub source: Address,
    /// How many.
    pub num_of_msgs: u8,
}

impl Fields for QueryLastMsgs {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        self.num_of_msgs = r.u8(Field::NumOfMsgs);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.u8(Field::NumOfMsgs, self.num_of_msgs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// The ids of the last messages.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct QueryLastMsgsResp {
    /// Up to 255; `None` when the body is missing.
    pub message_ids: Option<Vec<COctets>>,
}

impl QueryLastMsgsResp {
    fn read_ids(r: &mut Reader<'_>) -> Vec<COctets> {
        let count = usize::from(r.u8(Field::NumOfMsgs));
        // an empty id is one octet
        let mut ids = Vec::with_capacity(count.min(r.left()));
        while ids.len() < count && !r.has_failed() {
            let mut id = COctets::EMPTY;
            r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut id);
            if !r.has_failed() {
                ids.push(id);
            }
        }
        ids
    }
}

impl Fields for QueryLastMsgsResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        if r.left() > 0 {
            self.message_ids = Some(QueryLastMsgsResp::read_ids(r));
        } else if status.is_ok() {
            r.deviate(Deviation::MissingBody);
        }
        if !status.is_ok() {
            r.forgive(Deviation::PartialBody);
        }
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        if let Some(ids) = &self.message_ids {
            w.message_ids(ids);
        }
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// Asks for all that is known of a message.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct QueryMsgDetails {
    /// The id the peer gave.
    pub message_id: COctets,
    /// The source of that message.
    pub source: Address,
    /// Octets of its text that are wanted.
    pub sm_length: u8,
}

impl Fields for QueryMsgDetails {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        self.sm_length = r.u8(Field::SmLength);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.u8(Field::SmLength, self.sm_length);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// All that is known of a message.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct QueryMsgDetailsResp {
    /// Mostly empty, up to 5 octets; `None` when the body is missing, and the other fields mean nothing.
    pub service_type: Option<COctets>,
    /// Who sent.
    pub source: Address,
    /// Who receives.
    pub dests: Vec<Destination>,
    /// TP-PID.
    pub protocol_id: u8,
    /// 0 or 1.
    pub priority_flag: u8,
    /// Empty, or a time of 16 characters.
    pub schedule_delivery_time: COctets,
    /// Empty, or a time of 16 characters.
    pub validity_period: COctets,
    /// Whether a receipt was asked for.
    pub registered_delivery: u8,
    /// Alphabet and class of the text.
    pub data_coding: u8,
    /// The text, as far as it was wanted; up to 255 octets.
    pub short_message: Bytes,
    /// The id asked for.
    pub message_id: COctets,
    /// When it came to its final state; empty before.
    pub final_date: COctets,
    /// As in query_sm_resp.
    pub message_state: u8,
    /// The network's error.
    pub error_code: u8,
}

impl QueryMsgDetailsResp {
    fn read_details(&mut self, r: &mut Reader<'_>) {
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        self.dests = Destination::read_all(r);
        [self.protocol_id, self.priority_flag] = r.octets([Field::ProtocolId, Field::PriorityFlag]);
        r.cstring(Field::ScheduleDeliveryTime, limit::TIME, &mut self.schedule_delivery_time);
        r.cstring(Field::ValidityPeriod, limit::TIME, &mut self.validity_period);
        [self.registered_delivery, self.data_coding] =
            r.octets([Field::RegisteredDelivery, Field::DataCoding]);
        self.short_message = r.short_message();
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.cstring(Field::FinalDate, limit::TIME, &mut self.final_date);
        [self.message_state, self.error_code] = r.octets([Field::MessageState, Field::ErrorCode]);
    }
}

impl Fields for QueryMsgDetailsResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        self.service_type = r.response_cstring(Field::ServiceType, limit::SERVICE_TYPE, status);
        if self.service_type.is_some() {
            self.read_details(r);
        }
        if !status.is_ok() {
            r.forgive(Deviation::PartialBody);
        }
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        if !w.optional(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type) {
            return;
        }
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.destinations(&self.dests);
        w.octets([Field::ProtocolId, Field::PriorityFlag], [self.protocol_id, self.priority_flag]);
        w.cstring(Field::ScheduleDeliveryTime, limit::TIME, &self.schedule_delivery_time);
        w.cstring(Field::ValidityPeriod, limit::TIME, &self.validity_period);
        w.octets(
            [Field::RegisteredDelivery, Field::DataCoding],
            [self.registered_delivery, self.data_coding],
        );
        w.short_message(&self.short_message);
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.cstring(Field::FinalDate, limit::TIME, &self.final_date);
        w.octets([Field::MessageState, Field::ErrorCode], [self.message_state, self.error_code]);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

impl fmt::Debug for QueryMsgDetailsResp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryMsgDetailsResp")
            .field("message_id", &self.message_id)
            .field("source", &self.source)
            .field("dests", &self.dests)
            .field("short_message", &format_args!("{} octets", self.short_message.len()))
            .field("message_state", &self.message_state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::frame::{Frame, Grade, decode};
    use crate::pdu::{Body, CommandId, Pdu};

    /// A PDU of sequence 1 with that body, read and written again.
    fn read(command: CommandId, status: Status, body: &[u8]) -> Frame {
        let mut raw = BytesMut::new();
        for word in [16 + body.len() as u32, command.0, status.0, 1] {
            raw.extend_from_slice(&word.to_be_bytes());
        }
        raw.extend_from_slice(body);
        let raw = raw.freeze();
        let frame = decode(raw.clone(), Grade::Lenient);
        if let Frame::Clean(pdu) = &frame {
            let mut again = BytesMut::new();
            pdu.encode(&mut again);
            assert_eq!(again, raw);
        }
        frame
    }

    fn clean(command: CommandId, status: Status, body: &[u8]) -> Body {
        match read(command, status, body) {
            Frame::Clean(pdu) => pdu.body,
            frame => panic!("{frame:?}"),
        }
    }

    #[test]
    fn the_three_inquiries_of_smpp_3_3_and_their_answers_are_read_field_by_field() {
        assert_eq!(
            clean(CommandId::PARAM_RETRIEVE, Status::OK, b"max_msgs\0"),
            Body::ParamRetrieve(ParamRetrieve { param_name: "max_msgs".into() })
        );
        assert_eq!(
            clean(CommandId::PARAM_RETRIEVE_RESP, Status::OK, b"40\0"),
            Body::ParamRetrieveResp(ParamRetrieveResp { param_value: Some("40".into()) })
        );
        let source = Address::new(3, 0, "88001");
        assert_eq!(
            clean(CommandId::QUERY_LAST_MSGS, Status::OK, b"\x03\x0088001\0\x02"),
            Body::QueryLastMsgs(QueryLastMsgs { source: source.clone(), num_of_msgs: 2 })
        );
        assert_eq!(
            clean(CommandId::QUERY_LAST_MSGS_RESP, Status::OK, b"\x021A\x001B\0"),
            Body::QueryLastMsgsResp(QueryLastMsgsResp { message_ids: Some(vec!["1A".into(), "1B".into()]) })
        );
        assert_eq!(
            clean(CommandId::QUERY_MSG_DETAILS, Status::OK, b"1A\0\x03\x0088001\0\xA0"),
            Body::QueryMsgDetails(QueryMsgDetails {
                message_id: "1A".into(),
                source: source.clone(),
                sm_length: 160
            })
        );
        let details =
            b"\0\x03\x0088001\0\x02\x01\x01\x01447700900123\0\x02vips\0\0\x01\0\0\x01\0\x05Hello1A\0\0\x02\0";
        let Body::QueryMsgDetailsResp(read) = clean(CommandId::QUERY_MSG_DETAILS_RESP, Status::OK, details)
        else {
            panic!("another command")
        };
        assert_eq!((&read.source, read.short_message.as_ref()), (&source, &b"Hello"[..]));
        assert_eq!((&read.message_id, read.message_state, read.priority_flag), (&"1A".into(), 2, 1));
        let to = Destination::Sme(Address::international("447700900123"));
        assert_eq!(read.dests, [to, Destination::List("vips".into())]);
    }

    #[test]
    fn an_answer_that_is_an_error_may_lack_its_body_and_one_that_is_not_may_not() {
        let answers = [
            CommandId::PARAM_RETRIEVE_RESP,
            CommandId::QUERY_LAST_MSGS_RESP,
            CommandId::QUERY_MSG_DETAILS_RESP,
        ];
        for command in answers {
            let error = clean(command, Status::QUERYFAIL, b"");
            assert_eq!(Some(error), Body::bare_response(command, Status::QUERYFAIL));
            let frame = read(command, Status::OK, b"");
            assert_eq!(frame.deviations(), [Deviation::MissingBody]);
            let bare = Body::bare_response(command, Status::OK).expect("a response");
            assert_eq!(Pdu::new(1, bare).check(), Ok(()));
        }
        let no_tlv = read(CommandId::QUERY_MSG_DETAILS_RESP, Status::QUERYFAIL, b"\0\x2f\0\0\x01\x11\0\0");
        assert_eq!(no_tlv.deviations(), [Deviation::PartialBody], "3.3 has no parameters to take it for");
        let Some(Body::QueryMsgDetailsResp(read_so_far)) = no_tlv.pdu().map(|pdu| &pdu.body) else {
            panic!("another command")
        };
        assert_eq!(read_so_far.dests, [], "no receiver is made up");
        let cut = read(CommandId::QUERY_LAST_MSGS_RESP, Status::QUERYFAIL, b"\x031A\0");
        assert_eq!(cut.deviations(), [Deviation::PartialBody]);
        assert!(matches!(
            read(CommandId::QUERY_LAST_MSGS_RESP, Status::OK, b"\x031A\0"),
            Frame::Malformed { .. }
        ));
    }
}
