//! What is in force: opt-outs, opt-ins, and opt-ins that wait for their confirmation.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::chain::{Entry, append};
use super::{ConsentChange, ConsentKind};
use crate::message::{Msisdn, Scope};
use crate::store::Store;
use crate::store::engine::{Readers, Tx};
use crate::store::error::StoreError;
use crate::store::sql::Sql;

// By date: a list may bring what was said before something that is known already.
static OPT_OUT: Sql = Sql::new(
    "insert into optout (number, scope, since_ms, inbound, seq) select number, scope, at_ms, inbound, seq \
     from {rows number bigint, scope text, at_ms bigint, inbound bigint, seq bigint} \
     where not exists (select 1 from consent c \
         where c.number = r.number and c.scope = r.scope and c.since_ms > r.at_ms) \
     on conflict do nothing",
);
static NO_OPT_IN: Sql = Sql::new(
    "delete from consent where number in (select r.number from {rows number bigint}) and exists ( \
         select 1 from {rows number bigint, scope text, at_ms bigint} \
         where r.number = consent.number and consent.since_ms <= r.at_ms and (r.scope = 'all' \
             or consent.scope = r.scope \
             or substr(consent.scope, 1, length(r.scope) + 1) = r.scope || '/'))",
);
static OPT_IN: Sql = Sql::new(
    "insert into consent (number, scope, since_ms, seq) select number, scope, at_ms, seq \
     from {rows number bigint, scope text, at_ms bigint, seq bigint} \
     where not exists (select 1 from optout o \
         where o.number = r.number and o.scope = r.scope and o.since_ms > r.at_ms) \
     on conflict (number, scope) do update set since_ms = excluded.since_ms, seq = excluded.seq \
     where consent.since_ms < excluded.since_ms",
);
static NO_OPT_OUT: Sql = Sql::new(
    "delete from optout where number in (select r.number from {rows number bigint}) and exists ( \
         select 1 from {rows number bigint, scope text, at_ms bigint} \
         where r.number = optout.number and r.scope = optout.scope and optout.since_ms <= r.at_ms)",
);
static WAIT: Sql = Sql::new(
    "insert into consent_pending (number, code, scope, asked_ms, until_ms, seq) \
     select number, code, scope, at_ms, until_ms, seq \
     from {rows number bigint, code text, scope text, at_ms bigint, until_ms bigint, seq bigint} \
     where true on conflict (number, code) do update set scope = excluded.scope, asked_ms = excluded.asked_ms, \
         until_ms = excluded.until_ms, seq = excluded.seq",
);
static NO_LONGER_WAITING: Sql =
    Sql::new("delete from consent_pending where number in (select r.number from {rows number bigint})");
/// The last row is of no one asked for: it tells that numbers were erased, so that hashes have to be looked at.
static STANDS: Sql = Sql::new(
    "select {list number, scope, since_ms} from ( \
         select o.number, o.scope, o.since_ms from {ids} join optout o on o.number = r.id \
         union all select e.number, e.scope, e.since_ms from ( \
             select number, scope, since_ms from optout where number >= 4611686018427387904 limit 1) e) x",
);
static CONSENTS: Sql = Sql::new(
    "select {list number, scope, since_ms} from ( \
         select c.number, c.scope, c.since_ms from {ids} join consent c on c.number = r.id) x",
);

/// An opt-out or opt-in in force.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::store) struct Stand {
    pub(in crate::store) number: Msisdn,
    pub(in crate::store) scope: String,
    pub(in crate::store) since_ms: i64,
}

#[derive(Clone, Serialize)]
struct Param<'a> {
    number: Msisdn,
    scope: &'a str,
    at_ms: i64,
    inbound: Option<i64>,
    seq: i64,
    code: Option<&'a str>,
    until_ms: Option<i64>,
}

/// Adds changes to the chain and brings what is in force up to date; changes known already have no effect again. Gives
/// how many were new.
pub(in crate::store) async fn record(
    tx: &mut Tx<'_>,
    changes: &[&ConsentChange],
) -> Result<usize, StoreError> {
    let entries: Vec<Entry<'_>> =
        changes.iter().map(|change| Entry { change, subject: change.number, erases: None }).collect();
    let new = append(tx, &entries).await?;
    let key = tx.subjects;
    let mut seen = HashSet::new();
    let mut last: BTreeMap<(Msisdn, &str), &ConsentChange> = BTreeMap::new();
    let (mut waiting, mut through) = (Vec::new(), Vec::new());
    for change in
        changes.iter().copied().filter(|change| new.contains_key(&change.id) && seen.insert(change.id))
    {
        match change.kind {
            ConsentKind::OptOut | ConsentKind::OptIn | ConsentKind::Lifted => {
                let known = last.entry((change.number, &change.scope)).or_insert(change);
                if change.at_ms >= known.at_ms {
                    *known = change;
                }
                through.push(change);
            }
            ConsentKind::Asked => waiting.push(change),
            ConsentKind::Declined => through.push(change),
            ConsentKind::Erased => {}
        }
    }
    let (out, back): (Vec<&ConsentChange>, Vec<&ConsentChange>) =
        last.into_values().partition(|change| change.kind == ConsentKind::OptOut);
    let into: Vec<&ConsentChange> =
        back.iter().filter(|change| change.kind == ConsentKind::OptIn).copied().collect();
    let (out, into, back) = (params(&out, &new), params(&into, &new), params(&back, &new));
    // what is known of the number under its hash is ended by the person's own word too
    let hashed =
        back.iter().filter_map(|one| Some(Param { number: key?.subject(one.number), ..one.clone() }));
    let ended: Vec<Param<'_>> = back.iter().cloned().chain(hashed).collect();
    tx.change_all(&NO_OPT_OUT, &ended).await?;
    tx.change_all(&OPT_IN, &into).await?;
    tx.change_all(&NO_OPT_IN, &out).await?;
    tx.change_all(&OPT_OUT, &out).await?;
    tx.change_all(&NO_LONGER_WAITING, &params(&through, &new)).await?;
    tx.change_all(&WAIT, &params(&waiting, &new)).await?;
    Ok(new.len())
}

