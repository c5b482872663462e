//! HTTP/2 towards origins: against hyper's server, and frame by frame.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::http2::certificate;
use crate::peer::Peer;

/// Starts a gateway in front of `url` that is told `http2`.
fn gateway(url: &str, http2: &str, more: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let text =
        format!("upstream = \"api\"\nledger = \"memory\"\n{more}\n[upstreams.api]\nurl = \"{url}\"\nhttp2 = {http2}\n");
    std::fs::write(folder.path().join("t.toml"), text).unwrap();
    Gateway::start_in(folder, &["--config", "t.toml"])
}

const PRIOR: &str = "\"prior-knowledge\"";

/// A request that came: its version, method, path, fields and content.
type Taken = (Version, Method, String, HeaderMap, Bytes);

/// What the origin saw.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    /// How many requests of `/together` have come.
    together: watch::Sender<usize>,
    requests: Mutex<Vec<Taken>>,
}

/// Answers a GET of `/large` with 4 MiB, one of `/trailers` with trailers, one of `/together` when two are there, all else with an echo.
async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let content = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let now = seen.now.fetch_add(1, Ordering::AcqRel) + 1;
    seen.most.fetch_max(now, Ordering::AcqRel);
    let uri = head.uri.to_string();
    let asked = (head.version, head.method.clone(), uri, head.headers, content.clone());
    seen.requests.lock().unwrap().push(asked);
    let whole = |content: Bytes| Response::new(Full::new(content).boxed());
    let answer = match head.uri.path() {
        "/large" => whole(Bytes::from(vec![b'x'; 4 << 20])),
        "/trailers" => {
            let sum = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("7"))]);
            let body = Full::new(Bytes::from("ab")).with_trailers(async { Some(Ok(sum)) });
            let mut answer = Response::new(body.boxed());
            answer
                .headers_mut()
                .insert("trailer", HeaderValue::from_static("x-sum"));
            answer
        }
        "/together" => {
            seen.together.send_modify(|came| *came += 1);
            let _ = seen.together.subscribe().wait_for(|came| *came == 2).await;
            whole(content)
        }
        _ => whole(content),
    };
    seen.now.fetch_sub(1, Ordering::AcqRel);
    Ok(answer)
}

