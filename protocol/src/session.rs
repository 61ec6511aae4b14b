//! An SMPP session without its socket: octets and time in, octets and events out; one type for client and server.
//!
//! A driver owns a connection and a [`Session`]. It hands over what it reads ([`Session::handle_bytes`]), calls
//! [`Session::handle_timeout`] when [`Session::poll_timeout`] says, and after each of its calls writes what
//! [`Session::poll_transmit`] gives and takes the events out of [`Session::poll_event`]. It decides nothing, and no clock
//! is read here: a conversation can be run again to the nanosecond.
//!
//! The session does by itself what needs no decision: it answers enquire_link, unbind and what can't be read or is not
//! permitted (SMPP 3.4 table 2-1, see [`permits`]), sends enquire_link into silence, gives sequence numbers, keeps the
//! window, matches responses, and lets requests expire. The caller decides about binds and answers requests.
//!
//! ```
//! use std::time::Instant;
//! use protocol::pdu::{Bind, BindResp, Body, MessageResp, Sm};
//! use protocol::session::{BindMode, Event, Session, Settings};
//! use protocol::status::Status;
//!
//! let now = Instant::now();
//! let mut client: Session<&str> = Session::new(now, Settings::esme());
//! let mut server: Session<()> = Session::new(now, Settings::smsc());
//!
//! client.bind(now, BindMode::Transceiver, Bind { system_id: "client".into(), ..Bind::default() })?;
//! server.handle_bytes(now, &client.poll_transmit().expect("a bind"));
//! let Some(Event::BindRequested { sequence, .. }) = server.poll_event() else { panic!() };
//! server.respond(now, sequence, Status::OK, Body::BindTransceiverResp(BindResp::default()))?;
//! client.handle_bytes(now, &server.poll_transmit().expect("its answer"));
//! assert!(matches!(client.poll_event(), Some(Event::Bound { .. })));
//!
//! let hello = Sm { short_message: "Hello".into(), ..Sm::default() };
//! client.request(now, Body::SubmitSm(hello), "my tag").expect("bound, and the window is empty");
//! server.handle_bytes(now, &client.poll_transmit().expect("a submit_sm"));
//! assert!(matches!(server.poll_event(), Some(Event::Bound { .. })));
//! let Some(Event::Requested { pdu, .. }) = server.poll_event() else { panic!() };
//! server.respond(now, pdu.sequence, Status::OK, Body::SubmitSmResp(MessageResp::with_id("42")))?;
//! client.handle_bytes(now, &server.poll_transmit().expect("its answer"));
//! assert!(matches!(client.poll_event(), Some(Event::Answered { tag: "my tag", .. })));
//! # Ok::<(), protocol::session::Refusal>(())
//! ```

mod ending;
mod event;
mod matrix;
mod owed;
mod receive;
mod settings;
mod timers;
mod window;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::error::Deviations;
use crate::frame::{Framer, Limits};
use crate::octets::COctets;
use crate::pdu::{Bind, Body, CommandId, Pdu};
use crate::status::Status;
use crate::tlv::{Tag, Tlv};
use crate::version::Version;

pub use event::{CloseReason, Event, Refusal, Violation};
pub use matrix::{BindMode, Role, State, permits};
pub use settings::Settings;

use ending::Ending;
use owed::Owed;
use timers::Timers;
use window::Window;

/// Answers not written yet beyond which no more is read: a peer that sends without reading is held by TCP.
const ANSWERS_MOST_OCTETS: usize = 256 * 1024;

/// Requests of the peer that are taken beyond its window, since they were read already: more than a read of 64 KiB holds.
const PEER_OVERRUN_MOST: usize = 4096;

/// Room taken for writing at a time: some 50 usual PDUs, little for an idle session.
const WRITE_OCTETS: usize = 4 * 1024;

/// One SMPP session, from the connection to its end. `T` tags the requests its owner makes.
pub struct Session<T> {
    settings: Settings,
    state: State,
    version: Version,
    ending: Ending,
    framer: Framer,
    window: Window<T>,
    owed: Owed,
    binding: Option<Binding>,
    // The last enquire_link, should it be refused.
    probe: Option<u32>,
    // Requests that came while the bind was not answered yet.
    held: VecDeque<(Pdu, Deviations)>,
    timers: Timers,
    // Written first: a peer that waits for answers must not wait behind new work.
    answers: BytesMut,
    requests: BytesMut,
    events: VecDeque<Event<T>>,
}

