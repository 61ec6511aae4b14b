//! What carriers still hold for somebody who has opted out is withdrawn, where a carrier's profile allows it: its own tries
//! go on for days where a handset is off.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::pdu::CancelSm;
use tokio::sync::mpsc;
use tracing::warn;

use crate::config::Cancel;
use crate::flow::Flow;
use crate::flow::consent::scopes_of;
use crate::flow::lane::addresses;
use crate::message::{Msisdn, Purpose, Scope};
use crate::smpp::submission::{Withdrawal, Withdrawn};
use crate::store::{Acceptance, EventRow, StoreError};

/// No carrier we know tries longer.
const HELD_AT_MOST_MS: i64 = 7 * 86_400_000;

impl Flow {
    /// Asks the carriers that allow it to drop what they hold for these, who have opted out of these scopes.
    ///
    /// # Errors
    /// What the memory says.
    pub(super) async fn withdraw(
        &self,
        opted_out: &[(Msisdn, Scope)],
        tell: &mpsc::UnboundedSender<Withdrawn>,
    ) -> Result<(), StoreError> {
        let config = self.config();
        if config.carriers.iter().all(|carrier| carrier.cancel == Cancel::Never) {
            return Ok(());
        }
        let mut scopes: HashMap<Msisdn, BTreeSet<&Scope>> = HashMap::new();
        for (number, scope) in opted_out {
            scopes.entry(*number).or_default().insert(scope);
        }
        let numbers: Vec<Msisdn> = scopes.keys().copied().collect();
        let since_ms = self.clock.now_ms() - HELD_AT_MOST_MS;
        let mut of_lanes: BTreeMap<String, Vec<Withdrawal>> = BTreeMap::new();
        for held in self.store.held_by_carriers(&numbers, since_ms).await? {
            let Some(carrier) = config.carrier(&held.carrier) else { continue };
            let Some(purpose) = Purpose::named(&held.purpose) else { continue };
            let stopping = scopes_of(&config, purpose, &held.sender, held.programme.as_deref());
            let stopped =
                scopes.get(&held.to).is_some_and(|out| stopping.iter().any(|one| out.contains(one)));
            if carrier.cancel == Cancel::AfterStop && stopped {
                let (source, dest) = addresses(&held.sender, held.to, carrier.short_code_type());
                let message_id = held.carrier_id.as_str().into();
                let sm = CancelSm { message_id, source, dest, ..CancelSm::default() };
                let (message, part) = (held.message, held.part);
                let withdrawal = Withdrawal { message, part, sm, told: tell.clone() };
                of_lanes.entry(held.carrier).or_default().push(withdrawal);
            }
        }
        for (lane, parts) in of_lanes {
            if let Some(lane) = self.lane(&lane) {
                lane.withdraw(parts);
            }
        }
        Ok(())
    }

    /// Writes down what carriers said to withdrawals: `why` shows it.
    pub(super) async fn note_withdrawn(&self, withdrawn: impl Iterator<Item = Withdrawn>) {
        let at_ms = self.clock.now_ms();
        let event = |one: Withdrawn| EventRow {
            id: self.ids.next(at_ms).0,
            at_ms,
            kind: if one.status.is_some_and(|status| status.is_ok()) { "withdrawn" } else { "not_withdrawn" }
                .to_owned(),
            number: None,
            message: Some(one.message),
            campaign: None,
            detail: Some(match one.status {
                Some(status) => format!("part {}: {status}", one.part),
                None => format!("part {}: no answer", one.part),
            }),
        };
        let events = withdrawn.map(event).collect();
        if let Err(error) = self.store.accept(Acceptance { events, ..Acceptance::default() }).await {
            warn!("what carriers said to withdrawals is not written down: {error}");
        }
    }
}
