//! Runs one scenario with one seed and prints what happened.

use std::io::{self, Write};
use std::process::ExitCode;

use tiebreak_sim::scenario::{Scenario, all, named};
use tiebreak_sim::{checkers, run, trace};

const USAGE: &str = "usage: tiebreak-sim --scenario NAME --seed N\nscenarios:";

fn main() -> ExitCode {
    let Some((scenario, seed)) = arguments() else {
        let names: Vec<_> = all().iter().map(|s| s.name).collect();
        let _closed = writeln!(io::stderr(), "{USAGE} {}", names.join(" "));
        return ExitCode::from(2);
    };
    let run = run(&scenario, seed);
    let violations = checkers::check(&run);
    let mut out = io::stdout().lock();
    // A reader who has seen enough, such as `head`, is no error.
    let _closed = print(&mut out, &run, &violations);
    if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
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

fn arguments() -> Option<(Scenario, u64)> {
    let (mut scenario, mut seed) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--scenario" => scenario = named(&value),
            "--seed" => seed = value.parse().ok(),
            _ => return None,
        }
    }
    Some((scenario?, seed?))
}
