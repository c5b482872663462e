//! An answer of the origin, as far as it came in.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::validator::EntityTag;

/// A response whose head was complete.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The header fields, without hop-by-hop ones.
    pub headers: HeaderMap,
    /// The content, or its beginning.
    pub content: Bytes,
    /// Whether the content is complete. A 2xx whose content was cut is applied all the same.
    pub complete: bool,
}

impl Response {
    /// The first value of field `name`, if it is visible ASCII.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The entity tag, if there is a well-formed one.
    #[must_use]
    pub fn etag(&self) -> Option<EntityTag> {
        EntityTag::parse(self.field("etag")?).ok()
    }
}
