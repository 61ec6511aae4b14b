//! What a session does with each PDU of the peer.

use std::time::Instant;

use crate::error::Deviations;
use crate::frame::{Frame, LostLength};
use crate::pdu::{Bind, BindResp, Body, CommandId, Pdu};
use crate::session::ending::Ending;
use crate::session::matrix::{BindMode, Role, State, permits};
use crate::session::window::Match;
use crate::session::{Binding, CloseReason, Event, PEER_OVERRUN_MOST, Session, Violation, bind_body};
use crate::status::Status;
use crate::version::Version;

impl<T> Session<T> {
    pub(super) fn receive(&mut self, now: Instant, frame: Result<Frame, LostLength>) {
        match frame {
            Ok(Frame::Clean(pdu)) => self.receive_pdu(now, pdu, Deviations::default()),
            Ok(Frame::Tolerated(pdu, deviations)) => self.receive_pdu(now, pdu, deviations),
            Ok(Frame::Malformed { header, error, reply, .. }) => {
                self.timers.received(now);
                self.timers.active(now);
                self.violated(Violation::Malformed { header, error });
                if let Some(reply) = reply {
                    self.answer(now, *reply);
                } else if let Some(body) = Body::bare_response(header.command, header.status) {
                    // The peer has answered, whatever else it meant to say.
                    let pdu = Pdu::with_status(header.sequence, header.status, body);
                    self.receive_pdu(now, pdu, Deviations::default());
                }
            }
            Err(lost) => {
                if let Some(reply) = lost.reply {
                    self.answer(now, *reply);
                }
                self.finish(CloseReason::LostLength(lost.error));
            }
        }
    }

    fn receive_pdu(&mut self, now: Instant, pdu: Pdu, deviations: Deviations) {
        self.timers.received(now);
        let command = pdu.command_id();
        match pdu.body {
            Body::EnquireLink => {
                return self.answer(now, Pdu::new(pdu.sequence, Body::EnquireLinkResp));
            }
            // Whatever its number: that it came is what counts.
            Body::EnquireLinkResp => return,
            _ => self.timers.active(now),
        }
        match pdu.body {
            Body::BindTransmitter(bind) => self.bind_asked(now, pdu.sequence, BindMode::Transmitter, bind),
            Body::BindReceiver(bind) => self.bind_asked(now, pdu.sequence, BindMode::Receiver, bind),
            Body::BindTransceiver(bind) => self.bind_asked(now, pdu.sequence, BindMode::Transceiver, bind),
            Body::BindTransmitterResp(resp)
            | Body::BindReceiverResp(resp)
            | Body::BindTransceiverResp(resp) => {
                self.bind_answered(now, command, pdu.sequence, pdu.status, resp);
            }
            Body::Unbind => self.unbind_asked(now, pdu.sequence),
            Body::UnbindResp => match self.ending {
                Ending::Asked { reason, .. } => self.finish(reason),
                _ => self.unmatched(command, &pdu),
            },
            Body::GenericNack => self.nacked(now, pdu, deviations),
            Body::Outbind(_) | Body::AlertNotification(_) => self.notified(pdu, deviations),
            _ if command.is_response() => {
                let matched = self.window.answer(pdu.sequence, command);
                self.answered(now, matched, pdu, deviations);
            }
            Body::Unknown { .. } => {
                self.violated(Violation::UnknownCommand { command, sequence: pdu.sequence });
                self.answer(now, Pdu::generic_nack(pdu.sequence, Status::INVCMDID));
            }
            _ => self.requested(now, pdu, deviations),
        }
    }

    fn requested(&mut self, now: Instant, pdu: Pdu, deviations: Deviations) {
        let peer = self.settings.role.peer();
        let command = pdu.command_id();
        match self.state {
            State::Binding(mode)
                if permits(peer, State::Bound(mode), command)
                    && self.held.len() < self.settings.peer_window.max(1) =>
            {
                self.held.push_back((pdu, deviations));
            }
            state if permits(peer, state, command) && !matches!(self.ending, Ending::Leaving { .. }) => {
                if self.owed.len() < self.settings.peer_window.saturating_add(PEER_OVERRUN_MOST) {
                    self.take_on(now, pdu, deviations);
                } else {
                    self.violated(Violation::WindowOverrun { command, sequence: pdu.sequence });
                    self.refuse(now, &pdu, Status::MSGQFUL);
                }
            }
            state => {
                self.violated(Violation::NotPermitted { command, state });
                self.refuse(now, &pdu, Status::INVBNDSTS);
            }
        }
    }

    fn notified(&mut self, pdu: Pdu, deviations: Deviations) {
        let command = pdu.command_id();
        if !permits(self.settings.role.peer(), self.state, command) {
            return self.violated(Violation::NotPermitted { command, state: self.state });
        }
        if command == CommandId::OUTBIND && self.state == State::Open {
            self.state = State::Outbound;
        }
        self.events.push_back(Event::Notified { pdu, deviations });
    }

