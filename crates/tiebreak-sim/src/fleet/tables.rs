//! The tables, and what all statements do with them. Each statement, and each batch of them, is made as a whole.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tiebreak_core::delivery::Unknown;
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::KeyDigest;
use tiebreak_core::record::{Doubt, Fence, Record, State, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::shared::{Change, Done, Job, LaneKey, Slot, Standing};
use tiebreak_ledger::{Resolution, Stats};

use super::lanes::LaneRow;
use crate::ledger::Register;
use crate::sabotage::Sabotage;
use crate::trace::{Event, Trace};

/// A write, as its row holds it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) record: Record,
    /// The key, for as long as this row holds it.
    pub(super) slot: Option<KeyDigest>,
    /// Who claimed it, for as long as it is claimed.
    pub(super) owner: Option<i64>,
    /// In doubt, or taken up again after a doubt.
    pub(super) doubtful: bool,
    /// The last doubt about it.
    pub(super) doubt: Option<Doubt>,
    pub(super) resolution: Option<Resolution>,
}

/// A process that has signed in.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) lease_until: Time,
    pub(super) late: Duration,
    /// The number of its last session for changes.
    pub(super) session: i64,
    /// On which machine it runs; only the simulator knows.
    pub(super) host: usize,
}

/// All tables.
#[derive(Debug, Clone)]
pub struct Tables {
    /// In order of arrival.
    pub(super) rows: BTreeMap<u64, Row>,
    pub(super) ids: BTreeMap<WriteId, u64>,
    pub(super) owners: BTreeMap<i64, Owner>,
    pub(super) lanes: BTreeMap<LaneKey, LaneRow>,
    /// Who waits for a lane, with their tickets.
    pub(super) waits: BTreeMap<(LaneKey, i64), u64>,
    last_row: u64,
    last_fence: u64,
    pub(super) last_owner: i64,
    pub(super) last_ticket: u64,
    pub(super) sabotage: Sabotage,
    pub(super) trace: Trace,
    pub(super) register: Register,
}

/// What a batch did, and whether a lane was handed to somebody.
#[derive(Debug)]
pub struct Made {
    /// What the session is told.
    pub done: Done,
    /// Whether the others get a hint.
    pub handed_over: bool,
}

impl Tables {
    /// Empty tables.
    #[must_use]
    pub fn new(register: Register, trace: Trace, sabotage: Sabotage) -> Tables {
        Tables {
            rows: BTreeMap::new(),
            ids: BTreeMap::new(),
            owners: BTreeMap::new(),
            lanes: BTreeMap::new(),
            waits: BTreeMap::new(),
            last_row: 0,
            last_fence: 0,
            last_owner: 0,
            last_ticket: 0,
            sabotage,
            trace,
            register,
        }
    }

    pub(super) fn next_fence(&mut self) -> Fence {
        self.last_fence += 1;
        Fence(self.last_fence)
    }

    pub(super) fn next_row(&mut self) -> u64 {
        self.last_row += 1;
        self.last_row
    }

    pub(super) fn row(&mut self, id: WriteId) -> Option<&mut Row> {
        self.rows.get_mut(self.ids.get(&id)?)
    }

    /// The claimed write with this id, under this fence.
    pub(super) fn claimed(&mut self, id: WriteId, fence: Fence) -> Option<&mut Row> {
        let ignored = self.sabotage == Sabotage::FencesIgnored;
        let row = self.row(id)?;
        let fits = row.record.fence == fence && row.record.state == State::Claimed;
        (fits || ignored).then_some(row)
    }

    pub(super) fn note(&self, event: impl FnOnce(usize) -> Event, id: WriteId) {
        self.trace.note(event(self.register.of(id)));
    }

    /// Makes `jobs` in one transaction, in the order in which PostgreSQL is sent them.
    pub fn perform(&mut self, owner: i64, jobs: &[Change], now: Time) -> Made {
        let mut made = Made {
            done: Done {
                alive: self.owners.contains_key(&owner),
                ..Done::default()
            },
            handed_over: false,
        };
        for step in 0..10 {
            for job in jobs.iter().filter(|job| rank(job) == step) {
                self.make(owner, job, now, &mut made);
            }
        }
        made
    }

    fn make(&mut self, owner: i64, change: &Change, now: Time, made: &mut Made) {
        let (done, id) = (&mut made.done, change.id());
        match change {
            Change::PutBack(_, fence) => self.put_back(owner, id, *fence),
            Change::Resolve(_, with, _) => {
                done.ended.extend(self.resolve(id, with).map(|r| (id, Some(r))));
            }
            Change::Settle(_, fence, settlement, _) => {
                done.ended
                    .extend(self.settle(id, *fence, settlement).map(|()| (id, None)));
            }
            Change::Doubt(_, fence, doubt, _) => {
                done.ended.extend(self.doubt(id, *fence, *doubt).map(|()| (id, None)));
            }
            Change::Release(_, fence, _) => {
                done.ended.extend(self.release(id, *fence).map(|()| (id, None)));
            }
            Change::Amend(_, fence, attempt, held, _) => {
                let fence = self.amend(id, *fence, *attempt, held.clone());
                done.granted.extend(fence.map(|f| (id, f)));
            }
            Change::Retake(_, attempt, held, _) => {
                let fence = self.retake(owner, id, *attempt, held.clone());
                done.granted.extend(fence.map(|f| (id, f)));
            }
            Change::Claim(claim, _) => {
                let fence = self.claim(owner, claim);
                done.granted.extend(fence.map(|f| (id, f)));
            }
            Change::Pass {
                lane,
                fence,
                left,
                only_if_wanted,
                ..
            } => {
                if let Some(next) = self.pass(owner, *lane, *fence, left, *only_if_wanted, now) {
                    done.passed.insert(*lane);
                    made.handed_over |= next.is_some();
                }
            }
            Change::Ask(lane, _) => {
                done.taken.extend(self.ask(owner, *lane, now).map(|g| (*lane, g)));
            }
        }
    }

