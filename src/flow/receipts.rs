//! Delivery receipts: matched to their message by any form of its id, kept when they come early, taken once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::pdu::Sm;
use protocol::receipt::MessageState;
use protocol::receipt::id_forms;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::crash::{self, Point};
use crate::flow::Flow;
use crate::flow::inbound::{BATCH, Receipt, answer};
use crate::flow::lane::{outcome, part_texts};
use crate::message::{MessageId, Msisdn, Outbound, OutcomeKind};
use crate::rules::machines::doubt::{PartAnswer, WrittenPart, meant};
use crate::smpp::client::BindHandle;
use crate::smpp::submission::Arrival;
use crate::store::{OutcomeRow, ReceiptFate, ReceiptRow, Record, StoreError, UnansweredPart};

/// A receipt is word of a part in doubt for so long: carriers keep trying for three days at most.
const DOUBT_REACH_MS: i64 = 3 * 24 * 60 * 60 * 1_000;
/// How long receipts wait for what came before them on their binds to be on its way to the disk. Later than this the memory
/// is away, and will say so.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Takes receipts until no more come.
pub(super) async fn take_receipts(flow: &Flow, mut receipts: mpsc::UnboundedReceiver<Receipt>) {
    let mut batch = Vec::new();
    while receipts.recv_many(&mut batch, BATCH).await > 0 {
        let (rows, arrivals): (Vec<ReceiptRow>, Vec<Arrival>) = batch.drain(..).unzip();
        // The answer to a part that came before its receipt is recorded before it, or with it: else it would have to wait on
        // disk for it.
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
        let rows: Arc<[ReceiptRow]> = rows.into();
        let fates = self.store.receipts(Arc::clone(&rows)).await?;
        crash::point(Point::ReceiptDone);
        let mut strays = Vec::new();
        for (fate, row) in fates.iter().zip(rows.iter()) {
            match fate {
                ReceiptFate::Duplicate => {}
                ReceiptFate::Waiting => {
                    self.metrics.receipts_waiting.one();
                    strays.push(row.clone());
                }
                ReceiptFate::Matched { part, .. } => self.count_receipt(*part, &row.state, row.is_final),
            }
        }
        self.resolve_doubts(strays).await
    }

    /// A receipt whose id nobody was told may be word of a part in doubt: then the carrier has taken that part, and it is not
    /// sent again.
    async fn resolve_doubts(&self, strays: Vec<ReceiptRow>) -> Result<(), StoreError> {
        let numbers: BTreeSet<Msisdn> = strays.iter().filter_map(|receipt| receipt.number).collect();
        let numbers: Vec<Msisdn> = numbers.into_iter().collect();
        let (mut unanswered, messages) = self.store.unanswered_to(&numbers).await?;
        let mut record = Record::default();
        for receipt in strays {
            let parts = written_parts(&receipt, &messages, &unanswered);
            let Some(meant) = meant(&parts, receipt.quote.as_deref()) else { continue };
            unanswered.retain(|part| (part.id, part.part) != (meant.message, meant.part));
            self.metrics.doubts_resolved.one();
            record.outcomes.push(OutcomeRow {
                carrier: Some(receipt.carrier),
                carrier_id: Some(receipt.carrier_id),
                carrier_key: Some(receipt.carrier_key),
                cause: Some("never answered; its receipt came".to_owned()),
                at_ms: receipt.received_ms,
                ..outcome(meant.message, meant.attempt, meant.part, OutcomeKind::Sent)
            });
        }
        if record.is_empty() { Ok(()) } else { self.write_down(record.into(), || {}).await }
    }

    /// Records what came of messages, and counts the receipts that waited for it.
    ///
    /// # Errors
    /// What the memory says.
    pub(super) async fn record(&self, record: Record) -> Result<(), StoreError> {
        self.record_then(record.into(), || {}).await
    }

    /// The same; calls `queued` as soon as no receipt stored from then on can come before it.
    pub(super) async fn record_then(
        &self,
        record: Arc<Record>,
        queued: impl FnOnce(),
    ) -> Result<(), StoreError> {
        let in_doubt = record.outcomes.iter().filter(|row| row.kind == OutcomeKind::InDoubt);
        let in_doubt: Vec<MessageId> = in_doubt.map(|row| row.message).collect();
        self.write_down(record, queued).await?;
        // Word of it may have come while an answer was still waited for.
        if !in_doubt.is_empty() {
            self.resolve_doubts(self.store.stray_receipts(&in_doubt).await?).await?;
        }
        Ok(())
    }

    async fn write_down(&self, record: Arc<Record>, queued: impl FnOnce()) -> Result<(), StoreError> {
        for claimed in self.store.record_then(record, queued).await? {
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
            err: receipt.err.as_ref().map(|err| err.to_text().into_owned()).filter(|err| {
                // "No error" is no cause: what was not delivered has its state for one.
                receipt.state == MessageState::Delivered || err.bytes().any(|digit| digit != b'0')
            }),
            quote: receipt.text.clone(),
            received_ms: now_ms,
            done_ms: None,
        }
    }
}

/// The parts that were written to a receipt's handset lately, with what is known of each: in doubt are those that its carrier
/// never answered.
fn written_parts(
    receipt: &ReceiptRow,
    messages: &[Outbound],
    unanswered: &[UnansweredPart],
) -> Vec<WrittenPart> {
    // We give up waiting for an answer after a receipt may have come.
    let since_ms = receipt.received_ms - DOUBT_REACH_MS;
    let doubts: Vec<&UnansweredPart> = unanswered
        .iter()
        .filter(|part| part.at_ms >= since_ms && part.carrier.as_deref() == Some(&receipt.carrier))
        .collect();
    let lately = |message: &&Outbound| {
        let in_doubt = || doubts.iter().any(|part| part.id == message.id);
        receipt.number == Some(message.to)
            && message.accepted_ms <= receipt.received_ms
            && (message.accepted_ms >= since_ms || in_doubt())
    };
    let parts = messages.iter().filter(lately).flat_map(|message| {
        part_texts(message).into_iter().zip(0..).map(|(text, part)| (message.id, part, text))
    });
    let written = parts.map(|(message, part, text)| {
        let doubt = doubts.iter().find(|doubt| (doubt.id, doubt.part) == (message, part));
        let answer = if doubt.is_some() { PartAnswer::None } else { PartAnswer::Known };
        WrittenPart { message, attempt: doubt.map_or(0, |doubt| doubt.attempt), part, text, answer }
    });
    written.collect()
}
