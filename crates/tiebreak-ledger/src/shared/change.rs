//! What the writer is asked to do, and where the answer goes.

use tiebreak_core::delivery::Unknown;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, WriteId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Grant, Left};
use crate::{Claimed, LedgerError, Resolution};

/// Where the result of a change goes, once it is durable.
pub type Slot<T> = Option<oneshot::Sender<Result<T, LedgerError>>>;

/// The other end of a slot.
pub(super) type Reply<T> = oneshot::Receiver<Result<T, LedgerError>>;

/// A change, and where its result goes. What each means is said where [`Ledger`](crate::Ledger) and
/// [`SharedLanes`](super::SharedLanes) say it.
#[derive(Debug)]
pub enum Change {
    /// [`Ledger::claim`](crate::Ledger::claim).
    Claim(Box<Claim>, Slot<Claimed>),
    /// [`Ledger::amend`](crate::Ledger::amend): id, fence, attempt, held.
    Amend(WriteId, Fence, u32, Option<String>, Slot<Fence>),
    /// [`Ledger::settle`](crate::Ledger::settle).
    Settle(WriteId, Fence, Box<Settlement>, Slot<()>),
    /// [`Ledger::doubt`](crate::Ledger::doubt).
    Doubt(WriteId, Fence, Doubt, Slot<()>),
    /// [`Ledger::release`](crate::Ledger::release).
    Release(WriteId, Fence, Slot<()>),
    /// [`Ledger::resolve`](crate::Ledger::resolve).
    Resolve(WriteId, Box<(Settlement, Resolution)>, Slot<Record>),
    /// [`Ledger::retake`](crate::Ledger::retake): id, attempt, held.
    Retake(WriteId, u32, Option<String>, Slot<Fence>),
    /// Put back what was given out and nobody took; without a fence: what may have been given out.
    PutBack(WriteId, Option<Fence>),
    /// [`SharedLanes::ask`](super::SharedLanes::ask): take a lane, or wait for it.
    Ask(LaneKey, Slot<Option<Grant>>),
    /// [`SharedLanes::pass`](super::SharedLanes::pass): give a lane up.
    Pass {
        /// Which.
        lane: LaneKey,
        /// Of this holding; `None`: of whatever there is.
        fence: Option<Fence>,
        /// What stays in it.
        left: Left,
        /// Only to somebody who waits: [`SharedLanes::offer`](super::SharedLanes::offer).
        only_if_wanted: bool,
        /// Whether it was given up.
        slot: Slot<bool>,
    },
}

/// The digest of a lane's name.
pub type LaneKey = [u8; 32];

/// What a change is about: two about the same are made one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Write(WriteId),
    Lane(LaneKey),
}

/// A change that waits, and since when.
#[derive(Debug)]
pub struct Job {
    /// The change.
    pub change: Change,
    /// Since when it waits.
    pub since: Instant,
    /// It was sent to the database once, and its answer was lost.
    pub tried: bool,
    /// So often the database failed to make it for a reason of its own.
    pub failures: u32,
    /// The database failed to make a batch in which it was: it is made by itself.
    pub alone: bool,
}

impl Job {
    pub(super) fn new(change: Change) -> Job {
        Job {
            change,
            since: Instant::now(),
            tried: false,
            failures: 0,
            alone: false,
        }
    }
}

impl Change {
    /// What it is about.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Change::Ask(lane, _) | Change::Pass { lane, .. } => Subject::Lane(*lane),
            _ => Subject::Write(self.id()),
        }
    }

    /// The write that it is about; all zeros for a lane.
    #[must_use]
    pub fn id(&self) -> WriteId {
        match self {
            Change::Ask(..) | Change::Pass { .. } => WriteId([0; 16]),
            Change::Claim(claim, _) => claim.id,
            Change::Amend(id, ..) | Change::Settle(id, ..) | Change::Doubt(id, ..) | Change::Release(id, ..) => *id,
            Change::Resolve(id, ..) | Change::Retake(id, ..) | Change::PutBack(id, ..) => *id,
        }
    }

    /// Whether it gives out a fence for a first attempt: with the database out of reach it is refused soon.
    pub(super) fn begins(&self) -> bool {
        matches!(self, Change::Claim(..) | Change::Retake(..))
    }

    /// Whether it is made even if nobody waits for it any more.
    pub(super) fn must_be_made(&self) -> bool {
        match self {
            Change::Settle(..) | Change::Doubt(..) | Change::Release(..) | Change::PutBack(..) => true,
            Change::Pass { only_if_wanted, .. } => !only_if_wanted,
            Change::Claim(..) | Change::Retake(..) | Change::Amend(..) | Change::Resolve(..) => false,
            Change::Ask(..) => false,
        }
    }

    /// What is made instead if the database does not make it whatever happens: a write of which more cannot be recorded is in
    /// doubt, and what was begun by an earlier try (`tried`) whose answer was lost is put back.
    pub(super) fn instead(&self, tried: bool) -> Option<Change> {
        match self {
            Change::Claim(..) | Change::Retake(..) => tried.then(|| Change::PutBack(self.id(), None)),
            Change::Settle(id, fence, settlement, _) => {
                let doubt = Doubt {
                    reason: Unknown::Crash,
                    attempts: settlement.attempts,
                    guarantee: settlement.guarantee,
                    since: settlement.at,
                };
                Some(Change::Doubt(*id, *fence, doubt, None))
            }
            Change::Amend(..) | Change::Doubt(..) | Change::Release(..) | Change::Resolve(..) => None,
            Change::PutBack(..) | Change::Ask(..) | Change::Pass { .. } => None,
        }
    }

    /// The claim that it is about has this fence now.
    pub(super) fn renumber(&mut self, now: Fence) {
        match self {
            Change::Amend(_, fence, ..) | Change::Settle(_, fence, ..) => *fence = now,
            Change::Doubt(_, fence, ..) | Change::Release(_, fence, _) => *fence = now,
            Change::Claim(..) | Change::Retake(..) | Change::Resolve(..) | Change::PutBack(..) => {}
            Change::Ask(..) | Change::Pass { .. } => {}
        }
    }

    /// Answers with `error`, once.
    pub(super) fn fail(&mut self, error: LedgerError) {
        match self {
            Change::Claim(_, slot) => send(slot, Err(error)),
            Change::Amend(.., slot) | Change::Retake(.., slot) => send(slot, Err(error)),
            Change::Settle(.., slot) | Change::Doubt(.., slot) | Change::Release(.., slot) => send(slot, Err(error)),
            Change::Resolve(.., slot) => send(slot, Err(error)),
            Change::Ask(_, slot) => send(slot, Err(error)),
            Change::Pass { slot, .. } => send(slot, Err(error)),
            Change::PutBack(..) => true,
        };
    }
}

/// Answers, once. Returns whether somebody heard it.
pub(super) fn send<T>(slot: &mut Slot<T>, result: Result<T, LedgerError>) -> bool {
    slot.take().is_some_and(|slot| slot.send(result).is_ok())
}