fn params<'a>(changes: &[&'a ConsentChange], new: &BTreeMap<i64, i64>) -> Vec<Param<'a>> {
    let param = |change: &&'a ConsentChange| Param {
        number: change.number,
        scope: &change.scope,
        at_ms: change.at_ms,
        inbound: change.evidence.inbound,
        seq: new.get(&change.id).copied().unwrap_or_default(),
        code: change.asks.as_ref().map(|asks| asks.code.as_str()),
        until_ms: change.asks.as_ref().map(|asks| asks.until_ms),
    };
    changes.iter().map(param).collect()
}

/// The opt-outs in force of these numbers, those under a hash among them.
pub(in crate::store) async fn stands(
    tx: &mut Tx<'_>,
    numbers: &[Msisdn],
) -> Result<HashMap<Msisdn, Vec<(Scope, i64)>>, StoreError> {
    let mut rows: Vec<Stand> = tx.list(&STANDS, numbers).await?;
    let mut numbers: HashMap<Msisdn, Msisdn> = numbers.iter().map(|number| (*number, *number)).collect();
    if let Some(key) = tx.subjects.filter(|_| rows.iter().any(|row| row.number.is_erased())) {
        let hashed: HashMap<Msisdn, Msisdn> =
            numbers.keys().map(|number| (key.subject(*number), *number)).collect();
        rows.extend(tx.list::<Stand>(&STANDS, &hashed.keys().copied().collect::<Vec<_>>()).await?);
        numbers.extend(hashed);
    }
    Ok(by_number(rows, &numbers))
}

/// The opt-ins in force of these numbers.
pub(in crate::store) async fn consents(
    tx: &mut Tx<'_>,
    numbers: &[Msisdn],
) -> Result<HashMap<Msisdn, Vec<(Scope, i64)>>, StoreError> {
    let rows: Vec<Stand> = tx.list(&CONSENTS, numbers).await?;
    let numbers = numbers.iter().map(|number| (*number, *number)).collect();
    Ok(by_number(rows, &numbers))
}

/// As [`stands`] and [`consents`], for those who look only: opt-outs and opt-ins.
pub(in crate::store) async fn looked_up(
    readers: &Readers,
    numbers: &HashMap<Msisdn, Msisdn>,
) -> Result<[HashMap<Msisdn, Vec<(Scope, i64)>>; 2], StoreError> {
    let ids: Vec<Msisdn> = numbers.keys().copied().collect();
    if ids.is_empty() {
        return Ok(Default::default());
    }
    let out: Vec<Stand> = readers.list(&STANDS, &ids).await?;
    let into: Vec<Stand> = readers.list(&CONSENTS, &ids).await?;
    Ok([by_number(out, numbers), by_number(into, numbers)])
}

fn by_number(rows: Vec<Stand>, numbers: &HashMap<Msisdn, Msisdn>) -> HashMap<Msisdn, Vec<(Scope, i64)>> {
    let mut found: HashMap<Msisdn, Vec<(Scope, i64)>> = HashMap::new();
    for row in rows {
        let Some(number) = numbers.get(&row.number) else { continue };
        // a scope we cannot read blocks all the more
        let scope = row.scope.parse().unwrap_or(Scope::Everything);
        let stands = found.entry(*number).or_default();
        if !stands.contains(&(scope.clone(), row.since_ms)) {
            stands.push((scope, row.since_ms));
        }
    }
    found
}

/// Changes looked at in one go.
const BEHIND_AT_ONCE: i64 = 2_000;

static BEHIND: Sql = Sql::new(
    "select {list seq, number, scope, kind} from ( \
         select e.seq, v.number, e.scope, e.kind \
         from (select seq, scope, kind from consent_event where seq > {int behind} order by seq limit {int limit}) e \
         join consent_evidence v on v.seq = e.seq) x",
);

/// Who opted out, behind a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptedOut {
    /// Numbers and scopes.
    pub opted_out: Vec<(Msisdn, Scope)>,
    /// The last change looked at.
    pub upto: i64,
}

impl Store {
    /// Who opted out behind this place in the chain: some thousand changes at a time.
    pub async fn opted_out_behind(&self, seq: i64) -> Result<OptedOut, StoreError> {
        #[derive(Deserialize)]
        struct Row {
            seq: i64,
            number: Msisdn,
            scope: String,
            kind: ConsentKind,
        }
        let argument = serde_json::json!({ "behind": seq, "limit": BEHIND_AT_ONCE });
        let rows: Vec<Row> = self.inner.readers.list(&BEHIND, &argument).await?;
        let upto = rows.iter().map(|row| row.seq).max().unwrap_or(seq);
        let opted_out = rows
            .into_iter()
            .filter(|row| row.kind == ConsentKind::OptOut)
            .map(|row| (row.number, row.scope.parse().unwrap_or(Scope::Everything)))
            .collect();
        Ok(OptedOut { opted_out, upto })
    }
}
