//! `tiebreak explain` and `tiebreak dialects`, as a person or a program runs them. The inputs are real curl output.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use expect_test::expect_file;
use serde_json::{Value, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/explain")
        .join(name)
}

fn tiebreak(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .args(args)
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || {
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("the program ends");
    feeder.join().expect("the feeder ends");
    output
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn explain_file(name: &str) -> String {
    let path = fixture(name);
    let output = tiebreak(&["explain", path.to_str().expect("a path")], "");
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    out(&output)
}

#[test]
fn real_curl_output_is_explained() {
    for name in [
        "curl-v-412",
        "curl-v-409-duplicate",
        "curl-v-409-race",
        "curl-v-409-key",
        "curl-v-409-state",
        "curl-v-503",
        "curl-i-422",
        "curl-i-wall",
        "curl-v-gateway",
        "curl-v-100-continue",
    ] {
        expect_file![fixture(&format!("{name}.out"))].assert_eq(&explain_file(&format!("{name}.txt")));
    }
}

#[test]
fn the_last_answer_of_several_is_explained() {
    for name in [
        "curl-i-redirect.txt",
        "curl-v-redirect.txt",
        "curl-vi-409-stale.txt",
        "curl-i-412.txt",
    ] {
        let said = explain_file(name);
        assert!(
            said.contains("someone else changed it in the meantime"),
            "{name}: {said}"
        );
    }
    assert!(explain_file("curl-i-100-continue.txt").contains("is still running"));
    assert!(explain_file("curl-v-redirect.txt").contains("PUT /contacts/17"));
    assert!(explain_file("curl-v-201.txt").contains("no conflict: it worked"));
}

#[test]
fn credentials_are_not_repeated() {
    let said = explain_file("curl-v-409-race.txt");
    assert!(said.contains("authorization: …") && !said.contains("secret"), "{said}");
}

#[test]
fn what_was_never_sent_is_told_from_what_was_not_answered() {
    let path = fixture("curl-v-refused.txt");
    let output = tiebreak(&["explain", path.to_str().expect("a path")], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing can have been applied"));

    let output = tiebreak(
        &["explain"],
        "> PUT /a HTTP/1.1\n> Host: a\n> \n* Empty reply from server\n",
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("may have been applied"));
}

#[test]
fn a_body_alone_needs_a_status() {
    let output = tiebreak(
        &["explain", "--status", "409", "--method", "put", "-H", "If-Match: \"7\""],
        "{}",
    );
    assert!(output.status.success());
    assert!(
        out(&output).starts_with("409 Conflict on PUT: someone else changed it"),
        "{}",
        out(&output)
    );

    let output = tiebreak(&["explain"], "{}");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--status"));
    assert_eq!(tiebreak(&["explain", "--status", "no"], "{}").status.code(), Some(2));
    assert_eq!(tiebreak(&["explain", "no/such/file"], "").status.code(), Some(2));
}

#[test]
fn colour_is_for_terminals() {
    assert!(!explain_file("curl-i-wall.txt").contains('\u{1b}'));
    let path = fixture("curl-i-wall.txt");
    let forced = |no_color: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiebreak"));
        command
            .arg("explain")
            .arg(&path)
            .env("CLICOLOR_FORCE", "1")
            .env_remove("NO_COLOR");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value).env_remove("CLICOLOR_FORCE");
        }
        String::from_utf8_lossy(&command.output().expect("it runs").stdout).into_owned()
    };
    assert!(forced(None).contains('\u{1b}'));
    assert!(!forced(Some("1")).contains('\u{1b}'));
}

