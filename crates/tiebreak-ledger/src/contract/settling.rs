//! Fences, states, and how one follows the other.

use bytes::Bytes;
use tiebreak_core::delivery::Unknown;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Fence, Settlement, Sought, State};

use super::making::{NOW, alike, caller, doubt, doubted, fingerprint, granted, id, key, keyed, keyless, record};
use super::making::{of_another, settled, settlement, taken};
use super::{BOUNDS, Opening, Store};
use crate::{LedgerError, Resolution, ResolvedBy};

pub(super) async fn fences_only_grow(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let mut last = Fence(0);
    for n in 0..20 {
        let first = granted(&ledger, keyed(n, n)).await;
        assert!(first > last, "{first:?} after {last:?}");
        let second = ledger.amend(id(n), first, 2, Some("\"v9\"".into())).await;
        assert!(second.as_ref().is_ok_and(|f| *f > first), "{second:?} after {first:?}");
        let record = record(&ledger, id(n)).await;
        assert_eq!(Ok(record.fence), second);
        assert_eq!((record.claim.attempt, record.claim.held), (2, Some("\"v9\"".into())));
        last = record.fence;
        assert_eq!(ledger.release(id(n), last).await, Ok(()));
    }
}

pub(super) async fn a_stale_fence_changes_nothing(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let stale = granted(&ledger, keyed(1, 1)).await;
    let fence = ledger.amend(id(1), stale, 2, None).await;
    let before = record(&ledger, id(1)).await;
    let fenced = LedgerError::Fenced(id(1));
    assert_eq!(ledger.settle(id(1), stale, settlement(200)).await, Err(fenced.clone()));
    let doubting = ledger.doubt(id(1), stale, doubt(Unknown::Closed)).await;
    assert_eq!(doubting, Err(fenced.clone()));
    assert_eq!(ledger.release(id(1), stale).await, Err(fenced.clone()));
    assert_eq!(ledger.amend(id(1), stale, 9, None).await, Err(fenced.clone()));
    assert_eq!(record(&ledger, id(1)).await, before);
    let fence = fence.unwrap_or_else(|e| panic!("the amendment failed: {e}"));
    assert_eq!(ledger.settle(id(1), fence, settlement(200)).await, Ok(()));
    assert_eq!(ledger.settle(id(1), stale, settlement(500)).await, Err(fenced));
    assert_eq!(record(&ledger, id(1)).await.state, State::Settled(settlement(200)));
}

pub(super) async fn a_write_settles_once(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    assert_eq!(ledger.settle(id(1), fence, settlement(201)).await, Ok(()));
    let gone = LedgerError::NotFound(id(1));
    assert_eq!(ledger.settle(id(1), fence, settlement(500)).await, Err(gone.clone()));
    let doubting = ledger.doubt(id(1), fence, doubt(Unknown::Closed)).await;
    assert_eq!(doubting, Err(gone.clone()));
    assert_eq!(ledger.release(id(1), fence).await, Err(gone.clone()));
    assert_eq!(ledger.amend(id(1), fence, 2, None).await, Err(gone.clone()));
    assert_eq!(ledger.retake(id(1), 2, None).await, Err(gone.clone()));
    let resolving = ledger.resolve(id(1), settlement(500), ResolvedBy::Person, "x".into());
    assert_eq!(resolving.await, Err(gone));
    assert_eq!(record(&ledger, id(1)).await.state, State::Settled(settlement(201)));
    assert_eq!(taken(&ledger, keyed(2, 1)).await.claim.id, id(1));
}

pub(super) async fn a_released_key_is_free(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for n in 0..5 {
        let fence = granted(&ledger, keyed(n, 1)).await;
        assert_eq!(ledger.release(id(n), fence).await, Ok(()));
        assert_eq!(ledger.get(id(n)).await, Ok(None));
        let found = ledger
            .look_up(
                Sought {
                    key: Some(key(1)),
                    ..alike(n, n)
                },
                NOW,
            )
            .await;
        assert_eq!(found, Ok(None));
        assert_eq!(ledger.release(id(n), fence).await, Err(LedgerError::NotFound(id(n))));
    }
    // Submitted together: the key is free as soon as the release before it was.
    let fence = granted(&ledger, keyed(10, 1)).await;
    let (released, claimed) = (ledger.release(id(10), fence), ledger.claim(keyed(11, 1)));
    assert_eq!(released.await, Ok(()));
    assert!(matches!(claimed.await, Ok(crate::Claimed::Granted(_))));
}

