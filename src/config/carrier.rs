//! A carrier account: where to bind, as whom, how many sessions, how fast, and what to do when it fails.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::de::DeValue;

use super::raw::{At, Table, Wrong};
use super::unit::{Rate, Secret, cut, duration, integer, name, one_of, rate, secret, text, text_or_none};
use crate::backoff::Backoff;
use crate::rules::delivery::Patience;
pub use crate::rules::machines::doubt::{AfterHold, Doubts, InDoubtPolicy};

/// Sessions to one account; the most that any provider publishes is 10.
const MOST_BINDS: u8 = 32;
/// Requests in flight on one session; 50 is the most that any provider publishes, simulators bear more.
const MOST_WINDOW: u16 = 1_000;
/// SMPP 3.4, 5.2.1: system_id of at most 15 octets, and a NUL.
const SYSTEM_ID_OCTETS: usize = 15;
/// SMPP 3.4, 5.2.2 allows 8 octets; some providers hand out longer ones, so that only the absurd is refused.
const PASSWORD_OCTETS: usize = 64;
/// SMPP 3.4, 5.2.3: system_type of at most 12 octets, and a NUL.
const SYSTEM_TYPE_OCTETS: usize = 12;
/// RFC 1035, 2.3.4: a name of at most 255 octets on the wire.
const HOST_SIGNS: usize = 253;
/// SMPP 3.4, 5.2.7: address_range of at most 40 octets, and a NUL.
const ADDRESS_RANGE_OCTETS: usize = 40;

/// Receipts come within minutes when the handset is on; a quarter of an hour hears most of them.
const USUAL_HOLD_MS: u64 = 900_000;
/// No carrier keeps trying longer than a week.
const MOST_HOLD_MS: u64 = 604_800_000;

/// Rates of contracts begin at 8 to 50 a second; a new account that says nothing must not be flooded.
const USUAL_RATE: Rate = Rate::per_second(match NonZeroU32::new(10) {
    Some(parts) => parts,
    None => NonZeroU32::MIN,
});

/// How we bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindKind {
    /// Sends only.
    Transmitter,
    /// Receives only.
    Receiver,
    /// Both ways on one session.
    Transceiver,
    /// One transmitter and one receiver, for carriers without transceivers.
    Pair,
}

/// What the carrier takes data_coding 0 to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefaultAlphabet {
    /// GSM 7-bit default alphabet, one septet an octet.
    Gsm7,
    /// ISO 8859-1.
    Latin1,
    /// IA5.
    Ascii,
}

/// How the message id in a receipt is the one of submit_sm_resp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiptIds {
    /// Any of the forms met: same, padded, hex against decimal.
    Auto,
    /// The same signs.
    Same,
    /// Hex in the response, decimal in the receipt.
    HexToDecimal,
    /// Decimal in the response, hex in the receipt.
    DecimalToHex,
}

/// How a short code is declared as a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    /// Type of number, SMPP 3.4, 5.2.5.
    pub ton: u8,
    /// Numbering plan, SMPP 3.4, 5.2.6.
    pub npi: u8,
}

/// An account at a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// Our name for it; the lane of its messages.
    pub name: String,
    /// Name or address of the SMSC; an IPv6 address in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Who we are to it.
    pub system_id: String,
    /// What we show for it.
    pub password: Secret,
    /// Kind of system; most carriers want it empty.
    pub system_type: String,
    /// Addresses a receiver serves; most carriers want it empty.
    pub address_range: String,
    /// How we bind.
    pub bind: BindKind,
    /// Sessions (pairs, where `bind` is Pair).
    pub binds: u8,
    /// Unanswered requests on one session.
    pub window: usize,
    /// Message parts a second, all sessions of the account together.
    pub rate: Rate,
    /// Silence after which we ask whether the carrier is there, milliseconds.
    pub enquire_link_ms: u64,
    /// How long an answer may take, milliseconds.
    pub response_timeout_ms: u64,
    /// Meaning of data_coding 0.
    pub default_alphabet: DefaultAlphabet,
    /// Form of ids in receipts.
    pub receipt_ids: ReceiptIds,
    /// Waiting before a new bind.
    pub reconnect: Backoff,
    /// Trying again what was refused for now.
    pub retry: Patience,
    /// Message parts a second on each session, where the carrier limits that too.
    pub bind_rate: Option<Rate>,
    /// Messages in doubt.
    pub in_doubt: Doubts,
    /// TON and NPI of a short code as the sender.
    pub short_code: Numbering,
    /// When it is asked to drop what it holds.
    pub cancel: Cancel,
}

