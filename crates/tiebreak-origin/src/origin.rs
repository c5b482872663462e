//! The origin: opens a store and answers requests.

use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tiebreak_core::problem::Kind;

use crate::answer::Answer;
use crate::engine::Engine;
use crate::incoming::{self, Write};
use crate::options::{OriginOptions, Place};
use crate::refusal::{self, ACCEPT_PATCH};
use crate::store::{FileStore, MemoryStore, OpenError, StoreError};
use crate::target::Target;

/// The bound in memory where none is set, in bytes.
const MAX_IN_MEMORY: u64 = 1 << 30;

/// An embedded JSON origin. Share it by reference or in an `Arc`: requests may be handled concurrently.
#[derive(Debug)]
pub struct Origin {
    pub(crate) backend: Backend,
    pub(crate) options: OriginOptions,
    secret: [u8; 32],
}

/// Where the documents are.
#[derive(Debug)]
pub(crate) enum Backend {
    Memory(Box<RwLock<Engine<MemoryStore>>>),
    File(FileStore),
}

impl Origin {
    /// Opens the origin at `place`: [`Place::Memory`], or a file that is made if there is none.
    ///
    /// # Errors
    /// If the file is held by another process, damaged, foreign or newer, or if declared settings do not hold.
    pub fn open(place: impl Into<Place>, options: OriginOptions) -> Result<Origin, OpenError> {
        let (backend, secret) = match place.into() {
            Place::Memory => in_memory(&options)?,
            Place::File(path) => on_disk(&path, &options)?,
        };
        Ok(Origin {
            backend,
            options,
            secret,
        })
    }

    /// Answers a request. A write is applied and durable when its answer is there, unless the answer says otherwise;
    /// once begun it is finished also if the returned future is dropped.
    ///
    /// On disk this must be called from within a Tokio runtime.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (head, content) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let answer = match self.answer(&head, content).await {
            Ok(answer) => answer,
            Err(answer) => *answer,
        };
        answer.into_response(is_head)
    }

    async fn answer(&self, head: &Parts, content: Bytes) -> Result<Answer, Box<Answer>> {
        // `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7).
        let whole = head.method == Method::OPTIONS && head.uri.path() == "*";
        let target = if whole { Ok(Target::Root) } else { Target::of(&head.uri) };
        let target = target.map_err(|e| {
            let kind = match e {
                crate::target::TargetError::Nowhere(_) => Kind::NotFound,
                crate::target::TargetError::BadName(_) => Kind::BadRequest,
            };
            Box::new(refusal::plain(kind, e.to_string()))
        })?;
        if !target.allows(&head.method) {
            return Err(Box::new(refusal::not_allowed(&head.method, &target)));
        }
        match head.method {
            Method::GET | Method::HEAD => self.read(head, &target).await,
            Method::OPTIONS => Ok(options(&target)),
            _ => {
                let write = incoming::read(head, content, target, &self.options, &self.secret, now())?;
                self.write(write).await
            }
        }
    }

    async fn write(&self, write: Write) -> Result<Answer, Box<Answer>> {
        match &self.backend {
            Backend::Memory(engine) => {
                let mut engine = engine.write().unwrap_or_else(PoisonError::into_inner);
                engine.perform(write).map_err(|e| Box::new(refusal::store(&e)))
            }
            Backend::File(store) => {
                let answer = store.submit(write)?.await;
                answer.map_err(|_| Box::new(refusal::store(&StoreError::writer_gone())))
            }
        }
    }
}

fn in_memory(options: &OriginOptions) -> Result<(Backend, [u8; 32]), OpenError> {
    let mut random = [0; 36];
    getrandom::fill(&mut random).map_err(|e| OpenError::Failed {
        path: "the store in memory".to_owned(),
        why: e.to_string(),
    })?;
    let (mut secret, mut epoch) = ([0; 32], [0; 4]);
    secret.copy_from_slice(&random[..32]);
    epoch.copy_from_slice(&random[32..]);
    let store = MemoryStore::new(options.max_store.unwrap_or(MAX_IN_MEMORY));
    let mut engine = Engine::new(store, 0, u32::from_ne_bytes(epoch), options);
    for (name, settings) in &options.collections {
        engine.declare(name, settings, now())?;
    }
    Ok((Backend::Memory(Box::new(RwLock::new(engine))), secret))
}

fn on_disk(path: &Path, options: &OriginOptions) -> Result<(Backend, [u8; 32]), OpenError> {
    let store = FileStore::open(path, options, now())?;
    let secret = store.secret;
    Ok((Backend::File(store), secret))
}

fn options(target: &Target) -> Answer {
    let answer = Answer::empty(StatusCode::NO_CONTENT).with(header::ALLOW, target.allow());
    match target {
        Target::Document(..) => answer.with(HeaderName::from_static("accept-patch"), ACCEPT_PATCH),
        Target::Collection(_) => answer.with(HeaderName::from_static("accept-post"), "application/json"),
        Target::Root | Target::Settings(_) => answer,
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
