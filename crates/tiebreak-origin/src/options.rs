//! What an operator may set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::{CollectionSettings, StaleStatus};

/// Where documents are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory only: gone when the [`Origin`](crate::Origin) is dropped.
    Memory,
    /// In this SQLite file, which one process at a time may hold. It is made if there is none.
    File(PathBuf),
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Place {
        Place::File(path)
    }
}

impl From<&std::path::Path> for Place {
    fn from(path: &std::path::Path) -> Place {
        Place::File(path.to_owned())
    }
}

/// Settings of an origin. Every bound has a problem document that says so when it is hit.
#[derive(Debug, Clone)]
pub struct OriginOptions {
    /// The status of a failed `If-Match` or `If-Unmodified-Since` on a write, where a collection does not
    /// say otherwise. Default: 409.
    pub stale_status: StaleStatus,
    /// Whether PUT, PATCH and DELETE must carry a precondition, where a collection does not say
    /// otherwise. Default: no.
    pub require_preconditions: bool,
    /// Collections to set up when the origin is opened. Declared settings replace stored ones.
    pub collections: BTreeMap<String, CollectionSettings>,
    /// The most content of a request, in bytes. Default: 1 MiB.
    pub max_content: usize,
    /// The deepest nesting of a document, at most 120. Default: 64.
    pub max_depth: usize,
    /// The most collections. Default: 1,000.
    pub max_collections: usize,
    /// The most the store may hold, in bytes: content in memory, or the size of the file. Default: 1 GiB
    /// in memory, unlimited on disk.
    pub max_store: Option<u64>,
    /// How long the answer to a write with an `Idempotency-Key` is kept. Default: 24 hours.
    pub key_ttl: Duration,
    /// The most keys kept at a time. Default: 1,000,000.
    pub max_keys: usize,
    /// The most documents in one page of a listing, also used when none is asked for. Default: 100.
    pub max_page: usize,
    /// On disk: the most memory for recently used documents, in bytes. Default: 64 MiB.
    pub cache: usize,
    /// On disk: how many reads that miss the cache run at a time. Default: 4.
    pub readers: usize,
    /// On disk: how many writes may wait; one more is answered 503. Default: 4,096.
    pub queue: usize,
}

impl Default for OriginOptions {
    fn default() -> OriginOptions {
        OriginOptions {
            stale_status: StaleStatus::Conflict,
            require_preconditions: false,
            collections: BTreeMap::new(),
            max_content: 1 << 20,
            max_depth: 64,
            max_collections: 1000,
            max_store: None,
            key_ttl: Duration::from_secs(24 * 60 * 60),
            max_keys: 1_000_000,
            max_page: 100,
            cache: 64 << 20,
            readers: 4,
            queue: 4096,
        }
    }
}
