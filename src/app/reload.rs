//! Another configuration while the server runs: what it concerns changes, and every other bind stays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::app::standing::Asked;
use crate::app::{Server, bind_settings, drain, modes};
use crate::config::{CarrierChange, Config, Plan, Rate, load};
use crate::store::AskKind;

/// How often requests of commands are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The server says how it is once in so many looks.
const LOOKS_A_BEAT: u32 = 5;

impl Server {
    /// Goes over to another configuration. Carriers that are gone, or that change in what a bind is made of, drain
    /// first; everything else changes at once.
    ///
    /// # Errors
    /// The plan, where it has what only a new start can change. Then nothing has changed.
    pub async fn reload(&mut self, config: Config) -> Result<Plan, Plan> {
        let plan = Plan::between(&self.flow.config(), &config);
        if !plan.needs_a_start.is_empty() {
            return Err(plan);
        }
        let leaving = plan.carriers.iter().filter_map(|change| match change {
            CarrierChange::Drains { carrier, .. } | CarrierChange::Restarts { carrier, .. } => {
                self.lanes.remove(carrier)
            }
            CarrierChange::Starts { .. } | CarrierChange::Adopts { .. } => None,
        });
        let leaving: Vec<_> = leaving.collect();
        let binds: usize = leaving.iter().map(|running| running.binds.len()).sum();
        self.flow.metrics.binds_wanted.less(binds as u64);
        drain(leaving).await;
        let config = Arc::new(config);
        self.flow.reconfigure(Arc::clone(&config));
        self.loaded_ms = self.flow.clock.now_ms();
        for change in &plan.carriers {
            let (CarrierChange::Starts { carrier, .. }
            | CarrierChange::Restarts { carrier, .. }
            | CarrierChange::Adopts { carrier, .. }
            | CarrierChange::Drains { carrier, .. }) = change;
            let Some(carrier) = config.carrier(carrier) else { continue };
            match self.lanes.get(&carrier.name) {
                Some(running) => {
                    let bind_rate = carrier.bind_rate.map(Rate::parts_per_second);
                    running.pace.change(carrier.rate.parts_per_second(), bind_rate);
                    running.lane.adopt(carrier);
                    for ((index, mode), bind) in
                        modes(carrier).into_iter().enumerate().zip(&running.lane.binds)
                    {
                        bind.take_in_advance(bind_settings(carrier, index, mode).queue_parts);
                    }
                }
                None => self.start_lane(carrier),
            }
        }
        Ok(plan)
    }

    /// Runs until asked to stop: reads the file again on a hang-up or when a command asks, and says how it is.
    pub async fn watch(&mut self, file: &Path, hangups: &mut Signal, stop: CancellationToken) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.flow.store.last_ask().await.ok().flatten().map_or(0, |ask| ask.id);
        let mut looks = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hangups.recv() => {
                    self.read_again(file).await;
                    looks = 0;
                }
                _ = look.tick() => {
                    // A memory that is away is told of by who needs it; here it only means to look again.
                    if let Ok(Some(ask)) = self.flow.store.last_ask().await
                        && ask.id > seen
                    {
                        seen = ask.id;
                        let (done, text) = match ask.kind {
                            AskKind::Reload => self.read_again(file).await,
                            AskKind::Plan => self.plan(Path::new(&ask.file)),
                        };
                        self.asked = Some(Asked { ask: ask.id, done, text });
                        looks = 0;
                    }
                }
            }
            if looks == 0 {
                self.beat(file).await;
            }
            looks = (looks + 1) % LOOKS_A_BEAT;
        }
    }

    /// Reads the file again, and goes over to it if it is right. Whether it did, and what changed or is wrong.
    async fn read_again(&mut self, file: &Path) -> (bool, String) {
        let config = match load(file) {
            Ok(config) => config,
            Err(problems) => {
                error!("the configuration stays as it is, for the file is wrong:\n{}", problems.plain());
                return (false, problems.plain());
            }
        };
        match self.reload(config).await {
            Ok(plan) => {
                info!("the configuration is read again:\n{plan}");
                self.warn_of_stranded(&plan).await;
                (true, plan.to_string())
            }
            Err(plan) => {
                error!("the configuration stays as it is:\n{plan}");
                (false, plan.to_string())
            }
        }
    }

    /// What waits for a carrier that is gone stays in the queue, and goes should it come back.
    async fn warn_of_stranded(&self, plan: &Plan) {
        for change in &plan.carriers {
            let CarrierChange::Drains { carrier, .. } = change else { continue };
            if let Ok(depth) = self.flow.store.queue_depth(carrier).await {
                let messages: i64 = depth.iter().map(|class| class.messages).sum();
                if messages > 0 {
                    warn!(
                        "{messages} messages wait for carrier {carrier}; they are sent should it come back"
                    );
                }
            }
        }
    }

    fn plan(&self, file: &Path) -> (bool, String) {
        match load(file) {
            Ok(config) => (true, Plan::between(&self.flow.config(), &config).to_string()),
            // Whoever asked has read it already. What the server sees of a file is not for everybody's eyes.
            Err(problems) => {
                let count = problems.items().len();
                (
                    false,
                    format!(
                        "the server finds {count} problem(s) in {}, seen from where it runs",
                        file.display()
                    ),
                )
            }
        }
    }
}
