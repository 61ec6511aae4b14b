//! broadcast_sm, query_broadcast_sm, cancel_broadcast_sm (SMPP 5.0 section 4.4).

use crate::address::Address;
use crate::error::Field;
use crate::octets::COctets;
use crate::status::Status;
use crate::tlv::Tlvs;
use crate::wire::{Fields, Reader, SOURCE, Sink, limit};

/// A message to everybody in an area; area, content type, repetition and interval are TLVs.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct BroadcastSm {
    /// Mostly `CBS`; up to 5 octets.
    pub service_type: COctets,
    /// Who sends.
    pub source: Address,
    /// The id of a broadcast to replace; else empty.
    pub message_id: COctets,
    /// 0 to 4.
    pub priority_flag: u8,
    /// Empty, or a time of 16 characters.
    pub schedule_delivery_time: COctets,
    /// Empty, or a time of 16 characters.
    pub validity_period: COctets,
    /// 1 replaces a broadcast under way.
    pub replace_if_present_flag: u8,
    /// Alphabet and class of the text.
    pub data_coding: u8,
    /// A message predefined at the peer; 0 for none.
    pub sm_default_msg_id: u8,
    /// Parameters in wire order.
    pub tlvs: Tlvs,
}

impl Fields for BroadcastSm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::ServiceType, limit::SERVICE_TYPE, &mut self.service_type);
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        self.priority_flag = r.u8(Field::PriorityFlag);
        r.cstring(Field::ScheduleDeliveryTime, limit::TIME, &mut self.schedule_delivery_time);
        r.cstring(Field::ValidityPeriod, limit::TIME, &mut self.validity_period);
        self.replace_if_present_flag = r.u8(Field::ReplaceIfPresentFlag);
        self.data_coding = r.u8(Field::DataCoding);
        self.sm_default_msg_id = r.u8(Field::SmDefaultMsgId);
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.u8(Field::PriorityFlag, self.priority_flag);
        w.cstring(Field::ScheduleDeliveryTime, limit::TIME, &self.schedule_delivery_time);
        w.cstring(Field::ValidityPeriod, limit::TIME, &self.validity_period);
        w.u8(Field::ReplaceIfPresentFlag, self.replace_if_present_flag);
        w.u8(Field::DataCoding, self.data_coding);
        w.u8(Field::SmDefaultMsgId, self.sm_default_msg_id);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

/// Asks for the state of a broadcast.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct QueryBroadcastSm {
    /// The id the peer gave.
    pub message_id: COctets,
    /// The source of the broadcast.
    pub source: Address,
    /// Parameters in wire order.
    pub tlvs: Tlvs,
}

impl Fields for QueryBroadcastSm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.last_address(&SOURCE, limit::ADDRESS, &mut self.source);
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

/// Cancels a broadcast.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct CancelBroadcastSm {
    /// Mostly `CBS`; up to 5 octets.
    pub service_type: COctets,
    /// The id the peer gave; empty to cancel by service type and source.
    pub message_id: COctets,
    /// The source of the broadcast.
    pub source: Address,
    /// Parameters in wire order.
    pub tlvs: Tlvs,
}

impl Fields for CancelBroadcastSm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::ServiceType, limit::SERVICE_TYPE, &mut self.service_type);
        r.cstring(Field::MessageId, limit::MESSAGE_ID, &mut self.message_id);
        r.last_address(&SOURCE, limit::ADDRESS, &mut self.source);
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type);
        w.cstring(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}
