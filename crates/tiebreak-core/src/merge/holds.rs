//! Does a representation hold what a write asked for? For the prover: did it land?

use serde_json::Value;

use super::equal::{Path, within};
use super::{Document, Edit, MergeRules, Representation};
use crate::json::{Abreast, Operation, Pointer, same_option, same_value, step};

/// Whether a write is seen in a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holds {
    /// It is there now, and was not before.
    NewlyYes,
    /// It is there, and was there before as well: that proves nothing.
    AlreadyBefore,
    /// It is not there.
    No,
    /// What there is cannot show it.
    CannotTell,
}

/// Whether `now` holds what `edit` asked for and `before` did not. Tolerant of what origins normalise: spelling of
/// numbers, order and spacing, members that the origin added, and volatile ones.
///
/// Where a whole document does nothing but leave members out, one of which is there still, that member is either one that the
/// origin keeps (declare it volatile) or a deletion that did not happen: that is `CannotTell`.
#[must_use]
pub fn holds(edit: &Edit, before: Option<&Representation>, now: &Representation, rules: &MergeRules) -> Holds {
    match edit {
        Edit::Whole(sent) => whole(sent, before, now, rules),
        Edit::MergePatch { patch, .. } => {
            let Ok(Document::Json(now)) = now.document() else {
                return Holds::CannotTell;
            };
            let asked = |value: &Value| holds_patch(Some(value), patch, &mut Vec::new(), rules);
            if !asked(now) {
                return Holds::No;
            }
            match before.map(Representation::document) {
                Some(Ok(Document::Json(before))) if asked(before) => Holds::AlreadyBefore,
                Some(Ok(Document::Json(_))) => Holds::NewlyYes,
                _ => Holds::CannotTell,
            }
        }
        Edit::JsonPatch { patch, .. } => {
            let (Some(Ok(Document::Json(before))), Ok(Document::Json(now))) =
                (before.map(Representation::document), now.document())
            else {
                return Holds::CannotTell;
            };
            match patch.apply(before) {
                Ok(after) => operations(&patch.0, before, &after, now, rules),
                Err(_) => Holds::CannotTell,
            }
        }
        Edit::Other(_) => Holds::CannotTell,
    }
}

fn whole(sent: &Representation, before: Option<&Representation>, now: &Representation, rules: &MergeRules) -> Holds {
    let (asked, is) = match (sent.document(), now.document()) {
        (Ok(asked), Ok(is)) if sent.kind() == now.kind() => (asked.value(), is.value()),
        // No data: then only the very same bytes are evidence, and other bytes are none.
        _ if sent.same_bytes(now) => {
            return match before {
                Some(before) if before.same_bytes(now) => Holds::AlreadyBefore,
                Some(_) => Holds::NewlyYes,
                None => Holds::CannotTell,
            };
        }
        _ => return Holds::CannotTell,
    };
    if !contains(is, asked, &mut Vec::new(), rules) {
        return Holds::No;
    }
    let before = match before.map(Representation::document) {
        Some(Ok(document)) => document.value(),
        _ => return Holds::CannotTell,
    };
    let mut gone = Removed::default();
    removed(before, asked, is, &mut Vec::new(), rules, &mut gone);
    match (contains(before, asked, &mut Vec::new(), rules), gone) {
        // What is new in it shows the write, whatever the origin keeps of its own.
        (false, _) => Holds::NewlyYes,
        (true, Removed { still_there: true, .. }) => Holds::CannotTell,
        (true, Removed { gone: false, .. }) => Holds::AlreadyBefore,
        (true, Removed { gone: true, .. }) => Holds::NewlyYes,
    }
}

/// What became of the members that were there before and are not in what was sent.
#[derive(Default)]
struct Removed {
    gone: bool,
    still_there: bool,
}

fn removed<'a>(
    before: &'a Value,
    asked: &Value,
    now: &Value,
    path: &mut Path<'a>,
    rules: &MergeRules,
    out: &mut Removed,
) {
    let (Value::Object(was), Value::Object(sent)) = (before, asked) else {
        return;
    };
    for (name, value) in was {
        within(name, path, |path| match (sent.get(name), now.get(name)) {
            _ if rules.is_volatile(path) => {}
            (None, None) => out.gone = true,
            (None, Some(_)) => out.still_there = true,
            (Some(asked), Some(now)) => removed(value, asked, now, path, rules, out),
            (Some(_), None) => {}
        });
    }
}

/// Whether every member of `asked` is in `has`, with an equal value; arrays item by item.
pub(super) fn contains<'a>(has: &'a Value, asked: &'a Value, path: &mut Path<'a>, rules: &MergeRules) -> bool {
    if rules.is_volatile(path) {
        return true;
    }
    match (has, asked) {
        (Value::Object(has), Value::Object(asked)) => {
            let mut has = Abreast::of(has);
            asked.iter().all(|(name, asked)| {
                within(name, path, |path| match has.get(name) {
                    Some(has) => contains(has, asked, path, rules),
                    None => rules.is_volatile(path),
                })
            })
        }
        (Value::Array(has), Value::Array(asked)) => {
            has.len() == asked.len()
                && has
                    .iter()
                    .zip(asked)
                    .enumerate()
                    .all(|(at, (has, asked))| within(at.to_string(), path, |path| contains(has, asked, path, rules)))
        }
        _ => same_value(has, asked),
    }
}

/// Whether applying a merge patch to `has` would change nothing.
fn holds_patch<'a>(has: Option<&'a Value>, patch: &'a Value, path: &mut Path<'a>, rules: &MergeRules) -> bool {
    if rules.is_volatile(path) {
        return true;
    }
    match (has, patch) {
        (None, Value::Null) => true,
        (Some(_), Value::Null) if !path.is_empty() => false,
        (Some(Value::Object(has)), Value::Object(changes)) => changes
            .iter()
            .all(|(name, change)| within(name, path, |path| holds_patch(has.get(name), change, path, rules))),
        (Some(has), patch) => !patch.is_object() && contains(has, patch, path, rules),
        (None, _) => false,
    }
}

/// Compares what the operations would have made of `before` with what is there now, where they act.
fn operations(operations: &[Operation], before: &Value, after: &Value, now: &Value, rules: &MergeRules) -> Holds {
    let mut newly = false;
    for operation in operations
        .iter()
        .filter(|operation| !matches!(operation, Operation::Test { .. }))
    {
        let from = match operation {
            Operation::Move { from, .. } => Some(from),
            _ => None,
        };
        for place in std::iter::once(operation.path()).chain(from) {
            let place = up_to_array(place, before, after);
            let mut path: Path<'_> = place.0.iter().map(|token| token.as_str().into()).collect();
            if rules.is_volatile(&path) {
                continue;
            }
            let (was, wanted, is) = (place.get(before), place.get(after), place.get(now));
            let there = match (wanted, is) {
                (Some(wanted), Some(is)) => contains(is, wanted, &mut path, rules),
                (None, None) => true,
                _ => false,
            };
            if !there {
                return Holds::No;
            }
            newly |= !same_option(was, wanted);
        }
    }
    if newly { Holds::NewlyYes } else { Holds::AlreadyBefore }
}

/// The place, or the first array on the way to it.
fn up_to_array(place: &Pointer, before: &Value, after: &Value) -> Pointer {
    for length in 0..place.0.len() {
        let is_array = |document: &Value| {
            let at = place.0[..length]
                .iter()
                .try_fold(document, |value, token| step(value, token));
            at.is_some_and(Value::is_array)
        };
        if is_array(before) || is_array(after) {
            return Pointer(place.0[..length].to_vec());
        }
    }
    place.clone()
}
