//! Fields on the wire: what both directions share, and the nom parsers under the reader.
//!
//! Each body describes its layout twice, once in `read` and once in `write`. Everything that walks the fields of a
//! body in wire order (length, octets, strict checks, the view by names) is a [`Sink`] given to `write`.

mod reader;
mod sink;

use nom::bytes::complete::{take, take_till, take_while_m_n};
use nom::error::{ErrorKind, ParseError};
use nom::number::complete::be_u32;
use nom::sequence::terminated;
use nom::{IResult, Parser};

use crate::error::Field;
use crate::pdu::{CommandId, Header};
use crate::status::Status;
use crate::tlv::Tlvs;

pub(crate) use reader::Reader;
pub(crate) use sink::{Sink, encode, encoded_len};

/// The fields of one command.
pub(crate) trait Fields {
    /// Fills the empty fields with what the reader finds. Responses depend on their status.
    fn read(&mut self, r: &mut Reader<'_>, status: Status);

    /// Gives the fields in wire order.
    fn write<'a>(&'a self, w: &mut impl Sink<'a>);

    /// The optional parameters, where the command takes some.
    fn tlvs(&self) -> Option<&Tlvs>;

    /// The same, to change them.
    fn tlvs_mut(&mut self) -> Option<&mut Tlvs>;
}

/// Most octets of the C-octet strings, the NUL included (SMPP 3.4 section 4, the size columns).
pub(crate) mod limit {
    pub const SYSTEM_ID: usize = 16;
    pub const PASSWORD: usize = 9;
    pub const SYSTEM_TYPE: usize = 13;
    pub const ADDRESS_RANGE: usize = 41;
    pub const SERVICE_TYPE: usize = 6;
    pub const ADDRESS: usize = 21;
    /// In data_sm and alert_notification.
    pub const LONG_ADDRESS: usize = 65;
    pub const DL_NAME: usize = 21;
    pub const MESSAGE_ID: usize = 65;
    pub const TIME: usize = 17;
    /// SMPP 3.3.
    pub const PARAM_NAME: usize = 32;
    /// SMPP 3.3.
    pub const PARAM_VALUE: usize = 101;
}

/// Octets of a TLV's tag and length.
const TLV_HEADER_OCTETS: usize = 4;

/// The most that sm_length can say.
const SHORT_MESSAGE_MAX: usize = u8::MAX as usize;

/// The names of the three fields of an address.
pub(crate) struct Party {
    ton: Field,
    npi: Field,
    addr: Field,
}

impl Party {
    pub fn is_source(&self) -> bool {
        self.addr == Field::SourceAddr
    }
}

pub(crate) const SOURCE: Party =
    Party { ton: Field::SourceAddrTon, npi: Field::SourceAddrNpi, addr: Field::SourceAddr };
pub(crate) const DEST: Party =
    Party { ton: Field::DestAddrTon, npi: Field::DestAddrNpi, addr: Field::DestinationAddr };
pub(crate) const ESME: Party =
    Party { ton: Field::EsmeAddrTon, npi: Field::EsmeAddrNpi, addr: Field::EsmeAddr };

/// The octets ended too early: all that nom has to tell, the reader knows the field.
struct Cut;

impl ParseError<&[u8]> for Cut {
    #[inline]
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        Cut
    }

    #[inline]
    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Cut>;

#[inline]
fn cstring(input: &[u8]) -> Parsed<'_, &[u8]> {
    let nul = |octet| octet == 0;
    terminated(take_till(nul), take_while_m_n(1, 1, nul)).parse(input)
}

#[inline]
fn octets<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    match input.split_first_chunk() {
        Some((octets, rest)) => Ok((rest, *octets)),
        None => Err(nom::Err::Error(Cut)),
    }
}

#[inline]
fn tlv(input: &[u8]) -> Parsed<'_, (u16, &[u8])> {
    let (input, [t1, t2, s1, s2]) = octets(input)?;
    let (input, value) = take(u16::from_be_bytes([s1, s2])).parse(input)?;
    Ok((input, (u16::from_be_bytes([t1, t2]), value)))
}

/// Whether the octets are TLVs to the last.
fn is_tlvs(mut octets: &[u8]) -> bool {
    while let Ok((rest, _)) = tlv(octets) {
        octets = rest;
    }
    octets.is_empty()
}

/// The header; `None` when there are fewer octets than it has.
#[inline]
pub(crate) fn header(input: &[u8]) -> Option<Header> {
    let parsed: Parsed<'_, _> = (be_u32, be_u32, be_u32, be_u32).parse(input);
    let (_, (length, command, status, sequence)) = parsed.ok()?;
    Some(Header { length, command: CommandId(command), status: Status(status), sequence })
}
