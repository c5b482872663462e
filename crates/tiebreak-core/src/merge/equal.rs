//! Comparing values under a route's rules.

use std::borrow::Cow;

use serde_json::Value;

use super::MergeRules;
use crate::json::same_value;

/// The tokens from the root to where we are.
pub(super) type Path<'a> = Vec<Cow<'a, str>>;

/// Compares two values at `path`, leaving out what is volatile there.
pub(super) fn same_at<'a>(a: &'a Value, b: &'a Value, path: &mut Path<'a>, rules: &MergeRules) -> bool {
    if rules.volatile.is_empty() {
        return same_value(a, b);
    }
    if rules.is_volatile(path) {
        return true;
    }
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let all = |mine: &'a serde_json::Map<String, Value>,
                       other: &'a serde_json::Map<String, Value>,
                       path: &mut Path<'a>| {
                mine.iter().all(|(name, value)| {
                    within(name, path, |path| {
                        same_option_at(Some(value), other.get(name), path, rules)
                    })
                })
            };
            all(x, y, path) && all(y, x, path)
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len()
                && x.iter()
                    .zip(y)
                    .enumerate()
                    .all(|(at, (x, y))| within(at.to_string(), path, |path| same_at(x, y, path, rules)))
        }
        _ => same_value(a, b),
    }
}

/// [`same_at`], where a value may be absent.
pub(super) fn same_option_at<'a>(
    a: Option<&'a Value>,
    b: Option<&'a Value>,
    path: &mut Path<'a>,
    rules: &MergeRules,
) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same_at(a, b, path, rules),
        (None, None) => true,
        _ => rules.is_volatile(path),
    }
}

/// Runs `inside` with one more token on `path`.
pub(super) fn within<'a, T>(
    token: impl Into<Cow<'a, str>>,
    path: &mut Path<'a>,
    inside: impl FnOnce(&mut Path<'a>) -> T,
) -> T {
    path.push(token.into());
    let out = inside(path);
    path.pop();
    out
}
