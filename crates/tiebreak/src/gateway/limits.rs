//! The bounds on clients: how many, how large, how slow.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bounds on clients.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Client connections.
    pub(crate) max_connections: usize,
    /// Connections from one client address.
    pub(crate) max_connections_per_address: usize,
    /// Writes of one caller at a time.
    pub(crate) max_writes_per_caller: usize,
    /// Bytes in the head of a request.
    pub(crate) max_head: usize,
    /// From the first byte of a head to its last.
    pub(crate) head_timeout: Duration,
    /// How long a client may send no content, or take nothing of its answer.
    pub(crate) stall_timeout: Duration,
    /// Bytes of content that a client has to send in each second, after the first ten.
    pub(crate) min_rate: usize,
    /// How long a connection may be idle.
    pub(crate) idle_timeout: Duration,
    /// How long stopping waits for what is on its way.
    pub(crate) drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 10_000,
            max_connections_per_address: 5_000,
            max_writes_per_caller: 4_096,
            max_head: 64 * 1024,
            head_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            min_rate: 1024,
            idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(90),
        }
    }
}

/// Counts how many places each key holds; at most so many each.
#[derive(Debug)]
pub(super) struct Places<K> {
    each: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    of: Arc<Places<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Places<K> {
    pub(super) fn new(each: usize) -> Arc<Places<K>> {
        Arc::new(Places {
            each,
            taken: Mutex::default(),
        })
    }

    /// A place for `key`, if there is one left.
    pub(super) fn take(self: &Arc<Places<K>>, key: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&key) {
            Some(count) if *count >= self.each => return None,
            Some(count) => *count += 1,
            None if self.each == 0 => return None,
            None => {
                taken.insert(key.clone(), 1);
            }
        }
        Some(Place {
            of: Arc::clone(self),
            key,
        })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}
