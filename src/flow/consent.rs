//! Consent that changes elsewhere: an operator's command or another node writes it to the memory, and the door hears of it
//! here. A slice that is judged later sees it there by itself; this is for what was judged already and waits for its turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::{AfterStop, Config, ConsentRule};
use crate::flow::Flow;
use crate::message::{Outbound, Purpose, Scope, Sender};
use crate::rules::consent::{Stop, blocking_scopes};
use crate::smpp::submission::Withdrawn;
use crate::store::StoreError;

/// How often the end of the chain is looked at: so long may what waits at a bind still go to a number that an operator has
/// just opted out. One row by its key each time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Answers to withdrawals written down in one commit.
const WITHDRAWN: usize = 500;

/// What the door out asks about a message.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The scopes whose opt-out stops it.
    pub scopes: Vec<Scope>,
    /// Where it needs an opt-in: since when one counts, milliseconds since the epoch.
    pub consent_since_ms: Option<i64>,
}

/// What the door out asks about a message under this configuration.
pub fn judgement(config: &Config, message: &Outbound, now_ms: i64) -> Judgement {
    let code = config.code(&message.sender);
    let programme = message.programme.as_deref();
    let rule =
        code.filter(|_| message.purpose == Purpose::Promotional).map(|code| code.consent.rule_of(programme));
    let since_ms = |max_age_ms: Option<i64>| max_age_ms.map_or(i64::MIN, |age_ms| now_ms - age_ms);
    Judgement {
        scopes: scopes_of(config, message.purpose, &message.sender, programme),
        consent_since_ms: code
            .filter(|_| rule == Some(ConsentRule::OptIn))
            .map(|code| since_ms(code.consent.max_age_ms)),
    }
}

/// The scopes whose opt-out stops what is sent so.
pub(super) fn scopes_of(
    config: &Config,
    purpose: Purpose,
    sender: &Sender,
    programme: Option<&str>,
) -> Vec<Scope> {
    let stop = match config.code(sender).map(|code| code.consent.after_stop) {
        Some(AfterStop::Transactional) => Stop::EndsMarketing,
        Some(AfterStop::Silent) | None => Stop::EndsAll,
    };
    blocking_scopes(purpose, sender, programme, stop)
}

/// Tells the door what was changed elsewhere behind this place in the chain, and has withdrawn what carriers still hold for
/// who opted out, until asked to stop.
pub async fn watch(flow: Arc<Flow>, mut seen: i64, stop: CancellationToken) {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    let (tell, mut withdrawn) = mpsc::unbounded_channel();
    let mut came = Vec::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = withdrawn.recv_many(&mut came, WITHDRAWN) => {
                flow.note_withdrawn(came.drain(..)).await;
                continue;
            }
            () = stop.cancelled() => return,
        }
        match flow.look_at_consent(seen, &tell).await {
            Ok(upto) => (seen, told) = (upto, false),
            Err(error) if !told => {
                warn!("changes of consent made elsewhere cannot be looked for: {error}");
                told = true;
            }
            Err(_) => {}
        }
    }
}

impl Flow {
    /// Shuts the door to everybody who opted out behind this place in the chain; gives the place it has seen.
    async fn look_at_consent(
        &self,
        mut seen: i64,
        tell: &mpsc::UnboundedSender<Withdrawn>,
    ) -> Result<i64, StoreError> {
        let head = self.store.consent_head().await?.seq;
        while seen < head {
            let changes = self.store.opted_out_behind(seen).await?;
            for (number, scope) in &changes.opted_out {
                self.door.close(*number, scope.clone());
            }
            self.withdraw(&changes.opted_out, tell).await?;
            // who commits late takes a late place in the chain: there are no holes to wait for
            if changes.upto <= seen {
                break;
            }
            seen = changes.upto;
        }
        Ok(seen)
    }
}
