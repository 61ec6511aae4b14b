//! The SMPP conversations in a capture: connections put together, PDUs in order, answers beside their requests.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use protocol::frame::{Frame, Grade, LostLength};
use protocol::pdu::{CommandId, Pdu};

use super::packet::Segment;
use super::reassembly::{Half, Piece};
use super::seek::{Found, Seeker, Start};

/// Connections followed at once. A busy carrier has some hundred; the rest of a capture is other traffic, which is
/// forgotten as soon as it is known to be.
const MOST_CONNECTIONS: usize = 16_384;
/// Requests of one side without an answer that are remembered; windows have up to 1,000.
const MOST_OPEN_REQUESTS: usize = 10_000;

/// Pieces of a connection that are held while one of them is missing; some seconds of a busy one.
const MOST_HELD: usize = 2_000;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// The ESME.
    Client,
    /// The SMSC.
    Carrier,
}

/// Something that happened on a connection.
#[derive(Debug)]
pub(crate) struct Line {
    /// Nanoseconds since 1970.
    pub(crate) at_ns: i64,
    /// The connection, counted from 1.
    pub(crate) connection: usize,
    /// The carrier's end of it.
    pub(crate) carrier: SocketAddr,
    /// Who did it.
    pub(crate) side: Side,
    /// What.
    pub(crate) event: Event,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first PDU of a connection is about to come.
    Opened {
        /// The client's end.
        client: SocketAddr,
        /// Whether its first octets are in the capture.
        from_its_beginning: bool,
    },
    /// A PDU.
    Pdu {
        /// How it could be read.
        frame: Box<Frame>,
        /// What it answers, or that it should and does not.
        answers: Answers,
        /// Requests of that side without an answer, this one counted.
        in_flight: usize,
    },
    /// The length is lost.
    Lost(LostLength),
    /// Octets that are not in the capture.
    Missing(u64),
    /// Octets passed over on the way to a header.
    Skipped(usize),
    /// The connection ended within a PDU, of which so many octets came.
    Unfinished(usize),
    /// The connection ended.
    Closed {
        /// Requests without an answer, of the client and of the carrier.
        unanswered: (usize, usize),
    },
}

/// What a PDU answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// It is a request.
    IsRequest,
    /// A request with a number that is in flight already.
    RepeatsNumber,
    /// A request of the other side, so many nanoseconds ago.
    Request {
        /// Its command.
        command: CommandId,
        /// How long it took.
        elapsed_ns: i64,
    },
    /// Nothing in the capture.
    Nothing,
}

/// Puts conversations together, segment by segment.
pub(crate) struct Conversations {
    ports: Vec<u16>,
    grade: Grade,
    connections: BTreeMap<[SocketAddr; 2], Connection>,
    numbered: usize,
    lines: VecDeque<Line>,
    left_out: usize,
}

impl Conversations {
    /// On those ports; on any where none are named.
    pub(crate) fn new(ports: Vec<u16>, grade: Grade) -> Self {
        Conversations {
            ports,
            grade,
            connections: BTreeMap::new(),
            numbered: 0,
            lines: VecDeque::new(),
            left_out: 0,
        }
    }

    /// Takes a segment.
    pub(crate) fn push(&mut self, at_ns: i64, segment: &Segment<'_>) {
        let on_port = |end: SocketAddr| self.ports.contains(&end.port());
        if !self.ports.is_empty() && !on_port(segment.from) && !on_port(segment.to) {
            return;
        }
        let ends = [segment.from.min(segment.to), segment.from.max(segment.to)];
        // A new connection between the same two ends.
        if segment.begins && segment.acknowledged.is_none() {
            let goes_on = self.connections.get(&ends).is_some_and(|old| !old.restarts(segment));
            if !goes_on {
                self.close(at_ns, ends);
            }
        }
        if !self.connections.contains_key(&ends) {
            // What trails behind the end of a connection begins none.
            if !segment.begins && segment.payload.is_empty() && segment.missing == 0 {
                return;
            }
            if self.connections.len() >= MOST_CONNECTIONS {
                self.connections.retain(|_, connection| !connection.is_foreign());
            }
            if self.connections.len() >= MOST_CONNECTIONS {
                self.left_out += 1;
                return;
            }
            self.connections.insert(ends, Connection::new(ends, &self.ports, self.grade));
        }
        let Some(connection) = self.connections.get_mut(&ends) else { return };
        let mut out = Out { numbered: &mut self.numbered, lines: &mut self.lines };
        connection.take(at_ns, segment, &mut out);
        if connection.ended == [true, true] || segment.breaks {
            self.close(at_ns, ends);
        }
    }

