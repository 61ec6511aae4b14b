//! Takes the fields of one body in wire order: to count its octets, to write them, and for others to look at them.

use bytes::{Bytes, BytesMut};

use super::{DEST, Party, SHORT_MESSAGE_MAX, TLV_HEADER_OCTETS, limit};
use crate::address::Address;
use crate::error::Field;
use crate::octets::COctets;
use crate::pdu::{Body, Destination, HEADER_OCTETS, Pdu, Unsuccess};
use crate::tlv::{Tag, Tlvs};

/// Takes the fields of a body in wire order.
pub(crate) trait Sink<'a> {
    fn u8(&mut self, field: Field, value: u8);

    fn u32(&mut self, field: Field, value: u32);

    /// Fields of one octet each that follow one another.
    #[inline]
    fn octets<const N: usize>(&mut self, fields: [Field; N], values: [u8; N]) {
        for (field, value) in fields.into_iter().zip(values) {
            self.u8(field, value);
        }
    }

    /// A string of at most `limit` octets with its NUL.
    fn cstring(&mut self, field: Field, limit: usize, value: &'a COctets);

    /// A string that may be missing with everything behind it. Whether it is there.
    fn optional(&mut self, field: Field, limit: usize, value: &'a Option<COctets>) -> bool {
        if let Some(value) = value {
            self.cstring(field, limit, value);
        }
        value.is_some()
    }

    fn address(&mut self, party: &Party, limit: usize, value: &'a Address) {
        self.octets([party.ton, party.npi], [value.ton, value.npi]);
        self.cstring(party.addr, limit, &value.addr);
    }

    /// sm_length, short_message and the TLVs, which always end a body together.
    fn message(&mut self, short_message: &'a Bytes, tlvs: &'a Tlvs);

    fn tlvs(&mut self, tlvs: &'a Tlvs);

    fn destinations(&mut self, dests: &'a [Destination]) {
        let count = u8::try_from(dests.len()).unwrap_or(u8::MAX);
        self.u8(Field::NumberOfDests, count);
        for dest in dests.iter().take(usize::from(count)) {
            self.destination(dest);
        }
    }

    fn destination(&mut self, dest: &'a Destination) {
        match dest {
            Destination::Sme(address) => {
                self.u8(Field::DestFlag, Destination::SME_FLAG);
                self.address(&DEST, limit::ADDRESS, address);
            }
            Destination::List(name) => {
                self.u8(Field::DestFlag, Destination::LIST_FLAG);
                self.cstring(Field::DlName, limit::DL_NAME, name);
            }
        }
    }

    fn unsuccess(&mut self, refused: &'a [Unsuccess]) {
        let count = u8::try_from(refused.len()).unwrap_or(u8::MAX);
        self.u8(Field::UnsuccessSme, count);
        for one in refused.iter().take(usize::from(count)) {
            self.refused(one);
        }
    }

    fn refused(&mut self, one: &'a Unsuccess) {
        self.address(&DEST, limit::ADDRESS, &one.address);
        self.u32(Field::ErrorStatusCode, one.status.0);
    }

    /// An octet where a TLV belongs.
    fn bare(&mut self, field: Field, value: Option<u8>) {
        if let Some(value) = value {
            self.u8(field, value);
        }
    }

    /// A body nobody knows.
    fn opaque(&mut self, body: &'a Bytes);
}

/// Counts octets.
struct Length(usize);

impl<'a> Sink<'a> for Length {
    #[inline]
    fn u8(&mut self, _: Field, _: u8) {
        self.0 += 1;
    }

    #[inline]
    fn u32(&mut self, _: Field, _: u32) {
        self.0 += 4;
    }

    #[inline]
    fn octets<const N: usize>(&mut self, _: [Field; N], _: [u8; N]) {
        self.0 += N;
    }

    #[inline]
    fn cstring(&mut self, _: Field, _: usize, value: &'a COctets) {
        self.0 += value.len() + 1;
    }

    #[inline]
    fn message(&mut self, short_message: &'a Bytes, tlvs: &'a Tlvs) {
        self.0 += match short_message.len() {
            short if short <= SHORT_MESSAGE_MAX => 1 + short,
            long => 1 + TLV_HEADER_OCTETS + long.min(usize::from(u16::MAX)),
        };
        self.tlvs(tlvs);
    }

    #[inline]
    fn tlvs(&mut self, tlvs: &'a Tlvs) {
        for tlv in tlvs {
            self.0 += TLV_HEADER_OCTETS + tlv.value.len().min(usize::from(u16::MAX));
        }
    }

    fn opaque(&mut self, body: &'a Bytes) {
        self.0 += body.len();
    }
}

/// Fills octets that [`Length`] has counted.
struct Writer<'w> {
    rest: &'w mut [u8],
}

impl Writer<'_> {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        if let Some((room, rest)) = std::mem::take(&mut self.rest).split_at_mut_checked(octets.len()) {
            room.copy_from_slice(octets);
            self.rest = rest;
        }
    }

    #[inline]
    fn skip(&mut self, octets: usize) {
        self.rest = std::mem::take(&mut self.rest).get_mut(octets..).unwrap_or_default();
    }

    #[inline]
    fn tlv(&mut self, tag: Tag, value: &[u8]) {
        let size = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let ([t1, t2], [s1, s2]) = (tag.0.to_be_bytes(), size.to_be_bytes());
        self.put(&[t1, t2, s1, s2]);
        self.put(value.get(..usize::from(size)).unwrap_or(value));
    }
}

impl<'a> Sink<'a> for Writer<'_> {
    #[inline]
    fn u8(&mut self, _: Field, value: u8) {
        self.put(&[value]);
    }

    #[inline]
    fn u32(&mut self, _: Field, value: u32) {
        self.put(&value.to_be_bytes());
    }

    #[inline]
    fn octets<const N: usize>(&mut self, _: [Field; N], values: [u8; N]) {
        self.put(&values);
    }

    #[inline]
    fn cstring(&mut self, _: Field, _: usize, value: &'a COctets) {
        // What is to be filled holds NULs: its own is there.
        self.put(value);
        self.skip(1);
    }

    #[inline]
    fn message(&mut self, short_message: &'a Bytes, tlvs: &'a Tlvs) {
        match u8::try_from(short_message.len()) {
            Ok(size) => {
                self.put(&[size]);
                self.put(short_message);
            }
            Err(_) => {
                self.put(&[0]);
                self.tlv(Tag::MESSAGE_PAYLOAD, short_message);
            }
        }
        self.tlvs(tlvs);
    }

    #[inline]
    fn tlvs(&mut self, tlvs: &'a Tlvs) {
        for tlv in tlvs {
            self.tlv(tlv.tag, &tlv.value);
        }
    }

    fn opaque(&mut self, body: &'a Bytes) {
        self.put(body);
    }
}

/// Octets the body takes on the wire.
#[inline]
pub(crate) fn encoded_len(body: &Body) -> usize {
    let mut length = Length(0);
    body.write(&mut length);
    length.0
}

/// Appends the whole PDU.
pub(crate) fn encode(pdu: &Pdu, out: &mut BytesMut) {
    let start = out.len();
    let length = HEADER_OCTETS + encoded_len(&pdu.body);
    out.resize(start + length, 0);
    let mut writer = Writer { rest: out.get_mut(start..).unwrap_or_default() };
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut header = [0; HEADER_OCTETS];
    let words = [length, pdu.command_id().0, pdu.status.0, pdu.sequence];
    for (octets, word) in header.chunks_exact_mut(4).zip(words) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    writer.put(&header);
    pdu.body.write(&mut writer);
}
