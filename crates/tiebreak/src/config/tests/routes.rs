//! Which route holds, and which lanes it names.

use super::*;

#[test]
fn the_first_route_that_matches_holds() {
    let config = config(
        r#"
[[route]]
name = "me"
path = "/contacts/me"
[[route]]
name = "one"
path = "/contacts/{id}"
methods = ["PUT"]
[[route]]
name = "files"
path = "/files/{rest*}"
"#,
    );
    let found = |method: &str, path: &str| {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let found = config.routes.iter().find(|route| route.matches(&method, path));
        found.map_or("-", |route| route.name.as_str()).to_owned()
    };
    assert_eq!(found("PUT", "/contacts/me"), "me");
    assert_eq!(found("PUT", "/contact%73/m%65"), "me");
    assert_eq!(found("PUT", "/contacts/7"), "one");
    assert_eq!(found("GET", "/contacts/7"), "-");
    assert_eq!(found("PUT", "/contacts/"), "-");
    assert_eq!(found("PUT", "/contacts/7/x"), "-");
    assert_eq!(found("PUT", "/files"), "-");
    assert_eq!(found("PUT", "/files/"), "files");
    assert_eq!(found("PUT", "/files/a/b"), "files");
}

#[test]
fn lanes_are_named_after_parts_of_the_request() {
    let config = config(
        r#"
[[route]]
path = "/accounts/{account}/{rest*}"
lane = ["account/{account}", "{rest}/{query:branch}/{header:x-tenant}/{content:/a/b}"]
"#,
    );
    let route = &config.routes[0];
    let mut headers = http::HeaderMap::new();
    let named = |query, headers: &http::HeaderMap, content: &[u8]| {
        let named = Named {
            pattern: &route.pattern,
            path: "/accounts/a%20b/c/d",
            query,
            headers,
            content,
        };
        lane_names(&route.settings.values.lanes, &named)
    };
    assert_eq!(named(None, &headers, b"no JSON"), ["account/a b", "c%2Fd/{}/{}/{}"]);
    headers.insert("x-tenant", "t".parse().unwrap());
    let full = named(Some("x=1&branch=m%2Fn"), &headers, br#"{"a":{"b":7}}"#);
    assert_eq!(full[1], "c%2Fd/m%2Fn/t/7");
}
