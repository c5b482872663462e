//! Ctrl-C: what is in flight is finished; a second one stops at once.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::job::{Job, Running};
use crate::scripted::{Does, Target};

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !what() {
        assert!(Instant::now() < end, "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A target that performs `at_once` writes, and answers the others only once it is let go.
struct Held {
    target: Target,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Held {
    fn after(at_once: usize) -> Held {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let (held, count) = (Arc::clone(&gate), Mutex::new(0));
        let target = Target::start(move |_| {
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count
            };
            if number > at_once {
                let (open, changed) = &*held;
                let _open = changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap();
            }
            Does::Answers(201, "{}".into())
        });
        Held { target, gate }
    }

    fn let_go(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
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
    let held = Held::after(6);
    let args = ["in.ndjson", "--to", &held.target.url, "--workers", "4"];
    let mut running = Running::of(job.start(&args));
    until(|| held.target.writes() == 10);
    running.interrupt();
    running.says("tiebreak: stopping;");
    held.let_go();
    let stopped = running.ended();
    assert_eq!(stopped.code, 130, "{}", stopped.err);
    assert!(stopped.err.contains("run the same command again"), "{}", stopped.err);
    let sent = held.target.writes();
    assert!(sent < 200);
    let created = job.outcomes().iter().filter(|o| *o == "created").count();
    assert_eq!(created, sent, "all that was sent is known");

    assert_eq!(job.run(&args).code, 0);
    assert_eq!(held.target.writes(), 200, "each was sent once");
}

#[test]
fn the_second_stops_at_once_and_leaves_doubts() {
    let job = Job::of(&posts(50));
    // Nothing is ever answered: only the second signal ends it with the answers still awaited.
    let held = Held::after(0);
    let mut running = Running::of(job.start(&["in.ndjson", "--to", &held.target.url, "--workers", "4"]));
    until(|| held.target.writes() == 4);
    running.interrupt();
    running.says("tiebreak: stopping;");
    running.interrupt();
    let stopped = running.ended();
    assert_eq!(stopped.code, 130, "{}", stopped.err);
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
