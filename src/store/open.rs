//! Opening: is it there, is it ours, is it free; then the schema, and a new epoch.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};

use super::consent::check_key;
use super::days;
use super::engine::{Connection, Engine, Tx};
use super::error::{OpenError, StoreError};
use super::sql::{Dialect, Sql};
use super::sqlite::Sqlite;
use super::{Access, Location, Options};
use crate::message::Partitions;

/// `BCHT` in SQLite's header: tells our file from another program's.
const APPLICATION_ID: u32 = 0x4243_4854;
/// SQLite's header: magic at 0, the application id at 68.
const HEADER_OCTETS: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// A database that takes longer to say hello is not reachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Making a database and its tables takes no longer, also on a slow disk.
const TURN: Duration = Duration::from_secs(5);
/// How often is looked whether it is done.
const TURN_LOOK: Duration = Duration::from_millis(20);
/// How many of a stranger's tables are named.
const TABLES_NAMED: usize = 3;

static SQLITE: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("src/store/migrations/postgres");

static PG_ENCODING: Sql = Sql::new(
    "select cast(json_build_object('encoding', current_setting('server_encoding'), 'schema', current_schema()) \
     as text) where $1 is not null",
);
static PG_TABLES: Sql = Sql::new(
    "select cast(json_agg(relname order by relname) as text) from pg_class \
     where relnamespace = to_regnamespace(quote_ident(current_schema())) and relkind in ('r', 'p', 'v', 'm') \
     and $1 is not null",
);
static APPLICATION: Sql =
    Sql::new("select {row value} from (select value from meta where key = {text key}) x");
static APPLIED: Sql = Sql::new(
    "select {row version} from (select max(version) as version from _sqlx_migrations where {int any} = 1) x",
);
static NEW_RUN: Sql = Sql::new(
    "insert into run (node, started_ms, serves) select node, started_ms, serves \
     from {rows node bigint, started_ms bigint, serves bigint} where true returning {pack epoch}",
);

/// What a store that serves needs: the connection that writes, the file that says so, and who we are.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) lock: Option<File>,
    pub(super) epoch: i64,
}

#[derive(serde::Deserialize)]
struct Epoch {
    epoch: i64,
}

/// Opens for serving: creates, migrates, takes a new epoch.
pub(super) async fn serve(location: &Location, options: &Options) -> Result<(Engine, Opened), OpenError> {
    let place = location.to_string();
    let mut engine = engine(location)?;
    let lock = match location {
        Location::Sqlite(file) => {
            check_file(file, &place)?;
            let lock = lock_in_turn(file, &place, location, options.access).await?;
            if lock.is_some() {
                create(file).map_err(|error| sqlx_error(&place, &error))?;
            }
            lock
        }
        Location::Postgres(_) => None,
    };
    let mut writer = connect(&engine, &place).await?;
    if matches!(location, Location::Postgres(_)) {
        check_schema(&mut writer, &place).await?;
    }
    // Who holds the file's lock has made its tables; Postgres lets one after the other at them.
    if lock.is_some() || matches!(location, Location::Postgres(_)) {
        migrate(&engine, &mut writer, &place).await?;
    }
    engine.has(lay_out(&mut writer, options).await.map_err(|error| failed(&place, &error))?);
    let mut tx = Tx::new(&mut writer, 0);
    check_key(&mut tx, options.subjects.as_ref()).await.map_err(|error| failed(&place, &error))?;
    let serves = i64::from(options.access == Access::Serve);
    let run = serde_json::json!([{ "node": options.node, "started_ms": options.now_ms, "serves": serves }]);
    let epoch: Option<Epoch> = tx.rows(&NEW_RUN, &run).await.map_err(|error| failed(&place, &error))?.pop();
    let epoch = epoch.ok_or_else(|| failed(&place, &"no new run could be written"))?.epoch;
    // Held while the file was made and migrated; from here on a server may come.
    let lock = lock.filter(|_| options.access == Access::Serve);
    Ok((engine, Opened { writer, lock, epoch }))
}

