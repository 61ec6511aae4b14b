//! ESMEs we did not write, smpplib and rusmppc: what they send, how they take what comes, and what they must have seen.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use backchat::message::Msisdn;
use futures_util::{Stream, StreamExt};
use protocol::text::Alphabet;
use rusmpp::extra::concatenation::SubmitSmMultipartExt;
use rusmpp::pdus::{BindTransceiver, DeliverSm, DeliverSmResp, SubmitSm};
use rusmpp::tlvs::TlvValue;
use rusmpp::types::COctetString;
use rusmpp::values::{MessageState, Npi, RegisteredDelivery, Ton};
use rusmpp::{CommandStatus, Pdu};
use rusmppc::error::Error;
use rusmppc::{Client, ConnectionBuilder, Event};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::peers::{PATIENCE, Peer};

/// The short code they send from.
pub const CODE: &str = "88001";

/// A message as an ESME sends it and as the handset should show it.
pub struct Sent {
    pub number: Msisdn,
    pub text: String,
    pub alphabet: Alphabet,
    pub parts: u8,
}

pub fn sent(place: u64, text: impl Into<String>, alphabet: Alphabet, parts: u8) -> Sent {
    Sent { number: Msisdn(447_700_900_100 + place), text: text.into(), alphabet, parts }
}

/// So many characters of a text that goes round and round.
pub fn first_chars(count: usize, text: &str) -> String {
    text.chars().cycle().take(count).collect()
}

/// Texts in three alphabets, short and long, and the orders to smpplib that send them. It cuts wherever 153, 134 and 134
/// octets are full: behind an escape, and inside a surrogate pair.
pub fn for_smpplib() -> (Vec<Sent>, Vec<Value>) {
    let gsm7 = (0, Alphabet::Gsm7);
    let latin1 = (3, Alphabet::Latin1);
    let ucs2 = (8, Alphabet::Ucs2);
    let texts = [
        (gsm7, "Price @ {home} [net]: 3 € ~ 5 £".to_owned(), 1),
        (gsm7, format!("{}€ and more", first_chars(152, "Ñame è più. ")), 2),
        (latin1, "Ça va, São João?".to_owned(), 1),
        (latin1, "Où êtes-vous allés cet été, cher François ? ".repeat(5), 2),
        (ucs2, "Почему вы уходите?".to_owned(), 1),
        (ucs2, format!("{}👋 и ещё немного", first_chars(66, "Почему? ")), 2),
    ];
    let order = |sent: &Sent, coding: i32| json!({"from": CODE, "to": sent.number.digits(), "text": sent.text, "coding": coding});
    (0..)
        .zip(texts)
        .map(|(place, ((coding, alphabet), text, parts))| {
            let sent = sent(place, text, alphabet, parts);
            let order = order(&sent, coding);
            (sent, order)
        })
        .unzip()
}

/// The same for rusmppc. It fills a part to 140 octets, GSM septets unpacked among them; a header of 16 bits takes seven.
/// It writes no emoji.
pub fn for_rusmppc() -> Vec<Sent> {
    vec![
        sent(0, "Price @ {home} [net]: 3 € ~ 5 £", Alphabet::Gsm7, 1),
        sent(1, "Ñame è più. ".repeat(24), Alphabet::Gsm7, 3),
        sent(2, "Ça va, São João?", Alphabet::Latin1, 1),
        sent(3, "Où êtes-vous allés cet été, cher François ? ".repeat(5), Alphabet::Latin1, 2),
        sent(4, "Почему вы уходите?", Alphabet::Ucs2, 1),
        sent(5, "Почему вы уходите? ".repeat(6), Alphabet::Ucs2, 2),
    ]
}

