//! Short ways to ask.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tiebreak_origin::{Origin, OriginOptions, Place};

/// Header fields to send.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: Response<()>,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn etag(&self) -> String {
        self.field("etag").expect("an etag").to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// The last segment of the problem's type.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{self:?}");
        let kind = document["type"].as_str().expect("a type");
        kind.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// Asks with header fields in lines of `name: value`; a content without Content-Type is JSON.
pub(crate) async fn ask(origin: &Origin, what: &str, fields: Fields<'_>, content: &str) -> Said {
    let (method, target) = what.split_once(' ').expect("method and target");
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    if !content.is_empty() && !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/json");
    }
    let request = request
        .body(Bytes::copy_from_slice(content.as_bytes()))
        .expect("a request");
    let (head, content) = origin.handle(request).await.into_parts();
    Said {
        status: head.status.as_u16(),
        head: Response::from_parts(head, ()),
        text: String::from_utf8(content.to_vec()).expect("UTF-8"),
    }
}

/// An origin in memory and one on disk: what holds for one holds for the other.
pub(crate) fn both(options: &OriginOptions) -> (tempfile::TempDir, [Arc<Origin>; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Origin::open(Place::Memory, options.clone()).expect("memory opens");
    let file = Origin::open(folder.path().join("origin.db"), options.clone()).expect("file opens");
    (folder, [Arc::new(memory), Arc::new(file)])
}
