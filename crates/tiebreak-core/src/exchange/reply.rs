//! Short ways to build steps and problem answers.

use crate::exchange::answer::Answer;
use crate::exchange::{Effect, Exchange, LaneExit, Step};
use crate::guarantee::Guarantee;
use crate::outcome::{Outcome, Report};
use crate::problem::Problem;
use crate::time::Time;

pub(super) fn step(effect: Effect) -> Step {
    Step { effect, deadline: None }
}

pub(super) fn step_until(effect: Effect, deadline: Time) -> Step {
    Step {
        effect,
        deadline: Some(deadline),
    }
}

pub(super) fn answer(answer: Answer, exit: Option<LaneExit>) -> Step {
    step(Effect::Answer {
        answer: Box::new(answer),
        exit,
    })
}

impl Exchange {
    /// What the `Tiebreak` field says if the write came to `outcome` now.
    pub(super) fn report(&self, outcome: Outcome) -> Report {
        let plan = self.plan.as_deref();
        Report {
            outcome,
            attempts: self.attempts,
            guarantee: plan.map_or(Guarantee::D, |p| p.guarantee),
            id: self.claimed_id(),
            class: self
                .refused
                .as_ref()
                .filter(|_| outcome != Outcome::Applied)
                .map(|r| r.1.class),
            rebased: outcome == Outcome::Applied && plan.is_some_and(|p| p.rebased),
            unguarded: plan.is_some_and(|p| p.unguarded),
            unprotected: false,
            key_expires: None,
        }
    }

    /// An answer of ours to a write that the ledger does not know names the exchange, under which its story is found, and says
    /// of which class the conflict is.
    pub(super) fn sign(&self, answer: &mut Answer) {
        let Some(problem) = answer.problem.take_if(|_| answer.report.id.is_none()) else {
            return;
        };
        let id = self.context.id;
        answer.report.id = Some(id);
        answer.report.class = answer.report.class.or(problem.kind().conflict());
        let problem = problem.with("id", id.to_string());
        answer.content = problem.to_bytes();
        answer.problem = Some(problem);
    }

    /// Ends the exchange before anything was claimed.
    pub(super) fn refuse(&mut self, problem: Problem) -> Step {
        let report = self.report(Outcome::NotSent);
        answer(Answer::ours(problem, report), None)
    }
}
