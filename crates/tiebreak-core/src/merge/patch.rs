//! Patches that are sent again once it is clear that what they touch is unchanged.

use bytes::Bytes;
use serde_json::Value;

use super::equal::{Path, same_option_at, within};
use super::{Document, MergeFailure, MergeRules, Merged, NotMergeable, Overlap, Representation, three_way};
use crate::json::{JsonPatch, Operation, PatchError, Pointer, merge_patch, same_option, same_value};
use crate::policy::OnOverlap;

fn json<'a>(base: &'a Representation, current: &'a Representation) -> Result<(&'a Value, &'a Value), NotMergeable> {
    match (base.document()?, current.document()?) {
        (Document::Json(base), Document::Json(current)) => Ok((base, current)),
        _ => Err(NotMergeable::KindsDiffer),
    }
}

/// A merge patch touches the places of its values that are no objects, and where it would replace something else
/// by an object. What it names counts as touched even where it sets the value that was there: its author said so.
pub(super) fn rebase_merge_patch(
    content: &Bytes,
    patch: &Value,
    base: &Representation,
    current: &Representation,
    rules: &MergeRules,
) -> Result<Merged, MergeFailure> {
    let (b, t) = json(base, current)?;
    let mut overlaps = Vec::new();
    touch(Some(b), Some(t), patch, &mut Vec::new(), rules, &mut overlaps);
    add_sets(&mut overlaps, b, &merge_patch(Some(b.clone()), patch), t, rules);
    let (content, patch) = match (overlaps.is_empty(), rules.on_overlap) {
        (true, _) | (false, OnOverlap::Ours) => (content.clone(), patch.clone()),
        (false, OnOverlap::Refuse) => return Err(MergeFailure::Overlap(overlaps)),
        (false, OnOverlap::Theirs) => {
            let mut rest = patch.clone();
            for overlap in &overlaps {
                without(&mut rest, &overlap.pointer.0, t);
            }
            (Bytes::from(rest.to_string()), rest)
        }
    };
    let changed = !same_value(&merge_patch(Some(t.clone()), &patch), t);
    Ok(Merged {
        content,
        document: None,
        changed,
        settled: overlaps,
    })
}

fn touch<'a>(
    b: Option<&'a Value>,
    t: Option<&'a Value>,
    patch: &'a Value,
    path: &mut Path<'a>,
    rules: &MergeRules,
    overlaps: &mut Vec<Overlap>,
) {
    if rules.is_volatile(path) {
        return;
    }
    if let Value::Object(changes) = patch {
        match (b, t) {
            (Some(Value::Object(b)), Some(Value::Object(t))) => {
                for (name, change) in changes {
                    within(name, path, |path| {
                        touch(b.get(name), t.get(name), change, path, rules, overlaps)
                    });
                }
                return;
            }
            (None, None) => return,
            _ => {}
        }
    }
    let asked = |from: Option<&Value>| match patch {
        Value::Null if !path.is_empty() => None,
        patch => Some(merge_patch(from.cloned(), patch)),
    };
    let (ours, outcome) = (asked(b), asked(t));
    if same_option(outcome.as_ref(), t) || same_option_at(b, t, path, rules) {
        return;
    }
    overlaps.push(Overlap {
        pointer: Pointer(path.iter().map(|token| token.clone().into_owned()).collect()),
        base: b.cloned(),
        ours,
        theirs: t.cloned(),
    });
}

/// Takes what the patch says about this place out of it.
fn without(patch: &mut Value, tokens: &[String], theirs: &Value) {
    match tokens {
        // The patch replaces the whole document, and all of it is theirs.
        [] => {
            *patch = if theirs.is_object() {
                Value::Object(serde_json::Map::new())
            } else {
                theirs.clone()
            }
        }
        [last] => {
            if let Value::Object(members) = patch {
                members.shift_remove(last);
            }
        }
        [first, rest @ ..] => match patch.get_mut(first) {
            Some(inner @ Value::Object(_)) => without(inner, rest, theirs),
            Some(_) => {
                // It replaces something that holds the place.
                if let Value::Object(members) = patch {
                    members.shift_remove(first);
                }
            }
            None => {}
        },
    }
}

/// What an operation touches, in terms of the documents before the patch.
struct Touch {
    pointer: Pointer,
    /// The operation goes on through an array there: its index means nothing once the array was changed.
    through: bool,
    unchanged: bool,
    agrees: bool,
}

