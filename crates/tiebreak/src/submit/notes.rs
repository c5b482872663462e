//! What a run has to remember of every line: which submissions it has met, and what became of them.
//!
//! Both grow with the input, so they are kept in a temporary database: pages that fit into a fixed cache stay in
//! memory, the rest goes to a file without a name that is gone when the process ends, however it ends.

use rusqlite::{Connection, OptionalExtension, params};
use tiebreak_core::fingerprint::Digest;

use super::entry::{Digests, Entry, Name};
use super::outcome::LineResult;

/// Pages held in memory, in KiB.
const CACHE: i64 = 24 << 10;

/// Why a note could not be made or read; completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("keep notes in the directory for temporary files: {0}; free some space there, or name another with TMPDIR")]
pub(super) struct NoteError(#[from] rusqlite::Error);

/// The line at which a name was met, and what was asked under it.
type Found = (u64, Option<Vec<u8>>);

/// The notes of one run.
#[derive(Debug)]
pub(super) struct Notes {
    db: Connection,
}

/// Whether a line is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Met {
    New,
    /// The same submission as this line.
    Same(u64),
    /// It has this name from an earlier line, and asks for something else.
    Contradicts(u64, Name),
}

impl Notes {
    /// Notes without an entry.
    pub(super) fn open() -> Result<Notes, NoteError> {
        let db = Connection::open("")?;
        db.execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE};
             CREATE TABLE met (name BLOB PRIMARY KEY, line INTEGER NOT NULL, asked BLOB) WITHOUT ROWID;
             CREATE TABLE results (line INTEGER PRIMARY KEY, result TEXT NOT NULL);"
        ))?;
        db.set_prepared_statement_cache_capacity(16);
        // One transaction for all: nothing of it has to outlast the process.
        db.execute_batch("BEGIN")?;
        Ok(Notes { db })
    }

    /// Notes that `entry` was met, and says whether it was met before.
    pub(super) fn meet(&self, entry: &Entry, digests: &Digests) -> Result<Met, NoteError> {
        if let Some((line, _)) = self.find(&digests.whole)? {
            return Ok(Met::Same(line));
        }
        for name in &entry.names {
            if let Some((line, asked)) = self.find(&name.digest())? {
                if asked.as_deref() == Some(&digests.asked.0[..]) {
                    return Ok(Met::Same(line));
                }
                // Its own repeats are repeats of this line.
                self.note(&digests.whole, entry.line, None)?;
                return Ok(Met::Contradicts(line, name.clone()));
            }
        }
        self.note(&digests.whole, entry.line, None)?;
        for name in &entry.names {
            self.note(&name.digest(), entry.line, Some(&digests.asked))?;
        }
        Ok(Met::New)
    }

    fn find(&self, name: &Digest) -> Result<Option<Found>, NoteError> {
        let mut query = self.db.prepare_cached("SELECT line, asked FROM met WHERE name = ?1")?;
        let found = query.query_row(params![&name.0[..]], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
        Ok(found.optional()?.map(|(line, asked)| (line.unsigned_abs(), asked)))
    }

    fn note(&self, name: &Digest, line: u64, asked: Option<&Digest>) -> Result<(), NoteError> {
        let mut insert = self
            .db
            .prepare_cached("INSERT OR IGNORE INTO met VALUES (?1, ?2, ?3)")?;
        insert.execute(params![&name.0[..], line.cast_signed(), asked.map(|d| &d.0[..])])?;
        Ok(())
    }

    /// Notes what became of a line.
    pub(super) fn put(&self, result: &LineResult) -> Result<(), NoteError> {
        let text = serde_json::to_string(result).unwrap_or_default();
        let mut insert = self
            .db
            .prepare_cached("INSERT OR REPLACE INTO results VALUES (?1, ?2)")?;
        insert.execute(params![result.line.cast_signed(), text])?;
        Ok(())
    }

    /// What became of line `line`, where that is known.
    pub(super) fn result(&self, line: u64) -> Result<Option<LineResult>, NoteError> {
        let mut query = self.db.prepare_cached("SELECT result FROM results WHERE line = ?1")?;
        let text: Option<String> = query.query_row([line.cast_signed()], |row| row.get(0)).optional()?;
        Ok(text.and_then(|t| serde_json::from_str(&t).ok()))
    }

    /// The results of all lines, in the order of the input; a repeat with what became of the line that it repeats.
    pub(super) fn results<E: From<NoteError>>(
        &self,
        mut each: impl FnMut(&LineResult) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut query = self
            .db
            .prepare("SELECT result FROM results ORDER BY line")
            .map_err(NoteError)?;
        let mut rows = query.query([]).map_err(NoteError)?;
        while let Some(row) = rows.next().map_err(NoteError)? {
            let text: String = row.get(0).map_err(NoteError)?;
            let Ok(mut result) = serde_json::from_str::<LineResult>(&text) else {
                continue;
            };
            if let Some(of) = result.duplicate_of
                && let Some(first) = self.result(of)?
            {
                result = LineResult {
                    line: result.line,
                    outcome: result.outcome,
                    duplicate_of: Some(of),
                    first: Some(first.outcome),
                    attempts: 0,
                    evidence: format!("the same submission as line {of}: {}", first.evidence),
                    ..first
                };
            }
            each(&result)?;
        }
        Ok(())
    }
}
