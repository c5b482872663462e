//! The content of an answer, read into one flat, bounded list of values.
//!
//! Whatever the notation (JSON, XML, HTML, form, plain text), the layers above see the same thing: nodes in the
//! order of the text, each with a parent and a key. Nothing here fails: a broken or cut body yields what could be read.

mod charset;
mod html;
mod json;
pub(crate) mod name;
mod pointer;
mod xml;

use std::borrow::Cow;

pub(crate) use pointer::Pointer;

use crate::response::Response;

/// How much content is looked at.
pub(crate) const MAX_CONTENT: usize = 64 * 1024;
/// How many values are kept.
const MAX_NODES: usize = 8 * 1024;
/// How deep values may nest.
const MAX_DEPTH: usize = 64;
/// How many values an error document is expected to have at most; only bulk answers are read beyond it.
pub(crate) const HEAD: usize = 384;

/// The notation of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Empty,
    Json,
    Xml,
    Html,
    Fields,
    Text,
}

/// The key of a value in its parent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key<'a> {
    Root,
    Name(Cow<'a, str>),
    Index(u32),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Object,
    Array,
    Text(Cow<'a, str>),
    Number(&'a str),
    Bool(bool),
    Null,
}

impl Value<'_> {
    /// The scalar as it is written, without quotes.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Null => Some("null"),
            Value::Object | Value::Array => None,
        }
    }
}

/// One value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node<'a> {
    pub(crate) parent: u32,
    pub(crate) key: Key<'a>,
    pub(crate) value: Value<'a>,
}

impl Node<'_> {
    /// The key, where it is a name.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.key {
            Key::Name(name) => Some(name),
            Key::Root | Key::Index(_) => None,
        }
    }
}

/// A value and everything below it. Node 0 is its root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree<'t, 'a> {
    pub(crate) nodes: &'t [Node<'a>],
    /// The hashes of the first nodes' names, where they were made.
    pub(crate) names: &'t [u32],
    base: u32,
}

impl<'t, 'a> Tree<'t, 'a> {
    /// The tree of nodes that starts at its own root.
    pub(crate) fn whole(nodes: &'t [Node<'a>], names: &'t [u32]) -> Tree<'t, 'a> {
        Tree { nodes, names, base: 0 }
    }

    /// The position of the parent of node `at`; the root is its own parent.
    pub(crate) fn parent(self, at: usize) -> usize {
        self.nodes
            .get(at)
            .map_or(0, |n| n.parent.saturating_sub(self.base) as usize)
    }

    /// The value at `at` with everything below it.
    pub(crate) fn below(self, at: usize) -> Tree<'t, 'a> {
        let base = self.base + at as u32;
        let rest = self.nodes.get(at..).unwrap_or(&[]);
        let len = rest.iter().skip(1).take_while(|n| n.parent >= base).count() + usize::from(!rest.is_empty());
        let names = self.names.get(at..).unwrap_or(&[]);
        Tree {
            nodes: rest.get(..len).unwrap_or(rest),
            names: names.get(..len).unwrap_or(names),
            base,
        }
    }

    /// The positions of the direct children of node `at`.
    pub(crate) fn children(self, at: usize) -> impl Iterator<Item = usize> {
        let me = self.base + at as u32;
        let nodes = self.nodes;
        (at + 1..nodes.len())
            .take_while(move |i| nodes.get(*i).is_some_and(|n| n.parent >= me))
            .filter(move |i| nodes.get(*i).is_some_and(|n| n.parent == me))
    }

    /// The position of member `name` of node `at`.
    pub(crate) fn member(self, at: usize, name: &str) -> Option<usize> {
        let wanted = name::hash(name.as_bytes());
        self.children(at).find(|i| {
            self.names.get(*i).is_none_or(|n| *n == wanted) && self.nodes.get(*i).and_then(Node::name) == Some(name)
        })
    }

    /// The scalar of member `name` of node `at`.
    pub(crate) fn scalar(self, at: usize, name: &str) -> Option<&'t str> {
        self.nodes.get(self.member(at, name)?)?.value.scalar()
    }

    /// The place of node `at` as a JSON Pointer (RFC 6901, without escapes); empty for the root.
    pub(crate) fn path(self, at: usize) -> String {
        let mut keys = Vec::new();
        let mut at = at;
        while at != 0 && keys.len() <= MAX_DEPTH {
            let Some(node) = self.nodes.get(at) else { break };
            match &node.key {
                Key::Name(name) => keys.push(clip(name, 60).into_owned()),
                Key::Index(index) => keys.push(index.to_string()),
                Key::Root => break,
            }
            at = self.parent(at);
        }
        keys.iter().rev().fold(String::new(), |mut path, key| {
            path.push('/');
            path.push_str(key);
            path
        })
    }
}

