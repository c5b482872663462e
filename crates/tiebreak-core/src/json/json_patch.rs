//! JSON Patch (RFC 6902).
//!
//! Ours rather than the `json-patch` crate: that one compares numbers by spelling in `test` (§4.6 wants their
//! value), moves the last member into the place of a removed one, and lets a few `copy` operations
//! fill the memory.

use serde_json::Value;

use super::pointer::index;
use super::{MAX_DEPTH, Pointer, PointerError, depth, same_value, step};

/// A patch never puts more values than this into a document.
const MAX_VALUES: usize = 1 << 20;

/// Nor do the copies of a patch come to more JSON text than this, in bytes, unless its user says otherwise.
const MAX_COPIED: usize = 16 << 20;

/// A JSON Patch: operations in order; all of them apply, or none.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPatch(pub Vec<Operation>);

/// One operation (RFC 6902 §4).
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of RFC 6902")]
pub enum Operation {
    Add { path: Pointer, value: Value },
    Remove { path: Pointer },
    Replace { path: Pointer, value: Value },
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test { path: Pointer, value: Value },
}

/// Why a value is no JSON Patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchSyntaxError {
    /// It is no array.
    #[error("read the JSON Patch: it is no array of operations")]
    NoArray,
    /// An operation lacks a member, or has one of another type, or has an unknown `op`.
    #[error("read operation {at} of the JSON Patch: `{member}` is missing or not what RFC 6902 says")]
    Member {
        /// Which operation, from 0.
        at: usize,
        /// Which member.
        member: &'static str,
    },
    /// A path is no JSON Pointer.
    #[error("read operation {at} of the JSON Patch: {error}")]
    Path {
        /// Which operation, from 0.
        at: usize,
        /// Why.
        error: PointerError,
    },
}

/// Why a patch does not apply to a document. Each names the place and the operation (from 0).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// There is nothing at the place.
    #[error("apply operation {at}: there is nothing at `{path}`")]
    Missing {
        /// Which operation.
        at: usize,
        /// The place.
        path: Pointer,
    },
    /// A `test` failed.
    #[error("apply operation {at}: the value at `{path}` is not the one that it tests for")]
    TestFailed {
        /// Which operation.
        at: usize,
        /// The place.
        path: Pointer,
    },
    /// A value would be moved into itself, or the whole document removed.
    #[error("apply operation {at}: `{path}` cannot be moved or removed")]
    NotPossible {
        /// Which operation.
        at: usize,
        /// The place.
        path: Pointer,
    },
    /// The result would be too large or too deep.
    #[error("apply operation {at}: the document would become too large or too deep")]
    TooLarge {
        /// Which operation.
        at: usize,
    },
}

impl Operation {
    /// The target location.
    #[must_use]
    pub fn path(&self) -> &Pointer {
        match self {
            Operation::Add { path, .. }
            | Operation::Remove { path }
            | Operation::Replace { path, .. }
            | Operation::Move { path, .. }
            | Operation::Copy { path, .. }
            | Operation::Test { path, .. } => path,
        }
    }

    /// The source location of `move` and `copy`.
    #[must_use]
    pub fn from(&self) -> Option<&Pointer> {
        match self {
            Operation::Move { from, .. } | Operation::Copy { from, .. } => Some(from),
            _ => None,
        }
    }
}

impl JsonPatch {
    /// Reads a patch document. Members that RFC 6902 does not know are ignored, as its §4 demands.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(document: &Value) -> Result<JsonPatch, PatchSyntaxError> {
        let operations = document.as_array().ok_or(PatchSyntaxError::NoArray)?;
        operations
            .iter()
            .enumerate()
            .map(|(at, operation)| read_operation(at, operation))
            .collect::<Result<_, _>>()
            .map(JsonPatch)
    }

    /// The document with all operations applied in order.
    ///
    /// # Errors
    /// At the first operation that does not apply.
    pub fn apply(&self, document: &Value) -> Result<Value, PatchError> {
        self.apply_within(document.clone(), MAX_COPIED)
    }

    /// [`JsonPatch::apply`], where what is copied may come to at most `copied` bytes of JSON text: a few `copy`
    /// operations can double a document each.
    ///
    /// # Errors
    /// At the first operation that does not apply.
    pub fn apply_within(&self, mut document: Value, copied: usize) -> Result<Value, PatchError> {
        let mut room = Room {
            values: MAX_VALUES,
            copied,
        };
        for (at, operation) in self.0.iter().enumerate() {
            apply(&mut document, at, operation, &mut room)?;
        }
        Ok(document)
    }
}

