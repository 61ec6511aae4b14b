//! An ESME made of our own session, for tests of the server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use backchat::smpp::driver::Driver;
use protocol::address::Address;
use protocol::pdu::{Bind, Body, MessageResp, Pdu, Sm};
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestEsme {
    driver: Driver<()>,
}

impl TestEsme {
    /// Binds; gives the status where it is refused.
    pub async fn bind(
        to: SocketAddr,
        system_id: &str,
        password: &str,
        mode: BindMode,
    ) -> Result<Self, Status> {
        let stream = TcpStream::connect(to).await.unwrap();
        let mut session = Session::new(Instant::now(), Settings { window: 500, ..Settings::esme() });
        let bind = Bind {
            system_id: system_id.into(),
            password: password.into(),
            interface_version: 0x34,
            ..Bind::default()
        };
        session.bind(Instant::now(), mode, bind).unwrap();
        let mut esme = Self { driver: Driver::new(stream, session).unwrap() };
        loop {
            match esme.event().await.expect("an answer to the bind") {
                Event::Bound { .. } => return Ok(esme),
                Event::BindRefused { status } => return Err(status),
                _ => {}
            }
        }
    }

    pub async fn event(&mut self) -> Option<Event<()>> {
        timeout(PATIENCE, self.driver.event()).await.expect("an event in time")
    }

    /// Makes a request and gives its answer; receipts that come before it are put to the others.
    pub async fn ask(&mut self, body: Body, receipts: &mut Vec<Sm>) -> Pdu {
        self.driver.session().request(Instant::now(), body, ()).unwrap();
        loop {
            match self.event().await.expect("still bound") {
                Event::Answered { response, .. } => return response,
                event => self.keep(event, receipts),
            }
        }
    }

    /// Waits until there are so many receipts, each answered with ESME_ROK.
    pub async fn receipts(&mut self, count: usize, receipts: &mut Vec<Sm>) {
        while receipts.len() < count {
            let event = self.event().await.expect("still bound");
            self.keep(event, receipts);
        }
        self.driver.flush();
    }

    fn keep(&mut self, event: Event<()>, receipts: &mut Vec<Sm>) {
        if let Event::Requested { pdu, .. } = event
            && let Body::DeliverSm(sm) = pdu.body
        {
            let resp = Body::DeliverSmResp(MessageResp::with_id(""));
            self.driver.session().respond(Instant::now(), pdu.sequence, Status::OK, resp).unwrap();
            receipts.push(sm);
        }
    }

    /// Unbinds, and waits for the end.
    pub async fn unbind(mut self) {
        self.driver.session().unbind(Instant::now());
        while self.event().await.is_some() {}
    }
}

/// A text from 88001 to a handset, with a receipt asked for.
pub fn submit(to: &str, text: &'static str) -> Sm {
    Sm {
        source: Address::new(3, 0, "88001"),
        dest: Address::international(to),
        registered_delivery: 1,
        short_message: text.into(),
        ..Sm::default()
    }
}
