//! One line of the input, ready to be sent.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::json::canonical;
use tiebreak_core::merge::Representation;
use tiebreak_core::request::{Target, WriteRequest};

/// The longest line, in bytes.
pub(super) const MAX_LINE: usize = 16 << 20;

/// The deepest JSON, in arrays and objects inside each other.
pub(super) const MAX_DEPTH: usize = tiebreak_core::json::MAX_DEPTH;

/// A write that one line asks for.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its line, from 1.
    pub(super) line: u64,
    pub(super) method: Method,
    pub(super) target: Target,
    /// What goes out with it, credentials left aside.
    pub(super) headers: HeaderMap,
    pub(super) content: Bytes,
    /// The content with one spelling for what is equal as data.
    pub(super) canonical: Digest,
    /// The document that the edit was made from.
    pub(super) base: Option<Representation>,
    /// What its author calls it.
    pub(super) names: Vec<Name>,
    /// Writes with the same order key are sent one after the other, as they stand in the input.
    pub(super) order: Option<String>,
}

/// What makes two lines the same submission by their author's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// The member `key`, or the values of `--key`.
    Key(String),
    /// The value of `--id`.
    Record(String),
}

impl Name {
    pub(super) fn digest(&self) -> Digest {
        match self {
            Name::Key(key) => Digest::of(&[b"key", key.as_bytes()]),
            Name::Record(id) => Digest::of(&[b"record", id.as_bytes()]),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Name::Key(key) => format!("the key `{key}`"),
            Name::Record(id) => format!("the record id `{id}`"),
        }
    }
}

/// Digests by which lines are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digests {
    /// Method, target, content type and content: what a key stands for.
    pub(super) asked: Digest,
    /// The same with preconditions, base and other fields: equal lines are one submission.
    pub(super) whole: Digest,
}

impl Entry {
    pub(super) fn digests(&self) -> Digests {
        let kind = self
            .headers
            .get(header::CONTENT_TYPE)
            .map_or(&b""[..], |v| v.as_bytes());
        let (method, target) = (self.method.as_str().as_bytes(), self.target.as_str().as_bytes());
        let asked = Digest::of(&[method, target, kind, &self.canonical.0]);
        let mut fields: Vec<Vec<u8>> = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "idempotency-key" && *name != header::USER_AGENT)
            .map(|(name, value)| [name.as_str().as_bytes(), b":", value.as_bytes()].concat())
            .collect();
        fields.sort_unstable();
        let mut parts: Vec<&[u8]> = vec![&asked.0];
        parts.push(self.base.as_ref().map_or(&b""[..], |b| b.content()));
        parts.extend(fields.iter().map(Vec::as_slice));
        Digests {
            asked,
            whole: Digest::of(&parts),
        }
    }

    /// The request, with the job's own fields where the line has none of that name.
    pub(super) fn request(&self, own: &HeaderMap) -> WriteRequest {
        let mut headers = self.headers.clone();
        for (name, value) in own {
            if !self.headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        WriteRequest {
            method: self.method.clone(),
            target: self.target.clone(),
            headers,
            content: self.content.clone(),
        }
    }
}

/// The digest of JSON content, the same for values that are equal as data.
pub(super) fn canonical_json(value: &serde_json::Value) -> Digest {
    Digest::of(&[b"json", canonical(value).as_bytes()])
}

/// The digest of other content.
pub(super) fn canonical_bytes(content: &[u8]) -> Digest {
    Digest::of(&[b"bytes", content])
}
