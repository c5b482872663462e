//! Checks a JSON text (RFC 8259) without building it: syntax, duplicate member names, depth.
//!
//! A document is stored as it was sent, so most writes need this check and no tree. It accepts what
//! serde_json accepts (a test compares them), less duplicate names and too deep nesting.

use std::borrow::Cow;
use std::ops::Range;

/// serde_json gives up at 128 levels; what is stored must be readable later.
pub(crate) const MAX_DEPTH: usize = 120;

/// The name by which serde_json marks numbers internally; a document with such a member would be misread.
const RESERVED: &[u8] = b"$serde_json::private::Number";

/// Where something is in a text, both from 1; columns count bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Why a text is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// It is no JSON text.
    Syntax { what: &'static str, at: Position },
    /// Two members of one object have the same name. `pointer` leads to the member (RFC 6901).
    Duplicate {
        name: String,
        pointer: String,
        at: Position,
    },
    /// A member name that cannot be stored.
    Reserved { at: Position },
    /// It is nested deeper than allowed.
    TooDeep { limit: usize, at: Position },
}

/// What was noticed on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scanned {
    /// Where the value of the top-level member `id` is, if there is one.
    pub(crate) id: Option<Range<usize>>,
    /// Whether the text is an object.
    pub(crate) object: bool,
}

/// Checks `text`; nesting up to `max_depth` is allowed.
pub(crate) fn scan(text: &[u8], max_depth: usize) -> Result<Scanned, ScanError> {
    let mut scanner = Scanner {
        text,
        at: 0,
        depth: 0,
        max_depth: max_depth.min(MAX_DEPTH),
        names: Vec::new(),
        found: Scanned::default(),
    };
    let result = match std::str::from_utf8(text) {
        Ok(_) => scanner.whole(),
        Err(e) => Err(Fault::new(Cause::Syntax("it is not UTF-8"), e.valid_up_to())),
    };
    match result {
        Ok(()) => Ok(scanner.found),
        Err(fault) => Err(fault.told(text, scanner.max_depth)),
    }
}

enum Cause {
    Syntax(&'static str),
    Duplicate(String),
    Reserved,
    TooDeep,
}

struct Fault {
    cause: Cause,
    at: usize,
    /// The way to the faulty object, innermost first; filled in while the error travels up.
    way: Vec<String>,
}

impl Fault {
    fn new(cause: Cause, at: usize) -> Box<Fault> {
        Box::new(Fault {
            cause,
            at,
            way: Vec::new(),
        })
    }

    fn inside(mut self: Box<Fault>, segment: impl FnOnce() -> String) -> Box<Fault> {
        if matches!(self.cause, Cause::Duplicate(_)) {
            self.way.push(segment());
        }
        self
    }

    fn told(self, text: &[u8], limit: usize) -> ScanError {
        let before = &text[..self.at.min(text.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let at = Position {
            line: before.iter().filter(|b| **b == b'\n').count() + 1,
            column: before.len() - line_start + 1,
        };
        match self.cause {
            Cause::Syntax(what) => ScanError::Syntax { what, at },
            Cause::Reserved => ScanError::Reserved { at },
            Cause::TooDeep => ScanError::TooDeep { limit, at },
            Cause::Duplicate(name) => {
                let mut pointer = String::new();
                for segment in self.way.iter().rev().chain([&name]) {
                    pointer.push('/');
                    pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
                }
                ScanError::Duplicate { name, pointer, at }
            }
        }
    }
}

type Step<T = ()> = Result<T, Box<Fault>>;

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    max_depth: usize,
    /// Names of the members of all open objects, and where they are.
    names: Vec<(Cow<'a, [u8]>, usize)>,
    found: Scanned,
}

impl<'a> Scanner<'a> {
    fn whole(&mut self) -> Step {
        self.space();
        self.found.object = self.peek() == Some(b'{');
        self.value()?;
        self.space();
        if self.at < self.text.len() {
            return Err(self.fault("there is something after the end of the value"));
        }
        Ok(())
    }

    fn value(&mut self) -> Step {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(_) => Err(self.fault("a value is expected here")),
            None => Err(self.fault("it ends where a value is expected")),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Step) -> Step {
        if self.depth == self.max_depth {
            return Err(Fault::new(Cause::TooDeep, self.at));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Step {
        let first = self.names.len();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let name_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.fault("a member name in double quotes is expected here"));
            }
            let name = self.string()?;
            if *name == *RESERVED {
                return Err(Fault::new(Cause::Reserved, name_at));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.fault("a colon is expected here"));
            }
            self.at += 1;
            self.space();
            let value_at = self.at;
            if let Err(fault) = self.value() {
                return Err(fault.inside(|| String::from_utf8_lossy(&name).into_owned()));
            }
            if self.depth == 1 && *name == *b"id" {
                self.found.id = Some(value_at..self.at);
            }
            self.names.push((name, name_at));
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => break,
                _ => return Err(self.fault("a comma or a closing brace is expected here")),
            }
        }
        self.at += 1;
        self.no_duplicates(first)
    }

