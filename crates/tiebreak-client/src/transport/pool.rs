//! Connections to origins, kept for reuse: to an HTTP/1.1 origin as many as there are requests at a time, to an HTTP/2 origin one.
//!
//! Our own, since the pools at hand either repeat requests silently or hide whether one was serialised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tiebreak_core::delivery::NotSent;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::authority::Authority;
use super::content::OutBody;
use super::http2::{Shared, Stream};
use super::origins::{Http2, Origins};
use super::tls;

/// A write is never put on a connection that was idle, or from which nothing was heard, for longer: it may be about to close.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// A connection whose answer was read to the end takes the next request within this time, or not at all.
const SETTLES: Duration = Duration::from_millis(10);

const MAX_IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_AUTHORITY: usize = 512;

/// Connections, by authority.
#[derive(Debug, Default)]
pub(super) struct Pool {
    origins: Arc<Origins>,
    /// Few, as a rule one: that is found by comparing sooner than by hashing.
    kept: Mutex<BTreeMap<Authority, Kept>>,
}

/// What is kept of one origin.
#[derive(Debug)]
struct Kept {
    idle: Vec<Idle>,
    /// The HTTP/2 connection, and how often what is said of origins had changed when it was made.
    shared: Option<(Arc<Shared>, u64)>,
    /// At which count of changes HTTP/2 was offered to it, and it chose HTTP/1.1.
    declined: Option<u64>,
    /// Held by the one who makes a connection that others may share.
    connecting: Arc<Semaphore>,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            idle: Vec::new(),
            shared: None,
            declined: None,
            connecting: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The right to send one request on a connection to an origin.
#[derive(Debug)]
pub(super) enum Made {
    /// A connection of its own, and how often what is said of origins had changed when it was made.
    Http1(SendRequest<OutBody>, u64),
    /// A place on one that is shared.
    Http2(Stream),
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<OutBody>,
    changes: u64,
    since: Instant,
}

enum Found {
    Idle(SendRequest<OutBody>),
    Shared(Arc<Shared>),
}

impl Made {
    /// Whether others send requests on the same connection.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Made::Http2(_))
    }
}

impl Pool {
    pub(super) fn new(origins: Arc<Origins>) -> Pool {
        Pool {
            origins,
            ..Pool::default()
        }
    }

    /// What is said of origins.
    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// A connection that can take a request now. With `fresh` none from which nothing was heard for long, and no step takes
    /// longer than `within`; else it may take as long as the caller has patience until the origin takes one more request.
    pub(super) async fn take(&self, to: &Authority, fresh: bool, within: Duration) -> Result<Made, NotSent> {
        let changes = self.origins.changes();
        let limit = if fresh { FRESH } else { MAX_IDLE };
        loop {
            while let Some(found) = self.find(to, limit, changes) {
                match found {
                    Found::Idle(mut sender) => {
                        if is_ready(&mut sender).await {
                            return Ok(Made::Http1(sender, changes));
                        }
                    }
                    Found::Shared(shared) if fresh => match timeout(within, shared.stream()).await {
                        Ok(Some(stream)) => return Ok(Made::Http2(stream)),
                        Ok(None) => {}
                        Err(_) => return Err(NotSent::NoStream),
                    },
                    Found::Shared(shared) => {
                        if let Some(stream) = shared.stream().await {
                            return Ok(Made::Http2(stream));
                        }
                    }
                }
            }
            // Boxed: whoever finds a connection need not carry the room that making one takes.
            let Some(turn) = self.turn(to, changes) else {
                return Box::pin(self.connect(to, changes, within)).await;
            };
            let waiting = timeout(within, turn.acquire_owned());
            let _turn = waiting.await.map_err(|_| NotSent::ConnectTimeout)?;
            // Somebody else may have connected in the meantime.
            if !self.is_connected(to, limit, changes) {
                return Box::pin(self.connect(to, changes, within)).await;
            }
        }
    }

