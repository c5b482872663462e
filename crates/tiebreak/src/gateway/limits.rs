//! The bounds on clients: how many, how large, how slow. The command line's part of them, and the counting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

/// Bounds on clients.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Bounds on clients")]
pub(crate) struct Limits {
    /// At most so many client connections; more are answered with 503
    #[arg(long, value_name = "N", default_value = "10000")]
    pub(super) max_connections: usize,
    /// At most so many connections from one client address
    #[arg(long, value_name = "N", default_value = "5000")]
    pub(super) max_connections_per_address: usize,
    /// At most so many writes of one caller at a time; more are answered with 429
    #[arg(long, value_name = "N", default_value = "4096")]
    pub(super) max_writes_per_caller: usize,
    /// At most so many KiB in the head of a request
    #[arg(long, value_name = "KIB", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_head: u16,
    /// How long the head of a request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) head_timeout: Duration,
    /// How long a client may send no content, or take nothing of its answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(super) stall_timeout: Duration,
    /// How many bytes of content a client has to send in each second, after the first ten
    #[arg(long, value_name = "BYTES", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) min_rate: u32,
    /// How long a connection may be idle, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(super) idle_timeout: Duration,
    /// How long stopping waits for what is on its way, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "90", value_parser = seconds)]
    pub(super) drain_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 86400.0 => Ok(Duration::from_secs_f64(n)),
        _ => Err("write a number of seconds, more than 0 and at most 86400".into()),
    }
}

impl Limits {
    /// Bytes that the head of a request may have.
    pub(super) fn max_head(&self) -> usize {
        usize::from(self.max_head) * 1024
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
