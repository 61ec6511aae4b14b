//! The journeys: the only code that knows both memory and wire. Everything that goes out enters by [`accept`] and leaves
//! by [`outbound`]; everything that comes in passes [`inbound`].

pub mod accept;
pub mod accounts;
pub mod campaign;
pub mod consent;
pub mod deadlines;
pub mod esme;
pub mod handed;
pub mod hours;
pub mod inbound;
pub mod inbox;
pub mod lane;
pub mod outbound;
mod outbox;
pub mod reach;
pub mod receipts;
pub mod recovery;
pub mod replies;
pub mod retention;
pub mod settle;
mod surveys;
mod withdraw;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Config;
use crate::flow::accounts::Accounts;
use crate::flow::outbound::Lane;
use crate::message::IdSource;
use crate::metrics::Metrics;
use crate::rules::reading::Reader;
use crate::smpp::door::Door;
use crate::store::Store;

/// What every journey has with it.
pub struct Flow {
    /// The memory.
    pub store: Store,
    /// The time of day.
    pub clock: Clock,
    /// Message ids.
    pub ids: IdSource,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The door out.
    pub door: Arc<Door>,
    /// Permitted hours worked out lately.
    pub hours: hours::Remembered,
    /// Held from reading how surveys stand until what comes of it is committed: a reply and a deadline take turns.
    surveys: tokio::sync::Mutex<()>,
    /// How the accounts stand.
    pub accounts: Accounts,
    config: RwLock<Arc<Config>>,
    wakes: Mutex<BTreeMap<String, Arc<Notify>>>,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
}

impl Flow {
    /// Journeys over this memory, under this configuration.
    pub fn new(store: Store, config: Config, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            // The run, not the node, is in an id: a command beside the server makes ids of its own.
            ids: IdSource::new(u16::try_from(store.epoch() & 1023).unwrap_or_default()),
            hours: hours::Remembered::default(),
            door: Arc::default(),
            accounts: Accounts::default(),
            store,
            surveys: tokio::sync::Mutex::default(),
            config: RwLock::new(Arc::new(config)),
            clock,
            metrics,
            wakes: Mutex::default(),
            lanes: Mutex::default(),
        }
    }

    /// The configuration as it stands. A journey takes it once, at its start, and ends under the one it began with.
    pub fn config(&self) -> Arc<Config> {
        // Only ever replaced as a whole: what a poisoned lock holds is whole.
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in its place: journeys that begin from now on go by it.
    pub fn reconfigure(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The reader of replies, as the configuration stands.
    pub fn reader(&self) -> Arc<Reader> {
        self.config().reader()
    }

    /// From now on this is the lane of its name.
    pub fn enter(&self, lane: Arc<Lane>) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).insert(lane.name.clone(), lane);
    }

    /// The lane of this name, if it has been entered.
    fn lane(&self, name: &str) -> Option<Arc<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone)
    }

    /// Tells a lane that there is work; a lane nobody wakes still looks by itself.
    pub fn wake(&self, lane: &str) {
        self.wakes(lane).notify_one();
    }

    /// What wakes a lane.
    pub fn wakes(&self, lane: &str) -> Arc<Notify> {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        match wakes.get(lane) {
            Some(wake) => Arc::clone(wake),
            None => Arc::clone(wakes.entry(lane.to_owned()).or_default()),
        }
    }
}
