//! Recently used documents, bounded by bytes. It only ever shows what is committed.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;

use super::super::Document;

/// How many independent parts there are, so that readers seldom wait for each other.
const SHARDS: usize = 16;

/// What an entry costs besides key and content, in bytes: a rough figure for the bound.
const OVERHEAD: usize = 200;

#[derive(Debug)]
struct Entry {
    document: Document,
    /// Read since the hand of the clock last passed.
    used: bool,
}

/// One part, evicted by second chance: cheaper on a hit than keeping an order of use.
#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<String, Entry>,
    clock: VecDeque<String>,
    bytes: usize,
    turn: u64,
}

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    max_shard: usize,
}

/// When a reader began: what it read is stale if a batch was published meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u64);

impl Cache {
    /// A cache of up to `max_bytes`.
    pub(super) fn new(max_bytes: usize) -> Cache {
        Cache {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            max_shard: max_bytes / SHARDS,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Document> {
        let mut shard = self.shard(key);
        let entry = shard.entries.get_mut(key)?;
        entry.used = true;
        Some(entry.document.clone())
    }

    /// To be taken before a read whose result is to be filled in.
    pub(super) fn turn(&self, key: &str) -> Turn {
        Turn(self.shard(key).turn)
    }

    /// Takes what a reader found, unless something was published since its turn.
    pub(super) fn fill(&self, key: String, document: &Document, turn: Turn) {
        let mut shard = self.shard(&key);
        if shard.turn == turn.0 {
            shard.put(key, document.clone(), self.max_shard);
        }
    }

    /// Takes what the writer has committed; `None` is removed.
    pub(super) fn publish(&self, key: String, document: Option<Document>) {
        let mut shard = self.shard(&key);
        shard.turn += 1;
        match document {
            Some(document) => shard.put(key, document, self.max_shard),
            None => shard.remove(&key),
        }
    }

    fn shard(&self, key: &str) -> std::sync::MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // A shard is whole between statements, so a panic elsewhere does not spoil it.
        self.shards[at]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Shard {
    fn put(&mut self, key: String, document: Document, max: usize) {
        let weight = weight(&key, &document);
        if weight > max {
            return self.remove(&key);
        }
        self.bytes += weight;
        let entry = Entry { document, used: false };
        match self.entries.insert(key.clone(), entry) {
            Some(old) => self.bytes -= self::weight(&key, &old.document),
            None => self.clock.push_back(key),
        }
        while self.bytes > max {
            self.evict_one();
        }
    }

    fn evict_one(&mut self) {
        let Some(key) = self.clock.pop_front() else {
            return;
        };
        match self.entries.get_mut(&key) {
            Some(entry) if entry.used => {
                entry.used = false;
                self.clock.push_back(key);
            }
            Some(_) => self.take(&key),
            None => {}
        }
    }

    fn remove(&mut self, key: &str) {
        if self.entries.contains_key(key) {
            self.take(key);
            self.clock.retain(|other| other != key);
        }
    }

    fn take(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= weight(key, &entry.document);
        }
    }
}

fn weight(key: &str, document: &Document) -> usize {
    key.len() * 2 + document.content.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: u64, bytes: usize) -> Document {
        Document {
            born: 1,
            version,
            epoch: 0,
            modified: 0,
            content: vec![b' '; bytes].into(),
        }
    }

    #[test]
    fn a_slow_reader_does_not_bring_back_an_old_version() {
        let cache = Cache::new(1 << 20);
        let turn = cache.turn("a/1");
        cache.publish("a/1".into(), Some(document(2, 1)));
        cache.fill("a/1".into(), &document(1, 1), turn);
        assert_eq!(cache.get("a/1").unwrap().version, 2);
        let turn = cache.turn("a/1");
        cache.publish("a/1".into(), None);
        cache.fill("a/1".into(), &document(2, 1), turn);
        assert_eq!(cache.get("a/1"), None);
        let turn = cache.turn("a/1");
        cache.fill("a/1".into(), &document(3, 1), turn);
        assert_eq!(cache.get("a/1").unwrap().version, 3);
    }

    #[test]
    fn bounded_and_what_is_used_stays() {
        let cache = Cache::new(SHARDS * 10_000);
        cache.publish("hot".into(), Some(document(1, 100)));
        for n in 0..10_000 {
            assert!(cache.get("hot").is_some(), "evicted after {n}");
            cache.publish(format!("cold/{n}"), Some(document(n, 100)));
        }
        let held: usize = cache.shards.iter().map(|s| s.lock().unwrap().bytes).sum();
        let counted: usize = cache
            .shards
            .iter()
            .flat_map(|s| {
                s.lock()
                    .unwrap()
                    .entries
                    .iter()
                    .map(|(k, e)| weight(k, &e.document))
                    .collect::<Vec<_>>()
            })
            .sum();
        assert!(held <= SHARDS * 10_000 && held > SHARDS * 5_000, "{held}");
        assert_eq!(held, counted);
        // Too large for a shard: not kept, and the older version goes.
        cache.publish("hot".into(), Some(document(2, 20_000)));
        assert_eq!(cache.get("hot"), None);
    }
}
