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
use super::bound::{Bound, Room, Turn};
use super::content::OutBody;
use super::http2::{Shared, Stream};
use super::idle::{IdleList, MAX_IDLE, Sweep, Sweeper};
use super::origins::{Http2, Origins};
use super::places::Place;
use super::tls;

/// A write is never put on a connection that was idle, or from which nothing was heard, for longer: it may be about to close.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// A connection whose answer was read to the end takes the next request within this time, or not at all.
const SETTLES: Duration = Duration::from_millis(10);

/// A read goes out on an HTTP/2 connection that was silent for less.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Connections, by authority.
#[derive(Debug, Default)]
pub(super) struct Pool {
    origins: Arc<Origins>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Few, as a rule one: that is found by comparing sooner than by hashing.
    kept: BTreeMap<Authority, Kept>,
    sweeper: Sweeper,
}

/// What is kept of one origin.
#[derive(Debug)]
struct Kept {
    /// But for origins with a [`Bound`], which keeps theirs.
    idle: IdleList,
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
            idle: IdleList::default(),
            shared: None,
            declined: None,
            connecting: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The right to send one request on a connection to an origin.
#[derive(Debug)]
pub(super) enum Made {
    /// A connection of its own.
    Http1 {
        sender: SendRequest<OutBody>,
        /// How often what is said of origins had changed when it was made.
        changes: u64,
        /// Where there are only so many.
        turn: Option<Turn>,
    },
    /// A place on one that is shared.
    Http2(Stream),
}

/// How long the steps towards a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    /// Making one.
    pub(super) connect: Duration,
    /// Waiting for a place, where others have them all.
    pub(super) place: Duration,
    /// All of them together; `None`: as long as they take.
    pub(super) by: Option<Instant>,
}

impl Within {
    fn place(&self) -> Duration {
        self.place.min(self.left())
    }

    fn connect(&self) -> Duration {
        self.connect.min(self.left())
    }

    fn left(&self) -> Duration {
        let left = |by: Instant| by.saturating_duration_since(Instant::now());
        self.by.map_or(Duration::MAX, left)
    }
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

    /// A connection that can take a request now; with `fresh` none from which nothing was heard for long.
    pub(super) async fn take(&self, to: &Authority, fresh: bool, within: Within) -> Result<Made, NotSent> {
        let changes = self.origins.changes();
        loop {
            while let Some(found) = self.find(to, fresh, changes) {
                match found {
                    Found::Idle(mut sender) => {
                        if is_ready(&mut sender).await {
                            return Ok(Made::Http1 {
                                sender,
                                changes,
                                turn: None,
                            });
                        }
                    }
                    Found::Shared(shared) => match timeout(within.place(), shared.stream()).await {
                        Ok(Some(stream)) => return Ok(Made::Http2(stream)),
                        Ok(None) => {}
                        Err(_) => return Err(NotSent::NoStream),
                    },
                }
            }
            // Boxed: whoever finds a connection need not carry the room that making one takes.
            if let Some(made) = Box::pin(self.make(to, fresh, changes, within)).await? {
                return Ok(made);
            }
        }
    }

