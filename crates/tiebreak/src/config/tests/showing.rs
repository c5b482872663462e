//! What is in force, where it comes from, and that it is documented.

use expect_test::expect;

use super::*;

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
        # max_connections is not set             # default

        # where no route says anything else
        [defaults]
        etag = "version"                         # default
        virtual_tags = "off"                     # default
        honours_keys = true                      # default
        honours_keys_for = "24h"                 # default
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
fn the_example_is_in_order() {
    let text = include_str!("../../../../../examples/tiebreak.toml");
    assert_eq!(faults(text), "");
    assert_eq!(config(text).routes.len(), 4);
}

#[test]
fn all_settings_are_documented_with_their_defaults() {
    let docs = include_str!("../../../../../docs/configuration.md");
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
