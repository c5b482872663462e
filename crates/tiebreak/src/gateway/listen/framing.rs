//! Where each request of an HTTP/1.1 connection begins and ends, read strictly: what two readers could understand in two
//! ways is refused before anything of it is passed on (RFC 9112 §2.2, §3.2, §5, §6.3, §7.1, §11.2). No I/O.
//!
//! hyper alone is more lenient than a gateway may be: it takes a bare LF for the end of a line, lets Transfer-Encoding win
//! over Content-Length, and accepts any coding before `chunked`.

use tiebreak_core::problem::{Kind, Problem};

use super::chunks::{Chunks, Step};

/// At most so many header fields in one request.
pub(super) const MAX_FIELDS: usize = 100;

/// Why a request is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    BareLf,
    BareCr,
    Control,
    RequestLine,
    Fragment,
    Version,
    Folded,
    FieldName,
    SpaceBeforeColon,
    TwoHosts,
    NoHost,
    Host,
    TwoLengths,
    Length,
    LengthAndCoding,
    Coding,
    Chunk,
    Trailer,
    HeadTooLarge,
    TooManyFields,
    HeadTooSlow,
}

impl Refusal {
    /// The answer to such a request.
    pub(super) fn problem(self) -> Problem {
        let (kind, detail) = match self {
            Refusal::BareLf => (
                Kind::BadRequest,
                "a line ends with LF alone; end it with CR LF (RFC 9112 §2.2)",
            ),
            Refusal::BareCr => (Kind::BadRequest, "there is a CR that no LF follows (RFC 9112 §2.2)"),
            Refusal::Control => (Kind::BadRequest, "the head holds a control character (RFC 9110 §5.5)"),
            Refusal::RequestLine => (
                Kind::BadRequest,
                "the request line is malformed; it is `METHOD target HTTP/1.1`, with single spaces (RFC 9112 §3)",
            ),
            Refusal::Fragment => (
                Kind::BadRequest,
                "the request target has a fragment, which names no resource; leave out the `#` and what follows, or write it as %23 (RFC 9112 §3.2)",
            ),
            Refusal::Version => (Kind::BadRequest, "the request line names neither HTTP/1.1 nor HTTP/1.0"),
            Refusal::Folded => (
                Kind::BadRequest,
                "a header field goes on in the next line; write it on one line (RFC 9112 §5.2)",
            ),
            Refusal::FieldName => (Kind::BadRequest, "a line of the head is no header field `Name: value`"),
            Refusal::SpaceBeforeColon => (
                Kind::BadRequest,
                "there is a space between the name of a header field and its colon (RFC 9112 §5.1)",
            ),
            Refusal::TwoHosts => (
                Kind::BadRequest,
                "the request has more than one Host field; send one (RFC 9112 §3.2)",
            ),
            Refusal::NoHost => (Kind::BadRequest, "the request has no Host field (RFC 9112 §3.2)"),
            Refusal::Host => (Kind::BadRequest, "the Host field names no host (RFC 9110 §7.2)"),
            Refusal::TwoLengths => (
                Kind::BadRequest,
                "the request has more than one Content-Length; send one (RFC 9112 §6.3)",
            ),
            Refusal::Length => (
                Kind::BadRequest,
                "Content-Length is not a number, or too large a one (RFC 9110 §8.6)",
            ),
            Refusal::LengthAndCoding => (
                Kind::BadRequest,
                "the request has both Content-Length and Transfer-Encoding; send one of them (RFC 9112 §6.1)",
            ),
            Refusal::Coding => (
                Kind::BadRequest,
                "the only Transfer-Encoding is `chunked`, once, on HTTP/1.1 (RFC 9112 §6.1)",
            ),
            Refusal::Chunk => (Kind::BadRequest, "a chunk of the content is malformed (RFC 9112 §7.1)"),
            Refusal::Trailer => (
                Kind::BadRequest,
                "the trailer section is malformed, or too large (RFC 9112 §7.1.2)",
            ),
            Refusal::HeadTooLarge => (
                Kind::HeadTooLarge,
                "the head of a request may not be so large here; send fewer or shorter fields",
            ),
            Refusal::TooManyFields => (
                Kind::HeadTooLarge,
                "a request may have at most 100 header fields here; send fewer",
            ),
            Refusal::HeadTooSlow => (
                Kind::TooSlow,
                "the head of the request did not come in time; nothing was sent",
            ),
        };
        Problem::new(kind, detail)
    }
}

/// What may be done with bytes that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// So many of them, from the first on, belong to a head, or to content, that is in order.
    Pass(usize),
    /// A head that is not whole yet: come again with these bytes and more.
    Hold,
    Refuse(Refusal),
}

/// How far a connection has been read.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    max_head: usize,
}

#[derive(Debug)]
enum State {
    Head(Head),
    Counted(u64),
    Chunked(Chunks),
    Refused(Refusal),
}

impl Framing {
    /// At the beginning of a connection; a head may have `max_head` bytes.
    pub(super) fn new(max_head: usize) -> Framing {
        Framing {
            state: State::Head(Head::default()),
            max_head,
        }
    }

    /// Whether content is still to come, or whatever follows a refused request.
    pub(super) fn is_within(&self) -> bool {
        !matches!(self.state, State::Head(_))
    }

