//! What is found by people who look.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Settlement, WriteId};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use super::making::{NOW, doubted, granted, keyless, later, settlement};
use super::{Opening, Store};
use crate::Ledger;
use crate::search::{Became, MAX_FOUND, Query};

/// The claim of the `n`th write, which came `n` milliseconds after [`NOW`]; ids of one time differ in their last byte.
fn claim(n: u64, last: u8, target: &str) -> Claim {
    let mut random = [0; 10];
    random[9] = last;
    Claim {
        id: WriteId::new(later(n), random),
        target: target.into(),
        ..keyless(n * 100 + u64::from(last))
    }
}

type Shelf = std::sync::Arc<dyn Ledger>;

async fn settle(ledger: &Shelf, claim: Claim, outcome: Outcome, class: Option<Class>) {
    let id = claim.id;
    let fence = granted(ledger, claim).await;
    let settlement = Settlement {
        outcome,
        class,
        ..settlement(200)
    };
    assert_eq!(ledger.settle(id, fence, settlement).await, Ok(()));
}

/// The ids that are found, and where to go on.
async fn found(
    ledger: &Shelf,
    query: &Query,
    before: Option<WriteId>,
    limit: usize,
) -> (Vec<WriteId>, Option<WriteId>) {
    match ledger.search(query.clone(), before, limit).await {
        Ok(found) => (found.records.iter().map(|r| r.claim.id).collect(), found.next),
        Err(error) => panic!("{query:?}: {error}"),
    }
}

pub(super) async fn the_newest_come_first_and_pages_follow(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    assert_eq!(found(&ledger, &Query::default(), None, 10).await, (vec![], None));
    // Not in the order of their ids: several threads claim.
    let mut ids = Vec::new();
    for (n, last) in [(2, 1), (1, 0), (2, 0), (4, 0), (3, 0)] {
        let claim = claim(n, last, "http://a.example/x");
        ids.push(claim.id);
        granted(&ledger, claim).await;
    }
    ids.sort();
    ids.reverse();
    let all = Query::default();
    assert_eq!(found(&ledger, &all, None, 10).await, (ids.clone(), None));
    assert_eq!(found(&ledger, &all, None, 2).await, (ids[..2].to_vec(), Some(ids[1])));
    assert_eq!(
        found(&ledger, &all, Some(ids[1]), 2).await,
        (ids[2..4].to_vec(), Some(ids[3]))
    );
    assert_eq!(found(&ledger, &all, Some(ids[3]), 2).await, (ids[4..].to_vec(), None));
    let nobody = WriteId::new(later(2), [0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(
        found(&ledger, &all, Some(nobody), 9).await.0,
        ids[2..],
        "a page goes on though its record is purged"
    );
}

pub(super) async fn what_is_given_must_hold(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let (a, b) = ("http://a.example/things/1?q=50%_x", "http://a.example/Other/1");
    settle(&ledger, claim(1, 0, a), Outcome::Applied, None).await;
    settle(&ledger, claim(2, 0, b), Outcome::Refused, Some(Class::Stale)).await;
    settle(&ledger, claim(3, 0, a), Outcome::Refused, Some(Class::Duplicate)).await;
    doubted(&ledger, claim(4, 0, b), Unknown::Timeout).await;
    granted(&ledger, claim(5, 0, a)).await;
    let text = |part: &str| Query {
        target: Some(part.into()),
        ..Query::default()
    };
    let state = |state| Query {
        state: Some(state),
        ..Query::default()
    };
    let class = |class| Query {
        class: Some(class),
        ..Query::default()
    };
    let times = |from: Option<u64>, to: Option<u64>| Query {
        from: from.map(later),
        to: to.map(later),
        ..Query::default()
    };
    let both = Query {
        class: Some(Class::Duplicate),
        ..state(Became::Outcome(Outcome::Refused))
    };
    let cases: [(Query, &[u64]); 17] = [
        (Query::default(), &[5, 4, 3, 2, 1]),
        (text("/things/"), &[5, 3, 1]),
        (text("50%_x"), &[5, 3, 1]),
        (text("5%x"), &[]),
        (text("/other/"), &[]),
        (text("http://a.example/Other"), &[4, 2]),
        (state(Became::Claimed), &[5]),
        (state(Became::InDoubt), &[4]),
        (state(Became::Settled), &[3, 2, 1]),
        (state(Became::Outcome(Outcome::Refused)), &[3, 2]),
        (state(Became::Outcome(Outcome::Adopted)), &[]),
        (class(Class::Stale), &[2]),
        (both, &[3]),
        (times(Some(2), None), &[5, 4, 3, 2]),
        (times(None, Some(3)), &[2, 1]),
        (times(Some(2), Some(4)), &[3, 2]),
        (times(Some(4), Some(2)), &[]),
    ];
    for how in [None, Some(Opening::AfterClose)] {
        let ledger = match how {
            None => std::sync::Arc::clone(&ledger),
            // What was claimed is in doubt then.
            Some(how) => store.open(how).await,
        };
        for (query, expected) in cases.iter().filter(|(q, _)| how.is_none() || q.state.is_none()) {
            let (ids, next) = found(&ledger, query, None, 10).await;
            let times: Vec<u64> = ids.iter().map(came).collect();
            assert_eq!((times.as_slice(), next), (*expected, None), "{query:?}");
        }
    }
}

/// How many milliseconds after [`NOW`] the write with this id came.
fn came(id: &WriteId) -> u64 {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&id.0[..6]);
    Time(u64::from_be_bytes(bytes)).0 - NOW.0
}

pub(super) async fn no_more_than_the_bound_are_found_at_once(mut store: Box<dyn Store>) {
    let ledger = store.open(Opening::First).await;
    let count = MAX_FOUND as u64 + 3;
    for n in 1..=count {
        settle(&ledger, claim(n, 0, "http://a.example/x"), Outcome::Applied, None).await;
    }
    let (first, next) = found(&ledger, &Query::default(), None, usize::MAX).await;
    assert_eq!((first.len(), next.as_ref()), (MAX_FOUND, first.last()));
    let (rest, next) = found(&ledger, &Query::default(), next, usize::MAX).await;
    assert_eq!((rest.len(), next), (3, None));
}
