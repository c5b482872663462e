//! One checker for each promise (docs/simulator.md lists them). Promise 11, same inputs and same decisions, is two runs of one seed.

mod claim;
mod guess;
mod honest;
mod ledger_down;
mod linear;
mod lost_update;
mod privacy;
mod settlement;
mod unclear;

use crate::Run;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number.
    pub promise: u8,
    /// What happened.
    pub what: String,
}

fn broken(promise: u8, what: impl Into<String>) -> Result<(), Violation> {
    Err(Violation {
        promise,
        what: what.into(),
    })
}

type Checker = fn(&Run) -> Result<(), Violation>;

const CHECKERS: [Checker; 9] = [
    claim::check,
    guess::check,
    settlement::check,
    lost_update::check,
    linear::check,
    unclear::check,
    privacy::check,
    ledger_down::check,
    honest::check,
];

/// Everything that a run broke.
#[must_use]
pub fn check(run: &Run) -> Vec<Violation> {
    let mut found: Vec<Violation> = CHECKERS.iter().filter_map(|checker| checker(run).err()).collect();
    found.extend(run.contradictions.iter().map(|what| Violation {
        promise: 3,
        what: format!("the database contradicts itself: {what}"),
    }));
    found.extend(run.kept.iter().map(|what| Violation {
        promise: 9,
        what: format!("nobody writes any more, and {what}"),
    }));
    if !run.ended {
        found.push(Violation {
            promise: 9,
            what: "a caller waits for ever".into(),
        });
    }
    found
}
