//! JSON as conflicts need it: strict reading, exact numbers, pointers, and the two patch formats.
//!
//! A document that two readers could understand differently (duplicate member names), or whose numbers
//! change on the way through (binary64), cannot be merged or compared safely. So documents are read
//! here: duplicates are errors, depth is bounded, and every number keeps its spelling.

mod abreast;
mod fault;
mod json_patch;
mod merge_patch;
mod number;
mod parse;
mod pointer;

pub(crate) use abreast::Abreast;
pub use fault::{JsonError, JsonFault};
pub use json_patch::{JsonPatch, Operation, PatchError, PatchSyntaxError};
pub use merge_patch::merge_patch;
pub use number::same_number;
pub use parse::{find_strict, parse_strict};
pub use pointer::{Pattern, Pointer, PointerError, join, step};

use serde_json::{Number, Value};

/// No document is nested deeper than this. Everything that walks documents may recurse so deep.
pub const MAX_DEPTH: usize = 128;

/// Whether two values are equal as data: numbers by their exact mathematical value (`1`, `1.0` and `10e-1`
/// are equal), objects without regard to the order of their members, arrays item by item.
#[must_use]
pub fn same_value(a: &Value, b: &Value) -> bool {
    same_but_for(a, b, same_number)
}

/// Whether two values are equal as data and spell their numbers alike.
pub(crate) fn same_spelling(a: &Value, b: &Value) -> bool {
    same_but_for(a, b, |a, b| a == b)
}

fn same_but_for(a: &Value, b: &Value, numbers: fn(&Number, &Number) -> bool) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_but_for(a, b, numbers))
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut abreast = Abreast::of(b);
            let mut found = |name: &str, a| abreast.get(name).is_some_and(|b| same_but_for(a, b, numbers));
            a.len() == b.len() && a.iter().all(|(name, a)| found(name, a))
        }
        _ => a == b,
    }
}

/// [`same_value`], where a value may be absent; absent differs from `null`.
#[must_use]
pub fn same_option(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same_value(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// How deep `value` is nested: 0 for a scalar, 1 for an array or object of scalars.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A text that is the same for values that are [`same_value`], and different for others.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => out.push_str(&number::canonical(number)),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            out.push('{');
            for name in names {
                out.push_str(&Value::String(name.clone()).to_string());
                write_canonical(&members[name], out);
                out.push(',');
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_value_and_objects_without_order() {
        let table = [
            ("1", "1.0", true),
            ("100", "1e2", true),
            ("-0.0", "0", true),
            ("1.50", "15E-1", true),
            ("9007199254740993", "9007199254740992", false),
            ("1", "-1", false),
            ("10", "1", false),
            ("0.1", "0.01", false),
            ("1e99999999999999999999", "1e99999999999999999999", true),
            (r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
            ("[1,2]", "[2,1]", false),
            ("\"1\"", "1", false),
        ];
        for (a, b, expected) in table {
            let read = |text: &str| parse_strict(text.as_bytes(), 8).unwrap();
            let (a, b) = (read(a), read(b));
            assert_eq!(same_value(&a, &b), expected, "{a} {b}");
            assert_eq!(canonical(&a) == canonical(&b), expected, "canonical {a} {b}");
        }
    }
}
