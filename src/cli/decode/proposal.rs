//! A carrier's profile out of what was seen of it: settings of a `[[carrier]]`, each with its evidence, and what is worth
//! knowing beyond them.

use std::fmt::Write;
use std::net::SocketAddr;

use protocol::receipt::Form;
use serde_json::{Map, Value, json};

use super::alphabet::Vote;
use super::conversation::Side;
use super::evidence::{BindSeen, Counts, Evidence};
use super::words::{self, count};
use crate::cli::paint::span;

/// So few pieces of evidence are said to be few.
const FEW: usize = 3;

/// A profile.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Proposal {
    /// Keys of `[[carrier]]` with their values, and why.
    pub(crate) settings: Vec<Setting>,
    /// Keys of `[carrier.short_code]`.
    pub(crate) short_code: Option<(u8, u8, String)>,
    /// What has no setting: a subject, and what is to be said.
    pub(crate) notes: Vec<(&'static str, String)>,
}

/// One setting.
#[derive(Debug, PartialEq)]
pub(crate) struct Setting {
    /// Its key.
    pub(crate) key: &'static str,
    /// Its value.
    pub(crate) value: Value,
    /// The evidence.
    pub(crate) why: String,
}

/// Draws a profile of the carrier that is the `number`th of a capture.
pub(crate) fn propose(number: usize, carrier: SocketAddr, seen: &Evidence) -> Proposal {
    let mut proposal = Proposal::default();
    let mut set = |key, value: Value, why: String| proposal.settings.push(Setting { key, value, why });
    let name = if number == 1 { "carrier".to_owned() } else { format!("carrier-{number}") };
    set("name", json!(name), "yours to choose".to_owned());
    let host = if carrier.is_ipv6() { format!("[{}]", carrier.ip()) } else { carrier.ip().to_string() };
    set("host", json!(host), format!("as in the capture; {}", count(seen.connections, "connection")));
    set("port", json!(carrier.port()), String::new());
    bind(seen, &mut set);
    if let Some((alphabet, why)) = alphabet(seen) {
        set("default_alphabet", json!(alphabet), why);
    }
    let (ids, why) = receipt_ids(seen);
    set("receipt_ids", json!(ids), why);
    proposal.short_code = short_code(seen);
    proposal.notes = notes(seen);
    proposal
}

