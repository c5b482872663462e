//! An engine over an origin that is a closure, with a wire that loses answers on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use serde_json::Value;
use tiebreak_client::clock::Clock;
use tiebreak_client::reads::Read;
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_client::{Answer, Engine, EngineOptions, Submission};
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::{Delivery, Unknown};
use tiebreak_core::judge::Judge;
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::merge::Representation;
use tiebreak_core::policy::Policy;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::response::Response;
use tiebreak_core::time::Time;
use tiebreak_core::variant::Variant;
use tiebreak_ledger::memory::MemoryLedger;

pub const ORIGIN: &str = "http://origin.example";

/// What happens to the next write on the wire.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Performed; the answer is lost.
    Lost,
    /// Never performed, and nobody knows.
    Dropped,
    /// Performed later; nobody knows.
    Late(Duration),
    /// Performed, and answered with 503 all the same.
    Unavailable,
}

type Serve = Box<dyn FnMut(&Request<Bytes>) -> Response + Send>;

/// The wire, and the origin behind it.
pub struct Wire {
    serve: Arc<Mutex<Serve>>,
    faults: Mutex<VecDeque<Fault>>,
    /// Every request that was sent: method, path and content.
    pub log: Mutex<Vec<String>>,
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, _keep: usize) -> Sending<'_> {
        let path = request.uri().path_and_query().unwrap().to_string();
        let text = String::from_utf8_lossy(request.body());
        let line = format!("{} {path} {text}", request.method());
        self.log.lock().unwrap().push(line.trim_end().to_owned());
        let fault = match *request.method() {
            Method::GET => None,
            _ => self.faults.lock().unwrap().pop_front(),
        };
        let serve = Arc::clone(&self.serve);
        let perform = move || (serve.lock().unwrap())(&request);
        Box::pin(async move {
            match fault {
                None => Delivery::Answered(perform()),
                Some(Fault::Unavailable) => {
                    perform();
                    Delivery::Answered(respond(503, &[], ""))
                }
                Some(Fault::Lost) => {
                    perform();
                    Delivery::Unknown(Unknown::Closed)
                }
                Some(Fault::Dropped) => Delivery::Unknown(Unknown::Closed),
                Some(Fault::Late(by)) => {
                    tokio::spawn(async move {
                        tokio::time::sleep(by).await;
                        perform();
                    });
                    Delivery::Unknown(Unknown::Closed)
                }
            }
        })
    }
}

/// An answer.
pub fn respond(status: u16, fields: &[(&str, &str)], content: impl ToString) -> Response {
    let mut headers = HeaderMap::new();
    let content = content.to_string();
    if !content.is_empty() {
        headers.insert("content-type", "application/json".parse().unwrap());
    }
    for (name, value) in fields {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    Response {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        content: content.into(),
        complete: true,
    }
}

/// The JSON content of a request.
pub fn json_of(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

/// Callers, an engine and an origin.
pub struct World {
    pub engine: Engine,
    pub wire: Arc<Wire>,
    policy: Arc<Policy>,
}

impl World {
    pub fn new(policy: Policy, serve: impl FnMut(&Request<Bytes>) -> Response + Send + 'static) -> World {
        let wire = Arc::new(Wire {
            serve: Arc::new(Mutex::new(Box::new(serve))),
            faults: Mutex::default(),
            log: Mutex::default(),
        });
        let policy = Arc::new(policy);
        let options = EngineOptions {
            seed: Some(1),
            policy: Arc::clone(&policy),
            ..EngineOptions::default()
        };
        let clock = Clock::starting_at(Time(1_000_000));
        let (ledger, judge) = (Arc::new(MemoryLedger::new()), Arc::new(Judge::standard()));
        let engine = Engine::new(options, clock, ledger, wire.clone(), judge);
        World { engine, wire, policy }
    }

    /// What goes wrong on the wire from here, write by write.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.wire.faults.lock().unwrap().extend(faults);
    }

    /// The writes that were sent, and the reads.
    pub fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.wire.log.lock().unwrap())
    }

    /// A read as the gateway does it: served, and remembered.
    pub fn read(&self, connection: u64, path: &str) -> Response {
        self.read_with(connection, path, &[])
    }

    /// A read with these fields.
    pub fn read_with(&self, connection: u64, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut request = Request::get(format!("{ORIGIN}{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::new()).unwrap();
        let response = (self.wire.serve.lock().unwrap())(&request);
        let content = Representation::of(&response);
        let read = Read {
            caller: CallerId::ANONYMOUS,
            target: format!("{ORIGIN}{path}"),
            variant: Variant::of(request.headers(), &response.headers).unwrap(),
            connection: Some(connection),
        };
        let etag = self.policy.tag_of(response.etag(), content.as_ref());
        self.engine.reads().note(read, etag, content, self.engine.clock().now());
        response
    }

    pub async fn write(
        &self,
        connection: u64,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        content: impl ToString,
    ) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        for (name, value) in fields {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let submission = Submission {
            connection: Some(connection),
            key: IdempotencyKey::of(&headers).unwrap(),
            ..Submission::default()
        };
        let write = WriteRequest {
            method,
            target: Target::parse(&format!("{ORIGIN}{path}")).unwrap(),
            headers,
            content: content.to_string().into(),
        };
        self.engine.write(write, submission).await
    }

    pub async fn put(&self, connection: u64, path: &str, document: &Value) -> Answer {
        self.write(connection, Method::PUT, path, &[], document).await
    }
}

/// The content of an answer as JSON.
pub fn document(content: &Bytes) -> Value {
    serde_json::from_slice(content).unwrap()
}

/// Status and report of an answer, without the write's id.
pub fn told(answer: &Answer) -> String {
    let mut report = answer.report.clone();
    report.id = None;
    format!("{} {report}", answer.status.as_u16())
}
