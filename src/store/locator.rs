//! Finding by keys that come in no order: a handset's number, a carrier's message id.
//!
//! An index over such keys costs a page written for each row inserted, once it has outgrown a few pages: it made
//! accepting twenty times slower at half a million rows. So the keys of a commit are put down as one text, a log; when there
//! are some thousand they are sorted into a generation of blocks (`generations`), and generations of about a size are merged
//! into one (`merge`). A server keeps what is in its log in memory, and a filter for each generation (`known`).

mod block;
mod generations;
mod known;
mod merge;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::Access;
use super::engine::{Readers, Tx};
use super::error::StoreError;
use super::insert::{Column, Insert};
use super::sql::{Sql, argument};
use crate::message::Msisdn;

use block::{Entry, Struck};
use generations::Whole;
use known::{Asked, Logs};

pub(super) use generations::Generations;
pub(super) use known::Known;

/// Keys of late that are in no generation yet.
static LOGS: Sql = Sql::new("select keys from key_log where {int but} is null or epoch <> {int but}");

// Blocks that may hold a key, each behind that key and its own id. A key's entries begin in the last block that begins before
// it, or in one that begins with it. Each is a cross join: SQLite keeps their order, and probes each generation.

static THERE: Sql = Sql::new(
    "select r.key || '\t' || b.id || b.keys from {rows generation bigint, key text} cross join key_block b \
     where b.id = (select p.id from key_block p where p.generation = r.generation and p.first < r.key \
         order by p.first desc, p.id desc limit 1) \
     union all \
     select r.key || '\t' || b.id || b.keys from {rows generation bigint, key text} cross join key_block b \
     where b.generation = r.generation and b.first = r.key",
);
static ELSEWHERE: Sql = Sql::new(
    "select r.value || '\t' || b.id || b.keys \
     from generation g cross join {each {text keys}} r cross join key_block b \
     where ({int whole} = 0 or g.state = 'whole') \
         and g.id not in (select cast(k.value as bigint) from {each {text known}} k) \
         and b.id = (select p.id from key_block p where p.generation = g.id and p.first < r.value \
             order by p.first desc, p.id desc limit 1) \
     union all \
     select r.value || '\t' || b.id || b.keys \
     from generation g cross join {each {text keys}} r cross join key_block b \
     where ({int whole} = 0 or g.state = 'whole') \
         and g.id not in (select cast(k.value as bigint) from {each {text known}} k) \
         and b.generation = g.id and b.first = r.value",
);

static LOG: Insert<2> = Insert::new("key_log", [Column::Int("epoch"), Column::Text("keys")]);

/// Whoever copies keys waits, and then sees that some are gone.
static STRIKING: Sql = Sql::new("update generation set struck = struck + 1 where {int all} = 1");
static LOGGED: Sql = Sql::new("select id || keys from key_log where {int all} = 1 order by id");
static RELOG: Sql =
    Sql::new("update key_log set keys = r.keys from {rows id bigint, keys text} where key_log.id = r.id");
static UNLOG: Sql = Sql::new("delete from key_log where id in (select r.id from {ids})");
static REWRITE: Sql = Sql::new(
    "update key_block set first = r.first, keys = r.keys from {rows id bigint, first text, keys text} \
     where key_block.id = r.id",
);
static DROP: Sql = Sql::new("delete from key_block where id in (select r.id from {ids})");

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
    let key = format!("c{carrier}/{carrier_key}");
    // Entries are lines: a sign of control in an id, which no carrier is known to send, stands for any.
    if key.contains(|sign: char| sign.is_ascii_control()) {
        return key.replace(|sign: char| sign.is_ascii_control(), "\u{fffd}");
    }
    key
}

/// What a transaction notes and strikes off, for who commits it.
#[derive(Default)]
pub(super) struct Notes<'a> {
    access: Access,
    known: Option<&'a Known>,
    noted: Vec<Entry>,
    /// Keys under which something is to be found no more.
    struck: Vec<String>,
    /// The generation a command has made.
    made: Option<Whole>,
}

