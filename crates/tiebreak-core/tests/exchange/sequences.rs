//! All sequences of inputs up to a depth, breadth first, for a table of cases; and adversaries that never tire.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::exchange::{Answer, Effect, Exchange, Input, LedgerFailure, NotPassed, Registrant, Step};
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::outcome::{Outcome, Report};
use tiebreak_core::record::Fence;
use tiebreak_core::time::Time;

use crate::cases::{Case, START, all};
use crate::watch::Watch;
use crate::world::{answer, bot_check, version};

/// One exchange after some inputs, with what it asks for now.
struct Node {
    exchange: Exchange,
    watch: Watch,
    now: Time,
    effect: Effect,
    deadline: Option<Time>,
    sends: usize,
    fetches: usize,
    joins: usize,
    failures: u32,
    fences: u64,
    shallow: bool,
    path: Option<Rc<Link>>,
}

struct Link {
    label: String,
    before: Option<Rc<Link>>,
}

/// What may be told, how long it takes, and how it is called.
struct Choice {
    label: String,
    takes: Duration,
    input: Input,
}

fn choice(label: impl Into<String>, input: Input) -> Choice {
    Choice {
        label: label.into(),
        takes: Duration::from_millis(1),
        input,
    }
}

fn failed() -> Input {
    Input::LedgerFailed(LedgerFailure {
        why: "use the ledger".into(),
    })
}

/// The outcome of another exchange.
fn success() -> Box<Answer> {
    let Delivery::Answered(response) = answer(201, None, "") else {
        unreachable!("it is an answer");
    };
    let report = Report {
        outcome: Outcome::Applied,
        attempts: 1,
        ..Report::unsent()
    };
    Box::new(Answer::from_origin(response, None, report))
}

/// A final answer to the head alone.
fn declined() -> Delivery {
    let Delivery::Answered(response) = answer(503, None, "") else {
        unreachable!("it is an answer");
    };
    Delivery::Declined(response)
}

/// What may come of a send, the most telling first.
fn deliveries(case: &Case, watch: &Watch) -> Vec<(&'static str, Delivery)> {
    let tags = case.tags;
    let ours = watch.last_sent().to_string();
    let stale = tags.of(2);
    vec![
        ("closed", Delivery::Unknown(Unknown::Closed)),
        ("412", answer(412, stale.as_deref(), "")),
        ("200", answer(200, tags.of(5).as_deref(), &ours)),
        ("429", answer(429, None, "")),
        ("a bot check", bot_check()),
        ("not sent", Delivery::NotSent(NotSent::ClosedBeforeSend)),
        ("409", answer(409, None, "")),
        ("404", answer(404, None, "")),
        ("503", answer(503, None, "")),
        ("422", answer(422, None, "{\"error\":\"a is wrong\"}")),
        ("204", answer(204, tags.of(5).as_deref(), "")),
        ("500", answer(500, None, "")),
        ("garbage", Delivery::Unknown(Unknown::Garbage)),
        ("201", answer(201, None, "")),
        ("202", answer(202, None, "")),
        ("303", answer(303, None, "")),
        ("302", answer(302, None, "")),
        ("400", answer(400, None, "")),
        ("401", answer(401, None, "")),
        ("403", answer(403, None, "")),
        ("408", answer(408, None, "")),
        ("423", answer(423, None, "")),
        ("428", answer(428, None, "")),
        (
            "200 with another version",
            answer(200, tags.of(6).as_deref(), "{\"a\":\"old\",\"b\":6}"),
        ),
        ("unreachable", Delivery::NotSent(NotSent::Unreachable)),
        (
            "409 in words",
            answer(409, None, "{\"error\":\"version conflict: the resource was modified\"}"),
        ),
        ("503 before the content", declined()),
    ]
}

/// What may come of a read.
fn readings(case: &Case, watch: &Watch) -> Vec<(&'static str, Delivery)> {
    let tags = case.tags;
    let ours = watch.last_sent().to_string();
    vec![
        ("version 2", version(tags, 2)),
        ("404", answer(404, None, "")),
        ("version 1", version(tags, 1)),
        ("ours", answer(200, tags.of(5).as_deref(), &ours)),
        ("closed", Delivery::Unknown(Unknown::Closed)),
        ("version 3", version(tags, 3)),
        ("405", answer(405, None, "")),
        ("500", answer(500, None, "")),
        ("unreachable", Delivery::NotSent(NotSent::Unreachable)),
        ("403", answer(403, None, "")),
    ]
}

/// How many of the choices are tried at the first, second … send or read. What comes after the first `DEEP` of them resembles
/// what comes after one of those, so from there on only the first choice is followed.
const SENDS: [usize; 2] = [26, 4];
const READS: [usize; 2] = [10, 3];
const DEEP: usize = 4;

