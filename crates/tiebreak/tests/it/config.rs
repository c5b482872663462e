//! `tiebreak config`, routes, and reading the configuration anew.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::recorder::Recorder;
use crate::scripted::{Scripted, Tags};

fn tiebreak(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_and_show_and_serve_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("t.toml"), text).unwrap();
    write("[defaults]\npatience = \"soon\"\nattemps = 3\n");
    let check = tiebreak(folder.path(), &["config", "check", "t.toml"]);
    let told = text(&check.stdout);
    assert_eq!(check.status.code(), Some(1));
    assert!(
        told.contains("t.toml:2:12: [defaults] patience: expected a duration"),
        "{told}"
    );
    assert!(
        told.contains("did you mean `attempts`?") && told.ends_with("t.toml: 2 mistakes\n"),
        "{told}"
    );
    for command in [
        &["config", "show", "--config", "t.toml"][..],
        &["serve", "--config", "t.toml"],
    ] {
        let out = tiebreak(folder.path(), command);
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{told}");
        assert!(
            told.starts_with("tiebreak: failed to use t.toml: 2 mistakes\nt.toml:2:12: "),
            "{told}"
        );
    }
    write("[defaults]\npatience = \"1m\"\n\n[[route]]\npath = \"/a\"\n[[route]]\npath = \"/b\"\nlane = \"x\"\n");
    let check = tiebreak(folder.path(), &["config", "check", "t.toml"]);
    assert_eq!(
        (check.status.code(), text(&check.stdout).as_str()),
        (Some(0), "t.toml: in order; 2 routes\n")
    );
    let show = tiebreak(
        folder.path(),
        &["config", "show", "--config", "t.toml", "--timeout", "5"],
    );
    let told = text(&show.stdout);
    let line = |name: &str| {
        told.lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        line("patience").ends_with("# t.toml:2") && line("patience").starts_with("patience = \"1m\""),
        "{told}"
    );
    assert!(line("attempt_timeout = \"5s\"").ends_with("# --timeout"), "{told}");
    assert!(line("attempts").ends_with("# default"), "{told}");
    let missing = tiebreak(folder.path(), &["config", "check", "none.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    let bad = tiebreak(folder.path(), &["serve", "--patience", "soon"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(
        text(&bad.stderr).contains("--patience: expected a duration"),
        "{}",
        text(&bad.stderr)
    );
}

/// Starts a gateway with this configuration file.
fn with_file(config: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    Gateway::start_in(folder, &["--config", "t.toml"])
}

fn created(method: &str, _path: &str) -> String {
    let status = if method == "GET" { "200 OK" } else { "201 Created" };
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn writes_to_two_targets_of_one_lane_run_one_after_the_other() {
    let origin = Recorder::start(created).await;
    let gateway = with_file(&format!(
        "upstream = \"http://{}\"\n[[route]]\npath = \"/slow/{{account}}/{{entry}}\"\nlane = \"account/{{account}}\"\n",
        origin.authority
    ));
    let put = |path: &'static str| {
        let mut client = Client::new(&gateway.authority);
        tokio::spawn(async move { client.put(path, &[], &json!({})).await.status })
    };
    let first = put("/slow/7/a");
    origin.holds(1).await;
    let second = put("/slow/7/b");
    // Another account waits for nobody; once it is held, the one before it has had its chance.
    let other = put("/slow/8/a");
    origin.holds(2).await;
    let lines = |origin: &Recorder| origin.take().into_iter().map(|r| r.line).collect::<Vec<_>>();
    assert_eq!(lines(&origin), ["PUT /slow/7/a HTTP/1.1", "PUT /slow/8/a HTTP/1.1"]);
    origin.release();
    for put in [first, second, other] {
        assert_eq!(put.await.unwrap(), 201);
    }
    assert_eq!(lines(&origin), ["PUT /slow/7/b HTTP/1.1"]);
}

#[tokio::test]
async fn each_route_has_its_upstream_and_its_demands() {
    let (main, billing) = (
        Scripted::start(Tags::Versions, false).await,
        Scripted::start(Tags::Versions, false).await,
    );
    let gateway = with_file(&format!(
        r#"
upstream = "http://{}"
[upstreams.billing]
url = "http://{}"
[[route]]
path = "/invoices/{{rest*}}"
upstream = "billing"
[[route]]
path = "/strict/{{id}}"
unguarded = "refuse"
principal = "x-user"
max_content = "100B"
"#,
        main.authority, billing.authority
    ));
    billing.plant("/invoices/1", json!({"a": 1, "b": 1}));
    main.plant("/strict/1", json!({"a": 1, "b": 1}));
    let mut one = Client::new(&gateway.authority).with("x-write", "one");
    let mut two = Client::new(&gateway.authority);
    assert_eq!(one.get("/invoices/1").await.status, 200);
    assert_eq!(one.put("/invoices/1", &[], &json!({"a": 2, "b": 1})).await.status, 200);
    assert_eq!(billing.performed("one").await, 1);
    // Read as one user, written as another: not their base.
    two.send(http::Method::GET, "/strict/1", &[("x-user", "ann")], "").await;
    let edit = json!({"a": 2, "b": 1});
    assert_eq!(two.put("/strict/1", &[("x-user", "bob")], &edit).await.status, 428);
    assert_eq!(two.put("/strict/1", &[("x-user", "ann")], &edit).await.status, 200);
    assert_eq!(
        two.put("/strict/1", &[("x-user", "ann")], &json!({"a": "x".repeat(100)}))
            .await
            .status,
        413
    );
}

