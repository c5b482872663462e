//! Latencies of a run, in microseconds.

use std::time::Duration;

use serde::Serialize;

/// What a run's latencies came to.
#[derive(Serialize)]
pub(crate) struct Latencies {
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// Takes the samples of all workers.
pub(crate) fn summarise(mut samples: Vec<u64>) -> Latencies {
    samples.sort_unstable();
    let at = |share: f64| match samples.len() {
        0 => 0,
        n => samples[((n as f64 * share).ceil() as usize).clamp(1, n) - 1],
    };
    Latencies {
        p50_us: at(0.5),
        p99_us: at(0.99),
        max_us: at(1.0),
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let got = summarise((1..=200).rev().collect());
        assert_eq!((got.p50_us, got.p99_us, got.max_us), (100, 198, 200));
    }

    #[test]
    fn nothing_measured_is_nothing() {
        assert_eq!(summarise(Vec::new()).p99_us, 0);
    }
}
