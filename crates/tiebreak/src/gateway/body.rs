//! What goes back to the client.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use tiebreak_client::transport::http::Streamed;
use tiebreak_core::problem::{Kind, MEDIA_TYPE, Problem};

use super::stalled::Bounded;

/// The content of an answer.
#[derive(Debug)]
pub(super) enum Content {
    /// Held in memory.
    Whole(Full<Bytes>),
    /// Streamed from the origin.
    Streamed(Streamed),
    /// Streamed from the origin, after what was read of it already.
    Resumed(VecDeque<Bytes>, Streamed),
    /// Streamed from the origin, and [`Remembered`] once it is whole.
    Remembered(UnsyncBoxBody<Bytes, hyper::Error>),
    /// Cut where the origin pauses for too long.
    Bounded(Box<Bounded>),
}

/// Why content is cut.
pub(super) type Cut = Box<dyn Error + Send + Sync>;

/// Streamed content of which a copy is kept, for `F`; that gets `None` if it is too large to be kept.
pub(super) struct Remembered<B, F> {
    inner: B,
    kept: Kept,
    limit: usize,
    /// What is done with the copy.
    whole: Option<F>,
}

#[derive(Debug)]
enum Kept {
    Nothing,
    /// The common case: the content came in one piece, which is shared and not copied.
    One(Bytes),
    Many(BytesMut),
}

impl<B, F: FnOnce(Option<Bytes>)> Remembered<B, F> {
    pub(super) fn new(inner: B, limit: usize, whole: F) -> Remembered<B, F> {
        Remembered {
            inner,
            kept: Kept::Nothing,
            limit,
            whole: Some(whole),
        }
    }

    fn keep(&mut self, data: &Bytes) {
        if self.whole.is_none() {
            return;
        }
        self.kept = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => Kept::One(data.clone()),
            Kept::One(first) => {
                let mut all = BytesMut::from(&first[..]);
                all.extend_from_slice(data);
                Kept::Many(all)
            }
            Kept::Many(mut all) => {
                all.extend_from_slice(data);
                Kept::Many(all)
            }
        };
        if self.len() > self.limit {
            self.kept = Kept::Nothing;
            if let Some(whole) = self.whole.take() {
                whole(None);
            }
        }
    }

    fn len(&self) -> usize {
        match &self.kept {
            Kept::Nothing => 0,
            Kept::One(bytes) => bytes.len(),
            Kept::Many(bytes) => bytes.len(),
        }
    }

    /// There is no more of it.
    pub(super) fn finish(&mut self) {
        let Some(whole) = self.whole.take() else { return };
        whole(Some(match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => Bytes::new(),
            Kept::One(bytes) => bytes,
            Kept::Many(bytes) => bytes.freeze(),
        }));
    }
}

impl<B: Body<Data = Bytes> + Unpin, F: FnOnce(Option<Bytes>) + Unpin> Body for Remembered<B, F> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let body = self.get_mut();
        let polled = Pin::new(&mut body.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    body.keep(data);
                }
                // Remembered before the receiver can have the last byte: a client cannot write before it has that.
                if body.inner.is_end_stream() {
                    body.finish();
                }
            }
            Poll::Ready(Some(Err(_))) => body.whole = None,
            Poll::Ready(None) => body.finish(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Content::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Content::Streamed(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Content::Resumed(first, rest) => match first.pop_front() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => Pin::new(rest).poll_frame(cx).map_err(Into::into),
            },
            Content::Remembered(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Content::Bounded(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Whole(body) => body.is_end_stream(),
            Content::Streamed(body) => body.is_end_stream(),
            Content::Resumed(first, rest) => first.is_empty() && rest.is_end_stream(),
            Content::Remembered(body) => body.is_end_stream(),
            Content::Bounded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(body) => body.size_hint(),
            Content::Streamed(body) => body.size_hint(),
            Content::Resumed(..) => SizeHint::default(),
            Content::Remembered(body) => body.size_hint(),
            Content::Bounded(body) => body.size_hint(),
        }
    }
}

/// Content held in memory.
pub(super) fn whole(content: Bytes) -> Content {
    Content::Whole(Full::new(content))
}

/// Our own answer, outside of any exchange.
pub(super) fn problem(problem: &Problem) -> Response<Content> {
    let mut response = Response::new(whole(problem.to_bytes()));
    *response.status_mut() = http::StatusCode::from_u16(problem.status()).unwrap_or(http::StatusCode::BAD_GATEWAY);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(MEDIA_TYPE));
    if problem.kind() == Kind::Busy {
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response
}
