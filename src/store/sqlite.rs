//! The connection that writes to SQLite. It works on the thread of who calls it, which is the writer's own: handing each
//! statement over to another thread and waking up for its answer cost more than most statements do.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};
use sqlx::error::{DatabaseError, ErrorKind};

use super::insert::Value;

/// Statements kept prepared: all there are.
const PREPARED: usize = 256;

/// A connection.
#[derive(Debug)]
pub(super) struct Sqlite(Connection);

/// What SQLite says, in the form in which the other driver says it: judged in one place.
#[derive(Debug)]
struct Told {
    message: String,
    code: i32,
}

impl Sqlite {
    /// Makes a file with its id in its header, in one transaction: whoever looks meanwhile, and whatever ends us, finds it
    /// empty or with the id. Each of these settings alone would be a commit of its own, the first one without the id.
    pub(super) fn create(file: &Path, page_octets: u32, application_id: u32) -> Result<(), sqlx::Error> {
        let flags = OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(told)?;
        let made = format!(
            "pragma page_size = {page_octets}; begin; pragma auto_vacuum = incremental; \
             pragma application_id = {application_id}; commit"
        );
        connection.execute_batch(&made).map_err(told)?;
        connection.close().map_err(|(_, error)| told(error))
    }

    /// Opens a file that is there. `pragmas`: settings of the connection.
    pub(super) fn open(
        file: &Path,
        busy_timeout: Duration,
        pragmas: &[(&str, &str)],
    ) -> Result<Self, sqlx::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(told)?;
        connection.busy_timeout(busy_timeout).map_err(told)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        for (name, value) in pragmas {
            connection.pragma_update(None, name, value).map_err(told)?;
        }
        Ok(Self(connection))
    }

    /// Runs a statement without argument or answer.
    pub(super) fn plain(&self, sql: &str) -> Result<(), sqlx::Error> {
        // What answers with a row, as some pragmas do, is to be run too.
        let mut statement = self.0.prepare_cached(sql).map_err(told)?;
        let mut rows = statement.query([]).map_err(told)?;
        while rows.next().map_err(told)?.is_some() {}
        Ok(())
    }

    /// Carries the whole write-ahead log over into the database; tells whether that could be done, which who reads may
    /// prevent.
    pub(super) fn carry_all_over(&self) -> Result<bool, sqlx::Error> {
        self.0
            .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0))
            .map(|busy| busy == 0)
            .map_err(told)
    }

    /// The texts a statement gives for its argument.
    pub(super) fn texts(&self, sql: &str, argument: &str) -> Result<Vec<Option<String>>, sqlx::Error> {
        let mut statement = self.0.prepare_cached(sql).map_err(told)?;
        let texts = statement.query_map([argument], |row| row.get(0)).map_err(told)?;
        texts.collect::<Result<_, _>>().map_err(told)
    }

    /// How many rows a statement changed.
    pub(super) fn change(&self, sql: &str, argument: &str) -> Result<u64, sqlx::Error> {
        let mut statement = self.0.prepare_cached(sql).map_err(told)?;
        statement.execute([argument]).map(|rows| rows as u64).map_err(told)
    }

    /// Runs a statement for each row as it comes; calls `done` with each to which it did something.
    pub(super) fn each<'v, const N: usize>(
        &self,
        sql: &str,
        rows: impl Iterator<Item = [Value<'v>; N]>,
        mut done: impl FnMut(&[Value<'v>; N]),
    ) -> Result<(), sqlx::Error> {
        let mut statement = self.0.prepare_cached(sql).map_err(told)?;
        let mut before: Option<[Value<'v>; N]> = None;
        for row in rows {
            // What is bound stays bound: neighbours have most of their values in common.
            for (place, value) in row.iter().enumerate() {
                if before.as_ref().is_none_or(|before| before[place] != *value) {
                    statement.raw_bind_parameter(place + 1, value).map_err(told)?;
                }
            }
            if statement.raw_execute().map_err(told)? > 0 {
                done(&row);
            }
            before = Some(row);
        }
        Ok(())
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn told(error: rusqlite::Error) -> sqlx::Error {
    let code = error.sqlite_error().map(|error| error.extended_code);
    match code {
        Some(code) => sqlx::Error::Database(Box::new(Told { message: error.to_string(), code })),
        None => sqlx::Error::Decode(Box::new(error)),
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl Error for Told {}

impl DatabaseError for Told {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
