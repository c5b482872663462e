//! Files for tests.

use std::path::{Path, PathBuf};

use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::Unknown;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Doubt, Fence, Settlement, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::sqlite::{Options, SqliteLedger};
use tiebreak_ledger::{Claimed, Ledger};

/// The time at which tests begin.
pub(crate) const NOW: Time = Time(1_800_000_000_000);

/// The ledger's path in `dir`.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("t.ledger")
}

/// `path` with a suffix, as SQLite names its files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Copies database and log from one directory to another, as a crash would leave them.
pub(crate) fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let source = beside(&path(from), suffix);
        if source.exists() {
            std::fs::copy(source, beside(&path(to), suffix)).unwrap();
        }
    }
}

/// Options with these bounds, a short queue and a short log.
pub(crate) fn options(bounds: Bounds) -> Options {
    Options {
        bounds,
        queue: 128,
        log_pages: 200,
        now: Some(Time(1_800_000_000_500)),
        ..Options::default()
    }
}

/// A claim of the `n`th write with the `n`th key.
pub(crate) fn claim(n: u64) -> Claim {
    let digest = |kind: &[u8]| Digest::of(&[kind, &n.to_be_bytes()]);
    Claim {
        id: id(n),
        key: Some(KeyDigest(digest(b"key"))),
        trace: Some(KeyTrace {
            digest: digest(b"trace"),
            exclusive: true,
        }),
        caller: CallerId(digest(b"caller")),
        fingerprint: Fingerprint(digest(b"fingerprint")),
        method: "POST".into(),
        target: format!("http://a.example/{n}"),
        lanes: vec![],
        attempt: 1,
        held: None,
        at: NOW,
        expires: None,
    }
}

/// The id of the `n`th write.
pub(crate) fn id(n: u64) -> WriteId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    WriteId::new(NOW, random)
}

/// A settlement whose content has `size` bytes, all of them `status % 256`.
pub(crate) fn settlement(status: u16, size: usize) -> Settlement {
    Settlement {
        outcome: Outcome::Applied,
        status,
        fields: vec![("etag".into(), format!("\"{status}\""))],
        content: vec![status.to_be_bytes()[1]; size].into(),
        truncated: false,
        class: None,
        evidence: String::new(),
        guarantee: Guarantee::A,
        attempts: 1,
        at: NOW,
    }
}

/// A doubt.
pub(crate) fn doubt() -> Doubt {
    Doubt {
        reason: Unknown::Timeout,
        attempts: 1,
        guarantee: Guarantee::C,
        since: NOW,
    }
}

/// Claims, and expects to be granted it.
pub(crate) async fn granted(ledger: &SqliteLedger, claim: Claim) -> Fence {
    match ledger.claim(claim).await {
        Ok(Claimed::Granted(fence)) => fence,
        other => panic!("the claim was not granted: {other:?}"),
    }
}

/// Numbers that look random, the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
