//! What a write asks for, read once.

use bytes::Bytes;
use http::Method;

use super::essence;
use super::representation::{Kind, NotMergeable, Representation};
use crate::json::{JsonPatch, MAX_DEPTH, parse_strict};
use crate::request::WriteRequest;
use serde_json::Value;

/// What a write says the resource shall be.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A whole document (PUT, RFC 9110 §9.3.4).
    Whole(Representation),
    /// Changes to some members (PATCH with `application/merge-patch+json`, RFC 7396).
    MergePatch {
        /// As it was sent.
        content: Bytes,
        /// The same, read.
        patch: Value,
    },
    /// Operations (PATCH with `application/json-patch+json`, RFC 6902).
    JsonPatch {
        /// As it was sent.
        content: Bytes,
        /// The same, read.
        patch: JsonPatch,
        /// The same, as JSON: an array with one item for each operation.
        source: Value,
    },
    /// Nothing that can be put onto another version.
    Other(NotMergeable),
}

impl Edit {
    /// Reads a write.
    #[must_use]
    pub fn of(write: &WriteRequest) -> Edit {
        Edit::read(
            &write.method,
            write.field("content-type").unwrap_or_default(),
            write.field("content-encoding"),
            &write.content,
        )
    }

    /// Reads a write of `method` with this content; `coding` is its `Content-Encoding`.
    #[must_use]
    pub fn read(method: &Method, content_type: &str, coding: Option<&str>, content: &Bytes) -> Edit {
        let sent = Representation::with_coding(content_type, coding, content.clone());
        if *method == Method::PUT {
            return Edit::Whole(sent);
        }
        if *method != Method::PATCH {
            return Edit::Other(NotMergeable::Method(method.to_string()));
        }
        let essence = essence(content_type);
        let is = |known: &str| essence.eq_ignore_ascii_case(known) && Kind::of(content_type).is_some();
        let (is_merge, is_json) = (is("application/merge-patch+json"), is("application/json-patch+json"));
        if !is_merge && !is_json {
            return Edit::Other(NotMergeable::MediaType(content_type.to_owned()));
        }
        if let Err(why) = sent.document() {
            return Edit::Other(why);
        }
        let source = match parse_strict(content, MAX_DEPTH) {
            Ok(source) => source,
            Err(error) => return Edit::Other(NotMergeable::Malformed(error.to_string())),
        };
        let content = content.clone();
        if is_merge {
            return Edit::MergePatch { content, patch: source };
        }
        match JsonPatch::read(&source) {
            Ok(patch) => Edit::JsonPatch { content, patch, source },
            Err(error) => Edit::Other(NotMergeable::Malformed(error.to_string())),
        }
    }
}
