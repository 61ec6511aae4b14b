//! What a PDU, a text, a receipt and an exchange cost: `cargo bench -p backchat-protocol`.
//!
//! The fastest sample is what the code takes; the others are what else the machine did. `bench-peers/` measures the same
//! PDUs beside other libraries.

#[path = "codec/rows.rs"]
mod rows;

use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::ItemsCount;
use protocol::frame::{self, Framer, Grade, Limits};
use protocol::pdu::{Bind, BindResp, Body, MessageResp};
use protocol::receipt;
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use protocol::text::{self, Alphabet, Reference};

use rows::Row;

/// PDUs in one read: about what a busy link brings.
const PDUS_A_READ: usize = 100;

fn main() {
    divan::main();
}

#[divan::bench(args = Row::ALL, sample_size = 200, sample_count = 1000)]
fn decode(bencher: Bencher, row: Row) {
    let octets = row.octets();
    bencher.with_inputs(|| octets.clone()).bench_local_values(|octets| {
        black_box(&frame::decode(octets, Grade::Lenient));
    });
}

#[divan::bench(args = Row::ALL, sample_size = 200, sample_count = 1000)]
fn decode_strict(bencher: Bencher, row: Row) {
    let octets = row.octets();
    bencher.with_inputs(|| octets.clone()).bench_local_values(|octets| {
        black_box(&frame::decode(octets, Grade::Strict));
    });
}

/// From octets as a socket gives them; the time is that of a hundred.
#[divan::bench(args = Row::ALL, sample_size = 5, sample_count = 1000)]
fn decode_a_hundred_in_one_read(bencher: Bencher, row: Row) {
    let read = row.octets().repeat(PDUS_A_READ);
    let mut framer = Framer::new(Limits::default(), Grade::Lenient);
    bencher.counter(ItemsCount::new(PDUS_A_READ)).bench_local(|| {
        framer.push(black_box(&read));
        while let Some(frame) = framer.next() {
            black_box(&frame);
        }
    });
}

#[divan::bench(args = Row::ALL, sample_size = 200, sample_count = 1000)]
fn encode(bencher: Bencher, row: Row) {
    let pdu = row.pdu();
    let mut out = BytesMut::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        black_box(&pdu).encode(&mut out);
        black_box(&out);
    });
}

#[divan::bench(sample_size = 50, sample_count = 1000)]
fn receipt_parse() -> Option<receipt::Receipt> {
    static DELIVER: std::sync::LazyLock<protocol::pdu::Sm> = std::sync::LazyLock::new(rows::receipt);
    receipt::parse(black_box(&DELIVER))
}

const TEXTS: [(&str, &str); 3] = [
    ("one part of GSM 7-bit", "Thank you, Ana. Reply STOP to hear no more from us."),
    ("three parts of GSM 7-bit", "Sorry to see you go. Why? Reply 1-8: 1 weak coverage 2 slow data. "),
    ("three parts of UCS-2", "Нам жаль, что вы уходите. Почему? "),
];

fn text_of(name: &str) -> String {
    let (_, text) = TEXTS.iter().find(|(known, _)| *known == name).expect("one of the names");
    text.repeat(if name.starts_with("three") { 5 } else { 1 })
}

#[divan::bench(args = TEXTS.map(|(name, _)| name), sample_size = 50, sample_count = 1000)]
fn text_split(bencher: Bencher, name: &str) {
    let text = text_of(name);
    bencher.bench_local(|| text::split(black_box(&text), Reference::Eight(7)));
}

#[divan::bench(args = TEXTS.map(|(name, _)| name), sample_size = 50, sample_count = 1000)]
fn text_decode(bencher: Bencher, name: &str) {
    let parts = text::split(&text_of(name), Reference::Eight(7)).expect("a text that can be sent");
    bencher.bench_local(|| {
        for part in &parts.parts {
            black_box(&text::decode(parts.data_coding, parts.udhi, part, Alphabet::Gsm7));
        }
    });
}

/// A submit_sm and its answer between two sessions in memory: written and read, asked and told.
#[divan::bench(sample_size = 50, sample_count = 1000)]
fn session_exchange(bencher: Bencher) {
    let now = Instant::now();
    let mut client: Session<()> = Session::new(now, Settings::esme());
    let mut server: Session<()> = Session::new(now, Settings::smsc());
    client.bind(now, BindMode::Transceiver, Bind::default()).expect("not bound yet");
    server.handle_bytes(now, &client.poll_transmit().expect("a bind"));
    let Some(Event::BindRequested { sequence, .. }) = server.poll_event() else { panic!("no bind") };
    let bound = Body::BindTransceiverResp(BindResp::default());
    server.respond(now, sequence, Status::OK, bound).expect("a bind to answer");
    client.handle_bytes(now, &server.poll_transmit().expect("the answer"));
    while client.poll_event().is_some() || server.poll_event().is_some() {}

    let body = Row::Short.pdu().body;
    bencher.with_inputs(|| body.clone()).bench_local_values(|body| {
        let sent = client.request(now, body, ());
        assert!(sent.is_ok());
        let octets = client.poll_transmit().unwrap_or_default();
        server.handle_bytes(now, &octets);
        let Some(Event::Requested { pdu, .. }) = server.poll_event() else { panic!("no request") };
        let answer = Body::SubmitSmResp(MessageResp::with_id("0972660181"));
        let answered = server.respond(now, pdu.sequence, Status::OK, answer);
        assert!(answered.is_ok());
        let octets = server.poll_transmit().unwrap_or_default();
        client.handle_bytes(now, &octets);
        let told = client.poll_event();
        assert!(matches!(told, Some(Event::Answered { .. })));
    });
}
