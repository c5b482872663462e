//! Plays a case against a scripted wire, and writes down what the exchange does.

use std::collections::VecDeque;
use std::fmt::Write as _;

use expect_test::Expect;
use tiebreak_core::delivery::{Delivery, Unknown};
use tiebreak_core::exchange::{Answer, Effect, Entry, Input, LedgerFailure, NotPassed, Outgoing, Step, Via};
use tiebreak_core::record::Fence;

use crate::cases::{Base, Case, HandOffs, START};
use crate::world::{answer, document};

/// Plays `wire` against the exchange of `case`, the last of it for as long as it is read; the ledger and the lanes do
/// what they are asked.
pub(crate) fn story(case: &Case, wire: Vec<Delivery>, expected: &Expect) -> Answer {
    play(case, wire, "", expected)
}

/// What the last line of the story is after its status.
pub(crate) fn ends(case: &Case, wire: Vec<Delivery>) -> String {
    let mut report = tell_story(case, wire, "").0.report;
    report.id = None;
    report.key_expires = None;
    report.to_string()
}

/// As [`story`]; the ledger fails in the operation that begins with `failing`.
pub(crate) fn play(case: &Case, wire: Vec<Delivery>, failing: &str, expected: &Expect) -> Answer {
    let (answer, told) = tell_story(case, wire, failing);
    expected.assert_eq(&told);
    answer
}

fn tell_story(case: &Case, wire: Vec<Delivery>, failing: &str) -> (Answer, String) {
    let mut wire = VecDeque::from(wire);
    let mut exchange = case.exchange();
    let mut now = START;
    let mut last = None;
    let mut fences = 10;
    let mut out = String::new();
    let mut step = exchange.handle(now, Input::Begin);
    let answer = loop {
        let Step { effect, deadline } = step;
        let told = tell(&effect);
        if !told.is_empty() {
            writeln!(out, "{told}").unwrap();
        }
        let mut granted = || {
            fences += 1;
            Input::Granted(Fence(fences))
        };
        let input = match effect {
            _ if !failing.is_empty() && told.starts_with(failing) => Input::LedgerFailed(LedgerFailure {
                why: "use the ledger".into(),
            }),
            Effect::Answer { answer, .. } => break *answer,
            Effect::Register(..) => Input::Registered,
            Effect::Await => Input::Awaited(None),
            Effect::LookUp(..) | Effect::Get(_) => Input::Found(case.record().map(Box::new)),
            Effect::EnterLanes { .. } | Effect::AwaitTurn => Input::Turn(case.view()),
            Effect::Claim(_) | Effect::Amend { .. } | Effect::Retake { .. } => granted(),
            Effect::HandOff { .. } => match &case.hand_off {
                HandOffs::Elapses => {
                    now = deadline.expect("a person's time is bounded");
                    Input::Elapsed
                }
                HandOffs::Passes => Input::HandedOff(Ok(())),
                HandOffs::Closed => Input::HandedOff(Err(NotPassed::Refused)),
                HandOffs::Off => unreachable!("it was not allowed"),
            },
            Effect::Sleep(until) => {
                now = until;
                Input::Elapsed
            }
            Effect::Record { .. } => Input::Recorded,
            Effect::Send(_) => Input::Delivered(wire.pop_front().expect("the story says what the wire does")),
            Effect::Fetch(_) => {
                last = wire.pop_front().or(last);
                Input::Fetched(last.clone().expect("the story says what the wire does"))
            }
        };
        if let Input::Delivered(delivery) | Input::Fetched(delivery) = &input {
            writeln!(out, "    {}", came(delivery)).unwrap();
        }
        step = exchange.handle(now, input);
    };
    assert!(wire.is_empty(), "nobody asked for {wire:?}\n{out}");
    (answer, out)
}

fn tell(effect: &Effect) -> String {
    match effect {
        Effect::Register(..) | Effect::Get(_) | Effect::EnterLanes { .. } | Effect::AwaitTurn | Effect::Await => {
            String::new()
        }
        Effect::LookUp(..) => "look up".into(),
        Effect::Claim(claim) => format!("claim, held {}", claim.held.as_deref().unwrap_or("nothing")),
        Effect::Amend { attempt, held, .. } => {
            format!("claim attempt {attempt}, held {}", held.as_deref().unwrap_or("nothing"))
        }
        Effect::Retake { attempt, held, .. } => {
            format!(
                "retake for attempt {attempt}, held {}",
                held.as_deref().unwrap_or("nothing")
            )
        }
        Effect::Fetch(outgoing) if outgoing.via == Via::Page => "read from the page".into(),
        Effect::Fetch(_) => "read".into(),
        Effect::Send(outgoing) => sent(outgoing),
        Effect::HandOff { ask, .. } => format!("leave the lane; hand off {}: {}", ask.target, ask.check),
        Effect::Sleep(_) => "wait".into(),
        Effect::Record { entry, exit } => {
            let entry = match &**entry {
                Entry::Settle(_, _, settlement) => format!("settle {}", settlement.outcome.as_str()),
                Entry::Doubt(..) => "record the doubt".into(),
                Entry::Release(..) => "release".into(),
                Entry::Resolve(_, settlement, _) => format!("resolve the doubt: {}", settlement.outcome.as_str()),
            };
            let suspect = exit.as_ref().is_some_and(|e| e.suspect_until.is_some());
            format!("{entry}{}", if suspect { ", lane suspect" } else { "" })
        }
        Effect::Answer { answer, .. } => {
            let mut report = answer.report.clone();
            report.id = None;
            report.key_expires = None;
            let kind = answer
                .problem
                .as_ref()
                .map(|p| format!(" {}", p.kind().slug()))
                .unwrap_or_default();
            format!("answer {}{kind}: {report}", answer.status.as_u16())
        }
    }
}

fn sent(outgoing: &Outgoing) -> String {
    let mut out = format!("{}", outgoing.method);
    if outgoing.via == Via::Page {
        out.push_str(" from the page");
    }
    for name in ["if-match", "if-none-match", "idempotency-key"] {
        if let Some(value) = outgoing.headers.get(name) {
            write!(out, " {name}: {}", value.to_str().unwrap()).unwrap();
        }
    }
    write!(out, " {}", String::from_utf8_lossy(&outgoing.content)).unwrap();
    out
}

fn came(delivery: &Delivery) -> String {
    match delivery {
        Delivery::NotSent(why) => format!("not sent: {}", why.why()),
        Delivery::Unknown(why) => why.why(),
        Delivery::Declined(response) => format!("{} before the content", response.status.as_u16()),
        Delivery::Answered(response) => {
            let tag = response.field("etag").unwrap_or_default();
            let content = String::from_utf8_lossy(&response.content);
            format!("{} {tag} {content}", response.status.as_u16())
                .trim_end()
                .to_owned()
        }
    }
}

/// No answer came.
pub(crate) fn lost() -> Delivery {
    Delivery::Unknown(Unknown::Closed)
}

/// A PUT by a caller that has read the resource.
pub(crate) fn read() -> Case {
    Case {
        base: Base::Read,
        ..Case::default()
    }
}

/// The origin took the write; the resource has `b` in it.
pub(crate) fn ours(b: u64) -> Delivery {
    answer(200, Some("\"5\""), &document("new", b))
}
