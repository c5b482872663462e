use expect_test::{Expect, expect};

use super::*;

/// What is said of this file, as `file.toml`.
fn faults(text: &str) -> String {
    let (_, faults) = Config::read(Some(("file.toml".into(), text.to_owned())), &[]);
    faults.told(Some(Path::new("file.toml")), text)
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&faults(text));
}

fn config(text: &str) -> Config {
    let (config, faults) = Config::read(Some(("file.toml".into(), text.to_owned())), &[]);
    assert_eq!(faults.count(Weight::Mistake), 0, "{}", faults.told(None, text));
    config
}

#[test]
fn versions_and_natural_keys_are_read_and_shown() {
    let text = r#"
upstream = "http://127.0.0.1:1/v2"
[defaults]
version = "couchdb"
[[route]]
path = "/c"
version = { at = "/metadata/resourceVersion", kind = "version", absent = "overwrites" }
[[route]]
path = "/users"
version = "/v"
natural_key = { members = ["/email"], look_up = "/users?email={/email}", items = "/items", location = "/users/{/id}" }
"#;
    let config = config(text);
    let shown = |route: &Route, name: &str| {
        let setting = route::SETTINGS.iter().find(|s| s.name == name).unwrap();
        (setting.show)(&route.settings.values).unwrap()
    };
    assert_eq!(
        shown(&config.rest, "version"),
        r#"{ at = "/_rev", answered_at = "/rev", query = "rev", kind = "version", absent = "creates" }"#
    );
    assert_eq!(
        shown(&config.routes[0], "version"),
        r#"{ at = "/metadata/resourceVersion", kind = "version", absent = "overwrites" }"#
    );
    assert_eq!(
        config.routes[1].policy.merge.version.len(),
        1,
        "the route's own goes before the default"
    );
    assert_eq!(
        shown(&config.routes[1], "natural_key"),
        r#"{ members = ["/email"], look_up = "/users?email={/email}", items = "/items", location = "/users/{/id}" }"#
    );
    assert_eq!(config.routes[1].policy.natural_key.as_ref().unwrap().prefix, "/v2");
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
fn routes_that_nothing_reaches_or_that_cross_are_said() {
    check(
        r#"
[[route]]
name = "all"
path = "/contacts/{rest*}"
[[route]]
name = "one"
path = "/contacts/{id}"
methods = ["PUT"]
[[route]]
name = "a"
path = "/{x}/b"
[[route]]
name = "b"
path = "/a/{y}"
[[route]]
name = "a"
path = "/z"
"#,
        expect![[r#"
            file.toml:5:1: route "one": nothing reaches it: route "all" (/contacts/{rest*}), which stands before it, matches the same requests
             5 | [[route]]
               | ^^^^^^^^^
               the first match wins: put the more particular route first, or take one out
            file.toml:9:1: warning: route "a": some paths match it and route "all" (/contacts/{rest*}), and the latter wins there
             9 | [[route]]
               | ^^^^^^^^^
               if that is not meant, put this route before it
            file.toml:12:1: warning: route "b": some paths match it and route "a" (/{x}/b), and the latter wins there
             12 | [[route]]
                | ^^^^^^^^^
               if that is not meant, put this route before it
            file.toml:15:1: warning: route "a": another route has this name too
             15 | [[route]]
                | ^^^^^^^^^
               give each route a name of its own
        "#]],
    );
}

#[test]
fn contradictions_are_said() {
    check(
        r#"
upstream = "https://api.example.com"
data = "other.origin"

[upstreams.billing]
url = "ftp://billing.example.com"

[upstreams.spare]
uri = "https://spare.example.com"

[[route]]
path = "/a"
least = "B"
[[route]]
path = "/b"
least = "A"
etag = "digest"
[[route]]
path = "/c"
methods = ["POST"]
least = "A"
identity = { "/items" = "id" }
[[route]]
path = "/d"
on_stale = "stop"
on_overlap = "ours"
[[route]]
path = "/e"
methods = ["PUT"]
principal = "X-User"
[[route]]
path = "/f"
upstream = "biling"
least = "C"
unguarded = "allow"
"#,
        expect![[r#"
            file.toml:3:1: warning: data: it has no effect: it is for the embedded origin, which an upstream replaces
             3 | data = "other.origin"
               | ^^^^
               take out `data`, or `upstream`
            file.toml:5:12: warning: upstream "billing": nothing uses it
             5 | [upstreams.billing]
               |            ^^^^^^^
               name it in a [[route]] (upstream = "billing"), or take it out
            file.toml:6:7: upstream "billing": url: "ftp://billing.example.com" is no origin: it must begin with http:// or https://
             6 | url = "ftp://billing.example.com"
               |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
               write it like "https://api.example.com"
            file.toml:8:12: upstream "spare": it has no url
             8 | [upstreams.spare]
               |            ^^^^^
               add a line such as url = "https://api.example.com"
            file.toml:8:12: warning: upstream "spare": nothing uses it
             8 | [upstreams.spare]
               |            ^^^^^
               name it in a [[route]] (upstream = "spare"), or take it out
            file.toml:9:1: upstream "spare": there is no setting `uri` here
             9 | uri = "https://spare.example.com"
               | ^^^
               did you mean `url`?
            file.toml:13:1: route "/a": least: "B" is what keys that the origin honours give, and honours_keys is false
             13 | least = "B"
                | ^^^^^
               set honours_keys = true if the origin honours Idempotency-Key; else demand "A" (a version) or "C"
            file.toml:16:1: route "/b": least: "A" needs tags that never come back, and etag is "digest": each write would be refused
             16 | least = "A"
                | ^^^^^
               demand "C", or set etag = "version" if the origin's tags are versions
            file.toml:21:1: route "/c": least: "A" needs a version to write on, and a POST has none: each would be refused
             21 | least = "A"
                | ^^^^^
               demand "B" with honours_keys = true, or "C"
            file.toml:22:1: warning: route "/c": identity: it has no effect: only PUT and PATCH are merged, and `methods` leaves them out
             22 | identity = { "/items" = "id" }
                | ^^^^^^^^
               take it out, or add "PUT" or "PATCH"
            file.toml:26:1: warning: route "/d": on_overlap: it has no effect: on_stale = "stop" never merges
             26 | on_overlap = "ours"
                | ^^^^^^^^^^
               take it out, or set on_stale = "rebase"
            file.toml:30:1: route "/e": principal: its methods leave out GET, so reads of these paths would count as another caller's
             30 | principal = "X-User"
                | ^^^^^^^^^
               add "GET" to `methods` (or leave them out), or set `principal` under [defaults] as well
            file.toml:33:12: route "/f": upstream: there is no upstream "biling"
             33 | upstream = "biling"
                |            ^^^^^^^^
               did you mean "billing"?
            file.toml:35:1: warning: route "/f": unguarded: it allows what least = "C" refuses: a write without a version has guarantee D
             35 | unguarded = "allow"
                | ^^^^^^^^^
               take out `unguarded`, or demand "D"
        "#]],
    );
}

#[test]
fn virtual_tags_need_reads_and_writes_and_no_other_version() {
    check(
        r#"
upstream = "https://api.example.com"

[[route]]
path = "/a"
virtual_tags = "byte"
[[route]]
path = "/b"
virtual_tags = "json"
version = "/version"
[[route]]
path = "/c"
methods = ["PUT", "PATCH"]
virtual_tags = "bytes"
"#,
        expect![[r#"
            file.toml:6:16: route "/a": virtual_tags: expected one of "off", "bytes" and "json", found "byte"
             6 | virtual_tags = "byte"
               |                ^^^^^^
               did you mean "bytes"?
            file.toml:9:1: route "/b": virtual_tags: the origin keeps versions in the content (`version`), and no tags are made beside them
             9 | virtual_tags = "json"
               | ^^^^^^^^^^^^
               set virtual_tags = "off", or take out `version`
            file.toml:14:1: warning: route "/c": virtual_tags: a tag is shown by GET and compared by writes, and `methods` leaves out one of them
             14 | virtual_tags = "bytes"
                | ^^^^^^^^^^^^
               add "GET" and "PUT" to `methods` (or leave them out), or set it under [defaults] as well
        "#]],
    );
}

#[test]
fn observing_needs_something_to_observe() {
    check(
        "observe = true\n",
        expect![[r#"
        file.toml:1:1: observe: there is nothing to observe: without an upstream the embedded origin serves
         1 | observe = true
           | ^^^^^^^
           name the API with `upstream` (--upstream)
    "#]],
    );
    check(
        "upstream = \"https://api.example.com\"\nobserve_file = \"seen.jsonl\"\n",
        expect![[r#"
            file.toml:2:1: warning: observe_file: it has no effect: nothing is observed
             2 | observe_file = "seen.jsonl"
               | ^^^^^^^^^^^^
               set observe = true, or take it out
        "#]],
    );
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

#[test]
fn flags_go_before_the_file_and_routes_before_both() {
    let flag = |option, setting, value: &str| Flag {
        option,
        setting,
        node: Node::given(Value::Text(value.to_owned())),
    };
    let text = r#"
listen = "127.0.0.1:1"
max_connections = 7

[upstreams.billing]
url = "https://billing.example.com/v1"

[defaults]
patience = "1s"
attempts = 3

[[route]]
name = "invoices"
path = "/invoices/{account}/{id}"
methods = ["GET", "PUT"]
upstream = "billing"
lane = "account/{account}"
patience = "1h"
remember = "forever"
identity = { "/items" = "id", "/lines/*" = ["sku", "unit"] }
together = [["/start", "/end"]]
volatile = ["/updated_at"]
principal = "X-User"
"#;
    let file = Some(("file.toml".into(), text.to_owned()));
    let flags = [
        flag("--listen", "listen", "127.0.0.1:2"),
        flag("--patience", "patience", "2s"),
        flag("--late-after", "late_after", "700ms"),
    ];
    let (config, faults) = Config::read(file, &flags);
    assert_eq!(faults.told(None, text), "");
    expect![[r#"
        listen = "127.0.0.1:2"                   # --listen
        # tls_cert is not set                    # default
        # tls_key is not set                     # default
        # tls_client_ca is not set               # default
        tls_client_auth = "required"             # default
        forwarded = "forwarded"                  # default
        # upstream is not set                    # default
        ledger = "tiebreak.ledger"               # default
        # ledger_password_file is not set        # default
        ledger_lease = "10s"                     # default
        # secret is not set                      # default
        data = "tiebreak.origin"                 # default
        # browser_profile is not set             # default
        stale_status = 409                       # default
        max_connections = 7                      # file.toml:3
        max_connections_per_address = 5000       # default
        max_writes_per_caller = 4096             # default
        max_head = "64KiB"                       # default
        head_timeout = "10s"                     # default
        stall_timeout = "30s"                    # default
        min_rate = 1024                          # default
        idle_timeout = "1m"                      # default
        drain_timeout = "90s"                    # default
        # memory is not set                      # default
        observe = false                          # default
        # observe_file is not set                # default

        [upstreams.billing]
        url = "https://billing.example.com/v1"   # file.toml:6
        # ca is not set                          # default
        # client_cert is not set                 # default
        # client_key is not set                  # default
        preserve_host = false                    # default
        http2 = false                            # default
        http2_ping = "5s"                        # default

        # where no route says anything else
        [defaults]
        etag = "version"                         # default
        virtual_tags = "off"                     # default
        honours_keys = true                      # default
        key = "accepted"                         # default
        key_field = "idempotency-key"            # default
        key_window = "10s"                       # default
        key_reuse_status = 422                   # default
        key_running_status = 409                 # default
        join_repeats = true                      # default
        unguarded = "allow"                      # default
        least = "D"                              # default
        on_duplicate = "stop"                    # default
        on_stale = "rebase"                      # default
        on_overlap = "refuse"                    # default
        # identity is not set                    # default
        # together is not set                    # default
        # volatile is not set                    # default
        # version is not set                     # default
        # natural_key is not set                 # default
        # mark_reads is not set                  # default
        # lane is not set                        # default
        # principal is not set                   # default
        attempts = 3                             # file.toml:10
        patience = "2s"                          # --patience
        attempt_timeout = "30s"                  # default
        read_idle_timeout = "auto"               # default
        backoff = ["50ms", "5s"]                 # default
        late_after = "700ms"                     # --late-after
        remember = "24h"                         # default
        keep_content = "256KiB"                  # default
        expect_over = "1MiB"                     # default
        max_content = "16MiB"                    # default
        over_bound = "refuse"                    # default
        follow_202 = false                       # default
        hand_off = false                         # default
        hand_off_wait = "5m"                     # default
        claim_ahead = true                       # default

        [[route]]  # file.toml:12
        name = "invoices"
        path = "/invoices/{account}/{id}"
        methods = ["GET", "PUT"]
        upstream = "billing"
        etag = "auto"                            # default
        honours_keys = false                     # default
        identity = { "/items" = ["id"], "/lines/*" = ["sku", "unit"] } # file.toml:20
        together = [["/start", "/end"]]          # file.toml:21
        volatile = ["/updated_at"]               # file.toml:22
        lane = ["account/{account}"]             # file.toml:17
        principal = "x-user"                     # file.toml:23
        patience = "1h"                          # file.toml:18
        remember = "forever"                     # file.toml:19
    "#]]
    .assert_eq(&show::show(&config));
}

#[test]
fn what_is_shown_can_be_read_again() {
    let text = "[[route]]\npath = \"/a/{x}\"\nlane = \"{x}\"\nleast = \"C\"\nidentity = { \"/i\" = \"id\" }\n";
    let shown = show::show(&config(text));
    let again = show::show(&config(&shown));
    let without_places = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.split(" #").next().unwrap_or_default().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_places(&shown), without_places(&again));
}

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

#[test]
fn the_example_is_in_order() {
    let text = include_str!("../../../../examples/tiebreak.toml");
    assert_eq!(faults(text), "");
    assert_eq!(config(text).routes.len(), 4);
}

#[test]
fn all_settings_are_documented_with_their_defaults() {
    let docs = include_str!("../../../../docs/configuration.md");
    let shown = show::show(
        &Config::read(
            None,
            &[Flag {
                option: "--upstream",
                setting: "upstream",
                node: Node::given(Value::Text("https://api.example.com".to_owned())),
            }],
        )
        .0,
    );
    for line in shown.lines().filter(|line| line.contains("# default")) {
        let (name, default) = match line.split_once(" = ") {
            Some((name, rest)) => (name, rest.split(" #").next().unwrap_or_default().trim()),
            None => (line.trim_start_matches("# ").split(' ').next().unwrap_or_default(), ""),
        };
        let row = docs.lines().find(|row| row.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not documented"));
        assert!(
            default.is_empty() || row.contains(&format!("`{default}`")),
            "{name}: {default} is not in {row}"
        );
    }
    for names in [
        server::SETTINGS.iter().map(|s| s.name).collect::<Vec<_>>(),
        upstream::SETTINGS.iter().map(|s| s.name).collect(),
    ] {
        for name in names {
            assert!(docs.contains(&format!("| `{name}`")), "{name} is not documented");
        }
    }
}

#[test]
fn a_preserved_host_does_not_help_under_another_path() {
    check(
        r#"
upstream = "s3"
[upstreams.s3]
url = "http://a.example/v1"
preserve_host = true
"#,
        expect![[r#"
            file.toml:5:1: warning: upstream "s3": preserve_host: the url puts "/v1" before each path, so requests that sign host and path will be refused all the same
             5 | preserve_host = true
               | ^^^^^^^^^^^^^
               take the path out of the url if clients sign their requests
        "#]],
    );
}

#[test]
fn files_for_tls_with_an_origin_have_to_fit() {
    check(
        r#"
upstream = "plain"
[upstreams.plain]
url = "http://a.example"
ca = "ca.pem"
[upstreams.half]
url = "https://b.example/v1"
client_cert = "own.pem"
[upstreams.other]
url = "https://b.example/v2"
ca = "ca.pem"
[[route]]
path = "/half"
upstream = "half"
[[route]]
path = "/other"
upstream = "other"
"#,
        expect![[r#"
            file.toml:5:1: upstream "plain": ca: it has no effect: the url begins with http://
             5 | ca = "ca.pem"
               | ^^
               write https://, or take it out
            file.toml:8:1: upstream "half": client_cert: it needs `client_key` beside it
             8 | client_cert = "own.pem"
               | ^^^^^^^^^^^
               add client_key = "FILE.pem"
            file.toml:9:12: upstream "other": another upstream with the same host and port is spoken with in another way
             9 | [upstreams.other]
               |            ^^^^^
               give both the same `http2`, `http2_ping`, `ca`, `client_cert` and `client_key`, or use two host names
        "#]],
    );
}

#[test]
fn certificates_of_clients_need_somebody_to_ask_for_them() {
    check(
        r#"
tls_client_auth = "optional"
[defaults]
principal = "certificate"
[[route]]
path = "/a"
"#,
        expect![[r#"
            file.toml:2:1: warning: tls_client_auth: it has no effect: clients are not asked for certificates
             2 | tls_client_auth = "optional"
               | ^^^^^^^^^^^^^^^
               set tls_client_ca, or take it out
            file.toml:4:1: principal: clients are not asked for certificates
             4 | principal = "certificate"
               | ^^^^^^^^^
               set tls_client_ca (--tls-client-ca), or name a header field
        "#]],
    );
    check(
        r#"
tls_client_ca = "ca.pem"
[defaults]
principal = "certificate"
"#,
        expect![[r#"
            file.toml:2:1: tls_client_ca: without TLS no client can show a certificate
             2 | tls_client_ca = "ca.pem"
               | ^^^^^^^^^^^^^
               set tls_cert and tls_key (--tls-cert, --tls-key), or take it out
        "#]],
    );
}

#[test]
fn http2_with_an_origin_needs_somebody_to_ask() {
    check(
        r#"
upstream = "plain"
[upstreams.plain]
url = "http://a.example"
http2 = true
[upstreams.knowing]
url = "https://b.example"
http2 = "prior-knowledge"
[upstreams.one]
url = "https://d.example/v1"
http2 = true
[upstreams.other]
url = "https://d.example/v2"
[[route]]
path = "/b"
upstream = "knowing"
[[route]]
path = "/d"
upstream = "one"
[[route]]
path = "/e"
upstream = "other"
"#,
        expect![[r#"
            file.toml:5:1: upstream "plain": http2: without TLS nothing says whether the origin speaks HTTP/2
             5 | http2 = true
               | ^^^^^
               write http2 = "prior-knowledge" if it does, or take it out
            file.toml:8:1: upstream "knowing": http2: over TLS the origin is asked whether it speaks HTTP/2
             8 | http2 = "prior-knowledge"
               | ^^^^^
               write http2 = true
            file.toml:12:12: upstream "other": another upstream with the same host and port is spoken with in another way
             12 | [upstreams.other]
                |            ^^^^^
               give both the same `http2`, `http2_ping`, `ca`, `client_cert` and `client_key`, or use two host names
        "#]],
    );
}

#[test]
fn a_ledger_in_a_database_is_set_in_the_file() {
    let text = r#"
        ledger = "postgres://me:s3cret@db.example/ledger"
        ledger_password_file = "/run/secrets/password"
        ledger_lease = "5s"
        secret = "/run/secrets/secret"
    "#;
    let config = config(text);
    let shown = |name: &str| {
        let setting = server::SETTINGS.iter().find(|s| s.name == name).unwrap();
        (setting.show)(&config.server.values).unwrap()
    };
    assert_eq!(shown("ledger"), "\"postgres://db.example:5432/ledger\"");
    assert_eq!(shown("ledger_lease"), "\"5s\"");
    assert_eq!(shown("ledger_password_file"), "\"/run/secrets/password\"");
    assert_eq!(shown("secret"), "\"/run/secrets/secret\"");
    check(
        "ledger_lease = \"1s\"\n",
        expect![[r#"
            file.toml:1:16: ledger_lease: expected a duration from "2s" to "10m", found "1s"
             1 | ledger_lease = "1s"
               |                ^^^^
        "#]],
    );
}

#[test]
fn letting_pass_what_is_refused_all_the_same_is_told() {
    check(
        r#"upstream = "http://api.example.com"
[[route]]
path = "/a"
over_bound = "pass"
least = "C"
[[route]]
path = "/b"
over_bound = "pass"
key = "required"
[[route]]
path = "/c"
over_bound = "pass"
"#,
        expect![[r#"
            file.toml:4:1: warning: route "/a": over_bound: it has no effect: what passes has guarantee D, and least = "C" refuses that
             4 | over_bound = "pass"
               | ^^^^^^^^^^
               take one of them out
            file.toml:8:1: warning: route "/b": over_bound: it has no effect: what passes is not recorded, so keys cannot be kept, and here each write has one
             8 | over_bound = "pass"
               | ^^^^^^^^^^
               take it out, or set key = "accepted"
        "#]],
    );
}

#[test]
fn versions_are_shown_in_one_way() {
    check(
        r#"upstream = "http://api.example.com"
[[route]]
path = "/a"
mark_reads = "_base"
virtual_tags = "json"
[[route]]
path = "/b"
mark_reads = ""
[[route]]
path = "/c"
mark_reads = "_base"
version = "/_rev"
"#,
        expect![[r#"
            file.toml:4:1: route "/a": mark_reads: virtual_tags shows each version as an entity tag already, of what is not marked
             4 | mark_reads = "_base"
               | ^^^^^^^^^^
               set virtual_tags = "off", or take out `mark_reads`
            file.toml:8:14: route "/b": mark_reads: expected the name of a member, such as "_tiebreak", found ""
             8 | mark_reads = ""
               |              ^^
            file.toml:11:1: route "/c": mark_reads: the documents name their version themselves (`version`)
             11 | mark_reads = "_base"
                | ^^^^^^^^^^
               take out `mark_reads`
        "#]],
    );
}
