//! What a session is told at its start: its side, its windows, its timers.

use std::time::Duration;

use crate::frame::{Grade, MAX_PDU_OCTETS};
use crate::session::matrix::Role;
use crate::version::Version;

/// How a session behaves. [`Settings::esme`] and [`Settings::smsc`] give what suits most peers.
///
/// The timers are those of SMPP 3.4 section 7.2. A timer so long that its end can't be told as an
/// [`Instant`](std::time::Instant) (`Duration::MAX`) never fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our side.
    pub role: Role,
    /// Requests of ours that may be unanswered at a time, at least 1. Binds and link keeping do not count.
    pub window: usize,
    /// Requests of the peer that may be unanswered before [`Session::wants_read`](crate::session::Session::wants_read)
    /// says to stop reading, at least 1. What one read brings beyond it is still taken.
    pub peer_window: usize,
    /// Most octets a PDU of the peer may claim.
    pub max_pdu_octets: u32,
    /// The latest version we send by. The bind may agree on an earlier one, see
    /// [`Session::version`](crate::session::Session::version); what is accepted does not depend on it.
    pub version: Version,
    /// How much is tolerated in the peer's PDUs.
    pub grade: Grade,
    /// session_init_timer: from the connection (or our bind) until bound.
    pub init_timeout: Duration,
    /// enquire_link_timer: a bound session that has sent nothing, or received nothing, for so long sends enquire_link.
    /// Zero: never.
    pub enquire_link_interval: Duration,
    /// response_timer: a request without a response for so long has expired; an enquire_link without a sign of life
    /// for so long ends the session.
    pub response_timeout: Duration,
    /// inactivity_timer: so long without anything but enquire_link in either direction, and we unbind.
    pub inactivity_timeout: Option<Duration>,
    /// How long an unbind of ours waits for its answer, and either side's unbind for the answers still out.
    pub unbind_timeout: Duration,
}

impl Settings {
    /// For a client.
    pub fn esme() -> Settings {
        Settings {
            role: Role::Esme,
            window: 10,
            peer_window: 100,
            max_pdu_octets: MAX_PDU_OCTETS,
            version: Version::V5_0,
            grade: Grade::Lenient,
            init_timeout: Duration::from_secs(10),
            // Some carriers drop a link after 30 s of silence.
            enquire_link_interval: Duration::from_secs(20),
            response_timeout: Duration::from_secs(30),
            inactivity_timeout: None,
            unbind_timeout: Duration::from_secs(5),
        }
    }

    /// For a server.
    pub fn smsc() -> Settings {
        Settings { role: Role::Smsc, ..Settings::esme() }
    }
}
