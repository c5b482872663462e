//! The problem documents of the origin, in one place.

use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Value, json};
use tiebreak_core::json::{JsonError, JsonFault, PatchError};
use tiebreak_core::precondition::{FailedPrecondition, Preconditions, TagList};
use tiebreak_core::problem::{Kind, Problem};

use crate::answer::{Answer, http_date};
use crate::settings::{StaleStatus, Violation};
use crate::store::{Document, StoreError};
use crate::target::Target;

/// What may be sent with PATCH (RFC 5789 §3.1).
pub(crate) const ACCEPT_PATCH: &str = "application/merge-patch+json, application/json-patch+json";

pub(crate) fn plain(kind: Kind, detail: impl Into<String>) -> Answer {
    Answer::problem(&Problem::new(kind, detail))
}

/// 409 or 412: the version that the write names is not the current one.
pub(crate) fn stale(given: &Preconditions, current: Option<&Document>, status: StaleStatus) -> Answer {
    let yours = match (&given.if_match, given.if_unmodified_since) {
        (Some(TagList::Any), _) => json!("*"),
        (Some(TagList::Tags(tags)), _) => match tags.as_slice() {
            [one] => json!(one.to_string()),
            several => several.iter().map(|t| json!(t.to_string())).collect(),
        },
        (None, Some(since)) => json!(http_date(since)),
        (None, None) => Value::Null,
    };
    let detail = match current {
        Some(_) => {
            "the version that you named is not the current one; read it again, apply your change to what you read, and \
             send it with the new tag"
        }
        None => "you named a version, and there is no such document (any more); to create it, send If-None-Match: *",
    };
    let tag = current.map(|document| document.etag().to_string());
    let problem = Problem::new(Kind::Stale, detail)
        .with_status(status.code())
        .with("yours", yours)
        .with("current", tag.map_or(Value::Null, Value::from));
    match current {
        Some(document) => Answer::problem(&problem).with_validators(document),
        None => Answer::problem(&problem),
    }
}

/// 412: `If-None-Match`, and there is one. `existing` is its path.
pub(crate) fn exists(existing: &str, current: Option<&Document>) -> Answer {
    let detail = "there is a representation that If-None-Match rules out; read the existing one and decide";
    let mut problem = Problem::new(Kind::PreconditionFailed, detail).with("existing", existing);
    if let Some(document) = current {
        problem = problem.with("current", document.etag().to_string());
    }
    let answer = Answer::problem(&problem).with_text(header::LINK, related(existing));
    match current {
        Some(document) => answer.with_validators(document),
        None => answer,
    }
}

/// A failed precondition on a write.
pub(crate) fn failed(
    which: FailedPrecondition,
    given: &Preconditions,
    path: &str,
    current: Option<&Document>,
    status: StaleStatus,
) -> Answer {
    match which {
        FailedPrecondition::IfMatch | FailedPrecondition::IfUnmodifiedSince => stale(given, current, status),
        FailedPrecondition::IfNoneMatch => exists(path, current),
    }
}

/// A failed precondition on a read: 412, always.
pub(crate) fn failed_read(given: &Preconditions, current: Option<&Document>) -> Answer {
    stale(given, current, StaleStatus::PreconditionFailed)
}

/// 409: `existing` (a path) has it already. `fields` are the pointers that collide, `differs` those top-level
/// members in which the existing document is another than the one sent.
pub(crate) fn duplicate(existing: &str, fields: &[String], differs: Vec<String>) -> Answer {
    let detail = format!(
        "{existing} has the same {}; read it, and change that one if it should differ",
        and(fields)
    );
    let problem = Problem::new(Kind::Duplicate, detail)
        .with("existing", existing)
        .with("fields", fields.to_vec())
        .with("differs", differs);
    Answer::problem(&problem).with_text(header::LINK, related(existing))
}

/// 409: two stored documents (paths) break the unique rule that is to be introduced.
pub(crate) fn duplicates_exist(first: &str, second: &str, fields: &[String]) -> Answer {
    let detail = format!(
        "{first} and {second} have the same {}; change one of them, then set the rule",
        and(fields)
    );
    let problem = Problem::new(Kind::Duplicate, detail)
        .with("existing", json!([first, second]))
        .with("fields", fields.to_vec());
    Answer::problem(&problem)
}

fn and(fields: &[String]) -> String {
    fields.join(" and ")
}

/// RFC 8288; `related` is registered (RFC 4287), while `duplicate` (RFC 6249) promises equal bytes.
fn related(path: &str) -> HeaderValue {
    HeaderValue::try_from(format!("<{path}>; rel=\"related\"")).unwrap_or(HeaderValue::from_static(""))
}

