//! A forgiving JSON reader: borrows, is bounded, keeps what it read when the text is cut or broken.

use std::borrow::Cow;

use super::{Key, MAX_DEPTH, MAX_NODES, Node, Value};

struct Frame {
    node: u32,
    object: bool,
    next: u32,
}

/// Appends the values of `text` to `nodes`, the root first.
pub(super) fn scan<'a>(text: &'a str, nodes: &mut Vec<Node<'a>>) {
    let mut reader = Reader { text, at: 0 };
    let mut stack: Vec<Frame> = Vec::with_capacity(8);
    let mut parent = 0;
    let mut key = Key::Root;
    loop {
        if nodes.len() >= MAX_NODES {
            return;
        }
        let me = nodes.len() as u32;
        let Some(value) = reader.value() else { return };
        let opened = matches!(value, Value::Object | Value::Array);
        let object = value == Value::Object;
        nodes.push(Node {
            parent,
            key: std::mem::replace(&mut key, Key::Root),
            value,
        });
        if opened {
            if stack.len() >= MAX_DEPTH {
                return;
            }
            stack.push(Frame {
                node: me,
                object,
                next: 0,
            });
        }
        // After a value: close what ends here, then stand before the next one.
        let mut fresh = opened;
        loop {
            let Some(frame) = stack.last_mut() else { return };
            match reader.peek() {
                Some(b'}' | b']') => {
                    reader.at += 1;
                    stack.pop();
                    fresh = false;
                    continue;
                }
                Some(b',') if !fresh => {
                    reader.at += 1;
                }
                Some(_) if fresh => {}
                // A missing comma between members is forgiven; anything else ends the reading.
                Some(b'"') if frame.object => {}
                _ => return,
            }
            parent = frame.node;
            if frame.object {
                if reader.peek() != Some(b'"') {
                    if matches!(reader.peek(), Some(b'}')) {
                        fresh = false;
                        continue;
                    }
                    return;
                }
                key = Key::Name(reader.string());
                if reader.peek() != Some(b':') {
                    return;
                }
                reader.at += 1;
            } else {
                key = Key::Index(frame.next);
                frame.next += 1;
            }
            break;
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        // Most often there is none to skip.
        match self.text.as_bytes().get(self.at) {
            Some(b) if *b > b' ' => return Some(*b),
            None => return None,
            Some(_) => {}
        }
        let rest = self.rest();
        let skip = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.at += skip;
        rest.get(skip).copied()
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'{' => {
                self.at += 1;
                Some(Value::Object)
            }
            b'[' => {
                self.at += 1;
                Some(Value::Array)
            }
            b'"' => Some(Value::Text(self.string())),
            _ => {
                let rest = self.rest();
                let len = rest
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                    .count();
                let word = self.text.get(self.at..self.at + len)?;
                self.at += len;
                match word {
                    "" => None,
                    "true" => Some(Value::Bool(true)),
                    "false" => Some(Value::Bool(false)),
                    "null" => Some(Value::Null),
                    _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => Some(Value::Number(word)),
                    _ => None,
                }
            }
        }
    }

    /// The string that starts at the quote here; to the end of the text if it is never closed.
    fn string(&mut self) -> Cow<'a, str> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        loop {
            let from = self.at;
            let Some(found) = memchr::memchr2(b'"', b'\\', self.rest()) else {
                self.at = self.text.len();
                let tail = self.text.get(from..).unwrap_or("");
                return match owned {
                    Some(mut text) => {
                        text.push_str(tail);
                        Cow::Owned(text)
                    }
                    None => Cow::Borrowed(tail),
                };
            };
            let stop = from + found;
            let piece = self.text.get(from..stop).unwrap_or("");
            if self.text.as_bytes().get(stop) == Some(&b'"') {
                self.at = stop + 1;
                return match owned {
                    Some(mut text) => {
                        text.push_str(piece);
                        Cow::Owned(text)
                    }
                    None => Cow::Borrowed(self.text.get(start..stop).unwrap_or("")),
                };
            }
            let text = owned.get_or_insert_with(String::new);
            text.push_str(piece);
            self.at = stop + 1;
            text.push(self.escape());
        }
    }

    /// The character of the escape whose backslash was just passed.
    fn escape(&mut self) -> char {
        let Some(c) = self.text.get(self.at..).and_then(|t| t.chars().next()) else {
            return '\\';
        };
        self.at += c.len_utf8();
        match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' | 'f' => ' ',
            'u' => {
                let first = self.hex4();
                if (0xD800..0xDC00).contains(&first) && self.rest().starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let second = self.hex4();
                    if (0xDC00..0xE000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                        return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                    }
                    self.at = back;
                }
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other,
        }
    }

    fn hex4(&mut self) -> u32 {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or("");
        match u32::from_str_radix(digits, 16) {
            Ok(code) => {
                self.at += 4;
                code
            }
            Err(_) => 0xFFFD,
        }
    }
}
