//! Unique members, schemas, and settings.

use serde_json::json;
use tiebreak_origin::{CollectionSettings, OpenError, Origin, OriginOptions, Place};

use crate::helpers::{ask, both};

const UNIQUE: &str = r#"{"unique": ["/email", ["/a", "/b"]]}"#;

#[tokio::test]
async fn unique_members_belong_to_one_document() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        assert_eq!(ask(origin, "PUT /_collections/people", &[], UNIQUE).await.status, 201);
        let one = r#"{"id":1,"email":"x","a":1,"b":2,"name":"n"}"#;
        assert_eq!(ask(origin, "POST /people", &[], one).await.status, 201);

        let said = ask(origin, "POST /people", &[], r#"{"email":"x","name":"m"}"#).await;
        assert_eq!((said.status, said.problem().as_str()), (409, "duplicate"));
        assert_eq!(said.json()["existing"], "/people/1");
        assert_eq!(said.json()["fields"], json!(["/email"]));
        assert_eq!(said.json()["differs"], json!(["/name", "/a", "/b"]));
        assert_eq!(said.field("link"), Some("</people/1>; rel=\"related\""));

        let said = ask(origin, "PUT /people/2", &[], r#"{"a":1.0,"b":2}"#).await;
        assert_eq!(said.json()["fields"], json!(["/a", "/b"]), "{said:?}");
        let merge = [("content-type", "application/merge-patch+json")];
        assert_eq!(ask(origin, "PUT /people/2", &[], r#"{"a":1,"b":3}"#).await.status, 201);
        assert_eq!(ask(origin, "PATCH /people/2", &merge, r#"{"b":2}"#).await.status, 409);
        // A refused write changed nothing.
        assert_eq!(ask(origin, "GET /people/2", &[], "").await.text, r#"{"a":1,"b":3}"#);
        // A document does not collide with itself.
        assert_eq!(ask(origin, "PUT /people/1", &[], r#"{"email":"x"}"#).await.status, 200);
        // What was given up is free, whichever way it was.
        assert_eq!(ask(origin, "PATCH /people/2", &merge, r#"{"b":2}"#).await.status, 200);
        assert_eq!(ask(origin, "DELETE /people/1", &[], "").await.status, 204);
        assert_eq!(ask(origin, "PUT /people/3", &[], r#"{"email":"x"}"#).await.status, 201);
        // Absent and null are not constrained.
        for id in ["4", "5"] {
            let said = ask(origin, &format!("PUT /people/{id}"), &[], r#"{"email":null,"a":1}"#).await;
            assert_eq!(said.status, 201);
        }
    }
}

#[tokio::test]
async fn a_rule_that_documents_break_is_refused() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        for id in 1..=3 {
            let content = format!(r#"{{"email":"{}"}}"#, id % 2);
            assert_eq!(
                ask(origin, &format!("PUT /people/{id}"), &[], &content).await.status,
                201
            );
        }
        let said = ask(origin, "PUT /_collections/people", &[], UNIQUE).await;
        assert_eq!((said.status, said.problem().as_str()), (409, "duplicate"));
        assert_eq!(said.json()["existing"], json!(["/people/1", "/people/3"]));
        assert_eq!(ask(origin, "GET /_collections/people", &[], "").await.text, "{}");
        assert_eq!(ask(origin, "DELETE /people/3", &[], "").await.status, 204);
        assert_eq!(ask(origin, "PUT /_collections/people", &[], UNIQUE).await.status, 200);
        // Documents from before the rule are bound by it.
        assert_eq!(ask(origin, "POST /people", &[], r#"{"email":"0"}"#).await.status, 409);
        assert_eq!(ask(origin, "PUT /_collections/people", &[], "{}").await.status, 200);
        assert_eq!(ask(origin, "POST /people", &[], r#"{"email":"0"}"#).await.status, 201);
    }
}

#[tokio::test]
async fn schemas_and_their_errors() {
    let (_folder, origins) = both(&OriginOptions::default());
    let settings = r#"{"schema": {"required": ["name"], "properties": {"age": {"type": "integer", "minimum": 0}}}}"#;
    for origin in &origins {
        assert_eq!(ask(origin, "PUT /people/1", &[], "{}").await.status, 201);
        assert_eq!(ask(origin, "PUT /_collections/people", &[], settings).await.status, 200);
        let said = ask(origin, "PUT /people/1", &[], r#"{"age": -1}"#).await;
        assert_eq!((said.status, said.problem().as_str()), (422, "invalid"));
        let errors = said.json()["errors"].as_array().unwrap().clone();
        let mut pointers: Vec<_> = errors.iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["#", "#/age"]);
        assert!(errors.iter().all(|e| !e["detail"].as_str().unwrap().is_empty()));
        let patch = [("content-type", "application/merge-patch+json")];
        assert_eq!(
            ask(origin, "PATCH /people/1", &patch, r#"{"age": 1}"#).await.status,
            422
        );
        assert_eq!(
            ask(origin, "PATCH /people/1", &patch, r#"{"name": "n"}"#).await.status,
            200
        );
    }
}

#[tokio::test]
async fn settings_are_guarded_like_documents() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        let made = ask(origin, "PUT /_collections/people", &[("if-none-match", "*")], UNIQUE).await;
        assert_eq!(made.status, 201);
        let again = ask(origin, "PUT /_collections/people", &[("if-none-match", "*")], UNIQUE).await;
        assert_eq!(
            (again.status, again.json()["existing"].as_str()),
            (412, Some("/_collections/people"))
        );
        let put = ask(origin, "PUT /_collections/people", &[("if-match", &made.etag())], "{}").await;
        assert_eq!(put.status, 200);
        let stale = ask(origin, "PUT /_collections/people", &[("if-match", &made.etag())], "{}").await;
        assert_eq!((stale.status, stale.etag()), (409, put.etag()));
    }
}

#[tokio::test]
async fn declared_settings_hold_from_the_start() {
    let mut options = OriginOptions::default();
    let settings = CollectionSettings {
        unique: vec![vec!["/email".into()]],
        ..CollectionSettings::default()
    };
    options.collections.insert("people".into(), settings);
    let (folder, origins) = both(&options);
    for origin in &origins {
        assert_eq!(ask(origin, "POST /people", &[], r#"{"email":"x"}"#).await.status, 201);
        assert_eq!(ask(origin, "POST /people", &[], r#"{"email":"x"}"#).await.status, 409);
    }
    let tag = ask(&origins[1], "GET /_collections/people", &[], "").await.etag();
    drop(origins);
    // Unchanged declarations leave the settings, and their tag, alone; the unique values are still held.
    let file = folder.path().join("origin.db");
    let origin = Origin::open(file.clone(), options.clone()).unwrap();
    assert_eq!(ask(&origin, "GET /_collections/people", &[], "").await.etag(), tag);
    assert_eq!(ask(&origin, "POST /people", &[], r#"{"email":"x"}"#).await.status, 409);
    assert_eq!(ask(&origin, "POST /people", &[], r#"{"a":1}"#).await.status, 201);
    assert_eq!(ask(&origin, "POST /people", &[], r#"{"a":1}"#).await.status, 201);
    drop(origin);
    options.collections.get_mut("people").unwrap().unique = vec![vec!["/a".into()]];
    let error = Origin::open(file, options.clone()).unwrap_err();
    assert!(
        matches!(&error, OpenError::Settings { collection, .. } if collection == "people"),
        "{error}"
    );
    options.collections.get_mut("people").unwrap().schema = Some(json!({"type": 1}));
    let error = Origin::open(Place::Memory, options).unwrap_err();
    assert!(matches!(&error, OpenError::Settings { .. }), "{error}");
}
