//! The chain of changes: each is hashed together with the hash before it, by the writer, inside its transaction, so that
//! the order of the chain is the order of the commits.
//!
//! A change's hash is SHA-256 over netstrings (`length:octets,`, absent: `-,`) of: the hash before, seq, id, kind,
//! scope, at_ms, channel, actor, evidence, erases. Its `evidence` is SHA-256 over netstrings of: salt, number, message,
//! asked, inbound, received, octets, document, note. Numbers are decimal, hashes lower-case hexadecimal. The salt keeps
//! a number that was erased from being guessed by its digest, and is erased with it.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ConsentChange, Evidence};
use crate::message::{Msisdn, hex};
use crate::store::engine::Tx;
use crate::store::error::StoreError;
use crate::store::locator;
use crate::store::sql::Sql;

/// Salt of one change: nobody tries so many.
const SALT_OCTETS: usize = 16;

// Locks the row on Postgres until the commit; on SQLite the transaction has the lock already.
static LOCK: Sql =
    Sql::new("update consent_head set seq = seq where id = {int id} returning {pack seq, hash}");
static KNOWN: Sql =
    Sql::new("select {list id} from (select e.id from {ids} join consent_event e on e.id = r.id) x");
static EVENTS: Sql = Sql::new(
    "insert into consent_event (seq, id, kind, scope, at_ms, channel, actor, evidence, erases, hash) \
     select seq, id, kind, scope, at_ms, channel, actor, evidence, erases, hash \
     from {rows seq bigint, id bigint, kind text, scope text, at_ms bigint, channel text, actor text, evidence text, \
         erases text, hash text}",
);
static EVIDENCE: Sql = Sql::new(
    "insert into consent_evidence (seq, number, salt, message, asked, inbound, received, octets, document, note) \
     select seq, number, salt, message, asked, inbound, received, octets, document, note \
     from {rows seq bigint, number bigint, salt text, message bigint, asked text, inbound bigint, received text, \
         octets text, document text, note text}",
);
static HEAD: Sql =
    Sql::new("update consent_head set seq = {int seq}, hash = {text hash} where id = {int id}");

/// A row of the chain, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) scope: String,
    pub(super) at_ms: i64,
    pub(super) channel: String,
    pub(super) actor: String,
    pub(super) evidence: String,
    pub(super) erases: Option<String>,
    pub(super) hash: String,
}

impl Link {
    /// What its hash has to be behind this one.
    pub(super) fn hash_behind(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        let mut put = |field: &str| netstring(&mut hash, Some(field));
        put(before);
        put(&self.seq.to_string());
        put(&self.id.to_string());
        put(&self.kind);
        put(&self.scope);
        put(&self.at_ms.to_string());
        put(&self.channel);
        put(&self.actor);
        put(&self.evidence);
        netstring(&mut hash, self.erases.as_deref());
        hex(&hash.finalize())
    }
}

/// Evidence as it is kept. Without salt it was erased.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) seq: i64,
    pub(super) number: Msisdn,
    pub(super) salt: Option<String>,
    #[serde(flatten)]
    pub(super) evidence: Evidence,
}

impl Kept {
    /// Its digest, none where it was erased.
    pub(super) fn digest(&self) -> Option<String> {
        let salt = self.salt.as_deref()?;
        let Evidence { message, asked, inbound, received, octets, document, note } = &self.evidence;
        let mut hash = Sha256::new();
        netstring(&mut hash, Some(salt));
        netstring(&mut hash, Some(&self.number.digits()));
        netstring(&mut hash, message.map(|message| message.0.to_string()).as_deref());
        netstring(&mut hash, asked.as_deref());
        netstring(&mut hash, inbound.map(|inbound| inbound.to_string()).as_deref());
        netstring(&mut hash, received.as_deref());
        netstring(&mut hash, octets.as_deref());
        netstring(&mut hash, document.as_deref());
        netstring(&mut hash, note.as_deref());
        Some(hex(&hash.finalize()))
    }
}

fn netstring(hash: &mut Sha256, field: Option<&str>) {
    match field {
        Some(field) => {
            hash.update(field.len().to_string());
            hash.update(":");
            hash.update(field);
            hash.update(",");
        }
        None => hash.update("-,"),
    }
}

/// A change on its way into the chain: of a number, or of the hash of one that is being erased.
pub(in crate::store) struct Entry<'a> {
    pub(in crate::store) change: &'a ConsentChange,
    pub(in crate::store) subject: Msisdn,
    pub(in crate::store) erases: Option<String>,
}

