//! An answer while it is being made, and as it is kept for replays.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use tiebreak_core::problem::{MEDIA_TYPE, Problem};

use crate::store::Document;

/// The media type of documents.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Status, header fields and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content: Bytes,
}

impl Answer {
    /// An answer without content.
    pub(crate) fn empty(status: StatusCode) -> Answer {
        Answer {
            status,
            fields: Vec::with_capacity(6),
            content: Bytes::new(),
        }
    }

    /// An answer with a JSON text.
    pub(crate) fn json(status: StatusCode, content: Bytes) -> Answer {
        let mut answer = Answer::empty(status);
        answer.fields.push((header::CONTENT_TYPE, JSON));
        answer.content = content;
        answer
    }

    /// A problem document.
    pub(crate) fn problem(problem: &Problem) -> Answer {
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = Answer::empty(status);
        let kind = HeaderValue::from_static(MEDIA_TYPE);
        answer.fields.push((header::CONTENT_TYPE, kind));
        answer.content = problem.to_bytes();
        answer
    }

    /// The same with a field whose value is known to be valid.
    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Answer {
        self.fields.push((name, HeaderValue::from_static(value)));
        self
    }

    /// The same with a field. Values are made of names that were checked, so that none is ever left out.
    pub(crate) fn with_text(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Answer {
        if let Ok(value) = value.try_into() {
            self.fields.push((name, value));
        }
        self
    }

    /// The same with the validators of `document`.
    pub(crate) fn with_validators(self, document: &Document) -> Answer {
        self.with_text(header::ETAG, document.etag().to_string())
            .with_text(header::LAST_MODIFIED, http_date(document.modified))
    }

    /// The HTTP response; to a HEAD without its content, but with the length that it would have.
    pub(crate) fn into_response(self, head: bool) -> Response<Bytes> {
        let length = self.content.len();
        let mut response = Response::new(if head { Bytes::new() } else { self.content });
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        fields.reserve(self.fields.len() + 1);
        for (name, value) in self.fields {
            fields.append(name, value);
        }
        let bare = self.status == StatusCode::NO_CONTENT || self.status == StatusCode::NOT_MODIFIED;
        if head && !bare {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

/// `seconds` since the Unix epoch as an HTTP-date (RFC 9110 §5.6.7).
pub(crate) fn http_date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}