    /// Takes that the capture ends.
    pub(crate) fn finish(&mut self) {
        let mut open: Vec<_> =
            self.connections.iter().map(|(ends, connection)| (connection.last_ns, *ends)).collect();
        open.sort_unstable();
        for (at_ns, ends) in open {
            self.close(at_ns, ends);
        }
    }

    /// The next thing that happened.
    pub(crate) fn poll(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    /// SMPP connections met.
    pub(crate) fn met(&self) -> usize {
        self.numbered
    }

    /// Segments left out because too many connections were open at once.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    fn close(&mut self, at_ns: i64, ends: [SocketAddr; 2]) {
        if let Some(mut connection) = self.connections.remove(&ends) {
            let mut out = Out { numbered: &mut self.numbered, lines: &mut self.lines };
            connection.finish(at_ns, &mut out);
        }
    }
}

struct Out<'a> {
    numbered: &'a mut usize,
    lines: &'a mut VecDeque<Line>,
}

/// A request in flight.
#[derive(Clone, Copy)]
struct Request {
    command: CommandId,
    at_ns: i64,
}

/// The requests of one side that are in flight.
#[derive(Default)]
struct Requests {
    open: BTreeMap<u32, Request>,
    /// Their numbers as they came, and of some that are answered.
    order: VecDeque<u32>,
    /// How many there are, enquire_link apart: it has no part in a window.
    in_flight: usize,
}

impl Requests {
    fn put(&mut self, sequence: u32, request: Request) -> Option<Request> {
        while self.order.len() >= MOST_OPEN_REQUESTS {
            if let Some(oldest) = self.order.pop_front() {
                self.remove(oldest);
            }
        }
        let before = self.remove(sequence);
        self.order.push_back(sequence);
        self.in_flight += usize::from(request.command != CommandId::ENQUIRE_LINK);
        self.open.insert(sequence, request);
        before
    }

    /// The request that this response answers.
    fn take(&mut self, sequence: u32, response: CommandId) -> Option<Request> {
        let request = self.open.get(&sequence)?;
        let fits = response == CommandId::GENERIC_NACK || request.command.response() == Some(response);
        let taken = if fits { self.remove(sequence) } else { None };
        while self.order.front().is_some_and(|oldest| !self.open.contains_key(oldest)) {
            self.order.pop_front();
        }
        taken
    }

    fn remove(&mut self, sequence: u32) -> Option<Request> {
        let request = self.open.remove(&sequence)?;
        self.in_flight -= usize::from(request.command != CommandId::ENQUIRE_LINK);
        Some(request)
    }
}

/// One of the two ends, by its place in `ends`.
type End = usize;

struct Connection {
    ends: [SocketAddr; 2],
    halves: [Half; 2],
    seekers: [Seeker; 2],
    requests: [Requests; 2],
    /// Who sent the first SYN.
    opener: Option<End>,
    /// The end whose port was named as the carrier's.
    named_carrier: Option<End>,
    identity: Option<Identity>,
    /// What both sides said since a hole opened: the other side goes on, and its answers belong behind the requests.
    held: Vec<Held>,
    /// Whose FIN was seen.
    ended: [bool; 2],
    last_ns: i64,
    trusted: bool,
    grade: Grade,
}

struct Held {
    at_ns: i64,
    end: End,
    piece: Piece,
}

#[derive(Clone, Copy)]
struct Identity {
    number: usize,
    client: End,
}

