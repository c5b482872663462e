//! The wire between gateway and origin, with everything that happens to requests on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::remedy::Remedy;
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Confidence};
use tokio::sync::oneshot;

use crate::dice::Dice;
use crate::origin::{Origin, plain};
use crate::sabotage::Sabotage;
use crate::scenario::{LATE, Weather};
use crate::trace::{Event, Learned, Number, Sent, Trace};

/// Names the write in a request; only the simulator looks at it.
pub const NUMBER: &str = "x-sim-write";

/// The wire. Clones share it; it outlives every engine, as do the requests that are on it.
#[derive(Clone)]
pub struct Wire {
    inner: Arc<Inner>,
    host: usize,
}

struct Inner {
    origin: Mutex<Origin>,
    dice: Dice,
    trace: Trace,
    weather: Weather,
    timeout: Duration,
    sabotage: Sabotage,
    serial: AtomicU64,
    /// For [`Sabotage::SharedCache`].
    cache: Mutex<HashMap<String, Response>>,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Refused,
    LostBefore,
    LostAfter,
    Late,
    Hangs,
    GarbageBefore,
    GarbageAfter,
    ErrorAfter,
    Storm(u16),
}

impl Wire {
    /// A wire to `origin`.
    #[must_use]
    pub fn new(
        origin: Origin,
        dice: Dice,
        trace: Trace,
        weather: Weather,
        timeout: Duration,
        sabotage: Sabotage,
    ) -> Wire {
        Wire {
            inner: Arc::new(Inner {
                origin: Mutex::new(origin),
                dice,
                trace,
                weather,
                timeout,
                sabotage,
                serial: AtomicU64::new(0),
                cache: Mutex::default(),
            }),
            host: 0,
        }
    }

    /// The wire from this machine.
    #[must_use]
    pub fn from(&self, host: usize) -> Wire {
        Wire {
            inner: Arc::clone(&self.inner),
            host,
        }
    }

