//! What strict mode asks of a PDU beyond being readable.

use bytes::Bytes;

use crate::address::Address;
use crate::error::{Breach, Deviation, Field, Objection};
use crate::octets::COctets;
use crate::pdu::{Body, Destination, Pdu, SEQUENCE_MAX, Unsuccess};
use crate::status::Status;
use crate::time::Time;
use crate::tlv::{Shape, Tag, Tlv, Tlvs};
use crate::wire::{Party, Sink, encoded_len, limit};

/// Judges a PDU that could be read: first what was tolerated in it, then its values.
pub(crate) fn judge(pdu: &Pdu, found: &[Deviation]) -> Result<(), Breach> {
    match found.iter().find_map(|deviation| deviation.breach()) {
        Some(breach) => Err(breach),
        None => values(&pdu.body),
    }
}

/// The same for a PDU that did not come from the wire.
pub(crate) fn check(pdu: &Pdu) -> Result<(), Breach> {
    let response = pdu.command_id().is_response();
    let unnumbered = pdu.sequence == 0 && matches!(pdu.body, Body::GenericNack);
    if !unnumbered && !(1..=SEQUENCE_MAX).contains(&pdu.sequence) {
        return Err(Breach::SequenceOutOfRange);
    }
    if !response && !pdu.status.is_ok() {
        return Err(Breach::NonzeroStatusInRequest);
    }
    if response && pdu.status.is_ok() && lacks_body(&pdu.body) {
        return Err(Breach::MissingBody);
    }
    values(&pdu.body)
}

/// Whether a response has nothing at all where its command has an id.
fn lacks_body(body: &Body) -> bool {
    let least = Body::bare_response(body.command_id(), Status::OK);
    encoded_len(body) == 0 && least.is_some_and(|least| encoded_len(&least) > 0)
}

fn values(body: &Body) -> Result<(), Breach> {
    let mut judge = Judge(Ok(()));
    body.write(&mut judge);
    judge.0?;
    let destination = match body {
        Body::SubmitSm(sm) | Body::DeliverSm(sm) => !sm.dest.addr.is_empty(),
        Body::DataSm(data) => !data.dest.addr.is_empty(),
        Body::SubmitMulti(multi) => !multi.dests.is_empty(),
        _ => true,
    };
    if destination { Ok(()) } else { Err(Breach::MissingDestination) }
}

/// The first value that should be refused whatever the mode.
pub(crate) fn objection(body: &Body) -> Option<Objection> {
    let mut objector = Objector(None);
    body.write(&mut objector);
    objector.0
}

/// Whether a field that holds a time is empty or one.
fn fits_time(field: Field, value: &COctets) -> bool {
    let holds_time = matches!(field, Field::ScheduleDeliveryTime | Field::ValidityPeriod | Field::FinalDate);
    !holds_time || value.is_empty() || Time::parse(value).is_ok()
}

struct Objector(Option<Objection>);

impl<'a> Sink<'a> for Objector {
    fn u8(&mut self, _: Field, _: u8) {}

    fn u32(&mut self, _: Field, _: u32) {}

    fn cstring(&mut self, field: Field, _: usize, value: &'a COctets) {
        if !fits_time(field, value) {
            self.0.get_or_insert(Objection::BadTimeFormat(field));
        }
    }

    fn address(&mut self, party: &Party, _: usize, value: &'a Address) {
        if party.is_source() && value.name_too_long() {
            self.0.get_or_insert(Objection::AlphanumericTooLong);
        }
    }

    fn message(&mut self, _: &'a Bytes, _: &'a Tlvs) {}

