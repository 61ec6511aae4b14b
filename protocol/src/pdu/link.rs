//! alert_notification; the commands without a body (unbind, enquire_link, generic_nack) need no type
//! (SMPP 3.4 sections 4.2, 4.3, 4.11, 4.12).

use crate::address::Address;
use crate::error::{Deviation, Field};
use crate::status::Status;
use crate::tlv::{Tag, Tlvs};
use crate::wire::{ESME, Fields, Reader, SOURCE, Sink, limit};

/// A subscriber for whom a message waited can be reached again. It has no response.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct AlertNotification {
    /// The subscriber; up to 64 octets.
    pub source: Address,
    /// The ESME that asked to be told; up to 64 octets.
    pub esme: Address,
    /// ms_availability_status written as an octet by itself where its TLV belongs.
    pub bare_ms_availability_status: Option<u8>,
    /// Optional parameters in wire order.
    pub tlvs: Tlvs,
}

impl AlertNotification {
    /// ms_availability_status in either form: 0 available, 1 denied, 2 unavailable.
    pub fn ms_availability_status(&self) -> Option<u8> {
        self.tlvs
            .get_uint(Tag::MS_AVAILABILITY_STATUS)
            .and_then(|status| u8::try_from(status).ok())
            .or(self.bare_ms_availability_status)
    }
}

impl Fields for AlertNotification {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.address(&SOURCE, limit::LONG_ADDRESS, &mut self.source);
        r.last_address(&ESME, limit::LONG_ADDRESS, &mut self.esme);
        if r.left() == 1 {
            r.deviate(Deviation::BareMsAvailabilityStatus);
            self.bare_ms_availability_status = Some(r.u8(Field::MsAvailabilityStatus));
        }
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.address(&SOURCE, limit::LONG_ADDRESS, &self.source);
        w.address(&ESME, limit::LONG_ADDRESS, &self.esme);
        w.bare(Field::MsAvailabilityStatus, self.bare_ms_availability_status);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}
