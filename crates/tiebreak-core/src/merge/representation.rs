//! A representation, and its data where the media type is one that merges.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::form::Form;
use crate::json::{MAX_DEPTH, parse_strict};
use crate::response::Response;

/// Larger content is not read as data: 16 MiB.
const MAX_CONTENT: usize = 16 << 20;

/// Why content cannot be merged or compared as data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMergeable {
    /// Only JSON (also `+json`) and `application/x-www-form-urlencoded` have fields that can be told apart.
    #[error("content of type `{0}` has no fields that could be merged")]
    MediaType(String),
    /// It has a content coding.
    #[error("the content is encoded; read it with `Accept-Encoding: identity`")]
    Encoded,
    /// It is malformed, ambiguous or nested too deep.
    #[error("{0}")]
    Malformed(String),
    /// It is too large.
    #[error("the content is larger than {MAX_CONTENT} bytes")]
    TooLarge,
    /// The media types of base, write and current representation are of different kinds.
    #[error("what was read, what was sent and what is there now are not of one kind (JSON, or form)")]
    KindsDiffer,
    /// The method does not say what the resource shall be.
    #[error("a `{0}` does not say what the resource shall be")]
    Method(String),
    /// The patch does not even apply to what its author had read.
    #[error("the patch does not apply to what was read: {0}")]
    DoesNotApply(String),
}

/// Content that was understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// JSON.
    Json(Value),
    /// A form.
    Form(Form),
}

impl Document {
    /// The data as JSON: of a form, an object with a string for each field, and an array of strings for
    /// each repeated one.
    #[must_use]
    pub fn value(&self) -> &Value {
        match self {
            Document::Json(value) => value,
            Document::Form(form) => form.value(),
        }
    }
}

/// Content with its type. A clone is cheap; the content is parsed once, when it is first needed.
#[derive(Debug, Clone)]
pub struct Representation(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    content_type: String,
    encoded: bool,
    content: Bytes,
    kind: Option<Kind>,
    document: OnceLock<Result<Document, NotMergeable>>,
    digest: OnceLock<[u8; 32]>,
}

impl Representation {
    /// Content without a content coding.
    #[must_use]
    pub fn new(content_type: &str, content: impl Into<Bytes>) -> Representation {
        Representation::with_coding(content_type, None, content)
    }

    /// Content with this value of `Content-Encoding` (RFC 9110 §8.4).
    #[must_use]
    pub fn with_coding(content_type: &str, coding: Option<&str>, content: impl Into<Bytes>) -> Representation {
        let encoded =
            coding.is_some_and(|coding| !coding.trim().is_empty() && !coding.trim().eq_ignore_ascii_case("identity"));
        Representation(Arc::new(Inner {
            content_type: content_type.to_owned(),
            encoded,
            content: content.into(),
            kind: Kind::of(content_type),
            document: OnceLock::new(),
            digest: OnceLock::new(),
        }))
    }

    /// Content that was written from `document`, and so need not be read again.
    pub(crate) fn written(content_type: &str, content: Bytes, document: Document) -> Representation {
        debug_assert_eq!(
            Representation::new(content_type, content.clone()).document(),
            Ok(&document)
        );
        let representation = Representation::new(content_type, content);
        let _ = representation.0.document.set(Ok(document));
        representation
    }

    /// The representation in an answer to GET: only a complete 200 holds one (206 is a part, 304 names one).
    #[must_use]
    pub fn of(response: &Response) -> Option<Representation> {
        (response.status == StatusCode::OK && response.complete).then(|| {
            Representation::with_coding(
                response.field("content-type").unwrap_or_default(),
                response.field("content-encoding"),
                response.content.clone(),
            )
        })
    }

    /// The content type, as it was sent.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// The content.
    #[must_use]
    pub fn content(&self) -> &Bytes {
        &self.0.content
    }

    /// The content as data.
    ///
    /// # Errors
    /// If it has none that can be merged.
    pub fn document(&self) -> Result<&Document, NotMergeable> {
        self.0
            .document
            .get_or_init(|| self.read())
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Whether the two are one and the same in memory.
    #[must_use]
    pub fn is(&self, other: &Representation) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the two have the same content and content coding, byte for byte.
    #[must_use]
    pub fn same_bytes(&self, other: &Representation) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.encoded == other.0.encoded && self.0.content == other.0.content)
    }

    /// The kind of its media type; `None` if it is none that merges.
    #[must_use]
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.0.kind
    }

    /// SHA-256 of the content, calculated once.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        self.0.digest.get_or_init(|| Sha256::digest(&self.0.content).into())
    }

    fn read(&self) -> Result<Document, NotMergeable> {
        let kind = self
            .kind()
            .ok_or_else(|| NotMergeable::MediaType(self.0.content_type.clone()))?;
        if self.0.encoded {
            return Err(NotMergeable::Encoded);
        }
        if self.0.content.len() > MAX_CONTENT {
            return Err(NotMergeable::TooLarge);
        }
        match kind {
            Kind::Json => parse_strict(&self.0.content, MAX_DEPTH)
                .map(Document::Json)
                .map_err(|error| NotMergeable::Malformed(error.to_string())),
            Kind::Form => Form::parse(&self.0.content).map(Document::Form),
        }
    }
}

/// The kinds of media types that merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Form,
}

impl Kind {
    /// The kind of a `Content-Type` (RFC 9110 §8.3.1): `application/json`, `text/json`, `…+json` (RFC 6839), or a
    /// form; not if it claims a charset other than UTF-8.
    pub(crate) fn of(content_type: &str) -> Option<Kind> {
        // What nearly all APIs send, letter for letter.
        if content_type == "application/json" {
            return Some(Kind::Json);
        }
        let mut parts = content_type.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("charset")
                && !["utf-8", "utf8", "us-ascii"]
                    .iter()
                    .any(|known| value.trim().trim_matches('"').eq_ignore_ascii_case(known))
            {
                return None;
            }
        }
        match essence.as_str() {
            "application/json" | "text/json" => Some(Kind::Json),
            "application/x-www-form-urlencoded" => Some(Kind::Form),
            other if other.ends_with("+json") && other.contains('/') => Some(Kind::Json),
            _ => None,
        }
    }
}
