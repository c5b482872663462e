//! What may be forgotten, and what never.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::record::{Claim, State};
use tiebreak_core::time::Time;

use super::making::{NOW, caller, doubted, fingerprint, granted, id, keyed, later, record, settled, taken, under};
use super::{Opening, Store};

/// The claim of the `n`th write with the `k`th key, made at `at` and expiring at `expires`.
fn lasting(n: u64, k: u64, at: Time, expires: Option<Time>) -> Claim {
    let mut claim = keyed(n, k);
    (claim.at, claim.expires) = (at, expires);
    claim
}

pub(super) async fn a_settled_key_is_free_when_its_time_is_over(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, lasting(1, 1, NOW, Some(later(100))), 200).await;
    let at = async |ms| {
        let found = ledger.look_up(under(1), later(ms));
        found.await.map(|r| r.map(|r| r.claim.id))
    };
    assert_eq!(at(99).await, Ok(Some(id(1))));
    assert_eq!(at(100).await, Ok(None));
    taken(&ledger, lasting(2, 1, later(99), None)).await;
    granted(&ledger, lasting(2, 1, later(100), None)).await;
}

pub(super) async fn a_new_claim_supersedes_an_expired_record(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, lasting(1, 1, NOW, Some(later(100))), 201).await;
    settled(&ledger, lasting(2, 1, later(100), Some(later(200))), 202).await;
    settled(&ledger, lasting(3, 1, later(200), Some(later(300))), 203).await;
    // Even when a clock is late: the newest holds the key.
    let found = ledger.look_up(under(1), later(50)).await;
    assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(3))));
    let ledger = store.open(Opening::AfterCrash).await;
    let found = ledger.look_up(under(1), later(50)).await;
    assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(3))));
}

pub(super) async fn a_settled_key_without_expiry_stays(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, lasting(1, 1, NOW, None), 200).await;
    assert_eq!(ledger.purge(Time(u64::MAX >> 1)).await, Ok(0));
    let claim = lasting(2, 1, Time(u64::MAX >> 1), None);
    assert_eq!(taken(&ledger, claim).await.claim.id, id(1));
}

pub(super) async fn a_claim_and_a_doubt_never_expire(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    granted(&ledger, keyed(1, 1)).await;
    doubted(&ledger, keyed(2, 2), Unknown::Timeout).await;
    assert_eq!(ledger.purge(later(10_000_000)).await, Ok(0));
    for n in [1, 2] {
        let claim = lasting(10 + n, n, later(10_000_000), None);
        assert_eq!(taken(&ledger, claim).await.claim.id, id(n));
    }
    let mut repeat = lasting(20, 20, later(10_000_000), None);
    (repeat.key, repeat.caller, repeat.fingerprint) = (None, caller(2), fingerprint(2));
    assert_eq!(taken(&ledger, repeat).await.claim.id, id(2));
}

pub(super) async fn purge_deletes_what_is_over_and_nothing_else(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, lasting(1, 1, NOW, Some(later(100))), 200).await;
    settled(&ledger, lasting(2, 2, NOW, Some(later(101))), 200).await;
    settled(&ledger, lasting(3, 3, NOW, None), 200).await;
    granted(&ledger, lasting(4, 4, NOW, Some(later(100)))).await;
    doubted(&ledger, lasting(5, 5, NOW, Some(later(100))), Unknown::Closed).await;
    assert_eq!(ledger.purge(later(99)).await, Ok(0));
    assert_eq!(ledger.purge(later(100)).await, Ok(1));
    assert_eq!(ledger.purge(later(100)).await, Ok(0));
    assert_eq!(ledger.get(id(1)).await, Ok(None));
    for n in 2..=5 {
        record(&ledger, id(n)).await;
    }
    assert_eq!(ledger.purge(later(101)).await, Ok(1));
    let ledger = store.open(Opening::AfterClose).await;
    assert_eq!(ledger.get(id(2)).await, Ok(None));
    granted(&ledger, lasting(12, 2, NOW, None)).await;
}

pub(super) async fn purge_spares_the_successor_of_an_expired_key(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, lasting(1, 1, NOW, Some(later(100))), 200).await;
    granted(&ledger, lasting(2, 1, later(100), None)).await;
    assert_eq!(ledger.purge(later(100)).await, Ok(1));
    assert_eq!(taken(&ledger, lasting(3, 1, later(100), None)).await.claim.id, id(2));
    assert_eq!(record(&ledger, id(2)).await.state, State::Claimed);
}

pub(super) async fn purge_finds_many(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for n in 0..150 {
        let expires = if n % 3 == 0 { None } else { Some(later(100 + n % 2)) };
        granted(&ledger, lasting(n, n, NOW, expires)).await;
    }
    for n in 0..150 {
        let fence = record(&ledger, id(n)).await.fence;
        let settling = ledger.settle(id(n), fence, super::making::settlement(200));
        assert_eq!(settling.await, Ok(()));
    }
    assert_eq!(ledger.purge(later(100)).await, Ok(50));
    assert_eq!(ledger.purge(later(101)).await, Ok(50));
    assert_eq!(ledger.purge(later(500)).await, Ok(0));
    let stats = ledger.stats().await;
    assert_eq!(stats.map(|s| s.settled), Ok(50));
}
