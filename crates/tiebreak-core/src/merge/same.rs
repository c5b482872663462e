//! Is an existing resource what was asked for? For adopting it instead of creating it.

use serde_json::Value;

use super::equal::{Path, within};
use super::holds::contains;
use super::{MergeRules, NotMergeable, Representation};
use crate::json::Pointer;

/// Where an existing resource differs from what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where.
    pub pointer: Pointer,
    /// What was asked.
    pub asked: Value,
    /// What exists; `None`: nothing.
    pub existing: Option<Value>,
}

impl Difference {
    /// As a member of a problem document: `{"pointer": …, "existing": …, "asked": …}`, where what is absent has no member.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = serde_json::json!({ "pointer": self.pointer.to_string(), "asked": self.asked });
        if let Some(existing) = &self.existing {
            out["existing"] = existing.clone();
        }
        out
    }
}

/// Why an existing resource cannot be taken for the one that was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SameFailure {
    /// It differs; never empty.
    #[error("take the existing resource: it differs in {} places from what was asked", .0.len())]
    Differs(Vec<Difference>),
    /// The two cannot be compared.
    #[error("compare the existing resource with what was asked: {0}")]
    NotComparable(#[from] NotMergeable),
}

/// Whether `existing` is equal to `asked` in everything that was asked: it may have more members (an id, defaults,
/// times), but no other values. Content that is no data must be the same byte for byte.
///
/// # Errors
/// With every difference, or if the two cannot be compared.
pub fn same(asked: &Representation, existing: &Representation, rules: &MergeRules) -> Result<(), SameFailure> {
    if asked.same_bytes(existing) {
        return Ok(());
    }
    let (wanted, found) = (asked.document()?, existing.document()?);
    if asked.kind() != existing.kind() {
        return Err(NotMergeable::KindsDiffer.into());
    }
    let mut differences = Vec::new();
    collect(
        wanted.value(),
        Some(found.value()),
        &mut Vec::new(),
        rules,
        &mut differences,
    );
    if differences.is_empty() {
        Ok(())
    } else {
        Err(SameFailure::Differs(differences))
    }
}

fn collect<'a>(
    asked: &'a Value,
    existing: Option<&'a Value>,
    path: &mut Path<'a>,
    rules: &MergeRules,
    out: &mut Vec<Difference>,
) {
    if rules.is_volatile(path) {
        return;
    }
    match (asked, existing) {
        (Value::Object(asked), Some(Value::Object(existing))) => {
            for (name, value) in asked {
                within(name, path, |path| collect(value, existing.get(name), path, rules, out));
            }
        }
        (asked, Some(existing)) if contains(existing, asked, path, rules) => {}
        (asked, existing) => out.push(Difference {
            pointer: Pointer(path.iter().map(|token| token.clone().into_owned()).collect()),
            asked: asked.clone(),
            existing: existing.cloned(),
        }),
    }
}
