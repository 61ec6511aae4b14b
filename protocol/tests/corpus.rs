//! Every row of `fixtures/pdu/pdus.jsonl`: what the decoder, the framer and the encoder make of it.

use bytes::{Bytes, BytesMut};
use protocol::error::DecodeError;
use protocol::frame::{Frame, Framer, Grade, Limits, decode};
use protocol::pdu::{Body, Pdu, Value as Field};
use protocol::tlv::Tag;
use serde_json::{Map, Value, json};

const ROWS: &str = include_str!("../../fixtures/pdu/pdus.jsonl");

struct Row {
    name: String,
    octets: Vec<u8>,
    expect: Map<String, Value>,
    strict_error: Option<String>,
}

fn rows() -> impl Iterator<Item = Row> {
    ROWS.lines().map(|line| {
        let row: Map<String, Value> = serde_json::from_str(line).expect("a row is a JSON object");
        let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
        Row {
            name: text("name").expect("a row has a name"),
            octets: octets(&text("hex").expect("a row has octets")),
            expect: row["expect"].as_object().expect("a row expects something").clone(),
            strict_error: text("strict_error"),
        }
    })
}

fn octets(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn value(field: &Field<'_>) -> Value {
    match field {
        Field::Number(number) => json!(number),
        Field::Text(text) => json!(text.to_text()),
        Field::Octets(octets) => json!(hex(octets)),
        Field::Records(records) => records.iter().map(|record| object(record)).collect(),
        Field::Missing => Value::Null,
    }
}

fn object(fields: &[(&'static str, Field<'_>)]) -> Value {
    Value::Object(fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect())
}

fn answer(pdu: &Pdu) -> Value {
    json!({
        "command": pdu.command_id().to_string(),
        "status": pdu.status.0,
        "sequence": pdu.sequence,
    })
}

/// What the codec knows of a PDU, in the corpus's form. Facts derived from it (`text`, `udh`, `concat`, `receipt`,
/// `class`, `alphabet`) are judged where they are made: add them here as keys and to `CODEC_KEYS`.
fn seen(frame: &Frame) -> Map<String, Value> {
    let mut seen = Map::new();
    match frame {
        Frame::Malformed { error, .. } => {
            seen.insert("error".into(), json!(error.name()));
        }
        Frame::Clean(pdu) | Frame::Tolerated(pdu, _) => {
            seen.insert("sequence".into(), json!(pdu.sequence));
            seen.insert("status".into(), json!(pdu.status.0));
            if let Body::Unknown { command_id, body } = &pdu.body {
                seen.insert("command".into(), json!("unknown"));
                seen.insert("command_id".into(), json!(format!("0x{command_id:08x}")));
                seen.insert("body".into(), json!(hex(body)));
            } else {
                seen.insert("command".into(), json!(pdu.command_id().to_string()));
                seen.insert("fields".into(), object(&pdu.body.fields()));
            }
            let tlvs = pdu.body.tlvs().into_iter().flatten();
            let tlvs: Vec<_> = tlvs.map(|tlv| json!([tlv.tag.label(), hex(&tlv.value)])).collect();
            if !tlvs.is_empty() {
                seen.insert("tlvs".into(), tlvs.into());
            }
            let warnings: Vec<_> = frame.deviations().iter().map(ToString::to_string).collect();
            if !warnings.is_empty() {
                seen.insert("warnings".into(), warnings.into());
            }
        }
    }
    seen
}

/// The keys of a row's `expect` that this crate's codec answers for, in full: a key missing there must be missing here.
const CODEC_KEYS: &[&str] =
    &["command", "command_id", "sequence", "status", "fields", "tlvs", "warnings", "body", "error"];

fn codec_part(expect: &Map<String, Value>) -> Map<String, Value> {
    expect
        .iter()
        .filter(|(key, _)| CODEC_KEYS.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// Everything a framer makes of the octets: frames, then a lost length or what waits.
fn stream(octets: &[u8], piece: usize, grade: Grade) -> (Vec<Frame>, Vec<Map<String, Value>>, Option<Value>) {
    let mut framer = Framer::new(Limits::default(), grade);
    let (mut frames, mut all, mut reply) = (Vec::new(), Vec::new(), None);
    for piece in octets.chunks(piece) {
        framer.push(piece);
        while let Some(next) = framer.next() {
            match next {
                Ok(frame) => {
                    all.push(seen(&frame));
                    reply = frame.reply().as_ref().map(answer);
                    frames.push(frame);
                }
                Err(lost) => {
                    all.push(Map::from_iter([("error".to_owned(), json!(lost.error.name()))]));
                    reply = lost.reply.as_deref().map(answer);
                }
            }
        }
    }
    if framer.buffered() > 0 || all.is_empty() {
        all.push(Map::from_iter([("error".to_owned(), json!("need_more"))]));
        reply = None;
    }
    (frames, all, reply)
}

#[test]
fn every_row_is_read_as_it_says() {
    let mut count = 0;
    for row in rows() {
        let (_, all, reply) = stream(&row.octets, usize::MAX, Grade::Lenient);
        let wanted: Vec<_> = match row.expect.get("stream") {
            Some(Value::Array(items)) => {
                items.iter().map(|item| codec_part(item.as_object().expect("a PDU"))).collect()
            }
            _ => vec![codec_part(&row.expect)],
        };
        assert_eq!(all, wanted, "{}", row.name);
        match row.expect.get("reply") {
            Some(wanted) => assert_eq!(reply.as_ref(), Some(wanted), "{}", row.name),
            None if row.expect.contains_key("error") => assert_eq!(reply, None, "{}", row.name),
            None => {}
        }
        count += 1;
    }
    assert_eq!(count, ROWS.lines().count());
}

#[test]
fn what_a_row_says_about_values_is_found() {
    let mut found = [0; 3];
    for row in rows() {
        let (frames, _, _) = stream(&row.octets, usize::MAX, Grade::Lenient);
        let [frame] = &frames[..] else { continue };
        let Some(pdu) = frame.pdu() else { continue };
        // what concerns concatenation is judged where texts are joined
        let objections = ["bad_time_format", "alphanumeric_too_long"];
        let wanted = row.expect.get("semantic_error").and_then(Value::as_str);
        let objection = pdu.objection();
        assert_eq!(
            objection.map(|it| it.name()),
            wanted.filter(|it| objections.contains(it)),
            "{}",
            row.name
        );
        if let Some(status) = row.expect.get("suggest_status") {
            assert_eq!(json!(objection.map(|it| it.refusal().0)), *status, "{}", row.name);
            found[0] += 1;
        }
        if let Some(wanted) = row.expect.get("normalised") {
            let Body::SubmitSm(sm) = &pdu.body else { panic!("{}: a submit_sm", row.name) };
            let normalised = json!({
                "source": sm.source.normalised().to_text(),
                "destination": sm.dest.normalised().to_text(),
            });
            assert_eq!(normalised, *wanted, "{}", row.name);
            found[1] += 1;
        }
        if let Some(wanted) = row.expect.get("user_message_reference") {
            let reference = pdu.body.tlvs().and_then(|tlvs| tlvs.get_uint(Tag::USER_MESSAGE_REFERENCE));
            assert_eq!(json!(reference), *wanted, "{}", row.name);
            found[2] += 1;
        }
    }
    assert_eq!(found, [2, 1, 1]);
}

#[test]
fn octets_may_come_one_by_one_or_in_any_pieces() {
    for row in rows() {
        let whole = stream(&row.octets, usize::MAX, Grade::Lenient);
        for piece in [1, 2, 3, 7, 16, 17] {
            assert_eq!(stream(&row.octets, piece, Grade::Lenient), whole, "{} in {piece}s", row.name);
        }
    }
}

#[test]
fn strict_mode_refuses_what_a_row_says_and_nothing_else() {
    for row in rows() {
        let (frames, all, _) = stream(&row.octets, usize::MAX, Grade::Strict);
        match &row.strict_error {
            Some(wanted) => {
                assert_eq!(all, [Map::from_iter([("error".to_owned(), json!(wanted))])], "{}", row.name);
                assert!(
                    matches!(frames[..], [Frame::Malformed { error: DecodeError::Strict(_), .. }]),
                    "{}",
                    row.name
                );
            }
            None => assert_eq!(all, stream(&row.octets, usize::MAX, Grade::Lenient).1, "{}", row.name),
        }
    }
}

#[test]
fn what_was_read_is_written_back_octet_for_octet() {
    // these rows lack or have octets that no PDU of ours can, and a relay has the raw octets for them
    let mended = ["trailing_nul", "trailing_bytes", "tlv_truncated", "tlv_overrun", "unterminated_cstring"];
    for row in rows() {
        let (frames, _, _) = stream(&row.octets, usize::MAX, Grade::Lenient);
        let mut at = 0;
        for frame in &frames {
            let Some(pdu) = frame.pdu() else { continue };
            let raw = &row.octets[at..]
                [..u32::from_be_bytes(row.octets[at..at + 4].try_into().expect("four")) as usize];
            at += raw.len();
            let mut out = BytesMut::new();
            pdu.encode(&mut out);
            assert_eq!(out.len(), pdu.encoded_len(), "{}", row.name);
            if let Frame::Tolerated(_, deviations) = frame {
                assert_eq!(deviations.raw(), raw, "{}", row.name);
                if deviations.iter().any(|it| mended.contains(&it.name())) {
                    assert_eq!(
                        decode(out.freeze(), Grade::Lenient),
                        Frame::Clean(pdu.clone()),
                        "{}",
                        row.name
                    );
                    continue;
                }
            }
            assert_eq!(hex(&out), hex(raw), "{}", row.name);
        }
    }
}

#[test]
fn a_pdu_cut_anywhere_or_with_any_octet_changed_never_panics() {
    for row in rows() {
        let mut octets = row.octets.clone();
        if octets.len() < 16 || octets.len() > 400 {
            continue;
        }
        for length in 16..octets.len() {
            let mut cut = octets[..length].to_vec();
            cut[..4].copy_from_slice(&(length as u32).to_be_bytes());
            decode(Bytes::from(cut), Grade::Strict).reply();
        }
        for at in 4..octets.len() {
            let kept = octets[at];
            for other in [0, 1, 0x20, 0x7F, 0x80, 0xFF] {
                octets[at] = other;
                decode(Bytes::copy_from_slice(&octets), Grade::Lenient).reply();
            }
            octets[at] = kept;
        }
    }
}
