//! Origins that keep the version in the content: CouchDB, Kubernetes, and GitHub's file contents.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tiebreak_core::judge::Judge;
use tiebreak_core::policy::{OnStale, Policy};
use tiebreak_core::response::Response;

use crate::world::{Fault, World, document, json_of, respond, told};

fn declared(dialect: &str) -> Policy {
    let judge = Judge::standard();
    Policy::default().with_body_version(judge.body_version(dialect).unwrap().clone())
}

/// The form of CouchDB: `_rev`, also as an entity tag; a write without one creates.
fn couchdb() -> impl FnMut(&Request<Bytes>) -> Response {
    let mut documents: HashMap<String, (u64, Value)> = HashMap::new();
    move |request| {
        let server = ("server", "CouchDB/3.3.3 (Erlang OTP/24)");
        let path = request.uri().path().to_owned();
        let rev = |n: u64| format!("{n}-{n:032x}");
        let current = documents.get(&path).cloned();
        if request.method() == Method::GET {
            let Some((n, mut document)) = current else {
                return respond(404, &[server], json!({"error": "not_found", "reason": "missing"}));
            };
            document["_rev"] = json!(rev(n));
            return respond(200, &[server, ("etag", &format!("\"{}\"", rev(n)))], document);
        }
        let query = request
            .uri()
            .query()
            .and_then(|q| q.strip_prefix("rev="))
            .map(str::to_owned);
        let deletes = request.method() == Method::DELETE;
        let sent = if deletes { json!({}) } else { json_of(request) };
        let named = sent["_rev"].as_str().map(str::to_owned).or(query);
        let header = request
            .headers()
            .get("if-match")
            .map(|v| v.to_str().unwrap().replace('"', ""));
        if header.is_some() && named.is_some() && header != named {
            return respond(
                400,
                &[server],
                json!({"error": "bad_request", "reason": "Document rev and etag differ"}),
            );
        }
        if named.or(header) != current.as_ref().map(|(n, _)| rev(*n)) {
            let conflict = json!({"error": "conflict", "reason": "Document update conflict."});
            return respond(409, &[server], conflict);
        }
        let n = current.map_or(1, |(n, _)| n + 1);
        let code = if deletes { 200 } else { 201 };
        if deletes {
            documents.remove(&path);
        } else {
            documents.insert(path, (n, sent));
        }
        respond(code, &[server], json!({"ok": true, "id": "d", "rev": rev(n)}))
    }
}

/// The form of Kubernetes: `metadata.resourceVersion`, no entity tags; a write without a version overwrites.
fn kubernetes() -> impl FnMut(&Request<Bytes>) -> Response {
    let mut version = 40;
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1", "b": "1"}});
    move |request| {
        if request.method() == Method::PUT {
            let sent = json_of(request);
            let named = sent["metadata"]["resourceVersion"].as_str().map(str::to_owned);
            if named.is_some_and(|named| named != version.to_string()) {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
                    "message": "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your changes to the latest version and try again"});
                return respond(409, &[], status);
            }
            version += 1;
            object = sent;
        }
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        respond(200, &[], &object)
    }
}

