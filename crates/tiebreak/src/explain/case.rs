//! One answer to explain, with as much of its request as is known.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::response::Response;
use tiebreak_core::verdict::Verdict;

/// An answer and its request.
#[derive(Debug)]
pub(crate) struct Case {
    /// The request, if it was shown.
    pub(crate) request: Option<Request>,
    /// The answer.
    pub(crate) response: Response,
}

/// What is known of a request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// The method, if it was shown.
    pub(crate) method: Option<Method>,
    /// Path and query; empty if unknown.
    pub(crate) path: String,
    /// The whole URL, if it can be told.
    pub(crate) url: Option<String>,
    /// The header fields.
    pub(crate) headers: HeaderMap,
    /// The content, if it was shown.
    pub(crate) content: Option<Bytes>,
}

impl Case {
    /// What the judge says about it. `otherwise` stands for the method where the input does not show it.
    pub(crate) fn judge(&self, judge: &Judge, otherwise: &Method) -> Verdict {
        let none = HeaderMap::new();
        let request = self.request.as_ref();
        let mut asked = Asked::new(
            self.method().unwrap_or(otherwise),
            request.map_or("", |r| r.path.as_str()),
            request.map_or(&none, |r| &r.headers),
        );
        if let Some(content) = request.and_then(|r| r.content.as_deref()) {
            asked = asked.with_content(content);
        }
        judge.judge(&asked, &self.response)
    }

    /// The method, if it was shown.
    pub(crate) fn method(&self) -> Option<&Method> {
        self.request.as_ref()?.method.as_ref()
    }

    /// Whether the request names a version that it was made for.
    pub(crate) fn names_a_version(&self) -> bool {
        self.sent("if-match") || self.sent("if-unmodified-since")
    }

    /// Whether the request carried this field.
    pub(crate) fn sent(&self, name: &str) -> bool {
        self.request.as_ref().is_some_and(|r| r.headers.contains_key(name))
    }
}

/// A complete response.
pub(crate) fn response(status: StatusCode, headers: HeaderMap, content: impl Into<Bytes>) -> Response {
    Response {
        status,
        headers,
        content: content.into(),
        complete: true,
    }
}

/// Adds a field as it came; what HTTP forbids in a field is left out rather than refused, for people edit what they paste.
pub(crate) fn add_field(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.trim().as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
        headers.append(name, value);
    }
}
