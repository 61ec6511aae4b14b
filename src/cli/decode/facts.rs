//! What octets of SMPP say, fact by fact, in the form of the corpus of PDUs (`fixtures/pdu/pdus.jsonl`).
//!
//! The codec's own facts (`command`, `fields`, `tlvs`, `warnings`, `error` ...) are always given. Those drawn from them
//! (`text`, `receipt`, `reply` ...) are given as far as there is something to say or, where a row names the ones it wants,
//! exactly those.

use protocol::frame::{Frame, Framer, Grade, Limits, LostLength};
use protocol::octets::COctets;
use protocol::pdu::{Body, Pdu, Sm, Value as Field};
use protocol::receipt::{self, Date, Form, Kind, NetworkError, Receipt};
use protocol::text::{self, Coding, Decoded, Flaw};
use protocol::tlv::Tag;
use serde_json::{Map, Value, json};

use super::outcome;
use super::profile::{self, Profile};
use crate::message::hex;

/// One thing in a buffer of octets.
pub(crate) enum Item {
    /// A PDU, however well it could be read.
    Frame(Box<Frame>),
    /// Where the length was lost; nothing comes behind it.
    Lost(LostLength),
    /// So many octets of a PDU whose rest is not there.
    Rest(usize),
}

/// What is known about the peer beside the octets, and which facts are wanted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Question<'a> {
    /// How much is tolerated.
    pub(crate) grade: Grade,
    /// How the peer writes texts; `None` shows likely readings beside the standard's.
    pub(crate) profile: Option<Profile>,
    /// The facts wanted, by name; their values are looked at only where they are part of the question
    /// (`matches_resp_ids`, `session`). `None`: whatever there is to say.
    pub(crate) wanted: Option<&'a Map<String, Value>>,
}

/// Cuts octets into what they hold; never nothing.
pub(crate) fn items(octets: &[u8], grade: Grade) -> Vec<Item> {
    let mut framer = Framer::new(Limits::default(), grade);
    framer.push(octets);
    let mut items = Vec::new();
    while let Some(next) = framer.next() {
        items.push(match next {
            Ok(frame) => Item::Frame(Box::new(frame)),
            Err(lost) => Item::Lost(lost),
        });
    }
    if framer.buffered() > 0 || items.is_empty() {
        items.push(Item::Rest(framer.buffered()));
    }
    items
}

/// All facts about the octets: `expect` of a row. Of several PDUs in one buffer the codec's, as a `stream`.
pub(crate) fn expect(octets: &[u8], question: &Question<'_>) -> Map<String, Value> {
    let items = items(octets, question.grade);
    let mut facts = match &items[..] {
        [item] => facts(item, question),
        items => {
            let stream = items.iter().map(|item| Value::Object(codec_with_reply(item))).collect::<Vec<_>>();
            let mut facts = Map::from_iter([("stream".to_owned(), Value::from(stream))]);
            if let Some(outcome) = outcome::of(items).filter(|_| question.wants("outcome")) {
                facts.insert("outcome".into(), outcome.into());
            }
            if let Some(last @ Item::Lost(_)) = items.last() {
                close(&mut facts, last);
            }
            facts
        }
    };
    // Circumstances and remarks of the one who wrote the row: part of the question, not of what was found.
    for key in ["session", "profile", "note"] {
        if let Some(said) = question.wanted.and_then(|wanted| wanted.get(key)) {
            facts.insert(key.into(), said.clone());
        }
    }
    facts
}

/// All facts about one item.
pub(crate) fn facts(item: &Item, question: &Question<'_>) -> Map<String, Value> {
    let mut facts = codec_with_reply(item);
    match item {
        Item::Frame(frame) => {
            if let Some(pdu) = frame.pdu() {
                add_drawn(&mut facts, frame, pdu, question);
            }
        }
        Item::Lost(_) => close(&mut facts, item),
        Item::Rest(_) => {}
    }
    facts
}

impl Question<'_> {
    fn wants(&self, key: &str) -> bool {
        self.wanted.is_none_or(|wanted| wanted.contains_key(key))
    }

    /// Keeps of an object what the row asks for under `key`.
    fn part(&self, key: &str, object: Map<String, Value>) -> Value {
        match self.wanted.and_then(|wanted| wanted.get(key)).and_then(Value::as_object) {
            Some(asked) => {
                asked.keys().map(|key| (key.clone(), object.get(key).cloned().unwrap_or_default())).collect()
            }
            None => Value::Object(object),
        }
    }
}

