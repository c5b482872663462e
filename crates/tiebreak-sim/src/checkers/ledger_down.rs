//! 7: ledger down means nothing is sent, but for what was claimed before.

use std::collections::BTreeSet;

use super::{Violation, broken};
use crate::Run;
use crate::trace::{Event, Learned};

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    let mut down = false;
    let mut claimed = BTreeSet::new();
    for (at, event) in &run.events {
        match event {
            Event::LedgerDown => down = true,
            Event::LedgerUp => down = false,
            Event::Claimed(write, ..) if !down => {
                claimed.insert(*write);
            }
            // One claim is for one attempt of which nothing is known.
            Event::Delivered(write, _, Learned::Unknown) if down => {
                claimed.remove(write);
            }
            Event::Settled(write, ..) | Event::Doubted(write, _) | Event::Released(write, _) => {
                claimed.remove(write);
            }
            // Another process is a matter of the checker of claims.
            Event::Crashed(_) if run.scenario.fleet.is_none() => claimed.clear(),
            Event::Sent(sent) if down && !claimed.contains(&sent.write) => {
                return broken(
                    7,
                    format!("write {} was sent at {at:?}, the ledger was down", sent.write),
                );
            }
            _ => {}
        }
    }
    Ok(())
}
