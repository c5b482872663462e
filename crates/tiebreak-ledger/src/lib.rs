//! The durable record of writes: claimed, settled, or in doubt.
//!
//! One trait, [`Ledger`], and one contract suite (module `contract`, behind the feature of that name) that every
//! backend passes without exceptions:
//! - [`memory`]: for tests and the simulator, with crashes and faults on demand;
//! - [`sqlite`]: a file of one process, the default;
//! - `postgres` (feature of that name): a database that several processes share.

pub mod bounds;
#[cfg(feature = "contract")]
pub mod contract;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod search;
pub mod shared;
pub mod sqlite;
mod waiting;
mod words;

use std::future::Future;
use std::pin::Pin;

use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use tiebreak_core::time::Time;

use search::{Found, Query};

/// The most records that [`Ledger::doubts`] returns at once.
pub const MAX_PAGE: usize = 1_000;

/// A future that a ledger returns.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// Why a ledger could not do what was asked. In each case nothing has changed, unless `Lost` says otherwise.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum LedgerError {
    /// Another process holds it.
    #[error("open the ledger {path}: another process uses it; stop that process, or give this one its own --ledger")]
    Held {
        /// The file.
        path: String,
    },
    /// It was written by a newer Tiebreak.
    #[error(
        "open the ledger {path}: its format is version {found}, this Tiebreak reads up to {known}; use the newer Tiebreak that wrote it"
    )]
    Newer {
        /// The file.
        path: String,
        /// The version found.
        found: u32,
        /// The newest version that this build reads.
        known: u32,
    },
    /// It is shared, and its tables were made by an older Tiebreak.
    #[error(
        "open the ledger {path}: its tables are of version {found}, this Tiebreak needs {needed}; bring them up to date with `tiebreak ledger migrate`"
    )]
    Older {
        /// Where it is.
        path: String,
        /// The version found.
        found: u32,
        /// The version that this build needs.
        needed: u32,
    },
    /// It is not a ledger, or damaged.
    #[error("read the ledger: {0}; keep the file, restore a copy of it, or start with another --ledger")]
    Damaged(String),
    /// No space is left for a claim and its settlement.
    #[error("record the write: no space is left for the ledger; free some, nothing was sent")]
    Full,
    /// The fence is older than the record's: somebody else owns this write now.
    #[error("change the record of write {0}: it has been claimed anew since")]
    Fenced(WriteId),
    /// There is no such record, or it is not in the state that the operation needs.
    #[error("find an open record of write {0}")]
    NotFound(WriteId),
    /// It is not known whether the change is durable (a failed fsync, a lost answer). The ledger takes no
    /// more claims until it was reopened and checked.
    #[error("make the ledger durable: {0}; restart to have it checked")]
    Lost(String),
    /// It cannot be reached or used for another reason.
    #[error("use the ledger: {0}")]
    Unavailable(String),
    /// It was closed.
    #[error("use the ledger: it was closed")]
    Closed,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The right to perform the write, with its fence.
    Granted(Fence),
    /// Something stands in the way ([`Ledger::look_up`] says what can); nothing was claimed.
    Taken(Box<Record>),
}

/// How a doubt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolvedBy {
    /// The prover found out.
    Proof,
    /// A person said so.
    Person,
}

/// How a doubt ended, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Who ended it.
    pub by: ResolvedBy,
    /// The proof or the person's reason, in words.
    pub reason: String,
}

/// Counts of what a ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Records in state claimed.
    pub claimed: u64,
    /// Settled records.
    pub settled: u64,
    /// Open doubts.
    pub in_doubt: u64,
    /// Bytes that the ledger occupies.
    pub bytes: u64,
}