    /// What is at hand; what is too old is let go.
    fn find(&self, to: &Authority, limit: Duration, changes: u64) -> Option<Found> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get_mut(to)?;
        if let Some((shared, made)) = &kept.shared {
            if *made == changes && shared.is_usable(limit) {
                return Some(Found::Shared(Arc::clone(shared)));
            }
            kept.shared = None;
        }
        while let Some(idle) = kept.idle.pop() {
            if idle.since.elapsed() < limit && idle.changes == changes && !idle.sender.is_closed() {
                return Some(Found::Idle(idle.sender));
            }
        }
        None
    }

    /// The right to connect, where others may share what is made.
    fn turn(&self, to: &Authority, changes: u64) -> Option<Arc<Semaphore>> {
        if self.origins.http2(to) == Http2::Off {
            return None;
        }
        self.with(to, |kept| {
            (kept.declined != Some(changes)).then(|| Arc::clone(&kept.connecting))
        })
    }

    /// Whether somebody has made what others may share, or found that nothing is shared with this origin.
    fn is_connected(&self, to: &Authority, limit: Duration, changes: u64) -> bool {
        self.with(to, |kept| {
            let shared = kept.shared.as_ref();
            kept.declined == Some(changes) || shared.is_some_and(|(s, made)| *made == changes && s.is_usable(limit))
        })
    }

    async fn connect(&self, to: &Authority, changes: u64, within: Duration) -> Result<Made, NotSent> {
        let http2 = self.origins.http2(to);
        let connected = timeout(within, connect(to, &self.origins, http2));
        match connected.await.map_err(|_| NotSent::ConnectTimeout)?? {
            Connected::Http1(sender) => {
                if http2 == Http2::Offered {
                    self.with(to, |kept| kept.declined = Some(changes));
                }
                Ok(Made::Http1(sender, changes))
            }
            Connected::Http2(shared) => {
                // Nobody else knows it yet, so there is a place.
                let stream = shared.stream().await.ok_or(NotSent::ClosedBeforeSend)?;
                self.with(to, |kept| kept.shared = Some((Arc::new(shared), changes)));
                Ok(Made::Http2(stream))
            }
        }
    }

    fn with<T>(&self, to: &Authority, of: impl FnOnce(&mut Kept) -> T) -> T {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(to) {
            Some(kept) => of(kept),
            None => of(all.entry(to.clone()).or_default()),
        }
    }

    /// Gives a connection back after its answer was read to the end.
    pub(super) fn put(&self, to: &Authority, made: Made) {
        let Made::Http1(sender, changes) = made else { return };
        if sender.is_closed() {
            return;
        }
        self.with(to, |kept| {
            let list = &mut kept.idle;
            if list.len() >= IDLE_PER_AUTHORITY {
                list.retain(|i| i.since.elapsed() < MAX_IDLE && !i.sender.is_closed());
            }
            if list.len() < IDLE_PER_AUTHORITY {
                list.push(Idle {
                    sender,
                    changes,
                    since: Instant::now(),
                });
            }
        });
    }
}

/// Whether the connection can take a request at once; one that is still busy with the end of the last is left alone.
async fn is_ready(sender: &mut SendRequest<OutBody>) -> bool {
    sender.is_ready() || timeout(SETTLES, sender.ready()).await.is_ok_and(|ready| ready.is_ok())
}

enum Connected {
    Http1(SendRequest<OutBody>),
    Http2(Shared),
}

async fn connect(to: &Authority, origins: &Origins, http2: Http2) -> Result<Connected, NotSent> {
    let addresses = tokio::net::lookup_host((to.host.as_str(), to.port))
        .await
        .map_err(|_| NotSent::NameNotFound)?;
    let mut stream = None;
    for address in addresses {
        if let Ok(connected) = TcpStream::connect(address).await {
            stream = Some(connected);
            break;
        }
    }
    let stream = stream.ok_or(NotSent::Unreachable)?;
    // Without this a small request may wait 40 ms for an acknowledgement.
    let _ = stream.set_nodelay(true);
    if to.tls {
        let own = origins.tls(to);
        let stream = tls::connect(&to.host, stream, own.as_deref())
            .await
            .map_err(|_| NotSent::Tls)?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
        handshake(stream, agreed, origins.ping(to)).await
    } else {
        handshake(stream, http2 == Http2::Prior, origins.ping(to)).await
    }
}

async fn handshake<S>(stream: S, http2: bool, ping: Duration) -> Result<Connected, NotSent>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if http2 {
        let opened = Shared::open(stream, ping).await;
        return opened.map(Connected::Http2).map_err(|_| NotSent::ClosedBeforeSend);
    }
    let (sender, connection) = http1::Builder::new()
        .max_headers(256)
        .writev(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| NotSent::ClosedBeforeSend)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an origin ended");
        }
    });
    Ok(Connected::Http1(sender))
}

/// A pool that the parts of a transport share.
pub(super) type SharedPool = Arc<Pool>;
