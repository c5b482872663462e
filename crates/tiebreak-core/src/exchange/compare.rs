//! The client's own precondition, where the origin gives no entity tags and the one that the client has is ours
//! ([`crate::virtual_tag`]): only we can compare it. In its lane the write reads the target, compares, and is refused or sent;
//! what writes around us between the two is not noticed, which is guarantee C.

use http::{HeaderMap, header};

use crate::delivery::Delivery;
use crate::exchange::answer::Answer;
use crate::exchange::deliver::base_gone;
use crate::exchange::effect::response;
use crate::exchange::plan::{Before, Plan, Planned, Stale};
use crate::exchange::{Carried, Exchange, Step};
use crate::guarantee::Guarantee;
use crate::merge::Representation;
use crate::outcome::Outcome;
use crate::precondition::{Current, Evaluation, FailedPrecondition, Preconditions, TagList, evaluate};
use crate::problem::{Kind, Problem};
use crate::time::Time;
use crate::validator::EntityTag;

/// How the client's own precondition was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// The target has a tag of its origin, or cannot be read: the precondition is the origin's business.
    ByOrigin,
    /// We have compared it, and it held, or gave way to a merge.
    Here,
}

impl Exchange {
    /// The tag that is ours of a representation, as reads show it.
    pub(super) fn virtual_tag(&self, representation: &Representation) -> Option<EntityTag> {
        self.said
            .virtual_tag(representation)
            .filter(|_| self.context.policy.gives_tags())
    }

    /// Whether the client's own precondition may be about a tag that is ours.
    pub(super) fn may_compare(&self) -> bool {
        let p = &self.preconditions;
        self.context.policy.gives_tags() && !self.is_signed() && (p.if_match.is_some() || p.if_none_match.is_some())
    }

    /// Whether the target has to be read before it is known if the write may go out. Not where an attempt of this exchange may have
    /// been applied already: then it would be compared with itself.
    pub(super) fn has_to_compare(&self) -> bool {
        let open = self.compared.is_none() && (self.unknown.is_none() || self.resumed.is_some());
        open && self.may_compare()
    }

    /// Whether the precondition was ours to compare, so that the origin must not see it.
    pub(super) fn has_compared(&self) -> bool {
        self.compared == Some(Compared::Here)
    }

    /// Takes a look at the target for a comparison; `None`: it decides nothing, and is treated as any other.
    pub(super) fn compare_own(&mut self, now: Time, delivery: &Delivery) -> Option<Step> {
        let read = response(delivery.clone())?;
        let current = match read.status.as_u16() {
            404 | 410 => None,
            405 | 406 | 501 => return Some(self.leave_to_origin(now, None)),
            _ => Some(self.as_current(&read)?),
        };
        if read.headers.contains_key(header::ETAG) {
            return Some(self.leave_to_origin(now, current));
        }
        let tag = current.as_ref().and_then(|c| self.virtual_tag(&c.representation));
        let state = Current {
            exists: current.is_some(),
            etag: tag.as_ref(),
            last_modified: None,
        };
        let own = Preconditions {
            if_modified_since: None,
            if_unmodified_since: None,
            ..self.preconditions.clone()
        };
        let evaluation = evaluate(&self.write.method, &own, state);
        if evaluation != Evaluation::Perform && self.resumed.is_some() {
            // It may be its own earlier attempt that it does not meet any more.
            return Some(self.compared_with_itself(now, delivery.clone()));
        }
        self.compared = Some(Compared::Here);
        self.seen.clone_from(&current);
        self.view.carried.clone_from(&current);
        Some(match evaluation {
            Evaluation::Perform => self.plan_and_send(now),
            Evaluation::Failed(FailedPrecondition::IfNoneMatch) | Evaluation::NotModified => {
                self.refuse_compared(now, &self.exists_already(current.as_ref()), current.as_ref())
            }
            Evaluation::Failed(FailedPrecondition::IfMatch | FailedPrecondition::IfUnmodifiedSince) => {
                self.is_stale(now, current)
            }
        })
    }

    fn leave_to_origin(&mut self, now: Time, current: Option<Carried>) -> Step {
        self.compared = Some(Compared::ByOrigin);
        self.seen.clone_from(&current);
        self.view.carried = current;
        self.plan_and_send(now)
    }

