//! Gateways that die, sleep too long or lose the database, and a database that restarts.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::load::post_until_answered;
use super::*;
use crate::relay::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gateway_had_claimed_is_in_doubt_and_proven_by_another() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let killed = gateway(&cluster.authority(), "killed", &origin.authority, &[]);
    let other = gateway(&cluster.authority(), "killed", &origin.authority, &[]);
    origin.plant("/things/a", json!({"n": 1}));

    // One POST, which nobody can prove, and one PUT under a version, which can be: both performed, both unanswered.
    let key = "8e03978e-40d5-43dd-bc93-6894a57f9324";
    let at = killed.authority.clone();
    let posting = tokio::spawn(async move {
        let slow = Fault::Slow(Duration::from_secs(60)).word();
        let fields = [
            ("idempotency-key", key),
            ("x-write", "post"),
            ("x-fault", &slow),
            ("content-type", "application/json"),
        ];
        let content = json!({ "name": "post" }).to_string();
        Client::new(at)
            .try_send(Method::POST, "/things", &fields, content)
            .await
    });
    let mut worker = Client::new(&killed.authority);
    let tag = worker.get("/things/a").await.field("etag").to_owned();
    let put = tag.clone();
    let putting = tokio::spawn(async move {
        let slow = Fault::Slow(Duration::from_secs(60)).word();
        let fields = [
            ("if-match", put.as_str()),
            ("x-write", "put"),
            ("x-fault", &slow),
            ("content-type", "application/json"),
        ];
        worker
            .try_send(Method::PUT, "/things/a", &fields, json!({"n": 2}).to_string())
            .await
    });
    until(
        &cluster,
        "SELECT count(*) FROM killed.writes WHERE state = 'claimed'",
        "2",
    )
    .await;
    origin.has_performed("put").await;
    origin.has_performed("post").await;
    killed.kill();
    assert!(posting.await.unwrap().is_none() && putting.await.unwrap().is_none());

    let began = Instant::now();
    let got = post(&other.authority, key, "post", None).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (504, "in-doubt"), "{got:?}");
    assert!(
        began.elapsed() > Duration::from_millis(500),
        "it waited for the lease to run out"
    );
    let fields = [("if-match", tag.as_str()), ("x-write", "put")];
    let got = Client::new(&other.authority)
        .put("/things/a", &fields, &json!({"n": 2}))
        .await;
    assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{got:?}");
    assert_eq!((origin.performed("post").await, origin.performed("put").await), (1, 1));
    assert_eq!(cluster.sql("SELECT count(*) FROM killed.owners"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_slept_beyond_its_lease_changes_nothing_when_it_wakes() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let sleeper = gateway(&cluster.authority(), "slept", &origin.authority, &[]);
    let other = gateway(&cluster.authority(), "slept", &origin.authority, &[]);
    origin.plant("/things/a", json!({"n": 1, "m": 1}));
    let mut worker = Client::new(&sleeper.authority);
    let tag = worker.get("/things/a").await.field("etag").to_owned();
    let putting = tokio::spawn(async move {
        let slow = Fault::Slow(Duration::from_secs(3)).word();
        let fields = [
            ("if-match", tag.as_str()),
            ("x-write", "asleep"),
            ("x-fault", &slow),
            ("content-type", "application/json"),
        ];
        worker
            .send(Method::PUT, "/things/a", &fields, json!({"n": 2, "m": 1}).to_string())
            .await
    });
    origin.has_performed("asleep").await;
    sleeper.signal("STOP");
    // Another gateway takes the lane over and writes.
    let mut worker = Client::new(&other.authority);
    worker.get("/things/a").await;
    let got = worker
        .put("/things/a", &[("x-write", "awake")], &json!({"n": 2, "m": 2}))
        .await;
    assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{got:?}");
    assert_eq!(
        cluster.sql("SELECT state FROM slept.writes WHERE owner IS NULL ORDER BY row LIMIT 1"),
        "doubted"
    );

    sleeper.signal("CONT");
    let got = putting.await.unwrap();
    assert_eq!((got.status.as_u16(), got.outcome()), (504, "in-doubt"), "{got:?}");
    assert_eq!(
        cluster.sql("SELECT state FROM slept.writes ORDER BY row LIMIT 1"),
        "doubted"
    );
    // It goes on as another owner, and sees what was written meanwhile.
    let mut worker = Client::new(&sleeper.authority);
    let document = worker.get("/things/a").await.json();
    assert_eq!(document, json!({"n": 2, "m": 2}));
    let got = worker
        .put("/things/a", &[("x-write", "again")], &json!({"n": 3, "m": 2}))
        .await;
    assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{got:?}");
    for name in ["asleep", "awake", "again"] {
        assert_eq!(origin.performed(name).await, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_nothing_is_sent_and_it_recovers_by_itself() {
    let mut cluster = Cluster::with(&[]);
    let origin = Scripted::start(Tags::Versions, false).await;
    let relay = Relay::start(cluster.authority()).await;
    let cut_off = gateway(&relay.authority, "cut", &origin.authority, &[]);
    let connected = gateway(&cluster.authority(), "cut", &origin.authority, &[]);
    let key = |n: usize| format!("8e03978e-40d5-43dd-bc93-6894a57f94{n:02}");
    assert_eq!(post(&cut_off.authority, &key(0), "before", None).await.status, 201);

    relay.cut.store(true, Ordering::Release);
    origin.plant("/things/a", json!({"n": 1}));
    let mut worker = Client::new(&cut_off.authority);
    worker.get("/things/a").await;
    for got in [
        post(&cut_off.authority, &key(1), "cut", None).await,
        worker.put("/things/a", &[("x-write", "cut")], &json!({"n": 2})).await,
    ] {
        assert_eq!((got.status.as_u16(), got.outcome()), (503, "not-sent"), "{got:?}");
        assert_eq!(got.field("retry-after"), "5");
    }
    assert_eq!(origin.performed("cut").await, 0);
    // Beyond its lease: the other one takes it for dead.
    until(&cluster, "SELECT count(*) FROM cut.owners", "1").await;
    assert_eq!(post(&connected.authority, &key(2), "other", None).await.status, 201);
    relay.cut.store(false, Ordering::Release);
    until(&cluster, "SELECT count(*) FROM cut.owners", "2").await;
    assert_eq!(post(&cut_off.authority, &key(1), "cut", None).await.status, 201);

    // A database that crashes and comes back while writes go on: each is performed once, or said not to be.
    let gateways = [cut_off.authority.clone(), connected.authority.clone()];
    let writing = |n: usize| {
        let (gateway, origin) = (gateways[n % 2].clone(), &origin);
        async move {
            for round in 0..25 {
                let name = format!("crash-{n}-{round}");
                let key = format!("8e03978e-40d5-43dd-bc93-68{n:02}a57f{round:04}");
                post_until_answered(&gateway, origin, &key, &name).await;
            }
        }
    };
    let restarting = async {
        origin.has_performed("crash-0-2").await;
        tokio::task::block_in_place(|| {
            cluster.down(false);
            cluster.up();
        });
    };
    tokio::join!(join((0..8).map(writing)), restarting);
    until(&cluster, "SELECT count(*) FROM cut.writes WHERE state = 'claimed'", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_client_left_before_it_was_claimed_is_not_sent_after_its_repeat_elsewhere() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let left = gateway(
        &cluster.authority(),
        "unheard",
        &origin.authority,
        &["--admin", "127.0.0.1:0"],
    );
    let other = gateway(&cluster.authority(), "unheard", &origin.authority, &[]);
    let key = "8e03978e-40d5-43dd-bc93-6894a57f9497";
    // Claims wait in the database until they may go on.
    cluster.sql("CREATE TABLE unheard.go ()");
    cluster.sql(
        "CREATE FUNCTION unheard.wait() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             WHILE NOT EXISTS (SELECT FROM unheard.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
             RETURN NEW;
         END $$",
    );
    cluster.sql("CREATE TRIGGER wait BEFORE INSERT ON unheard.writes FOR EACH ROW EXECUTE FUNCTION unheard.wait()");
    let mut client = TcpStream::connect(&left.authority).await.unwrap();
    let content = json!({ "name": "unheard" }).to_string();
    let head = format!(
        "POST /things HTTP/1.1\r\nHost: {}\r\nIdempotency-Key: {key}\r\nX-Write: unheard\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        left.authority,
        content.len()
    );
    client.write_all((head + &content).as_bytes()).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until(&cluster, waiting, "1").await;
    // It hangs up, and the gateway has noticed once it does so too.
    client.shutdown().await.unwrap();
    assert_eq!(client.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    cluster.sql("INSERT INTO unheard.go DEFAULT VALUES");
    left.reaches("tiebreak_running", 0).await;
    assert_eq!(origin.performed("unheard").await, 0);
    let got = post(&other.authority, key, "unheard", None).await;
    assert_eq!(
        (got.status.as_u16(), got.field("idempotency-replayed")),
        (201, ""),
        "{got:?}"
    );
    assert_eq!(origin.performed("unheard").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_may_have_written_is_not_what_it_read_last_where_it_reads_elsewhere_too() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Digests, false).await;
    let gateways = [(); 2].map(|()| gateway(&cluster.authority(), "hoped", &origin.authority, &[]));
    let [mut worker, mut elsewhere] = gateways.each_ref().map(|g| Client::new(&g.authority));
    origin.plant("/things/a", json!({"n": 1}));
    worker.get("/things/a").await;
    let lost = [("x-write", "lost"), ("x-fault", "dropped")];
    let got = worker.put("/things/a", &lost, &json!({"n": 2})).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (504, "in-doubt"), "{got:?}");
    // It arrives after all, when the client has read through the other gateway that it had not.
    assert_eq!(elsewhere.get("/things/a").await.json(), json!({"n": 1}));
    origin.plant("/things/a", json!({"n": 2}));
    let got = worker.put("/things/a", &[("x-write", "next")], &json!({"n": 3})).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (409, "not-sent"), "{got:?}");
    assert!(
        got.json()["type"].as_str().unwrap().ends_with("/base-unknown"),
        "{got:?}"
    );
    assert_eq!(origin.performed("next").await, 0);
}