/// The reply that goes out: what the decoder says, or a refusal of a value that can't be meant.
pub(crate) fn reply(frame: &Frame) -> Option<Pdu> {
    let usual = frame.reply()?;
    let refusal = frame.pdu().filter(|pdu| !matches!(pdu.body, Body::DeliverSm(_))).and_then(Pdu::objection);
    match (refusal, frame.pdu()) {
        (Some(objection), Some(pdu)) if usual.status.is_ok() => pdu.reply(objection.refusal()),
        _ => Some(usual),
    }
}

/// The message in a PDU that carries one, as a submit_sm or deliver_sm has it.
pub(crate) fn message(pdu: &Pdu) -> Option<Sm> {
    match &pdu.body {
        Body::SubmitSm(sm) | Body::DeliverSm(sm) => Some(sm.clone()),
        Body::DataSm(data) => Some(Sm::from(data.clone())),
        Body::SubmitMulti(multi) => Some(Sm {
            source: multi.source.clone(),
            esm_class: multi.esm_class,
            data_coding: multi.data_coding,
            short_message: multi.short_message.clone(),
            tlvs: multi.tlvs.clone(),
            ..Sm::default()
        }),
        _ => None,
    }
}

fn answer(pdu: &Pdu) -> Value {
    json!({ "command": pdu.command_id().to_string(), "status": pdu.status.0, "sequence": pdu.sequence })
}

fn close(facts: &mut Map<String, Value>, item: &Item) {
    facts.insert("action".into(), json!("close"));
    if let Item::Lost(LostLength { reply: Some(reply), .. }) = item {
        facts.insert("reply".into(), answer(reply));
    }
}

/// What the codec says; of what can't be read, its refusal too.
fn codec_with_reply(item: &Item) -> Map<String, Value> {
    let mut facts = Map::new();
    match item {
        Item::Rest(_) => {
            facts.insert("error".into(), json!("need_more"));
        }
        Item::Lost(lost) => {
            facts.insert("error".into(), json!(lost.error.name()));
        }
        Item::Frame(frame) => add_codec(&mut facts, frame),
    }
    facts
}

fn add_codec(facts: &mut Map<String, Value>, frame: &Frame) {
    match frame {
        Frame::Malformed { error, reply, .. } => {
            facts.insert("error".into(), json!(error.name()));
            if let Some(reply) = reply {
                facts.insert("reply".into(), answer(reply));
            }
        }
        Frame::Clean(pdu) | Frame::Tolerated(pdu, _) => {
            facts.insert("sequence".into(), json!(pdu.sequence));
            facts.insert("status".into(), json!(pdu.status.0));
            if let Body::Unknown { command_id, body } = &pdu.body {
                facts.insert("command".into(), json!("unknown"));
                facts.insert("command_id".into(), json!(format!("0x{command_id:08x}")));
                facts.insert("body".into(), json!(hex(body)));
            } else {
                facts.insert("command".into(), json!(pdu.command_id().to_string()));
                facts.insert("fields".into(), object(&pdu.body.fields()));
            }
            let tlvs = pdu.body.tlvs().into_iter().flatten();
            let tlvs: Vec<_> = tlvs.map(|tlv| json!([tlv.tag.label(), hex(&tlv.value)])).collect();
            if !tlvs.is_empty() {
                facts.insert("tlvs".into(), tlvs.into());
            }
            let warnings: Vec<_> = frame.deviations().iter().map(ToString::to_string).collect();
            if !warnings.is_empty() {
                facts.insert("warnings".into(), warnings.into());
            }
        }
    }
}

