//! `kill -9` at random moments: a rerun continues where the job stopped, loses nothing and repeats nothing.
//!
//! Each line leaves a mark of its own that a second application would double: a POST makes a document with a new id,
//! a patch appends to a list, an edit is merged from the version that it was made from.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::job::{Job, read};

/// Numbers that follow from a seed (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// What a job asks for, and what must come out.
struct Plan {
    lines: Vec<Value>,
    documents: BTreeMap<String, Value>,
    posted: usize,
}

fn plan(size: usize, random: &mut Seeded) -> Plan {
    let count = size / 20;
    let mut lines = Vec::new();
    let mut versions: Vec<Vec<Value>> = Vec::new();
    let path = |at: usize| format!("/documents/d{at}");
    for at in 0..count {
        let fresh = json!({"a": 0, "b": 0, "log": []});
        lines.push(json!({"method": "PUT", "path": path(at), "if_none_match": "*", "body": fresh}));
        versions.push(vec![fresh]);
    }
    let mut posted = 0;
    for n in count..size {
        let at = usize::try_from(random.below(count as u64)).unwrap();
        let mut next = versions[at].last().unwrap().clone();
        let field = if random.below(2) == 0 { "a" } else { "b" };
        match random.below(20) {
            0..6 => {
                lines.push(json!({"method": "POST", "path": "/items", "body": {"n": n}}));
                posted += 1;
                continue;
            }
            6..14 => {
                next["log"].as_array_mut().unwrap().push(json!(n));
                let body = json!([{"op": "add", "path": "/log/-", "value": n}]);
                lines.push(json!({"method": "PATCH", "path": path(at), "body": body}));
            }
            14..17 => {
                // Made from a version a few steps behind, in which this field was the same.
                let recent = versions[at].iter().rev().take(3);
                let based: Vec<Value> = recent.filter(|v| v[field] == next[field]).cloned().collect();
                let base = based[usize::try_from(random.below(based.len() as u64)).unwrap()].clone();
                let mut body = base.clone();
                body[field] = json!(n);
                next[field] = json!(n);
                lines.push(json!({"method": "PUT", "path": path(at), "body": body, "base": base}));
            }
            _ => {
                next[field] = json!(n);
                lines.push(json!({"method": "PATCH", "path": path(at), "body": {field: n}}));
            }
        }
        versions[at].push(next);
    }
    let last = |(at, all): (usize, &Vec<Value>)| (path(at), all.last().unwrap().clone());
    Plan {
        documents: versions.iter().enumerate().map(last).collect(),
        lines,
        posted,
    }
}

/// Kills a job of `size` lines up to `kills` times, lets it finish, and looks at all that it did. Returns how many
/// kills hit a running job.
fn torment(seed: u64, size: usize, kills: usize, longest_ms: u64) -> usize {
    eprintln!("seed {seed}");
    let mut random = Seeded(seed);
    let plan = plan(size, &mut random);
    let job = Job::of(&plan.lines);
    let mut hit = 0;
    while hit < kills {
        let mut child = job.start(&["in.ndjson"]);
        let end = Instant::now() + Duration::from_millis(15 + random.below(longest_ms));
        let over = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() >= end => break None,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        if let Some(status) = over {
            assert_eq!(status.code(), Some(0), "seed {seed}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        hit += 1;
    }
    let ran = job.run(&["in.ndjson"]);
    assert_eq!(ran.code, 0, "seed {seed}: {}{}", ran.out, ran.err);

    let paths: Vec<String> = plan.documents.keys().cloned().collect();
    for (path, found) in paths.iter().zip(job.documents(&paths)) {
        assert_eq!(found.as_ref(), Some(&plan.documents[path]), "seed {seed}: {path}");
    }
    let mut items = 0;
    let mut next = Some("/items?limit=100".to_owned());
    while let Some(page) = next {
        let listed = read(&job.path("in.ndjson.origin"), &[page]).remove(0).unwrap();
        items += listed["items"].as_array().unwrap().len();
        next = listed.get("next").and_then(Value::as_str).map(str::to_owned);
    }
    assert_eq!(items, plan.posted, "seed {seed}: each POST made one document");
    hit
}

/// Torments one job after the other, each with a seed of its own, until so many kills in all have hit a running job: how far
/// a job comes between two kills is the machine's affair.
fn until_hit(wanted: usize, first_seed: u64, size: usize, longest_ms: u64) {
    let mut hits = Vec::new();
    for seed in first_seed..first_seed + 120 {
        hits.push(torment(seed, size, 40, longest_ms));
        if hits.iter().sum::<usize>() >= wanted {
            eprintln!("kills per seed: {hits:?}");
            return;
        }
    }
    panic!("too few kills hit a running job: {hits:?}");
}

#[test]
fn small_jobs_killed_over_and_over_apply_each_line_once() {
    until_hit(120, 1, 240, 60);
}

#[test]
fn jobs_of_two_thousand_writes_killed_again_and_again_apply_each_line_once() {
    until_hit(20, 2000, 2000, 200);
}
