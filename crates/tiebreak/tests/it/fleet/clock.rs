//! Gateways whose machines do not know what time it is. Their clocks are the real library's `libfaketime`.

use super::*;

/// The library that gives a process another time.
fn library() -> String {
    let found = std::fs::read_dir("/usr/lib")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists());
    found
        .expect("libfaketime is not installed: run scripts/prepare")
        .display()
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_and_one_that_jumps_change_nothing() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let (folder, library) = (tempfile::tempdir().unwrap(), library());
    let hand = folder.path().join("time");
    std::fs::write(&hand, "+0").unwrap();
    let file = hand.display().to_string();
    let ledger = address(&cluster.authority(), "clocks");
    let faked = [("LD_PRELOAD", library.as_str()), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let jumps = [
        &faked[..],
        &[("FAKETIME_TIMESTAMP_FILE", file.as_str()), ("FAKETIME_NO_CACHE", "1")],
    ]
    .concat();
    let slow = [&faked[..], &[("FAKETIME", "-30d")]].concat();
    let gateways = [
        gateway_with(&ledger, &origin.authority, &[], &jumps),
        gateway_with(&ledger, &origin.authority, &[], &slow),
    ];
    let key = |n: usize| format!("8e03978e-40d5-43dd-bc93-6894a57f94{n:02}");
    let both = async |n: usize| {
        let name = format!("write-{n}");
        let first = post(&gateways[n % 2].authority, &key(n), &name, None).await;
        assert_eq!((first.status.as_u16(), first.outcome()), (201, "applied"), "{first:?}");
        // The other one knows it, whatever it thinks of the time.
        let again = post(&gateways[(n + 1) % 2].authority, &key(n), &name, None).await;
        assert_eq!(
            (again.status.as_u16(), again.field("idempotency-replayed")),
            (201, "true"),
            "{again:?}"
        );
        assert_eq!(origin.performed(&name).await, 1);
    };
    both(0).await;
    both(1).await;
    // A day ahead from one moment to the next: its lease goes on, and what it claims has the database's time.
    let owners = cluster.sql("SELECT string_agg(owner::text, ' ' ORDER BY owner) FROM clocks.owners");
    std::fs::write(&hand, "+1d").unwrap();
    let renewed = format!(
        "SELECT min(lease_until) > clock_timestamp() AND clock_timestamp() > to_timestamp({}) FROM clocks.owners",
        {
            let now: f64 = cluster
                .sql("SELECT extract(epoch FROM clock_timestamp())")
                .parse()
                .unwrap();
            now + 1.5 * LEASE.as_secs_f64()
        }
    );
    until(&cluster, &renewed, "t").await;
    both(2).await;
    both(3).await;
    assert_eq!(
        cluster.sql("SELECT string_agg(owner::text, ' ' ORDER BY owner) FROM clocks.owners"),
        owners
    );
    let far = "SELECT count(*) FROM clocks.writes WHERE abs(extract(epoch FROM clock_timestamp()) * 1000 - claimed_at) > 600000";
    assert_eq!(cluster.sql(far), "0");
    assert_eq!(
        cluster.sql("SELECT count(*) FROM clocks.writes WHERE state <> 'settled'"),
        "0"
    );
}
