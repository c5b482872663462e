//! Does a write smell of another reader?
//!
//! A write came on a connection, and `base` is what was last read there. If connections are pooled, its author may
//! have read something else, on another connection. A whole document betrays that: every difference between
//! `base` and what its author really read shows up as an edit that nobody made, and each such "edit"
//! sets a place to exactly what another served version has there. So:
//!
//! - an implied edit that sets a place to what another candidate has there smells;
//! - in an array that is merged as a whole, so does adding an item that another candidate has more of, or
//!   taking away one that another candidate has fewer of;
//! - so does a document that implies no edit at all, while other versions were served too: it may be an edit back
//!   to this version.
//!
//! Real edits that put an old value back smell too. They are then tried against all candidates, and refused if it matters.
//!
//! What cannot be seen: two workers on one pool who edit *the same scalar*, both to values that were never served. Only
//! a route that declares its connections pooled, or a client that names its base, is safe from that.

use std::collections::HashMap;

use serde_json::Value;

use super::Question;
use crate::json::{canonical, same_option};
use crate::merge::{Change, Edit, Representation, changes};

/// What a comparison with the other candidates says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Smell {
    /// Nothing speaks against the base.
    None,
    /// It looks as if the author had read another candidate.
    AnotherReader,
    /// A candidate, or the write, cannot be looked at.
    Unclear,
}

pub(super) fn of(question: &Question<'_>, base: usize, candidates: &[usize]) -> Smell {
    let Some(Ok(from)) = question.served[base].content.as_ref().map(Representation::document) else {
        return Smell::Unclear;
    };
    let edits = match question.edit {
        Edit::Whole(sent) => match sent.document() {
            Ok(sent) => changes(from.value(), sent.value(), question.rules),
            Err(_) => return Smell::Unclear,
        },
        // A patch says what its author meant and nothing else: there are no implied edits.
        Edit::MergePatch { .. } | Edit::JsonPatch { .. } => return Smell::None,
        Edit::Other(_) => return Smell::Unclear,
    };
    if edits.is_empty() {
        // Perhaps an edit back to this version, perhaps no edit at all: that says nothing about the connections.
        return Smell::Unclear;
    }
    let arrays: Vec<Option<Items>> = edits.iter().map(Items::of).collect();
    let base_digest = question.served[base].content.as_ref().map(Representation::digest);
    for &at in candidates {
        let content = question.served[at].content.as_ref();
        if content.map(Representation::digest) == base_digest {
            continue;
        }
        let Some(Ok(other)) = content.map(Representation::document) else {
            return Smell::Unclear;
        };
        for (edit, array) in edits.iter().zip(&arrays) {
            let there = edit.find(other.value());
            let restores = same_option(there, edit.to)
                || matches!((array, there), (Some(array), Some(Value::Array(items))) if array.restores(items));
            if restores {
                return Smell::AnotherReader;
            }
        }
    }
    Smell::None
}

/// What an edit does to an array that is merged as a whole: how often each item is there, where that changes.
struct Items(HashMap<String, (usize, usize)>);

impl Items {
    fn of(edit: &Change<'_>) -> Option<Items> {
        let (Some(Value::Array(from)), Some(Value::Array(to))) = (edit.from, edit.to) else {
            return None;
        };
        let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
        for item in from {
            counts.entry(canonical(item)).or_default().0 += 1;
        }
        for item in to {
            counts.entry(canonical(item)).or_default().1 += 1;
        }
        counts.retain(|_, (from, to)| from != to);
        Some(Items(counts))
    }

    /// Whether an item's count goes the way that another version has it.
    fn restores(&self, other: &[Value]) -> bool {
        let mut there: HashMap<&str, usize> = HashMap::new();
        let spelled: Vec<String> = other.iter().map(canonical).collect();
        for item in &spelled {
            if let Some((item, _)) = self.0.get_key_value(item) {
                *there.entry(item).or_default() += 1;
            }
        }
        self.0.iter().any(|(item, (from, to))| {
            let there = there.get(item.as_str()).copied().unwrap_or_default();
            (to < from && there < *from) || (to > from && there > *from)
        })
    }
}
