//! Searching a ledger that has grown: `TIEBREAK_SEARCH_ROWS` says how much, if not 10,000 writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::WriteId;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;
use tiebreak_ledger::search::{Became, Found, Query};
use tiebreak_ledger::sqlite::{Options, SqliteLedger};
use tiebreak_ledger::{Claimed, Ledger};

use super::support::{NOW, claim, path, settlement};

/// A search of a person is answered within this.
const WITHIN: Duration = Duration::from_millis(50);

/// Stores `count` writes, one a second; every thousandth was refused as a duplicate at a target of its own.
async fn fill(ledger: &Arc<SqliteLedger>, count: u64) {
    let mut tasks = Vec::new();
    for worker in 0..64 {
        let ledger = Arc::clone(ledger);
        tasks.push(tokio::spawn(async move {
            for n in (worker..count).step_by(64) {
                let rare = n % 1_000 == 7;
                let mut claim = claim(n);
                claim.id = WriteId::new(Time(NOW.0 + n * 1_000), [0; 10]);
                let kind = if rare { "rare" } else { "things" };
                claim.target = format!("http://a.example/{kind}/{n}");
                let id = claim.id;
                let Ok(Claimed::Granted(fence)) = ledger.claim(claim).await else {
                    panic!("the claim {n} was not granted");
                };
                let mut settlement = settlement(200, 300);
                if rare {
                    (settlement.outcome, settlement.class) = (Outcome::Refused, Some(Class::Duplicate));
                }
                ledger.settle(id, fence, settlement).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Searches to the end; what was found, and how long the slowest page took, at best of five.
async fn all(ledger: &SqliteLedger, query: &Query) -> (usize, Duration) {
    let mut best = Duration::MAX;
    let mut count = 0;
    for _ in 0..5 {
        let (mut slowest, mut before) = (Duration::ZERO, None);
        count = 0;
        loop {
            let began = Instant::now();
            let Found { records, next } = ledger.search(query.clone(), before, 50).await.unwrap();
            slowest = slowest.max(began.elapsed());
            count += records.len();
            before = next;
            // The first page that is full is enough.
            if before.is_none() || records.len() == 50 {
                break;
            }
        }
        best = best.min(slowest);
    }
    (count, best)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grown_ledger_answers_at_once() {
    let rows: u64 = std::env::var("TIEBREAK_SEARCH_ROWS").map_or(10_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(SqliteLedger::open(path(dir.path()), Options::default()).unwrap());
    fill(&ledger, rows).await;
    let rare = usize::try_from(rows / 1_000).unwrap();
    let cases = [
        ("the newest", Query::default(), 50),
        (
            "a rare target",
            Query {
                target: Some("/rare/".into()),
                ..Query::default()
            },
            rare,
        ),
        (
            "a target that nothing has",
            Query {
                target: Some("/nothing/".into()),
                ..Query::default()
            },
            0,
        ),
        (
            "an outcome",
            Query {
                state: Some(Became::Outcome(Outcome::Refused)),
                ..Query::default()
            },
            rare,
        ),
        (
            "a class and a time",
            Query {
                class: Some(Class::Duplicate),
                to: Some(Time(NOW.0 + 2_000 * 1_000)),
                ..Query::default()
            },
            2,
        ),
    ];
    for (name, query, expected) in cases {
        let (found, took) = all(&ledger, &query).await;
        eprintln!("{rows} writes, {name}: {took:?}");
        assert_eq!(found, expected, "{name}");
        assert!(took < WITHIN, "{name} took {took:?} among {rows} writes");
    }
}
