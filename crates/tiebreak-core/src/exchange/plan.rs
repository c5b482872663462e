//! Which precondition guards an attempt, and what it is merged from.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};

use crate::base::{self, BaseDecision, BaseUnknown, How, Question, Served};
use crate::exchange::answer::Answer;
use crate::exchange::{Carried, Exchange};
use crate::guarantee::Guarantee;
use crate::merge::{self, Document, Edit, Holds, MergeFailure, Merged, Representation};
use crate::method::acts_on_target;
use crate::outcome::Outcome;
use crate::policy::Unguarded;
use crate::problem::{Kind, Problem};
use crate::record::{Held, HeldValidator};
use crate::signature::is_signed;
use crate::validator::{EntityTag, EtagKind};
use crate::variant::Variant;
use crate::virtual_tag::is_virtual;

/// How the next attempt is made.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The content that is sent.
    pub(super) content: Bytes,
    /// The same as data, where it was merged.
    pub(super) merged: Option<Representation>,
    /// Whether `content` may go out under this guard. Of a doubt that is not known: it may have been merged first.
    pub(super) fits: bool,
    /// Fields that replace those of the caller.
    pub(super) attach: Vec<(HeaderName, HeaderValue)>,
    /// The validator that guards it.
    pub(super) guard: Option<Guard>,
    /// What the target held before, as far as this caller knows.
    pub(super) before: Before,
    /// Whether it was made to create the target, which a look before had found missing.
    pub(super) creates: bool,
    /// What is done if it turns out to be stale.
    pub(super) on_stale: Stale,
    /// How strong the promise is.
    pub(super) guarantee: Guarantee,
    /// Whether it was merged into a newer version than the caller's.
    pub(super) rebased: bool,
    /// Whether nothing protects another writer's change from it.
    pub(super) unguarded: bool,
}

/// What the target held before an attempt.
#[derive(Debug, Clone)]
pub(super) enum Before {
    Unknown,
    Absent,
    /// Its content is not known any more, but it did not hold what is asked.
    Lacking,
    Known(Representation),
}

impl Before {
    fn of(representation: Option<Representation>) -> Before {
        representation.map_or(Before::Unknown, Before::Known)
    }
}

/// A validator that guards an attempt.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) tag: EntityTag,
    /// Whether the tag never recurs, so that a second send under it is safe.
    pub(super) version: bool,
}

/// What is done with an attempt that turns out to be stale.
#[derive(Debug, Clone)]
pub(super) enum Stale {
    /// The origin's answer goes to the caller.
    Tell,
    /// The caller's change is merged from this base into the current version.
    MergeFrom(Representation),
    /// The version is known, its content is not: 409 base-unknown.
    BaseGone,
    /// Look again and decide anew (bulk jobs, which read before they write).
    CheckAgain,
}

/// What planning came to.
pub(super) enum Planned {
    Ready(Box<Plan>),
    /// The current representation is needed first.
    NeedCurrent,
    /// Nothing is to be sent.
    Finish(Box<Answer>),
}

impl Exchange {
    /// Plans the next attempt from what is known now.
    pub(super) fn make_plan(&self) -> Planned {
        let named = self.named_tag();
        if self.has_to_compare() {
            return Planned::NeedCurrent;
        }
        if self.is_literal() || self.has_compared() {
            return Planned::Ready(Box::new(self.literal()));
        }
        let current = self.carried();
        if let Some(tag) = named {
            return self.plan_from_named(tag, current);
        }
        if self.context.marked && !self.edits() && acts_on_target(&self.write.method) {
            return self.plan_under_mark();
        }
        if self.edits() {
            if let Some(base) = &self.context.base {
                return match current {
                    Some(current) => self.merged_onto(base, current, Guarantee::A),
                    None => Planned::NeedCurrent,
                };
            }
            if let Some(planned) = self.plan_from_served(current) {
                return planned;
            }
        }
        if self.context.check_first && acts_on_target(&self.write.method) {
            return match current {
                Some(current) => self.over(Some(current)),
                None => Planned::NeedCurrent,
            };
        }
        Planned::Ready(Box::new(self.unguarded(current)))
    }

