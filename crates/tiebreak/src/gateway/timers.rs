//! Timers that are lent to one wait after the other.
//!
//! A time limit that is set for each request, and nearly never reached, costs more than the rest of its bookkeeping: the runtime
//! files it, wakes itself to look at the nearer deadline, and takes it out again. Here a timer stays filed with the deadline that
//! it first had. Whoever borrows it for a later one finds it fired early, once, and files it again: once in the length of a limit
//! instead of once a request.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;

/// So many unused timers are kept; more are dropped.
const KEPT: usize = 1024;

/// The timers of one thread. They belong to the runtime in which they are first used.
#[derive(Debug, Clone, Default)]
pub(super) struct Timers {
    idle: Arc<Mutex<Vec<Pin<Box<tokio::time::Sleep>>>>>,
}

impl Timers {
    /// What `work` comes to, or `None` if that takes longer than `limit`. It is pinned already: work is large, and moving it in
    /// here would copy it.
    pub(super) async fn within<F: Future>(&self, limit: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
        let mut timer = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let timer = timer.get_or_insert_with(|| self.until(Instant::now() + limit));
            Pin::new(timer).poll(cx).map(|()| None)
        })
        .await
    }

    fn until(&self, deadline: Instant) -> Lent {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut timer = kept.unwrap_or_else(|| Box::pin(tokio::time::sleep_until(deadline)));
        // One that has fired never fires again by itself, and one that is filed for later would fire too late.
        if timer.is_elapsed() || timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        Lent {
            timer: Some(timer),
            deadline,
            timers: self.clone(),
        }
    }
}

impl Timer for Timers {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.until(Instant::now() + duration))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.until(deadline.into()))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

/// A timer while it is waited for.
#[derive(Debug)]
struct Lent {
    /// `None` only once it has been given back.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    deadline: Instant,
    timers: Timers,
}

impl Sleep for Lent {}

impl Future for Lent {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let Some(timer) = &mut self.timer else {
            return Poll::Ready(());
        };
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut idle = self.timers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT
            && let Some(timer) = self.timer.take()
        {
            idle.push(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use super::*;

    async fn took(timers: &Timers, limit: u64) -> Duration {
        let from = Instant::now();
        let none = timers.within(Duration::from_secs(limit), pin!(pending::<()>())).await;
        assert!(none.is_none());
        from.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_lent_again_keeps_the_later_deadline() {
        let timers = Timers::default();
        assert_eq!(timers.within(Duration::from_secs(10), pin!(async { 7 })).await, Some(7));
        assert!(
            timers.idle.lock().unwrap().is_empty(),
            "what is done at once needs no timer"
        );
        for limit in [10, 30, 5, 60] {
            let took = took(&timers, limit).await;
            assert!(
                took >= Duration::from_secs(limit) && took < Duration::from_secs(limit + 1),
                "{took:?}"
            );
            assert_eq!(timers.idle.lock().unwrap().len(), 1, "it was given back");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_leaves_its_timer_filed() {
        let timers = Timers::default();
        for _ in 0..5 {
            let work = tokio::time::sleep(Duration::from_secs(3));
            assert!(timers.within(Duration::from_secs(10), pin!(work)).await.is_some());
        }
        let took = took(&timers, 10).await;
        assert!(
            took >= Duration::from_secs(10) && took < Duration::from_secs(11),
            "{took:?}"
        );
    }
}
