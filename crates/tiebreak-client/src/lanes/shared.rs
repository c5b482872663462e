//! Lanes that this gateway shares with others: before the write at the front of a lane has its turn, the gateway must hold it.
//!
//! The write at the front asks, for one lane after the other in their order; while it waits for one, it keeps none that comes
//! after that, so that no two gateways wait for each other. A lane that nobody here wants any more is given up at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tiebreak_core::lane::LaneId;
use tiebreak_core::record::Fence;
use tiebreak_core::time::Time;
use tiebreak_ledger::shared::{Grant, Left, SharedLanes};
use tiebreak_ledger::{Ledger, LedgerError};

use super::tenancy::{Lease, Tenancy};
use super::{Lane, Lanes, Place, State, Ticket};

/// So soon it asks again for a lane that another gateway has, hints or not, and up to twice as long: the jitter keeps gateways
/// from asking in step.
const AGAIN: Duration = Duration::from_millis(25);

/// The ledger that holds the lanes which are shared.
pub(super) struct Sharing(Arc<dyn Ledger>);

impl std::fmt::Debug for Sharing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("shared lanes")
    }
}

impl Sharing {
    /// If `ledger` shares its lanes.
    pub(super) fn of(ledger: &Arc<dyn Ledger>) -> Option<Sharing> {
        ledger.shared().is_some().then(|| Sharing(Arc::clone(ledger)))
    }

    fn lanes(&self) -> Option<&dyn SharedLanes> {
        self.0.shared()
    }
}

/// What the write at the front of its lanes does next.
enum Next {
    /// It has them all.
    Go,
    Ask(LaneId),
    /// The lane has served a batch: whoever waits elsewhere comes first.
    Offer(LaneId, Fence, Left),
}

