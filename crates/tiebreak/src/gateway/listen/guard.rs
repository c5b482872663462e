//! The bytes of a client connection on their way to and from hyper: heads are held back until they are whole and judged,
//! and a client that stops reading, or never ends a head, is given up.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::cut::{EndsByClose, Reset};
use super::framing::{Framing, Next, Refusal};

/// What stands for a refused request: hyper gives it to the service, which answers with the reason.
const STANDS_FOR_REFUSED: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// How long the rest of a request is read and thrown away after its refusal, so that the client gets to read the answer: a
/// socket that is closed over unread bytes resets the connection.
const LINGER: Duration = Duration::from_secs(2);

/// How slow a client may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// For taking the next bytes of an answer.
    pub(super) stall: Duration,
}

/// Tells the service that the request it is given next stands for a refused one.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Arc<OnceLock<Refusal>>);

impl Refused {
    fn set(&self, refusal: Refusal) {
        let _ = self.0.set(refusal);
    }

    /// Why, if so. Nothing follows such a request, and it is handed over only when all before it have been begun.
    pub(super) fn get(&self) -> Option<Refusal> {
        self.0.get().copied()
    }
}

/// A client connection.
#[derive(Debug)]
pub(super) struct Guard<S: Reset> {
    stream: S,
    /// `None`: HTTP/2, whose frames say where they end.
    framing: Option<Framing>,
    /// Came in, not judged yet.
    held: BytesMut,
    /// Judged, and not handed over yet.
    ready: BytesMut,
    /// What follows all that is ready.
    then: Then,
    refused: Refused,
    ends_by_close: EndsByClose,
    /// All that was to be written has been.
    written: bool,
    pace: Pace,
    head_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    linger: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Read,
    /// The request that stands for a refused one.
    StandIn(Refusal),
    /// The content of a request that was handed over is malformed.
    Broken,
    /// Nothing any more.
    Silence,
}

impl<S: Reset> Guard<S> {
    /// An HTTP/1.1 connection of which `first` has been read already.
    pub(super) fn http1(stream: S, first: BytesMut, max_head: usize, pace: Pace) -> Guard<S> {
        let mut guard = Guard::http2(stream, BytesMut::new(), pace);
        guard.framing = Some(Framing::new(max_head));
        guard.held = first;
        guard.judge_held();
        guard
    }

    /// An HTTP/2 connection of which `first` has been read already.
    pub(super) fn http2(stream: S, first: BytesMut, pace: Pace) -> Guard<S> {
        Guard {
            stream,
            framing: None,
            held: BytesMut::new(),
            ready: first,
            then: Then::Read,
            refused: Refused::default(),
            ends_by_close: EndsByClose::default(),
            written: false,
            pace,
            head_timer: None,
            write_timer: None,
            linger: None,
        }
    }

    /// Where the service learns of refusals.
    pub(super) fn refused(&self) -> Refused {
        self.refused.clone()
    }

    /// Where it learns of answers that end with the connection.
    pub(super) fn ends_by_close(&self) -> EndsByClose {
        self.ends_by_close.clone()
    }

    /// Judges what is held; what is in order becomes ready.
    fn judge_held(&mut self) {
        let Some(framing) = &mut self.framing else { return };
        let judged = judge(framing, &self.held);
        self.ready.unsplit(self.held.split_to(judged.pass));
        self.take_in(judged);
    }

    /// Judges what was just read, in place: nothing is copied where a head came in one piece, as nearly all do.
    fn judge_read(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let Some(framing) = &mut self.framing else { return };
        if self.held.is_empty() {
            let judged = judge(framing, &buffer.filled()[before..]);
            let end = before + judged.pass;
            self.held.extend_from_slice(&buffer.filled()[end..]);
            buffer.set_filled(end);
            self.take_in(judged);
        } else {
            self.held.extend_from_slice(&buffer.filled()[before..]);
            buffer.set_filled(before);
            self.judge_held();
        }
    }

    fn take_in(&mut self, judged: Judged) {
        if judged.pass > 0 {
            self.head_timer = None;
        }
        if let Some((refusal, at_head)) = judged.refusal {
            self.then = if at_head { Then::StandIn(refusal) } else { Then::Broken };
            self.held = BytesMut::new();
        }
    }

    /// Hands over what is ready. Returns whether there was anything.
    fn hand_over(&mut self, into: &mut ReadBuf<'_>) -> bool {
        if self.ready.is_empty() {
            return false;
        }
        let bytes = self.ready.len().min(into.remaining());
        into.put_slice(&self.ready[..bytes]);
        self.ready.advance(bytes);
        if self.ready.is_empty() {
            self.ready = BytesMut::new();
        }
        true
    }

    /// What a write that came to `polled` may do: wait for the client, but not for ever.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer = None;
            return polled;
        }
        let stall = self.pace.stall;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not take its answer",
        )))
    }
}

/// What of some bytes is in order.
struct Judged {
    pass: usize,
    /// What is wrong behind them, and whether all of the request that is wrong is still here.
    refusal: Option<(Refusal, bool)>,
}

fn judge(framing: &mut Framing, bytes: &[u8]) -> Judged {
    // Where the request that is being read began, if it did in these bytes.
    let mut began = None;
    let mut pass = 0;
    while pass < bytes.len() {
        if !framing.is_within() {
            began = Some(pass);
        }
        match framing.next(&bytes[pass..]) {
            Next::Pass(bytes) => pass += bytes,
            Next::Hold => break,
            Next::Refuse(refusal) => {
                let refusal = Some((refusal, began.is_some()));
                return Judged {
                    pass: began.unwrap_or(pass),
                    refusal,
                };
            }
        }
    }
    Judged { pass, refusal: None }
}

impl<S: AsyncRead + Reset + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_over(buffer) {
                return Poll::Ready(Ok(()));
            }
            match this.then {
                Then::Read if this.framing.is_none() => return Pin::new(&mut this.stream).poll_read(cx, buffer),
                Then::Read => {}
                Then::StandIn(refusal) => {
                    this.refused.set(refusal);
                    this.then = Then::Silence;
                    this.ready.extend_from_slice(STANDS_FOR_REFUSED);
                    continue;
                }
                Then::Broken => {
                    let why = "the content is malformed";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Then::Silence => return Poll::Pending,
            }
            let before = buffer.filled().len();
            match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                Poll::Pending if this.held.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    let limit = this.pace.head;
                    let timer = this
                        .head_timer
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    ready!(timer.as_mut().poll(cx));
                    this.held = BytesMut::new();
                    this.then = Then::StandIn(Refusal::HeadTooSlow);
                }
                Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                    this.judge_read(buffer, before);
                    if buffer.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
                ended @ Poll::Ready(_) => return ended,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Reset + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.unless_stalled(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.unless_stalled(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.unless_stalled(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.written = true;
        if this.linger.is_none() {
            let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.unless_stalled(cx, polled))?;
            if !this.framing.as_ref().is_some_and(Framing::is_within) && this.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        let timer = this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        while timer.as_mut().poll(cx).is_pending() {
            let mut bin = [std::mem::MaybeUninit::uninit(); 16 * 1024];
            let mut bin = ReadBuf::uninit(&mut bin);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut bin)) {
                Ok(()) if !bin.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Reset> Drop for Guard<S> {
    fn drop(&mut self) {
        // hyper shuts down only what it has written to the end.
        if self.ends_by_close.get() && !self.written {
            self.stream.reset();
        }
    }
}
