//! What is said of the settings of connections: with clients, origins and the database.

use expect_test::expect;

use super::*;

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
               give both the same `http2`, `http2_ping`, `max_connections`, `ca`, `client_cert` and `client_key`, or use two host names
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
               give both the same `http2`, `http2_ping`, `max_connections`, `ca`, `client_cert` and `client_key`, or use two host names
        "#]],
    );
}

#[test]
fn connections_to_an_origin_are_counted_by_host_and_port() {
    check(
        r#"
upstream = "shared"
[upstreams.shared]
url = "http://a.example"
http2 = "prior-knowledge"
max_connections = 100
[upstreams.none]
url = "http://b.example"
max_connections = 0
[upstreams.one]
url = "http://c.example/v1"
max_connections = 100
[upstreams.other]
url = "http://c.example/v2"
[[route]]
path = "/none"
upstream = "none"
[[route]]
path = "/one"
upstream = "one"
[[route]]
path = "/other"
upstream = "other"
"#,
        expect![[r#"
            file.toml:6:1: warning: upstream "shared": max_connections: it has no effect: on HTTP/2 requests share a connection
             6 | max_connections = 100
               | ^^^^^^^^^^^^^^^
               take it out
            file.toml:9:19: upstream "none": max_connections: expected a whole number from 1 to 1000000, found 0
             9 | max_connections = 0
               |                   ^
            file.toml:13:12: upstream "other": another upstream with the same host and port is spoken with in another way
             13 | [upstreams.other]
                |            ^^^^^
               give both the same `http2`, `http2_ping`, `max_connections`, `ca`, `client_cert` and `client_key`, or use two host names
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
