//! PUT to a document.

use http::Method;

use super::{Engine, Stop, Terms};
use crate::answer::Answer;
use crate::incoming::Content;
use crate::refusal;
use crate::settings::Violation;
use crate::store::Store;
use crate::target::path;

impl<S: Store> Engine<S> {
    pub(super) fn replace(&mut self, name: &str, id: &str, content: Content, terms: &Terms) -> Result<Answer, Stop> {
        let collection = self.collection(name);
        let old = self.current(collection.as_deref(), id)?;
        let at = path(name, id);
        terms.judge(&Method::PUT, &at, old.as_ref(), self.demands(collection.as_deref()))?;
        match content.id() {
            Ok(Some(inner)) if inner != id => return Err(other_id(&inner, id)),
            Ok(_) => {}
            Err(violation) => return Err(refusal::invalid(&[violation]).into()),
        }
        let value = self.look_inside(collection.as_deref(), &content)?;
        let document = self.save(name, id, old.as_ref(), content.text, value, terms.now)?;
        Ok(terms.answer(old.is_none(), at, &document))
    }
}

/// A document whose `id` says something else than its path would be found in two ways.
pub(super) fn other_id(inner: &str, id: &str) -> Stop {
    let detail = format!("the id is `{inner}`, but the path says `{id}`; make them equal, or leave the id out");
    refusal::invalid(&[Violation::new("/id", detail)]).into()
}