    /// Decides whose base the write has, as far as that does not depend on what is there when its turn comes. Done before the
    /// lane, where nobody waits for it.
    pub(super) fn decide_early(&mut self) {
        if self.is_signed() {
            return;
        }
        if let Some(named) = self.own_tag().and_then(|tag| self.served_under(tag)) {
            self.variant = named.variant.clone();
        }
        let literal = self.names_state() || self.context.base.is_some();
        if literal || !self.edits() || self.context.candidates.served.is_empty() {
            return;
        }
        match self.decide(None) {
            BaseDecision::Proven { base, how } => {
                self.variant = self.context.candidates.served[base].variant.clone();
                self.decided = Some(BaseDecision::Proven { base, how });
            }
            BaseDecision::FetchCurrent(variant) => self.variant = variant,
            BaseDecision::Agreed(_) | BaseDecision::TagOnly(_) | BaseDecision::Absent | BaseDecision::Unknown(_) => {}
        }
    }

    fn decide(&self, current: Option<&Representation>) -> BaseDecision {
        let candidates = &self.context.candidates;
        let decision = base::decide(&Question {
            edit: &self.edit,
            if_match: None,
            connection: self.context.connection,
            served: &candidates.served,
            complete: candidates.complete,
            current,
            rules: &self.context.policy.merge,
            connections: candidates.connections,
        });
        match decision {
            BaseDecision::Proven { base, .. } if self.context.marked => BaseDecision::Proven { base, how: How::Named },
            BaseDecision::Absent if self.context.marked || candidates.forgotten => {
                BaseDecision::Unknown(BaseUnknown::Evicted)
            }
            decision => decision,
        }
    }

    /// Plans what cannot be merged under the version that its mark names: as if the caller had sent that as `If-Match`.
    fn plan_under_mark(&self) -> Planned {
        // One mark is of one tag and one content, however often that was served.
        let Some(served) = self.context.candidates.served.last() else {
            return self.base_unknown(BaseUnknown::Evicted);
        };
        match served.etag.clone().filter(|tag| !tag.is_weak() && self.can_name()) {
            Some(tag) => Planned::Ready(Box::new(self.under(
                tag,
                served.content.clone(),
                Stale::Tell,
                Guarantee::A,
            ))),
            None => self.base_unknown(BaseUnknown::Unconditional),
        }
    }

    /// Plans from what was served to this caller; `None` if it read nothing through us.
    fn plan_from_served(&self, current: Option<&Carried>) -> Option<Planned> {
        let candidates = &self.context.candidates;
        let decision = match &self.decided {
            Some(decision) => decision.clone(),
            None => self.decide(current.map(|c| &c.representation)),
        };
        Some(match decision {
            BaseDecision::Absent => return None,
            BaseDecision::FetchCurrent(_) => Planned::NeedCurrent,
            // A weak tag names nothing that an If-Match could match (RFC 9110 §13.1.1).
            BaseDecision::TagOnly(tag) if tag.is_weak() || !self.can_name() => return None,
            BaseDecision::TagOnly(tag) => {
                Planned::Ready(Box::new(self.under(tag, None, Stale::BaseGone, Guarantee::C)))
            }
            BaseDecision::Proven { base, how } => {
                let served = &candidates.served[base];
                let best = if how == How::Named { Guarantee::A } else { Guarantee::C };
                match &served.content {
                    Some(content) => self.plan_from_base(served.etag.clone(), content, current, best),
                    None => return None,
                }
            }
            BaseDecision::Agreed(merged) => match current {
                Some(current) => {
                    let mut plan = self.onto_current(current, Stale::CheckAgain, Guarantee::C);
                    plan.rebased = true;
                    self.send_merged(&mut plan, merged, current);
                    Planned::Ready(Box::new(plan))
                }
                None => Planned::NeedCurrent,
            },
            BaseDecision::Unknown(why) => self.base_unknown(why),
        })
    }