fn bind(seen: &Evidence, set: &mut impl FnMut(&'static str, Value, String)) {
    let modes =
        |mode: &str| seen.binds.iter().filter(|(bind, _)| bind.mode == mode).map(|(_, count)| count).sum();
    let (transmitters, receivers, transceivers): (usize, usize, usize) =
        (modes("transmitter"), modes("receiver"), modes("transceiver"));
    let most = seen.binds.iter().max_by_key(|(_, count)| **count).map(|(bind, _)| bind.clone());
    let Some(BindSeen { system_id, system_type, address_range, version, .. }) = most else {
        set("system_id", json!("yours"), "no bind is in the capture".to_owned());
        set("password", json!("env:CARRIER_PASSWORD"), String::new());
        return;
    };
    set("system_id", json!(system_id), String::new());
    set("password", json!("env:CARRIER_PASSWORD"), "never written down here".to_owned());
    if !system_type.is_empty() {
        set("system_type", json!(system_type), "as in the bind".to_owned());
    }
    if !address_range.is_empty() {
        set("address_range", json!(address_range), "as in the bind".to_owned());
    }
    let kind = match (transmitters, receivers, transceivers) {
        (_, _, 1..) => "transceiver",
        (1.., 1.., _) => "pair",
        (1.., ..) => "transmitter",
        _ => "receiver",
    };
    let seen = [(transceivers, "transceiver"), (transmitters, "transmitter"), (receivers, "receiver")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(number, mode)| count(number, mode))
        .collect::<Vec<_>>();
    let version = words::version(u32::from(version));
    set("bind", json!(kind), format!("{}, {version}", seen.join(", ")));
}

/// The alphabet of data_coding 0: what the carrier sends under it counts, else what the client does.
fn alphabet(seen: &Evidence) -> Option<(&'static str, String)> {
    let says =
        |side: Side| seen.votes.get(&side).filter(|votes| votes.keys().any(|vote| *vote != Vote::Nothing));
    let (votes, whose) = match (says(Side::Carrier), says(Side::Client)) {
        (Some(votes), _) => (votes, "the carrier's"),
        (None, Some(votes)) => (votes, "the client's"),
        (None, None) => return None,
    };
    let of = |vote: Vote| votes.get(&vote).copied().unwrap_or_default();
    let all: usize = votes.values().sum();
    let told = votes
        .iter()
        .filter(|(vote, _)| **vote != Vote::Nothing)
        .map(|(vote, count)| format!("{count} only {}", vote.name()))
        .collect::<Vec<_>>()
        .join(", ");
    let mut why = format!(
        "of {whose} {} with data_coding 0: {told}, {} undecided",
        count(all, "text"),
        of(Vote::Nothing)
    );
    let (gsm7, ascii, latin1) = (of(Vote::Gsm7), of(Vote::Ascii), of(Vote::Latin1));
    // Latin-1 holds ASCII, so that signs of both are signs of Latin-1.
    let alphabet = match (gsm7, latin1, ascii) {
        (0, 0, 0) => {
            why.push_str("; no setting has that");
            "gsm7"
        }
        (gsm7, latin1, ascii) if gsm7 >= latin1 + ascii => "gsm7",
        (_, 0, _) => "ascii",
        _ => "latin1",
    };
    let against = match alphabet {
        "gsm7" => latin1 + ascii,
        _ => gsm7,
    };
    if against > 0 {
        why.push_str("; they disagree, look at them");
    } else if gsm7 + latin1 + ascii < FEW {
        why.push_str("; few");
    }
    Some((alphabet, why))
}

/// The base of ids in receipts against those in responses.
fn receipt_ids(seen: &Evidence) -> (&'static str, String) {
    let ids = &seen.ids;
    let of = |form: Form| ids.found.get(&form).copied().unwrap_or_default();
    let (same, to_hex, to_decimal) = (of(Form::Same), of(Form::HexToDecimal), of(Form::DecimalToHex));
    let all = ids.all_found();
    if all == 0 {
        let why = match (ids.answered, ids.receipted) {
            (_, 0) => "no receipt is in the capture".to_owned(),
            (0, _) => "no response with an id is in the capture".to_owned(),
            (_, receipts) => format!("none of {} found its response", count(receipts, "receipt")),
        };
        return ("auto", why);
    }
    let mut why = format!(
        "{all} of {} found: {same} same, {to_decimal} hex to decimal, {to_hex} decimal to hex",
        count(ids.receipted, "receipt")
    );
    let changed = ids.padded.values().sum::<usize>() + ids.stripped + ids.other_case;
    let learnt = match (same, to_decimal, to_hex) {
        (1.., 0, 0) if changed > 0 => {
            why.push_str("; zeros or letter case differ");
            "auto"
        }
        (1.., 0, 0) => "same",
        // Read from the receipt a decimal id becomes the response's hexadecimal one, and the other way round.
        (0, 1.., 0) => "hex-to-decimal",
        (0, 0, 1..) => "decimal-to-hex",
        _ => {
            why.push_str("; mixed");
            "auto"
        }
    };
    if ids.doubtful > 0 {
        let _ = write!(why, "; {} fit several responses", ids.doubtful);
    }
    if all < FEW {
        why.push_str("; few");
    }
    (learnt, why)
}

fn short_code(seen: &Evidence) -> Option<(u8, u8, String)> {
    let short = seen.senders.iter().filter(|((_, _, short), _)| *short);
    let ((ton, npi, _), most) = short.clone().max_by_key(|(_, count)| **count)?;
    let all: usize = short.map(|(_, count)| count).sum();
    let named = words::type_of_number(u32::from(*ton));
    Some((*ton, *npi, format!("{most} of {} from a short code: {named}", count(all, "message"))))
}

/// The commonest first, so many of them.
fn listed<K: Ord + Clone>(counts: &Counts<K>, most: usize, write: impl Fn(&K) -> String) -> String {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    let mut out: Vec<String> =
        all.iter().take(most).map(|(kind, count)| format!("{} {count}", write(kind))).collect();
    if all.len() > most {
        out.push(format!("{} more kinds", all.len() - most));
    }
    out.join(", ")
}

fn notes(seen: &Evidence) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    let mut note = |subject, text: String| {
        if !text.is_empty() {
            notes.push((subject, text));
        }
    };
    note("ids", ids_note(seen));
    note("receipts", receipts_note(seen));
    note(
        "stat words",
        listed(&seen.words, 20, |(word, state)| match state {
            Some(state) => format!("{word} ({})", state.name()),
            None => format!("{word} (MEANS NOTHING KNOWN)"),
        }),
    );
    note("err codes", listed(&seen.errs, 10, Clone::clone));
    note("dates", dates_note(seen));
    note("texts", texts_note(seen));
    note("answers", listed(&seen.statuses, 12, |(command, status)| format!("{command} {status}")));
    note("speed", speed_note(seen));
    note("enquire_link", probes_note(seen));
    note(
        "deviations",
        listed(&seen.deviations, 20, |(side, what)| {
            let whose = match side {
                Side::Client => "client",
                Side::Carrier => "carrier",
            };
            format!("{whose} {what}")
        }),
    );
    if seen.missing_octets > 0 {
        note("capture", format!("{} octets of the conversation are not in it", seen.missing_octets));
    }
    notes
}

