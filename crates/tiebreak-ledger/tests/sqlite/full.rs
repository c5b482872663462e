//! A full disk, pretended by a limit on the number of pages that is lifted when the reserve is given up.

use tiebreak_core::record::{Fence, State};
use tiebreak_core::time::Time;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::sqlite::{Options, Pretend, SqliteLedger};
use tiebreak_ledger::{Ledger, LedgerError};

use crate::support::{NOW, beside, claim, doubt, granted, id, options, path, settlement};

const OUTSTANDING: u64 = 64;

fn small() -> Options {
    let bounds = Bounds {
        outstanding: OUTSTANDING as usize,
        ..Bounds::default()
    };
    Options {
        pretend: Pretend {
            full_at: Some(100),
            ..Pretend::default()
        },
        ..options(bounds)
    }
}

#[tokio::test]
async fn claims_are_refused_while_every_settlement_finds_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let ledger = SqliteLedger::open(&path, small()).unwrap();
    let reserve = beside(&path, "-reserve");
    assert!(reserve.exists());
    let mut expiring = 0;
    let mut open = Vec::new();
    // Half are settled at once with much content, until it is full with as many open as may be.
    let full = loop {
        let mut new = claim(expiring);
        new.expires = Some(NOW);
        if open.len() < OUTSTANDING as usize - 1 {
            let n = 100_000 + open.len() as u64;
            match ledger.claim(claim(n)).await {
                Ok(tiebreak_ledger::Claimed::Granted(fence)) => open.push((n, fence)),
                other => break other,
            }
        }
        match ledger.claim(new).await {
            Ok(tiebreak_ledger::Claimed::Granted(fence)) => {
                let settled = ledger.settle(id(expiring), fence, settlement(200, 3_000)).await;
                assert_eq!(settled, Ok(()));
                expiring += 1;
            }
            other => break other,
        }
        assert!(expiring < 10_000, "it never got full");
    };
    assert_eq!(full, Err(LedgerError::Full));
    assert!(!reserve.exists(), "the reserve was given up");
    assert!(open.len() >= 20, "{} were open when it was full", open.len());
    // Everything open can be amended, and doubted or settled, each with as much as one may bring.
    for (n, fence) in &open {
        let fence = ledger.amend(id(*n), *fence, 2, Some("\"v2\"".into())).await.unwrap();
        match n % 3 {
            0 => assert_eq!(ledger.doubt(id(*n), fence, doubt()).await, Ok(())),
            _ => assert_eq!(ledger.settle(id(*n), fence, settlement(201, 60_000)).await, Ok(())),
        }
    }
    for (n, _) in &open {
        match ledger.get(id(*n)).await.unwrap().unwrap().state {
            State::Settled(settled) => {
                assert!(n % 3 != 0 && settled.status == 201 && settled.truncated);
                assert_eq!(settled.content.len(), 512, "cut while there is no room");
            }
            State::InDoubt(_) => assert_eq!(n % 3, 0),
            State::Claimed => panic!("{n} is still open"),
        }
    }
    assert_eq!(ledger.claim(claim(200_000)).await, Err(LedgerError::Full), "still");
    // Purging makes room; the reserve is filled again, and claims are taken.
    assert!(ledger.purge(Time(NOW.0 + 1)).await.unwrap() >= expiring - 1);
    let again = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while ledger.claim(claim(200_000)).await == Err(LedgerError::Full) {}
    });
    again.await.unwrap();
    assert!(reserve.exists());
    let fence = ledger.get(id(200_000)).await.unwrap().unwrap().fence;
    ledger.settle(id(200_000), fence, settlement(200, 3_000)).await.unwrap();
    let State::Settled(settled) = ledger.get(id(200_000)).await.unwrap().unwrap().state else {
        panic!("it was settled");
    };
    assert_eq!(
        (settled.content.len(), settled.truncated),
        (3_000, false),
        "whole again"
    );
}

