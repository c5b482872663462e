//! Searching: along the index of ids, which begin with a time, from the newest back.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use tiebreak_core::record::WriteId;

use super::row::{self, CLAIMED, DOUBTED, SETTLED};
use crate::search::{Became, Found, MAX_FOUND, MAX_LOOKED_AT, Query};

const BRIEF: &str = "
SELECT row, id, state, target, NULL, NULL FROM writes WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";

/// The same where it matters how writes were settled.
const SETTLEMENTS: &str = "
SELECT w.row, w.id, w.state, w.target, s.outcome, s.class FROM writes w LEFT JOIN settlements s ON s.row = w.row
WHERE w.id >= ?1 AND w.id < ?2 ORDER BY w.id DESC LIMIT ?3";

/// The records that `query` asks for, before `before`.
pub(super) fn search(
    conn: &Connection,
    query: &Query,
    before: Option<WriteId>,
    limit: usize,
) -> rusqlite::Result<Found> {
    let limit = limit.min(MAX_FOUND);
    let (low, high) = query.ids(before);
    let mut found = Found::default();
    let settled = query.class.is_some() || matches!(query.state, Some(Became::Outcome(_)));
    let mut brief = conn.prepare_cached(if settled { SETTLEMENTS } else { BRIEF })?;
    let mut rows = brief.query((low.0, high.0, MAX_LOOKED_AT as i64))?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        let id = WriteId(row.get(1)?);
        if found.records.len() == limit {
            found.next = found.records.last().map(|r| r.claim.id);
            return Ok(found);
        }
        looked_at += 1;
        if worth_reading(query, row)? {
            // It may have changed since the line before.
            let record = row::by_row(conn, row.get(0)?)?;
            found.records.extend(record.filter(|r| query.matches(r)));
        }
        found.next = (looked_at == MAX_LOOKED_AT).then_some(id);
    }
    Ok(found)
}

/// Whether the rest of the record can decide.
fn worth_reading(query: &Query, row: &Row<'_>) -> rusqlite::Result<bool> {
    let state = row.get_ref(2)?.as_str()?;
    let fits = match query.state {
        None => true,
        Some(Became::Claimed) => state == CLAIMED,
        Some(Became::InDoubt) => state == DOUBTED,
        Some(Became::Settled) => state == SETTLED,
        Some(Became::Outcome(outcome)) => row.get_ref(4)?.as_str_or_null()? == Some(outcome.as_str()),
    };
    let class = match query.class {
        Some(class) => row.get_ref(5)?.as_str_or_null()? == Some(class.as_str()),
        None => true,
    };
    let there = match (&query.target, row.get_ref(3)?) {
        (Some(part), ValueRef::Text(target)) => String::from_utf8_lossy(target).contains(part.as_str()),
        _ => true,
    };
    Ok(fits && class && there)
}