fn read_operation(at: usize, operation: &Value) -> Result<Operation, PatchSyntaxError> {
    let text = |member: &'static str| {
        let found = operation.get(member).and_then(Value::as_str);
        found.ok_or(PatchSyntaxError::Member { at, member })
    };
    let pointer = |member| Pointer::parse(text(member)?).map_err(|error| PatchSyntaxError::Path { at, error });
    let value = || {
        let found = operation.get("value");
        found.cloned().ok_or(PatchSyntaxError::Member { at, member: "value" })
    };
    let path = pointer("path")?;
    Ok(match text("op")? {
        "add" => Operation::Add { path, value: value()? },
        "remove" => Operation::Remove { path },
        "replace" => Operation::Replace { path, value: value()? },
        "move" => Operation::Move {
            from: pointer("from")?,
            path,
        },
        "copy" => Operation::Copy {
            from: pointer("from")?,
            path,
        },
        "test" => Operation::Test { path, value: value()? },
        _ => return Err(PatchSyntaxError::Member { at, member: "op" }),
    })
}

/// What a patch may still put into a document.
struct Room {
    values: usize,
    /// Bytes of JSON text, by `copy`. What other operations add, the patch itself holds.
    copied: usize,
}

fn apply(document: &mut Value, at: usize, operation: &Operation, room: &mut Room) -> Result<(), PatchError> {
    let missing = |path: &Pointer| PatchError::Missing { at, path: path.clone() };
    match operation {
        Operation::Add { path, value } => {
            afford(at, path, value, room)?;
            add(document, path, value.clone()).ok_or_else(|| missing(path))
        }
        Operation::Remove { path } if path.0.is_empty() => Err(PatchError::NotPossible { at, path: path.clone() }),
        Operation::Remove { path } => remove(document, path).map(drop).ok_or_else(|| missing(path)),
        Operation::Replace { path, value } => {
            afford(at, path, value, room)?;
            let place = get_mut(document, &path.0).ok_or_else(|| missing(path))?;
            *place = value.clone();
            Ok(())
        }
        Operation::Move { from, path } => {
            if from.holds(path) {
                // Into itself: impossible (§4.4). Onto itself: nothing to do, if it is there.
                return match from.get(document) {
                    None => Err(missing(from)),
                    Some(_) if from == path => Ok(()),
                    Some(_) => Err(PatchError::NotPossible { at, path: from.clone() }),
                };
            }
            let value = remove(document, from).ok_or_else(|| missing(from))?;
            if path.0.len() + depth(&value) > MAX_DEPTH {
                return Err(PatchError::TooLarge { at });
            }
            add(document, path, value).ok_or_else(|| missing(path))
        }
        Operation::Copy { from, path } => {
            let value = from.get(document).ok_or_else(|| missing(from))?;
            afford(at, path, value, room)?;
            let left = room.copied.checked_sub(value.to_string().len());
            room.copied = left.ok_or(PatchError::TooLarge { at })?;
            let value = value.clone();
            add(document, path, value).ok_or_else(|| missing(path))
        }
        Operation::Test { path, value } => match path.get(document) {
            Some(found) if same_value(found, value) => Ok(()),
            _ => Err(PatchError::TestFailed { at, path: path.clone() }),
        },
    }
}

fn afford(at: usize, path: &Pointer, value: &Value, room: &mut Room) -> Result<(), PatchError> {
    let left = room.values.checked_sub(count(value));
    room.values = left.ok_or(PatchError::TooLarge { at })?;
    if path.0.len() + depth(value) > MAX_DEPTH {
        return Err(PatchError::TooLarge { at });
    }
    Ok(())
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn get_mut<'v>(document: &'v mut Value, tokens: &[String]) -> Option<&'v mut Value> {
    tokens.iter().try_fold(document, |value, token| match value {
        Value::Object(members) => members.get_mut(token),
        Value::Array(items) => items.get_mut(index(token)?),
        _ => None,
    })
}

fn add(document: &mut Value, path: &Pointer, value: Value) -> Option<()> {
    let Some((last, parents)) = path.0.split_last() else {
        *document = value;
        return Some(());
    };
    match get_mut(document, parents)? {
        Value::Object(members) => {
            members.insert(last.clone(), value);
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { index(last)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &Pointer) -> Option<Value> {
    let (last, parents) = path.0.split_last()?;
    let parent = get_mut(document, parents)?;
    step(parent, last)?;
    match parent {
        Value::Object(members) => members.shift_remove(last),
        Value::Array(items) => Some(items.remove(index(last)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
