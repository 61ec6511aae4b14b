//! What fuzzing starts from: the PDUs and receipts of the project's `fixtures/`, in the form each target reads.

use bytes::Bytes;
use protocol::frame::{Frame, Grade, decode};
use protocol::pdu::{Body, Sm};
use protocol::session::Role;
use protocol::tlv::Tag;
use serde_json::Value;

use super::sessions::script_of;

const PDUS: &str = include_str!("../../../fixtures/pdu/pdus.jsonl");
const RECEIPTS: &str = include_str!("../../../fixtures/receipt/dialects.jsonl");

/// Octets of the decisions in front of a body in the target `text`.
const TEXT_DECISIONS: usize = 16;

/// A seed: its target, a name, and the octets.
pub struct Seed {
    /// The name of the target.
    pub target: &'static str,
    /// The name of the row it is made of.
    pub name: String,
    /// What the target is given.
    pub octets: Vec<u8>,
}

/// All of them.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for row in PDUS.lines().map(row) {
        let (name, raw) = (text_of(&row, "name"), octets_of(&text_of(&row, "hex")));
        let mut add = |target, suffix: &str, octets: Vec<u8>| {
            seeds.push(Seed { target, name: format!("{name}{suffix}"), octets });
        };
        add("frame", "", [&[0, 0, 15, 6][..], &raw].concat());
        add("frame", "-strict", [&[1, 1, 99, 0][..], &raw].concat());
        add("decode", "", raw.clone());
        add("roundtrip", "", raw.clone());
        add("session", "-to-a-server", script_of(Role::Smsc, &raw));
        add("session", "-to-a-client", script_of(Role::Esme, &raw));
        let Some(sm) = message(raw) else { continue };
        let mut decisions = vec![0; TEXT_DECISIONS];
        decisions[6..8].copy_from_slice(&[sm.data_coding, u8::from(sm.has_udh())]);
        add("text", "", [&decisions, &sm.content()[..]].concat());
        if let Some(text) = row["expect"]["text"].as_str() {
            add("text", "-to-write", [&decisions, text.as_bytes()].concat());
        }
        if sm.has_udh() {
            add("udh", "", sm.content().to_vec());
            let part = &sm.content()[..sm.content().len().min(255)];
            let parts = [&[0; 6][..], &[0, 0, 0, part.len() as u8], part].concat();
            add("udh", "-to-join", [&parts[..], &parts[6..]].concat());
        }
        add("receipt", "", receipt_script(&sm));
    }
    for row in RECEIPTS.lines().map(row) {
        let text = text_of(&row, "text");
        let sm = Sm {
            esm_class: 4,
            short_message: text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect(),
            ..Sm::default()
        };
        seeds.push(Seed { target: "receipt", name: text_of(&row, "name"), octets: receipt_script(&sm) });
    }
    seeds
}

fn receipt_script(sm: &Sm) -> Vec<u8> {
    let mut script = vec![sm.esm_class, sm.data_coding];
    for tag in [Tag::MESSAGE_STATE, Tag::RECEIPTED_MESSAGE_ID, Tag::NETWORK_ERROR_CODE] {
        match sm.tlvs.get(tag) {
            Some(tlv) => {
                script.extend([1, tlv.value.len().min(255) as u8]);
                script.extend(tlv.value.iter().take(255));
            }
            None => script.push(0),
        }
    }
    // no word of the peer's own; DELIVRD and minutes where one is written
    script.extend([0, 0, 2, 0]);
    script.extend(sm.content());
    script
}

fn message(raw: Vec<u8>) -> Option<Sm> {
    match decode(Bytes::from(raw), Grade::Lenient) {
        Frame::Clean(pdu) | Frame::Tolerated(pdu, _) => match pdu.body {
            Body::SubmitSm(sm) | Body::DeliverSm(sm) => Some(sm),
            Body::DataSm(data) => Some(Sm::from(data)),
            _ => None,
        },
        Frame::Malformed { .. } => None,
    }
}

fn row(line: &str) -> Value {
    serde_json::from_str(line).expect("a row is a JSON object")
}

fn text_of(row: &Value, key: &str) -> String {
    row[key].as_str().expect("a row has a name, and octets or a text").to_owned()
}

fn octets_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}
