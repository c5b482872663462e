//! HTTP/2 and TLS towards clients.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::gateway::Gateway;
use crate::http::Got;
use crate::scripted::{Scripted, Tags};
use crate::wire::Recorder;

struct Client(SendRequest<Full<Bytes>>, String);

impl Client {
    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, base: String) -> Client {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Client(sender, base)
    }

    async fn plain(authority: &str) -> Client {
        let stream = TcpStream::connect(authority).await.unwrap();
        Client::over(stream, format!("http://{authority}")).await
    }

    async fn send(&mut self, method: Method, path: &str, content: &str) -> Got {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.1))
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(content.to_owned())))
            .unwrap();
        let response = self.0.send_request(request).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let (head, body) = response.into_parts();
        let content = body.collect().await.unwrap().to_bytes();
        Got {
            status: head.status,
            headers: head.headers,
            content,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_http2_reach_the_origin_in_the_form_of_http1() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let mut client = Client::plain(&gateway.authority).await;
    assert_eq!(client.send(Method::GET, "/r?x=1", "").await.status, 204);
    assert_eq!(client.send(Method::PUT, "/w", "{}").await.outcome(), "applied");
    let seen = origin.seen().to_ascii_lowercase();
    assert!(
        seen.contains("get /r?x=1 http/1.1\r\n") && seen.contains("put /w http/1.1\r\n"),
        "{seen}"
    );
    for told in [
        "cookie: a=1; b=2\r\n".to_owned(),
        "via: 2 tiebreak\r\n".to_owned(),
        format!("host=\"{}\"", gateway.authority),
    ] {
        assert_eq!(seen.matches(&told).count(), 2, "{told}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_http2_connection_is_no_evidence_of_one_reader() {
    let origin = Scripted::start(Tags::Versions, false).await;
    let url = format!("http://{}", origin.authority);
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory"]);
    let mut client = Client::plain(&gateway.authority).await;
    origin.plant("/doc", json!({"a": 1, "b": 1}));
    assert_eq!(client.send(Method::GET, "/doc", "").await.status, 200);
    origin.plant("/doc", json!({"a": 1, "b": 2}));
    assert_eq!(client.send(Method::GET, "/doc", "").await.status, 200);
    // Made from the first version, by whoever read that one: taken for an edit of the second, it would revert `b`.
    let got = client.send(Method::PUT, "/doc", r#"{"a": 2, "b": 1}"#).await;
    assert_eq!(got.status, 409, "{got:?}");
    assert!(
        got.json()["type"].as_str().unwrap().ends_with("/base-unknown"),
        "{got:?}"
    );
    assert_eq!(
        client.send(Method::GET, "/doc", "").await.json(),
        json!({"a": 1, "b": 2})
    );
}

/// Literal header fields without indexing (RFC 7541 §6.2.2), all names and values plain.
fn headers_frame(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut frame = u32::try_from(block.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[1, 5, 0, 0, 0, 1]);
    frame.extend_from_slice(&block);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_requests_that_would_mean_two_things_in_http1_reach_nobody() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let usual = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/x"),
        (":authority", "a"),
    ];
    let with = |field: (&'static str, &'static str)| [&usual[..], &[field]].concat();
    let but =
        |name: &str, value: &'static str| usual.map(|(n, v)| if n == name { (n, value) } else { (n, v) }).to_vec();
    for fields in [
        with(("x-a", "1\r\nx-smuggled: 1")),
        with(("x-a", "1\nx-smuggled: 1")),
        with(("x-a", "1\0")),
        with(("x\r\na", "1")),
        with(("X-Upper", "1")),
        with(("transfer-encoding", "chunked")),
        with(("connection", "close")),
        with(("content-length", "5")),
        with(("host", "b")),
        with((":path", "/y")),
        with((":unknown", "1")),
        but(":path", "/x HTTP/1.1\r\nHost: b\r\n\r\n"),
        but(":path", ""),
        but(":method", "GET /y HTTP/1.1\r\n"),
        but(":authority", "a\r\nx: y"),
        but(":authority", "me@a"),
        vec![("x-a", "1"), usual[0], usual[1], usual[2], usual[3]],
        usual[..2].to_vec(),
        usual[..3].to_vec(),
        vec![usual[0], usual[1], ("host", "a")],
        vec![usual[0], usual[1], usual[3]],
    ] {
        let mut stream = TcpStream::connect(&gateway.authority).await.unwrap();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        bytes.extend_from_slice(&headers_frame(&fields));
        stream.write_all(&bytes).await.unwrap();
        // Until the stream is reset, answered or the connection ends: a frame of type 1, 3 or 7.
        let refused = async {
            loop {
                let mut head = [0; 9];
                if stream.read_exact(&mut head).await.is_err() {
                    return;
                }
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut rest = vec![0; length as usize];
                if stream.read_exact(&mut rest).await.is_err() || matches!(head[3], 1 | 3 | 7) {
                    return;
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(30), refused).await;
        assert!(ended.is_ok(), "{fields:?} was neither answered nor reset");
        assert_eq!(origin.seen(), "", "{fields:?}");
    }
    assert_eq!(
        Client::plain(&gateway.authority)
            .await
            .send(Method::GET, "/x", "")
            .await
            .status,
        204
    );
}

/// A certificate for localhost, written to the folder.
pub fn certificate(folder: &std::path::Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()
}

async fn connect(
    authority: &str,
    trusted: &CertificateDer<'static>,
    alpn: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(authority).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_its_files_are_read_anew() {
    let origin = Recorder::start().await;
    let folder = tempfile::tempdir().unwrap();
    let first = certificate(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let args = [
        "--upstream",
        &origin.url,
        "--ledger",
        "memory",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ];
    let mut gateway = Gateway::start(&args);
    let stream = connect(&gateway.authority, &first, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = Client::over(stream, "https://localhost".into()).await;
    assert_eq!(client.send(Method::PUT, "/w", "{}").await.outcome(), "applied");
    let mut stream = connect(&gateway.authority, &first, "http/1.1").await.unwrap();
    stream
        .write_all(b"GET /r HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    assert_eq!(origin.seen().matches("proto=https").count(), 2, "{}", origin.seen());
    // What cannot be used changes nothing; what can be is used from the next connection on.
    std::fs::write(&cert, "no certificate").unwrap();
    gateway.hear("the TLS certificate stays as it was").await;
    connect(&gateway.authority, &first, "h2").await.unwrap();
    let second = certificate(folder.path());
    gateway.hear("cert.pem anew").await;
    connect(&gateway.authority, &second, "h2").await.unwrap();
    assert_eq!(
        client.send(Method::GET, "/r", "").await.status,
        204,
        "an open connection goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_asked_for_only_when_it_is_going_to_be_read() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory", "--max-content", "1"]);
    for (length, answered) in [("2", "HTTP/1.1 100"), ("2000000", "HTTP/1.1 413")] {
        let mut stream = TcpStream::connect(&gateway.authority).await.unwrap();
        let head = format!("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&first), answered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_read_reach_clients_that_take_them_and_103_disturbs_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, mut heads) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).await.unwrap();
            let _ = asked.send(String::from_utf8_lossy(&head[..n]).to_ascii_lowercase());
            let answer =
                b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
                Trailer: X-Sum\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    });
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory"]);
    let with = b"GET /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n";
    let got = crate::wire::exchange(&gateway.authority, &[with]).await;
    assert!(
        got.starts_with("HTTP/1.1 200") && got.ends_with("0\r\nx-sum: 7\r\n\r\n"),
        "{got}"
    );
    assert!(heads.recv().await.unwrap().contains("te: trailers"));
    let without = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let got = crate::wire::exchange(&gateway.authority, &[without]).await;
    assert!(
        got.starts_with("HTTP/1.1 200") && got.ends_with("2\r\nab\r\n0\r\n\r\n"),
        "{got}"
    );
    assert!(!heads.recv().await.unwrap().contains("\r\nte:"));
}

/// An origin whose every answer is `answer`, on a connection of its own; gives the heads that it got, in small letters.
async fn answering(answer: &'static [u8]) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, heads) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).await.unwrap();
            let _ = asked.send(String::from_utf8_lossy(&head[..n]).to_ascii_lowercase());
            let _ = stream.write_all(answer).await;
        }
    });
    (url, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_representation_and_trailers_reach_http2_clients() {
    let (url, mut heads) = answering(
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/4\r\nTransfer-Encoding: chunked\r\n\
        Trailer: X-Sum\r\nConnection: close\r\n\r\n2\r\nbc\r\n0\r\nX-Sum: 7\r\n\r\n",
    )
    .await;
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory"]);
    let mut client = Client::plain(&gateway.authority).await;
    let request = Request::get(format!("http://{}/part", gateway.authority))
        .header("range", "bytes=1-2")
        .header("te", "trailers")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = client.0.send_request(request).await.unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()["content-range"], "bytes 1-2/4");
    let read = response.into_body().collect().await.unwrap();
    assert_eq!(read.trailers().map(|t| &t["x-sum"]), Some(&"7".parse().unwrap()));
    assert_eq!(read.to_bytes(), "bc");
    assert!(heads.recv().await.unwrap().contains("\r\nrange: bytes=1-2\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_tells_idle_http2_connections_to_go_away() {
    let origin = Recorder::start().await;
    let gateway = Gateway::start(&["--upstream", &origin.url, "--ledger", "memory"]);
    let stream = TcpStream::connect(&gateway.authority).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{}/r", gateway.authority)).body(Full::new(Bytes::new()));
    assert_eq!(sender.send_request(request.unwrap()).await.unwrap().status(), 204);
    let mut raw = TcpStream::connect(&gateway.authority).await.unwrap();
    raw.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let told = async {
        let mut settled = false;
        loop {
            let mut head = [0; 9];
            raw.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            raw.read_exact(&mut vec![0; length as usize]).await.unwrap();
            if head[3] == 7 {
                return;
            }
            if !settled {
                // The connection is served; only now it is stopped.
                settled = true;
                gateway.signal("TERM");
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), told).await;
    assert!(told.is_ok(), "no GOAWAY came");
    let ended = tokio::time::timeout(Duration::from_secs(30), connection).await;
    assert!(
        matches!(ended, Ok(Ok(Ok(())))),
        "the idle connection goes on: {ended:?}"
    );
}