    /// The origin.
    pub fn origin(&self) -> MutexGuard<'_, Origin> {
        self.inner.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read that a door passes through; now and then of an older version.
    #[must_use]
    pub fn read(&self, request: &Request<Bytes>) -> Response {
        let lag = match self.inner.dice.chance(self.inner.weather.lag) {
            true => usize::try_from(self.inner.dice.number(1..3)).unwrap_or(1),
            false => 0,
        };
        let response = self.origin().read(request, lag);
        if self.inner.sabotage == Sabotage::SharedCache {
            let mut cache = self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner);
            return cache.entry(request.uri().to_string()).or_insert(response).clone();
        }
        response
    }

    fn fate(&self) -> Fate {
        let w = self.inner.weather;
        let table = [
            (w.refused, Fate::Refused),
            (w.lost_before, Fate::LostBefore),
            (w.lost_after, Fate::LostAfter),
            (w.late, Fate::Late),
            (w.hangs, Fate::Hangs),
            (w.garbage, Fate::GarbageBefore),
            (w.garbage, Fate::GarbageAfter),
            (w.error_after, Fate::ErrorAfter),
            (w.storm, Fate::Storm(0)),
        ];
        let mut thrown = self.inner.dice.number(0..100);
        for (share, fate) in table {
            if thrown < share {
                return match fate {
                    Fate::Storm(_) => Fate::Storm(*self.inner.dice.pick(&[409, 412, 423, 428, 429, 500, 503, 401])),
                    fate => fate,
                };
            }
            thrown -= share;
        }
        Fate::Fine
    }

    async fn carry(&self, request: Request<Bytes>) -> Delivery {
        let safe = *request.method() == Method::GET;
        let serial = self.inner.serial.fetch_add(1, Ordering::Relaxed);
        let write = number_of(&request);
        if let (false, Some(write)) = (safe, write) {
            self.note_sent(write, serial, &request);
        }
        let delivery = self.meet(self.fate(), &request, write).await;
        if let (false, Some(write)) = (safe, write) {
            let learned = match &delivery {
                Delivery::NotSent(_) => Learned::NotSent,
                Delivery::Unknown(_) => Learned::Unknown,
                Delivery::Answered(response) | Delivery::Declined(response) => learned(&request, response),
            };
            self.inner.trace.note(Event::Delivered(write, serial, learned));
        }
        delivery
    }

    fn note_sent(&self, write: Number, serial: u64, request: &Request<Bytes>) {
        let field = |name: &str| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        self.inner.trace.note(Event::Sent(Sent {
            write,
            host: self.host,
            serial,
            removes: request.method() == http::Method::DELETE,
            if_match: field("if-match"),
            creates: field("if-none-match").as_deref() == Some("*"),
            key: field("idempotency-key"),
            content: String::from_utf8_lossy(request.body()).into_owned(),
        }));
    }

    async fn meet(&self, fate: Fate, request: &Request<Bytes>, write: Option<Number>) -> Delivery {
        let dice = &self.inner.dice;
        let (there, back) = (dice.time(1..20), dice.time(1..20));
        let late = Duration::from_millis(dice.number(0..u64::try_from(LATE.as_millis()).unwrap_or_default()));
        match fate {
            Fate::Refused => {
                tokio::time::sleep(there).await;
                Delivery::NotSent(NotSent::Unreachable)
            }
            Fate::LostBefore => {
                tokio::time::sleep(there).await;
                Delivery::Unknown(Unknown::Closed)
            }
            Fate::GarbageBefore => {
                tokio::time::sleep(there).await;
                Delivery::Unknown(Unknown::Garbage)
            }
            Fate::Storm(status) => {
                tokio::time::sleep(there + back).await;
                Delivery::Answered(plain(status))
            }
            Fate::Late => {
                drop(self.arrives(request, write, there + late));
                tokio::time::sleep(there).await;
                Delivery::Unknown(Unknown::Closed)
            }
            Fate::Hangs => {
                let arrival = self.arrives(request, write, self.inner.timeout / 2 + late);
                // Whether or not it was performed, the answer does not come through in time.
                let _answer = arrival.await;
                tokio::time::sleep(self.inner.timeout).await;
                Delivery::Unknown(Unknown::Closed)
            }
            Fate::LostAfter | Fate::GarbageAfter | Fate::ErrorAfter | Fate::Fine => {
                let answer = self.arrives(request, write, there).await;
                tokio::time::sleep(back).await;
                match (fate, answer) {
                    (Fate::Fine, Ok(response)) => Delivery::Answered(response),
                    (Fate::ErrorAfter, _) => Delivery::Answered(plain(*dice.pick(&[500, 503]))),
                    (Fate::GarbageAfter, _) => Delivery::Unknown(Unknown::Garbage),
                    _ => Delivery::Unknown(Unknown::Closed),
                }
            }
        }
    }

    /// The request arrives after `delay`, whether or not anybody still waits for its answer.
    fn arrives(&self, request: &Request<Bytes>, write: Option<Number>, delay: Duration) -> oneshot::Receiver<Response> {
        let (answer, receiver) = oneshot::channel();
        let (wire, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let response = wire.perform(&request, write);
            // Nobody may be waiting any more.
            let _gone = answer.send(response);
        });
        receiver
    }

    /// The origin performs it now.
    pub fn perform(&self, request: &Request<Bytes>, write: Option<Number>) -> Response {
        if *request.method() == Method::GET {
            return self.read(request);
        }
        let (response, applied) = self.origin().write(request, write);
        if let Some(applied) = applied {
            self.inner.trace.note(Event::Applied(applied));
        }
        response
    }

    async fn sabotaged(&self, request: Request<Bytes>) -> Delivery {
        let delivery = self.carry(request.clone()).await;
        if *request.method() == Method::GET {
            return delivery;
        }
        let lost = matches!(delivery, Delivery::Unknown(_));
        let status = match &delivery {
            Delivery::Answered(response) | Delivery::Declined(response) => response.status.as_u16(),
            _ => 0,
        };
        match self.inner.sabotage {
            Sabotage::ResendBlindly if lost => self.carry(request).await,
            Sabotage::ResendConflicts if status == 409 => self.carry(request).await,
            Sabotage::InventSuccess if lost => Delivery::Answered(plain(204)),
            Sabotage::InventRefusal if lost => Delivery::NotSent(NotSent::Unreachable),
            Sabotage::OverwriteWhenStale if status == 412 => {
                let current = self.origin().read(&request, 0);
                let tag = current.field("etag").and_then(|t| HeaderValue::from_str(t).ok());
                let mut again = request;
                match tag {
                    Some(tag) => again.headers_mut().insert("if-match", tag),
                    None => again.headers_mut().remove("if-match"),
                };
                self.carry(again).await
            }
            _ => delivery,
        }
    }
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, _keep: usize) -> Sending<'_> {
        Box::pin(self.sabotaged(request))
    }
}

fn number_of(request: &Request<Bytes>) -> Option<Number> {
    request.headers().get(NUMBER)?.to_str().ok()?.parse().ok()
}

fn learned(request: &Request<Bytes>, response: &Response) -> Learned {
    let status = response.status.as_u16();
    if status < 400 {
        return Learned::Status(status);
    }
    let asked = Asked::new(request.method(), request.uri().path(), request.headers()).with_content(request.body());
    let verdict = Judge::standard().judge(&asked, response);
    // What was guessed from method and status alone is not understood either.
    let guessed = status == 409 && verdict.remedy == Remedy::Stop && verdict.confidence == Confidence::Low;
    match verdict.class {
        Class::Unclear => Learned::Unclear(status),
        _ if guessed => Learned::Unclear(status),
        _ => Learned::Status(status),
    }
}
