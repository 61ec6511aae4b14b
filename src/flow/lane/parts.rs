//! A message cut into PDUs, and slices cut from what is to be sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::address::Address;
use protocol::pdu::Sm;
use protocol::text::{Alphabet, Parts, Reference, Unsendable, decode, split};

use super::Now;
use crate::flow::consent::Judgement;
use crate::message::{Msisdn, Outbound, Scope, Sender, SenderKind};

/// registered_delivery: a receipt is asked for every message, since its final state is what the operator is promised
/// (SMPP 3.4 section 5.2.17).
const RECEIPT: u8 = 1;

/// A message cut into PDUs, with what blocks it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub message: Outbound,
    pub parts: Result<Vec<Sm>, Unsendable>,
    pub scopes: Arc<[Scope]>,
    pub consent_since_ms: Option<i64>,
}

impl Prepared {
    pub fn part_count(&self) -> usize {
        self.parts.as_ref().map_or(0, Vec::len)
    }
}

/// The next messages whose parts fit; at least one, however long it is.
pub(super) fn take_slice(prepared: &mut VecDeque<Prepared>, parts: usize) -> Vec<Prepared> {
    let mut slice = Vec::new();
    let mut taken = 0;
    while let Some(next) = prepared.front() {
        if !slice.is_empty() && taken + next.part_count() > parts {
            break;
        }
        taken += next.part_count();
        slice.extend(prepared.pop_front());
    }
    slice
}

/// When the time of day is so much.
pub(super) fn instant_of(now: Now, at_ms: i64) -> Instant {
    now.instant + Duration::from_millis(u64::try_from(at_ms - now.ms).unwrap_or_default())
}

/// Cuts a message into PDUs; what an ESME gave as octets is passed on as it is. `short_code`: TON and NPI of a short code
/// as the sender.
pub(super) fn prepare(message: Outbound, judgement: Judgement, short_code: (u8, u8)) -> Prepared {
    let (source, dest) = addresses(&message.sender, message.to, short_code);
    let envelope = Sm { source, dest, registered_delivery: RECEIPT, ..Sm::default() };
    let parts = match &message.relay {
        Some(relay) => Ok(vec![Sm {
            esm_class: relay.esm_class,
            protocol_id: relay.protocol_id,
            data_coding: relay.data_coding,
            short_message: Bytes::copy_from_slice(&relay.octets),
            ..envelope
        }]),
        None => parts_of(&message).map(|text| {
            let pdu = |octets: &Bytes| Sm {
                esm_class: if text.udhi { 0x40 } else { 0 },
                data_coding: text.data_coding,
                short_message: octets.clone(),
                ..envelope.clone()
            };
            text.parts.iter().map(pdu).collect()
        }),
    };
    let Judgement { scopes, consent_since_ms } = judgement;
    Prepared { message, parts, scopes: scopes.into(), consent_since_ms }
}

/// How many PDUs a message takes; one where its text cannot be sent, since that is told of it as a whole.
pub(in crate::flow) fn part_count(message: &Outbound) -> usize {
    match message.relay {
        Some(_) => 1,
        None => parts_of(message).map_or(1, |text| text.parts.len()),
    }
}

/// The words of each of its parts; none where its octets are an ESME's own.
pub(in crate::flow) fn part_texts(message: &Outbound) -> Vec<String> {
    if message.relay.is_some() {
        return vec![message.body.clone()];
    }
    let read =
        |text: &Parts, octets: &Bytes| decode(text.data_coding, text.udhi, octets, Alphabet::Gsm7).text;
    parts_of(message).map_or_else(
        |_| Vec::new(),
        |text| text.parts.iter().map(|octets| read(&text, octets).unwrap_or_default()).collect(),
    )
}

/// A message's text in parts. The reference comes from the message's id, so that a part sent again belongs to the same
/// message on the handset.
fn parts_of(message: &Outbound) -> Result<Parts, Unsendable> {
    let octets = message.id.0.to_le_bytes();
    split(&message.body, Reference::Eight(octets[0] ^ octets[2]))
}

/// Source and destination of a message.
pub(in crate::flow) fn addresses(sender: &Sender, to: Msisdn, short_code: (u8, u8)) -> (Address, Address) {
    (source(sender, short_code), Address { ton: 1, npi: 1, addr: to.digits().as_str().into() })
}

/// The sender as a carrier wants it: short codes as its profile says, names as TON 5.
fn source(sender: &Sender, short_code: (u8, u8)) -> Address {
    let digits = sender.0.trim_start_matches('+');
    let (ton, npi) = match sender.kind() {
        SenderKind::ShortCode => short_code,
        SenderKind::LongCode => (1, 1),
        SenderKind::Alphanumeric => (5, 0),
    };
    Address { ton, npi, addr: digits.into() }
}
