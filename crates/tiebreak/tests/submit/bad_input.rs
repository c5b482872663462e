//! Bad usage and bad input: named, with an exit code, and in the way of nothing else.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::job::{Job, ran, spawn};

fn put(n: u64) -> Value {
    json!({"method": "PUT", "path": format!("/items/{n}"), "body": {"n": n}})
}

#[test]
fn bad_usage_is_two_and_sends_nothing() {
    let job = Job::of(&[put(1)]);
    job.write("bad.json", "{");
    job.write("type.json", "{\"type\": \"nonsense\"}");
    let table: [(&[&str], &str); 15] = [
        (&["missing.ndjson"], "missing.ndjson"),
        (&["."], "directory"),
        (&["in.ndjson", "--id", "/id"], "--to"),
        (&["in.ndjson", "--to", "ftp://h/"], "http://"),
        (&["in.ndjson", "--to", "http://u:secret@h/"], "user name"),
        (&["in.ndjson", "--to", "http://h/", "--id", "id"], "JSON Pointer"),
        (
            &["in.ndjson", "--to", "http://h/", "--method", "FETCH", "--id", "/id"],
            "FETCH",
        ),
        (&["in.ndjson", "--workers", "0"], "--workers"),
        (&["in.ndjson", "--header", "X: y"], "--to"),
        (&["in.ndjson", "--to", "http://h/", "-H", "nonsense"], "--header"),
        (&["in.ndjson", "--schema", "items"], "--schema"),
        (&["in.ndjson", "--schema", "items=missing.json"], "missing.json"),
        (&["in.ndjson", "--schema", "items=bad.json"], "bad.json"),
        (&["in.ndjson", "--schema", "items=type.json"], "items"),
        (&["in.ndjson", "--format", "csv", "--delimiter", "ab"], "--delimiter"),
    ];
    for (args, part) in table {
        let ran = job.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("secret@"), "{}", ran.err);
        assert!(!job.path("results.ndjson").exists(), "{args:?}");
    }
}

#[test]
fn malformed_lines_have_their_numbers_and_stop_nothing() {
    let job = Job::new();
    let good = put(1);
    let text = format!(
        "{good}\n\n{{\"method\":\"PUT\"\nnot json\n[1,2]\n{}\n{}\n{}\n{}\n",
        json!({"method": "FROB", "path": "/items/2"}),
        json!({"method": "PUT", "path": "items/2"}),
        json!({"method": "PUT", "path": "/items/2", "colour": "red"}),
        put(3)
    );
    job.write("in.ndjson", &text);
    let ran = job.run(&["in.ndjson"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let results = job.results();
    let lines: Vec<u64> = results.iter().map(|r| r["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 7, 8, 9]);
    assert!(results[1..7].iter().all(|r| r["outcome"] == "malformed"), "{results:?}");
    assert!(results[4]["evidence"].as_str().unwrap().contains("FROB"));
    assert!(results[6]["evidence"].as_str().unwrap().contains("colour"));
    assert_eq!(results[7]["outcome"], "created");
    assert!(ran.out.contains("line 6: malformed"), "{}", ran.out);
}

#[test]
fn an_empty_input_is_done() {
    let job = Job::of(&[]);
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
    assert!(job.results().is_empty());
}

#[test]
fn standard_input_is_read_too() {
    use std::io::Write;
    let job = Job::new();
    let mut command = job.command(&["-"]);
    let mut child = spawn(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{}\n", put(1)).as_bytes())
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(job.outcomes(), ["created"]);
    assert!(job.path("submit.tiebreak").exists());
}

#[test]
fn an_unclosed_quote_ends_the_input_and_keeps_what_was_before() {
    let job = Job::new();
    job.write("in.csv", "id,x\n1,a\n2,\"b\n3,c\n");
    let ran = job.run(&["in.csv", "--to", "/items", "--id", "/id"]);
    // A quote that ends with the file makes a ragged row at most; what came before it has landed.
    assert_eq!(job.results()[0]["outcome"], "created");
    assert_ne!(ran.code, 3, "{}", ran.err);
}

#[test]
fn a_ledger_that_another_process_holds_is_left_alone() {
    let job = Job::of(&[put(1)]);
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
    let lock = std::fs::File::options()
        .write(true)
        .open(job.path("in.ndjson.tiebreak-lock"))
        .unwrap();
    lock.lock().unwrap();
    for args in [&["in.ndjson"][..], &["in.ndjson", "--forget"]] {
        let ran = job.run(args);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("another process"), "{}", ran.err);
    }
    lock.unlock().unwrap();
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
}

#[test]
fn a_newer_or_damaged_ledger_is_left_alone() {
    let job = Job::of(&[put(1)]);
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
    let ledger = job.path("in.ndjson.tiebreak");
    let conn = rusqlite::Connection::open(&ledger).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let newer = job.run(&["in.ndjson"]);
    assert_eq!(newer.code, 2, "{}", newer.err);
    assert!(newer.err.contains("version 99"), "{}", newer.err);
    let garbage = vec![b'x'; 8192];
    std::fs::write(&ledger, &garbage).unwrap();
    let damaged = job.run(&["in.ndjson"]);
    assert_eq!(damaged.code, 2, "{}", damaged.err);
    assert_eq!(std::fs::read(&ledger).unwrap(), garbage);
}

#[test]
fn a_ledger_whose_data_is_gone_is_not_taken_for_done() {
    let job = Job::of(&[put(1)]);
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
    std::fs::remove_file(job.path("in.ndjson.origin")).unwrap();
    let ran = job.run(&["in.ndjson"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("--forget"), "{}", ran.err);
}

#[test]
fn a_disk_that_takes_no_more_loses_nothing() {
    let lines: Vec<Value> = (0..3000).map(put).collect();
    let job = Job::of(&lines);
    assert_eq!(job.run(&["in.ndjson", "--forget"]).code, 0);
    // No file may grow beyond 400 KiB.
    let mut limited = Command::new("bash");
    limited
        .arg0("limited")
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" submit in.ndjson"]);
    limited.arg(env!("CARGO_BIN_EXE_tiebreak")).current_dir(job.path("."));
    let failed = ran(&spawn(limited.stdout(Stdio::piped()).stderr(Stdio::piped()))
        .wait_with_output()
        .unwrap());
    assert!(failed.code == 1 || failed.code == 2, "{} {}", failed.code, failed.err);
    assert!(failed.err.contains("failed to"), "{}", failed.err);
    assert!(!failed.err.contains("panicked"), "{}", failed.err);
    let ran = job.run(&["in.ndjson"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(job.outcomes().iter().all(|o| o == "created"));
}
