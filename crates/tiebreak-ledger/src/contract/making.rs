//! What the scenarios are made of.

use std::sync::Arc;

use bytes::Bytes;
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::Unknown;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::lane::LaneId;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use crate::{Claimed, Ledger};

/// The time at which scenarios begin.
pub(super) const NOW: Time = Time(1_800_000_000_000);

/// The time `ms` milliseconds after [`NOW`].
pub(super) fn later(ms: u64) -> Time {
    Time(NOW.0 + ms)
}

/// The digest made from a number.
fn digest(kind: &str, n: u64) -> Digest {
    Digest::of(&[kind.as_bytes(), &n.to_be_bytes()])
}

/// The `n`th key.
pub(super) fn key(n: u64) -> KeyDigest {
    KeyDigest(digest("key", n))
}

/// The `n`th caller.
pub(super) fn caller(n: u64) -> CallerId {
    CallerId(digest("caller", n))
}

/// The `n`th fingerprint.
pub(super) fn fingerprint(n: u64) -> Fingerprint {
    Fingerprint(digest("fingerprint", n))
}

/// The id of the `n`th write.
pub(super) fn id(n: u64) -> WriteId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    WriteId::new(NOW, random)
}

/// The claim of the `n`th write, without a key, of the `n`th caller and fingerprint.
pub(super) fn keyless(n: u64) -> Claim {
    Claim {
        id: id(n),
        key: None,
        trace: None,
        caller: caller(n),
        fingerprint: fingerprint(n),
        method: "PUT".into(),
        target: format!("http://a.example/things/{n}?q=ä"),
        lanes: vec![LaneId("a lane, \"quoted\"".into()), LaneId(format!("lane-{n}"))],
        attempt: 1,
        held: Some("W/\"v7\"".into()),
        at: NOW,
        expires: Some(later(1_000)),
    }
}

/// The claim of the `n`th write with the `k`th key.
pub(super) fn keyed(n: u64, k: u64) -> Claim {
    Claim {
        key: Some(key(k)),
        trace: Some(trace(k)),
        ..keyless(n)
    }
}

/// The trace of the `k`th key, which cannot be guessed if `k` is odd.
pub(super) fn trace(k: u64) -> KeyTrace {
    KeyTrace {
        digest: digest("trace", k),
        exclusive: k % 2 == 1,
    }
}

/// What the `k`th key, alone, is looked up by.
pub(super) fn under(k: u64) -> Sought {
    Sought {
        key: Some(key(k)),
        trace: None,
        caller: caller(u64::MAX),
        fingerprint: fingerprint(u64::MAX),
    }
}

/// What a write of the `c`th caller with the `f`th fingerprint and without a key is looked up by.
pub(super) fn alike(c: u64, f: u64) -> Sought {
    Sought {
        key: None,
        trace: None,
        caller: caller(c),
        fingerprint: fingerprint(f),
    }
}

/// The `n`th write with the `k`th key of another caller than [`keyed`]'s.
pub(super) fn of_another(n: u64, k: u64, fingerprint_of: u64) -> Claim {
    Claim {
        key: Some(KeyDigest(digest("key of another", n * 1_000 + k))),
        caller: caller(1_000 + n),
        fingerprint: fingerprint(fingerprint_of),
        ..keyed(n, k)
    }
}

/// A settlement that says `status`.
pub(super) fn settlement(status: u16) -> Settlement {
    Settlement {
        outcome: Outcome::Applied,
        status,
        fields: vec![("etag".into(), "\"v8\"".into()), ("x".into(), "line\nä".into())],
        content: Bytes::from_static(b"{\"a\":\x00\xff}"),
        truncated: false,
        class: Some(Class::Stale),
        evidence: "ein Grund".into(),
        guarantee: Guarantee::B,
        attempts: 2,
        at: later(10),
    }
}

/// A doubt with this reason.
pub(super) fn doubt(reason: Unknown) -> Doubt {
    Doubt {
        reason,
        attempts: 3,
        guarantee: Guarantee::C,
        since: later(20),
    }
}

/// Claims, and expects to be granted it.
pub(super) async fn granted(ledger: &Arc<dyn Ledger>, claim: Claim) -> Fence {
    match ledger.claim(claim).await {
        Ok(Claimed::Granted(fence)) => fence,
        other => panic!("the claim was not granted: {other:?}"),
    }
}

/// Claims, and expects this record to stand in the way.
pub(super) async fn taken(ledger: &Arc<dyn Ledger>, claim: Claim) -> Record {
    match ledger.claim(claim).await {
        Ok(Claimed::Taken(record)) => *record,
        other => panic!("nothing stood in the way of the claim: {other:?}"),
    }
}

/// Claims and settles with `status`.
pub(super) async fn settled(ledger: &Arc<dyn Ledger>, claim: Claim, status: u16) {
    let id = claim.id;
    let fence = granted(ledger, claim).await;
    assert_eq!(ledger.settle(id, fence, settlement(status)).await, Ok(()));
}

/// Claims and doubts.
pub(super) async fn doubted(ledger: &Arc<dyn Ledger>, claim: Claim, reason: Unknown) {
    let id = claim.id;
    let fence = granted(ledger, claim).await;
    assert_eq!(ledger.doubt(id, fence, doubt(reason)).await, Ok(()));
}

/// The record with this id, which must be there.
pub(super) async fn record(ledger: &Arc<dyn Ledger>, id: WriteId) -> Record {
    match ledger.get(id).await {
        Ok(Some(record)) => record,
        other => panic!("the record {id} is not there: {other:?}"),
    }
}
