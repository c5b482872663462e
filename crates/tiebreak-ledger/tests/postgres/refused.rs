//! A settlement that the database does not make, for a reason of its own.

use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Settlement, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::{Claimed, Ledger};

use crate::cluster::{Cluster, address};

const ID: WriteId = WriteId([1; 16]);

/// Else its key would be taken for as long as its process lives.
#[tokio::test]
async fn what_cannot_be_settled_is_in_doubt() {
    let cluster = Cluster::start();
    let address = Address::parse(&address(&cluster.authority(), "refused")).unwrap();
    let ledger = PgLedger::open(address, Options::default()).await.unwrap();
    let claim = Claim {
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
    };
    let Ok(Claimed::Granted(fence)) = ledger.claim(claim).await else {
        panic!("nothing stands in its way");
    };
    cluster.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'an error of its own' USING ERRCODE = 'internal_error'; END $$",
    );
    cluster.sql(
        "CREATE TRIGGER fail BEFORE UPDATE ON refused.writes FOR EACH ROW WHEN (NEW.state = 'settled')
         EXECUTE FUNCTION fail()",
    );
    let settlement = Settlement {
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
    };
    let told = ledger.settle(ID, fence, settlement).await.unwrap_err().to_string();
    assert!(told.contains("an error of its own"), "{told}");
    // Closing makes what was submitted, and what is made instead.
    ledger.close().await.unwrap();
    assert_eq!(
        cluster.sql("SELECT state, doubt_guarantee, owner IS NULL FROM refused.writes"),
        "doubted|D|t"
    );
}