fn har() -> String {
    let entry = |method: &str, path: &str, status: i64, body: &str| {
        json!({
            "request": { "method": method, "url": format!("https://api.example.com{path}"), "headers": [{"name": "If-Match", "value": "\"7\""}], "postData": {"mimeType": "application/json", "text": "{}"} },
            "response": { "status": status, "headers": [{"name": "Content-Type", "value": "application/json"}], "content": {"mimeType": "application/json", "text": body, "encoding": "base64"} }
        })
    };
    // {"message":"the version is outdated"}, {"ok":true}
    let stale = "eyJtZXNzYWdlIjoidGhlIHZlcnNpb24gaXMgb3V0ZGF0ZWQifQ==";
    json!({ "log": { "version": "1.2", "entries": [
        entry("GET", "/a", 200, "eyJvayI6dHJ1ZX0="),
        entry("PUT", "/b", 412, stale),
        entry("PUT", "/c", 0, ""),
        entry("PATCH", "/d?x=1", 409, stale),
    ] } })
    .to_string()
}

#[test]
fn a_har_file_is_searched_for_conflicts() {
    let output = tiebreak(&["explain"], &har());
    let said = out(&output);
    assert!(
        said.contains("Entry 2\n412") && said.contains("Entry 4\n409 Conflict on PATCH /d?x=1"),
        "{said}"
    );
    assert!(!said.contains("Entry 1") && !said.contains("Entry 3"), "{said}");
    assert!(said.contains("curl -i 'https://api.example.com/d?x=1'"), "{said}");

    assert!(out(&tiebreak(&["explain", "--entry", "1"], &har())).contains("it worked"));
    for (entry, says) in [
        ("9", "expected --entry from 1 to 4, not 9"),
        ("3", "entry 3 has no answer"),
        ("0", "not 0"),
    ] {
        let output = tiebreak(&["explain", "--entry", entry], &har());
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(says));
    }
}

#[test]
fn a_conflict_inside_a_200_is_found() {
    let answer = r#"HTTP/1.1 200 OK
Content-Type: application/json

{"took":3,"errors":true,"items":[{"index":{"_id":"1","status":201,"result":"created"}},{"create":{"_id":"2","status":409,"error":{"type":"version_conflict_engine_exception","reason":"[2]: version conflict, document already exists (current version [1])"}}}]}"#;
    let said = out(&tiebreak(&["explain", "--method", "POST", "--path", "/_bulk"], answer));
    assert!(
        said.starts_with("200 OK on POST /_bulk: 1 item of this bulk request did not go through"),
        "{said}"
    );
    assert!(said.contains("item 1 (2): duplicate"), "{said}");
}

#[test]
fn json_is_for_programs() {
    let path = fixture("curl-v-412.txt");
    let output = tiebreak(&["explain", "--json", path.to_str().expect("a path")], "");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(said["class"], "stale");
    assert_eq!(said["status"], 412);
    assert_eq!(said["method"], "PUT");
    assert_eq!(said["safe_to_repeat"], "no");
    assert!(
        said["steps"][0]["command"]
            .as_str()
            .expect("a command")
            .starts_with("curl -i ")
    );
    assert!(said["evidence"][0]["where"].is_string());
}

#[test]
fn a_batch_answers_line_by_line_in_order() {
    let mut input = String::new();
    for i in 0..2_000 {
        let case = match i % 4 {
            0 => json!({ "id": i, "request": { "method": "PUT", "path": "/a", "headers": { "If-Match": "\"1\"" } }, "response": { "status": 412, "headers": {}, "body": "" } }).to_string(),
            1 => json!({ "id": i, "response": { "status": 403, "headers": { "CF-Mitigated": ["challenge"] }, "body": null } }).to_string(),
            2 => "{\"id\": broken".to_owned(),
            _ => json!({ "id": format!("n{i}"), "request": null, "response": { "status": 429, "headers": { "Retry-After": "17" } } }).to_string(),
        };
        input.push_str(&case);
        input.push('\n');
    }
    let output = tiebreak(&["explain", "--batch", "-"], &input);
    assert_eq!(
        output.status.code(),
        Some(1),
        "malformed lines are told by the exit code"
    );
    let lines: Vec<Value> = out(&output)
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2_000);
    for (i, line) in lines.iter().enumerate() {
        match i % 4 {
            0 => assert_eq!(
                (&line["id"], &line["class"], &line["remedy"]),
                (&json!(i), &json!("stale"), &json!("rebase"))
            ),
            1 => assert_eq!(
                (&line["id"], &line["class"], &line["remedy"]),
                (&json!(i), &json!("blocked"), &json!("browser"))
            ),
            2 => assert!(
                line["line"] == json!(i + 1) && line["error"].as_str().is_some_and(|e| e.contains("column")),
                "{line}"
            ),
            _ => assert_eq!(
                (&line["id"], &line["retry_after"]),
                (&json!(format!("n{i}")), &json!(17))
            ),
        }
    }
    let keys: Vec<_> = lines[0].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "id",
            "class",
            "remedy",
            "existing",
            "retry_after",
            "dialect",
            "confidence",
            "evidence"
        ]
    );
}

