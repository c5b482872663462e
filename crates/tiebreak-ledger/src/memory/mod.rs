//! A ledger in memory, for tests and the simulator: deterministic, with crashes and faults on demand.

mod book;
mod fault;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use tiebreak_core::time::Time;

use self::book::Book;
pub use self::fault::{Fault, Op};
use crate::bounds::Bounds;
use crate::search::{Found, Query};
use crate::{Claimed, Ledger, LedgerError, Pending, Resolution, ResolvedBy, Stats};

/// A ledger in memory. Clones share one store, as tasks of one process do; [`MemoryLedger::reopen`] gives what the
/// next process would find.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    book: Book,
    faults: BTreeMap<Op, VecDeque<Fault>>,
    down: Option<String>,
    lost: bool,
    closed: bool,
    calls: u64,
}

impl MemoryLedger {
    /// An empty ledger with the default bounds.
    #[must_use]
    pub fn new() -> MemoryLedger {
        MemoryLedger::default()
    }

    /// An empty ledger with these bounds.
    #[must_use]
    pub fn with_bounds(bounds: Bounds) -> MemoryLedger {
        let ledger = MemoryLedger::new();
        ledger.lock().book.bounds = bounds;
        ledger
    }

    /// What a new process would find after this one was killed, at the latest time that any call told. What is done
    /// to the old one afterwards is lost, as a killed process can do nothing.
    #[must_use]
    pub fn reopen(&self) -> MemoryLedger {
        let latest = self.lock().book.latest;
        self.reopen_at(latest)
    }

    /// As [`MemoryLedger::reopen`], at a given time: doubts about what was claimed begin then.
    #[must_use]
    pub fn reopen_at(&self, now: Time) -> MemoryLedger {
        let book = self.lock().book.reopen(now);
        let ledger = MemoryLedger::new();
        ledger.lock().book = book;
        ledger
    }

    /// Aims `fault` at the next `op`. Several faults for one operation are met one after the other.
    pub fn inject(&self, op: Op, fault: Fault) {
        self.lock().faults.entry(op).or_default().push_back(fault);
    }

    /// Makes every operation fail with [`LedgerError::Unavailable`] until [`MemoryLedger::up`].
    pub fn down(&self, why: &str) {
        self.lock().down = Some(why.to_owned());
    }

    /// Ends [`MemoryLedger::down`].
    pub fn up(&self) {
        self.lock().down = None;
    }

    /// How many operations it was asked for since it was opened.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Performs `op` now, unless a fault stands in the way, and answers when polled.
    fn perform<T: Send + 'static>(
        &self,
        op: Op,
        work: impl FnOnce(&mut Book) -> Result<T, LedgerError>,
    ) -> Pending<'_, T> {
        let done = self.lock().perform(op, work);
        Box::pin(std::future::ready(done))
    }

    /// As [`MemoryLedger::perform`], for what gives out a fence: puts it back if nobody takes the answer.
    fn grant<T: Send + Unpin + 'static>(
        &self,
        op: Op,
        id: WriteId,
        fence: impl FnOnce(&T) -> Option<Fence>,
        work: impl FnOnce(&mut Book) -> Result<T, LedgerError>,
    ) -> Pending<'_, T> {
        let done = self.lock().perform(op, work);
        let fence = done.as_ref().ok().and_then(fence);
        let put_back = PutBack {
            ledger: self,
            id,
            fence,
        };
        Box::pin(async move {
            put_back.forget();
            done
        })
    }
}

/// Puts a fence back when dropped, unless it was taken out.
struct PutBack<'a> {
    ledger: &'a MemoryLedger,
    id: WriteId,
    fence: Option<Fence>,
}

impl PutBack<'_> {
    /// Somebody takes the fence.
    fn forget(mut self) {
        self.fence = None;
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Some(fence) = self.fence {
            self.ledger.lock().book.put_back(self.id, fence);
        }
    }
}

