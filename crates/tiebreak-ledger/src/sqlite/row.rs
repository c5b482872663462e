//! Records as rows, and back.

use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::lane::LaneId;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, State, WriteId};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use crate::words::parse_unknown;
pub(super) use crate::words::{CLAIMED, DOUBTED, SETTLED, parse_resolver, resolver, unknown};

/// Everything of a record, for [`decode`]; the condition follows.
pub(super) const RECORD: &str = "
SELECT w.state, w.fence, w.key, w.expires, w.id, w.caller, w.fingerprint, w.method, w.target, w.lanes, w.attempt,
       w.held, w.claimed_at,
       s.outcome, s.status, s.fields, s.content, s.truncated, s.class, s.evidence, s.guarantee, s.attempts,
       s.settled_at,
       d.reason, d.attempts, d.guarantee, d.since,
       w.trace, w.exclusive
FROM writes w LEFT JOIN settlements s ON s.row = w.row LEFT JOIN doubts d ON d.row = w.row ";

/// The record in this row.
pub(super) fn by_row(conn: &Connection, row: i64) -> rusqlite::Result<Option<Record>> {
    let mut find = conn.prepare_cached(&format!("{RECORD} WHERE w.row = ?1"))?;
    find.query_row([row], decode).optional()
}

/// The record with this id.
pub(super) fn by_id(conn: &Connection, id: WriteId) -> rusqlite::Result<Option<Record>> {
    let mut find = conn.prepare_cached(&format!("{RECORD} WHERE w.id = ?1"))?;
    find.query_row([id.0], decode).optional()
}

/// A time as it is stored. Times beyond what SQLite can count are "never" for all that lives.
pub(super) fn millis(time: Time) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// The record in a row of [`RECORD`].
pub(super) fn decode(row: &Row<'_>) -> rusqlite::Result<Record> {
    let state = match row.get_ref(0)?.as_str()? {
        CLAIMED => State::Claimed,
        SETTLED => State::Settled(decode_settlement(row)?),
        DOUBTED => State::InDoubt(decode_doubt(row)?),
        other => return Err(unreadable(0, other)),
    };
    let lanes: Vec<String> = json(9, row.get_ref(9)?.as_str()?)?;
    let claim = Claim {
        id: WriteId(row.get(4)?),
        key: digest(row, 2)?.map(KeyDigest),
        trace: match digest(row, 27)? {
            Some(digest) => Some(KeyTrace {
                digest,
                exclusive: row.get(28)?,
            }),
            None => None,
        },
        caller: CallerId(Digest(row.get(5)?)),
        fingerprint: Fingerprint(Digest(row.get(6)?)),
        method: row.get(7)?,
        target: row.get(8)?,
        lanes: lanes.into_iter().map(LaneId).collect(),
        attempt: row.get(10)?,
        held: row.get(11)?,
        at: time(row, 12)?,
        expires: row.get::<_, Option<i64>>(3)?.map(|at| Time(at.unsigned_abs())),
    };
    let fence = Fence(row.get::<_, i64>(1)?.unsigned_abs());
    Ok(Record { claim, fence, state })
}

/// The digest in a column.
pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Digest>> {
    Ok(row.get::<_, Option<[u8; 32]>>(column)?.map(Digest))
}

fn decode_settlement(row: &Row<'_>) -> rusqlite::Result<Settlement> {
    Ok(Settlement {
        outcome: word(row, 13, Outcome::from_token)?,
        status: row.get(14)?,
        fields: json(15, row.get_ref(15)?.as_str()?)?,
        content: Bytes::copy_from_slice(row.get_ref(16)?.as_blob()?),
        truncated: row.get(17)?,
        class: match row.get_ref(18)?.as_str_or_null()? {
            Some(_) => Some(word(row, 18, Class::from_word)?),
            None => None,
        },
        evidence: row.get(19)?,
        guarantee: word(row, 20, Guarantee::from_letter)?,
        attempts: row.get(21)?,
        at: time(row, 22)?,
    })
}

fn decode_doubt(row: &Row<'_>) -> rusqlite::Result<Doubt> {
    Ok(Doubt {
        reason: word(row, 23, parse_unknown)?,
        attempts: row.get(24)?,
        guarantee: word(row, 25, Guarantee::from_letter)?,
        since: time(row, 26)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    Ok(Time(row.get::<_, i64>(column)?.unsigned_abs()))
}

/// The value that a column's word stands for.
pub(super) fn word<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unreadable(column, text))
}

fn json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|_| unreadable(column, text))
}

fn unreadable(column: usize, text: &str) -> rusqlite::Error {
    let why = format!("`{text}` is not one of the values that this version writes");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
