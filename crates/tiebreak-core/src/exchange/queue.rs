//! Lanes and claim.

use crate::exchange::plan::Planned;
use crate::exchange::reply::{step, step_until};
use crate::exchange::{Answer, DoubtMark, Effect, Exchange, LaneExit, LaneView, Place, Stage, Step};
use crate::outcome::Outcome;
use crate::problem::{Kind, Problem};
use crate::record::{Claim, Fence, Record, State, WriteId};
use crate::time::Time;

impl Exchange {
    pub(super) fn queue(&mut self) -> Step {
        self.stage = Stage::Queueing;
        self.decide_early();
        let lanes = self.context.lanes.clone();
        // What was handed to a browser meanwhile has its claim already.
        // What is compared first is claimed after it, under what guards it.
        let ahead = self.context.policy.claim_ahead && !self.may_compare();
        let near = ahead && self.resumed.is_none() && self.fence.is_none();
        step_until(Effect::EnterLanes { lanes, near }, self.gives_up_at())
    }

    pub(super) fn never_had_a_turn(&mut self) -> Step {
        let detail = "too many writes to this resource wait already, or an earlier one is in doubt; \
                      nothing was sent, try again later";
        let report = self.report(Outcome::NotSent);
        let mut refusal = Answer::ours(Problem::new(Kind::Busy, detail), report);
        refusal
            .headers
            .insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("5"));
        self.finish_unsent(self.started, refusal)
    }

    /// Near the front: the claim is made durable while the write before this one is on the wire.
    pub(super) fn claim_ahead(&mut self, now: Time) -> Step {
        self.stage = Stage::ClaimingAhead;
        self.place = Place::Queued;
        // A client's own precondition is known by now; a version that the lane carries is not.
        let held = self.and_key(self.own_tag().map(ToString::to_string));
        step(Effect::Claim(Box::new(self.claim_of(now, held))))
    }

    pub(super) fn await_turn(&mut self, fence: Fence) -> Step {
        self.fence = Some(fence);
        self.wait_for_turn()
    }

    pub(super) fn wait_for_turn(&mut self) -> Step {
        self.stage = Stage::AwaitingTurn;
        step_until(Effect::AwaitTurn, self.gives_up_at())
    }

    pub(super) fn turn(&mut self, now: Time, view: LaneView) -> Step {
        self.view = view;
        self.place = Place::Front;
        self.forget_comparison();
        if self.context.policy.gives_tags() {
            // What no tag of the origin names may be outdated, and nobody would notice: it is read again.
            self.view.carried.take_if(|c| c.etag.is_none());
        }
        if let Some(record) = &self.resumed {
            // Somebody may have proven it while this repeat stood in the lane.
            self.stage = Stage::Rereading;
            return step(Effect::Get(record.claim.id));
        }
        if let Some(id) = self.twin_in_doubt() {
            return self.not_beside_its_doubt(now, id);
        }
        if self.sought.is_some() {
            return self.claim_and_seek(now);
        }
        match self.carried().cloned() {
            Some(current) if self.context.check_first => self.onto(now, current),
            _ => self.plan_and_send(now),
        }
    }

    /// The record of the doubt that is to be taken up, as it is now.
    pub(super) fn reread(&mut self, now: Time, record: Option<Box<Record>>) -> Step {
        match record {
            Some(record) if matches!(record.state, State::InDoubt(_)) => {
                self.resumed = Some(record);
                self.take_up(now)
            }
            other => {
                self.resumed = None;
                self.unknown = None;
                self.attempts = 0;
                match other {
                    Some(record) if record.is_in_the_way(now) => self.known(now, record),
                    // It was proven not to have been applied, and its key is free.
                    Some(_) | None if self.sought.is_some() => self.claim_and_seek(now),
                    Some(_) | None => self.plan_and_send(now),
                }
            }
        }
    }

    /// The same write, which ended in doubt in this lane after this one's claim had been made.
    fn twin_in_doubt(&self) -> Option<WriteId> {
        let same = |d: &&DoubtMark| d.caller == self.context.caller && d.fingerprint == self.context.fingerprint;
        self.view.doubts.iter().find(same).map(|d| d.id)
    }

    fn not_beside_its_doubt(&mut self, now: Time, id: WriteId) -> Step {
        let mut report = self.report(Outcome::InDoubt);
        report.id = Some(id);
        let problem = Problem::new(
            Kind::InDoubt,
            "the same write was sent before and it is not known whether it was applied; it is not sent again while that is open",
        )
        .with("target", self.write.target.as_str())
        .with("id", id.to_string());
        let exit = LaneExit {
            carried: self.view.carried.take(),
            ..LaneExit::default()
        };
        self.release(now, Answer::ours(problem, report), exit)
    }

    /// Sends the planned attempt again after a wait.
    pub(super) fn once_more(&mut self, now: Time) -> Step {
        if self.has_compared() && self.unknown.is_none() {
            self.forget_comparison();
            return self.check(now);
        }
        match self.plan.clone() {
            // What may have been applied is claimed anew, so that the record counts each attempt.
            Some(plan) if self.unknown.is_some() => self.claim_for(now, plan),
            _ => self.dispatch(now),
        }
    }

    pub(super) fn plan_and_send(&mut self, now: Time) -> Step {
        match self.make_plan() {
            Planned::Ready(plan) => self.claim_for(now, plan),
            Planned::NeedCurrent => self.check(now),
            Planned::Finish(answer) => self.finish_unsent(now, *answer),
        }
    }

    /// Makes the claim durable for this plan, unless it is already.
    pub(super) fn claim_for(&mut self, now: Time, plan: Box<super::Plan>) -> Step {
        let claimed_ahead = self.fence.is_some() && self.attempts == 0;
        let held = if claimed_ahead && self.sought.is_none() {
            None
        } else {
            self.and_key(self.held_by(&plan).map(|h| h.to_string()))
        };
        self.plan = Some(plan);
        if let Some(refusal) = self.too_weak() {
            return self.finish_unsent(now, refusal);
        }
        if claimed_ahead && self.sought.is_none() {
            return self.dispatch(now);
        }
        self.stage = Stage::Claiming;
        let attempt = self.attempts + 1;
        match (self.fence, &self.resumed) {
            (Some(fence), _) => step(Effect::Amend {
                id: self.context.id,
                fence,
                attempt,
                held,
            }),
            (None, Some(record)) => step(Effect::Retake {
                id: record.claim.id,
                attempt,
                held,
            }),
            (None, None) => step(Effect::Claim(Box::new(self.claim_of(now, held)))),
        }
    }

    pub(super) fn granted(&mut self, now: Time, fence: Fence) -> Step {
        self.fence = Some(fence);
        if let Some(record) = self.resumed.take() {
            self.context.id = record.claim.id;
            self.expires = record.claim.expires;
        }
        if self.sought.is_some() && self.plan.is_none() {
            return self.seek(now);
        }
        self.dispatch(now)
    }

    /// A creation is claimed first: the claim finds the same write, if it is in doubt. What is found is added to it.
    fn claim_and_seek(&mut self, now: Time) -> Step {
        if self.fence.is_some() {
            return self.seek(now);
        }
        self.stage = Stage::Claiming;
        let held = self.and_key(None);
        let claim = self.claim_of(now, held);
        step(Effect::Claim(Box::new(claim)))
    }

    fn claim_of(&mut self, now: Time, held: Option<String>) -> Claim {
        let remember = self.context.derived.or(self.context.policy.remember);
        self.expires = remember.map(|d| now.after(d));
        Claim {
            id: self.context.id,
            key: self.context.key,
            trace: self.context.trace,
            caller: self.context.caller,
            fingerprint: self.context.fingerprint,
            method: self.write.method.as_str().to_owned(),
            target: self.write.target.as_str().to_owned(),
            lanes: self.context.lanes.clone(),
            attempt: self.attempts + 1,
            held,
            at: now,
            expires: self.expires,
        }
    }

    /// The id under which the ledger knows this write, if it does.
    pub(super) fn claimed_id(&self) -> Option<WriteId> {
        match (&self.resumed, self.fence) {
            (Some(record), _) => Some(record.claim.id),
            (None, Some(_)) => Some(self.context.id),
            (None, None) => None,
        }
    }
}
