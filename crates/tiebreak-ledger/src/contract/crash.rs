//! What the next process finds.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::record::{Fence, State};

use super::making::{NOW, caller, doubt, doubted, fingerprint, granted, id, keyed, keyless, later, under};
use super::making::{record, settled, settlement, taken};
use super::{Opening, Store};
use crate::{LedgerError, Resolution, ResolvedBy};

/// Makes one record of each kind: settled 1, in doubt 2, resolved 3, released 4, claimed 5.
async fn one_of_each(ledger: &std::sync::Arc<dyn crate::Ledger>) {
    settled(ledger, keyed(1, 1), 201).await;
    doubted(ledger, keyed(2, 2), Unknown::Status(502)).await;
    doubted(ledger, keyed(3, 3), Unknown::Timeout).await;
    let resolving = ledger.resolve(id(3), settlement(204), ResolvedBy::Person, "asked them".into());
    assert!(resolving.await.is_ok());
    let fence = granted(ledger, keyed(4, 4)).await;
    assert_eq!(ledger.release(id(4), fence).await, Ok(()));
    granted(ledger, keyed(5, 5)).await;
}

async fn check_each(ledger: &std::sync::Arc<dyn crate::Ledger>) {
    let first = record(ledger, id(1)).await;
    assert_eq!(
        (first.claim, first.state),
        (keyed(1, 1), State::Settled(settlement(201)))
    );
    let second = record(ledger, id(2)).await;
    let state = State::InDoubt(doubt(Unknown::Status(502)));
    assert_eq!((second.claim, second.state), (keyed(2, 2), state));
    assert_eq!(record(ledger, id(3)).await.state, State::Settled(settlement(204)));
    let reason = "asked them".to_owned();
    let by = ResolvedBy::Person;
    assert_eq!(ledger.resolution(id(3)).await, Ok(Some(Resolution { by, reason })));
    assert_eq!(ledger.get(id(4)).await, Ok(None));
    let fifth = record(ledger, id(5)).await;
    assert_eq!(fifth.claim, keyed(5, 5));
    assert!(matches!(fifth.state, State::InDoubt(d) if d.reason == Unknown::Crash && d.attempts == 1));
    for n in [1, 2, 3, 5] {
        let found = ledger.look_up(under(n), NOW).await;
        assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(n))));
    }
    let stats = ledger.stats().await.unwrap_or_else(|e| panic!("no stats: {e}"));
    assert_eq!((stats.claimed, stats.settled, stats.in_doubt), (0, 2, 2));
    assert_eq!(ledger.check().await, Ok(vec![]));
}

pub(super) async fn everything_acknowledged_is_there_after_a_crash(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    one_of_each(&ledger).await;
    let ledger = store.open(Opening::AfterCrash).await;
    check_each(&ledger).await;
    let ledger = store.open(Opening::AfterCrash).await;
    check_each(&ledger).await;
}

pub(super) async fn everything_is_there_after_a_clean_close(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    one_of_each(&ledger).await;
    let ledger = store.open(Opening::AfterClose).await;
    check_each(&ledger).await;
}

pub(super) async fn claims_are_in_doubt_after_a_crash(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for n in 0..50 {
        granted(&ledger, keyless(n)).await;
    }
    let ledger = store.open(Opening::AfterCrash).await;
    let doubts = ledger
        .doubts(None, 100)
        .await
        .unwrap_or_else(|e| panic!("no doubts: {e}"));
    assert_eq!(doubts.len(), 50);
    for (n, record) in (0..).zip(doubts) {
        assert_eq!(record.claim, keyless(n));
        assert!(matches!(record.state, State::InDoubt(d) if d.reason == Unknown::Crash));
        let mut repeat = keyless(100 + n);
        (repeat.caller, repeat.fingerprint) = (caller(n), fingerprint(n));
        assert_eq!(taken(&ledger, repeat).await.claim.id, id(n));
    }
}

pub(super) async fn fences_grow_across_crashes(mut store: Box<dyn Store>) {
    let mut ledger = store.open(Opening::First).await;
    let mut last = Fence(0);
    for n in 0..6 {
        let fence = granted(&ledger, keyed(n, n)).await;
        assert!(fence > last, "{fence:?} after {last:?}");
        let amended = ledger.amend(id(n), fence, 2, None).await;
        last = amended.unwrap_or_else(|e| panic!("the amendment failed: {e}"));
        // Once released, no record remembers the fence; the store must.
        assert_eq!(ledger.release(id(n), last).await, Ok(()));
        let how = if n % 2 == 0 {
            Opening::AfterCrash
        } else {
            Opening::AfterClose
        };
        ledger = store.open(how).await;
    }
}

