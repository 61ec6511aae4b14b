//! How a session ends: unbind from either side, timers that ran out, and what is told at the close.

use std::collections::VecDeque;
use std::time::Instant;

use crate::frame::{Framer, Limits};
use crate::pdu::{Body, Pdu};
use crate::session::matrix::{Role, State};
use crate::session::timers::Alarm;
use crate::session::{CloseReason, Event, Session, bind_body};
use crate::status::Status;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not begun.
    Not,
    /// We want to unbind, and wait for the answers still out on either side.
    Draining(CloseReason),
    /// Our unbind is sent.
    Asked { sequence: u32, reason: CloseReason },
    /// The peer's unbind waits for the answers still out on either side.
    Leaving { sequence: u32 },
}

impl<T> Session<T> {
    pub(super) fn begin_end(&mut self, now: Instant, reason: CloseReason) {
        if self.ending != Ending::Not {
            return;
        }
        match self.state {
            State::Closed => return,
            State::Open | State::Outbound => return self.finish(reason),
            State::Binding(mode) if self.settings.role == Role::Smsc => {
                if let Some(binding) = self.binding.take()
                    && let Some(refusal) = Pdu::new(binding.sequence, bind_body(mode)).reply(Status::BINDFAIL)
                {
                    self.answer(now, refusal);
                }
                self.refuse_held(now);
                return self.finish(reason);
            }
            // The server may be binding us just now, and an unbind is not permitted before: wait for its answer.
            State::Binding(_) => {}
            State::Bound(mode) | State::Unbinding(mode) => self.state = State::Unbinding(mode),
        }
        self.ending = Ending::Draining(reason);
        self.timers.ending(now, self.settings.unbind_timeout);
        self.advance_end(now);
    }

    /// Takes the next step to the end, when nothing is waited for any more.
    pub(super) fn advance_end(&mut self, now: Instant) {
        if self.in_flight() > 0 || !self.owed.is_empty() {
            return;
        }
        match self.ending {
            Ending::Draining(reason) if self.state.mode().is_some() => self.ask_end(now, reason),
            Ending::Leaving { sequence } => self.grant_end(now, sequence),
            _ => {}
        }
    }

    fn ask_end(&mut self, now: Instant, reason: CloseReason) {
        let sequence = self.window.next_sequence();
        self.ending = Ending::Asked { sequence, reason };
        self.timers.ending(now, self.settings.unbind_timeout);
        self.send(now, &Pdu::new(sequence, Body::Unbind));
    }

    pub(super) fn grant_end(&mut self, now: Instant, sequence: u32) {
        self.answer(now, Pdu::new(sequence, Body::UnbindResp));
        self.finish(CloseReason::PeerUnbound);
    }

    pub(super) fn ring(&mut self, now: Instant, alarm: Alarm) {
        match alarm {
            Alarm::Init => self.finish(CloseReason::InitTimeout),
            Alarm::Probe => {
                let sequence = self.window.next_sequence();
                self.probe = Some(sequence);
                self.send(now, &Pdu::new(sequence, Body::EnquireLink));
                self.timers.probed(now);
            }
            Alarm::Dead => self.finish(CloseReason::EnquireLinkTimeout),
            Alarm::Inactive => self.begin_end(now, CloseReason::Inactive),
            Alarm::Ending => match self.ending {
                Ending::Draining(reason) if self.state.mode().is_some() => self.ask_end(now, reason),
                Ending::Draining(reason) => self.finish(reason),
                Ending::Asked { reason: CloseReason::Unbound, .. } => self.finish(CloseReason::UnbindTimeout),
                Ending::Asked { reason, .. } => self.finish(reason),
                Ending::Leaving { sequence } => self.grant_end(now, sequence),
                Ending::Not => self.timers.stop(),
            },
        }
    }

    pub(super) fn finish(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        self.state = State::Closed;
        self.ending = Ending::Not;
        self.timers.stop();
        self.owed.clear();
        self.binding = None;
        self.held = VecDeque::new();
        self.framer = Framer::new(Limits::default(), self.settings.grade);
        let tags = self.window.drain();
        if !tags.is_empty() {
            self.events.push_back(Event::Lost { tags });
        }
        self.events.push_back(Event::Closed { reason });
    }
}
