//! Lanes: FIFO queues of writes that must not run at the same time.
//!
//! A write enters all of its lanes in one step, so that the order in any two lanes is the same and no two
//! writes can wait for each other. It has its turn when it is at the front of each of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiebreak_core::exchange::{Carried, DoubtMark, LaneExit, LaneView};
use tiebreak_core::lane::LaneId;
use tiebreak_core::time::Time;
use tiebreak_ledger::{Ledger, LedgerError};
use tokio::sync::Notify;

use self::shared::Sharing;
use self::tenancy::Lease;
use crate::clock::Clock;

mod shared;
mod tenancy;

/// Bounds of the lanes.
#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// At most so many writes in one lane.
    pub per_lane: usize,
    /// At most so many places taken in all lanes together.
    pub total: usize,
    /// So many writes at the front of a lane may make their claims.
    pub ahead: usize,
    /// At most so many idle lanes are remembered for what they carry.
    pub idle: usize,
}

impl Default for LaneLimits {
    fn default() -> LaneLimits {
        LaneLimits {
            per_lane: 4096,
            total: 65_536,
            ahead: 64,
            idle: 1024,
        }
    }
}

/// Larger representations are read again when they are needed.
const MAX_CARRIED: usize = 1 << 20;

/// Only what a precondition can name: without that, merging into it would be blind to other writers.
fn worth_carrying(carried: &Carried) -> bool {
    carried.strong_tag().is_some() && carried.representation.content().len() <= MAX_CARRIED
}

/// The lane is full; nothing was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFull;

/// How full the lanes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneLoad {
    /// Lanes with writes in them.
    pub busy: usize,
    /// Places taken in all of them.
    pub places: usize,
    /// Writes in the longest.
    pub longest: usize,
}

/// All lanes of one gateway or job.
#[derive(Debug)]
pub struct Lanes {
    limits: LaneLimits,
    clock: Clock,
    state: Mutex<State>,
    /// `None`: no other gateway writes in them.
    sharing: Option<Sharing>,
}

#[derive(Debug, Default)]
struct State {
    lanes: HashMap<LaneId, Lane>,
    /// Idle lanes that carry something, in the order in which they fell idle; a number that grows names each occasion.
    idle: BTreeMap<u64, LaneId>,
    /// Idle lanes that are suspect, in the order in which that ends.
    suspect: BTreeMap<(Time, u64), LaneId>,
    next_idle: u64,
    places: usize,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Arc<Place>>,
    carried: Option<Carried>,
    suspect_until: Option<Time>,
    /// Writes that ended in doubt while others stood behind them, whose claims were made before.
    doubts: Vec<DoubtMark>,
    idle: Option<Idle>,
    /// What this gateway has of it, where it is shared.
    lease: Lease,
}

/// Where an idle lane is listed.
#[derive(Debug, Clone, Copy)]
enum Idle {
    Carrying(u64),
    Suspect(Time, u64),
}

#[derive(Debug)]
struct Place {
    lanes: Vec<LaneId>,
    stage: AtomicU8,
    /// It is served before the lane is given up to another gateway.
    admitted: AtomicBool,
    changed: Notify,
}

impl Place {
    /// The lane of the one target that the write acts on, besides those that a route declares: only such a lane carries what was
    /// produced in it.
    fn target_lane(&self) -> Option<&LaneId> {
        let mut targets = self.lanes.iter().filter(|id| !id.is_declared());
        targets.next().filter(|_| targets.next().is_none())
    }
}

const WAITING: u8 = 0;
const NEAR: u8 = 1;
const FRONT: u8 = 2;

/// A place in one or more lanes. Dropping it gives the place up without telling the lanes anything.
#[derive(Debug)]
pub struct Ticket {
    place: Arc<Place>,
    lanes: Arc<Lanes>,
    left: bool,
    /// The life of this gateway in which it had its turn, where lanes are shared.
    life: Option<u64>,
}

/// Where a ticket stands.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Near the front: the claim may be made.
    Near,
    /// At the front of all its lanes, none of which is suspect.
    Turn(LaneView),
    /// Whether this gateway may have its turn cannot be told: the ledger that holds the lanes failed.
    Unknown(LedgerError),
}

impl Lanes {
    /// Lanes with these bounds.
    #[must_use]
    pub fn new(limits: LaneLimits, clock: Clock) -> Arc<Lanes> {
        Lanes::with(limits, clock, None)
    }

    /// Lanes with these bounds, shared with other gateways if the ledger is.
    #[must_use]
    pub fn of(limits: LaneLimits, clock: Clock, ledger: &Arc<dyn Ledger>) -> Arc<Lanes> {
        Lanes::with(limits, clock, Sharing::of(ledger))
    }

    fn with(mut limits: LaneLimits, clock: Clock, sharing: Option<Sharing>) -> Arc<Lanes> {
        // Whoever is at the front is near it.
        limits.ahead = limits.ahead.max(1);
        Arc::new(Lanes {
            limits,
            clock,
            state: Mutex::default(),
            sharing,
        })
    }

