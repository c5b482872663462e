//! 5: what is not understood is not acted upon.

use std::collections::BTreeSet;

use super::{Violation, broken};
use crate::Run;
use crate::trace::{Event, Learned};

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    let mut met = BTreeSet::new();
    for (at, event) in &run.events {
        match event {
            // Whoever asks again for a doubtful write gives a new reason to look, and to send.
            Event::Submitted(write) => {
                met.remove(write);
            }
            Event::Delivered(write, _, Learned::Unclear(_)) => {
                met.insert(*write);
            }
            Event::Sent(sent) if met.contains(&sent.write) => {
                let write = sent.write;
                return broken(
                    5,
                    format!("write {write} was sent at {at:?} after a conflict nobody understands"),
                );
            }
            _ => {}
        }
    }
    Ok(())
}
