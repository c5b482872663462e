//! Where the rows of keys and doubts are, in memory.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::key::KeyDigest;

/// How many shards a table has: one grows at a time, so that no claim waits for a large copy.
const SHARDS: usize = 64;

/// 56 bits that stand for a digest. Made with a secret of this process, so that nobody can choose keys that collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hash(u64);

/// The rows that may hold a key or its trace, and those that may hold a doubt of a caller and fingerprint. "May": who finds a
/// row here compares the whole digest there. It may name rows that are not committed yet or not there any more,
/// never the other way round.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) keys: Table,
    pub(super) traces: Table,
    pub(super) doubts: Table,
}

/// Makes [`Hash`]es.
#[derive(Debug, Clone, Default)]
pub(super) struct Hasher(RandomState);

impl Hasher {
    pub(super) fn key(&self, key: &KeyDigest) -> Hash {
        Hash(self.0.hash_one(key.0.0) >> 8)
    }

    pub(super) fn trace(&self, trace: &Digest) -> Hash {
        Hash(self.0.hash_one(trace.0) >> 8)
    }

    pub(super) fn same(&self, caller: &CallerId, fingerprint: &Fingerprint) -> Hash {
        Hash(self.0.hash_one((caller.0.0, fingerprint.0.0)) >> 8)
    }
}

/// A multimap from hash to row that takes 14 to 18 bytes per entry: slots of 12 bytes, at most 85 % of them used,
/// growing by a fifth. (A general map of this kind doubles, and so takes up to 39.)
#[derive(Debug)]
pub(super) struct Table {
    shards: Vec<Shard>,
}

/// Open addressing with linear probing, in order of home: entries go to `hash * slots / 2^56` or the next free slot.
#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    used: usize,
}

/// Seven bytes of hash and five of row, little-endian. Rows begin at 1: zero is a free slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot([u8; 12]);

const FREE: Slot = Slot([0; 12]);

impl Slot {
    fn new(hash: Hash, row: i64) -> Slot {
        let mut bytes = [0; 12];
        bytes[..7].copy_from_slice(&hash.0.to_le_bytes()[..7]);
        bytes[7..].copy_from_slice(&row.to_le_bytes()[..5]);
        Slot(bytes)
    }

    fn hash(self) -> Hash {
        let mut bytes = [0; 8];
        bytes[..7].copy_from_slice(&self.0[..7]);
        Hash(u64::from_le_bytes(bytes))
    }

    fn row(self) -> i64 {
        let mut bytes = [0; 8];
        bytes[..5].copy_from_slice(&self.0[7..]);
        i64::from_le_bytes(bytes)
    }
}

impl Default for Table {
    fn default() -> Table {
        Table {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
        }
    }
}

impl Table {
    /// Adds an entry.
    pub(super) fn insert(&mut self, hash: Hash, row: i64) {
        self.shard(hash).insert(Slot::new(hash, row));
    }

    /// Takes an entry out, if it is there.
    pub(super) fn remove(&mut self, hash: Hash, row: i64) {
        self.shard(hash).remove(Slot::new(hash, row));
    }

    /// The rows under `hash`, in descending order. Almost always none or one.
    pub(super) fn rows(&self, hash: Hash) -> Vec<i64> {
        let mut rows = self.shards[hash.0 as usize % SHARDS].rows(hash);
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows
    }

    fn shard(&mut self, hash: Hash) -> &mut Shard {
        &mut self.shards[hash.0 as usize % SHARDS]
    }
}

impl Shard {
    fn home(&self, hash: Hash) -> usize {
        ((u128::from(hash.0) * self.slots.len() as u128) >> 56) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    fn insert(&mut self, slot: Slot) {
        if (self.used + 1) * 100 > self.slots.len() * 85 {
            self.grow();
        }
        let mut at = self.home(slot.hash());
        while self.slots[at] != FREE {
            at = self.next(at);
        }
        self.slots[at] = slot;
        self.used += 1;
    }

    fn grow(&mut self) {
        let size = self.slots.len() + self.slots.len() / 5 + 8;
        let old = std::mem::replace(&mut self.slots, vec![FREE; size]);
        self.used = 0;
        for slot in old {
            if slot != FREE {
                self.insert(slot);
            }
        }
    }

    fn rows(&self, hash: Hash) -> Vec<i64> {
        let mut rows = Vec::new();
        if self.used == 0 {
            return rows;
        }
        let mut at = self.home(hash);
        while self.slots[at] != FREE {
            if self.slots[at].hash() == hash {
                rows.push(self.slots[at].row());
            }
            at = self.next(at);
        }
        rows
    }

    fn remove(&mut self, slot: Slot) {
        if self.used == 0 {
            return;
        }
        let mut hole = self.home(slot.hash());
        while self.slots[hole] != slot {
            if self.slots[hole] == FREE {
                return;
            }
            hole = self.next(hole);
        }
        // Move up what would no longer be reached across the hole.
        let size = self.slots.len();
        let mut at = self.next(hole);
        while self.slots[at] != FREE {
            let home = self.home(self.slots[at].hash());
            let from_home = (at + size - home) % size;
            let from_hole = (at + size - hole) % size;
            if from_home >= from_hole {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.next(at);
        }
        self.slots[hole] = FREE;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Numbers that look random, the same each time.
    fn numbers() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), |x| {
            let x = x ^ (x << 13);
            let x = x ^ (x >> 7);
            Some(x ^ (x << 17))
        })
    }

    #[test]
    fn behaves_like_a_multimap() {
        let mut table = Table::default();
        let mut model: BTreeMap<Hash, BTreeSet<i64>> = BTreeMap::new();
        for (step, n) in numbers().take(200_000).enumerate() {
            // Few hashes in one shard, so that runs, wraps and equal hashes are frequent.
            let hash = Hash((n % 997) << 46 | 5);
            let row = (n >> 40) as i64 % 7 + 1;
            if n >> 20 & 3 == 0 {
                table.remove(hash, row);
                model.entry(hash).or_default().remove(&row);
            } else if model.entry(hash).or_default().insert(row) {
                table.insert(hash, row);
            }
            if step % 64 == 0 {
                let expected: Vec<i64> = model[&hash].iter().rev().copied().collect();
                assert_eq!(table.rows(hash), expected, "at step {step}");
            }
        }
        for (hash, rows) in &model {
            let expected: Vec<i64> = rows.iter().rev().copied().collect();
            assert_eq!(table.rows(*hash), expected);
        }
        let used: usize = table.shards.iter().map(|s| s.used).sum();
        assert_eq!(used, model.values().map(BTreeSet::len).sum::<usize>());
    }

    #[test]
    fn takes_at_most_twenty_bytes_per_record() {
        let mut table = Table::default();
        for (n, hash) in numbers().take(300_000).enumerate() {
            table.insert(Hash(hash >> 8), n as i64 + 1);
            if n > 10_000 && n % 10_000 == 0 {
                let bytes: usize = table.shards.iter().map(|s| s.slots.capacity() * 12).sum();
                assert!(bytes <= 20 * n, "{bytes} bytes for {n} records");
            }
        }
    }

    #[test]
    fn slots_hold_what_they_must() {
        let slot = Slot::new(Hash((1 << 56) - 2), (1 << 40) - 1);
        assert_eq!((slot.hash(), slot.row()), (Hash((1 << 56) - 2), (1 << 40) - 1));
    }
}
