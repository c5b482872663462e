//! Key, ledger look-up, and repeats that join or replay.

use std::time::Duration;

use crate::exchange::answer::Answer;
use crate::exchange::reply::{answer, step, step_until};
use crate::exchange::{Effect, Exchange, LedgerFailure, Next, Registrant, Stage, Step};
use crate::fingerprint::Fingerprint;
use crate::outcome::Outcome;
use crate::precondition::Preconditions;
use crate::problem::{Kind, Problem};
use crate::record::{Fence, Record, Sought, State};
use crate::repeat::Repeat;
use crate::time::Time;

impl Exchange {
    pub(super) fn begin(&mut self, now: Time) -> Step {
        self.started = now;
        match Preconditions::of(&self.write.headers) {
            Ok(preconditions) => self.preconditions = preconditions,
            Err(error) => return self.refuse(Problem::new(Kind::BadRequest, format!("failed to {error}"))),
        }
        self.register()
    }

    pub(super) fn register(&mut self) -> Step {
        let registrant = match (self.context.key, self.context.likeness) {
            (Some(key), _) => Registrant::Key(key, self.context.fingerprint),
            (None, Some(likeness)) => Registrant::Keyless(likeness, Repeat::of(&self.write.headers)),
            (None, None) => return self.queue(),
        };
        self.stage = Stage::Registering;
        step(Effect::Register(registrant))
    }

    pub(super) fn look_up(&mut self) -> Step {
        if self.context.key.is_none() {
            // A doubt that stands in its way is found by its claim.
            return self.queue();
        }
        self.stage = Stage::LookingUp;
        step(Effect::LookUp(self.sought()))
    }

    /// The same key is on its way already: wait for its outcome instead of sending it again.
    pub(super) fn join(&mut self, fingerprint: Fingerprint) -> Step {
        if fingerprint != self.context.fingerprint {
            return self.key_reused();
        }
        self.wait_for_the_other()
    }

    pub(super) fn wait_for_the_other(&mut self) -> Step {
        self.stage = Stage::Joining;
        step_until(Effect::Await, self.gives_up_at())
    }

    /// The other exchange's outcome is this one's.
    pub(super) fn joined(&mut self, answer_: Answer) -> Step {
        let mut joined = answer_.joined();
        if self.context.caller.is_anonymous() {
            // Whoever gets a session with it is the one who asked first.
            joined.headers.remove(http::header::SET_COOKIE);
        }
        answer(joined, None)
    }

    /// Another gateway has it on its way: look again until it has ended, as long as the patience lasts.
    fn wait_for_another(&mut self, now: Time) -> Step {
        let steps = (Duration::from_millis(20), Duration::from_secs(1));
        let at = now.after(self.jitter.wait(self.looks, steps));
        self.looks += 1;
        if at > self.gives_up_at() {
            return self.still_running();
        }
        self.stage = Stage::Waiting(Next::LookUp);
        step(Effect::Sleep(at))
    }

    pub(super) fn look_up_again(&mut self) -> Step {
        self.stage = Stage::LookingUp;
        step(Effect::LookUp(self.sought()))
    }

    pub(super) fn still_running(&mut self) -> Step {
        let detail = match self.context.key {
            Some(_) => {
                "the first request with this key is still running; ask again with the same key and content later"
            }
            None => "the request that this one repeats is still running; nothing was sent again; repeat it later",
        };
        let status = self.context.policy.keys.running_status;
        self.refuse(Problem::new(Kind::InProgress, detail).with_status(status))
    }

    /// A marked repeat of one of several equal writes. Nothing is lost by asking its client to come again.
    pub(super) fn repeats_something(&mut self) -> Step {
        let detail = "this request says that it is a repeat, and several writes like it are running, so it cannot be told which one \
                      it repeats; nothing was sent; repeat it later, or send an idempotency key with each write";
        let status = self.context.policy.keys.running_status;
        self.refuse(Problem::new(Kind::InProgress, detail).with_status(status))
    }

    fn key_reused(&mut self) -> Step {
        let detail = "this idempotency key was used for a request with another method, target or content; \
                      use a new key for a new request";
        let status = self.context.policy.keys.reuse_status;
        self.refuse(Problem::new(Kind::KeyReuse, detail).with_status(status))
    }

    fn sought(&self) -> Sought {
        Sought {
            key: self.context.key,
            trace: self.context.trace,
            caller: self.context.caller,
            fingerprint: self.context.fingerprint,
        }
    }

    /// A key that cannot be guessed came with the same write before, under another credential. Neither sent, since it may have
    /// been applied, nor shown, since it is not this caller's.
    fn caller_changed(&mut self) -> Step {
        let detail = "the same key came with the same content before, under another credential; nothing was sent. If your token was \
                      refreshed, repeat the request with the earlier credential to get its outcome, or read the resource; \
                      if it was not applied, send it with a new key";
        self.refuse(Problem::new(Kind::CallerChanged, detail))
    }

    /// The ledger knows this write already.
    pub(super) fn known(&mut self, now: Time, record: Box<Record>) -> Step {
        if self.sought().is_used_by_another(&record.claim) {
            return self.caller_changed();
        }
        if record.claim.fingerprint != self.context.fingerprint {
            return self.key_reused();
        }
        match &record.state {
            State::Settled(settlement) if !settlement.truncated => answer(Answer::replay(&record, settlement), None),
            State::Settled(settlement) => {
                let mut replay = Answer::replay(&record, settlement);
                let problem = Problem::new(
                    Kind::BadAnswer,
                    "this write was performed before; its answer was too large to be kept, so read the resource instead",
                )
                .with("id", record.claim.id.to_string());
                replay = Answer {
                    replayed: true,
                    ..Answer::ours(problem, replay.report)
                };
                answer(replay, None)
            }
            State::Claimed if self.context.shared => self.wait_for_another(now),
            State::Claimed => self.still_running(),
            State::InDoubt(_) => self.resume(now, record),
        }
    }

    /// Without a ledger nothing is sent.
    pub(super) fn ledger_down(&mut self, now: Time, failure: &LedgerFailure) -> Step {
        if self.resumed.is_some() || self.unknown.is_some() {
            let why = self.unknown.unwrap_or(crate::delivery::Unknown::Crash);
            return self.in_doubt(now, why);
        }
        // What was sent before, if anything was, the origin has refused.
        let detail = format!("failed to {}", failure.why);
        let report = self.report(Outcome::NotSent);
        let mut refusal = Answer::ours(Problem::new(Kind::LedgerUnavailable, detail), report);
        refusal
            .headers
            .insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("5"));
        self.finish_unsent(now, refusal)
    }

    /// The client has gone while its write, claimed perhaps, waited for its first attempt.
    pub(super) fn abandoned_later(&mut self, now: Time) -> Step {
        let report = self.report(Outcome::NotSent);
        let problem = Problem::new(Kind::Stopping, "the client has gone; nothing was sent");
        self.finish_unsent(now, Answer::ours(problem, report))
    }

    /// The client went before the claim was made, and may have had its outcome elsewhere.
    pub(super) fn granted_to_nobody(&mut self, now: Time, fence: Fence) -> Step {
        self.fence = Some(fence);
        self.abandoned_later(now)
    }

    pub(super) fn abandoned(&mut self) -> Step {
        self.refuse(Problem::new(Kind::Stopping, "the client has gone; nothing was sent"))
    }
}
