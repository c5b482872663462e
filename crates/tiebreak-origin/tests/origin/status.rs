//! Each status code, by table, on both stores.

use tiebreak_origin::OriginOptions;

use crate::helpers::{ask, both};

/// What is asked, with which fields and content, and what is expected: status, problem type or "".
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[tokio::test]
async fn every_status_code() {
    let options = OriginOptions {
        max_content: 200,
        max_depth: 4,
        ..OriginOptions::default()
    };
    let merge = ("content-type", "application/merge-patch+json");
    let json_patch = ("content-type", "application/json-patch+json");
    let old = ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
    let future = ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT");
    let long = format!("\"{}\"", "x".repeat(200));
    let table: &[Row<'_>] = &[
        ("GET /", &[], "", 200, ""),
        ("GET /things", &[], "", 404, "not-found"),
        ("GET /things/1", &[], "", 404, "not-found"),
        ("POST /things", &[], r#"{"id":"1","n":1}"#, 201, ""),
        ("POST /things", &[], r#"{"id":"1","n":2}"#, 409, "duplicate"),
        ("POST /things", &[], r#"{"id":[]}"#, 422, "invalid"),
        ("POST /things", &[], r#"{"id":"a/b"}"#, 422, "invalid"),
        ("POST /things", &[], r#"{"id":1.5}"#, 422, "invalid"),
        (
            "POST /things",
            &[("if-none-match", "*")],
            "{}",
            412,
            "precondition-failed",
        ),
        ("POST /others", &[("if-none-match", "*")], "{}", 201, ""),
        ("POST /others", &[("if-match", "\"v1\"")], "{}", 409, "stale"),
        ("GET /things", &[], "", 200, ""),
        ("GET /things?limit=x", &[], "", 400, "bad-request"),
        ("GET /things?after=x", &[], "", 400, "bad-request"),
        ("GET /things/1", &[], "", 200, ""),
        ("HEAD /things/1", &[], "", 200, ""),
        ("GET /things/1", &[("if-none-match", "*")], "", 304, ""),
        ("HEAD /things/1", &[("if-none-match", "*")], "", 304, ""),
        ("GET /things/1", &[future], "", 304, ""),
        ("GET /things/1", &[("if-match", "\"x\"")], "", 412, "stale"),
        ("GET /things/1", &[("if-match", "x")], "", 400, "bad-request"),
        ("PUT /things/1", &[], r#"{"n":2}"#, 200, ""),
        ("PUT /things/1", &[("prefer", "return=minimal")], r#"{"n":3}"#, 204, ""),
        ("PUT /things/2", &[("prefer", "return=minimal")], r#"{"n":3}"#, 201, ""),
        ("PUT /things/2", &[], r#"{"id":"3"}"#, 422, "invalid"),
        ("PUT /things/2", &[("if-match", "\"x\"")], "{}", 409, "stale"),
        ("PUT /things/2", &[old], "{}", 409, "stale"),
        ("PUT /things/9", &[("if-match", "*")], "{}", 409, "stale"),
        (
            "PUT /things/2",
            &[("if-none-match", "*")],
            "{}",
            412,
            "precondition-failed",
        ),
        ("PUT /things/3", &[("if-none-match", "*")], "{}", 201, ""),
        (
            "PUT /things/2",
            &[("content-type", "text/plain")],
            "{}",
            415,
            "unsupported-media-type",
        ),
        ("PUT /things/2", &[json_patch], "[]", 415, "unsupported-media-type"),
        ("PUT /things/2", &[], r#"{"a":"#, 400, "bad-request"),
        ("PUT /things/2", &[], r#"{"a":1,"a":2}"#, 400, "bad-request"),
        ("PUT /things/2", &[], "[[[[[]]]]]", 413, "too-large"),
        ("PUT /things/2", &[], &long, 413, "too-large"),
        ("PUT /things/a%2Fb", &[], "{}", 400, "bad-request"),
        ("PUT /_things/1", &[], "{}", 400, "bad-request"),
        ("PUT /things/1/2", &[], "{}", 404, "not-found"),
        ("PATCH /things/1", &[merge], r#"{"m":1}"#, 200, ""),
        (
            "PATCH /things/1",
            &[merge, ("prefer", "foo, Return=\"minimal\";x=1")],
            r#"{"m":1}"#,
            204,
            "",
        ),
        ("PATCH /things/1", &[merge], r#"{"id":"2"}"#, 422, "invalid"),
        ("PATCH /things/8", &[merge], "{}", 404, "not-found"),
        ("PATCH /things/8", &[merge, ("if-match", "*")], "{}", 404, "not-found"),
        ("PATCH /things/1", &[], "{}", 415, "unsupported-media-type"),
        (
            "PATCH /things/1",
            &[json_patch],
            r#"[{"op":"test","path":"/n","value":9}]"#,
            409,
            "patch-conflict",
        ),
        (
            "PATCH /things/1",
            &[json_patch],
            r#"[{"op":"remove","path":"/x"}]"#,
            409,
            "patch-conflict",
        ),
        (
            "PATCH /things/1",
            &[json_patch],
            r#"[{"op":"nonsense","path":"/x"}]"#,
            422,
            "invalid",
        ),
        (
            "PATCH /things/1",
            &[json_patch],
            r#"[{"op":"add","path":"/m","value":7}]"#,
            200,
            "",
        ),
        ("PATCH /things/1", &[merge, ("if-match", "\"x\"")], "{}", 409, "stale"),
        ("DELETE /things/1", &[("if-match", "\"x\"")], "", 409, "stale"),
        ("DELETE /things/8", &[], "", 404, "not-found"),
        ("DELETE /things/1", &[], "", 204, ""),
        ("GET /things/1", &[], "", 404, "not-found"),
        ("POST /things/1", &[], "{}", 405, "method-not-allowed"),
        ("DELETE /things", &[], "", 405, "method-not-allowed"),
        ("LOCK /things/1", &[], "", 405, "method-not-allowed"),
        ("OPTIONS /things/1", &[], "", 204, ""),
        ("OPTIONS *", &[], "", 204, ""),
        ("PUT /things/2", &[("idempotency-key", "\"")], "{}", 400, "key-invalid"),
        (
            "PUT /_collections/things",
            &[],
            r#"{"require_preconditions":true,"stale_status":412}"#,
            200,
            "",
        ),
        ("PUT /_collections/new", &[], "{}", 201, ""),
        ("PUT /_collections/new", &[], r#"{"unique":1}"#, 422, "invalid"),
        ("PUT /_collections/new", &[], r#"{"schema":{"type":1}}"#, 422, "invalid"),
        ("GET /_collections/new", &[], "", 200, ""),
        ("GET /_collections/none", &[], "", 404, "not-found"),
        ("PUT /things/2", &[], "{}", 428, "precondition-required"),
        ("PUT /things/9", &[], "{}", 428, "precondition-required"),
        ("PATCH /things/2", &[merge], "{}", 428, "precondition-required"),
        ("DELETE /things/2", &[], "", 428, "precondition-required"),
        ("DELETE /things/8", &[], "", 404, "not-found"),
        ("PUT /things/2", &[("if-match", "\"x\"")], "{}", 412, "stale"),
        ("PUT /things/2", &[("if-match", "*")], "{}", 200, ""),
        ("POST /things", &[], "{}", 201, ""),
    ];
    let (_folder, origins) = both(&options);
    for origin in &origins {
        for (what, fields, content, status, problem) in table {
            let said = ask(origin, what, fields, content).await;
            assert_eq!(said.status, *status, "{what} {fields:?} {content}: {said:?}");
            if !problem.is_empty() && !what.starts_with("HEAD") {
                assert_eq!(said.problem(), *problem, "{what} {fields:?} {content}: {said:?}");
            }
            if *status == 304 || *status == 204 || what.starts_with("HEAD") {
                assert_eq!(said.text, "", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn answers_say_all_that_the_next_write_needs() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        // What is written is kept as it was written.
        let text = r#"{"z": 1.50, "a": 12345678901234567890.0001, "e": 1E5}"#;
        let made = ask(origin, "POST /things", &[], text).await;
        let place = made.field("location").unwrap().to_owned();
        assert_eq!((made.status, made.text.as_str()), (201, text));
        assert_eq!(made.field("content-location"), Some(place.as_str()));
        let got = ask(origin, &format!("GET {place}"), &[], "").await;
        assert_eq!((got.status, got.text.as_str()), (200, text));
        assert_eq!(got.etag(), made.etag());
        assert_eq!(got.field("last-modified"), made.field("last-modified"));
        assert_eq!(got.field("content-type"), Some("application/json"));
        let head = ask(origin, &format!("HEAD {place}"), &[], "").await;
        assert_eq!(head.field("content-length"), Some(text.len().to_string().as_str()));
        assert_eq!(head.etag(), made.etag());

        let put = ask(
            origin,
            &format!("PUT {place}"),
            &[("if-match", &got.etag())],
            "{\"n\":1}",
        )
        .await;
        assert_eq!((put.status, put.text.as_str()), (200, "{\"n\":1}"));
        assert_ne!(put.etag(), got.etag());

        let stale = ask(
            origin,
            &format!("PUT {place}"),
            &[("if-match", &got.etag())],
            "{\"n\":2}",
        )
        .await;
        assert_eq!(stale.status, 409);
        assert_eq!(stale.json()["yours"], got.etag());
        assert_eq!(stale.json()["current"], put.etag());
        assert_eq!(stale.etag(), put.etag());

        let minimal = [("prefer", "return=minimal"), ("if-match", &put.etag())];
        let bare = ask(origin, &format!("PUT {place}"), &minimal, "{\"n\":3}").await;
        assert_eq!((bare.status, bare.text.as_str()), (204, ""));
        assert_eq!(bare.field("preference-applied"), Some("return=minimal"));
        let read = ask(origin, &format!("GET {place}"), &[("if-none-match", &bare.etag())], "").await;
        assert_eq!((read.status, read.etag()), (304, bare.etag()));

        let twin = ask(origin, &format!("PUT {place}"), &[("if-none-match", "*")], "{}").await;
        assert_eq!(twin.json()["existing"], place);
        assert_eq!(twin.json()["current"], bare.etag());
        assert_eq!(twin.field("link"), Some(format!("<{place}>; rel=\"related\"").as_str()));
    }
}

#[tokio::test]
async fn allow_and_accept_fields() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        let table = [
            ("DELETE /", "allow", "GET, HEAD, OPTIONS"),
            ("PUT /things", "allow", "GET, HEAD, POST, OPTIONS"),
            ("OPTIONS /things", "allow", "GET, HEAD, POST, OPTIONS"),
            ("OPTIONS /things", "accept-post", "application/json"),
            ("POST /things/1", "allow", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
            (
                "OPTIONS /things/1",
                "accept-patch",
                "application/merge-patch+json, application/json-patch+json",
            ),
            (
                "PATCH /things/1",
                "accept-patch",
                "application/merge-patch+json, application/json-patch+json",
            ),
            ("PATCH /_collections/things", "allow", "GET, HEAD, PUT, OPTIONS"),
            ("PUT /things/1", "accept", "application/json"),
        ];
        for (what, field, expected) in table {
            let said = ask(origin, what, &[("content-type", "text/plain")], "x").await;
            assert_eq!(said.field(field), Some(expected), "{what}: {said:?}");
        }
    }
}

#[tokio::test]
async fn malformed_content_is_located() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        let said = ask(origin, "PUT /things/1", &[], "{\n  \"a\": }").await;
        assert_eq!(
            (&said.json()["line"], &said.json()["column"]),
            (&2.into(), &8.into()),
            "{said:?}"
        );
        let said = ask(origin, "PUT /things/1", &[], "{\"a\": {\"b\": 1,\n \"b\": 2}}").await;
        assert_eq!(said.json()["pointer"], "#/a/b");
        assert_eq!(
            (&said.json()["line"], &said.json()["column"]),
            (&2.into(), &2.into()),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn tags_never_recur() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        let mut seen = std::collections::HashSet::new();
        for round in 0..20 {
            for content in ["{\"n\":1}", "{\"n\":2}", "{\"n\":1}"] {
                let put = ask(origin, "PUT /things/1", &[], content).await;
                assert!(seen.insert(put.etag()), "{} came back in round {round}", put.etag());
            }
            assert_eq!(ask(origin, "DELETE /things/1", &[], "").await.status, 204);
        }
    }
}
