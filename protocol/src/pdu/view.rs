//! The fields of a body by their names in the specification, for output and tests.

use bytes::Bytes;

use super::{Body, Destination, Unsuccess};
use crate::error::Field;
use crate::octets::COctets;
use crate::tlv::Tlvs;
use crate::wire::Sink;

/// The value of a field. `Debug` is left out: values are for those who asked for them, not for logs.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer.
    Number(u32),
    /// A C-octet string.
    Text(&'a COctets),
    /// Octets that may be anything: short_message.
    Octets(&'a Bytes),
    /// A list of records: the receivers of submit_multi, the ids of query_last_msgs_resp.
    Records(Vec<Vec<(&'static str, Value<'a>)>>),
    /// Not there at all.
    Missing,
}

impl Body {
    /// The mandatory fields in wire order, each with its name and value; TLVs are in [`tlvs`](Body::tlvs).
    ///
    /// Counts and flags are left out where the list itself tells them. Records name their parts `ton`, `npi` and
    /// `addr`, or `dl_name` alone, in submit_multi; with `status` in its response.
    pub fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        let mut listing = Listing(Vec::new());
        self.write(&mut listing);
        listing.0
    }
}

struct Listing<'a>(Vec<(&'static str, Value<'a>)>);

impl<'a> Sink<'a> for Listing<'a> {
    fn u8(&mut self, field: Field, value: u8) {
        self.u32(field, u32::from(value));
    }

    fn u32(&mut self, field: Field, value: u32) {
        self.0.push((field.name(), Value::Number(value)));
    }

    fn cstring(&mut self, field: Field, _: usize, value: &'a COctets) {
        self.0.push((field.name(), Value::Text(value)));
    }

    fn optional(&mut self, field: Field, _: usize, value: &'a Option<COctets>) -> bool {
        self.0.push((field.name(), value.as_ref().map_or(Value::Missing, Value::Text)));
        value.is_some()
    }

    fn message(&mut self, short_message: &'a Bytes, _: &'a Tlvs) {
        self.short_message(short_message);
    }

    fn tlvs(&mut self, _: &'a Tlvs) {}

    fn short_message(&mut self, short_message: &'a Bytes) {
        self.0.push((Field::ShortMessage.name(), Value::Octets(short_message)));
    }

    fn message_ids(&mut self, ids: &'a [COctets]) {
        let records = ids.iter().map(|id| vec![(Field::MessageId.name(), Value::Text(id))]);
        self.0.push((Field::MessageId.name(), Value::Records(records.collect())));
    }

    fn destinations(&mut self, dests: &'a [Destination]) {
        let records = dests.iter().map(|dest| match dest {
            Destination::Sme(address) => vec![
                ("ton", Value::Number(u32::from(address.ton))),
                ("npi", Value::Number(u32::from(address.npi))),
                ("addr", Value::Text(&address.addr)),
            ],
            Destination::List(name) => vec![(Field::DlName.name(), Value::Text(name))],
        });
        self.0.push((Field::DestAddress.name(), Value::Records(records.collect())));
    }

    fn unsuccess(&mut self, refused: &'a [Unsuccess]) {
        let records = refused.iter().map(|one| {
            vec![
                ("ton", Value::Number(u32::from(one.address.ton))),
                ("npi", Value::Number(u32::from(one.address.npi))),
                ("addr", Value::Text(&one.address.addr)),
                ("status", Value::Number(one.status.0)),
            ]
        });
        self.0.push((Field::UnsuccessSme.name(), Value::Records(records.collect())));
    }

    fn opaque(&mut self, _: &'a Bytes) {}
}