#[tokio::test]
async fn a_batch_that_does_not_fit_changes_nothing_but_its_settlements() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(path(dir.path()), small()).unwrap();
    let mut n = 0;
    loop {
        // Submitted together, so they share a batch, and the claim comes first.
        let fence = match ledger.claim(claim(n)).await {
            Ok(tiebreak_ledger::Claimed::Granted(fence)) => fence,
            _ => break,
        };
        let (next, other) = (ledger.claim(claim(n + 1)), ledger.claim(claim(n + 500_000)));
        let settled = ledger.settle(id(n), fence, settlement(200, 20_000));
        assert_eq!(settled.await, Ok(()), "a settlement always finds room");
        let (next, other) = (next.await, other.await);
        for (n, claimed) in [(n + 1, next), (n + 500_000, other)] {
            match claimed {
                Ok(tiebreak_ledger::Claimed::Granted(fence)) => ledger.release(id(n), fence).await.unwrap(),
                Err(error) => {
                    assert_eq!(error, LedgerError::Full);
                    assert_eq!(ledger.get(id(n)).await, Ok(None), "it was refused");
                    let gone = ledger.release(id(n), Fence(u64::MAX)).await;
                    assert_eq!(gone, Err(LedgerError::NotFound(id(n))), "nothing remembers it");
                }
                other => panic!("{other:?}"),
            }
        }
        n += 1;
        assert!(n < 1_000, "it never got full");
    }
    assert_eq!(ledger.stats().await.map(|s| (s.claimed, s.settled)), Ok((0, n)));
}

#[tokio::test]
async fn a_full_ledger_opens_and_resolves() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let ledger = SqliteLedger::open(&path, small()).unwrap();
    let fence = granted(&ledger, claim(1)).await;
    ledger.doubt(id(1), fence, doubt()).await.unwrap();
    let mut n = 2;
    while let Ok(tiebreak_ledger::Claimed::Granted(fence)) = ledger.claim(claim(n)).await {
        ledger.settle(id(n), fence, settlement(200, 20_000)).await.unwrap();
        n += 1;
    }
    drop(ledger);
    let ledger = SqliteLedger::open(&path, small()).unwrap();
    let by = tiebreak_ledger::ResolvedBy::Person;
    let resolved = ledger.resolve(id(1), settlement(200, 100), by, "seen".into()).await;
    assert!(matches!(resolved, Ok(r) if matches!(r.state, State::Settled(_))));
}

#[tokio::test]
async fn room_within_the_file_serves_when_the_disk_stays_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let mut stays_full = small();
    (stays_full.log_pages, stays_full.bounds.outstanding) = (20, 8);
    stays_full.pretend.no_refill = true;
    let ledger = SqliteLedger::open(&path, stays_full).unwrap();
    let mut next = 0;
    let mut per_round = Vec::new();
    for _ in 0..3 {
        let (mut open, first) = (Vec::new(), next);
        loop {
            let mut new = claim(next);
            new.expires = Some(NOW);
            let Ok(tiebreak_ledger::Claimed::Granted(fence)) = ledger.claim(new).await else {
                break;
            };
            open.push((next, fence));
            next += 1;
            if open.len() == 7 {
                let (n, fence) = open.remove(0);
                assert_eq!(ledger.settle(id(n), fence, settlement(200, 3_000)).await, Ok(()));
            }
            assert!(next < 10_000, "it never got full");
        }
        for (n, fence) in open {
            assert_eq!(ledger.settle(id(n), fence, settlement(200, 60_000)).await, Ok(()));
        }
        assert_eq!(ledger.claim(claim(1_000_000)).await, Err(LedgerError::Full));
        per_round.push(next - first);
        assert_eq!(ledger.purge(Time(NOW.0 + 1)).await, Ok(next - first));
    }
    assert!(!beside(&path, "-reserve").exists());
    assert!(
        per_round.iter().all(|claims| *claims > 10),
        "{per_round:?} claims per round"
    );
}
