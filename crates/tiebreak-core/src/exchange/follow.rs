//! What an origin has accepted (202) goes on behind its answer: said so, or followed to its end.

use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::Value;

use crate::delivery::Delivery;
use crate::exchange::answer::Answer;
use crate::exchange::deliver::cut;
use crate::exchange::effect::response;
use crate::exchange::reply::step;
use crate::exchange::{Effect, Exchange, LaneExit, Next, Stage, Step};
use crate::monitor::{Monitor, Progress};
use crate::outcome::Outcome;
use crate::problem::{Kind, Problem};
use crate::response::Response;
use crate::time::Time;
use crate::verdict::Class;

/// At most so many bytes of what a monitor said of a failure are passed on.
const TOLD: usize = 16 * 1024;

/// An operation that the origin goes on with.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// The answer that accepted it.
    accepted: Response,
    monitor: Monitor,
}

impl Exchange {
    /// The origin has taken the write (202), and goes on with it.
    pub(super) fn accepted(&mut self, now: Time, response: Response) -> Step {
        let follows = self.context.policy.follow_202 && response.complete;
        let monitor = follows.then(|| Monitor::named_by(&response, &self.write.target));
        let Some(monitor) = monitor.flatten() else {
            return self.remains_accepted(now, response);
        };
        let wait = asked_to_wait(&response);
        self.operation = Some(Box::new(Operation {
            accepted: response,
            monitor,
        }));
        self.rounds = 0;
        self.ask_later(now, wait)
    }

    /// Nothing more becomes known of it here.
    fn remains_accepted(&mut self, now: Time, response: Response) -> Step {
        // The operation goes on behind the answer; until it has ended nothing is known of the version.
        let exit = LaneExit {
            suspect_until: Some(now.after(self.context.policy.late_after)),
            ..LaneExit::default()
        };
        let report = self.report(Outcome::Accepted);
        let answer = if response.complete {
            Answer::from_origin(response, None, report)
        } else {
            Answer::ours(cut(&response), report)
        };
        self.settle(now, answer, exit)
    }

    /// Asks the monitor in a while, within the caller's patience.
    fn ask_later(&mut self, now: Time, wait: Option<Duration>) -> Step {
        let policy = &self.context.policy;
        let wait = wait.unwrap_or_else(|| policy.backoff.0 + self.jitter.wait(self.rounds, policy.backoff));
        self.rounds = self.rounds.saturating_add(1);
        let at = now.after(wait);
        if at > self.gives_up_at()
            && let Some(operation) = self.operation.take()
        {
            return self.remains_accepted(now, operation.accepted);
        }
        self.stage = Stage::Waiting(Next::Follow);
        step(Effect::Sleep(at))
    }

    /// Asks the monitor, as the caller.
    pub(super) fn follow(&mut self, now: Time) -> Step {
        let at = self.operation.as_ref().map(|operation| operation.monitor.at.clone());
        self.fetch(now, Stage::Following, at)
    }

    /// The monitor has answered, or not.
    pub(super) fn followed(&mut self, now: Time, delivery: Delivery) -> Step {
        let answer = response(delivery);
        let monitor = self.operation.as_ref().map(|operation| operation.monitor.clone());
        let (Some(monitor), Some(answer)) = (monitor, answer) else {
            return self.ask_later(now, None);
        };
        match monitor.progress(&answer) {
            Progress::Running | Progress::Unclear => {
                let wait = asked_to_wait(&answer);
                self.ask_later(now, wait)
            }
            Progress::Succeeded => self.ended(now, &monitor, answer),
            Progress::Failed => self.operation_failed(now, &monitor, &answer),
        }
    }

    fn ended(&mut self, now: Time, monitor: &Monitor, mut answer: Response) -> Step {
        self.operation = None;
        self.refused = None;
        // These would be taken for the version of the target.
        answer.headers.remove(header::ETAG);
        answer.headers.remove(header::LAST_MODIFIED);
        let is_content = answer.status.is_success() && !answer.headers.contains_key(header::CONTENT_LOCATION);
        if let (true, Ok(at)) = (is_content, HeaderValue::from_str(monitor.at.as_str())) {
            answer.headers.insert(header::CONTENT_LOCATION, at);
        }
        let answer = Answer::from_origin(answer, None, self.report(Outcome::Applied));
        self.settle(now, answer, LaneExit::default())
    }

    fn operation_failed(&mut self, now: Time, monitor: &Monitor, answer: &Response) -> Step {
        self.operation = None;
        let detail = "the origin accepted this write, and then did not complete it; read the resource before you \
                      write it again";
        let mut problem = Problem::new(Kind::OperationFailed, detail).with("monitor", monitor.at.as_str());
        if answer.content.len() <= TOLD
            && let Ok(said) = serde_json::from_slice::<Value>(&answer.content)
        {
            problem = problem.with("operation", said);
        }
        let mut report = self.report(Outcome::Refused);
        report.class = Some(Class::State);
        self.settle(now, Answer::ours(problem, report), LaneExit::default())
    }
}

/// In how many seconds the origin wants to be asked again (RFC 9110 §10.2.3).
fn asked_to_wait(response: &Response) -> Option<Duration> {
    let seconds = response.field("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
