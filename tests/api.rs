//! The JSON API as its users meet it: over a socket, in front of a carrier, on both stores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[macro_use]
#[path = "support/doors.rs"]
mod doors;
#[path = "support/postgres.rs"]
mod postgres;

use doors::{House, PATIENCE, ask, get, post};
use serde_json::{Value, json};

on_both! {
    a_message_is_accepted_sent_and_its_state_told,
    a_batch_is_accepted_whole_or_not_at_all,
    a_key_makes_a_request_once,
    what_is_refused_says_why_and_what_to_do,
    a_day_has_its_limit_over_a_restart_of_the_count,
}

async fn a_message_is_accepted_sent_and_its_state_told(postgres: Option<&str>) {
    let house = House::open(postgres, "").await;
    let http = house.http();
    let reply = post(http, &[], r#"{"to":"+447700900123","text":"Hi","reference":"order 7"}"#).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let accepted = reply.json();
    assert_eq!((&accepted["state"], &accepted["reference"]), (&json!("queued"), &json!("order 7")));
    let path = format!("/v1/messages/{}", accepted["id"].as_str().unwrap());
    assert!(reply.head.contains(&format!("location: {}", path.to_lowercase())), "{reply:?}");
    let delivered = async {
        loop {
            let message = get(http, &path).await.json();
            if message["state"] == "delivered" {
                return message;
            }
            tokio::task::yield_now().await;
        }
    };
    let message = tokio::time::timeout(PATIENCE, delivered).await.expect("it is delivered");
    assert_eq!((&message["reference"], &message["to"]), (&json!("order 7"), &json!("+447700900123")));
    let steps: Vec<&Value> = message["life"].as_array().unwrap().iter().map(|step| &step["what"]).collect();
    assert!(["accepted", "sent", "receipt"].iter().all(|what| steps.contains(&&json!(what))), "{steps:?}");
    let other = ["Authorization: Bearer ffffffffffffffffffffffffffffffff".to_owned()];
    assert_eq!(ask(http, "GET", &path, &other, "").await.status, 404, "another account does not see it");
    let health = ask(http, "GET", "/healthz", &[], "").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    let metrics = ask(http, "GET", "/metrics", &[], "").await;
    assert!(metrics.text.contains("backchat_accepted_total 1\n"), "{}", metrics.text);
    house.close().await;
}

async fn a_batch_is_accepted_whole_or_not_at_all(postgres: Option<&str>) {
    let house = House::open(postgres, "").await;
    let message = |place: u64| json!({ "to": format!("+4477009{place:05}"), "text": "Hi" });
    let all: Vec<Value> = (0..1_000).map(message).collect();
    let reply = post(house.http(), &[], &json!(all).to_string()).await;
    assert_eq!((reply.status, &reply.json()["accepted"]), (202, &json!(1_000)));
    let mut wrong = all.clone();
    wrong[3]["to"] = json!("07700 900123");
    wrong[8] = json!({ "text": "Hi" });
    let reply = post(house.http(), &[], &json!({ "messages": wrong }).to_string()).await;
    let problem = reply.json();
    assert_eq!((reply.status, &problem["code"]), (422, &json!("invalid")));
    let places: Vec<&Value> =
        problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(places, [&json!("/messages/3/to"), &json!("/messages/8/to")]);
    assert_eq!(problem["errors"][1]["index"], 8);
    let census = house.server.flow().store.census().await.unwrap();
    assert_eq!(census.states.values().sum::<i64>(), 1_000, "nothing of the second");
    house.close().await;
}

async fn a_key_makes_a_request_once(postgres: Option<&str>) {
    let house = House::open(postgres, "").await;
    let key = ["Idempotency-Key: 7f3c"];
    let body = r#"{"to":"+447700900123","text":"Once"}"#;
    let (one, two) = tokio::join!(post(house.http(), &key, body), post(house.http(), &key, body));
    let accepted: Vec<_> = [&one, &two].into_iter().filter(|reply| reply.status == 202).collect();
    assert!(!accepted.is_empty() && [&one, &two].iter().all(|reply| [202, 409].contains(&reply.status)));
    let again = post(house.http(), &key, body).await;
    assert_eq!((again.status, again.json()), (202, accepted[0].json()));
    assert!(again.head.contains("idempotent-replayed: true"));
    let other = post(house.http(), &key, r#"{"to":"+447700900123","text":"Twice"}"#).await;
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency_key_reused")));
    let census = house.server.flow().store.census().await.unwrap();
    assert_eq!(census.states.values().sum::<i64>(), 1);
    house.close().await;
}

async fn what_is_refused_says_why_and_what_to_do(postgres: Option<&str>) {
    let house = House::open(postgres, "").await;
    let http = house.http();
    let json_kind = "Content-Type: application/json".to_owned();
    let good = r#"{"to":"+447700900123","text":"Hi"}"#;
    let none = ask(http, "POST", "/v1/messages", std::slice::from_ref(&json_kind), good).await;
    let wrong = ask(http, "POST", "/v1/messages", &["X-API-Key: wrong".to_owned(), json_kind], good).await;
    assert_eq!((none.status, wrong.status), (401, 401));
    assert!(none.head.contains("www-authenticate: bearer"));
    for (body, status, code) in [
        ("{", 400, "malformed"),
        ("[]", 400, "malformed"),
        (r#"{"to":"+447700900123","txt":"Hi"}"#, 400, "malformed"),
        (r#"{"to":"+447700900123","text":"Hi","from":"99"}"#, 422, "invalid"),
        (r#"{"to":"+447700900123","text":"Hi","purpose":"help"}"#, 422, "invalid"),
        (r#"{"to":"+447700900123","text":" "}"#, 422, "invalid"),
        (r#"{"to":"+447700900123","text":"Hi","valid_for":"1s"}"#, 422, "invalid"),
    ] {
        let reply = post(http, &[], body).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (status, &json!(code)), "{body}");
        assert!(reply.head.contains("application/problem+json"));
        let page = ask(http, "GET", problem["type"].as_str().unwrap(), &[], "").await;
        assert_eq!(page.json()["title"], problem["title"], "its type leads to its page");
    }
    let lines = [format!("Authorization: Bearer {}", doors::KEY), "Content-Encoding: gzip".to_owned()];
    assert_eq!(ask(http, "POST", "/v1/messages", &lines, good).await.status, 415);
    assert_eq!(ask(http, "DELETE", "/v1/messages", &lines, "").await.status, 405);
    assert_eq!(ask(http, "GET", "/v2", &[], "").await.status, 404);
    let document = ask(http, "GET", "/openapi.json", &[], "").await.json();
    for path in document["paths"].as_object().unwrap().keys() {
        let asked = path.replace("{id}", "05W2K8Q3M4N7A").replace("{name}", "rate");
        let reply = ask(http, "PATCH", &asked, &[format!("Authorization: Bearer {}", doors::KEY)], "").await;
        assert_eq!(reply.status, 405, "{path} is there, and takes other methods");
    }
    house.close().await;
}

async fn a_day_has_its_limit_over_a_restart_of_the_count(postgres: Option<&str>) {
    let house = House::open(postgres, "per_day = 2").await;
    let body = r#"{"to":"+447700900123","text":"Hi"}"#;
    assert_eq!(post(house.http(), &[], body).await.status, 202);
    // what a start does: the count comes from the memory
    house.server.flow().recount().await.unwrap();
    assert_eq!(post(house.http(), &[], body).await.status, 202);
    let third = post(house.http(), &[], body).await;
    assert_eq!((third.status, &third.json()["code"]), (429, &json!("day")));
    assert!(third.head.contains("retry-after: "));
    house.close().await;
}
