//! A client of ours at a carrier made with npm smpp: short and long messages in each alphabet, their receipts, a reply
//! of a handset with emoji, unbind.

#[path = "support/peers.rs"]
mod peers;

use std::collections::BTreeSet;
use std::time::Instant;

use backchat::smpp::driver::Driver;
use peers::{PATIENCE, Peer};
use protocol::address::Address;
use protocol::pdu::message::UDHI;
use protocol::pdu::{Bind, Body, MessageResp, Sm};
use protocol::receipt::{self, MessageState};
use protocol::session::{BindMode, CloseReason, Event, Session, Settings};
use protocol::status::Status;
use protocol::text::{self, Alphabet, Language, Offer, Reference};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SYSTEM_ID: &str = "client";
const PASSWORD: &str = "secret";
const CODE: &str = "88001";
const HANDSET: &str = "447700900123";

/// A text, what may carry it, and how many parts that makes.
struct Message {
    text: String,
    alphabet: Alphabet,
    languages: &'static [Language],
    parts: usize,
}

fn message(text: String, alphabet: Alphabet, languages: &'static [Language], parts: usize) -> Message {
    Message { text, alphabet, languages, parts }
}

fn messages() -> Vec<Message> {
    let turkish: &[Language] = &[Language::Turkish];
    vec![
        message("Price @ {home} [net]: 3 € ~ 5 £".into(), Alphabet::Gsm7, &[], 1),
        message(format!("{}€ and more", "Ñame è più. ".repeat(13)), Alphabet::Gsm7, &[], 2),
        message("Ça va, São João?".into(), Alphabet::Latin1, &[], 1),
        message("Où êtes-vous allés cet été, cher François ? ".repeat(5), Alphabet::Latin1, &[], 2),
        message("Почему вы уходите? 👋🏽".into(), Alphabet::Ucs2, &[], 1),
        message("Слишком дорого 👨‍👩‍👧‍👦! ".repeat(5), Alphabet::Ucs2, &[], 3),
        message("Şimdi değil, ışık ağı çöktü.".into(), Alphabet::Gsm7, turkish, 1),
        message("Şimdi değil, ışık ağı çöktü. ".repeat(7), Alphabet::Gsm7, turkish, 2),
    ]
}

/// The parts of each message, in order.
fn submits(messages: &[Message]) -> Vec<Sm> {
    let mut submits = Vec::new();
    for (message, reference) in messages.iter().zip(1..) {
        let offer = Offer {
            alphabets: &[message.alphabet],
            languages: message.languages,
            reference: Reference::Eight(reference),
            ..Offer::default()
        };
        let plan = text::plan(&message.text, &offer).expect("a text that can be sent");
        assert_eq!(plan.parts.len(), message.parts, "{}", message.text);
        submits.extend(plan.parts.into_iter().map(|part| Sm {
            source: Address::new(3, 0, CODE),
            dest: Address::international(HANDSET),
            esm_class: if plan.udhi { UDHI } else { 0 },
            data_coding: plan.data_coding,
            registered_delivery: 1,
            short_message: part.octets,
            ..Sm::default()
        }));
    }
    submits
}

async fn next(driver: &mut Driver<usize>) -> Event<usize> {
    timeout(PATIENCE, driver.event()).await.expect("an event in time").expect("a link")
}

/// The next deliver_sm, answered.
fn accept(driver: &mut Driver<usize>, event: Event<usize>) -> Sm {
    let Event::Requested { pdu, .. } = event else { panic!("{event:?}") };
    let Body::DeliverSm(sm) = pdu.body else { panic!("{pdu:?}") };
    let answer = Body::DeliverSmResp(MessageResp::with_id(""));
    driver
        .session()
        .respond(Instant::now(), pdu.sequence, Status::OK, answer)
        .expect("it waits for an answer");
    driver.flush();
    sm
}

/// The texts that the carrier has put together from parts that came one behind the other.
fn shown(carrier: &Peer, messages: &[Message]) -> Vec<String> {
    let mut texts = carrier.all("submit").into_iter().map(|event| event["text"].as_str().expect("a text"));
    messages.iter().map(|message| texts.by_ref().take(message.parts).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_of_npm_smpp_reads_each_of_our_alphabets_and_is_read_by_us() {
    let Some(installed) = peers::installed("our alphabets at a carrier of npm smpp") else { return };
    let mut command = peers::node(&installed, "smpp_carrier.cjs");
    command.args([SYSTEM_ID, PASSWORD]);
    let mut carrier = Peer::start("npm smpp", command);
    let port =
        carrier.next("listening")["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    carrier.tell(&json!({"do": "answer"}));

    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let settings = Settings { window: 100, ..Settings::esme() };
    let mut driver = Driver::new(stream, Session::new(Instant::now(), settings)).expect("a socket");
    let bind = Bind { system_id: SYSTEM_ID.into(), password: PASSWORD.into(), ..Bind::default() };
    driver.session().bind(Instant::now(), BindMode::Transceiver, bind).expect("a new session");
    assert!(matches!(next(&mut driver).await, Event::Bound { .. }));

    let messages = messages();
    let submits = submits(&messages);
    let count = submits.len();
    for (sm, tag) in submits.into_iter().zip(0..) {
        driver.session().request(Instant::now(), Body::SubmitSm(sm), tag).expect("room in the window");
    }
    let (mut accepted, mut receipted) = (BTreeSet::new(), BTreeSet::new());
    while accepted.len() < count || receipted.len() < count {
        match next(&mut driver).await {
            Event::Answered { response, .. } => {
                assert!(response.status.is_ok());
                let Body::SubmitSmResp(MessageResp { message_id: Some(id), .. }) = response.body else {
                    panic!("an id")
                };
                assert!(accepted.insert(id), "no id twice");
            }
            event => {
                let receipt = receipt::parse(&accept(&mut driver, event)).expect("a receipt");
                assert_eq!(receipt.state, MessageState::Delivered);
                assert!(receipted.insert(receipt.id.expect("an id")), "no receipt twice");
            }
        }
    }
    assert_eq!(accepted, receipted);

    carrier.tell(&json!({"do": "say", "from": HANDSET, "to": CODE, "text": "Нет, спасибо 🙂"}));
    let event = next(&mut driver).await;
    let reply = accept(&mut driver, event);
    assert_eq!(text::read(&reply, Alphabet::Gsm7).text.as_deref(), Some("Нет, спасибо 🙂"));
    assert_eq!((&*reply.source.addr, &*reply.dest.addr), (HANDSET.as_bytes(), CODE.as_bytes()));

    driver.session().unbind(Instant::now());
    let closed = next(&mut driver).await;
    assert!(matches!(closed, Event::Closed { reason: CloseReason::Unbound }), "{closed:?}");
    assert!(timeout(PATIENCE, driver.event()).await.expect("an end in time").is_none());
    // The socket goes with it.
    drop(driver);
    carrier.next("closed");
    assert_eq!(shown(&carrier, &messages), messages.iter().map(|message| &*message.text).collect::<Vec<_>>());
    for wrong in ["refused", "nacked", "unknown", "error"] {
        assert_eq!(carrier.all(wrong), Vec::<&Value>::new());
    }
    carrier.ends_well();
}
