//! How long a gateway keeps a lane that it shares with others: pure decisions.

use std::time::Duration;

use tiebreak_core::record::Fence;
use tiebreak_core::time::Time;

/// A lane serves at most so many writes of one gateway while others wait for it,
pub(super) const BATCH: usize = 64;

/// and admits none later than so long after it was taken.
pub(super) const TURN: Duration = Duration::from_millis(250);

/// What a gateway has of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lease {
    /// Nothing.
    #[default]
    None,
    /// It has asked for it.
    Asked,
    /// It holds it.
    Held(Tenancy),
}

/// One holding of a lane.
///
/// Writes are admitted to it one after the other, from the front of the queue. Those that are admitted may make their claims
/// ahead of their turn, since they are served before the lane is given up: nobody else can write in between, so that they
/// cannot have missed a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenancy {
    /// The life in which it was granted.
    pub(super) life: u64,
    /// The number of the holding.
    pub(super) fence: Fence,
    /// Since when this batch is served.
    pub(super) since: Time,
    /// How many writes were admitted to it.
    pub(super) admitted: usize,
}

impl Tenancy {
    /// A new holding, or a new batch in one that nobody else asked for.
    pub(super) fn new(life: u64, fence: Fence, now: Time) -> Tenancy {
        Tenancy {
            life,
            fence,
            since: now,
            admitted: 0,
        }
    }

    /// Whether one more may be admitted. The first always is, else a slow gateway would never get anything done.
    pub(super) fn admits(&self, now: Time) -> bool {
        self.admitted == 0 || (self.admitted < BATCH && now < self.since.after(TURN))
    }
}

impl Lease {
    /// Whether it is held in this life.
    pub(super) fn held_in(&self, life: u64) -> bool {
        matches!(self, Lease::Held(tenancy) if tenancy.life == life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holding_is_bounded_in_number_and_in_time() {
        let mut tenancy = Tenancy::new(1, Fence(1), Time(1_000));
        assert!(tenancy.admits(Time(9_000)), "the first is admitted however late");
        tenancy.admitted = BATCH - 1;
        assert!(tenancy.admits(Time(1_249)));
        assert!(!tenancy.admits(Time(1_250)));
        tenancy.admitted = BATCH;
        assert!(!tenancy.admits(Time(1_000)));
    }

    #[test]
    fn what_was_held_in_an_earlier_life_is_not_held() {
        let lease = Lease::Held(Tenancy::new(1, Fence(1), Time(0)));
        assert!(lease.held_in(1) && !lease.held_in(2));
        assert!(!Lease::Asked.held_in(1) && !Lease::None.held_in(1));
    }
}
