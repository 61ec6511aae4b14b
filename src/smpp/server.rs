//! The server ESMEs bind to: connections bounded in number, from one address and in time, each a session of its own.

mod guard;
mod link;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use protocol::pdu::{Bind, Body, Pdu, Sm};
use protocol::status::Status;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::{Account, SmppConfig};
use crate::metrics::Metrics;
use guard::Guard;

/// When the system has no more sockets, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A stop waits so long for sessions to end in good order: an answer, an unbind and its answer.
const DRAIN: Duration = Duration::from_secs(12);

/// Says whose bind this is, and takes a session of that account: the same answer for a name that is unknown and for a
/// wrong password.
pub type Admit = Arc<dyn Fn(&Bind, IpAddr) -> Result<Arc<Account>, BindRefusal> + Send + Sync>;

/// Why a bind is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindRefusal {
    /// Nobody binds like this, or not from there: counted against who tries.
    Unknown,
    /// The account has all the sessions it may.
    TooMany,
}

/// An ESME that is bound.
#[derive(Debug)]
pub struct Esme {
    /// Which connection: never the same again.
    pub link: u64,
    /// Whose it is.
    pub account: Arc<Account>,
    /// Whether deliver_sm can be sent to it.
    pub receives: Receives,
    commands: mpsc::UnboundedSender<Command>,
}

/// Whether a bind takes deliver_sm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receives {
    /// A receiver or transceiver.
    Yes,
    /// A transmitter.
    No,
}

enum Command {
    Answer { sequence: u32, status: Status, body: Body },
    Deliver { id: i64, sm: Box<Sm> },
}

impl Esme {
    /// Answers a request. What has gone meanwhile is not told.
    pub fn answer(&self, sequence: u32, status: Status, body: Body) {
        let _ = self.commands.send(Command::Answer { sequence, status, body });
    }

    /// Sends a deliver_sm as soon as the window lets it; [`Told::Delivered`] or [`Told::NotDelivered`] follows, once.
    /// False: the link has gone, and nothing follows.
    pub fn deliver(&self, id: i64, sm: Sm) -> bool {
        self.commands.send(Command::Deliver { id, sm: Box::new(sm) }).is_ok()
    }
}

/// What the links tell, in the order it happened on each.
#[derive(Debug)]
pub enum Told {
    /// An ESME is bound.
    Bound(Arc<Esme>),
    /// A request that waits for [`Esme::answer`].
    Requested(Arc<Esme>, Box<Pdu>),
    /// The ESME has answered a deliver_sm with ESME_ROK.
    Delivered(Arc<Esme>, i64),
    /// It refused it, or was gone before it answered.
    NotDelivered(Arc<Esme>, i64),
    /// The link has ended, whether it was bound or only admitted.
    Left(Arc<Account>, u64),
}

/// The socket, and what each link needs.
pub struct Server {
    socket: TcpListener,
    address: SocketAddr,
    settings: SmppConfig,
    shared: Arc<Shared>,
}

struct Shared {
    admit: Admit,
    guard: Guard,
    told: mpsc::UnboundedSender<Vec<Told>>,
    metrics: Arc<Metrics>,
    links: AtomicU64,
    stop: CancellationToken,
}

impl Server {
    /// Takes the address, so that a start fails at once where it is taken already. What happens is told to `told`: never
    /// more than the windows of the sessions.
    ///
    /// # Errors
    /// What the system says.
    pub async fn listen(
        settings: SmppConfig,
        admit: Admit,
        told: mpsc::UnboundedSender<Vec<Told>>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(settings.listen).await?;
        let address = socket.local_addr()?;
        let guard = Guard::new(settings.connections, settings.connections_per_address);
        let shared = Arc::new(Shared { admit, guard, told, metrics, links: AtomicU64::new(1), stop });
        Ok(Self { socket, address, settings, shared })
    }

    /// Where it listens: the port is the system's choice where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until asked to stop; then unbinds everybody in good order.
    pub async fn serve(self) {
        info!("ESMEs may bind to {}, {} at once", self.address, self.settings.connections);
        let links = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = self.shared.stop.cancelled() => break,
            };
            match accepted {
                // over a limit: closed without a word, which costs least
                Ok((stream, from)) => {
                    if let Some(place) = self.shared.guard.enter(from.ip(), Instant::now()) {
                        let shared = Arc::clone(&self.shared);
                        links.spawn(async move {
                            link::live(shared, stream, from.ip()).await;
                            drop(place);
                        });
                    }
                }
                Err(error) => {
                    warn!("a connection cannot be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        links.close();
        if tokio::time::timeout(DRAIN, links.wait()).await.is_err() {
            warn!("{} sessions of ESMEs are cut", links.len());
        }
    }
}

impl Shared {
    fn next_link(&self) -> u64 {
        self.links.fetch_add(1, Ordering::Relaxed)
    }
}
