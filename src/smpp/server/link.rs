//! One connection of an ESME: its session, what it asks, and what is delivered to it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::octets::COctets;
use protocol::pdu::{Bind, BindResp, Body, CommandId, Sm};
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use protocol::tlv::{Tag, Tlv};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{debug, info};

use crate::config::Account;
use crate::smpp::driver::Driver;
use crate::smpp::server::{BindRefusal, Command, Esme, Receives, Shared, Told};

/// Who we say we are.
const SYSTEM_ID: &str = "backchat";
/// SMPP 3.4: what we speak.
const VERSION: u8 = 0x34;
/// Whoever connects binds within this.
const BIND_WITHIN: Duration = Duration::from_secs(8);
/// Octets of one PDU: a message_payload of 64 KiB is nothing a handset reads.
const PDU_OCTETS: u32 = 16 * 1024;
/// An ESME that does not answer a deliver_sm within this is gone.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

struct Link {
    id: u64,
    from: IpAddr,
    shared: Arc<Shared>,
    driver: Driver<i64>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// For the handle, until somebody is bound.
    sender: Option<mpsc::UnboundedSender<Command>>,
    /// Whose bind was granted.
    admitted: Option<Arc<Account>>,
    esme: Option<Arc<Esme>>,
    waiting: VecDeque<(i64, Box<Sm>)>,
    /// A refusal that is kept back.
    refusal: Option<(Instant, u32, BindMode)>,
    told: Vec<Told>,
}

/// Lives with a connection until it ends.
pub(super) async fn live(shared: Arc<Shared>, stream: TcpStream, from: IpAddr) {
    let settings = Settings {
        max_pdu_octets: PDU_OCTETS,
        init_timeout: BIND_WITHIN,
        response_timeout: RESPONSE_TIMEOUT,
        ..Settings::smsc()
    };
    let session = Session::new(Instant::now(), settings);
    let Ok(driver) = Driver::new(stream, session) else { return };
    let (sender, commands) = mpsc::unbounded_channel();
    let mut link = Link {
        id: shared.next_link(),
        from,
        shared,
        driver,
        commands,
        sender: Some(sender),
        admitted: None,
        esme: None,
        waiting: VecDeque::new(),
        refusal: None,
        told: Vec::new(),
    };
    link.run().await;
    link.leave();
}