    /// Whether the caller's preference for a rebase had a say.
    #[must_use]
    pub fn honours_preference(&self) -> bool {
        self.prefers_rebase() && !self.is_signed() && self.named_tag().is_some()
    }

    /// `Prefer: tiebreak=rebase` (RFC 7240).
    pub(super) fn prefers_rebase(&self) -> bool {
        let asks = |value: &HeaderValue| {
            value.to_str().is_ok_and(|v| {
                v.split(',')
                    .any(|p| p.trim().replace(['"', ' '], "").eq_ignore_ascii_case("tiebreak=rebase"))
            })
        };
        self.write.headers.get_all("prefer").iter().any(asks)
    }

    /// Whether the write edits the representation at its target in a form that can be merged.
    pub(super) fn edits(&self) -> bool {
        !self.is_message()
            && (self.write.method == Method::PUT || self.write.method == Method::PATCH)
            && !matches!(&*self.edit, Edit::Other(_))
    }

    /// Whether a signature covers fields or content, so that nothing may be altered.
    pub(super) fn is_signed(&self) -> bool {
        is_signed(&self.write.headers, self.write.target.uri())
    }

    /// Whether an attempt of this write may have carried merged content, which nobody has kept: an edit that was
    /// rebased. What a bulk job writes without a base goes out as it is.
    pub(super) fn may_have_merged(&self) -> bool {
        !self.is_literal() && self.edits() && (self.context.base.is_some() || !self.context.check_first)
    }

    /// The attempt that was planned, read as an edit.
    pub(super) fn planned_edit(&self, plan: &Plan) -> Arc<Edit> {
        if plan.content == self.write.content {
            return Arc::clone(&self.edit);
        }
        if let Some(merged) = &plan.merged {
            return Arc::new(Edit::Whole(merged.clone()));
        }
        let content_type = self.write.field("content-type").unwrap_or_default();
        Arc::new(Edit::read(&self.write.method, content_type, None, &plan.content))
    }

    /// What the lane carries, if it belongs to this caller and this variant.
    pub(super) fn carried(&self) -> Option<&Carried> {
        self.view
            .carried
            .as_ref()
            .filter(|c| c.caller == self.context.caller && c.variant == self.selecting())
    }

    /// The variant of what the write was made from, as far as that is known.
    #[must_use]
    pub fn variant(&self) -> &Variant {
        &self.variant
    }

    /// The fields by which the variant that is read for this write is chosen.
    pub(super) fn selecting(&self) -> Vec<String> {
        self.variant.selecting(&self.write.headers)
    }

    pub(super) fn literal(&self) -> Plan {
        if self.has_compared() {
            return self.as_compared();
        }
        let tag = self.own_tag();
        let before = tag.and_then(|t| self.content_of(t));
        let guard = tag.map(|t| self.guard(t.clone(), before.as_ref()));
        let unguarded = !self.names_state();
        Plan {
            content: self.write.content.clone(),
            merged: None,
            fits: true,
            attach: self.own_key(),
            guarantee: self.literal_strength(guard.as_ref()),
            guard,
            before: Before::of(before),
            creates: false,
            on_stale: if self.context.check_first && unguarded {
                Stale::CheckAgain
            } else {
                Stale::Tell
            },
            rebased: false,
            unguarded: unguarded && acts_on_target(&self.write.method),
        }
    }

    fn unguarded(&self, current: Option<&Carried>) -> Plan {
        Plan {
            before: Before::of(current.map(|c| c.representation.clone())),
            ..self.literal()
        }
    }

    fn plan_from_named(&self, tag: &EntityTag, current: Option<&Carried>) -> Planned {
        let base = self.content_of(tag).or_else(|| self.context.base.clone());
        match (base, current) {
            (Some(base), Some(current)) if current.etag.as_ref() != Some(tag) => {
                self.merged_onto(&base, current, Guarantee::A)
            }
            (Some(_), None) if self.is_outdated(tag) => Planned::NeedCurrent,
            (Some(base), _) => Planned::Ready(Box::new(self.under(
                tag.clone(),
                Some(base.clone()),
                Stale::MergeFrom(base),
                Guarantee::A,
            ))),
            (None, _) => {
                // Whoever names a version in the content has not asked for a rebase: then the origin's own words are best.
                let on_stale = match &self.stated {
                    Some(_) => Stale::Tell,
                    None => Stale::BaseGone,
                };
                Planned::Ready(Box::new(self.under(tag.clone(), None, on_stale, Guarantee::A)))
            }
        }
    }