/// 422 with a list of what is wrong where, in the form of RFC 9457 §3.
pub(crate) fn invalid(violations: &[Violation]) -> Answer {
    let errors: Value = violations
        .iter()
        .map(|v| json!({"pointer": format!("#{}", v.pointer), "detail": v.detail}))
        .collect();
    let detail = match violations {
        [one] if one.pointer.is_empty() => one.detail.clone(),
        [one] => format!("{}: {}", one.pointer, one.detail),
        several => format!("{} things are wrong with it; see `errors`", several.len()),
    };
    Answer::problem(&Problem::new(Kind::Invalid, detail).with("errors", errors))
}

/// 409: the patch presumes another state (RFC 5789 §2.2, "conflicting state").
pub(crate) fn misfit(error: &PatchError, current: &Document) -> Answer {
    let (at, path, what) = match error {
        PatchError::TestFailed { at, path } => (*at, path, "the test finds another value at"),
        PatchError::Missing { at, path } => (*at, path, "there is nothing at"),
        PatchError::NotPossible { at, path } => (
            *at,
            path,
            "a document cannot be removed, nor a value moved into itself:",
        ),
        PatchError::TooLarge { .. } => {
            let detail = "this patch makes the document larger or deeper than allowed; send less, or use PUT";
            return plain(Kind::TooLarge, detail);
        }
    };
    let detail = format!("operation {at}: {what} `{path}`; read the document again and make the patch anew");
    let problem = Problem::new(Kind::PatchConflict, detail)
        .with("operation", at)
        .with("pointer", format!("#{path}"))
        .with("current", current.etag().to_string());
    Answer::problem(&problem).with_validators(current)
}

/// 400 or 413: the text is no acceptable JSON.
pub(crate) fn unreadable(error: &JsonError) -> Answer {
    let JsonError { line, column, fault } = error;
    let (kind, remedy) = match fault {
        JsonFault::Syntax(_) => (Kind::BadRequest, ""),
        JsonFault::Duplicate { .. } => (Kind::BadRequest, "; send it once"),
        JsonFault::TooDeep(_) => (Kind::TooLarge, "; send a flatter document"),
    };
    let detail = format!("line {line}, column {column}: {fault}{remedy}");
    let mut problem = Problem::new(kind, detail).with("line", *line).with("column", *column);
    if let JsonFault::Duplicate { pointer, .. } = fault {
        problem = problem.with("pointer", format!("#{pointer}"));
    }
    Answer::problem(&problem)
}

pub(crate) fn too_large(bytes: usize, limit: usize) -> Answer {
    let detail = format!("the content has {bytes} bytes, and at most {limit} are accepted; send less");
    plain(Kind::TooLarge, detail)
}

pub(crate) fn not_found(path: &str) -> Answer {
    plain(
        Kind::NotFound,
        format!("there is nothing at {path}; create it with PUT, or with POST to its collection"),
    )
}

/// 405 with `Allow` (RFC 9110 §15.5.6).
pub(crate) fn not_allowed(method: &http::Method, target: &Target) -> Answer {
    let detail = format!("{method} is not known here; use one of {}", target.allow());
    plain(Kind::MethodNotAllowed, detail).with(header::ALLOW, target.allow())
}

/// 415; `accepted` goes into `Accept-Patch` or `Accept` (RFC 9110 §15.5.16, RFC 5789 §2.2).
pub(crate) fn wrong_type(sent: &str, patch: bool) -> Answer {
    let accepted = if patch { ACCEPT_PATCH } else { "application/json" };
    let sent = if sent.is_empty() { "no Content-Type" } else { sent };
    let answer = plain(
        Kind::UnsupportedMediaType,
        format!("{sent} was sent; send one of {accepted}"),
    );
    if patch {
        answer.with(http::HeaderName::from_static("accept-patch"), ACCEPT_PATCH)
    } else {
        answer.with(header::ACCEPT, "application/json")
    }
}

pub(crate) fn precondition_required(current: Option<&Document>) -> Answer {
    let detail = "writes to this collection must say which version they change; send If-Match with the tag that you \
                  read, or If-None-Match: * to create";
    let answer = plain(Kind::PreconditionRequired, detail);
    match current {
        Some(document) => answer.with_validators(document),
        None => answer,
    }
}

pub(crate) fn key_reuse() -> Answer {
    let detail = "this Idempotency-Key came with other content before; send the same content, or a new key";
    plain(Kind::KeyReuse, detail)
}

/// 503: too much waits already.
pub(crate) fn busy(detail: &str) -> Answer {
    plain(Kind::Busy, detail).with(header::RETRY_AFTER, "1")
}

/// 507 or 503: the store cannot do it.
pub(crate) fn store(error: &StoreError) -> Answer {
    match error {
        StoreError::Full => {
            let detail = "there is no room for it, and nothing was written; make room, then send it again";
            let problem = Problem::new(Kind::StoreUnavailable, detail);
            Answer::problem(&problem.with_status(StatusCode::INSUFFICIENT_STORAGE.as_u16()))
        }
        StoreError::Failed(why) => {
            let detail = format!("the store failed ({why}); the operator finds more in the log");
            plain(Kind::StoreUnavailable, detail)
        }
    }
}
