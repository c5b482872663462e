//! An origin that takes only so many connections: all pools of a process share them, idle ones counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::content::OutBody;
use super::idle::{IdleList, Sweep, Sweeper};
use super::places::{Place, Places};

/// The connections to one origin.
///
/// Who has a turn uses a connection or makes one. One is made only if none is idle: then so many turns and so many connections
/// mean that whoever has a turn waits for nothing but the end of connections that are closing.
#[derive(Debug)]
pub(super) struct Bound {
    turns: Arc<Places>,
    connections: Arc<Places>,
    idle: Mutex<(IdleList, Sweeper)>,
}

/// The right to use a connection.
#[derive(Debug)]
pub(super) struct Turn {
    bound: Arc<Bound>,
    _place: Place,
}

/// What there is for whoever has a turn.
#[derive(Debug)]
pub(super) enum Room {
    /// A connection, perhaps one that is still busy with the end of the last request.
    Idle(SendRequest<OutBody>),
    /// The place of one more.
    New(Place),
}

impl Bound {
    pub(super) fn new(most: usize) -> Arc<Bound> {
        Arc::new(Bound {
            turns: Places::new(most),
            connections: Places::new(most),
            idle: Mutex::default(),
        })
    }

    /// There may be so many connections from now on.
    pub(super) fn allow(&self, most: usize) {
        self.turns.allow(most);
        self.connections.allow(most);
    }

    /// A turn, in order of arrival. `None` is never said, since there is no end of them.
    pub(super) async fn turn(self: &Arc<Self>) -> Option<Turn> {
        let place = self.turns.place().await?;
        Some(Turn {
            bound: Arc::clone(self),
            _place: place,
        })
    }

    fn idle(&self) -> MutexGuard<'_, (IdleList, Sweeper)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sweep for Bound {
    fn sweep(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let next = idle.0.sweep(Instant::now());
        if next.is_none() {
            idle.1 = Sweeper::default();
        }
        next
    }
}

impl Turn {
    /// A connection that was idle for less than `limit`, or the place of a new one once there is room. `None` is never said.
    pub(super) async fn room(&self, limit: Duration, changes: u64) -> Option<Room> {
        let found = self.bound.idle().0.pop(limit, changes);
        match found {
            Some(sender) => Some(Room::Idle(sender)),
            None => self.bound.connections.place().await.map(Room::New),
        }
    }

    /// Gives a connection back.
    pub(super) fn put(self, sender: SendRequest<OutBody>, changes: u64) {
        // Whoever has the next turn finds it.
        let mut idle = self.bound.idle();
        idle.0.push(sender, changes);
        idle.1.wake(&self.bound);
    }
}
