//! The database's own clock.

use std::time::Duration;

use tiebreak_core::time::Time;
use tokio::time::Instant;

/// A clock that is wrong, and that runs too fast or too slow.
#[derive(Debug, Clone, Copy)]
pub struct DbClock {
    /// What it showed at the beginning.
    pub began: Time,
    /// When that was.
    pub start: Instant,
    /// By how much it runs too fast, in thousandths; slow ones are negative.
    pub drift: i64,
}

impl DbClock {
    /// `clock_timestamp()`.
    #[must_use]
    pub fn now(&self) -> Time {
        let passed = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        let shown = passed + passed * self.drift / 1_000;
        self.began.after(Duration::from_millis(shown.unsigned_abs()))
    }
}