/// Adds changes to the chain, in their order; gives the seq of each that is new, by its id. Known ones are left out.
pub(in crate::store) async fn append(
    tx: &mut Tx<'_>,
    entries: &[Entry<'_>],
) -> Result<BTreeMap<i64, i64>, StoreError> {
    #[derive(Deserialize)]
    struct Head {
        seq: i64,
        hash: String,
    }
    #[derive(Deserialize)]
    struct Id {
        id: i64,
    }
    if entries.is_empty() {
        return Ok(BTreeMap::new());
    }
    let head: Option<Head> = tx.rows(&LOCK, &serde_json::json!({ "id": 1 })).await?.pop();
    let Some(mut head) = head else {
        return Err(StoreError::Corrupt("the end of the consent chain is missing".to_owned()));
    };
    let ids: Vec<i64> = entries.iter().map(|entry| entry.change.id).collect();
    let known: Vec<Id> = tx.list(&KNOWN, &ids).await?;
    let mut known: HashSet<i64> = known.into_iter().map(|row| row.id).collect();
    let fresh: Vec<&Entry<'_>> = entries.iter().filter(|entry| known.insert(entry.change.id)).collect();
    let mut salts = vec![0; SALT_OCTETS * fresh.len()];
    getrandom::fill(&mut salts).map_err(|error| {
        StoreError::Refused(format!("the operating system gives no random octets: {error}"))
    })?;
    let (mut links, mut evidence, mut new) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (entry, salt) in fresh.into_iter().zip(salts.chunks(SALT_OCTETS)) {
        head.seq += 1;
        let change = entry.change;
        let kept = Kept {
            seq: head.seq,
            number: entry.subject,
            salt: Some(hex(salt)),
            evidence: storable(change.evidence.clone()),
        };
        let mut link = Link {
            seq: head.seq,
            id: change.id,
            kind: change.kind.name().to_owned(),
            scope: storable_text(change.scope.clone()),
            at_ms: change.at_ms,
            channel: change.channel.name().to_owned(),
            actor: storable_text(change.actor.clone()),
            evidence: kept.digest().unwrap_or_default(),
            erases: entry.erases.clone(),
            hash: String::new(),
        };
        link.hash = link.hash_behind(&head.hash);
        head.hash.clone_from(&link.hash);
        new.insert(change.id, head.seq);
        links.push(link);
        evidence.push(kept);
    }
    if links.is_empty() {
        return Ok(new);
    }
    tx.change(&EVENTS, &links).await?;
    tx.change(&EVIDENCE, &evidence).await?;
    tx.change(&HEAD, &serde_json::json!({ "id": 1, "seq": head.seq, "hash": head.hash })).await?;
    locator::note(tx, evidence.iter().map(|kept| (locator::consent(kept.number), kept.seq)));
    Ok(new)
}

/// As the store will keep it: what is hashed is what is read back.
fn storable(evidence: Evidence) -> Evidence {
    Evidence {
        asked: evidence.asked.map(storable_text),
        received: evidence.received.map(storable_text),
        document: evidence.document.map(storable_text),
        note: evidence.note.map(storable_text),
        ..evidence
    }
}

fn storable_text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            seq: 2,
            id: 7,
            kind: "opt_out".into(),
            scope: "all".into(),
            at_ms: 5,
            channel: "sms".into(),
            actor: "handset".into(),
            evidence: "ab".into(),
            erases: None,
            hash: String::new(),
        }
    }

    #[test]
    fn a_hash_is_that_of_the_documented_netstrings() {
        let text = "2:00,1:2,1:7,7:opt_out,3:all,1:5,3:sms,7:handset,2:ab,-,";
        assert_eq!(link().hash_behind("00"), hex(&Sha256::digest(text)));
    }

    #[test]
    fn no_field_can_be_moved_into_its_neighbour() {
        let moved = Link { kind: "opt_outall".into(), scope: String::new(), ..link() };
        assert_ne!(moved.hash_behind("00"), link().hash_behind("00"));
        let absent = Link { erases: Some(String::new()), ..link() };
        assert_ne!(absent.hash_behind("00"), link().hash_behind("00"));
    }

    #[test]
    fn evidence_without_its_salt_has_no_digest() {
        let kept = Kept { seq: 1, number: Msisdn(5), salt: Some("00".into()), evidence: Evidence::default() };
        assert!(kept.digest().is_some());
        assert_eq!(Kept { salt: None, ..kept }.digest(), None);
    }
}
