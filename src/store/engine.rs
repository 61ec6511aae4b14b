//! The two engines: one connection that writes, some that read. JSON text in, JSON texts out.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Arguments as _, Connection as _, Executor as _, PgConnection, PgPool, SqlitePool};
use std::sync::Arc;
use std::time::Duration;

use super::consent::SubjectKey;
use super::error::{StoreError, judge};
use super::fresh::Fresh;
use super::insert::{Column, Insert, Update, Value};
use super::locator::{Known, Notes};
use super::rows::EventRow;
use super::sql::{Dialect, Sql, argument};
use super::sqlite::Sqlite;
use crate::message::Partitions;

/// Readers at once. Reports are rare; on two cores more readers only take time from the writer.
const READERS: u32 = 4;
/// How long a reader waits for its turn before it is told that the store is busy.
const READER_WAIT: Duration = Duration::from_secs(10);
/// Another process (a tool) may hold SQLite's write lock for so long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Larger pages hold a whole chunk row, so that moving its watermark rewrites one page.
pub(super) const PAGE_OCTETS: u32 = 8192;
/// 64 MB of WAL before a commit has to carry pages over; the writer does it earlier when idle.
const CHECKPOINT_PAGES: &str = "8000";
/// Negative is KiB: the writer's cache, enough for the upper levels of all indexes.
const WRITER_CACHE: &str = "-24576";
/// A reader's cache.
const READER_CACHE: &str = "-4096";
/// A report that runs longer than this on Postgres holds up vacuum.
const READ_TIMEOUT: &str = "60s";

/// How to reach the database, worked out once, used again after each loss.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions, Partitions),
}

impl Engine {
    pub(super) fn sqlite(file: &std::path::Path) -> Self {
        Self::Sqlite(
            SqliteConnectOptions::new()
                .filename(file)
                .page_size(PAGE_OCTETS)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("temp_store", "memory")
                .pragma("mmap_size", "0")
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES),
        )
    }

    pub(super) fn postgres(url: &str) -> Result<Self, sqlx::Error> {
        let options = url.parse::<PgConnectOptions>()?.application_name("backchat");
        Ok(Self::Postgres(options, Partitions::None))
    }

    /// What was found out about the database: connections made from here on know it.
    pub(super) fn has(&mut self, found: Partitions) {
        if let Self::Postgres(_, partitions) = self {
            *partitions = found;
        }
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(options) => {
                let pragmas = [
                    ("journal_mode", "wal"),
                    // `disk` waits for it.
                    ("synchronous", "normal"),
                    ("temp_store", "memory"),
                    ("mmap_size", "0"),
                    ("wal_autocheckpoint", CHECKPOINT_PAGES),
                    ("cache_size", WRITER_CACHE),
                ];
                Sqlite::open(options.get_filename(), BUSY_TIMEOUT, &pragmas).map(Connection::Sqlite)
            }
            Self::Postgres(options, partitions) => {
                let mut connection = PgConnection::connect_with(options).await?;
                // Everything the writer does is a probe by key: the other plans are forbidden, and none made on an empty
                // table stays when that has grown.
                connection
                    .execute(
                        "set synchronous_commit = on; set statement_timeout = '30s'; set lock_timeout = '5s'; \
                         set idle_in_transaction_session_timeout = '60s'; set jit = off; \
                         set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; \
                         set enable_bitmapscan = off; set enable_material = off; \
                         set plan_cache_mode = force_custom_plan",
                    )
                    .await?;
                Ok(Connection::Postgres(connection, *partitions))
            }
        }
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::Sqlite(options) => Some(options.get_filename()),
            Self::Postgres(..) => None,
        }
    }

    /// The connections that read; made when first needed.
    pub(super) fn readers(&self) -> Readers {
        let pool = match self {
            Self::Sqlite(options) => Pool::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .acquire_timeout(READER_WAIT)
                    .connect_lazy_with(options.clone().read_only(true).pragma("cache_size", READER_CACHE)),
            ),
            Self::Postgres(options, partitions) => Pool::Postgres(
                PgPoolOptions::new()
                    .max_connections(READERS)
                    .acquire_timeout(READER_WAIT)
                    .after_connect(|connection, _| {
                        Box::pin(async move {
                            connection
                                .execute(sqlx::AssertSqlSafe(format!(
                                    "set default_transaction_read_only = on; set jit = off; \
                                     set plan_cache_mode = force_custom_plan; \
                                     set statement_timeout = '{READ_TIMEOUT}'"
                                )))
                                .await?;
                            Ok(())
                        })
                    })
                    .connect_lazy_with(options.clone()),
                *partitions,
            ),
        };
        Readers { pool, known: Arc::default() }
    }
}

