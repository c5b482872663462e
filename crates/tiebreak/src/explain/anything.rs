//! Reads anything and explains what comes out: what the fuzz target `explain` does; the tests run it as well.

use http::StatusCode;
use tiebreak_core::judge::Judge;

use crate::explain::read::{Given, json, read};
use crate::explain::show;

/// Reads `text` in every way there is.
pub(crate) fn run(text: &[u8]) {
    let judge = Judge::standard();
    let with_status = Given {
        status: Some(StatusCode::CONFLICT),
        ..Given::default()
    };
    for given in [Given::default(), with_status] {
        if let Ok(input) = read(text, &given) {
            assert!(!show(&judge, input, false).is_empty());
        }
    }
    // A line of a batch: any outcome is fine, as long as there is one.
    let _ = json::line(text);
}
