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
pub(super) const VERSION: u32 = 1;

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

/// Makes the tables, or brings those of an older version up to date, in one transaction.
///
/// # Errors
/// [`LedgerError::Newer`], or [`LedgerError::Damaged`] if it is something else than a ledger.
pub(super) fn prepare(conn: &mut Connection, path: &str) -> Result<(), LedgerError> {
    let sqlite = |e| opening(path, &e);
    let application: i32 = pragma(conn, "application_id").map_err(sqlite)?;
    let found: u32 = pragma(conn, "user_version").map_err(sqlite)?;
    let count = "SELECT count(*) FROM sqlite_schema";
    let objects: u32 = conn.query_row(count, [], |r| r.get(0)).map_err(sqlite)?;
    let known = VERSION;
    match (application, found) {
        (APPLICATION, VERSION) => return Ok(()),
        (APPLICATION, newer) if newer > known => {
            let path = path.to_owned();
            return Err(LedgerError::Newer { path, found, known });
        }
        (APPLICATION, _) => {}
        (0, 0) if objects == 0 => {}
        _ => {
            let message = format!("{path} belongs to another program");
            return Err(LedgerError::Damaged(message));
        }
    }
    let make = |conn: &mut Connection| {
        let transaction = conn.transaction()?;
        // One arm per older version; each brings the tables to the next one.
        for version in found..VERSION {
            match version {
                0 => transaction.execute_batch(TABLES)?,
                _ => unreachable!("version {version} is not older than {VERSION}"),
            }
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    };
    make(conn).map_err(sqlite)
}

/// The value of a pragma.
pub(super) fn pragma<T: rusqlite::types::FromSql>(conn: &Connection, name: &str) -> rusqlite::Result<T> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}