impl Link {
    async fn run(&mut self) {
        let stop = self.shared.stop.clone();
        let mut stopping = false;
        loop {
            self.pump();
            self.driver.flush();
            self.tell();
            let due = self.refusal.map(|(due, ..)| due);
            tokio::select! {
                Some(command) = self.commands.recv() => {
                    self.obey(command);
                    while let Ok(command) = self.commands.try_recv() {
                        self.obey(command);
                    }
                }
                event = self.driver.event() => {
                    let Some(event) = event else { return };
                    self.take(event);
                    while let Some(event) = self.driver.session().poll_event() {
                        self.take(event);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => self.refuse(),
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.driver.session().unbind(Instant::now());
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Answer { sequence, status, body } => {
                if let Err(refusal) = self.driver.session().respond(Instant::now(), sequence, status, body) {
                    debug!(link = self.id, "answer not sent: {refusal}");
                }
            }
            Command::Deliver { id, sm } => self.waiting.push_back((id, sm)),
        }
    }

    /// Sends as many deliver_sm as the window lets through.
    fn pump(&mut self) {
        let session = self.driver.session();
        while session.window_room() > 0
            && let Some((id, sm)) = self.waiting.pop_front()
        {
            // the session is over or ending: the rest is given back when the link leaves
            if session.request(Instant::now(), Body::DeliverSm(*sm), id).is_err() {
                if let Some(esme) = &self.esme {
                    self.told.push(Told::NotDelivered(Arc::clone(esme), id));
                }
                return;
            }
        }
    }

    fn take(&mut self, event: Event<i64>) {
        match event {
            Event::BindRequested { sequence, mode, bind } => self.bind(sequence, mode, &bind),
            Event::Bound { mode, .. } => self.bound(mode),
            Event::Requested { pdu, .. } => match &self.esme {
                Some(esme) => self.told.push(Told::Requested(Arc::clone(esme), Box::new(pdu))),
                None => debug!(link = self.id, "a request without a bind"),
            },
            Event::Answered { tag, response, .. } if response.status.is_ok() => self.delivered(tag),
            Event::Answered { tag, response, .. } => {
                debug!(link = self.id, "deliver_sm refused: {}", response.status);
                self.not_delivered(tag);
            }
            Event::Expired { tag, .. } => {
                self.not_delivered(tag);
                // an ESME that does not answer is not sent more
                self.driver.session().unbind(Instant::now());
            }
            Event::Lost { tags } => tags.into_iter().for_each(|tag| self.not_delivered(tag)),
            Event::Violated { what } => debug!(link = self.id, "{what}"),
            Event::Closed { reason } => debug!(link = self.id, "closed: {reason}"),
            _ => {}
        }
    }

    fn bind(&mut self, sequence: u32, mode: BindMode, bind: &Bind) {
        let now = Instant::now();
        match (self.shared.admit)(bind, self.from) {
            Ok(account) => {
                self.shared.guard.bound(self.from, &bind.system_id);
                let session = self.driver.session();
                session.set_window(account.window);
                session.set_peer_window(account.window);
                self.admitted = Some(account);
                self.answer_bind(sequence, mode, Status::OK);
            }
            Err(BindRefusal::TooMany) => {
                self.shared.metrics.esme_bind_refused.one();
                info!(system_id = %bind.system_id, from = %self.from, "bind refused: it has all the sessions it may");
                self.answer_bind(sequence, mode, Status::ALYBND);
            }
            Err(BindRefusal::Unknown) => {
                self.shared.metrics.esme_bind_refused.one();
                info!(system_id = %bind.system_id, from = %self.from, "bind refused");
                let delay = self.shared.guard.failed(self.from, &bind.system_id, now);
                self.refusal = Some((now + delay, sequence, mode));
            }
        }
    }

    fn refuse(&mut self) {
        if let Some((_, sequence, mode)) = self.refusal.take() {
            self.answer_bind(sequence, mode, Status::BINDFAIL);
        }
    }

    fn answer_bind(&mut self, sequence: u32, mode: BindMode, status: Status) {
        let mut resp = BindResp::default();
        if status.is_ok() {
            resp.system_id = Some(COctets::from(SYSTEM_ID));
            resp.tlvs.push(Tlv::u8(Tag::SC_INTERFACE_VERSION, VERSION));
        }
        let body = match mode.command() {
            CommandId::BIND_TRANSMITTER => Body::BindTransmitterResp(resp),
            CommandId::BIND_RECEIVER => Body::BindReceiverResp(resp),
            _ => Body::BindTransceiverResp(resp),
        };
        if let Err(refusal) = self.driver.session().respond(Instant::now(), sequence, status, body) {
            debug!(link = self.id, "bind not answered: {refusal}");
        }
    }

    fn bound(&mut self, mode: BindMode) {
        let (Some(account), Some(commands)) = (&self.admitted, self.sender.take()) else { return };
        info!(account = %account.name, ?mode, from = %self.from, "an ESME is bound");
        let receives = if mode == BindMode::Transmitter { Receives::No } else { Receives::Yes };
        let esme = Arc::new(Esme { link: self.id, account: Arc::clone(account), receives, commands });
        self.shared.metrics.esme_binds.one();
        self.esme = Some(Arc::clone(&esme));
        self.told.push(Told::Bound(esme));
    }

    fn delivered(&mut self, id: i64) {
        if let Some(esme) = &self.esme {
            self.told.push(Told::Delivered(Arc::clone(esme), id));
        }
    }

    fn not_delivered(&mut self, id: i64) {
        if let Some(esme) = &self.esme {
            self.told.push(Told::NotDelivered(Arc::clone(esme), id));
        }
    }

    fn tell(&mut self) {
        if !self.told.is_empty() {
            let _ = self.shared.told.send(std::mem::take(&mut self.told));
        }
    }

    /// Gives back what was not delivered, and the account its session.
    fn leave(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Deliver { id, sm } = command {
                self.waiting.push_back((id, sm));
            }
        }
        while let Some((id, _)) = self.waiting.pop_front() {
            self.not_delivered(id);
        }
        if let Some(esme) = self.esme.take() {
            self.shared.metrics.esme_binds.less(1);
            info!(account = %esme.account.name, "an ESME has gone");
        }
        if let Some(account) = self.admitted.take() {
            self.told.push(Told::Left(account, self.id));
        }
        self.tell();
    }
}
