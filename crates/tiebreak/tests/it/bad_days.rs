//! What goes wrong around a gateway, and what it says.

use std::process::{Command, Stdio};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::{Client, Got};

/// A server that reads a request, says `reply`, and closes.
async fn says(reply: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 65536]).await;
            let _ = stream.write_all(&reply).await;
        }
    });
    url
}

async fn put_at(url: &str) -> Got {
    let gateway = Gateway::start(&["--upstream", url, "--ledger", "memory", "--late-after", "1"]);
    Client::new(&gateway.authority)
        .put("/thing", &[], &json!({"a": 1}))
        .await
}

fn problem(got: &Got) -> String {
    let kind = got.json()["type"].as_str().unwrap().to_owned();
    format!(
        "{} {} {}",
        got.status.as_u16(),
        kind.rsplit('/').next().unwrap(),
        got.outcome()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_sends_garbage_or_closes_early_leaves_the_write_in_doubt() {
    let twice = b"HTTP/1.1 409 Conflict\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc";
    for reply in [&b"SSH-2.0-OpenSSH\r\n\r\n"[..], b"", b"HTTP/1.1 200", twice] {
        let got = put_at(&says(reply.to_vec()).await).await;
        assert_eq!(problem(&got), "504 in-doubt in-doubt", "{reply:?}: {got:?}");
        assert_eq!(got.field("x-should-retry"), "false");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_or_too_large_was_given_all_the_same() {
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec();
    let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n".to_vec();
    large.resize(large.len() + 20_000_000, b'x');
    for reply in [short, large] {
        let got = put_at(&says(reply).await).await;
        assert_eq!(problem(&got), "502 bad-answer applied", "{got:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_is_down_is_said_to_be_and_nothing_was_sent() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let got = put_at(&format!("http://{nobody}")).await;
    assert_eq!(problem(&got), "502 origin-unreachable not-sent", "{got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_says_why_and_what_to_do() {
    let running = Gateway::start(&["--upstream", "http://127.0.0.1:1"]);
    let here = running.folder.as_ref().unwrap().path();
    let said = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiebreak"));
        let output = command
            .arg("serve")
            .args(args)
            .current_dir(here)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (args, code, words) in [
        (
            vec!["--listen", &running.authority, "--ledger", "memory", "--data", "memory"],
            1,
            "choose another address with --listen",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1"],
            1,
            "another process uses it",
        ),
        (
            vec!["--upstream", "ftp://example.com"],
            2,
            "it must begin with http:// or https://",
        ),
        (
            vec!["--upstream", "http://user@example.com"],
            2,
            "send credentials in the Authorization field",
        ),
        (vec!["--listen", "nowhere"], 2, "--listen"),
    ] {
        let (ended, told) = said(&args);
        assert_eq!(ended, Some(code), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_mean_two_things_are_refused() {
    let gateway = Gateway::start(&["--ledger", "memory", "--data", "memory"]);
    let head = "PUT /things/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for (request, status) in [
        (format!("{head}Host: b\r\nContent-Length: 2\r\n\r\n{{}}"), "400"),
        (
            format!("{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
            "400",
        ),
        (
            format!("{head}Idempotency-Key: \"\"\r\nContent-Length: 2\r\n\r\n{{}}"),
            "400",
        ),
        (format!("{head}If-Match: v7\r\nContent-Length: 2\r\n\r\n{{}}"), "400"),
        (format!("{head}Content-Length: 999999999\r\n\r\n"), "413"),
        (format!("{head}Content-Length: 2\r\n\r\n{{}}"), "201"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&gateway.authority).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 16];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&String::from_utf8_lossy(&answer)[9..12], status, "{request}");
    }
}
