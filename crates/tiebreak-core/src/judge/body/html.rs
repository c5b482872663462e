//! What a person would read on an HTML page: its title and its visible text.

use std::borrow::Cow;

use super::xml::unescape;
use super::{Key, Node, Value, clip, has};

/// How much visible text is kept.
const MAX_TEXT: usize = 8 * 1024;

/// Whether markup is HTML and not XML.
pub(super) fn looks_like(text: &str) -> bool {
    let head = clip(text, 600);
    let head = head.as_ref();
    if has(head, "<!doctype html") || has(head, "<html") {
        return true;
    }
    ["<h1", "<body", "<head", "<p>", "<center", "<script", "<title>"]
        .iter()
        .any(|tag| has(clip(head, 64).as_ref(), tag))
        && !head.starts_with("<?xml")
}

/// Appends `/title` and `/text` to `nodes`, below a root.
pub(super) fn scan<'a>(text: &'a str, nodes: &mut Vec<Node<'a>>) {
    let mut title = String::new();
    let mut visible = String::new();
    let mut rest = text;
    while visible.len() < MAX_TEXT {
        let open = memchr::memchr(b'<', rest.as_bytes()).unwrap_or(rest.len());
        push(&mut visible, rest.get(..open).unwrap_or(""));
        let Some(tail) = rest.get(open + 1..).filter(|t| !t.is_empty()) else {
            break;
        };
        rest = tail;
        if let Some(comment) = rest.strip_prefix("!--") {
            let end = memchr::memmem::find(comment.as_bytes(), b"-->").map_or(comment.len(), |e| e + 3);
            rest = comment.get(end..).unwrap_or("");
            continue;
        }
        let end = memchr::memchr(b'>', rest.as_bytes()).unwrap_or(rest.len());
        let tag = rest.get(..end).unwrap_or("");
        rest = rest.get(end + 1..).unwrap_or("");
        let name = tag
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or("")
            .to_ascii_lowercase();
        match name.as_str() {
            "script" | "style" | "title" | "noscript" | "svg" => {
                let close = closing(rest, &name);
                let inner = rest.get(..close).unwrap_or("");
                if name == "title" && title.is_empty() {
                    push(&mut title, inner);
                }
                rest = rest.get(close..).unwrap_or("");
            }
            _ => visible.push(' '),
        }
    }
    nodes.push(Node {
        parent: 0,
        key: Key::Root,
        value: Value::Object,
    });
    for (name, text) in [("title", title), ("text", visible)] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        nodes.push(Node {
            parent: 0,
            key: Key::Name(Cow::Borrowed(name)),
            value: Value::Text(Cow::Owned(text)),
        });
    }
}

fn push(out: &mut String, text: &str) {
    out.push_str(&unescape(&clip(text, MAX_TEXT)));
}

/// Where the closing tag of `name` starts, or the end.
fn closing(text: &str, name: &str) -> usize {
    let bytes = text.as_bytes();
    memchr::memmem::find_iter(bytes, b"</")
        .take(64)
        .find(|at| {
            bytes
                .get(at + 2..at + 2 + name.len())
                .is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        })
        .unwrap_or(bytes.len())
}
