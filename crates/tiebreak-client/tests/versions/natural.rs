//! Creations with a natural key: looked for before they are sent, and recognised by it when the answer is lost.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tiebreak_core::exchange::Answer;
use tiebreak_core::json::Pointer;
use tiebreak_core::natural_key::{NaturalKey, Template};
use tiebreak_core::policy::{OnDuplicate, Policy};
use tiebreak_core::response::Response;

use crate::world::{Fault, World, document, json_of, respond, told};

/// A list of users; whether it refuses a second one with the same e-mail address.
fn users(unique: bool) -> impl FnMut(&Request<Bytes>) -> Response {
    let mut users: Vec<Value> = Vec::new();
    move |request| {
        if request.method() == Method::GET {
            let email = request
                .uri()
                .query()
                .unwrap()
                .strip_prefix("email=")
                .unwrap()
                .replace("%40", "@");
            let found: Vec<&Value> = users.iter().filter(|u| u["email"] == json!(email)).collect();
            return respond(200, &[], json!({"items": found}));
        }
        let mut user = json_of(request);
        if user["name"].is_null() {
            return respond(422, &[], json!({"title": "name is missing"}));
        }
        if unique && users.iter().any(|u| u["email"] == user["email"]) {
            return respond(
                409,
                &[],
                json!({"title": "Conflict", "detail": "a user with this email already exists"}),
            );
        }
        user["id"] = json!(users.len() + 1);
        users.push(user.clone());
        respond(201, &[("location", &format!("/users/{}", users.len()))], user)
    }
}

fn policy(on_duplicate: OnDuplicate) -> Policy {
    Policy {
        on_duplicate,
        natural_key: Some(NaturalKey {
            members: vec![Pointer::parse("/email").unwrap()],
            look_up: Template::parse("/users?email={/email}").unwrap(),
            items: Pointer::parse("/items").unwrap(),
            location: Some(Template::parse("/users/{/id}").unwrap()),
            prefix: String::new(),
        }),
        ..Policy::default()
    }
}

fn ada(name: &str) -> Value {
    json!({"email": "ada@example.org", "name": name})
}

async fn post(world: &World, fields: &[(&str, &str)], user: &Value) -> Answer {
    world.write(1, Method::POST, "/users", fields, user).await
}

fn posts(world: &World) -> usize {
    world.sent().iter().filter(|line| line.starts_with("POST")).count()
}

