//! Connections in, and draining at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::route::{Connection, Gateway};

/// A client that takes longer for the head of a request is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that the head of a request may have.
const MAX_HEAD: usize = 64 * 1024;

/// Opens the listening socket.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("listen on {address}: another process listens there already; stop it, or choose another address with --listen")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("listen on {address}: not permitted; choose a port over 1023 with --listen")
        }
        _ => format!("listen on {address}: {error}; choose another address with --listen"),
    })
}

/// One thread of the gateway: it owns the connections given to it, so that a request seldom wakes another thread.
struct Worker {
    give: mpsc::UnboundedSender<Accepted>,
    thread: std::thread::JoinHandle<()>,
}

struct Accepted {
    stream: std::net::TcpStream,
    number: u64,
    /// The place among the connections that are allowed.
    place: OwnedSemaphorePermit,
}

/// Serves connections until `stop` says so, and then until the last exchange has ended.
pub(super) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    connections: usize,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(connections));
    let workers: Vec<Worker> = (0..gateway.workers()).map(|n| worker(n, &gateway, &stop)).collect();
    let mut number = 0;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let stream = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => stream,
                Err(error) => {
                    // Out of descriptors, or a client that went away at once: the next may succeed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        number += 1;
        let worker = &workers[usize::try_from(number).unwrap_or(0) % workers.len()];
        let _ = worker.give.send(Accepted { stream, number, place });
    }
    drop(listener);
    drained(&gateway).await;
    for Worker { give, thread } in workers {
        drop(give);
        let _ = thread.join();
    }
}

/// Starts thread number `n`.
fn worker(n: usize, gateway: &Arc<Gateway>, stop: &watch::Receiver<bool>) -> Worker {
    let (give, mut take) = mpsc::unbounded_channel::<Accepted>();
    let (gateway, stop) = (Arc::clone(gateway), stop.clone());
    let thread = std::thread::spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "a thread of the gateway could not start"),
        };
        runtime.block_on(async {
            while let Some(Accepted { stream, number, place }) = take.recv().await {
                let (gateway, stop) = (Arc::clone(&gateway), stop.clone());
                tokio::spawn(async move {
                    let peer = stream.peer_addr().ok().map(|address| address.ip());
                    let from = Connection {
                        number,
                        worker: n,
                        peer,
                    };
                    match TcpStream::from_std(stream) {
                        Ok(stream) => connection(stream, gateway, from, stop).await,
                        Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                    }
                    drop(place);
                });
            }
        });
    });
    Worker { give, thread }
}

async fn connection(stream: TcpStream, gateway: Arc<Gateway>, from: Connection, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.answer(request, from).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(number = from.number, %error, "a client connection ended");
    }
}

/// Waits until no exchange is on its way: stopping drains exchanges, not connections.
async fn drained(gateway: &Gateway) {
    loop {
        let changed = gateway.running.changed.notified();
        if gateway.running.count.load(Ordering::Acquire) == 0 {
            return;
        }
        // The notification may have come between the two lines above.
        let _ = tokio::time::timeout(Duration::from_millis(200), changed).await;
    }
}

/// Resolves when stopping has begun.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
