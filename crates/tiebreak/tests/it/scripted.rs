//! An origin over real sockets that misbehaves on request, and counts what it performed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What its entity tags are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    Versions,
    Digests,
    None,
}

/// What happens to the first attempt of a write that asks for it in its `x-fault` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Performed; the connection ends without an answer.
    LostAnswer,
    /// The connection ends at once; performed later.
    Late(Duration),
    /// Performed, and answered with 503 all the same.
    Unavailable,
    /// Never performed; the connection ends without an answer.
    Dropped,
    /// Performed at once, answered later.
    Slow(Duration),
    /// Never performed, and never answered.
    Hangs,
}

impl Fault {
    pub fn word(self) -> String {
        match self {
            Fault::LostAnswer => "lost-answer".into(),
            Fault::Late(by) => format!("late {}", by.as_millis()),
            Fault::Unavailable => "unavailable".into(),
            Fault::Dropped => "dropped".into(),
            Fault::Slow(by) => format!("slow {}", by.as_millis()),
            Fault::Hangs => "hangs".into(),
        }
    }

    fn parse(word: &str) -> Option<Fault> {
        match word.split_once(' ') {
            Some(("late", ms)) => Some(Fault::Late(Duration::from_millis(ms.parse().ok()?))),
            Some(("slow", ms)) => Some(Fault::Slow(Duration::from_millis(ms.parse().ok()?))),
            _ => [Fault::LostAnswer, Fault::Unavailable, Fault::Dropped, Fault::Hangs]
                .into_iter()
                .find(|f| f.word() == word),
        }
    }
}

/// The running origin.
pub struct Scripted {
    pub authority: String,
    state: Arc<Shared>,
}

struct Shared {
    tags: Tags,
    normalises: bool,
    honours_keys: bool,
    inner: Mutex<Inner>,
    /// Late writes that have not been performed yet.
    late: watch::Sender<usize>,
    /// Changes with each write that is performed.
    performs: watch::Sender<()>,
}

#[derive(Default)]
struct Inner {
    documents: HashMap<String, (u64, Value)>,
    version: u64,
    posted: u64,
    /// How often each write was performed, by its `x-write` field.
    performed: HashMap<String, usize>,
    faulted: HashMap<String, ()>,
    /// What was answered to the first write with each key.
    keys: HashMap<String, Response<Full<Bytes>>>,
}

impl Scripted {
    pub async fn start(tags: Tags, normalises: bool) -> Scripted {
        Scripted::begin(tags, normalises, false).await
    }

    /// One without entity tags that performs nothing twice under the same `Idempotency-Key`.
    pub async fn start_honouring_keys() -> Scripted {
        Scripted::begin(Tags::None, false, true).await
    }

    async fn begin(tags: Tags, normalises: bool, honours_keys: bool) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Shared {
            tags,
            normalises,
            honours_keys,
            inner: Mutex::default(),
            late: watch::channel(0).0,
            performs: watch::channel(()).0,
        });
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Scripted { authority, state }
    }

    /// Puts a document there, as if by another way.
    pub fn plant(&self, path: &str, document: Value) {
        self.state.inner.lock().unwrap().store(path, document);
    }

    /// Waits until the write with this name was performed.
    pub async fn has_performed(&self, write: &str) {
        let mut performs = self.state.performs.subscribe();
        while !self.state.inner.lock().unwrap().performed.contains_key(write) {
            performs.changed().await.unwrap();
        }
    }

    /// How often the write with this name was performed, once nothing is late any more.
    pub async fn performed(&self, write: &str) -> usize {
        let mut late = self.state.late.subscribe();
        late.wait_for(|late| *late == 0).await.unwrap();
        self.state
            .inner
            .lock()
            .unwrap()
            .performed
            .get(write)
            .copied()
            .unwrap_or(0)
    }
}

