//! Documents in an SQLite file: one writer thread with group commit, readers beside it, a cache in front.

mod cache;
mod open;
mod reader;
mod rows;
mod writer;

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row};
use tokio::sync::oneshot;

use self::cache::Cache;
use self::reader::Readers;
use self::rows::SqliteStore;
use self::writer::{Refused, Writer};
use super::{Document, Listed, OpenError, StoreError};
use crate::answer::Answer;
use crate::incoming::Write;
use crate::options::OriginOptions;
use crate::refusal;

/// An open file.
#[derive(Debug)]
pub(crate) struct FileStore {
    // Dropped first: the thread ends and is waited for before the lock goes.
    writer: Writer,
    readers: Readers,
    cache: Arc<Cache>,
    pub(crate) secret: [u8; 32],
    _lock: std::fs::File,
}

impl FileStore {
    /// Opens or makes the file at `path`.
    pub(crate) fn open(path: &std::path::Path, options: &OriginOptions, now: u64) -> Result<FileStore, OpenError> {
        let opened = open::open(path, options)?;
        let cache = Arc::new(Cache::new(options.cache));
        let store = SqliteStore::new(opened.connection, cache.clone()).map_err(|e| open::failure(path, &e))?;
        let readers = Readers::new(path, options.readers, opened.last);
        let published = readers.published();
        let writer = Writer::start(store, opened.last, options, published, now)?;
        Ok(FileStore {
            writer,
            readers,
            cache,
            secret: opened.secret,
            _lock: opened.lock,
        })
    }

    /// Hands a write to the writer; the answer comes when it is durable.
    pub(crate) fn submit(&self, write: Write) -> Result<oneshot::Receiver<Answer>, Box<Answer>> {
        self.writer.submit(write).map_err(|refused| {
            Box::new(match refused {
                Refused::Full => {
                    refusal::busy("too many writes wait for the disk already; send it again a little later")
                }
                Refused::Gone => refusal::store(&StoreError::writer_gone()),
            })
        })
    }

    /// A document, from the cache if it is there, without waiting.
    pub(crate) fn cached(&self, collection: &str, id: &str) -> Option<Document> {
        self.cache.get(&cache_key(collection, id))
    }

    /// A document.
    pub(crate) async fn find(&self, collection: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let key = cache_key(collection, id);
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let turn = self.cache.turn(&key);
        let found = self
            .readers
            .read(move |connection| rows::find(connection, &collection, &id))
            .await?;
        if let Some(document) = &found {
            self.cache.fill(key, document, turn);
        }
        Ok(found)
    }

    /// Runs `read` with a function that fetches documents of a collection; `None` if there is no such collection.
    pub(crate) async fn listing<T: Send + 'static>(
        &self,
        collection: &str,
        read: impl FnOnce(&mut dyn FnMut(u64, usize) -> Result<Vec<Listed>, StoreError>) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<Option<T>, StoreError> {
        let name = collection.to_owned();
        self.readers
            .read(move |connection| {
                let Some(number) = rows::number(connection, &name)? else {
                    return Ok(None);
                };
                read(&mut |after, limit| rows::page(connection, number, after, limit)).map(Some)
            })
            .await
    }
}

/// The key of a document in the cache: its path without the first slash.
fn cache_key(collection: &str, id: &str) -> String {
    format!("{collection}/{id}")
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full,
            _ => StoreError::Failed(error.to_string()),
        }
    }
}

/// The columns of a document, in the order in which every query names them.
const DOCUMENT: &str = "born, version, epoch, modified, content";

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        born: row.get::<_, i64>(0)?.cast_unsigned(),
        version: row.get::<_, i64>(1)?.cast_unsigned(),
        epoch: row.get(2)?,
        modified: row.get::<_, i64>(3)?.cast_unsigned(),
        content: row.get::<_, Vec<u8>>(4)?.into(),
    })
}

/// The last version that is committed.
fn last_version(connection: &Connection) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT last FROM origin")?
        .query_row((), |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or_default().cast_unsigned())
}
