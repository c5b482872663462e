//! Documents in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use tiebreak_core::fingerprint::Digest;

use super::{Collected, Document, Kept, Listed, Store, StoreError};

/// What a document costs besides its id and content, in bytes: a rough figure for the bound.
const OVERHEAD: u64 = 200;

#[derive(Debug, Default)]
struct Shelf {
    born: HashMap<String, u64>,
    documents: BTreeMap<u64, Listed>,
    unique: HashMap<Digest, u64>,
}

/// A store in memory, bounded by the bytes it holds.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    /// By number of the collection.
    shelves: Vec<Shelf>,
    kept: HashMap<Digest, Kept>,
    /// Keys in order of arrival, which is the order in which they expire.
    arrivals: VecDeque<(u64, Digest)>,
    bytes: u64,
    max_bytes: u64,
}

impl MemoryStore {
    pub(crate) fn new(max_bytes: u64) -> MemoryStore {
        MemoryStore {
            shelves: vec![Shelf::default()],
            kept: HashMap::new(),
            arrivals: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// A document, for readers.
    pub(crate) fn peek(&self, number: i64, id: &str) -> Option<&Document> {
        let shelf = self.shelf(number)?;
        shelf.documents.get(shelf.born.get(id)?).map(|listed| &listed.document)
    }

    /// Documents born after `after`, for readers.
    pub(crate) fn from(&self, number: i64, after: u64) -> impl Iterator<Item = &Listed> {
        let shelf = self.shelf(number);
        shelf
            .into_iter()
            .flat_map(move |s| s.documents.range((Excluded(after), Unbounded)))
            .map(|(_, listed)| listed)
    }

    fn shelf(&self, number: i64) -> Option<&Shelf> {
        self.shelves.get(usize::try_from(number).ok()?)
    }

    fn shelf_mut(&mut self, number: i64) -> Result<&mut Shelf, StoreError> {
        let found = usize::try_from(number).ok().and_then(|n| self.shelves.get_mut(n));
        found.ok_or_else(|| StoreError::Failed(format!("there is no collection {number}")))
    }
}

fn weight(id: &str, document: &Document) -> u64 {
    (id.len() * 2 + document.content.len()) as u64 + OVERHEAD
}

fn weight_of(kept: &Kept) -> u64 {
    kept.answer.content.len() as u64 + 2 * OVERHEAD
}

impl Store for MemoryStore {
    fn find(&mut self, collection: Collected<'_>, id: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.peek(collection.number, id).cloned())
    }

    fn write(&mut self, collection: Collected<'_>, id: &str, document: &Document) -> Result<(), StoreError> {
        let before = self.peek(collection.number, id).map_or(0, |old| weight(id, old));
        let bytes = self.bytes - before + weight(id, document);
        if bytes > self.max_bytes && bytes > self.bytes {
            return Err(StoreError::Full);
        }
        let shelf = self.shelf_mut(collection.number)?;
        match shelf.documents.get_mut(&document.born) {
            Some(listed) => listed.document = document.clone(),
            None => {
                let id = id.to_owned();
                shelf.born.insert(id.clone(), document.born);
                let document = document.clone();
                shelf.documents.insert(document.born, Listed { id, document });
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    fn remove(&mut self, collection: Collected<'_>, id: &str, document: &Document) -> Result<(), StoreError> {
        let shelf = self.shelf_mut(collection.number)?;
        shelf.born.remove(id);
        shelf.documents.remove(&document.born);
        self.bytes -= weight(id, document);
        Ok(())
    }

    fn page(&mut self, collection: Collected<'_>, after: u64, limit: usize) -> Result<Vec<Listed>, StoreError> {
        Ok(self.from(collection.number, after).take(limit).cloned().collect())
    }

    fn make_collection(&mut self, _name: &str) -> Result<i64, StoreError> {
        self.shelves.push(Shelf::default());
        Ok(i64::try_from(self.shelves.len() - 1).unwrap_or(i64::MAX))
    }

    fn holder(&mut self, collection: Collected<'_>, value: Digest) -> Result<Option<String>, StoreError> {
        let shelf = self.shelf_mut(collection.number)?;
        let listed = shelf.unique.get(&value).and_then(|born| shelf.documents.get(born));
        Ok(listed.map(|listed| listed.id.clone()))
    }

    fn claim(&mut self, collection: Collected<'_>, value: Digest, born: u64) -> Result<(), StoreError> {
        self.shelf_mut(collection.number)?.unique.insert(value, born);
        Ok(())
    }

    fn release(&mut self, collection: Collected<'_>, value: Digest) -> Result<(), StoreError> {
        self.shelf_mut(collection.number)?.unique.remove(&value);
        Ok(())
    }

    fn release_all(&mut self, collection: Collected<'_>) -> Result<(), StoreError> {
        self.shelf_mut(collection.number)?.unique.clear();
        Ok(())
    }

    fn kept(&mut self, key: Digest) -> Result<Option<Kept>, StoreError> {
        Ok(self.kept.get(&key).cloned())
    }

    fn keep(&mut self, key: Digest, kept: &Kept) -> Result<(), StoreError> {
        self.bytes += weight_of(kept);
        self.arrivals.push_back((kept.expires, key));
        if let Some(old) = self.kept.insert(key, kept.clone()) {
            self.bytes -= weight_of(&old);
        }
        Ok(())
    }

    fn count_kept(&self) -> usize {
        self.kept.len()
    }

    fn purge(&mut self, now: u64) -> Result<usize, StoreError> {
        let mut purged = 0;
        while let Some((_, key)) = self.arrivals.front().copied().filter(|(expires, _)| *expires <= now) {
            self.arrivals.pop_front();
            // The key may have been used anew since it expired.
            if let Some(kept) = self.kept.get(&key).filter(|kept| kept.expires <= now) {
                self.bytes -= weight_of(kept);
                self.kept.remove(&key);
                purged += 1;
            }
        }
        Ok(purged)
    }
}
