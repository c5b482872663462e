//! Entity tags of our own in front of an origin that has none.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Scripted, Tags};
use crate::shared::join;

/// A gateway in front of `origin` that makes tags of this kind.
fn in_front_of(authority: &str, kind: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("upstream = \"http://{authority}\"\n[defaults]\nvirtual_tags = \"{kind}\"\n");
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    Gateway::start_in(folder, &["--config", "t.toml", "--ledger", "memory"])
}

async fn edit(client: &mut Client, method: Method, fields: &[(&str, &str)], content: &serde_json::Value) -> Got {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(fields);
    client.send(method, "/docs/1", &all, content.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_show_it_and_writes_honour_it() {
    for kind in ["bytes", "json"] {
        let origin = Scripted::start(Tags::None, false).await;
        origin.plant("/docs/1", json!({"a": 1, "b": 1}));
        let gateway = in_front_of(&origin.authority, kind);
        let mut client = Client::new(&gateway.authority);

        let read = client.get("/docs/1").await;
        let first = read.field("etag").to_owned();
        assert!(first.starts_with("\"tiebreak-"), "{read:?}");
        assert_eq!(read.json(), json!({"a": 1, "b": 1}));
        let head = client.send(Method::HEAD, "/docs/1", &[], "").await;
        assert_eq!(
            (head.field("etag"), head.content.len()),
            (first.as_str(), 0),
            "{head:?}"
        );
        assert_eq!(head.field("content-length"), read.field("content-length"));
        for list in [first.clone(), format!("\"x\", W/{first}"), "*".to_owned()] {
            let same = client
                .send(Method::GET, "/docs/1", &[("if-none-match", &list)], "")
                .await;
            assert_eq!((same.status.as_u16(), same.content.len()), (304, 0), "{list}: {same:?}");
            assert_eq!(same.field("etag"), first);
        }
        let other = client
            .send(Method::GET, "/docs/1", &[("if-none-match", "\"x\"")], "")
            .await;
        assert_eq!((other.status.as_u16(), other.field("etag")), (200, first.as_str()));
        let missed = client.send(Method::GET, "/docs/1", &[("if-match", "\"x\"")], "").await;
        assert_eq!(missed.status, 412);
        assert_eq!(client.get("/docs/2").await.status, 404);

        let put = edit(
            &mut client,
            Method::PUT,
            &[("if-match", &first)],
            &json!({"a": 2, "b": 1}),
        )
        .await;
        assert_eq!(put.status, 200, "{put:?}");
        assert!(put.field("tiebreak").contains("guarantee=C"), "{put:?}");
        let second = put.field("etag").to_owned();
        assert_eq!(client.get("/docs/1").await.field("etag"), second);
        let stale = edit(
            &mut client,
            Method::PUT,
            &[("if-match", &first)],
            &json!({"a": 3, "b": 1}),
        )
        .await;
        assert_eq!((stale.status.as_u16(), stale.outcome()), (412, "not-sent"), "{stale:?}");
        assert_eq!(stale.field("etag"), second);
        assert_eq!(stale.json()["yours"], first);

        // Somebody writes around the gateway: seen at the next comparison.
        origin.plant("/docs/1", json!({"a": 2, "b": 9}));
        let late = edit(&mut client, Method::PATCH, &[("if-match", &second)], &json!({"a": 3})).await;
        assert_eq!(late.status, 412, "{late:?}");
        let wanted = [("if-match", second.as_str()), ("prefer", "tiebreak=rebase")];
        let merged = edit(&mut client, Method::PUT, &wanted, &json!({"a": 3, "b": 1})).await;
        assert_eq!(merged.field("preference-applied"), "tiebreak=rebase", "{merged:?}");
        assert_eq!(client.get("/docs/1").await.json(), json!({"a": 3, "b": 9}));

        let create = [("if-none-match", "*")];
        assert_eq!(edit(&mut client, Method::PUT, &create, &json!({})).await.status, 412);
        let gone = edit(&mut client, Method::DELETE, &[("if-match", &second)], &json!({})).await;
        assert_eq!(gone.status, 412, "{gone:?}");
        let third = client.get("/docs/1").await.field("etag").to_owned();
        assert_eq!(third, merged.field("etag"));
        let gone = edit(&mut client, Method::DELETE, &[("if-match", &third)], &json!({})).await;
        assert_eq!(gone.status, 204, "{gone:?}");
        let absent = edit(&mut client, Method::PUT, &[("if-match", "*")], &json!({})).await;
        assert_eq!((absent.status.as_u16(), &absent.json()["current"]), (412, &json!(null)));
        assert_eq!(edit(&mut client, Method::PUT, &create, &json!({})).await.status, 201);
    }
}

/// Workers that count in one document, each with the tag that it read: not one count is lost.
#[tokio::test(flavor = "multi_thread")]
async fn racing_writers_with_their_own_if_match_lose_nothing() {
    const WORKERS: u64 = 8;
    const ROUNDS: u64 = 6;
    let origin = Scripted::start(Tags::None, false).await;
    origin.plant("/docs/1", json!({"n": 0}));
    let gateway = in_front_of(&origin.authority, "bytes");
    let refused = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let all = (0..WORKERS).map(|_| {
        let (mut client, refused) = (Client::new(&gateway.authority), Arc::clone(&refused));
        async move {
            for _ in 0..ROUNDS {
                loop {
                    let read = client.get("/docs/1").await;
                    let next = json!({"n": read.json()["n"].as_u64().unwrap() + 1});
                    let put = edit(&mut client, Method::PUT, &[("if-match", read.field("etag"))], &next).await;
                    match put.status.as_u16() {
                        200 => break,
                        412 => refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                        _ => panic!("{put:?}"),
                    };
                }
            }
        }
    });
    join(all).await;
    let mut client = Client::new(&gateway.authority);
    assert_eq!(client.get("/docs/1").await.json(), json!({"n": WORKERS * ROUNDS}));
    assert!(refused.load(std::sync::atomic::Ordering::Relaxed) > 0, "nothing raced");
}

/// An origin that answers each request with `answer`, and keeps the connection open.
async fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut read = [0; 4096];
                while stream.read(&mut read).await.is_ok_and(|n| n > 0) {
                    stream.write_all(&answer).await.unwrap();
                }
            });
        }
    });
    authority
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_never_ends_streams_without_one() {
    let long = vec![b'x'; 3 << 20];
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3145728\r\n\r\n".to_vec();
    answer.extend_from_slice(&long);
    let origin = answering(answer).await;
    let gateway = in_front_of(&origin, "bytes");
    let got = Client::new(&gateway.authority).get("/long").await;
    assert_eq!((got.field("etag"), got.content == long), ("", true));

    let events =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
    let origin = answering(events.to_vec()).await;
    let gateway = in_front_of(&origin, "bytes");
    let stream = tokio::net::TcpStream::connect(&gateway.authority).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/events").header("host", "x");
    let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let mut events = sender.send_request(request).await.unwrap();
    let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(
        (first.as_ref(), events.headers().get("etag")),
        (&b"data: 1\n\n"[..], None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tags_of_an_origin_that_has_some_are_left_alone() {
    let origin = Scripted::start(Tags::Versions, false).await;
    origin.plant("/docs/1", json!({"a": 1}));
    let gateway = in_front_of(&origin.authority, "bytes");
    let mut client = Client::new(&gateway.authority);
    let read = client.get("/docs/1").await;
    let tag = read.field("etag").to_owned();
    assert_eq!(tag, "\"v1\"");
    let same = client
        .send(Method::GET, "/docs/1", &[("if-none-match", &tag)], "")
        .await;
    assert_eq!((same.status.as_u16(), same.field("etag")), (304, tag.as_str()));
    let put = edit(&mut client, Method::PUT, &[("if-match", &tag)], &json!({"a": 2})).await;
    assert!(put.field("tiebreak").contains("guarantee=A"), "{put:?}");
    let stale = edit(&mut client, Method::PUT, &[("if-match", &tag)], &json!({"a": 3})).await;
    assert_eq!((stale.status.as_u16(), stale.outcome()), (412, "refused"), "{stale:?}");
}
