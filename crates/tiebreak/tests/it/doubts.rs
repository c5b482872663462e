//! Doubts: listed, proven and settled, over the admin listener and from the ledger file.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Fault, Scripted, Tags};

/// Runs `tiebreak doubts`; its exit code, and what it said on both outputs.
pub fn doubts(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .arg("doubts")
        .args(args)
        .env("USER", "alice")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

async fn post(client: &mut Client, key: &str, name: &str, fault: Fault) -> Got {
    let key = format!("\"{key}\"");
    let fields = [
        ("idempotency-key", key.as_str()),
        ("x-write", name),
        ("x-fault", &fault.word()),
        ("authorization", "Bearer hunter2"),
    ];
    client.post("/things", &fields, &json!({ "name": name })).await
}

fn id_of(got: &Got) -> String {
    assert_eq!((got.status.as_u16(), got.outcome()), (504, "in-doubt"), "{got:?}");
    got.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_what_nobody_can_prove() {
    let origin = Scripted::start(Tags::None, false).await;
    let upstream = format!("http://{}", origin.authority);
    let gateway = Gateway::start(&["--upstream", &upstream, "--admin", "127.0.0.1:0"]);
    let admin = format!("http://{}", gateway.admin.clone().unwrap());
    let mut client = Client::new(&gateway.authority);
    assert!(doubts(&["list", "--admin", &admin]).1.contains("No write is in doubt"));

    let applied = id_of(&post(&mut client, "k1", "w1", Fault::LostAnswer).await);
    let lost = id_of(&post(&mut client, "k2", "w2", Fault::Dropped).await);
    let (code, listed) = doubts(&["list", "--admin", &admin]);
    assert_eq!(code, Some(0), "{listed}");
    for part in [
        &applied,
        &lost,
        "POST",
        "the connection ended before the answer",
        "2 in doubt",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let (code, listed) = doubts(&["list", "--admin", &admin, "--json", "--limit", "1"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (code, &listed["open"], &listed["next"]),
        (Some(0), &json!(2), &json!(applied))
    );
    let (_, rest) = doubts(&["list", "--admin", &admin, "--after", &applied]);
    assert!(rest.contains(&lost) && !rest.contains(&applied), "{rest}");

    let (code, said) = doubts(&["prove", &applied, "--admin", &admin]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("still in doubt") && said.contains("--prover-credential-file"),
        "{said}"
    );
    let (code, said) = doubts(&[
        "settle", &applied, "--as", "applied", "--reason", " ", "--admin", &admin,
    ]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = doubts(&["settle", "17", "--as", "applied", "--reason", "r", "--admin", &admin]);
    assert_eq!(code, Some(2), "{said}");

    let (code, said) = doubts(&[
        "settle",
        &applied,
        "--as",
        "applied",
        "--reason",
        "seen in the shop",
        "--admin",
        &admin,
    ]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = doubts(&[
        "settle",
        &applied,
        "--as",
        "not-applied",
        "--reason",
        "no",
        "--admin",
        &admin,
    ]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not in doubt"), "{said}");
    let repeated = post(&mut client, "k1", "w1", Fault::LostAnswer).await;
    assert_eq!(
        (repeated.status.as_u16(), repeated.outcome()),
        (204, "applied"),
        "{repeated:?}"
    );
    assert_eq!(repeated.field("idempotency-replayed"), "true");
    assert_eq!(origin.performed("w1").await, 1, "it is not sent again");

    let (code, said) = doubts(&[
        "settle",
        &lost,
        "--as",
        "not-applied",
        "--reason",
        "no such order",
        "--admin",
        &admin,
    ]);
    assert_eq!(code, Some(0), "{said}");
    let repeated = post(&mut client, "k2", "w2", Fault::Dropped).await;
    assert_eq!(
        (repeated.status.as_u16(), repeated.outcome()),
        (201, "applied"),
        "{repeated:?}"
    );
    let again = post(&mut client, "k2", "w2", Fault::Dropped).await;
    assert_eq!(
        (again.status.as_u16(), again.field("idempotency-replayed")),
        (201, "true")
    );
    assert_eq!(origin.performed("w2").await, 1, "it is performed once");

    let (_, shown) = doubts(&["show", &lost, "--admin", &admin]);
    for part in [
        "person: alice: no such order",
        "refused",
        "What happened",
        "attempt 1 is sent",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("hunter2") && !listed.to_string().contains("hunter2"));
    let (code, said) = doubts(&["show", "00000000000000000000000000000000", "--admin", &admin]);
    assert_eq!(code, Some(1), "{said}");

    let folder = gateway.folder.as_ref().unwrap().path().join("tiebreak.ledger");
    let file = folder.display().to_string();
    let (code, said) = doubts(&["list", "--ledger", &file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another process uses it"), "{said}");
    let _folder = gateway.kill();
    let (code, shown) = doubts(&["show", &lost, "--ledger", &file]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("no such order") && shown.contains("only the record is left"),
        "{shown}"
    );
    let (code, said) = doubts(&["list", "--admin", &admin]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is it running?"), "{said}");
    let (code, said) = doubts(&["list", "--ledger", &format!("{file}.not")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no such file"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_is_settled_from_the_ledger_file() {
    let origin = Scripted::start(Tags::None, false).await;
    let upstream = format!("http://{}", origin.authority);
    let gateway = Gateway::start(&["--upstream", &upstream]);
    let mut client = Client::new(&gateway.authority);
    let lost = id_of(&post(&mut client, "k", "w", Fault::Dropped).await);
    let folder = gateway.kill();
    let file = folder.path().join("tiebreak.ledger").display().to_string();
    let (code, said) = doubts(&["prove", &lost, "--ledger", &file]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = doubts(&[
        "settle",
        &lost,
        "--as",
        "not-applied",
        "--reason",
        "asked them",
        "--ledger",
        &file,
    ]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("alice: asked them"), "{said}");
    let gateway = Gateway::start_in(folder, &["--upstream", &upstream]);
    let mut client = Client::new(&gateway.authority);
    assert_eq!(post(&mut client, "k", "w", Fault::Dropped).await.outcome(), "applied");
    assert_eq!(origin.performed("w").await, 1);
}

/// Kills a gateway while a PUT of `path` at version `tag` is on the wire; its folder and the write's id.
async fn interrupted(upstream: &str, path: &'static str, tag: &'static str) -> (tempfile::TempDir, String) {
    let gateway = Gateway::start(&["--upstream", upstream, "--etag", "version", "--admin", "127.0.0.1:0"]);
    let mut console = Client::new(gateway.admin.clone().unwrap());
    let mut client = Client::new(&gateway.authority);
    tokio::spawn(async move {
        let fields = [
            ("content-type", "application/json"),
            ("if-match", tag),
            ("x-write", path),
            ("x-fault", "hangs"),
        ];
        client.try_send(Method::PUT, path, &fields, "{\"n\":2}").await
    });
    let sent = async {
        loop {
            let told = console.get("/api/stories").await.json();
            let story = &told["stories"][0];
            if story["last"].as_str().is_some_and(|last| last.contains("is sent")) {
                return story["id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let id = tokio::time::timeout(Duration::from_secs(20), sent).await.unwrap();
    (gateway.kill(), id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prover_credential_proves_what_follows() {
    let origin = Scripted::start(Tags::Versions, false).await;
    let upstream = format!("http://{}", origin.authority);
    origin.plant("/things/a", json!({"n": 1}));
    let (folder, id) = interrupted(&upstream, "/things/a", "\"v1\"").await;
    let credential = folder.path().join("credential");
    std::fs::write(&credential, "# of the operator\nAuthorization: Bearer hunter2\n").unwrap();
    std::fs::set_permissions(&credential, std::fs::Permissions::from_mode(0o600)).unwrap();
    let credential = credential.display().to_string();
    let args = [
        "--upstream",
        &upstream,
        "--etag",
        "version",
        "--late-after",
        "1",
        "--admin",
        "127.0.0.1:0",
    ];
    let gateway = Gateway::start_in(
        folder,
        &[&args[..], &["--prover-credential-file", &credential]].concat(),
    );
    let admin = format!("http://{}", gateway.admin.clone().unwrap());
    let proven = async {
        loop {
            let (code, said) = doubts(&["prove", &id, "--admin", &admin]);
            assert!(!said.contains("hunter2"), "{said}");
            if code == Some(0) {
                return said;
            }
            assert!(said.contains("may still arrive"), "{said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(20), proven).await.unwrap();
    assert!(said.contains("still the version that it was to change"), "{said}");
    let (_, shown) = doubts(&["show", &id, "--admin", &admin]);
    assert!(shown.contains("ended by proof"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_write_at_the_same_version_rules_a_doubt_out() {
    let origin = Scripted::start(Tags::Versions, false).await;
    let upstream = format!("http://{}", origin.authority);
    origin.plant("/things/b", json!({"n": 1}));
    let (folder, id) = interrupted(&upstream, "/things/b", "\"v1\"").await;
    let args = ["--upstream", &upstream, "--etag", "version", "--admin", "127.0.0.1:0"];
    let gateway = Gateway::start_in(folder, &args);
    let admin = format!("http://{}", gateway.admin.clone().unwrap());
    let (code, said) = doubts(&["prove", &id, "--admin", &admin]);
    assert_eq!(code, Some(1), "{said}");
    let mut client = Client::new(&gateway.authority);
    let put = client
        .put("/things/b", &[("if-match", "\"v1\"")], &json!({"n": 3}))
        .await;
    assert_eq!(put.outcome(), "applied", "{put:?}");
    let (code, said) = doubts(&["prove", &id, "--admin", &admin]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("another write was applied at the very version"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_listener_cannot_do_it_says() {
    let gateway = Gateway::start(&["--ledger", "memory", "--data", "memory", "--admin", "127.0.0.1:0"]);
    let mut console = Client::new(gateway.admin.clone().unwrap());
    let nobody = "/api/doubts/00000000000000000000000000000000";
    for (path, content, status, words) in [
        (
            format!("{nobody}/settle"),
            json!({"as": "applied", "reason": "r"}),
            404,
            "no record",
        ),
        (
            format!("{nobody}/settle"),
            json!({"as": "maybe", "reason": "r"}),
            400,
            "neither",
        ),
        (format!("{nobody}/settle"), json!({"as": "applied"}), 422, "reason"),
        (
            format!("{nobody}/settle"),
            json!({"as": "applied", "reason": "a\nb"}),
            400,
            "one line",
        ),
        (format!("{nobody}/prove"), json!({}), 404, "no record"),
        ("/api/doubts/17/prove".into(), json!({}), 400, "32 hexadecimal digits"),
    ] {
        let got = console.post(&path, &[], &content).await;
        assert_eq!(got.status, status, "{path} {content}: {got:?}");
        assert!(
            got.json()["detail"].as_str().unwrap().contains(words),
            "{path} {content}: {got:?}"
        );
    }
    let foreign = [("origin", "http://evil.example"), ("content-type", "application/json")];
    let forged = console
        .send(Method::POST, &format!("{nobody}/settle"), &foreign, "{}")
        .await;
    assert_eq!(forged.status, 403);
    for bad in ["Authorization hunter2\n", "Host: a\n", "\n# nothing\n"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credential");
        std::fs::write(&file, bad).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--ledger",
                "memory",
                "--data",
                "memory",
                "--admin",
                "127.0.0.1:0",
            ])
            .arg("--prover-credential-file")
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {said}");
        assert!(said.contains("line 1") && !said.contains("hunter2"), "{bad:?}: {said}");
    }
}
