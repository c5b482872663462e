//! Is the content of a write's answer the whole representation that the write produced?

use super::holds::contains;
use super::{Document, Edit, MergeRules, Representation};
use crate::json::merge_patch;

/// Whether `answer` holds all that the resource must hold after `edit`. An origin may answer a write with the new
/// representation, or with a part, an echo or a word of thanks (RFC 9110 §15.3.1); only the first may be
/// carried along as the current one. For a patch that takes what was there `before`.
#[must_use]
pub fn is_whole(edit: &Edit, before: Option<&Representation>, answer: &Representation, rules: &MergeRules) -> bool {
    let Ok(answer) = answer.document() else {
        return false;
    };
    let holds = |asked: &serde_json::Value| contains(answer.value(), asked, &mut Vec::new(), rules);
    let before = || match before.map(Representation::document) {
        Some(Ok(Document::Json(before))) => Some(before),
        _ => None,
    };
    match edit {
        Edit::Whole(sent) => sent.document().is_ok_and(|sent| holds(sent.value())),
        Edit::MergePatch { patch, .. } => before().is_some_and(|b| holds(&merge_patch(Some(b.clone()), patch))),
        Edit::JsonPatch { patch, .. } => before().is_some_and(|b| patch.apply(b).is_ok_and(|after| holds(&after))),
        Edit::Other(_) => false,
    }
}
