//! One write on its way, from request to answer: a state machine without I/O.
//!
//! The driver feeds [`Exchange::handle`] with one [`Input`] at a time and performs the one [`Effect`] that
//! comes back. The files of this module are the stations, in the order in which a write passes them:
//!
//! | file | station |
//! |---|---|
//! | `begin` | key, ledger look-up, repeats that join or replay |
//! | `queue` | lanes and claim |
//! | `plan` | which precondition guards the attempt, and what it is merged from |
//! | `compare` | the client's own precondition, where only we know the tag |
//! | `create` | looked for by its natural key, before it is sent and when its answer is lost |
//! | `strength` | the guarantee that is stated of it |
//! | `deliver` | what the answer means and what is done about it |
//! | `rebase` | fetch, merge, send again under the new version |
//! | `hand_off` | a bot check is passed by a person, and the write sent from the page |
//! | `follow` | what was accepted (202) is followed to its end, where the route says so |
//! | `prove` | nobody answered: did it land? |
//! | `remove` | a removal that got no answer, and whose target still stands |
//! | `finish` | record, then answer |
//! | `versions` | where the origin keeps its versions: in entity tags, or in the content |
//! | `tell` | what a recorder of its story may know |

mod answer;
mod backoff;
mod begin;
mod compare;
mod create;
mod deliver;
mod effect;
mod finish;
mod follow;
mod hand_off;
mod plan;
mod prove;
mod queue;
mod rebase;
mod remove;
mod reply;
mod strength;
mod tell;
mod versions;

use std::sync::Arc;
use std::time::Duration;

pub use answer::Answer;
pub use deliver::strip_preference;
pub use effect::{
    Carried, DoubtMark, Effect, Entry, Input, LaneExit, LaneView, LedgerFailure, Outgoing, Registrant, Step,
};
pub use hand_off::{HandOff, NotPassed, Via};
pub use tell::MergedFields;

use crate::base::{BaseDecision, Candidates};
use crate::body_version::Stated;
use crate::caller::CallerId;
use crate::delivery::{Delivery, Unknown};
use crate::fingerprint::Fingerprint;
use crate::judge::{Earlier, Judge};
use crate::key::{KeyDigest, KeyTrace};
use crate::lane::LaneId;
use crate::merge::{Edit, Representation};
use crate::natural_key::Sought;
use crate::policy::Policy;
use crate::precondition::Preconditions;
use crate::record::{Fence, Record, WriteId};
use crate::repeat::Likeness;
use crate::request::WriteRequest;
use crate::response::Response;
use crate::time::Time;
use crate::variant::Variant;
use crate::verdict::Verdict;

use backoff::Jitter;
use compare::Compared;
use follow::Operation;
use hand_off::Met;
use plan::Plan;

/// What a door knows of a write besides the request itself.
#[derive(Debug, Clone)]
pub struct Context {
    /// The write's id.
    pub id: WriteId,
    /// Who writes.
    pub caller: CallerId,
    /// Its key, where it has one.
    pub key: Option<KeyDigest>,
    /// The trace of the key that its client sent.
    pub trace: Option<KeyTrace>,
    /// How long the key is remembered where it was derived from the content; `None`: it was not.
    pub derived: Option<Duration>,
    /// What a repeat of it would have in common with it; `None`: nothing that would tell it from a stranger's.
    pub likeness: Option<Likeness>,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its lanes, sorted.
    pub lanes: Vec<LaneId>,
    /// What the route allows and demands.
    pub policy: Arc<Policy>,
    /// The connection that it came over; `None` where a connection is no evidence.
    pub connection: Option<u64>,
    /// The versions that were served to this caller for this target, before it wrote.
    pub candidates: Candidates,
    /// Whether the write says itself which version it was made from, by a mark: `candidates` is that one, or empty if it is not known.
    pub marked: bool,
    /// The document that the edit was made from, where the caller says so itself.
    pub base: Option<Representation>,
    /// Whether to read the target before writing (bulk jobs).
    pub check_first: bool,
    /// Whether other gateways write to the same ledger: what they have claimed is waited for.
    pub shared: bool,
    /// Seed of the jitter.
    pub seed: u64,
}

