//! Chunks in hand, and the slice that is cut across them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parts::Prepared;
use super::{Now, Step};
use crate::message::MessageId;
use crate::rules::machines::dispatcher::Line;
use crate::smpp::door::Pass;
use crate::store::{Check, ChunkId, SliceMark};

/// A chunk that is tried again may be in hand for long, and receipts come meanwhile: what the memory says of it is asked again
/// after this.
const HISTORY_GOOD: Duration = Duration::from_secs(1);

/// A chunk being sent.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) chunk: ChunkId,
    pub(super) attempt: i64,
    pub(super) upto: usize,
    pub(super) left: VecDeque<Prepared>,
    pub(super) history: History,
    pub(super) closes_ms: Option<i64>,
}

/// What is known of earlier attempts at a chunk's messages.
#[derive(Debug)]
pub(super) enum History {
    /// There was none.
    First,
    Unknown,
    /// The parts that a carrier had taken at this time.
    Taken(HashMap<MessageId, Vec<i64>>, Instant),
}

/// A slice whose marks are being written: a piece of each chunk it reaches into.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) line: Line,
    pub(super) pass: Arc<Pass>,
    pub(super) pieces: Vec<Piece>,
}

/// What a slice has of one chunk.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) mark: SliceMark,
    pub(super) slice: Vec<Prepared>,
}

impl Cut {
    /// What is to be asked of the memory for it.
    pub(super) fn step(&self) -> Step {
        Step::Mark(self.pieces.iter().map(|piece| piece.mark.clone()).collect())
    }
}

impl Hand {
    /// Whether nothing has to be asked before what is left may go.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        match self.history {
            History::First => true,
            History::Unknown => false,
            History::Taken(_, at) => now.saturating_duration_since(at) < HISTORY_GOOD,
        }
    }

    /// A piece of a slice: the watermark moves over it.
    pub(super) fn piece(&mut self, slice: Vec<Prepared>, now: Now) -> Piece {
        self.upto += slice.len();
        let check = |one: &Prepared| Check {
            message: one.message.id,
            attempt: self.attempt,
            number: one.message.to,
            scopes: Arc::clone(&one.scopes),
            consent_since_ms: one.consent_since_ms,
        };
        let checks = slice.iter().map(check).collect();
        Piece { mark: SliceMark { chunk: self.chunk, upto: self.upto, checks, at_ms: now.ms }, slice }
    }
}