fn object(fields: &[(&'static str, Field<'_>)]) -> Value {
    Value::Object(fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect())
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

/// The facts about single values and texts, in the order they are looked up; the rest stands in [`add_drawn`].
const TEXT_FACTS: [&str; 9] =
    ["text", "udh", "concat", "udh_error", "charset_warning", "alphabet", "class", "mwi", "normalised"];
const RECEIPT_FACTS: [&str; 5] = ["receipt", "kind", "final", "matchable", "matches_resp_ids"];
const VALUE_FACTS: [&str; 3] = ["semantic_error", "suggest_status", "user_message_reference"];

/// Adds the facts drawn from a PDU that could be read. Where none are asked for by name, those with nothing to say are
/// left out.
fn add_drawn(facts: &mut Map<String, Value>, frame: &Frame, pdu: &Pdu, question: &Question<'_>) {
    let mut add = |key: &str, value: Value| {
        let said = !value.is_null() || question.wanted.is_some();
        if question.wants(key) && said {
            facts.insert(key.to_owned(), value);
        }
    };
    add("reply", reply(frame).as_ref().map_or(Value::Null, answer));
    if question.wanted.and_then(|wanted| wanted.get("session")).and_then(Value::as_str)
        == Some("bind_pending")
    {
        // What came in front of the answer to our bind waits for it (see `protocol::session`).
        add("action", if waits_for_bind(&pdu.body) { json!("hold") } else { Value::Null });
    }
    let sm = message(pdu);
    let read = sm.as_ref().map(|sm| text::read(sm, question.profile.unwrap_or(Profile::Default).habits()));
    for key in VALUE_FACTS {
        add(key, value_fact(key, pdu, read.as_ref()));
    }
    let (Some(sm), Some(read)) = (sm, read) else { return };
    for key in TEXT_FACTS {
        // That parts were spoken of and none is meant is something to say.
        let ruled_out =
            key == "concat" && (read.udh.is_some() || sm.tlvs.get(Tag::SAR_MSG_REF_NUM).is_some());
        match text_fact(key, &sm, &read) {
            Value::Null if ruled_out && question.wants(key) => {
                facts.insert(key.to_owned(), Value::Null);
            }
            value => {
                if question.wants(key) && (!value.is_null() || question.wanted.is_some()) {
                    facts.insert(key.to_owned(), value);
                }
            }
        }
    }
    add_receipt(facts, &sm, question);
    add_readings(facts, &sm, &read, question);
}

fn waits_for_bind(body: &Body) -> bool {
    matches!(body, Body::DeliverSm(_) | Body::DataSm(_) | Body::SubmitSm(_) | Body::SubmitMulti(_))
}

fn value_fact(key: &str, pdu: &Pdu, read: Option<&Decoded>) -> Value {
    let objection = pdu.objection();
    match key {
        "semantic_error" => match (objection, read) {
            (Some(objection), _) => json!(objection.name()),
            (None, Some(read)) if read.flaws.has(Flaw::ConcatOutOfRange) => {
                json!(Flaw::ConcatOutOfRange.name())
            }
            _ => Value::Null,
        },
        "suggest_status" => json!(objection.map(|objection| objection.refusal().0)),
        "user_message_reference" => {
            json!(pdu.body.tlvs().and_then(|tlvs| tlvs.get_uint(Tag::USER_MESSAGE_REFERENCE)))
        }
        _ => Value::Null,
    }
}

fn text_fact(key: &str, sm: &Sm, read: &Decoded) -> Value {
    let named =
        |wanted: fn(Flaw) -> bool| json!(read.flaws.iter().find(|flaw| wanted(*flaw)).map(Flaw::name));
    let coding = Coding::of(sm.data_coding);
    match key {
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
        "normalised" => {
            let (source, dest) = (sm.source.normalised(), sm.dest.normalised());
            if source == sm.source.addr && dest == sm.dest.addr {
                return Value::Null;
            }
            json!({ "source": source.to_text(), "destination": dest.to_text() })
        }
        _ => Value::Null,
    }
}

fn add_receipt(facts: &mut Map<String, Value>, sm: &Sm, question: &Question<'_>) {
    let habits = question.profile.unwrap_or(Profile::Default).receipt_habits();
    let receipt = receipt::parse_with(sm, &habits);
    let kind = Kind::of(sm.esm_class);
    for key in RECEIPT_FACTS.into_iter().filter(|key| question.wants(key)) {
        let value = match (key, &receipt) {
            ("kind", _) if receipt.is_some() || kind != Kind::Message || question.wanted.is_some() => {
                json!(kind_name(kind, receipt.is_some()))
            }
            ("receipt", Some(receipt)) => question.part(key, receipt_facts(receipt)),
            ("final", Some(receipt)) => json!(receipt.state.is_final()),
            ("matchable", Some(receipt)) => json!(receipt.is_matchable()),
            ("matches_resp_ids", Some(receipt)) => json!(response_ids(receipt, question)),
            _ => Value::Null,
        };
        let says_nothing = value.is_null() || key == "matches_resp_ids" && value == json!([]);
        if !says_nothing || question.wanted.is_some() {
            facts.insert(key.to_owned(), value);
        }
    }
}

/// What a message from the carrier is, by a stable name.
pub(crate) fn kind_name(kind: Kind, is_receipt: bool) -> &'static str {
    match kind {
        Kind::Intermediate => "intermediate",
        Kind::DeliveryAcknowledgement => "delivery_acknowledgement",
        Kind::UserAcknowledgement => "user_acknowledgement",
        Kind::ConversationAbort => "conversation_abort",
        Kind::Receipt => "receipt",
        Kind::Message if is_receipt => "receipt",
        Kind::Message => "message",
    }
}