/// Opens for looking: changes nothing.
pub(super) async fn look(location: &Location) -> Result<Engine, OpenError> {
    #[derive(serde::Deserialize)]
    struct Applied {
        version: Option<i64>,
    }
    let place = location.to_string();
    let mut engine = engine(location)?;
    if let Location::Sqlite(file) = location {
        if !file.exists() {
            return Err(OpenError::NotReady { place });
        }
        check_file(file, &place)?;
    }
    let mut connection = connect(&engine, &place).await?;
    if matches!(location, Location::Postgres(_)) {
        check_schema(&mut connection, &place).await?;
    }
    let known = migrator(&connection).iter().map(|migration| migration.version).max().unwrap_or_default();
    let mut tx = Tx::new(&mut connection, 0);
    let applied: Result<Vec<Applied>, StoreError> = tx.rows(&APPLIED, &serde_json::json!({ "any": 1 })).await;
    let found = applied.ok().and_then(|mut rows| rows.pop()).and_then(|row| row.version).unwrap_or_default();
    engine.has(days::found(&mut connection).await.map_err(|error| failed(&place, &error))?);
    let _ = connection.close().await;
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(OpenError::NotReady { place }),
        std::cmp::Ordering::Equal => Ok(engine),
        std::cmp::Ordering::Greater => Err(OpenError::NewerSchema { place, found, known }),
    }
}

/// A table for each day, where they are there or wanted.
async fn lay_out(writer: &mut Connection, options: &Options) -> Result<Partitions, StoreError> {
    let serves = options.access == Access::Serve;
    let mut found = days::found(writer).await?;
    if serves
        && found == Partitions::None
        && options.partitions == Partitions::Daily
        && writer.dialect() != Dialect::Sqlite
    {
        days::divide(writer, options.now_ms).await?;
        found = Partitions::Daily;
    }
    if serves && found == Partitions::Daily {
        days::begin_with(writer, options.now_ms).await?;
    }
    writer.has(found);
    Ok(found)
}

fn engine(location: &Location) -> Result<Engine, OpenError> {
    match location {
        Location::Sqlite(file) => Ok(Engine::sqlite(file)),
        Location::Postgres(url) => {
            Engine::postgres(url).map_err(|error| failed("the Postgres address", &error))
        }
    }
}

async fn connect(engine: &Engine, place: &str) -> Result<Connection, OpenError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, engine.writer()).await {
        Ok(connection) => connection.map_err(|error| sqlx_error(place, &error)),
        Err(_) => Err(OpenError::Unreachable {
            place: place.to_owned(),
            reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }),
    }
}

/// Reads the header by hand, so that another program's file is not so much as opened as a database.
fn check_file(file: &Path, place: &str) -> Result<(), OpenError> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        let reason = format!("there is no folder {}", folder.display());
        return Err(OpenError::Unreachable { place: place.to_owned(), reason });
    }
    let mut header = Vec::with_capacity(HEADER_OCTETS);
    match File::open(file) {
        Ok(open) => {
            let read = open.take(HEADER_OCTETS as u64).read_to_end(&mut header);
            read.map_err(|error| io_error(place, &error))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(place, &error)),
    }
    let not_ours = |found: String| Err(OpenError::NotOurs { place: place.to_owned(), found });
    if header.is_empty() {
        return Ok(());
    }
    if !header.starts_with(MAGIC) {
        return not_ours("it is no SQLite database".to_owned());
    }
    match header.get(68..72) {
        Some(id) if id == APPLICATION_ID.to_be_bytes() => Ok(()),
        Some(id) => not_ours(format!("it is another program's SQLite database (application id {id:02x?})")),
        None => not_ours("its header is cut short".to_owned()),
    }
}

/// The file's lock; none for a command beside a server that holds it and has made its tables. A command holds it only while
/// it makes them: so a server waits for its turn, and so does a command for a server that has just begun.
async fn lock_in_turn(
    file: &Path,
    place: &str,
    location: &Location,
    access: Access,
) -> Result<Option<File>, OpenError> {
    let began = Instant::now();
    loop {
        let locked = match lock(file, place) {
            Err(error @ OpenError::Locked { .. }) => error,
            lock => return lock.map(Some),
        };
        let waited = match access {
            Access::Beside => match look(location).await {
                Err(error @ OpenError::NotReady { .. }) => error,
                ready => return ready.map(|_| None),
            },
            Access::Serve | Access::Look => locked,
        };
        if began.elapsed() > TURN {
            return Err(waited);
        }
        tokio::time::sleep(TURN_LOOK).await;
    }
}

/// One server a file. The lock is the kernel's, so that it ends with the process however that ends.
fn lock(file: &Path, place: &str) -> Result<File, OpenError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
        .map_err(|error| io_error(place, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { file: file.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io_error(place, &error)),
    }
}

/// Makes a file ours before anything is written to it, and before it is in WAL mode: the header on disk is what
/// [`check_file`] reads.
fn create(file: &Path) -> Result<(), sqlx::Error> {
    if file.metadata().is_ok_and(|data| data.len() > 0) {
        return Ok(());
    }
    Sqlite::create(file, super::engine::PAGE_OCTETS, APPLICATION_ID)
}

