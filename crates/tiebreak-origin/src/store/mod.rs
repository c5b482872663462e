//! Where documents are: what the engine needs of a store, in memory and in SQLite.

mod memory;
mod sqlite;

use bytes::Bytes;
use serde_json::Value;
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::json::{MAX_DEPTH, parse_strict};
use tiebreak_core::validator::EntityTag;

use crate::answer::Answer;

pub(crate) use memory::MemoryStore;
pub(crate) use sqlite::FileStore;

/// A document in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// The version at which it was created: its place in listings, and its identity in the store.
    pub(crate) born: u64,
    /// Its version: unique among all versions of all documents of this store.
    pub(crate) version: u64,
    /// The random number of the opening in which this version was made. A store that was restored from a copy
    /// counts again from an old version; this keeps its tags apart from those handed out before.
    pub(crate) epoch: u32,
    /// When, in seconds since the Unix epoch.
    pub(crate) modified: u64,
    /// The JSON text.
    pub(crate) content: Bytes,
}

impl Document {
    /// Its entity tag, which never recurs.
    pub(crate) fn etag(&self) -> EntityTag {
        EntityTag::strong(format!("v{}-{:08x}", self.version, self.epoch))
    }

    /// Its content as a value. Texts are checked before they are stored, so this fails only for a damaged store.
    pub(crate) fn value(&self) -> Result<Value, StoreError> {
        let read = parse_strict(&self.content, MAX_DEPTH);
        read.map_err(|e| StoreError::Failed(format!("a stored document cannot be used: failed to {e}")))
    }
}

/// A document in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) document: Document,
}

/// What is kept about a write with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) fingerprint: Digest,
    /// Seconds since the Unix epoch.
    pub(crate) expires: u64,
    pub(crate) answer: Answer,
}

/// Why a store cannot do something. A write that got this answer was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// No room.
    #[error("the store is full")]
    Full,
    /// Anything else, in the store's words.
    #[error("{0}")]
    Failed(String),
}

impl StoreError {
    /// The writer thread ended, which it does only when it panics.
    pub(crate) fn writer_gone() -> StoreError {
        StoreError::Failed("the writer stopped; open the store anew to go on".to_owned())
    }
}

/// Why an origin cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another `Origin` in this one, has it open.
    #[error("open {path}: it is in use by another process; stop that one, or choose another file")]
    Held {
        /// The file.
        path: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "open {path}: it has format {found}, and this version reads up to {known}; use the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: i64,
        /// The latest format that is understood.
        known: i64,
    },
    /// It is a database of something else.
    #[error("open {path}: it was made by another program; choose another file")]
    Foreign {
        /// The file.
        path: String,
    },
    /// It cannot be read.
    #[error(
        "open {path}: it is damaged ({why}); restore it from a copy, or save what the sqlite3 tool's .recover can read"
    )]
    Damaged {
        /// The file.
        path: String,
        /// In SQLite's words.
        why: String,
    },
    /// The settings of a collection, declared or stored, do not hold.
    #[error("set up collection `{collection}`: {why}")]
    Settings {
        /// Its name.
        collection: String,
        /// What is wrong.
        why: String,
    },
    /// The operating system or SQLite said no.
    #[error("open {path}: {why}")]
    Failed {
        /// The file.
        path: String,
        /// In their words.
        why: String,
    },
}

/// What the engine asks of a store. One engine owns it, so calls never overlap; a store that fails undoes
/// the whole batch of writes that it was in.
pub(crate) trait Store {
    /// The document `id` of a collection.
    fn find(&mut self, collection: Collected<'_>, id: &str) -> Result<Option<Document>, StoreError>;
    /// Writes a document, new (`born == version`) or replaced.
    fn write(&mut self, collection: Collected<'_>, id: &str, document: &Document) -> Result<(), StoreError>;
    /// Removes a document that is there.
    fn remove(&mut self, collection: Collected<'_>, id: &str, document: &Document) -> Result<(), StoreError>;
    /// Up to `limit` documents born after `after`, in order of birth.
    fn page(&mut self, collection: Collected<'_>, after: u64, limit: usize) -> Result<Vec<Listed>, StoreError>;
    /// Makes a collection, and returns its number.
    fn make_collection(&mut self, name: &str) -> Result<i64, StoreError>;
    /// The id of the document that holds a unique value.
    fn holder(&mut self, collection: Collected<'_>, value: Digest) -> Result<Option<String>, StoreError>;
    /// Gives a unique value that nobody holds to the document born at `born`.
    fn claim(&mut self, collection: Collected<'_>, value: Digest, born: u64) -> Result<(), StoreError>;
    /// Takes a unique value back.
    fn release(&mut self, collection: Collected<'_>, value: Digest) -> Result<(), StoreError>;
    /// Takes all unique values of a collection back.
    fn release_all(&mut self, collection: Collected<'_>) -> Result<(), StoreError>;
    /// What is kept for an idempotency key.
    fn kept(&mut self, key: Digest) -> Result<Option<Kept>, StoreError>;
    /// Keeps an answer, instead of what may be kept for this key already.
    fn keep(&mut self, key: Digest, kept: &Kept) -> Result<(), StoreError>;
    /// How many answers are kept.
    fn count_kept(&self) -> usize;
    /// Forgets some of what expired before `now` (seconds since the Unix epoch); returns how many.
    fn purge(&mut self, now: u64) -> Result<usize, StoreError>;
}

/// A collection as stores know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collected<'a> {
    pub(crate) number: i64,
    pub(crate) name: &'a str,
}

/// The collection of settings; it is always there.
pub(crate) const SETTINGS_COLLECTION: Collected<'static> = Collected {
    number: 0,
    name: crate::target::SETTINGS,
};
