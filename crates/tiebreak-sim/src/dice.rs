//! All chance of a run, drawn from its seed.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Dice that all parts of one run share. The order of throws is part of the run, and the same for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(Arc<Mutex<fastrand::Rng>>);

impl Dice {
    /// Dice with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number in `range`.
    #[must_use]
    pub fn number(&self, range: Range<u64>) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(range)
    }

    /// True in `percent` of a hundred throws.
    #[must_use]
    pub fn chance(&self, percent: u64) -> bool {
        self.number(0..100) < percent
    }

    /// A time in `millis`.
    #[must_use]
    pub fn time(&self, millis: Range<u64>) -> Duration {
        Duration::from_millis(self.number(millis))
    }

    /// One of `from`.
    #[must_use]
    pub fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        let at = usize::try_from(self.number(0..from.len() as u64)).unwrap_or_default();
        &from[at]
    }
}
