//! The content of a request to an origin; with `Expect: 100-continue` (RFC 9110 §10.1.1) the head goes first, and the content
//! follows once the origin asks for it, or says nothing for a while.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::Sleep;

/// An origin that says nothing to the head for so long gets the content: many know nothing of expectations.
const SILENCE: Duration = Duration::from_secs(1);

/// The content of a request to an origin.
#[derive(Debug)]
pub enum OutBody {
    /// Held in memory.
    Held(Full<Bytes>),
    /// Streamed from a client.
    Streamed(UnsyncBoxBody<Bytes, hyper::Error>),
    /// Held in memory, until the origin wants it.
    Withheld(Withheld),
}

impl OutBody {
    /// Lets the content go out without being asked for.
    pub(super) fn at_once(&self) {
        if let OutBody::Withheld(withheld) = self {
            withheld.gate.open();
        }
    }
}

impl From<Bytes> for OutBody {
    fn from(content: Bytes) -> OutBody {
        OutBody::Held(Full::new(content))
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            OutBody::Held(held) => Pin::new(held).poll_frame(cx).map_err(|never| match never {}),
            OutBody::Streamed(streamed) => Pin::new(streamed).poll_frame(cx).map_err(Into::into),
            OutBody::Withheld(withheld) => withheld.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            OutBody::Held(held) => held.is_end_stream(),
            OutBody::Streamed(streamed) => streamed.is_end_stream(),
            OutBody::Withheld(withheld) => withheld.content.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            OutBody::Held(held) => held.size_hint(),
            OutBody::Streamed(streamed) => streamed.size_hint(),
            OutBody::Withheld(withheld) => {
                SizeHint::with_exact(withheld.content.as_ref().map_or(0, |content| content.len() as u64))
            }
        }
    }
}

/// What polling content comes to.
type Polled = Poll<Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>>>;

/// Content that waits for its [`Expectation`].
#[derive(Debug)]
pub struct Withheld {
    content: Option<Bytes>,
    gate: Arc<Gate>,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Withheld {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        // It is polled for the first time when the head is written.
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENCE)));
        if silence.as_mut().poll(cx).is_ready() {
            self.gate.open();
        }
        match self.gate.look(cx.waker()) {
            Phase::Waiting | Phase::Answered => Poll::Pending,
            Phase::Wanted => Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content)))),
            Phase::Over => Poll::Ready(Some(Err("the origin answered without the content".into()))),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Neither asked for nor answered.
    Waiting,
    /// It may go out.
    Wanted,
    /// The origin has answered without it; the answer is being read.
    Answered,
    /// It will never go out.
    Over,
}

#[derive(Debug)]
struct Gate(Mutex<(Phase, Option<Waker>)>);

impl Gate {
    /// Goes over from one of `from` to `to`; says whether it did.
    fn go(&self, from: &[Phase], to: Phase) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !from.contains(&state.0) {
            return false;
        }
        state.0 = to;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
        true
    }

    fn open(&self) {
        self.go(&[Phase::Waiting], Phase::Wanted);
    }

    fn look(&self, waker: &Waker) -> Phase {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(waker.clone());
        state.0
    }
}

/// Whether the origin has got any of the content; when it is dropped before, the content never goes out.
#[derive(Debug)]
pub(super) struct Expectation(Arc<Gate>);

impl Expectation {
    /// Takes back the content of `request` until the origin wants it.
    pub(super) fn of(content: Bytes) -> (Expectation, Withheld) {
        let gate = Arc::new(Gate(Mutex::new((Phase::Waiting, None))));
        let withheld = Withheld {
            content: Some(content),
            gate: Arc::clone(&gate),
            silence: None,
        };
        (Expectation(gate), withheld)
    }

    /// Lets the content go out when the origin asks for it.
    pub(super) fn listen(&self, request: &mut http::Request<OutBody>) {
        let gate = Arc::clone(&self.0);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                gate.open();
            }
        });
    }

    /// The origin has answered: whether it did so without any of the content. None goes out then.
    pub(super) fn answered(&self) -> bool {
        self.0.go(&[Phase::Waiting], Phase::Answered)
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        self.0.go(&[Phase::Waiting, Phase::Answered], Phase::Over);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    /// How long the content took to come after the head, from a clock that goes on only when nothing else happens.
    async fn delay(answer_to_head: &'static [u8]) -> Duration {
        let (ours, mut theirs) = duplex(1024);
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.expect("a connection");
        tokio::spawn(connection);
        let (expectation, withheld) = Expectation::of(Bytes::from_static(b"content"));
        let mut request = Request::put("/x").body(OutBody::Withheld(withheld)).expect("a request");
        expectation.listen(&mut request);
        let origin = tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(theirs.read_u8().await.expect("a head"));
            }
            let begun = Instant::now();
            theirs.write_all(answer_to_head).await.expect("room");
            theirs.read_exact(&mut [0; 7]).await.expect("the content");
            let took = begun.elapsed();
            theirs.write_all(b"HTTP/1.1 204 Done\r\n\r\n").await.expect("room");
            took
        });
        let answer = sender.try_send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert!(!expectation.answered());
        origin.await.expect("an origin")
    }

    #[tokio::test(start_paused = true)]
    async fn content_goes_out_when_it_is_asked_for_or_after_the_silence() {
        assert_eq!(delay(b"HTTP/1.1 100 Continue\r\n\r\n").await, Duration::ZERO);
        let hints = delay(b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
        assert!(hints >= SILENCE && hints < 2 * SILENCE, "{hints:?}");
        let silent = delay(b"").await;
        assert!(silent >= SILENCE && silent < 2 * SILENCE, "{silent:?}");
    }
}
