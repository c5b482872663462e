//! The statements, and the writer's view of the file.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use rusqlite::{Connection, OptionalExtension as _, params};
use tiebreak_core::fingerprint::Digest;

use super::super::{Collected, Document, Kept, Listed, Store, StoreError};
use super::cache::Cache;
use super::{DOCUMENT, cache_key, document, last_version};
use crate::answer::Answer;

/// How many expired answers are looked for at a time.
const PURGED: i64 = 500;

/// The file as its one writer sees it: with what it has written and not yet committed.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    connection: Connection,
    cache: Arc<Cache>,
    /// What the open batch changed; `None` is removed. Published to the cache by the commit.
    changed: HashMap<String, Option<Document>>,
    kept: usize,
    /// The last version that the file has noted.
    noted: u64,
}

impl SqliteStore {
    pub(super) fn new(connection: Connection, cache: Arc<Cache>) -> rusqlite::Result<SqliteStore> {
        let kept = count_kept(&connection)?;
        let noted = last_version(&connection)?;
        Ok(SqliteStore {
            connection,
            cache,
            changed: HashMap::new(),
            kept,
            noted,
        })
    }

    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Makes the batch durable, `last` being the last version given out. Costs no fsync if nothing changed.
    pub(super) fn commit(&mut self, last: u64) -> Result<(), StoreError> {
        if last != self.noted {
            self.connection
                .prepare_cached("UPDATE origin SET last = ?1")?
                .execute([last.cast_signed()])?;
        }
        self.connection.execute_batch("COMMIT")?;
        self.noted = last;
        Ok(())
    }

    /// Shows the committed batch to readers.
    pub(super) fn publish(&mut self) {
        for (key, document) in self.changed.drain() {
            self.cache.publish(key, document);
        }
    }

    /// Undoes the batch. Returns the collections that there are.
    pub(super) fn undo(&mut self) -> Result<Vec<(i64, String)>, StoreError> {
        self.changed.clear();
        // SQLite may have rolled back by itself, as it does on a full disk.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.kept = count_kept(&self.connection)?;
        self.noted = last_version(&self.connection)?;
        self.collections()
    }

    /// Numbers and names of the collections.
    pub(super) fn collections(&mut self) -> Result<Vec<(i64, String)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT number, name FROM collection WHERE number > 0")?;
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Moves committed pages from the log into the file, as far as no reader needs them.
    pub(super) fn checkpoint(&mut self) -> Result<(), StoreError> {
        Ok(self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))?)
    }
}

impl Store for SqliteStore {
    fn find(&mut self, collection: Collected<'_>, id: &str) -> Result<Option<Document>, StoreError> {
        let key = cache_key(collection.name, id);
        if let Some(changed) = self.changed.get(&key) {
            return Ok(changed.clone());
        }
        if let Some(cached) = self.cache.get(&key) {
            return Ok(Some(cached));
        }
        let query = format!("SELECT {DOCUMENT} FROM document WHERE collection = ?1 AND id = ?2");
        let mut statement = self.connection.prepare_cached(&query)?;
        Ok(statement
            .query_row(params![collection.number, id], document)
            .optional()?)
    }

