//! Postgres stopped hard and started again under a working server: binds stay up, nothing new is accepted meanwhile, nothing
//! acknowledged is lost, and service comes back by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;

#[path = "support/doors.rs"]
mod doors;
#[path = "support/esme.rs"]
mod esme;
#[path = "support/postgres.rs"]
mod postgres;

use doors::{House, PATIENCE, ask, post};
use esme::{TestEsme, submit};
use protocol::pdu::Body;
use protocol::session::BindMode;
use protocol::status::Status;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_accepted_and_nothing_acknowledged_is_lost() {
    if !postgres::wanted() {
        return;
    }
    let mut database = postgres::OwnServer::start();
    let house = House::open(Some(&database.url()), "").await;
    let (http, mut receipts) = (house.http(), Vec::new());
    let mut esme = TestEsme::bind(house.smpp(), "shop", "pw", BindMode::Transceiver).await.unwrap();
    let mut acknowledged = BTreeSet::new();
    let number = |place: usize| format!("4477009{place:05}");
    let body = |place: usize| json!({ "to": format!("+{}", number(place)), "text": "Hi" }).to_string();
    for place in 0..50 {
        assert_eq!(post(http, &[], &body(place)).await.status, 202);
        acknowledged.insert(number(place));
    }

    database.stop_hard();
    let refused = post(http, &[], &body(100)).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    let answer = esme.ask(Body::SubmitSm(submit(&number(101), "Hi")), &mut receipts).await;
    assert_eq!(answer.status, Status::SYSERR, "a temporary error");
    let health = ask(http, "GET", "/healthz", &[], "").await;
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("unavailable")));
    assert_eq!(house.server.flow().metrics.binds_up.get(), 1, "the carrier notices nothing");

    database.start_again();
    let back = async {
        for place in 200.. {
            // a doubtful commit is not acknowledged, and may or may not be sent
            if post(http, &[], &body(place)).await.status == 202 {
                acknowledged.insert(number(place));
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it accepts again by itself");
    let answer = esme.ask(Body::SubmitSm(submit(&number(300), "Hi")), &mut receipts).await;
    assert_eq!(answer.status, Status::OK, "on the bind that stayed up");
    acknowledged.insert(number(300));
    let all = async {
        loop {
            let sent: BTreeSet<String> =
                house.carrier.received().iter().map(|message| message.number.digits()).collect();
            if acknowledged.is_subset(&sent) {
                return sent;
            }
            tokio::task::yield_now().await;
        }
    };
    let sent = tokio::time::timeout(PATIENCE, all).await.expect("everything acknowledged is sent");
    assert!(!sent.contains(&number(100)) && !sent.contains(&number(101)), "what was refused is not");
    esme.receipts(1, &mut receipts).await;
    esme.unbind().await;
    house.close().await;
}
