//! Digests that say whether two requests are the same write.

use std::fmt;

use http::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};

use crate::request::WriteRequest;

/// 32 bytes of SHA-256 or of an HMAC with it. Never truncated where it decides anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 over `parts`, each preceded by its length, so that no two lists of parts collide.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Digest {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Digest(hasher.finalize().into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Digest of method, target URI, content type and content: two requests of one caller with the same
/// fingerprint ask for the same write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub Digest);

impl Fingerprint {
    /// The fingerprint of `request`. For `multipart/*` the boundary is left out, since clients choose
    /// a new one each time (RFC 2046 §5.1.1).
    #[must_use]
    pub fn of(request: &WriteRequest) -> Fingerprint {
        let content_type = request
            .headers
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let method = request.method.as_str().as_bytes();
        let target = request.target.as_str().as_bytes();
        Fingerprint(match boundary(content_type) {
            Some(boundary) => {
                let kind = content_type.replace(boundary, "");
                let content = without(&request.content, boundary.as_bytes());
                Digest::of(&[method, target, kind.as_bytes(), &content])
            }
            None => Digest::of(&[method, target, content_type.as_bytes(), &request.content]),
        })
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let head = content_type.get(..10)?;
    if !head.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let value = &content_type[at..];
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split(';').next()?.trim(),
    };
    (!value.is_empty()).then_some(value)
}

fn without(content: &[u8], needle: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.windows(needle.len()).position(|w| w == needle) {
        kept.extend_from_slice(&rest[..at]);
        rest = &rest[at + needle.len()..];
    }
    kept.extend_from_slice(rest);
    kept
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::request::Target;

    fn request(content_type: &'static str, content: &'static str) -> WriteRequest {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        WriteRequest {
            method: Method::POST,
            target: Target::parse("http://a.example/things").unwrap(),
            headers,
            content: content.into(),
        }
    }

    #[test]
    fn boundary_of_multipart_does_not_count() {
        let one = request("multipart/form-data; boundary=aaa", "--aaa\r\n\r\nx\r\n--aaa--");
        let two = request("multipart/form-data; boundary=\"b b\"", "--b b\r\n\r\nx\r\n--b b--");
        let other = request("multipart/form-data; boundary=aaa", "--aaa\r\n\r\ny\r\n--aaa--");
        assert_ne!(Fingerprint::of(&one), Fingerprint::of(&other));
        // The quotes of the parameter remain, which is why both are written the same way here.
        let one = request("multipart/form-data; boundary=\"aaa\"", "--aaa\r\n\r\nx\r\n--aaa--");
        assert_eq!(Fingerprint::of(&one), Fingerprint::of(&two));
    }

    #[test]
    fn every_part_counts() {
        let base = request("application/json", "{}");
        for change in 0..4 {
            let mut other = base.clone();
            match change {
                0 => other.method = Method::PUT,
                1 => other.target = Target::parse("http://a.example/thing").unwrap(),
                2 => drop(
                    other
                        .headers
                        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain")),
                ),
                _ => other.content = "{ }".into(),
            }
            assert_ne!(Fingerprint::of(&base), Fingerprint::of(&other), "change {change}");
        }
    }
}