#[tokio::test]
async fn reading_anew_drops_no_request() {
    let (old, new) = (
        Scripted::start(Tags::Versions, false).await,
        Scripted::start(Tags::Versions, false).await,
    );
    let file = |origin: &Scripted, more: &str| format!("upstream = \"http://{}\"\n{more}", origin.authority);
    let mut gateway = with_file(&file(&old, ""));
    let path = gateway.folder.as_ref().unwrap().path().join("t.toml");
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(watch::channel(0).0);
    let load: Vec<_> = (0..8)
        .map(|n| {
            let (stop, done, authority) = (Arc::clone(&stop), Arc::clone(&done), gateway.authority.clone());
            tokio::spawn(async move {
                let mut client = Client::new(authority).with("x-write", &format!("w{n}"));
                while !stop.load(Ordering::Relaxed) {
                    let got = client.put(&format!("/docs/{n}"), &[], &json!({"n": n})).await;
                    assert!(got.status.is_success(), "{}: {:?}", got.status, got.content);
                    done.send_modify(|done| *done += 1);
                }
            })
        })
        .collect();
    for round in 0..6 {
        let origin = if round % 2 == 0 { &new } else { &old };
        std::fs::write(
            &path,
            file(origin, "[[route]]\npath = \"/docs/{id}\"\netag = \"version\"\n"),
        )
        .unwrap();
        gateway.signal("HUP");
        gateway.hear("read t.toml anew: 1 route in force").await;
        let now = *done.borrow();
        done.subscribe().wait_for(|done| *done >= now + 32).await.unwrap();
    }
    std::fs::write(&path, file(&new, "[defaults]\npatience = \"soon\"\n")).unwrap();
    gateway.signal("HUP");
    gateway
        .hear("the configuration stays as it was: failed to use t.toml: 1 mistake")
        .await;
    std::fs::write(&path, format!("max_connections = 77\n{}", file(&new, ""))).unwrap();
    gateway.signal("HUP");
    gateway
        .hear("`max_connections` has another value now, which takes effect at the next start")
        .await;
    gateway.hear("0 routes in force").await;
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.unwrap();
    }
    let (mut before, mut after) = (0, 0);
    for n in 0..8 {
        let write = format!("w{n}");
        before += old.performed(&write).await;
        after += new.performed(&write).await;
    }
    assert_eq!(
        before + after,
        *done.borrow(),
        "each write was performed once, whichever was in force"
    );
    assert!(before > 0 && after > 0, "{before} {after}");
}

/// Whatever is wrong with a URL, the password in it is not repeated.
#[test]
fn passwords_in_urls_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let setting =
        "upstream = \"http://me:hunter2@h\"\nno = \"http://me:hunter2@h\"\nlisten = \"http://me:hunter2@h\"\n";
    write(
        "t.toml",
        &format!("{setting}[upstreams.x]\nurl = \"me:hunter2@h\"\nhttp2 = \"http://hunter2@h\"\n"),
    );
    write(
        "in.ndjson",
        "{\"url\":\"http://me:hunter2@h/x\",\"body\":{}}\n{\"url\":\"http://me:hunter2 é@h/x\",\"body\":{}}\n",
    );
    let url = "http://me:hunter2@127.0.0.1:1";
    for command in [
        &["serve", "--upstream", url][..],
        &["serve", "--upstream", "me:hunter2@h"],
        &["serve", "--listen", url],
        &["serve", "--admin", url],
        &["serve", "--admin", "off", "--ledger", "postgre://me:hunter2@h/db"],
        &[
            "serve",
            "--admin",
            "off",
            "--ledger",
            "postgres://me:hunter2@h:99999/db",
        ],
        &["serve", "--config", "t.toml"],
        &["config", "check", "t.toml"],
        &["config", "show", "--config", "t.toml"],
        &["doubts", "list", "--admin", url],
        &["doubts", "list", "--ledger", "postgres://me:hunter2@127.0.0.1:1/db"],
        &["probe", url],
        &["submit", "in.ndjson"],
        &["submit", "in.ndjson", "--to", url],
        &["explain", url],
    ] {
        let out = tiebreak(folder.path(), command);
        let told = text(&out.stdout) + &text(&out.stderr);
        assert_ne!(out.status.code(), Some(0), "{command:?}: {told}");
        assert!(!told.contains("hunter2"), "{command:?}: {told}");
    }
    // What was said of the lines is in files, too.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let known = ["t.toml", "in.ndjson"].iter().any(|name| path.ends_with(name));
        assert!(
            known || !String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("hunter2"),
            "{path:?}"
        );
    }
}