    /// Judges the bytes that follow those passed so far; `input` is not empty.
    pub(super) fn next(&mut self, input: &[u8]) -> Next {
        let next = match &mut self.state {
            State::Head(head) => match head.read(input, self.max_head) {
                Ok(None) => Next::Hold,
                Ok(Some(read)) => {
                    self.state = read.then;
                    Next::Pass(read.bytes)
                }
                Err(refusal) => Next::Refuse(refusal),
            },
            State::Counted(rest) => {
                let bytes = usize::try_from(*rest).unwrap_or(usize::MAX).min(input.len());
                *rest -= bytes as u64;
                if *rest == 0 {
                    self.state = State::Head(Head::default());
                }
                Next::Pass(bytes)
            }
            State::Chunked(chunks) => match chunks.read(input) {
                Ok(Step::Within) => Next::Pass(input.len()),
                Ok(Step::End(bytes)) => {
                    self.state = State::Head(Head::default());
                    Next::Pass(bytes)
                }
                Err(refusal) => Next::Refuse(refusal),
            },
            State::Refused(refusal) => Next::Refuse(*refusal),
        };
        if let Next::Refuse(refusal) = next {
            self.state = State::Refused(refusal);
        }
        next
    }
}

/// A head that is being read; positions count from its first byte.
#[derive(Debug, Default)]
struct Head {
    /// Where the line begins that has not ended yet.
    line: usize,
    /// Up to where there is no LF.
    looked: usize,
    /// Whether the request line has been read, and names HTTP/1.1.
    version: Option<Minor>,
    fields: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Minor {
    Zero,
    One,
}

/// A whole head.
struct Read {
    bytes: usize,
    then: State,
}

impl Head {
    fn read(&mut self, input: &[u8], max: usize) -> Result<Option<Read>, Refusal> {
        while let Some(at) = memchr::memchr(b'\n', &input[self.looked..]) {
            let end = self.looked + at;
            if end >= max {
                return Err(Refusal::HeadTooLarge);
            }
            let line = &input[self.line..end];
            let Some((b'\r', line)) = line.split_last() else {
                return Err(Refusal::BareLf);
            };
            self.line = end + 1;
            self.looked = end + 1;
            if line.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
                return Err(if line.contains(&b'\r') {
                    Refusal::BareCr
                } else {
                    Refusal::Control
                });
            }
            match (self.version, line.is_empty()) {
                // Empty lines before a request are passed over (RFC 9112 §2.2).
                (None, true) => {
                    *self = Head::default();
                    return Ok(Some(Read {
                        bytes: end + 1,
                        then: State::Head(Head::default()),
                    }));
                }
                (None, false) => self.version = Some(request_line(line)?),
                (Some(_), false) => self.field(line)?,
                (Some(minor), true) => return self.end(minor, end + 1).map(Some),
            }
        }
        self.looked = input.len();
        if input.len() >= max {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Refusal::TooManyFields);
        }
        if matches!(line[0], b' ' | b'\t') {
            return Err(Refusal::Folded);
        }
        let colon = memchr::memchr(b':', line).ok_or(Refusal::FieldName)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
            let spaced = matches!(name.last(), Some(b' ' | b'\t'));
            return Err(if spaced {
                Refusal::SpaceBeforeColon
            } else {
                Refusal::FieldName
            });
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if !is_host(trimmed(value)) {
                    return Err(Refusal::Host);
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Refusal::TwoLengths);
                }
                self.length = Some(length(trimmed(value)).ok_or(Refusal::Length)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !trimmed(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::Coding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&self, minor: Minor, bytes: usize) -> Result<Read, Refusal> {
        match (self.hosts, minor) {
            (0, Minor::One) => return Err(Refusal::NoHost),
            (0, Minor::Zero) | (1, _) => {}
            _ => return Err(Refusal::TwoHosts),
        }
        let then = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Refusal::LengthAndCoding),
            (None, true) if minor == Minor::Zero => return Err(Refusal::Coding),
            (None, true) => State::Chunked(Chunks::default()),
            (None | Some(0), false) => State::Head(Head::default()),
            (Some(length), false) => State::Counted(length),
        };
        Ok(Read { bytes, then })
    }
}

fn request_line(line: &[u8]) -> Result<Minor, Refusal> {
    let mut parts = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|&b| is_token(b)) || target.is_empty() || target.contains(&b'\t') {
        return Err(Refusal::RequestLine);
    }
    // hyper drops a fragment silently: a DELETE of `/c/#x` would become one of `/c/`.
    if target.contains(&b'#') {
        return Err(Refusal::Fragment);
    }
    match version {
        b"HTTP/1.1" => Ok(Minor::One),
        b"HTTP/1.0" => Ok(Minor::Zero),
        _ => Err(Refusal::Version),
    }
}

/// Digits and nothing else, of a number that fits.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    // hyper keeps the largest numbers for itself.
    (number < u64::MAX - 2).then_some(number)
}

/// Without the white space around a field value.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether `value` has only what a host and a port can have (RFC 3986 §3.2.2).
fn is_host(value: &[u8]) -> bool {
    value
        .iter()
        .all(|&b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&b))
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut n = 0;
        while n < 256 {
            let byte = n as u8;
            table[n] = byte.is_ascii_alphanumeric();
            n += 1;
        }
        let marks = b"!#$%&'*+-.^_`|~";
        let mut n = 0;
        while n < marks.len() {
            table[marks[n] as usize] = true;
            n += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}
