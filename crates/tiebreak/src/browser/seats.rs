//! How many windows are open at a time, and that a profile is in one of them only.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiebreak_core::caller::CallerId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// At most so many windows are open at a time: a person looks at one.
const WINDOWS: u32 = 4;

/// The places for windows.
#[derive(Debug)]
pub(super) struct Seats {
    places: Arc<Semaphore>,
    profiles: Mutex<HashSet<CallerId>>,
    given_back: Notify,
}

impl Default for Seats {
    fn default() -> Seats {
        Seats {
            places: Arc::new(Semaphore::new(WINDOWS as usize)),
            profiles: Mutex::default(),
            given_back: Notify::new(),
        }
    }
}

/// A place, with the profile of one caller if it has one.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    profile: Option<CallerId>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Seats {
    /// Waits for a place, and until nobody else has the profile.
    pub(super) async fn take(self: &Arc<Self>, profile: Option<CallerId>) -> Seat {
        if let Some(profile) = profile {
            loop {
                let mut given_back = std::pin::pin!(self.given_back.notified());
                given_back.as_mut().enable();
                if self.profiles().insert(profile) {
                    break;
                }
                given_back.await;
            }
        }
        let mut seat = Seat {
            seats: Arc::clone(self),
            profile,
            _place: None,
        };
        // It is never closed.
        seat._place = Arc::clone(&self.places).acquire_owned().await.ok();
        seat
    }

    /// Waits until all windows are closed.
    pub(super) async fn empty(&self) {
        let _ = self.places.acquire_many(WINDOWS).await;
    }

    fn profiles(&self) -> MutexGuard<'_, HashSet<CallerId>> {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(profile) = self.profile {
            self.seats.profiles().remove(&profile);
            self.seats.given_back.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tiebreak_core::fingerprint::Digest;

    use super::*;

    #[tokio::test]
    async fn a_profile_is_in_one_window_and_windows_are_bounded() {
        let seats = Arc::new(Seats::default());
        let caller = CallerId(Digest([1; 32]));
        // Polled once: what could be had is had at once.
        let soon = Duration::ZERO;
        let first = seats.take(Some(caller)).await;
        assert!(tokio::time::timeout(soon, seats.take(Some(caller))).await.is_err());
        let (_b, _c, _d) = (seats.take(None).await, seats.take(None).await, seats.take(None).await);
        assert!(tokio::time::timeout(soon, seats.take(None)).await.is_err());
        drop(first);
        let again = tokio::time::timeout(soon, seats.take(Some(caller))).await;
        assert!(again.is_ok());
    }
}