fn ids_note(seen: &Evidence) -> String {
    let ids = &seen.ids;
    let mut said = Vec::new();
    if !ids.padded.is_empty() {
        said.push(format!(
            "zeros in front in receipts, to {}",
            listed(&ids.padded, 3, |width| format!("{width} digits:"))
        ));
    }
    if ids.stripped > 0 {
        said.push(format!("zeros in front of {} dropped in receipts", ids.stripped));
    }
    if ids.other_case > 0 {
        said.push(format!("other letter case in {}", count(ids.other_case, "receipt")));
    }
    if ids.without > 0 {
        said.push(format!("{} accepted without an id: no receipt can be found for these", ids.without));
    }
    if ids.early_found > 0 {
        said.push(format!("{} before the response", count(ids.early_found, "receipt")));
    }
    said.join("; ")
}

fn receipts_note(seen: &Evidence) -> String {
    if seen.receipts == 0 {
        return String::new();
    }
    let mut said = format!(
        "{}; shown by {}; id in {}",
        seen.receipts,
        listed(&seen.recognised, 3, |by| (*by).to_owned()),
        listed(&seen.id_places, 4, |place| (*place).to_owned()),
    );
    if seen.conflicts > 0 {
        let _ = write!(said, "; text and TLVs disagree in {}", seen.conflicts);
    }
    said
}

fn dates_note(seen: &Evidence) -> String {
    let mut said = listed(&seen.dates, 5, |form| (*form).to_owned());
    let most = seen.offsets.iter().max_by_key(|(_, count)| **count);
    if let Some((quarters, most)) = most {
        let sign = if *quarters < 0 { '-' } else { '+' };
        let ahead = quarters.unsigned_abs();
        let all: usize = seen.offsets.values().sum();
        let _ = write!(
            said,
            "; UTC{sign}{:02}:{:02} by the time of {most} of {all} receipts",
            ahead / 4,
            ahead % 4 * 15
        );
    }
    said
}

fn texts_note(seen: &Evidence) -> String {
    let mut said = Vec::new();
    for (side, whose) in [(Side::Carrier, "carrier's"), (Side::Client, "client's")] {
        if let Some(codings) = seen.codings.get(&side) {
            said.push(format!(
                "{whose} data_coding {}",
                listed(codings, 6, |coding| format!("0x{coding:02x}:"))
            ));
        }
    }
    if seen.ucs2_swapped > 0 {
        said.push(format!("{} of {} in UCS-2 are little-endian", seen.ucs2_swapped, seen.ucs2));
    }
    if seen.hidden_headers > 0 {
        said.push(format!(
            "{} with a user data header that esm_class does not announce",
            seen.hidden_headers
        ));
    }
    said.join("; ")
}

fn speed_note(seen: &Evidence) -> String {
    if seen.submits == 0 {
        return String::new();
    }
    let mut said = format!(
        "{}, at most {} within a second and {} unanswered at a time",
        count(seen.submits, "submit"),
        seen.rate_most,
        seen.window_most
    );
    let mut times = seen.answer_times.clone();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied();
    if let (Some(median), Some(p99)) = (at(50), at(99)) {
        let ms = |ns: i64| span(ns as f64 / 1_000_000.0);
        let _ = write!(said, "; answered within {} (half), {} (99 %)", ms(median), ms(p99));
    }
    if seen.unanswered.0 > 0 {
        let _ = write!(said, "; {} of the client's requests not answered in the capture", seen.unanswered.0);
    }
    if seen.unanswered.1 > 0 {
        let _ = write!(said, "; {} of the carrier's", seen.unanswered.1);
    }
    said
}

