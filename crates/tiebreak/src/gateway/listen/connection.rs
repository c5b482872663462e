//! One client connection: which HTTP it speaks, and its requests.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;

use super::cut::Reset;
use super::guard::{Guard, Pace};
use super::stopped;
use crate::gateway::body::problem;
use crate::gateway::limits::Limits;
use crate::gateway::route::{Connection, Gateway};

/// What an HTTP/2 client says first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// Bytes of content that one HTTP/2 stream, and one connection, may have on the way before they are taken.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Serves the requests of one connection until it ends, or until stopping has begun and the last one is answered.
pub(super) async fn serve<S>(mut stream: S, gateway: Arc<Gateway>, from: Connection, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
{
    let limits = &gateway.limits;
    let pace = Pace {
        head: limits.head_timeout,
        stall: limits.stall_timeout,
    };
    let opened = tokio::select! {
        biased;
        opened = open(&mut stream, limits.idle_timeout) => opened,
        () = stopped(&mut stop) => return,
    };
    let number = from.number;
    let ended = match opened {
        Ok(Opened::Http1(first)) => {
            let guard = Guard::http1(stream, first, limits.max_head, pace);
            http1(guard, gateway, from, stop).await
        }
        Ok(Opened::Http2(first)) => http2(Guard::http2(stream, first, pace), gateway, from, stop).await,
        Err(error) => return tracing::debug!(number, %error, "a client connection ended before its first request"),
    };
    if let Err(error) = ended {
        tracing::debug!(number, %error, "a client connection ended");
    }
}

async fn http1<S>(
    guard: Guard<S>,
    gateway: Arc<Gateway>,
    from: Connection,
    stop: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
{
    let refused = guard.refused();
    let Limits { idle_timeout, .. } = gateway.limits;
    // hyper's own bound on heads must not be reached before the guard's.
    let buffer = gateway.limits.max_head + 16 * 1024;
    let timers = gateway.timers[from.worker].clone();
    let ends_by_close = guard.ends_by_close();
    let service = service_fn(move |request: Request<Incoming>| {
        let (gateway, from) = (Arc::clone(&gateway), from.clone());
        let (refusal, ends_by_close) = (refused.get(), ends_by_close.clone());
        async move {
            match refusal {
                None => {
                    let asked = request.version();
                    let answer = gateway.answer(request, from).await;
                    ends_by_close.note(asked, &answer);
                    Ok::<_, Infallible>(answer)
                }
                Some(refusal) => {
                    let refusal = refusal.problem();
                    gateway.turned_away(refusal.kind());
                    Ok(problem(&refusal))
                }
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(timers)
        .writev(false)
        .header_read_timeout(idle_timeout)
        .max_buf_size(buffer)
        .serve_connection(TokioIo::new(guard), service);
    until_stopped(connection, stop).await
}

async fn http2<S>(
    guard: Guard<S>,
    gateway: Arc<Gateway>,
    from: Connection,
    stop: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
{
    let Limits {
        idle_timeout,
        stall_timeout,
        ..
    } = gateway.limits;
    let max_head = u32::try_from(gateway.limits.max_head).unwrap_or(u32::MAX);
    let service = service_fn(move |request| {
        let (gateway, from) = (Arc::clone(&gateway), from.clone());
        async move { Ok::<_, Infallible>(gateway.answer(request, from).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(max_head)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .keep_alive_interval(idle_timeout)
        .keep_alive_timeout(stall_timeout)
        .serve_connection(TokioIo::new(guard), service);
    until_stopped(connection, stop).await
}

/// Lets the connection run; once stopping has begun, only until its last request is answered.
async fn until_stopped<C>(connection: C, mut stop: watch::Receiver<bool>) -> hyper::Result<()>
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Which HTTP a connection speaks, and what was read to find out.
enum Opened {
    Http1(BytesMut),
    Http2(BytesMut),
}

/// Reads until the first bytes are HTTP/2's preface, or cannot become it.
async fn open<S: AsyncRead + Unpin>(stream: &mut S, within: Duration) -> io::Result<Opened> {
    let mut first = BytesMut::with_capacity(4096);
    let reading = async {
        loop {
            if stream.read_buf(&mut first).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let compared = first.len().min(PREFACE.len());
            if first[..compared] != PREFACE[..compared] {
                return Ok(false);
            }
            if compared == PREFACE.len() {
                return Ok(true);
            }
        }
    };
    let is_http2: io::Result<bool> = tokio::time::timeout(within, reading)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    Ok(if is_http2? {
        Opened::Http2(first)
    } else {
        Opened::Http1(first)
    })
}