/// The form of GitHub's file contents: the `sha` of what is replaced, a digest; the write is a message about the file.
fn contents() -> impl FnMut(&Request<Bytes>) -> Response {
    let mut file = "b25l".to_owned();
    let sha = |file: &str| format!("{:040x}", file.bytes().map(u64::from).sum::<u64>());
    move |request| {
        let mark = ("x-github-request-id", "1");
        if request.method() == Method::PUT {
            let sent = json_of(request);
            if sent["sha"] != json!(sha(&file)) {
                let why = json!({"message": "f does not match 5717457c", "documentation_url": "https://docs.github.com/rest"});
                return respond(409, &[mark], why);
            }
            sent["content"].as_str().unwrap().clone_into(&mut file);
            return respond(
                200,
                &[mark],
                json!({"content": {"path": "f", "sha": sha(&file)}, "commit": {"sha": "c"}}),
            );
        }
        respond(
            200,
            &[mark, ("etag", "W/\"e\"")],
            json!({"path": "f", "sha": sha(&file), "content": file}),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_names_an_old_version_is_merged_and_goes_out_under_the_new_one() {
    for (policy, written) in [
        (declared("couchdb"), "declared"),
        (Policy::default(), "learned from the refusal"),
    ] {
        let world = World::new(policy, couchdb());
        assert_eq!(world.put(9, "/db/d", &json!({"a": 1, "b": 1})).await.status, 201);
        let ours = document(&world.read(1, "/db/d").content);
        let theirs = document(&world.read(2, "/db/d").content);
        let mut edited = theirs.clone();
        edited["b"] = json!(2);
        assert_eq!(world.put(2, "/db/d", &edited).await.status, 201);
        let mut edited = ours.clone();
        edited["a"] = json!(2);
        let answer = world.put(1, "/db/d", &edited).await;
        assert_eq!(answer.status, 201, "{written}: {answer:?}");
        assert!(answer.report.rebased, "{written}: {}", told(&answer));
        let end = document(&world.read(3, "/db/d").content);
        assert_eq!((&end["a"], &end["b"]), (&json!(2), &json!(2)), "{written}: {end}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_version_in_the_document_tells_more_than_the_connection() {
    let world = World::new(declared("couchdb"), couchdb());
    world.put(9, "/db/d", &json!({"a": 1, "b": 1})).await;
    // One pool: this connection reads the old version and the new one; the write is made from the old one.
    let mut old = document(&world.read(1, "/db/d").content);
    let mut other = old.clone();
    other["b"] = json!(2);
    world.put(2, "/db/d", &other).await;
    world.read(1, "/db/d");
    old["a"] = json!(2);
    let answer = world.put(1, "/db/d", &old).await;
    assert_eq!(told(&answer), "201 applied; attempts=2; guarantee=A; rebased");
    let end = document(&world.read(3, "/db/d").content);
    assert_eq!((&end["a"], &end["b"]), (&json!(2), &json!(2)), "{end}");
}

#[tokio::test(start_paused = true)]
async fn the_revision_in_an_answer_is_a_base_for_the_next_edit() {
    let world = World::new(declared("couchdb"), couchdb());
    let mut mine = json!({"a": 1, "b": 1});
    let made = document(&world.put(1, "/db/d", &mine).await.content);
    let mut other = document(&world.read(2, "/db/d").content);
    other["b"] = json!(2);
    world.put(2, "/db/d", &other).await;
    // As CouchDB's clients do: the new revision is put into the document at hand.
    mine["_rev"] = made["rev"].clone();
    mine["a"] = json!(2);
    let answer = world.put(1, "/db/d", &mine).await;
    assert!(answer.report.rebased, "{answer:?}");
    let end = document(&world.read(3, "/db/d").content);
    assert_eq!((&end["a"], &end["b"]), (&json!(2), &json!(2)), "{end}");
}

#[tokio::test(start_paused = true)]
async fn an_overlap_and_an_unknown_base_are_refused() {
    let world = World::new(declared("couchdb"), couchdb());
    world.put(9, "/db/d", &json!({"a": 1})).await;
    let mut ours = document(&world.read(1, "/db/d").content);
    let mut theirs = ours.clone();
    theirs["a"] = json!("theirs");
    world.put(2, "/db/d", &theirs).await;
    ours["a"] = json!("ours");
    let answer = world.put(1, "/db/d", &ours).await;
    let problem = document(&answer.content);
    assert_eq!(
        (answer.status.as_u16(), &problem["conflicts"][0]["pointer"]),
        (409, &json!("/a")),
        "{problem}"
    );
    assert!(
        !answer.headers.contains_key("etag"),
        "the origin's versions are no entity tags: {answer:?}"
    );
    // A version that nobody was given here: the origin's own words, and nothing was altered.
    world.sent();
    let foreign = json!({"_rev": format!("1-{}", "f".repeat(32)), "a": 3});
    let answer = world.put(1, "/db/d", &foreign).await;
    assert_eq!(document(&answer.content)["error"], "conflict", "{answer:?}");
    assert_eq!(world.sent(), [format!("PUT /db/d {foreign}")]);
}

#[tokio::test(start_paused = true)]
async fn a_document_without_a_version_creates_and_is_never_given_one() {
    let world = World::new(declared("couchdb"), couchdb());
    assert_eq!(world.put(1, "/db/d", &json!({"a": 1})).await.status, 201);
    world.read(1, "/db/d");
    world.sent();
    let answer = world.put(1, "/db/d", &json!({"a": 2})).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(world.sent(), [r#"PUT /db/d {"a":2}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_proven_by_the_version_in_the_content() {
    for fault in [
        Fault::Lost,
        Fault::Dropped,
        Fault::Late(Duration::from_secs(2)),
        Fault::Unavailable,
    ] {
        let world = World::new(declared("couchdb"), couchdb());
        world.put(9, "/db/d", &json!({"a": 1})).await;
        let mut mine = document(&world.read(1, "/db/d").content);
        mine["a"] = json!(2);
        world.faults([fault]);
        let answer = world.put(1, "/db/d", &mine).await;
        assert!(told(&answer).contains("applied;"), "{fault:?}: {answer:?}");
        assert!(told(&answer).contains("guarantee=A"), "{fault:?}: {answer:?}");
        tokio::time::sleep(Duration::from_secs(20)).await;
        let end = document(&world.read(3, "/db/d").content);
        assert!(
            end["_rev"].as_str().unwrap().starts_with("2-"),
            "performed once: {fault:?} {end}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_names_its_version_in_the_query_is_about_the_document() {
    let world = World::new(declared("couchdb"), couchdb());
    world.put(9, "/db/d", &json!({"a": 1})).await;
    let rev = document(&world.read(1, "/db/d").content)["_rev"]
        .as_str()
        .unwrap()
        .to_owned();
    world.sent();
    world.faults([Fault::Lost]);
    let answer = world
        .write(1, Method::DELETE, &format!("/db/d?rev={rev}"), &[], "")
        .await;
    assert_eq!(told(&answer), "204 applied; attempts=1; guarantee=A");
    assert_eq!(
        world.sent(),
        [format!("DELETE /db/d?rev={rev}"), "GET /db/d".to_owned()]
    );
}

#[tokio::test(start_paused = true)]
async fn an_origin_without_entity_tags_is_guarded_by_its_versions() {
    for (policy, guarantee) in [(declared("kubernetes"), "A"), (Policy::default(), "C")] {
        let world = World::new(policy, kubernetes());
        let mut ours = document(&world.read(1, "/c").content);
        let mut theirs = document(&world.read(2, "/c").content);
        theirs["data"]["b"] = json!("2");
        assert_eq!(world.put(2, "/c", &theirs).await.status, 200);
        ours["data"]["a"] = json!("2");
        let answer = world.put(1, "/c", &ours).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            told(&answer).contains(&format!("guarantee={guarantee}; rebased")),
            "{}",
            told(&answer)
        );
        let end = document(&world.read(3, "/c").content);
        assert_eq!(end["data"], json!({"a": "2", "b": "2"}), "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_lost_its_version_gets_that_of_its_base_where_it_would_overwrite() {
    let world = World::new(declared("kubernetes"), kubernetes());
    let mut ours = document(&world.read(1, "/c").content);
    ours["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    ours["data"]["a"] = json!("2");
    world.sent();
    let answer = world.put(1, "/c", &ours).await;
    assert_eq!(told(&answer), "200 applied; attempts=1; guarantee=C");
    let sent = world.sent();
    assert!(sent[0].contains(r#""resourceVersion":"40""#), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_merge_gets_the_origins_conflict() {
    let policy = Policy {
        on_stale: OnStale::Stop,
        ..declared("kubernetes")
    };
    let world = World::new(policy, kubernetes());
    let mut ours = document(&world.read(1, "/c").content);
    let mut theirs = ours.clone();
    theirs["data"]["b"] = json!("2");
    world.put(2, "/c", &theirs).await;
    ours["data"]["a"] = json!("2");
    let answer = world.put(1, "/c", &ours).await;
    assert_eq!(document(&answer.content)["reason"], "Conflict", "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_with_a_digest_is_never_merged_and_never_sent_twice_on_a_guess() {
    let world = World::new(declared("github"), contents());
    let path = "/repos/o/r/contents/f";
    let sha = document(&world.read(1, path).content)["sha"].clone();
    let put = |content: &str| json!({"message": "m", "content": content, "sha": sha});
    assert_eq!(world.put(2, path, &put("dHdv")).await.status, 200);
    world.sent();
    let answer = world.put(1, path, &put("dHJlZQ==")).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let message = document(&answer.content)["message"].clone();
    assert!(message.as_str().unwrap().contains("does not match"), "{answer:?}");
    assert_eq!(world.sent().iter().filter(|line| line.starts_with("PUT")).count(), 1);
    let world = World::new(declared("github"), contents());
    let path = "/repos/o/r/contents/f";
    let sha = document(&world.read(1, path).content)["sha"].clone();
    world.faults([Fault::Dropped]);
    world.sent();
    let answer = world
        .put(1, path, &json!({"message": "m", "content": "dHdv", "sha": sha}))
        .await;
    assert_eq!(told(&answer), "504 in-doubt; attempts=1; guarantee=C");
    assert_eq!(world.sent().iter().filter(|line| line.starts_with("PUT")).count(), 1);
}
