//! What is said of settings that do not go together.

use expect_test::expect;

use super::*;

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
[[route]]
path = "/d"
methods = ["GET"]
mark_reads = "_base"
[[route]]
path = "/e"
methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
mark_reads = "_base"
[[route]]
path = "/f"
honours_keys = true
honours_keys_for = "59s"
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
            file.toml:16:1: route "/d": mark_reads: GET puts marks in, writes take them out, and all of them name versions by marked tags; `methods` leaves out one of them
             16 | mark_reads = "_base"
                | ^^^^^^^^^^
               leave out `methods`, or name GET, HEAD, PUT, PATCH, POST and DELETE in it, or set `mark_reads` under [defaults] as well
            file.toml:24:1: route "/f": honours_keys_for: a write may be sent again by its key for "1m" (`patience` and `attempt_timeout`), which is longer
             24 | honours_keys_for = "59s"
                | ^^^^^^^^^^^^^^^^
               lower those two, or set honours_keys = false
        "#]],
    );
}