/// The text of an answer, decoded; what the nodes borrow from.
pub(crate) fn decode(response: &Response) -> Cow<'_, str> {
    let bytes = response.content.get(..MAX_CONTENT).unwrap_or(&response.content);
    charset::decode(bytes, response.field("content-type").unwrap_or(""))
}

/// Reads `text` into nodes. The content type is a hint: what the text looks like decides.
pub(crate) fn read<'a>(text: &'a str, content_type: &str) -> (Form, Vec<Node<'a>>) {
    let mut nodes = Vec::with_capacity((text.len() / 10).clamp(8, 128));
    let text = text.trim_start();
    let text = text
        .strip_prefix(")]}'")
        .map_or(text, |t| t.trim_start_matches([',', '\n', '\r', ' ']));
    let form = match text.as_bytes() {
        [] => Form::Empty,
        [b'{' | b'[', ..] => Form::Json,
        [b'"', ..] if has(content_type, "json") => Form::Json,
        [b'<', ..] if html::looks_like(text) || has(content_type, "html") => Form::Html,
        [b'<', ..] => Form::Xml,
        _ if has(content_type, "x-www-form-urlencoded") => Form::Fields,
        _ if has(content_type, "html") && text.contains('<') => Form::Html,
        _ => Form::Text,
    };
    match form {
        Form::Empty => {}
        Form::Json => json::scan(text, &mut nodes),
        Form::Xml => xml::scan(text, &mut nodes),
        Form::Html => html::scan(text, &mut nodes),
        Form::Fields => fields(text, &mut nodes),
        Form::Text => nodes.push(Node {
            parent: 0,
            key: Key::Root,
            value: Value::Text(clip(text.trim_end(), 8 * 1024)),
        }),
    }
    (form, nodes)
}

fn fields<'a>(text: &'a str, nodes: &mut Vec<Node<'a>>) {
    nodes.push(Node {
        parent: 0,
        key: Key::Root,
        value: Value::Object,
    });
    for pair in text.split('&').take(256) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        nodes.push(Node {
            parent: 0,
            key: Key::Name(unescape_field(name)),
            value: Value::Text(unescape_field(value)),
        });
    }
}

fn unescape_field(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let hex = |b: u8| (b as char).to_digit(16);
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [a, b, after @ ..]) if hex(*a).is_some() && hex(*b).is_some() => {
                bytes.push((hex(*a).unwrap_or(0) * 16 + hex(*b).unwrap_or(0)) as u8);
                rest = after;
            }
            _ => bytes.push(first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether ASCII `text` contains lower-case `word`, ignoring case.
pub(crate) fn has(text: &str, word: &str) -> bool {
    text.as_bytes()
        .windows(word.len().max(1))
        .any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}

/// At most `max` bytes of `text`, cut at a character boundary.
pub(crate) fn clip(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = (0..=max).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    Cow::Borrowed(text.get(..end).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_becomes_nodes() {
        for (text, content_type, path, value) in [
            (r#"{"error":{"code":"x\u0041"}}"#, "", "/error/code", "xA"),
            (r#"{"error":{"code":"cut"#, "application/json", "/error/code", "cut"),
            (r#"[{"a":1.50}]"#, "text/plain", "/0/a", "1.50"),
            ("<E><Code>No</Code><M>a &amp; b</M></E>", "", "/E/M", "a & b"),
            (
                "<html><title>T</title><body><p>Gone &lt;now&gt;</p></body></html>",
                "",
                "/text",
                "Gone <now>",
            ),
            (
                "error=slow+down&x=1",
                "application/x-www-form-urlencoded",
                "/error",
                "slow down",
            ),
            ("just text\n", "", "", "just text"),
        ] {
            let (_, nodes) = read(text, content_type);
            let tree = Tree::whole(&nodes, &[]);
            let found = (0..nodes.len()).find(|i| tree.path(*i) == path);
            let seen = found.and_then(|i| nodes.get(i)).and_then(|n| n.value.scalar());
            assert_eq!(seen, Some(value), "{text}");
        }
    }

    #[test]
    fn hostile_nesting_is_bounded() {
        for text in ["[".repeat(65_000), "<a>".repeat(20_000), "{\"a\":".repeat(10_000)] {
            let (_, nodes) = read(&text, "");
            assert!(nodes.len() <= MAX_NODES, "{}", nodes.len());
        }
    }
}
