//! JSON Pointer (RFC 6901), and patterns of pointers.

use std::fmt;

use serde_json::Value;

/// A place in a document: reference tokens, unescaped. Displays as `/a~1b/0`; the whole document is the empty text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Pointer(pub Vec<String>);

/// Why a text is no JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read `{0}` as a JSON Pointer; write it like /a/b, with ~1 for / and ~0 for ~")]
pub struct PointerError(pub String);

impl Pointer {
    /// Parses a pointer.
    ///
    /// # Errors
    /// If it is neither empty nor begins with `/`, or has a `~` that is not `~0` or `~1`.
    pub fn parse(text: &str) -> Result<Pointer, PointerError> {
        if text.is_empty() {
            return Ok(Pointer::default());
        }
        let fail = || PointerError(text.to_owned());
        let tokens = text.strip_prefix('/').ok_or_else(fail)?;
        tokens
            .split('/')
            .map(unescape)
            .collect::<Option<_>>()
            .map(Pointer)
            .ok_or_else(fail)
    }

    /// The value at this place; `None` if there is none.
    #[must_use]
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, token| step(value, token))
    }

    /// Whether `other` is this place or inside it.
    #[must_use]
    pub fn holds(&self, other: &Pointer) -> bool {
        other.0.starts_with(&self.0)
    }
}

/// One step down from `value`: the member, or the item, that `token` names.
#[must_use]
pub fn step<'v>(value: &'v Value, token: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(token),
        Value::Array(items) => items.get(index(token)?),
        _ => None,
    }
}

/// An array index: digits without leading zeros (RFC 6901 §4).
pub(super) fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    if plain { token.parse().ok() } else { None }
}

fn unescape(token: &str) -> Option<String> {
    if !token.contains('~') {
        return Some(token.to_owned());
    }
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match c {
            '~' => match chars.next() {
                Some('0') => out.push('~'),
                Some('1') => out.push('/'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

/// The pointer text of these tokens.
#[must_use]
pub fn join<'t>(tokens: impl IntoIterator<Item = &'t str>) -> String {
    let mut out = String::new();
    for token in tokens {
        out.push('/');
        for c in token.chars() {
            match c {
                '~' => out.push_str("~0"),
                '/' => out.push_str("~1"),
                c => out.push(c),
            }
        }
    }
    out
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(self.0.iter().map(String::as_str)))
    }
}

/// A pointer in which the token `*` stands for any one member or item: `/items/*/price`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Parses a pattern; it is written like a pointer.
    ///
    /// # Errors
    /// If it is no pointer.
    pub fn parse(text: &str) -> Result<Pattern, PointerError> {
        Pointer::parse(text).map(|pointer| Pattern(pointer.0))
    }

    /// A pattern of these tokens.
    #[must_use]
    pub fn of(tokens: &[String]) -> Pattern {
        Pattern(tokens.to_vec())
    }

    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether the place with these tokens is meant.
    pub fn matches(&self, path: &[impl AsRef<str>]) -> bool {
        self.0.len() == path.len()
            && self
                .0
                .iter()
                .zip(path)
                .all(|(pattern, token)| pattern == "*" || pattern == token.as_ref())
    }
}
