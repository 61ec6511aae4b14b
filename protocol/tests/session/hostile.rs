//! One session and a peer gone mad: any PDU in any state, any octets. Nothing panics, nothing is told twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use protocol::frame::{Frame, Framer, Grade, Limits};
use protocol::pdu::{Bind, Body, CommandId, HEADER_OCTETS, Sm};
use protocol::session::{BindMode, Event, Role, Session, Settings};
use protocol::status::Status;

#[derive(Clone, Debug)]
enum Whim {
    /// The peer sends a PDU: command, status, sequence, body.
    Pdu(CommandId, u32, u32, Vec<u8>),
    /// The peer sends octets.
    Octets(Vec<u8>),
    /// The owner sends that many requests.
    Request(u8),
    /// The owner answers everything it was asked, with that status.
    Answer(u32),
    Bind,
    Unbind,
    Wait(u64),
    Closed,
}

fn command() -> impl Strategy<Value = CommandId> {
    prop_oneof![8 => prop::sample::select(CommandId::NAMED), 1 => any::<u32>().prop_map(CommandId)]
}

fn whim() -> impl Strategy<Value = Whim> {
    let body = prop_oneof![
        2 => Just(Vec::new()),
        // Empty strings and zeros: a body that most commands can be read from.
        4 => (0..40_usize).prop_map(|octets| vec![0; octets]),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let status = prop_oneof![3 => Just(0_u32), 1 => 0..0x200_u32, 1 => any::<u32>()];
    let sequence = prop_oneof![9 => 0..12_u32, 1 => any::<u32>()];
    prop_oneof![
        20 => (command(), status, sequence, body).prop_map(|(c, st, sq, body)| Whim::Pdu(c, st, sq, body)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Whim::Octets),
        6 => (1..4_u8).prop_map(Whim::Request),
        4 => prop_oneof![Just(0_u32), any::<u32>()].prop_map(Whim::Answer),
        2 => Just(Whim::Bind),
        1 => Just(Whim::Unbind),
        3 => (0..12_000_u64).prop_map(Whim::Wait),
        1 => Just(Whim::Closed),
    ]
}

/// A session and its owner, who counts.
struct Owner {
    session: Session<u32>,
    now: Instant,
    asked: Vec<(u32, CommandId)>,
    tags: u32,
    open: BTreeSet<u32>,
    closed: bool,
    reader: Framer,
}

const WINDOW: usize = 4;

impl Owner {
    fn new(role: Role, grade: Grade) -> Self {
        let now = Instant::now();
        let settings = Settings {
            role,
            grade,
            window: WINDOW,
            peer_window: 3,
            inactivity_timeout: Some(Duration::from_secs(45)),
            ..Settings::esme()
        };
        Owner {
            session: Session::new(now, settings),
            now,
            asked: Vec::new(),
            tags: 0,
            open: BTreeSet::new(),
            closed: false,
            reader: Framer::new(Limits::default(), Grade::Lenient),
        }
    }

    fn bind(&mut self) {
        let _ = self.session.bind(self.now, BindMode::Transceiver, Bind::default());
    }

    fn live(&mut self, whim: Whim) {
        let now = self.now;
        match whim {
            Whim::Pdu(command, status, sequence, body) => {
                let mut octets = BytesMut::new();
                for word in [(HEADER_OCTETS + body.len()) as u32, command.0, status, sequence] {
                    octets.extend_from_slice(&word.to_be_bytes());
                }
                octets.extend_from_slice(&body);
                self.session.handle_bytes(now, &octets);
            }
            Whim::Octets(octets) => self.session.handle_bytes(now, &octets),
            Whim::Request(count) => {
                for _ in 0..count {
                    let body = match self.tags % 3 {
                        0 => Body::SubmitSm(Sm::default()),
                        1 => Body::DeliverSm(Sm::default()),
                        _ => Body::Unknown { command_id: 0x0001_0200, body: Bytes::from_static(b"own") },
                    };
                    self.tags += 1;
                    if self.session.request(now, body, self.tags).is_ok() {
                        self.open.insert(self.tags);
                    }
                }
            }
            Whim::Answer(status) => {
                for (sequence, command) in std::mem::take(&mut self.asked) {
                    let response = command.response().unwrap();
                    let body = Body::bare_response(response, Status(status)).unwrap();
                    let open = !self.session.is_closed();
                    assert_eq!(self.session.respond(now, sequence, Status(status), body).is_ok(), open);
                }
            }
            Whim::Bind => self.bind(),
            Whim::Unbind => self.session.unbind(now),
            Whim::Wait(time_ms) => {
                self.now += Duration::from_millis(time_ms);
                self.session.handle_timeout(self.now);
                assert!(self.session.poll_timeout().is_none_or(|next| next > self.now));
            }
            Whim::Closed => self.session.handle_closed(now),
        }
        self.look();
    }

    fn look(&mut self) {
        let was_closed = self.closed;
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "told after the end: {event:?}");
            match event {
                Event::Answered { tag, response, .. } => {
                    assert!(self.open.remove(&tag), "{tag} ended twice");
                    assert!(response.body != Body::GenericNack || !response.status.is_ok());
                }
                Event::Expired { tag, .. } => assert!(self.open.remove(&tag), "{tag} ended twice"),
                Event::Lost { tags } => {
                    assert!(tags.is_sorted() && !tags.is_empty());
                    assert!(tags.iter().all(|tag| self.open.remove(tag)), "{tags:?}: one ended twice");
                }
                Event::BindRequested { sequence, mode, .. } => self.asked.push((sequence, mode.command())),
                Event::Requested { pdu, .. } => self.asked.push((pdu.sequence, pdu.command_id())),
                Event::Closed { .. } => {
                    assert!(self.open.is_empty(), "closed, and not told of {:?}", self.open);
                    self.closed = true;
                    self.asked.clear();
                }
                _ => {}
            }
        }
        assert_eq!(self.session.in_flight(), self.open.len());
        assert!(self.session.in_flight() <= WINDOW);
        assert_eq!(self.session.is_closed(), self.closed);
        if self.closed {
            assert_eq!((self.session.poll_timeout(), self.session.wants_read()), (None, false));
        }
        if let Some(octets) = self.session.poll_transmit() {
            assert!(!was_closed, "written after the end");
            self.reader.push(&octets);
        }
        while let Some(frame) = self.reader.next() {
            assert!(!matches!(frame, Ok(Frame::Malformed { .. }) | Err(_)), "wrote {frame:?}");
        }
        assert_eq!(self.reader.buffered(), 0);
    }
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Esme), Just(Role::Smsc)]
}