/// A JSON Patch touches the place of each operation, and where it takes a value from. A place inside an array
/// counts as the whole array. `test` operations touch nothing; they must hold now.
pub(super) fn rebase_json_patch(
    content: &Bytes,
    patch: &JsonPatch,
    source: &Value,
    base: &Representation,
    current: &Representation,
    rules: &MergeRules,
) -> Result<Merged, MergeFailure> {
    let (b, t) = json(base, current)?;
    let ours = patch
        .apply(b)
        .map_err(|error| NotMergeable::DoesNotApply(error.to_string()))?;
    let touches: Vec<Vec<Touch>> = patch
        .0
        .iter()
        .map(|operation| touches(operation, b, &ours, t, rules))
        .collect();

    // What others have done already is left out. Everything else must be as it was.
    let done: Vec<bool> = touches
        .iter()
        .map(|touches| touches.iter().any(|touch| !touch.unchanged) && touches.iter().all(|touch| touch.agrees))
        .collect();
    let mut clash = vec![false; patch.0.len()];
    let mut overlaps: Vec<(Overlap, bool)> = Vec::new();
    for (at, touch) in each(&touches) {
        let clashes = if done[at] {
            each(&touches).any(|(other, kept)| !done[other] && related(&kept.pointer, &touch.pointer))
        } else {
            !touch.unchanged
        };
        clash[at] |= clashes;
        if clashes && !overlaps.iter().any(|(known, _)| known.pointer == touch.pointer) {
            overlaps.push((overlap_at(&touch.pointer, b, &ours, t), touch.through));
        }
    }
    let any_through = overlaps.iter().any(|(_, through)| *through);
    let mut overlaps: Vec<Overlap> = overlaps.into_iter().map(|(overlap, _)| overlap).collect();
    add_sets(&mut overlaps, b, &ours, t, rules);

    let refused = match rules.on_overlap {
        OnOverlap::Refuse => !overlaps.is_empty(),
        OnOverlap::Ours => any_through,
        OnOverlap::Theirs => false,
    };
    if refused {
        return Err(MergeFailure::Overlap(overlaps));
    }
    let theirs = rules.on_overlap == OnOverlap::Theirs;
    let keep = |at: usize| {
        let given_up = theirs
            && touches[at]
                .iter()
                .any(|touch| overlaps.iter().any(|overlap| related(&overlap.pointer, &touch.pointer)));
        !given_up && (!done[at] || clash[at])
    };
    let kept: Vec<usize> = (0..patch.0.len()).filter(|&at| keep(at)).collect();
    let rest = JsonPatch(kept.iter().map(|&at| patch.0[at].clone()).collect());
    let outcome = match rest.apply(t) {
        Ok(outcome) => outcome,
        Err(error) => {
            overlaps.extend(failed(&error, patch, &kept, b, &ours, t));
            return Err(MergeFailure::Overlap(overlaps));
        }
    };
    let content = match source {
        Value::Array(operations) if kept.len() < operations.len() => {
            let rest: Vec<Value> = kept.iter().filter_map(|&at| operations.get(at).cloned()).collect();
            Bytes::from(Value::Array(rest).to_string())
        }
        _ => content.clone(),
    };
    Ok(Merged {
        content,
        document: None,
        changed: !same_value(&outcome, t),
        settled: overlaps,
    })
}

fn each(touches: &[Vec<Touch>]) -> impl Iterator<Item = (usize, &Touch)> {
    touches
        .iter()
        .enumerate()
        .flat_map(|(at, touches)| touches.iter().map(move |touch| (at, touch)))
}

fn related(a: &Pointer, b: &Pointer) -> bool {
    a.holds(b) || b.holds(a)
}

fn touches(operation: &Operation, b: &Value, ours: &Value, t: &Value, rules: &MergeRules) -> Vec<Touch> {
    if matches!(operation, Operation::Test { .. }) {
        return Vec::new();
    }
    std::iter::once(operation.path())
        .chain(operation.from())
        .map(|place| {
            let ((b_reach, b_array), (t_reach, t_array)) = (reach(b, place), reach(t, place));
            let kept = b_reach.min(t_reach);
            let pointer = Pointer(place.0[..kept].to_vec());
            let (before, now) = (pointer.get(b), pointer.get(t));
            let mut path: Path<'_> = pointer.0.iter().map(|token| token.as_str().into()).collect();
            let unchanged = rules.is_volatile(&path) || same_option_at(before, now, &mut path, rules);
            let agrees = same_option(pointer.get(ours), now);
            drop(path);
            Touch {
                through: (b_array && b_reach == kept) || (t_array && t_reach == kept),
                unchanged,
                agrees,
                pointer,
            }
        })
        .collect()
}

/// How many tokens of `place` lead through objects to something, or to the first thing that is missing;
/// and whether an array ended the way.
fn reach(document: &Value, place: &Pointer) -> (usize, bool) {
    let mut value = Some(document);
    for (at, token) in place.0.iter().enumerate() {
        match value {
            Some(Value::Object(members)) => value = members.get(token),
            Some(Value::Array(_)) => return (at, true),
            _ => return (at, false),
        }
    }
    (place.0.len(), false)
}

fn overlap_at(pointer: &Pointer, b: &Value, ours: &Value, t: &Value) -> Overlap {
    Overlap {
        pointer: pointer.clone(),
        base: pointer.get(b).cloned(),
        ours: pointer.get(ours).cloned(),
        theirs: pointer.get(t).cloned(),
    }
}

/// The overlap that made the rest of a patch fail on the current document.
fn failed(
    error: &PatchError,
    patch: &JsonPatch,
    kept: &[usize],
    b: &Value,
    ours: &Value,
    t: &Value,
) -> Option<Overlap> {
    let (at, path) = match error {
        PatchError::Missing { at, path }
        | PatchError::TestFailed { at, path }
        | PatchError::NotPossible { at, path } => (*at, path.clone()),
        PatchError::TooLarge { at } => (*at, Pointer::default()),
    };
    let mut overlap = overlap_at(&path, b, ours, t);
    if let Some(Operation::Test { value, .. }) = kept.get(at).and_then(|&at| patch.0.get(at)) {
        overlap.ours = Some(value.clone());
    }
    Some(overlap)
}

/// Adds the overlaps of sets that were changed on both sides at different places.
fn add_sets(overlaps: &mut Vec<Overlap>, b: &Value, ours: &Value, t: &Value, rules: &MergeRules) {
    if rules.together.is_empty() {
        return;
    }
    for overlap in three_way::merge(b, ours, t, rules).1 {
        if !overlaps.iter().any(|known| related(&known.pointer, &overlap.pointer)) {
            overlaps.push(overlap);
        }
    }
}
