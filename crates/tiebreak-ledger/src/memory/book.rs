//! The rules of a ledger as a plain data structure, without time, tasks or disk.

use std::collections::{BTreeMap, BTreeSet};

use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::Unknown;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, State, WriteId};
use tiebreak_core::time::Time;

use crate::bounds::Bounds;
use crate::search::{Found, MAX_FOUND, MAX_LOOKED_AT, Query};
use crate::{Claimed, LedgerError, MAX_PAGE, Resolution, Stats};

#[derive(Debug, Clone)]
struct Entry {
    record: Record,
    resolution: Option<Resolution>,
    /// The doubt that a retaking ended, to go back to if nobody takes the fence.
    retaken: Option<Doubt>,
}

/// Rows in order of arrival, and four indexes. Every map is ordered, so that nothing depends on hashing.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub(super) bounds: Bounds,
    rows: BTreeMap<u64, Entry>,
    ids: BTreeMap<WriteId, u64>,
    keys: BTreeMap<KeyDigest, u64>,
    traces: BTreeMap<Digest, BTreeSet<u64>>,
    doubts: BTreeMap<(CallerId, Fingerprint), BTreeSet<u64>>,
    last_row: u64,
    last_fence: u64,
    claimed: usize,
    /// The latest time that any call told.
    pub(super) latest: Time,
}

impl Book {
    pub(super) fn look_up(&mut self, sought: Sought, now: Time) -> Option<Record> {
        self.latest = self.latest.max(now);
        let by_key = sought
            .key
            .and_then(|k| self.keys.get(&k))
            .map(|row| &self.rows[row].record)
            .filter(|record| record.is_in_the_way(now));
        let by_doubt = || Some(&self.rows[self.doubts.get(&(sought.caller, sought.fingerprint))?.first()?].record);
        let by_trace = || {
            let anybody = self.with_trace(sought.trace?);
            let mut others = anybody.filter(|r| sought.is_used_by_another(&r.claim));
            others.find(|record| record.is_in_the_way(now))
        };
        by_key.or_else(by_doubt).or_else(by_trace).cloned()
    }

    pub(super) fn traced(&self, trace: KeyTrace, limit: usize) -> Vec<Record> {
        self.with_trace(trace).take(limit.min(MAX_PAGE)).cloned().collect()
    }

    /// The newest first.
    fn with_trace(&self, trace: KeyTrace) -> impl Iterator<Item = &Record> {
        let rows = self.traces.get(&trace.digest).into_iter().flatten().rev();
        rows.map(|row| &self.rows[row].record)
    }

    pub(super) fn claim(&mut self, claim: Claim) -> Result<Claimed, LedgerError> {
        self.bounds.check(&claim)?;
        if let Some(record) = self.look_up(claim.sought(), claim.at) {
            return Ok(Claimed::Taken(Box::new(record)));
        }
        if self.ids.contains_key(&claim.id) {
            return Err(LedgerError::Unavailable(format!("the id {} was used before", claim.id)));
        }
        if self.claimed >= self.bounds.outstanding {
            return Err(self.bounds.too_many());
        }
        self.last_row += 1;
        self.claimed += 1;
        let fence = self.next_fence();
        self.ids.insert(claim.id, self.last_row);
        if let Some(key) = claim.key {
            self.keys.insert(key, self.last_row);
        }
        if let Some(trace) = claim.trace {
            self.traces.entry(trace.digest).or_default().insert(self.last_row);
        }
        let state = State::Claimed;
        let record = Record { claim, fence, state };
        let entry = Entry {
            record,
            resolution: None,
            retaken: None,
        };
        self.rows.insert(self.last_row, entry);
        Ok(Claimed::Granted(fence))
    }

    pub(super) fn amend(
        &mut self,
        id: WriteId,
        fence: Fence,
        attempt: u32,
        held: Option<String>,
    ) -> Result<Fence, LedgerError> {
        let row = self.claimed(id, fence)?;
        let fence = self.next_fence();
        let record = &mut self.entry(row).record;
        record.fence = fence;
        record.claim.attempt = attempt;
        record.claim.held = held;
        Ok(fence)
    }

