//! Statements that are held up on their way, and reach the database when their gateway has long asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::key::KeyDigest;
use tiebreak_core::lane::LaneId;
use tiebreak_core::record::{Claim, Fence, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::shared::{Left, SharedLanes};
use tiebreak_ledger::{Claimed, Ledger, LedgerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::cluster::{Cluster, address};

/// Whoever waits so long asks again when an answer is lost.
const PATIENT: Duration = Duration::from_secs(60);

/// A way to the database that holds up what one connection sends.
struct Way {
    authority: String,
    /// What is sent next is held up; nothing else is carried on its connection.
    hold: Arc<AtomicBool>,
    /// What was held up may go on, and the connection ends.
    let_go: Arc<Notify>,
    /// The database has ended that connection: it has made what it makes of it.
    ended: Arc<Notify>,
}

impl Way {
    async fn to(database: String) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Way {
            authority: listener.local_addr().unwrap().to_string(),
            hold: Arc::default(),
            let_go: Arc::default(),
            ended: Arc::default(),
        };
        let (hold, let_go, ended) = (way.hold.clone(), way.let_go.clone(), way.ended.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&database).await.unwrap();
                let (hold, let_go, ended) = (hold.clone(), let_go.clone(), ended.clone());
                tokio::spawn(carry(client, server, hold, let_go, ended));
            }
        });
        way
    }
}

async fn carry(client: TcpStream, server: TcpStream, hold: Arc<AtomicBool>, let_go: Arc<Notify>, ended: Arc<Notify>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        // Who asked may be gone; the database goes on nevertheless.
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            let _gone = to_client.write_all(&buffer[..n]).await;
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
        if hold.swap(false, Ordering::AcqRel) {
            let_go.notified().await;
            to_server.write_all(&buffer[..n]).await.unwrap();
            to_server.shutdown().await.unwrap();
            answers.await.unwrap();
            ended.notify_one();
            return;
        }
        to_server.write_all(&buffer[..n]).await.unwrap();
    }
}

/// It has connected, and seldom says that it is alive: only changes are on the way when something is held up.
async fn gateway(authority: &str, wait: Duration) -> PgLedger {
    let address = Address::parse(&address(authority, "held_up")).unwrap();
    let lease = Duration::from_secs(600);
    let options = Options {
        lease,
        wait,
        ..Options::default()
    };
    let ledger = PgLedger::open(address, options).await.unwrap();
    has_made_all(&ledger).await;
    ledger
}

/// Changes are made in the order in which they are submitted.
async fn has_made_all(ledger: &PgLedger) {
    let unknown = WriteId([9; 16]);
    assert_eq!(
        ledger.release(unknown, Fence(1)).await,
        Err(LedgerError::NotFound(unknown))
    );
}

fn claim(id: u8) -> Claim {
    Claim {
        id: WriteId([id; 16]),
        key: Some(KeyDigest(Digest([7; 32]))),
        trace: None,
        caller: CallerId(Digest([7; 32])),
        fingerprint: Fingerprint(Digest([7; 32])),
        method: "PUT".into(),
        target: "/documents/2".into(),
        lanes: vec![],
        attempt: 1,
        held: None,
        at: Time(1_000),
        expires: None,
    }
}

/// Its gateway asks again over another connection, gets the lane, and gives it up; then the old statement arrives.
async fn a_lane(database: &str, other: &PgLedger) {
    let way = Way::to(database.to_owned()).await;
    let one = gateway(&way.authority, PATIENT).await;
    let lane = LaneId("/documents/1".into());
    way.hold.store(true, Ordering::Release);
    let grant = one.ask(&lane).await.unwrap().expect("it asked again");
    one.pass(&lane, Some(grant.fence), Left::default()).await.unwrap();
    way.let_go.notify_one();
    way.ended.notified().await;
    assert!(other.ask(&lane).await.unwrap().is_some(), "it is taken for nobody");
    one.close().await.unwrap();
}

/// Its gateway gives up the claim of a key, and sees to it that nothing is left of it; then the old statement arrives.
async fn a_key(database: &str, other: &PgLedger) {
    let way = Way::to(database.to_owned()).await;
    let one = gateway(&way.authority, Duration::from_secs(2)).await;
    way.hold.store(true, Ordering::Release);
    let given_up = one.claim(claim(1)).await;
    assert!(matches!(given_up, Err(LedgerError::Unavailable(_))), "{given_up:?}");
    has_made_all(&one).await;
    way.let_go.notify_one();
    way.ended.notified().await;
    let granted = other.claim(claim(2)).await;
    assert!(
        matches!(granted, Ok(Claimed::Granted(_))),
        "it is taken for nobody: {granted:?}"
    );
    one.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_statement_takes_nothing_of_which_nobody_knows() {
    let cluster = Cluster::start();
    let database = cluster.authority();
    let other = gateway(&database, PATIENT).await;
    tokio::join!(a_lane(&database, &other), a_key(&database, &other));
    other.close().await.unwrap();
}
