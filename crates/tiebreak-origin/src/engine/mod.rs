//! Decides and performs writes, one after the other.

mod configure;
mod create;
mod patch;
mod registry;
mod remove;
mod replace;
mod save;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LOCATION, HeaderName, LOCATION};
use http::{Method, StatusCode};
use tiebreak_core::precondition::{Current, Evaluation, evaluate};

use crate::answer::Answer;
use crate::incoming::{Action, Write};
use crate::options::OriginOptions;
use crate::refusal;
use crate::settings::{Rules, StaleStatus};
use crate::store::{Collected, Document, Kept, Store, StoreError};
use crate::target::Target;

/// A collection with its compiled settings.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) rules: Rules,
}

impl Collection {
    pub(crate) fn collected(&self) -> Collected<'_> {
        Collected {
            number: self.number,
            name: &self.name,
        }
    }
}

/// Why a write was not performed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// This is the answer.
    Refused(Box<Answer>),
    /// The store failed: the whole batch is undone.
    Store(StoreError),
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Stop {
        Stop::Refused(Box::new(answer))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}

/// The one writer.
#[derive(Debug)]
pub(crate) struct Engine<S> {
    pub(crate) store: S,
    collections: HashMap<String, Arc<Collection>>,
    /// The last version that was given out. It is never set back, also when a batch is undone.
    last: u64,
    epoch: u32,
    limits: Limits,
}

/// The options that matter here.
#[derive(Debug, Clone)]
struct Limits {
    require_preconditions: bool,
    stale_status: StaleStatus,
    max_collections: usize,
    max_content: usize,
    max_depth: usize,
    max_keys: usize,
    key_ttl: Duration,
}

impl<S: Store> Engine<S> {
    /// An engine on `store`, whose versions go on after `last`.
    pub(crate) fn new(store: S, last: u64, epoch: u32, options: &OriginOptions) -> Engine<S> {
        Engine {
            store,
            collections: HashMap::new(),
            last,
            epoch,
            limits: Limits {
                require_preconditions: options.require_preconditions,
                stale_status: options.stale_status,
                max_collections: options.max_collections,
                max_content: options.max_content,
                max_depth: options.max_depth,
                max_keys: options.max_keys,
                key_ttl: options.key_ttl,
            },
        }
    }

    /// The last version that was given out.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Performs `write`, or says why not. After an error the store must undo what it did since the last commit.
    pub(crate) fn perform(&mut self, write: Write) -> Result<Answer, StoreError> {
        let (key, now) = (write.key, write.now);
        if let Some(keyed) = key {
            match self.store.kept(keyed.key)? {
                Some(kept) if kept.expires > now && kept.fingerprint != keyed.fingerprint => {
                    return Ok(refusal::key_reuse());
                }
                Some(kept) if kept.expires > now => {
                    return Ok(kept
                        .answer
                        .with(HeaderName::from_static("idempotency-replayed"), "true"));
                }
                _ => {}
            }
            if self.store.count_kept() >= self.limits.max_keys && self.store.purge(now)? == 0 {
                let detail = "as many idempotency keys as allowed are remembered; send it later";
                return Ok(refusal::busy(detail));
            }
        }
        let answer = match self.act(write) {
            Ok(answer) => answer,
            Err(Stop::Refused(answer)) => *answer,
            Err(Stop::Store(error)) => return Err(error),
        };
        if let (Some(keyed), true) = (key, answer.status.is_success()) {
            let kept = Kept {
                fingerprint: keyed.fingerprint,
                expires: now.saturating_add(self.limits.key_ttl.as_secs()),
                answer: answer.clone(),
            };
            self.store.keep(keyed.key, &kept)?;
        }
        Ok(answer)
    }

    fn act(&mut self, write: Write) -> Result<Answer, Stop> {
        let Write {
            target,
            action,
            preconditions,
            minimal,
            key: _,
            now,
        } = write;
        let terms = Terms {
            preconditions,
            minimal,
            now,
        };
        match (target, action) {
            (Target::Collection(name), Action::Create(content)) => self.create(&name, content, &terms),
            (Target::Document(name, id), Action::Replace(content)) => self.replace(&name, &id, content, &terms),
            (Target::Document(name, id), Action::Merge(patch)) => {
                self.patch(&name, &id, patch::Change::Merge(patch), &terms)
            }
            (Target::Document(name, id), Action::Patch(patch)) => {
                self.patch(&name, &id, patch::Change::Patch(patch), &terms)
            }
            (Target::Document(name, id), Action::Remove) => self.remove(&name, &id, &terms),
            (Target::Settings(name), Action::Replace(content)) => self.configure(&name, content, &terms),
            (target, action) => {
                // `incoming` makes no such pair; should it ever, the write is refused rather than guessed at.
                let method = method_of(&action);
                Err(refusal::not_allowed(&method, &target).into())
            }
        }
    }

    /// The current state of a document.
    fn current(&mut self, collection: Option<&Collection>, id: &str) -> Result<Option<Document>, StoreError> {
        match collection {
            Some(collection) => self.store.find(collection.collected(), id),
            None => Ok(None),
        }
    }
}

/// How a write is to be done and answered.
#[derive(Debug)]
struct Terms {
    preconditions: tiebreak_core::precondition::Preconditions,
    minimal: bool,
    now: u64,
}

impl Terms {
    /// Judges the preconditions (RFC 9110 §13.2.2) for a write to `path`.
    fn judge(
        &self,
        method: &Method,
        path: &str,
        current: Option<&Document>,
        rules: (bool, StaleStatus),
    ) -> Result<(), Stop> {
        let (required, stale_status) = rules;
        if required && !self.preconditions.guard_writes() {
            return Err(refusal::precondition_required(current).into());
        }
        if self.preconditions.is_empty() {
            return Ok(());
        }
        let etag = current.map(Document::etag);
        let state = Current {
            exists: current.is_some(),
            etag: etag.as_ref(),
            last_modified: current.map(|document| document.modified),
        };
        match evaluate(method, &self.preconditions, state) {
            Evaluation::Failed(which) => {
                Err(refusal::failed(which, &self.preconditions, path, current, stale_status).into())
            }
            // "Not modified" is said of reads only.
            Evaluation::Perform | Evaluation::NotModified => Ok(()),
        }
    }

    /// The answer to a write that left `document` at `path`, with all that a further GET would say.
    fn answer(&self, created: bool, path: String, document: &Document) -> Answer {
        let status = match (created, self.minimal) {
            (true, _) => StatusCode::CREATED,
            (false, true) => StatusCode::NO_CONTENT,
            (false, false) => StatusCode::OK,
        };
        let mut answer = if self.minimal {
            Answer::empty(status).with(HeaderName::from_static("preference-applied"), "return=minimal")
        } else {
            Answer::json(status, document.content.clone()).with_text(CONTENT_LOCATION, path.clone())
        };
        if created {
            answer = answer.with_text(LOCATION, path);
        }
        answer.with_validators(document)
    }
}

fn method_of(action: &Action) -> Method {
    match action {
        Action::Create(_) => Method::POST,
        Action::Replace(_) => Method::PUT,
        Action::Merge(_) | Action::Patch(_) => Method::PATCH,
        Action::Remove => Method::DELETE,
    }
}
