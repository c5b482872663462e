//! Searching: along the primary key, which begins with a time.

use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::WriteId;
use tiebreak_core::verdict::Class;

use super::error::trouble;
use super::reading::ReadSession;
use super::row;
use crate::search::{Became, Found, MAX_FOUND, MAX_LOOKED_AT, Query};
use crate::shared::Trouble;
use crate::words::{CLAIMED, DOUBTED, SETTLED};

/// The records that `query` asks for, before `before`.
pub(super) async fn search(
    session: &ReadSession,
    query: &Query,
    before: Option<WriteId>,
    limit: usize,
) -> Result<Found, Trouble> {
    let limit = limit.min(MAX_FOUND);
    let (low, high) = query.ids(before);
    let (low, high) = (&low.0[..], &high.0[..]);
    let state = query.state.map(|state| match state {
        Became::Claimed => CLAIMED,
        Became::InDoubt => DOUBTED,
        Became::Settled | Became::Outcome(_) => SETTLED,
    });
    let outcome = query.state.and_then(|state| match state {
        Became::Outcome(outcome) => Some(Outcome::as_str(outcome)),
        Became::Claimed | Became::InDoubt | Became::Settled => None,
    });
    let class = query.class.map(Class::as_str);
    // One more than is given, to know whether there is more.
    let (most, looked_at) = (limit as i64 + 1, MAX_LOOKED_AT as i64);
    let search = &session.reading.search;
    let rows = session
        .client
        .query(
            search,
            &[&low, &high, &query.target, &state, &outcome, &class, &most, &looked_at],
        )
        .await
        .map_err(trouble)?;
    let records = rows.iter().map(row::decode).collect::<Result<Vec<_>, _>>();
    let mut records = records.map_err(Trouble::Rule)?;
    let next = if records.len() > limit {
        records.truncate(limit);
        records.last().map(|r| r.claim.id)
    } else {
        let last = &session.reading.looked_at;
        let row = session.client.query_opt(last, &[&low, &high, &(looked_at - 1)]).await;
        let row = row.map_err(trouble)?;
        row.map(|row| row::id(&row, "id")).transpose().map_err(Trouble::Rule)?
    };
    Ok(Found { records, next })
}
