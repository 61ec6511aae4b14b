//! What one transaction does: everything that waited, merged by kind into a few statements.

use std::collections::HashSet;

use super::arrivals::InboundCommit;
use super::consent::ConsentChange;
use super::engine::Tx;
use super::error::StoreError;
use super::rows::{Acceptance, ChunkId, ReceiptRow, Record, SliceMark};
use super::write::{Answer, Write};
use super::{
    accept, accounts, audience, consent, days, desk, erase, events, inbound, locator, outcomes, pulse, queue,
    retention,
};
use crate::crash::{self, Point};

/// Runs the writes merged by kind. What is accepted and who said STOP comes first, so that a slice in the same commit
/// sees it; leases come last, so that they find what was just queued.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    held: &HashSet<ChunkId>,
    writes: &[&Write],
) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
    let mut answers: Vec<Result<Answer, StoreError>> = writes.iter().map(|_| Ok(Answer::Done)).collect();
    let indexed = || writes.iter().enumerate();

    for (index, write) in indexed() {
        match write {
            Write::Campaign(campaign) => answers[index] = accept::campaign(tx, campaign).await?,
            Write::CampaignState { id, state, at_ms } => {
                answers[index] = accept::campaign_state(tx, id, *state, *at_ms).await?
            }
            Write::Audience(audience) => audience::put(tx, audience).await?,
            Write::PlanStep(step) => answers[index] = audience::step(tx, step).await?,
            Write::Conversation(update) => answers[index] = desk::work(tx, update).await?,
            Write::Tag(change) => answers[index] = desk::tag(tx, change).await?,
            Write::Called { number, code } => {
                answers[index] = Ok(Answer::Count(inbound::called(tx, *number, code.as_deref()).await?));
            }
            Write::Pulse(pulse) => pulse::beat(tx, pulse).await?,
            Write::Ask(ask) => pulse::ask(tx, ask).await?,
            Write::Told { receipts, at_ms } => accounts::told(tx, receipts, *at_ms).await?,
            Write::SweepAccounts { now_ms } => {
                let swept = accounts::sweep(tx, *now_ms).await? + retention::leftovers(tx, *now_ms).await?;
                answers[index] = Ok(Answer::Count(swept));
            }
            Write::Forget(step) => retention::step(tx, step).await?,
            Write::ForgetDay(step) => retention::day_step(tx, step).await?,
            Write::ForgetNobodys(ids) => {
                answers[index] = Ok(Answer::Count(retention::nobodys(tx, ids).await?));
            }
            Write::MakeDays { now_ms } => days::make(tx, *now_ms).await?,
            Write::Ended { at_ms } => queue::ended(tx, *at_ms).await?,
            _ => {}
        }
    }
    let (slots, accepts): (Vec<usize>, Vec<&Acceptance>) = indexed()
        .filter_map(|(index, write)| if let Write::Accept(a) = write { Some((index, a)) } else { None })
        .unzip();
    let claimed = accounts::claim_keys(tx, &accepts).await?;
    for (slot, _) in slots.iter().zip(&claimed).filter(|(_, ours)| !**ours) {
        answers[*slot] = Err(StoreError::Refused("another request has this key".to_owned()));
    }
    let accepts: Vec<&Acceptance> =
        accepts.into_iter().zip(&claimed).filter(|(_, ours)| **ours).map(|(accept, _)| accept).collect();
    accept::accept(tx, &accepts).await?;
    accounts::count(tx, &accepts).await?;
    let changes: Vec<&ConsentChange> = writes
        .iter()
        .filter_map(|write| if let Write::Consent(changes) = write { Some(changes) } else { None })
        .flatten()
        .collect();
    consent::record(tx, &changes).await?;
    let commits: Vec<&InboundCommit> = writes
        .iter()
        .filter_map(|write| if let Write::Inbound(commits) = write { Some(commits) } else { None })
        .flatten()
        .collect();
    inbound::commit(tx, &commits).await?;
    for (index, write) in indexed() {
        match write {
            Write::List { rows, progress } => {
                answers[index] = Ok(Answer::Listed(consent::take_list(tx, rows, progress).await?));
            }
            Write::Erase(step) => answers[index] = Ok(Answer::Erased(erase::step(tx, step).await?)),
            Write::Turns(turns) => {
                answers[index] = Ok(Answer::Turned(inbound::turns(tx, turns).await?));
            }
            _ => {}
        }
    }
    for (index, write) in indexed() {
        if let Write::Part(part) = write {
            answers[index] = Ok(Answer::Parts(inbound::put_part(tx, part).await?));
        }
    }
    let (slots, records): (Vec<usize>, Vec<&Record>) = indexed()
        .filter_map(
            |(index, write)| if let Write::Record(r) = write { Some((index, r.as_ref())) } else { None },
        )
        .unzip();
    // what was claimed is told once, whoever of the commit's records it belongs to
    let mut claimed = outcomes::record(tx, &records).await?;
    // Receipts that came right after the answers to their parts are in the same transaction.
    if let Some(fresh) = &mut tx.fresh {
        records.iter().for_each(|record| fresh.recorded(record));
    }
    for slot in slots {
        answers[slot] = Ok(Answer::Claimed(std::mem::take(&mut claimed)));
    }
    let receipts: Vec<&ReceiptRow> = writes
        .iter()
        .filter_map(|write| if let Write::Receipts(rows) = write { Some(rows.iter()) } else { None })
        .flatten()
        .collect();
    let mut fates = outcomes::receipts(tx, &receipts).await?.into_iter();
    if !receipts.is_empty() {
        crash::point(Point::ReceiptWritten);
    }
    for (index, write) in indexed() {
        if let Write::Receipts(rows) = write {
            answers[index] = Ok(Answer::Fates(fates.by_ref().take(rows.len()).collect()));
        }
    }
    let marks: Vec<&SliceMark> = writes
        .iter()
        .filter_map(|write| if let Write::Slice(marks) = write { Some(marks) } else { None })
        .flatten()
        .collect();
    let marked = queue::mark(tx, &marks).await?;
    for (index, write) in indexed() {
        if let Write::Slice(marks) = write {
            answers[index] = Ok(Answer::Marked(marked.of(marks)));
        }
    }
    // before the leases: what is leased below is not in `held` yet, and not interrupted
    for (index, write) in indexed() {
        if let Write::Interrupted { now_ms, lease_ms } = write {
            answers[index] = Ok(Answer::Interrupted(queue::interrupted(tx, held, *now_ms, *lease_ms).await?));
        }
    }
    for (index, write) in indexed() {
        if let Write::Lease(lease) = write {
            answers[index] = Ok(Answer::Leased(queue::lease(tx, lease).await?));
        }
    }
    locator::put(tx).await?;
    events::write(tx).await?;
    Ok(answers)
}
