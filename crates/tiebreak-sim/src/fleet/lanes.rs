//! The statements about lanes.

use std::time::Duration;

use tiebreak_core::record::Fence;
use tiebreak_core::time::Time;
use tiebreak_ledger::shared::{LaneKey, Left, Taken};

use super::tables::Tables;
use crate::sabotage::Sabotage;

/// A lane, as its row holds it.
#[derive(Debug, Clone)]
pub(super) struct LaneRow {
    /// Which process serves it now.
    pub(super) owner: Option<i64>,
    /// The number of its last holding.
    pub(super) fence: Fence,
    /// The version that the last write in it produced.
    pub(super) tag: Option<String>,
    /// An unguarded request may still arrive until then.
    pub(super) suspect_until: Option<Time>,
}

impl Tables {
    /// Takes a lane that is free, this owner's, or of an owner that is no more; else puts the owner among those who wait.
    pub(super) fn ask(&mut self, owner: i64, lane: LaneKey, now: Time) -> Option<Taken> {
        let late = self.owners.get(&owner)?.late;
        // As a sequence does, it gives out a number whether or not it is used.
        let fence = self.next_fence();
        let held = self.lanes.entry(lane).or_insert(LaneRow {
            owner: None,
            fence,
            tag: None,
            suspect_until: None,
        });
        let holder = held.owner.filter(|holder| *holder != owner);
        let alive = holder.is_some_and(|holder| self.owners.contains_key(&holder));
        if alive && self.sabotage != Sabotage::LanesUnheld {
            if !self.waits.contains_key(&(lane, owner)) {
                self.last_ticket += 1;
                self.waits.insert((lane, owner), self.last_ticket);
            }
            return None;
        }
        if holder.is_some() {
            held.suspect_until = held.suspect_until.max(Some(now.after(late)));
        }
        if held.owner != Some(owner) {
            held.fence = fence;
        }
        held.owner = Some(owner);
        let taken = Taken {
            fence: held.fence,
            tag: held.tag.clone(),
            suspect_for: held.suspect_until.map_or(Duration::ZERO, |until| now.until(until)),
        };
        self.waits.remove(&(lane, owner));
        Some(taken)
    }

    /// Gives a lane up: to the first who waits and is alive, if there is one. `None`: it was not given up.
    pub(super) fn pass(
        &mut self,
        owner: i64,
        lane: LaneKey,
        fence: Option<Fence>,
        left: &Left,
        only_if_wanted: bool,
        now: Time,
    ) -> Option<Option<i64>> {
        let waiting = self.waits.range((lane, i64::MIN)..=(lane, i64::MAX));
        let alive = waiting.filter(|((_, who), _)| {
            let lease = self.owners.get(who).map(|o| o.lease_until);
            *who != owner && lease.is_some_and(|until| until > now)
        });
        let next = alive.min_by_key(|(_, ticket)| **ticket).map(|((_, who), _)| *who);
        if !only_if_wanted {
            self.waits.remove(&(lane, owner));
        }
        let number = self.next_fence();
        let held = self.lanes.get_mut(&lane)?;
        let earlier = fence.is_some_and(|f| f != held.fence);
        if held.owner != Some(owner) || earlier || (next.is_none() && only_if_wanted) {
            return None;
        }
        held.owner = next;
        if next.is_some() {
            held.fence = number;
        }
        held.tag.clone_from(&left.tag);
        if !left.suspect_for.is_zero() {
            held.suspect_until = held.suspect_until.max(Some(now.after(left.suspect_for)));
        }
        Some(next)
    }
}
