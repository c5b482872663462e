//! Reading JSON strictly (RFC 8259), without recursion.
//!
//! Not `serde_json::from_slice::<Value>`: it keeps the last of several members with one name, respells
//! exponents, and takes an object with a certain private member name for a number.

use serde_json::{Map, Number, Value};

/// Why bytes are no JSON that can be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read JSON at line {line}, column {column}: {why}")]
pub struct JsonError {
    /// Line of the fault, from 1.
    pub line: usize,
    /// Column of the fault in bytes, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

/// Reads one JSON text: UTF-8, at most `max_depth` arrays and objects inside each other, no member name
/// twice in one object (compared after unescaping), no lone surrogates, nothing after it. Numbers keep
/// their spelling, members their order.
///
/// # Errors
/// At the first fault, with its place.
pub fn parse_strict(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    Parser {
        bytes,
        at: 0,
        max_depth,
    }
    .document()
    .map_err(|(at, why)| {
        let before = &bytes[..at.min(bytes.len())];
        let line_start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |newline| newline + 1);
        JsonError {
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            column: 1 + before.len() - line_start,
            why,
        }
    })
}

type Fault = (usize, String);

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
}

/// An array or object that is not closed yet.
enum Open {
    Array(Vec<Value>),
    Object(Map<String, Value>, String),
}

impl Parser<'_> {
    fn document(mut self) -> Result<Value, Fault> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.space();
            let mut done = match self.peek() {
                Some(b'[') => {
                    self.enter(open.len())?;
                    if self.take_after_space(b']') {
                        Value::Array(Vec::new())
                    } else {
                        open.push(Open::Array(Vec::new()));
                        continue;
                    }
                }
                Some(b'{') => {
                    self.enter(open.len())?;
                    if self.take_after_space(b'}') {
                        Value::Object(Map::new())
                    } else {
                        let members = Map::new();
                        let name = self.name(&members)?;
                        open.push(Open::Object(members, name));
                        continue;
                    }
                }
                _ => self.scalar()?,
            };
            // Hand the finished value to what it is in, and close all that ends here.
            loop {
                match open.pop() {
                    None => return self.end(done),
                    Some(Open::Array(mut items)) => {
                        items.push(done);
                        if self.more(b']')? {
                            open.push(Open::Array(items));
                            break;
                        }
                        done = Value::Array(items);
                    }
                    Some(Open::Object(mut members, name)) => {
                        members.insert(name, done);
                        if self.more(b'}')? {
                            let name = self.name(&members)?;
                            open.push(Open::Object(members, name));
                            break;
                        }
                        done = Value::Object(members);
                    }
                }
            }
        }
    }

    fn end(mut self, value: Value) -> Result<Value, Fault> {
        self.space();
        if self.at == self.bytes.len() {
            Ok(value)
        } else {
            self.fault("something follows the document")
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= self.max_depth {
            return self.fault(&format!("it is nested deeper than {}", self.max_depth));
        }
        self.at += 1;
        Ok(())
    }

    /// After a value: true at a comma, false at `close`.
    fn more(&mut self, close: u8) -> Result<bool, Fault> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(found) if found == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.fault(&format!("expected `,` or `{}`", close as char)),
        }
    }

    /// A member name that `members` does not hold yet, and its colon.
    fn name(&mut self, members: &Map<String, Value>) -> Result<String, Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return self.fault("expected a member name in double quotes");
        }
        let start = self.at;
        let name = self.string()?;
        if members.contains_key(&name) {
            return Err((start, format!("the member name {name:?} appears twice in one object")));
        }
        if self.take_after_space(b':') {
            Ok(name)
        } else {
            self.fault("expected `:`")
        }
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        match self.peek() {
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => self.fault("expected a value"),
            None => self.fault("it ends too early"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            self.fault("expected a value")
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, kept as it is spelled.
    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        // `Number::from_str` would spell `1e5` as `1e+5`. This way in is hidden in serde_json's documentation;
        // the tests of this module would notice if it went away.
        Ok(Value::Number(Number::from_string_unchecked(text)))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let count = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 {
            return self.fault("expected a digit");
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let mut escaped = false;
        let mut end = start + 1;
        loop {
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0..=0x1f) => return Err((end, "a control character in a string must be escaped".to_owned())),
                Some(_) => end += 1,
                None => return Err((start, "the string does not end".to_owned())),
            }
        }
        self.at = end + 1;
        if escaped {
            // Escapes and surrogate pairs are serde_json's; one string holds nothing that it would guess at.
            serde_json::from_slice(&self.bytes[start..=end])
                .map_err(|_| (start, "the string has a bad escape or is not UTF-8".to_owned()))
        } else {
            match std::str::from_utf8(&self.bytes[start + 1..end]) {
                Ok(text) => Ok(text.to_owned()),
                Err(error) => Err((start + 1 + error.valid_up_to(), "the string is not UTF-8".to_owned())),
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn take_after_space(&mut self, byte: u8) -> bool {
        self.space();
        self.take(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault<T>(&self, why: &str) -> Result<T, Fault> {
        Err((self.at, why.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        match parse_strict(text.as_bytes(), 8) {
            Ok(value) => format!("{value}"),
            Err(error) => format!("{}:{} {}", error.line, error.column, error.why),
        }
    }

    #[test]
    fn keeps_spelling_and_order() {
        for text in [
            r#"{"z":1.0,"a":[1E5,1e+5,-0,0.10,123456789012345678901234567890],"m":{}}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"["é",true,false,null,""]"#,
            "0",
        ] {
            assert_eq!(why(text), text);
        }
    }

    #[test]
    fn says_where_and_why() {
        assert_eq!(
            why("{\"a\":1,\n \"\\u0061\":2}"),
            "2:2 the member name \"a\" appears twice in one object"
        );
        assert_eq!(why("[[[[[[[[[]]]]]]]]]"), "1:9 it is nested deeper than 8");
        assert_eq!(why("[1,]"), "1:4 expected a value");
        assert_eq!(why("{\"a\":1,}"), "1:8 expected a member name in double quotes");
        assert_eq!(why("01"), "1:2 something follows the document");
        assert_eq!(why("1."), "1:3 expected a digit");
        assert_eq!(why("-"), "1:2 expected a digit");
        assert_eq!(why("nul"), "1:1 expected a value");
        assert_eq!(why(""), "1:1 it ends too early");
        assert_eq!(why("[1 2]"), "1:4 expected `,` or `]`");
        assert_eq!(why("\"a\nb\""), "1:3 a control character in a string must be escaped");
        assert_eq!(why(r#""\ud800""#), "1:1 the string has a bad escape or is not UTF-8");
        assert_eq!(why("\"abc"), "1:1 the string does not end");
        assert!(parse_strict(b"\"\xff\"", 8).is_err());
        assert!(parse_strict(b"\"\\\"", 8).is_err());
    }

    #[test]
    fn hostile_nesting_is_an_error_and_not_a_crash() {
        assert!(parse_strict(&vec![b'['; 1 << 20], 128).is_err());
        assert!(parse_strict("{\"a\":".repeat(1 << 18).as_bytes(), 128).is_err());
    }
}