    /// What is at hand; what is too old is let go.
    fn find(&self, to: &Authority, fresh: bool, changes: u64) -> Option<Found> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = state.kept.get_mut(to)?;
        if let Some((shared, made)) = &kept.shared {
            if *made == changes && shared.is_usable(silence(fresh)) {
                return Some(Found::Shared(Arc::clone(shared)));
            }
            kept.shared = None;
        }
        kept.idle.pop(idleness(fresh), changes).map(Found::Idle)
    }

    /// Makes a connection; `None`: somebody else has made one in the meantime that may be shared, or has found that none is.
    async fn make(&self, to: &Authority, fresh: bool, changes: u64, within: Within) -> Result<Option<Made>, NotSent> {
        // First, since nobody is kept from connecting by one who has no place to do so.
        let place = match self.origins.bound(to) {
            None => None,
            Some(bound) => {
                let room = timeout(within.place(), room(&bound, idleness(fresh), changes));
                match room.await.ok().flatten().ok_or(NotSent::NoPlace)? {
                    (turn, Room::Idle(sender)) => {
                        let turn = Some(turn);
                        return Ok(Some(Made::Http1 { sender, changes, turn }));
                    }
                    (turn, Room::New(place)) => Some((turn, place)),
                }
            }
        };
        let _alone = match self.alone(to, changes) {
            None => None,
            Some(alone) => {
                let waiting = timeout(within.connect(), alone.acquire_owned());
                let alone = waiting.await.map_err(|_| NotSent::ConnectTimeout)?;
                if self.is_connected(to, fresh, changes) {
                    return Ok(None);
                }
                Some(alone)
            }
        };
        self.connect(to, changes, within, place).await.map(Some)
    }

    /// The right to connect, where others may share what is made.
    fn alone(&self, to: &Authority, changes: u64) -> Option<Arc<Semaphore>> {
        if self.origins.http2(to) == Http2::Off {
            return None;
        }
        self.with(to, |kept| {
            (kept.declined != Some(changes)).then(|| Arc::clone(&kept.connecting))
        })
    }

    /// Whether somebody has made what others may share, or found that nothing is shared with this origin.
    fn is_connected(&self, to: &Authority, fresh: bool, changes: u64) -> bool {
        let limit = silence(fresh);
        self.with(to, |kept| {
            let shared = kept.shared.as_ref();
            kept.declined == Some(changes) || shared.is_some_and(|(s, made)| *made == changes && s.is_usable(limit))
        })
    }

    async fn connect(
        &self,
        to: &Authority,
        changes: u64,
        within: Within,
        room: Option<(Turn, Place)>,
    ) -> Result<Made, NotSent> {
        let http2 = self.origins.http2(to);
        let (turn, place) = room.unzip();
        let connected = timeout(within.connect(), connect(to, &self.origins, http2, place));
        match connected.await.map_err(|_| NotSent::ConnectTimeout)?? {
            Connected::Http1(sender) => {
                if http2 == Http2::Offered {
                    self.with(to, |kept| kept.declined = Some(changes));
                }
                Ok(Made::Http1 { sender, changes, turn })
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner).with(to, of)
    }

    /// Gives a connection back after its answer was read to the end.
    pub(super) fn put(self: &Arc<Self>, to: &Authority, made: Made) {
        let Made::Http1 { sender, changes, turn } = made else {
            return;
        };
        if sender.is_closed() || changes != self.origins.changes() {
            return;
        }
        if let Some(turn) = turn {
            return turn.put(sender, changes);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.with(to, |kept| kept.idle.push(sender, changes));
        state.sweeper.wake(self);
    }
}

impl State {
    fn with<T>(&mut self, to: &Authority, of: impl FnOnce(&mut Kept) -> T) -> T {
        match self.kept.get_mut(to) {
            Some(kept) => of(kept),
            None => of(self.kept.entry(to.clone()).or_default()),
        }
    }
}

impl Sweep for Pool {
    fn sweep(&self) -> Option<Instant> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let next = state.kept.values_mut().filter_map(|kept| kept.idle.sweep(now)).min();
        if next.is_none() {
            state.sweeper = Sweeper::default();
        }
        next
    }
}

/// How long a connection may have been idle.
fn idleness(fresh: bool) -> Duration {
    if fresh { FRESH } else { MAX_IDLE }
}

/// How long nothing may have come on a connection that is shared.
fn silence(fresh: bool) -> Duration {
    if fresh { FRESH } else { MAX_SILENCE }
}

/// A connection that was idle for less than `limit`, or room for a new one; `None` is never said.
async fn room(bound: &Arc<Bound>, limit: Duration, changes: u64) -> Option<(Turn, Room)> {
    let turn = bound.turn().await?;
    loop {
        let mut room = turn.room(limit, changes).await?;
        let usable = match &mut room {
            Room::Idle(sender) => is_ready(sender).await,
            Room::New(_) => true,
        };
        if usable {
            return Some((turn, room));
        }
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

/// Makes a connection, which has this place until it has ended.
async fn connect(to: &Authority, origins: &Origins, http2: Http2, place: Option<Place>) -> Result<Connected, NotSent> {
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
        handshake(stream, agreed, origins.ping(to), place).await
    } else {
        handshake(stream, http2 == Http2::Prior, origins.ping(to), place).await
    }
}

async fn handshake<S>(stream: S, http2: bool, ping: Duration, place: Option<Place>) -> Result<Connected, NotSent>
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
        let _until_it_is_closed = place;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an origin ended");
        }
    });
    Ok(Connected::Http1(sender))
}

/// A pool that the parts of a transport share.
pub(super) type SharedPool = Arc<Pool>;

#[cfg(test)]
mod tests;