    fn tlvs(&mut self, _: &'a Tlvs) {}

    fn short_message(&mut self, _: &'a Bytes) {}

    fn opaque(&mut self, _: &'a Bytes) {}
}

/// Keeps the first breach it meets.
struct Judge(Result<(), Breach>);

impl Judge {
    fn require(&mut self, fine: bool, breach: Breach) {
        if self.0.is_ok() && !fine {
            self.0 = Err(breach);
        }
    }

    fn counted(&mut self, field: Field, count: usize) {
        self.require(count <= usize::from(u8::MAX), Breach::CountOverflow(field));
    }

    fn tlv(&mut self, tlv: &Tlv) {
        let size = tlv.value.len();
        let is = |sizes: u16| size == usize::from(sizes);
        let between = |least: u16, most: u16| (usize::from(least)..=usize::from(most)).contains(&size);
        let fine = match tlv.tag.shape() {
            Some(Shape::Fixed(only)) => is(only),
            Some(Shape::Either(one, other)) => is(one) || is(other),
            Some(Shape::Octets(least, most)) => between(least, most),
            Some(Shape::CString(most)) => {
                self.require(tlv.value.last() == Some(&0), Breach::UnterminatedCstring);
                between(1, most)
            }
            None => between(0, u16::MAX),
        };
        self.require(fine, Breach::TlvBadLength(tlv.tag));
    }
}

impl<'a> Sink<'a> for Judge {
    fn u8(&mut self, _: Field, _: u8) {}

    fn u32(&mut self, _: Field, _: u32) {}

    fn cstring(&mut self, field: Field, limit: usize, value: &'a COctets) {
        self.require(fits_time(field, value), Breach::BadTimeFormat(field));
        self.require(value.len() < limit, Breach::FieldTooLong(field));
    }

    fn message(&mut self, short_message: &'a Bytes, tlvs: &'a Tlvs) {
        self.short_message(short_message);
        let twice = !short_message.is_empty() && tlvs.get(Tag::MESSAGE_PAYLOAD).is_some();
        self.require(!twice, Breach::BothBodies);
        self.tlvs(tlvs);
    }

    fn tlvs(&mut self, tlvs: &'a Tlvs) {
        for tlv in tlvs {
            self.tlv(tlv);
        }
    }

    fn short_message(&mut self, short_message: &'a Bytes) {
        self.counted(Field::ShortMessage, short_message.len());
    }

    fn message_ids(&mut self, ids: &'a [COctets]) {
        self.counted(Field::NumOfMsgs, ids.len());
        for id in ids {
            self.cstring(Field::MessageId, limit::MESSAGE_ID, id);
        }
    }

    fn destinations(&mut self, dests: &'a [Destination]) {
        self.counted(Field::NumberOfDests, dests.len());
        for dest in dests {
            self.destination(dest);
        }
    }

    fn unsuccess(&mut self, refused: &'a [Unsuccess]) {
        self.counted(Field::UnsuccessSme, refused.len());
        for one in refused {
            self.refused(one);
        }
    }

    fn bare(&mut self, _: Field, value: Option<u8>) {
        self.require(value.is_none(), Breach::TrailingBytes);
    }

    fn opaque(&mut self, _: &'a Bytes) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::{AlertNotification, MessageResp, Sm};

    fn submit(change: impl FnOnce(&mut Sm)) -> Pdu {
        let mut sm = Sm { dest: Address::international("447700900123"), ..Sm::default() };
        change(&mut sm);
        Pdu::new(1, Body::SubmitSm(sm))
    }

    fn with_tlv(tag: Tag, value: &'static [u8]) -> Result<(), Breach> {
        check(&submit(|sm| sm.tlvs.push(Tlv::new(tag, value))))
    }

    #[test]
    fn tlvs_have_the_size_the_specification_gives_them() {
        assert_eq!(with_tlv(Tag::SAR_MSG_REF_NUM, b"\0\x01"), Ok(()));
        assert_eq!(with_tlv(Tag::SAR_MSG_REF_NUM, b"\x01"), Err(Breach::TlvBadLength(Tag::SAR_MSG_REF_NUM)));
        assert_eq!(with_tlv(Tag::MESSAGE_STATE, b""), Err(Breach::TlvBadLength(Tag::MESSAGE_STATE)));
        assert_eq!(with_tlv(Tag::ALERT_ON_MESSAGE_DELIVERY, b""), Ok(()));
        assert_eq!(with_tlv(Tag::ALERT_ON_MESSAGE_DELIVERY, b"\x01"), Ok(()));
        assert_eq!(with_tlv(Tag::RECEIPTED_MESSAGE_ID, b"42\0"), Ok(()));
        assert_eq!(with_tlv(Tag::RECEIPTED_MESSAGE_ID, b"42"), Err(Breach::UnterminatedCstring));
        assert_eq!(with_tlv(Tag(0x1400), b""), Ok(()));
    }

    #[test]
    fn two_bodies_are_one_too_many() {
        let both = submit(|sm| {
            sm.short_message = "short".into();
            sm.tlvs.push(Tlv::new(Tag::MESSAGE_PAYLOAD, &b"payload"[..]));
        });
        assert_eq!(check(&both), Err(Breach::BothBodies));
        assert_eq!(with_tlv(Tag::MESSAGE_PAYLOAD, b"payload"), Ok(()));
    }

    #[test]
    fn values_a_server_should_refuse_have_their_status() {
        let late = submit(|sm| sm.validity_period = "2607040915000".into());
        let objection = late.objection().unwrap();
        assert_eq!((objection.name(), objection.refusal().0), ("bad_time_format", 0x62));
        assert_eq!(check(&late), Err(Breach::BadTimeFormat(Field::ValidityPeriod)));
        let named = submit(|sm| sm.source = Address::alphanumeric("TwelveLetter"));
        let objection = named.objection().unwrap();
        assert_eq!((objection.name(), objection.refusal().0), ("alphanumeric_too_long", 0x0A));
        assert_eq!(submit(|sm| sm.dest = Address::alphanumeric("TwelveLetter")).objection(), None);
        assert_eq!(check(&named), Ok(()));
    }

    #[test]
    fn a_success_without_its_body_and_a_status_without_its_tag_are_found_before_they_are_sent() {
        let resp = |message_id, status| {
            let resp = MessageResp { message_id, ..MessageResp::default() };
            check(&Pdu::with_status(1, status, Body::SubmitSmResp(resp)))
        };
        assert_eq!(resp(None, Status::OK), Err(Breach::MissingBody));
        assert_eq!(resp(None, Status::THROTTLED), Ok(()));
        assert_eq!(resp(Some(COctets::EMPTY), Status::OK), Ok(()));
        assert_eq!(check(&Pdu::new(1, Body::UnbindResp)), Ok(()));
        let alert =
            AlertNotification { bare_ms_availability_status: Some(1), ..AlertNotification::default() };
        assert_eq!(check(&Pdu::new(1, Body::AlertNotification(alert))), Err(Breach::TrailingBytes));
    }

    #[test]
    fn strings_over_their_limit_are_found_before_they_are_sent() {
        let fits = Pdu::new(1, Body::SubmitSmResp(MessageResp::with_id("x".repeat(64))));
        let over = Pdu::new(1, Body::SubmitSmResp(MessageResp::with_id("x".repeat(65))));
        assert_eq!(check(&fits), Ok(()));
        assert_eq!(check(&over), Err(Breach::FieldTooLong(Field::MessageId)));
    }
}
