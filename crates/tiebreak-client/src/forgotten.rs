//! What is not known any more: of each target that had to be forgotten early, a digest, until nothing that was read of it may be
//! the base of a write.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};

use tiebreak_core::time::Time;

/// Digests of what was forgotten, each until some time. Two things with one digest only make for more caution.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    hasher: RandomState,
    until: HashMap<u64, Time>,
    order: VecDeque<(u64, Time)>,
}

impl Forgotten {
    /// Notes that `what` was forgotten, which matters until then. `false`: that would be more than `most`; now nothing is noted.
    pub(crate) fn note(&mut self, what: &impl Hash, until: Time, most: usize, now: Time) -> bool {
        while let Some((digest, over)) = self.order.front().copied().filter(|(_, over)| *over <= now) {
            self.order.pop_front();
            if self.until.get(&digest) == Some(&over) {
                self.until.remove(&digest);
            }
        }
        if self.order.len() >= most {
            self.until.clear();
            self.order.clear();
            return false;
        }
        let digest = self.hasher.hash_one(what);
        self.until.insert(digest, until);
        self.order.push_back((digest, until));
        true
    }

    /// Whether it was forgotten, and that matters yet.
    pub(crate) fn has(&self, what: &impl Hash, now: Time) -> bool {
        // As a rule there is nothing, and no write need pay for a digest.
        !self.until.is_empty() && {
            let until = self.until.get(&self.hasher.hash_one(what));
            until.is_some_and(|until| *until > now)
        }
    }
}
