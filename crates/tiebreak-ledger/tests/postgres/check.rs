//! What an operator is told of tables that somebody has changed by hand, or that belong to another version.

use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::{Ledger, LedgerError};

use crate::cluster::{Cluster, address};

#[tokio::test]
async fn tables_of_another_version_are_refused_and_contradictions_found() {
    let cluster = Cluster::start();
    let at = |schema: &str| Address::parse(&address(&cluster.authority(), schema)).unwrap();
    assert_eq!(PgLedger::migrate(at("one")).await, Ok((0, 1)));
    assert_eq!(PgLedger::migrate(at("one")).await, Ok((1, 1)));
    let ledger = PgLedger::open(at("one"), Options::default()).await.unwrap();
    assert_eq!(ledger.check().await, Ok(vec![]));
    cluster.sql(
        "INSERT INTO one.writes (id, state, fence, owner, caller, fingerprint, method, target, lanes, attempt, claimed_at)
         VALUES ('\\x00', 'claimed', 1000000, 77, '', '', 'PUT', '/', '[]', 1, 0)",
    );
    let wrong = ledger.check().await.unwrap();
    assert_eq!(
        wrong,
        [
            "1 writes are claimed by a process that is no more",
            "1 fences were never given out"
        ]
    );
    // A newer Tiebreak has been here: whoever connects anew is refused, and told by which address.
    cluster.sql("UPDATE one.ledger SET version = 9");
    let newer = PgLedger::open(at("one"), Options::default()).await.err();
    let path = at("one").to_string();
    assert_eq!(
        newer,
        Some(LedgerError::Newer {
            path,
            found: 9,
            known: 1
        })
    );
    let unreachable = "postgres://me:s3cret@127.0.0.1:1/none";
    let error = PgLedger::open(Address::parse(unreachable).unwrap(), Options::default())
        .await
        .err();
    let told = error.unwrap().to_string();
    assert!(
        told.contains("the database cannot be used") && !told.contains("s3cret"),
        "{told}"
    );
}