    /// Whether the lane has written another version since, if only for another caller: then an attempt under this tag
    /// is known to fail. The representation itself is that caller's, so it is read again as this one.
    fn is_outdated(&self, tag: &EntityTag) -> bool {
        let newest = self.view.carried.as_ref().and_then(Carried::strong_tag);
        newest.is_some_and(|newest| newest != tag)
    }

    fn plan_from_base(
        &self,
        etag: Option<EntityTag>,
        base: &Representation,
        current: Option<&Carried>,
        best: Guarantee,
    ) -> Planned {
        match (etag.filter(|_| self.can_name()), current) {
            (Some(tag), Some(current)) if !tag.is_weak() && current.etag.as_ref() == Some(&tag) => {
                let stale = Stale::MergeFrom(base.clone());
                Planned::Ready(Box::new(self.under(tag, Some(base.clone()), stale, best)))
            }
            (_, Some(current)) => self.merged_onto(base, current, best),
            (Some(tag), None) if !tag.is_weak() && !self.is_outdated(&tag) => {
                let stale = Stale::MergeFrom(base.clone());
                Planned::Ready(Box::new(self.under(tag, Some(base.clone()), stale, best)))
            }
            // The version is outdated, or has no strong tag: what is there now has to be read before it can be merged into.
            (_, None) => Planned::NeedCurrent,
        }
    }

    /// Sends the caller's own content under `tag`.
    pub(super) fn under(
        &self,
        tag: EntityTag,
        before: Option<Representation>,
        on_stale: Stale,
        best: Guarantee,
    ) -> Plan {
        let guard = self.guard(tag, before.as_ref());
        let mut attach = self.own_key();
        let (content, field) = self.name(&self.write.content, &guard.tag, before.as_ref());
        attach.extend(field);
        Plan {
            content,
            merged: None,
            fits: true,
            attach,
            guarantee: self.strength(Some(&guard), best),
            guard: Some(guard),
            before: Before::of(before),
            creates: false,
            on_stale,
            rebased: false,
            unguarded: false,
        }
    }

    /// Merges the caller's change from `base` into `current`, and sends that under the current version.
    pub(super) fn merged_onto(&self, base: &Representation, current: &Carried, best: Guarantee) -> Planned {
        match merge::rebase(&self.edit, base, &current.representation, &self.context.policy.merge) {
            Ok(merged) => Planned::Ready(Box::new(self.merged(merged, base, current, best))),
            Err(MergeFailure::Overlap(overlaps)) => {
                let list: Vec<_> = overlaps.iter().map(merge::Overlap::to_json).collect();
                let problem = Problem::new(
                    Kind::Overlap,
                    "another writer changed the same fields after you read them; read the resource again, decide, and write it anew",
                )
                .with("conflicts", list)
                .with("current", self.version_of(current))
                .with("target", self.write.target.as_str());
                self.finish(problem, Some(current))
            }
            // Nobody changed it, so there is nothing to merge.
            Err(MergeFailure::NotMergeable(_))
                if matches!(&*self.edit, Edit::Whole(_)) && base.same_bytes(&current.representation) =>
            {
                let stale = Stale::MergeFrom(base.clone());
                Planned::Ready(Box::new(self.onto_current(current, stale, best)))
            }
            Err(MergeFailure::NotMergeable(why)) => {
                let problem = Problem::new(
                    Kind::Stale,
                    format!("the resource was changed since you read it, and your change cannot be merged: {why}; read it again and write it anew"),
                )
                .with("current", self.version_of(current));
                self.finish(problem, Some(current))
            }
        }
    }

