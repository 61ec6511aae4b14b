//! What is written is read back, and what is read is written back, for every command.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::address::Address;
use protocol::error::Deviation;
use protocol::frame::{Frame, Framer, Grade, Limits, decode};
use protocol::octets::COctets;
use protocol::pdu::{
    AlertNotification, Bind, BindResp, Body, BroadcastSm, CancelBroadcastSm, CancelSm, CommandId, DataSm,
    Destination, MessageResp, Outbind, ParamRetrieve, ParamRetrieveResp, Pdu, QueryBroadcastSm,
    QueryLastMsgs, QueryLastMsgsResp, QueryMsgDetails, QueryMsgDetailsResp, QuerySm, QuerySmResp, ReplaceSm,
    Sm, SubmitMulti, SubmitMultiResp, Unsuccess,
};
use protocol::status::Status;
use protocol::tlv::{Shape, Tag, Tlv, Tlvs};

/// A string that fits a field of so many octets with its NUL.
fn text(limit: usize) -> impl Strategy<Value = COctets> {
    vec(b' '..=b'~', 0..limit).prop_map(|octets| COctets::from(octets.as_slice()))
}

fn address(limit: usize) -> impl Strategy<Value = Address> {
    // a destination may not be empty in strict mode
    (any::<u8>(), any::<u8>(), vec(b'!'..=b'~', 1..limit))
        .prop_map(|(ton, npi, addr)| Address::new(ton, npi, addr.as_slice()))
}

fn time() -> impl Strategy<Value = COctets> {
    prop_oneof![
        Just(COctets::EMPTY),
        any::<u32>().prop_map(|s| protocol::time::Time::after_s(s).to_string().into()),
        any::<u32>().prop_map(|s| protocol::time::Time::at_unix_s(i64::from(s)).to_string().into()),
    ]
}

