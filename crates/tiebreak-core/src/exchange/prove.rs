//! Nobody answered: did it land?

use http::Method;

use crate::base::Served;
use crate::delivery::{Delivery, Unknown};
use crate::exchange::answer::Answer;
use crate::exchange::effect::response;
use crate::exchange::plan::{Before, Guard, Planned};
use crate::exchange::reply::step;
use crate::exchange::{Carried, Effect, Exchange, LaneExit, Next, Place, Stage, Step};
use crate::merge::{self, Holds, Representation, is_mergeable_type};
use crate::outcome::Outcome;
use crate::policy::OnDuplicate;
use crate::record::{Held, Record, State};
use crate::response::Response;
use crate::time::Time;

/// What a look at the target says about a lost attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// It was applied.
    Applied,
    /// What was asked is so, whoever's doing it is: what a bulk job creates is there, what a caller deletes is gone.
    Adoptable,
    /// It was not applied so far, and sending it again under its guard cannot apply it twice.
    SendAgain,
    /// A removal was not applied and cannot be any more: its target is still what the caller had read before.
    Stands,
    /// Nothing follows yet; it may be worth looking again.
    Open,
}

impl Exchange {
    /// Nothing is known of the last attempt.
    pub(super) fn lost(&mut self, now: Time, why: Unknown) -> Step {
        self.unknown = Some(why);
        self.quiet_since = now;
        if self.repeats_by_key() {
            // The origin tells a repeat from a new write by its key.
            return self.wait_then(now, Next::Send, None);
        }
        self.prove(now)
    }

    /// The caller repeats a write that is in doubt: with its content and credentials at hand, look again.
    pub(super) fn resume(&mut self, now: Time, record: Box<Record>) -> Step {
        let State::InDoubt(doubt) = &record.state else {
            return self.still_running();
        };
        self.unknown = Some(doubt.reason);
        self.attempts = doubt.attempts.max(1);
        self.quiet_since = doubt.since;
        self.resumed = Some(record);
        match self.place {
            Place::Outside => self.queue(),
            Place::Queued => self.wait_for_turn(),
            Place::Front => self.take_up(now),
        }
    }

    /// The doubt is taken up, in its lanes.
    pub(super) fn take_up(&mut self, now: Time) -> Step {
        if let Some(record) = &self.resumed {
            self.key_is_lost = self.is_key_lost(now, &record.claim);
        }
        if self.repeats_by_key() {
            // Under the same key, from the caller's own base: the origin tells whether it has it already.
            return self.plan_and_send(now);
        }
        self.plan_doubt();
        self.prove(now)
    }

    /// Plans the attempt that is in doubt, as far as it is known.
    pub(super) fn plan_doubt(&mut self) {
        let held = self.resumed.as_ref().and_then(|r| r.claim.held.clone());
        let held = held.as_deref();
        if held.and_then(Held::parse).is_some_and(|held| held.tag().is_some()) {
            self.leave_comparison_to_origin();
        }
        self.plan = Some(Box::new(self.plan_of_doubt(held)));
    }

    /// Looks at the target.
    pub(super) fn prove(&mut self, now: Time) -> Step {
        if self.cannot_be_found() || self.is_unreadable() {
            return self.in_doubt(now, self.unknown.unwrap_or(Unknown::Crash));
        }
        let at = self.where_to_look();
        self.fetch(now, Stage::Proving, at)
    }

    fn is_unreadable(&self) -> bool {
        self.sought.is_none() && !crate::method::acts_on_target(&self.write.method)
    }

    /// Weighs what the look at the target brought.
    pub(super) fn weigh(&mut self, now: Time, delivery: Delivery) -> Step {
        let response = response(delivery);
        if let Some(found) = response.as_ref().and_then(|r| self.as_current(r)) {
            self.learn_document(&found.representation);
        }
        if self.sought.is_some() {
            return self.weigh_creation(now, response.as_ref());
        }
        if self.performed
            && let Some(response) = response
        {
            return self.landed(now, response, Outcome::Applied);
        }
        if self.is_signed()
            && response
                .as_ref()
                .is_some_and(|r| matches!(r.status.as_u16(), 401 | 403))
        {
            // The signature is the write's, and no read can be made with it.
            return self.in_doubt(now, self.unknown.unwrap_or(Unknown::Crash));
        }
        let held = self.plan.as_deref().and_then(|p| p.guard.clone());
        if let Some(held) = held
            && self.resumed.is_some()
            && self.may_have_merged()
        {
            return self.weigh_merged(now, response, &held);
        }
        let finding = response.as_ref().map_or(Finding::Open, |r| self.find(r));
        match (finding, response) {
            (Finding::Applied, Some(response)) => self.landed(now, response, Outcome::Applied),
            (Finding::Adoptable, Some(response)) => self.landed(now, response, Outcome::Adopted),
            (Finding::SendAgain, response) => self.send_again(now, response),
            (Finding::Stands, Some(response)) => self.remove_again(now, &response),
            (Finding::Open | Finding::Applied | Finding::Adoptable | Finding::Stands, _) => self.look_again(now),
        }
    }

