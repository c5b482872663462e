//! Writes with more content than the bound, on a route that lets them pass unprotected.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::Gateway;
use crate::http::Client;
use crate::recorder::{Received, Recorder};
use crate::wire::exchange;

/// A gateway whose bound is 1 KiB, and whose route `/files` lets more than that pass.
fn gateway(authority: &str, more: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"http://{authority}\"\nledger = \"memory\"\n[defaults]\nmax_content = \"1KiB\"\nlate_after = \"1s\"\n\
         [[route]]\npath = \"/files/{{rest*}}\"\nover_bound = \"pass\"\n{more}"
    );
    std::fs::write(folder.path().join("tiebreak.toml"), config).unwrap();
    Gateway::start_in(folder, &["--config", "tiebreak.toml", "--admin", "127.0.0.1:0"])
}

fn applies(method: &str, path: &str) -> String {
    match (method, path) {
        ("PUT", "/files/unavailable") => {
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".into()
        }
        ("PUT", "/files/taken") => "HTTP/1.1 409 Conflict\r\ncontent-length: 5\r\n\r\ntaken".into(),
        _ => "HTTP/1.1 201 Created\r\netag: \"v1\"\r\nlocation: /files/1\r\ncontent-length: 4\r\n\r\nmade".into(),
    }
}

fn large() -> String {
    "0123456789abcdef".repeat(512)
}

fn told(path: &str, fields: &str, content: &str) -> String {
    let length = content.len();
    format!(
        "PUT {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n{content}"
    )
}

fn chunked(path: &str, fields: &str, content: &str) -> String {
    let mut request =
        format!("PUT {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
    for chunk in content.as_bytes().chunks(700) {
        let text = str::from_utf8(chunk).unwrap();
        request.push_str(&format!("{:x}\r\n{text}\r\n", chunk.len()));
    }
    request + "0\r\n\r\n"
}

/// The content without the marks of chunks.
fn content(received: &Received) -> String {
    let mut left = str::from_utf8(&received.content).unwrap();
    if !received.fields.iter().any(|(name, _)| name == "transfer-encoding") {
        return left.to_owned();
    }
    let mut content = String::new();
    while let Some((size, rest)) = left.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        content.push_str(&rest[..size]);
        left = &rest[size + 2..];
    }
    content
}

fn field<'a>(received: &'a Received, name: &str) -> &'a str {
    let found = received.fields.iter().find(|(n, _)| n == name);
    found.map_or("", |(_, value)| value)
}

fn has(answer: &str, status: &str, words: &[&str]) {
    assert_eq!(answer.get(9..12), Some(status), "{answer}");
    for word in words {
        assert!(answer.contains(word), "{word}: {answer}");
    }
}

async fn last_story(gateway: &Gateway) -> Value {
    let mut admin = Client::new(gateway.admin.clone().unwrap());
    let listed = admin.get("/api/stories?limit=1").await.json();
    let id = listed["stories"][0]["id"].as_str().unwrap();
    admin.get(&format!("/api/stories/{id}")).await.json()
}