/// Of which generations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Those in which something is looked up.
    Whole,
    /// Also those that are being made or removed.
    Any,
}

#[derive(Serialize)]
struct Elsewhere<'a> {
    keys: &'a [String],
    known: &'a [i64],
    whole: i64,
}

impl<'a> Notes<'a> {
    /// For who notes as a server or as a command, and what it knows.
    pub(super) fn new(access: Access, known: &'a Known) -> Self {
        Self { access, known: Some(known), ..Self::default() }
    }
}

impl Asked<'_> {
    /// The statements that find the rest. First the logs, then what is known: what is merged meanwhile is in another
    /// generation afterwards.
    fn looks(&self, keys: &[String], of: Of) -> Result<Vec<(&'static Sql, String)>, StoreError> {
        let mut looks = Vec::new();
        match self.logs {
            Logs::All => looks.push((&LOGS, argument(&serde_json::json!({ "but": null }))?)),
            Logs::AllBut(epoch) => looks.push((&LOGS, argument(&serde_json::json!({ "but": epoch }))?)),
            Logs::Nobody => {}
        }
        if !self.at.is_empty() {
            looks.push((&THERE, argument(&self.at)?));
        }
        let whole = i64::from(of == Of::Whole);
        looks.push((&ELSEWHERE, argument(&Elsewhere { keys, known: &self.known, whole })?));
        Ok(looks)
    }
}

/// The entries under these keys in what a look gives.
fn read(texts: &[String], keys: &[String]) -> Vec<Entry> {
    let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for (head, entries) in texts.iter().map(|text| block::headed(text)) {
        match head.rsplit_once('\t') {
            Some((key, _)) => found.extend(block::under(entries, key).map(|id| (key.to_owned(), id))),
            None => found.extend(block::among(entries, &wanted)),
        }
    }
    found
}

/// The ids noted under each of these keys, each once, in order.
pub(super) async fn ids(
    readers: &Readers,
    keys: impl Iterator<Item = String>,
) -> Result<HashMap<String, Vec<i64>>, StoreError> {
    let mut keys: Vec<String> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let asked = readers.known.ask(&keys);
    let looks = asked.looks(&keys, Of::Whole)?;
    let mut found = asked.young;
    for (sql, argument) in looks {
        found.extend(read(&readers.texts(sql, argument).await?, &keys));
    }
    let mut ids: HashMap<String, Vec<i64>> = HashMap::new();
    for (key, id) in found {
        ids.entry(key).or_default().push(id);
    }
    for ids in ids.values_mut() {
        ids.sort_unstable();
        ids.dedup();
    }
    Ok(ids)
}

/// The ids noted under one key, in order.
pub(super) async fn under(readers: &Readers, key: String) -> Result<Vec<i64>, StoreError> {
    Ok(ids(readers, std::iter::once(key)).await?.into_values().next().unwrap_or_default())
}

/// The id noted last under each of these keys.
pub(super) async fn last(tx: &mut Tx<'_>, keys: &[String]) -> Result<HashMap<String, i64>, StoreError> {
    let asked = ask(tx, keys);
    let mut found = Vec::new();
    for (sql, argument) in asked.looks(keys, Of::Whole)? {
        found.extend(read(&tx.texts(sql, argument).await?, keys));
    }
    // Ids are in the order of time; what is of late is in the order in which it was noted.
    found.sort_unstable_by_key(|(_, id)| *id);
    found.extend(asked.young);
    let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
    found.extend(tx.notes.noted.iter().filter(|(key, _)| wanted.contains(key.as_str())).cloned());
    Ok(found.into_iter().collect())
}

fn ask<'k>(tx: &Tx<'_>, keys: &'k [String]) -> Asked<'k> {
    match tx.notes.known {
        Some(known) => known.ask(keys),
        None => Asked { young: Vec::new(), logs: Logs::All, known: Vec::new(), at: Vec::new() },
    }
}

