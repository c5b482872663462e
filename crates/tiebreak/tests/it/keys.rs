//! Keys and other people's blind retries, over real sockets, to an origin that answers when the test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::http::{Client, Got};

/// An origin that makes something of each POST, and answers once it may.
struct Held {
    authority: String,
    arrived: watch::Receiver<usize>,
    open: watch::Sender<bool>,
}

impl Held {
    async fn start() -> Held {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (came, arrived) = watch::channel(0);
        let (open, opened) = watch::channel(false);
        let (came, made) = (Arc::new(came), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (came, made, opened) = (Arc::clone(&came), Arc::clone(&made), opened.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (came, made, mut opened) = (Arc::clone(&came), Arc::clone(&made), opened.clone());
                    async move {
                        let status = if request.uri().path() == "/forms" { 303 } else { 201 };
                        request.into_body().collect().await?;
                        let number = made.fetch_add(1, Ordering::SeqCst) + 1;
                        came.send_modify(|n| *n += 1);
                        opened.wait_for(|open| *open).await.unwrap();
                        let answer = Response::builder()
                            .status(status)
                            .header("location", format!("/made/{number}"))
                            .header("set-cookie", "session=secret")
                            .body(Full::<Bytes>::default());
                        Ok::<_, hyper::Error>(answer.unwrap())
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Held {
            authority,
            arrived,
            open,
        }
    }

    fn performed(&self) -> usize {
        *self.arrived.borrow()
    }

    async fn has_got(&self, count: usize) {
        self.arrived.clone().wait_for(|n| *n >= count).await.unwrap();
    }

    fn gateway(&self, config: &str) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "upstream = \"http://{}\"\nledger = \"memory\"\n{config}",
            self.authority
        );
        std::fs::write(folder.path().join("t.toml"), text).unwrap();
        Gateway::start_in(folder, &["--config", "t.toml", "--admin", "127.0.0.1:0"])
    }
}

const TOKEN: (&str, &str) = ("authorization", "Bearer a");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const CONTENT: &str = "name=a&amount=3";

async fn post(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Got {
    let mut all = vec![FORM];
    all.extend_from_slice(fields);
    Client::new(&gateway.authority)
        .send(Method::POST, path, &all, CONTENT)
        .await
}

/// A client that posts and leaves once the origin has its write; back when the gateway has seen that.
async fn post_and_leave(gateway: &Gateway, origin: &Held, path: &str, fields: &[(&str, &str)]) {
    let mut stream = TcpStream::connect(&gateway.authority).await.unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {}\r\n", gateway.authority);
    for (name, value) in [FORM].iter().chain(fields) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let request = format!("{head}content-length: {}\r\n\r\n{CONTENT}", CONTENT.len());
    let before = origin.performed();
    stream.write_all(request.as_bytes()).await.unwrap();
    origin.has_got(before + 1).await;
    stream.shutdown().await.unwrap();
    // The gateway closes its side as well.
    let _ = stream.read(&mut [0]).await;
}

/// What a second write brings while one is held: the origin answers once both are on their way in the gateway. One more that
/// arrives at the origin is counted there.
async fn while_held(gateway: &Gateway, origin: &Held, second: impl Future<Output = Got>) -> Got {
    let open = async {
        gateway.reaches("tiebreak_running", 2).await;
        origin.open.send_replace(true);
    };
    tokio::join!(second, open).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_retry_gets_the_outcome_of_the_write_that_its_client_left() {
    for fields in [&[TOKEN][..], &[TOKEN, ("x-stainless-retry-count", "1")], &[]] {
        let origin = Held::start().await;
        let gateway = origin.gateway("");
        post_and_leave(&gateway, &origin, "/things", &fields[..fields.len().min(1)]).await;
        let got = while_held(&gateway, &origin, post(&gateway, "/things", fields)).await;
        assert_eq!(
            (got.status.as_u16(), got.field("location")),
            (201, "/made/1"),
            "{got:?}"
        );
        assert_eq!(got.field("idempotency-replayed"), "true");
        assert_eq!(got.outcome(), "applied");
        // A session goes to whoever has the same credential, never to whoever just writes the same.
        assert_eq!(got.headers.contains_key("set-cookie"), !fields.is_empty());
        assert_eq!(origin.performed(), 1, "{fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_comes_after_the_outcome_gets_it_too() {
    let origin = Held::start().await;
    let gateway = origin.gateway("");
    post_and_leave(&gateway, &origin, "/things", &[TOKEN]).await;
    // A write with a key follows on the same path; when it is answered, so was the one before at the origin.
    let marked = [TOKEN, ("amz-sdk-request", "attempt=2; max=3")];
    let joined = while_held(&gateway, &origin, post(&gateway, "/things", &marked)).await;
    assert_eq!(joined.field("location"), "/made/1");
    // It was answered and delivered: the same once more is another write.
    let next = post(&gateway, "/things", &marked).await;
    assert_eq!(
        (next.field("location"), next.field("idempotency-replayed")),
        ("/made/2", "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_writes_of_present_clients_stay_two() {
    let origin = Held::start().await;
    let gateway = origin.gateway("");
    let both = async {
        let (one, two) = tokio::join!(post(&gateway, "/things", &[TOKEN]), post(&gateway, "/things", &[TOKEN]));
        assert_ne!(one.field("location"), two.field("location"));
        one
    };
    let got = async {
        origin.has_got(2).await;
        origin.open.send_replace(true);
    };
    tokio::join!(both, got);
    assert_eq!(origin.performed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_posted_twice_by_a_browser_is_performed_once() {
    let origin = Held::start().await;
    let gateway = origin.gateway("[[route]]\npath = \"/forms\"\nkey = \"derived\"\n");
    let cookie = ("cookie", "session=of-a");
    post_and_leave(&gateway, &origin, "/forms", &[cookie]).await;
    let second = while_held(&gateway, &origin, post(&gateway, "/forms", &[cookie])).await;
    let third = post(&gateway, "/forms", &[cookie]).await;
    for got in [&second, &third] {
        assert_eq!(
            (got.status.as_u16(), got.field("location")),
            (303, "/made/1"),
            "{got:?}"
        );
        assert_eq!(got.field("idempotency-replayed"), "true");
        assert!(got.field("tiebreak").contains("; key-expires=@"), "{got:?}");
    }
    let other = post(&gateway, "/forms", &[("cookie", "session=of-b")]).await;
    assert_eq!(
        (other.field("location"), other.field("idempotency-replayed")),
        ("/made/2", "")
    );
    assert_eq!(origin.performed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_of_the_draft() {
    let origin = Held::start().await;
    origin.open.send_replace(true);
    let gateway = origin.gateway(
        "[[route]]\npath = \"/payments\"\nkey = \"required\"\nkey_field = \"PayPal-Request-Id\"\nkey_reuse_status = 400\n",
    );
    let key = ("idempotency-key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    let first = post(&gateway, "/things", &[TOKEN, key]).await;
    assert!(first.field("tiebreak").contains("; key-expires=@"), "{first:?}");
    let again = post(&gateway, "/things", &[TOKEN, key]).await;
    assert_eq!((again.status.as_u16(), again.field("location")), (201, "/made/1"));
    assert_eq!(
        (first.field("idempotency-replayed"), again.field("idempotency-replayed")),
        ("", "true")
    );
    let kind = |got: &Got| {
        got.json()["type"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut client = Client::new(&gateway.authority);
    let other = client
        .send(Method::POST, "/things", &[FORM, TOKEN, key], "name=b")
        .await;
    assert_eq!((other.status.as_u16(), kind(&other).as_str()), (422, "key-reuse"));
    let stranger = post(&gateway, "/things", &[("authorization", "Bearer b"), key]).await;
    assert_eq!(
        (stranger.status.as_u16(), kind(&stranger).as_str()),
        (409, "caller-changed")
    );
    // It has an id of its own, and nothing of the other's.
    let id = |got: &Got| got.field("tiebreak").split("id=").nth(1).unwrap()[..34].to_owned();
    assert!(!stranger.headers.contains_key("location") && id(&stranger) != id(&first));
    let missing = post(&gateway, "/payments", &[TOKEN, key]).await;
    assert_eq!((missing.status.as_u16(), kind(&missing).as_str()), (400, "key-missing"));
    let own = ("paypal-request-id", "5f8a");
    assert_eq!(
        post(&gateway, "/payments", &[TOKEN, own]).await.field("location"),
        "/made/2"
    );
    assert_eq!(
        post(&gateway, "/payments", &[TOKEN, own])
            .await
            .field("idempotency-replayed"),
        "true"
    );
    let reused = client
        .send(Method::POST, "/payments", &[FORM, TOKEN, own], "name=b")
        .await;
    assert_eq!((reused.status.as_u16(), kind(&reused).as_str()), (400, "key-reuse"));
    assert_eq!(origin.performed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_or_malformed_is_refused_before_the_content() {
    let origin = Held::start().await;
    let gateway = origin.gateway("[defaults]\nkey = \"required\"\n");
    for (field, status, kind) in [
        ("X-Other: 1", "400", "/key-missing"),
        ("Idempotency-Key: \"open", "400", "/key-invalid"),
        ("Idempotency-Key: a\r\nIdempotency-Key: b", "400", "/key-invalid"),
        ("Idempotency-Key: \"good\"", "100", ""),
    ] {
        let mut stream = TcpStream::connect(&gateway.authority).await.unwrap();
        let head =
            format!("POST /x HTTP/1.1\r\nHost: a\r\n{field}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut got = String::new();
        while !got.starts_with("HTTP/1.1 100") && !got.contains("/key-") {
            let mut part = [0; 2048];
            let n = stream.read(&mut part).await.unwrap();
            assert!(n > 0, "{field}: {got}");
            got.push_str(&String::from_utf8_lossy(&part[..n]));
        }
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status}")) && got.contains(kind),
            "{got}"
        );
    }
    assert_eq!(origin.performed(), 0);
}
