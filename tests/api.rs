//! The JSON API as its users meet it: over a socket, in front of a carrier, on both stores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[macro_use]
#[path = "support/doors.rs"]
mod doors;
#[path = "support/postgres.rs"]
mod postgres;

use doors::{House, KEY, PATIENCE, Reply, ask, get, post};
use serde_json::{Value, json};

on_both! {
    a_message_is_accepted_sent_and_its_state_told,
    a_batch_is_accepted_whole_or_not_at_all,
    a_key_makes_a_request_once,
    what_is_refused_says_why_and_what_to_do,
    a_day_has_its_limit_over_a_restart_of_the_count,
    a_campaign_is_made_given_its_people_and_sent_by_http,
    a_campaign_that_is_wrong_is_refused_with_the_place_and_what_would_be_right,
    who_is_in_a_country_that_the_code_does_not_serve_is_not_taken,
}

/// A request of the account `shop` with a body of this kind.
async fn campaign(house: &House, method: &str, path: &str, kind: &str, body: &str) -> Reply {
    let headers = [format!("Authorization: Bearer {KEY}"), format!("Content-Type: {kind}")];
    ask(house.http(), method, &format!("/v1/campaigns{path}"), &headers, body).await
}

const MAY: &str = "campaigns = true";
const SALE: &str = r#"{"name":"sale","text":"{name|Hello}, 20 % off","purpose":"transactional"}"#;

async fn a_campaign_is_made_given_its_people_and_sent_by_http(postgres: Option<&str>) {
    let house = House::open(postgres, MAY).await;
    let made = campaign(&house, "POST", "", "application/json", SALE).await;
    assert_eq!((made.status, &made.json()["state"]), (201, &json!("planned")), "{made:?}");
    assert!(made.head.contains("location: /v1/campaigns/sale"), "{made:?}");
    let again = campaign(&house, "POST", "", "application/json", SALE).await;
    assert_eq!(again.status, 201, "the same again is no error: {again:?}");

    let rows: String = (0..20).map(|n| format!("+4477009001{:02},Ana\n", n % 19)).collect();
    let people = campaign(&house, "PUT", "/sale/contacts", "text/csv", &format!("number,name\n{rows}")).await;
    let told = people.json();
    assert_eq!(
        (people.status, &told["accepted"], &told["doubled"]),
        (200, &json!(19), &json!(1)),
        "{people:?}"
    );
    let started = campaign(&house, "POST", "/sale/start", "application/json", "").await;
    assert_eq!((started.status, &started.json()["state"]), (200, &json!("running")), "{started:?}");
    let delivered = async {
        loop {
            let progress = get(house.http(), "/v1/campaigns/sale").await.json();
            if progress["delivered"] == 19 {
                return progress;
            }
            tokio::task::yield_now().await;
        }
    };
    let progress = tokio::time::timeout(PATIENCE, delivered).await.expect("everybody gets it");
    assert_eq!((&progress["audience"], &progress["failed"]), (&json!(19), &json!(0)));
    let all = get(house.http(), "/v1/campaigns").await.json();
    assert_eq!(
        (&all["campaigns"][0]["name"], &all["campaigns"][0]["from"]),
        (&json!("sale"), &json!("88001"))
    );
    let cancelled = campaign(&house, "POST", "/sale/cancel", "application/json", "").await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    let resumed = campaign(&house, "POST", "/sale/resume", "application/json", "").await;
    assert_eq!((resumed.status, &resumed.json()["code"]), (409, &json!("campaign_state")), "{resumed:?}");
    house.close().await;
}

