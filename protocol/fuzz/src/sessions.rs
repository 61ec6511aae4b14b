//! One session, its owner and a peer that both do as the octets say, at the times the octets say.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::address::Address;
use protocol::frame::{Frame, Framer, Grade, Limits};
use protocol::pdu::{
    AlertNotification, Bind, Body, BroadcastSm, CommandId, DataSm, HEADER_OCTETS, Outbind, Pdu, Sm,
};
use protocol::session::{BindMode, Event, Role, Session, Settings, State};
use protocol::status::Status;
use protocol::tlv::{Tag, Tlv};
use protocol::version::Version;

use super::script::Script;

const VERSIONS: [Version; 3] = [Version::V5_0, Version::V3_4, Version::V3_3];

const MODES: [BindMode; 3] = [BindMode::Transceiver, BindMode::Transmitter, BindMode::Receiver];

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// The peer sends octets.
    Octets,
    /// The peer sends a PDU with a command, a status, a sequence number and a body.
    Pdu,
    /// The owner makes a request.
    Request,
    /// The owner answers one of the requests it was asked.
    Answer,
    /// The owner answers all of them with ESME_ROK.
    AnswerAll,
    /// The owner binds.
    Bind,
    /// The owner unbinds.
    Unbind,
    /// The owner sends what has no response.
    Notify,
    /// The owner sets the window.
    Window,
    /// Time goes by.
    Wait,
    /// The connection ends.
    Closed,
}

impl Step {
    const ALL: [Step; 11] = [
        Step::Octets,
        Step::Pdu,
        Step::Request,
        Step::Answer,
        Step::AnswerAll,
        Step::Bind,
        Step::Unbind,
        Step::Notify,
        Step::Window,
        Step::Wait,
        Step::Closed,
    ];
}

/// Every request ends exactly once, nothing comes after the end, the windows hold, what is written can be read and is of
/// the version agreed, and time that is due has been served.
pub fn session(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut owner = Owner::new(&mut script);
    while !script.is_empty() {
        owner.live(&mut script);
        owner.look();
    }
    owner.session.handle_closed(owner.now);
    owner.look();
    assert!(owner.closed);
}

/// The octets of a script: the settings, a bind, then these octets from the peer, answered.
pub fn script_of(role: Role, peer: &[u8]) -> Vec<u8> {
    let mut script = vec![role as u8, 0, 0, 0, 0, 0];
    match role {
        Role::Esme => {
            script.extend([Step::Bind as u8, 0, 0]);
            script.extend(pdu(CommandId::BIND_TRANSCEIVER_RESP, 1, &[0]));
            script.extend([Step::Request as u8, 0, Step::Request as u8, 1]);
        }
        Role::Smsc => {
            script.extend(pdu(CommandId::BIND_TRANSCEIVER, 1, &[0; 7]));
            script.push(Step::AnswerAll as u8);
            script.extend([Step::Request as u8, 2]);
        }
    }
    for piece in peer.chunks(usize::from(u8::MAX)) {
        script.extend([Step::Octets as u8, piece.len() as u8]);
        script.extend(piece);
    }
    script.extend([Step::AnswerAll as u8, Step::Wait as u8, 0x75, 0x30, Step::Unbind as u8]);
    script
}

fn pdu(command: CommandId, sequence: u8, body: &[u8]) -> Vec<u8> {
    let at = CommandId::NAMED.iter().position(|named| *named == command).expect("a named command");
    [&[Step::Pdu as u8, at as u8, 0, sequence, body.len() as u8][..], body].concat()
}

/// The owner of a session, who keeps count.
struct Owner {
    session: Session<u32>,
    now: Instant,
    role: Role,
    window: usize,
    asked: Vec<(u32, CommandId)>,
    made: u32,
    open: BTreeSet<u32>,
    bound: bool,
    // Set once it can't change any more.
    agreed: Option<Version>,
    closed: bool,
    reader: Framer,
}

