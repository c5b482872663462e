//! An origin that serves only so many connections at a time (waitress, under Kinto: 98): it takes no further one until one of them
//! is closed, and whoever was let in may stay.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Semaphore, watch};

use crate::gateway::Gateway;
use crate::http::Client;

const MOST: usize = 4;

#[derive(Debug)]
struct Origin {
    places: Arc<Semaphore>,
    /// Connections that are open, and those that there were.
    connections: watch::Sender<(usize, usize)>,
    /// Where so many requests are answered together.
    together: Barrier,
}

impl Origin {
    async fn start() -> (String, Arc<Origin>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let origin = Arc::new(Origin {
            places: Arc::new(Semaphore::new(MOST)),
            connections: watch::Sender::default(),
            together: Barrier::new(MOST),
        });
        tokio::spawn(Arc::clone(&origin).serve(listener));
        (authority, origin)
    }

    async fn serve(self: Arc<Origin>, listener: TcpListener) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            self.connections
                .send_modify(|(open, all)| (*open, *all) = (*open + 1, *all + 1));
            let origin = Arc::clone(&self);
            tokio::spawn(async move {
                let shared = Arc::clone(&origin);
                let service = service_fn(move |request| Arc::clone(&shared).answer(request));
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = served.await;
                drop(place);
                origin.connections.send_modify(|(open, _)| *open -= 1);
            });
        }
    }

    async fn answer(self: Arc<Origin>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.uri().path().starts_with("/together/") {
            self.together.wait().await;
        }
        let answer = Response::builder().header("content-type", "application/json");
        Ok(answer.body(Full::from("{\"n\":1}")).unwrap())
    }

    /// Waits until no connection is open; tells how many there were.
    async fn is_left_alone(&self) -> usize {
        let mut seen = self.connections.subscribe();
        let left = seen.wait_for(|(open, _)| *open == 0);
        let left = tokio::time::timeout(Duration::from_secs(60), left).await;
        left.expect("its connections stay open").unwrap().1
    }
}

fn gateway(authority: &str, more: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let config =
        format!("upstream = \"api\"\nledger = \"memory\"\n[upstreams.api]\nurl = \"http://{authority}\"\n{more}\n");
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    Gateway::start_in(folder, &["--config", "t.toml"])
}

#[tokio::test(flavor = "multi_thread")]
async fn more_writers_and_readers_than_connections_all_get_their_turn() {
    let (authority, origin) = Origin::start().await;
    let gateway = gateway(&authority, &format!("max_connections = {MOST}"));
    // Writes and reads have pools of their own, on several threads, and connections that are idle there keep their places.
    for method in [Method::POST, Method::GET, Method::POST] {
        let asked = (0..4 * MOST).map(|n| {
            let (mut client, method) = (Client::new(&gateway.authority), method.clone());
            tokio::spawn(async move { client.send(method, &format!("/together/{n}"), &[], "").await })
        });
        for got in asked.collect::<Vec<_>>() {
            let got = got.await.unwrap();
            assert_eq!(got.status, 200, "{got:?}");
            if method == Method::POST {
                assert_eq!(got.outcome(), "applied", "{got:?}");
                assert!(got.field("tiebreak").contains("attempts=1"), "{got:?}");
            }
        }
    }
    // They are given up though nobody asks for anything any more.
    origin.is_left_alone().await;
    let after = Client::new(&gateway.authority).get("/alone").await;
    assert_eq!(after.status, 200, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed_also_where_nothing_is_said_of_them() {
    let (authority, origin) = Origin::start().await;
    let gateway = gateway(&authority, "");
    let mut client = Client::new(&gateway.authority);
    for (method, path) in [(Method::GET, "/a"), (Method::POST, "/b")] {
        let got = client.send(method, path, &[], "").await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    assert!(origin.is_left_alone().await > 0);
}