    pub(super) fn settle(&mut self, id: WriteId, fence: Fence, mut settlement: Settlement) -> Result<(), LedgerError> {
        let row = self.claimed(id, fence)?;
        self.bounds.cut(&mut settlement);
        self.latest = self.latest.max(settlement.at);
        self.claimed -= 1;
        self.leave_doubt(row);
        let entry = self.entry(row);
        entry.retaken = None;
        entry.record.state = State::Settled(settlement);
        Ok(())
    }

    pub(super) fn doubt(&mut self, id: WriteId, fence: Fence, doubt: Doubt) -> Result<(), LedgerError> {
        let row = self.claimed(id, fence)?;
        self.latest = self.latest.max(doubt.since);
        self.enter_doubt(row, doubt);
        Ok(())
    }

    pub(super) fn release(&mut self, id: WriteId, fence: Fence) -> Result<(), LedgerError> {
        let row = self.claimed(id, fence)?;
        self.claimed -= 1;
        self.leave_doubt(row);
        self.remove(row);
        Ok(())
    }

    pub(super) fn resolve(
        &mut self,
        id: WriteId,
        mut settlement: Settlement,
        mut resolution: Resolution,
    ) -> Result<Record, LedgerError> {
        let row = self.in_doubt(id)?;
        self.bounds.cut(&mut settlement);
        self.bounds.cut_text(&mut resolution.reason);
        self.latest = self.latest.max(settlement.at);
        self.leave_doubt(row);
        let entry = self.entry(row);
        entry.record.state = State::Settled(settlement);
        entry.resolution = Some(resolution);
        Ok(entry.record.clone())
    }

    pub(super) fn retake(&mut self, id: WriteId, attempt: u32, held: Option<String>) -> Result<Fence, LedgerError> {
        let row = self.in_doubt(id)?;
        if self.claimed >= self.bounds.outstanding {
            return Err(self.bounds.too_many());
        }
        let fence = self.next_fence();
        self.claimed += 1;
        let entry = self.entry(row);
        if let State::InDoubt(doubt) = entry.record.state {
            entry.retaken = Some(doubt);
        }
        entry.record.state = State::Claimed;
        entry.record.fence = fence;
        entry.record.claim.attempt = attempt;
        entry.record.claim.held = held;
        Ok(fence)
    }

    /// Puts back what was given out under `fence`, which nobody saw.
    pub(super) fn put_back(&mut self, id: WriteId, fence: Fence) {
        let Ok(row) = self.claimed(id, fence) else { return };
        match self.entry(row).retaken {
            Some(doubt) => self.enter_doubt(row, doubt),
            None => {
                let _released = self.release(id, fence);
            }
        }
    }

    pub(super) fn get(&self, id: WriteId) -> Option<Record> {
        Some(self.rows[self.ids.get(&id)?].record.clone())
    }

    pub(super) fn resolution(&self, id: WriteId) -> Option<Resolution> {
        self.rows[self.ids.get(&id)?].resolution.clone()
    }

    pub(super) fn doubts(&self, after: Option<WriteId>, limit: usize) -> Result<Vec<Record>, LedgerError> {
        let after = match after {
            Some(id) => *self.ids.get(&id).ok_or(LedgerError::NotFound(id))?,
            None => 0,
        };
        let records = self.rows.range(after + 1..).map(|(_, entry)| &entry.record);
        let open = records.filter(|r| matches!(r.state, State::InDoubt(_)));
        Ok(open.take(limit.min(MAX_PAGE)).cloned().collect())
    }

    pub(super) fn search(&self, query: &Query, before: Option<WriteId>, limit: usize) -> Found {
        let limit = limit.min(MAX_FOUND);
        let (low, high) = query.ids(before);
        let mut found = Found::default();
        let between = if low < high { low..high } else { low..low };
        for (looked_at, (id, row)) in self.ids.range(between).rev().enumerate() {
            if found.records.len() == limit || looked_at == MAX_LOOKED_AT {
                return found;
            }
            let record = &self.rows[row].record;
            if query.matches(record) {
                found.records.push(record.clone());
            }
            found.next = Some(*id);
        }
        found.next = None;
        found
    }

