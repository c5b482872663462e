//! Whose request is it?

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::Sha256;
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::key::{IdempotencyKey, KeyTrace};

/// Words in the names of fields that carry credentials (`X-Api-Key`, `X-Vault-Token`, `Ocp-Apim-Subscription-Key`, `apikey`, …).
const CREDENTIALS: [&str; 6] = ["key", "token", "auth", "secret", "session", "cookie"];

/// Fields with such a word that carry none.
const NONE_OF_THEM: [&str; 3] = ["idempotency-key", "x-idempotency-key", "sec-websocket-key"];

/// The fields of a request that carry its caller's credentials; none for an anonymous caller.
///
/// `Authorization` speaks for itself. Without it everything counts that may be a credential: a public key of the application
/// beside the session of a user must not make one caller of all users.
#[derive(Debug, Clone, Default)]
pub struct Credential(HeaderMap);

impl Credential {
    /// That of a request with these fields, whose idempotency key is in `key_field`: a key is no credential, whatever its
    /// field is called.
    #[must_use]
    pub fn of(headers: &HeaderMap, key_field: &HeaderName) -> Credential {
        let alone = headers.contains_key(header::AUTHORIZATION);
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let counts = if alone {
                name == header::AUTHORIZATION
            } else {
                may_be_credential(name)
            };
            if counts && name != key_field {
                fields.append(name, value.clone());
            }
        }
        Credential(fields)
    }
}

fn may_be_credential(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Of each request all names are looked at, and most are of these.
    if matches!(
        name,
        "host" | "user-agent" | "accept" | "accept-encoding" | "content-type" | "forwarded" | "via"
    ) {
        return false;
    }
    let has = |word: &&str| name.as_bytes().windows(word.len()).any(|part| part == word.as_bytes());
    CREDENTIALS.iter().any(has) && !NONE_OF_THEM.contains(&name)
}

/// What of an `Authorization` value names the caller. A signature differs with each request, so of the schemes that sign only the
/// name of the key counts: AWS Signature Version 4, Azure SharedKey, HTTP signatures and their like.
fn principal(authorization: &str) -> &str {
    let scheme = authorization.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    let after = |mark: &str| authorization.split_once(mark).map(|(_, rest)| rest);
    if scheme.starts_with("aws4-") || scheme.starts_with("goog4-") {
        return after("Credential=")
            .and_then(|c| c.split(['/', ',']).next())
            .unwrap_or(authorization);
    }
    if scheme.starts_with("sharedkey") || scheme == "aws" {
        return after(" ").and_then(|c| c.split(':').next()).unwrap_or(authorization);
    }
    if scheme == "signature" {
        return after("keyId=\"")
            .and_then(|c| c.split('"').next())
            .unwrap_or(authorization);
    }
    authorization
}

/// Tells callers apart by their credentials, without keeping any.
#[derive(Clone)]
pub struct Callers {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Callers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callers")
    }
}

impl Callers {
    /// With a secret of the operator's that is kept outside the ledger: whoever has only the ledger cannot
    /// test guesses of credentials against it.
    #[must_use]
    pub fn new(secret: &[u8]) -> Callers {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Callers { keyed }
    }

    /// With a secret that is drawn now and forgotten when the process ends: what an earlier process recorded cannot be compared.
    #[must_use]
    pub fn of_this_process() -> Callers {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system has randomness");
        Callers::new(&secret)
    }

    /// The caller with this credential.
    #[must_use]
    pub fn of(&self, credential: &Credential) -> CallerId {
        if credential.0.is_empty() {
            return CallerId::ANONYMOUS;
        }
        CallerId(self.digest_fields(&fields_of(credential)))
    }

    /// The caller with this credential whose client has shown a certificate with this identity: both count.
    #[must_use]
    pub fn certified(&self, certificate: &[u8], credential: &Credential) -> CallerId {
        // No field is named so: a certificate is never taken for a credential.
        let mark: (&str, &[u8]) = ("the certificate", certificate);
        let fields: Vec<_> = std::iter::once(mark).chain(fields_of(credential)).collect();
        CallerId(self.digest_fields(&fields))
    }

