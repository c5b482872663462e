//! So many at a time, further ones wait in order of arrival: requests on an HTTP/2 connection, connections to an origin.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// Places, of which there may be more or fewer with time.
#[derive(Debug)]
pub(super) struct Places {
    free: Semaphore,
    count: Mutex<Count>,
}

#[derive(Debug)]
struct Count {
    most: usize,
    /// So many were taken when there came to be fewer: they are not free once they are given back.
    owed: usize,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.0.count();
        if count.owed > 0 {
            count.owed -= 1;
        } else {
            self.0.free.add_permits(1);
        }
    }
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Places> {
        Arc::new(Places {
            free: Semaphore::new(most),
            count: Mutex::new(Count { most, owed: 0 }),
        })
    }

    /// A place, once there is one; `None`: there will be no more.
    pub(super) async fn place(self: &Arc<Self>) -> Option<Place> {
        loop {
            self.free.acquire().await.ok()?.forget();
            let place = Place(Arc::clone(self));
            // One that nobody waited for any more may have become free, though it is owed.
            if self.count().owed == 0 {
                return Some(place);
            }
        }
    }

    /// There may be so many from now on.
    pub(super) fn allow(&self, most: usize) {
        let mut count = self.count();
        let more = most.saturating_sub(count.most);
        let kept = more.min(count.owed);
        let fewer = count.most.saturating_sub(most);
        count.owed = count.owed - kept + (fewer - self.free.forget_permits(fewer));
        count.most = most;
        self.free.add_permits(more - kept);
    }

    /// There are no more; those that wait are told.
    pub(super) fn close(&self) {
        self.free.close();
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn now(places: &Arc<Places>) -> Option<Place> {
        match poll(pin!(places.place())) {
            Poll::Ready(place) => place,
            Poll::Pending => None,
        }
    }

    #[test]
    fn places_are_waited_for() {
        let places = Places::new(1);
        let first = now(&places).expect("a place");
        let mut second = pin!(places.place());
        let mut third = pin!(places.place());
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        places.allow(2);
        let second = poll(second);
        assert!(matches!(second, Poll::Ready(Some(_))));
        assert!(poll(third.as_mut()).is_pending());
        drop(first);
        // It was there before whoever comes now.
        assert!(now(&places).is_none());
        let third = poll(third);
        assert!(matches!(third, Poll::Ready(Some(_))));
        let mut fourth = pin!(places.place());
        assert!(poll(fourth.as_mut()).is_pending());
        places.close();
        assert!(matches!(poll(fourth), Poll::Ready(None)));
        assert!(matches!(poll(pin!(places.place())), Poll::Ready(None)));
    }

    #[test]
    fn whoever_stops_waiting_takes_no_place_with_it() {
        let places = Places::new(1);
        let first = now(&places);
        let mut second = Box::pin(places.place());
        let mut third = pin!(places.place());
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        drop(first);
        // It has been told of the place, and is gone.
        drop(second);
        assert!(matches!(poll(third), Poll::Ready(Some(_))));
    }

    #[test]
    fn where_there_come_to_be_fewer_those_taken_are_not_free_again() {
        let places = Places::new(4);
        let mut taken: Vec<Place> = (0..3).filter_map(|_| now(&places)).collect();
        places.allow(1);
        for _ in 0..2 {
            drop(taken.pop());
            assert!(now(&places).is_none());
        }
        drop(taken.pop());
        let only = now(&places).expect("a place");
        assert!(now(&places).is_none());
        // One of two that are owed is not owed any more.
        places.allow(0);
        places.allow(1);
        assert!(now(&places).is_none());
        drop(only);
        assert!(now(&places).is_some());
    }

    #[test]
    fn a_place_that_is_owed_is_not_given_to_the_next() {
        let places = Places::new(1);
        let only = now(&places).expect("a place");
        let mut gone = Box::pin(places.place());
        assert!(poll(gone.as_mut()).is_pending());
        drop(only);
        // It is on its way to one who does not wait any more.
        places.allow(0);
        drop(gone);
        assert!(now(&places).is_none());
        places.allow(1);
        assert!(now(&places).is_some());
    }
}
