//! The changes themselves, one statement or two each, within the writer's transaction.
//!
//! What is known in memory follows each change at once and is taken back if the transaction fails. Removals from the
//! shared index wait for the commit: a reader that still finds the row compares it and sees its state.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rusqlite::{Connection, OptionalExtension, Statement, params};
use tiebreak_core::key::KeyDigest;
use tiebreak_core::record::{Doubt, Fence, Record, State, WriteId};

use super::Shared;
use super::change::{NewClaim, Settling};
use super::error::Trouble;
use super::finding::{self, Hashes, Places};
use super::index::Hash;
use super::row::{self, CLAIMED, DOUBTED, SETTLED};
use crate::bounds::Bounds;
use crate::{Claimed, LedgerError, Resolution};

/// How many fences are given out per note of it on disk. The rest of a block is skipped after a restart.
const FENCES: u64 = 1 << 16;

/// What is known of a claimed write without reading its row.
#[derive(Debug, Clone)]
struct Open {
    row: i64,
    fence: Fence,
    hashes: Hashes,
    expires: Option<i64>,
    /// The doubt that a retaking ended.
    retaken: Option<Doubt>,
}

/// How many records there are of each state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) claimed: u64,
    pub(super) settled: u64,
    pub(super) in_doubt: u64,
}

/// Takes back what a failed transaction left in memory.
#[derive(Debug)]
enum Undo {
    Open(WriteId, Option<Open>),
    Key(Hash, i64),
    Trace(Hash, i64),
    Doubt(Hash, i64),
}

/// Leaves the index once the transaction is durable.
#[derive(Debug)]
enum Gone {
    Key(Hash, i64),
    Trace(Hash, i64),
    Doubt(Hash, i64),
}

struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    claim: Statement<'c>,
    amend: Statement<'c>,
    state: Statement<'c>,
    settlement: Statement<'c>,
    doubt: Statement<'c>,
    fences: Statement<'c>,
}

/// What the writer works with.
pub(super) struct Desk<'c> {
    conn: &'c Connection,
    statements: Statements<'c>,
    shared: Arc<Shared>,
    open: HashMap<WriteId, Open>,
    pub(super) bounds: Bounds,
    last_row: i64,
    last_fence: u64,
    /// Fences up to this one are noted on disk as given out, before this transaction and in it.
    noted: (u64, u64),
    counts: Counts,
    counts_before: Counts,
    undo: Vec<Undo>,
    gone: Vec<Gone>,
}

