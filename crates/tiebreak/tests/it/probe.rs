//! `tiebreak probe` against origins that honour much, little, or only nearly.

use std::convert::Infallible;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::scripted::{Scripted, Tags};

async fn probe(args: Vec<String>) -> Output {
    let run = move || {
        Command::new(env!("CARGO_BIN_EXE_tiebreak"))
            .arg("probe")
            .args(args)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// What it found, as JSON.
async fn found(args: &[&str]) -> Value {
    let mut args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    args.push("--json".to_owned());
    let out = probe(args).await;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn answer<'f>(found: &'f Value, question: &str) -> &'f str {
    let findings = found["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|f| f["question"] == question)
        .unwrap_or_else(|| panic!("{question} is not among {findings:?}"))["answer"]
        .as_str()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_honours_all_of_it() {
    let origin = Gateway::start(&["--ledger", "memory", "--data", "memory"]);
    let mut client = Client::new(&origin.authority);
    let document = r#"{"title": "the first", "note": null}"#;
    let json = [("content-type", "application/json")];
    client.send(Method::PUT, "/pages/scratch", &json, document).await;
    let folder = tempfile::tempdir().unwrap();
    let item = folder.path().join("item.json");
    std::fs::write(&item, r#"{"title": "item {n}"}"#).unwrap();
    let pages = format!("http://{}/pages", origin.authority);
    let scratch = format!("{pages}/scratch");
    let args = [&scratch, "--collection", &pages, "--item", item.to_str().unwrap()];

    let found = found(&args).await;
    assert_eq!(
        found["route"],
        json!({ "path": "/pages/{id}", "etag": "version", "honours_keys": true })
    );
    assert!(answer(&found, "writes at once under one tag").contains("never was more than one applied"));
    assert!(answer(&found, "a used key with another item").starts_with("answered with 422"));
    // It left everything as it was.
    let back = client.send(Method::GET, "/pages/scratch", &[], "").await;
    assert_eq!(back.json(), json!({ "title": "the first", "note": null }));
    let listed = client.send(Method::GET, "/pages", &[], "").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");

    // Its TOML is a configuration.
    let out = probe(args.iter().map(|a| (*a).to_owned()).collect()).await;
    let toml = folder.path().join("route.toml");
    std::fs::write(&toml, &out.stdout).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .args(["config", "check"])
        .arg(&toml)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_come_back_and_tags_that_are_not_there() {
    for (tags, etag, told) in [
        (Tags::Digests, "digest", "came back with its content"),
        (Tags::Versions, "version", "did not come back"),
        (Tags::None, "auto", "none"),
    ] {
        let origin = Scripted::start(tags, false).await;
        origin.plant("/docs/a", json!({ "title": "x" }));
        let found = found(&[&format!("http://{}/docs/a", origin.authority)]).await;
        assert_eq!(found["route"]["etag"], etag, "{found:#}");
        assert!(answer(&found, "entity tags").contains(told), "{found:#}");
        let enforced = answer(&found, "If-Match, a tag that never was").starts_with("enforced");
        assert_eq!(enforced, tags != Tags::None, "{found:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_origin_adds_is_said() {
    let origin = Scripted::start(Tags::Versions, true).await;
    origin.plant("/docs/a", json!({ "title": "x", "count": 7 }));
    let found = found(&[&format!("http://{}/docs/a", origin.authority)]).await;
    let kept = answer(&found, "what it keeps");
    assert!(kept.contains("with more members: /stored_by"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_compares_and_then_writes_is_caught() {
    let origin = compares_and_then_writes().await;
    let found = found(&[&format!("http://{origin}/doc"), "--rounds", "3", "--racers", "4"]).await;
    assert!(
        answer(&found, "If-Match, an old tag").starts_with("enforced"),
        "{found:#}"
    );
    let race = answer(&found, "writes at once under one tag");
    assert!(race.contains("MORE than one was applied"), "{race}");
    assert_eq!(found["route"]["etag"], "digest", "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_probed_is_said() {
    let origin = Scripted::start(Tags::Versions, false).await;
    origin.plant("/docs/list", json!([1, 2]));
    let at = |path: &str| format!("http://{}{path}", origin.authority);
    for (url, code, says) in [
        ("example.com/x".to_owned(), 2, "write it like http://host/path"),
        (at("/docs/nothing"), 2, "say with --content FILE"),
        (at("/docs/list"), 2, "name one with --member"),
        ("http://127.0.0.1:1/x".to_owned(), 3, "refused the connection"),
    ] {
        let out = probe(vec![url]).await;
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// One document whose version is compared first and counted up later, not in one step.
async fn compares_and_then_writes() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let state = Arc::new(Mutex::new((1_u64, json!({ "title": "x" }))));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let service = service_fn(move |request| written_late(Arc::clone(&state), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    authority
}

async fn written_late(
    state: Arc<Mutex<(u64, Value)>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let content = body.collect().await.unwrap().to_bytes();
    let tagged = |version: u64| format!("\"{version}\"");
    if head.method == Method::PUT {
        let current = tagged(state.lock().unwrap().0);
        if head.headers.get("if-match").is_some_and(|tag| tag != current.as_str())
            || head.headers.contains_key("if-none-match")
        {
            return Ok(Response::builder().status(412).body(Full::default()).unwrap());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut state = state.lock().unwrap();
        *state = (state.0 + 1, serde_json::from_slice(&content).unwrap());
    }
    let (version, document) = state.lock().unwrap().clone();
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("etag", tagged(version));
    Ok(response.body(Full::from(document.to_string())).unwrap())
}
