//! Creations with a natural key: looked for before they are sent, and recognised by it when the answer is lost.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::delivery::Delivery;
use crate::exchange::answer::Answer;
use crate::exchange::effect::response;
use crate::exchange::plan::{Before, Plan};
use crate::exchange::reply::step;
use crate::exchange::{Effect, Exchange, LaneExit, Next, Stage, Step};
use crate::guarantee::Guarantee;
use crate::merge::{self, Difference, Representation, SameFailure};
use crate::natural_key::{Existing, Found};
use crate::outcome::Outcome;
use crate::policy::OnDuplicate;
use crate::problem::{Kind, Problem};
use crate::request::Target;
use crate::response::Response;
use crate::time::Time;

impl Exchange {
    /// Reads the natural key of a creation, and puts it into the lane of all creations with this key.
    pub(super) fn read_key(&mut self) {
        let Some(key) = &self.context.policy.natural_key else {
            return;
        };
        // A signature does not cover the look-up.
        if self.write.method != Method::POST || self.is_signed() {
            return;
        }
        self.sought = key.sought(&self.write).map(Box::new);
        if let Some(sought) = &self.sought {
            self.context.lanes.push(sought.lane.clone());
            self.context.lanes.sort();
            self.context.lanes.dedup();
        }
    }

    /// Where a look at what this write made leads: the target, or for a creation the look-up by its natural key.
    pub(super) fn where_to_look(&self) -> Option<Target> {
        self.sought.as_ref().map(|sought| sought.look_up.clone())
    }

    /// Looks whether somebody has the key.
    pub(super) fn seek(&mut self, now: Time) -> Step {
        let at = self.where_to_look();
        self.fetch(now, Stage::Seeking, at)
    }

    /// The look-up has been answered: before the write was sent, or after it was refused.
    pub(super) fn sought_out(&mut self, now: Time, delivery: Delivery) -> Step {
        let unsent = matches!(delivery, Delivery::NotSent(_));
        let response = response(delivery);
        let status = response.as_ref().map(|r| r.status.as_u16());
        let found = response.map_or(Found::Unclear, |r| self.found(&r));
        match (found, status) {
            (Found::One(existing), _) => self.meets(now, &existing),
            _ if self.refused.is_some() => self.tell(now),
            (Found::Nothing, _) => {
                let plan = self.creating(Before::Absent);
                self.claim_for(now, Box::new(plan))
            }
            (Found::Unclear, Some(200)) => {
                let plan = self.creating(Before::Unknown);
                self.claim_for(now, Box::new(plan))
            }
            (Found::Unclear, Some(status @ (201..=407 | 409..=428 | 430..=499))) => {
                let detail = format!(
                    "the look-up by natural key could not be made: the origin answered {status}; nothing was sent"
                );
                self.not_looked_up(now, Problem::new(Kind::BadAnswer, detail))
            }
            (Found::Unclear, status) => match self.next_round(now, None) {
                Some(at) => {
                    self.stage = Stage::Waiting(Next::Seek);
                    step(Effect::Sleep(at))
                }
                None => {
                    let kind = if unsent {
                        Kind::OriginUnreachable
                    } else {
                        Kind::OriginTimeout
                    };
                    let why = status.map_or("it did not answer".to_owned(), |s| format!("it answered {s}"));
                    let detail = format!("the look-up by natural key could not be made: {why}; nothing was sent");
                    self.not_looked_up(now, Problem::new(kind, detail))
                }
            },
        }
    }

    fn not_looked_up(&mut self, now: Time, problem: Problem) -> Step {
        let report = self.report(Outcome::NotSent);
        self.finish_unsent(now, Answer::ours(problem, report))
    }

    fn found(&self, response: &Response) -> Found {
        match (&self.context.policy.natural_key, &self.sought) {
            (Some(key), Some(sought)) => key.find(sought, response),
            _ => Found::Unclear,
        }
    }

    /// The plan of a creation, in the lane of its key.
    pub(super) fn creating(&self, before: Before) -> Plan {
        let absent = matches!(before, Before::Absent | Before::Lacking);
        // Equal keys run in one lane, and what they make can be read: that is guarantee C, if not better.
        let best = if absent { Guarantee::C } else { Guarantee::D };
        Plan {
            guarantee: self.strength(None, Guarantee::D).min(best),
            creates: true,
            before,
            ..self.literal()
        }
    }

