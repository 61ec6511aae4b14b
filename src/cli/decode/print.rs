//! A PDU as a person reads it: every field with its meaning, the text, the receipt and what decided it, what was
//! tolerated, and what would be answered.

use std::borrow::Cow;
use std::fmt::Write;

use protocol::frame::Frame;
use protocol::pdu::{Body, Pdu, Value as Field};
use protocol::receipt::MessageState;
use protocol::tlv::{Shape, Tag, Tlv};

use super::facts::{self, Item};
use super::profile::Profile;
use super::words;
use crate::cli::paint::Surface;
use crate::message::hex;

/// Whether phone numbers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// First and last three digits only.
    Masked,
    /// In full.
    Shown,
}

impl Numbers {
    /// A number as it may be shown. Names and short codes are nobody's number.
    pub(crate) fn show<'a>(self, number: &'a str) -> Cow<'a, str> {
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        if self == Numbers::Shown || digits < 7 {
            return number.into();
        }
        let last = number.chars().count().saturating_sub(3);
        let masked = |(at, sign): (usize, char)| if at >= 3 && at < last { '*' } else { sign };
        number.chars().enumerate().map(masked).collect::<String>().into()
    }
}

/// How things are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether there is colour.
    pub(crate) surface: Surface,
    /// Whether there are numbers.
    pub(crate) numbers: Numbers,
    /// How the peer writes texts.
    pub(crate) profile: Option<Profile>,
}

/// Wide enough for the longest name of a field.
const NAME_COLUMNS: usize = 28;

/// One item in some lines.
pub(crate) fn item(item: &Item, strict: Option<&'static str>, look: Look) -> String {
    let mut page = Page { out: String::new(), look };
    match item {
        Item::Rest(0) => page.title("nothing", "no octets"),
        Item::Rest(octets) => {
            page.title(
                "the start of a PDU",
                &format!("{}; the rest is not there", words::count(*octets, "octet")),
            );
        }
        Item::Lost(lost) => {
            page.bad(&format!("not a PDU ({})", lost.error.name()));
            page.note(&words::lost(lost.error));
            match &lost.reply {
                Some(reply) => page.reply(reply),
                None => page.note("we would answer nothing"),
            }
            page.note("and close the connection: where the next PDU would start is lost");
        }
        Item::Frame(frame) => page.frame(frame, strict),
    }
    page.out
}
/// What is being written.
pub(super) struct Page {
    out: String,
    pub(super) look: Look,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn title(&mut self, title: &str, rest: &str) {
        self.line(&format!("{}  {rest}", self.look.surface.bold(title)));
    }

    pub(super) fn head(&mut self, title: &str) {
        self.line(&format!("  {}", self.look.surface.accent(title)));
    }

    fn note(&mut self, text: &str) {
        self.line(&format!("  {text}"));
    }

    pub(super) fn bad(&mut self, text: &str) {
        self.line(&format!("  {}", self.look.surface.bad(text)));
    }

    /// A name, its value, and what that means.
    pub(super) fn row(&mut self, indent: usize, name: &str, value: &str, meaning: &str) {
        let name = format!("{name:<width$}", width = NAME_COLUMNS.saturating_sub(indent));
        let meaning =
            if meaning.is_empty() { String::new() } else { format!("  {}", self.look.surface.dim(meaning)) };
        let line = format!("{:indent$}{name} {value}{meaning}", "");
        self.line(line.trim_end());
    }

    fn reply(&mut self, reply: &Pdu) {
        let status = words::status(reply.status);
        let line = format!("we would answer {} {}: {status}", reply.command_id(), reply.sequence);
        self.note(&line);
    }

    fn frame(&mut self, frame: &Frame, strict: Option<&'static str>) {
        let Frame::Malformed { header, raw, error, reply } = frame else {
            return frame.pdu().into_iter().for_each(|pdu| self.pdu(frame, pdu, strict));
        };
        let status = words::status(header.status);
        let octets = words::count(raw.len(), "octet");
        self.title(&header.command.to_string(), &format!("sequence {}, {status}, {octets}", header.sequence));
        self.bad(&format!("can't be read ({}): {error}", error.name()));
        match reply {
            Some(reply) => self.reply(reply),
            None => self.note("we would answer nothing, and go on"),
        }
    }

    fn pdu(&mut self, frame: &Frame, pdu: &Pdu, strict: Option<&'static str>) {
        let octets = match frame {
            Frame::Tolerated(_, deviations) => deviations.raw().len(),
            _ => pdu.encoded_len(),
        };
        let status = words::status(pdu.status);
        let octets = words::count(octets, "octet");
        let name = pdu.command_id().to_string();
        self.title(&name, &format!("sequence {}, {status}, {octets}", pdu.sequence));
        for (name, value) in pdu.body.fields() {
            self.field(name, &value, &pdu.body);
        }
        if let Body::Unknown { body, .. } = &pdu.body {
            self.row(4, "body", &hex(body), "");
        }
        if let Some(tlvs) = pdu.body.tlvs().filter(|tlvs| !tlvs.is_empty()) {
            self.head("TLVs");
            for tlv in tlvs {
                self.tlv(tlv);
            }
        }
        let sm = facts::message(pdu);
        if let Some(sm) = &sm {
            self.text(sm);
            self.receipt(sm);
        }
        self.deviations(frame, pdu, strict);
        match facts::reply(frame) {
            Some(reply) => self.reply(&reply),
            None if pdu.command_id().is_response() => {}
            None => self.note("we would answer nothing: this command has no response"),
        }
    }

