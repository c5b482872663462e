//! The lanes that gateways share, in the database.

use tiebreak_core::fingerprint::Digest;
use tiebreak_core::lane::LaneId;
use tokio::sync::Notify;

use super::PgLedger;
use super::change::{Change, LaneKey};
use crate::Pending;
use crate::shared::{Grant, Left, Life, SharedLanes};

fn key(lane: &LaneId) -> LaneKey {
    Digest::of(&[lane.0.as_bytes()]).0
}

impl SharedLanes for PgLedger {
    fn life(&self) -> Life {
        let tenure = self.shared.tenure();
        let margin = self.shared.options.margin;
        Life {
            number: tenure.owner.unsigned_abs(),
            until: tenure.until.checked_sub(margin).unwrap_or(tenure.until).into(),
        }
    }

    fn ask(&self, lane: &LaneId) -> Pending<'_, Option<Grant>> {
        let lane = key(lane);
        self.change(|slot| Change::Ask(lane, slot))
    }

    fn pass(&self, lane: &LaneId, left: Left) -> Pending<'_, ()> {
        let passing = self.give(key(lane), left, false);
        Box::pin(async move { passing.await.map(drop) })
    }

    fn offer(&self, lane: &LaneId, left: Left) -> Pending<'_, bool> {
        self.give(key(lane), left, true)
    }

    fn hint(&self) -> &Notify {
        &self.shared.hint
    }
}

impl PgLedger {
    fn give(&self, lane: LaneKey, left: Left, only_if_wanted: bool) -> Pending<'_, bool> {
        self.change(|slot| Change::Pass {
            lane,
            left,
            only_if_wanted,
            slot,
        })
    }
}
