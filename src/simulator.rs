//! A simulated carrier with people in its handsets: the tests' peer, the demo's carrier, and a tool for users.
//!
//! It takes binds, answers submits, sends receipts, and lets handsets reply with rows of a replies file. All draws come
//! from one seed. What an ESME has not acknowledged is sent again, over lost links and, with a journal, over a restart.
//!
//! ```no_run
//! # async fn example() -> Result<(), backchat::simulator::StartError> {
//! use backchat::simulator::{Settings, Simulator};
//!
//! let carrier = Simulator::start(Settings::plain()).await?;
//! println!("bind to {}", carrier.address());
//! carrier.wait_idle().await;
//! println!("{:?}", carrier.census());
//! # Ok(())
//! # }
//! ```

mod accounts;
mod carrier;
mod configured;
mod cues;
mod dice;
mod ids;
mod inbox;
pub mod journal;
mod ledger;
mod link;
mod outgoing;
mod people;
mod plan;
mod replay;
pub mod rows;
mod settings;
mod stops;
mod talk;
mod timers;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::message::Msisdn;
use carrier::Carrier;

pub use configured::NotSettings;
pub use journal::JournalError;
pub use ledger::{Census, ReceivedMessage, SentReply};
pub use rows::Expected;
pub use settings::{Account, Cue, Handsets, Ids, Mark, Personality, ReceiptSettings, Settings, Shares, Span};

/// Connections at once: far more than any ESME has binds.
const MOST_LINKS: usize = 1_000;
/// Rest after the system has refused us a connection, for want of file handles mostly.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Why a simulated carrier does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("port {} is in use on {}: stop the program that listens there, or choose another port", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What the tasks of a carrier share.
struct Shared {
    settings: Arc<Settings>,
    carrier: Mutex<Carrier>,
    alarm: Arc<Notify>,
    idle: Arc<Notify>,
    closing: CancellationToken,
    started: Instant,
    started_ms: i64,
}

impl Shared {
    fn carrier(&self) -> MutexGuard<'_, Carrier> {
        // Nothing under this lock panics halfway; what a poisoned one holds is whole.
        self.carrier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_link(&self) -> u64 {
        let mut carrier = self.carrier();
        carrier.link += 1;
        carrier.link - 1
    }

    /// Milliseconds since the epoch, on the monotonic clock.
    fn now_ms(&self, now: Instant) -> i64 {
        self.started_ms + carrier::millis(now.saturating_duration_since(self.started))
    }

    /// The first instant at which [`Shared::now_ms`] is so much.
    fn instant(&self, at_ms: i64) -> Instant {
        let after_ms = u64::try_from(at_ms.saturating_sub(self.started_ms)).unwrap_or_default();
        self.started + Duration::from_millis(after_ms)
    }
}

/// A simulated carrier that runs. Dropping it ends it as a crash would: connections are cut, nothing is unbound.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: TaskTracker,
}

impl Simulator {
    /// Reads the journal, if there is one, and listens.
    ///
    /// # Errors
    /// [`StartError`]: the port is in use, or the journal is none.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse(settings.listen),
            _ => StartError::Listen { address: settings.listen, source },
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let started_ms = Clock::System.now_ms();
        let (alarm, idle) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let mut carrier =
            Carrier::new(Arc::clone(&settings), started_ms, Arc::clone(&alarm), Arc::clone(&idle));
        if let Some(path) = &settings.journal {
            carrier.resume(path)?;
        }
        let shared = Arc::new(Shared {
            settings,
            carrier: Mutex::new(carrier),
            alarm,
            idle,
            closing: CancellationToken::new(),
            started: Instant::now(),
            started_ms,
        });
        let tasks = TaskTracker::new();
        tasks.spawn(schedule(Arc::clone(&shared)));
        tasks.spawn(accept(Arc::clone(&shared), listener, tasks.clone()));
        Ok(Self { shared, address, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts of this moment.
    pub fn census(&self) -> Census {
        self.shared.carrier().census()
    }

    /// What handsets have said so far, in the order it was first sent. The first 100,000.
    pub fn replies(&self) -> Vec<SentReply> {
        self.shared.carrier().ledger.replies()
    }

    /// What handsets were sent, in the order it came. The first 100,000 different messages.
    pub fn received(&self) -> Vec<ReceivedMessage> {
        self.shared.carrier().ledger.received()
    }

    /// Whether nothing is to come: every answer sent, every receipt and reply acknowledged, nobody still typing.
    pub fn is_idle(&self) -> bool {
        self.shared.carrier().is_idle()
    }

    /// Waits until [`Simulator::is_idle`].
    pub async fn wait_idle(&self) {
        loop {
            let changed = self.shared.idle.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_idle() {
                return;
            }
            changed.await;
        }
    }

    /// Makes a handset write to a code. It goes to the account that last sent from that code, else to one that is bound.
    pub async fn say(&self, number: Msisdn, code: &str, text: &str) {
        let now_ms = self.shared.now_ms(Instant::now());
        let mut carrier = self.shared.carrier();
        carrier.prompt(None, number, &people::code_address(code), text, now_ms, now_ms);
        carrier.accounts.rouse_all();
        carrier.commit();
    }

    /// Ends it: connections are cut, nothing is unbound. What is not acknowledged is in the journal.
    pub async fn stop(self) {
        self.shared.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.closing.cancelled() => return,
        };
        match accepted {
            Ok((_, peer)) if tasks.len() > MOST_LINKS => warn!(%peer, "too many connections"),
            Ok((stream, peer)) => {
                debug!(%peer, "connected");
                tasks.spawn(link::serve(Arc::clone(&shared), stream));
            }
            Err(error) => {
                warn!("cannot accept: {error}");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Lets happen what is due.
async fn schedule(shared: Arc<Shared>) {
    loop {
        let next_ms = {
            let mut carrier = shared.carrier();
            let next_ms = carrier.fire(shared.now_ms(Instant::now()));
            carrier.commit();
            next_ms
        };
        let due = next_ms.map(|next_ms| shared.instant(next_ms));
        tokio::select! {
            () = shared.alarm.notified() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            () = shared.closing.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests;
