//! Bounds on clients: each has an answer that says which it was.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::Gateway;
use crate::http::Client;
use crate::wire::{Recorder, exchange};

async fn in_front_of(origin: &Recorder, args: &[&str]) -> Gateway {
    let mut all = vec!["--upstream", &origin.url, "--ledger", "memory"];
    all.extend_from_slice(args);
    Gateway::start(&all)
}

fn said(answer: &str, code: &str, problem: &str, words: &str) {
    assert_eq!(answer.get(9..12), Some(code), "{answer}");
    assert!(answer.contains(&format!("problems/{problem}\"")), "{answer}");
    assert!(answer.contains(words), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded_in_bytes_and_fields() {
    let origin = Recorder::start().await;
    let gateway = in_front_of(&origin, &["--max-head", "8"]).await;
    let long = format!("GET /x HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(9000));
    said(
        &exchange(&gateway.authority, &[long.as_bytes()]).await,
        "431",
        "head-too-large",
        "shorter fields",
    );
    let many = format!("GET /x HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: 1\r\n".repeat(100));
    said(
        &exchange(&gateway.authority, &[many.as_bytes()]).await,
        "431",
        "head-too-large",
        "100 header fields",
    );
    // One that never ends is not collected for ever either.
    let endless = "a".repeat(100_000);
    said(
        &exchange(&gateway.authority, &[endless.as_bytes()]).await,
        "431",
        "head-too-large",
        "shorter fields",
    );
    assert_eq!(origin.seen(), "");
    let most = format!(
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: {}\r\n{}\r\n",
        "a".repeat(7000),
        "X: 1\r\n".repeat(97)
    );
    assert_eq!(
        exchange(&gateway.authority, &[most.as_bytes()]).await.get(9..12),
        Some("204")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_slow_are_given_up() {
    let origin = Recorder::start().await;
    let gateway = in_front_of(
        &origin,
        &[
            "--head-timeout",
            "300ms",
            "--stall-timeout",
            "300ms",
            "--idle-timeout",
            "600ms",
        ],
    )
    .await;
    let half = exchange(&gateway.authority, &[b"GET /x HTTP/1.1\r\nHos"]).await;
    said(&half, "408", "too-slow", "the head of the request did not come in time");
    let half = exchange(
        &gateway.authority,
        &[b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{}"],
    )
    .await;
    said(&half, "408", "too-slow", "the content came too slowly");
    let begun = Instant::now();
    assert_eq!(
        exchange(&gateway.authority, &[b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"])
            .await
            .matches("HTTP/1.1")
            .count(),
        1
    );
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "the idle connection stayed open"
    );
    assert_eq!(origin.seen().matches("/x").count(), 1, "{}", origin.seen());
}

/// An origin whose answer never ends: it says how much of it was taken.
async fn endless() -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
            .await;
        let mut taken = 0;
        while let Ok(n) = stream.write(&[b'x'; 65536]).await {
            taken += n;
        }
        taken
    });
    (url, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_holds_back_the_origin_and_is_given_up() {
    let (url, taken) = endless().await;
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory", "--stall-timeout", "1"]);
    let mut stream = TcpStream::connect(&gateway.authority).await.unwrap();
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let taken = tokio::time::timeout(Duration::from_secs(20), taken)
        .await
        .unwrap()
        .unwrap();
    // What fits the buffers of three sockets; the rest was never taken into memory.
    assert!(
        taken < 64 << 20,
        "{taken} bytes were taken of an answer that nobody read"
    );
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_the_next_is_told_so() {
    let origin = Recorder::start().await;
    for args in [&["--max-connections", "2"][..], &["--max-connections-per-address", "2"]] {
        let gateway = in_front_of(&origin, args).await;
        let (mut one, mut two) = (Client::new(&gateway.authority), Client::new(&gateway.authority));
        assert_eq!(one.get("/x").await.status, 204);
        assert_eq!(two.get("/x").await.status, 204);
        let third = exchange(&gateway.authority, &[b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
        said(&third, "503", "busy", "connect");
        assert!(third.contains("retry-after: 1"), "{third}");
        drop(one);
        // The place is free as soon as the gateway has seen the end of the connection.
        let mut answer = String::new();
        for _ in 0..100 {
            answer = exchange(
                &gateway.authority,
                &[b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
            )
            .await;
            if answer.get(9..12) == Some("204") {
                break;
            }
        }
        assert_eq!(answer.get(9..12), Some("204"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_counted_and_told() {
    let origin = Recorder::start().await;
    for bound in ["max_connections", "max_connections_per_address"] {
        let flag = format!("--{}", bound.replace('_', "-"));
        let mut gateway = in_front_of(&origin, &[&flag, "1", "--admin", "127.0.0.1:0"]).await;
        let mut first = Client::new(&gateway.authority);
        assert_eq!(first.get("/x").await.status, 204);
        for _ in 0..2 {
            let refused = exchange(&gateway.authority, &[b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
            said(&refused, "503", "busy", "connect");
        }
        let told = gateway.hear("connections are refused").await;
        assert!(
            told.contains("count=1") && told.contains(&format!("{bound}=1")),
            "{told}"
        );
        gateway
            .reaches(&format!("tiebreak_at_bound_total{{bound=\"{bound}\"}}"), 2)
            .await;
        let ready = Client::new(gateway.admin.clone().unwrap()).get("/readyz").await;
        assert_eq!(ready.json()["connections_refused"], 2, "{ready:?}");
    }
}

/// An origin that begins an answer with this and says no more of it.
async fn stalls(begun: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(begun.as_bytes()).await;
            held.push(stream);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_stops_in_the_middle_is_cut_and_never_ended() {
    for begun in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n[1,",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n",
    ] {
        let url = stalls(begun).await;
        let folder = tempfile::tempdir().unwrap();
        let config = format!("upstream = \"{url}\"\nledger = \"memory\"\n[defaults]\nread_idle_timeout = \"100ms\"\n");
        std::fs::write(folder.path().join("t.toml"), config).unwrap();
        let mut gateway = Gateway::start_in(folder, &["--config", "t.toml", "--admin", "127.0.0.1:0"]);
        let mut stream = TcpStream::connect(&gateway.authority).await.unwrap();
        stream
            .write_all(b"GET /x?secret HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("[1,") || ended.is_err(), "{answer}");
        assert!(!answer.contains("\r\n0\r\n"), "it looks whole: {answer}");
        let told = gateway.hear("an answer was cut").await;
        assert!(told.contains("path=\"/x\"") && !told.contains("secret"), "{told}");
        gateway
            .reaches("tiebreak_at_bound_total{bound=\"read_idle_timeout\"}", 1)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writes_of_one_caller_are_bounded() {
    // An origin that never answers keeps the first write on its way.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory", "--max-writes-per-caller", "1"]);
    let mut first = TcpStream::connect(&gateway.authority).await.unwrap();
    let write = |who: &str| {
        format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {who}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        )
    };
    first.write_all(write("one").as_bytes()).await.unwrap();
    let (mut held, _) = silent.accept().await.unwrap();
    assert!(held.read(&mut [0; 4096]).await.unwrap() > 0);
    let second = exchange(&gateway.authority, &[write("one").as_bytes()]).await;
    said(&second, "429", "busy", "one caller");
    assert!(second.contains("retry-after: 1"), "{second}");
    // Another caller is not concerned.
    let mut other = TcpStream::connect(&gateway.authority).await.unwrap();
    other.write_all(write("two").as_bytes()).await.unwrap();
    let (mut held, _) = silent.accept().await.unwrap();
    assert!(held.read(&mut [0; 4096]).await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_over_the_bound_is_refused_so_that_the_client_can_read_why() {
    let origin = Recorder::start().await;
    let gateway = in_front_of(&origin, &["--max-content", "1"]).await;
    let head = "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let large = "x".repeat(3 << 20);
    let told = format!("{head}Content-Length: {}\r\n\r\n{large}", large.len());
    said(
        &exchange(&gateway.authority, &[told.as_bytes()]).await,
        "413",
        "too-large",
        "nothing was sent",
    );
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    said(
        &exchange(&gateway.authority, &[chunked.as_bytes()]).await,
        "413",
        "too-large",
        "nothing was sent",
    );
    assert_eq!(origin.seen(), "");
}
