//! Permitted hours at the door out: a message whose people sleep waits in a chunk of its own until they wake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::flow::Flow;
use crate::flow::accept::CHUNK_MESSAGES;
use crate::message::{MessageId, Msisdn, Outbound, OutcomeKind, Purpose};
use crate::rules::hours::{Account, Enforce, Hours, Place, Verdict, Windows};
use crate::store::{ChunkId, LeasedChunk, NewChunk, OutcomeRow, Record, StoreError};

/// Places whose windows are remembered: some 300 in a campaign over the whole world, at some 10 kB each. Past it all are
/// worked out anew.
const PLACES_REMEMBERED: usize = 2_000;
/// Windows worked out longer ago than this are worked out anew: they reach two weeks ahead, and holidays are in them.
const REMEMBERED_MS: i64 = 86_400_000;

/// The windows worked out lately.
#[derive(Debug, Default)]
pub struct Remembered {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    account: Account,
    since_ms: i64,
    windows: BTreeMap<(Purpose, Place), Arc<Windows>>,
}

impl Flow {
    /// When a place is open for a purpose, as far ahead as the hours pack is looked at.
    pub fn windows(&self, place: &Place, purpose: Purpose, now_ms: i64) -> Arc<Windows> {
        let account = &self.config().hours;
        // Its methods do not panic halfway: what a poisoned lock holds is whole.
        let mut known = self.hours.known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = !(known.since_ms..known.since_ms + REMEMBERED_MS).contains(&now_ms);
        if old || known.account != *account || known.windows.len() >= PLACES_REMEMBERED {
            *known = Known { account: account.clone(), since_ms: now_ms, windows: BTreeMap::new() };
        }
        let key = (purpose, place.clone());
        let work_out = || Arc::new(Hours::shipped().windows(now_ms, place, purpose, account));
        Arc::clone(known.windows.entry(key).or_insert_with(work_out))
    }

    /// Where a number's person may be, as the account looks at area codes.
    pub fn place(&self, number: Msisdn, zone: Option<&str>) -> Place {
        Hours::shipped().place(number, zone, self.config().hours.area_codes)
    }

    /// May this message go now?
    pub fn hours_of(&self, message: &Outbound, now_ms: i64) -> Verdict {
        let place = self.place(message.to, message.zone.as_deref());
        self.windows(&place, message.purpose, now_ms).verdict(now_ms)
    }

    /// A leased chunk as far as its people may be written to now, with the time the first of their windows ends. Where
    /// some may not, it is split before anything of it is marked, in one commit: a chunk for those who can have it now, one
    /// for each time the others can, and this one is through. No attempt is counted.
    ///
    /// # Errors
    /// What the memory says; the chunk is as it was then.
    pub async fn within_hours(&self, mut chunk: LeasedChunk) -> Result<Option<LeasedChunk>, StoreError> {
        let kept = self.config().hours.enforce == Enforce::Always;
        if !kept || !chunk.members.iter().any(|message| Hours::may_hold(message.purpose)) {
            return Ok(Some(chunk));
        }
        let now_ms = self.clock.now_ms();
        let mut open: Vec<MessageId> = Vec::new();
        let mut later: BTreeMap<i64, Vec<MessageId>> = BTreeMap::new();
        let mut never: Vec<OutcomeRow> = Vec::new();
        for message in chunk.members.iter().skip(chunk.sent_upto) {
            match self.hours_of(message, now_ms) {
                Verdict::Open { closes_ms, .. } => {
                    chunk.closes_ms = [chunk.closes_ms, closes_ms].into_iter().flatten().min();
                    open.push(message.id);
                }
                Verdict::Shut { opens_ms, .. } => later.entry(opens_ms).or_default().push(message.id),
                Verdict::Never { rule } => never.push(OutcomeRow {
                    cause: Some(format!("hours: {rule}")),
                    at_ms: now_ms,
                    ..super::lane::outcome(message.id, chunk.attempt, 0, OutcomeKind::Suppressed)
                }),
            }
        }
        if later.is_empty() && never.is_empty() {
            return Ok(Some(chunk));
        }
        self.metrics.suppressed.add(never.len() as u64);
        self.metrics.held_by_hours.add(later.values().map(|members| members.len() as u64).sum());
        let now = std::iter::once((now_ms, open)).filter(|(_, members)| !members.is_empty());
        let retry = now.chain(later).flat_map(|(not_before_ms, members)| {
            let parts: Vec<Vec<MessageId>> =
                members.chunks(CHUNK_MESSAGES).map(<[MessageId]>::to_vec).collect();
            parts.into_iter().map(move |members| (not_before_ms, members))
        });
        let retry = retry.map(|(not_before_ms, members)| NewChunk {
            id: ChunkId(self.ids.next(now_ms).0),
            lane: chunk.lane.clone(),
            class: chunk.class,
            campaign: chunk.campaign.clone(),
            not_before_ms,
            attempt: chunk.attempt,
            members,
            carries_on: Some(chunk.id),
        });
        let done = vec![chunk.id];
        let record = Record { outcomes: never, retry: retry.collect(), done, ..Record::default() };
        self.record(record).await?;
        Ok(None)
    }
}
