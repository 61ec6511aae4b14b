//! The SMPP server as ESMEs meet it, in front of a carrier, on both stores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[macro_use]
#[path = "support/doors.rs"]
mod doors;
#[path = "support/esme.rs"]
mod esme;
#[path = "support/postgres.rs"]
mod postgres;

use doors::{House, PATIENCE};
use esme::{TestEsme, submit};
use protocol::pdu::{Body, CancelSm, QuerySm, Sm};
use protocol::receipt::{self, MessageState};
use protocol::session::BindMode;
use protocol::status::Status;

on_both! {
    an_esme_submits_and_gets_each_receipt_once_also_those_that_came_while_it_was_away,
    parts_of_a_long_message_go_on_octet_for_octet,
    a_bind_needs_the_right_password_and_a_free_session,
    what_cannot_be_accepted_is_refused_with_its_status,
}

fn id_of(body: &Body) -> String {
    let Body::SubmitSmResp(resp) = body else { panic!("{body:?}") };
    resp.message_id.as_ref().expect("an id").to_text().into_owned()
}

async fn an_esme_submits_and_gets_each_receipt_once_also_those_that_came_while_it_was_away(
    postgres: Option<&str>,
) {
    let house = House::open(postgres, "").await;
    let mut receipts = Vec::new();
    let mut esme = TestEsme::bind(house.smpp(), "shop", "pw", BindMode::Transmitter).await.unwrap();
    let mut ids = Vec::new();
    for place in 0..20 {
        let sm = submit(&format!("4477009001{place:02}"), "Your parcel comes today");
        let answer = esme.ask(Body::SubmitSm(sm), &mut receipts).await;
        assert_eq!(answer.status, Status::OK);
        ids.push(id_of(&answer.body));
    }
    esme.unbind().await;
    let all_delivered = async {
        while house.server.flow().metrics.snapshot().delivered < 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_delivered).await.expect("all are delivered");

    let mut esme = TestEsme::bind(house.smpp(), "shop", "pw", BindMode::Receiver).await.unwrap();
    esme.receipts(20, &mut receipts).await;
    let mut told: Vec<String> = Vec::new();
    for sm in &receipts {
        let read = receipt::parse(sm).expect("a receipt");
        assert_eq!(read.state, MessageState::Delivered);
        told.push(read.id.unwrap().to_text().into_owned());
    }
    told.sort();
    ids.sort();
    assert_eq!(told, ids, "each once");
    esme.unbind().await;

    let mut esme = TestEsme::bind(house.smpp(), "shop", "pw", BindMode::Transceiver).await.unwrap();
    let sm = submit("447700900199", "One more");
    let answer = esme.ask(Body::SubmitSm(sm), &mut receipts).await;
    esme.receipts(21, &mut receipts).await;
    let last = receipt::parse(&receipts[20]).unwrap();
    assert_eq!(last.id.unwrap().to_text(), id_of(&answer.body), "none of the others comes again");
    let source = receipts[20].dest.clone();
    let query = QuerySm { message_id: id_of(&answer.body).as_str().into(), source };
    let answer = esme.ask(Body::QuerySm(query), &mut receipts).await;
    let Body::QuerySmResp(resp) = answer.body else { panic!("no query_sm_resp") };
    assert_eq!((answer.status, resp.message_state), (Status::OK, MessageState::Delivered.value()));
    esme.unbind().await;
    house.close().await;
}

async fn parts_of_a_long_message_go_on_octet_for_octet(postgres: Option<&str>) {
    let house = House::open(postgres, "").await;
    let mut receipts = Vec::new();
    let mut esme = TestEsme::bind(house.smpp(), "shop", "pw", BindMode::Transceiver).await.unwrap();
    let words = "Слишком дорого: за последний год цена выросла вдвое, а скорость нет. Верните старый тариф";
    let split = protocol::text::split(words, protocol::text::Reference::Eight(7)).unwrap();
    assert_eq!(split.parts.len(), 2);
    for part in &split.parts {
        let sm = Sm {
            esm_class: 0x40,
            data_coding: split.data_coding,
            short_message: part.clone(),
            ..submit("447700900123", "")
        };
        assert_eq!(esme.ask(Body::SubmitSm(sm), &mut receipts).await.status, Status::OK);
    }
    esme.receipts(2, &mut receipts).await;
    let received = house.carrier.received();
    assert_eq!(received.len(), 1, "the handset joins the parts");
    assert_eq!((&*received[0].text, received[0].parts), (words, 2));
    esme.unbind().await;
    house.close().await;
}

async fn a_bind_needs_the_right_password_and_a_free_session(postgres: Option<&str>) {
    let house = House::open(postgres, "binds = 1").await;
    let to = house.smpp();
    for (system_id, password) in [("shop", "wrong"), ("nobody", "pw")] {
        let refused = TestEsme::bind(to, system_id, password, BindMode::Transceiver).await.err();
        assert_eq!(refused, Some(Status::BINDFAIL), "the same for both");
    }
    let first = TestEsme::bind(to, "shop", "pw", BindMode::Transceiver).await.unwrap();
    let second = TestEsme::bind(to, "shop", "pw", BindMode::Transceiver).await.err();
    assert_eq!(second, Some(Status::ALYBND));
    first.unbind().await;
    let again = async {
        loop {
            match TestEsme::bind(to, "shop", "pw", BindMode::Transceiver).await {
                Ok(esme) => return esme,
                Err(status) => assert_eq!(status, Status::ALYBND),
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the session is free again").unbind().await;
    house.close().await;
}

async fn what_cannot_be_accepted_is_refused_with_its_status(postgres: Option<&str>) {
    let house = House::open(postgres, "per_day = 1").await;
    let mut receipts = Vec::new();
    let mut esme = TestEsme::bind(house.smpp(), "shop", "pw", BindMode::Transceiver).await.unwrap();
    let good = submit("447700900123", "Hi");
    for (sm, status) in [
        (Sm { dest: protocol::address::Address::international("x"), ..good.clone() }, Status::INVDSTADR),
        (Sm { source: protocol::address::Address::new(3, 0, "99"), ..good.clone() }, Status::INVSRCADR),
        (Sm { validity_period: "yesterday".into(), ..good.clone() }, Status::INVEXPIRY),
        (submit("447700900123", ""), Status::INVMSGLEN),
    ] {
        assert_eq!(esme.ask(Body::SubmitSm(sm), &mut receipts).await.status, status);
    }
    let mut config = (*house.server.flow().config()).clone();
    config.codes[0].countries = vec!["GB".to_owned()];
    house.server.flow().reconfigure(std::sync::Arc::new(config));
    let abroad = esme.ask(Body::SubmitSm(submit("6281234567890", "Hi")), &mut receipts).await;
    assert_eq!(abroad.status, Status::INVDSTADR, "a country that the code does not serve");
    assert_eq!(esme.ask(Body::SubmitSm(good.clone()), &mut receipts).await.status, Status::OK);
    assert_eq!(esme.ask(Body::SubmitSm(good), &mut receipts).await.status, Status::THROTTLED, "one a day");
    let unknown = QuerySm { message_id: "05W2K8Q3M4N7A".into(), ..QuerySm::default() };
    assert_eq!(esme.ask(Body::QuerySm(unknown), &mut receipts).await.status, Status::QUERYFAIL);
    let cancel = CancelSm { message_id: "05W2K8Q3M4N7A".into(), ..CancelSm::default() };
    assert_eq!(esme.ask(Body::CancelSm(cancel), &mut receipts).await.status, Status::CANCELFAIL);
    esme.unbind().await;
    house.close().await;
}
