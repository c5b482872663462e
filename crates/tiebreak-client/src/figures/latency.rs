//! How long writes took: a histogram with steps of half a power of two, so that every figure is known to about 20 %.

use std::time::Duration;

/// Buckets: from 100 µs in 42 steps to about 140 s, and one for what took longer.
const BUCKETS: usize = 43;

/// The upper bound of the first bucket.
const FIRST: f64 = 100e-6;

/// A histogram of durations.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    counts: [u32; BUCKETS],
    sum: f64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            counts: [0; BUCKETS],
            sum: 0.0,
        }
    }
}

impl Latency {
    /// The upper bound of bucket `n`, in seconds.
    fn bound(n: usize) -> f64 {
        if n + 1 == BUCKETS {
            f64::INFINITY
        } else {
            // In whole microseconds, so that it reads well.
            (FIRST * 1e6 * 2f64.powf(n as f64 / 2.0)).round() / 1e6
        }
    }

    pub(super) fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let over = (seconds / FIRST).max(1.0).log2() * 2.0;
        let n = (over - 1e-9).ceil().clamp(0.0, (BUCKETS - 1) as f64) as usize;
        self.counts[n] = self.counts[n].saturating_add(1);
        self.sum += seconds;
    }

    /// Adds what another histogram counted.
    pub fn merge(&mut self, other: &Latency) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum += other.sum;
    }

    /// How many durations it counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|n| u64::from(*n)).sum()
    }

    /// The sum of all durations, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Each bucket: its upper bound in seconds (the last: infinity), and how many fell into it.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let counts = self.counts.iter().enumerate();
        counts
            .map(|(n, count)| (Latency::bound(n), u64::from(*count)))
            .collect()
    }

    /// The duration, in seconds, that this share of all did not exceed (the upper bound of its bucket); `None` if it
    /// counted nothing.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0);
        let mut seen = 0.0;
        for (n, count) in self.counts.iter().enumerate() {
            seen += f64::from(*count);
            if seen >= wanted {
                let last = Latency::bound(BUCKETS - 2);
                return Some(Latency::bound(n).min(last));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_what_was_counted() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        for ms in 1..=1_000_u64 {
            latency.add(Duration::from_millis(ms));
        }
        for (share, exact) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99), (0.001, 0.001)] {
            let told = latency.quantile(share).unwrap();
            assert!(told >= exact * 0.999 && told <= exact * 1.42, "{share}: {told}");
        }
        assert_eq!(latency.count(), 1_000);
        assert!((latency.sum() - 500.5).abs() < 1e-6);
    }

    #[test]
    fn extremes_have_a_bucket() {
        let mut latency = Latency::default();
        latency.add(Duration::ZERO);
        latency.add(Duration::from_micros(100));
        latency.add(Duration::from_secs(100_000));
        let buckets = latency.buckets();
        assert_eq!((buckets[0].1, buckets[BUCKETS - 1].1), (2, 1));
        assert!(latency.quantile(1.0).unwrap().is_finite());
    }
}
