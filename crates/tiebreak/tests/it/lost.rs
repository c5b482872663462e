//! Lost answers, over real sockets: never performed twice, never a false answer.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Fault, Scripted, Tags};
use crate::shared::join;

const FAULTS: [Fault; 5] = [
    Fault::LostAnswer,
    Fault::Late(Duration::from_millis(400)),
    Fault::Late(Duration::from_millis(1500)),
    Fault::Unavailable,
    Fault::Dropped,
];

const METHODS: [Method; 4] = [Method::PUT, Method::PATCH, Method::DELETE, Method::POST];

/// One write whose first attempt goes wrong; whether its caller had read the target before, and whether it says so.
async fn one(gateway: &str, origin: &Scripted, method: Method, fault: Fault, names_version: bool, name: &str) {
    let path = if method == Method::POST {
        "/things".to_owned()
    } else {
        format!("/things/{name}")
    };
    let mut worker = Client::new(gateway);
    let mut fields = vec![("x-write", name.to_owned()), ("x-fault", fault.word())];
    if method != Method::POST {
        origin.plant(&path, json!({"n": 1, "other": "o"}));
        let read = worker.get(&path).await;
        if names_version && !read.field("etag").is_empty() {
            fields.push(("if-match", read.field("etag").to_owned()));
        }
    }
    let kind = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    fields.push(("content-type", kind.to_owned()));
    let content = match method {
        Method::DELETE => String::new(),
        Method::PATCH => json!({ "n": 2 }).to_string(),
        _ => json!({"n": 2, "other": "o", "name": name}).to_string(),
    };
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let got: Got = worker.send(method.clone(), &path, &fields, content).await;
    let told = format!("{method} {fault:?} {name}: {} {:?}", got.status, got.field("tiebreak"));
    let performed = origin.performed(name).await;
    assert!(performed <= 1, "performed {performed} times: {told}");
    match got.outcome() {
        "applied" => assert_eq!(performed, 1, "a false success: {told}"),
        "refused" | "not-sent" => assert_eq!(performed, 0, "a false failure: {told}"),
        "in-doubt" => assert_eq!(got.status, 504, "{told}"),
        other => panic!("outcome {other}: {told}"),
    }
    let versioned = got.field("tiebreak").contains("guarantee=A");
    if versioned && method != Method::DELETE && method != Method::POST {
        assert_eq!(got.outcome(), "applied", "a version tag lets one know: {told}");
    }
}

async fn all(tags: Tags, normalises: bool) {
    let origin = Scripted::start(tags, normalises).await;
    let gateway = Gateway::start(&[
        "--upstream",
        &format!("http://{}", origin.authority),
        "--ledger",
        "memory",
        "--late-after",
        "4",
    ]);
    let cases = METHODS
        .into_iter()
        .flat_map(|m| FAULTS.map(|f| (m.clone(), f)))
        .flat_map(|(m, f)| [(m.clone(), f, true), (m, f, false)]);
    let (gateway, origin) = (&gateway.authority, &origin);
    join(cases.enumerate().map(|(n, (method, fault, names))| async move {
        one(gateway, origin, method, fault, names, &format!("w{n}")).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_with_version_tags() {
    all(Tags::Versions, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_with_digest_tags() {
    all(Tags::Digests, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_without_tags() {
    all(Tags::None, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_that_normalises_what_it_stores() {
    all(Tags::Versions, true).await;
}