/// A connection of its own.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(Sqlite),
    Postgres(PgConnection, Partitions),
}

impl Connection {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_, partitions) => postgres_dialect(*partitions),
        }
    }

    /// Runs a statement without argument or answer.
    pub(super) async fn plain(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.plain(sql),
            Self::Postgres(connection, _) => connection.execute(sql).await.map(drop),
        }
    }

    /// Changes the schema: several statements at once, Postgres alone has any.
    pub(super) async fn define(&mut self, sql: String) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(connection, _) => connection.execute(sqlx::AssertSqlSafe(sql)).await.map(drop),
        }
    }

    /// What was found out about the database.
    pub(super) fn has(&mut self, found: Partitions) {
        if let Self::Postgres(_, partitions) = self {
            *partitions = found;
        }
    }

    /// Begins a transaction that may write; on SQLite it takes the write lock at once, since a lock taken later fails
    /// without waiting.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.plain("begin immediate"),
            Self::Postgres(connection, _) => connection.execute("begin").await.map(drop),
        }
    }

    /// The texts a statement gives for its argument.
    pub(super) async fn texts(
        &mut self,
        sql: &'static Sql,
        argument: String,
    ) -> Result<Vec<Option<String>>, sqlx::Error> {
        let dialect = self.dialect();
        let text = sql.text(dialect);
        match self {
            Self::Sqlite(connection) => connection.texts(text, &argument),
            Self::Postgres(connection, _) => {
                sqlx::query_scalar_with(text, bound(sql, dialect, argument)?).fetch_all(connection).await
            }
        }
    }

    /// How many rows a statement changed.
    pub(super) async fn change(&mut self, sql: &'static Sql, argument: String) -> Result<u64, sqlx::Error> {
        let dialect = self.dialect();
        let text = sql.text(dialect);
        match self {
            Self::Sqlite(connection) => connection.change(text, &argument),
            Self::Postgres(connection, _) => {
                let done = sqlx::query_with(text, bound(sql, dialect, argument)?).execute(connection).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Puts rows into a table; tells how many were new.
    pub(super) async fn insert<'v, const N: usize>(
        &mut self,
        insert: &'static Insert<N>,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let mut new = 0;
                connection.each(insert.sqlite(), rows, |_| new += 1)?;
                Ok(new)
            }
            Self::Postgres(connection, _) => {
                let Some(values) = lists(insert.columns(), rows)? else { return Ok(0) };
                let done = sqlx::query_with(insert.postgres(), values).execute(connection).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Puts rows into a table; tells the first column of those that were new.
    pub(super) async fn insert_new<'v, const N: usize>(
        &mut self,
        insert: &'static Insert<N>,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let mut new = Vec::new();
                connection.each(insert.sqlite(), rows, |row| new.extend(row[0].int()))?;
                Ok(new)
            }
            Self::Postgres(connection, _) => {
                let Some(values) = lists(insert.columns(), rows)? else { return Ok(Vec::new()) };
                sqlx::query_scalar_with(insert.postgres_new(), values).fetch_all(connection).await
            }
        }
    }

    /// Changes rows; tells the first column of those that were as they had been read.
    pub(super) async fn update<'v, const N: usize>(
        &mut self,
        update: &'static Update<N>,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let mut changed = Vec::new();
                connection.each(update.sqlite(), rows, |row| changed.extend(row[0].int()))?;
                Ok(changed)
            }
            Self::Postgres(connection, _) => {
                let Some(values) = lists(update.columns(), rows)? else { return Ok(Vec::new()) };
                sqlx::query_scalar_with(update.postgres(), values).fetch_all(connection).await
            }
        }
    }

    /// Carries SQLite's write-ahead log over, so that a busy commit need not.
    pub(super) async fn carry_over(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.plain("pragma wal_checkpoint(passive)"),
            Self::Postgres(..) => Ok(()),
        }
    }

    /// Brings all that was ever committed into the database's own file, and that on disk; tells whether that could be done.
    pub(super) fn carry_all_over(&self) -> Result<bool, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.carry_all_over(),
            Self::Postgres(..) => Ok(true),
        }
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            // Closed with its value.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(connection, _) => connection.close().await,
        }
    }
}

