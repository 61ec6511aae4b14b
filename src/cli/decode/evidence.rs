//! What a conversation shows of a carrier, counted: what a profile of it can be drawn from.

use std::collections::BTreeMap;

use protocol::error::Deviation;
use protocol::frame::Frame;
use protocol::octets::COctets;
use protocol::pdu::{Bind, BindResp, Body, CommandId, Pdu, Sm};
use protocol::receipt::{self, Date, MessageState, Origin, Receipt, Recognised, Zone};
use protocol::session::BindMode;
use protocol::status::Status;
use protocol::text::{self, Alphabet, Coding, Flaw};

use super::alphabet::{Vote, vote};
use super::conversation::{Answers, Event, Line, Side};
use super::facts;
use super::ids::Ids;
use super::profile::{Profile, looks_swapped};

/// Kinds of one thing that are told apart (words, statuses, deviations): more are noise.
const MOST_KINDS: usize = 500;
/// Times of answers that are kept for their percentiles.
const MOST_TIMES: usize = 100_000;
const NS_A_SECOND: i64 = 1_000_000_000;

/// Things counted by kind.
pub(crate) type Counts<K> = BTreeMap<K, usize>;

fn add<K: Ord>(counts: &mut Counts<K>, kind: K) {
    if counts.len() < MOST_KINDS || counts.contains_key(&kind) {
        *counts.entry(kind).or_default() += 1;
    }
}

/// How somebody bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BindSeen {
    /// transmitter, receiver or transceiver.
    pub(crate) mode: &'static str,
    pub(crate) system_id: String,
    pub(crate) system_type: String,
    pub(crate) address_range: String,
    pub(crate) version: u8,
}

/// Everything counted of one carrier.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) connections: usize,
    pub(crate) binds: Counts<BindSeen>,
    pub(crate) carrier_versions: Counts<u8>,
    pub(crate) ids: Ids,
    /// Of texts under data_coding 0, by who sent them.
    pub(crate) votes: BTreeMap<Side, Counts<Vote>>,
    pub(crate) codings: BTreeMap<Side, Counts<u8>>,
    /// UCS-2 texts of the carrier, and those of them that are little-endian.
    pub(crate) ucs2: usize,
    pub(crate) ucs2_swapped: usize,
    /// Texts with a header that esm_class does not announce.
    pub(crate) hidden_headers: usize,
    pub(crate) receipts: usize,
    /// Words after `stat:`, and what they are taken for.
    pub(crate) words: Counts<(String, Option<MessageState>)>,
    pub(crate) recognised: Counts<&'static str>,
    pub(crate) id_places: Counts<&'static str>,
    pub(crate) conflicts: usize,
    pub(crate) dates: Counts<&'static str>,
    /// Quarters of an hour that done dates without a zone are ahead of UTC.
    pub(crate) offsets: Counts<i64>,
    pub(crate) errs: Counts<String>,
    /// Short codes and numbers as senders of the client: TON, NPI, whether short.
    pub(crate) senders: Counts<(u8, u8, bool)>,
    pub(crate) statuses: Counts<(CommandId, Status)>,
    /// How long submits took to be answered, nanoseconds.
    pub(crate) answer_times: Vec<i64>,
    pub(crate) window_most: usize,
    pub(crate) submits: usize,
    /// The most submits within a second of the clock.
    pub(crate) rate_most: usize,
    second: (i64, usize),
    /// Intervals between enquire_links, whole seconds.
    pub(crate) probes: BTreeMap<Side, Counts<i64>>,
    last_probe: BTreeMap<(usize, Side), i64>,
    pub(crate) deviations: Counts<(Side, String)>,
    pub(crate) unanswered: (usize, usize),
    pub(crate) missing_octets: u64,
}

impl Evidence {
    /// Takes what happened.
    pub(crate) fn take(&mut self, line: &Line) {
        match &line.event {
            Event::Opened { .. } => self.connections += 1,
            Event::Closed { unanswered: (client, carrier) } => {
                self.unanswered.0 += client;
                self.unanswered.1 += carrier;
                self.last_probe.retain(|(connection, _), _| *connection != line.connection);
            }
            Event::Missing(octets) => self.missing_octets += octets,
            Event::Skipped(_) | Event::Unfinished(_) => {}
            Event::Lost(lost) => add(&mut self.deviations, (line.side, lost.error.name().to_owned())),
            Event::Pdu { frame, answers, in_flight } => {
                self.deviations(line.side, frame, *answers);
                if let Some(pdu) = frame.pdu() {
                    self.pdu(line, pdu, *answers, *in_flight);
                }
            }
        }
    }