async fn a_campaign_that_is_wrong_is_refused_with_the_place_and_what_would_be_right(postgres: Option<&str>) {
    let house = House::open(postgres, MAY).await;
    let json_kind = "application/json";
    let pointer_of = |body: &'static str| {
        let house = &house;
        async move {
            let reply = campaign(house, "POST", "", json_kind, body).await;
            assert_eq!(reply.status, 422, "{reply:?}");
            reply.json()["errors"][0]["pointer"].clone()
        }
    };
    assert_eq!(pointer_of(r#"{"name":"a"}"#).await, "/survey");
    assert_eq!(pointer_of(r#"{"name":"a","survey":"nosuch"}"#).await, "/survey");
    assert_eq!(pointer_of(r#"{"name":"","text":"Hi"}"#).await, "/name");
    assert_eq!(pointer_of(r#"{"name":"a","text":"Hi","purpose":"survey"}"#).await, "/purpose");
    assert_eq!(pointer_of(r#"{"name":"a","text":"Hi","from":"99999"}"#).await, "/from");
    assert_eq!(pointer_of(r#"{"name":"a","text":"Hi","starts":"tomorrow"}"#).await, "/starts");

    campaign(&house, "POST", "", json_kind, SALE).await;
    let other = campaign(&house, "POST", "", json_kind, r#"{"name":"sale","text":"Another"}"#).await;
    assert_eq!((other.status, &other.json()["code"]), (409, &json!("campaign_exists")), "{other:?}");
    let broken = "number,name\n+447700900100,Ana\nnobody,Ben\n";
    let refused = campaign(&house, "PUT", "/sale/contacts", "text/csv", broken).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("contact_file")), "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("contacts.csv:3:"), "the line is named: {refused:?}");
    assert!(!detail.contains("/tmp") && !detail.contains("--skip"), "for who sent it: {refused:?}");
    let skipped = campaign(&house, "PUT", "/sale/contacts?skip_broken=true", "text/csv", broken).await;
    assert_eq!(
        (skipped.status, &skipped.json()["accepted"], &skipped.json()["refused"]),
        (200, &json!(1), &json!(1))
    );
    let kind = campaign(&house, "PUT", "/sale/contacts", json_kind, "[]").await;
    assert_eq!(kind.status, 415, "{kind:?}");
    let unknown = campaign(&house, "POST", "/nosuch/start", json_kind, "").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let turn = campaign(&house, "POST", "/sale/explode", json_kind, "").await;
    assert_eq!((turn.status, &turn.json()["code"]), (404, &json!("not_found")), "{turn:?}");
    let asked = campaign(&house, "PUT", "/sale/contacts?skip=1", "text/csv", broken).await;
    assert_eq!((asked.status, &asked.json()["code"]), (400, &json!("malformed")), "{asked:?}");
    let headers = ["Authorization: Bearer ffffffffffffffffffffffffffffffff".to_owned()];
    let not_allowed = ask(house.http(), "GET", "/v1/campaigns", &headers, "").await;
    assert_eq!((not_allowed.status, &not_allowed.json()["code"]), (403, &json!("not_allowed")));
    house.close().await;
}

async fn who_is_in_a_country_that_the_code_does_not_serve_is_not_taken(postgres: Option<&str>) {
    let house = House::open(postgres, MAY).await;
    let mut config = (*house.server.flow().config()).clone();
    config.codes[0].countries = vec!["GB".to_owned(), "IE".to_owned()];
    house.server.flow().reconfigure(std::sync::Arc::new(config));
    let refused = post(
        house.http(),
        &[],
        r#"[{"to":"+447700900123","text":"Hi"},{"to":"+6281234567890","text":"Hi"}]"#,
    );
    let refused = refused.await;
    let error = &refused.json()["errors"][0];
    assert_eq!((refused.status, &error["pointer"]), (422, &json!("/1/to")), "{refused:?}");
    assert_eq!(error["detail"], "`to` is a number of ID; 88001 serves GB, IE");
    let taken = post(house.http(), &[], r#"{"to":"+353861234567","text":"Hi"}"#).await;
    assert_eq!(taken.status, 202, "{taken:?}");

    campaign(&house, "POST", "", "application/json", SALE).await;
    let people = "number\n+447700900100\n+6281234567890\n+6281234567891\n";
    let imported = campaign(&house, "PUT", "/sale/contacts", "text/csv", people).await;
    let told = imported.json();
    assert_eq!((&told["accepted"], &told["refused"]), (&json!(1), &json!(2)), "{imported:?}");
    assert_eq!(told["elsewhere"], json!({ "ID": 2 }));
    house.close().await;
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
    let lines = [format!("Authorization: Bearer {}", KEY), "Content-Encoding: gzip".to_owned()];
    assert_eq!(ask(http, "POST", "/v1/messages", &lines, good).await.status, 415);
    assert_eq!(ask(http, "DELETE", "/v1/messages", &lines, "").await.status, 405);
    assert_eq!(ask(http, "GET", "/v2", &[], "").await.status, 404);
    let document = ask(http, "GET", "/openapi.json", &[], "").await.json();
    for path in document["paths"].as_object().unwrap().keys() {
        let asked = path.replace("{id}", "05W2K8Q3M4N7A").replace("{name}", "rate");
        let reply = ask(http, "PATCH", &asked, &[format!("Authorization: Bearer {}", KEY)], "").await;
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