    fn write(&mut self, collection: Collected<'_>, id: &str, document: &Document) -> Result<(), StoreError> {
        let born = document.born.cast_signed();
        let version = document.version.cast_signed();
        let modified = document.modified.cast_signed();
        let content = &document.content[..];
        if document.born == document.version {
            self.connection
                .prepare_cached("INSERT INTO document VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .execute(params![
                    born,
                    collection.number,
                    id,
                    version,
                    document.epoch,
                    modified,
                    content
                ])?;
        } else {
            self.connection
                .prepare_cached(
                    "UPDATE document SET version = ?2, epoch = ?3, modified = ?4, content = ?5 WHERE born = ?1",
                )?
                .execute(params![born, version, document.epoch, modified, content])?;
        }
        self.changed
            .insert(cache_key(collection.name, id), Some(document.clone()));
        Ok(())
    }

    fn remove(&mut self, collection: Collected<'_>, id: &str, document: &Document) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM document WHERE born = ?1")?
            .execute([document.born.cast_signed()])?;
        self.changed.insert(cache_key(collection.name, id), None);
        Ok(())
    }

    fn page(&mut self, collection: Collected<'_>, after: u64, limit: usize) -> Result<Vec<Listed>, StoreError> {
        page(&self.connection, collection.number, after, limit)
    }

    fn make_collection(&mut self, name: &str) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached("INSERT INTO collection (name) VALUES (?1)")?
            .execute([name])?;
        Ok(self.connection.last_insert_rowid())
    }

    fn holder(&mut self, collection: Collected<'_>, value: Digest) -> Result<Option<String>, StoreError> {
        let query =
            "SELECT d.id FROM held h JOIN document d ON d.born = h.born WHERE h.collection = ?1 AND h.value = ?2";
        let mut statement = self.connection.prepare_cached(query)?;
        let holder = statement.query_row(params![collection.number, &value.0[..]], |row| row.get(0));
        Ok(holder.optional()?)
    }

    fn claim(&mut self, collection: Collected<'_>, value: Digest, born: u64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO held VALUES (?1, ?2, ?3)")?
            .execute(params![collection.number, &value.0[..], born.cast_signed()])?;
        Ok(())
    }

    fn release(&mut self, collection: Collected<'_>, value: Digest) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM held WHERE collection = ?1 AND value = ?2")?
            .execute(params![collection.number, &value.0[..]])?;
        Ok(())
    }

    fn release_all(&mut self, collection: Collected<'_>) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM held WHERE collection = ?1")?
            .execute([collection.number])?;
        Ok(())
    }

    fn kept(&mut self, key: Digest) -> Result<Option<Kept>, StoreError> {
        let query = "SELECT fingerprint, expires, status, fields, content FROM kept WHERE key = ?1";
        let mut statement = self.connection.prepare_cached(query)?;
        let row = statement.query_row([&key.0[..]], |row| {
            Ok((
                row.get::<_, [u8; 32]>(0)?,
                row.get::<_, i64>(1)?.cast_unsigned(),
                row.get::<_, u16>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Vec<u8>>(4)?,
            ))
        });
        let Some((fingerprint, expires, status, fields, content)) = row.optional()? else {
            return Ok(None);
        };
        let damaged = |what: String| StoreError::Failed(format!("a kept answer cannot be read: {what}"));
        let answer = Answer {
            status: StatusCode::from_u16(status).map_err(|e| damaged(e.to_string()))?,
            fields: read_fields(&fields).ok_or_else(|| damaged(fields.clone()))?,
            content: content.into(),
        };
        Ok(Some(Kept {
            fingerprint: Digest(fingerprint),
            expires,
            answer,
        }))
    }

    fn keep(&mut self, key: Digest, kept: &Kept) -> Result<(), StoreError> {
        let fields: Vec<(&str, &str)> = kept
            .answer
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
            .collect();
        let fields = serde_json::to_string(&fields).map_err(|e| StoreError::Failed(e.to_string()))?;
        let forgotten = self
            .connection
            .prepare_cached("DELETE FROM kept WHERE key = ?1")?
            .execute([&key.0[..]])?;
        self.connection
            .prepare_cached("INSERT INTO kept VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                &key.0[..],
                &kept.fingerprint.0[..],
                kept.expires.cast_signed(),
                kept.answer.status.as_u16(),
                fields,
                &kept.answer.content[..]
            ])?;
        self.kept = self.kept + 1 - forgotten;
        Ok(())
    }

    fn count_kept(&self) -> usize {
        self.kept
    }

    /// Looks at the oldest rows only: they expire in the order in which they came.
    fn purge(&mut self, now: u64) -> Result<usize, StoreError> {
        let query = "DELETE FROM kept WHERE arrival IN (SELECT arrival FROM
            (SELECT arrival, expires FROM kept ORDER BY arrival LIMIT ?1) WHERE expires <= ?2)";
        let mut statement = self.connection.prepare_cached(query)?;
        let purged = statement.execute(params![PURGED, now.cast_signed()])?;
        self.kept -= purged;
        Ok(purged)
    }
}

fn read_fields(text: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).ok()?;
    pairs
        .into_iter()
        .map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect()
}

fn count_kept(connection: &Connection) -> rusqlite::Result<usize> {
    let count: i64 = connection.query_row("SELECT count(*) FROM kept", (), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// A document, for readers.
pub(super) fn find(connection: &Connection, collection: &str, id: &str) -> Result<Option<Document>, StoreError> {
    let query = format!(
        "SELECT {DOCUMENT} FROM document WHERE id = ?2 AND collection = (SELECT number FROM collection WHERE name = ?1)"
    );
    let mut statement = connection.prepare_cached(&query)?;
    Ok(statement.query_row([collection, id], document).optional()?)
}

/// The number of a collection, for readers.
pub(super) fn number(connection: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT number FROM collection WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// Documents of a collection in order of birth.
pub(super) fn page(connection: &Connection, number: i64, after: u64, limit: usize) -> Result<Vec<Listed>, StoreError> {
    let query =
        format!("SELECT {DOCUMENT}, id FROM document WHERE collection = ?1 AND born > ?2 ORDER BY born LIMIT ?3");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map(params![number, after.cast_signed(), limit], |row| {
        Ok(Listed {
            id: row.get(5)?,
            document: document(row)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The last committed version, for readers.
pub(super) fn last(connection: &Connection) -> Result<u64, StoreError> {
    Ok(last_version(connection)?)
}
