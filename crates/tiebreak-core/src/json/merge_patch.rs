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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_strict;

    /// The table of RFC 7396, Appendix A.
    #[test]
    fn appendix_a() {
        let table = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, "\"bar\"", "\"bar\""),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
            // Order is kept where something is taken out.
            (r#"{"a":1,"b":2,"c":3}"#, r#"{"a":null}"#, r#"{"b":2,"c":3}"#),
        ];
        for (target, patch, expected) in table {
            let read = |text: &str| parse_strict(text.as_bytes(), 8).unwrap();
            let merged = merge_patch(Some(read(target)), &read(patch));
            assert_eq!(merged.to_string(), expected, "{target} {patch}");
        }
    }
}
