//! One document, with its validators and conditional requests.

use std::sync::PoisonError;

use http::StatusCode;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use tiebreak_core::precondition::{Current, Evaluation, evaluate};

use super::failed;
use crate::answer::Answer;
use crate::incoming::preconditions;
use crate::origin::{Backend, Origin};
use crate::refusal;
use crate::store::{Document, SETTINGS_COLLECTION, StoreError};
use crate::target::{SETTINGS, path};

impl Origin {
    pub(super) async fn read_document(&self, head: &Parts, collection: &str, id: &str) -> Result<Answer, Box<Answer>> {
        let found = self.find(collection, id).await.map_err(failed)?;
        let document = found.ok_or_else(|| Box::new(refusal::not_found(&path(collection, id))))?;
        let given = preconditions(&head.headers)?;
        if !given.is_empty() {
            let etag = document.etag();
            let state = Current {
                exists: true,
                etag: Some(&etag),
                last_modified: Some(document.modified),
            };
            match evaluate(&head.method, &given, state) {
                Evaluation::Perform => {}
                Evaluation::NotModified => return Ok(fresh(Answer::empty(StatusCode::NOT_MODIFIED), &document)),
                Evaluation::Failed(_) => return Ok(refusal::failed_read(&given, Some(&document))),
            }
        }
        Ok(fresh(Answer::json(StatusCode::OK, document.content.clone()), &document))
    }

    async fn find(&self, collection: &str, id: &str) -> Result<Option<Document>, StoreError> {
        match &self.backend {
            Backend::Memory(engine) => {
                let engine = engine.read().unwrap_or_else(PoisonError::into_inner);
                let number = if collection == SETTINGS {
                    Some(SETTINGS_COLLECTION.number)
                } else {
                    engine.collection(collection).map(|c| c.number)
                };
                Ok(number.and_then(|number| engine.store.peek(number, id)).cloned())
            }
            Backend::File(store) => match store.cached(collection, id) {
                Some(document) => Ok(Some(document)),
                None => store.find(collection, id).await,
            },
        }
    }
}

/// Validators, and the word that caches in between must ask before they serve it: a stale read leads to a stale write.
fn fresh(answer: Answer, document: &Document) -> Answer {
    answer.with_validators(document).with(CACHE_CONTROL, "no-cache")
}
