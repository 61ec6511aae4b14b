//! submit_sm, deliver_sm, data_sm and the responses that carry a message id (SMPP 3.4 sections 4.4, 4.6, 4.7).

use std::fmt;

use bytes::Bytes;

use crate::address::Address;
use crate::error::Field;
use crate::octets::COctets;
use crate::status::Status;
use crate::tlv::{Tag, Tlvs};
use crate::wire::{DEST, Fields, Reader, SOURCE, Sink, limit};

/// The fields of submit_sm and deliver_sm, which share one layout.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sm {
    /// Mostly empty; up to 5 octets.
    pub service_type: COctets,
    /// Who sends.
    pub source: Address,
    /// Who receives.
    pub dest: Address,
    /// Mode, type and features, bit by bit (SMPP 3.4 section 5.2.12).
    pub esm_class: u8,
    /// TP-PID.
    pub protocol_id: u8,
    /// 0 to 3.
    pub priority_flag: u8,
    /// Empty, or a time of 16 characters, see [`crate::time`].
    pub schedule_delivery_time: COctets,
    /// Empty, or a time of 16 characters, see [`crate::time`].
    pub validity_period: COctets,
    /// Which receipts are asked for (SMPP 3.4 section 5.2.17).
    pub registered_delivery: u8,
    /// 1 replaces a message under way.
    pub replace_if_present_flag: u8,
    /// Alphabet and class of the text.
    pub data_coding: u8,
    /// A message predefined at the peer; 0 for none.
    pub sm_default_msg_id: u8,
    /// Up to 254 octets (5.0: 255), a user data header included when esm_class says so. Read, it is a share of the
    /// octets that came together: copy it to keep it long.
    pub short_message: Bytes,
    /// Optional parameters in wire order.
    pub tlvs: Tlvs,
}

/// The esm_class bit that says a user data header stands in front of the text.
pub const UDHI: u8 = 0x40;

impl Sm {
    /// The body of the message: short_message, or message_payload when that is empty.
    pub fn content(&self) -> Bytes {
        let payload = || self.tlvs.get(Tag::MESSAGE_PAYLOAD).map(|tlv| tlv.value.to_bytes());
        let in_payload = if self.short_message.is_empty() { payload() } else { None };
        in_payload.unwrap_or_else(|| self.short_message.clone())
    }

    /// Whether esm_class says that the content starts with a user data header.
    pub fn has_udh(&self) -> bool {
        self.esm_class & UDHI != 0
    }
}

impl Fields for Sm {
    #[inline]
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::ServiceType, limit::SERVICE_TYPE, &mut self.service_type);
        r.address(&SOURCE, limit::ADDRESS, &mut self.source);
        r.address(&DEST, limit::ADDRESS, &mut self.dest);
        [self.esm_class, self.protocol_id, self.priority_flag] =
            r.octets([Field::EsmClass, Field::ProtocolId, Field::PriorityFlag]);
        r.cstring(Field::ScheduleDeliveryTime, limit::TIME, &mut self.schedule_delivery_time);
        r.cstring(Field::ValidityPeriod, limit::TIME, &mut self.validity_period);
        [self.registered_delivery, self.replace_if_present_flag, self.data_coding, self.sm_default_msg_id] =
            r.octets([
                Field::RegisteredDelivery,
                Field::ReplaceIfPresentFlag,
                Field::DataCoding,
                Field::SmDefaultMsgId,
            ]);
        self.short_message = r.short_message();
        self.tlvs = r.tlvs();
    }

    #[inline]
    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type);
        w.address(&SOURCE, limit::ADDRESS, &self.source);
        w.address(&DEST, limit::ADDRESS, &self.dest);
        w.octets(
            [Field::EsmClass, Field::ProtocolId, Field::PriorityFlag],
            [self.esm_class, self.protocol_id, self.priority_flag],
        );
        w.cstring(Field::ScheduleDeliveryTime, limit::TIME, &self.schedule_delivery_time);
        w.cstring(Field::ValidityPeriod, limit::TIME, &self.validity_period);
        w.octets(
            [
                Field::RegisteredDelivery,
                Field::ReplaceIfPresentFlag,
                Field::DataCoding,
                Field::SmDefaultMsgId,
            ],
            [
                self.registered_delivery,
                self.replace_if_present_flag,
                self.data_coding,
                self.sm_default_msg_id,
            ],
        );
        w.message(&self.short_message, &self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

impl fmt::Debug for Sm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sm")
            .field("source", &self.source)
            .field("dest", &self.dest)
            .field("esm_class", &format_args!("0x{:02x}", self.esm_class))
            .field("registered_delivery", &self.registered_delivery)
            .field("data_coding", &self.data_coding)
            .field("short_message", &format_args!("{} octets", self.short_message.len()))
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// The fields of data_sm (SMPP 3.4 section 4.7.1); its text is in message_payload.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct DataSm {
    /// Mostly empty; up to 5 octets.
    pub service_type: COctets,
    /// Who sends; up to 64 octets.
    pub source: Address,
    /// Who receives; up to 64 octets.
    pub dest: Address,
    /// Mode, type and features, bit by bit (SMPP 3.4 section 5.2.12).
    pub esm_class: u8,
    /// Which receipts are asked for (SMPP 3.4 section 5.2.17).
    pub registered_delivery: u8,
    /// Alphabet and class of the text.
    pub data_coding: u8,
    /// Optional parameters in wire order.
    pub tlvs: Tlvs,
}

impl Fields for DataSm {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::ServiceType, limit::SERVICE_TYPE, &mut self.service_type);
        r.address(&SOURCE, limit::LONG_ADDRESS, &mut self.source);
        r.address(&DEST, limit::LONG_ADDRESS, &mut self.dest);
        self.esm_class = r.u8(Field::EsmClass);
        self.registered_delivery = r.u8(Field::RegisteredDelivery);
        self.data_coding = r.u8(Field::DataCoding);
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::ServiceType, limit::SERVICE_TYPE, &self.service_type);
        w.address(&SOURCE, limit::LONG_ADDRESS, &self.source);
        w.address(&DEST, limit::LONG_ADDRESS, &self.dest);
        w.u8(Field::EsmClass, self.esm_class);
        w.u8(Field::RegisteredDelivery, self.registered_delivery);
        w.u8(Field::DataCoding, self.data_coding);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

impl From<DataSm> for Sm {
    /// The same message as a deliver_sm or submit_sm has it: receipts and texts come as either.
    fn from(data: DataSm) -> Sm {
        Sm {
            service_type: data.service_type,
            source: data.source,
            dest: data.dest,
            esm_class: data.esm_class,
            registered_delivery: data.registered_delivery,
            data_coding: data.data_coding,
            tlvs: data.tlvs,
            ..Sm::default()
        }
    }
}

/// submit_sm_resp, deliver_sm_resp, data_sm_resp, broadcast_sm_resp and query_broadcast_sm_resp: a message id and TLVs.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MessageResp {
    /// The id, up to 64 octets, opaque. `None` when the octet of the empty id is not there either, as in most errors.
    pub message_id: Option<COctets>,
    /// Optional parameters in wire order.
    pub tlvs: Tlvs,
}

impl MessageResp {
    /// An id and no TLVs.
    pub fn with_id(message_id: impl Into<COctets>) -> Self {
        MessageResp { message_id: Some(message_id.into()), tlvs: Tlvs::new() }
    }
}

impl Fields for MessageResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        self.message_id = r.response_id(Field::MessageId, limit::MESSAGE_ID, status);
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.optional(Field::MessageId, limit::MESSAGE_ID, &self.message_id);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}
