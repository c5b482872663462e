//! What callers saw of one document, from the events of a run.

use std::collections::BTreeMap;

use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;

use super::document::{Document, Op, Saw};
use crate::Run;
use crate::origin::Fields;
use crate::scenario::Work;
use crate::trace::{Answered, Event, Number};
use crate::writer::{FIRST, MEMBERS};

/// One call. Moments are numbers that grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked for.
    pub op: Op,
    /// When it began.
    pub begin: usize,
    /// When it ended, and what its caller saw; `None`: its caller never learned what became of it.
    pub end: Option<(usize, Saw)>,
}

/// What is known of a write.
#[derive(Default)]
struct Told {
    begin: usize,
    asked: u32,
    /// The answers to all that was asked.
    answers: Vec<(usize, Answered)>,
}

/// The calls on the document at `path`, and what it was in the beginning.
#[must_use]
pub fn history(run: &Run, path: &str) -> (Document, Vec<Call>) {
    let mut calls = Vec::new();
    let mut told: BTreeMap<Number, Told> = BTreeMap::new();
    for (at, (_, event)) in run.events.iter().enumerate() {
        match event {
            Event::Looked(seen, fields) if seen == path => calls.push(Call {
                op: Op::Read,
                begin: at,
                end: Some((at, Saw::Document(document(fields)))),
            }),
            Event::Submitted(write) => {
                let told = told.entry(*write).or_default();
                if told.asked == 0 {
                    told.begin = at;
                }
                told.asked += 1;
            }
            Event::Answered(answer) => {
                let told = told.entry(answer.write).or_default();
                told.answers.push((at, answer.clone()));
            }
            _ => {}
        }
    }
    for (write, told) in told {
        if let Some(op) = op(run, write, path) {
            calls.push(Call {
                op,
                begin: told.begin,
                end: told.end(),
            });
        }
    }
    (Document(vec![0; MEMBERS.len()]), calls)
}

impl Told {
    /// When it was known for sure what became of it.
    fn end(&self) -> Option<(usize, Saw)> {
        let first = |wanted: Outcome| self.answers.iter().find(|(_, a)| a.outcome == wanted);
        if let Some((at, _)) = first(Outcome::Applied).or_else(|| first(Outcome::Adopted)) {
            return Some((*at, Saw::Applied));
        }
        if let Some((at, _)) = first(Outcome::Refused) {
            return Some((*at, Saw::Refused));
        }
        // What is said of a repeat is said of the repeat: it was not sent.
        match &self.answers[..] {
            [(at, only)] if self.asked == 1 && only.outcome == Outcome::NotSent => {
                (only.problem != Some(Kind::InProgress)).then_some((*at, Saw::Refused))
            }
            _ => None,
        }
    }
}

fn op(run: &Run, write: Number, path: &str) -> Option<Op> {
    let write = run.writes.get(write).filter(|w| w.path == path)?;
    let ((member, value), base) = (write.edit.as_ref()?, write.base.as_ref()?);
    let (read, to) = (document(base), number(value));
    let member = MEMBERS.iter().position(|m| m == member)?;
    Some(match write.work {
        Work::EditNamed => Op::EditVersion { read, member, to },
        _ => Op::Edit {
            from: read.0[member],
            member,
            to,
        },
    })
}

fn document(fields: &Fields) -> Document {
    let value = |member: &&str| fields.get(*member).map_or(u32::MAX, |value| number(value));
    Document(MEMBERS.iter().map(value).collect())
}

/// The number of a value: that of the write that wrote it.
fn number(value: &str) -> u32 {
    match value.strip_prefix('w').and_then(|n| n.parse::<u32>().ok()) {
        Some(write) => write + 1,
        None if value == FIRST => 0,
        None => u32::MAX,
    }
}
