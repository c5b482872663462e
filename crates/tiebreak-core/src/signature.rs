//! Whether a request is signed, so that nothing that it holds may be altered.

use http::{HeaderMap, Uri};

/// Authentication schemes whose credentials cover fields or content.
const SCHEMES: [&str; 7] = ["aws4-", "sharedkey", "signature ", "hmac", "aws ", "goog4-", "oauth "];

/// Fields that sign others, or the content.
const FIELDS: [&str; 7] = [
    "signature",
    "signature-input",
    "dpop",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
];

/// Whether a signature covers fields or content: AWS Signature Version 4, Azure SharedKey, HTTP Message Signatures (RFC 9421),
/// DPoP (RFC 9449), digests of content (RFC 9530).
#[must_use]
pub fn is_signed(headers: &HeaderMap, uri: &Uri) -> bool {
    let scheme = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let in_query = |query: &str| {
        query
            .split('&')
            .any(|p| p.starts_with("X-Amz-Signature=") || p.starts_with("X-Goog-Signature=") || p.starts_with("sig="))
    };
    SCHEMES.iter().any(|s| scheme.starts_with(s))
        || FIELDS.iter().any(|f| headers.contains_key(*f))
        || uri.query().is_some_and(in_query)
}
