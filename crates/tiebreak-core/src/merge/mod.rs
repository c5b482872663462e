//! Three-way merging: what a write asked for, put onto what the resource is now.
//!
//! `base` is what the caller had read, `ours` what it sent, `theirs` what the resource is now. Disjoint edits
//! combine, equal edits agree, and overlapping edits are reported field by field. Told for
//! users in `docs/merging.md`.
//!
//! A whole document (PUT) is merged; a patch is sent again *unaltered*, once it is clear that what it touches
//! is still what its author saw. Anything that is not fully understood is not merged at all.

mod changes;
mod edit;
mod equal;
mod form;
mod holds;
mod keyed;
mod patch;
mod representation;
mod rules;
mod same;
mod three_way;
mod whole;

pub(crate) use changes::{Change, changes};
pub use edit::Edit;
pub use holds::{Holds, holds};
pub(crate) use representation::Kind;
pub use representation::{Document, NotMergeable, Representation};
pub use rules::{MergeRules, RuleError, Together};
pub use same::{Difference, SameFailure, same};
pub use whole::is_whole;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::json::{Pointer, same_spelling, same_value};
use crate::policy::OnOverlap;

/// Whether content of this media type has fields that can be merged.
#[must_use]
pub fn is_mergeable_type(content_type: &str) -> bool {
    Kind::of(content_type).is_some()
}

/// A media type without its parameters (RFC 9110 §8.3.1), in whatever case.
#[must_use]
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Whether content of this media type is JSON.
#[must_use]
pub fn is_json_type(content_type: &str) -> bool {
    Kind::of(content_type) == Some(Kind::Json)
}

/// An edit of ours that meets another writer's edit of the same thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlap {
    /// Where: in our document if it is there, else in theirs. For a form, the field name as a pointer.
    pub pointer: Pointer,
    /// What the caller had read; `None`: nothing (which is not `null`).
    pub base: Option<Value>,
    /// What the caller wants.
    pub ours: Option<Value>,
    /// What is there now.
    pub theirs: Option<Value>,
}

impl Overlap {
    /// As a member of a problem document: `{"pointer": …, "base": …, "ours": …, "theirs": …}`, where
    /// what is absent has no member.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = json!({ "pointer": self.pointer.to_string() });
        for (name, value) in [("base", &self.base), ("ours", &self.ours), ("theirs", &self.theirs)] {
            if let Some(value) = value {
                out[name] = value.clone();
            }
        }
        out
    }
}

/// A write that was rebased.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// What to send now, with the same method and content type as before.
    pub content: Bytes,
    /// The same as data, where a document was merged from both sides.
    pub document: Option<Value>,
    /// False: the current representation already equals what was asked, so nothing needs to be sent.
    pub changed: bool,
    /// Overlaps that the rules settled (`on_overlap` = ours or theirs); empty when they refuse.
    pub settled: Vec<Overlap>,
}

/// Why a write could not be rebased.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MergeFailure {
    /// The edits overlap; never empty.
    #[error("rebase the write: {} of its edits overlap with another writer's", .0.len())]
    Overlap(Vec<Overlap>),
    /// It cannot be merged at all.
    #[error("rebase the write: {0}")]
    NotMergeable(#[from] NotMergeable),
}

/// Puts `edit`, which its author made against `base`, onto `current`.
///
/// # Errors
/// If edits overlap and the rules refuse that, or if this is nothing that can be merged.
pub fn rebase(
    edit: &Edit,
    base: &Representation,
    current: &Representation,
    rules: &MergeRules,
) -> Result<Merged, MergeFailure> {
    match edit {
        Edit::Whole(ours) => whole(ours, base, current, rules),
        Edit::MergePatch { content, patch } => patch::rebase_merge_patch(content, patch, base, current, rules),
        Edit::JsonPatch { content, patch, source } => {
            patch::rebase_json_patch(content, patch, source, base, current, rules)
        }
        Edit::Other(why) => Err(why.clone().into()),
    }
}

fn whole(
    ours: &Representation,
    base: &Representation,
    current: &Representation,
    rules: &MergeRules,
) -> Result<Merged, MergeFailure> {
    match (base.document()?, ours.document()?, current.document()?) {
        (Document::Json(b), Document::Json(o), Document::Json(t)) => {
            if base.content() == current.content() {
                return Ok(Merged {
                    content: ours.content().clone(),
                    document: None,
                    changed: !same_value(o, t),
                    settled: Vec::new(),
                });
            }
            let (merged, settled) = settle(three_way::merge(b, o, t, rules), rules)?;
            // Three documents always merge to one: a root is never absent.
            let merged = merged.unwrap_or(Value::Null);
            let changed = !same_value(&merged, t);
            let (content, document) = if same_spelling(&merged, o) {
                (ours.content().clone(), None)
            } else {
                (Bytes::from(merged.to_string()), Some(merged))
            };
            Ok(Merged {
                content,
                document,
                changed,
                settled,
            })
        }
        (Document::Form(b), Document::Form(o), Document::Form(t)) => {
            let (merged, settled) = settle(three_way::merge(b.value(), o.value(), t.value(), rules), rules)?;
            let merged = merged.unwrap_or(Value::Null);
            Ok(Merged {
                content: Bytes::from(form::respell(&merged, o, t)),
                document: None,
                changed: !same_value(&merged, t.value()),
                settled,
            })
        }
        _ => Err(NotMergeable::KindsDiffer.into()),
    }
}

type Outcome = (Option<Value>, Vec<Overlap>);

fn settle((merged, overlaps): Outcome, rules: &MergeRules) -> Result<Outcome, MergeFailure> {
    if rules.on_overlap == OnOverlap::Refuse && !overlaps.is_empty() {
        return Err(MergeFailure::Overlap(overlaps));
    }
    Ok((merged, overlaps))
}
