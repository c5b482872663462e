//! Several gateways over one ledger in PostgreSQL: real binaries, a real database, real signals.

mod clock;
mod database;
mod failures;
mod judged;
mod load;
mod pair;
mod tls;

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::cluster::{Cluster, address};
use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Fault, Scripted, Tags};
use crate::shared::{edit_own_fields, join};

/// The lease of a gateway in these tests.
const LEASE: Duration = Duration::from_secs(2);

/// A gateway in front of `origin`, over the ledger that is reached at `database`.
fn gateway(database: &str, schema: &str, origin: &str, more: &[&str]) -> Gateway {
    gateway_with(&address(database, schema), origin, more, &[])
}

/// The same over the ledger at this address, with variables of the environment.
fn gateway_with(ledger: &str, origin: &str, more: &[&str], env: &[(&str, &str)]) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), [7; 32]).unwrap();
    let upstream = format!("http://{origin}");
    let lease = LEASE.as_secs().to_string();
    let mut args = vec!["--ledger", ledger, "--secret", "secret", "--ledger-lease", &lease];
    args.extend([
        "--upstream",
        &upstream,
        "--late-after",
        "1",
        "--timeout",
        "5",
        "--patience",
        "20",
    ]);
    args.extend(more);
    Gateway::start_with(folder, &args, env)
}

/// Waits until `sql` prints `expected`.
async fn until(cluster: &Cluster, sql: &str, expected: &str) {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let found = cluster.sql(sql);
        if found == expected {
            return;
        }
        assert!(Instant::now() < give_up, "{sql}: {found}, not {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn post(gateway: &str, key: &str, name: &str, fault: Option<Fault>) -> Got {
    let mut fields = vec![("idempotency-key", key.to_owned()), ("x-write", name.to_owned())];
    fields.extend(fault.map(|f| ("x-fault", f.word())));
    fields.push(("content-type", "application/json".into()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let content = json!({ "name": name }).to_string();
    Client::new(gateway)
        .send(Method::POST, "/things", &fields, content)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_edits_through_three_gateways_lose_nothing_and_keys_are_joined() {
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    let gateways: Vec<Gateway> = (0..3)
        .map(|_| gateway(&cluster.authority(), "edits", &origin.authority, &[]))
        .collect();
    let at = |n: usize| gateways[n % 3].authority.clone();

    origin.plant("/things/hot", json!({}));
    edit_own_fields(
        "/things/hot",
        12,
        10,
        |worker| Client::new(at(worker)),
        |document| document,
    )
    .await;
    let document = Client::new(at(0)).get("/things/hot").await.json();
    for worker in 0..12 {
        assert_eq!(document[format!("f{worker}")], 10, "{document}");
    }

    // The same write at all gateways at once: performed once, and everybody gets its outcome.
    let keys: Vec<String> = (0..8)
        .map(|n| format!("8e03978e-40d5-43dd-bc93-6894a57f93{n:02}"))
        .collect();
    let all = keys.iter().flat_map(|key| (0..3).map(move |n| (key, n)));
    let (origin_ref, at_ref) = (&origin, &at);
    join(all.map(|(key, n)| async move {
        let got = post(&at_ref(n), key, key, Some(Fault::Slow(Duration::from_millis(300)))).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (201, "applied"), "{got:?}");
        assert_eq!(origin_ref.performed(key).await, 1);
    }))
    .await;

    // Without a base that is known here, a write that names no version is refused.
    let got = Client::new(at(1)).put("/things/other", &[], &json!({})).await;
    assert_eq!(got.status, 428, "{got:?}");
    assert_eq!(
        cluster.sql("SELECT count(*) FROM edits.writes WHERE state <> 'settled'"),
        "0"
    );
    assert_eq!(
        cluster.sql("SELECT count(*) FROM edits.lanes WHERE owner IS NOT NULL"),
        "0"
    );

    // An operator looks at the same ledger meanwhile.
    let ledger = address(&cluster.authority(), "edits");
    let said = |what: &str, more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tiebreak"));
        let output = command
            .args(["ledger", what, "--ledger", &ledger])
            .args(more)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.success(), "{what}: {told} {output:?}");
        told
    };
    assert!(said("check", &[]).contains("128 records, all in order"));
    assert!(said("stats", &["--json"]).contains("\"settled\":128,\"in_doubt\":0"));
    assert!(said("migrate", &[]).contains("is of version 2 already"));
    assert_eq!(said("purge", &[]), "0 records deleted\n");
    let lines = said("export", &[]);
    assert_eq!(lines.lines().count(), 128);
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["state"], &line["became"]["outcome"]),
            (&json!("settled"), &json!("applied"))
        );
        assert!(line.get("caller").is_none() && line.get("key").is_none());
    }
}