    fn deviations(&mut self, side: Side, frame: &Frame, answers: Answers) {
        for deviation in frame.deviations() {
            // An unknown command is not the carrier's way of writing, but something it does.
            let kind = match deviation {
                Deviation::UnknownCommand => frame
                    .pdu()
                    .map_or(String::new(), |pdu| format!("{}:{}", deviation.name(), pdu.command_id())),
                deviation => deviation.to_string(),
            };
            add(&mut self.deviations, (side, kind));
        }
        if let Frame::Malformed { error, header, .. } = frame {
            add(&mut self.deviations, (side, format!("{}:{}", error.name(), header.command)));
        }
        if answers == Answers::RepeatsNumber {
            add(&mut self.deviations, (side, "sequence_in_flight".to_owned()));
        }
    }

    fn pdu(&mut self, line: &Line, pdu: &Pdu, answers: Answers, in_flight: usize) {
        if pdu.command_id().is_response() && line.side == Side::Carrier {
            add(&mut self.statuses, (pdu.command_id(), pdu.status));
        }
        match &pdu.body {
            Body::BindTransmitter(bind) => self.bind(BindMode::Transmitter, bind),
            Body::BindReceiver(bind) => self.bind(BindMode::Receiver, bind),
            Body::BindTransceiver(bind) => self.bind(BindMode::Transceiver, bind),
            Body::BindTransmitterResp(resp)
            | Body::BindReceiverResp(resp)
            | Body::BindTransceiverResp(resp) => {
                if let Some(version) = BindResp::version(resp) {
                    add(&mut self.carrier_versions, version);
                }
            }
            Body::SubmitSmResp(resp) | Body::DataSmResp(resp) if line.side == Side::Carrier => {
                if let (true, Some(id)) = (pdu.status.is_ok(), &resp.message_id) {
                    self.ids.answer(id);
                }
                if let Answers::Request { elapsed_ns, .. } = answers
                    && self.answer_times.len() < MOST_TIMES
                {
                    self.answer_times.push(elapsed_ns);
                }
            }
            Body::EnquireLink => self.probe(line),
            _ => {}
        }
        if let Some(sm) = facts::message(pdu) {
            match line.side {
                Side::Client => self.submit(line.at_ns, &sm, in_flight),
                Side::Carrier => self.delivery(line.at_ns, &sm),
            }
        }
    }

    fn bind(&mut self, mode: BindMode, bind: &Bind) {
        let mode = match mode {
            BindMode::Transmitter => "transmitter",
            BindMode::Receiver => "receiver",
            BindMode::Transceiver => "transceiver",
        };
        // It will stand in a configuration.
        let text = |octets: &COctets| octets.to_text().chars().filter(|sign| !sign.is_control()).collect();
        add(
            &mut self.binds,
            BindSeen {
                mode,
                system_id: text(&bind.system_id),
                system_type: text(&bind.system_type),
                address_range: text(&bind.address_range),
                version: bind.interface_version,
            },
        );
    }

    fn submit(&mut self, at_ns: i64, sm: &Sm, in_flight: usize) {
        self.submits += 1;
        self.window_most = self.window_most.max(in_flight);
        let second = at_ns.div_euclid(NS_A_SECOND);
        let count = if self.second.0 == second { self.second.1 + 1 } else { 1 };
        self.second = (second, count);
        self.rate_most = self.rate_most.max(count);
        let digits = sm.source.addr.iter().all(u8::is_ascii_digit) && !sm.source.addr.is_empty();
        if digits {
            // A short code has three to eight digits.
            add(&mut self.senders, (sm.source.ton, sm.source.npi, sm.source.addr.len() <= 8));
        }
        self.text(Side::Client, sm);
    }

    fn delivery(&mut self, at_ns: i64, sm: &Sm) {
        match receipt::parse(sm) {
            Some(receipt) => self.receipt(at_ns, &receipt),
            None if receipt::looks_like(sm) => {
                // Its peer writes receipts as ordinary messages; read as one, it teaches the same.
                if let Some(receipt) = receipt::parse_with(sm, &Profile::DetectReceipt.receipt_habits()) {
                    self.receipt(at_ns, &receipt);
                }
            }
            None => self.text(Side::Carrier, sm),
        }
    }

