//! What is known of a request method (RFC 9110 §9.2).

use http::Method;

/// Methods that are known to be safe: RFC 9110's own, and those of WebDAV (RFC 3253, 4918, 5323)
/// and QUERY, which change nothing.
const SAFE: [&str; 8] = [
    "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY",
];

/// Whether `method` is known to be safe. Every other method is a *write*, also one that we have never heard of.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    SAFE.contains(&method.as_str())
}

/// Whether a write with `method` replaces or edits the resource at its target URI, rather than
/// processing content under it (RFC 9110 §9.3.3: POST).
#[must_use]
pub fn acts_on_target(method: &Method) -> bool {
    !is_safe(method) && method != Method::POST && method != Method::CONNECT
}

/// Whether nothing is at the target any more once a write with `method` was applied (RFC 9110 §9.3.5, RFC 4918 §9.9).
#[must_use]
pub fn removes_target(method: &Method) -> bool {
    *method == Method::DELETE || method.as_str() == "MOVE"
}
