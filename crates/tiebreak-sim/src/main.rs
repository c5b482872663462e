//! Runs one scenario with one seed and prints what happened, or many seeds and prints which broke what.

use std::io::{self, Write};
use std::process::ExitCode;

use tiebreak_sim::scenario::{Scenario, all, named};
use tiebreak_sim::{checkers, many, run, trace};

const USAGE: &str = "usage: tiebreak-sim --scenario NAME --seed N                what happens in one run
       tiebreak-sim --shared --seeds COUNT [--from SEED]     many runs of fleets over one ledger
       tiebreak-sim --scenario NAME --seeds COUNT [--from SEED]
scenarios:";

fn main() -> ExitCode {
    let Some(asked) = arguments() else {
        let names: Vec<_> = all().iter().map(|s| s.name).collect();
        let _closed = writeln!(io::stderr(), "{USAGE} {}", names.join(" "));
        return ExitCode::from(2);
    };
    let sound = match asked {
        Asked::One(scenario, seed) => one(&scenario, seed),
        Asked::Many(scenarios, seeds) => many::run_all(&scenarios, seeds, &mut io::stderr().lock()),
    };
    match sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn one(scenario: &Scenario, seed: u64) -> bool {
    let run = run(scenario, seed);
    let violations = checkers::check(&run);
    let mut out = io::stdout().lock();
    // A reader who has seen enough, such as `head`, is no error.
    let _closed = print(&mut out, &run, &violations);
    violations.is_empty()
}

fn print(out: &mut impl Write, run: &tiebreak_sim::Run, violations: &[checkers::Violation]) -> io::Result<()> {
    for (number, write) in run.writes.iter().enumerate() {
        writeln!(out, "write {number}: {write:?}")?;
    }
    let begin = run.events.first().map_or(0, |(at, _)| at.0);
    for (at, event) in &run.events {
        writeln!(out, "{:>7} {event:?}", at.0 - begin)?;
    }
    writeln!(out, "trace {}", trace::digest(&run.events))?;
    for violation in violations {
        writeln!(out, "BROKEN {}: {}", violation.promise, violation.what)?;
    }
    Ok(())
}

enum Asked {
    One(Box<Scenario>, u64),
    Many(Vec<Scenario>, std::ops::Range<u64>),
}

fn arguments() -> Option<Asked> {
    let (mut scenario, mut shared, mut seed, mut seeds, mut from) = (None, false, None, None, 0_u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--shared" {
            shared = true;
            continue;
        }
        let value = arguments.next()?;
        match name.as_str() {
            "--scenario" => scenario = Some(named(&value)?),
            "--seed" => seed = Some(value.parse().ok()?),
            "--seeds" => seeds = Some(value.parse::<u64>().ok()?),
            "--from" => from = value.parse().ok()?,
            _ => return None,
        }
    }
    let many = seeds.map(|count| from..from.saturating_add(count));
    match (scenario, shared, seed, many) {
        (Some(scenario), false, Some(seed), None) => Some(Asked::One(Box::new(scenario), seed)),
        (Some(scenario), false, None, Some(seeds)) => Some(Asked::Many(vec![scenario], seeds)),
        (None, true, None, Some(seeds)) => Some(Asked::Many(tiebreak_sim::scenario::shared(), seeds)),
        _ => None,
    }
}
