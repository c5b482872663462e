//! What a caller itself wrote and removed, with content that merges and content that does not.

use std::collections::HashMap;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;
use tiebreak_core::policy::Policy;
use tiebreak_core::response::Response;

use crate::world::{World, document, respond, told};

/// Keeps what is put, of any type, and has no entity tags; it serves everything without a type, as Apache does.
fn files(kind: &'static str) -> impl FnMut(&Request<Bytes>) -> Response {
    let mut files: HashMap<String, Bytes> = HashMap::new();
    move |request| {
        let path = request.uri().path().to_owned();
        match request.method().as_str() {
            "GET" => match files.get(&path) {
                Some(content) => {
                    let mut found = respond(200, &[("content-type", kind)], "");
                    found.content = content.clone();
                    found
                }
                None => respond(404, &[], ""),
            },
            "PUT" => {
                let status = if files.contains_key(&path) { 204 } else { 201 };
                files.insert(path, request.body().clone());
                respond(status, &[], "")
            }
            "DELETE" => {
                files.retain(|file, _| !file.starts_with(&path));
                respond(204, &[], "")
            }
            "MOVE" => {
                let to = request.headers()["destination"].to_str().unwrap();
                let content = files.remove(&path).unwrap();
                files.insert(to.strip_prefix(crate::world::ORIGIN).unwrap().to_owned(), content);
                respond(201, &[], "")
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_merge_is_written_over_as_without_a_gateway() {
    let world = World::new(Policy::default(), files("application/octet-stream"));
    for content in ["one", "two", "three"] {
        let put = world
            .write(1, Method::PUT, "/f", &[("content-type", "text/plain")], content)
            .await;
        assert!(put.status.is_success(), "{content}: {}", told(&put));
    }
    assert_eq!(&world.read(1, "/f").content[..], b"three");
}

#[tokio::test(start_paused = true)]
async fn nothing_has_to_be_merged_where_nobody_changed_anything() {
    // `curl --data-binary` says that everything is a form; what the server serves is none.
    let world = World::new(Policy::default(), files("text/plain"));
    for content in ["a=1", "a=2", "a=3"] {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let put = world.write(1, Method::PUT, "/f", &form, content).await;
        assert!(put.status.is_success(), "{content}: {}", told(&put));
    }
    assert_eq!(&world.read(1, "/f").content[..], b"a=3");
}

#[tokio::test(start_paused = true)]
async fn who_removed_a_resource_may_make_it_anew() {
    let world = World::new(Policy::default(), files("application/json"));
    let there = [("destination", "http://origin.example/there")];
    for (round, (method, path, fields)) in [
        (Method::DELETE, "/c/doc", &[][..]),
        (Method::DELETE, "/c/", &[]),
        ("MOVE".parse().unwrap(), "/c/doc", &there),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(world.put(1, "/c/doc", &json!({"n": round})).await.status.is_success());
        world.read(1, "/c/doc");
        let gone = world.write(1, method, path, fields, "").await;
        assert!(gone.status.is_success(), "{}", told(&gone));
        let anew = world.put(1, "/c/doc", &json!({"anew": round})).await;
        assert_eq!(anew.status, 201, "{round}: {}", told(&anew));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_edits_what_another_one_removed_is_told() {
    let world = World::new(Policy::default(), files("application/json"));
    world.put(1, "/doc", &json!({"n": 1})).await;
    world.read(2, "/doc");
    world.write(1, Method::DELETE, "/doc", &[], "").await;
    let late = world.put(2, "/doc", &json!({"n": 2})).await;
    assert_eq!(late.status, 409, "{}", told(&late));
    assert!(document(&late.content)["type"].as_str().unwrap().ends_with("/stale"));
    assert_eq!(world.read(2, "/doc").status, 404);
}
