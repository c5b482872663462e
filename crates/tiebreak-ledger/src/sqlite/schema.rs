//! The tables, and how an older file is brought up to them.
//!
//! Rows are numbered in order of arrival and written where the file ends; nothing is indexed by a random value, since
//! random page writes are what costs (the keys' index is in memory: [`super::index`]). The one index on disk is that
//! of ids, which begin with a time and hence come nearly in order. What is written at settlement has a table of its
//! own, so that rows of `writes` keep their size, stay where they are, and are quickly read at the next start.

use rusqlite::Connection;

use super::error::opening;
use crate::LedgerError;

/// Says that the file is a ledger: "TbLg".
pub(super) const APPLICATION: i32 = 0x5462_4c67;

/// The version of the tables below.
pub(super) const VERSION: u32 = 2;

/// Version 1.
const TABLES: &str = "
CREATE TABLE writes (
    row         INTEGER PRIMARY KEY,   -- in order of arrival
    state       TEXT NOT NULL,         -- 'claimed', 'settled', 'doubted': of one length, so that a row stays in its place
    fence       INTEGER NOT NULL,
    key         BLOB,                  -- 32 bytes, digest
    expires     INTEGER,               -- ms since 1970; null: never
    id          BLOB NOT NULL,         -- 16 bytes; hex(id) is the id as it is shown
    caller      BLOB NOT NULL,         -- 32 bytes, HMAC
    fingerprint BLOB NOT NULL,         -- 32 bytes, digest
    method      TEXT NOT NULL,
    target      TEXT NOT NULL,
    lanes       TEXT NOT NULL,         -- JSON, array of strings
    attempt     INTEGER NOT NULL,
    held        TEXT,
    claimed_at  INTEGER NOT NULL       -- ms since 1970
) STRICT;
CREATE UNIQUE INDEX writes_by_id ON writes (id);
CREATE TABLE settlements (
    row         INTEGER PRIMARY KEY,   -- that of the write
    outcome     TEXT NOT NULL,
    status      INTEGER NOT NULL,
    fields      TEXT NOT NULL,         -- JSON, array of [name, value]
    content     BLOB NOT NULL,
    truncated   INTEGER NOT NULL,
    class       TEXT,
    evidence    TEXT NOT NULL,
    guarantee   TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    settled_at  INTEGER NOT NULL,      -- ms since 1970
    resolved_by TEXT,                  -- 'proof' or 'person', where it was in doubt before
    reason      TEXT
) STRICT;
CREATE TABLE doubts (
    row         INTEGER PRIMARY KEY,   -- that of the write
    reason      TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    guarantee   TEXT NOT NULL,
    since       INTEGER NOT NULL       -- ms since 1970
) STRICT;
CREATE TABLE fences (given_out_up_to INTEGER NOT NULL) STRICT;
INSERT INTO fences VALUES (0);
";

/// Version 2: what a key leaves whoever its caller is. Older records have none.
const TRACES: &str = "
ALTER TABLE writes ADD COLUMN trace BLOB;         -- 32 bytes, HMAC of the key without its caller
ALTER TABLE writes ADD COLUMN exclusive INTEGER;  -- 1: the key cannot be guessed, so it is one caller's
";

/// The version of the tables in the file; 0 if it is empty.
///
/// # Errors
/// [`LedgerError::Newer`], or [`LedgerError::Damaged`] if it is something else than a ledger.
pub(super) fn version(conn: &Connection, path: &str) -> Result<u32, LedgerError> {
    let read = || -> rusqlite::Result<(i32, u32, u32)> {
        let objects = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        Ok((pragma(conn, "application_id")?, pragma(conn, "user_version")?, objects))
    };
    let known = VERSION;
    match read().map_err(|e| opening(path, &e))? {
        (APPLICATION, found, _) if found > known => {
            let path = path.to_owned();
            Err(LedgerError::Newer { path, found, known })
        }
        (APPLICATION, found, _) if found > 0 => Ok(found),
        (0, 0, 0) => Ok(0),
        _ => Err(LedgerError::Damaged(format!("{path} belongs to another program"))),
    }
}

/// Makes the tables, or brings those of version `found` up to date, in one transaction.
pub(super) fn prepare(conn: &mut Connection, found: u32) -> rusqlite::Result<()> {
    if found == VERSION {
        return Ok(());
    }
    let transaction = conn.transaction()?;
    // One arm per older version; each brings the tables to the next one.
    for version in found..VERSION {
        match version {
            0 => transaction.execute_batch(TABLES)?,
            1 => transaction.execute_batch(TRACES)?,
            _ => unreachable!("version {version} is not older than {VERSION}"),
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// The value of a pragma.
pub(super) fn pragma<T: rusqlite::types::FromSql>(conn: &Connection, name: &str) -> rusqlite::Result<T> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}
