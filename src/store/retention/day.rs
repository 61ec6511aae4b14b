//! Forgetting a day as a whole, where each has tables of its own: what leads to its messages goes step by step, and last its
//! tables, however many rows they have.

use serde::{Deserialize, Serialize};

use super::{Forgotten, NO_CALLBACKS, NO_INVITATIONS, Numbered, ROWS_A_STEP, leading_to, span, with_unasked};
use crate::message::{MessageId, Msisdn, Partitions, Purpose};
use crate::rules::retention::{Before, are_old};
use crate::store::days::{self, Day};
use crate::store::engine::{Readers, Tx};
use crate::store::error::StoreError;
use crate::store::locator;
use crate::store::sql::Sql;
use crate::store::write::{Answer, Write};
use crate::store::{Store, mixed_up};

/// Whether something of a day is to stay: a message of a class that is kept for longer, an open question, what is queued, a
/// receipt that an account waits for.
static STAYS: Sql = Sql::new(
    "select {row some} from (select case when \
             exists (select 1 from message m where m.id >= {int from} and m.id < {int to} \
                 and m.purpose in (select p.value from {each {text longer}} p)) \
             or exists (select 1 from invitation i where i.message >= {int from} and i.message < {int to} \
                 and i.state in ('open', 'waiting')) \
             or exists (select 1 from chunk c cross join {each c.members} m where c.state = 'waiting' \
                 and cast(m.value as bigint) >= {int from} and cast(m.value as bigint) < {int to}) \
             or exists (select 1 from chunk c cross join {each c.members} m where c.state = 'leased' \
                 and cast(m.value as bigint) >= {int from} and cast(m.value as bigint) < {int to}) \
             or exists (select 1 from outbox b where b.message >= {int from} and b.message < {int to} \
                 and b.told_ms is null) \
         then 1 else 0 end as some) x",
);
static MESSAGES: Sql = Sql::new(
    "select {list id, number} from (select id, recipient as number from message \
         where id > {int after} and id < {int before} order by id limit {int limit}) x",
);
static NO_CHUNKS: Sql =
    Sql::new("delete from chunk where state = 'done' and id > {int after} and id <= {int upto}");

/// One step: nothing leads to these messages any more, all of a day from `after` up to `upto`.
#[derive(Debug, Clone)]
pub(in crate::store) struct DayStep {
    ids: Vec<i64>,
    keys: Vec<(String, i64)>,
    after: i64,
    upto: i64,
    /// They were the last ones: the day goes.
    last_of: Option<Day>,
}

impl DayStep {
    /// Whether it locks the tables of all days.
    pub(in crate::store) fn drops_tables(&self) -> bool {
        self.last_of.is_some()
    }
}

impl Store {
    /// Has tables for today and the next days, where days are told apart.
    ///
    /// # Errors
    /// What the memory says; [`StoreError::Busy`] where somebody reads for long. Without them nothing is refused.
    pub async fn make_days(&self, now_ms: i64) -> Result<(), StoreError> {
        match self.inner.readers.partitions() {
            Partitions::None => Ok(()),
            Partitions::Daily => self.done(Write::MakeDays { now_ms }).await,
        }
    }

    /// Forgets a little of the oldest day behind a place of which nothing is to stay. `before_ms`: what of each kind is older
    /// is old enough. Nothing where days are not told apart.
    ///
    /// # Errors
    /// What the memory says; what went before stays gone.
    pub async fn forget_day(&self, before_ms: &Before, after: i64) -> Result<Forgotten, StoreError> {
        let readers = &self.inner.readers;
        let mut after = after;
        for day in days::days(readers).await? {
            if after >= day.to - 1 {
                continue;
            }
            let begun = (day.from..day.to).contains(&after) && after > 0;
            if !begun {
                match standing(readers, &day, before_ms).await? {
                    Standing::Young => break,
                    Standing::Mixed => {
                        after = day.to - 1;
                        continue;
                    }
                    Standing::Old => after = day.from - 1,
                }
            }
            let mut gone = messages(readers, after, day.to).await?;
            let mut last = gone.last().map(|(_, id)| *id).filter(|_| gone.len() == ROWS_A_STEP);
            if are_old(Purpose::Survey, MessageId(day.to), before_ms) {
                let upto = last.unwrap_or(day.to - 1);
                last = with_unasked(readers, &mut gone, after, upto).await?.or(last);
            }
            let rows = gone.len() as u64;
            let (ids, keys) = leading_to(readers, gone).await?;
            let upto = last.unwrap_or(day.to - 1);
            let step = DayStep { ids, keys, after, upto, last_of: last.is_none().then(|| day.clone()) };
            return match self.write(Write::ForgetDay(Box::new(step))).await {
                Ok(Answer::Done) => Ok(Forgotten { upto, rows, more: true }),
                Ok(_) => Err(mixed_up()),
                // Somebody's view needs them, say.
                Err(StoreError::Refused(reason)) => {
                    let day = day.name();
                    tracing::warn!(day, reason, "its tables cannot be dropped: it goes row by row");
                    Ok(Forgotten { upto, rows: 0, more: true })
                }
                Err(error) => Err(error),
            };
        }
        Ok(Forgotten { upto: after, rows: 0, more: false })
    }
}

/// How a day stands.
enum Standing {
    /// None of it is old enough.
    Young,
    /// Something is to stay for now.
    Mixed,
    /// Everything may go.
    Old,
}

async fn standing(readers: &Readers, day: &Day, before_ms: &Before) -> Result<Standing, StoreError> {
    #[derive(Deserialize)]
    struct Stays {
        some: i64,
    }
    #[derive(Serialize)]
    struct Asked {
        from: i64,
        to: i64,
        longer: Vec<&'static str>,
    }
    let (old, longer): (Vec<Purpose>, Vec<Purpose>) =
        Purpose::ALL.into_iter().partition(|purpose| are_old(*purpose, MessageId(day.to), before_ms));
    if old.is_empty() {
        return Ok(Standing::Young);
    }
    let longer = longer.into_iter().map(Purpose::name).collect();
    let stays: Vec<Stays> = readers.rows(&STAYS, &Asked { from: day.from, to: day.to, longer }).await?;
    Ok(if stays.iter().any(|row| row.some != 0) { Standing::Mixed } else { Standing::Old })
}

/// The next messages of a day.
async fn messages(readers: &Readers, after: i64, before: i64) -> Result<Vec<(Msisdn, i64)>, StoreError> {
    let old: Vec<Numbered> = readers.list(&MESSAGES, &span(after, before)).await?;
    Ok(old.into_iter().map(|one| (one.number, one.id)).collect())
}

/// Takes one step.
pub(in crate::store) async fn step(tx: &mut Tx<'_>, step: &DayStep) -> Result<(), StoreError> {
    for statement in [&NO_CALLBACKS, &NO_INVITATIONS] {
        tx.change_all(statement, &step.ids).await?;
    }
    tx.change(&NO_CHUNKS, &serde_json::json!({ "after": step.after, "upto": step.upto })).await?;
    locator::remove(tx, &step.keys).await?;
    match &step.last_of {
        Some(day) => days::remove(tx, day).await,
        None => Ok(()),
    }
}
