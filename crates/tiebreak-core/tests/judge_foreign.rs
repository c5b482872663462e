//! A pack must not speak for another API: answers that look like a family's, and are none of it.

use http::{HeaderMap, Method, StatusCode};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::response::Response;

/// Method, path, status, body, and the pack that would be wrong.
const FOREIGN: [(&str, &str, u16, &str, &str); 13] = [
    (
        "POST",
        "/orders",
        409,
        r#"{"error":"conflict","reason":"the warehouse is closed"}"#,
        "couchdb",
    ),
    (
        "POST",
        "/images/7",
        409,
        r#"{"message":"An image of that title already exists"}"#,
        "docker",
    ),
    ("POST", "/networks/", 409, r#"{"message":"already exists"}"#, "docker"),
    (
        "POST",
        "/orders",
        409,
        r#"{"error_code":"RESOURCE_CONFLICT","message":"the order is closed"}"#,
        "databricks",
    ),
    (
        "POST",
        "/orders",
        409,
        r#"{"statusCode":409,"message":"has a different version","errors":[]}"#,
        "commercetools",
    ),
    (
        "POST",
        "/orders",
        409,
        r#"{"status":"error","category":"CONFLICT","message":"name already exists"}"#,
        "hubspot",
    ),
    (
        "POST",
        "/v1/account",
        429,
        r#"{"code":429,"errno":114,"error":"Too Many Requests"}"#,
        "kinto",
    ),
    (
        "POST",
        "/orders",
        400,
        r#"{"code":155,"error":"Bad Request","message":"no such plan","status":400}"#,
        "parse",
    ),
    (
        "POST",
        "/workers",
        409,
        r#"{"error":"too many","active_jobs":4}"#,
        "awx",
    ),
    (
        "POST",
        "/rest/api/lights/transitions",
        409,
        r#"{"message":"no such colour"}"#,
        "atlassian",
    ),
    (
        "POST",
        "/wiki/pages",
        200,
        r#"{"hint":"the current version is 7"}"#,
        "atlassian",
    ),
    (
        "POST",
        "/api/v4/posts",
        400,
        r#"{"id":"api.post","message":"resource lock","status_code":400}"#,
        "gitlab",
    ),
    (
        "POST",
        "/items",
        422,
        r#"{"detail":[{"message":"no","field":"name"}]}"#,
        "fastapi",
    ),
];

#[test]
fn no_pack_speaks_for_another_api() {
    let judge = Judge::standard();
    let headers = HeaderMap::new();
    let mut wrong = Vec::new();
    for (method, path, status, body, pack) in FOREIGN {
        let method: Method = method.parse().expect("a method");
        assert!(
            judge.packs().iter().any(|p| p.name() == pack),
            "there is no pack {pack}"
        );
        let verdict = judge.judge(
            &Asked::new(&method, path, &headers),
            &Response {
                status: StatusCode::from_u16(status).expect("a status"),
                headers: HeaderMap::new(),
                content: body.into(),
                complete: true,
            },
        );
        if let Some(dialect) = &verdict.dialect {
            wrong.push(format!("{dialect} speaks for {body}: {}", verdict.reason()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