fn grade() -> impl Strategy<Value = Grade> {
    prop_oneof![3 => Just(Grade::Lenient), 1 => Just(Grade::Strict)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mad_peer_neither_breaks_a_session_nor_its_count(
        role in role(),
        grade in grade(),
        whims in prop::collection::vec(whim(), 0..120),
    ) {
        let mut owner = Owner::new(role, grade);
        // Half way in, so that the walk is not mostly before the bind.
        match role {
            Role::Esme => {
                owner.bind();
                owner.live(Whim::Pdu(CommandId::BIND_TRANSCEIVER_RESP, 0, 1, vec![0]));
            }
            Role::Smsc => {
                owner.live(Whim::Pdu(CommandId::BIND_TRANSCEIVER, 0, 1, vec![0; 7]));
                owner.live(Whim::Answer(0));
            }
        }
        for whim in whims {
            owner.live(whim);
        }
        owner.live(Whim::Closed);
        prop_assert!(owner.closed && owner.open.is_empty());
    }

    #[test]
    fn random_octets_in_random_portions_do_no_harm(
        role in role(),
        octets in prop::collection::vec(any::<u8>(), 0..600),
        portion in 1..50_usize,
    ) {
        let mut owner = Owner::new(role, Grade::Lenient);
        for portion in octets.chunks(portion) {
            owner.live(Whim::Octets(portion.to_vec()));
        }
    }
}

#[test]
fn a_flood_beyond_the_window_is_bounded() {
    let mut owner = Owner::new(Role::Smsc, Grade::Lenient);
    owner.live(Whim::Pdu(CommandId::BIND_TRANSCEIVER, 0, 1, vec![0; 7]));
    owner.live(Whim::Answer(0));
    // A driver that does not ask wants_read.
    for sequence in 0..20_000 {
        owner.live(Whim::Pdu(CommandId::SUBMIT_SM, 0, sequence, vec![0; 17]));
    }
    assert!(!owner.session.wants_read());
    assert!(owner.session.owed() < 5_000, "{}", owner.session.owed());
    assert!(!owner.session.is_closed());
}