/// What smpplib must have seen after it has sent these: an id for each part, and a receipt for each id.
pub fn check_smpplib_side(esme: &Peer, messages: &[Sent]) {
    let submitted = esme.all("submitted").into_iter().map(|event| event["parts"].clone());
    assert_eq!(
        submitted.collect::<Vec<_>>(),
        messages.iter().map(|sent| json!(sent.parts)).collect::<Vec<_>>()
    );
    let ids =
        |name: &str| esme.all(name).into_iter().map(|event| event["id"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(ids("accepted"), ids("receipt"), "a receipt for each id");
    assert_eq!(ids("accepted").len(), esme.all("accepted").len(), "no id twice");
    for receipt in esme.all("receipt") {
        let text = receipt["text"].as_str().expect("the text of a receipt");
        let id = receipt["id"].as_str().expect("the id of a receipt");
        assert!(text.starts_with(&format!("id:{id} sub:001 dlvrd:001 ")), "{text}");
        assert!(text.contains(" stat:DELIVRD err:000 "), "{text}");
        assert_eq!((&receipt["state"], &receipt["code"]), (&json!(2), &json!(CODE)));
    }
}

/// rusmppc, bound as a transceiver to a server that names itself so, and what is delivered to it.
pub async fn bound_rusmppc(
    server: SocketAddr,
    (system_id, password): (&str, &str),
    named: &str,
) -> (Client, impl Stream<Item = Event> + Unpin + Send + 'static) {
    let stream = TcpStream::connect(server).await.expect("a connection");
    let (client, events) = ConnectionBuilder::new().response_timeout(PATIENCE).connected(stream);
    let bind = BindTransceiver::builder().system_id(octets(system_id)).password(octets(password));
    let bound = client.bind_transceiver(bind.build()).await.expect("a bind");
    assert_eq!(bound.system_id.as_str(), named);
    client.enquire_link().await.expect("a link that is alive");
    (client, events)
}

pub fn octets<const MIN: usize, const MAX: usize>(text: &str) -> COctetString<MIN, MAX> {
    COctetString::from_string(text.to_owned()).expect("a text that fits")
}

/// Parts of a message as rusmppc cuts them.
pub fn rusmpp_parts(sent: &Sent, reference: u16) -> Vec<SubmitSm> {
    let sm = SubmitSm::builder()
        .source_addr_ton(Ton::NetworkSpecific)
        .source_addr_npi(Npi::Unknown)
        .source_addr(octets(CODE))
        .dest_addr_ton(Ton::International)
        .dest_addr_npi(Npi::Isdn)
        .destination_addr(octets(&sent.number.digits()))
        .registered_delivery(RegisteredDelivery::request_all())
        .build()
        .multipart(&sent.text)
        .reference_u16(reference);
    match sent.alphabet {
        Alphabet::Latin1 => sm.latin1().build().expect("parts in Latin-1"),
        Alphabet::Ucs2 => sm.ucs2().build().expect("parts in UCS-2"),
        _ => sm.gsm7bit_unpacked().build().expect("parts in the GSM alphabet"),
    }
}

/// The ids that a message's parts were accepted under.
pub async fn submit(client: &Client, sent: &Sent, reference: u16) -> Vec<String> {
    let parts = rusmpp_parts(sent, reference);
    assert_eq!(parts.len(), usize::from(sent.parts), "{}", sent.text);
    let mut ids = Vec::new();
    for part in parts {
        let answer = client.submit_sm(part).await.expect("an answer to submit_sm");
        ids.push(answer.message_id().as_str().to_owned());
    }
    ids
}

/// Answers every deliver_sm and hands it on, until the connection ends.
pub async fn take_in(
    client: Client,
    mut events: impl Stream<Item = Event> + Unpin,
    delivered: mpsc::UnboundedSender<DeliverSm>,
) {
    while let Some(event) = events.next().await {
        let command = match event {
            Event::Incoming(command) => command,
            // Our carrier closes behind its unbind_resp, and the library calls that an error. Too early, it is missed
            // by who waits for the next deliver_sm or answer.
            Event::Error(Error::ConnectionClosedByPeer) => return,
            error => panic!("{error:?}"),
        };
        assert_eq!(command.status(), CommandStatus::EsmeRok);
        let Some(Pdu::DeliverSm(sm)) = command.pdu() else { panic!("{command:?}") };
        client
            .deliver_sm_resp(command.sequence_number(), DeliverSmResp::default())
            .await
            .expect("deliver_sm is answered");
        delivered.send(sm.clone()).expect("somebody waits for it");
    }
}

pub async fn next(delivered: &mut mpsc::UnboundedReceiver<DeliverSm>) -> DeliverSm {
    timeout(PATIENCE, delivered.recv()).await.expect("a deliver_sm in time").expect("a connection")
}

/// The id a receipt is for. It must say, by TLVs and in words, that the message was delivered.
pub fn receipted(sm: &DeliverSm) -> String {
    assert_eq!(u8::from(sm.esm_class), 0x04, "a receipt's esm_class");
    let values = || sm.tlvs().iter().filter_map(|tlv| tlv.value());
    let id = values().find_map(|value| match value {
        TlvValue::ReceiptedMessageId(id) => Some(id.as_str().to_owned()),
        _ => None,
    });
    assert!(values().any(|value| *value == TlvValue::MessageState(MessageState::Delivered)), "{sm:?}");
    let (id, text) = (id.expect("receipted_message_id"), sm.short_message().to_str().expect("words"));
    assert!(text.starts_with(&format!("id:{id} ")) && text.contains(" stat:DELIVRD "), "{text}");
    id
}

pub async fn receipts(delivered: &mut mpsc::UnboundedReceiver<DeliverSm>, ids: &[String]) {
    let mut receipted_ids = Vec::new();
    for _ in ids {
        receipted_ids.push(receipted(&next(delivered).await));
    }
    assert_eq!(BTreeSet::from_iter(&receipted_ids), BTreeSet::from_iter(ids), "a receipt for each id");
}
