//! A client that does as the tests say.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::address::Address;
use protocol::pdu::message::UDHI;
use protocol::pdu::{Bind, Body, MessageResp, Pdu, Sm};
use protocol::receipt;
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use protocol::text::{self, Alphabet, Reference};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::message::Msisdn;
use crate::simulator::Simulator;
use crate::smpp::driver::Driver;

/// Far longer than anything here takes: a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The client.
pub(super) struct Esme {
    driver: Driver<usize>,
    pub(super) answers: VecDeque<(usize, Pdu)>,
    pub(super) requests: VecDeque<Pdu>,
    pub(super) lost: Vec<usize>,
    open: bool,
    submitted: usize,
}

impl Esme {
    pub(super) async fn connect(carrier: &Simulator) -> Self {
        let stream = TcpStream::connect(carrier.address()).await.unwrap();
        let settings = Settings { window: 1_000, ..Settings::esme() };
        let driver = Driver::new(stream, Session::new(Instant::now(), settings)).unwrap();
        Self {
            driver,
            answers: VecDeque::new(),
            requests: VecDeque::new(),
            lost: Vec::new(),
            open: true,
            submitted: 0,
        }
    }

    pub(super) async fn bind(carrier: &Simulator, mode: BindMode) -> Self {
        let mut esme = Self::connect(carrier).await;
        assert_eq!(esme.try_bind(mode, "main", "secret").await, Ok(()));
        esme
    }

    pub(super) async fn try_bind(
        &mut self,
        mode: BindMode,
        system_id: &str,
        password: &str,
    ) -> Result<(), Status> {
        let bind = Bind {
            system_id: system_id.into(),
            password: password.into(),
            interface_version: 0x34,
            ..Bind::default()
        };
        self.driver.session().bind(Instant::now(), mode, bind).unwrap();
        loop {
            match timeout(PATIENCE, self.driver.event()).await.unwrap().unwrap() {
                Event::Bound { .. } => return Ok(()),
                Event::BindRefused { status } => return Err(status),
                _ => {}
            }
        }
    }

    pub(super) fn submit(&mut self, sm: Sm) -> usize {
        let tag = self.submitted;
        self.driver.session().request(Instant::now(), Body::SubmitSm(sm), tag).unwrap();
        self.driver.flush();
        self.submitted += 1;
        tag
    }

    /// Takes one event; false at the end.
    pub(super) async fn step(&mut self) -> bool {
        match timeout(PATIENCE, self.driver.event()).await.expect("something happens in time") {
            Some(Event::Answered { tag, response, .. }) => self.answers.push_back((tag, response)),
            Some(Event::Requested { pdu, .. }) => self.requests.push_back(pdu),
            Some(Event::Lost { tags }) => self.lost.extend(tags),
            Some(_) => {}
            None => self.open = false,
        }
        self.open
    }

    pub(super) async fn answer(&mut self) -> (usize, Pdu) {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return answer;
            }
            assert!(self.step().await, "the link is open");
        }
    }

    /// The next deliver_sm, not answered yet.
    pub(super) async fn delivery(&mut self) -> (u32, Sm) {
        loop {
            if let Some(Pdu { sequence, body: Body::DeliverSm(sm), .. }) = self.requests.pop_front() {
                return (sequence, sm);
            }
            assert!(self.step().await, "the link is open");
        }
    }

    pub(super) fn respond(&mut self, sequence: u32, status: Status) {
        let body = Body::DeliverSmResp(MessageResp::with_id(""));
        self.driver.session().respond(Instant::now(), sequence, status, body).unwrap();
        self.driver.flush();
    }

    /// The next deliver_sm, acknowledged.
    pub(super) async fn accept(&mut self) -> Sm {
        let (sequence, sm) = self.delivery().await;
        self.respond(sequence, Status::OK);
        sm
    }

    /// Acknowledges everything until the carrier is idle; gives what handsets wrote, put together.
    pub(super) async fn accept_all(&mut self, carrier: &Simulator) -> Vec<(String, String)> {
        let mut written = Vec::new();
        let mut joiner = text::Joiner::new(text::JoinLimits::default());
        loop {
            let sm = tokio::select! {
                sm = self.accept() => sm,
                () = carrier.wait_idle() => return written,
            };
            if receipt::parse(&sm).is_some() {
                continue;
            }
            let decoded = text::read(&sm, Alphabet::Gsm7);
            let joined = joiner.push(Instant::now(), &sm.source.addr, &sm.dest.addr, decoded, ());
            if let text::Joined::Whole { decoded, .. } = joined {
                written.push((sm.source.addr.to_text().into_owned(), decoded.text.unwrap()));
            }
        }
    }
}

pub(super) fn message(number: Msisdn, words: &str) -> Vec<Sm> {
    let split = text::split(words, Reference::Eight(7)).unwrap();
    let sm = |octets| Sm {
        source: Address::new(3, 0, "88001"),
        dest: Address::international(number.digits()),
        esm_class: if split.udhi { UDHI } else { 0 },
        data_coding: split.data_coding,
        registered_delivery: 1,
        short_message: octets,
        ..Sm::default()
    };
    split.parts.iter().cloned().map(sm).collect()
}

pub(super) fn short(number: Msisdn, words: &str) -> Sm {
    message(number, words).remove(0)
}

pub(super) fn id_of(response: &Pdu) -> String {
    match &response.body {
        Body::SubmitSmResp(MessageResp { message_id: Some(id), .. }) => id.to_text().into_owned(),
        other => panic!("{other:?}"),
    }
}
