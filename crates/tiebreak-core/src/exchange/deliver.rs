//! What an answer means, and what is done about it.

use http::{HeaderMap, HeaderValue, header};

use crate::delivery::{Delivery, NotSent, Reading, Unknown};
use crate::exchange::answer::Answer;
use crate::exchange::plan::{Before, Stale};
use crate::exchange::reply::{step, step_until};
use crate::exchange::{Carried, Effect, Exchange, LaneExit, LedgerFailure, Next, Outgoing, Stage, Step, Via};
use crate::judge::{Asked, Earlier};
use crate::merge::{self, Edit, Representation};
use crate::outcome::Outcome;
use crate::policy::OnDuplicate;
use crate::problem::{Kind, Problem};
use crate::record::WriteId;
use crate::remedy::Remedy;
use crate::response::Response;
use crate::time::Time;
use crate::verdict::{Class, Verdict};

/// So often an origin that cannot be reached is tried again: a restart is bridged, and a caller is not kept waiting for an
/// origin that is down.
const RECONNECTS: u32 = 8;

impl Exchange {
    /// Puts the planned attempt on the wire.
    pub(super) fn dispatch(&mut self, now: Time) -> Step {
        self.stage = Stage::Sending;
        self.attempts += 1;
        self.quiet_since = now;
        self.refused = None;
        let mut outgoing = self.outgoing();
        if outgoing.content.len() > self.context.policy.expect_over && self.is_unprotected() {
            // A refusal before the content is proof; after it, there may be a doubt that nothing resolves.
            outgoing
                .headers
                .insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        step_until(
            Effect::Send(Box::new(outgoing)),
            now.after(self.context.policy.attempt_timeout),
        )
    }

    /// Whether a lost answer could not be answered by sending the write again.
    fn is_unprotected(&self) -> bool {
        !self.is_guarded() && !self.repeats_by_key()
    }

    fn outgoing(&self) -> Outgoing {
        let mut headers = self.write.headers.clone();
        if !self.is_signed() {
            strip_preference(&mut headers);
        }
        self.take_out_compared(&mut headers);
        let mut content = self.write.content.clone();
        if let Some(plan) = &self.plan {
            for (name, value) in &plan.attach {
                headers.insert(name, value.clone());
            }
            content = plan.content.clone();
        }
        Outgoing {
            method: self.write.method.clone(),
            target: self.write.target.clone(),
            headers,
            content,
            via: self.via,
        }
    }

    /// One attempt has ended.
    pub(super) fn delivered(&mut self, now: Time, delivery: Delivery) -> Step {
        match delivery {
            Delivery::NotSent(why) => self.not_sent(now, why),
            Delivery::Unknown(why) => self.lost(now, why),
            Delivery::Answered(response) => self.answered(now, response, Reading::Unknown),
            Delivery::Declined(response) => self.answered(now, response, Reading::Refused),
        }
    }

    /// An answer came; `unclear` is how one is read that leaves open whether the write was applied.
    fn answered(&mut self, now: Time, response: Response, unclear: Reading) -> Step {
        let outgoing = self.outgoing();
        let asked = Asked {
            method: &self.write.method,
            path: self.write.target.uri().path_and_query().map_or("/", |p| p.as_str()),
            headers: &outgoing.headers,
            content: Some(&outgoing.content),
            earlier: self.earlier(),
        };
        let verdict = self.judge.judge(&asked, &response);
        let reading = match self.judge.reading(response.status, &verdict) {
            Reading::Unknown => unclear,
            clear => clear,
        };
        match reading {
            Reading::Applied => self.applied(now, response, verdict),
            Reading::Accepted => self.accepted(now, response),
            Reading::Refused => self.refused(now, response, verdict),
            Reading::Unknown => {
                self.held_before_origin = doubt_before_origin(&response).or(self.held_before_origin);
                self.lost(now, Unknown::Status(response.status.as_u16()))
            }
        }
    }

    /// The driver did not send it, since the claim may not be this gateway's any more.
    pub(super) fn withheld(&mut self, now: Time, failure: &LedgerFailure) -> Step {
        self.attempts -= 1;
        self.ledger_down(now, failure)
    }

    fn not_sent(&mut self, now: Time, why: NotSent) -> Step {
        self.attempts -= 1;
        if self.unknown.is_some() {
            let by_key = self.repeats_by_key();
            return self.wait_then(now, if by_key { Next::Send } else { Next::Prove }, None);
        }
        if self.via == Via::Page {
            return self.page_gone(now);
        }
        let soon = self.rounds < RECONNECTS;
        if let Some(at) = self.next_round(now, None).filter(|_| soon) {
            self.stage = Stage::Waiting(Next::Send);
            return step(Effect::Sleep(at));
        }
        let detail = format!("the origin could not be reached: {}; nothing was sent", why.why());
        let answer = Answer::ours(
            Problem::new(Kind::OriginUnreachable, detail),
            self.report(Outcome::NotSent),
        );
        self.finish_unsent(now, answer)
    }

    fn applied(&mut self, now: Time, response: Response, verdict: Verdict) -> Step {
        self.refused = None;
        let produced = self.produced(&response);
        let ours = self.tag_for(produced.as_ref());
        let exit = LaneExit {
            // What no tag names is read again by whoever comes next.
            carried: produced.clone().filter(|p| p.etag.is_some()),
            suspect_until: self.suspicion(),
            ..LaneExit::default()
        };
        let item_conflict = (verdict.class != Class::Other).then_some(verdict);
        let report = self.report(Outcome::Applied);
        let mut answer = if response.complete {
            Answer::from_origin(response, item_conflict, report)
        } else {
            Answer::ours(cut(&response), report)
        };
        answer.produced = produced;
        if let Some(tag) = ours.and_then(|tag| HeaderValue::from_str(&tag.to_string()).ok()) {
            answer.headers.entry(http::header::ETAG).or_insert(tag);
        }
        self.settle(now, answer, exit)
    }

    /// If an earlier attempt without guard got no answer, it may still arrive.
    pub(super) fn suspicion(&self) -> Option<Time> {
        match self.unknown {
            Some(_) if self.is_unprotected() => Some(self.quiet_since.after(self.context.policy.late_after)),
            _ => None,
        }
    }

    /// Version and representation that the write produced, if the answer holds both beyond doubt: it has a
    /// strong entity tag (or gets ours), and its content contains all that the resource must hold now.
    fn produced(&self, response: &Response) -> Option<Carried> {
        // The answer to a write is of the variant that the write's own fields choose, which may not be that of its base.
        if !self.variant.is_chosen_by(&self.write.headers) {
            return None;
        }
        if response.status.as_u16() > 201 || !response.complete || response.headers.contains_key("content-encoding") {
            return None;
        }
        let representation = Representation::new(response.field("content-type")?, response.content.clone());
        let etag = match self.tag_of(response, &representation) {
            None if self.context.policy.gives_tags() => None,
            etag => Some(etag.filter(|t| !t.is_weak())?),
        };
        let plan = self.plan.as_deref()?;
        let before = match &plan.before {
            Before::Known(before) => Some(before),
            Before::Absent | Before::Lacking | Before::Unknown => None,
        };
        // Many origins answer with the very bytes that were put.
        let sent = self.planned_edit(plan);
        let representation = match &*sent {
            // Many origins answer with the very bytes that were put, which have been read as data already.
            Edit::Whole(sent) if sent.same_bytes(&representation) => {
                let alike = sent.content_type() == representation.content_type();
                if alike { sent.clone() } else { representation }
            }
            edit if merge::is_whole(edit, before, &representation, &self.context.policy.merge) => representation,
            _ => return None,
        };
        Some(Carried {
            caller: self.context.caller,
            variant: self.selecting(),
            etag,
            representation,
        })
    }

    /// The origin says that it did not apply it.
    fn refused(&mut self, now: Time, response: Response, verdict: Verdict) -> Step {
        let (class, remedy, retry_after) = (verdict.class, verdict.remedy, verdict.retry_after);
        let waits = verdict.waits();
        if class == Class::Stale && self.unknown.is_none() {
            self.learn_version(&verdict);
        }
        self.refused = Some(Box::new((response, verdict)));
        if self.earlier() == Earlier::MayHaveApplied && class == Class::KeyReuse {
            // Nobody else has the key that this write brought along: an attempt of ours, with content that was
            // merged into another version, is what it was used for. A caller's own key may have been used before.
            if self.write.headers.contains_key(&self.context.policy.keys.field) {
                return self.in_doubt(now, self.unknown.unwrap_or(Unknown::Crash));
            }
            self.performed = true;
            return self.prove(now);
        }
        if self.earlier() == Earlier::MayHaveApplied && !waits {
            // It may have met our own write; and whatever it met, the attempt before it may have been applied.
            return self.prove(now);
        }
        match remedy {
            Remedy::Rebase => self.stale(now),
            Remedy::Wait if waits => self.wait_then(now, Next::Send, retry_after),
            // Its holder may keep it for days; whoever asked is told at once, and may come again.
            Remedy::Wait => self.tell(now),
            Remedy::Adopt => self.exists(now),
            Remedy::Stop if class == Class::Duplicate => self.exists(now),
            Remedy::HandOff => self.blocked(now),
            Remedy::Stop => self.tell(now),
        }
    }

    fn stale(&mut self, now: Time) -> Step {
        let Some(plan) = self.plan.as_deref() else {
            return self.tell(now);
        };
        match &plan.on_stale {
            Stale::Tell => self.tell(now),
            Stale::MergeFrom(_) | Stale::CheckAgain => self.refetch(now),
            Stale::BaseGone => {
                let problem = base_gone();
                let answer = Answer::ours(problem, self.report(Outcome::Refused));
                self.settle(now, answer, LaneExit::default())
            }
        }
    }

    /// It exists already. A bulk job that read before writing looks again; otherwise the caller decides.
    fn exists(&mut self, now: Time) -> Step {
        if self.sought.is_some() {
            return self.seek(now);
        }
        let plan = self.plan.as_deref();
        let checks = plan.is_some_and(|p| matches!(p.on_stale, Stale::CheckAgain));
        let adopts =
            self.context.policy.on_duplicate == OnDuplicate::Adopt && !self.write.headers.contains_key("if-none-match");
        // What a POST has met is at its target only if the answer says so.
        let somewhere = self.write.method != http::Method::POST || self.existing().is_some();
        if (checks || adopts) && somewhere {
            self.refetch(now)
        } else {
            self.tell(now)
        }
    }

    /// Gives the origin's last answer to the caller, unchanged.
    pub(super) fn tell(&mut self, now: Time) -> Step {
        let Some(refused) = self.refused.take() else {
            return self.in_doubt(now, Unknown::Crash);
        };
        let (response, verdict) = *refused;
        let passing = is_passing(&verdict, &response);
        let mut report = self.report(Outcome::Refused);
        report.class = Some(verdict.class);
        let view = self.view.carried.take().filter(|_| verdict.class != Class::Stale);
        let carried = self.seen.take().or(view);
        let answer = if response.complete {
            Answer::from_origin(response, Some(verdict), report)
        } else {
            Answer::ours(cut(&response), report)
        };
        let exit = LaneExit {
            carried,
            suspect_until: self.suspicion(),
            ..LaneExit::default()
        };
        if passing {
            self.release(now, answer, exit)
        } else {
            self.settle(now, answer, exit)
        }
    }

    /// Waits, as long as the patience lasts, and then goes on.
    pub(super) fn wait_then(&mut self, now: Time, next: Next, retry_after: Option<std::time::Duration>) -> Step {
        match self.next_round(now, retry_after) {
            Some(at) => {
                self.stage = Stage::Waiting(next);
                step(Effect::Sleep(at))
            }
            None => match (next, self.unknown) {
                (_, Some(unknown)) => self.in_doubt(now, unknown),
                (
                    Next::Send | Next::Refetch | Next::Prove | Next::Check | Next::Seek | Next::LookUp | Next::Follow,
                    None,
                ) => self.tell(now),
            },
        }
    }

    /// When the next round may begin; `None` when attempts or patience are used up.
    pub(super) fn next_round(&mut self, now: Time, retry_after: Option<std::time::Duration>) -> Option<Time> {
        let policy = &self.context.policy;
        let wait = self.jitter.wait(self.rounds, policy.backoff) + retry_after.unwrap_or_default();
        self.rounds += 1;
        let at = now.after(wait);
        (self.rounds < policy.attempts.saturating_mul(2) && self.attempts < policy.attempts && at <= self.gives_up_at())
            .then_some(at)
    }
}

/// The version that the caller names is stale, and what it was is not known any more.
pub(super) fn base_gone() -> Problem {
    Problem::new(
        Kind::BaseUnknown,
        "the resource was changed since you read it, and the version that you read is no longer at hand; read it again and write it anew",
    )
}

/// The doubt that another gateway of ours says it has (RFC 9457 §3.1.1: the type identifies the problem).
fn doubt_before_origin(response: &Response) -> Option<WriteId> {
    if response.status.as_u16() != Kind::InDoubt.status() {
        return None;
    }
    let problem: serde_json::Value = serde_json::from_slice(&response.content).ok()?;
    let kind = Kind::from_type(problem.get("type")?.as_str()?)?;
    let id = WriteId::parse(problem.get("id")?.as_str()?)?;
    (kind == Kind::InDoubt).then_some(id)
}

/// What is said instead of an answer that did not come in whole.
pub(super) fn cut(response: &Response) -> Problem {
    Problem::new(
        Kind::BadAnswer,
        "the origin answered, but its answer was cut or is too large to be passed on; read the resource to see it",
    )
    .with("origin_status", response.status.as_u16())
}

/// Our own preference is not the origin's business (RFC 7240 §2).
pub fn strip_preference(headers: &mut HeaderMap) {
    let own = |v: &HeaderValue| v.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("tiebreak"));
    if !headers.get_all("prefer").iter().any(own) {
        return;
    }
    let kept: Vec<String> = headers
        .get_all("prefer")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .filter(|p| !p.to_ascii_lowercase().starts_with("tiebreak"))
        .map(str::to_owned)
        .collect();
    headers.remove("prefer");
    if !kept.is_empty()
        && let Ok(value) = kept.join(", ").parse()
    {
        headers.insert("prefer", value);
    }
}

/// Whether a refusal says nothing about the write itself, so that the same key may be used again.
fn is_passing(verdict: &Verdict, response: &Response) -> bool {
    match verdict.class {
        Class::Race | Class::InProgress | Class::Blocked => true,
        Class::Other => matches!(
            response.status.as_u16(),
            401 | 403 | 407 | 408 | 421 | 425 | 426 | 429 | 500..=599
        ),
        Class::Duplicate | Class::Stale | Class::KeyReuse | Class::State | Class::Invalid | Class::Unclear => false,
    }
}
