//! The last hour, by the second.

use std::collections::VecDeque;

use tiebreak_core::outcome::Outcome;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use super::{GUARANTEES, Latency};

/// So many seconds are remembered.
pub const HISTORY: usize = 3_600;

/// What happened within one second.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// Which one, since 1970.
    pub at: u64,
    /// Writes that ended.
    pub writes: u32,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u32; Outcome::ALL.len()],
    /// Verdicts by class, in the order of [`Class::ALL`], also of conflicts that were overcome.
    pub classes: [u32; Class::ALL.len()],
    /// By guarantee, from A to D.
    pub guarantees: [u32; GUARANTEES],
    /// How long they took.
    pub latency: Latency,
}

impl Second {
    /// A second in which nothing has happened.
    #[must_use]
    pub fn new(at: u64) -> Second {
        Second {
            at,
            writes: 0,
            outcomes: Default::default(),
            classes: Default::default(),
            guarantees: Default::default(),
            latency: Latency::default(),
        }
    }

    /// Adds what happened within another second.
    pub fn merge(&mut self, other: &Second) {
        fn add(mine: &mut [u32], theirs: &[u32]) {
            mine.iter_mut().zip(theirs).for_each(|(m, t)| *m = m.saturating_add(*t));
        }
        self.writes = self.writes.saturating_add(other.writes);
        add(&mut self.outcomes, &other.outcomes);
        add(&mut self.classes, &other.classes);
        add(&mut self.guarantees, &other.guarantees);
        self.latency.merge(&other.latency);
    }
}

/// Seconds in which something happened, in order.
#[derive(Debug, Default)]
pub(super) struct Seconds {
    held: VecDeque<Second>,
}

impl Seconds {
    /// The second of `at`. One that is older than the newest counts as that: threads may be a little apart.
    pub(super) fn at(&mut self, at: Time) -> &mut Second {
        let second = at.0 / 1_000;
        if self.held.back().is_none_or(|last| last.at < second) {
            self.held.push_back(Second::new(second));
        }
        let oldest = second.saturating_sub(HISTORY as u64);
        while self.held.len() > 1 && self.held.front().is_some_and(|s| s.at <= oldest) {
            self.held.pop_front();
        }
        let last = self.held.len() - 1;
        &mut self.held[last]
    }

    pub(super) fn since(&self, since: Time) -> Vec<Second> {
        let from = since.0 / 1_000;
        let first = self.held.partition_point(|s| s.at < from);
        self.held.range(first..).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut seconds = Seconds::default();
        for at in 0..2 * HISTORY as u64 {
            seconds.at(Time(at * 1_000 + 7)).writes += 1;
        }
        seconds.at(Time(0)).writes += 1;
        assert_eq!(seconds.held.len(), HISTORY);
        let last = seconds.since(Time((2 * HISTORY as u64 - 2) * 1_000));
        assert_eq!(last.iter().map(|s| s.writes).collect::<Vec<_>>(), [1, 2]);
        seconds.at(Time(10 * HISTORY as u64 * 1_000));
        assert_eq!(seconds.held.len(), 1);
    }
}