impl Connection {
    fn new(ends: [SocketAddr; 2], ports: &[u16], grade: Grade) -> Self {
        let seeker = || Seeker::new(Start::Middle, grade);
        Connection {
            ends,
            halves: [Half::default(), Half::default()],
            seekers: [seeker(), seeker()],
            requests: [Requests::default(), Requests::default()],
            opener: None,
            named_carrier: ends.iter().position(|end| ports.contains(&end.port())),
            identity: None,
            held: Vec::new(),
            ended: [false, false],
            last_ns: 0,
            trusted: !ports.is_empty(),
            grade,
        }
    }

    /// Whether this SYN is for another connection and no repetition of the one that opened this.
    fn restarts(&self, segment: &Segment<'_>) -> bool {
        let end = usize::from(segment.from == self.ends[1]);
        self.halves[end].has_data() || self.ended.contains(&true)
    }

    fn is_foreign(&self) -> bool {
        self.identity.is_none() && self.seekers.iter().any(|seeker| seeker.is_smpp() == Some(false))
    }

    fn take(&mut self, at_ns: i64, segment: &Segment<'_>, out: &mut Out<'_>) {
        self.last_ns = at_ns;
        if self.is_foreign() {
            return;
        }
        // With both ends the same (a machine that talks to itself on one port) there is nothing to tell apart.
        let end: End = usize::from(segment.from == self.ends[1]);
        let other = 1 - end;
        let mut sequence = segment.sequence;
        if segment.begins {
            if !self.halves[end].has_data() {
                self.halves[end].begin(sequence);
                let start = if self.trusted { Start::Trusted } else { Start::Beginning };
                self.seekers[end] = Seeker::new(start, self.grade);
            }
            // The answer to a SYN has an acknowledgement.
            self.opener.get_or_insert(if segment.acknowledged.is_some() { other } else { end });
            sequence = sequence.wrapping_add(1);
        }
        if let Some(acknowledged) = segment.acknowledged {
            self.halves[other].acknowledge(acknowledged);
        }
        let pieces = self.halves[end].push(at_ns, sequence, segment.payload, segment.missing);
        self.hold(end, pieces);
        let pieces = self.halves[other].poll(at_ns);
        self.hold(other, pieces);
        let waits = self.halves.iter().any(Half::is_waiting);
        if !waits || self.held.len() >= MOST_HELD {
            self.read(out);
        }
        self.ended[end] |= segment.ends;
    }

    /// Puts pieces with those that are read together, by their time; those of one side stay in their order.
    fn hold(&mut self, end: End, pieces: Vec<Piece>) {
        for piece in pieces {
            let before =
                self.held.iter().rev().find(|held| held.end == end).map_or(i64::MIN, |held| held.at_ns);
            let at_ns = piece.at_ns().max(before);
            let place = self.held.partition_point(|held| held.at_ns <= at_ns);
            self.held.insert(place, Held { at_ns, end, piece });
        }
    }

    fn read(&mut self, out: &mut Out<'_>) {
        for Held { at_ns, end, piece } in std::mem::take(&mut self.held) {
            match piece {
                Piece::Octets(_, octets) => {
                    for found in self.seekers[end].push(&octets) {
                        self.found(at_ns, end, found, out);
                    }
                }
                Piece::Missing(_, octets) => {
                    self.seekers[end].miss();
                    if self.identity.is_some() {
                        self.say(at_ns, end, Event::Missing(octets), out);
                    }
                }
            }
        }
    }

    fn found(&mut self, at_ns: i64, end: End, found: Found, out: &mut Out<'_>) {
        match found {
            Found::Skipped(octets) if self.identity.is_some() => {
                self.say(at_ns, end, Event::Skipped(octets), out);
            }
            // Of a capture that starts in the middle that goes without saying.
            Found::Skipped(_) => {}
            Found::Lost(lost) => {
                self.introduce(at_ns, end, None, out);
                self.say(at_ns, end, Event::Lost(lost), out);
            }
            Found::Frame(frame) => {
                self.introduce(at_ns, end, Some(&frame), out);
                let answers = match &*frame {
                    Frame::Malformed { header, .. } => {
                        self.correlate(at_ns, end, header.command, header.sequence)
                    }
                    frame => match frame.pdu() {
                        Some(pdu) => self.correlate(at_ns, end, pdu.command_id(), pdu.sequence),
                        None => Answers::Nothing,
                    },
                };
                let in_flight = self.requests[end].in_flight;
                let event = Event::Pdu { frame, answers, in_flight };
                self.say(at_ns, end, event, out);
            }
        }
    }

