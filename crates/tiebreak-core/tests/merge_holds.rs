//! What the prover and adoption ask: is it there, and is it the same?

use bytes::Bytes;
use http::Method;
use tiebreak_core::merge::{Edit, Holds, MergeRules, Representation, SameFailure, holds, same};

const JSON: &str = "application/json";

fn rep(content: &str) -> Representation {
    Representation::new(JSON, content.to_owned())
}

fn check(method: Method, content_type: &str, sent: &str, before: &str, now: &str, expected: Holds) {
    let rules = MergeRules::default().with_volatile("/at").expect("pointer");
    let edit = Edit::read(&method, content_type, None, &Bytes::copy_from_slice(sent.as_bytes()));
    let found = holds(&edit, Some(&rep(before)), &rep(now), &rules);
    assert_eq!(found, expected, "{sent} {before} {now}");
    let blind = holds(&edit, None, &rep(now), &rules);
    assert!(
        matches!(blind, Holds::No | Holds::CannotTell),
        "without a before nothing is proven: {blind:?}"
    );
}

#[test]
fn whole_documents() {
    let put = |sent, before, now, expected| check(Method::PUT, JSON, sent, before, now, expected);
    put(r#"{"a":2}"#, r#"{"a":1}"#, r#"{"a":2.0,"id":7}"#, Holds::NewlyYes);
    put(r#"{"a":2}"#, r#"{"a":2}"#, r#"{"a":2}"#, Holds::AlreadyBefore);
    put(r#"{"a":2}"#, r#"{"a":1}"#, r#"{"a":1}"#, Holds::No);
    put(r#"{"a":null}"#, r#"{"a":1}"#, "{}", Holds::No);
    put(
        r#"{"a":2,"at":1}"#,
        r#"{"a":1,"at":1}"#,
        r#"{"a":2,"at":5}"#,
        Holds::NewlyYes,
    );
    // A deletion is seen by what is gone; where it is still there, the origin may keep it, or nothing happened.
    put(r#"{"a":1}"#, r#"{"a":1,"x":1}"#, r#"{"a":1}"#, Holds::NewlyYes);
    put(r#"{"a":1}"#, r#"{"a":1,"x":1}"#, r#"{"a":1,"x":1}"#, Holds::CannotTell);
    // What is new shows the write, whatever the origin keeps of its own (an id, permissions).
    put(r#"{"a":2}"#, r#"{"a":1,"x":1}"#, r#"{"a":2,"x":1}"#, Holds::NewlyYes);
    put(
        r#"{"l":[{"n":1}]}"#,
        r#"{"l":[]}"#,
        r#"{"l":[{"n":1,"id":3}]}"#,
        Holds::NewlyYes,
    );
}

#[test]
fn patches() {
    let merge = |sent, before, now, expected| {
        check(
            Method::PATCH,
            "application/merge-patch+json",
            sent,
            before,
            now,
            expected,
        )
    };
    merge(
        r#"{"a":2,"x":null}"#,
        r#"{"a":1,"x":1}"#,
        r#"{"a":2,"b":1}"#,
        Holds::NewlyYes,
    );
    merge(r#"{"a":2,"x":null}"#, r#"{"a":1,"x":1}"#, r#"{"a":2,"x":1}"#, Holds::No);
    merge(r#"{"a":2}"#, r#"{"a":2}"#, r#"{"a":2}"#, Holds::AlreadyBefore);
    let json = |sent, before, now, expected| {
        check(
            Method::PATCH,
            "application/json-patch+json",
            sent,
            before,
            now,
            expected,
        )
    };
    json(
        r#"[{"op":"add","path":"/l/-","value":1}]"#,
        r#"{"l":[]}"#,
        r#"{"l":[1],"b":1}"#,
        Holds::NewlyYes,
    );
    json(
        r#"[{"op":"add","path":"/l/-","value":1}]"#,
        r#"{"l":[]}"#,
        r#"{"l":[]}"#,
        Holds::No,
    );
    json(
        r#"[{"op":"move","from":"/a","path":"/b"}]"#,
        r#"{"a":1}"#,
        r#"{"b":1}"#,
        Holds::NewlyYes,
    );
    json(
        r#"[{"op":"move","from":"/a","path":"/b"}]"#,
        r#"{"a":1}"#,
        r#"{"a":1,"b":1}"#,
        Holds::No,
    );
    json(r#"[{"op":"remove","path":"/a"}]"#, "{}", "{}", Holds::CannotTell);
}

#[test]
fn what_is_no_data_is_compared_byte_for_byte() {
    let text = |content: &str| Representation::new("text/plain", content.to_owned());
    let edit = Edit::Whole(text("b"));
    let rules = MergeRules::default();
    assert_eq!(holds(&edit, Some(&text("a")), &text("b"), &rules), Holds::NewlyYes);
    assert_eq!(holds(&edit, Some(&text("b")), &text("b"), &rules), Holds::AlreadyBefore);
    assert_eq!(holds(&edit, Some(&text("a")), &text("b\n"), &rules), Holds::CannotTell);
    let post = Edit::read(&Method::POST, JSON, None, &Bytes::from_static(b"{}"));
    assert_eq!(holds(&post, Some(&rep("{}")), &rep("{}"), &rules), Holds::CannotTell);
}

#[test]
fn an_existing_resource_is_the_same_if_all_that_was_asked_is_there() {
    let rules = MergeRules::default().with_volatile("/at").expect("pointer");
    assert_eq!(
        same(&rep(r#"{"a":1,"at":1}"#), &rep(r#"{"id":9,"a":1.0,"at":2}"#), &rules),
        Ok(())
    );
    let Err(SameFailure::Differs(differences)) = same(
        &rep(r#"{"a":1,"b":{"c":2},"d":null}"#),
        &rep(r#"{"a":1,"b":{"c":3}}"#),
        &rules,
    ) else {
        panic!("they differ");
    };
    let places: Vec<String> = differences
        .iter()
        .map(|difference| difference.pointer.to_string())
        .collect();
    assert_eq!(places, ["/b/c", "/d"]);
    let other = Representation::new("text/plain", "x");
    assert!(matches!(
        same(&rep("{}"), &other, &rules),
        Err(SameFailure::NotComparable(_))
    ));
    assert_eq!(same(&other, &Representation::new("text/plain", "x"), &rules), Ok(()));
}
