//! Routes whose reads are marked: a write says what it was made from, whatever connection it comes over.

use http::Method;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::recorder::{Received, Recorder};

fn gateway(upstream: &str, more: &str) -> Gateway {
    started(upstream, more, &[])
}

fn started(upstream: &str, more: &str, args: &[&str]) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let config =
        format!("{upstream}\nledger = \"memory\"\ndata = \"memory\"\n[defaults]\nmark_reads = \"_base\"\n{more}");
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    Gateway::start_in(folder, &[&["--config", "t.toml"], args].concat())
}

/// Documents of an origin with entity tags, in several forms.
fn answers(method: &str, path: &str) -> String {
    let with = |fields: &str, content: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{fields}\r\n{content}",
            content.len()
        )
    };
    let json = "content-type: application/json\r\netag: \"v1\"\r\n";
    match (method, path) {
        ("GET", "/own") => with(json, r#"{"_base":"mine","a":1}"#),
        ("GET", "/list") => with(json, "[1]"),
        ("GET", "/fixed") => with(&format!("{json}cache-control: private, no-transform\r\n"), r#"{"a":1}"#),
        ("GET", "/weak") => with("content-type: application/json\r\netag: W/\"v1\"\r\n", r#"{"a":1}"#),
        ("GET", "/stale") => with(
            json,
            r#"{"_base":"tiebreak-base-0123456789abcdef0123456789abcdef","a":1}"#,
        ),
        ("GET", "/stales") => with(
            json,
            r#"[{"_base":"tiebreak-base-0123456789abcdef0123456789abcdef","a":1.50}]"#,
        ),
        ("GET", "/same") => {
            "HTTP/1.1 304 Not Modified\r\netag: \"v2\"\r\ncontent-length: 7\r\nrepr-digest: sha-256=:abc=:\r\n\
             cache-control: max-age=60\r\n\r\n"
                .into()
        }
        ("GET", "/any") => with(&format!("{json}vary: accept, *\r\n"), r#"{"a":1}"#),
        ("GET", "/cached") => with(
            &format!("{json}cache-control: private\r\ncache-control: max-age=60\r\ncdn-cache-control: max-age=60\r\n"),
            r#"{"a":1}"#,
        ),
        ("GET", "/unkept") => with(&format!("{json}cache-control: no-store\r\n"), r#"{"a":1}"#),
        ("GET", "/cached-list") => with(&format!("{json}cache-control: max-age=60\r\n"), "[1]"),
        ("PUT", "/sealed") => with(&format!("{json}signature: sig=:abc=:\r\n"), r#"{"a":2}"#),
        ("GET", "/coded") => with(&format!("{json}content-encoding: x\r\n"), r#"{"a":1}"#),
        ("GET", "/sealed") => with(&format!("{json}signature: sig=:abc=:\r\n"), r#"{"a":1}"#),
        ("GET", "/trailed") => with(&format!("{json}trailer: x-sum\r\n"), r#"{"a":1}"#),
        ("GET", "/long") => with(json, &format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20))),
        ("GET", "/text") => with("content-type: text/plain\r\n", r#"{"a":1}"#),
        ("GET", _) => with(
            &format!("{json}content-digest: sha-256=:abc=:\r\naccept-ranges: bytes\r\n"),
            r#"{"a": 1.50}"#,
        ),
        ("PUT", _) => with("content-type: application/json\r\netag: \"v2\"\r\n", r#"{"a":2}"#),
        _ => "HTTP/1.1 204 No Content\r\n\r\n".into(),
    }
}

fn field<'a>(received: &'a Received, name: &str) -> &'a str {
    let found = received.fields.iter().find(|(n, _)| n == name);
    found.map_or("", |(_, value)| value)
}

/// All lines of a field.
fn told(got: &Got, name: &str) -> String {
    let lines = got.headers.get_all(name).iter();
    lines.map(|line| line.to_str().unwrap()).collect::<Vec<_>>().join(", ")
}

fn mark(document: &Value) -> &str {
    let mark = document["_base"].as_str().unwrap();
    assert!(mark.starts_with("tiebreak-base-"), "{document}");
    mark
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_answer_is_a_representation_of_its_own() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    let read = client.get("/doc").await;
    mark(&read.json());
    assert!(read.content.starts_with(br#"{"a": 1.50,"_base":""#), "{read:?}");
    assert_eq!(
        (read.field("etag"), read.field("content-digest")),
        ("\"v1~tiebreak\"", "")
    );
    assert_eq!(read.field("accept-ranges"), "");
    assert_eq!(read.field("content-length"), read.content.len().to_string());
    assert_eq!(
        client.get("/doc").await.content,
        read.content,
        "the same version has the same mark"
    );
    let head = client.send(Method::HEAD, "/doc", &[], "").await;
    assert_eq!((head.field("etag"), head.content.len()), ("\"v1~tiebreak\"", 0));
    // The origin knows its own tags only, and of a marked representation there are no parts.
    origin.take();
    let asked = [
        ("if-none-match", "\"v1~tiebreak\", \"other\""),
        ("range", "bytes=0-3"),
        ("if-range", "\"v1~tiebreak\""),
        ("accept-encoding", "gzip"),
    ];
    client.send(Method::GET, "/doc", &asked, "").await;
    let received = origin.take().pop().unwrap();
    assert_eq!(field(&received, "if-none-match"), "\"v1\", \"other\"");
    assert_eq!((field(&received, "range"), field(&received, "if-range")), ("", ""));
    assert_eq!(field(&received, "accept-encoding"), "identity");
    // What is not Tiebreak's to alter passes as it came.
    for (path, content) in [
        ("/own", r#"{"_base":"mine","a":1}"#),
        ("/list", "[1]"),
        ("/fixed", r#"{"a":1}"#),
        ("/text", r#"{"a":1}"#),
        ("/any", r#"{"a":1}"#),
        ("/coded", r#"{"a":1}"#),
        ("/sealed", r#"{"a":1}"#),
        ("/trailed", r#"{"a":1}"#),
        ("/long", &format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20))),
    ] {
        let read = client.get(path).await;
        assert_eq!(&read.content[..], content.as_bytes(), "{path}");
        assert!(!read.field("etag").contains('~'), "{path}: {read:?}");
    }
    let kept = client
        .send(Method::GET, "/doc", &[("cache-control", "no-transform")], "")
        .await;
    assert_eq!(
        (&kept.content[..], kept.field("etag")),
        (&br#"{"a": 1.50}"#[..], "\"v1\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_has_no_mark_and_goes_out_under_the_version_that_it_names() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut reader = Client::new(&gateway.authority);
    let mut document = reader.get("/doc").await.json();
    document["a"] = json!(2);
    origin.take();
    // Over another connection than the read.
    let mut writer = Client::new(&gateway.authority);
    let put = writer.put("/doc", &[], &document).await;
    assert_eq!(put.outcome(), "applied", "{put:?}");
    assert!(put.field("tiebreak").contains("guarantee=A"), "{put:?}");
    assert_eq!(put.field("etag"), "\"v2~tiebreak\"");
    let received = origin.take().pop().unwrap();
    assert_eq!(field(&received, "if-match"), "\"v1\"");
    assert_eq!(&received.content[..], br#"{"a":2}"#);
    // The answer shows what was made, with its mark: it is the base of the next write.
    let mut next = put.json();
    assert_ne!(mark(&next), mark(&document));
    next["a"] = json!(3);
    reader.put("/doc", &[], &next).await;
    let received = origin.take().pop().unwrap();
    assert_eq!(
        (field(&received, "if-match"), &received.content[..]),
        ("\"v2\"", &br#"{"a":3}"#[..])
    );
    // What is told once more is told as it was kept.
    let keyed = [("idempotency-key", "\"a-key-that-nobody-else-has\"")];
    for (replayed, tag) in [("", "\"v2~tiebreak\""), ("true", "\"v2\"")] {
        let told = writer.put("/doc", &keyed, &document).await;
        assert_eq!(
            (told.field("idempotency-replayed"), told.field("etag")),
            (replayed, tag),
            "{told:?}"
        );
    }
    origin.take();
    // A client's own condition is literal, under the tag that the origin knows.
    let named = [("if-match", "\"v1~tiebreak\"")];
    writer.put("/doc", &named, &document).await;
    let received = origin.take().pop().unwrap();
    assert_eq!((field(&received, "if-match"), received.content.len()), ("\"v1\"", 7));
    // A new resource that is made from old ones has no mark either.
    document["copies"] = json!([{"_base": mark(&document), "n": 1}]);
    writer.post("/docs", &[], &document).await;
    assert_eq!(
        &origin.take().pop().unwrap().content[..],
        br#"{"a":2,"copies":[{"n":1}]}"#
    );
    // A member of the same name that is no mark is its author's.
    writer.put("/own", &[], &json!({"_base": "mine", "a": 2})).await;
    assert_eq!(&origin.take().pop().unwrap().content[..], br#"{"_base":"mine","a":2}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_names_nothing_that_was_served_is_refused() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut alice = Client::new(&gateway.authority).with("authorization", "Bearer alice");
    let mut document = alice.get("/doc").await.json();
    document["a"] = json!(2);
    let forged = json!({"_base": "tiebreak-base-0123456789abcdef0123456789abcdef", "a": 2});
    // What another caller was served is nothing to this one.
    let mut bob = Client::new(&gateway.authority).with("authorization", "Bearer bob");
    origin.take();
    for (client, sent) in [(&mut alice, &forged), (&mut bob, &document)] {
        let got = client.put("/doc", &[], sent).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (409, "not-sent"), "{got:?}");
        assert!(
            got.json()["type"].as_str().unwrap().ends_with("/base-unknown"),
            "{got:?}"
        );
    }
    // Nor is what was served elsewhere: at another URL, or by another gateway.
    let other = self::gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut there = Client::new(&other.authority).with("authorization", "Bearer alice");
    for (client, path) in [(&mut alice, "/doc?view=all"), (&mut there, "/doc")] {
        let got = client.put(path, &[], &document).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (409, "not-sent"), "{got:?}");
    }
    let twice = format!("{{\"_base\":\"{0}\",\"_base\":\"{0}\"}}", mark(&document));
    let kind = [("content-type", "application/json")];
    let got = alice.send(Method::PUT, "/doc", &kind, twice).await;
    assert_eq!((got.status.as_u16(), got.outcome()), (400, "not-sent"), "{got:?}");
    assert!(origin.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_the_origin_has_stored_is_not_believed() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    let mut document = client.get("/stale").await.json();
    assert_ne!(mark(&document), "tiebreak-base-0123456789abcdef0123456789abcdef");
    document["a"] = json!(2);
    origin.take();
    let put = client.put("/stale", &[], &document).await;
    assert!(put.field("tiebreak").contains("guarantee=A"), "{put:?}");
    let received = origin.take().pop().unwrap();
    assert_eq!(
        (field(&received, "if-match"), &received.content[..]),
        ("\"v1\"", &br#"{"a":2}"#[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_cannot_be_taken_out_is_refused() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    let mut document = client.get("/doc").await.json();
    document["a"] = json!(2);
    let added = json!([{"op": "add", "path": "/_base", "value": mark(&document)}]).to_string();
    let form = format!("a=2&_base={}", mark(&document));
    let whole = document.to_string();
    origin.take();
    let json = ("content-type", "application/json");
    let patch = ("content-type", "application/json-patch+json");
    for (method, fields, content) in [
        (Method::PUT, vec![json, ("content-md5", "abc")], &whole),
        (Method::PUT, vec![json, ("content-digest", "sha-256=:abc=:")], &whole),
        (Method::PUT, vec![json, ("authorization", "Signature keyId=1")], &whole),
        (Method::PUT, vec![json, ("content-encoding", "gzip")], &whole),
        (Method::PUT, vec![], &whole),
        (Method::POST, vec![("content-type", "text/plain")], &whole),
        (
            Method::PUT,
            vec![("content-type", "application/json; charset=latin1")],
            &whole,
        ),
        (
            Method::PUT,
            vec![("content-type", "application/x-www-form-urlencoded")],
            &form,
        ),
        (Method::PATCH, vec![patch], &added),
    ] {
        let got = client.send(method, "/doc", &fields, content.clone()).await;
        assert_eq!(
            (got.status.as_u16(), got.outcome()),
            (400, "not-sent"),
            "{fields:?}: {got:?}"
        );
        let detail = got.json()["detail"].to_string();
        assert!(detail.contains("_base") && detail.contains("If-Match"), "{detail}");
    }
    assert!(origin.take().is_empty());
    // All that is JSON has its mark taken out, and what has none passes.
    let other = [("content-type", "text/json")];
    client.send(Method::PUT, "/doc", &other, whole).await;
    let plain = [("content-type", "text/plain"), ("content-md5", "abc")];
    client.send(Method::PUT, "/doc", &plain, "tiebreak-base-").await;
    let received: Vec<Vec<u8>> = origin.take().into_iter().map(|r| r.content).collect();
    assert_eq!(received, [&br#"{"a":2}"#[..], b"tiebreak-base-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_answered_as_it_came() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    let signed = [("authorization", "Signature keyId=1")];
    for (path, fields) in [("/doc", &signed[..]), ("/sealed", &[])] {
        let put = client.put(path, fields, &json!({"a": 2})).await;
        assert_eq!(put.outcome(), "applied", "{put:?}");
        assert_eq!(&put.content[..], br#"{"a":2}"#, "{path}: {put:?}");
        assert!(!put.field("etag").contains('~'), "{path}: {put:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_merged_goes_out_under_the_version_that_its_mark_names() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    let kind = [("content-type", "application/json")];
    for method in [Method::PATCH, Method::DELETE] {
        let document = client.get("/doc").await.json();
        origin.take();
        let got = client.send(method.clone(), "/doc", &kind, document.to_string()).await;
        assert!(got.field("tiebreak").contains("guarantee=A"), "{method}: {got:?}");
        let received = origin.take().pop().unwrap();
        assert_eq!(
            (field(&received, "if-match"), &received.content[..]),
            ("\"v1\"", &br#"{"a":1.50}"#[..]),
            "{method}"
        );
    }
    // Neither a version that is not known nor one without a strong tag is passed over in silence.
    let weak = client.get("/weak").await.json();
    let forged = json!({"_base": "tiebreak-base-0123456789abcdef0123456789abcdef", "a": 2});
    origin.take();
    for (path, document, says) in [("/doc", &forged, "not kept"), ("/weak", &weak, "no strong entity tag")] {
        let got = client.send(Method::PATCH, path, &kind, document.to_string()).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (409, "not-sent"), "{got:?}");
        assert!(got.json()["detail"].as_str().unwrap().contains(says), "{got:?}");
    }
    assert!(origin.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_sees_its_own_tags_in_every_line() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(
        &format!("upstream = \"http://{}\"", origin.authority),
        "max_content = \"1KiB\"\nover_bound = \"pass\"\n",
    );
    let mut client = Client::new(&gateway.authority);
    let lines = |name, received: &Received| {
        let all = received.fields.iter().filter(|(n, _)| n == name);
        all.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
    };
    client.put("/same", &[], &json!({"a": 2})).await;
    origin.take();
    let none = [("if-none-match", "\"v0\""), ("if-none-match", "\"v2~tiebreak\"")];
    let same = client.send(Method::GET, "/same", &none, "").await;
    assert_eq!(lines("if-none-match", &origin.take()[0]), "\"v0\", \"v2\"");
    // What a 304 says of bytes, it says of other ones.
    assert_eq!((same.status.as_u16(), same.field("etag")), (304, "\"v2~tiebreak\""));
    assert_eq!((same.field("content-length"), same.field("repr-digest")), ("", ""));
    assert_eq!(told(&same, "cache-control"), "max-age=60, no-cache");
    let named = [
        ("content-type", "text/plain"),
        ("if-match", "\"v0\""),
        ("if-match", "\"v1~tiebreak\""),
        ("if", "(<urn:uuid:a> [\"v1~tiebreak\"])"),
    ];
    for content in ["short".to_owned(), "over the bound ".repeat(100)] {
        client.send(Method::PUT, "/doc", &named, content).await;
        let received = &origin.take()[0];
        assert_eq!(lines("if-match", received), "\"v0\", \"v1\"");
        assert_eq!(lines("if", received), "(<urn:uuid:a> [\"v1\"])");
    }
    // From JSON over the bound no mark could be taken out.
    let long = client
        .put("/doc", &[], &json!({"a": "over the bound ".repeat(100)}))
        .await;
    assert_eq!((long.status.as_u16(), long.outcome()), (413, "not-sent"), "{long:?}");
    assert!(origin.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_the_origin_has_stored_in_a_list_is_not_served() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    let list = client.get("/stales").await;
    assert_eq!(&list.content[..], br#"[{"a":1.50}]"#);
    // These are other bytes than those that the origin's tag names.
    assert_eq!(list.field("etag"), "\"v1~tiebreak\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cache_answers_with_a_mark_unasked() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let mut client = Client::new(&gateway.authority);
    for (path, expected, at_networks) in [
        ("/doc", "no-cache", ""),
        ("/cached", "private, max-age=60, no-cache", ""),
        ("/unkept", "no-store", ""),
        ("/cached-list", "max-age=60", ""),
    ] {
        let read = client.get(path).await;
        assert_eq!(told(&read, "cache-control"), expected, "{path}: {read:?}");
        assert_eq!(read.field("cdn-cache-control"), at_networks, "{path}: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_whether_his_copy_is_current_can_write_from_it() {
    let embedded = Gateway::start(&["--data", "memory", "--ledger", "memory"]);
    let over_http = format!("upstream = \"http://{}\"", embedded.authority);
    for upstream in ["", &over_http] {
        let gateway = gateway(upstream, "");
        let mut alice = Client::new(&gateway.authority).with("authorization", "Bearer alice");
        for (name, field, status) in [
            ("if-none-match", "etag", 304),
            ("if-modified-since", "last-modified", 200),
        ] {
            let path = format!("/docs/{name}");
            alice.put(&path, &[], &json!({"a": 1, "b": 1})).await;
            let read = alice.get(&path).await;
            // What alice was served comes to the other from a cache.
            let mut other = Client::new(&gateway.authority).with("authorization", "Bearer other");
            let asked = other.send(Method::GET, &path, &[(name, read.field(field))], "").await;
            assert_eq!(asked.status.as_u16(), status, "{asked:?}");
            assert_eq!(asked.field("etag"), read.field("etag"), "{asked:?}");
            assert_eq!(told(&asked, "cache-control"), "no-cache", "{asked:?}");
            assert_eq!(asked.content.is_empty(), status == 304, "{asked:?}");
            let mut document = read.json();
            document["a"] = json!(2);
            let put = other.put(&path, &[], &document).await;
            assert_eq!(put.outcome(), "applied", "{put:?}");
            // Nor does a copy that is not current pass for one.
            let named = [("if-none-match", read.field("etag"))];
            let asked = alice.send(Method::GET, &path, &named, "").await;
            assert_eq!(
                (asked.status.as_u16(), &asked.json()["a"]),
                (200, &json!(2)),
                "{asked:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_remembered_is_read_whole() {
    let origin = Recorder::start(answers).await;
    let gateway = gateway(&format!("upstream = \"http://{}\"", origin.authority), "");
    let parts = [("range", "bytes=0-3"), ("if-range", "\"v0~tiebreak\"")];
    for (path, fields, status) in [
        ("/doc", &[("if-none-match", "\"v0\", \"v1~tiebreak\"")][..], 304),
        ("/doc", &[("if-none-match", "\"v0~tiebreak\"")], 200),
        ("/weak", &[("if-none-match", "W/\"v1~tiebreak\"")], 200),
        ("/doc", &[("if-modified-since", "Mon, 22 Nov 2027 00:00:00 GMT")], 200),
        ("/doc", &parts, 200),
    ] {
        let mut client = Client::new(&gateway.authority).with("authorization", &format!("Bearer {fields:?}"));
        let read = client.send(Method::GET, path, fields, "").await;
        assert_eq!(read.status.as_u16(), status, "{fields:?}: {read:?}");
        let received = origin.take().pop().unwrap();
        for name in ["if-none-match", "if-modified-since", "range", "if-range"] {
            assert_eq!(field(&received, name), "", "{fields:?}: {received:?}");
        }
        // A weak tag does not tell one form of a version from another, so that only the content says which mark it has.
        let document = match status {
            304 => Client::new(&gateway.authority).get(path).await.json(),
            _ => read.json(),
        };
        assert!(!mark(&document).is_empty());
        let put = client.put(path, &[], &document).await;
        assert_eq!(put.outcome(), "applied", "{fields:?}: {put:?}");
        origin.take();
    }
    // A part is of the origin's own representation.
    let mut client = Client::new(&gateway.authority);
    let part = client.send(Method::GET, "/doc", &parts[..1], "").await;
    assert_eq!(part.field("etag"), "\"v1\"");
    assert_eq!(field(&origin.take()[0], "range"), "bytes=0-3");
    // Tags of what has no mark are the origin's own affair.
    client
        .send(Method::GET, "/doc", &[("if-none-match", "\"v1\"")], "")
        .await;
    assert_eq!(field(&origin.take()[0], "if-none-match"), "\"v1\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_observes_marks_nothing() {
    let origin = Recorder::start(answers).await;
    let gateway = started(
        &format!("upstream = \"http://{}\"", origin.authority),
        "",
        &["--observe"],
    );
    let mut client = Client::new(&gateway.authority);
    let read = client.get("/doc").await;
    assert_eq!(
        (&read.content[..], read.field("etag"), read.field("cache-control")),
        (&br#"{"a": 1.50}"#[..], "\"v1\"", "")
    );
    let document = json!({"_base": "tiebreak-base-0123456789abcdef0123456789abcdef", "a": 2});
    client.put("/doc", &[], &document).await;
    assert_eq!(origin.take().pop().unwrap().content, document.to_string().as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_embedded_origin_too() {
    let gateway = gateway("", "");
    let (mut one, mut two) = (Client::new(&gateway.authority), Client::new(&gateway.authority));
    one.put("/docs/1", &[], &json!({"a": 1, "b": 1})).await;
    let read = one.get("/docs/1").await;
    let (mut ours, mut theirs) = (read.json(), read.json());
    let same = one
        .send(Method::GET, "/docs/1", &[("if-none-match", read.field("etag"))], "")
        .await;
    assert_eq!((same.status.as_u16(), same.field("etag")), (304, read.field("etag")));
    // Read by one, written by both over one connection: neither is lost.
    theirs["b"] = json!(2);
    assert_eq!(two.put("/docs/1", &[], &theirs).await.outcome(), "applied");
    ours["a"] = json!(2);
    let merged = two.put("/docs/1", &[], &ours).await;
    assert_eq!(merged.outcome(), "applied", "{merged:?}");
    let mut now = one.get("/docs/1").await.json();
    now.as_object_mut().unwrap().remove("_base");
    assert_eq!(now, json!({"a": 2, "b": 2}));
}
