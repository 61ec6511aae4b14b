//! The evidence pack of one number: what is in force, and every change with what shows it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::chain::{Kept, Link};
use super::state::looked_up;
use super::{ConsentKind, Evidence};
use crate::message::{Msisdn, Scope};
use crate::store::Store;
use crate::store::engine::Readers;
use crate::store::error::StoreError;
use crate::store::locator;
use crate::store::sql::Sql;

/// Changes read at once; a pack has all of them.
const CHANGES_AT_ONCE: usize = 500;

pub(in crate::store) static LINKS: Sql = Sql::new(
    "select {list seq, id, kind, scope, at_ms, channel, actor, evidence, erases, hash, before} from ( \
         select e.seq, e.id, e.kind, e.scope, e.at_ms, e.channel, e.actor, e.evidence, e.erases, e.hash, \
             (select b.hash from consent_event b where b.seq = e.seq - 1) as before \
         from {ids} join consent_event e on e.seq = r.id) x",
);
pub(in crate::store) static EVIDENCE: Sql = Sql::new(
    "select {list seq, number, salt, message, asked, inbound, received, octets, document, note} from ( \
         select v.seq, v.number, v.salt, v.message, v.asked, v.inbound, v.received, v.octets, v.document, v.note \
         from {ids} join consent_evidence v on v.seq = r.id) x",
);
static PENDING: Sql = Sql::new(
    "select {list number, code, scope, asked_ms, until_ms} from ( \
         select p.number, p.code, p.scope, p.asked_ms, p.until_ms \
         from {ids} join consent_pending p on p.number = r.id) x",
);

/// Everything that is known about who may write to one number, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsentPack {
    /// The opt-outs in force, oldest first.
    pub opted_out: Vec<Standing>,
    /// The opt-ins in force, oldest first.
    pub opted_in: Vec<Standing>,
    /// Opt-ins that wait for their confirmation, or waited in vain.
    pub pending: Vec<Pending>,
    /// Every change, in the order of the chain.
    pub changes: Vec<Proof>,
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Standing {
    /// Since when, milliseconds since the epoch.
    pub since_ms: i64,
    /// How far it reaches: where, and for which purpose.
    pub scope: String,
}

/// An opt-in that waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    #[serde(skip_serializing)]
    number: Msisdn,
    /// The code it was asked from.
    pub code: String,
    /// What it would be for.
    pub scope: String,
    /// When it was asked, milliseconds since the epoch.
    pub asked_ms: i64,
    /// Until when a yes confirms it.
    pub until_ms: i64,
}

/// One change, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// Its id.
    pub id: i64,
    /// What happened.
    pub kind: String,
    /// How far it reaches.
    pub scope: String,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// By which way we heard of it.
    pub channel: String,
    /// Who.
    pub actor: String,
    /// What shows it; none where it was erased.
    pub evidence: Option<Evidence>,
    /// Its hash.
    pub hash: String,
    /// The hash of the change before it.
    pub before: String,
    /// Whether the row gives its hash behind the one before it, and the evidence its digest.
    pub intact: bool,
}

#[derive(Deserialize)]
struct Chained {
    #[serde(flatten)]
    link: Link,
    before: Option<String>,
}

impl Store {
    /// Everything about who may write to this number, and what shows it. An erased number is found by its hash.
    pub async fn consent_pack(&self, number: Msisdn) -> Result<ConsentPack, StoreError> {
        let readers = &self.inner.readers;
        let numbers = self.subjects_of(&[number]);
        let subjects: Vec<Msisdn> = numbers.keys().copied().collect();
        let [out, into] = looked_up(readers, &numbers).await?;
        let standing = |stands: HashMap<Msisdn, Vec<(Scope, i64)>>| {
            let stands = stands.into_values().flatten();
            let mut all: Vec<Standing> =
                stands.map(|(scope, since_ms)| Standing { since_ms, scope: scope.to_string() }).collect();
            all.sort();
            all
        };
        let found = locator::ids(readers, subjects.iter().map(|subject| locator::consent(*subject))).await?;
        let mut seqs: Vec<i64> = found.into_values().flatten().collect();
        seqs.sort_unstable();
        let mut changes = Vec::with_capacity(seqs.len());
        for seqs in seqs.chunks(CHANGES_AT_ONCE) {
            let links: Vec<Chained> = readers.list(&LINKS, seqs).await?;
            let evidence: Vec<Kept> = readers.list(&EVIDENCE, seqs).await?;
            let mut evidence: HashMap<i64, Kept> =
                evidence.into_iter().map(|kept| (kept.seq, kept)).collect();
            changes.extend(links.into_iter().map(|Chained { link, before }| {
                let kept = evidence.remove(&link.seq);
                proof(link, before, kept)
            }));
        }
        changes.sort_by_key(|change| change.seq);
        let pending = readers.list(&PENDING, &subjects).await?;
        Ok(ConsentPack { opted_out: standing(out), opted_in: standing(into), pending, changes })
    }

    /// Under what these numbers are kept: themselves, and their hashes where there is a key.
    pub(in crate::store) fn subjects_of(&self, numbers: &[Msisdn]) -> HashMap<Msisdn, Msisdn> {
        let plain = numbers.iter().map(|number| (*number, *number));
        let key = self.inner.subjects;
        plain.chain(numbers.iter().filter_map(|number| Some((key?.subject(*number), *number)))).collect()
    }
}

fn proof(link: Link, before: Option<String>, kept: Option<Kept>) -> Proof {
    let before = before.unwrap_or_else(|| super::verify::NOTHING_BEFORE.to_owned());
    let digest = kept.as_ref().and_then(Kept::digest);
    let intact = link.hash_behind(&before) == link.hash
        && kept.as_ref().is_some_and(|kept| kept.salt.is_none() || digest.as_ref() == Some(&link.evidence));
    Proof {
        seq: link.seq,
        id: link.id,
        kind: link.kind,
        scope: link.scope,
        at_ms: link.at_ms,
        channel: link.channel,
        actor: link.actor,
        evidence: kept.filter(|kept| kept.salt.is_some()).map(|kept| kept.evidence),
        hash: link.hash,
        before,
        intact,
    }
}

impl Proof {
    /// Whether it is of this kind.
    pub fn is(&self, kind: ConsentKind) -> bool {
        self.kind == kind.name()
    }
}

/// The opt-ins of these numbers that wait for their confirmation.
pub(in crate::store) async fn pending_of(
    readers: &Readers,
    numbers: &[Msisdn],
) -> Result<Vec<(Msisdn, Pending)>, StoreError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Pending> = readers.list(&PENDING, numbers).await?;
    Ok(rows.into_iter().map(|row| (row.number, row)).collect())
}
