//! What an origin accepts, and does later.

use expect_test::expect;
use http::Method;
use tiebreak_core::delivery::{Delivery, Unknown};

use crate::cases::Case;
use crate::story::story;
use crate::world::{accepted, answer};

fn following() -> Case {
    Case {
        method: Method::POST,
        follow_202: true,
        ..Case::default()
    }
}

#[test]
fn what_is_accepted_is_said_and_leaves_the_lane_suspect() {
    let wire = vec![accepted("location", "/ops/1")];
    story(
        &Case::default(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        PUT {"a":"new","b":1}
            202
        settle accepted, lane suspect
        answer 202: accepted; attempts=1; guarantee=D; unguarded
    "#]],
    );
}

#[test]
fn what_is_accepted_is_followed_to_its_end() {
    let wire = vec![
        accepted("operation-location", "http://origin.example/ops/1"),
        answer(200, None, r#"{"status":"Running"}"#),
        Delivery::Unknown(Unknown::Closed),
        answer(200, Some("\"of the monitor\""), r#"{"status":"Succeeded"}"#),
    ];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        wait
        read
            200  {"status":"Running"}
        wait
        read
            the connection ended before the answer
        wait
        read
            200 "of the monitor" {"status":"Succeeded"}
        settle applied
        answer 200: applied; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn what_is_accepted_and_fails_is_refused() {
    let wire = vec![
        accepted("azure-asyncoperation", "/ops/1"),
        answer(200, None, r#"{"status":"Failed","error":{"code":"Quota"}}"#),
    ];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        wait
        read
            200  {"status":"Failed","error":{"code":"Quota"}}
        settle refused
        answer 409 operation-failed: refused; attempts=1; guarantee=D; class=state
    "#]],
    );
}

#[test]
fn what_does_not_end_within_the_patience_stays_accepted() {
    let wire = vec![accepted("location", "/ops/1"), answer(202, None, "")];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        settle accepted, lane suspect
        answer 202: accepted; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn nobody_else_is_asked_what_became_of_it() {
    let wire = vec![accepted("location", "http://other.example/ops/1")];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        settle accepted, lane suspect
        answer 202: accepted; attempts=1; guarantee=D
    "#]],
    );
}
