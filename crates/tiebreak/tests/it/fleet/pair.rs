//! A replicated pair with synchronous commit, whose primary is lost under load.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::load::{Caller, Seen, create};
use super::*;

const CREATIONS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_the_loss_of_the_primary() {
    let mut primary = Cluster::start();
    let standby = primary.standby();
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.sql("SELECT pg_reload_conf()");
    until(&primary, "SELECT sync_state FROM pg_stat_replication", "sync").await;

    let origin = Scripted::start(Tags::Versions, false).await;
    let hosts = format!("{},{}", primary.authority(), standby.authority());
    let start = || gateway(&hosts, "pair", &origin.authority, &[]);
    let gateways = [start(), start()];
    let authorities = [gateways[0].authority.clone(), gateways[1].authority.clone()];
    let (seen, next, done) = (Mutex::new(Seen::default()), AtomicUsize::new(0), AtomicUsize::new(0));
    let (seen_ref, next_ref, done_ref, authorities_ref) = (&seen, &next, &done, &authorities[..]);
    let work = |worker: usize| async move {
        let mut caller = Caller::new(authorities_ref, worker);
        loop {
            let n = next_ref.fetch_add(1, Relaxed);
            if n >= CREATIONS {
                return;
            }
            create(&mut caller, n, seen_ref).await;
            done_ref.fetch_add(1, Relaxed);
        }
    };
    let failing_over = async {
        while done_ref.load(Relaxed) < CREATIONS / 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::block_in_place(|| {
            primary.kill();
            standby.promote();
        });
    };
    tokio::join!(join((0..16).map(work)), failing_over);

    let seen = seen.into_inner().unwrap();
    assert!(
        done.load(Relaxed) == CREATIONS && seen.applied > CREATIONS / 2,
        "{}",
        seen.applied
    );
    let mut missing = 0;
    for n in 0..CREATIONS {
        let performed = origin.performed(&format!("create-{n}")).await;
        assert!(performed <= 1, "creation {n} was performed {performed} times");
        assert!(performed == 1 || !seen.created.contains(&n), "creation {n} was lost");
        missing += 1 - performed;
    }
    assert!(
        missing <= seen.in_doubt,
        "{missing} are missing, {} in doubt",
        seen.in_doubt
    );
    // The database that was a standby has all that was answered: each repeat is replayed, none is performed again.
    let again = Mutex::new(Seen::default());
    let (again_ref, created) = (&again, &seen.created);
    let repeat = |worker: usize| async move {
        let mut caller = Caller::new(authorities_ref, worker + 1);
        for n in created.iter().filter(|n| *n % 16 == worker) {
            create(&mut caller, *n, again_ref).await;
        }
    };
    join((0..16).map(repeat)).await;
    let again = again.into_inner().unwrap();
    assert_eq!((again.applied, again.in_doubt), (seen.created.len(), 0));
    for n in &seen.created {
        assert_eq!(origin.performed(&format!("create-{n}")).await, 1, "creation {n}");
    }
    until(
        &standby,
        "SELECT count(*) FROM pair.writes WHERE state = 'claimed'",
        "0",
    )
    .await;
}