/// A Postgres schema is ours when it is empty or its `meta` says so.
async fn check_schema(connection: &mut Connection, place: &str) -> Result<(), OpenError> {
    #[derive(serde::Deserialize)]
    struct Setting {
        encoding: String,
        schema: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Value {
        value: String,
    }
    let mut tx = Tx::new(connection, 0);
    let setting: Option<Setting> =
        tx.rows(&PG_ENCODING, &1).await.map_err(|error| failed(place, &error))?.pop();
    let setting = setting.ok_or_else(|| failed(place, &"it tells no settings"))?;
    if setting.encoding != "UTF8" {
        let reason = format!("its encoding is {}; create it with ENCODING 'UTF8'", setting.encoding);
        return Err(failed(place, &reason));
    }
    if setting.schema.is_none() {
        return Err(failed(place, &"search_path names no schema that exists"));
    }
    let tables: Vec<String> = tx.list(&PG_TABLES, &1).await.map_err(|error| failed(place, &error))?;
    if tables.iter().all(|table| table == "_sqlx_migrations") {
        return Ok(());
    }
    if tables.iter().any(|table| table == "meta") {
        let value: Result<Vec<Value>, _> =
            tx.rows(&APPLICATION, &serde_json::json!({ "key": "application" })).await;
        if value.is_ok_and(|rows| rows.iter().any(|row| row.value == "backchat")) {
            return Ok(());
        }
    }
    let named = tables.iter().take(TABLES_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if tables.len() > TABLES_NAMED { ", ..." } else { "" };
    Err(OpenError::NotOurs {
        place: place.to_owned(),
        found: format!("its schema holds other tables ({named}{more})"),
    })
}

fn migrator(connection: &Connection) -> &'static Migrator {
    match connection {
        Connection::Sqlite(_) => &SQLITE,
        Connection::Postgres(..) => &POSTGRES,
    }
}

async fn migrate(engine: &Engine, connection: &mut Connection, place: &str) -> Result<(), OpenError> {
    let migrator = migrator(connection);
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    let done = match (engine, connection) {
        (Engine::Sqlite(options), _) => {
            let own = sqlx::SqliteConnection::connect_with(options).await;
            let mut own = own.map_err(|error| sqlx_error(place, &error))?;
            let done = migrator.run(&mut own).await;
            own.close().await.map_err(|error| sqlx_error(place, &error))?;
            done
        }
        (_, Connection::Postgres(connection, _)) => migrator.run(connection).await,
        (Engine::Postgres(..), Connection::Sqlite(_)) => Ok(()),
    };
    let place = place.to_owned();
    done.map_err(|error| match error {
        MigrateError::VersionMissing(found) => OpenError::NewerSchema { place, found, known },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => sqlx_error(&place, &error),
        error => failed(&place, &error),
    })
}

fn failed(place: &str, reason: &(impl std::fmt::Display + ?Sized)) -> OpenError {
    OpenError::Failed { place: place.to_owned(), reason: reason.to_string() }
}

fn io_error(place: &str, error: &std::io::Error) -> OpenError {
    let (place, reason) = (place.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::NoPermission { place, reason }
        }
        _ => OpenError::Failed { place, reason },
    }
}

fn sqlx_error(place: &str, error: &sqlx::Error) -> OpenError {
    let owned = place.to_owned();
    match error {
        sqlx::Error::Io(error) => OpenError::Unreachable { place: owned, reason: error.to_string() },
        sqlx::Error::Database(database) => {
            let reason = database.message().to_owned();
            let postgres = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
            match postgres.map(sqlx::postgres::PgDatabaseError::code) {
                Some(code) if code.starts_with("28") || code == "42501" => {
                    OpenError::NoPermission { place: owned, reason }
                }
                Some("3D000") => OpenError::Unreachable {
                    place: owned,
                    reason: format!("{reason}; create it with createdb"),
                },
                Some(code) if code.starts_with("57P") || code.starts_with("53") => {
                    OpenError::Unreachable { place: owned, reason }
                }
                Some(_) => failed(place, &reason),
                None => match database.code().unwrap_or_default().parse::<u32>().unwrap_or_default() & 0xff {
                    3 | 8 | 14 => OpenError::NoPermission { place: owned, reason },
                    _ => failed(place, &reason),
                },
            }
        }
        error => failed(place, error),
    }
}
