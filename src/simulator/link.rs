//! One connection of an ESME: what it asks goes to the carrier in batches, what the carrier has for it comes back.

use std::sync::Arc;
use std::time::Instant;

use protocol::octets::COctets;
use protocol::pdu::{BindResp, Body, CommandId, MessageResp, Pdu, Sm};
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tracing::{debug, info};

use crate::simulator::Shared;
use crate::simulator::carrier::{Answer, Bound, Carrier};
use crate::simulator::outgoing::Delivery;
use crate::simulator::timers::Timers;
use crate::smpp::driver::Driver;

/// Who we say we are.
const SYSTEM_ID: &str = "backchat-sim";
/// Submits of one ESME that may wait for their answers: 50,000 a second with answers after a fifth of a second.
const UNANSWERED: usize = 10_000;

/// An answer to a request of the ESME.
struct Reply {
    sequence: u32,
    command: CommandId,
    status: Status,
    id: Option<COctets>,
}

/// One connection.
struct Link {
    id: u64,
    shared: Arc<Shared>,
    driver: Driver<Delivery>,
    wake: Arc<Notify>,
    /// Whose bind was granted.
    admitted: Option<Bound>,
    bound: Option<Bound>,
    receives: bool,
    /// Answers that are to come later.
    later: Timers<Reply>,
    submits: u64,
    reset: bool,
}

/// Serves a connection until it ends.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    if shared.settings.personality.reset_after.is_some() {
        // A socket dropped so says RST, not FIN.
        let _ = stream.set_zero_linger();
    }
    let settings = Settings {
        window: shared.settings.window,
        peer_window: UNANSWERED,
        response_timeout: shared.settings.response_timeout,
        ..Settings::smsc()
    };
    let session = Session::new(Instant::now(), settings);
    let Ok(driver) = Driver::new(stream, session) else { return };
    let id = shared.next_link();
    let mut link = Link {
        id,
        shared,
        driver,
        wake: Arc::default(),
        admitted: None,
        bound: None,
        receives: false,
        later: Timers::default(),
        submits: 0,
        reset: false,
    };
    link.run().await;
    link.leave();
}

impl Link {
    async fn run(&mut self) {
        let shared = Arc::clone(&self.shared);
        let wake = Arc::clone(&self.wake);
        let mut events = Vec::new();
        loop {
            let due = self.later.next_ms().map(|due_ms| shared.instant(due_ms));
            tokio::select! {
                event = self.driver.event() => {
                    let Some(event) = event else { return };
                    events.push(event);
                    while let Some(event) = self.driver.session().poll_event() {
                        events.push(event);
                    }
                }
                () = wake.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
                () = shared.closing.cancelled() => return,
            }
            self.turn(&mut events);
            self.driver.flush();
        }
    }

    /// One batch: everything that came, answers that are due, and as much as the window lets through.
    fn turn(&mut self, events: &mut Vec<Event<Delivery>>) {
        let shared = Arc::clone(&self.shared);
        let now = Instant::now();
        let now_ms = shared.now_ms(now);
        let mut replies = Vec::new();
        let mut carrier = shared.carrier();
        for event in events.drain(..) {
            self.take(&mut carrier, event, now_ms, &mut replies);
        }
        let waited = replies.len();
        while let Some(reply) = self.later.pop_due(now_ms) {
            replies.push(reply);
        }
        carrier.answers_sent((replies.len() - waited) as u64);
        let room = if self.receives { self.driver.session().window_room() } else { 0 };
        let pulled = match self.bound {
            Some(bound) if room > 0 => carrier.pull(bound.account, room, now_ms),
            _ => Vec::new(),
        };
        carrier.commit();
        self.rouse(&mut carrier);
        drop(carrier);
        if self.reset {
            self.bring_back(pulled);
            return self.driver.session().handle_closed(now);
        }
        self.say(now, replies, pulled);
    }

    /// What this connection has no room for is for the others.
    fn rouse(&self, carrier: &mut Carrier) {
        if let Some(standing) = self.bound.and_then(|bound| carrier.accounts.get(bound.account)) {
            standing.rouse(Some(self.id));
        }
    }