/// Notes under which keys rows are to be found; [`put`] puts them down.
pub(super) fn note(tx: &mut Tx<'_>, keys: impl Iterator<Item = (String, i64)>) {
    tx.notes.noted.extend(keys);
}

/// Puts down what the transaction has noted. A server's goes to its log, a command's to a generation of its own: nobody has
/// a command's log in memory.
pub(super) async fn put(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.notes.noted.is_empty() {
        return Ok(());
    }
    if tx.notes.access == Access::Serve {
        let mut keys = String::new();
        tx.notes.noted.iter().for_each(|(key, id)| block::write(&mut keys, key, *id));
        let row = [tx.epoch.into(), keys.into()];
        return tx.insert(&LOG, std::iter::once(row)).await.map(drop);
    }
    let mut entries: Vec<(&str, i64)> = tx.notes.noted.iter().map(|(key, id)| (key.as_str(), *id)).collect();
    let (keys, blocks) = generations::sorted(&mut entries);
    tx.notes.made = Some(generations::make(tx, keys, blocks).await?);
    Ok(())
}

/// These ids are not to be found under these keys any more.
pub(super) async fn remove(tx: &mut Tx<'_>, noted: &[(String, i64)]) -> Result<(), StoreError> {
    let goes: HashSet<(&str, i64)> = noted.iter().map(|(key, id)| (key.as_str(), *id)).collect();
    let keys = noted.iter().map(|(key, _)| key.clone()).collect();
    strike(tx, keys, |key, id| goes.contains(&(key, id))).await
}

/// Nothing is to be found under these keys any more.
pub(super) async fn remove_all(tx: &mut Tx<'_>, keys: Vec<String>) -> Result<(), StoreError> {
    let goes: HashSet<String> = keys.iter().cloned().collect();
    strike(tx, keys, |key, _| goes.contains(key)).await
}

async fn strike(
    tx: &mut Tx<'_>,
    mut keys: Vec<String>,
    goes: impl Fn(&str, i64) -> bool,
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Row {
        id: i64,
        first: String,
        keys: String,
    }
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(());
    }
    let all = serde_json::json!({ "all": 1 });
    tx.change(&STRIKING, &all).await?;
    let asked = ask(tx, &keys);
    let mut blocks: HashMap<i64, String> = HashMap::new();
    for (sql, argument) in
        asked.looks(&keys, Of::Any)?.into_iter().filter(|(sql, _)| !std::ptr::eq(*sql, &LOGS))
    {
        for text in tx.texts(sql, argument).await? {
            let (head, entries) = block::headed(&text);
            let id = head.rsplit_once('\t').and_then(|(_, id)| id.parse().ok());
            id.map(|id| blocks.entry(id).or_insert_with(|| entries.to_owned()));
        }
    }
    let (mut left, mut none) = (Vec::new(), Vec::new());
    for (id, keys) in blocks {
        match block::without(&keys, &goes) {
            Struck::Nothing => {}
            Struck::Some(block) => left.push(Row { id, first: block.first, keys: block.keys }),
            Struck::All => none.push(id),
        }
    }
    tx.change_all(&REWRITE, &left).await?;
    tx.change_all(&DROP, &none).await?;
    // In the log of a server nobody else is beside, there is only what it knows to be young.
    if asked.logs != Logs::Nobody || !asked.young.is_empty() {
        let (mut left, mut none) = (Vec::new(), Vec::new());
        for text in tx.texts(&LOGGED, argument(&all)?).await? {
            let (id, entries) = block::headed(&text);
            let Ok(id) = id.parse::<i64>() else { continue };
            match block::without(entries, &goes) {
                Struck::Nothing => {}
                Struck::Some(block) => left.push(Row { id, first: String::new(), keys: block.keys }),
                Struck::All => none.push(id),
            }
        }
        tx.change_all(&RELOG, &left).await?;
        tx.change_all(&UNLOG, &none).await?;
    }
    tx.notes.noted.retain(|(key, id)| !goes(key, *id));
    tx.notes.struck.extend(keys);
    Ok(())
}