async fn metrics(gateway: &Gateway) -> String {
    let mut admin = Client::new(gateway.admin.clone().unwrap());
    String::from_utf8(admin.get("/metrics").await.content.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn content_over_the_bound_passes_as_it_came_and_the_answer_says_that_nothing_protects_it() {
    let origin = Recorder::start(applies).await;
    let gateway = gateway(&origin.authority, "");
    let large = large();
    let fields = "X-Own: 1\r\nPrefer: tiebreak=rebase, return=minimal\r\nTiebreak: mine\r\n";
    for request in [told("/files/a", fields, &large), chunked("/files/a", fields, &large)] {
        let answer = exchange(&gateway.authority, &[request.as_bytes()]).await;
        has(
            &answer,
            "201",
            &[
                "tiebreak: applied; attempts=1; guarantee=D; id=\"",
                "; unprotected\r\n",
                "via: 1.1 tiebreak",
                "made",
            ],
        );
        let received = origin.take().pop().unwrap();
        assert_eq!(received.line, "PUT /files/a HTTP/1.1");
        assert!(content(&received) == large, "{} bytes came", received.content.len());
        assert_eq!(field(&received, "via"), "1.1 tiebreak");
        assert!(field(&received, "forwarded").contains("host=\"api\""), "{received:?}");
        assert_eq!(
            (
                field(&received, "x-own"),
                field(&received, "prefer"),
                field(&received, "tiebreak")
            ),
            ("1", "return=minimal", "")
        );
    }
    let story = last_story(&gateway).await;
    let whats: Vec<&str> = story["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["what"].as_str().unwrap())
        .collect();
    assert_eq!(whats, ["passed", "answered", "told"], "{story:#}");
    assert_eq!(story["events"][2]["unprotected"], true, "{story:#}");
    let metrics = metrics(&gateway).await;
    for line in [
        "tiebreak_steps_total{step=\"passed\"} 2",
        "tiebreak_writes_total{outcome=\"applied\",class=\"none\",guarantee=\"D\"} 2",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}: {metrics}");
    }
    // What is within the bound is protected here as elsewhere.
    let small = exchange(&gateway.authority, &[told("/files/a", "", "{}").as_bytes()]).await;
    has(&small, "201", &["tiebreak: applied"]);
    assert!(!small.contains("unprotected"), "{small}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_kept_in_passing_is_refused_and_nothing_is_sent() {
    let origin = Recorder::start(applies).await;
    let large = large();
    let cases = [
        (
            "",
            "Idempotency-Key: \"8e03978e-40d5-43dd-bc93-6894a57f9324\"\r\n",
            "413",
            "its key could not be kept",
        ),
        ("key = \"derived\"\n", "", "413", "its key could not be kept"),
        ("least = \"C\"\n", "If-Match: \"v1\"\r\n", "412", "guarantee-too-weak"),
        ("unguarded = \"refuse\"\n", "", "428", "it names no version"),
        (
            "virtual_tags = \"bytes\"\n",
            "If-Match: \"v1\"\r\n",
            "413",
            "could not be compared",
        ),
    ];
    for (setting, fields, status, words) in cases {
        let gateway = gateway(&origin.authority, setting);
        for request in [told("/files/a", fields, &large), chunked("/files/a", fields, &large)] {
            let answer = exchange(&gateway.authority, &[request.as_bytes()]).await;
            has(&answer, status, &["tiebreak: not-sent", words, "nothing was sent"]);
        }
    }
    // A version that the client names itself is the origin's to compare.
    let gateway = gateway(&origin.authority, "unguarded = \"refuse\"\n");
    assert!(origin.take().is_empty());
    let request = told("/files/a", "If-Match: \"v0\"\r\n", &large);
    has(
        &exchange(&gateway.authority, &[request.as_bytes()]).await,
        "201",
        &["unprotected"],
    );
    assert_eq!(field(&origin.take()[0], "if-match"), "\"v0\"");
    // Elsewhere the bound holds.
    let request = told("/other", "", &large);
    has(
        &exchange(&gateway.authority, &[request.as_bytes()]).await,
        "413",
        &["too-large"],
    );
    assert!(origin.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_doubts_are_told_as_what_they_are() {
    let origin = Recorder::start(applies).await;
    let gateway = gateway(&origin.authority, "");
    let large = large();
    let refused = exchange(&gateway.authority, &[told("/files/taken", "", &large).as_bytes()]).await;
    has(
        &refused,
        "409",
        &["tiebreak: refused; attempts=1; guarantee=D", "unprotected", "taken"],
    );
    let doubtful = exchange(&gateway.authority, &[told("/files/unavailable", "", &large).as_bytes()]).await;
    has(
        &doubtful,
        "503",
        &["tiebreak: in-doubt; attempts=1", "unprotected", "x-should-retry: false"],
    );
    assert!(!doubtful.contains("retry-after"), "{doubtful}");
}

/// Reads until so many bytes have come.
async fn read_some(stream: &mut TcpStream, at_least: usize) -> String {
    let mut all = Vec::new();
    while all.len() < at_least {
        assert!(
            stream.read_buf(&mut all).await.unwrap() > 0,
            "it ended after {} bytes",
            all.len()
        );
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_to_be_over_while_it_comes_is_held_no_longer() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = gateway(&origin.local_addr().unwrap().to_string(), "");
    let mut client = TcpStream::connect(&gateway.authority).await.unwrap();
    let first = "a".repeat(2000);
    let head = "PUT /files/a HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n";
    client
        .write_all(format!("{head}7d0\r\n{first}\r\n").as_bytes())
        .await
        .unwrap();
    // The origin has all that came, before there is more.
    let (mut held, _) = origin.accept().await.unwrap();
    let begun = read_some(&mut held, 2000).await;
    assert!(begun.contains("transfer-encoding: chunked"), "{begun}");
    client.write_all(b"3\r\nend\r\n0\r\n\r\n").await.unwrap();
    let mut all = begun;
    while !all.ends_with("0\r\n\r\n") {
        all.push_str(&read_some(&mut held, 1).await);
    }
    assert!(all.contains("end"), "{all}");
    // It is applied, and the answer gets lost.
    drop(held);
    let mut answer = vec![0; 4096];
    let n = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..n]);
    has(
        &answer,
        "504",
        &["in-doubt", "unprotected", "read the resource before you send it again"],
    );
    assert_eq!(last_story(&gateway).await["events"][1]["what"], "lost");
    // It was sent once.
    let mut second = std::pin::pin!(origin.accept());
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_the_middle_leaves_nothing_whole_behind() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = gateway(&origin.local_addr().unwrap().to_string(), "");
    let mut client = TcpStream::connect(&gateway.authority).await.unwrap();
    let head = "PUT /files/a HTTP/1.1\r\nHost: api\r\nContent-Length: 5000\r\n\r\n";
    client
        .write_all(format!("{head}{}", "a".repeat(2000)).as_bytes())
        .await
        .unwrap();
    let (mut held, _) = origin.accept().await.unwrap();
    read_some(&mut held, 2000).await;
    drop(client);
    let mut rest = Vec::new();
    let _ended = held.read_to_end(&mut rest).await;
    gateway.reaches("tiebreak_running", 0).await;
    let story = last_story(&gateway).await;
    assert_eq!(
        (&story["events"][1]["what"], &story["events"][2]["outcome"]),
        (&"lost".into(), &"in-doubt".into())
    );
}
