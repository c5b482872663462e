//! Finding records: what stands in the way of a write, and where.

use rusqlite::{Connection, OptionalExtension};
use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Record, Sought, State, WriteId};
use tiebreak_core::time::Time;

use super::index::{Hash, Hasher, Index};
use super::row;
use crate::{LedgerError, MAX_PAGE, Resolution};

/// The rows in which something may stand in the way.
#[derive(Debug)]
pub(super) struct Places {
    keys: Vec<i64>,
    doubts: Vec<i64>,
    traces: Vec<i64>,
}

/// What a write is looked up by, hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hashes {
    pub(super) key: Option<Hash>,
    pub(super) trace: Option<Hash>,
    pub(super) same: Hash,
}

impl Hashes {
    pub(super) fn of(sought: &Sought, hasher: &Hasher) -> Hashes {
        Hashes {
            key: sought.key.as_ref().map(|k| hasher.key(k)),
            trace: sought.trace.as_ref().map(|t| hasher.trace(&t.digest)),
            same: hasher.same(&sought.caller, &sought.fingerprint),
        }
    }
}

impl Places {
    pub(super) fn of(index: &Index, hashes: Hashes, sought: &Sought) -> Places {
        let exclusive = sought.trace.is_some_and(|t| t.exclusive);
        Places {
            keys: hashes.key.map_or_else(Vec::new, |k| index.keys.rows(k)),
            doubts: index.doubts.rows(hashes.same),
            traces: match hashes.trace {
                Some(trace) if exclusive => index.traces.rows(trace),
                _ => Vec::new(),
            },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.doubts.is_empty() && self.traces.is_empty()
    }

    /// What stands in the way, after comparing what the rows hold.
    pub(super) fn look(&self, conn: &Connection, sought: &Sought, now: Time) -> rusqlite::Result<Option<Record>> {
        // The newest row with the key holds it; older ones are expired and wait to be purged.
        for row in &self.keys {
            match row::by_row(conn, *row)? {
                Some(record) if record.claim.key == sought.key => {
                    if record.is_in_the_way(now) {
                        return Ok(Some(record));
                    }
                    break;
                }
                _ => {}
            }
        }
        // The oldest first. A claimed row is here only if it was in doubt before.
        for row in self.doubts.iter().rev() {
            match row::by_row(conn, *row)? {
                Some(record)
                    if record.claim.caller == sought.caller
                        && record.claim.fingerprint == sought.fingerprint
                        && !matches!(record.state, State::Settled(_)) =>
                {
                    return Ok(Some(record));
                }
                _ => {}
            }
        }
        for row in &self.traces {
            match row::by_row(conn, *row)? {
                Some(record) if sought.is_used_by_another(&record.claim) && record.is_in_the_way(now) => {
                    return Ok(Some(record));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Those of the records in `rows` whose keys left this trace.
pub(super) fn traced(conn: &Connection, rows: &[i64], trace: KeyTrace, limit: usize) -> rusqlite::Result<Vec<Record>> {
    let mut found = Vec::new();
    for row in rows {
        if found.len() >= limit.min(MAX_PAGE) {
            break;
        }
        let record = row::by_row(conn, *row)?;
        found.extend(record.filter(|r| r.claim.trace.is_some_and(|t| t.digest == trace.digest)));
    }
    Ok(found)
}

/// The row of the record with this id.
pub(super) fn row_of(conn: &Connection, id: WriteId) -> rusqlite::Result<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT row FROM writes WHERE id = ?1")?;
    find.query_row([id.0], |r| r.get(0)).optional()
}

/// Open doubts in order of arrival.
pub(super) fn doubts(conn: &Connection, after: Option<WriteId>, limit: usize) -> Result<Vec<Record>, LedgerError> {
    let using = |e| super::error::using(&e);
    let after = match after {
        Some(id) => row_of(conn, id).map_err(using)?.ok_or(LedgerError::NotFound(id))?,
        None => 0,
    };
    let read = || -> rusqlite::Result<Vec<Record>> {
        let condition = "WHERE w.row IN (SELECT row FROM doubts WHERE row > ?1 ORDER BY row LIMIT ?2) ORDER BY w.row";
        let mut find = conn.prepare_cached(&format!("{}{condition}", row::RECORD))?;
        let records = find.query_map([after, limit.min(MAX_PAGE) as i64], row::decode)?;
        records.collect()
    };
    read().map_err(using)
}

/// Who ended the doubt about a write.
pub(super) fn resolution(conn: &Connection, id: WriteId) -> rusqlite::Result<Option<Resolution>> {
    let mut find = conn.prepare_cached(
        "SELECT resolved_by, reason FROM settlements JOIN writes USING (row) WHERE id = ?1 AND resolved_by NOT NULL",
    )?;
    let found = find.query_row([id.0], |r| {
        let by = row::word(r, 0, row::parse_resolver)?;
        let reason = r.get(1)?;
        Ok(Resolution { by, reason })
    });
    found.optional()
}

/// What contradicts itself in the file: pages and indexes (as SQLite finds), and rows that do not belong together.
pub(super) fn check(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut wrong: Vec<String> = conn
        .prepare("PRAGMA integrity_check(20)")?
        .query_map([], |r| r.get(0))?
        .filter(|found| !matches!(found, Ok(told) if told == "ok"))
        .collect::<Result<_, _>>()?;
    let counts = [
        (
            "settled writes have no settlement",
            "state = 'settled' AND row NOT IN (SELECT row FROM settlements)",
        ),
        (
            "writes in doubt have no doubt",
            "state = 'doubted' AND row NOT IN (SELECT row FROM doubts)",
        ),
        (
            "fences were never given out",
            "fence > (SELECT given_out_up_to FROM fences)",
        ),
    ];
    for (what, condition) in counts {
        let sql = format!("SELECT count(*) FROM writes WHERE {condition}");
        let count: i64 = conn.query_row(&sql, [], |r| r.get(0))?;
        if count > 0 {
            wrong.push(format!("{count} {what}"));
        }
    }
    Ok(wrong)
}

/// How many rows a slice of a purge looks at.
const SLICE: i64 = 2_000;

/// A slice of the search for expired records.
#[derive(Debug)]
pub(super) struct Expired {
    /// Settled rows whose time is over.
    pub(super) rows: Vec<i64>,
    /// When the next of the others expires (ms).
    pub(super) earliest: i64,
    /// Where the next slice begins; `None` after the last.
    pub(super) next: Option<i64>,
}

/// Looks for expired records after row `after`.
pub(super) fn expired(conn: &Connection, after: i64, now: i64) -> rusqlite::Result<Expired> {
    let mut find =
        conn.prepare_cached("SELECT row, state, expires FROM writes WHERE row > ?1 ORDER BY row LIMIT ?2")?;
    let mut found = Expired {
        rows: Vec::new(),
        earliest: i64::MAX,
        next: None,
    };
    let mut rows = find.query([after, SLICE])?;
    let mut seen = 0;
    while let Some(r) = rows.next()? {
        let number = r.get(0)?;
        seen += 1;
        found.next = (seen == SLICE).then_some(number);
        if r.get_ref(1)?.as_str()? != row::SETTLED {
            continue;
        }
        match r.get::<_, Option<i64>>(2)? {
            Some(at) if at <= now => found.rows.push(number),
            Some(at) => found.earliest = found.earliest.min(at),
            None => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use tiebreak_core::caller::CallerId;
    use tiebreak_core::fingerprint::{Digest, Fingerprint};
    use tiebreak_core::key::KeyDigest;
    use tiebreak_core::record::Claim;

    use super::super::{Options, SqliteLedger};
    use super::*;
    use crate::{Claimed, Ledger};

    fn claim(n: u8) -> Claim {
        Claim {
            id: WriteId([n; 16]),
            key: Some(KeyDigest(Digest([n; 32]))),
            trace: Some(KeyTrace {
                digest: Digest([n; 32]),
                exclusive: true,
            }),
            caller: CallerId(Digest([n; 32])),
            fingerprint: Fingerprint(Digest([n; 32])),
            method: "POST".into(),
            target: "http://a.example/".into(),
            lanes: vec![],
            attempt: 1,
            held: None,
            at: Time(1),
            expires: None,
        }
    }

    #[tokio::test]
    async fn equal_hashes_are_told_apart_by_the_row() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(dir.path().join("t.ledger"), Options::default()).unwrap();
        assert!(matches!(ledger.claim(claim(1)).await, Ok(Claimed::Granted(_))));
        let row = 1;
        let other = claim(2);
        let hashes = Hashes::of(&other.sought(), &ledger.shared.hasher);
        ledger.shared.index().keys.insert(hashes.key.unwrap(), row);
        ledger.shared.index().traces.insert(hashes.trace.unwrap(), row);
        ledger.shared.index().doubts.insert(hashes.same, row);
        assert_eq!(ledger.look_up(other.sought(), Time(1)).await, Ok(None));
        assert_eq!(ledger.traced(other.trace.unwrap(), 9).await, Ok(vec![]));
        assert!(matches!(ledger.claim(other).await, Ok(Claimed::Granted(_))));
    }
}
