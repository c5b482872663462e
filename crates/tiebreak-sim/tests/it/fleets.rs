//! Fleets over one ledger: the promises hold, and mistakes of the database are seen.

use tiebreak_sim::checkers;
use tiebreak_sim::run;
use tiebreak_sim::sabotage::Sabotage;
use tiebreak_sim::scenario::{Scenario, named, shared};
use tiebreak_sim::trace::Event;

/// With this mistake something breaks in one of so many runs.
const SEEDS: u64 = 200;

fn seen(name: &str, sabotage: Sabotage) {
    let scenario = Scenario {
        sabotage,
        ..named(name).expect("a scenario of this name")
    };
    let found = (0..SEEDS).find_map(|seed| {
        let found = checkers::check(&run(&scenario, seed));
        found.first().map(|violation| (seed, violation.promise))
    });
    assert!(found.is_some(), "nobody saw {sabotage:?} in {SEEDS} runs of {name}");
}

#[test]
fn fences_that_are_not_compared_are_seen() {
    seen("fleet", Sabotage::FencesIgnored);
}

#[test]
fn a_lease_by_local_clocks_is_seen() {
    seen("fleet", Sabotage::LeaseByLocalClock);
}

#[test]
fn a_dead_process_that_is_revived_is_seen() {
    seen("fleet", Sabotage::DeadRevived);
}

#[test]
fn a_lane_that_two_hold_is_seen() {
    seen("fleet-tagless", Sabotage::LanesUnheld);
}

#[test]
fn a_lane_that_is_not_suspect_is_seen() {
    seen("fleet-tagless", Sabotage::NothingSuspect);
}

#[test]
fn a_doubt_that_is_forgotten_is_seen() {
    seen("fleet-creations", Sabotage::DoubtsForgotten);
}

#[test]
fn what_an_old_statement_takes_is_seen() {
    seen("fleet-tagless", Sabotage::OldStatementsMade);
}

#[test]
fn a_commit_that_is_forgotten_is_seen() {
    seen("fleet-strangers", Sabotage::CommitsForgotten);
}

/// What the promises are about does happen.
#[test]
fn the_interesting_things_happen() {
    let (mut stopped, mut killed, mut restarted, mut doubted, mut several) = (0, 0, 0, 0, 0);
    for scenario in shared() {
        for seed in 0..4 {
            let run = run(&scenario, seed);
            let mut hosts = std::collections::BTreeSet::new();
            for (_, event) in &run.events {
                match event {
                    Event::Stopped(_) => stopped += 1,
                    Event::Crashed(_) => killed += 1,
                    Event::LedgerDown => restarted += 1,
                    Event::Doubted(..) => doubted += 1,
                    Event::Sent(sent) => drop(hosts.insert(sent.host)),
                    _ => {}
                }
            }
            several += usize::from(hosts.len() > 1);
        }
    }
    println!("stopped {stopped}, killed {killed}, restarted {restarted}, doubted {doubted}, several {several}");
    assert!(stopped > 0 && killed > 0 && restarted > 0 && doubted > 0 && several > 10);
}
