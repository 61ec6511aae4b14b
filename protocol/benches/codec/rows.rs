//! The PDUs that are measured, here and beside other libraries (`bench-peers/`).

use std::fmt;

use bytes::{Bytes, BytesMut};
use protocol::address::Address;
use protocol::octets::COctets;
use protocol::pdu::{Body, Pdu, Sm};
use protocol::receipt::{self, MessageState, Writing};
use protocol::text::{self, Concat, Width};

/// One kind of PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A short answer: 51 octets.
    Short,
    /// A full single message: 160 characters.
    Long,
    /// The short one with the three SAR parameters.
    Tlvs,
    /// A delivery receipt, by text and by parameters.
    Receipt,
}

impl Row {
    pub const ALL: [Row; 4] = [Row::Short, Row::Long, Row::Tlvs, Row::Receipt];

    pub fn pdu(self) -> Pdu {
        let submit = Sm {
            source: Address::new(0, 1, "88001"),
            dest: Address::international("447700900123"),
            registered_delivery: 1,
            short_message: "Y".into(),
            ..Sm::default()
        };
        let body = match self {
            Row::Short => Body::SubmitSm(submit),
            Row::Long => Body::SubmitSm(Sm { short_message: "0123456789".repeat(16).into(), ..submit }),
            Row::Tlvs => {
                let concat = Concat { reference: 7, total: 2, number: 1, width: Width::Sixteen };
                Body::SubmitSm(Sm { tlvs: text::sar_tlvs(concat).into_iter().collect(), ..submit })
            }
            Row::Receipt => Body::DeliverSm(receipt()),
        };
        Pdu::new(7, body)
    }

    pub fn octets(self) -> Bytes {
        let mut out = BytesMut::new();
        self.pdu().encode(&mut out);
        out.freeze()
    }
}

pub fn receipt() -> Sm {
    let id = COctets::from("0972660181");
    let writing = Writing {
        id: &id,
        dlvrd: 1,
        submitted_s: 1_772_627_340,
        done_s: 1_772_627_400,
        state: MessageState::Delivered,
        text: b"Thank you, Ana.",
        ..Writing::default()
    };
    Sm {
        source: Address::international("447700900123"),
        dest: Address::new(0, 1, "88001"),
        esm_class: 0x04,
        short_message: receipt::format(&writing),
        tlvs: receipt::tlvs(&id, MessageState::Delivered, None),
        ..Sm::default()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Row::Short => "submit_sm short",
            Row::Long => "submit_sm long",
            Row::Tlvs => "submit_sm with three TLVs",
            Row::Receipt => "deliver_sm receipt",
        };
        write!(f, "{name}, {} octets", self.pdu().encoded_len())
    }
}
