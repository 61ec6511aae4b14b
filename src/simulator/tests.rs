//! The carrier over real sockets, with our own driver as the ESME.

mod esme;

use std::time::{Duration, Instant};

use protocol::pdu::Sm;
use protocol::receipt::{self, MessageState};
use protocol::session::BindMode;
use protocol::status::Status;
use protocol::text::Alphabet;

use super::*;
use crate::backoff::Backoff;
use crate::simulator::rows::Rows;
use esme::{Esme, id_of, message, short};

const NUMBER: Msisdn = Msisdn(447_700_900_123);
fn settings() -> Settings {
    Settings {
        accounts: vec![Account { system_id: "main".into(), password: "secret".into() }],
        redelivery: Backoff { min: Duration::from_millis(10), max: Duration::from_millis(50) },
        ..Settings::plain()
    }
}

/// People who answer at once.
fn people() -> Handsets {
    Handsets { think: Span::of_ms(1, 20), late_think: Span::of_ms(20, 40), ..Handsets::default() }
}

async fn start(settings: Settings) -> Simulator {
    Simulator::start(settings).await.unwrap()
}

#[tokio::test]
async fn only_its_accounts_may_bind() {
    let carrier = start(settings()).await;
    for (system_id, password, status) in
        [("main", "wrong", Status::INVPASWD), ("other", "secret", Status::INVSYSID)]
    {
        let mut esme = Esme::connect(&carrier).await;
        assert_eq!(esme.try_bind(BindMode::Transceiver, system_id, password).await, Err(status));
    }
    let _esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    assert_eq!((carrier.census().binds, carrier.census().bound), (1, 1));
}

#[tokio::test]
async fn a_port_in_use_is_told_and_a_stopped_carrier_frees_its_own() {
    let carrier = start(settings()).await;
    let listen = carrier.address();
    let error = Simulator::start(Settings { listen, ..settings() }).await.unwrap_err();
    assert!(matches!(error, StartError::PortInUse(address) if address == listen), "{error}");
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    carrier.stop().await;
    while esme.step().await {}
    start(Settings { listen, ..settings() }).await.stop().await;
}

#[tokio::test]
async fn a_submit_is_answered_and_its_receipt_names_it_in_every_form_of_id() {
    for ids in [Ids::Decimal, Ids::Hex, Ids::HexThenDecimal, Ids::DecimalThenHex, Ids::Padded, Ids::Uuid] {
        let carrier = start(Settings { ids, ..settings() }).await;
        let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
        esme.submit(short(NUMBER, "Hello @ you"));
        let (_, response) = esme.answer().await;
        let id = id_of(&response);
        let receipt = receipt::parse(&esme.accept().await).unwrap();
        assert_eq!(receipt.state, MessageState::Delivered);
        let key = receipt::id_forms(id.as_bytes()).key().to_owned();
        assert!(receipt.forms().iter().any(|forms| forms.finds(&key)), "{ids:?} {id}");
        carrier.wait_idle().await;
        let census = carrier.census();
        assert_eq!((census.submits, census.messages, census.receipts_acknowledged), (1, 1, 1));
    }
}

#[tokio::test]
async fn a_long_message_is_one_message_and_its_parts_have_a_receipt_each() {
    let carrier = start(settings()).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    let words = "Дякуємо, що були з нами. ".repeat(8);
    let parts = message(NUMBER, &words);
    let count = parts.len() as u64;
    for _ in 0..2 {
        for sm in parts.iter().rev().cloned() {
            esme.submit(sm);
            esme.answer().await;
        }
    }
    esme.accept_all(&carrier).await;
    let census = carrier.census();
    assert_eq!((census.submits, census.messages, census.duplicates), (2 * count, 2, 1));
    assert_eq!(census.receipts_acknowledged, 2 * count);
    let received = carrier.received();
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].text.as_str(), received[0].times), (words.as_str(), 2));
    assert_eq!((received[0].alphabet, u64::from(received[0].parts)), (Alphabet::Ucs2, count));
    assert_eq!((received[0].number, received[0].sender.as_str()), (NUMBER, "88001"));
}