    fn field(&mut self, name: &str, value: &Field<'_>, body: &Body) {
        match value {
            Field::Missing => self.row(4, name, "-", "not there"),
            Field::Octets(octets) => {
                self.row(4, name, &words::count(octets.len(), "octet"), "");
                if !octets.is_empty() {
                    self.row(6, "", &hex(octets), "");
                }
            }
            Field::Text(text) if name == "password" => {
                self.row(4, name, "(not shown)", &words::count(text.len(), "octet"));
            }
            Field::Text(text) => {
                let text = text.to_text();
                let shown = if holds_number(name) { self.look.numbers.show(&text) } else { text };
                self.row(4, name, &quoted(&shown), "");
            }
            Field::Number(number) => {
                let (value, meaning) = meaning(name, *number, body);
                self.row(4, name, &value, &meaning);
            }
            Field::Records(records) => {
                self.row(4, name, &words::count(records.len(), "entry").replace("entrys", "entries"), "");
                for record in records {
                    for (name, value) in record {
                        self.field(&format!("  {name}"), value, body);
                    }
                }
            }
        }
    }

    fn tlv(&mut self, tlv: &Tlv) {
        let vendor = if tlv.tag.is_vendor() { "a vendor's own" } else { "" };
        let (value, meaning) = match (tlv.tag, tlv.tag.shape(), tlv.uint()) {
            (Tag::MESSAGE_PAYLOAD, ..) => (words::count(tlv.value.len(), "octet"), hex(&tlv.value)),
            (Tag::MESSAGE_STATE, _, Some(state)) => {
                (state.to_string(), MessageState::from_value(state).name().to_owned())
            }
            (Tag::SC_INTERFACE_VERSION, _, Some(version)) => (
                format!("0x{version:02x}"),
                words::version(u32::try_from(version).unwrap_or(u32::MAX)).to_owned(),
            ),
            (Tag::CONGESTION_STATE, _, Some(percent)) => (percent.to_string(), "of 100".to_owned()),
            (Tag::CALLBACK_NUM, ..) => {
                let number = tlv.value.get(3..).unwrap_or_default();
                let number: String = number.iter().map(|octet| char::from(*octet)).collect();
                (quoted(&self.look.numbers.show(&number)), String::new())
            }
            (Tag::NETWORK_ERROR_CODE, ..) => (hex(&tlv.value), String::new()),
            (_, Some(Shape::CString(_)), _) => {
                let text: String = tlv.text().iter().map(|octet| char::from(*octet)).collect();
                (quoted(&text), String::new())
            }
            (_, Some(Shape::Fixed(1 | 2 | 4) | Shape::Either(..)), Some(number)) => {
                (number.to_string(), format!("0x{}", hex(&tlv.value)))
            }
            _ => (hex(&tlv.value), as_text(&tlv.value)),
        };
        let meaning =
            [meaning.as_str(), vendor].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; ");
        self.row(4, &tlv.tag.to_string(), &value, &meaning);
    }

    fn deviations(&mut self, frame: &Frame, pdu: &Pdu, strict: Option<&'static str>) {
        let objection = pdu.objection();
        if frame.deviations().is_empty() && objection.is_none() && strict.is_none() {
            return;
        }
        self.head("deviations");
        for deviation in frame.deviations() {
            self.row(4, &format!("! {deviation}"), "", &words::deviation(*deviation));
        }
        if let Some(objection) = objection {
            let refusal = words::status(objection.refusal());
            self.row(
                4,
                &format!("! {}", objection.name()),
                "",
                &format!("{objection}; a server should refuse it: {refusal}"),
            );
        }
        if let Some(strict) = strict {
            self.row(4, "strict mode", &format!("would refuse it ({strict})"), "");
        }
    }
}

/// Whether a field of that name holds somebody's number.
fn holds_number(name: &str) -> bool {
    matches!(name.trim_start(), "source_addr" | "destination_addr" | "esme_addr" | "addr" | "address_range")
}

