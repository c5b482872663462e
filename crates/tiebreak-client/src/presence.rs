//! Is the client still there?

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::oneshot::{self, error::TryRecvError};

/// Whether the client of a write is still there: the write's own exchange waits for its going, and whoever comes with the
/// same write asks.
#[derive(Debug, Clone)]
pub(crate) struct Presence(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// Until this resolves or is dropped.
    Here(oneshot::Receiver<()>),
    /// Nobody would say if it went.
    Taken,
    Gone,
}

impl Presence {
    /// With what the door gave: it resolves, or is dropped, when the client has gone.
    pub(crate) fn new(gone: Option<oneshot::Receiver<()>>) -> Presence {
        Presence(Arc::new(Mutex::new(gone.map_or(State::Taken, State::Here))))
    }

    /// Whether it has gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.with(|state| {
            if let State::Here(gone) = state
                && gone.try_recv() != Err(TryRecvError::Empty)
            {
                *state = State::Gone;
            }
            matches!(state, State::Gone)
        })
    }

    /// Resolves when it has gone.
    pub(crate) async fn gone(&self) {
        poll_fn(|cx| {
            self.with(|state| match state {
                State::Gone => Poll::Ready(()),
                State::Taken => Poll::Pending,
                State::Here(gone) => {
                    let polled = Pin::new(gone).poll(cx).map(drop);
                    if polled.is_ready() {
                        *state = State::Gone;
                    }
                    polled
                }
            })
        })
        .await;
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_goes_once() {
        let (here, gone) = oneshot::channel();
        let presence = Presence::new(Some(gone));
        assert!(!presence.is_gone());
        let waiting = tokio::spawn({
            let presence = presence.clone();
            async move { presence.gone().await }
        });
        tokio::task::yield_now().await;
        drop(here);
        waiting.await.unwrap();
        assert!(presence.is_gone());
        presence.gone().await;
        assert!(!Presence::new(None).is_gone());
    }
}
