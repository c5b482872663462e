//! Turns what the driver does and learns into events.

use std::sync::Arc;

use http::{HeaderMap, header};
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::exchange::{Answer, Effect, Entry, Exchange, Input, NotPassed, Outgoing};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::State;
use tiebreak_core::response::Response;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Verdict;
use tokio::time::Instant;

use super::Watch;
use super::event::{Event, Judged, Told};
use super::shelf::{Open, lock};
use crate::figures::Step;
use crate::transport::http::ForwardError;

/// At most so many pointers of each side of a merge are kept.
const POINTERS: usize = 50;

/// Larger documents are not compared for the story's sake.
const COMPARED: usize = 64 * 1024;

/// So many signals of a verdict are kept.
const SIGNALS: usize = 3;

/// Records the story of one write.
#[derive(Debug)]
pub(crate) struct Recorder {
    watch: Arc<Watch>,
    place: u64,
    story: Open,
    begun: Instant,
    /// What a claim or an entry asked for, until it is durable.
    pending: Option<Event>,
    /// What is told if nothing comes of the effect in time.
    overdue: fn() -> Option<Event>,
    attempts: u32,
}

impl Recorder {
    pub(super) fn new(watch: Arc<Watch>, (place, story): (u64, Open)) -> Recorder {
        Recorder {
            watch,
            place,
            story,
            begun: Instant::now(),
            pending: None,
            overdue: || None,
            attempts: 0,
        }
    }

