//! What the admin listener tells of writes: their stories, the figures, and what happens now.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Scripted, Tags};
use crate::wire::exchange;

const MEMORY: [&str; 4] = ["--ledger", "memory", "--admin", "127.0.0.1:0"];

fn embedded() -> (Gateway, Client) {
    let gateway = Gateway::start(&[&MEMORY[..], &["--data", "memory", "--admin-conceal", "ssn"]].concat());
    let console = Client::new(gateway.admin.clone().unwrap());
    (gateway, console)
}

/// The id that an answer names.
fn id_of(got: &Got) -> String {
    let field = got.field("tiebreak");
    field.split("id=\"").nth(1).unwrap_or_else(|| panic!("no id: {got:?}"))[..32].to_owned()
}

async fn story(console: &mut Client, id: &str) -> Value {
    let got = console.get(&format!("/api/stories/{id}")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

/// The words that name the events, in order.
fn whats(story: &Value) -> Vec<&str> {
    let events = story["events"].as_array().unwrap().iter();
    events.map(|e| e["what"].as_str().unwrap()).collect()
}

fn event<'s>(story: &'s Value, what: &str) -> &'s Value {
    let events = story["events"].as_array().unwrap().iter();
    let mut found = events.filter(|e| e["what"] == what);
    found.next().unwrap_or_else(|| panic!("no {what}: {story:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_tells_its_way_and_a_merge_its_fields() {
    let (gateway, mut console) = embedded();
    let (mut one, mut two) = (Client::new(&gateway.authority), Client::new(&gateway.authority));
    let base = json!({"a": 1, "b": 1, "c": 1, "password": "first", "ssn": "s1"});
    one.put("/things/x", &[], &base).await;
    one.get("/things/x").await;
    two.get("/things/x").await;
    let mut ours = base.clone();
    ours["a"] = 2.into();
    ours["password"] = "second".into();
    ours["ssn"] = "s2".into();
    let plain = one
        .put("/things/x", &[("authorization", "Bearer hunter2")], &ours)
        .await;
    assert_eq!(plain.status, 200, "{plain:?}");
    let told = story(&mut console, &id_of(&plain)).await;
    assert_eq!(
        whats(&told),
        ["queued", "turn", "claimed", "sent", "answered", "settled", "told"],
        "{told:#}"
    );
    assert_eq!((&told["method"], &told["anonymous"]), (&json!("PUT"), &json!(false)));

    let mut theirs = base.clone();
    theirs["b"] = 3.into();
    let merged = two.put("/things/x", &[], &theirs).await;
    assert!(merged.field("tiebreak").contains("rebased"), "{merged:?}");
    let told = story(&mut console, &id_of(&merged)).await;
    let merge = event(&told, "merged");
    assert_eq!(merge["ours"], json!(["/b"]), "{told:#}");
    assert_eq!(merge["theirs"], json!(["/a", "/password", "/ssn"]), "{told:#}");
    assert!(
        event(&told, "sent")["guard"]
            .as_str()
            .unwrap()
            .starts_with("If-Match: ")
    );

    let mut three = Client::new(&gateway.authority);
    three.get("/things/x").await;
    let mut again = theirs.clone();
    again["a"] = 2.into();
    again["password"] = "third".into();
    again["ssn"] = "s3".into();
    again["c"] = 5.into();
    let mut four = Client::new(&gateway.authority);
    four.get("/things/x").await;
    let now = four.get("/things/x").await.json();
    let mut other = now.clone();
    other["c"] = 6.into();
    other["password"] = "fourth".into();
    other["ssn"] = "s4".into();
    assert_eq!(four.put("/things/x", &[], &other).await.status, 200);
    let overlap = three.put("/things/x", &[], &again).await;
    assert_eq!(overlap.status, 409, "{overlap:?}");
    let recent = console.get("/api/stories?limit=3").await.json();
    let refused = &recent["stories"][0];
    assert_eq!(refused["status"], 409, "{recent:#}");
    let id = refused["id"].as_str().unwrap();
    let told = story(&mut console, id).await;
    let conflicts = event(&told, "overlap")["conflicts"].as_array().unwrap();
    let at = |pointer: &str| conflicts.iter().find(|c| c["pointer"] == pointer).unwrap();
    assert_eq!(at("/c"), &json!({"pointer": "/c", "base": 1, "ours": 5, "theirs": 6}));
    assert_eq!(at("/password")["ours"], "(concealed)", "{told:#}");
    assert_eq!(at("/ssn")["theirs"], "(concealed)", "{told:#}");
    let all = recent.to_string() + &told.to_string();
    for secret in ["hunter2", "first", "second", "third", "fourth", "s3", "s4"] {
        assert!(!all.contains(&format!("\"{secret}\"")), "{secret}: {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_was_overcome_is_in_the_story_and_counted() {
    let origin = Scripted::start(Tags::Versions, false).await;
    let upstream = format!("http://{}", origin.authority);
    let gateway = Gateway::start(&[&MEMORY[..], &["--upstream", &upstream]].concat());
    let mut console = Client::new(gateway.admin.clone().unwrap());
    let mut writer = Client::new(&gateway.authority);
    origin.plant("/things/y", json!({"a": 1, "b": 1}));
    let read = writer.get("/things/y").await;
    // Somebody writes around the gateway.
    origin.plant("/things/y", json!({"a": 1, "b": 2}));
    assert_eq!(read.status, 200);
    let put = writer.put("/things/y", &[], &json!({"a": 2, "b": 1})).await;
    assert_eq!(put.outcome(), "applied", "{put:?}");
    // A signed URL is a credential.
    writer.put("/things/z?sig=abc", &[], &json!({"a": 2})).await;
    let told = story(&mut console, &id_of(&put)).await;
    let whats = whats(&told);
    for what in ["judged", "fetching", "fetched", "merged"] {
        assert!(whats.contains(&what), "{what}: {told:#}");
    }
    let judged = event(&told, "judged");
    assert_eq!(
        (&judged["class"], &judged["remedy"]),
        (&json!("stale"), &json!("rebase"))
    );
    assert!(!judged["evidence"][0]["signal"].as_str().unwrap().is_empty());

    let counts = console.get("/api/counts").await.json();
    assert!(counts["classes"]["stale"].as_u64().unwrap() >= 1, "{counts:#}");
    assert!(counts["statuses"]["412"].as_u64().unwrap() >= 1, "{counts:#}");
    assert!(counts["steps"]["merged"].as_u64().unwrap() >= 1, "{counts:#}");
    let recent = console.get("/api/stories").await;
    assert!(recent.json().to_string().contains("sig=(concealed)"), "{recent:?}");

    let metrics = console.get("/metrics").await;
    let text = String::from_utf8(metrics.content.to_vec()).unwrap();
    assert!(
        metrics
            .field("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "tiebreak_writes_total{outcome=\"applied\",class=\"none\",guarantee=\"C\"} 1",
        "tiebreak_conflicts_total{class=\"stale\"} ",
        "tiebreak_write_duration_seconds_bucket{le=\"+Inf\"} 2",
        "tiebreak_write_duration_seconds_count 2",
        "tiebreak_doubts 0",
        "tiebreak_lanes 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_it_was_a_write_is_found() {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        config.path(),
        "[[route]]\npath = \"/payments/{id}\"\nkey = \"required\"\nmax_content = \"1KiB\"\n",
    )
    .unwrap();
    let file = config.path().to_str().unwrap();
    let gateway = Gateway::start(&[&MEMORY[..], &["--data", "memory", "--config", file]].concat());
    let mut console = Client::new(gateway.admin.clone().unwrap());
    let mut client = Client::new(&gateway.authority);
    let key = ("idempotency-key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    let missing = client.put("/payments/1?token=hunter2", &[], &json!({"n": 1})).await;
    let large = client
        .put("/payments/1", &[key], &json!({"n": "x".repeat(2_000)}))
        .await;
    for (got, status, problem, keyed) in [(&missing, 400, "key-missing", false), (&large, 413, "too-large", true)] {
        assert_eq!((got.status.as_u16(), got.outcome()), (status, "not-sent"), "{got:?}");
        let id = id_of(got);
        assert_eq!(got.json()["id"], json!(id));
        let told = story(&mut console, &id).await;
        assert_eq!(
            (whats(&told), &told["keyed"]),
            (vec!["told"], &json!(keyed)),
            "{told:#}"
        );
        let event = event(&told, "told");
        assert_eq!((&event["problem"], &event["status"]), (&json!(problem), &json!(status)));
        assert!(!told.to_string().contains("hunter2"), "{told:#}");
    }
    // It is among the writes that a person searches.
    let listed = console.get("/api/stories?limit=10").await.json();
    let listed: Vec<&str> = listed["stories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, [id_of(&large), id_of(&missing)]);
    // Of what is no request there is no story, but it is counted, too.
    let answer = exchange(
        &gateway.authority,
        &[b"PUT /payments/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n"],
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let metrics = String::from_utf8(console.get("/metrics").await.content.to_vec()).unwrap();
    for counted in ["bad-request", "key-missing", "too-large"] {
        let line = metrics.lines().find(|line| line.contains(&format!("\"{counted}\"")));
        assert!(line.is_some_and(|line| line.ends_with(" 1")), "{counted}: {metrics}");
    }
}

/// The next event of a stream: its name and data.
async fn next(lines: &mut tokio::io::Lines<BufReader<tokio::net::TcpStream>>) -> (String, Value) {
    let mut name = String::new();
    loop {
        let line = lines.next_line().await.unwrap().expect("the stream goes on");
        if let Some(event) = line.strip_prefix("event: ") {
            name = event.to_owned();
        }
        if let Some(data) = line.strip_prefix("data: ") {
            return (name, serde_json::from_str(data).unwrap());
        }
    }
}

async fn listen(authority: &str) -> tokio::io::Lines<BufReader<tokio::net::TcpStream>> {
    let mut stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let head = format!("GET /api/live HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    BufReader::new(stream).lines()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_as_it_happens() {
    let (gateway, mut console) = embedded();
    let mut lines = listen(&gateway.admin.clone().unwrap()).await;
    assert_eq!(next(&mut lines).await.0, "history");
    assert_eq!(next(&mut lines).await.0, "now");
    let mut writer = Client::new(&gateway.authority);
    for n in 0..5 {
        writer.put(&format!("/things/{n}"), &[], &json!({ "n": n })).await;
    }
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        let mut writes = 0;
        while writes < 5 {
            let (name, second) = next(&mut lines).await;
            assert_eq!(name, "second");
            writes += second["writes"].as_u64().unwrap();
            if second["writes"] != 0 {
                assert!(second["ms"]["p50"].as_f64().unwrap() > 0.0, "{second}");
                assert_eq!(second["outcomes"]["applied"], second["writes"]);
            }
            assert_eq!(second["now"]["doubts"], 0);
        }
        writes
    });
    assert_eq!(seen.await.unwrap(), 5);
    let history = console.get("/api/history?seconds=60&step=60").await.json();
    let told = history["entries"].as_array().unwrap().iter();
    assert_eq!(told.map(|e| e["writes"].as_u64().unwrap()).sum::<u64>(), 5, "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_bounded_and_gone_ones_make_room() {
    let (gateway, mut console) = embedded();
    let admin = gateway.admin.clone().unwrap();
    let mut held = Vec::new();
    for _ in 0..32 {
        let mut lines = listen(&admin).await;
        next(&mut lines).await;
        held.push(lines);
    }
    let refused = console.send(Method::GET, "/api/live", &[], "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    held.clear();
    // A client that went away is noticed when the next sample cannot be sent.
    let room = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let mut lines = listen(&admin).await;
            if lines.next_line().await.unwrap().unwrap().contains("200") {
                return;
            }
        }
    });
    room.await.unwrap();
}