/// The durable record of writes.
///
/// Every method that changes something returns only after the change is durable. Every method may be
/// called from many tasks at once; a backend groups their commits.
///
/// **Order.** An operation is submitted when its method is called, not when its future is first polled, and the changes
/// that one task submits are applied in that order. Dropping a future does not undo what it stood for, with one exception: a
/// claim or a retaking whose future is dropped before it gave out its fence is put back (released, or in doubt
/// again), since nothing can have been sent under a fence that nobody saw.
///
/// **Fences.** They grow across all records and all reopenings. What carries an older fence than the record's fails
/// with [`LedgerError::Fenced`]; what finds the record absent or in another state with [`LedgerError::NotFound`].
///
/// **Crashes.** What is still claimed when a store is opened belongs to a process that is gone: it is in doubt
/// ([`Unknown::Crash`](tiebreak_core::delivery::Unknown::Crash)) before the first call is answered. Where several
/// processes share a store, this holds for those whose lease has run out, and not only when it is opened.
///
/// **Bounds.** A settlement is cut to the ledger's [`bounds::Bounds`] and says so (`truncated`).
pub trait Ledger: Send + Sync + 'static {
    /// The record that stands in the way of a write: the one with this key; else an open doubt of the same
    /// caller and fingerprint, the oldest first; else the newest record that says that this key, which cannot be guessed, was
    /// used by another caller for the same write ([`Sought::is_used_by_another`]). Settled records past their expiry
    /// (`expires <= now`) are not found.
    ///
    /// A doubt that was [retaken](Ledger::retake) stands in the way like an open one until it is settled or released:
    /// else two repeats of one doubtful write would both be sent.
    fn look_up(&self, sought: Sought, now: Time) -> Pending<'_, Option<Record>>;

    /// The records whose keys left this trace, whoever their callers are, the newest first; at most `limit` and at most 1,000
    /// ([`MAX_PAGE`]). For operators who look for a key, never for callers. Only the digest counts.
    fn traced(&self, trace: KeyTrace, limit: usize) -> Pending<'_, Vec<Record>>;

    /// Claims a write, unless [`Ledger::look_up`] at the time of the claim would find something (in one atomic step).
    /// Reserves the space for its settlement. An id that was used before is [`LedgerError::Unavailable`].
    fn claim(&self, claim: Claim) -> Pending<'_, Claimed>;

    /// Claims the next attempt of a write that is claimed already: sets attempt number and held validator and
    /// gives out a new, higher fence.
    fn amend(&self, id: WriteId, fence: Fence, attempt: u32, held: Option<String>) -> Pending<'_, Fence>;

    /// Records what a claimed write came to.
    fn settle(&self, id: WriteId, fence: Fence, settlement: Settlement) -> Pending<'_, ()>;

    /// Records that a claimed write is in doubt.
    fn doubt(&self, id: WriteId, fence: Fence, doubt: Doubt) -> Pending<'_, ()>;

    /// Forgets a claimed write that was never applied (not sent, or refused for a passing reason): its key is free again.
    fn release(&self, id: WriteId, fence: Fence) -> Pending<'_, ()>;

    /// Ends a doubt: the record becomes settled. `by` and `reason` are kept with it ([`Ledger::resolution`]). A settlement that
    /// [frees its key](Settlement::frees_key) stands in nobody's way.
    fn resolve(&self, id: WriteId, settlement: Settlement, by: ResolvedBy, reason: String) -> Pending<'_, Record>;

    /// Ends a doubt about a write that is proven *not* to have been applied and takes it up again in one step:
    /// the record is claimed anew, under a new fence, for the attempt that follows.
    fn retake(&self, id: WriteId, attempt: u32, held: Option<String>) -> Pending<'_, Fence>;

    /// The record with this id.
    fn get(&self, id: WriteId) -> Pending<'_, Option<Record>>;

    /// Who ended the doubt about this write, and why; `None` unless it is settled and was in doubt before.
    fn resolution(&self, id: WriteId) -> Pending<'_, Option<Resolution>>;

    /// Open doubts in order of arrival, after `after` (exclusive; [`LedgerError::NotFound`] if it is
    /// unknown), at most `limit` and at most 1,000 ([`MAX_PAGE`]).
    fn doubts(&self, after: Option<WriteId>, limit: usize) -> Pending<'_, Vec<Record>>;

    /// The records that `query` asks for, those that came last first, as their ids say, from before `before` (which need not
    /// be there any more): at most `limit` and at most [`MAX_FOUND`](search::MAX_FOUND), after looking at no more than about
    /// [`MAX_LOOKED_AT`](search::MAX_LOOKED_AT). [`Found::next`](search::Found::next) says where to go on, also where
    /// nothing was found so far. Never holds up a change.
    fn search(&self, query: Query, before: Option<WriteId>, limit: usize) -> Pending<'_, Found>;

    /// Deletes settled records whose time is over; doubts and claims never. Returns how many. Works in slices, so
    /// that claims do not wait.
    fn purge(&self, now: Time) -> Pending<'_, u64>;

    /// Counts of what it holds.
    fn stats(&self) -> Pending<'_, Stats>;

    /// Looks for what contradicts itself in the store: what is wrong, in words, nothing if all is in order. Slow; for operators.
    /// Whether each record can be read is another question ([`Ledger::get`] and its like tell).
    fn check(&self) -> Pending<'_, Vec<String>>;

    /// The lanes that it shares with other gateways; `None`: this process has the ledger to itself.
    fn shared(&self) -> Option<&dyn shared::SharedLanes> {
        None
    }

    /// Finishes what was begun and releases the store. Later calls fail with [`LedgerError::Closed`].
    fn close(&self) -> Pending<'_, ()>;
}
