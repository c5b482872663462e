//! A sync that fails: nobody knows what is durable, so nothing more is promised.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::record::State;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::sqlite::{Options, Pretend, SqliteLedger};
use tiebreak_ledger::{Claimed, Ledger, LedgerError, ResolvedBy};

use crate::support::{claim, copy, doubt, granted, id, options, path, settlement};

#[tokio::test]
async fn after_a_failed_sync_nothing_is_changed_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds {
        outstanding: 100,
        ..Bounds::default()
    };
    let failing = Options {
        pretend: Pretend {
            sync_fails_at: Some(5),
            ..Pretend::default()
        },
        ..options(bounds)
    };
    let ledger = SqliteLedger::open(path(dir.path()), failing).unwrap();
    let mut fences = Vec::new();
    for n in 1..=3 {
        fences.push(granted(&ledger, claim(n)).await);
    }
    ledger.doubt(id(3), fences[2], doubt()).await.unwrap();
    let lost = |error: Option<LedgerError>| matches!(error, Some(LedgerError::Lost(_)));
    assert!(lost(ledger.settle(id(1), fences[0], settlement(200, 10)).await.err()));
    // Not one more change, of any kind.
    assert!(lost(ledger.claim(claim(4)).await.err()));
    assert!(lost(ledger.settle(id(2), fences[1], settlement(200, 10)).await.err()));
    assert!(lost(ledger.doubt(id(2), fences[1], doubt()).await.err()));
    assert!(lost(ledger.release(id(2), fences[1]).await.err()));
    assert!(lost(ledger.amend(id(2), fences[1], 2, None).await.err()));
    assert!(lost(ledger.retake(id(3), 2, None).await.err()));
    let resolving = ledger.resolve(id(3), settlement(200, 10), ResolvedBy::Person, "x".into());
    assert!(lost(resolving.await.err()));
    // Reading goes on.
    assert!(ledger.get(id(2)).await.unwrap().is_some());
    let other = tempfile::tempdir().unwrap();
    copy(dir.path(), other.path());
    assert!(
        lost(ledger.close().await.err()),
        "the last word is not that all is well"
    );
    let ledger = SqliteLedger::open(path(other.path()), options(bounds)).unwrap();
    let state = |n| {
        let record = ledger.get(id(n));
        async move { record.await.unwrap().unwrap().state }
    };
    assert!(matches!(state(1).await, State::Settled(_) | State::InDoubt(_)));
    assert!(matches!(state(2).await, State::InDoubt(d) if d.reason == Unknown::Crash));
    assert_eq!(state(3).await, State::InDoubt(doubt()));
    assert!(matches!(ledger.claim(claim(4)).await, Ok(Claimed::Granted(_))));
}