/// One write on its way through Tiebreak.
#[derive(Debug, Clone)]
pub struct Exchange {
    write: Arc<WriteRequest>,
    /// What the caller asks for, read once.
    edit: Arc<Edit>,
    context: Context,
    /// What the route said before anything was learned of its documents: by this the door makes the tags that clients have.
    said: Arc<Policy>,
    /// Whose base it has, where that was plain before its turn.
    decided: Option<BaseDecision>,
    /// The variant of its base: what is read for it is of the same.
    variant: Variant,
    judge: Arc<Judge>,
    preconditions: Preconditions,
    /// The version that the write names in its content or query, where the origin keeps versions there.
    stated: Option<Stated>,
    /// How the client's own precondition was met, once that was looked into since its turn came.
    compared: Option<Compared>,
    /// The natural key of what it creates, where the route says how that is found.
    sought: Option<Box<Sought>>,
    stage: Stage,
    started: Time,
    jitter: Jitter,
    view: LaneView,
    /// Where it stands in its lanes.
    place: Place,
    /// The fence, once claimed.
    fence: Option<Fence>,
    /// When the key that it claimed may be forgotten.
    expires: Option<Time>,
    /// The doubt of an earlier exchange that this one took up.
    resumed: Option<Box<Record>>,
    /// The origin cannot tell a repeat of that doubt by its key; known once it is taken up.
    key_is_lost: bool,
    plan: Option<Box<Plan>>,
    /// How often it was sent.
    attempts: u32,
    /// How often in a row it had to wait.
    rounds: u32,
    /// How often in a row it has looked what became of another gateway's claim.
    looks: u32,
    /// An attempt of which nothing is known, if there was one.
    unknown: Option<Unknown>,
    /// Whether the origin showed that it has performed an attempt of this write already.
    performed: bool,
    /// When the last attempt was sent or, if it got no answer, given up: what is late counts from here.
    quiet_since: Time,
    /// When the last look began.
    looked_at: Time,
    /// The answer that refused the last attempt.
    refused: Option<Box<(Response, Verdict)>>,
    /// What was read last in the lane, for whoever comes next.
    seen: Option<Carried>,
    /// What the origin accepted, while it is followed.
    operation: Option<Box<Operation>>,
    /// The doubt that a gateway of ours before the origin has about it.
    held_before_origin: Option<WriteId>,
    /// By which way its requests go.
    via: Via,
    /// The bot check that it met.
    met: Option<Box<Met>>,
}

/// Where an exchange stands: what the outstanding effect is for.
#[derive(Debug, Clone)]
enum Stage {
    New,
    Registering,
    Joining,
    LookingUp,
    Rereading,
    Queueing,
    ClaimingAhead,
    AwaitingTurn,
    Checking,
    Seeking,
    Claiming,
    Sending,
    Waiting(Next),
    HandingOff,
    Refetching,
    Proving,
    Following,
    Recording(Box<Answer>),
    Done,
}

/// Where an exchange stands in its lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Queued,
    Front,
}

/// What follows a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Send,
    Refetch,
    Prove,
    Check,
    Seek,
    LookUp,
    Follow,
}

