//! What a session tells: events, why it closed, what the peer did wrong, why a command was refused.

use std::time::Duration;

use thiserror::Error;

use crate::error::{DecodeError, Deviations};
use crate::frame::LengthError;
use crate::octets::COctets;
use crate::pdu::{Bind, CommandId, Header, Pdu};
use crate::session::matrix::{BindMode, State};
use crate::status::Status;
use crate::version::Misfit;

/// Something that happened. Each comes once, in the order it happened; [`Event::Closed`] is the last.
///
/// `T` is the caller's tag on a request. Every tag comes back exactly once: in [`Event::Answered`], [`Event::Expired`]
/// or [`Event::Lost`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<T> {
    /// Server: a client wants to bind. Answer with [`Session::respond`](crate::session::Session::respond) and the
    /// response of the same mode: ESME_ROK binds, anything else refuses and closes.
    BindRequested {
        /// Its sequence number, for the answer.
        sequence: u32,
        /// What the bind is for.
        mode: BindMode,
        /// Who binds.
        bind: Bind,
    },
    /// The session is bound, on either side.
    Bound {
        /// What the bind is for.
        mode: BindMode,
        /// The peer's system_id, where it gave one.
        system_id: Option<COctets>,
        /// The version the peer speaks, where it said so: its sc_interface_version, or interface_version of its bind.
        version: Option<u8>,
    },
    /// Client: the server refused the bind. The session closes.
    BindRefused {
        /// Why.
        status: Status,
    },
    /// A request of the peer that must be answered with [`Session::respond`](crate::session::Session::respond).
    Requested {
        /// The request.
        pdu: Pdu,
        /// What was off in it and tolerated.
        deviations: Deviations,
    },
    /// A PDU of the peer that has no response: alert_notification or, before the bind, outbind.
    Notified {
        /// What it says.
        pdu: Pdu,
        /// What was off in it and tolerated.
        deviations: Deviations,
    },
    /// The peer answered a request of ours.
    Answered {
        /// The request's tag.
        tag: T,
        /// The response, or the generic_nack that stands for it: a nack never has status ESME_ROK here.
        response: Pdu,
        /// What was off in it and tolerated.
        deviations: Deviations,
        /// From [`Session::request`](crate::session::Session::request) to the response.
        elapsed: Duration,
    },
    /// No response came within `response_timeout`. The request may still have been carried out.
    Expired {
        /// The request's tag.
        tag: T,
        /// The request's sequence number: a [`Event::LateAnswer`] has the same.
        sequence: u32,
    },
    /// The response to a request that had expired.
    LateAnswer {
        /// The request's sequence number.
        sequence: u32,
        /// The response.
        response: Pdu,
    },
    /// The requests that were unanswered when the session closed, in the order they were made. They may have been
    /// carried out.
    Lost {
        /// Their tags.
        tags: Vec<T>,
    },
    /// The peer did something the protocol does not allow. It has been dealt with.
    Violated {
        /// What.
        what: Violation,
    },
    /// The peer asked for the end. Nothing new is begun; answers still out on either side have `unbind_timeout`, then
    /// its unbind is answered and the session closes.
    PeerUnbound,
    /// The end: write what [`Session::poll_transmit`](crate::session::Session::poll_transmit) still gives, then close
    /// the connection.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The connection ended without an unbind.
    #[error("the connection was closed")]
    PeerClosed,
    /// The peer unbound.
    #[error("the peer unbound")]
    PeerUnbound,
    /// We unbound, and the peer answered or closed.
    #[error("unbound")]
    Unbound,
    /// We unbound, and the peer neither answered nor closed.
    #[error("unbind was not answered")]
    UnbindTimeout,
    /// A bind was refused, by us or by the peer.
    #[error("the bind was refused")]
    BindRefused,
    /// Not bound within `init_timeout`.
    #[error("not bound in time")]
    InitTimeout,
    /// No sign of life after an enquire_link.
    #[error("enquire_link was not answered")]
    EnquireLinkTimeout,
    /// Nothing but enquire_link for `inactivity_timeout`.
    #[error("inactive")]
    Inactive,
    /// The stream can't be cut into PDUs any more.
    #[error("{0}")]
    LostLength(LengthError),
}

/// What a peer did that the protocol does not allow, and what the session did about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A PDU that its side may not send in this state. A request is answered ESME_RINVBNDSTS (a bind too many:
    /// ESME_RALYBND).
    #[error("{command} is not permitted here ({state})")]
    NotPermitted {
        /// The PDU's command.
        command: CommandId,
        /// The state it came in.
        state: State,
    },
    /// A command nobody names. A request is answered with generic_nack ESME_RINVCMDID.
    #[error("{command} is not a command")]
    UnknownCommand {
        /// command_id.
        command: CommandId,
        /// Its sequence number.
        sequence: u32,
    },
    /// A PDU that can't be read. A request is refused; a response counts for its status, without its fields.
    #[error("{} can't be read: {error}", header.command)]
    Malformed {
        /// Its header.
        header: Header,
        /// What is wrong.
        error: DecodeError,
    },
    /// A response to nothing in flight: to nothing ever asked, a second one, of another command, or so late that the
    /// request is forgotten.
    #[error("{command} {sequence} answers nothing")]
    UnmatchedResponse {
        /// Its command.
        command: CommandId,
        /// Its sequence number.
        sequence: u32,
        /// Its status.
        status: Status,
    },
    /// A generic_nack for nothing in flight; with sequence 0 the peer could not read what it refuses.
    #[error("generic_nack {sequence} ({status}) refuses nothing")]
    UnmatchedNack {
        /// Its sequence number.
        sequence: u32,
        /// Its status.
        status: Status,
    },
    /// A request far beyond the peer's window, answered ESME_RMSGQFUL: it was read although
    /// [`Session::wants_read`](crate::session::Session::wants_read) said not to.
    #[error("{command} {sequence} is far beyond the window")]
    WindowOverrun {
        /// Its command.
        command: CommandId,
        /// Its sequence number.
        sequence: u32,
    },
    /// The answer to our bind has another sequence number or mode than the bind. It is taken.
    #[error("{command} {sequence} does not fit the bind it answers")]
    OddBindResponse {
        /// Its command.
        command: CommandId,
        /// Its sequence number.
        sequence: u32,
    },
}

impl Violation {
    /// A short name, for counting.
    pub fn name(self) -> &'static str {
        match self {
            Violation::NotPermitted { .. } => "not_permitted",
            Violation::UnknownCommand { .. } => "unknown_command",
            Violation::Malformed { .. } => "malformed",
            Violation::UnmatchedResponse { .. } => "unmatched_response",
            Violation::UnmatchedNack { .. } => "unmatched_nack",
            Violation::WindowOverrun { .. } => "window_overrun",
            Violation::OddBindResponse { .. } => "odd_bind_response",
        }
    }
}

/// Why a command of the caller was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// As many requests as the window lets are unanswered.
    #[error("the window is full")]
    WindowFull,
    /// The PDU is not ours to send in this state, or has a method of its own.
    #[error("not permitted in state {0}")]
    NotPermitted(State),
    /// The version agreed at the bind has no such thing.
    #[error("{0}")]
    NotInVersion(Misfit),
    /// No such request of the peer waits for an answer.
    #[error("no such request waits for an answer")]
    NotOwed,
    /// The session is over.
    #[error("the session is closed")]
    Closed,
}
