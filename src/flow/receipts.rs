//! Delivery receipts: matched to their message by any form of its id, kept when they come early, taken once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::pdu::Sm;
use protocol::receipt::id_forms;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::flow::Flow;
use crate::flow::inbound::{BATCH, Receipt, answer};
use crate::message::Msisdn;
use crate::smpp::client::BindHandle;
use crate::smpp::submission::Arrival;
use crate::store::{ReceiptFate, ReceiptRow, Record, StoreError};

/// How long receipts wait for what came before them on their binds to be on disk. Later than this the memory is away, and
/// will say so.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Takes receipts until no more come.
pub(super) async fn take_receipts(flow: &Flow, mut receipts: mpsc::UnboundedReceiver<Receipt>) {
    let mut batch = Vec::new();
    while receipts.recv_many(&mut batch, BATCH).await > 0 {
        let (rows, arrivals): (Vec<ReceiptRow>, Vec<Arrival>) = batch.drain(..).unzip();
        // The answer to a part that came before its receipt is recorded before it: else it would have to wait on disk for it.
        let binds: BTreeMap<&Arc<str>, &BindHandle> =
            arrivals.iter().map(|arrival| (&arrival.bind.name, &*arrival.bind)).collect();
        let all = async {
            for bind in binds.values() {
                bind.caught_up().await;
            }
        };
        let _ = timeout(CATCH_UP, all).await;
        answer(&arrivals, flow.receipts(rows).await);
    }
}

impl Flow {
    /// Records receipts; each may be answered once this returns.
    ///
    /// # Errors
    /// What the memory says: the carrier is then told to send them again.
    pub async fn receipts(&self, rows: Vec<ReceiptRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let told: Vec<(bool, String)> = rows.iter().map(|row| (row.is_final, row.state.clone())).collect();
        let fates = self.store.receipts(rows).await?;
        for (fate, (is_final, state)) in fates.iter().zip(told) {
            match fate {
                ReceiptFate::Duplicate => {}
                ReceiptFate::Waiting => self.metrics.receipts_waiting.one(),
                ReceiptFate::Matched { part, .. } => self.count_receipt(*part, &state, is_final),
            }
        }
        Ok(())
    }

    /// Records what came of messages, and counts the receipts that waited for it.
    ///
    /// # Errors
    /// What the memory says.
    pub(super) async fn record(&self, record: Record) -> Result<(), StoreError> {
        for claimed in self.store.record(record).await? {
            self.count_receipt(claimed.part, &claimed.state, claimed.is_final);
        }
        Ok(())
    }

    /// A message is counted once, with its first part.
    fn count_receipt(&self, part: i64, state: &str, is_final: bool) {
        match (part, is_final, state) {
            (0, true, "delivered") => self.metrics.delivered.one(),
            (0, true, _) => self.metrics.undelivered.one(),
            _ => {}
        }
    }

    /// A receipt as it is kept.
    pub fn receipt_row(&self, carrier: &str, receipt: &protocol::receipt::Receipt, sm: &Sm) -> ReceiptRow {
        let now_ms = self.clock.now_ms();
        let id = receipt.id.as_ref().map(|id| id.to_text().into_owned()).unwrap_or_default();
        let forms = id_forms(id.as_bytes());
        ReceiptRow {
            id: self.ids.next(now_ms).0,
            carrier: carrier.to_owned(),
            carrier_key: forms.key().to_owned(),
            candidates: forms.candidates().into_iter().map(|(_, form)| form).collect(),
            carrier_id: id,
            number: Msisdn::parse(&sm.source.addr.to_text()).ok(),
            state: receipt.state.name().to_lowercase(),
            is_final: receipt.state.is_final(),
            err: receipt.err.as_ref().map(|err| err.to_text().into_owned()),
            received_ms: now_ms,
            done_ms: None,
        }
    }
}
