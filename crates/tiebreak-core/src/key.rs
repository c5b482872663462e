//! Idempotency keys (draft-ietf-httpapi-idempotency-key-header).

use http::HeaderMap;

use crate::caller::CallerId;
use crate::fingerprint::Digest;

/// The longest key accepted, in bytes.
pub const MAX_KEY: usize = 255;

/// An idempotency key as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a field value is no idempotency key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Nothing in it.
    #[error("read the idempotency key: it is empty; send a unique value such as a UUID in double quotes")]
    Empty,
    /// Over [`MAX_KEY`] bytes.
    #[error("read the idempotency key: it has {0} bytes, at most {MAX_KEY} are accepted")]
    TooLong(usize),
    /// Neither a structured-field string nor a bare token.
    #[error(
        "read the idempotency key: it is neither a quoted string nor a bare token; send it like \"8e03978e-40d5-43dd-bc93-6894a57f9324\""
    )]
    Malformed,
}

impl IdempotencyKey {
    /// Parses the value of an `Idempotency-Key` field: a structured-field string (RFC 9651 §3.3.3), or,
    /// since many clients send it so, a bare token of visible ASCII.
    ///
    /// # Errors
    /// If it is empty, too long or neither of the two.
    pub fn parse(text: &str) -> Result<IdempotencyKey, KeyError> {
        let trimmed = text.trim_matches([' ', '\t']);
        let value = if trimmed.starts_with('"') {
            match sfv::Parser::new(trimmed).parse::<sfv::Item>() {
                Ok(sfv::Item {
                    bare_item: sfv::BareItem::String(s),
                    ..
                }) => s.as_str().to_owned(),
                _ => return Err(KeyError::Malformed),
            }
        } else if trimmed.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
            trimmed.to_owned()
        } else {
            return Err(KeyError::Malformed);
        };
        IdempotencyKey::new(value)
    }

    /// The key of a request, if it has one: of several fields the first.
    ///
    /// # Errors
    /// If it is none; see [`IdempotencyKey::parse`].
    pub fn of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, KeyError> {
        let field = headers.get("idempotency-key");
        let key = field.map(|value| IdempotencyKey::parse(&String::from_utf8_lossy(value.as_bytes())));
        key.transpose()
    }

    /// Takes a key from elsewhere than a header field.
    ///
    /// # Errors
    /// If it is empty or too long.
    pub fn new(value: impl Into<String>) -> Result<IdempotencyKey, KeyError> {
        let value = value.into();
        match value.len() {
            0 => Err(KeyError::Empty),
            n if n > MAX_KEY => Err(KeyError::TooLong(n)),
            _ => Ok(IdempotencyKey(value)),
        }
    }

    /// The key itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What makes two requests the same write: caller, authority, method, path and idempotency key, digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub Digest);

impl KeyDigest {
    /// The digest of `key` in the scope of its caller.
    #[must_use]
    pub fn of(caller: CallerId, key: &IdempotencyKey, scope: &[&str]) -> KeyDigest {
        let mut parts: Vec<&[u8]> = vec![&caller.0.0, key.0.as_bytes()];
        parts.extend(scope.iter().map(|s| s.as_bytes()));
        KeyDigest(Digest::of(&parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_bare_tokens() {
        let parsed = |t: &str| IdempotencyKey::parse(t).map(|k| k.0);
        assert_eq!(parsed("\"a b\""), Ok("a b".into()));
        assert_eq!(parsed(" abc-1 "), Ok("abc-1".into()));
        assert_eq!(parsed("\"a\\\"b\""), Ok("a\"b".into()));
        assert_eq!(parsed("\"abc"), Err(KeyError::Malformed));
        assert_eq!(parsed("a b"), Err(KeyError::Malformed));
        assert_eq!(parsed("\"\""), Err(KeyError::Empty));
        assert_eq!(parsed(&"x".repeat(256)), Err(KeyError::TooLong(256)));
    }

    #[test]
    fn keys_of_requests() {
        let mut headers = HeaderMap::new();
        assert_eq!(IdempotencyKey::of(&headers), Ok(None));
        headers.insert("idempotency-key", "\"a\"".parse().unwrap());
        assert_eq!(IdempotencyKey::of(&headers), IdempotencyKey::new("a").map(Some));
        headers.insert("idempotency-key", http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(IdempotencyKey::of(&headers), Err(KeyError::Malformed));
    }

    #[test]
    fn a_key_belongs_to_its_caller() {
        let key = IdempotencyKey::new("k").unwrap();
        let other = CallerId(Digest([1; 32]));
        let here = KeyDigest::of(CallerId::ANONYMOUS, &key, &["h", "POST", "/"]);
        assert_eq!(here, KeyDigest::of(CallerId::ANONYMOUS, &key, &["h", "POST", "/"]));
        assert_ne!(here, KeyDigest::of(other, &key, &["h", "POST", "/"]));
        assert_ne!(here, KeyDigest::of(CallerId::ANONYMOUS, &key, &["h", "POST", "/a"]));
    }
}
