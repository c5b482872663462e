//! The promises hold in every scenario, for many seeds.

use tiebreak_core::outcome::Outcome;
use tiebreak_sim::scenario::{all, named};
use tiebreak_sim::trace::{Event, Learned, digest};
use tiebreak_sim::{checkers, run};

/// Seeds for each scenario; `TIEBREAK_SIM_SEEDS` runs more.
fn seeds() -> u64 {
    let more = std::env::var("TIEBREAK_SIM_SEEDS").ok();
    more.map_or(40, |n| n.parse().expect("TIEBREAK_SIM_SEEDS is a number"))
}

#[test]
fn every_promise_holds() {
    let mut broken = Vec::new();
    for scenario in all() {
        // A fleet takes longer.
        let seeds = match scenario.fleet {
            Some(_) => seeds().div_ceil(2),
            None => seeds(),
        };
        for seed in 0..seeds {
            let run = run(&scenario, seed);
            for violation in checkers::check(&run) {
                broken.push(format!(
                    "promise {}: {}\n    cargo run -p tiebreak-sim -- --scenario {} --seed {seed}",
                    violation.promise, violation.what, scenario.name
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for scenario in all() {
        let (one, two) = (run(&scenario, 7), run(&scenario, 7));
        assert_eq!(digest(&one.events), digest(&two.events), "{}", scenario.name);
        assert_ne!(
            digest(&one.events),
            digest(&run(&scenario, 8).events),
            "{}",
            scenario.name
        );
    }
}

/// What the promises are about does happen: else the checkers would have nothing to see.
#[test]
fn the_interesting_things_happen() {
    let mut seen = std::collections::BTreeMap::new();
    for name in [
        "rough",
        "crashes",
        "crashes-tagless",
        "ledger-faults",
        "ledger-outages",
        "keys",
        "creations",
        "tagless",
    ] {
        let scenario = named(name).expect("a scenario of this name");
        for seed in 0..8 {
            let run = run(&scenario, seed);
            for (_, event) in &run.events {
                let what = match event {
                    Event::Answered(a) if a.replayed => "replayed",
                    Event::Answered(a) if a.rebased => "rebased",
                    Event::Answered(a) if a.outcome == Outcome::Applied && a.attempts > 1 => "applied at last",
                    Event::Answered(a) if a.outcome == Outcome::Applied => "applied",
                    Event::Answered(a) if a.outcome == Outcome::InDoubt => "in doubt",
                    Event::Answered(a) if a.outcome == Outcome::Refused => "refused",
                    Event::Answered(a) if a.outcome == Outcome::NotSent => "not sent",
                    Event::Settled(_, _, None, _) => "doubt resolved",
                    Event::Crashed(_) => "crashed",
                    Event::Delivered(_, _, Learned::Unclear(_)) => "unclear",
                    Event::LedgerDown => "ledger down",
                    Event::LedgerFailed(_) => "ledger failed",
                    _ => continue,
                };
                *seen.entry(what).or_insert(0_u32) += 1;
            }
        }
    }
    println!("{seen:?}");
    for what in [
        "replayed",
        "rebased",
        "applied at last",
        "applied",
        "in doubt",
        "refused",
        "not sent",
        "doubt resolved",
        "crashed",
        "ledger down",
        "ledger failed",
        "unclear",
    ] {
        assert!(seen.contains_key(what), "never {what}: {seen:?}");
    }
}