    /// The caller that the field `name` names, by these values: a principal that somebody in front has authenticated.
    #[must_use]
    pub fn principal<'v>(&self, name: &HeaderName, values: impl IntoIterator<Item = &'v HeaderValue>) -> CallerId {
        // No field is named so: a principal is never taken for a credential.
        let mark: (&str, &[u8]) = ("the principal", name.as_str().as_bytes());
        let mut fields = vec![mark];
        fields.extend(values.into_iter().map(|value| (name.as_str(), value.as_bytes())));
        CallerId(self.digest_fields(&fields))
    }

    fn digest_fields(&self, fields: &[(&str, &[u8])]) -> Digest {
        let parts: Vec<&[u8]> = fields
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value])
            .collect();
        self.digest(&parts)
    }

    /// What `key` leaves of itself in this scope (authority, method and path), whoever its caller is.
    #[must_use]
    pub fn trace(&self, key: &IdempotencyKey, scope: &[&str]) -> KeyTrace {
        // No field is named so, hence no caller looks like a trace.
        let mut parts: Vec<&[u8]> = vec![b"trace of a key", key.as_str().as_bytes()];
        parts.extend(scope.iter().map(|s| s.as_bytes()));
        KeyTrace {
            digest: self.digest(&parts),
            exclusive: key.is_unguessable(),
        }
    }

    /// What tells an anonymous sender from others: what its door knows of it (its address) and how its browser introduces
    /// itself. `None` where the door knows nothing.
    #[must_use]
    pub fn sender(&self, known: Option<&str>, headers: &HeaderMap) -> Option<Digest> {
        let field = |name| headers.get(name).map_or(&b""[..], |v| v.as_bytes());
        let browser = [field(header::USER_AGENT), field(header::ACCEPT_LANGUAGE)];
        Some(self.digest(&[b"sender of a request", known?.as_bytes(), browser[0], browser[1]]))
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Digest(mac.finalize().into_bytes().into())
    }
}

/// The fields of a credential, in an order that does not depend on the request, without what changes with each signature.
fn fields_of(credential: &Credential) -> Vec<(&str, &[u8])> {
    let mut fields: Vec<(&str, &[u8])> = Vec::with_capacity(credential.0.len());
    for (name, value) in &credential.0 {
        let text = value.to_str().ok().filter(|_| name == header::AUTHORIZATION);
        fields.push((
            name.as_str(),
            text.map_or(value.as_bytes(), |t| principal(t).as_bytes()),
        ));
    }
    fields.sort_unstable();
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(headers: &HeaderMap) -> Credential {
        Credential::of(headers, &HeaderName::from_static("idempotency-key"))
    }

    fn caller(fields: &[(&'static str, &'static str)]) -> CallerId {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Callers::new(&[7; 32]).of(&credential(&headers))
    }

    #[test]
    fn users_are_told_apart_also_behind_one_application_key() {
        let a = caller(&[("x-api-key", "app"), ("cookie", "session=a")]);
        let b = caller(&[("x-api-key", "app"), ("cookie", "session=b")]);
        assert_ne!(a, b);
        assert_ne!(caller(&[("x-vault-token", "a")]), caller(&[("x-vault-token", "b")]));
        assert_eq!(
            caller(&[("x-vault-token", "a"), ("accept", "x")]),
            caller(&[("x-vault-token", "a")])
        );
        assert_ne!(
            caller(&[("authorization", "Bearer a")]),
            caller(&[("authorization", "Bearer b")])
        );
    }

    #[test]
    fn cookies_beside_an_authorization_and_idempotency_keys_do_not_count() {
        let bare = caller(&[("authorization", "Bearer a")]);
        assert_eq!(bare, caller(&[("authorization", "Bearer a"), ("cookie", "lb=17")]));
        assert!(caller(&[("idempotency-key", "k")]).is_anonymous());
    }

    #[test]
    fn a_trace_depends_on_secret_key_and_scope_only() {
        let key = |text| IdempotencyKey::new(text).unwrap();
        let callers = Callers::new(&[7; 32]);
        let trace = callers.trace(&key("k"), &["h", "POST", "/a"]);
        assert_eq!(trace, callers.trace(&key("k"), &["h", "POST", "/a"]));
        assert!(!trace.exclusive);
        for other in [
            callers.trace(&key("l"), &["h", "POST", "/a"]),
            callers.trace(&key("k"), &["h", "POST", "/b"]),
            callers.trace(&key("k"), &["h", "POST/a"]),
            Callers::new(&[8; 32]).trace(&key("k"), &["h", "POST", "/a"]),
        ] {
            assert_ne!(trace.digest, other.digest);
        }
    }

    #[test]
    fn a_certificate_tells_callers_apart_beside_their_credentials() {
        let callers = Callers::new(&[7; 32]);
        let with = |certificate: &[u8], fields: &[(&'static str, &'static str)]| {
            let headers = fields
                .iter()
                .map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)));
            callers.certified(certificate, &credential(&headers.collect()))
        };
        let bearer = [("authorization", "Bearer a")];
        let all = [
            with(b"one", &[]),
            with(b"two", &[]),
            with(b"one", &bearer),
            with(b"two", &bearer),
            caller(&bearer),
            caller(&[("the-certificate", "one")]),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(
            with(b"one", &bearer),
            with(b"one", &[("authorization", "Bearer a"), ("accept", "x")])
        );
    }

    #[test]
    fn a_signature_does_not_change_its_caller() {
        let one = caller(&[(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AK/20261122/eu/s3/aws4_request, Signature=1",
        )]);
        let two = caller(&[(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AK/20261123/eu/s3/aws4_request, Signature=2",
        )]);
        assert_eq!(one, two);
        let one = caller(&[("authorization", "SharedKey account:abc=")]);
        assert_eq!(one, caller(&[("authorization", "SharedKey account:def=")]));
        assert_ne!(one, caller(&[("authorization", "SharedKey other:abc=")]));
    }
}
