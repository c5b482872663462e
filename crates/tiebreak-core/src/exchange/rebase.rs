//! Fetch, merge, send again under the new version; and look before writing.

use bytes::Bytes;
use http::{HeaderMap, Method, header};

use crate::delivery::{Delivery, Unknown};
use crate::exchange::answer::Answer;
use crate::exchange::effect::response;
use crate::exchange::plan::{Planned, Stale};
use crate::exchange::reply::step_until;
use crate::exchange::{Carried, Effect, Exchange, LaneExit, Next, Outgoing, Stage, Step};
use crate::merge::{self, Edit, Holds, Representation};
use crate::outcome::Outcome;
use crate::policy::OnDuplicate;
use crate::problem::{Kind, Problem};
use crate::request::Target;
use crate::response::Response;
use crate::time::Time;

impl Exchange {
    /// Reads the target before anything is sent.
    pub(super) fn check(&mut self, now: Time) -> Step {
        self.fetch(now, Stage::Checking, None)
    }

    /// Reads what the write has met: the target's current version, or the resource that exists already.
    pub(super) fn refetch(&mut self, now: Time) -> Step {
        let existing = self.existing();
        self.fetch(now, Stage::Refetching, existing)
    }

    /// A read as the caller: its credentials and its way of negotiating, no content and no preconditions.
    pub(super) fn fetch(&mut self, now: Time, stage: Stage, target: Option<Target>) -> Step {
        self.stage = stage;
        self.looked_at = now;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.write.headers {
            let about_content = name.as_str().starts_with("content-") || name == header::EXPECT;
            let conditional =
                name.as_str().starts_with("if-") || name == self.context.policy.keys.field || name == "prefer";
            // A method override would make a write of this read.
            let overrides = name.as_str().starts_with("x-http-method") || name == "x-method-override" || name == "if";
            if !about_content && !conditional && !overrides {
                headers.append(name, value.clone());
            }
        }
        // What is merged, or compared, has to be of the variant that the write was made from.
        if target.is_none() {
            self.variant.ask(&mut headers);
        }
        // A compressed variant would be no base for the identity content that is written.
        headers.insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
        // A cache on the way may not answer for the origin.
        headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-cache"));
        let target = target.unwrap_or_else(|| self.resource());
        let outgoing = Outgoing {
            method: Method::GET,
            target,
            headers,
            content: Bytes::new(),
            via: self.via,
        };
        step_until(
            Effect::Fetch(Box::new(outgoing)),
            now.after(self.context.policy.attempt_timeout),
        )
    }

    /// What a read brought, as something that a write can be merged into.
    pub(super) fn as_current(&self, response: &Response) -> Option<Carried> {
        if response.status != http::StatusCode::OK
            || !response.complete
            || response.headers.contains_key(header::CONTENT_ENCODING)
        {
            return None;
        }
        let representation = Representation::new(
            response.field("content-type").unwrap_or_default(),
            response.content.clone(),
        );
        Some(Carried {
            caller: self.context.caller,
            variant: self.selecting(),
            etag: self.tag_of(response, &representation),
            representation,
        })
    }

    /// The target was read before anything was sent.
    pub(super) fn checked(&mut self, now: Time, delivery: Delivery) -> Step {
        if self.has_to_compare()
            && let Some(step) = self.compare_own(now, &delivery)
        {
            return step;
        }
        let why = match &delivery {
            Delivery::NotSent(why) => why.why().to_owned(),
            Delivery::Unknown(why) => why.why(),
            Delivery::Answered(r) | Delivery::Declined(r) => format!("it answered {}", r.status),
        };
        let unsent = matches!(delivery, Delivery::NotSent(_));
        let response = response(delivery);
        if let Some(current) = response.as_ref().and_then(|r| self.as_current(r)) {
            return self.onto(now, current);
        }
        match response.as_ref().map(|r| r.status.as_u16()) {
            Some(404 | 410) => self.onto_nothing(now),
            // Not readable at all: what is written goes out as it is, unless it has to be merged.
            Some(status @ (405 | 406 | 501)) => {
                self.context.check_first = false;
                self.context.base = None;
                match self.make_plan() {
                    Planned::Ready(plan) => self.claim_for(now, plan),
                    Planned::Finish(answer) => self.finish_unsent(now, *answer),
                    Planned::NeedCurrent => self.unreadable(now, status),
                }
            }
            Some(status @ (200..=407 | 409..=428 | 430..=499)) => self.unreadable(now, status),
            Some(_) | None => match self.next_round(now, None) {
                Some(at) => {
                    self.stage = Stage::Waiting(Next::Check);
                    super::reply::step(Effect::Sleep(at))
                }
                None => {
                    let kind = if unsent {
                        Kind::OriginUnreachable
                    } else {
                        Kind::OriginTimeout
                    };
                    self.give_up_reading(
                        now,
                        Problem::new(kind, format!("the origin could not be read: {why}; nothing was sent")),
                    )
                }
            },
        }
    }

