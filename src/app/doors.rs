//! The doors in: the HTTP listener, the SMPP server, and the sweeping up behind them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::{StartError, join};
use crate::flow::Flow;
use crate::flow::esme::attend;
use crate::smpp::server::Server;
use crate::web;

/// How often what accounts need no more is forgotten, a little at a time.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// While there is more, the next step follows after a pause that leaves the writer to others.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// Doors that stand open.
pub(super) struct Doors {
    pub(super) http: Option<SocketAddr>,
    pub(super) smpp: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Doors {
    /// Opens those the configuration names.
    pub(super) async fn open(flow: &Arc<Flow>) -> Result<Self, StartError> {
        let config = flow.config();
        let stop = CancellationToken::new();
        let mut doors = Self { http: None, smpp: None, stop: stop.clone(), tasks: Vec::new() };
        flow.recount().await?;
        if let Some(http) = config.http {
            let listening = web::listen(http.listen).await;
            let listener = listening.map_err(|error| StartError::Listen { address: http.listen, error })?;
            doors.http = Some(listener.address());
            info!("the API answers on http://{}", listener.address());
            let routes = web::routes(Arc::clone(flow), stop.clone());
            doors.tasks.push(tokio::spawn(listener.serve(routes, stop.clone())));
        }
        if let Some(smpp) = config.smpp {
            let (told, telling) = mpsc::unbounded_channel();
            let metrics = Arc::clone(&flow.metrics);
            let listening = Server::listen(smpp, flow.admit(), told, metrics, stop.clone()).await;
            let server = listening.map_err(|error| StartError::Listen { address: smpp.listen, error })?;
            doors.smpp = Some(server.address());
            info!("ESMEs bind to {}", server.address());
            doors.tasks.push(tokio::spawn(server.serve()));
            doors.tasks.push(tokio::spawn(attend(Arc::clone(flow), telling)));
        }
        doors.tasks.push(tokio::spawn(sweep(Arc::clone(flow), stop)));
        Ok(doors)
    }

    /// Takes nothing new, answers what has come, unbinds everybody.
    pub(super) async fn close(self) {
        self.stop.cancel();
        join(self.tasks).await;
    }
}

async fn sweep(flow: Arc<Flow>, stop: CancellationToken) {
    let mut pause = SWEEP_EVERY;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = match flow.store.sweep_accounts(flow.clock.now_ms()).await {
            Ok(0) => SWEEP_EVERY,
            Ok(_) => SWEEP_PAUSE,
            Err(error) => {
                warn!("old keys and receipts stay for now: {error}");
                SWEEP_EVERY
            }
        };
    }
}
