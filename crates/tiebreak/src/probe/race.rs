//! Of many writes under one tag, is one applied?

use futures_util::future::join_all;
use http::header;

use super::found::{Found, Race};
use super::scratch::Scratch;
use super::wire::Wire;
use crate::exit::Failure;

/// `rounds` times, `racers` writes at once under the tag that is there. An origin that compares and then writes, not in one step,
/// takes more than one of them. Finding none proves nothing; finding one proves a lost update.
pub(super) async fn ask(
    wire: &Wire,
    scratch: &mut Scratch,
    rounds: u16,
    racers: u16,
    found: &mut Found,
) -> Result<(), Failure> {
    let mut race = Race {
        rounds,
        racers,
        several: 0,
        none: 0,
        refusals: Vec::new(),
    };
    let url = scratch.url();
    for _ in 0..rounds {
        let now = scratch.look(wire).await?;
        let Some(tag) = now.etag_text else { return Ok(()) };
        let first = scratch.take_numbers(racers.into());
        let asks: Vec<_> = (first..first + u32::from(racers))
            .map(|n| scratch.change_to(&url, n).with(header::IF_MATCH, &tag))
            .collect();
        let answers = at_once(wire, &asks).await?;
        let applied = answers.iter().filter(|status| status.is_success()).count();
        race.several += u16::from(applied > 1);
        race.none += u16::from(applied == 0);
        for status in answers.iter().filter(|status| !status.is_success()) {
            if !race.refusals.contains(&status.as_u16()) {
                race.refusals.push(status.as_u16());
            }
        }
    }
    race.refusals.sort_unstable();
    found.race = Some(race);
    Ok(())
}

/// Sends all of them at the same time, each on a connection of its own.
pub(super) async fn at_once(wire: &Wire, asks: &[super::wire::Ask<'_>]) -> Result<Vec<http::StatusCode>, Failure> {
    let answers = join_all(asks.iter().map(|ask| wire.send(ask))).await;
    answers
        .into_iter()
        .map(|answer| answer.map(|response| response.status))
        .collect()
}