/// When a carrier is asked to drop what it holds (cancel_sm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Never: many know no cancel_sm, and some bill for it.
    Never,
    /// When its recipient has opted out.
    AfterStop,
}

impl Carrier {
    /// How often and how patiently a message is tried.
    pub fn patience(&self) -> Patience {
        self.retry
    }

    /// What becomes of messages in doubt.
    pub fn doubts(&self) -> Doubts {
        self.in_doubt
    }

    /// TON and NPI of a short code as the sender.
    pub fn short_code_type(&self) -> (u8, u8) {
        (self.short_code.ton, self.short_code.npi)
    }
}

/// Reads one `[[carrier]]`.
pub(super) fn read(table: &Table<'_>) -> Option<At<Carrier>> {
    let folder = table.document().path("");
    let name = table.need("name", name, "name it as your team calls it: name = \"main\"");
    let host =
        table.need("host", host, "its address from the account sheet: host = \"smpp.carrier.example\"");
    let port = table.need("port", integer(1..=u16::MAX), "its port from the account sheet, often 2775");
    let system_id = table.need("system_id", octets(SYSTEM_ID_OCTETS), "the login from the account sheet");
    let password = table.need("password", secret(&folder), "write password = \"env:NAME\" or \"file:PATH\"");
    let system_type = table.or("system_type", octets_or_none(SYSTEM_TYPE_OCTETS), String::new());
    let address_range = table.or("address_range", octets_or_none(ADDRESS_RANGE_OCTETS), String::new());
    let bind = table.or("bind", one_of(BINDS), BindKind::Transceiver);
    let binds = table.or("binds", integer(1..=MOST_BINDS), 1);
    let window = table.or("window", integer(1..=MOST_WINDOW), 10);
    let bind_rate = table.get("bind_rate", rate).map(|at| at.value);
    let rate = table.or("rate", rate, USUAL_RATE);
    // One no lower than the account's limits nothing.
    let bind_rate = bind_rate.filter(|bind| bind.parts_per_second() < rate.parts_per_second());
    let enquire_link = table.get("enquire_link", duration(1_000..=600_000));
    let response_timeout_ms = table.or("response_timeout", duration(1_000..=600_000), 30_000);
    let default_alphabet = table.or("default_alphabet", one_of(ALPHABETS), DefaultAlphabet::Gsm7);
    let receipt_ids = table.or("receipt_ids", one_of(RECEIPT_IDS), ReceiptIds::Auto);
    let in_doubt = Doubts {
        policy: table.or("in_doubt", one_of(IN_DOUBT), InDoubtPolicy::Resend),
        hold: Duration::from_millis(table.or("hold", duration(1_000..=MOST_HOLD_MS), USUAL_HOLD_MS)),
        after: table.or("after_hold", one_of(AFTER_HOLD), AfterHold::Resend),
    };
    let reconnect = reconnect(table);
    let retry = retry(table);
    let short_code = short_code(table);
    let cancel = table.or("cancel", one_of(CANCEL), Cancel::Never);

    if let Some(password) = &password
        && (password.value.reveal().len() > PASSWORD_OCTETS || password.value.reveal().contains('\0'))
    {
        let what =
            format!("`password` is no SMPP password: more than {PASSWORD_OCTETS} octets, or a NUL in it");
        table.document().note(
            password.span.clone(),
            what,
            "check the account sheet; most have at most 8 octets",
        );
    }
    let name = name?;
    let carrier = Carrier {
        name: name.value,
        host: host?.value,
        port: port?.value,
        system_id: system_id?.value,
        password: password?.value,
        system_type,
        address_range,
        bind,
        binds,
        window: usize::from(window),
        rate,
        enquire_link_ms: enquire_link.map_or(20_000, |at| at.value),
        response_timeout_ms,
        default_alphabet,
        receipt_ids,
        reconnect,
        retry,
        bind_rate,
        in_doubt,
        short_code,
        cancel,
    };
    Some(At { value: carrier, span: name.span })
}

const BINDS: &[(&str, BindKind)] = &[
    ("transceiver", BindKind::Transceiver),
    ("transmitter", BindKind::Transmitter),
    ("receiver", BindKind::Receiver),
    ("pair", BindKind::Pair),
];

const ALPHABETS: &[(&str, DefaultAlphabet)] = &[
    ("gsm7", DefaultAlphabet::Gsm7),
    ("latin1", DefaultAlphabet::Latin1),
    ("ascii", DefaultAlphabet::Ascii),
];

const RECEIPT_IDS: &[(&str, ReceiptIds)] = &[
    ("auto", ReceiptIds::Auto),
    ("same", ReceiptIds::Same),
    ("hex-to-decimal", ReceiptIds::HexToDecimal),
    ("decimal-to-hex", ReceiptIds::DecimalToHex),
];