    fn merged(&self, merged: Merged, base: &Representation, current: &Carried, best: Guarantee) -> Plan {
        let mut plan = self.onto_current(current, Stale::MergeFrom(base.clone()), best);
        plan.rebased = base.content() != current.representation.content();
        self.send_merged(&mut plan, merged, current);
        plan
    }

    /// Merged content goes out under the version of what it was merged into, never under its old one.
    fn send_merged(&self, plan: &mut Plan, merged: Merged, current: &Carried) {
        let content_type = self.write.field("content-type").unwrap_or_default();
        let content = match &current.etag {
            Some(tag) => self.name(&merged.content, tag, Some(&current.representation)).0,
            None => merged.content.clone(),
        };
        plan.merged = merged
            .document
            .filter(|_| content == merged.content)
            .map(|value| Representation::written(content_type, content.clone(), Document::Json(value)));
        plan.content = content;
    }

    /// Sends under the current version; where that has no strong tag, the lane guards it, as long as nobody writes
    /// around it.
    fn onto_current(&self, current: &Carried, on_stale: Stale, best: Guarantee) -> Plan {
        match current.strong_tag().filter(|_| self.can_name()) {
            Some(tag) => self.under(tag.clone(), Some(current.representation.clone()), on_stale, best),
            None => Plan {
                on_stale,
                guarantee: self.or_by_key(Guarantee::C),
                unguarded: false,
                ..self.unguarded(Some(current))
            },
        }
    }

    /// The plan of an attempt that an earlier exchange made and left in doubt, guarded by what its claim `held`.
    ///
    /// What exactly was sent is not known any more: under a version that the caller does not name, it may have been merged.
    /// And a precondition that only this repeat brings did not guard the attempt before it.
    pub(super) fn plan_of_doubt(&self, held: Option<&str>) -> Plan {
        let held = held.and_then(Held::parse);
        if self.sought.is_some() {
            let absent = held.is_some_and(|h| h.validator == HeldValidator::Nothing && h.new);
            return self.creating(if absent { Before::Lacking } else { Before::Unknown });
        }
        let tag = held.as_ref().and_then(Held::tag).filter(|t| !t.is_weak()).cloned();
        let mut plan = match tag {
            Some(tag) => {
                let before = self.content_of(&tag);
                let fits = self.own_tag() == Some(&tag);
                let mut plan = self.under(tag, before, Stale::Tell, Guarantee::A);
                if !fits {
                    plan.fits = false;
                    plan.content = self.write.content.clone();
                }
                plan
            }
            None => Plan {
                guard: None,
                fits: false,
                guarantee: self.strength(None, Guarantee::D),
                ..self.literal()
            },
        };
        if held.as_ref().is_some_and(|h| h.new) && matches!(plan.before, Before::Unknown) {
            plan.before = Before::Lacking;
        }
        let creates = held.is_some_and(|h| h.validator == HeldValidator::Nothing);
        if creates && self.context.check_first && self.write.method == Method::PUT {
            plan.before = Before::Absent;
            plan.creates = true;
            plan.fits = true;
            plan.attach.push((header::IF_NONE_MATCH, HeaderValue::from_static("*")));
        }
        if self.context.check_first {
            plan.on_stale = Stale::CheckAgain;
        }
        plan
    }

    /// What the claim for `plan` holds.
    pub(super) fn held_by(&self, plan: &Plan) -> Option<Held> {
        let validator = match &plan.guard {
            Some(guard) => HeldValidator::Tag(guard.tag.clone()),
            None if plan.creates => HeldValidator::Nothing,
            None => return None,
        };
        let rules = &self.context.policy.merge;
        let new = match &plan.before {
            Before::Known(before) => merge::holds(&self.edit, Some(before), before, rules) == Holds::No,
            Before::Absent | Before::Lacking => true,
            Before::Unknown => false,
        };
        Some(Held { validator, new })
    }

    /// The plan by which the write may go out again under `guard`, which names the version that was read now: made anew
    /// from what the caller is known to have read.
    pub(super) fn plan_again(&self, guard: &Guard) -> Option<Box<Plan>> {
        match self.make_plan() {
            Planned::Ready(plan) => {
                let same = plan.guard.as_ref().is_some_and(|g| g.version && g.tag == guard.tag);
                same.then_some(plan)
            }
            Planned::NeedCurrent | Planned::Finish(_) => None,
        }
    }

