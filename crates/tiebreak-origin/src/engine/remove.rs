//! DELETE of a document.

use http::{Method, StatusCode};

use super::{Engine, Stop, Terms};
use crate::answer::Answer;
use crate::refusal;
use crate::store::Store;
use crate::target::path;

impl<S: Store> Engine<S> {
    pub(super) fn remove(&mut self, name: &str, id: &str, terms: &Terms) -> Result<Answer, Stop> {
        let at = path(name, id);
        let collection = self.collection(name);
        let (Some(old), Some(collection)) = (self.current(collection.as_deref(), id)?, collection) else {
            return Err(refusal::not_found(&at).into());
        };
        terms.judge(&Method::DELETE, &at, Some(&old), self.demands(Some(&collection)))?;
        for held in self.held(&collection, &old)? {
            self.store.release(collection.collected(), held.digest)?;
        }
        self.next();
        self.store.remove(collection.collected(), id, &old)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}
