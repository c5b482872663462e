//! The latest of something, and who waits for the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// As a `watch` of tokio, but whoever waited first is woken first: there the order is drawn at random, and a simulated run
/// could not be repeated.
pub(super) struct Latest<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone> Latest<T> {
    pub(super) fn new(value: T) -> Latest<T> {
        Latest {
            value: Mutex::new(value),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> T {
        self.lock().clone()
    }

    pub(super) fn set(&self, value: T) {
        *self.lock() = value;
        self.changed.notify_waiters();
    }

    /// Waits until it is `wanted`.
    pub(super) async fn wait_for(&self, wanted: impl Fn(&T) -> bool) -> T {
        loop {
            // Before the look, so that no change is missed in between.
            let changed = self.changed.notified();
            let value = self.get();
            if wanted(&value) {
                return value;
            }
            changed.await;
        }
    }
}
