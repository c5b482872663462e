//! Reads a write request, before anything is decided about it.

use std::ops::Range;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::json::{JsonPatch, find_strict, parse_strict};
use tiebreak_core::key::{IdempotencyKey, KeyDigest};
use tiebreak_core::merge::essence;
use tiebreak_core::precondition::Preconditions;
use tiebreak_core::problem::Kind;

use crate::answer::Answer;
use crate::options::OriginOptions;
use crate::refusal;
use crate::settings::Violation;
use crate::target::{Target, is_id};

/// What is kept must be readable later, also as part of a listing, for readers that give up at 128 levels.
const MAX_DEPTH: usize = 120;

/// A write that is well-formed.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) target: Target,
    pub(crate) action: Action,
    pub(crate) preconditions: Preconditions,
    /// `Prefer: return=minimal` (RFC 7240 §4.2).
    pub(crate) minimal: bool,
    pub(crate) key: Option<Keyed>,
    /// When it came, in seconds since the Unix epoch.
    pub(crate) now: u64,
}

/// An idempotency key in its scope, and what it was sent with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed {
    pub(crate) key: Digest,
    pub(crate) fingerprint: Digest,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// POST to a collection.
    Create(Content),
    /// PUT.
    Replace(Content),
    /// PATCH with a merge patch (RFC 7396).
    Merge(Value),
    /// PATCH with a JSON Patch (RFC 6902).
    Patch(JsonPatch),
    /// DELETE.
    Remove,
}

/// A JSON text that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) text: Bytes,
    id: Option<Range<usize>>,
}

impl Content {
    /// Checks `text`.
    pub(crate) fn check(text: Bytes, max_depth: usize) -> Result<Content, Box<Answer>> {
        let text = text.slice_ref(text.trim_ascii());
        let id = find_strict(&text, max_depth.min(MAX_DEPTH), "id").map_err(|e| Box::new(refusal::unreadable(&e)))?;
        Ok(Content { text, id })
    }

    /// The text, read. It was checked, so that nothing is refused here.
    pub(crate) fn value(&self) -> Result<Value, Box<Answer>> {
        value(&self.text, MAX_DEPTH)
    }

    /// The member `id`, if there is one: a string or an integer that can be a path segment.
    pub(crate) fn id(&self) -> Result<Option<String>, Violation> {
        let Some(range) = self.id.clone() else {
            return Ok(None);
        };
        let raw = &self.text[range];
        let text = match raw.first() {
            Some(b'"') => serde_json::from_slice::<String>(raw).ok(),
            Some(_) => std::str::from_utf8(raw)
                .ok()
                .filter(|n| n.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()))
                .map(str::to_owned),
            None => None,
        };
        match text.filter(|id| is_id(id)) {
            Some(id) => Ok(Some(id)),
            None => Err(Violation::new(
                "/id",
                "an id is an integer, or a string of up to 128 of the characters A-Z a-z 0-9 - . _ ~ @ : + , =",
            )),
        }
    }
}

/// Reads the write in `head` and `content`. The method is one that the target allows.
pub(crate) fn read(
    head: &Parts,
    content: Bytes,
    target: Target,
    options: &OriginOptions,
    secret: &[u8; 32],
    now: u64,
) -> Result<Write, Box<Answer>> {
    if content.len() > options.max_content {
        return Err(Box::new(refusal::too_large(content.len(), options.max_content)));
    }
    let preconditions = preconditions(&head.headers)?;
    let key = keyed(head, &content, secret)?;
    let sent = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let essence = essence(sent).to_ascii_lowercase();
    let action = match head.method {
        Method::DELETE => Action::Remove,
        Method::PATCH => {
            let change = |text: &[u8]| value(text, options.max_depth);
            match essence.as_str() {
                "application/merge-patch+json" => Action::Merge(change(&content)?),
                "application/json-patch+json" => Action::Patch(patch(&change(&content)?)?),
                _ => return Err(Box::new(refusal::wrong_type(sent, true))),
            }
        }
        _ => {
            let patch_like = essence == "application/merge-patch+json" || essence == "application/json-patch+json";
            if essence != "application/json" && (patch_like || !essence.ends_with("+json")) {
                return Err(Box::new(refusal::wrong_type(sent, false)));
            }
            let content = Content::check(content, options.max_depth)?;
            match target {
                Target::Collection(_) => Action::Create(content),
                _ => Action::Replace(content),
            }
        }
    };
    Ok(Write {
        target,
        action,
        preconditions,
        minimal: prefers_minimal(&head.headers),
        key,
        now,
    })
}

/// The preconditions; malformed ones are refused, since ignoring them would unguard a write.
pub(crate) fn preconditions(headers: &HeaderMap) -> Result<Preconditions, Box<Answer>> {
    Preconditions::of(headers).map_err(|e| Box::new(refusal::plain(Kind::BadRequest, format!("failed to {e}"))))
}

fn value(text: &[u8], max_depth: usize) -> Result<Value, Box<Answer>> {
    parse_strict(text, max_depth.min(MAX_DEPTH)).map_err(|e| Box::new(refusal::unreadable(&e)))
}

fn patch(document: &Value) -> Result<JsonPatch, Box<Answer>> {
    JsonPatch::read(document).map_err(|e| Box::new(refusal::invalid(&[Violation::new("", format!("failed to {e}"))])))
}

/// The key belongs to a caller: the one that the gateway in this process has told (a [`CallerId`] among the request's extensions),
/// else the credential that came with it, mixed with the store's secret.
fn keyed(head: &Parts, content: &Bytes, secret: &[u8; 32]) -> Result<Option<Keyed>, Box<Answer>> {
    let refused = |detail: String| Box::new(refusal::plain(Kind::KeyInvalid, detail));
    if head.headers.get_all("idempotency-key").iter().nth(1).is_some() {
        return Err(refused("two Idempotency-Key fields were sent; send one".to_owned()));
    }
    let Some(key) = IdempotencyKey::of(&head.headers).map_err(|e| refused(format!("failed to {e}")))? else {
        return Ok(None);
    };
    let told = head.extensions.get::<CallerId>().copied();
    let caller = told.unwrap_or_else(|| match head.headers.get(AUTHORIZATION) {
        Some(credential) => CallerId(Digest::of(&[secret, credential.as_bytes()])),
        None => CallerId::ANONYMOUS,
    });
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    Ok(Some(Keyed {
        key: KeyDigest::of(caller, &key, &[head.method.as_str(), head.uri.path()]).0,
        fingerprint: Digest::of(&[kind, content]),
    }))
}

fn prefers_minimal(headers: &HeaderMap) -> bool {
    let lines = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split(',')).filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case("return").then_some(value)
    });
    // The first one counts (RFC 7240 §2).
    preferences.next().is_some_and(|value| value == "minimal")
}