    /// Writes over what a bulk job has just read; `None`: there is nothing yet.
    pub(super) fn over(&self, current: Option<&Carried>) -> Planned {
        let Some(current) = current else {
            let mut plan = self.literal();
            plan.on_stale = Stale::CheckAgain;
            plan.guarantee = self.strength(None, Guarantee::C);
            if self.write.method == Method::PUT {
                plan.before = Before::Absent;
                plan.creates = true;
                plan.unguarded = false;
                plan.attach.push((header::IF_NONE_MATCH, HeaderValue::from_static("*")));
            }
            return Planned::Ready(Box::new(plan));
        };
        let mut plan = self.onto_current(current, Stale::CheckAgain, Guarantee::C);
        // Nobody said which version the record was made from.
        plan.unguarded = self.write.method == Method::PUT;
        Planned::Ready(Box::new(plan))
    }

    fn base_unknown(&self, why: BaseUnknown) -> Planned {
        let problem = Problem::new(
            Kind::BaseUnknown,
            format!("it cannot be told which version you edited: {why}"),
        )
        .with("target", self.write.target.as_str());
        let Planned::Finish(mut answer) = self.finish(problem, self.carried()) else {
            return Planned::NeedCurrent;
        };
        answer.pooled = why == BaseUnknown::Pooled;
        Planned::Finish(answer)
    }

    pub(super) fn finish(&self, problem: Problem, current: Option<&Carried>) -> Planned {
        let report = self.report(Outcome::NotSent);
        let mut answer = Answer::ours(problem, report);
        if let Some(value) = current.and_then(|c| self.etag_field(c)) {
            answer.headers.insert(header::ETAG, value);
        }
        Planned::Finish(Box::new(answer))
    }

    pub(super) fn content_of(&self, tag: &EntityTag) -> Option<Representation> {
        self.served_under(tag)?.content.clone()
    }

    /// What was served under a tag. Where an origin gives one tag to several variants, the tag does not tell them apart.
    pub(super) fn served_under(&self, tag: &EntityTag) -> Option<&Served> {
        let served = &self.context.candidates.served;
        let mut under = served.iter().rev().filter(|s| match (&s.etag, &s.content) {
            (Some(etag), Some(_)) => etag == tag,
            (None, Some(content)) => is_virtual(tag) && self.virtual_tag(content).as_ref() == Some(tag),
            (_, None) => false,
        });
        let last = under.next()?;
        let one = under.all(|s| s.variant.and(&last.variant, true).is_some());
        one.then_some(last)
    }

    pub(super) fn guard(&self, tag: EntityTag, content: Option<&Representation>) -> Guard {
        let stated = self.context.policy.body_version.as_ref().map(|v| v.kind);
        let kind = match stated.unwrap_or(self.context.policy.etag) {
            EtagKind::Auto if self.context.candidates.recurring => EtagKind::Digest,
            kind => kind,
        };
        let version = kind.is_version(&tag, content.map(Representation::content));
        Guard { tag, version }
    }

    /// A refusal, if the plan is weaker than the route demands.
    pub(super) fn too_weak(&self) -> Option<Answer> {
        let plan = self.plan.as_deref()?;
        let policy = &self.context.policy;
        let problem = if plan.guarantee > policy.least {
            let detail = format!(
                "this route demands guarantee {}, and this write would have {}; send If-Match with the version that you read, or an idempotency key that the origin honours",
                policy.least.as_str(),
                plan.guarantee.as_str()
            );
            Problem::new(Kind::GuaranteeTooWeak, detail)
        } else if plan.unguarded && policy.unguarded == Unguarded::Refuse && !self.context.check_first {
            let detail = "this write names no version, and none is known that you read; read the resource first, or send If-Match";
            Problem::new(Kind::Unguarded, detail)
        } else {
            return None;
        };
        Some(Answer::ours(problem, self.report(Outcome::NotSent)))
    }
}
