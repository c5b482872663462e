//! PATCH, beyond its status codes.

use tiebreak_origin::OriginOptions;

use crate::helpers::{ask, both};

#[tokio::test]
async fn order_and_spelling_survive_patches() {
    let (_folder, origins) = both(&OriginOptions::default());
    let merge = [("content-type", "application/merge-patch+json")];
    let json_patch = [("content-type", "application/json-patch+json")];
    for origin in &origins {
        ask(
            origin,
            "PUT /t/1",
            &[],
            r#"{"z":1.50,"y":2,"x":{"big":12345678901234567890123},"w":0}"#,
        )
        .await;
        let said = ask(origin, "PATCH /t/1", &merge, r#"{"y":null,"x":{"a":1.0}}"#).await;
        assert_eq!(
            said.text,
            r#"{"z":1.50,"x":{"big":12345678901234567890123,"a":1.0},"w":0}"#
        );
        let patch = r#"[{"op":"test","path":"/z","value":1.5},{"op":"remove","path":"/z"}]"#;
        let said = ask(origin, "PATCH /t/1", &json_patch, patch).await;
        assert_eq!(said.text, r#"{"x":{"big":12345678901234567890123,"a":1.0},"w":0}"#);
        assert_eq!(ask(origin, "GET /t/1", &[], "").await.etag(), said.etag());
    }
}

#[tokio::test]
async fn a_patch_applies_whole_or_not_at_all() {
    let (_folder, origins) = both(&OriginOptions::default());
    let json_patch = [("content-type", "application/json-patch+json")];
    for origin in &origins {
        let put = ask(origin, "PUT /t/1", &[], r#"{"a":1}"#).await;
        let patch = r#"[{"op":"add","path":"/b","value":2},{"op":"test","path":"/a","value":2}]"#;
        let said = ask(origin, "PATCH /t/1", &json_patch, patch).await;
        assert_eq!(said.json()["operation"], 1);
        assert_eq!(said.json()["pointer"], "#/a");
        assert_eq!(said.etag(), put.etag());
        let got = ask(origin, "GET /t/1", &[], "").await;
        assert_eq!((got.text.as_str(), got.etag()), (r#"{"a":1}"#, put.etag()));
    }
}

#[tokio::test]
async fn a_patch_cannot_outgrow_the_bounds() {
    let options = OriginOptions {
        max_content: 300,
        max_depth: 5,
        ..OriginOptions::default()
    };
    let (_folder, origins) = both(&options);
    let merge = [("content-type", "application/merge-patch+json")];
    let json_patch = [("content-type", "application/json-patch+json")];
    for origin in &origins {
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(200));
        ask(origin, "PUT /t/1", &[], &text).await;
        let said = ask(origin, "PATCH /t/1", &merge, &text.replace("\"a\"", "\"b\"")).await;
        assert_eq!((said.status, said.problem().as_str()), (413, "too-large"));
        let copies = [r#"{"op":"copy","from":"/a","path":"/b"}"#; 3].join(",");
        let said = ask(origin, "PATCH /t/1", &json_patch, &format!("[{copies}]")).await;
        assert_eq!(said.status, 413, "{said:?}");
        ask(origin, "PUT /t/2", &[], "{\"a\":{\"b\":{}}}").await;
        let nest = r#"[{"op":"copy","from":"/a","path":"/a/b/c"},{"op":"copy","from":"/a","path":"/a/b/d"}]"#;
        let said = ask(origin, "PATCH /t/2", &json_patch, nest).await;
        assert_eq!((said.status, said.problem().as_str()), (413, "too-large"));
        assert_eq!(ask(origin, "GET /t/2", &[], "").await.text, "{\"a\":{\"b\":{}}}");
    }
}

/// serde_json marks numbers with a member name of its own; as data, that name is one like any other.
#[tokio::test]
async fn a_member_name_that_looks_like_a_number_inside_stays_a_member() {
    let (_folder, origins) = both(&OriginOptions::default());
    let merge = [("content-type", "application/merge-patch+json")];
    let json_patch = [("content-type", "application/json-patch+json")];
    let unique = r#"{"unique":["/o"],"schema":{"properties":{"o":{"type":"object"},"n":{"maximum":1e3}}}}"#;
    for origin in &origins {
        ask(origin, "PUT /_collections/t", &[], unique).await;
        let text = r#"{"o":{"$serde_json::private::Number":"1"},"n":1E2}"#;
        let said = ask(origin, "PUT /t/1", &[], text).await;
        assert_eq!((said.status, said.text.as_str()), (201, text));
        let said = ask(
            origin,
            "PUT /t/2",
            &[],
            r#"{"o":{"$serde_json::private::Number":"2"},"n":0}"#,
        )
        .await;
        assert_eq!(said.status, 201, "another value: {said:?}");
        assert_eq!(ask(origin, "PUT /t/3", &[], text).await.problem(), "duplicate");
        assert_eq!(ask(origin, "PUT /t/3", &[], r#"{"n":1E4}"#).await.problem(), "invalid");
        let said = ask(origin, "PATCH /t/1", &merge, r#"{"a":1e-0}"#).await;
        let patched = r#"{"o":{"$serde_json::private::Number":"1"},"n":1E2,"a":1e-0}"#;
        assert_eq!(said.text, patched);
        let test =
            r#"[{"op":"test","path":"/o","value":{"$serde_json::private::Number":"1"}},{"op":"remove","path":"/a"}]"#;
        assert_eq!(ask(origin, "PATCH /t/1", &json_patch, test).await.text, text);
        let found = ask(origin, "GET /t?n=100", &[], "").await.text;
        assert!(found.contains(text) && !found.contains("\"n\":0"), "{found}");
    }
}