impl Node {
    fn first(case: &Case) -> Node {
        let mut exchange = case.exchange();
        let Step { effect, deadline } = exchange.handle(START, Input::Begin);
        Node {
            exchange,
            watch: Watch::new(case),
            now: START,
            effect,
            deadline,
            sends: 0,
            fetches: 0,
            joins: 0,
            failures: 0,
            fences: 1,
            shallow: false,
            path: None,
        }
    }

    fn path(&self) -> String {
        let mut labels = Vec::new();
        let mut at = self.path.as_ref();
        while let Some(link) = at {
            labels.push(link.label.as_str());
            at = link.before.as_ref();
        }
        labels.reverse();
        labels.join(" → ")
    }

    fn choices(&self, case: &Case) -> Vec<Choice> {
        let elapsed = |label: &str| Choice {
            label: label.into(),
            takes: self.deadline.map_or(Duration::ZERO, |d| self.now.until(d)),
            input: Input::Elapsed,
        };
        let granted = || Input::Granted(Fence(self.fences + 1));
        let mut out = match &self.effect {
            Effect::Register(_) if self.joins > 0 => vec![choice("registered", Input::Registered)],
            Effect::Register(Registrant::Key(_, fingerprint)) => vec![
                choice("registered", Input::Registered),
                choice("running", Input::Running(*fingerprint)),
                choice(
                    "running with another content",
                    Input::Running(Fingerprint(Digest([9; 32]))),
                ),
            ],
            Effect::Register(Registrant::Keyless(..)) => vec![
                choice("registered", Input::Registered),
                choice("repeats", Input::Repeats),
                choice("repeats something", Input::RepeatsSomething),
                choice("undelivered", Input::Undelivered(success())),
            ],
            Effect::Await => {
                let mut out = vec![
                    choice("the other has no answer", Input::Awaited(None)),
                    choice("the other's answer", Input::Awaited(Some(success()))),
                    elapsed("the other takes long"),
                ];
                if self.exchange.can_be_abandoned() {
                    out.push(choice("gone", Input::CallerGone));
                }
                out
            }
            Effect::Answer { .. } => Vec::new(),
            Effect::LookUp(..) => vec![choice("looked up", Input::Found(case.record().map(Box::new)))],
            Effect::Get(_) => vec![
                choice("still in doubt", Input::Found(case.record().map(Box::new))),
                choice("proven meanwhile", Input::Found(case.proven().map(Box::new))),
            ],
            Effect::EnterLanes { near, .. } => {
                let mut out = vec![choice("turn", Input::Turn(case.view()))];
                if *near {
                    out.push(choice("near", Input::Near));
                }
                if self.exchange.can_be_abandoned() {
                    out.push(choice("gone", Input::CallerGone));
                }
                out.push(choice("full", Input::LaneFull));
                out.push(elapsed("no turn"));
                out
            }
            Effect::AwaitTurn => vec![choice("turn", Input::Turn(case.view())), elapsed("no turn")],
            Effect::Claim(_) => match case.record() {
                Some(record) if !case.key => vec![choice("taken", Input::Taken(Box::new(record)))],
                _ => vec![
                    choice("claimed", granted()),
                    choice("claimed for nobody", Input::GrantedToNobody(Fence(self.fences + 1))),
                ],
            },
            Effect::Amend { .. } | Effect::Retake { .. } => vec![choice("claimed anew", granted())],
            Effect::Record { .. } => vec![choice("recorded", Input::Recorded)],
            Effect::HandOff { .. } => vec![
                choice("passed", Input::HandedOff(Ok(()))),
                choice("refused", Input::HandedOff(Err(NotPassed::Refused))),
                choice(
                    "no browser",
                    Input::HandedOff(Err(NotPassed::Unavailable("there is none".into()))),
                ),
                elapsed("nobody came"),
            ],
            Effect::Sleep(until) => vec![Choice {
                label: "slept".into(),
                takes: self.now.until(*until),
                input: Input::Elapsed,
            }],
            Effect::Send(_) => {
                let width = self.width(SENDS.get(self.sends));
                let mut out: Vec<_> = deliveries(case, &self.watch)
                    .into_iter()
                    .take(width)
                    .map(|(label, d)| choice(format!("sent: {label}"), Input::Delivered(d)))
                    .collect();
                if self.sends == 0 {
                    out.push(elapsed("sent: no answer"));
                }
                out
            }
            Effect::Fetch(_) => {
                let width = self.width(READS.get(self.fetches));
                let mut out: Vec<_> = readings(case, &self.watch)
                    .into_iter()
                    .take(width)
                    .map(|(label, d)| choice(format!("read: {label}"), Input::Fetched(d)))
                    .collect();
                if self.fetches == 0 {
                    out.push(elapsed("read: no answer"));
                }
                out
            }
        };
        let ledger = matches!(
            self.effect,
            Effect::LookUp(..)
                | Effect::Get(_)
                | Effect::Claim(_)
                | Effect::Amend { .. }
                | Effect::Retake { .. }
                | Effect::Record { .. }
        );
        if ledger && self.failures == 0 && !self.shallow {
            out.push(choice("the ledger fails", failed()));
        }
        out
    }

