//! Many at once.

use std::sync::Arc;

use tiebreak_origin::OriginOptions;

use crate::helpers::{Fields, ask, both};

const TASKS: usize = 64;

/// Each task adds one to a counter until it has done so ten times, naming the version that it read.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_write_wins_per_version() {
    const EACH: usize = 10;
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in origins {
        ask(&origin, "PUT /t/counter", &[], "0").await;
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let origin = Arc::clone(&origin);
                tokio::spawn(async move {
                    let (mut tags, mut lost) = (Vec::new(), 0_usize);
                    while tags.len() < EACH {
                        let read = ask(&origin, "GET /t/counter", &[], "").await;
                        let n: usize = read.text.parse().expect("a number");
                        let write = ask(
                            &origin,
                            "PUT /t/counter",
                            &[("if-match", &read.etag())],
                            &(n + 1).to_string(),
                        )
                        .await;
                        match write.status {
                            200 => tags.push(write.etag()),
                            409 => lost += 1,
                            other => panic!("{other}: {write:?}"),
                        }
                    }
                    (tags, lost)
                })
            })
            .collect();
        let (mut tags, mut lost) = (Vec::new(), 0);
        for task in tasks {
            let (won, missed) = task.await.unwrap();
            tags.extend(won);
            lost += missed;
        }
        let end = ask(&origin, "GET /t/counter", &[], "").await;
        assert_eq!(
            end.text,
            (TASKS * EACH).to_string(),
            "updates were lost ({lost} refused)"
        );
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), TASKS * EACH, "a tag came twice");
    }
}

/// All name the same version: exactly one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_with_one_version_one_wins() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in origins {
        let mut tag = ask(&origin, "PUT /t/1", &[], "{}").await.etag();
        for round in 0..10 {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    let (origin, tag) = (Arc::clone(&origin), tag.clone());
                    tokio::spawn(async move { ask(&origin, "PUT /t/1", &[("if-match", &tag)], &n.to_string()).await })
                })
                .collect();
            let mut won = Vec::new();
            for task in tasks {
                let said = task.await.unwrap();
                if said.status == 200 {
                    won.push(said.etag());
                } else {
                    assert_eq!(said.status, 409, "{said:?}");
                }
            }
            assert_eq!(won.len(), 1, "round {round}");
            tag = won.remove(0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_one_wins() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in origins {
        ask(&origin, "PUT /_collections/people", &[], r#"{"unique":["/email"]}"#).await;
        let content = |n: usize| format!("{{\"email\":\"x\",\"n\":{n}}}");
        // By a unique member; by an id; by If-None-Match.
        let ways: [(&str, Fields<'static>, &str); 3] = [
            ("POST /people", &[], ""),
            ("POST /t", &[], "{\"id\":\"one\"}"),
            ("PUT /t/two", &[("if-none-match", "*")], "{}"),
        ];
        for (what, fields, fixed) in ways {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    let origin = Arc::clone(&origin);
                    let text = if fixed.is_empty() { content(n) } else { fixed.to_owned() };
                    let what = what.to_owned();
                    tokio::spawn(async move { ask(&origin, &what, fields, &text).await.status })
                })
                .collect();
            let mut statuses = Vec::new();
            for task in tasks {
                statuses.push(task.await.unwrap());
            }
            assert_eq!(
                statuses.iter().filter(|s| **s == 201).count(),
                1,
                "{what}: {statuses:?}"
            );
            assert!(
                statuses.iter().all(|s| [201, 409, 412].contains(s)),
                "{what}: {statuses:?}"
            );
        }
    }
}

/// A reader who saw a version never sees an older one afterwards, from the cache or from the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_never_go_back() {
    for cache in [64 << 20, 0] {
        let options = OriginOptions {
            cache,
            ..OriginOptions::default()
        };
        let (_folder, [_, origin]) = both(&options);
        ask(&origin, "PUT /t/1", &[], "0").await;
        let readers: Vec<_> = (0..4)
            .map(|who| {
                let origin = Arc::clone(&origin);
                tokio::spawn(async move {
                    let mut last = 0;
                    while last < 200 {
                        let n: u64 = if who % 2 == 0 {
                            ask(&origin, "GET /t/1", &[], "").await.text.parse().expect("a number")
                        } else {
                            let page = ask(&origin, "GET /t", &[], "").await.json();
                            page["items"][0]["document"].to_string().parse().expect("a number")
                        };
                        assert!(n >= last, "{n} after {last}");
                        last = n;
                    }
                })
            })
            .collect();
        for n in 1..=200 {
            assert_eq!(ask(&origin, "PUT /t/1", &[], &n.to_string()).await.status, 200);
            assert_eq!(ask(&origin, "GET /t/1", &[], "").await.text, n.to_string());
        }
        for reader in readers {
            reader.await.unwrap();
        }
    }
}