impl Ticket {
    /// Waits until this gateway holds all lanes of the write, which is at their front here.
    pub(super) async fn hold(&mut self) -> Result<(), LedgerError> {
        let lanes = Arc::clone(&self.lanes);
        let Some(shared) = lanes.sharing.as_ref().and_then(Sharing::lanes) else {
            return Ok(());
        };
        let mut asked = 0_u32;
        loop {
            let life = shared.life().number;
            match self.lanes.next(&self.place, shared, life) {
                Next::Go => {
                    self.life = Some(life);
                    return Ok(());
                }
                Next::Ask(lane) => {
                    let hint = shared.hint().notified();
                    if let Some(grant) = shared.ask(&lane).await? {
                        self.lanes.granted(&lane, &grant);
                        continue;
                    }
                    let wait = AGAIN + AGAIN.mul_f64(jitter(life, asked));
                    asked = asked.saturating_add(1);
                    tokio::select! {
                        () = hint => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Next::Offer(lane, fence, left) => match shared.offer(&lane, fence, left).await {
                    Ok(false) => self.lanes.kept(&lane, life, fence),
                    // If it is not known what became of the offer, asking tells.
                    Ok(true) | Err(_) => self.lanes.given_up(&lane),
                },
            }
        }
    }
}

/// A number from 0 to 1 that differs from gateway to gateway, as their lives do, and from time to time.
fn jitter(life: u64, asked: u32) -> f64 {
    let mixed = (life << 32 | u64::from(asked)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from((mixed >> 40) as u32) / f64::from(1_u32 << 24)
}

impl Lanes {
    fn next(&self, place: &Arc<Place>, shared: &dyn SharedLanes, life: u64) -> Next {
        let now = self.clock.now();
        let mut state = self.lock();
        for (at, id) in place.lanes.iter().enumerate() {
            let Some(lane) = state.lanes.get_mut(id) else { continue };
            match &mut lane.lease {
                Lease::Held(tenancy) if tenancy.life == life => {
                    if place.admitted.load(Ordering::Acquire) {
                        continue;
                    }
                    if !tenancy.admits(now) {
                        let fence = tenancy.fence;
                        return Next::Offer(id.clone(), fence, lane.left(now));
                    }
                    if place.lanes.len() == 1 {
                        tenancy.admitted += 1;
                        place.admitted.store(true, Ordering::Release);
                    }
                }
                _ => {
                    lane.lose();
                    lane.lease = Lease::Asked;
                    for later in &place.lanes[at + 1..] {
                        if let Some(lane) = state.lanes.get_mut(later) {
                            lane.give_up(later, shared, life, now);
                        }
                    }
                    return Next::Ask(id.clone());
                }
            }
        }
        // A write in several lanes counts once it has them all.
        for id in place.lanes.iter().filter(|_| place.lanes.len() > 1) {
            if let Some(Lease::Held(tenancy)) = state.lanes.get_mut(id).map(|l| &mut l.lease) {
                tenancy.admitted += 1;
            }
        }
        place.admitted.store(true, Ordering::Release);
        for id in &place.lanes {
            state.admit(id, self.limits.ahead, now);
        }
        Next::Go
    }

    fn granted(&self, id: &LaneId, grant: &Grant) {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(id) else { return };
        lane.lease = Lease::Held(Tenancy::new(grant.life, grant.fence, now));
        // What this gateway remembers is current only if nobody else has written since.
        let current = |tag: &str| grant.tag.as_deref() == Some(tag);
        let known = lane
            .carried
            .as_ref()
            .and_then(|c| c.strong_tag())
            .map(ToString::to_string);
        if !known.as_deref().is_some_and(current) {
            lane.carried = None;
        }
        if !grant.suspect_for.is_zero() {
            lane.suspect_until = lane.suspect_until.max(Some(now.after(grant.suspect_for)));
        }
    }

    /// Nobody else wants it: another batch.
    fn kept(&self, id: &LaneId, life: u64, fence: Fence) {
        let now = self.clock.now();
        if let Some(lane) = self.lock().lanes.get_mut(id) {
            lane.lease = Lease::Held(Tenancy::new(life, fence, now));
        }
    }

    fn given_up(&self, id: &LaneId) {
        if let Some(lane) = self.lock().lanes.get_mut(id) {
            lane.lose();
        }
    }

    /// Gives up a lane in which nobody waits here any more.
    pub(super) fn pass_if_empty(&self, state: &mut State, id: &LaneId, now: Time) {
        let Some(shared) = self.sharing.as_ref().and_then(Sharing::lanes) else {
            return;
        };
        if let Some(lane) = state.lanes.get_mut(id).filter(|l| l.queue.is_empty()) {
            lane.give_up(id, shared, shared.life().number, now);
        }
    }
}

impl State {
    /// Admits what stands near the front of a held lane, as long as the batch lasts. A write in several lanes ends it here: it
    /// may have to wait for others, so nobody behind it can be sure to be served before the lane is given up.
    pub(super) fn admit(&mut self, id: &LaneId, ahead: usize, now: Time) {
        let Some(lane) = self.lanes.get_mut(id) else { return };
        let Lease::Held(tenancy) = &mut lane.lease else { return };
        for place in lane.queue.iter().take(ahead) {
            if place.admitted.load(Ordering::Acquire) {
                continue;
            }
            if place.lanes.len() > 1 || !tenancy.admits(now) {
                return;
            }
            tenancy.admitted += 1;
            place.admitted.store(true, Ordering::Release);
            place.changed.notify_one();
        }
    }
}

impl Lane {
    /// What the next gateway may know.
    fn left(&self, now: Time) -> Left {
        Left {
            suspect_for: self.suspect_until.map_or(Duration::ZERO, |until| now.until(until)),
            tag: self
                .carried
                .as_ref()
                .and_then(|c| c.strong_tag())
                .map(ToString::to_string),
        }
    }

    fn give_up(&mut self, id: &LaneId, shared: &dyn SharedLanes, life: u64, now: Time) {
        let fence = match &self.lease {
            Lease::Asked => Some(None),
            Lease::Held(tenancy) if self.lease.held_in(life) => Some(Some(tenancy.fence)),
            Lease::Held(_) | Lease::None => None,
        };
        if let Some(fence) = fence {
            // Submitted by the call; whether it is done in time only others notice.
            drop(shared.pass(id, fence, self.left(now)));
        }
        self.lose();
    }

    /// The lane is not this gateway's any more: whoever is admitted again has to see what happened meanwhile.
    fn lose(&mut self) {
        self.lease = Lease::None;
        for place in &self.queue {
            place.admitted.store(false, Ordering::Release);
        }
    }
}