    /// Names from `first` on belong to the object that was just closed.
    fn no_duplicates(&mut self, first: usize) -> Step {
        let names = &mut self.names[first..];
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name = String::from_utf8_lossy(&pair[1].0).into_owned();
            return Err(Fault::new(Cause::Duplicate(name), pair[1].1));
        }
        self.names.truncate(first);
        Ok(())
    }

    fn array(&mut self) -> Step {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            self.value().map_err(|fault| fault.inside(|| format!("{index}")))?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => break,
                _ => return Err(self.fault("a comma or a closing bracket is expected here")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// The string without its quotes, unescaped.
    fn string(&mut self) -> Step<Cow<'a, [u8]>> {
        let open = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.fault("a control character in a string must be escaped")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("it ends inside a string")),
            }
        }
        self.at += 1;
        let text = self.text;
        if escaped {
            match serde_json::from_slice::<String>(&text[open..self.at]) {
                Ok(name) => Ok(Cow::Owned(name.into_bytes())),
                Err(_) => Err(Fault::new(
                    Cause::Syntax("the escapes in this string are malformed"),
                    open,
                )),
            }
        } else {
            Ok(Cow::Borrowed(&text[open + 1..self.at - 1]))
        }
    }

    fn escape(&mut self) -> Step {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let hex = self.text.get(self.at + 1..self.at + 5);
                if !hex.is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.fault("four hexadecimal digits are expected after \\u"));
                }
                self.at += 5;
            }
            _ => return Err(self.fault("there is no such escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Step {
        self.skip(b"-");
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Step {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fault("a digit is expected here"));
        }
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Step {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fault("a value is expected here"));
        }
        self.at += word.len();
        Ok(())
    }

    fn skip(&mut self, any_of: &[u8]) -> bool {
        let found = self.peek().is_some_and(|b| any_of.contains(&b));
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> Box<Fault> {
        Fault::new(Cause::Syntax(what), self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn at(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    #[test]
    fn duplicates_are_named_with_their_place() {
        let text = b"{\"a\": [1,\n {\"b/c\": 1, \"b\\u002fc\": 2}]}";
        let expected = ScanError::Duplicate {
            name: "b/c".into(),
            pointer: "/a/1/b~1c".into(),
            at: at(2, 13),
        };
        assert_eq!(scan(text, 9), Err(expected));
        assert!(scan(br#"{"a":{"x":1},"b":{"x":1}}"#, 9).is_ok());
    }

    #[test]
    fn depth_and_syntax() {
        assert!(scan(b"[[[]]]", 3).is_ok());
        assert_eq!(scan(b"[[[[]]]]", 3), Err(ScanError::TooDeep { limit: 3, at: at(1, 4) }));
        let expected = ScanError::Syntax {
            what: "a value is expected here",
            at: at(2, 7),
        };
        assert_eq!(scan(b"{\n \"a\": ?}", 3), Err(expected));
        let reserved = br#"{"$serde_json::private::Number": "1"}"#;
        assert_eq!(scan(reserved, 3), Err(ScanError::Reserved { at: at(1, 2) }));
    }

    #[test]
    fn only_the_top_level_id_counts() {
        let text = br#" {"a":{"id":1}, "i\u0064" : "x" } "#;
        let found = scan(text, 9).unwrap();
        assert_eq!(&text[found.id.unwrap()], b"\"x\"");
        assert_eq!(scan(br#"{"a":{"id":1}}"#, 9).unwrap().id, None);
        assert_eq!(scan(br#"[{"id":1}]"#, 9).unwrap().id, None);
    }

    proptest! {
        // A fixed seed: the same cases each time.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Random strings over JSON's own alphabet: serde_json and the scanner agree on all but the refusals of our own.
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\u0019dDe+.a \n-]{0,14}|\"(\\\\u[dD][89a-f]0[0-9]|\\\\[a-z]|é|\t){0,3}\"|-?[0-9.]{0,4}([eE][+-]?[0-9]{0,2})?|tru?e|nulll?|false") {
            let ours = scan(text.as_bytes(), 99);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match ours {
                Ok(_) => prop_assert!(theirs.is_ok(), "{:?}: {:?}", text, theirs),
                Err(ScanError::Duplicate { .. }) => {}
                Err(e) => prop_assert!(theirs.is_err(), "{:?}: {:?}", text, e),
            }
        }
    }
}
