//! Connections in, and draining at the end.
//!
//! | file | what |
//! |---|---|
//! | `address` | where to listen |
//! | `full` | connections over a bound: counted and told |
//! | `connection` | one connection: which HTTP it speaks |
//! | `cut` | answers that end with their connection, and do not look whole when they are cut |
//! | `guard` | its bytes: heads held back until they are judged, slow clients given up |
//! | `tls`, `identity` | TLS, with files that are read anew when they change; who a client is by its certificate |
//! | `framing`, `chunks` | where requests begin and end, read strictly |

mod address;
mod chunks;
mod connection;
mod cut;
mod framing;
mod full;
mod guard;
mod identity;
mod tls;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tiebreak_core::problem::{Kind, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

pub(crate) use self::address::Address;
use self::address::{Listener, Stream};
use self::full::{Full, Refusals};
pub(crate) use self::identity::Identity;
pub(crate) use self::tls::{ClientAuth, Clients, Tls};
use super::forwarding::Peer;
use super::limits::{Place, Places};
use super::route::{Connection, Gateway};

/// Connections over the bound that are told so at the same time; more are closed without a word.
const TURNED_AWAY: usize = 256;

/// How long such a connection may take.
const TURNING_AWAY: Duration = Duration::from_secs(2);

/// How long the answers that are still being read may take in the end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// The listening sockets.
#[derive(Debug)]
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    /// Opens the sockets; the error completes "failed to …".
    pub(super) async fn open(addresses: &[Address]) -> Result<Listeners, String> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            listeners.push(Listener::open(address).await?);
        }
        Ok(Listeners(listeners))
    }

    /// Where clients reach them.
    pub(super) fn told(&self) -> Vec<Address> {
        self.0.iter().filter_map(|l| l.told().ok()).collect()
    }
}

/// One thread of the gateway: it owns the connections given to it, so that a request seldom wakes another thread.
struct Worker {
    give: mpsc::UnboundedSender<Accepted>,
    thread: std::thread::JoinHandle<()>,
}

struct Accepted {
    stream: Stream,
    number: u64,
    /// The place among the connections that are allowed.
    place: Placed,
}

/// A place among all connections, and among those of its address.
struct Placed {
    _total: OwnedSemaphorePermit,
    _address: Option<Place<IpAddr>>,
}

/// Serves connections until `stop` says so, and then until the last exchange has ended and the last answer is written, but
/// no longer than the bound on draining.
pub(super) async fn serve(listeners: Listeners, gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let total = Arc::new(Semaphore::new(gateway.limits.max_connections));
    let places = Places::new(gateway.limits.max_connections_per_address);
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let refusals = Refusals::default();
    let workers: Vec<Worker> = (0..gateway.workers()).map(|n| worker(n, &gateway, &stop)).collect();
    let (queue, mut accepted) = mpsc::channel(16);
    let accepting: Vec<_> = listeners
        .0
        .into_iter()
        .map(|listener| tokio::spawn(accept(listener, queue.clone())))
        .collect();
    drop(queue);
    let mut number = 0;
    loop {
        let stream = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            stream = accepted.recv() => match stream {
                Some(stream) => stream,
                None => break,
            },
        };
        let place = match place(&total, &places, &stream) {
            Ok(place) => place,
            Err(full) => {
                refusals.refused(&gateway, full);
                // Over TLS there is nobody yet to say it to.
                if let (None, Ok(permit)) = (&gateway.tls, Arc::clone(&turned_away).try_acquire_owned()) {
                    tokio::spawn(async move {
                        turn_away(stream, full.why()).await;
                        drop(permit);
                    });
                }
                continue;
            }
        };
        number += 1;
        let worker = &workers[usize::try_from(number).unwrap_or(0) % workers.len()];
        let _ = worker.give.send(Accepted { stream, number, place });
    }
    for task in accepting {
        task.abort();
        let _ = task.await;
    }
    let until = Instant::now() + gateway.limits.drain_timeout;
    if tokio::time::timeout_at(until, drained(&gateway)).await.is_err() {
        let count = gateway.running.count.load(Ordering::Acquire);
        tracing::warn!(
            count,
            "the time for draining is over; the writes on their way are in doubt"
        );
    }
    for Worker { give, thread } in workers {
        drop(give);
        let _ = thread.join();
    }
}