    fn take(&mut self, carrier: &mut Carrier, event: Event<Delivery>, now_ms: i64, replies: &mut Vec<Reply>) {
        match event {
            Event::BindRequested { sequence, mode, bind } => {
                let status = match carrier.admit(&bind) {
                    Ok(account) => {
                        self.admitted = Some(Bound { link: self.id, account });
                        Status::OK
                    }
                    Err(status) => status,
                };
                info!(system_id = %bind.system_id, ?mode, %status, "bind");
                let command = mode.command().response().unwrap_or(CommandId::GENERIC_NACK);
                let id = status.is_ok().then(|| COctets::from(SYSTEM_ID));
                replies.push(Reply { sequence, command, status, id });
            }
            Event::Bound { mode, .. } => {
                self.receives = mode != BindMode::Transmitter;
                self.bound = self.admitted.take();
                if let Some(bound) = self.bound {
                    carrier.bound(bound, self.receives.then(|| Arc::clone(&self.wake)));
                }
            }
            Event::Requested { pdu, .. } => self.request(carrier, pdu, now_ms, replies),
            Event::Answered { tag, response, .. } => carrier.answered(self.id, tag, response.status, now_ms),
            Event::Expired { tag, .. } => carrier.unanswered(tag, now_ms),
            Event::Lost { tags } => tags.into_iter().for_each(|tag| carrier.unanswered(tag, now_ms)),
            Event::PeerUnbound => self.receives = false,
            Event::Closed { reason } => {
                self.receives = false;
                debug!(link = self.id, "closed: {reason}");
            }
            Event::Violated { what } => debug!(link = self.id, "{what}"),
            _ => {}
        }
    }

    fn request(&mut self, carrier: &mut Carrier, pdu: Pdu, now_ms: i64, replies: &mut Vec<Reply>) {
        let Some(bound) = self.bound.filter(|_| !self.reset) else { return };
        let (sequence, request) = (pdu.sequence, pdu.command_id());
        let Some(command) = request.response() else { return };
        let sm = match pdu.body {
            Body::SubmitSm(sm) => sm,
            Body::DataSm(data) => Sm::from(data),
            Body::CancelSm(cancel) => {
                let status = carrier.cancel(&cancel.message_id, now_ms);
                return replies.push(Reply { sequence, command, status, id: None });
            }
            _ => return replies.push(Reply { sequence, command, status: Status::INVCMDID, id: None }),
        };
        let answer = carrier.submit(bound, &sm, now_ms);
        self.submits += 1;
        self.reset = self.shared.settings.personality.reset_after.is_some_and(|after| self.submits >= after);
        match answer {
            Answer::Now(status, id) => replies.push(Reply { sequence, command, status, id }),
            Answer::At(due_ms, status, id) => {
                self.later.push(due_ms, Reply { sequence, command, status, id })
            }
            Answer::Never => {}
        }
    }

    fn say(&mut self, now: Instant, replies: Vec<Reply>, pulled: Vec<Delivery>) {
        let ids = self.shared.settings.ids;
        let session = self.driver.session();
        for Reply { sequence, command, status, id } in replies {
            if let Err(refusal) = session.respond(now, sequence, status, body(command, status, id)) {
                debug!(link = self.id, "answer not sent: {refusal}");
            }
        }
        let mut back = Vec::new();
        for delivery in pulled {
            let body = Body::DeliverSm(delivery.sm(ids));
            if let Err((_, delivery)) = session.request(now, body, delivery) {
                back.push(delivery);
            }
        }
        self.bring_back(back);
    }

    fn bring_back(&self, deliveries: Vec<Delivery>) {
        if !deliveries.is_empty() {
            let mut carrier = self.shared.carrier();
            deliveries.into_iter().rev().for_each(|delivery| carrier.give_back(delivery));
        }
    }

    fn leave(&mut self) {
        let unsent = self.later.drain().count() as u64;
        let mut carrier = self.shared.carrier();
        if let Some(bound) = self.bound {
            carrier.left(bound, unsent);
        }
        carrier.commit();
    }
}

fn body(command: CommandId, status: Status, id: Option<COctets>) -> Body {
    let message = || MessageResp { message_id: id.clone(), ..MessageResp::default() };
    let bind = || BindResp { system_id: id.clone(), ..BindResp::default() };
    match command {
        CommandId::SUBMIT_SM_RESP => Body::SubmitSmResp(message()),
        CommandId::DATA_SM_RESP => Body::DataSmResp(message()),
        CommandId::BIND_TRANSMITTER_RESP => Body::BindTransmitterResp(bind()),
        CommandId::BIND_RECEIVER_RESP => Body::BindReceiverResp(bind()),
        CommandId::BIND_TRANSCEIVER_RESP => Body::BindTransceiverResp(bind()),
        other => Body::bare_response(other, status).unwrap_or(Body::GenericNack),
    }
}