fn probes_note(seen: &Evidence) -> String {
    let said =
        [(Side::Client, "client"), (Side::Carrier, "carrier")].into_iter().filter_map(|(side, who)| {
            let probes = seen.probes.get(&side)?;
            Some(format!("{who} every {}", listed(probes, 3, |seconds| format!("{seconds} s:"))))
        });
    said.collect::<Vec<_>>().join("; ")
}

/// The profile as a piece of configuration that can be taken over as it is.
pub(crate) fn as_toml(proposal: &Proposal) -> String {
    let mut out = String::from("[[carrier]]\n");
    let comment = |why: &str| if why.is_empty() { String::new() } else { format!("  # {why}") };
    for Setting { key, value, why } in &proposal.settings {
        // JSON's strings and numbers are TOML's too.
        let line = format!("{key} = {value}");
        let _ = writeln!(out, "{}", format!("{line:<34}{}", comment(why)).trim_end());
    }
    if let Some((ton, npi, why)) = &proposal.short_code {
        let _ = writeln!(
            out,
            "\n[carrier.short_code]\n{:<34}{}\nnpi = {npi}",
            format!("ton = {ton}"),
            comment(why)
        );
    }
    if !proposal.notes.is_empty() {
        out.push_str("\n# What no setting is needed for, or there is none:\n");
        for (subject, text) in &proposal.notes {
            // What a peer wrote must not end the comment.
            let text: String = text.chars().filter(|sign| !sign.is_control()).collect();
            let _ = writeln!(out, "#   {subject}: {text}");
        }
    }
    out
}

/// The same for a program.
pub(crate) fn as_json(carrier: SocketAddr, proposal: &Proposal, seen: &Evidence) -> Value {
    let pairs = |value: fn(&Setting) -> Value| -> Map<String, Value> {
        proposal.settings.iter().map(|it| (it.key.to_owned(), value(it))).collect()
    };
    let mut settings = pairs(|setting| setting.value.clone());
    let mut why = pairs(|setting| json!(setting.why));
    if let Some((ton, npi, because)) = &proposal.short_code {
        settings.insert("short_code".into(), json!({ "ton": ton, "npi": npi }));
        why.insert("short_code".into(), json!(because));
    }
    let of = |form: Form| seen.ids.found.get(&form).copied().unwrap_or_default();
    let votes = |side: Side| -> Map<String, Value> {
        let votes = seen.votes.get(&side).into_iter().flatten();
        votes.map(|(vote, count)| (vote.name().to_owned(), json!(count))).collect()
    };
    let words = seen.words.iter().map(|((word, state), count)| {
        json!({ "word": word, "state": state.map(|state| state.name()), "count": count })
    });
    json!({
        "carrier": carrier.to_string(),
        "settings": settings,
        "why": why,
        "evidence": {
            "ids": {
                "responses": seen.ids.answered,
                "without_id": seen.ids.without,
                "receipts": seen.ids.receipted,
                "same": of(Form::Same),
                "hex_to_decimal": of(Form::DecimalToHex),
                "decimal_to_hex": of(Form::HexToDecimal),
                "doubtful": seen.ids.doubtful,
                "padded": seen.ids.padded.iter().map(|(width, count)| json!({ "width": width, "count": count })).collect::<Vec<_>>(),
                "zeros_dropped": seen.ids.stripped,
                "other_case": seen.ids.other_case,
                "before_response": seen.ids.early_found,
            },
            "alphabet": { "carrier": votes(Side::Carrier), "client": votes(Side::Client) },
            "stat_words": words.collect::<Vec<_>>(),
            "dates": seen.dates.iter().map(|(form, count)| ((*form).to_owned(), json!(count))).collect::<Map<_, _>>(),
            "utc_offset_minutes": seen.offsets.iter().max_by_key(|(_, count)| **count).map(|(quarters, _)| quarters * 15),
        },
        "notes": proposal.notes.iter().map(|(subject, text)| ((*subject).to_owned(), json!(text))).collect::<Map<_, _>>(),
    })
}
