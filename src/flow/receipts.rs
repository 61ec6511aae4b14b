//! Delivery receipts: matched to their message by any form of its id, kept when they come early, taken once.

use protocol::pdu::Sm;
use protocol::receipt::{Receipt, id_forms};

use crate::flow::Flow;
use crate::message::Msisdn;
use crate::store::{ReceiptFate, ReceiptRow, Record, StoreError};

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
    pub fn receipt_row(&self, carrier: &str, receipt: &Receipt, sm: &Sm) -> ReceiptRow {
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
