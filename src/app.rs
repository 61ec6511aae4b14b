//! The wiring: what is started, in which order, and how it is changed while it runs, drained and stopped.

mod doors;
mod reload;
mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::pdu::Bind;
use protocol::session::{BindMode, Settings};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::app::doors::Doors;
use crate::clock::Clock;
use crate::config::{BindKind, Carrier, Config, Rate, StoreLocation};
use crate::flow::campaign::planner::plan_campaigns;
use crate::flow::deadlines::keep_deadlines;
use crate::flow::inbound::take_in;
use crate::flow::outbound::{Lane, feed, slice_parts};
use crate::flow::recovery::Recovered;
use crate::flow::retention::keep_retention;
use crate::flow::settle::settle;
use crate::flow::{self, Flow};
use crate::metrics::Metrics;
use crate::smpp::client::{BindSettings, Sinks, bind};
use crate::smpp::pace::Pace;
use crate::smpp::submission::Arrival;
use crate::store::{Access, Location, OpenError, Options, Store, StoreError, SubjectKey};

pub use standing::{Asked, BindStanding, STANDING_FRESH_MS, Standing};

/// Slices a bind holds in advance of its window: one being sent, one ready.
const SLICES_HELD: usize = 2;
/// What a carrier delivers and no commit has let us answer yet: with so much a bind stops reading, so that memory is bounded
/// (some 500 octets each). Far more than a commit takes, since the answers to what we send come by the same socket, and
/// would wait too.
const ARRIVALS_HELD: usize = 1_000;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The memory cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What an earlier run left could not be settled.
    #[error("what the last run left behind cannot be settled: {0}")]
    Recover(#[from] StoreError),
    /// A door in cannot be opened.
    #[error("cannot listen on {address}: {error}; is another server there?")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
}

/// Opens the memory a configuration names.
///
/// # Errors
/// Why it cannot be opened, and what would help.
pub async fn open_store(config: &Config, clock: &Clock, access: Access) -> Result<Store, OpenError> {
    let location = match &config.store.location {
        StoreLocation::Sqlite(path) => Location::Sqlite(path.clone()),
        StoreLocation::Postgres(url) => Location::Postgres(url.reveal().to_owned()),
    };
    let subjects = config.store.erasure_key.as_ref().map(|key| SubjectKey::new(key.reveal()));
    let partitions = config.store.partitions;
    let options = Options { now_ms: clock.now_ms(), node: config.node, access, subjects, partitions };
    Store::open(&location, options).await
}

/// A running server.
pub struct Server {
    flow: Arc<Flow>,
    lanes: BTreeMap<String, RunningLane>,
    recovered: Recovered,
    arrivals: mpsc::UnboundedSender<Vec<Arrival>>,
    inbound: JoinHandle<()>,
    doors: Doors,
    stop: CancellationToken,
    around: Vec<JoinHandle<()>>,
    started_ms: i64,
    loaded_ms: i64,
    asked: Option<Asked>,
}

/// A carrier account at work.
struct RunningLane {
    lane: Arc<Lane>,
    pace: Arc<Pace>,
    stop: CancellationToken,
    feeder: JoinHandle<()>,
    binds: Vec<JoinHandle<()>>,
    settler: JoinHandle<()>,
}

