//! Kinto through the gateway: a server with strong version tags that knows nothing of Tiebreak.

use http::Method;
use serde_json::{Value, json};

use crate::doubts::doubts;
use crate::gateway::Gateway;
use crate::http::Client;
use crate::peer::Peer;
use crate::relay::Relay;
use crate::shared::{self, Shuffle};

const ALICE: (&str, &str) = ("authorization", "Basic YWxpY2U6eA==");
const RECORDS: &str = "/v1/buckets/b/collections/c/records";

fn client(authority: &str) -> Client {
    Client::new(authority).with(ALICE.0, ALICE.1)
}

async fn prepared(authority: &str) {
    let mut direct = client(authority);
    for path in ["/v1/buckets/b", "/v1/buckets/b/collections/c"] {
        let made = direct.put(path, &[], &json!({})).await;
        assert!(made.status.is_success(), "{made:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_64_workers_with_repeats_land_once_and_lose_nothing() {
    let kinto = Peer::start("kinto");
    prepared(&kinto.authority).await;
    let gateway = Gateway::start(&["--upstream", &format!("http://{}", kinto.authority)]);
    // Four writes for each record: its creation, and three fields by three feeds; a third of all comes twice.
    let mut create: Vec<(usize, usize)> = (0..500).flat_map(|r| [(r, 0), (r, 0)]).collect();
    let mut edit: Vec<(usize, usize)> = (0..500).flat_map(|r| [(r, 1), (r, 2), (r, 3)]).collect();
    let mut shuffle = Shuffle::new(11);
    shuffle.apply(&mut create);
    shuffle.apply(&mut edit);
    for batch in [create, edit] {
        shared::each(
            64,
            batch,
            |_| client(&gateway.authority),
            async |client, (record, field)| {
                let path = format!("{RECORDS}/r{record}");
                let got = if field == 0 {
                    client
                        .put(&path, &[("if-none-match", "*")], &json!({"data": {"n": record}}))
                        .await
                } else {
                    let change = json!({"data": {format!("f{field}"): record * 10 + field}});
                    let kind = [("content-type", "application/json")];
                    client.send(Method::PATCH, &path, &kind, change.to_string()).await
                };
                // The second creation is told that the record is there already; nothing else may fail.
                assert!(
                    got.status.is_success() || (field == 0 && got.status == 412),
                    "{path} {field}: {got:?}"
                );
            },
        )
        .await;
    }
    let mut direct = client(&kinto.authority);
    let all = direct.get(&format!("{RECORDS}?_limit=10000")).await.json();
    let all = all["data"].as_array().unwrap();
    assert_eq!(all.len(), 500);
    for record in all {
        let n = record["n"].as_u64().unwrap();
        assert_eq!(record["id"], json!(format!("r{n}")));
        for field in 1..=3 {
            assert_eq!(record[format!("f{field}")], json!(n * 10 + field), "{record}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_get_and_put_by_many_workers_lose_no_edit() {
    let kinto = Peer::start("kinto");
    prepared(&kinto.authority).await;
    let gateway = Gateway::start(&["--upstream", &format!("http://{}", kinto.authority)]);
    let path = format!("{RECORDS}/doc");
    let fields: serde_json::Map<String, Value> = (0..16).map(|f| (format!("f{f}"), json!(0))).collect();
    assert_eq!(
        client(&kinto.authority)
            .put(&path, &[], &json!({ "data": fields }))
            .await
            .status,
        201
    );
    shared::edit_own_fields(
        &path,
        16,
        8,
        |_| client(&gateway.authority),
        |document| &mut document["data"],
    )
    .await;
    let end = client(&kinto.authority).get(&path).await.json();
    for f in 0..16 {
        assert_eq!(end["data"][format!("f{f}")], json!(8), "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_looked_into_and_never_repeated_blindly() {
    let kinto = Peer::start("kinto");
    prepared(&kinto.authority).await;
    let relay = Relay::start(kinto.authority.clone()).await;
    let gateway = Gateway::start(&["--upstream", &format!("http://{}", relay.authority)]);
    let path = format!("{RECORDS}/lost");
    let mut worker = client(&gateway.authority);
    assert_eq!(worker.put(&path, &[], &json!({"data": {"n": 0}})).await.status, 201);
    for n in 1..=10 {
        let read = worker.get(&path).await;
        let tag = read.field("etag").to_owned();
        relay.lose_after.store(0, std::sync::atomic::Ordering::Release);
        let got = worker
            .put(&path, &[("if-match", &tag)], &json!({"data": {"n": n}}))
            .await;
        assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{n}: {got:?}");
        assert!(got.field("tiebreak").contains("attempts=1; guarantee=A"), "{got:?}");
    }
    // A POST has nothing that it could be recognised by: it is said to be in doubt, and was performed once.
    relay.lose_after.store(0, std::sync::atomic::Ordering::Release);
    let got = worker.post(RECORDS, &[], &json!({"data": {"posted": true}})).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (504, "in-doubt"), "{got:?}");
    let again = worker.post(RECORDS, &[], &json!({"data": {"posted": true}})).await;
    assert_eq!(
        again.outcome(),
        "in-doubt",
        "the same write is not sent again while it is in doubt: {again:?}"
    );
    let posted = client(&kinto.authority)
        .get(&format!("{RECORDS}?posted=true"))
        .await
        .json();
    assert_eq!(posted["data"].as_array().unwrap().len(), 1);
}

/// 500 writes for 150 records: each created once, edited by two feeds, with repeats.
fn job() -> String {
    let mut lines = Vec::new();
    for record in 0..150 {
        let path = format!("{RECORDS}/j{record}");
        let create = json!({"method": "PUT", "path": path, "body": {"data": {"n": record}}});
        lines.push(create.to_string());
        for field in 1..=2 {
            let body = json!({"data": {format!("f{field}"): record * 10 + field}});
            let edit = json!({"method": "PATCH", "path": path, "body": body, "key": format!("e{record}-{field}")});
            lines.push(edit.to_string());
        }
        if record % 3 == 0 {
            lines.push(create.to_string());
        }
    }
    lines.join("\n") + "\n"
}

/// What the gateway had on its way when it was killed, and what no version guarded, nobody can prove: a person looks at the
/// records, and says at the gateway what it came to.
async fn settle_by_hand(kinto: &str, admin: &str, results: &str) {
    let lines: Vec<Value> = job().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for result in results.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let (true, Some(id)) = (
            result["outcome"] == "in_doubt",
            result["problem"]["gateway_id"].as_str(),
        ) else {
            continue;
        };
        let line = &lines[usize::try_from(result["line"].as_u64().unwrap()).unwrap() - 1];
        let found = client(kinto).get(line["path"].as_str().unwrap()).await.json();
        let asked = line["body"]["data"].as_object().unwrap();
        let applied = asked.iter().all(|(member, value)| found["data"][member] == *value);
        let said = if applied { "applied" } else { "not-applied" };
        let (code, heard) = doubts(&[
            "settle",
            id,
            "--as",
            said,
            "--reason",
            "seen in Kinto",
            "--admin",
            admin,
        ]);
        assert_eq!(code, Some(0), "{result}: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_job_through_the_gateway_survives_kills_of_both() {
    let kinto = Peer::start("kinto");
    prepared(&kinto.authority).await;
    let upstream = format!("http://{}", kinto.authority);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.ndjson");
    std::fs::write(&file, job()).unwrap();
    let args = ["--upstream", &upstream, "--late-after", "2", "--admin", "127.0.0.1:0"];
    let mut gateway = Gateway::start(&args);
    let port = gateway.authority.clone();
    let mut shuffle = Shuffle::new(5);
    let mut runs = 0;
    loop {
        runs += 1;
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tiebreak"));
        // The gateway performs nothing twice under the same key.
        command.args([
            "submit",
            "job.ndjson",
            "--workers",
            "64",
            "--late-after",
            "2",
            "--honours-keys",
        ]);
        command.args([
            "--to",
            &format!("http://{port}"),
            "-H",
            &format!("{}: {}", ALICE.0, ALICE.1),
        ]);
        if runs > 8 {
            command.arg("--again");
        }
        let mut running = command
            .current_dir(folder.path())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        if runs > 8 {
            // An edit that was refused because its record's creation was in doubt is sent again once that is proven.
            let ended = tokio::task::spawn_blocking(move || running.wait().unwrap())
                .await
                .unwrap();
            if ended.code() == Some(0) {
                break;
            }
            let results = std::fs::read_to_string(folder.path().join("results.ndjson")).unwrap();
            assert!(runs < 20, "{results}");
            let admin = format!("http://{}", gateway.admin.as_deref().unwrap());
            settle_by_hand(&kinto.authority, &admin, &results).await;
            continue;
        }
        // Let it come as far as chance has it, then end it as a power cut would.
        let performed = shuffle.below(30) as u64 * 10;
        let mut direct = client(&kinto.authority);
        for _ in 0..200 {
            let listed = direct.get(&format!("{RECORDS}?_limit=10000&has_f2=true")).await.json();
            if listed["data"].as_array().unwrap().len() as u64 * 3 >= performed || running.try_wait().unwrap().is_some()
            {
                break;
            }
        }
        running.kill().unwrap();
        running.wait().unwrap();
        if runs == 4 {
            let kept = gateway.kill();
            gateway = Gateway::start_in(kept, &[&args[..], &["--listen", &port]].concat());
        }
    }
    let all = client(&kinto.authority)
        .get(&format!("{RECORDS}?_limit=10000"))
        .await
        .json();
    let all = all["data"].as_array().unwrap();
    assert_eq!(all.len(), 150);
    for record in all {
        let n = record["n"].as_u64().unwrap();
        assert_eq!(
            (record["f1"].as_u64(), record["f2"].as_u64()),
            (Some(n * 10 + 1), Some(n * 10 + 2)),
            "{record}"
        );
    }
    drop(gateway);
}