/// The bind that is not answered yet.
struct Binding {
    /// Of the bind: ours as client, the peer's as server.
    sequence: u32,
    system_id: COctets,
    version: u8,
}

impl<T> Session<T> {
    /// A session on a connection that stands.
    pub fn new(now: Instant, settings: Settings) -> Self {
        Session {
            state: State::Open,
            version: settings.version,
            ending: Ending::Not,
            framer: Framer::new(Limits { max_pdu_octets: settings.max_pdu_octets }, settings.grade),
            window: Window::new(settings.window),
            owed: Owed::default(),
            binding: None,
            probe: None,
            held: VecDeque::new(),
            timers: Timers::new(now, &settings),
            answers: BytesMut::new(),
            requests: BytesMut::new(),
            events: VecDeque::new(),
            settings,
        }
    }

    /// Takes what was read from the connection, in any portions.
    pub fn handle_bytes(&mut self, now: Instant, octets: &[u8]) {
        if self.is_closed() {
            return;
        }
        self.framer.push(octets);
        while !self.is_closed()
            && let Some(frame) = self.framer.next()
        {
            self.receive(now, frame);
            self.advance_end(now);
        }
    }

    /// Does what is due by `now`.
    ///
    /// Nobody is given up for a slowness of ours: no request expires, and no link is taken for dead, while the peer's
    /// window is full of requests that we have not answered and nothing is read for that (up to a minute), nor within a
    /// second after, nor within a second after a call that comes a second late or more.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(due) = self.poll_timeout() {
            self.timers.served(now, due);
        }
        while self.expiry().is_some_and(|at| at <= now)
            && let Some((sequence, tag)) = self.window.expire_oldest()
        {
            self.events.push_back(Event::Expired { tag, sequence });
        }
        self.advance_end(now);
        while let Some((at, alarm)) = self.timers.next(&self.settings)
            && at <= now
        {
            self.ring(now, alarm);
        }
    }

    /// Takes that the connection is closed, by whomever. After our unbind, that is as good as its answer.
    pub fn handle_closed(&mut self, _now: Instant) {
        self.finish(match self.ending {
            Ending::Asked { reason, .. } => reason,
            Ending::Leaving { .. } => CloseReason::PeerUnbound,
            Ending::Not | Ending::Draining(_) => CloseReason::PeerClosed,
        });
    }

    /// Client: asks the server to bind. [`Event::Bound`] or [`Event::BindRefused`] follows, or the init timer ends it.
    ///
    /// # Errors
    /// When already bound or binding, or for a server.
    pub fn bind(&mut self, now: Instant, mode: BindMode, bind: Bind) -> Result<(), Refusal> {
        self.permitted(mode.command())?;
        let sequence = self.window.next_sequence();
        self.version = self.settings.version.min(Version::of(bind.interface_version));
        self.binding =
            Some(Binding { sequence, system_id: bind.system_id.clone(), version: bind.interface_version });
        let body = match mode {
            BindMode::Transmitter => Body::BindTransmitter(bind),
            BindMode::Receiver => Body::BindReceiver(bind),
            BindMode::Transceiver => Body::BindTransceiver(bind),
        };
        self.state = State::Binding(mode);
        self.timers.binding(now, &self.settings);
        self.send(now, &Pdu::new(sequence, body));
        Ok(())
    }

    /// Makes a request; the answer comes as an event with `tag`. Gives its sequence number.
    ///
    /// # Errors
    /// When the window is full, when the PDU is not ours to send in this state or not of the [version](Session::version)
    /// agreed, and when the session is over: with the tag, of which no event will tell. bind, unbind and PDUs without a
    /// response have methods of their own.
    pub fn request(&mut self, now: Instant, mut body: Body, tag: T) -> Result<u32, (Refusal, T)> {
        let command = body.command_id();
        if let Err(refusal) = self.may_begin(command) {
            return Err((refusal, tag));
        }
        if self.window.room() == 0 {
            return Err((Refusal::WindowFull, tag));
        }
        if let Err(misfit) = self.version.fit_request(&mut body) {
            return Err((Refusal::NotInVersion(misfit), tag));
        }
        let sequence = self.window.next_sequence();
        self.window.send(now, sequence, command, tag);
        self.send(now, &Pdu::new(sequence, body));
        self.timers.active(now);
        Ok(sequence)
    }

    /// Sends a PDU that has no response: alert_notification, or a server's outbind before the bind.
    ///
    /// # Errors
    /// When it is another PDU, not ours to send in this state or not of the version agreed, or the session is over.
    pub fn notify(&mut self, now: Instant, mut body: Body) -> Result<(), Refusal> {
        match body {
            Body::Outbind(_) => self.permitted(CommandId::OUTBIND)?,
            Body::AlertNotification(_) if self.ending == Ending::Not => {
                self.permitted(CommandId::ALERT_NOTIFICATION)?;
            }
            _ if self.is_closed() => return Err(Refusal::Closed),
            _ => return Err(Refusal::NotPermitted(self.state)),
        }
        self.version.fit_request(&mut body).map_err(Refusal::NotInVersion)?;
        if matches!(body, Body::Outbind(_)) {
            self.state = State::Outbound;
        }
        let sequence = self.window.next_sequence();
        self.send(now, &Pdu::new(sequence, body));
        self.timers.active(now);
        Ok(())
    }

    /// Answers [`Event::Requested`] or [`Event::BindRequested`]: `body` is the response of the request's command or, but
    /// for a bind, generic_nack. A parameter or status that the [version](Session::version) agreed does not have is left
    /// out, or said as the nearest it has; the response that binds says the version.
    ///
    /// # Errors
    /// When no such request waits, or the session is over.
    pub fn respond(
        &mut self,
        now: Instant,
        sequence: u32,
        status: Status,
        body: Body,
    ) -> Result<(), Refusal> {
        if self.is_closed() {
            return Err(Refusal::Closed);
        }
        let command = body.command_id();
        if self.settings.role == Role::Smsc
            && let State::Binding(mode) = self.state
            && let Some(binding) = self
                .binding
                .take_if(|binding| binding.sequence == sequence && mode.command().response() == Some(command))
        {
            let mut answer = Pdu::with_status(sequence, status, body);
            if status.is_ok() {
                self.tell_version(&mut answer.body);
            }
            self.answer(now, answer);
            if status.is_ok() {
                self.become_bound(now, mode, Some(binding.system_id), Some(binding.version));
            } else {
                self.refuse_held(now);
                self.finish(CloseReason::BindRefused);
            }
            return Ok(());
        }
        if !self.owed.settle(sequence, command) {
            return Err(Refusal::NotOwed);
        }
        if !self.is_stalled() {
            self.timers.resumed(now);
        }
        self.answer(now, Pdu::with_status(sequence, status, body));
        self.timers.active(now);
        self.advance_end(now);
        Ok(())
    }

    /// Ends the session in good order: begins no more requests, waits for the answers still out on either side, sends
    /// unbind and waits for its answer, each for at most `unbind_timeout`. Before the bind it just closes. Calling it
    /// again changes nothing.
    pub fn unbind(&mut self, now: Instant) {
        self.begin_end(now, CloseReason::Unbound);
    }

    /// Everything to write now, our answers in front of our requests; `None` when there is nothing.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        match (self.answers.is_empty(), self.requests.is_empty()) {
            (true, true) => None,
            (true, false) => Some(self.requests.split().freeze()),
            (false, requests_empty) => {
                if !requests_empty {
                    self.answers.extend_from_slice(&self.requests);
                    self.requests.clear();
                }
                Some(self.answers.split().freeze())
            }
        }
    }

    /// When [`Session::handle_timeout`] must be called next, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarm = self.timers.next(&self.settings).map(|(at, _)| at);
        self.expiry().into_iter().chain(alarm).min()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Whether more should be read from the connection: not while the peer has too much unanswered, nor from a client
    /// that goes on before it knows whether its bind is granted.
    pub fn wants_read(&self) -> bool {
        let unknown = self.settings.role == Role::Smsc && !self.held.is_empty();
        !self.is_closed() && !self.is_stalled() && !unknown && self.answers.len() < ANSWERS_MOST_OCTETS
    }

    /// Requests that may be made now; 0 unless bound.
    pub fn window_room(&self) -> usize {
        match self.state {
            State::Bound(_) => self.window.room(),
            _ => 0,
        }
    }

    /// Sets the window anew. Requests in flight beyond it stay.
    pub fn set_window(&mut self, window: usize) {
        self.window.resize(window);
    }

    /// Sets anew how many requests of the peer may be unanswered before [`Session::wants_read`] says to stop reading.
    pub fn set_peer_window(&mut self, window: usize) {
        self.settings.peer_window = window;
    }

    /// Requests of ours that are unanswered.
    pub fn in_flight(&self) -> usize {
        self.window.in_flight()
    }

    /// Requests of the peer that wait for [`Session::respond`].
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// The version we send by: the lowest of ours ([`Settings::version`]), the one that the client's bind offers, and
    /// the one that the server's answer names. Carriers that speak 3.4 often name none, so that is no reason to send
    /// less. Before the bind, ours.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the session is over. Events and octets may be left to take.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the peer's window is full of requests that we have not answered.
    fn is_stalled(&self) -> bool {
        self.owed.len() >= self.settings.peer_window.max(1)
    }

    /// When the oldest request in flight expires.
    fn expiry(&self) -> Option<Instant> {
        let due = self.window.oldest()?.checked_add(self.settings.response_timeout)?;
        Some(self.timers.give_up(due))
    }

    fn permitted(&self, command: CommandId) -> Result<(), Refusal> {
        match self.state {
            State::Closed => Err(Refusal::Closed),
            State::Binding(_) => Err(Refusal::NotPermitted(self.state)),
            state if permits(self.settings.role, state, command) => Ok(()),
            state => Err(Refusal::NotPermitted(state)),
        }
    }

    /// Whether a request may be begun: bound, not unbinding, and one that the window is for.
    fn may_begin(&self, command: CommandId) -> Result<(), Refusal> {
        let windowed = match command {
            CommandId::UNBIND | CommandId::ENQUIRE_LINK | CommandId::ALERT_NOTIFICATION => false,
            command => !command.is_response(),
        };
        match self.state {
            State::Closed => Err(Refusal::Closed),
            State::Bound(_) if windowed => self.permitted(command),
            state => Err(Refusal::NotPermitted(state)),
        }
    }

    fn become_bound(
        &mut self,
        now: Instant,
        mode: BindMode,
        system_id: Option<COctets>,
        version: Option<u8>,
    ) {
        self.state = State::Bound(mode);
        self.events.push_back(Event::Bound { mode, system_id, version });
        for (pdu, deviations) in std::mem::take(&mut self.held) {
            self.take_on(now, pdu, deviations);
        }
        match self.ending {
            Ending::Not => self.timers.bound(now),
            _ => self.state = State::Unbinding(mode),
        }
        self.advance_end(now);
    }

    fn take_on(&mut self, now: Instant, pdu: Pdu, deviations: Deviations) {
        self.owed.take_on(pdu.sequence, pdu.command_id());
        if self.is_stalled() {
            self.timers.stalled(now);
        }
        self.events.push_back(Event::Requested { pdu, deviations });
    }

    fn refuse_held(&mut self, now: Instant) {
        for (pdu, _) in std::mem::take(&mut self.held) {
            self.refuse(now, &pdu, Status::INVBNDSTS);
        }
    }

    fn refuse(&mut self, now: Instant, pdu: &Pdu, status: Status) {
        if let Some(reply) = pdu.reply(status) {
            self.answer(now, reply);
        }
    }

    fn send(&mut self, now: Instant, pdu: &Pdu) {
        write(&mut self.requests, pdu);
        self.timers.sent(now);
    }

    /// Server: sc_interface_version, the version agreed (SMPP 3.4 section 5.3.2.25), unless the owner says another.
    fn tell_version(&self, body: &mut Body) {
        if let Some(tlvs) = body.tlvs_mut()
            && tlvs.get(Tag::SC_INTERFACE_VERSION).is_none()
        {
            tlvs.push(Tlv::u8(Tag::SC_INTERFACE_VERSION, self.version.interface_version()));
        }
    }

    fn answer(&mut self, now: Instant, mut pdu: Pdu) {
        self.version.fit_response(&mut pdu);
        write(&mut self.answers, &pdu);
        self.timers.sent(now);
    }
}

fn write(out: &mut BytesMut, pdu: &Pdu) {
    if out.capacity() - out.len() < WRITE_OCTETS / 8 {
        out.reserve(WRITE_OCTETS);
    }
    pdu.encode(out);
}

fn bind_body(mode: BindMode) -> Body {
    match mode {
        BindMode::Transmitter => Body::BindTransmitter(Bind::default()),
        BindMode::Receiver => Body::BindReceiver(Bind::default()),
        BindMode::Transceiver => Body::BindTransceiver(Bind::default()),
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.settings.role)
            .field("state", &self.state)
            .field("in_flight", &self.in_flight())
            .field("owed", &self.owed())
            .finish_non_exhaustive()
    }
}