impl Exchange {
    /// An exchange that has not begun.
    #[must_use]
    pub fn new(write: Arc<WriteRequest>, context: Context, judge: Arc<Judge>) -> Exchange {
        let mut exchange = Exchange {
            jitter: Jitter::new(context.seed),
            edit: Arc::new(Edit::of(&write)),
            write,
            said: Arc::clone(&context.policy),
            context,
            judge,
            preconditions: Preconditions::default(),
            stated: None,
            compared: None,
            sought: None,
            decided: None,
            variant: Variant::default(),
            stage: Stage::New,
            started: Time::default(),
            view: LaneView::default(),
            place: Place::Outside,
            fence: None,
            expires: None,
            resumed: None,
            key_is_lost: false,
            plan: None,
            attempts: 0,
            rounds: 0,
            looks: 0,
            unknown: None,
            performed: false,
            quiet_since: Time::default(),
            looked_at: Time::default(),
            refused: None,
            seen: None,
            operation: None,
            held_before_origin: None,
            via: Via::Wire,
            met: None,
        };
        exchange.learn_from_reads();
        exchange.read_versions();
        exchange.read_key();
        exchange
    }

    /// Whether a client that goes away may take the write with it: it has no key and was not sent, or waits for another.
    #[must_use]
    pub fn can_be_abandoned(&self) -> bool {
        let unsent = self.resumed.is_none() && self.attempts == 0 && self.unknown.is_none();
        unsent && (self.context.key.is_none() || matches!(self.stage, Stage::Joining))
    }

    /// Whose write it is.
    #[must_use]
    pub fn caller(&self) -> CallerId {
        self.context.caller
    }

    /// What an exchange that is dropped in the middle leaves in its lanes: a request of which nothing is known and which
    /// no version guards. `None`: nothing.
    #[must_use]
    pub fn left_behind(&self, now: Time) -> Option<LaneExit> {
        let on_its_way = self.unknown.is_some() || self.operation.is_some() || matches!(self.stage, Stage::Sending);
        (on_its_way && !self.is_guarded() && self.place == Place::Front).then(|| LaneExit {
            suspect_until: Some(now.after(self.context.policy.late_after)),
            ..LaneExit::default()
        })
    }

    /// Takes one input and says what to do next. Total: an input that does not fit the stage ends the
    /// exchange with what is known.
    pub fn handle(&mut self, now: Time, input: Input) -> Step {
        let mut step = self.advance(now, input);
        if let Effect::Answer { answer, .. } = &mut step.effect {
            self.sign(answer);
        }
        step
    }

