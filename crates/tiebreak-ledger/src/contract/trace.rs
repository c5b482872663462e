//! Keys that cannot be guessed belong to one caller.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::record::WriteId;

use super::making::{NOW, doubted, granted, id, keyed, keyless, later, of_another, settled, settlement, taken, trace};
use super::{Opening, Store};
use crate::Ledger;

async fn found(ledger: &std::sync::Arc<dyn Ledger>, claim: &tiebreak_core::record::Claim, ms: u64) -> Option<WriteId> {
    match ledger.look_up(claim.sought(), later(ms)).await {
        Ok(found) => found.map(|r| r.claim.id),
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn the_same_write_of_another_caller_is_found_by_its_key(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    let other = of_another(2, 1, 1);
    assert_eq!(found(&ledger, &other, 0).await, Some(id(1)), "while it is claimed");
    assert_eq!(taken(&ledger, other.clone()).await.claim.id, id(1));
    assert_eq!(ledger.settle(id(1), fence, settlement(201)).await, Ok(()));
    for how in [Opening::AfterCrash, Opening::AfterClose] {
        let ledger = store.open(how).await;
        assert_eq!(found(&ledger, &other, 0).await, Some(id(1)));
        assert_eq!(taken(&ledger, other.clone()).await.claim, keyed(1, 1));
        assert_eq!(found(&ledger, &of_another(2, 1, 9), 0).await, None, "another write");
        assert_eq!(found(&ledger, &of_another(2, 3, 1), 0).await, None, "another key");
    }
}

pub(super) async fn a_key_that_can_be_guessed_is_each_callers_own(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, keyed(1, 2), 201).await;
    assert_eq!(found(&ledger, &of_another(2, 2, 1), 0).await, None);
    granted(&ledger, of_another(2, 2, 1)).await;
}

pub(super) async fn the_callers_own_record_comes_before_anothers(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, keyed(1, 1), 201).await;
    doubted(&ledger, keyless(1_002), Unknown::Timeout).await;
    let mut repeat = of_another(2, 1, 1);
    repeat.fingerprint = keyless(1_002).fingerprint;
    assert_eq!(
        found(&ledger, &repeat, 0).await,
        Some(id(1_002)),
        "the doubt is its own"
    );
}

pub(super) async fn a_trace_goes_with_its_record(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let fence = granted(&ledger, keyed(1, 1)).await;
    assert_eq!(ledger.release(id(1), fence).await, Ok(()));
    assert_eq!(found(&ledger, &of_another(2, 1, 1), 0).await, None, "released");
    settled(&ledger, keyed(3, 3), 201).await;
    let other = of_another(4, 3, 3);
    assert_eq!(found(&ledger, &other, 999).await, Some(id(3)));
    assert_eq!(found(&ledger, &other, 1_000).await, None, "over");
    assert_eq!(ledger.purge(later(1_000)).await, Ok(1));
    assert_eq!(found(&ledger, &other, 0).await, None, "purged");
    assert_eq!(ledger.traced(trace(3), 9).await, Ok(vec![]));
    doubted(&ledger, keyed(5, 5), Unknown::Timeout).await;
    assert_eq!(
        found(&ledger, &of_another(6, 5, 5), 1_000_000).await,
        Some(id(5)),
        "doubts stay"
    );
}

pub(super) async fn operators_find_a_key_whoever_used_it(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    settled(&ledger, keyed(1, 2), 201).await;
    settled(&ledger, of_another(2, 2, 1), 202).await;
    doubted(&ledger, of_another(3, 2, 7), Unknown::Timeout).await;
    granted(&ledger, keyed(4, 3)).await;
    for how in [None, Some(Opening::AfterCrash)] {
        let ledger = match how {
            None => std::sync::Arc::clone(&ledger),
            Some(how) => store.open(how).await,
        };
        let traced = async |limit| match ledger.traced(trace(2), limit).await {
            Ok(records) => records.iter().map(|r| r.claim.id).collect::<Vec<_>>(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(traced(9).await, [id(3), id(2), id(1)]);
        assert_eq!(traced(2).await, [id(3), id(2)]);
        assert_eq!(traced(0).await, []);
        assert_eq!(ledger.look_up(keyless(9).sought(), NOW).await, Ok(None));
    }
}
