//! Reads the fields of one body in place, and never stops half way.

use bytes::Bytes;
use nom::number::complete::be_u32;

use super::{Parsed, Party, TLV_HEADER_OCTETS, cstring, is_tlvs, octets, tlv};
use crate::address::Address;
use crate::error::{DecodeError, Deviation, Field};
use crate::octets::{COctets, Octets};
use crate::status::Status;
use crate::tlv::{Tag, Tlv, Tlvs};

/// Reads the fields of one body and collects what is off in them.
///
/// It never stops: after the first error the fields stay empty, and the caller asks for the
/// [verdict](Reader::verdict) at the end. So a body is filled in place, field by field, without a way out at each.
pub(crate) struct Reader<'a> {
    /// What the body is a part of, and its octets are shared with.
    whole: &'a Bytes,
    rest: &'a [u8],
    failed: Option<DecodeError>,
    found: Vec<Deviation>,
}

impl<'a> Reader<'a> {
    /// A reader of `body`, which lies within `whole`.
    #[inline]
    pub fn new(whole: &'a Bytes, body: &'a [u8]) -> Self {
        Reader { whole, rest: body, failed: None, found: Vec::new() }
    }

    /// Notes a deviation, each once.
    #[cold]
    pub fn deviate(&mut self, deviation: Deviation) {
        if !self.found.contains(&deviation) {
            self.found.push(deviation);
        }
    }

    /// Notes why the body can't be read; the first reason stays.
    #[cold]
    pub fn fail(&mut self, error: DecodeError) {
        self.failed.get_or_insert(error);
        self.rest = &[];
    }

    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Takes an error as a deviation: what was read so far is all there is.
    pub fn forgive(&mut self, deviation: Deviation) {
        if self.failed.take().is_some() {
            self.deviate(deviation);
        }
    }

    /// Whether nothing was off.
    #[inline]
    pub fn is_content(&self) -> bool {
        self.failed.is_none() && self.found.is_empty()
    }

    /// What was off, in the order found, or why the body can't be read.
    #[inline]
    pub fn verdict(self) -> Result<Vec<Deviation>, DecodeError> {
        match self.failed {
            None => Ok(self.found),
            Some(error) => Err(error),
        }
    }

    pub fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub fn u8(&mut self, field: Field) -> u8 {
        let [octet] = self.octets([field]);
        octet
    }

    pub fn u32(&mut self, field: Field) -> u32 {
        let parsed: Parsed<'_, u32> = be_u32(self.rest);
        match parsed {
            Ok((rest, value)) => {
                self.rest = rest;
                value
            }
            Err(_) => {
                self.fail(DecodeError::TruncatedBody(field));
                0
            }
        }
    }

    /// Fields of one octet each that follow one another.
    #[inline]
    pub fn octets<const N: usize>(&mut self, fields: [Field; N]) -> [u8; N] {
        match octets(self.rest) {
            Ok((rest, values)) => {
                self.rest = rest;
                values
            }
            Err(_) => {
                let first_missing = fields.get(self.rest.len()).or(fields.last());
                if let Some(&field) = first_missing {
                    self.fail(DecodeError::TruncatedBody(field));
                }
                [0; N]
            }
        }
    }

    /// A string in the middle of the body, into its empty place: its NUL must be there.
    #[inline]
    pub fn cstring(&mut self, field: Field, limit: usize, place: &mut COctets) {
        match self.rest.split_first() {
            Some((&0, rest)) => self.rest = rest,
            _ => self.near_cstring(field, limit, place),
        }
    }

    #[inline(never)]
    fn near_cstring(&mut self, field: Field, limit: usize, place: &mut COctets) {
        match place.take_near(self.rest) {
            Some(rest) => {
                self.rest = rest;
                self.limit(field, limit, place.len());
            }
            None => *place = self.far_cstring(field, limit, Place::Middle),
        }
    }

    /// The last mandatory string: without its NUL it is all that is left.
    pub fn last_cstring(&mut self, field: Field, limit: usize) -> COctets {
        self.far_cstring(field, limit, Place::Last)
    }

    #[inline(never)]
    fn far_cstring(&mut self, field: Field, limit: usize, place: Place) -> COctets {
        let octets = match cstring(self.rest) {
            Ok((rest, octets)) => {
                self.rest = rest;
                octets
            }
            Err(_) if self.rest.is_empty() => {
                self.fail(DecodeError::TruncatedBody(field));
                &[]
            }
            Err(_) if place == Place::Last => {
                self.deviate(Deviation::UnterminatedCstring(field));
                std::mem::take(&mut self.rest)
            }
            Err(_) => {
                self.fail(DecodeError::UnterminatedCstring(field));
                &[]
            }
        };
        self.limit(field, limit, octets.len());
        COctets::without_nul(octets)
    }

    #[inline]
    fn limit(&mut self, field: Field, limit: usize, octets: usize) {
        if octets >= limit {
            self.deviate(Deviation::FieldTooLong(field));
        }
    }