pub(super) async fn an_old_fence_changes_nothing_after_a_crash(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    let ledger = store.open(Opening::AfterCrash).await;
    let before = record(&ledger, id(1)).await;
    let settling = ledger.settle(id(1), fence, settlement(200)).await;
    assert_eq!(settling, Err(LedgerError::NotFound(id(1))));
    assert_eq!(ledger.release(id(1), fence).await, Err(LedgerError::NotFound(id(1))));
    assert_eq!(record(&ledger, id(1)).await, before);
    assert!(ledger.retake(id(1), 2, None).await.is_ok());
    let settling = ledger.settle(id(1), fence, settlement(200)).await;
    assert_eq!(settling, Err(LedgerError::Fenced(id(1))));
}

pub(super) async fn a_retaken_doubt_is_a_doubt_after_a_crash(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyless(1), Unknown::Timeout).await;
    assert!(ledger.retake(id(1), 4, None).await.is_ok());
    let ledger = store.open(Opening::AfterCrash).await;
    let record = record(&ledger, id(1)).await;
    assert!(matches!(record.state, State::InDoubt(d) if d.reason == Unknown::Crash && d.attempts == 4));
    let mut repeat = keyless(2);
    (repeat.caller, repeat.fingerprint) = (caller(1), fingerprint(1));
    assert_eq!(taken(&ledger, repeat).await.claim.id, id(1));
}

pub(super) async fn doubts_keep_their_order_across_reopenings(mut store: Box<dyn Store>) {
    let mut ledger = store.open(Opening::First).await;
    // Neither ids nor the order in which they came into doubt decide, but the order of arrival.
    let order = [5, 3, 9, 1, 7, 2, 8];
    for n in order {
        granted(&ledger, keyed(n, n)).await;
    }
    for n in [8, 1] {
        let fence = record(&ledger, id(n)).await.fence;
        assert_eq!(ledger.doubt(id(n), fence, doubt(Unknown::Closed)).await, Ok(()));
    }
    for how in [Opening::AfterCrash, Opening::AfterClose, Opening::AfterCrash] {
        ledger = store.open(how).await;
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = ledger
                .doubts(after, 3)
                .await
                .unwrap_or_else(|e| panic!("no doubts: {e}"));
            assert!(page.len() <= 3);
            let Some(last) = page.last() else { break };
            after = Some(last.claim.id);
            seen.extend(page.iter().map(|r| r.claim.id));
        }
        assert_eq!(seen, order.map(id));
    }
    assert_eq!(ledger.doubts(None, 0).await, Ok(vec![]));
    let many = ledger.doubts(None, usize::MAX).await;
    assert_eq!(many.map(|r| r.len()), Ok(order.len()));
}

pub(super) async fn a_released_key_is_free_after_a_crash(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    assert_eq!(ledger.release(id(1), fence).await, Ok(()));
    let ledger = store.open(Opening::AfterCrash).await;
    assert_eq!(ledger.doubts(None, 10).await, Ok(vec![]));
    granted(&ledger, keyed(2, 1)).await;
}

pub(super) async fn a_successor_is_found_after_a_crash(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, keyed(1, 1), 200).await;
    let mut successor = keyed(2, 1);
    (successor.at, successor.expires) = (later(1_000), None);
    settled(&ledger, successor.clone(), 201).await;
    let ledger = store.open(Opening::AfterCrash).await;
    let mut third = keyed(3, 1);
    third.at = later(1_000);
    assert_eq!(taken(&ledger, third.clone()).await.claim, successor);
    assert_eq!(ledger.purge(later(1_000)).await, Ok(1));
    assert_eq!(taken(&ledger, third).await.claim, successor);
}

pub(super) async fn a_closed_ledger_says_so(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    // What was submitted before is finished.
    let settling = ledger.settle(id(1), fence, settlement(200));
    assert_eq!(ledger.close().await, Ok(()));
    assert_eq!(settling.await, Ok(()));
    let closed = LedgerError::Closed;
    assert_eq!(ledger.claim(keyed(2, 2)).await, Err(closed.clone()));
    assert_eq!(ledger.get(id(1)).await, Err(closed.clone()));
    assert_eq!(ledger.settle(id(1), fence, settlement(200)).await, Err(closed.clone()));
    let looking = ledger.look_up(keyed(1, 1).sought(), NOW).await;
    assert_eq!(looking, Err(closed.clone()));
    assert_eq!(ledger.stats().await, Err(closed));
    assert_eq!(ledger.close().await, Ok(()), "closing twice is no fault");
    let ledger = store.open(Opening::AfterClose).await;
    assert_eq!(record(&ledger, id(1)).await.state, State::Settled(settlement(200)));
}
