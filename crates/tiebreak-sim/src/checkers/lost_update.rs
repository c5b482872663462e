//! 4: a merge starts from what its author read; no update is lost.

use std::collections::{BTreeMap, BTreeSet};

use tiebreak_core::outcome::Outcome;

use super::{Violation, broken};
use crate::Run;
use crate::origin::Fields;
use crate::trace::{Applied, Event};

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    if run.scenario.bypass && !run.scenario.versions_hold() {
        return Ok(());
    }
    // The last value of each member of each document.
    let mut now: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut acknowledged = BTreeSet::new();
    for (at, event) in &run.events {
        match event {
            Event::Applied(applied) => {
                if let Err(why) = edits_its_own(run, applied) {
                    return broken(4, format!("at {at:?}: {why}"));
                }
                for (name, value) in applied.after.iter().flatten() {
                    now.insert((&applied.path, name), value);
                }
            }
            Event::Answered(answer) if answer.outcome == Outcome::Applied => {
                acknowledged.insert(answer.write);
            }
            _ => {}
        }
    }
    for write in acknowledged {
        is_still_there(run, write, &now)?;
    }
    Ok(())
}

/// Whoever edits a member changes that one, from the value that its author had read.
fn edits_its_own(run: &Run, applied: &Applied) -> Result<(), String> {
    let Some(number) = applied.write else { return Ok(()) };
    let write = &run.writes[number];
    let (Some((member, value)), Some(base)) = (&write.edit, &write.base) else {
        return Ok(());
    };
    let none = Fields::new();
    let (before, after) = (
        applied.before.as_ref().unwrap_or(&none),
        applied.after.as_ref().unwrap_or(&none),
    );
    for name in before.keys().chain(after.keys()) {
        if name != member && before.get(name) != after.get(name) {
            return Err(format!(
                "write {number}, an edit of {member}, turned {name} from {:?} into {:?}",
                before.get(name),
                after.get(name)
            ));
        }
    }
    if before.get(member) != base.get(member) {
        return Err(format!(
            "write {number} overwrote {member} = {:?}, its author had read {:?}",
            before.get(member),
            base.get(member)
        ));
    }
    if after.get(member) != Some(value) {
        return Err(format!("write {number} did not set {member}"));
    }
    Ok(())
}

/// An edit that was acknowledged is in the document, unless a later one that had seen it replaced it.
fn is_still_there(run: &Run, number: usize, now: &BTreeMap<(&str, &str), &str>) -> Result<(), Violation> {
    let write = &run.writes[number];
    let Some((member, value)) = &write.edit else {
        return Ok(());
    };
    let mut value = value;
    let current = now.get(&(write.path.as_str(), member.as_str())).copied();
    // Follow the chain of edits, each of which was made from the one before.
    while current != Some(value.as_str()) {
        let next = run.writes.iter().find(|w| {
            let seen = w.base.as_ref().and_then(|base| base.get(member));
            let same = w.edit.as_ref().is_some_and(|(other, _)| other == member);
            same && w.path == write.path && seen == Some(value) && was_applied(run, w.edit.as_ref(), &w.path)
        });
        match next.and_then(|w| w.edit.as_ref()) {
            Some((_, newer)) => value = newer,
            None => {
                return broken(
                    4,
                    format!("write {number} was acknowledged, and {member} is {current:?} in the end"),
                );
            }
        }
    }
    Ok(())
}

fn was_applied(run: &Run, edit: Option<&(String, String)>, path: &str) -> bool {
    let Some((member, value)) = edit else { return false };
    run.events.iter().any(|(_, event)| match event {
        Event::Applied(applied) => {
            applied.path == path && applied.after.as_ref().and_then(|f| f.get(member)) == Some(value)
        }
        _ => false,
    })
}
