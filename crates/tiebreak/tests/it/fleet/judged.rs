//! Three gateways, one database, 64 workers on hot documents and spread creations, one gateway killed and another paused in the
//! middle: every write once, no lost update, all answered or plainly in doubt.
//!
//! `FLEET_FULL=1` runs 50 documents and 10,000 creations; else a smaller size that shows the same.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::load::{Caller, Seen, create};
use super::*;

struct Size {
    documents: usize,
    creations: usize,
    rounds: u64,
    workers: usize,
}

impl Size {
    fn of_this_run() -> Size {
        let full = std::env::var_os("FLEET_FULL").is_some();
        Size {
            documents: if full { 50 } else { 10 },
            creations: if full { 10_000 } else { 800 },
            rounds: if full { 40 } else { 8 },
            workers: 64,
        }
    }
}

/// Raises this worker's member of a document, with a plain GET and a whole-document PUT.
async fn edit(caller: &mut Caller<'_>, document: usize, worker: usize, value: u64, seen: &Mutex<Seen>) {
    let path = format!("/hot/{document}");
    loop {
        let Some(got) = caller.send(Method::GET, &path, &[], String::new()).await else {
            continue;
        };
        if !got.status.is_success() {
            continue;
        }
        let mut content = got.json();
        content[format!("w{worker}")] = json!(value);
        let name = format!("edit-{document}-{worker}-{value}");
        let got = caller
            .send(Method::PUT, &path, &[("x-write", &name)], content.to_string())
            .await;
        if note_edit(&mut seen.lock().unwrap(), (document, worker), value, got) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether that was the last word.
fn note_edit(seen: &mut Seen, which: (usize, usize), value: u64, got: Option<Got>) -> bool {
    let known = seen.edits.entry(which).or_default();
    known.1 = value;
    let Some(got) = got else {
        seen.not_answered += 1;
        return true;
    };
    match (got.status.as_u16(), got.outcome()) {
        (200, "applied") => {
            known.0 = value;
            seen.applied += 1;
            true
        }
        (504, "in-doubt") => {
            seen.in_doubt += 1;
            true
        }
        // Read through another gateway, too busy, or without the database: nothing was applied.
        (503, "not-sent") | (428 | 409, _) => false,
        _ => panic!("{got:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_lands_once_while_gateways_die_and_sleep() {
    let size = Size::of_this_run();
    let cluster = Cluster::start();
    let origin = Scripted::start(Tags::Versions, false).await;
    for document in 0..size.documents {
        origin.plant(&format!("/hot/{document}"), json!({}));
    }
    let start = || gateway(&cluster.authority(), "judged", &origin.authority, &[]);
    let (killed, paused, steady) = (start(), start(), start());
    let gateways = [
        killed.authority.clone(),
        paused.authority.clone(),
        steady.authority.clone(),
    ];
    let (seen, next, done) = (Mutex::new(Seen::default()), AtomicUsize::new(0), AtomicUsize::new(0));
    let total = size.creations + size.workers * usize::try_from(size.rounds).unwrap();
    let began = Instant::now();
    let (seen_ref, next_ref, done_ref, gateways_ref, size_ref) = (&seen, &next, &done, &gateways[..], &size);
    let work = |worker: usize| async move {
        let mut caller = Caller::new(gateways_ref, worker);
        for round in 1..=size_ref.rounds {
            let document = (worker * 7 + usize::try_from(round).unwrap()) % size_ref.documents;
            edit(&mut caller, document, worker, round, seen_ref).await;
            done_ref.fetch_add(1, Relaxed);
            let each = size_ref
                .creations
                .div_ceil(size_ref.workers * usize::try_from(size_ref.rounds).unwrap());
            for _ in 0..each {
                let n = next_ref.fetch_add(1, Relaxed);
                if n < size_ref.creations {
                    create(&mut caller, n, seen_ref).await;
                    done_ref.fetch_add(1, Relaxed);
                }
            }
        }
    };
    let reached = async |part: usize| {
        while done_ref.load(Relaxed) < total * part / 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let killed = Arc::new(Mutex::new(Some(killed)));
    let trouble = async {
        reached(30).await;
        killed.lock().unwrap().take().unwrap().kill();
        reached(50).await;
        paused.signal("STOP");
        // Until the one that is left takes both for dead.
        until(&cluster, "SELECT count(*) FROM judged.owners", "1").await;
        paused.signal("CONT");
    };
    tokio::join!(join((0..size.workers).map(work)), trouble);
    let took = began.elapsed();

    let seen = seen.into_inner().unwrap();
    let mut reader = Client::new(&steady.authority);
    let documents: Vec<_> = {
        let mut all = Vec::new();
        for document in 0..size.documents {
            all.push(reader.get(&format!("/hot/{document}")).await.json());
        }
        all
    };
    for ((document, worker), (acknowledged, perhaps)) in &seen.edits {
        let value = documents[*document][format!("w{worker}")].as_u64().unwrap_or(0);
        assert!(
            value == *acknowledged || (value > *acknowledged && value <= *perhaps),
            "document {document}, worker {worker}: {value}, acknowledged {acknowledged}, perhaps {perhaps}"
        );
    }
    let mut missing = 0;
    for n in 0..size.creations {
        let performed = origin.performed(&format!("create-{n}")).await;
        assert!(performed <= 1, "creation {n} was performed {performed} times");
        assert!(performed == 1 || !seen.created.contains(&n), "creation {n} was lost");
        missing += 1 - performed;
    }
    assert!(
        missing <= seen.in_doubt,
        "{missing} creations are missing, {} in doubt",
        seen.in_doubt
    );
    // What nobody heard of, because its gateway was killed, is settled or plainly in doubt.
    until(
        &cluster,
        "SELECT count(*) FROM judged.writes WHERE state = 'claimed'",
        "0",
    )
    .await;
    eprintln!(
        "fleet: {total} writes in {took:.1?}: {} applied, {} in doubt, {} went unanswered once",
        seen.applied, seen.in_doubt, seen.not_answered
    );
}