/// Starts an origin that takes two requests at a time on an HTTP/2 connection.
async fn start(tls: Option<(TlsAcceptor, bool)>) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Seen> = Arc::default();
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::AcqRel);
            let (seen, tls) = (Arc::clone(&shared), tls.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
                let mut http2 = http2::Builder::new(TokioExecutor::new());
                http2.max_concurrent_streams(2);
                let _ = match tls {
                    None => http2.serve_connection(TokioIo::new(stream), service).await,
                    Some((acceptor, speaks)) => {
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        match speaks {
                            true => http2.serve_connection(TokioIo::new(stream), service).await,
                            false => {
                                http1::Builder::new()
                                    .serve_connection(TokioIo::new(stream), service)
                                    .await
                            }
                        }
                    }
                };
            });
        }
    });
    (port, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_one_connection_and_wait_for_their_places() {
    let (port, seen) = start(None).await;
    let gateway = gateway(&format!("http://127.0.0.1:{port}/api"), PRIOR, "");
    let writes = (0..24).map(|n| {
        let mut client = Client::new(&gateway.authority);
        tokio::spawn(async move {
            let path = format!("/things/{n}");
            client
                .send(Method::PUT, &path, &[("cookie", "a=1")], n.to_string())
                .await
        })
    });
    for (n, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        let got = write.await.unwrap();
        assert_eq!((got.outcome(), &got.content[..]), ("applied", n.to_string().as_bytes()));
        assert_eq!(got.field("via"), "2 tiebreak");
    }
    // A write takes a new connection where it has heard nothing for a second: on a busy machine there may be several.
    let connections = seen.connections.load(Ordering::Acquire);
    assert!(seen.most.load(Ordering::Acquire) <= 2 * connections);
    let requests = std::mem::take(&mut *seen.requests.lock().unwrap());
    assert_eq!(requests.len(), 24);
    for (version, method, uri, headers, _) in requests {
        assert_eq!((version, method), (Version::HTTP_2, Method::PUT));
        assert!(
            uri.starts_with(&format!("http://127.0.0.1:{port}/api/things/")),
            "{uri}"
        );
        assert_eq!(headers["via"], "1.1 tiebreak");
        assert!(!headers.contains_key("host") && !headers.contains_key("connection"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_many_clients_share_a_connection_of_each_thread() {
    let (port, seen) = start(None).await;
    let gateway = gateway(&format!("http://127.0.0.1:{port}"), PRIOR, "");
    let reads = (0..24).map(|n| {
        let mut client = Client::new(&gateway.authority);
        tokio::spawn(async move { client.get(&format!("/things/{n}")).await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().status, 200);
    }
    let threads = std::thread::available_parallelism().unwrap().get();
    assert!(seen.connections.load(Ordering::Acquire) <= threads);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_are_on_their_way_at_the_same_time() {
    let (port, seen) = start(None).await;
    let gateway = gateway(&format!("http://127.0.0.1:{port}"), PRIOR, "");
    let write = |path: &'static str| {
        let mut client = Client::new(&gateway.authority);
        tokio::spawn(async move { client.send(Method::POST, path, &[], "x").await })
    };
    // Neither is answered before the other is there.
    let both = [write("/together"), write("/together")];
    for one in both {
        assert_eq!(one.await.unwrap().outcome(), "applied");
    }
    assert_eq!(seen.most.load(Ordering::Acquire), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_stream_and_bring_their_trailers() {
    let (port, _seen) = start(None).await;
    let gateway = gateway(&format!("http://127.0.0.1:{port}"), PRIOR, "");
    let mut client = Client::new(&gateway.authority);
    let large = client.get("/large").await;
    assert_eq!((large.status.as_u16(), large.content.len()), (200, 4 << 20));
    assert_eq!(large.field("via"), "2 tiebreak");
    let asked = b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n";
    let got = crate::wire::exchange(&gateway.authority, &[asked]).await;
    assert!(got.ends_with("2\r\nab\r\n0\r\nx-sum: 7\r\n\r\n"), "{got}");
    // Whoever goes away in the middle of an answer holds up nobody.
    for _ in 0..4 {
        let mut gone = TcpStream::connect(&gateway.authority).await.unwrap();
        gone.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        gone.read_u8().await.unwrap();
    }
    assert_eq!(client.get("/large").await.content.len(), 4 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_http2_is_offered_and_http1_taken_instead() {
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(folder.path());
    let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
    let ca = folder.path().join("cert.pem");
    for (speaks, version) in [(true, Version::HTTP_2), (false, Version::HTTP_11)] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.clone()], key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![if speaks { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let (port, seen) = start(Some((TlsAcceptor::from(Arc::new(config)), speaks))).await;
        let http2 = format!("true\nca = \"{}\"", ca.display());
        let gateway = gateway(&format!("https://localhost:{port}"), &http2, "");
        let mut client = Client::new(&gateway.authority);
        for method in [Method::GET, Method::PUT] {
            assert_eq!(client.send(method, "/x", &[], "").await.status, 200);
        }
        let requests = seen.requests.lock().unwrap();
        assert!(
            requests.len() == 2 && requests.iter().all(|r| r.0 == version),
            "{requests:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_is_written_to_and_read_over_http2() {
    let apache = Peer::start("apache-dav");
    let gateway = gateway(&format!("http://{}", apache.authority), PRIOR, "");
    let writers = (0..8).map(|n| {
        let mut client = Client::new(&gateway.authority);
        tokio::spawn(async move {
            for _ in 0..4 {
                let path = format!("/dav/{n}.txt");
                let content = vec![b'a' + n; 100_000];
                let put = client.send(Method::PUT, &path, &[], content.clone()).await;
                assert_eq!(put.outcome(), "applied", "{put:?}");
                let got = client.get(&path).await;
                assert_eq!((got.status.as_u16(), got.field("via")), (200, "2 tiebreak"));
                assert!(got.content == content);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let moved = [("destination", "/dav/moved.txt")];
    let mut client = Client::new(&gateway.authority);
    let method = Method::from_bytes(b"MOVE").unwrap();
    assert_eq!(client.send(method, "/dav/0.txt", &moved, "").await.outcome(), "applied");
    assert_eq!(client.get("/dav/moved.txt").await.content.len(), 100_000);
    assert_eq!(client.get("/dav/0.txt").await.status, 404);
}

/// What a scripted HTTP/2 origin does with a request.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// 204
    Answer,
    /// RST_STREAM with this code.
    Reset(u8),
    /// GOAWAY that names this as the last request that was looked at; then the connection is closed.
    GoAway(u8),
    /// The connection is closed without a word.
    Close,
}

const REFUSED_STREAM: u8 = 7;
const INTERNAL_ERROR: u8 = 2;

/// An origin that does the next of `acts` with each request, and tells how many came.
async fn scripted(acts: &[Act]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let acts = Arc::new(Mutex::new(acts.iter().copied().collect::<VecDeque<_>>()));
    let came: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(frames(stream, Arc::clone(&acts), Arc::clone(&count)));
        }
    });
    (url, came)
}

/// One connection, frame by frame (RFC 9113 §4.1).
async fn frames(mut stream: TcpStream, acts: Arc<Mutex<VecDeque<Act>>>, came: Arc<AtomicUsize>) -> Option<()> {
    stream.read_exact(&mut [0; 24]).await.ok()?;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await.ok()?;
        let (kind, flags, id) = (head[3], head[4], head[8]);
        if kind == 4 && flags == 0 {
            stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await.ok()?;
        }
        // The last frame of a request, which here has one of content or none.
        if !(kind == 1 || kind == 0) || flags & 1 == 0 {
            continue;
        }
        came.fetch_add(1, Ordering::AcqRel);
        let act = acts.lock().unwrap().pop_front()?;
        match act {
            // `:status: 204` is entry 9 of HPACK's static table.
            Act::Answer => stream.write_all(&[0, 0, 1, 1, 5, 0, 0, 0, id, 0x89]).await.ok()?,
            Act::Reset(code) => stream
                .write_all(&[0, 0, 4, 3, 0, 0, 0, 0, id, 0, 0, 0, code])
                .await
                .ok()?,
            Act::GoAway(last) => {
                stream
                    .write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, 0])
                    .await
                    .ok()?;
                break;
            }
            Act::Close => break,
        }
    }
    // Closed over what has not been read, the connection would be reset, and what was said on it lost.
    stream.shutdown().await.ok()?;
    stream.read_to_end(&mut Vec::new()).await.ok()?;
    None
}

async fn post(gateway: &Gateway) -> Got {
    Client::new(&gateway.authority)
        .send(Method::POST, "/things", &[], "{}")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_origin_did_not_look_at_is_sent_again_and_nothing_else() {
    let unlooked = [
        &[Act::Reset(REFUSED_STREAM), Act::Answer][..],
        &[Act::GoAway(0), Act::Answer],
        &[Act::GoAway(0), Act::Reset(REFUSED_STREAM), Act::GoAway(0), Act::Answer],
    ];
    for acts in unlooked {
        let (url, came) = scripted(acts).await;
        let got = post(&gateway(&url, PRIOR, "")).await;
        assert_eq!(
            (got.status.as_u16(), got.outcome()),
            (204, "applied"),
            "{acts:?}: {got:?}"
        );
        assert!(got.field("tiebreak").contains("attempts=1"), "{acts:?}: {got:?}");
        assert_eq!(came.load(Ordering::Acquire), acts.len());
    }
    let open = [Act::Reset(INTERNAL_ERROR), Act::GoAway(1), Act::Close];
    for act in open {
        let (url, came) = scripted(&[act, Act::Answer]).await;
        let got = post(&gateway(&url, PRIOR, "[defaults]\nlate_after = \"0s\"")).await;
        assert_eq!(
            (got.status.as_u16(), got.outcome()),
            (504, "in-doubt"),
            "{act:?}: {got:?}"
        );
        assert_eq!(came.load(Ordering::Acquire), 1, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_goes_away_is_replaced_under_reads() {
    let acts = [
        Act::Answer,
        Act::GoAway(1),
        Act::Answer,
        Act::Reset(REFUSED_STREAM),
        Act::Answer,
    ];
    let (url, came) = scripted(&acts).await;
    let gateway = gateway(&url, PRIOR, "");
    let mut client = Client::new(&gateway.authority);
    for _ in 0..3 {
        assert_eq!(client.get("/x").await.status, 204);
    }
    assert_eq!(came.load(Ordering::Acquire), acts.len());
}
