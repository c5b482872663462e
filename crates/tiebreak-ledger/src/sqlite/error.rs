//! What SQLite's errors mean for a ledger.

use rusqlite::ErrorCode;

use crate::LedgerError;

/// Why a change was not made.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A rule forbids this one change; others go on.
    Rule(LedgerError),
    /// The store failed; the whole batch is in question.
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Store(error)
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Trouble {
        Trouble::Rule(error)
    }
}

impl From<Trouble> for LedgerError {
    fn from(trouble: Trouble) -> LedgerError {
        match trouble {
            Trouble::Rule(error) => error,
            Trouble::Store(error) => using(&error),
        }
    }
}

/// Whether the disk, or the room given to the file, is full.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether the file's content is at fault.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

/// Whether another connection is in the way, such as a person's with a transaction open.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// The error of an operation that left everything as it was.
pub(super) fn using(error: &rusqlite::Error) -> LedgerError {
    if is_full(error) {
        LedgerError::Full
    } else if is_damage(error) || error.sqlite_error_code().is_none() {
        // Without a code of SQLite's it is a value that is not what the tables say.
        LedgerError::Damaged(error.to_string())
    } else {
        LedgerError::Unavailable(error.to_string())
    }
}

/// The error of opening `path`.
pub(super) fn opening(path: &str, error: &rusqlite::Error) -> LedgerError {
    if is_full(error) {
        LedgerError::Full
    } else if is_damage(error) {
        LedgerError::Damaged(format!("{path}: {error}"))
    } else if is_busy(error) {
        LedgerError::Held { path: path.to_owned() }
    } else {
        LedgerError::Unavailable(format!("{path}: {error}"))
    }
}
