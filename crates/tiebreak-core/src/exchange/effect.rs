//! What an exchange asks of its driver, and what it is told back.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::caller::CallerId;
use crate::delivery::Delivery;
use crate::exchange::answer::Answer;
use crate::exchange::hand_off::{HandOff, NotPassed, Via};
use crate::fingerprint::Fingerprint;
use crate::key::KeyDigest;
use crate::lane::LaneId;
use crate::merge::Representation;
use crate::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use crate::repeat::{Likeness, Repeat};
use crate::request::Target;
use crate::response::Response;
use crate::time::Time;
use crate::validator::EntityTag;

/// One effect and the time by which its input is due; after that the driver says [`Input::Elapsed`].
#[derive(Debug)]
pub struct Step {
    /// What to do.
    pub effect: Effect,
    /// Until when; `None`: as long as it takes.
    pub deadline: Option<Time>,
}

/// What the driver is to do. Each effect yields exactly one [`Input`].
#[derive(Debug)]
pub enum Effect {
    /// Register among the exchanges of this process → `Registered`, `Running`, `Repeats`, `RepeatsSomething` or `Undelivered`.
    Register(Registrant),
    /// Wait for the exchange that runs with this key, or that this one repeats → `Awaited`.
    Await,
    /// Look the key up in the ledger → `Found` or `LedgerFailed`.
    LookUp(Sought),
    /// Read a record again → `Found` or `LedgerFailed`.
    Get(WriteId),
    /// Queue in these lanes → `Near` (only if asked for), `Turn` or `LaneFull`.
    EnterLanes {
        /// The lanes, sorted.
        lanes: Vec<LaneId>,
        /// Whether `Near` is wanted.
        near: bool,
    },
    /// Wait for the turn in the lanes that were entered → `Turn`.
    AwaitTurn,
    /// Claim the write, durably → `Granted`, `Taken` or `LedgerFailed`.
    Claim(Box<Claim>),
    /// Claim the next attempt, durably → `Granted` or `LedgerFailed`.
    Amend {
        /// The write.
        id: WriteId,
        /// Its fence.
        fence: Fence,
        /// The number of the attempt that follows.
        attempt: u32,
        /// The validator that will guard it.
        held: Option<String>,
    },
    /// Take a doubt up again, durably → `Granted` or `LedgerFailed`.
    Retake {
        /// The write.
        id: WriteId,
        /// The number of the attempt that follows.
        attempt: u32,
        /// The validator that will guard it.
        held: Option<String>,
    },
    /// Read the target as the caller → `Fetched`.
    Fetch(Box<Outgoing>),
    /// Send the write → `Delivered`.
    Send(Box<Outgoing>),
    /// Leave the lanes at once, then have a person pass a check in a real browser → `HandedOff`.
    HandOff {
        /// Which check.
        ask: Box<HandOff>,
        /// What the next write in the lane may know.
        exit: LaneExit,
    },
    /// Do nothing until then → `Elapsed`.
    Sleep(Time),
    /// Leave the lanes at once, then make this durable → `Recorded` or `LedgerFailed`.
    Record {
        /// What to record.
        entry: Box<Entry>,
        /// What the next write in the lane may know.
        exit: Option<LaneExit>,
    },
    /// Give the answer; the exchange has ended.
    Answer {
        /// The answer.
        answer: Box<Answer>,
        /// What the next write in the lane may know, unless the lanes were left already.
        exit: Option<LaneExit>,
    },
}

/// As what an exchange registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registrant {
    /// As the one that runs with this key.
    Key(KeyDigest, Fingerprint),
    /// Without a key: as a write of its own, unless it repeats one that runs ([`crate::repeat::choose`]).
    Keyless(Likeness, Repeat),
}

/// What is recorded at the end.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The write came to this.
    Settle(WriteId, Fence, Settlement),
    /// Nobody can tell.
    Doubt(WriteId, Fence, Doubt),
    /// It was not applied, and its key is free again.
    Release(WriteId, Fence),
    /// An earlier doubt was proven.
    Resolve(WriteId, Settlement, String),
}

