//! What the client of a shared ledger asks of its database.
//!
//! Each method of a session stands for one statement or one short transaction: made as a whole, or not at all. If it is
//! [`Trouble::Gone`], it may have been made all the same. A session whose future was dropped is not used again, except by
//! readers.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Fence, Record, Sought, WriteId};
use tiebreak_core::time::Time;
use tokio::sync::Notify;

use super::change::{Job, LaneKey};
use super::options::Options;
use super::standing::Standing;
use crate::search::{Found, Query};
use crate::{LedgerError, Resolution, Stats};

/// Why something was not done, by what can be done about it.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// The connection is gone, or the server does not take changes: whether the last change was made is not known.
    Gone(String),
    /// Two transactions were in each other's way; nothing was changed, and it can be tried again at once.
    Again(String),
    /// No space is left.
    Full,
    /// The database refused what was asked.
    Refused(String),
    /// A rule of the ledger stands against it.
    Rule(LedgerError),
}

impl Trouble {
    /// What a caller is told.
    pub(crate) fn told(self) -> LedgerError {
        match self {
            Trouble::Gone(why) => LedgerError::Unavailable(format!("the database cannot be used: {why}")),
            Trouble::Again(why) | Trouble::Refused(why) => {
                LedgerError::Unavailable(format!("the database says: {why}"))
            }
            Trouble::Full => LedgerError::Full,
            Trouble::Rule(error) => error,
        }
    }

    /// Why, in words.
    pub(crate) fn why(&self) -> String {
        match self {
            Trouble::Gone(why) | Trouble::Again(why) | Trouble::Refused(why) => why.clone(),
            Trouble::Full => "no space is left".into(),
            Trouble::Rule(error) => error.to_string(),
        }
    }

    /// Nothing was heard in time.
    pub(crate) fn silent() -> Trouble {
        Trouble::Gone("it did not answer in time".into())
    }
}

/// What comes of asking.
pub type Asked<T> = Result<T, Trouble>;

/// A lane that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The number of this holding.
    pub fence: Fence,
    /// The version left in it.
    pub tag: Option<String>,
    /// For so long it is suspect.
    pub suspect_for: Duration,
}

/// What a batch did: the writes for which the change of their kind was made, with the fences given out.
#[derive(Debug, Default)]
pub struct Done {
    /// Claimed, amended or retaken, under this fence.
    pub granted: HashMap<WriteId, Fence>,
    /// Settled, in doubt, released (`None`), or resolved.
    pub ended: HashMap<WriteId, Option<Record>>,
    /// The lanes that were taken.
    pub taken: HashMap<LaneKey, Taken>,
    /// The lanes that were given up.
    pub passed: HashSet<LaneKey>,
    /// Whether the owner's lease had not run out; else nothing was claimed.
    pub alive: bool,
}

/// A database that several processes share.
pub trait Database: Send + Sync + 'static {
    /// A session of the one task that makes changes.
    type Writing: Writing;
    /// A session of the one that keeps the process alive.
    type Keeping: Keeping;
    /// A session of readers.
    type Reading: Reading;

    /// A new session for the changes of `owner`, which counts the sessions that it asks for. It succeeds those with a lower
    /// `number`: what they have sent and is not made yet, is never made any more, so that no statement that was held up on its
    /// way takes what nobody knows of. One that was asked for earlier and begins only now, succeeds none that was asked for later.
    fn writing(&self, owner: i64, number: i64) -> impl Future<Output = Asked<Self::Writing>> + Send;

    /// A new session to keep the process alive; `hint` is told when a lane may have been handed to somebody.
    fn keeping(&self, hint: Arc<Notify>) -> impl Future<Output = Asked<Self::Keeping>> + Send;

    /// A new session for readers.
    fn reading(&self) -> impl Future<Output = Asked<Self::Reading>> + Send;
}

/// A session of the one task that makes changes.
pub trait Writing: Send + Sync {
    /// Whether its connection is known to be gone.
    fn is_closed(&self) -> bool;

    /// Makes `jobs`, which are about different subjects, in one transaction: endings first, then claims, then lanes that are given up, then
    /// lanes that are asked for. An owner whose row is gone claims nothing, and a session that was succeeded is
    /// [gone](Trouble::Gone) and changes nothing.
    fn perform(&self, jobs: &[Job]) -> impl Future<Output = Asked<Done>> + Send;

    /// How the records with these ids stand.
    fn standing(&self, ids: &[WriteId]) -> impl Future<Output = Asked<HashMap<WriteId, Standing>>> + Send;

    /// What stands in the way of each of `claims`, in their order.
    fn taken_by(&self, claims: &[&Claim]) -> impl Future<Output = Asked<Vec<Option<Record>>>> + Send;
}

/// A session of the one task that keeps the process alive.
pub trait Keeping: Send + Sync {
    /// Whether its connection is known to be gone.
    fn is_closed(&self) -> bool;

    /// Signs in as a new owner, for as long as the lease. Tells its number and the database's time.
    fn register(&self, options: &Options) -> impl Future<Output = Asked<(i64, Time)>> + Send;

    /// Prolongs the lease from now; `false`: this owner was declared dead.
    fn renew(&self, owner: i64, lease: Duration) -> impl Future<Output = Asked<bool>> + Send;

    /// Declares those dead whose lease ran out: what they had claimed is in doubt, and their lanes are free, but suspect for as
    /// long as a request of theirs may still arrive. Returns how many claims went into doubt.
    fn reap(&self, own: i64) -> impl Future<Output = Asked<u64>> + Send;

    /// Signs out: what is still claimed is in doubt at once. Returns how many claims that were.
    fn leave(&self, own: i64) -> impl Future<Output = Asked<u64>> + Send;
}

/// A session of readers, many at once. Each method is the one of the same name of [`Ledger`](crate::Ledger).
#[allow(missing_docs, reason = "the trait says it")]
pub trait Reading: Send + Sync {
    /// Whether its connection is known to be gone.
    fn is_closed(&self) -> bool;
    fn look_up(&self, sought: &Sought, now: Time) -> impl Future<Output = Asked<Option<Record>>> + Send;
    fn traced(&self, trace: KeyTrace, limit: usize) -> impl Future<Output = Asked<Vec<Record>>> + Send;
    fn get(&self, id: WriteId) -> impl Future<Output = Asked<Option<Record>>> + Send;
    fn resolution(&self, id: WriteId) -> impl Future<Output = Asked<Option<Resolution>>> + Send;
    fn doubts(&self, after: Option<WriteId>, limit: usize) -> impl Future<Output = Asked<Vec<Record>>> + Send;
    fn search(&self, query: &Query, before: Option<WriteId>, limit: usize)
    -> impl Future<Output = Asked<Found>> + Send;
    /// One slice; whether there may be more.
    fn purge(&self, now: Time) -> impl Future<Output = Asked<(u64, bool)>> + Send;
    fn stats(&self) -> impl Future<Output = Asked<Stats>> + Send;
    fn check(&self) -> impl Future<Output = Asked<Vec<String>>> + Send;
}