    fn bind_asked(&mut self, now: Instant, sequence: u32, mode: BindMode, bind: Bind) {
        if self.binding.is_none() && permits(self.settings.role.peer(), self.state, mode.command()) {
            self.binding = Some(Binding {
                sequence,
                system_id: bind.system_id.clone(),
                version: bind.interface_version,
            });
            self.version = self.settings.version.min(Version::of(bind.interface_version));
            self.state = State::Binding(mode);
            self.events.push_back(Event::BindRequested { sequence, mode, bind });
            return;
        }
        let status = match self.settings.role {
            Role::Smsc if self.state != State::Outbound => Status::ALYBND,
            _ => Status::INVBNDSTS,
        };
        self.violated(Violation::NotPermitted { command: mode.command(), state: self.state });
        self.refuse(now, &Pdu::new(sequence, bind_body(mode)), status);
    }

    fn bind_answered(
        &mut self,
        now: Instant,
        command: CommandId,
        sequence: u32,
        status: Status,
        resp: BindResp,
    ) {
        let (State::Binding(mode), Role::Esme, Some(&Binding { sequence: asked, .. })) =
            (self.state, self.settings.role, self.binding.as_ref())
        else {
            return self.violated(Violation::UnmatchedResponse { command, sequence, status });
        };
        self.binding = None;
        // Only one bind can be meant: some servers answer with a number of their own.
        if asked != sequence || mode.command().response() != Some(command) {
            self.violated(Violation::OddBindResponse { command, sequence });
        }
        if status.is_ok() {
            let version = resp.version();
            self.version = version.map_or(self.version, |named| self.version.min(Version::of(named)));
            self.become_bound(now, mode, resp.system_id, version);
        } else {
            self.bind_refused(now, status);
        }
    }

    fn bind_refused(&mut self, now: Instant, status: Status) {
        self.events.push_back(Event::BindRefused { status });
        self.refuse_held(now);
        self.finish(CloseReason::BindRefused);
    }

    fn unbind_asked(&mut self, now: Instant, sequence: u32) {
        match (self.state, self.ending) {
            // Both ask at once: each gets its answer.
            (_, Ending::Asked { .. }) => self.answer(now, Pdu::new(sequence, Body::UnbindResp)),
            (_, Ending::Leaving { .. }) => {
                self.violated(Violation::NotPermitted { command: CommandId::UNBIND, state: self.state });
            }
            (State::Bound(mode) | State::Unbinding(mode), _) => {
                self.state = State::Unbinding(mode);
                self.ending = Ending::Leaving { sequence };
                self.timers.ending(now, self.settings.unbind_timeout);
                self.events.push_back(Event::PeerUnbound);
            }
            // Not bound, so not permitted; but it wants to leave, and may.
            _ => {
                self.events.push_back(Event::PeerUnbound);
                self.grant_end(now, sequence);
            }
        }
    }

    fn nacked(&mut self, now: Instant, mut pdu: Pdu, deviations: Deviations) {
        if pdu.status.is_ok() {
            pdu.status = Status::UNKNOWNERR;
        }
        let Pdu { sequence, status, .. } = pdu;
        if self.settings.role == Role::Esme
            && self.binding.take_if(|binding| binding.sequence == sequence).is_some()
        {
            return self.bind_refused(now, status);
        }
        if let Ending::Asked { sequence: asked, reason } = self.ending
            && asked == sequence
        {
            return self.finish(reason);
        }
        if self.probe.take_if(|probe| *probe == sequence).is_some() {
            // A peer that does not know enquire_link lives all the same.
            return;
        }
        let matched = self.window.nack(sequence);
        self.answered(now, matched, pdu, deviations);
    }

    fn answered(&mut self, now: Instant, matched: Match<T>, response: Pdu, deviations: Deviations) {
        match matched {
            Match::Flying { tag, sent } => {
                let elapsed = now.saturating_duration_since(sent);
                self.events.push_back(Event::Answered { tag, response, deviations, elapsed });
            }
            Match::Late => {
                let sequence = response.sequence;
                self.events.push_back(Event::LateAnswer { sequence, response });
            }
            Match::Nothing => self.unmatched(response.command_id(), &response),
        }
    }

    fn unmatched(&mut self, command: CommandId, pdu: &Pdu) {
        let (sequence, status) = (pdu.sequence, pdu.status);
        self.violated(match command {
            CommandId::GENERIC_NACK => Violation::UnmatchedNack { sequence, status },
            _ => Violation::UnmatchedResponse { command, sequence, status },
        });
    }

    fn violated(&mut self, what: Violation) {
        self.events.push_back(Event::Violated { what });
    }
}
