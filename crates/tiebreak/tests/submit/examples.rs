//! The examples come out as their README promises.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::job::{Job, read};

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(example("expected.json")).unwrap()).unwrap()
}

fn copied(name: &str) -> Job {
    let job = Job::new();
    for file in [name, "airports.schema.json"] {
        std::fs::copy(example(file), job.path(file)).unwrap();
    }
    job
}

fn count(results: &[Value], outcome: &str) -> u64 {
    results.iter().filter(|r| r["outcome"] == outcome).count() as u64
}

#[test]
fn the_airports_come_out_as_expected() {
    let job = copied("airports.ndjson");
    let args = ["airports.ndjson", "--schema", "airports=airports.schema.json"];
    let ran = job.run(&args);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);

    let want = &expected()["ndjson"];
    let number = |pointer: &str| want.pointer(pointer).unwrap().as_u64().unwrap();
    let results = job.results();
    assert_eq!(results.len() as u64, number("/lines"));
    assert!(
        results.iter().zip(1..).all(|(r, line)| r["line"] == line),
        "one result per line, in order"
    );
    assert_eq!(count(&results, "created"), number("/records_created"));
    assert_eq!(count(&results, "deleted"), number("/records_deleted"));
    assert_eq!(count(&results, "malformed"), number("/malformed_lines"));
    assert_eq!(count(&results, "invalid"), number("/invalid_lines/total"));
    assert_eq!(count(&results, "needs_you"), number("/needs_a_person"));
    assert_eq!(count(&results, "in_doubt") + count(&results, "not_sent"), 0);
    let repeats = number("/repeats_with_the_same_key")
        + number("/duplicate_creates_equal/put")
        + number("/duplicate_creates_equal/post")
        + number("/agreeing_edits");
    assert_eq!(count(&results, "duplicate"), repeats);
    assert_eq!(
        count(&results, "updated") + number("/agreeing_edits"),
        number("/edits_applied")
    );
    let rebased = results.iter().filter(|r| r["rebased"] == true).count() as u64;
    assert_eq!(rebased, number("/merged_edits"));

    let overlap = |r: &Value| {
        let pointer = r.pointer("/problem/conflicts/0/pointer")?.as_str()?;
        Some((r["target"].as_str()?.to_owned(), pointer.to_owned()))
    };
    let overlaps: BTreeSet<_> = results.iter().filter_map(overlap).collect();
    let pair = |v: &Value| {
        (
            v["path"].as_str().unwrap().to_owned(),
            v["pointer"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        overlaps,
        want["overlaps"].as_array().unwrap().iter().map(pair).collect()
    );

    let made: BTreeSet<String> = results
        .iter()
        .filter(|r| r["outcome"] == "created")
        .map(|r| r["location"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(made.len() as u64, number("/records_created"));
    let paths: Vec<String> = made.into_iter().collect();
    let left = read(&job.path("airports.ndjson.origin"), &paths)
        .into_iter()
        .flatten()
        .count() as u64;
    assert_eq!(left, number("/records_left"));

    // Run again: the same outcome line by line, and nothing is sent.
    let before = results;
    let again = job.run(&args);
    assert_eq!(again.code, 1, "{}", again.err);
    for (old, new) in before.iter().zip(job.results()) {
        assert_eq!(old["outcome"], new["outcome"], "{old} {new}");
        // What was refused before it was sent leaves no record; it is refused again, under another id.
        assert_eq!(old["attempts"], new["attempts"], "sent once more: {new}");
        assert!(old["attempts"] == 0 || old["id"] == new["id"], "sent once more: {new}");
        let landed = ["created", "updated", "deleted"].iter().any(|o| new["outcome"] == *o);
        assert!(!landed || new["earlier"] == true, "{new}");
    }
}

#[test]
fn the_csv_comes_out_as_expected() {
    let job = copied("airports.csv");
    let ran = job.run(&["airports.csv", "--to", "/airports", "--id", "/icao"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let want = &expected()["csv"];
    let results = job.results();
    assert_eq!(results.len() as u64, want["rows"].as_u64().unwrap());
    for (outcome, name) in [
        ("created", "records"),
        ("malformed", "ragged_rows"),
        ("duplicate", "equal_duplicate_rows"),
        ("needs_you", "differing_duplicate_rows"),
    ] {
        assert_eq!(count(&results, outcome), want[name].as_u64().unwrap(), "{outcome}");
    }
}