fn postgres_dialect(partitions: Partitions) -> Dialect {
    match partitions {
        Partitions::None => Dialect::Postgres,
        Partitions::Daily => Dialect::Daily,
    }
}

/// What a statement is given.
fn bound(sql: &Sql, dialect: Dialect, argument: String) -> Result<PgArguments, sqlx::Error> {
    let mut values = PgArguments::default();
    let span = sql.span(dialect, &argument);
    values.add(argument).map_err(sqlx::Error::Encode)?;
    for end in span.into_iter().flat_map(|span| [span.from, span.to]) {
        values.add(end).map_err(sqlx::Error::Encode)?;
    }
    Ok(values)
}

/// Rows as a list for each column; none where there is no row.
fn lists<'v, const N: usize>(
    columns: &[Column; N],
    rows: impl Iterator<Item = [Value<'v>; N]>,
) -> Result<Option<PgArguments>, sqlx::Error> {
    let rows: Vec<[Value<'v>; N]> = rows.collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let column = |place: usize| rows.iter().map(move |row| &row[place]);
    let mut values = PgArguments::default();
    for (place, kind) in columns.iter().enumerate() {
        match kind {
            Column::Int(_) => values.add(column(place).map(Value::int).collect::<Vec<_>>()),
            Column::Text(_) => values.add(column(place).map(Value::text).collect::<Vec<_>>()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(Some(values))
}

/// Whether an acceptance may be a repetition. Only a commit whose end is not known is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Repeats {
    /// Every commit so far had a known end.
    #[default]
    Never,
    /// One had not: what is accepted is looked for first.
    Perhaps,
}

/// An open transaction of the writer, as the statements' authors see it.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a mut Connection,
    /// The run this process is.
    pub(super) epoch: i64,
    /// Under which keys rows are to be found, and where others are.
    pub(super) notes: Notes<'a>,
    /// The key under which erased numbers are known.
    pub(super) subjects: Option<SubjectKey>,
    /// Whether something accepted may have been accepted before.
    pub(super) repeats: Repeats,
    /// What was written lately.
    pub(super) fresh: Option<&'a mut Fresh>,
    /// What is told at the end of the transaction: numbering it locks out every other writer until the commit.
    pub(super) events: Vec<EventRow>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a mut Connection, epoch: i64) -> Self {
        Self {
            connection,
            epoch,
            notes: Notes::default(),
            subjects: None,
            repeats: Repeats::Never,
            fresh: None,
            events: Vec::new(),
        }
    }

    /// 1 where there is one server a database, so that whatever another run holds it holds no more; else 0.
    pub(super) fn alone(&self) -> i64 {
        i64::from(self.connection.dialect() == Dialect::Sqlite)
    }

    /// What a statement gives, as it is.
    pub(super) async fn texts(
        &mut self,
        sql: &'static Sql,
        argument: String,
    ) -> Result<Vec<String>, StoreError> {
        let texts = self.connection.texts(sql, argument).await.map_err(|error| judge(&error))?;
        Ok(texts.into_iter().flatten().collect())
    }

    /// What a statement gives, one value a row.
    pub(super) async fn rows<T: DeserializeOwned>(
        &mut self,
        sql: &'static Sql,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Vec<T>, StoreError> {
        self.texts(sql, argument(value)?).await?.iter().map(|text| parse(text)).collect()
    }

    /// What a statement gives as one JSON list.
    pub(super) async fn list<T: DeserializeOwned>(
        &mut self,
        sql: &'static Sql,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Vec<T>, StoreError> {
        Ok(self.rows(sql, value).await?.pop().unwrap_or_default())
    }

    /// Changes rows; tells how many.
    pub(super) async fn change(
        &mut self,
        sql: &'static Sql,
        value: &(impl Serialize + ?Sized),
    ) -> Result<u64, StoreError> {
        self.connection.change(sql, argument(value)?).await.map_err(|error| judge(&error))
    }

    /// Puts rows into a table; those known already are left as they are. Tells how many were new.
    pub(super) async fn insert<'v, const N: usize>(
        &mut self,
        insert: &'static Insert<N>,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Result<u64, StoreError> {
        self.connection.insert(insert, rows).await.map_err(|error| judge(&error))
    }

    /// Puts rows into a table; tells the first column of those that were new.
    pub(super) async fn insert_new<'v, const N: usize>(
        &mut self,
        insert: &'static Insert<N>,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Result<Vec<i64>, StoreError> {
        self.connection.insert_new(insert, rows).await.map_err(|error| judge(&error))
    }

    /// Changes rows; tells the first column of those that were as they had been read.
    pub(super) async fn update<'v, const N: usize>(
        &mut self,
        update: &'static Update<N>,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Result<Vec<i64>, StoreError> {
        self.connection.update(update, rows).await.map_err(|error| judge(&error))
    }

    /// Changes rows by a list, or does nothing for an empty one.
    pub(super) async fn change_all<T: Serialize>(
        &mut self,
        sql: &'static Sql,
        values: &[T],
    ) -> Result<u64, StoreError> {
        if values.is_empty() { Ok(0) } else { self.change(sql, values).await }
    }
}

