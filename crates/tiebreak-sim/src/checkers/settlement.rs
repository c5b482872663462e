//! 3: no answer before its settlement is durable; one settlement for each record; old fences change nothing.

use std::collections::{BTreeMap, BTreeSet};

use tiebreak_core::outcome::Outcome;

use super::{Violation, broken};
use crate::Run;
use crate::trace::Event;

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    let mut fences = BTreeMap::new();
    let mut settled = BTreeSet::new();
    // What is durable of each write: the outcome, or nothing while it is claimed or in doubt.
    let mut durable: BTreeMap<usize, Option<Outcome>> = BTreeMap::new();
    for (at, event) in &run.events {
        match event {
            Event::Claimed(write, id, fence, _) => {
                if fences.insert(*id, *fence).is_some_and(|old| old >= *fence) {
                    return broken(3, format!("the fences of write {write} do not grow"));
                }
                durable.insert(*write, None);
            }
            Event::Settled(write, id, fence, outcome) => {
                if !settled.insert(*id) {
                    return broken(3, format!("write {write} was settled twice, last at {at:?}"));
                }
                if fence.is_some_and(|f| fences.get(id) != Some(&f)) {
                    return broken(3, format!("write {write} was settled under an old fence at {at:?}"));
                }
                durable.insert(*write, Some(*outcome));
            }
            // Freed: not applied.
            Event::Released(write, _) => {
                durable.insert(*write, Some(Outcome::Refused));
            }
            Event::Doubted(write, _) => {
                durable.insert(*write, None);
            }
            // Found there and equal, before anything was sent: there is nothing to record.
            Event::Answered(answer) if answer.outcome == Outcome::Adopted && answer.attempts == 0 => {}
            Event::Answered(answer) if final_(answer.outcome) => {
                let known = durable.get(&answer.write);
                // What was never claimed was never sent: nothing is to be kept.
                if known.is_some_and(|known| *known != Some(answer.outcome)) {
                    return broken(
                        3,
                        format!(
                            "write {} was answered {:?} at {at:?}, durable is {known:?}",
                            answer.write, answer.outcome
                        ),
                    );
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn final_(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Applied | Outcome::Accepted | Outcome::Adopted | Outcome::Refused => true,
        Outcome::NotSent | Outcome::InDoubt => false,
    }
}
