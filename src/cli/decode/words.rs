//! What fields and deviations mean, in words.

use std::borrow::Cow;

use protocol::address::{npi, ton};
use protocol::error::Deviation;
use protocol::frame::{LengthError, Protocol};
use protocol::receipt::{Conflict, Kind, Origin, Recognised};
use protocol::status::{Status, StatusClass};
use protocol::text::{Coding, Flaw};

/// What was tolerated, and how it was read all the same.
pub(crate) fn deviation(deviation: Deviation) -> String {
    let plain = match deviation {
        Deviation::MissingBody => "the body is missing although the status is ESME_ROK; taken as done",
        Deviation::PartialBody => "the body of this refusal stops within its fields; taken as far as it goes",
        Deviation::TrailingBytes => "there are octets behind the last field; left aside",
        Deviation::TrailingNul => "there are NULs where a TLV would start; left aside",
        Deviation::TlvTruncated => "the header of the last TLV is cut off; left aside",
        Deviation::TlvOverrun => "the last TLV claims more octets than there are; dropped, the rest is kept",
        Deviation::FieldTooLong(field) => {
            return format!("{field} is longer than the specification lets it be; kept whole");
        }
        Deviation::UnterminatedCstring(field) => {
            return format!("{field} ends without its NUL at the end of the PDU; all octets are taken");
        }
        Deviation::BodyIsTlvsOnly => "message_id is left out and TLVs start at once",
        Deviation::BareMsAvailabilityStatus => "ms_availability_status stands by itself and not in a TLV",
        Deviation::SequenceZero => "sequence number 0; answered under 0",
        Deviation::SequenceAbove7fffffff => "a sequence number above 0x7fffffff; answered under the same",
        Deviation::NonzeroStatusInRequest => "a request with a command_status; passed over",
        Deviation::UnknownCommand => "a command that no SMPP version names, or a vendor's own",
    };
    plain.to_owned()
}

/// Why nobody can tell where the next PDU starts.
pub(crate) fn lost(error: LengthError) -> String {
    let other = match error {
        LengthError::NotSmpp(Protocol::Http) => "HTTP",
        LengthError::NotSmpp(Protocol::Tls) => "TLS",
        LengthError::NotSmpp(Protocol::Amqp) => "AMQP",
        LengthError::NotSmpp(Protocol::Proxy) => "the header of a proxy in front",
        error => return error.to_string(),
    };
    format!("this is {other}, not SMPP")
}

/// What was out of order in a text, and how it was read all the same.
pub(crate) fn flaw(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::UdhMissing => "esm_class says there is a user data header, and there are no octets",
        Flaw::UdhOverrun => "the user data header claims more octets than there are; all are read as text",
        Flaw::UdhElementOverrun => {
            "an element reaches past the user data header; all octets are read as text"
        }
        Flaw::ConcatSize => "a concatenation element of the wrong size; passed over",
        Flaw::ConcatOutOfRange => "part 0, or a part above the total; taken as a single message",
        Flaw::UnknownLanguage => "a national language that is not assigned; the default table is taken",
        Flaw::UdhDetected => "there is a user data header although esm_class does not say so",
        Flaw::Ucs2Detected => "data_coding says the default alphabet, the octets are UCS-2",
        Flaw::ReservedCoding => "a reserved data_coding; read as GSM 7-bit",
        Flaw::OddLength => "an odd number of octets in a two-octet alphabet; the last is left aside",
        Flaw::LoneSurrogate => "half a surrogate pair; shown as \u{FFFD}",
        Flaw::InvalidOctet => "octets that the alphabet does not hold; shown as \u{FFFD}",
        Flaw::LoneEscape => "an escape at the very end; read as a blank",
        Flaw::UnknownEscape => "an escape before a character without an extension; the character is taken",
    }
}

/// A status with its name and meaning, and what it asks for.
pub(crate) fn status(status: Status) -> String {
    let name = match status.name() {
        Some(name) => format!("{name} (0x{:x})", status.0),
        None => format!("0x{:08x}", status.0),
    };
    let asks = match status.class() {
        StatusClass::Ok => return name,
        StatusClass::Final => "the same again will fail again",
        StatusClass::Retry => "to be tried again later",
        StatusClass::SlowDown => "to be sent again, more slowly",
        StatusClass::Link => "the bind is to be mended",
    };
    // Of a status nobody names the class is a guess.
    if status.name().is_some() {
        format!("{name}: {}; {asks}", status.meaning())
    } else {
        format!("{name}: {}", status.meaning())
    }
}

/// A type of number.
pub(crate) fn type_of_number(value: u32) -> &'static str {
    match u8::try_from(value) {
        Ok(ton::UNKNOWN) => "unknown",
        Ok(ton::INTERNATIONAL) => "international",
        Ok(ton::NATIONAL) => "national",
        Ok(ton::NETWORK_SPECIFIC) => "network specific",
        Ok(ton::SUBSCRIBER) => "subscriber",
        Ok(ton::ALPHANUMERIC) => "alphanumeric",
        Ok(ton::ABBREVIATED) => "abbreviated",
        _ => "reserved",
    }
}