impl Server {
    /// Opens the memory, settles what the last run left, then binds to every carrier and begins to send.
    ///
    /// # Errors
    /// What keeps it from starting; a carrier that is down does not.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let store = open_store(&config, &clock, Access::Serve).await?;
        let metrics = Arc::new(Metrics::default());
        let flow = Arc::new(Flow::new(store, config, clock, metrics));
        let recovered = flow.recover().await?;
        if recovered != Recovered::default() {
            info!(
                "the last run ended in the middle: {} queued again, {} in doubt, {} of these sent again",
                recovered.unsent, recovered.in_doubt, recovered.resent
            );
        }
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let seen = flow.store.consent_head().await?.seq;
        let watch = tokio::spawn(flow::consent::watch(Arc::clone(&flow), seen, stop.clone()));
        let inbound = tokio::spawn(take_in(Arc::clone(&flow), arrived));
        let deadlines = tokio::spawn(keep_deadlines(Arc::clone(&flow), stop.clone()));
        let retention = tokio::spawn(keep_retention(Arc::clone(&flow), stop.clone()));
        let planner = tokio::spawn(plan_campaigns(Arc::clone(&flow), stop.clone()));
        let mut server = Self {
            lanes: BTreeMap::new(),
            recovered,
            arrivals,
            inbound,
            doors: Doors::open(&flow).await?,
            around: vec![watch, planner, deadlines, retention],
            stop,
            started_ms: flow.clock.now_ms(),
            loaded_ms: flow.clock.now_ms(),
            asked: None,
            flow: Arc::clone(&flow),
        };
        for carrier in &flow.config().carriers {
            server.start_lane(carrier);
        }
        Ok(server)
    }

    fn start_lane(&mut self, carrier: &Carrier) {
        let (settled, settlements) = mpsc::unbounded_channel();
        let sinks = Sinks { settled, arrivals: self.arrivals.clone() };
        let pace = Arc::new(Pace::new(
            carrier.rate.parts_per_second(),
            carrier.bind_rate.map(Rate::parts_per_second),
        ));
        let changes = Arc::new(watch::Sender::new(0));
        let (mut handles, mut binds) = (Vec::new(), Vec::new());
        for (index, mode) in modes(carrier).into_iter().enumerate() {
            let settings = bind_settings(carrier, index, mode);
            let metrics = Arc::clone(&self.flow.metrics);
            let (handle, task) =
                bind(settings, Arc::clone(&pace), sinks.clone(), metrics, Arc::clone(&changes));
            handles.push(handle);
            self.flow.metrics.binds_wanted.one();
            binds.push(tokio::spawn(task.run()));
        }
        let lane = Arc::new(Lane::new(carrier, handles, changes));
        self.flow.enter(Arc::clone(&lane));
        let flow = || Arc::clone(&self.flow);
        let settler = tokio::spawn(settle(flow(), Arc::clone(&lane), settlements));
        let stop = CancellationToken::new();
        let feeder = tokio::spawn(feed(flow(), Arc::clone(&lane), stop.clone()));
        let running = RunningLane { lane, pace, stop, feeder, binds, settler };
        self.lanes.insert(carrier.name.clone(), running);
    }

    /// The journeys, for commands that start some.
    pub fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// Where messages are handed in by HTTP.
    pub fn http_address(&self) -> Option<std::net::SocketAddr> {
        self.doors.http
    }

    /// Where ESMEs bind.
    pub fn smpp_address(&self) -> Option<std::net::SocketAddr> {
        self.doors.smpp
    }

    /// What the start found left over.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Drains: sends nothing more, waits for answers to what is in the windows, unbinds, writes everything down.
    pub async fn stop(self) {
        self.doors.close().await;
        self.stop.cancel();
        join(self.around).await;
        drain(self.lanes.into_values().collect()).await;
        drop(self.arrivals);
        join(vec![self.inbound]).await;
        self.flow.store.clone().close(self.flow.clock.now_ms()).await;
    }
}

/// Ends lanes: they send nothing more, wait for answers to what is in their windows, unbind, write everything down.
async fn drain(lanes: Vec<RunningLane>) {
    lanes.iter().for_each(|lane| lane.stop.cancel());
    let (mut feeders, mut binds, mut settlers, mut running) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for lane in lanes {
        feeders.push(lane.feeder);
        binds.extend(lane.binds);
        settlers.push(lane.settler);
        running.push(lane.lane);
    }
    join(feeders).await;
    running.iter().flat_map(|lane| &lane.binds).for_each(|bind| bind.drain());
    join(binds).await;
    join(settlers).await;
}

async fn join(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!("a task ended badly: {error}");
        }
    }
}

/// The sessions of a carrier account.
fn modes(carrier: &Carrier) -> Vec<BindMode> {
    let one: &[BindMode] = match carrier.bind {
        BindKind::Transmitter => &[BindMode::Transmitter],
        BindKind::Receiver => &[BindMode::Receiver],
        BindKind::Transceiver => &[BindMode::Transceiver],
        BindKind::Pair => &[BindMode::Transmitter, BindMode::Receiver],
    };
    one.repeat(usize::from(carrier.binds))
}

fn bind_settings(carrier: &Carrier, index: usize, mode: BindMode) -> BindSettings {
    BindSettings {
        name: format!("{}/{}", carrier.name, index + 1).into(),
        lane: carrier.name.as_str().into(),
        address: format!("{}:{}", carrier.host, carrier.port),
        mode,
        bind: Bind {
            system_id: carrier.system_id.as_str().into(),
            password: carrier.password.reveal().into(),
            system_type: carrier.system_type.as_str().into(),
            interface_version: 0x34,
            address_range: carrier.address_range.as_str().into(),
            ..Bind::default()
        },
        session: Settings {
            window: carrier.window,
            peer_window: ARRIVALS_HELD,
            enquire_link_interval: Duration::from_millis(carrier.enquire_link_ms),
            response_timeout: Duration::from_millis(carrier.response_timeout_ms),
            ..Settings::esme()
        },
        reconnect: carrier.reconnect,
        queue_parts: carrier.window + SLICES_HELD * slice_parts(carrier),
        seed: u64::try_from(index).unwrap_or_default() ^ u64::from(std::process::id()),
    }
}
