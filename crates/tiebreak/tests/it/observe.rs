//! `tiebreak serve --observe`: nothing is altered, and what would have been done is said.

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::recorder::Recorder;
use crate::scripted::{Fault, Scripted, Tags};

fn observe(authority: &str, more: &[&str]) -> Gateway {
    let upstream = format!("http://{authority}");
    let mut args = vec!["--observe", "--upstream", upstream.as_str(), "--late-after", "200ms"];
    args.extend_from_slice(more);
    Gateway::start(&args)
}

fn canned(method: &str, path: &str) -> String {
    let (status, etag, content) = match (method, path) {
        ("GET", _) => ("200 OK", "\"v1\"", "{\"a\":1,\"b\":1}"),
        ("PUT", _) => ("200 OK", "\"v2\"", "{ \"a\": 2,\r\n\"b\":1 }"),
        (_, "/refused") => ("409 Conflict", "\"v9\"", "{\"error\":\"no\"}"),
        _ => ("201 Created", "W/\"x\"", ""),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nETag: {etag}\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Odd: \
         a, b\r\nIdempotency-Key-Seen: yes\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    )
}

/// Sends these bytes and reads one answer, whose content has a known length.
async fn raw(authority: &str, requests: &[String]) -> Vec<(String, Vec<(String, String)>, Vec<u8>)> {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let mut answers = Vec::new();
    let mut buffer = Vec::new();
    for request in requests {
        stream.write_all(request.as_bytes()).await.unwrap();
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|w: &[u8]| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0, "closed after {request}");
        };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().to_owned();
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "via" && name != "date")
            .collect();
        let length = fields.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
        while buffer.len() < end + length {
            assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0);
        }
        let rest = buffer.split_off(end + length);
        answers.push((status, fields, buffer.split_off(end)));
        buffer = rest;
    }
    answers
}

#[tokio::test]
async fn no_byte_is_altered_on_either_way() {
    let origin = Recorder::start(canned).await;
    let gateway = observe(&origin.authority, &[]);
    let put = "{\"a\":2,  \"b\":1}";
    let requests: Vec<String> = [
        "GET /doc HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n".to_owned(),
        // Made from what was read: Tiebreak would attach an If-Match.
        format!(
            "PUT /doc?x=%20y HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nX-Two: 1\r\nX-Two: \
             2\r\nPrefer: tiebreak=rebase\r\nTiebreak: mine\r\nContent-Length: {}\r\n\r\n{put}",
            put.len()
        ),
        format!("PUT /doc HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n{put}", put.len()),
        "POST /made HTTP/1.1\r\nHost: h\r\nIdempotency-Key: not quoted!\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "POST /refused HTTP/1.1\r\nHost: h\r\nIdempotency-Key: \"k\"\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "POST /refused HTTP/1.1\r\nHost: h\r\nIdempotency-Key: \"k\"\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "DELETE /doc HTTP/1.1\r\nHost: h\r\nIf-Match: \"v0\"\r\n\r\n".to_owned(),
        "PURGE /doc HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
    ]
    .into();
    let told_directly = raw(&origin.authority, &requests).await;
    let sent_directly: Vec<_> = origin
        .take()
        .into_iter()
        .map(crate::recorder::Received::end_to_end)
        .collect();
    let told_through = raw(&gateway.authority, &requests).await;
    let sent_through: Vec<_> = origin
        .take()
        .into_iter()
        .map(crate::recorder::Received::end_to_end)
        .collect();
    assert_eq!(sent_through, sent_directly);
    assert_eq!(told_through, told_directly);
    let (folder, _) = gateway.finish().await;
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(
        left.is_empty(),
        "it left {left:?}: nothing is claimed, so there is no ledger"
    );
}

#[tokio::test]
async fn it_says_what_would_have_been_done() {
    let origin = Scripted::start(Tags::Versions, false).await;
    origin.plant("/doc", json!({"a": 1, "b": 1, "c": 1}));
    let mut gateway = observe(&origin.authority, &[]);
    let [mut one, mut two] = [1, 2].map(|n| {
        let client = Client::new(&gateway.authority).with("authorization", "Bearer shared");
        client.with("x-write", &n.to_string())
    });
    one.get("/doc").await;
    two.get("/doc").await;
    let got = one.put("/doc", &[], &json!({"a": 2, "b": 1, "c": 1})).await;
    assert_eq!((got.status.as_u16(), got.field("tiebreak")), (200, ""));
    let line = gateway.hear("observed PUT").await;
    assert!(
        line.ends_with("guarded it with the version that its caller read; guard: If-Match: \"v1\""),
        "{line}"
    );

    // The other has read the first version as well, and now reverts what the first has written.
    let got = two.put("/doc", &[], &json!({"a": 1, "b": 2, "c": 1})).await;
    assert_eq!(got.status, 200);
    let line = gateway.hear("observed PUT").await;
    assert!(line.contains("merged it into a newer version"), "{line}");
    assert!(line.contains("ours: [\"/b\"]; theirs: [\"/a\"]"), "{line}");
    assert_eq!(
        one.get("/doc").await.json(),
        json!({"a": 1, "b": 2, "c": 1}),
        "it only looks on"
    );

    two.get("/doc").await;
    one.put("/doc", &[], &json!({"a": 1, "b": 2, "c": 3})).await;
    gateway.hear("observed PUT").await;
    two.put("/doc", &[], &json!({"a": 1, "b": 2, "c": 4})).await;
    let line = gateway.hear("observed PUT").await;
    assert!(
        line.contains("overlaps with another writer's change (409)") && line.contains("overlap: [\"/c\"]"),
        "{line}"
    );

    // A client's own precondition, which the origin refuses.
    let got = one.put("/doc", &[("if-match", "\"v1\"")], &json!({"a": 9})).await;
    assert_eq!(got.status, 412);
    let line = gateway.hear("observed PUT").await;
    assert!(
        line.contains("412 (stale); Tiebreak would have sent it as it came"),
        "{line}"
    );

    for expected in ["sent it as it came", "answered it from the record"] {
        let got = one
            .post("/docs", &[("idempotency-key", "\"k\"")], &json!({"n": 1}))
            .await;
        assert_eq!(got.status, 201);
        let line = gateway.hear("observed POST").await;
        assert!(line.contains(expected), "{line}");
    }
    assert_eq!(
        origin.performed("1").await,
        4,
        "the repeat went through: it only looks on"
    );

    let lost = [("x-fault", Fault::LostAnswer.word()), ("x-write", "lost".to_owned())];
    let lost: Vec<(&str, &str)> = lost.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut third = Client::new(&gateway.authority);
    assert_eq!(third.post("/docs", &lost, &json!({"n": 2})).await.status, 502);
    let line = gateway.hear("observed POST").await;
    assert!(
        line.contains("no answer; Tiebreak would have called it in doubt"),
        "{line}"
    );

    let (_, said) = gateway.finish().await;
    let summary = said.join("\n");
    for line in [
        "8 writes were forwarded as they came",
        "2  sent as they came",
        "1  answered it from the record: it was done before",
        "what the origin's refusals meant: stale 1",
    ] {
        assert!(summary.contains(line), "{line:?} is not in\n{summary}");
    }
}

