//! How many requests may be on an HTTP/2 connection at a time; further ones wait.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The places on one connection.
#[derive(Debug)]
pub(super) struct Streams {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    open: usize,
    most: usize,
    closed: bool,
}

/// The right to one request on the connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Streams>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.change(|state| state.open -= 1);
        self.0.changed.notify_one();
    }
}

impl Streams {
    /// One request may go out before the origin has said how many it takes.
    pub(super) fn new() -> Arc<Streams> {
        let state = State {
            open: 0,
            most: 1,
            closed: false,
        };
        Arc::new(Streams {
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    /// A place, once there is one; `None`: the connection takes no more requests.
    pub(super) async fn place(self: &Arc<Self>) -> Option<Place> {
        loop {
            let changed = self.changed.notified();
            let taken = self.change(|state| {
                let free = state.open < state.most && !state.closed;
                state.open += usize::from(free);
                (free, state.closed)
            });
            match taken {
                (true, _) => return Some(Place(Arc::clone(self))),
                (_, true) => return None,
                _ => changed.await,
            }
        }
    }

    /// So many may be open at a time from now on.
    pub(super) fn allow(&self, most: usize) {
        let more = self.change(|state| {
            let more = most > state.most;
            state.most = most;
            more
        });
        if more {
            self.changed.notify_waiters();
        }
    }

    /// No more requests are taken; those that wait are told.
    pub(super) fn close(&self) {
        self.change(|state| state.closed = true);
        self.changed.notify_waiters();
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
