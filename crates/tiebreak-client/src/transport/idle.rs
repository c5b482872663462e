//! Connections that nobody uses at the moment, and the end of those that nobody used for long: an origin may serve only so many,
//! and an idle one keeps a place there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::content::OutBody;

/// A connection that was idle for so long is closed: just before many servers close it, which do so after 5 s.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(4);

const MOST: usize = 512;

/// Connections to one origin, the one that was used last at the end.
#[derive(Debug, Default)]
pub(super) struct IdleList(Vec<Idle>);

#[derive(Debug)]
struct Idle {
    sender: SendRequest<OutBody>,
    changes: u64,
    since: Instant,
}

impl IdleList {
    /// Adds one that was made after so many changes of what is said of origins.
    pub(super) fn push(&mut self, sender: SendRequest<OutBody>, changes: u64) {
        if self.0.len() >= MOST {
            self.0.retain(|idle| !idle.sender.is_closed());
        }
        if self.0.len() < MOST {
            let since = Instant::now();
            self.0.push(Idle { sender, changes, since });
        }
    }

    /// The one that was used last, if it was idle for less than `limit`. All that come before it and cannot be used are closed.
    pub(super) fn pop(&mut self, limit: Duration, changes: u64) -> Option<SendRequest<OutBody>> {
        while let Some(idle) = self.0.pop() {
            if idle.since.elapsed() < limit && idle.changes == changes && !idle.sender.is_closed() {
                return Some(idle.sender);
            }
        }
        None
    }

    /// Closes what was idle for long; tells when the next one will have been.
    pub(super) fn sweep(&mut self, now: Instant) -> Option<Instant> {
        let long = self.0.partition_point(|idle| idle.since + MAX_IDLE <= now);
        self.0.drain(..long);
        self.0.first().map(|idle| idle.since + MAX_IDLE)
    }
}

/// What keeps idle connections.
pub(super) trait Sweep: Send + Sync + 'static {
    /// Closes those that were idle for long; tells when to look again. `None`: nothing is idle, and the [`Sweeper`] is forgotten.
    fn sweep(&self) -> Option<Instant>;
}

/// The task that closes idle connections, while there are any.
#[derive(Debug, Default)]
pub(super) struct Sweeper(Option<AbortHandle>);

impl Sweeper {
    /// Starts the task, if it does not run; called whenever a connection has become idle.
    pub(super) fn wake<T: Sweep>(&mut self, keeper: &Arc<T>) {
        // It is finished also where the runtime that it ran on is gone.
        if self.0.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let task = runtime.spawn(run(Arc::downgrade(keeper), Instant::now() + MAX_IDLE));
            self.0 = Some(task.abort_handle());
        }
    }
}

async fn run<T: Sweep>(keeper: Weak<T>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        match keeper.upgrade().and_then(|keeper| keeper.sweep()) {
            Some(then) => next = then,
            None => return,
        }
    }
}
