//! A key that comes from another caller is never answered with what the first caller was answered.

use http::Method;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Scripted, Tags};

type Fields = &'static [(&'static str, &'static str)];

const CALLERS: [(&str, Fields); 4] = [
    ("a token", &[("authorization", "Bearer a")]),
    ("another token", &[("authorization", "Bearer b")]),
    ("a session", &[("cookie", "session=c")]),
    ("nobody", &[]),
];

/// Keys that nobody hits upon by chance, and ones that two callers may well both use.
const KEYS: [(&str, bool); 2] = [("8e03978e-40d5-43dd-bc93-6894a57f", true), ("order-", false)];

const NAMES: &str = "{\"n\": 1}";

async fn post(gateway: &Gateway, caller: Fields, key: &str, content: &'static str) -> Got {
    let mut fields = vec![
        ("content-type", "application/json"),
        ("x-write", key),
        ("idempotency-key", key),
    ];
    fields.extend(caller);
    Client::new(&gateway.authority)
        .send(Method::POST, "/things", &fields, content)
        .await
}

/// Nothing of the first caller's answer is in this one.
fn assert_tells_nothing(got: &Got, first: &Got, said: &str) {
    let id = first.field("tiebreak").split("id=").nth(1).unwrap();
    let id = id.split(';').next().unwrap();
    assert_ne!(got.field("idempotency-replayed"), "true", "{said}: {got:?}");
    assert_ne!(got.field("location"), first.field("location"), "{said}: {got:?}");
    assert!(!got.field("tiebreak").contains(id), "{said}: {got:?}");
    let content = String::from_utf8_lossy(&got.content);
    assert!(
        !content.contains(id.trim_matches('"')) && !content.contains(first.field("location")),
        "{said}: {got:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_tells_callers_apart() {
    let origin = Scripted::start(Tags::None, false).await;
    let gateway = Gateway::start(&[
        "--upstream",
        &format!("http://{}", origin.authority),
        "--ledger",
        "memory",
    ]);
    let mut number = 1000;
    for (one, first_fields) in CALLERS {
        for (other, other_fields) in CALLERS {
            if one == other {
                continue;
            }
            for (stem, unguessable) in KEYS {
                number += 1;
                let key = format!("{stem}{number}");
                let said = format!("first {one}, then {other}, {key}");
                let first = post(&gateway, first_fields, &key, NAMES).await;
                assert_eq!(
                    (first.status.as_u16(), first.outcome()),
                    (201, "applied"),
                    "{said}: {first:?}"
                );
                let got = post(&gateway, other_fields, &key, NAMES).await;
                assert_tells_nothing(&got, &first, &said);
                if unguessable {
                    assert_eq!(got.status, 409, "{said}: {got:?}");
                    assert!(
                        got.json()["type"].as_str().unwrap().ends_with("/caller-changed"),
                        "{said}"
                    );
                    assert_eq!(origin.performed(&key).await, 1, "{said}");
                } else {
                    assert_eq!(
                        (got.status.as_u16(), got.outcome()),
                        (201, "applied"),
                        "{said}: {got:?}"
                    );
                    assert_eq!(origin.performed(&key).await, 2, "{said}");
                }
                let else_ = post(&gateway, other_fields, &key, "{\"n\": 2}").await;
                assert_tells_nothing(&else_, &first, &said);
                // Its owner still gets what it is owed.
                let again = post(&gateway, first_fields, &key, NAMES).await;
                assert_eq!(again.field("idempotency-replayed"), "true", "{said}: {again:?}");
                assert_eq!(again.field("location"), first.field("location"), "{said}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_principal_the_credential_does_not_count() {
    let origin = Scripted::start(Tags::None, false).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"http://{}\"\nledger = \"memory\"\n[defaults]\nprincipal = \"X-User\"\n",
        origin.authority
    );
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    let gateway = Gateway::start_in(folder, &["--config", "t.toml"]);
    let ada: Fields = &[("authorization", "Bearer a"), ("x-user", "ada")];
    let bob: Fields = &[("authorization", "Bearer a"), ("x-user", "bob")];
    let without: Fields = &[("authorization", "Bearer a")];
    let ada_later: Fields = &[("authorization", "Bearer b"), ("x-user", "ada")];
    for (stem, _) in KEYS {
        for (number, stranger) in [(1, bob), (2, without)] {
            let key = format!("{stem}200{number}");
            let first = post(&gateway, ada, &key, NAMES).await;
            assert_eq!((first.status.as_u16(), first.outcome()), (201, "applied"), "{first:?}");
            for content in [NAMES, "{\"n\": 2}"] {
                let got = post(&gateway, stranger, &key, content).await;
                assert_tells_nothing(&got, &first, &key);
            }
            // A token that was refreshed changes nothing about who it is.
            let again = post(&gateway, ada_later, &key, NAMES).await;
            assert_eq!(again.field("idempotency-replayed"), "true", "{again:?}");
            assert_eq!(again.field("location"), first.field("location"));
        }
    }
}

/// The embedded origin keeps keys of its own, behind the gateway's.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_origin_tells_callers_apart_as_the_gateway_does() {
    let gateway = Gateway::start(&["--data", "memory", "--ledger", "memory"]);
    let callers: [Fields; 5] = [
        &[("authorization", "Bearer a")],
        &[("cookie", "session=a")],
        &[("cookie", "session=b")],
        &[("x-api-key", "a")],
        &[],
    ];
    let mut first: Vec<Got> = Vec::new();
    for caller in callers {
        let got = post(&gateway, caller, "order-1", NAMES).await;
        assert_eq!(got.status, 201, "{caller:?}: {got:?}");
        for earlier in &first {
            assert_tells_nothing(&got, earlier, &format!("{caller:?}"));
        }
        let again = post(&gateway, caller, "order-1", NAMES).await;
        assert_eq!(again.field("location"), got.field("location"), "{caller:?}");
        first.push(got);
    }
}
