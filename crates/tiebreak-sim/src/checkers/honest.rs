//! 8: a doubt stays a doubt; nobody is told that a write was applied, or was not, unless that is so.

use std::collections::{BTreeMap, BTreeSet};

use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;

use super::{Violation, broken};
use crate::Run;
use crate::trace::Event;

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    let mut applied = BTreeSet::new();
    let mut submitted: BTreeMap<usize, u32> = BTreeMap::new();
    let mut doubtful = BTreeSet::new();
    // Writes whose callers were told that they were not applied.
    let mut denied = Vec::new();
    for (at, event) in &run.events {
        match event {
            Event::Submitted(write) => *submitted.entry(*write).or_default() += 1,
            Event::Applied(what) => applied.extend(what.write),
            Event::Doubted(write, _) => {
                doubtful.insert(*write);
            }
            Event::Claimed(write, ..) | Event::Settled(write, ..) => {
                doubtful.remove(write);
            }
            Event::Released(write, _) if doubtful.contains(write) => {
                return broken(8, format!("the doubt about write {write} was dropped at {at:?}"));
            }
            Event::Answered(answer) => match answer.outcome {
                Outcome::Applied if !applied.contains(&answer.write) => {
                    return broken(
                        8,
                        format!("write {} was told to be applied at {at:?}, and is not", answer.write),
                    );
                }
                Outcome::Refused => denied.push((answer.write, at, answer.outcome)),
                // What is said of a repeat is said of the repeat: it was not sent.
                Outcome::NotSent
                    if submitted.get(&answer.write) == Some(&1) && answer.problem != Some(Kind::InProgress) =>
                {
                    denied.push((answer.write, at, answer.outcome));
                }
                _ => {}
            },
            _ => {}
        }
    }
    for (write, at, outcome) in denied {
        let told_once = outcome == Outcome::Refused || submitted.get(&write) == Some(&1);
        if told_once && applied.contains(&write) {
            return broken(
                8,
                format!("write {write} was told to be {outcome:?} at {at:?}, and was applied"),
            );
        }
    }
    Ok(())
}
