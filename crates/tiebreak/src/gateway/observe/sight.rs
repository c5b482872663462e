//! What the transport of an observing exchange answers: it sends nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::merge::Representation;
use tiebreak_core::response::Response;
use tiebreak_core::validator::EntityTag;
use tokio::sync::oneshot;

tokio::task_local! {
    /// The write whose exchange runs in this task.
    pub(super) static SIGHT: Arc<Sight>;
}

/// What is known of one write that was forwarded.
#[derive(Debug)]
pub(super) struct Sight {
    method: Method,
    /// What the origin really answered; taken by the first attempt.
    real: Mutex<Option<oneshot::Receiver<Delivery>>>,
    seen: Arc<Seen>,
    /// The real answer leaves open whether the write was applied.
    lost: AtomicBool,
    /// The exchange asked for what cannot be known without reading it.
    blind: AtomicBool,
}

impl Sight {
    pub(super) fn new(method: Method, real: oneshot::Receiver<Delivery>, seen: Arc<Seen>) -> Arc<Sight> {
        Arc::new(Sight {
            method,
            real: Mutex::new(Some(real)),
            seen,
            lost: AtomicBool::new(false),
            blind: AtomicBool::new(false),
        })
    }

    /// What the forwarded request got, if no attempt of the exchange has asked for it.
    pub(super) fn untaken(&self) -> Option<oneshot::Receiver<Delivery>> {
        lock(&self.real).take()
    }

    /// Whether what follows the exchange's first look at the target is a guess.
    pub(super) fn is_blind(&self) -> bool {
        self.blind.load(Ordering::Acquire)
    }

    /// Whether the origin's real answer, or that there was none, leaves open whether the write was applied, and the exchange
    /// could only have looked.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire) && self.is_blind()
    }

    async fn answer(&self, request: Request<Bytes>) -> Delivery {
        let real = if *request.method() == self.method {
            self.untaken()
        } else {
            None
        };
        if let Some(real) = real {
            let delivery = real.await.unwrap_or(Delivery::Unknown(Unknown::Closed));
            let open = match &delivery {
                Delivery::Answered(response) => {
                    response.status.is_server_error() || response.status == StatusCode::REQUEST_TIMEOUT
                }
                Delivery::Unknown(_) => true,
                Delivery::NotSent(_) | Delivery::Declined(_) => false,
            };
            self.lost.store(open, Ordering::Release);
            // What was read there before may be outdated.
            self.seen.forget(&request.uri().to_string());
            return delivery;
        }
        if *request.method() == self.method {
            // Another attempt: that it would have succeeded is assumed.
            return Delivery::Answered(empty(StatusCode::NO_CONTENT));
        }
        // What was seen before says nothing of whether a lost write has landed since.
        let seen = if self.lost.load(Ordering::Acquire) {
            None
        } else {
            self.seen.get(&request.uri().to_string())
        };
        Delivery::Answered(seen.unwrap_or_else(|| {
            self.blind.store(true, Ordering::Release);
            empty(StatusCode::FORBIDDEN)
        }))
    }
}

fn empty(status: StatusCode) -> Response {
    Response {
        status,
        headers: HeaderMap::new(),
        content: Bytes::new(),
        complete: true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends nothing: answers what really came of the write whose exchange asks.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ObservedTransport;

impl Transport for ObservedTransport {
    fn send(&self, request: Request<Bytes>, _keep: usize) -> Sending<'_> {
        let sight = SIGHT.try_with(Arc::clone);
        Box::pin(async move {
            match sight {
                Ok(sight) => sight.answer(request).await,
                // Nothing but an observed write has anything to ask.
                Err(_) => Delivery::NotSent(NotSent::Unreachable),
            }
        })
    }
}

/// At most so many targets, and bytes of them, are remembered.
const TARGETS: usize = 4096;
const BYTES: usize = 64 << 20;

/// What was last seen at each target, whoever read it: it stands for the read that Tiebreak would make before it merges. Nothing of
/// it is shown.
#[derive(Debug, Default)]
pub(in super::super) struct Seen(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    targets: HashMap<String, Response>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Seen {
    /// A read of `target` brought this.
    pub(in super::super) fn read(&self, target: &str, etag: Option<&EntityTag>, content: Option<&Representation>) {
        let mut shown = lock(&self.0);
        shown.forget(target);
        let Some(content) = content else { return };
        let mut response = empty(StatusCode::OK);
        let mut put = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers.insert(name, value);
            }
        };
        put(header::CONTENT_TYPE, content.content_type());
        if let Some(etag) = etag {
            put(header::ETAG, &etag.to_string());
        }
        response.content = content.content().clone();
        shown.bytes += response.content.len();
        shown.targets.insert(target.to_owned(), response);
        shown.order.push_back(target.to_owned());
        while shown.order.len() > TARGETS || shown.bytes > BYTES {
            let Some(oldest) = shown.order.pop_front() else { break };
            shown.drop_target(&oldest);
        }
    }

    /// A write to `target` brought this, unless something was read there since.
    pub(super) fn written(&self, target: &str, etag: Option<&EntityTag>, content: &Representation) {
        if self.get(target).is_none() {
            self.read(target, etag, Some(content));
        }
    }

    /// Something was written there.
    pub(super) fn forget(&self, target: &str) {
        lock(&self.0).forget(target);
    }

    fn get(&self, target: &str) -> Option<Response> {
        lock(&self.0).targets.get(target).cloned()
    }
}

impl Shown {
    fn forget(&mut self, target: &str) {
        if self.drop_target(target) {
            self.order.retain(|t| t != target);
        }
    }

    fn drop_target(&mut self, target: &str) -> bool {
        let dropped = self.targets.remove(target);
        self.bytes -= dropped.as_ref().map_or(0, |response| response.content.len());
        dropped.is_some()
    }
}
