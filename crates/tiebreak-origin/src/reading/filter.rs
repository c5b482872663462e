//! Equality filters: `?field=value`.

use serde_json::Value;
use tiebreak_core::json::{MAX_DEPTH, parse_strict, same_value};

/// Members and the values that they must have.
#[derive(Debug, Clone)]
pub(super) struct Filter(Vec<(String, String, Option<Value>)>);

impl Filter {
    /// Each pair names a top-level member (or, with a leading slash, a JSON Pointer) and a value.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Filter {
        let read = |(name, value): (String, String)| {
            let scalar = parse_strict(value.as_bytes(), MAX_DEPTH).ok();
            let scalar = scalar.filter(|v| v.is_number() || v.is_boolean() || v.is_null());
            (name, value, scalar)
        };
        Filter(pairs.into_iter().map(read).collect())
    }

    /// Whether `document` passes. A string matches as it is, a number by its value.
    pub(super) fn holds(&self, document: &[u8]) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Ok(document) = parse_strict(document, MAX_DEPTH) else {
            return false;
        };
        self.0.iter().all(|(name, text, scalar)| {
            let found = if name.starts_with('/') {
                document.pointer(name)
            } else {
                document.get(name)
            };
            match found {
                Some(Value::String(found)) => found == text,
                Some(found) => scalar.as_ref().is_some_and(|scalar| same_value(found, scalar)),
                None => false,
            }
        })
    }

    /// The pairs it was made from.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value, _)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_as_they_are_and_numbers_by_value() {
        let document = br#"{"s":"1","n":1.0,"b":true,"z":null,"o":{"x":"y"}}"#;
        let table = [
            ("s", "1", true),
            ("s", "1.0", false),
            ("n", "1", true),
            ("n", "2", false),
            ("b", "true", true),
            ("z", "null", true),
            ("absent", "null", false),
            ("/o/x", "y", true),
            ("o", "{}", false),
        ];
        for (name, value, expected) in table {
            let filter = Filter::new(vec![(name.into(), value.into())]);
            assert_eq!(filter.holds(document), expected, "{name}={value}");
        }
    }
}
