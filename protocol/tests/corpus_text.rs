//! Every row of `fixtures/pdu/pdus.jsonl` that expects more than fields: text, header, parts, alphabet, class, receipts;
//! and every dialect of `fixtures/receipt/dialects.jsonl`.

use bytes::Bytes;
use protocol::frame::{Frame, Grade, decode};
use protocol::pdu::{Body, Sm};
use protocol::receipt::{self, Date, NetworkError, Receipt};
use protocol::text::{self, Alphabet, ByteOrder, Coding, Decoded, Flaw, Habits, Packing};
use protocol::tlv::{Tag, Tlv};
use serde_json::{Map, Value, json};

const ROWS: &str = include_str!("../../fixtures/pdu/pdus.jsonl");

/// What a row says about the peer.
fn habits(profile: &str) -> Habits {
    let plain = Habits::default();
    match profile.trim_start_matches("profile_") {
        "default" => plain,
        "default_latin1" => Alphabet::Latin1.into(),
        "default_ascii" => Alphabet::Ascii.into(),
        "default_utf8" => Alphabet::Utf8.into(),
        "default_ucs2" => Alphabet::Ucs2.into(),
        "detect_ucs2" => Habits { hides_ucs2: true, ..plain },
        "ucs2_le" => Habits { byte_order: ByteOrder::Little, ..plain },
        "detect_udh" => Habits { forgets_udhi: true, ..plain },
        "gsm7_packed" => Habits { packing: Packing::Packed, ..plain },
        "gsm7_packed_no_fill" => Habits { packing: Packing::PackedWithoutFill, ..plain },
        other => panic!("no habits are known for profile {other}"),
    }
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn message(hex: &str) -> Option<Sm> {
    let pdu = match decode(unhex(hex), Grade::Lenient) {
        Frame::Clean(pdu) | Frame::Tolerated(pdu, _) => pdu,
        Frame::Malformed { .. } => return None,
    };
    match pdu.body {
        Body::SubmitSm(sm) | Body::DeliverSm(sm) => Some(sm),
        Body::DataSm(data) => Some(Sm::from(data)),
        _ => None,
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A fact about the text of a message, as the corpus writes it; `None` where the key is not one of these.
fn text_fact(key: &str, sm: &Sm, read: &Decoded) -> Option<Value> {
    let named = |wanted: fn(Flaw) -> bool| {
        read.flaws.iter().find(|flaw| wanted(*flaw)).map_or(Value::Null, |flaw| json!(flaw.name()))
    };
    let coding = Coding::of(sm.data_coding);
    Some(match key {
        "text" => json!(read.text),
        "udh" => match &read.udh {
            Some(udh) => udh.elements.iter().map(|element| json!([element.id, hex(&element.data)])).collect(),
            None => Value::Null,
        },
        "concat" => match read.concat {
            Some(it) => json!({
                "ref": it.reference, "total": it.total, "seq": it.number, "bits": it.width.bits(),
            }),
            None => Value::Null,
        },
        "udh_error" => named(Flaw::is_udh_error),
        "charset_warning" => named(Flaw::is_charset_warning),
        "alphabet" => json!(coding.alphabet.name()),
        "class" => json!(coding.class),
        "mwi" => coding.waiting.map_or(Value::Null, |waiting| {
            json!({ "active": waiting.active, "type": waiting.what.name(), "store": waiting.store })
        }),
        _ => return None,
    })
}

fn date(date: &Option<Date>) -> Value {
    date.as_ref().and_then(|date| date.moment).map_or(Value::Null, |moment| json!(moment.to_string()))
}

fn receipt_fact(key: &str, receipt: &Receipt) -> Value {
    let octets = |value: &Option<protocol::octets::COctets>| json!(value.as_ref().map(|it| it.to_text()));
    match key {
        "id" => octets(&receipt.id),
        "id_tlv" => octets(&receipt.id_tlv),
        "id_text" => octets(&receipt.id_text),
        "state" => json!(receipt.state.name()),
        "stat" => octets(&receipt.stat),
        "err" => octets(&receipt.err),
        "sub" => json!(receipt.sub),
        "dlvrd" => json!(receipt.dlvrd),
        "submit_date" => date(&receipt.submit_date),
        "done_date" => date(&receipt.done_date),
        "text" => json!(receipt.text),
        "network_error" => match &receipt.network_error {
            Some(NetworkError::Digits(digits)) => json!({ "ascii": digits.to_text() }),
            Some(NetworkError::Code { network, code }) => json!({ "type": network, "code": code }),
            _ => Value::Null,
        },
        other => panic!("no such field of a receipt: {other}"),
    }
}

#[test]
fn every_row_reads_as_it_says() {
    let mut wrong = Vec::new();
    let mut right = 0;
    for line in ROWS.lines() {
        let row: Map<String, Value> = serde_json::from_str(line).expect("a row is a JSON object");
        let name = row["name"].as_str().expect("a row has a name");
        let expect = row["expect"].as_object().expect("a row expects something");
        let Some(sm) = message(row["hex"].as_str().expect("a row has octets")) else { continue };
        let own = expect.get("profile").and_then(Value::as_str).unwrap_or("default");
        let mut check = |key: &str, is: Value, should: &Value| {
            if is == *should {
                right += 1;
            } else {
                wrong.push(format!("{name}: {key} is {is}, should be {should}"));
            }
        };
        let read = text::read(&sm, habits(own));
        let receipt = receipt::parse(&sm);
        for (key, should) in expect {
            if let Some(is) = text_fact(key, &sm, &read) {
                check(key, is, should);
                continue;
            }
            match (key.as_str(), &receipt) {
                _ if key == "default" || key.starts_with("profile_") => {
                    let read = text::read(&sm, habits(key));
                    for (key, should) in should.as_object().expect("facts") {
                        check(key, text_fact(key, &sm, &read).expect("a fact about the text"), should);
                    }
                }
                ("semantic_error", _) if should == "concat_seq_out_of_range" => {
                    check(key, json!(read.flaws.has(Flaw::ConcatOutOfRange)), &json!(true));
                }
                ("receipt", Some(receipt)) => {
                    for (key, should) in should.as_object().expect("a receipt's fields") {
                        check(key, receipt_fact(key, receipt), should);
                    }
                }
                ("receipt", None) => check(key, Value::Null, should),
                ("final", Some(receipt)) => check(key, json!(receipt.state.is_final()), should),
                ("matchable", Some(receipt)) => check(key, json!(receipt.is_matchable()), should),
                ("kind", Some(_)) => check(key, json!("receipt"), should),
                ("matches_resp_ids", Some(receipt)) => {
                    for id in should.as_array().expect("ids").iter().filter_map(Value::as_str) {
                        let kept = receipt::id_forms(id.as_bytes());
                        let found = receipt.forms().iter().any(|forms| forms.finds(kept.key()));
                        check(key, json!(found), &json!(true));
                    }
                }
                _ => {}
            }
        }
        if !expect.contains_key("receipt") && receipt.is_some() {
            wrong.push(format!("{name}: is taken for a receipt"));
        }
    }
    assert!(wrong.is_empty(), "{} right, {} wrong:\n{}", right, wrong.len(), wrong.join("\n"));
    assert!(right > 250, "only {right} facts were found in the rows");
}

#[test]
fn every_dialect_reads_as_it_says() {
    let mut wrong = Vec::new();
    for line in include_str!("../../fixtures/receipt/dialects.jsonl").lines() {
        let row: Map<String, Value> = serde_json::from_str(line).expect("a row is a JSON object");
        let number = |key: &str, usual| row.get(key).and_then(Value::as_u64).unwrap_or(usual) as u8;
        let text = row["text"].as_str().expect("a row has a text");
        let mut sm = Sm {
            esm_class: number("esm_class", 4),
            data_coding: number("data_coding", 0),
            short_message: text.chars().map(|c| u8::try_from(c).expect("Latin-1")).collect(),
            ..Sm::default()
        };
        for (name, value) in row.get("tlvs").and_then(Value::as_object).into_iter().flatten() {
            let tag = Tag::NAMED.iter().find(|tag| tag.name() == Some(name)).expect("a named parameter");
            sm.tlvs.push(Tlv::new(*tag, unhex(value.as_str().expect("hex"))));
        }
        let name = &row["name"];
        let Some(receipt) = receipt::parse(&sm) else {
            wrong.push(format!("{name}: is not taken for a receipt"));
            continue;
        };
        for (key, should) in row["expect"].as_object().expect("a row expects something") {
            let is = match key.as_str() {
                "final" => json!(receipt.state.is_final()),
                "matchable" => json!(receipt.is_matchable()),
                "conflicts" => receipt.conflicts.iter().map(|it| json!(format!("{it:?}"))).collect(),
                key => receipt_fact(key, &receipt),
            };
            if is != *should {
                wrong.push(format!("{name}: {key} is {is}, should be {should}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
