//! A removal without a precondition whose answer was lost, while its target still stands.
//!
//! Had it been applied, its target would be gone, or be another that somebody made since, under another version. So the very
//! version that the caller had read before the attempt, found once nothing of the attempt can arrive any more, says that it was
//! not applied. It goes out again under that version: should the read have come from a replica that lags, nothing is removed
//! that the caller did not mean.
//!
//! Where no version was read before, or tags come back, it stays in doubt: what stands there may have been made after the removal. So
//! does one that another exchange left in doubt, since nobody knows whether its caller read the version before that attempt.

use crate::exchange::plan::{Guard, Stale};
use crate::exchange::{Carried, Exchange, Step};
use crate::guarantee::Guarantee;
use crate::response::Response;
use crate::time::Time;

impl Exchange {
    /// The version that was read before the attempt, if it is the one that stands there when nothing can arrive any more.
    pub(super) fn still_stands(&self, current: &Carried) -> Option<Guard> {
        let plan = self.plan.as_deref()?;
        let waited = self.has_looked_late();
        let open = plan.unguarded && self.resumed.is_none() && self.refused.is_none();
        if !waited || !open || self.is_signed() || self.has_no_tags() || !self.can_name() {
            return None;
        }
        let tag = current.strong_tag()?;
        // What counts versions of a resource may count anew for another of that name, which would hold something else.
        let before = self.content_of(tag)?;
        let guard = self.guard(tag.clone(), Some(&before));
        (guard.version && before.same_bytes(&current.representation)).then_some(guard)
    }

    /// Sends a removal again that was not applied, under the version that [still stands](Self::still_stands).
    pub(super) fn remove_again(&mut self, now: Time, response: &Response) -> Step {
        let current = self.as_current(response);
        let guard = current.as_ref().and_then(|c| self.still_stands(c));
        let Some(guard) = guard.filter(|_| self.attempts < self.context.policy.attempts && now <= self.gives_up_at())
        else {
            return self.look_again(now);
        };
        let before = self.content_of(&guard.tag);
        let plan = self.under(guard.tag, before, Stale::Tell, Guarantee::C);
        self.claim_for(now, Box::new(plan))
    }
}
