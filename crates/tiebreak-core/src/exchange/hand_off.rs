//! A bot check stands before the origin: a person passes it in a real browser, and the write is sent from within that page.
//!
//! The lanes are left while the person is at it, and queued for again; then everything is as for any attempt: planned
//! on what the lanes know now, claimed, sent once, judged.

use std::time::Duration;

use crate::caller::CallerId;
use crate::delivery::Unknown;
use crate::exchange::answer::Answer;
use crate::exchange::reply::step_until;
use crate::exchange::{Effect, Exchange, LaneExit, Place, Stage, Step};
use crate::outcome::Outcome;
use crate::problem::{Kind, Problem};
use crate::request::Target;
use crate::time::Time;

/// A check that a person has to pass.
#[derive(Debug, Clone)]
pub struct HandOff {
    /// What the write is for; its page is opened.
    pub target: Target,
    /// Whose write it is: the page is nobody else's.
    pub caller: CallerId,
    /// Who asks for what, in words.
    pub check: String,
    /// How long one request of the page may take.
    pub timeout: Duration,
}

/// By which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// Over a connection of our own.
    #[default]
    Wire,
    /// From within the page in which a person has passed the check.
    Page,
}

/// Why a check was not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPassed {
    /// The person closed the window.
    Refused,
    /// No browser could be opened; in words that complete "it could not be handed to a browser: …".
    Unavailable(String),
}

/// A check that was met.
#[derive(Debug, Clone)]
pub(super) struct Met {
    /// Who asks for what.
    check: String,
    /// The status that it came with.
    status: u16,
}

/// Why a write ends at a check.
enum End {
    NotPassed(NotPassed),
    Elapsed,
    /// The page was asked again although the check had been passed.
    Again,
}

impl Exchange {
    /// The judge advises a hand-off.
    pub(super) fn blocked(&mut self, now: Time) -> Step {
        let policy = &self.context.policy;
        // A refusal by rule is nothing that a person could pass, and may concern an answer to a write that was applied.
        let Some((response, verdict)) = self.refused.as_deref().filter(|(_, v)| v.proves_refusal) else {
            return self.tell(now);
        };
        if !policy.hand_off || self.attempts >= policy.attempts {
            return self.tell(now);
        }
        let check = verdict
            .evidence
            .first()
            .map_or("a browser test", |e| &e.signal)
            .to_owned();
        self.met = Some(Box::new(Met {
            check: check.clone(),
            status: response.status.as_u16(),
        }));
        if self.via == Via::Page {
            return self.end_at_check(now, &End::Again);
        }
        if let Some(why) = self.unfit_for_a_page() {
            return self.end_at_check(now, &End::NotPassed(NotPassed::Unavailable(why.to_owned())));
        }
        let ask = HandOff {
            target: self.write.target.clone(),
            caller: self.context.caller,
            check,
            timeout: policy.attempt_timeout,
        };
        let deadline = now.after(policy.hand_off_wait);
        let exit = LaneExit {
            carried: self.seen.take().or_else(|| self.view.carried.take()),
            ..LaneExit::default()
        };
        self.place = Place::Outside;
        self.stage = Stage::HandingOff;
        let ask = Box::new(ask);
        step_until(Effect::HandOff { ask, exit }, deadline)
    }

    /// What a page could not send as it is: cookies stay where they are, and what is signed may not be altered.
    fn unfit_for_a_page(&self) -> Option<&'static str> {
        if self.write.headers.contains_key(http::header::COOKIE) {
            return Some("the write carries a cookie, and no cookie is moved into a browser");
        }
        self.is_signed()
            .then_some("the write is signed, and a browser adds fields of its own")
    }

    pub(super) fn handed_off(&mut self, now: Time, passed: Result<(), NotPassed>) -> Step {
        match passed {
            Ok(()) => {
                self.via = Via::Page;
                // What is sent now is another attempt, with an answer of its own.
                self.refused = None;
                // The person's time was not the origin's.
                self.started = now;
                self.rounds = 0;
                self.queue()
            }
            Err(why) => self.end_at_check(now, &End::NotPassed(why)),
        }
    }

    pub(super) fn not_passed_in_time(&mut self, now: Time) -> Step {
        self.end_at_check(now, &End::Elapsed)
    }

    /// The page is no more at hand, or has left the origin; nothing was sent.
    pub(super) fn page_gone(&mut self, now: Time) -> Step {
        self.end_at_check(now, &End::NotPassed(NotPassed::Refused))
    }

    fn end_at_check(&mut self, now: Time, end: &End) -> Step {
        if let Some(unknown) = self.unknown {
            return self.in_doubt(now, unknown);
        }
        let Some(met) = self.met.clone() else {
            return self.in_doubt(now, Unknown::Crash);
        };
        let (word, what, remedy) = match end {
            End::NotPassed(NotPassed::Refused) => (
                "refused",
                "the browser's window was closed, so the write was not sent again".to_owned(),
                "repeat it after a minute to be asked anew",
            ),
            End::NotPassed(NotPassed::Unavailable(why)) => (
                "unavailable",
                format!("it could not be handed to a browser: {why}"),
                "open `target` in a browser to see what is asked, and repeat the write through a Tiebreak on a machine with a screen, \
                 Chromium and chromedriver, or ask the API's owner for a way in that needs no browser",
            ),
            End::Elapsed => (
                "elapsed",
                "nobody passed it in the time that the route allows (hand_off_wait)".to_owned(),
                "repeat the write while a person is at the browser",
            ),
            End::Again => (
                "again",
                "it was passed in a browser, and the write sent from there met it once more".to_owned(),
                "ask the API's owner for a way in that needs no browser",
            ),
        };
        let detail = format!(
            "the origin is behind {}; {what}; the write was not applied; {remedy}",
            met.check
        );
        let problem = Problem::new(Kind::Blocked, detail)
            .with("target", self.write.target.as_str())
            .with("check", met.check)
            .with("hand_off", word)
            .with("origin_status", met.status);
        let mut report = self.report(Outcome::Refused);
        report.class = Some(crate::verdict::Class::Blocked);
        let exit = LaneExit {
            carried: self.seen.take().or_else(|| self.view.carried.take()),
            ..LaneExit::default()
        };
        self.release(now, Answer::ours(problem, report), exit)
    }
}
