//! A conversation as a person reads it: a line for each PDU, and what was odd under it.

use std::fmt::Write;

use jiff::Timestamp;
use protocol::frame::Frame;
use protocol::octets::COctets;
use protocol::pdu::{Body, Pdu, Sm};
use protocol::receipt;
use protocol::text;
use serde_json::{Value, json};

use super::conversation::{Answers, Event, Line, Side};
use super::facts::{self, Item, Question};
use super::print::{Look, quoted};
use super::profile::Profile;
use super::words::{self, count};
use crate::cli::paint::span;

/// Characters of a text in one line.
const MOST_TEXT_SIGNS: usize = 60;

/// What happened, in a line and what belongs under it.
pub(crate) fn line(line: &Line, look: Look) -> String {
    let surface = look.surface;
    let arrow = match line.side {
        Side::Client => "->",
        Side::Carrier => "<-",
    };
    let at = surface.dim(&time(line.at_ns));
    let head = format!("{at}  #{} {arrow}", line.connection);
    let blank = format!("{:width$}  #{} {arrow}", "", line.connection, width = time(line.at_ns).len());
    let mut out = String::new();
    let mut say = |head: &str, text: &str| {
        out.push_str(format!("{head} {text}").trim_end());
        out.push('\n');
    };
    let odd = |text: &str| surface.bad(&format!("! {text}"));
    match &line.event {
        Event::Opened { client, from_its_beginning } => {
            let middle = if *from_its_beginning { "" } else { "; it began before the capture" };
            let ends = format!("client {client} -> carrier {}{middle}", line.carrier);
            out.push_str(&format!("{at}  #{}    {}\n", line.connection, surface.bold(&ends)));
        }
        Event::Closed { unanswered: (client, carrier) } => {
            let mut said = "the connection ends".to_owned();
            if client + carrier > 0 {
                let _ = write!(
                    said,
                    "; not answered: {client} of the client's requests, {carrier} of the carrier's"
                );
            }
            out.push_str(&format!("{at}  #{}    {said}\n", line.connection));
        }
        Event::Lost(lost) => {
            say(
                &head,
                &odd(&format!(
                    "{}: {}; looking for the next PDU",
                    lost.error.name(),
                    words::lost(lost.error)
                )),
            );
        }
        Event::Missing(octets) => {
            say(&head, &odd(&format!("{octets} octets are not in the capture; looking for the next PDU")));
        }
        Event::Unfinished(octets) => {
            say(&head, &odd(&format!("the end came within a PDU, of which {octets} octets are there")));
        }
        Event::Skipped(octets) => {
            say(&head, &odd(&format!("{octets} octets passed over on the way to a PDU")))
        }
        Event::Pdu { frame, answers, .. } => {
            say(&head, &summary(frame, *answers, look));
            for remark in remarks(frame, *answers) {
                say(&blank, &odd(&remark));
            }
        }
    }
    out
}

fn time(at_ns: i64) -> String {
    match Timestamp::from_nanosecond(i128::from(at_ns)) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.6fZ").to_string(),
        Err(_) => "(no time)".to_owned(),
    }
}

/// What happened, for a program. Passwords are left out.
pub(crate) fn as_json(line: Line) -> Value {
    let Line { at_ns, connection, carrier, side, event } = line;
    let mut said = json!({
        "connection": connection,
        "at": time(at_ns),
        "carrier": carrier.to_string(),
        "direction": match side {
            Side::Client => "esme->smsc",
            Side::Carrier => "smsc->esme",
        },
    });
    let mut add = |key: &str, value: Value| {
        if let Some(said) = said.as_object_mut() {
            said.insert(key.to_owned(), value);
        }
    };
    match event {
        Event::Opened { client, from_its_beginning } => {
            add("event", json!("opened"));
            add("client", json!(client.to_string()));
            add("from_its_beginning", json!(from_its_beginning));
        }
        Event::Closed { unanswered: (client, carrier) } => {
            add("event", json!("closed"));
            add("unanswered", json!({ "client": client, "carrier": carrier }));
        }
        Event::Missing(octets) => {
            add("event", json!("missing"));
            add("octets", json!(octets));
        }
        Event::Unfinished(octets) => {
            add("event", json!("unfinished"));
            add("octets", json!(octets));
        }
        Event::Skipped(octets) => {
            add("event", json!("skipped"));
            add("octets", json!(octets));
        }
        Event::Lost(lost) => {
            add("event", json!("lost"));
            add("expect", facts::facts(&Item::Lost(lost), &Question::default()).into());
        }
        Event::Pdu { frame, answers, in_flight } => {
            add("event", json!("pdu"));
            match answers {
                Answers::Request { elapsed_ns, .. } => {
                    add("answered_after_ms", json!(elapsed_ns as f64 / 1e6))
                }
                Answers::Nothing => add("answers", Value::Null),
                Answers::RepeatsNumber => add("repeats_number", json!(true)),
                Answers::IsRequest => add("in_flight", json!(in_flight)),
            }
            let mut facts = facts::facts(&Item::Frame(frame), &Question::default());
            if let Some(fields) = facts.get_mut("fields").and_then(Value::as_object_mut) {
                fields.remove("password");
            }
            add("expect", facts.into());
        }
    }
    said
}

