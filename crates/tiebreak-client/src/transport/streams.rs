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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn places_are_waited_for() {
        let streams = Streams::new();
        let Poll::Ready(Some(first)) = poll(pin!(streams.place())) else {
            panic!("one request may go out at once");
        };
        let mut second = pin!(streams.place());
        let mut third = pin!(streams.place());
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        // The origin takes two at a time.
        streams.allow(2);
        let second = poll(second);
        assert!(matches!(second, Poll::Ready(Some(_))));
        assert!(poll(third.as_mut()).is_pending());
        drop(first);
        let third = poll(third);
        assert!(matches!(third, Poll::Ready(Some(_))));
        let mut fourth = pin!(streams.place());
        assert!(poll(fourth.as_mut()).is_pending());
        streams.close();
        assert!(matches!(poll(fourth), Poll::Ready(None)));
        assert!(matches!(poll(pin!(streams.place())), Poll::Ready(None)));
    }

    #[test]
    fn whoever_stops_waiting_takes_no_place_with_it() {
        let streams = Streams::new();
        let Poll::Ready(first) = poll(pin!(streams.place())) else {
            panic!("one request may go out at once");
        };
        let mut second = Box::pin(streams.place());
        let mut third = pin!(streams.place());
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        drop(first);
        // It has been told of the place, and is gone.
        drop(second);
        assert!(matches!(poll(third), Poll::Ready(Some(_))));
    }
}
