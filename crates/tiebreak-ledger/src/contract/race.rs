//! Many tasks at once.

use std::sync::Arc;

use tiebreak_core::delivery::Unknown;
use tiebreak_core::record::{Fence, State};
use tokio::task::JoinSet;

use super::making::{NOW, caller, doubt, doubted, fingerprint, granted, id, keyed, keyless, record, settlement, under};
use super::{Opening, Store};
use crate::{Claimed, Ledger, LedgerError};

const TASKS: u64 = 64;

/// Runs `work` in [`TASKS`] tasks and returns what each came to.
async fn in_tasks<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    ledger: &Arc<dyn Ledger>,
    work: impl Fn(u64, Arc<dyn Ledger>) -> F,
) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for n in 0..TASKS {
        tasks.spawn(work(n, Arc::clone(ledger)));
    }
    tasks.join_all().await
}

pub(super) async fn one_of_many_wins_a_key(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for round in 0..10 {
        let answers = in_tasks(&ledger, |n, ledger| async move {
            ledger.claim(keyed(round * TASKS + n, round)).await
        });
        let (mut winners, mut seen) = (Vec::new(), Vec::new());
        for answer in answers.await {
            match answer {
                Ok(Claimed::Granted(fence)) => winners.push(fence),
                Ok(Claimed::Taken(record)) => seen.push((record.claim.id, record.fence)),
                Err(error) => panic!("a claim failed: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "exactly one claim is granted");
        seen.dedup();
        assert_eq!(seen.len(), 1, "the others see the same record");
        assert_eq!(seen[0].1, winners[0], "and it is the winner's");
        assert_eq!(ledger.settle(seen[0].0, seen[0].1, settlement(200)).await, Ok(()));
    }
}

pub(super) async fn keyless_writes_do_not_exclude_each_other(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let answers = in_tasks(&ledger, |n, ledger| async move {
        let mut claim = keyless(n);
        (claim.caller, claim.fingerprint) = (caller(0), fingerprint(0));
        granted(&ledger, claim).await
    });
    let mut fences: Vec<Fence> = answers.await;
    fences.sort();
    fences.dedup();
    assert_eq!(fences.len() as u64, TASKS, "no fence was given out twice");
}

pub(super) async fn one_of_many_settles(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    let answers = in_tasks(&ledger, |n, ledger| async move {
        let status = 200 + n as u16;
        (status, ledger.settle(id(1), fence, settlement(status)).await)
    });
    let answers = answers.await;
    let winners: Vec<u16> = answers.iter().filter(|a| a.1.is_ok()).map(|a| a.0).collect();
    assert_eq!(winners.len(), 1, "exactly one settlement is accepted");
    assert_eq!(
        record(&ledger, id(1)).await.state,
        State::Settled(settlement(winners[0]))
    );
    for (_, answer) in answers {
        assert!(matches!(answer, Ok(()) | Err(LedgerError::NotFound(_))), "{answer:?}");
    }
}

pub(super) async fn one_of_many_retakes_a_doubt(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyed(1, 1), Unknown::Timeout).await;
    let answers = in_tasks(&ledger, |_, ledger| async move { ledger.retake(id(1), 2, None).await });
    let fences: Vec<Fence> = answers.await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(fences.len(), 1, "exactly one may take it up again");
    assert_eq!(record(&ledger, id(1)).await.fence, fences[0]);
}

pub(super) async fn operations_are_applied_in_the_order_of_their_calls(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    // More than a short queue holds, and not one future polled before the last was submitted.
    for round in 0..3 {
        let mut pending = Vec::new();
        for n in round * 100..(round + 1) * 100 {
            let claimed = ledger.claim(keyed(n, n));
            pending.push((n, claimed));
        }
        let mut settling = Vec::new();
        for (n, claimed) in pending {
            match claimed.await {
                Ok(Claimed::Granted(fence)) => {
                    let amended = ledger.amend(id(n), fence, 2, None);
                    let stale = ledger.settle(id(n), fence, settlement(500));
                    settling.push((n, amended, stale));
                }
                other => panic!("the claim was not granted: {other:?}"),
            }
        }
        for (n, amended, stale) in settling.into_iter().rev() {
            // Awaited in the opposite order: the amendment was first all the same.
            assert_eq!(stale.await, Err(LedgerError::Fenced(id(n))));
            let fence = amended.await.unwrap_or_else(|e| panic!("the amendment failed: {e}"));
            let settled = ledger.settle(id(n), fence, settlement(200));
            let doubted = ledger.doubt(id(n), fence, doubt(Unknown::Timeout));
            assert_eq!(doubted.await, Err(LedgerError::NotFound(id(n))));
            assert_eq!(settled.await, Ok(()));
        }
    }
}

pub(super) async fn a_claim_that_nobody_waits_for_is_put_back(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    for n in 0..50 {
        // Dropped at once, or when it was answered already.
        let pending = ledger.claim(keyed(n, n));
        if n % 2 == 0 {
            granted(&ledger, keyless(2_000 + n)).await;
        }
        drop(pending);
    }
    for n in 0..50 {
        claim_when_free(&ledger, n).await;
    }
    let ledger = store.open(Opening::AfterCrash).await;
    let found = ledger.look_up(under(0), NOW).await;
    assert_eq!(found.map(|r| r.map(|r| r.claim.id)), Ok(Some(id(1_000))));
}

/// Claims the `n`th key; it may take a few rounds until the one before has been put back.
async fn claim_when_free(ledger: &Arc<dyn Ledger>, n: u64) {
    for _ in 0..1_000 {
        if let Ok(Claimed::Granted(_)) = ledger.claim(keyed(1_000 + n, n)).await {
            return;
        }
    }
    panic!("the key {n} stayed claimed by nobody");
}

pub(super) async fn a_retaking_that_nobody_waits_for_is_put_back(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    doubted(&ledger, keyed(1, 1), Unknown::Status(503)).await;
    drop(ledger.retake(id(1), 2, None));
    for _ in 0..1_000 {
        // Any answer to a change proves that the writer got past the retaking.
        granted(&ledger, keyed(2, 2)).await;
        let fence = record(&ledger, id(2)).await.fence;
        assert_eq!(ledger.release(id(2), fence).await, Ok(()));
        if record(&ledger, id(1)).await.state == State::InDoubt(doubt(Unknown::Status(503))) {
            return;
        }
    }
    panic!("the doubt stayed retaken by nobody");
}