#[tokio::test]
async fn receipts_tell_handsets_that_are_gone_or_switched_off_and_none_comes_where_none_is_asked_for() {
    let receipt = ReceiptSettings {
        undeliverable: vec![("001".into(), 0.3), ("027".into(), 0.2)],
        expired: 0.2,
        ..ReceiptSettings::all_delivered(Span::of_ms(1, 5))
    };
    let carrier = start(Settings { receipt, handsets: people(), ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    let mut told = std::collections::BTreeMap::new();
    for number in 0..60 {
        let unasked =
            Sm { registered_delivery: 0, ..short(Msisdn(447_700_900_000 + number), "not asked for") };
        esme.submit(unasked);
        esme.submit(short(Msisdn(447_700_900_000 + number), "hello"));
    }
    for _ in 0..60 {
        let receipt = receipt::parse(&esme.accept().await).unwrap();
        let err = receipt.err.unwrap().to_text().into_owned();
        *told.entry((receipt.state, err)).or_insert(0) += 1;
    }
    let kinds: Vec<_> = told.keys().map(|(state, err)| (*state, err.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (MessageState::Delivered, "000"),
            (MessageState::Expired, "000"),
            (MessageState::Undeliverable, "001"),
            (MessageState::Undeliverable, "027")
        ]
    );
    carrier.wait_idle().await;
    assert_eq!(carrier.census().receipts_sent, 60);
}

/// Asks 120 people, and those again who were not clear; gives what each wrote.
async fn ask_everybody(seed: u64) -> (Vec<(String, String)>, Vec<SentReply>, Census) {
    let carrier = start(Settings { seed, handsets: people(), ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    let mut written = Vec::new();
    for words in ["Why do you leave? Reply 1–8, STOP to end", "We could not read that. Please reply 1-8."] {
        for number in 0..120 {
            esme.submit(short(Msisdn(447_700_900_000 + number), words));
        }
        for _ in 0..120 {
            esme.answer().await;
        }
        written.extend(esme.accept_all(&carrier).await);
    }
    written.sort();
    let mut replies = carrier.replies();
    replies.sort_by_key(|reply| (reply.number, reply.turn));
    (written, replies, carrier.census())
}

#[tokio::test]
async fn handsets_answer_from_the_rows_of_their_question_and_the_same_seed_gives_the_same_people() {
    let (written, replies, census) = ask_everybody(5).await;
    let rows = Rows::shipped();
    assert!(replies.len() > 60, "{}", replies.len());
    assert_eq!(written.len(), replies.len());
    for reply in &replies {
        assert!(["exit_1_8", "none"].contains(&reply.context.as_str()));
        let row =
            rows.rows().iter().find(|row| row.text == reply.text && row.context == reply.context).unwrap();
        assert_eq!(reply.expected, Some(row.expected));
        assert!(reply.acknowledged_at_ms.unwrap() >= reply.sent_at_ms);
        // A mark of byte order in front of UCS-2 is no part of the text.
        let words = reply.text.trim_start_matches('\u{feff}').to_owned();
        assert!(written.contains(&(reply.number.digits(), words)), "{:?}", reply.text);
    }
    assert!(census.stops > 0 && census.replies_acknowledged == replies.len() as u64);
    let stopped: Vec<_> = replies
        .iter()
        .filter(|reply| reply.expected == Some(Expected::OptOut))
        .map(|reply| reply.number)
        .collect();
    assert_eq!(stopped.len() as u64, census.stops);
    let last_words = |number| replies.iter().rfind(|reply| reply.number == number).unwrap().expected;
    assert!(
        stopped.iter().all(|number| last_words(*number) == Some(Expected::OptOut)),
        "silence after a STOP"
    );
    let (again, ..) = ask_everybody(5).await;
    assert_eq!(written, again);
    let (others, ..) = ask_everybody(6).await;
    assert_ne!(written, others);
}

#[tokio::test]
async fn after_a_stop_one_confirmation_is_counted_and_then_every_breach() {
    let carrier = start(settings()).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    esme.submit(short(NUMBER, "Hello"));
    esme.answer().await;
    esme.accept_all(&carrier).await;
    carrier.say(NUMBER, "88001", "Stop").await;
    assert!(!carrier.is_idle());
    let stop = esme.accept().await;
    assert_eq!(
        (&stop.short_message[..], stop.source.addr.to_text().as_ref()),
        (&b"Stop"[..], "447700900123")
    );
    carrier.wait_idle().await;
    assert_eq!(carrier.census().stops, 1);
    for words in ["You will get no more messages.", "But this one", "and this one"] {
        esme.submit(short(NUMBER, words));
        esme.answer().await;
    }
    esme.submit(short(Msisdn(447_700_900_124), "Hello"));
    esme.answer().await;
    let census = carrier.census();
    assert_eq!((census.confirmations_after_stop, census.sends_after_stop), (1, 2));
    let said = carrier.replies();
    assert_eq!((said[0].expected, said[0].context.as_str()), (Some(Expected::OptOut), ""));
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_after_a_lost_link_and_after_a_temporary_error() {
    let carrier = start(settings()).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    carrier.say(NUMBER, "88001", "3").await;
    let (_, first) = esme.delivery().await;
    drop(esme);
    let mut esme = Esme::bind(&carrier, BindMode::Receiver).await;
    let (sequence, second) = esme.delivery().await;
    assert_eq!(first, second);
    esme.respond(sequence, Status::X_T_APPN);
    let (sequence, third) = esme.delivery().await;
    assert_eq!(first, third);
    assert!(!carrier.is_idle());
    esme.respond(sequence, Status::OK);
    carrier.wait_idle().await;
    let census = carrier.census();
    assert_eq!((census.replies_sent, census.replies_acknowledged, census.redelivered), (1, 1, 2));
    carrier.say(NUMBER, "88001", "4").await;
    let (sequence, _) = esme.delivery().await;
    esme.respond(sequence, Status::X_R_APPN);
    carrier.wait_idle().await;
    assert_eq!((carrier.census().refused, carrier.census().replies_acknowledged), (1, 1));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_none() {
    let carrier = start(Settings { response_timeout: Duration::from_millis(30), ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    carrier.say(NUMBER, "88001", "3").await;
    let (_, first) = esme.delivery().await;
    assert_eq!(first, esme.accept().await);
    carrier.wait_idle().await;
    assert_eq!(carrier.census().redelivered, 1);
}

#[tokio::test]
async fn what_comes_for_a_transmitter_goes_to_a_receiver_of_the_same_account() {
    let carrier = start(Settings { accounts: Vec::new(), ..settings() }).await;
    let mut transmitter = Esme::bind(&carrier, BindMode::Transmitter).await;
    let mut stranger = Esme::connect(&carrier).await;
    stranger.try_bind(BindMode::Transceiver, "stranger", "").await.unwrap();
    transmitter.submit(short(NUMBER, "Hello"));
    transmitter.answer().await;
    carrier.say(NUMBER, "88001", "3").await;
    let mut receiver = Esme::bind(&carrier, BindMode::Receiver).await;
    assert!(receipt::parse(&receiver.accept().await).is_some());
    assert_eq!(&receiver.accept().await.short_message[..], b"3");
    carrier.wait_idle().await;
    assert!(stranger.requests.is_empty());
}

#[tokio::test]
async fn a_carrier_killed_and_started_again_on_its_journal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings {
        journal: Some(folder.path().join("carrier.jsonl")),
        handsets: people(),
        receipt: ReceiptSettings::all_delivered(Span::of_ms(1, 30)),
        ..settings()
    };
    let carrier = start(settings()).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    for number in 0..50 {
        esme.submit(short(Msisdn(447_700_900_000 + number), "Why do you leave? Reply 1-8"));
    }
    for _ in 0..50 {
        esme.answer().await;
    }
    for _ in 0..20 {
        esme.accept().await;
    }
    drop(carrier);
    while esme.step().await {}

    let carrier = start(settings()).await;
    let census = carrier.census();
    assert_eq!((census.submits, census.messages), (50, 50));
    assert!(census.pending_receipts >= 30, "{census:?}");
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    esme.accept_all(&carrier).await;
    let census = carrier.census();
    assert_eq!(census.receipts_acknowledged, 50);
    assert_eq!(census.replies_acknowledged, census.replies_sent);
    assert!(census.replies_sent > 20, "{census:?}");
    assert_eq!(carrier.received().len(), 50);
}

#[tokio::test]
async fn a_carrier_in_a_bad_mood_throttles_by_share_and_above_a_rate() {
    let all = Personality { throttle: 1.0, ..Personality::default() };
    let above = Personality { throttle_above: Some(10), ..Personality::default() };
    for (personality, most) in [(all, 0), (above, 20)] {
        let carrier = start(Settings { personality, ..settings() }).await;
        let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
        for number in 0..40 {
            esme.submit(short(Msisdn(447_700_900_000 + number), "Hello"));
        }
        let mut throttled = 0;
        for _ in 0..40 {
            throttled += u64::from(esme.answer().await.1.status == Status::THROTTLED);
        }
        assert!(throttled >= 40 - most, "{throttled}");
        assert_eq!(carrier.census().throttled, throttled);
        assert_eq!(carrier.census().submits, 40 - throttled);
    }
}

#[tokio::test]
async fn a_silent_carrier_takes_a_message_and_its_receipt_is_all_that_is_heard() {
    let personality = Personality { silence: 1.0, ..Personality::default() };
    let carrier = start(Settings { personality, ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    esme.submit(short(NUMBER, "Hello"));
    assert!(receipt::parse(&esme.accept().await).is_some());
    carrier.wait_idle().await;
    assert!(esme.answers.is_empty());
    assert_eq!(carrier.census().messages, 1);
}

#[tokio::test]
async fn an_answer_may_come_late_and_a_receipt_before_it() {
    let personality = Personality { late: 1.0, late_by: Duration::from_millis(80), ..Personality::default() };
    let carrier = start(Settings { personality, ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    let began = Instant::now();
    esme.submit(short(NUMBER, "Hello"));
    esme.answer().await;
    assert!(began.elapsed() >= Duration::from_millis(80));

    let personality = Personality { receipt_first: 1.0, ..Personality::default() };
    let carrier = start(Settings { personality, ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    esme.submit(short(NUMBER, "Hello"));
    let receipt = receipt::parse(&esme.accept().await).unwrap();
    assert!(esme.answers.is_empty(), "the receipt is first");
    let (_, response) = esme.answer().await;
    assert_eq!(receipt.id.unwrap().to_text(), id_of(&response));
    carrier.wait_idle().await;
}

#[tokio::test]
async fn a_connection_may_be_reset_in_place_of_an_answer_and_what_was_taken_is_taken() {
    let personality = Personality { reset_after: Some(5), ..Personality::default() };
    let carrier = start(Settings { personality, ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transmitter).await;
    for number in 0..8 {
        esme.submit(short(Msisdn(447_700_900_000 + number), "Hello"));
    }
    while esme.step().await {}
    assert_eq!(esme.answers.len() + esme.lost.len(), 8);
    assert!(esme.lost.len() >= 4, "{:?}", esme.lost);
    assert_eq!(carrier.census().submits, 5);
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    esme.accept_all(&carrier).await;
    assert_eq!(carrier.census().receipts_acknowledged, 5);
}

#[tokio::test]
async fn a_receipt_may_come_twice() {
    let receipt = ReceiptSettings { duplicates: 1.0, ..ReceiptSettings::all_delivered(Span::NONE) };
    let carrier = start(Settings { receipt, ..settings() }).await;
    let mut esme = Esme::bind(&carrier, BindMode::Transceiver).await;
    esme.submit(short(NUMBER, "Hello"));
    let (first, second) = (esme.accept().await, esme.accept().await);
    assert_eq!(receipt::parse(&first).unwrap().id, receipt::parse(&second).unwrap().id);
    carrier.wait_idle().await;
}