fn octets(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn tlv() -> impl Strategy<Value = Tlv> {
    let named = (0..Tag::NAMED.len()).prop_map(|at| Tag::NAMED[at]).prop_flat_map(|tag| {
        let value = match tag.shape().expect("a named tag has a shape") {
            Shape::Fixed(only) => vec(any::<u8>(), usize::from(only)).boxed(),
            Shape::Either(one, other) => {
                prop_oneof![vec(any::<u8>(), usize::from(one)), vec(any::<u8>(), usize::from(other))].boxed()
            }
            Shape::CString(most) => vec(1..=255u8, 0..usize::from(most))
                .prop_map(|mut value| {
                    value.push(0);
                    value
                })
                .boxed(),
            Shape::Octets(least, most) => {
                vec(any::<u8>(), usize::from(least)..=usize::from(most.min(300))).boxed()
            }
        };
        value.prop_map(move |value| Tlv::new(tag, value))
    });
    // the payload would be a second body
    let named = named.prop_filter("no payload", |tlv| tlv.tag != Tag::MESSAGE_PAYLOAD);
    let vendor = (0x1400u16..0x4000, octets(40)).prop_map(|(tag, value)| Tlv::new(Tag(tag), value));
    prop_oneof![named, vendor]
}

fn tlvs() -> impl Strategy<Value = Tlvs> {
    vec(tlv(), 0..5).prop_map(|tlvs| tlvs.into_iter().collect())
}

prop_compose! {
    fn bind()(
        system_id in text(16), password in text(9), system_type in text(13), interface_version: u8, addr_ton: u8,
        addr_npi: u8, address_range in text(41),
    ) -> Bind {
        Bind { system_id, password, system_type, interface_version, addr_ton, addr_npi, address_range }
    }
}

prop_compose! {
    fn bind_resp()(system_id in text(16), tlvs in tlvs()) -> BindResp {
        BindResp { system_id: Some(system_id), tlvs }
    }
}

prop_compose! {
    fn message_resp()(message_id in text(65), tlvs in tlvs()) -> MessageResp {
        MessageResp { message_id: Some(message_id), tlvs }
    }
}

prop_compose! {
    fn sm()(
        service_type in text(6), source in address(21), dest in address(21), flags: [u8; 7],
        schedule_delivery_time in time(), validity_period in time(), short_message in octets(255), tlvs in tlvs(),
    ) -> Sm {
        let [esm_class, protocol_id, priority_flag, registered_delivery, rest @ ..] = flags;
        let [replace_if_present_flag, data_coding, sm_default_msg_id] = rest;
        Sm {
            service_type, source, dest, esm_class, protocol_id, priority_flag, schedule_delivery_time,
            validity_period, registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id,
            short_message, tlvs,
        }
    }
}

prop_compose! {
    fn data_sm()(
        service_type in text(6), source in address(65), dest in address(65), flags: [u8; 3], tlvs in tlvs(),
    ) -> DataSm {
        let [esm_class, registered_delivery, data_coding] = flags;
        DataSm { service_type, source, dest, esm_class, registered_delivery, data_coding, tlvs }
    }
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![address(21).prop_map(Destination::Sme), text(21).prop_map(Destination::List)]
}

prop_compose! {
    fn submit_multi()(sm in sm(), dests in vec(destination(), 1..=255)) -> SubmitMulti {
        SubmitMulti {
            service_type: sm.service_type,
            source: sm.source,
            dests,
            esm_class: sm.esm_class,
            protocol_id: sm.protocol_id,
            priority_flag: sm.priority_flag,
            schedule_delivery_time: sm.schedule_delivery_time,
            validity_period: sm.validity_period,
            registered_delivery: sm.registered_delivery,
            replace_if_present_flag: sm.replace_if_present_flag,
            data_coding: sm.data_coding,
            sm_default_msg_id: sm.sm_default_msg_id,
            short_message: sm.short_message,
            tlvs: sm.tlvs,
        }
    }
}

prop_compose! {
    fn unsuccess()(address in address(21), status: u32) -> Unsuccess {
        Unsuccess { address, status: Status(status) }
    }
}

prop_compose! {
    fn submit_multi_resp()(
        message_id in text(65), unsuccess in vec(unsuccess(), 0..=255), tlvs in tlvs(),
    ) -> SubmitMultiResp {
        SubmitMultiResp { message_id: Some(message_id), unsuccess, tlvs }
    }
}

prop_compose! {
    fn query_sm_resp()(
        message_id in text(65), final_date in time(), message_state: u8, error_code: u8, tlvs in tlvs(),
    ) -> QuerySmResp {
        QuerySmResp { message_id: Some(message_id), final_date, message_state, error_code, tlvs }
    }
}

prop_compose! {
    fn replace_sm()(message_id in text(65), sm in sm()) -> ReplaceSm {
        ReplaceSm {
            message_id,
            source: sm.source,
            schedule_delivery_time: sm.schedule_delivery_time,
            validity_period: sm.validity_period,
            registered_delivery: sm.registered_delivery,
            sm_default_msg_id: sm.sm_default_msg_id,
            short_message: sm.short_message,
            tlvs: sm.tlvs,
        }
    }
}

prop_compose! {
    fn broadcast_sm()(message_id in text(65), sm in sm()) -> BroadcastSm {
        BroadcastSm {
            service_type: sm.service_type,
            source: sm.source,
            message_id,
            priority_flag: sm.priority_flag,
            schedule_delivery_time: sm.schedule_delivery_time,
            validity_period: sm.validity_period,
            replace_if_present_flag: sm.replace_if_present_flag,
            data_coding: sm.data_coding,
            sm_default_msg_id: sm.sm_default_msg_id,
            tlvs: sm.tlvs,
        }
    }
}

prop_compose! {
    fn query_msg_details_resp()(
        sm in sm(), dests in vec(destination(), 0..=255), message_id in text(65), final_date in time(),
        message_state: u8, error_code: u8,
    ) -> QueryMsgDetailsResp {
        QueryMsgDetailsResp {
            service_type: Some(sm.service_type),
            source: sm.source,
            dests,
            protocol_id: sm.protocol_id,
            priority_flag: sm.priority_flag,
            schedule_delivery_time: sm.schedule_delivery_time,
            validity_period: sm.validity_period,
            registered_delivery: sm.registered_delivery,
            data_coding: sm.data_coding,
            short_message: sm.short_message,
            message_id,
            final_date,
            message_state,
            error_code,
        }
    }
}

/// Every command with a full body.
fn body() -> impl Strategy<Value = Body> {
    let binds = prop_oneof![
        bind().prop_map(Body::BindReceiver),
        bind().prop_map(Body::BindTransmitter),
        bind().prop_map(Body::BindTransceiver),
        bind_resp().prop_map(Body::BindReceiverResp),
        bind_resp().prop_map(Body::BindTransmitterResp),
        bind_resp().prop_map(Body::BindTransceiverResp),
        (text(16), text(9)).prop_map(|(system_id, password)| Body::Outbind(Outbind { system_id, password })),
    ];
    let messages = prop_oneof![
        sm().prop_map(Body::SubmitSm),
        sm().prop_map(Body::DeliverSm),
        data_sm().prop_map(Body::DataSm),
        message_resp().prop_map(Body::SubmitSmResp),
        message_resp().prop_map(Body::DeliverSmResp),
        message_resp().prop_map(Body::DataSmResp),
        submit_multi().prop_map(|multi| Body::SubmitMulti(Box::new(multi))),
        submit_multi_resp().prop_map(Body::SubmitMultiResp),
    ];
    let managing = prop_oneof![
        (text(65), address(21))
            .prop_map(|(message_id, source)| Body::QuerySm(QuerySm { message_id, source })),
        query_sm_resp().prop_map(Body::QuerySmResp),
        (text(6), text(65), address(21), address(21)).prop_map(|(service_type, message_id, source, dest)| {
            Body::CancelSm(CancelSm { service_type, message_id, source, dest })
        }),
        replace_sm().prop_map(Body::ReplaceSm),
        (address(65), address(65), tlvs()).prop_map(|(source, esme, tlvs)| {
            Body::AlertNotification(AlertNotification {
                source,
                esme,
                bare_ms_availability_status: None,
                tlvs,
            })
        }),
    ];
    let inquiries = prop_oneof![
        text(32).prop_map(|param_name| Body::ParamRetrieve(ParamRetrieve { param_name })),
        text(101).prop_map(|value| Body::ParamRetrieveResp(ParamRetrieveResp { param_value: Some(value) })),
        (address(21), any::<u8>())
            .prop_map(|(source, num_of_msgs)| { Body::QueryLastMsgs(QueryLastMsgs { source, num_of_msgs }) }),
        vec(text(65), 0..=255)
            .prop_map(|ids| { Body::QueryLastMsgsResp(QueryLastMsgsResp { message_ids: Some(ids) }) }),
        (text(65), address(21), any::<u8>()).prop_map(|(message_id, source, sm_length)| {
            Body::QueryMsgDetails(QueryMsgDetails { message_id, source, sm_length })
        }),
        query_msg_details_resp().prop_map(|resp| Body::QueryMsgDetailsResp(Box::new(resp))),
    ];
    let broadcasts = prop_oneof![
        broadcast_sm().prop_map(Body::BroadcastSm),
        message_resp().prop_map(Body::BroadcastSmResp),
        (text(65), address(21), tlvs()).prop_map(|(message_id, source, tlvs)| {
            Body::QueryBroadcastSm(QueryBroadcastSm { message_id, source, tlvs })
        }),
        message_resp().prop_map(Body::QueryBroadcastSmResp),
        (text(6), text(65), address(21), tlvs()).prop_map(|(service_type, message_id, source, tlvs)| {
            Body::CancelBroadcastSm(CancelBroadcastSm { service_type, message_id, source, tlvs })
        }),
    ];
    let bare = prop_oneof![
        Just(Body::Unbind),
        Just(Body::UnbindResp),
        Just(Body::EnquireLink),
        Just(Body::EnquireLinkResp),
        Just(Body::GenericNack),
        Just(Body::CancelSmResp),
        Just(Body::ReplaceSmResp),
        Just(Body::CancelBroadcastSmResp),
    ];
    prop_oneof![binds, messages, managing, inquiries, broadcasts, bare]
}

fn pdu() -> impl Strategy<Value = Pdu> {
    let failed = prop_oneof![Just(0), 1u32..0x500];
    (1..=0x7FFF_FFFFu32, failed, body()).prop_map(|(sequence, status, body)| {
        let status = if body.command_id().is_response() { Status(status) } else { Status::OK };
        Pdu { status, sequence, body }
    })
}

fn encoded(pdu: &Pdu) -> Bytes {
    let mut out = BytesMut::new();
    pdu.encode(&mut out);
    out.freeze()
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

fn judge_rewriting(raw: &Bytes) -> Result<(), TestCaseError> {
    match decode(raw.clone(), Grade::Lenient) {
        Frame::Clean(pdu) => prop_assert_eq!(&encoded(&pdu), raw),
        Frame::Tolerated(pdu, deviations) => {
            prop_assert_eq!(deviations.raw(), raw);
            if deviations.iter().all(is_kept) {
                prop_assert_eq!(&encoded(&pdu), raw);
            }
        }
        Frame::Malformed { reply, .. } => {
            if let Some(reply) = reply {
                prop_assert!(matches!(
                    decode(encoded(&reply), Grade::Lenient),
                    Frame::Clean(_) | Frame::Tolerated(..)
                ));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(pdu in pdu()) {
        let raw = encoded(&pdu);
        prop_assert_eq!(raw.len(), pdu.encoded_len());
        prop_assert_eq!(pdu.check(), Ok(()));
        for grade in [Grade::Lenient, Grade::Strict] {
            prop_assert_eq!(decode(raw.clone(), grade), Frame::Clean(pdu.clone()));
        }
    }

    #[test]
    fn a_stream_cut_anywhere_gives_its_pdus_in_order(pdus in vec(pdu(), 1..6), cuts in vec(1..300usize, 1..20)) {
        let stream: Vec<u8> = pdus.iter().flat_map(encoded).collect();
        let mut framer = Framer::new(Limits::default(), Grade::Lenient);
        let (mut rest, mut read) = (stream.as_slice(), Vec::new());
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            framer.push(piece);
            while let Some(frame) = framer.next() {
                read.push(frame);
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(framer.buffered(), 0);
        let wanted: Vec<_> = pdus.into_iter().map(|pdu| Ok(Frame::Clean(pdu))).collect();
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn what_is_read_is_written_back_octet_for_octet(pdu in pdu(), changes in vec((any::<u16>(), any::<u8>()), 0..4)) {
        let mut raw = encoded(&pdu).to_vec();
        for (at, octet) in changes {
            let at = 4 + usize::from(at) % (raw.len() - 4);
            raw[at] = octet;
        }
        judge_rewriting(&Bytes::from(raw))?;
    }

    #[test]
    fn any_body_of_any_command_is_read_without_harm(
        command in 0..CommandId::NAMED.len(), status in prop_oneof![Just(0), any::<u32>()], sequence: u32,
        body in vec(prop_oneof![Just(0u8), 1..=5u8, any::<u8>()], 0..120),
    ) {
        let mut raw = ((16 + body.len()) as u32).to_be_bytes().to_vec();
        raw.extend(CommandId::NAMED[command].0.to_be_bytes());
        raw.extend(status.to_be_bytes());
        raw.extend(sequence.to_be_bytes());
        raw.extend(body);
        judge_rewriting(&Bytes::from(raw))?;
    }

    #[test]
    fn any_octets_go_through_the_framer_without_harm(octets in vec(any::<u8>(), 0..200), piece in 1..50usize) {
        let mut framer = Framer::new(Limits { max_pdu_octets: 1000 }, Grade::Lenient);
        for piece in octets.chunks(piece) {
            framer.push(piece);
            while let Some(next) = framer.next() {
                drop(next);
            }
            prop_assert!(framer.buffered() < 1000);
        }
    }
}