    fn unreadable(&mut self, now: Time, status: u16) -> Step {
        let detail =
            format!("the resource could not be read before writing: the origin answered {status}; nothing was sent");
        self.give_up_reading(now, Problem::new(Kind::BadAnswer, detail))
    }

    fn give_up_reading(&mut self, now: Time, problem: Problem) -> Step {
        let report = self.report(Outcome::NotSent);
        self.finish_unsent(now, Answer::ours(problem, report))
    }

    /// Goes on with what is there now.
    pub(super) fn onto(&mut self, now: Time, current: Carried) -> Step {
        if self.is_already_there(&current) {
            return self.adopted(now, &current);
        }
        self.seen = Some(current.clone());
        self.view.carried = Some(current);
        self.plan_and_send(now)
    }

    /// Goes on although there is nothing yet.
    fn onto_nothing(&mut self, now: Time) -> Step {
        self.seen = None;
        self.view.carried = None;
        if self.context.check_first && self.context.base.is_none() {
            if self.write.method == Method::DELETE && self.context.policy.on_duplicate == OnDuplicate::Adopt {
                let report = self.report(Outcome::Adopted);
                let gone = Response {
                    status: http::StatusCode::NO_CONTENT,
                    headers: HeaderMap::new(),
                    content: Bytes::new(),
                    complete: true,
                };
                return self.settle(now, Answer::from_origin(gone, None, report), LaneExit::default());
            }
            return match self.over(None) {
                Planned::Ready(plan) => self.claim_for(now, plan),
                Planned::NeedCurrent => self.check(now),
                Planned::Finish(answer) => self.finish_unsent(now, *answer),
            };
        }
        let detail = "the resource that you edited is no longer there; create it anew if it should be";
        let report = self.report(Outcome::NotSent);
        self.finish_unsent(now, Answer::ours(Problem::new(Kind::Stale, detail), report))
    }

    /// A bulk job's record that is there already, equal in all that was asked.
    fn is_already_there(&self, current: &Carried) -> bool {
        if self.context.policy.on_duplicate != OnDuplicate::Adopt || !self.context.check_first || self.attempts > 0 {
            return false;
        }
        self.holds_already(current)
    }

    /// Whether the current representation has all that was asked.
    pub(super) fn holds_already(&self, current: &Carried) -> bool {
        let rules = &self.context.policy.merge;
        let now = &current.representation;
        match &*self.edit {
            Edit::Whole(asked) => merge::same(asked, now, rules).is_ok(),
            // A patch asks for nothing more if applying it changes nothing.
            Edit::MergePatch { .. } | Edit::JsonPatch { .. } => {
                merge::holds(&self.edit, Some(now), now, rules) == Holds::AlreadyBefore
            }
            Edit::Other(_) if self.write.method == Method::POST => {
                let asked = Representation::new(
                    self.write.field("content-type").unwrap_or_default(),
                    self.write.content.clone(),
                );
                merge::same(&asked, now, rules).is_ok()
            }
            Edit::Other(_) => false,
        }
    }

    /// Takes the existing resource for the one that was to be written.
    pub(super) fn adopted(&mut self, now: Time, existing: &Carried) -> Step {
        self.refused = None;
        let answer = Answer::from_origin(
            existing.to_response(self.etag_field(existing)),
            None,
            self.report(Outcome::Adopted),
        );
        let exit = LaneExit {
            carried: Some(existing.clone()),
            suspect_until: self.suspicion(),
            ..LaneExit::default()
        };
        self.settle(now, answer, exit)
    }

