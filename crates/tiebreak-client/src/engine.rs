//! The engine that all doors share.

use std::sync::Arc;
use std::time::Duration;

use tiebreak_core::base::{Candidates, Served};
use tiebreak_core::caller::CallerId;
use tiebreak_core::exchange::{Answer, Context, Exchange};
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::judge::Judge;
use tiebreak_core::key::{IdempotencyKey, KeyDigest, KeyTrace};
use tiebreak_core::lane::{LaneId, lanes_about};
use tiebreak_core::mark::Mark;
use tiebreak_core::merge::Representation;
use tiebreak_core::method::removes_target;
use tiebreak_core::outcome::{Outcome, Report};
use tiebreak_core::policy::{KeyRule, Policy};
use tiebreak_core::record::{Held, State, WriteId};
use tiebreak_core::repeat::Likeness;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::validator::EntityTag;
use tiebreak_core::variant::Variant;
use tiebreak_core::virtual_tag::is_virtual;
use tiebreak_ledger::{Ledger, LedgerError, MAX_PAGE};
use tokio::sync::oneshot;

use crate::browser::Browser;
use crate::caller::Callers;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::inflight::Inflight;
use crate::lanes::{LaneLimits, Lanes};
use crate::presence::Presence;
use crate::reads::{Read, ReadLimits, Reads};
use crate::story::{Begun, Watch};
use crate::transport::Transport;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// What applies to writes whose door says nothing else.
    pub policy: Arc<Policy>,
    /// Whose secret the traces of keys are made with.
    pub callers: Arc<Callers>,
    /// Bounds of the lanes.
    pub lanes: LaneLimits,
    /// Bounds of what is remembered of reads.
    pub reads: ReadLimits,
    /// At most so many bytes of an answer to a write are read.
    pub max_answer: usize,
    /// Fixed randomness, for simulations: the seed of ids and jitter. `None`: the system's.
    pub seed: Option<u64>,
    /// Who records what happens to each write, if anybody does.
    pub watch: Option<Arc<Watch>>,
    /// Where a person passes the checks of routes that allow it; `None`: nowhere.
    pub browser: Option<Arc<dyn Browser>>,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            policy: Arc::default(),
            callers: Arc::new(Callers::of_this_process()),
            lanes: LaneLimits::default(),
            reads: ReadLimits::default(),
            max_answer: 16 << 20,
            seed: None,
            watch: None,
            browser: None,
        }
    }
}

/// What a door knows of a write besides the request.
#[derive(Debug, Default)]
pub struct Submission {
    /// Its id, where the door has drawn one with [`Engine::new_id`].
    pub id: Option<WriteId>,
    /// Who writes; `None`: anonymous.
    pub caller: Option<CallerId>,
    /// A key of the door's own (bulk jobs); otherwise the policy says which field holds the client's.
    pub key: Option<IdempotencyKey>,
    /// What the door knows of the sender beside its credential, such as its address: tells anonymous callers apart. `None`:
    /// nothing; then what an anonymous caller sends without a key is nobody's repeat.
    pub sender: Option<String>,
    /// The connection that it came over, as the door numbers them.
    pub connection: Option<u64>,
    /// Whether the door serves reads too, so that what the caller wrote counts among what it has seen, also where no
    /// connection is known.
    pub remembers: bool,
    /// The conflict domains that its route declares, besides its target.
    pub lanes: Vec<LaneId>,
    /// What applies to it, if not the engine's policy.
    pub policy: Option<Arc<Policy>>,
    /// The mark by which the write says which of the versions that were served it was made from.
    pub mark: Option<Mark>,
    /// The document that the edit was made from, where the caller says so itself.
    pub base: Option<Representation>,
    /// Whether to read the target before writing.
    pub check_first: bool,
    /// Resolves (or is dropped) when the client has gone.
    pub gone: Option<oneshot::Receiver<()>>,
}

