//! What can be written, what comes of it, and how much room it takes while it waits.

use std::sync::Arc;

use super::arrivals::{InboundCommit, PartRow};
use super::audience::{Audience, PlanStep};
use super::consent::{ConsentChange, ListProgress};
use super::desk::{ConversationUpdate, TagChange};
use super::erase::{Erased, Step};
use super::pulse::{AskRow, PulseRow};
use super::rows::{
    Acceptance, Campaign, CampaignState, Claimed, Interrupted, LeasedChunk, Marked, ReceiptFate, ReceiptRow,
    Record, SliceMark, TurnCommit,
};
use super::views::Conversation;
use super::writer::Handed;
use crate::message::{CampaignId, MessageId, Msisdn};
use crate::store::{queue, retention};

/// One thing to write.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Accept(Acceptance),
    Campaign(Campaign),
    CampaignState { id: CampaignId, state: CampaignState, at_ms: i64 },
    Audience(Audience),
    PlanStep(Box<PlanStep>),
    Consent(Vec<ConsentChange>),
    List { rows: Vec<ConsentChange>, progress: ListProgress },
    Erase(Box<Step>),
    Inbound(Vec<InboundCommit>),
    Turns(Vec<TurnCommit>),
    Part(PartRow),
    Record(Arc<Record>),
    Receipts(Arc<[ReceiptRow]>),
    Told { receipts: Vec<i64>, at_ms: i64 },
    SweepAccounts { now_ms: i64 },
    Forget(Box<retention::Step>),
    ForgetDay(Box<retention::DayStep>),
    ForgetNobodys(Vec<i64>),
    MakeDays { now_ms: i64 },
    Interrupted { now_ms: i64, lease_ms: i64 },
    Slice(Vec<SliceMark>),
    Lease(queue::Lease),
    Conversation(ConversationUpdate),
    Tag(TagChange),
    Called { number: Msisdn, code: Option<String> },
    Pulse(PulseRow),
    Ask(AskRow),
    Ended { at_ms: i64 },
}

/// What a write comes to.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Fates(Vec<ReceiptFate>),
    Claimed(Vec<Claimed>),
    Count(u64),
    Listed(ListProgress),
    Erased(Erased),
    Parts(Option<Vec<PartRow>>),
    Interrupted(Vec<Interrupted>),
    Marked(Marked),
    Turned(Vec<MessageId>),
    Leased(Vec<LeasedChunk>),
    Handed(Handed),
    Conversation(Conversation),
}

/// Which room a write waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Intake,
    Results,
}

impl Write {
    pub(super) fn room(&self) -> Room {
        match self {
            Self::Accept(_)
            | Self::Audience(_)
            | Self::PlanStep(_)
            | Self::Campaign(_)
            | Self::Inbound(_)
            | Self::Part(_) => Room::Intake,
            _ => Room::Results,
        }
    }

    /// Whether it makes or drops tables, for which all days are locked: in a commit of its own, and tried once, since others
    /// wait meanwhile.
    pub(super) fn is_alone(&self) -> bool {
        match self {
            Self::MakeDays { .. } => true,
            Self::ForgetDay(step) => step.drops_tables(),
            _ => false,
        }
    }

    pub(super) fn rows(&self) -> usize {
        let accepted = |acceptance: &Acceptance| acceptance.messages.len() + acceptance.chunks.len();
        match self {
            Self::Accept(acceptance) => accepted(acceptance),
            Self::Audience(audience) => audience.rows.len(),
            Self::PlanStep(step) => accepted(&step.acceptance),
            Self::Inbound(commits) => commits.iter().map(|commit| 1 + accepted(&commit.accept)).sum(),
            Self::Turns(turns) => turns.iter().map(|turn| 1 + accepted(&turn.accept)).sum(),
            Self::Record(record) => record.outcomes.len() + record.retry.len(),
            Self::Receipts(receipts) => receipts.len(),
            Self::Consent(changes) => changes.len(),
            Self::List { rows, .. } => rows.len(),
            Self::Slice(marks) => marks.len(),
            _ => 1,
        }
    }
}
