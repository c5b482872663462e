//! Whose request is it?

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::Digest;

/// Where credentials are carried: the first of these that is present counts.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-access-token",
    "private-token",
    "cookie",
];

/// The one field of `headers` that carries the caller's credential; empty for an anonymous caller.
#[must_use]
pub fn credential_of(headers: &HeaderMap) -> HeaderMap {
    let mut credential = HeaderMap::new();
    if let Some((name, value)) = find(headers) {
        credential.insert(name, value.clone());
    }
    credential
}

fn find(headers: &HeaderMap) -> Option<(&'static str, &HeaderValue)> {
    CREDENTIALS.iter().find_map(|name| headers.get(*name).map(|value| (*name, value)))
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
    pub fn new(secret: &[u8; 32]) -> Callers {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Callers { keyed }
    }

    /// The caller of a request with these fields.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> CallerId {
        let Some((name, value)) = find(headers) else {
            return CallerId::ANONYMOUS;
        };
        let mut mac = self.keyed.clone();
        mac.update(name.as_bytes());
        mac.update(b"\0");
        mac.update(value.as_bytes());
        CallerId(Digest(mac.finalize().into_bytes().into()))
    }
}
