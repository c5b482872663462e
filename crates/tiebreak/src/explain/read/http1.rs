//! HTTP messages as text: `curl -i`, or a raw request followed by its response.

use http::{HeaderMap, Method, StatusCode};

use crate::explain::case::{Case, Request, add_field, response};
use crate::explain::error::ReadError;

/// Whether `text` begins like an HTTP message: with a status line or a request line.
pub(crate) fn is_message(text: &[u8]) -> bool {
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    is_status_line(line) || request_line(line).is_some()
}

/// Reads one or more responses, perhaps after a request. The last response is the one that counts: before it stand
/// interim ones (100 Continue), the answer of a proxy, or redirects.
pub(crate) fn read(text: &[u8]) -> Result<Case, ReadError> {
    let mut lines = Lines::new(text);
    lines.skip_blank();
    let mut request = None;
    if let Some(line) = lines.peek()
        && let Some((method, target)) = request_line(line)
    {
        lines.next();
        let headers = fields(&mut lines)?;
        let content = lines.until_status_line();
        request = Some(Request {
            method: Some(method),
            url: url(&target, &headers, false),
            path: path(&target),
            headers,
            content: Some(content.trim_ascii().to_vec().into()).filter(|c: &bytes::Bytes| !c.is_empty()),
        });
        if lines.peek().is_none() {
            return Err(ReadError::at(
                lines.number,
                1,
                "the response is missing after the request; expected a line like `HTTP/1.1 409 Conflict`",
            ));
        }
    }
    let (status, headers, content) = responses(&mut lines)?;
    Ok(Case {
        request,
        response: response(status, headers, content),
    })
}

/// The last of the responses in a row: status, fields and content.
pub(super) fn responses(lines: &mut Lines<'_>) -> Result<(StatusCode, HeaderMap, Vec<u8>), ReadError> {
    loop {
        let number = lines.number;
        let line = lines.next().unwrap_or_default();
        let status = status_of(line).ok_or_else(|| {
            ReadError::at(
                number,
                1,
                format!("`{}` is no status line; expected `HTTP/1.1 409 Conflict`", shown(line)),
            )
        })?;
        let headers = fields(lines)?;
        if lines.peek().is_some_and(is_status_line) {
            continue;
        }
        let content = dechunked(&headers, lines.rest());
        return Ok((status, headers, content));
    }
}

/// Reads header fields up to and with the empty line.
fn fields(lines: &mut Lines<'_>) -> Result<HeaderMap, ReadError> {
    let mut headers = HeaderMap::new();
    let mut last: Option<(String, Vec<u8>)> = None;
    loop {
        let number = lines.number;
        let Some(line) = lines.next() else { break };
        if line.trim_ascii().is_empty() {
            break;
        }
        // Obsolete line folding (RFC 9112 §5.2).
        if (line.starts_with(b" ") || line.starts_with(b"\t"))
            && let Some((_, value)) = &mut last
        {
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return Err(ReadError::at(
                number,
                line.len() + 1,
                format!(
                    "`{}` is no header field; expected `Name: value`, or an empty line before the body",
                    shown(line)
                ),
            ));
        };
        let next = (
            String::from_utf8_lossy(&line[..colon]).into_owned(),
            line[colon + 1..].trim_ascii().to_vec(),
        );
        if let Some((name, value)) = last.replace(next) {
            add_field(&mut headers, &name, &value);
        }
    }
    if let Some((name, value)) = last {
        add_field(&mut headers, &name, &value);
    }
    Ok(headers)
}

/// `content` without its chunks, if it is chunked and was captured so; tools usually show it joined already.
fn dechunked(headers: &HeaderMap, content: &[u8]) -> Vec<u8> {
    let chunked = headers
        .get(http::header::TRANSFER_ENCODING)
        .is_some_and(|v| v.as_bytes().to_ascii_lowercase().ends_with(b"chunked"));
    let join = || {
        let mut joined = Vec::new();
        let mut rest = content;
        loop {
            let end = rest.iter().position(|b| *b == b'\n')?;
            let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
            let size = usize::from_str_radix(size, 16).ok()?;
            rest = &rest[end + 1..];
            if size == 0 {
                return Some(joined);
            }
            joined.extend_from_slice(rest.get(..size)?);
            rest = rest.get(size..)?;
            rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
        }
    };
    if chunked { join() } else { None }.unwrap_or_else(|| content.to_vec())
}

/// Whether `line` is a status line: `HTTP/1.1 409 Conflict`, `HTTP/2 409`.
pub(super) fn is_status_line(line: &[u8]) -> bool {
    status_of(line).is_some()
}

fn status_of(line: &[u8]) -> Option<StatusCode> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let mut words = line.strip_prefix("HTTP/")?.split_ascii_whitespace();
    words.next()?.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    StatusCode::from_bytes(words.next()?.as_bytes()).ok()
}

/// Method and target of a request line: `PUT /items/1 HTTP/1.1`.
pub(super) fn request_line(line: &[u8]) -> Option<(Method, String)> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let upper = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    (upper && version.starts_with("HTTP/") && words.next().is_none()).then_some(())?;
    Some((Method::from_bytes(method.as_bytes()).ok()?, target.to_owned()))
}

/// The URL of `target`, if it is one or if `Host` names the rest.
pub(super) fn url(target: &str, headers: &HeaderMap, tls: bool) -> Option<String> {
    if target.contains("://") {
        return Some(target.to_owned());
    }
    let host = headers.get(http::header::HOST)?.to_str().ok()?;
    Some(format!("{}://{host}{target}", if tls { "https" } else { "http" }))
}

/// Path and query of a target.
pub(super) fn path(target: &str) -> String {
    let uri: Option<http::Uri> = target.parse().ok();
    uri.and_then(|u| u.path_and_query().map(ToString::to_string))
        .unwrap_or_else(|| target.to_owned())
}

pub(super) fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().chars().take(40).collect()
}

/// Lines with their numbers, from 1; the ends of lines are left out.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    pub(super) number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Lines<'a> {
        Lines { rest: text, number: 1 }
    }

    pub(super) fn peek(&self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.rest.split(|b| *b == b'\n').next().unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    pub(super) fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.peek()?;
        let end = self
            .rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(self.rest.len(), |i| i + 1);
        self.rest = &self.rest[end..];
        self.number += 1;
        Some(line)
    }

    fn skip_blank(&mut self) {
        while self.peek().is_some_and(|l| l.trim_ascii().is_empty()) {
            self.next();
        }
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Everything before the next status line.
    fn until_status_line(&mut self) -> &'a [u8] {
        let start = self.rest;
        while self.peek().is_some_and(|l| !is_status_line(l)) {
            self.next();
        }
        &start[..start.len() - self.rest.len()]
    }
}
