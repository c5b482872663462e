//! Reads what people have at hand: curl output, raw HTTP, HAR files, JSON, or just a body.

pub(crate) mod curl;
pub(crate) mod har;
pub(crate) mod http1;
pub(crate) mod json;

use http::{Method, StatusCode};

use crate::explain::case::{Case, Request, response};
use crate::explain::error::ReadError;

/// What the command line says beside the input.
#[derive(Debug, Default, Clone)]
pub(crate) struct Given {
    /// `--status`
    pub(crate) status: Option<StatusCode>,
    /// `--method`
    pub(crate) method: Option<Method>,
    /// `--path`: a path or a whole URL.
    pub(crate) path: Option<String>,
    /// `--header`, as `Name: value`; fields of the request.
    pub(crate) headers: Vec<(String, String)>,
    /// `--entry`, from 1.
    pub(crate) entry: Option<usize>,
}

/// An input, read.
#[derive(Debug)]
pub(crate) enum Input {
    /// One answer.
    One(Box<Case>),
    /// The entries of a HAR file, numbered from 1.
    Many(Vec<(usize, Case)>),
}

/// Finds out what `text` is, and reads it.
pub(crate) fn read(text: &[u8], given: &Given) -> Result<Input, ReadError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let start = text.trim_ascii_start();
    if start.is_empty() && given.status.is_none() {
        return Err(ReadError::whole(
            "the input is empty; expected the output of `curl -i` or `curl -v`, raw HTTP, a HAR file, JSON, or a body with --status",
        ));
    }
    let mut input = if given.status.is_none() && start.starts_with(b"{") && json::is_case(start) {
        json::read(text, given)?
    } else if curl::is_verbose(text) {
        one(curl::read_verbose(text)?)
    } else if http1::is_message(start) {
        one(http1::read(text)?)
    } else {
        one(body(text, given)?)
    };
    match &mut input {
        Input::One(case) => complete(case, given),
        Input::Many(cases) => cases.iter_mut().for_each(|(_, case)| complete(case, given)),
    }
    Ok(input)
}

fn one(case: Case) -> Input {
    Input::One(Box::new(case))
}

/// A body alone: the status comes from the command line, or from the problem document itself (RFC 9457 §3.1.2).
fn body(text: &[u8], given: &Given) -> Result<Case, ReadError> {
    let own = || {
        let value: serde_json::Value = serde_json::from_slice(text).ok()?;
        let status = u16::try_from(value.get("status")?.as_u64()?).ok()?;
        StatusCode::from_u16(status).ok().filter(|s| s.as_u16() >= 300)
    };
    let Some(status) = given.status.or_else(own) else {
        let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
        let shown: String = String::from_utf8_lossy(line).chars().take(40).collect();
        return Err(ReadError::at(
            1,
            1,
            format!(
                "`{}` is no status line; expected `HTTP/1.1 409 Conflict` (as `curl -i` prints it), \
                 or, for a body alone, --status on the command line, such as `--status 409 --method PUT`",
                shown.trim_end()
            ),
        ));
    };
    let mut headers = http::HeaderMap::new();
    let kind = match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => Some("application/json"),
        Some(b'<') if has(text, b"<html") || has(text, b"<!doctype") || has(text, b"<script") => Some("text/html"),
        Some(b'<') => Some("application/xml"),
        _ => None,
    };
    if let Some(kind) = kind {
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    }
    Ok(Case {
        request: None,
        response: response(status, headers, text.to_vec()),
    })
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len())
        .take(4096)
        .any(|w| w.eq_ignore_ascii_case(part))
}

/// Adds what the command line says; it is closer to the person than the input.
fn complete(case: &mut Case, given: &Given) {
    if let Some(status) = given.status {
        case.response.status = status;
    }
    if given.method.is_none() && given.path.is_none() && given.headers.is_empty() {
        return;
    }
    let request = case.request.get_or_insert_with(Request::default);
    if given.method.is_some() {
        request.method.clone_from(&given.method);
    }
    if let Some(path) = &given.path {
        let uri: Option<http::Uri> = path.parse().ok();
        if uri.as_ref().is_some_and(|u| u.scheme().is_some()) {
            request.url = Some(path.clone());
        }
        request.path = uri
            .and_then(|u| u.path_and_query().map(ToString::to_string))
            .unwrap_or_else(|| path.clone());
    }
    for (name, value) in &given.headers {
        crate::explain::case::add_field(&mut request.headers, name, value.as_bytes());
    }
}