pub(super) async fn a_doubt_keeps_its_key(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    assert_eq!(ledger.doubt(id(1), fence, doubt(Unknown::Timeout)).await, Ok(()));
    let gone = LedgerError::NotFound(id(1));
    assert_eq!(ledger.release(id(1), fence).await, Err(gone.clone()));
    assert_eq!(ledger.settle(id(1), fence, settlement(200)).await, Err(gone.clone()));
    assert_eq!(ledger.amend(id(1), fence, 2, None).await, Err(gone));
    let record = taken(&ledger, keyed(2, 1)).await;
    assert_eq!(record.claim.id, id(1));
    assert_eq!(record.state, State::InDoubt(doubt(Unknown::Timeout)));
}

pub(super) async fn a_resolved_doubt_is_settled_and_says_why(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for (n, by) in [(1, ResolvedBy::Proof), (2, ResolvedBy::Person)] {
        doubted(&ledger, keyed(n, n), Unknown::Timeout).await;
        assert_eq!(ledger.resolution(id(n)).await, Ok(None));
        let resolved = ledger
            .resolve(id(n), settlement(200), by, "seen in the list".into())
            .await;
        let expected = record(&ledger, id(n)).await;
        assert_eq!(expected.state, State::Settled(settlement(200)));
        assert_eq!(resolved, Ok(expected));
        let reason = "seen in the list".to_owned();
        assert_eq!(ledger.resolution(id(n)).await, Ok(Some(Resolution { by, reason })));
        let again = ledger.resolve(id(n), settlement(500), by, String::new()).await;
        assert_eq!(again, Err(LedgerError::NotFound(id(n))));
        assert_eq!(taken(&ledger, keyed(10 + n, n)).await.claim.id, id(n));
    }
    settled(&ledger, keyed(3, 3), 200).await;
    assert_eq!(ledger.resolution(id(3)).await, Ok(None), "it was never in doubt");
    assert_eq!(ledger.doubts(None, 10).await, Ok(vec![]));
}

pub(super) async fn a_retaken_doubt_is_claimed_and_still_in_the_way(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for n in [1, 2] {
        doubted(&ledger, keyless(n), Unknown::Closed).await;
        let old = record(&ledger, id(n)).await.fence;
        let fence = ledger.retake(id(n), 4, Some("\"v4\"".into())).await;
        let retaken = record(&ledger, id(n)).await;
        assert!(retaken.fence > old);
        assert_eq!(Ok(retaken.fence), fence);
        assert_eq!(retaken.state, State::Claimed);
        assert_eq!(
            (retaken.claim.attempt, retaken.claim.held.as_deref()),
            (4, Some("\"v4\""))
        );
        assert_eq!(ledger.doubts(None, 10).await, Ok(vec![]));
        assert_eq!(ledger.retake(id(n), 5, None).await, Err(LedgerError::NotFound(id(n))));
        let mut repeat = keyless(10 + n);
        (repeat.caller, repeat.fingerprint) = (caller(n), fingerprint(n));
        assert_eq!(taken(&ledger, repeat.clone()).await.claim.id, id(n));
        let fence = retaken.fence;
        let ended = match n {
            1 => ledger.settle(id(n), fence, settlement(200)).await,
            _ => ledger.release(id(n), fence).await,
        };
        assert_eq!(ended, Ok(()));
        granted(&ledger, repeat).await;
    }
}

pub(super) async fn what_was_never_claimed_is_not_found(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    granted(&ledger, keyed(1, 1)).await;
    let gone = LedgerError::NotFound(id(2));
    let fence = Fence(1);
    assert_eq!(ledger.settle(id(2), fence, settlement(200)).await, Err(gone.clone()));
    let doubting = ledger.doubt(id(2), fence, doubt(Unknown::Closed)).await;
    assert_eq!(doubting, Err(gone.clone()));
    assert_eq!(ledger.release(id(2), fence).await, Err(gone.clone()));
    assert_eq!(ledger.amend(id(2), fence, 2, None).await, Err(gone.clone()));
    assert_eq!(ledger.retake(id(2), 2, None).await, Err(gone.clone()));
    let resolving = ledger.resolve(id(2), settlement(200), ResolvedBy::Proof, "x".into());
    assert_eq!(resolving.await, Err(gone.clone()));
    assert_eq!(ledger.doubts(Some(id(2)), 10).await, Err(gone));
    let claimed = ledger.resolve(id(1), settlement(200), ResolvedBy::Proof, "x".into());
    assert_eq!(claimed.await, Err(LedgerError::NotFound(id(1))), "a claim is no doubt");
}

