//! Opens the file: lock, format, damage.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::super::OpenError;
use crate::options::OriginOptions;

/// `TBOR`: marks our files (SQLite's `application_id`).
const APPLICATION: i64 = 0x5442_4f52;

/// The format of the tables below (SQLite's `user_version`).
const FORMAT: i64 = 1;

/// Files up to this size are checked whole when they are opened, in bytes.
const CHECKED_WHOLE: i64 = 64 << 20;

/// A document's row stays where it was born, so that a replacement touches one page and no index.
const TABLES: &str = "
CREATE TABLE origin (last INTEGER NOT NULL, secret BLOB NOT NULL) STRICT;
CREATE TABLE collection (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE document (
    born INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX document_id ON document (collection, id);
CREATE INDEX document_listing ON document (collection);
CREATE TABLE held (
    collection INTEGER NOT NULL,
    value BLOB NOT NULL,
    born INTEGER NOT NULL,
    PRIMARY KEY (collection, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE kept (
    arrival INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    expires INTEGER NOT NULL,
    status INTEGER NOT NULL,
    fields TEXT NOT NULL,
    content BLOB NOT NULL
) STRICT;
INSERT INTO collection (number, name) VALUES (0, '_collections');
";

/// What opening gives.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) last: u64,
    pub(super) secret: [u8; 32],
    pub(super) lock: File,
}

pub(super) fn open(path: &Path, options: &OriginOptions) -> Result<Opened, OpenError> {
    let lock = lock(path)?;
    let fail = |e: rusqlite::Error| failure(path, &e);
    let connection = connect(path).map_err(fail)?;
    identify(&connection, path)?;
    if let Some(most) = options.max_store {
        let page: u64 = pragma(&connection, "page_size").map_err(fail)?.cast_unsigned();
        let pages = i64::try_from(most / page.max(1)).unwrap_or(i64::MAX).max(1);
        connection.pragma_update(None, "max_page_count", pages).map_err(fail)?;
    }
    let (last, secret) = connection
        .query_row("SELECT last, secret FROM origin", (), |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, [u8; 32]>(1)?))
        })
        .map_err(fail)?;
    // The name of a new file must be as durable as what is in it.
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|d| d.sync_all())
        .map_err(|e| io_failure(path, &e))?;
    Ok(Opened {
        connection,
        last,
        secret,
        lock,
    })
}

/// A connection with the settings that all of them share.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// A file beside the store, locked while it is open: SQLite's own locks come and go with each transaction.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name));
    let file = opened.map_err(|e| io_failure(path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held { path: told(path) }),
        Err(TryLockError::Error(e)) => Err(io_failure(path, &e)),
    }
}

/// Makes sure that the file is ours, of a format that we know, and whole; a new one gets its tables.
fn identify(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let fail = |e: rusqlite::Error| failure(path, &e);
    let application = pragma(connection, "application_id").map_err(fail)?;
    let format = pragma(connection, "user_version").map_err(fail)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", (), |row| row.get(0))
        .map_err(fail)?;
    if application == 0 && format == 0 && tables == 0 {
        return make(connection, path);
    }
    if application != APPLICATION {
        return Err(OpenError::Foreign { path: told(path) });
    }
    if format > FORMAT {
        return Err(OpenError::Newer {
            path: told(path),
            found: format,
            known: FORMAT,
        });
    }
    let pages = pragma(connection, "page_count").map_err(fail)?;
    let size = pragma(connection, "page_size").map_err(fail)?;
    if pages.saturating_mul(size) <= CHECKED_WHOLE {
        let found: String = connection
            .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
            .map_err(fail)?;
        if found != "ok" {
            return Err(OpenError::Damaged {
                path: told(path),
                why: found,
            });
        }
    }
    Ok(())
}

fn make(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| OpenError::Failed {
        path: told(path),
        why: e.to_string(),
    })?;
    let made = (|| {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(TABLES)?;
        connection.execute("INSERT INTO origin (last, secret) VALUES (0, ?1)", [&secret[..]])?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        connection.execute_batch("COMMIT")
    })();
    made.map_err(|e| failure(path, &e))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// What an error of SQLite means to someone who opens a file.
pub(super) fn failure(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, why) = (told(path), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged { path, why },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Held { path },
        _ => OpenError::Failed { path, why },
    }
}

fn io_failure(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::Failed {
        path: told(path),
        why: error.to_string(),
    }
}

fn told(path: &Path) -> String {
    path.display().to_string()
}
