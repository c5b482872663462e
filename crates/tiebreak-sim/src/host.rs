//! A machine with a gateway: killed, or stopped for a while, between any two polls of what it does.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tiebreak_client::Engine;

use crate::trace::Event;
use crate::world::World;

/// The engines of one life of the process; none while it is down.
#[derive(Clone, Default)]
pub(crate) struct Up {
    pub(crate) generation: u64,
    pub(crate) engines: Vec<Arc<Engine>>,
}

/// A machine.
pub(crate) struct Host {
    up: Mutex<Up>,
    polls: AtomicU64,
    strike_at: AtomicU64,
    /// How often something still happens to it.
    strikes: AtomicU64,
    /// Who waits for it to go on, while it is stopped.
    stopped: Mutex<Option<Vec<Waker>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    pub(crate) fn new(strikes: u64) -> Host {
        Host {
            up: Mutex::default(),
            polls: AtomicU64::new(0),
            strike_at: AtomicU64::new(u64::MAX),
            strikes: AtomicU64::new(strikes),
            stopped: Mutex::default(),
        }
    }

    pub(crate) fn up(&self) -> Up {
        lock(&self.up).clone()
    }

    pub(crate) fn set_up(&self, up: Up) {
        *lock(&self.up) = up;
    }

    fn generation(&self) -> u64 {
        lock(&self.up).generation
    }

    /// Something happens to it after so many polls, if its strikes are not used up.
    pub(crate) fn strike_after(&self, polls: impl FnOnce() -> u64) {
        if self.strikes.load(Ordering::Relaxed) > 0 {
            self.strikes.fetch_sub(1, Ordering::Relaxed);
            let now = self.polls.load(Ordering::Relaxed);
            self.strike_at.store(now + polls(), Ordering::Relaxed);
        }
    }

    fn wait(&self, waker: &Waker) -> bool {
        let mut stopped = lock(&self.stopped);
        let waiting = stopped.as_mut().map(|wakers| wakers.push(waker.clone()));
        waiting.is_some()
    }

    /// It goes on: everything that became ready meanwhile is ready at once.
    pub(crate) fn go_on(&self) {
        let wakers = lock(&self.stopped).take().unwrap_or_default();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl World {
    /// The process is stopped, and goes on after `rest`; to itself no time has passed.
    pub(crate) fn stop(self: &Arc<Self>, number: usize, rest: Duration) {
        let host = &self.hosts[number];
        let mut stopped = lock(&host.stopped);
        if stopped.is_some() {
            return;
        }
        *stopped = Some(Vec::new());
        drop(stopped);
        self.trace.note(Event::Stopped(number));
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            world.trace.note(Event::Continued(number));
            world.hosts[number].go_on();
        });
    }

    /// Performs `work` inside the process on `host`; `None` if that is killed first.
    pub(crate) async fn inside<T>(
        self: &Arc<Self>,
        host: usize,
        generation: u64,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let work = pin!(work);
        let counted = Counted {
            world: Arc::clone(self),
            host,
            generation,
            work,
        };
        tokio::select! {
            biased;
            () = self.until(|| self.hosts[host].generation() != generation) => None,
            done = counted => done,
        }
    }
}

/// Work inside a process, to which something happens at a certain poll: between any two of its effects.
struct Counted<'a, F> {
    world: Arc<World>,
    host: usize,
    generation: u64,
    work: Pin<&'a mut F>,
}

impl<F: Future> Future for Counted<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let host = &self.world.hosts[self.host];
        if host.generation() == self.generation && !host.wait(cx.waker()) {
            let polls = host.polls.fetch_add(1, Ordering::Relaxed) + 1;
            if polls == host.strike_at.load(Ordering::Relaxed) {
                self.world.strike(self.host);
            }
            if !host.wait(cx.waker()) && host.generation() == self.generation {
                return self.work.as_mut().poll(cx).map(Some);
            }
        }
        match host.generation() == self.generation {
            true => Poll::Pending,
            false => Poll::Ready(None),
        }
    }
}
