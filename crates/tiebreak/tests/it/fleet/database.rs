//! A database that is full, read-only or slow.

use std::sync::atomic::Ordering;

use super::load::post_until_answered;
use super::*;
use crate::relay::Relay;

fn key(n: usize) -> String {
    format!("8e03978e-40d5-43dd-bc93-6894a57f94{n:02}")
}

/// Makes changes of this kind fail as they do when no space is left, and counts them in the sequence `full_UPDATE` or `full_INSERT`.
fn fill(cluster: &Cluster, kind: &str) {
    cluster.sql(&format!("CREATE SEQUENCE full_{kind}"));
    cluster.sql(&format!(
        "CREATE FUNCTION full_{kind}() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM nextval('public.full_{kind}');
             RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
         END $$"
    ));
    cluster.sql(&format!(
        "CREATE TRIGGER full_{kind} BEFORE {kind} ON full_up.writes FOR EACH ROW EXECUTE FUNCTION public.full_{kind}()"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_takes_no_claim_and_what_was_sent_is_recorded_once_there_is_space() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let gateway = gateway(&cluster.authority(), "full_up", &origin.authority, &[]);
    assert_eq!(post(&gateway.authority, &key(0), "before", None).await.status, 201);

    // The claim was made in time, its settlement finds no space.
    fill(&cluster, "UPDATE");
    let at = gateway.authority.clone();
    let sent = tokio::spawn(async move { post(&at, &key(1), "sent", None).await });
    until(&cluster, "SELECT last_value >= 3 FROM full_UPDATE", "t").await;
    assert_eq!(origin.performed("sent").await, 1);
    cluster.sql("DROP TRIGGER full_UPDATE ON full_up.writes");
    let got = sent.await.unwrap();
    assert_eq!((got.status.as_u16(), got.outcome()), (201, "applied"), "{got:?}");

    // No space for a claim.
    fill(&cluster, "INSERT");
    let got = post(&gateway.authority, &key(2), "refused", None).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (503, "not-sent"), "{got:?}");
    assert!(!got.field("retry-after").is_empty(), "{got:?}");
    assert_eq!(origin.performed("refused").await, 0);
    cluster.sql("DROP TRIGGER full_INSERT ON full_up.writes");
    let got = post(&gateway.authority, &key(2), "refused", None).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (201, "applied"), "{got:?}");
    for name in ["before", "sent", "refused"] {
        assert_eq!(origin.performed(name).await, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_read_only_nothing_is_sent() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let gateway = gateway(&cluster.authority(), "read_only", &origin.authority, &[]);
    assert_eq!(post(&gateway.authority, &key(0), "write-0", None).await.status, 201);

    let read_only = |yes: &str| {
        cluster.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {yes}"));
        cluster.sql("SELECT pg_reload_conf()");
    };
    read_only("on");
    // Its sessions learn it one by one.
    let mut n = 1;
    loop {
        let (name, got) = (
            format!("write-{n}"),
            post(&gateway.authority, &key(n), &format!("write-{n}"), None).await,
        );
        let performed = origin.performed(&name).await;
        match (got.status.as_u16(), got.outcome()) {
            (201, "applied") => assert_eq!(performed, 1, "{got:?}"),
            // Claimed in time, settled too late.
            (504, "in-doubt") => assert!(performed <= 1, "{got:?}"),
            (503, "not-sent") => {
                assert_eq!(performed, 0, "{got:?}");
                assert_eq!(got.field("retry-after"), "5");
                break;
            }
            _ => panic!("{got:?}"),
        }
        n += 1;
    }
    read_only("off");
    post_until_answered(&gateway.authority, &origin, &key(n), &format!("write-{n}")).await;
    for n in 0..=n {
        assert!(origin.performed(&format!("write-{n}")).await <= 1, "write-{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_makes_writes_slow_and_nothing_else() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let relay = Relay::start(cluster.authority()).await;
    let gateways: Vec<Gateway> = (0..2)
        .map(|_| gateway(&relay.authority, "slow", &origin.authority, &[]))
        .collect();
    origin.plant("/things/hot", json!({}));
    relay.delay.store(100, Ordering::Release);
    let at = |n: usize| gateways[n % 2].authority.clone();
    let posting = join((0..8).map(|n| {
        let (gateway, origin) = (at(n), &origin);
        async move {
            for round in 0..3 {
                let name = format!("slow-{n}-{round}");
                post_until_answered(&gateway, origin, &key(n * 10 + round), &name).await;
            }
        }
    }));
    let editing = edit_own_fields(
        "/things/hot",
        4,
        2,
        |worker| Client::new(at(worker)),
        |document| document,
    );
    tokio::join!(posting, editing);
    relay.delay.store(0, Ordering::Release);
    let document = Client::new(at(0)).get("/things/hot").await.json();
    for worker in 0..4 {
        assert_eq!(document[format!("f{worker}")], 2, "{document}");
    }
    for (n, round) in (0..8).flat_map(|n| (0..3).map(move |round| (n, round))) {
        assert!(origin.performed(&format!("slow-{n}-{round}")).await <= 1);
    }
    until(
        &cluster,
        "SELECT count(*) FROM slow.writes WHERE state = 'claimed'",
        "0",
    )
    .await;
}
