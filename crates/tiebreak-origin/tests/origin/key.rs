//! `Idempotency-Key`.

use std::time::Duration;

use tiebreak_origin::{Origin, OriginOptions};

use crate::helpers::{Fields, ask, both};

const KEY: (&str, &str) = ("idempotency-key", "\"k1\"");

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        let table: &[(&str, Fields<'_>, &str)] = &[
            ("POST /things", &[KEY], r#"{"n":1}"#),
            ("PUT /things/1", &[KEY], r#"{"n":1}"#),
            (
                "PATCH /things/1",
                &[KEY, ("content-type", "application/json-patch+json")],
                r#"[{"op":"add","path":"/n","value":5}]"#,
            ),
            (
                "PUT /things/1",
                &[("idempotency-key", "k2"), ("prefer", "return=minimal")],
                "{}",
            ),
            ("DELETE /things/1", &[KEY], ""),
        ];
        for (what, fields, content) in table {
            let first = ask(origin, what, fields, content).await;
            assert!(first.status < 300, "{what}: {first:?}");
            assert_eq!(first.field("idempotency-replayed"), None);
            let again = ask(origin, what, fields, content).await;
            assert_eq!((again.status, &again.text), (first.status, &first.text), "{what}");
            assert_eq!(again.field("idempotency-replayed"), Some("true"), "{what}");
            for field in ["etag", "location", "content-location", "last-modified", "content-type"] {
                assert_eq!(again.field(field), first.field(field), "{what} {field}");
            }
        }
        let items = ask(origin, "GET /things", &[], "").await.json();
        assert_eq!(items["items"].as_array().unwrap().len(), 1, "{items}");
    }
}

#[tokio::test]
async fn a_key_is_bound_to_content_caller_and_target() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        assert_eq!(ask(origin, "POST /things", &[KEY], r#"{"n":1}"#).await.status, 201);
        let other = ask(origin, "POST /things", &[KEY], r#"{"n":2}"#).await;
        assert_eq!((other.status, other.problem().as_str()), (422, "key-reuse"));
        let fresh: &[(&str, Fields<'_>)] = &[
            ("POST /things", &[KEY, ("authorization", "Bearer a")]),
            ("POST /things", &[KEY, ("authorization", "Bearer b")]),
            ("POST /others", &[KEY]),
        ];
        for (what, fields) in fresh {
            let said = ask(origin, what, fields, r#"{"n":1}"#).await;
            assert_eq!(
                (said.status, said.field("idempotency-replayed")),
                (201, None),
                "{what} {fields:?}"
            );
        }
        let two = [KEY, ("idempotency-key", "\"k2\"")];
        assert_eq!(ask(origin, "POST /things", &two, "{}").await.problem(), "key-invalid");
    }
}

#[tokio::test]
async fn refusals_are_not_kept() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        let stale = ask(origin, "PUT /things/1", &[KEY, ("if-match", "\"x\"")], "{}").await;
        assert_eq!(stale.status, 409);
        let now = ask(origin, "PUT /things/1", &[KEY, ("if-none-match", "*")], "{}").await;
        assert_eq!((now.status, now.field("idempotency-replayed")), (201, None));
        // The repeat is answered by the key, although its precondition fails by now.
        let again = ask(origin, "PUT /things/1", &[KEY, ("if-none-match", "*")], "{}").await;
        assert_eq!((again.status, again.etag()), (201, now.etag()));
    }
}

#[tokio::test]
async fn keys_expire_are_bounded_and_make_room() {
    let none = OriginOptions {
        key_ttl: Duration::ZERO,
        max_keys: 1,
        ..OriginOptions::default()
    };
    let (_folder, origins) = both(&none);
    for origin in &origins {
        for key in ["\"a\"", "\"b\"", "\"b\""] {
            let said = ask(origin, "POST /things", &[("idempotency-key", key)], "{}").await;
            assert_eq!((said.status, said.field("idempotency-replayed")), (201, None));
        }
    }
    let one = OriginOptions {
        max_keys: 1,
        ..OriginOptions::default()
    };
    let (_folder, origins) = both(&one);
    for origin in &origins {
        assert_eq!(ask(origin, "POST /things", &[KEY], "{}").await.status, 201);
        let said = ask(origin, "POST /things", &[("idempotency-key", "\"k2\"")], "{}").await;
        assert_eq!((said.status, said.problem().as_str()), (503, "busy"));
        assert_eq!(said.field("retry-after"), Some("1"));
        assert_eq!(
            ask(origin, "POST /things", &[KEY], "{}")
                .await
                .field("idempotency-replayed"),
            Some("true")
        );
    }
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let fields = [KEY, ("authorization", "Bearer a")];
    let origin = Origin::open(file.clone(), OriginOptions::default()).unwrap();
    let first = ask(&origin, "POST /things", &fields, "{}").await;
    drop(origin);
    let origin = Origin::open(file, OriginOptions::default()).unwrap();
    let again = ask(&origin, "POST /things", &fields, "{}").await;
    assert_eq!(again.field("location"), first.field("location"));
    assert_eq!(again.field("idempotency-replayed"), Some("true"));
}
