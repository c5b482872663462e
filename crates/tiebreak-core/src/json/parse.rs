//! Reading JSON strictly (RFC 8259), without recursion.
//!
//! Not `serde_json::from_slice::<Value>`: it keeps the last of several members with one name, respells
//! exponents, and takes an object with a certain private member name for a number.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::{JsonError, JsonFault, Pointer};

/// Reads one JSON text: UTF-8, at most `max_depth` arrays and objects inside each other, no member name
/// twice in one object (compared after unescaping), no lone surrogates, nothing after it. Numbers keep
/// their spelling, members their order.
///
/// # Errors
/// At the first fault, with its place. A name that stands twice is found when its object ends.
pub fn parse_strict(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    read(bytes, max_depth, Purpose::Build).map(|(value, _)| value)
}

/// Checks one JSON text as [`parse_strict`] does, without building the value: for texts that are kept as they
/// are. Says where the value of the member `name` of the outermost object is in `bytes`, if there is one.
///
/// # Errors
/// Those of [`parse_strict`].
pub fn find_strict(bytes: &[u8], max_depth: usize, name: &str) -> Result<Option<Range<usize>>, JsonError> {
    read(bytes, max_depth, Purpose::Find(name)).map(|(_, found)| found)
}

fn read(bytes: &[u8], max_depth: usize, purpose: Purpose<'_>) -> Result<(Value, Option<Range<usize>>), JsonError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| JsonError::at(bytes, e.valid_up_to(), JsonFault::Syntax("it is not UTF-8")))?;
    let mut parser = Parser {
        text,
        at: 0,
        max_depth,
        purpose,
        names: Vec::new(),
        found: None,
    };
    match parser.document() {
        Ok(value) => Ok((value, parser.found)),
        Err((at, fault)) => Err(JsonError::at(bytes, at, fault)),
    }
}

type Fault = (usize, JsonFault);

/// What a text is read for.
#[derive(Clone, Copy)]
enum Purpose<'n> {
    /// The value.
    Build,
    /// Only to be checked, and for where this member is. Every value that is read comes out as null.
    Find(&'n str),
}

struct Parser<'a, 'n> {
    text: &'a str,
    at: usize,
    max_depth: usize,
    purpose: Purpose<'n>,
    /// Names of the members of all open objects, and where they are.
    names: Vec<(Cow<'a, str>, usize)>,
    found: Option<Range<usize>>,
}

/// An array or object that is not closed yet.
enum Open<'a> {
    Array {
        items: Vec<Value>,
        /// How many there were, also when none is kept.
        count: usize,
    },
    Object {
        members: Vec<(String, Value)>,
        /// The member that is being read, and where its value begins.
        name: Cow<'a, str>,
        value_at: usize,
        /// Its names are those in `Parser::names` from here on.
        first: usize,
    },
}

