//! Many seeds, one after the other, with progress.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::time::Instant;

use crate::scenario::Scenario;
use crate::trace::Event;
use crate::{checkers, run};

/// So often it is told how far it is.
const TOLD: u64 = 1_000;

/// Runs each of `seeds` in one of `scenarios`, in turn, and tells `out` how far it is, what broke, and what happened how often.
/// Returns whether everything held.
pub fn run_all(scenarios: &[Scenario], seeds: Range<u64>, out: &mut impl Write) -> bool {
    let begun = Instant::now();
    let (mut broken, mut seen) = (0_u64, BTreeMap::new());
    let count = seeds.end - seeds.start;
    for (done, seed) in seeds.enumerate() {
        let done = done as u64;
        let scenario = &scenarios[usize::try_from(seed).unwrap_or_default() % scenarios.len()];
        let run = run(scenario, seed);
        for (_, event) in &run.events {
            if let Some(name) = name(event) {
                *seen.entry(name).or_insert(0_u64) += 1;
            }
        }
        for violation in checkers::check(&run) {
            broken += 1;
            let first = violation.what.lines().next().unwrap_or_default();
            let (promise, name) = (violation.promise, scenario.name);
            let _closed = writeln!(
                out,
                "promise {promise}: {first}\n    tiebreak-sim --scenario {name} --seed {seed}"
            );
        }
        if (done + 1).is_multiple_of(TOLD) || done + 1 == count {
            let seconds = begun.elapsed().as_secs_f64();
            let _closed = writeln!(out, "{} of {count} seeds, {broken} broken, {seconds:.0} s", done + 1);
        }
    }
    let _closed = writeln!(out, "{seen:?}");
    broken == 0
}

fn name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Submitted(_) => "submitted",
        Event::Claimed(..) => "claimed",
        Event::Doubted(..) => "in doubt",
        Event::Sent(_) => "sent",
        Event::Applied(_) => "applied",
        Event::Answered(_) => "answered",
        Event::Crashed(_) => "killed",
        Event::Stopped(_) => "stopped",
        Event::LedgerDown => "database restarted",
        _ => return None,
    })
}