const IN_DOUBT: &[(&str, InDoubtPolicy)] =
    &[("resend", InDoubtPolicy::Resend), ("hold", InDoubtPolicy::Hold), ("never", InDoubtPolicy::Never)];

const CANCEL: &[(&str, Cancel)] = &[("never", Cancel::Never), ("after-stop", Cancel::AfterStop)];

const AFTER_HOLD: &[(&str, AfterHold)] = &[("resend", AfterHold::Resend), ("leave", AfterHold::Leave)];

fn reconnect(carrier: &Table<'_>) -> Backoff {
    let (min_ms, max_ms) = (1_000, 60_000);
    let Some(table) = carrier.table("reconnect") else { return backoff(min_ms, max_ms) };
    waits(&table, ["min", "max"], [min_ms, max_ms], 600_000)
}

fn retry(carrier: &Table<'_>) -> Patience {
    /// A temporary error on a handset lasts minutes to hours; five tries reach over one.
    const ATTEMPTS: u32 = 5;
    let (min_ms, max_ms) = (30_000, 3_600_000);
    let Some(table) = carrier.table("retry") else {
        return Patience { attempts: ATTEMPTS, backoff: backoff(min_ms, max_ms) };
    };
    let attempts = table.or("attempts", integer(1..=100), ATTEMPTS);
    Patience { attempts, backoff: waits(&table, ["first_delay", "max_delay"], [min_ms, max_ms], 604_800_000) }
}

/// Two waits, the second not shorter than the first.
fn waits(table: &Table<'_>, [first, last]: [&'static str; 2], usual: [u64; 2], most_ms: u64) -> Backoff {
    let min_ms = table.or(first, duration(100..=most_ms), usual[0]);
    let max = table.get(last, duration(100..=most_ms));
    let max_ms = max.as_ref().map_or(usual[1].max(min_ms), |at| at.value);
    if let Some(max) = max.filter(|max| max.value < min_ms) {
        let hint = format!("the wait grows from `{first}` to `{last}`");
        table.document().note(max.span, format!("`{last}` is shorter than `{first}`"), hint);
    }
    backoff(min_ms, max_ms)
}

fn backoff(min_ms: u64, max_ms: u64) -> Backoff {
    Backoff { min: Duration::from_millis(min_ms), max: Duration::from_millis(max_ms) }
}

fn short_code(carrier: &Table<'_>) -> Numbering {
    let usual = Numbering { ton: 3, npi: 0 };
    let Some(table) = carrier.table("short_code") else { return usual };
    Numbering {
        ton: table.or("ton", integer(0..=u8::MAX), usual.ton),
        npi: table.or("npi", integer(0..=u8::MAX), usual.npi),
    }
}

fn host(value: &DeValue<'_>) -> Result<String, Wrong> {
    let written = text(value)?;
    let hint =
        "write the name or address alone, like \"smpp.carrier.example\"; the port has a setting of its own";
    if let Ok(v6) = written.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>() {
        return Ok(format!("[{v6}]"));
    }
    let good = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_');
    if written.len() <= HOST_SIGNS && written.chars().all(good) {
        return Ok(written.to_owned());
    }
    Err(Wrong::new(format!("is `{}`", cut(written)), hint))
}

/// A C-octet string field: ASCII without control characters, bounded.
pub(super) fn octets(most: usize) -> impl Fn(&DeValue<'_>) -> Result<String, Wrong> {
    move |value| text(value).and_then(|written| fits(written, most))
}

fn octets_or_none(most: usize) -> impl Fn(&DeValue<'_>) -> Result<String, Wrong> {
    move |value| text_or_none(value).and_then(|written| fits(written, most))
}

fn fits(written: &str, most: usize) -> Result<String, Wrong> {
    if written.len() <= most && written.bytes().all(|octet| (0x20..0x7f).contains(&octet)) {
        return Ok(written.to_owned());
    }
    let what = format!("is `{}`", cut(written));
    Err(Wrong::new(what, format!("SMPP carries at most {most} plain ASCII characters here")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_ready_for_its_port() {
        let host_of = |written: &'static str| host(&DeValue::String(written.into())).ok();
        assert_eq!(host_of("smpp.example").as_deref(), Some("smpp.example"));
        assert_eq!(host_of("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(host_of("2001:db8::1").as_deref(), Some("[2001:db8::1]"));
        assert_eq!(host_of("[2001:db8::1]").as_deref(), Some("[2001:db8::1]"));
        for wrong in ["smpp.example:2775", "tcp://smpp.example", "a b", "münchen.example"] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }
}
