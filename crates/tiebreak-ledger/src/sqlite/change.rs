//! What the writer is asked to do.

use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, WriteId};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::error::Trouble;
use super::finding::Hashes;
use super::index::Hasher;
use crate::bounds::Bounds;
use crate::{Claimed, LedgerError, Resolution};

/// Where the result of a change goes, once it is durable.
#[derive(Debug)]
pub(super) struct Slot<T> {
    reply: oneshot::Sender<Result<T, LedgerError>>,
    result: Option<Result<T, LedgerError>>,
}

/// The other end of a slot.
pub(super) type Reply<T> = oneshot::Receiver<Result<T, LedgerError>>;

impl<T> Slot<T> {
    pub(super) fn new() -> (Slot<T>, Reply<T>) {
        let (reply, receiver) = oneshot::channel();
        (Slot { reply, result: None }, receiver)
    }

    /// Keeps what a change came to; a failure of the store is the batch's.
    fn fill(&mut self, done: Result<T, Trouble>) -> rusqlite::Result<()> {
        self.result = Some(match done {
            Ok(value) => Ok(value),
            Err(Trouble::Rule(error)) => Err(error),
            Err(Trouble::Store(error)) => return Err(error),
        });
        Ok(())
    }

    /// Answers with this.
    pub(super) fn answer(self, result: Result<T, LedgerError>) {
        let _unheard = self.reply.send(result);
    }

    /// Answers. Returns the result if nobody waits for it any more.
    pub(super) fn send(self) -> Option<Result<T, LedgerError>> {
        let nothing = || Err(LedgerError::Unavailable("the change was not made".into()));
        self.reply.send(self.result.unwrap_or_else(nothing)).err()
    }
}

/// A claim, with what can be prepared outside the writer.
#[derive(Debug)]
pub(super) struct NewClaim {
    pub(super) claim: Claim,
    pub(super) lanes: String,
    pub(super) hashes: Hashes,
}

impl NewClaim {
    pub(super) fn new(claim: Claim, hasher: &Hasher) -> NewClaim {
        let names: Vec<&str> = claim.lanes.iter().map(|l| l.0.as_str()).collect();
        NewClaim {
            lanes: serde_json::json!(names).to_string(),
            hashes: Hashes::of(&claim.sought(), hasher),
            claim,
        }
    }
}

/// A settlement within bounds, its fields written out.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) settlement: Settlement,
    pub(super) fields: String,
}

impl Settling {
    pub(super) fn new(mut settlement: Settlement, bounds: &Bounds) -> Settling {
        bounds.cut(&mut settlement);
        let fields = serde_json::json!(settlement.fields).to_string();
        Settling { settlement, fields }
    }
}

/// A change, and where its result goes.
#[derive(Debug)]
pub(super) enum Change {
    Claim(Box<NewClaim>, Slot<Claimed>),
    Amend(WriteId, Fence, u32, Option<String>, Slot<Fence>),
    Settle(WriteId, Fence, Box<Settling>, Slot<()>),
    Doubt(WriteId, Fence, Doubt, Slot<()>),
    Release(WriteId, Fence, Slot<()>),
    Resolve(WriteId, Box<(Settling, Resolution)>, Box<Slot<Record>>),
    Retake(WriteId, u32, Option<String>, Slot<Fence>),
    /// Put back what was given out under a fence that nobody saw.
    PutBack(WriteId, Fence),
    /// Delete those of these rows that are settled and over at this time (ms).
    Purge(Vec<i64>, i64, Slot<u64>),
    /// The last change: release the store.
    Close(Slot<()>),
}

impl Change {
    /// Makes the change within the transaction.
    pub(super) fn perform(&mut self, desk: &mut Desk<'_>) -> rusqlite::Result<()> {
        match self {
            Change::Claim(claim, slot) => slot.fill(desk.claim(claim)),
            Change::Amend(id, fence, attempt, held, slot) => slot.fill(desk.amend(*id, *fence, *attempt, held)),
            Change::Settle(id, fence, settling, slot) => slot.fill(desk.settle(*id, *fence, settling)),
            Change::Doubt(id, fence, doubt, slot) => slot.fill(desk.doubt(*id, *fence, doubt)),
            Change::Release(id, fence, slot) => slot.fill(desk.release(*id, *fence)),
            Change::Resolve(id, with, slot) => slot.fill(desk.resolve(*id, &mut with.0, &with.1)),
            Change::Retake(id, attempt, held, slot) => slot.fill(desk.retake(*id, *attempt, held)),
            Change::PutBack(id, fence) => match desk.put_back(*id, *fence) {
                Ok(()) | Err(Trouble::Rule(_)) => Ok(()),
                Err(Trouble::Store(error)) => Err(error),
            },
            Change::Purge(rows, now, slot) => slot.fill(desk.purge(rows, *now)),
            Change::Close(slot) => slot.fill(Ok(())),
        }
    }

    /// Whether it needs the reserve, and so is refused without it.
    pub(super) fn takes_room(&self) -> bool {
        matches!(self, Change::Claim(..) | Change::Retake(..))
    }

    /// About how many pages of the log it writes.
    pub(super) fn weight(&self) -> usize {
        let bytes = match self {
            Change::Claim(new, _) => new.claim.target.len() + new.lanes.len(),
            Change::Settle(_, _, settling, _) => settling.settlement.content.len() + settling.fields.len(),
            Change::Resolve(_, with, _) => with.0.settlement.content.len() + with.0.fields.len(),
            Change::Purge(rows, ..) => rows.len() * 1024,
            Change::Amend(..) | Change::Doubt(..) | Change::Release(..) => 0,
            Change::Retake(..) | Change::PutBack(..) | Change::Close(_) => 0,
        };
        1 + bytes / 4096
    }

    /// Answers with what it came to. Returns what a claim or retaking gave out and nobody waits for.
    pub(super) fn answer(self) -> Option<Change> {
        let unseen = |id, fence| Some(Change::PutBack(id, fence));
        match self {
            Change::Claim(new, slot) => match slot.send() {
                Some(Ok(Claimed::Granted(fence))) => unseen(new.claim.id, fence),
                _ => None,
            },
            Change::Retake(id, _, _, slot) => match slot.send() {
                Some(Ok(fence)) => unseen(id, fence),
                _ => None,
            },
            Change::Amend(.., slot) => none(slot.send()),
            Change::Settle(.., slot) | Change::Doubt(.., slot) => none(slot.send()),
            Change::Release(.., slot) | Change::Close(slot) => none(slot.send()),
            Change::Resolve(.., slot) => none(slot.send()),
            Change::Purge(.., slot) => none(slot.send()),
            Change::PutBack(..) => None,
        }
    }

    /// Answers with `error`.
    pub(super) fn fail(mut self, error: LedgerError) {
        match &mut self {
            Change::Claim(_, slot) => slot.result = Some(Err(error)),
            Change::Retake(.., slot) | Change::Amend(.., slot) => slot.result = Some(Err(error)),
            Change::Settle(.., slot) | Change::Doubt(.., slot) => slot.result = Some(Err(error)),
            Change::Release(.., slot) | Change::Close(slot) => slot.result = Some(Err(error)),
            Change::Resolve(.., slot) => slot.result = Some(Err(error)),
            Change::Purge(.., slot) => slot.result = Some(Err(error)),
            Change::PutBack(..) => {}
        }
        // An error gave nothing out.
        let _nothing = self.answer();
    }
}

fn none<T>(_unheard: T) -> Option<Change> {
    None
}
