//! 202 (Accepted): said, replayed, and followed to its end.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use serde_json::json;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::recorder::Recorder;

fn with(status: &str, fields: &str, content: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{content}",
        content.len()
    )
}

fn gateway(origin: &Recorder, route: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "upstream = \"http://{}/v1\"\nledger = \"memory\"\n[defaults]\n{route}\n",
        origin.authority
    );
    std::fs::write(folder.path().join("t.toml"), text).unwrap();
    Gateway::start_in(folder, &["--config", "t.toml"])
}

fn accepts(method: &str, _path: &str) -> String {
    assert_eq!(method, "POST");
    with(
        "202 Accepted",
        "Operation-Location: /v1/ops/1\r\nRetry-After: 7\r\n",
        "taken",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_said_and_replayed_with_its_monitor() {
    let origin = Recorder::start(accepts).await;
    let gateway = gateway(&origin, "late_after = \"0s\"");
    let mut client = Client::new(&gateway.authority);
    let fields = [
        ("idempotency-key", "\"5e2f1f0c-4a0e-4d0a-9a3b-1f4a6f0f8b11\""),
        ("prefer", "respond-async, wait=5"),
    ];
    for replayed in ["", "true"] {
        let got = client.post("/machines", &fields, &json!({"size": 1})).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (202, "accepted"), "{got:?}");
        assert_eq!(got.field("idempotency-replayed"), replayed);
        assert_eq!(got.field("operation-location"), "/ops/1", "as the gateway knows it");
        assert_eq!((got.field("retry-after"), &got.content[..]), ("7", &b"taken"[..]));
    }
    let received = origin.take();
    assert_eq!(received.len(), 1, "{received:?}");
    let prefer = received[0].fields.iter().find(|(name, _)| name == "prefer");
    assert_eq!(prefer.map(|(_, value)| value.as_str()), Some("respond-async, wait=5"));
}

/// The monitor is asked twice before the operation has ended.
fn succeeds(method: &str, path: &str) -> String {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    match (method, path) {
        ("PUT", "/v1/machines/a") => with("202 Accepted", "Location: /v1/ops/1\r\nRetry-After: 0\r\n", ""),
        ("GET", "/v1/ops/1") if ASKED.fetch_add(1, Ordering::AcqRel) < 2 => with(
            "200 OK",
            "Content-Type: application/json\r\nRetry-After: 0\r\n",
            "{\"status\":\"Running\"}",
        ),
        ("GET", "/v1/ops/1") => with(
            "200 OK",
            "Content-Type: application/json\r\nETag: \"m\"\r\n",
            "{\"size\":1}",
        ),
        _ => with("404 Not Found", "", ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_followed_to_its_end() {
    let origin = Recorder::start(succeeds).await;
    let gateway = gateway(&origin, "follow_202 = true");
    let mut client = Client::new(&gateway.authority).with("authorization", "Bearer t");
    let got = client.put("/machines/a", &[], &json!({"size": 1})).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{got:?}");
    assert_eq!(got.json(), json!({"size": 1}));
    assert_eq!(got.field("content-location"), "/ops/1");
    assert_eq!(got.field("etag"), "", "it would be taken for the machine's");
    let asked = origin.take();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked[3].fields.contains(&("authorization".into(), "Bearer t".into())));
}

fn fails(method: &str, _path: &str) -> String {
    match method {
        "DELETE" => with(
            "202 Accepted",
            "Azure-AsyncOperation: /v1/ops/2\r\nRetry-After: 0\r\n",
            "",
        ),
        _ => with(
            "200 OK",
            "Content-Type: application/json\r\n",
            "{\"status\":\"Failed\",\"error\":{\"code\":\"Locked\"}}",
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_fails_is_a_refusal() {
    let origin = Recorder::start(fails).await;
    let gateway = gateway(&origin, "follow_202 = true");
    let mut client = Client::new(&gateway.authority);
    let got = client.send(Method::DELETE, "/machines/a", &[], "").await;
    assert_eq!((got.status.as_u16(), got.outcome()), (409, "refused"), "{got:?}");
    let problem = got.json();
    assert!(
        problem["type"].as_str().unwrap().ends_with("/operation-failed"),
        "{problem}"
    );
    assert_eq!(problem["operation"]["error"]["code"], "Locked");
}
