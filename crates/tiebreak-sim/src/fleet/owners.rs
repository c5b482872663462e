//! The statements about processes: who is alive, by the database's clock.

use std::time::Duration;

use tiebreak_core::time::Time;

use super::tables::{Owner, Tables};
use crate::sabotage::Sabotage;

impl Tables {
    /// Signs in as a new owner.
    pub fn register_owner(&mut self, host: usize, lease: Duration, late: Duration, now: Time) -> i64 {
        self.last_owner += 1;
        let lease_until = now.after(lease);
        self.owners.insert(
            self.last_owner,
            Owner {
                lease_until,
                late,
                session: 0,
                host,
            },
        );
        self.last_owner
    }

    /// A new session for the changes of `owner`, unless that is gone or a later one has begun.
    pub fn succeed(&mut self, owner: i64, number: i64) {
        if let Some(owner) = self.owners.get_mut(&owner) {
            owner.session = owner.session.max(number);
        }
    }

    /// Whether what a session of `owner` has sent is still made: an owner that is gone changes nothing anyway.
    #[must_use]
    pub fn is_current(&self, owner: i64, number: i64) -> bool {
        let succeeded = |owner: &Owner| owner.session > number;
        self.sabotage == Sabotage::OldStatementsMade || !self.owners.get(&owner).is_some_and(succeeded)
    }

    /// Prolongs a lease, unless the owner is gone.
    pub fn renew(&mut self, host: usize, owner: i64, lease: Duration, now: Time) -> bool {
        let lease_until = now.after(lease);
        let late = Duration::ZERO;
        if self.sabotage == Sabotage::DeadRevived {
            self.owners.entry(owner).or_insert(Owner {
                lease_until,
                late,
                session: 0,
                host,
            });
        }
        match self.owners.get_mut(&owner) {
            Some(alive) => {
                alive.lease_until = lease_until;
                true
            }
            None => false,
        }
    }

    /// Declares those dead whose lease ran out.
    pub fn reap(&mut self, own: i64, now: Time) -> u64 {
        let dead = self.owners.iter().filter(|(n, o)| **n != own && o.lease_until < now);
        let dead: Vec<i64> = dead.map(|(n, _)| *n).collect();
        dead.iter().map(|owner| self.remove(*owner, None, now)).sum()
    }

    /// Signs out.
    pub fn leave(&mut self, own: i64, now: Time) -> u64 {
        self.remove(own, Some(now), now)
    }

    fn remove(&mut self, owner: i64, since: Option<Time>, now: Time) -> u64 {
        let Some(gone) = self.owners.remove(&owner) else {
            return 0;
        };
        let late = since.unwrap_or(gone.lease_until).after(gone.late);
        for lane in self.lanes.values_mut().filter(|l| l.owner == Some(owner)) {
            lane.owner = None;
            if self.sabotage != Sabotage::NothingSuspect {
                lane.suspect_until = lane.suspect_until.max(Some(late));
            }
        }
        self.waits.retain(|(_, who), _| *who != owner);
        self.end(owner, now)
    }
}