/// Everything a receipt says. A date that was there and means nothing is null, what was not there is left out.
fn receipt_facts(receipt: &Receipt) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            facts.insert(key.to_owned(), value);
        }
    };
    let octets = |value: &Option<COctets>| value.as_ref().map(|it| json!(it.to_text()));
    let date =
        |date: &Option<Date>| date.as_ref().map(|date| json!(date.moment.map(|moment| moment.to_string())));
    add("id", octets(&receipt.id));
    if receipt.id_tlv.is_some() && receipt.id_text.is_some() {
        add("id_tlv", octets(&receipt.id_tlv));
        add("id_text", octets(&receipt.id_text));
    }
    add("state", Some(json!(receipt.state.name())));
    add("stat", octets(&receipt.stat));
    add("err", octets(&receipt.err));
    add("sub", receipt.sub.map(|it| json!(it)));
    add("dlvrd", receipt.dlvrd.map(|it| json!(it)));
    add("submit_date", date(&receipt.submit_date));
    add("done_date", date(&receipt.done_date));
    add("text", receipt.text.as_ref().map(|it| json!(it)));
    add("network_error", receipt.network_error.as_ref().map(network_error));
    // Text and TLVs name different messages or states; the TLV was taken.
    add("conflict", (!receipt.conflicts.is_empty()).then_some(json!(true)));
    facts
}

fn network_error(error: &NetworkError) -> Value {
    match error {
        NetworkError::Digits(digits) => json!({ "ascii": digits.to_text() }),
        NetworkError::Code { network, code } => json!({ "type": network, "code": code }),
        NetworkError::Raw(octets) => json!({ "raw": hex(octets) }),
    }
}

/// The ids of responses that this receipt would find: those a row asks about, or the forms in another base.
fn response_ids(receipt: &Receipt, question: &Question<'_>) -> Vec<String> {
    let forms = receipt.forms();
    if let Some(asked) = question.wanted.and_then(|wanted| wanted.get("matches_resp_ids")) {
        let asked = asked.as_array().into_iter().flatten().filter_map(Value::as_str);
        let found = |id: &&str| {
            let kept = receipt::id_forms(id.as_bytes());
            forms.iter().any(|forms| forms.finds(kept.key()))
        };
        return asked.filter(found).map(str::to_owned).collect();
    }
    let mut ids = Vec::new();
    for (_, key) in forms.iter().flat_map(|forms| forms.candidates()).filter(|(form, _)| *form != Form::Same)
    {
        let capital = key.to_ascii_uppercase();
        if capital != key {
            ids.push(capital);
        }
        ids.push(key);
    }
    ids
}

/// How the text reads under profiles: those asked for, or the likely ones beside the standard's.
fn add_readings(facts: &mut Map<String, Value>, sm: &Sm, usual: &Decoded, question: &Question<'_>) {
    let receipt_under = |profile: Profile| {
        receipt::parse_with(sm, &profile.receipt_habits()).map(|receipt| receipt_facts(&receipt))
    };
    if let Some(wanted) = question.wanted {
        let asked = wanted.keys().filter(|key| *key == "default" || key.starts_with("profile_"));
        for (key, profile) in asked.filter_map(|key| Some((key, Profile::named(key)?))) {
            let read = text::read(sm, profile.habits());
            let mut reading: Map<String, Value> =
                TEXT_FACTS.iter().map(|key| ((*key).to_owned(), text_fact(key, sm, &read))).collect();
            reading.insert("receipt".into(), json!(receipt_under(profile)));
            facts.insert(key.clone(), question.part(key, reading));
        }
        return;
    }
    if question.profile.is_some() {
        return;
    }
    if receipt::looks_like(sm) && receipt_under(Profile::Default).is_none() {
        facts.insert("receipt".into(), Value::Null);
        let receipt = json!({ "receipt": receipt_under(Profile::DetectReceipt) });
        facts.insert(format!("profile_{}", Profile::DetectReceipt.name()), receipt);
    }
    let likely = profile::likely(sm, usual);
    if likely.is_empty() {
        return;
    }
    let by_header = likely.iter().any(|(_, read)| read.udh != usual.udh);
    let short = |read: &Decoded| -> Map<String, Value> {
        let keys = ["text", "udh"].into_iter().filter(|key| *key == "text" || by_header);
        keys.map(|key| (key.to_owned(), text_fact(key, sm, read))).collect()
    };
    facts.insert("default".into(), short(usual).into());
    for (profile, read) in likely {
        facts.insert(format!("profile_{}", profile.name()), short(&read).into());
    }
}