    /// Queues in all of `lanes`, which are sorted and without repeats.
    ///
    /// # Errors
    /// If one of them, or all of them together, are full.
    pub fn enter(self: &Arc<Self>, lanes: &[LaneId]) -> Result<Ticket, LaneFull> {
        let place = Arc::new(Place {
            lanes: lanes.to_vec(),
            stage: AtomicU8::new(WAITING),
            admitted: AtomicBool::new(self.sharing.is_none()),
            changed: Notify::new(),
        });
        let mut state = self.lock();
        let full = |id| {
            state
                .lanes
                .get(id)
                .is_some_and(|l: &Lane| l.queue.len() >= self.limits.per_lane)
        };
        if state.places + lanes.len() > self.limits.total || lanes.iter().any(full) {
            return Err(LaneFull);
        }
        state.places += lanes.len();
        for id in lanes {
            let lane = state.lanes.entry(id.clone()).or_default();
            lane.queue.push_back(Arc::clone(&place));
            state.wake(id);
        }
        state.promote(&place, self.limits.ahead);
        if self.sharing.is_some() {
            let now = self.clock.now();
            lanes.iter().for_each(|id| state.admit(id, self.limits.ahead, now));
        }
        drop(state);
        Ok(Ticket {
            place,
            lanes: Arc::clone(self),
            left: false,
            life: None,
        })
    }

    /// How many writes stand in each lane, the longest first, at most `limit` lanes.
    #[must_use]
    pub fn longest(&self, limit: usize) -> Vec<(LaneId, usize)> {
        let state = self.lock();
        let all = state.lanes.iter().map(|(id, lane)| (id, lane.queue.len()));
        let mut all: Vec<_> = all.filter(|(_, n)| *n > 0).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        all.into_iter().take(limit).map(|(id, n)| (id.clone(), n)).collect()
    }

    /// How full the lanes are.
    #[must_use]
    pub fn load(&self) -> LaneLoad {
        let state = self.lock();
        let lengths = state.lanes.values().map(|lane| lane.queue.len());
        LaneLoad {
            busy: lengths.clone().filter(|n| *n > 0).count(),
            places: state.places,
            longest: lengths.max().unwrap_or_default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave a queue half changed: nothing in there panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, place: &Arc<Place>, exit: Option<LaneExit>) {
        let mut state = self.lock();
        state.places -= place.lanes.len();
        let single = place.target_lane().is_some();
        let mut behind = Vec::new();
        for id in &place.lanes {
            let Some(lane) = state.lanes.get_mut(id) else { continue };
            let at = lane.queue.iter().position(|p| Arc::ptr_eq(p, place));
            if let Some(at) = at {
                lane.queue.remove(at);
            }
            if let Some(exit) = &exit {
                if single && !id.is_declared() {
                    lane.carried = exit.carried.clone().filter(worth_carrying);
                } else {
                    lane.carried = None;
                }
                lane.doubts.extend(exit.doubt);
                if let Some(until) = exit.suspect_until {
                    lane.suspect_until = lane.suspect_until.max(Some(until));
                }
            }
            behind.extend(lane.queue.front().cloned());
            behind.extend(lane.queue.get(self.limits.ahead - 1).cloned());
            if lane.queue.is_empty() {
                self.pass_if_empty(&mut state, id, self.clock.now());
                state.fall_idle(id, self.clock.now(), self.limits.idle);
            } else if self.sharing.is_some() {
                state.admit(id, self.limits.ahead, self.clock.now());
            }
        }
        for place in behind {
            state.promote(&place, self.limits.ahead);
        }
    }

    /// How many writes stand in the longest of these lanes.
    #[must_use]
    pub fn standing(&self, lanes: &[LaneId]) -> usize {
        let state = self.lock();
        let length = |id| state.lanes.get(id).map_or(0, |lane: &Lane| lane.queue.len());
        lanes.iter().map(length).max().unwrap_or(0)
    }

    /// Something was written by another way: what these lanes carry may be outdated.
    pub fn forget(&self, lanes: &[LaneId]) {
        let mut state = self.lock();
        for id in lanes {
            if let Some(lane) = state.lanes.get_mut(id) {
                lane.carried = None;
                if lane.queue.is_empty() {
                    state.wake(id);
                    state.fall_idle(id, self.clock.now(), self.limits.idle);
                }
            }
        }
    }

    /// An unguarded request may still arrive in these lanes until then.
    pub fn suspect(&self, lanes: &[LaneId], until: Time) {
        let now = self.clock.now();
        if until <= now {
            return;
        }
        let mut state = self.lock();
        for id in lanes {
            let lane = state.lanes.entry(id.clone()).or_default();
            lane.suspect_until = lane.suspect_until.max(Some(until));
            if lane.queue.is_empty() {
                state.wake(id);
                state.fall_idle(id, now, self.limits.idle);
            }
        }
    }

    /// The lane is no longer suspect: the late request is known to have ended.
    pub fn clear(&self, id: &LaneId) {
        let mut state = self.lock();
        if let Some(lane) = state.lanes.get_mut(id) {
            lane.suspect_until = None;
            if let Some(front) = lane.queue.front() {
                front.changed.notify_one();
            } else {
                state.wake(id);
                state.fall_idle(id, self.clock.now(), self.limits.idle);
            }
        }
    }
}

impl State {
    /// Tells `place` where it stands, if that changed.
    fn promote(&mut self, place: &Arc<Place>, ahead: usize) {
        let mut worst = 0;
        for id in &place.lanes {
            let queue = &self.lanes[id].queue;
            // Only the first `ahead` places matter, and a place beyond them stays as it is.
            match queue.iter().take(ahead).position(|p| Arc::ptr_eq(p, place)) {
                Some(at) => worst = worst.max(at),
                None => return,
            }
        }
        let stage = if worst == 0 { FRONT } else { NEAR };
        if place.stage.swap(stage, Ordering::AcqRel) != stage {
            place.changed.notify_one();
        }
    }