/// A numbering plan.
pub(crate) fn numbering_plan(value: u32) -> &'static str {
    match u8::try_from(value) {
        Ok(npi::UNKNOWN) => "unknown",
        Ok(npi::ISDN) => "ISDN (E.164)",
        Ok(npi::DATA) => "data (X.121)",
        Ok(npi::TELEX) => "telex",
        Ok(npi::LAND_MOBILE) => "land mobile (E.212)",
        Ok(npi::NATIONAL) => "national",
        Ok(npi::PRIVATE) => "private",
        Ok(npi::ERMES) => "ERMES",
        Ok(npi::INTERNET) => "internet",
        Ok(npi::WAP) => "WAP client id",
        _ => "reserved",
    }
}

/// esm_class bit by bit (SMPP 3.4, 5.2.12).
pub(crate) fn esm_class(value: u32) -> String {
    let value = u8::try_from(value).unwrap_or_default();
    let mut words = vec![match Kind::of(value) {
        Kind::Message => "message",
        Kind::Receipt => "delivery receipt",
        Kind::Intermediate => "intermediate notification",
        Kind::DeliveryAcknowledgement => "delivery acknowledgement",
        Kind::UserAcknowledgement => "user acknowledgement",
        Kind::ConversationAbort => "conversation abort",
    }];
    words.extend(match value & 0x03 {
        1 => Some("datagram"),
        2 => Some("forward (transaction)"),
        3 => Some("store and forward"),
        _ => None,
    });
    words.extend((value & 0x40 != 0).then_some("user data header"));
    words.extend((value & 0x80 != 0).then_some("reply path"));
    words.join(", ")
}

/// registered_delivery bit by bit (SMPP 3.4, 5.2.17).
pub(crate) fn registered_delivery(value: u32) -> String {
    let mut words = vec![match value & 0x03 {
        0 => "no receipt",
        1 => "receipt whatever comes",
        2 => "receipt on failure",
        _ => "receipt on success (5.0)",
    }];
    words.extend((value & 0x04 != 0).then_some("delivery acknowledgement"));
    words.extend((value & 0x08 != 0).then_some("user acknowledgement"));
    words.extend((value & 0x10 != 0).then_some("intermediate notification"));
    words.join(", ")
}

/// data_coding taken apart.
pub(crate) fn data_coding(value: u32) -> String {
    let coding = Coding::of(u8::try_from(value).unwrap_or_default());
    let mut words = vec![Cow::from(match value {
        0 => "the default alphabet, GSM 7-bit unless the peer says otherwise",
        _ => coding.alphabet.title(),
    })];
    if let Some(class) = coding.class {
        let meaning = ["shown at once", "kept on the phone", "kept on the SIM", "kept on equipment"];
        let meaning = meaning.get(usize::from(class)).copied().unwrap_or_default();
        words.push(format!("class {class} ({meaning})").into());
    }
    if let Some(waiting) = coding.waiting {
        let sets = if waiting.active { "sets" } else { "clears" };
        let keeps = if waiting.store { "text is kept" } else { "text may be discarded" };
        words.push(format!("{sets} the {} indication, {keeps}", waiting.what.name()).into());
    }
    words.extend(coding.compressed.then(|| "compressed".into()));
    words.extend(coding.delete_after_reading.then(|| "deleted once read".into()));
    words.join(", ")
}

/// An interface_version or sc_interface_version.
pub(crate) fn version(value: u32) -> &'static str {
    match value {
        0..=0x33 => "SMPP 3.3 or before",
        0x34 => "SMPP 3.4",
        0x50 => "SMPP 5.0",
        _ => "a version nobody published",
    }
}

/// An element of a user data header by its identifier (3GPP TS 23.040, 9.2.3.24).
pub(crate) fn element(id: u8) -> &'static str {
    match id {
        0x00 => "concatenation, 8-bit reference",
        0x01 => "special message indication",
        0x04 => "ports, 8-bit",
        0x05 => "ports, 16-bit",
        0x06 => "SMSC control",
        0x08 => "concatenation, 16-bit reference",
        0x0A..=0x14 => "EMS content",
        0x20 => "RFC 822 header length",
        0x24 => "national single shift",
        0x25 => "national locking shift",
        0x70..=0x7F => "SIM toolkit security",
        _ => "element",
    }
}

/// What showed that a message is a receipt.
pub(crate) fn recognised(by: Recognised) -> &'static str {
    match by {
        Recognised::EsmClass => "esm_class says so",
        Recognised::Tlvs => "its TLVs say so, esm_class does not",
        Recognised::Shape => "only its text has the shape of one",
    }
}

/// Where an id or a state comes from.
pub(crate) fn origin(origin: Option<Origin>, tlv: &str, text: &str) -> String {
    match origin {
        Some(Origin::Tlv) => format!("by TLV {tlv}"),
        Some(Origin::Text) => format!("by `{text}` in the text"),
        Some(Origin::PeerWord) => format!("by `{text}` in the text, a word of the peer's own"),
        None => "nothing known says it".to_owned(),
    }
}

/// Two places that disagree.
pub(crate) fn conflict(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Id => "receipted_message_id and `id:` name different messages; the TLV is taken",
        Conflict::State => "message_state and `stat:` name different states; the TLV is taken",
    }
}

/// So many of a thing.
pub(crate) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
