//! A process that is killed while it writes loses nothing that it acknowledged.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tiebreak_origin::{Origin, OriginOptions};

use crate::helpers::ask;

/// Tells the child which file to write to; without it the child's part of the test has nothing to do.
const FILE: &str = "TIEBREAK_ORIGIN_TEST_FILE";

const ROUNDS: usize = 30;

/// Acknowledged writes after which the child is killed: another number each round.
fn until(round: usize) -> usize {
    5 + round * 7 % 60
}

/// The child: writes without end, and says on its output what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let origin = Arc::new(Origin::open(std::path::PathBuf::from(file), OriginOptions::default()).expect("opens"));
    let tasks: Vec<_> = (0..8)
        .map(|who| {
            let origin = origin.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let id = format!("{who}-{}", n % 5);
                    let key = format!("\"{who}-{n}-{}\"", std::process::id());
                    let fields = [("idempotency-key", key.as_str())];
                    let said = ask(&origin, &format!("PUT /t/{id}"), &fields, &format!("{{\"n\":{n}}}")).await;
                    assert!(said.status < 300, "{said:?}");
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "\nack {id} {} {n} end", said.etag()).expect("the parent listens");
                    out.flush().expect("the parent listens");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer");
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let mut acknowledged: HashMap<String, (u64, String, String)> = HashMap::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::child_writes_until_it_is_killed", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = 0;
        // The rest of the pipe counts too: it was acknowledged before the kill.
        while let Some(Ok(line)) = lines.next() {
            let parts: Vec<_> = line.split(' ').collect();
            let ["ack", id, etag, n, "end"] = parts[..] else {
                continue;
            };
            let version = etag[2..].split('-').next().unwrap().parse().unwrap();
            let seen = acknowledged.entry((*id).to_owned()).or_default();
            if version > seen.0 {
                *seen = (version, (*etag).to_owned(), (*n).to_owned());
            }
            count += 1;
            if count == until(round) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(
            count >= until(round),
            "round {round}: the child ended by itself after {count}"
        );

        let origin = Origin::open(file.clone(), OriginOptions::default()).unwrap();
        for (id, (version, etag, n)) in &acknowledged {
            let read = ask(&origin, &format!("GET /t/{id}"), &[], "").await;
            let found: u64 = read.etag()[2..].split('-').next().unwrap().parse().unwrap();
            // A later write may have become durable before its answer was told.
            assert!(
                found >= *version,
                "round {round}: {id} is at {found}, acknowledged was {version}"
            );
            if found == *version {
                assert_eq!(
                    (read.etag(), read.text),
                    (etag.clone(), format!("{{\"n\":{n}}}")),
                    "round {round}"
                );
            }
        }
    }
    assert!(acknowledged.len() >= 8, "{}", acknowledged.len());
}
