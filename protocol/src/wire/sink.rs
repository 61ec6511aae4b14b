//! Takes the fields of one body in wire order: to count its octets, to write them, and for others to look at them.

use bytes::{Bytes, BytesMut};

use super::{DEST, Party, SHORT_MESSAGE_MAX, TLV_HEADER_OCTETS, limit};
use crate::address::Address;
use crate::error::Field;
use crate::octets::{COctets, INLINE_OCTETS};
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

    /// sm_length and short_message in the middle of a body.
    fn short_message(&mut self, short_message: &'a Bytes);

    fn message_ids(&mut self, ids: &'a [COctets]) {
        let count = u8::try_from(ids.len()).unwrap_or(u8::MAX);
        self.u8(Field::NumOfMsgs, count);
        for id in ids.iter().take(usize::from(count)) {
            self.cstring(Field::MessageId, limit::MESSAGE_ID, id);
        }
    }

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

    fn short_message(&mut self, short_message: &'a Bytes) {
        self.0 += 1 + short_message.len().min(SHORT_MESSAGE_MAX);
    }

    fn opaque(&mut self, body: &'a Bytes) {
        self.0 += body.len();
    }
}

/// Octets made ready at first: a PDU with a full short_message and what comes with it fits, and so few are filled with
/// NULs in no time.
const READY_OCTETS: usize = 256;

/// Fills octets that hold NULs. When something does not fit, none are left.
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

    /// Writes the first `len` of so many octets, at most all; the others, which are NULs, are written over. To copy a fixed
    /// number is quicker than to look how many there are.
    #[inline]
    fn put_first<const N: usize>(&mut self, octets: &[u8; N], len: usize) {
        let rest = std::mem::take(&mut self.rest);
        if let Some(room) = rest.first_chunk_mut() {
            *room = *octets;
            self.rest = rest.get_mut(len.min(N)..).unwrap_or_default();
        }
    }

    #[inline]
    fn put_all<const N: usize>(&mut self, octets: [u8; N]) {
        self.put_first(&octets, N);
    }

    #[inline]
    fn tlv_header(&mut self, tag: Tag, size: u16) {
        let ([t1, t2], [s1, s2]) = (tag.0.to_be_bytes(), size.to_be_bytes());
        self.put_all([t1, t2, s1, s2]);
    }

    #[cold]
    fn payload(&mut self, text: &[u8]) {
        self.put_all([0]);
        self.long_tlv(Tag::MESSAGE_PAYLOAD, text);
    }

    fn long_tlv(&mut self, tag: Tag, value: &[u8]) {
        let size = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.tlv_header(tag, size);
        self.put(value.get(..usize::from(size)).unwrap_or(value));
    }
}

impl<'a> Sink<'a> for Writer<'_> {
    #[inline]
    fn u8(&mut self, _: Field, value: u8) {
        self.put_all([value]);
    }

    #[inline]
    fn u32(&mut self, _: Field, value: u32) {
        self.put_all(value.to_be_bytes());
    }

    #[inline]
    fn octets<const N: usize>(&mut self, _: [Field; N], values: [u8; N]) {
        self.put_all(values);
    }

    #[inline]
    fn cstring(&mut self, _: Field, _: usize, value: &'a COctets) {
        match value.padded() {
            Some((octets, len)) => self.put_first(octets, len + 1),
            None => {
                self.put(value);
                self.put_all([0]);
            }
        }
    }

    #[inline]
    fn message(&mut self, short_message: &'a Bytes, tlvs: &'a Tlvs) {
        match u8::try_from(short_message.len()) {
            Ok(size) => {
                self.put_all([size]);
                self.put(short_message);
            }
            Err(_) => self.payload(short_message),
        }
        if !tlvs.is_empty() {
            self.tlvs(tlvs);
        }
    }

    fn tlvs(&mut self, tlvs: &'a Tlvs) {
        for tlv in tlvs {
            match tlv.value.padded() {
                Some((octets, len)) => {
                    self.tlv_header(tlv.tag, len as u16);
                    self.put_first(octets, len);
                }
                None => self.long_tlv(tlv.tag, &tlv.value),
            }
        }
    }

    fn short_message(&mut self, short_message: &'a Bytes) {
        let size = u8::try_from(short_message.len()).unwrap_or(u8::MAX);
        self.put_all([size]);
        self.put(short_message.get(..usize::from(size)).unwrap_or(short_message));
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
    if !fill(pdu, out, READY_OCTETS) {
        out.truncate(start);
        fill(pdu, out, HEADER_OCTETS + encoded_len(&pdu.body) + INLINE_OCTETS);
    }
}

/// Appends the whole PDU where that takes less than so many octets. Whether it does.
#[inline]
fn fill(pdu: &Pdu, out: &mut BytesMut, ready: usize) -> bool {
    let start = out.len();
    out.resize(start + ready, 0);
    let Some((header, rest)) = out.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut) else {
        return false;
    };
    let mut writer = Writer { rest };
    pdu.body.write(&mut writer);
    let left = writer.rest.len();
    let length = ready - left;
    *header = header_of(pdu, length);
    out.truncate(start + length);
    left > 0
}

#[inline]
fn header_of(pdu: &Pdu, length: usize) -> [u8; HEADER_OCTETS] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut header = [0; HEADER_OCTETS];
    let words = [length, pdu.command_id().0, pdu.status.0, pdu.sequence];
    for (octets, word) in header.as_chunks_mut().0.iter_mut().zip(words) {
        *octets = word.to_be_bytes();
    }
    header
}
