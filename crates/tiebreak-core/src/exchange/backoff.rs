//! How long to wait before the next attempt.

use std::time::Duration;

/// A small generator of reproducible randomness (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
///
/// Its seed comes from the driver, so that the core itself has no randomness.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Exponential backoff with full jitter: uniform between 1 ms and the step, which doubles with each
    /// round up to the cap ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
    pub(super) fn wait(&mut self, round: u32, (first, cap): (Duration, Duration)) -> Duration {
        let step = first
            .saturating_mul(1 << round.min(20))
            .min(cap)
            .max(Duration::from_millis(1));
        let millis = u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(1 + self.next() % millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_within_the_step_and_the_cap() {
        let bounds = (Duration::from_millis(50), Duration::from_secs(5));
        let mut jitter = Jitter::new(7);
        for round in 0..40 {
            let step = Duration::from_millis(50 << round.min(20)).min(bounds.1);
            let wait = jitter.wait(round, bounds);
            assert!(
                wait >= Duration::from_millis(1) && wait <= step,
                "round {round}: {wait:?}"
            );
        }
        assert_eq!(Jitter::new(3).wait(9, bounds), Jitter::new(3).wait(9, bounds));
    }
}
