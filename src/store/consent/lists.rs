//! Lists read in: changes and how far the list is read, in one commit, so that one cut short goes on where it stopped.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{ConsentChange, ConsentKind, record};
use crate::message::Msisdn;
use crate::store::Store;
use crate::store::engine::Tx;
use crate::store::error::StoreError;
use crate::store::sql::Sql;
use crate::store::write::{Answer, Write};

/// Rows of a list written out at once.
const AT_ONCE: i64 = 5_000;

static IN_FORCE: Sql = Sql::new(
    "select {list number, scope, since_ms, way} from ( \
         select o.number, o.scope, o.since_ms, 'opt_out' as way from {ids} join optout o on o.number = r.id \
         union all select c.number, c.scope, c.since_ms, 'opt_in' from {ids} join consent c on c.number = r.id) x",
);
static PROGRESS: Sql = Sql::new(
    "insert into consent_list (list, upto, changed, known, broken) select list, upto, changed, known, broken \
     from {rows list text, upto bigint, changed bigint, known bigint, broken bigint} \
     where true on conflict (list) do update set upto = excluded.upto, changed = excluded.changed, \
         known = excluded.known, broken = excluded.broken where consent_list.upto < excluded.upto",
);
static HOW_FAR: Sql = Sql::new(
    "select {row list, upto, changed, known, broken} from ( \
         select list, upto, changed, known, broken from consent_list where list = {text list}) x",
);
static OPT_OUTS: Sql = Sql::new(
    "select {list number, scope, since_ms, channel, document, note} from ( \
         select o.number, o.scope, o.since_ms, e.channel, v.document, v.note \
         from (select number, scope, since_ms, seq from optout \
             where (number, scope) > ({int number}, {text scope}) and number < 4611686018427387904 \
             order by number, scope limit {int limit}) o \
         left join consent_event e on e.seq = o.seq left join consent_evidence v on v.seq = o.seq \
         order by o.number, o.scope) x",
);
static OPT_INS: Sql = Sql::new(
    "select {list number, scope, since_ms, channel, document, note} from ( \
         select o.number, o.scope, o.since_ms, e.channel, v.document, v.note \
         from (select number, scope, since_ms, seq from consent \
             where (number, scope) > ({int number}, {text scope}) and number < 4611686018427387904 \
             order by number, scope limit {int limit}) o \
         left join consent_event e on e.seq = o.seq left join consent_evidence v on v.seq = o.seq \
         order by o.number, o.scope) x",
);

/// How far a list has been read in: whole figures, not steps, so that repeating changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListProgress {
    /// What makes the list the same list: its kind and the digest of its content.
    pub list: String,
    /// The line up to which it was dealt with.
    pub upto: i64,
    /// Rows that changed something.
    pub changed: i64,
    /// Rows that said what was in force already.
    pub known: i64,
    /// Rows that could not be read.
    pub broken: i64,
}

/// One row of a list written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// The handset.
    pub number: Msisdn,
    /// How far it reaches.
    pub scope: String,
    /// Since when, milliseconds since the epoch.
    pub since_ms: i64,
    /// By which way we heard of it.
    pub channel: Option<String>,
    /// The list it came from, with its line.
    pub document: Option<String>,
    /// What was said about it.
    pub note: Option<String>,
}

impl Store {
    /// How far this list has been read in.
    pub async fn list_progress(&self, list: &str) -> Result<Option<ListProgress>, StoreError> {
        let argument = serde_json::json!({ "list": list });
        Ok(self.inner.readers.rows(&HOW_FAR, &argument).await?.pop())
    }

    /// Takes in some rows of a list; those that say what is in force already are left out. `progress` is how far the list
    /// is read before them in all but `upto`, and comes back with them counted.
    pub async fn take_list(
        &self,
        rows: Vec<ConsentChange>,
        progress: ListProgress,
    ) -> Result<ListProgress, StoreError> {
        match self.write(Write::List { rows, progress }).await? {
            Answer::Listed(progress) => Ok(progress),
            _ => Err(crate::store::mixed_up()),
        }
    }

    /// The opt-outs or opt-ins in force behind this number and scope, in that order; none when there are no more. Those
    /// of erased numbers are not among them.
    pub async fn listed(
        &self,
        kind: ConsentKind,
        behind: (Msisdn, &str),
    ) -> Result<Vec<ListRow>, StoreError> {
        let sql = if kind == ConsentKind::OptIn { &OPT_INS } else { &OPT_OUTS };
        let argument = serde_json::json!({ "number": behind.0, "scope": behind.1, "limit": AT_ONCE });
        self.inner.readers.list(sql, &argument).await
    }
}

/// Takes in rows of a list, and notes how far it is read.
pub(in crate::store) async fn take(
    tx: &mut Tx<'_>,
    rows: &[ConsentChange],
    before: &ListProgress,
) -> Result<ListProgress, StoreError> {
    #[derive(Deserialize)]
    struct InForce {
        number: Msisdn,
        scope: String,
        since_ms: i64,
        way: ConsentKind,
    }
    let mut numbers: Vec<Msisdn> = rows.iter().map(|row| row.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let known: Vec<InForce> =
        if numbers.is_empty() { Vec::new() } else { tx.list(&IN_FORCE, &numbers).await? };
    let mut in_force: HashMap<(Msisdn, String), (ConsentKind, i64)> =
        known.into_iter().map(|row| ((row.number, row.scope), (row.way, row.since_ms))).collect();
    let mut fresh = Vec::new();
    for row in rows {
        let key = (row.number, row.scope.clone());
        let says_nothing = in_force.get(&key).is_some_and(|(way, since_ms)| match row.kind {
            // who is out stays out, whenever it was said; who is in is in for longer by a later word
            ConsentKind::OptOut => *way == ConsentKind::OptOut || *since_ms > row.at_ms,
            _ => *since_ms >= row.at_ms,
        });
        if !says_nothing {
            in_force.insert(key, (row.kind, row.at_ms));
            fresh.push(row);
        }
    }
    let changed = record(tx, &fresh).await?;
    let progress = ListProgress {
        changed: before.changed + i64::try_from(changed).unwrap_or(i64::MAX),
        known: before.known + i64::try_from(rows.len() - changed.min(rows.len())).unwrap_or(i64::MAX),
        ..before.clone()
    };
    tx.change(&PROGRESS, &[&progress]).await?;
    Ok(progress)
}
