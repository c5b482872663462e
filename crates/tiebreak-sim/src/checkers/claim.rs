//! 1: no send without a durable claim, of the process that sends.

use std::collections::BTreeMap;

use super::{Violation, broken};
use crate::Run;
use crate::trace::Event;

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    // Of each write: under which record it is claimed, and by which machine.
    let mut live = BTreeMap::new();
    for (at, event) in &run.events {
        match event {
            Event::Claimed(write, id, _, host) => {
                live.insert(*write, (*id, *host));
            }
            Event::Settled(_, id, ..) | Event::Doubted(_, id) | Event::Released(_, id) => {
                live.retain(|_, (claimed, _)| claimed != id);
            }
            // What it starts as is another process.
            Event::Crashed(host) => live.retain(|_, (_, by)| by != host),
            Event::Sent(sent) if live.get(&sent.write).map(|(_, by)| *by) != Some(sent.host) => {
                return broken(
                    1,
                    format!(
                        "write {} was sent by gateway {} at {at:?} without a durable claim of its own",
                        sent.write, sent.host
                    ),
                );
            }
            _ => {}
        }
    }
    Ok(())
}