    /// The lane is listed as idle no longer.
    fn wake(&mut self, id: &LaneId) {
        match self.lanes.get_mut(id).and_then(|lane| lane.idle.take()) {
            Some(Idle::Carrying(number)) => drop(self.idle.remove(&number)),
            Some(Idle::Suspect(until, number)) => drop(self.suspect.remove(&(until, number))),
            None => {}
        }
    }

    /// Keeps of an idle lane what may be needed: what it carries may be forgotten at any time, a suspicion may not.
    fn fall_idle(&mut self, id: &LaneId, now: Time, keep: usize) {
        self.list(id, now);
        while let Some(over) = self.suspect.first_entry().filter(|first| first.key().0 <= now) {
            let id = over.remove();
            self.list(&id, now);
        }
        while self.idle.len() > keep {
            let Some((_, oldest)) = self.idle.pop_first() else {
                break;
            };
            self.lanes.remove(&oldest);
        }
    }

    fn list(&mut self, id: &LaneId, now: Time) {
        let Some(lane) = self.lanes.get_mut(id) else { return };
        // Whoever comes now finds them in the ledger.
        lane.doubts.clear();
        lane.suspect_until = lane.suspect_until.filter(|until| *until > now);
        let number = self.next_idle;
        self.next_idle += 1;
        if let Some(until) = lane.suspect_until {
            lane.idle = Some(Idle::Suspect(until, number));
            self.suspect.insert((until, number), id.clone());
        } else if lane.carried.is_some() {
            lane.idle = Some(Idle::Carrying(number));
            self.idle.insert(number, id.clone());
        } else {
            self.lanes.remove(id);
        }
    }
}

impl Ticket {
    /// Waits until the write is near the front of all its lanes.
    pub async fn near(&mut self) -> Standing {
        loop {
            match self.place.stage.load(Ordering::Acquire) {
                FRONT => return self.turn().await,
                NEAR if self.place.admitted.load(Ordering::Acquire) => return Standing::Near,
                _ => self.place.changed.notified().await,
            }
        }
    }

    /// Waits until the write is at the front of all its lanes, and none of them is suspect.
    pub async fn turn(&mut self) -> Standing {
        loop {
            if self.place.stage.load(Ordering::Acquire) != FRONT {
                self.place.changed.notified().await;
                continue;
            }
            if let Err(error) = self.hold().await {
                return Standing::Unknown(error);
            }
            let now = self.lanes.clock.now();
            let (view, suspect) = self.look(now);
            let Some(until) = suspect else {
                return Standing::Turn(view);
            };
            let wake = self.lanes.clock.instant(until);
            tokio::select! {
                biased;
                () = self.place.changed.notified() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn look(&self, now: Time) -> (LaneView, Option<Time>) {
        let state = self.lanes.lock();
        let mut suspect: Option<Time> = None;
        let mut doubts = Vec::new();
        for id in &self.place.lanes {
            let lane = &state.lanes[id];
            doubts.extend_from_slice(&lane.doubts);
            suspect = suspect.max(lane.suspect_until.filter(|until| *until > now));
        }
        let carried = self.place.target_lane().and_then(|id| state.lanes[id].carried.clone());
        (LaneView { carried, doubts }, suspect)
    }

    /// The life of this gateway in which it had its turn; `None` where lanes are not shared.
    #[must_use]
    pub fn life(&self) -> Option<u64> {
        self.life
    }

    /// Leaves all lanes, telling them what the next write may know.
    pub fn leave(mut self, exit: LaneExit) {
        self.left = true;
        self.lanes.leave(&self.place, Some(exit));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.left {
            self.lanes.leave(&self.place, None);
        }
    }
}

#[cfg(test)]
mod tests;
