//! Points in time, as the driver tells them.

use std::time::Duration;

/// A point in time: milliseconds since the Unix epoch.
///
/// The core never reads a clock; every value comes in with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// This time moved forward by `by`, saturating.
    #[must_use]
    pub fn after(self, by: Duration) -> Time {
        Time(self.0.saturating_add(millis(by)))
    }

    /// How long it is from this time until `later`; zero if `later` is not later.
    #[must_use]
    pub fn until(self, later: Time) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

fn millis(by: Duration) -> u64 {
    u64::try_from(by.as_millis()).unwrap_or(u64::MAX)
}
