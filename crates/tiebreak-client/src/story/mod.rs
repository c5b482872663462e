//! What happened to each write, for people who ask: its story, and the figures of all of them.
//!
//! A [`Watch`] is given to the engine of a gateway; without one nothing is recorded. Stories live in memory only, the most
//! recent ones, bounded by count and bytes; the ledger keeps the record.
//!
//! | file | what |
//! |---|---|
//! | `event` | what can happen to a write |
//! | `recorder` | turns effects and inputs into events |
//! | `shelf` | the most recent stories |
//! | `conceal` | what is never shown |

mod conceal;
mod event;
mod recorder;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use tiebreak_core::caller::CallerId;
use tiebreak_core::exchange::Answer;
use tiebreak_core::record::WriteId;
use tiebreak_core::time::Time;

pub use conceal::{CONCEALED, Conceal};
pub use event::{Event, Judged, Told};
pub(crate) use recorder::Recorder;
use shelf::Shelf;

use crate::figures::Figures;
use crate::transport::http::ForwardError;

/// Bounds of what is remembered.
#[derive(Debug, Clone)]
pub struct StoryLimits {
    /// At most so many stories of writes that have ended.
    pub count: usize,
    /// At most so many bytes of them, about.
    pub bytes: usize,
    /// At most so many events of one write; later ones are counted, not kept.
    pub events: usize,
    /// What is never shown.
    pub conceal: Conceal,
}

impl Default for StoryLimits {
    fn default() -> StoryLimits {
        StoryLimits {
            count: 20_000,
            bytes: 32 << 20,
            events: 200,
            conceal: Conceal::default(),
        }
    }
}

/// A write as its story names it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The id of the exchange. Once a doubt is taken up, [`Story::told`] names the write that it is about.
    pub id: WriteId,
    /// The method.
    pub method: String,
    /// The target URI, with concealed query values.
    pub target: String,
    /// Whether the caller presented a credential.
    pub anonymous: bool,
    /// Whether it has an idempotency key.
    pub keyed: bool,
    /// The lanes that it queues in.
    pub lanes: Vec<String>,
    /// Bytes of content.
    pub bytes: usize,
    /// When it came.
    pub at: Time,
}

/// What happened to a write, so far.
#[derive(Debug, Clone)]
pub struct Story {
    /// Which write.
    pub subject: Subject,
    /// What happened, each with the milliseconds since it came.
    pub events: Vec<(u32, Event)>,
    /// Events that were not kept.
    pub dropped: u32,
    /// The id under which the ledger and the answer name it, where that is another than the subject's.
    pub told: Option<WriteId>,
    /// Whether it has ended.
    pub ended: bool,
}

/// Watches writes: their stories, and figures.
#[derive(Debug)]
pub struct Watch {
    limits: StoryLimits,
    shelf: Shelf,
    figures: Figures,
}

impl Watch {
    /// Watches within these bounds.
    #[must_use]
    pub fn new(limits: StoryLimits) -> Arc<Watch> {
        Arc::new(Watch {
            shelf: Shelf::new(limits.count, limits.bytes),
            limits,
            figures: Figures::default(),
        })
    }

    /// The story of the write with this id, if it is still remembered.
    #[must_use]
    pub fn story(&self, id: WriteId) -> Option<Story> {
        self.shelf.find(id)
    }

    /// The stories of the writes that came last, the newest first, and whether they have ended or not.
    #[must_use]
    pub fn recent(&self, limit: usize) -> Vec<Story> {
        self.shelf.recent(limit)
    }

    /// The stories that are `wanted`, at most `limit`, those with the highest ids, hence the newest, first.
    #[must_use]
    pub fn matching(&self, limit: usize, wanted: impl Fn(&Story) -> bool) -> Vec<Story> {
        self.shelf.matching(limit, wanted)
    }

    /// How many writes are on their way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shelf.running()
    }

    /// What is never shown.
    #[must_use]
    pub fn conceal(&self) -> &Conceal {
        &self.limits.conceal
    }

    /// Counts of all writes, and the last hour by the second.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(crate) fn begin(self: &Arc<Self>, write: &tiebreak_core::request::WriteRequest, begun: Begun<'_>) -> Recorder {
        let subject = Subject {
            id: begun.id,
            method: write.method.as_str().to_owned(),
            target: self.limits.conceal.target(write.target.as_str()),
            anonymous: begun.caller.is_anonymous(),
            keyed: begun.keyed,
            lanes: begun.lanes.iter().map(|l| self.limits.conceal.target(&l.0)).collect(),
            bytes: write.content.len(),
            at: begun.at,
        };
        Recorder::new(Arc::clone(self), self.shelf.open(subject))
    }

    /// A door has refused a request before there was an exchange, with this answer: that is all of its story.
    pub fn refused(self: &Arc<Self>, request: &AtDoor<'_>, answer: &Answer) {
        self.open(request).answered(request.at, answer);
    }

    /// A door streams a write on without an exchange.
    #[must_use]
    pub fn passing(self: &Arc<Self>, request: &AtDoor<'_>) -> Passing {
        let recorder = self.open(request);
        recorder.passed();
        Passing(recorder)
    }

    fn open(self: &Arc<Self>, request: &AtDoor<'_>) -> Recorder {
        let subject = Subject {
            id: request.id,
            method: request.method.to_owned(),
            target: self.limits.conceal.target(request.target),
            anonymous: request.anonymous,
            keyed: request.keyed,
            lanes: Vec::new(),
            bytes: request.bytes,
            at: request.at,
        };
        Recorder::new(Arc::clone(self), self.shelf.open(subject))
    }

    fn end(&self, answer: &Answer, at: Time, took: Duration) {
        self.figures.count(answer, at, took);
    }
}

/// What a door knows of a request for which it begins no exchange.
#[derive(Debug)]
pub struct AtDoor<'a> {
    /// The id under which its answer names it.
    pub id: WriteId,
    /// The method.
    pub method: &'a str,
    /// The target URI, as far as it is known.
    pub target: &'a str,
    /// Whether the caller presented no credential.
    pub anonymous: bool,
    /// Whether it brought an idempotency key.
    pub keyed: bool,
    /// Bytes of content, as far as they are known.
    pub bytes: usize,
    /// When it came.
    pub at: Time,
}

/// The story of a write that a door streams on.
#[derive(Debug)]
pub struct Passing(Recorder);

impl Passing {
    /// What came of it (status and entity tag, if the origin answered), and what its client is told.
    pub fn ended(self, came: &Result<(u16, Option<Box<str>>), ForwardError>, answer: &Answer, at: Time) {
        self.0.came_back(came);
        self.0.answered(at, answer);
    }
}

/// What an engine knows when a write comes.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    pub(crate) id: WriteId,
    pub(crate) caller: CallerId,
    pub(crate) keyed: bool,
    pub(crate) lanes: &'a [tiebreak_core::lane::LaneId],
    pub(crate) at: Time,
}
