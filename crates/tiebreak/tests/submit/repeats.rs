//! Lines that are the same submission, and records that are there already.

use serde_json::{Value, json};

use crate::job::Job;

fn post(key: &str, n: u64) -> Value {
    json!({"method": "POST", "path": "/items", "key": key, "body": {"n": n}})
}

#[test]
fn the_same_key_or_content_is_one_submission_and_is_said_line_by_line() {
    let job = Job::of(&[post("a", 1), post("a", 1), post("b", 1), post("a", 2), post("c", 3)]);
    let ran = job.run(&["in.ndjson"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(
        job.outcomes(),
        ["created", "duplicate", "duplicate", "needs_you", "created"]
    );
    let results = job.results();
    assert_eq!(
        (&results[1]["duplicate_of"], &results[1]["first"]),
        (&json!(1), &json!("created"))
    );
    assert_eq!(results[1]["location"], results[0]["location"]);
    assert_eq!(
        (&results[3]["class"], &results[3]["contradicts"]),
        (&json!("key_reuse"), &json!(1))
    );
    assert_eq!(results[3]["attempts"], 0);
}

#[test]
fn each_sends_every_occurrence() {
    let line = json!({"method": "POST", "path": "/items", "body": {"n": 1}});
    let job = Job::of(&[line.clone(), line.clone(), line]);
    let ran = job.run(&["in.ndjson", "--each"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let results = job.results();
    let mut places: Vec<&str> = results.iter().map(|r| r["location"].as_str().unwrap()).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 3);
    // And a rerun sends none of them again.
    job.run(&["in.ndjson", "--each"]);
    assert!(job.results().iter().all(|r| r["earlier"] == true));
}

#[test]
fn the_same_record_id_with_other_fields_needs_a_person() {
    let job = Job::of(&[
        json!({"id": 1, "x": 1}),
        json!({"x": 1.0, "id": 1}),
        json!({"id": 1, "x": 2}),
    ]);
    let ran = job.run(&["in.ndjson", "--to", "/things", "--id", "/id"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(job.outcomes(), ["created", "duplicate", "needs_you"]);
    assert_eq!(job.results()[2]["class"], "duplicate");
    assert_eq!(job.documents(&["/things/1".into()]), [Some(json!({"id": 1, "x": 1}))]);
}

#[test]
fn an_equal_record_is_adopted_by_the_jobs_word_only() {
    let job = Job::of(&[json!({"id": "a", "x": 1})]);
    assert_eq!(job.run(&["in.ndjson", "--to", "/things", "--id", "/id"]).code, 0);
    // Another ledger: a job that knows nothing of the first.
    let other = ["in.ndjson", "--to", "/things", "--id", "/id", "--ledger", "memory"];
    assert_eq!(job.run(&other).code, 0);
    assert_eq!(job.outcomes(), ["already_there"]);
    assert_eq!(job.results()[0]["attempts"], 0);
    let stop = [&other[..], &["--on-duplicate", "stop"]].concat();
    job.run(&stop);
    assert_ne!(job.outcomes(), ["already_there"]);
}

#[test]
fn a_refused_line_may_be_corrected_under_its_key_and_an_applied_one_may_not() {
    let schema = json!({"properties": {"n": {"maximum": 10}}});
    let job = Job::of(&[post("a", 11), post("b", 2)]);
    job.write("schema.json", &schema.to_string());
    let args = ["in.ndjson", "--schema", "items=schema.json"];
    assert_eq!(job.run(&args).code, 1);
    assert_eq!(job.outcomes(), ["invalid", "created"]);

    job.write("in.ndjson", &format!("{}\n{}\n", post("a", 5), post("b", 3)));
    assert_eq!(job.run(&args).code, 1);
    assert_eq!(job.outcomes(), ["created", "needs_you"]);
    assert_eq!(job.results()[1]["class"], "key_reuse");

    job.write("in.ndjson", &format!("{}\n{}\n", post("a", 5), post("b", 2)));
    assert_eq!(job.run(&args).code, 0);
    assert!(
        job.results().iter().all(|r| r["earlier"] == true),
        "nothing is sent again"
    );
}

#[test]
fn again_sends_once_more_what_was_refused() {
    let edit = json!({"method": "PUT", "path": "/things/1", "if_none_match": "*", "body": {"x": 2}});
    let job = Job::of(&[
        json!({"method": "PUT", "path": "/things/1", "body": {"x": 1}}),
        edit.clone(),
    ]);
    job.run(&["in.ndjson"]);
    assert_eq!(job.outcomes(), ["created", "needs_you"]);
    // The person makes room.
    job.write(
        "in.ndjson",
        &format!("{}\n{edit}\n", json!({"method": "DELETE", "path": "/things/1"})),
    );
    assert_eq!(
        job.run(&["in.ndjson"]).code,
        1,
        "what was refused is not sent again unasked"
    );
    assert_eq!(job.outcomes(), ["deleted", "needs_you"]);
    assert_eq!(job.run(&["in.ndjson", "--again"]).code, 0);
    assert_eq!(job.outcomes(), ["deleted", "created"]);
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
    assert_eq!(job.outcomes(), ["deleted", "created"]);
}

#[test]
fn records_last_until_they_are_forgotten() {
    let job = Job::of(&[post("a", 1)]);
    job.run(&["in.ndjson"]);
    let forgot = job.run(&["in.ndjson", "--forget"]);
    assert_eq!(forgot.code, 0, "{}", forgot.err);
    assert!(!job.path("in.ndjson.tiebreak").exists());
    assert!(forgot.err.contains("forgot 1"), "{}", forgot.err);
    assert_eq!(
        job.run(&["in.ndjson", "--forget"]).code,
        0,
        "nothing to forget is no error"
    );
    // The origin honours the line's own key all the same.
    assert_eq!(job.run(&["in.ndjson"]).code, 0);
    assert_eq!(job.results()[0].get("earlier"), None);
}