/// A number as it is usually written, and what it means.
fn meaning(name: &str, value: u32, body: &Body) -> (String, String) {
    let decimal = value.to_string();
    let hexadecimal = format!("0x{value:02x}");
    match name.trim_start() {
        "esm_class" => (hexadecimal, words::esm_class(value)),
        "data_coding" => (hexadecimal, words::data_coding(value)),
        "interface_version" => (hexadecimal, words::version(value).to_owned()),
        "registered_delivery" => (decimal, words::registered_delivery(value)),
        "status" => (decimal, words::status(protocol::status::Status(value))),
        "message_state" => (decimal, MessageState::from_value(u64::from(value)).name().to_owned()),
        "error_code" if matches!(body, Body::QuerySmResp(_)) => (decimal, "the network's".to_owned()),
        name if name.ends_with("ton") => (decimal, words::type_of_number(value).to_owned()),
        name if name.ends_with("npi") => (decimal, words::numbering_plan(value).to_owned()),
        _ => (decimal, String::new()),
    }
}

/// Text between quotes, with what can't be seen written out.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for sign in text.chars() {
        match sign {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' => out.extend(['\\', sign]),
            // Marks of direction would turn the terminal's line round; the rest can't be seen.
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(sign));
            }
            sign if sign.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(sign));
            }
            sign => out.push(sign),
        }
    }
    out.push('"');
    out
}

/// Octets as text where they are some.
fn as_text(octets: &[u8]) -> String {
    let octets = octets.strip_suffix(b"\0").unwrap_or(octets);
    let readable = octets.len() > 2 && octets.iter().all(|octet| (0x20..0x7F).contains(octet));
    if readable { quoted(&String::from_utf8_lossy(octets)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::frame::Grade;

    const ROWS: &str = include_str!("../../../fixtures/pdu/pdus.jsonl");

    fn page(row: &str) -> String {
        let rows = ROWS.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let row = rows.into_iter().find(|it| it["name"] == row).expect("such a row");
        let octets = super::super::hex::parse(row["hex"].as_str().unwrap().as_bytes()).unwrap().concat();
        let look = Look { surface: Surface::Plain, numbers: Numbers::Masked, profile: None };
        let strict = super::super::rows::strict_error(&octets);
        facts::items(&octets, Grade::Lenient).iter().map(|it| item(it, strict, look)).collect()
    }

    fn holds(row: &str, wanted: &[&str]) {
        let page = page(row);
        let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in wanted {
            assert!(flat.contains(part), "`{part}` is not in\n{page}");
        }
    }

    #[test]
    fn a_receipt_tells_what_decided_each_of_its_facts() {
        holds(
            "dlr_tlv_id_without_state",
            &[
                "deliver_sm sequence 204, ESME_ROK (0x0)",
                "esm_class 0x04 delivery receipt",
                "receipted_message_id \"499602D2\"",
                "id \"499602D2\" by TLV receipted_message_id",
                "1234567890 in the response, if it is hexadecimal here",
                "state DELIVERED final, by `stat:` in the text",
                "done 2026-03-04T12:30:00 from \"2603041230\", zone not said",
                "we would answer deliver_sm_resp 204: ESME_ROK",
            ],
        );
    }

    #[test]
    fn texts_show_their_header_and_what_else_they_may_be() {
        holds(
            "submit_sm_udh16_1of3",
            &["part 1 of 3 reference 48879, 16 bits", "0x08 beef0301 concatenation"],
        );
        holds("deliver_sm_dcs0_latin1", &["\"f\u{FFFD}r\"", "! invalid_octet", "if default_latin1 \"für\""]);
        holds("submit_sm_turkish_locking_shift", &["locking shift Turkish", "ağı €"]);
    }

    #[test]
    fn deviations_and_refusals_are_said_in_words() {
        holds(
            "submit_sm_source_addr_too_long",
            &[
                "! field_too_long:source_addr",
                "kept whole",
                "strict mode would refuse it",
                "we would answer submit_sm_resp 47: ESME_RINVSRCADR",
            ],
        );
        holds(
            "submit_sm_alnum_source_12",
            &["! alphanumeric_too_long", "we would answer submit_sm_resp 45: ESME_RINVSRCADR"],
        );
        holds("frame_http_request", &["not_smpp_http", "we would answer nothing", "close the connection"]);
        holds("submit_sm_sm_length_overrun", &["sm_length says 60 octets and 2 are left", "ESME_RINVMSGLEN"]);
        holds("submit_sm_resp_throttled", &["ESME_RTHROTTLED (0x58): allowed message rate exceeded"]);
        holds("frame_partial_body", &["the rest is not there"]);
    }

    #[test]
    fn numbers_are_masked_and_passwords_never_shown() {
        for line in ROWS.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let page = page(row["name"].as_str().unwrap());
            // A submit_multi refused for its bad flag is not shown at all; texts are shown as they are.
            assert!(!page.contains("447700900"), "{page}");
            assert!(!page.contains("s3cret"), "{page}");
        }
        assert_eq!(Numbers::Masked.show("447700900123"), "447******123");
        assert_eq!(Numbers::Shown.show("447700900123"), "447700900123");
        assert_eq!(Numbers::Masked.show("88001"), "88001");
        assert_eq!(Numbers::Masked.show("Backchat"), "Backchat");
    }
}