    fn advance(&mut self, now: Time, input: Input) -> Step {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        match (stage, input) {
            (Stage::New, Input::Begin) => self.begin(now),
            (Stage::Registering, Input::Registered) => self.look_up(),
            (Stage::Registering, Input::Running(fingerprint)) => self.join(fingerprint),
            (Stage::Registering, Input::Repeats) => self.wait_for_the_other(),
            (Stage::Registering, Input::RepeatsSomething) => self.repeats_something(),
            (Stage::Registering, Input::Undelivered(answer)) => self.joined(*answer),
            (Stage::Joining, Input::Awaited(Some(answer))) => self.joined(*answer),
            (Stage::Joining, Input::CallerGone) => self.abandoned(),
            (Stage::Joining, Input::Awaited(None)) => self.register(),
            (Stage::Joining, Input::Elapsed) => self.still_running(),
            (Stage::LookingUp, Input::Found(None)) => self.queue(),
            (Stage::LookingUp, Input::Found(Some(record))) => self.known(now, record),
            (Stage::Queueing, Input::LaneFull | Input::Elapsed) => self.never_had_a_turn(),
            (Stage::Queueing | Stage::AwaitingTurn, Input::LedgerFailed(failure)) => self.ledger_down(now, &failure),
            (Stage::Queueing, Input::CallerGone) => self.abandoned(),
            (Stage::AwaitingTurn | Stage::Waiting(_), Input::CallerGone) => self.abandoned_later(now),
            (Stage::Rereading, Input::Found(record)) => self.reread(now, record),
            (Stage::Rereading, Input::LedgerFailed(failure)) => self.ledger_down(now, &failure),
            (Stage::Queueing, Input::Near) => self.claim_ahead(now),
            (Stage::Queueing | Stage::AwaitingTurn, Input::Turn(view)) => self.turn(now, view),
            (Stage::ClaimingAhead, Input::Granted(fence)) => self.await_turn(fence),
            (Stage::ClaimingAhead | Stage::Claiming, Input::GrantedToNobody(fence)) => {
                self.granted_to_nobody(now, fence)
            }
            (Stage::ClaimingAhead | Stage::Claiming, Input::Taken(record)) => self.known(now, record),
            (Stage::ClaimingAhead | Stage::Claiming, Input::LedgerFailed(failure)) => self.ledger_down(now, &failure),
            (Stage::LookingUp, Input::LedgerFailed(failure)) => self.ledger_down(now, &failure),
            (Stage::AwaitingTurn, Input::Elapsed) => self.never_had_a_turn(),
            (Stage::Checking, Input::Fetched(delivery)) => self.checked(now, delivery),
            (Stage::Checking, Input::Elapsed) => self.checked(now, Delivery::Unknown(Unknown::Timeout)),
            (Stage::Seeking, Input::Fetched(delivery)) => self.sought_out(now, delivery),
            (Stage::Seeking, Input::Elapsed) => self.sought_out(now, Delivery::Unknown(Unknown::Timeout)),
            (Stage::Claiming, Input::Granted(fence)) => self.granted(now, fence),
            (Stage::Sending, Input::Delivered(delivery)) => self.delivered(now, delivery),
            (Stage::Sending, Input::LedgerFailed(failure)) => self.withheld(now, &failure),
            (Stage::Sending, Input::Elapsed) => self.delivered(now, Delivery::Unknown(Unknown::Timeout)),
            (Stage::Waiting(next), Input::Elapsed) => match next {
                Next::Send => self.once_more(now),
                Next::Check => self.check(now),
                Next::Seek => self.seek(now),
                Next::LookUp => self.look_up_again(),
                Next::Refetch => self.refetch(now),
                Next::Prove => self.prove(now),
                Next::Follow => self.follow(now),
            },
            (Stage::HandingOff, Input::HandedOff(passed)) => self.handed_off(now, passed),
            (Stage::HandingOff, Input::Elapsed) => self.not_passed_in_time(now),
            (Stage::Refetching, Input::Fetched(delivery)) => self.refetched(now, delivery),
            (Stage::Refetching, Input::Elapsed) => self.refetched(now, Delivery::Unknown(Unknown::Timeout)),
            (Stage::Proving, Input::Fetched(delivery)) => self.weigh(now, delivery),
            (Stage::Proving, Input::Elapsed) => self.weigh(now, Delivery::Unknown(Unknown::Timeout)),
            (Stage::Following, Input::Fetched(delivery)) => self.followed(now, delivery),
            (Stage::Following, Input::Elapsed) => self.followed(now, Delivery::Unknown(Unknown::Timeout)),
            (Stage::Recording(answer), Input::Recorded) => reply::answer(*answer, None),
            (Stage::Recording(answer), Input::LedgerFailed(failure)) => self.not_recorded(*answer, &failure),
            (stage, input) => self.misfit(now, &stage, &input),
        }
    }

    /// A driver that breaks the contract must not make a write land twice or a doubt vanish.
    fn misfit(&mut self, now: Time, stage: &Stage, input: &Input) -> Step {
        debug_assert!(false, "input {input:?} does not fit stage {stage:?}");
        if self.attempts > 0 {
            self.in_doubt(now, Unknown::Crash)
        } else {
            self.abandoned()
        }
    }

    /// Whether the last attempt was guarded by a version that never recurs, so that it cannot arrive late and do harm.
    fn is_guarded(&self) -> bool {
        let guard = self.plan.as_deref().and_then(|p| p.guard.as_ref());
        guard.is_some_and(|g| g.version)
    }

    fn earlier(&self) -> Earlier {
        if self.unknown.is_some() {
            Earlier::MayHaveApplied
        } else {
            Earlier::Nothing
        }
    }

    fn gives_up_at(&self) -> Time {
        self.started.after(self.context.policy.patience)
    }
}
