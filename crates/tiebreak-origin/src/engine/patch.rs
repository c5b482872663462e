//! PATCH of a document.

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tiebreak_core::json::{JsonPatch, merge_patch};
use tiebreak_core::problem::Kind;

use super::replace::other_id;
use super::{Engine, Stop, Terms};
use crate::answer::Answer;
use crate::incoming::Content;
use crate::refusal;
use crate::store::Store;
use crate::target::path;

/// The content of a PATCH.
#[derive(Debug)]
pub(super) enum Change {
    Merge(Value),
    Patch(JsonPatch),
}

impl<S: Store> Engine<S> {
    pub(super) fn patch(&mut self, name: &str, id: &str, change: Change, terms: &Terms) -> Result<Answer, Stop> {
        let at = path(name, id);
        let collection = self.collection(name);
        // Without preconditions the answer would be 404, so they are ignored (RFC 9110 §13.2.1).
        let Some(old) = self.current(collection.as_deref(), id)? else {
            return Err(refusal::not_found(&at).into());
        };
        terms.judge(&Method::PATCH, &at, Some(&old), self.demands(collection.as_deref()))?;
        let value = old.value()?;
        let value = match change {
            Change::Merge(patch) => merge_patch(Some(value), &patch),
            Change::Patch(patch) => {
                let applied = patch.apply_within(value, self.limits.max_content);
                applied.map_err(|error| refusal::misfit(&error, &old))?
            }
        };
        let content = self.checked(&value)?;
        match content.id() {
            Ok(Some(inner)) if inner != id => return Err(other_id(&inner, id)),
            Ok(_) => {}
            Err(violation) => return Err(refusal::invalid(&[violation]).into()),
        }
        let document = self.save(name, id, Some(&old), content.text, Some(value), terms.now)?;
        Ok(terms.answer(false, at, &document))
    }

    /// The patched document as a text, within the bounds of what can be sent whole.
    fn checked(&self, value: &Value) -> Result<Content, Stop> {
        let text = Bytes::from(value.to_string());
        let limit = self.limits.max_content;
        if text.len() > limit {
            let detail = format!(
                "the patched document has {} bytes, and at most {limit} are kept",
                text.len()
            );
            return Err(refusal::plain(Kind::TooLarge, detail).into());
        }
        Content::check(text, self.limits.max_depth).map_err(Stop::Refused)
    }
}