impl<'a> Parser<'a, '_> {
    fn document(&mut self) -> Result<Value, Fault> {
        let mut open: Vec<Open<'a>> = Vec::new();
        loop {
            self.space();
            let mut done = match self.peek() {
                Some(b'[') => {
                    self.enter(open.len())?;
                    if self.take_after_space(b']') {
                        Value::Array(Vec::new())
                    } else {
                        let items = Vec::new();
                        open.push(Open::Array { items, count: 0 });
                        continue;
                    }
                }
                Some(b'{') => {
                    self.enter(open.len())?;
                    if self.take_after_space(b'}') {
                        Value::Object(Map::new())
                    } else {
                        let first = self.names.len();
                        open.push(self.member(Vec::new(), first)?);
                        continue;
                    }
                }
                _ => self.scalar()?,
            };
            // Hand the finished value to what it is in, and close all that ends here.
            loop {
                match open.pop() {
                    None => return self.end(done),
                    Some(Open::Array { mut items, count }) => {
                        if self.builds() {
                            items.push(done);
                        }
                        if self.more(b']', "expected `,` or `]`")? {
                            let count = count + 1;
                            open.push(Open::Array { items, count });
                            break;
                        }
                        done = Value::Array(items);
                    }
                    Some(Open::Object {
                        mut members,
                        name,
                        value_at,
                        first,
                    }) => {
                        match self.purpose {
                            Purpose::Build => members.push((name.into_owned(), done)),
                            Purpose::Find(wanted) if open.is_empty() && name == wanted => {
                                self.found = Some(value_at..self.at);
                            }
                            Purpose::Find(_) => {}
                        }
                        if self.more(b'}', "expected `,` or `}`")? {
                            open.push(self.member(members, first)?);
                            break;
                        }
                        self.no_duplicates(first, &open)?;
                        done = Value::Object(object_of(members));
                    }
                }
            }
        }
    }

    fn builds(&self) -> bool {
        matches!(self.purpose, Purpose::Build)
    }

    fn end(&mut self, value: Value) -> Result<Value, Fault> {
        self.space();
        if self.at == self.text.len() {
            Ok(value)
        } else {
            self.fault("something follows the document")
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= self.max_depth {
            return Err((self.at, JsonFault::TooDeep(self.max_depth)));
        }
        self.at += 1;
        Ok(())
    }

    /// After a value: true at a comma, false at `close`.
    fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, Fault> {
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
            _ => self.fault(expected),
        }
    }

    /// A member name and its colon, up to its value.
    fn member(&mut self, members: Vec<(String, Value)>, first: usize) -> Result<Open<'a>, Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return self.fault("expected a member name in double quotes");
        }
        let name_at = self.at;
        let name = self.string()?;
        if !self.take_after_space(b':') {
            return self.fault("expected `:`");
        }
        self.space();
        self.names.push((name.clone(), name_at));
        Ok(Open::Object {
            members,
            name,
            value_at: self.at,
            first,
        })
    }

    /// Names from `first` on belong to the object that was just closed; `outside` is what it is in.
    fn no_duplicates(&mut self, first: usize, outside: &[Open<'a>]) -> Result<(), Fault> {
        let names = &mut self.names[first..];
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let (name, at) = &pair[1];
            let mut way: Vec<String> = outside.iter().map(Open::token).collect();
            way.push(name.to_string());
            let (name, pointer) = (name.to_string(), Pointer(way));
            return Err((*at, JsonFault::Duplicate { name, pointer }));
        }
        self.names.truncate(first);
        Ok(())
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                Ok(if self.builds() {
                    Value::String(text.into_owned())
                } else {
                    Value::Null
                })
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => self.fault("expected a value"),
            None => self.fault("it ends too early"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
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
        if !self.builds() {
            return Ok(Value::Null);
        }
        // `Number::from_str` would spell `1e5` as `1e+5`. This way in is hidden in serde_json's documentation;
        // the tests of this module would notice if it went away.
        let spelled = self.text[start..self.at].to_owned();
        Ok(Value::Number(Number::from_string_unchecked(spelled)))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 {
            return self.fault("expected a digit");
        }
        Ok(())
    }

    /// A string, unescaped.
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return self.fault("a control character in a string must be escaped"),
                Some(_) => self.at += 1,
                None => return Err((start, JsonFault::Syntax("the string does not end"))),
            }
        }
        self.at += 1;
        let text = self.text;
        if !escaped {
            return Ok(Cow::Borrowed(&text[start + 1..self.at - 1]));
        }
        // Unescaping is serde_json's; one string holds nothing that it would guess at.
        serde_json::from_str(&text[start..self.at])
            .map(Cow::Owned)
            .map_err(|_| (start, JsonFault::Syntax("the string has half of a surrogate pair")))
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let hex = self.text.as_bytes().get(self.at + 1..self.at + 5);
                if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fault("expected four hexadecimal digits after `\\u`");
                }
                self.at += 5;
            }
            _ => return self.fault("there is no such escape"),
        }
        Ok(())
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
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault<T>(&self, why: &'static str) -> Result<T, Fault> {
        Err((self.at, JsonFault::Syntax(why)))
    }
}

/// Made once its size is known: a map that grows hashes every name again and again.
fn object_of(members: Vec<(String, Value)>) -> Map<String, Value> {
    let mut object = Map::with_capacity(members.len());
    object.extend(members);
    object
}

impl Open<'_> {
    /// The reference token of what is being read in it.
    fn token(&self) -> String {
        match self {
            Open::Array { count, .. } => count.to_string(),
            Open::Object { name, .. } => name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
