//! Answers whose origin stops in the middle: cut, so that the client sees that they are not whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::{Sleep, Timer};
use tiebreak_client::figures::AtBound;

use super::body::{Content, Cut};
use super::route::Gateway;
use super::routing::Route;
use super::timers::Timers;

/// Content that is cut where it pauses for too long.
pub(super) struct Bounded {
    inner: Content,
    limit: Duration,
    timers: Timers,
    /// While it pauses.
    timer: Option<Pin<Box<dyn Sleep>>>,
    gateway: Arc<Gateway>,
    /// What was asked for.
    asked: Uri,
}

impl std::fmt::Debug for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounded").finish_non_exhaustive()
    }
}

/// The origin sent no more.
#[derive(Debug, thiserror::Error)]
#[error("the origin sent no more of its answer for {} ms", .0.as_millis())]
struct Stalled(Duration);

/// Bounds the pauses of an answer as its route says.
pub(super) fn bound(
    gateway: &Arc<Gateway>,
    route: &Route,
    worker: usize,
    asked: Uri,
    answer: Response<Content>,
) -> Response<Content> {
    let limit = route.config.settings.values.read_idle.limit(answer.headers());
    let Some(limit) = limit.filter(|_| !answer.body().is_end_stream()) else {
        return answer;
    };
    if matches!(answer.body(), Content::Whole(_)) || gateway.observer.is_some() {
        return answer;
    }
    answer.map(|inner| {
        Content::Bounded(Box::new(Bounded {
            inner,
            limit,
            timers: gateway.timers[worker].clone(),
            timer: None,
            gateway: Arc::clone(gateway),
            asked,
        }))
    })
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if polled.is_ready() {
            this.timer = None;
            return polled;
        }
        let (timers, limit) = (&this.timers, this.limit);
        let timer = this.timer.get_or_insert_with(|| timers.sleep(limit));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(watch) = &this.gateway.engine.options().watch {
            watch.figures().at_bound(AtBound::ReadStalled);
        }
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            path = this.asked.path(),
            read_idle_timeout_ms = ms,
            "an answer was cut: the origin sent no more of it"
        );
        Poll::Ready(Some(Err(Stalled(limit).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
