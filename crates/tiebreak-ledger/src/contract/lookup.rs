//! What is found, and what stands in the way of what.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::key::KeyDigest;
use tiebreak_core::record::{Record, Sought, State};

use super::making::{NOW, caller, doubt, doubted, fingerprint, granted, id, key, keyed, keyless, later};
use super::making::{alike, record, settled, settlement, taken, under};
use super::{Opening, Store};
use crate::{Claimed, LedgerError, Stats};

pub(super) async fn nothing_is_found_in_an_empty_store(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let found = ledger
        .look_up(
            Sought {
                key: Some(key(1)),
                ..alike(1, 1)
            },
            NOW,
        )
        .await;
    assert_eq!(found, Ok(None));
    assert_eq!(ledger.get(id(1)).await, Ok(None));
    assert_eq!(ledger.resolution(id(1)).await, Ok(None));
    assert_eq!(ledger.doubts(None, 10).await, Ok(vec![]));
    assert_eq!(ledger.purge(NOW).await, Ok(0));
    let stats = ledger.stats().await.map(|s| Stats { bytes: 0, ..s });
    assert_eq!(stats, Ok(Stats::default()));
}

pub(super) async fn a_key_belongs_to_its_digest(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    granted(&ledger, keyed(1, 1)).await;
    let same = ledger.look_up(under(1), NOW).await;
    assert_eq!(same.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(1))));
    let other = ledger
        .look_up(
            Sought {
                key: Some(key(2)),
                ..alike(1, 1)
            },
            NOW,
        )
        .await;
    assert_eq!(other, Ok(None), "a claim stands in the way of its key only");
    let without = ledger.look_up(alike(1, 1), NOW).await;
    assert_eq!(without, Ok(None));
    granted(&ledger, keyed(2, 2)).await;
    assert_eq!(taken(&ledger, keyed(3, 1)).await.claim.id, id(1));
    assert_eq!(ledger.get(id(3)).await, Ok(None), "what was not granted leaves nothing");
}

pub(super) async fn a_keyless_doubt_is_found_by_caller_and_fingerprint(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyless(1), Unknown::Timeout).await;
    let found = ledger.look_up(alike(1, 1), NOW).await;
    assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(1))));
    assert_eq!(ledger.look_up(alike(2, 1), NOW).await, Ok(None));
    assert_eq!(ledger.look_up(alike(1, 2), NOW).await, Ok(None));
    let mut repeat = keyless(2);
    (repeat.caller, repeat.fingerprint) = (caller(1), fingerprint(1));
    assert_eq!(taken(&ledger, repeat.clone()).await.claim.id, id(1));
    let resolved = ledger
        .resolve(id(1), settlement(200), crate::ResolvedBy::Person, "seen".into())
        .await;
    assert!(resolved.is_ok(), "{resolved:?}");
    granted(&ledger, repeat).await;
}

pub(super) async fn a_doubt_stands_in_the_way_of_another_key(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyed(1, 1), Unknown::Closed).await;
    let mut repeat = keyed(2, 2);
    (repeat.caller, repeat.fingerprint) = (caller(1), fingerprint(1));
    assert_eq!(taken(&ledger, repeat).await.claim.id, id(1));
}

pub(super) async fn the_record_with_the_key_comes_before_a_doubt(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, keyed(1, 1), 201).await;
    doubted(&ledger, keyless(2), Unknown::Garbage).await;
    let found = ledger
        .look_up(
            Sought {
                key: Some(key(1)),
                ..alike(2, 2)
            },
            NOW,
        )
        .await;
    assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(1))));
    let over = ledger
        .look_up(
            Sought {
                key: Some(key(1)),
                ..alike(2, 2)
            },
            later(1_000),
        )
        .await;
    assert_eq!(over.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(2))));
}

pub(super) async fn the_oldest_of_several_doubts_is_found(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let same = |n| {
        let mut claim = keyless(n);
        (claim.caller, claim.fingerprint) = (caller(1), fingerprint(1));
        claim
    };
    // Equal writes without a key may run at once; then both may end in doubt.
    let mut fences = Vec::new();
    for n in [3, 1, 2] {
        fences.push((n, granted(&ledger, same(n)).await));
    }
    for (n, fence) in fences.into_iter().rev() {
        assert_eq!(ledger.doubt(id(n), fence, doubt(Unknown::Timeout)).await, Ok(()));
    }
    assert_eq!(taken(&ledger, same(4)).await.claim.id, id(3));
}

pub(super) async fn records_come_back_as_they_went_in(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let mut bare = keyless(2);
    bare.lanes.clear();
    (bare.held, bare.expires, bare.method) = (None, None, String::new());
    let mut plain = settlement(65_535);
    plain.fields.clear();
    plain.content.clear();
    plain.class = None;
    plain.evidence.clear();
    plain.truncated = true;
    for (claim, settlement) in [(keyed(1, 1), settlement(0)), (bare, plain)] {
        let fence = granted(&ledger, claim.clone()).await;
        let state = State::Claimed;
        let expected = Record {
            claim: claim.clone(),
            fence,
            state,
        };
        assert_eq!(record(&ledger, claim.id).await, expected);
        assert_eq!(ledger.settle(claim.id, fence, settlement.clone()).await, Ok(()));
        let state = State::Settled(settlement);
        assert_eq!(record(&ledger, claim.id).await, Record { state, ..expected });
    }
    let reasons = [Unknown::Timeout, Unknown::Closed, Unknown::Garbage, Unknown::Crash];
    for (n, reason) in (10..).zip(reasons.into_iter().chain([Unknown::Status(502)])) {
        doubted(&ledger, keyless(n), reason).await;
        assert_eq!(record(&ledger, id(n)).await.state, State::InDoubt(doubt(reason)));
    }
}

pub(super) async fn an_id_serves_once(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    let again = ledger.claim(keyed(1, 2)).await;
    assert!(matches!(again, Err(LedgerError::Unavailable(_))), "{again:?}");
    assert_eq!(record(&ledger, id(1)).await.claim, keyed(1, 1));
    granted(&ledger, keyed(2, 2)).await;
    assert_eq!(ledger.settle(id(1), fence, settlement(200)).await, Ok(()));
    let again = ledger.claim(keyed(1, 3)).await;
    assert!(matches!(again, Err(LedgerError::Unavailable(_))), "{again:?}");
}

pub(super) async fn digests_with_equal_beginnings_differ(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let with = |n: u64, last: u8| {
        let mut bytes = [7; 32];
        bytes[31] = last;
        let mut claim = keyless(n);
        claim.key = Some(KeyDigest(Digest(bytes)));
        claim
    };
    for n in 0..20 {
        settled(&ledger, with(n, n as u8), 200 + n as u16).await;
    }
    for n in 0..20 {
        let found = ledger
            .look_up(
                Sought {
                    key: with(n, n as u8).key,
                    ..alike(99, 99)
                },
                NOW,
            )
            .await;
        assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(n))));
        let claimed = ledger.claim(with(100 + n, n as u8)).await;
        assert!(matches!(claimed, Ok(Claimed::Taken(_))), "{claimed:?}");
    }
    granted(&ledger, with(50, 50)).await;
}