    pub(super) fn purge(&mut self, now: Time) -> u64 {
        self.latest = self.latest.max(now);
        let rows = self.rows.iter();
        let gone: Vec<u64> = rows
            .filter(|(_, e)| over(&e.record, now))
            .map(|(row, _)| *row)
            .collect();
        gone.iter().for_each(|row| self.remove(*row));
        gone.len() as u64
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for entry in self.rows.values() {
            match &entry.record.state {
                State::Claimed => stats.claimed += 1,
                State::InDoubt(_) => stats.in_doubt += 1,
                State::Settled(settlement) => {
                    stats.settled += 1;
                    stats.bytes += settlement.content.len() as u64;
                }
            }
            stats.bytes += (size_of::<Entry>() + entry.record.claim.target.len()) as u64;
        }
        stats
    }

    /// What contradicts itself.
    pub(super) fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for entry in self.rows.values() {
            let record = &entry.record;
            if record.fence.0 > self.last_fence {
                wrong.push(format!("the fence of {} was never given out", record.claim.id));
            }
        }
        let claimed = self.rows.values().filter(|e| e.record.state == State::Claimed).count();
        if claimed != self.claimed {
            wrong.push(format!("{claimed} writes are claimed, {} were counted", self.claimed));
        }
        wrong
    }

    /// What a new process finds: everything claimed is in doubt.
    pub(super) fn reopen(&self, now: Time) -> Book {
        let mut book = self.clone();
        book.latest = book.latest.max(now);
        let claimed = book.rows.iter().filter(|(_, e)| e.record.state == State::Claimed);
        let claimed: Vec<(u64, u32)> = claimed.map(|(row, e)| (*row, e.record.claim.attempt)).collect();
        for (row, attempts) in claimed {
            let doubt = Doubt {
                reason: Unknown::Crash,
                attempts,
                guarantee: Guarantee::D,
                since: now,
            };
            book.enter_doubt(row, doubt);
        }
        book
    }

    fn next_fence(&mut self) -> Fence {
        self.last_fence += 1;
        Fence(self.last_fence)
    }

    fn entry(&mut self, row: u64) -> &mut Entry {
        self.rows.get_mut(&row).expect("every index names a row that is there")
    }

    fn claimed(&self, id: WriteId, fence: Fence) -> Result<u64, LedgerError> {
        let row = *self.ids.get(&id).ok_or(LedgerError::NotFound(id))?;
        let record = &self.rows[&row].record;
        if record.fence != fence {
            return Err(LedgerError::Fenced(id));
        }
        match record.state {
            State::Claimed => Ok(row),
            State::Settled(_) | State::InDoubt(_) => Err(LedgerError::NotFound(id)),
        }
    }

    fn in_doubt(&self, id: WriteId) -> Result<u64, LedgerError> {
        let row = *self.ids.get(&id).ok_or(LedgerError::NotFound(id))?;
        match self.rows[&row].record.state {
            State::InDoubt(_) => Ok(row),
            State::Claimed | State::Settled(_) => Err(LedgerError::NotFound(id)),
        }
    }

    fn enter_doubt(&mut self, row: u64, doubt: Doubt) {
        self.claimed -= 1;
        let entry = self.entry(row);
        entry.retaken = None;
        entry.record.state = State::InDoubt(doubt);
        let same = (entry.record.claim.caller, entry.record.claim.fingerprint);
        self.doubts.entry(same).or_default().insert(row);
    }

    fn leave_doubt(&mut self, row: u64) {
        let claim = &self.rows[&row].record.claim;
        let same = (claim.caller, claim.fingerprint);
        if let Some(rows) = self.doubts.get_mut(&same) {
            rows.remove(&row);
            if rows.is_empty() {
                self.doubts.remove(&same);
            }
        }
    }

    fn remove(&mut self, row: u64) {
        if let Some(entry) = self.rows.remove(&row) {
            self.ids.remove(&entry.record.claim.id);
            if let Some(key) = entry.record.claim.key
                && self.keys.get(&key) == Some(&row)
            {
                self.keys.remove(&key);
            }
            if let Some(trace) = entry.record.claim.trace
                && let Some(rows) = self.traces.get_mut(&trace.digest)
            {
                rows.remove(&row);
                if rows.is_empty() {
                    self.traces.remove(&trace.digest);
                }
            }
        }
    }
}

/// Whether the record is settled and its time is over.
fn over(record: &Record, now: Time) -> bool {
    matches!(record.state, State::Settled(_)) && record.claim.expires.is_some_and(|at| at <= now)
}
