//! Ctrl-C: what is in flight is finished; a second one stops at once.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::job::{Job, ran, spawn};
use crate::scripted::{Does, Target};

fn interrupt(child: &Child) {
    let sent = spawn(Command::new("kill").args(["-INT", &child.id().to_string()]))
        .wait()
        .unwrap();
    assert!(sent.success());
}

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !what() {
        assert!(Instant::now() < end, "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn posts(count: u64) -> Vec<Value> {
    (0..count)
        .map(|n| json!({"method": "POST", "path": "/items", "body": {"n": n}}))
        .collect()
}

#[test]
fn the_first_finishes_what_is_in_flight_and_a_rerun_does_the_rest() {
    let job = Job::of(&posts(200));
    let target = Target::start(|_| Does::Late(Duration::from_millis(100), 201, "{}".into()));
    let args = ["in.ndjson", "--to", &target.url, "--workers", "4"];
    let child = job.start(&args);
    until(|| target.writes() >= 10);
    interrupt(&child);
    let stopped = ran(&child.wait_with_output().unwrap());
    assert_eq!(stopped.code, 130, "{}", stopped.err);
    assert!(stopped.err.contains("run the same command again"), "{}", stopped.err);
    let sent = target.writes();
    assert!(sent < 200);
    let created = job.outcomes().iter().filter(|o| *o == "created").count();
    assert_eq!(created, sent, "all that was sent is known");

    assert_eq!(job.run(&args).code, 0);
    assert_eq!(target.writes(), 200, "each was sent once");
}

#[test]
fn the_second_stops_at_once_and_leaves_doubts() {
    let job = Job::of(&posts(50));
    let target = Target::start(|_| Does::Late(Duration::from_secs(20), 201, "{}".into()));
    let child = job.start(&["in.ndjson", "--to", &target.url, "--workers", "4"]);
    until(|| target.writes() >= 4);
    let started = Instant::now();
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    let stopped = ran(&child.wait_with_output().unwrap());
    assert_eq!(stopped.code, 130, "{}", stopped.err);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(stopped.err.contains("at once"), "{}", stopped.err);
    assert!(!job.path("results.ndjson").exists());

    let forgot = job.run(&["in.ndjson", "--forget"]);
    assert_eq!(forgot.code, 1, "doubts are not forgotten: {}", forgot.err);
    assert!(forgot.err.contains("4 writes in it are in doubt"), "{}", forgot.err);
}

#[test]
fn a_closed_pipe_does_not_end_a_job() {
    let job = Job::of(&posts(3000));
    let mut child = job.start(&["in.ndjson"]);
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(job.outcomes().iter().all(|o| o == "created"));
}
