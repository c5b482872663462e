//! A settlement that the database does not make, for a reason of its own.

use std::time::Duration;

use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Fence, Settlement, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::{Claimed, Ledger, LedgerError};

use crate::cluster::{Cluster, address};

const ID: WriteId = WriteId([1; 16]);

fn claim() -> Claim {
    Claim {
        id: ID,
        key: None,
        trace: None,
        caller: CallerId(Digest([1; 32])),
        fingerprint: Fingerprint(Digest([1; 32])),
        method: "POST".into(),
        target: "/things".into(),
        lanes: vec![],
        attempt: 1,
        held: None,
        at: Time(1_000),
        expires: None,
    }
}

fn settlement() -> Settlement {
    Settlement {
        outcome: Outcome::Applied,
        status: 201,
        fields: vec![],
        content: bytes::Bytes::new(),
        truncated: false,
        class: None,
        evidence: String::new(),
        guarantee: Guarantee::D,
        attempts: 1,
        at: Time(2_000),
    }
}

/// Makes the database fail with this code where a row of this schema is updated and this holds.
fn fails(cluster: &Cluster, schema: &str, when: &str, code: &str) {
    cluster.sql(&format!(
        "CREATE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'an error of its own' USING ERRCODE = '{code}'; END $$"
    ));
    cluster.sql(&format!(
        "CREATE TRIGGER fail BEFORE UPDATE ON {schema}.writes FOR EACH ROW WHEN ({when})
         EXECUTE FUNCTION {schema}.fail()"
    ));
}

/// Else its key would be taken for as long as its process lives.
#[tokio::test]
async fn what_cannot_be_settled_is_in_doubt() {
    let cluster = Cluster::start();
    let address = Address::parse(&address(&cluster.authority(), "refused")).unwrap();
    let ledger = PgLedger::open(address, Options::default()).await.unwrap();
    let Ok(Claimed::Granted(fence)) = ledger.claim(claim()).await else {
        panic!("nothing stands in its way");
    };
    fails(&cluster, "refused", "NEW.state = 'settled'", "internal_error");
    let told = ledger.settle(ID, fence, settlement()).await.unwrap_err().to_string();
    assert!(told.contains("an error of its own"), "{told}");
    // Closing makes what was submitted, and what is made instead.
    ledger.close().await.unwrap();
    assert_eq!(
        cluster.sql("SELECT state, doubt_guarantee, owner IS NULL FROM refused.writes"),
        "doubted|D|t"
    );
}

/// Both are in one batch, which fails; made one by one, the settlement goes on until there is space.
#[tokio::test]
async fn a_claim_does_not_wait_for_space_behind_a_settlement() {
    let cluster = Cluster::start();
    let address = Address::parse(&address(&cluster.authority(), "behind")).unwrap();
    let ledger = PgLedger::open(address, Options::default()).await.unwrap();
    let Ok(Claimed::Granted(fence)) = ledger.claim(claim()).await else {
        panic!("nothing stands in its way");
    };
    fails(&cluster, "behind", "NEW.state = 'settled'", "disk_full");
    let settling = ledger.settle(ID, fence, settlement());
    let other = Claim {
        id: WriteId([2; 16]),
        fingerprint: Fingerprint(Digest([2; 32])),
        ..claim()
    };
    let claiming = tokio::time::timeout(Duration::from_secs(60), ledger.claim(other));
    let told = claiming.await.unwrap().unwrap_err().to_string();
    assert!(told.contains("space"), "{told}");
    cluster.sql("DROP TRIGGER fail ON behind.writes");
    settling.await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(cluster.sql("SELECT state FROM behind.writes"), "settled");
}

/// As one is that was held up on its way: the gateway goes on in another.
#[tokio::test]
async fn a_session_that_was_succeeded_is_begun_again() {
    let cluster = Cluster::start();
    let address = Address::parse(&address(&cluster.authority(), "succeeded")).unwrap();
    let ledger = PgLedger::open(address, Options::default()).await.unwrap();
    let unknown = WriteId([9; 16]);
    let nothing = ledger.release(unknown, Fence(1)).await;
    assert_eq!(nothing, Err(LedgerError::NotFound(unknown)), "its session has begun");
    cluster.sql("UPDATE succeeded.owners SET session = session + 1");
    let granted = ledger.claim(claim()).await;
    assert!(matches!(granted, Ok(Claimed::Granted(_))), "{granted:?}");
    ledger.close().await.unwrap();
}
