//! Records as rows, and back.

use bytes::Bytes;
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::lane::LaneId;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, State, WriteId};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;
use tokio_postgres::Row;

use crate::LedgerError;
use crate::words::{CLAIMED, DOUBTED, SETTLED, parse_unknown};

/// The columns that [`decode`] reads.
pub(super) const RECORD: &str = "w.id, w.state, w.fence, w.key, w.trace, w.exclusive, w.expires, w.caller, w.fingerprint, w.method, \
    w.target, w.lanes, w.attempt, w.held, w.claimed_at, w.outcome, w.status, w.fields, w.content, w.truncated, \
    w.class, w.evidence, w.guarantee, w.attempts, w.settled_at, w.doubt_reason, w.doubt_attempts, \
    w.doubt_guarantee, w.doubt_since";

/// A time as it is stored. Times beyond what can be counted are "never" for all that lives.
pub(super) fn millis(time: Time) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A text as PostgreSQL can hold it: without the character zero.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A number that PostgreSQL holds with a sign.
pub(super) fn small(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// The record in a row of [`RECORD`].
pub(super) fn decode(row: &Row) -> Result<Record, LedgerError> {
    let state: &str = get(row, "state")?;
    let state = match state {
        CLAIMED => State::Claimed,
        SETTLED => State::Settled(settlement(row)?),
        DOUBTED => State::InDoubt(doubt(row)?),
        other => return Err(unreadable("state", other)),
    };
    let lanes: Vec<String> = json(row, "lanes")?;
    let claim = Claim {
        id: WriteId(bytes(row, "id")?),
        key: match get::<Option<&[u8]>>(row, "key")? {
            Some(_) => Some(KeyDigest(Digest(bytes(row, "key")?))),
            None => None,
        },
        trace: match get::<Option<&[u8]>>(row, "trace")? {
            Some(_) => Some(KeyTrace {
                digest: Digest(bytes(row, "trace")?),
                exclusive: get(row, "exclusive")?,
            }),
            None => None,
        },
        caller: CallerId(Digest(bytes(row, "caller")?)),
        fingerprint: Fingerprint(Digest(bytes(row, "fingerprint")?)),
        method: get(row, "method")?,
        target: get(row, "target")?,
        lanes: lanes.into_iter().map(LaneId).collect(),
        attempt: number(row, "attempt")?,
        held: get(row, "held")?,
        at: time(row, "claimed_at")?,
        expires: get::<Option<i64>>(row, "expires")?.map(|at| Time(at.unsigned_abs())),
    };
    let fence = fence(get(row, "fence")?);
    Ok(Record { claim, fence, state })
}

fn settlement(row: &Row) -> Result<Settlement, LedgerError> {
    Ok(Settlement {
        outcome: word(row, "outcome", Outcome::from_token)?,
        status: u16::try_from(get::<i32>(row, "status")?).map_err(|_| unreadable("status", "a number"))?,
        fields: json(row, "fields")?,
        content: Bytes::copy_from_slice(get(row, "content")?),
        truncated: get(row, "truncated")?,
        class: match get::<Option<&str>>(row, "class")? {
            Some(_) => Some(word(row, "class", Class::from_word)?),
            None => None,
        },
        evidence: get(row, "evidence")?,
        guarantee: word(row, "guarantee", Guarantee::from_letter)?,
        attempts: number(row, "attempts")?,
        at: time(row, "settled_at")?,
    })
}

fn doubt(row: &Row) -> Result<Doubt, LedgerError> {
    Ok(Doubt {
        reason: word(row, "doubt_reason", parse_unknown)?,
        attempts: number(row, "doubt_attempts")?,
        guarantee: word(row, "doubt_guarantee", Guarantee::from_letter)?,
        since: time(row, "doubt_since")?,
    })
}

/// A fence as it is stored.
pub(super) fn fence(stored: i64) -> Fence {
    Fence(stored.unsigned_abs())
}

/// The id in a column.
pub(super) fn id(row: &Row, column: &str) -> Result<WriteId, LedgerError> {
    bytes(row, column).map(WriteId)
}

/// The lane in a row.
pub(super) fn lane(row: &Row) -> Result<[u8; 32], LedgerError> {
    bytes(row, "lane")
}

/// The value of a column.
pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, LedgerError> {
    row.try_get(column)
        .map_err(|e| LedgerError::Damaged(format!("the column {column} cannot be read: {e}")))
}

/// The value that a column's word stands for.
pub(super) fn word<T>(row: &Row, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, LedgerError> {
    let text: &str = get(row, column)?;
    parse(text).ok_or_else(|| unreadable(column, text))
}

fn bytes<const N: usize>(row: &Row, column: &str) -> Result<[u8; N], LedgerError> {
    let stored: &[u8] = get(row, column)?;
    stored
        .try_into()
        .map_err(|_| unreadable(column, "a value of another length"))
}

fn number(row: &Row, column: &str) -> Result<u32, LedgerError> {
    Ok(get::<i32>(row, column)?.unsigned_abs())
}

fn time(row: &Row, column: &str) -> Result<Time, LedgerError> {
    Ok(Time(get::<i64>(row, column)?.unsigned_abs()))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T, LedgerError> {
    let text: &str = get(row, column)?;
    serde_json::from_str(text).map_err(|_| unreadable(column, text))
}

fn unreadable(column: &str, found: &str) -> LedgerError {
    LedgerError::Damaged(format!(
        "the column {column} holds `{found}`, which is not one of the values that this version writes"
    ))
}
