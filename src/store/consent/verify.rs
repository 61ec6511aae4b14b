//! Going through the whole chain: each change against the one before it, each piece of evidence against its change.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::chain::{Kept, Link};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::sql::Sql;

/// The hash before the first change.
pub(super) const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Changes read at once: some 4 MB.
const AT_ONCE: i64 = 5_000;
/// Faults told; more say no more.
const FAULTS_TOLD: usize = 100;

pub(in crate::store) static LINKS: Sql = Sql::new(
    "select {list seq, id, kind, scope, at_ms, channel, actor, evidence, erases, hash} from ( \
         select seq, id, kind, scope, at_ms, channel, actor, evidence, erases, hash from consent_event \
         where seq > {int after} order by seq limit {int limit}) x",
);
pub(in crate::store) static EVIDENCE: Sql = Sql::new(
    "select {list seq, number, salt, message, asked, inbound, received, octets, document, note} from ( \
         select seq, number, salt, message, asked, inbound, received, octets, document, note from consent_evidence \
         where seq > {int after} and seq <= {int upto} order by seq) x",
);
pub(in crate::store) static HEAD: Sql =
    Sql::new("select {row seq, hash} from (select seq, hash from consent_head where id = {int id}) x");

/// The end of the chain. Noted elsewhere, it shows later that nothing before it was changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The place of the last change, 0 where there is none.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// What going through the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Changes looked at.
    pub changes: u64,
    /// Changes whose evidence was erased, as the chain tells.
    pub erased: u64,
    /// The end of the chain.
    pub head: Head,
    /// Faults found in all.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
}

/// Something in the chain that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// Changes are missing here.
    Removed {
        /// The first that is missing.
        from: i64,
        /// The last.
        to: i64,
    },
    /// The row does not give its hash behind the one before it: it was changed, put in, or moved here.
    Changed {
        /// Its place.
        seq: i64,
        /// Its id.
        id: i64,
    },
    /// The evidence is not what it was.
    Evidence {
        /// The change it belongs to.
        seq: i64,
    },
    /// The evidence is missing, and no erasure in the chain tells why.
    EvidenceMissing {
        /// The change it belongs to.
        seq: i64,
    },
    /// The chain does not end where its end is noted.
    End {
        /// The last change there is.
        found: i64,
        /// The last change there was.
        noted: i64,
    },
    /// The hash at this place is not the one that was noted.
    NotAsNoted {
        /// The place.
        seq: i64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { from, to } if from == to => write!(f, "change {from} was removed"),
            Self::Removed { from, to } => write!(f, "changes {from} to {to} were removed"),
            Self::Changed { seq, id } => write!(
                f,
                "change {seq} (id {id}) does not give its hash behind the one before it: it was changed, put in or moved"
            ),
            Self::Evidence { seq } => write!(f, "the evidence of change {seq} was changed"),
            Self::EvidenceMissing { seq } => {
                write!(f, "the evidence of change {seq} was removed, and not by an erasure")
            }
            Self::End { found, noted } => {
                write!(
                    f,
                    "the chain ends with change {found}; its end was noted as change {noted} with another hash"
                )
            }
            Self::NotAsNoted { seq } => write!(f, "change {seq} has another hash than the one given"),
        }
    }
}

impl Store {
    /// Goes through the whole chain, some thousand changes at a time; `progress` is told how many of how many. `noted` is
    /// an end of the chain kept elsewhere, which must still be in it.
    pub async fn verify_consent(
        &self,
        noted: Option<&Head>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Verified, StoreError> {
        let head = self.consent_head().await?;
        let mut walk = Walk::new(noted);
        let total = head.seq.cast_unsigned();
        while walk.at < head.seq {
            let argument = serde_json::json!({ "after": walk.at, "limit": AT_ONCE });
            let mut links: Vec<Link> = self.inner.readers.list(&LINKS, &argument).await?;
            // what is added while we look is left for the next time
            links.retain(|link| link.seq <= head.seq);
            let Some(last) = links.last().map(|link| link.seq) else { break };
            let argument = serde_json::json!({ "after": walk.at, "upto": last });
            let evidence: Vec<Kept> = self.inner.readers.list(&EVIDENCE, &argument).await?;
            let evidence = evidence.into_iter().map(|kept| (kept.seq, kept)).collect();
            walk.over(&links, &evidence);
            progress(walk.changes, total);
        }
        Ok(walk.end(head))
    }

    /// The end of the chain.
    pub async fn consent_head(&self) -> Result<Head, StoreError> {
        let rows: Vec<Head> = self.inner.readers.rows(&HEAD, &serde_json::json!({ "id": 1 })).await?;
        let missing = || StoreError::Corrupt("the end of the consent chain is missing".to_owned());
        rows.into_iter().next().ok_or_else(missing)
    }
}

/// On the way through the chain.
struct Walk<'a> {
    at: i64,
    hash: String,
    changes: u64,
    erased: u64,
    /// Changes without evidence that no erasure has told of yet, and whether one has told already.
    unaccounted: BTreeMap<i64, ()>,
    noted: Option<&'a Head>,
    fault_count: u64,
    faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    fn new(noted: Option<&'a Head>) -> Self {
        Self {
            at: 0,
            hash: NOTHING_BEFORE.to_owned(),
            changes: 0,
            erased: 0,
            unaccounted: BTreeMap::new(),
            noted,
            fault_count: 0,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault);
        }
    }

    fn over(&mut self, links: &[Link], evidence: &HashMap<i64, Kept>) {
        for link in links {
            if link.seq > self.at + 1 {
                self.fault(Fault::Removed { from: self.at + 1, to: link.seq - 1 });
            } else if link.hash_behind(&self.hash) != link.hash {
                self.fault(Fault::Changed { seq: link.seq, id: link.id });
            }
            // behind a gap nothing can be said about the row itself; from its own hash on, the chain is held to again
            match evidence.get(&link.seq) {
                Some(kept) => match kept.digest() {
                    Some(digest) if digest == link.evidence => {}
                    Some(_) => self.fault(Fault::Evidence { seq: link.seq }),
                    None => drop(self.unaccounted.insert(link.seq, ())),
                },
                None => drop(self.unaccounted.insert(link.seq, ())),
            }
            for erased in link.erases.as_deref().map(seqs_of).unwrap_or_default() {
                if self.unaccounted.remove(&erased).is_some() {
                    self.erased += 1;
                }
            }
            if self.noted.is_some_and(|noted| noted.seq == link.seq && noted.hash != link.hash) {
                self.fault(Fault::NotAsNoted { seq: link.seq });
            }
            self.changes += 1;
            self.at = link.seq;
            self.hash.clone_from(&link.hash);
        }
    }

    fn end(mut self, head: Head) -> Verified {
        for seq in std::mem::take(&mut self.unaccounted).into_keys() {
            self.fault(Fault::EvidenceMissing { seq });
        }
        if self.at != head.seq || self.hash != head.hash {
            self.fault(Fault::End { found: self.at, noted: head.seq });
        }
        if let Some(noted) = self.noted.filter(|noted| noted.seq > self.at) {
            self.fault(Fault::End { found: self.at, noted: noted.seq });
        }
        Verified {
            changes: self.changes,
            erased: self.erased,
            head,
            fault_count: self.fault_count,
            faults: self.faults,
        }
    }
}

fn seqs_of(erases: &str) -> Vec<i64> {
    serde_json::from_str(erases).unwrap_or_default()
}