    /// The doubt that was taken up is looked into as any other.
    fn compared_with_itself(&mut self, now: Time, delivery: Delivery) -> Step {
        self.compared = Some(Compared::Here);
        self.plan_doubt();
        self.weigh(now, delivery)
    }

    /// The version that the client names is not current: merged where that is wanted and its content is known.
    fn is_stale(&mut self, now: Time, current: Option<Carried>) -> Step {
        let named = self.named_tag().cloned();
        if let (Some(tag), Some(current)) = (named, &current) {
            let base = self.content_of(&tag).or_else(|| self.context.base.clone());
            let planned = match base {
                Some(base) => self.merged_onto(&base, current, Guarantee::C),
                None => self.finish(base_gone(), Some(current)),
            };
            return match planned {
                Planned::Ready(plan) => self.claim_for(now, plan),
                Planned::Finish(answer) => self.finish_unsent(now, *answer),
                Planned::NeedCurrent => self.check(now),
            };
        }
        let version = current.as_ref().map(|c| self.version_of(c));
        let detail = "the resource is not at the version that you name; nothing was sent; read it again, apply your change to what you \
                      read, and send it with the new tag";
        let problem = Problem::new(Kind::Stale, detail)
            .with_status(412)
            .with("yours", self.write.field("if-match").unwrap_or_default())
            .with("current", version)
            .with("target", self.write.target.as_str());
        self.refuse_compared(now, &problem, current.as_ref())
    }

    fn exists_already(&self, current: Option<&Carried>) -> Problem {
        let detail =
            "there is a representation that your If-None-Match rules out; nothing was sent; read it and decide";
        Problem::new(Kind::PreconditionFailed, detail)
            .with("existing", self.write.target.path())
            .with("current", current.map(|c| self.version_of(c)))
    }

    fn refuse_compared(&mut self, now: Time, problem: &Problem, current: Option<&Carried>) -> Step {
        let mut answer = Answer::ours(problem.clone(), self.report(Outcome::NotSent));
        if let Some(value) = current.and_then(|c| self.etag_field(c)) {
            answer.headers.insert(header::ETAG, value);
        }
        self.finish_unsent(now, answer)
    }

    /// Sends what the client wrote, after its precondition was compared here.
    pub(super) fn as_compared(&self) -> Plan {
        // Of a doubt that was taken up, what its client had read is all that is known.
        let named = || self.content_of(self.own_tag()?);
        let current = self.view.carried.as_ref().map(|c| c.representation.clone());
        Plan {
            content: self.write.content.clone(),
            merged: None,
            fits: true,
            attach: self.own_key(),
            guarantee: self.or_by_key(self.by_own_lists().max(Guarantee::C)),
            guard: None,
            before: current.or_else(named).map_or(Before::Unknown, Before::Known),
            creates: false,
            on_stale: Stale::Tell,
            rebased: false,
            unguarded: false,
        }
    }

    /// Takes out of a request what we have compared. `*` stays: an origin may know it without knowing tags, and then it enforces it.
    pub(super) fn take_out_compared(&self, headers: &mut HeaderMap) {
        if !self.has_compared() {
            return;
        }
        let p = &self.preconditions;
        for (name, list) in [
            (header::IF_MATCH, &p.if_match),
            (header::IF_NONE_MATCH, &p.if_none_match),
        ] {
            if matches!(list, Some(TagList::Tags(_))) {
                headers.remove(name);
            }
        }
    }

    /// An attempt went out under a tag, so that is one of the origin.
    pub(super) fn leave_comparison_to_origin(&mut self) {
        self.compared = self.compared.or(Some(Compared::ByOrigin));
    }

    /// Forgets what was read for a comparison: it is compared again before another attempt.
    pub(super) fn forget_comparison(&mut self) {
        self.compared = None;
    }

    /// The tag that is ours of what the write produced, where the origin's answer has none.
    pub(super) fn tag_for(&self, produced: Option<&Carried>) -> Option<EntityTag> {
        let produced = produced.filter(|p| p.etag.is_none())?;
        self.virtual_tag(&produced.representation)
    }
}
