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
use crate::flow::lane::{outcome, part_texts};
use crate::message::{MessageId, Msisdn, OutcomeKind};
use crate::rules::machines::doubt::{PartInDoubt, meant};
use crate::smpp::client::BindHandle;
use crate::smpp::submission::Arrival;
use crate::store::{OutcomeRow, ReceiptFate, ReceiptRow, Record, StoreError};

/// A receipt is word of a part in doubt for so long: carriers keep trying for three days at most.
const DOUBT_REACH_MS: i64 = 3 * 24 * 60 * 60 * 1_000;
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
        let fates = self.store.receipts(rows.clone()).await?;
        for (fate, row) in fates.iter().zip(rows) {
            match fate {
                ReceiptFate::Duplicate => {}
                ReceiptFate::Waiting => {
                    self.metrics.receipts_waiting.one();
                    self.resolve_doubt(row).await?;
                }
                ReceiptFate::Matched { part, .. } => self.count_receipt(*part, &row.state, row.is_final),
            }
        }
        Ok(())
    }

    /// A receipt whose id nobody was told may be word of a part in doubt: then the carrier has taken that part, and it is not
    /// sent again.
    async fn resolve_doubt(&self, receipt: ReceiptRow) -> Result<(), StoreError> {
        let Some(number) = receipt.number else { return Ok(()) };
        let since_ms = receipt.received_ms - DOUBT_REACH_MS;
        let unanswered = self.store.unanswered_to(number, &receipt.carrier, since_ms).await?;
        let parts = unanswered.iter().filter_map(|(part, message)| {
            let text = part_texts(message).into_iter().nth(usize::try_from(part.part).ok()?)?;
            Some(PartInDoubt { message: part.id, attempt: part.attempt, part: part.part, text })
        });
        let parts: Vec<PartInDoubt> = parts.collect();
        let Some(meant) = meant(&parts, receipt.quote.as_deref()) else { return Ok(()) };
        let sent = OutcomeRow {
            carrier: Some(receipt.carrier),
            carrier_id: Some(receipt.carrier_id),
            carrier_key: Some(receipt.carrier_key),
            cause: Some("never answered; its receipt came".to_owned()),
            at_ms: receipt.received_ms,
            ..outcome(meant.message, meant.attempt, meant.part, OutcomeKind::Sent)
        };
        self.metrics.doubts_resolved.one();
        self.write_down(Record { outcomes: vec![sent], ..Record::default() }).await
    }

    /// Records what came of messages, and counts the receipts that waited for it.
    ///
    /// # Errors
    /// What the memory says.
    pub(super) async fn record(&self, record: Record) -> Result<(), StoreError> {
        let in_doubt = record.outcomes.iter().filter(|row| row.kind == OutcomeKind::InDoubt);
        let in_doubt: Vec<MessageId> = in_doubt.map(|row| row.message).collect();
        self.write_down(record).await?;
        // Word of it may have come while an answer was still waited for.
        if !in_doubt.is_empty() {
            for receipt in self.store.stray_receipts(&in_doubt).await? {
                self.resolve_doubt(receipt).await?;
            }
        }
        Ok(())
    }

    async fn write_down(&self, record: Record) -> Result<(), StoreError> {
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
            quote: receipt.text.clone(),
            received_ms: now_ms,
            done_ms: None,
        }
    }
}
