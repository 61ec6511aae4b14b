//! The journeys: the only code that knows both memory and wire. Everything that goes out enters by [`accept`] and leaves
//! by [`outbound`]; everything that comes in passes [`inbound`].

pub mod accept;
pub mod campaign;
pub mod inbound;
pub mod outbound;
pub mod receipts;
pub mod recovery;
pub mod replies;
pub mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{Carrier, Code, Config};
use crate::message::{IdSource, Sender};
use crate::metrics::Metrics;
use crate::rules::reply::Reader;
use crate::smpp::door::Door;
use crate::store::Store;

/// What every journey has with it.
pub struct Flow {
    /// The memory.
    pub store: Store,
    /// The configuration.
    pub config: Config,
    /// The time of day.
    pub clock: Clock,
    /// Message ids.
    pub ids: IdSource,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The door out.
    pub door: Arc<Door>,
    /// The reader of replies.
    pub reader: Reader,
    wakes: BTreeMap<String, Arc<Notify>>,
}

impl Flow {
    /// Journeys over this memory, under this configuration.
    pub fn new(store: Store, config: Config, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let wakes = config.carriers.iter().map(|carrier| (carrier.name.clone(), Arc::default())).collect();
        Self {
            // The run, not the node, is in an id: a command beside the server makes ids of its own.
            ids: IdSource::new(u16::try_from(store.epoch() & 1023).unwrap_or_default()),
            reader: Reader::new(),
            door: Arc::default(),
            store,
            config,
            clock,
            metrics,
            wakes,
        }
    }

    /// The carrier account of a lane.
    pub fn carrier(&self, lane: &str) -> Option<&Carrier> {
        self.config.carriers.iter().find(|carrier| carrier.name == lane)
    }

    /// The code a message came to, or is sent from.
    pub fn code(&self, number: &Sender) -> Option<&Code> {
        self.config.codes.iter().find(|code| code.number == *number)
    }

    /// Tells a lane that there is work; a lane nobody wakes still looks by itself.
    pub fn wake(&self, lane: &str) {
        if let Some(wake) = self.wakes.get(lane) {
            wake.notify_one();
        }
    }

    /// What wakes a lane.
    pub fn wakes(&self, lane: &str) -> Arc<Notify> {
        self.wakes.get(lane).map(Arc::clone).unwrap_or_default()
    }
}
