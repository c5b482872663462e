//! The search for an order of calls agrees with an independent one (stateright's), on sound and on broken histories.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use tiebreak_sim::linear::{Call, Document, Op, Saw, explain, history};
use tiebreak_sim::run;
use tiebreak_sim::sabotage::Sabotage;
use tiebreak_sim::scenario::{Scenario, named};
use tiebreak_sim::writer::{MEMBERS, SHARED};

/// The other search remembers nothing, so that its time grows with all orders there are.
const CALLS: usize = 11;

#[derive(Clone)]
struct Spec(Document);

impl SequentialSpec for Spec {
    type Op = Op;
    type Ret = Saw;

    fn invoke(&mut self, op: &Op) -> Saw {
        self.0.perform(op)
    }

    fn is_valid_step(&mut self, op: &Op, saw: &Saw) -> bool {
        self.0.admits(op, saw)
    }
}

/// What stateright says.
fn independent(document: &Document, calls: &[Call]) -> bool {
    // Callers are told apart by number: a call goes to the first that is free, one without an end to nobody else.
    let mut moments: Vec<(usize, bool, usize)> = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        moments.push((call.begin, false, at));
        moments.extend(call.end.as_ref().map(|(end, _)| (*end, true, at)));
    }
    moments.sort_unstable();
    let mut tester = LinearizabilityTester::new(Spec(document.clone()));
    let (mut free, mut callers, mut caller_of) = (Vec::new(), 0, vec![0; calls.len()]);
    for (_, ends, at) in moments {
        match &calls[at].end {
            Some((_, saw)) if ends => {
                free.push(caller_of[at]);
                tester.on_return(caller_of[at], saw.clone()).expect("it was asked");
            }
            _ => {
                caller_of[at] = free.pop().unwrap_or_else(|| {
                    callers += 1;
                    callers
                });
                let asked = tester.on_invoke(caller_of[at], calls[at].op.clone());
                asked.expect("its caller is free");
            }
        }
    }
    tester.is_consistent()
}

/// The calls that begin first, as they were known when the last of them began.
fn beginning(mut calls: Vec<Call>) -> Vec<Call> {
    calls.sort_by_key(|call| call.begin);
    calls.truncate(CALLS);
    let last = calls.last().map_or(0, |call| call.begin);
    for call in &mut calls {
        call.end = call.end.take().filter(|(end, _)| *end <= last);
    }
    calls
}

/// One answer of the history is another.
fn break_one(calls: &mut [Call], random: &mut fastrand::Rng) {
    let at = random.usize(0..calls.len());
    if let Some((_, saw)) = &mut calls[at].end {
        *saw = match saw {
            Saw::Applied => Saw::Refused,
            Saw::Refused => Saw::Applied,
            Saw::Document(seen) => {
                let mut other = seen.clone();
                other.0[random.usize(0..MEMBERS.len())] = random.u32(0..4);
                Saw::Document(other)
            }
        };
    }
}

#[test]
fn both_say_the_same() {
    let (mut sound, mut broken) = (0, 0);
    for (name, sabotage) in [
        ("fleet", Sabotage::None),
        ("fleet-tagless", Sabotage::None),
        ("fleet-tagless", Sabotage::LanesUnheld),
        ("rough", Sabotage::InventSuccess),
    ] {
        let scenario = Scenario {
            sabotage,
            ..named(name).expect("a scenario of this name")
        };
        for seed in 0..12 {
            let run = run(&scenario, seed);
            let mut random = fastrand::Rng::with_seed(seed);
            for path in SHARED {
                let (document, calls) = history(&run, path);
                let mut calls = beginning(calls);
                for _ in 0..8 {
                    let own = explain(document.clone(), &calls).is_ok();
                    let other = independent(&document, &calls);
                    assert_eq!(own, other, "{name} {sabotage:?} seed {seed}, {path}: {calls:#?}");
                    *if own { &mut sound } else { &mut broken } += 1;
                    break_one(&mut calls, &mut random);
                }
            }
        }
    }
    println!("{sound} sound, {broken} broken");
    assert!(sound > 60 && broken > 60, "{sound} sound, {broken} broken");
}

fn call(op: Op, begin: usize, end: Option<(usize, Saw)>) -> Call {
    Call { op, begin, end }
}

fn edit(from: u32, to: u32) -> Op {
    Op::Edit { member: 0, from, to }
}

fn reads(value: u32) -> Saw {
    Saw::Document(Document(vec![value]))
}

/// What textbooks say of small histories.
#[test]
fn small_histories_are_told_apart() {
    let never = |op, begin| call(op, begin, None);
    let cases = [
        (
            "read what was written",
            true,
            vec![
                call(edit(0, 1), 0, Some((1, Saw::Applied))),
                call(Op::Read, 2, Some((3, reads(1)))),
            ],
        ),
        (
            "read what is over",
            false,
            vec![
                call(edit(0, 1), 0, Some((1, Saw::Applied))),
                call(Op::Read, 2, Some((3, reads(0)))),
            ],
        ),
        (
            "an unanswered write takes effect late",
            true,
            vec![
                never(edit(0, 1), 0),
                call(Op::Read, 2, Some((3, reads(0)))),
                call(Op::Read, 4, Some((5, reads(1)))),
            ],
        ),
        (
            "but not before it began",
            false,
            vec![call(Op::Read, 0, Some((1, reads(1)))), never(edit(0, 1), 2)],
        ),
        (
            "nor twice",
            false,
            vec![
                never(edit(0, 1), 0),
                call(Op::Read, 1, Some((2, reads(1)))),
                call(edit(1, 2), 3, Some((4, Saw::Applied))),
                call(Op::Read, 5, Some((6, reads(1)))),
            ],
        ),
        (
            "a lost update",
            false,
            vec![
                call(edit(0, 1), 0, Some((3, Saw::Applied))),
                call(edit(0, 2), 1, Some((4, Saw::Applied))),
            ],
        ),
        (
            "a refused write changes nothing",
            false,
            vec![
                call(edit(0, 1), 0, Some((1, Saw::Refused))),
                call(Op::Read, 2, Some((3, reads(1)))),
            ],
        ),
    ];
    for (what, holds, calls) in cases {
        let document = Document(vec![0]);
        assert_eq!(explain(document.clone(), &calls).is_ok(), holds, "{what}");
        assert_eq!(independent(&document, &calls), holds, "{what}, says the other");
    }
}
