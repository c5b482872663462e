//! Writes that memory has and the ledger has not: refused before anything was claimed, or still waiting for their turn.

use std::collections::HashSet;

use tiebreak_client::story::{Event, Story, Told};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::WriteId;
use tiebreak_ledger::LedgerError;
use tiebreak_ledger::search::{Became, Found, Query};

use super::Desk;

/// Those among the writes that a search of the ledger covered: from `before` down to where `found` ends. The newest first, at
/// most `limit`.
pub(crate) async fn unrecorded(
    desk: &Desk,
    query: &Query,
    before: Option<WriteId>,
    found: &Found,
    limit: usize,
) -> Result<Vec<Story>, LedgerError> {
    let (low, high) = query.ids(before);
    let low = found.next.unwrap_or(low);
    let recorded: HashSet<WriteId> = found.records.iter().map(|r| r.claim.id).collect();
    let stories = desk.watch.matching(limit, |story| {
        let id = story.subject.id;
        // One that was told another's outcome is found as that one.
        (low..high).contains(&id) && story.told.is_none() && !recorded.contains(&id) && fits(query, story)
    });
    let mut unrecorded = Vec::new();
    for story in stories {
        // What its caller was told may have changed since: the ledger knows better.
        if desk.engine.ledger().get(story.subject.id).await?.is_none() {
            unrecorded.push(story);
        }
    }
    Ok(unrecorded)
}

/// Whether it is what is searched for, its time aside; as [`Query::matches`] for records.
fn fits(query: &Query, story: &Story) -> bool {
    let told = told(story);
    let state = match query.state {
        None => true,
        Some(Became::Claimed) => !story.ended,
        Some(Became::Settled) => false,
        Some(Became::InDoubt) => told.is_some_and(|t| t.outcome == Outcome::InDoubt),
        Some(Became::Outcome(wanted)) => told.is_some_and(|t| t.outcome == wanted),
    };
    state
        && query
            .class
            .is_none_or(|wanted| told.is_some_and(|t| t.class == Some(wanted)))
        && query
            .target
            .as_ref()
            .is_none_or(|part| story.subject.target.contains(part.as_str()))
}

fn told(story: &Story) -> Option<&Told> {
    story.events.iter().rev().find_map(|(_, event)| match event {
        Event::Told(told) => Some(&**told),
        _ => None,
    })
}