#[tokio::test(start_paused = true)]
async fn an_equal_one_is_adopted_only_where_the_route_says_so() {
    for unique in [true, false] {
        let world = World::new(policy(OnDuplicate::Adopt), users(unique));
        let made = post(&world, &[], &ada("Ada")).await;
        assert_eq!(told(&made), "201 applied; attempts=1; guarantee=C");
        let again = post(&world, &[], &ada("Ada")).await;
        assert_eq!(told(&again), "200 adopted; attempts=0; guarantee=D", "{again:?}");
        assert_eq!(document(&again.content)["id"], json!(1));
        assert_eq!(again.headers["content-location"], "/users/1");
        // Another in what was asked; and a demand of the client's own that there be none.
        for (fields, name) in [(&[][..], "Grace"), (&[("if-none-match", "*")][..], "Ada")] {
            let other = post(&world, fields, &ada(name)).await;
            assert_eq!(other.status, 409, "{other:?}");
            assert_eq!(document(&other.content)["existing"], json!("/users/1"));
        }
        assert_eq!(posts(&world), 1);
    }
    let world = World::new(policy(OnDuplicate::Stop), users(false));
    post(&world, &[], &ada("Ada")).await;
    assert_eq!(post(&world, &[], &ada("Ada")).await.status, 409);
    assert_eq!(posts(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_names_the_resource_and_the_fields_that_differ() {
    let world = World::new(policy(OnDuplicate::Adopt), users(true));
    post(&world, &[], &ada("Ada")).await;
    let other = post(&world, &[], &ada("Grace")).await;
    let problem = document(&other.content);
    assert_eq!(problem["type"], "https://tiebreak.dev/problems/duplicate");
    assert_eq!(problem["existing"], "/users/1");
    let differences = json!([{"pointer": "/name", "asked": "Grace", "existing": "Ada"}]);
    assert_eq!(problem["differences"], differences);
    assert_eq!(problem["fields"], json!(["/email"]));
}

#[tokio::test(start_paused = true)]
async fn creations_with_one_key_run_one_after_the_other() {
    let world = World::new(policy(OnDuplicate::Adopt), users(false));
    let (one, two) = (ada("Ada"), ada("Ada"));
    let (a, b) = tokio::join!(post(&world, &[], &one), post(&world, &[], &two));
    let mut outcomes = [a.report.outcome.as_str(), b.report.outcome.as_str()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["adopted", "applied"]);
    assert_eq!(posts(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_creation_is_recognised_by_its_key() {
    let faults = [
        Fault::Lost,
        Fault::Unavailable,
        Fault::Late(Duration::from_secs(3)),
        Fault::Dropped,
    ];
    for fault in faults {
        for unique in [true, false] {
            let world = World::new(policy(OnDuplicate::Stop), users(unique));
            world.faults([fault]);
            let made = post(&world, &[], &ada("Ada")).await;
            let attempts = if matches!(fault, Fault::Dropped) { 2 } else { 1 };
            let expected = format!("201 applied; attempts={attempts}; guarantee=C");
            assert_eq!(told(&made), expected, "{fault:?}");
            assert_eq!(made.headers["location"], "/users/1", "{fault:?}");
            tokio::time::sleep(Duration::from_secs(60)).await;
            let found = document(&world.read(1, "/users?email=ada%40example.org").content);
            assert_eq!(found["items"].as_array().unwrap().len(), 1, "{fault:?}: {found}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_or_is_another_proves_nothing() {
    // Somebody writes around: another user with this address appears while the answer is lost.
    let mut origin = users(false);
    let mut planted = false;
    let world = World::new(policy(OnDuplicate::Stop), move |request| {
        if request.method() == Method::POST && !std::mem::replace(&mut planted, true) {
            let other = json!({"email": "ada@example.org", "name": "Grace"});
            let planting = Request::post("/users").body(other.to_string().into()).unwrap();
            origin(&planting);
            return respond(503, &[], "");
        }
        origin(request)
    });
    let lost = post(&world, &[], &ada("Ada")).await;
    assert_eq!(told(&lost), "504 in-doubt; attempts=1; guarantee=C", "{lost:?}");
    // The repeat looks again, and does not send.
    let again = post(&world, &[], &ada("Ada")).await;
    assert_eq!(again.report.outcome.as_str(), "in-doubt");
    assert_eq!(posts(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_fails_sends_nothing_and_one_that_ignores_its_filter_proves_nothing() {
    let world = World::new(policy(OnDuplicate::Stop), |request: &Request<Bytes>| {
        match *request.method() {
            Method::GET => respond(403, &[], ""),
            _ => respond(201, &[], ""),
        }
    });
    let refused = post(&world, &[], &ada("Ada")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.report.outcome.as_str()),
        (502, "not-sent"),
        "{refused:?}"
    );
    assert_eq!(posts(&world), 0);
    let world = World::new(policy(OnDuplicate::Adopt), |request: &Request<Bytes>| {
        match *request.method() {
            Method::GET => respond(
                200,
                &[],
                json!({"items": [{"id": 1, "email": "grace@example.org", "name": "Ada"}]}),
            ),
            _ => respond(201, &[], ""),
        }
    });
    world.faults([Fault::Dropped]);
    let lost = post(&world, &[], &ada("Ada")).await;
    assert_eq!(told(&lost), "504 in-doubt; attempts=1; guarantee=D");
}
