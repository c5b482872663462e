//! What is said of mistakes in one place of the file.

use expect_test::expect;

use super::*;

#[test]
fn every_mistake_is_named_at_once() {
    check(
        r#"
listen = "localhost"
upstraem = "https://api.example.com"
patience = "5s"
max_connections = "many"

[defaults]
patience = "10 sec"
late_after = -1
least = "E"
etag = "versions"
backoff = ["5s", "50ms"]
max_content = "2GiB"

[[route]]
path = "/contacts/{id}"
methods = ["put"]
lane = ["{acount}"]
identity = { "items" = "id" }
together = [["/start"]]

[[route]]
methods = ["GET"]
upstream = "billing"
remember = "always"
"#,
        expect![[r#"
            file.toml:2:10: listen: expected an address and a port, such as "127.0.0.1:4090" or "[::1]:4090", or "unix:" and a file, found "localhost"
             2 | listen = "localhost"
               |          ^^^^^^^^^^^
            file.toml:3:1: there is no setting `upstraem` here
             3 | upstraem = "https://api.example.com"
               | ^^^^^^^^
               did you mean `upstream`?
            file.toml:4:1: `patience` belongs to routes
             4 | patience = "5s"
               | ^^^^^^^^
               put it under [defaults], or into a [[route]]
            file.toml:5:19: max_connections: expected a whole number from 1 to 1000000, found "many"
             5 | max_connections = "many"
               |                   ^^^^^^
            file.toml:8:12: [defaults] patience: expected a duration such as "500ms", "10s", "5m" or "24h" (a bare number is seconds), found "10 sec"
             8 | patience = "10 sec"
               |            ^^^^^^^^
            file.toml:9:14: [defaults] late_after: expected a duration such as "500ms", "10s", "5m" or "24h" (a bare number is seconds), found -1
             9 | late_after = -1
               |              ^^
            file.toml:10:9: [defaults] least: expected one of "A", "B", "C" and "D", found "E"
             10 | least = "E"
                |         ^^^
            file.toml:11:8: [defaults] etag: expected one of "auto", "version" and "digest", found "versions"
             11 | etag = "versions"
                |        ^^^^^^^^^^
               did you mean "version"?
            file.toml:12:11: [defaults] backoff: the shortest step is longer than the longest
             12 | backoff = ["5s", "50ms"]
                |           ^^^^^^^^^^^^^^
               write the shorter one first
            file.toml:13:15: [defaults] max_content: expected a size from 1B to 1GiB, found "2GiB"
             13 | max_content = "2GiB"
                |               ^^^^^^
            file.toml:17:12: route "/contacts/{id}": methods: "put" is no method: their names are case-sensitive
             17 | methods = ["put"]
                |            ^^^^^
               write "PUT"
            file.toml:18:1: route "/contacts/{id}": lane: "/contacts/{id}" has no segment {acount}
             18 | lane = ["{acount}"]
                | ^^^^
               name a segment of the path, or write {query:name}, {header:Name} or {content:/pointer}
            file.toml:19:14: route "/contacts/{id}": identity: "items" is no JSON Pointer
             19 | identity = { "items" = "id" }
                |              ^^^^^^^
               begin it with / and write ~1 for / and ~0 for ~; * stands for any member or item
            file.toml:20:13: route "/contacts/{id}": together: a set has at least two places
             20 | together = [["/start"]]
                |             ^^^^^^^^^^
               name them, such as ["/start", "/end"]
            file.toml:22:1: route 2: it has no path
             22 | [[route]]
                | ^^^^^^^^^
               add a line such as path = "/contacts/{id}"
            file.toml:24:12: route 2: upstream: there is no upstream "billing"
             24 | upstream = "billing"
                |            ^^^^^^^^^
               add [upstreams.billing] with its url
            file.toml:25:12: route 2: remember: expected a duration such as "500ms", "10s", "5m" or "24h" (a bare number is seconds), found "always"
             25 | remember = "always"
                |            ^^^^^^^^
        "#]],
    );
}

#[test]
fn what_is_no_toml_is_said_with_its_place() {
    check(
        "listen = \"127.0.0.1:1\nupstream = https://a.example\n\n[[route]\npath = \"/a\"\n",
        expect![[r#"
            file.toml:1:22: this is no TOML: invalid basic string, expected `"`
             1 | listen = "127.0.0.1:1
               |                      ^
            file.toml:2:12: this is no TOML: string values must be quoted, expected literal string
             2 | upstream = https://a.example
               |            ^^^^^^^^^^^^^^^^^
            file.toml:4:9: this is no TOML: unclosed array table, expected `]`
             4 | [[route]
               |         ^
            file.toml:5:1: there is no setting `path` here
             5 | path = "/a"
               | ^^^^
               docs/configuration.md lists all settings
        "#]],
    );
}

#[test]
fn patterns_are_explained() {
    check(
        r#"
[[route]]
path = "contacts"
[[route]]
path = "/a/{id}x"
[[route]]
path = "/a/{id}/{id}"
[[route]]
path = "/{rest*}/a"
[[route]]
path = "/a?b=c"
[[route]]
path = "/a/{}"
"#,
        expect![[r#"
            file.toml:3:8: route "contacts": path: "contacts" does not begin with a slash
             3 | path = "contacts"
               |        ^^^^^^^^^^
               write the path as clients ask for it, such as "/contacts/{id}"
            file.toml:5:8: route "/a/{id}x": path: in "/a/{id}x" a name is only a part of the segment "{id}x"
             5 | path = "/a/{id}x"
               |        ^^^^^^^^^^
               a name takes a whole segment, such as "/contacts/{id}"
            file.toml:7:8: route "/a/{id}/{id}": path: in "/a/{id}/{id}" the name "id" stands twice
             7 | path = "/a/{id}/{id}"
               |        ^^^^^^^^^^^^^^
               give each segment a name of its own
            file.toml:9:8: route "/{rest*}/a": path: in "/{rest*}/a" something follows {rest*}, which stands for all that follows
             9 | path = "/{rest*}/a"
               |        ^^^^^^^^^^^^
               put it last, or name one segment, such as "{id}"
            file.toml:11:8: route "/a?b=c": path: "/a?b=c" has a query or a fragment; a pattern names paths only
             11 | path = "/a?b=c"
                |        ^^^^^^^^
               leave it out: a route holds for all queries (its lane may name them, like "{query:branch}")
            file.toml:13:8: route "/a/{}": path: in "/a/{}" the name "" is not made of letters, digits, `_` and `-`
             13 | path = "/a/{}"
                |        ^^^^^^^
               name the segment, such as "{id}", or "{rest*}" for all that follows
        "#]],
    );
}

#[test]
fn lanes_are_explained() {
    check(
        r#"
[[route]]
path = "/a/{account}/b"
methods = ["DELETE"]
lane = ["account/{content:/parent}", "x{"]
[[route]]
path = "/c/{account}"
lane = "account/{query}/{acount}"
[[route]]
path = "/d"
lane = ["{header:a b}", "{content:parent}", "{cookie:x}", ""]
"#,
        expect![[r#"
            file.toml:5:38: route "/a/{account}/b": lane: in "x{" a `{` is not closed
             5 | lane = ["account/{content:/parent}", "x{"]
               |                                      ^^^^
               close it, such as "account/{account}"
            file.toml:8:1: route "/c/{account}": lane: "/c/{account}" has no segment {query}
             8 | lane = "account/{query}/{acount}"
               | ^^^^
               name a segment of the path, or write {query:name}, {header:Name} or {content:/pointer}
            file.toml:8:1: route "/c/{account}": lane: "/c/{account}" has no segment {acount}
             8 | lane = "account/{query}/{acount}"
               | ^^^^
               did you mean {account}?
            file.toml:11:9: route "/d": lane: in "{header:a b}" "a b" is no name of a header field
             11 | lane = ["{header:a b}", "{content:parent}", "{cookie:x}", ""]
                |         ^^^^^^^^^^^^^^
               write it like {header:X-Tenant}
            file.toml:11:25: route "/d": lane: in "{content:parent}" "parent" is no JSON Pointer to a member
             11 | lane = ["{header:a b}", "{content:parent}", "{cookie:x}", ""]
                |                         ^^^^^^^^^^^^^^^^^^
               write it like {content:/parent/id}, with ~1 for / and ~0 for ~
            file.toml:11:45: route "/d": lane: in "{cookie:x}" {cookie:x} names nothing ("cookie" is not known)
             11 | lane = ["{header:a b}", "{content:parent}", "{cookie:x}", ""]
                |                                             ^^^^^^^^^^^^
               write {name} for a segment of the path, {query:name}, {header:Name} or {content:/pointer}
            file.toml:11:59: route "/d": lane: the name of the lane is empty
             11 | lane = ["{header:a b}", "{content:parent}", "{cookie:x}", ""]
                |                                                           ^^
               name the conflict domain, such as "account/{account}"
        "#]],
    );
}

#[test]
fn mistakes_in_versions_and_natural_keys_say_what_to_do() {
    let said = faults(
        r#"
upstream = "http://127.0.0.1:1"
[defaults]
version = "couch"
[[route]]
path = "/a"
version = { kind = "version", absence = "creates" }
natural_key = { members = "/email", look_up = "/users?email={email}" }
[[route]]
path = "/b"
version = { kind = "version" }
natural_key = "/email"
[[route]]
path = "/c"
natural_key = { members = [], look_up = "/users" }
"#,
    );
    for expected in [
        "file.toml:4:11: [defaults] version: \"couch\" is no dialect that keeps versions in the content",
        "there is no `absence` here; expected one of `at`,",
        "failed to read `email` as a JSON Pointer",
        "it does not say where documents have their version",
        "expected a table such as { members = \"/email\"",
        "it names no members that are unique",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn settings_of_keys_are_checked() {
    check(
        r#"
[[route]]
path = "/payments"
key = "derive"
key_field = "no field"
key_window = "0s"
key_reuse_status = 200

[[route]]
path = "/forms"
key = "required"
key_window = "5s"

[[route]]
path = "/free"
key = "off"
key_running_status = 425
"#,
        expect![[r#"
            file.toml:4:7: route "/payments": key: expected one of "required", "accepted", "derived" and "off", found "derive"
             4 | key = "derive"
               |       ^^^^^^^^
               did you mean "derived"?
            file.toml:5:13: route "/payments": key_field: expected the name of a header field, such as "Idempotency-Key", found "no field"
             5 | key_field = "no field"
               |             ^^^^^^^^^^
            file.toml:6:14: route "/payments": key_window: expected a duration longer than nothing, found "0s"
             6 | key_window = "0s"
               |              ^^^^
            file.toml:7:20: route "/payments": key_reuse_status: expected a whole number from 400 to 499, found 200
             7 | key_reuse_status = 200
               |                    ^^^
            file.toml:12:1: warning: route "/forms": key_window: it has no effect: only derived keys have a window, and others are kept as `remember` says
             12 | key_window = "5s"
                | ^^^^^^^^^^
               take it out, or set key = "derived"
            file.toml:17:1: warning: route "/free": key_running_status: it has no effect: key is "off", so keys are the origin's business alone
             17 | key_running_status = 425
                | ^^^^^^^^^^^^^^^^^^
               take it out, or set key = "accepted"
        "#]],
    );
    let config = config("[[route]]\npath = \"/pay\"\nkey = \"required\"\nkey_field = \"PayPal-Request-Id\"\n");
    let keys = &config.routes[0].policy.keys;
    assert_eq!(
        (keys.rule, keys.field.as_str()),
        (tiebreak_core::policy::KeyRule::Required, "paypal-request-id")
    );
}