/// Performs writes conflict-safely. Cheap to share behind an [`Arc`].
pub struct Engine {
    options: EngineOptions,
    clock: Clock,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    judge: Arc<Judge>,
    lanes: Arc<Lanes>,
    inflight: Arc<Inflight>,
    reads: Reads,
    random: Random,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over this ledger and this transport.
    #[must_use]
    pub fn new(
        options: EngineOptions,
        clock: Clock,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        judge: Arc<Judge>,
    ) -> Engine {
        Engine {
            lanes: Lanes::of(options.lanes, clock, &ledger),
            reads: Reads::new(options.reads),
            random: Random::new(options.seed),
            inflight: Arc::default(),
            options,
            clock,
            ledger,
            transport,
            judge,
        }
    }

    /// Who says what answers mean.
    #[must_use]
    pub fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    /// Takes notice of what an earlier process left, before the first write: the lanes of what may still arrive late are
    /// suspect, and what it served to whom is not known any more. Returns how many doubts are open.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn recover(&self) -> Result<u64, LedgerError> {
        let (mut after, mut count) = (None, 0);
        let stats = self.ledger.stats().await?;
        if stats.claimed + stats.settled + stats.in_doubt > 0 {
            self.reads.forgot(self.clock.now());
        }
        loop {
            let page = self.ledger.doubts(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.claim.id);
            count += page.len() as u64;
            for record in &page {
                let held = record.claim.held.as_deref().and_then(Held::parse);
                let kind = self.options.policy.etag;
                let guarded = held
                    .as_ref()
                    .and_then(Held::tag)
                    .is_some_and(|tag| kind.is_version(tag, None));
                if let (State::InDoubt(doubt), false) = (&record.state, guarded) {
                    let until = doubt.since.after(self.options.policy.late_after);
                    self.lanes.suspect(&record.claim.lanes, until);
                }
            }
        }
    }

    /// Performs one write: once, on the version it was meant for.
    ///
    /// Dropping the future abandons the exchange wherever it is, which leaves a claim behind that only a
    /// restart turns into a doubt: a door whose client may go away spawns it as a task of its own.
    pub async fn write(&self, request: WriteRequest, submission: Submission) -> Answer {
        let caller = submission.caller.unwrap_or(CallerId::ANONYMOUS);
        let policy = submission.policy.unwrap_or_else(|| Arc::clone(&self.options.policy));
        let fingerprint = Fingerprint::of(&request);
        let sender = self
            .options
            .callers
            .sender(submission.sender.as_deref(), &request.headers);
        let keyed = match submission.key {
            Some(own) => Keyed::by_door(caller, &own, &request),
            None => match IdempotencyKey::sent(&request.headers, &policy.keys) {
                Ok(Some(sent)) => Keyed::by_client(caller, &sent, &request, &self.options.callers),
                Ok(None) => Keyed::by_route(caller, sender, fingerprint, &policy),
                Err(problem) => return Answer::ours(problem, Report::unsent()),
            },
        };
        let (random, seed) = self.random.draw();
        let resource = policy.resource(&request.target);
        let mut lanes = lanes_about(&request, &resource);
        if !submission.lanes.is_empty() {
            lanes.extend(submission.lanes);
            lanes.sort();
            lanes.dedup();
        }
        let context = Context {
            id: submission.id.unwrap_or_else(|| WriteId::new(self.clock.now(), random)),
            caller,
            key: keyed.key,
            trace: keyed.trace,
            derived: keyed.derived,
            likeness: Likeness::of(caller, sender, fingerprint).filter(|_| policy.joins),
            fingerprint,
            lanes,
            candidates: self.candidates(caller, &resource, submission.connection, submission.mark.as_ref()),
            marked: submission.mark.is_some(),
            connection: submission.connection,
            policy: Arc::clone(&policy),
            base: submission.base,
            check_first: submission.check_first,
            shared: self.ledger.shared().is_some(),
            seed,
        };
        let story = self.options.watch.as_ref().map(|watch| {
            watch.begin(
                &request,
                Begun {
                    id: context.id,
                    caller,
                    keyed: context.key.is_some(),
                    lanes: &context.lanes,
                    at: self.clock.now(),
                },
            )
        });
        let (connection, remembers) = (submission.connection, submission.remembers);
        let request = Arc::new(request);
        let exchange = Exchange::new(Arc::clone(&request), context, Arc::clone(&self.judge));
        let driver = Driver {
            engine: self,
            exchange,
            client: Presence::new(submission.gone),
            abandoned: false,
            ticket: None,
            registration: None,
            life: None,
            waiting: None,
            page: None,
            story,
        };
        let answer = driver.run().await;
        if answer.pooled {
            self.reads.note_pooled(caller, self.clock.now());
        }
        // What a caller wrote is of the variant that it was made from.
        let variant = match answer.variant == Variant::default() {
            true => Variant::written(&request.headers, &answer.headers),
            false => Some(answer.variant.clone()),
        };
        if remembers || connection.is_some() {
            let known = variant.is_some();
            let read = Read {
                caller,
                target: resource.as_str().to_owned(),
                variant: variant.unwrap_or_default(),
                connection,
            };
            match known {
                true => self.note_own(read, &policy, &request, &answer),
                // Of `Vary: *`: it cannot be told what was written.
                false => self.reads.note(read, None, None, self.clock.now()),
            }
        }
        answer
    }

    /// What this caller may have made its edit from. Where other gateways serve reads too, that is never known to be all.
    fn candidates(
        &self,
        caller: CallerId,
        target: &Target,
        connection: Option<u64>,
        mark: Option<&Mark>,
    ) -> Candidates {
        let now = self.clock.now();
        let mut known = self.reads.candidates(caller, target.as_str(), connection, now);
        known.complete &= self.ledger.shared().is_none();
        if let Some(mark) = mark {
            let named = |served: &Served| {
                let content = served.content.as_ref().filter(|_| !served.sent);
                content.is_some_and(|content| Mark::of(served.etag.as_ref(), content) == *mark)
            };
            known.served.retain(named);
            // It was one of them, whatever else was read.
            known.complete = true;
        }
        known
    }

    /// A caller knows what it wrote: the new representation where the answer holds it, else what it sent.
    fn note_own(&self, read: Read, policy: &Policy, request: &WriteRequest, answer: &Answer) {
        let now = self.clock.now();
        if let Some(produced) = &answer.produced {
            let content = Some(produced.representation.clone());
            return self.reads.note(read, produced.etag.clone(), content, now);
        }
        let outcome = answer.report.outcome;
        if matches!(outcome, Outcome::Applied | Outcome::Adopted) && removes_target(&request.method) {
            return self.reads.forget(&read);
        }
        let may_be_there = matches!(outcome, Outcome::Applied | Outcome::Accepted | Outcome::InDoubt);
        if request.method != http::Method::PUT || !may_be_there {
            return;
        }
        if let Some(shown) = self.shown(policy, request, answer) {
            return self.reads.note(read, answered_tag(answer), Some(shown), now);
        }
        let read = Read {
            // What may not be there yet may be read without it, through another gateway: on this connection nothing says so.
            connection: read
                .connection
                .filter(|_| outcome == Outcome::Applied || self.ledger.shared().is_none()),
            ..read
        };
        let content_type = request.field("content-type").unwrap_or_default();
        let sent = Representation::new(content_type, request.content.clone());
        if outcome == Outcome::Applied && sent.document().is_err() {
            // As with reads, content that cannot be merged is nobody's base, and what it replaced is none any more.
            return self.reads.forget(&read);
        }
        let etag = answered_tag(answer);
        let unaltered = outcome == Outcome::Applied && !answer.report.rebased;
        if let Some(version) = &policy.body_version {
            let made = version.written(request, &answer.status, &answer.headers, &answer.content);
            let (etag, content) = made.filter(|_| unaltered).unzip();
            return self.reads.note_sent(read, etag, content, now);
        }
        self.reads.note_sent(read, etag.filter(|_| unaltered), Some(sent), now);
    }

    /// The resource as the answer to a write shows it, where a dialect knows its documents. Of other answers nobody knows whether
    /// they are the resource or a message about it, unless they hold all that was sent.
    fn shown(&self, policy: &Policy, request: &WriteRequest, answer: &Answer) -> Option<Representation> {
        let whole = matches!(answer.status.as_u16(), 200 | 201) && answer.report.outcome == Outcome::Applied;
        let plain = !answer.headers.contains_key(http::header::CONTENT_ENCODING);
        if !whole || !plain || policy.body_version.is_some() {
            return None;
        }
        let content_type = answer.headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        let shown = Representation::new(content_type, answer.content.clone());
        self.judge.document(request.target.path(), &shown).map(|_| shown)
    }

    /// An id for a write of which a door wants to know the story.
    #[must_use]
    pub fn new_id(&self) -> WriteId {
        WriteId::new(self.clock.now(), self.random.draw().0)
    }

    /// What was served to whom; a door that serves reads tells it here.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The lanes.
    #[must_use]
    pub fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    pub(crate) fn inflight(&self) -> &Arc<Inflight> {
        &self.inflight
    }
}

