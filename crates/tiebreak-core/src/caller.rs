//! Who writes.

use crate::fingerprint::Digest;

/// The caller of a request: an HMAC of its credential (with a secret kept outside the ledger), or of the
/// principal that a route names. Never the credential itself, nor its bare digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerId(pub Digest);

impl CallerId {
    /// The caller that presented no credential. Representations and keys of anonymous callers are
    /// shared among all of them.
    pub const ANONYMOUS: CallerId = CallerId(Digest([0; 32]));

    /// Whether this is [`CallerId::ANONYMOUS`].
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        *self == Self::ANONYMOUS
    }
}
