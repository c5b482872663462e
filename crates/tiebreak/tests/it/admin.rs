//! The admin listener: who may ask, and what is said of health.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use http::Method;

use crate::gateway::Gateway;
use crate::http::{Client, Got};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn console(args: &[&str]) -> (Gateway, Client) {
    let mut all = vec!["--ledger", "memory", "--data", "memory", "--admin", "127.0.0.1:0"];
    all.extend_from_slice(args);
    let gateway = Gateway::start(&all);
    let client = Client::new(gateway.admin.clone().unwrap());
    (gateway, client)
}

/// A token file that its owner alone can read.
fn token_file(folder: &std::path::Path, mode: u32) -> String {
    let path = folder.join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

/// What `serve` says when it does not start.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--ledger",
            "memory",
            "--data",
            "memory",
        ])
        .args(args)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn carries_the_fields(got: &Got) {
    let policy = got.field("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy:?}");
    assert!(!policy.contains("unsafe"), "{policy:?}");
    assert_eq!(got.field("x-content-type-options"), "nosniff");
    assert_eq!(got.field("cache-control"), "no-store");
    assert!(!got.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn health_and_readiness_are_told() {
    let (_gateway, mut client) = console(&[]);
    let live = client.get("/healthz").await;
    assert_eq!((live.status.as_u16(), &live.json()["live"]), (200, &true.into()));
    carries_the_fields(&live);
    let ready = client.get("/readyz").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(ready.json()["ledger"], "takes claims");
    let nothing = client.get("/nothing").await;
    assert_eq!(nothing.status, 404);
    carries_the_fields(&nothing);
    assert_eq!(client.post("/healthz", &[], &serde_json::json!({})).await.status, 405);
}

#[tokio::test]
async fn a_name_that_others_can_point_here_is_refused() {
    let (gateway, _) = console(&["--admin-host", "console.example"]);
    for (host, status) in [
        ("evil.example", 421),
        ("localhost:1", 200),
        ("console.example", 200),
        ("127.0.0.1.evil.example", 421),
    ] {
        let address = gateway.admin.clone().unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
            .await
            .unwrap();
        assert_eq!(&answer[9..12], status.to_string(), "{host}: {answer}");
        assert!(
            answer.contains("content-security-policy: default-src 'none'"),
            "{host}: {answer}"
        );
    }
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let (_gateway, mut client) = console(&[]);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [
        vec![form, ("origin", "http://evil.example")],
        vec![form, ("sec-fetch-site", "cross-site")],
        vec![form, ("origin", "null")],
    ];
    for fields in foreign {
        let got = client.send(Method::POST, "/login", &fields, "token=x").await;
        assert_eq!(got.status, 403, "{fields:?}");
        assert!(
            got.json()["detail"].as_str().unwrap().contains("another site"),
            "{got:?}"
        );
    }
    let embedded = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(client.send(Method::GET, "/readyz", &embedded, "").await.status, 403);
}

#[tokio::test]
async fn with_a_token_only_who_brings_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(folder.path(), 0o600);
    let (_gateway, mut client) = console(&["--admin-token-file", &file]);
    assert_eq!(client.get("/healthz").await.status, 200, "probes carry no token");
    let without = client.get("/anything").await;
    assert_eq!(
        (without.status.as_u16(), without.field("www-authenticate")),
        (401, "Bearer")
    );
    let browser = client.send(Method::GET, "/", &[("accept", "text/html,*/*")], "").await;
    assert_eq!((browser.status.as_u16(), browser.field("location")), (303, "/login"));
    let wrong = [("authorization", "Bearer 0123456789abcdef0123456789abcdeg")];
    assert_eq!(client.send(Method::GET, "/anything", &wrong, "").await.status, 401);
    let right = format!("Bearer {TOKEN}");
    let right = [("authorization", right.as_str())];
    assert_eq!(client.send(Method::GET, "/anything", &right, "").await.status, 404);

    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        client.send(Method::POST, "/login", &form, "token=guess").await.status,
        403
    );
    let entered = client
        .send(Method::POST, "/login", &form, format!("token={TOKEN}"))
        .await;
    assert_eq!(entered.status, 303);
    let cookie = entered.field("set-cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(TOKEN));
    let cookie = [("cookie", cookie.split(';').next().unwrap())];
    assert_eq!(client.send(Method::GET, "/anything", &cookie, "").await.status, 404);
}

#[test]
fn what_is_unsafe_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(folder.path(), 0o600);
    let other = tempfile::tempdir().unwrap();
    let open = token_file(other.path(), 0o644);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let short = folder.path().join("short");
    std::fs::write(&short, "hunter2").unwrap();
    std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (args, code, words) in [
        (vec!["--admin", "0.0.0.0:0"], 2, "--admin-token-file"),
        (
            vec!["--admin", "0.0.0.0:0", "--admin-token-file", &file],
            2,
            "--admin-insecure",
        ),
        (vec!["--admin-token-file", &open], 2, "chmod 600"),
        (vec!["--admin-token-file", short.to_str().unwrap()], 2, "openssl rand"),
        (vec!["--admin-token-file", "/nowhere/token"], 2, "/nowhere/token"),
        (vec!["--admin", "nowhere"], 2, "`off`"),
        (vec!["--admin", &taken], 1, "another process listens there"),
    ] {
        let (ended, told) = refused(&args);
        assert_eq!(ended, Some(code), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
        assert!(!told.contains(TOKEN) && !told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn any_address_is_served_with_a_token_where_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(folder.path(), 0o600);
    let args = [
        "--ledger",
        "memory",
        "--data",
        "memory",
        "--admin",
        "0.0.0.0:0",
        "--admin-insecure",
    ];
    let gateway = Gateway::start(&[&args[..], &["--admin-token-file", &file]].concat());
    let port = gateway.admin.clone().unwrap();
    let port = port.rsplit(':').next().unwrap();
    let mut client = Client::new(format!("127.0.0.1:{port}"));
    assert_eq!(client.get("/healthz").await.status, 200);
    assert_eq!(client.get("/anything").await.status, 401);
}
