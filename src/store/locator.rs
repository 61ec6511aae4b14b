//! Finding by keys that come in no order: a handset's number, a carrier's message id.
//!
//! An index over such keys costs a page written for each row inserted, once it has outgrown a few pages: it made
//! accepting twenty times slower at half a million rows. So new keys go into a small generation of their own, which
//! stays in a few pages; what looks something up probes each generation that may have it (`sieve`); and generations that
//! are full are merged into the first one, in order of keys (`merge`).

mod merge;
mod sieve;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::contexts::each;
use super::engine::{Readers, Tx};
use super::error::StoreError;
use super::insert::{Column, Insert, Value};
use super::sql::Sql;
use crate::message::Msisdn;

pub(super) use merge::Generations;
pub(super) use sieve::Sieve;

// Each is a cross join: SQLite keeps their order, and probes the keys of each generation. Left to itself, it looks at all
// keys and finds each one's generation.

/// Ids noted under these keys, in these generations.
static THERE: Sql = Sql::new(
    "select {list key, generation, id} from (select l.key, l.generation, l.id \
         from {rows generation bigint, key text} cross join locator l \
         where l.generation = r.generation and l.key = r.key) x",
);
/// And in all others but these.
static ELSEWHERE: Sql = Sql::new(
    "select {list key, generation, id} from (select l.key, l.generation, l.id \
         from generation g cross join {each {text keys}} r cross join locator l \
         where g.id not in (select cast(k.value as bigint) from {each {text known}} k) \
             and l.generation = g.id and l.key = r.value) x",
);
static REMOVE: Sql = Sql::new(
    "delete from locator where (generation, key, id) in ( \
         select r.generation, r.key, r.id from {rows generation bigint, key text, id bigint})",
);
static KEYS: Insert<3> =
    Insert::new("locator", [Column::Int("generation"), Column::Text("key"), Column::Int("id")]);

/// The key of messages to a number.
pub(super) fn to(number: Msisdn) -> String {
    format!("m{}", number.0)
}

/// The key of messages from a number.
pub(super) fn from(number: Msisdn) -> String {
    format!("i{}", number.0)
}

/// The key of changes of a number's consent, or of an erased one's.
pub(super) fn consent(number: Msisdn) -> String {
    format!("e{}", number.0)
}

/// The key of a message the carrier has taken under this id.
pub(super) fn taken(carrier: &str, carrier_key: &str) -> String {
    format!("c{carrier}/{carrier_key}")
}

#[derive(Serialize)]
struct Elsewhere<'a> {
    keys: &'a [String],
    known: &'a [i64],
}

/// An id noted under a key.
#[derive(Serialize, Deserialize)]
struct Found {
    key: String,
    generation: i64,
    id: i64,
}

/// The ids noted under each of these keys, each once.
pub(super) async fn ids(
    readers: &Readers,
    keys: impl Iterator<Item = String>,
) -> Result<HashMap<String, Vec<i64>>, StoreError> {
    let keys: Vec<String> = keys.collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let sifted = readers.sieve.sift(&keys);
    // First what is known: what is merged meanwhile is in the first generation afterwards.
    let mut found: Vec<Found> = each(readers, &THERE, &sifted.at).await?;
    let elsewhere = Elsewhere { keys: &keys, known: &sifted.known };
    found.extend(readers.list::<Found>(&ELSEWHERE, &elsewhere).await?);
    let mut ids: HashMap<String, Vec<i64>> = HashMap::new();
    for Found { key, id, .. } in found {
        ids.entry(key).or_default().push(id);
    }
    for ids in ids.values_mut() {
        ids.sort_unstable();
        ids.dedup();
    }
    Ok(ids)
}

/// The id noted last under each of these keys.
pub(super) async fn last(tx: &mut Tx<'_>, keys: &[String]) -> Result<HashMap<String, i64>, StoreError> {
    let mut found = found(tx, keys).await?;
    found.sort_unstable_by_key(|one| (one.generation, one.id));
    Ok(found.into_iter().map(|one| (one.key, one.id)).collect())
}

/// These ids are not to be found under these keys any more.
pub(super) async fn remove(tx: &mut Tx<'_>, noted: &[(String, i64)]) -> Result<(), StoreError> {
    if noted.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = noted.iter().map(|(key, _)| key.clone()).collect();
    let noted: HashSet<(&str, i64)> = noted.iter().map(|(key, id)| (key.as_str(), *id)).collect();
    let mut found = found(tx, &keys).await?;
    found.retain(|one| noted.contains(&(one.key.as_str(), one.id)));
    tx.change_all(&REMOVE, &found).await.map(drop)
}

async fn found(tx: &mut Tx<'_>, keys: &[String]) -> Result<Vec<Found>, StoreError> {
    let sifted = tx.sieve.map(|sieve| sieve.sift(keys)).unwrap_or_default();
    let mut found: Vec<Found> =
        if sifted.at.is_empty() { Vec::new() } else { tx.list(&THERE, &sifted.at).await? };
    found.extend(tx.list::<Found>(&ELSEWHERE, &Elsewhere { keys, known: &sifted.known }).await?);
    Ok(found)
}

/// Notes under which keys rows are to be found.
pub(super) async fn note(
    tx: &mut Tx<'_>,
    keys: impl Iterator<Item = (String, i64)>,
) -> Result<(), StoreError> {
    let generation = Value::Int(tx.generation);
    let mut keys: Vec<(String, i64)> = keys.collect();
    keys.sort_unstable();
    tx.located += keys.len();
    if let Some(sieve) = tx.sieve {
        sieve.note(tx.generation, keys.iter().map(|(key, _)| key.as_str()));
    }
    let rows = keys.into_iter().map(|(key, id)| [generation.clone(), key.into(), id.into()]);
    tx.insert(&KEYS, rows).await.map(drop)
}
