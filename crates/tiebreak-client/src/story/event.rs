//! What can happen to a write.

use serde_json::Value;
use tiebreak_core::delivery::{NotSent, Unknown};
use tiebreak_core::exchange::MergedFields;
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;
use tiebreak_core::record::WriteId;
use tiebreak_core::remedy::Remedy;
use tiebreak_core::verdict::{Class, Confidence, Evidence};

/// One thing that happened. Small, since each write has several: what is seldom or large is boxed.
#[derive(Debug, Clone)]
pub enum Event {
    /// Another exchange with the same key, or which this one repeats, is running; this one waits for its outcome.
    Joined,
    /// The ledger knows the write: under this id, in this state (`claimed`, `settled`, `in-doubt`).
    Known(Box<(WriteId, &'static str)>),
    /// It stands in its lanes.
    Queued,
    /// Its lanes are full.
    LaneFull,
    /// It is at the front of its lanes; with the version that the write before left there.
    Turn(Option<Box<str>>),
    /// Its claim is durable: fence, and what guards the attempt.
    Claimed {
        /// Which attempt may be made.
        attempt: u32,
        /// The fence.
        fence: u64,
        /// The validator held.
        held: Option<Box<str>>,
    },
    /// The caller's change was merged into the current version.
    Merged(Box<MergedFields>),
    /// It was sent.
    Sent {
        /// Which attempt.
        attempt: u32,
        /// The precondition it carries: `If-Match "v7"`.
        guard: Option<Box<str>>,
        /// Bytes of content.
        bytes: u32,
    },
    /// The origin answered.
    Answered {
        /// The status.
        status: u16,
        /// The entity tag.
        etag: Option<Box<str>>,
        /// Bytes of content.
        bytes: u32,
    },
    /// Its content is over the bound: it was streamed on, and nothing of it is recorded.
    Passed,
    /// It never reached the origin.
    NotSent(NotSent),
    /// Nobody knows what became of the attempt.
    Lost(Unknown),
    /// What the answer means.
    Judged(Box<Judged>),
    /// The target, or what the answer named, is read.
    Fetching,
    /// It was read.
    Fetched {
        /// The status.
        status: u16,
        /// The entity tag.
        etag: Option<Box<str>>,
        /// Bytes of content.
        bytes: u32,
    },
    /// It could not be read: why.
    Unreadable(Box<str>),
    /// A bot check is handed to a person at a real browser: who asks for what, and where.
    HandingOff(Box<(String, String)>),
    /// What came of that; `Some`: why the check was not passed.
    HandedOff(Option<Box<str>>),
    /// It waits so many milliseconds before it goes on.
    Waiting(u32),
    /// The edits overlap: an array of `{pointer, base, ours, theirs}`.
    Overlap(Box<Value>),
    /// It is durable that the write came to this.
    Settled(Outcome),
    /// It is durable that the write is in doubt.
    Doubted,
    /// Its key is free again.
    Released,
    /// The earlier doubt about it was proven: it came to this.
    Resolved(Outcome),
    /// The ledger could not do it: why.
    LedgerFailed(Box<str>),
    /// Its deadline passed.
    Elapsed,
    /// Its client has gone.
    CallerGone,
    /// The caller was answered.
    Told(Box<Told>),
}

/// What an answer means.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The class.
    pub class: Class,
    /// What is advised.
    pub remedy: Remedy,
    /// Who says so.
    pub dialect: Option<String>,
    /// How sure that is.
    pub confidence: Confidence,
    /// The strongest signals.
    pub evidence: Vec<Evidence>,
}

/// What the caller was answered.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// What became of the write.
    pub outcome: Outcome,
    /// The class of its conflict.
    pub class: Option<Class>,
    /// How strong the promise was.
    pub guarantee: Guarantee,
    /// How often it was sent.
    pub attempts: u32,
    /// Whether it is the replay of an earlier answer.
    pub replayed: bool,
    /// Whether it was merged.
    pub rebased: bool,
    /// Whether no base guarded it.
    pub unguarded: bool,
    /// Whether it was streamed past all that protects writes.
    pub unprotected: bool,
    /// Our own problem, where the answer is not the origin's.
    pub problem: Option<Kind>,
    /// That problem's words.
    pub detail: Option<String>,
}

impl Event {
    /// About how many bytes it holds besides itself.
    pub(super) fn weight(&self) -> usize {
        match self {
            Event::Turn(text) | Event::Claimed { held: text, .. } | Event::Sent { guard: text, .. } => {
                text.as_ref().map_or(0, |t| t.len())
            }
            Event::Answered { etag, .. } | Event::Fetched { etag, .. } => etag.as_ref().map_or(0, |t| t.len()),
            Event::Unreadable(text) | Event::LedgerFailed(text) => text.len(),
            Event::HandingOff(ask) => ask.0.len() + ask.1.len() + 48,
            Event::HandedOff(why) => why.as_ref().map_or(0, |why| why.len()),
            Event::Merged(fields) => fields.ours.iter().chain(&fields.theirs).map(|p| p.len() + 24).sum(),
            Event::Judged(judged) => {
                let evidence = judged.evidence.iter();
                100 + evidence.map(|e| e.excerpt.len() + e.signal.len() + 72).sum::<usize>()
            }
            Event::Overlap(value) => value.to_string().len() * 2,
            Event::Told(told) => 100 + told.detail.as_ref().map_or(0, String::len),
            Event::Joined
            | Event::Known(_)
            | Event::Queued
            | Event::LaneFull
            | Event::Passed
            | Event::NotSent(_)
            | Event::Lost(_)
            | Event::Fetching
            | Event::Waiting(_)
            | Event::Settled(_)
            | Event::Doubted
            | Event::Released
            | Event::Resolved(_)
            | Event::Elapsed
            | Event::CallerGone => 0,
        }
    }
}
