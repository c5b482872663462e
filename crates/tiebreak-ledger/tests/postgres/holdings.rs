//! Lanes are given up by holding: what is said of an earlier one changes nothing.

use std::sync::Arc;

use tiebreak_core::lane::LaneId;
use tiebreak_ledger::Ledger;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::shared::{Left, SharedLanes};

use crate::cluster::{Cluster, address};

async fn gateway(cluster: &Cluster) -> Arc<PgLedger> {
    let address = Address::parse(&address(&cluster.authority(), "lanes")).unwrap();
    Arc::new(PgLedger::open(address, Options::default()).await.unwrap())
}

/// As a statement that was held up on its way until its gateway holds the lane again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_statement_does_not_take_the_next_holding_away() {
    let cluster = Cluster::start();
    let (one, other) = (gateway(&cluster).await, gateway(&cluster).await);
    let lane = LaneId("/documents/1".into());
    let first = one.ask(&lane).await.unwrap().expect("nobody has it");
    one.pass(&lane, Some(first.fence), Left::default()).await.unwrap();
    let second = one.ask(&lane).await.unwrap().expect("nobody has it again");
    assert!(second.fence > first.fence, "{second:?} comes after {first:?}");
    assert_eq!(other.ask(&lane).await, Ok(None), "it is taken");
    one.pass(&lane, Some(first.fence), Left::default()).await.unwrap();
    assert_eq!(one.offer(&lane, first.fence, Left::default()).await, Ok(false));
    assert_eq!(other.ask(&lane).await, Ok(None), "it still is");
    assert_eq!(one.offer(&lane, second.fence, Left::default()).await, Ok(true));
    assert!(other.ask(&lane).await.unwrap().is_some(), "now it was given up");
    one.close().await.unwrap();
    other.close().await.unwrap();
}
