//! Which request is a read, which a write.

use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use tiebreak_client::Engine;
use tiebreak_client::caller::Callers;
use tiebreak_client::transport::http::{HttpTransport, strip_hop_by_hop};
use tiebreak_core::caller::CallerId;
use tiebreak_core::key::IDEMPOTENCY_KEY;
use tiebreak_core::method::is_safe;
use tokio::sync::Semaphore;

use super::body::Content;
use super::forwarding::{Forwarding, Peer};
use super::limits::{Limits, Places};
use super::listen::Tls;
use super::observe::{self, Observer};
use super::refusal::Asked;
use super::routing::{Route, Routing};
use super::timers::Timers;
use super::{inbound, read, write};

/// What all connections of a gateway share.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) engine: Arc<Engine>,
    /// The routes in force.
    pub(super) routing: RwLock<Arc<Routing>>,
    /// What each thread sends safe requests with.
    pub(super) readers: Vec<HttpTransport>,
    /// The timers of each of these threads.
    pub(super) timers: Vec<Timers>,
    /// The threads on which exchanges run.
    pub(super) writers: Vec<tokio::runtime::Handle>,
    pub(super) callers: Arc<Callers>,
    /// Bytes of content that all writes together may hold in memory.
    pub(super) memory: Arc<Semaphore>,
    /// What only looks on: writes are forwarded as they come.
    pub(super) observer: Option<Arc<Observer>>,
    /// What the origin is told of clients.
    pub(super) forwarding: Forwarding,
    /// What TCP connections are encrypted with, if they are.
    pub(super) tls: Option<Arc<Tls>>,
    /// The bounds on clients.
    pub(super) limits: Limits,
    /// The writes of each caller that are on their way.
    pub(super) writing: Arc<Places<CallerId>>,
    /// Exchanges on their way.
    pub(super) running: Arc<Running>,
}

/// A client connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// Its number, never used again.
    pub(super) number: u64,
    /// The thread that serves it.
    pub(super) worker: usize,
    pub(super) peer: Arc<Peer>,
}

impl Connection {
    /// Its number, where being on one connection says something about who reads and writes: requests of many workers share
    /// one HTTP/2 connection as a rule.
    pub(super) fn evidence(&self, version: http::Version) -> Option<u64> {
        (version <= http::Version::HTTP_11).then_some(self.number)
    }
}

/// Counts the exchanges on their way, so that stopping can wait for the last one.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) count: AtomicU64,
    pub(super) changed: tokio::sync::Notify,
}

impl Gateway {
    /// How many threads serve connections.
    pub(super) fn workers(&self) -> usize {
        self.readers.len()
    }

    /// The thread on which the writes to this path run.
    pub(super) fn writer_for(&self, path: &str) -> &tokio::runtime::Handle {
        let mut hasher = std::hash::DefaultHasher::new();
        path.hash(&mut hasher);
        let nth = usize::try_from(hasher.finish() % self.writers.len() as u64).unwrap_or(0);
        &self.writers[nth]
    }

    /// The route that a request takes.
    fn route(&self, request: &Request<Incoming>) -> Arc<Route> {
        let routing = self.routing.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routing.route(request.method(), request.uri().path()))
    }

    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: Connection,
    ) -> Response<Content> {
        if let Some(refusal) = inbound::refuse(&request) {
            let path = request.uri().path();
            let asked = Asked {
                method: request.method(),
                target: request.uri().path_and_query().map_or(path, |p| p.as_str()),
                keyed: request.headers().contains_key(IDEMPOTENCY_KEY),
                anonymous: !request.headers().contains_key(header::AUTHORIZATION),
            };
            let mut refused = self.refuse(asked, refusal);
            if request.version() < http::Version::HTTP_2 {
                // What follows may be meant for another reader.
                let close = HeaderValue::from_static("close");
                refused.headers_mut().insert(header::CONNECTION, close);
            }
            return refused;
        }
        let version = request.version();
        inbound::to_http1(&mut request);
        let trailers = inbound::takes_trailers(request.headers());
        strip_hop_by_hop(request.headers_mut());
        if trailers {
            request
                .headers_mut()
                .insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if self.observer.is_none() && request.headers().keys().any(|name| name == "tiebreak") {
            request.headers_mut().remove("tiebreak");
        }
        self.forwarding.mark(request.headers_mut(), &connection.peer, version);
        let route = self.route(&request);
        if is_safe(request.method()) && !overrides_method(request.headers()) {
            return read::forward(&self, route, request, connection).await;
        }
        if let Some(observer) = &self.observer {
            return Box::pin(observe::forward(&self, observer, &route, request, connection)).await;
        }
        // Of an answer to a write, what is decided upon is kept, and that has no trailers.
        request.headers_mut().remove(header::TE);
        // Boxed: the many reads need not carry the room that a write takes.
        Box::pin(write::perform(self, route, request, connection)).await
    }
}

/// Whether fields ask for another method than the request line: such a GET may be a write.
fn overrides_method(headers: &HeaderMap) -> bool {
    let asks = |name: &str| matches!(name, "x-http-method" | "x-http-method-override" | "x-method-override");
    headers.keys().any(|name| asks(name.as_str()))
}
