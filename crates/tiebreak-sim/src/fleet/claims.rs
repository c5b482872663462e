//! The statements about writes.

use tiebreak_core::key::KeyTrace;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, State, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::Resolution;
use tiebreak_ledger::search::{Found, MAX_FOUND, Query};

use super::tables::{Row, Tables};
use crate::sabotage::Sabotage;
use crate::trace::Event;

impl Tables {
    /// What stands in the way of a write.
    #[must_use]
    pub fn look_up(&self, sought: &Sought, now: Time) -> Option<Record> {
        let mut rows = self.rows.values();
        let stands = |row: &&Row| !is_over(row, now);
        let by_key = sought.key.and_then(|key| {
            let mut holders = rows.clone().filter(stands);
            holders.find(|row| row.slot == Some(key))
        });
        let by_doubt = || {
            let same = |row: &&Row| is_same(row, sought);
            rows.clone().find(|row| row.doubtful && same(row))
        };
        let found = by_key.or_else(by_doubt).or_else(|| {
            let others = |row: &&Row| row.slot.is_some() && sought.is_used_by_another(&row.record.claim);
            rows.find(|row| others(row) && stands(row))
        });
        found.map(|row| row.record.clone())
    }

    pub(super) fn claim(&mut self, owner: i64, claim: &Claim) -> Option<Fence> {
        let number = self.register.claimed(claim);
        for row in self.rows.values_mut().filter(|row| row.slot.is_some()) {
            let same = row.slot == claim.key || claim.sought().is_used_by_another(&row.record.claim);
            if same && is_over(row, claim.at) {
                row.slot = None;
            }
        }
        let host = self.owners.get(&owner)?.host;
        let sought = claim.sought();
        let doubtful = self.rows.values().any(|row| row.doubtful && is_same(row, &sought));
        if doubtful && self.sabotage != Sabotage::DoubtsForgotten {
            return None;
        }
        let taken = |row: &Row| {
            let traced = row.record.claim.trace.zip(claim.trace);
            let exclusive = traced.is_some_and(|(a, b)| a == b && a.exclusive);
            let again = exclusive && row.record.claim.fingerprint == claim.fingerprint;
            row.slot.is_some() && (row.slot == claim.key || again)
        };
        if self.rows.values().any(taken) || self.ids.contains_key(&claim.id) {
            return None;
        }
        let (row, fence) = (self.next_row(), self.next_fence());
        self.ids.insert(claim.id, row);
        let record = Record {
            claim: claim.clone(),
            fence,
            state: State::Claimed,
        };
        let new = Row {
            slot: claim.key,
            owner: Some(owner),
            doubtful: false,
            doubt: None,
            resolution: None,
            record,
        };
        self.rows.insert(row, new);
        self.trace.note(Event::Claimed(number, claim.id, fence, host));
        Some(fence)
    }

    pub(super) fn amend(&mut self, id: WriteId, fence: Fence, attempt: u32, held: Option<String>) -> Option<Fence> {
        self.claimed(id, fence)?;
        self.take(id, attempt, held, None)
    }

    pub(super) fn retake(&mut self, owner: i64, id: WriteId, attempt: u32, held: Option<String>) -> Option<Fence> {
        let row = self.row(id)?;
        if !matches!(row.record.state, State::InDoubt(_)) || !self.owners.contains_key(&owner) {
            return None;
        }
        self.take(id, attempt, held, Some(owner))
    }

    /// The next attempt, under a new fence.
    fn take(&mut self, id: WriteId, attempt: u32, held: Option<String>, owner: Option<i64>) -> Option<Fence> {
        let fence = self.next_fence();
        let row = self.row(id)?;
        row.owner = owner.or(row.owner);
        row.record.state = State::Claimed;
        row.record.fence = fence;
        row.record.claim.attempt = attempt;
        row.record.claim.held = held;
        let owner = row.owner.and_then(|o| self.owners.get(&o));
        let host = owner.map_or(usize::MAX, |o| o.host);
        self.note(|number| Event::Claimed(number, id, fence, host), id);
        Some(fence)
    }

    pub(super) fn settle(&mut self, id: WriteId, fence: Fence, settlement: &Settlement) -> Option<()> {
        let row = self.claimed(id, fence)?;
        (row.owner, row.doubtful) = (None, false);
        row.record.state = State::Settled(settlement.clone());
        let outcome = settlement.outcome;
        self.note(|number| Event::Settled(number, id, Some(fence), outcome), id);
        Some(())
    }

