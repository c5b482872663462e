//! Connections to origins, kept for reuse.
//!
//! Our own, since the pools at hand either repeat requests silently or hide whether one was serialised.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tiebreak_core::delivery::NotSent;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::authority::Authority;
use super::http::OutBody;
use super::origins::Origins;
use super::tls;

/// A write is never put on a connection that was idle for longer: the origin may be about to close it.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// A connection whose answer was read to the end takes the next request within this time, or not at all.
const SETTLES: Duration = Duration::from_millis(10);

const MAX_IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_AUTHORITY: usize = 512;

/// Idle connections, by authority.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<Authority, Vec<Idle>>>,
    origins: Arc<Origins>,
}

/// A connection to an origin.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) sender: SendRequest<OutBody>,
    /// How often what is said of origins had changed when it was made.
    changes: u64,
}

#[derive(Debug)]
struct Idle {
    made: Made,
    since: Instant,
}

impl Pool {
    pub(super) fn new(origins: Arc<Origins>) -> Pool {
        Pool {
            origins,
            ..Pool::default()
        }
    }

    /// A connection that can take a request now; with `fresh`, none that was idle for long.
    pub(super) async fn take(&self, to: &Authority, fresh: bool, within: Duration) -> Result<Made, NotSent> {
        let changes = self.origins.changes();
        while let Some(Idle { mut made, since }) = self.pop(to) {
            let limit = if fresh { FRESH } else { MAX_IDLE };
            let usable = since.elapsed() < limit && made.changes == changes && !made.sender.is_closed();
            if usable && is_ready(&mut made.sender).await {
                return Ok(made);
            }
        }
        match tokio::time::timeout(within, connect(to, &self.origins)).await {
            Ok(Ok(sender)) => Ok(Made { sender, changes }),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(NotSent::ConnectTimeout),
        }
    }

    fn pop(&self, to: &Authority) -> Option<Idle> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(to)?
            .pop()
    }

    /// Gives a connection back after its answer was read to the end.
    pub(super) fn put(&self, to: &Authority, made: Made) {
        if made.sender.is_closed() {
            return;
        }
        let mut pool = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = match pool.get_mut(to) {
            Some(list) => list,
            None => pool.entry(to.clone()).or_default(),
        };
        if list.len() >= IDLE_PER_AUTHORITY {
            list.retain(|i| i.since.elapsed() < MAX_IDLE && !i.made.sender.is_closed());
        }
        if list.len() < IDLE_PER_AUTHORITY {
            list.push(Idle {
                made,
                since: Instant::now(),
            });
        }
    }
}

/// Whether the connection can take a request at once; one that is still busy with the end of the last is left alone.
async fn is_ready(sender: &mut SendRequest<OutBody>) -> bool {
    sender.is_ready()
        || tokio::time::timeout(SETTLES, sender.ready())
            .await
            .is_ok_and(|ready| ready.is_ok())
}

async fn connect(to: &Authority, origins: &Origins) -> Result<SendRequest<OutBody>, NotSent> {
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
        handshake(TokioIo::new(stream)).await
    } else {
        handshake(TokioIo::new(stream)).await
    }
}

async fn handshake<I>(io: I) -> Result<SendRequest<OutBody>, NotSent>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(256)
        .writev(false)
        .handshake(io)
        .await
        .map_err(|_| NotSent::ClosedBeforeSend)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an origin ended");
        }
    });
    Ok(sender)
}

/// A pool that the parts of a transport share.
pub(super) type SharedPool = Arc<Pool>;
