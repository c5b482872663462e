//! 2: no second send on a guess; nothing is applied twice.

use std::collections::BTreeMap;

use tiebreak_core::time::Time;

use super::{Violation, broken};
use crate::Run;
use crate::origin::Tags;
use crate::scenario::LATE;
use crate::trace::{Event, Learned, Sent};

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    applied_once(run)?;
    sends_are_justified(run)
}

fn applied_once(run: &Run) -> Result<(), Violation> {
    let mut times: BTreeMap<usize, u32> = BTreeMap::new();
    for (at, event) in &run.events {
        if let Event::Applied(applied) = event
            && let Some(write) = applied.write
        {
            let count = times.entry(write).or_default();
            *count += 1;
            if *count > 1 {
                return broken(2, format!("write {write} was applied {count} times, last at {at:?}"));
            }
        }
    }
    Ok(())
}

fn sends_are_justified(run: &Run) -> Result<(), Violation> {
    // Attempts of each write of which nothing is known, with the time when they were sent.
    let mut open: BTreeMap<usize, Vec<(Time, &Sent)>> = BTreeMap::new();
    for (at, event) in &run.events {
        match event {
            Event::Sent(sent) => {
                let before = open.entry(sent.write).or_default();
                if let Some((_, first)) = before.iter().find(|(when, old)| !justified(run, *at, *when, old, sent)) {
                    return broken(
                        2,
                        format!(
                            "write {} was sent again at {at:?} as request {} while request {} may still be applied",
                            sent.write, sent.serial, first.serial
                        ),
                    );
                }
                before.push((*at, sent));
            }
            Event::Delivered(write, serial, learned) if *learned != Learned::Unknown && !leaves_open(*learned) => {
                open.entry(*write).or_default().retain(|(_, s)| s.serial != *serial);
            }
            _ => {}
        }
    }
    Ok(())
}

fn leaves_open(learned: Learned) -> bool {
    matches!(learned, Learned::Status(408 | 500..=599))
}

fn justified(run: &Run, now: Time, when: Time, old: &Sent, new: &Sent) -> bool {
    let habits = &run.scenario.habits;
    let by_key = habits.honours_keys && old.key.is_some() && old.key == new.key;
    let by_version = habits.tags == Tags::Version && old.if_match.is_some() && old.if_match == new.if_match;
    let settled = now >= when.after(LATE);
    let by_absence = old.creates && new.creates && settled;
    // What still stands as its caller had read it is removed under that version.
    let by_presence =
        habits.tags == Tags::Version && old.removes && old.if_match.is_none() && new.if_match.is_some() && settled;
    by_key || by_version || by_absence || by_presence
}