pub(super) async fn a_large_settlement_is_cut_and_says_so(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let mut large = settlement(200);
    large.content = Bytes::from(vec![b'x'; BOUNDS.content + 1]);
    large.evidence = "ä".repeat(BOUNDS.evidence);
    large.fields = vec![
        ("a".into(), "1".repeat(BOUNDS.fields)),
        ("b".into(), "2".repeat(BOUNDS.fields - 1)),
        ("c".into(), "3".into()),
    ];
    let fence = granted(&ledger, keyed(1, 1)).await;
    assert_eq!(ledger.settle(id(1), fence, large.clone()).await, Ok(()));
    doubted(&ledger, keyed(2, 2), Unknown::Closed).await;
    let resolving = ledger.resolve(id(2), large.clone(), ResolvedBy::Proof, "ä".repeat(1_000));
    let resolved = resolving.await;
    large.content.truncate(BOUNDS.content);
    large.evidence.truncate(BOUNDS.evidence);
    large.fields = vec![("b".into(), "2".repeat(BOUNDS.fields - 1))];
    large.truncated = true;
    assert_eq!(record(&ledger, id(1)).await.state, State::Settled(large.clone()));
    assert_eq!(resolved.map(|r| r.state), Ok(State::Settled(large)));
    let reason = ledger.resolution(id(2)).await.map(|r| r.map(|r| r.reason.len()));
    assert_eq!(reason, Ok(Some(BOUNDS.evidence)));
}

pub(super) async fn a_claim_over_the_bound_is_refused(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let mut claim = keyed(1, 1);
    claim.target = "x".repeat(BOUNDS.claim + 1);
    let refused = ledger.claim(claim).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    granted(&ledger, keyed(1, 1)).await;
}

pub(super) async fn no_more_than_the_bound_is_outstanding(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyed(999, 999), Unknown::Closed).await;
    let most = BOUNDS.outstanding as u64;
    let mut fences = Vec::new();
    for n in 0..most {
        fences.push(granted(&ledger, keyed(n, n)).await);
    }
    let refused = ledger.claim(keyed(most, most)).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    let refused = ledger.retake(id(999), 2, None).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    assert_eq!(
        taken(&ledger, keyed(most, 0)).await.claim.id,
        id(0),
        "a taken key is told"
    );
    let amended = ledger.amend(id(1), fences[1], 2, None).await;
    assert!(amended.is_ok(), "an amendment takes no more room: {amended:?}");
    assert_eq!(ledger.settle(id(0), fences[0], settlement(200)).await, Ok(()));
    granted(&ledger, keyed(most, most)).await;
}

pub(super) async fn counts_follow_the_states(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let counts = async || {
        let stats = ledger.stats().await.unwrap_or_else(|e| panic!("no stats: {e}"));
        assert!(stats.bytes > 0);
        (stats.claimed, stats.settled, stats.in_doubt)
    };
    let fence = granted(&ledger, keyed(1, 1)).await;
    assert_eq!(counts().await, (1, 0, 0));
    doubted(&ledger, keyed(2, 2), Unknown::Closed).await;
    doubted(&ledger, keyed(3, 3), Unknown::Closed).await;
    settled(&ledger, keyed(4, 4), 200).await;
    assert_eq!(counts().await, (1, 1, 2));
    assert!(ledger.retake(id(2), 2, None).await.is_ok());
    let resolving = ledger.resolve(id(3), settlement(200), ResolvedBy::Proof, "x".into());
    assert!(resolving.await.is_ok());
    assert_eq!(counts().await, (2, 2, 0));
    assert_eq!(ledger.release(id(1), fence).await, Ok(()));
    assert_eq!(ledger.purge(super::making::later(1_000)).await, Ok(2));
    assert_eq!(counts().await, (1, 0, 0));
}

pub(super) async fn a_doubt_settled_as_not_applied_frees_its_key(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyed(1, 1), Unknown::Closed).await;
    let not_applied = Settlement {
        outcome: Outcome::Refused,
        ..settlement(0)
    };
    let resolved = ledger.resolve(id(1), not_applied, ResolvedBy::Person, "not in the books".into());
    assert!(resolved.await.is_ok());
    let other = of_another(3, 1, 1);
    for sought in [keyed(2, 1).sought(), other.sought()] {
        assert_eq!(ledger.look_up(sought, NOW).await, Ok(None));
    }
    let mut again = keyed(2, 1);
    again.fingerprint = fingerprint(1);
    granted(&ledger, again).await;
    for how in [Opening::AfterCrash, Opening::AfterClose] {
        let ledger = store.open(how).await;
        let found = ledger.look_up(keyed(2, 1).sought(), NOW).await;
        assert_eq!(
            found.map(|r| r.map(|r| r.claim.id)),
            Ok(Some(id(2))),
            "its successor holds the key"
        );
        let reason = ledger.resolution(id(1)).await.map(|r| r.map(|r| r.reason));
        assert_eq!(reason, Ok(Some("not in the books".into())), "what was said is kept");
    }
}
