//! The one place where time is read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tiebreak_core::time::Time;
use tokio::time::Instant;

/// A clock that never runs backwards: the wall clock at its start, moved on by the runtime's monotonic one.
///
/// Under tokio's paused time it is virtual, which is how the simulator uses it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Time,
    start: Instant,
}

impl Clock {
    /// A clock set by the wall clock of this machine.
    #[must_use]
    pub fn system() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::starting_at(Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }

    /// A clock that shows `wall` now.
    #[must_use]
    pub fn starting_at(wall: Time) -> Clock {
        Clock {
            wall,
            start: Instant::now(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.wall.after(self.start.elapsed())
    }

    /// The runtime's instant at which this clock shows `at`, rounded up to the next millisecond.
    #[must_use]
    pub fn instant(&self, at: Time) -> Instant {
        self.start + Duration::from_millis(at.0.saturating_sub(self.wall.0))
    }
}
