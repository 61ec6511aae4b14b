//! submit_multi and its response (SMPP 3.4 section 4.5).

use std::fmt;

use bytes::Bytes;

use crate::address::Address;
use crate::error::{DecodeError, Deviation, Field};
use crate::octets::COctets;
use crate::status::Status;
use crate::tlv::Tlvs;
use crate::wire::{DEST, Fields, Reader, SOURCE, Sink, limit};

/// One receiver of a submit_multi.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// dest_flag 1: an address.
    Sme(Address),
    /// dest_flag 2: the name of a distribution list at the peer; up to 20 octets.
    List(COctets),
}

impl Destination {
    /// dest_flag of an address.
    pub const SME_FLAG: u8 = 1;
    /// dest_flag of a distribution list.
    pub const LIST_FLAG: u8 = 2;

    /// Octets of the shortest one, a list without a name.
    const LEAST_OCTETS: usize = 2;

    fn read(r: &mut Reader<'_>) -> Self {
        match r.u8(Field::DestFlag) {
            Destination::LIST_FLAG => {
                let mut name = COctets::EMPTY;
                r.cstring(Field::DlName, limit::DL_NAME, &mut name);
                Destination::List(name)
            }
            flag => {
                if flag != Destination::SME_FLAG {
                    r.fail(DecodeError::BadDestFlag(flag));
                }
                let mut address = Address::default();
                r.address(&DEST, limit::ADDRESS, &mut address);
                Destination::Sme(address)
            }
        }
    }

    pub(super) fn read_all(r: &mut Reader<'_>) -> Vec<Self> {
        let count = usize::from(r.u8(Field::NumberOfDests));
        let mut dests = Vec::with_capacity(count.min(r.left() / Destination::LEAST_OCTETS));
        while dests.len() < count && !r.has_failed() {
            let dest = Destination::read(r);
            if !r.has_failed() {
                dests.push(dest);
            }
        }
        dests
    }
}

/// One message to several receivers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SubmitMulti {
    /// Mostly empty; up to 5 octets.
    pub service_type: COctets,
    /// Who sends.
    pub source: Address,
    /// Who receives; up to 254.
    pub dests: Vec<Destination>,
    /// Mode, type and features, bit by bit (SMPP 3.4 section 5.2.12).
    pub esm_class: u8,
    /// TP-PID.
    pub protocol_id: u8,
    /// 0 to 3.
    pub priority_flag: u8,
    /// Empty, or a time of 16 characters.
    pub schedule_delivery_time: COctets,
    /// Empty, or a time of 16 characters.
    pub validity_period: COctets,
    /// Which receipts are asked for (SMPP 3.4 section 5.2.17).
    pub registered_delivery: u8,
    /// 1 replaces a message under way.
    pub replace_if_present_flag: u8,
    /// Alphabet and class of the text.
    pub data_coding: u8,
    /// A message predefined at the peer; 0 for none.
    pub sm_default_msg_id: u8,
    /// Up to 254 octets (5.0: 255).
    pub short_message: Bytes,
    /// Optional parameters in wire order.
    pub tlvs: Tlvs,
}

impl Fields for SubmitMulti {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::ServiceType, limit::SERVICE_TYPE, &mut self.service_type);
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        self.dests = Destination::read_all(r);
        self.esm_class = r.u8(Field::EsmClass);
        self.protocol_id = r.u8(Field::ProtocolId);
        self.priority_flag = r.u8(Field::PriorityFlag);
        r.cstring(Field::ScheduleDeliveryTime, limit::TIME, &mut self.schedule_delivery_time);
        r.cstring(Field::ValidityPeriod, limit::TIME, &mut self.validity_period);
        self.registered_delivery = r.u8(Field::RegisteredDelivery);
        self.replace_if_present_flag = r.u8(Field::ReplaceIfPresentFlag);
        self.data_coding = r.u8(Field::DataCoding);
        self.sm_default_msg_id = r.u8(Field::SmDefaultMsgId);
        self.short_message = r.short_message();
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.destinations(&self.dests);
        w.u8(Field::EsmClass, self.esm_class);
        w.u8(Field::ProtocolId, self.protocol_id);
        w.u8(Field::PriorityFlag, self.priority_flag);
        w.cstring(Field::ScheduleDeliveryTime, limit::TIME, &self.schedule_delivery_time);
        w.cstring(Field::ValidityPeriod, limit::TIME, &self.validity_period);
        w.u8(Field::RegisteredDelivery, self.registered_delivery);
        w.u8(Field::ReplaceIfPresentFlag, self.replace_if_present_flag);
        w.u8(Field::DataCoding, self.data_coding);
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

impl fmt::Debug for SubmitMulti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitMulti")
            .field("source", &self.source)
            .field("dests", &self.dests)
            .field("data_coding", &self.data_coding)
            .field("short_message", &format_args!("{} octets", self.short_message.len()))
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// A receiver that was refused.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Unsuccess {
    /// Whose address.
    pub address: Address,
    /// Why.
    pub status: Status,
}

/// The answer to submit_multi.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SubmitMultiResp {
    /// The id; `None` when the body is missing.
    pub message_id: Option<COctets>,
    /// The receivers that were refused; not written when the body is missing.
    pub unsuccess: Vec<Unsuccess>,
    /// Optional parameters in wire order.
    pub tlvs: Tlvs,
}

impl Fields for SubmitMultiResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        self.message_id = r.response_id(Field::MessageId, limit::MESSAGE_ID, status);
        if self.message_id.is_some() {
            self.unsuccess = Unsuccess::read_all(r);
        }
        if !status.is_ok() {
            r.forgive(Deviation::PartialBody);
        }
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        if w.optional(Field::MessageId, limit::MESSAGE_ID, &self.message_id) {
            w.unsuccess(&self.unsuccess);
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

impl Unsuccess {
    /// Octets of the shortest one: an empty address and its status.
    const LEAST_OCTETS: usize = 7;

    fn read_all(r: &mut Reader<'_>) -> Vec<Self> {
        let count = usize::from(r.u8(Field::UnsuccessSme));
        let mut refused = Vec::with_capacity(count.min(r.left() / Unsuccess::LEAST_OCTETS));
        while refused.len() < count && !r.has_failed() {
            let mut one = Unsuccess::default();
            r.address(&DEST, limit::ADDRESS, &mut one.address);
            one.status = Status(r.u32(Field::ErrorStatusCode));
            if !r.has_failed() {
                refused.push(one);
            }
        }
        refused
    }
}