    /// How the records with these ids stand.
    #[must_use]
    pub fn standing(&self, ids: &[WriteId]) -> HashMap<WriteId, Standing> {
        let rows = ids.iter().filter_map(|id| Some((*id, &self.rows[self.ids.get(id)?])));
        let standing = rows.map(|(id, row)| {
            let standing = Standing {
                record: row.record.clone(),
                owner: row.owner,
                resolved_by: row.resolution.as_ref().map(|r| r.by),
            };
            (id, standing)
        });
        standing.collect()
    }

    /// Counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for row in self.rows.values() {
            match row.record.state {
                State::Claimed => stats.claimed += 1,
                State::InDoubt(_) => stats.in_doubt += 1,
                State::Settled(_) => stats.settled += 1,
            }
        }
        stats
    }

    /// What contradicts itself: the same that `tiebreak ledger check` looks for in PostgreSQL.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for row in self.rows.values() {
            let (id, claimed) = (row.record.claim.id, row.record.state == State::Claimed);
            if row.owner.is_some() != claimed {
                wrong.push(format!("{id} is {:?}, its owner {:?}", row.record.state, row.owner));
            }
            if row.owner.is_some_and(|o| !self.owners.contains_key(&o)) {
                wrong.push(format!("{id} is claimed by a process that is no more"));
            }
            if row.slot.is_some() && row.slot != row.record.claim.key {
                wrong.push(format!("{id} holds another key than its own"));
            }
            if matches!(row.record.state, State::InDoubt(_)) != (row.doubtful && !claimed) {
                wrong.push(format!("{id} counts as a doubt and is none, or the other way round"));
            }
        }
        wrong
    }

    /// What is taken: claims, lanes, and places of those who wait for lanes. While nobody writes, there is nothing.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        for row in self.rows.values().filter(|row| row.record.state == State::Claimed) {
            kept.push(format!("{} is claimed by process {:?}", row.record.claim.id, row.owner));
        }
        for held in self.lanes.values().filter(|lane| lane.owner.is_some()) {
            kept.push(format!(
                "the lane of holding {:?} is held by process {:?}",
                held.fence, held.owner
            ));
        }
        for ((_, owner), ticket) in &self.waits {
            kept.push(format!("process {owner} waits for a lane with ticket {ticket}"));
        }
        kept
    }

    /// What a process had claimed is in doubt.
    pub(super) fn end(&mut self, owner: i64, now: Time) -> u64 {
        let claimed = self.rows.values().filter(|row| row.owner == Some(owner));
        let ids: Vec<WriteId> = claimed.map(|row| row.record.claim.id).collect();
        for id in &ids {
            if let Some(row) = self.row(*id) {
                let doubt = Doubt {
                    reason: Unknown::Crash,
                    attempts: row.record.claim.attempt,
                    guarantee: Guarantee::D,
                    since: now,
                };
                row.owner = None;
                row.doubtful = true;
                row.doubt = Some(doubt);
                row.record.state = State::InDoubt(doubt);
            }
            self.note(|number| Event::Doubted(number, *id), *id);
        }
        ids.len() as u64
    }
}

/// When it is made within a transaction.
fn rank(change: &Change) -> u8 {
    match change {
        Change::PutBack(..) => 0,
        Change::Resolve(..) => 1,
        Change::Settle(..) => 2,
        Change::Doubt(..) => 3,
        Change::Release(..) => 4,
        Change::Amend(..) => 5,
        Change::Retake(..) => 6,
        Change::Claim(..) => 7,
        Change::Pass { .. } => 8,
        Change::Ask(..) => 9,
    }
}

/// What the database is sent of `jobs`: they may reach it when nobody waits for them any more.
#[must_use]
pub fn sent(jobs: &[Job]) -> Vec<Change> {
    fn none<T>() -> Slot<T> {
        None
    }
    let sent = jobs.iter().map(|job| match &job.change {
        Change::Claim(claim, _) => Change::Claim(claim.clone(), none()),
        Change::Amend(id, fence, attempt, held, _) => Change::Amend(*id, *fence, *attempt, held.clone(), none()),
        Change::Settle(id, fence, settlement, _) => Change::Settle(*id, *fence, settlement.clone(), none()),
        Change::Doubt(id, fence, doubt, _) => Change::Doubt(*id, *fence, *doubt, none()),
        Change::Release(id, fence, _) => Change::Release(*id, *fence, none()),
        Change::Resolve(id, with, _) => Change::Resolve(*id, with.clone(), none()),
        Change::Retake(id, attempt, held, _) => Change::Retake(*id, *attempt, held.clone(), none()),
        Change::PutBack(id, fence) => Change::PutBack(*id, *fence),
        Change::Ask(lane, _) => Change::Ask(*lane, none()),
        Change::Pass {
            lane,
            fence,
            left,
            only_if_wanted,
            ..
        } => Change::Pass {
            lane: *lane,
            fence: *fence,
            left: left.clone(),
            only_if_wanted: *only_if_wanted,
            slot: none(),
        },
    });
    sent.collect()
}
