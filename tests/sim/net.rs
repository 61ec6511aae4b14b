//! Streams between a bind and the carrier: cut at random places, delayed, clogged one way, reset with what is in flight.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::dice::Dice;
use crate::plan::Odds;

/// Octets the sending side's system takes before the reader has taken some.
const SOCKET_OCTETS: usize = 4_096;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    ToCarrier,
    ToGateway,
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    pieces: VecDeque<(u64, Bytes)>,
    octets: usize,
    last_us: u64,
    clogged_until: u64,
}

/// All connections that stand.
#[derive(Default)]
pub struct Net {
    pipes: BTreeMap<(u64, Way), Pipe>,
    connections: u64,
    /// How often a direction was clogged for so long that answers may come too late.
    pub clogs: u64,
}

impl Net {
    pub fn connect(&mut self) -> u64 {
        self.connections += 1;
        self.pipes.insert((self.connections, Way::ToCarrier), Pipe::default());
        self.pipes.insert((self.connections, Way::ToGateway), Pipe::default());
        self.connections
    }

    pub fn stands(&self, connection: u64) -> bool {
        self.pipes.contains_key(&(connection, Way::ToCarrier))
    }

    /// Cuts it; what is in flight is lost.
    pub fn reset(&mut self, connection: u64) {
        self.pipes.remove(&(connection, Way::ToCarrier));
        self.pipes.remove(&(connection, Way::ToGateway));
    }

    /// Whether the sender's system takes more.
    pub fn takes(&self, connection: u64, way: Way) -> bool {
        self.pipes.get(&(connection, way)).is_some_and(|pipe| pipe.octets < SOCKET_OCTETS)
    }

    /// Sends octets; gives the times at which pieces of them arrive.
    pub fn send(
        &mut self,
        now_us: u64,
        connection: u64,
        way: Way,
        mut octets: Bytes,
        dice: &mut Dice,
        odds: &Odds,
    ) -> Vec<u64> {
        let Some(pipe) = self.pipes.get_mut(&(connection, way)) else { return Vec::new() };
        let mut times = Vec::new();
        while !octets.is_empty() {
            let piece = if dice.chance(odds.net_delay / 2) {
                octets.split_to(1 + dice.below(octets.len() as u64) as usize)
            } else {
                octets.split_off(0)
            };
            let mut at = now_us + dice.between(50, 900);
            if dice.chance(odds.net_delay) {
                at += dice.between(1_000, 300_000);
            }
            if dice.chance(odds.net_clog) {
                self.clogs += 1;
                pipe.clogged_until = now_us + dice.between(100_000, 3_500_000);
            }
            let at = at.max(pipe.clogged_until).max(pipe.last_us);
            pipe.last_us = at;
            pipe.octets += piece.len();
            pipe.pieces.push_back((at, piece));
            times.push(at);
        }
        times
    }

    /// What has arrived by now.
    pub fn arrived(&mut self, now_us: u64, connection: u64, way: Way) -> Vec<Bytes> {
        let Some(pipe) = self.pipes.get_mut(&(connection, way)) else { return Vec::new() };
        let mut arrived = Vec::new();
        while pipe.pieces.front().is_some_and(|(at, _)| *at <= now_us) {
            if let Some((_, piece)) = pipe.pieces.pop_front() {
                pipe.octets -= piece.len();
                arrived.push(piece);
            }
        }
        arrived
    }
}