/// The origin's tag of what a write left; one of our own is no version that the origin compares.
fn answered_tag(answer: &Answer) -> Option<EntityTag> {
    let tag = answer.headers.get(http::header::ETAG)?;
    EntityTag::parse(tag.to_str().ok()?).ok().filter(|tag| !is_virtual(tag))
}

/// The key of a write, by whoever gave it one.
#[derive(Debug, Default)]
struct Keyed {
    key: Option<KeyDigest>,
    trace: Option<KeyTrace>,
    derived: Option<Duration>,
}

impl Keyed {
    fn by_door(caller: CallerId, own: &IdempotencyKey, request: &WriteRequest) -> Keyed {
        Keyed {
            key: Some(KeyDigest::of(caller, own, &scope(request))),
            ..Keyed::default()
        }
    }

    fn by_client(caller: CallerId, sent: &IdempotencyKey, request: &WriteRequest, callers: &Callers) -> Keyed {
        Keyed {
            trace: Some(callers.trace(sent, &scope(request))),
            ..Keyed::by_door(caller, sent, request)
        }
    }

    fn by_route(caller: CallerId, sender: Option<Digest>, fingerprint: Fingerprint, policy: &Policy) -> Keyed {
        let key = match policy.keys.rule {
            KeyRule::Derived => KeyDigest::derived(caller, sender, fingerprint),
            KeyRule::Required | KeyRule::Accepted | KeyRule::Off => None,
        };
        Keyed {
            key,
            trace: None,
            derived: key.map(|_| policy.keys.window),
        }
    }
}

/// Within which a caller's key stands for one write.
fn scope(request: &WriteRequest) -> [&str; 3] {
    [
        request.target.authority(),
        request.method.as_str(),
        request.target.path(),
    ]
}

/// Where ids and jitter come from.
#[derive(Debug)]
struct Random {
    counter: std::sync::atomic::AtomicU64,
    key: [u8; 32],
}

impl Random {
    fn new(seed: Option<u64>) -> Random {
        let mut key = [0; 32];
        match seed {
            Some(seed) => key[..8].copy_from_slice(&seed.to_be_bytes()),
            None => getrandom::fill(&mut key).expect("the operating system has randomness"),
        }
        Random { counter: 0.into(), key }
    }

    /// Ten bytes for an id and a seed for the jitter, new each time: SHA-256 of a secret and a counter.
    fn draw(&self) -> ([u8; 10], u64) {
        let count = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let digest = tiebreak_core::fingerprint::Digest::of(&[&self.key, &count.to_be_bytes()]).0;
        let mut id = [0; 10];
        id.copy_from_slice(&digest[..10]);
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest[10..18]);
        (id, u64::from_be_bytes(seed))
    }
}