#[test]
fn a_batch_answers_while_more_is_to_come() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .args(["explain", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut answers = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("a pipe")));
    for id in 0..3 {
        writeln!(stdin, "{{\"id\":{id},\"response\":{{\"status\":409}}}}").expect("it reads");
        let line = answers.next().expect("an answer").expect("text");
        assert!(line.starts_with(&format!("{{\"id\":{id},")), "{line}");
    }
    drop(stdin);
    assert!(child.wait().expect("the program ends").success());
}

#[test]
fn packs_of_ones_own_are_asked_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let pack = r#"
name = "acme"
title = "Acme"
source = ["https://example.com/docs"]
unconfirmed = "the code E77"

[[recognise]]
headers = { "x-acme" = true }

[[rule]]
body = { "/error" = "E77" }
class = "race"
why = "E77: the warehouse is being counted"

[[example]]
method = "POST"
path = "/parts"
status = 409
headers = { "x-acme" = "1" }
body = '{"error":"E77"}'
class = "race"
"#;
    std::fs::write(dir.path().join("acme.toml"), pack).expect("written");
    let path = dir.path().to_str().expect("a path");
    let case = r#"{"id":1,"response":{"status":409,"headers":{"X-Acme":"1"},"body":"{\"error\":\"E77\"}"}}"#;
    let said: Value =
        serde_json::from_slice(&tiebreak(&["explain", "--batch", "--dialects", path], case).stdout).expect("JSON");
    assert_eq!((&said["class"], &said["dialect"]), (&json!("race"), &json!("acme")));

    let list = out(&tiebreak(&["dialects", "list", path], ""));
    assert!(list.contains("acme") && list.contains("signatures of"), "{list}");
    assert!(list.contains("not confirmed by a source: the code E77"), "{list}");
    let checked = tiebreak(&["dialects", "check", path], "");
    assert!(checked.status.success(), "{}", out(&checked));

    std::fs::write(
        dir.path().join("bad.toml"),
        "name = \"bad\"\n[[rule]]\nclass = \"oops\"\n",
    )
    .expect("written");
    let refused = tiebreak(&["dialects", "check", path], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("line 3"),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    assert_eq!(tiebreak(&["explain", "--dialects", path], "{}").status.code(), Some(2));
}

#[test]
fn a_wrong_example_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let pack = "name = \"w\"\ntitle = \"W\"\nsource = [\"https://example.com\"]\n[[recognise]]\nheaders = { \"x-w\" = true }\n[[rule]]\nbody = { \"/e\" = \"1\" }\nclass = \"race\"\nwhy = \"w\"\n[[example]]\nmethod = \"POST\"\npath = \"/\"\nstatus = 409\nheaders = { \"x-w\" = \"1\" }\nbody = '{\"e\":\"1\"}'\nclass = \"state\"\n";
    std::fs::write(dir.path().join("w.toml"), pack).expect("written");
    let checked = tiebreak(&["dialects", "check", dir.path().to_str().expect("a path")], "");
    assert_eq!(
        checked.status.code(),
        Some(1),
        "{}{}",
        out(&checked),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(out(&checked).contains("example at line"), "{}", out(&checked));
}
