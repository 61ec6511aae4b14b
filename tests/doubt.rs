//! A message that a carrier takes and never answers: what its receipt makes of the doubt, on both stores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[macro_use]
#[path = "support/doors.rs"]
mod doors;
#[path = "support/postgres.rs"]
mod postgres;

use backchat::simulator::{Personality, Settings, Span};
use doors::{House, PATIENCE, get, post};
use serde_json::{Value, json};

on_both! {
    a_receipt_that_comes_before_we_give_up_waiting_ends_the_doubt_and_nothing_goes_twice,
    a_receipt_that_comes_while_a_message_is_held_ends_the_doubt_and_nothing_goes_twice,
    a_receipt_that_comes_by_the_receiver_ends_the_doubt_of_what_the_transmitter_sent,
    of_two_messages_with_the_same_words_a_receipt_is_not_guessed_to_mean_either,
}

/// A carrier that takes everything, answers nothing, and tells of each message after a while.
fn silent(told_after_ms: u64) -> Settings {
    let plain = Settings::plain();
    let receipt = backchat::simulator::ReceiptSettings {
        delay: Span::of_ms(told_after_ms, told_after_ms),
        ..plain.receipt.clone()
    };
    Settings { receipt, personality: Personality { silence: 1.0, ..Personality::default() }, ..plain }
}

const HOLD: &str = "response_timeout = \"1s\"\nin_doubt = \"hold\"\nhold = \"6s\"\nafter_hold = \"resend\"";

async fn until(house: &House, id: &str, done: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/messages/{id}");
    let told = async {
        loop {
            let message = get(house.http(), &path).await.json();
            if done(&message) {
                return message;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it comes to that")
}

async fn handed_in(house: &House, text: &str) -> String {
    let body = json!({ "to": "+447700900123", "text": text }).to_string();
    let reply = post(house.http(), &[], &body).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// The message ends delivered, and the hold that ran meanwhile sends nothing. The bind that had no answer ends meanwhile, and is
/// back about when the hold is over: the carrier has not told anything by then.
async fn one_copy(postgres: Option<&str>, told_after_ms: u64, bind: &str) {
    let carrier = format!("{HOLD}\nbind = \"{bind}\"");
    let house = House::before(postgres, silent(told_after_ms), &carrier, "").await;
    let id = handed_in(&house, "How was your stay with us?").await;
    let is = |message: &Value, what: &str| {
        message["life"].as_array().unwrap().iter().any(|step| step["what"] == what)
    };
    let message =
        until(&house, &id, |message| message["state"] == "delivered" && is(message, "in_doubt")).await;
    assert!(is(&message, "receipt"), "{message}");
    // When the hold is over the queue has nothing left.
    let flow = house.server.flow();
    let idle = async {
        while !flow.store.queue_depth("main").await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.expect("the held message ends");
    let told = get(house.http(), &format!("/v1/messages/{id}")).await.json();
    assert_eq!(house.carrier.census().submits, 1, "nothing goes twice: {told:#}");
    house.close().await;
}

async fn a_receipt_that_comes_before_we_give_up_waiting_ends_the_doubt_and_nothing_goes_twice(
    postgres: Option<&str>,
) {
    one_copy(postgres, 100, "transceiver").await;
}

async fn a_receipt_that_comes_while_a_message_is_held_ends_the_doubt_and_nothing_goes_twice(
    postgres: Option<&str>,
) {
    one_copy(postgres, 1_500, "transceiver").await;
}

async fn a_receipt_that_comes_by_the_receiver_ends_the_doubt_of_what_the_transmitter_sent(
    postgres: Option<&str>,
) {
    one_copy(postgres, 1_500, "pair").await;
}

async fn of_two_messages_with_the_same_words_a_receipt_is_not_guessed_to_mean_either(postgres: Option<&str>) {
    let never = "response_timeout = \"1s\"\nin_doubt = \"never\"";
    let house = House::before(postgres, silent(1_500), never, "").await;
    let (one, other) = (handed_in(&house, "Hello").await, handed_in(&house, "Hello").await);
    let waiting = async {
        while house.server.flow().metrics.receipts_waiting.get() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("both receipts come");
    for id in [one, other] {
        until(&house, &id, |message| message["state"] == "in_doubt").await;
    }
    house.close().await;
}
