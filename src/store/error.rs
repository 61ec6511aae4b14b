//! What can go wrong with the memory, told by what to do about it.

use std::path::PathBuf;

/// A write or read that did not happen as asked. The name says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was done, the queue is full or another holds the lock: the same again in a moment.
    #[error("the store is busy; nothing was written, try again in a moment")]
    Busy,
    /// Nothing was done, and nothing can be until the database is back: keep what you have, accept nothing new.
    #[error("the database cannot be used now ({0}); nothing was written")]
    Unreachable(String),
    /// The connection was lost while the transaction ended: it is written whole or not at all. Repeat the very
    /// same write: everything is idempotent by its key.
    #[error("the database was lost while it committed ({0}); repeating the same write is safe")]
    Unknown(String),
    /// The database holds what it cannot hold. Stop and call a person.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// Nothing was done, and the same again will be refused again.
    #[error("the store refuses this: {0}")]
    Refused(String),
}

/// A database that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It holds something else.
    #[error("{place} is not Backchat's: {found}. Name another file or database, or an empty one")]
    NotOurs {
        /// File or database.
        place: String,
        /// What it is instead.
        found: String,
    },
    /// Made by a newer Backchat.
    #[error(
        "{place} was made by a newer Backchat (schema {found}, this one knows {known}). Use that version, or \
         another database"
    )]
    NewerSchema {
        /// File or database.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// Looking only, and there is nothing to look at.
    #[error("{place} holds no Backchat data of this version; start the server on it first")]
    NotReady {
        /// File or database.
        place: String,
    },
    /// No such folder, host, database; or it does not answer.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// File or database.
        place: String,
        /// Why.
        reason: String,
    },
    /// It is there, and we may not.
    #[error("no permission for {place}: {reason}")]
    NoPermission {
        /// File or database.
        place: String,
        /// Why.
        reason: String,
    },
    /// Another process serves from it.
    #[error("{} is in use by another Backchat process; stop that one, or name another file", .file.display())]
    Locked {
        /// The database file.
        file: PathBuf,
    },
    /// Anything else.
    #[error("{place} cannot be opened: {reason}")]
    Failed {
        /// File or database.
        place: String,
        /// Why.
        reason: String,
    },
}

/// What an error of the driver means, before any commit was sent.
pub(super) fn judge(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            let message = database.message().to_owned();
            match database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                Some(postgres) => judge_sqlstate(postgres.code(), message),
                None => judge_sqlite(&database.code().unwrap_or_default(), message),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StoreError::Corrupt(error.to_string())
        }
        other => StoreError::Unreachable(other.to_string()),
    }
}

/// By SQLSTATE class: 08 and 57 connection and shutdown, 53 and 58 resources and disk, 40 conflicts, XX damage.
fn judge_sqlstate(code: &str, message: String) -> StoreError {
    match code.get(..2).unwrap_or_default() {
        "08" | "53" | "57" | "58" => StoreError::Unreachable(message),
        "40" => StoreError::Busy,
        _ if code == "55P03" => StoreError::Busy,
        "XX" => StoreError::Corrupt(message),
        _ => StoreError::Refused(message),
    }
}

/// By SQLite's primary result code: the low octet of the extended one.
fn judge_sqlite(code: &str, message: String) -> StoreError {
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => StoreError::Busy,
        // READONLY, IOERR, FULL, CANTOPEN: the disk, not the row
        8 | 10 | 13 | 14 => StoreError::Unreachable(message),
        11 | 26 => StoreError::Corrupt(message),
        _ => StoreError::Refused(message),
    }
}

/// Whether an error told in answer to COMMIT leaves it open how the transaction ended.
pub(super) fn commit_is_unknown(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            match database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                // A server that shuts down may have written the commit before it said so.
                Some(postgres) => matches!(postgres.code().get(..2), Some("57" | "58" | "08" | "XX")),
                // SQLite answers BUSY, FULL and constraint errors before it has written; an IO error can be either.
                None => {
                    matches!(
                        database.code().unwrap_or_default().parse::<u32>().unwrap_or_default() & 0xff,
                        10
                    )
                }
            }
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do_and_not_only_what_happened() {
        assert_eq!(judge_sqlstate("40001", "serialization".into()), StoreError::Busy);
        assert_eq!(judge_sqlstate("57P01", "shutdown".into()), StoreError::Unreachable("shutdown".into()));
        assert_eq!(judge_sqlstate("23514", "check".into()), StoreError::Refused("check".into()));
        assert_eq!(judge_sqlstate("XX001", "bad page".into()), StoreError::Corrupt("bad page".into()));
        assert_eq!(judge_sqlite("517", "busy snapshot".into()), StoreError::Busy);
        assert_eq!(judge_sqlite("13", "full".into()), StoreError::Unreachable("full".into()));
        assert_eq!(judge_sqlite("11", "malformed".into()), StoreError::Corrupt("malformed".into()));
        assert_eq!(judge_sqlite("275", "check".into()), StoreError::Refused("check".into()));
    }

    #[test]
    fn a_commit_without_an_answer_is_neither_done_nor_undone() {
        assert!(commit_is_unknown(&sqlx::Error::Io(std::io::Error::other("reset"))));
        assert!(commit_is_unknown(&sqlx::Error::WorkerCrashed));
    }
}
