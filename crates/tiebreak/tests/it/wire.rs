//! Bytes on the wire that two readers could understand in two ways, against the real binary in front of an origin that
//! writes down whatever reaches it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::Gateway;

/// An origin that answers every head with 204, and keeps all bytes that came.
pub struct Recorder {
    pub url: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    pub async fn start() -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 65536];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        seen.lock().unwrap().extend_from_slice(&buffer[..n]);
                        let heads = memchr::memmem::find_iter(&buffer[..n], b"\r\n\r\n").count();
                        for _ in 0..heads {
                            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                        }
                    }
                });
            }
        });
        Recorder { url, seen }
    }

    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

/// Sends the pieces with a pause between them (nothing that is asserted depends on it: pieces that come together are judged
/// the same), and reads until the gateway closes, or for long enough.
pub async fn exchange(authority: &str, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for (n, piece) in pieces.iter().enumerate() {
        if n > 0 {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let _ = stream.write_all(piece).await;
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

/// What is refused, by the method it is sent with: a read streams through, a write is taken in first.
fn malformed(method: &str) -> Vec<(&'static str, String)> {
    let with = |fields: &str, content: &str| format!("{method} /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n{content}");
    let chunked = |content: &str| with("Transfer-Encoding: chunked\r\n", content);
    vec![
        (
            "conflicting lengths",
            with("Content-Length: 2\r\nContent-Length: 3\r\n", "{}x"),
        ),
        (
            "the same length twice",
            with("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"),
        ),
        ("a list of lengths", with("Content-Length: 2, 2\r\n", "{}")),
        ("a signed length", with("Content-Length: +2\r\n", "{}")),
        ("a negative length", with("Content-Length: -2\r\n", "{}")),
        ("a length that is no number", with("Content-Length: 0x2\r\n", "{}")),
        ("an empty length", with("Content-Length:\r\n", "{}")),
        (
            "a length that overflows",
            with("Content-Length: 18446744073709551618\r\n", "{}"),
        ),
        (
            "length and coding",
            with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "coding and length",
            with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"),
        ),
        ("another coding", with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        (
            "a coding under chunked",
            with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "chunked is not last",
            with("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ),
        (
            "chunked twice",
            with(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "chunked and another",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n"),
        ),
        (
            "a vertical tab before the coding",
            with("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a quoted coding",
            with("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
        ),
        (
            "space before the colon",
            with("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ),
        ("tab before the colon", with("Content-Length\t: 2\r\n", "{}")),
        (
            "a folded field",
            with("X-A: 1\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a folded coding",
            with("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a folded first field",
            format!("{method} /x HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
        ),
        (
            "a bare LF after a field",
            format!("{method} /x HTTP/1.1\r\nHost: a\nX-B: 1\r\n\r\n"),
        ),
        (
            "a bare LF after the request line",
            format!("{method} /x HTTP/1.1\nHost: a\r\n\r\n"),
        ),
        ("bare LFs at the end", format!("{method} /x HTTP/1.1\r\nHost: a\r\n\n")),
        (
            "a bare CR in a value",
            with("X-A: a\rTransfer-Encoding: chunked\r\n", ""),
        ),
        ("a bare CR in a name", with("X\r-A: a\r\n", "")),
        (
            "a bare CR in the target",
            format!("{method} /x\r HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        ("CR CR LF", format!("{method} /x HTTP/1.1\r\nHost: a\r\r\n\r\n")),
        ("a NUL in a value", with("X-A: a\0b\r\n", "")),
        ("a NUL in a name", with("X\0A: b\r\n", "")),
        (
            "a NUL in the target",
            format!("{method} /x\0y HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        ("a line without a colon", with("Transfer-Encoding chunked\r\n", "")),
        ("an empty name", with(": x\r\n", "")),
        ("a name with a bracket", with("X(A): x\r\n", "")),
        ("two hosts", with("Host: b\r\n", "")),
        ("the same host twice", with("Host: a\r\n", "")),
        ("no host", format!("{method} /x HTTP/1.1\r\nX-A: 1\r\n\r\n")),
        (
            "a host with a path",
            format!("{method} /x HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        ),
        (
            "a host with a user",
            format!("{method} /x HTTP/1.1\r\nHost: me@a\r\n\r\n"),
        ),
        (
            "two hosts in one",
            format!("{method} /x HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        ),
        (
            "another host in the target",
            format!("{method} http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "a user in the target",
            format!("{method} http://me@a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        ("a fragment", format!("{method} /x/#y HTTP/1.1\r\nHost: a\r\n\r\n")),
        (
            "two spaces in the request line",
            format!("{method}  /x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "a space in the target",
            format!("{method} /x y HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "a tab in the request line",
            format!("{method}\t/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        ("no version", format!("{method} /x\r\nHost: a\r\n\r\n")),
        ("another version", format!("{method} /x HTTP/1.2\r\nHost: a\r\n\r\n")),
        ("an HTTP/2 version", format!("{method} /x HTTP/2.0\r\nHost: a\r\n\r\n")),
        (
            "chunks on HTTP/1.0",
            format!("{method} /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("a chunk size that is no number", chunked("zz\r\n{}\r\n0\r\n\r\n")),
        ("an empty chunk size", chunked("\r\n{}\r\n0\r\n\r\n")),
        ("a signed chunk size", chunked("+2\r\n{}\r\n0\r\n\r\n")),
        ("a chunk size with a prefix", chunked("0x2\r\n{}\r\n0\r\n\r\n")),
        (
            "a chunk size that overflows",
            chunked("10000000000000002\r\n{}\r\n0\r\n\r\n"),
        ),
        ("a chunk size in spaces", chunked(" 2 \r\n{}\r\n0\r\n\r\n")),
        ("a bare LF after a chunk size", chunked("2\n{}\r\n0\r\n\r\n")),
        ("a bare CR in an extension", chunked("2;a\rb\r\n{}\r\n0\r\n\r\n")),
        ("a bare LF in an extension", chunked("2;a\nb\r\n{}\r\n0\r\n\r\n")),
        (
            "a long extension",
            chunked(&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(300))),
        ),
        ("a chunk longer than its size", chunked("2\r\n{}x\r\n0\r\n\r\n")),
        ("a bare LF after a chunk", chunked("2\r\n{}\n0\r\n\r\n")),
        ("a bare LF at the end of chunks", chunked("2\r\n{}\r\n0\r\n\n")),
        ("a folded trailer", chunked("2\r\n{}\r\n0\r\n x\r\n\r\n")),
        (
            "a trailer without a colon",
            chunked("2\r\n{}\r\n0\r\nGET /y HTTP/1.1\r\n\r\n"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_could_be_read_in_two_ways_are_refused_and_nothing_reaches_the_origin() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let mut wrong = Vec::new();
    for method in ["GET", "PUT"] {
        for (what, request) in malformed(method) {
            let smuggled = format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = exchange(&gateway.authority, &[smuggled.as_bytes()]).await;
            let told = answer.contains("https://tiebreak.dev/problems/bad-request");
            let once = answer.matches("content-length: ").count() == 1;
            if status(&answer) != "400" || !told || !once {
                wrong.push(format!("{method}, {what}: {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(origin.seen(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_pieces_is_judged_like_one_in_one_piece() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let bad: [&[u8]; 3] = [b"GET /x HT", b"TP/1.1\r\nHost: a\r\nX-A: 1", b"\nX-B: 2\r\n\r\n"];
    let answer = exchange(&gateway.authority, &bad).await;
    assert_eq!(status(&answer), "400", "{answer}");
    assert!(answer.contains("ends with LF alone"), "{answer}");
    // The write waits for the rest of its content, which turns out to be malformed.
    let cut: [&[u8]; 2] = [
        b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"zz\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let answer = exchange(&gateway.authority, &cut).await;
    assert_eq!(status(&answer), "400", "{answer}");
    assert_eq!(origin.seen(), "");
    let good: [&[u8]; 4] = [
        b"\r\nGET /x HT",
        b"TP/1.1\r\nHost: a\r\nX-A: 1",
        b"\r",
        b"\nConnection: close\r\n\r\n",
    ];
    let answer = exchange(&gateway.authority, &good).await;
    assert_eq!(status(&answer), "204", "{answer}");
    assert_eq!(origin.seen().matches("GET /x HTTP/1.1").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_order_before_a_refused_request_is_answered_in_order() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let pipelined =
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\nX: y\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = exchange(&gateway.authority, &[pipelined]).await;
    let codes: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(codes, ["204", "204", "400"], "{answer}");
    let seen = origin.seen();
    assert!(seen.contains("GET /1 ") && seen.contains("GET /2 "), "{seen}");
    assert!(!seen.contains("/3") && !seen.contains("/4"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_absolute_form_is_forwarded_in_origin_form() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    for method in ["GET", "PUT"] {
        for (target, sent) in [("http://a", "/"), ("http://a:80/x?y", "/x?y"), ("http://A?y", "/?y")] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = exchange(&gateway.authority, &[request.as_bytes()]).await;
            assert_eq!(status(&answer), "204", "{request}: {answer}");
            let line = format!("{method} {sent} HTTP/1.1\r\n");
            assert!(origin.seen().contains(&line), "{line} {}", origin.seen());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_one_connection_are_not_forwarded() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let fields = "Connection: close, X-Mine, Te\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\n\
                  Upgrade: h2c\r\nHTTP2-Settings: x\r\nTiebreak: forged\r\nX-Yours: 2\r\n";
    for method in ["GET", "PUT"] {
        let request = format!("{method} /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let answer = exchange(&gateway.authority, &[request.as_bytes()]).await;
        assert_eq!(status(&answer), "204", "{answer}");
    }
    let seen = origin.seen().to_ascii_lowercase();
    for gone in [
        "x-mine",
        "keep-alive",
        "proxy-connection",
        "\r\nte:",
        "upgrade",
        "http2-settings",
        "forged",
        "\r\nconnection:",
    ] {
        assert!(!seen.contains(gone), "{gone}: {seen}");
    }
    assert_eq!(seen.matches("x-yours: 2").count(), 2, "{seen}");
    assert_eq!(seen.matches("via: 1.1 tiebreak").count(), 2, "{seen}");
    let told = "forwarded: for=127.0.0.1;host=\"a\";proto=http\r\n";
    assert_eq!(seen.matches(told).count(), 2, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_and_a_tunnel_are_refused_plainly() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    for (request, code, problem) in [
        (
            "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "501",
            "not-supported",
        ),
        (
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            "405",
            "method-not-allowed",
        ),
    ] {
        let answer = exchange(&gateway.authority, &[request.as_bytes()]).await;
        assert_eq!(status(&answer), code, "{answer}");
        assert!(answer.contains(problem), "{answer}");
    }
    assert_eq!(origin.seen(), "");
}
