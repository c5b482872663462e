//! 1: no send without a durable claim.

use std::collections::BTreeSet;

use super::{Violation, broken};
use crate::Run;
use crate::trace::Event;

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    let mut live = BTreeSet::new();
    for (at, event) in &run.events {
        match event {
            Event::Claimed(write, ..) => {
                live.insert(*write);
            }
            Event::Settled(write, ..) | Event::Doubted(write, _) | Event::Released(write, _) => {
                live.remove(write);
            }
            Event::Crashed => live.clear(),
            Event::Sent(sent) if !live.contains(&sent.write) => {
                return broken(
                    1,
                    format!("write {} was sent at {at:?} without a durable claim", sent.write),
                );
            }
            _ => {}
        }
    }
    Ok(())
}
