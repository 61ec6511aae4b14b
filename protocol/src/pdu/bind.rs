//! bind_transmitter, bind_receiver, bind_transceiver, outbind and their responses (SMPP 3.4 section 4.1).

use std::fmt;

use crate::error::Field;
use crate::octets::COctets;
use crate::status::Status;
use crate::tlv::{Tag, Tlvs};
use crate::version::Version;
use crate::wire::{Fields, Reader, Sink, limit};

/// The fields of all three binds.
#[derive(Clone, PartialEq, Eq)]
pub struct Bind {
    /// Who binds; up to 15 octets.
    pub system_id: COctets,
    /// Up to 8 octets. `Debug` hides it.
    pub password: COctets,
    /// Category of the ESME, often empty; up to 12 octets.
    pub system_type: COctets,
    /// 0x34 for 3.4, 0x50 for 5.0; 0x33 and below mean 3.3.
    pub interface_version: u8,
    /// Type of number of the addresses served, see [`crate::address::ton`].
    pub addr_ton: u8,
    /// Numbering plan of the addresses served, see [`crate::address::npi`].
    pub addr_npi: u8,
    /// Addresses served, often a pattern, mostly empty; up to 40 octets.
    pub address_range: COctets,
}

impl Default for Bind {
    /// Nothing but the version, 3.4: what nearly all speak.
    fn default() -> Self {
        Bind {
            system_id: COctets::EMPTY,
            password: COctets::EMPTY,
            system_type: COctets::EMPTY,
            interface_version: Version::V3_4.interface_version(),
            addr_ton: 0,
            addr_npi: 0,
            address_range: COctets::EMPTY,
        }
    }
}

impl Fields for Bind {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::SystemId, limit::SYSTEM_ID, &mut self.system_id);
        r.cstring(Field::Password, limit::PASSWORD, &mut self.password);
        r.cstring(Field::SystemType, limit::SYSTEM_TYPE, &mut self.system_type);
        self.interface_version = r.u8(Field::InterfaceVersion);
        self.addr_ton = r.u8(Field::AddrTon);
        self.addr_npi = r.u8(Field::AddrNpi);
        self.address_range = r.last_cstring(Field::AddressRange, limit::ADDRESS_RANGE);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::SystemId, limit::SYSTEM_ID, &self.system_id);
        w.cstring(Field::Password, limit::PASSWORD, &self.password);
        w.cstring(Field::SystemType, limit::SYSTEM_TYPE, &self.system_type);
        w.u8(Field::InterfaceVersion, self.interface_version);
        w.u8(Field::AddrTon, self.addr_ton);
        w.u8(Field::AddrNpi, self.addr_npi);
        w.cstring(Field::AddressRange, limit::ADDRESS_RANGE, &self.address_range);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("system_id", &self.system_id)
            .field("password", &"<hidden>")
            .field("system_type", &self.system_type)
            .field("interface_version", &format_args!("0x{:02x}", self.interface_version))
            .finish_non_exhaustive()
    }
}

/// The answer to any of the three binds.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct BindResp {
    /// The peer's name; `None` when the body is missing, as errors leave it out.
    pub system_id: Option<COctets>,
    /// sc_interface_version, from peers that take TLVs.
    pub tlvs: Tlvs,
}

impl BindResp {
    /// The SMPP version the peer speaks, where it says so.
    pub fn version(&self) -> Option<u8> {
        self.tlvs.get_uint(Tag::SC_INTERFACE_VERSION).and_then(|version| u8::try_from(version).ok())
    }
}

impl Fields for BindResp {
    fn read(&mut self, r: &mut Reader<'_>, status: Status) {
        self.system_id = r.response_id(Field::SystemId, limit::SYSTEM_ID, status);
        self.tlvs = r.tlvs();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.optional(Field::SystemId, limit::SYSTEM_ID, &self.system_id);
        w.tlvs(&self.tlvs);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.tlvs)
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        Some(&mut self.tlvs)
    }
}

/// A server asks its client to bind (SMPP 3.4 section 4.1.7). It has no response.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Outbind {
    /// Who asks; up to 15 octets.
    pub system_id: COctets,
    /// Up to 8 octets. `Debug` hides it.
    pub password: COctets,
}

impl Fields for Outbind {
    fn read(&mut self, r: &mut Reader<'_>, _: Status) {
        r.cstring(Field::SystemId, limit::SYSTEM_ID, &mut self.system_id);
        self.password = r.last_cstring(Field::Password, limit::PASSWORD);
        r.end();
    }

    fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
        w.cstring(Field::SystemId, limit::SYSTEM_ID, &self.system_id);
        w.cstring(Field::Password, limit::PASSWORD, &self.password);
    }

    fn tlvs(&self) -> Option<&Tlvs> {
        None
    }

    fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
        None
    }
}

impl fmt::Debug for Outbind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbind").field("system_id", &self.system_id).finish_non_exhaustive()
    }
}