/// Takes connections in, until it is aborted.
async fn accept(listener: Listener, queue: mpsc::Sender<Stream>) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                if queue.send(stream).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of descriptors, or a client that went away at once: the next may succeed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

fn place(total: &Arc<Semaphore>, places: &Arc<Places<IpAddr>>, stream: &Stream) -> Result<Placed, Full> {
    let _total = Arc::clone(total).try_acquire_owned().map_err(|_| Full::All)?;
    let _address = match stream {
        Stream::Tcp(_, from) => Some(places.take(*from).ok_or(Full::Address(*from))?),
        Stream::Unix(_) => None,
    };
    Ok(Placed { _total, _address })
}

/// Says why a connection is not served, and closes it.
async fn turn_away(stream: Stream, why: &str) {
    let content = Problem::new(Kind::Busy, why).to_bytes();
    let mut answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        content.len()
    )
    .into_bytes();
    answer.extend_from_slice(&content);
    let _ = tokio::time::timeout(TURNING_AWAY, async {
        match stream {
            Stream::Tcp(stream, _) => say(TcpStream::from_std(stream)?, &answer).await,
            Stream::Unix(stream) => say(UnixStream::from_std(stream)?, &answer).await,
        }
    })
    .await;
}

/// Reads on until the client closes: a socket closed over unread bytes takes the answer with it.
async fn say<S>(mut stream: S, answer: &[u8]) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut bin = [0; 4096];
    while stream.read(&mut bin).await? > 0 {}
    Ok(())
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
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = take.recv() => match accepted {
                        Some(accepted) => {
                            connections.spawn(connection(accepted, n, Arc::clone(&gateway), stop.clone()));
                        }
                        None => break,
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
            let last_answers = async { while connections.join_next().await.is_some() {} };
            let limit = gateway.limits.drain_timeout.min(LAST_ANSWERS);
            if tokio::time::timeout(limit, last_answers).await.is_err() {
                tracing::warn!("answers that were still being read are cut off");
            }
        });
    });
    Worker { give, thread }
}

async fn connection(accepted: Accepted, worker: usize, gateway: Arc<Gateway>, stop: watch::Receiver<bool>) {
    let Accepted { stream, number, place } = accepted;
    let tls = gateway.tls.clone().filter(|_| matches!(stream, Stream::Tcp(..)));
    let from = |address, certificate| {
        let peer = Arc::new(Peer::new(address, tls.is_some(), certificate));
        Connection { number, worker, peer }
    };
    let served = match stream {
        Stream::Tcp(stream, address) => {
            match (TcpStream::from_std(stream), tls.as_ref().map(|tls| tls.acceptor())) {
                (Ok(stream), None) => {
                    let _ = stream.set_nodelay(true);
                    connection::serve(stream, gateway, from(Some(address), None), stop).await;
                    Ok(())
                }
                (Ok(stream), Some(acceptor)) => {
                    let _ = stream.set_nodelay(true);
                    // A client that takes longer holds a place for nothing.
                    let handshake = tokio::time::timeout(gateway.limits.head_timeout, acceptor.accept(stream));
                    match handshake.await {
                        Ok(Ok(stream)) => {
                            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                            let certificate = shown.and_then(Identity::of);
                            if let Some(identity) = &certificate {
                                tracing::debug!(number, %identity, "a client has shown its certificate");
                            }
                            let from = from(Some(address), certificate);
                            Box::pin(connection::serve(stream, gateway, from, stop)).await;
                        }
                        Ok(Err(error)) => tracing::debug!(number, %error, "a TLS handshake failed"),
                        Err(_) => tracing::debug!(number, "a TLS handshake took too long"),
                    }
                    Ok(())
                }
                (Err(error), _) => Err(error),
            }
        }
        Stream::Unix(stream) => match UnixStream::from_std(stream) {
            Ok(stream) => {
                connection::serve(stream, gateway, from(None, None), stop).await;
                Ok(())
            }
            Err(error) => Err(error),
        },
    };
    if let Err(error) = served {
        tracing::warn!(%error, "a connection could not be taken over");
    }
    drop(place);
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