    /// Finds out who is who when the first PDU comes.
    fn introduce(&mut self, at_ns: i64, end: End, frame: Option<&Frame>, out: &mut Out<'_>) {
        if self.identity.is_some() {
            return;
        }
        *out.numbered += 1;
        let by_command = frame
            .and_then(Frame::pdu)
            .and_then(client_sends)
            .map(|client_sends| if client_sends { end } else { 1 - end });
        let by_port = usize::from(self.ends[0].port() < self.ends[1].port());
        let client =
            by_command.or(self.opener).or(self.named_carrier.map(|carrier| 1 - carrier)).unwrap_or(by_port);
        self.identity = Some(Identity { number: *out.numbered, client });
        let event = Event::Opened { client: self.ends[client], from_its_beginning: self.opener.is_some() };
        self.say(at_ns, client, event, out);
    }

    fn correlate(&mut self, at_ns: i64, end: End, command: CommandId, sequence: u32) -> Answers {
        if command.is_response() {
            return match self.requests[1 - end].take(sequence, command) {
                Some(Request { command, at_ns: asked_ns }) => {
                    Answers::Request { command, elapsed_ns: at_ns.saturating_sub(asked_ns) }
                }
                None => Answers::Nothing,
            };
        }
        // These two are answered by nothing.
        if matches!(command, CommandId::OUTBIND | CommandId::ALERT_NOTIFICATION) {
            return Answers::IsRequest;
        }
        match self.requests[end].put(sequence, Request { command, at_ns }) {
            Some(_) => Answers::RepeatsNumber,
            None => Answers::IsRequest,
        }
    }

    fn finish(&mut self, at_ns: i64, out: &mut Out<'_>) {
        for end in 0..2 {
            let pieces = self.halves[end].finish();
            self.hold(end, pieces);
        }
        self.read(out);
        let Some(Identity { client, .. }) = self.identity else { return };
        for end in 0..2 {
            let octets = self.seekers[end].unfinished();
            if octets > 0 {
                self.say(at_ns, end, Event::Unfinished(octets), out);
            }
        }
        let unanswered = (self.requests[client].open.len(), self.requests[1 - client].open.len());
        self.say(at_ns, client, Event::Closed { unanswered }, out);
    }

    fn say(&self, at_ns: i64, end: End, event: Event, out: &mut Out<'_>) {
        if let Some(Identity { number, client }) = self.identity {
            let side = if end == client { Side::Client } else { Side::Carrier };
            let carrier = self.ends[1 - client];
            out.lines.push_back(Line { at_ns, connection: number, carrier, side, event });
        }
    }
}

/// Whether this PDU is the client's to send; `None` for those that either may.
fn client_sends(pdu: &Pdu) -> Option<bool> {
    let command = pdu.command_id();
    let request = command.request().unwrap_or(command);
    let client_asks = match request {
        CommandId::BIND_TRANSMITTER
        | CommandId::BIND_RECEIVER
        | CommandId::BIND_TRANSCEIVER
        | CommandId::SUBMIT_SM
        | CommandId::SUBMIT_MULTI
        | CommandId::QUERY_SM
        | CommandId::CANCEL_SM
        | CommandId::REPLACE_SM
        | CommandId::BROADCAST_SM
        | CommandId::QUERY_BROADCAST_SM
        | CommandId::CANCEL_BROADCAST_SM => true,
        CommandId::DELIVER_SM | CommandId::ALERT_NOTIFICATION | CommandId::OUTBIND => false,
        _ => return None,
    };
    Some(client_asks != command.is_response())
}
