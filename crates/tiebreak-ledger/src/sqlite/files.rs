//! The files of a ledger: opened by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{is_full, opening};
use super::schema;
use crate::LedgerError;

/// How long the writer waits for a person's own transaction on the file.
const BUSY: Duration = Duration::from_secs(2);

/// The names of a ledger's files.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub(super) ledger: PathBuf,
}

impl Paths {
    /// `x.ledger` and this suffix.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.ledger.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    pub(super) fn shown(&self) -> String {
        self.ledger.display().to_string()
    }

    /// Bytes that all files take.
    pub(super) fn bytes(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        let beside = ["-wal", "-reserve"].map(|suffix| size(&self.beside(suffix)));
        size(&self.ledger) + beside.iter().sum::<u64>()
    }
}

/// Takes the lock that says that this process uses the ledger. The kernel gives it back when the process ends,
/// however it ends. It is on a file of its own, since closing any handle of the database would drop SQLite's locks.
pub(super) fn lock(paths: &Paths) -> Result<File, LedgerError> {
    let path = paths.beside("-lock");
    let unavailable = |e: std::io::Error| LedgerError::Unavailable(format!("{}: {e}", path.display()));
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Held { path: paths.shown() }),
        Err(TryLockError::Error(e)) => Err(unavailable(e)),
    }
}

/// Opens the database for the writer, and makes or updates its tables.
pub(super) fn open_writer(paths: &Paths) -> Result<Connection, LedgerError> {
    let path = paths.shown();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || {
        let conn = Connection::open_with_flags(&paths.ledger, flags)?;
        conn.busy_timeout(BUSY)?;
        Ok(conn)
    };
    let mut conn = prepare().map_err(|e| opening(&path, &e))?;
    // Before anything is changed, in case it is not ours.
    let found = schema::version(&conn, &path)?;
    let set_up = |conn: &Connection| {
        // Nothing leaves a transaction before it is on the disk; checkpoints are made by the writer when it is idle.
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        conn.pragma_update(None, "cache_size", -8192)
    };
    let prepared = set_up(&conn).and_then(|()| schema::prepare(&mut conn, found));
    prepared.map_err(|e| opening(&path, &e))?;
    // What a process left in the log may have been read back from memory after a sync that failed: written to the
    // database and synced there, it is durable. On a full disk it stays in the log until there is room.
    match conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())) {
        Err(error) if !is_full(&error) => Err(opening(&path, &error)),
        _ => Ok(conn),
    }
}

/// Opens the database for a reader.
pub(super) fn open_reader(paths: &Paths) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || {
        let conn = Connection::open_with_flags(&paths.ledger, flags)?;
        conn.busy_timeout(BUSY)?;
        conn.pragma_update(None, "cache_size", -2048)?;
        Ok(conn)
    };
    prepare().map_err(|e| opening(&paths.shown(), &e))
}