    pub(super) fn doubt(&mut self, id: WriteId, fence: Fence, doubt: Doubt) -> Option<()> {
        let row = self.claimed(id, fence)?;
        (row.owner, row.doubtful, row.doubt) = (None, true, Some(doubt));
        row.record.state = State::InDoubt(doubt);
        self.note(|number| Event::Doubted(number, id), id);
        Some(())
    }

    pub(super) fn release(&mut self, id: WriteId, fence: Fence) -> Option<()> {
        self.claimed(id, fence)?;
        self.delete(id);
        Some(())
    }

    fn delete(&mut self, id: WriteId) {
        self.note(|number| Event::Released(number, id), id);
        if let Some(row) = self.ids.remove(&id) {
            self.rows.remove(&row);
        }
    }

    pub(super) fn put_back(&mut self, owner: i64, id: WriteId, fence: Option<Fence>) {
        let Some(row) = self.row(id) else { return };
        let fits = fence.is_none_or(|f| f == row.record.fence);
        if row.owner != Some(owner) || row.record.state != State::Claimed || !fits {
            return;
        }
        match row.doubt.filter(|_| row.doubtful) {
            Some(doubt) => {
                row.owner = None;
                row.record.state = State::InDoubt(doubt);
                self.note(|number| Event::Doubted(number, id), id);
            }
            None => self.delete(id),
        }
    }

    pub(super) fn resolve(&mut self, id: WriteId, with: &(Settlement, Resolution)) -> Option<Record> {
        let row = self.row(id)?;
        if !matches!(row.record.state, State::InDoubt(_)) {
            return None;
        }
        let (settlement, resolution) = with;
        row.doubtful = false;
        row.record.state = State::Settled(settlement.clone());
        row.resolution = Some(resolution.clone());
        if settlement.outcome == Outcome::Refused && settlement.status == 0 {
            row.slot = None;
        }
        let (record, outcome) = (row.record.clone(), settlement.outcome);
        self.note(|number| Event::Settled(number, id, None, outcome), id);
        Some(record)
    }

    /// The record with this id, and how the doubt about it ended.
    #[must_use]
    pub fn get(&self, id: WriteId) -> Option<(Record, Option<Resolution>)> {
        let row = &self.rows[self.ids.get(&id)?];
        Some((row.record.clone(), row.resolution.clone()))
    }

    /// Open doubts after `after`, in order of arrival; `None`: there is no such record.
    #[must_use]
    pub fn doubts(&self, after: Option<WriteId>, limit: usize) -> Option<Vec<Record>> {
        let from = match after {
            Some(id) => *self.ids.get(&id)?,
            None => 0,
        };
        let records = self.rows.range(from + 1..).map(|(_, row)| &row.record);
        let open = records.filter(|r| matches!(r.state, State::InDoubt(_)));
        Some(open.take(limit).cloned().collect())
    }

    /// The records whose keys left this trace, the newest first.
    #[must_use]
    pub fn traced(&self, trace: KeyTrace, limit: usize) -> Vec<Record> {
        let records = self.rows.values().rev().map(|row| &row.record);
        let with = records.filter(|r| r.claim.trace.is_some_and(|t| t.digest == trace.digest));
        with.take(limit).cloned().collect()
    }

    /// Deletes settled records whose time is over. Returns how many.
    pub fn purge(&mut self, now: Time) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|_, row| !is_over(row, now));
        let rows = &self.rows;
        self.ids.retain(|_, row| rows.contains_key(row));
        (before - self.rows.len()) as u64
    }

    /// Those that `query` asks for, the newest first.
    #[must_use]
    pub fn search(&self, query: &Query, before: Option<WriteId>, limit: usize) -> Found {
        let (low, high) = query.ids(before);
        let between = if low < high { low..high } else { low..low };
        let records = self.ids.range(between).rev().map(|(_, row)| &self.rows[row].record);
        let found = records.filter(|r| query.matches(r)).take(limit.min(MAX_FOUND));
        let records: Vec<Record> = found.cloned().collect();
        let full = records.len() == limit.min(MAX_FOUND);
        Found {
            next: records.last().filter(|_| full).map(|r| r.claim.id),
            records,
        }
    }
}

/// Whether it is settled and its time is over.
fn is_over(row: &Row, now: Time) -> bool {
    matches!(row.record.state, State::Settled(_)) && row.record.claim.expires.is_some_and(|at| at <= now)
}

fn is_same(row: &Row, sought: &Sought) -> bool {
    row.record.claim.caller == sought.caller && row.record.claim.fingerprint == sought.fingerprint
}