#[tokio::test]
async fn a_check_would_be_handed_off_where_the_route_allows_it() {
    let wall = Recorder::start(|_, _| {
        "HTTP/1.1 403 Forbidden\r\ncf-mitigated: challenge\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nclick"
            .to_owned()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"http://{}\"\nobserve = true\nobserve_file = \"seen.jsonl\"\n[[route]]\npath = \"/handed/{{id}}\"\nhand_off = true\n",
        wall.authority
    );
    std::fs::write(folder.path().join("tiebreak.toml"), config).unwrap();
    let gateway = Gateway::start_with(folder, &["--config", "tiebreak.toml"], &[]);
    let mut client = Client::new(&gateway.authority);
    for (path, fields) in [
        ("/handed/1", &[][..]),
        ("/handed/2", &[("cookie", "a=b")]),
        ("/kept/1", &[]),
    ] {
        let got = client.put(path, fields, &json!({"n": 1})).await;
        assert_eq!((got.status.as_u16(), got.field("tiebreak")), (403, ""), "{path}");
    }
    assert_eq!(wall.take().len(), 3);
    let (folder, said) = gateway.finish().await;
    let text = std::fs::read_to_string(folder.path().join("seen.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let would = |path: &str| {
        let of = |line: &&Value| line["target"].as_str().is_some_and(|target| target.ends_with(path));
        let line = lines.iter().find(of).unwrap_or_else(|| panic!("no {path}: {text}"));
        assert_eq!((&line["class"], &line["status"]), (&json!("blocked"), &json!(403)));
        (
            line["would"].clone(),
            line["problem"].clone(),
            line["check"].is_string(),
        )
    };
    assert_eq!(would("/handed/1"), (json!(["handed-off"]), Value::Null, true));
    // A cookie is moved into no browser.
    assert_eq!(would("/handed/2"), (json!(["refused"]), json!("blocked"), false));
    assert_eq!(would("/kept/1"), (json!([]), Value::Null, false));
    let summary = said.join("\n");
    assert!(summary.contains("1  handed it to a real browser"), "{summary}");
}

#[tokio::test]
async fn findings_go_to_a_file_as_json() {
    let origin = Recorder::start(canned).await;
    let gateway = observe(
        &origin.authority,
        &[
            "--observe-file",
            "seen.jsonl",
            "--max-content",
            "1",
            "--admin",
            "127.0.0.1:0",
        ],
    );
    let held: Vec<_> = (0..2)
        .map(|n| {
            let mut client = Client::new(&gateway.authority);
            tokio::spawn(async move { client.put("/slow/doc", &[], &json!({"n": n})).await })
        })
        .collect();
    // Both are at the origin at once: nothing queues but the exchanges beside them, which begin a little later.
    origin.holds(2).await;
    gateway.reaches("tiebreak_lane_places", 2).await;
    origin.release();
    for put in held {
        assert_eq!(put.await.unwrap().status, 200);
    }
    let large = vec![b'x'; (1 << 20) + 1];
    let mut client = Client::new(&gateway.authority);
    let got = client.send(Method::POST, "/large", &[], large.clone()).await;
    assert_eq!(got.status, 201, "what is too large to be looked at passes all the same");
    assert_eq!(origin.take().last().unwrap().content, large);
    let (folder, _) = gateway.finish().await;
    let text = std::fs::read_to_string(folder.path().join("seen.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second, summary] = lines.as_slice() else {
        panic!("{text}")
    };
    assert_eq!(
        (&first["method"], &first["status"], &first["would"]),
        (&json!("PUT"), &json!(200), &json!([]))
    );
    assert_eq!((&second["would"], &second["behind"]), (&json!(["queued"]), &json!(1)));
    let summary = &summary["summary"];
    assert_eq!(summary["writes"], 3);
    assert_eq!(summary["would"], json!({"queued": 1}));
    assert_eq!(summary["unobserved"], json!({"their content is over max_content": 1}));
}
