//! The general reading: status, method, preconditions and standard fields.

use std::time::Duration;

use crate::judge::Asked;
use crate::remedy::Remedy;
use crate::response::Response;
use crate::verdict::{Class, Confidence, Evidence, Verdict};

/// Reads an answer by what HTTP itself says about it.
pub(super) fn read(asked: &Asked<'_>, response: &Response) -> Verdict {
    let guarded = asked.headers.contains_key("if-match") || asked.headers.contains_key("if-unmodified-since");
    let creates = asked.headers.contains_key("if-none-match");
    let status = response.status.as_u16();
    let (class, remedy, confidence, signal) = match status {
        412 if creates && !guarded => (
            Class::Duplicate,
            Remedy::Stop,
            Confidence::High,
            "If-None-Match failed: it exists already",
        ),
        412 if guarded => (
            Class::Stale,
            Remedy::Rebase,
            Confidence::High,
            "the precondition failed",
        ),
        409 if guarded => (
            Class::Stale,
            Remedy::Rebase,
            Confidence::Medium,
            "a conflict with the version that was named",
        ),
        409 if asked.method == http::Method::POST => {
            (Class::Duplicate, Remedy::Stop, Confidence::Low, "a conflict on POST")
        }
        423 | 425 => (Class::Race, Remedy::Wait, Confidence::Medium, "locked, or too early"),
        429 => (Class::Other, Remedy::Wait, Confidence::High, "too many requests"),
        400 | 422 => (
            Class::Invalid,
            Remedy::Stop,
            Confidence::Medium,
            "the content was not accepted",
        ),
        409 | 412 => (
            Class::Unclear,
            Remedy::Stop,
            Confidence::Low,
            "a conflict without a known cause",
        ),
        _ => (Class::Other, Remedy::Stop, Confidence::Medium, "not a conflict"),
    };
    let mut verdict = Verdict::new(
        class,
        remedy,
        confidence,
        Evidence {
            signal: signal.into(),
            place: "status".into(),
            excerpt: status.to_string(),
        },
    );
    verdict.retry_after = response
        .field("retry-after")
        .and_then(|v| v.parse().ok())
        .map(Duration::from_secs);
    verdict
}