impl Shared {
    fn perform<T>(&mut self, op: Op, work: impl FnOnce(&mut Book) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.calls += 1;
        if self.closed {
            return Err(LedgerError::Closed);
        }
        if let Some(why) = &self.down {
            return Err(LedgerError::Unavailable(why.clone()));
        }
        if self.lost && op.changes() {
            return Err(lost());
        }
        match self.faults.get_mut(&op).and_then(VecDeque::pop_front) {
            None => work(&mut self.book),
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::LoseAnswer) => {
                self.lost = true;
                work(&mut self.book)?;
                Err(lost())
            }
            Some(Fault::LoseChange) => {
                self.lost = true;
                Err(lost())
            }
        }
    }
}

fn lost() -> LedgerError {
    LedgerError::Lost("a commit went unanswered".into())
}

impl Ledger for MemoryLedger {
    fn look_up(&self, sought: Sought, now: Time) -> Pending<'_, Option<Record>> {
        self.perform(Op::LookUp, |book| Ok(book.look_up(sought, now)))
    }

    fn traced(&self, trace: KeyTrace, limit: usize) -> Pending<'_, Vec<Record>> {
        self.perform(Op::Read, |book| Ok(book.traced(trace, limit)))
    }

    fn claim(&self, claim: Claim) -> Pending<'_, Claimed> {
        let fence = |claimed: &Claimed| match claimed {
            Claimed::Granted(fence) => Some(*fence),
            Claimed::Taken(_) => None,
        };
        self.grant(Op::Claim, claim.id, fence, |book| book.claim(claim))
    }

    fn amend(&self, id: WriteId, fence: Fence, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        self.perform(Op::Amend, |book| book.amend(id, fence, attempt, held))
    }

    fn settle(&self, id: WriteId, fence: Fence, settlement: Settlement) -> Pending<'_, ()> {
        self.perform(Op::Settle, |book| book.settle(id, fence, settlement))
    }

    fn doubt(&self, id: WriteId, fence: Fence, doubt: Doubt) -> Pending<'_, ()> {
        self.perform(Op::Doubt, |book| book.doubt(id, fence, doubt))
    }

    fn release(&self, id: WriteId, fence: Fence) -> Pending<'_, ()> {
        self.perform(Op::Release, |book| book.release(id, fence))
    }

    fn resolve(&self, id: WriteId, settlement: Settlement, by: ResolvedBy, reason: String) -> Pending<'_, Record> {
        let resolution = Resolution { by, reason };
        self.perform(Op::Resolve, |book| book.resolve(id, settlement, resolution))
    }

    fn retake(&self, id: WriteId, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        self.grant(Op::Retake, id, |f| Some(*f), |book| book.retake(id, attempt, held))
    }

    fn get(&self, id: WriteId) -> Pending<'_, Option<Record>> {
        self.perform(Op::Read, |book| Ok(book.get(id)))
    }

    fn resolution(&self, id: WriteId) -> Pending<'_, Option<Resolution>> {
        self.perform(Op::Read, |book| Ok(book.resolution(id)))
    }

    fn doubts(&self, after: Option<WriteId>, limit: usize) -> Pending<'_, Vec<Record>> {
        self.perform(Op::Read, |book| book.doubts(after, limit))
    }

    fn search(&self, query: Query, before: Option<WriteId>, limit: usize) -> Pending<'_, Found> {
        self.perform(Op::Read, |book| Ok(book.search(&query, before, limit)))
    }

    fn purge(&self, now: Time) -> Pending<'_, u64> {
        self.perform(Op::Purge, |book| Ok(book.purge(now)))
    }

    fn stats(&self) -> Pending<'_, Stats> {
        self.perform(Op::Read, |book| Ok(book.stats()))
    }

    fn check(&self) -> Pending<'_, Vec<String>> {
        self.perform(Op::Read, |book| Ok(book.check()))
    }

    fn close(&self) -> Pending<'_, ()> {
        self.lock().closed = true;
        Box::pin(std::future::ready(Ok(())))
    }
}