    #[inline]
    pub fn address(&mut self, party: &Party, limit: usize, place: &mut Address) {
        [place.ton, place.npi] = self.octets([party.ton, party.npi]);
        self.cstring(party.addr, limit, &mut place.addr);
    }

    /// The address that ends the mandatory fields.
    pub fn last_address(&mut self, party: &Party, limit: usize, place: &mut Address) {
        [place.ton, place.npi] = self.octets([party.ton, party.npi]);
        place.addr = self.last_cstring(party.addr, limit);
    }

    /// sm_length and short_message, as a share of the input.
    #[inline]
    pub fn short_message(&mut self) -> Bytes {
        let claimed = self.u8(Field::ShortMessage);
        match self.rest.split_at_checked(usize::from(claimed)) {
            Some((octets, rest)) => {
                self.rest = rest;
                self.share(octets)
            }
            None => {
                self.fail(DecodeError::SmLengthOverrun { claimed, left: self.rest.len() as u8 });
                Bytes::new()
            }
        }
    }

    /// The first string of a response, which may be missing, alone or with TLVs behind it.
    pub fn response_id(&mut self, field: Field, limit: usize, status: Status) -> Option<COctets> {
        if self.starts_with_tlvs(status) {
            self.deviate(Deviation::BodyIsTlvsOnly);
            return None;
        }
        self.response_cstring(field, limit, status)
    }

    /// The first string of a response without TLVs, which may be missing.
    pub fn response_cstring(&mut self, field: Field, limit: usize, status: Status) -> Option<COctets> {
        if self.rest.is_empty() {
            if status.is_ok() {
                self.deviate(Deviation::MissingBody);
            }
            return None;
        }
        Some(self.last_cstring(field, limit))
    }

    /// Whether the whole body is TLVs to its last octet, and no id. Both readings can be right; an id of control
    /// characters is none, an empty id with TLVs behind it is one, and only an error's body is taken for TLVs at a tag
    /// that could be text.
    fn starts_with_tlvs(&self, status: Status) -> bool {
        let Some(&[high, low, size_high, size_low]) = self.rest.first_chunk() else { return false };
        let as_id = || cstring(self.rest).is_ok_and(|(behind, _)| is_tlvs(behind));
        match (high, low) {
            (0, 0) => false,
            (0, _) => is_tlvs(self.rest) && !as_id(),
            (..b' ', _) => is_tlvs(self.rest),
            _ => !status.is_ok() && [size_high, size_low] != [0, 0] && is_tlvs(self.rest) && !as_id(),
        }
    }

    /// The TLVs up to the end. What can't be read of them never costs the fields before.
    #[inline]
    pub fn tlvs(&mut self) -> Tlvs {
        if self.rest.is_empty() {
            return Tlvs::new();
        }
        let mut tlvs = Tlvs::with_room_for_a_few();
        while !self.rest.is_empty() {
            match tlv(self.rest) {
                Ok((rest, (tag, value))) => {
                    self.rest = rest;
                    let value = Octets::inline(value).unwrap_or_else(|| self.share(value).into());
                    tlvs.push(Tlv { tag: Tag(tag), value });
                }
                Err(_) => self.cut_tlv(),
            }
        }
        tlvs
    }

    #[cold]
    fn cut_tlv(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.deviate(if rest.len() >= TLV_HEADER_OCTETS {
            Deviation::TlvOverrun
        } else if rest.iter().all(|&octet| octet == 0) {
            Deviation::TrailingNul
        } else {
            Deviation::TlvTruncated
        });
    }

    /// The end of a body that takes no TLVs.
    #[inline]
    pub fn end(&mut self) {
        if !self.rest.is_empty() {
            self.deviate(Deviation::TrailingBytes);
        }
    }

    /// All that is left.
    pub fn everything(&mut self) -> Bytes {
        let rest = std::mem::take(&mut self.rest);
        self.share(rest)
    }

    /// The octets as a share of the input; none is no share, so that it does not keep the input alive.
    #[inline]
    fn share(&self, octets: &'a [u8]) -> Bytes {
        if octets.is_empty() { Bytes::new() } else { self.whole.slice_ref(octets) }
    }
}

