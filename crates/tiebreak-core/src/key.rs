//! Idempotency keys (draft-ietf-httpapi-idempotency-key-header).

use http::{HeaderMap, HeaderName};

use crate::caller::CallerId;
use crate::fingerprint::{Digest, Fingerprint};
use crate::policy::{KeyPolicy, KeyRule};
use crate::problem::{Kind, Problem};
use crate::repeat::Likeness;

/// The field that carries the key where nothing else is said.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

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
    /// More than one field.
    #[error("read the idempotency key: it was sent more than once; send one")]
    Several,
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

    /// The key that a request carries in `Idempotency-Key`, if it does.
    ///
    /// # Errors
    /// If it carries several, or one that is none; see [`IdempotencyKey::parse`].
    pub fn of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, KeyError> {
        IdempotencyKey::in_field(headers, &IDEMPOTENCY_KEY)
    }

    /// The key that a request carries in `field`, if it does.
    ///
    /// # Errors
    /// If it carries several, or one that is none; see [`IdempotencyKey::parse`].
    pub fn in_field(headers: &HeaderMap, field: &HeaderName) -> Result<Option<IdempotencyKey>, KeyError> {
        let mut fields = headers.get_all(field).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => IdempotencyKey::parse(&String::from_utf8_lossy(one.as_bytes())).map(Some),
            (Some(_), Some(_)) => Err(KeyError::Several),
        }
    }

    /// The key that the client of a request sent, as far as the route cares for it.
    ///
    /// # Errors
    /// The problem to answer with, if it is malformed, or missing where it is required.
    pub fn sent(headers: &HeaderMap, policy: &KeyPolicy) -> Result<Option<IdempotencyKey>, Problem> {
        if policy.rule == KeyRule::Off {
            return Ok(None);
        }
        match IdempotencyKey::in_field(headers, &policy.field) {
            Ok(None) if policy.rule == KeyRule::Required => {
                let detail = format!(
                    "writes to this address must carry {}; nothing was sent; \
                     send a new unique value for each write, and the same value when you repeat it",
                    policy.field
                );
                Err(Problem::new(Kind::KeyMissing, detail))
            }
            Ok(key) => Ok(key),
            Err(error) => Err(Problem::new(Kind::KeyInvalid, format!("failed to {error}"))),
        }
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

    /// Whether nobody hits upon this key by chance or by counting: it contains a UUID (other than those of one digit), or
    /// it looks drawn at random. That is: [`RANDOM`] or more letters and digits, with both among them, of which one in six or
    /// more differs in kind (digit, lower case, upper case) from the one directly before it, capitals at the head of a word
    /// counted once. Of random hexadecimal digits nearly every second one does; of `order-2026-11-22-customer-meyer` none,
    /// however long it is.
    ///
    /// An estimate can only go by looks. A long random word of one kind (`kqzvhtnr…`) passes for guessable, and then two callers
    /// may both use it; a digest of something that everybody knows passes for random, and then the second caller is refused.
    #[must_use]
    pub fn is_unguessable(&self) -> bool {
        let bytes = self.0.as_bytes();
        if bytes.windows(UUID.len()).any(is_uuid) {
            return true;
        }
        let drawn = bytes.iter().filter(|b| b.is_ascii_alphanumeric()).count();
        let changes = bytes.windows(2).filter(|pair| changes(pair[0], pair[1])).count();
        let mixed = bytes.iter().any(u8::is_ascii_digit);
        drawn >= RANDOM && mixed && changes * 6 >= drawn
    }

    /// The key itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So many letters and digits, drawn at random from the fewest that are usual (hexadecimal), are 72 bits.
const RANDOM: usize = 18;

/// The form of a UUID (RFC 9562 §4).
const UUID: &[u8; 36] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

fn is_uuid(window: &[u8]) -> bool {
    let fits = |(form, byte): (&u8, &u8)| match form {
        b'-' => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let digits = || window.iter().filter(|b| **b != b'-');
    UUID.iter().zip(window).all(fits) && digits().any(|b| digits().next() != Some(b))
}

/// Whether a letter or digit is followed by one of another kind. What follows a capital at the head of a word is no change.
fn changes(one: u8, next: u8) -> bool {
    let kind = |b: u8| match b {
        b'0'..=b'9' => Some(0),
        b'a'..=b'z' => Some(1),
        b'A'..=b'Z' => Some(2),
        _ => None,
    };
    matches!((kind(one), kind(next)), (Some(a), Some(b)) if a != b && (a, b) != (2, 1))
}

/// What is left of a key when its caller is taken away: an HMAC (with the secret by which callers are told apart, so that whoever
/// has only the ledger cannot test guesses) of authority, method, path and key. It says that *somebody* has used the key here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyTrace {
    /// The HMAC.
    pub digest: Digest,
    /// Whether the key [cannot be guessed](IdempotencyKey::is_unguessable): then the same write under the same key is the same
    /// write, also when it comes with another credential.
    pub exclusive: bool,
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

    /// The key of a write whose route derives keys from the content. `sender` tells anonymous callers apart; without it an
    /// anonymous write has none, since one person's outcome would be another's.
    #[must_use]
    pub fn derived(caller: CallerId, sender: Option<Digest>, fingerprint: Fingerprint) -> Option<KeyDigest> {
        let like = Likeness::of(caller, sender, fingerprint)?;
        Some(KeyDigest(Digest::of(&[b"derived", &like.0.0])))
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
        headers.insert("idempotency-key", "a".parse().unwrap());
        headers.append("idempotency-key", "a".parse().unwrap());
        assert_eq!(IdempotencyKey::of(&headers), Err(KeyError::Several));
    }

    #[test]
    fn what_a_route_makes_of_a_key() {
        let own = HeaderName::from_static("paypal-request-id");
        let ours = |rule, field: &HeaderName| KeyPolicy {
            rule,
            field: field.clone(),
            ..KeyPolicy::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", "a".parse().unwrap());
        headers.insert("paypal-request-id", "b".parse().unwrap());
        let sent = |headers: &HeaderMap, policy: &KeyPolicy| match IdempotencyKey::sent(headers, policy) {
            Ok(key) => key.map(|k| k.0),
            Err(problem) => Some(problem.kind().slug().to_owned()),
        };
        for rule in [KeyRule::Required, KeyRule::Accepted, KeyRule::Derived] {
            assert_eq!(sent(&headers, &ours(rule, &IDEMPOTENCY_KEY)).as_deref(), Some("a"));
            assert_eq!(sent(&headers, &ours(rule, &own)).as_deref(), Some("b"));
            let missing = (rule == KeyRule::Required).then_some("key-missing");
            assert_eq!(sent(&HeaderMap::new(), &ours(rule, &own)).as_deref(), missing);
        }
        assert_eq!(sent(&headers, &ours(KeyRule::Off, &own)), None);
        headers.insert("paypal-request-id", "\"".parse().unwrap());
        assert_eq!(
            sent(&headers, &ours(KeyRule::Accepted, &own)).as_deref(),
            Some("key-invalid")
        );
    }

    #[test]
    fn which_keys_cannot_be_guessed() {
        let unguessable = |t: &str| IdempotencyKey::new(t).unwrap().is_unguessable();
        for random in [
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
            "8E03978E-40D5-43DD-BC93-6894A57F9324",
            "stainless-node-retry-8e03978e-40d5-43dd-bc93-6894a57f9324",
            "018f3c5e-0000-7000-8000-000000000001",
            "9f86d081884c7d659a2feaa0c55ad015",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "V1StGXR8_Z5jdHi6B-myT",
            "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
        ] {
            assert!(unguessable(random), "{random}");
        }
        for guessable in [
            "1",
            "order-5",
            "a",
            "order-2026-11-22-customer-meyer-invoice-0042",
            "nightly-2026-11-22T10:33:20Z",
            "1763807600000",
            "17638076000001763807600000",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "createCustomerForTheNewTenantOfTheNorth",
            "import/customers.csv:line 10234",
        ] {
            assert!(!unguessable(guessable), "{guessable}");
        }
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
