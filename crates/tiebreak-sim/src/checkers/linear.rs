//! 1 to 4 together: what all callers saw of one document is explained by one order of their calls.

use super::{Violation, broken};
use crate::Run;
use crate::linear::{explain, history};
use crate::writer::SHARED;

pub(super) fn check(run: &Run) -> Result<(), Violation> {
    // Who writes around Tiebreak is no caller of it, and a replica that lags shows what is over.
    if run.scenario.bypass || run.scenario.weather.lag > 0 {
        return Ok(());
    }
    for path in SHARED {
        let (document, calls) = history(run, path);
        if let Err(stuck) = explain(document, &calls) {
            let order: Vec<_> = stuck.order.iter().map(|at| &calls[*at]).collect();
            let left: Vec<_> = (0..calls.len()).filter(|at| !stuck.order.contains(at)).collect();
            let left: Vec<_> = left.iter().map(|at| &calls[*at]).collect();
            return broken(
                4,
                format!(
                    "no order explains what callers saw of {path}; the longest is\n{order:#?}\nwith {:?}, and then comes one of\n{left:#?}",
                    stuck.document
                ),
            );
        }
    }
    Ok(())
}
