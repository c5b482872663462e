//! Whoever closes a window has said no: a client that repeats its write at once opens no other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tiebreak_core::caller::CallerId;

/// For so long no other window opens for the same caller at the same origin.
const PAUSE: Duration = Duration::from_secs(60);

/// At most so many are remembered; what is over goes first.
const MOST: usize = 1024;

/// Who closed a window, at which origin, and when.
#[derive(Debug, Default)]
pub(super) struct Declined(Mutex<HashMap<(CallerId, String), Instant>>);

impl Declined {
    /// A window was closed.
    pub(super) fn note(&self, now: Instant, caller: CallerId, origin: &str) {
        let mut closed = self.closed();
        closed.retain(|_, at| now.duration_since(*at) < PAUSE);
        if closed.len() < MOST {
            closed.insert((caller, origin.to_owned()), now);
        }
    }

    /// Whether one was closed a moment ago.
    pub(super) fn is_recent(&self, now: Instant, caller: CallerId, origin: &str) -> bool {
        let closed = self.closed();
        let at = closed.get(&(caller, origin.to_owned()));
        at.is_some_and(|at| now.duration_since(*at) < PAUSE)
    }

    fn closed(&self) -> MutexGuard<'_, HashMap<(CallerId, String), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tiebreak_core::fingerprint::Digest;

    use super::*;

    #[test]
    fn a_no_holds_for_a_minute_and_for_one_caller_at_one_origin() {
        let [anna, ben] = [1, 2].map(|n| CallerId(Digest([n; 32])));
        let declined = Declined::default();
        let begun = Instant::now();
        declined.note(begun, anna, "https://a.example");
        let later = begun + PAUSE - Duration::from_secs(1);
        assert!(declined.is_recent(later, anna, "https://a.example"));
        assert!(!declined.is_recent(later, ben, "https://a.example"));
        assert!(!declined.is_recent(later, anna, "https://b.example"));
        let over = begun + PAUSE;
        assert!(!declined.is_recent(over, anna, "https://a.example"));
        declined.note(over, ben, "https://a.example");
        assert_eq!(declined.closed().len(), 1, "what is over is forgotten");
    }
}
