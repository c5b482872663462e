//! JSON Merge Patch (RFC 7396).

use serde_json::{Map, Value};

/// `MergePatch(target, patch)` of RFC 7396 §2. Members keep their order, new ones come last.
#[must_use]
pub fn merge_patch(target: Option<Value>, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut members = match target {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            members.shift_remove(name);
        } else if let Some(member) = members.get_mut(name) {
            *member = merge_patch(Some(member.take()), change);
        } else {
            members.insert(name.clone(), merge_patch(None, change));
        }
    }
    Value::Object(members)
}