fn summary(frame: &Frame, answers: Answers, look: Look) -> String {
    let surface = look.surface;
    let Some(pdu) = frame.pdu() else {
        let Frame::Malformed { header, raw, .. } = frame else { return String::new() };
        let name = surface.bold(&header.command.to_string());
        return format!("{name} {}  {}", header.sequence, count(raw.len(), "octet"));
    };
    let mut said = format!("{} {}", surface.bold(&pdu.command_id().to_string()), pdu.sequence);
    if pdu.command_id().is_response() {
        let status =
            if pdu.status.is_ok() { surface.good("ok") } else { surface.bad(&pdu.status.to_string()) };
        let _ = write!(said, "  {status}");
    }
    said.push_str(&content(pdu, look));
    if let Answers::Request { elapsed_ns, .. } = answers {
        let _ = write!(said, "  {}", surface.dim(&format!("after {}", span(elapsed_ns as f64 / 1e6))));
    }
    said
}

/// What a PDU is about, in a few words.
fn content(pdu: &Pdu, look: Look) -> String {
    let id = |id: &COctets| {
        if id.is_empty() { "  without an id".to_owned() } else { format!("  id {}", id.to_text()) }
    };
    match &pdu.body {
        Body::BindTransmitter(bind) | Body::BindReceiver(bind) | Body::BindTransceiver(bind) => {
            format!(
                "  as {}, {}",
                quoted(&bind.system_id.to_text()),
                words::version(u32::from(bind.interface_version))
            )
        }
        Body::BindTransmitterResp(resp) | Body::BindReceiverResp(resp) | Body::BindTransceiverResp(resp) => {
            let by = resp.system_id.as_ref().filter(|by| !by.is_empty());
            by.map(|by| format!("  by {}", quoted(&by.to_text()))).unwrap_or_default()
        }
        Body::SubmitSmResp(resp) | Body::DataSmResp(resp) if pdu.status.is_ok() => {
            id(resp.message_id.as_ref().unwrap_or(&COctets::EMPTY))
        }
        Body::QuerySm(query) => id(&query.message_id),
        Body::CancelSm(cancel) => id(&cancel.message_id),
        Body::ReplaceSm(replace) => id(&replace.message_id),
        Body::SubmitMulti(multi) => format!("  to {}", count(multi.dests.len(), "receiver")),
        _ => facts::message(pdu).map(|sm| message(&sm, look)).unwrap_or_default(),
    }
}

fn message(sm: &Sm, look: Look) -> String {
    let number = |address: &protocol::address::Address| {
        let text = address.addr.to_text().into_owned();
        if text.is_empty() { "nobody".to_owned() } else { look.numbers.show(&text).into_owned() }
    };
    let ends = format!("  {} to {}", number(&sm.source), number(&sm.dest));
    if let Some(receipt) = receipt::parse(sm) {
        let id = receipt.id.as_ref().map_or("-".into(), |id| id.to_text().into_owned());
        let mut said = format!("{ends}  receipt of {id}: {}", receipt.state.name());
        if let Some(stat) = receipt.stat.as_ref().filter(|stat| **stat != *receipt.state.word()) {
            let _ = write!(said, " (stat {})", stat.to_text());
        }
        if let Some(err) = &receipt.err {
            let _ = write!(said, ", err {}", err.to_text());
        }
        return said;
    }
    let read = text::read(sm, look.profile.unwrap_or(Profile::Default).habits());
    let text = match &read.text {
        Some(text) if text.chars().count() > MOST_TEXT_SIGNS => {
            format!("{}…", quoted(&text.chars().take(MOST_TEXT_SIGNS).collect::<String>()))
        }
        Some(text) => quoted(text),
        None => count(read.octets.len(), "octet"),
    };
    let part = read.concat.map(|it| format!(" part {} of {}", it.number, it.total)).unwrap_or_default();
    format!("{ends}  {text} {}{part}", look.surface.dim(&format!("({})", read.alphabet.title())))
}

