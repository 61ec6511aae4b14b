//! Two sessions joined over a network that delays, splits, merges and cuts, with owners that answer when they like.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use protocol::octets::COctets;
use protocol::pdu::{Bind, BindResp, Body, MessageResp, SEQUENCE_MAX, Sm};
use protocol::session::{BindMode, CloseReason, Event, Refusal, Role, Session, Settings, State};
use protocol::status::Status;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than every timer of a session together, and an owner who never answers: by then an unbind has ended it.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug)]
enum Op {
    /// An owner makes a request.
    Request(Side),
    /// An owner answers one of the requests it has, and not always the oldest.
    Answer(Side, usize, Verdict),
    /// The network carries some octets to that side.
    Carry(Side, usize),
    /// Time passes.
    Wait(u64),
    /// An owner has enough.
    Unbind(Side),
    /// The network breaks.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    Throttled,
    Nack,
}

/// Where the story begins.
#[derive(Clone, Copy, Debug)]
enum Start {
    Binding,
    Bound,
}

/// How the story ends.
#[derive(Clone, Copy, Debug)]
enum Finale {
    Unbind(Side),
    Cut,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn op() -> impl Strategy<Value = Op> {
    let verdict =
        prop_oneof![6 => Just(Verdict::Taken), 1 => Just(Verdict::Throttled), 1 => Just(Verdict::Nack)];
    prop_oneof![
        30 => side().prop_map(Op::Request),
        30 => (side(), any::<usize>(), verdict).prop_map(|(side, which, how)| Op::Answer(side, which, how)),
        40 => (side(), 1..400_usize).prop_map(|(side, octets)| Op::Carry(side, octets)),
        10 => (1..9_000_u64).prop_map(Op::Wait),
        1 => side().prop_map(Op::Unbind),
    ]
}

/// Mostly whole stories; now and then the network breaks within.
fn story() -> impl Strategy<Value = Vec<Op>> {
    (prop::collection::vec(op(), 0..300), prop::option::weighted(0.2, any::<prop::sample::Index>())).prop_map(
        |(mut story, cut)| {
            if let Some(cut) = cut {
                story.insert(cut.index(story.len() + 1), Op::Cut);
            }
            story
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends_exactly_once_and_the_window_holds(
        start in prop_oneof![Just(Start::Bound), Just(Start::Binding)],
        story in story(),
        windows in (1..8_usize, 1..8_usize),
        finale in prop_oneof![side().prop_map(Finale::Unbind), Just(Finale::Cut)],
    ) {
        let mut world = World::new(windows);
        if let Start::Bound = start {
            world.bound();
        }
        for op in story {
            world.play(op);
        }
        world.end(finale);
    }
}

#[test]
fn on_a_good_network_everything_is_answered_and_both_leave_in_good_order() {
    let mut world = World::new((3, 2));
    world.bound();
    for _ in 0..50 {
        world.play(Op::Request(Side::Client));
        world.play(Op::Request(Side::Server));
        world.calm(|world| world.parties.iter().all(|party| party.flying.is_empty()));
    }
    world.end(Finale::Unbind(Side::Client));
    let [client, server] = &world.parties;
    assert_eq!((client.answered, server.answered), (50, 50));
    assert_eq!(client.closed, Some(CloseReason::Unbound));
    assert_eq!(server.closed, Some(CloseReason::PeerUnbound));
}

/// A session, its owner, and what must be true of them.
struct Party {
    session: Session<u32>,
    window: usize,
    tags: u32,
    /// Unanswered requests by tag: sequence number and when they were sent.
    flying: BTreeMap<u32, (u32, Instant)>,
    expired: HashMap<u32, u32>,
    answered: usize,
    /// Requests of the peer to answer: sequence number, and tag or, for a bind, none.
    duties: Vec<(u32, Option<u32>)>,
    newest_seen: Option<u32>,
    verdicts: HashMap<u32, Verdict>,
    closed: Option<CloseReason>,
}

/// What is on its way to one side.
#[derive(Default)]
struct Wire {
    octets: VecDeque<u8>,
    ended: bool,
}

struct World {
    now: Instant,
    parties: [Party; 2],
    /// By the side they lead to.
    wires: [Wire; 2],
}

impl Party {
    fn new(now: Instant, settings: Settings) -> Self {
        Party {
            window: settings.window,
            session: Session::new(now, settings),
            tags: 0,
            flying: BTreeMap::new(),
            expired: HashMap::new(),
            answered: 0,
            duties: Vec::new(),
            newest_seen: None,
            verdicts: HashMap::new(),
            closed: None,
        }
    }

    fn request(&mut self, now: Instant, role: Role) {
        let tag = self.tags;
        let sm = Sm { short_message: Bytes::from(tag.to_string()), ..Sm::default() };
        let body = if role == Role::Esme { Body::SubmitSm(sm) } else { Body::DeliverSm(sm) };
        match self.session.request(now, body, tag) {
            Ok(sequence) => {
                assert!((1..=SEQUENCE_MAX).contains(&sequence));
                assert!(
                    self.flying.values().all(|&(flying, _)| flying != sequence),
                    "{sequence} is in flight"
                );
                self.flying.insert(tag, (sequence, now));
                assert!(self.flying.len() <= self.window, "more in flight than the window lets");
                self.tags += 1;
            }
            Err((refusal, back)) => {
                assert_eq!(back, tag);
                match refusal {
                    Refusal::WindowFull => assert_eq!(self.flying.len(), self.window),
                    Refusal::NotPermitted(state) => assert!(!matches!(state, State::Bound(_)), "{state}"),
                    other => assert!(self.closed.is_some() && other == Refusal::Closed, "{other}"),
                }
            }
        }
    }

    fn answer(&mut self, now: Instant, role: Role, which: usize, verdict: Verdict) {
        if self.duties.is_empty() || self.closed.is_some() {
            return;
        }
        let (sequence, tag) = self.duties.remove(which % self.duties.len());
        let Some(tag) = tag else {
            let resp = BindResp { system_id: Some("centre".into()), ..BindResp::default() };
            return self.session.respond(now, sequence, Status::OK, Body::BindTransceiverResp(resp)).unwrap();
        };
        self.verdicts.insert(tag, verdict);
        let resp = MessageResp::with_id(tag.to_string());
        let taken = if role == Role::Esme { Body::DeliverSmResp(resp) } else { Body::SubmitSmResp(resp) };
        let (status, body) = match verdict {
            Verdict::Taken => (Status::OK, taken),
            Verdict::Throttled => (Status::THROTTLED, taken),
            Verdict::Nack => (Status::SYSERR, Body::GenericNack),
        };
        self.session.respond(now, sequence, status, body).unwrap();
    }

    /// Takes the events, and holds each against what the owner knows.
    fn listen(&mut self, now: Instant, peer: &mut HashMap<u32, Verdict>) {
        while let Some(event) = self.session.poll_event() {
            assert_eq!(self.closed, None, "told after the end: {event:?}");
            match event {
                Event::BindRequested { sequence, .. } => self.duties.push((sequence, None)),
                Event::Requested { pdu, deviations } => {
                    assert!(deviations.is_empty());
                    let (Body::SubmitSm(sm) | Body::DeliverSm(sm)) = &pdu.body else { panic!("{pdu:?}") };
                    let tag = tag_of(&sm.short_message);
                    assert!(self.newest_seen < Some(tag), "{tag} came twice or out of order");
                    self.newest_seen = Some(tag);
                    self.duties.push((pdu.sequence, Some(tag)));
                }
                Event::Answered { tag, response, elapsed, .. } => {
                    let (sequence, sent) = self.flying.remove(&tag).expect("answered, and not in flight");
                    assert_eq!((response.sequence, elapsed), (sequence, now - sent));
                    check_answer(tag, &response.body, response.status, peer.remove(&tag));
                    self.answered += 1;
                }
                Event::Expired { tag, sequence } => {
                    let (flying, sent) = self.flying.remove(&tag).expect("expired, and not in flight");
                    assert_eq!(flying, sequence);
                    assert!(sent + RESPONSE_TIMEOUT <= now, "expired too soon");
                    self.expired.insert(sequence, tag);
                }
                Event::LateAnswer { sequence, response } => {
                    let tag = self.expired.remove(&sequence).expect("late, and not expired");
                    check_answer(tag, &response.body, response.status, peer.remove(&tag));
                }
                Event::Lost { tags } => {
                    assert!(self.flying.keys().eq(&tags), "lost {tags:?} of {:?}", self.flying);
                    self.flying.clear();
                }
                Event::Closed { reason } => {
                    assert!(self.flying.is_empty(), "closed, and not told of {:?}", self.flying);
                    self.closed = Some(reason);
                }
                // A server that leaves before it has answered the bind refuses it.
                Event::BindRefused { status: Status::BINDFAIL } => {}
                Event::Bound { .. } | Event::PeerUnbound => {}
                other => panic!("between two sessions of ours: {other:?}"),
            }
        }
        assert_eq!(self.session.in_flight(), self.flying.len());
        assert_eq!(self.session.is_closed(), self.closed.is_some());
    }
}

fn tag_of(octets: &[u8]) -> u32 {
    std::str::from_utf8(octets).unwrap().parse().unwrap()
}

fn check_answer(tag: u32, body: &Body, status: Status, verdict: Option<Verdict>) {
    let id = match body {
        Body::SubmitSmResp(resp) | Body::DeliverSmResp(resp) => resp.message_id.as_ref(),
        _ => None,
    };
    let is = match (body, status) {
        (Body::GenericNack, Status::SYSERR) => Verdict::Nack,
        (_, Status::THROTTLED) => Verdict::Throttled,
        (_, Status::OK) => Verdict::Taken,
        other => panic!("nobody answers so: {other:?}"),
    };
    assert_eq!(Some(is), verdict, "tag {tag}");
    if is == Verdict::Taken {
        assert_eq!(id, Some(&COctets::from(tag.to_string())), "the answer to another request");
    }
}

impl World {
    fn new((client, server): (usize, usize)) -> Self {
        let now = Instant::now();
        let settings = |role: Settings, window| Settings {
            window,
            peer_window: 4,
            response_timeout: RESPONSE_TIMEOUT,
            init_timeout: Duration::from_secs(30),
            ..role
        };
        let mut world = World {
            now,
            parties: [
                Party::new(now, settings(Settings::esme(), client)),
                Party::new(now, settings(Settings::smsc(), server)),
            ],
            wires: Default::default(),
        };
        let bind = Bind { system_id: "client".into(), interface_version: 0x34, ..Bind::default() };
        world.parties[0].session.bind(now, BindMode::Transceiver, bind).unwrap();
        world
    }

    fn play(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Request(side) => self.parties[side as usize].request(now, role(side)),
            Op::Answer(side, which, verdict) => {
                self.parties[side as usize].answer(now, role(side), which, verdict)
            }
            Op::Carry(side, octets) => self.carry(side, octets),
            Op::Wait(time_ms) => self.wait(Duration::from_millis(time_ms)),
            Op::Unbind(side) => self.parties[side as usize].session.unbind(now),
            Op::Cut => self.parties.iter_mut().for_each(|party| party.session.handle_closed(now)),
        }
        self.turn();
    }

    /// What drivers do after each call: write, and take the events.
    fn turn(&mut self) {
        let [client, server] = &mut self.parties;
        client.listen(self.now, &mut server.verdicts);
        server.listen(self.now, &mut client.verdicts);
        for (party, to) in [(client, 1), (server, 0)] {
            if let Some(octets) = party.session.poll_transmit() {
                assert!(!self.wires[to].ended, "written after the end");
                self.wires[to].octets.extend(octets);
            }
            self.wires[to].ended |= party.closed.is_some();
        }
    }

    fn carry(&mut self, to: Side, octets: usize) {
        let wire = &mut self.wires[to as usize];
        let session = &mut self.parties[to as usize].session;
        if session.is_closed() {
            wire.octets.clear();
        } else if session.wants_read() {
            let octets: Vec<u8> = wire.octets.drain(..octets.min(wire.octets.len())).collect();
            session.handle_bytes(self.now, &octets);
            if wire.ended && wire.octets.is_empty() {
                self.turn();
                self.parties[to as usize].session.handle_closed(self.now);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self.parties.iter().filter_map(|party| party.session.poll_timeout()).min();
            let Some(at) = next.filter(|&at| at <= until) else { break };
            self.now = at;
            for party in &mut self.parties {
                party.session.handle_timeout(at);
                assert!(
                    party.session.poll_timeout().is_none_or(|next| next > at),
                    "a timer does not move on"
                );
            }
            self.turn();
        }
        self.now = until;
    }

    fn bound(&mut self) {
        self.calm(|world| world.parties.iter().all(|party| party.session.window_room() > 0));
    }

    /// Everything is carried and answered at once, until it is as wanted.
    fn calm(&mut self, done: impl Fn(&World) -> bool) {
        for _ in 0..1000 {
            if done(self) {
                return;
            }
            for side in [Side::Client, Side::Server] {
                self.play(Op::Carry(side, usize::MAX));
                while !self.parties[side as usize].duties.is_empty()
                    && self.parties[side as usize].closed.is_none()
                {
                    self.parties[side as usize].answer(self.now, role(side), 0, Verdict::Taken);
                    self.turn();
                }
            }
        }
        panic!("does not come to rest: {:?}", self.parties.each_ref().map(|party| &party.session));
    }

    fn end(&mut self, finale: Finale) {
        match finale {
            Finale::Cut => self.play(Op::Cut),
            Finale::Unbind(side) => {
                self.play(Op::Unbind(side));
                let since = self.now;
                while self.parties.iter().any(|party| party.closed.is_none()) {
                    assert!(self.now - since < PATIENCE, "does not end");
                    for side in [Side::Client, Side::Server] {
                        self.play(Op::Carry(side, usize::MAX));
                    }
                    self.play(Op::Wait(500));
                }
            }
        }
        for party in &self.parties {
            assert!(party.closed.is_some() && party.flying.is_empty());
            assert_eq!(party.session.poll_timeout(), None);
        }
    }
}

fn role(side: Side) -> Role {
    match side {
        Side::Client => Role::Esme,
        Side::Server => Role::Smsc,
    }
}
