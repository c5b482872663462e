//! Targets that are down, slow, close early, send garbage, or let nobody in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::job::Job;
use crate::scripted::{Does, Target};

fn posts(count: u64) -> Vec<Value> {
    (0..count)
        .map(|n| json!({"method": "POST", "path": "/items", "body": {"n": n}}))
        .collect()
}

fn ok() -> Does {
    Does::Answers(201, "{}".into())
}

#[test]
fn a_target_that_is_down_is_three_and_quick() {
    let job = Job::of(&posts(500));
    let gone = Target::start(|_| ok());
    gone.stop();
    let started = Instant::now();
    let ran = job.run(&["in.ndjson", "--to", &gone.url]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("nothing was sent"), "{}", ran.err);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(gone.writes(), 0);
}

#[test]
fn a_target_that_goes_away_ends_the_job_and_what_landed_stays() {
    let job = Job::of(&posts(500));
    let target = std::sync::Arc::new(std::sync::OnceLock::<Target>::new());
    let (own, count) = (std::sync::Arc::clone(&target), AtomicUsize::new(0));
    let started = Target::start(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == 40 {
            own.get().unwrap().stop();
        }
        ok()
    });
    assert!(target.set(started).is_ok());
    let target = target.get().unwrap();
    let ran = job.run(&[
        "in.ndjson",
        "--to",
        &target.url,
        "--patience",
        "1",
        "--workers",
        "4",
        "--honours-keys",
    ]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let landed = job.outcomes().iter().filter(|o| *o == "created").count();
    assert!((36..=60).contains(&landed), "{landed}");
    let untried = job
        .results()
        .iter()
        .filter(|r| r["evidence"] == "the job was stopped before its turn")
        .count();
    assert!(untried > 400, "the rest was not tried one by one: {untried}");

    // It comes back: what landed is not sent again, all the rest is.
    let results = job.results();
    let first: Vec<u64> = results
        .iter()
        .filter(|r| r["outcome"] == "created")
        .map(|r| r["line"].as_u64().unwrap() - 1)
        .collect();
    let back = target.again(|_| ok());
    let ran = job.run(&["in.ndjson", "--to", &back.url, "--honours-keys"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let number = |body: &str| serde_json::from_str::<Value>(body).unwrap()["n"].as_u64().unwrap();
    let mut second: Vec<u64> = back.seen().iter().map(|s| number(&s.body)).collect();
    second.sort_unstable();
    let rest: Vec<u64> = (0..500).filter(|n| !first.contains(n)).collect();
    assert_eq!(second, rest);
}

#[test]
fn lost_answers_are_doubts_and_do_not_stop_the_others() {
    let job = Job::of(&posts(6));
    let target = Target::start(|seen| match seen.body.as_str() {
        r#"{"n":1}"# => Does::Closes,
        r#"{"n":2}"# => Does::Raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        r#"{"n":3}"# => Does::Late(Duration::from_secs(3), 201, "{}".into()),
        r#"{"n":4}"# => Does::Raw(b"HTTP/1.1 201 Created\r\nContent-Len"),
        _ => ok(),
    });
    let ran = job.run(&["in.ndjson", "--to", &target.url, "--timeout", "1", "--late-after", "1"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(
        job.outcomes(),
        ["created", "in_doubt", "in_doubt", "in_doubt", "in_doubt", "created"]
    );
    assert_eq!(target.writes(), 6, "none was sent twice");
    assert!(ran.out.contains("in doubt"), "{}", ran.out);

    // A rerun looks at its doubts; a POST without a key cannot be proven, and is not sent again.
    let again = job.run(&["in.ndjson", "--to", &target.url, "--timeout", "1", "--late-after", "1"]);
    assert_eq!(again.code, 1, "{}", again.err);
    assert_eq!(
        job.outcomes(),
        ["created", "in_doubt", "in_doubt", "in_doubt", "in_doubt", "created"]
    );
    assert_eq!(target.writes(), 6, "none was sent twice");
}

#[test]
fn a_target_that_lets_nobody_in_ends_the_job_early() {
    let job = Job::of(&posts(300));
    let target = Target::start(|_| Does::Answers(401, r#"{"error":"invalid_token"}"#.into()));
    let ran = job.run(&["in.ndjson", "--to", &target.url, "-H", "Authorization: Bearer old"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("credentials"), "{}", ran.err);
    assert!(target.writes() < 100, "{}", target.writes());
}

#[test]
fn credentials_are_sent_and_neither_printed_nor_stored() {
    const SECRET: &str = "s3cr3t-0f-th3-t3st";
    let job = Job::of(&[json!({"method": "PUT", "path": "/items/1", "body": {"n": 1}, "headers": {"X-Own": "own"}})]);
    let target = Target::start(|seen| {
        if seen.method == "GET" {
            Does::Answers(404, String::new())
        } else {
            ok()
        }
    });
    let field = format!("Authorization: Bearer {SECRET}");
    let ran = job.run(&["in.ndjson", "--to", &format!("{}/v2/", target.url), "-H", &field]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let seen = target.seen();
    assert_eq!(
        seen.iter().map(|s| s.method.as_str()).collect::<Vec<_>>(),
        ["GET", "PUT"],
        "looks before it writes"
    );
    assert!(
        seen.iter().all(|s| s.head.contains(SECRET) && s.path == "/v2/items/1"),
        "{seen:?}"
    );
    assert!(seen[1].head.to_ascii_lowercase().contains("x-own: own"));
    assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET));
    for file in std::fs::read_dir(job.path(".")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()));
    }
}

#[test]
fn a_renewed_credential_goes_on_where_the_old_one_stopped() {
    let job = Job::of(&posts(3));
    let target = Target::start(|_| ok());
    assert_eq!(
        job.run(&["in.ndjson", "--to", &target.url, "-H", "Authorization: Bearer a"])
            .code,
        0
    );
    assert_eq!(
        job.run(&["in.ndjson", "--to", &target.url, "-H", "Authorization: Bearer b"])
            .code,
        0
    );
    assert_eq!(target.writes(), 3);
}

#[test]
fn races_are_waited_out_and_keys_are_sent() {
    let line = json!({"method": "POST", "path": "/items", "key": "k-1", "body": {"n": 1}});
    let job = Job::of(&[line]);
    let busy = AtomicUsize::new(0);
    let target = Target::start(move |_| match busy.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Does::Answers(429, "{}".into()),
        _ => ok(),
    });
    let ran = job.run(&["in.ndjson", "--to", &target.url]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(job.results()[0]["attempts"], 3);
    assert!(
        target
            .seen()
            .iter()
            .all(|s| s.head.to_ascii_lowercase().contains("idempotency-key: \"k-1\""))
    );
}

#[test]
fn lines_of_one_target_keep_their_order() {
    let lines: Vec<Value> = (0..120)
        .map(|n| json!({"method": "PUT", "path": format!("/items/{}", n % 3), "body": {"n": n}}))
        .collect();
    let job = Job::of(&lines);
    let target = Target::start(|seen| match seen.method.as_str() {
        "GET" => Does::Answers(404, String::new()),
        _ => Does::Late(
            Duration::from_millis(u64::from(seen.body.len() as u32 % 3)),
            200,
            "{}".into(),
        ),
    });
    assert_eq!(job.run(&["in.ndjson", "--to", &target.url]).code, 0);
    for item in 0..3 {
        let path = format!("/items/{item}");
        let sent: Vec<String> = target
            .seen()
            .into_iter()
            .filter(|s| s.method == "PUT" && s.path == path)
            .map(|s| s.body)
            .collect();
        let wanted: Vec<String> = (0..120)
            .filter(|n| n % 3 == item)
            .map(|n| format!("{{\"n\":{n}}}"))
            .collect();
        assert_eq!(sent, wanted);
    }
}
