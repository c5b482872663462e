//! A queue from tasks to a thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Jobs in the order in which they were pushed. Pushing never waits, so that the order of calls is the order of
/// jobs; what may grow without bound is refused instead.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    bell: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    jobs: VecDeque<T>,
    /// How many threads sleep; a push rings the bell only then.
    asleep: usize,
    closed: bool,
}

/// Why a job was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Busy,
    Closed,
}

/// What waiting for jobs came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Took {
    Jobs,
    /// Nothing came in the time given.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Queue<T> {
        let waiting = Waiting {
            jobs: VecDeque::new(),
            asleep: 0,
            closed: false,
        };
        Queue {
            waiting: Mutex::new(waiting),
            bell: Condvar::new(),
        }
    }

    /// Adds a job, unless `bound` jobs wait already.
    pub(super) fn push(&self, job: T, bound: usize) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        if waiting.jobs.len() >= bound {
            return Err(Refused::Busy);
        }
        waiting.jobs.push_back(job);
        let ring = waiting.asleep > 0;
        drop(waiting);
        if ring {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Adds a last job; later pushes are refused. Does nothing if it was closed before.
    pub(super) fn close(&self, last: Option<T>) {
        let mut waiting = self.lock();
        if !waiting.closed {
            waiting.closed = true;
            waiting.jobs.extend(last);
        }
        drop(waiting);
        self.bell.notify_all();
    }

    /// Whether it takes no more jobs.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until there are jobs, at most for `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Took {
        let mut waiting = self.lock();
        loop {
            if !waiting.jobs.is_empty() {
                return Took::Jobs;
            }
            if waiting.closed {
                return Took::Closed;
            }
            waiting.asleep += 1;
            let (woken, timeout) = self
                .bell
                .wait_timeout(waiting, patience)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
            waiting.asleep -= 1;
            if timeout.timed_out() && waiting.jobs.is_empty() && !waiting.closed {
                return Took::Nothing;
            }
        }
    }

    /// Takes every job that waits.
    pub(super) fn drain(&self, into: &mut VecDeque<T>) {
        std::mem::swap(into, &mut self.lock().jobs);
    }

    /// Waits for a job; `None` when none will come.
    pub(super) fn pop(&self) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting.asleep += 1;
            waiting = self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.asleep -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