    fn width(&self, widths: Option<&usize>) -> usize {
        if self.shallow { 1 } else { widths.copied().unwrap_or(1) }
    }

    /// What follows if this, the `nth` choice, is told.
    fn after(&self, nth: usize, choice: Choice) -> Result<Option<Node>, String> {
        let now = self.now.after(choice.takes);
        let mut exchange = self.exchange.clone();
        let mut watch = self.watch.clone();
        let failures = self.failures + u32::from(matches!(choice.input, Input::LedgerFailed(_)));
        let fences = self.fences + u64::from(matches!(choice.input, Input::Granted(_) | Input::GrantedToNobody(_)));
        watch.told(now, &choice.input);
        let path = Some(Rc::new(Link {
            label: choice.label,
            before: self.path.clone(),
        }));
        let Step { effect, deadline } = exchange.handle(now, choice.input);
        let node = Node {
            exchange,
            watch,
            now,
            sends: self.sends + usize::from(matches!(self.effect, Effect::Send(_))),
            fetches: self.fetches + usize::from(matches!(self.effect, Effect::Fetch(_))),
            joins: self.joins + usize::from(matches!(self.effect, Effect::Await)),
            effect,
            deadline,
            shallow: self.shallow || failures > 0 || nth >= DEEP,
            failures,
            fences,
            path,
        };
        node.checked()
    }

    fn checked(mut self) -> Result<Option<Node>, String> {
        match self.watch.asked(self.now, &self.effect) {
            Err(broken) => Err(format!(
                "{broken}\n  after {}\n  asks for {:?}",
                self.path(),
                self.effect
            )),
            Ok(()) if matches!(self.effect, Effect::Answer { .. }) => Ok(None),
            Ok(()) => Ok(Some(self)),
        }
    }
}

/// Every sequence; returns how many steps were taken.
fn explore(case: &Case) -> Result<usize, String> {
    let mut steps = 0;
    let mut queue = VecDeque::from([Node::first(case)]);
    while let Some(node) = queue.pop_front() {
        for (nth, choice) in node.choices(case).into_iter().enumerate() {
            steps += 1;
            queue.extend(node.after(nth, choice)?);
        }
    }
    Ok(steps)
}

#[test]
fn no_sequence_breaks_a_promise() {
    let mut steps = 0;
    let mut broken = Vec::new();
    for case in all() {
        match explore(&case) {
            Ok(taken) => steps += taken,
            Err(why) => broken.push(format!("{case:?}\n  {why}")),
        }
    }
    println!("{} cases, {steps} steps", all().len());
    assert!(
        broken.is_empty(),
        "{} of {} cases:\n{}",
        broken.len(),
        all().len(),
        broken[..broken.len().min(12)].join("\n")
    );
}

/// Origins that answer in turn with the same two deliveries and the same two readings, for ever.
#[test]
fn no_origin_keeps_an_exchange_for_ever() {
    let mut steps = 0;
    for (n, case) in all().into_iter().enumerate() {
        for turn in 0..8 {
            let (s, r) = ((n + turn) % 9, (n / 3 + turn) % 8);
            let (s2, r2) = ((s + turn / 2) % 9, (r + turn) % 8);
            steps += outlast(&case, [s, s2], [r, r2]).unwrap_or_else(|why| panic!("{case:?}: {why}"));
        }
    }
    println!("{steps} steps");
}

fn outlast(case: &Case, sends: [usize; 2], reads: [usize; 2]) -> Result<usize, String> {
    let mut node = Node::first(case);
    let mut steps = 0;
    loop {
        let (nth, input) = match &node.effect {
            Effect::Send(_) => {
                let nth = sends[node.sends % 2];
                (nth, Input::Delivered(deliveries(case, &node.watch).swap_remove(nth).1))
            }
            Effect::Fetch(_) => {
                let nth = reads[node.fetches % 2];
                (nth, Input::Fetched(readings(case, &node.watch).swap_remove(nth).1))
            }
            _ => {
                let first = node.choices(case).swap_remove(0);
                steps += 1;
                match node.after(0, first)? {
                    Some(next) => node = next,
                    None => return Ok(steps),
                }
                continue;
            }
        };
        steps += 1;
        match node.after(nth, choice(format!("{nth}"), input))? {
            Some(next) => node = next,
            None => return Ok(steps),
        }
    }
}
