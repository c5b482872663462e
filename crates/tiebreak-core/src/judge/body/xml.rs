//! A forgiving XML reader: elements by local name, leaf text, attributes as `@name`.

use std::borrow::Cow;

use super::{Key, MAX_DEPTH, MAX_NODES, Node, Value};

/// Appends the elements of `text` to `nodes`. The root node is the document; the root element is its member.
pub(super) fn scan<'a>(text: &'a str, nodes: &mut Vec<Node<'a>>) {
    nodes.push(Node {
        parent: 0,
        key: Key::Root,
        value: Value::Object,
    });
    let mut stack: Vec<u32> = Vec::with_capacity(8);
    let mut rest = text;
    while let Some(open) = memchr::memchr(b'<', rest.as_bytes()) {
        let before = rest.get(..open).unwrap_or("").trim();
        if !before.is_empty() {
            say(nodes, &stack, unescape(before));
        }
        rest = rest.get(open + 1..).unwrap_or("");
        if let Some(data) = rest.strip_prefix("![CDATA[") {
            let end = memchr::memmem::find(data.as_bytes(), b"]]>").unwrap_or(data.len());
            say(nodes, &stack, Cow::Borrowed(data.get(..end).unwrap_or("").trim()));
            rest = data.get(end + 3..).unwrap_or("");
            continue;
        }
        let stop: &[u8] = if rest.starts_with("!--") { b"-->" } else { b">" };
        let Some(end) = memchr::memmem::find(rest.as_bytes(), stop) else {
            return;
        };
        let tag = rest.get(..end).unwrap_or("");
        rest = rest.get(end + stop.len()..).unwrap_or("");
        match tag.as_bytes().first() {
            None | Some(b'?' | b'!') => {}
            Some(b'/') => {
                stack.pop();
            }
            Some(_) => {
                if nodes.len() >= MAX_NODES || stack.len() >= MAX_DEPTH {
                    return;
                }
                let empty = tag.ends_with('/');
                let tag = tag.trim_end_matches('/');
                let name = tag.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or("");
                let me = nodes.len() as u32;
                let parent = stack.last().copied().unwrap_or(0);
                nodes.push(Node {
                    parent,
                    key: Key::Name(Cow::Borrowed(local(name))),
                    value: Value::Object,
                });
                attributes(tag.get(name.len()..).unwrap_or(""), me, nodes);
                if !empty {
                    stack.push(me);
                }
            }
        }
    }
}

/// The name without its namespace prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn say<'a>(nodes: &mut [Node<'a>], stack: &[u32], text: Cow<'a, str>) {
    let at = stack.last().copied().unwrap_or(0) as usize;
    if let Some(node) = nodes.get_mut(at) {
        match &mut node.value {
            Value::Text(already) if already.len() < 1024 => {
                let joined = format!("{already} {text}");
                *already = Cow::Owned(joined);
            }
            Value::Object => node.value = Value::Text(text),
            _ => {}
        }
    }
}

fn attributes<'a>(text: &'a str, parent: u32, nodes: &mut Vec<Node<'a>>) {
    let mut rest = text;
    for _ in 0..16 {
        let Some((name, after)) = rest.split_once('=') else {
            return;
        };
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return;
        };
        let Some((value, tail)) = after.get(1..).and_then(|a| a.split_once(quote)) else {
            return;
        };
        rest = tail;
        let name = name.trim();
        if name.starts_with("xmlns") || nodes.len() >= MAX_NODES {
            continue;
        }
        nodes.push(Node {
            parent,
            key: Key::Name(Cow::Owned(format!("@{}", local(name)))),
            value: Value::Text(unescape(value)),
        });
    }
}

/// The five predefined entities and numeric references; others stay as they are.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(10).position(|b| b == b';');
        let entity = end.and_then(|e| after.get(..e));
        let c = entity.and_then(|name| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some(' '),
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }
        });
        match (c, end) {
            (Some(c), Some(end)) => {
                out.push(c);
                rest = after.get(end + 1..).unwrap_or("");
            }
            _ => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}
