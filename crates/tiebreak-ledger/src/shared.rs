//! What a ledger does for the lanes when several gateways share it.
//!
//! A lane is held by one gateway at a time, which serves its own queue in it. Others that want it wait in the ledger, in
//! order of arrival; whoever gives a lane up hands it to the first of them. A gateway learns that a lane was handed to it by
//! asking again; a hint may tell it when that is worthwhile.
//!
//! A gateway holds its lanes, as its claims, for as long as its *life* lasts. When a life ends without a goodbye, its lanes are
//! suspect: a request of its may still be on the way.
//!
//! [`SharedLedger`] is the client's side of all this, whatever the [`Database`]: PostgreSQL, or a model of one in the simulator.

mod batch;
mod change;
mod client;
mod database;
mod keeper;
mod latest;
mod options;
mod standing;
mod writer;

use std::time::Duration;

use tiebreak_core::lane::LaneId;
use tiebreak_core::record::Fence;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::change::{Change, Job, LaneKey, Slot};
pub use self::client::SharedLedger;
pub use self::database::{Asked, Database, Done, Keeping, Reading, Taken, Trouble, Writing};
pub use self::options::Options;
pub use self::standing::Standing;
use crate::Pending;

/// One life of a gateway in a shared ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its number. What was claimed or held in an earlier life is not this gateway's any more.
    pub number: u64,
    /// Until when it surely lasts if it cannot be prolonged; nothing is sent after that. A life that lasts is
    /// prolonged long before.
    pub until: Instant,
}

impl Life {
    /// Whether what was begun in the life of this `number` may go on at `now`.
    #[must_use]
    pub fn covers(&self, number: u64, now: Instant) -> bool {
        self.number == number && now < self.until
    }
}

/// A lane, held by this gateway from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The life in which it was granted.
    pub life: u64,
    /// The number of this holding: it only grows. What is said of an earlier one changes nothing.
    pub fence: Fence,
    /// For so long an unguarded request may still arrive in it.
    pub suspect_for: Duration,
    /// The entity tag that the last write in it produced, where that is known. The representation does not travel: it belongs
    /// to its caller.
    pub tag: Option<String>,
}

/// What a gateway leaves in a lane that it gives up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// For so long an unguarded request may still arrive.
    pub suspect_for: Duration,
    /// The entity tag that the last write produced.
    pub tag: Option<String>,
}

/// Lanes that several gateways share. Changes are submitted when a method is called, in the same order as those of the
/// [`Ledger`](crate::Ledger): a lane that is passed on after a doubt was submitted is not seen without that doubt.
pub trait SharedLanes: Send + Sync {
    /// The life of this gateway.
    fn life(&self) -> Life;

    /// Asks for a lane. `None`: another gateway has it, and this one waits for it; ask again.
    fn ask(&self, lane: &LaneId) -> Pending<'_, Option<Grant>>;

    /// Gives up the holding of a lane that has this fence; or, without one, waiting for it, and whatever holding came of that. The
    /// first who waits has it from now on.
    fn pass(&self, lane: &LaneId, fence: Option<Fence>, left: Left) -> Pending<'_, ()>;

    /// Gives this holding of a lane up if another gateway waits for it, and says whether that was so.
    fn offer(&self, lane: &LaneId, fence: Fence, left: Left) -> Pending<'_, bool>;

    /// Told when a lane may have been handed to somebody: a hint to ask again, which may be missed.
    fn hint(&self) -> &Notify;
}