    /// The write met another version or an existing resource, which has been read now.
    pub(super) fn refetched(&mut self, now: Time, delivery: Delivery) -> Step {
        let Some(response) = response(delivery) else {
            return self.wait_then(now, Next::Refetch, None);
        };
        let elsewhere = self.existing().is_some();
        let Some(plan) = self.plan.clone() else {
            return self.in_doubt(now, Unknown::Crash);
        };
        let exhausted = self.attempts >= self.context.policy.attempts || now >= self.gives_up_at();
        let Some(current) = self.as_current(&response) else {
            return match (response.status.as_u16(), &plan.on_stale) {
                _ if exhausted => self.tell(now),
                (404 | 410, Stale::CheckAgain) if !elsewhere => self.onto_nothing(now),
                (408 | 429 | 500..=599, _) => self.wait_then(now, Next::Refetch, None),
                _ => self.tell(now),
            };
        };
        if self.context.policy.on_duplicate == OnDuplicate::Adopt
            && !self.write.headers.contains_key(header::IF_NONE_MATCH)
            && (elsewhere || matches!(plan.on_stale, Stale::CheckAgain))
            && self.holds_already(&current)
        {
            return self.adopted(now, &current);
        }
        if elsewhere {
            return self.tell(now);
        }
        let lags = plan
            .guard
            .as_ref()
            .is_some_and(|g| current.etag.as_ref() == Some(&g.tag));
        if lags && !self.variant.is_chosen_by(&self.write.headers) && self.own_tag().is_none() {
            return self.other_variant(now);
        }
        if lags {
            // Reads in a lane are monotonic: what was just refused cannot be current.
            return self.wait_then(now, Next::Refetch, None);
        }
        self.seen = Some(current.clone());
        self.view.carried = Some(current.clone());
        let planned = match &plan.on_stale {
            Stale::MergeFrom(base) => self.merged_onto(base, &current, plan.guarantee),
            // Planned anew: what was merged before was made for another version.
            Stale::CheckAgain => self.make_plan(),
            Stale::Tell | Stale::BaseGone => return self.tell(now),
        };
        if exhausted {
            return self.tell(now);
        }
        match planned {
            Planned::Ready(plan) => {
                self.refused = None;
                self.claim_for(now, plan)
            }
            Planned::NeedCurrent => self.tell(now),
            Planned::Finish(mut answer) => {
                answer.report.outcome = Outcome::Refused;
                answer.report.attempts = self.attempts;
                let exit = LaneExit {
                    carried: self.seen.take(),
                    suspect_until: self.suspicion(),
                    ..LaneExit::default()
                };
                self.settle(now, *answer, exit)
            }
        }
    }

    /// The version is current, and was refused all the same: the origin compares it with the variant that the write's own
    /// fields choose, which is not the one that was read.
    fn other_variant(&mut self, now: Time) -> Step {
        let detail = "the representation that you read was chosen by other request fields (such as Accept-Language) than those of this write, and the origin refuses its version for this one; write with the fields that you read with, or send If-Match";
        let problem = Problem::new(Kind::BaseUnknown, detail).with("target", self.write.target.as_str());
        let exit = LaneExit {
            carried: self.seen.take(),
            suspect_until: self.suspicion(),
            ..LaneExit::default()
        };
        let answer = Answer::ours(problem, self.report(Outcome::Refused));
        self.settle(now, answer, exit)
    }

    /// Where the resource is that a POST would have created again: only at the same authority, since the
    /// caller's credentials go with the read.
    pub(super) fn existing(&self) -> Option<Target> {
        if self.write.method != Method::POST {
            return None;
        }
        let (response, verdict) = self.refused.as_deref()?;
        let named = response
            .field("location")
            .or_else(|| response.field("content-location"))
            .or(verdict.existing.as_deref())?;
        let target = self.write.target.refer(named)?;
        (target.authority() == self.write.target.authority()).then_some(target)
    }
}

impl Carried {
    /// The representation as the answer of a read.
    fn to_response(&self, etag: Option<http::HeaderValue>) -> Response {
        let mut headers = HeaderMap::new();
        if let Ok(value) = self.representation.content_type().parse() {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if let Some(value) = etag {
            headers.insert(header::ETAG, value);
        }
        Response {
            status: http::StatusCode::OK,
            headers,
            content: self.representation.content().clone(),
            complete: true,
        }
    }
}
