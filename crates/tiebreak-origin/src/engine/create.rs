//! POST to a collection.

use http::Method;
use tiebreak_core::precondition::{Current, Evaluation, evaluate};

use super::{Engine, Stop, Terms};
use crate::answer::Answer;
use crate::incoming::Content;
use crate::refusal;
use crate::store::Store;
use crate::target::path;

impl<S: Store> Engine<S> {
    pub(super) fn create(&mut self, name: &str, content: Content, terms: &Terms) -> Result<Answer, Stop> {
        let collection = self.collection(name);
        // The target of the preconditions is the collection, which has no tag.
        let state = Current {
            exists: collection.is_some(),
            ..Current::default()
        };
        if let Evaluation::Failed(which) = evaluate(&Method::POST, &terms.preconditions, state) {
            let status = collection.map_or(self.limits.stale_status, |c| c.rules.stale_status);
            let at = format!("/{name}");
            return Err(refusal::failed(which, &terms.preconditions, &at, None, status).into());
        }
        let id = match content.id() {
            Ok(Some(id)) => id,
            Ok(None) => self.fresh_id()?,
            Err(violation) => return Err(refusal::invalid(&[violation]).into()),
        };
        let value = self.look_inside(collection.as_deref(), &content)?;
        if let Some(existing) = self.current(collection.as_deref(), &id)? {
            let differs = Self::differences(&existing, &content);
            return Err(refusal::duplicate(&path(name, &id), &["/id".to_owned()], differs).into());
        }
        let document = self.save(name, &id, None, content.text, value, terms.now)?;
        Ok(terms.answer(true, path(name, &id), &document))
    }

    /// An id that was not used before: versions are not, and the random part keeps ids of a restored copy apart.
    fn fresh_id(&mut self) -> Result<String, Stop> {
        let random = getrandom::u32().map_err(|e| crate::store::StoreError::Failed(e.to_string()))?;
        Ok(format!("{:x}-{random:08x}", self.last + 1))
    }
}