/// Where in its body a string stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Middle,
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Grade, decode};
    use crate::pdu::{Body, CommandId, MessageResp, Pdu};

    fn read(command: CommandId, status: Status, body: &[u8]) -> Frame {
        let mut raw = Vec::new();
        for word in [16 + body.len() as u32, command.0, status.0, 1] {
            raw.extend(word.to_be_bytes());
        }
        raw.extend(body);
        decode(Bytes::from(raw), Grade::Lenient)
    }

    fn deviations(command: CommandId, status: Status, body: &[u8]) -> Vec<String> {
        let frame = read(command, status, body);
        assert!(frame.pdu().is_some(), "{frame:?}");
        frame.deviations().iter().map(ToString::to_string).collect()
    }

    fn error(command: CommandId, body: &[u8]) -> (DecodeError, Option<u32>) {
        match read(command, Status::OK, body) {
            Frame::Malformed { error, reply, .. } => (error, reply.map(|reply| reply.status.0)),
            frame => panic!("{frame:?}"),
        }
    }

    #[test]
    fn padding_behind_a_body_is_told_from_a_tlv_that_was_cut() {
        let after = |tail: &[u8]| deviations(CommandId::SUBMIT_SM_RESP, Status::OK, &[b"7\0", tail].concat());
        assert_eq!(after(b"\0"), ["trailing_nul"]);
        assert_eq!(after(b"\0\0\0"), ["trailing_nul"]);
        assert_eq!(after(b"\x04"), ["tlv_truncated"]);
        assert_eq!(after(b"\x04\x28\0"), ["tlv_truncated"]);
        assert_eq!(after(b"\x04\x28\0\x02\x55"), ["tlv_overrun"]);
        assert!(after(b"\x04\x28\0\x01\x55").is_empty());
        assert_eq!(deviations(CommandId::UNBIND, Status::OK, b"\0"), ["trailing_bytes"]);
    }

    #[test]
    fn an_error_response_may_hold_nothing_an_id_or_tlvs_only() {
        let read = |body: &[u8]| match read(CommandId::SUBMIT_SM_RESP, Status::THROTTLED, body) {
            Frame::Clean(Pdu { body: Body::SubmitSmResp(resp), .. }) => (resp, ""),
            Frame::Tolerated(Pdu { body: Body::SubmitSmResp(resp), .. }, deviations) => {
                (resp, deviations.as_slice()[0].name())
            }
            frame => panic!("{frame:?}"),
        };
        let resp = |id: Option<&str>, tlv: Option<&Tlv>| MessageResp {
            message_id: id.map(COctets::from),
            tlvs: tlv.into_iter().cloned().collect(),
        };
        let congestion = Tlv::u8(Tag::CONGESTION_STATE, 85);
        assert_eq!(read(b""), (resp(None, None), ""));
        assert_eq!(read(b"\0"), (resp(Some(""), None), ""));
        assert_eq!(read(b"7\0\x04\x28\0\x01\x55"), (resp(Some("7"), Some(&congestion)), ""));
        assert_eq!(read(b"\0\x04\x28\0\x01\x55"), (resp(Some(""), Some(&congestion)), ""));
        assert_eq!(read(b"\x04\x28\0\x01\x55"), (resp(None, Some(&congestion)), "body_is_tlvs_only"));
        let vendor = Tlv::u8(Tag(0x2001), 9);
        assert_eq!(read(b"\x20\x01\0\x01\x09"), (resp(None, Some(&vendor)), "body_is_tlvs_only"));
        assert_eq!(read(b"12\0\0"), (resp(Some("12"), None), "trailing_nul"));
    }

    #[test]
    fn an_error_response_cut_within_its_fields_is_still_an_answer() {
        for command in [CommandId::QUERY_SM_RESP, CommandId::SUBMIT_MULTI_RESP] {
            assert!(deviations(command, Status::QUERYFAIL, b"").is_empty());
            assert_eq!(deviations(command, Status::QUERYFAIL, b"7\0"), ["partial_body"]);
            assert_eq!(deviations(command, Status::OK, b""), ["missing_body"]);
            assert_eq!(error(command, b"7\0").0.name(), "truncated_body");
        }
    }

    #[test]
    fn the_last_string_may_lack_its_nul_and_others_not() {
        let bind = |body: &[u8]| deviations(CommandId::BIND_TRANSMITTER, Status::OK, body);
        assert_eq!(bind(b"me\0pw\0\0\x34\0\0^44"), ["unterminated_cstring:address_range"]);
        assert_eq!(bind(b"me\0too-long-pw\0\0\x34\0\0\0"), ["field_too_long:password"]);
        let unterminated = DecodeError::UnterminatedCstring(Field::Password);
        assert_eq!(error(CommandId::BIND_TRANSMITTER, b"me\0pw"), (unterminated, Some(2)));
        let truncated = DecodeError::TruncatedBody(Field::AddrNpi);
        assert_eq!(error(CommandId::BIND_TRANSMITTER, b"me\0pw\0\0\x34\0"), (truncated, Some(2)));
        let truncated = DecodeError::TruncatedBody(Field::SystemId);
        assert_eq!(error(CommandId::OUTBIND, b""), (truncated, None));
    }

    #[test]
    fn a_count_that_promises_more_than_comes_is_an_error() {
        let mut body = b"\0\0\0\0\xFF".to_vec();
        body.extend(b"\x02list\0");
        let truncated = DecodeError::TruncatedBody(Field::DestFlag);
        assert_eq!(error(CommandId::SUBMIT_MULTI, &body), (truncated, Some(2)));
        body.push(3);
        assert_eq!(error(CommandId::SUBMIT_MULTI, &body), (DecodeError::BadDestFlag(3), Some(0x40)));
    }
}