/// A request to the origin.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The target URI.
    pub target: Target,
    /// The header fields, with attached preconditions.
    pub headers: HeaderMap,
    /// The content.
    pub content: Bytes,
    /// By which way it goes.
    pub via: Via,
}

/// What the driver tells.
#[derive(Debug)]
pub enum Input {
    /// Begin.
    Begin,
    /// The key is ours, or it is a write of its own.
    Registered,
    /// Another exchange of this process has the key, with this fingerprint.
    Running(Fingerprint),
    /// It repeats another exchange of this process, which nobody else waits for.
    Repeats,
    /// It repeats one of several, and it cannot be told which.
    RepeatsSomething,
    /// It repeats one that has succeeded and whose client went away before its answer, which is this, came.
    Undelivered(Box<Answer>),
    /// The other exchange ended; `None`: without an answer.
    Awaited(Option<Box<Answer>>),
    /// What the ledger knows.
    Found(Option<Box<Record>>),
    /// The lanes are full.
    LaneFull,
    /// Near the front of all lanes.
    Near,
    /// At the front of all lanes.
    Turn(LaneView),
    /// The claim is durable.
    Granted(Fence),
    /// It is claimed under this fence, and its client had gone before: another gateway may have had its repeat in the meantime,
    /// so nothing is sent. Said after [`Effect::Claim`] alone, where the ledger is shared.
    GrantedToNobody(Fence),
    /// Somebody has the key already, or there is a doubt.
    Taken(Box<Record>),
    /// The ledger could not do it.
    LedgerFailed(LedgerFailure),
    /// What the read brought.
    Fetched(Delivery),
    /// What is known of the attempt.
    Delivered(Delivery),
    /// What came of the check; if it was passed, the page is at hand.
    HandedOff(Result<(), NotPassed>),
    /// It is recorded.
    Recorded,
    /// The deadline has passed.
    Elapsed,
    /// The client has gone. Ends a write that has no key and was not sent, and one that waits for another; otherwise never said.
    CallerGone,
}

/// Why the ledger could not do it, as far as the exchange needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerFailure {
    /// In words that complete "failed to …".
    pub why: String,
}

/// What a lane knows when a write's turn comes.
#[derive(Debug, Clone, Default)]
pub struct LaneView {
    /// What its last write produced.
    pub carried: Option<Carried>,
    /// Writes that ended in doubt while this one, claimed already, stood behind them.
    pub doubts: Vec<DoubtMark>,
}

/// A write that ended in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubtMark {
    /// Who wrote.
    pub caller: CallerId,
    /// What.
    pub fingerprint: Fingerprint,
    /// Its id.
    pub id: WriteId,
}

/// Version and representation that the last write in a lane produced: only from an answer that held both.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Who wrote, and thereby read, it.
    pub caller: CallerId,
    /// Which variant was negotiated: see [`Variant::selecting`](crate::variant::Variant::selecting).
    pub variant: Vec<String>,
    /// Its entity tag, if it has one; where the origin keeps versions in the content, that version.
    pub etag: Option<EntityTag>,
    /// The representation.
    pub representation: Representation,
}

impl Carried {
    /// The tag by which a precondition can name this version.
    #[must_use]
    pub fn strong_tag(&self) -> Option<&EntityTag> {
        self.etag.as_ref().filter(|t| !t.is_weak())
    }
}

/// What a write leaves behind in its lanes.
#[derive(Debug, Clone, Default)]
pub struct LaneExit {
    /// What the next write may know.
    pub carried: Option<Carried>,
    /// An unguarded request may still arrive until then.
    pub suspect_until: Option<Time>,
    /// That this write ended in doubt.
    pub doubt: Option<DoubtMark>,
}

/// Shorthand: a fetched answer that is a whole response.
pub(super) fn response(delivery: Delivery) -> Option<Response> {
    match delivery {
        Delivery::Answered(response) | Delivery::Declined(response) if response.complete => Some(response),
        Delivery::Answered(_) | Delivery::Declined(_) | Delivery::NotSent(_) | Delivery::Unknown(_) => None,
    }
}
