//! Who waits for a fence, and what becomes of one that nobody takes.

use tiebreak_core::record::Fence;
use tokio::sync::oneshot;

use crate::{Claimed, LedgerError};

/// A change that gives out a fence, and who waits for it. Dropped before its answer was taken, it puts back what was given out.
pub(crate) struct Waiting<T, F: Fn(Fence)> {
    reply: oneshot::Receiver<Result<T, LedgerError>>,
    fence: fn(&T) -> Option<Fence>,
    put_back: F,
}

impl<T, F: Fn(Fence)> Waiting<T, F> {
    pub(crate) fn new(
        reply: oneshot::Receiver<Result<T, LedgerError>>,
        fence: fn(&T) -> Option<Fence>,
        put_back: F,
    ) -> Waiting<T, F> {
        Waiting { reply, fence, put_back }
    }

    pub(crate) async fn answer(mut self) -> Result<T, LedgerError> {
        (&mut self.reply).await.unwrap_or(Err(LedgerError::Closed))
    }
}

impl<T, F: Fn(Fence)> Drop for Waiting<T, F> {
    fn drop(&mut self) {
        // If it is not answered yet, the writer will find nobody and put it back itself. If the answer was taken,
        // there is none here any more.
        self.reply.close();
        if let Ok(Ok(value)) = self.reply.try_recv()
            && let Some(fence) = (self.fence)(&value)
        {
            (self.put_back)(fence);
        }
    }
}

/// The fence that a claim got.
pub(crate) fn granted(claimed: &Claimed) -> Option<Fence> {
    match claimed {
        Claimed::Granted(fence) => Some(*fence),
        Claimed::Taken(_) => None,
    }
}