    /// Weighs an attempt whose content is lost with the process that merged it: it is merged anew. The caller's own
    /// content, under the version that the attempt was merged into, would revert the other writer's change.
    fn weigh_merged(&mut self, now: Time, response: Option<Response>, held: &Guard) -> Step {
        let Some(response) = response else {
            return self.look_again(now);
        };
        let Some(current) = self.as_current(&response) else {
            return self.look_again(now);
        };
        let unchanged = held.version && current.etag.as_ref().is_some_and(|e| e.strong_eq(&held.tag));
        self.seen = Some(current.clone());
        self.view.carried = Some(current.clone());
        let Planned::Ready(plan) = self.make_plan() else {
            return self.look_again(now);
        };
        let sent = Representation::new(current.representation.content_type(), plan.content.clone());
        let adds_nothing =
            plan.rebased && merge::same(&sent, &current.representation, &self.context.policy.merge).is_ok();
        if !unchanged {
            // A caller that brought its base asked for these changes; they are there, whoever made them.
            return if adds_nothing && self.context.base.is_some() {
                self.landed(now, response, Outcome::Adopted)
            } else {
                self.look_again(now)
            };
        }
        match &plan.guard {
            // Under the same version at most one of the two attempts can be applied.
            Some(guard) if guard.tag.strong_eq(&held.tag) => self.claim_for(now, plan),
            _ => self.look_again(now),
        }
    }

    fn find(&self, response: &Response) -> Finding {
        let Some(plan) = self.plan.as_deref() else {
            return Finding::Open;
        };
        let gone = matches!(response.status.as_u16(), 404 | 410);
        if self.write.method == Method::DELETE && gone {
            // Only if this caller saw it before: an origin may hide what one may not read.
            return match &plan.before {
                Before::Known(_) => Finding::Applied,
                _ if self.was_read() => Finding::Adoptable,
                Before::Absent | Before::Lacking | Before::Unknown => Finding::Open,
            };
        }
        if gone {
            let waited = self.has_looked_late();
            return if plan.creates && waited && self.refused.is_none() {
                Finding::SendAgain
            } else {
                Finding::Open
            };
        }
        let Some(current) = self.as_current(response) else {
            return Finding::Open;
        };
        if let Some(Guard { tag, version: true }) = &plan.guard
            && current.etag.as_ref().is_some_and(|e| e.strong_eq(tag))
        {
            // Not applied so far. But what was refused since for another reason than waiting would cure is not sent again.
            return if self.refused.is_none() {
                Finding::SendAgain
            } else {
                Finding::Open
            };
        }
        if self.write.method == Method::DELETE {
            return match self.still_stands(&current) {
                Some(_) => Finding::Stands,
                None => Finding::Open,
            };
        }
        self.compare(&current)
    }

    /// Whether this caller was shown the target: then an origin that says now that it is not there does not merely hide it.
    fn was_read(&self) -> bool {
        let shown = |served: &Served| !served.sent && (served.content.is_some() || served.etag.is_some());
        self.context.candidates.shown || self.context.candidates.served.iter().any(shown)
    }

    fn compare(&self, current: &Carried) -> Finding {
        let Some(plan) = self.plan.as_deref() else {
            return Finding::Open;
        };
        let edit = self.planned_edit(plan);
        let before = match &plan.before {
            Before::Known(representation) => Some(representation),
            Before::Absent | Before::Lacking | Before::Unknown => None,
        };
        let rules = &self.context.policy.merge;
        let newly = match merge::holds(&edit, before, &current.representation, rules) {
            Holds::NewlyYes => true,
            // It was missing when we looked, in our lane; now it is there and equal.
            Holds::CannotTell => match plan.before {
                Before::Absent => merge::is_whole(&edit, None, &current.representation, rules),
                Before::Lacking => self.holds_already(current),
                Before::Unknown | Before::Known(_) => false,
            },
            Holds::AlreadyBefore | Holds::No => false,
        };
        if newly && !self.own_if_none_match() {
            return Finding::Applied;
        }
        let adopts = self.context.check_first && self.context.policy.on_duplicate == OnDuplicate::Adopt;
        if adopts && self.holds_already(current) {
            Finding::Adoptable
        } else {
            Finding::Open
        }
    }

