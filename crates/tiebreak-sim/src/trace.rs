//! What happened, in order.

use std::sync::{Arc, Mutex, PoisonError};

use tiebreak_client::clock::Clock;
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;
use tiebreak_core::record::{Fence, WriteId};
use tiebreak_core::time::Time;

use crate::origin::Fields;

/// The number of a write: what one caller wants once, however often it asks for it.
pub type Number = usize;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A caller asks for a write, or repeats it.
    Submitted(Number),
    /// A claim, or a claim anew, of the process on this machine is durable.
    Claimed(Number, WriteId, Fence, usize),
    /// A settlement is durable; without a fence: of a doubt.
    Settled(Number, WriteId, Option<Fence>, Outcome),
    /// A doubt is durable.
    Doubted(Number, WriteId),
    /// A claim was given back, durably.
    Released(Number, WriteId),
    /// An operation of the ledger failed.
    LedgerFailed(String),
    /// The ledger cannot be used any more.
    LedgerDown,
    /// The ledger can be used again.
    LedgerUp,
    /// An attempt is on the wire.
    Sent(Sent),
    /// The origin performed a write.
    Applied(Applied),
    /// The sender learned what became of an attempt.
    Delivered(Number, u64, Learned),
    /// A caller got an answer.
    Answered(Answered),
    /// Somebody else got an answer to this write under its key.
    Overheard(Answered),
    /// A caller was shown this document at this path.
    Looked(String, Fields),
    /// The process on this machine was killed.
    Crashed(usize),
    /// It was stopped,
    Stopped(usize),
    /// and goes on.
    Continued(usize),
}

/// An attempt on the wire.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Which write.
    pub write: Number,
    /// From which machine.
    pub host: usize,
    /// The number of the request.
    pub serial: u64,
    /// Whether it is a DELETE.
    pub removes: bool,
    /// Its `If-Match`.
    pub if_match: Option<String>,
    /// Whether it has `If-None-Match: *`.
    pub creates: bool,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    /// Its content.
    pub content: String,
}

/// A write that the origin performed.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Which write; `None`: of somebody who writes around Tiebreak.
    pub write: Option<Number>,
    /// The target's path.
    pub path: String,
    /// What was there.
    pub before: Option<Fields>,
    /// What is there now.
    pub after: Option<Fields>,
}

/// What became of an attempt, as its sender sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It never left.
    NotSent,
    /// Nothing is known.
    Unknown,
    /// This status was answered.
    Status(u16),
    /// A conflict was answered that the judge does not understand.
    Unclear(u16),
}

/// What a caller was told.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Which write.
    pub write: Number,
    /// The outcome.
    pub outcome: Outcome,
    /// The status.
    pub status: u16,
    /// The kind of our own problem.
    pub problem: Option<Kind>,
    /// The guarantee.
    pub guarantee: Guarantee,
    /// How often it was sent.
    pub attempts: u32,
    /// Whether it was said to be unguarded.
    pub unguarded: bool,
    /// Whether it was merged.
    pub rebased: bool,
    /// Whether it is a replay.
    pub replayed: bool,
    /// The content.
    pub content: String,
}

/// The record of a run. Clones share it.
#[derive(Debug, Clone)]
pub struct Trace {
    clock: Clock,
    events: Arc<Mutex<Vec<(Time, Event)>>>,
}

impl Trace {
    /// An empty record.
    #[must_use]
    pub fn new(clock: Clock) -> Trace {
        Trace {
            clock,
            events: Arc::default(),
        }
    }

    /// It happened now.
    pub fn note(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((self.clock.now(), event));
    }

    /// Whether this settlement was noted already.
    #[must_use]
    pub fn holds(&self, settled: &Event) -> bool {
        let Event::Settled(_, id, ..) = settled else {
            return false;
        };
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |event: &Event| matches!(event, Event::Settled(_, other, ..) if other == id);
        events.iter().any(|(_, event)| same(event))
    }

    /// All that happened.
    #[must_use]
    pub fn events(&self) -> Vec<(Time, Event)> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The digest of a trace: equal for equal runs.
#[must_use]
pub fn digest(events: &[(Time, Event)]) -> Digest {
    Digest::of(&[format!("{events:?}").as_bytes()])
}