    /// Somebody has the key already.
    fn meets(&mut self, now: Time, existing: &Existing) -> Step {
        let differences = self.differences(existing);
        let adopts = self.context.policy.on_duplicate == OnDuplicate::Adopt && !self.own_if_none_match();
        if adopts && differences.as_ref().is_some_and(Vec::is_empty) {
            self.refused = None;
            let answer = self.found_resource(StatusCode::OK, existing);
            let answer = Answer::from_origin(answer, None, self.report(Outcome::Adopted));
            return self.settle(now, answer, LaneExit::default());
        }
        let fields: Vec<String> = self
            .context
            .policy
            .natural_key
            .iter()
            .flat_map(|key| key.members.iter().map(ToString::to_string))
            .collect();
        let detail =
            "a resource with the same natural key exists already; read it, and change it instead of creating it again";
        let mut problem = Problem::new(Kind::Duplicate, detail).with("fields", fields);
        if let Some(location) = &existing.location {
            problem = problem.with("existing", location.as_str());
        }
        if let Some(differences) = &differences {
            let list: Vec<_> = differences.iter().map(Difference::to_json).collect();
            problem = problem.with("differences", list);
        }
        let report = self.report(if self.attempts > 0 {
            Outcome::Refused
        } else {
            Outcome::NotSent
        });
        let answer = Answer::ours(problem, report);
        if self.attempts > 0 {
            self.settle(now, answer, LaneExit::default())
        } else {
            self.finish_unsent(now, answer)
        }
    }

    /// Where the existing resource differs from what was asked; `None` if the two cannot be compared.
    fn differences(&self, existing: &Existing) -> Option<Vec<Difference>> {
        let kind = self.write.field("content-type").unwrap_or_default();
        let asked = Representation::new(kind, self.write.content.clone());
        let there = Representation::new("application/json", existing.content.clone());
        match merge::same(&asked, &there, &self.context.policy.merge) {
            Ok(()) => Some(Vec::new()),
            Err(SameFailure::Differs(differences)) => Some(differences),
            Err(SameFailure::NotComparable(_)) => None,
        }
    }

    fn found_resource(&self, status: StatusCode, existing: &Existing) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(Ok(location)) = existing.location.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::CONTENT_LOCATION, location.clone());
            if status == StatusCode::CREATED {
                headers.insert(header::LOCATION, location);
            }
        }
        Response {
            status,
            headers,
            content: Bytes::clone(&existing.content),
            complete: true,
        }
    }

    /// Weighs what the look-up says about a creation of which nobody knows.
    pub(super) fn weigh_creation(&mut self, now: Time, response: Option<&Response>) -> Step {
        let absent_before = self
            .plan
            .as_deref()
            .is_some_and(|p| matches!(p.before, Before::Absent | Before::Lacking));
        let waited = self.has_looked_late();
        match response.map(|r| self.found(r)) {
            Some(Found::One(existing)) => {
                let equal = self.differences(&existing).is_some_and(|d| d.is_empty());
                if !equal || !absent_before || self.own_if_none_match() {
                    return self.look_again(now);
                }
                // Nobody had the key when we looked, in the lane of all who create it; now it is there, as asked.
                self.refused = None;
                self.unknown = None;
                let made = self.found_resource(StatusCode::CREATED, &existing);
                let answer = Answer::from_origin(made, None, self.report(Outcome::Applied));
                self.settle(now, answer, LaneExit::default())
            }
            // Nothing can arrive any more: it was not applied.
            Some(Found::Nothing) if waited => {
                if self.refused.is_some() {
                    self.unknown = None;
                    return self.tell(now);
                }
                self.send_again(now, None)
            }
            Some(Found::Nothing | Found::Unclear) | None => self.look_again(now),
        }
    }

    /// A creation cannot be looked for.
    pub(super) fn cannot_be_found(&self) -> bool {
        self.write.method == Method::POST && self.sought.is_none()
    }
}