/// What was odd about a PDU.
fn remarks(frame: &Frame, answers: Answers) -> Vec<String> {
    let mut remarks: Vec<String> =
        frame.deviations().iter().map(|it| format!("{it}: {}", words::deviation(*it))).collect();
    if let Frame::Malformed { error, .. } = frame {
        remarks.push(format!("{}: {error}", error.name()));
    }
    match answers {
        Answers::RepeatsNumber => {
            remarks.push("the number of a request that is still without an answer".to_owned())
        }
        Answers::Nothing => remarks.push("it answers nothing in the capture".to_owned()),
        Answers::IsRequest | Answers::Request { .. } => {}
    }
    let Some(pdu) = frame.pdu() else { return remarks };
    if let Some(objection) = pdu.objection() {
        remarks.push(format!("{}: {objection}", objection.name()));
    }
    if let Some(sm) = facts::message(pdu) {
        match receipt::parse(&sm) {
            Some(receipt) => {
                remarks.extend(receipt.conflicts.iter().map(|it| words::conflict(*it).to_owned()))
            }
            None => {
                let read = text::read(&sm, Profile::Default.habits());
                remarks
                    .extend(read.flaws.iter().map(|flaw| format!("{}: {}", flaw.name(), words::flaw(flaw))));
                if receipt::looks_like(&sm) {
                    remarks.push("the shape of a receipt, but neither esm_class nor TLVs say so".to_owned());
                }
            }
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::decode::conversation::Conversations;
    use crate::cli::decode::evidence::Evidence;
    use crate::cli::decode::packet::Segment;
    use crate::cli::decode::print::Numbers;
    use crate::cli::decode::proposal;
    use crate::cli::paint::Surface;
    use bytes::BytesMut;
    use proptest::prelude::*;
    use protocol::frame::Grade;
    use protocol::pdu::MessageResp;

    /// A submit, its answer, and a receipt, one behind the other.
    fn octets() -> Vec<u8> {
        let mut out = BytesMut::new();
        let sm = Sm { short_message: "hello".into(), ..Sm::default() };
        Pdu::new(1, Body::SubmitSm(sm)).encode(&mut out);
        Pdu::new(1, Body::SubmitSmResp(MessageResp::with_id("2A"))).encode(&mut out);
        let text = "id:0000000042 done date:2603041230 stat:DELIVRD err:000".into();
        let sm = Sm { esm_class: 4, short_message: text, ..Sm::default() };
        Pdu::new(2, Body::DeliverSm(sm)).encode(&mut out);
        out.to_vec()
    }

    proptest! {
        #[test]
        fn any_segments_are_told_and_a_profile_is_drawn(
            segments in prop::collection::vec((any::<bool>(), 0..300u32, 0..5u8, 0..150usize, 1..80usize, 0..4usize, any::<i64>()), 0..60),
            trusted: bool,
        ) {
            let octets = octets();
            let ports = if trusted { vec![2775] } else { Vec::new() };
            let mut talk = Conversations::new(ports, Grade::Lenient);
            let ends = ["10.0.0.1:50000".parse().unwrap(), "10.0.0.2:2775".parse().unwrap()];
            let mut seen = Evidence::default();
            let look = Look { surface: Surface::Plain, numbers: Numbers::Masked, profile: None };
            for (client, sequence, kind, from, length, missing, at_ns) in segments {
                let (from_end, to) = if client { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
                let start = from.min(octets.len());
                talk.push(at_ns, &Segment {
                    from: from_end,
                    to,
                    sequence,
                    acknowledged: (kind != 0).then_some(sequence),
                    begins: kind < 2,
                    ends: kind == 3,
                    breaks: kind == 4 && missing == 3,
                    payload: &octets[start..(start + length).min(octets.len())],
                    missing,
                });
            }
            talk.finish();
            while let Some(told) = talk.poll() {
                seen.take(&told);
                prop_assert!(!line(&told, look).is_empty());
                prop_assert!(as_json(told).is_object());
            }
            let proposal = proposal::propose(1, ends[1], &seen);
            prop_assert!(proposal::as_toml(&proposal).starts_with("[[carrier]]"));
        }
    }
}
