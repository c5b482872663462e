//! What an operator is told of tables that somebody has changed by hand, or that belong to another version.

use tiebreak_core::lane::LaneId;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::shared::SharedLanes;
use tiebreak_ledger::{Ledger, LedgerError};

use crate::cluster::{Cluster, address};

#[tokio::test]
async fn tables_of_another_version_are_refused_until_they_are_brought_up_to_date() {
    let cluster = Cluster::start();
    let at = || Address::parse(&address(&cluster.authority(), "one")).unwrap();
    let path = at().to_string();
    // On first use they are made.
    let ledger = PgLedger::open(at(), Options::default()).await.unwrap();
    ledger.close().await.unwrap();
    // As an older Tiebreak made them.
    cluster.sql("ALTER TABLE one.owners DROP COLUMN session; UPDATE one.ledger SET version = 1");
    let older = PgLedger::open(at(), Options::default()).await.err().unwrap();
    assert_eq!(
        older,
        LedgerError::Older {
            path: path.clone(),
            found: 1,
            needed: 2
        }
    );
    assert!(older.to_string().contains("`tiebreak ledger migrate`"), "{older}");
    assert_eq!(cluster.sql("SELECT version FROM one.ledger"), "1", "it was left alone");
    assert_eq!(PgLedger::migrate(at()).await, Ok((1, 2)));
    let ledger = PgLedger::open(at(), Options::default()).await.unwrap();
    let lane = LaneId("/documents/1".into());
    assert!(ledger.ask(&lane).await.unwrap().is_some(), "it can be used");
    // A newer one has been here: whoever connects anew is refused, and nothing is changed.
    cluster.sql("UPDATE one.ledger SET version = 9");
    let newer = LedgerError::Newer {
        path,
        found: 9,
        known: 2,
    };
    assert_eq!(
        PgLedger::open(at(), Options::default()).await.err(),
        Some(newer.clone())
    );
    assert_eq!(PgLedger::migrate(at()).await, Err(newer));
    assert_eq!(cluster.sql("SELECT version FROM one.ledger"), "9");
}

#[tokio::test]
async fn contradictions_are_found_and_passwords_are_not_told() {
    let cluster = Cluster::start();
    let at = |schema: &str| Address::parse(&address(&cluster.authority(), schema)).unwrap();
    assert_eq!(PgLedger::migrate(at("one")).await, Ok((0, 2)));
    assert_eq!(PgLedger::migrate(at("one")).await, Ok((2, 2)));
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
