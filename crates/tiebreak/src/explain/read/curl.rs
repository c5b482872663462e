//! `curl -v` output: `>` what was sent, `<` what came, `*` curl's own remarks, and the body between them.

use http::HeaderMap;

use crate::explain::case::{Case, Request, add_field, response};
use crate::explain::error::ReadError;
use crate::explain::read::http1::{self, Lines};

/// Whether `text` looks like the output of `curl -v`.
pub(crate) fn is_verbose(text: &[u8]) -> bool {
    let begins = |line: &[u8]| line.starts_with(b"*   Trying ") || line.starts_with(b"* Could not resolve");
    text.split(|b| *b == b'\n').take(2_000).any(|line| {
        line.starts_with(b"< HTTP/")
            || line
                .strip_prefix(b"> ")
                .is_some_and(|l| http1::request_line(l).is_some())
            || without_meter(line).any(begins)
    })
}

/// Reads the last exchange of a `curl -v` run.
pub(crate) fn read_verbose(text: &[u8]) -> Result<Case, ReadError> {
    let mut run = Run::default();
    let mut lines = Lines::new(text);
    while let Some(line) = lines.peek() {
        let number = lines.number;
        lines.next();
        for part in without_meter(line) {
            run.line(number, part)?;
        }
    }
    run.finish()
}

#[derive(Default)]
struct Run {
    request: Option<Request>,
    /// Whether lines with `>` still belong to the head of the current request.
    in_request: bool,
    status: Option<(http::StatusCode, HeaderMap)>,
    in_response: bool,
    body: Vec<u8>,
    tls: bool,
    lines: usize,
}

impl Run {
    fn line(&mut self, number: usize, line: &[u8]) -> Result<(), ReadError> {
        self.lines = number;
        match marked(line) {
            Some((b'>', sent)) => self.sent(sent),
            Some((b'<', came)) => return self.came(number, came),
            Some((b'*', remark)) => self.remark(remark),
            // `{ [120 bytes data]`, `} [120 bytes data]`: the amount, not the data.
            _ if is_amount(line) => {}
            _ => {
                self.body.extend_from_slice(line);
                self.body.push(b'\n');
            }
        }
        Ok(())
    }

    fn sent(&mut self, line: &[u8]) {
        if let Some((method, target)) = http1::request_line(line) {
            self.body.clear();
            self.status = None;
            self.in_request = true;
            self.request = Some(Request {
                method: Some(method),
                path: http1::path(&target),
                url: Some(target),
                ..Request::default()
            });
        } else if line.trim_ascii().is_empty() {
            self.in_request = false;
        } else if self.in_request
            && let Some(request) = &mut self.request
            && let Some(colon) = line.iter().position(|b| *b == b':')
        {
            add_field(
                &mut request.headers,
                &String::from_utf8_lossy(&line[..colon]),
                &line[colon + 1..],
            );
        }
    }

    fn came(&mut self, number: usize, line: &[u8]) -> Result<(), ReadError> {
        if line.trim_ascii().is_empty() {
            self.in_response = false;
            return Ok(());
        }
        if line.starts_with(b"HTTP/") {
            let mut one = Lines::new(line);
            let (status, headers, _) = http1::responses(&mut one).map_err(|e| ReadError::at(number, 3, e.what))?;
            self.status = Some((status, headers));
            self.in_response = true;
            self.body.clear();
            return Ok(());
        }
        let Some((_, headers)) = &mut self.status else {
            return Err(ReadError::at(
                number,
                3,
                format!(
                    "`{}` comes before any status line; expected `< HTTP/1.1 409 Conflict` first",
                    http1::shown(line)
                ),
            ));
        };
        match line.iter().position(|b| *b == b':').filter(|_| self.in_response) {
            Some(colon) => add_field(headers, &String::from_utf8_lossy(&line[..colon]), &line[colon + 1..]),
            None => {
                return Err(ReadError::at(
                    number,
                    3,
                    format!("`{}` is no header field; expected `Name: value`", http1::shown(line)),
                ));
            }
        }
        Ok(())
    }

    fn remark(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        self.tls |= text.starts_with("SSL connection") || text.starts_with("TLS");
    }

    fn finish(mut self) -> Result<Case, ReadError> {
        if let Some(request) = &mut self.request {
            request.url = request
                .url
                .take()
                .and_then(|target| http1::url(&target, &request.headers, self.tls));
        }
        // With `-i` as well, head and body come once more, without marks.
        if http1::is_message(self.body.trim_ascii_start()) {
            let mut case = http1::read(&self.body)?;
            case.request = case.request.or(self.request);
            return Ok(case);
        }
        let Some((status, headers)) = self.status else {
            if self.request.is_none() {
                return Err(ReadError::at(
                    self.lines.max(1),
                    1,
                    "curl did not get as far as sending the request, so nothing can have been applied: \
                     it is safe to send it again once the server can be reached",
                ));
            }
            return Err(ReadError::at(
                self.lines.max(1),
                1,
                "curl shows no answer, only what was sent; expected a line like `< HTTP/1.1 409 Conflict`. \
                 If the connection broke, the write may have been applied: read the resource before sending it again",
            ));
        };
        Ok(Case {
            request: self.request,
            response: response(status, headers, without_remark(&self.body).to_vec()),
        })
    }
}

/// The mark of a line and what follows it.
fn marked(line: &[u8]) -> Option<(u8, &[u8])> {
    match line {
        [mark @ (b'>' | b'<' | b'*'), b' ', rest @ ..] => Some((*mark, rest)),
        [mark @ (b'>' | b'<')] => Some((*mark, &[])),
        _ => None,
    }
}

/// The parts of a line that are not curl's progress meter, which rewrites itself with carriage returns.
fn without_meter(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    const HEADS: [&[u8]; 2] = [b"% Total", b"Dload"];
    let is_meter = |part: &&[u8]| {
        let text = part.trim_ascii();
        HEADS.iter().any(|h| text.starts_with(h))
            || (text.first().is_some_and(u8::is_ascii_digit) && text.windows(8).any(|w| w == b"--:--:--"))
    };
    let mut parts = line.split(|b| *b == b'\r').peekable();
    let alone = parts.clone().count() == 1;
    std::iter::from_fn(move || parts.next()).filter_map(move |part| {
        if !is_meter(&part) {
            return Some(part).filter(|p| alone || !p.is_empty());
        }
        // `… --:--:--     0*   Trying 127.0.0.1…`: a remark may follow on the same line.
        let at = part.windows(3).position(|w| w == b"*  " || w == b"* C")?;
        Some(&part[at..])
    })
}

fn is_amount(line: &[u8]) -> bool {
    let amount = line.strip_prefix(b"{ [").or_else(|| line.strip_prefix(b"} ["));
    amount.is_some_and(|rest| rest.ends_with(b"bytes data]"))
}

/// A body without a line end runs into curl's next remark: `{"a":1}* Connection #0 to host … left intact`.
fn without_remark(body: &[u8]) -> &[u8] {
    const REMARKS: [&[u8]; 3] = [
        b"* Connection #",
        b"* Closing connection",
        b"* shutting down connection",
    ];
    let text = body.strip_suffix(b"\n").unwrap_or(body);
    let last = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let at = REMARKS
        .iter()
        .filter_map(|r| text[last..].windows(r.len()).position(|w| w == *r))
        .min();
    at.map_or(body, |at| &body[..last + at])
}
