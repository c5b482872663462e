//! What is done before a ledger takes its first call.

use rusqlite::{Connection, params};
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::Unknown;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::KeyDigest;
use tiebreak_core::time::Time;

use super::desk::Counts;
use super::index::{Hasher, Index};
use super::row;

/// What was found in the file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) index: Index,
    pub(super) counts: Counts,
    pub(super) last_row: i64,
    /// When the next settled record expires (ms).
    pub(super) earliest: i64,
}

/// Reads every row once for the index, and puts in doubt, in one transaction, what a process left claimed.
pub(super) fn recover(conn: &mut Connection, hasher: &Hasher, now: Time) -> rusqlite::Result<Found> {
    let transaction = conn.transaction()?;
    let mut found = Found {
        index: Index::default(),
        counts: Counts::default(),
        last_row: 0,
        earliest: i64::MAX,
    };
    let mut claimed = Vec::new();
    {
        let mut all = transaction.prepare("SELECT row, state, key, expires, trace FROM writes ORDER BY row")?;
        let mut rows = all.query([])?;
        while let Some(r) = rows.next()? {
            let number: i64 = r.get(0)?;
            found.last_row = number;
            if let Some(key) = row::digest(r, 2)? {
                found.index.keys.insert(hasher.key(&KeyDigest(key)), number);
            }
            if let Some(trace) = row::digest(r, 4)? {
                found.index.traces.insert(hasher.trace(&trace), number);
            }
            match r.get_ref(1)?.as_str()? {
                row::CLAIMED => claimed.push(number),
                row::SETTLED => {
                    found.counts.settled += 1;
                    let expires: Option<i64> = r.get(3)?;
                    found.earliest = found.earliest.min(expires.unwrap_or(i64::MAX));
                }
                _ => {}
            }
        }
        let mut doubt =
            transaction.prepare("INSERT INTO doubts SELECT row, ?2, attempt, ?3, ?4 FROM writes WHERE row = ?1")?;
        let mut state = transaction.prepare("UPDATE writes SET state = ?2 WHERE row = ?1")?;
        let reason = row::unknown(Unknown::Crash);
        for number in claimed {
            doubt.execute(params![number, reason, Guarantee::D.as_str(), row::millis(now)])?;
            state.execute(params![number, row::DOUBTED])?;
        }
        let mut doubts = transaction.prepare("SELECT row, caller, fingerprint FROM doubts JOIN writes USING (row)")?;
        let mut rows = doubts.query([])?;
        while let Some(r) = rows.next()? {
            let (caller, fingerprint) = (CallerId(Digest(r.get(1)?)), Fingerprint(Digest(r.get(2)?)));
            found.index.doubts.insert(hasher.same(&caller, &fingerprint), r.get(0)?);
            found.counts.in_doubt += 1;
        }
    }
    transaction.commit()?;
    Ok(found)
}
