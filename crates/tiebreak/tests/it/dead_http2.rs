//! An HTTP/2 connection to an origin on which packets vanish: nobody says that it is dead, but for a PING without an answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::relay::Relay;

/// What the origin performed, and holds.
#[derive(Debug)]
struct Origin {
    /// The writes that came: the first is never answered.
    came: watch::Sender<Vec<String>>,
}

impl Origin {
    async fn start() -> (String, Arc<Origin>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let origin = Arc::new(Origin {
            came: watch::channel(Vec::new()).0,
        });
        let shared = Arc::clone(&origin);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let origin = Arc::clone(&shared);
                let service = service_fn(move |request| Arc::clone(&origin).answer(request));
                let served = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        (authority, origin)
    }

    async fn answer(self: Arc<Origin>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let answer = Response::builder().header("content-type", "application/json");
        if request.method() == Method::GET {
            return Ok(answer.header("etag", "\"v1\"").body(Full::from("{\"n\":1}")).unwrap());
        }
        let guard = request.headers().get("if-match").map_or("", |v| v.to_str().unwrap());
        let told = format!("{} {guard}", request.method());
        self.came.send_modify(|came| came.push(told));
        if self.came.borrow().len() == 1 {
            return std::future::pending().await;
        }
        Ok(answer.header("etag", "\"v2\"").body(Full::from("{\"n\":2}")).unwrap())
    }

    /// Waits until so many writes have come.
    async fn has(&self, count: usize) {
        self.came
            .subscribe()
            .wait_for(|came| came.len() >= count)
            .await
            .unwrap();
    }
}

/// A write is at the origin when packets begin to vanish; nothing but a PING can end the wait for its answer.
async fn lost_on_the_way(method: Method, guard: Option<&'static str>) -> (crate::http::Got, Vec<String>, Gateway) {
    let (authority, origin) = Origin::start().await;
    let relay = Relay::start(authority).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"api\"\nledger = \"memory\"\n[defaults]\nattempt_timeout = \"10m\"\npatience = \"10m\"\nlate_after = \"50ms\"\n\
         [upstreams.api]\nurl = \"http://{}\"\nhttp2 = \"prior-knowledge\"\nhttp2_ping = \"100ms\"\n",
        relay.authority
    );
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    let gateway = Gateway::start_in(folder, &["--config", "t.toml"]);
    let mut client = Client::new(&gateway.authority);
    let write = tokio::spawn(async move {
        let mut fields = vec![("content-type", "application/json")];
        fields.extend(guard.map(|tag| ("if-match", tag)));
        client.send(method, "/things/1", &fields, "{\"n\":2}").await
    });
    origin.has(1).await;
    // All connections so far, those of reads too: there is one.
    relay.frozen.store(1, Ordering::Release);
    let got = write.await.unwrap();
    let came = origin.came.borrow().clone();
    (got, came, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_nothing_protects_is_in_doubt_and_never_sent_again() {
    let (got, came, gateway) = lost_on_the_way(Method::POST, None).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (504, "in-doubt"), "{got:?}");
    let told = String::from_utf8_lossy(&got.content).into_owned();
    assert!(told.contains("the connection ended before the answer"), "{told}");
    assert_eq!(came, ["POST "]);
    // What comes after it takes a connection of its own.
    let next = Client::new(&gateway.authority)
        .send(Method::POST, "/things", &[], "{}")
        .await;
    assert_eq!((next.status.as_u16(), next.outcome()), (200, "applied"), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_under_a_version_goes_again_on_another_connection_under_the_same_one() {
    let (got, came, _gateway) = lost_on_the_way(Method::PUT, Some("\"v1\"")).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{got:?}");
    assert!(got.field("tiebreak").contains("attempts=2; guarantee=A"), "{got:?}");
    assert_eq!(came, ["PUT \"v1\"", "PUT \"v1\""]);
}
