//! Tags of our own, where more is learned of the documents than the route says.

use http::Method;
use serde_json::json;
use tiebreak_core::merge::Representation;
use tiebreak_core::policy::Policy;
use tiebreak_core::virtual_tag::VirtualTags;

use crate::world::{World, document, json_of, respond, told};

/// What a dialect pack says of a family's documents counts in comparisons, and not in tags: those that a client was shown hold.
#[tokio::test(start_paused = true)]
async fn the_tag_that_was_shown_holds_for_documents_of_which_more_is_known() {
    let policy = Policy {
        virtual_tags: VirtualTags::Json,
        ..Policy::default()
    };
    let record = |title: &str, n: u32| json!({"id": "r1", "collectionId": "c", "collectionName": "posts", "title": title, "created": "1", "updated": n.to_string()});
    let (mut now, mut n) = (record("one", 1), 1);
    let world = World::new(policy.clone(), move |request| {
        if request.method() != Method::GET {
            n += 1;
            now = record(json_of(request)["title"].as_str().unwrap(), n);
        }
        respond(200, &[], &now)
    });
    let path = "/api/collections/posts/records/r1";
    let read = world.read(1, path);
    let shown = policy
        .virtual_tag(&Representation::of(&read).unwrap())
        .unwrap()
        .to_string();
    let mut mine = document(&read.content);
    mine["title"] = json!("two");
    let first = world
        .write(1, Method::PATCH, path, &[("if-match", &shown)], &mine)
        .await;
    assert_eq!(told(&first), "200 applied; attempts=1; guarantee=C");
    let stale = world
        .write(1, Method::PATCH, path, &[("if-match", &shown)], &mine)
        .await;
    assert!(told(&stale).starts_with("412 not-sent"), "{}", told(&stale));
}
