//! HTTP/2 to an origin (RFC 9113): one connection for many requests at a time.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use http::uri::Scheme;
use http::{Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tiebreak_core::delivery::NotSent;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::content::OutBody;
use super::heard::{Heard, LastHeard};
use super::places::{Place, Places};

/// At most so many requests at a time on one connection, whatever the origin would take.
const MOST_STREAMS: u32 = 256;

/// Bytes of one answer that may be on the way before they are taken.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Room for that much of every answer: one that nobody takes holds up no other.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MOST_STREAMS;

/// Bytes of an answer's head.
const MAX_HEAD: u32 = 256 * 1024;

/// A connection that requests share.
#[derive(Debug)]
pub(super) struct Shared {
    sender: SendRequest<OutBody>,
    streams: Arc<Places>,
    heard: LastHeard,
}

/// The right to send one request on a shared connection.
#[derive(Debug)]
pub(super) struct Stream {
    sender: SendRequest<OutBody>,
    _place: Place,
}

impl Shared {
    /// Opens the connection; see [`super::origins::OriginSettings::ping`].
    pub(super) async fn open<S>(stream: S, ping: Duration) -> hyper::Result<Shared>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, heard) = Heard::new(stream);
        let (give, work) = mpsc::unbounded_channel();
        let (sender, connection) = Builder::new(Together(give))
            .timer(TokioTimer::new())
            .initial_max_send_streams(1)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .max_header_list_size(MAX_HEAD)
            .keep_alive_interval(ping)
            .keep_alive_timeout(ping)
            .handshake(TokioIo::new(stream))
            .await?;
        // One request may go out before the origin has said how many it takes.
        let streams = Places::new(1);
        tokio::spawn(drive(connection, work, Arc::clone(&streams)));
        Ok(Shared { sender, streams, heard })
    }

    /// Whether it takes requests, and was heard from within `limit`.
    pub(super) fn is_usable(&self, limit: Duration) -> bool {
        !self.sender.is_closed() && self.heard.silence() < limit
    }

    /// Waits until the origin takes one more request at a time; `None`: the connection ended.
    pub(super) async fn stream(&self) -> Option<Stream> {
        let place = self.streams.place().await?;
        Some(Stream {
            sender: self.sender.clone(),
            _place: place,
        })
    }
}

impl Stream {
    /// Sends a request that has the form of HTTP/1.1.
    pub(super) async fn send(
        &mut self,
        request: Request<OutBody>,
        scheme: Scheme,
    ) -> Result<Response<Incoming>, TrySendError<Request<OutBody>>> {
        self.sender.try_send_request(in_http2_form(request, scheme)).await
    }
}

/// An absolute target instead of a `Host` field, and no fields of HTTP/1.1 connections (RFC 9113 §8.2.2, §8.3.1).
fn in_http2_form(mut request: Request<OutBody>, scheme: Scheme) -> Request<OutBody> {
    let host = request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::TRANSFER_ENCODING);
    if request.headers_mut().remove(header::EXPECT).is_some() {
        // hyper does not tell of 100 (Continue) on HTTP/2.
        request.body().at_once();
    }
    let mut target = request.uri().clone().into_parts();
    target.scheme = Some(scheme);
    target.authority = host.and_then(|host| host.to_str().ok()?.parse().ok());
    if let Ok(target) = Uri::from_parts(target) {
        *request.uri_mut() = target;
    }
    *request.version_mut() = Version::HTTP_2;
    request
}

/// What a failure proves, if the origin itself has said that it did not look at the request.
///
/// REFUSED_STREAM says so (RFC 9113 §8.7), and so does GOAWAY for the requests after the last one that it names (§6.8). h2 gives
/// an error of the peer's GOAWAY to those requests only; the others go on, and get an error of their own if the connection breaks.
pub(super) fn proof(error: &hyper::Error) -> Option<NotSent> {
    let error = error.source()?.downcast_ref::<h2::Error>()?;
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    match (error.is_remote(), refused, error.is_go_away()) {
        (true, true, _) => Some(NotSent::Refused),
        (true, _, true) => Some(NotSent::GoingAway),
        _ => None,
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs all that belongs to one connection within one task, so that no frame is read between two steps of sending a request:
/// else a GOAWAY that came in between would be told to a request that it does not name.
#[derive(Debug, Clone)]
struct Together(mpsc::UnboundedSender<Work>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Together {
    fn execute(&self, work: F) {
        let _ = self.0.send(Box::pin(work));
    }
}

async fn drive<I>(
    connection: Connection<I, OutBody, Together>,
    mut more: mpsc::UnboundedReceiver<Work>,
    streams: Arc<Places>,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut sending = Some(connection);
    let mut work = FuturesUnordered::new();
    poll_fn(|cx| {
        loop {
            while let Poll::Ready(Some(())) = work.poll_next_unpin(cx) {}
            match sending.as_mut().map(|open| Pin::new(open).poll(cx)) {
                Some(Poll::Ready(ended)) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an HTTP/2 connection to an origin ended");
                    }
                    // It waits for this before it closes: what is still on its way goes on.
                    sending = None;
                    streams.close();
                }
                Some(Poll::Pending) | None => {}
            }
            if let Some(open) = &sending {
                streams.allow(open.current_max_send_streams().min(MOST_STREAMS as usize));
            }
            let before = work.len();
            while let Poll::Ready(Some(new)) = more.poll_recv(cx) {
                work.push(new);
            }
            if work.len() == before {
                return match (&sending, work.is_empty()) {
                    (None, true) => Poll::Ready(()),
                    _ => Poll::Pending,
                };
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::advance;

    use super::*;

    /// An empty SETTINGS frame (RFC 9113 §6.5).
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_fresh_while_it_is_heard_from() {
        let (ours, mut theirs) = duplex(64 * 1024);
        let shared = Shared::open(ours, Duration::from_secs(60)).await.expect("a connection");
        advance(Duration::from_secs(2)).await;
        assert!(!shared.is_usable(Duration::from_secs(1)));
        assert!(shared.is_usable(Duration::from_secs(3)));
        theirs.write_all(&SETTINGS).await.expect("room");
        // The clock goes on only when all that has come is read.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(shared.is_usable(Duration::from_secs(1)));
    }
}
