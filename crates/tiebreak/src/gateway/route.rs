//! Which request is a read, which a write.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use tiebreak_client::Engine;
use tiebreak_client::caller::Callers;
use tiebreak_client::transport::http::{HttpTransport, strip_hop_by_hop};
use tiebreak_core::method::is_safe;
use tiebreak_core::problem::{Kind, Problem};
use tokio::sync::Semaphore;

use super::body::{Content, problem};
use super::observe::{self, Observer};
use super::routing::{Route, Routing};
use super::{read, write};

/// What all connections of a gateway share.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) engine: Arc<Engine>,
    /// The routes in force.
    pub(super) routing: RwLock<Arc<Routing>>,
    /// What each thread sends safe requests with.
    pub(super) readers: Vec<HttpTransport>,
    /// The threads on which exchanges run.
    pub(super) writers: Vec<tokio::runtime::Handle>,
    pub(super) callers: Arc<Callers>,
    /// Bytes of content that all writes together may hold in memory.
    pub(super) memory: Arc<Semaphore>,
    /// What only looks on: writes are forwarded as they come.
    pub(super) observer: Option<Arc<Observer>>,
    /// Exchanges on their way.
    pub(super) running: Arc<Running>,
}

/// A client connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// Its number, never used again.
    pub(super) number: u64,
    /// The thread that serves it.
    pub(super) worker: usize,
    /// The address of its other end, where it has one.
    pub(super) peer: Option<IpAddr>,
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
        if let Some(refusal) = refuse(&request) {
            return problem(&refusal);
        }
        strip_hop_by_hop(request.headers_mut());
        let route = self.route(&request);
        if is_safe(request.method()) && !overrides_method(request.headers()) {
            return read::forward(&self, route, request, connection).await;
        }
        if let Some(observer) = &self.observer {
            return Box::pin(observe::forward(&self, observer, &route, request, connection)).await;
        }
        request.headers_mut().remove("tiebreak");
        // Boxed: the many reads need not carry the room that a write takes.
        Box::pin(write::perform(self, route, request, connection)).await
    }
}

/// Whether fields ask for another method than the request line: such a GET may be a write.
fn overrides_method(headers: &HeaderMap) -> bool {
    ["x-http-method", "x-http-method-override", "x-method-override"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Requests that mean different things to different readers, or that are none of ours.
fn refuse(request: &Request<Incoming>) -> Option<Problem> {
    let headers = request.headers();
    if request.method() == http::Method::CONNECT {
        return Some(Problem::new(
            Kind::MethodNotAllowed,
            "this is a gateway to one origin, not a proxy; it opens no tunnels",
        ));
    }
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Some(Problem::new(
            Kind::BadRequest,
            "the request has more than one Host field; send one (RFC 9112 §3.2)",
        ));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        let detail = "the request has both Content-Length and Transfer-Encoding; send one of them (RFC 9112 §6.1)";
        return Some(Problem::new(Kind::BadRequest, detail));
    }
    None
}

/// Says on the way in and on the way out that a gateway was passed (RFC 9110 §7.6.3).
pub(super) fn add_via(headers: &mut HeaderMap) {
    headers.append(header::VIA, HeaderValue::from_static("1.1 tiebreak"));
}