impl Owner {
    fn new(script: &mut Script<'_>) -> Self {
        let now = Instant::now();
        let role = script.choose(&[Role::Esme, Role::Smsc]);
        let timers = [Duration::from_secs(20), Duration::from_secs(1), Duration::ZERO, Duration::MAX];
        let settings = Settings {
            role,
            grade: script.choose(&[Grade::Lenient, Grade::Strict]),
            window: script.choose(&[4, 0, 1, 2]),
            peer_window: script.choose(&[3, 0, 1, 100]),
            max_pdu_octets: 1000,
            inactivity_timeout: Some(Duration::from_secs(45)),
            enquire_link_interval: script.choose(&timers),
            version: script.choose(&VERSIONS),
            ..Settings::esme()
        };
        Owner {
            window: settings.window.max(1),
            session: Session::new(now, settings),
            now,
            role,
            asked: Vec::new(),
            made: 0,
            open: BTreeSet::new(),
            bound: false,
            agreed: None,
            closed: false,
            reader: Framer::new(Limits::default(), Grade::Lenient),
        }
    }

    fn live(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        match script.choose(&Step::ALL) {
            Step::Octets => self.session.handle_bytes(now, script.octets()),
            Step::Pdu => self.session.handle_bytes(now, &peer_pdu(script)),
            Step::Request => self.request(script),
            Step::Answer => self.answer(script),
            Step::AnswerAll => {
                for (sequence, command) in std::mem::take(&mut self.asked) {
                    self.respond(sequence, command, Status::OK);
                }
            }
            Step::Bind => {
                let mode = script.choose(&MODES);
                let interface_version = script.choose(&VERSIONS).interface_version();
                let _ = self.session.bind(now, mode, Bind { interface_version, ..Bind::default() });
            }
            Step::Unbind => self.session.unbind(now),
            Step::Notify => {
                let body = match script.choose(&[true, false]) {
                    true => Body::AlertNotification(AlertNotification::default()),
                    false => Body::Outbind(Outbind::default()),
                };
                let _ = self.session.notify(now, body);
            }
            Step::Window => {
                let window = usize::from(script.octet() % 8);
                self.session.set_window(window);
                self.window = window.max(1).max(self.session.in_flight());
            }
            Step::Wait => self.wait(Duration::from_millis(u64::from(script.two_octets()))),
            Step::Closed => self.session.handle_closed(now),
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        // In time, as a driver does, unless it was asleep for all of it.
        while time < Duration::from_secs(60)
            && let Some(due) = self.session.poll_timeout().filter(|due| *due <= until)
        {
            self.now = due.max(self.now);
            self.session.handle_timeout(self.now);
            assert!(self.session.poll_timeout().is_none_or(|next| next > self.now), "due still");
        }
        self.now = until;
        self.session.handle_timeout(until);
        assert!(self.session.poll_timeout().is_none_or(|next| next > until), "due still");
    }

    fn request(&mut self, script: &mut Script<'_>) {
        let payload = || [Tlv::new(Tag::MESSAGE_PAYLOAD, &b"text"[..])].into_iter().collect();
        let body = match script.octet() % 7 {
            0 => Body::SubmitSm(Sm { dest: Address::international("447700900123"), ..Sm::default() }),
            1 => Body::Unknown { command_id: 0x0001_0200, body: Bytes::from_static(b"own") },
            2 => Body::DeliverSm(Sm { source: Address::international("447700900123"), ..Sm::default() }),
            3 => Body::SubmitSm(Sm { short_message: vec![b'x'; 255].into(), ..Sm::default() }),
            4 => Body::SubmitSm(Sm {
                tlvs: Tag::NAMED.iter().map(|&tag| Tlv::u8(tag, 1)).collect(),
                ..Sm::default()
            }),
            5 => Body::DataSm(DataSm { tlvs: payload(), ..DataSm::default() }),
            _ => Body::BroadcastSm(BroadcastSm { tlvs: payload(), ..BroadcastSm::default() }),
        };
        self.made += 1;
        let room = self.session.window_room();
        match self.session.request(self.now, body, self.made) {
            Ok(_) => {
                assert!(room > 0);
                self.open.insert(self.made);
            }
            Err((_, tag)) => assert_eq!(tag, self.made),
        }
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        // All that have a name, those of 5.0 among them.
        let (at, status) = (usize::from(script.octet()), u32::from(script.octet()) * 2);
        if self.asked.is_empty() {
            return;
        }
        let (sequence, command) = self.asked.swap_remove(at % self.asked.len());
        self.respond(sequence, command, Status(status));
    }

    fn respond(&mut self, sequence: u32, command: CommandId, status: Status) {
        let response = command.response().expect("what must be answered has a response");
        let body = Body::bare_response(response, status).expect("a response");
        let open = !self.session.is_closed();
        assert_eq!(self.session.respond(self.now, sequence, status, body).is_ok(), open);
    }

    fn look(&mut self) {
        let was_closed = self.closed;
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "told after the end: {event:?}");
            self.told(event);
        }
        assert_eq!(self.session.in_flight(), self.open.len());
        assert!(self.open.len() <= self.window);
        assert_eq!(self.session.is_closed(), self.closed);
        if let State::Bound(_) = self.session.state() {
            assert!(self.bound);
        }
        if self.closed {
            assert_eq!((self.session.poll_timeout(), self.session.wants_read()), (None, false));
            assert_eq!(self.session.window_room(), 0);
        }
        if let Some(octets) = self.session.poll_transmit() {
            assert!(!was_closed, "written after the end");
            self.reader.push(&octets);
        }
        while let Some(frame) = self.reader.next() {
            match frame {
                Ok(Frame::Clean(pdu) | Frame::Tolerated(pdu, _)) => self.judge(&pdu),
                unreadable => panic!("wrote {unreadable:?}"),
            }
        }
        assert_eq!(self.reader.buffered(), 0);
        self.agreed = self.session.state().mode().map(|_| self.session.version());
    }

    /// What is written while bound is of the version agreed.
    fn judge(&self, pdu: &Pdu) {
        let Some(version) = self.agreed else { return };
        assert_eq!(version.nearest_status(pdu.status), pdu.status, "{version}");
        assert!(
            pdu.body.tlvs().into_iter().flatten().all(|tlv| version.has_tlv(tlv.tag)),
            "{version}: {pdu:?}"
        );
        if !pdu.command_id().is_response() {
            assert!(version.has_command(pdu.command_id()), "{version}: {pdu:?}");
            assert!(version == Version::V5_0 || pdu.body.short_message().is_none_or(|text| text.len() < 255));
        }
    }

    fn told(&mut self, event: Event<u32>) {
        match event {
            Event::BindRequested { sequence, mode, .. } => {
                assert_eq!(self.role, Role::Smsc);
                self.asked.push((sequence, mode.command()));
            }
            Event::Bound { .. } => {
                assert!(!self.bound, "bound twice");
                self.bound = true;
            }
            Event::Requested { pdu, .. } => {
                assert!(self.bound);
                self.asked.push((pdu.sequence, pdu.command_id()));
            }
            Event::Answered { tag, response, .. } => {
                assert!(self.open.remove(&tag), "{tag} ended twice");
                assert!(response.body != Body::GenericNack || !response.status.is_ok());
            }
            Event::Expired { tag, .. } => assert!(self.open.remove(&tag), "{tag} ended twice"),
            Event::Lost { tags } => {
                assert!(tags.is_sorted() && !tags.is_empty());
                assert!(tags.iter().all(|tag| self.open.remove(tag)), "{tags:?}: one ended twice");
            }
            Event::Closed { .. } => {
                assert!(self.open.is_empty(), "closed, and not told of {:?}", self.open);
                self.closed = true;
                self.asked.clear();
            }
            _ => {}
        }
    }
}

fn peer_pdu(script: &mut Script<'_>) -> Vec<u8> {
    let command = script.choose(CommandId::NAMED);
    let status = u32::from(script.octet());
    let sequence = match script.octet() {
        // The highest, and one that does not exist.
        0xFE => 0x7FFF_FFFF,
        0xFF => script.four_octets(),
        small => u32::from(small % 16),
    };
    let body = script.octets();
    let mut octets = Vec::with_capacity(HEADER_OCTETS + body.len());
    for word in [(HEADER_OCTETS + body.len()) as u32, command.0, status, sequence] {
        octets.extend(word.to_be_bytes());
    }
    octets.extend(body);
    octets
}