    fn note(&self, event: Event) {
        let ms = u32::try_from(self.begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        let mut story = lock(&self.story);
        if story.events.len() < self.watch.limits.events {
            story.events.push((ms, event));
        } else {
            story.dropped += 1;
        }
    }

    /// A door streams it on, without an exchange.
    pub(super) fn passed(&self) {
        self.watch.figures.step(Step::Passed);
        self.note(Event::Passed);
    }

    /// What came of streaming it on.
    pub(super) fn came_back(&self, came: &Result<(u16, Option<Box<str>>), ForwardError>) {
        self.note(match came {
            Ok((status, etag)) => {
                self.watch.figures.answered(*status);
                let etag = etag.clone();
                Event::Answered {
                    status: *status,
                    etag,
                    bytes: 0,
                }
            }
            Err(ForwardError::NotSent(why)) => Event::NotSent(*why),
            Err(ForwardError::Unknown(why)) => {
                self.watch.figures.step(Step::Lost);
                Event::Lost(*why)
            }
        });
    }

    /// The exchange has decided what to do next; `answered`: on an answer to its attempt.
    pub(crate) fn decided(&mut self, now: Time, answered: bool, exchange: &Exchange, effect: &Effect) {
        if answered {
            let last = match effect {
                Effect::Answer { answer, .. } => answer.verdict.as_ref(),
                _ => exchange.verdict(),
            };
            if let Some(verdict) = last {
                self.watch.figures.met(verdict.class, now);
                self.note(judged(verdict));
            }
        }
        self.overdue = || Some(Event::Elapsed);
        match effect {
            Effect::Await => {
                self.watch.figures.step(Step::Joined);
                self.note(Event::Joined);
            }
            Effect::EnterLanes { lanes, .. } if !lanes.is_empty() => self.note(Event::Queued),
            Effect::Claim(claim) => {
                self.pending = Some(claimed(claim.attempt, claim.held.as_deref()));
            }
            Effect::Amend { attempt, held, .. } | Effect::Retake { attempt, held, .. } => {
                self.pending = Some(claimed(*attempt, held.as_deref()));
            }
            Effect::Fetch(_) => {
                self.watch.figures.step(Step::Fetched);
                self.overdue = || Some(Event::Unreadable("no answer in time".into()));
                self.note(Event::Fetching);
            }
            Effect::Send(outgoing) => self.sent(exchange, outgoing),
            Effect::HandOff { ask, .. } => {
                let target = self.watch.limits.conceal.target(ask.target.as_str());
                self.note(Event::HandingOff(Box::new((ask.check.clone(), target))));
            }
            Effect::Sleep(until) => {
                self.overdue = || None;
                self.watch.figures.step(Step::Waited);
                let ms = u32::try_from(now.until(*until).as_millis()).unwrap_or(u32::MAX);
                self.note(Event::Waiting(ms));
            }
            Effect::Record { entry, .. } => {
                self.pending = Some(match &**entry {
                    Entry::Settle(_, _, settlement) => Event::Settled(settlement.outcome),
                    Entry::Doubt(..) => Event::Doubted,
                    Entry::Release(..) => Event::Released,
                    Entry::Resolve(_, settlement, _) => Event::Resolved(settlement.outcome),
                });
            }
            Effect::Register(..)
            | Effect::LookUp(..)
            | Effect::Get(_)
            | Effect::EnterLanes { .. }
            | Effect::AwaitTurn
            | Effect::Answer { .. } => {}
        }
    }

    fn sent(&mut self, exchange: &Exchange, outgoing: &Outgoing) {
        if exchange.is_rebased() {
            self.watch.figures.step(Step::Merged);
            if let Some(fields) = exchange.merged_fields(POINTERS, COMPARED) {
                self.note(Event::Merged(Box::new(fields)));
            }
        }
        self.watch.figures.step(Step::Sent);
        self.attempts += 1;
        self.overdue = || Some(Event::Lost(Unknown::Timeout));
        self.note(Event::Sent {
            attempt: self.attempts,
            guard: guard(&outgoing.headers),
            bytes: size(outgoing.content.len()),
        });
    }

    /// The driver tells what came of it.
    pub(crate) fn learned(&mut self, input: &Input) {
        match input {
            Input::Found(Some(record)) => self.known(record),
            Input::Taken(record) => self.known(record),
            Input::LaneFull => self.note(Event::LaneFull),
            Input::Turn(view) => {
                let tag = view.carried.as_ref().and_then(|c| c.etag.as_ref());
                self.note(Event::Turn(tag.map(|t| t.to_string().into())));
            }
            Input::Granted(fence) | Input::GrantedToNobody(fence) => {
                if let Some(Event::Claimed { attempt, held, .. }) = self.pending.take() {
                    let fence = fence.0;
                    self.note(Event::Claimed { attempt, fence, held });
                }
                if matches!(input, Input::GrantedToNobody(_)) {
                    self.note(Event::CallerGone);
                }
            }
            Input::Recorded => {
                if let Some(event) = self.pending.take() {
                    self.note(event);
                }
            }
            Input::LedgerFailed(failure) => self.note(Event::LedgerFailed(failure.why.as_str().into())),
            Input::Fetched(delivery) => self.note(match delivery {
                Delivery::Answered(response) | Delivery::Declined(response) => {
                    let (status, etag, bytes) = head(response);
                    Event::Fetched { status, etag, bytes }
                }
                Delivery::NotSent(why) => Event::Unreadable(NotSent::why(*why).into()),
                Delivery::Unknown(why) => Event::Unreadable(Unknown::why(*why).into()),
            }),
            Input::Delivered(delivery) => self.note(match delivery {
                Delivery::Answered(response) | Delivery::Declined(response) => {
                    let (status, etag, bytes) = head(response);
                    self.watch.figures.answered(status);
                    Event::Answered { status, etag, bytes }
                }
                Delivery::NotSent(why) => Event::NotSent(*why),
                Delivery::Unknown(why) => {
                    self.watch.figures.step(Step::Lost);
                    Event::Lost(*why)
                }
            }),
            Input::HandedOff(passed) => self.note(Event::HandedOff(match passed {
                Ok(()) => None,
                Err(NotPassed::Refused) => Some("its window was closed".into()),
                Err(NotPassed::Unavailable(why)) => Some(why.as_str().into()),
            })),
            Input::CallerGone => self.note(Event::CallerGone),
            Input::Begin
            | Input::Registered
            | Input::Running(_)
            | Input::Repeats
            | Input::RepeatsSomething
            | Input::Undelivered(_)
            | Input::Awaited(_)
            | Input::Found(None)
            | Input::Near => {}
            Input::Elapsed => {
                if let Some(event) = (self.overdue)() {
                    self.note(event);
                }
            }
        }
    }

    fn known(&self, record: &tiebreak_core::record::Record) {
        let state = match record.state {
            State::Claimed => "claimed",
            State::Settled(_) => "settled",
            State::InDoubt(_) => "in-doubt",
        };
        self.note(Event::Known(Box::new((record.claim.id, state))));
    }

    /// The write has its answer.
    pub(crate) fn answered(self, now: Time, answer: &Answer) {
        if let Some(problem) = &answer.problem
            && let Some(conflicts) = problem.member("conflicts")
        {
            let shown = self.watch.limits.conceal.overlaps(conflicts.clone());
            self.note(Event::Overlap(Box::new(shown)));
        }
        let report = &answer.report;
        {
            let mut story = lock(&self.story);
            story.told = report.id.filter(|id| *id != story.subject.id);
        }
        if answer.replayed {
            self.watch.figures.step(Step::Replayed);
        }
        if report.outcome == Outcome::InDoubt {
            self.watch.figures.step(Step::Doubted);
        }
        self.note(Event::Told(Box::new(Told {
            status: answer.status.as_u16(),
            outcome: report.outcome,
            class: report.class,
            guarantee: report.guarantee,
            attempts: report.attempts,
            replayed: answer.replayed,
            rebased: report.rebased,
            unguarded: report.unguarded,
            unprotected: report.unprotected,
            problem: answer.problem.as_ref().map(|p| p.kind()),
            detail: answer.problem.as_ref().map(|p| p.detail().to_owned()),
        })));
        self.watch.end(answer, now, self.begun.elapsed());
    }
}

/// Also for an exchange that was dropped in the middle.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.watch.shelf.end(self.place, &self.story);
    }
}

fn claimed(attempt: u32, held: Option<&str>) -> Event {
    Event::Claimed {
        attempt,
        fence: 0,
        held: held.map(Into::into),
    }
}

fn judged(verdict: &Verdict) -> Event {
    Event::Judged(Box::new(Judged {
        class: verdict.class,
        remedy: verdict.remedy,
        dialect: verdict.dialect.as_deref().map(str::to_owned),
        confidence: verdict.confidence,
        evidence: verdict.evidence.iter().take(SIGNALS).cloned().collect(),
    }))
}

/// The precondition that an attempt carries.
fn guard(headers: &HeaderMap) -> Option<Box<str>> {
    let named = [("If-Match", header::IF_MATCH), ("If-None-Match", header::IF_NONE_MATCH)];
    named.into_iter().find_map(|(name, field)| {
        let value = headers.get(field)?.to_str().ok()?;
        Some(format!("{name}: {value}").into())
    })
}

fn head(response: &Response) -> (u16, Option<Box<str>>, u32) {
    let etag = response.field("etag").map(Into::into);
    (response.status.as_u16(), etag, size(response.content.len()))
}

fn size(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