    fn text(&mut self, side: Side, sm: &Sm) {
        add(self.codings.entry(side).or_default(), sm.data_coding);
        let read = text::read(sm, Profile::DetectUdh.habits());
        // Octets outside the alphabet are evidence for another one, and counted as that.
        for flaw in read.flaws.iter().filter(|flaw| !matches!(flaw, Flaw::InvalidOctet | Flaw::UdhDetected)) {
            add(&mut self.deviations, (side, flaw.name().to_owned()));
        }
        self.hidden_headers += usize::from(side == Side::Carrier && read.flaws.has(Flaw::UdhDetected));
        match Coding::of(sm.data_coding).alphabet {
            // Read under national tables, octets say nothing about the default one.
            Alphabet::Gsm7 if read.shifts == text::Shifts::NONE && !read.octets.is_empty() => {
                add(self.votes.entry(side).or_default(), vote(&read.octets));
            }
            Alphabet::Ucs2 if side == Side::Carrier => {
                self.ucs2 += 1;
                self.ucs2_swapped += usize::from(looks_swapped(&read.octets));
            }
            _ => {}
        }
    }

    fn receipt(&mut self, at_ns: i64, receipt: &Receipt) {
        self.receipts += 1;
        self.ids.receipt(receipt);
        self.conflicts += usize::from(!receipt.conflicts.is_empty());
        add(
            &mut self.recognised,
            match receipt.recognised {
                Recognised::EsmClass => "esm_class",
                Recognised::Tlvs => "TLVs",
                Recognised::Shape => "text alone",
            },
        );
        add(
            &mut self.id_places,
            match (receipt.id_origin, &receipt.id_text) {
                (Some(Origin::Tlv), Some(_)) => "TLV and text",
                (Some(Origin::Tlv), None) => "TLV",
                (Some(_), _) => "text",
                (None, _) => "nowhere",
            },
        );
        if let Some(stat) = &receipt.stat {
            add(&mut self.words, (stat.to_text().into_owned(), MessageState::from_word(stat)));
        }
        if let Some(err) = &receipt.err {
            add(&mut self.errs, err.to_text().into_owned());
        }
        for date in [&receipt.submit_date, &receipt.done_date].into_iter().flatten() {
            add(&mut self.dates, date_form(date));
        }
        if let Some(moment) = receipt.done_date.as_ref().and_then(|date| date.moment)
            && moment.zone() == Zone::Unsaid
        {
            // A receipt comes within minutes of what it tells, nearly always; the commonest difference counts.
            let ahead_s = moment.to_unix_s(0).saturating_sub(at_ns.div_euclid(NS_A_SECOND));
            let quarters = ahead_s.saturating_add(450).div_euclid(900);
            if quarters.abs() <= 14 * 4 {
                add(&mut self.offsets, quarters);
            }
        }
    }

    fn probe(&mut self, line: &Line) {
        let before = self.last_probe.insert((line.connection, line.side), line.at_ns);
        if let Some(before) = before {
            let seconds =
                line.at_ns.saturating_sub(before).saturating_add(NS_A_SECOND / 2).div_euclid(NS_A_SECOND);
            add(self.probes.entry(line.side).or_default(), seconds);
        }
    }
}

/// How a date is written.
fn date_form(date: &Date) -> &'static str {
    let raw = &date.raw;
    let digits = raw.iter().all(u8::is_ascii_digit);
    let Some(moment) = date.moment else {
        return if raw.iter().all(|octet| *octet == b'0') { "zeros" } else { "unreadable" };
    };
    match (digits, raw.len(), moment.zone()) {
        (true, 10, Zone::Utc) => "seconds since 1970",
        (true, 10, _) => "YYMMDDhhmm",
        (true, 12, _) if moment.to_string().as_bytes().get(..4) == raw.get(..4) => "YYYYMMDDhhmm",
        (true, 12, _) => "YYMMDDhhmmss",
        (true, 13, _) => "milliseconds since 1970",
        (true, 14, _) => "YYYYMMDDhhmmss",
        (false, 16, Zone::Offset(_)) => "SMPP absolute time",
        _ => "ISO 8601",
    }
}