impl<'c> Desk<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        shared: Arc<Shared>,
        bounds: Bounds,
        last_row: i64,
    ) -> rusqlite::Result<Desk<'c>> {
        let statements = Statements {
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            commit: conn.prepare("COMMIT")?,
            claim: conn.prepare(
                "INSERT INTO writes (row, state, fence, key, expires, id, caller, fingerprint, method, target, lanes,
                 attempt, held, claimed_at, trace, exclusive)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?,
            amend: conn.prepare("UPDATE writes SET state = ?2, fence = ?3, attempt = ?4, held = ?5 WHERE row = ?1")?,
            state: conn.prepare("UPDATE writes SET state = ?2 WHERE row = ?1")?,
            settlement: conn.prepare(
                "INSERT INTO settlements (row, outcome, status, fields, content, truncated, class, evidence,
                 guarantee, attempts, settled_at, resolved_by, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?,
            doubt: conn
                .prepare("INSERT INTO doubts (row, reason, attempts, guarantee, since) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            fences: conn.prepare("UPDATE fences SET given_out_up_to = ?1")?,
        };
        let noted: i64 = conn.query_row("SELECT given_out_up_to FROM fences", [], |r| r.get(0))?;
        let noted = noted.unsigned_abs();
        let counts = *shared.counts();
        Ok(Desk {
            conn,
            statements,
            shared,
            open: HashMap::new(),
            bounds,
            last_row,
            last_fence: noted,
            noted: (noted, noted),
            counts,
            counts_before: counts,
            undo: Vec::new(),
            gone: Vec::new(),
        })
    }

    pub(super) fn conn(&self) -> &'c Connection {
        self.conn
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.counts_before = self.counts;
        self.statements.begin.execute([]).map(drop)
    }

    /// Makes everything since [`Desk::begin`] durable.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.statements.commit.execute([])?;
        self.noted.0 = self.noted.1;
        self.undo.clear();
        *self.shared.counts() = self.counts;
        if !self.gone.is_empty() {
            let mut index = self.shared.index();
            for gone in self.gone.drain(..) {
                match gone {
                    Gone::Key(hash, row) => index.keys.remove(hash, row),
                    Gone::Trace(hash, row) => index.traces.remove(hash, row),
                    Gone::Doubt(hash, row) => index.doubts.remove(hash, row),
                }
            }
        }
        Ok(())
    }

    /// Takes back everything since [`Desk::begin`]. Returns whether SQLite could.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        self.counts = self.counts_before;
        self.noted.1 = self.noted.0;
        self.gone.clear();
        let mut index = self.shared.index();
        for undo in self.undo.drain(..).rev() {
            match undo {
                Undo::Open(id, Some(open)) => drop(self.open.insert(id, open)),
                Undo::Open(id, None) => drop(self.open.remove(&id)),
                Undo::Key(hash, row) => index.keys.remove(hash, row),
                Undo::Trace(hash, row) => index.traces.remove(hash, row),
                Undo::Doubt(hash, row) => index.doubts.remove(hash, row),
            }
        }
        drop(index);
        // Some failures have ended the transaction already.
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.conn.execute_batch("ROLLBACK")
    }

    pub(super) fn claim(&mut self, new: &NewClaim) -> Result<Claimed, Trouble> {
        let claim = &new.claim;
        let sought = claim.sought();
        let places = Places::of(&self.shared.index(), new.hashes, &sought);
        if let Some(found) = places.look(self.conn, &sought, claim.at)? {
            return Ok(Claimed::Taken(Box::new(found)));
        }
        self.check_room()?;
        let fence = self.next_fence()?;
        let row = self.last_row + 1;
        let expires = claim.expires.map(row::millis);
        let inserted = self.statements.claim.execute(params![
            row,
            CLAIMED,
            fence.0 as i64,
            claim.key.as_ref().map(|k| &k.0.0[..]),
            expires,
            &claim.id.0[..],
            &claim.caller.0.0[..],
            &claim.fingerprint.0.0[..],
            claim.method,
            claim.target,
            new.lanes,
            claim.attempt,
            claim.held,
            row::millis(claim.at),
            claim.trace.as_ref().map(|t| &t.digest.0[..]),
            claim.trace.map(|t| t.exclusive),
        ]);
        match inserted {
            Ok(_) => {}
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                let why = format!("the id {} was used before", claim.id);
                return Err(Trouble::Rule(LedgerError::Unavailable(why)));
            }
            Err(e) => return Err(e.into()),
        }
        self.last_row = row;
        if let Some(hash) = new.hashes.key {
            self.shared.index().keys.insert(hash, row);
            self.undo.push(Undo::Key(hash, row));
        }
        if let Some(hash) = new.hashes.trace {
            self.shared.index().traces.insert(hash, row);
            self.undo.push(Undo::Trace(hash, row));
        }
        let open = Open {
            row,
            fence,
            hashes: new.hashes,
            expires,
            retaken: None,
        };
        self.set_open(claim.id, Some(open));
        self.counts.claimed += 1;
        Ok(Claimed::Granted(fence))
    }

    pub(super) fn amend(
        &mut self,
        id: WriteId,
        fence: Fence,
        attempt: u32,
        held: &Option<String>,
    ) -> Result<Fence, Trouble> {
        let open = self.claimed(id, fence)?;
        let fence = self.next_fence()?;
        let changed = (self.statements.amend).execute(params![open.row, CLAIMED, fence.0 as i64, attempt, held])?;
        one(changed, id)?;
        self.set_open(id, Some(Open { fence, ..open }));
        Ok(fence)
    }

    pub(super) fn settle(&mut self, id: WriteId, fence: Fence, settling: &mut Settling) -> Result<(), Trouble> {
        let open = self.claimed(id, fence)?;
        one(self.statements.state.execute(params![open.row, SETTLED])?, id)?;
        self.insert_settlement(open.row, settling, None)?;
        self.will_expire(open.expires);
        if open.retaken.is_some() {
            self.gone.push(Gone::Doubt(open.hashes.same, open.row));
        }
        self.set_open(id, None);
        self.counts.claimed -= 1;
        self.counts.settled += 1;
        Ok(())
    }

    pub(super) fn doubt(&mut self, id: WriteId, fence: Fence, doubt: &Doubt) -> Result<(), Trouble> {
        let open = self.claimed(id, fence)?;
        one(self.statements.state.execute(params![open.row, DOUBTED])?, id)?;
        let reason = row::unknown(doubt.reason);
        let (guarantee, since) = (doubt.guarantee.as_str(), row::millis(doubt.since));
        (self.statements.doubt).execute(params![open.row, reason, doubt.attempts, guarantee, since])?;
        if open.retaken.is_none() {
            self.shared.index().doubts.insert(open.hashes.same, open.row);
            self.undo.push(Undo::Doubt(open.hashes.same, open.row));
        }
        self.set_open(id, None);
        self.counts.claimed -= 1;
        self.counts.in_doubt += 1;
        Ok(())
    }

    pub(super) fn release(&mut self, id: WriteId, fence: Fence) -> Result<(), Trouble> {
        let open = self.claimed(id, fence)?;
        let mut delete = self.conn.prepare_cached("DELETE FROM writes WHERE row = ?1")?;
        one(delete.execute([open.row])?, id)?;
        self.forget_key(open.hashes.key, open.hashes.trace, open.row);
        if open.retaken.is_some() {
            self.gone.push(Gone::Doubt(open.hashes.same, open.row));
        }
        self.set_open(id, None);
        self.counts.claimed -= 1;
        Ok(())
    }

    pub(super) fn resolve(
        &mut self,
        id: WriteId,
        settling: &mut Settling,
        resolution: &Resolution,
    ) -> Result<Record, Trouble> {
        let (row, record, _doubt) = self.in_doubt(id)?;
        one(self.statements.state.execute(params![row, SETTLED])?, id)?;
        self.delete_doubt(row)?;
        self.insert_settlement(row, settling, Some(resolution))?;
        self.will_expire(record.claim.expires.map(row::millis));
        let same = self.shared.hasher.same(&record.claim.caller, &record.claim.fingerprint);
        self.gone.push(Gone::Doubt(same, row));
        self.counts.in_doubt -= 1;
        self.counts.settled += 1;
        Ok(row::by_row(self.conn, row)?.ok_or(LedgerError::NotFound(id))?)
    }

    pub(super) fn retake(&mut self, id: WriteId, attempt: u32, held: &Option<String>) -> Result<Fence, Trouble> {
        let (row, record, doubt) = self.in_doubt(id)?;
        self.check_room()?;
        let fence = self.next_fence()?;
        let changed = (self.statements.amend).execute(params![row, CLAIMED, fence.0 as i64, attempt, held])?;
        one(changed, id)?;
        self.delete_doubt(row)?;
        let claim = &record.claim;
        let open = Open {
            row,
            fence,
            hashes: Hashes::of(&claim.sought(), &self.shared.hasher),
            expires: claim.expires.map(row::millis),
            retaken: Some(doubt),
        };
        self.set_open(id, Some(open));
        self.counts.in_doubt -= 1;
        self.counts.claimed += 1;
        Ok(fence)
    }

    pub(super) fn put_back(&mut self, id: WriteId, fence: Fence) -> Result<(), Trouble> {
        match self.claimed(id, fence)?.retaken {
            Some(doubt) => self.doubt(id, fence, &doubt),
            None => self.release(id, fence),
        }
    }

    pub(super) fn purge(&mut self, rows: &[i64], now: i64) -> Result<u64, Trouble> {
        let conn = self.conn;
        let mut find = conn
            .prepare_cached("SELECT key, trace FROM writes WHERE row = ?1 AND state = 'settled' AND expires <= ?2")?;
        let mut count = 0;
        for &row in rows {
            let found = find.query_row([row, now], |r| Ok((row::digest(r, 0)?, row::digest(r, 1)?)));
            let Some((key, trace)) = found.optional()? else {
                continue;
            };
            for table in ["writes", "settlements"] {
                conn.prepare_cached(&format!("DELETE FROM {table} WHERE row = ?1"))?
                    .execute([row])?;
            }
            let hasher = &self.shared.hasher;
            self.forget_key(
                key.map(|k| hasher.key(&KeyDigest(k))),
                trace.map(|t| hasher.trace(&t)),
                row,
            );
            count += 1;
        }
        self.counts.settled -= count;
        Ok(count)
    }

    fn forget_key(&mut self, key: Option<Hash>, trace: Option<Hash>, row: i64) {
        self.gone.extend(key.map(|key| Gone::Key(key, row)));
        self.gone.extend(trace.map(|trace| Gone::Trace(trace, row)));
    }

    fn claimed(&self, id: WriteId, fence: Fence) -> Result<Open, Trouble> {
        match self.open.get(&id) {
            Some(open) if open.fence == fence => Ok(open.clone()),
            Some(_) => Err(LedgerError::Fenced(id).into()),
            None => Err(match row::by_id(self.conn, id)? {
                Some(record) if record.fence != fence => LedgerError::Fenced(id).into(),
                _ => LedgerError::NotFound(id).into(),
            }),
        }
    }

    fn in_doubt(&self, id: WriteId) -> Result<(i64, Record, Doubt), Trouble> {
        let not_found = LedgerError::NotFound(id);
        let row = finding::row_of(self.conn, id)?.ok_or_else(|| not_found.clone())?;
        let record = row::by_row(self.conn, row)?.ok_or_else(|| not_found.clone())?;
        match record.state {
            State::InDoubt(doubt) => Ok((row, record, doubt)),
            State::Claimed | State::Settled(_) => Err(not_found.into()),
        }
    }

    fn check_room(&self) -> Result<(), LedgerError> {
        if self.open.len() >= self.bounds.outstanding {
            return Err(self.bounds.too_many());
        }
        Ok(())
    }

    fn next_fence(&mut self) -> rusqlite::Result<Fence> {
        if self.last_fence >= self.noted.1 {
            let up_to = self.last_fence + FENCES;
            self.statements.fences.execute([up_to as i64])?;
            self.noted.1 = up_to;
        }
        self.last_fence += 1;
        Ok(Fence(self.last_fence))
    }

    fn set_open(&mut self, id: WriteId, open: Option<Open>) {
        let before = match open {
            Some(open) => self.open.insert(id, open),
            None => self.open.remove(&id),
        };
        self.undo.push(Undo::Open(id, before));
    }

    fn delete_doubt(&self, row: i64) -> rusqlite::Result<()> {
        let mut delete = self.conn.prepare_cached("DELETE FROM doubts WHERE row = ?1")?;
        delete.execute([row]).map(drop)
    }

    fn insert_settlement(
        &mut self,
        row: i64,
        settling: &mut Settling,
        resolution: Option<&Resolution>,
    ) -> rusqlite::Result<()> {
        if settling.settlement.content.len() > self.bounds.content || settling.fields.len() > self.bounds.fields {
            // The disk filled up since it was prepared.
            *settling = Settling::new(settling.settlement.clone(), &self.bounds);
        }
        let s = &settling.settlement;
        let inserted = self.statements.settlement.execute(params![
            row,
            s.outcome.as_str(),
            s.status,
            settling.fields,
            &s.content[..],
            s.truncated,
            s.class.map(|c| c.as_str()),
            s.evidence,
            s.guarantee.as_str(),
            s.attempts,
            row::millis(s.at),
            resolution.map(|r| row::resolver(r.by)),
            resolution.map(|r| &r.reason),
        ]);
        inserted.map(drop)
    }

    fn will_expire(&self, at: Option<i64>) {
        if let Some(at) = at {
            self.shared.earliest.fetch_min(at, Relaxed);
        }
    }
}

/// The index and the table must agree.
fn one(changed: usize, id: WriteId) -> Result<(), LedgerError> {
    match changed {
        1 => Ok(()),
        _ => Err(LedgerError::Damaged(format!("the row of write {id} is missing"))),
    }
}
