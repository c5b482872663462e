//! Record, then answer.

use bytes::Bytes;

use crate::delivery::Unknown;
use crate::exchange::answer::{Answer, kept_fields};
use crate::exchange::reply::{answer, step};
use crate::exchange::{DoubtMark, Effect, Entry, Exchange, LaneExit, LedgerFailure, Stage, Step};
use crate::outcome::Outcome;
use crate::problem::{Kind, Problem};
use crate::record::{Doubt, Settlement};
use crate::time::Time;

impl Exchange {
    /// Makes what the write came to durable, then answers.
    pub(super) fn settle(&mut self, now: Time, mut answer_: Answer, exit: LaneExit) -> Step {
        let expires = self
            .resumed
            .as_ref()
            .map_or(self.expires, |record| record.claim.expires);
        answer_.report.key_expires = self.context.key.and(expires);
        let settlement = self.settlement(now, &answer_);
        let entry = match (self.fence, &self.resumed) {
            (Some(fence), _) => Entry::Settle(self.context.id, fence, settlement),
            (None, Some(record)) => {
                let reason = format!("{}: the target was read and compared", settlement.outcome.as_str());
                Entry::Resolve(record.claim.id, settlement, reason)
            }
            // Nothing was sent, hence nothing was claimed: there is nothing to record.
            (None, None) => return answer(answer_, Some(exit)),
        };
        self.record(entry, answer_, exit)
    }

    /// Frees the key of a write that was not applied, then answers.
    pub(super) fn release(&mut self, now: Time, answer_: Answer, exit: LaneExit) -> Step {
        match (self.fence, self.context.key, self.attempts) {
            // Without a key there is nothing to free, and the story is worth keeping.
            (Some(_), None, 1..) => self.settle(now, answer_, exit),
            (Some(fence), _, _) => self.record(Entry::Release(self.context.id, fence), answer_, exit),
            (None, _, _) => answer(answer_, Some(exit)),
        }
    }

    /// Ends without having sent anything (now, or since a doubt was taken up).
    pub(super) fn finish_unsent(&mut self, now: Time, mut answer_: Answer) -> Step {
        if self.resumed.is_some() || self.unknown.is_some() {
            return self.in_doubt(now, self.unknown.unwrap_or(Unknown::Crash));
        }
        let exit = LaneExit {
            carried: self.seen.take().or_else(|| self.view.carried.take()),
            ..LaneExit::default()
        };
        if self.attempts > 0 {
            answer_.report.outcome = Outcome::Refused;
            // What cannot be merged is final; an origin that was out of reach is not.
            let finally = |p: &Problem| {
                matches!(
                    p.kind(),
                    Kind::Overlap | Kind::Stale | Kind::BaseUnknown | Kind::PreconditionFailed
                )
            };
            if answer_.problem.as_ref().is_none_or(finally) {
                return self.settle(now, answer_, exit);
            }
        }
        self.release(now, answer_, exit)
    }

    /// Nobody can tell whether it was applied: recorded, said, and never forgotten.
    pub(super) fn in_doubt(&mut self, now: Time, why: Unknown) -> Step {
        let mut report = self.report(Outcome::InDoubt);
        report.class = None;
        let why_open = match self.held_before_origin {
            Some(id) => format!(
                "the gateway before the origin has it in doubt, as write {id}; settle it there (tiebreak doubts)"
            ),
            None => why.why(),
        };
        let detail = format!(
            "it is not known whether this write was applied: {why_open}; do not send it under another key; \
             repeat the same request to have it looked at again, or read the resource"
        );
        let mut problem = Problem::new(Kind::InDoubt, detail).with("target", self.write.target.as_str());
        if let Some(id) = self.held_before_origin {
            problem = problem.with("gateway_id", id.to_string());
        }
        if let Some(id) = report.id {
            problem = problem.with("id", id.to_string());
        }
        let (guarantee, report_id) = (report.guarantee, report.id);
        let doubtful = Answer::ours(problem, report);
        let late = self.quiet_since.after(self.context.policy.late_after);
        let exit = LaneExit {
            carried: None,
            suspect_until: (!self.is_guarded() && late > now).then_some(late),
            doubt: report_id.map(|id| DoubtMark {
                caller: self.context.caller,
                fingerprint: self.context.fingerprint,
                id,
            }),
        };
        match (self.fence, &self.resumed) {
            (Some(fence), None) => {
                let doubt = Doubt {
                    reason: why,
                    attempts: self.attempts,
                    guarantee,
                    since: self.quiet_since,
                };
                self.record(Entry::Doubt(self.context.id, fence, doubt), doubtful, exit)
            }
            // It is on record as a doubt already.
            (_, Some(_)) | (None, None) => answer(doubtful, Some(exit)),
        }
    }

    /// What could not be recorded may not be promised.
    pub(super) fn not_recorded(&mut self, answer_: Answer, failure: &LedgerFailure) -> Step {
        let (outcome, attempts) = (answer_.report.outcome, self.attempts);
        if outcome == Outcome::NotSent && attempts == 0 {
            return answer(answer_, None);
        }
        let mut report = self.report(Outcome::InDoubt);
        report.class = None;
        let detail = format!(
            "the origin answered {}, but that could not be recorded: failed to {}; read the resource before you repeat anything",
            answer_.status, failure.why
        );
        let mut problem = Problem::new(Kind::InDoubt, detail).with("target", self.write.target.as_str());
        if let Some(id) = report.id {
            problem = problem.with("id", id.to_string());
        }
        answer(Answer::ours(problem, report), None)
    }

    fn record(&mut self, entry: Entry, answer: Answer, exit: LaneExit) -> Step {
        self.stage = Stage::Recording(Box::new(answer));
        step(Effect::Record {
            entry: Box::new(entry),
            exit: Some(exit),
        })
    }

    fn settlement(&self, now: Time, answer: &Answer) -> Settlement {
        let keep = self.context.policy.keep_content;
        // Without a key nobody can ask for a replay, so the content is not kept.
        let (content, truncated) = match (self.context.key, answer.content.len()) {
            (None, 0) => (Bytes::new(), false),
            (None, _) => (Bytes::new(), true),
            (Some(_), n) if n > keep => (Bytes::new(), true),
            (Some(_), _) => (answer.content.clone(), false),
        };
        Settlement {
            outcome: answer.report.outcome,
            status: answer.status.as_u16(),
            fields: kept_fields(&answer.headers),
            content,
            truncated,
            class: answer.report.class,
            evidence: answer
                .verdict
                .as_ref()
                .map(crate::verdict::Verdict::reason)
                .unwrap_or_default(),
            guarantee: answer.report.guarantee,
            attempts: self.attempts,
            at: now,
        }
    }
}
