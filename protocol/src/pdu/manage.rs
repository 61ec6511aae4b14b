//! query_sm, cancel_sm, replace_sm and their responses (SMPP 3.4 sections 4.8 to 4.10).

use std::fmt;

use bytes::Bytes;

use crate::address::Address;
use crate::error::{Deviation, Field};
use crate::octets::COctets;
use crate::status::Status;
use crate::tlv::Tlvs;
use crate::wire::{DEST, Fields, Reader, SOURCE, Sink, limit};

/// Asks for the state of a message.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct QuerySm {
    /// The id the peer gave.
    pub message_id: COctets,
    /// The source of that message.
    pub source: Address,
}

impl Fields for QuerySm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.last_address(&SOURCE, limit::ADDRESS, &mut self.source);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// The state of a message.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct QuerySmResp {
    /// The id asked for; `None` when the body is missing, and the other fields mean nothing.
    pub message_id: Option<COctets>,
    /// When it came to its final state; empty before.
    pub final_date: COctets,
    /// 1 to 9 (SMPP 3.4 section 5.2.28).
    pub message_state: u8,
    /// The network's error.
    pub error_code: u8,
    /// Optional parameters in wire order (5.0).
    pub tlvs: Tlvs,
}

impl Fields for QuerySmResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        self.message_id = r.response_id(Field::MessageId, limit::MESSAGE_ID, status);
        if self.message_id.is_some() {
            r.cstring(Field::FinalDate, limit::TIME, &mut self.final_date);
            self.message_state = r.u8(Field::MessageState);
            self.error_code = r.u8(Field::ErrorCode);
        }
        if !status.is_ok() {
            r.forgive(Deviation::PartialBody);
        }
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        if w.optional(Field::MessageId, limit::MESSAGE_ID, &self.message_id) {
            w.cstring(Field::FinalDate, limit::TIME, &self.final_date);
            w.u8(Field::MessageState, self.message_state);
            w.u8(Field::ErrorCode, self.error_code);
        }
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

/// Cancels one message by id, or all to a destination.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct CancelSm {
    /// Mostly empty; up to 5 octets.
    pub service_type: COctets,
    /// The id the peer gave; empty to cancel by addresses.
    pub message_id: COctets,
    /// The source of the message.
    pub source: Address,
    /// Its destination; may be empty when an id is given.
    pub dest: Address,
}

impl Fields for CancelSm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::ServiceType, limit::SERVICE_TYPE, &mut self.service_type);
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        r.last_address(&DEST, limit::ADDRESS, &mut self.dest);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type);
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.address(&DEST, limit::ADDRESS, &self.dest);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

/// Replaces a message that was not delivered yet.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReplaceSm {
    /// The id the peer gave.
    pub message_id: COctets,
    /// The source of the message.
    pub source: Address,
    /// Empty, or a time of 16 characters.
    pub schedule_delivery_time: COctets,
    /// Empty, or a time of 16 characters.
    pub validity_period: COctets,
    /// Which receipts are asked for (SMPP 3.4 section 5.2.17).
    pub registered_delivery: u8,
    /// A message predefined at the peer; 0 for none.
    pub sm_default_msg_id: u8,
    /// Up to 254 octets (5.0: 255).
    pub short_message: Bytes,
    /// Optional parameters in wire order (5.0).
    pub tlvs: Tlvs,
}

impl Fields for ReplaceSm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        r.cstring(Field::ScheduleDeliveryTime, limit::TIME, &mut self.schedule_delivery_time);
        r.cstring(Field::ValidityPeriod, limit::TIME, &mut self.validity_period);
        self.registered_delivery = r.u8(Field::RegisteredDelivery);
        self.sm_default_msg_id = r.u8(Field::SmDefaultMsgId);
        self.short_message = r.short_message();
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.cstring(Field::ScheduleDeliveryTime, limit::TIME, &self.schedule_delivery_time);
        w.cstring(Field::ValidityPeriod, limit::TIME, &self.validity_period);
        w.u8(Field::RegisteredDelivery, self.registered_delivery);
        w.u8(Field::SmDefaultMsgId, self.sm_default_msg_id);
        w.message(&self.short_message, &self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

impl fmt::Debug for ReplaceSm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaceSm")
            .field("message_id", &self.message_id)
            .field("source", &self.source)
            .field("short_message", &format_args!("{} octets", self.short_message.len()))
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}
