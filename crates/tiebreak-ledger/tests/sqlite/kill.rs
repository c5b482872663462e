//! A process that is killed, again and again, while it claims and settles; what it said was durable must be there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tiebreak_core::record::State;
use tiebreak_ledger::Ledger;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::sqlite::{Options, SqliteLedger};

use crate::support::{Random, claim, doubt, granted, id, options, path, settlement};

const LIVES: u64 = 40;
const PER_LIFE: u64 = 1_000_000;
const SEED: u64 = 0x6b69_6c6c;
const FILE: &str = "TIEBREAK_TEST_LEDGER";
const FIRST: &str = "TIEBREAK_TEST_FIRST";

fn opening() -> Options {
    let bounds = Bounds {
        outstanding: 100,
        ..Bounds::default()
    };
    // Checkpoints every few commits, so that kills hit them too.
    Options {
        log_pages: 100,
        ..options(bounds)
    }
}

/// The process that is killed: this test, run by the other one. Without a file to work on there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_until_killed() {
    let (Ok(file), Ok(first)) = (std::env::var(FILE), std::env::var(FIRST)) else {
        return;
    };
    let first: u64 = first.parse().unwrap();
    let ledger = Arc::new(SqliteLedger::open(file, opening()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let ledger = Arc::clone(&ledger);
        tasks.spawn(async move {
            for n in (first + task..first + PER_LIFE).step_by(8) {
                let fence = granted(&ledger, claim(n)).await;
                say('c', n);
                match n % 7 {
                    0 => ledger.release(id(n), fence).await.unwrap(),
                    1 => ledger.doubt(id(n), fence, doubt()).await.unwrap(),
                    2 => continue_if_room(&ledger).await,
                    _ => ledger.settle(id(n), fence, settlement(status(n), 900)).await.unwrap(),
                }
                say(['r', 'd', '-', 's', 's', 's', 's'][n as usize % 7], n);
            }
        });
    }
    tasks.join_all().await;
}

/// Leaves a claim open for the kill, while that many may be open.
async fn continue_if_room(ledger: &SqliteLedger) {
    if ledger.stats().await.unwrap().claimed > 80 {
        std::process::exit(3);
    }
}

/// Tells the other process, in one write, what is durable now.
fn say(what: char, n: u64) {
    let line = format!("@{what} {n}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn status(n: u64) -> u16 {
    200 + (n % 300) as u16
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path());
    let mut acknowledged: BTreeMap<u64, char> = BTreeMap::new();
    let mut killed = 0;
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::works_until_killed", "--exact", "--nocapture"])
            .env(FILE, &file)
            .env(FIRST, (life * PER_LIFE).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let patience = 1 + random.below(120);
        let (mut heard, mut line) = (0, String::new());
        // All that it said counts, also what was in the pipe when it died.
        while lines.read_line(&mut line).unwrap() > 0 {
            if let Some((what, n)) = parse(&line) {
                acknowledged.insert(n, what);
                heard += 1;
                if heard == patience {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        killed += usize::from(child.wait().unwrap().code().is_none());
        assert!(heard > 0, "life {life} did nothing");
        let ledger = SqliteLedger::open(&file, opening()).unwrap();
        for (&n, &what) in &acknowledged {
            let record = ledger.get(id(n)).await.unwrap();
            let state = record.as_ref().map(|r| &r.state);
            let right = match what {
                'r' => state.is_none(),
                's' => *state.unwrap() == State::Settled(settlement(status(n), 900)),
                'd' => *state.unwrap() == State::InDoubt(doubt()),
                '-' => matches!(state, Some(State::InDoubt(_))),
                // Claimed, and then killed: what followed may have become durable without being told.
                _ => match n % 7 {
                    0 => state.is_none_or(|s| matches!(s, State::InDoubt(_))),
                    _ => matches!(state, Some(State::InDoubt(_) | State::Settled(_))),
                },
            };
            assert!(right, "life {life}: {what} {n} was acknowledged, found {record:?}");
        }
        assert_eq!(ledger.stats().await.unwrap().claimed, 0);
        drop(ledger);
        let conn = rusqlite::Connection::open(&file).unwrap();
        let check: String = conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(check, "ok", "life {life}");
    }
    assert!(killed as u64 > LIVES * 3 / 4, "only {killed} were killed at work");
}

fn parse(line: &str) -> Option<(char, u64)> {
    let (what, n) = line.strip_suffix('\n')?.split_once('@')?.1.split_once(' ')?;
    Some((what.chars().next()?, n.parse().ok()?))
}