/// The connections that read.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pool: Pool,
    /// Where keys are; the writer tells it.
    pub(super) known: Arc<Known>,
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool, Partitions),
}

impl Readers {
    /// Whether days have tables of their own.
    pub(super) fn partitions(&self) -> Partitions {
        match self.pool {
            Pool::Sqlite(_) => Partitions::None,
            Pool::Postgres(_, partitions) => partitions,
        }
    }

    /// What a statement gives, as it is.
    pub(super) async fn texts(&self, sql: &'static Sql, argument: String) -> Result<Vec<String>, StoreError> {
        let texts: Result<Vec<Option<String>>, sqlx::Error> = match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query_scalar(sql.text(Dialect::Sqlite)).bind(argument).fetch_all(pool).await
            }
            Pool::Postgres(pool, partitions) => {
                let dialect = postgres_dialect(*partitions);
                match bound(sql, dialect, argument) {
                    Ok(values) => sqlx::query_scalar_with(sql.text(dialect), values).fetch_all(pool).await,
                    Err(error) => Err(error),
                }
            }
        };
        let texts = texts.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            error => judge(&error),
        })?;
        Ok(texts.into_iter().flatten().collect())
    }

    /// What a statement gives, one value a row.
    pub(super) async fn rows<T: DeserializeOwned>(
        &self,
        sql: &'static Sql,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Vec<T>, StoreError> {
        self.texts(sql, argument(value)?).await?.iter().map(|text| parse(text)).collect()
    }

    /// What a statement gives as one JSON list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        sql: &'static Sql,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Vec<T>, StoreError> {
        Ok(self.rows(sql, value).await?.pop().unwrap_or_default())
    }

    pub(super) async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool, _) => pool.close().await,
        }
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    // serde's own words may quote the row, which may hold a number or a text
    serde_json::from_str(text).map_err(|error| {
        StoreError::Corrupt(format!(
            "a row cannot be read as {} ({:?})",
            std::any::type_name::<T>(),
            error.classify()
        ))
    })
}