impl Inner {
    fn store(&mut self, path: &str, document: Value) {
        self.version += 1;
        self.documents.insert(path.to_owned(), (self.version, document));
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the connection ends here")]
struct HangUp;

async fn answer(state: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HangUp> {
    let (head, body) = request.into_parts();
    let content = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    let path = head.uri.path().to_owned();
    let field = |name: &str| {
        head.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let write = field("x-write");
    let fault = Fault::parse(&field("x-fault")).filter(|_| {
        head.method != Method::GET && state.inner.lock().unwrap().faulted.insert(write.clone(), ()).is_none()
    });
    let perform = {
        let state = Arc::clone(&state);
        let (method, headers) = (head.method.clone(), head.headers.clone());
        move || state.perform(&method, &path, &headers, &content, &write)
    };
    match fault {
        None => Ok(perform()),
        Some(Fault::Dropped) => Err(HangUp),
        Some(Fault::Slow(by)) => {
            let answer = perform();
            tokio::time::sleep(by).await;
            Ok(answer)
        }
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::LostAnswer) => {
            perform();
            Err(HangUp)
        }
        Some(Fault::Unavailable) => {
            perform();
            Ok(Response::builder().status(503).body(Full::default()).unwrap())
        }
        Some(Fault::Late(by)) => {
            state.late.send_modify(|late| *late += 1);
            let late = state.late.clone();
            tokio::spawn(async move {
                tokio::time::sleep(by).await;
                perform();
                late.send_modify(|late| *late -= 1);
            });
            Err(HangUp)
        }
    }
}

impl Shared {
    fn perform(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        content: &[u8],
        write: &str,
    ) -> Response<Full<Bytes>> {
        let mut inner = self.inner.lock().unwrap();
        let key = headers.get("idempotency-key").filter(|_| self.honours_keys);
        let key = key.map(|k| k.to_str().unwrap().to_owned());
        if let Some(first) = key.as_ref().and_then(|key| inner.keys.get(key)) {
            return first.clone();
        }
        let answer = self.perform_anew(&mut inner, method, path, headers, content, write);
        self.performs.send_replace(());
        if let Some(key) = key.filter(|_| answer.status().is_success()) {
            inner.keys.insert(key, answer.clone());
        }
        answer
    }

    fn perform_anew(
        &self,
        inner: &mut Inner,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        content: &[u8],
        write: &str,
    ) -> Response<Full<Bytes>> {
        let current = inner.documents.get(path).cloned();
        let tag = current.as_ref().and_then(|c| self.tag(c));
        let field = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        if method == Method::GET {
            return match current {
                Some(current) => self.represent(StatusCode::OK, &current),
                None => status(404),
            };
        }
        if method == Method::OPTIONS {
            return status(405);
        }
        let stale = field("if-match").is_some_and(|wanted| tag.as_deref() != Some(wanted));
        let exists = field("if-none-match") == Some("*") && current.is_some();
        if self.tags != Tags::None && (stale || exists) {
            return status(412);
        }
        let mut count = || *inner.performed.entry(write.to_owned()).or_default() += 1;
        match (method.as_str(), current) {
            ("DELETE", Some(_)) => {
                count();
                inner.documents.remove(path);
                status(204)
            }
            ("PATCH" | "DELETE", None) => status(404),
            ("POST", _) => {
                count();
                inner.posted += 1;
                let made = format!("{path}/{}", inner.posted);
                inner.store(&made, read(content));
                Response::builder()
                    .status(201)
                    .header("location", made)
                    .body(Full::default())
                    .unwrap()
            }
            (_, current) => {
                count();
                let (code, mut document) = match current {
                    Some((_, document)) => (StatusCode::OK, document),
                    None => (StatusCode::CREATED, json!({})),
                };
                document = match method.as_str() {
                    "PATCH" => tiebreak_core::json::merge_patch(Some(document), &read(content)),
                    _ => read(content),
                };
                if self.normalises {
                    normalise(&mut document);
                }
                inner.store(path, document);
                self.represent(code, &inner.documents[path])
            }
        }
    }

    fn tag(&self, (version, document): &(u64, Value)) -> Option<String> {
        match self.tags {
            Tags::Versions => Some(format!("\"v{version}\"")),
            Tags::Digests => {
                let digest = Sha256::digest(document.to_string());
                Some(format!(
                    "\"{}\"",
                    digest.iter().map(|b| format!("{b:02x}")).collect::<String>()
                ))
            }
            Tags::None => None,
        }
    }

    fn represent(&self, code: StatusCode, current: &(u64, Value)) -> Response<Full<Bytes>> {
        let mut response = Response::builder()
            .status(code)
            .header("content-type", "application/json");
        if let Some(tag) = self.tag(current) {
            response = response.header("etag", tag);
        }
        response.body(Full::from(current.1.to_string())).unwrap()
    }
}

/// What servers do to what they store: a member of their own, another order, another spelling of numbers.
fn normalise(document: &mut Value) {
    let Value::Object(members) = document else { return };
    let mut sorted: Vec<(String, Value)> = std::mem::take(members)
        .into_iter()
        .filter(|(n, _)| n != "stored_by")
        .collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, value) in sorted {
        let value = match value.as_u64() {
            Some(n) => serde_json::from_str(&format!("{n}.0")).unwrap(),
            None => value,
        };
        members.insert(name, value);
    }
    members.insert("stored_by".into(), json!("scripted"));
}

fn read(content: &[u8]) -> Value {
    serde_json::from_slice(content).unwrap()
}

fn status(code: u16) -> Response<Full<Bytes>> {
    Response::builder().status(code).body(Full::default()).unwrap()
}
