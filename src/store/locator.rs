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

use block::{Block, Entry, Struck};
use generations::Whole;
use known::{Asked, Logs};

pub(super) use generations::{Generations, Pace};
pub(super) use known::Known;

/// Keys of late that are in no generation yet.
static LOGS: Sql = Sql::new("select keys from key_log where {int but} is null or epoch <> {int but}");

// Blocks that may hold a key, each behind that key and its own id. A key's entries begin in the last block that begins before
// it, or in one that begins with it. Each is a cross join: SQLite keeps their order, and probes each generation. Where no
// filter says that the key is there, a block that begins before it is told only if it holds it.

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
         and replace(b.keys, '\n' || r.value || '\t', '') <> b.keys \
     union all \
     select r.value || '\t' || b.id || b.keys \
     from generation g cross join {each {text keys}} r cross join key_block b \
     where ({int whole} = 0 or g.state = 'whole') \
         and g.id not in (select cast(k.value as bigint) from {each {text known}} k) \
         and b.generation = g.id and b.first = r.value",
);

static LOG: Insert<2> = Insert::new("key_log", [Column::Int("epoch"), Column::Text("keys")]);

/// Whoever copies keys, or strikes off others, waits; who copies then sees that some are gone.
static STRIKING: Sql = Sql::new("update key_strikes set count = count + 1 where id = {int id}");
/// Takes the rows' locks and reads them: who makes a generation of them waits.
static LOGGED: Sql = Sql::new("update key_log set epoch = epoch where {int all} = 1 returning id || keys");
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
    /// What was young and is to be found no more.
    struck: Vec<Entry>,
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

/// A statement, and its argument.
type Look = (&'static Sql, String);

impl Asked<'_> {
    /// The statements that find the rest. First the logs: what is logged becomes a generation.
    fn looks(&self, keys: &[String]) -> Result<Vec<Look>, StoreError> {
        let mut looks = match self.logs {
            Logs::All => vec![(&LOGS, argument(&serde_json::json!({ "but": null }))?)],
            Logs::AllBut(epoch) => vec![(&LOGS, argument(&serde_json::json!({ "but": epoch }))?)],
            Logs::Nobody => Vec::new(),
        };
        looks.extend(self.blocks(keys, Of::Whole)?);
        Ok(looks)
    }

    /// First those of generations that are known: what is merged meanwhile is in another one afterwards.
    fn blocks(&self, keys: &[String], of: Of) -> Result<Vec<Look>, StoreError> {
        let mut looks: Vec<Look> = Vec::new();
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
    let looks = asked.looks(&keys)?;
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
    for (sql, argument) in asked.looks(keys)? {
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

/// Puts down what the transaction has noted. A server's goes to its log, which it has in memory; a command's to a generation
/// of its own.
pub(super) async fn put(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.notes.noted.is_empty() {
        return Ok(());
    }
    if tx.notes.access == Access::Serve && tx.notes.known.is_some() {
        let mut keys = String::new();
        tx.notes.noted.iter().for_each(|(key, id)| block::write(&mut keys, key, *id));
        let row = [tx.epoch.into(), keys.into()];
        return tx.insert(&LOG, std::iter::once(row)).await.map(drop);
    }
    let noted = std::mem::take(&mut tx.notes.noted);
    let entries = noted.iter().map(|(key, id)| (key.as_str(), *id)).collect();
    let (whole, _) = generations::make(tx, entries).await?;
    tx.notes.made = Some(whole);
    tx.notes.noted = noted;
    Ok(())
}

/// These ids are not to be found under these keys any more.
pub(super) async fn remove(tx: &mut Tx<'_>, noted: &[(String, i64)]) -> Result<(), StoreError> {
    if noted.is_empty() {
        return Ok(());
    }
    let gone: HashSet<(&str, i64)> = noted.iter().map(|(key, id)| (key.as_str(), *id)).collect();
    let goes = |key: &str, id: i64| gone.contains(&(key, id));
    let mut keys: Vec<String> = noted.iter().map(|(key, _)| key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    tx.change(&STRIKING, &serde_json::json!({ "id": 1 })).await?;
    let asked = ask(tx, &keys);
    let young: Vec<Entry> = asked.young.iter().filter(|(key, id)| goes(key, *id)).cloned().collect();
    // First the logs: what is logged becomes a generation. Where there is no other server, what is in the log is young.
    if asked.logs != Logs::Nobody || !young.is_empty() {
        strike_logs(tx, goes).await?;
    }
    strike_blocks(tx, asked.blocks(&keys, Of::Any)?, goes).await?;
    tx.notes.noted.retain(|(key, id)| !goes(key, *id));
    tx.notes.struck.extend(young);
    Ok(())
}

async fn strike_logs(tx: &mut Tx<'_>, goes: impl Fn(&str, i64) -> bool) -> Result<(), StoreError> {
    let texts = tx.texts(&LOGGED, argument(&serde_json::json!({ "all": 1 }))?).await?;
    let logs = texts.iter().map(|text| block::headed(text));
    let (left, none) = struck(logs, goes);
    tx.change_all(&RELOG, &left).await?;
    tx.change_all(&UNLOG, &none).await.map(drop)
}

async fn strike_blocks(
    tx: &mut Tx<'_>,
    looks: Vec<Look>,
    goes: impl Fn(&str, i64) -> bool,
) -> Result<(), StoreError> {
    let mut texts = Vec::new();
    for (sql, argument) in looks {
        texts.extend(tx.texts(sql, argument).await?);
    }
    let blocks = texts.iter().filter_map(|text| {
        let (head, entries) = block::headed(text);
        Some((head.rsplit_once('\t')?.1, entries))
    });
    // One may be found by several keys.
    let once: HashMap<&str, &str> = blocks.collect();
    let (left, none) = struck(once.into_iter(), goes);
    tx.change_all(&REWRITE, &left).await?;
    tx.change_all(&DROP, &none).await.map(drop)
}

/// A text from which entries are gone.
#[derive(Serialize)]
struct Rewritten {
    id: i64,
    first: String,
    keys: String,
}

/// Of these texts, each with its id, those of which less is left, and the ids of those of which nothing is.
fn struck<'t>(
    texts: impl Iterator<Item = (&'t str, &'t str)>,
    goes: impl Fn(&str, i64) -> bool,
) -> (Vec<Rewritten>, Vec<i64>) {
    let (mut left, mut none) = (Vec::new(), Vec::new());
    for (id, entries) in texts {
        let Ok(id) = id.parse() else { continue };
        match block::without(entries, &goes) {
            Struck::Nothing => {}
            Struck::Some(Block { first, keys }) => left.push(Rewritten { id, first, keys }),
            Struck::All => none.push(id),
        }
    }
    (left, none)
}
