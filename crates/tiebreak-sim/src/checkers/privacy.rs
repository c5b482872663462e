//! 6: nobody is shown, answered with, or merged from what another caller was allowed to read.

use tiebreak_core::outcome::Outcome;

use super::{Violation, broken};
use crate::Run;
use crate::origin::mark;
use crate::trace::Event;

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    for (at, event) in &run.events {
        let (number, content, how) = match event {
            Event::Sent(sent) => (sent.write, &sent.content, "sent"),
            Event::Answered(answer) => (answer.write, &answer.content, "was answered"),
            Event::Overheard(answer) if answer.replayed || answer.outcome != Outcome::NotSent => {
                let what = format!(
                    "a stranger got the outcome of write {} at {at:?}: {}",
                    answer.write, answer.content
                );
                return broken(6, what);
            }
            _ => continue,
        };
        let own = &run.writes[number].caller;
        let foreign = |other: &usize| {
            let other = format!("caller{other}");
            other != *own && content.contains(&mark(&other))
        };
        if let Some(other) = (0..run.scenario.callers).find(foreign) {
            return broken(
                6,
                format!("{own} {how} at {at:?} what was meant for caller{other}: {content}"),
            );
        }
    }
    Ok(())
}