    /// A client's own `If-None-Match` is literal: an equal resource may be another worker's.
    pub(super) fn own_if_none_match(&self) -> bool {
        self.preconditions.if_none_match.is_some()
    }

    fn landed(&mut self, now: Time, response: Response, outcome: Outcome) -> Step {
        self.refused = None;
        // What is adopted may be somebody else's: our own attempt may still arrive.
        let suspect_until = self.suspicion().filter(|_| outcome == Outcome::Adopted);
        self.unknown = None;
        let current = self.as_current(&response);
        let tag = current.as_ref().and_then(|c| self.etag_field(c));
        let exit = LaneExit {
            carried: current,
            suspect_until,
            ..LaneExit::default()
        };
        let mut answer = if self.write.method == Method::DELETE || response.status != http::StatusCode::OK {
            Response {
                status: http::StatusCode::NO_CONTENT,
                headers: http::HeaderMap::new(),
                content: bytes::Bytes::new(),
                complete: true,
            }
        } else {
            told(response)
        };
        if let Some(tag) = tag.filter(|_| self.write.method != Method::DELETE) {
            answer.headers.entry(http::header::ETAG).or_insert(tag);
        }
        let answer = Answer::from_origin(answer, None, self.report(outcome));
        self.settle(now, answer, exit)
    }

    pub(super) fn send_again(&mut self, now: Time, response: Option<Response>) -> Step {
        let why = self.unknown.unwrap_or(Unknown::Crash);
        let Some(mut plan) = self.plan.clone() else {
            return self.in_doubt(now, why);
        };
        if !plan.fits {
            let Some(guard) = plan.guard.take() else {
                return self.in_doubt(now, why);
            };
            self.view.carried = response.as_ref().and_then(|r| self.as_current(r));
            match self.plan_again(&guard) {
                Some(fitting) => plan = fitting,
                None => return self.in_doubt(now, why),
            }
        }
        let at = now.after(self.jitter.wait(self.rounds, self.context.policy.backoff));
        self.rounds += 1;
        if self.attempts >= self.context.policy.attempts || at > self.gives_up_at() {
            return self.in_doubt(now, why);
        }
        if plan.creates {
            // It has waited for `late_after` already, and the look is fresh.
            return self.claim_for(now, plan);
        }
        self.plan = Some(plan);
        self.stage = Stage::Waiting(Next::Send);
        step(Effect::Sleep(at))
    }

    /// Whether the last look began when nothing of the attempt could arrive any more: one that began before may have missed what came
    /// while it was on its way.
    pub(super) fn has_looked_late(&self) -> bool {
        self.looked_at >= self.quiet_since.after(self.context.policy.late_after)
    }

    /// Looks again for as long as the attempt may still arrive, within the caller's patience.
    pub(super) fn look_again(&mut self, now: Time) -> Step {
        let why = self.unknown.unwrap_or(Unknown::Crash);
        let wait = self.jitter.wait(self.rounds.max(2), self.context.policy.backoff);
        self.rounds += 1;
        let late = self.quiet_since.after(self.context.policy.late_after);
        let creates = self.plan.as_deref().is_some_and(|p| p.creates);
        let until = late.min(self.gives_up_at());
        if now >= self.gives_up_at() || self.has_looked_late() {
            return self.in_doubt(now, why);
        }
        // The look that decides is one that begins when nothing can arrive any more.
        let next = now.after(wait).min(if creates { late } else { until }).max(now);
        self.stage = Stage::Waiting(Next::Prove);
        step(Effect::Sleep(next))
    }
}

/// What a read found, as the answer to the write that it proved. Data is what most APIs answer a write with; other content
/// is not: a client that expects the answer of a PUT would take a file that it stored for a broken one.
fn told(mut found: Response) -> Response {
    if is_mergeable_type(found.field("content-type").unwrap_or_default()) {
        return found;
    }
    found.status = http::StatusCode::NO_CONTENT;
    found.content = bytes::Bytes::new();
    let mut about_write = http::HeaderMap::new();
    for name in [http::header::ETAG, http::header::LAST_MODIFIED] {
        if let Some(value) = found.headers.remove(&name) {
            about_write.insert(name, value);
        }
    }
    found.headers = about_write;
    found
}
